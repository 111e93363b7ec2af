"""Custom fields written from a real PostgreSQL: every type that can be created, on every object, in both
forms.

What leaves is asserted to the byte, what comes back by RETURNING and by SELECT value by value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from tests.e2e.test_custom_fields import field_of
from tests.live import TOKEN, LiveAccount
from tests.simulator import Simulator
from tests.simulator.company.fields import TYPES
from tests.simulator.custom import linked
from tools.engine import Server

# table → (whose fields, the path that writes it, what a new record needs)
V2 = {
    "deals": ("deal", "/api/v2/deals", {"title": "'x'"}),
    "leads": ("deal", "/api/v1/leads", {"title": "'x'", "person_id": "1"}),
    "persons": ("person", "/api/v2/persons", {"name": "'x'"}),
    "organizations": ("organization", "/api/v2/organizations", {"name": "'x'"}),
    "products": ("product", "/api/v2/products", {"name": "'x'"}),
    "projects": ("project", "/api/v2/projects", {"title": "'x'", "board_id": "1", "phase_id": "1"}),
}
V1 = {name: (what, f"/api/v1/{name}", needs) for name, (what, _, needs) in V2.items() if name != "projects"}
OBJECTS = [("v2", name) for name in V2] + [("v1", name) for name in V1]


@dataclass(frozen=True)
class Step:
    """An assignment of SQL literals to the columns of a field (by the ending of their names), what PostgreSQL
    shows then, and what is sent: the value of v2, and the keys of v1 after the field's own."""

    given: dict[str, str]
    shown: dict[str, Any]
    nested: Any
    flat: dict[str, Any]


