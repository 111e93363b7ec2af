"""Conditions → typed predicates: merged for each column, in one normal form.

Pure. A condition that cannot be understood (a type that does not convert, an operator that nothing sends) is
left out: PostgreSQL rechecks every row, so leaving one out only makes the request wider. What is certain in
the other direction, that no row can satisfy the conditions, is said by ``Predicates.impossible``.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from pipedrive_fdw.catalog.common import ROW_ID
from pipedrive_fdw.plan.conditions import Condition, RuntimeValue, shown
from pipedrive_fdw.plan.implied import UTC, implied_span, session_days, session_midnights
from pipedrive_fdw.values.codec import Codec, codec_for
from pipedrive_fdw.values.times import Far

# The part of the rows that is guessed to be left of a range, as PostgreSQL guesses.
SHARE = 0.33


class Range(NamedTuple):
    """Lower and upper bound of one column with their inclusiveness."""

    low: Any = None
    low_inclusive: bool = True
    high: Any = None
    high_inclusive: bool = True

    @property
    def empty(self) -> bool:
        if self.low is None or self.high is None or self._is_open:
            return False
        if self.low == self.high:
            return not (self.low_inclusive and self.high_inclusive)
        return bool(self.low > self.high)

    @property
    def _is_open(self) -> bool:
        """True if a bound is known only when the scan runs."""
        return isinstance(self.low, RuntimeValue) or isinstance(self.high, RuntimeValue)

    def holds(self, value: Any) -> bool:
        """True if *value* can be in the range."""
        if self._is_open or isinstance(value, RuntimeValue):
            return True
        if self.low is not None and (value < self.low or (value == self.low and not self.low_inclusive)):
            return False
        return not (
            self.high is not None and (value > self.high or (value == self.high and not self.high_inclusive))
        )

    def expected(self, rows: int) -> int:
        """How many of *rows* with numbers of their own are expected in the range."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return max(0, min(rows, self.high - self.low + 1))
        return math.ceil(rows * SHARE)

    def narrowed(self, operator: str, bound: Any) -> Range:
        """This range with one more bound. A bound that is known only at run time takes the place of
        another."""
        late = isinstance(bound, RuntimeValue) or self._is_open
        if operator in (">", ">="):
            inclusive = operator == ">="
            if self.low is None or late or bound > self.low or (bound == self.low and not inclusive):
                return Range(bound, inclusive, self.high, self.high_inclusive)
            return self
        inclusive = operator == "<="
        if self.high is None or late or bound < self.high or (bound == self.high and not inclusive):
            return Range(self.low, self.low_inclusive, bound, inclusive)
        return self


@dataclass(frozen=True)
class Predicates:
    """What is known of each column.

    equal       column → the values it may have (IN; one value for =)
    ranges      column → Range
    not_null    columns that cannot be NULL in a row that is kept
    impossible  no row can be kept
    texts       every condition as SQL-like text, in order, with its column and operator, for EXPLAIN
    only_equal  *equal* says all that the conditions say
    """

    equal: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    not_null: frozenset[str] = frozenset()
    impossible: bool = False
    texts: tuple[tuple[str, str, str], ...] = ()
    only_equal: bool = False

    def allows(self, column: str, value: Any) -> bool:
        """True if a row whose *column* is *value* (not NULL) can be kept."""
        if column in self.equal and not _among(value, self.equal[column]):
            return False
        return column not in self.ranges or self.ranges[column].holds(value)


def _among(value: Any, values: tuple[Any, ...]) -> bool:
    return value in values or any(isinstance(v, RuntimeValue) for v in (value, *values))


_COMPARISONS = ("<", "<=", ">", ">=")
# Types whose values compare in Python as in PostgreSQL; text does not, because of collations
_ORDERED = frozenset(("bigint", "numeric", "timestamptz", "date", "boolean"))
# The calls by which a whole number becomes one of another type
_NUMBERS = ((("numeric",),), (("float8",),))
# A floating-point number beyond this stands for several whole numbers
_EXACT_FLOAT = 1 << 53
_TRUTHS = {
    "IS TRUE": (True,),
    "IS FALSE": (False,),
}


