"""Lists by offset that change while they are read: records are added, deleted, archived and moved between any
two pages. Every record that stands there from beginning to end is in the answer, and none is there twice.

``CHANGING_SEEDS`` says how many stories each list has (3).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import LiveAccount
from tests.property.changing import LISTS, OffsetList, Story, offset_tables
from tools.engine import Server

SEEDS = int(os.environ.get("CHANGING_SEEDS", "3"))


@pytest.fixture(scope="module")
def accounts(server: Server) -> Iterator[dict[str, LiveAccount]]:
    options = {"page_size": 3, "max_tokens_per_query": 10**9}
    with (
        LiveAccount(server, deals=12, options=options, tables=list(offset_tables("v2"))) as new,
        LiveAccount(
            server, deals=12, options={**options, "api_version": "v1"}, tables=list(offset_tables("v1"))
        ) as old,
    ):
        old.simulator.configure({"v1_core": True})
        yield {"v2": new, "v1": old}


def test_every_list_by_offset_is_tested() -> None:
    assert {one.table for one in LISTS if one.version == "v2"} == set(offset_tables("v2"))
    assert {one.table for one in LISTS} == set(offset_tables("v1"))


def by_key(rows: list[tuple[Any, ...]]) -> dict[str, Counter[str]]:
    """The rows of each record."""
    found: dict[str, Counter[str]] = {}
    for key, row in rows:
        found.setdefault(key, Counter())[repr(row)] += 1
    return found


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("what", LISTS, ids=str)
def test_no_row_is_lost_and_none_comes_twice(
    accounts: dict[str, LiveAccount], what: OffsetList, seed: int
) -> None:
    account = accounts[what.version]
    account.simulator.reset()
    account.simulator.refill()
    story = Story(account.simulator, what, seed)
    story.extend()
    before = by_key(account.rows(what.sql))
    assert story.keys <= set(before)
    account.simulator.reset()
    account.simulator.faults(story.changes())
    rows = account.rows(what.sql)
    got = by_key(rows)
    assert {key: found for key, found in got.items() if max(found.values()) > 1} == {}
    untouched = set(before) - story.touched
    assert {key: got.get(key) for key in untouched} == {key: before[key] for key in untouched}
    if what.order:
        name, *down = what.order.split()
        values = [row[name] for _, row in rows]
        assert values == sorted(values, reverse=bool(down))
