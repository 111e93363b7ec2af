"""What one scan takes from the cache of all sessions, and gives to it.

Pages that are walked by a cursor are kept one by one: the cursor names the place where the next one begins,
so pages of two moments fit together. Pages by offset do not (a record that is deleted in between moves all
that follow it), so they are kept all together, when the last one has come and none has lost its place, and
used all together.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipedrive_fdw.api.cache import LARGEST_ENTRY, Began, Flight, Page, SharedCache
from pipedrive_fdw.api.paging import next_params, record_of, records_of
from pipedrive_fdw.api.state import Waiter
from pipedrive_fdw.catalog.model import OFFSET, Download, Listing, Operation
from pipedrive_fdw.errors import ProtocolError

_LOOK_SECONDS = 0.02
# Whoever looks whether a flight goes on can be in the way of one that begins.
_TRIES = 3
Params = tuple[tuple[str, str], ...]
Key = tuple[int, str, Params]


@dataclass
class _Walk:
    """Pages by offset, as they come; *following* are the parameters of the next, which begins with *last*."""

    key: Key
    began: Began
    following: Params | None
    last: Any = None
    pages: list[Page] = field(default_factory=list)
    size: int = 0


class Cached:
    """The cache as one scan uses it, for answers not older than *seconds*; not at all for 0.

    While another session renews an answer, it may be *stale* seconds older.
    """

    def __init__(self, cache: SharedCache, seconds: float, stale: float = 0) -> None:
        self._cache = cache
        self._seconds = seconds
        self._stale = stale
        self._flights: dict[Key, Flight] = {}
        self._began: dict[Key, Began] = {}
        self._walks: dict[Key, _Walk] = {}
        self._taken: dict[Key, bytes] = {}
        self._used: set[Key] = set()

    @property
    def keeps(self) -> bool:
        """True when answers are kept for other sessions."""
        return self._seconds > 0

    def get(self, key: Key) -> bytes | None:
        """The packed answer of *key*."""
        if not self._seconds:
            return None
        if key in self._taken:
            return self._taken.pop(key)
        pages = self._cache.get(key, self._seconds)
        if pages is None and self._stale and self._cache.is_in_flight(key):
            pages = self._cache.get(key, self._seconds + self._stale)
        if pages is None:
            return None
        self._used.add(key)
        (_, first), *others = pages
        try:
            taken = {
                (*key[:2], tuple((name, value) for name, value in params)): page for params, page in others
            }
            self._taken.update(taken)
        except (TypeError, ValueError):  # an odd file
            return None
        return first

    def begin(self, key: Key) -> bool:
        """*key* is to be asked for; False where another session does."""
        if not self._seconds:
            return True
        for _ in range(_TRIES):
            flight = None if key in self._flights else self._cache.flight(key)
            if flight is not None:
                self._flights[key] = flight
            if key in self._flights:
                break
            if self._cache.is_in_flight(key):
                return False
        self._began[key] = self._cache.begin()
        return True

    def wait(self, key: Key, waiter: Waiter) -> None:
        """Returns when no other session asks for *key* any more, in a thread of its own."""
        while not waiter.aborted and self._cache.is_in_flight(key):
            time.sleep(_LOOK_SECONDS)

    def end(self, key: Key) -> None:
        """*key* will not be kept, or has been."""
        flight = self._flights.pop(key, None)
        if flight is not None:
            flight.end()

    def close(self) -> None:
        """The scan asks for no more."""
        for key in list(self._flights):
            self.end(key)

    def put(self, op: Operation, key: Key, packed: bytes, envelope: Any) -> None:
        """The answer of *key*, or the file, which is kept if it was asked for and is what it should be."""
        began = self._began.pop(key, None)
        if began is None:
            return
        with contextlib.suppress(ProtocolError):
            self._put(op, key, (key[2], packed), envelope, began)
        walked = {walk.key for walk in self._walks.values()}
        if key not in walked:
            self.end(key)
        for walk in walked & self._flights.keys():
            self._flights[walk].progress()

    def _put(self, op: Operation, key: Key, page: Page, envelope: Mapping[str, Any], began: Began) -> None:
        if isinstance(op, Download):
            self._keep(key, [page], began)
            return
        if not isinstance(op, Listing):
            record_of(envelope, key[1])
            self._keep(key, [page], began)
            return
        records = records_of(envelope, op, key[1], null_is_empty=op.null_is_empty)
        following = next_params(envelope, op, key[2], len(records), key[1])
        if op.paging != OFFSET:
            self._keep(key, [page], began)
            return
        place = (key[0], key[1], tuple(p for p in key[2] if p[0] not in ("start", "limit")))
        walk = self._walks.pop(place, None)
        if walk is None or walk.following != key[2] or records[:1] != [walk.last]:
            if "start" in dict(key[2]):
                return
            walk = _Walk(key, began, None)
        walk.pages.append(page)
        walk.size += len(page[1])
        walk.following, walk.last = following, records[-1] if records else None
        if following is None:
            self._keep(walk.key, walk.pages, walk.began)
        elif walk.size < LARGEST_ENTRY:
            self._walks[place] = walk

    def _keep(self, key: Key, pages: list[Page], began: Began) -> None:
        self._used.add(key)
        self._cache.put(key, pages, began, self._seconds + self._stale)
        self.end(key)

    def distrust(self) -> None:
        """Removes what this scan has taken and given."""
        for key in self._used:
            self._cache.drop(key)
