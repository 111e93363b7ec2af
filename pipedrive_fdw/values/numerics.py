"""Numbers of the API in the ranges of PostgreSQL's types, both ways (see codec).

Every function raises ValueError for what is no number, and a load for what its type cannot hold.
"""

from __future__ import annotations

import math
import re
import struct
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any, Callable

from pipedrive_fdw.errors import quoted

_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")


def whole_number(bits: int, name: str) -> tuple[Callable[[Any], int | None], str]:
    """Load and passes of a type of whole numbers of *bits*."""
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def load(value: Any) -> int | None:
        number = value
        if isinstance(value, str):
            text = value.strip()
            if not text:
                return None
            number = int(text) if _WHOLE.fullmatch(text) else None
        if not isinstance(number, (int, float, Decimal)):
            raise ValueError(f"{quoted(str(value))} is not an integer")
        if not low <= number <= high:
            raise ValueError(f"{quoted(value)} is beyond the numbers of {name}, {low} to {high}")
        if number != int(number):
            raise ValueError(f"{quoted(str(value))} is not an integer")
        return int(number)

    return load, f"v.__class__ is int and {low} <= v <= {high}"


def parse_whole(value: Any) -> int:
    number = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value.strip()) else value
    known = isinstance(number, (int, Decimal, float)) and not isinstance(number, bool)
    if known and math.isfinite(number) and number == int(number):
        return int(number)
    raise ValueError(f"{quoted(str(value))} is not an integer")


_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")
# JSON is written with whole numbers below it, and with an exponent from there on.
_MOST_WHOLE = 2**63
# Digits before and behind the point of a numeric.
_MOST_BEFORE, _MOST_BEHIND = 131_072, 16_383


def _number(value: Any) -> Decimal | None:
    """A number of the API, exactly; None for an empty text."""
    if isinstance(value, (bool, int)):
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if _NUMBER.fullmatch(text):
            return Decimal(text)
    raise ValueError(f"{quoted(value)} is not a number")


def is_numeric(number: Decimal) -> bool:
    """True if a numeric holds *number*, which is finite."""
    small = not number or number.adjusted() < _MOST_BEFORE
    return small and -int(number.as_tuple().exponent) <= _MOST_BEHIND


def numeric_text(value: Any) -> Any:
    number = _number(value)
    if number is None or isinstance(value, float):
        return None if number is None else value
    if not is_numeric(number):
        raise ValueError(f"{quoted(value)} has more digits than a numeric")
    return int(value) if isinstance(value, int) else str(number)


def numeric_of(precision: int, scale: int) -> Callable[[Any], Any]:
    """The load of a numeric(*precision*, *scale*), which rounds."""
    context = Context(prec=_MOST_BEFORE + _MOST_BEHIND)

    def load(value: Any) -> Any:
        loaded = numeric_text(value)
        if loaded is None:
            return None
        rounded = Decimal(str(loaded)).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, context)
        if rounded and rounded.adjusted() >= precision - scale:
            raise ValueError(f"{quoted(value)} is beyond the numbers of numeric({precision},{scale})")
        return str(rounded)

    return load


def _packed(form: str, number: float) -> bytes:
    try:
        return struct.pack(form, number)
    except OverflowError:
        return b""


def binary_of(form: str, name: str) -> Callable[[Any], Any]:
    """The load of a floating point number, which is shown as PostgreSQL does; *form* is struct's."""

    def load(value: Any) -> Any:
        number = _number(value)
        if number is None:
            return None
        packed = _packed(form, float(number))
        held = struct.unpack(form, packed)[0] if packed else math.inf
        if math.isinf(held) or bool(held) != bool(number):
            raise ValueError(f"{quoted(value)} is beyond the numbers of {name}")
        texts = (f"{held:.{digits}g}" for digits in range(1, 18))
        return next(text for text in texts if _packed(form, float(text)) == packed)

    return load


def parse_numeric(value: Any) -> Decimal:
    try:
        # repr is the shortest text that reads back the same
        return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, TypeError) as error:
        raise ValueError(f"{quoted(value)} is not a number") from error


def dump_numeric(value: Decimal) -> Any:
    # A JSON number of the API is a double
    if not value.is_finite():
        raise ValueError(f"{value} cannot be sent as JSON")
    if math.isinf(float(value)):
        raise ValueError(f"{quoted(str(value))} is too large to be sent")
    if Decimal(repr(float(value))) != value:
        raise ValueError(f"{quoted(str(value))} has more digits than can be sent without loss; round() it")
    whole = value == value.to_integral_value() and abs(value) < _MOST_WHOLE
    return int(value) if whole else float(value)
