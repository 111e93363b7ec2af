"""The API as functions: authenticated requests, statuses turned into errors, retries, answers as JSON.

Knows envelopes (``success``, ``data``, ``additional_data``, ``error``), not the objects in them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Protocol
from urllib.parse import urljoin, urlsplit

from pipedrive_fdw import __version__
from pipedrive_fdw.addresses import ANY_COMPANY, check_written_segment
from pipedrive_fdw.api.limits import Limits, Turn
from pipedrive_fdw.api.retry import Failure, next_wait
from pipedrive_fdw.api.statuses import first_byte, no_json_error, reason, status_error, unknown
from pipedrive_fdw.api.transport import Request, Response, Transport
from pipedrive_fdw.api.waiting import Exchange
from pipedrive_fdw.errors import (
    ApiError,
    Cancelled,
    ConnectError,
    PipedriveError,
    PlanError,
    ProtocolError,
    sentences,
)
from pipedrive_fdw.masking import beginning
from pipedrive_fdw.values.jsontext import parse_json

log = logging.getLogger("pipedrive_fdw")
# How much is shown of a body that says nothing, and of a path.
_START = 80
# Statuses of requests that were refused before they cost anything.
_FREE = (401, 429)
_HEADERS = {"accept": "application/json", "user-agent": f"pipedrive-fdw/{__version__}"}
# Statuses that name another address, and what a file is asked for with there: no credential goes along.
_ELSEWHERE = (301, 302, 303, 307, 308)
_FILE_HEADERS = {"accept": "*/*", "user-agent": _HEADERS["user-agent"]}


@dataclass
class Spent:
    """The requests, tokens and answers of one scan or write; several threads count in it.

    *remembered* answers came from the statement's memory, *cached* ones from the cache of all sessions. A
    request waits *until* a moment of the monotonic clock at the longest."""

    requests: int = 0
    tokens: int = 0
    remembered: int = 0
    cached: int = 0
    waited: float = 0.0
    until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, tokens: int) -> None:
        with self._lock:
            self.requests += 1
            self.tokens += tokens

    def wait(self, seconds: float) -> None:
        with self._lock:
            self.waited += seconds
            self.until = max(self.until, time.monotonic() + seconds)

    def include(self, other: Spent) -> None:
        with self._lock:
            self.requests += other.requests
            self.tokens += other.tokens
            self.remembered += other.remembered
            self.cached += other.cached
            self.waited += other.waited


@dataclass(frozen=True)
class Signed:
    """The headers that sign a request, and the address that it goes to. *company* is the key of the company
    whose tokens it spends, where the access token tells it."""

    headers: Mapping[str, str] = field(repr=False)
    base_url: str
    company: str = ""


class Credential(Protocol):
    """Signs requests. ``key`` names the credential without its secret."""

    @property
    def key(self) -> str: ...

    def sign(self, exchange: Exchange) -> Signed: ...

    def renewable(self, refused: Signed) -> bool:
        """After a 401: whether the request may be sent once more, signed anew."""
        ...


@dataclass(frozen=True)
class ApiToken:
    """The credential that never changes."""

    signed: Signed
    key: str

    def sign(self, exchange: Exchange) -> Signed:
        return self.signed

    def renewable(self, refused: Signed) -> bool:
        return False


@dataclass(frozen=True)
class Answer:
    """A successful answer: the envelope ({} of a file) and the response's headers."""

    payload: Mapping[str, Any]
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)

    @property
    def data(self) -> Any:
        return self.payload.get("data")


