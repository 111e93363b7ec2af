"""A session that fails, writes and scans again and again does not grow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

TIMES = 500
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[LiveAccount]:
    tables = ("deals", "persons", "stages", "activities")
    with LiveAccount(
        server, deals=200, tables=tables, burst=10**6, budget=10**9, options={"max_tokens_per_query": 10**9}
    ) as live:
        yield live


@pytest.fixture
def account(shared: LiveAccount) -> LiveAccount:
    """A session of its own, which has never failed."""
    shared.simulator.refill()
    shared.connect().prepare_threshold = None
    return shared


def resident(account: LiveAccount) -> int:
    """Bytes of the session's own memory: what it shares with others is not counted."""
    assert account.connection is not None
    fields = Path(f"/proc/{account.connection.info.backend_pid}/smaps_rollup").read_text().split("\n")
    private = (line.split() for line in fields if line.startswith("Private_Dirty:"))
    return sum(int(size) for _, size, _ in private) * 1024


def growth(account: LiveAccount, sql: str, times: int, warm: int) -> int:
    """By how many bytes the session grows while it runs *sql*, {n} a number, again and again."""
    before = 0
    for n in range(warm + times):
        if n == warm:
            before = resident(account)
        with contextlib.suppress(psycopg.Error):
            account.run(sql.format(n=n))
        if n % 100 == 99:
            account.simulator.reset()
    return resident(account) - before


FAILING = {
    "in the middle of a scan": "SELECT 1 / (id - 30) FROM persons",
    "at the first row": "SELECT count(*) FROM deals WHERE attrs ->> 'title' ~ 'a['",
    "in a join": "SELECT d.title::bigint FROM persons p JOIN deals d ON d.person_id = p.id",
    "in a block": "DO $$ BEGIN BEGIN PERFORM 1 / (id - 300) FROM deals; EXCEPTION WHEN OTHERS THEN NULL; "
    "END; "
    "RAISE EXCEPTION 'x'; END $$",
    "before a request": "UPDATE stages SET id = {n} WHERE id = 1",
    "while it is planned": "SELECT id FROM deals WHERE ctid = '(0,1)'; DELETE FROM stages WHERE ctid = "
    "'(0,1)'",
    "in the API": "INSERT INTO deals (title, owner_id) VALUES ('x', 999999)",
    "with savepoints": "BEGIN; SAVEPOINT a; SELECT 1 / (id - 8) FROM stages",
}


@pytest.mark.parametrize("how", FAILING)
def test_statements_that_fail_leave_memory_where_it_was(account: LiveAccount, how: str) -> None:
    sql = FAILING[how]
    if sql.startswith("BEGIN"):
        sql = f"ROLLBACK; {sql}"
    assert growth(account, sql, TIMES if how == "in the middle of a scan" else 100, 20) < 5 * MEBIBYTE


WRITES = {
    "many at once": "UPDATE deals SET title = 'grown {n}-' || id WHERE id <= 100 AND NOT is_archived",
    "with RETURNING": "UPDATE deals SET title = 'shown {n}-' || id WHERE id <= 100 AND NOT is_archived "
    "RETURNING *",
    "INSERT and DELETE": "INSERT INTO activities (subject) SELECT 'made {n}-' || i FROM "
    "generate_series(1, 50) i; "
    "DELETE FROM activities WHERE subject LIKE 'made {n}-%' RETURNING *",
}


@pytest.mark.parametrize("how", WRITES)
def test_rows_that_are_written_leave_memory_where_it_was(account: LiveAccount, how: str) -> None:
    """A thousand rows, after some that fill what is kept anyway."""
    assert growth(account, WRITES[how], times=10, warm=5) < 5 * MEBIBYTE


def test_scans_that_are_left_early_leave_memory_where_it_was(account: LiveAccount) -> None:
    left = "SELECT s.id, (SELECT d.id FROM deals d WHERE d.stage_id = s.id LIMIT 1) FROM stages s LIMIT 2"
    assert growth(account, left, 60, 20) < 5 * MEBIBYTE
    cursor = "BEGIN; DECLARE rows CURSOR FOR SELECT * FROM deals; FETCH 3 FROM rows; COMMIT"
    assert growth(account, cursor, 100, 20) < 5 * MEBIBYTE
