"""What a careless wrapper would write wrongly: values, rows that come twice, arrays, partial answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.e2e.test_custom_fields import field_of
from tests.e2e.test_writes import cancelled_after, sent
from tests.live import LiveAccount
from tools.engine import Server

TABLES = (
    "deals",
    "deal_products",
    "deal_field_options",
    "persons",
    "person_emails",
    "organizations",
    "organization_relationships",
    "activities",
    "filters",
    "leads",
    "notes",
    "products",
    "webhooks",
    "projects",
)


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[LiveAccount]:
    limits = {"burst": 100_000, "budget": 10**9}
    with LiveAccount(
        server, deals=60, tables=TABLES, options={"max_tokens_per_query": 10**9}, **limits
    ) as live:
        yield live


@pytest.fixture
def account(shared: LiveAccount) -> LiveAccount:
    """One account for the module, in a session of its own and without faults."""
    shared.connect()
    shared.simulator.reset()
    shared.simulator.faults([])
    return shared


def bodies(account: LiveAccount) -> list[Any]:
    return [body for _, _, body in sent(account)]


def refused(account: LiveAccount, sql: str) -> str:
    """The message and DETAIL of the error; nothing was written."""
    with pytest.raises(psycopg.Error) as caught:
        account.run(sql)
    assert sent(account) == []
    return str(caught.value)


# ---- values


LOSES = "more digits than can be sent without loss"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("12345678901234567.89", LOSES),
        ("9007199254740993", LOSES),
        ("1 / 3.0", LOSES),
        ("1e400", "too large to be sent"),
    ],
)
def test_a_numeric_that_would_not_arrive_exactly_is_an_error(
    account: LiveAccount, value: str, words: str
) -> None:
    assert words in refused(account, f"UPDATE deals SET value = {value} WHERE id = 2")
    assert words in refused(account, f"INSERT INTO deals (title, value) VALUES ('x', {value})")


def test_digits_that_a_double_has_arrive(account: LiveAccount) -> None:
    account.run("UPDATE deals SET value = 1234567890123456 WHERE id = 2")
    account.run("UPDATE organizations SET annual_revenue = 9007199254740993 WHERE id = 1")
    assert bodies(account) == [{"value": 1234567890123456}, {"annual_revenue": 9007199254740993}]


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("deals", "label_ids = '{1,NULL}'", "a plain list without NULL"),
        ("deals", "value = 'NaN'", "NaN cannot be sent as JSON"),
        ("deals", "won_time = 'infinity', status = 'won'", "'infinity'"),
        ("activities", "duration = '90 minutes 30 seconds'", "whole minutes"),
        ("activities", "duration = '-00:30'", "not negative"),
        ("activities", "duration = '1 mon'", "days, hours and minutes"),
        ("activities", "due_time = '10:30:00.5'", "fraction of a second"),
        ("activities", "person_id = 3", "set it through participants"),
        ("products", "category = '1_0'", "'1_0' is not an integer"),
        ("persons", """emails = '[{"value": "a@b.c", "n": 0.12345678901234567890}]'""", "more digits"),
    ],
)
def test_a_value_that_cannot_be_sent_is_an_error(
    account: LiveAccount, table: str, change: str, words: str
) -> None:
    assert words in refused(account, f"UPDATE {table} SET {change} WHERE id = 2")


def test_a_whole_number_of_any_size_that_a_double_has_arrives(account: LiveAccount) -> None:
    account.run("INSERT INTO deals (title, value) VALUES ('small', 1), ('large', 1e20), ('larger', -1e300)")
    assert [body["value"] for body in bodies(account)] == [1, 1e20, -1e300]


def test_true_and_1_are_two_values_of_json(account: LiveAccount) -> None:
    place = "'{conditions,0,conditions,0,value}'"
    for value in ("true", "1", "1.0"):
        account.run(f"UPDATE filters SET conditions = jsonb_set(conditions, {place}, '{value}') WHERE id = 1")
    first, second = (body["conditions"]["conditions"][0]["conditions"][0] for body in bodies(account))
    assert first["value"] is True
    assert second["value"] == 1
    assert second["value"] is not True


def test_the_same_value_in_other_clothes_is_not_sent(account: LiveAccount) -> None:
    account.run(
        "UPDATE deals SET status = 'won', won_time = '2026-05-06 07:08:09+02', value = 7 WHERE id = 2"
    )
    account.run(
        """UPDATE persons SET emails = '[{"value": "a@b.c", "primary": true, "label": "work"}]' """
        "WHERE id = 2"
    )
    account.simulator.reset()
    account.run("SET TimeZone = 'Asia/Kathmandu'")
    rows = account.rows(
        "UPDATE deals SET won_time = '2026-05-06 05:08:09.7Z', value = 7.000, label_ids = label_ids || '{}' "
        "WHERE id = 2 RETURNING won_time = '2026-05-06 05:08:09Z'"
    )
    account.run(
        """UPDATE persons SET emails = '[{"label": "work", "primary": true, "value": "a@b.c"}]' """
        "WHERE id = 2"
    )
    assert sent(account) == []
    assert rows == [(True,)]


def test_a_row_with_a_value_of_many_digits_can_be_changed(account: LiveAccount) -> None:
    """A custom number that no float holds is the same as scanned, and not written back as another."""
    for number in [d["id"] for d in account.simulator.records("deals") if not d["is_archived"]][:20]:
        account.simulator.reset()
        account.run(f"UPDATE deals SET title = title || '.' WHERE id = {number}")
        assert [set(body) for body in bodies(account)] in ([{"title"}], [])


# ---- rows


def test_a_row_that_a_join_gives_twice_is_written_once(account: LiveAccount) -> None:
    account.run("CREATE TEMP TABLE wanted (id bigint, value numeric)")
    account.run("INSERT INTO wanted VALUES (3, 31), (3, 32), (4, 41)")
    account.run("SET enable_nestloop = off")
    account.simulator.reset()
    account.run("UPDATE deals SET value = wanted.value FROM wanted WHERE wanted.id = deals.id")
    paths = [path.rsplit("/", 1)[1] for _, path, _ in sent(account)]
    assert sorted(paths) == ["3", "4"]
    account.simulator.reset()
    account.run("DELETE FROM deals USING wanted WHERE wanted.id = deals.id")
    paths = [path.rsplit("/", 1)[1] for _, path, _ in sent(account)]
    assert sorted(paths) == ["3", "4"]


@pytest.mark.parametrize("nested_loop", ["on", "off"])
def test_a_join_of_a_table_with_itself_changes_what_is_set(account: LiveAccount, nested_loop: str) -> None:
    account.run(f"SET enable_nestloop = {nested_loop}")
    account.run("UPDATE deals SET value = id, currency = 'EUR' WHERE id BETWEEN 5 AND 8")
    account.simulator.reset()
    account.run(
        "UPDATE deals SET value = other.value FROM deals other "
        "WHERE other.id = deals.id + 1 AND deals.id BETWEEN 5 AND 7"
    )
    assert sorted((path.rsplit("/", 1)[1], str(body)) for _, path, body in sent(account)) == [
        ("5", "{'value': 6}"),
        ("6", "{'value': 7}"),
        ("7", "{'value': 8}"),
    ]


@pytest.mark.parametrize("nested_loop", ["on", "off"])
def test_a_statement_does_not_see_what_it_has_changed_itself(account: LiveAccount, nested_loop: str) -> None:
    """Each row gets the value that the row after it had before, in whatever order they are read."""
    account.run("UPDATE deals SET value = id WHERE id BETWEEN 5 AND 8")
    account.run(f"SET enable_nestloop = {nested_loop}")
    account.simulator.reset()
    account.run(
        "UPDATE deals SET value = (SELECT 100 + other.value FROM deals other WHERE other.id = wanted.id + 1) "
        "FROM (VALUES (7), (6), (5)) wanted (id) WHERE deals.id = wanted.id"
    )
    assert sorted((path.rsplit("/", 1)[1], body["value"]) for _, path, body in sent(account)) == [
        ("5", 106),
        ("6", 107),
        ("7", 108),
    ]


@pytest.mark.parametrize("nested_loop", ["on", "off"])
def test_every_row_that_has_a_like_is_deleted(account: LiveAccount, nested_loop: str) -> None:
    keys = [account.value("INSERT INTO deals (title, org_id) VALUES ('twin', 7) RETURNING id") for _ in "abc"]
    if nested_loop == "on":
        account.run("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off")
    else:
        account.run("SET enable_nestloop = off")
    account.simulator.reset()
    account.run(
        "DELETE FROM deals USING deals other WHERE other.org_id = deals.org_id AND other.id <> deals.id "
        f"AND other.title = 'twin' AND deals.title = 'twin' AND deals.id IN ({', '.join(map(str, keys))})"
    )
    assert sorted(int(path.rsplit("/", 1)[1]) for _, path, _ in sent(account)) == keys


def test_a_limit_in_a_sub_select_of_the_same_table(account: LiveAccount) -> None:
    rows = account.rows(
        "UPDATE deals SET title = 'limited', value = (SELECT 100 + min(id) FROM deals WHERE id > 4) "
        "WHERE id IN (SELECT id FROM deals WHERE NOT is_archived ORDER BY id LIMIT 2) RETURNING id"
    )
    assert len(rows) == 2
    assert [sorted(body) for body in bodies(account)] == [["title", "value"]] * 2


LOOPS = {
    "persons": "INSERT INTO persons (name) VALUES ('Made in a loop')",
    "notes": "INSERT INTO notes (content, deal_id) VALUES ('Made in a loop', 1)",
    "deals": "INSERT INTO deals (title) VALUES ('Made in a loop') RETURNING id INTO made",
    "deal_products": "INSERT INTO deal_products (deal_id, product_id, item_price, quantity) "
    "SELECT max(id), 1, 5, 1 FROM deals WHERE NOT is_archived",
}


@pytest.mark.parametrize("table", LOOPS)
@pytest.mark.parametrize("loop", ["FOR r IN SELECT id FROM {0} ORDER BY id", "FOR r IN SELECT FROM {0}"])
def test_a_loop_over_a_table_ends_that_inserts_into_it(account: LiveAccount, table: str, loop: str) -> None:
    before = account.value(f"SELECT count(*) FROM {table}")
    account.run(f"ALTER FOREIGN TABLE {table} OPTIONS (ADD page_size '10')")
    try:
        account.run(
            f"DO $$ DECLARE r record; made bigint; turns int := 0; BEGIN {loop.format(table)} LOOP "
            f"{LOOPS[table]}; turns := turns + 1; EXIT WHEN turns > {before}; END LOOP; "
            f"ASSERT turns = {before}; END $$"
        )
        assert account.value(f"SELECT count(*) FROM {table}") == 2 * before
    finally:
        account.run(f"ALTER FOREIGN TABLE {table} OPTIONS (DROP page_size)")


def test_functions_and_triggers_write_the_same_row_again(account: LiveAccount) -> None:
    account.run(
        "DO $$ BEGIN UPDATE deals SET title = 'A' WHERE id = 6; UPDATE deals SET title = 'B' WHERE id = 6; "
        "UPDATE deals SET title = 'A' WHERE id = 6; END $$"
    )
    assert [body["title"] for body in bodies(account)] == ["A", "B", "A"]
    account.run("CREATE TEMP TABLE events (id bigint)")
    account.run(
        "CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"UPDATE {account.name}.deals SET title = 'event ' || NEW.id WHERE id = NEW.id; RETURN NEW; END $$"
    )
    account.run("CREATE TRIGGER noted AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION pg_temp.note()")
    account.simulator.reset()
    account.run("INSERT INTO events VALUES (6), (7)")
    assert [body["title"] for body in bodies(account)] == ["event 6", "event 7"]


def test_a_trigger_after_the_statement_sees_what_it_has_written(account: LiveAccount) -> None:
    account.run(
        "CREATE TEMP TABLE seen (verb text, count bigint); "
        "CREATE FUNCTION pg_temp.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen "
        f"SELECT TG_OP, count(*) FROM {account.name}.activities WHERE subject LIKE 'seen%'; RETURN NULL; "
        "END $$; "
        "CREATE TRIGGER seen AFTER INSERT OR UPDATE OR DELETE ON activities "
        "FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.see()"
    )
    account.run("INSERT INTO activities (subject) VALUES ('seen 1'), ('seen 2'), ('unseen')")
    account.run("UPDATE activities SET subject = 'seen 3' WHERE subject = 'unseen'")
    account.run("DELETE FROM activities WHERE subject IN ('seen 1', 'seen 3')")
    account.run("DROP TRIGGER seen ON activities; DELETE FROM activities WHERE subject LIKE 'seen%'")
    assert account.rows("SELECT * FROM seen") == [("INSERT", 2), ("UPDATE", 3), ("DELETE", 1)]


def test_a_trigger_before_a_row_sees_the_rows_before_it(account: LiveAccount) -> None:
    account.run(
        "CREATE FUNCTION pg_temp.number() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.subject = 'row ' "
        f"|| (SELECT count(*) FROM {account.name}.activities WHERE subject LIKE 'row%'); RETURN NEW; END $$; "
        "CREATE TRIGGER numbered BEFORE INSERT OR UPDATE ON activities "
        "FOR EACH ROW EXECUTE FUNCTION pg_temp.number()"
    )
    account.run("INSERT INTO activities (subject) VALUES ('a'), ('b'), ('c')")
    keys = account.rows("SELECT id FROM activities WHERE subject LIKE 'row%' ORDER BY id")
    account.run("DROP TRIGGER numbered ON activities")
    shown = account.rows(
        "DELETE FROM activities WHERE subject LIKE 'row%' RETURNING id, subject",
    )
    assert sorted(shown) == [(key, f"row {n}") for n, (key,) in enumerate(keys)]
    assert len(shown) == 3


@pytest.mark.parametrize("kind, seen", [("VOLATILE", [0, 1, 2]), ("STABLE", [0, 0, 0])])
def test_a_function_sees_what_its_statement_has_written_if_it_is_volatile(
    account: LiveAccount, kind: str, seen: list[int]
) -> None:
    account.run(
        f"CREATE FUNCTION pg_temp.said(word text) RETURNS bigint LANGUAGE sql {kind} AS "
        f"$$ SELECT count(*) FROM {account.name}.activities WHERE subject LIKE word || '%' $$"
    )
    account.run(
        "INSERT INTO activities (subject) SELECT 'new ' || pg_temp.said('new') FROM generate_series(1, 3)"
    )
    account.run("UPDATE activities SET subject = 'old ' || pg_temp.said('old') WHERE subject LIKE 'new%'")
    rows = account.rows("DELETE FROM activities WHERE subject LIKE 'old%' RETURNING subject")
    assert sorted(subject for (subject,) in rows) == [f"old {n}" for n in seen]
    created = [body["subject"] for method, _, body in sent(account) if method == "POST"]
    assert created == [f"new {n}" for n in seen]


def test_a_block_that_is_rolled_back_has_not_written_what_its_caller_wrote(account: LiveAccount) -> None:
    account.run(
        "CREATE FUNCTION pg_temp.look() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM count(*) FROM "
        f"{account.name}.activities; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN "
        "RETURN ''; END $$"
    )
    warnings: list[str] = []
    assert account.connection is not None
    account.connection.add_notice_handler(lambda notice: warnings.append(notice.message_primary or ""))
    with pytest.raises(psycopg.errors.DivisionByZero):
        account.run(
            "INSERT INTO activities (subject) SELECT 'kept' || pg_temp.look() || 1 / (3 - n) "
            "FROM generate_series(1, 3) n"
        )
    assert len(sent(account)) == 2
    (warning,) = warnings
    assert "2 rows are written in Pipedrive for good: activities INSERT" in warning
    account.run("DELETE FROM activities WHERE subject LIKE 'kept%'")


@pytest.mark.parametrize(
    "writes",
    [
        "INSERT INTO {0}.notes (content, org_id) VALUES ('n', 1)",
        "PERFORM pipedrive.request('POST', '/v1/notes', body => '{{\"content\": \"n\", \"org_id\": 1}}', "
        "server => '{0}')",
    ],
    ids=["a table", "a request"],
)
def test_what_a_function_writes_comes_after_the_rows_before_it(account: LiveAccount, writes: str) -> None:
    account.run(
        "CREATE FUNCTION pg_temp.noted(word text) RETURNS text LANGUAGE plpgsql AS "
        f"$$BEGIN {writes.format(account.name)}; RETURN word; END$$"
    )
    account.run("INSERT INTO activities (subject) SELECT pg_temp.noted('a') FROM generate_series(1, 3)")
    paths = [path.rpartition("/")[2] for _, path, _ in sent(account)]
    account.run("DELETE FROM activities WHERE subject = 'a'")
    assert paths == ["notes", "activities"] * 3


def test_a_row_that_was_not_written_fails_its_statement_whoever_caught_the_error(
    account: LiveAccount,
) -> None:
    account.run(
        "CREATE FUNCTION pg_temp.looked(key bigint) RETURNS text LANGUAGE plpgsql AS $$ BEGIN "
        f"PERFORM count(*) FROM {account.name}.notes WHERE id = key; RETURN 'looked ' || key; "
        "EXCEPTION WHEN OTHERS THEN RETURN 'caught'; END $$"
    )
    account.simulator.faults([{"match": "/notes/2$", "method": "PUT", "action": "status", "status": 400}])
    with pytest.raises(psycopg.Error, match=r"fault 400.* notes UPDATE 1\.$"):
        account.run("UPDATE notes SET content = pg_temp.looked(id) WHERE id IN (1, 2, 3, 4)")
    assert [body["content"] for body in bodies(account)] == ["looked 1", "looked 2"]


def test_a_query_sends_nothing_of_a_statement_that_failed(account: LiveAccount) -> None:
    account.run(
        "DO $$ BEGIN INSERT INTO activities (subject) SELECT 'lost' || 1 / (3 - n) FROM "
        "generate_series(1, 3) n; EXCEPTION WHEN division_by_zero THEN "
        "PERFORM id FROM activities WHERE id = 1; END $$"
    )
    assert account.requests() and sent(account) == []


def test_a_record_that_two_rows_show_is_written_once_by_each_command(account: LiveAccount) -> None:
    key = account.value("SELECT min(id) FROM organization_relationships")
    account.run(f"UPDATE organization_relationships SET type = 'related' WHERE id = {key}")
    account.simulator.reset()
    account.run(
        f"DO $$ BEGIN UPDATE organization_relationships SET type = 'parent' WHERE id = {key}; "
        f"UPDATE organization_relationships SET type = 'related' WHERE id = {key}; END $$"
    )
    assert [body["type"] for body in bodies(account)] == ["parent", "related"]


def test_each_row_of_a_record_is_returned_as_it_is_seen_after_the_write(account: LiveAccount) -> None:
    key = account.value("SELECT min(id) FROM organization_relationships")
    account.run(f"UPDATE organization_relationships SET type = 'parent' WHERE id = {key}")
    seen = "org_id, type, calculated_type, calculated_related_org_id, related_organization_name"
    for kind in ("related", "parent"):
        account.simulator.reset()
        returned = account.rows(
            f"UPDATE organization_relationships SET type = '{kind}' WHERE id = {key} RETURNING {seen}"
        )
        written = bodies(account)
        again = account.rows(f"SELECT {seen} FROM organization_relationships WHERE id = {key}")
        assert sorted(returned) == sorted(again)
        assert (len(returned), len(written)) == (2, 1)


@pytest.mark.parametrize("returning", ["", " RETURNING row_id"])
def test_what_each_row_of_a_record_changes_is_written(account: LiveAccount, returning: str) -> None:
    key = account.value("SELECT min(id) FROM organization_relationships")
    record = "SELECT DISTINCT type, rel_owner_org_id, rel_linked_org_id FROM organization_relationships"
    account.run(
        "UPDATE organization_relationships SET type = 'parent', rel_owner_org_id = 2, rel_linked_org_id = 3 "
        f"WHERE id = {key}"
    )
    account.simulator.reset()
    account.run(
        "UPDATE organization_relationships SET "
        "type = CASE org_id WHEN 2 THEN 'related' ELSE type END, "
        "rel_linked_org_id = CASE org_id WHEN 3 THEN 4 ELSE rel_linked_org_id END "
        f"WHERE id = {key}{returning}"
    )
    assert account.rows(f"{record} WHERE id = {key}") == [("related", 2, 4)]
    assert len(bodies(account)) == 2


def test_rows_of_a_record_that_give_it_different_values_are_an_error(account: LiveAccount) -> None:
    key = account.value("SELECT min(id) FROM organization_relationships")
    account.run(
        "UPDATE organization_relationships SET type = 'parent', rel_owner_org_id = 2, rel_linked_org_id = 3 "
        f"WHERE id = {key}"
    )
    account.simulator.reset()
    with pytest.raises(
        psycopg.Error, match="rows of organization_relationships show the same record"
    ) as caught:
        account.run(f"UPDATE organization_relationships SET rel_linked_org_id = org_id + 4 WHERE id = {key}")
    assert caught.value.diag.message_detail == (
        "They give different values to rel_linked_org_id, and only one can be sent. "
        "Nothing was sent for this row."
    )
    assert bodies(account) == []


def test_a_prepared_update_compares_with_what_it_scans(account: LiveAccount) -> None:
    account.run("PREPARE change (text, bigint) AS UPDATE deals SET title = $1 WHERE id = $2")
    for number in range(12):
        account.run(f"EXECUTE change ('prepared {number // 2}', 7)")
    assert [body["title"] for body in bodies(account)] == [f"prepared {number}" for number in range(6)]
    assert len(account.requests()) == 12 + 6


def test_an_update_compares_columns_that_it_does_not_name(account: LiveAccount) -> None:
    account.run("UPDATE deals SET lost_reason = 'price', status = 'lost' WHERE id = 8")
    account.simulator.reset()
    account.run("UPDATE deals SET lost_reason = NULL WHERE id = 8")
    assert bodies(account) == [{"lost_reason": None}]


def test_any_number_of_rows_is_changed_as_scanned(server: Server) -> None:
    limits = {"burst": 100_000, "budget": 10**9}
    options = {"max_tokens_per_query": 10**9}
    with LiveAccount(server, deals=11_000, tables=["deals"], options=options, **limits) as many:
        many.run("CREATE TEMP TABLE wanted AS SELECT i AS id FROM generate_series(1, 12000, 1000) i")
        many.run("SET enable_nestloop = off; SET enable_hashjoin = off")  # so that all rows are sorted first
        many.simulator.reset()
        many.run("UPDATE deals SET title = 'kept' FROM wanted WHERE wanted.id + 0 = deals.id + 0")
        assert {str(body) for body in bodies(many)} == {"{'title': 'kept'}"}
        assert len(bodies(many)) == 11
        lists = {"/api/v2/deals", "/api/v2/deals/archived"}
        assert {r["path"] for r in many.requests() if r["method"] == "GET"} == lists


def test_a_table_of_few_columns_can_be_written(account: LiveAccount) -> None:
    account.run(
        f"CREATE FOREIGN TABLE few (row_id text, label text) SERVER {account.name} "
        "OPTIONS (table 'person_emails')"
    )
    account.run(
        f"CREATE FOREIGN TABLE titles (id bigint, name text OPTIONS (column 'title')) SERVER {account.name} "
        "OPTIONS (table 'deals')"
    )
    try:
        account.simulator.reset()
        account.run("UPDATE titles SET name = 'few' WHERE id = 9")
        account.run("UPDATE few SET label = 'few' WHERE row_id = (SELECT min(row_id) FROM few)")
        assert bodies(account)[0] == {"title": "few"}
        assert [e["label"] for e in bodies(account)[1]["emails"]].count("few") == 1
    finally:
        account.run("DROP FOREIGN TABLE few, titles")


def test_a_column_that_is_declared_as_another_type(account: LiveAccount) -> None:
    account.run(
        f"CREATE FOREIGN TABLE odd (id bigint, title numeric, stage_id numeric) SERVER {account.name} "
        "OPTIONS (table 'deals')"
    )
    try:
        account.simulator.reset()
        assert "'2.5' is not an integer" in refused(account, "UPDATE odd SET stage_id = 2.5 WHERE id = 9")
        assert "'1.5' is not text" in refused(account, "INSERT INTO odd (title) VALUES (1.5)")
        account.run("UPDATE odd SET stage_id = 2.0 WHERE id = 9")
        assert bodies(account) == [{"stage_id": 2}]
    finally:
        account.run("DROP FOREIGN TABLE odd")


@pytest.mark.parametrize(
    ("column", "given", "arrives"),
    [
        ("value text", "'12.50'", {"value": 12.5}),
        ("value text", "'twelve'", "'twelve' is not a number"),
        ("label_ids text", "'{1,2}'", {"label_ids": [1, 2]}),
        ("label_ids text", "'12'", "'12' is not an array"),
        ("label_ids numeric", "12", "'12' is not an array"),
        ("expected_close_date timestamptz", "'2031-05-01 00:00Z'", {"expected_close_date": "2031-05-01"}),
        ("expected_close_date timestamptz", "'2031-05-01'", "is not a date, which is its midnight in UTC"),
        ("expected_close_date text", "'2031-06-01'", {"expected_close_date": "2031-06-01"}),
        ("close_time date", "'2031-05-01'", "is not ISO with an offset"),
        ("title char(30)", "'short'", {"title": "short"}),
        ("title bpchar", "'short '", {"title": "short"}),
        ("is_archived bigint", "1", {"is_archived": True}),
        ("is_archived bigint", "2", "2 is not a boolean"),
    ],
)
def test_a_value_of_another_type_arrives_as_what_it_means(
    account: LiveAccount, column: str, given: str, arrives: Any
) -> None:
    name, _ = column.split(" ")
    account.run("SET TimeZone = 'Asia/Tokyo'")
    account.run(
        f"CREATE FOREIGN TABLE odd (id bigint, {column}) SERVER {account.name} OPTIONS (table 'deals', "
        "odd_values 'null')"
    )
    sql = f"INSERT INTO odd ({name}) VALUES ({given})"
    sql = sql if name == "title" else f"UPDATE odd SET {name} = {given} WHERE id = 9"
    try:
        account.simulator.reset()
        if isinstance(arrives, str):
            assert arrives in refused(account, sql)
        else:
            account.run(sql)
            assert bodies(account) == [arrives]
    finally:
        account.run("DROP FOREIGN TABLE odd")
        account.run("UPDATE deals SET is_archived = false WHERE id = 9 AND is_archived")


@pytest.mark.parametrize(
    ("table", "declared", "given", "arrives"),
    [
        ("notes", "content text, deal_id bigint, pinned_to_deal_flag text", "'c', 1, 'false'", 0),
        ("notes", "content text, deal_id bigint, pinned_to_deal_flag text", "'c', 1, 't'", 1),
        ("notes", "content text, pinned_to_deal_flag text", "'c', 'x'", "'x' is not a boolean"),
        ("notes", "content text, pinned_to_deal_flag bigint", "'c', 2", "2 is not a boolean"),
        ("notes", "content text, add_time text", "'c', '2031-05-01'", "is not ISO with an offset"),
        (
            "notes",
            "content text, deal_id bigint, add_time text",
            "'c', 1, '2031-05-01 10:00+02'",
            "2031-05-01 08:00:00",
        ),
        ("files", "file_name bigint, content bytea", "1, ''", "'1' is not text"),
        ("files", "file_name text, content text", "'a', 'abc'", "a bytea is read in its hex form"),
        ("products", "name text, category bigint", "'p', 1", 1),
        ("products", "name text, category numeric", "'p', 1.5", "'1.5' is not an integer"),
        ("deals", "title text, visible_to float8", "'d', 'Infinity'", "'Infinity' is not an integer"),
        ("deals", "title text, visible_to float8", "'d', 'NaN'", "'NaN' is not an integer"),
        ("deals", "title text, owner_id numeric", "'d', 1e30", "is beyond the numbers of bigint"),
        ("deals", "title text, owner_id text", "'d', 'x'", "'x' is not an integer"),
    ],
)
def test_a_value_of_another_type_arrives_also_in_a_form_of_its_own(
    account: LiveAccount, table: str, declared: str, given: str, arrives: Any
) -> None:
    names = ", ".join(one.split(" ")[0] for one in declared.split(", "))
    account.run(
        f"CREATE FOREIGN TABLE odd (id bigint, {declared}) SERVER {account.name} OPTIONS (table '{table}')"
    )
    sql = f"INSERT INTO odd ({names}) VALUES ({given})"
    try:
        account.simulator.reset()
        if isinstance(arrives, str) and "is " in arrives:
            assert arrives in refused(account, sql)
        else:
            account.run(sql)
            assert [*bodies(account)[0].values()][-1] == arrives
    finally:
        account.run("DROP FOREIGN TABLE odd")


@pytest.mark.parametrize(
    ("declared", "given", "arrives"),
    [
        ("numeric", "1.0", "1"),
        ("numeric(10,2)", "1", "1"),
        ("text", "'01'", "1"),
        ("text", "' 1 '", "1"),
        ("text", "'x'", "'x' is not an integer"),
        ("numeric", "1.5", "'1.5' is not an integer"),
    ],
)
def test_a_key_is_the_same_whatever_the_type_of_its_column(
    account: LiveAccount, declared: str, given: str, arrives: str
) -> None:
    account.run(
        f"CREATE FOREIGN TABLE odd (person_id {declared}, value text) SERVER {account.name} "
        "OPTIONS (table 'person_emails')"
    )
    sql = f"INSERT INTO odd VALUES ({given}, 'odd@example.org')"
    try:
        account.simulator.reset()
        if " " in arrives:
            assert arrives in refused(account, sql)
        else:
            account.run(sql)
            account.run("UPDATE odd SET value = 'even' WHERE value = 'odd@example.org'")
            account.run("DELETE FROM odd WHERE value = 'even'")
            assert [path for _, path, _ in sent(account)] == [f"/api/v2/persons/{arrives}"] * 3
    finally:
        account.run("DROP FOREIGN TABLE odd")


@pytest.mark.parametrize(
    ("declared", "yes", "no"),
    [("text", "'t'", "'f'"), ("integer", "1", "0"), ("jsonb", "'true'", """'"false"'""")],
)
def test_a_flag_that_decides_what_is_sent_is_the_same_whatever_the_type_of_its_column(
    account: LiveAccount, declared: str, yes: str, no: str
) -> None:
    """A project is archived by a request of its own, and an archived deal is not changed."""
    for name, table in (("odd", "projects"), ("archived", "deals")):
        account.run(
            f"CREATE FOREIGN TABLE {name} (id bigint, title text, is_archived {declared}) "
            f"SERVER {account.name} OPTIONS (table '{table}')"
        )
    try:
        project = account.value("SELECT min(id) FROM projects WHERE NOT is_archived")
        archived = account.value("SELECT min(id) FROM deals WHERE is_archived")
        account.simulator.reset()
        account.run(f"UPDATE odd SET is_archived = {no} WHERE id = {project}")
        assert sent(account) == []
        account.run(f"UPDATE odd SET is_archived = {yes} WHERE id = {project}")
        account.run(f"UPDATE odd SET is_archived = {yes} WHERE id = {project}")
        assert [path for _, path, _ in sent(account)] == [f"/api/v2/projects/{project}/archive"]
        account.simulator.reset()
        assert "can be set to true only" in refused(
            account, f"UPDATE odd SET is_archived = {no} WHERE id = {project}"
        )
        rows = f"UPDATE archived SET title = 'x' WHERE id IN (1, {archived})"
        for returning in ("", " RETURNING id"):
            assert "is_archived = true cannot be changed" in refused(account, rows + returning)
    finally:
        account.run("DROP FOREIGN TABLE odd, archived")


def test_columns_of_one_field_are_compared_as_the_field_is(account: LiveAccount) -> None:
    account.run(
        "CREATE FOREIGN TABLE odd (id bigint, title text, is_archived text, archived boolean "
        f"OPTIONS (column 'is_archived'), deal_ids bigint[], deals text OPTIONS (column 'deal_ids')) "
        f"SERVER {account.name} OPTIONS (table 'projects')"
    )
    try:
        key = account.value("SELECT min(id) FROM projects WHERE NOT is_archived")
        update = f"UPDATE odd SET {{}} WHERE id = {key}"
        account.simulator.reset()
        account.run(update.format("is_archived = 'f'"))
        assert sent(account) == []
        account.run(update.format("deals = '{2,1}', deal_ids = '{2,1}'"))
        assert bodies(account) == [{"deal_ids": [2, 1]}]
        account.simulator.reset()
        account.run(update.format("is_archived = 't', archived = true"))
        assert len(sent(account)) == 1
        account.simulator.reset()
        assert "given different values" in refused(
            account, update.format("deals = '{1,2}', deal_ids = '{1}'")
        )
    finally:
        account.run("DROP FOREIGN TABLE odd")


@pytest.mark.parametrize(
    ("declared", "given", "arrives"),
    [
        ("numeric", "2.0", 2),
        ("text", "'3'", 3),
        ("numeric", "2.5", "'2.5' is not an integer"),
        ("text", "'two'", "'two' is not an integer"),
        ("float8", "'Infinity'", "'Infinity' is not an integer"),
    ],
)
def test_the_id_of_a_link_is_a_whole_number_whatever_its_column(
    account: LiveAccount, declared: str, given: str, arrives: Any
) -> None:
    key = field_of(account, "deal", "user")["field_code"]
    account.run(
        f"CREATE FOREIGN TABLE odd (id bigint, link {declared} "
        f"OPTIONS (field '{key}', type 'user', part 'id')) SERVER {account.name} OPTIONS (table 'deals')"
    )
    try:
        sql = f"UPDATE odd SET link = {given} WHERE id = 9"
        if isinstance(arrives, str):
            assert arrives in refused(account, sql)
        else:
            account.run(sql)
            assert bodies(account) == [{"custom_fields": {key: arrives}}]
    finally:
        account.run("DROP FOREIGN TABLE odd")


def test_years_have_four_digits(account: LiveAccount) -> None:
    account.run(
        "INSERT INTO deals (title, status, won_time, archive_time) "
        "VALUES ('early', 'won', '0999-01-01 10:00Z', '0099-01-01 10:00Z')"
    )
    (body,) = bodies(account)
    assert (body["won_time"], body["archive_time"]) == ("0999-01-01T10:00:00Z", "0099-01-01 10:00:00")


# ---- operations that want more than the change


def conditions(value: str) -> str:
    return (
        '{"glue": "and", "conditions": [{"glue": "and", "conditions": [{"object": "deal", '
        '"field_id": "4014", '
        f'"operator": "=", "value": "{value}", "extra_value": null}}]}}, '
        '{"glue": "or", "conditions": []}]}'
    )


@pytest.mark.parametrize("suppressed", [False, True])
def test_the_conditions_that_a_filter_is_sent_with_are_those_of_now(
    account: LiveAccount, suppressed: bool
) -> None:
    account.run(f"UPDATE filters SET conditions = '{conditions('open')}' WHERE id = 1")
    assert account.value("SELECT conditions::text FROM filters WHERE name IS NOT NULL AND id + 0 = 1")
    for one in account.simulator.account["filters"]:
        if one["id"] == 1:  # somebody else changes it, and what was read is remembered for minutes
            one["conditions"]["conditions"][0]["conditions"][0]["value"] = "won"
    if suppressed:
        account.run("ALTER FOREIGN TABLE filters OPTIONS (ADD suppress_extended_requests 'true')")
    try:
        account.simulator.reset()
        account.run("UPDATE filters SET name = name || '!' WHERE id + 0 = 1")
        (body,) = bodies(account)
        assert body["conditions"]["conditions"][0]["conditions"][0]["value"] == "won"
        assert "conditions of filters cannot be NULL" in refused_now(
            account, "UPDATE filters SET conditions = NULL WHERE id + 0 = 1"
        )
    finally:
        if suppressed:
            account.run("ALTER FOREIGN TABLE filters OPTIONS (DROP suppress_extended_requests)")


def refused_now(account: LiveAccount, sql: str) -> str:
    account.simulator.reset()
    return refused(account, sql)


def test_an_archived_row_can_be_deleted_but_not_changed(account: LiveAccount) -> None:
    key = account.value("SELECT min(id) FROM deals WHERE is_archived")
    account.simulator.reset()
    words = refused(account, f"UPDATE deals SET title = 'x' WHERE id = {key}")
    assert "a row of deals with is_archived = true cannot be changed" in words
    account.run(f"UPDATE deals SET title = 'back', is_archived = false WHERE id = {key}")
    account.run(f"UPDATE deals SET is_archived = true WHERE id = {key}")
    account.run(f"DELETE FROM deals WHERE id = {key}")
    assert [(method, body) for method, _, body in sent(account)] == [
        ("PATCH", {"title": "back", "is_archived": False}),
        ("PATCH", {"is_archived": True}),
        ("DELETE", None),
    ]


def test_an_option_of_a_built_in_field_cannot_be_deleted(account: LiveAccount) -> None:
    words = refused(account, "DELETE FROM deal_field_options WHERE NOT is_custom_field")
    assert "with is_custom_field = false cannot be deleted" in words
    assert "Leave such rows out: AND is_custom_field." in words


def test_a_table_without_updates_says_so(account: LiveAccount) -> None:
    assert "webhooks takes no UPDATE" in refused(account, "UPDATE webhooks SET name = 'x'")


# ---- arrays as rows


@pytest.fixture
def person(account: LiveAccount) -> int:
    """A person with three addresses, two of them the same."""
    key: int = account.value("INSERT INTO persons (name) VALUES ('Array') RETURNING id")
    account.run(
        'INSERT INTO person_emails (person_id, value, label, "primary") VALUES '
        f"({key}, 'a@example.org', 'work', true), ({key}, 'b@example.org', 'home', false), "
        f"({key}, 'a@example.org', 'again', false)"
    )
    account.simulator.reset()
    return key


def emails(account: LiveAccount, key: int) -> list[tuple[str, str, bool]]:
    (found,) = [p["emails"] for p in account.simulator.records("persons") if p["id"] == key]
    return [(e["value"], e["label"], e["primary"]) for e in found]


def test_every_element_of_a_record_in_one_statement(account: LiveAccount, person: int) -> None:
    account.run(
        f"UPDATE person_emails SET label = label || '+', value = 'new-' || value WHERE person_id = {person}"
    )
    assert emails(account, person) == [
        ("new-a@example.org", "work+", True),
        ("new-b@example.org", "home+", False),
        ("new-a@example.org", "again+", False),
    ]
    account.run(f"DELETE FROM person_emails WHERE person_id = {person}")
    assert emails(account, person) == []


def test_elements_with_the_same_key_are_told_apart(account: LiveAccount, person: int) -> None:
    account.run(f"UPDATE person_emails SET label = 'other' WHERE person_id = {person} AND label = 'again'")
    assert [label for _, label, _ in emails(account, person)] == ["work", "home", "other"]
    account.run(f"DELETE FROM person_emails WHERE person_id = {person} AND label = 'other'")
    assert [label for _, label, _ in emails(account, person)] == ["work", "home"]


@pytest.mark.parametrize("source", ["", ", generate_series(1, 3)"])
def test_every_one_of_several_elements_that_are_the_same_is_written(
    account: LiveAccount, person: int, source: str
) -> None:
    account.run(
        "INSERT INTO person_emails (person_id, value, label) "
        f"SELECT {person}, 'a@example.org', 'again' FROM generate_series(1, 2)"
    )
    sets = "label = 'other', value = value || '.example'"
    from_source, using = source.replace(",", "FROM", 1), source.replace(",", "USING", 1)
    where = f"WHERE person_id = {person} AND label"
    account.run(f"UPDATE person_emails SET {sets} {from_source} {where} = 'again'")
    assert [one[:2] for one in emails(account, person)][2:] == [("a@example.org.example", "other")] * 3
    assert len(account.rows(f"DELETE FROM person_emails {using} {where} = 'other' RETURNING value")) == 3
    assert [label for _, label, _ in emails(account, person)] == ["work", "home"]


def test_an_element_that_lost_its_flag_to_another_is_found(account: LiveAccount) -> None:
    """The second row was read as the primary one, which the first row's change has ended."""
    key = account.value("INSERT INTO persons (name) VALUES ('Array') RETURNING id")
    account.run(
        'INSERT INTO person_emails (person_id, value, label, "primary") VALUES '
        f"({key}, 'a@example.org', 'home', false), ({key}, 'a@example.org', 'work', true)"
    )
    account.run(
        f"UPDATE person_emails SET \"primary\" = label = 'home', label = label || '+' WHERE person_id = {key}"
    )
    assert [label for _, label, _ in emails(account, key)] == ["home+", "work+"]


