"""IMPORT FOREIGN SCHEMA never leaves a table or the columns of custom fields out without a word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

STATUSES = (402, 403, 404, 410, 415)


@pytest.fixture(scope="module")
def live(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, seed=1, deals=12, tables=["users"], burst=100_000, budget=10**9) as account:
        yield account


@pytest.fixture
def account(live: LiveAccount) -> Iterator[LiveAccount]:
    live.run("CREATE SCHEMA again")
    yield live
    live.simulator.configure({"gated": {}})
    live.run("DROP SCHEMA again CASCADE")


def imports(account: LiveAccount, what: str = "", options: str = "") -> None:
    given = f"OPTIONS ({options})" if options else ""
    account.run(f"IMPORT FOREIGN SCHEMA pipedrive {what} FROM SERVER {account.name} INTO again {given}")


def error_of(account: LiveAccount, what: str = "", options: str = "") -> psycopg.errors.Diagnostic:
    with pytest.raises(psycopg.Error) as caught:
        imports(account, what, options)
    return caught.value.diag


def tables(account: LiveAccount) -> list[str]:
    rows = account.rows("SELECT relname FROM pg_class WHERE relnamespace = 'again'::regnamespace ORDER BY 1")
    return [row[0] for row in rows]


def custom(account: LiveAccount, table: str) -> int:
    found: int = account.value(
        f"SELECT count(*) FROM pg_attribute WHERE attrelid = 'again.{table}'::regclass "
        "AND attfdwoptions::text LIKE '%field=%'"
    )
    return found


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    ("fields", "names"),
    [("dealFields", "deals"), ("personFields", "persons"), ("projectFields", "projects")],
)
def test_custom_fields_that_are_refused_are_an_error_with_the_way_out(
    account: LiveAccount, fields: str, names: str, status: int
) -> None:
    account.simulator.configure({"gated": {f"^/{fields}$": status}})
    error = error_of(account)
    assert f"(status {status})" in (error.message_primary or "")
    assert names in (error.message_primary or "")
    assert f"/api/v2/{fields} gave status {status}" in (error.message_detail or "")
    hint = error.message_hint or ""
    assert "OPTIONS (custom_fields 'false')" in hint
    assert tables(account) == []
    listed = hint.partition("LIMIT TO (")[2].partition(")")[0]
    imports(account, f"LIMIT TO ({listed})", "custom_fields 'false'")
    assert tables(account) == sorted(listed.split(", "))
    imports(account, f"EXCEPT ({listed})")
    assert len(tables(account)) > 70


@pytest.mark.parametrize("status", STATUSES)
def test_an_object_that_the_account_does_not_have_needs_no_columns(account: LiveAccount, status: int) -> None:
    account.simulator.configure({"gated": {"^/(projects|projectFields)": status}})
    imports(account)
    assert (custom(account, "projects"), custom(account, "deals") > 20) == (0, True)


@pytest.mark.parametrize("what", ["", "LIMIT TO (deals)", "LIMIT TO (projects)"])
def test_an_address_that_knows_nothing_is_an_error(account: LiveAccount, what: str) -> None:
    account.simulator.configure({"gated": {"": 404}})
    error = error_of(account, what)
    assert "404" in (error.message_primary or "")
    assert "base_url" in (error.message_hint or "")
    assert tables(account) == []


@pytest.mark.parametrize(
    "sql", ["SELECT count(*) FROM users", "IMPORT FOREIGN SCHEMA pipedrive FROM SERVER {} INTO again"]
)
def test_a_base_url_that_repeats_the_path_of_the_api_is_refused(account: LiveAccount, sql: str) -> None:
    """By the ALTER SERVER itself, where the extension is there."""
    url = account.simulator.url
    with pytest.raises(psycopg.Error) as caught:
        account.run(f"ALTER SERVER {account.name} OPTIONS (SET base_url '{url}/api/v2')")
        account.run(sql.format(account.name))
    account.run(f"ALTER SERVER {account.name} OPTIONS (SET base_url '{url}')")
    assert 'option "base_url" cannot be' in (caught.value.diag.message_primary or "")
    assert f"use '{url}'" in (caught.value.diag.message_hint or "")


@pytest.mark.parametrize("restriction", ["LIMIT TO", "EXCEPT"])
def test_a_table_that_there_is_not_brings_up_the_right_one(account: LiveAccount, restriction: str) -> None:
    error = error_of(account, f"{restriction} (deal, persons)")
    assert error.message_primary == "pipedrive option: Pipedrive has no table deal"
    assert 'Did you mean "deals"?' in (error.message_hint or "")
    assert tables(account) == []


def test_a_refused_insert_says_how_the_column_is_set(account: LiveAccount) -> None:
    imports(account, "LIMIT TO (activities)")
    texts: list[Any] = []
    for sql in (
        "INSERT INTO again.activities (subject, person_id) VALUES ('x', 7)",
        "UPDATE again.activities SET person_id = 7 WHERE id = 1",
    ):
        with pytest.raises(psycopg.Error) as caught:
            account.run(sql)
        texts.append(caught.value.diag.message_detail)
    assert texts == ["person_id: The primary participant; set it through participants."] * 2


def test_what_pipedrive_says_is_one_sentence_after_the_other(account: LiveAccount) -> None:
    body = {
        "success": False,
        "error": "Scope and URL mismatch",
        "error_info": "Please check developers.pipedrive.com for more information about Pipedrive API.",
        "code": "SCOPE_MISMATCH",
    }
    account.simulator.faults([{"match": "/users$", "action": "status", "status": 403, "body": body}])
    with pytest.raises(psycopg.Error) as caught:
        account.rows("SELECT id FROM users")
    account.simulator.faults([])
    assert caught.value.diag.message_detail == (
        "GET /api/v1/users gave status 403: Scope and URL mismatch. Please check developers.pipedrive.com "
        "for more information about Pipedrive API. code SCOPE_MISMATCH."
    )


def test_tables_of_the_session_may_have_the_names_of_types(account: LiveAccount) -> None:
    """A table is also a type, and one that is temporary is found before those of PostgreSQL."""
    kinds = (
        "SELECT relname, attname, atttypid, attnotnull FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
        "WHERE attnum > 0 AND relkind = 'f' AND relnamespace = 'again'::regnamespace ORDER BY 1, attnum"
    )
    imports(account)
    wanted = account.rows(kinds)
    account.run("DROP SCHEMA again CASCADE; CREATE SCHEMA again")
    names = {name for (name,) in account.rows("SELECT DISTINCT type FROM pipedrive_internal.columns")}
    made = sorted({name.removesuffix("[]") for name in names} | {"timestamptz", "time", "int8", "bool"})
    for name in made:
        account.run(f'CREATE TEMP TABLE "{name}" (trap int)')
    try:
        imports(account)
        assert account.rows(kinds) == wanted
    finally:
        for name in made:
            account.run(f'DROP TABLE pg_temp."{name}"')
