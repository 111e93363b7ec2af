"""What belongs to an archived deal cannot be changed: an error before anything is written."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

TABLES = (
    "deals",
    "deal_products",
    "deal_installments",
    "deal_discounts",
    "deal_followers",
    "deal_participants",
)
PRODUCT = "INSERT INTO deal_products (deal_id, product_id, item_price, quantity) VALUES ({}, 1, 5, 2)"
INSERTS = {
    "deal_products": PRODUCT,
    "deal_installments": "INSERT INTO deal_installments (deal_id, amount, billing_date, description) "
    "VALUES ({}, 5, '2026-01-01', 'x')",
    "deal_discounts": "INSERT INTO deal_discounts (deal_id, type, amount, description) "
    "VALUES ({}, 'amount', 5, 'x')",
    "deal_followers": "INSERT INTO deal_followers (deal_id, user_id) VALUES ({}, 2)",
    "deal_participants": "INSERT INTO deal_participants (deal_id, person_id) VALUES ({}, 2)",
}


@pytest.fixture
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, seed=1, deals=60, tables=TABLES, burst=10_000, budget=10**9) as live:
        yield live


@pytest.fixture
def archived(account: LiveAccount) -> int:
    """An archived deal that has a product and a follower."""
    account.run(PRODUCT.format(10))
    account.run(
        "INSERT INTO deal_followers (deal_id, user_id) SELECT 10, 3 WHERE NOT EXISTS "
        "(SELECT FROM deal_followers WHERE deal_id = 10 AND user_id = 3)"
    )
    account.run("UPDATE deals SET is_archived = true WHERE id = 10")
    account.simulator.reset()
    return 10


def refused(account: LiveAccount, sql: str) -> tuple[str, str]:
    """(message, hint) of the error of *sql*, after which nothing was written."""
    with pytest.raises(psycopg.Error) as caught:
        account.run(sql)
    assert [r["method"] for r in account.requests() if r["method"] != "GET"] == []
    return str(caught.value.diag.message_primary), str(caught.value.diag.message_hint)


WORDS = (
    "pipedrive write: what belongs to a row of deals with is_archived = true cannot be changed",
    "First UPDATE deals SET is_archived = false WHERE id = 10.",
)


@pytest.mark.parametrize("table", INSERTS)
def test_nothing_is_added(account: LiveAccount, archived: int, table: str) -> None:
    assert refused(account, INSERTS[table].format(archived)) == WORDS
    assert [(r["path"], r["tokens"]) for r in account.requests()] == [(f"/api/v2/deals/{archived}", 1)]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE deal_products SET quantity = 7 WHERE deal_id = {}",
        "DELETE FROM deal_products WHERE deal_id = {}",
        "DELETE FROM deal_followers WHERE deal_id = {}",
    ],
)
def test_nothing_is_changed_or_deleted(account: LiveAccount, archived: int, sql: str) -> None:
    assert refused(account, sql.format(archived)) == WORDS


def test_the_way_out_leads_out(account: LiveAccount, archived: int) -> None:
    account.run(WORDS[1].removeprefix("First ").removesuffix("."))
    account.run(PRODUCT.format(archived))
    account.run(f"UPDATE deal_products SET quantity = 7 WHERE deal_id = {archived}")
    assert {row[0] for row in account.rows("SELECT quantity FROM deal_products WHERE deal_id = 10")} == {7}


def test_a_deal_is_looked_at_once_a_statement(account: LiveAccount) -> None:
    account.run(
        "INSERT INTO deal_products (deal_id, product_id, item_price, quantity) "
        "SELECT 11 + n % 2, 1, n, 1 FROM generate_series(1, 6) n"
    )
    sent = [(r["method"], r["path"]) for r in account.requests()]
    assert sorted(path for method, path in sent if method == "GET") == [
        "/api/v2/deals/11",
        "/api/v2/deals/12",
    ]
    assert len(sent) == 8


def test_what_belongs_to_other_tables_costs_no_look(account: LiveAccount) -> None:
    account.import_tables(("person_followers",))
    account.run("INSERT INTO person_followers (person_id, user_id) VALUES (20, 2)")
    assert [r["method"] for r in account.requests()] == ["POST"]


def test_a_deal_that_is_not_there_is_told_before_anything_is_sent(account: LiveAccount) -> None:
    message, hint = refused(account, PRODUCT.format(999_999))
    assert message == "pipedrive write: there is no row 999999 of deals"
    assert hint == "It was deleted or merged, or the token's user may not see it."


def test_a_deal_that_may_not_be_looked_at_is_left_to_the_write(account: LiveAccount) -> None:
    account.simulator.faults([{"match": "/deals/11$", "method": "GET", "action": "status", "status": 403}])
    account.run(PRODUCT.format(11))
    assert [r["method"] for r in account.requests()] == ["GET", "POST"]


def test_a_deal_that_is_archived_meanwhile_is_explained(account: LiveAccount) -> None:
    rule = {"match": "/deals/11/products", "method": "POST", "action": "status", "status": 403, "times": 1}
    account.simulator.faults([rule])
    with pytest.raises(psycopg.Error, match=r"the API refuses the request \(status 403\)") as caught:
        account.run(PRODUCT.format(11))
    assert "First UPDATE deals SET is_archived = false WHERE id = 11." in str(caught.value.diag.message_hint)


def test_a_deal_that_comes_back_in_the_same_transaction_is_no_obstacle(
    account: LiveAccount, archived: int
) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode 'commit')")
    account.connect()
    account.run("BEGIN")
    account.run(f"UPDATE deals SET is_archived = false WHERE id = {archived}")
    account.run(PRODUCT.format(archived))
    account.simulator.reset()
    account.run("COMMIT")
    assert [(r["method"], r["path"]) for r in account.requests()] == [
        ("PATCH", f"/api/v2/deals/{archived}"),
        ("POST", f"/api/v2/deals/{archived}/products"),
    ]


def test_under_commit_it_is_an_error_of_the_statement(account: LiveAccount, archived: int) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode 'commit')")
    account.connect()
    assert refused(account, PRODUCT.format(archived)) == WORDS


# ---- a record that is gone


def test_a_record_that_is_gone_is_told_as_such(account: LiveAccount) -> None:
    account.simulator.faults(
        [
            {
                "match": "/deals/11$",
                "method": "PATCH",
                "action": "status",
                "status": 404,
                "body": {"success": False, "error": "Deal not found"},
            }
        ]
    )
    with pytest.raises(psycopg.Error, match="not found") as caught:
        account.run("UPDATE deals SET title = 'gone' WHERE id = 11")
    assert caught.value.diag.message_hint == (
        "The record no longer exists: it was deleted or merged, or the token's user may not see it."
    )
