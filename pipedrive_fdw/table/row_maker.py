"""Records of the API → rows of PostgreSQL, by a function that is compiled for the columns that are wanted.

A row is a list in the order of the foreign table's columns, since Multicorn takes lists several times
faster than dicts. A column that is not wanted is NULL, and nothing of the record is read for it.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Callable

from pipedrive_fdw.catalog.model import Column, Table
from pipedrive_fdw.custom_fields.columns import CustomColumn
from pipedrive_fdw.custom_fields.kinds import ID
from pipedrive_fdw.custom_fields.reading import NO_LOOKUPS, Lookups, plain_fields, plain_record, reader_of
from pipedrive_fdw.errors import DataError, quoted, sentences
from pipedrive_fdw.masking import beginning
from pipedrive_fdw.table.binding import Binding, BoundColumn
from pipedrive_fdw.table.records import READERS, Record, Row, column_value, dig, joined, root_fields

# How much an error shows of a value.
_SHOWN = 200

_WHOLE = {"*": "outer", "#": "root_fields(outer)", "-": "None"}
# Where requests ask for labels, what shows a record as it came leaves them out: a get or an archived row
# has none, and the content of a column must not depend on the request. Worked out once a row.
_PLAIN = {"attrs": "plain_record(outer, {plain})", "custom_fields": "{plain}"}
_PLAIN_ONCE = "(plain := plain_fields(outer.get('custom_fields')))"
# The object that holds the custom fields, read once a row.
_FLAT, _NESTED = "outer", "(outer.get('custom_fields') or {})"


Read = Callable[[Record, Record, Mapping[str, Any], Lookups], Any]


def compile_rows(binding: Binding, wanted: Container[str]) -> Read:
    """A function (record or nested element, outer record, echo, look-ups) → row, whose columns *wanted* are
    filled.

    The source is put together from the declarations of this package alone; names stand in it as literals.
    """
    names, cells = _sources(binding, wanted)
    return eval(f"lambda record, outer, echo, look: [{', '.join(cells)}]", names)  # type: ignore[no-any-return]  # noqa: S307 - see the docstring # nosec B307


def compile_cell(binding: Binding, number: int) -> Read:
    """A function of the same form that gives the value of one column."""
    names, cells = _sources(binding, (binding.columns[number].name,))
    return eval(f"lambda record, outer, echo, look: {cells[number]}", names)  # type: ignore[no-any-return]  # noqa: S307 - as above # nosec B307


def _sources(binding: Binding, wanted: Container[str]) -> tuple[dict[str, Any], list[str]]:
    """The values of the names that the sources use, and the source of each cell; cells are run in order."""
    names: dict[str, Any] = {
        "dig": dig,
        "root_fields": root_fields,
        "joined": joined,
        "readers": READERS,
        "plain_record": plain_record,
        "plain_fields": plain_fields,
    }
    plain = _PLAIN if binding.table.custom_fields and not binding.flat else {}
    once = _PLAIN_ONCE
    fields = f"(fields := {_FLAT if binding.flat else _NESTED})"
    cells = []
    for number, bound in enumerate(binding.columns):
        if bound.name not in wanted:
            cells.append("None")
            continue
        column = bound.column
        names[f"load{number}"] = bound.codec.load
        if bound.custom is not None:
            value = _custom_expression(bound.custom, fields, f"read{number}", names, binding.flat)
            fields = "fields"
        elif column.name in plain and column.source != "-":
            value = plain[column.name].format(plain=once)
            once = "plain"
        else:
            value = _expression(column, binding.table)
        cells.append(f"(None if (v := {value}) is None else v if {bound.codec.passes} else load{number}(v))")
    return names, cells


def _custom_expression(
    column: CustomColumn, fields: str, name: str, names: dict[str, Any], flat: bool
) -> str:
    """The source of a custom field's JSON value; *fields* is the source of the object that holds it."""
    value = f"{fields}.get({column.field!r})"
    reader = reader_of(column)
    if reader is None:
        return value
    names[name] = reader
    if flat and column.part not in ("", ID):  # beside a value, which may be null
        return f"{name}({value}, fields, look)"
    return f"(None if (v := {value}) is None else {name}(v, fields, look))"


def _expression(column: Column, table: Table) -> str:
    """The source of the column's JSON value."""
    if column.echo:
        return f"echo.get({column.name!r})"
    if column.source in _WHOLE:
        return _WHOLE[column.source]
    if column.source == "@":
        keys = [table.column(name) for name in table.key]
        parts = ", ".join(_expression(key, table) for key in keys if key is not None)
        return f"joined({parts})"
    base = "outer" if column.outer else "record"
    path = column.path
    if column.reader:
        value = f"readers[{column.reader!r}]({base}, {path!r})"
    elif len(path) == 1:
        value = f"{base}.get({path[0]!r})"
    else:
        value = f"dig({base}, {path!r})"
    return f"(echo[{column.name!r}] if {column.name!r} in echo else {value})" if column.held else value


