"""INSERT, UPDATE and DELETE of one foreign table: a row in, a request out, the row as answered back."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Callable, Protocol, TypeVar

from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.codec import CODECS, same
from pipedrive_fdw.custom.writing import changes as custom_changes
from pipedrive_fdw.errors import PipedriveError, WriteError, sentences
from pipedrive_fdw.options import Options
from pipedrive_fdw.plan.modify import (
    Change,
    always,
    check_frozen,
    check_possible,
    deletion,
    difference,
    insertion,
    updates,
)
from pipedrive_fdw.postgres.channel import depth, statement
from pipedrive_fdw.postgres.settings import setting
from pipedrive_fdw.run.fields import READ_ONLY, FieldLookups
from pipedrive_fdw.run.incoming_values import IncomingValues
from pipedrive_fdw.run.pending import MOST_PENDING, PendingWrite, PendingWrites, RowChange
from pipedrive_fdw.run.returning import key_of, returned_row
from pipedrive_fdw.run.row_images import RowImages, read_ahead
from pipedrive_fdw.run.rows import Binding, BoundColumn, Note, Row, RowMaker
from pipedrive_fdw.run.scan_request import ScanRequest
from pipedrive_fdw.run.sender import Sender
from pipedrive_fdw.run.session import Work
from pipedrive_fdw.run.transaction import TRANSACTION

Values = Mapping[str, Any]
F = TypeVar("F", bound=Callable[..., Any])


class Written(Protocol):
    """The foreign table that is written, as far as this module needs it."""

    table: Table
    binding: Binding
    options: Options
    identity: tuple[str, ...]  # tells the tables of accounts apart

    @property
    def maker(self) -> RowMaker: ...

    def begin_work(self) -> Work: ...

    def lookups(self, work: Work) -> FieldLookups: ...

    def find(self, keys: Values) -> Row | None:
        """The row of the key columns' canonical values, read afresh."""

    def admits(self, request: ScanRequest) -> Callable[[Row], bool]:
        """Whether a row has the values that *request* wants, as far as they are sent."""


def _reporting(verb: F) -> F:
    """*verb* with what its statement has written before, for good, in the detail of its errors."""

    @functools.wraps(verb)
    def call(*args: Any) -> Any:
        try:
            return verb(*args)
        except PipedriveError as error:
            error.detail = sentences(error.detail, TRANSACTION.statement_report(), error.unsent)
            raise

    return call  # type: ignore[return-value]


class Command:
    """A write that runs: what it has done with the rows of its table, and what it has still to send."""

    def __init__(self, number: int, columns: Collection[str], deferred: bool) -> None:
        """*columns* of the foreign table are those that an UPDATE sets. *deferred*: nobody waits for the rows
        as the API answers them, so that all are worked out before the first is sent."""
        self.number = number
        self.columns = frozenset(columns)
        self.deferred = deferred
        self.pending = PendingWrites()
        self.named: frozenset[str] = (
            frozenset()
        )  # columns that the statement reads in the rows that it writes
        self.done: set[str] = set()  # identities of rows
        self.shared: set[str] = set()  # records that several rows show
        # Columns in which a row shows NULL although Pipedrive has a value, by row id
        self.hidden: dict[str, frozenset[str]] = {}

    def kept(self, table: Table, row_id: str, values: Values) -> frozenset[str]:
        """The hidden columns of a row that *values*, which it shall have, leave as they are.

        Raises WriteError where nobody can tell.
        """
        hidden = self.hidden.get(row_id, frozenset())
        empty = {name for name in hidden if values.get(name) is None}
        unclear = empty & self.columns & self.named
        if unclear:
            raise WriteError(
                f"column {min(unclear)} of {table.name} cannot be set to NULL in one step",
                detail="Pipedrive has a value there for which PostgreSQL was shown NULL. So nobody can tell "
                "whether the statement sets NULL or changes nothing. Nothing was sent for this row.",
                hint="Set a valid value first, and NULL after that.",
            )
        return frozenset(empty - self.columns)


