"""Sessions that want the same answers at the same time wait for the one that asks for them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.live import TOKEN, LiveAccount
from tools.engine import Server

TABLES = ("deals", "persons", "notes", "deal_followers", "stages")
DASHBOARD = (
    "SELECT status, count(*) FROM deals GROUP BY 1 ORDER BY 1",
    "SELECT stage_id, sum(value) FROM deals WHERE status = 'open' GROUP BY 1 ORDER BY 1",
    "SELECT owner_id, count(*) FROM persons GROUP BY 1 ORDER BY 1",
    "SELECT count(*), max(add_time) FROM notes",
    "SELECT deal_id, count(*) FROM deal_followers WHERE deal_id < 9 GROUP BY 1 ORDER BY 1",
    "SELECT s.name, count(*) FROM deals d JOIN stages s ON s.id = d.stage_id GROUP BY 1 ORDER BY 1",
)


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"cache_ttl": 600, "page_size": 20, "max_tokens_per_query": 10**9}
    with LiveAccount(server, seed=1, deals=60, tables=TABLES, options=options) as live:
        live.simulator.configure({"users_tokens": {TOKEN: 1, "another-token": 2}})
        yield live


@pytest.fixture(autouse=True)
def _empty(account: LiveAccount) -> Iterator[None]:
    for folder in (account.server.data / "pgsql_tmp_pipedrive_fdw").glob("cache-*"):
        for file in folder.iterdir():
            file.unlink()
    account.connect()
    account.simulator.reset()
    yield
    account.simulator.faults([])
    account.simulator.configure({"latency_ms": 0})


def opened(account: LiveAccount) -> list[Any]:
    with account.session() as session:
        return [session.execute(sql).fetchall() for sql in DASHBOARD]


def requests(account: LiveAccount) -> Counter[str]:
    return Counter(f"{r['path']} {sorted(r['query'].items())}" for r in account.requests())


def test_eight_sessions_that_open_a_dashboard_send_every_request_once(account: LiveAccount) -> None:
    account.simulator.configure({"latency_ms": 60})
    with ThreadPoolExecutor(8) as pool:
        shown = list(pool.map(opened, [account] * 8))
    assert all(one == shown[0] for one in shown)
    asked = requests(account)
    assert asked and set(asked.values()) == {1}


def delayed(account: LiveAccount, ms: int) -> None:
    account.simulator.faults([{"match": "/persons$", "action": "delay", "ms": ms, "times": 1}])


def started(session: psycopg.Connection[Any], sql: str) -> tuple[threading.Thread, list[Any]]:
    """*sql* in a thread, and what comes of it."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(session.execute(sql).fetchall())  # type: ignore[call-overload]
        except psycopg.Error as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def until_asked(account: LiveAccount) -> None:
    """Waits for a session that asks."""
    folder = account.server.data / "pgsql_tmp_pipedrive_fdw"
    end = time.monotonic() + 20
    while not list(folder.glob("cache-*/.flight-*")):
        assert time.monotonic() < end
        time.sleep(0.01)


SQL = "SELECT id, name FROM persons ORDER BY id LIMIT 5"


def test_a_session_that_waits_can_be_cancelled(account: LiveAccount) -> None:
    delayed(account, 4_000)
    with account.session() as one, account.session() as other:
        thread, found = started(one, SQL)
        until_asked(account)
        began = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            other.execute("SET statement_timeout = 300").execute(SQL)
        assert time.monotonic() - began < 2
        thread.join()
        assert len(found[0]) == 5
        assert len(account.requests()) == 1


def test_a_session_goes_on_where_the_one_that_asks_dies(account: LiveAccount) -> None:
    delayed(account, 4_000)
    with account.session() as one, account.session() as other:
        killed = one.info.backend_pid
        thread, _ = started(one, SQL)
        until_asked(account)
        waiting, found = started(other, SQL)
        time.sleep(0.3)
        os.kill(killed, signal.SIGTERM)
        waiting.join()
        thread.join()
        assert len(found[0]) == 5
    end = time.monotonic() + 20
    while len(account.simulator.log) < 2:  # that of the dead is written down when its delay is over
        assert time.monotonic() < end
        time.sleep(0.05)
    assert len(account.requests()) == 2


def test_nobody_gets_the_answer_of_another_credential(account: LiveAccount) -> None:
    account.simulator.configure({"latency_ms": 200})
    account.run("DROP ROLE IF EXISTS other_user; CREATE ROLE other_user")
    account.run(
        f"CREATE USER MAPPING FOR other_user SERVER {account.name} OPTIONS (api_token 'another-token'); "
        f"GRANT USAGE ON SCHEMA {account.name} TO other_user; "
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {account.name} TO other_user"
    )
    with account.session() as one, account.session() as other:
        other.execute("SET ROLE other_user")
        running = [started(session, SQL) for session in (one, other)]
        for thread, found in running:
            thread.join()
            assert len(found[0]) == 5
    assert len(account.requests()) == 2
    account.run(f"DROP USER MAPPING FOR other_user SERVER {account.name}")
    account.run("DROP OWNED BY other_user; DROP ROLE other_user")


def test_an_old_answer_is_shown_while_one_session_renews_it(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD cache_stale '600')")
    with account.session() as one, account.session() as other:
        for session in (one, other):
            session.execute("SET pipedrive.cache_ttl = 1")
        old = one.execute(SQL).fetchall()  # type: ignore[call-overload]
        time.sleep(1.1)
        delayed(account, 4_000)
        thread, found = started(one, SQL)
        until_asked(account)
        assert other.execute(SQL).fetchall() == old  # type: ignore[call-overload]
        assert thread.is_alive()  # it still waits for the new one
        thread.join()
        assert found == [old]
        assert len(account.requests()) == 2
    account.run(f"ALTER SERVER {account.name} OPTIONS (DROP cache_stale)")


def test_no_file_of_a_flight_is_left(account: LiveAccount) -> None:
    opened(account)
    folders = (account.server.data / "pgsql_tmp_pipedrive_fdw").glob("cache-*")
    assert [file.name for folder in folders for file in folder.iterdir() if file.name.startswith(".")] == []
