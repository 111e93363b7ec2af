"""``python -m pipedrive_fdw demo --dsn``: the tour on tables that are there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.simulator import Simulator
from tools.engine import Server
from tools.engine.sql import Psql

TOKEN = "a-token-of-the-tour"  # noqa: S105 - the simulator's


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    running = Simulator(token=TOKEN, deals=30).start()
    yield running
    running.stop()


@pytest.fixture
def psql(server: Server) -> Psql:
    """A database with the extension and nothing else."""
    template = server.psql("template1")
    template.query("DROP DATABASE IF EXISTS tour")
    template.query("CREATE DATABASE tour")
    found = server.psql("tour")
    found.query("SET client_min_messages = warning; CREATE EXTENSION pipedrive_fdw CASCADE")
    return found


def demo(server: Server, dsn: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{server.psql_path.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **server.env, "PATH": path, **environment}
    command = [sys.executable, "-m", "pipedrive_fdw", "demo", "--dsn", dsn]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)  # noqa: S603


def test_the_tour_runs_on_a_database_with_the_tables(
    server: Server, simulator: Simulator, psql: Psql
) -> None:
    psql.query(f"SELECT pipedrive.connect(base_url => '{simulator.url}', api_token => '{TOKEN}')")
    done = demo(server, psql.dsn)
    assert (done.returncode, done.stderr) == (0, "")
    assert "── 8/8" in done.stdout
    assert {request["method"] for request in simulator.requests()} == {"GET"}
    assert done.stdout.count("Multicorn: Tokens:") > 3
    failed = demo(server, server.dsn_of("postgres"))
    assert failed.returncode == 1
    assert "The tour ends here" in failed.stderr


def test_it_runs_in_a_locale_that_has_not_all_characters(
    server: Server, simulator: Simulator, psql: Psql
) -> None:
    psql.query(f"SELECT pipedrive.connect(base_url => '{simulator.url}', api_token => '{TOKEN}')")
    done = demo(
        server, psql.dsn,
        PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="", LC_ALL="POSIX",
        PGCLIENTENCODING="LATIN1",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "█" in done.stdout.partition("8/8")[2]


@pytest.mark.parametrize("names", ["OPTIONS (custom_field_names 'key')", "OPTIONS (custom_fields 'false')"])
def test_it_runs_whatever_the_custom_fields_of_the_account_are_called(
    server: Server, simulator: Simulator, psql: Psql, names: str
) -> None:
    psql.query(
        f"CREATE SERVER own FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (base_url '{simulator.url}');"
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER own OPTIONS (api_token '{TOKEN}');"
        f"IMPORT FOREIGN SCHEMA pipedrive FROM SERVER own INTO pipedrive {names}"
    )
    done = demo(server, psql.dsn)
    assert (done.returncode, done.stderr) == (0, "")
    assert "── 8/8" in done.stdout


def test_it_goes_on_after_a_query_that_the_account_cannot_answer(
    server: Server, simulator: Simulator, psql: Psql
) -> None:
    psql.query(f"SELECT pipedrive.connect(base_url => '{simulator.url}', api_token => '{TOKEN}')")
    simulator.configure({"gated": {"^/activities$": 403}})
    done = demo(server, psql.dsn)
    assert done.returncode == 1
    assert "activities cannot be read (status 403)" in done.stderr
    assert done.stderr.count("The tour goes on") == 1
    assert "── 8/8" in done.stdout
