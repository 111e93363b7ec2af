"""Parents of the rows to be written: a child of an archived deal cannot be changed.

Pipedrive refuses changes to the products or followers of an archived deal. A child's row does not tell
whether its deal is archived, so the deal is read, once in each statement
(docs/decisions/parents-looked-at.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipedrive_fdw.catalog.model import Get, Table
from pipedrive_fdw.errors import AccessError, NotFoundError, PipedriveError, WriteError
from pipedrive_fdw.plan.calls import Settings, get_call
from pipedrive_fdw.plan.row_changes import checked_parent, thawing
from pipedrive_fdw.postgres.statement_scope import StatementScope
from pipedrive_fdw.session.refusals import explained_write
from pipedrive_fdw.session.request_scope import RequestScope
from pipedrive_fdw.table.records import column_value, found_record
from pipedrive_fdw.write.transaction import TRANSACTION


class Parents:
    """Checks the parents of the rows of one table, and remembers within a statement which are changeable."""

    def __init__(self, table: Table, catalogue: Mapping[str, Table], account: tuple[str, ...]) -> None:
        """*catalogue* has all tables by name; *account* identifies the account among those of the backend."""
        self._own, self._account = table, account
        self.table = checked_parent(table, catalogue)
        self._get: Get | None = None if self.table is None else self.table.get
        self._column = "" if table.parent is None else table.parent.column
        self._changeable: StatementScope[set[Any]] = StatementScope(set)

    def check(self, row: Mapping[str, Any], requests: RequestScope) -> None:
        """Raises WriteError when the parent of *row* does not exist or cannot be changed.

        A parent with a change of its own that waits for COMMIT is not checked.
        """
        key = row.get(self._column)
        if self.table is None or self._get is None or key is None:
            return
        changeable = self._changeable.current()
        if key in changeable or TRANSACTION.is_waiting((*self._account, self.table.name), str(key)):
            return
        record = self._read(self.table, self._get, key, requests)
        for name, value in self.table.frozen:
            column = self.table.column(name)
            if column is not None and column_value(column, record, {}) == value:
                what = f"a row of {self.table.name} with {name} = {str(value).lower()}"
                raise WriteError(f"what belongs to {what} cannot be changed", hint=self._hint(row))
        changeable.add(key)

    def _read(self, table: Table, get: Get, key: Any, requests: RequestScope) -> Mapping[str, Any]:
        slots = dict.fromkeys(get.placeholders, key)
        call = get_call(table, get, slots, Settings(named=frozenset(slots)))
        try:
            answer = requests.ask(call)
        except NotFoundError as error:
            raise WriteError(
                f"there is no row {key} of {table.name}",
                detail=error.detail,
                hint="It was deleted or merged, or the token's user may not see it.",
            ) from None
        except AccessError:
            return {}  # the write itself may be allowed, and says so if it is not
        return found_record(answer, table, get, call.where)

    def explained(self, error: PipedriveError, verb: str, row: Mapping[str, Any]) -> PipedriveError:
        """The *error* of the *verb* of *row*, with a hint where an archived parent may be its cause."""
        return explained_write(error, self._own, verb=verb, way_out=self._hint(row))

    def _hint(self, row: Mapping[str, Any]) -> str:
        """The hint that says how to make the parent of *row* changeable, '' where every parent is."""
        if self.table is None:
            return ""
        sets = ", ".join(f"{name} = {literal}" for name, literal in thawing(self.table))
        return f"First UPDATE {self.table.name} SET {sets} WHERE id = {row.get(self._column)}."  # noqa: S608 - words # nosec B608