ADDRESS = {"locality": "Tartu", "country": "Estonia"}
NOWHERE = dict.fromkeys(
    (
        "admin_area_level_1",
        "admin_area_level_2",
        "locality",
        "sublocality",
        "route",
        "street_number",
        "subpremise",
        "postal_code",
        "country",
    )
)
# type → an INSERT, and an UPDATE of the row that it made; ids of options are put in for their labels.
STEPS: dict[str, tuple[Step, Step]] = {
    "varchar": (
        Step({"": """'né, "x" ''\\'"""}, {"": 'né, "x" \'\\'}, 'né, "x" \'\\', {"": 'né, "x" \'\\'}),
        Step({"": "'b'"}, {"": "b"}, "b", {"": "b"}),
    ),
    "varchar_auto": (
        Step({"": "'a'"}, {"": "a"}, "a", {"": "a"}),
        Step({"": "'尺寸 📐'"}, {"": "尺寸 📐"}, "尺寸 📐", {"": "尺寸 📐"}),
    ),
    "text": (
        Step({"": "repeat('a', 65000)"}, {"": "a" * 65000}, "a" * 65000, {"": "a" * 65000}),
        Step({"": "E'a\\nb'"}, {"": "a\nb"}, "a\nb", {"": "a\nb"}),
    ),
    "phone": (
        Step({"": "'+372 5'"}, {"": "+372 5"}, "+372 5", {"": "+372 5"}),
        Step({"": "'6'"}, {"": "6"}, "6", {"": "6"}),
    ),
    "double": (
        Step({"": "1.5"}, {"": 1.5}, 1.5, {"": 1.5}),
        Step({"": "0"}, {"": 0}, 0, {"": 0}),
    ),
    "monetary": (
        Step(
            {"": "0", "_currency": "'EUR'"},
            {"": 0, "_currency": "EUR"},
            {"value": 0, "currency": "EUR"},
            {"": 0, "_currency": "EUR"},
        ),
        Step(
            {"_currency": "'USD'"},
            {"": 0, "_currency": "USD"},
            {"value": 0, "currency": "USD"},
            {"": 0, "_currency": "USD"},
        ),
    ),
    "enum": (
        Step({"": "'Béta, with comma'"}, {"": "Béta, with comma"}, 2, {"": 2}),
        Step({"": "'Quote \" here'"}, {"": 'Quote " here'}, 3, {"": 3}),
    ),
    "set": (
        Step(
            {"": """ARRAY['NULL', 'Béta, with comma', 'NULL']"""},
            {"": ["NULL", "Béta, with comma"]},
            [5, 2],
            {"": "5,2"},
        ),
        Step({"": """ARRAY['Quote " here']"""}, {"": ['Quote " here']}, [3], {"": "3"}),
    ),
    "user": (
        Step({"_id": "2"}, {"_id": 2, "": {"value": 2}}, 2, {"": 2}),
        Step({"": """'{"value": 3}'"""}, {"_id": 3, "": {"value": 3}}, 3, {"": 3}),
    ),
    "org": (
        Step({"": "'2'"}, {"_id": 2, "": {"value": 2}}, 2, {"": 2}),
        Step({"_id": "3"}, {"_id": 3, "": {"value": 3}}, 3, {"": 3}),
    ),
    "people": (
        Step({"": """'{"id": 2}'""", "_id": "2"}, {"_id": 2, "": {"value": 2}}, 2, {"": 2}),
        Step({"_id": "3"}, {"_id": 3, "": {"value": 3}}, 3, {"": 3}),
    ),
    "date": (
        Step({"": "'2026-02-03'"}, {"": "2026-02-03"}, "2026-02-03", {"": "2026-02-03"}),
        Step({"": "'1999-12-31'"}, {"": "1999-12-31"}, "1999-12-31", {"": "1999-12-31"}),
    ),
    "daterange": (
        Step(
            {"": "'2026-02-03'", "_until": "'2026-02-04'"},
            {"": "2026-02-03", "_until": "2026-02-04"},
            {"value": "2026-02-03", "until": "2026-02-04"},
            {"": "2026-02-03", "_until": "2026-02-04"},
        ),
        Step(
            {"_until": "'2026-02-05'"},
            {"": "2026-02-03", "_until": "2026-02-05"},
            {"value": "2026-02-03", "until": "2026-02-05"},
            {"": "2026-02-03", "_until": "2026-02-05"},
        ),
    ),
    "time": (
        Step(
            {"": "'10:15'", "_timezone": "'Europe/Tallinn'"},
            {"": "10:15:00", "_timezone": "Europe/Tallinn"},
            {"value": "10:15:00", "timezone_name": "Europe/Tallinn"},
            {"": "10:15:00", "_timezone_id": 77},
        ),
        Step(
            {"": "'23:59:59'"},
            {"": "23:59:59", "_timezone": "Europe/Tallinn"},
            {"value": "23:59:59", "timezone_name": "Europe/Tallinn"},
            {"": "23:59:59", "_timezone_id": 77},
        ),
    ),
    "timerange": (
        Step(
            {"": "'10:15'", "_until": "'11:00'", "_timezone": "'Europe/Tallinn'"},
            {"": "10:15:00", "_until": "11:00:00", "_timezone": "Europe/Tallinn"},
            {"value": "10:15:00", "until": "11:00:00", "timezone_name": "Europe/Tallinn"},
            {"": "10:15:00", "_until": "11:00:00", "_timezone_id": 77},
        ),
        Step(
            {"": "'10:30'"},
            {"": "10:30:00", "_until": "11:00:00", "_timezone": "Europe/Tallinn"},
            {"value": "10:30:00", "until": "11:00:00", "timezone_name": "Europe/Tallinn"},
            {"": "10:30:00", "_until": "11:00:00", "_timezone_id": 77},
        ),
    ),
    "address": (
        Step(
            {"": "'1 Pikk'", "_address": f"'{json.dumps(ADDRESS)}'"},
            {"": "1 Pikk", "_address": {**NOWHERE, **ADDRESS}},
            {"value": "1 Pikk", **ADDRESS},
            {"": "1 Pikk", "_locality": "Tartu", "_country": "Estonia"},
        ),
        Step(
            {"": "'2 Pikk'"},
            {"": "2 Pikk", "_address": {**NOWHERE, **ADDRESS}},
            {"value": "2 Pikk", **ADDRESS},
            {"": "2 Pikk", **{f"_{name}": part for name, part in {**NOWHERE, **ADDRESS}.items()}},
        ),
    ),
}
ENDINGS = {
    "monetary": ("", "_currency"),
    "user": ("_id", ""),
    "org": ("_id", ""),
    "people": ("_id", ""),
    "daterange": ("", "_until"),
    "time": ("", "_timezone"),
    "timerange": ("", "_until", "_timezone"),
    "address": ("", "_address"),
}


