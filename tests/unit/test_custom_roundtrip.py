"""What ``custom.writing.changes`` makes is taken by the API and reads back as it was given.

Every creatable type on every object that has custom fields, in v2's shape and in v1's, against the
simulator, without PostgreSQL.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.custom_fields.columns import CustomColumn, custom_columns
from pipedrive_fdw.custom_fields.field import FieldOption, read_fields
from pipedrive_fdw.custom_fields.kinds import CREATABLE
from pipedrive_fdw.custom_fields.writing import changes
from pipedrive_fdw.table.binding import bind
from pipedrive_fdw.table.row_maker import RowMaker
from tests.simulator import Simulator
from tests.unit.test_custom import parsed_row

# (table, api_version, path, whose fields, what a new record needs)
OBJECTS = [
    ("deals", "v2", "/api/v2/deals", "deal", {"title": "x"}),
    ("persons", "v2", "/api/v2/persons", "person", {"name": "x"}),
    ("organizations", "v2", "/api/v2/organizations", "organization", {"name": "x"}),
    ("products", "v2", "/api/v2/products", "product", {"name": "x"}),
    ("projects", "v2", "/api/v2/projects", "project", {"title": "x", "board_id": 1, "phase_id": 1}),
    ("leads", "v2", "/api/v1/leads", "deal", {"title": "x", "person_id": 1}),
    ("deals", "v1", "/api/v1/deals", "deal", {"title": "x"}),
    ("persons", "v1", "/api/v1/persons", "person", {"name": "x"}),
    ("organizations", "v1", "/api/v1/organizations", "organization", {"name": "x"}),
    ("products", "v1", "/api/v1/products", "product", {"name": "x"}),
]
# type → two values, each column of the field (by the ending of its name) as PostgreSQL writes it
GIVEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "varchar": ({"": 'né, "x"'}, {"": "b"}),
    "varchar_auto": ({"": "a"}, {"": "b"}),
    "text": ({"": "a\nb"}, {"": ""}),
    "phone": ({"": "+372 5"}, {"": "6"}),
    "double": ({"": "1.5"}, {"": "0"}),
    "monetary": ({"": "0", "_currency": "EUR"}, {"_currency": "USD"}),
    "enum": ({"": "Alpha"}, {"": "Béta, with comma"}),
    "set": ({"": '{Alpha,"NULL"}'}, {"": '{"Béta, with comma"}'}),
    "user": ({"_id": "2"}, {"": '{"value": 3}'}),
    "org": ({"_id": "2"}, {"": "3"}),
    "people": ({"": '{"id": 2}'}, {"_id": "3"}),
    "date": ({"": "2026-02-03"}, {"": "1999-12-31"}),
    "daterange": ({"": "2026-02-03", "_until": "2026-02-04"}, {"_until": "2026-02-05"}),
    "time": ({"": "10:15:00"}, {"": "23:59:59"}),
    "timerange": ({"": "10:15:00", "_until": "11:00:00"}, {"": "10:30:00"}),
    "address": (
        {"": "1 Pikk", "_address": '{"locality": "Tartu", "country": "Estonia"}'},
        {"": "2 Pikk"},
    ),
}


class Account:
    """One object of a simulated account, read and written as the wrapper does."""

    def __init__(self, table: str, version: str, path: str, what: str, needs: dict[str, Any]) -> None:
        self.simulator = Simulator(token="t", deals=20)
        self.simulator.configure({"v1_core": True})
        self.path, self.needs = path, needs
        self.fields = read_fields(self.simulator.records(f"{what}_fields"))
        self.columns = custom_columns(self.fields, ("id",))
        defined = {
            c.name: SimpleNamespace(
                column_name=c.name, type_name=c.type, base_type_name=c.type, options=c.options
            )
            for c in self.columns
        }
        self.binding = bind(tables_of(version)[table], defined)
        self.verb = "PUT" if "/v1/" in path and table != "leads" else "PATCH"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"x-api-token": "t", "content-type": "application/json"}
        data = b"" if body is None else json.dumps(body).encode()
        answer = self.simulator.answer(method, path, "", headers, data)
        assert answer.status < 300, answer.body
        return json.loads(answer.body)["data"]

    def row(self, key: Any) -> dict[str, Any]:
        return parsed_row(self.binding, RowMaker(self.binding), self.ask("GET", f"{self.path}/{key}"), self)

    def label(self, field: str, option: Any) -> str | None:
        return {o.id: o.label for o in self.options(field, ())}.get(option)

    def related(self, kind: str, key: Any) -> None:
        return None

    def gone(self, field: str) -> bool:
        return False

    def options(self, field: str, labels: Collection[str]) -> tuple[FieldOption, ...]:
        return next(f.options for f in self.fields if f.key == field)

    def changes(self, old: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
        return changes(old, new, self.columns, self, self.binding.flat)

    def of(self, kind: str) -> list[CustomColumn]:
        """The columns of the first field of a type."""
        key = next(f.key for f in self.fields if f.kind == kind)
        return [c for c in self.columns if c.field == key]

    def given(self, kind: str, values: dict[str, Any]) -> dict[str, Any]:
        """A row with *values*, parsed as those that PostgreSQL hands over."""
        columns = self.of(kind)
        base = next(c.name for c in columns if not c.part)
        return {
            base + ending: next(b.codec for b in self.binding.columns if b.name == base + ending).parse(text)
            for ending, text in values.items()
        }


def link_id(value: Any) -> Any:
    return value.get("value", value.get("id")) if isinstance(value, dict) else value


@pytest.fixture(scope="module", params=OBJECTS, ids=lambda o: f"{o[1]}-{o[0]}")
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    made = Account(*request.param)
    yield made
    made.simulator.stop()


@pytest.mark.parametrize("kind", CREATABLE)
def test_insert_update_and_clear(account: Account, kind: str) -> None:
    first, second = (account.given(kind, values) for values in GIVEN[kind])
    key = account.of(kind)[0].field
    ident = account.ask("POST", account.path, {**account.needs, **account.changes(None, first)})["id"]

    def check(row: dict[str, Any], wanted: dict[str, Any]) -> None:
        for name, value in wanted.items():
            shown = row[name]
            if kind in ("user", "org", "people"):
                assert {link_id(row[c.name]) for c in account.of(kind)} == {link_id(value)}
            elif isinstance(value, dict):
                assert {part: shown[part] for part in value} == value
            else:
                assert shown == value

    row = account.row(ident)
    check(row, first)
    others = [c.name for c in account.columns if c.field != key]
    assert {row[name] for name in others} == {None}

    body = account.changes(row, {**row, **second})
    sent = body if account.binding.flat else body["custom_fields"]
    assert {name[:40] for name in sent} == {key}  # that field alone
    account.ask(account.verb, f"{account.path}/{ident}", body)
    row = account.row(ident)
    if kind == "text" and account.binding.flat:
        second = {name: None for name in second}  # v1 takes an empty text for none
    kept = {} if kind in ("user", "org", "people") else first
    check(row, {**kept, **second})

    cleared = {**row, **dict.fromkeys(c.name for c in account.of(kind))}
    body = account.changes(row, cleared)
    if body:
        account.ask(account.verb, f"{account.path}/{ident}", body)
    row = account.row(ident)
    assert {row[c.name] for c in account.of(kind)} == {None}
