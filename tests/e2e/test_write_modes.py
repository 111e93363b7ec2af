"""What is sent when: write_mode, savepoints, failures midway, bulk requests, updatable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.e2e.test_writes import cancelled_after, sent
from tests.live import TOKEN, LiveAccount
from tools.engine import Server

TABLES = (
    "deals",
    "deal_products",
    "persons",
    "person_emails",
    "notes",
    "filters",
    "organization_relationships",
)


@pytest.fixture
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9}
    with LiveAccount(server, deals=60, tables=TABLES, options=options) as live:
        yield live


@pytest.fixture
def waiting(account: LiveAccount) -> LiveAccount:
    """The account under write_mode 'commit'."""
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode 'commit')")
    account.connect()
    return account


def titles(account: LiveAccount, like: str) -> list[str]:
    found = (d["title"] for d in account.simulator.records("deals") if not d["is_deleted"])
    return sorted(title for title in found if str(title).startswith(like))


def refuse(account: LiveAccount, skip: int) -> None:
    """The API refuses the deal after the next *skip*."""
    rule = {"match": "/deals$", "method": "POST", "action": "status", "status": 400, "skip": skip}
    account.simulator.faults([rule])


def ids(account: LiveAccount, like: str) -> str:
    made = [d for d in account.simulator.records("deals") if str(d["title"]).startswith(like)]
    return ", ".join(str(i) for i in sorted(d["id"] for d in made))


MANY = "INSERT INTO deals (title) SELECT 'many ' || i FROM generate_series(1, 100) i"


def test_six_hundred_rows_are_six_hundred_patches_of_one_column(server: Server) -> None:
    options = {"max_tokens_per_query": 10**9}
    limits = {"burst": 100_000, "budget": 10**9}
    with LiveAccount(server, deals=700, tables=["deals"], options=options, **limits) as account:
        sql = "UPDATE deals SET title = title || '!' WHERE stage_id = 3"
        account.run(
            "UPDATE deals SET stage_id = 3 WHERE id IN (SELECT id FROM deals WHERE NOT is_archived LIMIT 600)"
        )
        account.run("UPDATE deals SET is_archived = false, stage_id = 2 WHERE stage_id = 3 AND is_archived")
        wanted = {
            d["id"]: d["title"].replace("\0", "") + "!"  # PostgreSQL's text has no NUL
            for d in account.simulator.records("deals")
            if d["stage_id"] == 3 and not d["is_deleted"]
        }
        account.simulator.reset()
        account.run(sql)
        patches = {int(path.rsplit("/", 1)[1]): body for _, path, body in sent(account)}
        assert len(patches) == len(sent(account)) == len(wanted) >= 600
        assert patches == {number: {"title": title} for number, title in wanted.items()}
        reads = [r for r in account.requests() if r["method"] == "GET"]
        assert len(reads) <= 3
        assert all("stage_id" in r["query"] for r in reads)

        account.simulator.reset()
        account.run("UPDATE deals SET title = title WHERE stage_id = 3")
        assert sent(account) == []
        account.run(f"{sql} AND id < 20")
        assert [body["title"] for _, _, body in sent(account)] == [
            f"{title}!" for number, title in sorted(wanted.items()) if number < 20
        ]


def test_a_refusal_midway_names_what_is_written(account: LiveAccount) -> None:
    refuse(account, 59)
    with pytest.raises(psycopg.Error, match="the API refuses the request") as caught:
        account.run(MANY)
    made = ids(account, "many ").split(", ")
    detail = str(caught.value.diag.message_detail)
    assert len(made) == 59
    assert f"59 rows are written in Pipedrive for good: deals INSERT {made[0]}-{made[-1]}." in detail


def test_nothing_leaves_before_commit(waiting: LiveAccount) -> None:
    waiting.run("BEGIN")
    waiting.run(MANY)
    with pytest.raises(psycopg.Error, match="division by zero"):
        waiting.run("SELECT 1 / 0")
    waiting.run("ROLLBACK")
    assert sent(waiting) == []
    waiting.run("BEGIN")
    waiting.run("INSERT INTO deals (title) VALUES ('many 1')")
    waiting.run("UPDATE deals SET value = 77 WHERE id = 1")
    assert sent(waiting) == []
    waiting.run("COMMIT")
    assert [(method, body) for method, _, body in sent(waiting)] == [
        ("POST", {"title": "many 1"}),
        ("PATCH", {"value": 77.0}),
    ]


def test_what_waits_for_commit_is_not_sent_when_the_transaction_is_to_be_prepared(
    waiting: LiveAccount,
) -> None:
    waiting.run("BEGIN; UPDATE deals SET value = 77 WHERE id = 1")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot be prepared"):
        waiting.run("PREPARE TRANSACTION 'refused'")
    waiting.run("ROLLBACK")
    assert sent(waiting) == []


def test_a_transaction_that_cannot_be_serialized_sends_nothing(waiting: LiveAccount) -> None:
    waiting.run("CREATE TABLE spent AS SELECT 1 AS amount")
    try:
        with waiting.session() as other:
            for one in (waiting.connection, other):
                assert one is not None
                one.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
                one.execute("SELECT sum(amount) FROM spent")
                one.execute("INSERT INTO spent VALUES (1)")
                one.execute("INSERT INTO deals (title) VALUES ('serial')")
            other.execute("COMMIT")
            assert len(sent(waiting)) == 1
            with pytest.raises(psycopg.errors.SerializationFailure):
                waiting.run("COMMIT")
        assert len(sent(waiting)) == 1
        waiting.run("BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO deals (title) VALUES ('alone'); COMMIT")
        assert len(sent(waiting)) == 2
    finally:
        waiting.run("DROP TABLE spent")


def test_a_commit_that_fails_midway_says_what_was_sent(waiting: LiveAccount) -> None:
    waiting.run("CREATE TEMP TABLE kept (n integer)")
    waiting.run("BEGIN")
    waiting.run("INSERT INTO kept VALUES (1)")
    waiting.run(MANY)
    refuse(waiting, 59)
    with pytest.raises(psycopg.Error, match="the API refuses the request") as caught:
        waiting.run("COMMIT")
    made = ids(waiting, "many ").split(", ")
    detail = str(caught.value.diag.message_detail)
    assert len(made) == 59
    assert f"59 rows are written in Pipedrive for good: deals INSERT {made[0]}-{made[-1]}." in detail
    assert "40 more were not sent." in detail
    waiting.run("ROLLBACK")
    assert waiting.value("SELECT count(*) FROM kept") == 0
    waiting.simulator.faults([])
    waiting.run("INSERT INTO deals (title) VALUES ('after')")
    assert titles(waiting, "after") == ["after"]


@pytest.mark.parametrize("mode", ["immediate", "commit"])
def test_savepoints(account: LiveAccount, mode: str) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode '{mode}')")
    account.connect()
    notices: list[str] = []
    assert account.connection is not None
    account.connection.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
    account.run("BEGIN")
    account.run("INSERT INTO deals (title) VALUES ('save 1')")
    account.run("SAVEPOINT one")
    account.run("INSERT INTO deals (title) VALUES ('save 2')")
    account.run("SAVEPOINT two")
    account.run("INSERT INTO deals (title) VALUES ('save 3')")
    account.run("RELEASE SAVEPOINT two")
    account.run("ROLLBACK TO SAVEPOINT one")
    account.run("INSERT INTO deals (title) VALUES ('save 4')")
    account.run("COMMIT")
    if mode == "commit":
        assert titles(account, "save") == ["save 1", "save 4"]
        assert notices == []
    else:
        assert titles(account, "save") == ["save 1", "save 2", "save 3", "save 4"]
        made = {d["title"]: d["id"] for d in account.simulator.records("deals")}
        (notice,) = notices
        assert (
            f"2 rows are written in Pipedrive for good: deals INSERT {made['save 2']}, {made['save 3']}."
            in notice
        )


@pytest.mark.parametrize("mode", ["immediate", "commit"])
def test_a_report_names_the_servers_if_there_are_several(account: LiveAccount, mode: str) -> None:
    name, other = account.name, f"{account.name}_other"
    account.run(
        f"CREATE SERVER {other} FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (base_url "
        f"'{account.simulator.url}'); "
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER {other} OPTIONS (api_token '{TOKEN}'); "
        f"CREATE FOREIGN TABLE others (id bigint, title text) SERVER {other} OPTIONS (table 'deals'); "
        f"ALTER SERVER {name} OPTIONS (ADD write_mode '{mode}'); "
        f"ALTER SERVER {other} OPTIONS (ADD write_mode '{mode}')"
    )
    try:
        account.simulator.faults(
            [{"match": "/deals/5$", "method": "PATCH", "action": "status", "status": 400}]
        )
        account.run("BEGIN; UPDATE deals SET title = 'a' WHERE id IN (2, 4)")
        account.run("UPDATE others SET title = 'b' WHERE id IN (6, 7)")
        account.run(f"DO $$ BEGIN PERFORM pipedrive.duplicate_deal(8, server => '{name}'); END $$")
        notices: list[str] = []
        assert account.connection is not None
        account.connection.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        with pytest.raises(psycopg.Error) as caught:
            account.run("UPDATE others SET title = 'c' WHERE id = 5")
            account.run("COMMIT")
        account.run("ROLLBACK")
        (told,) = notices if mode == "immediate" else [str(caught.value.diag.message_detail)]
        duplicated = f"on {name} POST /v1/deals/8/duplicate {account.simulator.account['deals'].last}"
        rows = [f"on {name} deals UPDATE 2, 4", f"on {other} deals UPDATE 6, 7"]
        rows = [*rows, duplicated] if mode == "immediate" else [duplicated, *rows]
        assert f"5 rows are written in Pipedrive for good: {'; '.join(rows)}." in told
    finally:
        account.run(f"DROP SERVER {other} CASCADE")


def test_an_error_in_a_block_with_an_exception_handler_is_told_too(account: LiveAccount) -> None:
    notices: list[str] = []
    assert account.connection is not None
    account.connection.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
    account.run(
        "DO $$ BEGIN INSERT INTO deals (title) VALUES ('in a block'); PERFORM 1 / 0; "
        "EXCEPTION WHEN division_by_zero THEN NULL; END $$"
    )
    (notice,) = notices
    assert "1 row is written in Pipedrive for good: deals INSERT" in notice


def test_a_transaction_changes_a_row_as_its_earlier_statements_will_leave_it(waiting: LiveAccount) -> None:
    title = waiting.value("SELECT title FROM deals WHERE id = 4")
    waiting.run("BEGIN")
    waiting.run(
        "UPDATE deals SET title = 'B', label_ids = '{1}', won_time = now(), status = 'won' WHERE id = 4"
    )
    waiting.run("UPDATE deals SET value = 5 WHERE id = 4")
    waiting.run("UPDATE deals SET title = title || '!' WHERE id = 4")
    waiting.run("SAVEPOINT one")
    waiting.run("UPDATE deals SET title = 'gone' WHERE id = 4")
    waiting.run("ROLLBACK TO SAVEPOINT one")
    waiting.run(f"UPDATE deals SET title = '{title}', value = 5.0 WHERE id = 4")
    waiting.run("COMMIT")
    changes = [body for _, _, body in sent(waiting)]
    assert sorted(changes[0]) == ["label_ids", "status", "title", "won_time"]
    assert changes[1:] == [{"value": 5}, {"title": "B!"}, {"title": title}]


def test_a_transaction_finds_a_row_by_what_its_earlier_statements_have_set(waiting: LiveAccount) -> None:
    sets = {
        "status = 'lost'": "status = 'lost'",
        "person_id = 3": "person_id = 3",
        "owner_id = 2": "owner_id > 1",
    }
    for assignment, condition in sets.items():
        for key in (2, 4):
            waiting.run(f"UPDATE deals SET status = 'open', person_id = 1, owner_id = 1 WHERE id = {key}")
        waiting.simulator.reset()
        waiting.run("BEGIN")
        waiting.run(f"UPDATE deals SET {assignment} WHERE id = 2")
        waiting.run(f"UPDATE deals SET title = 'found' WHERE {condition} AND id IN (2, 4)")
        waiting.run("COMMIT")
        assert [(path[-2:], sorted(body)) for _, path, body in sent(waiting)] == [
            ("/2", [assignment.partition(" ")[0]]),
            ("/2", ["title"]),
        ]
        waiting.run("UPDATE deals SET title = 'as before' WHERE id = 2")


def test_a_link_that_waits_is_shown_by_both_of_its_columns(waiting: LiveAccount) -> None:
    """Set by one column and cleared by the other: otherwise the second statement would find no difference."""
    (key,) = [
        f["field_code"]
        for f in waiting.simulator.records("deal_fields")
        if f["is_custom_field"] and f["field_type"] == "user"
    ]
    waiting.run("BEGIN")
    waiting.run("UPDATE deals SET deal_user_id = 2 WHERE id = 2")
    assert waiting.rows("UPDATE deals SET deal_user = NULL WHERE id = 2 RETURNING id") == [(2,)]
    waiting.run("UPDATE deals SET deal_user = '3' WHERE id = 2")
    waiting.run("UPDATE deals SET title = deal_user_id || deal_user::text WHERE id = 2")
    waiting.run("COMMIT")
    assert [body for _, _, body in sent(waiting)] == [
        {"custom_fields": {key: 2}},
        {"custom_fields": {key: None}},
        {"custom_fields": {key: 3}},
        {"title": '3{"value": 3}'},
    ]


def test_a_row_that_waits_to_be_deleted_is_not_changed_again(waiting: LiveAccount) -> None:
    waiting.run("BEGIN")
    waiting.run("UPDATE deals SET title = 'last' WHERE id = 4")
    waiting.run("DELETE FROM deals WHERE id = 4")
    assert waiting.rows("UPDATE deals SET title = 'never' WHERE id = 4 RETURNING id") == []
    waiting.run("DELETE FROM deals WHERE id = 4")
    assert waiting.value("SELECT count(*) FROM deals WHERE id = 4") == 1  # reads do not see what waits
    waiting.run("COMMIT")
    assert [(method, body) for method, _, body in sent(waiting)] == [
        ("PATCH", {"title": "last"}),
        ("DELETE", None),
    ]


def test_what_waits_for_a_record_is_seen_in_each_row_that_shows_it(waiting: LiveAccount) -> None:
    (key, kind) = waiting.rows("SELECT id, type FROM organization_relationships ORDER BY id LIMIT 1")[0]
    one, other = (
        r[0] for r in waiting.rows(f"SELECT row_id FROM organization_relationships WHERE id = {key}")
    )
    update = "UPDATE organization_relationships SET type = '{}' WHERE row_id = '{}' RETURNING type"
    waiting.simulator.reset()
    waiting.run("BEGIN")
    changed = "related" if kind == "parent" else "parent"
    assert waiting.rows(update.format(changed, one)) == [(changed,)]
    assert waiting.rows(update.format(kind, other)) == [(kind,)]
    waiting.run(f"DELETE FROM organization_relationships WHERE row_id = '{one}'")
    assert waiting.rows(f"DELETE FROM organization_relationships WHERE id = {key} RETURNING id") == []
    assert waiting.rows(update.format(changed, other)) == []
    waiting.run("COMMIT")
    assert [(method, (body or {}).get("type")) for method, _, body in sent(waiting)] == [
        ("PUT", changed),
        ("PUT", kind),
        ("DELETE", None),
    ]


def test_elements_of_an_array_wait_like_rows(waiting: LiveAccount) -> None:
    waiting.run("BEGIN")
    waiting.run("UPDATE person_emails SET value = 'new@example.org' WHERE person_id = 1")
    waiting.run("UPDATE person_emails SET label = 'later' WHERE person_id = 1")
    waiting.run("INSERT INTO person_emails (person_id, value) VALUES (1, 'second@example.org')")
    waiting.run("COMMIT")
    (person,) = [p for p in waiting.simulator.records("persons") if p["id"] == 1]
    assert [(e["value"], e["label"]) for e in person["emails"]][0] == ("new@example.org", "later")
    assert [e["value"] for e in person["emails"]][-1] == "second@example.org"


def test_an_element_whose_key_changes_waits_on_as_the_same(waiting: LiveAccount) -> None:
    waiting.run("BEGIN")
    waiting.run("UPDATE person_emails SET value = 'b' WHERE person_id = 1")
    waiting.run("UPDATE person_emails SET value = 'c' WHERE person_id = 1 AND value = 'b'")
    waiting.run("UPDATE person_emails SET label = 'later' WHERE person_id = 1 AND value = 'c'")
    waiting.run("COMMIT")
    (person,) = [p for p in waiting.simulator.records("persons") if p["id"] == 1]
    assert [(e["value"], e["label"]) for e in person["emails"]] == [("c", "later")]
    waiting.run("BEGIN")
    waiting.run("UPDATE person_emails SET value = 'd' WHERE person_id = 1")
    waiting.run("DELETE FROM person_emails WHERE person_id = 1 AND value = 'd'")
    assert waiting.rows("UPDATE person_emails SET label = 'gone' WHERE person_id = 1 RETURNING value") == []
    waiting.run("COMMIT")
    assert waiting.rows("SELECT value FROM person_emails WHERE person_id = 1") == []


def test_an_element_whose_key_changes_is_found_by_its_new_row_id(waiting: LiveAccount) -> None:
    waiting.run("BEGIN")
    shown = waiting.rows("UPDATE person_emails SET value = 'b' WHERE person_id = 1 RETURNING row_id")
    assert shown == [("1:b",)]
    assert waiting.rows("UPDATE person_emails SET label = 'x' WHERE row_id = '1:a' RETURNING row_id") == []
    later = waiting.rows("UPDATE person_emails SET label = 'later' WHERE row_id = '1:b' RETURNING row_id")
    assert later == [("1:b",)]
    waiting.run("COMMIT")
    (person,) = [p for p in waiting.simulator.records("persons") if p["id"] == 1]
    assert [(e["value"], e["label"]) for e in person["emails"]] == [("b", "later")]


def test_elements_with_the_same_key_wait_each_for_itself(waiting: LiveAccount) -> None:
    waiting.run("INSERT INTO persons (name) VALUES ('Twice')")
    key = max(p["id"] for p in waiting.simulator.records("persons"))
    for label in ("work", "home"):
        waiting.run(
            f"INSERT INTO person_emails (person_id, value, label) VALUES ({key}, 'a@example.org', '{label}')"
        )
    waiting.run("BEGIN")
    waiting.run(f"UPDATE person_emails SET label = 'first' WHERE person_id = {key} AND label = 'work'")
    waiting.run(f"UPDATE person_emails SET label = 'second' WHERE person_id = {key} AND label = 'home'")
    waiting.run("COMMIT")
    (person,) = [p for p in waiting.simulator.records("persons") if p["id"] == key]
    assert [e["label"] for e in person["emails"]] == ["first", "second"]


def test_an_array_is_not_set_whole_while_elements_of_it_wait(waiting: LiveAccount) -> None:
    """The statement does not see what waits through another table, and would undo it at COMMIT."""
    waiting.run("BEGIN")
    waiting.run("INSERT INTO person_emails (person_id, value) VALUES (1, 'new@example.org')")
    waiting.run("SAVEPOINT before")
    sql = 'UPDATE persons SET emails = emails || \'[{"value": "x@example.org"}]\' WHERE id ='
    with pytest.raises(psycopg.Error, match="cannot be changed before COMMIT"):
        waiting.run(f"{sql} 1")
    waiting.run("ROLLBACK TO before")
    waiting.run(f"{sql} 2; UPDATE persons SET name = 'Other' WHERE id = 1")
    waiting.run("COMMIT")
    found = {p["id"]: [e["value"] for e in p["emails"]] for p in waiting.simulator.records("persons")}
    assert (found[1][-1], found[2][-1]) == ("new@example.org", "x@example.org")


def test_an_element_is_not_changed_while_its_array_waits_whole(waiting: LiveAccount) -> None:
    """The statement sees the elements as they were, and COMMIT would not find them any more."""
    waiting.run("BEGIN")
    waiting.run('UPDATE persons SET emails = \'[{"value": "only@example.org"}]\' WHERE id = 1')
    for sql in (
        "UPDATE person_emails SET label = 'x' WHERE person_id = 1",
        "DELETE FROM person_emails WHERE person_id = 1",
    ):
        waiting.run("SAVEPOINT before")
        with pytest.raises(psycopg.Error, match="cannot be changed before COMMIT"):
            waiting.run(sql)
        waiting.run("ROLLBACK TO before")
    waiting.run("INSERT INTO person_emails (person_id, value) VALUES (1, 'second@example.org')")
    waiting.run("UPDATE person_emails SET label = 'x' WHERE person_id = 2")
    waiting.run("COMMIT")
    (person,) = [p for p in waiting.simulator.records("persons") if p["id"] == 1]
    assert [e["value"] for e in person["emails"]] == ["only@example.org", "second@example.org"]


@pytest.mark.parametrize(
    ("waits", "first", "then"),
    [
        (
            "persons",
            'UPDATE persons SET emails = emails || \'[{"value": "x@example.org"}]\' WHERE id = 1',
            "INSERT INTO person_emails (person_id, value) VALUES (1, 'lost@example.org')",
        ),
        (
            "person_emails",
            "UPDATE person_emails SET label = 'later' WHERE person_id = 1",
            "UPDATE persons SET emails = '[]' WHERE id = 1",
        ),
    ],
)
def test_an_array_of_which_a_change_waits_is_not_changed_at_once(
    account: LiveAccount, waits: str, first: str, then: str
) -> None:
    account.run(f"ALTER FOREIGN TABLE {waits} OPTIONS (ADD write_mode 'commit')")
    account.run("BEGIN")
    account.run(first)
    account.run("SAVEPOINT before")
    with pytest.raises(psycopg.Error, match="cannot be changed before COMMIT"):
        account.run(then)
    account.run("ROLLBACK TO before")
    assert sent(account) == []
    account.run("COMMIT")
    assert len(sent(account)) == 1


def test_a_cancelled_commit_says_what_was_sent(waiting: LiveAccount) -> None:
    waiting.run("BEGIN")
    waiting.run("UPDATE deals SET title = 'waits' WHERE id IN (1, 2, 3, 4)")
    rule = {"match": "/deals/2$", "method": "PATCH", "action": "delay", "ms": 3000}
    waiting.simulator.faults([rule])
    with cancelled_after(waiting, "/deals/1"), pytest.raises(psycopg.Error) as caught:
        waiting.run("COMMIT")
    detail = str(caught.value.diag.message_detail)
    assert "/deals/2 was already sent, so Pipedrive may have done it." in detail
    assert "1 row is written in Pipedrive for good: deals UPDATE 1." in detail
    assert "2 more were not sent." in detail


@pytest.mark.parametrize(
    ("sql", "verb"),
    [
        ("UPDATE notes SET content = content || '!'", "PUT"),
        ("DELETE FROM notes", "DELETE"),
        ("UPDATE deals SET stage_id = 5 WHERE stage_id = 3 AND NOT is_archived", "PATCH"),
    ],
)
def test_no_change_moves_the_rows_of_later_pages(account: LiveAccount, sql: str, verb: str) -> None:
    """Version 1 pages by offset, and what the cursors of version 2 hold is Pipedrive's own affair."""
    account.run("UPDATE deals SET stage_id = 3 WHERE id IN (SELECT id FROM deals WHERE NOT is_archived)")
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD page_size '10')")
    records = account.simulator.records("deals" if verb == "PATCH" else "notes")
    living = {r["id"] for r in records if not r.get("is_deleted") and not r.get("is_archived")}
    account.simulator.reset()
    account.run(sql)
    methods = [r["method"] for r in account.requests()]
    reads = methods.count("GET")
    assert reads > 1
    assert methods == ["GET"] * reads + [verb] * (len(methods) - reads)
    assert {int(path.rsplit("/", 1)[1]) for _, path, _ in sent(account)} == living


