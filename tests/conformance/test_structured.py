"""Every writable column that holds a list or an object: what it reads can be written back, what the API does
not document is refused before any request, and NULL empties a list.

What may be given comes from the OpenAPI files, not from the wrapper's own declarations.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
import pytest

from pipedrive_fdw.catalog import TABLES, tables_of
from pipedrive_fdw.catalog.model import Column, Table, Write
from tests.conformance.given import PREPARED, values
from tests.contract.found import find
from tests.contract.openapi import bodies, flat, folder, needs_files
from tests.live import LiveAccount, literal
from tools.engine import Server

pytestmark = needs_files

# Column → an expression that changes what it reads a little.
_MORE = """ || '[{"value": "more", "label": "home", "primary": false}]'"""
_ON = """ || '{"enabled": true}'"""
_PIKK = """ || '{"value": "Pikk 2"}'"""
CHANGES: Mapping[str, str] = {
    "emails": "emails" + _MORE,
    "phones": "phones" + _MORE,
    "im": "im" + _MORE,
    "postal_address": "postal_address" + _PIKK,
    "address": "address" + _PIKK,
    "location": "location" + _PIKK,
    "participants": """participants || '[{"person_id": 3}]'""",
    "attendees": """jsonb_set(attendees, '{0,name}', '"X"')""",
    "prices": "jsonb_set(prices, '{0,price}', '77')",
    "value": """value || '{"amount": 77}'""",
    "ui_visibility": """ui_visibility || '{"add_visible_flag": false}'""",
    "important_fields": "important_fields" + _ON,
    "required_fields": "required_fields" + _ON,
    "conditions": "jsonb_set(conditions, '{conditions,0,conditions,0,operator}', '\"=\"')",
    "type": "jsonb_set(type, '{params,pipeline_id}', '[2]')",
    "assignee": """assignee || '{"id": 3}'""",
    "duration": """duration || '{"start": "2025-01-01"}'""",
    "expected_outcome": """expected_outcome || '{"target": 77}'""",
}
_CUSTOM = ("deal", "person", "organization", "product", "project")
# Rows that can be changed.
CHANGEABLE = {
    **dict.fromkeys(("deals", "leads", "projects"), "NOT is_archived"),
    **{f"{what}_fields": "is_custom_field" for what in _CUSTOM},
}
# What an INSERT needs besides its required columns: table → column → SQL.
ALONG: Mapping[str, Mapping[str, str]] = {
    "activities": {"subject": "'An activity'"},
    "leads": {"person_id": "1"},
    "subscriptions": {"cycles_count": "3"},
    **{f"{what}_fields": {"field_type": "'enum'"} for what in _CUSTOM},
}
OPTIONS = """'[{"label": "One"}]'"""
WRONG = "nonsense_key"


Case = tuple[str, str, str]


def schema_of(table: Table, column: Column) -> tuple[Mapping[str, Any], Any]:
    """The document, and what the files say of the property that *column* is sent as."""
    op: Write | None = table.update if column.update else table.insert
    found = None if op is None else find(op)
    assert found is not None
    body = next(iter(bodies(found.source, found.method, found.path).values()))
    return found.root, body["properties"][column.body or column.name]


def is_list(table: Table, column: Column) -> bool:
    root, schema = schema_of(table, column)
    return flat(root, schema).get("type") == "array"


def is_changed(table: Table, column: Column) -> bool:
    """Whether it is both read and changed."""
    return bool(column.update and table.update) and column.source != "-"


def is_copied(table: Table, column: Column) -> bool:
    """Whether what it reads can be given in an INSERT."""
    return bool(column.insert and table.insert) and column.source != "-" and column.type == "jsonb"


def is_jsonb(table: Table, column: Column) -> bool:
    return column.type == "jsonb"


def names_keys(table: Table, column: Column) -> bool:
    """Whether the files name keys of its objects; version 1 has an example alone of a field's options."""

    def inside(root: Mapping[str, Any], schema: Any) -> bool:
        schema = flat(root, schema)
        return bool(schema["properties"]) or ("items" in schema and inside(root, schema["items"]))

    return is_jsonb(table, column) and inside(*schema_of(table, column))


def requires(table: Table, column: Column) -> bool:
    """Whether the files say that a key of it is required."""

    def inside(root: Mapping[str, Any], schema: Any) -> bool:
        schema = flat(root, schema)
        inner = [*schema["properties"].values(), *([schema["items"]] if "items" in schema else [])]
        return bool(schema.get("required")) or any(inside(root, one) for one in inner)

    return is_jsonb(table, column) and inside(*schema_of(table, column))


