"""Copies that the user has altered, and sessions with settings of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from tests.e2e.extension import TOKEN
from tests.sync.copied import Copied
from tools.engine import Server


@pytest.fixture
def copied(server: Server) -> Iterator[Copied]:
    with Copied(server, deals=12) as made:
        yield made


def change(copied: Copied, deal: int, title: str, time: str = "2026-09-01T12:00:00Z") -> None:
    body = {"title": title, "update_time": time}
    copied.simulator.change([{"method": "PATCH", "path": f"deals/{deal}", "body": body}])


def test_a_constraint_that_is_checked_at_the_end_fails_its_table_alone(copied: Copied) -> None:
    copied.mirror(["stages", "deals", "deal_products"])
    copied.run("ALTER TABLE crm.stages ADD UNIQUE (pipeline_id) DEFERRABLE INITIALLY DEFERRED")
    with pytest.raises(psycopg.Error, match="1 of the tables could not be updated") as caught:
        copied.sync()
    assert "stages_pipeline_id_key" in str(caught.value.diag.message_detail)
    failed = "SELECT \"table\"::text FROM pipedrive.sync_status WHERE error ~ 'stages_pipeline_id_key'"
    assert copied.rows(failed) == [("crm.stages",)]
    copied.run("ALTER TABLE crm.stages DROP CONSTRAINT stages_pipeline_id_key")
    copied.sync()
    assert copied.different() == {}


def test_a_value_may_go_from_a_deleted_record_to_another(copied: Copied) -> None:
    """Where the user keeps it unique."""
    copied.mirror(["stages"])
    copied.run("ALTER TABLE crm.stages ADD UNIQUE (name, pipeline_id)")
    copied.sync()
    first, second = copied.rows("SELECT id, name, pipeline_id FROM crm.stages ORDER BY id LIMIT 2")
    copied.simulator.change(
        [
            {"method": "DELETE", "path": f"stages/{second[0]}"},
            {"method": "PATCH", "path": f"stages/{first[0]}", "body": {"name": second[1]}},
        ]
    )
    copied.sync()
    assert copied.different() == {}


@pytest.mark.parametrize(
    ("style", "zone"),
    [
        ("SQL, DMY", "Asia/Kolkata"),  # IST is also a zone of Israel, three and a half hours away
        ("German", "Asia/Kolkata"),
        ("Postgres, MDY", "Asia/Kolkata"),
        ("ISO", "<+99>-99"),  # PostgreSQL cannot read what it writes
    ],
)
def test_the_style_of_dates_of_a_session_changes_nothing(copied: Copied, style: str, zone: str) -> None:
    copied.mirror(["deals", "notes"])
    copied.sync()
    copied.run(f"SET datestyle = '{style}'; SET timezone = '{zone}'; SET intervalstyle = 'sql_standard'")
    newest = copied.value(
        "SELECT watermark::timestamptz(0) AT TIME ZONE 'UTC' + interval '1 minute' "
        "FROM pipedrive.sync_status WHERE \"table\" = 'crm.deals'::regclass"
    )
    change(copied, 5, "changed", f"{newest:%Y-%m-%dT%H:%M:%SZ}")
    copied.sync()
    assert copied.value("SELECT title FROM crm.deals WHERE id = 5") == "changed"


def test_a_run_keeps_versions_while_replication_is_played(copied: Copied) -> None:
    copied.mirror(["deals"], ", history => true")
    copied.run("SET session_replication_role = replica")
    copied.sync()
    copied.run("UPDATE pipedrive.deals SET title = 'changed' WHERE id = 5")
    copied.sync(more=", reconcile => true")
    versions = "SELECT count(*) FROM crm_history.deals WHERE id = 5"
    assert copied.value(versions) == 2
    present = "SELECT count(*) FROM pipedrive.as_of('crm.deals', clock_timestamp())"
    assert copied.value(present) == copied.value("SELECT count(*) FROM crm.deals")


def test_a_column_may_have_the_name_of_one_of_the_history(copied: Copied) -> None:
    copied.run(
        "SELECT pipedrive.request('POST', '/v2/dealFields', "
        'body => \'{"field_name": "Valid to", "field_type": "date"}\')'
    )
    copied.run("SELECT pipedrive.refresh_columns('pipedrive.deals', true)")
    copied.run("COMMENT ON COLUMN pipedrive.deals.valid_to IS 'Described.'")
    copied.mirror(["deals"], ", history => true")
    copied.run("UPDATE pipedrive.deals SET valid_to = '2027-01-02' WHERE id = 5")
    copied.sync()
    copied.sync(more=", reconcile => true")
    assert copied.value("SELECT valid_to_2::text FROM crm.deals WHERE id = 5") == "2027-01-02"
    shown = "SELECT o ->> 'valid_to_2' FROM pipedrive.as_of('crm.deals', now()) o WHERE o ->> 'id' = '5'"
    assert copied.rows(shown) == [("2027-01-02",)]
    described = "SELECT col_description('crm.deals'::regclass, attnum) FROM pg_attribute "
    described += "WHERE attrelid = 'crm.deals'::regclass AND attname = 'valid_to_2'"
    assert copied.value(described) == "Described."


def test_the_owner_may_give_columns_another_type(copied: Copied) -> None:
    copied.mirror(["deals", "deal_products", "persons", "person_emails"])
    copied.sync()
    copied.run(
        "CREATE TYPE crm.status AS ENUM ('open', 'won', 'lost', 'deleted');"
        "ALTER TABLE crm.deals ALTER id TYPE numeric, ALTER value TYPE double precision,"
        "    ALTER status TYPE crm.status USING status::crm.status, ALTER update_time TYPE timestamp;"
        "ALTER TABLE crm.persons ALTER id TYPE text;"
        'ALTER TABLE crm.person_emails ALTER "primary" TYPE text, ALTER value TYPE varchar(8)'
        "    USING left(value, 8), ALTER person_id TYPE text"
    )
    change(copied, 5, "changed")
    with pytest.raises(psycopg.Error, match="1 of the tables could not be updated") as caught:
        copied.sync(more=", reconcile => true")
    # As any value that does not fit into a column
    assert "crm.person_emails: value too long for type character varying(8)" in str(
        caught.value.diag.message_detail
    )
    copied.run("ALTER TABLE crm.person_emails ALTER value TYPE varchar(2000)")
    copied.sync(more=", reconcile => true")
    for table, columns in {
        "deals": "id::text, title, value::text, status::text",
        "persons": "id::text, name",
        "person_emails": 'person_id::text, value, "primary"::text, label',
    }.items():
        foreign, copy = (
            copied.rows(f"SELECT {columns} FROM {schema}.{table} ORDER BY 1, 2")
            for schema in ("pipedrive", "crm")
        )
        assert copy == foreign
    before = copied.value("SELECT max(xmin::text::bigint) FROM crm.person_emails")
    copied.sync(more=", reconcile => true")
    assert copied.value("SELECT max(xmin::text::bigint) FROM crm.person_emails") == before


def test_a_copy_that_the_owner_renamed_is_not_made_once_more(copied: Copied) -> None:
    """Rows of deals had two parents then."""
    copied.mirror(["deals", "deal_products"])
    copied.sync()
    copied.run('ALTER TABLE crm.deals RENAME TO "Geschäfte"; ALTER SCHEMA crm RENAME TO crm2')
    again = "SELECT pipedrive.mirror('pipedrive', 'crm2', '{deals,deal_products,stages}', history => true)"
    assert copied.value(again) == "1 new table in schema crm2"
    copied.sync()
    assert copied.rows("SELECT copy::text, history::text FROM pipedrive_internal.copies ORDER BY 1") == [
        ('crm2."Geschäfte"', 'crm2_history."Geschäfte"'),
        ("crm2.deal_products", "crm2_history.deal_products"),
        ("crm2.stages", "crm2_history.stages"),
    ]
    change(copied, 5, "changed")
    copied.sync(more=", reconcile => true")
    assert copied.value('SELECT title FROM crm2."Geschäfte" WHERE id = 5') == "changed"


def test_no_table_to_leave_out_is_all_tables(copied: Copied) -> None:
    copied.run(
        "SELECT pipedrive.mirror('pipedrive', 'crm', tables => '{deals}', "
        "except_tables => NULL, more_columns => NULL)"
    )
    assert copied.tables() == ["deals"]
    assert (
        copied.rows("SELECT FROM pg_attribute WHERE attrelid = 'crm.deals'::regclass AND attname = 'attrs'")
        == []
    )


def test_a_table_that_costs_more_than_a_run_may_spend_does_not_stop_the_others(copied: Copied) -> None:
    copied.mirror(["stages", "deals", "persons"])
    copied.sync()
    began = copied.value("SELECT clock_timestamp()")
    told: list[str] = []
    copied.database.connection.add_notice_handler(lambda d: told.append(d.message_primary or ""))
    copied.run("SET client_min_messages = notice")
    copied.sync(more=", reconcile => true, max_tokens_per_run => 39")
    compared = (
        f"SELECT \"table\"::text FROM pipedrive.sync_status WHERE last_reconciled > '{began}' ORDER BY 1"
    )
    assert copied.rows(compared) == [("crm.persons",), ("crm.stages",)]
    failed = 'SELECT "table"::text, error FROM pipedrive.sync_status WHERE error IS NOT NULL'
    assert copied.rows(failed) == [
        ("crm.deals", "Its next step costs 40 tokens, and max_tokens_per_run is 39.")
    ]
    copied.sync(more=", reconcile => true, max_tokens_per_run => 42")
    assert [words for words in told if words.startswith("pipedrive copy")] == [
        "pipedrive copy: crm.deals is skipped, because its next step costs 40 tokens, "
        "and max_tokens_per_run is 39",
        "pipedrive copy: the run ends before crm.deals, because its next step costs 40 tokens "
        "and 37 are left",
    ]
    copied.sync(more=", reconcile => true")
    assert copied.rows(failed) == []


@pytest.mark.parametrize("role", ["origin", "replica"])
def test_a_copy_that_has_lost_its_rows_is_loaded_again(copied: Copied, role: str) -> None:
    """As after a crash where it is UNLOGGED, or in a database that was restored without its data."""
    tables = ["activity_types", "deals", "deal_followers", "person_emails", "persons", "stages"]
    copied.mirror(tables, ", history => true")
    copied.sync()
    copied.run(f"SET session_replication_role = {role}")  # for replica, triggers are told nothing
    for name in tables:
        copied.run(f"DELETE FROM crm.{name}")
    copied.run("RESET session_replication_role")
    plan = copied.rows('SELECT "table"::text, step FROM pipedrive.sync_plan()')
    assert {name for name, _ in plan} == {f"crm.{name}" for name in tables}
    assert ("crm.deals", "whole") in plan
    assert ("crm.deals", "changes") not in plan
    copied.sync()
    assert copied.different() == {}
    assert copied.value("SELECT count(*) FROM crm.deals") > 0
    assert copied.value("SELECT count(*) FROM crm.deal_followers") > 0
    for name in tables:
        versions = copied.value(f"SELECT count(*) FROM crm_history.{name} WHERE valid_to IS NULL")
        assert versions == copied.value(f"SELECT count(*) FROM crm.{name}")


def test_a_table_without_rows_is_not_loaded_again_and_again(copied: Copied) -> None:
    with copied.simulator.account.lock:
        for note in list(copied.simulator.account["notes"]):
            copied.simulator.account["notes"].remove(note)
    copied.mirror(["notes"])
    copied.sync()
    assert copied.sync() == copied.sync() > 0
    assert copied.rows("SELECT step FROM pipedrive.sync_plan() WHERE \"table\" = 'crm.notes'::regclass") == [
        ("changes",)
    ]


# ---- history


def test_a_copy_that_was_emptied_has_no_row_twice_in_its_history(copied: Copied) -> None:
    copied.mirror(["stages"], ", history => true")
    copied.sync()
    copied.run("TRUNCATE crm.stages")
    empty = copied.value("SELECT clock_timestamp()")
    copied.sync()
    assert copied.value(f"SELECT count(*) FROM pipedrive.as_of('crm.stages', '{empty}') o") == 0
    assert copied.different() == {}
    stages = copied.value("SELECT count(*) FROM crm.stages")
    assert copied.value("SELECT count(*) FROM pipedrive.as_of('crm.stages', now()) o") == stages > 0


@pytest.mark.parametrize("table", ["deals", "person_emails"])
def test_a_row_that_two_transactions_change_has_one_version_at_a_time(copied: Copied, table: str) -> None:
    copied.mirror(["deals", "persons", "person_emails"], ", history => true")
    copied.sync()
    key = {"deals": "id = 5", "person_emails": "person_id = 3"}[table]
    number = copied.value(f"SELECT count(*) FROM crm.{table}")
    with psycopg.connect(copied.database.dsn) as longer:
        longer.execute("SELECT now()")
        between = copied.value("SELECT clock_timestamp()")
        column = {"deals": "title", "person_emails": "label"}[table]
        copied.run(f"UPDATE crm.{table} SET {column} = 'first' WHERE {key}")
        longer.execute(f"UPDATE crm.{table} SET {column} = 'second' WHERE {key}")
        longer.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM crm.{table} WHERE {key}")
        longer.execute(f"DELETE FROM crm.{table} WHERE {key}")
        longer.execute(f"INSERT INTO crm.{table} SELECT * FROM kept")
    moments = [
        m
        for (m,) in copied.rows(
            f"SELECT valid_from FROM crm_history.{table} UNION SELECT valid_to FROM crm_history.{table} "
            "WHERE valid_to IS NOT NULL"
        )
    ]
    for moment in (between, *moments):
        assert copied.value(f"SELECT count(*) FROM pipedrive.as_of('crm.{table}', '{moment}') o") == number


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_owners_columns_are_no_trouble_to_the_history(copied: Copied, when: str) -> None:
    """Those that have the names of its own, and those that are NOT NULL and are dropped later."""
    columns = "ADD valid_from date, ADD seen_by text, ADD region text NOT NULL DEFAULT 'north'"
    if when == "before":
        copied.mirror(["stages"])
        copied.run(f"ALTER TABLE crm.stages {columns}")
    copied.mirror(["stages"], ", history => true")
    if when == "after":
        copied.run(f"ALTER TABLE crm.stages {columns}")
    copied.sync()
    for name, alteration in (
        ("first", "DROP region"),
        ("second", "DROP seen_by"),
        ("third", "DROP valid_from"),
    ):
        copied.simulator.change([{"method": "PATCH", "path": "stages/1", "body": {"name": name}}])
        copied.sync()
        copied.run(f"ALTER TABLE crm.stages {alteration}")
    assert copied.rows(
        "SELECT name, valid_to IS NULL, seen_by FROM crm_history.stages WHERE id = 1 "
        "ORDER BY valid_from OFFSET 1"
    ) == [("first", False, "sync"), ("second", False, "sync"), ("third", True, "sync")]
    shown = copied.rows(
        "SELECT o ->> 'id', o ->> 'name' FROM pipedrive.as_of('crm.stages', clock_timestamp()) o"
    )
    assert dict(shown)["1"] == "third"


@pytest.mark.parametrize("kind", ["TABLE crm_history.stages ()", "VIEW crm_history.stages AS SELECT 1 AS id"])
def test_what_is_in_the_way_of_a_history_is_named(copied: Copied, kind: str) -> None:
    copied.run(f"CREATE SCHEMA crm_history; CREATE {kind}")
    with pytest.raises(psycopg.errors.DuplicateTable) as caught:
        copied.mirror(["stages"], ", history => true")
    assert caught.value.diag.message_primary == (
        "pipedrive copy: crm_history.stages exists already and is not the history of crm.stages"
    )
    assert caught.value.diag.message_detail == "Nothing was created."
    assert caught.value.diag.message_hint
    assert copied.value("SELECT to_regclass('crm.stages')") is None


def test_a_column_that_no_table_leaves_out_is_named(copied: Copied) -> None:
    with pytest.raises(psycopg.errors.UndefinedColumn, match='more_columns names "atrs"'):
        copied.mirror(["stages", "deals"], ", more_columns => '{attrs,atrs}'")
    copied.mirror(["stages", "deals"], ", more_columns => '{attrs,filter_id}'")
    copied.mirror(["stages", "deals"], ", more_columns => '{attrs}'")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("CREATE VIEW crm.other AS SELECT * FROM crm.stages", "crm.other is no ordinary table"),
        ("CREATE MATERIALIZED VIEW crm.other AS SELECT * FROM crm.stages", "crm.other is no ordinary table"),
        ("CREATE TEMP TABLE other (LIKE crm.stages, PRIMARY KEY (id))", "other is no ordinary table"),
        ("CREATE TABLE crm.other (LIKE crm.stages)", "crm.other does not have the key of crm.stages"),
        ("CREATE TABLE crm.other (LIKE crm.stages, UNIQUE (id, name))", "crm.other does not have the key of"),
        (
            "CREATE TABLE crm.other (LIKE crm.stages, UNIQUE (id) DEFERRABLE)",
            "crm.other does not have the key of",
        ),
        ("CREATE INDEX ON crm.stages (name)", "crm.pipelines is a copy already"),
    ],
)
def test_what_cannot_take_the_place_of_a_copy_is_refused(copied: Copied, made: str, words: str) -> None:
    copied.mirror(["stages", "pipelines"])
    copied.run(made)
    new = "pipelines" if "pipelines" in words else "other"
    copied.run("SET search_path = crm, pg_temp, public")
    with pytest.raises(psycopg.Error, match=f"pipedrive copy: {words}"):
        copied.run(f"SELECT pipedrive.replace_copy('stages', '{new}')")
    copied.run("RESET search_path")
    copied.sync()
    assert copied.different() == {}


def test_tables_of_an_extension_that_was_dropped_become_copies_again(copied: Copied) -> None:
    copied.mirror(["stages", "deals"], ", history => true")
    copied.sync()
    copied.run("DROP EXTENSION pipedrive_fdw CASCADE; CREATE EXTENSION pipedrive_fdw")
    copied.run(
        f"SELECT pipedrive.connect(base_url => '{copied.simulator.url}', api_token => $${TOKEN}$$);"
        "SELECT pipedrive.mirror('pipedrive', target => 'again', tables => '{stages,deals}');"
        "SELECT pipedrive.replace_copy('again.stages', 'crm.stages');"
        "SELECT pipedrive.replace_copy('again.deals', 'crm.deals');"
        "DROP SCHEMA again CASCADE; ALTER SCHEMA crm_history RENAME TO former_history"
    )
    copied.mirror(["stages", "deals"], ", history => true")
    change(copied, 5, "changed")
    copied.sync()
    assert copied.tables() == ["deals", "stages"]
    assert copied.different() == {}
    assert [count for (count,) in copied.rows("SELECT count(*) FROM crm_history.deals WHERE id = 5")] == [2]
    assert copied.value("SELECT count(*) FROM former_history.deals WHERE id = 5") == 1


@pytest.mark.parametrize("kind", ["text COLLATE public.caseless", "public.citext"])
def test_what_the_owner_calls_equal_is_copied_when_it_changes(copied: Copied, kind: str) -> None:
    """As a and A under some collations and types."""
    copied.mirror(["stages", "deals", "persons", "person_emails"])
    copied.run(
        "CREATE COLLATION public.caseless (provider = icu, locale = 'und-u-ks-level2', "
        "deterministic = false);"
        "CREATE EXTENSION citext SCHEMA public;"
        f"ALTER TABLE crm.stages ALTER name TYPE {kind}; ALTER TABLE crm.deals ALTER title TYPE {kind};"
        f"ALTER TABLE crm.person_emails ALTER label TYPE {kind}"
    )
    for word in ("word", "WORD"):
        change(copied, 5, word)
        emails = [{"value": "ada@x.example", "primary": True, "label": word}]
        body = {"emails": emails, "update_time": "2026-09-01T12:00:00Z"}
        copied.simulator.change(
            [
                {"method": "PATCH", "path": "stages/1", "body": {"name": word}},
                {"method": "PATCH", "path": "persons/2", "body": body},
            ]
        )
        copied.sync()
        shown = "SELECT s.name, d.title, e.label FROM crm.stages s, crm.deals d, crm.person_emails e "
        assert copied.rows(f"{shown} WHERE s.id = 1 AND d.id = 5 AND e.person_id = 2") == [(word, word, word)]
    copied.sync(more=", reconcile => true")
    assert copied.value("SELECT sum(written) + sum(deleted) FROM pipedrive.sync_status") == 0


def test_what_a_copy_missed_elsewhere_is_read_when_it_is_back(copied: Copied) -> None:
    copied.mirror(["deals", "deal_products"])
    copied.sync()
    copied.run("CREATE SCHEMA elsewhere; ALTER TABLE crm.deal_products SET SCHEMA elsewhere")
    (product, *_) = copied.simulator.records("deal_products")
    later = {"method": "PATCH", "path": f"deal_products/{product['id']}", "body": {"comments": "later"}}
    copied.simulator.change([later])
    change(copied, product["deal_id"], "changed")
    with pytest.raises(psycopg.Error, match="1 of the tables could not be updated"):
        copied.sync()
    copied.run("ALTER TABLE elsewhere.deal_products SET SCHEMA crm")
    copied.sync()
    assert copied.different() == {}


def test_rows_of_a_table_that_inherits_from_a_copy_are_not_deleted(copied: Copied) -> None:
    """They are rows of the copy as well, and Pipedrive has no such records."""
    copied.mirror(["stages", "deals", "user_settings"])
    copied.sync()
    for table in ("deals", "user_settings"):
        copied.run(f"CREATE TABLE crm.own () INHERITS (crm.{table})")
        copied.run(f"INSERT INTO crm.own SELECT * FROM crm.{table} LIMIT 1")
        with pytest.raises(psycopg.Error) as caught:
            copied.sync(more=", reconcile => true")
        told = f"crm.{table}: pipedrive copy: crm.own inherits from crm.{table}"
        assert caught.value.diag.message_detail == told
        assert copied.value("SELECT count(*) FROM crm.own") == 1
        copied.run(f"ALTER TABLE crm.own NO INHERIT crm.{table}")
        copied.sync()
        copied.run("DROP TABLE crm.own")
    assert copied.different() == {}


@pytest.mark.parametrize("when", ["before", "after"])
def test_of_two_columns_that_show_the_same_the_first_is_copied(copied: Copied, when: str) -> None:
    """The column of the copy got the name of the other one, and then no run could read the table."""
    second = "ALTER FOREIGN TABLE pipedrive.deals ADD COLUMN words varchar OPTIONS (\"column\" 'title')"
    if when == "before":
        copied.run(second)
    copied.mirror(["deals"], ", history => true")
    copied.sync()
    if when == "after":
        copied.run(second)
    change(copied, 5, "changed")
    copied.sync()
    copied.sync(more=", reconcile => true")
    assert copied.value("SELECT title FROM crm.deals WHERE id = 5") == "changed"
    words = "SELECT count(*) FROM pg_attribute WHERE attname = 'words' AND attrelid = 'crm.deals'::regclass"
    assert copied.value(words) == 0
    copied.run("ALTER FOREIGN TABLE pipedrive.deals DROP COLUMN title")
    change(copied, 5, "again")
    copied.sync()
    assert copied.value("SELECT words FROM crm.deals WHERE id = 5") == "again"


@pytest.mark.parametrize("lost", ["TRUNCATE crm.deals, crm.persons", "DROP TABLE crm.deals, crm.persons"])
def test_what_hung_on_records_that_went_while_their_copy_was_lost_goes(copied: Copied, lost: str) -> None:
    """The copy that was loaded anew did not know these records, so that it told nobody that they are gone."""
    tables = ("deals", "deal_products", "deal_followers", "persons", "person_emails")
    copied.mirror(tables)
    copied.sync()
    deals = {copied.value(f"SELECT min(deal_id) FROM crm.{name}") for name in tables[1:3]}
    person = copied.value("SELECT min(person_id) FROM crm.person_emails")
    for name in tables[1:3]:
        table = copied.simulator.account[name]
        keys = [record[table.key] for record in table if record["deal_id"] in deals]
        copied.simulator.change([{"method": "DELETE", "path": f"{name}/{key}"} for key in keys])
    gone = [*(f"deals/{deal}" for deal in deals), f"persons/{person}"]
    copied.simulator.change([{"method": "DELETE", "path": path} for path in gone])
    copied.run(lost)
    copied.mirror(tables)
    copied.sync()
    assert copied.different() == {}


def test_what_hangs_on_records_of_several_foreign_tables_is_kept(copied: Copied) -> None:
    """Two foreign tables may show the deals, or each a part of them."""
    columns = copied.value(
        "SELECT string_agg(format('%I %s', name, type), ', ' ORDER BY position) "
        "FROM pipedrive_internal.columns WHERE relation = 'pipedrive.deals'::regclass AND field IS NULL"
    )
    copied.run(
        f"CREATE FOREIGN TABLE pipedrive.archived_deals ({columns}) SERVER pipedrive "
        "OPTIONS (\"table\" 'deals', archived 'only');"
        "ALTER FOREIGN TABLE pipedrive.deals OPTIONS (ADD archived 'exclude')"
    )
    archived = {"method": "PATCH", "path": "deals/1", "body": {"is_archived": True}}
    copied.simulator.change([archived])
    copied.mirror(["archived_deals", "deals", "deal_products"])
    planned = "SELECT sum(requests) FROM pipedrive.sync_plan(reconcile => true) WHERE step = 'list'"
    copied.sync()
    assert (1,) in copied.rows("SELECT id FROM crm.archived_deals")
    assert copied.value("SELECT count(*) FROM crm.deal_products WHERE deal_id = 1") > 0
    assert copied.differences("deal_products") == (Counter(), Counter())
    assert copied.value(planned) == 1  # for up to a hundred deals
    copied.simulator.reset()
    copied.sync("crm.archived_deals", ", reconcile => true")
    copied.sync("crm.deal_products")
    # The deals of the other copy are not taken for gone
    assert [r["path"] for r in copied.simulator.requests() if "products" in r["path"]] == []


def test_times_of_another_type_do_not_depend_on_the_session(copied: Copied) -> None:
    copied.mirror(["deals"], ", history => true")
    copied.run(
        "ALTER TABLE crm.deals ALTER add_time TYPE timestamp, ALTER stage_change_time TYPE text;"
        "ALTER TABLE crm_history.deals ALTER add_time TYPE timestamp, ALTER stage_change_time TYPE text"
    )
    shown = "SELECT id, add_time::text, stage_change_time FROM crm.deals ORDER BY id"
    meant = (
        "SELECT id, (add_time AT TIME ZONE 'UTC')::text, "
        "to_char(stage_change_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS+00') "
        "FROM pipedrive.deals ORDER BY id"
    )
    copied.run("SET timezone = 'Asia/Kolkata'; SET datestyle = 'German'")
    copied.sync()
    change(copied, 5, "changed")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()::text")
    assert copied.rows(f"SELECT * FROM pipedrive.restore('crm.deals', '{moment}')") == []
    copied.run("SET timezone = 'UTC'; SET datestyle = 'ISO'")
    assert copied.rows(shown) == copied.rows(meant)
    copied.sync(more=", reconcile => true")
    assert copied.value("SELECT count(*) - count(DISTINCT id) FROM crm_history.deals") == 1


def test_rows_that_the_owner_keeps_shorter_are_not_written_again(copied: Copied) -> None:
    """A number that the column rounds is the same in the next run."""
    copied.mirror(["products", "product_prices"], ", history => true")
    copied.run("ALTER TABLE crm.product_prices ALTER price TYPE numeric(12, 1)")
    copied.run("ALTER TABLE crm_history.product_prices ALTER price TYPE numeric(12, 1)")
    copied.sync()
    copied.sync(more=", reconcile => true")
    assert copied.value("SELECT count(*) FROM crm.product_prices WHERE price % 1 <> 0") > 0
    shown = "SELECT product_id, currency, {} FROM {}.product_prices ORDER BY 1, 2"
    assert copied.rows(shown.format("price", "crm")) == copied.rows(
        shown.format("round(price, 1)", "pipedrive")
    )
    assert copied.rows(shown.format("price", "crm_history")) == copied.rows(shown.format("price", "crm"))


@pytest.mark.parametrize(
    ("new", "value", "message", "type_name"),
    [
        ("varchar", "XL", 'invalid input syntax for type numeric: "XL"', "text"),
        ("date", "2026-09-01", "cannot cast type date to numeric", "date"),
    ],
)
def test_a_field_that_gets_another_type_is_named(
    copied: Copied, new: str, value: str, message: str, type_name: str
) -> None:
    """The copy keeps the type that its column has until the owner changes it."""
    copied.mirror(["deals"], ", history => true")
    copied.sync()
    (code,) = (
        f["field_code"] for f in copied.simulator.records("deal_fields") if f["field_name"] == "Deal double"
    )
    copied.simulator.change(
        [
            {"method": "PATCH", "path": f"deal_fields/{code}", "body": {"field_type": new}},
            *(
                {"method": "PATCH", "path": f"deals/{deal['id']}", "body": {"custom_fields": {code: value}}}
                for deal in copied.simulator.records("deals")
            ),
        ]
    )
    with pytest.raises(psycopg.Error, match="1 of the tables could not be updated") as caught:
        copied.sync(more=", reconcile => true")
    assert caught.value.diag.message_detail == (
        f"crm.deals: {message} (deal_double is numeric, and {type_name} in pipedrive.deals)"
    )
    copied.run("ALTER TABLE crm.deals ALTER deal_double TYPE text")
    copied.run("ALTER TABLE crm_history.deals ALTER deal_double TYPE text")
    copied.sync(more=", reconcile => true")
    assert copied.different() == {}
    assert copied.rows("SELECT DISTINCT deal_double FROM crm.deals") == [(value,)]


@pytest.mark.parametrize(
    ("old", "new", "value", "shown"), [("varchar", "double", 1.5, "1.5"), ("double", "int", 3, 3)]
)
def test_a_field_that_gets_another_type_while_a_view_shows_its_column(
    copied: Copied, old: str, new: str, value: object, shown: object
) -> None:
    """PostgreSQL refuses to give the column of the foreign table another type."""
    copied.mirror(["deals"])
    copied.sync()
    copied.run("SELECT pipedrive.reporting('pipedrive', target => 'bi')")
    code, column = next(
        (f["field_code"], f["field_name"].lower().replace(" ", "_"))
        for f in copied.simulator.records("deal_fields")
        if f["field_name"] == f"Deal {old}"
    )
    given = {"custom_fields": {code: value}, "update_time": copied.simulator.account.now()}
    copied.simulator.change(
        [
            {"method": "PATCH", "path": f"deal_fields/{code}", "body": {"field_type": new}},
            *(
                {"method": "PATCH", "path": f"deals/{deal['id']}", "body": given}
                for deal in copied.simulator.records("deals")
            ),
        ]
    )
    copied.sync(more=", reconcile => true")
    assert copied.different() == {}
    assert copied.rows(f"SELECT DISTINCT {column} FROM crm.deals") == [(shown,)]
    assert copied.rows(f"SELECT DISTINCT {column} FROM bi.deals") == [(shown,)]
