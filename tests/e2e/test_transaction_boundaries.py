"""Several transactions in one statement, several foreign tables of one record: each change counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.e2e.test_writes import sent
from tests.live import LiveAccount
from tools.engine import Server

TABLES = ("deals", "persons", "notes", "organization_relationships")


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9}
    with LiveAccount(server, deals=60, tables=TABLES, burst=100_000, budget=10**9, options=options) as live:
        yield live


@pytest.fixture
def account(shared: LiveAccount) -> LiveAccount:
    shared.begin_anew()
    return shared


@pytest.fixture(params=["immediate", "commit"])
def either(account: LiveAccount, request: pytest.FixtureRequest) -> Iterator[LiveAccount]:
    """The account under each write_mode."""
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode '{request.param}')")
    yield account
    if account.connection is None or account.connection.closed:
        account.connect()
    account.run(f"ALTER SERVER {account.name} OPTIONS (DROP write_mode)")


def values(account: LiveAccount, field: str) -> list[Any]:
    return [body[field] for _, _, body in sent(account)]


def record(account: LiveAccount, number: int) -> dict[str, Any]:
    return next(d for d in account.simulator.records("deals") if d["id"] == number)


# ---- several transactions


def test_a_procedure_changes_a_row_after_each_commit(either: LiveAccount) -> None:
    either.run(
        "CREATE PROCEDURE pg_temp.thrice() LANGUAGE plpgsql AS $$ BEGIN "
        "FOR i IN 1..3 LOOP UPDATE deals SET title = 'turn ' || i WHERE id = 5; COMMIT; END LOOP; END $$"
    )
    either.run("CALL pg_temp.thrice()")
    assert values(either, "title") == ["turn 1", "turn 2", "turn 3"]
    assert record(either, 5)["title"] == "turn 3"


def test_a_row_that_goes_back_to_its_first_value_after_a_commit(either: LiveAccount) -> None:
    first = record(either, 5)["title"]
    either.run(
        "DO $$ BEGIN UPDATE deals SET title = 'between' WHERE id = 5; COMMIT; "
        f"UPDATE deals SET title = '{first}' WHERE id = 5; END $$"
    )
    assert values(either, "title") == ["between", first]
    assert record(either, 5)["title"] == first


def test_one_string_with_two_transactions(either: LiveAccount) -> None:
    either.run(
        "UPDATE deals SET title = 'one' WHERE id = 6; COMMIT; UPDATE deals SET title = 'two' WHERE id = 6; "
        "COMMIT; "
        "BEGIN; UPDATE deals SET title = 'three' WHERE id = 6; COMMIT"
    )
    assert values(either, "title") == ["one", "two", "three"]
    assert record(either, 6)["title"] == "three"


def test_a_read_after_a_commit_sees_the_new_answer(either: LiveAccount) -> None:
    either.run("CREATE TEMP TABLE seen (n int, title text)")
    either.run(
        "DO $$ DECLARE found text; BEGIN FOR i IN 1..3 LOOP "
        "SELECT title INTO found FROM deals WHERE id = 7; INSERT INTO seen VALUES (i, found); "
        "UPDATE deals SET title = 'turn ' || i WHERE id = 7; COMMIT; END LOOP; END $$"
    )
    seen = [title for (title,) in either.rows("SELECT title FROM seen ORDER BY n")]
    assert seen[1:] == ["turn 1", "turn 2"]


def test_a_read_after_a_commit_sees_what_others_changed(account: LiveAccount) -> None:
    """The same query, in one statement of the client, before and after a change by somebody else."""
    account.run("CREATE TEMP TABLE seen (n int, title text)")
    account.run(
        "DO $$ DECLARE found text; BEGIN FOR i IN 1..2 LOOP "
        "SELECT title INTO found FROM deals WHERE id = 7; INSERT INTO seen VALUES (i, found); COMMIT; "
        "END LOOP; END $$"
    )
    assert [r["path"] for r in account.requests()] == ["/api/v2/deals/7"] * 2


def test_rows_deleted_and_made_between_commits(either: LiveAccount) -> None:
    either.run(
        "DO $$ BEGIN INSERT INTO deals (title) VALUES ('made'); COMMIT; "
        "UPDATE deals SET title = 'changed' WHERE title = 'made'; COMMIT; "
        "DELETE FROM deals WHERE title = 'changed'; COMMIT; "
        "UPDATE deals SET value = 1 WHERE title = 'changed'; END $$"
    )
    assert [method for method, _, _ in sent(either)] == ["POST", "PATCH", "DELETE"]
    assert not [d for d in either.simulator.records("deals") if d["title"] in ("made", "changed")]


def test_a_record_that_two_rows_show_is_written_after_each_commit(either: LiveAccount) -> None:
    key = either.value("SELECT min(id) FROM organization_relationships")
    either.run(f"UPDATE organization_relationships SET type = 'related' WHERE id = {key}")
    either.simulator.reset()
    either.run(
        f"DO $$ BEGIN UPDATE organization_relationships SET type = 'parent' WHERE id = {key}; COMMIT; "
        f"UPDATE organization_relationships SET type = 'related' WHERE id = {key}; END $$"
    )
    assert values(either, "type") == ["parent", "related"]


def test_a_rollback_in_a_procedure_keeps_what_follows(either: LiveAccount) -> None:
    waits = either.value(
        "SELECT count(*) FROM pg_foreign_server WHERE 'write_mode=commit' = ANY (srvoptions)"
    )
    either.simulator.reset()
    either.run(
        "DO $$ BEGIN UPDATE deals SET title = 'undone' WHERE id = 8; ROLLBACK; "
        "UPDATE deals SET title = 'done' WHERE id = 8; END $$"
    )
    assert values(either, "title") == (["done"] if waits else ["undone", "done"])
    assert record(either, 8)["title"] == "done"


def test_savepoints_keep_the_last_value(either: LiveAccount) -> None:
    either.run("BEGIN; UPDATE deals SET title = 'a' WHERE id = 9; SAVEPOINT s; ")
    either.run("UPDATE deals SET title = 'b' WHERE id = 9")
    either.run("ROLLBACK TO s")
    either.run("UPDATE deals SET title = 'c' WHERE id = 9")
    either.run("RELEASE s")
    either.run("COMMIT")
    assert record(either, 9)["title"] == "c"


def test_functions_called_by_one_statement_write_the_row_each_time(either: LiveAccount) -> None:
    either.run(
        "CREATE FUNCTION pg_temp.name(word text) RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN UPDATE deals SET title = word WHERE id = 10; RETURN word; END $$"
    )
    words = either.rows("SELECT pg_temp.name(w) FROM unnest(ARRAY['x', 'y', 'x']) w")
    assert words == [("x",), ("y",), ("x",)]
    assert record(either, 10)["title"] == "x"


# ---- one record through several foreign tables


@pytest.fixture
def twins(either: LiveAccount) -> Iterator[LiveAccount]:
    """The account with two more foreign tables of the deals, one of other names."""
    either.run(
        "CREATE FOREIGN TABLE twin (id bigint, title text, value numeric) "
        f"SERVER {either.name} OPTIONS (table 'deals')"
    )
    either.run(
        f"CREATE FOREIGN TABLE other (key bigint OPTIONS (column 'id'), name text OPTIONS (column 'title')) "
        f"SERVER {either.name} OPTIONS (table 'deals')"
    )
    either.simulator.reset()
    yield either
    if either.connection is None or either.connection.closed:
        either.connect()
    either.run("DROP FOREIGN TABLE twin, other")


def test_the_last_of_two_foreign_tables_counts(twins: LiveAccount) -> None:
    twins.run(
        "BEGIN; UPDATE deals SET title = 'first' WHERE id = 11; UPDATE twin SET title = 'second' WHERE id "
        "= 11; "
        "UPDATE other SET name = 'third' WHERE key = 11; COMMIT"
    )
    assert values(twins, "title")[-1] == "third"
    assert record(twins, 11)["title"] == "third"


def test_a_value_set_back_through_another_foreign_table(twins: LiveAccount) -> None:
    first = record(twins, 11)["title"]
    twins.run("BEGIN; UPDATE deals SET title = 'between' WHERE id = 11")
    twins.run(f"UPDATE twin SET title = '{first}' WHERE id = 11")
    twins.run("COMMIT")
    assert record(twins, 11)["title"] == first


def test_other_columns_through_another_foreign_table_stay(twins: LiveAccount) -> None:
    twins.run(
        "BEGIN; UPDATE deals SET value = 17 WHERE id = 11; UPDATE twin SET title = 'both' WHERE id = 11; "
        "COMMIT"
    )
    assert (record(twins, 11)["title"], record(twins, 11)["value"]) == ("both", 17)


def test_a_change_after_alter_options_counts(either: LiveAccount) -> None:
    first = record(either, 12)["title"]
    either.run("BEGIN; UPDATE deals SET title = 'before' WHERE id = 12")
    either.run("ALTER FOREIGN TABLE deals OPTIONS (ADD rows '77')")
    either.run(f"UPDATE deals SET title = '{first}' WHERE id = 12")
    either.run("ALTER FOREIGN TABLE deals OPTIONS (DROP rows)")
    either.run("COMMIT")
    assert record(either, 12)["title"] == first


def test_a_row_deleted_through_one_table_is_not_changed_through_another(twins: LiveAccount) -> None:
    twins.run("BEGIN; DELETE FROM deals WHERE id = 13; UPDATE twin SET title = 'late' WHERE id = 13; COMMIT")
    assert [method for method, _, _ in sent(twins)] == ["DELETE"]


def test_a_failed_commit_leaves_a_session_that_writes_on(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode 'commit')")
    try:
        account.simulator.faults(
            [{"match": "/deals/14$", "method": "PATCH", "action": "status", "status": 400}]
        )
        with pytest.raises(psycopg.Error):
            account.run("UPDATE deals SET title = 'refused' WHERE id = 14")
        account.simulator.faults([])
        account.run("UPDATE deals SET title = 'taken' WHERE id = 14")
        assert record(account, 14)["title"] == "taken"
    finally:
        account.run(f"ALTER SERVER {account.name} OPTIONS (DROP write_mode)")
