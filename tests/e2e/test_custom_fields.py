"""Custom fields as columns of a real PostgreSQL: what they show, what is asked for, what an import makes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from pipedrive_fdw.custom_fields.kinds import parts_of
from tests.live import TOKEN, LiveAccount, literal
from tests.simulator import Simulator
from tests.simulator.company.fields import TYPES
from tests.simulator.custom import linked
from tools.engine import Server

# table → (whose fields, the simulator's collection, the key of the values in its records)
TABLES = {
    "deals": ("deal", "deals", "custom_fields"),
    "deleted_deals": ("deal", "deals", "custom_fields"),
    "leads": ("deal", "leads", "_custom"),
    "persons": ("person", "persons", "custom_fields"),
    "organizations": ("organization", "organizations", "custom_fields"),
    "products": ("product", "products", "custom_fields"),
    "projects": ("project", "projects", "custom_fields"),
    "deal_persons": ("person", "persons", "custom_fields"),
    "organization_persons": ("person", "persons", "custom_fields"),
}
V1_TABLES = ("deals", "deleted_deals", "persons", "organizations", "products", "leads")
LINKED = {"user": "users", "org": "organizations", "people": "persons"}


def call(account: LiveAccount, method: str, path: str, body: Any = None) -> Any:
    """A change in Pipedrive, by somebody else."""
    request = urllib.request.Request(  # noqa: S310 - the simulator
        account.simulator.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"x-api-token": TOKEN, "content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.load(answer)["data"]


def clean(value: Any) -> Any:
    """*value* without NUL, which PostgreSQL has no room for."""
    return json.loads(json.dumps(value).replace("\\u0000", ""))


def size_of(account: LiveAccount, asked: list[dict[str, Any]]) -> int:
    """The bytes of the answers to requests that were seen."""
    total = 0
    for request in asked:
        query = "&".join(f"{name}={value}" for name, value in request["query"].items())
        answer = account.simulator.answer("GET", request["path"], query, {"x-api-token": TOKEN}, b"")
        total += len(answer.body)
    return total


def add_field(account: LiveAccount, name: str, kind: str = "varchar", what: str = "deal") -> str:
    body: dict[str, Any] = {"field_name": name, "field_type": kind}
    if kind in ("enum", "set"):
        body["options"] = [{"label": "One"}, {"label": "Two"}]
    return str(call(account, "POST", f"/api/v2/{what}Fields", body)["field_code"])


def columns(account: LiveAccount, table: str) -> dict[tuple[str, str], tuple[str, str]]:
    """(field key, part) → (name, type) of the custom columns of *table*."""
    rows = account.rows(
        f"""SELECT attname, format_type(atttypid, atttypmod),
                   (SELECT jsonb_object_agg(option_name, option_value)
                      FROM pg_options_to_table(attfdwoptions))
              FROM pg_attribute
             WHERE attrelid = '{account.name}.{table}'::regclass AND attfdwoptions IS NOT NULL
               AND NOT attisdropped"""
    )
    return {(o["field"], o.get("part", "")): (name, kind) for name, kind, o in rows}


def field_of(account: LiveAccount, what: str, kind: str) -> dict[str, Any]:
    """The first custom field of *what* that has the type."""
    fields = account.simulator.records(f"{what}_fields")
    return next(f for f in fields if f["is_custom_field"] and f["field_type"] == kind)


def expected(account: LiveAccount, field: dict[str, Any], value: Any, flat: bool) -> dict[str, Any]:
    """part → the JSON value that PostgreSQL must show for the stored *value* (in v2's form)."""
    kind = field["field_type"]
    labels = {option["id"]: option["label"] for option in field["options"] or ()}
    if value is None:
        return dict.fromkeys(part.name for part in parts_of(kind))
    if kind in LINKED:
        shown = linked(account.simulator.account, kind, value) if flat else {"value": value}
        return {"id": None if shown is None else value, "": clean(shown)}
    if kind == "enum":
        return {"": labels.get(value, str(value))}
    if kind == "set":
        return {"": [labels.get(one, str(one)) for one in value]}
    if kind == "address":
        parts = {name: part for name, part in value.items() if name != "value"}
        if flat:
            parts["formatted_address"] = value["value"]
        return {"": value["value"], "parts": parts}
    if not isinstance(value, dict):
        return {"": clean(value)}
    out = {"": value["value"], "currency": value.get("currency"), "until": value.get("until")}
    zone = value.get("timezone_name")
    out["timezone"] = "77" if flat and zone else zone
    return {part: one for part, one in out.items() if not part or one is not None}


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=150) as live:
        yield live


