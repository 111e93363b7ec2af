"""Queries that once gave too few rows, or none but an error of Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live import LiveAccount
from tools.engine import Server


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9}
    tables = ["deals", "persons", "activities", "filters", "mail_threads_inbox"]
    with LiveAccount(
        server, seed=1, deals=400, tables=tables, options=options, burst=100_000, budget=10**9
    ) as live:
        yield live


def test_several_saved_filters_with_another_condition(account: LiveAccount) -> None:
    both = "SELECT filter_id, id FROM persons WHERE filter_id IN (1, 2)"
    separately = [row for n in (1, 2) for row in account.rows(f"{both} AND filter_id = {n}")]
    assert separately
    assert sorted(account.rows(both)) == sorted(separately)
    owner = account.value("SELECT owner_id FROM persons WHERE filter_id = 2 LIMIT 1")
    of_owner = account.rows(f"{both} AND owner_id = {owner}")
    assert sorted(of_owner) == sorted(
        row for n in (1, 2) for row in account.rows(f"{both} AND filter_id = {n} AND owner_id = {owner}")
    )
    assert of_owner


def test_a_date_compared_with_a_time_of_the_same_day(account: LiveAccount) -> None:
    account.run("CREATE TEMP TABLE dates AS SELECT id, due_date FROM activities")
    day = account.value("SELECT min(due_date) FROM dates")
    for where in (
        f"due_date >= '{day}' AND due_date < '{day} 12:00'::timestamp",
        f"due_date = '{day}' AND due_date <= '{day} 12:00'::timestamp",
        f"due_date > '{day} 12:00'::timestamp AND due_date <= '{day}'::date + 40",
    ):
        wanted = account.rows(f"SELECT id FROM dates WHERE {where} ORDER BY id")
        assert wanted
        assert account.rows(f"SELECT id FROM activities WHERE {where} ORDER BY id") == wanted


@pytest.mark.parametrize(
    "where",
    [
        "update_time > '0001-01-01'",
        "update_time >= '0001-01-01 00:00:00+14'",
        "update_time <= '9999-12-31 23:59:59+00'",
        "update_time <= '9999-12-31 23:59:59.999-12'",
        "update_time < 'infinity'",
        "update_time > '-infinity'",
        "update_time < '20000-01-01'",
        "update_time > '0044-03-15 BC'",
        "update_time BETWEEN '1900-01-01' AND '2999-12-31'",
    ],
)
def test_every_time_is_between_times_far_away(account: LiveAccount, where: str) -> None:
    timed = account.value("SELECT count(update_time) FROM persons")
    assert timed > 0
    assert account.value(f"SELECT count(*) FROM persons WHERE {where}") == timed
    assert account.value(f"SELECT count(*) FROM persons WHERE NOT ({where})") == 0


def test_columns_declared_with_other_types_are_compared_by_postgresql(account: LiveAccount) -> None:
    account.run(
        "CREATE FOREIGN TABLE oddly (id text, owner_id numeric, update_time date) "
        f"SERVER {account.name} OPTIONS (table 'deals')"
    )
    account.run("CREATE TEMP TABLE plainly AS SELECT * FROM oddly")
    many = ", ".join(f"'{n}'" for n in range(1, 31))
    day = account.value("SELECT max(update_time) FROM plainly")
    for where in (f"id IN ({many})", "owner_id = 2.0", f"update_time >= '{day}'", "id = '07'", "id = '7'"):
        wanted = account.rows(f"SELECT id FROM plainly WHERE {where} ORDER BY id")
        assert account.rows(f"SELECT id FROM oddly WHERE {where} ORDER BY id") == wanted


def test_a_view_is_no_bare_count(account: LiveAccount) -> None:
    account.run(
        "CREATE VIEW with_conditions AS SELECT 1 FROM filters f "
        "WHERE jsonb_typeof(to_jsonb(f) -> 'conditions') = 'object'"
    )
    assert account.value("SELECT count(*) FROM with_conditions") == account.value(
        "SELECT count(*) FROM filters"
    )


@pytest.mark.parametrize("array", ["'{}'::bigint[]", "NULL::bigint[]", "'{NULL}'::bigint[]"])
def test_an_array_without_values_costs_nothing(account: LiveAccount, array: str) -> None:
    assert account.asked(f"SELECT id FROM deals WHERE id = ANY ({array})") == []
