"""The foreign tables of one statement.

PostgreSQL plans each scan by itself. While a statement is planned it is worth knowing which operations its
scans will ask, and for what, so that two scans send the same request, which is then paid for once.
"""

from __future__ import annotations

from typing import Any, Callable

from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.plan.calls import Parts, Settings, Shared, parts_of, place
from pipedrive_fdw.plan.paths import Target
from pipedrive_fdw.postgres.channel import statement


class StatementTables:
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


STATEMENT_TABLES = StatementTables()


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
