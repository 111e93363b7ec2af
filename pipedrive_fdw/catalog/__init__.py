"""The catalogue: every table of the wrapper, by name. One file for each family of objects."""

from __future__ import annotations

from functools import cache

from pipedrive_fdw.catalog import (
    account,
    activities,
    changes,
    contacts,
    deal_items,
    deals,
    fields,
    figures,
    files,
    leads,
    links,
    mail,
    nested,
    notes,
    products,
    projects,
    rights,
    subscriptions,
    teams,
    users,
)
from pipedrive_fdw.catalog.model import Table

FAMILIES = (
    deals,
    deal_items,
    contacts,
    links,
    activities,
    products,
    leads,
    notes,
    files,
    mail,
    projects,
    fields,
    nested,
    users,
    rights,
    teams,
    account,
    changes,
    figures,
    subscriptions,
)
TABLES: dict[str, Table] = {table.name: table for family in FAMILIES for table in family.TABLES}


@cache
def tables_of(api_version: str) -> dict[str, Table]:
    """The catalogue under the option api_version: 'v2', or 'v1' for the old core. Few accounts use 'v1', so
    its tables are made when they are first needed."""
    if api_version == "v2":
        return TABLES
    from pipedrive_fdw.catalog import v1

    return {**TABLES, **v1.CHANGED}


def is_old(table: Table) -> bool:
    """True for a table that the option api_version 'v1' has in a form of its own."""
    return TABLES.get(table.name) is not table and tables_of("v1").get(table.name) is table