@pytest.mark.parametrize(("count", "requests"), [(3, 3), (6, 1), (101, 2)])
def test_products_of_a_deal_go_out_together(waiting: LiveAccount, count: int, requests: int) -> None:
    waiting.run(
        "INSERT INTO deal_products (deal_id, product_id, item_price, quantity) "
        f"SELECT 1, 1, i, 2 FROM generate_series(1, {count}) i"
    )
    bodies = sent(waiting)
    assert len(bodies) == requests
    prices = [item["item_price"] for _, _, body in bodies for item in body.get("data", [body])]
    assert prices == list(range(1, count + 1))
    found = waiting.rows("SELECT item_price FROM deal_products WHERE deal_id = 1 ORDER BY id")
    assert [int(price) for (price,) in found[-count:]] == prices


@pytest.mark.parametrize(("count", "requests"), [(4, 4), (5, 1), (101, 2)])
def test_products_of_a_deal_are_deleted_together(waiting: LiveAccount, count: int, requests: int) -> None:
    waiting.run(
        "INSERT INTO deal_products (deal_id, product_id, item_price, quantity) "
        f"SELECT 1, 1, 777, 2 FROM generate_series(1, {count}) i"
    )
    before = waiting.rows("SELECT id FROM deal_products WHERE item_price <> 777")
    waiting.simulator.reset()
    waiting.run("DELETE FROM deal_products WHERE deal_id = 1 AND item_price = 777")
    written = [r for r in waiting.requests() if r["method"] == "DELETE"]
    assert len(written) == requests
    assert sum(r["tokens"] for r in written) == {4: 12, 5: 15, 101: 18}[count]
    assert waiting.rows("SELECT id FROM deal_products WHERE item_price <> 777") == before
    assert waiting.value("SELECT count(*) FROM deal_products WHERE item_price = 777") == 0