def cases(wanted: Callable[[Table, Column], bool]) -> list[Case]:
    """(version, table, column) of the writable lists and objects; a table of both versions once."""
    if folder() is None:
        return []
    return [
        (version, name, column.name)
        for version in ("v2", "v1")
        for name, table in tables_of(version).items()
        if version == "v2" or table is not TABLES[name]
        for column in table.columns
        if (column.insert and table.insert) or (column.update and table.update)
        if (column.type == "jsonb" or column.type.endswith("[]")) and wanted(table, column)
    ]


@pytest.fixture(scope="module")
def accounts(server: Server) -> Iterator[dict[str, LiveAccount]]:
    """By API version."""
    limits = {"deals": 40, "burst": 100_000, "budget": 10**9}
    options = {"max_tokens_per_query": 10**9}
    with (
        LiveAccount(server, options=options, **limits) as new,
        LiveAccount(server, options={**options, "api_version": "v1"}, **limits) as old,
    ):
        new.simulator.configure({"subscriptions": True})
        old.simulator.configure({"v1_core": True})
        for account in (new, old):
            for sql in PREPARED:
                account.run(sql)
        yield {"v2": new, "v1": old}


class Field:
    """One column of one table under test."""

    def __init__(self, account: LiveAccount, version: str, table: str, column: str) -> None:
        self.account, self.name = account, column
        self.table = tables_of(version)[table]
        found = self.table.column(column)
        assert found is not None
        self.column = found
        self.key = self.table.key[0] if len(self.table.key) == 1 else "row_id"

    def schema(self) -> tuple[Mapping[str, Any], Any]:
        return schema_of(self.table, self.column)

    @property
    def is_list(self) -> bool:
        return is_list(self.table, self.column)

    def rows(self) -> list[tuple[str, Any]]:
        """Key and value of some rows that have one, the emptiest and the fullest among them."""
        where = CHANGEABLE.get(self.table.name, "true")
        found = self.account.rows(
            f'SELECT {self.key}::text, to_jsonb("{self.name}") FROM {self.table.name} '
            f'WHERE "{self.name}" IS NOT NULL AND {where} ORDER BY length("{self.name}"::text), 1'
        )
        filled = [row for row in found if row[1] not in ([], {})]
        return filled[:2] + filled[-1:]

    def read(self, key: str) -> Any:
        return self.account.value(
            f'SELECT to_jsonb("{self.name}") FROM {self.table.name} WHERE {self.key} = {literal(key)}'
        )

    def given(self) -> dict[str, str]:
        """What an INSERT needs besides the column."""
        assert self.table.insert is not None
        along = dict(ALONG.get(self.table.name, {}))
        for column in self.table.columns:
            if column.required and column.insert and column.name not in along:
                along[column.name] = values(self.account, self.table, column, self.table.insert)[0]
        if along.get("field_type") == "'enum'":
            along["options"] = OPTIONS
        return {n: v for n, v in along.items() if n != self.name}

    def statements(self, value: str) -> Iterator[str]:
        """An INSERT and an UPDATE that set the column, as far as there are such."""
        if self.column.insert and self.table.insert is not None:
            given = {**self.given(), self.name: value}
            names = ", ".join(f'"{name}"' for name in given)
            yield f"INSERT INTO {self.table.name} ({names}) VALUES ({', '.join(given.values())})"
        if self.column.update and self.table.update is not None:
            where = CHANGEABLE.get(self.table.name, "true")
            along = ", effective_date = '2027-01-01'" if self.table.name == "subscriptions" else ""
            row = f"(SELECT min({self.key}::text) FROM {self.table.name} WHERE {where})"
            yield (
                f'UPDATE {self.table.name} SET "{self.name}" = {value}{along} WHERE {self.key}::text = {row}'
            )

    def written(self) -> list[dict[str, Any]]:
        return [r for r in self.account.requests() if r["method"] != "GET"]


def without_nulls(value: Any) -> Any:
    """*value* without null parts, and without those that say on which record a price stands."""
    if isinstance(value, list):
        return [without_nulls(one) for one in value]
    if isinstance(value, dict):
        return {n: without_nulls(v) for n, v in value.items() if v is not None}
    return value


@pytest.fixture
def field(request: pytest.FixtureRequest, accounts: dict[str, LiveAccount]) -> Field:
    version, table, column = request.param
    account = accounts[version]
    account.simulator.reset()
    return Field(account, version, table, column)


