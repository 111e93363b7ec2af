"""Every writable column of every table: INSERT, UPDATE, NULL, RETURNING, DELETE, in a real PostgreSQL.

A table that is new needs nothing here: values come from its declaration (given.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import psycopg
import pytest

from pipedrive_fdw.catalog import TABLES, tables_of
from pipedrive_fdw.catalog.model import Column, Table, Write
from tests.conformance.given import PREPARED, values
from tests.contract.catalogue import EXTRA, EXTRA_V1
from tests.contract.openapi import needs_files
from tests.contract.schemas import body_faults
from tests.live import LiveAccount, literal
from tools.engine import Server

pytestmark = needs_files

# What an INSERT needs besides its required columns: table → column → SQL.
ALONG: Mapping[str, Mapping[str, str]] = {
    "activities": {"subject": "'An activity'"},
    "notes": {"deal_id": "1"},
    "leads": {"person_id": "1"},
    "subscriptions": {"cycles_count": "3"},
}
# What goes with one column: (table, column) → column → SQL.
WITH: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("deal_products", "billing_frequency_cycles"): {"billing_frequency": "'monthly'"},
    ("products", "billing_frequency_cycles"): {"billing_frequency": "'monthly'"},
    ("deal_products", "product_variation_id"): {"product_id": "1"},
    ("subscriptions", "infinite"): {"cycles_count": "NULL"},
    ("deals", "lost_reason"): {"status": "'lost'"},
    ("deals", "lost_time"): {"status": "'lost'"},
    ("deals", "won_time"): {"status": "'won'"},
    ("deals", "close_time"): {"status": "'won'"},
    ("tasks", "parent_task_id"): {"project_id": "(SELECT min(id) FROM projects WHERE NOT is_archived)"},
    ("deal_fields", "options"): {"field_type": "'enum'"},
    ("person_fields", "options"): {"field_type": "'enum'"},
    ("organization_fields", "options"): {"field_type": "'enum'"},
    ("product_fields", "options"): {"field_type": "'enum'"},
    ("project_fields", "options"): {"field_type": "'enum'"},
}


# What Pipedrive sets otherwise than it was asked to: one participant is always the primary one, an answer
# to an invitation is the invited one's, a file is kept under a name that no other has (``name`` is as given).
DECIDED = frozenset(
    (("activity_participants", "primary"), ("activity_attendees", "status"), ("files", "file_name"))
)
# An UPDATE of these ends further changes: the row is another one, or it is in another table.
LAST = ("archived_flag", "rel_owner_org_id", "rel_linked_org_id")
# Columns that are in no request body of the OpenAPI files (contract/catalogue.py says why they are declared).
NOT_SERVED = frozenset([("activities", "outcome")])


def _made(version: str) -> list[str]:
    tables = tables_of(version)
    return [
        name
        for name, table in tables.items()
        if (table.insert or table.update) and (version == "v2" or table is not TABLES[name])
    ]


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9}
    with LiveAccount(server, deals=40, options=options, burst=100_000, budget=10**9) as live:
        live.simulator.configure({"subscriptions": True})
        prepare(live)
        yield live


@pytest.fixture(scope="module")
def old(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9, "api_version": "v1"}
    with LiveAccount(server, deals=40, options=options, burst=100_000, budget=10**9) as live:
        live.simulator.configure({"v1_core": True})
        prepare(live)
        yield live


def _parsed(body: Any) -> Any:
    """A body as an object: JSON, a form, or the parts of a multipart."""
    if not isinstance(body, str) or not body:
        return body
    if body.startswith("--"):
        return dict(re.findall(r'name="(\w+)"[^\r]*\r\n(?:[^\r]+\r\n)*\r\n([^\r]*)', body))
    try:
        return json.loads(body)
    except ValueError:
        return dict(parse_qsl(body, keep_blank_values=True))


def prepare(account: LiveAccount) -> None:
    for sql in PREPARED:
        account.run(sql)


class Writing:
    """One table under test."""

    def __init__(self, account: LiveAccount, table: Table) -> None:
        self.account, self.table = account, table
        self.key = table.shared or (table.key[0] if len(table.key) == 1 else "row_id")
        # The schemas of answers do not have these, though requests do (contract/catalogue.py)
        self.unsure = EXTRA if table is TABLES[table.name] else {**EXTRA, **EXTRA_V1}
        self.faults: list[str] = []

    def sent(self) -> list[dict[str, Any]]:
        """The requests that wrote, their bodies held against the OpenAPI files."""
        found = [r for r in self.account.requests() if r["method"] != "GET"]
        for request in found:
            request["body"] = body = _parsed(request["body"])
            _, _, version, path = request["path"].split("/", 3)
            for fault in body_faults(int(version[1:]), request["method"], f"/{path}", body):
                self.faults.append(f"{request['method']} {request['path']}: {fault}")
        return found

    def run(self, sql: str) -> list[dict[str, Any]]:
        """The rows that *sql* returns, as objects."""
        self.account.simulator.reset()
        return [row[0] for row in self.account.rows(f"WITH w AS ({sql}) SELECT to_jsonb(w) FROM w")]

    def stored(self, key: str) -> dict[str, Any] | None:
        rows = self.account.objects(self.table.name, f"WHERE {self.key} = {literal(key)}")
        return rows[0] if rows else None

    def check(self, what: str, row: Mapping[str, Any], given: Mapping[str, str]) -> None:
        """RETURNING's *row* is what a SELECT gives, and holds what was *given*."""
        again = self.stored(str(row[self.key]))
        if again is None:
            if not set(given) & set(LAST):
                self.faults.append(f"{what}: the row {row[self.key]} is not there")
            return
        for name in () if self.table.shared else again:
            column = self.table.column(name)
            sure = column is None or not _unsure(column)
            if name == "attrs" or (self.table.name, name) in self.unsure:
                continue
            lacking = row[name] is None and what.startswith("INSERT") and name not in given
            if sure and not lacking and row[name] != again[name]:
                self.faults.append(f"{what}: RETURNING {name} = {row[name]!r}, SELECT gives {again[name]!r}")
        for name, value in given.items():
            column = self.table.column(name)
            known = (self.table.name, name)
            if known in self.unsure or known in DECIDED:
                continue
            if column is None or column.source == "-" or value == "NULL":
                continue
            test = (
                f'"{name}" @> {value}' if column.type == "jsonb" else f'"{name}" IS NOT DISTINCT FROM {value}'
            )
            where = f"{self.key} = {literal(str(row[self.key]))}"
            if not self.account.value(
                f"SELECT bool_or(coalesce({test}, false)) FROM {self.table.name} WHERE {where}"
            ):
                self.faults.append(f"{what}: {name} was given {value}, reads {again[name]!r}")

    def insert(self, given: Mapping[str, str]) -> dict[str, Any] | None:
        what = f"INSERT {', '.join(given)}"
        names = ", ".join(f'"{name}"' for name in given)
        sql = f"INSERT INTO {self.table.name} ({names}) VALUES ({', '.join(given.values())}) RETURNING *"
        try:
            (row,) = self.run(sql)
        except psycopg.Error as error:
            self.faults.append(f"{what}: {error}")
            return None
        if len(self.sent()) != 1:
            self.faults.append(f"{what}: {len(self.sent())} requests wrote")
        self.check(what, row, given)
        return row

    def update(self, key: str, given: Mapping[str, str], refused: bool = False) -> bool:
        """Whether the row was changed; *refused*: the API may refuse it."""
        what = f"UPDATE {', '.join(f'{n} = {v}' for n, v in given.items())}"
        sets = ", ".join(f'"{name}" = {value}' for name, value in given.items())
        before = self.stored(key)
        try:
            rows = self.run(
                f"UPDATE {self.table.name} SET {sets} WHERE {self.key} = {literal(key)} RETURNING *"
            )
        except psycopg.Error as error:
            if not refused:
                self.faults.append(f"{what}: {error}")
            elif self.stored(key) != before:
                self.faults.append(f"{what}: refused, and the row is another")
            return False
        if len(rows) != 1 and not (self.table.shared and rows):  # seen from each of its sides
            self.faults.append(f"{what}: {len(rows)} rows were changed")
        row = rows[0]
        sent = self.sent()
        unchanged = before is not None and all(before.get(name) == row.get(name) for name in given)
        if len(sent) != 1 and not (unchanged and not sent):
            self.faults.append(f"{what}: {len(sent)} requests wrote")
        for request in sent:
            self._check_alone(what, request["body"], given)
        self.check(what, row, given)
        return True

    def _check_alone(self, what: str, body: Any, given: Mapping[str, str]) -> None:
        op = self.table.update
        assert op is not None
        if op.array or any(name in self.table.instead for name in given):
            return
        columns = [self.table.column(name) for name in (*given, *op.fields)]
        wanted = {(c.body or c.name).split(".")[0] for c in columns if c is not None}
        has = set((body[0] if op.batch else body) or {})
        if not has or has - wanted:
            self.faults.append(f"{what}: the body has {sorted(has)}, not {sorted(wanted)}")


