"""All that can be known of a statement's writes is known before the first request; and the next transaction
begins anew, also inside one statement of the client."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.e2e.test_writes import sent
from tests.live import LiveAccount
from tools.engine import Server

TABLES = ("deals", "persons", "deal_products", "deal_followers")


@pytest.fixture
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=60, tables=TABLES) as live:
        yield live


@pytest.fixture(params=["immediate", "commit"])
def both_modes(account: LiveAccount, request: pytest.FixtureRequest) -> LiveAccount:
    if request.param == "commit":
        account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode 'commit')")
        account.connect()
    return account


def record(account: LiveAccount, key: int, collection: str = "deals") -> dict[str, Any]:
    (found,) = [d for d in account.simulator.records(collection) if d["id"] == key]
    return found


def open_deal(account: LiveAccount) -> int:
    return min(d["id"] for d in account.simulator.records("deals") if not d["is_archived"])


# ---- several transactions in one statement of the client


def test_a_procedure_changes_a_row_in_each_of_its_transactions(both_modes: LiveAccount) -> None:
    key = open_deal(both_modes)
    both_modes.run(
        f"""CREATE PROCEDURE {both_modes.name}.twice() LANGUAGE plpgsql AS $$
        DECLARE seen text;
        BEGIN
            UPDATE deals SET title = 'one' WHERE id = {key};
            COMMIT;
            SELECT title INTO seen FROM deals WHERE id = {key};
            UPDATE deals SET title = seen || ' two' WHERE id = {key};
            COMMIT;
            UPDATE deals SET title = title || ' three' WHERE id = {key};
        END $$"""
    )
    both_modes.run("CALL twice()")
    assert [body["title"] for _, _, body in sent(both_modes)] == ["one", "one two", "one two three"]
    assert record(both_modes, key)["title"] == "one two three"


def test_a_string_of_two_transactions_changes_a_row_twice(both_modes: LiveAccount) -> None:
    key = open_deal(both_modes)
    both_modes.run(
        f"BEGIN; UPDATE deals SET title = 'one' WHERE id = {key}; COMMIT; "
        f"BEGIN; UPDATE deals SET title = title || ' two' WHERE id = {key}; COMMIT"
    )
    assert [body["title"] for _, _, body in sent(both_modes)] == ["one", "one two"]


def test_a_second_read_in_a_procedure_is_a_read_of_its_own(account: LiveAccount) -> None:
    key = open_deal(account)
    account.run(
        f"""CREATE PROCEDURE {account.name}.reads(INOUT first text, INOUT second text) LANGUAGE plpgsql AS $$
        BEGIN
            SELECT title INTO first FROM deals WHERE id = {key};
            COMMIT;
            UPDATE deals SET title = 'changed' WHERE id = {key};
            COMMIT;
            SELECT title INTO second FROM deals WHERE id = {key};
        END $$"""
    )
    before = record(account, key)["title"]
    assert account.rows("CALL reads(NULL, NULL)") == [(before, "changed")]


# ---- one record through two foreign tables


def second_table(account: LiveAccount, options: str = "", columns: str = "id bigint, title text") -> None:
    account.run(
        f"CREATE FOREIGN TABLE again ({columns}) SERVER {account.name} OPTIONS (\"table\" 'deals'{options})"
    )


@pytest.mark.parametrize("through", ["again", "a copy that was altered"])
def test_a_record_is_changed_through_two_foreign_tables(both_modes: LiveAccount, through: str) -> None:
    key = open_deal(both_modes)
    second_table(both_modes, columns="id bigint, title text, value numeric")
    both_modes.run("BEGIN")
    both_modes.run(f"UPDATE deals SET title = 'one', value = 11 WHERE id = {key}")
    if through == "again":
        both_modes.run(f"UPDATE again SET title = title || ' two' WHERE id = {key}")
        shown = both_modes.rows(f"UPDATE again SET value = value + 1 WHERE id = {key} RETURNING title, value")
    else:
        both_modes.run("ALTER FOREIGN TABLE deals OPTIONS (ADD page_size '7')")
        both_modes.run(f"UPDATE deals SET title = title || ' two' WHERE id = {key}")
        shown = both_modes.rows(f"UPDATE deals SET value = value + 1 WHERE id = {key} RETURNING title, value")
    assert shown == [("one two", 12)]
    both_modes.run("COMMIT")
    now = record(both_modes, key)
    assert (now["title"], now["value"]) == ("one two", 12)


def test_a_waiting_value_is_shown_by_columns_of_other_types(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode 'commit')")
    account.connect()
    key = open_deal(account)
    second_table(
        account,
        columns="id bigint, name text OPTIONS (column 'title'), title text, value text, "
        "expected_close_date timestamptz, label_ids text[], visible_to float8",
    )
    account.run("BEGIN")
    account.run(
        "UPDATE deals SET title = 'one', value = 12.70, expected_close_date = '2031-05-01', "
        f"label_ids = '{{1,2}}', visible_to = 3 WHERE id = {key}"
    )
    assert account.rows(f"UPDATE again SET title = title WHERE id = {key} RETURNING title, name") == [
        ("one", "one")
    ]
    shown = account.rows(
        f"UPDATE again SET value = value || '5', name = name || '!' WHERE id = {key} RETURNING name, "
        "value, expected_close_date AT TIME ZONE 'UTC' = '2031-05-01', label_ids, visible_to"
    )
    assert shown == [("one!", "12.75", True, ["1", "2"], 3)]
    assert account.rows(f"UPDATE deals SET title = title || '?' WHERE id = {key} RETURNING title, value") == [
        ("one!?", Decimal("12.75"))
    ]
    account.run("COMMIT")
    now = record(account, key)
    assert (now["title"], now["value"], now["label_ids"]) == ("one!?", 12.75, [1, 2])


def test_a_waiting_value_that_a_column_cannot_show_is_an_error(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode 'commit')")
    account.connect()
    key = open_deal(account)
    second_table(account, columns="id bigint, value bigint")
    account.run("BEGIN")
    account.run(f"UPDATE deals SET value = 12.7 WHERE id = {key}")
    with pytest.raises(psycopg.Error, match="column value of deals cannot be read before COMMIT"):
        account.run(f"UPDATE again SET value = 1 WHERE id = {key}")
    account.run("ROLLBACK")
    assert sent(account) == []


def test_a_record_that_waits_for_its_deletion_is_gone_in_both(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode 'commit')")
    account.connect()
    key = open_deal(account)
    second_table(account)
    account.run("BEGIN")
    account.run(f"DELETE FROM again WHERE id = {key}")
    assert account.rows(f"UPDATE deals SET title = 'x' WHERE id = {key} RETURNING id") == []
    account.run("COMMIT")
    assert [method for method, _, _ in sent(account)] == ["DELETE"]


def test_a_row_that_waits_is_not_changed_at_once_through_another_table(account: LiveAccount) -> None:
    """Otherwise COMMIT would send the older change after the newer one."""
    second_table(account, options=", write_mode 'commit'")
    key = open_deal(account)
    account.run("BEGIN")
    account.run(f"UPDATE again SET title = 'first' WHERE id = {key}")
    account.run("SAVEPOINT before")
    with pytest.raises(psycopg.Error, match="a change of this row of deals waits for COMMIT"):
        account.run(f"UPDATE deals SET title = 'second' WHERE id = {key}")
    account.run("ROLLBACK TO before")
    account.run(f"UPDATE deals SET title = 'another' WHERE id = {key} + 1 AND NOT is_archived")
    account.run("COMMIT")
    assert [body["title"] for _, _, body in sent(account)] == ["another", "first"]


# ---- frozen rows


def archive(account: LiveAccount, *keys: int) -> None:
    account.run(f"UPDATE deals SET is_archived = true WHERE id IN ({', '.join(map(str, keys))})")
    account.simulator.reset()


def test_an_archived_row_that_does_not_change_is_left_alone(account: LiveAccount) -> None:
    key = open_deal(account)
    archive(account, key)
    account.run(f"UPDATE deals SET title = title WHERE id = {key}")
    assert account.rows(f"UPDATE deals SET title = title WHERE id = {key} RETURNING id") == [(key,)]
    assert sent(account) == []


@pytest.mark.parametrize("returning", ["", " RETURNING id"])
def test_archived_rows_are_met_before_anything_is_sent(account: LiveAccount, returning: str) -> None:
    live = sorted(d["id"] for d in account.simulator.records("deals") if not d["is_archived"])
    archive(account, live[-1])  # the API lists it last
    with pytest.raises(psycopg.Error, match="is_archived = true cannot be changed") as caught:
        account.run(f"UPDATE deals SET title = title || '!'{returning}")
    assert sent(account) == []
    assert str(caught.value.diag.message_hint).startswith("Leave such rows out: AND NOT is_archived.")
    account.run("UPDATE deals SET title = title || '!' WHERE NOT is_archived")
    assert len(sent(account)) == sum(
        not d["is_archived"] and not d["is_deleted"] for d in account.simulator.records("deals")
    )


# ---- guards and reports


def test_the_guard_stops_a_statement_before_its_first_write(account: LiveAccount) -> None:
    account.rows("SELECT id FROM deals")  # now their number is known
    account.simulator.reset()
    account.run("SET pipedrive.max_tokens_per_query = 200")
    with pytest.raises(psycopg.Error, match="would spend more than 200 API tokens"):
        account.run("UPDATE deals SET title = title || '!' WHERE NOT is_archived")
    assert sent(account) == []
    with pytest.raises(psycopg.Error, match="would spend more than 200 API tokens"):
        account.run("INSERT INTO deals (title) SELECT 'n' || i FROM generate_series(1, 60) i")
    assert sent(account) == []


def test_the_guard_stops_a_commit_before_its_first_write(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode 'commit')")
    account.connect()
    account.run("SET pipedrive.max_tokens_per_query = 200")
    account.run("BEGIN")
    for n in range(60):
        account.run(f"INSERT INTO deals (title) VALUES ('n{n}')")
    with pytest.raises(psycopg.Error, match="would spend more than 200 API tokens") as caught:
        account.run("COMMIT")
    assert sent(account) == []
    assert "Nothing was written before" in str(caught.value.diag.message_detail)


def test_rows_that_are_returned_are_stopped_midway_and_all_are_named(server: Server) -> None:
    options = {"max_tokens_per_query": 4000}
    with LiveAccount(server, deals=20, tables=["deals"], options=options, burst=10**6) as account:
        with pytest.raises(psycopg.Error, match="would spend more than 4000 API tokens") as caught:
            account.run(
                "INSERT INTO deals (title) SELECT 'n' || i FROM generate_series(1, 900) i RETURNING id"
            )
        made = sorted(d["id"] for d in account.simulator.records("deals") if str(d["title"]).startswith("n"))
        assert len(made) == len(sent(account)) == 800
        assert f"800 rows are written in Pipedrive for good: deals INSERT {made[0]}-{made[-1]}." in str(
            caught.value.diag.message_detail
        )


# ---- a row by its row_id


def test_a_row_of_a_child_is_found_by_its_row_id(account: LiveAccount) -> None:
    account.run("SET pipedrive.max_tokens_per_query = 50")
    row_id, deal = account.rows(
        "SELECT row_id, deal_id FROM deal_followers WHERE deal_id IN (1, 2, 3) ORDER BY row_id"
    )[0]
    account.simulator.reset()
    account.run(f"DELETE FROM deal_followers WHERE row_id = '{row_id}'")
    reads = [r["path"] for r in account.requests() if r["method"] == "GET"]
    assert reads == [f"/api/v2/deals/{deal}/followers", f"/api/v2/deals/{deal}"]  # is the deal archived?
    assert [(method, path) for method, path, _ in sent(account)] == [
        ("DELETE", f"/api/v2/deals/{deal}/followers/{row_id.split(':')[1]}")
    ]