def test_an_element_that_cannot_be_told_from_others_is_not_changed(account: LiveAccount, person: int) -> None:
    """Somebody else changes both, after they were read and before they are read to be written."""
    wanted = f"person_id = {person} AND label = 'work'"
    (record,) = [p for p in account.simulator.account["persons"] if p["id"] == person]
    changed = [{**email, "label": f"{email['label']}!"} for email in record["emails"]]
    rule = {
        "match": f"/persons/{person}$",
        "method": "GET",
        "action": "change",
        "skip": 1,
        "body": [{"method": "PATCH", "path": f"persons/{person}", "body": {"emails": changed}}],
    }
    account.simulator.faults([rule])
    with pytest.raises(psycopg.Error, match="cannot be told from others"):
        account.run(f"UPDATE person_emails SET label = 'mine' WHERE {wanted}")
    account.simulator.faults([])
    assert [label for _, label, _ in emails(account, person)] == ["work!", "home!", "again!"]


def test_a_new_element_is_returned_as_it_is(account: LiveAccount, person: int) -> None:
    sql = f"INSERT INTO person_emails (person_id, value, label) VALUES ({person}, 'a@example.org', 'new')"
    assert account.rows(f'{sql} RETURNING label, "primary"') == [("new", False)]


def test_a_second_primary_takes_the_place_of_the_first(account: LiveAccount, person: int) -> None:
    account.run(
        f"UPDATE person_emails SET \"primary\" = true WHERE person_id = {person} AND value = 'b@example.org'"
    )
    assert [primary for _, _, primary in emails(account, person)] == [False, True, False]
    account.run(
        f"INSERT INTO person_emails (person_id, value, \"primary\") VALUES ({person}, 'c@example.org', true)"
    )
    assert [primary for _, _, primary in emails(account, person)] == [False, False, False, True]


