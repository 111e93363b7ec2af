"""What the SQL side needs to know of each table to keep a copy of it, as data from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson

from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.catalog.copying import CHANGES, PARENTS, TIME, Copying, copying_of, rank
from pipedrive_fdw.catalog.model import Column, Listing, Table, Write
from pipedrive_fdw.options import Options
from pipedrive_fdw.read.field_lookups import definition_lists


def declarations(options: Options, wanted: str | None) -> str:
    """How the copy of *wanted*, or of each table (None), is kept, its key, and the price of reading it: JSON.

    The tables are those of the account's API version. ``pipedrive_internal.declared_copies`` has columns of
    these names.
    """
    return _declarations(options.api_version, options.page_size, wanted)


@lru_cache(maxsize=256)  # a run asks for each of its tables several times
def _declarations(api_version: str, page_size: int, wanted: str | None) -> str:
    return orjson.dumps(list(_declared(api_version, page_size, wanted))).decode()


def _declared(api_version: str, page_size: int, wanted: str | None) -> Iterator[Mapping[str, Any]]:
    tables = tables_of(api_version)
    parents = {table.name: copying_of(table).parent for table in tables.values()}
    for table in tables.values():
        if wanted not in (None, table.name):
            continue
        how = copying_of(table)
        yield {
            "table_name": table.name,
            "how": how.how,
            "place": rank(table, tables),
            "newest_first": how.newest_first,
            "parent": how.parent or None,
            "parent_column": how.parent_column or None,
            "parent_key": how.parent_key or None,
            "children": [name for name, parent in parents.items() if parent == table.name],
            "step": how.step,
            "walked": how.walked,
            "every": how.every or None,
            "compared": how.compared or None,
            "named": how.named,
            "because": how.because or None,
            "definitions": _definitions(table, api_version),
            # Elements of an array may be equal: they are replaced together, record by record.
            "key": [] if table.nested else list(table.key),
            "not_null": [c.name for c in table.columns if c.not_null],
            "left_out": [c.name for c in (*table.columns, ATTRS) if _is_left_out(table, c)],
            "inserted": _given(table, "insert"),
            "updated": _given(table, "update"),
            "lists": [_list(listing, how, page_size) for listing in table.listings],
        }


def _definitions(table: Table, api_version: str) -> int:
    """The price of reading the definitions of its custom fields, 0 where it has none."""
    lists = definition_lists(table.custom_fields, api_version) if table.custom_fields else ()
    return lists[0].tokens if lists else 0


def _is_left_out(table: Table, column: Column) -> bool:
    """True of a column that only selects, costs a request a row, or repeats the others."""
    if column.name == ATTRS.name or column.extended:
        return True
    parent = table.parent.column if table.parent is not None else ""
    return column.echo and column.name not in (*table.key, parent)


def _given(table: Table, verb: str) -> list[str]:
    write: Write | None = getattr(table, verb)
    if write is None:
        return []
    names = [c.name for c in table.columns if getattr(c, verb)]
    return [name for name in names if not write.takes or name in write.takes]


def _list(listing: Listing, how: Copying, page_size: int) -> Mapping[str, Any]:
    """The price of a list: ``tokens`` a page of ``page`` rows, and what all its rows have (``holds``).

    ``changes``: it can be asked for what has changed. ``keys``: the parents that one request reads.
    """
    batch = listing.filter_of(how.parent_column, "in") if how.how == PARENTS else None
    return {
        "tokens": listing.tokens,
        "page": min(listing.page_max, page_size),
        "holds": dict(listing.holds),
        "changes": how.how == CHANGES and (how.newest_first or listing.filter_of(TIME, "since") is not None),
        "keys": batch.most if batch is not None else 1,
    }
