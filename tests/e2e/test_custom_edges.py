"""Custom fields that change, vanish or are odd: what a real PostgreSQL shows, refuses and asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.e2e.test_custom_fields import add_field, call, columns, field_of, refreshed
from tests.live import TOKEN, LiveAccount
from tests.simulator import Simulator
from tools.engine import Server

TABLES = ("deals", "leads", "products", "product_fields")


@pytest.fixture(scope="module", autouse=True)
def _extension(server: Server) -> None:
    """For refresh_columns."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute("CREATE EXTENSION IF NOT EXISTS pipedrive_fdw CASCADE")


@pytest.fixture
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=20, tables=TABLES) as live:
        yield live


def old_version(server: Server, **settings: Any) -> LiveAccount:
    """An account that is read by API v1."""
    simulator = Simulator(token=TOKEN, **{"deals": 20, **settings})
    simulator.configure({"v1_core": True})
    simulator.start()
    return LiveAccount(server, simulator, options={"api_version": "v1"}, tables=TABLES)


def written(account: LiveAccount) -> list[dict[str, Any]]:
    return [r["body"] for r in account.requests() if r["method"] != "GET"]


def paths(asked: list[dict[str, Any]]) -> list[str]:
    return [r["path"].removeprefix("/api/") for r in asked]


def refused(account: LiveAccount, sql: str) -> str:
    """Message, detail and hint of the error of *sql*."""
    account.simulator.reset()
    with pytest.raises(psycopg.Error) as caught:
        account.run(sql)
    shown = caught.value.diag
    return f"{shown.message_primary}\n{shown.message_detail}\n{shown.message_hint}"


# ---- definitions that are remembered


def test_sessions_share_what_they_have_read_of_fields(account: LiveAccount) -> None:
    sql = "SELECT product_enum FROM products"
    assert "v2/productFields" not in paths(account.asked(sql))  # read by the import, in another session
    account.connect()
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD fields_cache_ttl '0')")
    account.connect()
    assert paths(account.asked(sql)).count("v2/productFields") == 1
    account.run(f"ALTER SERVER {account.name} OPTIONS (SET fields_cache_ttl '300')")
    account.connect()
    assert "v2/productFields" not in paths(account.asked(sql))
    account.run("INSERT INTO deals (title) VALUES ('does not touch them')")
    account.connect()
    assert "v2/productFields" not in paths(account.asked(sql))
    account.run(
        "UPDATE product_fields SET field_name = 'Renamed' WHERE field_type = 'phone' AND is_custom_field"
    )
    account.connect()
    assert paths(account.asked(sql)).count("v2/productFields") == 1


# ---- labels that are written


def test_an_unknown_label_lists_some_that_there_are_and_nothing_is_sent(account: LiveAccount) -> None:
    error = refused(account, "INSERT INTO deals (title, deal_enum) VALUES ('x', 'alpha')")
    assert "column deal_enum has no option 'alpha'" in error
    assert "Its options are: 'Alpha', 'Béta, with comma', 'Quote \" here', " in error
    error = refused(account, "UPDATE deals SET deal_set = ARRAY['Alpha', 'Omega'] WHERE id = 1")
    assert "column deal_set has no option 'Omega'" in error
    error = refused(account, "INSERT INTO leads (title, person_id, deal_enum) VALUES ('x', 1, 'Nope')")
    assert "'Alpha'" in error
    assert written(account) == []


def test_an_error_says_what_its_statement_has_written_before(account: LiveAccount) -> None:
    insert = "INSERT INTO deals (title, deal_enum) VALUES ('x', 'Alpha'), ('y', 'Nope')"
    assert "written in Pipedrive" not in refused(account, insert)
    assert written(account) == []
    error = refused(account, f"{insert} RETURNING id")
    newest = max(d["id"] for d in account.simulator.records("deals"))
    assert f"1 row is written in Pipedrive for good: deals INSERT {newest}." in error
    assert len(written(account)) == 1


