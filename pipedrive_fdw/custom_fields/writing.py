"""Rows → the part of a request body that sets custom fields.

``changes(old, new, columns, definitions, flat)`` is the whole of it: *old* is the row as scanned (None for
an INSERT), *new* the row as it shall be, both column name → canonical value (what Codec.parse gives) or
None. A field is sent when one of its columns differs, and then whole, since v2 sets the parts that a request
leaves out to null; a field of which no column differs is never sent. NULL clears a field by null: an empty
list for a set, or an empty ``custom_fields`` object, would be an error or clear everything.

Everything that cannot be sent is a WriteError, before any request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from pipedrive_fdw.custom_fields.columns import CustomColumn
from pipedrive_fdw.custom_fields.field import FieldOption, whole
from pipedrive_fdw.custom_fields.kinds import (
    ADDRESS,
    CHOICES,
    CREATABLE,
    CURRENCY,
    ID,
    LINK,
    LINKS,
    PARTS,
    TIMEZONE,
    UNTIL,
)
from pipedrive_fdw.errors import WriteError, closest, did_you_mean, sentences
from pipedrive_fdw.values.codec import UNREADABLE, dumped, same
from pipedrive_fdw.values.numbertext import whole_number
from pipedrive_fdw.values.shapes import Place, check, prepared

Row = Mapping[str, Any]
_SHOWN = 10


class FieldInformation(Protocol):
    """The present definitions of fields in Pipedrive. Asking may cost a request."""

    def gone(self, field: str) -> bool:
        """True if there is no field with this key any more."""

    def options(self, field: str, labels: Collection[str]) -> Sequence[FieldOption]:
        """The options of a field, read anew where what is remembered lacks one of *labels*."""


def changes(
    old: Row | None,
    new: Row,
    columns: Iterable[CustomColumn],
    definitions: FieldInformation,
    flat: bool = False,
    present: Collection[str] = (),
) -> dict[str, Any]:
    """The members that custom fields add to the body of a request; empty where none changes.

    *flat* is v1's form (leads, api_version 'v1'), whose keys stand at the root of the body. *present* are
    the keys in the scanned record, whose fields exist. The other fields are looked up first, since v1
    silently ignores a key that it does not know.

    Raises WriteError for a value that cannot be sent.
    """
    fields: dict[str, list[CustomColumn]] = {}
    for column in columns:
        fields.setdefault(column.field, []).append(column)
    body: dict[str, Any] = {}
    for parts in fields.values():
        change = _Change(old, new, parts, flat)
        if change.changed:
            if change.field not in present and not change.was_set and definitions.gone(change.field):
                raise WriteError(
                    f"column {change.name(min(change.changed))} cannot be set",
                    detail="Its field was deleted in Pipedrive. Nothing was sent for this row.",
                    hint="Leave it out of the statement; pipedrive.refresh_columns names such columns.",
                )
            body.update(change.body(definitions))
    if flat:
        return body
    return {"custom_fields": body} if body else {}


class _Change:
    """One field whose columns *parts* may have changed."""

    def __init__(self, old: Row | None, new: Row, parts: Sequence[CustomColumn], flat: bool) -> None:
        self.field, self.kind, self.flat = parts[0].field, parts[0].kind, flat
        self.columns = {column.part: column for column in parts}
        self._old, self._new = old or {}, new
        self.changed = {part for part, column in self.columns.items() if self._differs(column)}

    def _differs(self, column: CustomColumn) -> bool:
        """True if *column* gets another value; of a record behind an id, the id alone counts."""
        if column.name not in self._new:
            return False
        old, new = self._old.get(column.name), self._new[column.name]
        if same(old, _nothing(new) if column.kind in CHOICES else new):
            return False
        return column.kind not in LINKS or new is None or self._names_another(old, new)

    def _names_another(self, old: Any, new: Any) -> bool:
        """True if the object or id *new* names another record than *old*; only its id can be set."""
        before = old if isinstance(old, dict) else {}
        place = Place(f"column {self.name()}", self.name())
        if isinstance(new, dict):
            check(LINK, new, {name: one for name, one in before.items() if name not in LINK.shown}, place)
        if not before or whole(before.get("value", before.get("id"))) != self._id_of(new):
            return True
        if isinstance(new, dict):
            check(LINK, new, before, place)
        return False

    @property
    def was_set(self) -> bool:
        """True if the scanned record has a value for the field."""
        return any(self.before(part) is not None for part in self.columns)

    def value(self, part: str) -> Any:
        column = self.columns.get(part)
        if column is None:
            return None
        return self._new.get(column.name, self._old.get(column.name))

    def before(self, part: str) -> Any:
        column = self.columns.get(part)
        return self._old.get(column.name) if column else None

    def name(self, part: str = "") -> str:
        """The column, for messages."""
        column = self.columns.get(part)
        return column.name if column else f"{next(iter(self.columns.values())).name} ({part or 'value'})"

    def sent(self, part: str) -> Any:
        """The part's value as JSON."""
        value, column = self.value(part), self.columns.get(part)
        if value is None or column is None:
            return None
        if value is UNREADABLE:
            raise WriteError(
                f"column {column.name} must be given too",
                detail="A field is sent with all its parts, and PostgreSQL cannot hold the present value of "
                "this one.",
                hint="Set it in the same statement.",
            )
        try:
            return dumped(column.field_type, value)
        except (ValueError, AttributeError, TypeError) as error:
            raise WriteError(f"column {column.name} cannot be sent", detail=sentences(str(error))) from None

    # ---- by type

    def body(self, definitions: FieldInformation) -> dict[str, Any]:
        """Keys and values for custom_fields, or for the root of a v1 body."""
        if self.kind not in CREATABLE:
            raise WriteError(
                f"column {self.name(min(self.changed))} cannot be set",
                detail=f"Pipedrive lets nobody write fields of type {self.kind}.",
                hint="Leave it out of the statement.",
            )
        if self.kind in CHOICES:
            return {self.field: self._choice(definitions)}
        if self.kind in LINKS:
            return {self.field: self._link()}
        if self.kind == "address":
            return self._address()
        if len(CREATABLE[self.kind]) > 1:
            return self._composed()
        return {self.field: self.sent("")}

    def _choice(self, definitions: FieldInformation) -> Any:
        value, column = _nothing(self.value("")), self.columns[""]
        if value is None:
            return None
        several = value if isinstance(value, list) else [value]
        if None in several:
            raise WriteError(f"column {column.name} does not allow NULL among its elements")
        labels = [one for one in several if not isinstance(one, int)]
        if labels:
            gone = self._ids_shown()
            options = definitions.options(self.field, [one for one in labels if one not in gone])
            several = [self._option(one, options, gone) for one in several]
        if self.kind == "enum":
            return several[0]
        ids = list(dict.fromkeys(several))
        return ",".join(map(str, ids)) if self.flat else ids

    def _ids_shown(self) -> Collection[str]:
        """The ids that stand in the set as scanned for options which are gone in Pipedrive: they may stay."""
        before = self.before("")
        return [one for one in before if whole_number(one) is not None] if isinstance(before, list) else ()

    def _option(self, one: Any, options: Sequence[FieldOption], gone: Collection[str]) -> Any:
        if isinstance(one, int):
            return one
        if one in gone and not any(one in (option.label, str(option.id)) for option in options):
            return int(one)
        return option_id(self.name(), one, options)

    def _link(self) -> Any:
        """The id, from x_id or from x (a bare id or an object); where both were given they must agree."""
        key = self.sent(ID) if ID in self.changed else None
        record = self.value("")
        named = self._id_of(record)
        if {"", ID} <= self.changed and key != named:
            raise WriteError(
                f"columns {self.name(ID)} and {self.name()} contradict each other",
                detail=f"{self.name(ID)} is {key}, but {self.name()} names {named}.",
                hint=f"Set one of them; {self.name(ID)} is enough.",
            )
        return key if ID in self.changed else named

    def _id_of(self, record: Any) -> int | None:
        found = record.get("value", record.get("id")) if isinstance(record, dict) else record
        if isinstance(found, str):
            found = whole_number(found)
        if found is None and record is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int):
            raise WriteError(
                f"column {self.name()} names no id",
                detail=f"It is {record!r}."[:300],
                hint="""Give the id, or an object like {"value": 149}.""",
            )
        return found

    def _composed(self) -> dict[str, Any]:
        """monetary, daterange, time, timerange."""
        main = self.sent("")
        others = [part for part in self.columns if part]
        if main is None:
            alone = [part for part in others if part in self.changed and self.value(part) is not None]
            if alone:
                raise WriteError(
                    f"column {self.name(alone[0])} cannot be set while {self.name()} is NULL",
                    hint=f"Set {self.name()} too, or set all of them to NULL.",
                )
            return {self.field: None}
        self._check_complete()
        for part in (CURRENCY, UNTIL):
            needed = part in [one.name for one in CREATABLE[self.kind]]
            if needed and self.value(part) is None and not (self.flat and part == CURRENCY):
                raise WriteError(
                    f"column {self.name(part)} is missing",
                    detail=f"A field of type {self.kind} takes {self.name()} and {self.name(part)} together.",
                    hint=f"Set {self.name(part)} too.",
                )
        given = [part for part in (CURRENCY, UNTIL) if self.value(part) is not None or self._emptied(part)]
        values = {part: self.sent(part) for part in given}
        values.update(self._timezone())
        if self.flat:
            return {self.field: main, **{f"{self.field}_{name}": one for name, one in values.items()}}
        return {self.field: {"value": main, **values}}

    def _check_complete(self) -> None:
        """Raises WriteError where a part would be lost because the foreign table has no column for it."""
        lacking = [one.name for one in CREATABLE[self.kind] if one.name not in self.columns]
        if lacking and self.was_set and not self.flat:
            raise WriteError(
                f"column {self.name()} cannot be changed without its part {lacking[0]}",
                detail="Pipedrive sets parts to NULL that are not sent, and the foreign table has no column "
                "for this one. Nothing was sent for this row.",
                hint=f"ALTER FOREIGN TABLE … ADD COLUMN … OPTIONS (field '{self.field}', type '{self.kind}', "
                f"part '{lacking[0]}').",
            )

    def _emptied(self, part: str) -> bool:
        """True if v1 needs null for a part, which has a key of its own there."""
        return self.flat and part in self.changed and self.value(part) is None

    def _timezone(self) -> dict[str, Any]:
        """v2 takes the zone's name, v1 the number by which it also gives it."""
        zone = self.value(TIMEZONE)
        if zone is None:
            return {"timezone_id": None} if self._emptied(TIMEZONE) else {}
        number = whole_number(zone)
        if number is not None:
            return {"timezone_id": number}
        if self.flat:
            raise WriteError(
                f"column {self.name(TIMEZONE)} cannot be {zone!r}",
                detail="API v1 takes the number of a time zone.",
                hint="Use the number that other rows show, or leave it NULL.",
            )
        return {"timezone_name": zone}

    def _address(self) -> dict[str, Any]:
        """The text and its parts, all of them: parts that are left out become null."""
        text, before = self.value(""), self.before(PARTS)
        place = Place(f"column {self.name(PARTS)}", self.name(PARTS))
        kept = dict(prepared(ADDRESS, self.value(PARTS), before, place) or {})
        inside = kept.pop("value", None)
        if inside is not None and inside != text:
            if text is not None and "" in self.changed:
                raise WriteError(
                    f"columns {self.name()} and {self.name(PARTS)} contradict each other",
                    detail=f"""{self.name()} is {text!r}, "value" is {inside!r}."""[:300],
                    hint=f"""Leave "value" out of {self.name(PARTS)}.""",
                )
            text = inside
        if text is None:
            if PARTS in self.changed and kept:
                raise WriteError(
                    f"column {self.name(PARTS)} cannot be set while {self.name()} is NULL",
                    hint=f"Set {self.name()}, the address as typed, too.",
                )
            return {self.field: None}
        if not self.flat:
            return {self.field: {"value": text, **kept}}
        gone = dict.fromkeys(before or ())
        return {self.field: text, **{f"{self.field}_{name}": one for name, one in {**gone, **kept}.items()}}


def _nothing(value: Any) -> Any:
    """An empty set is none at all: Pipedrive takes null for it, and no empty list."""
    return None if value == [] else value


def option_id(column: str, label: str, options: Sequence[FieldOption]) -> Any:
    """The id of the option with this label, or whose id it is.

    Raises WriteError when there is none, listing some that are there, or when several have the label.
    """
    found = [option.id for option in options if option.label == label]
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        raise WriteError(
            f"column {column}: {len(found)} options are called {label!r}",
            hint=f"Give the id instead: one of {', '.join(map(str, found))}.",
        )
    for option in options:
        if str(option.id) == label:
            return option.id
    labels = [option.label for option in options]
    shown = list(dict.fromkeys((*closest(label, labels, 3), *labels)))[:_SHOWN]
    more = f" and {len(labels) - len(shown)} more" if len(labels) > len(shown) else ""
    raise WriteError(
        f"column {column} has no option {label!r}",
        detail="Nothing was sent for this row.",
        hint=sentences(did_you_mean(label, labels), f"Its options are: {', '.join(map(repr, shown))}{more}")
        if labels
        else "It has no options.",
    )
