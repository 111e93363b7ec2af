"""A list by id that is read from both ends while records come, change and go between any two requests."""

from __future__ import annotations

import math
import random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipedrive_fdw.api.waiting import Interrupts, Ready
from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.catalog.model import Listing
from pipedrive_fdw.errors import ProtocolError
from pipedrive_fdw.plan.paths import Call, Lists, ScanPlan
from pipedrive_fdw.read.answers import Answers
from pipedrive_fdw.read.both_ends import ListBehind, ListById
from pipedrive_fdw.read.executor import _in_turn, _Scan
from pipedrive_fdw.read.extended_columns import Extension
from pipedrive_fdw.session.list_pages import Prefetch
from pipedrive_fdw.values.key_set import KeySet

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
    batches = ListById(answers, DEALS, Call(DEALS, DEALS.path, PARAMS)).batches()
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


# ---- two lists, side by side

ARCHIVED = Listing("/deals/archived", 10, sorts=("id",))


class Under:
    """An answer that takes one tick; it shows the list as it is when asked for, or when the answer comes."""

    def __init__(self, api: Archive, query: dict[str, str], archived: bool) -> None:
        self._api, self._query, self._archived = api, query, archived
        self._due = api.now + 1
        self._page = api.page(query, archived) if api.rng.random() < 0.5 else None

    @property
    def is_done(self) -> bool:
        return self._api.now >= self._due

    def wait(self, interrupts: Any) -> Any:
        if self._page is None:
            self._api.change()
            self._page = self._api.page(self._query, self._archived)
        self._api.now = max(self._api.now, self._due)
        return self._page


class Archive(Api):
    """Deals, of which some are *archived*, and more of them while they are read; *now* counts the ticks."""

    def __init__(self, ids: list[int], archived: set[int], rng: random.Random, changes: float = 0.0) -> None:
        super().__init__(ids, rng, changes)
        self.archived = set(archived)
        self.now = 0

    def change(self) -> None:
        super().change()
        while self.rng.random() < self.changes:
            self.archived.add(self.rng.choice(sorted(self.ids | {0})))

    def start(self, call: Call, afresh: bool = False) -> Any:
        if self.asked:
            self.change()
        query = dict(call.params)
        self.asked.append(query)
        return Under(self, query, call.path == ARCHIVED.path)

    def page(self, query: dict[str, str], archived: bool) -> Any:
        down = query["sort_direction"] == "desc"
        ids = sorted((self.ids & self.archived) if archived else (self.ids - self.archived), reverse=down)
        after = int(query.get("cursor", 10**9 if down else 0))
        ids = [one for one in ids if (one < after if down else one > after)]
        cursor = str(ids[LIMIT - 1]) if len(ids) > LIMIT else None
        return {"data": [{"id": one} for one in ids[:LIMIT]], "additional_data": {"next_cursor": cursor}}


def pages_of(ids: set[int]) -> int:
    return max(math.ceil(len(ids) / LIMIT), 1)


def read_both(api: Archive, to_end: bool = True) -> tuple[list[int], list[int]]:
    """The ids of the deals that were met in each list."""
    prefetch: Any = Prefetch(api)  # type: ignore[arg-type]
    answers = Answers(api, TABLES["deals"], prefetch)  # type: ignore[arg-type]
    if to_end:
        prefetch.begin()
    counts = pages_of(api.ids - api.archived), pages_of(api.ids & api.archived)
    found: tuple[list[int], list[int]] = ([], [])

    def noted(batches: Any, place: list[int]) -> Any:
        for records, _ in batches:
            place += [record["id"] for record in records]
            yield records, {}

    live = ListById(answers, DEALS, Call(DEALS, DEALS.path, PARAMS))
    archived = ListBehind(answers, ARCHIVED, Call(ARCHIVED, ARCHIVED.path, PARAMS), counts[1], live)
    lists = (live, archived)
    for _ in _in_turn([noted(one.batches(), place) for one, place in zip(lists, found)]):
        pass
    return found


