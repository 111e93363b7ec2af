"""The shape of a structured JSON value: what the API documents, what a given value is checked against.

The API ignores a key that it does not know, and what it stored under the right key is then gone. So a value
that is written is checked before any request. What was read may be written back: a part that stands there
already is never refused, null parts are left out where the API takes none, and so are keys that only answers
have.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Callable, NamedTuple

import orjson

from pipedrive_fdw.errors import WriteError, did_you_mean, sentences

OBJECT, LIST, MAP = "object", "list", "map"


@dataclass(frozen=True)
class Shape:
    """The form that a JSON value must have.

    kind      OBJECT, LIST, MAP (an object whose keys are free), or the kind of a scalar (SCALARS)
    parts     of an OBJECT: key → shape
    required  of an OBJECT: keys that must be given
    shown     of an OBJECT: keys that only answers have
    open      of an OBJECT: the API takes keys beyond *parts*, and keeps parts that are not given
    items     of a LIST or MAP: the shape of its elements
    nullable  the API takes null
    """

    kind: str
    parts: Mapping[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    open: bool = False
    items: Shape | None = None
    nullable: bool = False

    def requiring(self, keys: str) -> Shape:
        """The object that must have *keys*, parted by blanks."""
        return replace(self, required=tuple(keys.split()))

    def showing(self, keys: str) -> Shape:
        """The object that has *keys*, parted by blanks, in answers."""
        return replace(self, shown=tuple(keys.split()))


TEXT, INTEGER, NUMBER, BOOLEAN, DATE = map(Shape, ("text", "integer", "number", "boolean", "date"))
SCALAR = Shape("scalar")


def object_of(**parts: Shape) -> Shape:
    return Shape(OBJECT, parts)


def open_object_of(**parts: Shape) -> Shape:
    return Shape(OBJECT, parts, open=True)


def list_of(items: Shape) -> Shape:
    return Shape(LIST, items=items)


def map_of(items: Shape) -> Shape:
    return Shape(MAP, items=items)


def nullable(shape: Shape) -> Shape:
    return replace(shape, nullable=True)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _is_date(value: Any) -> bool:
    try:
        return bool(dt.date.fromisoformat(value).isoformat() == value)
    except (TypeError, ValueError):
        return False


# Kind → its name in messages, and the test of a JSON value.
_KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    OBJECT: ("an object", lambda value: isinstance(value, dict)),
    MAP: ("an object", lambda value: isinstance(value, dict)),
    LIST: ("a list", lambda value: isinstance(value, list)),
    "text": ("a text", lambda value: isinstance(value, str)),
    "integer": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "number": ("a number", _is_number),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "date": ("a date like 2026-01-31", _is_date),
    "scalar": ("a text, a number, true or false", lambda value: not isinstance(value, (dict, list))),
}
_NOTHING_SENT = "Nothing was sent for this row."


def form(shape: Shape, answer: bool = False) -> str:
    """The form in short, for people: ``[{value, primary, label}]``; *answer*: as answers have it."""
    if shape.kind == LIST and shape.items is not None:
        return f"[{form(shape.items, answer)}]"
    if shape.kind == OBJECT:
        inside = [_inside(name, form(part, answer)) for name, part in shape.parts.items()]
        return "{" + ", ".join([*inside, *(shape.shown if answer else ())]) + "}"
    return "…"


def _inside(name: str, inner: str) -> str:
    return name if inner in ("…", "[…]") else f"{name}: {inner}"


class Place(NamedTuple):
    """The place of a value in messages: the whole in words ("column emails of persons"), and the path of the
    part ("emails[0].label")."""

    subject: str
    path: str

    def key(self, key: str) -> Place:
        return self._replace(path=f"{self.path}.{key}")

    def inside(self, value: Any) -> Iterator[tuple[Place, Any]]:
        """The elements of a list, or the values of an object, each with its place."""
        if isinstance(value, dict):
            yield from ((self.key(key), one) for key, one in value.items())
        else:
            yield from (
                (self._replace(path=f"{self.path}[{number}]"), one) for number, one in enumerate(value)
            )


def check(shape: Shape, value: Any, before: Any, place: Place) -> None:
    """Raises WriteError for what the API does not document in *value*.

    *before* is what stands there, None in a new record.
    """
    _check(shape, value, [] if before is None else [before], place)


def prepared(shape: Shape, value: Any, before: Any, place: Place) -> Any:
    """*value* as it is sent, None where nothing is left of it. Raises WriteError as ``check`` does."""
    if value is None:
        return None
    check(shape, value, before, place)
    kept = tidied(shape, value)
    return None if value and kept == {} and not shape.open else kept


def tidied(shape: Shape, value: Any) -> Any:
    """*value* without null parts that the API does not take, and without keys that it does not know."""
    if shape.items is not None and isinstance(value, list):
        return [tidied(shape.items, one) for one in value]
    if shape.kind != OBJECT or not isinstance(value, dict):
        return value
    out = {}
    for key, part in value.items():
        known = shape.parts.get(key)
        if known is None:
            if shape.open and key not in shape.shown:
                out[key] = part
        elif part is not None or known.nullable:
            out[key] = tidied(known, part)
    return out


def _stands(value: Any, before: Sequence[Any]) -> bool:
    """True if *value* is one of *before*; true and 1 are two values."""
    return any(_text(one) == _text(value) for one in before)


def _text(value: Any) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS)


def _check(shape: Shape, value: Any, before: Sequence[Any], place: Place) -> None:
    """``check`` of a part; *before* is what may have stood at its place.

    The elements of a list have no identity: any of those before counts.
    """
    if _stands(value, before) or (value is None and shape.nullable):
        return
    word, fits = _KINDS[shape.kind]
    if value is None or not fits(value):
        shown = orjson.dumps(value, default=str).decode()
        raise WriteError(
            f"{place.subject} is not of the form that Pipedrive takes",
            detail=f"{place.path} must be {word}, and is {shown[:100]}. {_NOTHING_SENT}",
            hint=f"The form is {form(shape)}." if shape.kind in (OBJECT, LIST) else "",
        )
    if shape.kind == OBJECT:
        _check_object(shape, value, [one for one in before if isinstance(one, dict)], place)
    elif shape.items is not None:
        inner = list(_elements(before, shape.kind))
        for where, one in place.inside(value):
            _check(shape.items, one, inner, where)


def _elements(before: Sequence[Any], kind: str) -> Iterator[Any]:
    for one in before:
        if kind == LIST and isinstance(one, list):
            yield from one
        elif kind == MAP and isinstance(one, dict):
            yield from one.values()


def _check_object(
    shape: Shape, value: Mapping[str, Any], before: Sequence[Mapping[str, Any]], place: Place
) -> None:
    for key, part in value.items():
        stood = [one[key] for one in before if key in one]
        known = shape.parts.get(key)
        if known is None:
            # A key that only answers have is of no use; it must not contradict what stands there
            if not _stands(part, stood) and (stood or key not in shape.shown):
                raise _unknown(shape, key, place)
        elif part is None and not known.nullable:
            if shape.open and any(one is not None for one in stood):
                raise WriteError(
                    f"{place.subject} cannot be sent",
                    detail=f"{place.key(key).path} cannot be null. {_NOTHING_SENT}",
                    hint="Give it a value, or leave the key out.",
                )
        else:
            _check(known, part, stood, place.key(key))
    missing = [key for key in shape.required if key not in value or _lacks(shape, value, key)]
    if missing:
        raise WriteError(
            f"{place.subject} lacks the key {_quoted(missing)}",
            detail=f"{place.path} must have it. {_NOTHING_SENT}",
            hint=f"The form is {form(shape)}.",
        )


def _lacks(shape: Shape, value: Mapping[str, Any], key: str) -> bool:
    return value[key] is None and not shape.parts[key].nullable


def _unknown(shape: Shape, key: str, place: Place) -> WriteError:
    if key in shape.shown:
        return WriteError(
            f'the key "{key}" of {place.subject} cannot be set',
            detail=f"Pipedrive sets it itself. It is part of {place.path}. {_NOTHING_SENT}",
            hint=f"Leave it out, or leave it unchanged. Valid keys: {', '.join(shape.parts)}.",
        )
    return WriteError(
        f'{place.subject} has no key "{key}"',
        detail=f"It is in {place.path}, and Pipedrive does not know it. {_NOTHING_SENT}",
        hint=sentences(did_you_mean(key, shape.parts), f"Valid keys: {', '.join(shape.parts)}"),
    )


def _quoted(keys: Sequence[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)
