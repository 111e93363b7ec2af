"""Where a list that comes in order can be left before its end. Pure.

Pipedrive has no filter on add_time or on ranges of ids, but most lists can be ordered by them. Read newest
first, ``add_time >= '2026-01-01'`` needs only the pages down to that day. Only keys that never change are
used: a record whose key changes while the list is read could pass from a page to come to one that was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pipedrive_fdw.catalog.model import CURSOR, Column, Listing, Table
from pipedrive_fdw.plan.paths import Order, Stop
from pipedrive_fdw.plan.predicates import Range
from pipedrive_fdw.values.codec import CODECS

_FIXED = ("id", "add_time")


def stop_of(
    table: Table, listing: Listing, ranges: Mapping[str, Range], order: Sequence[Order], records: int
) -> Stop | None:
    """How *listing* of so many *records* is read for *ranges*, None when all of it is. *order* is what was
    promised to PostgreSQL.

    Both bounds given, it is read from the higher one's side: what is asked for is mostly recent. Of ids it is
    known better: no more records are before one than it says.
    """
    for name in _FIXED:
        limits, column = ranges.get(name), table.column(name)
        if limits is None or column is None or column.update or name not in listing.sorts:
            continue
        ways = [(True, limits.low), (False, limits.high)]
        if (
            isinstance(limits.low, int)
            and isinstance(limits.high, int)
            and limits.high < records - limits.low
        ):
            ways.reverse()
        for reverse, bound in ways:
            wanted = Order(name, reverse)
            # New records come first in a descending list: pages by offset would shift under the reader
            free = not order and (listing.paging == CURSOR or not reverse)
            asked = bool(order) and (order[0].column, order[0].reverse) == (name, reverse)
            if bound is not None and (free or asked):
                return Stop(wanted, bound)
    return None


class Watch(NamedTuple):
    """Looks at the pages of a list for its *stop*; *column* is the stop's."""

    stop: Stop
    column: Column

    def is_past(self, records: Iterable[Mapping[str, Any]]) -> bool:
        """True if no record after these can be in range: they are in order, and the last is beyond the bound.

        A page out of order says that the list does not keep to what was asked: then it is read to its end.
        """
        codec = CODECS[self.column.type]
        raws = (record.get(self.column.path[0]) for record in records)
        try:
            loaded = [codec.load(raw) for raw in raws if raw is not None]
        except ValueError:
            return False  # one that PostgreSQL cannot hold tells nothing of the order
        values = [codec.parse(one) for one in loaded if one is not None]
        if not values:
            return False
        if self.stop.order.reverse:
            return bool(values[-1] < self.stop.bound) and all(a >= b for a, b in zip(values, values[1:]))
        return bool(values[-1] > self.stop.bound) and all(a <= b for a, b in zip(values, values[1:]))
