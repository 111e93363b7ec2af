"""The API as functions: authenticated requests, statuses turned into errors, retries, answers as JSON.

Knows envelopes (``success``, ``data``, ``additional_data``, ``error``), not the objects in them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Protocol
from urllib.parse import urlsplit

from pipedrive_fdw import __version__
from pipedrive_fdw.api.limits import Limits, Turn
from pipedrive_fdw.api.retry import Failure, is_daily, next_wait, number
from pipedrive_fdw.api.transport import Exchange, Request, Response, Transport
from pipedrive_fdw.errors import (
    AccessError,
    ApiError,
    AuthError,
    BurstLimitError,
    Cancelled,
    ConnectError,
    DailyLimitError,
    NotFoundError,
    OutcomeUnknownError,
    PipedriveError,
    ProtocolError,
    sentences,
)
from pipedrive_fdw.jsontext import parse_json, to_json

log = logging.getLogger("pipedrive_fdw")
_LONGEST_REASON = 500
_HEADERS = {"accept": "application/json", "user-agent": f"pipedrive-fdw/{__version__}"}


@dataclass
class Spent:
    """What one statement's scan or write has used: several threads count into it.

    *remembered* answers came from the statement's memory, *cached* ones from the cache of all sessions.
    """

    requests: int = 0
    tokens: int = 0
    remembered: int = 0
    cached: int = 0
    waited: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, tokens: int) -> None:
        with self._lock:
            self.requests += 1
            self.tokens += tokens

    def wait(self, seconds: float) -> None:
        with self._lock:
            self.waited += seconds

    def include(self, other: Spent) -> None:
        with self._lock:
            self.requests += other.requests
            self.tokens += other.tokens
            self.remembered += other.remembered
            self.cached += other.cached
            self.waited += other.waited


@dataclass(frozen=True)
class Signed:
    """How a request is sent now: the headers that sign it, and the address that it goes to."""

    headers: Mapping[str, str] = field(repr=False)
    base_url: str


class Credential(Protocol):
    """How requests are signed. ``key`` tells credentials apart without telling the secret."""

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
    """A successful answer: the envelope and the response's headers."""

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
    ) -> Answer:
        """One operation, repeated where that is safe.

        Raises the ApiError of its status, ProtocolError for an answer that is not Pipedrive's JSON,
        ConnectError when none came, OutcomeUnknownError when a write may or may not have arrived.
        """
        headers = _HEADERS if body is None else {**_HEADERS, "content-type": content_type}
        unsigned = Request(method, path, params, headers, body)
        attempt, renewed = 0, False
        while True:
            attempt += 1
            signed = self.credential.sign(exchange)
            outcome = self._attempt(_signed(unsigned, signed, version), tokens, exchange, spent)
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

    def _turn(self, request: Request, exchange: Exchange, spent: Spent) -> Turn:
        """Waits until the request may leave. Raises Cancelled when its exchange is given up before."""
        turn = self.limits.take(_is_search(request), exchange)
        while turn.wait:
            spent.wait(turn.wait)
            self._sleep(turn.wait, exchange)
            if exchange.aborted:
                self.limits.give_back(turn)
                raise Cancelled("the statement has ended")
            turn = self.limits.confirm(turn, exchange)
        return turn

    def _attempt(self, request: Request, tokens: int, exchange: Exchange, spent: Spent) -> Any:
        turn = self._turn(request, exchange, spent)
        spent.add(tokens)
        try:
            response = self._transport.send(request, exchange)
        except ConnectError as error:
            failure = Failure(request.method, 0, {}, arrived=error.arrived, lasting=error.lasting)
            if not error.arrived:
                return failure, error
            self.limits.learn({}, turn, tokens=tokens, waiter=exchange)
            return failure, _unknown(request, error)
        log.debug(
            "%s %s %d %.0f ms, tokens left %s",
            request.method,
            urlsplit(request.url).path,
            response.status,
            response.seconds * 1000,
            response.headers.get("x-daily-ratelimit-token-remaining", "?"),
        )
        charged = 0 if response.status == 429 else tokens
        self.limits.learn(response.headers, turn, response.left, charged, exchange)
        return _outcome(request, response)


def _signed(request: Request, signed: Signed, version: int) -> Request:
    """*request*, whose url is the path of an operation yet, as it is sent."""
    # On api.pipedrive.com v1 lives under /v1 (FACTS 3, host trap); company hosts have /api/v1.
    bare = version == 1 and urlsplit(signed.base_url).hostname == "api.pipedrive.com"
    url = f"{signed.base_url}{'' if bare else '/api'}/v{version}{request.url}"
    return replace(request, url=url, headers={**request.headers, **signed.headers})


def _outcome(request: Request, response: Response) -> Any:
    """The Answer in *response*, or (Failure, error)."""
    error: PipedriveError
    if 200 <= response.status < 300:
        try:
            return Answer(_envelope(request, response), response.headers, response.body)
        except ProtocolError as unreadable:
            # A cut or malformed answer of a read is asked for again, like a broken connection
            return Failure(request.method, 0, {}), _unknown(request, unreadable)
    error = status_error(request, response)
    if response.status >= 500:
        error = _unknown(request, error)
    return Failure(request.method, response.status, response.headers, response.body), error


def _is_search(request: Request) -> bool:
    """Whether the request counts into the window of the searches."""
    return request.url.rsplit("/", 1)[-1] in ("search", "itemSearch", "field")


