"""Conversions of values, both ways."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from pipedrive_fdw.values.array_literals import parse_array_literal
from pipedrive_fdw.values.codec import CODECS, codec_for
from pipedrive_fdw.values.jsontext import parse_json, to_json

UTC = dt.timezone.utc


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("bigint", 7, 7),
        ("bigint", "7", 7),
        ("bigint", "", None),
        ("bigint", 7.0, 7),
        ("bigint", True, 1),
        ("numeric", 12.5, 12.5),
        ("numeric", "12.50", "12.50"),
        ("numeric", "", None),
        ("boolean", True, True),
        ("boolean", 0, False),
        ("boolean", "1", True),
        ("boolean", "", None),
        ("text", "a\x00b", "ab"),
        ("text", 5, "5"),
        ("text", {"a": 1}, '{"a":1}'),
        ("timestamptz", "2024-02-01T10:20:30Z", "2024-02-01T10:20:30Z"),
        ("timestamptz", "2024-02-01 10:20:30", "2024-02-01 10:20:30+00"),
        ("timestamptz", "2024-02-01", "2024-02-01 00:00:00+00"),
        ("timestamptz", "2024-02-01T10:20:30.123Z", "2024-02-01 10:20:30.123+00"),
        ("timestamptz", "0000-00-00 00:00:00", None),
        ("timestamptz", "-0001-11-30 00:00:00", None),
        ("timestamptz", "", None),
        ("date", "2024-02-01", "2024-02-01"),
        ("date", "0000-00-00", None),
        ("date", "2024-02-01 00:00:00", "2024-02-01"),
        ("time", "", None),
        ("time", "10:30", "10:30:00"),
        ("interval", "26:30", "26:30"),
        ("jsonb", {"a": "x\x00y"}, {"a": "x\x00y"}),
        ("jsonb", "x\x00y", '"xy"'),
        ("bigint[]", [1, None, 3], "{1,NULL,3}"),
        ("bigint[]", "2,3", "{2,3}"),
        ("bigint[]", [], "{}"),
        ("text[]", ['a"b', "c\\d", "", None], '{"a\\"b","c\\\\d","",NULL}'),
    ],
)
def test_values_of_the_api_become_what_postgresql_reads(kind: str, value: object, expected: object) -> None:
    assert CODECS[kind].load(value) == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bigint", "seven"),
        ("bigint", 1.5),
        ("boolean", "maybe"),
        ("date", "soon"),
        ("timestamptz", "soon"),
        ("numeric", "x"),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_an_error(kind: str, value: object) -> None:
    with pytest.raises(ValueError, match="is not"):
        CODECS[kind].load(value)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("bigint", 7, 7),
        ("bigint", "7", 7),
        ("numeric", 0.1, Decimal("0.1")),
        ("numeric", "1e3", Decimal("1000")),
        ("boolean", "t", True),
        ("boolean", "f", False),
        ("date", dt.date(2024, 2, 1), dt.date(2024, 2, 1)),
        ("date", "2024-02-01", dt.date(2024, 2, 1)),
        ("timestamptz", "2024-02-01 12:00:00.5+02", dt.datetime(2024, 2, 1, 10, 0, 0, 500000, UTC)),
        ("timestamptz", "2024-02-01 12:00:00+05:30", dt.datetime(2024, 2, 1, 6, 30, tzinfo=UTC)),
        ("timestamptz", "2024-02-01 12:00:00-0330", dt.datetime(2024, 2, 1, 15, 30, tzinfo=UTC)),
        ("interval", "1 day 02:30:00", dt.timedelta(hours=26, minutes=30)),
        ("jsonb", '{"a": 1}', {"a": 1}),
        ("jsonb", {"a": [Decimal(10**25)]}, {"a": [1e25]}),
        ("text[]", '{"a,b",NULL,c}', ["a,b", None, "c"]),
        ("bigint[]", [1, 2], [1, 2]),
    ],
)
def test_values_of_postgresql_are_understood(kind: str, value: object, expected: object) -> None:
    assert CODECS[kind].parse(value) == expected


@pytest.mark.parametrize("value", ["02/02/2024 19:00:00 EST", "2024-02-01 12:00:00", "yesterday"])
def test_a_time_in_another_date_style_is_refused(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - fromisoformat's own texts among them
        CODECS["timestamptz"].parse(value)


def test_json_keeps_an_escaped_backslash_before_u0000() -> None:
    assert to_json({"a": "\\u0000"}) == '{"a":"\\\\u0000"}'


def test_a_lone_surrogate_does_not_break_an_answer() -> None:
    assert parse_json(b'{"a":"x\\ud800y"}') == {"a": "x?y"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.30000000000000004", 0.30000000000000004),
        ("-1000000000000000.0", -1000000000000000.0),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("18446744073709551616", Decimal(2**64)),
        ("-9223372036854775809", Decimal(-(2**63) - 1)),
        ("1234567890123456789.5", Decimal("1234567890123456789.5")),
        ("-0.1234567890123456789", Decimal("-0.1234567890123456789")),
        ("1.2345678901234567890e3", Decimal("1234.5678901234567890")),
    ],
)
@pytest.mark.parametrize(
    "frame", ["%s", "[1,  %s ]", '{"a":"1234567890123456789.1.2","b":%s}', '[0,\n%s,"é"]']
)
def test_a_number_keeps_all_its_digits_wherever_it_stands(text: str, expected: Any, frame: str) -> None:
    value = parse_json((frame % text).encode())
    found = (
        [value]
        if not isinstance(value, (list, dict))
        else list(value if isinstance(value, list) else value.values())
    )
    (number,) = (one for one in found if one == expected)
    assert type(number) is type(expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"id":7.0}', {"id": 7}),
        (b'{"deal_id" : -7.00 , "value":1.0,"tax":1.5}', {"deal_id": -7, "value": 1, "tax": 1.5}),
        (b"[1.0, 2.0\n]", [1, 2]),
        (b'{"value":1.0,"ids":[]}', {"value": 1.0, "ids": []}),
        (b'{"id":1e300,"x":[1.0]}', {"id": 1e300, "x": [1]}),
        (b'{"data":{"id":7e0}}', {"data": {"id": 7}}),
        (
            b'{"data":[{"id": 70E-1, "deal_id": -70E-1, "value": 2.5e1, "tax": 1.5e0}]}',
            {"data": [{"id": 7, "deal_id": -7, "value": 25, "tax": 1.5}]},
        ),
        (b'{"data": [4e0, 5.0e+0], "name": "1e0"}', {"data": [4, 5], "name": "1e0"}),
        (b'{"value": 1e0}', {"value": 1.0}),
    ],
)
def test_ids_with_a_fraction_or_an_exponent_are_whole_numbers(body: bytes, expected: Any) -> None:
    assert repr(parse_json(body)) == repr(expected)


def test_a_byte_order_mark_says_nothing() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


def test_broken_json_is_an_error() -> None:
    for body in (b"", b'{"a":', b"<html>", b"\xff"):
        with pytest.raises(ValueError):  # noqa: PT011 - three libraries' texts
            parse_json(body)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("character varying(255)", "text"),
        ("timestamp with time zone", "timestamptz"),
        ("numeric(12,2)", "numeric"),
        ("integer", "bigint"),
        ("text[]", "text[]"),
    ],
)
def test_types_that_a_user_declares_find_their_codec(name: str, codec: str) -> None:
    assert codec_for(name).name == codec


def test_an_unknown_type_is_an_error() -> None:
    with pytest.raises(ValueError, match="point is not supported"):
        codec_for("point")


def test_array_literals_are_read_back() -> None:
    items = ['a"b', "c\\d", "", "NULL", "x,y", None]
    assert parse_array_literal(CODECS["text[]"].load(items)) == items


def test_array_literals_that_begin_elsewhere_or_nest_are_read() -> None:
    assert parse_array_literal('[0:1]={"[1:1]={}",x}') == ["[1:1]={}", "x"]
    assert parse_array_literal("[-1:0][5:6]={{3,4},{5,NULL}}") == ["3", "4", "5", None]


@pytest.mark.parametrize("exponent", [309, 130_000])
def test_a_number_beyond_a_double_is_named_in_few_words(exponent: int) -> None:
    with pytest.raises(ValueError, match=r"^'10+…? is too large to be sent$") as caught:
        CODECS["numeric"].dump(Decimal("1" + "0" * exponent))
    assert len(str(caught.value)) < 150
