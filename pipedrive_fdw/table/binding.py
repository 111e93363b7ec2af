"""The columns of a foreign table, each with the catalogue's column or the custom field that it shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, NamedTuple, Protocol

from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.catalog.model import Column, Table
from pipedrive_fdw.custom_fields.columns import CustomColumn, from_options
from pipedrive_fdw.errors import OptionError, did_you_mean, sentences
from pipedrive_fdw.table.records import Row
from pipedrive_fdw.values.codec import CODECS, Codec, bare_type, codec_for

# The OPTIONS of a column, and those of one that shows a custom field.
_OPTIONS = ("column",)
_CUSTOM_OPTIONS = ("field", "type", "part")


class ColumnDefinition(Protocol):
    column_name: str
    type_name: str
    base_type_name: str
    options: Mapping[str, str]


def table_named(name: str, catalogue: Mapping[str, Table]) -> Table:
    """The table *name* of the *catalogue*. Raises OptionError where it has none."""
    if not name:
        raise OptionError(
            "the foreign table names no table of Pipedrive",
            hint="Add OPTIONS (table 'deals'), or use IMPORT FOREIGN SCHEMA.",
        )
    try:
        return catalogue[name]
    except KeyError:
        raise no_table((name,), catalogue) from None


def no_table(names: Iterable[str], catalogue: Iterable[str]) -> OptionError:
    """The error for *names* that are no tables of the *catalogue*, with the names that may be meant."""
    known, wrong = sorted(catalogue), sorted(names)
    meant = [did_you_mean(name, known) for name in wrong]
    tables = "" if all(meant) else f"The tables are: {', '.join(known)}"
    return OptionError(f"Pipedrive has no table {', '.join(wrong)}", hint=sentences(*meant, tables))


def bind(table: Table, columns: Mapping[str, ColumnDefinition]) -> Binding:
    """Binds *columns* of a foreign table to *table*.

    Raises OptionError for a column that *table* does not have and for a type without a codec.
    """
    bound = []
    for name, definition in columns.items():
        options = definition.options or {}
        _check_options(table, name, options)
        if "field" in options:
            bound.append(bind_custom(table, name, _codec(table, definition), options))
            continue
        source = options.get("column", name)
        column = ATTRS if source == ATTRS.name else table.column(source)
        if column is None:
            known = [c.name for c in (*table.columns, ATTRS)]
            raise OptionError(
                f'table {table.name} has no column "{source}"',
                hint=sentences(
                    did_you_mean(source, known),
                    f"Its columns are: {', '.join(known)}",
                    "To give one another name: ALTER FOREIGN TABLE … "
                    "ALTER COLUMN name OPTIONS (ADD column 'name'), and then RENAME COLUMN",
                ),
            )
        bound.append(BoundColumn(name, _codec(table, definition), column))
    return Binding(table, tuple(bound))


def _check_options(table: Table, name: str, options: Mapping[str, str]) -> None:
    """Raises OptionError for an option that the column does not have."""
    known = _CUSTOM_OPTIONS if "field" in options else _OPTIONS
    for option in options:
        if option not in known:
            raise OptionError(
                f'column {name} of {table.name} cannot have the option "{option}"',
                hint="The options of a column are column, or for a custom field "
                f"{', '.join(_CUSTOM_OPTIONS[:-1])} and {_CUSTOM_OPTIONS[-1]}.",
            )


def _codec(table: Table, definition: ColumnDefinition) -> Codec:
    try:
        return codec_for(bare_type(definition.type_name))
    except ValueError as error:
        raise OptionError(
            f"column {definition.column_name} of {table.name}: {error}",
            hint=f"The types are: {', '.join(sorted(CODECS))}. Also integer, smallint, double precision, "
            "real, varchar, char and json. Domains are not supported.",
        ) from None


class BoundColumn(NamedTuple):
    """A column of the foreign table.

    name    its name in PostgreSQL
    codec   converts its values
    column  the catalogue's column; for a custom field one that only has a name and a type
    custom  the custom field that it shows, None for the others
    """

    name: str
    codec: Codec
    column: Column
    custom: CustomColumn | None = None

    @property
    def key(self) -> str | tuple[str, str]:
        """Its identity, which renaming does not change: the name in the catalogue, or key and part of a
        custom field."""
        return self.column.name if self.custom is None else (self.custom.field, self.custom.part)


class Binding(NamedTuple):
    """A foreign table: the catalogue's table and the columns that PostgreSQL knows, in their order."""

    table: Table
    columns: tuple[BoundColumn, ...]

    @property
    def names(self) -> frozenset[str]:
        """The names of the columns in PostgreSQL."""
        return frozenset(bound.name for bound in self.columns)

    def codec(self, name: str) -> Codec | None:
        for bound in self.columns:
            if bound.column.name == name:
                return bound.codec
        return None

    @property
    def custom(self) -> tuple[CustomColumn, ...]:
        """The custom fields that columns show."""
        return tuple(bound.custom for bound in self.columns if bound.custom is not None)

    def needed(self, named: frozenset[str]) -> tuple[tuple[str, ...], bool]:
        """The keys of the custom fields in the columns *named*, and true if one of these shows labels."""
        columns = [b.custom for b in self.columns if b.custom is not None and b.column.name in named]
        keys = tuple(dict.fromkeys(column.field for column in columns))
        if not keys:  # no key at all would ask for every field
            keys = tuple(column.field for column in self.custom[:1])
        return keys, any(column.labelled for column in columns)

    @property
    def flat(self) -> bool:
        """True if a record has its custom fields at the root, as in v1 and in leads."""
        shown = self.table.column("custom_fields")
        if shown is None:
            return any(listing.version == 1 for listing in self.table.listings)
        return shown.source == "#"

    @property
    def labelled(self) -> bool:
        """True if a column shows labels of options."""
        return any(column.labelled for column in self.custom)


def bind_custom(table: Table, name: str, codec: Codec, options: Mapping[str, str]) -> BoundColumn:
    """A column that shows a custom field; no condition on it is sent, whatever its name is.

    Raises OptionError where its OPTIONS do not say which field it shows.
    """
    taken = name == ATTRS.name or table.column(name) is not None
    column = Column(f"custom field {name}" if taken else name, codec.name)
    return BoundColumn(name, codec, column=column, custom=from_options(name, codec.name, options))


def has_values(binding: Binding, wanted: Mapping[str, Sequence[Any]]) -> Callable[[Row], bool]:
    """A function that is true for rows with one of the canonical values *wanted* in each of these columns.
    Columns that the row does not have are not compared; of several that show one, any may have the value."""
    tests = []
    for name, values in wanted.items():
        shown = enumerate(binding.columns)
        places = [(n, b.codec.parse) for n, b in shown if b.custom is None and b.column.name == name]
        if places:
            tests.append((places, values))
    return lambda row: all(
        any(row[n] is not None and parse(row[n]) in values for n, parse in places) for places, values in tests
    )
