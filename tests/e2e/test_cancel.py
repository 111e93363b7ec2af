"""A cancel ends every wait within half a second, the session goes on, and nothing stays behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount, threads_of, without_timeout
from tools.engine import Server

TABLES = ("persons", "deals", "deal_followers", "filters", "notes")
HALF = 0.5
LONG = 60_000


@dataclass
class Wait:
    """A statement that waits for long: *match* is the path whose answer is slow."""

    sql: str
    match: str = ""
    method: str = ""


WAITS = {
    "a slow answer": Wait("SELECT * FROM persons", "/persons$"),
    "a fan-out": Wait("SELECT * FROM deal_followers", "/followers$"),
    "an extended fetch": Wait("SELECT id, conditions FROM filters", "/filters/"),
    "a look-up of a join": Wait(
        "SELECT * FROM (SELECT id FROM notes LIMIT 3) n JOIN persons p ON p.id = n.id", "/persons"
    ),
    "an INSERT": Wait("INSERT INTO persons (name) VALUES ('cancelled')", "/persons$", "POST"),
    "an UPDATE": Wait(
        "UPDATE persons SET name = clock_timestamp()::text WHERE id = 1", "/persons/1$", "PATCH"
    ),
    "a DELETE": Wait("DELETE FROM notes WHERE id = (SELECT max(id) FROM notes)", "/notes/", "DELETE"),
    "an IMPORT": Wait(
        "IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (persons) FROM SERVER {server} INTO scratch",
        "/personFields",
    ),
    "the burst limit": Wait("SELECT * FROM deal_followers"),
    "a lock on the shared state": Wait("SELECT * FROM persons"),
    "a connection": Wait("SELECT * FROM persons"),
}


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=30, tables=TABLES, options={"max_tokens_per_query": 10**9}) as live:
        live.run("CREATE SCHEMA scratch")
        yield live
        live.run("DROP SCHEMA scratch")


@contextlib.contextmanager
def waiting(account: LiveAccount, name: str) -> Iterator[str]:
    """The statement of a wait, which lasts while in the block."""
    wait = WAITS[name]
    simulator = account.simulator
    rule = {"match": wait.match, "method": wait.method, "action": "delay", "ms": LONG, "after_handling": True}
    with contextlib.ExitStack() as stack:
        if wait.match:
            simulator.faults([rule])
            stack.callback(simulator.faults, [])
        elif name == "the burst limit":
            headers = {"x-ratelimit-limit": "1", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}
            simulator.faults([{"match": "/followers", "action": "status", "status": 429, "headers": headers}])
            stack.callback(_forget_windows, account.server)
            stack.callback(simulator.faults, [])
        elif name == "a lock on the shared state":
            stack.enter_context(_locked(account.server))
        else:
            stack.enter_context(_unreachable(account))
        yield wait.sql.format(server=account.name)


def _windows(server: Server) -> list[Path]:
    """The files of windows, without the copies that are about to take their places."""
    files = (server.data / "pgsql_tmp_pipedrive_fdw").glob("window-*")
    return [file for file in files if "." not in file.name]


def _forget_windows(server: Server) -> None:
    for file in _windows(server):
        file.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(server: Server) -> Iterator[None]:
    """Another process holds the locks, again and again, as one that was stopped would."""
    ended = threading.Event()

    def hold() -> None:
        held: dict[int, int] = {}
        while not ended.wait(0.01):
            for file in _windows(server):
                number = file.stat().st_ino
                if number not in held:
                    held[number] = os.open(file, os.O_RDWR)
                    fcntl.flock(held[number], fcntl.LOCK_EX)
        for descriptor in held.values():
            os.close(descriptor)

    holder = threading.Thread(target=hold)
    holder.start()
    time.sleep(0.1)
    try:
        yield
    finally:
        ended.set()
        holder.join()


@contextlib.contextmanager
def _unreachable(account: LiveAccount) -> Iterator[None]:
    """The address of the account takes no connection, and does not refuse one."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        account.run(f"ALTER SERVER {account.name} OPTIONS (SET base_url '{address}')")
        try:
            yield
        finally:
            account.run(f"ALTER SERVER {account.name} OPTIONS (SET base_url '{account.simulator.url}')")


