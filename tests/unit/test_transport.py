"""One exchange: its bounds, its ends, and what its failures tell."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable

import pytest
import requests

from pipedrive_fdw.api import transport as module
from pipedrive_fdw.api.transport import Request, RequestsTransport
from pipedrive_fdw.api.waiting import Exchange
from pipedrive_fdw.errors import ConnectError, ProtocolError

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextlib.contextmanager
def serving(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[tuple[str, int]]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 - the library's name
            answer(self)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        listener.handle_error = lambda *_: None  # type: ignore[method-assign]
        if context is not None:
            listener.socket = context.wrap_socket(listener.socket, server_side=True)
        threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
        yield "127.0.0.1", int(listener.server_address[1])
        listener.shutdown()


@contextlib.contextmanager
def sender(connect: float = 30.0, read: float = 30.0) -> Iterator[RequestsTransport]:
    made = RequestsTransport(connect, read)
    try:
        yield made
    finally:
        made.close()


def ended_after_abort(url: str) -> ConnectError:
    """The error of an exchange that is given up while it waits; it must end at once."""
    exchange = Exchange()
    caught: list[ConnectError] = []

    def run() -> None:
        with sender() as transport:
            try:
                transport.send(Request("GET", url), exchange)
            except ConnectError as error:
                caught.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    time.sleep(0.3)
    exchange.abort()
    thread.join(5)
    assert not thread.is_alive()
    return caught[0]


def test_a_connection_that_is_being_made_is_given_up() -> None:
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # those that nobody accepts fill the queue, the next one waits
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        ended_after_abort(f"http://127.0.0.1:{listener.getsockname()[1]}/")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_says_nothing_is_given_up(scheme: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        ended_after_abort(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/")


def test_an_exchange_that_was_given_up_before_does_not_begin() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(3)

    with serving(answer) as (host, port), sender() as transport:
        exchange = Exchange()
        exchange.abort()
        with pytest.raises(ConnectError):
            transport.send(Request("GET", f"http://{host}:{port}/"), exchange)


def test_the_time_of_a_whole_answer_is_bounded() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "100000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                handler.wfile.write(b" ")
                time.sleep(0.02)

    with serving(answer) as (host, port), sender(0.1, 0.1) as transport:
        exchange = Exchange()
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(0.02):
                exchange.expire()

        ticking = threading.Thread(target=tick)
        ticking.start()
        try:
            with pytest.raises(ConnectError, match="did not answer in time") as caught:
                transport.send(Request("GET", f"http://{host}:{port}/"), exchange)
        finally:
            ended.set()
            ticking.join()
        assert caught.value.arrived and not caught.value.lasting


def test_a_body_is_bounded_in_its_unpacked_form() -> None:
    packed = gzip.compress(bytes(module.MAX_BODY + 1), 9)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-encoding", "gzip")
        handler.send_header("content-length", str(len(packed)))
        handler.end_headers()
        with contextlib.suppress(OSError):
            handler.wfile.write(packed)

    assert len(packed) < 200_000
    with serving(answer) as (host, port), sender() as transport, pytest.raises(ProtocolError, match="larger"):
        transport.send(Request("GET", f"http://{host}:{port}/"), Exchange())


def test_a_redirect_is_not_followed_and_a_cookie_not_kept() -> None:
    seen: list[tuple[str, str | None]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append((handler.path, handler.headers.get("cookie")))
        handler.send_response(302)
        handler.send_header("location", "/elsewhere")
        handler.send_header("set-cookie", "a=b")
        handler.send_header("content-length", "0")
        handler.end_headers()

    with serving(answer) as (host, port), sender() as transport:
        for _ in range(2):
            assert transport.send(Request("GET", f"http://{host}:{port}/x"), Exchange()).status == 302
    assert seen == [("/x", None)] * 2


def test_a_connection_is_used_again_whatever_the_form_of_an_answer() -> None:
    clients: list[tuple[str, int]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        clients.append(handler.client_address)
        handler.protocol_version = "HTTP/1.1"
        handler.close_connection = False
        body = b'{"data": []}'
        handler.send_response(200)
        if "gzip" in handler.path:
            body = gzip.compress(body)
            handler.send_header("content-encoding", "gzip")
        if "chunked" in handler.path:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            handler.send_header("transfer-encoding", "chunked")
        else:
            handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with serving(answer) as (host, port), sender() as transport:
        for path in ("plain", "gzip", "chunked", "chunked-gzip", "plain"):
            answered = transport.send(Request("GET", f"http://{host}:{port}/{path}"), Exchange())
            assert answered.body == b'{"data": []}'
    assert len(clients) == 5 and len(set(clients)) == 1


def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A router had forgotten it: reads waited in vain, and of a write nobody knew whether it was done."""
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.0)
    clients: set[tuple[str, int]] = set()
    forgotten = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.client_address in clients:
            forgotten.wait(5)
        clients.add(handler.client_address)
        handler.protocol_version, handler.close_connection = "HTTP/1.1", False
        handler.send_response(200)
        handler.send_header("content-length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")

    with serving(answer) as (host, port), sender(0.3, 0.3) as transport:
        for _ in range(3):
            assert transport.send(Request("GET", f"http://{host}:{port}/"), Exchange()).body == b"{}"
        forgotten.set()
    assert len(clients) == 3


