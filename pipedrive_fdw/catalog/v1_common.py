"""Pieces that the declarations for api_version 'v1' share: how a column, a list, a whole table is v1's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipedrive_fdw.catalog.common import CUSTOM_FIELDS, add, change, remove
from pipedrive_fdw.catalog.model import OFFSET, Column, Filter, Get, Listing, Table, read_source

_TEXT = ("visible_to", "value")  # v1 takes these numbers as text
# The types of columns whose field has one value.
_SCALAR = ("bigint", "numeric", "text", "timestamptz", "date", "boolean")


def old_column(column: Column, source: str, fixed: bool) -> Column:
    """*column* as v1 has it: read from *source* ('' when the name is the same), *fixed* when not settable."""
    settable = not fixed and (column.insert or column.update)
    body = column.body
    if source and source != "-":
        body = read_source(source)[1][0]
    sent = column.sent
    if settable and column.type == "timestamptz":
        sent = "utc"
    elif settable and column.name in _TEXT:
        sent = "text"
    return column._replace(
        source=source or column.source,
        body=body if settable else column.body,
        sent=sent if settable else "",
        include=False,
        insert=column.insert and not fixed,
        update=column.update and not fixed,
        required=column.required and not fixed,
    )


def old_table(
    table: Table, path: str, sources: Mapping[str, str], fixed: str, listings: tuple[Listing, ...]
) -> Table:
    """*table* by the operations of v1 at *path*; *fixed* names the columns that v1 cannot set."""
    if table.custom_fields:
        sources = {**sources, CUSTOM_FIELDS.name: "#"}
    unset = fixed.split()
    one = path + "/{id}"
    writes = {"insert": add(path, 1), "update": change(one, 1), "delete": remove(one, 1)}
    return replace(
        table,
        columns=tuple(old_column(c, sources.get(c.name, ""), c.name in unset) for c in table.columns),
        listings=listings,
        get=Get(one, tokens=2, version=1),
        insert=writes["insert"],
        update=writes["update"],
        delete=writes["delete"],
    )


def old_list(path: str, tokens: int = 20, paging: str = OFFSET, filters: tuple[Filter, ...] = ()) -> Listing:
    return Listing(
        path,
        tokens=tokens,
        version=1,
        paging=paging,
        filters=filters,
        null_is_empty=paging == OFFSET,
    )


def sortable(table: Table, **changes: Any) -> Table:
    """*table* with *changes*, sorted by each field that has one value, or is an object with an id."""
    table = replace(table, **changes)
    held = {name for listing in table.listings for name in listing.holds}
    names = tuple(
        c.name
        for c in table.columns
        if c.type in _SCALAR
        and c.reader in ("", "id")
        and len(c.path) == 1
        and not (c.source == "-" or c.echo or c.name in held)
    )
    return replace(table, listings=tuple(replace(listing, sorts=names) for listing in table.listings))


def absent(names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), "-")


def dropped(names: str) -> dict[str, str]:
    """The properties that version 2 has no more; attrs shows them."""
    return dict.fromkeys(names.split(), "version 2 no longer has it; attrs contains it")
