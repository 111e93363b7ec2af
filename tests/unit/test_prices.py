"""What a request costs is told by its path, as the price list has it."""

from __future__ import annotations

import pytest

from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.model import Operation
from pipedrive_fdw.catalog.operations import price
from pipedrive_fdw.plan.calls import fill


def operations() -> list[tuple[str, Operation]]:
    found = []
    for version in ("v1", "v2"):
        for table in tables_of(version).values():
            ops = (*table.listings, table.get, table.insert, table.update, table.delete)
            found += [(table.name, op) for op in ops if op is not None and not table.removed]
    return found


def test_a_path_costs_what_its_operation_costs() -> None:
    wrong = []
    for name, op in operations():
        path = fill(op.path, dict.fromkeys(op.placeholders, "7"))
        if price(op.version, op.method, path) != op.tokens:
            wrong.append((name, op.method, path, op.tokens, price(op.version, op.method, path)))
    assert wrong == []


@pytest.mark.parametrize(
    ("version", "method", "path", "tokens"),
    [
        (2, "GET", "/deals", 10),
        (2, "GET", "/deals/7", 1),
        (2, "GET", "/deals/archived", 20),
        (1, "PUT", "/deals/7/merge", 40),
        (2, "GET", "/leads/0-0/convert/status/0-1", 1),
        (2, "GET", "/no/such/path", 10),
        (1, "POST", "/no/such/path", 10),
        (2, "DELETE", "/no", 3),
    ],
)
def test_a_literal_part_goes_before_a_placeholder(version: int, method: str, path: str, tokens: int) -> None:
    assert price(version, method, path) == tokens
