"""Tools list the views that ``reporting`` makes and the tables of a copy, with keys where there are keys.

Each is the real tool. Listing asks Pipedrive nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas
import psycopg
import pytest
import sqlalchemy
from sqlalchemy.ext.automap import automap_base

from pipedrive_fdw.catalog import TABLES
from tests.docs.runner import Page, open_page
from tests.e2e.odbc import skip_without_driver
from tests.simulator import Simulator
from tools.engine import Server

HERE = Path(__file__).parent
COPIED = ("deals", "pipelines", "stages", "users")
PASSWORD = "of-a-test"
JAR = Path("/usr/share/java/postgresql.jar")
NODE, NPM = shutil.which("node"), shutil.which("npm")
_MADE = """
    CREATE ROLE lister LOGIN PASSWORD 'of-a-test';
    SELECT pipedrive.reporting('pipedrive', target => 'bi', role => 'lister', max_tokens_per_query => 10000);
    SELECT pipedrive.mirror('pipedrive', target => 'crm', tables => '{deals,pipelines,stages,users}');
    CALL pipedrive.sync();
    GRANT USAGE ON SCHEMA crm TO lister;
    GRANT SELECT ON ALL TABLES IN SCHEMA crm TO lister
"""


@dataclass(frozen=True)
class Listed:
    """A database with both schemas, and where a tool finds it."""

    page: Page
    host: str
    port: str
    database: str

    @property
    def stages(self) -> list[tuple[int, str]]:
        return sorted((stage["id"], stage["name"]) for stage in self.page.simulator.records("stages"))

    @property
    def url(self) -> str:
        return f"postgresql://lister:{PASSWORD}@{self.host}:{self.port}/{self.database}"


@pytest.fixture(scope="module")
def listed(server: Server) -> Iterator[Listed]:
    simulator = Simulator(deals=60).start()
    with open_page(server, simulator, "listing_tools", connected=True) as page:
        for statement in _MADE.split(";"):
            page.psql.query(statement)
        known = psycopg.conninfo.conninfo_to_dict(page.psql.dsn)
        yield Listed(page, str(known["host"]), str(known["port"]), str(known["dbname"]))
    simulator.stop()


@pytest.fixture
def engine(listed: Listed) -> Iterator[sqlalchemy.Engine]:
    made = sqlalchemy.create_engine(
        listed.url.replace("postgresql", "postgresql+psycopg"), poolclass=sqlalchemy.NullPool
    )
    yield made
    made.dispose()


def output(*command: str, **environment: str) -> str:
    """What a program prints. Fails where it fails."""
    done = subprocess.run(  # noqa: S603
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


# -- Python


def test_pandas_reads_a_table_of_the_copy_and_a_view(listed: Listed, engine: sqlalchemy.Engine) -> None:
    for schema in ("bi", "crm"):
        frame = pandas.read_sql_table("stages", engine, schema=schema, columns=["id", "name"])
        assert sorted(frame.itertuples(index=False, name=None)) == listed.stages


def test_sqlalchemy_maps_the_copy_by_its_keys(listed: Listed, engine: sqlalchemy.Engine) -> None:
    listed.page.simulator.reset()
    base = automap_base()
    base.prepare(autoload_with=engine, schema="crm")
    assert sorted(base.classes.keys()) == sorted(COPIED)
    assert [column.name for column in sqlalchemy.inspect(base.classes.deals).primary_key] == ["id"]
    with sqlalchemy.orm.Session(engine) as session:
        stage = session.get(base.classes.stages, listed.stages[0][0])
        assert stage is not None
        assert stage.name == listed.stages[0][1]
    assert listed.page.simulator.requests() == []


DJANGO = """
import sys, django
from django.conf import settings
from django.core.management import call_command
host, port, name, password, schema, *tables = sys.argv[1:]
settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql", "HOST": host, "PORT": port, "NAME": name, "USER": "lister",
    "PASSWORD": password, "OPTIONS": {"options": f"-c search_path={schema}"}}})
