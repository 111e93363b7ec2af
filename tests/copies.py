"""Plain copies of foreign tables, under the same names in a schema of their own: what SQL must answer."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from tests.live import LiveAccount


class Copies:
    """``with Copies(account, ["deals"]) as copies: copies.rows("SELECT …")``"""

    def __init__(self, account: LiveAccount, tables: Sequence[str]) -> None:
        self.account, self.tables = account, tuple(tables)
        self.schema = f"{account.name}_copy"

    def __enter__(self) -> Copies:
        self.account.run(f"CREATE SCHEMA {self.schema}")
        for table in self.tables:
            self.account.run(f"CREATE TABLE {self.schema}.{table} AS SELECT * FROM {table}")
            self.account.run(f"ANALYZE {self.schema}.{table}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.account.connect()
        self.account.run(f"DROP SCHEMA {self.schema} CASCADE")

    def begin_anew(self) -> None:
        """A session without settings of another test, which looks at the foreign tables."""
        connection = self.account.connection
        if connection is None or connection.closed:
            connection = self.account.connect()
        connection.prepare_threshold = None  # the same text has other columns in the other schema
        self.account.run("RESET ALL")
        self.look_at_copies(False)

    def look_at_copies(self, copies: bool) -> None:
        """From now on the session's names are those of the copies, or of the foreign tables."""
        schema = self.schema if copies else self.account.name
        self.account.run(f"SET search_path = {schema}, public")

    def run_for_both(self, sql: str) -> None:
        """*sql* is run with each set of tables, the foreign ones last."""
        for copies in (True, False):
            self.look_at_copies(copies)
            self.account.run(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of *sql* on the copies."""
        self.look_at_copies(True)
        try:
            return self.account.rows(sql)
        finally:
            self.look_at_copies(False)