def of(wanted: Callable[[Table, Column], bool]) -> Any:
    return pytest.mark.parametrize("field", cases(wanted), indirect=True, ids=lambda case: " ".join(case))


@of(is_changed)
def test_what_it_reads_is_written_back(field: Field) -> None:
    name, table = field.name, field.table.name
    rows = field.rows()
    assert rows, "no row has a value"
    for key, value in rows:
        where = f"WHERE {field.key} = {literal(key)}"
        field.account.simulator.reset()
        field.account.run(f'UPDATE {table} SET "{name}" = "{name}" {where}')
        assert (field.written(), field.read(key)) == ([], value)
        change = CHANGES.get(name)
        if change is None:  # an array of ids: turned round, and back
            field.account.run(f'UPDATE {table} SET "{name}" = "{name}"[1:1] {where}')
            assert field.read(key) == value[:1]
            array = literal("{" + ",".join(map(str, value)) + "}")
            field.account.run(f'UPDATE {table} SET "{name}" = {array} {where}')
            assert field.read(key) == value
            continue
        wanted = field.account.value(f"SELECT {change} FROM {table} {where}")
        field.account.simulator.reset()
        field.account.run(f'UPDATE {table} SET "{name}" = {change} {where}')
        assert [r["status"] for r in field.written()] in ([200], []), "changed by one request"
        now = field.read(key)
        if name == "participants":
            for person in (*wanted, *now):
                for flag in ("primary", "primary_flag"):
                    person.pop(flag, None)
        assert without_nulls(now) == without_nulls(wanted)
        field.account.run(f'UPDATE {table} SET "{name}" = {literal(json.dumps(value))} {where}')
        assert without_nulls(field.read(key)) == without_nulls(value)


@of(lambda table, column: is_changed(table, column) and is_list(table, column))
def test_null_empties_a_list(field: Field) -> None:
    key, _ = field.rows()[0]
    where = f"WHERE {field.key} = {literal(key)}"
    (told,) = field.account.rows(
        f'UPDATE {field.table.name} SET "{field.name}" = NULL {where} RETURNING to_jsonb("{field.name}")'
    )
    assert told[0] in ([], None)
    assert field.read(key) in ([], None)
    field.account.simulator.reset()
    field.account.run(f'UPDATE {field.table.name} SET "{field.name}" = NULL {where}')
    assert field.written() == [], "it is empty already"


@of(is_copied)
def test_an_insert_takes_what_another_row_reads(field: Field) -> None:
    key, value = field.rows()[-1]
    for statement in field.statements(
        f'(SELECT "{field.name}" FROM {field.table.name} WHERE {field.key} = {literal(key)})'
    ):
        if statement.startswith("INSERT"):
            made = field.account.value(f"{statement} RETURNING {field.key}::text")
    now, was = without_nulls(field.read(made)), without_nulls(value)
    shown = (*_OWN, *(("id",) if field.name == "options" else ()))
    assert _bare(now, shown) == _bare(was, shown)


# Which record an element stands in, and what a field's option is given.
_OWN = ("product_id", "product_variation_id", "color", "add_time", "update_time")


