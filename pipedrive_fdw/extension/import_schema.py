"""IMPORT FOREIGN SCHEMA: catalogue and field definitions → definitions of foreign tables. No Multicorn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Callable

from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.custom_fields.columns import custom_columns
from pipedrive_fdw.custom_fields.field import Field
from pipedrive_fdw.errors import OptionError
from pipedrive_fdw.options import Options, kept_by_tables
from pipedrive_fdw.read.field_lookups import definitions, imported_fields
from pipedrive_fdw.session.account_sessions import session_for
from pipedrive_fdw.session.request_scope import RequestScope
from pipedrive_fdw.session.sent_request import noted
from pipedrive_fdw.session.session import Guards
from pipedrive_fdw.table.binding import no_table

SCHEMA = "pipedrive"
MOST_COLUMNS = 1600
# Seconds for which definitions that were read serve the same comparison.
_JUST_NOW = 60
# The custom fields of a table's records.
Fields = Callable[[Table], Sequence[Field]]


@dataclass(frozen=True)
class ImportedColumn:
    """A column of an imported table, with its OPTIONS."""

    name: str
    type: str
    options: Mapping[str, str] = field(default_factory=dict)
    not_null: bool = False


@dataclass(frozen=True)
class ImportedTable:
    """A foreign table that IMPORT FOREIGN SCHEMA defines, with its OPTIONS."""

    name: str
    columns: tuple[ImportedColumn, ...]
    options: Mapping[str, str]


def imported_table(
    table: Table, options: Options, given: Mapping[str, str], fields: Sequence[Field]
) -> ImportedTable:
    """The foreign table that shows *table* whole, with columns for its custom *fields*.

    Raises OptionError when they are too many.
    """
    names = [column.name for column in (*table.columns, ATTRS)]
    custom = custom_columns(
        fields, names, names=options.custom_field_names, choices=options.custom_field_options
    )
    columns = [
        *(ImportedColumn(c.name, c.type, not_null=c.not_null) for c in table.columns),
        *(ImportedColumn(c.name, c.type, c.options) for c in custom),
        *([ImportedColumn(ATTRS.name, ATTRS.type)] if options.attrs else []),
    ]
    if len(columns) > MOST_COLUMNS:
        raise OptionError(
            f"{table.name} would have {len(columns)} columns, and PostgreSQL allows {MOST_COLUMNS}",
            hint=f"Import it by itself: LIMIT TO ({table.name}) … OPTIONS (custom_fields 'false'); its "
            "column custom_fields holds all of them. Import the others with EXCEPT.",
        )
    kept = kept_by_tables(given, custom=bool(table.custom_fields))
    return ImportedTable(table.name, tuple(columns), {"table": table.name, **kept})


@contextmanager
def _requests_for(table: Table, options: Options) -> Iterator[RequestScope]:
    guards = Guards(options.max_tokens_per_query, options.reserve_tokens)
    requests = RequestScope(session_for(options), guards, noted=noted(options, table.name))
    try:
        yield requests
    finally:
        requests.close()


def account_fields(options: Options) -> Fields:
    """A function that gives the custom fields of a table; it reads those of each kind of record once."""
    known: dict[str, Sequence[Field]] = {}

    def fields(table: Table) -> Sequence[Field]:
        entity = "deal" if table.custom_fields == "lead" else table.custom_fields
        if not entity or not options.custom_fields:
            return ()
        if entity not in known:
            with _requests_for(table, options) as requests:
                known[entity] = imported_fields(
                    requests, table, api_version=options.api_version, required=options.require_fields
                )
        return known[entity]

    return fields


def defined_fields(options: Options, name: str) -> list[str]:
    """The keys of all custom fields of the table *name*, also of those that an import makes no column for.

    They are those that an import has just read, or are read now. Raises OptionError where there is no such
    table.
    """
    tables = tables_of(options.api_version)
    if name not in tables:
        raise no_table([name], tables)
    table = tables[name]
    if not table.custom_fields:
        return []
    with _requests_for(table, options) as requests:
        listed = definitions(requests, table.custom_fields, options.api_version, _JUST_NOW)
        return [one.key for one in listed]


def import_schema(
    schema: str,
    restriction: str,
    names: Iterable[str],
    options: Options,
    given: Mapping[str, str],
    fields: Fields,
) -> list[ImportedTable]:
    """The tables of ``IMPORT FOREIGN SCHEMA``; *restriction* is 'limit', 'except' or anything else for all.

    *options* are those of server, user mapping and import. *given* are the options of the import alone; the
    tables keep them, so that ``refresh_columns`` makes the same columns.

    Raises OptionError when *schema* or a name of LIMIT TO or EXCEPT is not there.
    """
    if schema != SCHEMA:
        raise OptionError(
            f'there is no schema "{schema}" to import',
            hint=f"IMPORT FOREIGN SCHEMA {SCHEMA} FROM SERVER … INTO …",
        )
    tables = tables_of(options.api_version)
    listed = list(names)
    # What one version of the API has may well be left out of the other's
    known = {**tables_of("v1"), **tables_of("v2")} if restriction == "except" else tables
    unknown = set(listed) - set(known)
    if restriction and unknown:
        raise no_table(unknown, known)
    if restriction == "limit":
        chosen = [tables[name] for name in dict.fromkeys(listed)]
    elif restriction == "except":
        chosen = [table for name, table in tables.items() if name not in listed]
    else:
        chosen = list(tables.values())
    return [imported_table(table, options, given=given, fields=fields(table)) for table in chosen]
