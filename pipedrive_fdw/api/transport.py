"""One HTTP exchange: a Request becomes a Response, or an error. The only module that knows ``requests``.

Timeouts are mandatory, for each wait and for an answer as a whole; bodies are bounded in their unpacked form,
and those of all requests under way together; redirects are not followed, not even looked at (they would carry
the credential along), the environment's proxies and netrc files are not read, no cookie is kept. An exchange
that runs in another thread can be ended at any moment by ``Exchange.abort``, which shuts its socket down, one
that still connects too.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_match_hostname import CertificateError

from pipedrive_fdw.api.body import PACKINGS, BoundedResponse, packing_of, pieces
from pipedrive_fdw.api.waiting import Exchange
from pipedrive_fdw.errors import ConnectError, PipedriveError, ProtocolError, sentences
from pipedrive_fdw.masking import beginning
from pipedrive_fdw.values.numbertext import whole_number

_MEBIBYTE = 2**20
# The largest answer, unpacked.
MAX_BODY = 32 * _MEBIBYTE
# The largest piece that is read, unpacked.
_CHUNK = 64 * 1024
_SHOWN, _NO_CONTENT = 300, 204
_POOL = 32
_HEADERS = {"accept-encoding": ", ".join(PACKINGS)}
# An answer that comes byte by byte never exceeds read_timeout. As a whole it may take this many times that.
_WHOLE = 5
# Routers and firewalls forget an idle connection after minutes, without a word: nobody would get the request.
_IDLE_SECONDS = 60.0


@dataclass(frozen=True)
class Request:
    """A request: *url* without its query, *params* in their order (a name may repeat), *body* encoded."""

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = None

    @property
    def is_read(self) -> bool:
        return self.method == "GET"


class Response(NamedTuple):
    """Status, headers (names in lower case) and the whole body.

    The request had *left* at that moment of the monotonic clock; the answer took *seconds* in all.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0
    left: float = 0.0


class Transport(Protocol):
    def send(self, request: Request, exchange: Exchange) -> Response: ...


class _Current(threading.local):
    """The request of the present thread: its exchange, its socket, its deadline, when it was sent; *begun*
    once a part of it may have left."""

    exchange: Exchange | None = None
    sock: socket.socket | None = None
    until: float = 0.0
    left: float = 0.0
    begun: bool = False


_current = _Current()


def _enter(sock: Any) -> None:
    """The present thread uses *sock* from now on, no other one."""
    exchange = _current.exchange
    if exchange is not None and sock is not None:
        before, _current.sock = _current.sock, sock
        exchange.enter(sock, _current.until)
        if before is not sock:
            exchange.leave(before)


class _NoAddress(urllib3.exceptions.NewConnectionError):  # noqa: N818 - the library's own ends that way
    """The host's name cannot be resolved."""


_TIMED_OUT = (urllib3.exceptions.ReadTimeoutError, socket.timeout)


