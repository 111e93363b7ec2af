"""JSON as the API writes it and as PostgreSQL's jsonb reads and writes it.

A number is an int or a float, as long as these have all of its digits; else it is a Decimal, so that nothing
of it is lost on its way to a numeric or a jsonb.
"""

from __future__ import annotations

import json
import math
import mmap
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Callable

import orjson

from pipedrive_fdw.errors import quoted
from pipedrive_fdw.values.jsonbounds import Bounds
from pipedrive_fdw.values.numerics import is_numeric, numeric_text

# What numbers are written with becomes one character: a run of it is found faster than by a pattern.
_DIGITS = bytes(48 if chr(code) in "0123456789." else 32 for code in range(256))
# A number that may have more digits than a float or a bigint, and what stands before one that is in no text.
_MANY = b"0" * 18
_NUMBER = re.compile(rb"[0-9.]+(?:[eE][+-]?[0-9]+)?")
_BEFORE, _BEFORE_BYTES = re.compile(rb"(?:\A|[:\[,])\s*-?\Z"), 8
_WHOLE = re.compile(r"-?[0-9]+")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# The fraction of a whole number, and what stands before it in an id: a name that ends in id, or a list.
_FRACTION = re.compile(rb"\.0+(?=[\s,}\]])")
_OF_ID, _OF_ID_BYTES = re.compile(rb'(?:id"\s*:|[\[,])\s*-?[0-9]{1,15}\Z'), 32
# Bytes of memory that orjson takes for one of a document, at the most, and for one of any size.
_ROOM, _LEAST_ROOM = 32, 2**20
# Digits that every float has.
_EXACT_DIGITS = 17


def clean(text: str) -> str:
    """*text* without NUL, which PostgreSQL's text cannot hold."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    return text


def _clean_json(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, (list, tuple)):
        return [_clean_json(v) for v in value]
    if isinstance(value, dict):
        return {clean(k): _clean_json(v) for k, v in value.items()}
    return value


def parse_json(body: bytes) -> Any:
    """JSON *body* → Python, which ``to_json`` can write again.

    JSON may escape half of a UTF-16 surrogate pair (``\\ud800``), which no text of PostgreSQL can hold; it
    becomes a question mark. In a document that writes ids with a fraction, or those of its records with an
    exponent (7.0, 7e0), whole numbers are int.
    Raises ValueError for anything that is not one JSON document, and for one of more values or levels than
    a page of the API has.
    """
    return _bounded(body, lambda: _parsed(body))


def _bounded(body: bytes, read: Callable[[], Any]) -> Any:
    """What *read* gives, the value of the document *body*. Raises ValueError for one of too many values or
    levels, MemoryError if there is no memory to read it and to write it again."""
    bounds = Bounds(body)
    make_room(_LEAST_ROOM + _ROOM * len(body))
    try:
        value = read()
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None
    bounds.check(value)
    return value


def _parsed(body: bytes) -> Any:
    fractions = _has_ids_with_fraction(body)
    if not fractions and not any(map(_loses_digits, _long_numbers(body))):
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
        else:
            fractions = _has_ids_as_floats(value)
            if not fractions:
                return value
    text = body.decode("utf-8-sig", "strict")  # a byte order mark says nothing
    read = _float_or_int if fractions else _float
    value = json.loads(text, parse_float=read, parse_int=_int, parse_constant=_no_constant)
    return _without_surrogates(value) if _SURROGATE.search(body) else value


def make_room(size: int) -> None:
    """Raises MemoryError if there are no *size* bytes of memory; orjson, which does not look whether it gets
    what it asks for, would end the process."""
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError as error:
        raise MemoryError from error


def _has_ids_with_fraction(body: bytes) -> bool:
    starts = (found.start() for found in _FRACTION.finditer(body))
    return any(_OF_ID.search(body[max(start - _OF_ID_BYTES, 0) : start]) for start in starts)


def _has_ids_as_floats(answer: Any) -> bool:
    """True if records of *answer* have ids that were written with an exponent. The values tell that in less
    time than the text."""
    data = answer.get("data") if isinstance(answer, dict) else None
    records = data if isinstance(data, list) else [data]
    return any((one.get("id") if one.__class__ is dict else one).__class__ is float for one in records)


def _long_numbers(body: bytes) -> Iterator[str]:
    """The numbers of 18 characters or more in *body*; some may stand in texts."""
    shape, begin = body.translate(_DIGITS), 0
    while True:
        begin = shape.find(_MANY, begin)
        found = _NUMBER.match(body, begin) if begin >= 0 else None
        if found is None:
            return
        if _BEFORE.search(body[max(begin - _BEFORE_BYTES, 0) : begin]):
            yield ("-" if body[begin - 1 : begin] == b"-" else "") + found[0].decode()
        begin = found.end()


def _loses_digits(number: str) -> bool:
    """True for a number of which an int or a float has not all digits; what stood in a text may be none."""
    try:
        float(number)
    except ValueError:
        return False
    try:
        return isinstance(_int(number) if _WHOLE.fullmatch(number) else _float(number), Decimal)
    except ValueError:  # not even a Decimal that can be written has them
        return True


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_without_surrogates(v) for v in value]
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _decimal(text: str) -> Decimal:
    """The JSON number *text*, exactly. Raises ValueError for an exponent that no type of PostgreSQL holds."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("a number has an exponent of too many digits") from None


