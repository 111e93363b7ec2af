"""What looks at every plan, or writes by itself: auto_explain, pg_stat_statements, logical replication."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.e2e.test_whole_rows import LATERAL, SORTED, WHOLE
from tests.e2e.test_writes import sent
from tests.live import LiveAccount, connection_parameters
from tools.engine import Server
from tools.engine.process import EngineError

TABLES = ("stages", "pipelines", "deals", "persons", "activities")


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9}
    with LiveAccount(server, deals=30, tables=TABLES, burst=100_000, budget=10**9, options=options) as live:
        live.run("CREATE VIEW seen AS SELECT * FROM stages")
        yield live


@pytest.fixture
def account(shared: LiveAccount) -> Iterator[LiveAccount]:
    shared.begin_anew()
    pid = shared.value("SELECT pg_backend_pid()")
    yield shared
    assert shared.value("SELECT pg_backend_pid()") == pid


# ---- auto_explain


@pytest.fixture(params=["text", "json"])
def explained(
    account: LiveAccount, request: pytest.FixtureRequest
) -> Iterator[tuple[LiveAccount, list[str]]]:
    """The account, and the plans that auto_explain shows of what is run."""
    settings = {"log_format": request.param, "log_level": "notice", "log_verbose": "on", "log_buffers": "on"}
    for name, value in {**settings, "log_triggers": "on", "log_settings": "on"}.items():
        account.run(f"SET auto_explain.{name} = '{value}'")
    plans: list[str] = []

    def note(diag: psycopg.errors.Diagnostic) -> None:
        plans.append(str(diag.message_primary))

    assert account.connection is not None
    account.connection.add_notice_handler(note)
    yield account, plans
    account.connection.remove_notice_handler(note)


PLANS = [
    *WHOLE,
    *SORTED,
    *LATERAL,
    "INSERT INTO activities (subject) VALUES ('x'), ('y') RETURNING *",
    "INSERT INTO activities (subject) SELECT title FROM deals WHERE id < 3",
    "UPDATE activities a SET subject = d.title FROM deals d WHERE d.id = a.deal_id AND a.id < 9 RETURNING "
    "a, d.id",
    "WITH w AS (DELETE FROM activities WHERE id = 9 RETURNING *), x AS (UPDATE stages SET name = 'x' "
    "WHERE id = 2 "
    "RETURNING id) SELECT * FROM w, x",
    "DECLARE c CURSOR WITH HOLD FOR SELECT id FROM deals",
    "SELECT id FROM deals WHERE id = -1 AND id = 1",
    "SELECT 1 FROM deals WHERE false",
]


def test_plans_of_every_kind_are_explained(explained: tuple[LiveAccount, list[str]]) -> None:
    account, plans = explained
    for sql in PLANS:
        before = len(plans)
        account.run(sql)
        assert len(plans) > before, sql
    assert sum("Multicorn" in plan for plan in plans) > len(PLANS) - 5


def test_statements_of_functions_are_explained(explained: tuple[LiveAccount, list[str]]) -> None:
    account, plans = explained
    account.run(
        "CREATE FUNCTION pg_temp.inner_one(n bigint) RETURNS text STABLE LANGUAGE plpgsql AS $$ DECLARE t "
        "text; BEGIN "
        "SELECT title INTO t FROM deals WHERE id = n; RETURN t; END $$; "
        "CREATE FUNCTION pg_temp.estimate(query text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE line "
        "record; BEGIN "
        "FOR line IN EXECUTE 'EXPLAIN ' || query LOOP RETURN line.\"QUERY PLAN\"; END LOOP; END $$"
    )
    plans.clear()
    assert account.value("SELECT count(pg_temp.inner_one(id)) FROM persons WHERE id < 5") == 4
    assert sum("Multicorn" in plan for plan in plans) == 5
    assert account.value(
        "SELECT pg_temp.estimate('SELECT * FROM deals d JOIN persons p ON p.id = d.person_id WHERE "
        "d.title ~ ''a''')"
    )
    account.run("PREPARE one (bigint[], text) AS SELECT id FROM deals WHERE id = ANY ($1) AND title > $2")
    for mode in ("force_generic_plan", "force_custom_plan"):
        account.run(f"SET plan_cache_mode = {mode}")
        assert account.rows("EXECUTE one ('{2,3}', '')") == [(2,), (3,)]
        assert account.rows("EXPLAIN (ANALYZE, VERBOSE) EXECUTE one ('{2,3}', '')")


def test_a_statement_that_fails_is_not_explained(explained: tuple[LiveAccount, list[str]]) -> None:
    account, plans = explained
    for sql in ("SELECT 1 / (id - 3) FROM stages", "UPDATE stages SET id = 7 WHERE id = 1"):
        with pytest.raises(psycopg.Error):
            account.run(sql)
    assert account.value("SELECT count(*) FROM stages") == len(account.simulator.records("stages"))


# ---- pg_stat_statements


def test_pg_stat_statements_counts(account: LiveAccount) -> None:
    try:
        account.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public")
    except psycopg.Error:
        pytest.skip("the server has no pg_stat_statements")
    account.run("SET pg_stat_statements.track = 'all'; SELECT pg_stat_statements_reset()")
    for n in (2, 3, 4):
        account.run(f"SELECT title FROM deals d JOIN stages s ON s.id = d.stage_id WHERE d.id = {n}")
        account.run(f"UPDATE stages SET name = 'counted {n}' WHERE id = {n}")
    counted = dict(account.rows("SELECT query, calls FROM pg_stat_statements WHERE calls = 3"))
    assert {query.split()[0] for query in counted} >= {"SELECT", "UPDATE"}
    assert account.value("SELECT sum(rows) FROM pg_stat_statements WHERE query LIKE 'UPDATE stages%'") == 3
    assert len(sent(account)) == 3


# ---- logical replication


def test_a_foreign_table_is_no_target_of_a_subscription(account: LiveAccount) -> None:
    server = account.server
    far = f"{account.name}_publisher"
    account.run(f"CREATE DATABASE {far}")
    try:
        with psycopg.connect(server.dsn_of(far), autocommit=True) as publisher:
            for sql in (
                f"CREATE SCHEMA {account.name}",
                f"CREATE TABLE {account.name}.stages (id bigint PRIMARY KEY, name text)",
                f"INSERT INTO {account.name}.stages VALUES (1, 'Replicated')",
                f"CREATE PUBLICATION every FOR TABLE {account.name}.stages",
                "SELECT pg_create_logical_replication_slot('subscribed', 'pgoutput')",
            ):
                publisher.execute(sql)  # type: ignore[call-overload]
            password = connection_parameters(server)["password"]
            link = psycopg.conninfo.make_conninfo(server.dsn_of(far), password=password, passfile=None)
            with pytest.raises(psycopg.errors.WrongObjectType, match="logical replication target") as caught:
                account.run(
                    f"CREATE SUBSCRIPTION mine CONNECTION '{link}' PUBLICATION every "
                    "WITH (create_slot = false, slot_name = 'subscribed')"
                )
            assert "foreign table" in str(caught.value)
            publisher.execute("SELECT pg_drop_replication_slot('subscribed')")
    finally:
        account.run(f"DROP DATABASE {far}")
    assert sent(account) == []


def test_a_foreign_table_is_not_published(account: LiveAccount) -> None:
    with pytest.raises(psycopg.Error, match="stages"):
        account.run("CREATE PUBLICATION theirs FOR TABLE stages")


def test_explain_of_every_statement_gives_json(account: LiveAccount) -> None:
    for sql in ("SELECT * FROM deals", "UPDATE stages SET name = 'x'", "DELETE FROM stages WHERE id = 1"):
        ((plan,),) = account.rows(f"EXPLAIN (FORMAT JSON, VERBOSE) {sql}")
        text = json.dumps(plan)
        assert "Multicorn" in text
    assert account.requests() == []


# ---- shared_preload_libraries


def test_a_server_that_loads_the_library_at_its_start_says_why_it_cannot() -> None:
    message = "FATAL: .*pipedrive_fdw cannot be loaded when the server starts"
    with pytest.raises(EngineError, match=message):
        Server(settings={"shared_preload_libraries": "pipedrive_fdw"}).__enter__()


# ---- user mappings of others


def test_two_sessions_that_drop_one_user_mapping(server: Server) -> None:
    """In a database without the extension, where the library is loaded as session_preload_libraries does."""
    dsn = server.dsn_of("postgres")
    with psycopg.connect(dsn, autocommit=True) as first, psycopg.connect(dsn, autocommit=True) as second:
        first.execute(
            "CREATE FOREIGN DATA WRAPPER another; CREATE SERVER another FOREIGN DATA WRAPPER another; "
            "CREATE USER MAPPING FOR CURRENT_USER SERVER another"
        )
        drop = "DROP USER MAPPING FOR CURRENT_USER SERVER another"
        try:
            second.execute("LOAD '$libdir/pipedrive_fdw'")
            first.execute(f"BEGIN; {drop}")
            with ThreadPoolExecutor() as pool:
                dropped = pool.submit(second.execute, drop)
                waiting = "SELECT FROM pg_locks WHERE NOT granted AND pid = %s"
                while not first.execute(waiting, [second.info.backend_pid]).fetchall():
                    assert not dropped.done()
                first.execute("COMMIT")
                with pytest.raises(psycopg.errors.InternalError_, match="cache lookup failed"):
                    dropped.result()
            assert second.execute("SELECT 1").fetchall() == [(1,)]
        finally:
            first.execute("DROP FOREIGN DATA WRAPPER another CASCADE")
