"""The option trust_counts: parents that are said to have no children are not asked for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

CHILDREN = ("deal_followers", "deal_participants", "deal_mail_messages", "deal_products")


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9}
    tables = ("deals", *CHILDREN)
    with LiveAccount(server, deals=200, tables=tables, burst=100_000, budget=10**9, options=options) as live:
        for child in CHILDREN:
            live.run(f"CREATE TEMP TABLE copy_of_{child} AS SELECT * FROM {child}")
        live.run(f"ALTER SERVER {live.name} OPTIONS (ADD trust_counts 'true')")
        yield live


@pytest.mark.parametrize("child", CHILDREN)
def test_the_rows_are_the_same(account: LiveAccount, child: str) -> None:
    got = account.rows(f"SELECT c::text FROM {child} c")
    assert Counter(got) == Counter(account.rows(f"SELECT c::text FROM copy_of_{child} c"))
    assert got


@pytest.mark.parametrize("child", CHILDREN[:3])
def test_only_parents_with_children_are_asked(account: LiveAccount, child: str) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (SET trust_counts 'true')")
    parents = account.value(f"SELECT count(DISTINCT deal_id) FROM copy_of_{child}")
    deals = account.value("SELECT count(*) FROM deals")
    log = account.asked(f"SELECT * FROM {child}")
    walked = [r for r in log if re.fullmatch(r"/api/v2/deals(/archived)?", r["path"])]
    assert 0 < parents < deals
    assert (len(walked), len(log)) == (2, 2 + parents)


def test_explain_and_the_guard_say_what_it_would_save(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (SET trust_counts 'false')")
    saying = "The option trust_counts 'true' asks only those whose followers_count is not 0"
    for file in (account.server.data / "pgsql_tmp_pipedrive_fdw").glob("counts-*"):
        file.unlink()
    lines = [line.strip() for line in account.plan("SELECT * FROM deal_followers")]
    assert f"Multicorn: {saying}" in lines
    account.rows("SELECT id, followers_count FROM deals")
    parents = account.value("SELECT count(DISTINCT deal_id) FROM copy_of_deal_followers")
    deals = account.value("SELECT count(*) FROM deals")
    lines = [line.strip() for line in account.plan("SELECT * FROM deal_followers")]
    saving = f"{saying}: {10 * (deals - parents)} tokens less"
    assert f"Multicorn: {saving}" in lines
    account.run("SET pipedrive.max_tokens_per_query = 100")
    with pytest.raises(psycopg.Error) as refused:
        account.rows("SELECT * FROM deal_followers")
    assert f"{saving}. " in (refused.value.diag.message_hint or "")
    account.run("RESET pipedrive.max_tokens_per_query")
    account.run(f"ALTER SERVER {account.name} OPTIONS (SET trust_counts 'true')")
    lines = [line.strip() for line in account.plan("SELECT * FROM deal_followers")]
    assert "Multicorn: Only those whose followers_count is not 0" in lines
    assert (
        f"Multicorn: Tokens: 10 a page, 20 a page archived, 10 a parent, about {30 + 10 * parents}" in lines
    )


def test_counts_come_with_the_parents_that_are_read_too(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (SET trust_counts 'true')")
    log = account.asked(
        "SELECT d.title, f.user_id FROM deals d LEFT JOIN deal_followers f ON f.deal_id = d.id"
    )
    assert len([r for r in log if re.fullmatch(r"/api/v2/deals(/archived)?", r["path"])]) == 2


def test_followers_of_all_deals_cost_a_request_for_each_deal_that_has_any(server: Server) -> None:
    """1,168 deals in four pages."""
    options = {"max_tokens_per_query": 10**9, "trust_counts": "true"}
    tables = ("deal_followers",)
    with LiveAccount(server, deals=1168, tables=tables, burst=100_000, budget=10**9, options=options) as live:
        deals = {deal["id"] for deal in live.simulator.records("deals") if not deal["is_deleted"]}
        records = [r for r in live.simulator.records("deal_followers") if r["deal_id"] in deals]
        got = live.rows("SELECT deal_id, user_id FROM deal_followers")
        assert len(deals) == 1168
        assert sorted(got) == sorted((record["deal_id"], record["user_id"]) for record in records)
        assert len(live.requests()) == 4 + len({record["deal_id"] for record in records}) < 303
