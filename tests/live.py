"""A made-up account seen through the foreign data wrapper in a real PostgreSQL, for tests.

Each ``LiveAccount`` has a simulator, a foreign server and a schema of its own in one shared cluster, and a
session whose statements it runs.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from tests.simulator import Simulator
from tools.engine import Server

TOKEN = "a-token-of-the-tests"
_numbers = itertools.count(1)


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def options(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {literal(str(value))}" for name, value in values.items())


def connection_parameters(server: Server) -> dict[str, str]:
    """host, port, dbname, user and password of the server, for clients that read no password file."""
    found = {name: str(value) for name, value in psycopg.conninfo.conninfo_to_dict(server.dsn).items()}
    return {**found, "password": Path(found["passfile"]).read_text().strip().rpartition(":")[2]}


class LiveAccount:
    """``with LiveAccount(server, deals=500) as account: account.rows("SELECT …")``"""

    def __init__(
        self,
        server: Server,
        simulator: Simulator | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        mapping: Mapping[str, Any] | None = None,
        tables: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        """*options* of the foreign server, *mapping* of the user; *tables* to import, all when none is named;
        *settings* of the simulator, which is started here unless one that runs is given."""
        self.server = server
        self._own = simulator is None
        self.simulator = simulator or Simulator(token=TOKEN, **settings)
        self.name = f"account{next(_numbers)}"
        self.server_options = dict(options or {})
        self.mapping = {"api_token": TOKEN} if mapping is None else dict(mapping)
        self.tables = tuple(tables)
        self.connection: psycopg.Connection[Any] | None = None

    def __enter__(self) -> LiveAccount:
        if self._own:
            self.simulator.start()
        self.connect()
        self.run(
            f"CREATE SERVER {self.name} FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS ("
            + options({"base_url": self.simulator.url, **self.server_options})
            + ")"
        )
        self.run(f"CREATE USER MAPPING FOR CURRENT_USER SERVER {self.name} OPTIONS ({options(self.mapping)})")
        self.run(f"CREATE SCHEMA {self.name}")
        self.run(f"SET search_path = {self.name}, public")
        self.import_tables(self.tables)
        self.simulator.reset()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.connection is not None:
            self.connection.close()
        with psycopg.connect(self.server.dsn, autocommit=True) as connection:
            connection.execute(f"DROP SERVER {self.name} CASCADE")
            connection.execute(f"DROP SCHEMA {self.name} CASCADE")
        if self._own:
            self.simulator.stop()

    def import_tables(self, tables: Sequence[str] = ()) -> None:
        limit = f"LIMIT TO ({', '.join(tables)}) " if tables else ""
        self.run(f"IMPORT FOREIGN SCHEMA pipedrive {limit}FROM SERVER {self.name} INTO {self.name}")

    def connect(self) -> psycopg.Connection[Any]:
        """A new session, in place of the one before."""
        if self.connection is not None:
            self.connection.close()
        self.connection = self.session()
        return self.connection

    def begin_anew(self) -> None:
        """The company and the session as they were in the beginning, with the same connection if it lives."""
        self.simulator.refill()
        self.simulator.reset()
        if self.connection is None or self.connection.closed:
            self.connect()
        else:
            self.connection.rollback()
            self.connection.prepare_threshold = None  # what psycopg prepares is discarded too
            self.run("DISCARD ALL")
            self.run(f"SET search_path = {self.name}, public")

    def connect_anew(self) -> None:
        """A new session, when nobody remembers the definitions of fields."""
        for file in (self.server.data / "pgsql_tmp_pipedrive_fdw").glob("cache-fields-*/*"):
            file.unlink()
        self.connect()

    def session(self) -> psycopg.Connection[Any]:
        """One more session on the account's schema."""
        connection = psycopg.connect(self.server.dsn, autocommit=True)
        connection.execute(f"SET search_path = {self.name}, public")
        return connection

    def run(self, sql: str) -> None:
        assert self.connection is not None
        self.connection.execute(sql)  # type: ignore[call-overload]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        assert self.connection is not None
        return self.connection.execute(sql).fetchall()  # type: ignore[call-overload, no-any-return]

    def value(self, sql: str) -> Any:
        ((value,),) = self.rows(sql)
        return value

    def objects(self, table: str, where: str = "") -> list[dict[str, Any]]:
        """The rows of *table* as JSON objects."""
        return [row[0] for row in self.rows(f"SELECT row_to_json(t) FROM {table} t {where}")]

    def plan(self, sql: str, how: str = "COSTS OFF") -> list[str]:
        return [row[0] for row in self.rows(f"EXPLAIN ({how}) {sql}")]

    def asked(self, sql: str) -> list[dict[str, Any]]:
        """The requests that left while *sql* ran."""
        self.simulator.reset()
        self.rows(sql)
        return self.requests()

    def requests(self) -> list[dict[str, Any]]:
        return list(json.loads(json.dumps(self.simulator.requests())))

    def tokens(self) -> int:
        return sum(r["tokens"] for r in self.requests())


def most_at_once(requests: Sequence[Mapping[str, Any]]) -> int:
    """How many of *requests* were under way at the same time at the API."""
    moments = sorted([(r["started"], 1) for r in requests] + [(r["ended"], -1) for r in requests])
    return max(itertools.accumulate(change for _, change in moments), default=0)


@contextlib.contextmanager
def cancelling(session: psycopg.Connection[Any], after: float) -> Iterator[None]:
    """Cancels what *session* runs inside, after that many seconds, and again: one that comes too early does
    nothing."""
    ended = threading.Event()

    def cancel() -> None:
        while not ended.wait(after):
            session.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def without_timeout(session: psycopg.Connection[Any]) -> None:
    """RESET statement_timeout, at which the timeout may strike, too."""
    while True:
        with contextlib.suppress(psycopg.errors.QueryCanceled):
            session.execute("RESET statement_timeout")
            return


def threads_of(pid: int) -> int:
    """Threads of a backend that has nothing to do; one that ends is there a moment longer."""
    count = 0
    for _ in range(100):
        count = len(list(Path(f"/proc/{pid}/task").iterdir()))
        if count == 1:
            break
        time.sleep(0.01)
    return count
