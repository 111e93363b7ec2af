"""Columns of a foreign table that show the same field of Pipedrive: which of them a write means.

Reading a field twice is harmless. Writing it sends one value, so that two values are an error, and none
of them is ever lost.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from pipedrive_fdw.codec import same
from pipedrive_fdw.custom.columns import CustomColumn
from pipedrive_fdw.errors import WriteError

Values = Mapping[str, Any]


def doubled(fields: Iterable[tuple[Hashable, str]]) -> list[list[str]]:
    """Of pairs (field, column): the columns of each field that has several."""
    columns: dict[Hashable, list[str]] = {}
    for field, column in fields:
        columns.setdefault(field, []).append(column)
    return [names for names in columns.values() if len(names) > 1]


def meant(table: str, names: Sequence[str], old: Values, new: Values) -> str:
    """The one of the columns *names*, which show one field, whose value is sent.

    *old* are the canonical values before an UPDATE, *new* those that were given, both by column. Raises
    WriteError when two columns were given different values.
    """
    given = [name for name in names if name in new and not same(old.get(name), new[name])]
    for other in given[1:]:
        if not same(new[given[0]], new[other]):
            raise WriteError(
                f"columns {given[0]} and {other} of {table} are the same field of Pipedrive",
                detail="They were given different values, and only one can be sent. "
                "Nothing was sent for this row.",
                hint="Set one of them, or both to the same value.",
            )
    return (given or names)[0]


def meant_custom(
    table: str, columns: Sequence[CustomColumn], old: Values | None, new: Values
) -> list[CustomColumn]:
    """Those of the *columns* of custom fields that count. Raises WriteError as ``meant`` does."""
    several = doubled(((column.field, column.part), column.name) for column in columns)
    left_out = {name for names in several for name in names}
    left_out -= {meant(table, names, old or {}, new) for names in several}
    return [column for column in columns if column.name not in left_out]
