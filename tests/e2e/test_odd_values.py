"""Values that are not as the API documents them.

They are shown where PostgreSQL can hold them. Else they are an error that says where, for the queries that
use the column and for no other, or NULL under the option odd_values.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.e2e.test_custom_edges import old_version
from tests.e2e.test_custom_fields import field_of
from tests.live import LiveAccount
from tests.simulator.snapshot import patch
from tools.engine import Server

TABLES = ("deals", "activities", "persons", "products", "product_prices")
RECORD = 7
# Per table: a column to be changed beside the odd one, and what a change of it sends.
OTHER = {"deals": "title", "activities": "subject", "persons": "name", "products": "name"}


@pytest.fixture(scope="module")
def live(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9}
    with LiveAccount(
        server, seed=1, deals=30, tables=TABLES, burst=100_000, budget=10**9, options=options
    ) as account:
        account.run("SET TimeZone = 'UTC'")
        yield account


@pytest.fixture
def account(live: LiveAccount) -> Iterator[LiveAccount]:
    """The account, whose records are afterwards as they were before."""
    kept = {name: {r["id"]: dict(r) for r in live.simulator.account[name]} for name in OTHER}
    yield live
    live.simulator.faults([])
    for name, records in kept.items():
        for key, record in records.items():
            patch(live.simulator.account, name, str(key), record)


def give(account: LiveAccount, table: str, column: str, value: Any, key: int = RECORD) -> str:
    """Gives the record an odd value, in a custom field where *column* begins with its table's singular; the
    column's name."""
    what = table.removesuffix("s")
    with account.simulator.account.lock:
        if column.startswith(f"{what}_"):
            record = account.simulator.account[table].find(str(key))
            assert record is not None
            kind = column.removeprefix(f"{what}_").partition("_")[0]
            value = {**record["custom_fields"], field_of(account, what, kind)["field_code"]: value}
            patch(account.simulator.account, table, str(key), {"custom_fields": value})
        else:
            patch(account.simulator.account, table, str(key), {column: value})
    account.simulator.reset()
    return column


def error_of(account: LiveAccount, sql: str) -> str:
    with pytest.raises(psycopg.Error) as caught:
        account.run(sql)
    shown = caught.value.diag
    return f"{shown.message_primary}\n{shown.message_detail}\n{shown.message_hint}"


def written(account: LiveAccount) -> list[tuple[str, Any]]:
    found = [(r["method"], r["body"]) for r in account.requests() if r["method"] != "GET"]
    account.simulator.reset()
    return found