def test_filters_are_deleted_together(account: LiveAccount) -> None:
    keys = [key for (key,) in account.rows("SELECT id FROM filters ORDER BY id LIMIT 3")]
    account.simulator.reset()
    account.run(f"DELETE FROM filters WHERE id IN ({', '.join(map(str, keys))})")
    (request,) = [r for r in account.requests() if r["method"] == "DELETE"]
    assert (request["path"], request["tokens"]) == ("/api/v1/filters", 10)
    assert sorted(request["query"]["ids"].split(",")) == sorted(map(str, keys))
    assert account.rows(f"SELECT id FROM filters WHERE id IN ({', '.join(map(str, keys))})") == []


@pytest.mark.parametrize("at", ["statement", "commit"])
def test_a_row_that_was_not_deleted_with_the_others_is_named(
    account: LiveAccount, waiting: LiveAccount, at: str
) -> None:
    used = waiting if at == "commit" else account
    used.run(
        "INSERT INTO deal_products (deal_id, product_id, item_price, quantity) "
        "SELECT 1, 1, 779, 2 FROM generate_series(1, 6) i"
    )
    keys = [k for (k,) in used.rows("SELECT id FROM deal_products WHERE item_price = 779 ORDER BY id")]
    body = {"success": True, "data": {"ids": keys[1:]}}
    fault = {"match": "/deals/1/products$", "method": "DELETE", "action": "status", "status": 200}
    used.simulator.faults([{**fault, "body": body}])
    with pytest.raises(psycopg.Error, match=f"rows of deal_products were not deleted: {keys[0]}") as caught:
        used.run("DELETE FROM deal_products WHERE deal_id = 1 AND item_price = 779")
    used.simulator.faults([])
    shown = f"1:{keys[1]}, 1:{keys[2]}, 1:{keys[3]}, 1:{keys[4]}, 1:{keys[5]}"
    assert caught.value.diag.message_detail == (
        f"To be deleted were: {', '.join(map(str, keys))}. "
        f"5 rows are written in Pipedrive for good: deal_products DELETE {shown}."
    )
    assert caught.value.sqlstate == "HV000"