def test_an_option_can_be_given_by_its_id_and_comes_back_by_its_label(account: LiveAccount) -> None:
    option = field_of(account, "deal", "enum")["options"][1]
    several = field_of(account, "deal", "set")["options"]
    given = f"'{option['id']}', ARRAY['{several[0]['id']}', 'NULL']"
    shown = account.rows(
        f"INSERT INTO deals (title, deal_enum, deal_set) VALUES ('x', {given}) RETURNING deal_enum, deal_set"
    )
    assert shown == [("Béta, with comma", ["Alpha", "NULL"])]
    updated = account.rows(
        f"UPDATE deals SET deal_enum = '{field_of(account, 'deal', 'enum')['options'][0]['id']}' "
        "WHERE id = 1 RETURNING deal_enum"
    )
    assert updated == [("Alpha",)]


def test_an_option_that_was_just_made_can_be_written(account: LiveAccount) -> None:
    """By somebody else, while the options are remembered; and by this session itself."""
    key = field_of(account, "deal", "enum")["field_code"]
    account.run("UPDATE deals SET deal_enum = 'NULL' WHERE id = 1")
    call(account, "POST", f"/api/v2/dealFields/{key}/options", [{"label": "New"}])
    assert account.rows("UPDATE deals SET deal_enum = 'New' WHERE id = 1 RETURNING deal_enum") == [("New",)]
    account.import_tables(("deal_field_options",))
    account.run(f"INSERT INTO deal_field_options (field_code, label) VALUES ('{key}', 'Newer')")
    shown = account.rows("UPDATE leads SET deal_enum = 'Newer' WHERE NOT is_archived RETURNING deal_enum")
    assert set(shown) == {("Newer",)}


def test_a_set_takes_no_null_and_an_empty_one_is_null(account: LiveAccount) -> None:
    assert "does not allow NULL" in refused(account, "UPDATE deals SET deal_set = ARRAY['Alpha', NULL]")
    account.run("UPDATE deals SET deal_set = '{Alpha}' WHERE id = 1")
    account.simulator.reset()
    for sent in (1, 1):  # the second time there is nothing to send
        changed = account.rows("UPDATE deals SET deal_set = '{}' WHERE id = 1 RETURNING deal_set")
        assert changed == [(None,)]
        key = field_of(account, "deal", "set")["field_code"]
        assert written(account) == [{"custom_fields": {key: None}}] * sent


def test_definitions_are_read_once_for_a_statement_whatever_their_ttl(account: LiveAccount) -> None:
    account.run("ALTER FOREIGN TABLE products OPTIONS (ADD fields_cache_ttl '0')")
    account.simulator.reset()
    sql = (
        "INSERT INTO products (name, product_enum, product_set, product_text) "
        """VALUES ('x', 'Alpha', '{Alpha,"NULL"}', 'y') RETURNING product_enum, product_set"""
    )
    assert account.rows(sql) == [("Alpha", ["Alpha", "NULL"])]
    assert paths(account.requests()) == ["v2/productFields", "v2/products"]


# ---- fields that are gone


@pytest.mark.parametrize(("table", "needs"), [("deals", "title"), ("leads", "person_id, title")])
@pytest.mark.parametrize("version", ["v2", "v1"])
def test_a_field_that_is_gone_cannot_be_written_and_nothing_is_sent(
    server: Server, version: str, table: str, needs: str
) -> None:
    live = old_version(server) if version == "v1" else LiveAccount(server, deals=20, tables=TABLES)
    given = {"varchar": "'a'", "enum": "'Alpha'", "set": "'{Alpha}'", "user_id": "1", "double": "1"}
    with live:
        for kind in ("varchar", "enum", "set", "user", "double"):
            key = field_of(live, "deal", kind)["field_code"]
            call(live, "DELETE", f"/api/v2/dealFields/{key}")
        live.connect_anew()
        for ending, value in given.items():
            values = ", ".join("1" if name == "person_id" else "'x'" for name in needs.split(", "))
            for sql in (
                f"INSERT INTO {table} ({needs}, deal_{ending}) VALUES ({values}, {value})",
                f"UPDATE {table} SET deal_{ending} = {value} WHERE NOT is_archived",
            ):
                error = refused(live, sql)
                assert f"column deal_{ending} cannot be set" in error
                assert "was deleted in Pipedrive" in error
                assert written(live) == []
        nothing = "deal_varchar = NULL, deal_set = '{}'"
        live.run(f"UPDATE {table} SET title = 'y', {nothing} WHERE NOT is_archived")
        assert {tuple(body) for body in written(live)} == {("title",)}
    if version == "v1":
        live.simulator.stop()


