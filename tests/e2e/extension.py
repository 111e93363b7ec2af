"""A database of its own with the extension, for the tests of what CREATE EXTENSION brings."""

from __future__ import annotations

import itertools
import json
import os
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import psycopg

from tests.simulator import Simulator
from tools.engine import Server

TOKEN = "a-token-of-the-extension's-tests"  # noqa: S105 - the simulator's
_numbers = itertools.count(1)


class Extended:
    """A database of its own with the extension and one connected account."""

    def __init__(self, server: Server, simulator: Simulator, connected: bool = True) -> None:
        self.simulator = simulator
        self.database = f"extension{next(_numbers)}"
        server.psql("template1").query(f"DROP DATABASE IF EXISTS {self.database}")
        server.psql("template1").query(f"CREATE DATABASE {self.database}")
        self.dsn = server.dsn_of(self.database)
        self.connection = self.connect()
        self.run("CREATE EXTENSION pipedrive_fdw CASCADE")
        if connected:
            self.run(f"SELECT pipedrive.connect(base_url => '{simulator.url}', api_token => $${TOKEN}$$)")
            simulator.reset()

    def connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self.dsn, autocommit=True)
        connection.execute("SET client_min_messages = warning")
        return connection

    def close(self) -> None:
        self.connection.close()

    def run(self, sql: str) -> None:
        self.connection.execute(sql)  # type: ignore[arg-type]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()  # type: ignore[arg-type]

    def value(self, sql: str) -> Any:
        return self.rows(sql)[0][0]

    def sent(self) -> list[tuple[str, str, Any]]:
        """Method, path and body of each request."""
        return [
            (r["method"], r["path"], json.loads(r["body"]) if isinstance(r["body"], str) else r["body"])
            for r in self.simulator.requests()
        ]


def rows_beside_a_pipe(server: Server, database: Extended, name: str, sql: str) -> list[Any]:
    """What *sql* gives while a pipe without a writer stands in the place of the state file *name*.

    Nothing could cancel a wait for it: the kernel waits, within the server's process.
    """
    pipe = server.data / "pgsql_tmp_pipedrive_fdw" / name
    os.mkfifo(pipe)
    os.chown(pipe, server.data.stat().st_uid, -1)
    try:
        with ThreadPoolExecutor(1) as pool:
            shown = pool.submit(database.rows, sql)
            ended = bool(wait([shown], timeout=30).done)
            os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # who waits goes on
            assert ended
            return shown.result()
    finally:
        pipe.unlink()
