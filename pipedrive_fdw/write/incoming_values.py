"""Rows that PostgreSQL gives to a write → canonical values, and back.

Two columns of a foreign table may show the same field of Pipedrive. A request sends one value for the field,
so two different values are an error.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NoReturn

from pipedrive_fdw.custom_fields.columns import CustomColumn
from pipedrive_fdw.custom_fields.kinds import ID, LINKS
from pipedrive_fdw.errors import WriteError, sentences
from pipedrive_fdw.table.binding import Binding, BoundColumn
from pipedrive_fdw.table.records import joined
from pipedrive_fdw.values.codec import CODECS, UNREADABLE, Codec, same
from pipedrive_fdw.values.jsontext import as_it_is, doubles, parse_row, to_json
from pipedrive_fdw.values.shapes import Place, prepared
from pipedrive_fdw.values.times import Far

# By the foreign table's columns, as row_to_json() of PostgreSQL has them.
Values = Mapping[str, Any]


class IncomingValues:
    """Converts the values that a statement gives to the columns of one foreign table."""

    def __init__(self, binding: Binding) -> None:
        self._table, self._columns, self._custom = binding.table, binding.columns, binding.custom
        parent, frozen = binding.table.parent, (name for name, _ in binding.table.frozen)
        keys = (*binding.table.key, *(() if parent is None else (parent.column,)))
        decisive = (*keys, *binding.table.instead, *frozen)
        shown = [b for b in self._columns if b.custom is None and b.column.name in decisive]
        self._decisive = {b.column.name: b for b in reversed(shown)}
        self._structured = [
            b for b in self._columns if b.custom is None and (b.column.shape or b.column.is_list)
        ]
        self._of_one_field = _columns_of_one_field(
            (b.column.name, b.name) for b in self._columns if b.custom is None
        )
        self._custom_of_one_field = _columns_of_one_field(((c.field, c.part), c.name) for c in self._custom)

    def read(self, text: str) -> Values:
        """The row that row_to_json() of PostgreSQL wrote as *text*. Raises WriteError for one that no request
        can hold."""
        try:
            return parse_row(text)
        except ValueError as error:
            raise WriteError(
                f"a row of {self._table.name} cannot be sent",
                detail=sentences(str(error), "Nothing was sent for this row"),
                hint="Look at its columns of type json and jsonb.",
            ) from None

    def canonical(
        self, values: Values, before: Values | None = None, hidden: Container[str] = ()
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Canonical *values* by the catalogue's columns, and those of custom fields by their columns.

        *before* is the row that is changed; it may be *values* itself. Where several columns show one field,
        the column that differs from *before* counts. Members that a jsonb value has in *before* are accepted
        as they are. NULL for a list becomes an empty list. The columns *hidden*, which the scan could not
        show, become UNREADABLE. Keys, and what decides how a row is written, are values of the catalogue's
        types, whatever those of their columns.
        Raises WriteError for a value that the API does not take.
        """
        base: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        for bound in self._columns:
            if bound.name not in values:
                continue
            name = bound.column.name if bound.custom is None else bound.custom.name
            is_hidden = bound.name in hidden
            value = UNREADABLE if is_hidden else self.parsed(bound.name, bound.codec, values[bound.name])
            if isinstance(value, Far) or bound.codec.name == "jsonb":
                self._check(bound, value, values, before or {})
            (base if bound.custom is None else custom)[name] = value
        for names in self._of_one_field:
            several = [b for b in self._columns if b.name in names]
            new = {b.name: self._of_field(b, values.get(b.name)) for b in several}
            old = {b.name: self._of_field(b, (before or {}).get(b.name)) for b in several}
            base[several[0].column.name] = new[_sent_column(self._table.name, names, old, new)]
        for name, bound in self._decisive.items():
            if base.get(name) is not None and base[name] is not UNREADABLE:
                base[name] = self.parsed(bound.name, CODECS[bound.column.type], base[name])
        for bound in self._structured:
            if base.get(bound.column.name, UNREADABLE) is not UNREADABLE:
                base[bound.column.name] = self._prepared(bound, base[bound.column.name], before)
        return base, custom

    def scanned(self, columns: Collection[BoundColumn], row: Sequence[Any]) -> dict[str, Any]:
        """The canonical values of *columns* in a *row* that a scan gave."""
        values = {b.name: v for b, v in zip(self._columns, row) if b in columns}
        read = {
            b.name: b.codec.parse(values[b.name])
            for b in columns
            if b.codec.name == "jsonb" and values[b.name] is not None
        }
        return self.canonical({**values, **read}, {**values, **read})[0]

    def _prepared(self, bound: BoundColumn, value: Any, before: Values | None) -> Any:
        """*value* of a list or an object as it is sent. Raises WriteError for what the API does not take."""
        column = bound.column
        if column.shape is not None:
            was = self.parsed(bound.name, bound.codec, (before or {}).get(bound.name))
            place = Place(f"column {bound.name} of {self._table.name}", bound.name)
            value = prepared(column.shape, value, was, place)
        empties = before is not None and column.is_list and column.update and column.source != "-"
        return [] if value is None and empties else value

    def _check(self, bound: BoundColumn, value: Any, values: Values, before: Values) -> None:
        """Raises WriteError for a changed *value* that JSON cannot hold exactly."""
        try:
            bound.codec.dump(value)
        except ValueError as reason:
            if not self._is_same(bound, before, values):
                self._refuse(bound.name, reason)

    def _is_same(self, bound: BoundColumn, before: Values, values: Values) -> bool:
        old, new = (self.parsed(bound.name, bound.codec, row.get(bound.name)) for row in (before, values))
        return same(old, new)

    def _of_field(self, bound: BoundColumn, raw: Any) -> Any:
        """The canonical value of *raw* for the field that the column *bound* shows, or for the column itself
        where the field has no such value."""
        value = self.parsed(bound.name, bound.codec, raw)
        if value is None or isinstance(value, Far) or "jsonb" in (bound.codec.name, bound.column.type):
            return value
        try:
            return CODECS[bound.column.type].parse(value)
        except (ValueError, TypeError, ArithmeticError):
            return value

    def parsed(self, name: str, codec: Codec, raw: Any) -> Any:
        """The canonical value of *raw*, given to the column *name*. Raises WriteError for a value that
        cannot be sent."""
        if raw is None:
            return None
        try:
            return doubles(raw) if codec.name == "jsonb" else codec.parse(raw)
        except (ValueError, TypeError, ArithmeticError) as error:
            self._refuse(name, error)

    def _refuse(self, name: str, reason: Exception) -> NoReturn:
        raise WriteError(
            f"column {name} of {self._table.name} cannot be sent", detail=sentences(str(reason))
        ) from None

    def custom_columns(self, old: Values | None, new: Values) -> list[CustomColumn]:
        """The columns of custom fields. Where several show the same part of a field, the one that changes.

        *old* and *new* are canonical values by column. Raises WriteError where two of them change
        differently.
        """
        left_out = {name for names in self._custom_of_one_field for name in names}
        left_out -= {
            _sent_column(self._table.name, names, old or {}, new) for names in self._custom_of_one_field
        }
        return [column for column in self._custom if column.name not in left_out]

    def row(self, values: Values) -> list[Any]:
        """*values* of row_to_json() as a row of a scan: what PostgreSQL's input functions read."""
        return [input_value(b.codec, values.get(b.name)) for b in self._columns]

    def input_values(self, values: Values) -> dict[str, Any]:
        """The same as a mapping by the foreign table's columns."""
        return {b.name: v for b, v in zip(self._columns, self.row(values))}

    def keys(self, row_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """The canonical values of the key columns that the canonical *row* lacks, from its *row_id*. The last
        of several may contain colons.

        Raises WriteError for a text that has not the form of a row id.
        """
        table = self._table
        if all(name in row for name in table.key):
            return {}
        parts = row_id.split(":", len(table.key) - 1)
        types = {c.name: c.type for c in table.columns}
        if len(parts) != len(table.key):
            raise WriteError(f"{row_id!r} identifies no row of {table.name}")
        return {n: self.parsed(n, CODECS[types[n]], p) for n, p in zip(table.key, parts) if n not in row}

    def row_ids(self, row: Mapping[str, Any]) -> dict[str, str | None]:
        """The values of columns that join the key, by column, of the canonical *row*."""
        row_id = joined(*(row.get(name) for name in self._table.key))
        return {b.name: row_id for b in self._columns if b.column.source == "@"}

    def changes(self, before: Values, values: Values, custom: Values) -> dict[Any, Any]:
        """The canonical values that *values* change in the row *before*, by BoundColumn.key. *custom* are the
        custom fields that are sent, by key: a link has two columns, whichever was set."""
        changed: dict[Any, Any] = {}
        for bound in self._columns:
            old, new = (self.parsed(bound.name, bound.codec, v.get(bound.name)) for v in (before, values))
            if not same(old, new):
                changed[bound.key] = new
        for column in self._custom:
            if column.kind in LINKS and column.field in custom:
                number = custom[column.field]
                changed[(column.field, ID)] = number
                changed[(column.field, "")] = None if number is None else {"value": number}
        return changed

    def unread(self, before: Values) -> list[BoundColumn]:
        """The extended columns that the scan of the row *before* did not give."""
        return [b for b in self._columns if b.column.extended and before.get(b.name) is None]

    def json(self, values: Values) -> str:
        """*values* for PostgreSQL's input functions, by column, as the JSON text that json_populate_record()
        reads."""
        documents = {b.name for b in self._columns if b.codec.name == "jsonb"}
        return to_json(
            {n: as_it_is(v) if n in documents and isinstance(v, str) else v for n, v in values.items()}
        )


def input_value(codec: Codec, raw: Any) -> Any:
    """*raw* of row_to_json() as the type's input function reads it."""
    if raw is None:
        return None
    if codec.name == "jsonb":
        return to_json(doubles(raw))
    if isinstance(raw, Decimal):
        return str(raw)
    return codec.load(raw) if isinstance(raw, list) else raw


def _columns_of_one_field(fields: Iterable[tuple[Hashable, str]]) -> list[list[str]]:
    """The columns of each field that has several, from pairs (field, column)."""
    columns: dict[Hashable, list[str]] = {}
    for field, column in fields:
        columns.setdefault(field, []).append(column)
    return [names for names in columns.values() if len(names) > 1]


def _sent_column(table: str, names: Sequence[str], old: Values, new: Values) -> str:
    """The column whose value is sent, of the columns *names*, which show one field.

    *old* are the canonical values before an UPDATE, *new* those after it, by column. Raises WriteError where
    two columns change to different values.
    """
    given = [name for name in names if name in new and not same(old.get(name), new[name])]
    for other in given[1:]:
        if not same(new[given[0]], new[other]):
            raise WriteError(
                f"columns {given[0]} and {other} of {table} are the same field of Pipedrive",
                detail="They were given different values, and only one can be sent. "
                "Nothing was sent for this row.",
                hint="Set one of them, or both to the same value.",
            )
    return (given or names)[0]
