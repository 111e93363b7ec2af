"""Custom fields: names, columns, and values in both directions and both versions' shapes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.custom_fields.columns import CustomColumn, custom_columns, from_options
from pipedrive_fdw.custom_fields.field import Field, FieldOption, read_field, read_fields
from pipedrive_fdw.custom_fields.kinds import CREATABLE, OTHERS, parts_of
from pipedrive_fdw.custom_fields.names import MOST_BYTES, FreeNames, cut, snake_case
from pipedrive_fdw.custom_fields.reading import NO_LOOKUPS, plain_fields, plain_record
from pipedrive_fdw.custom_fields.writing import changes, option_id
from pipedrive_fdw.errors import DataError, OptionError, WriteError
from pipedrive_fdw.table.binding import Binding, bind
from pipedrive_fdw.table.row_maker import RowMaker
from pipedrive_fdw.values.codec import codec_for

K = "0123456789abcdef0123456789abcdef01234567"
L = "89abcdef0123456789abcdef0123456789abcdef"
OPTIONS = (
    FieldOption(101, "Alpha"),
    FieldOption(102, 'Béta, "x"'),
    FieldOption(103, "Twin"),
    FieldOption(104, "Twin"),
)


def options_of(field: str) -> tuple[FieldOption, ...]:
    return OPTIONS if field == K else ()


class Definitions:
    """All fields are there, and one has options."""

    def gone(self, field: str) -> bool:
        return False

    def options(self, field: str, labels: Collection[str]) -> tuple[FieldOption, ...]:
        return options_of(field)


DEFINITIONS = Definitions()


class Labels:
    """The look-ups of a scan."""

    def label(self, field: str, option: Any) -> str | None:
        return {o.id: o.label for o in options_of(field)}.get(option)

    def related(self, kind: str, key: Any) -> None:
        return None


# ---- definitions


def test_a_definition_of_version_2_is_read() -> None:
    given = {
        "field_code": K,
        "field_name": "Colour",
        "field_type": "enum",
        "is_custom_field": True,
        "options": [{"id": 101, "label": "Alpha", "color": None}],
    }
    assert read_field(given) == Field(K, "Colour", "enum", (FieldOption(101, "Alpha"),))


def test_a_definition_of_version_1_is_read() -> None:
    given = {"id": 4, "key": K, "name": "Colour", "field_type": "set", "edit_flag": True, "options": None}
    assert read_field(given) == Field(K, "Colour", "set")


@pytest.mark.parametrize(
    "given",
    [
        {"field_code": "title", "field_name": "Title", "field_type": "varchar", "is_custom_field": False},
        {"field_code": K, "field_name": "x", "field_type": "varchar", "is_custom_field": False},
        {"key": f"{K}_currency", "name": "Currency of x", "field_type": "varchar", "id": None},
        {"key": K, "name": "part", "field_type": "varchar", "is_subfield": True},
        {"key": K, "name": "off", "field_type": "varchar", "active_flag": False},
        {},
    ],
)
def test_built_in_fields_and_parts_of_fields_are_no_custom_fields(given: dict[str, Any]) -> None:
    assert read_field(given) is None


def test_a_key_that_is_listed_twice_is_one_field() -> None:
    one = {"field_code": K, "field_name": "A", "field_type": "text", "is_custom_field": True}
    assert len(read_fields([one, one])) == 1


def test_fields_of_version_1_are_taken_in_the_order_in_which_they_were_made() -> None:
    """Its list has the order of the screen, which anybody can change."""
    listed = [{"id": i, "key": f"{i:040x}", "name": "Same", "field_type": "text"} for i in (7, 3, 5)]
    parts = [{"id": None, "key": f"{3:040x}_currency", "name": "Currency of Same", "field_type": "varchar"}]
    built_in = [{"id": 9, "key": "title", "name": "Title", "field_type": "varchar"}]
    found = read_fields([*listed, *parts, *built_in])
    assert [int(f.key, 16) for f in found] == [3, 5, 7]
    columns = {int(c.field, 16): c.name for c in custom_columns(found, ())}
    assert columns == {3: "same", 5: "same_2", 7: "same_3"}


def test_a_type_that_nobody_knows_is_shown_as_text() -> None:
    for kind in (None, "", "hologram"):
        field = read_field({"field_code": K, "field_name": "X", "field_type": kind, "is_custom_field": True})
        assert field is not None
        (column,) = custom_columns([field], ())
        assert column.type == "text"
        assert from_options(column.name, column.type, column.options) == column


# ---- names


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Contract Value", "contract_value"),
        ("  Größe / 尺寸 📐 ", "größe_尺寸"),
        ("Тип договора", "тип_договора"),
        ("नाम हिन्दी", "नाम_हिन्दी"),
        ("e\u0301t\u00e9", "été"),
        ("SELECT", "select"),
        ("2024 budget (€)", "2024_budget"),
        ('a"b\\c;--', "a_b_c"),
        ("🎉", "field"),
        ("❤️ 1️⃣", "1"),
        ("👩\u200d💻", "field"),
        ("\u0301a", "a"),
        ("con\u00adtract", "contract"),
        ("می\u200cخواهم", "میخواهم"),
        ("a\x00b\tc", "a_b_c"),
        ("__proto__", "proto"),
        ("--- / ???", "field"),
        ("", "field"),
    ],
)
def test_names_are_labels_in_snake_case(label: str, name: str) -> None:
    assert snake_case(label) == name


def test_a_long_name_is_cut_between_characters() -> None:
    assert cut("ä" * 40) == "ä" * 31
    assert cut("尺" * 30) == "尺" * 21
    assert cut("a" * 63) == "a" * 63
    assert cut("a" * 62 + "_b") == "a" * 62


def test_every_part_of_a_long_name_keeps_its_ending() -> None:
    names = FreeNames({"尺" * 21}).take("尺" * 40, ["", "_until", "_timezone"])
    assert all(len(name.encode()) <= MOST_BYTES for name in names)
    assert [name.lstrip("尺") for name in names] == ["_2", "_2_until", "_2_timezone"]


def names_of(*fields: tuple[str, str], taken: tuple[str, ...] = ()) -> list[str]:
    made = [Field(f"{n:040x}", label, kind) for n, (label, kind) in enumerate(fields)]
    return [column.name for column in custom_columns(made, taken)]


def test_a_name_that_is_taken_gets_a_number() -> None:
    assert names_of(("Id", "varchar"), ("Id", "double"), ("ctid", "text"), taken=("id",)) == [
        "id_2",
        "id_3",
        "ctid_2",
    ]


def test_names_that_are_the_same_when_they_are_cut_get_a_number() -> None:
    long = "尺" * 30
    assert names_of((f"{long}a", "text"), (f"{long}b", "monetary")) == [
        "尺" * 21,
        "尺" * 20 + "_2",
        "尺" * 17 + "_2_currency",
    ]


def test_the_parts_of_a_field_share_its_number() -> None:
    assert names_of(("Value", "monetary"), taken=("value",)) == ["value_2", "value_2_currency"]
    assert names_of(("A", "monetary"), ("A currency", "varchar")) == ["a", "a_currency", "a_currency_2"]
    assert names_of(("A currency", "varchar"), ("A", "monetary")) == ["a_currency", "a_2", "a_2_currency"]


def test_a_field_more_changes_no_name_before_it() -> None:
    before = names_of(("A", "text"), ("A", "monetary"))
    assert names_of(("A", "text"), ("A", "monetary"), ("A", "user"))[: len(before)] == before


def test_columns_can_be_named_by_key_and_show_ids() -> None:
    fields = [Field(K, "Colour", "enum", OPTIONS), Field(L, "Tags", "set", OPTIONS)]
    columns = custom_columns(fields, (), "key", "id")
    assert [(c.name, c.type, c.labelled) for c in columns] == [
        (K, "bigint", False),
        (L, "bigint[]", False),
    ]


def test_a_column_says_in_its_options_what_it_shows() -> None:
    for kind in (*CREATABLE, *OTHERS, "unheard_of"):
        for column in custom_columns([Field(K, "X", kind)], ()):
            assert from_options(column.name, column.type, column.options) == column


def test_creatable_types_have_the_columns_of_the_contract() -> None:
    shown = {kind: [f"x{p.suffix} {p.type}" for p in parts_of(kind)] for kind in CREATABLE}
    assert shown == {
        **{kind: ["x text"] for kind in ("varchar", "varchar_auto", "text", "phone", "enum")},
        "double": ["x numeric"],
        "monetary": ["x numeric", "x_currency text"],
        "set": ["x text[]"],
        **{kind: ["x_id bigint", "x jsonb"] for kind in ("user", "org", "people")},
        "date": ["x date"],
        "daterange": ["x date", "x_until date"],
        "time": ["x time", "x_timezone text"],
        "timerange": ["x time", "x_until time", "x_timezone text"],
        "address": ["x text", "x_address jsonb"],
    }


@pytest.mark.parametrize(
    "options",
    [{"field": K}, {"field": "", "type": "text"}, {"field": K, "type": "monetary", "part": "until"}],
)
def test_options_that_do_not_say_what_to_show_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(OptionError) as caught:
        from_options("x", "text", options)
    assert "column x" in caught.value.message
    assert caught.value.hint


# ---- reading


def parsed_row(binding: Binding, maker: RowMaker, record: dict[str, Any], look: Any) -> dict[str, Any]:
    """The row of *record* as it comes back from PostgreSQL: column name → canonical value."""
    (row,) = maker.rows([record], {}, look)
    shown = zip(binding.columns, row)
    return {b.name: None if value is None else b.codec.parse(value) for b, value in shown}


def row_of(
    table: str, kind: str, record: dict[str, Any], version: str = "v2", choices: str = "label"
) -> dict[str, Any]:
    """The custom columns of a foreign table with one field of *kind*, for *record*, parsed."""
    columns = custom_columns([Field(K, "X", kind, OPTIONS)], ("id",), "label", choices)
    defined = {
        c.name: SimpleNamespace(
            column_name=c.name, type_name=c.type, base_type_name=c.type, options=c.options
        )
        for c in columns
    }
    binding = bind(tables_of(version)[table], defined)
    return parsed_row(binding, RowMaker(binding), record, Labels())


ADDRESS = {"value": "1 Pikk, Tartu", "locality": "Tartu", "country": "Estonia", "route": None}
USER = {"id": 7, "name": "Ann", "email": "a@x.example", "value": 7}
# type → (v2 value, v1 keys after the field's own, row)
VALUES: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "varchar": ("né\u00e9\n", {"": "né\u00e9\n"}, {"x": "né\u00e9\n"}),
    "varchar_auto": ("a", {"": "a"}, {"x": "a"}),
    "text": ("a\x00b", {"": "a\x00b"}, {"x": "ab"}),
    "phone": ("+372 5", {"": "+372 5"}, {"x": "+372 5"}),
    "double": (12.5, {"": 12.5}, {"x": Decimal("12.5")}),
    "monetary": (
        {"value": 0, "currency": "EUR"},
        {"": 0, "_currency": "EUR"},
        {"x": Decimal(0), "x_currency": "EUR"},
    ),
    "enum": (101, {"": "101"}, {"x": "Alpha"}),
    "set": ([102, 101], {"": "102,101"}, {"x": ['Béta, "x"', "Alpha"]}),
    "date": ("2026-02-03", {"": "2026-02-03"}, {"x": dt.date(2026, 2, 3)}),
    "daterange": (
        {"value": "2026-02-03", "until": "2026-03-01"},
        {"": "2026-02-03", "_until": "2026-03-01"},
        {"x": dt.date(2026, 2, 3), "x_until": dt.date(2026, 3, 1)},
    ),
    "time": (
        {"value": "10:15:00", "timezone_name": "Europe/Tallinn"},
        {"": "10:15:00", "_timezone_name": "Europe/Tallinn"},
        {"x": dt.time(10, 15), "x_timezone": "Europe/Tallinn"},
    ),
    "timerange": (
        {"value": "10:15:00", "until": "11:00:00", "timezone_id": 77},
        {"": "10:15:00", "_until": "11:00:00", "_timezone_id": 77},
        {"x": dt.time(10, 15), "x_until": dt.time(11), "x_timezone": "77"},
    ),
    "user": (USER, {"": USER}, {"x_id": 7, "x": USER}),
    "org": ({"value": 7}, {"": {"value": 7}}, {"x_id": 7, "x": {"value": 7}}),
    "people": (7, {"": 7}, {"x_id": 7, "x": {"value": 7}}),
    "address": (
        ADDRESS,
        {"": ADDRESS["value"], "_locality": "Tartu", "_country": "Estonia", "_route": None},
        {"x": "1 Pikk, Tartu", "x_address": {"locality": "Tartu", "country": "Estonia", "route": None}},
    ),
    "int": (5, {"": "5"}, {"x": 5}),
    "visible_to": (3, {"": "3"}, {"x": 3}),
    "stage": (4, {"": {"id": 4, "name": "Won"}}, {"x": 4}),
    "lead": ("3c1e", {"": "3c1e"}, {"x": "3c1e"}),
    "boolean": (True, {"": 1}, {"x": True}),
    "picture": ({"id": 1}, {"": {"id": 1}}, {"x": {"id": 1}}),
    "price_list": ([{"price": 1}], {"": [{"price": 1}]}, {"x": [{"price": 1}]}),
    "unheard_of": ("a", {"": "a"}, {"x": "a"}),
}


@pytest.mark.parametrize("kind", VALUES)
def test_every_type_reads_in_the_shape_of_version_2(kind: str) -> None:
    value, _, row = VALUES[kind]
    assert row_of("deals", kind, {"id": 1, "custom_fields": {K: value, L: 9}}) == row


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize(("table", "version"), [("leads", "v2"), ("deals", "v1")])
def test_every_type_reads_in_the_shape_of_version_1(kind: str, table: str, version: str) -> None:
    _, keys, row = VALUES[kind]
    record = {"id": 1, L: 9, **{K + suffix: value for suffix, value in keys.items()}}
    assert row_of(table, kind, record, version) == row


@pytest.mark.parametrize("kind", VALUES)
def test_a_lead_may_have_the_object_of_version_2(kind: str) -> None:
    value, _, row = VALUES[kind]
    assert row_of("leads", kind, {"id": "u", K: value}) == row


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize(
    "record",
    [
        {"id": 1},
        {"id": 1, "custom_fields": None},
        {"id": 1, "custom_fields": []},
        {"custom_fields": {K: None}},
    ],
)
def test_what_is_not_there_reads_null(kind: str, record: dict[str, Any]) -> None:
    assert set(row_of("deals", kind, record).values()) == {None}
    assert set(row_of("leads", kind, {"id": "u", K: None}).values()) == {None}


def test_labels_that_come_with_the_list_are_shown() -> None:
    one = {"custom_fields": {K: {"id": 5, "label": "Five"}}}
    assert row_of("deals", "enum", one) == {"x": "Five"}
    assert row_of("deals", "enum", one, choices="id") == {"x": 5}
    many = {
        "custom_fields": {K: [{"id": 5, "label": "Five"}, {"id": 6, "label": ""}, {"id": 9, "label": None}]}
    }
    assert row_of("deals", "set", many) == {"x": ["Five", "", "9"]}
    assert row_of("deals", "set", many, choices="id") == {"x": [5, 6, 9]}


def test_an_option_that_is_gone_shows_its_id() -> None:
    assert row_of("deals", "enum", {"custom_fields": {K: 900}}) == {"x": "900"}
    assert row_of("deals", "set", {"custom_fields": {K: [101, 900]}}) == {"x": ["Alpha", "900"]}
    assert row_of("leads", "set", {K: "101,900"}, choices="id") == {"x": [101, 900]}


# (type, what the record holds under the key and beside it, row): nothing here is documented, all was seen or
# may come
ODD: list[tuple[str, Any, dict[str, Any]]] = [
    ("set", "101,102", {"x": ["Alpha", 'Béta, "x"']}),
    ("set", ["101", 102], {"x": ["Alpha", 'Béta, "x"']}),
    ("set", 101, {"x": ["Alpha"]}),
    ("set", [], {"x": None}),
    ("set", "", {"x": None}),
    ("enum", "101", {"x": "Alpha"}),
    ("enum", "", {"x": None}),
    ("enum", "gone", {"x": "gone"}),
    ("monetary", {"value": None, "currency": "EUR"}, {"x": None, "x_currency": "EUR"}),
    ("monetary", {"value": 5, "currency": None}, {"x": Decimal(5), "x_currency": None}),
    ("monetary", {"value": "5.50"}, {"x": Decimal("5.5"), "x_currency": None}),
    ("monetary", 0, {"x": Decimal(0), "x_currency": None}),
    ("daterange", {"value": None, "until": "2026-03-01"}, {"x": None, "x_until": dt.date(2026, 3, 1)}),
    ("daterange", {"value": "2026-02-03"}, {"x": dt.date(2026, 2, 3), "x_until": None}),
    ("date", "0000-00-00", {"x": None}),
    ("time", {"value": "9:05", "timezone_id": 77}, {"x": dt.time(9, 5), "x_timezone": "77"}),
    ("time", "10:15:00", {"x": dt.time(10, 15), "x_timezone": None}),
    (
        "time",
        {"value": "10:15:00", "timezone_id": 77, "timezone_name": "Europe/Tallinn"},
        {"x": dt.time(10, 15), "x_timezone": "Europe/Tallinn"},
    ),
    (
        "timerange",
        {"value": None, "until": "11:00:00"},
        {"x": None, "x_until": dt.time(11), "x_timezone": None},
    ),
    ("address", "1 Pikk", {"x": "1 Pikk", "x_address": None}),
    ("address", {"value": None, "locality": "Tartu"}, {"x": None, "x_address": {"locality": "Tartu"}}),
    ("address", {"value": "1 Pikk"}, {"x": "1 Pikk", "x_address": None}),
    ("user", {"id": 7}, {"x_id": 7, "x": {"id": 7}}),
    ("org", {"value": 7, "name": "n"}, {"x_id": 7, "x": {"value": 7, "name": "n"}}),
    ("people", "7", {"x_id": 7, "x": {"value": "7"}}),
    ("double", "1.50", {"x": Decimal("1.5")}),
    ("double", "", {"x": None}),
    ("double", 0, {"x": Decimal(0)}),
    ("varchar", 5, {"x": "5"}),
    ("hologram", {"a": [1]}, {"x": '{"a":[1]}'}),
    ("json", "text", {"x": "text"}),
]


@pytest.mark.parametrize(("kind", "value", "row"), ODD)
def test_odd_shapes_are_read(kind: str, value: Any, row: dict[str, Any]) -> None:
    assert row_of("deals", kind, {"id": 1, "custom_fields": {K: value}}) == row
    assert row_of("leads", kind, {"id": "u", K: value}) == row


def test_parts_of_version_1_are_shown_beside_a_value_that_is_null() -> None:
    def row(kind: str, **beside: Any) -> dict[str, Any]:
        return row_of("leads", kind, {"id": "u", K: None, **{f"{K}_{n}": v for n, v in beside.items()}})

    assert row("monetary", currency="EUR") == {"x": None, "x_currency": "EUR"}
    assert row("daterange", until="2026-03-01") == {"x": None, "x_until": dt.date(2026, 3, 1)}
    assert row("time", timezone_id=77) == {"x": None, "x_timezone": "77"}
    assert row("address", locality="Tartu") == {"x": None, "x_address": {"locality": "Tartu"}}
    # a record of version 1 has the keys of every field, set or not
    assert row("address", locality=None, country=None) == {"x": None, "x_address": None}
    assert row("monetary", currency=None) == {"x": None, "x_currency": None}


def test_a_value_of_another_type_names_the_column() -> None:
    with pytest.raises(DataError) as caught:
        row_of("deals", "double", {"id": 4, "custom_fields": {K: "much"}})
    assert "column x of deals" in caught.value.message


def test_the_record_is_shown_as_if_no_labels_had_been_asked_for() -> None:
    labelled = {"a": {"id": 1, "label": "x"}, "b": [{"id": 2, "label": None}], "c": {"value": 1}, "d": None}
    plain = {"a": 1, "b": [2], "c": {"value": 1}, "d": None}
    assert plain_fields(labelled) == plain
    assert plain_fields(None) is None
    record = {"id": 1, "custom_fields": labelled}
    assert plain_record(record, plain_fields(labelled)) == {"id": 1, "custom_fields": plain}
    assert record == {"id": 1, "custom_fields": labelled}
    assert "label" in labelled["a"]
    assert plain_record({"custom_fields": None}, None) == {"custom_fields": None}
    assert plain_record({"id": 1}, None) == {"id": 1}
    assert NO_LOOKUPS.related("user", 1) is None


def test_alike_records_are_shown_with_their_keys_in_the_order_of_jsonb() -> None:
    def shown(record: dict[str, Any]) -> list[str]:
        found = plain_record(record, None)
        assert found == record
        return list(found)

    shown({"another": 1, "one": 2})
    assert shown({"bb": 1, "c": 2, "a": 3}) == ["a", "c", "bb"]
    assert shown({"c": None, "a": 3, "bb": 1}) == ["a", "c", "bb"]
    assert shown({"c": 2, "a": 3}) == ["a", "c"]
    assert set(shown({"bb": 1, "c": 2, "a": 3, "ccc": 4})) == {"a", "c", "bb", "ccc"}
    assert shown({}) == []


def test_a_custom_column_is_never_taken_for_one_of_the_table() -> None:
    definition = SimpleNamespace(
        column_name="owner_id",
        type_name="text",
        base_type_name="text",
        options={"field": K, "type": "varchar"},
    )
    binding = bind(tables_of("v2")["deals"], {"owner_id": definition, ATTRS.name: definition})
    assert [b.column.name for b in binding.columns] == ["custom field owner_id", "custom field attrs"]


# ---- writing


def columns_of(kind: str, choices: str = "label") -> list[CustomColumn]:
    return custom_columns([Field(K, "X", kind, OPTIONS)], (), "label", choices)


def sent(
    kind: str,
    new: dict[str, Any],
    old: dict[str, Any] | None = None,
    flat: bool = False,
    choices: str = "label",
) -> Any:
    """The field's part of the body: v2's value, or v1's keys without the field's."""
    columns = columns_of(kind, choices)
    blank = dict.fromkeys(c.name for c in columns)
    before = None if old is None else {**blank, **old}
    body = changes(before, {**blank, **(old or {}), **new}, columns, DEFINITIONS, flat)
    if flat:
        return {name[len(K) :]: value for name, value in body.items()}
    assert body.get("custom_fields", True)  # never an empty object
    return body.get("custom_fields", {}).get(K, "not sent")


WRITTEN: dict[str, tuple[dict[str, Any], Any, dict[str, Any]]] = {
    "varchar": ({"x": "a"}, "a", {"": "a"}),
    "varchar_auto": ({"x": "a"}, "a", {"": "a"}),
    "text": ({"x": "a"}, "a", {"": "a"}),
    "phone": ({"x": "+1"}, "+1", {"": "+1"}),
    "double": ({"x": Decimal("1.5")}, 1.5, {"": 1.5}),
    "monetary": (
        {"x": Decimal("5"), "x_currency": "EUR"},
        {"value": 5, "currency": "EUR"},
        {"": 5, "_currency": "EUR"},
    ),
    "enum": ({"x": "Alpha"}, 101, {"": 101}),
    "set": ({"x": ["Alpha", "102"]}, [101, 102], {"": "101,102"}),
    "user": ({"x_id": 7}, 7, {"": 7}),
    "org": ({"x": {"value": 7, "name": "n"}}, 7, {"": 7}),
    "people": ({"x": 7}, 7, {"": 7}),
    "date": ({"x": dt.date(2026, 2, 3)}, "2026-02-03", {"": "2026-02-03"}),
    "daterange": (
        {"x": dt.date(2026, 2, 3), "x_until": dt.date(2026, 3, 1)},
        {"value": "2026-02-03", "until": "2026-03-01"},
        {"": "2026-02-03", "_until": "2026-03-01"},
    ),
    "time": ({"x": dt.time(10, 15)}, {"value": "10:15:00"}, {"": "10:15:00"}),
    "timerange": (
        {"x": dt.time(10, 15), "x_until": dt.time(11), "x_timezone": "77"},
        {"value": "10:15:00", "until": "11:00:00", "timezone_id": 77},
        {"": "10:15:00", "_until": "11:00:00", "_timezone_id": 77},
    ),
    "address": (
        {"x": "Tartu", "x_address": {"country": "Estonia"}},
        {"value": "Tartu", "country": "Estonia"},
        {"": "Tartu", "_country": "Estonia"},
    ),
}


def test_every_creatable_type_is_written() -> None:
    assert set(WRITTEN) == set(CREATABLE)


@pytest.mark.parametrize("kind", WRITTEN)
def test_an_insert_sends_the_value(kind: str) -> None:
    row, nested, flat = WRITTEN[kind]
    assert sent(kind, row) == nested
    assert sent(kind, row, flat=True) == flat


@pytest.mark.parametrize("kind", WRITTEN)
def test_null_clears_a_field_by_null(kind: str) -> None:
    row = WRITTEN[kind][0]
    cleared = dict.fromkeys(row)
    assert sent(kind, cleared, row) is None
    assert sent(kind, cleared, row, flat=True) == {"": None}


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_does_not_change_is_not_sent(kind: str) -> None:
    row = WRITTEN[kind][0]
    assert changes(row, row, columns_of(kind), DEFINITIONS) == {}
    assert changes(None, {}, columns_of(kind), DEFINITIONS) == {}
    assert changes(None, dict.fromkeys(row), columns_of(kind), DEFINITIONS, flat=True) == {}


def test_an_empty_set_is_null() -> None:
    assert sent("set", {"x": []}, {"x": ["Alpha"]}) is None


def test_ids_are_sent_as_they_are() -> None:
    assert sent("enum", {"x": 102}, choices="id") == 102
    assert sent("set", {"x": [102, 101, 102]}, choices="id") == [102, 101]


def test_a_changed_part_sends_the_field_whole() -> None:
    money = {"x": Decimal(5), "x_currency": "EUR"}
    assert sent("monetary", {"x_currency": "USD"}, money) == {"value": 5, "currency": "USD"}
    address = {"x": "Tartu", "x_address": {"country": "Estonia", "route": None}}
    assert sent("address", {"x": "Tartu 2"}, address) == {"value": "Tartu 2", "country": "Estonia"}
    assert sent("address", {"x_address": {"country": "EE"}}, address) == {"value": "Tartu", "country": "EE"}
    assert sent("address", {"x_address": {"country": "EE"}}, address, flat=True) == {
        "": "Tartu",
        "_country": "EE",
        "_route": None,
    }


def test_version_1_is_told_of_a_part_that_is_emptied() -> None:
    """Its parts are keys of their own: one that is left out would stay."""
    money = {"x": Decimal(5), "x_currency": "EUR"}
    assert sent("monetary", {"x_currency": None}, money, flat=True) == {"": 5, "_currency": None}
    time = {"x": dt.time(10), "x_timezone": "77"}
    assert sent("time", {"x_timezone": None}, time, flat=True) == {"": "10:00:00", "_timezone_id": None}
    assert sent("time", {"x_timezone": None}, time) == {"value": "10:00:00"}


def test_the_value_part_of_an_address_may_stand_in_its_object() -> None:
    assert sent("address", {"x_address": {"value": "Tallinn", "country": "EE"}}) == {
        "value": "Tallinn",
        "country": "EE",
    }


def test_either_column_of_a_link_can_be_changed() -> None:
    old = {"x_id": 7, "x": {"value": 7}}
    assert sent("user", {"x_id": 8}, old) == 8
    assert sent("user", {"x": {"id": 9}}, old) == 9
    assert sent("user", {"x_id": 8, "x": {"value": 8}}, old) == 8
    assert sent("user", {"x": {"value": 7, "name": "Ann"}}, old) == "not sent"
    ann, bob = {"value": 7, "name": "Ann", "new": 1}, {"value": 8, "name": "Bob", "new": 1}
    assert sent("user", {"x": bob}, {"x_id": 7, "x": ann}) == 8
    assert sent("user", {"x": {**ann, "value": 8}}, {"x_id": 7, "x": ann}) == 8
    assert sent("user", {"x_id": None}, old) is None
    assert sent("user", {"x": None}, old) is None


@pytest.mark.parametrize(
    ("kind", "new", "old", "words"),
    [
        ("enum", {"x": "Alpa"}, None, ("column x has no option 'Alpa'", "'Alpha'", "Nothing was sent")),
        ("set", {"x": ["Alpha", "Gone"]}, None, ("no option 'Gone'",)),
        ("set", {"x": ["Alpha", None]}, None, ("not allow NULL",)),
        ("enum", {"x": "Twin"}, None, ("2 options are called 'Twin'", "103, 104")),
        ("user", {"x_id": 7, "x": {"value": 8}}, None, ("x_id and x contradict each other",)),
        (
            "user",
            {"x_id": 7, "x": None},
            {"x_id": 6, "x": {"value": 6}},
            ("x_id and x contradict each other",),
        ),
        ("people", {"x": {"name": "Ann"}}, None, ("x names no id",)),
        ("people", {"x": True}, None, ("x names no id",)),
        ("people", {"x": []}, None, ("x names no id",)),
        ("address", {"x_address": []}, {}, ("x_address must be an object, and is []",)),
        ("monetary", {"x": Decimal(5)}, None, ("column x_currency is missing",)),
        ("monetary", {"x_currency": "EUR"}, None, ("x_currency cannot be set while x is NULL",)),
        ("daterange", {"x": dt.date(2026, 2, 3)}, None, ("column x_until is missing",)),
        ("double", {"x": Decimal("NaN")}, None, ("column x cannot be sent",)),
        ("address", {"x_address": {"country": "EE"}}, None, ("x_address cannot be set while x is NULL",)),
        (
            "address",
            {"x": "a", "x_address": {"value": "b"}},
            None,
            ("x and x_address contradict each other",),
        ),
        ("address", {"x": "a", "x_address": ["b"]}, None, ('x_address must be an object, and is ["b"]',)),
        ("visible_to", {"x": 3}, None, ("column x cannot be set", "visible_to")),
        ("double", {"x": Decimal("12345678901234567.8")}, None, ("column x cannot be sent", "more digits")),
        ("time", {"x": dt.time(1, 2, 3, 4)}, None, ("column x cannot be sent", "fraction of a second")),
        (
            "address",
            {"x": "a", "x_address": {"city": "b"}},
            None,
            ('x_address has no key "city"', "locality"),
        ),
        ("address", {"x": "a", "x_address": {"rout": "b"}}, None, ('Did you mean "route"?',)),
        (
            "address",
            {"x": "a", "x_address": {"route": 5}},
            None,
            ("x_address.route must be a text, and is 5",),
        ),
        ("user", {"x": {"valeu": 7}}, None, ('x has no key "valeu"', 'Did you mean "value"?')),
        (
            "user",
            {"x": {"value": 7, "nmae": "Ann"}},
            {"x": {"value": 6}},
            ('x has no key "nmae"', "value, id"),
        ),
        (
            "user",
            {"x": {"value": 7, "name": "Bob"}},
            {"x": {"value": 7, "name": "Ann"}},
            ('the key "name" of column x cannot be set',),
        ),
        ("monetary", {"x_currency": "EUR"}, {"x_currency": "USD"}, ("x_currency cannot be set",)),
        ("enum", {"x": "alpha"}, None, ("no option 'alpha'", "'Alpha'")),
    ],
)
def test_what_cannot_be_sent_is_an_error_that_names_the_column(
    kind: str, new: dict[str, Any], old: dict[str, Any] | None, words: tuple[str, ...]
) -> None:
    with pytest.raises(WriteError) as caught:
        sent(kind, new, old)
    assert all(word in str(caught.value) for word in words)


def test_a_label_wins_over_an_id_of_the_same_text() -> None:
    options = (FieldOption(12, "a"), FieldOption(13, "12"))
    assert option_id("x", "12", options) == 13
    assert option_id("x", "13", options) == 13
    assert option_id("x", "a", options) == 12


def test_an_option_that_is_gone_stays_in_the_set_that_has_it() -> None:
    assert sent("set", {"x": ["Alpha", "900", "102"]}, {"x": ["900", "Alpha"]}) == [101, 900, 102]
    assert sent("set", {"x": ["Alpha", "900"]}, {"x": ["900"]}, flat=True) == {"": "101,900"}
    with pytest.raises(WriteError):
        sent("set", {"x": ["Alpha", "901"]}, {"x": ["900", "Alpha"]})


def test_a_number_that_did_not_change_is_not_sent_however_long_it_is() -> None:
    for long in (12345678901234567, "0.12345678901234567890"):
        row = row_of("deals", "double", {"id": 1, "custom_fields": {K: long}})
        back = {"x": codec_for("numeric").parse(str(long))}
        assert changes(row, back, columns_of("double"), DEFINITIONS) == {}


class Gone(Definitions):
    """No field is there."""

    def gone(self, field: str) -> bool:
        return True


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_field_that_is_gone_cannot_be_set(kind: str) -> None:
    row = WRITTEN[kind][0]
    columns = columns_of(kind)
    for old, flat in ((None, False), (None, True), (dict.fromkeys(row), False)):
        with pytest.raises(WriteError) as caught:
            changes(old, row, columns, Gone(), flat)
        assert "cannot be set" in caught.value.message
        assert "refresh_columns" in caught.value.hint
    assert changes(None, row, columns, Gone(), present=(K,))  # the record has its key
    assert changes(row, dict.fromkeys(row), columns, Gone())  # the record has its value
    assert changes(None, dict.fromkeys(row), columns, Gone()) == {}


def test_version_1_takes_no_name_of_a_time_zone() -> None:
    row = {"x": dt.time(10), "x_timezone": "Europe/Tallinn"}
    assert sent("time", row) == {"value": "10:00:00", "timezone_name": "Europe/Tallinn"}
    with pytest.raises(WriteError):
        sent("time", row, flat=True)


def test_what_is_read_and_written_unchanged_is_the_same() -> None:
    """The canonical values of a row, as the codecs parse them, go through ``changes`` in both directions."""
    for kind in CREATABLE:
        value, _, _ = VALUES[kind]
        row = row_of("deals", kind, {"id": 1, "custom_fields": {K: value}})
        if kind in ("user", "org", "people"):
            value = 7
        if kind == "text":
            value = "ab"
        if kind == "address":  # a part that is left out becomes null
            value = {name: part for name, part in value.items() if part is not None}
        assert sent(kind, row) == value, kind
        assert codec_for(columns_of(kind)[0].type).name
