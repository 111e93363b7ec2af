"""A write reaches the records whose rows its statement scanned, and no others, whatever names say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.e2e.test_writes import sent
from tests.live import LiveAccount
from tools.engine import Server

TABLES = ("deals", "activities", "deal_products")
Record = dict[str, Any]


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(
        server, deals=60, tables=TABLES, burst=100_000, budget=10**9, options={"max_tokens_per_query": 10**9}
    ) as live:
        live.run("CREATE TABLE todo (id bigint, activity_id bigint, note text)")
        live.run("INSERT INTO todo VALUES (7, 12, 'a'), (8, 13, 'b')")
        live.run(
            "CREATE VIEW renamed AS SELECT owner_id AS id, id AS number, subject AS owner_id FROM activities"
        )
        yield live


@pytest.fixture
def account(shared: LiveAccount) -> LiveAccount:
    shared.begin_anew()
    return shared


def activity(account: LiveAccount, number: int) -> Record:
    return next(a for a in account.simulator.records("activities") if a["id"] == number)


def keys_sent(account: LiveAccount, verb: str) -> list[int]:
    """The ids in the paths of the requests that are no GET, all of which must be *verb*."""
    requests = sent(account)
    assert {method for method, _, _ in requests} <= {verb}
    return sorted(int(path.rsplit("/", 1)[1]) for _, path, _ in requests)


# ---- names in RETURNING

# RETURNING of a DELETE of activity 38, and what it shows; {record} is the record as it was
SHAPES = {
    "another constant": ("1 AS id", lambda a: (1,)),
    "a far constant": ("1600::bigint AS id", lambda a: (1600,)),
    "text": ("subject AS id", lambda a: (a["subject"],)),
    "another column": ("owner_id AS id", lambda a: (a["owner_id"],)),
    "row_id": ("owner_id AS row_id", lambda a: (a["owner_id"],)),
    "wholerow": ("1 AS wholerow, id", lambda a: (1, 38)),
    "an alias": ("id AS key, subject AS what", lambda a: (38, a["subject"])),
    "an expression": ("id + 1, upper(subject)", lambda a: (39, a["subject"].upper())),
    "a sub-select": ("(SELECT max(t.id) FROM todo t)", lambda a: (8,)),
    "a correlated sub-select": (
        "(SELECT count(*) FROM todo t WHERE t.activity_id < activities.id)",
        lambda a: (2,),
    ),
    "a whole row": ("to_jsonb(activities) -> 'subject'", lambda a: (a["subject"],)),
    "attrs": ("attrs ->> 'subject', id", lambda a: (a["subject"], 38)),
    "a case": ("CASE WHEN done THEN 'done' ELSE 'open' END", lambda a: ("done" if a["done"] else "open",)),
    "the table": ("tableoid::regclass::text", lambda a: ("activities",)),
    "twice": ("id, id, subject", lambda a: (38, 38, a["subject"])),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_returning_of_a_delete_shows_the_row_and_deletes_no_other(account: LiveAccount, shape: str) -> None:
    returning, shown = SHAPES[shape]
    before = activity(account, 38)
    assert account.rows(f"DELETE FROM activities WHERE id = 38 RETURNING {returning}") == [shown(before)]
    assert keys_sent(account, "DELETE") == [38]
    assert len(account.requests()) == 2
    assert 38 not in [a["id"] for a in account.simulator.records("activities")]


@pytest.mark.parametrize("shape", SHAPES)
def test_returning_of_an_update_changes_no_other_row(account: LiveAccount, shape: str) -> None:
    returning, shown = SHAPES[shape]
    before = activity(account, 38)
    rows = account.rows(f"UPDATE activities SET subject = 'changed' WHERE id = 38 RETURNING {returning}")
    assert rows == [shown({**before, "subject": "changed"})]
    assert sent(account) == [("PATCH", "/api/v2/activities/38", {"subject": "changed"})]


def test_a_function_in_returning_runs_once_for_each_row(account: LiveAccount) -> None:
    account.run("CREATE TEMP SEQUENCE calls")
    rows = account.rows("DELETE FROM activities WHERE id IN (12, 13) RETURNING nextval('calls')")
    assert rows == [(1,), (2,)]
    assert account.value("SELECT last_value FROM calls") == 2


@pytest.mark.parametrize("verb", ["DELETE", "UPDATE"])
def test_columns_of_a_joined_table_name_no_record(account: LiveAccount, verb: str) -> None:
    before = activity(account, 12)["subject"], activity(account, 13)["subject"]
    condition = "WHERE t.activity_id = a.id RETURNING t.id, t, a.subject"
    if verb == "DELETE":
        rows = account.rows(f"DELETE FROM activities a USING todo t {condition}")
        assert keys_sent(account, "DELETE") == [12, 13]
    else:
        rows = account.rows(f"UPDATE activities a SET subject = a.subject FROM todo t {condition}")
        assert sent(account) == []  # nothing changes
    assert sorted(rows) == [(7, "(7,12,a)", before[0]), (8, "(8,13,b)", before[1])]


def test_columns_of_the_same_table_joined_name_no_record(account: LiveAccount) -> None:
    rows = account.rows(
        "DELETE FROM activities a USING activities b WHERE a.id = 12 AND b.id = 13 RETURNING b.id, a.id AS "
        "other"
    )
    assert rows == [(13, 12)]
    assert keys_sent(account, "DELETE") == [12]


def test_a_view_that_renames_columns(account: LiveAccount) -> None:
    before = activity(account, 20)
    rows = account.rows("DELETE FROM renamed WHERE number = 20 RETURNING id, number, owner_id, renamed")
    whole = f"""({before["owner_id"]},20,"{before["subject"]}")"""
    assert rows == [(before["owner_id"], 20, before["subject"], whole)]
    assert keys_sent(account, "DELETE") == [20]
    account.simulator.reset()
    before = activity(account, 21)
    rows = account.rows(
        "UPDATE renamed SET owner_id = 'new' WHERE number = 21 RETURNING id, owner_id, number"
    )
    assert rows == [(before["owner_id"], "new", 21)]
    assert sent(account) == [("PATCH", "/api/v2/activities/21", {"subject": "new"})]


def test_a_foreign_table_whose_columns_have_other_names(account: LiveAccount) -> None:
    """Its column "id" is not the record's."""
    account.run(
        "CREATE FOREIGN TABLE swapped (id bigint OPTIONS (column 'owner_id'), key bigint OPTIONS (column "
        "'id'), "
        f"row_id text OPTIONS (column 'subject')) SERVER {account.name} OPTIONS (table 'activities')"
    )
    try:
        account.simulator.reset()
        before = activity(account, 16)
        rows = account.rows("UPDATE swapped SET row_id = 'new' WHERE key = 16 RETURNING key AS id, id AS key")
        assert rows == [(16, before["owner_id"])]
        assert account.rows("DELETE FROM swapped WHERE key = 15 RETURNING 3 AS key") == [(3,)]
        assert [(method, path) for method, path, _ in sent(account)] == [
            ("PATCH", "/api/v2/activities/16"),
            ("DELETE", "/api/v2/activities/15"),
        ]
    finally:
        account.run("DROP FOREIGN TABLE swapped")


