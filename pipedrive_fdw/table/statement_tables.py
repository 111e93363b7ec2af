"""The foreign tables of one statement, so that their scans send the same requests.

PostgreSQL plans each scan by itself. Two scans of a statement that ask one operation for different parts of
the records would pay twice; when both ask for all these parts, the second is answered from memory.
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
    """The tables of one account by name, the parts that they ask of each operation, how many rows of it their
    scans use, and the columns by whose values one of them can look rows up."""

    def __init__(self) -> None:
        self.parts: dict[tuple[int, str], Parts] = {}
        self.most: defaultdict[tuple[int, str], set[int | None]] = defaultdict(set)
        self.tables: dict[str, Table] = {}
        self.targets: set[Target] = set()


_Accounts = defaultdict[str, _AccountTables]


class StatementTables:
    """The tables of the statement that is being planned, or was planned last, by account."""

    def __init__(self, statement: Callable[[], Any] = statement) -> None:
        self._scope: StatementScope[_Accounts] = StatementScope(lambda: _Accounts(_AccountTables), statement)

    def note(self, account: str, table: Table, settings: Settings) -> None:
        """Adds *table*, which the statement reads with *settings*."""
        known = self._scope.current()[account]
        known.tables[table.name] = table
        parts = known.parts
        for op in (*table.listings, *(() if table.get is None else (table.get,))):
            parts[place(op)] = parts.get(place(op), Parts()) | parts_of(table, op, settings)
        if table.parent is None:
            return
        # Parents that are walked are asked for hardly any part, so that all custom fields come
        count = (table.parent.count,) if settings.trust_counts and table.parent.count else ()
        for op in settings.tables[table.parent.table].listings:
            include = count if op.include else ()
            parts[place(op)] = parts.get(place(op), Parts()) | Parts(include, custom=None)

    def begin(self, account: str, table: Table, settings: Settings, most: int | None) -> None:
        """Notes that a scan of *table* begins. It uses *most* rows, None for all, and may walk parents."""
        counts = self._scope.current()[account].most
        for op in table.listings:
            counts[place(op)].add(most)
        for op in () if table.parent is None else settings.tables[table.parent.table].listings:
            counts[place(op)].add(None)

    def uneven(self, account: str) -> frozenset[tuple[int, str]]:
        """The operations of which the scans that have begun use different numbers of rows."""
        counts = self._scope.latest()[account].most
        return frozenset(op for op, found in counts.items() if len(found) > 1)

    def shared(self, account: str) -> Shared:
        """The parts of records that the statement's tables ask of each operation."""
        return self._scope.latest()[account].parts

    def offer(self, account: str, target: Target) -> None:
        """Notes that a table of the statement can look rows up by the values of *target*."""
        self._scope.latest()[account].targets.add(target)

    def offered(self, account: str) -> frozenset[Target]:
        """The columns by whose values a table of the statement can look rows up."""
        return frozenset(self._scope.latest()[account].targets)

    def supplies(self, account: str, target: Target, to: Table) -> bool:
        """True if another table of the statement than *to* has a column with the values of *target*."""
        tables = self._scope.latest()[account].tables.values()
        return any(paths_to(target, table) for table in tables if table.name != to.name)


STATEMENT_TABLES = StatementTables()


def paths_to(target: Target, table: Table) -> list[tuple[str, ...]]:
    """The paths at which records of *table* have values of *target*."""
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
