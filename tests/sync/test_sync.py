"""A copy equals the foreign tables: after the first load, and after changes; and what that costs."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.catalog.copying import copying_of
from tests.e2e.extension import TOKEN
from tests.sync.copied import Copied
from tools.engine import Server

NOW = "2026-09-01T12:00:00Z"


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[Copied]:
    with Copied(server, deals=40) as made:
        yield made


@pytest.fixture
def copied(account: Copied) -> Copied:
    account.connect_anew()
    account.run("DROP SCHEMA IF EXISTS crm CASCADE")
    account.run("DROP SCHEMA IF EXISTS crm_history CASCADE")
    account.simulator.refill()
    account.simulator.reset()
    return account


def change(copied: Copied, method: str, path: str, **body: Any) -> None:
    copied.simulator.change([{"method": method, "path": path, "body": body}])


def steps(copied: Copied) -> list[tuple[Any, ...]]:
    """What the last run did: table, step, rows read, written, deleted."""
    return copied.rows(
        "SELECT copy::text, step, read, written, deleted FROM pipedrive_internal.sync_log "
        "WHERE run = (SELECT max(run) FROM pipedrive_internal.sync_log) ORDER BY ended"
    )


def test_every_table_is_copied_with_its_names_types_and_order(copied: Copied) -> None:
    tables = {
        name
        for (name,) in copied.rows("SELECT table_name FROM pipedrive.foreign_tables()")
        if copying_of(TABLES[name]).how != "never" and not copying_of(TABLES[name]).named
    }
    assert copied.mirror() == f"{len(tables)} new tables in schema crm"
    assert set(copied.tables()) == tables
    columns = (
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = '{}' ORDER BY table_name, ordinal_position"
    )
    left_out = {
        (t.name, c.name)
        for t in TABLES.values()
        for c in t.columns
        if c.extended or (c.echo and not c.not_null)
    }
    shown = [row for row in copied.rows(columns.format("pipedrive")) if row[0] in tables]
    kept = [row for row in shown if row[:2] not in left_out and row[1] not in ("attrs", "filter_id")]
    assert copied.rows(columns.format("crm")) == kept
    copied.sync()
    assert copied.different() == {}
    assert copied.value("SELECT count(*) FROM crm.deals") == len(copied.simulator.records("deals"))


def test_a_run_without_a_change_is_cheap_and_writes_nothing(copied: Copied) -> None:
    copied.mirror()
    copied.sync()
    assert copied.sync() <= 400
    assert [step for step in steps(copied) if step[3] or step[4]] == []


def test_a_copy_has_keys_indexes_and_comments(copied: Copied) -> None:
    copied.run("COMMENT ON COLUMN pipedrive.deals.title IS 'What it is about.'")
    copied.mirror(["deals", "deal_followers", "deals", "person_emails", "persons"])
    keys = copied.rows(
        "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'crm'::regnamespace ORDER BY 1"
    )
    assert keys == [
        ("crm.deal_followers", "PRIMARY KEY (deal_id, user_id)"),
        ("crm.deals", "PRIMARY KEY (id)"),
        ("crm.persons", "PRIMARY KEY (id)"),
    ]
    indexed = {
        name
        for (name,) in copied.rows(
            "SELECT pg_get_indexdef(indexrelid, 1, false) FROM pg_index "
            "WHERE indrelid = 'crm.deals'::regclass"
        )
    }
    assert {"id", "owner_id", "person_id", "org_id", "stage_id", "update_time", "add_time"} <= indexed
    assert copied.value("SELECT col_description('crm.deals'::regclass, 2)") == "What it is about."


def test_changes_are_found_by_their_time_and_lead_to_what_hangs_on_them(copied: Copied) -> None:
    copied.mirror(["deals", "deal_products", "persons", "person_emails"])
    copied.sync()
    (product, *_) = copied.simulator.records("deal_products")
    change(copied, "PATCH", f"deal_products/{product['id']}", comments="moved")
    change(copied, "PATCH", f"deals/{product['deal_id']}", title="changed", update_time=NOW)
    emails = [{"value": "new@x.example", "primary": True, "label": "home"}] * 2
    change(copied, "PATCH", "persons/3", emails=emails, update_time=NOW)
    copied.sync()
    assert copied.value(f"SELECT title FROM crm.deals WHERE id = {product['deal_id']}") == "changed"
    assert copied.value(f"SELECT comments FROM crm.deal_products WHERE id = {product['id']}") == "moved"
    assert copied.rows("SELECT value, label FROM crm.person_emails WHERE person_id = 3") == [
        ("new@x.example", "home"),
        ("new@x.example", "home"),
    ]
    assert copied.different() == {}


def test_what_vanished_and_what_has_no_time_is_found_by_the_comparison(copied: Copied) -> None:
    copied.mirror(["deals", "deal_products", "notes"])
    copied.sync()
    (product, *_) = copied.simulator.records("deal_products")
    change(copied, "DELETE", f"deals/{product['deal_id']}")
    change(copied, "DELETE", f"deal_products/{product['id']}")
    change(copied, "PATCH", "deals/5", title="silent", update_time=None)
    copied.sync()
    assert copied.value("SELECT title FROM crm.deals WHERE id = 5") != "silent"
    copied.sync(more=", reconcile => true")
    assert copied.value("SELECT title FROM crm.deals WHERE id = 5") == "silent"
    assert copied.value(f"SELECT count(*) FROM crm.deals WHERE id = {product['deal_id']}") == 0
    assert copied.value(f"SELECT count(*) FROM crm.deal_products WHERE deal_id = {product['deal_id']}") == 0
    assert copied.different() == {}


def test_a_record_that_moves_to_the_end_while_it_is_read_is_stored_once(copied: Copied) -> None:
    """A list by time shows it twice, and a scan once. The next run finds what has changed meanwhile."""
    copied.mirror(["persons"])
    copied.sync()
    changed = [
        {
            "method": "PATCH",
            "path": f"persons/{n}",
            "body": {"name": "first", "update_time": f"2031-01-01T00:00:{n:02}Z"},
        }
        for n in range(1, 9)
    ]
    copied.simulator.change(changed)
    again = {**changed[0], "body": {"name": "last", "update_time": "2031-01-01T00:01:00Z"}}
    copied.simulator.reset()
    copied.simulator.faults(
        [{"match": "/persons", "action": "change", "body": [again], "skip": 1, "times": 1}]
    )
    with copied.pages_of(3):
        copied.sync()
    assert len([r for r in copied.simulator.requests() if r["path"].endswith("/persons")]) > 2
    assert copied.rows("SELECT name FROM crm.persons WHERE id = 1") == [("first",)]
    copied.sync()
    assert copied.rows("SELECT name FROM crm.persons WHERE id = 1") == [("last",)]
    assert copied.different() == {}


def test_a_deal_that_is_archived_between_the_two_lists_is_no_trouble(copied: Copied) -> None:
    copied.mirror(["deals"])
    moved = {"method": "PATCH", "path": "deals/5", "body": {"is_archived": True, "update_time": NOW}}
    copied.simulator.change([{**moved, "body": {"is_archived": False}}])
    copied.simulator.faults([{"match": "/deals/archived", "action": "change", "body": [moved], "times": 1}])
    copied.sync()
    assert copied.value("SELECT count(*) FROM crm.deals WHERE id = 5") == 1
    copied.sync()
    assert copied.rows("SELECT is_archived FROM crm.deals WHERE id = 5") == [(True,)]
    assert copied.different() == {}


def test_the_watermark_stays_behind_what_changed_while_it_was_read(copied: Copied) -> None:
    """What changed after it was read changed later than the newest time seen less the duration."""
    with copied.pages_of(20):
        copied.mirror(["deals"])
        newest = {"method": "PATCH", "path": "deals/40", "body": {"update_time": NOW}}
        copied.simulator.change([newest])
        for step in ("whole", "changes"):
            copied.simulator.faults([{"match": "/deals$", "action": "delay", "ms": 400}])
            copied.sync()
            assert steps(copied)[-1][:2] == ("crm.deals", step)
            behind = copied.value(
                f"SELECT extract(epoch FROM '{NOW}'::timestamptz - watermark) FROM pipedrive.sync_status"
            )
            assert behind > 0.4


def test_the_watermark_stays_where_nothing_was_read(copied: Copied) -> None:
    """The clock of this server may be ahead of Pipedrive's."""
    copied.mirror(["deals"])
    change(copied, "PATCH", "deals/5", update_time="2026-09-01T11:00:00Z")
    copied.sync()
    watermark = copied.value("SELECT watermark FROM pipedrive.sync_status")
    change(copied, "DELETE", "deals/5")
    copied.sync()
    assert steps(copied) == [("crm.deals", "changes", 0, 0, 0)]
    assert copied.value("SELECT watermark FROM pipedrive.sync_status") == watermark
    change(copied, "PATCH", "deals/6", title="changed", update_time="2026-09-01T11:00:01Z")
    copied.sync()
    assert copied.value("SELECT title FROM crm.deals WHERE id = 6") == "changed"


