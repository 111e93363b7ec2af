"""A foreign table's definition → the declarations behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.codec import CODECS, Codec, bare_type, codec_for
from pipedrive_fdw.errors import OptionError, did_you_mean, sentences
from pipedrive_fdw.run.rows import Binding, BoundColumn, bind_custom

# The OPTIONS of a column, and those of one that shows a custom field.
_OPTIONS = ("column",)
_CUSTOM_OPTIONS = ("field", "type", "part")


class ColumnDefinition(Protocol):
    column_name: str
    type_name: str
    base_type_name: str
    options: Mapping[str, str]


def table_named(name: str, catalogue: Mapping[str, Table]) -> Table:
    """Raises OptionError for a table that the catalogue has not."""
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
    """The error of *names* that are no tables of the *catalogue*."""
    known, wrong = sorted(catalogue), sorted(names)
    meant = (did_you_mean(name, known) for name in wrong)
    return OptionError(
        f"Pipedrive has no table {', '.join(wrong)}",
        hint=sentences(*meant, f"The tables are: {', '.join(known)}"),
    )


def bind(table: Table, columns: Mapping[str, ColumnDefinition]) -> Binding:
    """The declarations behind the columns of the foreign table, in their order.

    Raises OptionError for a column or a type that cannot be served.
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
                    "To call one by another name: ALTER FOREIGN TABLE … "
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
            hint=f"The types are: {', '.join(sorted(CODECS))}; a domain over one of them is not.",
        ) from None
