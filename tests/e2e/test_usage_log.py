"""The view usage_log: who has spent what, under the option log_usage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipedrive_fdw.monitoring.usage_log import FILE, MOST_BYTES, OLDER_FILE
from tests.e2e.extension import TOKEN, Extended, rows_beside_a_pipe
from tests.simulator import Simulator
from tools.engine import Server

SPENT = "SELECT table_name, requests, tokens FROM pipedrive.usage_log ORDER BY noted_at, table_name"


@pytest.fixture(scope="module")
def logging(server: Server, simulator: Simulator) -> Iterator[Extended]:
    made = Extended(server, simulator)
    made.run("ALTER SERVER pipedrive OPTIONS (ADD log_usage 'true')")
    made.run("CREATE ROLE log_reader; CREATE ROLE log_other")
    made.run(
        "GRANT USAGE ON SCHEMA pipedrive TO PUBLIC; "
        "GRANT SELECT ON ALL TABLES IN SCHEMA pipedrive TO PUBLIC; "
        f"CREATE USER MAPPING FOR PUBLIC SERVER pipedrive OPTIONS (api_token $${TOKEN}$$)"
    )
    yield made
    made.connection.close()
    with psycopg.connect(made.dsn, autocommit=True) as connection:
        connection.execute("DROP OWNED BY log_reader, log_other; DROP ROLE log_reader, log_other")


@pytest.fixture
def logged(server: Server, logging: Extended) -> Extended:
    """The database and a new session of it, before anything is logged."""
    logging.connection.close()
    logging.connection = logging.connect()
    for name in (FILE, OLDER_FILE):
        (server.data / "pgsql_tmp_pipedrive_fdw" / name).unlink(missing_ok=True)
    logging.simulator.faults([])
    logging.simulator.reset()
    return logging


def sent(database: Extended) -> tuple[int, int]:
    """Requests and tokens as the simulator counted them."""
    log = database.simulator.requests()
    return len(log), sum(request["tokens"] for request in log)


def test_a_statement_is_a_line_for_each_table_that_it_asks_for(logged: Extended) -> None:
    logged.run("SET application_name = 'a dashboard'")
    logged.rows("SELECT d.title, s.name FROM pipedrive.deals d JOIN pipedrive.stages s ON s.id = d.stage_id")
    assert logged.rows(SPENT) == [("deals", 2, 30), ("stages", 1, 5)]
    assert logged.value("SELECT sum(tokens) FROM pipedrive.usage_log") == sent(logged)[1]
    logged.rows("SELECT id FROM pipedrive.persons WHERE id = 1")
    who = "SELECT DISTINCT server, role, session_role, application FROM pipedrive.usage_log"
    user = logged.value("SELECT current_user")
    assert logged.rows(who) == [("pipedrive", user, user, "a dashboard")]
    assert logged.value("SELECT bool_and(noted_at <= clock_timestamp()) FROM pipedrive.usage_log")


def test_the_query_is_that_of_pg_stat_statements(logged: Extended) -> None:
    logged.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    logged.rows("SELECT count(*) FROM pipedrive.stages WHERE id > 0")
    logged.rows("SELECT name FROM pipedrive.persons WHERE id = 1")
    told = logged.rows(
        "SELECT l.table_name, s.query FROM pipedrive.usage_log l "
        "JOIN pg_stat_statements s ON s.queryid = l.query_id"
    )
    assert sorted(set(told)) == [
        ("persons", "SELECT name FROM pipedrive.persons WHERE id = $1"),
        ("stages", "SELECT count(*) FROM pipedrive.stages WHERE id > $1"),
    ]


def test_look_ups_of_a_join_are_one_line(logged: Extended) -> None:
    logged.rows(
        "SELECT p.name, (SELECT o.name FROM pipedrive.organizations o WHERE o.id = p.org_id) "
        "FROM pipedrive.persons p WHERE p.id IN (1, 2, 3)"
    )
    lines = dict((name, (requests, tokens)) for name, requests, tokens in logged.rows(SPENT))
    assert set(lines) == {"persons", "organizations"}
    assert tuple(map(sum, zip(*lines.values()))) == sent(logged)


def test_statements_of_a_transaction_are_lines_of_their_own(logged: Extended) -> None:
    logged.run("BEGIN")
    logged.rows("SELECT name FROM pipedrive.persons WHERE id = 1")
    logged.rows("SELECT name FROM pipedrive.persons WHERE id = 2")
    logged.run("COMMIT")
    assert logged.rows(SPENT) == [("persons", 1, 1), ("persons", 1, 1)]


@pytest.mark.parametrize("nested", [False, True], ids=["a query", "a query in a function"])
def test_what_fails_is_logged(logged: Extended, nested: bool) -> None:
    """And at once: the session sends nothing more."""
    logged.simulator.faults([{"match": "/deals/archived$", "action": "status", "status": 404}])
    sql = "SELECT count(*) FROM pipedrive.deals"
    if nested:
        sql = f"DO $$ BEGIN PERFORM title FROM pipedrive.deals; END $$; {sql}"
    with pytest.raises(psycopg.Error):
        logged.run(sql)
    with logged.connect() as other:
        assert other.execute(SPENT).fetchall() == [("deals", 2, 30)]
    assert len(logged.simulator.requests()) == 2


def test_writes_and_functions_are_logged(logged: Extended) -> None:
    logged.run("UPDATE pipedrive.stages SET name = name || '!' WHERE id = 1")
    logged.run("SELECT pipedrive.request('GET', '/v1/users/me')")
    lines = logged.rows(SPENT)
    assert [name for name, _, _ in lines] == ["stages", None]
    assert tuple(map(sum, zip(*(line[1:] for line in lines)))) == sent(logged)


def test_what_waits_for_commit_is_logged_of_who_wrote_it(logged: Extended) -> None:
    logged.run("ALTER FOREIGN TABLE pipedrive.deal_products OPTIONS (ADD write_mode 'commit')")
    logged.connection.close()
    logged.connection = logged.connect()
    logged.run("SET application_name = 'a writer'")
    logged.run("BEGIN")
    for number in range(30):
        logged.run(
            "INSERT INTO pipedrive.deal_products (deal_id, product_id, item_price, quantity) "
            f"VALUES (5, 1, {number}, 1)"
        )
    before = logged.value("SELECT sum(tokens) FROM pipedrive.usage_log")
    logged.run("SET application_name = 'another'; COMMIT")
    logged.run("ALTER FOREIGN TABLE pipedrive.deal_products OPTIONS (DROP write_mode)")
    posted = [r for r in logged.simulator.requests() if r["method"] == "POST"]
    lines = logged.rows("SELECT table_name, application, requests, tokens FROM pipedrive.usage_log")
    assert {line[:2] for line in lines} == {("deal_products", "a writer")}
    assert tuple(map(sum, zip(*(line[2:] for line in lines)))) == sent(logged)
    assert len(posted) == 1 and sent(logged)[1] - before == posted[0]["tokens"] + 1  # a deal that was read


def test_what_costs_no_request_is_no_line(logged: Extended) -> None:
    logged.rows("SELECT * FROM pipedrive.api_usage")
    logged.rows("SELECT * FROM pipedrive.persons WHERE id IS NULL")
    logged.rows("EXPLAIN SELECT * FROM pipedrive.persons")
    assert logged.rows(SPENT) == []


def test_nothing_is_logged_unless_the_server_says_so(logged: Extended) -> None:
    logged.run("ALTER SERVER pipedrive OPTIONS (SET log_usage 'false')")
    logged.rows("SELECT * FROM pipedrive.stages")
    assert logged.rows(SPENT) == []
    logged.run("ALTER SERVER pipedrive OPTIONS (SET log_usage 'true')")


def as_role(database: Extended, *roles: str) -> list[Any]:
    """The roles of the lines that somebody sees who is *roles* one after the other."""
    with database.connect() as session:
        session.execute(f"SET SESSION AUTHORIZATION {roles[0]}")  # type: ignore[arg-type]
        for role in roles[1:]:
            session.execute(f"SET ROLE {role}")  # type: ignore[arg-type]
        return session.execute("SELECT role, session_role FROM pipedrive.usage_log ORDER BY 1, 2").fetchall()


def test_everybody_sees_what_their_own_roles_have_spent(logged: Extended) -> None:
    user = logged.value("SELECT current_user")
    for role in ("log_reader", "log_other"):
        logged.run(f"SET ROLE {role}")
        logged.rows("SELECT count(*) FROM pipedrive.stages")
        logged.run("RESET ROLE")
    reader, other = ("log_reader", user), ("log_other", user)
    assert as_role(logged, "log_reader") == [reader]
    assert as_role(logged, user) == [other, reader]
    assert as_role(logged, user, "log_other") == [other]
    logged.run("GRANT pg_read_all_stats TO log_reader")
    assert as_role(logged, "log_reader") == [other, reader]
    logged.run("REVOKE pg_read_all_stats FROM log_reader")


def test_another_database_has_its_own_lines(server: Server, logged: Extended) -> None:
    logged.rows("SELECT count(*) FROM pipedrive.stages")
    another = Extended(server, logged.simulator, connected=False)
    assert another.rows(SPENT) == []
    another.close()
    assert logged.rows(SPENT) == [("stages", 1, 5)]


def lay(file: Path, content: str) -> None:
    """A file of the server's user."""
    file.write_text(content)
    os.chown(file, file.parent.stat().st_uid, file.parent.stat().st_gid)
    file.chmod(0o600)