def test_what_several_rows_of_one_request_were_is_told_where_its_answer_is_lost(account: LiveAccount) -> None:
    rows = "(deal_id, product_id, item_price, quantity) SELECT 9, 1, 888, 1 FROM generate_series(1, 7)"
    account.run(f"INSERT INTO deal_products {rows}")
    keys = [k for (k,) in account.rows("SELECT id FROM deal_products WHERE deal_id = 9 AND item_price = 888")]
    account.simulator.faults([{"match": "/deals/9/products", "action": "status", "after_handling": True}])
    lost = pytest.raises(psycopg.errors.TransactionResolutionUnknown)
    with lost as caught:
        account.run(f"INSERT INTO deal_products {rows}")
    assert str(caught.value.diag.message_detail).endswith(". To be created were 7 rows.")
    account.simulator.faults(
        [{"match": "/deals/9/products$", "method": "DELETE", "action": "status", "after_handling": True}]
    )
    with lost as caught:
        account.run(f"DELETE FROM deal_products WHERE id IN ({', '.join(map(str, keys))})")
    assert str(caught.value.diag.message_detail).endswith(
        f". To be deleted were: {', '.join(map(str, keys))}."
    )


@pytest.mark.parametrize(
    ("method", "sql", "words"),
    [
        (
            "POST",
            "INSERT INTO deal_products (deal_id, product_id, item_price, quantity) "
            "SELECT 5, 1, i, 1 FROM generate_series(1, 30) i",
            "does not show the records that were created",
        ),
        ("DELETE", "DELETE FROM deal_products WHERE deal_id = 5", "does not show which rows"),
    ],
)
def test_an_answer_for_several_rows_that_shows_none_leaves_open_what_was_done(
    account: LiveAccount, method: str, sql: str, words: str
) -> None:
    account.run(
        "INSERT INTO deal_products (deal_id, product_id, item_price, quantity) "
        "SELECT 5, 1, i, 1 FROM generate_series(1, 20) i"
    )
    rule = {"match": "/deals/5/products", "method": method, "action": "null_data"}
    account.simulator.faults([rule])
    with pytest.raises(psycopg.errors.TransactionResolutionUnknown, match=words):
        account.run(sql)


