"""INSERT, UPDATE and DELETE of one foreign table: a row in, a request out, the row as answered back."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Callable, Protocol, TypeVar

import orjson

from pipedrive_fdw.api.client import Answer
from pipedrive_fdw.api.paging import pages
from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.model import NONE, Table, Write
from pipedrive_fdw.codec import CODECS, same
from pipedrive_fdw.custom.writing import changes as custom_changes
from pipedrive_fdw.errors import OutcomeUnknownError, PipedriveError, WriteError
from pipedrive_fdw.options import Options
from pipedrive_fdw.plan import arrays
from pipedrive_fdw.plan.calls import Settings, fill, get_call
from pipedrive_fdw.plan.modify import (
    Change,
    always,
    check_frozen,
    check_possible,
    deletion,
    difference,
    encoded,
    insertion,
    updates,
)
from pipedrive_fdw.postgres.channel import statement
from pipedrive_fdw.postgres.settings import setting
from pipedrive_fdw.run.fields import READ_ONLY, FieldLookups
from pipedrive_fdw.run.incoming_values import IncomingValues
from pipedrive_fdw.run.parents import Parents
from pipedrive_fdw.run.returning import key_of, returned_row
from pipedrive_fdw.run.row_images import RowImages, read_ahead
from pipedrive_fdw.run.rows import Binding, BoundColumn, Row, RowMaker, dig
from pipedrive_fdw.run.session import Work
from pipedrive_fdw.run.transaction import TRANSACTION, Many, Place, sentences

Values = Mapping[str, Any]
F = TypeVar("F", bound=Callable[..., Any])


class Written(Protocol):
    """The foreign table that is written, as far as this module needs it."""

    table: Table
    binding: Binding
    options: Options

    @property
    def maker(self) -> RowMaker: ...

    def begin_work(self) -> Work: ...

    def lookups(self, work: Work) -> FieldLookups: ...

    def find(self, keys: Values) -> Row | None:
        """The row of the key columns' canonical values, read afresh."""


def _reporting(verb: F) -> F:
    """*verb* with what its statement has written before, for good, in the detail of its errors."""

    @functools.wraps(verb)
    def call(*args: Any) -> Any:
        try:
            return verb(*args)
        except PipedriveError as error:
            error.detail = sentences(error.detail, TRANSACTION.statement_report())
            raise

    return call  # type: ignore[return-value]


class Command:
    """A write that runs: what it has done with the rows of its table."""

    def __init__(self, number: int, columns: Collection[str]) -> None:
        """*columns* of the foreign table are those that an UPDATE sets."""
        self.number = number
        self.columns = frozenset(columns)
        self.done: set[str] = set()  # identities of rows
        self.shared: set[str] = set()  # records that several rows show


