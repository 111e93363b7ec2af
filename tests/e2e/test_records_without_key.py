"""Answers of a look-up that hold no record, or another one: an error, never no row or a list that is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

WITHOUT = [{}, {"success": True, "data": {}}, {"success": True, "data": {"id": None, "name": "x"}}]
ANOTHER = {"success": True, "data": {"id": 2, "name": "x", "emails": []}}


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=20, tables=["persons", "person_emails", "filters"]) as live:
        yield live


def answered(account: LiveAccount, path: str, body: Any, sql: str, skip: int = 0) -> str:
    """The error of *sql* if a look-up at *path*, after *skip* others, is answered *body*."""
    rule = {"match": f"/{path}$", "method": "GET", "action": "status", "status": 200, "body": body}
    account.simulator.reset()
    account.simulator.faults([{**rule, "skip": skip}])
    try:
        with pytest.raises(psycopg.Error) as caught:
            account.rows(f"{sql} RETURNING 1" if sql.startswith(("INSERT", "UPDATE")) else sql)
    finally:
        account.simulator.faults([])
    assert caught.value.sqlstate == "08P01"
    return str(caught.value.diag.message_primary)


@pytest.mark.parametrize("body", WITHOUT, ids=str)
@pytest.mark.parametrize(
    ("path", "sql"),
    [
        ("persons/1", "SELECT id, name FROM persons WHERE id = 1"),
        ("persons/1", "UPDATE persons SET name = 'y' WHERE id = 1"),
        ("filters/1", "SELECT id, conditions FROM filters"),
    ],
)
def test_a_record_without_its_key_is_not_taken_for_none(
    account: LiveAccount, path: str, sql: str, body: Any
) -> None:
    assert "returned a record without its key" in answered(account, path, body, sql)
    assert {r["method"] for r in account.requests()} == {"GET"}


@pytest.mark.parametrize("body", [*WITHOUT, ANOTHER], ids=str)
def test_a_list_is_not_written_from_an_answer_without_it(account: LiveAccount, body: Any) -> None:
    before = account.rows("SELECT value FROM person_emails WHERE person_id = 1 ORDER BY 1")
    assert before
    sql = "INSERT INTO person_emails (person_id, value) VALUES (1, 'new@example.org')"
    what = "another record" if body is ANOTHER else "a record without its key"
    assert f"returned {what}" in answered(account, "persons/1", body, sql)
    assert {r["method"] for r in account.requests()} == {"GET"}
    assert account.rows("SELECT value FROM person_emails WHERE person_id = 1 ORDER BY 1") == before
