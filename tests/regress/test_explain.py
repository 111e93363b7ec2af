"""EXPLAIN by topic: the files of sql/ give what stands in expected/, on every engine.

``REGENERATE=1`` writes them anew; read the difference before it is committed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import LiveAccount
from tools.engine import Server

HERE = Path(__file__).parent
TOPICS = sorted(file.stem for file in (HERE / "sql").glob("*.sql"))


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, seed=1, deals=60, burst=100_000, budget=10**9) as live:
        live.run("CREATE TABLE few AS SELECT generate_series(1, 3)::bigint AS id; ANALYZE few")
        live.run("CREATE TABLE many AS SELECT generate_series(1, 5000)::bigint AS id; ANALYZE many")
        yield live
        live.run("DROP TABLE few, many")


def alike(line: str) -> str:
    """*line* of a plan as any version of PostgreSQL could show it: whole rows, "=" in one order."""
    line = re.sub(r"(rows=\d+)\.00\b", r"\1", line)
    equality = re.match(r"( *(?:Join )?Filter: )\((.*) = ([a-z_][\w.]*)\)$", line)
    if equality is None:
        return line
    left, right = sorted(equality.groups()[1:], key=lambda side: (not side.isidentifier(), side))
    return f"{equality[1]}({left} = {right})"


def shown(account: LiveAccount, topic: str) -> str:
    for file in (account.server.data / "pgsql_tmp_pipedrive_fdw").glob("counts-*"):
        file.unlink()
    account.connect()
    out = []
    for line in (HERE / "sql" / f"{topic}.sql").read_text(encoding="utf-8").splitlines():
        out.append(line)
        if line.startswith("EXPLAIN"):
            out += ["  " + alike(row[0]) for row in account.rows(line)]
            out.append("")
        elif not line.startswith("--"):
            account.run(line)
    return "\n".join(out) + "\n"


@pytest.mark.parametrize("topic", TOPICS)
def test_explain(account: LiveAccount, topic: str) -> None:
    golden = HERE / "expected" / f"{topic}.out"
    got = shown(account, topic)
    if os.environ.get("REGENERATE"):
        golden.write_text(got, encoding="utf-8")
    assert got == golden.read_text(encoding="utf-8")
