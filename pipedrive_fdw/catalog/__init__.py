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
    files,
    leads,
    links,
    mail,
    nested,
    notes,
    products,
    projects,
    subscriptions,
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
    account,
    changes,
    subscriptions,
)
TABLES: dict[str, Table] = {table.name: table for family in FAMILIES for table in family.TABLES}
