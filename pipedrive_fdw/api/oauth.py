"""OAuth 2.0 as Pipedrive speaks it: the token endpoint, and one access token for all backends of a server.

An access token ends after an hour. It is kept in a file (0600) that all backends of a machine share;
whoever finds it ended, or is told so by a 401, fetches the next one under the file's lock, and the others
take what the first has got, be it a token or a refusal. The lock is the kernel's: it ends with its holder.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable
from urllib.parse import urlencode, urlsplit

import orjson

from pipedrive_fdw import __version__
from pipedrive_fdw.api.client import Signed
from pipedrive_fdw.api.limits import company_key
from pipedrive_fdw.api.retry import Failure, next_wait
from pipedrive_fdw.api.state import content, is_moment, open_state, parsed, token_file, try_lock, unusable
from pipedrive_fdw.api.statuses import reason, status_error
from pipedrive_fdw.api.transport import Request, Response, Transport
from pipedrive_fdw.api.waiting import Exchange
from pipedrive_fdw.errors import (
    ApiError,
    AuthError,
    BurstLimitError,
    Cancelled,
    ConnectError,
    DailyLimitError,
    PipedriveError,
    ProtocolError,
)
from pipedrive_fdw.masking import read_secret, remember_secret
from pipedrive_fdw.values.jsontext import parse_json

_SLICE_SECONDS = 0.05
_PATIENCE_SECONDS = 15.0
# How long a refusal holds for all: asking again and again would not help, and looks like an attack.
_REFUSED_SECONDS = 60.0
# An access token is renewed a little before its end, since requests take time to arrive.
_MARGIN_SECONDS = 60.0
_UNKNOWN_LIFE = 300.0
# However long the endpoint says that it lasts.
_LONGEST_LIFE = 86_400.0
# The longest text that is kept of why there is no access token.
_LONGEST_TEXT = 4_096
_KINDS = {
    kind.word: kind
    for kind in (ApiError, AuthError, BurstLimitError, ConnectError, DailyLimitError, ProtocolError)
}
_AUTHORIZE = (
    "`python -m pipedrive_fdw authorize` gets a new one, and says how to put it into the user mapping."
)


@dataclass(frozen=True)
class Grant:
    """An access token and its end; *api_domain* is the address of the company's API, or empty."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: float
    api_domain: str
    scope: str = ""


class TokenEndpoint:
    """``POST <address>/oauth/token``, without a slash at its end: that one redirects and loses the body."""

    def __init__(
        self,
        address: str,
        client_id: str,
        client_secret: str,
        transport: Transport,
        sleep: Callable[[float, Exchange], None],
    ) -> None:
        self._url = f"{address}/oauth/token"
        basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        remember_secret(basic)
        self._headers = {
            "accept": "application/json",
            "authorization": f"Basic {basic}",
            "content-type": "application/x-www-form-urlencoded",
            "user-agent": f"pipedrive-fdw/{__version__}",
        }
        self._transport = transport
        self._sleep = sleep

    def refresh(self, refresh_token: str, exchange: Exchange) -> Grant:
        """A new access token; asked for again as a read is, since the refresh token stays valid.

        Raises AuthError when it is refused, ConnectError or ProtocolError when no proper answer came.
        """
        remember_secret(refresh_token)
        return self._ask({"grant_type": "refresh_token", "refresh_token": refresh_token}, "GET", exchange)

    def redeem(self, code: str, redirect_uri: str, exchange: Exchange) -> Grant:
        """The first tokens, for the code of a consent. It works once, so the request is never repeated."""
        remember_secret(code)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return self._ask(form, "POST", exchange)

    def _ask(self, form: Mapping[str, str], repeated_as: str, exchange: Exchange) -> Grant:
        request = Request("POST", self._url, (), self._headers, urlencode(form).encode())
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._transport.send(request, exchange)
            except ConnectError as error:
                failure = Failure(repeated_as, 0, {}, arrived=error.arrived, lasting=error.lasting)
                problem = _unreachable(request, error)
            else:
                if response.status == 200:
                    return _grant(request, response)
                failure = Failure(repeated_as, response.status, response.headers, response.body)
                problem = _refusal(request, response)
            wait = None if exchange.aborted else next_wait(failure, attempt)
            if wait is None:
                raise problem
            self._sleep(wait, exchange)


def _unreachable(request: Request, error: ConnectError) -> PipedriveError:
    host = urlsplit(request.url).netloc
    what = error.message.partition(f"{host} ")[2] or error.message
    return ConnectError(
        f"no access token: {host} {what}",
        error.detail,
        "It is the address that gives OAuth access tokens (oauth_url). Check the network and try again.",
    )


