"""Conversions between Pipedrive's JSON and PostgreSQL, one codec per PostgreSQL type.

A codec knows four directions, each a function of one non-null value:

``load``   JSON value of the API → what Multicorn hands to PostgreSQL (text that the type's input
           function reads, or an int/bool/float whose ``str`` it reads); ``None`` where the API's value
           means NULL (zero dates, empty times)
``parse``  what Multicorn gives for a qual or a written column → canonical Python value: int, Decimal,
           bool, str, date, time, aware datetime, list of those, or any JSON value for jsonb
``dump``   canonical → JSON value for a request body (v2's form)
``text``   canonical → text for a query parameter

A value that cannot be converted raises ValueError; callers name table and column. Multicorn's own
representations differ by type and setting (timestamps come as text in the session's DateStyle), so
``parse`` accepts what is unambiguous and refuses the rest.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Callable

from pipedrive_fdw.jsontext import clean, parse_exact, to_json

UTC = dt.timezone.utc


@dataclass(frozen=True)
class Codec:
    """The four conversions of one PostgreSQL type; *name* is the SQL type."""

    name: str
    load: Callable[[Any], Any]
    parse: Callable[[Any], Any]
    dump: Callable[[Any], Any]
    text: Callable[[Any], str]

    @property
    def is_array(self) -> bool:
        return self.name.endswith("[]")


# ---- text and JSON


def _load_text(value: Any) -> str:
    if isinstance(value, str):
        return value if "\x00" not in value else clean(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return to_json(value)
    return str(value)


def _load_uuid(value: Any) -> str | None:
    return str(value).strip().lower() or None


def _parse_uuid(value: Any) -> str:
    return _parse_text(value).lower()


def _parse_jsonb(value: Any) -> Any:
    return value if isinstance(value, (dict, list)) else parse_exact(value)


def _parse_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value


# ---- numbers and booleans


def _load_bigint(value: Any) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if re.fullmatch(r"[+-]?\d+", text):
            return int(text)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError(f"{value!r} is not an integer")


def _parse_bigint(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal, float)):
        raise ValueError(f"{value!r} is not an integer")
    number = int(value)
    if number != (Decimal(value) if isinstance(value, str) else value):
        raise ValueError(f"{value!r} is not an integer")
    return number


def _load_numeric(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            return str(Decimal(value.strip()))
        except InvalidOperation:
            pass
    raise ValueError(f"{value!r} is not a number")


_DIGITS = 15


def _parse_numeric(value: Any) -> Decimal:
    try:
        # float: Multicorn turns numeric quals into float; repr is the shortest text that reads back the same
        return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, TypeError) as error:
        raise ValueError(f"{value!r} is not a number") from error


def _dump_numeric(value: Decimal) -> Any:
    # Multicorn hands a numeric over as a float: from 16 digits on nobody knows what it was
    if not value.is_finite():
        raise ValueError(f"{value} cannot be sent as JSON")
    if len(value.normalize().as_tuple().digits) > _DIGITS or abs(value) >= 10**_DIGITS:
        raise ValueError(f"{value} has more digits than can be sent without loss; round() it to {_DIGITS}")
    if value == value.to_integral_value():
        return int(value)
    return float(value)


_TRUE = frozenset((True, 1, "1", "t", "true", "yes", "on"))
_FALSE = frozenset((False, 0, "0", "f", "false", "no", "off"))


def _load_boolean(value: Any) -> bool | None:
    if value is True or value is False:
        return value
    key = value.lower() if isinstance(value, str) else value
    if key == "":
        return None
    if key in _TRUE:
        return True
    if key in _FALSE:
        return False
    raise ValueError(f"{value!r} is not a boolean")


def _parse_boolean(value: Any) -> bool:
    result = _load_boolean(value)
    if result is None:
        raise ValueError("an empty text is not a boolean")
    return result


# ---- dates and times

_ISO = re.compile(r"\d{4}-\d\d-\d\d$")
_BARE_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?$")
_OFFSET = re.compile(r"([+-]\d\d)(:?\d\d)?(:?\d\d)?$")


def _is_zero(value: str) -> bool:
    # '0000-00-00', '0000-00-00 00:00:00' and '-0001-11-30 …': how a zero date of the API's store reads
    return value.startswith(("0000-", "-")) or not value


def _load_timestamptz(value: Any) -> str | None:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a time")
    if len(value) == 20 and value[19] == "Z" and value[0] != "0":
        return value
    if _is_zero(value):
        return None
    if _ISO.match(value):
        return value + " 00:00:00+00"
    if _BARE_TIME.match(value):
        return value + "+00"  # v1 gives UTC without saying so (FACTS 8, time formats), v2 may
    parse_datetime(value)
    return value


def parse_datetime(value: Any) -> dt.datetime:
    """An aware UTC datetime from ISO text with an offset, a date or an aware datetime."""
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC)
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a time")
    text = value.strip().replace(" ", "T", 1)
    if text.endswith(("Z", "z")):
        text = text[:-1] + "+00:00"
    found = _OFFSET.search(text[10:])
    if not found:
        raise ValueError(f"{value!r} is not ISO with an offset")
    head = text[: 10 + found.start()]
    offset = found.group(1) + ":" + (found.group(2) or "00").lstrip(":")
    if "." in head:  # fromisoformat of 3.9 wants exactly 3 or 6 digits
        seconds, fraction = head.split(".")
        head = seconds + "." + (fraction + "000000")[:6]
    return dt.datetime.fromisoformat(head + offset).astimezone(UTC)


def _parse_bytea(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str) and value.startswith("\\x"):
        return bytes.fromhex(value[2:])
    raise ValueError("a bytea is read in its hex form only (SET bytea_output = 'hex')")


def _dump_timestamptz(value: dt.datetime) -> str:
    return value.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")


def _load_date(value: Any) -> str | None:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a date")
    if _is_zero(value):
        return None
    if not _ISO.match(value[:10]):
        raise ValueError(f"{value!r} is not a date")
    return value[:10]


def _parse_date(value: Any) -> dt.date:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    return dt.date.fromisoformat(value)


def _load_time(value: Any) -> str | None:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a time of day")
    return value or None


def _parse_time(value: Any) -> dt.time:
    if isinstance(value, dt.time):
        return value
    clock, _, fraction = value.partition(".")  # fromisoformat of 3.9 wants 3 or 6 digits
    if clock.startswith("24:"):  # midnight at a day's end, which Python from 3.14 on takes for its beginning
        raise ValueError(f"{value!r} is not a time of a day")
    exact = dt.time.fromisoformat(clock if clock[2:3] == ":" else f"0{clock}")
    return exact.replace(microsecond=int(f"{fraction}000000"[:6]))


def _dump_time(value: dt.time) -> str:
    if value.microsecond:
        raise ValueError(f"{value} has a fraction of a second, which Pipedrive's times have not")
    return value.isoformat()


_INTERVAL = re.compile(r"(?:(\d+) days? ?)?(?:(\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?)?$")


def _parse_interval(value: Any) -> dt.timedelta:
    if isinstance(value, dt.timedelta):
        return value
    found = _INTERVAL.match(value) if isinstance(value, str) and value else None
    if not found:
        raise ValueError(f"{value!r} is not a duration of days, hours and minutes")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return dt.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _dump_interval(value: dt.timedelta) -> str:
    minutes, rest = divmod(value.total_seconds(), 60)
    if rest:
        raise ValueError(f"{value} has seconds, and durations of Pipedrive are whole minutes")
    return f"{int(minutes) // 60:02d}:{int(minutes) % 60:02d}"


# ---- arrays


def _quote_item(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _load_array(load: Callable[[Any], Any], quote: bool) -> Callable[[Any], str]:
    def item(value: Any) -> str:
        loaded = None if value is None else load(value)
        if loaded is None:
            return "NULL"
        return _quote_item(loaded) if quote else str(loaded)

    def array(value: Any) -> str:
        if isinstance(value, str):  # v1's comma lists
            value = [part for part in value.split(",") if part]
        if not isinstance(value, list):
            value = [value]
        return "{" + ",".join([item(v) for v in value]) + "}"

    return array


def parse_array_literal(text: str) -> list[str | None]:
    """A one-dimensional PostgreSQL array literal → its elements as text."""
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError(f"{text!r} is not an array")
    items: list[str | None] = []
    for found in re.finditer(r'"((?:[^"\\]|\\.)*)"|([^,{}]+)', text[1:-1], re.S):
        quoted, bare = found.groups()
        if quoted is not None:
            items.append(re.sub(r"\\(.)", r"\1", quoted, flags=re.S))
        else:
            items.append(None if bare.upper() == "NULL" else bare)
    return items


def _parse_array(parse: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    def array(value: Any) -> list[Any]:
        if isinstance(value, str):
            value = parse_array_literal(value)
        return [None if v is None else parse(v) for v in value]

    return array


def _same(value: Any) -> Any:
    return value


def _list_of(one: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    def dump(values: Any) -> list[Any]:
        if any(v is None or isinstance(v, list) for v in values):
            raise ValueError("an array of the API is a plain list without NULL")
        return [one(v) for v in values]

    return dump


def _bool_text(value: bool) -> str:
    return "true" if value else "false"


_SCALARS = (
    Codec("bigint", _load_bigint, _parse_bigint, _same, str),
    Codec("numeric", _load_numeric, _parse_numeric, _dump_numeric, str),
    Codec("boolean", _load_boolean, _parse_boolean, _same, _bool_text),
    Codec("text", _load_text, _parse_text, _same, _same),
    Codec("uuid", _load_uuid, _parse_uuid, _same, _same),
    Codec("jsonb", to_json, _parse_jsonb, _same, to_json),
    Codec("timestamptz", _load_timestamptz, parse_datetime, _dump_timestamptz, _dump_timestamptz),
    Codec("date", _load_date, _parse_date, dt.date.isoformat, dt.date.isoformat),
    Codec("time", _load_time, _parse_time, _dump_time, dt.time.isoformat),
    Codec("bytea", _load_text, _parse_bytea, bytes.hex, bytes.hex),
    Codec("interval", _load_time, _parse_interval, _dump_interval, _dump_interval),
)


def _array_of(codec: Codec, quote: bool) -> Codec:
    return Codec(
        codec.name + "[]",
        _load_array(codec.load, quote),
        _parse_array(codec.parse),
        _list_of(codec.dump),
        lambda values: ",".join(codec.text(v) for v in values),
    )


def same(one: Any, other: Any) -> bool:
    """Whether two canonical values are the same to PostgreSQL's types."""
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return one == other or float(one) == float(other)  # a written numeric comes as a float
    if isinstance(one, dt.datetime) and isinstance(other, dt.datetime):
        return one.replace(microsecond=0) == other.replace(microsecond=0)
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    return bool(one == other)


