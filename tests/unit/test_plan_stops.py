"""Lists that are left before their end."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.plan.paths import Order, Stop
from pipedrive_fdw.plan.predicates import Range
from pipedrive_fdw.plan.stops import Watch, stop_of

DAY = dt.datetime(2026, 6, 1, tzinfo=dt.timezone.utc)


@pytest.mark.parametrize(
    ("table", "ranges", "order", "expected"),
    [
        ("deals", {"id": Range(high=20)}, (), Stop(Order("id"), 20)),
        ("deals", {"add_time": Range(low=DAY)}, (), Stop(Order("add_time", True), DAY)),
        ("deals", {"id": Range(low=5, high=20)}, (), Stop(Order("id", True), 5)),
        ("deals", {"update_time": Range(low=DAY)}, (), None),
        ("activities", {"due_date": Range(low=DAY.date())}, (), None),
        ("deals", {"id": Range(low=5)}, (Order("id", True),), Stop(Order("id", True), 5)),
        ("deals", {"id": Range(low=5)}, (Order("id"),), None),
        ("deals", {"id": Range(low=5)}, (Order("add_time", True),), None),
        ("notes", {"id": Range(high=5)}, (), Stop(Order("id"), 5)),
        ("notes", {"id": Range(low=5)}, (), None),
        ("notes", {"id": Range(low=5)}, (Order("id", True),), Stop(Order("id", True), 5)),
        ("projects", {"id": Range(high=5)}, (), None),
    ],
)
def test_only_an_order_that_stays_is_left_early(
    table: str, ranges: dict[str, Range], order: tuple[Order, ...], expected: Stop | None
) -> None:
    assert stop_of(TABLES[table], TABLES[table].listings[0], ranges, order, 0) == expected


def watch(reverse: bool, bound: int) -> Watch:
    column = TABLES["deals"].column("id")
    assert column is not None
    return Watch(Stop(Order("id", reverse), bound), column)


@pytest.mark.parametrize(
    ("reverse", "bound", "ids", "past"),
    [
        (False, 5, [1, 2, 6], True),
        (False, 5, [1, 2, 5], False),
        (True, 5, [9, 5, 4], True),
        (True, 5, [9, 7, 5], False),
        (True, 5, [9, None, 4, None], True),
        (True, 5, [1, 2, 3], False),
        (False, 5, [9, 8, 7], False),
        (False, 5, [], False),
        (False, 5, [None], False),
        (False, 5, ["4", "6"], True),
    ],
)
def test_a_page_says_the_end_when_it_keeps_the_order_and_passes_the_bound(
    reverse: bool, bound: int, ids: list[Any], past: bool
) -> None:
    assert watch(reverse, bound).is_past({"id": i} for i in ids) is past
