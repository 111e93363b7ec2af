"""Reporting tools: views that they list, with comments and names beside ids, and an import made for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas
import psycopg
import pytest
import sqlalchemy

from pipedrive_fdw.catalog import TABLES
from tests.e2e.extension import TOKEN, Extended
from tests.simulator import Simulator
from tools.engine import Server


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[Extended]:
    simulator = Simulator(deals=60, token=TOKEN).start()
    made = Extended(server, simulator)
    made.run("SELECT pipedrive.reporting('pipedrive', target => 'bi')")
    yield made
    made.close()
    simulator.stop()


@pytest.fixture
def quiet(account: Extended) -> Extended:
    account.simulator.reset()
    return account


@pytest.fixture(scope="module")
def engine(account: Extended) -> Iterator[sqlalchemy.Engine]:
    made = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(account.dsn), poolclass=sqlalchemy.NullPool
    )
    yield made
    made.dispose()


def paths(account: Extended) -> list[str]:
    return [path for _, path, _ in account.sent()]


# ---- the views


def test_every_table_has_a_view_that_tools_list(quiet: Extended, engine: sqlalchemy.Engine) -> None:
    looked = sqlalchemy.inspect(engine)
    assert set(looked.get_view_names(schema="bi")) == set(TABLES)
    assert looked.get_table_names(schema="pipedrive") == []  # tools do not see the foreign tables
    assert quiet.sent() == []


def test_views_have_the_columns_and_comments_of_the_tables(
    quiet: Extended, engine: sqlalchemy.Engine
) -> None:
    columns = {c["name"]: c for c in sqlalchemy.inspect(engine).get_columns("deals", schema="bi")}
    assert not {"attrs", "custom_fields", "filter_id"} & set(columns)
    names = list(columns)
    assert names[names.index("stage_id") + 1] == "stage"
    assert {"owner", "pipeline", "deal_enum", "deal_user_name"} <= set(names)
    assert columns["stage"]["comment"] == "The name of stage_id, from pipedrive.stages."
    table = {c["name"]: c for c in sqlalchemy.inspect(engine).get_columns("deals", schema="pipedrive")}
    assert {n: c["comment"] for n, c in columns.items() if n in table} == {
        n: c["comment"] for n, c in table.items() if n in columns
    }
    assert table["id"]["comment"].startswith("Identifier. Key of the table.")
    assert quiet.sent() == []


def test_a_view_of_files_downloads_none(quiet: Extended) -> None:
    quiet.simulator.reset()
    assert quiet.rows("SELECT * FROM bi.files") != []
    assert [r["path"] for r in quiet.simulator.requests() if r["path"].endswith("/download")] == []


def test_pandas_reads_a_view(quiet: Extended, engine: sqlalchemy.Engine) -> None:
    frame = pandas.read_sql_table("stages", engine, schema="bi", columns=["id", "name", "pipeline"])
    stages = quiet.simulator.records("stages")
    pipelines = {p["id"]: p["name"] for p in quiet.simulator.records("pipelines")}
    assert sorted(frame.itertuples(index=False, name=None)) == sorted(
        (s["id"], s["name"], pipelines[s["pipeline_id"]]) for s in stages
    )


def test_names_stand_beside_ids(quiet: Extended) -> None:
    stages = {s["id"]: s["name"] for s in quiet.simulator.records("stages")}
    users = {u["id"]: u["name"] for u in quiet.simulator.records("users")}
    found = quiet.rows("SELECT stage_id, stage, owner_id, owner FROM bi.deals")
    assert len(found) > 50
    assert {(i, n) for i, n, _, _ in found} == {(i, stages.get(i)) for i, _, _, _ in found}
    assert {(i, n) for _, _, i, n in found} == {(i, users.get(i)) for _, _, i, _ in found}


def test_a_name_costs_one_small_list_and_only_where_it_is_used(quiet: Extended) -> None:
    quiet.rows("SELECT id, title FROM bi.deals WHERE NOT is_archived")
    assert paths(quiet) == ["/api/v2/deals"]
    quiet.simulator.reset()
    quiet.rows("SELECT stage, count(*) FROM bi.deals WHERE NOT is_archived GROUP BY stage ORDER BY stage")
    assert sorted(paths(quiet)) == ["/api/v2/deals", "/api/v2/stages"]


def test_conditions_on_a_view_reach_pipedrive(quiet: Extended) -> None:
    quiet.rows("SELECT title FROM bi.deals WHERE stage_id = 7 AND NOT is_archived")
    (request,) = quiet.simulator.requests()
    assert request["query"]["stage_id"] in ("7", ["7"])


# ---- a role of their own


def test_a_role_reads_the_views_and_nothing_else(quiet: Extended) -> None:
    quiet.run("CREATE ROLE bi_reader LOGIN PASSWORD 'of-a-test'")
    try:
        quiet.run(
            "SELECT pipedrive.reporting(target => 'bi', role => 'bi_reader', max_tokens_per_query => 15, "
            "statement_timeout => '90s')"
        )
        with psycopg.connect(quiet.dsn, user="bi_reader", password="of-a-test", autocommit=True) as reader:
            shown = [
                reader.execute(f"SHOW {name}".encode()).fetchall()[0][0]
                for name in ("pipedrive.cache_ttl", "pipedrive.max_tokens_per_query", "statement_timeout")
            ]
            assert shown == ["300", "15", "90s"] or shown == ["300", "15", "90000ms"]
            assert len(reader.execute("SELECT stage FROM bi.deals WHERE NOT is_archived").fetchall()) > 5
            with pytest.raises(psycopg.Error, match="more than 15 API tokens"):
                reader.execute("SELECT owner FROM bi.deals WHERE is_archived").fetchall()
            for refused in ("SELECT id FROM pipedrive.deals", "DELETE FROM bi.notes"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.execute(refused.encode())
    finally:
        quiet.run("DROP OWNED BY bi_reader; DROP ROLE bi_reader")


def test_calling_again_keeps_grants_where_columns_were_renamed(quiet: Extended) -> None:
    quiet.run("CREATE ROLE keeps_reading; GRANT SELECT ON bi.deals TO keeps_reading")
    try:
        quiet.run("ALTER FOREIGN TABLE pipedrive.deals RENAME COLUMN deal_phone TO hotline")
        quiet.run("SELECT pipedrive.reporting(target => 'bi')")
        found = quiet.rows(
            "SELECT has_table_privilege('keeps_reading', 'bi.deals', 'SELECT'), attname FROM pg_attribute "
            "WHERE attrelid = 'bi.deals'::regclass AND attname IN ('deal_phone', 'hotline')"
        )
        assert found == [(True, "hotline")]
    finally:
        quiet.run("ALTER FOREIGN TABLE pipedrive.deals RENAME COLUMN hotline TO deal_phone")
        quiet.run("DROP OWNED BY keeps_reading; DROP ROLE keeps_reading")


# ---- over a copy


def test_the_same_views_over_a_copy(quiet: Extended) -> None:
    for table in ("deals", "stages", "users"):
        quiet.run(f"CREATE SCHEMA IF NOT EXISTS crm; CREATE TABLE crm.{table} AS TABLE pipedrive.{table}")
    quiet.run("COMMENT ON COLUMN crm.deals.title IS 'What it is called.'")
    assert quiet.value("SELECT pipedrive.reporting('crm', target => 'crm_bi')") == "3 views in schema crm_bi"
    sql = "SELECT id, title, stage, owner FROM {}.deals ORDER BY id"
    assert quiet.rows(sql.format("crm_bi")) == quiet.rows(sql.format("bi"))
    quiet.simulator.reset()
    columns = [d[0] for d in quiet.connection.execute("TABLE crm_bi.deals").description or ()]
    assert quiet.sent() == []
    assert not {"attrs", "custom_fields", "filter_id"} & set(columns)
    assert "pipeline" not in columns  # this copy has no pipelines
    position = columns.index("title") + 1
    assert (
        quiet.value(f"SELECT col_description('crm_bi.deals'::regclass, {position})") == "What it is called."
    )


def test_the_views_over_what_mirror_keeps(quiet: Extended) -> None:
    tables = "'{users,pipelines,stages,deals}'"
    quiet.run(f"SELECT pipedrive.mirror('pipedrive', target => 'kept', tables => {tables})")
    quiet.run("CALL pipedrive.sync()")
    quiet.run("SELECT pipedrive.reporting('kept', target => 'kept_bi')")
    sql = "SELECT id, title, stage, pipeline, owner FROM {}.deals ORDER BY id"
    rows = quiet.rows(sql.format("bi"))
    quiet.simulator.reset()
    assert quiet.rows(sql.format("kept_bi")) == rows
    assert quiet.sent() == []


# ---- errors


@pytest.mark.parametrize(
    ("call", "words", "sqlstate"),
    [
        ("'public'", 'schema "public" has no table of Pipedrive', "42P01"),
        ("'pipedrive', target => 'pipedrive'", "the views need a schema of their own", "22023"),
        ("'pipedrive', role => 'nobody there'", 'there is no role "nobody there"', "42704"),
        ("'pipedrive', target => 'taken'", "taken.notes already exists", "42P07"),
        ("'pipedrive', role => 'nobody', cache_ttl => -1", "cache_ttl cannot be -1", "22023"),
        ("'pipedrive', role => 'nobody', cache_ttl => 604801", "cache_ttl cannot be 604801", "22023"),
        ("'pipedrive', role => 'nobody', max_tokens_per_query => -5", "max_tokens_per_query cannot", "22023"),
    ],
)
def test_what_cannot_be_made_says_why(quiet: Extended, call: str, words: str, sqlstate: str) -> None:
    quiet.run("CREATE SCHEMA IF NOT EXISTS taken; CREATE OR REPLACE VIEW taken.notes AS SELECT 1 AS id")
    with pytest.raises(psycopg.Error, match=words) as caught:
        quiet.run(f"SELECT pipedrive.reporting({call})")
    assert caught.value.sqlstate == sqlstate
    assert caught.value.diag.message_hint
    assert quiet.rows("TABLE taken.notes") == [(1,)]


def test_who_may_not_set_the_limits_of_a_role_is_told_so(quiet: Extended) -> None:
    quiet.run(
        "CREATE ROLE makes_views; CREATE ROLE bi_reader; GRANT USAGE ON SCHEMA pipedrive TO makes_views; "
        "GRANT EXECUTE ON FUNCTION pipedrive.reporting TO makes_views; "
        f"GRANT CREATE ON DATABASE {quiet.database} TO makes_views; SET SESSION AUTHORIZATION makes_views"
    )
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            quiet.run("SELECT pipedrive.reporting(target => 'bi_of_others', role => 'bi_reader')")
        quiet.run("SELECT pipedrive.reporting(target => 'bi_of_others')")
    finally:
        quiet.run(
            "RESET SESSION AUTHORIZATION; DROP OWNED BY makes_views, bi_reader; "
            "DROP ROLE makes_views, bi_reader"
        )
    diag = caught.value.diag
    assert diag.message_primary == 'pipedrive option: the limits of role "bi_reader" cannot be set'
    assert "CREATEROLE" in (diag.message_hint or "")


# ---- the import


def test_ids_are_not_null_and_everything_has_a_comment(quiet: Extended) -> None:
    marked = quiet.rows(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'pipedrive.deal_products'::regclass "
        "AND attnotnull AND attnum > 0 ORDER BY attnum"
    )
    assert marked == [("id",), ("deal_id",), ("row_id",)]
    silent = quiet.rows(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relnamespace = 'pipedrive'::regnamespace AND c.relkind = 'f' AND a.attnum > 0 "
        "AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)"
    )
    assert silent == []


def imported(account: Extended, words: str) -> str:
    account.run("DROP SCHEMA IF EXISTS again CASCADE; CREATE SCHEMA again")
    account.run(
        f"IMPORT FOREIGN SCHEMA pipedrive {words.replace('FROM', 'FROM SERVER pipedrive INTO again')}"
    )
    return "again"


def test_an_import_can_leave_out_attrs_and_comments(quiet: Extended) -> None:
    schema = imported(quiet, "LIMIT TO (stages, deals) FROM OPTIONS (attrs 'false', comments 'false')")
    found: list[tuple[Any, ...]] = quiet.rows(
        "SELECT c.relname, count(*) FILTER (WHERE a.attname = 'attrs'), "
        "count(col_description(c.oid, a.attnum)), count(obj_description(c.oid, 'pg_class')) "
        "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
        f"WHERE c.relnamespace = '{schema}'::regnamespace GROUP BY 1 ORDER BY 1"
    )
    assert found == [("deals", 0, 0, 0), ("stages", 0, 0, 0)]
    assert quiet.value("SELECT count(*) FROM again.stages") == len(quiet.simulator.records("stages"))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("EXCEPT (dealz) FROM", 'Did you mean "deals"?'),
        ("LIMIT TO (stage) FROM", 'Did you mean "stages"?'),
        ("FROM OPTIONS (attr 'false')", 'Did you mean "attrs"?'),
        ("FROM OPTIONS (comment 'false')", 'Did you mean "comments"?'),
    ],
)
def test_what_is_misspelt_is_an_error_with_a_guess(quiet: Extended, words: str, hint: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        imported(quiet, words)
    assert str(caught.value.diag.message_hint).startswith(hint)


def test_the_extension_has_three_views_among_the_tables(quiet: Extended) -> None:
    found = quiet.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = 'pipedrive'::regnamespace "
        "AND relkind IN ('v', 'r', 'm', 'f')"
    )
    assert {name for (name,) in found} - set(TABLES) == {"progress", "sync_status", "usage_log"}
