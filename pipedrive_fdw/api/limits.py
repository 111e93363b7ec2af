"""One limiter for all backends of a machine: the burst window of a credential, the day's tokens of a company.

The window is a small file for each credential. Whoever wants to send a request takes the next free moment
in it, under a lock, sleeps until that moment, and then asks once more whether it still stands: first come,
first served, with no one polling. What was taken and is not used (a cancelled statement) is given back. A
backend that is killed leaves at most the moments that it had taken, which pass by themselves; the lock is
the kernel's and ends with its holder, and is taken away from one that was stopped.

Pipedrive counts requests in rolling two seconds, searches apart. The window is kept a little
longer than that, since requests that leave two seconds apart can arrive closer together.
"""

from __future__ import annotations

import bisect
import contextlib
import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import orjson

from pipedrive_fdw.addresses import ANY_COMPANY
from pipedrive_fdw.api.state import (
    MOST_COUNT,
    Waiter,
    content,
    is_count,
    is_moment,
    locked,
    parsed,
    peeked,
    unusable,
)
from pipedrive_fdw.errors import Cancelled, StateError
from pipedrive_fdw.values.numbertext import whole_number

WINDOW_SECONDS = 2.1
# A request that leaves so little after its moment is not late: the window is kept longer by more than that.
_PUNCTUAL = 0.01
DEFAULT_LIMIT = 20
SEARCH_LIMIT = 10
# The budget of the smallest plan with one seat, where Pipedrive reports none.
LEAST_BUDGET = 30_000
# How long the day's tokens are believed as reported: nobody tells when they are reset.
REPORT_SECONDS = 3_600.0
_DAY_SECONDS = 86_400
# Moments are told apart by this much, so that each belongs to one request.
_TICK = 1e-6
_SOON = 1e-3
# What a state can say: requests in a window, requests that wait, and in how many seconds the last one leaves.
_MOST_LIMIT = 10**6
_MOST_WAITING = 10_000
_FURTHEST = 3_600.0
# What one request can cost.
_MOST_TOKENS = 10**6
T = TypeVar("T", "Window", "Day")


class _Nobody:
    aborted = False


_NOBODY = _Nobody()


