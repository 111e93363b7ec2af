"""Rows for the C part: how many at a time, and in what form."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace

import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.errors import ApiError, DataError
from pipedrive_fdw.table.binding import bind
from pipedrive_fdw.table.records import Row
from pipedrive_fdw.table.row_batches import RowBatches
from pipedrive_fdw.table.row_maker import RowMaker
from pipedrive_fdw.table.scan_request import Reads

PAGE = 100


class Pages:
    """The rows of a list, page by page; *requests* counts the pages that were asked for."""

    def __init__(self, pages: int, rows: int = PAGE) -> None:
        self.requests = 0
        self._pages, self._rows = pages, rows

    def rows(self) -> Iterator[list[Row]]:
        for page in range(self._pages):
            self.requests += 1
            yield [[page * self._rows + number] for number in range(self._rows)]

    def batches(self, reads: Reads) -> RowBatches:
        return RowBatches(self.rows(), [0], 1, reads=reads)


def counts(batches: RowBatches, most: int = 1000) -> list[int]:
    """How many rows the batches have, at most so many batches."""
    found = []
    while len(found) < most and (count := int(batches.next().split()[0])):
        found.append(count)
    return found


def test_a_batch_asks_for_no_page_that_may_not_be_used() -> None:
    pages = Pages(3)
    batches = pages.batches(Reads.SOME)
    assert (counts(batches, 2), pages.requests) == ([16, 84], 1)
    assert (counts(batches, 1), pages.requests) == ([100], 2)


def test_the_second_row_is_not_made_before_it_is_known_to_be_taken() -> None:
    pages = Pages(1)
    batches = pages.batches(Reads.MORE)
    assert counts(batches) == [1, 99]


@pytest.mark.parametrize(
    ("pages", "rows", "sizes"),
    [
        (3, PAGE, [100, 100, 100]),
        (2, 300, [128, 128, 44, 128, 128, 44]),
        (100, 1, [32, 32, 32, 4]),
        (0, 1, []),
    ],
)
def test_small_pages_are_put_together_where_all_rows_are_read(
    pages: int, rows: int, sizes: list[int]
) -> None:
    assert counts(Pages(pages, rows).batches(Reads.ALL)) == sizes


def test_a_batch_ends_with_a_mebibyte() -> None:
    rows = [["x" * 300_000]] * 10
    assert counts(RowBatches(iter([rows]), [0], 1, reads=Reads.ALL)) == [4, 4, 2]


def test_rows_before_a_value_that_cannot_be_shown_are_given_first() -> None:
    column = SimpleNamespace(column_name="id", type_name="bigint", options={})
    maker = RowMaker(bind(TABLES["stages"], {"id": column}))  # type: ignore[dict-item]
    rows = maker.rows([{"id": 1}, {"id": 2}, {"id": "three"}, {"id": 4}], {})
    assert (len(rows), rows[1], len(rows[1:])) == (4, [2], 3)
    batches = RowBatches(iter([rows]), [0], 1, reads=Reads.SOME)
    assert batches.next() == b"2 0 0[1][2]"
    with pytest.raises(DataError, match="column id of stages"):
        batches.next()


def test_rows_before_a_request_that_fails_are_given_first() -> None:
    def rows() -> Iterator[list[Row]]:
        yield [[1], [2]]
        raise ApiError("the second page cannot be read")

    batches = RowBatches(rows(), [0], 1, reads=Reads.ALL)
    assert batches.next() == b"2 0 0[1][2]"
    with pytest.raises(ApiError, match="the second page"):
        batches.next()


def test_a_row_has_the_values_that_are_used_and_not_null() -> None:
    given = [["a", None, "ü", 4, 5.5], [None, None, None, "not used", ""], [None, None, None, 1, None]]
    batches = RowBatches(iter([given]), [0, 1, 2, 4], 5, reads=Reads.ALL, keys_ahead=7)
    rows = '["a",null,"ü",5.5][null,null,null,""][null,null,null,null]'
    assert batches.next().decode() == f"3 7 0 1 2 4{rows}"
    assert batches.next() == b"0 7 0 1 2 4"


def test_the_bytes_of_a_file_are_a_text() -> None:
    batches = RowBatches(iter([[["\\x6162", 1], [None, 2]]]), [0, 1], 2, reads=Reads.ALL, files=[0])
    assert batches.next() == rb'2 0 0 1["\\x6162",1][null,2]'


def test_custom_fields_are_taken_from_the_record_that_has_them() -> None:
    given = [[{"a": 1}, 4, {"id": 4, "custom_fields": {"a": 1}}]]
    batches = RowBatches(iter([given]), [0, 1, 2], 3, reads=Reads.ALL, fields=(0, 2))
    assert batches.next() == b'1 0 1 2 0=2[4,{"id":4,"custom_fields":{"a":1}}]'


def test_a_row_without_columns_that_are_used_is_an_empty_list() -> None:
    assert RowBatches(iter([[[1], [2]]]), [], 1, reads=Reads.ALL).next() == b"2 0[][]"


def test_values_are_written_as_json() -> None:
    given = ['\t"\\\x01\x00', "not used", True, Decimal("1e20"), {"a\x00": [1, None, "\x00b"]}, 2**64 - 1]
    batches = RowBatches(iter([[given]]), [0, 2, 3, 4, 5], 6, reads=Reads.ALL)
    assert batches.next() == (
        b'1 0 0 2 3 4 5["\\t\\"\\\\\\u0001",true,1E+20,{"a":[1,null,"b"]},18446744073709551615]'
    )


def test_closing_ends_the_rows() -> None:
    ended = []

    def rows() -> Iterator[list[Row]]:
        try:
            yield [[1]]
            yield [[2]]
        finally:
            ended.append(True)

    batches = RowBatches(rows(), [0], 1, reads=Reads.SOME)
    batches.next()
    batches.close()
    assert ended == [True]
