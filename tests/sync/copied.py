"""A copy of an account, and whether it equals the records."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import psycopg

from tests.e2e.extension import TOKEN, Extended
from tests.simulator import Simulator
from tools.engine import Server


class Copied:
    """``with Copied(server, deals=40) as copied: copied.sync()``; the copy is the schema ``crm``."""

    def __init__(self, server: Server, **settings: Any) -> None:
        self.server = server
        self.simulator = Simulator(token=TOKEN, **settings)

    def __enter__(self) -> Copied:
        self.simulator.start()
        self.database = Extended(self.server, self.simulator)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.database.close()
        self.simulator.stop()

    def mirror(self, tables: Sequence[str] = (), more: str = "") -> str:
        names = f", tables => '{{{','.join(tables)}}}'" if tables else ""
        return str(self.value(f"SELECT pipedrive.mirror('pipedrive', target => 'crm'{names}{more})"))

    def sync(self, table: str = "", more: str = "") -> int:
        """Run the synchronisation; the tokens that it spent."""
        before = len(self.simulator.requests())
        named = f"'{table}'" if table else "NULL"
        self.run(f"CALL pipedrive.sync({named}{more})")
        return sum(r["tokens"] for r in self.simulator.requests()[before:])

    def run(self, sql: str) -> None:
        self.database.run(sql)

    @contextmanager
    def pages_of(self, records: int) -> Iterator[None]:
        """Lists have pages of *records* meanwhile."""
        self.run(f"ALTER SERVER pipedrive OPTIONS (ADD page_size '{records}')")
        try:
            yield
        finally:
            self.run("ALTER SERVER pipedrive OPTIONS (DROP page_size)")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.database.rows(sql)

    def value(self, sql: str) -> Any:
        return self.database.value(sql)

    def connect_anew(self) -> psycopg.Connection[Any]:
        self.database.connection.close()
        self.database.connection = self.database.connect()
        return self.database.connection

    def tables(self) -> list[str]:
        """The copied tables, by name."""
        return [
            name
            for (name,) in self.rows(
                "SELECT name FROM pipedrive_internal.known_copies "
                "WHERE schema = 'crm'::regnamespace ORDER BY name"
            )
        ]

    def differences(self, table: str) -> tuple[Counter[str], Counter[str]]:
        """The rows that only the copy has, and those that only the foreign table has."""
        columns = ", ".join(
            f'"{name}"'
            for (name,) in self.rows(
                "SELECT s.source_name FROM pipedrive_internal.copies c, "
                f"pipedrive_internal.copied_columns(c) s WHERE c.copy = 'crm.{table}'::regclass"
            )
        )
        copy, foreign = (
            Counter(row for (row,) in self.rows(f"SELECT t::text FROM (SELECT {columns} FROM {name}) t"))
            for name in (f"crm.{table}", f"pipedrive.{table}")
        )
        return copy - foreign, foreign - copy

    def different(self) -> dict[str, tuple[Counter[str], Counter[str]]]:
        """The tables whose copy does not equal them."""
        found = {table: self.differences(table) for table in self.tables()}
        return {table: both for table, both in found.items() if any(both)}


def tool(server: Server, name: str, *arguments: str) -> None:
    """Run a program of PostgreSQL, such as pg_dump, that belongs to the server."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    command = [str(server.engine.bindir / name), *arguments]
    done = subprocess.run(command, env={**kept, **server.env}, capture_output=True, text=True, timeout=120)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
