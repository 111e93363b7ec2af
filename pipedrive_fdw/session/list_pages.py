"""The pages of a list, wherever one is read, and reads that are asked for before their answers are used, so
that waiting for some and using others overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pipedrive_fdw.api.offset import Rank
from pipedrive_fdw.api.paging import Page, Params, pages
from pipedrive_fdw.api.waiting import Pending
from pipedrive_fdw.catalog.model import Listing
from pipedrive_fdw.errors import ApiError
from pipedrive_fdw.plan.paths import Call
from pipedrive_fdw.session.cached_lists import Key
from pipedrive_fdw.session.request_scope import Body, RequestScope

# How many requests side by side, where it is not known that all are needed.
_SLOW = 8


class Prefetch:
    """Of one scan, all of whose rows will be taken once it ``is_on``. What is expected before is asked for
    then."""

    def __init__(self, requests: RequestScope) -> None:
        self._requests = requests
        self.is_on = False
        self._expected: list[Call] = []
        self._under_way: dict[Key, Pending[Body | ApiError | None]] = {}

    def begin(self) -> None:
        """From now on all rows will be taken."""
        self.is_on = True
        for call in self._expected:
            self._start(call)
        self._expected.clear()

    def width(self, used: int) -> int:
        """How many requests side by side, when the answers of so many have been *used*.

        They begin with one, and each answer that was used lets one more leave: a reader who stops early, as
        under LIMIT, has paid for little that it did not see, and one that is refused nothing more. Answers
        that were remembered do not count: a reader who stops at the same place again pays nothing more. Where
        all rows will be taken, the burst window sets the pace once the first answer was used.
        """
        most = self._requests.most_at_once()
        return most if self.is_on and used else min(used + 1, _SLOW, most)

    def expect(self, call: Call) -> None:
        """The scan will want this read, unless it ends before."""
        if self.is_on:
            self._start(call)
        else:
            self._expected.append(call)

    def has_come(self, call: Call) -> bool:
        """True if the read is under way and its answer is there."""
        begun = self._under_way.get(call.key)
        return begun is not None and begun.is_done

    def take(self, call: Call) -> Pending[Body | ApiError | None] | None:
        """The read if it is under way, to be used once. It is not expected any more."""
        self._expected = [other for other in self._expected if other.key != call.key]
        return self._leave(call.key)

    def close(self) -> None:
        """What is under way will not be used."""
        for key in list(self._under_way):
            self._leave(key)

    def _start(self, call: Call) -> None:
        if call.key not in self._under_way:
            begun = self._requests.start(call)
            # Other scans of the statement pay for it no second time
            self._under_way[call.key] = self._requests.session.under_way[call.key] = begun

    def _leave(self, key: Key) -> Pending[Body | ApiError | None] | None:
        begun = self._under_way.pop(key, None)
        if begun is not None and self._requests.session.under_way.get(key) is begun:
            del self._requests.session.under_way[key]
        return begun


class Held:
    """The *prefetch* of one walk through a list, whose next page is asked for when it is released. ``taken``
    is the call of the page that was used last."""

    def __init__(self, prefetch: Prefetch) -> None:
        self._prefetch = prefetch
        self._next: Call | None = None
        self._released: Call | None = None
        self.taken: Call | None = None

    def expect(self, call: Call) -> None:
        self._next = call

    def take(self, call: Call) -> Pending[Body | ApiError | None] | None:
        self._next = self._released = None
        self.taken = call
        return self._prefetch.take(call)

    @property
    def is_under_way(self) -> bool:
        """True if the next page was released."""
        return self._released is not None

    @property
    def has_come(self) -> bool:
        """True if the page that was released is there."""
        return self._released is not None and self._prefetch.has_come(self._released)

    @property
    def waits(self) -> bool:
        """True if a page is to be released."""
        return self._next is not None

    def release(self) -> None:
        if self._next is not None:
            self._prefetch.expect(self._next)
            self._next, self._released = None, self._next


def list_pages(
    requests: RequestScope,
    listing: Listing,
    call: Call,
    *,
    first: Mapping[str, Any] | None = None,
    rank: Rank | None = None,
    prefetch: Prefetch | Held | None = None,
    afresh: bool = False,
) -> Iterator[Page]:
    """Each page of records of *call*, which is one of *listing*.

    *first* is the envelope of the first page where it is there already, *rank* as in ``pages``. With
    *prefetch* a page is asked for when the one before it has come. *afresh*: the first page is asked of the
    API in any case.

    Raises the error of a refusal, ProtocolError for an answer that is not what it should be.
    """
    there = [] if first is None else [first]

    def ask(asked: Params) -> Mapping[str, Any]:
        if there:
            return there.pop()
        if afresh and asked == call.params:
            return again(asked)
        page = replace(call, params=asked)
        begun = None if prefetch is None else prefetch.take(page)
        return requests.ask(page) if begun is None else requests.answer(page, begun)

    def again(asked: Params) -> Mapping[str, Any]:
        return requests.ask(replace(call, params=asked), afresh=True)

    def expect(asked: Params) -> None:
        if prefetch is not None:
            prefetch.expect(replace(call, params=asked))

    expected = None if prefetch is None else expect
    return pages(ask, listing, call.params, call.where, again=again, rank=rank, expect=expected)
