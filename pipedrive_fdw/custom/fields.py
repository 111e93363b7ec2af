"""Field definitions as the two Fields APIs give them, in one form.

v2 names a field by ``field_code``, v1 by ``key``; the key of a custom field is 40 hexadecimal digits in
both, and is its identity: names are not unique and can be changed, the key and the type cannot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

KEY = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Option:
    """One choice of an enum or set field; custom fields have numbers for ids."""

    id: Any
    label: str


@dataclass(frozen=True)
class Field:
    """A custom field: its key, its label, its type and, of a choice, its options."""

    key: str
    name: str
    kind: str
    options: tuple[Option, ...] = ()


def read_field(definition: Mapping[str, Any]) -> Field | None:
    """The custom field that *definition* (v2 or v1) describes; None for a built-in one, and for the parts
    of a field that v1 lists beside it."""
    key = definition.get("field_code", definition.get("key"))
    made_here = definition.get("is_custom_field", definition.get("edit_flag", True))
    if not isinstance(key, str) or not KEY.fullmatch(key) or made_here is False:
        return None
    if definition.get("active_flag") is False or definition.get("is_subfield"):
        return None
    name = definition.get("field_name", definition.get("name"))
    options = definition.get("options")
    return Field(
        key,
        str(name or ""),
        str(definition.get("field_type") or ""),
        tuple(
            Option(option["id"], str(option.get("label") or ""))
            for option in (options if isinstance(options, list) else ())
            if isinstance(option, dict) and option.get("id") is not None
        ),
    )


def read_fields(definitions: Iterable[Mapping[str, Any]]) -> tuple[Field, ...]:
    """The custom fields among *definitions*, in their order."""
    found = (read_field(definition) for definition in definitions if isinstance(definition, Mapping))
    return tuple({field.key: field for field in found if field is not None}.values())