def test_an_update_asks_for_no_definitions_where_the_record_has_the_field(account: LiveAccount) -> None:
    """A record of version 2 has every field, set or not."""
    key = field_of(account, "deal", "double")["field_code"]
    account.simulator.reset()
    account.run("UPDATE deals SET deal_double = 4.5 WHERE id = 1")
    assert paths(account.requests()) == ["v2/deals/1", "v2/deals/1"]
    assert written(account) == [{"custom_fields": {key: 4.5}}]


# ---- what a lead's answer leaves out


def test_clearing_one_column_of_a_lead_clears_the_others_in_returning(account: LiveAccount) -> None:
    ((ident,),) = account.rows(
        "INSERT INTO leads (title, person_id, deal_monetary, deal_monetary_currency, deal_user_id, "
        "deal_address, deal_address_address) "
        """VALUES ('x', 1, 5, 'EUR', 2, 'Tartu', '{"country": "Estonia"}') RETURNING id"""
    )
    names = "deal_monetary_currency, deal_user, deal_address_address"
    sql = f"SET deal_monetary = NULL, deal_user_id = NULL, deal_address = NULL WHERE id = '{ident}'"
    account.simulator.reset()
    # a currency or parts of an address alone are nothing
    assert account.rows(f"UPDATE leads {sql} RETURNING {names}") == [(None, None, None)]
    assert account.rows(f"SELECT {names} FROM leads WHERE id = '{ident}'") == [(None, None, None)]
    assert [set(body.values()) for body in written(account)] == [{None}]


# ---- values that cannot be sent


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("deal_double = 'NaN'", "NaN cannot be sent"),
        ("deal_double = 12345678901234567", "more digits than can be sent"),
        ("deal_monetary = 9007199254740993, deal_monetary_currency = 'EUR'", "more digits"),
        ("deal_time = '24:00'", "column deal_time of deals cannot be sent"),
        ("deal_time = '10:00:00.5'", "fraction of a second"),
        ("deal_user = '\"Ann\"'", "column deal_user names no id"),
        (
            "deal_user_id = 1, deal_user = '{\"value\": 2}'",
            "columns deal_user_id and deal_user contradict each other",
        ),
        ("deal_address = 'x', deal_address_address = '{\"city\": \"Tartu\"}'", "locality"),
        ("deal_daterange = '2026-01-01'", "deal_daterange_until"),
        ("custom_fields = '{\"a\": 1}'", "column custom_fields of deals cannot be changed"),
        ("id = 99", "Columns that can be changed: title, owner_id"),
        ("id = 99", "archive_time, and those of custom fields."),
    ],
)
def test_what_cannot_be_sent_is_an_error_before_any_request(
    account: LiveAccount, given: str, words: str
) -> None:
    ((ident,),) = account.rows("INSERT INTO deals (title) VALUES ('x') RETURNING id")
    assert words in refused(account, f"UPDATE deals SET {given} WHERE id = {ident}")
    assert written(account) == []


@pytest.mark.parametrize("day", ["infinity", "-infinity", "0044-03-15 BC", "12345-01-01"])
def test_a_date_that_pipedrive_has_not_is_an_error(account: LiveAccount, day: str) -> None:
    refused(account, f"UPDATE deals SET deal_date = '{day}' WHERE id = 1")
    assert written(account) == []


def test_numbers_beyond_a_float_stay_as_they_are(account: LiveAccount) -> None:
    key = field_of(account, "deal", "double")["field_code"]
    big = 12345678901234567
    call(account, "PATCH", "/api/v2/deals/1", {"custom_fields": {key: big}})
    assert account.rows(f"SELECT id FROM deals WHERE deal_double = {big}") == [(1,)]
    account.simulator.reset()
    account.run("UPDATE deals SET title = 'x' WHERE id = 1")
    assert written(account) == [{"title": "x"}]
    account.simulator.reset()
    account.run("UPDATE deals SET deal_double = 1234567890.12345 WHERE id = 1")
    assert written(account) == [{"custom_fields": {key: 1234567890.12345}}]


# ---- types that nobody can create