def company(rng: random.Random, count: int, share: float, skew: float) -> tuple[list[int], set[int]]:
    """Ids of deals, and of the archived ones: more of the old deals if *skew* > 0, else of the new."""
    ids = rng.sample(range(1, count * 3 + 2), count)
    chance = {one: share * (1 + skew * (1 - 2 * one / (count * 3 + 2))) for one in ids}
    return ids, {one for one in ids if rng.random() < chance[one]}


@settings(max_examples=300, deadline=None)
@example(67617, 160, 0.5, -1.0, 0.3)  # the page under way when the first list ends came too early
@given(st.integers(), st.integers(0, 300), st.floats(0, 1), st.floats(-1, 1), st.floats(0.0, 0.8))
def test_what_is_archived_while_both_lists_are_read_is_met(
    seed: int, count: int, share: float, skew: float, changes: float
) -> None:
    rng = random.Random(seed)
    ids, archived = company(rng, count, share, skew)
    api = Archive(ids, archived, rng, changes)
    live, late = read_both(api, to_end=rng.random() < 0.9)
    assert len(live) == len(set(live)) and len(late) == len(set(late))
    assert set(ids) - api.touched <= set(live) | set(late) <= set(ids) | api.touched


@settings(max_examples=200, deadline=None)
@given(st.integers(), st.integers(0, 400), st.floats(0, 1), st.floats(-1, 1))
def test_two_lists_cost_their_pages_and_what_overlaps(
    seed: int, count: int, share: float, skew: float
) -> None:
    """At most one page where the ends of a list meet (two if its pages are full), and one page at either end
    of the second list that is asked for again."""
    rng = random.Random(seed)
    ids, archived = company(rng, count, share, skew)
    api = Archive(ids, archived, rng)
    live, late = read_both(api)
    assert (sorted(live), sorted(late)) == (sorted(set(ids) - archived), sorted(archived))
    assert len(api.asked) <= pages_of(set(ids) - archived) + pages_of(archived) + 4 + 2


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_two_lists_take_the_time_of_the_longer_one(share: float) -> None:
    rng = random.Random(1)
    ids, archived = company(rng, 2_000, share, 0)
    api = Archive(ids, archived, rng)
    live, late = read_both(api)
    pages = pages_of(set(live)), pages_of(set(late))
    assert len(api.asked) <= sum(pages) + 2
    assert api.now <= math.ceil(max(pages) / 2) + 7


def test_two_lists_are_read_one_after_the_other_by_who_may_stop() -> None:
    rng = random.Random(1)
    ids, archived = company(rng, 200, 0.5, 0)
    api = Archive(ids, archived, rng)
    live, late = read_both(api, to_end=False)
    assert live + late == [*sorted(set(ids) - archived), *sorted(archived)]
    assert {query["sort_direction"] for query in api.asked} == {"asc"}
    assert len(api.asked) == api.now == pages_of(set(live)) + pages_of(archived)


@pytest.mark.timeout(20)
def test_rows_that_come_one_by_one_let_the_other_list_be_read_on() -> None:
    """Rows with extended columns come one by one; a list that waits for the other gives an empty batch."""
    rng = random.Random(1)
    ids, archived = company(rng, 200, 0.5, 0)
    api: Any = Archive(ids, archived, rng)
    api.sizes = {}
    api.spent = SimpleNamespace(remembered=0)
    api.most_at_once = lambda: 1
    api.session.created_from_now_on = lambda _: KeySet()
    api.session.extended = lambda _: {f"/deals/{one}": {"more": -one} for one in ids}
    prefetch: Any = Prefetch(api)
    prefetch.begin()
    steps = tuple(
        Lists(listing, (Call(listing, listing.path, PARAMS),), 10, whole=True, both_ends=True)
        for listing in (DEALS, ARCHIVED)
    )
    scan = _Scan(ScanPlan(TABLES["deals"], steps), api, prefetch, Extension(("more",)))
    found = [record for records, _ in scan.batches() for record in records]
    assert sorted(record["id"] for record in found) == sorted(ids)
    assert all(record["more"] == -record["id"] for record in found)
