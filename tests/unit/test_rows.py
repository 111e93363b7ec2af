"""Rows are made of the columns that are wanted, and an odd value names its record."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.errors import DataError
from pipedrive_fdw.plan.paths import Order
from pipedrive_fdw.read.order import sort_key
from pipedrive_fdw.table.binding import Binding, bind
from pipedrive_fdw.table.row_maker import RowMaker
from pipedrive_fdw.values.codec import CODECS
from pipedrive_fdw.values.times import Far, parse_date, parse_moment

FIELD, OTHER = "a" * 40, "b" * 40


def binding(table: str, **custom: tuple[str, str, str]) -> Binding:
    """All columns of *table* and those of *custom* fields: name=(SQL type, key, type)."""
    declared = TABLES[table]
    columns = {
        c.name: SimpleNamespace(column_name=c.name, type_name=c.type, options={}) for c in declared.columns
    }
    for name, (kind, key, field) in custom.items():
        options = {"field": key, "type": field}
        columns[name] = SimpleNamespace(column_name=name, type_name=kind, options=options)
    columns["attrs"] = SimpleNamespace(column_name="attrs", type_name="jsonb", options={})
    return bind(declared, columns)  # type: ignore[arg-type]


def made(maker: RowMaker, *records: Any, echo: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    names = [bound.name for bound in maker.binding.columns]
    return [dict(zip(names, row)) for row in maker.rows(records, echo or {})]


class Read(dict[str, Any]):
    """A record that knows which of its keys were read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def items(self) -> Any:
        self.read.update(self)
        return super().items()

    def __iter__(self) -> Iterator[str]:
        self.read.update(self.keys())
        return super().__iter__()


RECORD = {
    "id": 7,
    "title": "x",
    "value": 5,
    "expected_close_date": "2024-02-30",
    "custom_fields": {FIELD: "abc"},
}


@pytest.mark.parametrize(
    ("wanted", "read"),
    [
        ([], set()),
        (["id"], {"id"}),
        (["title", "value"], {"title", "value"}),
        (["number"], {"custom_fields"}),
    ],
)
def test_only_what_is_wanted_is_read(wanted: list[str], read: set[str]) -> None:
    bound = binding("deals", number=("numeric", FIELD, "double"))
    record = Read({**RECORD, "custom_fields": {FIELD: 1}})
    (row,) = made(RowMaker(bound, frozenset(wanted)), record)
    assert record.read == read
    assert {name for name, value in row.items() if value is not None} == set(wanted)


def test_columns_of_one_field_come_by_themselves_too() -> None:
    """The object that holds the fields is read once a row, by the first column that wants it."""
    bound = binding("deals", one=("numeric", FIELD, "double"), other=("text", OTHER, "varchar"))
    record = {"id": 7, "custom_fields": {FIELD: 1, OTHER: "y"}}
    for wanted in (["one"], ["other"], ["one", "other"], ["attrs", "other"]):
        (row,) = made(RowMaker(bound, wanted), record)
        assert {name for name, value in row.items() if value is not None} == set(wanted)


def test_what_a_record_lacks_is_null() -> None:
    """Members are read all at once; one that is missing takes none of the others with it."""
    bound = binding("deals", one=("numeric", FIELD, "double"), other=("text", OTHER, "varchar"))
    wanted = ["id", "title", "value", "one", "other"]
    records = [
        {"id": 7, "title": "x", "value": 5, "custom_fields": {FIELD: 1, OTHER: "y"}},
        {"id": 8, "value": 5, "custom_fields": {OTHER: "y"}},
        {"title": "x", "custom_fields": {}},
        {"id": 9, "custom_fields": None},
        {"id": 10},
    ]
    rows = [[row[name] for name in wanted] for row in made(RowMaker(bound, wanted), *records)]
    assert rows == [
        [7, "x", 5, 1, "y"],
        [8, None, 5, None, "y"],
        [None, "x", None, None, None],
        [9, None, None, None, None],
        [10, None, None, None, None],
    ]


@pytest.mark.parametrize(
    ("column", "reason"), [("expected_close_date", "not a date"), ("number", "not a number")]
)
def test_an_odd_value_is_an_error_only_where_it_is_wanted(column: str, reason: str) -> None:
    bound = binding("deals", number=("numeric", FIELD, "double"))
    others = bound.names - {"expected_close_date", "number"}
    (row,) = made(RowMaker(bound, others), RECORD)
    assert (row["id"], row["title"], row[column]) == (7, "x", None)
    with pytest.raises(DataError) as caught:
        made(RowMaker(bound, others | {column}), RECORD)
    assert f"column {column} of deals" in caught.value.message
    assert caught.value.detail.startswith("Record 7: ") and reason in caught.value.detail


@pytest.mark.parametrize(
    ("kind", "value", "way"),
    [
        ("numeric", "x", "correct the record in Pipedrive"),
        ("bigint", "x", "declare it as numeric"),
        ("date", 5, "declare it as numeric"),
    ],
)
def test_the_way_out_is_the_type_where_the_column_is_declared_as_another(
    kind: str, value: Any, way: str
) -> None:
    columns = {"value": SimpleNamespace(column_name="value", type_name=kind, options={})}
    with pytest.raises(DataError) as caught:
        made(RowMaker(bind(TABLES["deals"], columns)), {"id": 7, "value": value})  # type: ignore[arg-type]
    assert caught.value.hint.startswith(f"Leave the column out of the query, {way}, or ")


