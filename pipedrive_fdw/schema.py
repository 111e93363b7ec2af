"""IMPORT FOREIGN SCHEMA: the catalogue → definitions of foreign tables. Knows no Multicorn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.errors import OptionError

SCHEMA = "pipedrive"


@dataclass(frozen=True)
class ForeignColumn:
    name: str
    type: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ForeignTable:
    name: str
    columns: tuple[ForeignColumn, ...]
    options: Mapping[str, str]


def foreign_table(table: Table) -> ForeignTable:
    """The foreign table that shows *table* whole."""
    columns = [ForeignColumn(c.name, c.type) for c in (*table.columns, ATTRS)]
    return ForeignTable(table.name, tuple(columns), {"table": table.name})


def import_schema(
    schema: str, restriction: str, names: Iterable[str], api_version: str = "v2"
) -> list[ForeignTable]:
    """The tables of ``IMPORT FOREIGN SCHEMA``; *restriction* is 'limit', 'except' or anything else for all.

    Raises OptionError when *schema* or a name of LIMIT TO is not there.
    """
    if schema != SCHEMA:
        raise OptionError(
            f'there is no schema "{schema}" to import',
            hint=f"IMPORT FOREIGN SCHEMA {SCHEMA} FROM SERVER … INTO …",
        )
    tables = tables_of(api_version)
    listed = list(names)
    unknown = sorted(set(listed) - set(tables))
    if restriction == "limit" and unknown:
        raise OptionError(
            f"Pipedrive has no table {', '.join(unknown)}",
            hint=f"The tables are: {', '.join(sorted(tables))}.",
        )
    if restriction == "limit":
        chosen = [tables[name] for name in dict.fromkeys(listed)]
    elif restriction == "except":
        chosen = [table for name, table in tables.items() if name not in listed]
    else:
        chosen = list(tables.values())
    return [foreign_table(table) for table in chosen]
