"""The files that backends share, odd in every way: nothing in them fails a request, least of all one that has
been answered, and nobody can spend the budget of others by a number."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipedrive_fdw.api.cache import SharedCache, pack, unpack
from pipedrive_fdw.api.client import Answer, ApiToken, Client, Signed, Spent
from pipedrive_fdw.api.limits import LEAST_BUDGET, Limits
from pipedrive_fdw.api.oauth import AccessTokens, TokenEndpoint
from pipedrive_fdw.api.transport import MAX_BODY, Request, Response
from pipedrive_fdw.api.waiting import Exchange
from pipedrive_fdw.errors import AuthError, PipedriveError
from pipedrive_fdw.monitoring.progress import Progress
from pipedrive_fdw.monitoring.usage_log import FILE, UsageLog
from pipedrive_fdw.options import read_options

GOOD = b'{"success": true, "data": [{"id": 1}]}'
REPORTED = {"x-daily-ratelimit-token-remaining": "29000", "x-daily-ratelimit-token-limit": "30000"}
HUGE = 10**30
ODD_VALUES: list[Any] = [
    None,
    True,
    "5",
    "x" * 100,
    -1,
    -(2**63),
    2**63,
    1e300,
    -1e300,
    [],
    [1],
    {},
    {"a": 1},
]
WINDOW = {"limit": 0, "blocked": 0.0, "sent": [], "waiting": [], "boot": ""}
DAY = {"left": 5, "limit": 5, "seen": 0.0, "since": 0, "date": 0, "today": 0}


class Answers:
    """A transport that answers *response* to everything, and counts."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None, body: bytes = GOOD) -> None:
        self.response = Response(status, headers or {}, body)
        self.requests: list[Request] = []

    def send(self, request: Request, exchange: Exchange) -> Response:
        self.requests.append(request)
        return self.response


def limits_in(folder: Path, credential: str = "k" * 64) -> Limits:
    return Limits(folder, credential, "c" * 64)


def call(limits: Limits, transport: Any, method: str = "GET", tokens: int = 10) -> Answer:
    credential = ApiToken(Signed({"x-api-token": "a-token-of-the-tests"}, "http://127.0.0.1:1"), "k" * 64)
    client = Client(credential, transport, limits, lambda seconds, exchange: None)
    return client.call(method, 2, "/deals", tokens=tokens, exchange=Exchange(), spent=Spent(), body=b"{}")


def odd_states(sound: dict[str, Any]) -> Iterator[bytes]:
    for name in sound:
        for value in (*ODD_VALUES, [[1]], ["x"], [None], [1e300], [-5], list(range(100_000))):
            try:
                yield orjson.dumps({**sound, name: value})
            except TypeError:
                yield json.dumps({**sound, name: value}).encode()
    yield json.dumps({**sound, next(iter(sound)): HUGE}).encode()
    yield from (
        b"",
        b"{",
        b"null",
        b"[]",
        b"5",
        b'"x"',
        b"\xff\xfe",
        b"\0" * 100,
        b"[" * 5_000,
        b"{}" + b" " * 2**21,
    )
    yield json.dumps({name: HUGE for name in sound}).encode()
    yield json.dumps({f"other {n}": n for n in range(50_000)}).encode()


@pytest.mark.parametrize("kind", ["window", "day"])
def test_whatever_the_limiter_s_files_hold_requests_leave_and_are_answered(tmp_path: Path, kind: str) -> None:
    limits = limits_in(tmp_path)
    call(limits, Answers(headers=REPORTED))
    (file,) = tmp_path.glob(f"{kind}-*")
    for state in odd_states(WINDOW if kind == "window" else DAY):
        file.write_bytes(state)
        transport = Answers(headers=REPORTED)
        began = time.monotonic()
        assert call(limits, transport, "POST").data == [{"id": 1}], state[:200]
        assert len(transport.requests) == 1
        assert time.monotonic() - began < 5, state[:200]
        day = limits.day()
        assert 0 <= day.remaining(time.time()) <= LEAST_BUDGET
        assert limits.window_limit() is None or 0 < limits.window_limit() <= 10**6
        file.write_bytes(state)
        limits.day()  # looked at in passing, by the main thread
        limits.window_limit()
        limits.block(0.0)
        limits.give_back(limits.take())


def test_an_odd_file_is_made_anew(tmp_path: Path) -> None:
    limits = limits_in(tmp_path)
    call(limits, Answers())
    for file in tmp_path.iterdir():
        file.write_bytes(json.dumps({"today": HUGE, "waiting": [HUGE]}).encode())
    call(limits, Answers(headers=REPORTED))
    for file in tmp_path.iterdir():
        assert HUGE not in orjson.loads(file.read_bytes()).values()
    assert limits.day().left == 29_000


