"""Keys that are looked up together.

A join looks up the keys that the statement's scans have read one after the other, and a batch of 100 costs as
much as one.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from pipedrive_fdw.plan.paths import Ahead, Target

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
            if value is not None and value not in self._places:
                self._places[value] = len(self._order)
                self._order.append(value)

    def place(self, key: Any) -> int | None:
        return self._places.get(key)

    def since(self, place: int) -> Sequence[Any]:
        return self._order[place:]


class KeyBatches:
    """Of the statement that runs, what was read and what was looked up ahead."""

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
