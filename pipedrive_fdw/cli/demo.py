"""``demo``: the tour of queries, on a made-up company or on tables of your own."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pipedrive_fdw
from pipedrive_fdw.cli.terminal import Terminal
from pipedrive_fdw.errors import ConnectError, OptionError

SUMMARY = "a tour of queries, on a made-up company or on your own tables"
DESCRIPTION = """\
Shows what the tables are good for: some queries, each with its meaning and its result.

With --dsn they run in that database, whose tables must be in the schema pipedrive. This needs psql.
Nothing is changed there, and reading spends API tokens of the account, which EXPLAIN shows before
each query. Without it, in a checkout of the sources, it is the same as `make demo`: a PostgreSQL and
a made-up company on this machine, installing nothing."""
EPILOG = "Leave the password out of --dsn: psql reads it from PGPASSWORD, ~/.pgpass, or asks."

_PACKAGE = Path(pipedrive_fdw.__file__).parent
# A statement that writes: those of the made-up company are not for an account of somebody's own.
_CHANGES = re.compile(r"^\s*(INSERT|UPDATE|DELETE)\b", re.MULTILINE | re.IGNORECASE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dsn", metavar="DSN", help="a database with the tables, as psql takes it")


def run(given: argparse.Namespace, terminal: Terminal) -> int:
    if given.dsn is not None:
        return _tour(given.dsn, terminal)
    checkout = _PACKAGE.parent
    if not (checkout / "tools" / "engine" / "demo.py").exists():
        raise OptionError(
            "the made-up company is part of the sources, and this is an installed package",
            hint="Name a database that has the tables: --dsn. Or run `make demo` in a checkout.",
        )
    command = [sys.executable, "-m", "tools.engine", "demo"]
    return subprocess.run(command, cwd=checkout, check=False).returncode  # noqa: S603 - our own


def examples() -> list[Path]:
    """The queries of the tour that only read: in the package when it is installed, else in the checkout."""
    folder = _PACKAGE / "examples"
    files = sorted((folder if folder.is_dir() else _PACKAGE.parent / "sql" / "examples").glob("*.sql"))
    return [file for file in files if not _CHANGES.search(file.read_text(encoding="utf-8"))]


def _tour(dsn: str, terminal: Terminal) -> int:
    if _psql(dsn, "DO $$ BEGIN PERFORM 'pipedrive.deals'::regclass; END $$;\n"):
        terminal.say("The tour ends here, because of the error that psql has shown.")
        return 1
    failed = 0
    for number, file in enumerate(examples(), 1):
        words, sql = _parts(file)
        terminal.give(f"\n── {number}/{len(examples())}  {words}\n\n{sql}\n")
        explained = f"EXPLAIN (COSTS OFF) {sql}\n" if sql.upper().startswith("SELECT") else ""
        if _psql(dsn, f"{explained}{sql}\n"):
            terminal.say("This query failed with the error that psql has shown. The tour goes on.")
            failed += 1
    return 1 if failed else 0


def _parts(file: Path) -> tuple[str, str]:
    """The comment that begins the file, and its statements."""
    lines = file.read_text(encoding="utf-8").splitlines()
    count = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "\n".join(line[2:].strip() for line in lines[:count]), "\n".join(lines[count:]).strip()


def _psql(dsn: str, script: str) -> int:
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", "-"]
    try:
        done = subprocess.run(  # noqa: S603 - psql and its arguments, no shell
            command,
            input=script,
            encoding="utf-8",
            check=False,
            env={**os.environ, "PAGER": "", "PGCLIENTENCODING": "UTF8"},
        )
    except FileNotFoundError:
        raise ConnectError(
            "there is no psql on this machine", hint="Install PostgreSQL's client, or add its folder to PATH."
        ) from None
    return done.returncode