def test_what_a_bulk_request_wrote_is_named_when_a_later_one_fails(waiting: LiveAccount) -> None:
    waiting.run("BEGIN")
    waiting.run(
        "INSERT INTO deal_products (deal_id, product_id, item_price, quantity) "
        "SELECT d, 1, 5, 1 FROM generate_series(1, 3) d, generate_series(1, 8) i ORDER BY d"
    )
    waiting.simulator.faults(
        [{"match": "products/bulk$", "method": "POST", "action": "status", "status": 400, "skip": 1}]
    )
    with pytest.raises(psycopg.Error, match="the API refuses the request") as caught:
        waiting.run("COMMIT")
    waiting.run("ROLLBACK")
    detail = str(caught.value.diag.message_detail)
    assert "8 rows are written in Pipedrive for good: deal_products INSERT 1:" in detail
    assert "8 more were not sent" in detail


def test_updatable_false_forbids_every_verb(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD updatable 'false')")
    account.connect()
    for sql in (
        "INSERT INTO deals (title) VALUES ('x')",
        "UPDATE deals SET title = 'x' WHERE id = 1",
        "DELETE FROM deals WHERE id = 1",
    ):
        with pytest.raises(psycopg.Error, match="writes to deals are forbidden here"):
            account.run(sql)
    assert sent(account) == []
    assert account.value("SELECT count(*) FROM deals") > 0


