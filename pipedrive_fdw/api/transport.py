"""One HTTP exchange: a Request becomes a Response, or an error. The only module that knows ``requests``.

Timeouts are mandatory, bodies are bounded, redirects are not followed (they would carry the credential
along), the environment's proxies and netrc files are not read, no cookie is kept. An exchange that runs in
another thread can be ended at any moment by ``Exchange.abort``, which shuts its socket down.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Protocol

import requests
import urllib3
from requests.adapters import HTTPAdapter

from pipedrive_fdw.errors import ConnectError, ProtocolError

MAX_BODY = 64 * 1024 * 1024
_CHUNK = 256 * 1024
_POOL = 32


@dataclass(frozen=True)
class Request:
    """A request as a value. ``form`` is sent URL-encoded, ``json`` as JSON bytes, ``files`` as multipart."""

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = None

    @property
    def is_read(self) -> bool:
        return self.method == "GET"


@dataclass(frozen=True)
class Response:
    """Status, headers (names in lower case) and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0


class Transport(Protocol):
    def send(self, request: Request, exchange: Exchange) -> Response: ...


class Exchange:
    """The exchanges of one scan or write: what to shut down when it is given up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self.aborted = False

    def enter(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.add(sock)
            aborted = self.aborted
        if aborted:
            _shut(sock)

    def leave(self, sock: socket.socket | None) -> None:
        with self._lock:
            self._sockets.discard(sock)

    def abort(self) -> None:
        """End every exchange that is under way; their threads return at once with an error."""
        with self._lock:
            self.aborted = True
            sockets = list(self._sockets)
        for sock in sockets:
            _shut(sock)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


_current = threading.local()


class _Tracked:
    """Tells the exchange of the current thread which socket it uses."""

    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self._enter()

    def request(self, *args: Any, **kwargs: Any) -> Any:
        self._enter()
        return super().request(*args, **kwargs)  # type: ignore[misc]

    def _enter(self) -> None:
        exchange = getattr(_current, "exchange", None)
        if exchange is not None and self.sock is not None:
            _current.sock = self.sock
            exchange.enter(self.sock)


class _HTTPConnection(_Tracked, urllib3.connection.HTTPConnection):
    pass


class _HTTPSConnection(_Tracked, urllib3.connection.HTTPSConnection):
    pass


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


class RequestsTransport:
    """HTTP by the requests library, with kept-alive connections, safe to use from many threads."""

    def __init__(self, connect_timeout: float, read_timeout: float) -> None:
        self._timeouts = (connect_timeout, read_timeout)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _Adapter(pool_connections=2, pool_maxsize=_POOL, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def send(self, request: Request, exchange: Exchange) -> Response:
        """Raises ConnectError when no whole answer came, ProtocolError for one over MAX_BODY."""
        _current.exchange = exchange
        _current.sock = None
        started = time.monotonic()
        try:
            with self._session.request(
                request.method,
                request.url,
                params=list(request.params) or None,
                headers=dict(request.headers),
                data=request.body,
                timeout=self._timeouts,
                allow_redirects=False,
                stream=True,
            ) as answer:
                body = self._read(answer, started)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status_code, headers, body, time.monotonic() - started)
        except requests.RequestException as error:
            raise _connect_error(error, request) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _connect_error(error, request) from None
        finally:
            exchange.leave(_current.sock)
            _current.exchange = None
            _current.sock = None

    def _read(self, answer: requests.Response, started: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in answer.iter_content(_CHUNK):
            parts.append(part)
            size += len(part)
            if size > MAX_BODY:
                raise ProtocolError(
                    f"an answer is larger than {MAX_BODY // 2**20} MiB", hint="Use a smaller page_size."
                )
        declared = answer.headers.get("content-length")
        if declared is not None and not answer.headers.get("content-encoding") and size < int(declared):
            raise requests.ConnectionError(f"the answer ended after {size} of {declared} bytes")
        return b"".join(parts)

    def close(self) -> None:
        self._session.close()


def _connect_error(error: Exception, request: Request) -> ConnectError:
    host = request.url.split("/")[2]
    text = str(error)
    if isinstance(error, requests.ConnectTimeout) or "ConnectTimeout" in text:
        what, hint = "does not answer", "Check the network, or raise the server's connect_timeout."
    elif isinstance(error, requests.ReadTimeout) or "Read timed out" in text:
        what, hint = "did not answer in time", "Try again, or raise the server's read_timeout."
    elif isinstance(error, requests.exceptions.SSLError):
        what, hint = "has no valid certificate", "Check company_domain and base_url."
    elif "NameResolution" in text or "Name or service not known" in text or "getaddrinfo" in text:
        what, hint = "has no address", "Check company_domain and the network's DNS."
    elif "refused" in text:
        what, hint = "refuses connections", "Check company_domain, base_url and the network."
    else:
        what, hint = "broke off the connection", "Try again; nothing was read in part."
    return ConnectError(
        f"{host} {what}", detail=f"{request.method} {request.url}: {_short(error)}", hint=hint
    )


def _short(error: Exception) -> str:
    """The innermost reason, without the query string that the library's texts repeat."""
    inner: Any = error
    while True:
        reason = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        if not isinstance(reason, Exception):
            break
        inner = reason
    text = str(inner).rpartition("object at ")[2].partition(">: ")[2] or str(inner)
    return text if len(text) < 300 else text[:300] + "…"