@pytest.mark.parametrize("verb", ["DELETE", "UPDATE"])
def test_a_row_of_parent_and_child_is_known_by_both(account: LiveAccount, verb: str) -> None:
    key, product = account.rows("SELECT row_id, product_id FROM deal_products ORDER BY id LIMIT 1")[0]
    deal, child = key.split(":")
    account.simulator.reset()
    head = "DELETE FROM deal_products" if verb == "DELETE" else "UPDATE deal_products SET quantity = 77"
    rows = account.rows(
        f"{head} WHERE row_id = '{key}' RETURNING product_id AS row_id, 1 AS id, quantity * 0 AS deal_id"
    )
    assert rows == [(product, 1, 0)]
    assert [path for _, path, _ in sent(account)] == [f"/api/v2/deals/{deal}/products/{child}"]


def test_writes_in_ctes_hand_on_what_they_returned(account: LiveAccount) -> None:
    subjects = {n: activity(account, n)["subject"] for n in (22, 23, 24)}
    rows = account.rows(
        "WITH gone AS (DELETE FROM activities WHERE id IN (22, 23) RETURNING owner_id AS id, subject, id "
        "AS key), "
        "new AS (UPDATE activities SET subject = 'from ' || (SELECT min(key) FROM gone) WHERE id = 24 "
        "RETURNING subject, 5 AS id) SELECT key, gone.subject, new.subject FROM gone, new ORDER BY 1"
    )
    assert rows == [(22, subjects[22], "from 22"), (23, subjects[23], "from 22")]
    assert sorted(sent(account), key=str) == [
        ("DELETE", "/api/v2/activities/22", None),
        ("DELETE", "/api/v2/activities/23", None),
        ("PATCH", "/api/v2/activities/24", {"subject": "from 22"}),
    ]