@pytest.fixture(scope="module")
def old_account(server: Server) -> Iterator[LiveAccount]:
    """One that is read by API v1."""
    simulator = Simulator(token=TOKEN, deals=120)
    simulator.configure({"v1_core": True})
    simulator.start()
    with LiveAccount(server, simulator, options={"api_version": "v1"}) as live:
        yield live
    simulator.stop()


@pytest.fixture
def fresh(server: Server) -> Iterator[Callable[..., LiveAccount]]:
    """Makes accounts of one's own."""
    made: list[LiveAccount] = []

    def make(**settings: Any) -> LiveAccount:
        live = LiveAccount(server, **{"deals": 20, **settings})
        live.__enter__()
        made.append(live)
        return live

    yield make
    for live in made:
        live.__exit__(None, None, None)


# ---- reading


def assert_values(account: LiveAccount, table: str, flat: bool) -> int:
    """Every custom value of every row of *table* against the simulator's records; how many are set."""
    what, collection, holder = TABLES[table]
    names = columns(account, table)
    stored = account.simulator.account[collection]
    fields = [f for f in account.simulator.records(f"{what}_fields") if f["is_custom_field"]]
    assert {key for key, _ in names} == {f["field_code"] for f in fields}
    seen = 0
    for row in account.objects(table):
        values = stored.get(row["id"])[holder] or {}
        for field in fields:
            value = values.get(field["field_code"])
            for part, one in expected(account, field, value, flat).items():
                name = names[field["field_code"], part][0]
                assert row[name] == one, (table, row["id"], name)
                seen += value is not None
    return seen


@pytest.mark.parametrize("table", TABLES)
def test_every_value_of_every_type_is_shown(account: LiveAccount, table: str) -> None:
    assert assert_values(account, table, table == "leads") > (0 if table == "deleted_deals" else 50)


@pytest.mark.parametrize("table", V1_TABLES)
def test_every_value_is_shown_by_version_1(old_account: LiveAccount, table: str) -> None:
    assert assert_values(old_account, table, True) > 0


