"""An abandoned statement stops spending, when its client is gone and when it has ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount, cancelling, without_timeout
from tools.engine import Server

WALK = "SELECT count(*) FROM deal_followers"
CLIENT = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute(sys.argv[2])"
SESSIONS, STATEMENTS = 5, 20
PARENTS = 100  # of a walk: far more than one that is ended comes to
FOLLOWERS = re.compile(r"/api/v2/deals/(\d+)/followers")


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9, "parallel": 1}
    tables = ("deals", "deal_followers", "stages")
    with LiveAccount(
        server, deals=PARENTS * SESSIONS, tables=tables, burst=100_000, budget=10**9, options=options
    ) as live:
        yield live
        live.simulator.configure({"latency_ms": 0})


def until_more_than(account: LiveAccount, requests: int) -> None:
    end = time.monotonic() + 30
    while len(account.simulator.log) <= requests:
        assert time.monotonic() < end
        time.sleep(0.01)


def until_gone(account: LiveAccount, backends: str) -> None:
    """Waits until the sessions of the application *backends* have ended."""
    end = time.monotonic() + 30
    while account.value(f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{backends}'"):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_killed_client_costs_one_further_request_at_most(account: LiveAccount) -> None:
    account.simulator.configure({"latency_ms": 300})
    account.simulator.reset()
    sql = f"SET application_name = 'killed'; SET search_path = {account.name}; {WALK}"
    client = subprocess.Popen([sys.executable, "-c", CLIENT, account.server.dsn, sql])  # noqa: S603
    until_more_than(account, 5)
    os.kill(client.pid, signal.SIGKILL)
    client.wait()
    killed = time.time()
    until_gone(account, "killed")
    assert time.time() - killed < 5
    late = [r for r in account.requests() if r["started"] > killed]
    assert len(late) <= 1


def ended(account: LiveAccount, number: int) -> list[tuple[float, float]]:
    """Ends walks of a session of its own by statement_timeout and by cancels, each followed by another query.

    From when to when each of the others ran, in which no walk was under way.
    """
    walk = f"{WALK} WHERE deal_id BETWEEN {PARENTS * number + 1} AND {PARENTS * (number + 1)}"
    quiet = []
    with account.session() as session:
        for statement in range(STATEMENTS):
            after = 0.02 + 0.01 * statement
            by_timeout = statement % 2
            if by_timeout:
                session.execute(f"SET statement_timeout = {int(1000 * after)}")  # type: ignore[arg-type]
            cancels = contextlib.nullcontext() if by_timeout else cancelling(session, after)
            with cancels, pytest.raises(psycopg.errors.QueryCanceled):
                session.execute(walk)  # type: ignore[arg-type]
            without_timeout(session)
            time.sleep(0.1)  # what was under way has come to the simulator
            begin = time.time()
            assert session.execute("SELECT count(*) FROM stages").fetchone()
            quiet.append((begin, time.time()))
    return quiet


def test_nothing_of_an_ended_statement_leaves_with_the_next(account: LiveAccount) -> None:
    """A hundred of them, side by side."""
    account.run(f"ALTER SERVER {account.name} OPTIONS (SET parallel '8')")
    account.simulator.configure({"latency_ms": 60})
    account.simulator.reset()
    with ThreadPoolExecutor(SESSIONS) as pool:
        quiet = list(pool.map(ended, [account] * SESSIONS, range(SESSIONS)))
    late: list[Any] = []
    walked = 0
    for request in account.requests():
        found = FOLLOWERS.fullmatch(request["path"])
        if found:
            walked += 1
            windows = quiet[(int(found[1]) - 1) // PARENTS]
            late += [request for begin, end in windows if begin < request["started"] < end]
    assert walked > SESSIONS * STATEMENTS
    assert late == []
