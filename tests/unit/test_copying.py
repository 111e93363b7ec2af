"""How each table of the catalogue is kept in a copy, and declarations that cannot be kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipedrive_fdw.catalog import TABLES, tables_of
from pipedrive_fdw.catalog.copying import copying_faults, copying_of, rank
from pipedrive_fdw.catalog.model import Parent, Table


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_every_table_can_be_kept_as_it_is_declared(version: str) -> None:
    assert copying_faults(tables_of(version)) == []


@pytest.mark.parametrize(
    ("name", "how", "compared"),
    [
        ("deals", "changes", "1 day"),
        ("files", "changes", "1 day"),
        ("stages", "whole", ""),
        ("person_emails", "parents", "1 day"),
        ("deal_products", "parents", "7 days"),
        ("deal_followers", "parents", ""),
        ("deal_changes", "never", ""),
        ("recents", "never", ""),
        ("api_usage", "never", ""),
    ],
)
def test_how_follows_from_the_declaration(name: str, how: str, compared: str) -> None:
    found = copying_of(TABLES[name])
    assert (found.how, found.compared) == (how, compared)
    assert bool(found.because) == (how == "never")


def test_parents_come_before_what_hangs_on_them() -> None:
    for name, table in TABLES.items():
        parent = copying_of(table).parent
        assert not parent or rank(TABLES[parent], TABLES) < rank(table, TABLES), name


WRONG: dict[str, tuple[Table, str]] = {
    "no key": (replace(TABLES["deals"], key=()), "deals: a copy by changes needs a key"),
    "a parent that is not copied": (
        replace(TABLES["deal_products"], parent=Parent("api_usage", "deal_id", "tokens_left")),
        "deal_products: its copy needs tokens_left to be the key of api_usage",
    ),
    "a parent that is not there": (
        replace(TABLES["deal_products"], parent=Parent("dealz", "deal_id")),
        "deal_products: its copy needs the parent dealz.id",
    ),
    "another key of the parent": (
        replace(TABLES["deal_products"], parent=Parent("deals", "deal_id", "title")),
        "deal_products: its copy needs title to be the key of deals",
    ),
    "once a day, but not whole": (
        replace(TABLES["filters"], parent=Parent("users", "user_id")),
        "filters: is not read whole, so that it cannot be read once a day",
    ),
}


@pytest.mark.parametrize(("table", "fault"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_kept_is_seen(table: Table, fault: str) -> None:
    assert fault in copying_faults({**TABLES, table.name: table})


def test_a_table_of_the_daily_ones_must_be_declared() -> None:
    without = {name: table for name, table in TABLES.items() if name != "goals"}
    assert copying_faults(without) == ["goals: is read once a day but not declared"]
