"""Names and clients of another encoding than the database, which is always UTF8."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.live import TOKEN, LiveAccount
from tools.engine import Server


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=20, tables=("deals", "person_emails")) as live:
        yield live


@pytest.fixture
def latin(server: Server) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A session in a database of the same server whose encoding is LATIN1."""
    name = "of_latin1"
    template = server.psql("template1")
    template.query(f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    with psycopg.connect(server.dsn_of(name), autocommit=True, client_encoding="latin1") as session:
        yield session
    template.query(f"DROP DATABASE {name}")


def test_a_role_whose_name_another_database_has_given(
    account: LiveAccount, latin: psycopg.Connection[tuple[object, ...]]
) -> None:
    """PostgreSQL keeps the bytes of names that all databases share, in whatever encoding they came."""
    latin.execute('CREATE ROLE "jörg" SUPERUSER')
    named = "FROM pg_roles WHERE rolname::bytea = '\\x6af67267'"
    account.rows(f"SELECT set_config('role', rolname, false) IS NULL {named}")
    account.run(f"CREATE USER MAPPING FOR CURRENT_USER SERVER {account.name} OPTIONS (api_token '{TOKEN}')")
    assert account.value("SELECT count(*) FROM deals") == 20
    request = f"pipedrive.request('GET', '/v2/stages', server => '{account.name}')"
    assert account.value(f"SELECT {request} IS NOT NULL")
    account.run(f"DROP USER MAPPING FOR CURRENT_USER SERVER {account.name}")
    account.run("RESET ROLE")
    latin.execute('DROP ROLE "jörg"')


def test_a_setting_that_another_database_has_given_a_role(
    account: LiveAccount, latin: psycopg.Connection[tuple[object, ...]]
) -> None:
    latin.execute("ALTER ROLE CURRENT_USER SET pipedrive.cache_ttl = 'fünf'")
    account.connect()
    latin.execute("ALTER ROLE CURRENT_USER RESET ALL")
    with pytest.raises(psycopg.errors.FdwInvalidOptionName, match="setting pipedrive.cache_ttl cannot be"):
        account.rows("SELECT count(*) FROM deals")
    account.run("SET pipedrive.cache_ttl = 5")
    assert account.value("SELECT count(*) FROM deals") == 20


@pytest.mark.parametrize("end", ["ROLLBACK", "ROLLBACK TO a_savepoint; COMMIT"])
def test_a_warning_with_a_character_that_the_client_cannot_get(account: LiveAccount, end: str) -> None:
    """An error instead would meet a transaction that is already being aborted."""
    notices: list[str | None] = []
    session = account.connect()
    session.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    account.run("SET client_encoding = 'LATIN1'")
    account.run("BEGIN; SAVEPOINT a_savepoint")
    account.run("INSERT INTO person_emails (person_id, value) VALUES (1, U&'\\0142uk@mail.example')")
    account.run(end)
    assert notices == [
        "pipedrive write: ROLLBACK cannot take back what was sent: 1 row is written in Pipedrive for good: "
        "person_emails INSERT 1:?uk@mail.example."
    ]
    assert account.value("SELECT count(*) FROM person_emails WHERE person_id = 1") > 1


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("LATIN1", "?"), ("LATIN9", "?"), ("WIN1252", "?"), ("EUC_JP", "尺"), ("UTF8", "尺")],
)
def test_an_error_says_what_it_says_to_every_client(account: LiveAccount, encoding: str, shown: str) -> None:
    """If the client cannot get a character of it, PostgreSQL would say only that."""
    account.connect()
    account.run(f"SET client_encoding = '{encoding}'")
    with pytest.raises(psycopg.errors.FdwInvalidOptionName) as unknown:
        account.run(f"CREATE FOREIGN TABLE odd (a int) SERVER {account.name} OPTIONS (\"table\" 'deals')")
    hint = str(unknown.value.diag.message_hint)
    assert "ALTER FOREIGN TABLE ... ALTER COLUMN name" in hint.replace("…", "...")
    with pytest.raises(psycopg.errors.FdwError) as refused:
        account.run("UPDATE deals SET currency = U&'\\5C3A' WHERE id = 1")
    assert f"status 400: currency {shown} does not exist." in str(refused.value.diag.message_detail)
    plan = account.plan("UPDATE deals SET title = 'x'")
    assert any("PATCH /api/v2/deals/" in line for line in plan)
