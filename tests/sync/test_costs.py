"""What a run without a change costs, as docs/copy.md shows it. ``REGENERATE=1`` writes the page anew."""

from __future__ import annotations

import os
import re

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.catalog.copying import copying_of
from tests.sync.copied import Copied
from tools.engine import Server
from tools.engine.places import ROOT

PAGE = ROOT / "docs" / "copy.md"
PART = re.compile(r"(<!-- measured: costs -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def test_the_page_shows_what_each_table_costs(server: Server) -> None:
    with Copied(server, deals=1_000) as copied:
        # However long the test takes, definitions are read once
        copied.run("ALTER SERVER pipedrive OPTIONS (ADD fields_cache_ttl '86400')")
        copied.mirror()
        # What children cost without a change does not depend on their first load, which is long
        walked = {name for name in copied.tables() if copying_of(TABLES[name]).walked}
        loaded = ",".join(f"crm.{name}" for name in walked)
        copied.run(
            "UPDATE pipedrive_internal.copies SET attempted = now(), compared = now() "
            f"WHERE copy = ANY ('{{{loaded}}}'::regclass[])"
        )
        copied.sync(more=", reconcile => false")
        copied.run("DELETE FROM pipedrive_internal.pending")
        copied.sync()
        copied.run("DELETE FROM pipedrive_internal.pending")
        total = copied.sync()
        tokens = dict(
            copied.rows(
                "SELECT replace(copy::text, 'crm.', ''), sum(tokens)::integer "
                "FROM pipedrive_internal.sync_log l "
                "WHERE run = (SELECT max(run) FROM pipedrive_internal.sync_log) GROUP BY 1"
            )
        )
        assert sum(tokens.values()) == total <= 400
        names = copied.tables()
    lines = ["| table | how | read | compared | tokens |", "|---|---|---|---|---|"]
    for name in names:
        how = copying_of(TABLES[name])
        compared = "each time" if how.how == "whole" else how.compared or "on demand"
        lines.append(
            f"| {name} | {how.how} | {how.every or 'each run'} | {compared} | {tokens.get(name, 0) or '–'} |"
        )
    lines.append(f"| together | | | | {total} |")
    text = PAGE.read_text(encoding="utf-8")
    made = PART.sub(lambda m: m[1] + "\n" + "\n".join(lines) + "\n\n" + m[3], text)
    if os.environ.get("REGENERATE"):
        PAGE.write_text(made, encoding="utf-8")
    assert made == text or os.environ.get("REGENERATE")