LOOK_UPS = "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off"
RETURNS = pytest.mark.parametrize("returning", ["", " RETURNING value"], ids=["at the end", "at once"])


def loop_over(key: int, *rows: str) -> str:
    """Rows of a VALUES list with the person in front, for each of which the person is looked up."""
    return ", ".join(f"({', '.join(filter(None, (f'{key}::bigint', row)))})" for row in rows)


@RETURNS
def test_each_element_that_a_loop_finds_by_its_other_columns_is_changed(
    account: LiveAccount, person: int, returning: str
) -> None:
    account.run(LOOK_UPS)
    values = loop_over(person, "'work', 'first'", "'again', 'second'")
    account.run(
        f"UPDATE person_emails SET label = wanted.new FROM (VALUES {values}) wanted (person, old, new) "
        f"WHERE person_id = wanted.person AND label = wanted.old{returning}"
    )
    assert [label for _, label, _ in emails(account, person)] == ["first", "home", "second"]


@RETURNS
def test_an_element_that_a_loop_finds_again_is_changed_once(
    account: LiveAccount, person: int, returning: str
) -> None:
    account.run(LOOK_UPS)
    account.run(
        f"UPDATE person_emails SET value = 'new-' || value FROM (VALUES {loop_over(person, '', '', '')}) "
        f"wanted (person) WHERE person_id = wanted.person{returning}"
    )
    assert [value for value, _, _ in emails(account, person)] == [
        "new-a@example.org",
        "new-b@example.org",
        "new-a@example.org",
    ]