def test_what_comes_late_is_found_among_many(copied: Copied) -> None:
    """A part of 5,000 rows ended before the watermark, and the next part began at it."""
    copied.mirror(["persons"])
    person = copied.simulator.records("persons")[0]
    many = [
        {"method": "POST", "path": "persons", "body": {**person, "id": 10_000 + n, "update_time": NOW}}
        for n in range(5_500)
    ]
    copied.simulator.change(many)
    change(copied, "PATCH", "persons/4", update_time="2026-09-01T12:00:29Z")
    copied.sync()
    late = "2026-09-01T12:00:01Z"
    assert copied.value(f"SELECT watermark > '{late}' FROM pipedrive.sync_status")
    change(copied, "PATCH", "persons/5", name="late", update_time=late)
    copied.sync()
    assert copied.value("SELECT name FROM crm.persons WHERE id = 5") == "late"


def test_a_first_load_that_failed_goes_on_in_parts(copied: Copied) -> None:
    with copied.pages_of(5):
        copied.mirror(["deals"])
        fault = {"match": "/deals", "action": "status", "status": 400, "skip": 4, "times": 1}
        copied.simulator.faults([fault])
        with pytest.raises(psycopg.Error):
            copied.sync()
        assert copied.value("SELECT count(*) FROM crm.deals") == 0
        copied.sync()
        assert [step[1] for step in steps(copied)] == ["changes", "whole"]
        assert copied.different() == {}