# What reading or converting a value of a form that nobody expects ends in.
_FAULTS = (ValueError, TypeError, AttributeError, ArithmeticError, LookupError)


# What is told of a row: the columns whose odd values are NULL in it
Note = Callable[[Row, "list[str]"], None]


class RowMaker:
    """Turns records of one scan into rows.

    The foreign table's columns *wanted* are filled, all of them when None, and the others are NULL. A value
    that PostgreSQL cannot hold is an error that names table, column and record. A maker from ``forgiving``
    shows NULL for such a value.
    """

    def __init__(self, binding: Binding, wanted: Container[str] | None = None) -> None:
        self.binding = binding
        self._nested = tuple(binding.table.nested.split(".")) if binding.table.nested else ()
        self._wanted = binding.names if wanted is None else wanted
        self._row = compile_rows(binding, self._wanted)
        self._cells: dict[int, Read] = {}
        self._forgiven: Container[str] = ()
        self._note: Note | None = None

    def forgiving(self, columns: Container[str], note: Note | None = None) -> RowMaker:
        """A maker that shows NULL in *columns* for a value that PostgreSQL cannot hold.

        *note* is called with each such row and the columns that show NULL in it.
        """
        made = copy.copy(self)
        made._forgiven, made._note = columns, note
        return made

    def rows(
        self, records: Iterable[Record], echo: Mapping[str, Any], look: Lookups = NO_LOOKUPS
    ) -> Iterator[Row]:
        for outer in records:
            for element in self._elements(outer):
                try:
                    yield self._row(element, outer, echo, look)
                except _FAULTS:
                    yield self._mended(element, outer, echo, look)

    def one(self, element: Record, outer: Record, echo: Mapping[str, Any], look: Lookups) -> Row:
        """The row of one record, or of one *element* of it."""
        try:
            row: Row = self._row(element, outer, echo, look)
        except _FAULTS:
            return self._mended(element, outer, echo, look)
        return row

    def refuse(self, column: str, record: Record, echo: Mapping[str, Any], reason: Exception) -> None:
        """Raises the error of a value of the catalogue's *column* that PostgreSQL cannot hold, unless the
        column shows NULL then."""
        for bound in self.binding.columns:
            if bound.column.name == column and bound.name not in self._forgiven:
                raise self._odd(bound, record, record, echo, reason)

    def _elements(self, outer: Record) -> Iterable[Record]:
        if not self._nested:
            return (outer,)
        found = dig(outer, self._nested)
        return found if isinstance(found, list) else ()

    def _mended(self, record: Record, outer: Record, echo: Mapping[str, Any], look: Lookups) -> Row:
        """The row that could not be made at once, cell by cell."""
        if not isinstance(record, dict) or not isinstance(outer, dict):
            raise DataError(
                f"a record of {self.binding.table.name} is not an object",
                detail=f"It is {quoted(record)}.",
                hint="Try again. If that does not help, Pipedrive answers in a form that is not known here.",
            )
        row: Row = []
        odd = []
        for number, bound in enumerate(self.binding.columns):
            if number not in self._cells:
                self._cells[number] = compile_cell(self.binding, number)
            try:
                value = self._cells[number](record, outer, echo, look) if bound.name in self._wanted else None
            except _FAULTS as reason:
                if bound.name not in self._forgiven:
                    raise self._odd(bound, record, outer, echo, reason) from None
                value = None
                odd.append(bound.name)
            row.append(value)
        if odd and self._note is not None:
            self._note(row, odd)
        return row

    def _odd(
        self, bound: BoundColumn, record: Record, outer: Record, echo: Mapping[str, Any], reason: Exception
    ) -> DataError:
        table = self.binding.table
        keys = (table.column(name) for name in table.key)
        parts = [column_value(c, outer if c.outer else record, echo) for c in keys if c is not None]
        record_key = ":".join(beginning(str(part), _SHOWN) for part in parts)
        return DataError(
            f"column {bound.name} of {table.name} cannot show a value of Pipedrive as {bound.codec.name}",
            detail=sentences(f"Record {record_key}: {beginning(str(reason), _SHOWN)}"),
            hint="Leave the column out of the query, correct the record in Pipedrive, or have NULL shown for "
            "such values: ALTER FOREIGN TABLE … OPTIONS (ADD odd_values 'null'), or ALTER SERVER likewise. "
            "The column attrs keeps them as they came.",
        )
