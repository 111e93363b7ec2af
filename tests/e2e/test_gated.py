"""What an account or a token lacks: one clear error for that table, and for that table alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.catalog.model import Table
from tests.live import LiveAccount
from tools.engine import Server

STATUSES = (402, 403, 404, 410, 415)
# What a query of a table that cannot be read whole names.
NAMED = {"recents": "WHERE since_timestamp = '2026-01-01'"}
GATED = sorted(n for n, t in TABLES.items() if t.needs and (not t.guarded or n in NAMED))


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9}
    with LiveAccount(server, seed=1, deals=12, burst=100_000, budget=10**9, options=options) as live:
        live.simulator.configure({"subscriptions": True})
        yield live


def pattern(table: Table) -> str:
    """A regular expression for the paths that the table is read by."""
    paths = {re.sub(r"\\{\w+\\}", "[^/]+", re.escape(listing.path)) for listing in table.listings}
    return f"^({'|'.join(sorted(paths))})$"


def error_of(account: LiveAccount, sql: str) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        account.rows(sql)
    return caught.value


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", GATED)
def test_a_missing_feature_is_named(account: LiveAccount, name: str, status: int) -> None:
    account.simulator.configure({"gated": {pattern(TABLES[name]): status}})
    try:
        error = error_of(account, f"SELECT * FROM {name} {NAMED.get(name, '')}")
    finally:
        account.simulator.configure({"gated": {}})
    assert error.diag.message_primary == f"pipedrive access: {name} cannot be read (status {status})"
    assert TABLES[name].needs in (error.diag.message_hint or "")
    assert str(status) in (error.diag.message_detail or "")
    assert account.value("SELECT count(*) FROM users") > 0


@pytest.mark.parametrize("status", STATUSES)
def test_import_does_not_fail_because_of_it(account: LiveAccount, status: int) -> None:
    account.simulator.configure({"gated": {"^/(projects|mailbox|callLogs|projectFields)": status}})
    try:
        account.run("CREATE SCHEMA gated")
        account.run(f"IMPORT FOREIGN SCHEMA pipedrive FROM SERVER {account.name} INTO gated")
        assert account.value("SELECT count(*) FROM gated.users") > 0
    finally:
        account.simulator.configure({"gated": {}})
        account.run("DROP SCHEMA gated CASCADE")


def test_a_parent_that_is_gone_in_the_middle_is_passed_over(server: Server) -> None:
    options = {"max_tokens_per_query": 10**9}
    tables = ["deal_followers", "deals"]
    with LiveAccount(
        server, seed=1, deals=500, tables=tables, burst=100_000, budget=10**9, options=options
    ) as live:
        rows = live.rows("SELECT deal_id, user_id FROM deal_followers")
        gone = sorted({deal for deal, _ in rows})[3]
        live.simulator.configure({"gated": {f"^/deals/{gone}/followers$": 404}})
        assert live.rows("SELECT deal_id, user_id FROM deal_followers") == [r for r in rows if r[0] != gone]
        live.simulator.configure({"gated": {f"^/deals/{gone}/followers$": 403}})
        assert live.rows("SELECT deal_id, user_id FROM deal_followers") == [r for r in rows if r[0] != gone]
        live.simulator.configure({"gated": {"^/deals/[^/]+/followers$": 403}})
        error = error_of(live, "SELECT deal_id FROM deal_followers")
        assert "deal_followers cannot be read (status 403)" in str(error)


def test_a_scope_that_does_not_fit_is_an_error_at_once(account: LiveAccount) -> None:
    gate = {"status": 403, "error": "Scope and URL mismatch"}
    account.simulator.configure({"gated": {"^/deals/[^/]+/discounts$": gate}})
    try:
        account.simulator.reset()
        error = error_of(account, "SELECT * FROM deal_discounts")
    finally:
        account.simulator.configure({"gated": {}})
    assert "Scope and URL mismatch" in (error.diag.message_detail or "")
    assert len([r for r in account.requests() if r["path"].endswith("/discounts")]) <= 2


@pytest.mark.parametrize("table", ["subscriptions", "subscription_payments"])
def test_the_removed_subscriptions_are_an_error_that_names_what_replaced_them(
    account: LiveAccount, table: str
) -> None:
    account.simulator.configure({"subscriptions": False})
    try:
        error = error_of(account, f"SELECT * FROM {table}")
    finally:
        account.simulator.configure({"subscriptions": True})
    hint = error.diag.message_hint or ""
    assert "deal_installments" in hint and "billing_frequency" in hint
