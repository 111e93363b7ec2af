"""Clients that write: DuckDB's postgres extension, psqlODBC and postgres_fdw, Django, psycopg's pipelines.

The first three name rows by ctid, which is the same for all rows of a foreign table: one row is changed, or
none.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.odbc import DELETE, UPDATE, OdbcError, PositionedCursor, skip_without_driver
from tests.e2e.test_listing_tools import output
from tests.e2e.test_writes import sent
from tests.live import LiveAccount, connection_parameters
from tools.engine import Server

TABLES = ("persons", "deals", "stages", "leads")
REFUSED = "pipedrive write: rows of persons cannot be found by ctid"


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=40, tables=TABLES, burst=100_000, budget=10**9) as live:
        yield live


@pytest.fixture
def account(shared: LiveAccount) -> LiveAccount:
    shared.begin_anew()
    return shared


def people(account: LiveAccount) -> dict[int, str]:
    return {p["id"]: p["name"] for p in account.simulator.records("persons")}


# ---- DuckDB


@pytest.fixture
def duck(account: LiveAccount) -> Iterator[Any]:
    """DuckDB with the account's schema attached as "pg"."""
    why = "PyPI has DuckDB's postgres extension for x86_64 alone"
    duckdb = pytest.importorskip("duckdb", reason=why)
    extension = pytest.importorskip("duckdb_extension_postgres_scanner", reason=why)
    file = next(Path(extension.__file__).parent.rglob("*.duckdb_extension"))
    database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    database.execute(f"LOAD '{file}'")
    database.execute(f"ATTACH '{account.server.dsn}' AS pg (TYPE postgres, SCHEMA '{account.name}')")
    yield database
    database.close()


def test_duckdb_reads_what_sql_reads(account: LiveAccount, duck: Any) -> None:
    for sql in (
        "SELECT count(*), sum(id) FROM {}stages",
        "SELECT id, name FROM {}persons WHERE id < 9 ORDER BY id",
        "SELECT id, title, value::float8, label_ids FROM {}deals WHERE add_time > '2024-01-01' ORDER BY "
        "id LIMIT 7",
        "SELECT s.name, count(*) FROM {0}deals d JOIN {0}stages s ON s.id = d.stage_id GROUP BY 1 ORDER BY 1",
        "SELECT d.id, p.name FROM {0}deals d LEFT JOIN {0}persons p ON p.id = d.person_id ORDER BY 1",
        "SELECT id FROM {}leads ORDER BY id",
    ):
        found = duck.execute(sql.format("pg.")).fetchall()
        assert found
        assert found == account.rows(sql.format(""))
    assert sent(account) == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE pg.persons SET name = 'By DuckDB' WHERE id = 3",
        "UPDATE pg.persons SET name = 'By DuckDB'",
        "UPDATE pg.persons SET name = name || '!' WHERE name LIKE 'F%'",
        "DELETE FROM pg.persons WHERE id = 4",
        "DELETE FROM pg.persons",
        "INSERT INTO pg.persons (name) VALUES ('By DuckDB')",
        "INSERT INTO pg.persons (name) SELECT name FROM pg.persons WHERE id = 3",
    ],
)
def test_duckdb_is_refused_what_it_would_do_to_other_rows(account: LiveAccount, duck: Any, sql: str) -> None:
    before = people(account)
    words = "COPY into persons is not possible" if sql.startswith("INSERT") else REFUSED
    with pytest.raises(Exception, match=words):  # noqa: B017 - of a package that may be missing
        duck.execute(sql)
    assert sent(account) == []
    assert people(account) == before
    assert duck.execute("SELECT count(*) FROM pg.persons").fetchall() == [(len(before),)]


def test_duckdb_writes_by_sql_of_postgresql(account: LiveAccount, duck: Any) -> None:
    duck.execute(
        f"CALL postgres_execute('pg', 'UPDATE {account.name}.persons SET name = ''Key'' WHERE id = 3')"
    )
    assert sent(account) == [("PATCH", "/api/v2/persons/3", {"name": "Key"})]


# ---- psqlODBC


@pytest.fixture(params=["", ";UseDeclareFetch=1;Fetch=3", ";UseServerSidePrepare=0"])
def odbc(account: LiveAccount, request: pytest.FixtureRequest) -> str:
    """A connection string for psqlODBC."""
    skip_without_driver()
    found = connection_parameters(account.server)
    return (
        f"Driver={{PostgreSQL Unicode}};Servername={found['host']};Port={found['port']};"
        f"Database={found['dbname']};Username={found['user']};Password={found['password']};"
        "UpdatableCursors=1;"
        f"ConnSettings=SET search_path = {account.name}{request.param}"
    )


