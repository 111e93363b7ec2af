"""The threads in which requests run end with the scan or write that began them, however it ends."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

JOIN = "SELECT f.user_id, 1 / (40 - d.id) FROM deals d JOIN deal_followers f ON f.deal_id = d.id"
CURSOR = "DECLARE c CURSOR FOR SELECT title FROM deals"
STATEMENTS = {
    "a list": "SELECT count(title) FROM deals",
    "a few rows": "SELECT title FROM deals LIMIT 3",
    "a cursor that is closed": f"BEGIN; {CURSOR}; FETCH 3 FROM c; CLOSE c; COMMIT",
    "a cursor of a rollback": f"BEGIN; {CURSOR}; FETCH 3 FROM c; ROLLBACK",
    "an error between": "SELECT 1 / (20 - id) FROM deals",
    "children": "SELECT count(*) FROM deal_followers",
    "look-ups": "SELECT count(*) FROM deals d JOIN deal_followers f ON f.deal_id = d.id",
    "look-ups that end early": f"{JOIN} LIMIT 2",
    "look-ups and an error": JOIN,
    "an error in a subtransaction": f"DO $$BEGIN PERFORM * FROM ({JOIN} OFFSET 0) j; "
    "EXCEPTION WHEN division_by_zero THEN NULL; END$$",
    "writes": "UPDATE deals SET title = title || '!' WHERE id < 30",
    "a write that is refused": "UPDATE deals SET stage_id = 1000 + id WHERE id < 30",
    "a table that fails": "SELECT count(*) FROM goals",
}


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"page_size": 10, "parallel_writes": 8, "max_tokens_per_query": 10**9}
    with LiveAccount(server, deals=60, options=options, burst=10**6, budget=10**9) as live:
        live.run("SET enable_hashjoin = off; SET enable_mergejoin = off")
        live.simulator.faults([{"match": "/goals", "action": "status", "status": 500, "times": 99}])
        yield live


def threads(pid: int) -> list[str]:
    return [thread.name for thread in Path(f"/proc/{pid}/task").iterdir()]


@pytest.mark.parametrize("what", STATEMENTS)
def test_a_statement_leaves_no_thread_behind(account: LiveAccount, what: str) -> None:
    pid = account.value("SELECT pg_backend_pid()")
    account.simulator.reset()
    with contextlib.suppress(psycopg.Error):
        account.run(STATEMENTS[what])
    assert account.simulator.requests() != []
    end = time.monotonic() + 5  # a thread that has ended is seen for a moment
    while time.monotonic() < end and threads(pid) != [str(pid)]:
        time.sleep(0.01)
    assert threads(pid) == [str(pid)]
