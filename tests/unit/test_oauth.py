"""The token endpoint's answers, and the access token that backends share, without a network."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from pipedrive_fdw.api.oauth import AccessTokens, Grant, TokenEndpoint
from pipedrive_fdw.api.state import open_state
from pipedrive_fdw.api.transport import Request, Response
from pipedrive_fdw.api.waiting import Exchange
from pipedrive_fdw.errors import (
    ApiError,
    AuthError,
    Cancelled,
    ConnectError,
    PipedriveError,
    ProtocolError,
    StateError,
)

Reply = tuple[int, Any]
REFUSED = (
    400,
    {"success": False, "message": "Invalid grant: refresh_token is invalid", "error": "invalid_grant"},
)


def granted(number: int, **more: Any) -> Reply:
    """The answer of 200 whose access token has *number* in it."""
    answer = {"access_token": f"access-{number}", "refresh_token": "first-refresh", "expires_in": 3600}
    return 200, {**answer, "api_domain": "https://acme.pipedrive.com", **more}


class Endpoint:
    """Answers with *replies* in turn; an exception among them is raised. Keeps what was asked."""

    def __init__(self, *replies: Reply | PipedriveError) -> None:
        self._replies = list(replies)
        self.requests: list[Request] = []
        self.slept: list[float] = []

    def send(self, request: Request, exchange: Exchange) -> Response:
        self.requests.append(request)
        reply = self._replies.pop(0)
        if isinstance(reply, PipedriveError):
            raise reply
        body = reply[1] if isinstance(reply[1], bytes) else json.dumps(reply[1]).encode()
        return Response(reply[0], {}, body)

    def forms(self) -> list[dict[str, str]]:
        return [{k: v[0] for k, v in parse_qs((r.body or b"").decode()).items()} for r in self.requests]

    def client(self) -> TokenEndpoint:
        return TokenEndpoint(
            "https://oauth.example", "the-client", "the-secret", self, lambda s, _: self.slept.append(s)
        )


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def tokens(
    folder: Path | None, endpoint: Endpoint, clock: Clock, refresh: str = "first-refresh"
) -> AccessTokens:
    return AccessTokens(folder, "k" * 64, endpoint.client(), refresh, lambda domain: domain, clock)


def signed(credential: AccessTokens) -> str:
    return credential.sign(Exchange()).headers["authorization"]


def test_a_refresh_is_a_form_with_the_client_in_its_header() -> None:
    endpoint = Endpoint(granted(1, scope="base,deals:read"))
    grant = endpoint.client().refresh("first-refresh", Exchange())
    assert grant == Grant(
        "access-1", "first-refresh", 3600.0, "https://acme.pipedrive.com", "base,deals:read"
    )
    (request,) = endpoint.requests
    assert (request.method, request.url) == ("POST", "https://oauth.example/oauth/token")
    assert request.headers["authorization"] == "Basic dGhlLWNsaWVudDp0aGUtc2VjcmV0"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert endpoint.forms() == [{"grant_type": "refresh_token", "refresh_token": "first-refresh"}]


def test_a_refresh_is_asked_for_again_and_a_code_never_is() -> None:
    lost = ConnectError("oauth.example broke off the connection")
    endpoint = Endpoint(lost, (502, b""), granted(1))
    assert endpoint.client().refresh("first-refresh", Exchange()).access_token == "access-1"
    assert endpoint.slept == [0.25, 0.5]
    once = Endpoint(lost)
    with pytest.raises(ConnectError, match="no access token: oauth.example broke off the connection"):
        once.client().redeem("the-code", "http://localhost:1/", Exchange())
    assert once.forms() == [
        {"grant_type": "authorization_code", "code": "the-code", "redirect_uri": "http://localhost:1/"}
    ]


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (REFUSED, AuthError, "the refresh token is not accepted"),
        ((401, {"error": "Invalid client"}), AuthError, "the client_id or client_secret is not accepted"),
        (
            (400, {"error": "Invalid client: client is invalid"}),
            AuthError,
            "the client_id or client_secret is not accepted",
        ),
        # An error that a scan would take for a record that may not be seen must not come from here
        ((403, {"error": "no"}), AuthError, "the refresh token is not accepted"),
        ((404, {"error": "no"}), ProtocolError, "there is no token endpoint"),
        ((429, {"error": "no"}), ApiError, "tokens"),
        ((200, {"success": True}), ProtocolError, "the token endpoint returned no access token"),
        ((200, b'{"access_token": "cut-of'), ProtocolError, "the token endpoint returned no access token"),
        ((302, b""), ProtocolError, "redirect"),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else None,
)
def test_answers_without_a_token_are_errors(reply: Reply, kind: type[PipedriveError], message: str) -> None:
    endpoint = Endpoint(reply)
    with pytest.raises(kind, match=message) as caught:
        endpoint.client().refresh("first-refresh", Exchange())
    assert "cut-of" not in str(caught.value)
    assert len(endpoint.requests) == 1


def test_backends_share_a_token_until_shortly_before_its_end(tmp_path: Path) -> None:
    clock = Clock()
    endpoint = Endpoint(granted(1), granted(2))
    one, other = (tokens(tmp_path, endpoint, clock) for _ in range(2))
    assert [signed(one), signed(other), signed(one)] == ["Bearer access-1"] * 3
    clock.now += 3539
    assert signed(other) == "Bearer access-1"
    clock.now += 2
    assert [signed(other), signed(one)] == ["Bearer access-2"] * 2
    (file,) = tmp_path.iterdir()
    assert (stat.S_IMODE(file.stat().st_mode), "first-refresh" in file.name) == (0o600, False)


def test_what_a_401_refuses_is_renewed_once(tmp_path: Path) -> None:
    endpoint, clock = Endpoint(granted(1), granted(2)), Clock()
    one, other = (tokens(tmp_path, endpoint, clock) for _ in range(2))
    refused = [credential.sign(Exchange()) for credential in (one, other)]
    for credential, old in zip((one, other), refused):
        assert credential.renewable(old)
    assert [signed(one), signed(other)] == ["Bearer access-2"] * 2
    # A thread that learns of the first token's end late does not end the second
    assert one.renewable(refused[0])
    assert signed(one) == "Bearer access-2"


def test_a_late_refusal_of_the_token_before_does_not_hide_that_of_this_one(tmp_path: Path) -> None:
    one = tokens(tmp_path, Endpoint(granted(1), granted(2), granted(3)), Clock())
    first = one.sign(Exchange())
    assert one.renewable(first)
    second = one.sign(Exchange())
    assert one.renewable(second)
    assert one.renewable(first)  # by a thread whose request took long
    assert signed(one) == "Bearer access-3"


def test_a_rotated_refresh_token_goes_first_and_the_given_one_is_the_fallback(tmp_path: Path) -> None:
    clock = Clock()
    endpoint = Endpoint(granted(1, refresh_token="second-refresh"), REFUSED, granted(2))
    assert signed(tokens(tmp_path, endpoint, clock)) == "Bearer access-1"
    clock.now += 4000
    assert signed(tokens(tmp_path, endpoint, clock)) == "Bearer access-2"
    assert [form["refresh_token"] for form in endpoint.forms()] == [
        "first-refresh",
        "second-refresh",
        "first-refresh",
    ]


def test_a_refusal_is_everybody_s_for_a_minute(tmp_path: Path) -> None:
    clock, endpoint = Clock(), Endpoint(REFUSED, granted(1))
    for _ in range(3):
        with pytest.raises(AuthError, match="the refresh token is not accepted") as caught:
            signed(tokens(tmp_path, endpoint, clock))
        assert (caught.value.status, "authorize" in caught.value.hint) == (401, True)
        clock.now += 29
    assert signed(tokens(tmp_path, endpoint, clock)) == "Bearer access-1"


def test_a_fault_is_that_of_those_who_waited_and_of_nobody_later(tmp_path: Path) -> None:
    clock = Clock()
    endpoint = Endpoint(*[(500, b"")] * 4, granted(1))
    with pytest.raises(ApiError, match="status 500"):
        signed(tokens(tmp_path, endpoint, clock))
    clock.now += 0.001
    assert signed(tokens(tmp_path, endpoint, clock)) == "Bearer access-1"


def test_without_a_folder_the_token_is_the_object_s_own() -> None:
    endpoint, clock = Endpoint(granted(1), granted(2)), Clock()
    one, other = (tokens(None, endpoint, clock) for _ in range(2))
    assert [signed(one), signed(other), signed(one)] == [
        "Bearer access-1",
        "Bearer access-2",
        "Bearer access-1",
    ]


def test_a_folder_that_cannot_be_used_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="cannot be used") as caught:
        signed(tokens(tmp_path / "file", Endpoint(), Clock()))
    assert ("Not a directory" in caught.value.detail, "disk" in caught.value.hint) == (True, True)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"access_token": 1}', b"\xff" * 50])
def test_a_file_that_cannot_be_read_costs_one_more_token(tmp_path: Path, text: bytes) -> None:
    endpoint, clock = Endpoint(granted(1), granted(2)), Clock()
    signed(tokens(tmp_path, endpoint, clock))
    (file,) = tmp_path.iterdir()
    file.write_bytes(text)
    assert signed(tokens(tmp_path, endpoint, clock)) == "Bearer access-2"


def test_the_wait_for_another_s_refresh_ends_when_it_is_given_up(tmp_path: Path) -> None:
    clock = Clock()
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Endpoint):
        def send(self, request: Request, exchange: Exchange) -> Response:
            begun.set()
            go_on.wait(10)
            return super().send(request, exchange)

    slow = Slow(granted(1))
    first = threading.Thread(target=signed, args=(tokens(tmp_path, slow, clock),))
    first.start()
    begun.wait(10)
    exchange, caught = Exchange(), []

    def wait_for_it() -> None:
        try:
            tokens(tmp_path, Endpoint(), clock).sign(exchange)
        except Cancelled as error:
            caught.append(error.message)

    second = threading.Thread(target=wait_for_it)
    second.start()
    exchange.abort()
    second.join(0.5)
    assert caught == ["pipedrive cancelled: the statement has ended"]
    go_on.set()
    first.join()


def test_a_holder_that_stands_still_does_not_stop_the_others(tmp_path: Path) -> None:
    """As one whose backend waits for its client: none of its threads runs meanwhile."""
    clock, endpoint = Clock(), Endpoint(granted(1), granted(2))
    signed(tokens(tmp_path, endpoint, clock))
    (file,) = tmp_path.iterdir()
    still = open_state(file)
    fcntl.flock(still, fcntl.LOCK_EX)
    one, other = (
        AccessTokens(tmp_path, "k" * 64, endpoint.client(), "first-refresh", str, clock, patience=0.1)
        for _ in range(2)
    )
    assert signed(one) == "Bearer access-1", "what the file holds needs no lock"
    clock.now += 4000
    assert [signed(one), signed(other)] == ["Bearer access-2"] * 2
    os.close(still)


def test_a_refresh_that_is_given_up_is_nobody_else_s_failure(tmp_path: Path) -> None:
    clock, exchange = Clock(), Exchange()

    class GivenUp(Endpoint):
        def send(self, request: Request, given: Exchange) -> Response:
            given.abort()
            raise ConnectError("oauth.example broke off the connection")

    with pytest.raises(ConnectError):
        tokens(tmp_path, GivenUp(), clock).sign(exchange)
    assert signed(tokens(tmp_path, Endpoint(granted(1)), clock)) == "Bearer access-1"


def test_no_repr_shows_a_token() -> None:
    credential = tokens(None, Endpoint(granted(1)), Clock())
    shown = repr(credential) + repr(credential.sign(Exchange())) + repr(credential._kept)
    assert "Signed" in shown
    assert [word for word in ("access-1", "first-refresh", "the-secret") if word in shown] == []
