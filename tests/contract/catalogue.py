"""Declarations held against the OpenAPI files: every difference is a fault, said in one sentence.

Where a declaration knows more than the files, EXTRA says so with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipedrive_fdw.catalog.model import (
    CURSOR,
    NONE,
    OFFSET,
    Bulk,
    Column,
    Download,
    Filter,
    Get,
    Listing,
    Operation,
    Table,
    Write,
)
from tests.contract.found import Found, element, find, operations, record_schema
from tests.contract.openapi import bodies, flat, operation
from tests.contract.structure import structure_faults

# (table, column) → why it is declared though the schemas do not have it
EXTRA = {
    ("deals", "archive_time"): "in the body of the request; newer answers have it too",
    ("deleted_deals", "archive_time"): "as in deals",
    ("activities", "outcome"): "added after these files, to the activity and to its request",
    ("notes", "pinned_to_lead_flag"): "a filter and in the body of the request",
    ("files", "file_type"): "in the examples of the answer",
}

# The same for the core in version 1.
EXTRA_V1 = {
    **dict.fromkeys(
        (
            *(("products", name) for name in ("description", "category", "add_time", "update_time")),
            ("deals", "archive_time"),
            ("deleted_deals", "archive_time"),
            *(
                (table, name)
                for table in ("persons", "deal_persons", "organization_persons")
                for name in (
                    "marketing_status",
                    "participant_open_deals_count",
                    "participant_closed_deals_count",
                )
            ),
        ),
        "in the examples of the answer",
    ),
    **dict.fromkeys(
        (("deal_products", f"billing_{name}") for name in ("frequency", "frequency_cycles", "start_date")),
        "in the body of the request",
    ),
}

# (table, path) → why the records of this list are not held against the files
UNDESCRIBED = {
    (
        "deal_permitted_users",
        "/deals/{deal_id}/permittedUsers",
    ): "no data in the schema; users in the example",
    ("billing_addons", "/billing/subscriptions/addons"): "an object without properties in the schema",
}

# JSON type of the schema → SQL types that may show it
_SHOWN = {
    "integer": {"bigint", "numeric", "boolean"},
    "number": {"bigint", "numeric", "boolean"},
    "boolean": {"boolean"},
    "string": {
        *("text", "uuid", "bigint", "numeric", "boolean", "timestamptz", "date", "time", "interval"),
        "bigint[]",  # "2,3" of version 1
    },
    "array": {"jsonb", "bigint[]", "text[]", "uuid[]"},
    "object": {"jsonb"},
}
_ENCODINGS = {
    "application/json": "json",
    "application/x-www-form-urlencoded": "form",
    "multipart/form-data": "multipart",
}


def table_faults(table: Table, core_v1: bool = False) -> list[str]:
    """Every difference between *table* and the files; *core_v1*: it may use what v1 no longer supports."""
    faults: list[str] = []
    for op in operations(table):
        found = find(op)
        if found is not None and found.source == "core_v1" and not core_v1:
            faults.append(f"{op.method} {op.path} is no longer supported in version 1")
    for listing in table.listings:
        faults += _list_faults(table, listing)
    if table.get is not None:
        faults += _get_faults(table, table.get)
    if table.download is not None:
        faults += _download_faults(table, table.download)
    for verb in ("insert", "update", "delete"):
        write: Write | None = getattr(table, verb)
        while write is not None:
            faults += _write_faults(table, verb, write)
            if write.bulk is not None:
                faults += _bulk_faults(write.bulk)
            write = write.otherwise
    for write in table.instead.values():
        faults += operation_faults(write)
    return [f"{table.name}: {fault}" for fault in dict.fromkeys(faults)]


def operation_faults(op: Operation) -> list[str]:
    """Every difference between *op* and the files: whether it is there, and its price."""
    if find(op) is None:
        return [f"there is no {op.method} {op.path} in version {op.version}"]
    return _price_faults(op)


def _price_faults(op: Any) -> list[str]:
    found = find(op)
    if found is None:
        return []
    known = operation(found.source, op.method, found.path)
    price = None if known is None else known.get("x-token-cost")
    if price is not None and price != op.tokens:
        return [f"{op.method} {op.path} costs {price} tokens, not {op.tokens}"]
    return []


# ---- reading


def _list_faults(table: Table, listing: Listing) -> list[str]:
    found = find(listing)
    where = f"GET {listing.path}"
    if found is None:
        return [f"there is no {where} in version {listing.version}"]
    faults = _price_faults(listing)
    for name, value in listing.params.items():
        faults += _sent_faults(found, where, name, (value,))
    for filt in listing.filters:
        faults += _filter_faults(table, found, where, filt)
    given = {f.name for f in listing.filters if f.required} | set(listing.params)
    needed = {n for n, p in found.query.items() if p.get("required")}
    faults += [f"{where} needs the parameter {n}" for n in sorted(needed - given)]
    faults += _paging_faults(found, where, listing)
    faults += _sort_faults(found, where, listing)
    faults += _include_faults(table, found, where, listing)
    if (table.name, listing.path) in UNDESCRIBED:
        return faults
    outer = record_schema(found, listing.rows, listing.scalar)
    if outer is None:
        return [*faults, f"{where} has no records at data.{listing.rows}"]
    faults += _property_faults(table, found, where, outer, listing.include)
    return faults


def _get_faults(table: Table, get: Get) -> list[str]:
    found = find(get)
    where = f"GET {get.path}"
    if found is None:
        return [f"there is no {where} in version {get.version}"]
    faults = _price_faults(get)
    for name, value in get.params.items():
        faults += _sent_faults(found, where, name, (value,))
    faults += _include_faults(table, found, where, get)
    outer = record_schema(found, "*")
    if outer is None:
        return [*faults, f"{where} has no record"]
    downloaded = "" if table.download is None else table.download.column
    wanted = [c for c in table.columns if (c.extended or get.lookup) and c.name != downloaded]
    return [*faults, *_column_faults(table, found, where, outer, wanted, get.include)]


def _bulk_faults(bulk: Bulk) -> list[str]:
    """Whether the operation is there, takes the keys, and answers with those of what it has deleted."""
    found = find(bulk)
    faults = operation_faults(bulk)
    if found is None or not bulk.ids:
        return faults
    where = f"{bulk.method} {bulk.path}"
    faults += _sent_faults(found, where, bulk.ids, ())
    record = record_schema(found, "*")
    if record is None or element(found, record, bulk.answer.split(".")) is None:
        faults.append(f"{where} does not answer with data.{bulk.answer}")
    return faults


def _download_faults(table: Table, download: Download) -> list[str]:
    """Whether the operation is there, or the address in each record that a list shows."""
    if not download.address:
        return operation_faults(download)
    faults = []
    for listing in table.listings:
        found = find(listing)
        outer = None if found is None else record_schema(found, listing.rows)
        if found is None or outer is None or element(found, outer, download.address.split(".")) is None:
            faults.append(f"GET {listing.path} shows no address at {download.address}")
    return faults


def _sent_faults(found: Found, where: str, name: str, values: Sequence[str]) -> list[str]:
    if name not in found.query:
        return [f"{where} has no parameter {name}"]
    allowed = found.enum(name)
    parts = [part for value in values for part in value.split(",")]
    return [f"{where}: {name} cannot be {part}" for part in parts if allowed and part not in allowed]


def _filter_faults(table: Table, found: Found, where: str, filt: Filter) -> list[str]:
    faults = _sent_faults(found, where, filt.name, filt.values)
    column = table.column(filt.column)
    if faults or column is None:
        return faults
    if found.enum(filt.name) and not filt.values and column.type != "boolean":
        faults.append(f"{where}: {filt.name} takes only some values, which the filter does not name")
    documented = re.search(r"(?:up to|maximum of) (\d+)", str(found.query[filt.name].get("description", "")))
    if filt.shape == "in" and documented and filt.most > int(documented.group(1)):
        faults.append(f"{where}: {filt.name} takes {documented.group(1)} values, not {filt.most}")
    return faults


def _paging_faults(found: Found, where: str, listing: Listing) -> list[str]:
    has = {CURSOR: "cursor" in found.query, OFFSET: "start" in found.query}
    if not has.get(listing.paging, not any(has.values())):
        return [f"{where} is not paged as {listing.paging}"]
    if listing.paging == NONE:
        return []
    limit = found.query["limit"]
    said = re.search(r"(?:maximum value of|upper limit is) (\d+)", str(limit.get("description", "")))
    most = limit.get("schema", {}).get("maximum") or (int(said.group(1)) if said else None)
    if most is not None and listing.page_max != most:
        return [f"{where} gives {most} rows a page, not {listing.page_max}"]
    return []


def sort_keys(found: Found) -> set[str] | None:
    """The keys that the operation sorts by; None where it does not say which."""
    for name in ("sort_by", "sort"):
        if name not in found.query:
            continue
        if found.enum(name):
            return set(found.enum(name))
        text = str(found.query[name].get("description", ""))
        if "Supported fields" not in text:
            return None
        return set(re.findall(r"`(\w+)`", text.partition("Supported fields")[2]))
    return set()


def _sort_faults(found: Found, where: str, listing: Listing) -> list[str]:
    keys = sort_keys(found)
    if keys is None:
        return []
    return [f"{where} does not sort by {key}" for key in listing.sorts if key not in keys]


def _include_faults(table: Table, found: Found, where: str, op: Any) -> list[str]:
    wanted = {
        "include_fields": op.include,
        "custom_fields": op.custom,
        "include_option_labels": op.labels,
    }
    faults = [f"{where} has no parameter {n}" for n, used in wanted.items() if used and n not in found.query]
    if op.include and not faults:
        asked = [c.path[0] for c in table.columns if c.include]
        faults += _sent_faults(found, where, "include_fields", asked)
    return faults


# ---- records


def _extra(found: Found) -> Mapping[tuple[str, str], str]:
    return EXTRA_V1 if found.source == "core_v1" else EXTRA


def _in_record(column: Column) -> bool:
    return not (column.echo or column.source in ("*", "#", "@", "-"))


def _only_held(table: Table, column: Column) -> bool:
    """Whether the records need not have it: the lists do, and a get only shows whether there is a value."""
    held = all(column.name in listing.holds for listing in table.listings)
    return column.held and (column.reader == "has" or (held and table.get is None))


def _column_faults(
    table: Table, found: Found, where: str, outer: Any, columns: Sequence[Column], include: bool
) -> list[str]:
    """Columns that the record has not, or has in a type that they cannot show."""
    faults = []
    inner = outer
    if table.nested:
        array = element(found, outer, table.nested.split("."))
        if array is None:
            return [f"{where} has no array {table.nested}"]
        inner = flat(found.root, array.get("items", {}))
    open_ended = table.nested and not inner["properties"]
    for column in columns:
        if not _in_record(column) or _only_held(table, column):
            continue
        schema = element(found, outer if column.outer else inner, column.path)
        if schema is None:
            asked = include and column.include and column.path[0] in found.enum("include_fields")
            if (
                not asked
                and not (open_ended and not column.outer)
                and (table.name, column.name) not in _extra(found)
            ):
                faults.append(f"{where} has no property {'.'.join(column.path)}")
        elif not column.reader and not _shows(column.type, schema["kinds"]):
            kinds = " or ".join(schema["kinds"])
            faults.append(f"{where}: {'.'.join(column.path)} is {kinds}, not {column.type}")
    return faults


def _shows(shown: str, kinds: Sequence[str]) -> bool:
    """Whether a column of type *shown* can show values of one of *kinds*."""
    return any(kind not in _SHOWN or shown in _SHOWN[kind] for kind in kinds)


def _property_faults(table: Table, found: Found, where: str, outer: Any, include: bool) -> list[str]:
    listed = [c for c in table.columns if not c.extended]
    faults = _column_faults(table, found, where, outer, listed, include)
    if table.nested:
        array = element(found, outer, table.nested.split("."))
        inner = flat(found.root, array.get("items", {})) if array else {"properties": {}}
    else:
        inner = outer
    paths = {c.path for c in table.columns if not c.outer} | {(c.name,) for c in table.columns if c.echo}
    flats = tuple(f"{c.path[0]}_" for c in table.columns if c.reader == "parts")
    left = set(table.left_out)
    for path in _uncovered(found, inner, paths, ()):
        if ".".join(path) in left:
            left.discard(".".join(path))
        elif not _parent_key(table, path) and not path[0].startswith(flats or "\0"):
            faults.append(f"{where}: property {'.'.join(path)} is neither a column nor left out")
    return [*faults, *(f"{where}: {name} is left out but not there" for name in sorted(left))]


def _parent_key(table: Table, path: tuple[str, ...]) -> bool:
    """Whether *path* repeats the outer record's key in a nested element (prices[].product_id)."""
    return bool(table.nested) and len(path) == 1 and path[0] in table.key


