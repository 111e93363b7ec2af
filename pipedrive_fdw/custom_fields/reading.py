"""Values of custom fields in a record → JSON values of the columns.

v2 nests them in ``custom_fields``; v1, and leads to this day, spread each over keys of the record's root:
the key itself and companions like ``<key>_currency``. A v1 value that comes as an object all the same
(whether a lead's monetary field does is not documented) is read like v2's.

An option is an id, or ``{id, label}`` where the request asked for labels. An option that is gone has no
label: its id is shown, as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Protocol

from pipedrive_fdw.custom_fields.columns import CustomColumn
from pipedrive_fdw.custom_fields.field import whole
from pipedrive_fdw.custom_fields.kinds import (
    ADDRESS_PARTS,
    CHOICES,
    CREATABLE,
    CURRENCY,
    ID,
    LINKS,
    OTHERS,
    PARTS,
    TIMEZONE,
    UNTIL,
)

Record = Mapping[str, Any]


class Lookups(Protocol):
    """Looks up what a row shows beyond its record: labels, and related records."""

    def label(self, field: str, option: Any) -> str | None:
        """The label of an option of the field with this key; None where there is no such option."""

    def related(self, kind: str, key: Any) -> Record | None:
        """The parts of the user, org or people behind a field; None where they are not wanted or gone."""


class NoLookups:
    """Shows ids as they are."""

    def label(self, field: str, option: Any) -> str | None:
        return None

    def related(self, kind: str, key: Any) -> Record | None:
        return None


NO_LOOKUPS = NoLookups()
# (value under the key, the object that it stands in, look-ups) → JSON value of the column. The value is not
# null, but for a part of v1's, which stands beside it.
Reader = Callable[[Any, Record, Lookups], Any]


def reader_of(column: CustomColumn) -> Reader | None:
    """The function that reads *column*; None where its JSON value is shown as it is."""
    if column.kind in CHOICES:
        return _choice(column)
    if column.kind in LINKS:
        return _id if column.part == ID else _object(column.kind)
    if column.part == PARTS:
        return _address_parts(column.field)
    if column.part:
        return _companion(column.field, *_COMPANIONS[column.part])
    if len(CREATABLE.get(column.kind, ())) > 1:
        return _main
    return _id if column.kind in OTHERS and column.type == "bigint" else None


# Part → its names in v2's object and behind v1's key, the best first.
_COMPANIONS = {CURRENCY: ("currency",), UNTIL: ("until",), TIMEZONE: ("timezone_name", "timezone_id")}


def _main(value: Any, record: Record, look: Lookups) -> Any:
    return value.get("value") if isinstance(value, dict) else value


def _id(value: Any, record: Record, look: Lookups) -> Any:
    return value.get("value", value.get("id")) if isinstance(value, dict) else value


def _object(kind: str) -> Reader:
    def read(value: Any, record: Record, look: Lookups) -> Any:
        if isinstance(value, dict):
            return value
        return look.related(kind, value) or {"value": value}

    return read


def _companion(field: str, *names: str) -> Reader:
    beside = [(name, f"{field}_{name}") for name in names]

    def read(value: Any, record: Record, look: Lookups) -> Any:
        nested = isinstance(value, dict)
        for inside, flat in beside:
            found = value.get(inside) if nested else record.get(flat)
            if found is not None:
                return found
        return None

    return read


def _address_parts(field: str) -> Reader:
    beside = [(name, f"{field}_{name}") for name in ADDRESS_PARTS]

    def read(value: Any, record: Record, look: Lookups) -> Any:
        if isinstance(value, dict):
            parts = {name: part for name, part in value.items() if name != "value"}
        else:
            parts = {name: record[flat] for name, flat in beside if flat in record}
            if value is None and all(part is None for part in parts.values()):
                return None
        return parts or None

    return read


def _choice(column: CustomColumn) -> Reader:
    field, labelled = column.field, column.labelled

    def one(option: Any, look: Lookups) -> Any:
        told = isinstance(option, dict) and "label" in option
        label = option["label"] if told else None
        option = whole(option.get("id") if isinstance(option, dict) else option)
        if isinstance(option, list):
            raise ValueError("a list is not an option")
        if option is None or not labelled:
            return option
        if not told:
            label = look.label(field, option)
        return str(option) if label is None else label

    def read(value: Any, record: Record, look: Lookups) -> Any:
        if column.kind == "enum":
            return None if value == "" else one(value, look)
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        elif not isinstance(value, list):
            value = [value]
        return [one(option, look) for option in value if option is not None] or None

    return read


# ---- as if no labels had been asked for


def plain_fields(fields: Any) -> Any:
    """A custom_fields object without the labels that a list adds: the same whichever request gave it."""
    if not isinstance(fields, dict):
        return fields
    plain = _fields_in_order(fields)
    for key, value in fields.items():
        if value is None:  # as most are
            continue
        kind = value.__class__
        if kind is dict and _labelled(value):
            plain[key] = value["id"]
        elif kind is list and value and value[0].__class__ is dict:
            plain[key] = [one["id"] if one.__class__ is dict and _labelled(one) else one for one in value]
    return plain


def plain_record(record: Record, fields: Any) -> dict[str, Any]:
    """*record* with *fields*, the ``plain_fields`` of its own."""
    plain = _record_in_order(record)
    if fields is not None:
        plain["custom_fields"] = fields
    return plain


def _labelled(option: Record) -> bool:
    return "label" in option and "id" in option and len(option) == 2


class _InOrder:
    """Copies alike objects with their keys in the order of jsonb, the shortest first: PostgreSQL need not
    sort them then."""

    def __init__(self) -> None:
        self._keys: dict[str, None] = {}

    def __call__(self, value: Record) -> dict[str, Any]:
        ordered = {**self._keys, **value}
        if len(ordered) != len(value) or not self._keys:  # it has others than the one before
            self._keys = dict.fromkeys(sorted(value, key=lambda key: (len(key), key)))
            ordered = {**self._keys, **value}
        return ordered


_fields_in_order, _record_in_order = _InOrder(), _InOrder()