_DONE = {"POST": "created", "DELETE": "deleted"}


def _unknown(request: Request, error: PipedriveError) -> PipedriveError:
    """*error* of a read as it is; of a write, which may have been done, that nobody knows."""
    if request.is_read:
        return error
    done = _DONE.get(request.method, "changed")
    return OutcomeUnknownError(
        f"a record may or may not have been {done}: {error.message.partition(': ')[2]}",
        detail=error.detail,
        hint="Look for the record in Pipedrive (newest first) before sending it again."
        if done == "created"
        else "Look at the record in Pipedrive before sending it again.",
    )


def _envelope(request: Request, response: Response) -> Mapping[str, Any]:
    where = f"{request.method} {urlsplit(request.url).path}"
    if request.method != "GET" and not response.body.strip():
        return {}  # done, and nothing to say: no operation documents it, yet nothing is wrong with it
    try:
        payload = parse_json(response.body)
    except ValueError:
        start = response.body[:80].decode("utf-8", "replace").strip()
        if start[:1] == "<":
            raise _html(where, response) from None
        raise ProtocolError(
            "an answer is not whole JSON",
            detail=f"{where}: {len(response.body)} bytes, beginning {start!r}",
            hint="Try again. Nothing of the answer was used.",
        ) from None
    if not isinstance(payload, dict):
        raise ProtocolError(
            "an answer is not a Pipedrive envelope",
            detail=f"{where} gave {type(payload).__name__}",
            hint="Check company_domain and base_url; try again.",
        )
    if payload.get("success") is False:
        why = reason(payload).rstrip(".") or "the API reports no success"
        raise ApiError(why, detail=where, status=response.status)
    return payload


def _html(where: str, response: Response) -> ProtocolError:
    return ProtocolError(
        "an HTML page came where JSON belongs",
        detail=f"{where} gave status {response.status} and {len(response.body)} bytes of HTML",
        hint="Check company_domain and base_url. A status 403 of Cloudflare means that too many refused "
        "requests were repeated; wait some minutes.",
    )


def reason(payload: Any) -> str:
    """What an envelope says went wrong, cut where it is long; empty where it says nothing."""
    if not isinstance(payload, dict):
        return ""
    parts = [str(payload[name]) for name in ("error", "error_info", "message") if payload.get(name)]
    if payload.get("errors"):  # of webhooks: {"subscription_url": ["invalid or non-reachable URL"]}
        parts.append(to_json(payload["errors"]))
    parts += [f"{name} {payload[name]}" for name in ("code", "field_code") if payload.get(name)]
    said = sentences(*parts)
    return said if len(said) <= _LONGEST_REASON else f"{said[:_LONGEST_REASON]}…"


def status_error(request: Request, response: Response) -> PipedriveError:
    """The error of an answer whose status is not of the 2xx."""
    path = urlsplit(request.url).path
    where = f"{request.method} {path} gave status {response.status}"
    status = response.status
    try:
        payload = parse_json(response.body)
    except ValueError:
        payload = None
    why = reason(payload)
    detail = f"{where}: {why}" if why else where
    if not isinstance(payload, dict) and status in (403, 404) and response.body.lstrip()[:1] == b"<":
        return _html(f"{request.method} {path}", response)
    if status == 401:
        return _auth_error("authorization" in request.headers, detail)
    if status == 429:
        return _limit_error(response, detail)
    if status in (402, 403, 410, 415):
        return AccessError(f"access refused ({status})", detail, status=status)
    if status == 404 and isinstance(payload, dict):
        hint = "" if why else "Check company_domain and base_url."
        return NotFoundError("not found (404)", detail, hint, status, payload.get("success") is False)
    if 300 <= status < 400:
        return ProtocolError(
            "the API answered with a redirect, which is not followed with a credential",
            detail,
            "Check company_domain and base_url.",
        )
    if status >= 500:
        return ApiError(f"Pipedrive has a fault (status {status})", detail, "Try again later.", status)
    return ApiError(f"the API refuses the request (status {status})", detail, status=status)


def _auth_error(oauth: bool, detail: str) -> AuthError:
    if oauth:
        return AuthError(
            "the access token is not accepted, nor is a new one",
            detail,
            "Has the app been uninstalled, or its user been deactivated? `python -m pipedrive_fdw authorize` "
            "asks for consent again.",
            401,
        )
    return AuthError(
        "the API token is not accepted", detail, "ALTER USER MAPPING … OPTIONS (SET api_token '…').", 401
    )


def _limit_error(response: Response, detail: str) -> ApiError:
    daily = is_daily(response.headers, response.body)
    if daily is None:
        return DailyLimitError(
            "too many requests, or the day's API tokens are used up",
            sentences(detail, "Pipedrive does not say which it is, so nothing was sent again"),
            "Try again in some seconds; SELECT * FROM api_usage shows the tokens that were last reported.",
            429,
        )
    if daily:
        seconds = int(number(response.headers.get("retry-after")))
        when = (
            f" It resets in {seconds // 3600} h {seconds % 3600 // 60} min."
            if seconds
            else " It resets at midnight."
        )
        return DailyLimitError(
            "the day's API tokens of the company are used up",
            detail,
            f"Wait for the reset or add tokens in Pipedrive.{when}",
            429,
        )
    return BurstLimitError(
        "too many requests in the two-second window, again and again",
        detail,
        "Other programs use the same token; try again.",
        429,
    )
