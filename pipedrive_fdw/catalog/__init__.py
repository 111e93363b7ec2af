"""The catalogue: every table of the wrapper, by name. One file for each family of objects."""

from __future__ import annotations

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
    v1,
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

_VERSIONS = {"v2": TABLES, "v1": {**TABLES, **v1.CHANGED}}


def tables_of(api_version: str) -> dict[str, Table]:
    """The catalogue under the option api_version: 'v2', or 'v1' for the old core."""
    return _VERSIONS[api_version]