def test_odbc_positioned_writes_are_refused(account: LiveAccount, odbc: str) -> None:
    before = people(account)
    with PositionedCursor(odbc, "SELECT id, name FROM persons ORDER BY id") as cursor:
        assert [cursor.fetch(), cursor.fetch()] == sorted(before.items())[:2]
        account.simulator.reset()
        for operation in (UPDATE, DELETE):
            with pytest.raises(OdbcError, match=f"0A000 ERROR: {REFUSED}"):
                cursor.write(operation, "By ODBC")
    assert sent(account) == []
    assert people(account) == before


def test_odbc_parameters(account: LiveAccount, odbc: str) -> None:
    import pyodbc

    connection = pyodbc.connect(odbc, autocommit=True)
    cursor = connection.cursor()
    named = cursor.execute("SELECT id, name FROM persons WHERE id = ?", 3).fetchall()
    assert [tuple(row) for row in named] == [(3, people(account)[3])]
    since = dt.datetime(2024, 6, 1, 7, 30)
    count = (
        "SELECT count(*) FROM deals WHERE add_time > {} AND value > {} AND is_archived = {} AND title <> {}"
    )
    found = cursor.execute(count.format(*"????"), since, 10.5, False, "x").fetchval()
    assert found == account.value(count.format(f"'{since}'", "10.5", "false", "'x'"))
    account.simulator.reset()
    assert cursor.execute("UPDATE persons SET name = ? WHERE id = ?", "Naïve €", 5).rowcount == 1
    assert cursor.execute("DELETE FROM persons WHERE id = ?", 6).rowcount == 1
    cursor.executemany("INSERT INTO persons (name) VALUES (?)", [("One",), ("Two",)])
    assert sent(account) == [
        ("PATCH", "/api/v2/persons/5", {"name": "Naïve €"}),
        ("DELETE", "/api/v2/persons/6", None),
        ("POST", "/api/v2/persons", {"name": "One"}),
        ("POST", "/api/v2/persons", {"name": "Two"}),
    ]
    connection.close()


# ---- postgres_fdw


@pytest.fixture(scope="module")
def other(shared: LiveAccount) -> Iterator[psycopg.Connection[Any]]:
    """Another database, which sees the account's tables through postgres_fdw."""
    server = shared.server
    name = f"{shared.name}_other"
    here = connection_parameters(server)
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    with psycopg.connect(server.dsn_of(name), autocommit=True) as connection:
        try:
            connection.execute("CREATE EXTENSION postgres_fdw")
        except psycopg.Error:
            pytest.skip("the server has no postgres_fdw")
        for sql in (
            f"CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{here['host']}', "
            f"port '{here['port']}', dbname '{here['dbname']}')",
            f"CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user '{here['user']}', "
            f"password '{here['password']}')",
            f"IMPORT FOREIGN SCHEMA {shared.name} FROM SERVER far INTO public",
            "CREATE FUNCTION here(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN $1; "
            "END $$",
            "CREATE TABLE mine AS SELECT 3::bigint AS id, 'joined'::text AS name",
        ):
            connection.execute(sql)  # type: ignore[call-overload]
        yield connection
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name}")  # type: ignore[arg-type]


def test_postgres_fdw_reads(account: LiveAccount, other: psycopg.Connection[Any]) -> None:
    for sql in (
        "SELECT id, name FROM persons WHERE id < 5 ORDER BY id",
        "SELECT s.name, count(*) FROM deals d JOIN stages s ON s.id = d.stage_id GROUP BY 1 ORDER BY 1",
        "SELECT p FROM persons p ORDER BY p LIMIT 3",
    ):
        assert other.execute(sql).fetchall() == account.rows(sql)  # type: ignore[call-overload]
    assert other.execute("SELECT name FROM persons WHERE here(name) = name AND id = 3").fetchall() == [
        (people(account)[3],)
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE persons SET name = 'far' WHERE id = 3",
        "DELETE FROM persons WHERE id = 3",
        "UPDATE persons SET name = 'far' WHERE name = 'nobody'",
        "INSERT INTO persons (name) VALUES ('far')",
    ],
)
def test_postgres_fdw_sends_a_whole_statement(
    account: LiveAccount, other: psycopg.Connection[Any], sql: str
) -> None:
    count = other.execute(sql).rowcount  # type: ignore[call-overload]
    assert [method for method, _, _ in sent(account)] == ([] if "nobody" in sql else [_verb(sql)])
    assert count == len(sent(account))