def test_the_status_tells_what_each_run_did(copied: Copied) -> None:
    copied.mirror(["stages", "deals"])
    copied.sync()
    rows = copied.rows(
        'SELECT "table"::text, rows_read, written, deleted, requests, tokens, error, '
        "age < interval '1 minute', watermark IS NOT NULL FROM pipedrive.sync_status ORDER BY 1"
    )
    deals, stages = (len(copied.simulator.records(name)) for name in ("deals", "stages"))
    assert [row[:3] for row in rows] == [("crm.deals", deals, deals), ("crm.stages", stages, stages)]
    assert rows[1][3:] == (0, 1, 5, None, True, True)
    sent = copied.simulator.requests()
    assert sum(row[5] for row in rows) == sum(r["tokens"] for r in sent)
    assert sum(row[4] for row in rows) == len(sent)


def test_the_plan_costs_nothing_and_comes_true(copied: Copied) -> None:
    copied.mirror()
    copied.sync()
    copied.simulator.reset()
    planned = int(copied.value("SELECT sum(tokens) FROM pipedrive.sync_plan()"))
    everything = int(copied.value("SELECT sum(tokens) FROM pipedrive.sync_plan(reconcile => true)"))
    assert copied.simulator.requests() == []
    assert copied.sync() == pytest.approx(planned, rel=0.1)
    assert copied.sync(more=", reconcile => true") == pytest.approx(everything, rel=0.1)


def test_the_plan_of_a_first_load_counts_the_children(copied: Copied) -> None:
    """Their parents are not in the copy yet: as many are expected as the planner expects."""
    copied.rows("SELECT id FROM pipedrive.deals")
    copied.mirror(["deals", "deal_products", "deal_followers"])
    copied.simulator.reset()
    planned = int(copied.value("SELECT sum(tokens) FROM pipedrive.sync_plan()"))
    assert copied.simulator.requests() == []
    assert copied.sync() == pytest.approx(planned, rel=0.1)


@pytest.mark.parametrize(
    "option", ["custom_fields 'true'", "custom_fields 'false'", "archived 'exclude'", "archived 'only'"]
)
def test_the_plan_names_what_each_table_will_cost(copied: Copied, option: str) -> None:
    """The definitions of custom fields included, where they are read."""
    copied.mirror(["deals", "persons", "projects", "leads", "notes", "deal_products", "stages"])
    copied.sync()
    copied.run(f"ALTER SERVER pipedrive OPTIONS (ADD {option})")
    try:
        plan = copied.rows(
            'SELECT "table"::text, sum(requests), sum(tokens) '
            "FROM pipedrive.sync_plan(reconcile => true) GROUP BY 1 ORDER BY 1"
        )
        copied.sync(more=", reconcile => true")
    finally:
        copied.run(f"ALTER SERVER pipedrive OPTIONS (DROP {option.split()[0]})")
    assert plan == copied.rows(
        "SELECT copy::text, sum(requests), sum(tokens) FROM pipedrive_internal.sync_log "
        "WHERE run = (SELECT max(run) FROM pipedrive_internal.sync_log) GROUP BY 1 ORDER BY 1"
    )


