"""What each scan of the present statement has used, for EXPLAIN ANALYZE."""

from __future__ import annotations

from pipedrive_fdw.api.client import Spent
from pipedrive_fdw.postgres.statement_scope import StatementScope


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
        self._uses: StatementScope[dict[int, Use]] = StatementScope(dict)

    def of(self, scan: int) -> Use:
        """The use of *scan*, to be added to."""
        return self._uses.current().setdefault(scan, Use())

    def find(self, scan: int) -> Use | None:
        """The use of *scan*, None when it never ran."""
        return self._uses.latest().get(scan)


LEDGER = Ledger()