HELD = [
    ("deals", "expected_close_date", "20222-05-01", "20222-05-01"),
    ("deals", "expected_close_date", "+020222-05-01T00:00:00.000Z", "20222-05-01"),
    ("deals", "expected_close_date", "-000043-03-15", "0044-03-15 BC"),
    ("deals", "expected_close_date", "5874897-12-31", "5874897-12-31"),
    ("deals", "expected_close_date", "2024-2-3", "2024-02-03"),
    ("deals", "stage_change_time", "20222-05-01T10:00:00Z", "20222-05-01 10:00:00+00"),
    ("deals", "stage_change_time", "-000043-03-15T00:00:00.000Z", "0044-03-15 00:00:00+00 BC"),
    ("deals", "stage_change_time", "0001-01-01T00:00:00+14:00", "0001-12-31 10:00:00+00 BC"),
    ("deals", "stage_change_time", "2024-02-29T24:00:00Z", "2024-03-01 00:00:00+00"),
    ("deals", "stage_change_time", "2016-12-31T23:59:60Z", "2017-01-01 00:00:00+00"),
    ("deals", "stage_change_time", "2024-02-29T10:00:00.123456789+05:45", "2024-02-29 04:15:00.123456+00"),
    ("deals", "stage_change_time", "2024-02-29 10:00:00-0330", "2024-02-29 13:30:00+00"),
    ("deals", "value", "123456789012345678901234567890.5", "123456789012345678901234567890.5"),
    ("deals", "value", 1e300, "1" + "0" * 300),
    ("deals", "owner_id", "9223372036854775807", "9223372036854775807"),
    ("activities", "due_time", "24:00", "24:00:00"),
    ("activities", "due_time", "9:05", "09:05:00"),
    ("activities", "duration", "100000:30", "100000:30:00"),
    ("activities", "duration", "1 day02:00", "1 day 02:00:00"),
    ("activities", "duration", "1 day 02:00:00.", "1 day 02:00:00"),
    ("activities", "lead_id", "A0EEBC999C0B4EF8BB6D6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("deals", "deal_date", "20222-05-01", "20222-05-01"),
    ("deals", "deal_double", "0." + "1" * 60, "0." + "1" * 60),
    ("deals", "deal_time", {"value": "24:00:00", "timezone_name": None}, "24:00:00"),
    ("deals", "deal_daterange", {"value": "12345-01-01", "until": "12345-01-02"}, "12345-01-01"),
    ("deals", "deal_monetary", {"value": "9" * 40, "currency": "EUR"}, "9" * 40),
]


@pytest.mark.parametrize(("table", "column", "value", "shown"), HELD)
def test_what_postgresql_can_hold_is_shown(
    account: LiveAccount, table: str, column: str, value: Any, shown: str
) -> None:
    give(account, table, column, value)
    assert account.value(f"SELECT {column}::text FROM {table} WHERE id = {RECORD}") == shown


def test_a_list_is_no_option(account: LiveAccount) -> None:
    give(account, "deals", "deal_enum", [1101])
    told = error_of(account, f"SELECT deal_enum FROM deals WHERE id = {RECORD}")
    assert f"Record {RECORD}: a list is not an option." in told


def test_a_null_in_an_array_is_null_whatever_the_session_says(account: LiveAccount) -> None:
    give(account, "deals", "label_ids", [1, None])
    give(account, "deals", "deal_set", ["1", None])
    account.run("SET array_nulls = off")
    assert account.rows(f"SELECT label_ids[2], deal_set[2] FROM deals WHERE id = {RECORD}") == [(None, None)]
    written = f"UPDATE deals SET title = 'x' WHERE id = {RECORD} RETURNING label_ids"
    assert account.value(written) == [1, None]
    assert account.value("SHOW array_nulls") == "off"
    account.run("RESET array_nulls")


def test_a_duration_is_the_same_whatever_the_session_says(account: LiveAccount) -> None:
    give(account, "activities", "duration", "-1 days 02:00")
    hours = f"SELECT extract(epoch FROM duration) / 3600 FROM activities WHERE id = {RECORD}"
    assert account.value(hours) == -22
    account.run("SET intervalstyle = 'sql_standard'")
    assert account.value(hours) == -22
    account.run("RESET intervalstyle")


ODD = [
    ("deals", "expected_close_date", "2024-02-30"),
    ("deals", "expected_close_date", "2023-02-29"),
    ("deals", "expected_close_date", "5874898-01-01"),
    ("deals", "expected_close_date", "05/01/2024"),
    ("deals", "expected_close_date", "soon"),
    ("deals", "expected_close_date", 20240501),
    ("deals", "stage_change_time", "2024-02-30T10:00:00Z"),
    ("deals", "stage_change_time", "2024-02-28T25:00:00Z"),
    ("deals", "stage_change_time", "2024-02-28T10:00:00+16:00"),
    ("deals", "stage_change_time", "294277-01-01T00:00:00Z"),
    ("deals", "stage_change_time", "infinity"),
    ("deals", "value", "abc"),
    ("deals", "value", "1e200000"),
    ("deals", "value", [1]),
    ("deals", "owner_id", 2**63),
    ("deals", "owner_id", "me"),
    ("deals", "owner_id", 1.5),
    ("deals", "label_ids", [1, "x"]),
    ("deals", "label_ids", [2**63]),
    ("activities", "busy", "maybe"),
    ("activities", "due_time", "25:00"),
    ("activities", "due_time", "10:60"),
    ("activities", "duration", "1:75"),
    ("activities", "lead_id", "12345"),
    ("deals", "deal_date", "2024-02-30"),
    ("deals", "deal_enum", [1101]),
    ("deals", "deal_double", "abc"),
    ("deals", "deal_time", {"value": "24:01", "timezone_name": None}),
    ("deals", "deal_daterange_until", {"value": "2024-01-01", "until": "2024-02-30"}),
    ("deals", "deal_monetary", {"value": "a lot", "currency": "EUR"}),
    ("deals", "deal_user_id", "me"),
]


@pytest.mark.parametrize(("table", "column", "value"), ODD)
def test_what_it_cannot_hold_is_an_error_where_the_column_is_used_alone(
    account: LiveAccount, table: str, column: str, value: Any
) -> None:
    rows = account.value(f"SELECT count(*) FROM {table}")
    give(account, table, column, value)
    assert account.value(f"SELECT count(*) FROM {table}") == rows
    assert len(account.rows(f"SELECT id, {OTHER[table]} FROM {table}")) == rows
    for used in (
        f"SELECT {column} FROM {table}",
        f"SELECT * FROM {table} WHERE id = {RECORD}",
        f"SELECT row_to_json(t) FROM {table} t",
        f"SELECT id FROM {table} WHERE {column}::text LIKE '2%'",
        f"SELECT max({column}::text) FROM {table}",
    ):
        error = error_of(account, used)
        assert f"column {column} of {table} cannot show a value of Pipedrive" in error
        assert f"Record {RECORD}: " in error
        assert "ADD odd_values 'null'" in error


@pytest.mark.parametrize(("table", "column", "value"), ODD)
def test_it_is_null_where_the_option_says_so_and_attrs_keeps_it(
    account: LiveAccount, table: str, column: str, value: Any
) -> None:
    sql = f"SELECT {column}::text, attrs FROM {table} WHERE id = {RECORD}"
    give(account, table, column, value)
    account.run(f"ALTER FOREIGN TABLE {table} OPTIONS (ADD odd_values 'null')")
    try:
        shown, attrs = account.rows(sql)[0]
        null = account.rows(f"SELECT id FROM {table} WHERE {column} IS NULL AND id = {RECORD}")
        whole = account.objects(table, f"WHERE id = {RECORD}")[0]
    finally:
        account.run(f"ALTER FOREIGN TABLE {table} OPTIONS (DROP odd_values)")
    assert (shown, null, whole[column]) == (None, [(RECORD,)], None)
    if column in attrs:
        assert attrs[column] == value
    else:
        assert value in attrs["custom_fields"].values()


def test_the_server_may_say_so_for_all_its_tables(account: LiveAccount) -> None:
    give(account, "deals", "expected_close_date", "2024-02-30")
    give(account, "activities", "due_time", "25:00")
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD odd_values 'null')")
    try:
        assert account.value("SELECT expected_close_date FROM deals WHERE id = 7") is None
        assert account.value("SELECT due_time FROM activities WHERE id = 7") is None
    finally:
        account.run(f"ALTER SERVER {account.name} OPTIONS (DROP odd_values)")
    assert "Record 7" in error_of(account, "SELECT expected_close_date FROM deals WHERE id = 7")


