"""The tour: every file of ``sql/examples`` is explained, shown, run, and priced."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tools.engine import sandbox
from tools.engine.places import ROOT
from tools.engine.sql import Psql

EXAMPLES = ROOT / "sql" / "examples"
_WIDTH = 78
_COPY = """\
SELECT pipedrive.mirror('pipedrive', target => 'demo_copy', tables => '{pipelines,stages,deals}');
CALL pipedrive.sync();"""


@dataclass(frozen=True)
class Example:
    """One file: its first comment line is the title, the other leading ones explain."""

    title: str
    words: str
    sql: str

    @classmethod
    def read(cls, file: Path) -> Example:
        lines = file.read_text(encoding="utf-8").splitlines()
        count = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
        words = [line[2:].strip() for line in lines[:count]]
        return cls(words[0] if words else file.stem, "\n".join(words[1:]), "\n".join(lines[count:]).strip())


class Style:
    """Bold and dim, where the terminal and the reader want them."""

    def __init__(self) -> None:
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty()
        self.on = not plain

    def bold(self, text: str) -> str:
        return f"\033[1m{text}\033[0m" if self.on else text

    def dim(self, text: str) -> str:
        return "\n".join(f"\033[2m{line}\033[0m" for line in text.split("\n")) if self.on else text


def run() -> None:
    """Set everything up, then walk through the examples."""
    style = Style()
    show(style.bold("Pipedrive as PostgreSQL tables: a tour"))
    show("A PostgreSQL with Multicorn and a made-up Pipedrive company are started on this machine.\n")
    started = time.monotonic()
    psql = sandbox.up().psql()
    tables = psql.query("SELECT count(*) FROM information_schema.foreign_tables")
    seconds = time.monotonic() - started
    show(f"\nReady in {seconds:.0f} s. IMPORT FOREIGN SCHEMA has made {tables} tables. Now some questions.\n")
    examples = [Example.read(file) for file in sorted(EXAMPLES.glob("*.sql"))]
    for number, example in enumerate(examples, 1):
        price = _walk(style, psql, example, f"{number}/{len(examples)}")
    _from_a_copy(style, psql, examples[-1], price)
    _farewell(style)


def show(text: str) -> None:
    """A piece of the tour, at once, so that it stays in order with what goes to stderr."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Price:
    """What SQL took: *requests* to Pipedrive, their API *tokens*, and *seconds*."""

    requests: int
    tokens: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.requests} requests, {self.tokens} API tokens, {self.seconds:.2f} s"


def _run(psql: Psql, sql: str) -> tuple[str, Price]:
    """The result of *sql* as psql shows it, and its price."""
    before, started = len(sandbox.requests_seen()), time.monotonic()
    result = psql.table(sql)
    seconds = time.monotonic() - started
    seen = sandbox.requests_seen()[before:]
    return result, Price(len(seen), sum(int(request.get("tokens") or 0) for request in seen), seconds)


def _walk(style: Style, psql: Psql, example: Example, place: str) -> Price:
    show(style.bold(f"── {place}  {example.title} ".ljust(_WIDTH, "─")))
    show(f"{example.words}\n")
    show(style.dim(example.sql) + "\n")
    result, price = _run(psql, example.sql)
    show(result)
    show(style.dim(str(price)) + "\n")
    return price


def _from_a_copy(style: Style, psql: Psql, report: Example, live: Price) -> None:
    """The same *report* from a copy of its tables, beside its price when it came from Pipedrive."""
    show(style.bold("── The same from a copy ".ljust(_WIDTH, "─")))
    show("A copy consists of ordinary tables. A schedule runs sync, which reads what has changed since.\n")
    show(style.dim(_COPY) + "\n")
    made = _run(psql, _COPY)[1]
    result, copied = _run(psql, report.sql.replace("pipedrive.", "demo_copy."))
    show(result)
    show(f"From Pipedrive: {live}\nFrom the copy:  {copied}")
    show(style.dim(f"To make the copy current: {made}") + "\n")


def _farewell(style: Style) -> None:
    show(style.bold("── How to go on ".ljust(_WIDTH, "─")))
    show(
        "  make psql            a prompt on this database; \\det pipedrive.* lists the tables\n"
        "  make dsn             its address, for any other client\n"
        f"  {'make simulator-url':20} the made-up company's API; add /_sim/requests to see what was asked\n"
        "  make down            stops it all; the database keeps what you made in it\n"
        "  make reset           throws that away and starts over\n"
    )
    show("Your own account, beside the made-up one (the token: Personal preferences > API):\n")
    show(
        style.dim(
            "  CREATE SERVER mine FOREIGN DATA WRAPPER pipedrive_fdw\n"
            "      OPTIONS (company_domain 'yourcompany');\n"
            "  CREATE USER MAPPING FOR CURRENT_USER SERVER mine OPTIONS (api_token '...');\n"
            "  CREATE SCHEMA mine;\n"
            "  IMPORT FOREIGN SCHEMA pipedrive FROM SERVER mine INTO mine;"
        )
    )
    show(
        "\nREADME.md says how to install it on a real server, and where to read on."
        f"\nThis database: {sandbox.dsn()}"
    )
