"""Columns that select records and that no record shows: what a query compares them with is sent, or the query
is refused. It never has no rows only because PostgreSQL compared them by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.catalog.model import Table
from tests.live import LiveAccount
from tools.engine import Server

BY_FILTER = "SELECT f.id, d.id FROM filters f {} deals d ON d.filter_id = f.id WHERE f.type = 'deals'"


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, seed=3, deals=60, burst=100_000) as live:
        yield live


def one_by_one(account: LiveAccount) -> set[tuple[int, int | None]]:
    """The deals of each filter, each asked for by itself."""
    found: set[tuple[int, int | None]] = set()
    for (number,) in account.rows("SELECT id FROM filters WHERE type = 'deals'"):
        deals = account.rows(f"SELECT id FROM deals WHERE filter_id = {number}")
        found |= {(number, deal) for (deal,) in deals}
    return found


@pytest.mark.parametrize("join", ["JOIN", "LEFT JOIN"])
def test_a_join_looks_rows_up(account: LiveAccount, join: str) -> None:
    expected = one_by_one(account)
    assert expected
    found = account.rows(BY_FILTER.format(join))
    assert {row for row in found if row[1] is not None} == expected
    assert len(found) == len(set(found))


def test_so_does_a_sub_select(account: LiveAccount) -> None:
    found = account.rows(
        "SELECT id FROM deals WHERE filter_id IN (SELECT id FROM filters WHERE type = 'deals')"
    )
    assert {deal for (deal,) in found} == {deal for _, deal in one_by_one(account)}


GUARDED = [table for table in TABLES.values() if table.parent is not None and table.parent.guarded]


@pytest.mark.parametrize("table", GUARDED, ids=[table.name for table in GUARDED])
def test_parents_that_a_sub_select_names_are_looked_up(account: LiveAccount, table: Table) -> None:
    parent = table.parent
    assert parent is not None
    dates = " AND period_start = '2026-01-01' AND period_end = '2026-01-31'" if table.selecting else ""
    column = parent.column
    account.rows(f"SELECT {parent.key} FROM {parent.table}")  # so that its size is known
    found = account.rows(
        f"SELECT DISTINCT {column} FROM {table.name} "
        f"WHERE {column} IN (SELECT {parent.key} FROM {parent.table}){dates}"
    )
    assert found


def test_sums_are_joined_with_their_pipelines(account: LiveAccount) -> None:
    expected = [
        (number, account.value(f"SELECT total_count FROM deal_summary WHERE pipeline_id = {number}"))
        for (number,) in account.rows("SELECT id FROM pipelines ORDER BY id")
    ]
    joined = "SELECT p.id, s.total_count FROM pipelines p {} deal_summary s {} ORDER BY p.id"
    for join, how in (("JOIN", "ON s.pipeline_id = p.id"), ("LEFT JOIN", "ON p.id = s.pipeline_id")):
        assert account.rows(joined.format(join, how)) == expected
    by_status = account.rows(
        "SELECT v.status, s.total_count FROM (VALUES ('open'), ('won')) v (status) "
        "JOIN deal_summary s USING (status) ORDER BY 1"
    )
    assert by_status == [
        (status, account.value(f"SELECT total_count FROM deal_summary WHERE status = '{status}'"))
        for status in ("open", "won")
    ]


def test_a_join_by_several_columns_sends_each(account: LiveAccount) -> None:
    found = account.rows(
        "SELECT p.id, v.status, s.total_count FROM pipelines p "
        "JOIN deal_summary s ON s.pipeline_id = p.id "
        "JOIN (VALUES ('open'), ('won')) v (status) ON v.status = s.status ORDER BY 1, 2"
    )
    counts = "SELECT total_count FROM deal_summary WHERE pipeline_id = {} AND status = '{}'"
    assert found == [
        (number, status, account.value(counts.format(number, status)))
        for (number,) in account.rows("SELECT id FROM pipelines ORDER BY id")
        for status in ("open", "won")
    ]


TIMELINE = (
    "t.start_date = '2026-01-01' AND t.interval = 'quarter' AND t.amount = 4 AND t.field_key = 'add_time'"
)
MOVEMENT = "t.start_date = '2026-01-01' AND t.end_date = '2026-12-31'"


@pytest.mark.parametrize(
    ("table", "column", "named", "shown"),
    [
        ("deal_timeline", "user_id", TIMELINE, "totals_count"),
        ("deal_timeline", "pipeline_id", TIMELINE, "totals_count"),
        ("pipeline_movement", "user_id", MOVEMENT + " AND t.pipeline_id = 1", "new_deals_count"),
        ("pipeline_movement", "user_id", MOVEMENT, "new_deals_count"),
    ],
)
def test_a_join_gives_what_the_query_need_not_name(
    account: LiveAccount, table: str, column: str, named: str, shown: str
) -> None:
    other = "users" if column == "user_id" else "pipelines"
    expected = [
        (number, *row)
        for (number,) in account.rows(f"SELECT id FROM {other} ORDER BY id")
        for row in account.rows(
            f"SELECT {shown} FROM {table} t WHERE {named} AND t.{column} = {number} ORDER BY 1"
        )
    ]
    joined = f"SELECT o.id, t.{shown} FROM {other} o JOIN {table} t ON t.{column} = o.id WHERE {named}"
    assert expected
    assert account.rows(f"{joined} ORDER BY 1, 2") == expected


def test_rows_that_an_outer_join_keeps_need_no_value(account: LiveAccount) -> None:
    (row,) = account.rows(
        "SELECT s.pipeline_id, p.name, s.total_count FROM deal_summary s "
        "LEFT JOIN pipelines p ON p.id = s.pipeline_id"
    )
    assert row == (None, None, account.value("SELECT total_count FROM deal_summary"))
    assert account.value("SELECT count(*) FROM deals WHERE filter_id IS NULL") > 0


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM deals WHERE filter_id > 1",
        "SELECT count(*) FROM deals WHERE filter_id <> 1",
        "SELECT count(*) FROM deal_summary WHERE pipeline_id >= 1",
        "SELECT count(*) FROM deals WHERE filter_id + 0 = 1",
        "SELECT count(*) FROM deals WHERE filter_id = 1 OR id = 1",
        "SELECT count(*) FROM deals WHERE filter_id IN (SELECT id FROM filters) OR id = 1",
        "SELECT count(*) FROM deals d JOIN filters f ON d.filter_id < f.id",
        "SELECT count(*) FROM deals NATURAL JOIN (SELECT id, filter_id FROM deals) d",
        "SELECT count(*) FROM deals d JOIN filters f ON d.filter_id + 0 = f.id",
        "SELECT count(*) FROM deals d JOIN filters f ON d.filter_id::text = f.name",
    ],
)
def test_what_cannot_be_sent_is_refused(account: LiveAccount, query: str) -> None:
    account.simulator.reset()
    with pytest.raises(psycopg.Error, match="cannot be compared here"):
        account.rows(query)
    assert [r for r in account.simulator.requests() if "deals" in r["path"]] == []


def test_a_join_that_does_not_look_up_is_refused(account: LiveAccount) -> None:
    account.run("SET enable_nestloop = off")
    try:
        with pytest.raises(psycopg.Error, match="filter_id cannot be compared here"):
            account.rows(BY_FILTER.format("JOIN"))
    finally:
        account.run("RESET enable_nestloop")
