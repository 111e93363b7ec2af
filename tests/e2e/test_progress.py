"""The view progress: what long statements are reading, what they have used, and what they wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest

from tests.e2e.extension import TOKEN, Extended, rows_beside_a_pipe
from tests.simulator import Simulator
from tools.engine import Server

SHOWN = "SELECT pid, reads, waits_for, requests, tokens FROM pipedrive.progress"


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[Extended]:
    simulator = Simulator(deals=600, token=TOKEN).start()
    made = Extended(server, simulator)
    yield made
    made.close()
    simulator.stop()


@pytest.fixture
def slow(account: Extended) -> Iterator[Extended]:
    """Every answer about deals takes a minute: longer than what is seen meanwhile, also on a busy machine."""
    account.simulator.reset()
    account.simulator.faults([{"match": "/api/v2/deals", "action": "delay", "ms": 60_000}])
    yield account
    account.simulator.faults([])


@contextmanager
def running(account: Extended, sql: str) -> Iterator[int]:
    """*sql* runs in a session of its own, whose process id this gives. It is cancelled at the end."""
    with account.connect() as session:
        ended = threading.Thread(target=until_cancelled, args=(session, sql))
        ended.start()
        try:
            yield session.info.backend_pid
        finally:
            session.cancel()
            ended.join()


def until_cancelled(session: psycopg.Connection[Any], sql: str) -> None:
    with suppress(psycopg.errors.QueryCanceled):
        session.execute(sql.encode())


def found(account: Extended, pid: int) -> tuple[Any, ...]:
    """The row of *pid*, as soon as there is one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for row in account.rows(f"{SHOWN} WHERE pid = {pid}"):
            return row
    raise AssertionError("no progress is shown")


def test_a_long_scan_is_shown_while_it_runs(slow: Extended) -> None:
    assert slow.rows(SHOWN) == []
    with running(slow, "SELECT count(title) FROM pipedrive.deals WHERE NOT is_archived") as pid:
        assert found(slow, pid) == (pid, "/v2/deals", "an answer", 1, 10)
        who = slow.rows(
            "SELECT role, since <= as_of, as_of <= clock_timestamp(), waited FROM pipedrive.progress"
        )
        assert who == [("postgres", True, True, 0)]
    assert slow.rows(SHOWN) == []


def test_what_ended_scans_have_used_counts(slow: Extended) -> None:
    sql = "SELECT (SELECT count(*) FROM pipedrive.users), (SELECT count(title) FROM pipedrive.deals)"
    with running(slow, sql) as pid:
        *_, requests, tokens = found(slow, pid)
        assert (requests, tokens) == (2, 20 + 10)


def test_a_session_that_waits_for_the_burst_limit_says_so(account: Extended) -> None:
    account.simulator.configure({"burst": 1})
    try:
        account.rows("SELECT count(*) FROM pipedrive.stages")  # its answer tells the limit
        with running(account, "SELECT count(title) FROM pipedrive.deals") as pid:
            assert found(account, pid)[2] == "the burst limit"
    finally:
        account.simulator.configure({"burst": 100_000})


def test_a_session_that_waits_for_another_says_so(slow: Extended) -> None:
    sql = "SET pipedrive.cache_ttl = 60; SELECT count(title) FROM pipedrive.deals WHERE NOT is_archived"
    with running(slow, sql) as first:
        assert found(slow, first)[2] == "an answer"
        with running(slow, sql) as second:
            assert found(slow, second)[1:3] == ("/v2/deals", "another session")


def test_others_are_shown_to_those_who_may_see_them(slow: Extended) -> None:
    slow.run("CREATE ROLE progress_reader; GRANT USAGE ON SCHEMA pipedrive TO progress_reader")
    try:
        with running(slow, "SELECT count(title) FROM pipedrive.deals") as pid:
            found(slow, pid)
            slow.run("SET ROLE progress_reader")
            assert slow.rows(SHOWN) == []
            slow.run("RESET ROLE; GRANT pg_read_all_stats TO progress_reader; SET ROLE progress_reader")
            assert [row[0] for row in slow.rows(SHOWN)] == [pid]
    finally:
        slow.run("RESET ROLE; DROP OWNED BY progress_reader; DROP ROLE progress_reader")


def test_files_of_sessions_that_have_ended_go(server: Server, slow: Extended) -> None:
    folder = server.data / "pgsql_tmp_pipedrive_fdw"
    abandoned = folder / "progress-4194305"  # larger than any process id
    abandoned.write_text("no JSON")
    with running(slow, "SELECT count(title) FROM pipedrive.deals") as pid:
        found(slow, pid)
        assert not abandoned.exists()
        assert (folder / f"progress-{pid}").exists()


@pytest.mark.parametrize("left", [b"", b'{"since": 1, "sho', b"\0" * 200, b'{"reads": "\xff"}', b"{\0}"])
def test_a_file_that_a_crash_has_spoiled_is_passed_over(
    server: Server, account: Extended, left: bytes
) -> None:
    """Nobody could use the view while some backend had the number of the one that the file was of."""
    pid = account.connection.info.backend_pid
    file = server.data / "pgsql_tmp_pipedrive_fdw" / f"progress-{pid}"
    file.write_bytes(left)
    try:
        assert account.rows(SHOWN) == []
    finally:
        file.unlink()


def test_the_view_does_not_wait_for_who_writes_to_a_pipe(server: Server, account: Extended) -> None:
    pid = account.connection.info.backend_pid
    assert rows_beside_a_pipe(server, account, f"progress-{pid}", SHOWN) == []
