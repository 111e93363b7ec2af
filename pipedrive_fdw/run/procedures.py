"""The two foreign tables that the extension's functions work through (sql/src/20_requests.sql).

They are no tables of Pipedrive, an import does not make them: a function makes what it needs in the session's
temporary schema. An INSERT into ``request`` sends one request and RETURNING gives the API's answer; a SELECT
of ``catalogue`` gives the words for COMMENTs and costs no request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from pipedrive_fdw.addresses import check_written_segment
from pipedrive_fdw.api.paging import pages
from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.catalog.describe import column_comment, table_comment
from pipedrive_fdw.catalog.functions import ARGUMENTS
from pipedrive_fdw.catalog.model import Listing, Operation, Table
from pipedrive_fdw.catalog.operations import price
from pipedrive_fdw.codec import CODECS
from pipedrive_fdw.errors import AccessError, NotFoundError, PipedriveError, WriteError, sentences
from pipedrive_fdw.jsontext import to_json
from pipedrive_fdw.masking import beginning
from pipedrive_fdw.options import Options, with_session
from pipedrive_fdw.run.account import forget, session_for
from pipedrive_fdw.run.asked import Asked, Loop
from pipedrive_fdw.run.backend import setting
from pipedrive_fdw.run.returning import key_text
from pipedrive_fdw.run.session import Guards, Params, Work
from pipedrive_fdw.run.transaction import TRANSACTION
from pipedrive_fdw.shapes import Place, check, tidied

REQUEST, CATALOGUE = "request", "catalogue"
# Stands in place of a method, and sends nothing: removes what the server keeps of the account.
FORGET = "FORGET"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PATH = re.compile(r"(?:/api)?/v([12])((?:/[^/]+)+)")
_MOST_CHARACTERS, _SHOWN = 2_000, 100
# What a page of a search can hold (FACTS 3).
_HITS = 100
Values = Mapping[str, Any]


class _NoScan:
    """What PostgreSQL's planner asks, answered for a table without conditions."""

    def size(self, quals: Sequence[Any], columns: Iterable[str]) -> tuple[int, int]:
        return 1_000, 100

    def path_keys(self) -> list[tuple[tuple[str, ...], int]]:
        return []

    def sortable(self, sortkeys: Sequence[Any]) -> list[Any]:
        return []

    def limitable(self, limit: int | None) -> bool:
        return False

    def scan(self, loop: Loop) -> Iterator[Any]:
        yield from ()

    def explain(self, asked: Asked, verbose: bool) -> Iterator[str]:
        yield "Part of the extension pipedrive_fdw: no request"


class CatalogueTable(_NoScan):
    """One row for each table (column_name is NULL) and each column: its COMMENT."""

    def __init__(self, options: Options) -> None:
        self._tables = tables_of(options["api_version"])

    def scan(self, loop: Loop) -> Iterator[dict[str, Any]]:
        for table in self._tables.values():
            yield {"table_name": table.name, "column_name": None, "comment": table_comment(table)}
            for column in (*table.columns, ATTRS):
                comment = column_comment(table, column)
                yield {"table_name": table.name, "column_name": column.name, "comment": comment}