@cache
def _boot() -> str:
    """Tells boots of the machine apart: the monotonic clock begins anew with each."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@dataclass
class Window:
    """The state of one window, in seconds of the monotonic clock: when requests have left, and when those
    that wait will leave, each in order.

    *limit* is 0 until the API reports it. *blocked* is the moment before which nobody sends, after a burst
    429 that others caused.
    """

    limit: int = 0
    blocked: float = 0.0
    sent: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    boot: str = ""

    def is_sound(self) -> bool:
        """False for what no limiter of this machine has stored."""
        latest = time.monotonic() + _FURTHEST
        lines = all(_are_moments(line, latest) for line in (self.sent, self.waiting))
        moments = lines and is_moment(self.blocked, latest)
        return moments and is_count(self.limit, _MOST_LIMIT) and isinstance(self.boot, str)

    @classmethod
    def after_crash(cls, text: bytes) -> Window:
        """The state to use where a killed writer has left *text*: a window that has just been used up."""
        return cls(blocked=time.monotonic() + WINDOW_SECONDS, boot=_boot()) if b"waiting" in text else cls()

    def take(self, now: float, most: int) -> float:
        """The earliest moment at which one more request may leave, behind all that wait; of *most*."""
        self._forget(now)
        line = sorted(self.sent + self.waiting)
        moment = max(now, self.blocked, *self.waiting[-1:])
        if len(line) >= most:
            moment = max(moment, line[-most] + WINDOW_SECONDS)
        return self._placed(moment, now)

    def confirm(self, now: float, most: int, held: float) -> float:
        """The moment of a request that has waited for the moment *held*, which has come.

        Only requests that have really left count: one that wakes up late delays no other.
        """
        self._forget(now)
        self.give_back(held)
        moment = max(now, self.blocked)
        if len(self.sent) >= most:
            moment = max(moment, self.sent[-most] + WINDOW_SECONDS)
        return self._placed(moment, now)

    def _placed(self, moment: float, now: float) -> float:
        if moment - now < _SOON:
            moment = now
        line = self.sent if moment == now else self.waiting
        while moment in line:
            moment += _TICK
        bisect.insort(line, moment)
        return moment

    def _forget(self, now: float) -> None:
        past = now - WINDOW_SECONDS
        self.sent = [moment for moment in self.sent if moment > past]
        self.waiting = [moment for moment in self.waiting if moment > past]

    def give_back(self, moment: float) -> None:
        with contextlib.suppress(ValueError):
            self.waiting.remove(moment)

    def left_late(self, moment: float, really: float) -> None:
        """The request that left at *moment* did so no earlier than *really*."""
        if moment in self.sent and really > moment:
            self.sent.remove(moment)
            bisect.insort(self.sent, really)


@dataclass
class Day:
    """The company's tokens: *left* of *limit* as last reported at *seen* (None where the API does not tell).

    *since* then this machine has spent some; *today* is what it has spent on the day number *date* (UTC).
    """

    left: int | None = None
    limit: int | None = None
    seen: float = 0.0
    since: int = 0
    date: int = 0
    today: int = 0

    def is_sound(self) -> bool:
        """False for what no limiter has stored."""
        counts = (self.left or 0, self.limit or 0, self.since, self.date, self.today)
        return all(map(is_count, counts)) and is_moment(self.seen, MOST_COUNT)

    @classmethod
    def after_crash(cls, text: bytes) -> Day:
        return cls()

    def spend(self, tokens: int, now: float) -> None:
        tokens = min(max(tokens, 0), _MOST_TOKENS)
        date = int(now // _DAY_SECONDS)
        self.today = tokens + (self.today if self.date == date else 0)
        self.date = date
        self.since += tokens

    def report(self, left: int, limit: int | None, now: float) -> None:
        self.left, self.limit, self.seen, self.since = left, limit, now, 0

    def is_reported(self, now: float) -> bool:
        return self.left is not None and 0 <= now - self.seen < REPORT_SECONDS

    def remaining(self, now: float) -> int:
        """Tokens that the day has left: as reported, else what the budget leaves after what was spent here.

        A report is believed for an hour. After that a request leaves, whose answer tells: so the reset,
        whose hour is not known, is found without anybody spending what is reserved.
        """
        if self.left is not None and self.is_reported(now):
            return max(self.left - self.since, 0)
        spent = self.today if self.date == int(now // _DAY_SECONDS) else 0
        return max((self.limit or LEAST_BUDGET) - spent, 0)


class Turn(NamedTuple):
    """A request's place in a window: the *moment* that it has taken, *wait* seconds from now. *limit* is the
    window's size as it was known then."""

    search: bool
    moment: float
    wait: float
    limit: int


def company_key(address: str, credential: str) -> str:
    """A name for the company whose tokens are spent at *address*. An address that serves every company does
    not tell, so there each *credential* counts by itself."""
    return credential if address == ANY_COMPANY else hashlib.sha256(address.encode()).hexdigest()