django.setup()
call_command("inspectdb", *tables)
"""


@pytest.mark.parametrize(("schema", "tokens"), [("bi", 70), ("crm", 0)])
def test_django_writes_models(listed: Listed, schema: str, tokens: int) -> None:
    """It reads one row of each table. For a view that is a page, and the small lists of its names."""
    pytest.importorskip("django", reason="Django is not installed (pip install Django)")
    listed.page.simulator.reset()
    where = (listed.host, listed.port, listed.database, PASSWORD, schema)
    models = output(sys.executable, "-c", DJANGO, *where, *COPIED)
    assert [name for name in COPIED if f"db_table = '{name}'" not in models] == []
    assert "Unable to inspect" not in models
    deals = models.split("class Deals(")[1].split("class ")[0]
    assert ("primary_key=True" in deals) is (schema == "crm")
    assert sum(int(request["tokens"] or 0) for request in listed.page.simulator.requests()) <= tokens


# -- JavaScript


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Kysely, Drizzle and pg; in PIPEDRIVE_FDW_CACHE it stays for the next run."""
    if NODE is None or NPM is None:
        pytest.skip("node and npm are not installed")
    cache = os.environ.get("PIPEDRIVE_FDW_CACHE")
    folder = Path(cache) / "npm-listing" if cache else tmp_path_factory.mktemp("npm")
    if not (folder / "node_modules" / "kysely" / "package.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
        wanted = ("kysely@0.28", "drizzle-orm@0.45", "drizzle-kit@0.31", "pg@8")
        done = subprocess.run(  # noqa: S603
            [str(NPM), "install", "--no-audit", "--no-fund", *wanted],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=240,
        )
        if done.returncode:
            pytest.skip(f"npm could not install the packages: {done.stderr.strip()[-200:]}")
    return folder


@pytest.mark.npm
def test_kysely_lists_both_and_kysely_and_drizzle_read_them(listed: Listed, packages: Path) -> None:
    out = json.loads(output(str(NODE), str(HERE / "listing.mjs"), listed.url, str(packages)))
    seen = {(table["schema"], table["name"]): table for table in out["listed"]}
    assert set(seen) == {("bi", name) for name in TABLES} | {("crm", name) for name in COPIED}
    assert {table["view"] for table in out["listed"] if table["schema"] == "bi"} == {True}
    assert {"id", "stage_id", "stage"} <= set(seen["bi", "deals"]["columns"])
    assert [tuple(row) for row in out["rows"]] == listed.stages
    assert [tuple(row) for row in out["same"]] == listed.stages


@pytest.mark.npm
def test_drizzle_writes_a_schema(listed: Listed, packages: Path, tmp_path: Path) -> None:
    listed.page.simulator.reset()
    kit = packages / "node_modules" / "drizzle-kit" / "bin.cjs"
    config = tmp_path / "drizzle.config.cjs"
    settings = {"dialect": "postgresql", "out": str(tmp_path), "schemaFilter": ["crm", "bi"]}
    config.write_text(f"module.exports = {json.dumps({**settings, 'dbCredentials': {'url': listed.url}})}")
    output(str(NODE), str(kit), "pull", f"--config={config}", NODE_PATH=str(packages / "node_modules"))
    schema = (tmp_path / "schema.ts").read_text(encoding="utf-8")
    assert [name for name in COPIED if f'crm.table("{name}"' not in schema] == []
    assert [name for name in TABLES if f'bi.view("{name}"' not in schema] == []
    assert listed.page.simulator.requests() == []


# -- Java and ODBC


def test_jdbc_lists_tables_views_and_keys(listed: Listed) -> None:
    pytest.importorskip("jpype", reason="JPype is not installed (pip install JPype1)")
    if not JAR.exists() or shutil.which("java") is None:
        pytest.skip("no JDBC driver (Debian: libpostgresql-jdbc-java, default-jre-headless)")
    address = (
        f"jdbc:postgresql://{listed.host}:{listed.port}/{listed.database}?user=lister&password={PASSWORD}"
    )
    out = json.loads(output(sys.executable, str(HERE / "jdbc_listing.py"), str(JAR), address))
    assert out["bi"]["tables"] == [[name, "VIEW"] for name in sorted(TABLES)]
    assert out["crm"]["tables"] == [[name, "TABLE"] for name in sorted(COPIED)]
    assert (out["bi"]["primary"], out["crm"]["primary"]) == ([], [["id"]])
    assert (out["bi"]["imported"], out["crm"]["imported"]) == ([], [])  # docs/copy.md says why
    for schema in ("bi", "crm"):
        assert ["id", "int8"] in out[schema]["columns"]
        assert [(int(number), name) for number, name in out[schema]["rows"]] == listed.stages


def test_psqlodbc_lists_tables_views_and_keys(listed: Listed) -> None:
    skip_without_driver()
    import pyodbc

    listed.page.simulator.reset()
    connection = pyodbc.connect(
        f"Driver={{PostgreSQL Unicode}};Server={listed.host};Port={listed.port};"
        f"Database={listed.database};Uid=lister;Pwd={PASSWORD}",
        autocommit=True,
    )
    cursor = connection.cursor()
    for schema, kind, names in (("bi", "VIEW", TABLES), ("crm", "TABLE", COPIED)):
        tables = [(row.table_name, row.table_type) for row in cursor.tables(schema=schema)]
        assert sorted(tables) == sorted((name, kind) for name in names)
        columns = [row.column_name for row in cursor.columns(schema=schema, table="deals")]
        assert {"id", "title", "stage_id"} <= set(columns)
    assert [row.column_name for row in cursor.primaryKeys("deals", schema="crm")] == ["id"]
    assert listed.page.simulator.requests() == []
    rows = cursor.execute("SELECT id, name FROM bi.stages ORDER BY id").fetchall()
    assert [tuple(row) for row in rows] == listed.stages
    connection.close()
