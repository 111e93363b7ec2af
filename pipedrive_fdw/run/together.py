"""What the foreign tables of one statement have to do with each other.

PostgreSQL plans and runs each scan by itself, and Multicorn tells none of them of the others. Two things are
worth knowing all the same. While a statement is planned: which operations it will ask, and for what, so that
two scans send the same request, which is then paid for once. While it runs: which keys its scans have read,
since those are what a join looks up next, one after the other, and a batch of 100 costs as much as one.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.plan.calls import Parts, Settings, Shared, parts_of, place
from pipedrive_fdw.plan.paths import Ahead
from pipedrive_fdw.postgres.channel import statement

Record = Mapping[str, Any]
Target = tuple[str, str]
# What is kept of a statement at the most; what is not kept is looked up again.
_MOST_KEYS = 20_000
_MOST_RECORDS = 5_000


class Planned:
    """The tables of the statement that is being planned, or was planned last, by account."""

    def __init__(self, statement: Callable[[], Any] = statement) -> None:
        self._statement = statement
        self._mark: Any = None
        self._parts: dict[str, dict[tuple[int, str], Parts]] = {}
        self._tables: dict[str, dict[str, Table]] = {}
        self._targets: dict[str, set[Target]] = {}

    def note(self, account: str, table: Table, settings: Settings) -> None:
        """*table* is read by the statement."""
        mark = self._statement()
        if mark != self._mark:
            self._mark = mark
            for known in (self._parts, self._tables, self._targets):
                known.clear()
        self._tables.setdefault(account, {})[table.name] = table
        parts = self._parts.setdefault(account, {})
        for op in (*table.listings, *(() if table.get is None else (table.get,))):
            parts[place(op)] = parts.get(place(op), Parts()) | parts_of(table, op, settings)
        # Parents that are walked are asked for without any part, so that all custom fields come
        walked = () if table.parent is None else settings.tables[table.parent.table].listings
        for op in walked:
            parts[place(op)] = parts.get(place(op), Parts()) | Parts(custom=None)

    def shared(self, account: str) -> Shared:
        """What the statement's tables ask of each operation."""
        return self._parts.get(account, {})

    def offer(self, account: str, target: Target) -> None:
        """A table of the statement can look up the values of *target*."""
        self._targets.setdefault(account, set()).add(target)

    def offered(self, account: str) -> frozenset[Target]:
        return frozenset(self._targets.get(account, ()))

    def supplies(self, account: str, target: Target, to: Table) -> bool:
        """Whether another table than *to* has a column with the values of *target*."""
        tables = self._tables.get(account, {}).values()
        return any(paths_to(target, table) for table in tables if table.name != to.name)


PLANNED = Planned()


def paths_to(target: Target, table: Table) -> list[tuple[str, ...]]:
    """Where the records of *table* have values of *target*."""
    if table.nested:
        return []
    name = ".".join(target)
    return [
        column.path
        for column in table.columns
        if not column.type.endswith("[]")
        and not column.reader
        and not column.echo
        and (column.references == name or (table.name, column.name) == target)
    ]


class Keys:
    """Values of one column, in the order in which scans have read them."""

    def __init__(self) -> None:
        self._order: list[Any] = []
        self._places: dict[Any, int] = {}

    def add(self, values: Iterable[Any]) -> None:
        if len(self._order) > _MOST_KEYS:
            self.__init__()  # type: ignore[misc]
        for value in values:
            if value is not None and value not in self._places:
                self._places[value] = len(self._order)
                self._order.append(value)

    def place(self, key: Any) -> int | None:
        return self._places.get(key)

    def since(self, place: int) -> Sequence[Any]:
        return self._order[place:]


class Company:
    """Keys that travel together: of the statement that runs, what was read and what was looked up ahead."""

    def __init__(self, statement: Callable[[], Any]) -> None:
        self._statement = statement
        self._mark: Any = None
        self._keys: dict[Target, Keys] = {}
        self._recent: dict[Any, deque[int]] = {}
        self._spent: Counter[str] = Counter()
        self._records: OrderedDict[Any, list[Record]] = OrderedDict()
        self._kept = 0

    def _current(self) -> None:
        mark = self._statement()
        if mark != self._mark:
            self._mark = mark
            self._keys.clear()
            self._recent.clear()
            self._spent.clear()
            self.forget()

    def forget(self) -> None:
        """After a write: what was looked up may no longer hold."""
        self._records.clear()
        self._kept = 0

    def looked_up(self, table: str, tokens: int = 0) -> int:
        """What look-ups in *table* have cost in the statement, with *tokens* more."""
        self._current()
        self._spent[table] += tokens
        return self._spent[table]

    def read(self, target: Target, values: Iterable[Any]) -> None:
        """A scan has read *values* of *target*."""
        self._current()
        self._keys.setdefault(target, Keys()).add(values)

    def found(self, ahead: Ahead) -> list[Record] | None:
        """The records of the key of *ahead* when they came with another's, None when they did not."""
        self._current()
        return self._records.get((ahead.mark, str(ahead.value)))

    def keys(self, ahead: Ahead) -> list[Any]:
        """The key of *ahead* and those that go with it; it alone when a batch would not pay."""
        self._current()
        known = self._keys.get(ahead.target)
        place = None if known is None else known.place(ahead.value)
        if known is None or place is None:
            return [ahead.value]
        recent = self._recent.setdefault(ahead.mark, deque(maxlen=ahead.after or 1))
        if place not in recent:
            recent.append(place)
        # As many look-ups as a batch costs must have come, and all within the reach of one
        if len(recent) < ahead.after or max(recent) - min(recent) > ahead.most:
            return [ahead.value]
        found: list[Any] = []
        for key in known.since(place):
            if (ahead.mark, str(key)) not in self._records:
                found.append(key)
            if len(found) == ahead.most:
                break
        return found if len(found) > max(ahead.after, 1) else [ahead.value]

    def keep(self, ahead: Ahead, groups: Mapping[str, list[Record]]) -> None:
        """What a batch has answered, by the text of the key."""
        for key, records in groups.items():
            self._records[ahead.mark, key] = records
            self._kept += 1 + len(records)
        while self._kept > _MOST_RECORDS:
            _, dropped = self._records.popitem(last=False)
            self._kept -= 1 + len(dropped)
