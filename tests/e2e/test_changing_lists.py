"""Lists by offset that change while a statement reads them, and pages that say nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

NOTES = 1_200
FIRST = {"match": "^/api/v1/notes$", "action": "change", "skip": 1, "times": 1}


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9}
    tables = ["notes", "note_comments", "leads", "lead_labels", "roles", "persons"]
    with LiveAccount(server, deals=20, options=options, tables=tables) as live:
        yield live


@pytest.fixture
def account(shared: LiveAccount) -> LiveAccount:
    """1,200 notes: three pages of 500."""
    shared.simulator.reset()
    shared.simulator.refill()
    fill(shared, NOTES)
    shared.connect()
    return shared


def fill(account: LiveAccount, count: int) -> None:
    notes = account.simulator.account["notes"]
    blank = next(iter(notes))
    for row in list(notes):
        notes.remove(row)
    for key in range(1, count + 1):
        notes.put({**blank, "id": key, "user_id": key % 7 + 1, "active_flag": True})


@contextlib.contextmanager
def pages_of(account: LiveAccount, rows: int) -> Iterator[None]:
    account.run(f"ALTER FOREIGN TABLE notes OPTIONS (ADD page_size '{rows}')")
    account.connect()
    try:
        yield
    finally:
        account.run("ALTER FOREIGN TABLE notes OPTIONS (DROP page_size)")


def ids(account: LiveAccount, sql: str = "SELECT id FROM notes") -> list[int]:
    return [row[0] for row in account.rows(sql)]


def delete(*keys: int) -> list[dict[str, Any]]:
    return [{"method": "DELETE", "path": f"notes/{key}"} for key in keys]


def test_three_deleted_notes_take_no_other_with_them(account: LiveAccount) -> None:
    account.simulator.faults([{**FIRST, "body": delete(10, 20, 30)}])
    assert ids(account) == list(range(1, NOTES + 1))
    starts = [r["query"].get("start") for r in account.requests()]
    assert starts == [None, "499", "249", "748"]


@pytest.mark.parametrize("last", [range(500, 501), range(300, 501), range(1, 501)], ids=len)
def test_the_records_that_were_read_may_be_gone(account: LiveAccount, last: range) -> None:
    account.simulator.faults([{**FIRST, "body": delete(*last)}])
    assert ids(account) == list(range(1, NOTES + 1))


def test_a_list_that_becomes_shorter_than_what_was_read_ends_there(account: LiveAccount) -> None:
    account.simulator.faults([{**FIRST, "body": delete(*range(100, NOTES + 1))}])
    assert ids(account) == list(range(1, 501))


def test_added_records_repeat_no_other(account: LiveAccount) -> None:
    added = [{"method": "POST", "path": "notes", "body": {"id": key}} for key in range(-40, 0)]
    notes = account.simulator.account["notes"]
    for one in added:
        one["body"] = {**notes.rows[1], **one["body"]}  # type: ignore[dict-item]
    account.simulator.faults([{**FIRST, "body": added}])
    assert ids(account) == list(range(1, NOTES + 1))


def test_nothing_more_is_asked_where_nothing_changes(account: LiveAccount) -> None:
    """The last record of a page comes again with the next: 1 + 499 + 499 + … of 500."""
    for count, requests in ((499, 1), (500, 1), (501, 2), (999, 2), (1000, 3), (1200, 3)):
        fill(account, count)
        assert len(account.asked("SELECT id FROM notes")) == requests
    with pages_of(account, 100):
        for count, requests in ((99, 1), (100, 1), (101, 2), (200, 2), (201, 3), (1000, 10)):
            fill(account, count)
            asked = account.asked("SELECT id FROM notes")
            assert len(asked) == requests
            assert {r["query"]["limit"] for r in asked[1:]} <= {"101"}


def test_a_plan_expects_what_the_scan_costs(account: LiveAccount) -> None:
    for count in (500, 501, 999, 1000):
        fill(account, count)
        account.rows("SELECT id FROM notes")
        (line,) = (line for line in account.plan("SELECT id FROM notes") if "Tokens" in line)
        assert line.endswith(f"about {sum(r['tokens'] for r in account.asked('SELECT id FROM notes'))}")


@pytest.mark.parametrize("order", ["id", "id DESC", "user_id", "user_id DESC"])
def test_an_order_that_was_promised_is_kept(account: LiveAccount, order: str) -> None:
    """The last record of the page is deleted, and others come to a place just before it."""
    name, *down = order.split()
    rows = sorted(account.simulator.account["notes"].rows.values(), key=lambda row: row["id"])
    rows.sort(key=lambda row: row[name], reverse=bool(down))
    last, others = rows[499], rows[700:703]
    moved = [
        {"method": "PATCH", "path": f"notes/{row['id']}", "body": {"user_id": last["user_id"]}}
        for row in others
    ]
    account.simulator.faults([{**FIRST, "body": [*delete(last["id"], rows[3]["id"]), *moved]}])
    sql = f"SELECT id, {name} FROM notes WHERE {name} IS NOT NULL ORDER BY {order}"
    got = account.rows(sql)
    assert [value for _, value in got] == sorted((value for _, value in got), reverse=bool(down))
    keys = [key for key, _ in got]
    assert len(keys) == len(set(keys))
    assert set(range(1, NOTES + 1)) - {row["id"] for row in others} <= set(keys)


def test_a_limit_is_filled_from_a_list_that_changes(account: LiveAccount) -> None:
    account.simulator.faults([{**FIRST, "body": delete(10, 20, 30, 500)}])
    assert ids(account, "SELECT id FROM notes ORDER BY id LIMIT 700") == list(range(1, 701))
    account.simulator.reset()
    account.simulator.faults([{**FIRST, "body": delete(11, 21, 31)}])
    got = ids(account, "SELECT id FROM notes WHERE content IS NOT NULL ORDER BY id OFFSET 490 LIMIT 20")
    there = [n for n in range(1, NOTES) if n not in (10, 20, 30, 500)]
    assert got == there[490:510]


def test_the_same_list_twice_in_a_statement_is_asked_for_once(account: LiveAccount) -> None:
    account.simulator.faults([{**FIRST, "body": delete(10, 20, 30)}])
    sql = "SELECT a.id FROM notes a JOIN notes b ON a.id = b.id ORDER BY a.id + 0"
    assert ids(account, sql) == list(range(1, NOTES + 1))
    assert len(account.requests()) == 4


def test_a_request_that_was_sent_before_is_sent_again(account: LiveAccount) -> None:
    """All that was read has gone, so the reader begins anew, and meets offsets that it has asked for."""
    account.simulator.faults([{**FIRST, "body": delete(*range(1, 501))}])
    assert ids(account) == list(range(1, NOTES + 1))
    starts = [r["query"].get("start") for r in account.requests()]
    assert starts.count("499") == 2


def test_a_loop_may_delete_what_it_reads(account: LiveAccount) -> None:
    fill(account, 130)
    with pages_of(account, 40):
        account.run(
            "DO $$ DECLARE n bigint; BEGIN FOR n IN SELECT id FROM notes LOOP "
            "DELETE FROM notes WHERE id = n; END LOOP; END $$"
        )
    assert account.simulator.records("notes") == []


def test_a_walk_that_lost_its_place_is_not_kept_for_other_sessions(account: LiveAccount) -> None:
    account.run("SET pipedrive.cache_ttl = 600")
    for keys in ((10, 20, 30), (40, *range(900, 1201))):
        account.simulator.faults([{**FIRST, "body": delete(*keys)}])
        first = ids(account)
        account.simulator.reset()
        again = ids(account)
        assert [r["query"].get("start") for r in account.requests()][0] is None
        assert set(again) == set(first) - set(keys)
        with account.session() as other:
            other.execute("SET pipedrive.cache_ttl = 600")
            account.simulator.reset()
            assert [row[0] for row in other.execute("SELECT id FROM notes").fetchall()] == again
            assert account.requests() == []
        account.run("UPDATE persons SET name = name || '.' WHERE id = 1")  # empties the cache


# ---- null


def null(path: str, **more: Any) -> dict[str, Any]:
    return {"match": f"^/api/v1{path}$", "action": "null_data", **more}


def body(path: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"match": f"^/api/v1{path}$", "action": "status", "status": 200, "body": value, **more}


MORE = {"pagination": {"start": 0, "limit": 500, "more_items_in_collection": True}}


@pytest.mark.parametrize(
    "rule",
    [
        null("/notes", skip=1),
        null("/notes", skip=2),
        null("/notes", skip=1, times=1),
        null("/notes"),
        body("/notes", {"success": True, "data": None}, skip=1),
        body("/notes", {"success": True, "data": None}, skip=2),
        body("/notes", {"success": True, "data": None, "additional_data": MORE}),
        body("/notes", {"success": True, "data": [], "additional_data": MORE}),
    ],
    ids=str,
)
@pytest.mark.parametrize("sql", ["SELECT id FROM notes", "SELECT id FROM notes ORDER BY id DESC"])
def test_null_ends_no_list_by_offset(account: LiveAccount, rule: dict[str, Any], sql: str) -> None:
    account.simulator.faults([rule])
    with pytest.raises(psycopg.Error, match="pipedrive protocol: GET /api/v1/notes returned n"):
        account.rows(sql)


def test_null_once_beyond_the_middle_is_all_rows_or_an_error(account: LiveAccount) -> None:
    """The last page promises nothing: null may say that the list has become shorter, so it is read again."""
    account.simulator.faults([null("/notes", skip=2, times=1)])
    assert ids(account) == list(range(1, NOTES + 1))


def test_null_is_an_empty_list_where_nothing_is_promised(account: LiveAccount) -> None:
    fill(account, 1)
    account.simulator.account["notes"].rows.clear()
    account.simulator.account["notes"].orders.clear()
    assert ids(account) == []
    account.simulator.faults([body("/leadLabels", {"success": True, "data": None})])
    assert account.rows("SELECT * FROM lead_labels") == []


@pytest.mark.parametrize(
    ("path", "sql"),
    [
        ("/leadLabels", "SELECT * FROM lead_labels"),
        ("/notes/1/comments", "SELECT * FROM note_comments WHERE note_id = 1"),
        ("/leads", "SELECT * FROM leads"),
        ("/leads/archived", "SELECT * FROM leads"),
    ],
)
def test_null_that_promises_more_is_an_error_everywhere(account: LiveAccount, path: str, sql: str) -> None:
    account.simulator.faults([body(path, {"success": True, "data": None, "additional_data": MORE})])
    with pytest.raises(psycopg.Error, match="null instead of a list"):
        account.rows(sql)