class Client:
    """Sends requests for one account and credential. Safe to use from several threads.

    *limits* says when a request may leave, *sleep* waits in the thread that sends.
    """

    def __init__(
        self,
        credential: Credential,
        transport: Transport,
        limits: Limits,
        sleep: Callable[[float, Exchange], None],
    ) -> None:
        self.credential = credential
        self._transport = transport
        self.limits = limits
        self._sleep = sleep

    def call(
        self,
        method: str,
        version: int,
        path: str,
        params: tuple[tuple[str, str], ...] = (),
        *,
        tokens: int,
        exchange: Exchange,
        spent: Spent,
        body: bytes | None = None,
        content_type: str = "application/json",
        file: bool = False,
    ) -> Answer:
        """One operation, repeated where that is safe; *file*: its body is the answer as it is.

        Raises the ApiError of its status, ProtocolError for an answer that is not Pipedrive's JSON,
        ConnectError when none came, OutcomeUnknownError when a write may or may not have arrived.
        """
        _check_path(path)
        headers = _HEADERS if body is None else {**_HEADERS, "content-type": content_type}
        unsigned = Request(method, path, params, headers, body)
        attempt, renewed = 0, False
        while True:
            attempt += 1
            signed = self.credential.sign(exchange)
            self.limits.company = signed.company or self.limits.company
            outcome = self._attempt(_signed(unsigned, signed, version), tokens, exchange, spent, file)
            if isinstance(outcome, Answer):
                return outcome
            failure, error = outcome
            if failure.status == 401 and not renewed and self.credential.renewable(signed):
                # What a 401 refuses was not done, so a write too may be sent again
                attempt, renewed = attempt - 1, True
                continue
            wait = None if exchange.aborted else next_wait(failure, attempt)
            if wait is None:
                raise error
            if failure.status == 429:
                self.limits.block(wait, _is_search(unsigned), exchange)
                continue
            spent.wait(wait)
            self._sleep(wait, exchange)

    def download(self, address: str, *, exchange: Exchange, spent: Spent) -> Answer:
        """The file at *address*, which an answer has named. No credential goes there, and no token is spent.

        Raises ProtocolError for an address that is neither encrypted nor the API's own, ApiError where the
        storage refuses, ConnectError when no answer came.
        """
        request, attempt = _elsewhere(Request("GET", self.credential.sign(exchange).base_url), address), 0
        while True:
            attempt += 1
            spent.add(0)
            try:
                content = self._transport.send(request, exchange)
            except ConnectError as error:
                failure = Failure("GET", 0, {}, arrived=error.arrived, lasting=error.lasting)
                wait = None if exchange.aborted else next_wait(failure, attempt)
                if wait is None:
                    raise
                spent.wait(wait)
                self._sleep(wait, exchange)
                continue
            if content.status >= 300:
                raise _refused(request, content)[1]
            return Answer({}, content.headers, content.body)

    def _turn(self, request: Request, exchange: Exchange, spent: Spent) -> Turn:
        """Waits until the request may leave. Raises Cancelled when its exchange is stopped first."""
        turn = self.limits.take(_is_search(request), exchange)
        while turn.wait and not exchange.stopped:
            spent.wait(turn.wait)
            self._sleep(turn.wait, exchange)
            turn = turn if exchange.stopped else self.limits.confirm(turn, exchange)
        if exchange.stopped:
            self.limits.give_back(turn)
            raise Cancelled("the statement has ended", arrived=False)
        return turn

    def _attempt(self, request: Request, tokens: int, exchange: Exchange, spent: Spent, file: bool) -> Any:
        turn = self._turn(request, exchange, spent)
        spent.add(tokens)
        try:
            response = content = self._transport.send(request, exchange)
            if file and response.status in _ELSEWHERE:
                location = response.headers.get("location", "")
                content = self._transport.send(_elsewhere(request, location), exchange)
        except ConnectError as error:
            failure = Failure(request.method, 0, {}, arrived=error.arrived, lasting=error.lasting)
            if not error.arrived:
                return failure, error.detached()
            self.limits.learn({}, turn, tokens=tokens, waiter=exchange)
            return failure, unknown(request, error.detached())
        except ProtocolError as error:  # one that is too large is not asked for again
            self.limits.learn({}, turn, tokens=tokens, waiter=exchange)
            return Failure(request.method, 0, {}, lasting=True), unknown(request, error.detached())
        log.debug(
            "%s %s %d %.0f ms, tokens left %s",
            request.method,
            urlsplit(request.url).path,
            response.status,
            response.seconds * 1000,
            response.headers.get("x-daily-ratelimit-token-remaining", "?"),
        )
        charged = 0 if response.status in _FREE else tokens
        self.limits.learn(response.headers, turn, response.left, charged, exchange)
        if not file or content.status >= 300:
            return _outcome(request, response) if content is response else _refused(request, content)
        return Answer({}, content.headers, content.body)


def _elsewhere(request: Request, location: str) -> Request:
    """The request for the file at *location*, as *request* has answered, without anything that signs it.

    Raises ProtocolError for an address that is neither encrypted nor the API's own.
    """
    url = urljoin(request.url, location)
    there, here = urlsplit(url), urlsplit(request.url)
    if not there.hostname or "@" in there.netloc or (there.scheme != "https" and there[:2] != here[:2]):
        source = f"{request.method} {here.path}" if here.path else "The record"
        raise ProtocolError(
            "the address that Pipedrive gives for a file cannot be used",
            detail=f"{source} names an address that is not https, or that holds a user name.",
            hint="Leave the column content out of the query.",
        )
    return Request("GET", url, headers=_FILE_HEADERS)