class Writer:
    """Writes one foreign table."""

    def __init__(self, target: Written) -> None:
        self.target = target
        self.table, self.binding = target.table, target.binding
        self._sender = Sender(target.table, target.options, target.identity[:-1], self._allowed_work)
        self._incoming = IncomingValues(self.binding)
        self._images = RowImages(tuple(b.name for b in self.binding.columns))
        self._commands: dict[int, Command] = {}
        self._statement: Any = None
        shown = {b.column.name: n for n, b in enumerate(self.binding.columns) if b.custom is None}
        whole = all(key in shown for key in self.table.key)
        self._frozen = [(shown[name], value) for name, value in self.table.frozen if name in shown]
        # Where the columns stand that identify a row: those of the key, or else row_id, which joins them
        self._places = [shown[name] for name in (self.table.key if whole else ("row_id",)) if name in shown]

    # ---- what PostgreSQL asks first

    def verbs(self) -> list[str]:
        """What can be done with rows, as far as the table's declaration and options say."""
        if not self.target.options["updatable"]:
            return []
        table = self.table
        possible = {
            "INSERT": table.insert is not None,
            "UPDATE": table.update is not None or bool(table.instead),
            "DELETE": table.delete is not None,
        }
        return [verb for verb, can in possible.items() if can]

    def check(self, verb: str) -> None:
        """Raises WriteError where a statement that does *verb* cannot be done, whatever its rows are."""
        self._check_updatable()
        check_possible(self.table, verb)
        if verb != "INSERT" and not self._places:
            name = self.table.key[0] if len(self.table.key) == 1 else "row_id"
            raise WriteError(
                f"the foreign table of {self.table.name} has no column {name}, which identifies its rows",
                hint=f"ALTER FOREIGN TABLE … ADD COLUMN {name} …, or import it again.",
            )

    def _check_updatable(self) -> None:
        if not self.target.options["updatable"]:
            raise WriteError(
                f"{self.table.name} is not to be written",
                detail="The option updatable of its server or table is 'false'.",
                hint="ALTER SERVER … OPTIONS (SET updatable 'true').",
            )
        prepared = setting("max_prepared_transactions")
        if self._waits and prepared not in (None, "0"):
            raise WriteError(
                "write_mode 'commit' cannot be used where max_prepared_transactions is above 0",
                detail="PREPARE TRANSACTION would never send what waits.",
                hint="Set max_prepared_transactions to 0, or write_mode to 'immediate'.",
            )

    @property
    def _waits(self) -> bool:
        return bool(self.target.options["write_mode"] == "commit")

    def begin(self, number: int, command: int, columns: Collection[str], deferred: bool) -> None:
        """The write *number* begins, of the *command* that PostgreSQL counts so in the transaction; *columns*
        and *deferred* as in Command."""
        mark = statement()
        if mark != self._statement:
            self._statement, self._commands = mark, {}
        self._commands[number] = Command(command, columns, deferred)

    @_reporting
    def flush(self, number: int) -> None:
        """Sends what the write *number* has still to send. Raises as PendingWrites.send() does."""
        command = self._commands.get(number)
        if command is not None:
            TRANSACTION.send(command.pending)

    def takes_part(self, command: int) -> bool:
        """Whether *command* writes this table."""
        return self._statement == statement() and bool(self._writes_of(command))

    @property
    def key_columns(self) -> frozenset[str]:
        """The foreign table's columns that identify its rows."""
        return frozenset(self.binding.columns[place].name for place in self._places)

    def sees_other_rows(self, command: int, target: bool) -> bool:
        """Whether scans of *command*, *target* those that it changes, see rows that Pipedrive has not."""
        waits = target and bool(TRANSACTION.waiting.changes(self.target.identity))
        return waits or self._images.exist(command)

    def seen_by(self, command: int, rows: Iterator[Row], request: ScanRequest) -> Iterator[Row]:
        """*rows* of a scan as *command*, which writes the table, is to see them, all read ahead."""
        changes = TRANSACTION.waiting.changes(self.target.identity) if request.target else {}
        admits = self.target.admits(request)
        seen = self._images.seen_by(command, rows, self._row_id_of, self._as_rows(changes), admits)
        return read_ahead(seen, self._is_frozen if request.target else None)

    def hidden_of(self, command: int, named: Collection[str]) -> Note:
        """What is told of the rows that the write of *command* is given, whose scan names the columns
        *named*."""
        writes = self._writes_of(command)
        for write in writes:
            write.named |= frozenset(named)

        def note(row: Row, columns: Collection[str]) -> None:
            for write in writes:
                write.hidden[self._row_id_of(row)] = frozenset(columns)

        return note

    def _writes_of(self, command: int) -> list[Command]:
        return [write for write in self._commands.values() if write.number == command]

    def _as_rows(self, changes: Mapping[str, Mapping[Any, Any] | None]) -> dict[str, dict[str, Any] | None]:
        """*changes* of rows with their values as a scan of this foreign table gives them."""
        columns = {b.key: b for b in self.binding.columns}

        def loaded(change: Mapping[Any, Any]) -> dict[str, Any]:
            bound = [(columns[key], value) for key, value in change.items() if key in columns]
            return {b.name: None if v is None else b.codec.load(b.codec.dump(v)) for b, v in bound}

        return {row_id: None if change is None else loaded(change) for row_id, change in changes.items()}

    def _is_frozen(self, row: Row) -> bool:
        """Whether Pipedrive does not let the row change; such come first, before anything is sent."""
        return any(row[place] is value for place, value in self._frozen)

    def _row_id_of(self, row: Row) -> str:
        return ":".join(str(row[place]) for place in self._places)

    # ---- the three verbs

    @_reporting
    def write(self, verb: str, number: int, old: str, new: str) -> str:
        """Does *verb* to a row, *old* as it was scanned and *new* as it shall be, both as row_to_json() of
        PostgreSQL writes them. What differs then from *new*, of a deleted row from *old*, as
        json_populate_record() reads it; '' where the row is passed over: the command has written it already,
        as a join may give it several times."""
        command = self._commands[number]
        before, values = self._incoming.read(old), self._incoming.read(new)
        if verb == "INSERT":
            return self._incoming.json(self._insert(command, values))
        identity = self._identity(before)
        if identity in command.done:
            return ""
        row = self._update(command, before, values) if verb == "UPDATE" else self._delete(command, before)
        command.done.add(identity)
        return self._incoming.json(row)

    def _identity(self, old: Values) -> str:
        """What tells rows of the scan apart; elements of one record may have the same key."""
        return repr(old) if self.table.nested else self._row_id(old)

    def _row_id(self, old: Values) -> str:
        return self._row_id_of(self._incoming.row(old))

    def _insert(self, command: Command, new: Values) -> Values:
        work = self.target.begin_work()
        try:
            row, custom_row = self._incoming.canonical(new)
            custom = self._custom(None, custom_row, work)
            change = insertion(self.table, row, custom)
            self._sender.parents.check(row, work)
            made = self._perform(command, "INSERT", change, self._named(new), row, None, work)
            row_id = self._row_id_of([made.get(b.name) for b in self.binding.columns])
            self._images.changed(command.number, row_id, None)
            return made
        finally:
            work.close()

    def _update(self, command: Command, before: Values, values: Values) -> Values:
        work = self.target.begin_work()
        try:
            row_id = self._row_id(before)
            hidden, kept = command.hidden.get(row_id, ()), command.kept(self.table, row_id, values)
            old, old_custom = self._incoming.canonical(before, before, hidden)
            old = {**self._keys(before), **old}
            new, new_custom = self._incoming.canonical(values, before, kept)
            # What the scan did not give is NULL in both rows
            unread = [b for b in self._unread(before) if b.name in command.columns]
            if unread:
                old = {**old, **self._fresh(old, unread)}
            changed = difference(self.table, old, new)
            custom = self._custom(old_custom, new_custom, work, old.get("custom_fields") or ())
            if custom:
                check_frozen(self.table, old, changed)
            scanned = self._named(before)
            if not changed and not custom:
                return {}
            base = {**self._named(values), **self._unchanged(scanned, changed)}
            if self._seen(command, old):
                return base
            self._sender.parents.check(old, work)
            old = self._completed(old, before, "update")
            waiting = RowChange(self.target.identity, row_id, self._changes(before, values))
            for change in updates(self.table, old, changed, custom):
                base = self._perform(command, "UPDATE", change, base, {**old, **changed}, old, work, waiting)
            self._images.changed(command.number, row_id, self._incoming.row(before))
            return base
        finally:
            work.close()

    def _delete(self, command: Command, before: Values) -> Values:
        work = self.target.begin_work()
        try:
            row_id = self._row_id(before)
            read = self._incoming.canonical(before, before, command.hidden.get(row_id, ()))[0]
            old = self._completed({**self._keys(before), **read}, before, "delete")
            change = deletion(self.table, old)
            if not self._seen(command, old):
                self._sender.parents.check(old, work)
                self._perform(
                    command,
                    "DELETE",
                    change,
                    {},
                    old,
                    old,
                    work,
                    RowChange(self.target.identity, row_id, None),
                )
            if not self.table.nested:
                self._images.changed(command.number, row_id, self._incoming.row(before))
            return {}
        finally:
            work.close()

    # ---- values

    def _named(self, values: Values) -> dict[str, Any]:
        """*values* by column as PostgreSQL's input functions read them."""
        return {b.name: v for b, v in zip(self.binding.columns, self._incoming.row(values))}

    def _keys(self, before: Values) -> dict[str, Any]:
        """The canonical values of the key columns; of several, the last may hold colons itself."""
        row_id = self._row_id(before)
        parts = row_id.split(":", len(self.table.key) - 1)
        types = {c.name: c.type for c in self.table.columns}
        if len(parts) != len(self.table.key):
            raise WriteError(f"{row_id!r} identifies no row of {self.table.name}")
        return {n: self._incoming.parsed(n, CODECS[types[n]], p) for n, p in zip(self.table.key, parts)}

    def _custom(
        self, old: Values | None, new: Values, work: Work, present: Collection[str] = ()
    ) -> dict[str, Any]:
        columns = self._incoming.custom_columns(old, new)
        if not columns:
            return {}
        found = custom_changes(old, new, columns, self.target.lookups(work), self.binding.flat, present)
        if found and self.table.custom_fields in READ_ONLY:
            raise WriteError(
                f"custom fields of {self.table.name} cannot be set",
                detail="Pipedrive has no operation for it. Nothing was sent for this row.",
            )
        return found

    def _unchanged(self, named: Values, changed: Values) -> dict[str, Any]:
        """*named* without the columns that are *changed*, and without custom fields."""
        bound = (b for b in self.binding.columns if b.custom is None and b.column.name not in changed)
        return {b.name: named[b.name] for b in bound}

    def _changes(self, before: Values, values: Values) -> dict[Any, Any]:
        """The canonical values that *values* change in the row, by the keys of their columns."""
        changed = {}
        for bound in self.binding.columns:
            pair = (
                self._incoming.parsed(bound.name, bound.codec, v.get(bound.name)) for v in (before, values)
            )
            old, new = pair
            if not same(old, new):
                changed[bound.key] = new
        return changed

    def _unread(self, before: Values) -> list[BoundColumn]:
        """The extended columns that the scan did not give."""
        return [b for b in self.binding.columns if b.column.extended and before.get(b.name) is None]

    def _completed(self, old: dict[str, Any], before: Values, verb: str) -> dict[str, Any]:
        """*old* with what the operation wants of the row and the scan, which gave *before*, did not give:
        extended columns."""
        needed = always(self.table, verb)
        unread = [
            b for b in self._unread(before) if b.column.name in needed and old.get(b.column.name) is None
        ]
        if unread:
            old = {**old, **self._fresh(old, unread)}
        return old

    def _fresh(self, old: Values, columns: Collection[BoundColumn]) -> dict[str, Any]:
        """The canonical values of *columns* of the row, read afresh."""
        keys = {name: old[name] for name in self.table.key}
        found = self.target.find(keys)
        if found is None:
            row_id = ":".join(map(str, keys.values()))
            raise WriteError(f"row {row_id} of {self.table.name} is not there any more")
        values = {b.name: v for b, v in zip(self.binding.columns, found)}
        return {
            b.column.name: None if values[b.name] is None else b.codec.parse(values[b.name]) for b in columns
        }

    def _seen(self, command: Command, old: Values) -> bool:
        """Whether the command has written the record already that several rows show."""
        if not self.table.shared:
            return False
        record = str(old.get(self.table.shared))
        seen = record in command.shared
        command.shared.add(record)
        return seen

    # ---- requests

    def _perform(
        self,
        command: Command,
        verb: str,
        change: Change,
        base: dict[str, Any],
        row: Values,
        old: Values | None,
        work: Work,
        waiting: RowChange | None = None,
    ) -> dict[str, Any]:
        """Sends *change* now, at the statement's end, or at COMMIT; the row as it is then, *base* where the
        answer says nothing. *waiting* is the row's change, for what comes after it before it is sent."""
        if self._waits or command.deferred:
            pending = TRANSACTION.waiting if self._waits else command.pending
            pending.add(self._pending(verb, change, row, old, work, waiting))
            if len(command.pending.writes) >= MOST_PENDING:
                TRANSACTION.send(command.pending)
            return base
        record = self._sender.send(verb, change, row, old, work)
        TRANSACTION.wrote(self.table.name, verb, key_of(self.table, change, record))
        if verb == "DELETE":
            return {}
        expanded = bool(self.target.options["expand_related"])
        labels = self.target.lookups(work)
        return returned_row(self.target.maker, change, record, base, row, labels, expanded)

    def _pending(
        self,
        verb: str,
        change: Change,
        row: Values,
        old: Values | None,
        work: Work,
        waiting: RowChange | None,
    ) -> PendingWrite:
        def send() -> str:
            allowed = self._allowed_work()
            try:
                return key_of(self.table, change, self._sender.send(verb, change, row, old, allowed))
            finally:
                allowed.close()

        return PendingWrite(
            self.table.name,
            verb,
            work.session,
            work.guards,
            send,
            self._sender.price(change),
            depth(),
            self._sender.bulk(change),
            waiting,
        )

    def _allowed_work(self) -> Work:
        """The requests of writes whose price has been allowed."""
        work = self.target.begin_work()
        work.guards = work.guards.lifted()
        return work
