"""What is brought back refers to what was made anew, wherever it names it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.sync.copied import Copied
from tests.sync.test_history import restored
from tests.sync.test_trouble import copyist
from tools.engine import Server


@pytest.fixture
def copied(server: Server) -> Iterator[Copied]:
    with Copied(server, deals=12) as made:
        yield made


def brought_back(copied: Copied, table: str, moment: dt.datetime, *ids: int) -> list[int]:
    """The new ids of these records, or their own where they were only changed."""
    rows = restored(copied, table, moment, f", ids => '{{{','.join(map(str, ids))}}}', dry_run => false")
    assert [(row["id"], row["problem"]) for row in rows] == [(str(key), None) for key in ids], table
    return [int(row["new_id"] or row["id"]) for row in rows]


@pytest.mark.parametrize("quotes", ["off", "on"])  # around names of types, too
def test_custom_fields_refer_to_the_record_that_was_made_anew(copied: Copied, quotes: str) -> None:
    copied.run(f"SET quote_all_identifiers = {quotes}")
    copied.mirror(["users", "organizations", "persons"], ", history => true")
    copied.run("UPDATE pipedrive.persons SET person_org_id = 3, person_people_id = 2 WHERE id IN (4, 5)")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    copied.run(
        "DELETE FROM pipedrive.persons WHERE id IN (2, 4); DELETE FROM pipedrive.organizations WHERE id = 3;"
        "UPDATE pipedrive.persons SET person_org_id = NULL, person_people_id = NULL WHERE id = 5"
    )
    (organization,) = brought_back(copied, "organizations", moment, 3)
    # One of them is made anew in the same call
    person, fourth, fifth = brought_back(copied, "persons", moment, 2, 4, 5)
    for name in (fourth, fifth):
        assert copied.rows(
            "SELECT person_org_id, person_org -> 'value', person_people_id, person_people -> 'value' "
            f"FROM pipedrive.persons WHERE id = {name}"
        ) == [(organization, organization, person, person)]
    assert restored(copied, "persons", moment, ", ids => '{2,4,5}'") == []


def test_a_record_that_the_history_does_not_have_then_is_named(copied: Copied) -> None:
    """Without a row, it would seem to be as it was."""
    copied.mirror(["users", "persons"], ", history => true")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    later = copied.value("INSERT INTO pipedrive.persons (name) VALUES ('Later') RETURNING id")
    copied.sync()
    missing = "pipedrive copy: the history has no version of this record at that moment"
    rows = restored(copied, "persons", moment, f", ids => ARRAY['2', '{later}', '099999', '99999', NULL]")
    found = [(row["id"], row["action"], row["problem"]) for row in rows]
    assert sorted(found, key=str) == sorted(
        ((name, None, missing) for name in (str(later), "99999")), key=str
    )


def test_what_still_refers_to_the_record_that_was_deleted_refers_to_the_new_one(copied: Copied) -> None:
    """Pipedrive leaves the id of a deleted person where it stands."""
    copied.mirror(["users", "persons", "deals", "notes"], ", history => true")
    copied.run(
        "UPDATE pipedrive.deals SET person_id = 2 WHERE id = 5; UPDATE pipedrive.notes SET person_id = 2"
    )
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    copied.run("DELETE FROM pipedrive.persons WHERE id = 2")
    copied.sync()
    assert copied.value("SELECT person_id FROM pipedrive.deals WHERE id = 5") == 2
    assert restored(copied, "deals", moment, ", ids => '{5}'") == []
    (person,) = brought_back(copied, "persons", moment, 2)
    assert brought_back(copied, "deals", moment, 5) == [5]
    assert copied.value("SELECT person_id FROM pipedrive.deals WHERE id = 5") == person
    assert restored(copied, "deals", moment, ", ids => '{5}'") == []
    given = [row["given"] for row in restored(copied, "notes", moment, ", ids => '{2,3}'")]
    assert given == [{"person_id": person}] * 2


@pytest.mark.parametrize("quoted", ["off", "on"])
def test_lists_refer_to_the_records_that_were_made_anew(copied: Copied, quoted: str) -> None:
    copied.run(f"SET quote_all_identifiers = {quoted}")
    copied.mirror(["users", "persons", "activities", "lead_labels", "leads"], ", history => true")
    people: list[dict[str, Any]] = [
        {"person_id": 2, "primary": True},
        {"person_id": 3, "primary": False},
    ]
    label = copied.value("SELECT id FROM pipedrive.lead_labels ORDER BY id LIMIT 1")
    other = copied.value("SELECT id FROM pipedrive.lead_labels ORDER BY id OFFSET 1 LIMIT 1")
    lead = copied.value("SELECT id FROM pipedrive.leads WHERE NOT is_archived ORDER BY id LIMIT 1")
    copied.run(f"UPDATE pipedrive.activities SET participants = '{json.dumps(people)}' WHERE id IN (4, 5)")
    copied.run(f"UPDATE pipedrive.leads SET label_ids = '{{{label},{other}}}' WHERE id = '{lead}'")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    copied.run(
        "DELETE FROM pipedrive.activities WHERE id = 4; DELETE FROM pipedrive.persons WHERE id = 3;"
        "UPDATE pipedrive.activities SET participants = '[]' WHERE id = 5;"
        f"UPDATE pipedrive.leads SET label_ids = '{{}}' WHERE id = '{lead}';"
        f"DELETE FROM pipedrive.lead_labels WHERE id = '{label}'"
    )
    (people[1]["person_id"],) = brought_back(copied, "persons", moment, 3)
    for activity in brought_back(copied, "activities", moment, 4, 5):
        assert copied.value(f"SELECT participants FROM pipedrive.activities WHERE id = {activity}") == people
    assert restored(copied, "activities", moment, ", ids => '{4,5}'") == []
    ((new_label,),) = copied.rows(
        f"SELECT new_id FROM pipedrive.restore('crm.lead_labels', '{moment}', '{{{label}}}', false)"
    )
    assert copied.rows(
        f"SELECT problem FROM pipedrive.restore('crm.leads', '{moment}', '{{{lead}}}', false)"
    ) == [(None,)]
    assert [
        str(one) for one in copied.value(f"SELECT label_ids FROM pipedrive.leads WHERE id = '{lead}'")
    ] == [new_label, str(other)]


def test_prices_belong_to_the_product_that_was_made_anew(copied: Copied) -> None:
    copied.mirror(["users", "products"], ", history => true")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    prices = "SELECT (prices -> 0 ->> 'price')::numeric FROM pipedrive.products WHERE id = {}"
    before = copied.value(prices.format(3))
    copied.run("DELETE FROM pipedrive.products WHERE id = 3")
    (product,) = brought_back(copied, "products", moment, 3)
    assert restored(copied, "products", moment, ", ids => '{3}'") == []
    copied.run(
        f'UPDATE pipedrive.products SET prices = \'[{{"currency": "EUR", "price": 1}}]\' WHERE id = {product}'
    )
    brought = restored(copied, "products", moment, ", ids => '{3}', dry_run => false")
    assert [(row["action"], row["new_id"], row["problem"]) for row in brought] == [
        ("update", str(product), None)
    ]
    assert copied.value(prices.format(product)) == before


def test_a_record_refers_to_another_one_of_the_same_table(copied: Copied) -> None:
    copied.mirror(["users", "projects", "boards", "phases", "tasks"], ", history => true")
    copied.sync()
    parent, child = (
        copied.value(
            "INSERT INTO pipedrive.tasks (title, project_id, parent_task_id) "
            f"SELECT '{title}', min(id), {of} FROM pipedrive.projects RETURNING id"
        )
        for title, of in (("parent", "NULL"), ("child", "(SELECT max(id) FROM pipedrive.tasks)"))
    )
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    copied.run(f"DELETE FROM pipedrive.tasks WHERE id = {child}")
    copied.run(f"DELETE FROM pipedrive.tasks WHERE id = {parent}")
    new_parent, new_child = brought_back(copied, "tasks", moment, parent, child)
    assert new_parent != parent
    assert copied.value(f"SELECT parent_task_id FROM pipedrive.tasks WHERE id = {new_child}") == new_parent


def test_what_others_have_read_is_not_taken_for_what_is_there(copied: Copied) -> None:
    copied.mirror(["users", "deals"], ", history => true")
    copied.sync()
    copied.run("ALTER SERVER pipedrive OPTIONS (ADD cache_ttl '300')")
    moment = copied.value("SELECT clock_timestamp()")
    assert restored(copied, "deals", moment) == []
    changes = [{"method": "PATCH", "path": "deals/5", "body": {"title": "changed"}}]
    copied.simulator.change([*changes, {"method": "DELETE", "path": "deals/6"}])
    rows = restored(copied, "deals", moment)
    assert [(row["id"], row["action"]) for row in rows] == [("5", "update"), ("6", "insert")]


def test_a_record_that_would_be_made_at_commit_is_not_made(copied: Copied) -> None:
    copied.mirror(["users", "deals"], ", history => true")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    changes = [{"method": "PATCH", "path": "deals/5", "body": {"title": "changed"}}]
    copied.simulator.change([*changes, {"method": "DELETE", "path": "deals/6"}])
    copied.run("ALTER SERVER pipedrive OPTIONS (ADD write_mode 'commit')")
    first, second = restored(copied, "deals", moment, ", dry_run => false")
    assert (first["id"], first["problem"]) == ("5", None)
    assert (second["id"], second["new_id"]) == ("6", None)
    assert "write_mode 'commit'" in second["problem"]
    assert [(r["method"], r["path"]) for r in copied.simulator.requests() if r["method"] != "GET"] == [
        ("PATCH", "/api/v2/deals/5")
    ]
    copied.run("ALTER SERVER pipedrive OPTIONS (DROP write_mode)")
    ((row),) = restored(copied, "deals", moment, ", dry_run => false")
    assert (row["action"], row["problem"]) == ("insert", None)


def test_two_calls_at_once_do_not_make_a_record_twice(copied: Copied) -> None:
    copied.mirror(["users", "persons"], ", history => true")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    copied.run("DELETE FROM pipedrive.persons WHERE id = 2")
    copied.simulator.reset()
    copied.simulator.faults([{"match": "/persons", "action": "delay", "ms": 1000, "method": "POST"}])

    def restore(number: int) -> list[tuple[Any, ...]]:
        with copied.database.connect() as session:
            return session.execute(
                "SELECT id, action, problem FROM pipedrive.restore('crm.persons', %s, dry_run => false)",
                [moment],
            ).fetchall()

    with ThreadPoolExecutor(2) as pool:
        first, second = sorted(pool.map(restore, range(2)))
    assert (first, second) == ([], [("2", "insert", None)])
    assert [r["method"] for r in copied.simulator.requests()].count("POST") == 1
    assert restored(copied, "persons", moment) == []


@pytest.mark.parametrize(
    ("fault", "hint"),
    [
        (
            {"status": 429, "headers": {"x-daily-requests-left": "0"}, "times": 9},
            "Try again in some seconds",
        ),
        ({"status": 401, "times": 9}, "Correct it where it is kept: ALTER USER MAPPING"),
    ],
    ids=["the day's tokens", "the credential"],
)
def test_what_would_fail_for_every_record_is_not_tried_for_every_record(
    copied: Copied, fault: dict[str, Any], hint: str
) -> None:
    copied.mirror(["users", "deals"], ", history => true")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    copied.simulator.change(
        [{"method": "PATCH", "path": f"deals/{key}", "body": {"title": "changed"}} for key in (5, 6, 7)]
    )
    copied.simulator.reset()
    copied.simulator.faults([{"match": "/deals/6", "method": "PATCH", "action": "status", **fault}])
    first, second, third = restored(copied, "deals", moment, ", ids => '{5,6,7}', dry_run => false")
    assert first["problem"] is None
    assert second["problem"] == third["problem"] is not None
    assert hint in second["problem"]
    assert [r["path"] for r in copied.simulator.requests()].count("/api/v2/deals/7") == 1  # it was compared
    copied.simulator.reset()
    copied.connect_anew()
    rows = restored(copied, "deals", moment, ", ids => '{5,6,7}', dry_run => false")
    assert [(row["id"], row["problem"]) for row in rows] == [("6", None), ("7", None)]


@pytest.mark.parametrize(
    ("call", "needs"),
    [
        ("as_of('crm.deals', NULL)", "as_of needs table, moment"),
        ("as_of(NULL, now())", "as_of needs table, moment"),
        ("restore('crm.deals', as_of => NULL)", "restore needs table, as_of"),
        ("restore(NULL, as_of => now())", "restore needs table, as_of"),
    ],
)
def test_a_table_and_a_moment_are_needed(copied: Copied, call: str, needs: str) -> None:
    copied.mirror(["users", "deals"], ", history => true")
    with pytest.raises(psycopg.errors.NullValueNotAllowed, match=needs):
        copied.rows(f"SELECT * FROM pipedrive.{call}")


@pytest.mark.parametrize("table", ["deals", "leads"])
def test_a_record_that_leaves_the_archive_while_the_lists_are_read_is_not_made_again(
    copied: Copied, table: str
) -> None:
    """It is in neither list."""
    copied.mirror(["users", table], ", history => true")
    number = copied.simulator.records(table)[4]["id"]
    archived, back = (
        {"method": "PATCH", "path": f"{table}/{number}", "body": {"is_archived": flag}}
        for flag in (True, False)
    )
    copied.simulator.change([archived])
    copied.sync()
    copied.simulator.reset()
    copied.simulator.faults([{"match": f"/{table}/archived", "action": "change", "body": [back], "times": 1}])
    moment = copied.value("SELECT clock_timestamp()")
    (row,) = restored(copied, table, moment, ", dry_run => false")
    assert (row["id"], row["new_id"], row["action"]) == (str(number), None, "insert")
    assert row["problem"].startswith("pipedrive copy: the record is not gone")
    assert "POST" not in {r["method"] for r in copied.simulator.requests()}
    # It is compared by the next call
    (row,) = restored(copied, table, moment, ", dry_run => false") if table == "deals" else (None,)
    assert row is None or (row["action"], row["problem"]) == ("update", None)


def test_a_record_that_pipedrive_refuses_to_show_is_not_made_again(copied: Copied) -> None:
    """The lists leave out what the credential's user may no longer see."""
    copied.mirror(["users", "persons"], ", history => true")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    copied.simulator.change(
        [{"method": "DELETE", "path": "persons/2"}, {"method": "DELETE", "path": "persons/3"}]
    )
    copied.simulator.reset()
    copied.simulator.faults([{"match": "/persons/2$", "action": "status", "status": 403}])
    hidden, gone = restored(copied, "persons", moment, ", dry_run => false")
    assert (hidden["id"], hidden["new_id"], hidden["action"]) == ("2", None, "insert")
    assert hidden["problem"].startswith("pipedrive copy: nobody knows whether the record is gone or hidden")
    assert (gone["id"], gone["problem"]) == ("3", None)
    assert [r["method"] for r in copied.simulator.requests()].count("POST") == 1


