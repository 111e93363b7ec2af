"""One burst window for all backends of a server: none is refused, and nearly all of the rate is used."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

BACKENDS = 8
FAN_OUT = "SELECT count(*) FROM deal_followers WHERE deal_id BETWEEN {0} AND {1}"
LOOK_UP = "SELECT name FROM persons WHERE id = {0}"


@pytest.fixture
def own_server() -> Iterator[Server]:
    with Server() as running:
        yield running


def account_on(server: Server, burst: int) -> LiveAccount:
    tables = ("deals", "persons", "deal_followers")
    options = {"max_tokens_per_query": 10**9}
    return LiveAccount(server, deals=300, tables=tables, burst=burst, budget=10**9, options=options)


def refused(account: LiveAccount) -> int:
    return sum(request["status"] != 200 for request in account.requests())


def at_once(account: LiveAccount, statements: Sequence[Sequence[str]]) -> None:
    """Runs each list of statements in a session of its own, all at the same time."""

    def run(own: Sequence[str]) -> None:
        with account.session() as session:
            for sql in own:
                session.execute(sql)  # type: ignore[call-overload]

    with ThreadPoolExecutor(len(statements)) as pool:
        list(pool.map(run, statements))


@pytest.mark.slow
def test_eight_backends_share_a_window_of_twenty(server: Server) -> None:
    """500 requests at 10 a second: half of them of fan-outs, which hold many places at once."""
    with account_on(server, burst=20) as account:
        ids = [r["id"] for r in account.simulator.records("deals") if not r["is_archived"]][:240]
        fans = [ids[n : n + 60] for n in range(0, 240, 60)]
        statements = [
            [f"SELECT count(*) FROM deal_followers WHERE deal_id IN ({', '.join(map(str, fan))})"]
            for fan in fans
        ] + [[LOOK_UP.format(n + 1) for n in range(65)] for _ in range(4)]
        assert len(statements) == BACKENDS
        time.sleep(2.5)  # the window of the import
        account.simulator.reset()
        at_once(account, statements)
        requests = account.requests()
        assert (len(requests), refused(account)) == (500, 0)
        moments = sorted(request["started"] for request in requests)
        used = (len(moments) - 20) / (moments[-1] - moments[0]) / 10
        assert 0.9 <= used <= 1.0


def test_the_others_go_on_when_one_is_killed(own_server: Server) -> None:
    """PostgreSQL then ends every session; the clients connect again. What was taken is lost, no more."""
    with account_on(own_server, burst=30) as account:
        done: list[int] = []

        def run(number: int) -> None:
            left = list(range(15))
            while left:
                try:
                    with account.session() as session:
                        while left:
                            if number == 0 and len(left) == 8:
                                left.clear()
                                os.kill(session.info.backend_pid, signal.SIGKILL)
                                return
                            session.execute(LOOK_UP.format(left[0] + 1))  # type: ignore[call-overload]
                            left.pop(0)
                except psycopg.OperationalError:
                    time.sleep(0.2)
            done.append(number)

        account.simulator.reset()
        with ThreadPoolExecutor(BACKENDS) as pool:
            list(pool.map(run, range(BACKENDS)))
        assert sorted(done) == list(range(1, BACKENDS))
        assert refused(account) == 0
        assert len(account.requests()) >= 7 * 15
        account.connect()


def test_a_cancelled_fan_out_gives_its_places_back(server: Server) -> None:
    with account_on(server, burst=2) as account:
        time.sleep(2.2)
        account.run("SET statement_timeout = '3s'")
        with pytest.raises(psycopg.errors.DatabaseError):
            account.rows(FAN_OUT.format(1, 100))
        with account.session() as other:
            began = time.monotonic()
            other.execute(LOOK_UP.format(1))  # type: ignore[call-overload]
            assert time.monotonic() - began < 2.2
