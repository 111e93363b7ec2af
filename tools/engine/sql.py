"""Running SQL through psql: the one place that does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.engine.process import EngineError, clean_environment, tail


class SqlError(EngineError):
    """psql refused; the text is the server's."""


@dataclass(frozen=True)
class Psql:
    """One psql and the database that it talks to."""

    binary: Path
    dsn: str
    env: Mapping[str, str]

    def query(self, sql: str) -> str:
        """What *sql* answers: no headers, columns separated by ``|``, rows by newlines."""
        return self._run(["-At"], sql)

    def table(self, sql: str) -> str:
        """What *sql* answers, as psql shows it to a person."""
        return self._run(["-P", "pager=off", "-P", "null=–"], sql)

    def replace_process(self, arguments: Sequence[str]) -> None:
        """Become an interactive psql; does not return."""
        os.execve(self.binary, [str(self.binary), self.dsn, *arguments], self._environment(dict(os.environ)))  # noqa: S606

    def _run(self, arguments: Sequence[str], sql: str) -> str:
        command = [str(self.binary), "-X", "-q", "-v", "ON_ERROR_STOP=1", *arguments, self.dsn]
        done = subprocess.run(  # noqa: S603
            command,
            input=sql,
            capture_output=True,
            encoding="utf-8",
            env=self._environment(clean_environment()),
            cwd="/",
        )
        if done.returncode:
            raise SqlError(f"psql failed:\n{tail(done.stderr or done.stdout)}")
        return done.stdout.rstrip("\n")

    def _environment(self, base: dict[str, str]) -> dict[str, str]:
        # Variables of libpq from the caller's shell would mix into the connection.
        kept = {name: value for name, value in base.items() if not name.startswith("PG")}
        return {**kept, "PGAPPNAME": "psql", **self.env}