@pytest.mark.parametrize("owner", ["FOREIGN TABLE pipedrive.deals", "SERVER pipedrive"])
def test_a_record_that_may_be_archived_is_not_made_again(copied: Copied, owner: str) -> None:
    """Where archived records are not shown, one of them cannot be told from one that is gone."""
    copied.mirror(["users", "deals", "persons"], ", history => true")
    copied.run(f"ALTER {owner} OPTIONS (ADD archived 'exclude')")
    flag = {"method": "PATCH", "path": "deals/6"}
    copied.simulator.change([{**flag, "body": {"is_archived": False}}])
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    copied.simulator.change([{**flag, "body": {"is_archived": True}}])
    copied.sync(more=", reconcile => true")
    copied.simulator.reset()
    (row,) = restored(copied, "deals", moment, ", dry_run => false")
    assert (row["id"], row["new_id"], row["action"]) == ("6", None, "insert")
    assert row["problem"].startswith("pipedrive copy: nobody knows whether the record is gone or archived")
    assert "POST" not in {r["method"] for r in copied.simulator.requests()}
    copied.run("DELETE FROM pipedrive.persons WHERE id = 2")
    brought_back(copied, "persons", moment, 2)  # which are never archived
    copied.run(f"ALTER {owner} OPTIONS (SET archived 'include')")
    (row,) = restored(copied, "deals", moment, ", dry_run => false")
    assert (row["action"], row["problem"]) == ("update", None)


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("DROP FOREIGN TABLE pipedrive.deals", "the foreign table of crm.deals was dropped"),
        ("ALTER TABLE crm.deals RENAME id TO number", "crm.deals cannot be restored without its column id"),
        (
            "ALTER FOREIGN TABLE pipedrive.deals DROP COLUMN id",
            "crm.deals cannot be restored without its column id",
        ),
    ],
)
def test_what_restore_cannot_do_without_is_named(copied: Copied, lost: str, words: str) -> None:
    copied.mirror(["users", "deals"], ", history => true")
    copied.sync()
    copied.run(lost)
    for ids in ("NULL", "'{5}'"):
        with pytest.raises(psycopg.Error) as caught:
            copied.rows(f"SELECT * FROM pipedrive.restore('crm.deals', now(), ids => {ids})")
        assert caught.value.diag.message_primary == f"pipedrive copy: {words}"
        assert caught.value.diag.message_hint


