"""Another implementation of the API, for tests: each list or record is what a test says, in any form that
the documentation allows and the simulator does not happen to take.

Stands in for a simulator in ``LiveAccount(server, OtherApi({...}))``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Union
from urllib.parse import parse_qsl, urlsplit

Answer = Callable[[Any], Union[Mapping[str, Any], tuple[int, Mapping[str, Any]]]]


class Query(dict[str, str]):
    """The parameters of a request; ``pairs`` has those that come several times too."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self.pairs = tuple(pairs)


class OtherApi:
    """*answers*: path without /api → the payload for a Query, or (status, payload); for a write the method
    stands before the path ("PATCH /v2/deals/7"), and the answer is that to its body. All else is a 404."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = answers
        self._log: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> OtherApi:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def reset(self) -> None:
        self._log.clear()

    def requests(self) -> list[dict[str, Any]]:
        return list(self._log)

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(target)
        path = parts.path[len("/api") :]
        given: Any = Query(parse_qsl(parts.query)) if method == "GET" else json.loads(body or b"null")
        self._log.append({"path": parts.path, "query": given})
        found = self.answers.get(path if method == "GET" else f"{method} {path}")
        made: Any = (404, {"success": False, "error": "Not found"}) if found is None else found(given)
        status, payload = made if isinstance(made, tuple) else (200, made)
        return status, json.dumps(payload).encode()


def _handler(api: OtherApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body leave together

        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            status, body = api.answer(self.command, self.path, self.rfile.read(length))
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def whole(records: Sequence[Any], **more: Any) -> Answer:
    """All *records* in one answer."""
    return lambda query: {"success": True, "data": list(records), **more}


def by_cursor(*pages: Sequence[Any]) -> Answer:
    """*pages* in turn, however many rows were asked for; the last has no additional_data."""

    def answer(query: dict[str, str]) -> Mapping[str, Any]:
        number = int(query.get("cursor", "0"))
        found: dict[str, Any] = {"success": True, "data": list(pages[number])}
        if number + 1 < len(pages):
            found["additional_data"] = {"next_cursor": str(number + 1)}
        return found

    return answer
