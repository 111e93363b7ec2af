"""Reading a list by id from both ends at once, which waits half as often as from one.

Why no record is missed or met twice while records are added, changed and deleted: an id never changes. A walk
up has given each record up to its last id that was there all the time, as any walk does, and a walk down each
from its last id on. When the two ids have met or passed each other, that is all of them. Of a page, only the
records between the two are used: the others have come from the other end.
"""

from __future__ import annotations

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


def from_both_ends(answers: Answers, listing: Listing, call: Call) -> Iterator[Batch]:
    """The records of *call*, which asks for them by id. Where it is not known that all will be taken, they
    come from one end, page by page."""
    up = _Walk(answers, listing, call, 1)
    yield up.next() or ([], call.echo)
    if not (answers.prefetch.is_on and up.goes_on):
        yield from up.alone()
        return
    params = tuple(_DOWN if param == _UP else param for param in call.params)
    down = _Walk(answers, listing, replace(call, params=params), -1)
    down.begin()
    up.release()
    walk, other = down, up
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


class _Walk:
    """The pages of a list from one end, by ids that rise (*sign* 1) or fall (-1); ``last`` is one of them."""

    def __init__(self, answers: Answers, listing: Listing, call: Call, sign: int) -> None:
        self._listing, self._call, self._sign = listing, call, sign
        self._held = Held(answers.prefetch)
        self._pages = answers.pages(listing, call, through=self._held)
        self.last: int | None = None
        self._span = 1  # between the first id of the last page and the last one

    @property
    def goes_on(self) -> bool:
        """True if the last page promised another."""
        return self._held.waits

    def begin(self) -> None:
        """Asks for the first page."""
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
        self.last, self._span = ids[-1], abs(ids[-1] - ids[0]) + 1
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
        return abs(self.last - other.last) - 1 <= 2 * self._span
