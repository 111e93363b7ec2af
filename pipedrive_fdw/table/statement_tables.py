"""The foreign tables of one statement.

PostgreSQL plans each scan by itself. While a statement is planned it is worth knowing which operations its
scans will ask, and for what, so that two scans send the same request, which is then paid for once.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Callable

from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.plan.calls import Parts, Settings, Shared, parts_of, place
from pipedrive_fdw.plan.paths import Target
from pipedrive_fdw.postgres.channel import statement
from pipedrive_fdw.postgres.statement_scope import StatementScope


class _AccountTables:
    """Those of one account: what they ask of each operation, the tables by name, and the columns whose values
    a table can look up."""

    def __init__(self) -> None:
        self.parts: dict[tuple[int, str], Parts] = {}
        self.tables: dict[str, Table] = {}
        self.targets: set[Target] = set()


_Accounts = defaultdict[str, _AccountTables]


class StatementTables:
    """The tables of the statement that is being planned, or was planned last, by account."""

    def __init__(self, statement: Callable[[], Any] = statement) -> None:
        self._scope: StatementScope[_Accounts] = StatementScope(lambda: _Accounts(_AccountTables), statement)

    def note(self, account: str, table: Table, settings: Settings) -> None:
        """*table* is read by the statement."""
        known = self._scope.current()[account]
        known.tables[table.name] = table
        parts = known.parts
        for op in (*table.listings, *(() if table.get is None else (table.get,))):
            parts[place(op)] = parts.get(place(op), Parts()) | parts_of(table, op, settings)
        # Parents that are walked are asked for without any part, so that all custom fields come
        walked = () if table.parent is None else settings.tables[table.parent.table].listings
        for op in walked:
            parts[place(op)] = parts.get(place(op), Parts()) | Parts(custom=None)

    def shared(self, account: str) -> Shared:
        """What the statement's tables ask of each operation."""
        return self._scope.latest()[account].parts

    def offer(self, account: str, target: Target) -> None:
        """A table of the statement can look up the values of *target*."""
        self._scope.latest()[account].targets.add(target)

    def offered(self, account: str) -> frozenset[Target]:
        return frozenset(self._scope.latest()[account].targets)

    def supplies(self, account: str, target: Target, to: Table) -> bool:
        """Whether another table than *to* has a column with the values of *target*."""
        tables = self._scope.latest()[account].tables.values()
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
