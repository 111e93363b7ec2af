"""Field definitions as the two Fields APIs give them, in one form.

v2 names a field by ``field_code``, v1 by ``key``; the key of a custom field is a hash of 40 characters in
both, and is its identity: names are not unique and can be changed, the key and the type cannot. Both are
taken in the order in which the fields were made, which is v2's own, so that a field keeps the name of its
column when somebody moves it or makes another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pipedrive_fdw.values.numbertext import whole_number

# "Randomly generated 40-character hashes": hexadecimal ones, as far as anybody has seen.
KEY = re.compile(r"[0-9A-Za-z]{40}")

UNKNOWN = "unknown"
# Keys and types stand in the OPTIONS of columns, which an import makes a statement of.
_PLAIN = re.compile(r"[0-9A-Za-z_-]{1,100}")


class FieldOption(NamedTuple):
    """One choice of an enum or set field; custom fields have numbers for ids."""

    id: Any
    label: str


class Field(NamedTuple):
    """A custom field: its key, its label, its type and, of a choice, its options."""

    key: str
    name: str
    kind: str
    options: tuple[FieldOption, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The texts that name its options: labels, and ids as text."""
        return frozenset(name for option in self.options for name in (option.label, str(option.id)))


def whole(option: Any) -> Any:
    """The id of an option as the number that it is; v1 writes it as text in records."""
    number = whole_number(option) if isinstance(option, str) else None
    return option if number is None else number


def read_field(definition: Mapping[str, Any]) -> Field | None:
    """The custom field that *definition* (v2 or v1) describes; None for a built-in one, and for the parts
    of a field that v1 lists beside it."""
    key = definition.get("field_code", definition.get("key"))
    made_here = definition.get("is_custom_field", definition.get("edit_flag", True))
    if not isinstance(key, str) or not _PLAIN.fullmatch(key) or made_here is False:
        return None
    if definition.get("is_custom_field") is not True and not KEY.fullmatch(key):
        return None  # v1 does not say of every field whether it was made here
    if definition.get("active_flag") is False or definition.get("is_subfield"):
        return None
    name = definition.get("field_name", definition.get("name"))
    kind, options = definition.get("field_type"), definition.get("options")
    return Field(
        key,
        str(name or ""),
        kind if isinstance(kind, str) and _PLAIN.fullmatch(kind) else UNKNOWN,
        tuple(
            FieldOption(whole(option["id"]), str(option.get("label") or ""))
            for option in (options if isinstance(options, list) else ())
            if isinstance(option, dict) and option.get("id") is not None
        ),
    )


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def read_fields(definitions: Iterable[Mapping[str, Any]]) -> tuple[Field, ...]:
    """The custom fields among *definitions*, the oldest first."""
    listed = [definition for definition in definitions if isinstance(definition, Mapping)]
    numbers = [definition.get("id") for definition in listed if read_field(definition) is not None]
    if all(isinstance(number, int) for number in numbers):  # v1, whose order is the one on the screen
        listed.sort(key=lambda definition: _number(definition.get("id")))
    found = (read_field(definition) for definition in listed)
    return tuple({field.key: field for field in found if field is not None}.values())
