"""Arrays of PostgreSQL as literals, and lists of the API, by the conversions of their elements."""

from __future__ import annotations

import re
from typing import Any, Callable

from pipedrive_fdw.errors import quoted


def _quote_item(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def load_array(load: Callable[[Any], Any], quote: bool) -> Callable[[Any], str]:
    """``Codec.load`` of an array, by that of its elements; *quote* those that are texts.

    A value that is no list is the only element; a text is one of version 1's comma lists.
    """

    def item(value: Any) -> str:
        loaded = None if value is None else load(value)
        if loaded is None:
            return "NULL"
        return _quote_item(loaded) if quote else str(loaded)

    def array(value: Any) -> str:
        if isinstance(value, str):  # v1's comma lists
            value = [part for part in value.split(",") if part]
        if not isinstance(value, list):
            value = [value]
        return "{" + ",".join([item(v) for v in value]) + "}"

    return array


def parse_array_literal(text: str) -> list[str | None]:
    """A PostgreSQL array literal → its elements as text, whatever its bounds and dimensions.

    Raises ValueError for what is none.
    """
    text = re.sub(r"^[0-9:\[\]+-]+=", "", text)
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError(f"{text!r} is not an array")
    items: list[str | None] = []
    for found in re.finditer(r'"((?:[^"\\]|\\.)*)"|([^,{}]+)', text[1:-1], re.S):
        quoted, bare = found.groups()
        if quoted is not None:
            items.append(re.sub(r"\\(.)", r"\1", quoted, flags=re.S))
        else:
            items.append(None if bare.upper() == "NULL" else bare)
    return items


def parse_array(parse: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    """``Codec.parse`` of an array, by that of its elements."""

    def array(value: Any) -> list[Any]:
        if isinstance(value, str):
            value = parse_array_literal(value)
        if not isinstance(value, list):
            raise ValueError(f"{quoted(str(value))} is not an array")
        return [None if v is None else parse(v) for v in value]

    return array


def list_of(one: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    """``Codec.dump`` of an array, by that of *one* element. It raises ValueError for NULL and for several
    dimensions."""

    def dump(values: Any) -> list[Any]:
        if any(v is None or isinstance(v, list) for v in values):
            raise ValueError("an array of the API is a plain list without NULL")
        return [one(v) for v in values]

    return dump