@RETURNS
def test_elements_that_are_copied_in_a_loop_come_from_those_before(
    account: LiveAccount, person: int, returning: str
) -> None:
    account.run(LOOK_UPS)
    values = loop_over(person, "'x'", "'y'")
    account.run(
        "INSERT INTO person_emails (person_id, value, label) SELECT old.person_id, old.value, wanted.new "
        f"FROM (VALUES {values}) wanted (person, new) JOIN person_emails old ON old.person_id = wanted.person"
        f"{returning}"
    )
    copied = [label for _, label, _ in emails(account, person)][3:]
    assert copied == ["x", "x", "x", "y", "y", "y"]


@RETURNS
def test_every_element_that_has_a_like_is_deleted(account: LiveAccount, person: int, returning: str) -> None:
    account.run(LOOK_UPS)
    account.run(
        "DELETE FROM person_emails USING (SELECT person_id AS person, value AS address, label AS kind FROM "
        f"person_emails) other WHERE person_id = {person} AND other.person = person_id "
        f"AND other.address = value AND other.kind <> label{returning}"
    )
    assert [value for value, _, _ in emails(account, person)] == ["b@example.org"]


def test_an_insert_does_not_find_what_a_function_has_it_send(account: LiveAccount) -> None:
    """A volatile function that reads Pipedrive sees the rows before it, the INSERT itself does not."""
    account.run(
        f"""CREATE FUNCTION {account.name}.looks(word text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
        PERFORM id FROM filters; RETURN word; END $$"""
    )
    account.run(LOOK_UPS)
    key = account.value("INSERT INTO deals (title) VALUES ('one activity') RETURNING id")
    account.run(f"INSERT INTO activities (subject, deal_id) VALUES ('copied', {key})")
    account.simulator.reset()
    account.run(
        "INSERT INTO activities (subject, deal_id) SELECT looks(old.subject), old.deal_id "
        f"FROM (VALUES {loop_over(key, '', '', '')}) wanted (deal) "
        "JOIN activities old ON old.deal_id = wanted.deal"
    )
    assert len(bodies(account)) == 3


