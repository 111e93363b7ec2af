"""Quals of Multicorn → typed predicates: merged for each column, in one normal form.

Pure. A qual that cannot be understood (a type that does not convert, a text in another DateStyle, an
operator that nothing sends) is left out: PostgreSQL rechecks every row, so leaving one out only makes the
request wider. What is certain in the other direction, that no row can satisfy the quals, is said by
``Predicates.impossible``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from pipedrive_fdw.codec import Codec
from pipedrive_fdw.times import Far


class Qual(Protocol):
    """What Multicorn passes: operator is text, or ('=', True) for = ANY, ('<>', False) for <> ALL."""

    field_name: str
    operator: Any
    value: Any


@dataclass(frozen=True)
class Range:
    """Lower and upper bound of one column with their inclusiveness."""

    low: Any = None
    low_inclusive: bool = True
    high: Any = None
    high_inclusive: bool = True

    @property
    def empty(self) -> bool:
        if self.low is None or self.high is None:
            return False
        if self.low == self.high:
            return not (self.low_inclusive and self.high_inclusive)
        return bool(self.low > self.high)

    def holds(self, value: Any) -> bool:
        if self.low is not None and (value < self.low or (value == self.low and not self.low_inclusive)):
            return False
        return not (
            self.high is not None and (value > self.high or (value == self.high and not self.high_inclusive))
        )


@dataclass(frozen=True)
class Predicates:
    """What is known of each column.

    equal       column → the values it may have (IN; one value for =)
    ranges      column → Range
    not_null    columns that cannot be NULL in a row that is kept
    impossible  no row can be kept
    texts       every qual as SQL-like text, in order, with its column, for EXPLAIN
    """

    equal: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    not_null: frozenset[str] = frozenset()
    impossible: bool = False
    texts: tuple[tuple[str, str, str], ...] = ()

    def allows(self, column: str, value: Any) -> bool:
        """Whether a row whose *column* is *value* (not NULL) can be kept."""
        if column in self.equal and value not in self.equal[column]:
            return False
        return column not in self.ranges or self.ranges[column].holds(value)


_COMPARISONS = {"<": (None, False), "<=": (None, True), ">": (False, None), ">=": (True, None)}
# Types whose values compare in Python as in PostgreSQL (text does not: collations)
# and that Multicorn hands over exactly (numeric arrives as float)
_ORDERED = frozenset(("bigint", "timestamptz", "date", "boolean"))
# A date or a timestamp without zone against timestamptz means the session's zone: less than a day off UTC.
_ZONE_SLACK = dt.timedelta(days=1)
_SHOWN_VALUES = 5


def normalise(quals: Iterable[Qual], codecs: Mapping[str, Codec], never_null: frozenset[str]) -> Predicates:
    """Predicates of *quals*; *codecs* of the table's columns, *never_null* the columns without NULLs."""
    equal: dict[str, tuple[Any, ...]] = {}
    ranges: dict[str, Range] = {}
    not_null: set[str] = set()
    texts: list[tuple[str, str, str]] = []
    impossible = False
    for qual in quals:
        column, operator, value = qual.field_name, qual.operator, qual.value
        text = _show(column, operator, value, codecs.get(column))
        if (column, _operator(operator), text) not in texts:
            texts.append((column, _operator(operator), text))
        codec = codecs.get(column)
        if codec is None:
            continue
        values = _values(operator, value, codec)
        if values is not None:
            not_null.add(column)
            known = equal.get(column)
            equal[column] = values if known is None else tuple(v for v in known if v in values)
            continue
        if operator == "=" and value is None:
            # IS NULL, or a comparison with a NULL parameter: the column is NULL, or nothing is kept
            impossible = impossible or column in never_null
            continue
        if operator == ("=", True) and value is None:
            impossible = True  # = ANY (NULL)
            continue
        if operator in ("<>", "IS NOT") and value is None:
            not_null.add(column)
            continue
        if operator in _COMPARISONS:
            not_null.add(column)
            if value is None:
                impossible = True
            elif codec.name in _ORDERED:
                bound = _bound(codec, operator, value)
                if bound is not None:
                    ranges[column] = _narrow(ranges.get(column, Range()), *bound)
        elif codec.name == "boolean" and operator == "<>" and value is not None:
            truth = _parsed(codec, value)
            if truth is not None:
                not_null.add(column)
                equal[column] = tuple(v for v in equal.get(column, (True, False)) if v is not truth)
        elif isinstance(operator, str) and operator in ("~~", "~~*", "!~~", "!~~*", "~", "<>"):
            not_null.add(column)
    for column, allowed in equal.items():
        limits = ranges.get(column)
        if limits is not None:
            equal[column] = tuple(v for v in allowed if limits.holds(v))
        impossible = impossible or not equal[column]
    impossible = impossible or any(r.empty for r in ranges.values())
    return Predicates(equal, ranges, frozenset(not_null), impossible, tuple(texts))


