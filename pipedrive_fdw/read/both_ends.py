"""Reading a list by id from both ends at once, which waits half as often as from one, and lists side by side.

Why no record is missed or met twice while records are added, changed and deleted: an id never changes. A walk
up has given each record up to its last id that was there all the time, as any walk does, and a walk down each
from its last id on. When the two ids have met or passed each other, that is all of them. Of a page, only the
records between the two are used: the others have come from the other end.

Why none is missed that moves to a later list meanwhile, as a deal that is archived: the later list is read
behind the one before. A page of it is asked for when the other has given all ids that the page will hold, as
far as can be told from the pages before. If it holds others, it is asked for again when those were given too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pipedrive_fdw.catalog.model import Listing
from pipedrive_fdw.errors import ProtocolError
from pipedrive_fdw.plan.paths import Call
from pipedrive_fdw.read.answers import Answers, Batch
from pipedrive_fdw.session.list_pages import Held
from pipedrive_fdw.table.records import Record

_UP, _DOWN = ("sort_direction", "asc"), ("sort_direction", "desc")
# A page is expected to reach so many times as far as the one before.
_FARTHER = 2
# Ids, both included, of which none has been read.
Gap = tuple[float, float]
_NONE: Gap = (1, 0)


class ListById:
    """The records of *call*, which asks for them by id.

    gap      the ids that have not been read yet
    largest  the largest id, 0 where it is not known
    is_read  all of them have been
    """

    def __init__(self, answers: Answers, listing: Listing, call: Call) -> None:
        self._prefetch = answers.prefetch
        self._nothing: Batch = ([], call.echo)
        params = tuple(_DOWN if param == _UP else param for param in call.params)
        self._make_walks(answers, listing, call, replace(call, params=params))
        self.is_read = False

    def _make_walks(self, answers: Answers, listing: Listing, upward: Call, downward: Call) -> None:
        self._up, self._down = _Walk(answers, listing, upward, 1), _Walk(answers, listing, downward, -1)

    @property
    def gap(self) -> Gap:
        if self.is_read:
            return _NONE
        low = 1 if self._up.last is None else self._up.last + 1
        high = math.inf if self._down.last is None else self._down.last - 1
        return low, high

    @property
    def largest(self) -> int:
        return self._down.first or 0

    def batches(self) -> Iterator[Batch]:
        """The records. Where it is not known that all will be taken, they come from one end, page by page."""
        up, down = self._up, self._down
        yield up.next() or self._nothing
        if self._prefetch.is_on and up.goes_on:
            down.begin()
            up.release()
            yield from self._meet()
        else:
            yield from up.alone()
        self.is_read = True

    def _meet(self) -> Iterator[Batch]:
        """The pages of both ends, until they meet."""
        walk, other = self._down, self._up
        while True:
            page = walk.next()
            if page is None:
                return  # it has come to the other end
            records = [record for record in page[0] if not other.has_given(record)]
            met = walk.has_met(other)
            if not met and not other.closes_gap_to(walk):
                walk.release()
            yield records, page[1]
            if met:
                return
            walk, other = other, walk


class ListBehind(ListById):
    """The same of a list of about so many *pages*, which is read behind the list *before*."""

    _up: _WalkBehind
    _down: _WalkBehind

    def __init__(self, answers: Answers, listing: Listing, call: Call, pages: int, before: ListById) -> None:
        super().__init__(answers, listing, call)
        self._pages = pages
        self._before = before

    def _make_walks(self, answers: Answers, listing: Listing, upward: Call, downward: Call) -> None:
        self._up = _WalkBehind(answers, listing, upward, 1)
        self._down = _WalkBehind(answers, listing, downward, -1)

    @property
    def gap(self) -> Gap:
        """The same, with those of the lists before it."""
        gap, others = super().gap, self._before.gap
        if self.is_read or self._before.is_read:
            return gap
        return min(gap[0], others[0]), max(gap[1], others[1])

    def batches(self) -> Iterator[Batch]:
        """The same. While a page must wait for the list before, a batch is empty: that list is to be read
        on."""
        yield from self._behind(self._before)
        if not self.is_read:
            yield from super().batches() if self._up.last is None else self._meet()
        self.is_read = True

    def _behind(self, before: ListById) -> Iterator[Batch]:
        """The pages that need not wait for the end of the list *before*."""
        walk, other = self._up, self._down
        while not before.is_read:
            walk, other = (walk, other) if walk.has_come else (other, walk)
            batch = self._page(walk, other) if walk.has_come else self._nothing
            if self._prefetch.is_on and not self.is_read:
                self._ask(before)
            yield batch
            if self.is_read:
                return
            walk, other = other, walk
        for walk, other in ((self._up, self._down), (self._down, self._up)):
            if walk.is_under_way:
                yield self._page(walk, other)
                if self.is_read:
                    return
        if self._up.last is not None:
            self._up.release()
            self._down.begin()

    def _page(self, walk: _WalkBehind, other: _Walk) -> Batch:
        """The page that *walk* has asked for; an empty one if it came too early."""
        page = walk.next_outside(other)
        if page is None:
            return self._nothing
        self.is_read = walk.has_met(other) or not walk.goes_on
        return [record for record in page[0] if not other.has_given(record)], page[1]

    def _ask(self, before: ListById) -> None:
        """Asks for the pages whose ids the list *before* has given, as far as can be told."""
        up, down, gap = self._up, self._down, before.gap
        span = max(up.widest, down.widest) or before.largest // self._pages
        if span and _are_apart(up.expected(span, down), gap):
            up.ask_outside(gap)
        if up.last is not None and _are_apart(down.expected(span, up, before.largest), gap):
            down.ask_outside(gap)


def _are_apart(one: Gap, other: Gap) -> bool:
    return one[1] < other[0] or one[0] > other[1] or other[1] < other[0]


class _Walk:
    """The pages of a list from one end, by ids that rise (*sign* 1) or fall (-1).

    first, last  the first id and the last one of its pages
    span         between the first id of the last page and the last one
    widest       the largest span of a page
    """

    def __init__(self, answers: Answers, listing: Listing, call: Call, sign: int) -> None:
        self._listing, self._call, self._sign = listing, call, sign
        self._held = Held(answers.prefetch)
        self._pages = answers.pages(listing, call, through=self._held)
        self.first: int | None = None
        self.last: int | None = None
        self.span, self.widest = 1, 0

    @property
    def goes_on(self) -> bool:
        """True if the last page promised another."""
        return self._held.waits

    @property
    def is_under_way(self) -> bool:
        return self._held.is_under_way

    @property
    def is_begun(self) -> bool:
        return self._held.taken is not None or self.is_under_way

    def begin(self) -> None:
        """Asks for the first page, unless that was done."""
        if not self.is_begun:
            self._held.expect(self._call)
        self._held.release()

    def release(self) -> None:
        """Asks for the next page, while others are used."""
        self._held.release()

    def alone(self) -> Iterator[Batch]:
        """All further pages."""
        while True:
            self._held.release()
            page = self.next()
            if page is None:
                return
            yield page

    def next(self) -> Batch | None:
        """The next page, None after the last one. Raises ProtocolError for one that is not in order."""
        page = next(self._pages, None)
        if page is None or not page[0]:
            return page
        ids: list[Any] = [record.get("id") if isinstance(record, dict) else None for record in page[0]]
        if not self._are_in_order(ids if self.last is None else [self.last, *ids]):
            where = f"GET /api/v{self._listing.version}{self._call.path}"
            raise ProtocolError(
                f"{where} is not in the order of id that was asked for",
                detail="Some of the records would be missing.",
                hint="Try again.",
            )
        self.first = ids[0] if self.first is None else self.first
        start = ids[0] if self.last is None else self.last
        self.last, self.span = ids[-1], abs(ids[-1] - ids[0]) + 1
        self.widest = max(self.widest, abs(ids[-1] - start) + 1)
        return page

    def _are_in_order(self, ids: Sequence[Any]) -> bool:
        pairs = zip(ids, ids[1:])
        return all(type(one) is int for one in ids) and all(self._sign * (b - a) > 0 for a, b in pairs)

    def has_given(self, record: Record) -> bool:
        """True for a record that is not between the two ends any more."""
        return self.last is not None and self._sign * (self.last - record["id"]) >= 0

    def has_met(self, other: _Walk) -> bool:
        """True if no id is left between the two."""
        return self.last is not None and other.last is not None and self._sign * (other.last - self.last) <= 1

    def closes_gap_to(self, other: _Walk) -> bool:
        """True if the page under way may hold all that is between the two: twice as many ids as the last."""
        if not self._held.is_under_way or self.last is None or other.last is None:
            return False
        return abs(self.last - other.last) - 1 <= _FARTHER * self.span


class _WalkBehind(_Walk):
    """A walk whose pages are not to hold ids that the list before may still give."""

    def __init__(self, answers: Answers, listing: Listing, call: Call, sign: int) -> None:
        super().__init__(answers, listing, call, sign)
        self._answers = answers
        self._asked_at: Gap = _NONE  # the gap of the list before when the page under way was asked for
        self._early: Gap | None = None  # the ids of a page that is to be asked for again
        self._times_early = 0
        self._again = False

    @property
    def has_come(self) -> bool:
        """True if the page that was asked for is there, or one is to be asked for again now."""
        return self._held.has_come or self._again

    def ask_outside(self, gap: Gap) -> None:
        """Asks for the next page, if there is one, none of whose ids should be in *gap*."""
        if (
            self.is_under_way
            or self._again
            or self._times_early > 1
            or not (self._early or self.goes_on or not self.is_begun)
        ):
            return
        self._asked_at = gap
        self._again = self._early is not None
        if not self._again:
            self.begin()

    def expected(self, span: int, other: _Walk, largest: float = math.inf) -> Gap:
        """The ids that the next page will hold, *span* of the page before; *largest* of all."""
        if self._early is not None:
            return self._early
        start = (0 if self._sign > 0 else largest) if self.last is None else self.last
        return self._up_to(self.last, start + self._sign * _FARTHER * span, other)

    def _up_to(self, last: int | None, end: float, other: _Walk) -> Gap:
        """The ids after *last* up to the *end*, or up to those that the *other* walk has given."""
        if self._sign > 0:
            return 1 if last is None else last + 1, end if other.last is None else min(end, other.last - 1)
        return end if other.last is None else max(end, other.last + 1), math.inf if last is None else last - 1

    def next_outside(self, other: _Walk) -> Batch | None:
        """The page that was asked for. None if it holds ids of that gap: then it will be asked for again."""
        first, last, span = self.first, self.last, self.span
        page, call = self.next(), self._held.taken
        self._early, self._again = None, False
        if self.last is None:  # an empty list
            ids: Gap = (1, math.inf)
        else:
            ids = self._up_to(last, self.last if self.goes_on else self._sign * math.inf, other)
        if _are_apart(ids, self._asked_at):
            return page
        self._early, self._times_early = ids, self._times_early + 1
        self.first, self.last, self.span = first, last, span
        self._held = Held(self._answers.prefetch)
        self._held.taken = call
        self._pages = self._answers.pages(self._listing, call or self._call, through=self._held, afresh=True)
        return None
