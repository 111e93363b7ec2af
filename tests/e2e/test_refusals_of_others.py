"""Refusals that are not Pipedrive's own JSON, as a proxy or Cloudflare gives them: an error in any case.

Of a record or a parent that Pipedrive itself refuses there is no row (docs/decisions/refused-records.md).
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

BODIES = {
    "text": "error code: 1015",
    "white space": " ",
    "a text in JSON": '"Forbidden"',
    "half of it": '{"success": fal',
    "HTML": "<html>Sorry</html>",
    "HTML behind a byte order mark": "\ufeff<html>Sorry</html>",
}


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    tables = ["deals", "deal_followers", "persons", "filters", "subscriptions"]
    with LiveAccount(server, deals=20, tables=tables, options={"read_timeout": 5}) as live:
        yield live


@pytest.mark.parametrize("status", [403, 404, 410])
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    ("sql", "match"),
    [
        ("SELECT * FROM deal_followers WHERE deal_id IN (1, 2, 3, 4)", "/deals/3/followers$"),
        ("SELECT id, name FROM persons WHERE id IN (1, 2, 3)", "/persons/3$"),
        ("SELECT id, conditions FROM filters", "/filters/2$"),
    ],
)
def test_no_row_is_missing_where_somebody_else_refuses(
    account: LiveAccount, status: int, body: str, sql: str, match: str
) -> None:
    account.simulator.reset()
    account.simulator.faults([{"match": match, "action": "status", "status": status, "body": BODIES[body]}])
    with pytest.raises(psycopg.Error) as caught:
        account.rows(sql)
    assert caught.value.sqlstate == "08P01"
    what = "an HTML page instead of JSON" if "HTML" in body else "not JSON"
    assert caught.value.diag.message_primary == f"pipedrive protocol: the answer is {what}"
    assert f"gave status {status} and " in str(caught.value.diag.message_detail)
    assert caught.value.diag.message_hint


@pytest.mark.parametrize("body", [" ", "Gone"])
@pytest.mark.parametrize("status", [404, 410])
def test_a_removed_table_names_what_took_its_place_whoever_refuses(
    account: LiveAccount, status: int, body: str
) -> None:
    account.simulator.faults(
        [{"match": "/subscriptions", "action": "status", "status": status, "body": body}]
    )
    with pytest.raises(psycopg.Error) as caught:
        account.rows("SELECT * FROM subscriptions WHERE id = 1")
    assert "deal_installments" in str(caught.value.diag.message_hint)


def test_an_own_refusal_of_one_parent_is_no_row(account: LiveAccount) -> None:
    sql = "SELECT deal_id, user_id FROM deal_followers WHERE deal_id IN (1, 2, 3, 4) ORDER BY 1, 2"
    account.simulator.faults([])
    rows = account.rows(sql)
    account.simulator.faults([{"match": "/deals/3/followers$", "action": "status", "status": 403}])
    assert account.rows(sql) == [row for row in rows if row[0] != 3]
