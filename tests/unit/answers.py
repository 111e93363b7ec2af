"""A transport without a network: it gives prepared answers and keeps the requests."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Callable
from urllib.parse import urlsplit

import orjson

from pipedrive_fdw.api.transport import Request, Response
from pipedrive_fdw.api.waiting import Exchange
from pipedrive_fdw.options import Options, read_options
from pipedrive_fdw.session.account_sessions import new_client, new_session, use_session
from pipedrive_fdw.table.bound_table import BoundTable

_accounts = itertools.count(1)
Answer = Callable[[Mapping[str, str], Any], Any]


class Refusal(Exception):
    """Raised by an answer: the API refuses with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Answers:
    """The transport; *answers* by 'METHOD /path' get the query parameters and the JSON of the body.

    They return ``data``, or the whole envelope as a mapping with ``data``. ``sent`` are the requests so far,
    by method, path with parameters, and JSON of the body.
    """

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers
        self.sent: list[tuple[str, str, Any]] = []

    def send(self, request: Request, exchange: Exchange) -> Response:
        path = urlsplit(request.url).path
        body = None if request.body is None else orjson.loads(request.body)
        query = "&".join(f"{name}={value}" for name, value in request.params)
        self.sent.append((request.method, f"{path}?{query}" if query else path, body))
        answer = self._answers.get(f"{request.method} {path}")
        if answer is None:
            return _response(404, {"success": False, "error": "not found"})
        try:
            found = answer(dict(request.params), body)
        except Refusal as refusal:
            return _response(refusal.status, {"success": False, "error": "refused"})
        envelope = found if isinstance(found, Mapping) and "data" in found else {"data": found}
        return _response(200, {"success": True, **envelope})

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _ in self.sent]


def _response(status: int, body: Any) -> Response:
    return Response(status, {"content-type": "application/json"}, orjson.dumps(body))


def account(answers: Mapping[str, Answer], **options: str) -> tuple[Options, Answers]:
    """The options of an account of its own, whose requests get *answers*."""
    given = {
        "base_url": f"http://127.0.0.1:{next(_accounts)}",
        "api_token": "a-token-of-the-tests",
        **options,
    }
    read = read_options(given)
    transport = Answers(answers)
    use_session(read, new_session(read, new_client(read, transport, None)))
    return read, transport


def definitions(*columns: tuple[str, str]) -> dict[str, Any]:
    """The definitions of *columns*, each a name and a type, as Multicorn gives them."""
    return {
        name: SimpleNamespace(column_name=name, type_name=kind, base_type_name=kind, options={})
        for name, kind in columns
    }


def bound(options: Options, *columns: tuple[str, str]) -> BoundTable:
    """The foreign table of *options* with *columns*."""
    return BoundTable(options, definitions(*columns))
