"""Records of the API → rows of PostgreSQL, by a function that is compiled for the columns that are wanted.

A row is a list in the order of the foreign table's columns. A column that is not wanted is NULL, and nothing
of the record is read for it.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Callable, overload

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
# has none, and the content of a column must not depend on the request. That is worked out once a row.
_PLAIN = {"attrs": "plain_record(outer, {plain})", "custom_fields": "{plain}"}
_PLAIN_ONCE = "(plain := plain_fields(outer.get('custom_fields')))"
# The object that holds the custom fields, read once a row.
_FLAT, _NESTED = "outer", "(outer.get('custom_fields') or {})"


Read = Callable[[Record, Record, Mapping[str, Any], Lookups], Any]
# (source of an object, key) → source of the member's value, None where the object has none
Member = Callable[[str, str], str]


class _Members:
    """The members that a row is made of. All those of one object are read at once, into local variables."""

    def __init__(self) -> None:
        self._locals: dict[str, dict[str, str]] = {"record": {}, "outer": {}, "fields": {}}

    def __call__(self, base: str, key: str) -> str:
        found = self._locals[base]
        return found.setdefault(key, f"{base}{len(found)}")

    def statements(self, base: str, names: dict[str, Any]) -> list[str]:
        """Statements that set the variables of the object *base*; *names* gets what they use."""
        found = self._locals[base]
        if len(found) < 2:  # itemgetter gives no tuple of one
            return [f"{variable} = {base}.get({key!r})" for key, variable in found.items()]
        names[f"{base}_members"] = itemgetter(*found)
        names[f"no_{base}"] = dict.fromkeys(found)
        variables = ", ".join(found.values())
        return [
            f"try: {variables} = {base}_members({base})",
            f"except KeyError: {variables} = {base}_members({{**no_{base}, **{base}}})",
        ]


def compile_rows(binding: Binding, wanted: Container[str]) -> Read:
    """A function (record or nested element, outer record, echo, look-ups) → row, whose columns *wanted* are
    filled.

    The source is put together from the declarations of this package alone; names stand in it as literals.
    """
    members = _Members()
    names, cells = _sources(binding, wanted, members)
    statements = [*members.statements("record", names), *members.statements("outer", names)]
    if any(bound.custom is not None and bound.name in wanted for bound in binding.columns):
        statements.append(f"fields = {_FLAT if binding.flat else _NESTED}")
        statements += members.statements("fields", names)
    statements.append(f"return [{', '.join(cells)}]")
    body = "\n  ".join(statements)
    exec(f"def row(record, outer, echo, look):\n  {body}", names)  # noqa: S102 - see the docstring # nosec B102
    return names["row"]  # type: ignore[no-any-return]


def compile_cell(binding: Binding, number: int) -> Read:
    """A function of the same form that gives the value of one column."""
    bound = binding.columns[number]
    fields = _FLAT if binding.flat else _NESTED

    def member(base: str, key: str) -> str:
        return f"{f'(fields := {fields})' if base == 'fields' else base}.get({key!r})"

    names, cells = _sources(binding, (bound.name,), member)
    return eval(f"lambda record, outer, echo, look: {cells[number]}", names)  # type: ignore[no-any-return]  # noqa: S307 - as above # nosec B307


def _sources(binding: Binding, wanted: Container[str], member: Member) -> tuple[dict[str, Any], list[str]]:
    """The values of the names that the sources use, and the source of each cell; cells are run in order."""
    names: dict[str, Any] = {
        "dig": dig,
        "root_fields": root_fields,
        "joined": joined,
        "readers": READERS,
        "plain_record": plain_record,
        "plain_fields": plain_fields,
    }
    shown_plain = _PLAIN if binding.table.custom_fields and not binding.flat else {}
    plain = _PLAIN_ONCE
    cells = []
    for number, bound in enumerate(binding.columns):
        if bound.name not in wanted:
            cells.append("None")
            continue
        column, passes = bound.column, bound.codec.passes
        names[f"load{number}"] = bound.codec.load
        if bound.custom is not None:
            value = _custom_expression(bound.custom, f"read{number}", names, binding.flat, member)
        elif column.name in shown_plain and column.source != "-":
            value = shown_plain[column.name].format(plain=plain)
            plain = "plain"
        else:
            value = _expression(column, binding.table, member)
        cells.append(f"(None if (v := {value}) is None else v if {passes} else load{number}(v))")
    return names, cells


def _custom_expression(
    column: CustomColumn, name: str, names: dict[str, Any], flat: bool, member: Member
) -> str:
    """The source of a custom field's JSON value."""
    value = member("fields", column.field)
    reader = reader_of(column)
    if reader is None:
        return value
    names[name] = reader
    if flat and column.part not in ("", ID):  # beside a value, which may be null
        return f"{name}({value}, fields, look)"
    return f"(None if (v := {value}) is None else {name}(v, fields, look))"


