"""The order that PostgreSQL was promised, as a key of records."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, Callable

from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.errors import ProtocolError
from pipedrive_fdw.plan.calls import nulls_place_name
from pipedrive_fdw.plan.paths import Lists, Order, ScanPlan, Step
from pipedrive_fdw.read.nulls import BothEnds, Keyed, Pair, nulls_first, nulls_last, sorted_whole
from pipedrive_fdw.table.binding import Binding
from pipedrive_fdw.table.records import Record, Row, dig
from pipedrive_fdw.table.scan_request import SortKey
from pipedrive_fdw.values.codec import CODECS


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

    None for a record in which one of them is empty: where it stands in a list is the API's choice. *refuse*
    raises the error of a column
    that cannot show the value of a record, or lets it be shown as NULL.
    """
    readers = []
    for one in order:
        column = table.column(one.column)
        if column is not None:
            readers.append((one, column.path, CODECS[column.type]))

    def key(record: Record) -> list[Any] | None:
        parts: list[Any] = []
        for one, path, codec in readers:
            raw = dig(record, path)
            try:
                loaded = None if raw is None else codec.load(raw)
            except ValueError as reason:
                refuse(one.column, record, reason)
                return None
            if loaded is None:
                return None
            value = codec.parse(loaded)
            parts.append(_Reversed(value) if one.reverse else value)
        return parts

    return key


def is_exact(order: tuple[Order, ...], table: Table) -> bool:
    """Whether the API orders by it as ``sort_key`` does: of texts it is not known how they compare."""
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
                detail="PostgreSQL was promised this order and would not sort again.",
                hint="Try again. ORDER BY an expression of it is sorted by PostgreSQL.",
            )
        before = key
        yield key, found


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
            replace(step, calls=step.calls[n : n + 1], opposite=step.opposite[n : n + 1])
            for step in self._plan.steps
            if isinstance(step, Lists)
            for n in range(len(step.calls))
        ]
        if nulls != "first":
            runs = (itertools.chain.from_iterable(self._keyed(self._rows_of(step))) for step in lists)
            return nulls_last(runs, self._merged, keep=nulls == "last")
        return nulls_first([self._both_ends(step, sizes) for step in lists], self._merged)

    def _both_ends(self, step: Lists, sizes: dict[str, int]) -> BothEnds:
        turned = replace(step, calls=step.opposite)
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