OTHERS: dict[str | None, tuple[str, Any, Any]] = {
    "int": ("bigint", 5, 5),
    "boolean": ("boolean", True, True),
    "json": ("jsonb", {"a": [1]}, {"a": [1]}),
    "varchar_options": ("text", "Alpha", "Alpha"),
    "status": ("text", "open", "open"),
    "stage": ("bigint", 3, 3),
    "pipeline": ("bigint", 1, 1),
    "deal": ("bigint", 7, 7),
    "deals": ("jsonb", [1, 2], [1, 2]),
    "lead": ("text", "3c1e", "3c1e"),
    "activity": ("bigint", 4, 4),
    "product": ("bigint", 4, 4),
    "project": ("bigint", 4, 4),
    "projects_board": ("bigint", 4, 4),
    "projects_phase": ("bigint", 4, 4),
    "visible_to": ("bigint", 3, 3),
    "picture": ("jsonb", {"id": 1}, {"id": 1}),
    "price_list": ("jsonb", [{"price": 1}], [{"price": 1}]),
    "billing_frequency": ("text", "monthly", "monthly"),
    "hologram": ("text", {"x": 1}, '{"x":1}'),
    None: ("text", "?", "?"),
}


def test_types_that_nobody_can_create_are_imported_and_read_only(server: Server) -> None:
    with LiveAccount(server, deals=20, tables=("users",)) as live:
        fields, deals = live.simulator.account["deal_fields"], live.simulator.account["deals"]
        text = field_of(live, "deal", "varchar")
        keys = {}
        for number, (kind, (_, value, _)) in enumerate(OTHERS.items()):
            keys[kind] = f"{number:040x}"
            named = {"field_name": f"Of type {kind}", "field_code": keys[kind], "field_type": kind}
            fields.put({**text, **named, "_order": 1000 + number, "_id": 9000 + number})
            deals.get(1)["custom_fields"] = {**(deals.get(1)["custom_fields"] or {}), keys[kind]: value}
        deals.encoded.clear()
        live.import_tables(("deals",))
        made = columns(live, "deals")
        for kind, (sql_type, _, shown) in OTHERS.items():
            name = made[keys[kind], ""][0]
            assert made[keys[kind], ""] == (f"of_type_{kind}".lower(), sql_type)
            assert live.value(f"SELECT {name} FROM deals WHERE id = 1") == shown
            assert live.rows(f"SELECT id FROM deals WHERE {name} IS NOT NULL") == [(1,)]
            other = {"bigint": "9", "boolean": "false", "jsonb": "'9'", "text": "'9'"}[sql_type]
            assert f"column {name} cannot be set" in refused(live, f"UPDATE deals SET {name} = {other}")
            assert written(live) == []


def test_custom_fields_of_activities_are_shown_where_there_are_any_and_read_only(server: Server) -> None:
    with LiveAccount(server, deals=10, tables=("activities",)) as live:
        assert columns(live, "activities") == {}
        enum, key = field_of(live, "deal", "enum"), "a" * 40
        live.simulator.account["activity_fields"].put({**enum, "field_name": "Act", "field_code": key})
        live.simulator.account["activities"].get(1)["custom_fields"] = {key: enum["options"][0]["id"]}
        live.run("DROP FOREIGN TABLE activities")
        live.import_tables(("activities",))
        assert columns(live, "activities") == {(key, ""): ("act", "text")}
        assert live.rows("SELECT id, act FROM activities WHERE act IS NOT NULL") == [(1, "Alpha")]
        for sql in ("UPDATE activities SET act = 'NULL'", "INSERT INTO activities (act) VALUES ('NULL')"):
            assert "custom fields of activities cannot be set" in refused(live, sql)
            assert written(live) == []


# ---- WHERE, ORDER BY, GROUP BY


