"""Reads the values of columns out of records of the API, version 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from pipedrive_fdw.api.paging import record_of
from pipedrive_fdw.catalog.model import Column, Get, Table
from pipedrive_fdw.custom_fields.field import KEY
from pipedrive_fdw.errors import ProtocolError

Record = Mapping[str, Any]
# The values of a foreign table's columns in their order, as PostgreSQL's input functions read them. A list or
# an object stands for its JSON text.
Row = list[Any]
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")


def root_fields(record: Record) -> dict[str, Any]:
    """The custom fields of a v1 record: members of its root with keys of 40 characters."""
    return {name: value for name, value in record.items() if KEY.match(name)}


def dig(value: Any, path: Sequence[str]) -> Any:
    """The value at *path* in nested objects, None where a part is missing."""
    for part in path:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _not(record: Any, path: Sequence[str]) -> bool | None:
    value = dig(record, path)
    return None if value is None else not value


def _has(record: Any, path: Sequence[str]) -> bool:
    return dig(record, path) is not None


def _id(record: Any, path: Sequence[str]) -> Any:
    value = dig(record, path)
    if isinstance(value, dict) and isinstance(value.get("data"), dict):
        value = value["data"]  # an envelope inside a record, as the OpenAPI file has it for participants
    return value.get("value", value.get("id")) if isinstance(value, dict) else value


def _parts(record: Any, path: Sequence[str]) -> Record | None:
    """An address of v1: its text, and its parts that stand beside it under the same beginning."""
    beside = dig(record, path[:-1])
    text, begin = dig(record, path), path[-1] + "_"
    parts = {name[len(begin) :]: value for name, value in beside.items() if name.startswith(begin)}
    parts.pop("formatted_address", None)  # version 2 has it as the text
    if text is None and all(value is None for value in parts.values()):
        return None
    return {"value": text, **parts}


def _list(record: Any, path: Sequence[str]) -> list[Any]:
    """A list that v1 writes as text (1,2), as its only element, or as null when it is empty."""
    value = dig(record, path)
    if isinstance(value, str):
        return [part for part in value.split(",") if part]
    return value if isinstance(value, list) else [] if value is None else [value]


def _number(record: Any, path: Sequence[str]) -> Any:
    value = dig(record, path)
    return (
        value if type(value) is int or (isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value)) else None
    )


def _text(record: Any, path: Sequence[str]) -> str | None:
    value = dig(record, path)
    return value if isinstance(value, str) else None


# What stands before the colon of a source (model.READERS).
READERS: Mapping[str, Callable[[Any, Sequence[str]], Any]] = {
    "": dig,
    "not": _not,
    "has": _has,
    "id": _id,
    "parts": _parts,
    "list": _list,
    "number": _number,
    "text": _text,
}


def column_value(column: Column, record: Record, echo: Mapping[str, Any]) -> Any:
    """The JSON value of a column of *record*, or of *echo* where the request gives it.

    Rows read the same by a compiled function (row_maker).
    """
    if column.echo or (column.held and column.name in echo):
        return echo.get(column.name)
    return None if column.source == "-" else READERS[column.reader](record, column.path)


def found_record(answer: Mapping[str, Any], table: Table, get: Get, where: str, wanted: Any = None) -> Record:
    """The record in the *answer* of *get*. Raises ProtocolError for anything but one record with its key, and
    for one with another key than the one that is *wanted*, if it is given."""
    record: Record = record_of(answer, where)
    key = table.column(get.placeholders[-1])
    found = None if key is None else dig(record, key.path)
    if found is None or (wanted is not None and str(found).lower() != str(wanted).lower()):
        what = "a record without its key" if found is None else "another record"
        raise ProtocolError(
            f"{where} returned {what}",
            detail="It is not known what the record that was requested holds.",
            hint="Try again.",
        )
    return record


def joined(*keys: Any) -> str | None:
    """The row id of *keys*: their texts joined by colons, None where a key is NULL."""
    return None if None in keys else ":".join(map(str, keys))