def _refused(request: Request, content: Response) -> tuple[Failure, PipedriveError]:
    """What it means that the storage has not given the file of *request*."""
    where = f"{request.method} {urlsplit(request.url).path}"
    error = ApiError(
        "the file cannot be downloaded from its storage",
        f"{where} redirects to the storage, which answered with status {content.status}.",
        status=content.status,
    )
    return Failure(request.method, 0, {}, lasting=True), error


def _check_path(path: str) -> None:
    """Raises PlanError for a path that a server may take for another one, whoever made it."""
    try:
        for segment in path.split("/")[1:]:
            check_written_segment(segment)
    except ValueError as error:
        raise PlanError(
            f"{beginning(path, _START)!r} is not the path of a request", sentences(str(error))
        ) from None


def _signed(request: Request, signed: Signed, version: int) -> Request:
    """*request*, whose url is the path of an operation yet, as it is sent."""
    # On api.pipedrive.com v1 lives under /v1; company hosts have /api/v1.
    bare = version == 1 and signed.base_url == ANY_COMPANY
    url = f"{signed.base_url}{'' if bare else '/api'}/v{version}{request.url}"
    return replace(request, url=url, headers={**request.headers, **signed.headers})


def _outcome(request: Request, response: Response) -> Any:
    """The Answer in *response*, or (Failure, error)."""
    error: PipedriveError
    if 200 <= response.status < 300:
        try:
            payload = _envelope(request, response)
        except ProtocolError as unreadable:
            failure = Failure(request.method, 0, {}, lasting=not _may_be_damaged(response.body))
            return failure, unknown(request, unreadable.detached())
        if payload.get("success", True) is True:
            return Answer(payload, response.headers, response.body)
        where = f"{request.method} {urlsplit(request.url).path}"
        why = reason(payload).rstrip(".") or "the API reports no success"
        error = ApiError(why, where, status=response.status)
        return Failure(request.method, response.status, response.headers), unknown(request, error)
    error = status_error(request, response)
    if not 400 <= response.status < 500:  # nothing but these says that a write was refused
        error = unknown(request, error)
    return Failure(request.method, response.status, response.headers, response.body), error


def _may_be_damaged(body: bytes) -> bool:
    """True for an unreadable *body* that may be whole next time: it begins as JSON does, or is empty, as some
    answers were seen to be. What is something else, a file or a page of HTML, comes again as it is."""
    return first_byte(body) in (b"{", b"") or body.strip() == b"null"


def _is_search(request: Request) -> bool:
    """True if the request counts in the window of the searches."""
    return request.url.rsplit("/", 1)[-1] in ("search", "itemSearch", "field")


def _envelope(request: Request, response: Response) -> Mapping[str, Any]:
    where = f"{request.method} {urlsplit(request.url).path}"
    if request.method != "GET" and not response.body.strip():
        return {}  # done, and nothing to say: no operation documents it, yet nothing is wrong with it
    try:
        payload = parse_json(response.body)
    except ValueError:
        if first_byte(response.body) == b"<":
            raise no_json_error(where, response) from None
        start = beginning(response.body, _START).strip()
        raise ProtocolError(
            "an answer is not complete JSON",
            detail=f"{where}: {len(response.body)} bytes, beginning {start!r}",
            hint="Try again. Nothing of the answer was used.",
        ) from None
    if not isinstance(payload, dict):
        raise ProtocolError(
            "an answer is not a Pipedrive envelope",
            detail=f"{where} gave {type(payload).__name__}",
            hint="Check company_domain and base_url; try again.",
        )
    if request.is_read:
        _check_pages(where, payload.get("additional_data"))
    return payload


def _check_pages(where: str, said: Any) -> None:
    """Raises ProtocolError when what an answer says of the next page cannot be understood: a list that seemed
    to end there would have too few rows."""
    parts = (said, said.get("pagination")) if isinstance(said, dict) else (said,)
    for part in parts:
        if not part:  # an empty list too, as PHP writes an empty object
            continue
        if not isinstance(part, dict) or not all(fits(part.get(name)) for name, fits in _PAGES.items()):
            raise ProtocolError(
                "an answer names the next page of its list in an unknown form",
                detail=f"{where}: the rest of the list is not known.",
                hint="Try again.",
            )


def _is_place(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value <= _MOST_RECORDS)


def _is_cursor(value: Any) -> bool:
    return value is None or (isinstance(value, (str, int)) and len(str(value)) <= _LONGEST_CURSOR)


def _is_flag(value: Any) -> bool:
    return value is None or value in (True, False)


# More records than a list has, and a longer cursor than any.
_MOST_RECORDS, _LONGEST_CURSOR = 10**12, 4_096
_PAGES = {
    "start": _is_place,
    "limit": _is_place,
    "next_start": _is_place,
    "next_cursor": _is_cursor,
    "more_items_in_collection": _is_flag,
}
