"""The dbt project builds over the views of an import and over a copy; a later run reads what has changed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.docs.runner import Page, open_page
from tests.simulator import Simulator
from tools.engine import Server
from tools.engine.places import ROOT

PROJECT = ROOT / "examples" / "dbt"
DBT = ROOT / ".venv-dbt" / "bin" / "dbt"
DEALS = 200
_ROLE = """
    CREATE ROLE dbt LOGIN PASSWORD 'of-a-test';
    SELECT pipedrive.reporting('pipedrive', target => 'bi', role => 'dbt', statement_timeout => '5min');
    SELECT pipedrive.mirror('pipedrive', target => 'crm', tables =>
        '{users,pipelines,stages,organizations,persons,products,deals,deal_products,activities}');
    CALL pipedrive.sync();
    GRANT USAGE ON SCHEMA crm TO dbt;
    GRANT SELECT ON ALL TABLES IN SCHEMA crm TO dbt;
"""


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    simulator = Simulator(deals=DEALS).start()
    with open_page(server, simulator, "dbt", connected=True) as opened:
        try:
            for statement in _ROLE.split(";"):
                opened.psql.query(statement)
            opened.psql.query(
                "DO $$BEGIN EXECUTE 'GRANT CREATE ON DATABASE ' || current_database() || ' TO dbt'; END$$"
            )
            yield opened
        finally:
            opened.psql.query("DROP OWNED BY dbt")
    simulator.stop()


def build(
    page: Page, folder: Path, schema: str, *arguments: str, source: str = "bi"
) -> tuple[dict[str, int], int]:
    """What became of the nodes of the project (status → how many), and the tokens that the run has cost."""
    if not DBT.exists():
        pytest.skip("dbt is not here: make examples installs it")
    known = psycopg.conninfo.conninfo_to_dict(page.psql.dsn)
    page.simulator.reset()
    done = subprocess.run(  # noqa: S603
        [str(DBT), "build", "--target-path", str(folder), "--log-path", str(folder), "--quiet"]
        + ["--vars", json.dumps({"pipedrive_schema": source}), *arguments],
        cwd=PROJECT,
        env={
            **os.environ,
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_SCHEMA": schema,
            "PGHOST": str(known["host"]),
            "PGPORT": str(known["port"]),
            "PGDATABASE": str(known["dbname"]),
            "PGUSER": "dbt",
            "PGPASSWORD": "of-a-test",
        },
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((folder / "run_results.json").read_text())["results"]
    became: dict[str, int] = {}
    for result in results:
        became[result["status"]] = became.get(result["status"], 0) + 1
    return became, sum(int(request["tokens"] or 0) for request in page.simulator.requests())


def test_it_builds_over_the_views_and_later_reads_what_has_changed(page: Page, tmp_path: Path) -> None:
    became, first = build(page, tmp_path, "analytics")
    assert set(became) <= {"success", "pass", "warn"}
    count = "SELECT count(*), count(DISTINCT id) FROM analytics.fct_deals"
    assert page.psql.query(count) == f"{DEALS}|{DEALS}"
    page.psql.query("UPDATE pipedrive.deals SET title = 'Seen by dbt' WHERE id = 7")
    became, later = build(page, tmp_path, "analytics", "--exclude", "source:*")
    assert set(became) == {"success", "pass"}
    assert page.psql.query("SELECT title FROM analytics.fct_deals WHERE id = 7") == "Seen by dbt"
    versions = "SELECT count(*), count(dbt_valid_to) FROM analytics.deals_over_time WHERE id = 7"
    assert page.psql.query(versions) == "2|1"
    assert (first, later) == (FIRST, LATER), "docs/bi.md tells these prices"


def test_it_builds_over_a_copy_without_a_request(page: Page, tmp_path: Path) -> None:
    became, tokens = build(page, tmp_path, "analytics_of_copy", source="crm")
    assert set(became) <= {"success", "pass", "warn"}
    assert tokens == 0
    total = "SELECT count(*), sum(value) FROM {}"
    assert page.psql.query(total.format("analytics_of_copy.fct_deals")) == page.psql.query(
        total.format("crm.deals")
    )


# One reading of each of the nine lists; then of the changed deals, their archived list, stages and pipelines.
FIRST, LATER = 230, 40