def test_what_was_made_anew_and_is_gone_again_has_one_successor(copied: Copied) -> None:
    """The record had its second id at a moment at which others refer to it by that."""
    copied.mirror(["users", "persons", "deals"], ", history => true")
    copied.run("UPDATE pipedrive.deals SET person_id = 2 WHERE id = 5")
    copied.sync()
    first = copied.value("SELECT clock_timestamp()")
    copied.run("DELETE FROM pipedrive.persons WHERE id = 2")
    (second_id,) = brought_back(copied, "persons", first, 2)
    copied.run(f"UPDATE pipedrive.deals SET person_id = {second_id} WHERE id = 5")
    copied.sync(more=", reconcile => true")
    second = copied.value("SELECT clock_timestamp()")
    copied.run(f"DELETE FROM pipedrive.persons WHERE id = {second_id}")
    (third_id,) = brought_back(copied, "persons", first, 2)
    assert len({2, second_id, third_id}) == 3
    copied.run("UPDATE pipedrive.deals SET person_id = NULL WHERE id = 5")
    assert [row["action"] for row in restored(copied, "persons", second) if row["action"] == "insert"] == []
    assert brought_back(copied, "deals", second, 5) == [5]
    assert copied.value("SELECT person_id FROM pipedrive.deals WHERE id = 5") == third_id


