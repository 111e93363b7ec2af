"""Which records a scan has given already, in little memory."""

from __future__ import annotations

from typing import Any

from pipedrive_fdw.plan.paths import Lists, ScanPlan

_CHUNK = 4096


class Seen:
    """Keys of records: one bit for each id, since ids are dense, and a hash for each other key."""

    def __init__(self) -> None:
        self._bits: dict[int, int] = {}
        self._others: set[int] = set()

    def add(self, key: Any) -> bool:
        """Whether *key* is new; it is known from now on. A missing key is always new."""
        if key is None:
            return True
        if not isinstance(key, int):
            size = len(self._others)
            self._others.add(hash(key))
            return len(self._others) > size
        chunk, bit = divmod(key, _CHUNK)
        known = self._bits.get(chunk, 0)
        self._bits[chunk] = known | 1 << bit
        return not known >> bit & 1


def meets_twice(plan: ScanPlan) -> bool:
    """Whether a record can be met again: one that is archived or moved to another stage while the lists are
    read stands in two of them. Under several saved filters it is a row of each."""
    table = plan.table
    if len(table.key) != 1 or table.nested:
        return False
    calls = [call for step in plan.steps if isinstance(step, Lists) for call in step.calls]
    selects = {column.name for column in table.columns if column.echo}
    return len(calls) > 1 and not any(selects & call.echo.keys() for call in calls)