@pytest.mark.parametrize("table", ["deals", "leads", "persons", "organizations", "products", "projects"])
@pytest.mark.parametrize("kind", TYPES)
def test_where_finds_the_rows_with_a_value(account: LiveAccount, table: str, kind: str) -> None:
    what, _, _ = TABLES[table]
    names = columns(account, table)
    key = field_of(account, what, kind)["field_code"]
    rows = account.objects(table)
    for part in {part for field, part in names if field == key}:
        name, sql_type = names[key, part]
        values = [row[name] for row in rows if row[name] is not None]
        assert values
        wanted = values[len(values) // 2]
        text = json.dumps(wanted) if sql_type == "jsonb" else str(wanted)
        if sql_type == "text[]":
            text = "{" + ",".join(json.dumps(one, ensure_ascii=False) for one in wanted) + "}"
        found = account.rows(f"SELECT id::text FROM {table} WHERE {name} = {literal(text)}::{sql_type}")
        assert sorted(i for (i,) in found) == sorted(str(row["id"]) for row in rows if row[name] == wanted)
        missing = account.value(f"SELECT count(*) FROM {table} WHERE {name} IS NULL")
        assert missing == len(rows) - len(values)


def test_a_row_is_the_same_by_its_key_and_in_the_list(account: LiveAccount) -> None:
    """The list of archived deals, and batches among them, have no labels of options; attrs neither."""
    shown = {row["id"]: {**row, "attrs": None} for row in account.objects("deals")}
    some = [row["id"] for row in shown.values() if row["is_archived"]][:2] + [1, 2, 3]
    for where in (f"WHERE id = {some[0]}", "WHERE id = 2", f"WHERE id IN ({', '.join(map(str, some))})"):
        for row in account.objects("deals", where):
            assert {**row, "attrs": None} == shown[row["id"]]
        for ident, fields, attrs in account.rows(f"SELECT id, custom_fields, attrs FROM deals {where}"):
            assert fields == attrs["custom_fields"] == shown[ident]["custom_fields"]
    many = ", ".join(map(str, shown))
    together = account.objects("deals", f"WHERE id IN ({many})")
    assert {row["id"]: {**row, "attrs": None} for row in together} == shown
    stored = account.simulator.account["deals"]
    for row in account.objects("deals"):
        values = clean(stored.get(row["id"])["custom_fields"])
        assert row["custom_fields"] == row["attrs"]["custom_fields"] == values


FIELDS = [None, {}, [], "a text", 7, {"a": None, "longer": [1, {"ü": "ü\n"}]}, {"custom_fields": {"a": 1}}]


@pytest.mark.parametrize("record", ["jsonb", "json", "text"])
@pytest.mark.parametrize("fields", ["jsonb", "json"])
def test_custom_fields_are_the_same_beside_the_whole_record(
    account: LiveAccount, fields: str, record: str
) -> None:
    """Where both are jsonb, they are taken from the record; also by another name, and of the odd forms."""
    name = f"{fields}_beside_{record}"
    account.run(
        f"CREATE FOREIGN TABLE {name} (whole {record} OPTIONS (column 'attrs'), id bigint, title text, "
        f"mine {fields} OPTIONS (column 'custom_fields'), again {record} OPTIONS (column 'attrs')) "
        f"SERVER {account.name} OPTIONS (\"table\" 'deals', archived 'exclude', odd_values 'null')"
    )
    account.run(f"ALTER FOREIGN TABLE {name} DROP COLUMN title")
    records = [*({"id": n, "custom_fields": form} for n, form in enumerate(FIELDS, 1)), {"id": 99}]
    answer = {"success": True, "data": records, "additional_data": {"next_cursor": None}}
    rule = {"match": "/api/v2/deals$", "action": "status", "status": 200, "body": answer}
    account.simulator.faults([rule])
    try:
        expected = [*enumerate(FIELDS, 1), (99, None)]
        for used in ("mine", "mine, whole", "mine, again, whole"):
            assert [row[:2] for row in account.rows(f"SELECT id, {used} FROM {name} ORDER BY id")] == expected
        whole = account.rows(f"SELECT whole::jsonb, mine FROM {name} ORDER BY id")
        assert whole == [(record, record.get("custom_fields")) for record in records]
    finally:
        account.simulator.faults([])
        account.run(f"DROP FOREIGN TABLE {name}")


def test_labels_come_with_the_list_and_cost_no_request(server: Server) -> None:
    with LiveAccount(server, deals=30) as live:
        live.connect_anew()
        for table in ("persons", "organizations", "deals"):
            where = "WHERE NOT is_archived AND is_archived = false" if table == "deals" else ""
            asked = live.asked(f"SELECT * FROM {table} {where}")
            assert {r["path"] for r in asked if "Fields" in r["path"]} <= {"/api/v2/dealFields"}
            assert asked[0]["query"]["include_option_labels"] == "true"
        asked = live.asked("SELECT * FROM persons WHERE id = 3")
        assert [r["path"] for r in asked] == ["/api/v2/persons/3"]
        asked = live.asked("SELECT * FROM products")
        assert [r["path"] for r in asked] == ["/api/v2/products", "/api/v2/productFields"]
        assert [r["path"] for r in live.asked("SELECT * FROM products")] == ["/api/v2/products"]


def test_a_count_needs_no_labels(server: Server) -> None:
    with LiveAccount(server, deals=20, tables=("products",)) as live:
        live.connect_anew()
        assert [r["path"] for r in live.asked("SELECT count(*) FROM products")] == ["/api/v2/products"]


def test_explain_says_when_definitions_are_needed(account: LiveAccount) -> None:
    line = "  Multicorn: Labels of options, unless remembered: GET /api/v2/productFields"
    assert line in account.plan("SELECT * FROM products")
    assert not any("Labels of options" in one for one in account.plan("SELECT * FROM persons"))


def test_a_condition_on_a_custom_column_is_never_sent(account: LiveAccount) -> None:
    """Not even when the column is called like one of the table that could be."""
    key = field_of(account, "person", "varchar")["field_code"]
    account.run(
        f"CREATE FOREIGN TABLE odd (id bigint, owner_id text OPTIONS (field '{key}', type 'varchar'), "
        f"add_time text OPTIONS (field '{key}', type 'varchar')) SERVER {account.name} "
        "OPTIONS (table 'persons')"
    )
    value = account.value("SELECT owner_id FROM odd WHERE owner_id IS NOT NULL ORDER BY id LIMIT 1")
    sql = f"SELECT id FROM odd WHERE owner_id = {literal(value)} ORDER BY add_time"
    (asked,) = account.asked(sql)
    assert set(asked["query"]) <= {"limit", "custom_fields"}
    assert account.rows(sql)
    account.run("DROP FOREIGN TABLE odd")


# ---- what changes in Pipedrive


def test_a_renamed_option_shows_its_new_label_when_the_cache_has_ended(
    fresh: Callable[..., LiveAccount],
) -> None:
    live = fresh(tables=("products",))
    field = field_of(live, "product", "enum")
    option = field["options"][0]
    ((ident,),) = live.rows("SELECT id FROM products ORDER BY id LIMIT 1")
    call(live, "PATCH", f"/api/v2/products/{ident}", {"custom_fields": {field["field_code"]: option["id"]}})
    shown = f"SELECT product_enum FROM products WHERE id = {ident}"
    assert live.value(shown) == option["label"] == "Alpha"
    call(
        live,
        "PATCH",
        f"/api/v2/productFields/{field['field_code']}/options",
        [{"id": option["id"], "label": "Ω"}],
    )
    assert live.value(shown) == "Alpha"  # remembered for 300 s
    live.run("ALTER FOREIGN TABLE products OPTIONS (ADD fields_cache_ttl '0')")
    assert live.value(shown) == "Ω"


def test_a_deleted_option_shows_its_id(fresh: Callable[..., LiveAccount]) -> None:
    live = fresh(tables=("products", "organizations", "leads"))
    for table, what in (("products", "product"), ("organizations", "organization")):
        field = field_of(live, what, "enum")
        key, option = field["field_code"], field["options"][1]["id"]
        call(live, "PATCH", f"/api/v2/{table}/1", {"custom_fields": {key: option}})
        call(live, "DELETE", f"/api/v2/{what}Fields/{key}/options", [{"id": option}])
        live.connect_anew()
        assert live.value(f"SELECT {what}_enum FROM {table} WHERE id = 1") == str(option)
        stored = live.simulator.records(table)
        ids = {r["id"] for r in stored if r["custom_fields"] and r["custom_fields"][key] == option}
        assert 1 in ids
        assert set(live.rows(f"SELECT id FROM {table} WHERE {what}_enum = '{option}'")) == {(i,) for i in ids}


def test_columns_hold_to_the_key_when_a_field_is_renamed(fresh: Callable[..., LiveAccount]) -> None:
    live = fresh(tables=("deals",))
    key = field_of(live, "deal", "varchar_auto")["field_code"]
    before = live.rows("SELECT id, deal_varchar_auto FROM deals ORDER BY id")
    call(live, "PATCH", f"/api/v2/dealFields/{key}", {"field_name": "Another name"})
    assert live.rows("SELECT id, deal_varchar_auto FROM deals ORDER BY id") == before


def test_a_field_deleted_after_the_import_reads_null(fresh: Callable[..., LiveAccount]) -> None:
    live = fresh(tables=("deals", "leads"))
    for kind in ("varchar", "enum", "monetary", "people", "address"):
        call(live, "DELETE", f"/api/v2/dealFields/{field_of(live, 'deal', kind)['field_code']}")
    live.connect()
    shown = (
        "deal_varchar, deal_enum, deal_monetary, deal_monetary_currency, deal_people_id, deal_people::text, "
        "deal_address, deal_address_address::text"
    )
    for table in ("deals", "leads"):
        assert set(live.rows(f"SELECT {shown} FROM {table}")) == {(None,) * 8}
        assert live.rows(f"SELECT id FROM {table} WHERE deal_enum = 'Alpha'") == []


# ---- import


def test_names_of_every_kind_become_columns(fresh: Callable[..., LiveAccount]) -> None:
    live = fresh(tables=("users",))
    labels = {
        "Select": "select",
        "User": "user",
        "ctid": "ctid_2",
        "Owner ID": "owner_id_2",
        "Тип договора": "тип_договора",
        "契約の種類": "契約の種類",
        "Ä" * 40: "ä" * 31,
        'He said "no"; -- \\': "he_said_no",
        "🎉": "field",
        "2024": "2024",
        "attrs": "attrs_2",
    }
    keys = {label: add_field(live, label) for label in labels}
    twins = [add_field(live, "Twin") for _ in range(3)]
    live.import_tables(("deals", "leads"))
    for table in ("deals", "leads"):
        names = columns(live, table)
        assert {label: names[key, ""][0] for label, key in keys.items()} == labels
        assert [names[key, ""][0] for key in twins] == ["twin", "twin_2", "twin_3"]
    for label, key in keys.items():
        call(live, "PATCH", "/api/v2/deals/1", {"custom_fields": {key: f"value of {label}"}})
    for n, key in enumerate(twins):
        call(live, "PATCH", "/api/v2/deals/1", {"custom_fields": {key: f"twin {n}"}})
    for label, name in labels.items():
        assert live.value(f'SELECT "{name}" FROM deals WHERE id = 1') == f"value of {label}"
    assert live.rows("SELECT twin, twin_2, twin_3 FROM deals WHERE id = 1") == [
        ("twin 0", "twin 1", "twin 2")
    ]


def test_an_import_asks_for_the_fields_of_its_tables_alone(fresh: Callable[..., LiveAccount]) -> None:
    live = fresh(tables=("users",))

    def asked(tables: tuple[str, ...], more: str = "") -> list[str]:
        live.simulator.reset()
        live.run("CREATE SCHEMA s")
        live.run(
            f"IMPORT FOREIGN SCHEMA pipedrive LIMIT TO ({', '.join(tables)}) FROM SERVER {live.name} "
            f"INTO s {more}"
        )
        live.run("DROP SCHEMA s CASCADE")
        return [r["path"].split("/")[-1] for r in live.requests()]

    assert asked(("stages", "users", "deal_fields")) == []
    assert asked(("deals", "leads", "deleted_deals")) == ["dealFields"]
    assert asked(("deals", "persons"), "OPTIONS (custom_fields 'false')") == []
    assert asked(("notes", "activities")) == ["noteFields", "activityFields"]


def test_choices_of_the_import_stay_with_the_table(fresh: Callable[..., LiveAccount]) -> None:
    live = fresh(tables=("users",))
    live.run(
        f"IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (products) FROM SERVER {live.name} INTO {live.name} "
        "OPTIONS (custom_field_names 'key', custom_field_options 'id')"
    )
    enum, many = (field_of(live, "product", kind)["field_code"] for kind in ("enum", "set"))
    assert columns(live, "products")[enum, ""] == (enum, "bigint")
    assert columns(live, "products")[many, ""] == (many, "bigint[]")
    asked = live.asked("SELECT * FROM products")
    assert [r["path"] for r in asked] == ["/api/v2/products"]  # ids need no labels
    stored = {r["id"]: r["custom_fields"] or {} for r in live.simulator.records("products")}
    for ident, one, several in live.rows(f'SELECT id, "{enum}", "{many}" FROM products'):
        assert (one, several) == (stored[ident].get(enum), stored[ident].get(many))


@pytest.mark.parametrize("status", [402, 403])
def test_an_object_that_the_account_has_not_fails_no_import(server: Server, status: int) -> None:
    simulator = Simulator(token=TOKEN, deals=20)
    simulator.configure({"gated": {"^/project(s|Fields)$": status, "^/activit(ies|yFields)$": status}})
    simulator.start()
    with LiveAccount(server, simulator) as live:
        assert columns(live, "projects") == {}
        assert len(columns(live, "deals")) == 28
    simulator.stop()


def test_any_other_failure_fails_the_import(fresh: Callable[..., LiveAccount]) -> None:
    live = fresh(tables=("users",))
    live.simulator.faults([{"match": "dealFields", "action": "status", "status": 401}])
    with pytest.raises(psycopg.Error, match="pipedrive auth"):
        live.import_tables(("deals",))


def test_a_refused_list_of_activity_fields_is_read_by_version_1(fresh: Callable[..., LiveAccount]) -> None:
    live = fresh(tables=("users",))
    live.simulator.faults(
        [{"match": "^/api/v2/activityFields", "action": "status", "status": 403, "body": {"success": False}}]
    )
    live.import_tables(("activities",))
    asked = [r["path"] for r in live.requests() if "activityFields" in r["path"]]
    assert asked == ["/api/v2/activityFields", "/api/v1/activityFields"]


# ---- 300 fields


@pytest.fixture(scope="module")
def wide(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=40, extra_fields=300, tables=("deals", "leads", "persons")) as live:
        yield live


def test_300_fields_are_imported_and_read(wide: LiveAccount) -> None:
    assert len({key for key, _ in columns(wide, "deals")}) == 319
    assert assert_values(wide, "deals", False) > 1_000
    assert assert_values(wide, "leads", True) > 100


def test_a_query_asks_for_the_named_field_alone(wide: LiveAccount) -> None:
    key = next(key for (key, _), (name, _) in columns(wide, "deals").items() if name == "extra_5")
    sql = "SELECT id, extra_5 FROM deals ORDER BY id"
    objects = wide.objects("deals")
    whole, few = wide.asked("SELECT * FROM deals ORDER BY id"), wide.asked(sql)
    assert wide.rows(sql.replace("extra_5", "extra_5::text")) == sorted(
        (r["id"], r["extra_5"]) for r in objects
    )
    assert all(r["query"]["custom_fields"] == key for r in few)
    assert not any("include_fields" in r["query"] for r in few)
    assert sum(r["tokens"] for r in few) == sum(r["tokens"] for r in whole)
    assert size_of(wide, few) * 10 < size_of(wide, whole)
    custom = {row["id"]: row["custom_fields"] for row in objects}
    assert dict(wide.rows("SELECT id, custom_fields FROM deals")) == custom
    # no field at all is not the same as no choice of fields
    (asked, _) = wide.asked("SELECT id, title FROM deals")
    assert asked["query"]["custom_fields"].count(",") == 0


def test_a_query_asks_for_all_when_there_are_too_many(wide: LiveAccount) -> None:
    names = [f"extra_{n}" for n in (16, 17, 32, 33, 48, 49, 64, 65, 80, 81, 96, 97, 112, 113, 128, 129)]
    assert "custom_fields" not in wide.asked(f"SELECT {', '.join(names)} FROM deals")[0]["query"]
    asked = wide.asked(f"SELECT {', '.join(names[:15])} FROM deals WHERE id = 3")
    assert asked[0]["query"]["custom_fields"].count(",") == 14


def test_a_row_is_complete_beside_a_named_column(wide: LiveAccount) -> None:
    (one, record) = wide.rows("SELECT extra_5, row_to_json(d) FROM deals d WHERE id = 1")[0]
    (whole,) = wide.objects("deals", "WHERE id = 1")
    assert record == whole
    assert record["extra_5"] == one


# ---- related objects


def test_related_objects_are_fetched_in_batches(fresh: Callable[..., LiveAccount]) -> None:
    live = fresh(deals=300, options={"expand_related": "true"}, tables=("deals",))
    keys = [field_of(live, "deal", kind)["field_code"] for kind in ("user", "org", "people")]
    wanted = [
        {(r["custom_fields"] or {}).get(key) for r in live.simulator.records("deals")} - {None}
        for key in keys
    ]
    columns = "deal_user_id, deal_user, deal_org_id, deal_org, deal_people_id, deal_people"
    rows = live.rows(f"SELECT {columns} FROM deals")
    requests = [(r["path"], r["query"]) for r in live.requests() if "deals" not in r["path"]]
    assert sum(path == "/api/v1/users" for path, _ in requests) == 1
    for (path, kind), ids in zip(
        (("/api/v2/organizations", "org"), ("/api/v2/persons", "people")), wanted[1:]
    ):
        asked = [query["ids"].split(",") for p, query in requests if p == path]
        assert max(map(len, asked)) <= 100
        assert sorted(map(int, (one for ids in asked for one in ids))) == sorted(ids), kind
    account = live.simulator.account
    for row in rows:
        for kind, ident, shown in zip(LINKED, row[::2], row[1::2]):
            if ident is None:
                assert shown is None
                continue
            assert shown["value"] == ident
            record = account[LINKED[kind]].get(ident)
            if not record.get("is_deleted"):
                assert shown["name"] == clean(record["name"])
                assert set(shown) == set(linked(account, kind, ident))
    # remembered, and only fetched when named
    assert {r["path"] for r in live.asked(f"SELECT {columns} FROM deals")} == {
        "/api/v2/deals",
        "/api/v2/deals/archived",
    }
    live.connect()
    assert not any("users" in r["path"] for r in live.asked("SELECT deal_user_id FROM deals"))
    live.run("ALTER FOREIGN TABLE deals OPTIONS (ADD suppress_extended_requests 'true')")
    assert not any("users" in r["path"] for r in live.asked("SELECT deal_user FROM deals"))


def test_related_objects_stand_in_sorted_rows_too(fresh: Callable[..., LiveAccount]) -> None:
    live = fresh(deals=120, options={"expand_related": "true"}, tables=("deals",))
    sql = "SELECT id, deal_people FROM deals WHERE deal_people IS NOT NULL"
    assert live.rows(f"{sql} ORDER BY id") == sorted(live.rows(sql), key=lambda row: row[0])
    assert sum("persons" in r["path"] for r in live.asked(f"{sql} ORDER BY id DESC")) <= 2


def test_a_scan_asks_once_for_a_related_object_that_nobody_is_to_remember(
    fresh: Callable[..., LiveAccount],
) -> None:
    """As in each step of a copy: every page of its list asked for the same organizations again."""
    options = {"expand_related": "true", "page_size": 10}
    live = fresh(deals=120, options=options, tables=("deals",))
    columns = "id, deal_user, deal_org, deal_people"
    wanted = live.rows(f"SELECT {columns} FROM deals ORDER BY id + 0")
    live.run("SET pipedrive.extended_cache_ttl = 0")
    for _ in range(2):
        live.simulator.reset()
        assert live.rows(f"SELECT {columns} FROM deals ORDER BY id + 0") == wanted
        asked = [(r["path"], r["query"].get("ids", "")) for r in live.requests() if "deals" not in r["path"]]
        ids = [(path, key) for path, keys in asked for key in keys.split(",")]
        assert {path for path, _ in ids} == {"/api/v1/users", "/api/v2/organizations", "/api/v2/persons"}
        assert len(ids) == len(set(ids))


# ---- refresh_columns


@pytest.fixture
def refresh(server: Server) -> None:
    """The extension, which has pipedrive.refresh_columns."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute("CREATE EXTENSION IF NOT EXISTS pipedrive_fdw CASCADE")


def refreshed(account: LiveAccount, table: str, run: bool = False) -> list[str]:
    return [row[0] for row in account.rows(f"SELECT pipedrive.refresh_columns('{table}', {run})")]


@pytest.mark.usefixtures("refresh")
def test_refresh_prints_and_runs_what_an_import_would_now_make(fresh: Callable[..., LiveAccount]) -> None:
    live = fresh(tables=("deals", "leads"))
    assert refreshed(live, "deals") == []
    gone = field_of(live, "deal", "phone")["field_code"]
    call(live, "DELETE", f"/api/v2/dealFields/{gone}")
    call(
        live,
        "PATCH",
        f"/api/v2/dealFields/{field_of(live, 'deal', 'text')['field_code']}",
        {"field_name": "T"},
    )
    key = add_field(live, "Deal monetary", "monetary")
    table = f"ALTER FOREIGN TABLE {live.name}.deals"
    lines = [
        f"{table} ADD COLUMN deal_monetary_2 numeric OPTIONS (field '{key}', type 'monetary');",
        f"{table} ADD COLUMN deal_monetary_2_currency text "
        f"OPTIONS (field '{key}', part 'currency', type 'monetary');",
    ]
    assert refreshed(live, "deals") == lines
    assert refreshed(live, "deals") == lines
    assert refreshed(live, "deals", run=True) == lines
    assert refreshed(live, "deals", run=True) == []
    assert len(refreshed(live, "leads", run=True)) == 2
    call(live, "PATCH", "/api/v2/deals/1", {"custom_fields": {key: {"value": 5, "currency": "EUR"}}})
    shown = "SELECT deal_monetary_2, deal_monetary_2_currency FROM deals WHERE id = 1"
    assert [tuple(map(str, row)) for row in live.rows(shown)] == [("5", "EUR")]
    assert live.value("SELECT count(deal_phone) FROM deals") == 0


@pytest.mark.usefixtures("refresh")
def test_refresh_drops_nothing_when_the_list_of_fields_is_refused(fresh: Callable[..., LiveAccount]) -> None:
    live = fresh(tables=("deals",))
    live.simulator.configure({"gated": {"^/dealFields": 403}})
    with pytest.raises(psycopg.Error, match="pipedrive access"):
        refreshed(live, "deals", run=True)
    live.simulator.configure({"gated": {}})
    assert refreshed(live, "deals") == []


@pytest.mark.usefixtures("refresh")
@pytest.mark.parametrize("place", ["FOREIGN TABLE {name}.deals", "SERVER {name}"])
def test_refresh_leaves_a_table_alone_that_shall_have_no_custom_fields(
    fresh: Callable[..., LiveAccount], place: str
) -> None:
    """Neither are new fields added, nor are those that it has said to be gone."""
    live = fresh(tables=("deals",))
    add_field(live, "Later", "varchar")
    live.run(f"ALTER {place.format(name=live.name)} OPTIONS (ADD custom_fields 'off')")
    live.simulator.reset()
    assert refreshed(live, "deals", run=True) == []
    assert live.simulator.requests() == []
    live.run(f"ALTER {place.format(name=live.name)} OPTIONS (SET custom_fields 'on')")
    assert len(refreshed(live, "deals")) == 1


@pytest.mark.usefixtures("refresh")
def test_refresh_keeps_to_the_choices_of_the_import(fresh: Callable[..., LiveAccount]) -> None:
    live = fresh(tables=("users",))
    live.run(
        f"IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deals) FROM SERVER {live.name} INTO {live.name} "
        "OPTIONS (custom_field_names 'key', custom_field_options 'id')"
    )
    key = add_field(live, "New", "enum")
    (line,) = refreshed(live, "deals")
    assert f'ADD COLUMN "{key}" bigint' in line or f"ADD COLUMN {key} bigint" in line


@pytest.mark.usefixtures("refresh")
def test_refresh_says_what_it_is_for(account: LiveAccount) -> None:
    account.run("CREATE TEMP TABLE plain (id int)")
    with pytest.raises(psycopg.Error, match="plain is not a foreign table of Pipedrive"):
        refreshed(account, "plain")
    account.run("DROP TABLE plain")