def _uncovered(found: Found, schema: Any, paths: set[tuple[str, ...]], at: tuple[str, ...]) -> Iterator[Any]:
    for name, inner in schema["properties"].items():
        path = (*at, name)
        if path in paths:
            continue
        if any(p[: len(path)] == path for p in paths):
            yield from _uncovered(found, flat(found.root, inner), paths, path)
        else:
            yield path


# ---- writing


def _write_faults(table: Table, verb: str, write: Write) -> list[str]:
    found = find(write)
    where = f"{write.method} {write.path}"
    if found is None:
        return [f"there is no {where} in version {write.version}"]
    faults = _price_faults(write)
    kind, body = next(iter(bodies(found.source, write.method, found.path).items()), ("", None))
    encoding = _ENCODINGS.get(kind, kind)
    if encoding != write.encoding:
        return [*faults, f"{where} takes {encoding or 'no body'}, not {write.encoding or 'no body'}"]
    if write.answer and _answer(found, write) is None:
        faults.append(f"{where} does not answer with data.{write.answer}")
    if write.named_by:
        faults += _name_faults(table, where, write)
    if body is None:
        return faults
    schema = flat(found.root, body)
    if (schema.get("type") == "array") != write.batch:
        return [*faults, f"{where} {'does not take' if write.batch else 'takes'} a list"]
    if write.batch:
        schema = flat(found.root, schema["items"])
    if write.array:
        if write.array not in schema["properties"]:
            return [*faults, f"{where} takes no {write.array}"]
        schema = flat(found.root, flat(found.root, schema["properties"][write.array]).get("items", {}))
        if not schema["properties"]:
            return faults
    return [*faults, *_body_faults(table, verb, write, found, schema)]


