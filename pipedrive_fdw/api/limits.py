"""One limiter for all backends of a machine: the burst window of a credential, the day's tokens of a company.

The window is a small file for each credential. Whoever wants to send a request takes the next free moment
in it, under a lock, and then sleeps until that moment: first come, first served, with no one polling. A
backend that is killed leaves at most the moments that it had taken, which pass by themselves; the lock is
the kernel's and ends with its holder.

Pipedrive counts requests in rolling two seconds (FACTS 1.3), searches apart. The window is kept a little
longer than that, since requests that leave two seconds apart can arrive closer together.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

WINDOW_SECONDS = 2.1
DEFAULT_LIMIT = 20
SEARCH_LIMIT = 10
_FAR = 60.0


@dataclass
class Window:
    """The state of one window: the moments that are taken, oldest first, in seconds of the monotonic clock.

    *blocked* is the moment before which nobody sends, after a burst 429 that others caused.
    """

    limit: int = DEFAULT_LIMIT
    blocked: float = 0.0
    moments: list[float] = field(default_factory=list)

    def take(self, now: float) -> float:
        """The earliest moment at which one more request may leave, taken."""
        # Moments far ahead are those of a machine that was up before this one booted
        self.moments = [m for m in self.moments if now - WINDOW_SECONDS < m < now + _FAR]
        moment = now
        if self.blocked - now < _FAR:
            moment = max(moment, self.blocked)
        if self.moments:
            moment = max(moment, self.moments[-1])
        if len(self.moments) >= self.limit:
            moment = max(moment, self.moments[-self.limit] + WINDOW_SECONDS)
        self.moments.append(moment)
        return moment


@dataclass
class Day:
    """The company's tokens as last reported; None where the API does not tell."""

    left: int | None = None
    limit: int | None = None
    seen: float = 0.0


class Limits:
    """The limiter of one credential. Safe to use from several threads and processes.

    *folder* holds the shared files; without one (outside a server) the state is this object's own.
    """

    def __init__(self, folder: Path | None, credential: str, company: str) -> None:
        self._files = {
            "window": folder / f"window-{credential[:32]}" if folder else None,
            "search": folder / f"search-{credential[:32]}" if folder else None,
            "day": folder / f"day-{company[:32]}" if folder else None,
        }
        self._own: dict[str, Any] = {}

    def take(self, search: bool = False) -> float:
        """Seconds to wait before the next request may leave; its moment is taken."""
        with self._state("search" if search else "window") as state:
            window = Window(**state) if state else Window(limit=SEARCH_LIMIT if search else DEFAULT_LIMIT)
            now = time.monotonic()
            moment = window.take(now)
            state.update(vars(window))
        return max(moment - now, 0.0)

    def learn(self, headers: Mapping[str, str], search: bool = False) -> None:
        """Takes over what an answer tells: the window's size, the day's tokens."""
        limit = headers.get("x-ratelimit-limit", "")
        if limit.isdigit() and int(limit) > 0 and not search:
            with self._state("window") as state:
                if state.get("limit") != int(limit):
                    state.update({**vars(Window()), **state, "limit": int(limit)})
        left = headers.get("x-daily-ratelimit-token-remaining", "")
        if left.isdigit():
            total = headers.get("x-daily-ratelimit-token-limit", "")
            day = Day(int(left), int(total) if total.isdigit() else None, time.time())
            with self._state("day") as state:
                state.update(vars(day))

    def block(self, seconds: float, search: bool = False) -> None:
        """Nobody sends for *seconds*: the window was full although this limiter thought otherwise."""
        with self._state("search" if search else "window") as state:
            state.update({**vars(Window()), **state, "blocked": time.monotonic() + seconds})

    def day(self) -> Day:
        with self._state("day") as state:
            return Day(**state) if state else Day()

    def window_limit(self) -> int | None:
        """Requests in two seconds as the API reported, None when it has not."""
        with self._state("window") as state:
            return state.get("limit")

    @contextlib.contextmanager
    def _state(self, name: str) -> Iterator[dict[str, Any]]:
        path = self._files[name]
        if path is None:
            yield self._own.setdefault(name, {})
            return
        with _locked(path) as descriptor:
            before = os.pread(descriptor, 1 << 20, 0)
            state = _read(before)
            yield state
            after = orjson.dumps(state)
            if after != before:
                os.pwrite(descriptor, after, 0)
                os.ftruncate(descriptor, len(after))


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
    return {**vars(Window()), "blocked": time.monotonic() + WINDOW_SECONDS} if b"moments" in text else {}


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
