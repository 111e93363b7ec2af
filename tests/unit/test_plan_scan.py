"""Plans: the calls that a query leads to, and what they cost."""

from __future__ import annotations

from typing import Any

import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.plan.calls import Settings
from pipedrive_fdw.plan.conditions import Condition
from pipedrive_fdw.plan.paths import Batches, Gets, Lists, Order, ScanPlan
from pipedrive_fdw.plan.scan import plan_scan
from tests.unit.test_predicates import predicates


def plan(table: str, *quals: tuple[Any, ...], order: tuple[Order, ...] = (), **settings: Any) -> ScanPlan:
    return plan_scan(
        TABLES[table],
        predicates(*quals, table=table),
        frozenset(),
        order,
        settings=Settings(TABLES, **settings),
    )


def requests(scan: ScanPlan) -> list[str]:
    """The calls without what every call to the same list has in common."""
    out = []
    for step in scan.steps:
        assert isinstance(step, (Lists, Gets, Batches))
        for call in step.calls:
            kept = [
                (n, v)
                for n, v in call.params
                if n not in ("limit", "include_fields", "include_option_labels")
            ]
            query = "&".join(f"{n}={v}" for n, v in kept)
            out.append(f"{call.path}?{query}" if query else call.path)
    return out


@pytest.mark.parametrize(
    ("table", "quals", "expected", "tokens"),
    [
        ("persons", [("id", "=", 7)], ["/persons/7"], 1),
        ("persons", [("id", "= ANY", list(range(1, 11)))], [f"/persons/{n}" for n in range(1, 11)], 10),
        ("persons", [("id", "= ANY", list(range(1, 12)))], ["/persons?ids=1,2,3,4,5,6,7,8,9,10,11"], 10),
        ("persons", [("org_id", "=", 3)], ["/persons?org_id=3"], 10),
        ("deals", [("id", "=", 1), ("id", "=", 2)], [], 0),
        ("deals", [("stage_id", "=", 7)], ["/deals?stage_id=7", "/deals/archived?stage_id=7"], 30),
        ("deals", [("stage_id", "=", 7), ("is_archived", "IS FALSE")], ["/deals?stage_id=7"], 10),
        ("deals", [("is_archived", "IS TRUE"), ("owner_id", "=", 3)], ["/deals/archived?owner_id=3"], 20),
        (
            "deals",
            [("filter_id", "=", 4), ("stage_id", "=", 7), ("id", "=", 5)],
            ["/deals?filter_id=4", "/deals/archived?filter_id=4"],
            30,
        ),
        (
            "deals",
            [("status", "= ANY", ["won", "lost"]), ("org_id", "=", 1)],
            ["/deals?org_id=1&status=won,lost", "/deals/archived?org_id=1&status=won,lost"],
            30,
        ),
        ("notes", [("id", "= ANY", [1, 2, 3])], ["/notes/1", "/notes/2", "/notes/3"], 6),
        ("notes", [("pinned_to_deal_flag", "IS TRUE")], ["/notes?pinned_to_deal_flag=1&sort=id ASC"], 20),
        ("users", [("id", "=", 4)], ["/users/4"], 2),
        ("users", [("id", "= ANY", list(range(1, 12)))], ["/users"], 20),
        ("stages", [("pipeline_id", "=", 4)], ["/stages?pipeline_id=4"], 5),
    ],
    ids=str,
)
def test_the_cheapest_calls_are_chosen(
    table: str, quals: list[tuple[str, Any, Any]], expected: list[str], tokens: int
) -> None:
    got = plan(table, *quals)
    assert requests(got) == expected
    assert got.tokens == tokens


def test_a_list_of_values_is_split_only_where_that_is_cheaper() -> None:
    quals = [("owner_id", "= ANY", [1, 2])]
    assert requests(plan("persons", *quals, rows=300)) == ["/persons"]
    assert requests(plan("persons", *quals, rows=20_000)) == ["/persons?owner_id=1", "/persons?owner_id=2"]