# ---- writing


@pytest.mark.parametrize("odd_values", ["error", "null"])
@pytest.mark.parametrize(("table", "column", "value"), [*ODD, *(held[:3] for held in HELD)])
def test_an_update_of_another_column_leaves_it_alone(
    account: LiveAccount, table: str, column: str, value: Any, odd_values: str
) -> None:
    if column == "owner_id" and table == "deals" and value == 1.5:
        value = 2.5
    give(account, table, column, value)
    account.run(f"ALTER FOREIGN TABLE {table} OPTIONS (ADD odd_values '{odd_values}')")
    try:
        for where in (f"id = {RECORD}", f"id IN (SELECT id FROM {table} WHERE id IN ({RECORD}, 8))"):
            new = f"new {len(where)}"
            sql = f"UPDATE {table} SET {OTHER[table]} = '{new}' WHERE {where} RETURNING id, {OTHER[table]}"
            assert (RECORD, new) in account.rows(sql)
            assert {tuple(body) for _, body in written(account)} == {(OTHER[table],)}
    finally:
        account.run(f"ALTER FOREIGN TABLE {table} OPTIONS (DROP odd_values)")


@pytest.mark.parametrize("value", ["2024-02-30", "20222-05-01"])
def test_it_can_be_set_right(account: LiveAccount, value: str) -> None:
    give(account, "deals", "expected_close_date", value)
    account.run(f"UPDATE deals SET expected_close_date = '2024-02-29' WHERE id = {RECORD}")
    assert written(account) == [("PATCH", {"expected_close_date": "2024-02-29"})]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("expected_close_date", "2024-02-30"),
        ("expected_close_date", "20222-05-01"),
        ("value", "abc"),
        ("deal_date", "2024-02-30"),
    ],
)
def test_it_can_be_set_to_null(account: LiveAccount, column: str, value: str) -> None:
    give(account, "deals", column, value)
    sql = f"UPDATE deals SET {column} = NULL WHERE id = {RECORD}"
    key = field_of(account, "deal", "date")["field_code"]
    cleared = {"custom_fields": {key: None}} if column == "deal_date" else {column: None}
    account.run(sql)
    assert written(account) == [("PATCH", cleared)]