@pytest.mark.parametrize("name", ["x-daily-ratelimit-token-remaining", "x-daily-ratelimit-token-limit",
                                  "x-ratelimit-limit"])  # fmt: skip
@pytest.mark.parametrize("value", ["9" * 30, "²", "nan", "-5", "1e9", "9" * 15], ids=ascii)
def test_a_header_stops_nobody_else(tmp_path: Path, name: str, value: str) -> None:
    for tokens in (10, 10, 10):
        call(limits_in(tmp_path), Answers(headers={**REPORTED, name: value}), tokens=tokens)
    another = limits_in(tmp_path, "o" * 64)
    assert call(another, Answers(headers=REPORTED)).data
    assert another.day().left == 29_000


@pytest.mark.parametrize("tokens", [2**62, 2**63, HUGE, -HUGE, -5])
def test_a_price_that_is_none_spends_nobody_s_day(tmp_path: Path, tokens: int) -> None:
    """Three of the first overflowed the day's file: every role got TypeError until midnight."""
    for _ in range(3):
        assert call(limits_in(tmp_path), Answers(), "POST", tokens).data
    another = limits_in(tmp_path, "o" * 64)
    assert call(another, Answers(), tokens=10).data
    assert another.day().today >= 0
    assert isinstance(orjson.loads(next(tmp_path.glob("day-*")).read_bytes())["today"], int)