def end_of(session: psycopg.Connection[Any], sql: str, end: str) -> tuple[str, float]:
    """Runs *sql*, which waits, and ends it; the error ('' where there was none), and how long it took."""
    asked, pid = [0.0], session.info.backend_pid
    other = psycopg.connect(session.info.dsn, autocommit=True)

    def ask() -> None:
        time.sleep(0.3)
        asked[0] = time.monotonic()
        other.execute(f"SELECT {end}({pid})")  # type: ignore[call-overload]

    asking = threading.Thread(target=ask)
    if end == "statement_timeout":
        session.execute("SET statement_timeout = '300ms'")
        asked[0] = time.monotonic() + 0.3
    else:
        asking.start()
    error = ""
    try:
        session.execute(sql)  # type: ignore[call-overload]
    except psycopg.Error as caught:
        error = str(caught)
        assert end == "pg_terminate_backend" or caught.sqlstate == "57014", error
    took = time.monotonic() - asked[0]
    if end == "statement_timeout":
        without_timeout(session)
    else:
        asking.join()
    other.close()
    return error, took


@pytest.mark.parametrize("end", ["pg_cancel_backend", "statement_timeout"])
@pytest.mark.parametrize("name", WAITS)
def test_a_wait_is_cancelled_in_half_a_second_and_the_session_goes_on(
    account: LiveAccount, name: str, end: str
) -> None:
    for attempt in range(3):  # a busy machine can be late, and let the wait end by itself
        with account.session() as session:
            pid = session.info.backend_pid
            session.execute("SELECT id FROM notes WHERE id = 2")  # no cancel meets the start of Python
            with waiting(account, name) as sql:
                error, took = end_of(session, sql, end)
                assert threads_of(pid) == 1
        if "cancel" in error and took < HALF:
            break
        assert attempt < 2, (error, took)
    account.simulator.reset()
    assert account.rows("SELECT id FROM persons WHERE id = 2") == [(2,)]


@pytest.mark.parametrize("name", ["a slow answer", "a fan-out", "an INSERT", "the burst limit"])
def test_a_backend_that_is_terminated_ends_at_once(account: LiveAccount, name: str) -> None:
    with account.session() as session, waiting(account, name) as sql:
        session.execute("SELECT id FROM notes WHERE id = 2")
        error, took = end_of(session, sql, "pg_terminate_backend")
        assert re.search("terminat|closed|cancel", error), error
        assert took < 2 * HALF
    assert account.rows("SELECT id FROM persons WHERE id = 2") == [(2,)]


@pytest.mark.parametrize("name", ["a slow answer", "a fan-out", "an INSERT", "the burst limit"])
def test_a_transaction_timeout_ends_a_wait_at_once(account: LiveAccount, name: str) -> None:
    if account.server.engine.major < 17:
        pytest.skip("PostgreSQL has transaction_timeout from 17 on")
    with account.session() as session, waiting(account, name) as sql:
        session.execute("SELECT id FROM notes WHERE id = 2")
        session.execute("SET transaction_timeout = '300ms'")
        began = time.monotonic()
        with pytest.raises(psycopg.Error, match="transaction timeout"):
            session.execute(sql)  # type: ignore[call-overload]
        assert time.monotonic() - began < 0.3 + 2 * HALF
    assert account.rows("SELECT id FROM persons WHERE id = 2") == [(2,)]


@pytest.mark.parametrize("name", ["a slow answer", "an UPDATE", "the burst limit"])
def test_a_wait_does_not_keep_others_from_dropping_a_database(account: LiveAccount, name: str) -> None:
    """From PostgreSQL 15 on that waits until every backend of the server has closed its files."""
    with account.session() as session, account.session() as other:
        session.execute("SELECT id FROM notes WHERE id = 2")
        other.execute("CREATE DATABASE of_others")
        other.execute("SET statement_timeout = '20s'")
        account.simulator.reset()

        def drop() -> None:
            while not any(r["method"] == (WAITS[name].method or "GET") for r in account.requests()):
                time.sleep(0.01)
            with contextlib.suppress(psycopg.errors.QueryCanceled):
                other.execute("DROP DATABASE of_others")
            other.execute("SELECT pg_cancel_backend(%s)", [session.info.backend_pid])

        with waiting(account, name) as sql:
            dropping = threading.Thread(target=drop)
            dropping.start()
            with pytest.raises(psycopg.errors.QueryCanceled):
                session.execute(sql)  # type: ignore[call-overload]
            dropping.join()
        left = other.execute("SELECT count(*) FROM pg_database WHERE datname = 'of_others'").fetchone()
        other.execute("DROP DATABASE IF EXISTS of_others")
        assert left == (0,)


