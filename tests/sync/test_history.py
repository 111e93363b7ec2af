"""Versions of rows: a copy as it was, and records brought back from it."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.sync.copied import Copied
from tests.sync.story import Story
from tests.sync.test_trouble import copyist
from tools.engine import Server


@pytest.fixture
def copied(server: Server) -> Iterator[Copied]:
    with Copied(server, deals=12) as made:
        yield made


def present(copied: Copied, table: str) -> Counter[str]:
    """The rows, without columns that are NULL: some have come later."""
    return Counter(
        row for (row,) in copied.rows(f"SELECT jsonb_strip_nulls(to_jsonb(t))::text FROM {table} t")
    )


def as_of(copied: Copied, table: str, moment: dt.datetime) -> Counter[str]:
    return Counter(
        row
        for (row,) in copied.rows(
            "SELECT jsonb_strip_nulls(to_jsonb(o))::text "
            f"FROM pipedrive.as_of('{table}', '{moment.isoformat()}') o"
        )
    )


def test_the_copy_is_shown_as_it_was_at_any_moment(copied: Copied) -> None:
    """Fifty moments between runs."""
    tables = [
        "deals",
        "persons",
        "person_emails",
        "notes",
        "deal_products",
        "stages",
        "organizations",
        "users",
    ]
    copied.mirror(tables, ", history => true")
    story = Story(copied.simulator, 7)
    seen: list[tuple[dt.datetime, dict[str, Counter[str]]]] = []
    for _ in range(10):
        copied.simulator.change(story.changes(8))
        copied.sync(more=", reconcile => true")
        ended = copied.value("SELECT clock_timestamp()")
        assert copied.different() == {}
        rows = {name: present(copied, f"crm.{name}") for name in tables}
        idle = copied.value("SELECT clock_timestamp()") - ended
        seen += [(ended + story.rng.random() * idle, rows) for _ in range(5)]
    for moment, rows in seen:
        for name in tables:
            assert as_of(copied, f"crm.{name}", moment) == rows[name], (name, moment)
    assert len({repr(sorted(rows["deals"].items())) for _, rows in seen}) > 3


def test_no_version_begins_before_it_was_read(copied: Copied) -> None:
    """A step can read for minutes: meanwhile the copy, and perhaps Pipedrive, has what was there before."""
    tables = ["deals", "person_emails", "persons", "stages"]
    copied.mirror(tables, ", history => true")
    copied.sync()
    before = {name: present(copied, f"crm.{name}") for name in tables}
    later = {"update_time": "2026-09-01T12:00:00Z"}
    copied.simulator.change(
        [
            {"method": "PATCH", "path": "deals/5", "body": {"title": "changed", **later}},
            {"method": "DELETE", "path": "deals/6"},
            {
                "method": "PATCH",
                "path": "persons/3",
                "body": {"emails": [{"value": "new@x.example"}], **later},
            },
            {"method": "PATCH", "path": "stages/1", "body": {"name": "changed"}},
        ]
    )
    copied.simulator.reset()
    copied.sync(more=", reconcile => true")
    asked = {
        path: [
            dt.datetime.fromtimestamp(r["started"], dt.timezone.utc)
            for r in copied.simulator.requests()
            if r["path"].endswith(f"/{path}")
        ]
        for path in ("deals", "persons", "stages")
    }
    for name, path in zip(tables, ("deals", "persons", "persons", "stages")):
        assert as_of(copied, f"crm.{name}", asked[path][0]) == before[name] != present(copied, f"crm.{name}")
    assert copied.value(
        f"SELECT count(*) FROM pipedrive.as_of('crm.deals', '{asked['deals'][-1]}') o WHERE o ->> 'id' = '6'"
    )


def test_a_history_that_begins_later_begins_with_what_is_there(copied: Copied) -> None:
    copied.mirror(["stages"])
    copied.sync()
    with pytest.raises(psycopg.Error, match=r"crm\.stages has no history"):
        copied.rows("SELECT pipedrive.as_of('crm.stages', now())")
    copied.mirror(["stages"], ", history => true")
    moment = copied.value("SELECT clock_timestamp()")
    copied.run("DELETE FROM crm.stages WHERE id = 1")
    assert as_of(copied, "crm.stages", moment) - present(copied, "crm.stages")
    assert copied.rows("SELECT id FROM crm_history.stages WHERE valid_to IS NOT NULL") == [(1,)]
    assert set(copied.rows("SELECT DISTINCT seen_by FROM crm_history.stages")) == {("sync",)}


def test_a_table_that_takes_the_place_of_a_copy_goes_on_with_its_history(copied: Copied) -> None:
    copied.mirror(["deals"], ", history => true")
    copied.sync()
    before = copied.value("SELECT clock_timestamp()")
    rows = present(copied, "crm.deals")
    copied.run(
        "ALTER TABLE crm.deals RENAME TO plain;"
        "CREATE TABLE crm.deals (LIKE crm.plain, PRIMARY KEY (id)) PARTITION BY HASH (id);"
        "CREATE TABLE crm.deals_0 PARTITION OF crm.deals FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE crm.deals_1 PARTITION OF crm.deals FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO crm.deals SELECT * FROM crm.plain;"
        "SELECT pipedrive.replace_copy('crm.plain', 'crm.deals');"
        "DELETE FROM crm.plain; DROP TABLE crm.plain"
    )
    between = copied.value("SELECT clock_timestamp()")
    changed = {"title": "changed", "update_time": "2026-09-01T12:00:00Z"}
    copied.simulator.change([{"method": "PATCH", "path": "deals/5", "body": changed}])
    copied.sync()
    assert as_of(copied, "crm.deals", before) == as_of(copied, "crm.deals", between) == rows
    now = copied.value("SELECT clock_timestamp()")
    assert as_of(copied, "crm.deals", now) == present(copied, "crm.deals") != rows


def test_a_transaction_that_began_before_the_last_run_gives_no_moment_two_versions(copied: Copied) -> None:
    copied.mirror(["deals"], ", history => true")
    copied.sync()
    with copied.database.connect() as other:
        other.autocommit = False
        other.execute("SELECT now()")
        changed = {"title": "changed", "update_time": "2026-09-01T12:00:00Z"}
        copied.simulator.change([{"method": "PATCH", "path": "deals/5", "body": changed}])
        before, rows = copied.value("SELECT clock_timestamp()"), present(copied, "crm.deals")
        copied.sync()
        other.execute("CREATE TABLE crm.new (LIKE crm.deals, PRIMARY KEY (id))")
        other.execute("INSERT INTO crm.new SELECT * FROM crm.deals")
        other.execute("SELECT pipedrive.replace_copy('crm.deals', 'crm.new')")
    assert as_of(copied, "crm.new", before) == rows != present(copied, "crm.new")
    now = copied.value("SELECT clock_timestamp()")
    assert as_of(copied, "crm.new", now) == present(copied, "crm.new")


def mirror_in_partitions(copied: Copied) -> None:
    """The copy of deals with a history is crm.parts, of the partitions crm.part_0 and crm.part_1."""
    copied.mirror(["deals"], ", history => true")
    copied.run(
        "CREATE TABLE crm.parts (LIKE crm.deals, PRIMARY KEY (id)) PARTITION BY HASH (id);"
        "CREATE TABLE crm.part_0 PARTITION OF crm.parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE crm.part_1 PARTITION OF crm.parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "SELECT pipedrive.replace_copy('crm.deals', 'crm.parts')"
    )
    copied.sync()


def test_rows_that_went_with_a_partition_and_came_back_have_one_version_at_a_time(copied: Copied) -> None:
    """No trigger of the copy sees what is done to its partitions."""
    mirror_in_partitions(copied)
    rows = present(copied, "crm.parts")
    copied.run("TRUNCATE crm.part_0")
    assert 0 < copied.value("SELECT count(*) FROM crm.parts") < len(rows)
    copied.sync(more=", reconcile => true")
    now = copied.value("SELECT clock_timestamp()")
    assert as_of(copied, "crm.parts", now) == present(copied, "crm.parts") == rows


def test_a_comparison_notes_what_went_and_came_with_a_partition(copied: Copied) -> None:
    """Also of records that Pipedrive has deleted meanwhile, and of rows that a partition brings."""
    mirror_in_partitions(copied)
    ids = [key for (key,) in copied.rows("SELECT id FROM crm.part_0")]
    copied.run("DELETE FROM crm.part_0")
    for key in ids:
        copied.simulator.change([{"method": "DELETE", "path": f"deals/{key}"}])
    copied.sync(more=", reconcile => true")
    now = copied.value("SELECT clock_timestamp()")
    assert as_of(copied, "crm.parts", now) == present(copied, "crm.parts") != {}
    copied.run("ALTER TABLE crm.parts DETACH PARTITION crm.part_1")
    with pytest.raises(psycopg.Error, match="no partition of relation"):
        copied.sync()
    copied.run("ALTER TABLE crm.parts ATTACH PARTITION crm.part_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)")
    copied.sync(more=", reconcile => true")
    now = copied.value("SELECT clock_timestamp()")
    assert as_of(copied, "crm.parts", now) == present(copied, "crm.parts") != {}
    assert copied.value("SELECT count(*) FROM crm_history.deals WHERE valid_to <= valid_from") == 0


def test_a_history_that_was_dropped_is_no_trouble(copied: Copied) -> None:
    copied.mirror(["stages"], ", history => true")
    copied.sync()
    copied.run("DROP TABLE crm_history.stages")
    copied.simulator.change([{"method": "PATCH", "path": "stages/1", "body": {"name": "Renamed"}}])
    copied.sync()
    assert copied.value("SELECT name FROM crm.stages WHERE id = 1") == "Renamed"
    with pytest.raises(psycopg.Error, match=r"crm\.stages has no history"):
        copied.rows("SELECT pipedrive.as_of('crm.stages', now())")
    copied.mirror(["stages"], ", history => true")
    copied.simulator.change([{"method": "PATCH", "path": "stages/1", "body": {"name": "Again"}}])
    copied.sync()
    assert copied.rows("SELECT name FROM crm_history.stages WHERE id = 1 ORDER BY valid_from") == [
        ("Renamed",),
        ("Again",),
    ]


def new_field(copied: Copied) -> str:
    """The key of a new field "Shoe size" of persons; its foreign table has no column for it yet."""
    body = json.dumps({"field_name": "Shoe size", "field_type": "double"})
    return str(
        copied.value(
            f"SELECT pipedrive.request('POST', '/v2/personFields', body => '{body}') ->> 'field_code'"
        )
    )


def test_a_new_column_gets_no_name_that_the_history_has(copied: Copied) -> None:
    first = new_field(copied)
    copied.run("SELECT pipedrive.refresh_columns('pipedrive.persons', true)")
    copied.mirror(["persons"], ", history => true")
    copied.simulator.change(
        [{"method": "PATCH", "path": "persons/3", "body": {"custom_fields": {first: 43}}}]
    )
    copied.sync()
    second = new_field(copied)
    copied.run(f"SELECT pipedrive.request('DELETE', '/v2/personFields/{first}')")
    for table in ("TABLE crm", "FOREIGN TABLE pipedrive"):
        copied.run(f"ALTER {table}.persons DROP COLUMN shoe_size")
    copied.simulator.change(
        [{"method": "PATCH", "path": "persons/3", "body": {"custom_fields": {second: 44}}}]
    )
    copied.sync(more=", reconcile => true")
    assert copied.value("SELECT shoe_size FROM pipedrive.persons WHERE id = 3") == 44
    assert copied.value("SELECT shoe_size_2 FROM crm.persons WHERE id = 3") == 44
    assert copied.rows(
        "SELECT shoe_size, shoe_size_2 FROM crm_history.persons WHERE id = 3 ORDER BY valid_from"
    ) == [(43, None), (None, 44)]


def test_a_virtual_column_of_the_copy_is_not_in_its_history(copied: Copied) -> None:
    """A trigger sees something else than its value."""
    if copied.server.engine.major < 18:
        pytest.skip("virtual columns came with PostgreSQL 18")
    copied.mirror(["stages"])
    copied.sync()
    copied.run("ALTER TABLE crm.stages ADD loud text GENERATED ALWAYS AS (upper(name)) VIRTUAL NOT NULL")
    copied.run("ALTER TABLE crm.stages ADD kept text GENERATED ALWAYS AS (upper(name)) STORED")
    copied.mirror(["stages"], ", history => true")
    copied.simulator.change([{"method": "PATCH", "path": "stages/1", "body": {"name": "changed"}}])
    copied.sync("crm.stages")
    assert copied.value("SELECT loud FROM crm.stages WHERE id = 1") == "CHANGED"
    assert copied.rows(
        "SELECT name, kept, to_jsonb(h) ->> 'loud' FROM crm_history.stages h WHERE id = 1 ORDER BY valid_from"
    ) == [("Qualified", "QUALIFIED", None), ("changed", "CHANGED", None)]


def test_columns_that_exchange_their_names_do_so_in_the_copy(copied: Copied) -> None:
    columns = ("title", "lost_reason", "origin")
    copied.mirror(["deals"], ", history => true")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    rows = copied.rows(f"SELECT id, {', '.join(columns)} FROM pipedrive.deals ORDER BY id")
    for column in columns:
        copied.run(f"ALTER FOREIGN TABLE pipedrive.deals ALTER {column} OPTIONS (ADD column '{column}')")
    names = dict(zip(columns, (*columns[1:], columns[0])))
    for old, new in [(column, f"{column}_") for column in columns] + [(f"{o}_", n) for o, n in names.items()]:
        copied.run(f"ALTER FOREIGN TABLE pipedrive.deals RENAME {old} TO {new}")
    copied.sync(more=", reconcile => true")
    renamed = f"SELECT id, {', '.join(names[column] for column in columns)} FROM"
    assert copied.rows(f"{renamed} pipedrive.deals ORDER BY id") == rows
    assert copied.rows(f"{renamed} crm.deals ORDER BY id") == rows
    assert (
        copied.rows(
            f"{renamed} pipedrive.as_of('crm.deals', '{moment}') o, "
            "jsonb_populate_record(NULL::crm.deals, o) ORDER BY id"
        )
        == rows
    )
    assert copied.value("SELECT count(*) FROM crm_history.deals WHERE valid_to IS NOT NULL") == 0


def restored(copied: Copied, table: str, moment: dt.datetime, more: str = "") -> list[dict[str, Any]]:
    return [
        row
        for (row,) in copied.rows(
            f"SELECT to_jsonb(r) FROM pipedrive.restore('crm.{table}', "
            f"as_of => '{moment.isoformat()}'{more}) r"
        )
    ]


def test_records_are_brought_back(copied: Copied) -> None:
    copied.mirror(
        ["users", "stages", "pipelines", "organizations", "persons", "deals", "products", "notes"],
        ", history => true",
    )
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    person, org = copied.rows(
        "SELECT id, org_id FROM crm.persons WHERE org_id IS NOT NULL ORDER BY id LIMIT 1"
    )[0]
    before = {
        name: copied.rows(f"SELECT {columns} FROM crm.{name} WHERE id = {key}")
        for name, columns, key in (
            ("organizations", "name, owner_id, visible_to", org),
            ("persons", "name, emails, phones", person),
            ("products", "name, code, prices::text ~ '29.97'", 3),
            ("deals", "title, value, currency, stage_id", 5),
            ("notes", "content", 2),
        )
    }
    copied.run(
        f"DELETE FROM pipedrive.organizations WHERE id = {org};"
        f"DELETE FROM pipedrive.persons WHERE id = {person};"
        "DELETE FROM pipedrive.products WHERE id = 3;"
        "UPDATE pipedrive.deals SET title = 'wrong', value = 1 WHERE id = 5;"
        "UPDATE pipedrive.notes SET content = 'wrong' WHERE id = 2"
    )
    copied.sync(more=", reconcile => true")
    copied.simulator.reset()
    planned = restored(copied, "deals", moment, ", ids => '{5}'")
    assert [(row["id"], row["action"], row["given"]["title"]) for row in planned] == [
        ("5", "update", before["deals"][0][0])
    ]
    assert {r["method"] for r in copied.simulator.requests()} == {"GET"}
    new = {}
    for name, key in (
        ("organizations", org),
        ("persons", person),
        ("products", 3),
        ("deals", 5),
        ("notes", 2),
    ):
        rows = restored(copied, name, moment, f", ids => '{{{key}}}', dry_run => false")
        assert [(row["id"], row["problem"]) for row in rows] == [(str(key), None)], name
        new[name] = rows[0]["new_id"] or key
    assert (new["deals"], new["notes"]) == (5, 2)
    copied.sync()
    for name, rows in before.items():
        columns = {
            "organizations": "name, owner_id, visible_to",
            "persons": "name, emails, phones",
            "products": "name, code, prices::text ~ '29.97'",
            "deals": "title, value, currency, stage_id",
            "notes": "content",
        }[name]
        assert copied.rows(f"SELECT {columns} FROM crm.{name} WHERE id = {new[name]}") == rows, name
    assert copied.value(f"SELECT org_id FROM crm.persons WHERE id = {new['persons']}") == int(
        new["organizations"]
    )
    assert restored(copied, "deals", moment, ", ids => '{5}'") == []


_PRICES = (
    "(SELECT jsonb_agg(jsonb_build_array(p -> 'currency', p -> 'price', p -> 'cost') "
    "ORDER BY p ->> 'currency') FROM jsonb_array_elements(prices) p)"
)
# What a record has, and what is changed of it
_RECORDS = {
    "persons": ("name, emails, phones, org_id", "name = 'wrong', emails = '[]', org_id = NULL"),
    "products": (
        f"name, code, unit, {_PRICES}",
        'name = \'wrong\', code = NULL, prices = \'[{"currency": "EUR", "price": 1}]\'',
    ),
    "deals": ("title, value, currency, stage_id, person_id", "title = 'wrong', value = 1, person_id = NULL"),
    "notes": ("content, user_id, deal_id, person_id, org_id", "content = 'wrong'"),
}


@pytest.mark.parametrize(
    "change", ["UPDATE pipedrive.{0} SET {1} WHERE id = {2}", "DELETE FROM pipedrive.{0} WHERE id = {2}"]
)
def test_every_value_that_can_be_given_is_brought_back(copied: Copied, change: str) -> None:
    copied.mirror(["users", "stages", "pipelines", "organizations", *_RECORDS], ", history => true")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    keys = {"persons": 3, "products": 3, "deals": 7, "notes": 2}
    row = "SELECT {} FROM crm.{} WHERE id = {}"
    before = {name: copied.rows(row.format(_RECORDS[name][0], name, key)) for name, key in keys.items()}
    for name, key in keys.items():
        copied.run(change.format(name, _RECORDS[name][1], key))
    copied.sync(more=", reconcile => true")
    for name, key in keys.items():
        assert copied.rows(row.format(_RECORDS[name][0], name, key)) != before[name], name
        ((one),) = restored(copied, name, moment, f", ids => '{{{key}}}', dry_run => false")
        assert (one["id"], one["problem"]) == (str(key), None), name
        keys[name] = int(one["new_id"] or key)
    copied.sync(more=", reconcile => true")
    for name, key in keys.items():
        assert copied.rows(row.format(_RECORDS[name][0], name, key)) == before[name], name


def test_the_values_of_a_deleted_field_are_named_as_left_out(copied: Copied) -> None:
    key = new_field(copied)
    copied.run("SELECT pipedrive.refresh_columns('pipedrive.persons', true)")
    size = {"custom_fields": {key: 43}}
    copied.simulator.change([{"method": "PATCH", "path": f"persons/{n}", "body": size} for n in (3, 4)])
    copied.mirror(["users", "persons"], ", history => true")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    copied.run(f"SELECT pipedrive.request('DELETE', '/v2/personFields/{key}')")
    copied.run("UPDATE pipedrive.persons SET name = 'wrong' WHERE id IN (3, 5)")
    copied.run("DELETE FROM pipedrive.persons WHERE id = 4")
    copied.sync(more=", reconcile => true")
    for _ in range(2):
        rows = restored(copied, "persons", moment, ", ids => '{3,4,5,6}'")
        named = [(row["id"], row["action"], "shoe_size" in (row["left_out"] or ())) for row in rows]
        assert named == [("3", "update", True), ("4", "insert", True), ("5", "update", False)]
        # Nor can they be brought back when the column of the foreign table is gone as well
        copied.run("ALTER FOREIGN TABLE pipedrive.persons DROP COLUMN IF EXISTS shoe_size")
    copied.run("ALTER TABLE crm.persons DROP COLUMN shoe_size")
    assert copied.rows("SELECT columns_gone FROM pipedrive.sync_status") == [(None,), (None,)]


def test_what_cannot_be_brought_back_is_said(copied: Copied) -> None:
    copied.mirror(["users", "deals", "deal_followers"], ", history => true")
    copied.sync()
    with pytest.raises(psycopg.Error, match="rows of crm.deal_followers cannot be restored"):
        restored(copied, "deal_followers", copied.value("SELECT now()"))
    copied.simulator.change([{"method": "DELETE", "path": "deals/5"}])
    moment = copied.value("SELECT clock_timestamp()")
    copied.simulator.faults([{"match": "/deals", "method": "POST", "action": "status", "status": 403}])
    (row,) = restored(copied, "deals", moment, ", ids => '{5}', dry_run => false")
    assert row["problem"].startswith("pipedrive ")
    assert {"add_time", "is_deleted"} <= set(row["left_out"])


def test_a_record_is_brought_back_once(copied: Copied) -> None:
    copied.mirror(["users", "stages", "pipelines", "organizations", "persons", "deals"], ", history => true")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    deal, person = copied.rows(
        "SELECT id, person_id FROM crm.deals WHERE person_id IS NOT NULL ORDER BY id LIMIT 1"
    )[0]
    copied.run(
        f"DELETE FROM pipedrive.persons WHERE id = {person}; DELETE FROM pipedrive.deals WHERE id = {deal}"
    )
    again = {}
    for table, key in (("persons", person), ("deals", deal)):
        (first,) = restored(copied, table, moment, f", ids => '{{{key}}}', dry_run => false")
        assert (first["action"], first["problem"]) == ("insert", None)
        again[table] = first["new_id"]
        assert restored(copied, table, moment, f", ids => '{{{key}}}', dry_run => false") == []
    copied.run(f"UPDATE pipedrive.deals SET title = 'wrong', person_id = NULL WHERE id = {again['deals']}")
    (row,) = restored(copied, "deals", moment, f", ids => '{{{deal}}}', dry_run => false")
    assert (row["id"], row["action"], row["new_id"], row["problem"]) == (
        str(deal),
        "update",
        again["deals"],
        None,
    )
    assert copied.value(f"SELECT person_id FROM pipedrive.deals WHERE id = {again['deals']}") == int(
        again["persons"]
    )
    copied.run(f"DELETE FROM pipedrive.deals WHERE id = {again['deals']}")
    (row,) = restored(copied, "deals", moment, f", ids => '{{{deal}}}', dry_run => false")
    assert (row["action"], row["problem"]) == ("insert", None)
    assert row["new_id"] != again["deals"]


@pytest.mark.parametrize("style", ["ISO", "SQL, DMY"])
def test_a_column_that_came_later_keeps_its_values(copied: Copied, style: str) -> None:
    copied.mirror(["users", "persons"], ", history => true")
    copied.sync()
    key = new_field(copied)
    size = json.dumps({"custom_fields": {key: 43}})
    copied.value(f"SELECT pipedrive.request('PATCH', '/v2/persons/3', body => '{size}')")
    before = copied.value("SELECT clock_timestamp()")
    copied.simulator.faults([{"match": "/persons", "action": "status", "status": 403}])
    with pytest.raises(psycopg.Error, match="could not be updated"):
        copied.sync(more=", reconcile => true")
    between = copied.value("SELECT clock_timestamp()")
    copied.simulator.faults([])
    copied.run(f"SET datestyle = '{style}'; SET timezone = 'Asia/Kolkata'")
    copied.sync(more=", reconcile => true")
    copied.run("RESET datestyle; RESET timezone")
    after = copied.value("SELECT clock_timestamp()")
    assert copied.value("SELECT shoe_size FROM crm.persons WHERE id = 3") == 43
    for moment in (before, between):
        assert restored(copied, "persons", moment, ", ids => '{3}'") == []
    copied.run("UPDATE pipedrive.persons SET shoe_size = 44, name = 'wrong' WHERE id IN (3, 4)")
    assert [sorted(row["given"]) for row in restored(copied, "persons", before, ", ids => '{3,4}'")] == [
        ["name"],
        ["name"],
    ]
    rows = restored(copied, "persons", after, ", ids => '{3,4}'")
    assert [row["given"]["shoe_size"] for row in rows] == [43, None]


def test_values_of_fields_without_columns_are_named_as_left_out(copied: Copied) -> None:
    copied.run(
        "CREATE SCHEMA plain; IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (users, persons) "
        "FROM SERVER pipedrive INTO plain OPTIONS (custom_fields 'false')"
    )
    copied.run("SELECT pipedrive.mirror('plain', 'crm', history => true)")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    copied.run(
        "UPDATE plain.persons SET name = 'wrong' WHERE id = 3; DELETE FROM plain.persons WHERE id = 4;"
        "UPDATE pipedrive.persons SET name = 'wrong', person_double = 7 WHERE id = 5"
    )
    named = [
        (row["id"], row["action"], "custom_fields" in (row["left_out"] or ()))
        for row in restored(copied, "persons", moment, ", ids => '{3,4,5}'")
    ]
    assert named == [("3", "update", False), ("4", "insert", True), ("5", "update", True)]


def test_a_role_that_does_not_keep_a_copy_is_told_so(copied: Copied) -> None:
    copied.mirror(["stages"], ", history => true")
    copied.run("DROP ROLE IF EXISTS copy_reader; CREATE ROLE copy_reader")
    copied.run("GRANT USAGE ON SCHEMA pipedrive, crm TO copy_reader")
    copied.run("GRANT EXECUTE ON FUNCTION pipedrive.as_of TO copy_reader; SET ROLE copy_reader")
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            copied.rows("SELECT pipedrive.as_of('crm.stages', now())")
        assert (
            caught.value.diag.message_primary == "pipedrive copy: crm.stages does not belong to copy_reader"
        )
    finally:
        copied.run("RESET ROLE; DROP OWNED BY copy_reader; DROP ROLE copy_reader")


def test_many_rows_without_a_key_are_not_compared_each_with_each(copied: Copied) -> None:
    copied.mirror(["persons", "person_emails"], ", history => true")
    copied.run(
        "INSERT INTO crm.person_emails (person_id, row_id, value) "
        "SELECT n, n, n FROM generate_series(1, 30000) n;"
        "INSERT INTO crm.person_emails (person_id, row_id) VALUES (1, 1), (1, 1)"
    )
    copied.run("SET statement_timeout = '60s'")
    copied.run("DELETE FROM crm.person_emails WHERE value IS NOT NULL")
    assert copied.rows(
        "SELECT count(*), count(valid_to), count(DISTINCT person_id) FILTER (WHERE valid_to IS NULL) "
        "FROM crm_history.person_emails"
    ) == [(30002, 30000, 1)]


def test_a_not_null_that_is_not_valid_keeps_no_version_open(copied: Copied) -> None:
    """Rows that were there before may be NULL, and a table without a key compares such columns."""
    if copied.server.engine.major < 18:
        pytest.skip("NOT NULL can be NOT VALID from PostgreSQL 18 on")
    copied.mirror(["persons", "person_emails"], ", history => true")
    copied.run("INSERT INTO crm.person_emails (person_id, row_id, value) VALUES (1, 1, 'a'), (1, 2, NULL)")
    copied.run("ALTER TABLE crm.person_emails ADD CONSTRAINT later NOT NULL value NOT VALID")
    copied.run("DELETE FROM crm.person_emails")
    assert as_of(copied, "crm.person_emails", copied.value("SELECT clock_timestamp()")) == Counter()
    assert copied.rows("SELECT row_id, valid_to IS NULL FROM crm_history.person_emails ORDER BY row_id") == [
        ("1", False),
        ("2", False),
    ]


@pytest.mark.parametrize("moment", ["-infinity", "2020-01-01 00:00:00+00"])
def test_a_moment_before_the_history_began_is_refused(copied: Copied, moment: str) -> None:
    """No rows would say that there was nothing, and that all is as it was."""
    copied.mirror(["users", "stages"], ", history => true")
    call = "SELECT * FROM pipedrive.{}"
    assert copied.rows(call.format(f"as_of('crm.stages', '{moment}')")) == []
    copied.sync()
    for shown in (f"as_of('crm.stages', '{moment}')", f"restore('crm.stages', '{moment}')"):
        with pytest.raises(psycopg.Error, match=r"the history of crm\.stages begins at 20") as caught:
            copied.rows(call.format(shown))
        assert caught.value.diag.message_detail == f"It does not tell what there was at {moment[:22]}."
    began = copied.value("SELECT min(valid_from) FROM crm_history.stages")
    for known in (began, "infinity"):
        assert len(copied.rows(call.format(f"as_of('crm.stages', '{known}')"))) == copied.value(
            "SELECT count(*) FROM crm.stages"
        )


def test_a_history_whose_rows_policies_hide_is_not_shown_in_part(copied: Copied) -> None:
    with copyist(copied):
        copied.run("SET ROLE copyist")
        copied.mirror(["users", "stages"], ", history => true")
        copied.sync()
        copied.run("ALTER TABLE crm_history.stages ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        for call in ("as_of('crm.stages', now())", "restore('crm.stages', now())"):
            with pytest.raises(psycopg.Error, match=r"policies hide rows of crm_history\.stages"):
                copied.rows(f"SELECT * FROM pipedrive.{call}")
