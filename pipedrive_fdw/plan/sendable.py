"""Which values of a query can be sent, and in what form. Pure."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from pipedrive_fdw.catalog.model import Column, Filter, Listing, Table
from pipedrive_fdw.errors import PlanError
from pipedrive_fdw.plan.conditions import RuntimeValue
from pipedrive_fdw.plan.predicates import Predicates

_LARGEST_ID = 1 << 53
# Between these a time is sent to narrow a list.
_OLDEST = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_LATEST = dt.datetime(9999, 1, 1, tzinfo=dt.timezone.utc)


def possible_keys(table: Table, predicates: Predicates) -> Predicates:
    """*predicates* without keys that no record can have, which would make another request of a path.

    What tells the elements of one record apart is no such key: it may be empty.

    So too with what only selects (a parent's id, filter_id, the status by which sums are computed), which
    stands in a row only when it was sent.
    """
    takes = {f.column: f.values for listing in table.listings for f in listing.filters if f.values}
    keys = {
        c.name for c in table.columns if c.echo or (c.name in table.key and not _tells_elements(c, table))
    }
    if table.parent is not None:
        keys.add(table.parent.column)
    equal = dict(predicates.equal)
    for name in keys & equal.keys():
        possible = (v for v in equal[name] if can_be_key(v))
        equal[name] = tuple(v for v in possible if isinstance(v, RuntimeValue) or v in takes.get(name, (v,)))
    impossible = predicates.impossible or any(not equal[name] for name in keys & equal.keys())
    return replace(predicates, equal=equal, impossible=impossible)


def with_same_columns(table: Table, predicates: Predicates) -> Predicates:
    """*predicates* with what is said of a column said of the one that has the same values, too."""
    equal, ranges = dict(predicates.equal), dict(predicates.ranges)
    for column in table.columns:
        if column.same_as:
            if column.name in equal:
                equal.setdefault(column.same_as, equal[column.name])
            if column.name in ranges:
                ranges.setdefault(column.same_as, ranges[column.name])
    return replace(predicates, equal=equal, ranges=ranges)


# A range of so many ids is asked for as these ids; of so many where each costs a list of its own.
_LISTED, _LISTED_ALONE = 100, 10


def with_listed_ids(table: Table, predicates: Predicates) -> Predicates:
    """*predicates* with the ids of short ranges named one by one."""
    equal = dict(predicates.equal)
    parent = table.parent.column if table.parent is not None else ""
    for name in {parent, *(table.key if table.get is not None and table.get.lookup else ())} - equal.keys():
        column, limits = table.column(name), predicates.ranges.get(name)
        if column is None or column.type != "bigint" or limits is None:
            continue
        filters = [f for listing in table.listings for f in listing.filters if f.column == name]
        most = _LISTED_ALONE if name == parent and all(f.shape != "in" for f in filters) else _LISTED
        if isinstance(limits.low, int) and isinstance(limits.high, int) and limits.high - limits.low < most:
            equal[name] = tuple(v for v in range(limits.low, limits.high + 1) if limits.holds(v))
    return replace(predicates, equal=equal)


def _tells_elements(column: Column, table: Table) -> bool:
    return bool(table.nested) and not column.outer


def selects(table: Table, filt: Filter) -> bool:
    """True if rows have the value of *filt* only because it was asked for."""
    column = table.column(filt.column)
    return column is not None and column.echo


def keeps_all_rows(listing: Listing, filters: Collection[Filter], predicates: Predicates) -> bool:
    """True if each row that *listing* gives under *filters* is one that *predicates* keep."""
    exact = {f.column for f in filters if f.shape in ("eq", "in", "flag")}.union(listing.holds)
    return predicates.only_equal and exact.issuperset(column for column, _, _ in predicates.texts)


def shows_all(table: Table, listing: Listing, filters: Collection[Filter], where: Collection[str]) -> bool:
    """True if each record that *listing* gives under *filters* is one row; a row has given values in the
    columns *where*."""
    given = {f.column for f in filters}.union(listing.holds)
    return not table.nested and given.issuperset((*table.present, *where))


def check_compared(table: Table, compared: frozenset[str], predicates: Predicates) -> None:
    """Raises PlanError where a query compares a column that no record shows with what cannot be sent.

    Every row would have NULL in it, and the query no row. *compared* are the columns that it compares.
    """
    unknown = compared.intersection(table.only_selecting) - predicates.equal.keys()
    column = next((c for c in table.columns if c.name in unknown), None)
    if column is not None and not predicates.impossible:
        name = column.name
        raise PlanError(
            f"{table.name}.{name} cannot be compared here",
            detail="It only selects rows, and no record contains it. A row shows its value if the query "
            "names it, or if a join looks rows up by it.",
            hint=f"Name its value, of type {column.type}: {name} = …. For a join by {name}: "
            "SET enable_hashjoin = off; SET enable_mergejoin = off.",
        )


def check_selected(table: Table, listing: Listing, predicates: Predicates, sent: set[str]) -> None:
    """Raises PlanError where the query lacks what it must name, or names what would not be heeded.

    *sent* are the columns whose values go to *listing*.
    """
    missing = [f for f in listing.filters if f.column in table.selecting and f.column not in sent]
    if missing:
        hints = (f" ({', '.join(f.values)})" if f.values else "" for f in missing)
        wanted = " AND ".join(f"{f.column} = …{hint}" for f, hint in zip(missing, hints))
        raise PlanError(
            f"{table.name} is computed for values that the query must name",
            detail=f"Pipedrive computes its rows for given values of {' and '.join(table.selecting)}.",
            hint=f"Add WHERE {wanted}.",
        )
    alone = [f.column for f in listing.filters if f.alone and f.column in sent]
    named = [f.column for f in listing.filters if selects(table, f) and f.column in predicates.equal]
    unheard = [name for name in named if name not in sent]
    if alone and unheard:
        raise PlanError(
            f"{table.name} cannot be selected by {alone[0]} and {', '.join(unheard)}",
            detail=f"Pipedrive may ignore {', '.join(unheard)} if {alone[0]} is given.",
            hint=f"Leave {alone[0]} or the others out of the WHERE.",
        )


def can_be_key(value: Any) -> bool:
    """Ids are positive; a path's part is neither empty nor dots."""
    if isinstance(value, int):
        return 0 < value < _LARGEST_ID
    return str(value).strip(".") != ""


def time_bound(filt: Filter, predicates: Predicates) -> dt.datetime | RuntimeValue | None:
    """The time that a ``since`` or ``until`` filter is given, None when it is not to be sent.

    Rounded outwards to whole seconds, and kept to years that any API reads: nothing in an account is older
    than the account.
    """
    limits = predicates.ranges.get(filt.column)
    equal = predicates.equal.get(filt.column)
    if filt.shape == "since":
        low = _least(equal) if equal else limits.low if limits else None
        if low is None or isinstance(low, RuntimeValue):
            return low
        return None if low < _OLDEST else low.replace(microsecond=0)
    if filt.shape != "until":
        return None
    high = _greatest(equal) if equal else limits.high if limits else None
    if high is None or isinstance(high, RuntimeValue):
        return high
    if high > _LATEST:
        return None
    whole: dt.datetime = max(high, _OLDEST).replace(microsecond=0)
    exact = not equal and limits is not None and not limits.high_inclusive and whole == high
    return whole if exact else whole + dt.timedelta(seconds=1)


def _least(values: tuple[Any, ...]) -> Any:
    return values[0] if any(isinstance(v, RuntimeValue) for v in values) else min(values)


def _greatest(values: tuple[Any, ...]) -> Any:
    return values[0] if any(isinstance(v, RuntimeValue) for v in values) else max(values)


# The filter that a bound of a time goes to.
_BOUNDS = {">": "since", ">=": "since", "<": "until", "<=": "until"}


def heeds(table: Table, predicates: Predicates, name: str, operator: str) -> bool:
    """True if a request that selects by the column *name* heeds a condition on it with *operator*."""
    column = table.column(name)
    if operator not in _BOUNDS:
        says_values = operator in ("=", "= ANY", "IS TRUE", "IS FALSE")
        return says_values or (operator == "<>" and column is not None and column.type == "boolean")
    names = {name, column.same_as if column is not None else ""}
    shapes = {f.shape for listing in table.listings for f in listing.filters if f.column in names}
    is_bounded = bool(shapes & {"since", "until"})
    return name in predicates.ranges and (not is_bounded or _BOUNDS[operator] in shapes)


def is_reference(table: Table, name: str) -> bool:
    """True if the column *name* holds ids of other records."""
    column = table.column(name)
    return column is not None and bool(column.references)


def placeholder_filters(listing: Listing) -> tuple[Filter, ...]:
    """The placeholders of the path of *listing* as filters that it needs."""
    return tuple(Filter(name, required=True, share=0.001) for name in listing.placeholders)


def parent_slot(listing: Listing, column: str) -> Filter | None:
    """What *listing* needs of the parent's *column*, None where it does without."""
    for filt in (*placeholder_filters(listing), *listing.filters):
        if filt.column == column and filt.required:
            return filt
    return None


def slices(filt: Filter, predicates: Predicates) -> list[Any]:
    """The values of the filter's column, as many together as one call takes."""
    values = predicates.equal[filt.column]
    if filt.shape != "in":
        return list(values)
    return [values[i : i + filt.most] for i in range(0, len(values), filt.most)]


def combined(parts: Sequence[Filter], predicates: Predicates) -> list[dict[Filter, Any]]:
    """The values of each call where the lists of values of *parts* are sent by calls."""
    values = itertools.product(*(slices(part, predicates) for part in parts))
    return [dict(zip(parts, one)) for one in values]