def test_an_id_may_be_written_in_every_form_of_its_type(copied: Copied) -> None:
    copied.mirror(["users", "deals", "leads"], ", history => true")
    copied.sync()
    moment = copied.value("SELECT clock_timestamp()")
    lead = str(copied.value("SELECT id FROM crm.leads WHERE NOT is_archived ORDER BY id LIMIT 1"))
    copied.run("UPDATE pipedrive.deals SET title = 'wrong' WHERE id IN (5, 6)")
    copied.run(f"UPDATE pipedrive.leads SET title = 'wrong' WHERE id = '{lead}'")
    for table, key, written in (("deals", "5", "{05,NULL}"), ("leads", lead, f"{{{lead.upper()}}}")):
        rows = restored(copied, table, moment, f", ids => '{written}'")
        assert [(row["id"], row["action"]) for row in rows] == [(key, "update")]
    assert restored(copied, "deals", moment, ", ids => '{}'") == []
    with pytest.raises(psycopg.Error, match='invalid input syntax for type bigint: "five"'):
        restored(copied, "deals", moment, ", ids => '{five}'")


def test_a_copy_is_restored_with_the_credential_that_keeps_it(copied: Copied) -> None:
    """That of a superuser may show fewer records, and those that it lacks were created again."""
    with copyist(copied):
        copied.run("SET ROLE copyist")
        copied.mirror(["users", "deals"], ", history => true")
        copied.sync()
        copied.run("RESET ROLE")
        moment = copied.value("SELECT clock_timestamp()")
        with pytest.raises(psycopg.Error, match=r"crm\.deals belongs to another role") as caught:
            restored(copied, "deals", moment, ", dry_run => false")
        assert caught.value.diag.message_hint == "SET ROLE copyist; then call restore again."
        copied.run("SET ROLE copyist")
        assert restored(copied, "deals", moment, ", dry_run => false") == []