# ---- several matches of a row


def test_a_row_that_three_rows_match_is_written_once_and_shown_once(account: LiveAccount) -> None:
    account.run("CREATE TEMP TABLE matches (id bigint, value numeric)")
    account.run("INSERT INTO matches VALUES (9, 1), (9, 2), (9, 3), (10, 4)")
    account.simulator.reset()
    done = account.connection.execute(  # type: ignore[union-attr]
        "UPDATE deals SET value = m.value FROM matches m WHERE m.id = deals.id RETURNING deals.id, "
        "deals.value, m.value"
    )
    rows = sorted(done.fetchall())
    assert done.rowcount == 2
    assert [key for key, _, _ in rows] == [9, 10]
    assert all(value == wanted for _, value, wanted in rows)
    bodies = {path.rsplit("/", 1)[1]: body for _, path, body in sent(account)}
    assert bodies == {"9": {"value": float(rows[0][1])}, "10": {"value": 4}}
    values = {d["id"]: d["value"] for d in account.simulator.records("deals")}
    assert (values[9], values[10]) == (rows[0][1], 4)


def test_a_row_that_is_deleted_once_is_shown_once(account: LiveAccount) -> None:
    account.run("CREATE TEMP TABLE matches (id bigint, word text)")
    account.run("INSERT INTO matches VALUES (12, 'a'), (12, 'b')")
    done = account.connection.execute(  # type: ignore[union-attr]
        "DELETE FROM activities USING matches m WHERE m.id = activities.id RETURNING activities.id"
    )
    assert (done.fetchall(), done.rowcount) == ([(12,)], 1)
    assert keys_sent(account, "DELETE") == [12]


# ---- system columns

SYSTEM = {
    "equal": "WHERE ctid = '(0,1)'",
    "the row's own": "WHERE ctid = ctid AND id = 30",
    "a scalar sub-select": "WHERE ctid = (SELECT ctid FROM activities WHERE id = 30)",
    "IN a sub-select": "WHERE ctid IN (SELECT ctid FROM activities WHERE id = 30)",
    "an array": "WHERE ctid = ANY (ARRAY(SELECT ctid FROM activities WHERE id = 30))",
    "EXISTS": "WHERE EXISTS (SELECT FROM activities o WHERE o.ctid = activities.ctid AND o.id = 30)",
    "a range": "WHERE ctid BETWEEN '(0,0)' AND '(4294967295,100)' AND id = 30",
    "text": "WHERE ctid::text = '(4294967295,0)'",
    "xmin": "WHERE xmin = '0' AND id = 30",
    "cmin": "WHERE cmin = '0' AND id = 30",
    "in a function": "WHERE coalesce(ctid, '(0,0)') = '(4294967295,0)'",
    "in OR": "WHERE id = 30 OR ctid = '(0,1)'",
}


@pytest.mark.parametrize("verb", ["DELETE FROM activities", "UPDATE activities SET subject = 'by ctid'"])
@pytest.mark.parametrize("condition", SYSTEM)
def test_no_row_is_written_by_a_system_column(account: LiveAccount, verb: str, condition: str) -> None:
    with pytest.raises(
        psycopg.errors.FeatureNotSupported, match="rows of activities cannot be found by"
    ) as caught:
        account.run(f"{verb} {SYSTEM[condition]}")
    assert caught.value.diag.message_hint == "Select the rows by their key."
    assert account.requests() == []


JOINED = {
    "USING": "DELETE FROM activities a USING activities b WHERE a.ctid = b.ctid AND b.id = 30",
    "FROM": "UPDATE activities a SET subject = 'x' FROM activities b WHERE a.ctid = b.ctid AND b.id = 30",
    "a sub-select in FROM": (
        "UPDATE activities a SET subject = 'x' FROM (SELECT ctid AS c FROM activities WHERE id = 30) s "
        "WHERE a.ctid = s.c"
    ),
    "a CTE": (
        "WITH s AS MATERIALIZED (SELECT ctid AS c FROM activities WHERE id = 30) "
        "DELETE FROM activities a USING s WHERE a.ctid = s.c"
    ),
    "a list of values": "DELETE FROM activities USING (VALUES ('(0,1)'::tid)) v (c) WHERE ctid = v.c",
    "JOIN … ON": (
        "UPDATE activities a SET subject = 'x' FROM todo t JOIN activities b ON b.id = t.activity_id "
        "WHERE b.ctid = a.ctid"
    ),
}


