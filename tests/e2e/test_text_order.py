"""push_text_sort: Pipedrive's order of texts shows rows in an ORDER BY, and makes no groups."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live import LiveAccount
from tools.engine import Server

ZETA = "products WHERE name ILIKE 'zeta'"


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"push_text_sort": "true"}
    with LiveAccount(server, seed=1, deals=30, tables=("products",), options=options, burst=10_000) as live:
        for name in ("zeta", "Zeta", "zeta", "Zeta"):
            live.run(f"INSERT INTO products (name) VALUES ('{name}')")
        yield live


@pytest.fixture(autouse=True)
def _sorting(account: LiveAccount) -> None:
    account.connect()  # what the first statement of a session plans must be right too
    account.run("SET enable_hashagg = off; SET enable_hashjoin = off; SET enable_nestloop = off")


def test_an_order_by_is_sorted_by_pipedrive(account: LiveAccount) -> None:
    (asked,) = [
        r["query"]
        for r in account.asked(f"SELECT name FROM {ZETA} ORDER BY name")
        if "Fields" not in r["path"]
    ]
    assert (asked["sort_by"], asked["sort_direction"]) == ("name", "asc")
    assert account.rows(f"SELECT name FROM {ZETA} ORDER BY name LIMIT 2") == [("zeta",), ("Zeta",)]
    assert not [line for line in account.plan(f"SELECT name FROM {ZETA} ORDER BY name") if "Sort Key" in line]


def test_another_collation_is_sorted_here(account: LiveAccount) -> None:
    sql = f'SELECT name FROM {ZETA} ORDER BY name COLLATE "C"'
    assert account.rows(sql) == [("Zeta",), ("Zeta",), ("zeta",), ("zeta",)]
    assert all("sort_by" not in r["query"] for r in account.asked(sql))


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (f"SELECT name, count(*) FROM {ZETA} GROUP BY name", [("Zeta", 2), ("zeta", 2)]),
        (f"SELECT name, count(*) FROM {ZETA} GROUP BY name ORDER BY name", [("Zeta", 2), ("zeta", 2)]),
        (f"SELECT name, count(*) FROM {ZETA} GROUP BY ROLLUP (name)", [("Zeta", 2), ("zeta", 2), (None, 4)]),
        (f"SELECT DISTINCT name FROM {ZETA}", [("Zeta",), ("zeta",)]),
        (f"SELECT DISTINCT ON (name) name FROM {ZETA} ORDER BY name", [("Zeta",), ("zeta",)]),
        (f"SELECT count(DISTINCT name) FROM {ZETA}", [(2,)]),
        (
            f"SELECT DISTINCT name, n FROM (SELECT name, count(*) OVER (PARTITION BY name) n FROM {ZETA}) s",
            [("Zeta", 2), ("zeta", 2)],
        ),
        (f"SELECT name FROM {ZETA} UNION SELECT name FROM {ZETA}", [("Zeta",), ("zeta",)]),
        (
            f"SELECT name, count(*) FROM (SELECT name FROM {ZETA} ORDER BY name) s GROUP BY name",
            [("Zeta", 2), ("zeta", 2)],
        ),
        (
            f"SELECT name, count(*) FROM (SELECT name FROM {ZETA} ORDER BY name OFFSET 0) s GROUP BY name",
            [("Zeta", 2), ("zeta", 2)],
        ),
        (
            f"WITH s AS MATERIALIZED (SELECT name FROM {ZETA} ORDER BY name) "
            "SELECT name, count(*) FROM s GROUP BY name",
            [("Zeta", 2), ("zeta", 2)],
        ),
        (
            f"SELECT count(*) FROM (SELECT * FROM {ZETA} ORDER BY name) a JOIN "
            f"(SELECT * FROM {ZETA} ORDER BY name) b ON a.name = b.name",
            [(8,)],
        ),
        (
            "SELECT a.name FROM products a JOIN products b ON a.name = b.name "
            "WHERE a.name ILIKE 'zeta' AND b.name ILIKE 'zeta' ORDER BY a.name",
            [("Zeta",)] * 4 + [("zeta",)] * 4,
        ),
        (f"SELECT name FROM {ZETA} ORDER BY name FETCH FIRST 1 ROWS WITH TIES", [("Zeta",), ("Zeta",)]),
    ],
)
def test_equal_values_are_met_together(account: LiveAccount, sql: str, rows: list[object]) -> None:
    assert sorted(account.rows(sql), key=str) == sorted(rows, key=str)


def test_two_scans_are_merged_in_postgresql_s_order(account: LiveAccount) -> None:
    both, last = (
        "SELECT name FROM products UNION ALL SELECT name FROM products",
        "name DESC NULLS LAST LIMIT 8",
    )
    wanted = account.rows(f"SELECT name FROM ({both} OFFSET 0) s ORDER BY {last}")
    assert account.rows(f"{both} ORDER BY {last}") == wanted