def test_commit_mode_is_refused_where_prepared_transactions_are_possible(server: Server) -> None:
    with Server(settings={"max_prepared_transactions": "5"}) as other:
        options = {"write_mode": "commit"}
        with LiveAccount(other, deals=5, tables=["deals"], options=options) as account:
            with pytest.raises(psycopg.Error, match="max_prepared_transactions"):
                account.run("INSERT INTO deals (title) VALUES ('x')")
            assert sent(account) == []
            drop = f"DROP USER MAPPING FOR CURRENT_USER SERVER {account.name}"
            account.run(f"BEGIN; SAVEPOINT s; {drop}; RELEASE s")
            try:
                with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot be prepared"):
                    account.run("PREPARE TRANSACTION 'dropped'")
                account.run(f"BEGIN; SAVEPOINT s; {drop}; ROLLBACK TO s")
                assert account.value("SELECT count(*) FROM deals") > 0
                account.run("PREPARE TRANSACTION 'kept'")
            finally:  # a prepared transaction would keep its locks
                names = [name for (name,) in account.rows("SELECT gid FROM pg_prepared_xacts")]
                for name in names:
                    account.run(f"ROLLBACK PREPARED '{name}'")
            assert names == ["kept"]


def test_update_from_a_local_table_and_returning(account: LiveAccount) -> None:
    account.run("CREATE TEMP TABLE prices (id bigint, price numeric)")
    account.run(
        "INSERT INTO prices SELECT id, 1000 + id FROM deals WHERE NOT is_archived ORDER BY id LIMIT 5"
    )
    account.simulator.reset()
    rows: list[tuple[Any, ...]] = account.rows(
        "UPDATE deals SET value = prices.price FROM prices WHERE prices.id = deals.id "
        "RETURNING deals.id, value"
    )
    assert sorted(rows) == sorted((number, 1000 + number) for number, _ in rows)
    assert len(sent(account)) == 5
    stored = {d["id"]: d["value"] for d in account.simulator.records("deals")}
    assert all(stored[number] == value for number, value in rows)


def test_on_conflict_is_postgresqls_own_error(account: LiveAccount) -> None:
    with pytest.raises(psycopg.Error):
        account.run("INSERT INTO deals (id, title) VALUES (1, 'x') ON CONFLICT (id) DO NOTHING")
    assert sent(account) == []
