"""Scans of one table: from the request to rows, and which requests are sent for them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from pipedrive_fdw.errors import AccessError, BudgetError, DataError
from pipedrive_fdw.plan.conditions import Condition
from pipedrive_fdw.read.ledger import Use
from pipedrive_fdw.read.scan_planner import ScanPlanner
from pipedrive_fdw.read.table_reader import TableReader
from pipedrive_fdw.table.records import Row
from pipedrive_fdw.table.scan_request import ScanRequest
from pipedrive_fdw.table.sizes import Sizes
from tests.unit.answers import Answer, Answers, Refusal, account, bound

STAGES = [{"id": n, "name": f"stage {n}", "pipeline_id": 1, "order_nr": n} for n in (1, 2, 3, 4, 5)]
COLUMNS = (("id", "bigint"), ("name", "text"))


def stages(params: Mapping[str, str], body: Any) -> Any:
    """Two records a page, by a cursor that is the number of the first."""
    first = int(params.get("cursor", "0"))
    following = str(first + 2) if first + 2 < len(STAGES) else None
    return {"data": STAGES[first : first + 2], "additional_data": {"next_cursor": following}}


def reader_of(answers: Mapping[str, Answer], **options: str) -> tuple[TableReader, Answers]:
    read, transport = account(answers, table="stages", **options)
    table = bound(read, *COLUMNS)
    return TableReader(table, ScanPlanner(table, Sizes(table.table, table.account))), transport


def rows_of(found: Iterable[Sequence[Row]]) -> list[Row]:
    return list(itertools.chain.from_iterable(found))


def request(*names: str, **more: Any) -> ScanRequest:
    return ScanRequest(columns=frozenset(names), **more)


def equal(column: str, value: str) -> Condition:
    return Condition(column, "=", value, "bigint")


def test_every_page_gives_its_rows_and_columns_that_are_not_used_are_null() -> None:
    reader, transport = reader_of({"GET /api/v2/stages": stages})
    use = Use()
    assert rows_of(reader.scan(request("id"), use)) == [[n, None] for n in (1, 2, 3, 4, 5)]
    assert len(transport.sent) == 3
    assert (use.spent.requests, use.spent.tokens) == (3, 15)


def test_a_scan_that_is_closed_asks_for_no_further_page() -> None:
    reader, transport = reader_of({"GET /api/v2/stages": stages})
    rows = reader.scan(request("id"), Use())
    assert list(next(rows)) == [[1, None], [2, None]]
    rows.close()
    assert len(transport.sent) == 1


def test_a_limit_ends_the_scan() -> None:
    reader, transport = reader_of({"GET /api/v2/stages": stages})
    assert rows_of(reader.scan(request("id", limit=3), Use())) == [[1, None], [2, None], [3, None]]
    assert len(transport.sent) == 2


def test_a_condition_that_nothing_satisfies_sends_no_request() -> None:
    reader, transport = reader_of({"GET /api/v2/stages": stages})
    impossible = request("id", conditions=(equal("id", "1"), equal("id", "2")))
    assert list(reader.scan(impossible, Use())) == []
    assert transport.sent == []


def test_a_row_is_found_by_its_key() -> None:
    reader, transport = reader_of({"GET /api/v2/stages/3": lambda params, body: STAGES[2]})
    assert reader.find({"id": 3}) == [3, "stage 3"]
    assert reader.find({"id": 4}) is None
    assert transport.paths == ["/api/v2/stages/3", "/api/v2/stages/4"]
    reader, _ = reader_of({"GET /api/v2/stages/3": lambda params, body: STAGES[1]})
    assert reader.find({"id": 3}) is None


def test_a_table_that_is_refused_is_an_error_and_no_empty_result() -> None:
    def refuse(params: Mapping[str, str], body: Any) -> Any:
        raise Refusal(403)

    reader, _ = reader_of({"GET /api/v2/stages": refuse})
    with pytest.raises(AccessError, match="403"):
        rows_of(reader.scan(request("id"), Use()))


def test_a_guard_stops_the_scan_before_the_request_that_is_too_much() -> None:
    reader, transport = reader_of({"GET /api/v2/stages": stages}, max_tokens_per_query="4")
    with pytest.raises(BudgetError, match="more than 4 API tokens"):
        rows_of(reader.scan(request("id"), Use()))
    assert transport.sent == []


def test_a_value_that_a_type_cannot_hold_is_an_error_or_null_with_a_note() -> None:
    odd = {"GET /api/v2/stages": lambda params, body: [{**STAGES[0], "name": "a\0b", "id": "x"}]}
    reader, _ = reader_of(odd)
    with pytest.raises(DataError, match="column id of stages"):
        rows_of(reader.scan(request("id", "name"), Use()))
    reader, _ = reader_of(odd, odd_values="null")
    noted: list[Any] = []
    rows = reader.scan(request("id"), Use(), note=lambda row, columns: noted.append((row, list(columns))))
    assert rows_of(rows) == [[None, None]]
    assert noted == [([None, None], ["id"])]
