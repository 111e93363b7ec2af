"""Errors have an SQLSTATE that a program can act on, and neither an empty DETAIL nor an empty HINT.

Those of a request that goes wrong stand in tests/e2e/faults.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

TABLES = ("deals", "persons", "stages", "deal_followers", "deal_changes")


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=10, tables=TABLES) as live:
        yield live


@pytest.fixture(autouse=True)
def _begin(account: LiveAccount) -> Iterator[None]:
    account.connect()
    account.simulator.reset()
    yield
    account.simulator.faults([])


def error_of(account: LiveAccount, sql: str) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        account.rows(sql)
    assert "" not in (caught.value.diag.message_detail, caught.value.diag.message_hint)
    return caught.value


@pytest.mark.parametrize(
    ("sql", "sqlstate", "word"),
    [
        ("SELECT * FROM deal_changes", "HV00L", "query"),
        ("INSERT INTO persons (owner_id) VALUES (1)", "22000", "write"),
        ("INSERT INTO persons (id, name) VALUES (1, 'x')", "22000", "write"),
        ("UPDATE deal_followers SET user_id = 3", "22000", "write"),
        ("INSERT INTO deals (title, update_time) VALUES ('x', now())", "22000", "write"),
        ("INSERT INTO deals (title, stage_id) VALUES ('x', 123456)", "HV000", "api"),
        ("DELETE FROM persons WHERE ctid = '(0,1)'", "0A000", "write"),
        ("COPY persons (name) FROM PROGRAM 'echo Anna'", "0A000", "write"),
    ],
)
def test_of_what_cannot_be(account: LiveAccount, sql: str, sqlstate: str, word: str) -> None:
    error = error_of(account, sql)
    assert error.sqlstate == sqlstate
    assert str(error.diag.message_primary).startswith(f"pipedrive {word}: ")


@pytest.mark.parametrize(
    ("setting", "sqlstate", "word"),
    [
        ("max_tokens_per_query = 3", "53400", "budget"),
        ("reserve_tokens = 1000000", "53400", "budget"),
        ("cache_ttl = 'soon'", "HV00D", "option"),
    ],
)
@pytest.mark.parametrize(
    "sql", ["SELECT * FROM persons", "INSERT INTO persons (name) VALUES ('x')"], ids=["read", "write"]
)
def test_of_what_the_session_has_set(
    account: LiveAccount, setting: str, sqlstate: str, word: str, sql: str
) -> None:
    account.run(f"SET pipedrive.{setting}")
    error = error_of(account, sql)
    assert error.sqlstate == sqlstate
    assert str(error.diag.message_primary).startswith(f"pipedrive {word}: ")
    assert account.requests() == []


@pytest.mark.parametrize(
    ("status", "sqlstate", "word"),
    [
        (400, "HV000", "api"),
        (401, "28000", "auth"),
        (402, "42501", "access"),
        (403, "42501", "access"),
        (410, "42501", "access"),
        (415, "42501", "access"),
        (422, "HV000", "api"),
    ],
)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM persons",
        "INSERT INTO persons (name) VALUES ('x')",
        "SELECT pipedrive.request('GET', '/v2/persons', server => '{server}')",
    ],
    ids=["read", "write", "function"],
)
def test_of_refusals(account: LiveAccount, status: int, sqlstate: str, word: str, sql: str) -> None:
    account.simulator.faults([{"match": "/persons", "action": "status", "status": status}])
    error = error_of(account, sql.format(server=account.name))
    assert error.sqlstate == sqlstate
    assert str(error.diag.message_primary).startswith(f"pipedrive {word}: ")


@pytest.mark.parametrize(
    ("sql", "sqlstate", "words"),
    [
        ("SELECT * FROM persons", "42501", "access: persons cannot be read"),
        ("UPDATE persons SET name = 'x' WHERE id = 1", "HV000", "not found: "),
        ("SELECT pipedrive.request('GET', '/v2/persons', server => '{server}')", "HV000", "not found: "),
    ],
    ids=["read", "write", "function"],
)
def test_of_what_is_not_there(account: LiveAccount, sql: str, sqlstate: str, words: str) -> None:
    """A table that is not there is none that this account may read; a record or a path may be anything."""
    method = "PATCH" if sql.startswith("UPDATE") else "GET"
    account.simulator.faults([{"match": "/persons", "method": method, "action": "status", "status": 404}])
    error = error_of(account, sql.format(server=account.name))
    assert error.sqlstate == sqlstate
    assert str(error.diag.message_primary).startswith(f"pipedrive {words}")


@pytest.mark.parametrize("sql", ["SELECT * FROM persons", "INSERT INTO persons (name) VALUES ('x')"])
def test_of_a_cancelled_wait(account: LiveAccount, sql: str) -> None:
    account.rows("SELECT id FROM persons WHERE id = 1")
    account.simulator.faults([{"match": "/persons", "action": "delay", "ms": 60_000}])
    account.run("SET statement_timeout = '500ms'")
    error = error_of(account, sql)
    assert error.sqlstate == "57014"
    assert error.diag.message_primary == "canceling statement due to statement timeout"


def test_of_a_missing_user_mapping(account: LiveAccount) -> None:
    account.run("DROP ROLE IF EXISTS nobody_here; CREATE ROLE nobody_here")
    account.run(
        f"GRANT USAGE ON SCHEMA {account.name} TO nobody_here; GRANT SELECT ON persons TO nobody_here; "
        "SET ROLE nobody_here"
    )
    error = error_of(account, "SELECT * FROM persons")
    account.run("RESET ROLE; DROP OWNED BY nobody_here; DROP ROLE nobody_here")
    assert error.sqlstate == "28000"
    assert error.diag.message_detail == f"User nobody_here needs one for server {account.name}."
    hint = str(error.diag.message_hint)
    assert hint.startswith(
        "CREATE USER MAPPING FOR … SERVER … OPTIONS (api_token '…'), or ALTER USER MAPPING … if there is one."
    )