def _bare(value: Any, names: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [{n: v for n, v in one.items() if n not in names} for one in value]
    return value


# ---- what the API does not document


def _places(root: Mapping[str, Any], schema: Any, value: Any) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Each object in *value* whose keys the files name, with those names."""
    schema = flat(root, schema)
    if isinstance(value, list):
        for one in value:
            yield from _places(root, schema.get("items", {}), one)
    elif isinstance(value, dict) and schema["properties"]:
        yield value, sorted(schema["properties"])
        for name, part in value.items():
            if name in schema["properties"]:
                yield from _places(root, schema["properties"][name], part)


def _valid(field: Field) -> Any:
    op = field.table.update if field.column.update else field.table.insert
    assert op is not None
    chosen = values(field.account, field.table, field.column, op)[0]
    return field.account.value(f"SELECT {chosen}::jsonb")


def _refused(field: Field, value: Any) -> psycopg.Error:
    """The last of the errors of all statements that set the column to *value*."""
    errors = []
    for statement in list(field.statements(literal(json.dumps(value)))):
        field.account.simulator.reset()
        with pytest.raises(psycopg.Error) as caught:
            field.account.run(statement)
        assert field.written() == []
        if statement.startswith("INSERT"):
            assert field.account.requests() == []
        errors.append(caught.value)
        assert f"column {field.name} of {field.table.name}" in str(caught.value)
    assert errors
    return errors[-1]


@of(names_keys)
def test_a_key_that_is_not_documented_is_refused(field: Field) -> None:
    root, schema = field.schema()
    number = len(list(_places(root, schema, _valid(field))))
    assert number, "the files name no key"
    for n in range(number):
        value = _valid(field)
        place, names = list(_places(root, schema, value))[n]
        place[WRONG] = "x"
        error = _refused(field, value)
        assert f'"{WRONG}"' in str(error.diag.message_primary)
        hint = str(error.diag.message_hint)
        assert [name for name in names if name not in hint] == []
        assert "Did you mean" not in hint


@of(names_keys)
def test_a_misspelt_key_is_recognised(field: Field) -> None:
    root, schema = field.schema()
    value = _valid(field)
    place, _ = next(_places(root, schema, value))
    name = max(place, key=len)
    place[name + name[-1]] = place.pop(name)
    error = _refused(field, value)
    assert f'"{name}{name[-1]}"' in str(error.diag.message_primary)
    assert f'Did you mean "{name}"?' in str(error.diag.message_hint)


@of(is_jsonb)
def test_a_value_of_another_form_is_refused(field: Field) -> None:
    root, schema = field.schema()
    value = _valid(field)
    for wrong in ("text", 5, True, {"0": value} if field.is_list else [value]):
        _refused(field, wrong)
    if field.is_list:
        for wrong in ("text", 5, [value[0]], None):
            _refused(field, [wrong])
    names = {"string": 5, "integer": "5", "number": "5", "boolean": "true", "array": {}, "object": []}
    for n in range(len(list(_places(root, schema, value)))):
        place, known = list(_places(root, schema, value))[n]
        inner = list(_schemas(root, schema, value))[n]
        for name in known:
            kind = flat(root, inner["properties"][name]).get("type")
            if kind in names:
                changed = _valid(field)
                list(_places(root, schema, changed))[n][0][name] = names[kind]
                assert name in str(_refused(field, changed))


def _schemas(root: Mapping[str, Any], schema: Any, value: Any) -> Iterator[Any]:
    """The schemas of the objects that ``_places`` gives."""
    schema = flat(root, schema)
    if isinstance(value, list):
        for one in value:
            yield from _schemas(root, schema.get("items", {}), one)
    elif isinstance(value, dict) and schema["properties"]:
        yield schema
        for name, part in value.items():
            if name in schema["properties"]:
                yield from _schemas(root, schema["properties"][name], part)


@of(requires)
def test_a_key_that_is_required_is_asked_for(field: Field) -> None:
    root, schema = field.schema()
    value = _valid(field)
    tried = 0
    for n, inner in enumerate(list(_schemas(root, schema, value))):
        for name in inner.get("required", ()):
            changed = _valid(field)
            list(_places(root, schema, changed))[n][0].pop(name)
            assert f'"{name}"' in str(_refused(field, changed))
            tried += 1
    assert tried


# ---- arrays as tables

NESTED = [
    (version, name)
    for version in ("v2", "v1")
    for name, table in tables_of(version).items()
    if table.update is not None and table.update.array and (version == "v2" or table is not TABLES[name])
]
# What an element is given where a value is left out.
_DEFAULTS = {"label": "work", "price": 0, "cost": 0, "notes": "", "status": "noreply", "is_organizer": False}


@pytest.mark.parametrize(("version", "name"), NESTED)
def test_a_column_of_an_element_is_emptied(accounts: dict[str, LiveAccount], version: str, name: str) -> None:
    account, table = accounts[version], tables_of(version)[name]
    for column in table.columns:
        if not column.update or column.required or column.single:
            continue
        found = account.rows(
            f'SELECT row_id FROM {name} WHERE "{column.name}" IS NOT NULL ORDER BY 1 DESC LIMIT 1'
        )
        for (key,) in found:
            where = f"WHERE {table.key[0]}::text = split_part({literal(key)}, ':', 1)"
            before = account.objects(name, f"{where} ORDER BY row_id")
            account.run(f'UPDATE {name} SET "{column.name}" = NULL WHERE row_id = {literal(key)}')
            after = account.objects(name, f"{where} ORDER BY row_id")
            for row, was in zip(after, before):
                row.pop("attrs", None), was.pop("attrs", None)
                if was["row_id"] == key:
                    assert row.pop(column.name) in (None, _DEFAULTS.get(column.name)), column.name
                    was.pop(column.name)
            assert after == before, column.name
