"""Which values a column can hold is decided as PostgreSQL decides it.

Made-up texts, most of them near a limit, are compared with what its own input functions say.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from pipedrive_fdw.values.codec import codec_for
from pipedrive_fdw.values.jsontext import parse_json, to_json
from tools.engine import Server

TEXTS = 400
_YEARS = "2024 2023 1900 2000 9999 10000 20222 0001 0004 4714 4713 294276 294277 5874897 5874898 99999999"
_DAYS = "01 22 23 24 25 28 29 30 31 32 00 5"
_SECONDS = ["", ":00", ":30", ":59", ":60", ":61", ":30.5", ":60.5", ":59.999999"]
_ZONES = [
    "Z",
    "+00",
    "+02:00",
    "-0330",
    "+05:45",
    "+15:59:59",
    "+16:00",
    "-15:59",
    "+14",
    "+02:60",
    "+01:39:49",
]
_UUIDS = [
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
    "a0eebc999c0b4ef8bb6d6bb9bd380a11",
    "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
    "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
    "a0e-ebc999c0b4ef8bb6d6bb9bd380a11",
    "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",
]


class Maker:
    """Makes texts of a type from parts near its limits."""

    def __init__(self) -> None:
        self.random = random.Random(5)

    def one(self, parts: Any) -> str:
        return str(self.random.choice(parts.split() if isinstance(parts, str) else parts))

    def date(self) -> str:
        months = "01 02 03 06 11 12 13 00 2"
        return f"{self.one(_YEARS)}-{self.one(months)}-{self.one(_DAYS)}"

    def clock(self) -> str:
        return f"{self.one('00 10 23 24 25 9')}:{self.one('00 30 59 60 5')}{self.one(_SECONDS)}"

    def era(self) -> str:
        return self.one(["", "", "", " BC"])

    def signed(self, parts: str) -> str:
        return self.one(["", "-", "+"]) + self.one(parts)


_NUMBERS = (
    "1 0 12.50 .5 5. 1e5 1E-5 1e131071 1e131072 1e-16383 1e-16384 1e-16382 12e-16383 0e999999 1e999999999 "
    f"abc {'9' * 30} 1.{'3' * 40} 0.{'0' * 16382}1"
)
_REALS = "1e38 3.4028235e38 3.41e38 1e39 1e-38 1e-44 1e-46 0 0e5 1e400 16777217 0.1 1234567.891"
_HOURS = "0 00 10 100 99999 2147483646"
KINDS: dict[str, Callable[[Maker], str]] = {
    "date": lambda m: m.date() + m.one(["", f" {m.clock()}", f"T{m.clock()}{m.one(_ZONES)}"]) + m.era(),
    "timestamptz": lambda m: f"{m.date()}{m.one([' ', 'T'])}{m.clock()}{m.one(_ZONES)}{m.era()}",
    "time": Maker.clock,
    "interval": lambda m: m.signed(_HOURS) + f":{m.one('00 58 60 5')}{m.one(_SECONDS)}",
    "bigint": lambda m: m.signed(f"9223372036854775807 9223372036854775808 0 7 1.5 abc {'9' * 50}"),
    "integer": lambda m: m.signed("2147483647 2147483648 0"),
    "smallint": lambda m: m.signed("32767 32768 0"),
    "numeric": lambda m: m.signed(_NUMBERS),
    "numeric(4,2)": lambda m: m.signed(f"99.99 99.994 99.995 100 0 1e1 1e2 1e-30 {'9' * 20}"),
    "numeric(3,0)": lambda m: m.signed("999 999.4 999.5 1e3 0"),
    "real": lambda m: m.signed(_REALS),
    "double precision": lambda m: m.signed("1e308 1.8e308 1e309 1e-308 1e-322 1e-325 0 1e400 1e-400 0.1"),
    "uuid": lambda m: m.one(_UUIDS),
}


@pytest.fixture(scope="module")
def database(server: Server) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        yield connection


def text_of(database: psycopg.Connection[Any], kind: str, value: object) -> str | None:
    """*value* as PostgreSQL shows it, None where it does not take it."""
    try:
        found = database.execute(f"SELECT (%s::{kind})::text", (str(value),)).fetchone()  # type: ignore[arg-type]
    except psycopg.DataError:
        return None
    assert found is not None
    return str(found[0])


@pytest.mark.parametrize("zone", ["UTC", "Europe/Tallinn"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_held_is_what_postgresql_takes(
    database: psycopg.Connection[Any], kind: str, zone: str
) -> None:
    database.execute(f"SET TimeZone = '{zone}'")  # type: ignore[arg-type]
    codec, maker, taken = codec_for(kind), Maker(), 0
    for text in sorted({KINDS[kind](maker) for _ in range(TEXTS)}):
        wanted = text_of(database, kind, text)
        try:
            loaded = codec.load(text)
        except ValueError:
            assert wanted is None, text
            continue
        shown = text_of(database, kind, loaded)
        assert shown is not None, (text, loaded)
        assert shown == wanted, (text, loaded)
        assert codec.parse(loaded) == codec.parse(shown), (text, loaded, shown)
        taken += 1
    assert taken


@pytest.mark.parametrize("style", ["SQL, DMY", "German", "Postgres, MDY"])
@pytest.mark.parametrize("kind", ["date", "timestamptz"])
def test_a_date_reads_the_same_in_every_datestyle(
    database: psycopg.Connection[Any], kind: str, style: str
) -> None:
    codec, maker = codec_for(kind), Maker()
    for text in sorted({KINDS[kind](maker) for _ in range(TEXTS)}):
        try:
            loaded = codec.load(text)
        except ValueError:
            continue
        days = []
        for setting in ("ISO", style):
            database.execute(f"SET DateStyle = '{setting}'")  # type: ignore[arg-type]
            sql = f"SELECT (%s::{kind} - '2000-01-01'::{kind})::text"
            days.append(database.execute(sql, (loaded,)).fetchone())  # type: ignore[arg-type]
        assert days[0] == days[1], loaded
    database.execute("SET DateStyle = 'ISO'")


@pytest.mark.parametrize(
    "text",
    [
        "123456789012345678901234567890",
        "-9223372036854775809",
        "18446744073709551616",
        "0.1234567890123456789012345",
        "1e400",
        "[1, 2.5, 12345678901234567890.5]",
        '{"a": "12345678901234567890", "b": 1e22}',
    ],
)
def test_numbers_of_json_keep_their_digits_in_jsonb(database: psycopg.Connection[Any], text: str) -> None:
    codec = codec_for("jsonb")
    loaded = codec.load(parse_json(text.encode()))
    shown = text_of(database, "jsonb", loaded if isinstance(loaded, str) else to_json(loaded))
    assert shown == text_of(database, "jsonb", text)
    assert codec.parse(loaded) == codec.parse(shown)