def test_a_column_that_the_owner_added_stays_his(copied: Copied) -> None:
    copied.mirror(["deals", "stages"])
    copied.run("ALTER TABLE crm.deals ADD COLUMN remark text DEFAULT 'mine'")
    copied.run("ALTER TABLE crm.deals DROP COLUMN origin")
    copied.sync()
    change(copied, "PATCH", "deals/5", title="changed", update_time=NOW)
    copied.run("UPDATE crm.deals SET remark = 'checked' WHERE id = 5")
    copied.sync()
    assert copied.rows("SELECT title, remark FROM crm.deals WHERE id = 5") == [("changed", "checked")]
    assert copied.different() == {}


def test_custom_fields_come_are_renamed_and_go(copied: Copied) -> None:
    copied.mirror(["persons"])
    copied.sync()
    copied.run("ALTER TABLE crm.persons ADD COLUMN shoe_size text DEFAULT 'the owner''s'")
    made = json.dumps({"field_name": "Shoe size", "field_type": "double"})
    key = copied.value(
        f"SELECT pipedrive.request('POST', '/v2/personFields', body => '{made}') ->> 'field_code'"
    )
    body = json.dumps({"custom_fields": {key: 42}})
    copied.run(f"SELECT pipedrive.request('PATCH', '/v2/persons/3', body => '{body}')")
    copied.connect_anew()
    copied.sync(more=", reconcile => true")
    assert copied.rows("SELECT shoe_size, shoe_size_2 FROM crm.persons WHERE id = 3") == [("the owner's", 42)]
    copied.run("ALTER FOREIGN TABLE pipedrive.persons RENAME COLUMN shoe_size TO feet")
    copied.sync()
    assert copied.value("SELECT feet FROM crm.persons WHERE id = 3") == 42
    copied.run("ALTER FOREIGN TABLE pipedrive.persons DROP COLUMN feet")
    copied.sync()
    assert copied.value("SELECT feet FROM crm.persons WHERE id = 3") == 42
    assert copied.value("SELECT columns_gone FROM pipedrive.sync_status") == ["feet"]


def test_sql_reads_the_option_of_custom_fields_as_the_wrapper_does(copied: Copied) -> None:
    option = "ALTER FOREIGN TABLE pipedrive.persons OPTIONS ({} custom_fields{})"
    shown = (
        "SELECT has_custom_fields FROM pipedrive_internal.foreign_tables "
        "WHERE relation = 'pipedrive.persons'::regclass"
    )
    texts = {text: True for text in ("true", "T", "on", "Yes", "1", " \t\n\v\f\ron ")}
    texts |= {text: False for text in ("FALSE", "f", "off", "no", "0", " Off\r\n")}
    for text, wanted in texts.items():
        copied.run(option.format("ADD", f" '{text}'"))
        assert copied.value(shown) is wanted, text
        copied.run(option.format("DROP", ""))
    for text in ("\u00a0off", "off\x1f", "", "y", "of"):
        with pytest.raises(psycopg.Error, match='option "custom_fields" cannot be'):
            copied.run(option.format("ADD", f" '{text}'"))


def test_what_a_session_remembers_is_not_taken_for_what_is_there(copied: Copied) -> None:
    """It keeps what it has asked for each row, such as the conditions of filters, for some minutes."""
    copied.mirror(["filters"], ", more_columns => '{conditions}', history => true")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    record = copied.simulator.records("filters")[0]
    shown = f"SELECT conditions FROM {{}}.filters WHERE id = {record['id']}"
    before = copied.value(shown.format("crm"))
    changed = copy.deepcopy(record["conditions"])
    changed["conditions"][0]["glue"] = "or"
    assert changed != before
    change(copied, "PATCH", f"filters/{record['id']}", conditions=changed)
    copied.sync(more=", reconcile => true")
    assert copied.value(shown.format("crm")) == changed == copied.value(shown.format("pipedrive"))
    change(copied, "PATCH", f"filters/{record['id']}", conditions=before)
    assert copied.rows(f"SELECT id FROM pipedrive.restore('crm.filters', '{moment}')") == []


