"""Writes that are worked out but not sent yet.

Those of a statement are sent at its end, or under write_mode 'commit' at COMMIT. Every row has been checked
and the price of all is known before the first is sent. So a guard refuses all of them or none.
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
    """What a pending write changes in a row.

    table   BoundTable.identity of its table
    row_id  the row's id
    values  the new values by BoundColumn.key, None where the row is deleted
    """

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
    send     sends it and returns the key of the record that was written
    tokens   its price
    level    the depth of savepoints at which it was worked out
    bulk     its part in a request for several writes, None where there is no such request
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
    """Pending writes in the order in which they are to be sent."""

    writes: list[PendingWrite] = field(default_factory=list)

    def add(self, write: PendingWrite) -> None:
        self.writes.append(write)

    def changes(self, table: tuple[str, ...]) -> dict[str, dict[Any, Any] | None]:
        """The values that the writes change in rows of *table*, by row id; None for a row that is deleted."""
        rows: dict[str, dict[Any, Any] | None] = {}
        for change in (write.change for write in self.writes):
            if change is not None and change.table == table:
                before = rows.get(change.row_id) or {}
                rows[change.row_id] = None if change.values is None else {**before, **change.values}
        return rows

    def send(self, wrote: Callable[[str, str, str], None]) -> None:
        """Sends all writes and removes them; calls *wrote* with table, verb and key of each row.

        Raises BudgetError before the first request when a guard does not allow the price of all, and
        otherwise the first error of a request, whose ``unsent`` says how many writes were not sent.
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
    """The *writes* of each request, in their order."""
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
    """The first write of each account, with the tokens that all writes of the account cost."""
    prices: dict[int, tuple[PendingWrite, int]] = {}
    for group in groups:
        one = group[0]
        tokens = one.bulk.tokens if len(group) > 1 and one.bulk is not None else one.tokens
        first, before = prices.get(id(one.session), (one, 0))
        prices[id(one.session)] = (first, before + tokens)
    yield from prices.values()