def _gone(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def _directories(folder: Path) -> None:
    for file in list(folder.iterdir()):
        file.unlink()
        file.mkdir()


def _links(folder: Path) -> None:
    for file in list(folder.iterdir()):
        file.unlink()
        file.symlink_to("/etc/passwd")


@pytest.mark.parametrize("spoil", [_gone, _directories, _links])
@pytest.mark.parametrize("status", [200, 201, 404, 429, 500])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_state_that_breaks_during_a_request_does_not_change_its_answer(
    tmp_path: Path, spoil: Callable[[Path], None], status: int, method: str
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()

    class Spoils(Answers):
        def send(self, request: Request, exchange: Exchange) -> Response:
            if not self.requests:
                spoil(folder)
            return super().send(request, exchange)

    def outcome(transport: Answers, limits: Limits) -> Any:
        try:
            return call(limits, transport, method).data
        except PipedriveError as error:
            return type(error), error.message

    healthy = outcome(Answers(status, {}), Limits(None, "k" * 64, "c" * 64))
    limits = limits_in(folder)
    limits.learn({})
    spoilt = outcome(Spoils(status, {}), limits)
    # A read that would be sent again cannot be, and says why; what was answered stays answered
    assert spoilt == healthy or (method == "GET" and status in (500, 429) and "state" in spoilt[1])


# ---- whose tokens


@pytest.mark.parametrize(
    ("status", "charged"), [(200, 10), (401, 0), (403, 10), (404, 10), (429, 0), (503, 10)]
)
def test_a_refused_sign_in_is_not_charged_to_the_company(tmp_path: Path, status: int, charged: int) -> None:
    limits = limits_in(tmp_path)
    transport = Answers(status, {"retry-after": "3600"}, b"{}")
    try:
        call(limits, transport)
    except PipedriveError:
        assert status != 200
    assert limits.day().today == charged * len(transport.requests)


class TokenAnswers:
    """A token endpoint that names *api_domain*."""

    def __init__(self, api_domain: str) -> None:
        self.api_domain = api_domain

    def send(self, request: Request, exchange: Exchange) -> Response:
        if request.url.endswith("/oauth/token"):
            given = {
                "access_token": "an-access-token",
                "refresh_token": "a-refresh-token",
                "expires_in": 3600,
            }
            return Response(200, {}, orjson.dumps({**given, "api_domain": self.api_domain}))
        return Response(200, REPORTED, GOOD)


def spend_by_oauth(folder: Path, api_domain: str, refresh_token: str, **server: str) -> Limits:
    """The limiter of an OAuth account after one request, as a session of it has it."""
    from pipedrive_fdw.session.account_sessions import new_client

    given = {
        "client_id": "the-client-id",
        "client_secret": "the-client-secret",
        "refresh_token": refresh_token,
    }
    client = new_client(read_options({**given, **server}), TokenAnswers(api_domain), folder)
    client.call("GET", 2, "/deals", tokens=10, exchange=Exchange(), spent=Spent())
    return client.limits


def test_companies_that_sign_in_by_oauth_do_not_share_a_budget(tmp_path: Path) -> None:
    one = spend_by_oauth(tmp_path, "https://one.pipedrive.com", "refresh-token-one")
    other = spend_by_oauth(tmp_path, "https://other.pipedrive.com", "refresh-token-other")
    again = spend_by_oauth(tmp_path, "https://one.pipedrive.com", "refresh-token-again")
    assert (one.day().left, other.day().left) == (29_000, 29_000)
    assert len(list(tmp_path.glob("day-*"))) == 2
    assert one.day() == again.day() != other.day()


def test_an_oauth_account_without_a_company_s_address_has_a_budget_of_its_own(tmp_path: Path) -> None:
    for name in ("one", "other"):
        spend_by_oauth(tmp_path, "", f"refresh-token-{name}")
    assert len(list(tmp_path.glob("day-*"))) == 2


# ---- the access token

NOW = 1_900_000_000.0


def granted(folder: Path, kept: bytes | None) -> str:
    """The access token that a session signs with when the file holds *kept*; it is a pipe for None."""
    endpoint = TokenEndpoint(
        "https://oauth.example", "the-client", "the-secret", TokenAnswers(""), lambda s, e: None
    )
    credential = AccessTokens(
        folder, "k" * 64, endpoint, "the-refresh-token", lambda domain: domain, lambda: NOW
    )
    file = folder / f"oauth-{'k' * 32}"
    os.mkfifo(file) if kept is None else file.write_bytes(kept)
    return credential.sign(Exchange()).headers["authorization"]


KEPT = {"access_token": "a-kept-token", "refresh_token": "", "api_domain": "", "ends": NOW + 1_000,
        "failed": 0.0, "failure": ["", "", "", ""]}  # fmt: skip


def test_a_sound_file_of_the_access_token_is_used(tmp_path: Path) -> None:
    assert granted(tmp_path, orjson.dumps(KEPT) + b"\n") == "Bearer a-kept-token"


ODD_KEPT = [
    *({name: value} for name in KEPT for value in ODD_VALUES if value != KEPT[name]),
    {"access_token": "line\nbreak"},
    {"access_token": "x" * 20_000},
    {"access_token": "ünïcode"},
    {"ends": NOW + 10**9},
    {"failure": ["auth", "m", "d"]},
    {"failure": ["no such word", "m", "d", "h"], "failed": NOW},
    {"failure": ["auth", 5, "d", "h"], "failed": NOW},
    {"failure": ["auth", "m" * 100_000, "d", "h"], "failed": NOW},
    {"invented": 5},
]


@pytest.mark.parametrize("odd", ODD_KEPT, ids=lambda odd: ascii(odd)[:60])
def test_an_odd_file_of_the_access_token_costs_one_more_token(tmp_path: Path, odd: dict[str, Any]) -> None:
    kept = json.dumps({**KEPT, **odd}).encode() + b"\n"
    try:
        signed = granted(tmp_path, kept)
    except AuthError:
        pytest.fail("a refusal that no endpoint gave")
    if odd.get("access_token") in ("5", "x" * 100):
        return  # they may be tokens
    harmless = next(iter(odd)) in ("refresh_token", "api_domain", "failed", "failure")
    assert signed in ("Bearer an-access-token", *("Bearer a-kept-token",) * harmless)
    granted(tmp_path, kept)


def test_a_file_of_the_access_token_that_gives_nothing_costs_one_more_token(tmp_path: Path) -> None:
    """As where the disk is damaged."""
    assert granted(tmp_path, None) == "Bearer an-access-token"


@pytest.mark.parametrize("life", [1e300, -1, 0, HUGE, True, "3600", None, [], 1e-300])
def test_an_access_token_lives_a_day_at_the_longest(tmp_path: Path, life: Any) -> None:
    class Lives(TokenAnswers):
        def send(self, request: Request, exchange: Exchange) -> Response:
            given = {"access_token": "an-access-token", "expires_in": life}
            return Response(200, {}, json.dumps(given).encode())

    now = [1_000_000.0]
    endpoint = TokenEndpoint(
        "https://oauth.example", "the-client", "the-secret", Lives(""), lambda s, e: None
    )
    credential = AccessTokens(tmp_path, "k" * 64, endpoint, "the-refresh-token", lambda d: d, lambda: now[0])
    assert credential.sign(Exchange()).headers["authorization"] == "Bearer an-access-token"
    (file,) = tmp_path.iterdir()
    assert now[0] <= orjson.loads(file.read_bytes().splitlines()[0])["ends"] <= now[0] + 86_400


# ---- the cache


def cache_in(folder: Path) -> SharedCache:
    return SharedCache(folder, "k" * 64, "c" * 64)


def entry(head: Any, rest: bytes = b"") -> bytes:
    return (head if isinstance(head, bytes) else json.dumps(head).encode()) + b"\n" + rest


def test_whatever_an_entry_of_the_cache_holds_it_is_a_miss_at_worst(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    key = (2, "/deals", (("limit", "500"),))
    cache.put(key, [(key[2], pack(GOOD))], cache.begin(), 60)
    found = cache.get(key, 60)
    assert found is not None and unpack(found[0][1]) == GOOD
    (file,) = (file for file in tmp_path.glob("cache-*/*"))
    sound = orjson.loads(file.read_bytes().partition(b"\n")[0])
    packed = pack(GOOD)
    (page,) = sound["pages"]
    odd: list[bytes] = [b"", b"\n", b"\0" * 100, b"[" * 5_000 + b"\n", entry([]), entry("x"), entry(5)]
    for name in sound:
        odd += [entry({**sound, name: value}, packed) for value in (*ODD_VALUES, HUGE)]
    for part in range(3):
        for value in (*ODD_VALUES, HUGE):
            changed = [*page[:part], value, *page[part + 1 :]]
            odd.append(entry({**sound, "pages": [changed]}, packed))
    for content in odd:
        file.write_bytes(content)
        got = cache.get(key, 60)
        assert got is None or [unpack(one) for _, one in got] == [GOOD], content[:200]


def test_what_is_unpacked_is_bounded() -> None:
    assert unpack(pack(b"x" * MAX_BODY)) is not None
    assert unpack(pack(b"x" * (MAX_BODY + 1))) is None
    assert unpack(b"no zlib") is None
    assert unpack(pack(GOOD)[:-3]) is None


def test_a_flight_of_a_clock_that_was_put_back_is_not_waited_for(tmp_path: Path) -> None:
    """Its session may be stopped, and was waited for until the clock had caught up."""
    cache = cache_in(tmp_path)
    flight = cache.flight("key")
    assert flight is not None
    flight.end()
    descriptor = os.open(cache._flight_path(next(tmp_path.glob("cache-*")), "key"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    for shift, waits in ((0, True), (-60, False), (3_600, False)):
        os.utime(descriptor, (time.time() + shift,) * 2)
        assert cache.is_in_flight("key") == waits
    os.close(descriptor)


def _unreadable(folder: Path) -> None:
    mark = folder / f"written-{'c' * 32}"
    mark.unlink(missing_ok=True)
    mark.mkdir()


def _large(folder: Path) -> None:
    (folder / f"written-{'c' * 32}").write_bytes(b"x" * 10_000_000)


@pytest.mark.parametrize("spoil", [_unreadable, _large])
def test_a_mark_that_is_odd_keeps_nothing_and_fails_nothing(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    cache = cache_in(tmp_path)
    began = cache.begin()
    spoil(tmp_path)
    cache.put("key", [("key", pack(GOOD))], began, 60)
    assert cache.get("key", 60) is None
    cache.begin()


# ---- the counts


@pytest.mark.parametrize(
    "state",
    [*(orjson.dumps({"deals": value}) for value in ODD_VALUES if value not in (2**63,)),
     json.dumps({"deals": HUGE}).encode(), b"", b"[", b"5", b"\xff", b"[" * 5_000,
     json.dumps({f"table {n}": n for n in range(100_000)}).encode(), b"{}" + b" " * 2**22],
    ids=lambda state: ascii(state)[:40],
)  # fmt: skip
def test_counts_that_are_odd_are_no_counts(tmp_path: Path, state: bytes) -> None:
    from pipedrive_fdw.session.counts import Counts

    counts = Counts(read_options({"company_domain": "acme", "api_token": "a-token"}), tmp_path)
    counts.put({"deals": 5})
    (file,) = tmp_path.iterdir()
    file.write_bytes(state)
    known = Counts(read_options({"company_domain": "acme", "api_token": "a-token"}), tmp_path).known()
    assert all(type(count) is int and 0 <= count <= 10**12 for count in known.values())
    assert len(known) <= 1_000


def test_counts_that_cannot_be_kept_leave_no_file_behind(tmp_path: Path) -> None:
    """On a full disk each scan left one more."""
    from pipedrive_fdw.session.counts import Counts

    options = read_options({"company_domain": "acme", "api_token": "a-token"})
    Counts(options, tmp_path).put({"deals": 5})
    _directories(tmp_path)
    (directory,) = tmp_path.iterdir()
    Counts(options, tmp_path).put({"deals": 6})
    assert list(tmp_path.iterdir()) == [directory]


# ---- what an administrator can see


@pytest.mark.parametrize("name", [FILE, f"progress-{os.getpid()}.new"], ids=["usage", "progress"])
def test_a_pipe_that_nobody_reads_stops_nobody(tmp_path: Path, name: str) -> None:
    """A statement that was to be cancelled waited for its reader."""
    os.mkfifo(tmp_path / name)
    log, progress = UsageLog(lambda: tmp_path, lambda: 1), Progress(lambda: tmp_path, lambda: 1)

    def note() -> None:
        log.add((("table", "deals"),), 1, 10)
        log.transaction_ended()
        with contextlib.suppress(OSError):
            progress._write(tmp_path, b"{}")

    thread = threading.Thread(target=note, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
