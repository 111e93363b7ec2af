"""Faults of the catalogue's declarations: names that nothing has, words that do not fit together."""

from __future__ import annotations

from collections.abc import Mapping

from pipedrive_fdw.catalog.copying import copying_faults
from pipedrive_fdw.catalog.model import OFFSET, READERS, Table, Write


def validate(tables: Mapping[str, Table], types: frozenset[str]) -> list[str]:
    """All faults of a catalogue at once, each beginning with the table's name; empty when it is sound."""
    faults: list[str] = []
    for name, table in tables.items():
        if name != table.name:
            faults.append(f"{name}: is declared as {table.name}")
        faults += _column_faults(table, tables, types)
        faults += _read_faults(table, tables)
        faults += _write_faults(table)
        faults += _independence_faults(table)
    return faults + copying_faults(tables)


def _column_faults(table: Table, tables: Mapping[str, Table], types: frozenset[str]) -> list[str]:
    names = [c.name for c in table.columns]
    faults = [f"{table.name}: column {n} is declared twice" for n in sorted(set(names)) if names.count(n) > 1]
    for column in table.columns:
        where = f"{table.name}.{column.name}"
        if column.type not in types:
            faults.append(f"{where}: type {column.type} has no codec")
        if column.reader not in ("", *READERS):
            faults.append(f"{where}: has an unknown reader")
        if column.sent not in ("", "flag", "number", "text", "utc", "list", "single"):
            faults.append(f"{where}: is sent in an unknown form")
        if column.required and not column.insert:
            faults.append(f"{where}: is required but cannot be given")
        if column.type == "jsonb" and (column.insert or column.update) and column.shape is None:
            faults.append(f"{where}: can be given but has no shape")
        target, _, key = column.references.partition(".")
        if target and target not in tables:
            faults.append(f"{where}: references {target}, which is not declared")
        elif target and tables[target].column(key) is None:
            faults.append(f"{where}: references {target}.{key}, which is no column")
        included = column.include and any(listing.include for listing in table.listings)
        downloaded = table.download is not None and table.download.column == column.name
        lacking = (column.extended and not downloaded) or (column.include and not included)
        if lacking and table.get is None:
            faults.append(f"{where}: needs a get operation")
    return faults


def _read_faults(table: Table, tables: Mapping[str, Table]) -> list[str]:
    name, known = table.name, {c.name for c in table.columns}
    faults = [f"{name}: key column {k} is no column" for k in table.key if k not in known]
    named = (
        *table.present,
        *(column for column, _ in table.frozen),
        *((table.shared,) if table.shared else ()),
    )
    faults += [f"{name}: {c} is no column" for c in named if c not in known]
    if len(table.key) > 1 and "row_id" not in known:
        faults.append(f"{name}: a key of several columns needs row_id")
    if not table.listings and not table.local:
        faults.append(f"{name}: has no listing")
    for listing in table.listings:
        where = f"{name} {listing.path}"
        asked = [f.column for f in listing.filters] + list(listing.placeholders)
        missing = [c for c in (*asked, *listing.sorts, *listing.holds) if c not in known]
        faults += [f"{where}: {c} is no column" for c in missing]
        if table.nested:
            inner = {c.name for c in table.columns if not c.outer}
            faults += [f"{where}: {c} is a column of the elements" for c in asked if c in inner]
        if any(f.shape not in ("eq", "in", "since", "until", "flag") for f in listing.filters):
            faults.append(f"{where}: a filter has an unknown shape")
        keys = [c.path for c in table.columns if c.name in table.key]
        if listing.paging == OFFSET and listing.key and tuple(listing.key.split(".")) not in keys:
            faults.append(f"{where}: {listing.key} is no key of its records")
        if listing.placeholders and table.parent is None:
            faults.append(f"{where}: needs {', '.join(listing.placeholders)} but the table has no parent")
    slots = table.get.placeholders if table.get is not None else ()
    faults += [f"{name}: {c} of its get is no column" for c in slots if c not in known]
    parent = table.parent
    if parent and parent.table not in tables:
        faults.append(f"{name}: parent table {parent.table} is not declared")
    elif parent and tables[parent.table].column(parent.key) is None:
        faults.append(f"{name}: {parent.table} has no column {parent.key}")
    elif parent and parent.count and tables[parent.table].column(parent.count) is None:
        faults.append(f"{name}: {parent.table} has no column {parent.count}")
    sames = [c.same_as for c in table.columns if c.same_as]
    named = table.get.parents if table.get is not None else ()
    if named and (parent is None or parent.table not in tables or tables[parent.table].get is None):
        faults.append(f"{name}: the parents that its get names cannot be looked up")
    faults += [f"{name}: {c} is no column" for c in (*sames, *named) if c not in known]
    if parent and parent.column not in known:
        faults.append(f"{name}: parent column {parent.column} is no column")
    return faults


def _write_faults(table: Table) -> list[str]:
    name, known = table.name, {c.name for c in table.columns}
    faults: list[str] = []
    for verb, flag in (("insert", "insert"), ("update", "update"), ("delete", "")):
        write: Write | None = getattr(table, verb)
        if flag and (write is not None) != any(getattr(c, flag) for c in table.columns):
            faults.append(f"{name}: {verb} needs both an operation and columns that can be given")
        if verb != "insert" and write is not None and not table.key:
            faults.append(f"{name}: {verb} needs a key")
        while write is not None:
            bulk = write.bulk.placeholders if write.bulk is not None else ()
            needed = (*write.placeholders, *write.fields, *write.takes, *bulk)
            faults += [f"{name} {write.path}: {c} is no column" for c in needed if c not in known]
            write = write.otherwise
    faults += [
        f"{name}: {c} cannot be set" for c in table.instead if not getattr(table.column(c), "update", 0)
    ]
    return faults


def _independence_faults(table: Table) -> list[str]:
    """What shows that writes of a table that is declared independent depend on each other."""
    if not table.independent:
        return []
    writes = [one for one in (table.insert, table.update, table.delete) if one is not None]
    shows = {
        "its rows belong to other records": bool(table.parent or table.nested or table.shared),
        "it refers to itself": any(c.references.startswith(f"{table.name}.") for c in table.columns),
        "its records have an order": table.column("order_nr") is not None,
        "a row takes several requests": bool(table.instead) or any(one.reads for one in writes),
        "several rows share a request": any(one.batch or one.bulk for one in writes),
    }
    return [f"{table.name}: is not independent, {why}" for why, holds in shows.items() if holds]
