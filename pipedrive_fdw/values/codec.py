"""Conversions between Pipedrive's JSON and PostgreSQL, one codec per PostgreSQL type.

A codec knows four directions, each a function of one non-null value:

``load``   JSON value of the API → what the C part hands to PostgreSQL (text that the type's input
           function reads, or a number, bool, list or object whose JSON it reads); ``None`` where the
           API's value means NULL (zero dates, empty times). It takes what the type can hold in PostgreSQL
           and nothing else, so that no value reaches an input function that refuses it
``parse``  PostgreSQL's text of a value under its ISO settings, row_to_json()'s value, or what ``load`` gave →
           canonical Python value: int, Decimal, bool, str, date, time, aware datetime, times.Far, list of
           those, or any JSON value for jsonb
``dump``   canonical → JSON value for a request body (v2's form)
``text``   canonical → text for a query parameter

A value that cannot be converted raises ValueError; callers name table and column.
"""

from __future__ import annotations

import datetime as dt
import re
from binascii import a2b_hex
from typing import Any, Callable, NamedTuple

from pipedrive_fdw.errors import quoted
from pipedrive_fdw.values.array_literals import list_of, load_array, parse_array
from pipedrive_fdw.values.jsontext import check_exact, clean, doubles, parse_exact, to_json
from pipedrive_fdw.values.numerics import (
    binary_of,
    dump_numeric,
    numeric_of,
    numeric_text,
    parse_numeric,
    parse_whole,
    whole_number,
)
from pipedrive_fdw.values.times import (
    UTC,
    Far,
    clock_text,
    date_text,
    duration_text,
    moment_text,
    parse_clock,
    parse_date,
    parse_duration,
    parse_moment,
)


class Codec(NamedTuple):
    """The four conversions of one PostgreSQL type; *name* is the SQL type.

    *passes* is the source of a test of ``v``: a value that passes is its own ``load``, which saves the call.
    """

    name: str
    load: Callable[[Any], Any]
    parse: Callable[[Any], Any]
    dump: Callable[[Any], Any]
    text: Callable[[Any], str]
    passes: str = "False"

    @property
    def is_array(self) -> bool:
        return self.name.endswith("[]")


class _Unreadable:
    """Stands in a row to be changed for a value that PostgreSQL was not shown: it equals no other value."""

    def __repr__(self) -> str:
        return "a value that cannot be read"


UNREADABLE = _Unreadable()


# ---- text and JSON