def _expression(column: Column, table: Table, member: Member) -> str:
    """The source of the column's JSON value."""
    if column.echo:
        return f"echo.get({column.name!r})"
    beside = {c.name for c in table.columns if c.extended}
    if column.source == "*" and beside:  # a file beside its own column, or what only some requests ask for
        return f"{{k: v for k, v in outer.items() if k not in {beside!r}}}"
    if column.source in _WHOLE:
        return _WHOLE[column.source]
    if column.source == "@":
        keys = [table.column(name) for name in table.key]
        parts = ", ".join(_expression(key, table, member) for key in keys if key is not None)
        return f"joined({parts})"
    base = "outer" if column.outer else "record"
    path = column.path
    if column.reader:
        value = f"readers[{column.reader!r}]({base}, {path!r})"
    elif len(path) == 1:
        value = member(base, path[0])
    else:
        value = f"dig({base}, {path!r})"
    return f"(echo[{column.name!r}] if {column.name!r} in echo else {value})" if column.held else value


# What reading or converting a value of a form that nobody expects ends in.
_FAULTS = (ValueError, TypeError, AttributeError, ArithmeticError, LookupError)


# What is told of a row: the columns whose odd values are NULL in it
Note = Callable[[Row, "list[str]"], None]


class LazyRows(Sequence[Row]):
    """The rows of some records, each of which is made when it is taken."""

    def __init__(
        self,
        maker: RowMaker,
        parts: Sequence[tuple[Record, Record]],
        echo: Mapping[str, Any],
        look: Lookups,
    ) -> None:
        """*parts* are the elements of rows, each with the record that it belongs to."""
        self._maker = maker
        self._parts = parts
        self._echo = echo
        self._look = look

    def __len__(self) -> int:
        return len(self._parts)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> LazyRows: ...

    def __getitem__(self, place: int | slice) -> Row | LazyRows:
        if isinstance(place, slice):
            return LazyRows(self._maker, self._parts[place], self._echo, self._look)
        return self._maker.one(*self._parts[place], self._echo, self._look)

    def __iter__(self) -> Iterator[Row]:
        for element, outer in self._parts:
            yield self._maker.one(element, outer, self._echo, self._look)


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
        self, records: Sequence[Record], echo: Mapping[str, Any], look: Lookups = NO_LOOKUPS
    ) -> LazyRows:
        """The rows of *records*."""
        parts = [(element, outer) for outer in records for element in self._elements(outer)]
        return LazyRows(self, parts, echo, look)

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
                hint="Try again. If that does not help, Pipedrive answers in a form that pipedrive_fdw does "
                "not know.",
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
        other = bound.custom is None and bound.codec.name != bound.column.type
        mend = f"declare it as {bound.column.type}" if other else "correct the record in Pipedrive"
        return DataError(
            f"column {bound.name} of {table.name} cannot show a value of Pipedrive as {bound.codec.name}",
            detail=sentences(f"Record {record_key}: {beginning(str(reason), _SHOWN)}"),
            hint=f"Leave the column out of the query, {mend}, or have NULL shown for "
            "such values: ALTER FOREIGN TABLE … OPTIONS (ADD odd_values 'null'), or ALTER SERVER likewise. "
            "The column attrs keeps them as they came.",
        )