def test_each_list_is_split_by_its_own_size() -> None:
    quals = [("owner_id", "= ANY", [1, 2])]
    few = plan("deals", *quals, sizes={"v2/deals?": 300, "v2/deals/archived?": 40})
    assert requests(few) == ["/deals", "/deals/archived"]
    many = plan("deals", *quals, sizes={"v2/deals?": 20_000, "v2/deals/archived?": 40})
    assert requests(many) == ["/deals?owner_id=1", "/deals?owner_id=2", "/deals/archived"]


def test_update_time_is_floored_below_and_ceiled_above() -> None:
    got = plan(
        "persons",
        ("update_time", ">", "2024-01-01 10:00:00.7+00"),
        ("update_time", "<", "2024-01-02 10:00:00.2+00"),
    )
    assert requests(got) == ["/persons?updated_since=2024-01-01T10:00:00Z&updated_until=2024-01-02T10:00:01Z"]


def test_an_inclusive_upper_bound_reaches_one_second_further() -> None:
    got = plan("persons", ("update_time", "<=", "2024-01-02 10:00:00+00"))
    assert requests(got) == ["/persons?updated_until=2024-01-02T10:00:01Z"]


@pytest.mark.parametrize(
    ("operator", "time", "query"),
    [
        (">=", "0001-01-01 00:00:00+00", ""),
        (">=", "1969-12-31 23:59:59+00", ""),
        ("<", "0001-01-01 00:00:00+00", "?updated_until=1970-01-01T00:00:01Z"),
        ("<=", "9999-12-31 23:59:59.5+00", ""),
        ("<", "9999-12-31 23:59:59+00", ""),
        (">", "9999-12-31 23:59:59+00", "?updated_since=9999-12-31T23:59:59Z"),
    ],
)
def test_times_far_away_widen_the_list_or_are_written_in_full(operator: str, time: str, query: str) -> None:
    assert requests(plan("persons", ("update_time", operator, time))) == ["/persons" + query]


def test_several_saved_filters_are_several_lists_whatever_else_is_asked_for() -> None:
    got = plan("persons", ("filter_id", "= ANY", [1, 2]), ("owner_id", "=", 3), rows=100)
    assert requests(got) == ["/persons?filter_id=1", "/persons?filter_id=2"]
    assert [dict(call.echo) for call in got.steps[0].calls] == [{"filter_id": 1}, {"filter_id": 2}]  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [0, -4])
def test_a_saved_filter_that_cannot_be_costs_nothing(value: int) -> None:
    assert plan("persons", ("filter_id", "=", value)).steps == ()


def test_a_deleted_deal_is_looked_for_in_its_list() -> None:
    assert requests(plan("deleted_deals", ("id", "=", 5))) == ["/deals?ids=5&status=deleted"]


def test_only_since_is_sent_where_the_list_has_no_until() -> None:
    got = plan("products", ("update_time", "=", "2024-01-02 10:00:00+00"))
    assert requests(got) == ["/products?updated_since=2024-01-02T10:00:00Z"]


def test_the_order_is_asked_for_and_streamed() -> None:
    got = plan("deals", order=(Order("id", reverse=True),))
    assert got.streamed
    assert requests(got)[0] == "/deals?sort_by=id&sort_direction=desc"


def test_look_ups_are_sorted_here() -> None:
    assert not plan("deals", ("id", "= ANY", [2, 1]), order=(Order("id"),)).streamed


def test_the_archived_option_prunes_and_filters() -> None:
    got = plan("deals", archived="exclude")
    assert requests(got) == ["/deals"]
    assert got.where == (("is_archived", False),)
    assert plan("deals", ("id", "=", 4), archived="only").where == (("is_archived", True),)


def test_batches_look_for_the_missing_among_the_archived() -> None:
    (step,) = plan("deals", ("id", "= ANY", list(range(1, 21)))).steps
    assert isinstance(step, Batches)
    assert [listing.path for listing in step.others] == ["/deals/archived"]