def test_an_element_of_a_person_that_is_not_there(account: LiveAccount) -> None:
    words = refused(account, "INSERT INTO person_emails (person_id, value) VALUES (999999, 'x@example.org')")
    assert "the API has nothing there (status 404)" in words


# ---- answers that show another record, or none


@pytest.mark.parametrize(
    ("method", "sql", "key"),
    [
        ("PATCH", "UPDATE products SET name = name || '!' WHERE id IN (1, 2)", 40),
        ("PATCH", "UPDATE products SET name = name || '!' WHERE id IN (1, 2) RETURNING id", "40"),
        ("DELETE", "DELETE FROM products WHERE id IN (1, 2)", 40),
        ("PUT", "UPDATE filters SET name = name || '!' WHERE id IN (1, 2)", 40),
    ],
)
def test_an_answer_with_another_record_leaves_open_what_was_done(
    account: LiveAccount, method: str, sql: str, key: Any
) -> None:
    account.simulator.faults([_second_answer(method, {"id": key})])
    with pytest.raises(psycopg.OperationalError, match="the answer shows another record") as caught:
        account.run(sql)
    assert caught.value.sqlstate == "08007"
    detail = str(caught.value.diag.message_detail)
    assert re.search(rf"{method} /\w+/\d was answered with 40\.", detail)
    assert re.search(r"1 row is written in Pipedrive for good: \w+ (UPDATE|DELETE) \d\.", detail)
    assert len(sent(account)) == 2