@pytest.fixture(scope="module")
def accounts(server: Server) -> Iterator[dict[str, LiveAccount]]:
    """By API version."""
    simulator = Simulator(token=TOKEN, deals=20)
    simulator.configure({"v1_core": True})
    simulator.start()
    with (
        LiveAccount(server, deals=20, tables=tuple(V2)) as new,
        LiveAccount(server, simulator, options={"api_version": "v1"}, tables=tuple(V1)) as old,
    ):
        yield {"v2": new, "v1": old}
    simulator.stop()


class Field:
    """The field of one type of one table: its columns, and what is sent of it."""

    def __init__(self, account: LiveAccount, version: str, table: str, kind: str) -> None:
        self.account, self.table, self.kind = account, table, kind
        what, self.path, self.needs = (V2 if version == "v2" else V1)[table]
        self.flat = self.path.startswith("/api/v1/")
        self.definition = field_of(account, what, kind)
        self.key = self.definition["field_code"]
        self.base = f"{what}_{kind}"
        self.names = {ending: self.base + ending for ending in ENDINGS.get(kind, ("",))}
        pairs = ", ".join(f"'{ending}', {name}" for ending, name in self.names.items())
        self.row = f"jsonb_build_object({pairs})"

    def given(self, step: Step) -> dict[str, str]:
        values = dict(step.given)
        if self.flat and "_timezone" in values:
            values["_timezone"] = "'77'"  # v1 takes the number that it gives
        return {self.names[ending]: value for ending, value in values.items()}

    def shown(self, step: Step) -> dict[str, Any]:
        out = dict(step.shown)
        if not self.flat:
            return out
        if "_timezone" in out:
            out["_timezone"] = "77"
        if isinstance(out.get("_address"), dict):
            out["_address"] = {**out["_address"], "formatted_address": out[""]}
        if "_id" in out:
            out[""] = linked(self.account.simulator.account, self.kind, out["_id"])
        return out

    def sent(self, step: Step) -> dict[str, Any]:
        if not self.flat:
            return {"custom_fields": {self.key: self._ids(step.nested)}}
        flat = dict(step.flat)
        if self.kind == "address" and "_route" in flat:
            flat["_formatted_address"] = "1 Pikk"
        return {self.key + ending: self._ids(value) for ending, value in flat.items()}

    def _ids(self, value: Any) -> Any:
        """The numbers of options, from 1, as their ids."""
        first = (self.definition["options"] or [{"id": 1}])[0]["id"] - 1
        if self.kind == "enum":
            return value + first
        if self.kind == "set" and isinstance(value, str):
            return ",".join(str(int(one) + first) for one in value.split(","))
        return [one + first for one in value] if self.kind == "set" else value

    def writes(self) -> list[tuple[str, str, Any]]:
        """What has been sent since the last call, but for what reads."""
        done = self.account.requests()
        self.account.simulator.reset()
        return [(r["method"], r["path"], r["body"]) for r in done if r["method"] != "GET"]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(("version", "table"), OBJECTS)
