"""Fields → columns of a foreign table, and a column's OPTIONS → what it shows.

Key, type and part stand in the OPTIONS of each column, so that a query needs no request to learn them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pipedrive_fdw.custom_fields.field import Field
from pipedrive_fdw.custom_fields.kinds import CHOICES, parts_of
from pipedrive_fdw.custom_fields.names import FreeNames, snake_case
from pipedrive_fdw.errors import OptionError

LABEL, KEY, ID = "label", "key", "id"


class CustomColumn(NamedTuple):
    """A column that shows a custom field.

    name   in the foreign table
    type   SQL type, as a codec is named; it decides whether a choice is shown by label or by id
    field  the field's key
    kind   the field's type
    part   which part of the value, '' for the value itself (kinds.Part)
    """

    name: str
    type: str
    field: str
    kind: str
    part: str = ""

    @property
    def options(self) -> dict[str, str]:
        """The OPTIONS of the column."""
        found = {"field": self.field, "type": self.kind}
        return {**found, "part": self.part} if self.part else found

    @property
    def field_type(self) -> str:
        """The SQL type of the part; of a choice that of the column, which says what shows the option."""
        types = {part.name: part.type for part in parts_of(self.kind)}
        return self.type if self.kind in CHOICES else types[self.part]

    @property
    def labelled(self) -> bool:
        """True if it shows the labels of options, and not their ids."""
        return self.kind in CHOICES and self.type in ("text", "text[]")


def custom_columns(
    fields: Iterable[Field], taken: Iterable[str], names: str = LABEL, choices: str = LABEL
) -> list[CustomColumn]:
    """The columns of *fields*, none with a name that is *taken*.

    *names* 'label' or 'key' names them; *choices* 'label' or 'id' is how enum and set are shown.
    """
    free = FreeNames(taken)
    columns: list[CustomColumn] = []
    for field in fields:
        parts = parts_of(field.kind)
        base = field.key if names == KEY else snake_case(field.name)
        found = free.take(base, [part.suffix for part in parts])
        for name, part in zip(found, parts):
            column = CustomColumn(name, part.type, field.key, field.kind, part.name)
            columns.append(_by_id(column) if choices == ID else column)
    return columns


def _by_id(column: CustomColumn) -> CustomColumn:
    kinds = {"enum": "bigint", "set": "bigint[]"}
    return column._replace(type=kinds.get(column.kind, column.type))


def from_options(name: str, type_name: str, options: Mapping[str, str]) -> CustomColumn:
    """The column whose OPTIONS these are; *type_name* is its codec's.

    Raises OptionError when they do not say what it shows.
    """
    kind, part = options.get("type", ""), options.get("part", "")
    if not kind or not options["field"]:
        raise OptionError(
            f"column {name} names a custom field without its {'type' if options['field'] else 'key'}",
            hint="A custom column needs OPTIONS (field '<key>', type '<type>'); IMPORT FOREIGN SCHEMA or "
            "pipedrive.refresh_columns write them.",
        )
    known = [one.name for one in parts_of(kind)]
    if part not in known:
        raise OptionError(
            f"column {name} shows the part {part!r}, which a field of type {kind} does not have",
            hint=f"Its parts are: {', '.join(repr(one) for one in known if one)}; without the option part "
            "it shows the value itself.",
        )
    return CustomColumn(name, type_name, options["field"], kind, part)
