"""How a copy of each table is kept up to date. It follows from the declarations, but for ``DAILY``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipedrive_fdw.catalog.model import Listing, Table

# How a run of the synchronisation reads a table.
#   changes  the rows that changed since the last run, by update_time
#   whole    every row
#   parents  the rows of those parents whose own rows changed
#   never    not at all
CHANGES, WHOLE, PARENTS, NEVER = "changes", "whole", "parents", "never"
TIME = "update_time"
DAY, WEEK = "1 day", "7 days"
# What an administrator sets up and rarely changes: read once a day.
DAILY = frozenset(
    {
        "activity_types",
        "billing_addons",
        "activity_fields",
        "boards",
        "call_logs",
        "currencies",
        "deal_fields",
        "deal_summary",
        "filters",
        "goals",
        "lead_fields",
        "lead_labels",
        "lead_sources",
        "legacy_teams",
        "note_fields",
        "organization_fields",
        "permission_sets",
        "person_fields",
        "product_fields",
        "project_fields",
        "project_templates",
        "roles",
        "user_connections",
        "user_settings",
        "webhooks",
    }
)
# A list of so many rows is not read whole when it can be read from its newest end.
_LONG = 1_000
# Parents whose rows are read in one transaction: by requests for one parent each, and for many.
_SINGLE, _BATCHED = 100, 1_000


@dataclass(frozen=True)
class Copying:
    """How a copy of one table is kept.

    how           CHANGES, WHOLE, PARENTS or NEVER
    newest_first  CHANGES: the list is read from its newest end, because it takes no ``updated_since``
    parent        PARENTS: the table whose rows lead to those of this one; its ``parent_key`` stands in the
                  column ``parent_column`` of this one
    step          PARENTS: how many parents are read in one transaction
    walked        PARENTS: a whole comparison reads every parent by itself; otherwise one list has all rows
    every         interval between two runs, '' for every run
    compared      interval between two whole comparisons, '' for none unless it is asked for
    named         copied only where it is named
    because       NEVER: the reason
    """

    how: str
    newest_first: bool = False
    parent: str = ""
    parent_column: str = ""
    parent_key: str = ""
    step: int = 0
    walked: bool = False
    every: str = ""
    compared: str = ""
    named: bool = False
    because: str = ""


def copying_of(table: Table) -> Copying:
    """How a copy of *table* is kept."""
    every = DAY if table.name in DAILY else ""
    if table.local:
        return Copying(NEVER, because="it shows the session that asks")
    if table.selecting:
        return Copying(NEVER, because=f"a query must name its {', '.join(table.selecting)}")
    if table.parent is not None and table.parent.guarded:
        return Copying(NEVER, because=f"it is read for one row of {table.parent.table} at a time")
    if table.parent is not None:
        column, parent, key = table.parent.column, table.parent.table, table.parent.key
        batch = _batch(table.listings[0], column)
        return Copying(
            PARENTS,
            parent=parent,
            parent_column=column,
            parent_key=key,
            step=_BATCHED if batch else _SINGLE,
            walked=True,
            compared=WEEK if batch else "",
            named=table.removed,
        )
    if table.nested:
        outer = table.columns[0]
        parent, _, key = outer.references.partition(".")
        return Copying(
            PARENTS,
            parent=parent,
            parent_column=outer.name,
            parent_key=key,
            step=_BATCHED,
            compared=DAY,
        )
    if table.column(TIME) is None:
        return Copying(WHOLE, every=every)
    if table.listings[0].filter_of(TIME, "since") is not None:
        return Copying(CHANGES, compared=DAY)
    if table.rows >= _LONG and all(TIME in listing.sorts for listing in table.listings):
        return Copying(CHANGES, newest_first=True, compared=DAY)
    return Copying(WHOLE, every=every)


def _batch(listing: Listing, column: str) -> bool:
    return listing.filter_of(column, "in") is not None


def copying_faults(tables: Mapping[str, Table]) -> list[str]:
    """What keeps a copy from being kept as ``copying_of`` says, each beginning with the table's name."""
    faults = [f"{name}: is read once a day but not declared" for name in sorted(DAILY - set(tables))]
    for name, table in tables.items():
        how = copying_of(table)
        if name in DAILY and how.how != WHOLE:
            faults.append(f"{name}: is not read whole, so that it cannot be read once a day")
        if how.how == CHANGES and not table.key:
            faults.append(f"{name}: a copy by changes needs a key")
        if how.how != PARENTS:
            continue
        parent = tables.get(how.parent)
        if parent is None or parent.column(how.parent_key) is None:
            faults.append(f"{name}: its copy needs the parent {how.parent}.{how.parent_key}")
        elif parent.key != (how.parent_key,):
            faults.append(f"{name}: its copy needs {how.parent_key} to be the key of {how.parent}")
        elif copying_of(parent).how == NEVER:
            faults.append(f"{name}: its copy needs {how.parent}, which is not copied")
    return faults


def rank(table: Table, tables: Mapping[str, Table]) -> int:
    """The place of *table* in a run: the small before the large, parents before what hangs on them."""
    how = copying_of(table)
    if how.how == PARENTS:
        return 2 + rank(tables[how.parent], tables)
    return int(how.how == CHANGES)
