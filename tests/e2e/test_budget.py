"""max_tokens_per_query and reserve_tokens: a request that would pass them is not sent; the error says why."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from tests.live import TOKEN, LiveAccount
from tests.simulator import Simulator
from tools.engine import Server


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    tables = ("deals", "persons", "notes", "api_usage")
    with LiveAccount(server, deals=60, tables=tables, budget=50_000) as live:
        yield live


@pytest.fixture(autouse=True)
def _defaults(account: LiveAccount) -> Iterator[None]:
    account.simulator.reset()
    yield
    account.run("RESET ALL")
    account.run(f"SET search_path = {account.name}, public")


def test_the_request_that_would_pass_the_limit_is_not_sent(server: Server) -> None:
    """In an account of its own: requests that are under way when the error comes may arrive after it."""
    with LiveAccount(server, deals=60, tables=("deals", "deal_followers")) as account:
        account.run("SET pipedrive.max_tokens_per_query = 200")
        with pytest.raises(psycopg.Error, match="would spend more than 200 API tokens") as caught:
            account.rows("SELECT * FROM deal_followers")
        assert account.tokens() <= 200
    hint = str(caught.value.diag.message_hint)
    assert "deal_id" in hint
    assert "SET pipedrive.max_tokens_per_query" in hint


def test_a_session_raises_the_limit(account: LiveAccount) -> None:
    account.run("SET pipedrive.max_tokens_per_query = 5")
    with pytest.raises(psycopg.Error, match="would spend more than 5 API tokens"):
        account.rows("SELECT id FROM deals")
    assert account.simulator.requests() == []
    account.run("SET pipedrive.max_tokens_per_query = 100")
    assert len(account.rows("SELECT id FROM deals")) == account.value("SELECT count(*) FROM deals") > 0


def test_the_limit_is_that_of_the_whole_statement(account: LiveAccount) -> None:
    account.run("SET pipedrive.max_tokens_per_query = 30")
    with pytest.raises(psycopg.Error, match="would spend more than 30 API tokens"):
        account.rows("SELECT id FROM deals UNION ALL SELECT id FROM persons UNION ALL SELECT id FROM notes")
    assert account.tokens() <= 30
    assert len(account.rows("SELECT id FROM persons LIMIT 3")) == 3


@pytest.mark.parametrize("between", ["SELECT 1", "SELECT count(*) FROM persons WHERE id = 1"])
def test_the_limit_is_that_of_a_query_that_is_read_in_pieces(account: LiveAccount, between: str) -> None:
    """As drivers with a fetch size read it, and postgres_fdw."""
    account.run("SET pipedrive.max_tokens_per_query = 30")
    assert account.connection is not None
    with account.connection.transaction():
        account.run(
            "DECLARE pieces CURSOR FOR SELECT id FROM deals UNION ALL SELECT id FROM persons "
            "UNION ALL SELECT id FROM notes"
        )
        with pytest.raises(psycopg.Error, match="would spend more than 30 API tokens"):
            while account.rows("FETCH 20 FROM pieces"):
                account.rows(between)


@pytest.mark.parametrize("limit", [0, 1])
def test_the_limit_that_the_hint_names_suffices(account: LiveAccount, limit: int) -> None:
    account.rows("SELECT id FROM deals")  # now their number is known
    account.connect()
    account.run(f"SET pipedrive.max_tokens_per_query = {limit}")
    with pytest.raises(psycopg.Error, match=f"would spend more than {limit} API tokens") as caught:
        account.rows("SELECT id FROM deals")
    found = re.search(r"SET pipedrive.max_tokens_per_query = (\d+)", str(caught.value.diag.message_hint))
    assert found is not None
    assert found[1] == "30"
    account.run(found[0])
    assert len(account.rows("SELECT id FROM deals")) > 0


def test_an_option_of_the_table_counts_where_the_session_says_nothing(account: LiveAccount) -> None:
    account.run("ALTER FOREIGN TABLE persons OPTIONS (ADD max_tokens_per_query '2')")
    try:
        with pytest.raises(psycopg.Error, match="would spend more than 2 API tokens"):
            account.rows("SELECT id FROM persons")
        assert len(account.rows("SELECT id FROM persons WHERE id = 1")) == 1
    finally:
        account.run("ALTER FOREIGN TABLE persons OPTIONS (DROP max_tokens_per_query)")


def test_a_reserve_of_the_day_is_left_untouched(account: LiveAccount) -> None:
    account.rows("SELECT id FROM persons WHERE id = 1")  # the answer tells what the day has left
    left = account.value("SELECT tokens_left FROM api_usage")
    account.simulator.reset()
    account.run(f"SET pipedrive.reserve_tokens = {left + 100}")
    with pytest.raises(psycopg.Error, match="are reserved") as caught:
        account.rows("SELECT id FROM persons")
    assert "reserve_tokens" in str(caught.value.diag.message_hint)
    assert account.simulator.requests() == []
    account.run("SET pipedrive.reserve_tokens = 1")
    assert len(account.rows("SELECT id FROM persons")) > 0


def test_where_the_budget_is_not_reported_what_was_spent_here_counts(server: Server) -> None:
    simulator = Simulator(token=TOKEN, deals=5).start()
    simulator.configure({"reports_budget": False})
    with LiveAccount(server, simulator, tables=["persons", "api_usage"]) as live:
        assert live.value("SELECT tokens_left FROM api_usage") is None
        spent = 10  # the fields of persons, at the import
        live.run(f"SET pipedrive.reserve_tokens = {30_000 - spent - 10}")
        live.rows("SELECT id FROM persons")
        with pytest.raises(psycopg.Error, match="only 29980 API tokens of the day are left") as caught:
            live.rows("SELECT id FROM persons")
        assert "as far as is known here" in str(caught.value.diag.message_detail)
        assert len(live.requests()) == 1
        live.run("RESET pipedrive.reserve_tokens")
        assert len(live.rows("SELECT id FROM persons")) > 0
    simulator.stop()


def test_a_date_tells_how_long_the_limit_lasts(account: LiveAccount) -> None:
    headers = {"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT"}
    account.simulator.faults([{"match": "/persons", "action": "status", "status": 429, "headers": headers}])
    with pytest.raises(psycopg.Error, match="pipedrive daily limit") as caught:
        account.rows("SELECT id FROM persons")
    assert "It resets in " in str(caught.value.diag.message_hint)
    assert len(account.requests()) == 1


def test_writes_are_counted_too(account: LiveAccount) -> None:
    account.run("SET pipedrive.max_tokens_per_query = 12")
    three = "INSERT INTO notes (content, deal_id) SELECT 'n' || i, 1 FROM generate_series(1, 3) i"
    with pytest.raises(psycopg.Error, match="would spend more than 12 API tokens"):
        account.run(three)
    assert account.simulator.requests() == []  # the price of all is known before the first is sent
    with pytest.raises(psycopg.Error, match="would spend more than 12 API tokens"):
        account.run(f"{three} RETURNING id")
    assert [r["method"] for r in account.simulator.requests()] == ["POST"]


@pytest.mark.parametrize("value", ["many", "-1"])
def test_a_setting_that_cannot_be_read_is_an_error(account: LiveAccount, value: str) -> None:
    account.run(f"SET pipedrive.max_tokens_per_query = '{value}'")
    with pytest.raises(psycopg.Error, match="setting pipedrive.max_tokens_per_query"):
        account.rows("SELECT id FROM persons")
    assert account.simulator.requests() == []
