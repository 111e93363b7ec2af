"""Field types → the columns that show them, without names.

The sixteen types that a user can create are writable; the others, which only built-in fields and old
accounts have, are shown as the API gives them.
"""

from __future__ import annotations

from typing import NamedTuple

from pipedrive_fdw.values.shapes import SCALAR, TEXT, object_of

CURRENCY, UNTIL, TIMEZONE, ID, PARTS = "currency", "until", "timezone", "id", "parts"
# The parts of an address; v1 has them flat, under these names after the key.
ADDRESS_PARTS = (
    "subpremise",
    "street_number",
    "route",
    "sublocality",
    "locality",
    "admin_area_level_1",
    "admin_area_level_2",
    "country",
    "postal_code",
    "formatted_address",
)
# The object in x_address; "value" repeats the text in x.
ADDRESS = object_of(**dict.fromkeys(("value", *ADDRESS_PARTS), TEXT))
# The object in x of a link, from which the id is taken; answers have its other parts in version 1.
LINK = object_of(value=SCALAR, id=SCALAR).showing(
    "name email phone has_pic pic_hash active_flag people_count owner_id address cc_email"
)


class Part(NamedTuple):
    """One column of a field: *name* of the part ('' the value itself), *suffix* of the column, SQL type."""

    name: str
    suffix: str
    type: str


def _only(kind: str) -> tuple[Part, ...]:
    return (Part("", "", kind),)


_LINK = (Part(ID, "_id", "bigint"), Part("", "", "jsonb"))
CREATABLE: dict[str, tuple[Part, ...]] = {
    "varchar": _only("text"),
    "varchar_auto": _only("text"),
    "text": _only("text"),
    "phone": _only("text"),
    "double": _only("numeric"),
    "monetary": (Part("", "", "numeric"), Part(CURRENCY, "_currency", "text")),
    "enum": _only("text"),
    "set": _only("text[]"),
    "user": _LINK,
    "org": _LINK,
    "people": _LINK,
    "date": _only("date"),
    "daterange": (Part("", "", "date"), Part(UNTIL, "_until", "date")),
    "time": (Part("", "", "time"), Part(TIMEZONE, "_timezone", "text")),
    "timerange": (
        Part("", "", "time"),
        Part(UNTIL, "_until", "time"),
        Part(TIMEZONE, "_timezone", "text"),
    ),
    "address": (Part("", "", "text"), Part(PARTS, "_address", "jsonb")),
}
_NUMBERED = (
    "int visible_to stage pipeline deal activity product project projects_board projects_phase board phase"
)
OTHERS: dict[str, tuple[Part, ...]] = {
    **{kind: _only("bigint") for kind in _NUMBERED.split()},
    **{kind: _only("jsonb") for kind in ("json", "picture", "price_list", "deals")},
    "boolean": _only("boolean"),
}
LINKS = ("user", "org", "people")
CHOICES = ("enum", "set")


def parts_of(kind: str) -> tuple[Part, ...]:
    """The columns of a field of type *kind*; a type that nobody knows yet is shown as text."""
    return CREATABLE.get(kind) or OTHERS.get(kind) or _only("text")
