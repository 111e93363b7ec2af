"""Every child table: for one parent, for three, for 150, and in a join, with the requests that leave."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pipedrive_fdw.catalog import TABLES
from tests.conformance.expected import Record, records, selected, shown
from tests.live import LiveAccount

CHILDREN = sorted(name for name, table in TABLES.items() if table.parent is not None)
WALKED = [n for n in CHILDREN if (p := TABLES[n].parent) and not (p.guarded or TABLES[n].selecting)]
BATCHED = {"deal_products", "deal_installments"}  # 100 parents in one request


def parent_of(table: str) -> tuple[str, str, str]:
    """The parent's table, the column that names it, and how it writes an id."""
    parent = TABLES[table].parent
    assert parent is not None
    column = TABLES[table].column(parent.column)
    assert column is not None
    return parent.table, parent.column, column.type


def literals(values: list[Any]) -> str:
    return ", ".join(f"'{value}'" if isinstance(value, str) else str(value) for value in values)


def keyed(table: str, rows: list[Record]) -> Counter[tuple[Any, ...]]:
    """Rows by their key columns."""
    keys = [TABLES[table].column(name) for name in TABLES[table].key]
    return Counter(tuple(shown(c.type, r.get(c.name)) for c in keys if c is not None) for r in rows)


def got(account: LiveAccount, table: str, where: str) -> Counter[tuple[Any, ...]]:
    names = ", ".join(f'c."{name}"' for name in TABLES[table].key)
    account.simulator.reset()
    return Counter(account.rows(f"SELECT {names} FROM {table} c {where}"))


def parents(account: LiveAccount, table: str) -> list[Any]:
    """Ids of the parents, those with children first."""
    parent, column, _ = parent_of(table)
    with_rows = Counter(r[column] for r in records(account.simulator, table))
    everyone = [r["id"] for r in records(account.simulator, parent)]
    return sorted(everyone, key=lambda key: (-with_rows[key], str(key)))


def calls(account: LiveAccount) -> int:
    return len(account.requests())


def also(table: str) -> str:
    """What else a query must name."""
    return f" AND {selected(table)}" if selected(table) else ""


def lists(table: str) -> int:
    """How many lists one parent has (visible and hidden pipelines of a role)."""
    return len(TABLES[table].listings)


@pytest.mark.parametrize("table", CHILDREN)
@pytest.mark.parametrize("count", [1, 3, 150])
def test_only_the_parents_named_are_asked_for(account: LiveAccount, table: str, count: int) -> None:
    chosen = parents(account, table)[:count]
    _, column, _ = parent_of(table)
    wanted = [r for r in records(account.simulator, table) if r[column] in chosen]
    where = f"= {literals(chosen)}" if count == 1 else f"IN ({literals(chosen)})"
    assert got(account, table, f'WHERE c."{column}" {where}{also(table)}') == keyed(table, wanted)
    per_request = 100 if table in BATCHED else 1
    assert calls(account) == lists(table) * -(-len(chosen) // per_request)


@pytest.mark.parametrize("table", CHILDREN)
def test_a_join_asks_for_the_parents_it_has(account: LiveAccount, table: str) -> None:
    check_join(account, table)


@pytest.mark.parametrize("table", WALKED)
def test_a_join_does_so_if_it_is_known_how_few_rows_there_are(account: LiveAccount, table: str) -> None:
    account.rows(f"SELECT count(*) FROM {table}")
    check_join(account, table)


def check_join(account: LiveAccount, table: str) -> None:
    """A join with three parents asks for their rows alone."""
    chosen = parents(account, table)[:3]
    _, column, kind = parent_of(table)
    account.run(
        f"CREATE TEMP TABLE few AS SELECT unnest('{{{', '.join(map(str, chosen))}}}'::{kind}[]) AS id"
    )
    account.run("ANALYZE few")
    wanted = [r for r in records(account.simulator, table) if r[column] in chosen]
    try:
        join = f'JOIN few ON few.id = c."{column}"{also(table)}'
        assert got(account, table, join) == keyed(table, wanted)
        assert calls(account) == lists(table) * len(chosen)
    finally:
        account.run("DROP TABLE few")


def test_a_thousand_deals_need_three_pages_and_ten_batches(account: LiveAccount) -> None:
    walk = [r for r in account.asked("SELECT * FROM deal_products") if r["path"] != "/api/v2/deals/products"]
    batches = [r for r in account.requests() if r["path"] == "/api/v2/deals/products"]
    deals = len(records(account.simulator, "deals"))
    assert Counter(r["path"] for r in walk) == {
        "/api/v2/deals": -(-deals // 500),
        "/api/v2/deals/archived": 1,
    }
    assert len([r for r in batches if "cursor" not in r["query"]]) == -(-deals // 100)