def test_a_far_date_can_be_looked_for_in_an_update(account: LiveAccount) -> None:
    give(account, "deals", "expected_close_date", "20222-05-01")
    account.run(
        "UPDATE deals SET expected_close_date = '2022-05-01' WHERE expected_close_date > '9999-01-01'"
    )
    assert written(account) == [("PATCH", {"expected_close_date": "2022-05-01"})]


def test_a_record_with_it_can_be_deleted_and_copied_but_for_it(account: LiveAccount) -> None:
    give(account, "deals", "expected_close_date", "2024-02-30")
    copy = "INSERT INTO deals (title{0}) SELECT title{0} FROM deals WHERE id = 7"
    assert "Record 7: '2024-02-30'" in error_of(account, copy.format(", expected_close_date"))
    assert written(account) == []
    account.run(copy.format(""))
    account.run(f"DELETE FROM deals WHERE id = {RECORD}")
    assert [method for method, _ in written(account)] == ["POST", "DELETE"]


def test_a_part_of_a_field_that_is_sent_whole_must_be_given_too(account: LiveAccount) -> None:
    odd = {"value": "2024-01-01", "until": "2024-02-30"}
    give(account, "deals", "deal_daterange", odd)
    change = "UPDATE deals SET deal_daterange = '2024-01-02'{} WHERE id = 7"
    assert "column deal_daterange_until must be given too" in error_of(account, change.format(""))
    assert written(account) == []
    account.run(change.format(", deal_daterange_until = '2024-01-03'"))
    key = field_of(account, "deal", "daterange")["field_code"]
    sent = {"custom_fields": {key: {"value": "2024-01-02", "until": "2024-01-03"}}}
    assert written(account) == [("PATCH", sent)]


def test_an_odd_element_is_sent_as_it_came_when_another_is_changed(account: LiveAccount) -> None:
    """The API takes the array whole, and says itself what it thinks of the odd one."""
    odd = {"currency": "USD", "price": "a lot", "cost": 1, "direct_cost": None, "notes": ""}
    good = {"currency": "EUR", "price": 5, "cost": 1, "direct_cost": None, "notes": ""}
    give(account, "products", "prices", [odd, good], 3)
    error = error_of(account, "UPDATE product_prices SET cost = 2 WHERE product_id = 3 AND currency = 'EUR'")
    assert "PATCH /api/v2/products/3 gave status 400: Property prices[].price must be of type number" in error
    ((method, body),) = written(account)
    assert [(p["currency"], p["price"], p["cost"]) for p in body["prices"]] == [
        ("USD", "a lot", 1), ("EUR", 5, 2)
    ]  # fmt: skip
    error = error_of(account, "SELECT price FROM product_prices WHERE product_id = 3")
    assert "column price of product_prices" in error
    assert "Record 3:USD: 'a lot' is not a number." in error