def _writable(number: Decimal) -> Decimal:
    """*number*, which to_json() can write. Raises ValueError where it cannot."""
    if not is_numeric(number):
        raise ValueError("a number has more digits than PostgreSQL's numeric")
    return number


def _float(text: str) -> float | Decimal:
    number, exact = float(text), _decimal(text)
    if math.isinf(number) or len(exact.as_tuple().digits) > _EXACT_DIGITS:
        return _writable(exact)
    return number


def _float_or_int(text: str) -> float | int | Decimal:
    number = _float(text)
    return (
        int(number) if isinstance(number, float) and number.is_integer() and abs(number) < 2**53 else number
    )


def _int(text: str) -> int | Decimal:
    number = Decimal(text)  # int() would refuse one of thousands of digits
    return int(number) if -(2**63) <= number < 2**64 else _writable(number)


def to_json(value: Any) -> str:
    """*value* as JSON text that PostgreSQL's jsonb reads, without NUL. Raises ValueError for a value that
    has no such text."""
    return json_bytes(value).decode()


def json_bytes(value: Any) -> bytes:
    """What ``to_json`` gives, in UTF-8."""
    try:
        text = orjson.dumps(value, default=_exactly)
        if b"\\" in text and b"\\u0000" in text:
            text = orjson.dumps(_clean_json(value), default=_exactly)
    except orjson.JSONEncodeError as error:
        raise ValueError(str(error.__cause__ or error)) from None
    return text


def comparable(value: Any) -> str:
    """JSON text that is the same for the same *value*, in whatever order its keys came."""
    return orjson.dumps(value, default=_exactly, option=orjson.OPT_SORT_KEYS).decode()


def as_it_is(text: str) -> Any:
    """JSON *text* as a value that ``to_json`` writes as it is."""
    return orjson.Fragment(text)


def _exactly(value: Any) -> orjson.Fragment:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is not JSON")
    return orjson.Fragment(numeric_text(value))


def parse_exact(text: str) -> Any:
    """The JSON document *text*; a number of which a double of the API would lose digits is a Decimal.

    Raises ValueError for what is none, and for one of more values or levels than a page of the API has.
    """
    return _bounded(
        text.encode(),
        lambda: json.loads(text, parse_float=_double, parse_int=_whole, parse_constant=_no_constant),
    )


def _double(text: str) -> float | Decimal:
    number, exact = float(text), _decimal(text)
    return number if math.isfinite(number) and Decimal(repr(number)) == exact else exact


def _whole(text: str) -> int | float | Decimal:
    number = Decimal(text)
    return int(number) if -(2**63) < number < 2**63 else _double(text)


def check_exact(value: Any) -> None:
    """Raises ValueError for a number in *value* that loses digits as JSON of the API."""
    if isinstance(value, Decimal):
        raise ValueError(f"the number {quoted(str(value))} has more digits than JSON of the API keeps")
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        check_exact(part)


def parse_row(text: str) -> dict[str, Any]:
    """A row as PostgreSQL's row_to_json() writes it, with its numbers exact: int or Decimal.

    Raises ValueError for one of more values or levels than a page of the API has, and for half a surrogate
    pair, which a json column may have and no request.
    """
    body = text.encode()
    row: dict[str, Any] = _bounded(body, lambda: json.loads(text, parse_float=_decimal, parse_int=_int))
    if _SURROGATE.search(body):
        to_json(row)
    return row


def doubles(value: Any) -> Any:
    """A JSON value of parse_row() with its numbers as parse_exact() gives them."""
    if isinstance(value, Decimal):
        return _double(str(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return _whole(str(value))
    if isinstance(value, list):
        return [doubles(v) for v in value]
    if isinstance(value, dict):
        return {k: doubles(v) for k, v in value.items()}
    return value