def test_a_forgiving_maker_shows_null_and_its_origin_still_refuses() -> None:
    strict = RowMaker(binding("deals", number=("numeric", FIELD, "double")))
    (row,) = made(strict.forgiving(("expected_close_date", "number")), RECORD)
    assert (row["id"], row["value"], row["expected_close_date"], row["number"]) == (7, 5, None, None)
    with pytest.raises(DataError, match="column number of deals"):
        made(strict.forgiving(("expected_close_date",)), RECORD)
    with pytest.raises(DataError, match="column expected_close_date of deals"):
        made(strict, RECORD)


def test_labels_are_left_out_of_attrs_of_an_odd_row_too() -> None:
    bound = binding("deals", choice=("text", OTHER, "enum"))
    option = {"id": 1, "label": "One"}
    record = {"id": 7, "expected_close_date": "soon", "custom_fields": {OTHER: option}}
    (row,) = made(RowMaker(bound).forgiving(bound.names), record)
    assert row["choice"] == "One"
    assert row["attrs"] == {**record, "custom_fields": {OTHER: 1}}
    assert row["custom_fields"] == {OTHER: 1}


@pytest.mark.parametrize(
    ("table", "record", "echo", "column", "key"),
    [
        ("deal_products", {"id": 3, "deal_id": 5, "quantity": "many"}, {}, "quantity", "5:3"),
        ("deal_followers", {"user_id": 4, "add_time": "soon"}, {"deal_id": 9}, "add_time", "9:4"),
        ("leads", {"id": "x"}, {}, "id", "x"),
        ("product_prices", {"id": 2, "prices": [{"currency": "EUR", "price": "?"}]}, {}, "price", "2:EUR"),
    ],
)
def test_a_record_is_named_by_its_key(
    table: str, record: dict[str, Any], echo: dict[str, Any], column: str, key: str
) -> None:
    with pytest.raises(DataError) as caught:
        made(RowMaker(binding(table), (column,)), record, echo=echo)
    assert caught.value.detail.startswith(f"Record {key}: ")
    assert f"column {column} of {table}" in caught.value.message


@pytest.mark.parametrize("record", ["text", None, [1]])
def test_what_is_no_record_is_an_error_even_for_a_forgiving_maker(record: Any) -> None:
    bound = binding("deals")
    with pytest.raises(DataError, match="is not an object"):
        made(RowMaker(bound).forgiving(bound.names), record)


# ---- beyond Python


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (
            "date",
            "4714-11-24 BC, 0044-03-15 BC, 0001-12-31 BC, 0001-01-01, 9999-12-31, 10000-01-01, 20222-05-01",
        ),
        (
            "timestamptz",
            "0044-03-15 00:00:00+00 BC, 0001-01-01 00:00:00+01, 0001-01-01 00:00:00+00, "
            "9999-12-31 23:59:59+00, "
            "9999-12-31 23:59:59-01, 20222-05-01 00:00:00+02, 20222-05-01 00:00:00+00",
        ),
        ("time", "00:00:00, 23:59:59.999999, 24:00:00"),
    ],
)
def test_what_python_cannot_hold_is_in_order_with_what_it_can(kind: str, texts: str) -> None:
    values = [CODECS[kind].parse(text) for text in texts.split(", ")]
    assert sorted(reversed(values)) == values
    for before, after in zip(values, values[1:]):
        assert before < after and after > before and before != after and not before >= after
    assert [CODECS[kind].parse(text) for text in texts.split(", ")] == values


@pytest.mark.parametrize("kind", ["date", "timestamptz", "time"])
def test_what_python_cannot_hold_is_not_sent(kind: str) -> None:
    text = {"date": "20222-05-01", "timestamptz": "20222-05-01 00:00:00+00", "time": "24:00:00"}[kind]
    far = CODECS[kind].parse(text)
    assert isinstance(far, Far)
    with pytest.raises(ValueError, match="can be sent"):
        CODECS[kind].dump(far)


def test_the_same_moment_is_the_same_in_every_zone() -> None:
    assert parse_moment("20222-05-01 02:00:00+02") == parse_moment("20222-05-01 00:00:00+00")
    assert parse_moment("2024-05-01 02:00:00+02") == dt.datetime(2024, 5, 1, tzinfo=dt.timezone.utc)
    assert parse_date("2024-05-01") == dt.date(2024, 5, 1)


def test_an_order_takes_a_far_date_and_refuses_an_odd_one() -> None:
    refused: list[str] = []
    key = sort_key((Order("due_date", False),), TABLES["activities"], lambda name, *_: refused.append(name))
    days = ["20222-05-01", "2024-01-01", "9999-12-31"]
    assert sorted(days, key=lambda day: key({"due_date": day})) == [days[1], days[2], days[0]]  # type: ignore[arg-type, return-value]
    assert (key({"due_date": "2024-02-30"}), refused) == (None, ["due_date"])