def _grant(request: Request, response: Response) -> Grant:
    """Raises ProtocolError for an answer without a token; its text, which may hold one, is not shown."""
    try:
        given = parse_json(response.body)
        if not isinstance(given, dict):
            raise ValueError("no object")
        access_token = read_secret(_text(given.get("access_token")))
        refresh_token = read_secret(_text(given["refresh_token"])) if given.get("refresh_token") else ""
    except ValueError:
        raise ProtocolError(
            "the token endpoint returned no access token",
            detail=f"POST {urlsplit(request.url).path} answered {len(response.body)} bytes",
            hint="Check oauth_url and base_url; try again.",
        ) from None
    life = given.get("expires_in")
    return Grant(
        access_token,
        refresh_token,
        float(min(life, _LONGEST_LIFE)) if isinstance(life, (int, float)) and life > 0 else _UNKNOWN_LIFE,
        _text(given.get("api_domain")),
        _text(given.get("scope")),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _refusal(request: Request, response: Response) -> PipedriveError:
    """The error of an answer other than 200."""
    path, status = urlsplit(request.url).path, response.status
    try:
        why = reason(parse_json(response.body))
    except ValueError:
        why = ""
    detail = f"POST {path} gave status {status}" + (f": {why}" if why else "")
    if status == 404:
        return ProtocolError(
            "there is no token endpoint (404)", detail, "Check the server's oauth_url and base_url."
        )
    if status == 429 or not 400 <= status < 500:
        return status_error(request, response)
    if status == 401 or "client" in why.lower():
        what = "the client_id or client_secret is not accepted"
        hint = (
            "Copy both from the app in Pipedrive's Developer Hub into the user mapping or the secrets_file."
        )
    elif b"grant_type=refresh_token" in (request.body or b""):
        what = "the refresh token is not accepted"
        hint = "It expires after 60 days without use, or when the app is uninstalled. " + _AUTHORIZE
    else:
        what = "the authorization code is not accepted"
        hint = "It works once, for five minutes, with the app's own callback URL. Run the command again."
    return AuthError(what, detail, hint, 401)


@dataclass(frozen=True)
class Kept:
    """The state that backends share: the token and its end, or why there is none, in seconds of the clock."""

    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    api_domain: str = ""
    ends: float = 0.0
    failed: float = 0.0
    failure: tuple[str, ...] = ("", "", "", "")

    def is_sound(self, now: float) -> bool:
        """False for what no session has kept."""
        texts = (self.access_token, self.refresh_token, self.api_domain)
        failure = self.failure if isinstance(self.failure, tuple) else ("odd",)
        return (
            all(isinstance(text, str) and len(text) <= _LONGEST_TEXT for text in (*texts, *failure))
            and all(text.isascii() and text.isprintable() and " " not in text for text in texts)
            and len(failure) == 4
            and (not failure[0] or failure[0] in _KINDS)
            and is_moment(self.failed, now + _LONGEST_LIFE)
            and is_moment(self.ends, now + _LONGEST_LIFE)
        )

    def error_for(self, began: float, now: float) -> PipedriveError | None:
        """The failure of the one before, as that of a waiter since *began* or of anybody soon after."""
        word, message, detail, hint = self.failure
        refused = word == AuthError.word and 0 <= now - self.failed < _REFUSED_SECONDS
        if not word or not (refused or began <= self.failed <= now):
            return None
        kind = _KINDS[word]
        return kind(message, detail, hint, 401) if kind is AuthError else kind(message, detail, hint)

    def with_failure(self, error: PipedriveError, now: float) -> Kept:
        word = error.word if error.word in _KINDS else ConnectError.word
        message = error.message.partition(": ")[2]
        failure = (word, *(text[:_LONGEST_TEXT] for text in (message, error.detail, error.hint)))
        return Kept(refresh_token=self.refresh_token, failed=now, failure=failure)


class AccessTokens:
    """The credential of an OAuth account. Safe to use from several threads and processes.

    *folder* holds the shared file, named after *key*; without one (outside a server) the token is this
    object's own. *home* gives the address to send requests to, for the api_domain that came with a token.
    """

    def __init__(
        self,
        folder: Path | None,
        key: str,
        endpoint: TokenEndpoint,
        refresh_token: str,
        home: Callable[[str], str],
        now: Callable[[], float] = time.time,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self.key = key
        self._file = token_file(folder, key) if folder else None
        self._endpoint = endpoint
        self._refresh_token = refresh_token
        self._home = home
        self._now = now
        self._patience = patience
        self._lock = threading.Lock()
        self._kept = Kept()
        self._refused = ""

    def sign(self, exchange: Exchange) -> Signed:
        """Signs a request; fetches an access token where there is none.

        Raises what TokenEndpoint.refresh does; Cancelled when *exchange* is given up.
        """
        kept = self._kept
        if not self._holds(kept):
            kept = self._renewed(exchange)
        address = self._home(kept.api_domain)
        headers = {"authorization": f"Bearer {kept.access_token}"}
        return Signed(headers, address, company_key(address, self.key))

    def renewable(self, refused: Signed) -> bool:
        """After a 401: whether the request may be sent once more, signed anew."""
        token = refused.headers["authorization"].partition(" ")[2]
        if token == self._kept.access_token:  # a late refusal of the one before says nothing of it
            self._refused = token
        return True

    def _holds(self, kept: Kept) -> bool:
        return bool(kept.access_token) and kept.access_token != self._refused and self._now() < kept.ends

    def _renewed(self, exchange: Exchange) -> Kept:
        began = self._now()
        with self._alone(exchange) as descriptor:
            kept = self._kept if descriptor is None else self._stored(descriptor)
            if not self._holds(kept):
                failure = kept.error_for(began, self._now())
                if failure is not None:
                    raise failure
                try:
                    kept = self._fetched(kept, exchange)
                except PipedriveError as error:
                    if not exchange.aborted:
                        self._keep(descriptor, kept.with_failure(error, self._now()))
                    raise
                self._keep(descriptor, kept)
            remember_secret(kept.access_token)
            remember_secret(kept.refresh_token)
            self._kept = kept
            return kept

    def _stored(self, descriptor: int) -> Kept:
        """The state in the shared file; an empty one where the file is broken, which costs one more token."""
        try:
            state = parsed(content(descriptor).partition(b"\n")[0]) or {}
            kept = Kept(**{**state, "failure": tuple(state["failure"])})
            self._home(kept.api_domain)
        except (OSError, TypeError, KeyError, AttributeError, ProtocolError):
            return Kept()
        return kept if kept.is_sound(self._now()) else Kept()

    def _fetched(self, kept: Kept, exchange: Exchange) -> Kept:
        """A new token, by the refresh token that came last; that of the user mapping is the fallback."""
        grant = None
        if kept.refresh_token and kept.refresh_token != self._refresh_token:
            with contextlib.suppress(AuthError):
                grant = self._endpoint.refresh(kept.refresh_token, exchange)
        grant = grant or self._endpoint.refresh(self._refresh_token, exchange)
        self._home(grant.api_domain)  # an address that cannot be used is not kept
        margin = min(_MARGIN_SECONDS, grant.expires_in / 10)
        return Kept(
            grant.access_token,
            grant.refresh_token or kept.refresh_token,
            grant.api_domain,
            self._now() + grant.expires_in - margin,
        )

    def _keep(self, descriptor: int | None, kept: Kept) -> None:
        if descriptor is None:
            self._kept = kept
            return
        # The first line counts: a writer that is killed leaves the old state or the new one. Where it cannot
        # be written (a full disk) each backend has a token of its own.
        text = orjson.dumps(asdict(kept)) + b"\n"
        with contextlib.suppress(OSError):
            os.pwrite(descriptor, text, 0)
            os.ftruncate(descriptor, len(text))

    @contextlib.contextmanager
    def _alone(self, exchange: Exchange) -> Iterator[int | None]:
        """No other thread or backend renews meanwhile; the shared file's descriptor.

        Not so where another has got a token while we waited, or where its holder does nothing for long: a
        backend that waits for its client lets no thread run, and one of them may hold the lock.
        """
        _until(lambda: self._lock.acquire(blocking=False), exchange)
        try:
            if self._file is None:
                yield None
                return
            try:
                descriptor = open_state(self._file)
            except OSError as error:
                raise unusable(self._file, error) from None
            try:
                with exchange.ending(lambda: fcntl.flock(descriptor, fcntl.LOCK_UN)):
                    patience = time.monotonic() + self._patience
                    _until(
                        lambda: (
                            try_lock(descriptor)
                            or self._holds(self._stored(descriptor))
                            or time.monotonic() > patience
                        ),
                        exchange,
                    )
                    yield descriptor
            finally:
                os.close(descriptor)
        finally:
            self._lock.release()


def _until(done: Callable[[], bool], exchange: Exchange) -> None:
    """Waits until *done*, in a thread that sends. Raises Cancelled when *exchange* is given up."""
    while True:
        if exchange.aborted:
            raise Cancelled("the statement has ended", arrived=False)
        if done():
            return
        time.sleep(_SLICE_SECONDS)
