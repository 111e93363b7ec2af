"""A row of a nested table → the array of its record with one element added, changed or left out. Pure.

The API takes such an array whole. Rows and elements are told apart by the key; several elements of one record
may have the same one (a mail address that was entered twice), so the other columns help.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipedrive_fdw.catalog.model import Column, Table
from pipedrive_fdw.errors import WriteError
from pipedrive_fdw.plan.row_changes import Row, sent
from pipedrive_fdw.values.codec import CODECS, UNREADABLE, Codec, same

Elements = Sequence[Mapping[str, Any]]


def added(table: Table, elements: Elements, row: Row) -> list[dict[str, Any]]:
    """The array with the row's element at its end."""
    given = {name: value for name, value in row.items() if value is not None}
    return _alone(table, [*_kept(table, elements), element_of(table, given)], -1)


def changed(table: Table, elements: Elements, old: Row, row: Row) -> list[dict[str, Any]]:
    """The array whose element *old* is as *row*. Raises WriteError when the element is gone."""
    place = _sure_place(table, elements, old)
    array = _kept(table, elements)
    names = [name for name, value in row.items() if not same(old.get(name), value)]
    element = {**array[place], **element_of(table, row, names)}
    array[place] = {name: value for name, value in element.items() if value is not None}
    return _alone(table, array, place)


def removed(table: Table, elements: Elements, old: Row) -> list[dict[str, Any]]:
    """The array without the element *old*. Raises WriteError when it is gone."""
    array = _kept(table, elements)
    del array[_sure_place(table, elements, old)]
    return array


def place_of(table: Table, elements: Elements, row: Row) -> int | None:
    """Where the element stands that was just written as *row*: of those with its key the one that is most
    like it, and the last where several are. Pipedrive fills in what a new one lacks.

    None when there is no such element.
    """
    places = _places(table, elements, row)
    given = {name: value for name, value in row.items() if value is not None}
    found = _most_alike(table, elements, places, given) or places
    return found[-1] if found else None


def element_of(table: Table, row: Row, only: Iterable[str] | None = None) -> dict[str, Any]:
    """*row* as an element of the array; *only* some columns."""
    names = row.keys() if only is None else set(only)
    return {_name(c): sent(table, c, row[c.name]) for c in _inner(table) if c.name in row and c.name in names}


def _inner(table: Table) -> list[Column]:
    return [c for c in table.columns if not c.outer and (c.insert or c.update)]


def _name(column: Column) -> str:
    return column.body or column.path[-1]


def _kept(table: Table, elements: Elements) -> list[dict[str, Any]]:
    """The elements as they are sent back: what can be written of them."""
    names = [_name(c) for c in _inner(table)]
    return [{name: e[name] for name in names if e.get(name) is not None} for e in elements]


def _alike(inner: Iterable[Column], element: Mapping[str, Any], row: Row, names: set[str]) -> bool:
    for column in inner:
        if column.name in names:
            value = _canonical(CODECS[column.type], element.get(column.path[-1]))
            if not same(value, row.get(column.name)):
                return False
    return True


def _canonical(codec: Codec, raw: Any) -> Any:
    try:
        loaded = None if raw is None else codec.load(raw)
    except ValueError:
        return UNREADABLE
    return None if loaded is None else codec.parse(loaded)


def _places(table: Table, elements: Elements, row: Row) -> list[int]:
    """The places of the elements that have the key of *row*."""
    inner = _inner(table)
    return [n for n, element in enumerate(elements) if _alike(inner, element, row, set(table.key))]


def _most_alike(table: Table, elements: Elements, places: list[int], row: Row) -> list[int]:
    """Those of *places* with the values of *row*; where there are none, those that differ only in flags,
    which a change of another element clears."""
    inner = _inner(table)
    flags = {column.name for column in inner if column.single}
    exact = [n for n in places if _alike(inner, elements[n], row, set(row))]
    return exact or [n for n in places if _alike(inner, elements[n], row, set(row) - flags)]


def _sure_place(table: Table, elements: Elements, old: Row) -> int:
    """The place of the element that was read as *old*. Raises WriteError where it cannot be told."""
    places = _places(table, elements, old)
    alike = _most_alike(table, elements, places, old)
    if not places:
        raise WriteError(f"this element of {table.name} no longer exists")
    if not alike and len(places) > 1:
        raise WriteError(
            f"this element of {table.name} cannot be told from others",
            detail="Several have its key, and none has the values that were read.",
            hint="They were changed meanwhile. Try again.",
        )
    return (alike or places)[0]


def _alone(table: Table, array: list[dict[str, Any]], place: int) -> list[dict[str, Any]]:
    """*array* where the element at *place* is the only one with a flag that one element alone can have."""
    for name in (_name(c) for c in _inner(table) if c.single):
        if array[place].get(name) is True:
            for other in array:
                if other is not array[place] and name in other:
                    other[name] = False
    return array
