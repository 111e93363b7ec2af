"""HTTP: connections, keep-alive, and the faults that spoil an answer on its way out."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from tests.simulator.control import control
from tests.simulator.faults import AGAIN, Fault, repeating, spoilt

if TYPE_CHECKING:
    from tests.simulator.service import Answer, Simulator


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], simulator: Simulator) -> None:
        self.simulator = simulator
        self._connections: set[socket.socket] = set()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Without the look-up of the host's full name, which can take long."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def drop_connections(self, but: socket.socket | None = None) -> None:
        for connection in self._connections - {but}:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # those are clients that went away
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    wbufsize = 1 << 16

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:  # noqa: N802 - the library's name
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if parts.path.startswith("/_sim/"):
            status, result = control(self.server.simulator, self.command, parts.path, body)
            self._send(status, orjson.dumps(result), {}, "application/json")
        else:
            self._serve(parts.path, parts.query, body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _serve(self, path: str, query: str, body: bytes) -> None:
        simulator = self.server.simulator
        started = time.time()
        hits = simulator.rules.hits(self.command, path)
        entry: dict[str, Any] = {
            "method": self.command,
            "path": path,
            "query": dict(parse_qsl(query, keep_blank_values=True)),
            "body": _shown(body),
        }
        delays = [f for f in hits if f.action == "delay"]
        delay = simulator.settings["latency_ms"] + sum(f.ms for f in delays if not f.after_handling)
        if delay:
            time.sleep(delay / 1000)
        if any(f.action == "repeat_cursor" for f in hits):
            query = query.replace(f"cursor={AGAIN}", "")
        for fault in hits:
            if fault.action == "change":
                simulator.change(fault.body)
        early = next((f for f in hits if f.action in ("status", "drop") and not f.after_handling), None)
        answer = spoilt(early) if early is not None else self._answered(path, query, body)
        simulator.record(entry, answer, started)
        time.sleep(sum(f.ms for f in delays if f.after_handling) / 1000)
        self._spoil_and_send(hits, answer)

    def _answered(self, path: str, query: str, body: bytes) -> Answer:
        return self.server.simulator.answer(self.command, path, query, self.headers, body)  # type: ignore[arg-type]

    def _spoil_and_send(self, hits: list[Fault], answer: Answer) -> None:
        actions = {f.action: f for f in hits}
        if "drop" in actions:
            self._break()
            return
        late = actions.get("status")
        if late is not None and late.after_handling:
            answer = spoilt(late)
        payload = answer.body
        if "null_data" in actions and answer.status < 300:
            payload = orjson.dumps({**orjson.loads(payload), "data": None})
        if "repeat_cursor" in actions and answer.status < 300:
            payload = orjson.dumps(repeating(orjson.loads(payload), self.path))
        if "malformed" in actions:
            payload = payload[: len(payload) // 2] + b"}]"
        if "truncate" in actions:
            payload = payload[: len(payload) // 2]
        if "refuse" in actions:
            self.close_connection = True
            self.server.simulator.refuse(actions["refuse"].ms / 1000, self.connection)
        length, part = len(payload), 1.0
        if "cut" in actions or "reset" in actions:
            part = 0.5 if "cut" in actions else actions["reset"].part
        wait = actions["trickle"].ms / 1000 if "trickle" in actions else 0.0
        payload = payload[: int(length * part)]
        self._send(answer.status, payload, answer.headers, answer.content_type, length, wait)
        if "reset" in actions:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif "cut" in actions:
            self._break()

    def _send(
        self,
        status: int,
        payload: bytes,
        headers: dict[str, str],
        kind: str,
        length: int = -1,
        wait: float = 0.0,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(payload) if length < 0 else length))
        if self.close_connection:  # the client must not send another request on it
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.flush()
        for piece in [payload[n : n + 1] for n in range(len(payload))] if wait else [payload]:
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(wait)

    def _break(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _shown(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