def test_a_fan_out_whose_answers_come_at_once_is_cancelled(server: Server) -> None:
    """Nothing was waited for, and so nobody looked, until there were rows enough for a batch."""
    options = {"max_tokens_per_query": 10**9}
    with LiveAccount(
        server, deals=400, tables=["deals", "deal_followers"], burst=10**6, options=options
    ) as live:
        with live.session() as session, live.session() as other:

            def cancel() -> None:
                while len(live.simulator.requests()) < 20:
                    time.sleep(0.01)
                other.execute(f"SELECT pg_cancel_backend({session.info.backend_pid})".encode())

            cancelling = threading.Thread(target=cancel)
            cancelling.start()
            with pytest.raises(psycopg.errors.QueryCanceled):
                session.execute("SELECT count(*) FROM deal_followers")
            cancelling.join()
        assert len(live.requests()) < 150  # some two hundred give so many rows


def test_a_cancelled_write_tells_that_it_had_been_sent(account: LiveAccount) -> None:
    with account.session() as session, waiting(account, "an INSERT") as sql:
        session.execute("SELECT id FROM notes WHERE id = 2")
        error, _ = end_of(session, sql, "pg_cancel_backend")
    assert "POST /persons was already sent" in error


def test_two_hundred_cancels_leave_nothing_behind(account: LiveAccount) -> None:
    rules = [{"match": "/followers$|/persons$|/filters/", "action": "delay", "ms": LONG}]
    statements = [WAITS[name].sql for name in ("a slow answer", "a fan-out", "an extended fetch")]
    with account.session() as session:
        pid = session.info.backend_pid

        def cancel(times: int) -> None:
            account.simulator.faults(rules)
            session.execute("SET statement_timeout = '60ms'")
            for number in range(times):
                with pytest.raises(psycopg.Error, match="cancel"):
                    session.execute(statements[number % 3])  # type: ignore[call-overload]
            without_timeout(session)
            account.simulator.faults([])
            assert session.execute("SELECT id FROM persons WHERE id = 2").fetchall() == [(2,)]

        cancel(30)
        before = figures(pid)
        cancel(200)
        after = figures(pid)
    assert after["threads"] <= before["threads"]
    assert after["descriptors"] <= before["descriptors"] + 2
    assert after["memory"] <= before["memory"] + 4096  # KiB


def test_a_session_survives_any_number_of_errors(account: LiveAccount) -> None:
    with account.session() as session:
        session.execute("SELECT id FROM notes WHERE id = 2")
        session.execute("SET pipedrive.cache_ttl = 'soon'")
        for number in range(600):
            with pytest.raises(psycopg.Error, match="cache_ttl cannot be 'soon'") as caught:
                session.execute("SELECT id FROM notes WHERE id = 2")
            assert caught.value.diag.message_hint
            if number == 100:
                before = figures(session.info.backend_pid)
        assert figures(session.info.backend_pid)["memory"] <= before["memory"] + 4096
        # within functions that catch them, where PostgreSQL recovers without the client
        session.execute(
            "DO $$ BEGIN FOR i IN 1..50 LOOP BEGIN PERFORM id FROM notes WHERE id = 2; EXCEPTION WHEN OTHERS "
            "THEN IF sqlerrm NOT LIKE 'pipedrive option: setting%' THEN RAISE; END IF; END; END LOOP; END $$"
        )
        with pytest.raises(psycopg.Error, match="division by zero"):
            session.execute("SELECT 1 / 0")
        session.execute("RESET pipedrive.cache_ttl")
        assert session.execute("SELECT id FROM notes WHERE id = 2").fetchall() == [(2,)]


def figures(pid: int) -> dict[str, int]:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return {
        "threads": threads_of(pid),
        "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "memory": int(found[1]),
    }


def test_a_backend_starts_no_process_and_leaves_no_file_but_the_shared_state(account: LiveAccount) -> None:
    folder = account.server.data / "pgsql_tmp_pipedrive_fdw"
    with account.session() as session:
        session.execute("SELECT * FROM deal_followers")
        session.execute("SELECT id, conditions FROM filters")
        pid = session.info.backend_pid
        assert Path(f"/proc/{pid}/task/{pid}/children").read_text().split() == []
        assert threads_of(pid) == 1
        session.execute("SET statement_timeout = '60ms'")
        with waiting(account, "a fan-out") as sql, contextlib.suppress(psycopg.Error):
            session.execute(sql)  # type: ignore[call-overload]
        assert threads_of(pid) == 1
    kinds = {file.name.partition("-")[0] for file in folder.iterdir()}
    accounts = {"window", "search", "day", "counts", "written", "cache", "oauth"}
    assert kinds <= accounts | {"usage", "progress", "records"}
    assert not [file for file in folder.iterdir() if "." in file.name]