class Writer:
    """Writes one foreign table."""

    def __init__(self, target: Written) -> None:
        self.target = target
        self.table, self.binding = target.table, target.binding
        self._parents = Parents(target.table, tables_of(target.options["api_version"]))
        self._incoming = IncomingValues(self.binding)
        self._images = RowImages(tuple(b.name for b in self.binding.columns))
        self._commands: dict[int, Command] = {}
        self._numbers: dict[int, int] = {}
        self._statement: Any = None
        shown = {b.column.name: n for n, b in enumerate(self.binding.columns) if b.custom is None}
        whole = all(key in shown for key in self.table.key)
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

    def begin(self, number: int, command: int, columns: Collection[str]) -> None:
        """The write *number* begins, of the *command* that PostgreSQL counts so in the transaction; an UPDATE
        sets *columns*."""
        mark = statement()
        if mark != self._statement:
            self._statement, self._commands, self._numbers = mark, {}, {}
        self._commands[number] = Command(command, columns)
        self._numbers[command] = number

    def end(self, number: int) -> None:
        self._commands.pop(number, None)

    def takes_part(self, command: int) -> bool:
        """Whether *command* writes this table."""
        return self._statement == statement() and command in self._numbers

    @property
    def key_columns(self) -> frozenset[str]:
        """The foreign table's columns that identify its rows."""
        return frozenset(self.binding.columns[place].name for place in self._places)

    def seen_by(
        self, command: int, rows: Iterator[Row], target: bool, admits: Callable[[Row], bool] | None
    ) -> Iterator[Row]:
        """*rows* of a scan as *command*, which writes the table, is to see them; *target*: it changes
        them."""
        waiting = TRANSACTION.waiting_rows(self) if target else {}
        seen = self._images.seen_by(command, rows, self._row_id_of, waiting, admits)
        return read_ahead(seen) if target else seen

    def _row_id_of(self, row: Row) -> str:
        return ":".join(str(row[place]) for place in self._places)

    # ---- the three verbs

    def write(self, verb: str, number: int, old: Values, new: Values) -> Row | None:
        """Does *verb* to a row, *old* as it was scanned and *new* as it shall be, both as row_to_json() of
        PostgreSQL has them; the row as it is then, None where it is passed over: the command has written it
        already, as a join may give it several times."""
        command = self._commands[number]
        if verb == "INSERT":
            return self._insert(new)
        identity = self._identity(old)
        if identity in command.done:
            return None
        row = self._update(command, old, new) if verb == "UPDATE" else self._delete(command, old)
        command.done.add(identity)
        return row

    def _identity(self, old: Values) -> str:
        """What tells rows of the scan apart; elements of one record may have the same key."""
        return repr(old) if self.table.nested else self._row_id(old)

    def _row_id(self, old: Values) -> str:
        return self._row_id_of(self._incoming.row(old))

    @_reporting
    def _insert(self, new: Values) -> Row:
        work = self.target.begin_work()
        try:
            row, custom_row = self._incoming.canonical(new)
            custom = self._custom(None, custom_row, work)
            change = insertion(self.table, row, custom)
            self._parents.check(row, work)
            return self._in_order(self._perform("INSERT", change, self._named(new), row, None, work))
        finally:
            work.close()

    @_reporting
    def _update(self, command: Command, before: Values, values: Values) -> Row:
        work = self.target.begin_work()
        try:
            old, old_custom = self._incoming.canonical(before, before)
            old = {**self._keys(before), **old}
            new, new_custom = self._incoming.canonical(values, before)
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
                return self._in_order(scanned)
            base = {**self._named(values), **self._unchanged(scanned, changed)}
            if self._seen(command, old):
                return self._in_order(base)
            self._parents.check(old, work)
            old = self._completed(old, before, "update")
            row_id = self._row_id(before)
            waiting = (row_id, self._reloaded(before, values)) if self._waits else None
            for change in updates(self.table, old, changed, custom):
                base = self._perform("UPDATE", change, base, {**old, **changed}, old, work, waiting)
            self._images.changed(command.number, row_id, self._incoming.row(before))
            return self._in_order(base)
        finally:
            work.close()

    @_reporting
    def _delete(self, command: Command, before: Values) -> Row:
        work = self.target.begin_work()
        try:
            old = {**self._keys(before), **self._incoming.canonical(before, before)[0]}
            old = self._completed(old, before, "delete")
            change = deletion(self.table, old)
            row_id = self._row_id(before)
            if not self._seen(command, old):
                self._parents.check(old, work)
                self._perform("DELETE", change, {}, old, old, work, (row_id, None))
            if not self.table.nested:
                self._images.changed(command.number, row_id, self._incoming.row(before))
            return self._incoming.row(before)
        finally:
            work.close()

    # ---- values

    def _named(self, values: Values) -> dict[str, Any]:
        """*values* by column as PostgreSQL's input functions read them."""
        return {b.name: v for b, v in zip(self.binding.columns, self._incoming.row(values))}

    def _in_order(self, values: Values) -> Row:
        return [values.get(b.name) for b in self.binding.columns]

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

    def _reloaded(self, before: Values, values: Values) -> dict[str, Any]:
        """The columns that *values* change in the row, as a scan would give them."""
        out = {}
        for bound in self.binding.columns:
            old, new = (
                self._incoming.parsed(bound.name, bound.codec, v.get(bound.name)) for v in (before, values)
            )
            if not same(old, new):
                out[bound.name] = None if new is None else bound.codec.load(bound.codec.dump(new))
        return out

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
        verb: str,
        change: Change,
        base: dict[str, Any],
        row: Values,
        old: Values | None,
        work: Work,
        waiting: tuple[Any, Values | None] | None = None,
    ) -> dict[str, Any]:
        """Sends *change* now, or at COMMIT; the row as it is then, *base* where the answer says nothing.

        *waiting*: the row id, and what waits for it if that is not now (Transaction.waiting_rows).
        """
        if self._waits:

            def later() -> str:
                again = self.target.begin_work()
                try:
                    return key_of(self.table, change, self._send(verb, change, row, old, again))
                finally:
                    again.close()

            place = None if waiting is None else Place(self, str(waiting[0]), waiting[1])
            TRANSACTION.wait(self.table.name, verb, later, self._many(change), place)
            return base
        record = self._send(verb, change, row, old, work)
        key = key_of(self.table, change, record)
        TRANSACTION.wrote(self.table.name, verb, key)
        if verb == "INSERT" and not record and "?" in key:
            raise OutcomeUnknownError(
                "the answer does not show the record that was created",
                hint="Look for the record in Pipedrive (newest first) before sending it again.",
            )
        if verb == "DELETE":
            return {}
        expanded = bool(self.target.options["expand_related"])
        labels = self.target.lookups(work)
        return returned_row(self.target.maker, change, record, base, row, labels, expanded)

    def _send(
        self, verb: str, change: Change, row: Values, old: Values | None, work: Work
    ) -> Mapping[str, Any]:
        try:
            if change.op.array:
                change = self._with_array(verb, change, row, old, work)
            answer = self._request(change, work)
        except PipedriveError as error:
            raise self._parents.explained(error, verb, row) from None
        data = (
            dig(answer.payload.get("data"), change.op.answer.split(".")) if change.op.answer else answer.data
        )
        if change.op.batch and isinstance(data, list) and data:
            data = data[0]
        return data if isinstance(data, dict) else {}

    def _request(self, change: Change, work: Work) -> Answer:
        body, content_type = encoded(change)
        return work.send(change.op, change.path, body, content_type)

    def _many(self, change: Change) -> Many | None:
        """How *change* goes out together with others of its kind."""
        op, bulk = change.op, change.op.bulk
        if bulk is None:
            return None
        least = math.ceil(bulk.tokens / op.tokens)
        path = fill(bulk.path, {name: change.key[name] for name in bulk.placeholders})
        return Many(path, change, self._send_many, least, bulk.most)

    def _send_many(self, path: str, changes: Sequence[Change]) -> list[str]:
        bulk = changes[0].op.bulk
        assert bulk is not None  # noqa: S101 - _many asked
        work = self.target.begin_work()
        try:
            body = orjson.dumps({"data": [change.body for change in changes]})
            records = work.send(bulk, path, body).data
        except PipedriveError as error:
            raise self._parents.explained(error, "INSERT", changes[0].key) from None
        finally:
            work.close()
        found = [r if isinstance(r, dict) else {} for r in records] if isinstance(records, list) else []
        found += [{}] * (len(changes) - len(found))
        return [key_of(self.table, change, record) for change, record in zip(changes, found)]

    def _with_array(self, verb: str, change: Change, row: Values, old: Values | None, work: Work) -> Change:
        """*change* with the whole array in its body: read afresh, one element added, changed or left out."""
        table = self.table
        record = self._record(change.op, row, work)
        path = table.nested.split(".")
        if path[0] not in record and path[0] in table.asks:  # what comes unasked is left out when it is empty
            raise WriteError(f"{table.name} cannot be written", detail=f"The record came without {path[0]}.")
        elements = dig(record, path) or []
        if old is None:
            array = arrays.added(table, elements, row)
        elif verb == "UPDATE":
            array = arrays.changed(table, elements, old, row)
        else:
            array = arrays.removed(table, elements, old)
        return Change(change.op, change.path, {change.op.array: array}, key=change.key)

    def _record(self, op: Write, row: Values, work: Work) -> Mapping[str, Any]:
        """The record that *op* changes, read afresh: by its get, or else out of its list.

        Raises WriteError when it is gone.
        """
        table = self.table
        if table.get is not None:
            # With the parts that are given only when they are asked for: the array may be one of them
            call = get_call(table, table.get, {n: row[n] for n in table.get.placeholders}, Settings())
            data = work.ask(table.get, call.path, call.params).get("data")
            return data if isinstance(data, dict) else {}
        listing, key = table.listings[0], table.column(op.placeholders[-1])
        path = fill(listing.path, {name: row[name] for name in listing.placeholders})
        limit = () if listing.paging == NONE else (("limit", str(listing.page_max)),)
        params = (*listing.params.items(), *limit)
        for page in pages(lambda asked: work.ask(listing, path, asked), listing, params, f"GET {path}"):
            for record in page:
                if key is not None and isinstance(record, dict) and dig(record, key.path) == row[key.name]:
                    return record
        raise WriteError(f"the record of this row of {table.name} is not there any more")
