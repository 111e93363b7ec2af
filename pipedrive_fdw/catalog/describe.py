"""What the declarations say in words: operators that are pushed, prices, meanings. For pages and COMMENTs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipedrive_fdw.catalog.model import Column, Filter, Listing, Operation, Table
from pipedrive_fdw.catalog.operations import scopes
from pipedrive_fdw.errors import sentences
from pipedrive_fdw.values.shapes import form

_SHAPES = {
    "eq": ("=", "IN"),
    "in": ("=", "IN"),
    "flag": ("=",),
    "since": (">", ">="),
    "until": ("<", "<="),
}


def pushed_operators(table: Table) -> dict[str, list[str]]:
    """Column → the operators that change what is requested, in the order of the columns."""
    found: dict[str, list[str]] = {}

    def add(column: str, operators: Iterable[str]) -> None:
        known = found.setdefault(column, [])
        known += [operator for operator in operators if operator not in known]

    if table.get is not None and table.get.lookup:
        for name in table.get.placeholders:
            add(name, ("=", "IN"))
    for listing in table.listings:
        for one in listing.filters:
            add(one.column, _operators(table, one))
        for name in (*listing.placeholders, *listing.holds):
            add(name, ("=", "IN") if name in listing.placeholders else ("=",))
    order = [column.name for column in table.columns]
    return {name: found[name] for name in sorted(found, key=order.index)}


def _operators(table: Table, one: Filter) -> Sequence[str]:
    column = table.column(one.column)
    if column is not None and column.type == "boolean":
        return ("=",)
    return ("=",) if one.alone else _SHAPES[one.shape]


def sort_keys(table: Table) -> list[str]:
    """The keys that every listing of *table* takes."""
    if table.nested:
        return []
    first = table.listings[0].sorts if table.listings else ()
    return [key for key in first if all(key in li.sorts for li in table.listings)]


def prices(table: Table) -> str:
    """What reading costs."""
    found = [_price(listing) + _which(listing) for listing in table.listings]
    if table.get is not None and table.get.lookup:
        found.append(f"{table.get.tokens} a record by key")
    return ", ".join(dict.fromkeys(found))


def _price(listing: Listing) -> str:
    if listing.placeholders:
        return f"{listing.tokens} a parent"
    needed = [f for f in listing.filters if f.required]
    if needed:
        return (
            f"{listing.tokens} a {f'batch of {needed[0].most} parents' if needed[0].most > 1 else 'parent'}"
        )
    return f"{listing.tokens} a page" if listing.paging != "none" else f"{listing.tokens}"


def _which(listing: Listing) -> str:
    return " archived" if listing.holds.get("is_archived") else ""


def priced(operation: Operation) -> str:
    unit = "token" if operation.tokens == 1 else "tokens"
    words = f"`{operation.method} /v{operation.version}{operation.path}`, {operation.tokens} {unit}"
    if isinstance(operation, Listing):
        words += f" a page of {operation.page_max}" if operation.paging != "none" else " for all"
    return words


def table_comment(table: Table) -> str:
    """A table's meaning, endpoints with their prices, scope and needs, in one paragraph."""
    reads = ", ".join(dict.fromkeys(priced(listing) for listing in table.listings))
    needed = " or ".join(s for listing in table.listings[:1] for s in scopes(listing))
    parts = (
        table.doc,
        f"Read by {reads}" if reads else "Costs no request",
        f"scope {needed}" if needed else "",
        f"Needs: {table.needs}" if table.needs else "",
    )
    return sentences(*(f"{part[:1].upper()}{part[1:]}" for part in parts))


def column_comment(table: Table, column: Column) -> str:
    """A column's meaning, what it refers to, the operators that Pipedrive answers, how it is written."""
    operators = " ".join(pushed_operators(table).get(column.name, ()))
    verbs = " and ".join(
        verb
        for verb, said in (
            ("INSERT (required)" if column.required else "INSERT", table.insert and column.insert),
            ("UPDATE", table.update and column.update),
        )
        if said
    )
    price = table.get.tokens if table.get is not None else 0
    key = "Key of the table" if table.key == (column.name,) else "Part of the key"
    parts = (
        column.doc,
        key if column.name in table.key else "",
        f"Form: {form(column.shape, not verbs)}" if column.shape is not None else "",
        f"References {column.references}" if column.references else "",
        f"Pipedrive answers {operators}" if operators else "",
        f"Extended: {price} tokens for each row when it is named" if column.extended else "",
        f"Written by {verbs}" if verbs else "",
    )
    return sentences(*parts)