@pytest.mark.parametrize("returning", ["", " RETURNING id"])
def test_an_answer_without_the_id_of_a_new_record_leaves_open_which_it_is(
    account: LiveAccount, returning: str
) -> None:
    account.simulator.faults([_second_answer("POST", {"title": "x"})])
    with pytest.raises(psycopg.OperationalError, match="does not show the record that was created") as caught:
        account.run(f"INSERT INTO deals (title) SELECT 'x' FROM generate_series(1, 3){returning}")
    assert str(caught.value.diag.message_detail).startswith(
        "POST /deals was answered without its key. 1 row "
    )
    assert len(sent(account)) == 2


@pytest.mark.parametrize(
    ("given", "cleared"),
    [
        ("deal_varchar = 'x'", "deal_varchar = ''"),
        ("deal_monetary = 5, deal_monetary_currency = 'EUR'", "deal_monetary = NULL"),
        ("deal_time = '10:30'", "deal_time = NULL"),
    ],
)
def test_a_field_that_is_cleared_is_returned_as_it_is_read(
    account: LiveAccount, given: str, cleared: str
) -> None:
    """Version 1 leaves the field out of its answers, with all its parts."""
    lead = f"WHERE id = '{account.value('SELECT min(id::text) FROM leads WHERE NOT is_archived')}'"
    shown = f"{given.split()[0]}, custom_fields"
    account.run(f"UPDATE leads SET {given} {lead}")
    returned = account.rows(f"UPDATE leads SET {cleared} {lead} RETURNING {shown}")
    assert returned == account.rows(f"SELECT {shown} FROM leads {lead}")


