"""An HTTP server that answers with exactly the bytes it is given."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Callable

# What a request gets: its head and body in, the bytes of the answer out; empty ends the connection.
Answer = Callable[[bytes, bytes], bytes]


def response(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    """A well-formed answer, with *headers* as they are given; its length is stated unless they state one."""
    lines = [f"HTTP/1.1 {status}", *headers]
    stated = any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers)
    if not stated:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


@contextlib.contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """The address of a server on the loopback address that gives *answer* to every request."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        ended = threading.Event()
        thread = threading.Thread(target=_accept, args=(listener, answer, ended), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _accept(listener: socket.socket, answer: Answer, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, answer), daemon=True).start()


def _serve(connection: socket.socket, answer: Answer) -> None:
    """One connection, for as long as it is kept alive."""
    with connection, contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        rest = b""
        while True:
            head, rest = _until(connection, rest, b"\r\n\r\n")
            if not head:
                return
            length = _length(head)
            while len(rest) < length:
                part = connection.recv(1 << 16)
                if not part:
                    return
                rest += part
            body, rest = rest[:length], rest[length:]
            given = answer(head, body)
            connection.sendall(given)
            head, _, body = given.partition(b"\r\n\r\n")
            if b"\r\ncontent-length: %d" % len(body) not in head.lower():
                return


def _until(connection: socket.socket, have: bytes, mark: bytes) -> tuple[bytes, bytes]:
    while mark not in have:
        part = connection.recv(1 << 16)
        if not part:
            return b"", b""
        have += part
    head, _, rest = have.partition(mark)
    return head, rest


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