def _unsure(column: Column) -> bool:
    """Whether an answer may lack it or differ in it: what a read must ask for, and times of the change."""
    return (
        column.extended
        or column.include
        or column.source == "-"
        or column.name in ("update_time", "attrs", "last_update")
    )


def check_table(account: LiveAccount, table: Table) -> None:
    writing = Writing(account, table)
    key = _inserts(writing) if table.insert is not None else _first(writing)
    if key is not None and table.update is not None:
        _updates(writing, key)
    if key is not None and table.delete is not None:
        account.run(f"DELETE FROM {table.name} WHERE {writing.key} = {literal(key)}")
        writing.sent()
        left = writing.stored(key)
        if left is not None and left.get("active_flag") is not False:
            writing.faults.append("DELETE: the row is still there")
    assert writing.faults == [], "\n".join(writing.faults)


def _first(writing: Writing) -> str | None:
    rows = writing.account.rows(f"SELECT {writing.key}::text FROM {writing.table.name} ORDER BY 1 LIMIT 1")
    return rows[0][0] if rows else None


def _inserts(writing: Writing) -> str | None:
    """One row of what is required, and for each other column one more; the key of the first that is left."""
    account, table = writing.account, writing.table
    rows: list[dict[str, Any] | None] = []
    op = table.insert
    while op is not None:
        columns = [c for c in table.columns if c.insert and (not op.takes or c.name in op.takes)]

        def base(columns: list[Column] = columns, op: Write = op) -> dict[str, str]:
            needed = [c for c in columns if c.required or c.name in op.fields]
            along = ALONG.get(table.name, {})
            return {**{c.name: values(account, table, c, op)[0] for c in needed}, **along}

        rows.append(writing.insert(base()))
        for column in columns:
            if column.name in base() or (table.name, column.name) in NOT_SERVED:
                continue
            _remove_clash(writing, rows)
            chosen = values(account, table, column, op)[0]
            along = WITH.get((table.name, column.name), {})
            rows.append(writing.insert({**base(), **along, column.name: chosen}))
        op = op.otherwise
    made = [row for row in rows if row is not None and writing.stored(str(row[writing.key])) is not None]
    return str(made[0][writing.key]) if made else None


