"""A list by id that is read from both ends while records come, change and go between any two requests."""

from __future__ import annotations

import math
import random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_fdw.api.waiting import Interrupts, Ready
from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.catalog.model import Listing
from pipedrive_fdw.errors import ProtocolError
from pipedrive_fdw.plan.paths import Call
from pipedrive_fdw.read.answers import Answers
from pipedrive_fdw.read.both_ends import from_both_ends
from pipedrive_fdw.session.list_pages import Prefetch

DEALS = Listing("/deals", 10, sorts=("id",))
LIMIT = 10
PARAMS = (("sort_by", "id"), ("sort_direction", "asc"), ("limit", str(LIMIT)))


class Api:
    """A list with keyset cursors, instead of the API; it *changes* before each request but the first."""

    def __init__(self, ids: list[int], rng: random.Random, changes: float = 0.0) -> None:
        self.session: Any = SimpleNamespace(under_way={}, interrupts=Interrupts())
        self.ids, self.touched = set(ids), set()
        self.rng, self.changes = rng, changes
        self.asked: list[dict[str, str]] = []
        self.shuffled = False

    def change(self) -> None:
        while self.rng.random() < self.changes:
            if self.rng.random() < 0.3:
                added = max(self.ids | self.touched | {0}) + self.rng.randrange(1, 9)
                self.ids.add(added)
                self.touched.add(added)
            elif self.ids:
                gone = self.rng.choice(sorted(self.ids))
                self.ids.remove(gone)
                self.touched.add(gone)

    def start(self, call: Call, afresh: bool = False) -> Any:
        if self.asked:
            self.change()
        query = dict(call.params)
        self.asked.append(query)
        down = query["sort_direction"] == "desc"
        ids = sorted(self.ids, reverse=down)
        if "cursor" in query:
            after = int(query["cursor"])
            ids = [one for one in ids if (one < after if down else one > after)]
        page = ids[:LIMIT]
        cursor = str(page[-1]) if len(ids) > LIMIT else None
        if self.shuffled:
            page = page[::-1]
        return Ready({"data": [{"id": one} for one in page], "additional_data": {"next_cursor": cursor}})

    def answer(self, call: Call, begun: Any) -> Any:
        return begun.wait(self.session.interrupts)

    def ask(self, call: Call, afresh: bool = False) -> Any:
        return self.answer(call, self.start(call))


def read(api: Any, to_end: bool = True) -> list[int]:
    prefetch = Prefetch(api)
    if to_end:
        prefetch.begin()
    answers = Answers(api, TABLES["deals"], prefetch)
    batches = from_both_ends(answers, DEALS, Call(DEALS, DEALS.path, PARAMS))
    return [record["id"] for records, _ in batches for record in records]


@settings(max_examples=400, deadline=None)
@given(st.integers(), st.integers(0, 200), st.floats(0.0, 0.8), st.integers(1, 30))
def test_no_record_is_missed_or_met_twice(seed: int, count: int, changes: float, gaps: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - reproducible
    ids = rng.sample(range(1, count * gaps + 2), count)
    api = Api(ids, rng, changes)
    got = read(api)
    assert len(got) == len(set(got))
    assert set(ids) - api.touched <= set(got) <= set(ids) | api.touched


@settings(max_examples=300, deadline=None)
@given(st.integers(), st.integers(0, 300), st.integers(1, 30))
def test_the_ends_overlap_by_one_page(seed: int, count: int, gaps: int) -> None:
    """And by one more where all pages are full, and a wide gap between two ids looks like more of them."""
    rng = random.Random(seed)  # noqa: S311 - reproducible
    ids = rng.sample(range(1, count * gaps + 2), count)
    api = Api(ids, rng)
    assert sorted(read(api)) == sorted(ids)
    full = count % LIMIT == 0
    assert len(api.asked) <= max(math.ceil(count / LIMIT), 1) + (1 + full if count > LIMIT else 0)


def test_half_of_the_pages_come_from_each_end() -> None:
    api = Api(list(range(1, 201)), random.Random(1))  # noqa: S311 - reproducible
    assert sorted(read(api)) == list(range(1, 201))
    directions = [query["sort_direction"] for query in api.asked]
    assert 9 <= directions.count("desc") <= 11
    assert len(directions) <= 21


def test_a_reader_who_may_stop_reads_from_one_end() -> None:
    api = Api(list(range(1, 201)), random.Random(1))  # noqa: S311 - reproducible
    assert read(api, to_end=False) == list(range(1, 201))
    assert [query["sort_direction"] for query in api.asked] == ["asc"] * 20


def test_a_list_that_does_not_keep_the_order_is_an_error() -> None:
    api = Api(list(range(1, 201)), random.Random(1))  # noqa: S311 - reproducible
    api.shuffled = True
    with pytest.raises(ProtocolError, match="not in the order of id"):
        read(api)