def test_a_list_that_null_empties_is_returned_as_it_is_read(account: LiveAccount) -> None:
    account.run("""UPDATE activities SET attendees = '[{"email": "a@example.org"}]' WHERE id = 3""")
    returned = account.rows("UPDATE activities SET attendees = NULL WHERE id = 3 RETURNING attendees")
    assert returned == account.rows("SELECT attendees FROM activities WHERE id = 3") == [([],)]


def test_an_archiving_without_an_answer_is_no_creation(account: LiveAccount) -> None:
    key = account.value("SELECT min(id) FROM projects WHERE NOT is_archived")
    account.simulator.faults([{"match": "/archive$", "action": "drop"}])
    with pytest.raises(psycopg.OperationalError, match="may or may not have been created or changed: "):
        account.run(f"UPDATE projects SET is_archived = true WHERE id = {key}")


def test_an_id_that_an_answer_writes_otherwise_is_the_same(account: LiveAccount) -> None:
    account.simulator.faults([{**_second_answer("PATCH", {"id": "3", "name": "As text"}), "skip": 0}])
    sql = "UPDATE products SET name = name || '!' WHERE id = 3 RETURNING id, name"
    assert account.rows(sql) == [(3, "As text")]


def _second_answer(method: str, data: Any) -> dict[str, Any]:
    """The fault that the second request of this *method* is done and answered with *data*."""
    return {
        "match": r"/(deals|(products|filters)/\d+)$",
        "method": method,
        "action": "status",
        "status": 200,
        "body": {"success": True, "data": data},
        "skip": 1,
        "after_handling": True,
    }