def _remove_clash(writing: Writing, rows: list[dict[str, Any] | None]) -> None:
    """Where the key is what is given, the row before must go first."""
    last = rows[-1]
    given = [writing.table.column(name) for name in writing.table.key]
    if last is not None and all(column is not None and column.insert for column in given):
        writing.account.run(
            f"DELETE FROM {writing.table.name} WHERE {writing.key} = {literal(str(last[writing.key]))}"
        )


def _updates(writing: Writing, key: str) -> None:
    account, table = writing.account, writing.table
    frozen = [name for name, _ in (*table.frozen, *((name, 0) for name in table.instead))]
    # What ends further changes comes last.
    for column in sorted(table.columns, key=lambda c: c.name in (*frozen, *LAST)):
        if not column.update or column.name in table.key or (table.name, column.name) in NOT_SERVED:
            continue
        along = dict(WITH.get((table.name, column.name), {}))
        assert table.update is not None
        for needed in map(table.column, table.update.fields):  # what no scanned row can tell
            if needed is not None and needed.source == "-":
                along[needed.name] = values(account, table, needed, table.update)[0]
        chosen_values = values(account, table, column, table.update)
        once = column.name in table.instead or column.name in LAST
        for chosen in chosen_values[: 1 if once else 2]:
            writing.update(key, {**along, column.name: chosen})
        if not column.required and column.type != "boolean" and column.source != "-":
            writing.update(key, {**along, column.name: "NULL"}, refused=True)


@pytest.mark.parametrize("name", _made("v2"))
def test_every_writable_column(account: LiveAccount, name: str) -> None:
    check_table(account, TABLES[name])


@pytest.mark.parametrize("name", _made("v1"))
def test_every_writable_column_by_version_1(old: LiveAccount, name: str) -> None:
    check_table(old, tables_of("v1")[name])
