"""INSERT, UPDATE and DELETE in a real PostgreSQL: the requests that leave, the records they leave behind."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

TABLES = (
    "deals",
    "leads",
    "persons",
    "person_emails",
    "stages",
    "deal_followers",
    "role_assignments",
    "deal_products",
    "notes",
    "filters",
    "organization_relationships",
    "projects",
)


@pytest.fixture
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=60, tables=TABLES) as live:
        yield live


def sent(account: LiveAccount) -> list[tuple[str, str, Any]]:
    """Method, path and body of what is no GET."""
    out = []
    for r in account.requests():
        if r["method"] != "GET":
            body = r["body"]
            out.append((r["method"], r["path"], json.loads(body) if isinstance(body, str) and body else body))
    return out


@contextlib.contextmanager
def cancelled_after(account: LiveAccount, path: str) -> Iterator[None]:
    """Cancels the statement when the PATCH of *path* has been answered and the next one is on its way."""
    connection = account.connection
    assert connection is not None

    def wait() -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if any(r["method"] == "PATCH" and r["path"].endswith(path) for r in account.requests()):
                break
            time.sleep(0.05)
        time.sleep(0.5)
        connection.cancel()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


def test_an_insert_sends_what_is_not_null_and_returns_the_record(account: LiveAccount) -> None:
    rows = account.rows("INSERT INTO deals (title, value, currency) VALUES ('x', 10.5, NULL) RETURNING *")
    (request,) = sent(account)
    assert request == ("POST", "/api/v2/deals", {"title": "x", "value": 10.5})
    newest = max(account.simulator.records("deals"), key=lambda d: d["id"])
    assert rows[0][:2] == (newest["id"], "x")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO deals (title) VALUES ('x')",
        "INSERT INTO leads (title, person_id) VALUES ('x', 1)",
        "INSERT INTO projects (title, board_id, phase_id) VALUES ('x', 1, 1)",
    ],
)
def test_an_insert_returns_whether_the_record_is_archived(account: LiveAccount, sql: str) -> None:
    assert account.value(f"{sql} RETURNING is_archived") is False


def test_returning_gives_system_columns(account: LiveAccount) -> None:
    """An object-relational mapper may take xmin for the version of a row."""
    columns = "title, xmin::text, cmin::text, ctid::text, tableoid::regclass::text"
    for sql in (
        "INSERT INTO deals (title) VALUES ('x')",
        "UPDATE deals SET title = 'x' WHERE id = 3",
        "UPDATE deals SET title = 'x' WHERE id = 3",
        "DELETE FROM deals WHERE id = 3",
    ):
        assert account.rows(f"{sql} RETURNING {columns}") == [("x", "0", "0", "(4294967295,0)", "deals")]


def test_an_explicit_null_is_not_sent_by_an_insert(account: LiveAccount) -> None:
    account.run("INSERT INTO deals (title, value, label_ids, won_time) VALUES ('x', NULL, NULL, NULL)")
    assert sent(account) == [("POST", "/api/v2/deals", {"title": "x"})]


def test_an_update_sends_the_changed_columns_alone(account: LiveAccount) -> None:
    account.run("UPDATE deals SET title = title || '!', value = value WHERE id = 1")
    title = next(d["title"] for d in account.simulator.records("deals") if d["id"] == 1)
    assert sent(account) == [("PATCH", "/api/v2/deals/1", {"title": title})]
    assert title.endswith("!")
    assert account.value("SELECT title FROM deals WHERE id = 1") == title
    account.simulator.reset()
    account.run("UPDATE deals SET title = title WHERE id = 1")
    assert sent(account) == []


def test_rows_are_compared_by_type_in_any_time_zone(account: LiveAccount) -> None:
    account.run("SET TimeZone = 'Asia/Kolkata'")
    account.run("UPDATE deals SET value = value * 1.0, custom_fields = custom_fields WHERE stage_id = 3")
    assert sent(account) == []


def test_a_delete_goes_by_key(account: LiveAccount) -> None:
    account.run("DELETE FROM deals WHERE id = 2")
    assert sent(account) == [("DELETE", "/api/v2/deals/2", sent(account)[0][2])]
    assert account.rows("SELECT id FROM deals WHERE id = 2") == []


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("INSERT INTO deals (value) VALUES (1)", "column title of deals must be given"),
        ("INSERT INTO deals DEFAULT VALUES", "column title of deals must be given"),
        ("INSERT INTO deals (id, title) VALUES (1, 'x')", "column id of deals cannot be set by INSERT"),
        ("UPDATE deals SET custom_fields = '{}' WHERE id = 1", "custom_fields of deals cannot be changed"),
        ("UPDATE deals SET attrs = NULL WHERE id = 1", "attrs of deals cannot be changed"),
        ("UPDATE person_emails SET row_id = 'x' WHERE person_id = 1", "row_id of person_emails cannot be"),
        ("INSERT INTO deals (title, arr) VALUES ('x', 1)", "column arr of deals cannot be set by INSERT"),
        ("UPDATE deals SET id = 99 WHERE id = 1", "id of deals cannot be changed"),
        ("UPDATE deals SET title = NULL WHERE id = 1", "title of deals cannot be NULL"),
        (
            "UPDATE deals SET title = 'x' WHERE is_archived",
            "a row of deals with is_archived = true cannot be changed",
        ),
        ("UPDATE deal_followers SET user_id = 2 ", "deal_followers takes no UPDATE"),
    ],
)
def test_what_cannot_be_written_is_an_error_before_any_request(
    account: LiveAccount, sql: str, words: str
) -> None:
    with pytest.raises(psycopg.Error, match=words):
        account.run(sql)
    assert sent(account) == []


def test_an_email_is_changed_inside_its_person(account: LiveAccount) -> None:
    account.run("INSERT INTO person_emails (person_id, value, label) VALUES (1, 'new@example.org', 'work')")
    account.run("UPDATE person_emails SET label = 'home' WHERE person_id = 1 AND value = 'new@example.org'")
    person = next(p for p in account.simulator.records("persons") if p["id"] == 1)
    assert [e["label"] for e in person["emails"] if e["value"] == "new@example.org"] == ["home"]
    account.run("DELETE FROM person_emails WHERE person_id = 1 AND value = 'new@example.org'")
    person = next(p for p in account.simulator.records("persons") if p["id"] == 1)
    assert all(e["value"] != "new@example.org" for e in person["emails"])


def test_a_role_assignment_is_deleted_by_a_body(account: LiveAccount) -> None:
    role, user = account.rows("SELECT role_id, user_id FROM role_assignments")[0]
    account.simulator.reset()
    account.run(f"DELETE FROM role_assignments WHERE role_id = {role} AND user_id = {user}")
    assert sent(account) == [("DELETE", f"/api/v1/roles/{role}/assignments", {"user_id": user})]


def test_a_failed_statement_names_what_was_written(account: LiveAccount) -> None:
    account.simulator.faults(
        [{"match": "/deals$", "method": "POST", "action": "status", "status": 400, "skip": 9}]
    )
    with pytest.raises(psycopg.Error) as caught:
        account.run("INSERT INTO deals (title) SELECT 'n' || i FROM generate_series(1, 20) i")
    made = sorted(
        d["id"]
        for d in account.simulator.records("deals")
        if d["title"].startswith("n") and d["title"][1:].isdigit()
    )
    assert made == list(range(made[0], made[0] + 9))
    assert str(caught.value.diag.message_detail).endswith(
        f"9 rows are written in Pipedrive for good: deals INSERT {made[0]}-{made[-1]}. 10 more were not sent."
    )


@pytest.mark.parametrize(
    ("fault", "made"),
    [({"action": "drop"}, 0), ({"action": "drop", "after_handling": True}, 1), ({"action": "cut"}, 1)],
)
def test_a_lost_answer_is_an_unknown_outcome(account: LiveAccount, fault: dict[str, Any], made: int) -> None:
    account.simulator.faults([{"match": "/deals$", "method": "POST", **fault}])
    with pytest.raises(psycopg.Error, match="outcome unknown") as caught:
        account.run("INSERT INTO deals (title) SELECT 'once' FROM generate_series(1, 3)")
    assert "Look for the record in Pipedrive" in str(caught.value.diag.message_hint)
    assert len(sent(account)) == 1
    assert len([d for d in account.simulator.records("deals") if d["title"] == "once"]) == made


def test_a_rollback_warns_of_what_stays(account: LiveAccount) -> None:
    notices: list[str] = []
    assert account.connection is not None
    account.connection.add_notice_handler(lambda d: notices.append(str(d.message_primary)))
    account.run("BEGIN")
    account.run("INSERT INTO deals (title) VALUES ('stays')")
    account.run("ROLLBACK")
    assert len(notices) == 1
    (made,) = [d["id"] for d in account.simulator.records("deals") if d["title"] == "stays"]
    assert f"1 row is written in Pipedrive for good: deals INSERT {made}." in notices[0]


def test_elements_of_one_array_that_sessions_write_at_once_are_all_kept(account: LiveAccount) -> None:
    """Each of them sends the whole array, as it was when the session has read it."""
    account.run(
        "INSERT INTO person_emails (person_id, value) VALUES (1, 'a0@x.example'), (1, 'a1@x.example')"
    )
    account.simulator.faults([{"match": "/persons/1$", "action": "delay", "ms": 150}])
    statements = [
        "INSERT INTO person_emails (person_id, value) VALUES (1, 'new0@x.example')",
        "INSERT INTO person_emails (person_id, value) VALUES (1, 'new1@x.example')",
        "UPDATE person_emails SET value = 'b0@x.example' WHERE person_id = 1 AND value = 'a0@x.example'",
        "DELETE FROM person_emails WHERE person_id = 1 AND value = 'a1@x.example'",
    ]

    def write(sql: str) -> int:
        with account.session() as session:
            return session.execute(sql).rowcount  # type: ignore[call-overload, no-any-return]

    with ThreadPoolExecutor(len(statements)) as pool:
        assert list(pool.map(write, statements)) == [1, 1, 1, 1]
    account.simulator.faults([])
    found = account.rows("SELECT value FROM person_emails WHERE person_id = 1 AND value LIKE '%x.example'")
    assert sorted(value for (value,) in found) == ["b0@x.example", "new0@x.example", "new1@x.example"]


def test_who_waits_for_a_record_that_another_session_writes_can_be_cancelled(account: LiveAccount) -> None:
    account.simulator.faults(
        [{"match": "/persons/1$", "action": "delay", "ms": 3000, "method": "PATCH", "times": 1}]
    )
    with account.session() as other, ThreadPoolExecutor(1) as pool:
        first = pool.submit(
            other.execute, "INSERT INTO person_emails (person_id, value) VALUES (1, 'first@x.example')"
        )
        while not any(r["path"].endswith("/persons/1") for r in account.requests()):  # it reads the array
            assert not first.done()
            time.sleep(0.02)
        account.run("SET statement_timeout = '700ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            account.run("INSERT INTO person_emails (person_id, value) VALUES (1, 'second@x.example')")
        account.run("RESET statement_timeout")
        account.run("INSERT INTO person_emails (person_id, value) VALUES (2, 'third@x.example')")
        assert not first.done()  # another record waits for nobody
        first.result()
    values = "SELECT value FROM person_emails WHERE value IN ('first@x.example', 'second@x.example')"
    assert account.rows(values) == [("first@x.example",)]
