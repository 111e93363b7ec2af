"""Writes that are worked out and not sent yet: those of a statement till its end, those of a transaction till
COMMIT under write_mode 'commit'.

All that can be known of them is known before the first is sent: whether each row can be written, and what
they cost together. A guard refuses them then, and none of them in the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipedrive_fdw.errors import PipedriveError
from pipedrive_fdw.session.guards import Guards
from pipedrive_fdw.session.session import Session

# How many of a statement are kept before the first ones are sent.
MOST_PENDING = 10_000


@dataclass(frozen=True)
class RowChange:
    """The row *row_id* of *table* that a write changes to *values*, by the keys of BoundColumn, or deletes
    (None). *table* tells the tables of accounts apart."""

    table: tuple[str, ...]
    row_id: str
    values: Mapping[Any, Any] | None


@dataclass
class BulkPart:
    """A write's part in one request for several, which follow each other with the same *path* and *send*.

    item    what this write adds to the request
    send    sends the items of all of them to *path* and gives their keys
    least   from this number of writes on one request costs less than they do one by one
    most    the number of writes that one request takes
    tokens  the price of the request
    """

    path: str
    item: Any
    send: Callable[[str, list[Any]], list[str]]
    least: int
    most: int
    tokens: int


@dataclass
class PendingWrite:
    """One row to be written.

    session, guards  of the account that is written
    send     sends it and gives the key of what it wrote
    tokens   its price
    level    how deep in savepoints it was worked out
    bulk     how it goes out together with others
    change   the row that it changes, None for a new one
    """

    table: str
    verb: str
    session: Session
    guards: Guards
    send: Callable[[], str]
    tokens: int
    level: int
    bulk: BulkPart | None = None
    change: RowChange | None = None


@dataclass
class PendingWrites:
    """In the order in which they are to be sent."""

    writes: list[PendingWrite] = field(default_factory=list)

    def add(self, write: PendingWrite) -> None:
        self.writes.append(write)

    def changes(self, table: tuple[str, ...]) -> dict[str, dict[Any, Any] | None]:
        """What rows of *table* will be, by row id: the values that change, None for a deletion."""
        rows: dict[str, dict[Any, Any] | None] = {}
        for change in (write.change for write in self.writes):
            if change is not None and change.table == table:
                before = rows.get(change.row_id) or {}
                rows[change.row_id] = None if change.values is None else {**before, **change.values}
        return rows

    def send(self, wrote: Callable[[str, str, str], None]) -> None:
        """Sends all of them and forgets them; *wrote* is told table, verb and key of each row.

        Raises BudgetError before the first when a guard does not allow their price, and the first error,
        whose ``unsent`` says how many are left.
        """
        writes, self.writes = self.writes, []
        groups = list(_groups(writes))
        for first, tokens in _prices(groups):
            first.session.check_tokens(tokens, first.guards)
        sent = 0
        for group in groups:
            first = group[0]
            try:
                if len(group) > 1 and first.bulk is not None:
                    items = [one.bulk.item for one in group if one.bulk is not None]
                    keys = first.bulk.send(first.bulk.path, items)
                else:
                    keys = [first.send()]
            except PipedriveError as error:
                left = len(writes) - sent - len(group)
                error.unsent = f"{left} more were not sent" if left else ""
                raise
            sent += len(group)
            for key in keys:
                wrote(first.table, first.verb, key)


def _groups(writes: Sequence[PendingWrite]) -> Iterator[list[PendingWrite]]:
    """*writes* in their order, cut into what is sent as one request."""
    place = 0
    while place < len(writes):
        bulk = writes[place].bulk
        end = place + 1
        if bulk is not None:
            while end < len(writes) and end - place < bulk.most and _together(bulk, writes[end].bulk):
                end += 1
            if end - place < bulk.least:
                end = place + 1
        yield list(writes[place:end])
        place = end


def _together(one: BulkPart, other: BulkPart | None) -> bool:
    return other is not None and (one.path, one.send) == (other.path, other.send)


def _prices(groups: Sequence[Sequence[PendingWrite]]) -> Iterator[tuple[PendingWrite, int]]:
    """The first write of each account, with what all of them cost."""
    prices: dict[int, tuple[PendingWrite, int]] = {}
    for group in groups:
        one = group[0]
        tokens = one.bulk.tokens if len(group) > 1 and one.bulk is not None else one.tokens
        first, before = prices.get(id(one.session), (one, 0))
        prices[id(one.session)] = (first, before + tokens)
    yield from prices.values()
