"""One limiter for all backends of a machine: the burst window of a credential, the day's tokens of a company.

The window is a small file for each credential. Whoever wants to send a request takes the next free moment
in it, under a lock, sleeps until that moment, and then asks once more whether it still stands: first come,
first served, with no one polling. What was taken and is not used (a cancelled statement) is given back. A
backend that is killed leaves at most the moments that it had taken, which pass by themselves; the lock is
the kernel's and ends with its holder, and is taken away from one that was stopped.

Pipedrive counts requests in rolling two seconds (FACTS 1.3), searches apart. The window is kept a little
longer than that, since requests that leave two seconds apart can arrive closer together.
"""

from __future__ import annotations

import bisect
import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import orjson

from pipedrive_fdw.errors import Cancelled, StateError, sentences

WINDOW_SECONDS = 2.1
DEFAULT_LIMIT = 20
SEARCH_LIMIT = 10
# The budget of the smallest plan with one seat (FACTS 1.1), where Pipedrive reports none.
LEAST_BUDGET = 30_000
# How long the day's tokens are believed as reported: nobody tells when they are reset.
REPORT_SECONDS = 3_600.0
_DAY_SECONDS = 86_400
# Moments are told apart by this much, so that each belongs to one request.
_TICK = 1e-6
_SOON = 1e-3
# A lock that is held for longer than this is that of a process that was stopped.
_PATIENCE = 0.5
T = TypeVar("T")


class Waiter(Protocol):
    """Who waits for the shared state: given up when ``aborted``."""

    aborted: bool


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

    def take(self, now: float, most: int) -> float:
        """The earliest moment at which one more request may leave, behind all that wait; of *most*."""
        self._forget(now)
        line = sorted(self.sent + self.waiting)
        moment = max(now, self.blocked, *self.waiting[-1:])
        if len(line) >= most:
            moment = max(moment, line[-most] + WINDOW_SECONDS)
        return self._placed(moment, now)

    def confirm(self, now: float, most: int, held: float) -> float:
        """The same for a request that has waited for the moment *held*, which has come.

        Only what has really left counts here: who wakes up late holds up nobody.
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

    def spend(self, tokens: int, now: float) -> None:
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


@dataclass(frozen=True)
class Turn:
    """A request's place in a window: the *moment* that it has taken, *wait* seconds from now."""

    search: bool
    moment: float
    wait: float


