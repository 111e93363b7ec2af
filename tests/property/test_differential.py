"""Random queries: the foreign tables answer as plain copies of them do, and one table never costs more
than reading it whole.

``PROPERTY_EXAMPLES`` says how many (2,000), ``PROPERTY_SEED`` makes the run another one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from psycopg.types.string import TextLoader

from tests.live import LiveAccount
from tests.property.queries import Column, Query, Shape, queries, quoted
from tools.engine import Server

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "2000"))
SEED = int(os.environ.get("PROPERTY_SEED", "1"))
KEYS = {"currencies": "code", "person_emails": "row_id"}
TABLES = (
    "deals",
    "persons",
    "organizations",
    "activities",
    "products",
    "notes",
    "leads",
    "files",
    "users",
    "stages",
    "projects",
    "tasks",
    "currencies",
    "deal_products",
    "person_emails",
)
JOINS = (
    ("deals", "person_id", "persons", "id"),
    ("deals", "org_id", "organizations", "id"),
    ("persons", "org_id", "organizations", "id"),
    ("organizations", "id", "persons", "org_id"),
    ("persons", "id", "deals", "person_id"),
    ("activities", "deal_id", "deals", "id"),
    ("deals", "stage_id", "stages", "id"),
    ("notes", "person_id", "persons", "id"),
    ("leads", "owner_id", "users", "id"),
    ("tasks", "project_id", "projects", "id"),
    ("persons", "id", "persons", "id"),
    ("deals", "id", "deal_products", "deal_id"),
    ("deals", "person_id", "person_emails", "person_id"),
)
# What can be compared and ordered.
TYPES = ("bigint", "text", "numeric", "boolean", "timestamptz", "date", "uuid")
SHORT = {"timestamp with time zone": "timestamptz"}


@dataclass
class World:
    account: LiveAccount
    shapes: tuple[Shape, ...]
    whole: dict[str, int]


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[World]:
    # Definitions that are read anew would make a query dearer than the same one before.
    options = {"max_tokens_per_query": 10**9, "page_size": 50, "fields_cache_ttl": 86_400}
    with LiveAccount(server, seed=7, deals=260, burst=100_000, budget=10**9, options=options) as live:
        shapes, whole = [], {}
        for name in TABLES:
            live.simulator.reset()
            live.run(f"CREATE TABLE copy_of_{name} AS SELECT * FROM {name}")
            whole[name] = live.tokens()
            shapes.append(_shape(live, name))
        live.run("ANALYZE")
        assert live.connection is not None
        for kind in ("timestamptz", "timestamp", "date"):  # in any DateStyle
            live.connection.adapters.register_loader(kind, TextLoader)
        yield World(live, tuple(shapes), whole)


def _shape(live: LiveAccount, name: str) -> Shape:
    found = live.rows(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
        f"WHERE attrelid = 'copy_of_{name}'::regclass AND attnum > 0 "
        "AND attname NOT IN ('attrs', 'filter_id')"
    )
    columns = []
    for column, long in found:
        kind = SHORT.get(long, long)
        if kind in TYPES:
            values = live.rows(
                f'SELECT DISTINCT "{column}"::text FROM copy_of_{name} WHERE "{column}" IS NOT NULL LIMIT 40'
            )
            columns.append(Column(column, kind, tuple(v for (v,) in values)))
    return Shape(name, tuple(columns), KEYS.get(name, "id"))


def answer(world: World, query: Query, prefix: str) -> Any:
    """The rows of *query* on the foreign tables ('') or on their copies, or the error of the query."""
    live = world.account
    sql = query.sql
    for name in query.tables:
        sql = sql.replace(f"<{name}>", prefix + name)
    try:
        if not query.arguments:
            return live.rows(sql)
        types = ", ".join(kind for kind, _ in query.arguments)
        live.run(f"PREPARE asked ({types}) AS {sql}")
        try:
            return live.rows(f"EXECUTE asked ({', '.join(quoted(value) for _, value in query.arguments)})")
        finally:
            live.run("DEALLOCATE asked")
    except psycopg.errors.DataError as error:
        return type(error).__name__


def check(world: World, query: Query) -> None:
    live = world.account
    for name, value in query.settings.items():
        live.run(f"SET {name} = '{value}'")
    wanted = answer(world, query, "copy_of_")
    live.simulator.reset()
    got = answer(world, query, "")
    spent = live.tokens()
    if query.ordered or isinstance(wanted, str) or isinstance(got, str):
        assert got == wanted
    elif query.whole:
        whole = answer(world, replace(query, sql=query.whole), "copy_of_")
        assert len(got) == len(wanted)
        assert not Counter(map(repr, got)) - Counter(map(repr, whole)), (
            "rows that are not in the whole answer"
        )
    else:
        assert Counter(map(repr, got)) == Counter(map(repr, wanted))
    if len(query.tables) == 1:
        assert spent <= world.whole[query.tables[0]], "costs more than reading the table whole"


@pytest.mark.timeout(1200)
def test_random_queries_answer_as_plain_copies_do(world: World) -> None:
    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(st.data())
    def run(data: Any) -> None:
        check(world, data.draw(queries(world.shapes, JOINS)))

    run()