@pytest.mark.parametrize(
    ("quals", "limit"),
    [
        ([], "10"),
        ([("is_archived", "IS FALSE")], "10"),
        ([("stage_id", "=", 7)], "100"),
        ([("stage_id", "=", 7), ("is_archived", "=", False, "boolean")], "100"),
        ([("stage_id", "=", 7), ("title", "=", "x")], "500"),
        ([("stage_id", "=", 7), ("stage_id", "<>", 8)], "500"),
        ([("stage_id", "=", 7), ("value", "IS NOT NULL")], "500"),
        ([("update_time", ">=", "2024-01-02 10:00:00+00")], "500"),
        ([("filter_id", "=", 4), ("stage_id", "=", 7)], "500"),  # which is not sent together
    ],
)
def test_a_page_is_small_where_few_rows_are_wanted_and_none_is_dropped(
    quals: list[tuple[Any, ...]], limit: str
) -> None:
    settings = Settings(TABLES)
    scan = plan_scan(TABLES["deals"], predicates(*quals), frozenset(), settings=settings, wanted=10)
    step = scan.steps[0]
    assert isinstance(step, Lists)
    assert dict(step.calls[0].params)["limit"] == limit


@pytest.mark.parametrize("table", ["organization_persons", "person_phones"])
@pytest.mark.parametrize("quals", [[], [("owner_id", "=", 3)]])
def test_a_page_is_full_where_records_may_be_no_rows(table: str, quals: list[tuple[Any, ...]]) -> None:
    known = predicates(*quals, table=table)
    scan = plan_scan(TABLES[table], known, frozenset(), limit=10, settings=Settings(TABLES), wanted=10)
    step = scan.steps[0]
    assert isinstance(step, Lists)
    assert dict(step.calls[0].params)["limit"] == "500"


def test_a_small_limit_makes_no_calls_of_a_list_that_costs_less_unsplit() -> None:
    both = predicates(("done", "= ANY", ["f", "t"], "boolean"), table="activities")
    order = (Order("add_time"),)
    settings = Settings(TABLES)
    steps = [
        plan_scan(TABLES["activities"], both, frozenset(), order, settings=settings, wanted=wanted).steps
        for wanted in (None, 1)
    ]
    (step,) = steps[1]
    assert isinstance(step, Lists)
    assert len(step.calls) == 1 and steps[0] == steps[1]


@pytest.mark.parametrize(
    ("table", "quals", "pushed", "rechecked"),
    [
        (
            "deals",
            [("status", "= ANY", ["open", "won"]), ("status", "<>", "won"), ("status", "~~", "o%")],
            ["status IN ('open', 'won')"],
            ["status <> 'won'", "status ~~ 'o%'"],
        ),
        ("deals", [("status", "=", "open"), ("status", ">", "a")], ["status = 'open'"], ["status > 'a'"]),
        ("deals", [(Condition("is_archived", "<>", "t", "boolean"),)], ["is_archived <> true"], []),
        (
            "deals",
            [("update_time", ">=", "2026-08-01 00:00:00+00"), ("update_time", "<", "2026-09-01 00:00:00+00")],
            ["update_time >= '2026-08-01 00:00:00+00'", "update_time < '2026-09-01 00:00:00+00'"],
            [],
        ),
        (
            "deals",
            [("update_time", ">=", "2026-08-01 00:00:00+00"), ("update_time", "IS NOT NULL")],
            ["update_time >= '2026-08-01 00:00:00+00'"],
            ["update_time IS NOT NULL"],
        ),
        (
            "products",
            [("update_time", ">=", "2026-08-01 00:00:00+00"), ("update_time", "<", "2026-09-01 00:00:00+00")],
            ["update_time >= '2026-08-01 00:00:00+00'"],
            ["update_time < '2026-09-01 00:00:00+00'"],
        ),
        ("persons", [("id", ">=", 3), ("id", "<=", 6), ("id", "<>", 4)], ["id >= 3", "id <= 6"], ["id <> 4"]),
        ("deal_products", [("deal_id", ">", 30)], ["deal_id > 30"], []),
    ],
    ids=str,
)
def test_a_condition_is_pushed_only_if_a_request_heeds_it(
    table: str, quals: list[tuple[Any, ...]], pushed: list[str], rechecked: list[str]
) -> None:
    scan = plan(table, *quals)
    assert (list(scan.pushed), list(scan.rechecked)) == (pushed, rechecked)
