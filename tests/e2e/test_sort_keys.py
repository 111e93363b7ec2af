"""Every column by which version 1 sorts a list, in both directions: PostgreSQL's rows, and the key sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipedrive_fdw.catalog import tables_of
from tests.live import TOKEN, LiveAccount
from tests.simulator import Simulator
from tools.engine import Server

CORE = ("deals", "persons", "organizations")
DIRECTIONS = pytest.mark.parametrize("direction", ["ASC", "DESC"])


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    """Version 1 of the API, whose sort is told apart from PostgreSQL's by pages of ten."""
    options = {"api_version": "v1", "max_tokens_per_query": 10**9, "page_size": 10}
    simulator = Simulator(token=TOKEN, deals=60, burst=100_000, budget=10**9).start()
    simulator.configure({"v1_core": True})
    with LiveAccount(server, simulator, tables=(*CORE, "leads"), options=options) as live:
        for table in (*CORE, "leads"):
            live.run(f"CREATE TEMP TABLE copy_of_{table} AS SELECT * FROM {table}")
        yield live
    simulator.stop()


def keys(table: str, version: str = "v1") -> dict[str, tuple[str, str]]:
    """Column → its type, and the field that the request names."""
    declared = tables_of(version)[table]
    columns = {c.name: c for c in declared.columns}
    return {name: (columns[name].type, columns[name].path[0]) for name in declared.listings[0].sorts}


def sent_keys(log: list[dict[str, Any]]) -> set[str]:
    return {r["query"].get("sort", "").partition(",")[0] for r in log if "Fields" not in r["path"]}


def wrong_orders(account: LiveAccount, table: str, direction: str, where: str) -> list[Any]:
    """The keys by which the first rows are not PostgreSQL's, or not sorted by Pipedrive."""
    wrong: list[Any] = []
    for name, (kind, field) in keys(table).items():
        if kind == "text":
            continue
        sql = f"SELECT {name} FROM %s WHERE {where.format(name)} ORDER BY {name} {direction} LIMIT 7"
        log = account.asked(sql % table)
        got, wanted = account.rows(sql % table), account.rows(sql % f"copy_of_{table}")
        asked = sent_keys(log)
        if got != wanted or (wanted and f"{field} {direction}" not in asked):
            wrong.append((name, asked, got, wanted))
    return wrong


@DIRECTIONS
@pytest.mark.parametrize("table", CORE)
def test_a_field_without_nulls_is_sorted_by_pipedrive(
    account: LiveAccount, table: str, direction: str
) -> None:
    names = keys(table)
    assert {"owner_id", "visible_to", "update_time", "followers_count"} <= set(names)
    assert wrong_orders(account, table, direction, "{} IS NOT NULL") == []


@pytest.mark.parametrize("nulls", ["FIRST", "LAST"])
@DIRECTIONS
def test_the_first_rows_by_a_field_with_nulls_are_those_of_postgresql(
    account: LiveAccount, direction: str, nulls: str
) -> None:
    for name in ("org_id", "probability", "won_time", "expected_close_date", "next_activity_id"):
        sql = f"SELECT {name} FROM %s ORDER BY {name} {direction} NULLS {nulls} LIMIT %s"
        for limit in (3, 30):
            wanted = account.rows(sql % ("copy_of_deals", limit))
            assert account.rows(sql % ("deals", limit)) == wanted, (name, limit)


def test_several_keys_are_sent_together(account: LiveAccount) -> None:
    sql = "SELECT owner_id, stage_id, id FROM %s WHERE owner_id > 0 AND stage_id > 0 "
    sql += "ORDER BY owner_id DESC, stage_id, id LIMIT 9"
    assert {r["query"]["sort"] for r in account.asked(sql % "deals")} == {
        "user_id DESC, stage_id ASC, id ASC"
    }
    assert account.rows(sql % "deals") == account.rows(sql % "copy_of_deals")


@pytest.fixture
def texts(account: LiveAccount) -> Iterator[LiveAccount]:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD push_text_sort 'true')")
    yield account
    account.run(f"ALTER SERVER {account.name} OPTIONS (DROP push_text_sort)")


@DIRECTIONS
@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("deals", "title"),
        ("deals", "currency"),
        ("deals", "status"),
        ("persons", "name"),
        ("persons", "last_name"),
        ("organizations", "name"),
        ("leads", "title"),
    ],
)
@pytest.mark.parametrize("where", ["true", "{} IS NOT NULL"])
def test_texts_come_in_the_order_of_pipedrive(
    texts: LiveAccount, table: str, name: str, where: str, direction: str
) -> None:
    """That of the simulator is without regard to case."""
    condition = where.format(name)
    found = [row[0] for row in texts.rows(f"SELECT {name} FROM copy_of_{table} WHERE {condition}")]
    empty = [text for text in found if text is None]
    wanted = sorted((text.casefold() for text in found if text is not None), reverse=direction == "DESC")
    sql = f"SELECT {name} FROM {table} WHERE {condition} ORDER BY {name} {direction} NULLS LAST LIMIT 25"
    plan = texts.plan(sql)
    assert not [line for line in plan if "Sort Key" in line], plan
    log = texts.asked(sql)
    got = [text and text.casefold() for (text,) in texts.rows(sql)]
    assert got == [*wanted, *empty][:25]
    assert f"{name} {direction}" in sent_keys(log)
    assert len(log) < len(found) / 10 + 4


def test_without_the_option_explain_says_why_postgresql_sorts(account: LiveAccount) -> None:
    for table, name, why in (
        ("deals", "title", "Pipedrive may order the text of title in another way"),
        ("leads", "id", "Pipedrive may order the uuid of id in another way"),
        ("leads", "title", "Pipedrive may order the text of title in another way"),
        ("deals", "person_id", "person_id may be NULL"),
        ("deals", "label_ids", "Pipedrive does not sort deals by label_ids"),
    ):
        lines = [line.strip() for line in account.plan(f"SELECT id FROM {table} ORDER BY {name}")]
        assert f"Multicorn: Sorted here: {why}" in lines
