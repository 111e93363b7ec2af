"""The order that PostgreSQL was promised, as a key of records."""

from __future__ import annotations

from typing import Any, Callable

from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.codec import CODECS
from pipedrive_fdw.plan.paths import Order
from pipedrive_fdw.run.rows import Record, dig


class _Reversed:
    """Compares the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self.value == other.value


def sort_key(order: tuple[Order, ...], table: Table) -> Callable[[Record], list[Any] | None]:
    """A key by which records compare as PostgreSQL compares the columns of *order*.

    None for a record in which one of them is empty. PostgreSQL keeps no such row (the order would not have
    been promised), and where it stands in a list is the API's choice.
    """
    readers = []
    for one in order:
        column = table.column(one.column)
        if column is not None:
            readers.append((one.reverse, column.path, CODECS[column.type]))

    def key(record: Record) -> list[Any] | None:
        parts: list[Any] = []
        for reverse, path, codec in readers:
            raw = dig(record, path)
            loaded = None if raw is None else codec.load(raw)
            if loaded is None:
                return None
            value = codec.parse(loaded)
            parts.append(_Reversed(value) if reverse else value)
        return parts

    return key
