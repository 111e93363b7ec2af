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
from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.catalog.model import NONE, OFFSET, Table, Write
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
    deletion,
    difference,
    encoded,
    insertion,
    updates,
)
from pipedrive_fdw.run.backend import command_mark, setting, statement_mark
from pipedrive_fdw.run.fields import READ_ONLY, FieldLookups
from pipedrive_fdw.run.given import Given
from pipedrive_fdw.run.parents import Parents
from pipedrive_fdw.run.returning import key_of, returned_row
from pipedrive_fdw.run.rows import Binding, Row, RowMaker, dig
from pipedrive_fdw.run.scanned import Scan, ScannedRows
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


class Writer:
    """Writes one foreign table. Keeps the rows that a statement scans, to send only what differs."""

    def __init__(self, target: Written) -> None:
        self.target = target
        self.table, self.binding = target.table, target.binding
        self._identity: str | None = None
        self._modifies: Any = None
        self._scanned = ScannedRows((b.name for b in self.binding.columns), not self.table.nested)
        self._parents = Parents(target.table, tables_of(target.options["api_version"]))
        self._shared: set[tuple[str, str, int]] = set()
        self._bound = {b.column.name: b for b in self.binding.columns if b.custom is None}
        self._given = Given(self.binding)

    # ---- what PostgreSQL asks first

    @property
    def row_id(self) -> str:
        """The foreign table's column that identifies a row.

        Raises WriteError where rows can be neither changed nor deleted, and where the column is missing.
        """
        self._check_updatable()
        table = self.table
        if table.update is None and table.delete is None:
            more = "" if table.insert is None else " Rows can be inserted."
            raise WriteError(
                f"{table.name} cannot be changed", detail=f"Pipedrive has no operation for it.{more}"
            )
        name = table.key[0] if len(table.key) == 1 else "row_id"
        if name not in self._bound:
            raise WriteError(
                f"the foreign table of {table.name} has no column {name}, which identifies its rows",
                hint=f"ALTER FOREIGN TABLE … ADD COLUMN {name} …, or import it again.",
            )
        self._identity = self._bound[name].name
        mark = statement_mark()
        if mark != self._modifies:
            self._modifies = mark
            self._shared.clear()
        return self._identity

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

    @property
    def follows(self) -> bool:
        """Whether an UPDATE, DELETE or INSERT of the table runs: PostgreSQL asks for the row id before."""
        return self._identity is not None and self._modifies == statement_mark()

    def kept(
        self, rows: Iterator[Row], columns: frozenset[str], admits: Callable[[Row], bool] | None
    ) -> Iterator[Row]:
        """*rows* of a scan of *columns*, each kept for the change that may follow; *admits*: see Scan."""
        assert self._identity is not None  # noqa: S101 - follows
        extended = [b.name for b in self.binding.columns if b.column.extended and b.column.update]
        # The scan of an UPDATE names most columns, a sub-select, which a LIMIT may end early, rarely does
        most = 2 * len(columns) > len(self.binding.columns)
        ahead = most or any(listing.paging == OFFSET for listing in self.table.listings)
        scan = Scan(columns.issuperset(extended), ahead, TRANSACTION.waiting_rows(self), admits)
        return self._scanned.kept(rows, self._identity, scan)

    # ---- the three verbs

    @_reporting
    def insert(self, values: Values) -> dict[str, Any]:
        self._check_updatable()
        work = self.target.begin_work()
        try:
            row, custom_row = self._given.canonical(values)
            custom = self._custom(None, custom_row, work)
            change = insertion(self.table, row, custom)
            self._parents.check(row, work)
            return self._perform("INSERT", change, dict(values), row, None, work)
        finally:
            work.close()

    @_reporting
    def update(self, row_id: Any, values: Values) -> dict[str, Any]:
        if self._scanned.is_written(row_id):
            return dict(values)
        work = self.target.begin_work()
        try:
            scanned = self._old(row_id, values)
            before = self._named(scanned)
            old, old_custom = self._given.canonical(before, before)
            new, new_custom = self._given.canonical(values, before)
            old = {**self._keys(row_id), **old}
            changed = difference(self.table, old, new)
            custom = self._custom(old_custom, new_custom, work, old.get("custom_fields") or ())
            if custom:
                check_frozen(self.table, old, changed)
            base = {**values, **self._unchanged(scanned, changed)}
            if not changed and not custom:
                return self._named(scanned)
            if self._seen("update", old):
                return base
            self._parents.check(old, work)
            waiting = (row_id, self._reloaded(scanned, values)) if self._waits else None
            for change in updates(self.table, old, changed, custom):
                base = self._perform("UPDATE", change, base, {**old, **changed}, old, work, waiting)
            self._scanned.written(row_id)
            return base
        finally:
            work.close()

    @_reporting
    def delete(self, row_id: Any) -> None:
        self._check_updatable()
        if self._scanned.is_written(row_id):
            return
        work = self.target.begin_work()
        try:
            keys = self._keys(row_id)
            old: Values = keys
            if self.table.nested or not always(self.table, "delete") <= keys.keys():
                found = self._named(self._old(row_id, {}))
                old = {**self._given.canonical(found, found)[0], **keys}
            change = deletion(self.table, old)
            if not self._seen("delete", old):
                self._parents.check(old, work)
                self._perform("DELETE", change, {}, old, old, work, (row_id, None))
            self._scanned.written(row_id)
        finally:
            work.close()

    # ---- values

    def _named(self, row: Row) -> dict[str, Any]:
        return {b.name: value for b, value in zip(self.binding.columns, row)}

    def _custom(
        self, old: Values | None, new: Values, work: Work, present: Collection[str] = ()
    ) -> dict[str, Any]:
        columns = self._given.custom_columns(old, new)
        if not columns:
            return {}
        found = custom_changes(old, new, columns, self.target.lookups(work), self.binding.flat, present)
        if found and self.table.custom_fields in READ_ONLY:
            raise WriteError(
                f"custom fields of {self.table.name} cannot be set",
                detail="Pipedrive has no operation for it. Nothing was sent for this row.",
            )
        return found

    def _keys(self, row_id: Any) -> dict[str, Any]:
        """The key columns that a row id carries; where there are several, the last may hold colons itself."""
        parts = [row_id] if len(self.table.key) == 1 else str(row_id).split(":", len(self.table.key) - 1)
        if len(parts) != len(self.table.key) or None in parts:
            raise WriteError(f"{row_id!r} identifies no row of {self.table.name}")
        types = {c.name: c.type for c in self.table.columns}
        return {n: self._given.parsed(n, CODECS[types[n]], p) for n, p in zip(self.table.key, parts)}

    def _unchanged(self, row: Row, changed: Values) -> dict[str, Any]:
        """*row* without the columns that are *changed*, and without custom fields."""
        bound = zip(self.binding.columns, row)
        return {b.name: v for b, v in bound if b.custom is None and b.column.name not in changed}

    def _reloaded(self, row: Row, values: Values) -> dict[str, Any]:
        """The columns that *values* change in *row*, as a scan would give them."""
        out = {}
        for bound, before in zip(self.binding.columns, row):
            raw, codec = values.get(bound.name), bound.codec
            new = self._given.parsed(bound.name, codec, raw)
            if not same(None if before is None else codec.parse(before), new):
                out[bound.name] = None if new is None else codec.load(codec.dump(new))
        return out

    def _old(self, row_id: Any, values: Values) -> Row:
        """The row as it was scanned; what of it was not, and all of it when it is not kept, is read afresh.

        *values* are those to be written: attrs, which a fresh look-up has in another form, is theirs then.
        """
        scanned, whole = self._scanned.get(row_id)
        if scanned is not None and whole:
            return scanned
        found = self.target.find(self._keys(row_id))
        if found is None:
            raise WriteError(f"row {row_id} of {self.table.name} is not there any more")
        if scanned is None:
            scanned = [values.get(b.name) if b.column is ATTRS else None for b in self.binding.columns]
            return [fresh if given is None else given for fresh, given in zip(found, scanned)]
        pairs = zip(self.binding.columns, scanned, found)
        return [fresh if b.column.extended else before for b, before, fresh in pairs]

    def _seen(self, verb: str, old: Values) -> bool:
        """Whether this command has written the record already that several rows show."""
        if not self.table.shared:
            return False
        mark = (verb, str(old.get(self.table.shared)), command_mark())
        seen = mark in self._shared
        self._shared.add(mark)
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