def test_conditions_orders_and_groups_are_worked_out_here(account: LiveAccount) -> None:
    account.run("CREATE TEMP TABLE plain AS SELECT * FROM deals")
    for sql in (
        "SELECT deal_enum, count(*) FROM {t} GROUP BY 1 ORDER BY 1 NULLS FIRST",
        "SELECT unnest(deal_set) AS one, count(*) FROM {t} GROUP BY 1 ORDER BY 1",
        "SELECT id FROM {t} WHERE 'Alpha' = ANY (deal_set) ORDER BY id",
        "SELECT id FROM {t} WHERE deal_set && ARRAY['Alpha', 'NULL'] ORDER BY id",
        "SELECT id FROM {t} WHERE deal_enum IN ('Alpha', 'NULL', '') ORDER BY id",
        "SELECT id FROM {t} WHERE deal_enum <> 'Alpha' ORDER BY id",
        "SELECT id FROM {t} WHERE deal_enum IS NULL OR deal_double > 300 ORDER BY id",
        "SELECT id, deal_monetary FROM {t} ORDER BY deal_monetary DESC NULLS LAST, id LIMIT 3",
        "SELECT deal_monetary_currency, sum(deal_monetary) FROM {t} GROUP BY 1 ORDER BY 1",
        "SELECT id FROM {t} WHERE deal_date BETWEEN '2020-01-01' AND '2026-01-01' ORDER BY deal_date, id",
        "SELECT id FROM {t} WHERE deal_date::timestamp < 'infinity' ORDER BY id",
        "SELECT id FROM {t} WHERE deal_time < '24:00' AND deal_double <> 'NaN' ORDER BY id",
        "SELECT id FROM {t} WHERE deal_time < deal_timerange ORDER BY id",
        "SELECT id FROM {t} WHERE (deal_user ->> 'value')::int = deal_user_id ORDER BY id",
        "SELECT id FROM {t} WHERE deal_varchar ~ 'a' ORDER BY deal_varchar COLLATE \"C\", id",
        "SELECT a.id, b.id FROM {t} a JOIN {t} b ON a.deal_user_id = b.deal_user_id ORDER BY 1, 2",
    ):
        asked = account.asked(sql.format(t="deals"))
        assert account.rows(sql.format(t="deals")) == account.rows(sql.format(t="plain")), sql
        names = {name for r in asked for name in r["query"]}
        assert names - {"sort_by", "sort_direction"} <= {
            "limit",
            "include_fields",
            "include_option_labels",
            "custom_fields",
        }
    account.run("DROP TABLE plain")


# ---- what labels cost


def test_labels_are_asked_for_where_they_are_shown(account: LiveAccount) -> None:
    note = "Labels of options, unless remembered"

    def noted(sql: str) -> bool:
        return any(note in line for line in account.plan(sql))

    assert noted("SELECT product_enum FROM products")
    assert noted("SELECT * FROM leads")
    assert not noted("SELECT count(*) FROM products")
    for table in ("products", "leads"):
        what = {"products": "product", "leads": "deal"}[table]
        account.connect_anew()
        assert not any("Fields" in path for path in paths(account.asked(f"SELECT id FROM {table}")))
        assert not noted(f"SELECT id FROM {table}")
        shown = account.rows(f"SELECT id, {what}_enum FROM {table}")
        assert any("Fields" in path for path in paths(account.requests()))
        assert noted(f"SELECT id, {what}_enum FROM {table}")
        assert account.rows(f"SELECT id, {what}_enum FROM {table}") == shown


# ---- import


def test_all_pages_of_definitions_are_read_by_both_versions(server: Server) -> None:
    """620 of them do not fit a page of 500."""
    with LiveAccount(server, deals=5, extra_fields=600, tables=("products",)) as live:
        new = columns(live, "products")
    old = old_version(server, deals=5, extra_fields=600)
    with old:
        assert {key: name for (key, _), (name, _) in columns(old, "products").items()} == {
            key: name for (key, _), (name, _) in new.items()
        }
    old.simulator.stop()
    assert len({key for key, _ in new}) == 619


def test_names_do_not_depend_on_the_order_of_the_screen(server: Server) -> None:
    """Twins keep their numbers when somebody moves a field, or makes a third."""
    live = old_version(server)
    with live:
        keys = [add_field(live, "Twin") for _ in range(2)]
        live.run("DROP FOREIGN TABLE deals")
        live.import_tables(("deals",))
        before = columns(live, "deals")
        for field in live.simulator.account["deal_fields"]:
            field["_order"] = -field["_order"]
        live.simulator.account["deal_fields"].orders.clear()
        third = add_field(live, "Twin")
        live.run("DROP FOREIGN TABLE deals")
        live.import_tables(("deals",))
        after = columns(live, "deals")
        assert {place: shown for place, shown in after.items() if place[0] != third} == before
        assert [after[key, ""][0] for key in (*keys, third)] == ["twin", "twin_2", "twin_3"]
    live.simulator.stop()


