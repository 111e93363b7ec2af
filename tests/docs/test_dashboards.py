"""The dashboards of ``examples``: each file is what its tool can parse, and every SQL in it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml

from tests.docs.dashboards import CHARTS, FOLDER
from tests.docs.runner import Page, open_page
from tests.simulator import Simulator
from tools.engine import Server

COPIED = "{users,pipelines,stages,deals,deal_products,activities,leads}"


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    simulator = Simulator(deals=200).start()
    with open_page(server, simulator, "dashboards", connected=True) as opened:
        opened.psql.query("SELECT pipedrive.reporting('pipedrive', target => 'bi')")
        yield opened
    simulator.stop()


def rows(page: Page, sql: str, schema: str = "bi") -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of the columns, and the rows; from views in *schema*."""
    with psycopg.connect(page.psql.dsn) as connection:
        found = connection.execute(sql.replace("bi.", f"{schema}.").encode())
        return [column.name for column in found.description or ()], found.fetchall()


def statements() -> list[tuple[str, str]]:
    """Every SQL of every file, by the name of the file and of the chart."""
    found = []
    for panel in json.loads((FOLDER / "grafana/dashboard.json").read_text(encoding="utf-8"))["panels"]:
        found += [(f"grafana: {panel['title']}", target["rawSql"]) for target in panel["targets"]]
    for card in json.loads((FOLDER / "metabase/cards.json").read_text(encoding="utf-8")):
        found.append((f"metabase: {card['name']}", card["dataset_query"]["native"]["query"]))
    for file in sorted((FOLDER / "superset/datasets").rglob("*.yaml")):
        dataset = yaml.safe_load(file.read_text(encoding="utf-8"))
        found.append((f"superset: {dataset['description']}", dataset["sql"]))
    return found


STATEMENTS = statements()


def test_each_tool_has_the_eight_charts() -> None:
    titles = [chart.title for chart in CHARTS]
    for tool in ("grafana", "metabase", "superset"):
        there = [name.split(": ")[1] for name, _ in STATEMENTS if name.startswith(tool)]
        assert sorted(there) == sorted(titles)


def test_superset_asks_for_the_password() -> None:
    """Superset asks at the import if the address has a mask for the password, not if it has no password."""
    (file,) = (FOLDER / "superset/databases").glob("*.yaml")
    address = yaml.safe_load(file.read_text(encoding="utf-8"))["sqlalchemy_uri"]
    assert urlsplit(address).password == "XXXXXXXXXX"  # noqa: S105


@pytest.mark.parametrize("sql", dict.fromkeys(sql for _, sql in STATEMENTS), ids=lambda sql: sql[:30])
def test_every_statement_answers(page: Page, sql: str) -> None:
    chart = next(chart for chart in CHARTS if chart.sql == sql)
    columns, found = rows(page, sql)
    assert set(chart.columns) <= set(columns)
    assert len(found) > 1


def test_over_a_copy_they_say_the_same(page: Page) -> None:
    page.psql.query(f"SELECT pipedrive.mirror('pipedrive', target => 'crm', tables => '{COPIED}')")
    page.psql.query("CALL pipedrive.sync()")
    page.psql.query("SELECT pipedrive.reporting('crm', target => 'crm_bi')")
    for chart in CHARTS:
        live = rows(page, chart.sql)
        page.simulator.reset()
        assert rows(page, chart.sql, "crm_bi") == live, chart.name
        assert page.simulator.requests() == []
