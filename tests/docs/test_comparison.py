"""The prices of ten questions, as docs/comparison.md shows them. ``REGENERATE=1`` writes the page anew."""

from __future__ import annotations

import math
import os
import re
from collections import Counter

import psycopg
import pytest

from pipedrive_fdw.options import Options
from tests.docs.runner import Page, open_page
from tests.simulator import Simulator
from tools.engine import Server
from tools.engine.places import ROOT

PAGE = ROOT / "docs" / "comparison.md"
PART = re.compile(r"(<!-- measured: prices -->\n)(.*?)(<!-- end -->)", re.DOTALL)
DEALS = "FROM pipedrive.deals WHERE NOT is_archived"
PRODUCTS = "SELECT p.name, p.quantity FROM pipedrive.deal_products p"
# A page of 500 records, and the children of one deal
LIST, CHILD = 10, 10


def price(page: Page, sql: str) -> str:
    """The tokens that *sql* spends in a session of its own, or those at which the guard stopped it.

    Requests that have not been sent when the guard stops the query are never sent. So it spends a few tokens
    less.
    """
    page.simulator.reset()
    stopped = False
    with psycopg.connect(page.psql.dsn) as session:
        try:
            session.execute(sql.encode())
        except psycopg.errors.ConfigurationLimitExceeded:
            stopped = True
    spent = sum(int(request["tokens"] or 0) for request in page.simulator.requests())
    if not stopped:
        return f"{spent:,}"
    most = Options().max_tokens_per_query
    assert most - Options().parallel * CHILD <= spent <= most
    return f"stopped by the guard at {most:,}"


def questions(simulator: Simulator) -> list[tuple[str, str, int]]:
    """Each question, its SQL, and what it costs to read lists and filter them afterwards."""
    deals = [deal for deal in simulator.records("deals") if not deal["is_archived"]]
    whole = math.ceil(len(deals) / 500) * LIST
    stage, of_stage = Counter(deal["stage_id"] for deal in deals).most_common()[-1]
    since = sorted(deal["update_time"] for deal in deals if deal["update_time"])[-50]
    twelve = ", ".join(str(deal["id"]) for deal in deals[::400])
    one = deals[6]["id"]
    return [
        ("one deal by its id", f"SELECT title {DEALS} AND id = {one}", whole),
        ("twelve deals by id", f"SELECT title {DEALS} AND id IN ({twelve})", whole),
        (f"the {of_stage} deals of one stage", f"SELECT title {DEALS} AND stage_id = {stage}", whole),
        ("the 50 deals that changed last", f"SELECT title {DEALS} AND update_time >= '{since}'", whole),
        (
            "open deals by stage, with the names of the stages",
            "SELECT s.name, count(*) FROM pipedrive.deals d JOIN pipedrive.stages s ON s.id = d.stage_id "
            "WHERE d.status = 'open' AND NOT d.is_archived GROUP BY s.name",
            whole + 5,
        ),
        ("how many deals there are", f"SELECT count(*) {DEALS}", whole),
        ("the products of one deal", f"{PRODUCTS} WHERE deal_id = {one}", CHILD),
        (
            "the products of all deals",
            f"{PRODUCTS} JOIN pipedrive.deals d ON d.id = p.deal_id WHERE NOT d.is_archived",
            whole + len(deals) * CHILD,
        ),
        (
            "the products of the deals of one stage",
            f"{PRODUCTS} JOIN pipedrive.deals d ON d.id = p.deal_id "
            f"WHERE d.stage_id = {stage} AND NOT d.is_archived",
            whole + of_stage * CHILD,
        ),
        (
            "the followers of all deals",
            "SELECT f.user_id FROM pipedrive.deal_followers f JOIN pipedrive.deals d ON d.id = f.deal_id "
            "WHERE NOT d.is_archived",
            whole + len(deals) * CHILD,
        ),
    ]


@pytest.fixture
def company() -> Simulator:
    return Simulator(deals=5_000)


def test_the_page_shows_what_ten_questions_cost(server: Server, company: Simulator) -> None:
    simulator = company.start()
    lines = ["| question | reading lists and filtering afterwards | pipedrive_fdw |", "| --- | --- | --- |"]
    with open_page(server, simulator, "comparison", connected=True) as page:
        for question, sql, afterwards in questions(simulator):
            lines.append(f"| {question} | {afterwards:,} | {price(page, sql)} |")
    simulator.stop()
    text = PAGE.read_text(encoding="utf-8")
    made = PART.sub(lambda m: m[1] + "\n" + "\n".join(lines) + "\n\n" + m[3], text)
    if os.environ.get("REGENERATE"):
        PAGE.write_text(made, encoding="utf-8")
    assert made == text or os.environ.get("REGENERATE")