@pytest.mark.parametrize("names", ["label", "key"])
@pytest.mark.parametrize("choices", ["label", "id"])
def test_every_choice_of_an_import_can_be_written_and_refreshed(
    account: LiveAccount, names: str, choices: str
) -> None:
    account.run("DROP FOREIGN TABLE deals")
    account.run(
        f"IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deals) FROM SERVER {account.name} INTO {account.name} "
        f"OPTIONS (custom_field_names '{names}', custom_field_options '{choices}')"
    )
    enum, several = field_of(account, "deal", "enum"), field_of(account, "deal", "set")
    made = columns(account, "deals")
    one, many = made[enum["field_code"], ""], made[several["field_code"], ""]
    assert (one[1], many[1]) == (("bigint", "bigint[]") if choices == "id" else ("text", "text[]"))
    assert one[0] == (enum["field_code"] if names == "key" else "deal_enum")
    ids = [enum["options"][0]["id"], several["options"][2]["id"]]
    given = f"{ids[0]}, ARRAY[{ids[1]}]" if choices == "id" else "'Alpha', ARRAY['Quote \" here']"
    shown = account.rows(
        f'INSERT INTO deals (title, "{one[0]}", "{many[0]}") VALUES (\'x\', {given}) '
        f'RETURNING "{one[0]}", "{many[0]}"'
    )
    assert shown == [(ids[0], [ids[1]]) if choices == "id" else ("Alpha", ['Quote " here'])]
    (body,) = written(account)
    assert body["custom_fields"] == {enum["field_code"]: ids[0], several["field_code"]: [ids[1]]}
    assert refreshed(account, "deals") == []
    key = add_field(account, "Another", "monetary")
    base = key if names == "key" else "another"
    assert [line.split()[6].strip('"') for line in refreshed(account, "deals")] == [base, f"{base}_currency"]


def test_the_column_of_a_field_gets_the_type_that_the_field_has_now(account: LiveAccount) -> None:
    """Pipedrive changes no type, but may name one that it gave as text before."""
    fields = account.simulator.account["deal_fields"]
    field = field_of(account, "deal", "varchar_auto")
    fields.put({**field, "field_type": "monetary"})
    table, key = f"ALTER FOREIGN TABLE {account.name}.deals", field["field_code"]
    lines = [
        f"{table} ALTER COLUMN deal_varchar_auto TYPE numeric, "
        "ALTER COLUMN deal_varchar_auto OPTIONS (SET type 'monetary');",
        f"{table} ADD COLUMN deal_varchar_auto_currency text "
        f"OPTIONS (field '{key}', part 'currency', type 'monetary');",
    ]
    assert refreshed(account, "deals") == lines
    assert refreshed(account, "deals", run=True) == lines
    assert refreshed(account, "deals") == []


def test_without_custom_fields_their_values_stand_in_one_column(account: LiveAccount) -> None:
    account.run("DROP FOREIGN TABLE deals")
    account.run(
        f"IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deals) FROM SERVER {account.name} INTO {account.name} "
        "OPTIONS (custom_fields 'false')"
    )
    assert columns(account, "deals") == {}
    assert not any("Fields" in path for path in paths(account.asked("SELECT * FROM deals")))
    stored = account.simulator.account["deals"].get(1)["custom_fields"]
    key = field_of(account, "deal", "enum")["field_code"]
    assert account.value(f"SELECT custom_fields ->> '{key}' FROM deals WHERE id = 1") == (
        None if stored[key] is None else str(stored[key])
    )
    assert refreshed(account, "deals") == []


def test_related_objects_are_those_of_the_option_alone(account: LiveAccount) -> None:
    """suppress_extended_requests leaves the id; a person that is gone is an id too."""
    key = field_of(account, "deal", "people")["field_code"]
    call(account, "PATCH", "/api/v2/deals/1", {"custom_fields": {key: 2}})
    account.run("ALTER FOREIGN TABLE deals OPTIONS (ADD expand_related 'true')")
    sql = "SELECT deal_people FROM deals WHERE id = 1"
    assert account.value(sql)["name"]
    shown = account.value(sql)
    account.simulator.reset()
    returned = account.value("UPDATE deals SET title = 'x' WHERE id = 1 RETURNING deal_people")
    assert returned == shown
    account.run("ALTER FOREIGN TABLE deals OPTIONS (ADD suppress_extended_requests 'true')")
    assert account.value(sql) == {"value": 2}
    account.run("ALTER FOREIGN TABLE deals OPTIONS (DROP suppress_extended_requests)")
    call(account, "DELETE", "/api/v2/persons/2")
    account.connect()
    assert account.value(sql)["value"] == 2
