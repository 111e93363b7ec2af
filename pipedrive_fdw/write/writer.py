"""INSERT, UPDATE and DELETE of one foreign table: a row in, a request out, the row as answered back."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipedrive_fdw.custom_fields.writing import changes as custom_changes
from pipedrive_fdw.errors import WriteError
from pipedrive_fdw.plan.row_changes import always, check_frozen, deletion, difference, insertion, updates
from pipedrive_fdw.read.field_lookups import READ_ONLY
from pipedrive_fdw.read.table_reader import TableReader
from pipedrive_fdw.session.request_scope import RequestScope
from pipedrive_fdw.table.binding import BoundColumn
from pipedrive_fdw.table.bound_table import BoundTable
from pipedrive_fdw.write.commands import Command, Commands
from pipedrive_fdw.write.dispatcher import Dispatcher
from pipedrive_fdw.write.incoming_values import IncomingValues
from pipedrive_fdw.write.parents import Parents
from pipedrive_fdw.write.pending import RowChange
from pipedrive_fdw.write.sender import RowWrite
from pipedrive_fdw.write.transaction import TRANSACTION

Values = Mapping[str, Any]


class Writer:
    """Writes rows of one foreign table for the *commands* of the statement."""

    def __init__(self, bound: BoundTable, reader: TableReader, commands: Commands) -> None:
        self._bound = bound
        self._table = bound.table
        self._reader = reader
        self._commands = commands
        self._incoming = IncomingValues(bound.binding)
        self._parents = Parents(bound.table, bound.catalogue, bound.identity[:-1])
        self._dispatcher = Dispatcher(bound, reader, self._parents)

    def begin(self, number: int, command: int, columns: Collection[str], deferred: bool) -> None:
        """The write *number* of the *command* begins; *columns* and *deferred* as in Command."""
        begun = Command(command, columns, deferred)
        self._commands.begin(number, begun)
        TRANSACTION.begin(begun)

    def flush(self, number: int) -> None:
        """Sends what the write *number* has still to send. Raises as PendingWrites.send() does."""
        with TRANSACTION.reported():
            TRANSACTION.end(self._commands[number])

    def write(self, verb: str, number: int, old: str, new: str) -> str:
        """Does *verb* to a row, *old* as it was scanned and *new* as it shall be, both as row_to_json() of
        PostgreSQL writes them.

        The result, as json_populate_record() reads it, has the values that differ from *new*, of a deleted
        row from *old*. It is '' where the row is passed over: the command has written it already, as a join
        may give a row several times.
        """
        command = self._commands[number]
        with TRANSACTION.reported():
            command.check()
            before, values = self._incoming.read(old), self._incoming.read(new)
        if verb == "INSERT":
            return self._incoming.json(self._insert(command, values))
        identity = self._bound.row_identity(self._incoming.row(before))
        if command.written[identity] >= (command.given[identity] or 1):
            return ""
        row = self._update(command, before, values) if verb == "UPDATE" else self._delete(command, before)
        command.written[identity] += 1
        return self._incoming.json(row)

    def _row_id(self, old: Values) -> str:
        return self._bound.row_id(self._incoming.row(old))

    @contextmanager
    def _requests(self) -> Iterator[RequestScope]:
        """The requests of one row."""
        with TRANSACTION.reported():
            requests = self._reader.begin_requests()
            try:
                yield requests
            finally:
                requests.close()

    # ---- the three verbs

    def _insert(self, command: Command, new: Values) -> Values:
        with self._requests() as requests:
            row, custom_row = self._incoming.canonical(new)
            change = insertion(self._table, row, self._custom(None, custom_row, requests))
            self._parents.check(row, requests)
            write = RowWrite("INSERT", change, row)
            made = self._dispatcher.perform(command, write, self._incoming.input_values(new), requests)
            if self._table.nested and not command.deferred:
                command.images.created(self._identity(made))
            return made

    def _update(self, command: Command, before: Values, values: Values) -> Values:
        with self._requests() as requests:
            row_id = self._row_id(before)
            hidden, kept = command.hidden.get(row_id, ()), command.kept(self._table, row_id, values)
            old, old_custom = self._incoming.canonical(before, before, hidden)
            old = {**old, **self._incoming.keys(row_id, old)}
            new, new_custom = self._incoming.canonical(values, before, kept)
            # What the scan did not give is NULL in both rows
            unread = [b for b in self._incoming.unread(before) if b.name in command.columns]
            if unread:
                old = {**old, **self._fresh(old, unread)}
            changed = difference(self._table, old, new)
            custom = self._custom(old_custom, new_custom, requests, old.get("custom_fields") or ())
            if custom:
                check_frozen(self._table, old, changed)
            scanned = self._incoming.input_values(before)
            if not changed and not custom:
                return scanned
            renamed = any(name in changed for name in self._table.key)
            row_ids = self._incoming.row_ids({**old, **changed}) if renamed else {}
            values = {**values, **row_ids}
            base: Values = {
                **self._incoming.input_values(values),
                **self._unchanged(scanned, changed),
                **self._emptied(changed),
                **row_ids,
            }
            left = command.left_to_write(self._table, old, changed)
            if not (left or custom):
                return base if command.deferred or self._dispatcher.waits else self._reread(old, base)
            self._parents.check(old, requests)
            old = self._completed(old, before, "update")
            row_change = RowChange(
                self._bound.identity,
                self._written_identity(scanned),
                self._incoming.changes(before, values, custom.get("custom_fields", custom)),
                self._written_identity(base),
            )
            row, again = {**old, **changed}, False
            for change in updates(self._table, old, left, custom):
                write = RowWrite("UPDATE", change, row, old, row_change, again)
                again = True
                base = self._dispatcher.perform(command, write, base, requests)
            self._note(command, before, self._identity(base))
            return base

    def _delete(self, command: Command, before: Values) -> Values:
        with self._requests() as requests:
            row_id = self._row_id(before)
            read = self._incoming.canonical(before, before, command.hidden.get(row_id, ()))[0]
            old = self._completed({**read, **self._incoming.keys(row_id, read)}, before, "delete")
            change = deletion(self._table, old)
            if command.left_to_write(self._table, old, {self._table.shared: None}):
                self._parents.check(old, requests)
                row_change = RowChange(
                    self._bound.identity, self._bound.written_identity(self._incoming.row(before)), None, None
                )
                write = RowWrite("DELETE", change, row=old, old=old, row_change=row_change)
                self._dispatcher.perform(command, write, {}, requests)
            self._note(command, before, None)
            return {}

    def _identity(self, values: Values) -> Hashable:
        """The identity of a row by the foreign table's columns."""
        return self._bound.row_identity([values.get(b.name) for b in self._bound.binding.columns])

    def _written_identity(self, values: Values) -> Hashable:
        """The same as BoundTable.written_identity gives it."""
        return self._bound.written_identity([values.get(b.name) for b in self._bound.binding.columns])

    def _note(self, command: Command, before: Values, new: Hashable | None) -> None:
        """Notes for the scans of the *command* that it has written the row that was *before*; *new* is its
        identity now, None where it is gone. What waits for COMMIT they do not see in any case."""
        if not self._dispatcher.waits:
            row = self._incoming.row(before)
            command.images.changed(self._bound.row_identity(row), row, new)
            if not command.deferred:
                command.images.sent()

    # ---- values

    def _custom(
        self, old: Values | None, new: Values, requests: RequestScope, present: Collection[str] = ()
    ) -> dict[str, Any]:
        """The custom fields that change, by key, as the API takes them."""
        columns = self._incoming.custom_columns(old, new)
        if not columns:
            return {}
        flat = self._bound.binding.flat
        found = custom_changes(old, new, columns, self._reader.lookups(requests), flat, present)
        if found and self._table.custom_fields in READ_ONLY:
            raise WriteError(
                f"custom fields of {self._table.name} cannot be set",
                detail="Pipedrive has no operation for it. Nothing was sent for this row.",
            )
        return found

    def _unchanged(self, scanned: Values, changed: Values) -> dict[str, Any]:
        """*scanned* without the columns that are *changed*, and without custom fields."""
        columns = self._bound.binding.columns
        bound = (b for b in columns if b.custom is None and b.column.name not in changed)
        return {b.name: scanned[b.name] for b in bound}

    def _emptied(self, changed: Values) -> dict[str, Any]:
        """The lists that are *changed* to empty ones, which NULL makes of them, too."""
        columns = self._bound.binding.columns
        empty = (b for b in columns if b.custom is None and changed.get(b.column.name) == [])
        return {b.name: b.codec.load([]) for b in empty}

    def _completed(self, old: dict[str, Any], before: Values, verb: str) -> dict[str, Any]:
        """*old* with the extended columns that *verb* needs and that the scan, which gave *before*, did not
        give."""
        needed = always(self._table, verb)
        unread = [
            b
            for b in self._incoming.unread(before)
            if b.column.name in needed and old.get(b.column.name) is None
        ]
        if unread:
            old = {**old, **self._fresh(old, unread)}
        return old

    def _reread(self, old: Values, base: Values) -> Values:
        """The row *old*, whose record was written through another row, as Pipedrive has it now; *base* where
        it is gone."""
        found = self._reader.find({name: old[name] for name in self._table.key})
        return base if found is None else {b.name: v for b, v in zip(self._bound.binding.columns, found)}

    def _fresh(self, old: Values, columns: Collection[BoundColumn]) -> dict[str, Any]:
        """The canonical values of *columns* of the row *old*, read now. Raises WriteError when it is gone."""
        keys = {name: old[name] for name in self._table.key}
        found = self._reader.find(keys)
        if found is None:
            row_id = ":".join(map(str, keys.values()))
            raise WriteError(f"row {row_id} of {self._table.name} no longer exists")
        return self._incoming.scanned(columns, found)