def test_a_field_that_no_record_shows_is_not_gone(copied: Copied) -> None:
    """Activities get a column only while their records show the field."""
    fields, activities = (copied.simulator.account[name] for name in ("activity_fields", "activities"))
    listed = next(f for f in copied.simulator.account["person_fields"] if f["field_type"] == "varchar")
    key = "a" * 40
    fields.put({**listed, "field_name": "Act", "field_code": key, "is_custom_field": True})
    activities.get(1)["custom_fields"] = {key: "first"}
    copied.run("SELECT pipedrive.refresh_columns('pipedrive.activities', true)")
    try:
        copied.mirror(["activities"])
        copied.sync()
        assert copied.value("SELECT act FROM crm.activities WHERE id = 1") == "first"
        change(copied, "PATCH", "activities/1", custom_fields={}, update_time=NOW)
        copied.sync(more=", reconcile => true")
        assert copied.value("SELECT columns_gone FROM pipedrive.sync_status") is None
        assert copied.value("SELECT act FROM crm.activities WHERE id = 1") is None
        change(copied, "PATCH", "activities/2", custom_fields={key: "second"}, update_time=NOW)
        copied.sync()
        assert copied.value("SELECT act FROM crm.activities WHERE id = 2") == "second"
        assert copied.different() == {}
    finally:
        copied.run("ALTER FOREIGN TABLE pipedrive.activities DROP COLUMN act")


def test_a_new_column_is_there_before_the_table_is_read(copied: Copied) -> None:
    """Nobody can read the copy while a transaction adds a column to it, and a list may take long."""
    copied.mirror(["persons"])
    copied.sync()
    made = json.dumps({"field_name": "Shoe size", "field_type": "double"})
    copied.run(f"SELECT pipedrive.request('POST', '/v2/personFields', body => '{made}')")
    copied.simulator.faults([{"match": "/persons", "action": "status", "status": 402}])
    with pytest.raises(psycopg.Error):
        copied.sync(more=", reconcile => true")
    columns = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'shoe_size'"
    assert copied.value(columns) == 2
    copied.simulator.faults([])
    copied.sync()
    assert copied.different() == {}
    copied.run("ALTER FOREIGN TABLE pipedrive.persons DROP COLUMN shoe_size")


def test_a_column_that_the_owner_dropped_lends_its_name_to_no_other(copied: Copied) -> None:
    copied.mirror(["persons"])
    copied.sync()
    made = json.dumps({"field_name": "First", "field_type": "double"})
    key = copied.value(
        f"SELECT pipedrive.request('POST', '/v2/personFields', body => '{made}') ->> 'field_code'"
    )
    change(copied, "PATCH", "persons/3", custom_fields={key: 44})
    copied.run("ALTER TABLE crm.persons DROP COLUMN label_ids")
    copied.run(
        "ALTER FOREIGN TABLE pipedrive.persons ALTER label_ids OPTIONS (ADD column 'label_ids');"
        "ALTER FOREIGN TABLE pipedrive.persons RENAME label_ids TO tags;"
        "SELECT pipedrive.refresh_columns('pipedrive.persons', true);"
        "ALTER FOREIGN TABLE pipedrive.persons RENAME first TO label_ids"
    )
    try:
        copied.sync()
        copied.sync(more=", reconcile => true")
        assert copied.value("SELECT label_ids_2 FROM crm.persons WHERE id = 3") == 44
    finally:
        copied.run(
            "ALTER FOREIGN TABLE pipedrive.persons DROP COLUMN label_ids;"
            "ALTER FOREIGN TABLE pipedrive.persons RENAME tags TO label_ids"
        )