def test_insert_update_clear_returning_and_where(
    accounts: dict[str, LiveAccount], version: str, table: str, kind: str
) -> None:
    account = accounts[version]
    field = Field(account, version, table, kind)
    first, second = STEPS[kind]
    given = {**field.needs, **field.given(first)}
    account.simulator.reset()

    ((ident, row),) = account.rows(
        f"INSERT INTO {table} ({', '.join(given)}) VALUES ({', '.join(given.values())}) "
        f"RETURNING id::text, {field.row}"
    )
    assert row == field.shown(first)
    ((method, path, body),) = field.writes()
    assert (method, path) == ("POST", field.path)
    needs = {name: value.strip("'") for name, value in field.needs.items()}
    assert {n: v for n, v in body.items() if n not in needs} == field.sent(first)
    where = f"id = '{ident}'"
    assert account.rows(f"SELECT {field.row} FROM {table} WHERE {where}") == [(row,)]
    assert account.objects(table, f"WHERE {where}")[0]["custom_fields"].get(field.key) is not None

    field.writes()
    assigned = ", ".join(f"{name} = {value}" for name, value in field.given(second).items())
    changed = account.rows(f"UPDATE {table} SET {assigned} WHERE {where} RETURNING {field.row}")
    assert changed == [(field.shown(second),)]
    verb = "PUT" if "/v1/" in field.path and table != "leads" else "PATCH"
    assert field.writes() == [(verb, f"{field.path}/{ident}", field.sent(second))]
    assert account.rows(f"SELECT {field.row} FROM {table} WHERE {where}") == changed
    tests = " AND ".join(
        f"{name} = {value}{'::jsonb' if value.startswith(chr(39) + '{') else ''}"
        for name, value in field.given(second).items()
        if not (field.flat and name == field.base and "_id" in field.names)
    )
    assert (ident,) in account.rows(f"SELECT id::text FROM {table} WHERE {tests or 'true'}")
    assert account.rows(f"SELECT id::text FROM {table} WHERE {where} AND {field.base} IS NULL") == []

    nulls = ", ".join(f"{name} = NULL" for name in field.names.values())
    cleared = account.rows(f"UPDATE {table} SET {nulls} WHERE {where} RETURNING {field.row}")
    assert cleared == [(dict.fromkeys(field.names),)]
    body = {field.key: None}
    assert [body for *_, body in field.writes()] == [body if field.flat else {"custom_fields": body}]
    assert account.rows(f"SELECT {field.row} FROM {table} WHERE {where}") == cleared
    assert account.rows(f"SELECT id::text FROM {table} WHERE {where} AND {field.base} IS NULL") == [(ident,)]
    account.run(f"UPDATE {table} SET {nulls} WHERE {where}")
    assert field.writes() == []


def test_a_part_without_a_column_is_not_lost(server: Server) -> None:
    """Parts that are not sent become NULL, and a table by hand need not have columns for all."""
    with LiveAccount(server, deals=10, tables=("deals",)) as account:
        keys = {f["field_type"]: f["field_code"] for f in account.simulator.records("deal_fields")}
        columns = ", ".join(
            f"{name} {sql_type} OPTIONS (field '{keys[kind]}', type '{kind}'{part})"
            for name, sql_type, kind, part in (
                ("t", "time", "time", ""),
                ("r", "time", "timerange", ""),
                ("u", "time", "timerange", ", part 'until'"),
                ("m", "numeric", "monetary", ""),
            )
        )
        account.run(
            f"CREATE FOREIGN TABLE few (id bigint, title text, {columns}) SERVER {account.name} "
            "OPTIONS (table 'deals')"
        )
        zone = "'10:00', deal_{0}_timezone = 'Asia/Tokyo'"
        account.run(
            f"UPDATE deals SET deal_time = {zone.format('time')}, "
            f"deal_timerange = {zone.format('timerange')}, deal_timerange_until = '11:00', "
            "deal_monetary = 5, deal_monetary_currency = 'USD' WHERE id = 3"
        )
        before = account.simulator.records("deals")
        parts = {"t": "timezone", "r": "timezone", "m": "currency"}
        for column, given in (("t", "'12:00'"), ("r", "'9:00'"), ("m", "6")):
            with pytest.raises(
                psycopg.Error, match=f"{column} cannot be changed without its part {parts[column]}"
            ):
                account.run(f"UPDATE few SET {column} = {given} WHERE id = 3")
        assert account.simulator.records("deals") == before
        account.run("UPDATE few SET title = 'free', t = NULL WHERE id = 3")
        account.run("UPDATE few SET t = '12:00' WHERE id = 3")
        assert account.value("SELECT deal_time::text FROM deals WHERE id = 3") == "12:00:00"
