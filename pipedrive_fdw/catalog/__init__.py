"""The catalogue: every table of the wrapper, by name. One file for each family of objects."""

from __future__ import annotations

from pipedrive_fdw.catalog import activities, contacts, deals, leads, notes, products, users
from pipedrive_fdw.catalog.model import Table

FAMILIES = (deals, contacts, activities, products, leads, notes, users)
TABLES: dict[str, Table] = {table.name: table for family in FAMILIES for table in family.TABLES}
