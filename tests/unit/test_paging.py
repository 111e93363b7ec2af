"""Pages: lists by offset that change between any two requests, and answers that say nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_fdw.api.paging import Params, pages
from pipedrive_fdw.catalog.model import CURSOR, NONE, OFFSET, Listing
from pipedrive_fdw.errors import ProtocolError

NOTES = Listing("/notes", tokens=20, version=1, paging=OFFSET, null_is_empty=True)
WHERE = "GET /api/v1/notes"
Record = dict[str, Any]


@dataclass
class Api:
    """A list by start and limit that changes before each request but the first.

    order     by which it stands, the id last; *asked* whether the request says so
    envelope  how it tells of more: nested, next, flat, none
    most      rows a page whatever is asked for
    links     each answer words the records anew, and none of them moves
    """

    rng: random.Random
    order: tuple[str, bool]
    asked: bool
    envelope: str
    most: int
    links: bool = False
    restless: float = 0.6
    rows: dict[int, Record] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    requests: int = 0

    def add(self) -> None:
        key = self.rng.choice([n for n in range(1, 400) if n not in self.rows and n not in self.touched])
        self.rows[key] = {"id": key, "size": self.rng.randrange(4)}
        self.touched.add(key)

    def strike(self) -> None:
        if not self.rows:
            return
        key = self.rng.choice(list(self.rows))
        self.touched.add(key)
        if self.links or self.rng.random() < 0.5:
            del self.rows[key]
        else:
            self.rows[key] = {"id": key, "size": self.rng.randrange(4)}

    def change(self) -> None:
        while self.rng.random() < self.restless:
            self.rng.choice((self.add, self.strike, self.strike))()

    def sorted(self) -> list[Record]:
        name, down = self.order
        rows = sorted(self.rows.values(), key=lambda row: row["id"])
        return sorted(rows, key=lambda row: row[name], reverse=down)

    @property
    def params(self) -> Params:
        name, down = self.order
        keys = f"{name} {'DESC' if down else 'ASC'}" + ("" if name == "id" else ", id ASC")
        return (("sort", keys),) if self.asked else ()

    def __call__(self, params: Params) -> Mapping[str, Any]:
        self.requests += 1
        if 1 < self.requests < 40:
            self.change()
        query, rows = dict(params), self.sorted()
        start, limit = int(query.get("start", "0")), int(query["limit"])
        page = rows[start : start + min(limit, self.most)]
        more = start + len(page) < len(rows)
        if self.links:
            page = [{**row, "url": f"https://x.example/{self.requests}"} for row in page]
        said: Record = {"start": start, "limit": limit, "more_items_in_collection": more}
        if self.envelope == "next" and more:
            said["next_start"] = start + len(page)
        answer: Record = {"success": True, "data": page or None}
        if self.envelope != "none":
            nested = self.envelope != "flat"
            answer["additional_data"] = {"pagination": said} if nested else said
        return answer


def remembering(api: Api) -> Callable[[Params], Mapping[str, Any]]:
    """Answers from memory what was asked before."""
    known: dict[Params, Mapping[str, Any]] = {}

    def ask(params: Params) -> Mapping[str, Any]:
        if params not in known:
            known[params] = api(params)
        return known[params]

    return ask


@st.composite
def apis(draw: Any) -> Api:
    envelope = draw(st.sampled_from(["nested", "next", "flat", "none"]))
    api = Api(
        rng=random.Random(draw(st.integers(0, 2**32))),  # noqa: S311 - a test's
        order=draw(st.sampled_from([("id", False), ("id", True), ("size", False), ("size", True)])),
        asked=draw(st.booleans()),
        envelope=envelope,
        most=500 if envelope == "none" else draw(st.sampled_from([3, 5, 500])),
        links=draw(st.booleans()),
    )
    for _ in range(draw(st.integers(0, 60))):
        api.add()
    api.touched.clear()
    return api


@settings(max_examples=400, deadline=None, derandomize=True)
@given(api=apis(), limit=st.integers(2, 12), most=st.sampled_from([12, 500]), promised=st.booleans())
def test_a_list_that_changes_loses_no_row_and_repeats_none(
    api: Api, limit: int, most: int, promised: bool
) -> None:
    there = set(api.rows)
    name, down = api.order
    rank = (lambda row: -row[name] if down else row[name]) if promised and api.asked else None
    listing = replace(NOTES, page_max=max(most, limit))
    got: list[Record] = []
    try:
        for page in pages(remembering(api), listing, (*api.params, ("limit", str(limit))), WHERE, api, rank):
            got += page
    except ProtocolError as error:
        # The whole list has gone, or new records push the same page before the reader again and again
        assert api.rows == {} or "repeats its page" in error.message  # noqa: PT017
        return
    keys = [row["id"] for row in got]
    assert len(keys) == len(set(keys))
    assert there - api.touched <= set(keys)
    if rank is not None:
        assert [rank(row) for row in got] == sorted(rank(row) for row in got)


# ---- what it costs


def listing_of(rows: int, most: int = 500, **more: Any) -> Api:
    api = Api(random.Random(1), ("id", False), True, "nested", most, restless=0.0, **more)  # noqa: S311
    api.rows = {n: {"id": n, "size": 0} for n in range(1, rows + 1)}
    return api


def read(api: Api, limit: int, page_max: int = 500) -> list[int]:
    params = (*api.params, ("limit", str(limit)))
    found = pages(remembering(api), replace(NOTES, page_max=page_max), params, WHERE, api)
    return [row["id"] for page in found for row in page]


@pytest.mark.parametrize("rows", [0, 1, 99, 100, 101, 199, 200, 201, 1000])
def test_the_known_record_costs_no_request_where_pages_can_be_larger(rows: int) -> None:
    api = listing_of(rows)
    assert read(api, 100) == list(range(1, rows + 1))
    assert api.requests == max(1, -(-rows // 100))


@pytest.mark.parametrize(
    ("rows", "requests"), [(499, 1), (500, 1), (501, 2), (999, 2), (1000, 3), (1498, 3), (50_000, 101)]
)
def test_the_known_record_takes_the_place_of_one_where_pages_are_as_large_as_can_be(
    rows: int, requests: int
) -> None:
    api = listing_of(rows)
    assert read(api, 500) == list(range(1, rows + 1))
    assert api.requests == requests


def lost_place(api: Api) -> list[int]:
    """The rows of *api*, of which three are deleted after the first page, the last one read among them."""
    found = pages(remembering(api), NOTES, (*api.params, ("limit", "500")), WHERE, api)
    got = [row["id"] for row in next(found)]
    for key in (3, 5, 500):
        del api.rows[key]
    return got + [row["id"] for page in found for row in page]


@pytest.mark.parametrize("asked", [True, False])
def test_a_page_that_lost_its_place_costs_one_request_more(asked: bool) -> None:
    api = listing_of(1200)
    api.asked = asked
    assert lost_place(api) == list(range(1, 1201))
    assert api.requests == 4


def test_a_list_whose_records_are_worded_anew_each_time_is_read_by_their_keys() -> None:
    """In a list with an order of its own; found out at the second page, by going back to the first."""
    api = listing_of(2200, links=True)
    api.asked = False
    assert read(api, 500) == list(range(1, 2201))
    assert api.requests == 5 + 3
    api = listing_of(1200, links=True)
    api.asked = False
    assert lost_place(api) == list(range(1, 1201))


def test_a_reader_that_deletes_what_it_reads_sees_every_row() -> None:
    api = listing_of(2_000)
    got = []
    for page in pages(remembering(api), NOTES, (*api.params, ("limit", "500")), WHERE, api):
        got += [row["id"] for row in page]
        for row in page:
            del api.rows[row["id"]]
        if len(api.rows) == 1:  # a whole list does not vanish
            api.rows[5_000] = {"id": 5_000, "size": 0}
    assert got == [*range(1, 2_001)]
    assert api.requests <= 4 * 4


def test_without_a_way_past_the_memory_a_list_that_changes_is_an_error() -> None:
    """Not for ever the same two pages."""
    api = listing_of(20)
    found = pages(remembering(api), NOTES, (*api.params, ("limit", "10")), WHERE)
    next(found)
    asked = api.requests
    api.rows = {n: {"id": n, "size": 0} for n in range(30, 60)}
    with pytest.raises(ProtocolError, match="changes too much while it is read"):
        for _ in range(100):
            next(found)
            api.rows = {n: {"id": n, "size": 0} for n in range(60 + api.requests, 99 + api.requests)}
    assert api.requests > asked


# ---- null, and what says nothing


def answers(*given: Mapping[str, Any]) -> Callable[[Params], Mapping[str, Any]]:
    """*given* in turn, the last for ever."""
    left = list(given)
    return lambda params: left.pop(0) if len(left) > 1 else left[0]


def said(more: bool, **also: Any) -> Record:
    return {
        "additional_data": {"pagination": {"start": 0, "limit": 2, "more_items_in_collection": more, **also}}
    }


TWO = {"data": [{"id": 1}, {"id": 2}], **said(True)}


@pytest.mark.parametrize(
    "empty", [{"data": None}, {"data": None, **said(False)}, {"data": [], **said(False)}]
)
@pytest.mark.parametrize("paging", [OFFSET, NONE])
def test_a_first_page_of_null_is_an_empty_list(empty: Record, paging: str) -> None:
    listing = replace(NOTES, paging=paging)
    assert list(pages(answers(empty), listing, (("limit", "2"),), WHERE)) == [[]]


@pytest.mark.parametrize("paging", [OFFSET, CURSOR, NONE])
def test_null_is_no_first_page_where_more_is_promised(paging: str) -> None:
    for more in (
        said(True),
        {"additional_data": {"more_items_in_collection": True}},
        {"additional_data": {"pagination": {"next_start": 2}}},
        {"additional_data": {"next_cursor": "x"}},
    ):
        with pytest.raises(ProtocolError, match="null instead of a list"):
            list(pages(answers({"data": None, **more}), replace(NOTES, paging=paging), (), WHERE))


@pytest.mark.parametrize(
    "null", [{"data": None}, {"data": None, **said(True)}, {"data": None, **said(False)}]
)
@pytest.mark.parametrize("declared", [True, False])
def test_null_ends_no_list_that_has_begun(null: Record, declared: bool) -> None:
    listing, api = replace(NOTES, null_is_empty=declared), answers(TWO, null)
    with pytest.raises(ProtocolError, match="null instead of a list"):
        list(pages(api, listing, (("limit", "2"),), WHERE, api))
    cursor = replace(NOTES, paging=CURSOR, null_is_empty=declared)
    first = {"data": [{"id": 1}], "additional_data": {"next_cursor": "x"}}
    with pytest.raises(ProtocolError, match="null instead of a list"):
        list(pages(answers(first, null), cursor, (), WHERE))


def test_null_beyond_the_end_of_a_list_that_became_shorter_is_no_fault() -> None:
    one = {"data": [{"id": 1}], **said(False)}
    api = answers(TWO, {"data": None, **said(False)}, one)
    assert list(pages(api, NOTES, (("limit", "2"),), WHERE, api)) == [TWO["data"], []]


def test_an_empty_page_that_promises_more_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="no records and says that there are more"):
        list(pages(answers({"data": [], **said(True)}), NOTES, (("limit", "2"),), WHERE))


def test_a_list_that_heeds_no_start_is_an_error_where_it_promises_more() -> None:
    asked = []

    def api(params: Params) -> Mapping[str, Any]:
        asked.append(params)
        return TWO

    with pytest.raises(ProtocolError, match="repeats its page"):
        list(pages(api, NOTES, (("limit", "2"),), WHERE, api))
    assert len(asked) == 6
    with pytest.raises(ProtocolError, match="repeats its page"):
        list(pages(answers({**TWO, **said(True, next_start=0)}), NOTES, (("limit", "2"),), WHERE))