@pytest.mark.parametrize("keeper", ["postgres", "copyist"])
def test_the_column_of_a_deleted_field_keeps_its_values(copied: Copied, keeper: str) -> None:
    """Also where the copy's keeper does not own the foreign table."""
    made = json.dumps({"field_name": "Shoe size", "field_type": "double"})
    key = copied.value(
        f"SELECT pipedrive.request('POST', '/v2/personFields', body => '{made}') ->> 'field_code'"
    )
    for person in (3, 4):
        change(copied, "PATCH", f"persons/{person}", custom_fields={key: 40 + person})
    copied.run("SELECT pipedrive.refresh_columns('pipedrive.persons', true)")
    copied.mirror(["persons"], ", history => true")
    if keeper == "copyist":
        copied.run("DROP ROLE IF EXISTS copyist; CREATE ROLE copyist")
        copied.run(
            "GRANT USAGE ON FOREIGN SERVER pipedrive TO copyist; GRANT USAGE ON SCHEMA pipedrive TO copyist;"
            "GRANT SELECT ON pipedrive.persons TO copyist;"
            "GRANT EXECUTE ON ALL ROUTINES IN SCHEMA pipedrive TO copyist;"
            f"CREATE USER MAPPING FOR copyist SERVER pipedrive OPTIONS (api_token $${TOKEN}$$);"
            "ALTER SCHEMA crm OWNER TO copyist; ALTER TABLE crm.persons OWNER TO copyist;"
            "ALTER SCHEMA crm_history OWNER TO copyist; ALTER TABLE crm_history.persons OWNER TO copyist"
        )
    copied.run(f"SET ROLE {keeper}")
    try:
        copied.sync()
        sizes = "SELECT id, name, shoe_size FROM crm.persons WHERE id IN (3, 4) ORDER BY id"
        (_, first, _), (_, second, _) = before = copied.rows(sizes)
        assert [row[2] for row in before] == [43, 44]
        moment = copied.value("SELECT clock_timestamp()")
        copied.run(f"SELECT pipedrive.request('DELETE', '/v2/personFields/{key}')")
        change(copied, "PATCH", "persons/4", name="Renamed", update_time=NOW)
        for more in (", reconcile => true", "", ", reconcile => true"):
            copied.sync(more=more)
            assert (
                copied.rows(sizes)
                == [(3, first, 43), (4, "Renamed", 44)]
                != [(3, first, 43), (4, second, 44)]
            )
            assert copied.value("SELECT columns_gone FROM pipedrive.sync_status") == ["shoe_size"]
            assert copied.different() == {}
        # What Pipedrive does not take any more is not written back
        planned = copied.rows(f"SELECT id, given, left_out FROM pipedrive.restore('crm.persons', '{moment}')")
        assert [(key, given) for key, given, _ in planned] == [("4", {"name": second})]
        assert "shoe_size" in planned[0][2]
    finally:
        copied.run("RESET ROLE; ALTER FOREIGN TABLE pipedrive.persons DROP COLUMN shoe_size")
        if keeper == "copyist":
            copied.run("DROP OWNED BY copyist CASCADE; DROP ROLE copyist")


def test_columns_of_deleted_fields_are_dropped_where_the_owner_wants_that(copied: Copied) -> None:
    copied.mirror(["persons"], ", history => true")
    keys = {}
    for name in ("Shoe size", "Hat size"):
        made = json.dumps({"field_name": name, "field_type": "double"})
        request = f"pipedrive.request('POST', '/v2/personFields', body => '{made}')"
        keys[name] = copied.value(f"SELECT {request} ->> 'field_code'")
        body = json.dumps({"custom_fields": {keys[name]: 42}})
        copied.run(f"SELECT pipedrive.request('PATCH', '/v2/persons/3', body => '{body}')")
    copied.connect_anew()
    copied.sync()
    copied.run("CREATE VIEW crm.hats AS SELECT id, hat_size FROM crm.persons")
    columns = (
        "SELECT array_agg(attname ORDER BY attname) FROM pg_attribute "
        "WHERE attrelid = '{}.persons'::regclass AND attname LIKE '%_size' AND NOT attisdropped"
    )
    assert copied.value(columns.format("crm")) == ["hat_size", "shoe_size"]
    try:
        for key in keys.values():
            copied.run(f"SELECT pipedrive.request('DELETE', '/v2/personFields/{key}')")
        copied.sync(more=", reconcile => true")
        assert copied.value("SELECT columns_gone FROM pipedrive.sync_status") == ["shoe_size", "hat_size"]
        copied.run("SELECT pipedrive.set_sync('crm.persons', drop_columns => true)")
        copied.run("SELECT pipedrive.set_sync('crm.persons', every => NULL)")
        change(copied, "PATCH", "persons/4", name="Renamed", update_time=NOW)
        for _ in range(2):
            copied.sync(more=", reconcile => true")
            assert copied.value(columns.format("crm")) == ["hat_size"]
            assert copied.value("SELECT columns_gone FROM pipedrive.sync_status") == ["hat_size"]
            assert copied.different() == {}
        history = "SELECT DISTINCT shoe_size FROM crm_history.persons WHERE id = 3"
        assert copied.value(columns.format("crm_history")) == ["hat_size", "shoe_size"]
        assert copied.rows(history) == [(42,)]
        copied.run("DROP VIEW crm.hats")
        copied.sync(more=", reconcile => true")
        assert copied.value(columns.format("crm")) is None
    finally:
        copied.run(
            "ALTER FOREIGN TABLE pipedrive.persons DROP COLUMN IF EXISTS shoe_size, "
            "DROP COLUMN IF EXISTS hat_size; DROP VIEW IF EXISTS crm.hats"
        )


