"""How large lists are, as far as anybody knows, and what look-ups count as."""

from __future__ import annotations

import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.plan.calls import Settings, is_known, list_name, list_size
from pipedrive_fdw.plan.predicates import Predicates
from pipedrive_fdw.table.sizes import Sizes

DEALS = TABLES["deals"]
LIVE, ARCHIVED = DEALS.listings
SEEN = {"v2/deals?": 900, "v2/deals/archived?": 30, "deals": 930}


def test_lists_of_one_path_are_told_apart_by_what_is_always_sent() -> None:
    names = [list_name(li) for name in ("deals", "deleted_deals") for li in TABLES[name].listings]
    assert names == [
        "v2/deals?",
        "v2/deals/archived?",
        "v2/deals?status=deleted",
        "v2/deals/archived?status=deleted",
    ]


@pytest.mark.parametrize(
    ("settings", "expected", "known"),
    [
        (Settings(), (1800, 200), False),
        (Settings(sizes=SEEN), (900, 30), True),
        (Settings(sizes={"v2/deals?": 900}), (900, 200), False),
        (Settings(rows=10_000, sizes=SEEN), (9000, 1000), True),
    ],
    ids=["nothing known", "both read", "one read", "the user says"],
)
def test_a_list_has_what_was_seen_unless_the_user_says_otherwise(
    settings: Settings, expected: tuple[int, int], known: bool
) -> None:
    assert (list_size(DEALS, LIVE, settings), list_size(DEALS, ARCHIVED, settings)) == expected
    assert is_known(DEALS, settings) is known


def test_a_table_has_the_rows_that_its_last_whole_scan_gave() -> None:
    sizes = Sizes(DEALS, "an account")
    assert sizes.rows(Settings(sizes=SEEN)) == 930
    assert sizes.rows(Settings(sizes=SEEN, rows=7)) == 7
    assert sizes.rows(Settings(sizes=SEEN, archived="only")) == DEALS.rows
    assert sizes.expected(Predicates(equal={"id": (1, 2)}), Settings(sizes=SEEN)) == 2


def test_a_parent_has_its_share_of_the_children() -> None:
    followers = Sizes(TABLES["deal_followers"], "an account without others")
    one = Predicates(equal={"deal_id": (7,)})
    assert followers.expected(one, Settings(TABLES, sizes={"deal_followers": 9300, **SEEN})) == 10
    assert followers.expected(one, Settings(TABLES)) == 5


def test_a_look_up_counts_as_the_rows_that_a_scan_gives_for_its_tokens() -> None:
    settings = Settings(TABLES, sizes={"v2/persons?": 5000, "persons": 5000})
    persons = Sizes(TABLES["persons"], "an account without others")
    found = dict(persons.look_ups(frozenset(("id", "org_id")), settings))
    assert found == {("id",): 50, ("org_id",): 500}