class RequestTable(_NoScan):
    """INSERT (method, path, query, body, pages) … RETURNING answer.

    What a request costs is what the API's price list says of it, never what the row says.
    """

    row_id = "answer"

    def __init__(self, options: Options) -> None:
        self._options = options

    @property
    def writer(self) -> RequestTable:
        return self

    def insert(self, values: Values) -> dict[str, Any]:
        """Sends the request, at once in every write mode; ``answer`` is the ``data`` of the API's answer.

        Of FORGET it is the number of files that were removed.

        Raises WriteError for what cannot be sent, and the API's error, which says what the statement has
        written before.
        """
        method = str(values["method"]).upper()
        if method == FORGET:
            return {**values, "answer": str(forget(self._options))}
        if method not in _METHODS:
            raise WriteError(f"{values['method']!r} is no method", hint=f"Methods: {', '.join(_METHODS)}.")
        version, path = _parsed(str(values["path"]))
        if method != "GET" and not self._options["updatable"]:
            raise WriteError(
                f"{method} {path} is not to be sent",
                detail="The option updatable of the server is 'false'.",
                hint="ALTER SERVER … OPTIONS (SET updatable 'true').",
            )
        query = _json(values, "query")
        bodies, many = _bodies(method, version, path, _json(values, "body"))
        whole = method == "GET" and CODECS["boolean"].parse(values.get("pages") or "f")
        op, params = Operation(path, price(version, method, path), version, method), _parameters(query)
        answers = [self._send(op, params, body, whole) for body in bodies]
        data = answers if many else answers[0]
        return {**values, "answer": None if data is None else to_json(data)}

    def _send(self, op: Operation, params: Params, body: Any, whole: bool) -> Any:
        """The ``data`` of one request. Raises the API's error, with what the statement has written before."""
        try:
            data = self._data(op, params, body, whole)
        except PipedriveError as error:
            error.detail = sentences(error.detail, TRANSACTION.statement_report())
            raise self._explained(error, op.path) from None
        if op.method != "GET":
            made = data.get("id") if isinstance(data, dict) else None
            key = "done" if made is None else key_text(made)
            TRANSACTION.wrote(op.method, f"/v{op.version}{op.path}", key)
        return data

    def _data(self, op: Operation, params: Params, body: Any, whole: bool) -> Any:
        options = with_session(self._options, setting)
        guards = Guards(options["max_tokens_per_query"], options["reserve_tokens"])
        work = session_for(self._options).work(guards)
        try:
            if whole:
                return _every_page(work, op, params)
            return work.send(op, op.path, None if body is None else orjson.dumps(body), params=params).data
        finally:
            work.close()

    def _explained(self, error: PipedriveError, path: str) -> PipedriveError:
        """*error* with what is gone, where Pipedrive has taken the operations of *path* away."""
        if isinstance(error, (AccessError, NotFoundError)):
            for table in tables_of(self._options["api_version"]).values():
                if table.removed and _family(table) == path.split("/")[1]:
                    error.hint = sentences(table.needs)
        return error


def _every_page(work: Work, op: Operation, params: Params) -> Any:
    """The ``data`` of a search with the ``items`` of all its pages."""
    answers: list[Mapping[str, Any]] = []

    def ask(asked: Params) -> Mapping[str, Any]:
        answers.append(work.ask(op, op.path, asked))
        return answers[-1]

    listing = Listing(op.path, op.tokens, op.version, op.method, rows="items")
    found = pages(ask, listing, (*params, ("limit", str(_HITS))), f"GET {op.path}")
    items = [item for page in found for item in page]
    return {**answers[0]["data"], "items": items}


def _family(table: Table) -> str:
    return table.listings[0].path.split("/")[1]


def _parsed(path: str) -> tuple[int, str]:
    """'/v1/deals/summary' → (1, '/deals/summary'). Raises WriteError for what is no path of the API."""
    found = _PATH.fullmatch(path[: _MOST_CHARACTERS + 1])
    try:
        if found is None or len(path) > _MOST_CHARACTERS:
            raise ValueError("it has another form")
        for segment in found[2].split("/")[1:]:
            check_written_segment(segment)
    except ValueError as error:
        raise WriteError(
            f"{beginning(path, _SHOWN)!r} is no path of the API",
            detail=sentences(str(error).capitalize()),
            hint="It begins with /v1/ or /v2/, like '/v2/deals/7'; parameters stand in the argument query.",
        ) from None
    return int(found[1]), found[2]


def _json(values: Values, name: str) -> Any:
    raw = values.get(name)
    try:
        jsonb = CODECS["jsonb"]
        return None if raw is None else jsonb.dump(jsonb.parse(raw))
    except ValueError as error:
        raise WriteError(f"{name} cannot be sent", detail=sentences(str(error))) from None


def _bodies(method: str, version: int, path: str, body: Any) -> tuple[list[Any], bool]:
    """The bodies to be sent, one request each, and whether *body* lists them.

    Raises WriteError where an argument of a function is not what the API takes.
    """
    for argument in ARGUMENTS:
        given = isinstance(body, dict) and argument.name in body
        if given and argument.sent_by(method, version, path):
            place = Place(f"{argument.name} of {method} /v{version}{path}", argument.name)
            check(argument.shape, body[argument.name], None, place)
            value = tidied(argument.shape, body[argument.name])
            return (value, True) if argument.each else ([{**body, argument.name: value}], False)
    return [body], False


def _parameters(query: Any) -> Params:
    """A jsonb object as query parameters: null is left out, an array is a comma list."""
    if query is None:
        return ()
    if not isinstance(query, dict):
        raise WriteError("query must be a jsonb object", hint="""Like '{"status": "open"}'.""")
    return tuple((name, _text(value)) for name, value in query.items() if value is not None)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_text(one) for one in value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()