def test_how_often_is_set_for_each_table(copied: Copied) -> None:
    copied.mirror(["stages", "activity_types", "deals"])
    copied.sync()
    copied.sync()
    assert [step[0] for step in steps(copied)] == ["crm.stages", "crm.deals"]
    copied.run("SELECT pipedrive.set_sync('crm.deals', every => '1 hour', reconcile => '0')")
    copied.run("SELECT pipedrive.set_sync('crm.activity_types', every => NULL)")
    copied.sync()
    assert [step[0] for step in steps(copied)] == ["crm.activity_types", "crm.stages"]
    copied.sync("crm.deals")
    assert [step[:2] for step in steps(copied)] == [("crm.deals", "changes"), ("crm.deals", "whole")]


def test_a_comparison_of_all_tables_takes_those_that_are_not_due_too(copied: Copied) -> None:
    copied.mirror(["stages", "activity_types", "deals"])
    copied.sync()
    planned = copied.rows('SELECT "table"::text, step FROM pipedrive.sync_plan(reconcile => true)')
    copied.sync(more=", reconcile => true")
    assert planned == [step[:2] for step in steps(copied)]
    assert [table for table, _ in planned] == ["crm.activity_types", "crm.stages", "crm.deals", "crm.deals"]


def test_what_is_not_named_stays_as_it_is(copied: Copied) -> None:
    copied.mirror(["deals"])
    times = (
        "SELECT every::text, compare_every::text FROM pipedrive_internal.copies "
        "WHERE copy = 'crm.deals'::regclass"
    )
    for given, every, compared in (
        ("", None, "1 day"),
        ("every => '1 hour'", "01:00:00", "1 day"),
        ("reconcile => '7 days'", "01:00:00", "7 days"),
        ("reconcile => NULL", "01:00:00", None),
        ("every => NULL", None, None),
        ("every => '2 days', reconcile => '0'", "2 days", "00:00:00"),
    ):
        copied.run(f"SELECT pipedrive.set_sync('crm.deals'{', ' if given else ''}{given})")
        assert copied.rows(times) == [(every, compared)], given
    for named, given in (
        ("every", "every => '-1 hour'"),
        ("reconcile", "every => '1 hour', reconcile => '1 day -25 hours'"),
    ):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match=f"{named} cannot be negative"):
            copied.run(f"SELECT pipedrive.set_sync('crm.deals', {given})")
        assert copied.rows(times) == [("2 days", "00:00:00")], given


def test_a_partitioned_copy_is_kept_like_any_other(copied: Copied) -> None:
    copied.mirror(["deals"])
    copied.run(
        "BEGIN; ALTER TABLE crm.deals RENAME TO plain;"
        "CREATE TABLE crm.deals (LIKE crm.plain) PARTITION BY HASH (id);"
        "ALTER TABLE crm.deals ADD PRIMARY KEY (id);"
        "CREATE TABLE crm.deals_0 PARTITION OF crm.deals FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE crm.deals_1 PARTITION OF crm.deals FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "SELECT pipedrive.replace_copy('crm.plain', 'crm.deals'); DROP TABLE crm.plain; COMMIT"
    )
    copied.sync()
    change(copied, "DELETE", "deals/7")
    copied.sync(more=", reconcile => true")
    assert copied.different() == {}
    assert (
        0 < copied.value("SELECT count(*) FROM crm.deals_0") < copied.value("SELECT count(*) FROM crm.deals")
    )


def known_to_the_planner(copied: Copied, table: str) -> Any:
    """How many different values of its key the planner's statistics see in a copy; None without any."""
    found = copied.rows(
        "SELECT CASE WHEN s.n_distinct < 0 THEN round(-s.n_distinct * k.reltuples) "
        "ELSE s.n_distinct END::integer FROM pg_stats s, pg_class k "
        "WHERE s.schemaname = 'crm' AND s.attname = 'id' "
        f"AND s.tablename = '{table}' AND k.oid = 'crm.{table}'::regclass"
    )
    return found[0][0] if found else None


def test_the_planner_knows_a_table_that_was_loaded(copied: Copied) -> None:
    tables = ("stages", "deals", "deal_products", "notes")
    copied.mirror(tables)
    assert [known_to_the_planner(copied, table) for table in tables] == [None] * 4
    copied.sync()
    counted = [copied.value(f"SELECT count(*) FROM crm.{table}") for table in tables]
    assert [known_to_the_planner(copied, table) for table in tables] == counted
    # A few changes are left to autovacuum
    note = copied.value("SELECT max(id) FROM crm.notes")
    copied.simulator.change([{"method": "DELETE", "path": f"notes/{note}"}])
    copied.sync("crm.notes", ", reconcile => true")
    assert copied.value("SELECT count(*) FROM crm.notes") == counted[3] - 1
    assert known_to_the_planner(copied, "notes") == counted[3]
    record = next(iter(copied.simulator.account["notes"]))
    copied.simulator.change(
        [{"method": "POST", "path": "notes", "body": {**record, "id": note + n}} for n in range(1, 60)]
    )
    copied.sync("crm.notes", ", reconcile => true")
    assert known_to_the_planner(copied, "notes") == copied.value("SELECT count(*) FROM crm.notes")