# ---- answers


def answering(account: LiveAccount, match: str, method: str, status: int, body: Any) -> None:
    rule = {"match": match, "method": method, "action": "status", "status": status, "body": body}
    account.simulator.faults([rule])


def test_an_answer_of_the_id_alone_is_completed(account: LiveAccount) -> None:
    title = account.value("SELECT title FROM deals WHERE id = 10")
    answering(account, "/deals/10$", "PATCH", 200, {"success": True, "data": {"id": 10}})
    (row,) = account.rows(
        "UPDATE deals SET value = 5 WHERE id = 10 "
        "RETURNING id, title, value, attrs ->> 'title', custom_fields IS NULL"
    )
    assert row == (10, title, 5, title, False)
    answering(account, "/deals$", "POST", 201, {"success": True, "data": {"id": 777}})
    assert account.rows("INSERT INTO deals (title) VALUES ('q') RETURNING id, title") == [(777, "q")]
    answering(account, "/products$", "POST", 201, {"success": True, "data": {"id": 778}})
    assert account.rows(
        "INSERT INTO deal_products (deal_id, product_id, item_price, quantity) VALUES (10, 1, 5, 2) "
        "RETURNING row_id, item_price"
    ) == [("10:778", 5)]


@pytest.mark.parametrize("status", [200, 204])
def test_an_answer_without_a_body_is_a_success(account: LiveAccount, status: int) -> None:
    answering(account, "/deals/10$", "DELETE", status, "\n")
    account.run("DELETE FROM deals WHERE id = 10")
    assert [(method, path) for method, path, _ in sent(account)] == [("DELETE", "/api/v2/deals/10")]


REFUSED_AT_LAST = (
    "INSERT INTO deals (title, value) VALUES ('before', 1), ('before', 2), ('before', 1234567890123456.789)"
)


def test_a_row_that_cannot_be_written_is_refused_before_the_first_is_sent(account: LiveAccount) -> None:
    with pytest.raises(psycopg.Error, match="can be sent without loss") as caught:
        account.run(REFUSED_AT_LAST)
    assert sent(account) == []
    assert "is written" not in str(caught.value.diag.message_detail)


@pytest.mark.parametrize("returning", ["", " RETURNING id"])
def test_a_row_that_takes_two_requests_is_counted_once(account: LiveAccount, returning: str) -> None:
    keys = [
        key for (key,) in account.rows("SELECT id FROM projects WHERE NOT is_archived ORDER BY id LIMIT 3")
    ]
    account.simulator.faults([{"match": f"/{keys[1]}/archive$", "action": "status", "status": 400}])
    with pytest.raises(psycopg.Error) as caught:
        account.run(
            "UPDATE projects SET title = title || '!', is_archived = true "
            f"WHERE id IN ({', '.join(map(str, keys))}){returning}"
        )
    assert str(caught.value.diag.message_detail).endswith(
        f"2 rows are written in Pipedrive for good: projects UPDATE {keys[0]}, {keys[1]}."
        + ("" if returning else " 1 more were not sent.")
    )


def test_a_refusal_after_rows_that_were_returned_names_them(account: LiveAccount) -> None:
    with pytest.raises(psycopg.Error, match="can be sent without loss") as caught:
        account.run(f"{REFUSED_AT_LAST} RETURNING id")
    made = [str(d["id"]) for d in account.simulator.records("deals") if d["title"] == "before"]
    assert len(made) == 2
    detail = str(caught.value.diag.message_detail)
    assert f"2 rows are written in Pipedrive for good: deals INSERT {', '.join(made)}." in detail


def test_a_cancelled_write_says_that_it_may_have_been_done(account: LiveAccount) -> None:
    rule = {"match": "/deals/12$", "method": "PATCH", "action": "delay", "ms": 3000}
    account.simulator.faults([rule])
    with cancelled_after(account, "/deals/11"), pytest.raises(psycopg.Error) as caught:
        account.run("UPDATE deals SET title = 'cancelled' WHERE id IN (11, 12)")
    detail = str(caught.value.diag.message_detail)
    assert "/deals/12 was already sent, so Pipedrive may have done it." in detail
    assert "1 row is written in Pipedrive for good: deals UPDATE 11." in detail