def _load_text(value: Any) -> str:
    if isinstance(value, str):
        return value if "\x00" not in value else clean(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return to_json(value)
    return str(value)


# As PostgreSQL reads it: a hyphen may stand behind any four digits, braces around all.
_UUID = re.compile(r"[0-9a-f]{4}(-?[0-9a-f]{4}){7}")


def _load_uuid(value: Any) -> str | None:
    text = str(value).strip().lower()
    if not text:
        return None
    bare = text[1:-1] if text[0] == "{" and text[-1] == "}" else text
    if not _UUID.fullmatch(bare):
        raise ValueError(f"{quoted(value)} is not a uuid")
    digits = bare.replace("-", "")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _parse_uuid(value: Any) -> str:
    return _parse_text(value).lower()


def _load_jsonb(value: Any) -> Any:
    return value if isinstance(value, (dict, list)) else to_json(value)


def _parse_jsonb(value: Any) -> Any:
    return doubles(value) if isinstance(value, (dict, list)) else parse_exact(value)


def _dump_jsonb(value: Any) -> Any:
    check_exact(value)
    return value


def _parse_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{quoted(str(value))} is not text")
    return value


# ---- booleans

_TRUE = frozenset((True, 1, "1", "t", "true", "yes", "on"))
_FALSE = frozenset((False, 0, "0", "f", "false", "no", "off"))


def _load_boolean(value: Any) -> bool | None:
    if value is True or value is False:
        return value
    key = value.lower() if isinstance(value, str) else value
    if key == "":
        return None
    if not isinstance(key, (list, dict)):
        if key in _TRUE:
            return True
        if key in _FALSE:
            return False
    raise ValueError(f"{quoted(value)} is not a boolean")


def _parse_boolean(value: Any) -> bool:
    result = _load_boolean(value)
    if result is None:
        raise ValueError("an empty text is not a boolean")
    return result


# ---- dates and times


def bytea_text(content: bytes) -> str:
    """*content* as PostgreSQL reads a bytea."""
    return f"\\x{content.hex()}"


def _load_bytea(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("\\x"):
        raise ValueError(f"{quoted(value)} is not a bytea in its hex form")
    a2b_hex(value[2:])
    return value


def _parse_bytea(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str) and value.startswith("\\x"):
        return bytes.fromhex(value[2:])
    raise ValueError("a bytea is read in its hex form only (SET bytea_output = 'hex')")


def _near(value: Any) -> Any:
    """*value*, unless Python, and so a request, cannot hold it."""
    if isinstance(value, Far):
        raise ValueError(
            f"{value} is not a date or time that can be sent: years are 1 to 9999, hours 0 to 23"
        )
    return value


def _dump_timestamptz(value: dt.datetime | Far) -> str:
    near: dt.datetime = _near(value)
    return f"{near.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"


def _dump_date(value: dt.date | Far) -> str:
    return dt.date.isoformat(_near(value))


def _dump_time(value: dt.time | Far) -> str:
    near: dt.time = _near(value)
    if near.microsecond:
        raise ValueError(f"{near} has a fraction of a second, which Pipedrive's times do not have")
    return near.isoformat()


def _dump_interval(value: dt.timedelta) -> str:
    minutes, rest = divmod(value.total_seconds(), 60)
    if rest or minutes < 0:
        raise ValueError("durations of Pipedrive are whole minutes, and not negative")
    return f"{int(minutes) // 60:02d}:{int(minutes) % 60:02d}"


# ---- all codecs


def _same(value: Any) -> Any:
    return value


def _bool_text(value: bool) -> str:
    return "true" if value else "false"


_BIGINT, _IS_BIGINT = whole_number(64, "bigint")


def _dump_bigint(value: Any) -> int | None:
    return _BIGINT(parse_whole(value))


_IS_DOCUMENT = "v.__class__ is dict or v.__class__ is list"
_IS_NUMBER = "v.__class__ is float or v.__class__ is int"
_SCALARS = (
    Codec("bigint", _BIGINT, parse_whole, _dump_bigint, str, _IS_BIGINT),
    Codec("numeric", numeric_text, parse_numeric, dump_numeric, str, _IS_NUMBER),
    Codec("boolean", _load_boolean, _parse_boolean, _parse_boolean, _bool_text, "v is True or v is False"),
    Codec("text", _load_text, _parse_text, _parse_text, _same, "v.__class__ is str and '\\0' not in v"),
    Codec("uuid", _load_uuid, _parse_uuid, _parse_uuid, _same),
    Codec("jsonb", _load_jsonb, _parse_jsonb, _dump_jsonb, to_json, _IS_DOCUMENT),
    Codec("timestamptz", moment_text, parse_moment, _dump_timestamptz, _dump_timestamptz),
    Codec("date", date_text, parse_date, _dump_date, _dump_date),
    Codec("time", clock_text, parse_clock, _dump_time, dt.time.isoformat),
    Codec("bytea", _load_bytea, _parse_bytea, bytea_text, bytea_text),
    Codec("interval", duration_text, parse_duration, _dump_interval, _dump_interval),
)


def _array_of(codec: Codec, quote: bool) -> Codec:
    return Codec(
        codec.name + "[]",
        load_array(codec.load, quote),
        parse_array(codec.parse),
        list_of(codec.dump),
        lambda values: ",".join(codec.text(v) for v in values),
    )


def dumped(type_name: str, value: Any) -> Any:
    """The JSON of a canonical *value* for a field of the type *type_name*.

    The column that it was given to may be declared as another type, so it must be a value of this one, too.
    """
    codec = CODECS[type_name]
    if type_name != "jsonb" and not isinstance(value, (list, Far)):
        value = codec.parse(value)
    return codec.dump(value)


def same(one: Any, other: Any) -> bool:
    """True if two canonical values are equal for PostgreSQL's types."""
    if isinstance(one, dt.datetime) and isinstance(other, dt.datetime):
        return one.replace(microsecond=0) == other.replace(microsecond=0)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)  # of JSON, true is not 1


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
    "json": "jsonb",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
}
_TYPE = re.compile(r"(?P<base>[a-z0-9 ]+?) ?(?:\((?P<sizes>[0-9, -]+)\))?(?P<rest> [a-z ]+)?(?P<array>\[\])?")