class _Collector:
    """Gathers what conditions say of the columns of one table."""

    def __init__(
        self, codecs: Mapping[str, Codec], never_null: frozenset[str], zone: str, key: Mapping[str, Codec]
    ) -> None:
        self.codecs, self.never_null, self.zone, self.key = codecs, never_null, zone, key
        self.equal: dict[str, tuple[Any, ...]] = {}
        self.ranges: dict[str, Range] = {}
        self.not_null: set[str] = set()
        self.texts: dict[tuple[str, str, str], None] = {}  # in order, each once
        self.impossible = False
        self.only_equal = True

    def add(self, condition: Condition) -> None:
        self.only_equal = self._is_told(condition) and self.only_equal

    def _is_told(self, condition: Condition) -> bool:
        """Adds what *condition* says; True if that is all in the values of its column."""
        column, operator = condition.column, condition.operator
        codec = self.codecs.get(column)
        self.texts[column, operator, shown(condition)] = None
        if codec is None or operator in ("IS NOT TRUE", "IS NOT FALSE"):
            return False
        if operator == "IS NULL":
            self.impossible = self.impossible or column in self.never_null
            return False
        if operator == "<> ALL" and not _has_elements(condition):
            return False  # an empty array keeps every row
        self.not_null.add(column)
        if operator in _TRUTHS:
            return self._add_values(column, _TRUTHS[operator])
        if operator == "<> ALL" or operator == "IS NOT NULL":
            return False
        if condition.value is None:
            self.impossible = True  # a comparison with NULL keeps nothing
        elif condition.through:
            self._add_implied(condition, codec)
        elif operator in ("=", "= ANY"):
            values = _values(condition, codec, self.zone)
            if values is not None:
                if column == ROW_ID.name:
                    self._add_key(values)
                return self._add_values(column, values)
        elif operator == "<>" and codec.name == "boolean":
            truth = _parsed(codec, condition)
            if isinstance(truth, bool):
                return self._add_values(column, (not truth,))
        elif operator in _COMPARISONS and codec.name in _ORDERED:
            bound = _bound(condition, codec, self.zone)
            if bound is not None:
                self._add_bound(column, *bound)
        return False

    def _add_values(self, column: str, values: tuple[Any, ...]) -> bool:
        """False where another condition on the column says enough."""
        known = self.equal.get(column)
        if known is None:
            self.equal[column] = values
        elif any(isinstance(v, RuntimeValue) for v in values):
            return False
        elif any(isinstance(v, RuntimeValue) for v in known):
            self.equal[column] = values
        else:
            common = set(values)
            self.equal[column] = tuple(v for v in known if v in common)
        return True

    def _add_key(self, row_ids: tuple[Any, ...]) -> None:
        """What *row_ids* say of the columns that they join; the last may hold colons itself."""
        split = [
            [one] * len(self.key) if isinstance(one, RuntimeValue) else one.split(":", len(self.key) - 1)
            for one in row_ids
        ]
        keys = [parts for parts in split if len(parts) == len(self.key)]
        for place, (name, codec) in enumerate(self.key.items()):
            parsed = (_key_part(codec, name, parts[place]) for parts in keys)
            self._add_values(name, tuple(dict.fromkeys(value for value in parsed if value is not None)))

    def _add_bound(self, column: str, operator: str, bound: Any) -> None:
        self.ranges[column] = self.ranges.get(column, Range()).narrowed(operator, bound)

    def _add_implied(self, condition: Condition, codec: Codec) -> None:
        column, operator = condition.column, condition.operator
        if codec.name == "bigint" and condition.through in _NUMBERS:
            self._add_number(condition, codec)
        elif codec.name in ("timestamptz", "date"):
            several = condition.value if operator == "= ANY" else [condition.value]
            single = "=" if operator == "= ANY" else operator
            found = [
                _implied_bounds(condition._replace(operator=single, value=value), codec, self.zone)
                for value in several
                if value is not None
            ]
            for one, widest in ((">=", min), (">", min), ("<=", max), ("<", max)):
                bounds = [bound for bounds in found for way, bound in bounds if way == one]
                late = [bound for bound in bounds if isinstance(bound, RuntimeValue)]
                if bounds and len(bounds) >= len(found):
                    self._add_bound(column, one, late[0] if late else widest(bounds))

    def _add_number(self, condition: Condition, codec: Codec) -> None:
        """A comparison of a whole number as one of another type."""
        column, operator = condition.column, condition.operator
        several = condition.value if operator == "= ANY" else [condition.value]
        for one in several:
            value = None if one is None else _operand(condition._replace(value=one))
            if isinstance(value, Decimal) and (value.is_nan() or abs(value) >= _EXACT_FLOAT):
                return
        plain = condition._replace(through=())
        if operator in ("=", "= ANY"):
            values = _values(plain, codec, self.zone)
            if values is not None:
                self._add_values(column, values)
        elif operator in _COMPARISONS:
            bound = _bound(plain, codec, self.zone)
            if bound is not None:
                self._add_bound(column, *bound)

    def found(self) -> Predicates:
        for column, allowed in self.equal.items():
            limits = self.ranges.get(column)
            if limits is not None:
                self.equal[column] = tuple(v for v in allowed if limits.holds(v))
            self.impossible = self.impossible or not self.equal[column]
        self.impossible = self.impossible or any(r.empty for r in self.ranges.values())
        said = (self.impossible, tuple(self.texts), self.only_equal)
        return Predicates(self.equal, self.ranges, frozenset(self.not_null), *said)


def normalise(
    conditions: Iterable[Condition],
    codecs: Mapping[str, Codec],
    never_null: frozenset[str],
    zone: str = "UTC",
    key: Mapping[str, Codec] | None = None,
) -> Predicates:
    """Predicates of *conditions*; *codecs* of the table's columns, *never_null* the columns without NULLs,
    *zone* the session's time zone, *key* the columns that row_id joins."""
    collector = _Collector(codecs, never_null, zone, key or {})
    for condition in conditions:
        collector.add(condition)
    return collector.found()