CODECS = {c.name: c for c in _SCALARS}
CODECS["bigint[]"] = _array_of(CODECS["bigint"], quote=False)
CODECS["uuid[]"] = _array_of(CODECS["uuid"], quote=False)
CODECS["text[]"] = _array_of(CODECS["text"], quote=True)

# Types that a user may choose in a hand-written CREATE FOREIGN TABLE, and the codec that serves them.
_ALIASES = {
    "integer": "bigint",
    "smallint": "bigint",
    "int8": "bigint",
    "int4": "bigint",
    "int2": "bigint",
    "real": "numeric",
    "double precision": "numeric",
    "float8": "numeric",
    "float4": "numeric",
    "bool": "boolean",
    "character varying": "text",
    "varchar": "text",
    "character": "text",
    "bpchar": "text",
    "citext": "text",
    "json": "jsonb",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "integer[]": "bigint[]",
    "character varying[]": "text[]",
}


def codec_for(type_name: str) -> Codec:
    """The codec of a PostgreSQL type as the catalogue names it or format_type() prints it.

    Raises ValueError for a type that no codec serves.
    """
    base = re.sub(r"\(.*?\)", "", type_name).strip().lower()
    base = " ".join(base.split())
    try:
        return CODECS.get(base) or CODECS[_ALIASES[base]]
    except KeyError:
        raise ValueError(f"type {type_name} is not supported") from None
