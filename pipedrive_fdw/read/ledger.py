"""What each scan of the present statement has used, for EXPLAIN ANALYZE."""

from __future__ import annotations

from typing import Any

from pipedrive_fdw.api.client import Spent
from pipedrive_fdw.postgres.channel import statement


class Use:
    """What one scan has used in all its loops; *rows* that it gave."""

    def __init__(self) -> None:
        self.rows = 0
        self._before, self._current = Spent(), Spent()

    def begin(self, spent: Spent) -> None:
        """A loop begins, which counts in *spent* while it runs."""
        self._before, self._current = self.spent, spent

    @property
    def spent(self) -> Spent:
        total = Spent()
        total.include(self._before)
        total.include(self._current)
        return total


class Ledger:
    """By the number that the C part gives to a scan; those of earlier statements are dropped.

    There is one for all foreign tables: the object of a table is made anew where another user's mapping is
    used in the same statement.
    """

    def __init__(self) -> None:
        self._uses: dict[int, Use] = {}
        self._statement: Any = None

    def of(self, scan: int) -> Use:
        """The use of *scan*, to be added to."""
        mark = statement()
        if mark != self._statement:
            self._uses, self._statement = {}, mark
        return self._uses.setdefault(scan, Use())

    def find(self, scan: int) -> Use | None:
        """The use of *scan*, None when it never ran."""
        return self._uses.get(scan)


LEDGER = Ledger()
