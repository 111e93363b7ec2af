"""A reader's typo is an error and nothing more: conditions that fail, timeouts and cancels at any moment.

``FAILING_EXAMPLES`` says how many (100; a full run has 1,000), ``PROPERTY_SEED`` makes the run another one,
and ``PROPERTY_STATEMENT`` runs one of it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import psycopg
import pytest

from tests.live import LiveAccount
from tests.property.chance import run
from tests.property.failing import FUNCTIONS, Failing, draw_failing
from tools.engine import Server

EXAMPLES = int(os.environ.get("FAILING_EXAMPLES", "100"))
TABLES = ("deals", "persons", "activities", "stages", "users")


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9}
    with LiveAccount(server, deals=45, tables=TABLES, burst=100_000, budget=10**9, options=options) as live:
        live.run(FUNCTIONS)
        live.run("ANALYZE ta")
        yield live


def error_of(account: LiveAccount, failing: Failing) -> psycopg.Error | None:
    connection = account.connection
    assert connection is not None
    cancel = threading.Timer(failing.cancel / 1000, connection.cancel)
    if failing.cancel:
        cancel.start()
    try:
        if failing.prepared:
            account.run(f"PREPARE failing AS {failing.sql}")
        account.run(f"SET statement_timeout = {failing.timeout}")
        for _ in range(3 if failing.prepared else 1):
            account.run("EXECUTE failing" if failing.prepared else failing.sql)
    except psycopg.Error as error:
        return error
    finally:
        if failing.cancel:
            cancel.join()
    return None


def check(account: LiveAccount, failing: Failing) -> None:
    """The error is PostgreSQL's or ours, and the session goes on."""
    account.begin_anew()
    account.run("SET log_min_messages = fatal; SET client_min_messages = warning")
    for setting in failing.settings:
        account.run(setting)
    pid = account.value("SELECT pg_backend_pid()")
    account.simulator.configure({"latency_ms": failing.latency})
    error = error_of(account, failing)
    account.simulator.configure({"latency_ms": 0})
    assert error is None or (error.sqlstate or "XX000") not in ("XX000", "XX001", "XX002"), error
    finish(account)
    assert account.value("SELECT pg_backend_pid()") == pid
    assert account.value("SELECT count(*) FROM stages") == len(account.simulator.records("stages"))


def finish(account: LiveAccount) -> None:
    """A cancel that comes late may strike the ROLLBACK."""
    for _ in range(2):
        try:
            account.run("ROLLBACK; SET statement_timeout = 0")
        except psycopg.errors.QueryCanceled:
            continue


@pytest.mark.timeout(3600)
def test_what_fails_is_an_error_and_nothing_more(account: LiveAccount) -> None:
    run(EXAMPLES, draw_failing, lambda failing: check(account, failing))
