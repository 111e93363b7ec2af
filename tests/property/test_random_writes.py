"""Random writes: foreign tables, the records at the API's side and plain copies end up the same.

``WRITE_EXAMPLES`` says how many (150; a full run has 2,000), ``PROPERTY_SEED`` makes the run another one, and
``PROPERTY_STATEMENT`` runs one of it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.copies import Copies
from tests.live import LiveAccount
from tests.property.chance import run
from tests.property.queries import quoted
from tests.property.write_targets import Statement
from tests.property.writes import draw_statement
from tools.engine import Server

EXAMPLES = int(os.environ.get("WRITE_EXAMPLES", "150"))
# Columns that nothing but a write of their own changes, by foreign table; and where the record has them
TABLES: Mapping[str, str] = {
    "activities": "id bigint, subject text, note text, owner_id bigint, deal_id bigint, due_date date, "
    "done boolean",
    "deals": "id bigint, title text, value numeric, owner_id bigint, person_id bigint, "
    "closes date OPTIONS (column 'expected_close_date')",
    "persons": "id bigint, name text, owner_id bigint, org_id bigint",
    "notes": "id bigint, content text, deal_id bigint",
    "deal_products": "row_id text, id bigint, deal_id bigint, comments text, tax numeric",
}
FIELDS = {"closes": "expected_close_date"}
LOCAL = """
    CREATE TABLE many (ref bigint, word text, amount numeric, day date, who bigint);
    INSERT INTO many SELECT nullif(i * 7 % 23, 0), 'word ' || i % 5, i % 9, date '2026-01-01' + i, 1 + i % 4
      FROM generate_series(1, 30) i;
    CREATE TABLE lookup (ref bigint PRIMARY KEY, word text, amount numeric, day date, who bigint);
    INSERT INTO lookup SELECT i * 2, 'look ' || i, i % 6, date '2027-03-01' - i, 1 + i % 3
      FROM generate_series(1, 25) i
"""
VIEW = (
    "CREATE VIEW renamed AS SELECT id AS number, owner_id AS id, subject AS owner_id, note AS subject, "
    "due_date AS row_id FROM activities WHERE id <> 4"
)


class World:
    """The account with narrow foreign tables, their copies, and both as they were in the beginning."""

    def __init__(self, account: LiveAccount) -> None:
        self.account = account
        self.begin()
        for name, columns in TABLES.items():
            account.run(
                f"CREATE FOREIGN TABLE {name} ({columns}) SERVER {account.name} OPTIONS (table '{name}')"
            )

    def begin(self) -> None:
        """The records as they were, but for archived deals, which nobody can change."""
        simulator = self.account.simulator
        simulator.refill()
        for deal in simulator.account["deals"]:
            deal["is_archived"] = False
        simulator.reset()

    def keep(self, copies: Copies) -> None:
        self.copies = copies
        account = self.account
        account.run(f"CREATE SCHEMA {account.name}_first")
        for name in TABLES:
            account.run(f"CREATE TABLE {account.name}_first.{name} AS SELECT * FROM {name}")
            account.run(f"CREATE SEQUENCE {copies.schema}.{name}_key")
            account.run(
                f"ALTER TABLE {copies.schema}.{name} ALTER id SET DEFAULT "
                f"nextval('{copies.schema}.{name}_key')"
            )
        copies.run_for_both(LOCAL)
        copies.run_for_both(VIEW)

    def restore(self, tables: frozenset[str]) -> None:
        """What a statement that wrote *tables* has changed is as it was."""
        account, schema = self.account, self.copies.schema
        self.begin()
        for name in tables:
            last = account.simulator.account[name].last
            account.run(
                f"TRUNCATE {schema}.{name}; INSERT INTO {schema}.{name} SELECT * FROM "
                f"{account.name}_first.{name}; "
                f"SELECT setval('{schema}.{name}_key', {last})"
            )

    def records(self, name: str) -> Counter[str]:
        """The records of the API as rows of the table."""
        columns = [column.split()[0] for column in TABLES[name].split(", ")]
        rows = []
        for record in self.account.simulator.records(name):
            if not record.get("is_deleted") and record.get("active_flag", True):
                record["row_id"] = f"{record.get('deal_id')}:{record['id']}"
                rows.append(tuple(record[FIELDS.get(column, column)] for column in columns))
        return Counter(map(shown, rows))


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[World]:
    options = {"max_tokens_per_query": 10**9}
    with LiveAccount(
        server, deals=40, burst=100_000, budget=10**9, options=options, tables=["users"]
    ) as live:
        world = World(live)
        with Copies(live, tuple(TABLES)) as copies:
            world.keep(copies)
            yield world
            live.connect()
            live.run(f"DROP SCHEMA {live.name}_first CASCADE")


def shown(row: Any) -> str:
    """*row* as a text that is the same for equal values."""
    return repr(_plain(row))


def _plain(value: Any) -> Any:
    if isinstance(value, (Decimal, float)):
        return int(value) if value == int(value) else float(value)
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (int, str, type(None))) else str(value)


def outcome(world: World, statement: Statement) -> tuple[int, Counter[str]]:
    """How many rows *statement* has written and which it has returned."""
    connection = world.account.connection
    assert connection is not None
    sql = statement.sql
    if statement.arguments:
        types = ", ".join(kind for kind, _ in statement.arguments)
        connection.execute(f"PREPARE written ({types}) AS {sql}")  # type: ignore[call-overload]
        sql = f"EXECUTE written ({', '.join(quoted(value) for _, value in statement.arguments)})"
    try:
        done = connection.execute(sql)  # type: ignore[call-overload]
        rows = done.fetchall() if done.description else []
        return done.rowcount, Counter(map(shown, rows))
    finally:
        if statement.arguments:
            connection.execute("DEALLOCATE written")


def check(world: World, statement: Statement) -> None:
    account, copies = world.account, world.copies
    copies.begin_anew()
    for setting in statement.settings:
        account.run(setting)
    if statement.waits:
        account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode 'commit')")
    account.simulator.reset()
    try:
        if statement.refused:
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot be found by"):
                account.run(statement.sql)
            assert account.requests() == []
            return
        found = outcome(world, statement)
        copies.look_at_copies(True)
        assert found == outcome(world, statement)
        copies.look_at_copies(False)
        compare(world, statement.tables)
    finally:
        if statement.waits:
            account.run(f"ALTER SERVER {account.name} OPTIONS (DROP write_mode)")
        if any(request["method"] != "GET" for request in account.simulator.requests()):
            world.restore(statement.tables)


def compare(world: World, tables: frozenset[str]) -> None:
    for name in tables:
        wanted = Counter(shown(row) for row in world.copies.rows(f"SELECT * FROM {name}"))
        assert world.records(name) == wanted, f"the records of {name}"
        assert Counter(shown(row) for row in world.account.rows(f"SELECT * FROM {name}")) == wanted


@pytest.mark.timeout(3600)
def test_random_writes_leave_what_they_leave_in_plain_copies(world: World) -> None:
    for name in TABLES:
        world.restore(frozenset((name,)))

    run(EXAMPLES, draw_statement, lambda statement: check(world, statement))
    compare(world, frozenset(TABLES))