def _named_after_path(handler: BaseHTTPRequestHandler, head: bytes) -> None:
    """Sends *head*, and a moment later the answer to the request, which shows its path."""
    body = handler.path.encode()
    handler.close_connection = False
    handler.wfile.write(head)
    handler.wfile.flush()
    time.sleep(0.03)
    with contextlib.suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints", "199 Odd"])
def test_an_interim_head_is_not_the_answer(status: str, times: int) -> None:
    """The answer itself was taken for that to the next request on the connection."""
    head = f"HTTP/1.1 {status}\r\nLink: </x>\r\nContent-Length: 5\r\n\r\n".encode() * times
    with serving(lambda handler: _named_after_path(handler, head)) as (host, port), sender() as transport:
        for path in ("/a", "/b", "/c"):
            answer = transport.send(Request("GET", f"http://{host}:{port}{path}"), Exchange())
            assert (answer.status, answer.body) == (200, path.encode())


@pytest.mark.parametrize("status", ["101 Switching Protocols", "204 No Content", "304 Not Modified"])
def test_a_body_where_none_belongs_is_not_the_next_answer(status: str) -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n".encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _named_after_path(handler, head if handler.path == "/spoilt" else b"")

    with serving(answer) as (host, port), sender() as transport:
        for _ in range(3):
            with contextlib.suppress(ConnectError):
                transport.send(Request("GET", f"http://{host}:{port}/spoilt"), Exchange())
            following = transport.send(Request("GET", f"http://{host}:{port}/next"), Exchange())
            assert following.body == b"/next"


def test_what_surely_did_not_arrive_is_told() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/path?api_token=abcdefgh"
        with sender() as transport, pytest.raises(ConnectError, match="refuses connections") as caught:
            transport.send(Request("POST", url), Exchange())
        assert not caught.value.arrived
        assert "abcdefgh" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux lets nobody connect to an address of all")
def test_what_the_system_does_not_let_out_is_no_refusal() -> None:
    with sender() as transport, pytest.raises(ConnectError) as caught:
        transport.send(Request("POST", "http://127.255.255.255:9/path"), Exchange())
    assert caught.value.message == "pipedrive connection: 127.255.255.255:9 cannot be reached"
    assert "Network is unreachable" in caught.value.detail
    assert "firewall" in caught.value.hint
    assert (caught.value.arrived, caught.value.lasting) == (False, False)


@pytest.mark.parametrize(
    ("scheme", "timeouts", "option"),
    [("https", (0.2, 30.0), "connect_timeout"), ("http", (30.0, 0.2), "read_timeout")],
)
def test_the_timeout_that_ended_the_wait_is_named(
    scheme: str, timeouts: tuple[float, float], option: str
) -> None:
    """TLS is agreed upon within the first."""
    with socket.socket() as listener, sender(*timeouts) as transport:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        with pytest.raises(ConnectError) as caught:
            transport.send(Request("POST", f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"), Exchange())
    assert f"raise the server's {option}" in caught.value.hint
    assert caught.value.arrived is (scheme == "http")


@pytest.mark.parametrize(
    "sent", [b"", b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03", b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
def test_what_breaks_before_tls_is_agreed_upon_did_not_arrive(sent: bytes) -> None:
    """A write counted as one that may have been done."""
    with socket.socket() as listener, sender() as transport:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)

        def end_it() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(sent)

        ending = threading.Thread(target=end_it)
        ending.start()
        with pytest.raises(ConnectError, match="broke off the connection") as caught:
            transport.send(Request("POST", f"https://127.0.0.1:{listener.getsockname()[1]}/"), Exchange())
        ending.join()
        assert (caught.value.arrived, caught.value.lasting) == (False, False)


def test_a_certificate_for_another_name_is_refused_though_its_issuer_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    program = shutil.which("openssl") or "openssl"
    subprocess.run(  # noqa: S603
        [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out",
         str(certificate), "-days", "2", "-subj", "/CN=other.example",
         "-addext", "subjectAltName=DNS:other.example"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        pytest.fail("a request arrived")

    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate))
    with serving(answer, context) as (host, port), sender() as transport:
        with pytest.raises(ConnectError, match="no valid certificate") as caught:
            transport.send(Request("POST", f"https://{host}:{port}/"), Exchange())
        assert (caught.value.arrived, caught.value.lasting) == (False, True)
        assert "IP address mismatch" in caught.value.detail
        assert "certifi" in caught.value.hint
