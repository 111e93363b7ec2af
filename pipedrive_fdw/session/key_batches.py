"""Batches of keys for the look-ups of a join.

A join looks up, one after the other, keys that scans of the statement have read. A request with
100 keys costs as much as one with a single key, so a look-up fetches the next keys along with its own.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from pipedrive_fdw.plan.paths import KeyBatch, Target
from pipedrive_fdw.postgres.statement_scope import StatementScope

Record = Mapping[str, Any]
# What is kept of a statement at the most; what is not kept is looked up again.
_MOST_KEYS = 20_000
_MOST_RECORDS = 5_000


class Keys:
    """Values of one column, in the order in which scans have read them."""

    def __init__(self) -> None:
        self._order: list[Any] = []
        self._places: dict[Any, int] = {}

    def add(self, values: Iterable[Any]) -> None:
        if len(self._order) > _MOST_KEYS:
            self.__init__()  # type: ignore[misc]
        for value in values:
            # What is neither is no key, and cannot be shown where one is wanted
            if isinstance(value, (int, str)) and value not in self._places:
                self._places[value] = len(self._order)
                self._order.append(value)

    def place(self, key: Any) -> int | None:
        return self._places.get(key)

    def since(self, place: int) -> Sequence[Any]:
        return self._order[place:]


class _Known:
    """The keys that one statement has read and the look-ups that it has made.

    keys     values of a column that its scans have read
    recent   by kind of look-up, where the latest keys stand among these
    spent    tokens of look-ups by table
    records  those of batches, by kind of look-up and text of the key; ``kept`` is their number
    """

    def __init__(self) -> None:
        self.keys: dict[Target, Keys] = {}
        self.recent: dict[Any, deque[int]] = {}
        self.spent: Counter[str] = Counter()
        self.records: OrderedDict[Any, list[Record]] = OrderedDict()
        self.kept = 0


class KeyBatches:
    """The keys and the fetched batches of the statement that runs."""

    def __init__(self, statement: Callable[[], Any]) -> None:
        self._scope = StatementScope(_Known, statement)

    def forget(self) -> None:
        """Drops the records of batches, after a write."""
        known = self._scope.latest()
        known.records.clear()
        known.kept = 0

    def looked_up(self, table: str, tokens: int = 0) -> int:
        """Adds *tokens* to those that look-ups in *table* have cost in the statement; returns the sum."""
        spent = self._scope.current().spent
        spent[table] += tokens
        return spent[table]

    def read(self, target: Target, values: Iterable[Any]) -> None:
        """Notes *values* of the column *target* that a scan has read."""
        self._scope.current().keys.setdefault(target, Keys()).add(values)

    def found(self, batch: KeyBatch) -> list[Record] | None:
        """The records of the key of *batch* where an earlier batch has fetched them, else None."""
        return self._scope.current().records.get((batch.mark, str(batch.value)))

    def keys(self, batch: KeyBatch) -> list[Any]:
        """The keys of a batch for the look-up *batch*; its own key alone where a batch would cost more."""
        known = self._scope.current()
        keys = known.keys.get(batch.target)
        place = None if keys is None else keys.place(batch.value)
        if keys is None or place is None:
            return [batch.value]
        recent = known.recent.setdefault(batch.mark, deque(maxlen=batch.after or 1))
        if place not in recent:
            recent.append(place)
        # As many look-ups as a batch costs must have come, and all within the reach of one
        if len(recent) < batch.after or max(recent) - min(recent) > batch.most:
            return [batch.value]
        found: list[Any] = []
        for key in keys.since(place):
            if (batch.mark, str(key)) not in known.records:
                found.append(key)
            if len(found) == batch.most:
                break
        return found if len(found) > max(batch.after, 1) else [batch.value]

    def keep(self, batch: KeyBatch, groups: Mapping[str, list[Record]]) -> None:
        """Keeps the records of a batch, by the text of their key."""
        known = self._scope.latest()
        for key, records in groups.items():
            known.records[batch.mark, key] = records
            known.kept += 1 + len(records)
        while known.kept > _MOST_RECORDS:
            _, dropped = known.records.popitem(last=False)
            known.kept -= 1 + len(dropped)
