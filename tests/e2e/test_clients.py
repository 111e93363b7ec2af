"""Real clients look at the imported schema: psql, pg_dump, SQLAlchemy, pandas, and what BI tools ask.

Metadata is PostgreSQL's own matter, so most of this must cost no request; each client must finish without
an error or a warning.
"""

from __future__ import annotations

import os
import subprocess
import warnings
from collections.abc import Iterator
from typing import Any

import pandas
import psycopg
import pytest
import sqlalchemy

from pipedrive_fdw.catalog import TABLES
from tests.docs.runner import Page, open_page
from tests.simulator import Simulator
from tools.engine import Server


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    simulator = Simulator(deals=120).start()
    with open_page(server, simulator, "clients", connected=True) as opened:
        yield opened
    simulator.stop()


@pytest.fixture
def quiet(page: Page) -> Iterator[Page]:
    """The page; the test must send no request."""
    page.simulator.reset()
    yield page
    assert page.simulator.requests() == []


def tool(server: Server, name: str, *arguments: str, given: str = "") -> str:
    """The output of one of PostgreSQL's programs. Fails on an error and on anything it complains about."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    done = subprocess.run(  # noqa: S603
        [str(server.engine.bindir / name), *arguments],
        input=given,
        env={**kept, **server.env},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def rows(page: Page, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(page.psql.dsn) as connection:
        return connection.execute(sql.encode()).fetchall()


# -- PostgreSQL's own


@pytest.mark.parametrize(
    "command", [r"\dE pipedrive.*", r"\det+ pipedrive.*", r"\d pipedrive.*", r"\d+ pipedrive.deals"]
)
def test_psql_describes(server: Server, quiet: Page, command: str) -> None:
    out = tool(server, "psql", "-X", "-P", "pager=off", quiet.psql.dsn, given=command)
    assert "deals" in out
    assert "demo-token" not in out


def test_psql_lists_every_table(server: Server, quiet: Page) -> None:
    out = tool(server, "psql", "-X", "-At", quiet.psql.dsn, given=r"\dE pipedrive.*")
    assert {line.split("|")[1] for line in out.splitlines()} >= set(TABLES)


def test_a_dump_restores_and_queries(server: Server, page: Page) -> None:
    before = page.psql.query("SELECT count(*), sum(value) FROM pipedrive.deals")
    dump = tool(server, "pg_dump", page.psql.dsn)
    server.psql("template1").query("DROP DATABASE IF EXISTS clients_restored")
    server.psql("template1").query("CREATE DATABASE clients_restored TEMPLATE template0")
    restored = server.psql("clients_restored")
    tool(server, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", restored.dsn, given=dump)
    assert restored.query("SELECT count(*), sum(value) FROM pipedrive.deals") == before
    tables = "SELECT count(*) FROM information_schema.foreign_tables"
    assert restored.query(tables) == page.psql.query(tables)
    options = (
        "SELECT attrelid::regclass::text, attname, attfdwoptions FROM pg_attribute "
        "WHERE attfdwoptions IS NOT NULL ORDER BY 1, 2"
    )
    assert restored.query(options) == page.psql.query(options) != ""


# -- Python


@pytest.fixture
def engine(page: Page) -> Iterator[Any]:
    """SQLAlchemy's engine on the page's database."""
    made = sqlalchemy.create_engine(page.psql.dsn.replace("postgresql://", "postgresql+psycopg://"))
    yield made
    made.dispose()


def test_sqlalchemy_reflects_every_table(quiet: Page, engine: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inspector = sqlalchemy.inspect(engine)
        names = set(inspector.get_foreign_table_names(schema="pipedrive"))
        metadata = sqlalchemy.MetaData(schema="pipedrive")
        reflected = {name: sqlalchemy.Table(name, metadata, autoload_with=engine) for name in sorted(names)}
    assert names >= set(TABLES)
    types = {column.name: str(column.type) for column in reflected["deals"].columns}
    kept = {name: types[name] for name in ("id", "title", "value", "custom_fields", "label_ids")}
    assert kept == {
        "id": "BIGINT",
        "title": "TEXT",
        "value": "NUMERIC",
        "custom_fields": "JSONB",
        "label_ids": "ARRAY",
    }


def test_sqlalchemy_reads_rows(page: Page, engine: Any) -> None:
    metadata = sqlalchemy.MetaData(schema="pipedrive")
    stages = sqlalchemy.Table("stages", metadata, autoload_with=engine)
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.select(stages.c.id).order_by(stages.c.id)).scalars().all()
    assert found == sorted(row["id"] for row in page.simulator.records("stages"))


def test_pandas_reads_a_frame(page: Page, engine: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = pandas.read_sql("SELECT id, status, value, add_time FROM pipedrive.deals ORDER BY id", engine)
    assert list(frame["id"]) == sorted(row["id"] for row in page.simulator.records("deals"))
    assert str(frame["add_time"].dtype).startswith("datetime64")


# -- what drivers and BI tools ask


GET_TABLES = """
    SELECT NULL AS table_cat, n.nspname AS table_schem, c.relname AS table_name,
           CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW'
                          WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' END AS table_type,
           d.description AS remarks
    FROM pg_catalog.pg_namespace n
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
    LEFT JOIN pg_catalog.pg_description d
           ON c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
    WHERE n.nspname LIKE 'pipedrive' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    ORDER BY table_type, table_schem, table_name
