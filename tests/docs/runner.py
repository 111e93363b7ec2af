"""The SQL blocks of a page, run one after the other in a database of its own, against a company of its own.

What a reader fills in is filled in here: ``company_domain '…'`` becomes the simulator's ``base_url``, and
``api_token '…'`` its token. A block says by ``-- ERROR: words`` that it ends in an error with these words.
A query that finds nothing shows a reader nothing: its block says so by ``-- no rows``.
A ``text`` block right after an SQL block shows its result. It must be the whole result where it ends in a
number of rows; else its lines of the wrapper must be in the result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.docs.markdown import Block, blocks
from tests.simulator import Simulator
from tools.engine import Psql, Server, SqlError

TOKEN = "demo-token"  # noqa: S105 - the simulator's
# Functions take named arguments where statements take options.
_FILLED = (
    (r"company_domain '[^']*'", "base_url '{url}'"),
    (r"company_domain => '[^']*'", "base_url => '{url}'"),
    (r"api_token( =>)? '[^']*'", r"api_token\1 '{token}'"),
)
_ERROR = re.compile(r"^-- ERROR: +(.+)$", re.MULTILINE)
_EMPTY = re.compile(r"^-- no rows", re.MULTILINE)
_WHOLE = re.compile(r"^\(\d+ rows?\)$", re.MULTILINE)
CONNECTS = "CREATE EXTENSION pipedrive_fdw"


@dataclass(frozen=True)
class Page:
    """A page's database and its company."""

    psql: Psql
    simulator: Simulator

    def run(self, block: Block) -> str:
        """The output of *block* as psql shows it. Raises SqlError, AssertionError where it lies."""
        sql = self.filled(block.text)
        expected = _ERROR.search(sql)
        if expected:
            try:
                self.psql.table(sql)
            except SqlError as error:
                assert expected[1] in str(error), f"another error: {error}"
                return str(error)
            raise AssertionError(f"no error: {expected[1]}")
        output = self.psql.table(sql)
        assert bool(_EMPTY.search(sql)) == ("(0 rows)" in output), f"rows or none:\n{output}"
        if _WHOLE.search(block.shown):
            assert block.shown.strip() == output.strip(), f"another result:\n{output}"
        for line in block.shown.splitlines():
            if "Multicorn: " in line:
                assert line.strip() in output, f"not shown: {line.strip()}\n{output}"
        return output

    def filled(self, sql: str) -> str:
        """*sql* with what a reader fills in."""
        for pattern, words in _FILLED:
            sql = re.sub(pattern, words.format(url=self.simulator.url, token=TOKEN), sql)
        return sql


@contextmanager
def open_page(server: Server, simulator: Simulator, name: str, connected: bool) -> Iterator[Page]:
    """An empty database, or one with everything connected and imported.

    The database goes at the end, and with it the roles that were made: the cluster is that of all tests.
    """
    database = "docs_" + re.sub(r"\W", "_", name.lower())
    template = server.psql("template1")
    roles = set(_roles(template))
    template.query(f"CREATE DATABASE {database}")
    try:
        page = Page(server.psql(database), simulator)
        if connected:
            page.psql.query(_CONNECT.format(url=simulator.url, token=TOKEN))
        yield page
    finally:
        template.query(f"DROP DATABASE {database} WITH (FORCE)")
        for role in set(_roles(template)) - roles:
            template.query(f"DROP ROLE {role}")


def _roles(psql: Psql) -> list[str]:
    return psql.query("SELECT quote_ident(rolname) FROM pg_roles").splitlines()


_CONNECT = """
    SET client_min_messages = warning;
    CREATE EXTENSION pipedrive_fdw CASCADE;
    SELECT pipedrive.connect(base_url => '{url}', api_token => '{token}');
"""


def faults(page: Page, file: Path) -> Iterator[str]:
    """What does not hold on the page of *file*, block by block.

    A page may show a query first and how to connect later: what connects runs first.
    """
    for block in sorted(blocks(file), key=lambda block: CONNECTS not in block.text):
        if block.language == "sql":
            try:
                page.run(block)
            except (SqlError, AssertionError) as error:
                yield f"{block}: {error}"