# ---- values


def _has_elements(condition: Condition) -> bool:
    """True if the operand is an array that is known not to be empty."""
    return bool(condition.value) and not isinstance(condition.value[0], RuntimeValue)


def _operand(condition: Condition) -> Any:
    """The canonical value of the operand by its own type, None where it has none that is understood."""
    if isinstance(condition.value, RuntimeValue):
        return condition.value
    try:
        if condition.type == "timestamp without time zone":
            return dt.datetime.fromisoformat(_six_digits(condition.value))
        value = codec_for(condition.type).parse(condition.value)
    except (ValueError, TypeError, ArithmeticError):
        return None
    return None if isinstance(value, Far) else value


def _six_digits(text: str) -> str:
    head, dot, fraction = text.partition(".")
    return f"{head}.{fraction}000000"[: len(head) + 7] if dot else text


def _parsed(codec: Codec, condition: Condition) -> Any:
    """The operand as a value of the column's type, None where it is no such value."""
    value = _operand(condition)
    if value is None or isinstance(value, RuntimeValue):
        return value
    if codec.name == "bigint":
        return _whole(value)
    if codec.name == "numeric":
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            return None
        return Decimal(value) if Decimal(value).is_finite() else None
    if codec.name in ("text", "uuid", "boolean", "time"):
        return value if codec_for(condition.type).name == codec.name else None
    if codec.name == "timestamptz":
        return value if isinstance(value, dt.datetime) and value.tzinfo else None
    if codec.name == "date":
        return value if type(value) is dt.date else None
    return None


def _key_part(codec: Codec, name: str, text: str) -> Any:
    """A part of a row_id as a value of its column, None where it is none."""
    if not isinstance(text, RuntimeValue):
        try:
            codec.load(text)
        except ValueError:
            return None
    return _parsed(codec, Condition(name, "=", text, codec.name))


def _whole(value: Any) -> int | None:
    """A number as a whole one, None where it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    return None


def _values(condition: Condition, codec: Codec, zone: str) -> tuple[Any, ...] | None:
    """The values that ``=`` and ``= ANY`` allow; None where they are not understood."""
    if codec.is_array or codec.name in ("jsonb", "interval", "bytea"):
        return None
    several = condition.value if isinstance(condition.value, list) else [condition.value]
    out: list[Any] = []
    seen = set()
    for one in several:
        if one is None:
            continue
        single = Condition(condition.column, "=", one, condition.type)
        parsed = _parsed(codec, single)
        if parsed is None:
            if codec.name == "bigint" and isinstance(_operand(single), Decimal):
                continue  # 1.5 equals no whole number
            return None
        if isinstance(parsed, RuntimeValue) or parsed not in seen:
            out.append(parsed)
            seen.add(parsed)
    return tuple(out)


def _bound(condition: Condition, codec: Codec, zone: str) -> tuple[str, Any] | None:
    """The comparison as one with a value of the column's type, perhaps a wider one; None when not
    understood."""
    operator = condition.operator
    upper = operator in ("<", "<=")
    value = _operand(condition)
    if value is None or isinstance(value, RuntimeValue):
        return None if value is None else (operator, value)
    exact = _parsed(codec, condition)
    if exact is not None:
        return operator, exact
    if codec.name == "bigint" and isinstance(value, Decimal) and value.is_finite():
        # id > 3.5 is id >= 4
        return ("<=", math.floor(value)) if upper else (">=", math.ceil(value))
    if codec.name == "timestamptz" and isinstance(value, dt.date):
        local = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
        return _safely(lambda: (operator, session_midnights(local, zone)[1 if upper else 0]))
    if codec.name == "date" and isinstance(value, dt.datetime):
        if value.tzinfo is None:
            # The day itself, which is its midnight, is before a time of that day
            if upper:
                return "<=", value.date()
            return operator if value.time() == dt.time() else ">", value.date()
        return _safely(lambda: ("<=" if upper else ">=", session_days(value, zone)[1 if upper else 0]))
    return None


def _safely(bound: Any) -> tuple[str, Any] | None:
    """*bound*, None beyond the years that Python knows."""
    try:
        return bound()  # type: ignore[no-any-return]
    except OverflowError:
        return None


def _implied_bounds(condition: Condition, codec: Codec, zone: str) -> list[tuple[str, Any]]:
    """Bounds of the column that follow from a condition on a function of it."""
    value = _operand(condition)
    if isinstance(value, RuntimeValue):
        operators = {"=": (">=", "<=")}.get(condition.operator, (condition.operator,))
        return [(operator, value) for operator in operators if operator in _COMPARISONS]
    zoned = codec.name == "timestamptz"
    span = None if value is None else implied_span(condition.through, condition.operator, value, zone, zoned)
    bounds = () if span is None else ((">=", span.low), ("<=", span.high))
    if zoned:
        return [(operator, time.replace(tzinfo=UTC)) for operator, time in bounds if time is not None]
    return [(operator, time.date()) for operator, time in bounds if time is not None]
