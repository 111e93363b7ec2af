"""Figures that Pipedrive computes are those of the deals, and a query that cannot have them is refused."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, seed=3, deals=200, burst=100_000) as live:
        yield live


LIVING = "NOT is_archived"


def sums(account: LiveAccount, where: str, summary: str) -> None:
    """The summary is count and sums by currency of the deals."""
    deals = account.rows(
        f"SELECT currency, count(*), sum(coalesce(value, 0)) FROM deals WHERE {LIVING} AND {where} GROUP BY 1"
    )
    (row,) = account.rows(f"SELECT total_count, values_total FROM deal_summary WHERE {summary}")
    assert row[0] == sum(count for _, count, _ in deals) > 0
    shown = {code: (one["count"], float(one["value"])) for code, one in row[1].items()}
    assert shown == {code: (count, pytest.approx(float(value))) for code, count, value in deals}


@pytest.mark.parametrize("status", ["open", "won", "lost"])
def test_the_summary_of_a_status_is_the_sum_of_its_deals(account: LiveAccount, status: str) -> None:
    sums(account, f"status = '{status}'", f"status = '{status}'")


@pytest.mark.parametrize("pipeline", [1, 2])
def test_the_summary_of_a_pipeline_is_the_sum_of_its_deals(account: LiveAccount, pipeline: int) -> None:
    where = f"pipeline_id = {pipeline} AND status = 'open'"
    sums(account, where, where)


def test_the_summaries_of_every_status_and_pipeline_are_the_groups_of_the_deals(
    account: LiveAccount,
) -> None:
    groups: dict[tuple[str, int], dict[str, tuple[int, float]]] = {}
    for status, pipeline, currency, count, value in account.rows(
        "SELECT status, pipeline_id, currency, count(*), sum(coalesce(value, 0)) FROM deals "
        f"WHERE {LIVING} GROUP BY 1, 2, 3"
    ):
        groups.setdefault((status, pipeline), {})[currency] = (count, pytest.approx(float(value)))
    found = account.rows(
        "SELECT status, pipeline_id, total_count, values_total FROM deal_summary "
        "WHERE status IN ('open', 'won', 'lost') AND pipeline_id IN (1, 2, 3)"
    )
    assert len(found) == 9 == 3 * account.value("SELECT count(*) FROM pipelines")
    assert len(groups) > 3
    for status, pipeline, total, sums_of in found:
        group = groups.pop((status, pipeline), {})
        assert total == sum(count for count, _ in group.values())
        assert {code: (one["count"], one["value"]) for code, one in sums_of.items()} == group
    assert groups == {}


def test_the_summary_of_all_is_one_request_and_names_nothing(account: LiveAccount) -> None:
    sums(account, "true", "true")
    rows = account.rows("SELECT status, user_id, pipeline_id, stage_id, filter_id FROM deal_summary")
    assert rows == [(None, None, None, None, None)]
    assert len(account.asked("SELECT * FROM deal_summary")) == 1


def test_several_statuses_are_a_row_each(account: LiveAccount) -> None:
    sql = "SELECT status, total_count FROM deal_summary WHERE status IN ('won', 'open', 'nonsense')"
    asked = account.asked(sql)
    assert sorted(r["query"]["status"] for r in asked) == ["open", "won"]
    each = dict(account.rows("SELECT status, count(*) FROM deals WHERE NOT is_archived GROUP BY 1"))
    assert dict(account.rows(sql)) == {name: each[name] for name in ("open", "won")}


def test_a_status_that_there_is_not_costs_nothing(account: LiveAccount) -> None:
    assert account.asked("SELECT * FROM deal_summary WHERE status = 'deleted'") == []


def test_a_filter_is_not_mixed_with_what_it_may_silence(account: LiveAccount) -> None:
    with pytest.raises(psycopg.Error, match="cannot be selected by filter_id and user_id") as caught:
        account.rows("SELECT * FROM deal_summary WHERE filter_id = 1 AND user_id = 1")
    assert caught.value.diag.message_hint == "Leave filter_id or the others out of the WHERE."
    count = account.value("SELECT total_count FROM deal_summary WHERE filter_id = 1")
    assert count == account.value("SELECT count(*) FROM deals WHERE filter_id = 1 AND NOT is_archived")


TIMELINE = "start_date = '2026-01-01' AND \"interval\" = 'month' AND field_key = 'add_time'"


def test_a_timeline_adds_up_to_the_deals(account: LiveAccount) -> None:
    found = account.rows(
        f"SELECT period_start::date, totals_count FROM deal_timeline WHERE {TIMELINE} AND amount = 12"
    )
    assert len(found) == 12
    expected = dict(
        account.rows(
            "SELECT date_trunc('month', add_time AT TIME ZONE 'UTC')::date, count(*) FROM deals "
            f"WHERE {LIVING} AND status IN ('open', 'won') AND add_time >= '2026-01-01Z' "
            "AND add_time < '2027-01-01Z' GROUP BY 1"
        )
    )
    assert {day: count for day, count in found if count} == expected


def test_what_a_timeline_needs_is_said_before_any_request(account: LiveAccount) -> None:
    with pytest.raises(psycopg.Error, match="deal_timeline is computed for values") as caught:
        account.rows(f"SELECT * FROM deal_timeline WHERE {TIMELINE}")
    assert caught.value.diag.message_hint == "Add WHERE amount = …."
    with pytest.raises(psycopg.Error) as caught:
        account.rows("SELECT * FROM deal_timeline")
    assert "interval = … (day, week, month, quarter)" in str(caught.value.diag.message_hint)
    account.simulator.reset()
    assert account.rows("EXPLAIN SELECT * FROM deal_timeline") != []
    assert account.requests() == []


@pytest.mark.parametrize("day", ["date_trunc('month', now())", "TIMESTAMP '2026-01-01'", "DATE 'infinity'"])
def test_a_value_of_another_type_is_refused_with_the_type(account: LiveAccount, day: str) -> None:
    sql = f"SELECT * FROM pipeline_conversion WHERE start_date = {day} AND end_date = '2026-12-31'"
    with pytest.raises(psycopg.Error, match="start_date cannot be compared here") as caught:
        account.rows(sql)
    hint = str(caught.value.diag.message_hint)
    assert hint.startswith("Name its value, of type date: start_date = …. ")


def test_a_join_may_give_what_a_timeline_needs(account: LiveAccount) -> None:
    sql = (
        "SELECT d::date, t.totals_count FROM generate_series('2026-01-01'::date, '2026-03-01', '1 month') d "
        "CROSS JOIN LATERAL (SELECT * FROM deal_timeline WHERE start_date = d::date AND amount = 1 "
        "AND \"interval\" = 'month' AND field_key = 'add_time') t ORDER BY 1"
    )
    whole = account.rows(
        f"SELECT period_start::date, totals_count FROM deal_timeline WHERE {TIMELINE} AND amount = 3 "
        "ORDER BY 1"
    )
    assert account.rows(sql) == whole


def test_every_pipeline_moves_in_the_year_that_is_named(account: LiveAccount) -> None:
    year = "start_date = '2026-01-01' AND end_date = '2026-12-31'"
    found = account.rows(
        f"SELECT pipeline_id, new_deals_count, new_deals_deals_ids FROM pipeline_movement WHERE {year}"
    )
    deals: dict[int, list[int]] = {}
    for pipeline, key in account.rows(
        "SELECT pipeline_id, id FROM deals WHERE owner_id = 1 AND add_time >= '2026-01-01Z' "
        "AND add_time < '2027-01-01Z'"
    ):
        deals.setdefault(pipeline, []).append(key)
    assert {p: (count, sorted(ids)) for p, count, ids in found if count} == {
        p: (len(ids), sorted(ids)) for p, ids in deals.items()
    }
    with pytest.raises(psycopg.Error, match="pipeline_movement is computed for values"):
        account.rows("SELECT * FROM pipeline_movement WHERE pipeline_id = 1")


@pytest.mark.parametrize("table", ["pipeline_movement", "pipeline_conversion"])
def test_several_values_are_asked_for_of_each_pipeline_that_is_walked(
    account: LiveAccount, table: str
) -> None:
    """As if a query named each pipeline and each value by itself."""
    values = {
        "user_id": ["1", "3"],
        "start_date": ["'2025-01-01'", "'2026-03-01'"],
        "end_date": ["'2026-06-30'", "'2026-12-31'"],
    }
    pipelines = [key for (key,) in account.rows("SELECT id FROM pipelines")]
    sql = f"SELECT to_jsonb(t)::text FROM {table} t WHERE "
    single = [
        f"pipeline_id = {key} AND user_id = {user} AND start_date = {start} AND end_date = {end}"
        for key, user, start, end in itertools.product(pipelines, *values.values())
    ]
    expected = sorted(row for where in single for row in account.rows(sql + where))
    assert len({where for where in single if account.rows(sql + where)}) == len(single)
    several = " AND ".join(f"{name} IN ({', '.join(each)})" for name, each in values.items())
    assert sorted(account.rows(sql + several)) == expected
    asked = account.asked(sql + several)
    assert len(asked) == 1 + len(single)
    (line,) = (line for line in account.plan(sql + several) if "Tokens" in line)
    assert line.endswith(f"about {sum(request['tokens'] for request in asked)}")


def test_recent_changes_are_asked_for_by_kind_and_in_utc(account: LiveAccount) -> None:
    since = "since_timestamp = '2026-08-20 02:00+02'"
    sql = f"SELECT item, id FROM recents WHERE {since} AND item IN ('deal', 'person')"
    (request,) = account.asked(sql)
    assert request["query"]["since_timestamp"] == "2026-08-20 00:00:00"
    assert sorted(request["query"]["items"].split(",")) == ["deal", "person"]
    found = {key for item, key in account.rows(sql) if item == "deal"}
    assert found == {
        key for (key,) in account.rows("SELECT id FROM deals WHERE update_time > '2026-08-20 00:00Z'")
    } | {
        key for (key,) in account.rows("SELECT id FROM deleted_deals WHERE update_time > '2026-08-20 00:00Z'")
    }
