"""The latest rows of a long list: PostgreSQL's, wherever rows without a value stand, for few requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import LiveAccount
from tests.simulator.listing import NULLS
from tools.engine import Server

PLACES = pytest.mark.parametrize("nulls", NULLS)
ORDERS = pytest.mark.parametrize(
    "order",
    [
        "update_time DESC",
        "update_time",
        "update_time NULLS FIRST",
        "update_time DESC NULLS LAST",
        "update_time DESC, id",
        "update_time DESC, id DESC",
    ],
)


def made(server: Server, deals: int, page_size: int) -> LiveAccount:
    """An account in which about thirty deals of 20,000, five of 600, have no update_time."""
    options = {"max_tokens_per_query": 10**9, "page_size": page_size}
    return LiveAccount(server, deals=deals, tables=("deals",), burst=100_000, budget=10**9, options=options)


def without_time(live: LiveAccount, count: int) -> None:
    times = {record["id"]: record["update_time"] for record in live.simulator.records("deals")}
    wanted = {number: time or "2026-01-02T03:04:05Z" for number, time in times.items()}
    wanted.update(dict.fromkeys(sorted(times)[:: len(times) // count]))
    live.simulator.change(
        {"method": "PATCH", "path": f"deals/{number}", "body": {"update_time": time}}
        for number, time in wanted.items()
        if time != times[number]
    )
    live.run("CREATE TABLE copy_of_deals AS SELECT id, title, stage_id, add_time, update_time FROM deals")
    assert live.value("SELECT count(*) FROM copy_of_deals WHERE update_time IS NULL") > count // 2


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with made(server, deals=600, page_size=20) as live:
        without_time(live, 5)
        yield live


def test_the_latest_of_20000_deals_are_a_few_requests(server: Server) -> None:
    with made(server, deals=20_000, page_size=500) as live:
        without_time(live, 30)
        for nulls in NULLS:
            live.simulator.configure({"nulls": nulls})
            forget(live)
            sql = "SELECT update_time FROM %s ORDER BY update_time DESC LIMIT 50"
            log = live.asked(sql % "deals")
            if nulls in ("low", "high", "first"):  # else no direction begins with them
                assert (len(log), sum(r["tokens"] for r in log)) == (4, 60)
            got, wanted = differing(live, sql)
            assert got == wanted


@pytest.fixture(autouse=True)
def nothing_known(account: LiveAccount) -> None:
    forget(account)


def forget(account: LiveAccount) -> None:
    for file in (account.server.data / "pgsql_tmp_pipedrive_fdw").glob("counts-*"):
        file.unlink()
    account.connect()


def differing(account: LiveAccount, sql: str) -> tuple[list[Any], list[Any]]:
    """The sorted column of the deals and of their copy."""
    return account.rows(sql % "deals"), account.rows(sql % "copy_of_deals")


@PLACES
@ORDERS
def test_the_first_rows_are_those_of_postgresql(account: LiveAccount, nulls: str, order: str) -> None:
    account.simulator.configure({"nulls": nulls})
    columns = "id, update_time" if "id" in order else "update_time"
    for limit in (3, 15, 50, 3):  # the last with what the others have seen
        got, wanted = differing(account, f"SELECT {columns} FROM %s ORDER BY {order} LIMIT {limit}")
        assert got == wanted


@pytest.mark.parametrize("nulls", ["low", "high", "first"])
def test_the_latest_cost_a_few_requests(account: LiveAccount, nulls: str) -> None:
    account.simulator.configure({"nulls": nulls})
    log = account.asked("SELECT * FROM deals ORDER BY update_time DESC LIMIT 12")
    assert len(log) <= 6
    assert sum(r["tokens"] for r in log) <= 90
    log = account.asked("SELECT * FROM deals ORDER BY update_time DESC NULLS LAST LIMIT 12")
    assert len(log) == 2
    log = account.asked("SELECT * FROM deals ORDER BY update_time LIMIT 12")
    assert len(log) == 2


def test_more_rows_than_there_are_without_a_value(account: LiveAccount) -> None:
    account.simulator.configure({"nulls": "low"})
    got, wanted = differing(
        account, "SELECT id, update_time FROM %s WHERE stage_id = 3 ORDER BY update_time DESC, id LIMIT 30"
    )
    assert got == wanted


@PLACES
def test_a_condition_that_is_checked_here_does_not_change_the_rows(account: LiveAccount, nulls: str) -> None:
    account.simulator.configure({"nulls": nulls})
    for order in ("update_time DESC, id", "update_time, id"):
        got, wanted = differing(
            account, f"SELECT id, update_time FROM %s WHERE title LIKE '%%a%%' ORDER BY {order} LIMIT 20"
        )
        assert got == wanted


def test_an_account_in_which_every_row_has_a_value(account: LiveAccount) -> None:
    """It is read whole once, which tells that; then a few requests do."""
    account.simulator.configure({"nulls": "low"})
    sql = "SELECT add_time FROM %s ORDER BY add_time DESC LIMIT 12"
    assert account.value("SELECT count(*) FROM copy_of_deals WHERE add_time IS NULL") == 0
    got, wanted = differing(account, sql)
    assert got == wanted
    log = account.asked(sql % "deals")
    assert len(log) == 4
    forget(account)
    account.rows("SELECT count(*) FROM deals")
    assert len(account.asked(sql % "deals")) == 4


def test_null_rows_in_the_middle_are_remembered(account: LiveAccount) -> None:
    account.simulator.configure({"nulls": "middle"})
    sql = "SELECT update_time FROM %s ORDER BY update_time DESC LIMIT 12"
    differing(account, sql)
    assert "Multicorn: Sorted here: update_time may be NULL" in [
        line.strip() for line in account.plan(sql % "deals")
    ]
    got, wanted = differing(account, sql)
    assert got == wanted


def test_explain_shows_both_ends(account: LiveAccount) -> None:
    account.simulator.configure({"nulls": "low"})
    lines = [line.strip() for line in account.plan("SELECT id FROM deals ORDER BY update_time DESC LIMIT 12")]
    asked = {re.sub(r"&?(limit|custom_fields)=[^&]*", "", line) for line in lines if "GET" in line}
    assert asked == {
        f"Multicorn: GET /api/v2/{path}?sort_by=update_time&sort_direction={direction}"
        for path in ("deals", "deals/archived")
        for direction in ("asc", "desc")
    }
    assert "Multicorn: Sorted by Pipedrive: update_time DESC" in lines
    line = "Multicorn: Rows without update_time are looked for at both ends"
    assert f"{line}; a list that has none there is read whole" in lines
    account.rows("SELECT id FROM deals ORDER BY update_time DESC LIMIT 12")
    assert line in [
        line.strip() for line in account.plan("SELECT id FROM deals ORDER BY update_time DESC LIMIT 12")
    ]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ("update_time DESC", "update_time may be NULL"),
        ("value DESC LIMIT 5", "Pipedrive does not sort deals by value"),
        ("id, update_time LIMIT 5", "Pipedrive sorts by one column"),
        ("title LIMIT 5", "Pipedrive does not sort deals by title"),
    ],
)
def test_explain_says_why_postgresql_sorts(account: LiveAccount, order: str, reason: str) -> None:
    lines = [line.strip() for line in account.plan(f"SELECT id FROM deals ORDER BY {order}")]
    assert f"Multicorn: Sorted here: {reason}" in lines


def test_grouping_is_no_sort(account: LiveAccount) -> None:
    lines = account.plan("SELECT stage_id, count(*) FROM deals GROUP BY stage_id")
    assert not [line for line in lines if "Sorted here" in line]