class Limits:
    """The limiter of one credential. Safe to use from several threads and processes.

    *folder* holds the shared files; without one (outside a server) the state is this object's own. Every
    method that takes a *waiter* raises Cancelled when that is given up, and StateError when the files cannot
    be used.
    """

    def __init__(self, folder: Path | None, credential: str, company: str) -> None:
        self._files = {
            "window": folder / f"window-{credential[:32]}" if folder else None,
            "search": folder / f"search-{credential[:32]}" if folder else None,
            "day": folder / f"day-{company[:32]}" if folder else None,
        }
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
        return Turn(search, moment, wait if wait >= _SOON else 0.0)

    def give_back(self, turn: Turn) -> None:
        """The request of *turn* will not leave."""
        with contextlib.suppress(StateError), self._window(turn.search) as window:
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
        limit = headers.get("x-ratelimit-limit", "")
        search = turn is not None and turn.search
        with self._window(search, waiter) as window:
            if limit.isdigit() and int(limit) > 0 and not search:
                window.limit = int(limit)
            if turn is not None:
                window.left_late(turn.moment, left)
        now = time.time()
        with self._state("day", waiter) as state:
            day = _made(Day, state)
            day.spend(tokens, now)
            remaining = headers.get("x-daily-ratelimit-token-remaining", "")
            if remaining.isdigit():
                total = headers.get("x-daily-ratelimit-token-limit", "")
                day.report(int(remaining), int(total) if total.isdigit() else None, now)
            state.update(vars(day))

    def block(self, seconds: float, search: bool = False, waiter: Waiter = _NOBODY) -> None:
        """Nobody sends for *seconds*: the window was full although this limiter thought otherwise."""
        with self._window(search, waiter) as window:
            window.blocked = max(window.blocked, time.monotonic() + seconds)

    def day(self) -> Day:
        """Never waits: for the main thread."""
        return _made(Day, self._peek("day"))

    def window_limit(self) -> int | None:
        """Requests in two seconds as the API reported, None when it has not. Never waits."""
        return _made(Window, self._peek("window")).limit or None

    # ---- files

    @contextlib.contextmanager
    def _window(self, search: bool, waiter: Waiter = _NOBODY) -> Iterator[Window]:
        with self._state("search" if search else "window", waiter) as state:
            window = _made(Window, state)
            if window.boot != _boot():
                window = Window(limit=window.limit, boot=_boot())
            yield window
            state.update(vars(window))

    def _peek(self, name: str) -> Mapping[str, Any]:
        path = self._files[name]
        if path is None:
            return dict(self._own.get(name, {}))
        for _ in range(3):  # it may be read while it is written
            try:
                found = orjson.loads(path.read_bytes())
                return found if isinstance(found, dict) else {}
            except orjson.JSONDecodeError:
                time.sleep(_SOON)
            except OSError:
                break
        return {}

    @contextlib.contextmanager
    def _state(self, name: str, waiter: Waiter) -> Iterator[dict[str, Any]]:
        path = self._files[name]
        if path is None:
            yield self._own.setdefault(name, {})
            return
        try:
            with _locked(path, waiter) as descriptor:
                before = os.pread(descriptor, 1 << 20, 0)
                state = _read(before)
                yield state
                after = orjson.dumps(state)
                if after != before:
                    os.pwrite(descriptor, after, 0)
                    os.ftruncate(descriptor, len(after))
        except OSError as error:
            raise unusable(path, error) from None


def _made(kind: type[T], state: Mapping[str, Any]) -> T:
    """*kind* from its stored form, which another version of the package may have written."""
    return kind(**{name: value for name, value in state.items() if name in vars(kind())})


def _read(text: bytes) -> dict[str, Any]:
    if not text:
        return {}
    try:
        state = orjson.loads(text)
    except orjson.JSONDecodeError:
        state = None
    # A writer that was killed in between leaves half a state: assume a window that has just been used up
    if isinstance(state, dict):
        return state
    if b"waiting" not in text:
        return {}
    return vars(Window(blocked=time.monotonic() + WINDOW_SECONDS, boot=_boot()))


def unusable(path: Path, error: OSError) -> StateError:
    return StateError(
        "the files that sessions share cannot be used",
        detail=sentences(f"{path.name}: {error.strerror}"),
        hint="They lie in pgsql_tmp_pipedrive_fdw in the data directory; is the disk full?",
    )


def open_state(path: Path) -> int:
    """A descriptor of a file that backends share, made when it is not there, for the owner alone."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


@contextlib.contextmanager
def _locked(path: Path, waiter: Waiter) -> Iterator[int]:
    descriptor = _lock(path, waiter)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(path: Path, waiter: Waiter) -> int:
    """A descriptor of *path*, locked. The lock is tried for, never waited in.

    Its holder needs it for microseconds, but may be stopped in between, also by PostgreSQL: a backend that
    sends rows to a slow client lets no thread of Python run. Then the file is replaced by a copy, and what
    the old holder writes goes to a file without a name.
    """
    end, pause = time.monotonic() + _PATIENCE, _SOON
    while True:
        descriptor = open_state(path)
        if _try(descriptor) and _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)
        if waiter.aborted:
            raise Cancelled("the statement has ended")
        if time.monotonic() > end:
            return _replaced(path)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether *descriptor* is still that of the file at *path*."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _replaced(path: Path) -> int:
    """A descriptor of a locked copy of *path* that has taken its place."""
    copy = path.parent / f"{path.name}.{os.getpid()}-{threading.get_ident()}"
    descriptor = open_state(copy)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody else knows of it
        os.pwrite(descriptor, path.read_bytes(), 0)
        copy.replace(path)
    except OSError:
        os.close(descriptor)
        copy.unlink(missing_ok=True)
        raise
    return descriptor