def test_writes_that_wait_for_commit_leave_it_alone(account: LiveAccount) -> None:
    give(account, "deals", "expected_close_date", "2024-02-30")
    account.run("ALTER FOREIGN TABLE deals OPTIONS (ADD write_mode 'commit')")
    try:
        account.run("BEGIN")
        account.run("UPDATE deals SET title = 'one' WHERE id = 7")
        account.run("UPDATE deals SET title = title || ' two' WHERE id = 7")
        assert written(account) == []
        account.run("COMMIT")
    finally:
        account.run("ALTER FOREIGN TABLE deals OPTIONS (DROP write_mode)")
    assert {tuple(body) for _, body in written(account)} == {("title",)}
    assert account.value("SELECT title FROM deals WHERE id = 7") == "one two"


# ---- the order that Pipedrive gives


def test_an_order_goes_beyond_what_python_can_hold(account: LiveAccount) -> None:
    account.simulator.reset()
    days = ("9999-12-31", "20221-05-01", "20222-05-01")
    records = ", ".join(f'{{"id": {id}, "due_date": "{day}"}}' for id, day in enumerate(days, 3))
    body = f'{{"success": true, "data": [{records}], "additional_data": {{"next_cursor": null}}}}'
    account.simulator.faults(
        [{"match": "^/api/v2/activities$", "action": "status", "status": 200, "body": body}]
    )
    sql = "SELECT due_date::text FROM activities a WHERE due_date >= '9999-01-01' ORDER BY a.due_date"
    assert account.rows(sql) == [(day,) for day in days]
    assert [r["query"].get("sort_by") for r in account.requests()] == ["due_date"]


def test_an_odd_value_in_an_order_is_an_error_or_null(account: LiveAccount) -> None:
    rows = account.value("SELECT count(due_date) FROM activities WHERE id <> 3")
    give(account, "activities", "due_date", "2024-02-30", 3)
    sql = "SELECT id FROM activities WHERE due_date IS NOT NULL ORDER BY due_date, id"
    error = error_of(account, sql)
    assert "column due_date of activities" in error
    assert "Record 3: '2024-02-30'" in error
    account.run("ALTER FOREIGN TABLE activities OPTIONS (ADD odd_values 'null')")
    try:
        shown = account.rows(sql)
    finally:
        account.run("ALTER FOREIGN TABLE activities OPTIONS (DROP odd_values)")
    assert len(shown) == rows
    assert (3,) not in shown


# ---- numbers of JSON, and columns that are declared by hand


def test_numbers_keep_all_their_digits(account: LiveAccount) -> None:
    """The record as JSON text, which the simulator, being Python, could not write."""
    many, small = "123456789012345678901234567890", "0.1234567890123456789012345"
    body = f'{{"success": true, "data": {{"id": 7, "title": "x", "value": {many}, "probability": {small}}}}}'
    account.simulator.faults(
        [{"match": "^/api/v2/deals/7$", "method": "GET", "action": "status", "status": 200, "body": body}]
    )
    assert account.rows("SELECT value::text, probability::text, attrs::text FROM deals WHERE id = 7") == [
        (many, small, f'{{"id": 7, "title": "x", "value": {many}, "probability": {small}}}')
    ]
    account.run("UPDATE deals SET title = 'y' WHERE id = 7")
    assert written(account) == [("PATCH", {"title": "y"})]


