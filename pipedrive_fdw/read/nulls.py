"""Lists in the order of a column that is empty in some rows: what comes before its end is not all read.

PostgreSQL was promised where these rows come. Where Pipedrive puts them is not documented, so it is seen from
the answers. Where they come last they are kept until all others have been given. Where they come first, a
list is read from both ends, at one of which they stand together. A list of which that is not known, and which
has them at neither end, is read whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Callable

from pipedrive_fdw.catalog.model import Listing, Table
from pipedrive_fdw.errors import ProtocolError
from pipedrive_fdw.plan.calls import NULLS_AT_ENDS, NULLS_ELSEWHERE, nulls_name, parents_name
from pipedrive_fdw.table.records import Record, dig

Pair = tuple[Record, Mapping[str, Any]]
# A row with the key by which it compares, None where it has no value.
Keyed = tuple[Any, Pair]
Page = Sequence[Keyed]
Merge = Callable[[Iterable[Iterable[Keyed]]], Iterable[Keyed]]


def nulls_last(runs: Iterable[Iterable[Keyed]], merge: Merge, keep: bool = True) -> Iterator[Pair]:
    """The rows of *runs* as *merge* puts them in order, then if *keep* those without a value."""
    kept: list[Pair] = []

    def valued(run: Iterable[Keyed]) -> Iterator[Keyed]:
        for key, pair in run:
            if key is not None:
                yield key, pair
            elif keep:
                kept.append(pair)

    for _, pair in merge(valued(run) for run in runs):
        yield pair
    yield from kept


class BothEnds:
    """One list: *front* are its pages in the promised order, *back* in the opposite one.

    identity  tells rows apart
    settled   it is known that rows without a value stand at an end, or nowhere in this list
    seen      is told where they stand (plan/calls.py)
    """

    def __init__(
        self,
        front: Iterator[Page],
        back: Iterator[Page],
        identity: Callable[[Record], Any],
        settled: bool,
        seen: Callable[[int], None],
    ) -> None:
        self._front, self._back, self._identity = front, back, identity
        self.settled, self.seen = settled, seen
        self._read: list[Keyed] = []
        self._given: set[Any] = set()
        self._strays: set[Any] = set()

    @property
    def at_ends(self) -> bool:
        """Whether rows without a value stood at an end."""
        return bool(self._given)

    @property
    def elsewhere(self) -> bool:
        """Whether one stood in the middle."""
        return not self._strays <= self._given

    def from_back(self) -> Iterator[Pair]:
        """The rows without a value at the end that is read last."""
        return self._block(self._back)

    def from_front(self) -> Iterator[Pair]:
        """Those at the end that is read first, unless they were given."""
        return self._block(self._front, self._read)

    def _block(self, pages: Iterator[Page], read: list[Keyed] | None = None) -> Iterator[Pair]:
        block = True
        for page in pages:
            if read is not None:
                read += page
            for key, pair in page:
                if key is not None:
                    block = False
                elif block:
                    yield from self._once(pair)
                else:
                    self._strays.add(self._identity(pair[0]))
            if not block:
                return

    def _once(self, pair: Pair) -> Iterator[Pair]:
        identity = self._identity(pair[0])
        if identity not in self._given:
            self._given.add(identity)
            yield pair

    def rest(self) -> Iterator[Pair]:
        """Reads the whole list, and gives the rows without a value that were not given."""
        self._read += itertools.chain.from_iterable(self._front)
        self._read.sort(key=lambda one: (one[0] is not None, one[0]))
        for key, pair in self._read:
            if key is None:
                yield from self._once(pair)

    def valued(self) -> Iterator[Keyed]:
        """The rows with a value, in the promised order."""
        for key, pair in itertools.chain(self._read, itertools.chain.from_iterable(self._front)):
            if self._identity(pair[0]) in self._given:
                continue
            if key is None:
                raise ProtocolError(
                    "a list has records without a value among the others",
                    detail="It is sorted by that value, and the other records without one came at its end.",
                    hint="Try again. ORDER BY an expression of the column is sorted by PostgreSQL.",
                )
            yield key, pair


def nulls_first(lists: Sequence[BothEnds], merge: Merge) -> Iterator[Pair]:
    """The rows of *lists* without a value, then the others as *merge* puts them in order."""
    for one in lists:
        yield from one.from_back()
    for one in lists:
        yield from one.from_front()
    at_ends = any(one.at_ends for one in lists)
    elsewhere = any(one.elsewhere for one in lists)
    for one in lists:
        if elsewhere or not (at_ends or one.settled):
            yield from one.rest()
    for one in lists:
        if one.at_ends or elsewhere:
            one.seen(NULLS_AT_ENDS if at_ends and not elsewhere else NULLS_ELSEWHERE)
    for _, pair in merge(one.valued() for one in lists):
        yield pair


def sorted_whole(rows: Iterable[Keyed], nulls: str) -> list[Keyed]:
    """All *rows* in order; those without a value as *nulls* says, first, last or not at all."""
    kept = [one for one in rows if nulls or one[0] is not None]
    return sorted(kept, key=lambda one: ((one[0] is None) == (nulls == "last"), one[0]))


class Census:
    """What a list that is read whole tells of its records: how many have no value in a column by which it can
    be ordered, and how many have rows of other tables, by their *counted* columns."""

    def __init__(self, table: Table, listing: Listing, counted: Sequence[str]) -> None:
        columns = {c.name: c for c in table.columns if not (c.not_null or c.echo)}
        self._empty = [
            (columns[name].path, nulls_name(listing, name)) for name in listing.sorts if name in columns
        ]
        self._any = [(columns[name].path, parents_name(listing, name)) for name in counted if name in columns]
        self.found = dict.fromkeys((name for _, name in (*self._empty, *self._any)), 0)

    def add(self, records: Sequence[Record]) -> None:
        for path, name in self._empty:
            self.found[name] += sum(dig(record, path) is None for record in records)
        for path, name in self._any:
            self.found[name] += sum(dig(record, path) != 0 for record in records)