def _operator(operator: Any) -> str:
    if isinstance(operator, tuple):
        return {("=", True): "IN", ("<>", False): "NOT IN"}.get(operator, str(operator[0]))
    return str(operator)


def _parsed(codec: Codec, value: Any) -> Any:
    try:
        parsed = codec.parse(value)
    except (ValueError, TypeError, ArithmeticError):
        return None
    return None if isinstance(parsed, Far) else parsed


def _bound(codec: Codec, operator: str, value: Any) -> tuple[str, Any] | None:
    """The comparison as one with a value of the column's type; None when it is not understood."""
    if codec.name == "timestamptz" and isinstance(value, dt.date) and getattr(value, "tzinfo", None) is None:
        midnight = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
        slack = -_ZONE_SLACK if operator in (">", ">=") else _ZONE_SLACK
        try:
            return operator, midnight.replace(tzinfo=dt.timezone.utc) + slack
        except OverflowError:
            return None
    if codec.name == "date" and isinstance(value, dt.datetime):
        # The day itself, which is its midnight, is before a time of that day. Multicorn drops parts of a
        # second, so that what comes as midnight may be a little later
        if operator in ("<", "<="):
            return "<=", value.date()
        return operator if value.time() == dt.time() else ">", value.date()
    bound = _parsed(codec, value)
    return None if bound is None else (operator, bound)


def _values(operator: Any, value: Any, codec: Codec) -> tuple[Any, ...] | None:
    """The values that ``=``, ``IN`` and ``IS TRUE`` allow; None for anything else or not understood."""
    if operator == ("=", True) and isinstance(value, (list, tuple)):
        items = [v for v in value if v is not None]
    elif operator in ("=", "IS") and value is not None:
        items = [value]
    else:
        return None
    if codec.is_array or codec.name in ("jsonb", "interval"):
        return None
    out: list[Any] = []
    for item in items:
        parsed = _parsed(codec, item)
        if parsed is None:
            if codec.name == "bigint" and isinstance(item, (float, Decimal)):
                continue  # 1.5 equals no integer
            return None
        if parsed not in out:
            out.append(parsed)
    return tuple(out)


def _narrow(known: Range, operator: str, bound: Any) -> Range:
    if operator in (">", ">="):
        inclusive = operator == ">="
        if known.low is None or bound > known.low or (bound == known.low and not inclusive):
            return Range(bound, inclusive, known.high, known.high_inclusive)
        return known
    inclusive = operator == "<="
    if known.high is None or bound < known.high or (bound == known.high and not inclusive):
        return Range(known.low, known.low_inclusive, bound, inclusive)
    return known


def _show(column: str, operator: Any, value: Any, codec: Codec | None) -> str:
    name = _operator(operator)
    if name in ("IN", "NOT IN") and isinstance(value, (list, tuple)):
        shown = [_literal(v, codec) for v in value[:_SHOWN_VALUES]]
        if len(value) > _SHOWN_VALUES:
            shown.append(f"… {len(value)} values")
        return f"{column} {name} ({', '.join(shown)})"
    if value is None and name in ("=", "IS"):
        return f"{column} IS NULL"
    if value is None and name in ("<>", "IS NOT"):
        return f"{column} IS NOT NULL"
    return f"{column} {name} {_literal(value, codec)}"


def _literal(value: Any, codec: Codec | None) -> str:
    """*value* as SQL; Multicorn hands numbers and booleans over as text."""
    if value is None:
        return "NULL"
    parsed = _parsed(codec, value) if codec is not None else value
    if isinstance(parsed, bool):
        return str(parsed).lower()
    if isinstance(parsed, (int, float, Decimal)):
        return str(parsed)
    if isinstance(value, (dt.date, dt.time)):
        value = value.isoformat()
    return "'" + str(value).replace("'", "''") + "'"