def _name_faults(table: Table, where: str, write: Write) -> list[str]:
    """Whether the records that are read for it have the property that names them."""
    for op in (table.get,) if table.get is not None else table.listings:
        listed = find(op)
        record = None if listed is None else record_schema(listed, getattr(op, "rows", "*"))
        if record is None or write.named_by not in record["properties"]:
            return [f"{where}: GET {op.path} does not show {write.named_by}"]
    return []


def _answer(found: Found, write: Write) -> Any:
    record = record_schema(found, "*")
    return None if record is None else element(found, record, write.answer.split("."))


def _taken(table: Table, verb: str, write: Write) -> list[Column]:
    """The columns that *write* may send in its body."""
    if verb == "delete" and not write.array:
        named = set(write.fields)
    else:
        settable = {c.name for c in table.columns if getattr(c, "insert" if verb == "insert" else "update")}
        named = (set(write.takes) or settable - set(table.instead)) | set(write.fields)
    in_path = set(write.placeholders) - set(write.fields)
    return [c for c in table.columns if c.name in named and c.name not in in_path]


def _body_faults(table: Table, verb: str, write: Write, found: Found, schema: Any) -> list[str]:
    where = f"{write.method} {write.path}"
    faults = []
    columns = _taken(table, verb, write)
    for column in columns:
        name = (column.body or column.name).split(".")[0]
        if name not in schema["properties"]:
            if (table.name, column.name) not in _extra(found):
                faults.append(f"{where} takes no {name}")
            continue
        faults += _form_faults(where, column, flat(found.root, schema["properties"][name]))
        faults += structure_faults(table, where, found, column, schema["properties"][name])
    needed = set(schema.get("required", ()))
    if verb == "insert":
        sure = {c.body or c.name for c in columns if c.required or c.name in write.fields}
    else:
        sure = {c.body or c.name for c in columns if c.name in write.fields or write.array}
    faults += [f"{where} needs {name}" for name in sorted(needed - {s.split(".")[0] for s in sure})]
    return faults


def _form_faults(where: str, column: Column, schema: Any) -> list[str]:
    """Whether the column is sent in the form that the body wants."""
    kind = schema.get("type", "")
    form = ""
    if kind == "array" and not column.is_list:
        form = "list"
    elif column.is_list and kind in ("integer", "number"):
        form = "single"
    elif column.type == "boolean" and kind in ("integer", "number"):
        form = "flag"
    elif column.type == "text" and kind in ("integer", "number"):
        form = "number"
    elif column.type in ("bigint", "numeric") and kind == "string":
        form = "text"
    elif column.type == "timestamptz" and "YYYY-MM-DD HH:MM:SS" in str(schema.get("description", "")):
        form = "utc"
    if form != column.sent:
        return [f"{where} wants {column.name} as {form or kind}, not as {column.sent or column.type}"]
    return []
