"""The requests and tokens of each scan of the present statement, for EXPLAIN ANALYZE."""

from __future__ import annotations

from pipedrive_fdw.api.client import Spent
from pipedrive_fdw.postgres.statement_scope import StatementScope


class Use:
    """The use of one scan, all its loops together."""

    def __init__(self) -> None:
        self._before, self._current, self._shared = Spent(), Spent(), Spent()

    def begin(self, spent: Spent, shared: bool = False) -> None:
        """Begins a loop of the scan; *spent* counts its requests while it runs, and if *shared* those of
        other loops of it, too."""
        if shared:
            self._shared = spent
            return
        self._before.include(self._current)
        self._current = spent

    @property
    def spent(self) -> Spent:
        total = Spent()
        for part in (self._before, self._current, self._shared):
            total.include(part)
        return total


class Ledger:
    """The use of each scan, by the number that the C part gives it.

    There is one ledger for all foreign tables: a statement that uses the mappings of two users has two
    objects for one foreign table.
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
