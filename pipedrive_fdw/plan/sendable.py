"""Which values of a query can be sent, and in what form. Pure."""

from __future__ import annotations

import datetime as dt
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


def _tells_elements(column: Column, table: Table) -> bool:
    return bool(table.nested) and not column.outer


def selects(table: Table, filt: Filter) -> bool:
    """Whether rows have the value of *filt* only because it was asked for."""
    column = table.column(filt.column)
    return column is not None and column.echo


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
            detail=f"Pipedrive computes its rows for each {' and '.join(table.selecting)}.",
            hint=f"Add WHERE {wanted}.",
        )
    alone = [f.column for f in listing.filters if f.alone and f.column in sent]
    named = [f.column for f in listing.filters if selects(table, f) and f.column in predicates.equal]
    unheard = [name for name in named if name not in sent]
    if alone and unheard:
        raise PlanError(
            f"{table.name} cannot be selected by {alone[0]} and {', '.join(unheard)}",
            detail=f"Pipedrive may ignore {', '.join(unheard)} where {alone[0]} is given.",
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