@pytest.mark.parametrize(
    ("column", "kind", "good", "shown", "odd"),
    [
        ("owner_id", "smallint", 32767, "32767", 32768),
        ("owner_id", "integer", -(2**31), "-2147483648", 2**31),
        ("owner_id", "real", 16777217, "1.6777216e+07", "1e39"),
        ("value", "double precision", "1e308", "1e+308", "1e309"),
        ("value", "numeric(5,2)", 999.994, "999.99", 999.995),
        ("currency", "char(3)", "EUR", "EUR", "EURO"),
        ("lost_reason", "varchar(3)", "ab ", "ab ", "abcd"),
        ("lost_reason", "varchar(3)", "abc  ", "abc", "abc  d"),
        ("lost_reason", "bytea", "\\x6162", "\\x6162", "back\\slash"),
        ("lost_reason", "bytea", "\\x", "\\x", "\\x616"),
        ("label_ids", "integer[]", [2**31 - 1], "{2147483647}", [2**31]),
    ],
)
def test_a_declared_type_decides_what_can_be_held(
    account: LiveAccount, column: str, kind: str, good: Any, shown: str, odd: Any
) -> None:
    account.run(
        f"CREATE FOREIGN TABLE declared (id bigint, title text, {column} {kind}) SERVER {account.name} "
        "OPTIONS (table 'deals')"
    )
    try:
        give(account, "deals", column, good)
        assert account.value(f"SELECT {column}::text FROM declared WHERE id = 7") == shown
        account.run("UPDATE declared SET title = 'y' WHERE id = 7")
        assert written(account) == [("PATCH", {"title": "y"})]
        give(account, "deals", column, odd)
        assert "Record 7: " in error_of(account, f"SELECT {column} FROM declared WHERE id = 7")
        assert account.value("SELECT title FROM declared WHERE id = 7") == "y"
    finally:
        account.run("DROP FOREIGN TABLE declared")


def test_a_value_that_cannot_be_read_may_end_the_session(account: LiveAccount) -> None:
    """It did so while no thread of Python was current, and the server crashed."""
    nested: Any = 1
    for _ in range(190):
        nested = {"a": nested}
    give(account, "deals", "nested", nested)
    account.run(
        "CREATE FUNCTION deep(n integer) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN IF n > 0 THEN RETURN "
        f"deep(n - 1); END IF; RETURN (SELECT count(attrs) FROM deals WHERE id = {RECORD}); END $$"
    )
    ended = 0
    for depth in range(16, 26, 2):
        with contextlib.closing(account.session()) as session:
            session.execute("SELECT deep(0)")
            session.execute("SET max_stack_depth = '100kB'; SET exit_on_error = on")
            with contextlib.suppress(psycopg.errors.StatementTooComplex):
                assert session.execute(f"SELECT deep({depth})").fetchall() == [(1,)]  # type: ignore[arg-type]
            ended += session.broken
    assert ended
    assert account.value("SELECT deep(0)") == 1
    account.run("DROP FUNCTION deep")


def test_the_rows_before_it_are_given_by_a_cursor(account: LiveAccount) -> None:
    give(account, "deals", "add_time", "never")
    with account.session() as session, session.transaction():
        session.execute("DECLARE c CURSOR FOR SELECT id, add_time FROM deals")
        assert [row[0] for row in session.execute("FETCH 6 FROM c")] == [1, 2, 3, 4, 5, 6]
        with pytest.raises(psycopg.Error, match="add_time of deals"), session.transaction():
            session.execute("FETCH 1 FROM c")
    with pytest.raises(psycopg.Error, match="add_time of deals"):
        account.rows("SELECT add_time FROM deals")


def test_the_same_holds_for_version_1(server: Server) -> None:
    with old_version(server, deals=10) as account:
        give(account, "deals", "expected_close_date", "2024-02-30")
        assert account.value("SELECT count(*) FROM deals") == 10
        assert "Record 7: '2024-02-30'" in error_of(account, "SELECT expected_close_date FROM deals")
        account.run("UPDATE deals SET title = 'y' WHERE id = 7")
        assert written(account) == [("PUT", {"title": "y"})]
