"""Quals become predicates, never narrower ones."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.codec import CODECS
from pipedrive_fdw.plan.predicates import Predicates, normalise

UTC = dt.timezone.utc


DAY, NOON = dt.date(2024, 2, 3), dt.datetime(2024, 2, 3, 12)


class Qual(NamedTuple):
    field_name: str
    operator: Any
    value: Any


def predicates(*quals: tuple[str, Any, Any], table: str = "deals") -> Predicates:
    declared = TABLES[table]
    return normalise(
        [Qual(*q) for q in quals],
        {c.name: CODECS[c.type] for c in declared.columns},
        frozenset(c.name for c in declared.columns if c.not_null),
    )


def test_equalities_of_one_column_are_intersected() -> None:
    got = predicates(("id", ("=", True), [1, 2, 3]), ("id", ("=", True), [2, 3, 4]))
    assert got.equal["id"] == (2, 3)
    assert not got.impossible


@pytest.mark.parametrize(
    "quals",
    [
        [("id", "=", 1), ("id", "=", 2)],
        [("id", "=", None)],
        [("id", ("=", True), [])],
        [("id", ("=", True), [None])],
        [("id", "=", 5), ("id", ">", 5)],
        [("id", ">", 5), ("id", "<", 5)],
        [("id", ">", 5), ("id", "<=", 5)],
        [("update_time", ">", "2024-02-02 00:00:00+00"), ("update_time", "<", "2024-02-01 00:00:00+00")],
        [("is_archived", "=", "t"), ("is_archived", "<>", "t")],
        [("title", "<", None)],
        [("id", ("=", True), None)],
    ],
    ids=str,
)
def test_contradictions_are_seen(quals: list[tuple[str, Any, Any]]) -> None:
    assert predicates(*quals).impossible


@pytest.mark.parametrize(
    "quals",
    [
        [("owner_id", "=", None)],
        [("id", ">=", 5), ("id", "<=", 5)],
        [("value", ">", 0.1), ("value", "<", 0.1)],
        [("is_archived", "IS NOT", "t")],
        [("title", "<", "B"), ("title", ">", "a")],
        [("update_time", ">=", "02/02/2024 19:00:00 EST")],
        [("expected_close_date", ">=", DAY), ("expected_close_date", "<", NOON)],
        [("expected_close_date", "=", DAY), ("expected_close_date", "<=", NOON)],
        [("expected_close_date", ">", NOON), ("expected_close_date", "<=", dt.date(2024, 2, 4))],
    ],
    ids=str,
)
def test_what_is_not_surely_empty_is_not_called_so(quals: list[tuple[str, Any, Any]]) -> None:
    assert not predicates(*quals).impossible


def test_nulls_in_a_list_are_left_out() -> None:
    assert predicates(("id", ("=", True), [1, None])).equal["id"] == (1,)


def test_a_date_against_a_timestamptz_is_widened_by_a_day() -> None:
    got = predicates(("update_time", ">=", dt.date(2024, 2, 1)), ("update_time", "<", dt.date(2024, 2, 3)))
    assert got.ranges["update_time"].low == dt.datetime(2024, 1, 31, tzinfo=UTC)
    assert got.ranges["update_time"].high == dt.datetime(2024, 2, 4, tzinfo=UTC)


def test_not_of_a_boolean_is_equality_with_false() -> None:
    assert predicates(("is_archived", "<>", "t")).equal["is_archived"] == (False,)


def test_not_null_columns_are_known() -> None:
    got = predicates(("title", "~~", "A%"), ("value", ">", 3.0), ("owner_id", "<>", None))
    assert got.not_null == {"title", "value", "owner_id"}


def test_repeated_quals_are_shown_once() -> None:
    assert predicates(("id", "=", 1), ("id", "=", 1)).texts == (("id", "=", "id = 1"),)


def test_a_day_is_before_the_times_of_that_day() -> None:
    assert predicates(("expected_close_date", ">", NOON), ("expected_close_date", "=", DAY)).impossible
    midnight = dt.datetime.combine(DAY, dt.time())
    # which may be a part of a second later: Multicorn drops it
    assert not predicates(
        ("expected_close_date", "<", midnight), ("expected_close_date", "=", DAY)
    ).impossible
    assert predicates(("expected_close_date", ">", midnight), ("expected_close_date", "=", DAY)).impossible
