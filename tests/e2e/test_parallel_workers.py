"""Parallel workers of a session that uses these tables: each loads the libraries of its leader."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

# Shared libraries that a process has loaded: ours, and one of the Python package
OURS, PYTHONS = "pipedrive_fdw", "orjson"


@pytest.fixture
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=12, tables=["stages"]) as live:
        live.run(
            "CREATE FUNCTION loaded(text) RETURNS boolean LANGUAGE sql PARALLEL SAFE AS "
            "$$SELECT pg_read_file('/proc/self/maps', 0, 10000000) LIKE '%' || $1 || '%'$$; "
            "CREATE FUNCTION names() RETURNS text LANGUAGE plpgsql PARALLEL SAFE AS "
            "$$BEGIN RETURN (SELECT string_agg(name, ', ' ORDER BY id) FROM stages WHERE id < 4); END$$"
        )
        yield live


def in_a_worker(account: LiveAccount, sql: str) -> str:
    """Its value, computed by a parallel worker."""
    forced = "debug_parallel_query" if account.server.engine.major >= 16 else "force_parallel_mode"
    account.run(f"SET {forced} = on")
    try:
        assert any("Workers Launched: 1" in line for line in account.plan(sql, "ANALYZE"))
        return str(account.value(sql))
    finally:
        account.run(f"RESET {forced}")


def test_a_worker_does_not_load_python_packages_for_other_tables(account: LiveAccount) -> None:
    assert account.value("SELECT count(*) FROM stages WHERE id = 1") == 1
    libraries = f"SELECT loaded('{OURS}') || ', ' || loaded('{PYTHONS}')"
    assert account.value(libraries) == "true, true"
    assert in_a_worker(account, libraries) == "true, false"


def test_a_function_that_reads_in_a_worker_keeps_to_the_settings(account: LiveAccount) -> None:
    names = account.value("SELECT names()")
    assert names.count(", ") == 2
    account.run("SET pipedrive.max_tokens_per_query = 1000")
    assert in_a_worker(account, "SELECT names()") == names
    account.run("SET pipedrive.max_tokens_per_query = 0")
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="max_tokens_per_query"):
        in_a_worker(account, "SELECT names()")


def test_a_function_that_the_leader_calls_in_a_parallel_query_reads(account: LiveAccount) -> None:
    """Also when it is the first in its session that reads such a table."""
    names = account.value("SELECT names()")
    account.run(
        "ALTER FUNCTION names() PARALLEL RESTRICTED; "
        "CREATE TABLE plain AS SELECT generate_series(1, 20000); ANALYZE plain"
    )
    account.connect()
    for setting in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
        account.run(f"SET {setting} = 0")
    account.run("SET pipedrive.max_tokens_per_query = 1000")
    sql = "SELECT count(*), names() FROM plain"
    assert any("Gather" in line for line in account.plan(sql))
    assert account.rows(sql) == [(20000, names)]
    account.run("SET pipedrive.max_tokens_per_query = 0")
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="max_tokens_per_query"):
        account.rows(sql)


def test_what_a_worker_spends_is_logged(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD log_usage 'true')")
    in_a_worker(account, "SELECT names()")
    tokens = sum(request["tokens"] for request in account.simulator.requests())
    assert tokens > 0
    assert account.rows(
        f"SELECT table_name, sum(tokens) FROM pipedrive.usage_log WHERE server = '{account.name}' GROUP BY 1"
    ) == [("stages", tokens)]
