"""The order that PostgreSQL was promised, as a key of records, and rows in it.

Where rows without a value come was promised too; where Pipedrive puts them is not documented, so it is seen
from the answers. Where they come last they are kept until all others have been given. Where they come first,
a list is read from both ends, at one of which they stand together. A list of which that is not known, and
which has them at neither end, is read whole.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Callable

from pipedrive_fdw.catalog.model import Listing, Table
from pipedrive_fdw.errors import ProtocolError
from pipedrive_fdw.plan.calls import (
    NULLS_AT_ENDS,
    NULLS_ELSEWHERE,
    nulls_name,
    nulls_place_name,
    parents_name,
)
from pipedrive_fdw.plan.paths import Lists, Order, ScanPlan, Step
from pipedrive_fdw.table.binding import Binding
from pipedrive_fdw.table.records import Record, Row, column_value, dig
from pipedrive_fdw.table.scan_request import SortKey
from pipedrive_fdw.values.codec import CODECS

Pair = tuple[Record, Mapping[str, Any]]
# A row with the key by which it compares, None where it has no value.
Keyed = tuple[Any, Pair]
Page = Sequence[Keyed]
Merge = Callable[[Iterable[Iterable[Keyed]]], Iterable[Keyed]]


class _Reversed:
    """Compares the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self.value == other.value


Refuse = Callable[[str, Record, Exception], None]


def sort_key(order: tuple[Order, ...], table: Table, refuse: Refuse) -> Callable[[Record], list[Any] | None]:
    """A key by which records compare as PostgreSQL compares the columns of *order*.

    None for a record in which one of them is empty: where it stands in a list is the API's choice. Texts
    compare regardless of case, which is as good as any where several lists become one. *refuse* raises the
    error of a column that cannot show the value of a record, or lets it be shown as NULL. The key raises
    ProtocolError for a record without what every one has.
    """
    readers = []
    for one in order:
        column = table.column(one.column)
        if column is not None:
            readers.append((one, column, CODECS[column.type]))

    def key(record: Record) -> list[Any] | None:
        parts: list[Any] = []
        for one, column, codec in readers:
            raw = column_value(column, record, {})
            try:
                loaded = None if raw is None else codec.load(raw)
            except ValueError as reason:
                refuse(one.column, record, reason)
                return None
            if loaded is None and column.not_null:
                raise ProtocolError(
                    f"a record of {table.name} has no {one.column}",
                    detail="So its place among the others is not known.",
                    hint="Try again.",
                )
            if loaded is None:
                return None
            value = codec.parse(loaded)
            if isinstance(value, str):
                value = value.casefold()
            parts.append(_Reversed(value) if one.reverse else value)
        return parts

    return key


def is_exact(order: tuple[Order, ...], table: Table) -> bool:
    """True if the API orders by it as ``sort_key`` does: of texts it is not known how they compare."""
    columns = [table.column(one.column) for one in order]
    return all(column is not None and column.type not in ("text", "uuid") for column in columns)


def row_key(order: Sequence[SortKey], binding: Binding) -> Callable[[Row], list[Any]]:
    """The same for rows of a scan, by columns of the foreign table."""
    places = {bound.name: (number, bound.codec) for number, bound in enumerate(binding.columns)}
    readers = [(one, *places[one.column]) for one in order]

    def key(row: Row) -> list[Any]:
        parts: list[Any] = []
        for one, number, codec in readers:
            value = None if row[number] is None else codec.parse(row[number])
            last = (value is None) != one.nulls_first
            parts += [last, _Reversed(value) if one.descending else value]
        return parts

    return key


def in_order(run: Iterable[Keyed], order: tuple[Order, ...], table: Table) -> Iterator[Keyed]:
    """*run*, records with their keys, as long as these come in *order*: PostgreSQL does not sort them again.

    Texts are taken as they come, for which the option push_text_sort asks. Raises ProtocolError where a list
    did not keep to the order that it was asked for.
    """
    if not is_exact(order, table):
        yield from run
        return
    before: Any = None
    for key, found in run:
        if before is not None and key < before:
            names = ", ".join(one.column for one in order)
            raise ProtocolError(
                f"a list of {table.name} is not in the order of {names} that it was asked for",
                detail="PostgreSQL relies on this order and would not sort again.",
                hint="Try again. If it does not help, ORDER BY an expression: PostgreSQL sorts that itself.",
            )
        before = key
        yield key, found


# ---- rows without a value


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
        """True if rows without a value stood at an end."""
        return bool(self._given)

    @property
    def elsewhere(self) -> bool:
        """True if one stood in the middle."""
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
                    "a sorted list has a record without a value between others",
                    detail="The others without a value were at its end, so its order is not reliable.",
                    hint="Try again. If it does not help, ORDER BY an expression: PostgreSQL sorts that "
                    "itself.",
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


# ---- all rows of a plan

Batch = tuple[list[Record], Mapping[str, Any]]


class SortedRows:
    """The rows of a plan in its order.

    rows_of    the rows of a step, page by page
    other_end  the same of a step in the opposite order, of which only rows without a value are used: the
               function that it is given says which
    refuse     as in sort_key()
    """

    def __init__(
        self,
        plan: ScanPlan,
        rows_of: Callable[[Step], Iterator[Batch]],
        other_end: Callable[[Lists, Callable[[Record], bool]], Iterator[Batch]],
        refuse: Refuse,
    ) -> None:
        self._plan, self._rows_of, self._other_end = plan, rows_of, other_end
        self._key = sort_key(plan.order, plan.table, refuse)

    def rows(self, sizes: dict[str, int]) -> Iterator[Pair]:
        """Records with the echo of their call. *sizes* is told where those without a value stand."""
        nulls = self._plan.order[0].nulls
        if not self._plan.streamed:
            pages = itertools.chain.from_iterable(self._keyed(self._rows_of(s)) for s in self._plan.steps)
            return (pair for _, pair in sorted_whole(itertools.chain.from_iterable(pages), nulls))
        lists = [
            step._replace(calls=step.calls[n : n + 1], opposite=step.opposite[n : n + 1])
            for step in self._plan.steps
            if isinstance(step, Lists)
            for n in range(len(step.calls))
        ]
        if nulls != "first":
            runs = (itertools.chain.from_iterable(self._keyed(self._rows_of(step))) for step in lists)
            return nulls_last(runs, self._merged, keep=nulls == "last")
        return nulls_first([self._both_ends(step, sizes) for step in lists], self._merged)

    def _both_ends(self, step: Lists, sizes: dict[str, int]) -> BothEnds:
        turned = step._replace(calls=step.opposite)
        back = self._other_end(turned, lambda record: self._key(record) is None)
        place = nulls_place_name(step.listing, self._plan.order[0].column)

        def seen(where: int) -> None:
            sizes[place] = where

        return BothEnds(
            self._keyed(self._rows_of(step)), self._keyed(back), self._identity, step.settled, seen
        )

    def _keyed(self, batches: Iterable[Batch]) -> Iterator[list[Keyed]]:
        for records, echo in batches:
            yield [(self._key(record), (record, echo)) for record in records]

    def _identity(self, record: Record) -> Any:
        columns = (self._plan.table.column(name) for name in self._plan.table.key)
        return tuple(dig(record, column.path) for column in columns if column is not None)

    def _merged(self, runs: Iterable[Iterable[Keyed]]) -> Iterable[Keyed]:
        sorted_runs = [in_order(run, self._plan.order, self._plan.table) for run in runs]
        return sorted_runs[0] if len(sorted_runs) == 1 else heapq.merge(*sorted_runs, key=itemgetter(0))