def bare_type(type_name: str) -> str:
    """*type_name* as format_type() prints it, without the quotes that ``quote_all_identifiers`` adds, and
    without the schema that it has where a temporary table, or a type of another schema, has the same name."""
    type_name = re.sub(r'^"?pg_catalog"?\.', "", type_name)
    return type_name if type_name.startswith('"char"') else type_name.replace('"', "")


def codec_for(type_name: str) -> Codec:
    """The codec of a PostgreSQL type as the catalogue names it or format_type() prints it: ``numeric(12,2)``.

    Its ``load`` takes what that very type can hold, also where a wider one has the same codec. Raises
    ValueError for a type that no codec serves.
    """
    found = _TYPE.fullmatch(" ".join(type_name.lower().split()))
    base = f"{found['base']}{found['rest'] or ''}" if found else ""
    codec = CODECS.get(_ALIASES.get(base, base))
    if found is None or codec is None:
        raise ValueError(f"type {type_name} is not supported")
    sizes = [int(size) for size in (found["sizes"] or "").split(",") if size]
    codec = _sized(codec, base, sizes)
    if not found["array"]:
        return codec
    if f"{codec.name}[]" not in CODECS:
        raise ValueError(f"type {type_name} is not supported")
    return _array_of(codec, quote=codec.name == "text")


def _sized(codec: Codec, base: str, sizes: list[int]) -> Codec:
    """*codec*, whose type is declared as *base* with *sizes*, with what that holds."""
    if base in ("integer", "int4", "smallint", "int2"):
        load, passes = whole_number(32 if base in ("integer", "int4") else 16, base)
        return codec._replace(load=load, passes=passes)
    if base == "numeric" and sizes:
        return codec._replace(load=numeric_of(sizes[0], (*sizes, 0)[1]), passes="False")
    if base in ("real", "float4", "double precision", "float8"):
        single = base in ("real", "float4")
        load = binary_of("<f" if single else "<d", base)
        return codec._replace(load=load, passes="False" if single else _IS_NUMBER)
    if base in ("character", "bpchar", "character varying", "varchar"):
        length = sizes[0] if sizes else 1 if base == "character" else 0
        padded = "var" not in base
        codec = codec._replace(parse=_parse_padded) if padded else codec
        return codec._replace(load=_text_of(length, padded), passes="False") if length else codec
    return codec


def _parse_padded(value: Any) -> str:
    """The text of a ``char(n)``; PostgreSQL adds spaces, which mean nothing."""
    return _parse_text(value).rstrip(" ")


def _text_of(length: int, padded: bool) -> Callable[[Any], str]:
    """The ``load`` of a text of so many characters; spaces at its end do not count, and if *padded*, mean
    nothing."""

    def load(value: Any) -> str:
        text = _load_text(value)
        if padded or len(text) > length:
            text = text.rstrip(" ")
        if len(text) > length:
            raise ValueError(f"{quoted(value)} has more than {length} characters")
        return text

    return load