class Limits:
    """The limiter of one credential. Safe to use from several threads and processes.

    *folder* holds the shared files; without one (outside a server) the state is this object's own.
    ``company`` is the key of the company whose tokens are spent; an access token may tell another one.
    Methods that are called before a request raise StateError when the files cannot be used, and Cancelled
    when the *waiter* is given up. Those that are called after one raise nothing.
    """

    def __init__(self, folder: Path | None, credential: str, company: str) -> None:
        self._folder = folder
        self._credential = credential
        self.company = company
        self._own: dict[str, Any] = {}

    def take(self, search: bool = False, waiter: Waiter = _NOBODY) -> Turn:
        """A place for one request. After its wait, ``confirm`` says whether it may leave."""
        return self._turn(search, None, waiter)

    def confirm(self, turn: Turn, waiter: Waiter = _NOBODY) -> Turn:
        """*turn*, whose moment has come, once more: with a wait when others left late or were refused."""
        return self._turn(turn.search, turn.moment, waiter)

    def _turn(self, search: bool, held: float | None, waiter: Waiter) -> Turn:
        with self._window(search, waiter) as window:
            now = time.monotonic()
            most = window.limit or (SEARCH_LIMIT if search else DEFAULT_LIMIT)
            moment = window.take(now, most) if held is None else window.confirm(now, most, held)
        wait = moment - now
        return Turn(search, moment, wait if wait >= _SOON else 0.0, window.limit)

    def give_back(self, turn: Turn) -> None:
        """The request of *turn* will not leave."""
        with _if_possible(), self._window(turn.search) as window:
            window.give_back(turn.moment)

    def learn(
        self,
        headers: Mapping[str, str],
        turn: Turn | None = None,
        left: float = 0.0,
        tokens: int = 0,
        waiter: Waiter = _NOBODY,
    ) -> None:
        """Takes over what an answer tells: the window's size, the day's tokens.

        The request of *turn* has *left* at that moment of the monotonic clock, and cost *tokens*.
        """
        limit = min(whole_number(headers.get("x-ratelimit-limit")) or 0, _MOST_LIMIT)
        search = turn is not None and turn.search
        is_new = limit > 0 and not search and (turn is None or limit != turn.limit)
        is_late = turn is not None and left > turn.moment + _PUNCTUAL
        if is_new or is_late:
            with _if_possible(), self._window(search, waiter) as window:
                window.limit = limit if is_new else window.limit
                if turn is not None:
                    window.left_late(turn.moment, left)
        now = time.time()
        remaining = whole_number(headers.get("x-daily-ratelimit-token-remaining"))
        total = whole_number(headers.get("x-daily-ratelimit-token-limit"))
        with _if_possible(), self._state("day", Day, waiter) as day:
            day.spend(tokens, now)
            if remaining is not None and is_count(remaining) and is_count(total or 0):
                day.report(remaining, total, now)

    def block(self, seconds: float, search: bool = False, waiter: Waiter = _NOBODY) -> None:
        """Nobody sends for *seconds*: the window was full although this limiter thought otherwise."""
        with _if_possible(), self._window(search, waiter) as window:
            window.blocked = max(window.blocked, time.monotonic() + seconds)

    def day(self) -> Day:
        """Never waits: for the main thread."""
        return self._peek("day", Day)

    def window_limit(self) -> int | None:
        """Requests in two seconds as the API reported, None when it has not. Never waits."""
        return self._peek("window", Window).limit or None

    # ---- files

    def _file(self, name: str) -> Path | None:
        key = self.company if name == "day" else self._credential
        return None if self._folder is None else self._folder / f"{name}-{key[:32]}"

    @contextlib.contextmanager
    def _window(self, search: bool, waiter: Waiter = _NOBODY) -> Iterator[Window]:
        with self._state("search" if search else "window", Window, waiter) as window:
            if window.boot != _boot():
                window.boot, window.blocked, window.sent, window.waiting = _boot(), 0.0, [], []
            yield window

    def _peek(self, name: str, kind: type[T]) -> T:
        path = self._file(name)
        if path is None:
            return replace(self._own.get(name) or kind())
        for _ in range(3):  # it may be read while it is written
            text = peeked(path)
            found = parsed(text)
            if found is not None or not text:
                return _made(kind, found or {})
            time.sleep(_SOON)
        return kind()

    @contextlib.contextmanager
    def _state(self, name: str, kind: type[T], waiter: Waiter) -> Iterator[T]:
        """The state stored under *name*, which nobody else reads or changes meanwhile."""
        path = self._file(name)
        if path is None:
            yield self._own.setdefault(name, kind())
            return
        try:
            with locked(path, waiter) as descriptor:
                before = content(descriptor)
                state = _read(kind, before)
                yield state
                after = orjson.dumps(vars(state))
                if after != before:
                    os.pwrite(descriptor, after, 0)
                    os.ftruncate(descriptor, len(after))
        except OSError as error:
            raise unusable(path, error) from None


@contextlib.contextmanager
def _if_possible() -> Iterator[None]:
    """For what comes after a request: the answer is there, whatever becomes of the state."""
    with contextlib.suppress(StateError, Cancelled):
        yield


def _made(kind: type[T], state: Mapping[str, Any]) -> T:
    """*kind* from its stored form, which another version of the package may have written; a new one where
    that is odd."""
    found = kind(**{name: value for name, value in state.items() if name in vars(kind())})
    return found if found.is_sound() else kind()


def _are_moments(line: Any, latest: float) -> bool:
    """``is_moment`` for each of a list, by its types and extremes: a large window is read often."""
    if not isinstance(line, list) or len(line) > _MOST_WAITING or not set(map(type, line)) <= {int, float}:
        return False
    return not line or (is_moment(min(line), latest) and is_moment(max(line), latest))


def _read(kind: type[T], text: bytes) -> T:
    state = parsed(text)
    return kind.after_crash(text) if state is None else _made(kind, state)