def _verb(sql: str) -> str:
    return {"UPDATE": "PATCH", "DELETE": "DELETE", "INSERT": "POST"}[sql.split()[0]]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE persons SET name = 'far' WHERE here(name) = name AND id = 3",
        "UPDATE persons SET name = here('far') WHERE id = 3",
        "UPDATE persons SET name = m.name FROM mine m WHERE m.id = persons.id",
        "DELETE FROM persons WHERE here(name) = name AND id = 3",
        "DELETE FROM persons USING mine m WHERE m.id = persons.id",
        "DELETE FROM persons WHERE id IN (SELECT id FROM mine)",
    ],
)
def test_postgres_fdw_is_refused_what_it_would_do_by_ctid(
    account: LiveAccount, other: psycopg.Connection[Any], sql: str
) -> None:
    before = people(account)
    done = 0
    try:
        done = other.execute(sql).rowcount  # type: ignore[call-overload]
    except psycopg.errors.FeatureNotSupported as error:
        assert str(error).startswith(REFUSED)
        assert sent(account) == []
    after = people(account)
    assert done == (sum(after.get(key) != name for key, name in before.items()))
    assert done == 0 or set(before.items()) ^ set(after.items()) <= {(3, before[3]), (3, after.get(3))}


# ---- Django

DJANGO = """
import sys, django
from django.conf import settings
from django.db import DataError, models
host, port, name, password, schema = sys.argv[1:]
settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql", "HOST": host, "PORT": port, "NAME": name, "USER": "postgres",
    "PASSWORD": password, "OPTIONS": {"options": f"-c search_path={schema}"}}}, USE_TZ=True)
django.setup()
class Person(models.Model):
    id = models.BigAutoField(primary_key=True)
    name = models.TextField()
    owner_id = models.BigIntegerField(null=True)
    add_time = models.DateTimeField(null=True)
    class Meta:
        managed, db_table, app_label = False, "persons", "tests"
person = Person.objects.create(name="Created")
person.name = "Saved"
try:
    person.save()
except DataError as error:
    print(error)
person.save(update_fields=["name"])
person.refresh_from_db()
person.name = "Read anew"
person.save()
"""


def test_an_object_of_django_is_saved_when_it_has_what_pipedrive_filled_in(account: LiveAccount) -> None:
    pytest.importorskip("django", reason="Django is not installed (pip install Django)")
    known = connection_parameters(account.server)
    where = (known["host"], known["port"], known["dbname"], known["password"], account.name)
    said = output(sys.executable, "-c", DJANGO, *where)
    assert said.startswith("pipedrive write: column add_time of persons cannot be changed")
    new = max(people(account))
    assert sent(account) == [
        ("POST", "/api/v2/persons", {"name": "Created"}),
        ("PATCH", f"/api/v2/persons/{new}", {"name": "Saved"}),
        ("PATCH", f"/api/v2/persons/{new}", {"name": "Read anew"}),
    ]


# ---- psycopg's pipelines


@pytest.fixture
def deferred(account: LiveAccount) -> Iterator[psycopg.Connection[Any]]:
    """A session under write_mode 'commit', which is not in autocommit."""
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode 'commit')")
    with account.session() as session:
        session.autocommit = False
        yield session
    account.run(f"ALTER SERVER {account.name} OPTIONS (DROP write_mode)")


def test_rows_of_a_pipeline_are_sent_at_its_commit(
    account: LiveAccount, deferred: psycopg.Connection[Any]
) -> None:
    with deferred.pipeline():
        for name, person in (("One", 3), ("Two", 4)):
            deferred.execute("UPDATE persons SET name = %s WHERE id = %s", (name, person))
        deferred.execute("SELECT 1")
        assert sent(account) == []
    deferred.commit()
    assert sent(account) == [
        ("PATCH", "/api/v2/persons/3", {"name": "One"}),
        ("PATCH", "/api/v2/persons/4", {"name": "Two"}),
    ]


def test_a_commit_behind_many_statements_says_what_failed(
    account: LiveAccount, deferred: psycopg.Connection[Any]
) -> None:
    deferred.cursor().executemany(
        "UPDATE persons SET owner_id = %s WHERE id = %s", [(2, 3), (987654, 4), (3, 5)]
    )
    with pytest.raises(psycopg.errors.FdwError, match="the API refuses the request") as caught:
        deferred.commit()
    assert "persons UPDATE 3. 1 more were not sent." in str(caught.value.diag.message_detail)
    assert deferred.execute("SELECT 1").fetchall() == [(1,)]
    assert [path for _, path, _ in sent(account)] == ["/api/v2/persons/3", "/api/v2/persons/4"]