def test_lines_of_sessions_at_once_are_whole_and_a_spoiled_one_is_passed_over(
    server: Server, logged: Extended
) -> None:
    file = server.data / "pgsql_tmp_pipedrive_fdw" / FILE
    lay(file, '\n{"time": 1, "database": "ex')  # a disk was full
    with file.open("ab") as damaged:  # the machine crashed
        damaged.write(b"\0" * 90 + b'"}\n{"time": 1, "database": "\xff"}')
    logged.run(r"SET application_name = 'one \\000 \\ other'")

    def spend(number: int) -> None:
        with logged.connect() as session:
            for _ in range(20):
                session.execute("SELECT count(*) FROM pipedrive.stages")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(spend, range(4)))
    assert logged.rows(SPENT) == [("stages", 1, 5)] * 80
    logged.run("SELECT count(*) FROM pipedrive.deals")
    latest = "SELECT application FROM pipedrive.usage_log ORDER BY noted_at DESC LIMIT 1"
    assert logged.value(latest) == logged.value("SHOW application_name")
    logged.run("SET standard_conforming_strings = off")
    assert logged.value(latest) == logged.value("SHOW application_name")


def test_the_log_is_bounded_and_keeps_the_latest(server: Server, logged: Extended) -> None:
    file = server.data / "pgsql_tmp_pipedrive_fdw" / FILE
    line = '\n{"time": 1, "database": "another", "table": "%s"}' % ("x" * 900)
    for number in range(3):
        lay(file, line * (MOST_BYTES // len(line)))
        logged.rows(f"SELECT name FROM pipedrive.persons WHERE id = {number + 1} AND id < 10")
        logged.rows("SELECT name FROM pipedrive.stages WHERE id = 1")
        sizes = [path.stat().st_size for path in (file, file.with_name(OLDER_FILE)) if path.exists()]
        assert sum(sizes) <= 2 * (MOST_BYTES + 2_000)
    assert logged.rows(SPENT)[-1][0] == "stages"
    assert oct(file.with_name(OLDER_FILE).stat().st_mode & 0o777) == "0o600"


def test_the_view_does_not_wait_for_who_writes_to_a_pipe(server: Server, logged: Extended) -> None:
    file = server.data / "pgsql_tmp_pipedrive_fdw" / FILE
    logged.rows("SELECT count(*) FROM pipedrive.stages")
    file.rename(file.with_name(OLDER_FILE))
    assert rows_beside_a_pipe(server, logged, FILE, SPENT) == [("stages", 1, 5)]


def test_a_role_that_is_renamed_keeps_its_lines(logged: Extended) -> None:
    """And another one that gets its name sees none of them."""
    logged.run("SET ROLE log_reader; SELECT count(*) FROM pipedrive.stages")
    before = logged.rows(SPENT)
    logged.run("RESET ROLE; ALTER ROLE log_reader RENAME TO log_renamed; CREATE ROLE log_reader")
    try:
        logged.run("SET ROLE log_renamed")
        assert logged.rows(SPENT) == before == [("stages", 1, 5)]
        logged.run("SET ROLE log_reader")
        assert logged.rows(SPENT) == []
    finally:
        logged.run("RESET ROLE; DROP ROLE log_reader; ALTER ROLE log_renamed RENAME TO log_reader")


def test_a_database_that_is_renamed_keeps_its_lines(server: Server, logged: Extended) -> None:
    """And another one that gets its name has none of them."""
    logged.rows("SELECT count(*) FROM pipedrive.stages")
    before, name = logged.rows(SPENT), logged.database
    logged.connection.close()
    psql = server.psql("template1")
    psql.query(f"ALTER DATABASE {name} RENAME TO {name}_renamed")
    psql.query(f"CREATE DATABASE {name} TEMPLATE {name}_renamed")
    try:
        renamed = server.psql(f"{name}_renamed")
        assert renamed.query("SELECT table_name FROM pipedrive.usage_log").split() == ["stages"]
        logged.connection = logged.connect()
        assert logged.rows(SPENT) == []
        logged.connection.close()
        assert psql.query(f"DROP DATABASE {name}") == ""
        psql.query(f"ALTER DATABASE {name}_renamed RENAME TO {name}")
    finally:
        logged.connection = logged.connect()
    assert logged.rows(SPENT) == before == [("stages", 1, 5)]
