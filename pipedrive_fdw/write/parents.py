"""The records that rows to be written hang on: whether they can be changed at all.

Pipedrive does not let the products or followers of an archived deal change. A row does not tell whether its
deal is archived, so the deal is looked at, once a statement (docs/decisions/parents-looked-at.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipedrive_fdw.api.paging import record_of
from pipedrive_fdw.catalog.model import Get, Table
from pipedrive_fdw.errors import AccessError, NotFoundError, PipedriveError, WriteError
from pipedrive_fdw.plan.calls import Settings, get_call
from pipedrive_fdw.plan.row_changes import thawing
from pipedrive_fdw.postgres.channel import statement
from pipedrive_fdw.session.refusals import explained_write
from pipedrive_fdw.session.work import Work
from pipedrive_fdw.table.records import column_value
from pipedrive_fdw.write.transaction import TRANSACTION


class Parents:
    """The parents of the rows of *table*, with those that this statement has found to be changeable."""

    def __init__(self, table: Table, catalogue: Mapping[str, Table], account: tuple[str, ...]) -> None:
        """*account* tells accounts apart."""
        self._own, self._account = table, account
        parent = table.parent
        found = None if parent is None else catalogue[parent.table]
        self.table = found if found is not None and thawing(found) else None
        self._get: Get | None = None if self.table is None else self.table.get
        self._column = "" if parent is None else parent.column
        self._statement: Any = None
        self._fine: set[Any] = set()

    def check(self, row: Mapping[str, Any], work: Work) -> None:
        """Raises WriteError when the parent of *row* is not there, or cannot be changed. One that waits to be
        changed itself, under write_mode 'commit', is not looked at."""
        key = row.get(self._column)
        if self.table is None or self._get is None or key is None:
            return
        if self._statement != statement():
            self._statement = statement()
            self._fine.clear()
        if key in self._fine or TRANSACTION.is_waiting((*self._account, self.table.name), str(key)):
            return
        record = self._look(self.table, self._get, key, work)
        for name, value in self.table.frozen:
            column = self.table.column(name)
            if column is not None and column_value(column, record, {}) == value:
                what = f"a row of {self.table.name} with {name} = {str(value).lower()}"
                raise WriteError(f"what belongs to {what} cannot be changed", hint=self._way_out(row))
        self._fine.add(key)

    def _look(self, table: Table, get: Get, key: Any, work: Work) -> Mapping[str, Any]:
        slots = dict.fromkeys(get.placeholders, key)
        call = get_call(table, get, slots, Settings(named=frozenset(slots)))
        try:
            answer = work.ask(get, call.path, call.params)
        except NotFoundError as error:
            raise WriteError(
                f"there is no row {key} of {table.name}",
                detail=error.detail,
                hint="It was deleted or merged, or the token's user may not see it.",
            ) from None
        except AccessError:
            return {}  # the write itself may be allowed, and says so if it is not
        found: Mapping[str, Any] = record_of(answer, f"GET /api/v{get.version}{call.path}")
        return found

    def explained(self, error: PipedriveError, verb: str, row: Mapping[str, Any]) -> PipedriveError:
        """*error*, which *verb* of *row* has met, with what it may mean."""
        return explained_write(error, self._own, verb, self._way_out(row))

    def _way_out(self, row: Mapping[str, Any]) -> str:
        """How to make the parent changeable."""
        if self.table is None:
            return ""
        sets = ", ".join(f"{name} = {literal}" for name, literal in thawing(self.table))
        return f"First UPDATE {self.table.name} SET {sets} WHERE id = {row.get(self._column)}."  # noqa: S608 - words # nosec B608
