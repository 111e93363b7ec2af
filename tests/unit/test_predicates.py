"""Conditions become predicates, never narrower ones."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.plan.conditions import (
    Condition,
    RuntimeValue,
    are_simple,
    read_conditions,
    read_join_conditions,
)
from pipedrive_fdw.plan.predicates import Predicates, normalise
from pipedrive_fdw.values.codec import CODECS

UTC = dt.timezone.utc


DAY, NOON = dt.date(2024, 2, 3), dt.datetime(2024, 2, 3, 12)


def _condition(table: str, column: str, operator: str, value: Any = None, kind: str = "") -> Condition:
    """A condition as the C part tells it: values as PostgreSQL prints them, with the name of their type."""
    values = value if isinstance(value, list) else [value]
    sample = next((v for v in values if v is not None), 0)
    declared = TABLES[table].column(column)
    named = {int: "bigint", float: "numeric", dt.date: "date", dt.datetime: "timestamp without time zone"}
    is_time = declared is not None and declared.type == "timestamptz"
    kind = kind or named.get(type(sample), "timestamp with time zone" if is_time else "text")
    texts = [None if v is None else str(v) for v in values]
    if operator.startswith("IS "):
        return Condition(column, operator)
    whole = None if value is None else texts if isinstance(value, list) else texts[0]
    return Condition(column, operator, whole, kind)


def predicates(*conditions: tuple[Any, ...], table: str = "deals", zone: str = "UTC") -> Predicates:
    declared = TABLES[table]
    codecs = {c.name: CODECS[c.type] for c in declared.columns}
    return normalise(
        [c[0] if isinstance(c[0], Condition) else _condition(table, *c) for c in conditions],
        codecs,
        frozenset(c.name for c in declared.columns if c.not_null),
        zone,
        {name: codecs[name] for name in declared.key if len(declared.key) > 1},
    )


def test_equalities_of_one_column_are_intersected() -> None:
    got = predicates(("id", "= ANY", [1, 2, 3]), ("id", "= ANY", [2, 3, 4]))
    assert got.equal["id"] == (2, 3)
    assert not got.impossible


@pytest.mark.parametrize(
    "quals",
    [
        [("id", "=", 1), ("id", "=", 2)],
        [("id", "=", None)],
        [("id", "= ANY", [])],
        [("id", "= ANY", [None])],
        [("id", "=", 5), ("id", ">", 5)],
        [("id", ">", 5), ("id", "<", 5)],
        [("id", ">", 5), ("id", "<=", 5)],
        [("update_time", ">", "2024-02-02 00:00:00+00"), ("update_time", "<", "2024-02-01 00:00:00+00")],
        [("is_archived", "IS TRUE"), ("is_archived", "IS FALSE")],
        [("is_archived", "=", "t", "boolean"), ("is_archived", "<>", "t", "boolean")],
        [("title", "<", None)],
        [("value", ">", 0.1), ("value", "<", 0.1)],
        [("id", "= ANY", None)],
    ],
    ids=str,
)
def test_contradictions_are_seen(quals: list[tuple[Any, ...]]) -> None:
    assert predicates(*quals).impossible


@pytest.mark.parametrize(
    "quals",
    [
        [("owner_id", "IS NULL")],
        [("id", ">=", 5), ("id", "<=", 5)],
        [("is_archived", "IS NOT TRUE")],
        [("title", "<", "B"), ("title", ">", "a")],
        [("update_time", ">=", "02/02/2024 19:00:00 EST")],
        [("id", "=", RuntimeValue("$1"), "bigint"), ("id", "=", 5)],
        [("id", ">", RuntimeValue("$1"), "bigint"), ("id", "<", 5)],
        [("expected_close_date", ">=", DAY), ("expected_close_date", "<", NOON)],
        [("expected_close_date", "=", DAY), ("expected_close_date", "<=", NOON)],
        [("expected_close_date", ">", NOON), ("expected_close_date", "<=", dt.date(2024, 2, 4))],
    ],
    ids=str,
)
def test_what_is_not_surely_empty_is_not_called_so(quals: list[tuple[Any, ...]]) -> None:
    assert not predicates(*quals).impossible


def test_nulls_in_a_list_are_left_out() -> None:
    assert predicates(("id", "= ANY", [1, None])).equal["id"] == (1,)


def test_a_date_against_a_timestamptz_is_the_midnight_of_the_session() -> None:
    days = (("update_time", ">=", dt.date(2024, 2, 1)), ("update_time", "<", dt.date(2024, 2, 3)))
    got = predicates(*days)
    assert got.ranges["update_time"].low == dt.datetime(2024, 2, 1, tzinfo=UTC)
    assert got.ranges["update_time"].high == dt.datetime(2024, 2, 3, tzinfo=UTC)
    # Rules of zones differ a little between PostgreSQL and Python
    east = predicates(*days, zone="Asia/Tokyo").ranges["update_time"]
    assert east.low == dt.datetime(2024, 1, 31, 13, tzinfo=UTC)
    assert east.high == dt.datetime(2024, 2, 2, 17, tzinfo=UTC)
    unknown = predicates(*days, zone="<+05>-05").ranges["update_time"]
    assert unknown.low == dt.datetime(2024, 1, 30, 22, tzinfo=UTC)


def test_not_of_a_boolean_is_equality_with_false() -> None:
    assert predicates(("is_archived", "<>", "t", "boolean")).equal["is_archived"] == (False,)
    assert predicates(("is_archived", "IS FALSE")).equal["is_archived"] == (False,)


def test_not_null_columns_are_known() -> None:
    got = predicates(("title", "~~", "A%"), ("value", ">", 3.0), ("owner_id", "IS NOT NULL"))
    assert got.not_null == {"title", "value", "owner_id"}


def test_repeated_quals_are_shown_once() -> None:
    assert predicates(("id", "=", 1), ("id", "=", 1)).texts == (("id", "=", "id = 1"),)


def test_a_day_is_before_the_times_of_that_day() -> None:
    assert predicates(("expected_close_date", ">", NOON), ("expected_close_date", "=", DAY)).impossible
    midnight = dt.datetime.combine(DAY, dt.time())
    assert not predicates(
        ("expected_close_date", "<", midnight), ("expected_close_date", "=", DAY)
    ).impossible
    assert predicates(("expected_close_date", ">", midnight), ("expected_close_date", "=", DAY)).impossible


@pytest.mark.parametrize(
    ("table", "value", "known"),
    [
        ("deal_followers", "3:1078", {"deal_id": (3,), "user_id": (1078,)}),
        ("deal_followers", ["3:1", "3:2", "4:1"], {"deal_id": (3, 4), "user_id": (1, 2)}),
        ("person_emails", "3:a:b@example.org", {"person_id": (3,), "value": ("a:b@example.org",)}),
        ("deal_field_options", ["stage:1", "nothing"], {"field_code": ("stage",), "text_id": ("1",)}),
        ("deal_followers", RuntimeValue("x"), {"deal_id": ("x",), "user_id": ("x",)}),
    ],
)
def test_a_row_id_tells_the_columns_that_it_joins(table: str, value: Any, known: dict[str, Any]) -> None:
    operator = "= ANY" if isinstance(value, list) else "="
    condition = Condition("row_id", operator, value, "text")
    got = predicates((condition,), table=table)
    assert not got.impossible
    assert {name: got.equal[name] for name in known} == known


@pytest.mark.parametrize("value", ["", "3", "3:x", ":", "x:3"])
def test_a_row_id_of_another_form_is_no_row(value: str) -> None:
    assert predicates((Condition("row_id", "=", value, "text"),), table="deal_followers").impossible


def _tree(column: str, operator: str, value: Any, kind: str = "bigint") -> dict[str, Any]:
    operand = {"type": kind, "value": value}
    return {"operator": operator, "arguments": [{"column": column}, operand]}


def _joint(how: str, *sides: Any) -> dict[str, Any]:
    return {"operator": how, "arguments": list(sides)}


ID_3, ID_4 = _tree("id", "=", "3"), _tree("id", "=", "4")
OTHERS = _tree("id", "= ANY", "{4,5,NULL}", "bigint[]")
OPEN, WON = (_tree("status", "=", value, "text") for value in ("open", "won"))


@pytest.mark.parametrize(
    ("tree", "known"),
    [
        (_joint("OR", ID_3, ID_4), {"id": ["3", "4"]}),
        (_joint("OR", ID_3, OTHERS), {"id": ["3", "4", "5", None]}),
        (_joint("OR", ID_3, _joint("OR", ID_4, ID_4)), {"id": ["3", "4", "4"]}),
        (
            _joint("OR", _joint("AND", ID_3, OPEN), _joint("AND", WON, ID_4)),
            {"id": ["3", "4"], "status": ["open", "won"]},
        ),
        (_joint("OR", _joint("AND", ID_3, OPEN), ID_4), {"id": ["3", "4"]}),
        (_joint("OR", ID_3, OPEN), {}),
        (_joint("OR", ID_3, None), {}),
        (_joint("OR", ID_3, _tree("id", ">", "4")), {}),
        (_joint("OR", ID_3, _joint("IS NULL", {"column": "id"})), {}),
        (_joint("OR", ID_3, _tree("id", "=", "4.0", "numeric")), {}),
        (_joint("OR", ID_3, _joint("NOT", ID_4)), {}),
    ],
)  # fmt: skip
def test_an_or_says_what_each_of_its_sides_says(tree: Any, known: dict[str, Any]) -> None:
    found = read_conditions([tree], [])
    assert {c.column: c.value for c in found} == known
    assert all(c.operator == "= ANY" for c in found)
    assert read_join_conditions([tree]) == []


def test_what_is_told_of_conditions_may_be_less_than_they_say() -> None:
    one = {"operator": "=", "arguments": [{"column": "id"}, {"type": "bigint", "value": "1"}]}
    other = {"operator": "=", "arguments": [{"column": "title"}, {"type": "text", "value": "x"}]}
    assert are_simple([])
    assert are_simple([one, other, {"column": "is_archived"}])
    assert not are_simple([one, None])
    assert not are_simple(
        [{"operator": "OR", "arguments": [one, {"operator": "AND", "arguments": [one, other]}]}]
    )
