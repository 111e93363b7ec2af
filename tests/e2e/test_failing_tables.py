"""Foreign tables that fail in savepoints and blocks: an error, and the transaction goes on as SQL says."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.e2e.test_writes import sent
from tests.live import LiveAccount
from tools.engine import Server

TABLES = ("deals", "pipelines", "stages")


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=20, tables=TABLES, burst=100_000, budget=10**9) as live:
        yield live


@pytest.fixture
def account(shared: LiveAccount) -> Iterator[LiveAccount]:
    """No event trigger looks at what is altered. The session is the same afterwards: no process has died."""
    shared.begin_anew()
    shared.run("SET check_function_bodies = off")
    pid = shared.value("SELECT pg_backend_pid()")
    yield shared
    assert shared.value("SELECT pg_backend_pid()") == pid


# What makes pipelines fail: SQL, the beginning of the error, SQL that takes it back
BROKEN = {
    "an unknown column": (
        "ALTER FOREIGN TABLE pipelines ADD COLUMN nonsense text",
        'pipedrive option: table pipelines has no column "nonsense"',
        "ALTER FOREIGN TABLE pipelines DROP COLUMN nonsense",
    ),
    "a column renamed": (
        "ALTER FOREIGN TABLE pipelines RENAME COLUMN name TO nomen",
        'pipedrive option: table pipelines has no column "nomen"',
        "ALTER FOREIGN TABLE pipelines RENAME COLUMN nomen TO name",
    ),
    "a type that is not supported": (
        "ALTER FOREIGN TABLE pipelines ALTER COLUMN name TYPE point",
        "pipedrive option: column name of pipelines: type point is not supported",
        "ALTER FOREIGN TABLE pipelines ALTER COLUMN name TYPE text",
    ),
    "no such table": (
        "ALTER FOREIGN TABLE pipelines OPTIONS (SET \"table\" 'nothing')",
        "pipedrive option: ",
        "ALTER FOREIGN TABLE pipelines OPTIONS (SET \"table\" 'pipelines')",
    ),
    "no user mapping": (
        "DROP USER MAPPING FOR CURRENT_USER SERVER {account}",
        "",
        "CREATE USER MAPPING FOR CURRENT_USER SERVER {account} OPTIONS (api_token 'a-token-of-the-tests')",
    ),
    "the API refuses": ("SELECT 1", "pipedrive ", "SELECT 1"),
}
STATEMENTS = {
    "SELECT": "SELECT count(*), max(order_nr) FROM pipelines",
    "a join": "SELECT count(*), max(p.order_nr) FROM pipelines p JOIN stages s ON s.pipeline_id = p.id",
    "UPDATE": "UPDATE pipelines SET order_nr = 9 WHERE id = 1",
    "INSERT": "INSERT INTO pipelines (order_nr) VALUES (9)",
    "DELETE": "DELETE FROM pipelines WHERE id = 1",
    "EXPLAIN": "EXPLAIN SELECT order_nr FROM pipelines",
}


@pytest.fixture(params=BROKEN)
def broken(account: LiveAccount, request: pytest.FixtureRequest) -> tuple[LiveAccount, str, str]:
    """The account, SQL that uses pipelines and then breaks it, and the beginning of the error."""
    sql, words, _ = BROKEN[request.param]
    if request.param == "the API refuses":
        account.simulator.faults([{"match": "/pipelines", "action": "status", "status": 401}])
        return account, sql, words
    return account, f"SELECT count(*) FROM pipelines; {sql.format(account=account.name)}", words


def fails(account: LiveAccount, sql: str, words: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        account.run(sql)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("statement", [name for name in STATEMENTS if name != "EXPLAIN"])
def test_a_table_that_fails_in_a_savepoint(broken: tuple[LiveAccount, str, str], statement: str) -> None:
    account, sql, words = broken
    account.run("BEGIN; UPDATE deals SET title = 'kept' WHERE id = 2; SAVEPOINT a")
    for _ in range(2):
        account.run(sql)
        account.run("SAVEPOINT b")
        fails(account, STATEMENTS[statement], words)
        account.run("ROLLBACK TO a")
    account.simulator.faults([])
    assert account.value("SELECT count(*) FROM pipelines") == len(account.simulator.records("pipelines"))
    account.run("COMMIT")
    assert [body for _, path, body in sent(account) if "/deals/" in path] == [{"title": "kept"}]


@pytest.mark.parametrize("statement", [name for name in STATEMENTS if name != "EXPLAIN"])
def test_a_table_that_fails_in_a_transaction_and_a_block(
    broken: tuple[LiveAccount, str, str], statement: str
) -> None:
    account, sql, words = broken
    account.run(f"BEGIN; {sql}")
    fails(account, STATEMENTS[statement], words)
    account.run("ROLLBACK")
    account.run(
        "DO $test$ BEGIN FOR i IN 1..3 LOOP BEGIN "
        f"{sql.replace('SELECT', 'PERFORM')}; EXECUTE $$ {STATEMENTS[statement]} $$; "
        "RAISE EXCEPTION USING ERRCODE = 'XX001', MESSAGE = 'no error'; "
        "EXCEPTION WHEN data_corrupted THEN RAISE; WHEN OTHERS THEN NULL; END; END LOOP; END $test$"
    )
    account.simulator.faults([])
    assert account.value("SELECT count(*) FROM pipelines") == len(account.simulator.records("pipelines"))
    assert sent(account) == []


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_table_that_fails_and_is_mended(account: LiveAccount, statement: str) -> None:
    """Not in a transaction: the object of the table is made anew each time."""
    for name, (sql, words, mended) in BROKEN.items():
        if name == "the API refuses" or (statement == "EXPLAIN" and name == "no user mapping"):
            continue
        account.run(sql.format(account=account.name))
        try:
            for _ in range(2):
                fails(account, STATEMENTS[statement], words)
        finally:
            account.run(mended.format(account=account.name))
        assert account.value("SELECT count(*) FROM pipelines") == 3
    assert sent(account) == []


def test_a_failing_table_beside_changes_that_wait(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode 'commit')")
    try:
        account.run("BEGIN; UPDATE deals SET title = 'before' WHERE id = 2; SAVEPOINT a")
        account.run("UPDATE deals SET title = 'undone' WHERE id = 3")
        account.run("ALTER FOREIGN TABLE pipelines ADD COLUMN nonsense text")
        fails(account, "SELECT name FROM pipelines", "pipedrive option")
        account.run("ROLLBACK TO a; UPDATE deals SET title = 'after' WHERE id = 4; RELEASE a; COMMIT")
        assert [body["title"] for _, _, body in sent(account)] == ["before", "after"]
    finally:
        account.run(f"ALTER SERVER {account.name} OPTIONS (DROP write_mode)")


def test_deep_savepoints_of_failing_tables(account: LiveAccount) -> None:
    account.run("BEGIN; ALTER FOREIGN TABLE pipelines ADD COLUMN nonsense text")
    for depth in range(30):
        account.run(f"SAVEPOINT s{depth}")
        if depth % 3 == 0:
            fails(account, "SELECT name FROM pipelines", "pipedrive option")
            account.run(f"ROLLBACK TO s{depth}")
        else:
            account.rows("SELECT id FROM stages LIMIT 1")
    account.run("ROLLBACK TO s4; RELEASE s1; ROLLBACK")
    assert account.value("SELECT count(*) FROM pipelines") == 3


def test_a_cursor_outlives_a_failing_table(account: LiveAccount) -> None:
    account.run("BEGIN; DECLARE rows CURSOR FOR SELECT id FROM stages ORDER BY id")
    assert account.rows("FETCH 2 FROM rows") == [(1,), (2,)]
    account.run("SAVEPOINT a; ALTER FOREIGN TABLE pipelines ADD COLUMN nonsense text")
    fails(account, "SELECT name FROM pipelines", "pipedrive option")
    account.run("ROLLBACK TO a")
    assert account.rows("FETCH 2 FROM rows") == [(3,), (4,)]
    account.run("DECLARE late CURSOR FOR SELECT id FROM stages; SAVEPOINT b")
    account.rows("FETCH 1 FROM late")
    fails(account, "SELECT 1 / 0 FROM stages", "division by zero")
    account.run("ROLLBACK TO b; FETCH ALL FROM late; COMMIT")