def test_the_planner_knows_a_partitioned_copy(copied: Copied) -> None:
    copied.mirror(["deals"])
    copied.run(
        "BEGIN; ALTER TABLE crm.deals RENAME TO plain;"
        "CREATE TABLE crm.deals (LIKE crm.plain, PRIMARY KEY (id)) PARTITION BY HASH (id);"
        "CREATE TABLE crm.one PARTITION OF crm.deals FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE crm.two PARTITION OF crm.deals FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "SELECT pipedrive.replace_copy('crm.plain', 'crm.deals'); DROP TABLE crm.plain; COMMIT"
    )
    copied.sync()
    seen = copied.rows(
        "SELECT tablename FROM pg_stats WHERE schemaname = 'crm' AND attname = 'id' ORDER BY 1"
    )
    assert seen == [("deals",), ("one",), ("two",)]
    # 57 more are enough for 40, and would be too few for twice as many
    record = copied.simulator.records("deals")[0]
    new = range(9_001, 9_058)
    copied.simulator.change([{"method": "POST", "path": "deals", "body": {**record, "id": n}} for n in new])
    copied.sync(more=", reconcile => true")
    assert known_to_the_planner(copied, "one") == copied.value("SELECT count(*) FROM crm.one")


def test_the_status_is_not_worth_a_compilation(copied: Copied) -> None:
    """Where all tables are copied, JIT took seconds for a query of milliseconds."""
    copied.mirror()
    (plan,) = copied.value("EXPLAIN (FORMAT JSON) SELECT * FROM pipedrive.sync_status")
    limit = copied.value("SELECT boot_val::float FROM pg_settings WHERE name = 'jit_above_cost'")
    assert 0 < plan["Plan"]["Total Cost"] < limit


def test_a_step_does_not_read_the_whole_log(copied: Copied) -> None:
    copied.mirror(["stages"])
    copied.run(
        "INSERT INTO pipedrive_internal.sync_log (copy, run, step) SELECT 'crm.stages', moment, 'whole' "
        "FROM generate_series(now() - interval '29 days', now(), '2 minutes') AS moment;"
        "ANALYZE pipedrive_internal.sync_log"
    )
    before = copied.value("SELECT count(*) FROM pipedrive_internal.sync_log")
    read = (
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_all_tables "
        "WHERE relid = 'pipedrive_internal.sync_log'::regclass"
    )
    old = "now() - interval '31 days'"
    with copied.database.connection.transaction():
        begun = copied.value(read)
        copied.run(
            "INSERT INTO pipedrive_internal.sync_log (copy, run, step) "
            f"VALUES ('crm.stages', {old}, 'whole'), ('crm.stages', now(), 'whole')"
        )
        assert copied.value(read) - begun < 10
    assert copied.value("SELECT count(*) FROM pipedrive_internal.sync_log") == before + 1


def test_a_price_counts_no_more_parents_than_a_step_reads(copied: Copied) -> None:
    """Else each step of a run with a budget takes longer, the more parents there are."""
    copied.mirror(["deals", "deal_followers"])
    copied.sync()
    copied.run(
        "INSERT INTO pipedrive_internal.pending (copy, key) "
        "SELECT 'crm.deal_followers', n::text FROM generate_series(1000, 20000) n;"
        "ANALYZE pipedrive_internal.pending"
    )
    read = (
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_all_tables "
        "WHERE relid = 'pipedrive_internal.pending'::regclass"
    )
    step = (
        "SELECT pipedrive_internal.sync_step('crm.deal_followers', '{}', false, {}, "
        "pipedrive_internal.sync_usage('crm.deal_followers'))"
    )
    run = copied.value("SELECT clock_timestamp()::text")
    with copied.database.connection.transaction():
        begun = copied.value(read)
        copied.run(step.format(run, 1_000_000))
        # To remove those whose rows were read, the step looks at all once
        assert copied.value(read) - begun < 25_000
    assert copied.value("SELECT count(*) FROM pipedrive_internal.pending") == 19_001 - 100