class _Tracked:
    """Tells the exchange of the current thread which socket it uses, from before it is connected."""

    response_class: Any = BoundedResponse
    sock: Any
    host: str
    port: int
    timeout: Any
    # The connection itself, while TLS is agreed upon: its first socket object is empty from then on.
    _raw: socket.socket | None = None
    _used: float = 0.0

    @property
    def is_connected(self) -> bool:
        """False for a connection that is not to be used again."""
        is_fresh = time.monotonic() - self._used <= _IDLE_SECONDS
        return is_fresh and super().is_connected  # type: ignore[misc]

    def _new_conn(self) -> socket.socket:
        try:
            found = socket.getaddrinfo(self.host.strip("[]"), self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise _NoAddress(self, str(error)) from error  # type: ignore[arg-type]
        failed: Exception = OSError("no address")
        for family, kind, protocol, _, address in found:
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(self.timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _enter(sock)
            try:
                sock.connect(address)
                self._raw = sock.dup()
                _enter(self._raw)
                return sock
            except socket.timeout as error:
                failed = urllib3.exceptions.ConnectTimeoutError(self, f"timed out: {error}")
            except OSError as error:
                failed = urllib3.exceptions.NewConnectionError(self, str(error))  # type: ignore[arg-type]
                failed.__cause__ = error
            sock.close()
        raise failed

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        finally:
            _enter(self.sock)
            if self._raw is not None:
                self._raw.close()
                self._raw = None

    def request(self, *args: Any, **kwargs: Any) -> Any:
        if self.sock is None:
            self.connect()
        _enter(self.sock)
        _current.begun = True
        result = super().request(*args, **kwargs)  # type: ignore[misc]
        _current.left = self._used = time.monotonic()
        return result


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
    """HTTP by the requests library, with kept-alive connections, safe to use from many threads.

    It uses the library's adapter without a session, which would look where a redirect leads (and read its
    body without any bound), at the environment's proxies, and for cookies.
    """

    def __init__(self, connect_timeout: float, read_timeout: float) -> None:
        self._timeouts = (connect_timeout, read_timeout)
        self._adapter = _Adapter(pool_connections=2, pool_maxsize=_POOL, max_retries=0)

    def send(self, request: Request, exchange: Exchange) -> Response:
        """Raises ConnectError when no whole answer came, ProtocolError for one that is too large or packed in
        a way that was not asked for."""
        started = time.monotonic()
        _current.exchange, _current.sock, _current.left, _current.begun = exchange, None, started, False
        _current.until = started + sum(self._timeouts) * _WHOLE
        failed: Exception
        try:
            with self._adapter.send(_prepared(request), stream=True, timeout=self._timeouts) as answer:
                body = _read(answer, exchange)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                seconds = time.monotonic() - started
                return Response(answer.status_code, headers, body, seconds, _current.left)
        except PipedriveError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the libraries make of what came
            failed = error
        finally:
            late = exchange.leave(_current.sock)
            _current.exchange = _current.sock = None
        raise _connect_error(failed, request, late)

    def close(self) -> None:
        self._adapter.close()


def _prepared(request: Request) -> requests.PreparedRequest:
    """*request* as the library sends it, without cookies, and without credentials of its own."""
    prepared = requests.PreparedRequest()
    prepared.prepare_method(request.method)
    prepared.prepare_url(request.url, list(request.params))
    prepared.prepare_headers({**_HEADERS, **request.headers})
    prepared.prepare_body(request.body, None)
    return prepared


def _read(answer: requests.Response, exchange: Exchange) -> bytes:
    """The body, unpacked."""
    packing = packing_of(answer.headers.get("content-encoding", ""))
    body, size = io.BytesIO(), 0
    try:
        for part in pieces(answer.raw, packing, _CHUNK):
            size += body.write(part)
            exchange.hold(len(part))
            if size > MAX_BODY:
                raise ProtocolError(
                    f"an answer is larger than {MAX_BODY // _MEBIBYTE} MiB", hint="Use a smaller page_size."
                )
    finally:
        exchange.release(size)
    declared = whole_number(answer.headers.get("content-length"))
    if declared is not None and not packing and size < declared:
        raise requests.ConnectionError(f"the answer ended after {size} of {declared} bytes")
    if not size and declared is None and not answer.raw.chunked and answer.status_code != _NO_CONTENT:
        raise requests.ConnectionError("the connection ended before the answer's body began")
    return body.getvalue()


def _connect_error(error: Exception, request: Request, late: bool) -> ConnectError:
    """The ConnectError for *error*, by its kind alone: its text may be the server's."""
    inner = _innermost(error)
    arrived, lasting = _current.begun, False
    timed_out = late or isinstance(error, requests.ReadTimeout) or isinstance(inner, _TIMED_OUT)
    if isinstance(inner, (ssl.SSLCertVerificationError, CertificateError)):
        what = "has no valid certificate"
        hint = (
            "Check company_domain and base_url, or add its issuer to the file that `python -m certifi` names."
        )
        lasting = True
    elif isinstance(error, requests.ConnectTimeout) or (timed_out and not arrived):
        what, hint = "does not answer", "Check the network, or raise the server's connect_timeout."
    elif timed_out:
        what, hint = "did not answer in time", "Try again, or raise the server's read_timeout."
    elif isinstance(inner, _NoAddress):
        what, hint = "has no address", "Check company_domain, base_url and the network's DNS."
    elif isinstance(inner.__cause__, ConnectionRefusedError):
        what, hint = "refuses connections", "Check company_domain, base_url and the network."
    elif isinstance(inner, urllib3.exceptions.NewConnectionError):
        what = "cannot be reached"
        hint = "Check this machine's network, its firewall, and SELinux if it has that."
    else:
        what, hint = "broke off the connection", "Try again. Nothing of the answer was used."
    where = f"{request.method} {urlsplit(request.url).path}"
    host = urlsplit(request.url).netloc
    return ConnectError(f"{host} {what}", sentences(f"{where}: {_short(error)}"), hint, arrived, lasting)


def _innermost(error: Exception) -> Any:
    inner: Any = error
    while True:
        reason = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        if not isinstance(reason, Exception):
            return inner
        inner = reason


def _short(error: Exception) -> str:
    """The innermost reason, without the query string that the library's texts repeat.

    A library that refuses what it was given shows it (a header, which holds a credential): only its kind is
    told then.
    """
    inner = _innermost(error)
    if isinstance(error, ValueError):
        return type(error).__name__
    text = str(inner)
    if isinstance(inner, urllib3.exceptions.NewConnectionError):
        text = text.rpartition(": ")[2]  # our own connection's name stands before
    return beginning(text, _SHOWN)