"""
GET_COLUMNS = """
    SELECT c.relname, a.attname, t.typname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           a.attnum, pg_catalog.pg_get_expr(def.adbin, def.adrelid), dsc.description
    FROM pg_catalog.pg_namespace n
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    JOIN pg_catalog.pg_type t ON a.atttypid = t.oid
    LEFT JOIN pg_catalog.pg_attrdef def ON a.attrelid = def.adrelid AND a.attnum = def.adnum
    LEFT JOIN pg_catalog.pg_description dsc ON c.oid = dsc.objoid AND a.attnum = dsc.objsubid
    WHERE c.relkind = 'f' AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname = 'pipedrive'
    ORDER BY n.nspname, c.relname, a.attnum
"""
GET_IMPORTED_KEYS = """
    SELECT pkn.nspname, pkc.relname, pka.attname, fkn.nspname, fkc.relname, fka.attname, con.conname
    FROM pg_catalog.pg_constraint con
    JOIN pg_catalog.pg_class fkc ON con.conrelid = fkc.oid
    JOIN pg_catalog.pg_namespace fkn ON fkc.relnamespace = fkn.oid
    JOIN pg_catalog.pg_class pkc ON con.confrelid = pkc.oid
    JOIN pg_catalog.pg_namespace pkn ON pkc.relnamespace = pkn.oid
    JOIN LATERAL unnest(con.conkey, con.confkey) AS pos(fk, pk) ON true
    JOIN pg_catalog.pg_attribute fka ON fka.attrelid = fkc.oid AND fka.attnum = pos.fk
    JOIN pg_catalog.pg_attribute pka ON pka.attrelid = pkc.oid AND pka.attnum = pos.pk
    WHERE con.contype = 'f' AND fkn.nspname = 'pipedrive' AND fkc.relname = 'deals'
"""


def test_get_tables_of_a_jdbc_driver(quiet: Page) -> None:
    found = rows(quiet, GET_TABLES)
    assert {name for _, _, name, kind, _ in found if kind == "FOREIGN TABLE"} >= set(TABLES)


def test_get_columns_of_a_jdbc_driver(quiet: Page) -> None:
    found = rows(quiet, GET_COLUMNS)
    for name, table in TABLES.items():
        columns = [row[1] for row in found if row[0] == name]
        assert {column.name for column in table.columns} <= set(columns), name
        assert len(columns) == len(set(columns)), name


def test_imported_keys_are_an_empty_answer(quiet: Page) -> None:
    assert rows(quiet, GET_IMPORTED_KEYS) == []  # foreign tables have none; pipedrive.foreign_keys does


def test_foreign_keys_name_columns_that_are_there(quiet: Page) -> None:
    assert rows(quiet, "SELECT * FROM pipedrive.foreign_keys() LIMIT 1")


def test_information_schema_of_a_bi_tool(quiet: Page) -> None:
    tables = rows(
        quiet,
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = 'pipedrive' AND table_type = 'FOREIGN'",
    )
    assert {row[0] for row in tables} >= set(TABLES)
    untyped = rows(
        quiet,
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'pipedrive' AND data_type = 'USER-DEFINED'",
    )
    assert untyped == []


POSTGREST_TABLES = """
    SELECT n.nspname, c.relname, d.description,
           (pg_relation_is_updatable(c.oid::regclass, true) & 8) = 8 AS insertable,
           (pg_relation_is_updatable(c.oid::regclass, true) & 4) = 4 AS updatable,
           (pg_relation_is_updatable(c.oid::regclass, true) & 16) = 16 AS deletable
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0
    WHERE c.relkind IN ('v', 'r', 'm', 'f', 'p') AND n.nspname = ANY (ARRAY['pipedrive'])
      AND NOT c.relispartition
    ORDER BY n.nspname, c.relname
"""
POSTGREST_FUNCTIONS = """
    SELECT p.proname, pg_get_function_identity_arguments(p.oid), p.provolatile, t.typname, d.description
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_type t ON t.oid = p.prorettype
    LEFT JOIN pg_description d ON d.objoid = p.oid
    WHERE n.nspname = 'pipedrive' AND p.prokind = 'f'
"""


def test_postgrest_introspects_tables(quiet: Page) -> None:
    assert {row[1] for row in rows(quiet, POSTGREST_TABLES)} >= set(TABLES)


def test_postgrest_introspects_functions(quiet: Page) -> None:
    for name, arguments, *_ in rows(quiet, POSTGREST_FUNCTIONS):
        assert name, arguments


def test_a_row_as_json_is_whole(page: Page) -> None:
    ((row,),) = rows(page, "SELECT row_to_json(t) FROM (SELECT * FROM pipedrive.deals WHERE id = 7) t")
    assert {column.name for column in TABLES["deals"].columns} <= set(row)