@pytest.mark.parametrize("form", JOINED)
def test_no_row_is_joined_to_a_write_by_a_system_column(account: LiveAccount, form: str) -> None:
    with pytest.raises(
        psycopg.errors.FeatureNotSupported, match="rows of activities? ?.*cannot be found by ctid"
    ):
        account.run(JOINED[form])
    assert account.requests() == []


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM by_ctid WHERE place = '(4294967295,0)'",
        "UPDATE by_ctid SET subject = 'x' WHERE place = (SELECT place FROM by_ctid WHERE id = 30)",
    ],
)
def test_no_row_is_written_by_a_view_s_name_of_a_system_column(account: LiveAccount, sql: str) -> None:
    account.run("CREATE TEMP VIEW by_ctid AS SELECT ctid AS place, id, subject FROM activities")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot be found by ctid"):
        account.run(sql)
    assert account.requests() == []


@pytest.mark.parametrize("plan", ["force_custom_plan", "force_generic_plan"])
def test_no_row_is_written_by_a_prepared_ctid(account: LiveAccount, plan: str) -> None:
    account.run(f"SET plan_cache_mode = {plan}")
    account.run("PREPARE one (tid) AS DELETE FROM activities WHERE ctid = $1")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot be found by ctid"):
        account.run("EXECUTE one ('(4294967295,0)')")
    assert account.requests() == []


def test_a_positioned_write_is_refused(account: LiveAccount) -> None:
    for write in ("UPDATE activities SET subject = 'x'", "DELETE FROM activities"):
        account.run("BEGIN; DECLARE rows CURSOR FOR SELECT * FROM activities WHERE id = 31; FETCH rows")
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot be found by WHERE CURRENT OF"):
            account.run(f"{write} WHERE CURRENT OF rows")
        account.run("ROLLBACK")
    assert sent(account) == []


def test_what_only_shows_system_columns_or_names_the_table_goes_on(account: LiveAccount) -> None:
    assert account.rows("SELECT tableoid::regclass::text, id FROM activities WHERE id = 30") == [
        ("activities", 30)
    ]
    assert account.value(
        "SELECT count(*) FROM activities a JOIN activities b ON a.ctid = b.ctid WHERE b.id = 30"
    ) == (account.value("SELECT count(*) FROM activities"))
    account.simulator.reset()
    rows = account.rows(
        "UPDATE activities SET subject = 'x' WHERE tableoid = 'activities'::regclass AND id = 30 "
        "RETURNING id, ctid IS NOT NULL"
    )
    assert rows == [(30, True)]
    assert sent(account) == [("PATCH", "/api/v2/activities/30", {"subject": "x"})]


@pytest.mark.parametrize("returning", ["", " RETURNING id"])
@pytest.mark.parametrize(
    "write",
    [
        "UPDATE first_owner_s SET owner_id = 2 WHERE id < 9",
        "INSERT INTO first_owner_s (subject, type, owner_id) VALUES ('x', 'call', 2)",
    ],
)
def test_a_row_that_a_view_s_check_refuses_is_not_sent(
    account: LiveAccount, write: str, returning: str
) -> None:
    account.run(
        "CREATE VIEW first_owner_s AS SELECT id, subject, type, owner_id FROM activities WHERE owner_id = 1 "
        "WITH CHECK OPTION"
    )
    try:
        assert account.value("SELECT count(*) FROM first_owner_s WHERE id < 9") > 0
        with pytest.raises(psycopg.errors.WithCheckOptionViolation):
            account.run(write + returning)
        assert sent(account) == []
        right = write.replace("owner_id = 2", "subject = 'x'").replace(", 2)", ", 1)")
        assert account.connection is not None
        done = account.connection.execute((right + returning).encode()).rowcount
        assert len(sent(account)) == done > 0
    finally:
        account.run("DROP VIEW first_owner_s")
