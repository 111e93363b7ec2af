"""The API's answer to a write → the row for RETURNING, and the key for reports.

An answer may have only some fields, or the id alone. A column that it does not show keeps the value that was
scanned or given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pipedrive_fdw.catalog.model import Column, Table
from pipedrive_fdw.custom_fields.columns import CustomColumn
from pipedrive_fdw.custom_fields.field import KEY
from pipedrive_fdw.custom_fields.kinds import LINKS
from pipedrive_fdw.custom_fields.reading import NO_LOOKUPS, Lookups
from pipedrive_fdw.masking import beginning
from pipedrive_fdw.plan import arrays
from pipedrive_fdw.plan.row_changes import Change
from pipedrive_fdw.table.records import dig, joined
from pipedrive_fdw.table.row_maker import RowMaker
from pipedrive_fdw.values.jsontext import parse_json

Values = Mapping[str, Any]
# Longer than any key of Pipedrive.
_SHOWN = 100


class Labels(Lookups, Protocol):
    """Labels of options; *known* is true where they cost no request."""

    @property
    def known(self) -> bool: ...


def key_of(table: Table, change: Change, record: Values) -> str:
    """The key of the row that *change* wrote, for reports; '?' in the place of an unknown part."""
    shown = _shown_keys(table, record)
    parts = [change.key.get(name, shown.get(name)) for name in table.key]
    return ":".join("?" if part is None else key_text(part) for part in parts)


def names_record(table: Table, change: Change, record: Values) -> bool:
    """True if it is known which record *change* has made: by its own key or that of the answer's *record*."""
    name = table.key[-1]
    return name in change.key or name in _shown_keys(table, record)


def other_key(table: Table, change: Change, record: Values) -> str:
    """The key of the record that the answer shows where it is another than the one to be written, else ''."""
    shown = {} if change.op.array else _shown_keys(table, record)
    known = {name: key_text(value).lower() for name, value in change.key.items()}
    differs = any(key.lower() != known.get(name, key.lower()) for name, key in shown.items())
    return ":".join(shown.values()) if differs else ""


def _shown_keys(table: Table, record: Values) -> dict[str, str]:
    """The columns of the key that *record* shows, as text."""
    columns = (column for column in table.columns if column.name in table.key and not column.echo)
    shown = {column.name: dig(record, column.path) for column in columns}
    return {name: key_text(value) for name, value in shown.items() if value is not None}


def key_text(value: Any) -> str:
    """The text of a key for reports, shortened; '?' for a value that cannot be a key."""
    return beginning(str(value), _SHOWN) if isinstance(value, (str, int, float)) else "?"


def returned_row(
    maker: RowMaker,
    change: Change,
    record: Values,
    base: Values,
    row: Values,
    labels: Labels,
    expanded: bool,
) -> dict[str, Any]:
    """*base* with the columns that the answer's *record* shows.

    base      the row by the foreign table's columns, as scanned or given
    row       the row as it was written, by the catalogue's columns
    labels    where they would cost a request, labels stay those of *base*
    expanded  scans show the record behind a user, org or people field (expand_related)
    """
    table, binding = maker.binding.table, maker.binding
    element = _element(table, change, record, row)
    look: Lookups = labels if labels.known else NO_LOOKUPS
    held = {column.name for column in table.columns if column.held}  # no list says what the answer does
    echo = {name: value for name, value in {**row, **change.key}.items() if name not in held}
    values = maker.one(element, record, echo, look)
    out = dict(base)
    for bound, value in zip(binding.columns, values):
        column = bound.column
        if bound.custom is not None:
            told = labels.known or not bound.custom.labelled
            known = told and _answers(binding.flat, change, record, bound.custom, expanded)
        elif column.source in ("*", "#"):
            value, known = _overlaid(out.get(bound.name), value, change), value is not None
        else:
            known = _is_told(column, change, record if column.outer else element, value)
        if known:
            out[bound.name] = value
    names = {b.column.name: b.name for b in binding.columns if b.custom is None}
    if out.get(names.get("row_id", ""), "") is None:  # the answer of an option does not name its field
        out[names["row_id"]] = joined(*(out.get(names.get(key, "")) for key in table.key))
    return out


def _element(table: Table, change: Change, record: Values, row: Values) -> Values:
    """The record, or the element of its array that was written."""
    if not change.op.array:
        return record
    found = dig(record, table.nested.split("."))
    elements = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    place = arrays.place_of(table, elements, row)
    return arrays.element_of(table, row) if place is None else elements[place]


def _is_told(column: Column, change: Change, source: Values, value: Any) -> bool:
    if column.source == "@":
        return value is not None
    if column.echo:
        return column.name in change.key or value is not None
    return column.source != "-" and column.path[0] in source


def _overlaid(before: Any, value: Any, change: Change) -> dict[str, Any] | None:
    """An object: *before*, its JSON text, with the members of the answer, without those that were cleared."""
    if not isinstance(value, dict):
        return None
    known = parse_json(before.encode()) if isinstance(before, str) else {}
    return {**{n: v for n, v in known.items() if not _is_cleared(change.body, n)}, **value}


def _is_cleared(body: Values, name: str) -> bool:
    """True if *body*, of v1, clears the property *name*, or the custom field of which it is a part, such as
    <key>_currency. An empty text clears, too."""
    field = KEY.match(name)
    return any(body.get(key, name) in (None, "") for key in (name, field[0] if field else name))


def _answers(flat: bool, change: Change, record: Values, column: CustomColumn, expanded: bool) -> bool:
    """True if the answer shows the custom field of *column*; v1 leaves out the fields that were cleared."""
    if flat:
        return column.field in record or _is_cleared(change.body, column.field)
    if column.kind in LINKS and expanded:
        # an id alone; what was scanned has the parts, unless another id was written
        return column.field in change.body.get("custom_fields", ())
    told = record.get("custom_fields")
    return isinstance(told, dict) and column.field in told
