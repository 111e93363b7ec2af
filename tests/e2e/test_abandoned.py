"""An abandoned statement stops spending, when its client is gone and when it has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

WALK = "SELECT count(*) FROM deal_followers"
CLIENT = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute(sys.argv[2])"


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9, "parallel": 1}
    tables = ("deals", "deal_followers", "stages")
    with LiveAccount(server, deals=200, tables=tables, burst=100_000, budget=10**9, options=options) as live:
        yield live
        live.simulator.configure({"latency_ms": 0})


def until_more_than(account: LiveAccount, requests: int) -> None:
    end = time.monotonic() + 30
    while len(account.simulator.log) <= requests:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_killed_client_costs_one_further_request_at_most(account: LiveAccount) -> None:
    account.simulator.configure({"latency_ms": 300})
    account.simulator.reset()
    sql = f"SET search_path = {account.name}; {WALK}"
    client = subprocess.Popen([sys.executable, "-c", CLIENT, account.server.dsn, sql])  # noqa: S603
    until_more_than(account, 5)
    os.kill(client.pid, signal.SIGKILL)
    client.wait()
    killed = time.time()
    time.sleep(2)
    late = [r for r in account.requests() if r["started"] > killed]
    assert len(late) <= 1


def test_nothing_of_an_ended_statement_leaves_with_the_next(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (SET parallel '8')")
    account.simulator.configure({"latency_ms": 30})
    with account.session() as session:
        session.execute("SELECT * FROM stages")
        for timeout in range(50, 250, 10):
            session.execute(f"SET statement_timeout = {timeout}")
            with pytest.raises(psycopg.errors.QueryCanceled):
                session.execute(WALK)
            session.execute("RESET statement_timeout")
            time.sleep(0.1)  # what was under way has been written down
            account.simulator.reset()
            session.execute("SELECT count(*) FROM stages")
            assert [r["path"] for r in account.requests()] == ["/api/v2/stages"]
