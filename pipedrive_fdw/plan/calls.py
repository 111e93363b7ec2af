"""What a call says: paths filled in, parameters for filters, order and the parts of records. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

from pipedrive_fdw.addresses import check_segment
from pipedrive_fdw.catalog.model import OFFSET, PLACEHOLDER, Filter, Get, Listing, Operation, Table
from pipedrive_fdw.errors import PlanError, sentences
from pipedrive_fdw.masking import beginning
from pipedrive_fdw.plan.conditions import RuntimeValue
from pipedrive_fdw.plan.paths import Call, Order
from pipedrive_fdw.values.codec import CODECS
from pipedrive_fdw.values.times import utc_text

# More keys than this custom_fields= does not take; it then returns all of them.
MOST_KEYS = 15
_SHOWN = 60


class Parts(NamedTuple):
    """What of a record is asked for by name: fields, labels of options, and the keys of *custom* fields, None
    for all of them."""

    include: tuple[str, ...] = ()
    labels: bool = False
    custom: tuple[str, ...] | None = ()

    def __or__(self, other: Parts) -> Parts:
        both = None
        if self.custom is not None and other.custom is not None:
            both = tuple(sorted({*self.custom, *other.custom}))
        include = tuple(dict.fromkeys((*self.include, *other.include)))
        return Parts(include, self.labels or other.labels, both)


# What the tables of a statement together ask of an operation, by ``place``.
Shared = Mapping[tuple[int, str], Parts]


@dataclass(frozen=True)
class Settings:
    """What planning depends on besides the query.

    tables     the catalogue, for the parents of child tables
    page_size  rows a page at most (a listing's own maximum still holds)
    rows       how many rows the user says that the table has, None when he does not
    sizes      how many records lists had when they were last read whole, by ``sizes.list_name``
    archived   'include', 'exclude' or 'only'
    labels     ask for the labels of options, which a column shows
    named      the columns of the catalogue whose fields are needed, None for all
    custom     the keys of the custom fields that are needed, None for all
    trust_counts  parents that are said to have no children are not asked for them
    shared     what the statement's other scans ask for: a request that is the same is sent once
    uneven     operations, by ``place``, of which the statement's scans use different numbers of rows
    """

    tables: Mapping[str, Table] = field(default_factory=dict)
    page_size: int = 500
    rows: int | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    archived: str = "include"
    labels: bool = False
    named: frozenset[str] | None = None
    custom: tuple[str, ...] | None = None
    trust_counts: bool = False
    shared: Shared = field(default_factory=dict)
    uneven: Collection[tuple[int, str]] = ()


def fill(path: str, values: Mapping[str, Any]) -> str:
    """*path* with its placeholders replaced by URL-quoted *values*.

    Raises PlanError for a value that would lead to another operation.
    """
    for name, value in values.items():
        place = "{" + name + "}"
        if place in path:
            # A value that only the scan knows is shown by EXPLAIN alone
            text = str(value) if isinstance(value, RuntimeValue) else _segment(name, str(value))
            path = path.replace(place, text)
    return path


def _segment(name: str, value: str) -> str:
    try:
        check_segment(value)
    except ValueError as error:
        raise PlanError(
            f"the {name} {beginning(value, _SHOWN)!r} cannot be part of the address of a request",
            detail=sentences(f"It would be a part of the path: {error}"),
            hint="No record of Pipedrive has such a key. Exclude it by a condition.",
        ) from None
    return quote(value, safe="")


def get_call(table: Table, get: Get, key: Mapping[str, Any], settings: Settings) -> Call:
    """The call that looks up *key* (placeholder → value)."""
    return Call(get, fill(get.path, key), tuple(record_params(table, get, settings)), dict(key))


def place(op: Operation) -> tuple[int, str]:
    """What tells operations apart, whatever a table calls the parts of their path."""
    return op.version, PLACEHOLDER.sub("{}", op.path)


def parts_of(table: Table, op: Any, settings: Settings) -> Parts:
    """What the columns of *settings* need of the records of *op*."""
    names: tuple[str, ...] = ()
    if getattr(op, "include", False):
        named = settings.named
        shown = (c.path[0] for c in table.columns if c.include and (named is None or c.name in named))
        names = tuple(dict.fromkeys((*table.asks, *shown)))
    # An operation that cannot be asked for some custom fields gives all of them
    custom = settings.custom if getattr(op, "custom", False) else None
    return Parts(names, settings.labels and getattr(op, "labels", False), custom)


def record_params(table: Table, op: Any, settings: Settings) -> list[tuple[str, str]]:
    """What makes the operation return what is needed of records, here and by the statement's other scans:
    include_fields, custom_fields and option labels."""
    params: list[tuple[str, str]] = list(op.params.items()) if isinstance(op, Get) else []
    parts = settings.shared.get(place(op), Parts()) | parts_of(table, op, settings)
    if parts.include:
        params.append(("include_fields", ",".join(parts.include)))
    if parts.custom and len(parts.custom) <= MOST_KEYS and getattr(op, "custom", False):
        params.append(("custom_fields", ",".join(parts.custom)))
    if parts.labels:
        params.append(("include_option_labels", "true"))
    return params


def held_values(table: Table, listing: Listing) -> dict[str, Any]:
    """Column → value that every row of *listing* has because it stands there."""
    columns = {name: table.column(name) for name in listing.holds}
    return {name: listing.holds[name] for name, column in columns.items() if column and column.held}


def sort_params(table: Table, listing: Listing, order: Sequence[Order]) -> tuple[tuple[str, str], ...] | None:
    """Parameters for the promised order; None when this listing of *table* cannot give it."""
    if any(o.column not in listing.sorts for o in order):
        return None
    fields = [column.path[0] for column in (table.column(o.column) for o in order) if column is not None]
    if listing.paging == OFFSET:
        keys = [f"{field} {'DESC' if o.reverse else 'ASC'}" for field, o in zip(fields, order)]
        if "id" in listing.sorts and all(o.column != "id" for o in order):
            keys.append("id ASC")  # offsets are stable only in an order without ties
        return (("sort", ", ".join(keys)),) if keys else ()
    if not order:
        return ()
    if len(order) > 1:
        return None
    direction = "desc" if order[0].reverse else "asc"
    return (("sort_by", fields[0]), ("sort_direction", direction))


def filter_text(table: Table, filt: Filter, value: Any) -> str:
    """*value* as the parameter of *filt*."""
    if isinstance(value, RuntimeValue):
        return value
    if isinstance(value, tuple) and any(isinstance(v, RuntimeValue) for v in value):
        return RuntimeValue(",".join(dict.fromkeys(map(str, value))))
    column = table.column(filt.column)
    codec = CODECS[column.type if column else "text"]
    if filt.shape == "flag":
        return "1" if value else "0"
    if column is not None and column.sent == "utc":
        return utc_text(value)
    if filt.shape == "in":
        return ",".join(codec.text(v) for v in value)
    return codec.text(value)


# ---- how large the lists of a table are, as far as anybody knows


def list_name(listing: Listing) -> str:
    """What a list is remembered by: several tables may read the same."""
    params = "&".join(f"{name}={value}" for name, value in listing.params.items())
    return f"v{listing.version}{listing.path}?{params}"


def list_size(table: Table, listing: Listing, settings: Settings) -> int:
    """How many records *listing* gives without any filter: as it was when last read, or a guess."""
    known = settings.sizes.get(list_name(listing))
    if known is not None and settings.rows is None:
        return known
    total = table.rows if settings.rows is None else settings.rows
    return math.ceil(total * listing.share)


def is_known(table: Table, settings: Settings) -> bool:
    """True if the sizes of its lists are known and not guessed."""
    return settings.rows is not None or all(list_name(li) in settings.sizes for li in table.listings)


# ---- where a list has the records whose column is empty, as far as anybody has seen

# In the order of the column: at one of the ends, or elsewhere.
NULLS_AT_ENDS, NULLS_ELSEWHERE = 1, 2


def nulls_name(listing: Listing, column: str) -> str:
    """What it is remembered by, among the sizes, how many there are."""
    return f"{list_name(listing)} without {column}"


def nulls_place_name(listing: Listing, column: str) -> str:
    """And where they stand in the order of *column*."""
    return f"{list_name(listing)} by {column}"


def nulls_settled(table: Table, listing: Listing, column: str, settings: Settings) -> bool:
    """True if it is known that *listing* has them at its ends or not at all. The API has one order for all
    lists of a table."""
    places = {settings.sizes.get(nulls_place_name(li, column)) for li in table.listings}
    return NULLS_AT_ENDS in places or settings.sizes.get(nulls_name(listing, column)) == 0


def nulls_elsewhere(table: Table, column: str, settings: Settings) -> bool:
    """True if a list of *table* is known to have them in the middle."""
    return any(settings.sizes.get(nulls_place_name(li, column)) == NULLS_ELSEWHERE for li in table.listings)


def parents_name(listing: Listing, count: str) -> str:
    """What it is remembered by, among the sizes, how many records of *listing* have children by *count*."""
    return f"{list_name(listing)} with {count}"


def counted_columns(table: Table, settings: Settings) -> tuple[str, ...]:
    """The columns of the records that say how many rows of other tables hang on them."""
    parents = (child.parent for child in settings.tables.values())
    counts = {p.count for p in parents if p is not None and p.table == table.name and p.count}
    return tuple(sorted(counts if settings.named is None else counts & settings.named))
