"""What BI tools, dbt and drivers ask, in their own words as far as those are known: no error, and cheap.

An account of 600 deals: two pages, and one of archived deals. Looking at the catalogue costs nothing,
looking at some rows a page, a chart one reading of the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types.string import TextLoader

from pipedrive_fdw.catalog import TABLES
from tests.docs.runner import Page, open_page
from tests.simulator import Simulator
from tools.engine import Server

DEALS = 600


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    simulator = Simulator(deals=DEALS).start()
    with open_page(server, simulator, "bi_tools", connected=True) as opened:
        yield opened
    simulator.stop()


@pytest.fixture
def connection(page: Page) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(page.psql.dsn) as opened:
        page.simulator.reset()
        yield opened


def rows(connection: psycopg.Connection[Any], sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql.encode()).fetchall()


def tokens(page: Page) -> int:
    return sum(request["tokens"] or 0 for request in page.simulator.requests())


CATALOGUE = {
    "JDBC getSchemas": "SELECT nspname AS table_schem, current_database() AS table_catalog FROM "
    "pg_namespace "
    "WHERE nspname <> 'pg_toast' AND (nspname !~ '^pg_temp_' OR nspname = (current_schemas(true))[1])",
    "JDBC getTablePrivileges": "SELECT n.nspname, c.relname, r.rolname, c.relacl FROM pg_namespace n, "
    "pg_class c, "
    "pg_roles r WHERE c.relnamespace = n.oid AND c.relowner = r.oid AND c.relkind IN ('r','p','v','m','f') "
    "AND n.nspname = 'pipedrive'",
    "Metabase, tables and their sizes": "SELECT n.nspname, c.relname, c.relkind, d.description, "
    "c.reltuples "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_description d "
    "ON d.objoid = c.oid AND d.objsubid = 0 WHERE c.relkind IN ('r', 'p', 'v', 'f', 'm') "
    "AND n.nspname !~ '^information_schema|catalog_history|pg_' ",
    "Metabase, privileges": "SELECT has_any_column_privilege(c.oid, 'SELECT'), "
    "has_table_privilege(c.oid, 'UPDATE') "
    "FROM pg_class c WHERE c.relnamespace = 'pipedrive'::regnamespace AND c.relkind = 'f'",
    "Power BI, columns": "SELECT column_name, ordinal_position, is_nullable, data_type, "
    "character_maximum_length, "
    "numeric_precision FROM information_schema.columns WHERE table_schema = 'pipedrive' AND table_name "
    "= 'deals'",
    "Tableau, sizes": "SELECT c.relname, pg_total_relation_size(c.oid), pg_stat_get_live_tuples(c.oid) "
    "FROM pg_class c WHERE c.relnamespace = 'pipedrive'::regnamespace AND c.relkind = 'f'",
    "dbt docs": "SELECT sch.nspname, tbl.relname, CASE tbl.relkind WHEN 'v' THEN 'VIEW' ELSE 'BASE "
    "TABLE' END, "
    "tbl_desc.description, pg_get_userbyid(tbl.relowner), col.attname, col.attnum, "
    "pg_catalog.format_type(col.atttypid, col.atttypmod), col_desc.description "
    "FROM pg_catalog.pg_namespace sch JOIN pg_catalog.pg_class tbl ON tbl.relnamespace = sch.oid "
    "JOIN pg_catalog.pg_attribute col ON col.attrelid = tbl.oid "
    "LEFT JOIN pg_catalog.pg_description tbl_desc ON tbl_desc.objoid = tbl.oid AND tbl_desc.objsubid = 0 "
    "LEFT JOIN pg_catalog.pg_description col_desc ON col_desc.objoid = tbl.oid AND col_desc.objsubid = "
    "col.attnum "
    "WHERE sch.nspname = 'pipedrive' AND NOT pg_is_other_temp_schema(sch.oid) AND tbl.relpersistence IN "
    "('p', 'u') "
    "AND tbl.relkind IN ('r', 'v', 'f', 'p') AND col.attnum > 0 AND NOT col.attisdropped",
    "Grafana, tables": "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) "
    "FROM information_schema.tables WHERE table_schema NOT IN ('information_schema', 'pg_catalog')",
}
NO_KEYS = {
    "JDBC getPrimaryKeys": "SELECT a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
    "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) "
    "WHERE i.indisprimary AND c.oid = 'pipedrive.deals'::regclass",
    "JDBC getIndexInfo": "SELECT indexrelid FROM pg_index WHERE indrelid = 'pipedrive.deals'::regclass",
    "Power BI, relations": "SELECT constraint_name FROM information_schema.referential_constraints "
    "WHERE constraint_schema = 'pipedrive'",
}


@pytest.mark.parametrize("asked", CATALOGUE)
def test_looking_at_the_catalogue_costs_nothing(
    page: Page, connection: psycopg.Connection[Any], asked: str
) -> None:
    assert rows(connection, CATALOGUE[asked])
    assert page.simulator.requests() == []


@pytest.mark.parametrize("asked", NO_KEYS)
def test_foreign_tables_have_no_keys(page: Page, connection: psycopg.Connection[Any], asked: str) -> None:
    assert rows(connection, NO_KEYS[asked]) == []
    assert page.simulator.requests() == []


PROBES = (
    "SELECT * FROM pipedrive.deals LIMIT 0",
    "SELECT * FROM pipedrive.deals WHERE 1 <> 1 LIMIT 0",
    'SELECT "T".* FROM (SELECT * FROM pipedrive.deals) "T" WHERE false',
    "EXPLAIN SELECT * FROM pipedrive.deals",
)


@pytest.mark.parametrize("sql", PROBES)
def test_asking_for_columns_alone_costs_nothing(
    page: Page, connection: psycopg.Connection[Any], sql: str
) -> None:
    connection.execute(sql.encode())
    assert page.simulator.requests() == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM pipedrive.deals LIMIT 100",
        'SELECT "source".* FROM (SELECT * FROM pipedrive.deals) "source" LIMIT 200',
        "SELECT substring(title, 1, 1234) AS title, value, add_time FROM pipedrive.deals LIMIT 500",
        'SELECT "$Table"."id" AS "id", "$Table"."title" AS "title" FROM "pipedrive"."deals" "$Table" '
        "LIMIT 50",
    ],
)
def test_a_sample_costs_one_page(page: Page, connection: psycopg.Connection[Any], sql: str) -> None:
    assert rows(connection, sql)
    assert tokens(page) == 10


CHARTS = {
    "values of a column": "SELECT status FROM pipedrive.deals GROUP BY status ORDER BY status ASC LIMIT 1000",
    "distinct values": "SELECT DISTINCT stage_id FROM pipedrive.deals ORDER BY 1 LIMIT 1000",
    "fingerprint": "SELECT count(distinct title), min(value), max(value), avg(value), "
    "avg(CASE WHEN value IS NULL THEN 1.0 ELSE 0 END) FROM (SELECT * FROM pipedrive.deals) s",
    "size": "SELECT count(*) FROM pipedrive.deals",
    "Superset, by month": "SELECT DATE_TRUNC('month', add_time) AS add_time, COUNT(*) AS count FROM "
    "pipedrive.deals "
    "WHERE add_time >= TO_TIMESTAMP('2020-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') "
    "AND add_time < TO_TIMESTAMP('2030-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') "
    "GROUP BY DATE_TRUNC('month', add_time) ORDER BY count DESC LIMIT 10000",
    "Grafana, a series": 'SELECT floor(extract(epoch FROM add_time) / 86400) * 86400 AS "time", '
    'avg(value) AS "value" '
    "FROM pipedrive.deals WHERE add_time BETWEEN '2020-01-01T00:00:00Z' AND '2030-01-01T00:00:00Z' "
    "GROUP BY 1 ORDER BY 1",
    "Metabase, by relative date": "SELECT (add_time AT TIME ZONE 'Europe/Tallinn')::date, sum(value) "
    "FROM pipedrive.deals WHERE add_time >= (now() - INTERVAL '3000 day') GROUP BY 1 ORDER BY 1",
}


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_costs_one_reading(page: Page, connection: psycopg.Connection[Any], chart: str) -> None:
    assert rows(connection, CHARTS[chart])
    # Archived deals are a list of their own, its page at 20. It tells no labels of options, but all sessions
    # know them from the import.
    assert tokens(page) == 10 * 2 + 20


def test_a_cursor_reads_no_further_than_it_is_fetched(
    page: Page, connection: psycopg.Connection[Any]
) -> None:
    with connection.cursor("few") as cursor:
        cursor.execute("SELECT id, title FROM pipedrive.deals")
        assert len(cursor.fetchmany(100)) == 100
    assert tokens(page) == 10


def test_a_cursor_with_hold_has_every_row(connection: psycopg.Connection[Any]) -> None:
    connection.execute('DECLARE "SQL_CUR1" CURSOR WITH HOLD FOR SELECT id FROM pipedrive.deals')
    connection.commit()
    assert len(rows(connection, 'FETCH 10000 IN "SQL_CUR1"')) == DEALS
    connection.execute('CLOSE "SQL_CUR1"')


@pytest.mark.parametrize("form", ["JSON", "XML", "YAML"])
def test_explain_is_to_be_had_in_every_form(connection: psycopg.Connection[Any], form: str) -> None:
    cursor = connection.cursor()
    cursor.adapters.register_loader("json", TextLoader)  # Multicorn's lines have one key: a reader keeps one
    cursor.execute(f"EXPLAIN (FORMAT {form}) SELECT * FROM pipedrive.deals WHERE stage_id = 7")
    ((plan,),) = cursor.fetchall()
    assert "/api/v2/deals?stage_id=7" in plan


def test_dbt_makes_a_table_of_one(page: Page, connection: psycopg.Connection[Any]) -> None:
    connection.execute('CREATE TABLE public."deals__dbt_tmp" AS (SELECT * FROM pipedrive.deals)')
    assert rows(connection, 'SELECT count(*) FROM public."deals__dbt_tmp"') == [(DEALS,)]
    connection.rollback()


def test_maintenance_passes_by(page: Page) -> None:
    """ANALYZE and VACUUM of all tables leave foreign tables out, and say nothing of them."""
    said: list[str] = []
    with psycopg.connect(page.psql.dsn, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: said.append(str(notice.message_primary)))
        page.simulator.reset()
        connection.execute("ANALYZE")
        connection.execute("VACUUM")
    assert said == []
    assert page.simulator.requests() == []


def test_every_table_is_looked_at_without_an_error(page: Page, connection: psycopg.Connection[Any]) -> None:
    """A tool that samples all tables; what cannot be read at all says so, and the rest goes on."""
    refused = {}
    for name in TABLES:
        try:
            rows(connection, f'SELECT * FROM "pipedrive"."{name}" LIMIT 5')
        except psycopg.Error as error:
            connection.rollback()
            refused[name] = str(error.diag.message_primary)
    asking = [name for name, table in TABLES.items() if table.guarded]
    assert sorted(refused) == sorted([*asking, *SUBSCRIPTIONS]), refused


SUBSCRIPTIONS = ("subscription_payments", "subscriptions")
