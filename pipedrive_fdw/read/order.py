"""The order that PostgreSQL was promised, as a key of records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Callable, TypeVar

from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.errors import ProtocolError
from pipedrive_fdw.plan.paths import Order
from pipedrive_fdw.table.binding import Binding
from pipedrive_fdw.table.records import Record, Row, dig
from pipedrive_fdw.table.scan_request import SortKey
from pipedrive_fdw.values.codec import CODECS


class _Reversed:
    """Compares the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self.value == other.value


Refuse = Callable[[str, Record, Exception], None]


def sort_key(order: tuple[Order, ...], table: Table, refuse: Refuse) -> Callable[[Record], list[Any] | None]:
    """A key by which records compare as PostgreSQL compares the columns of *order*.

    None for a record in which one of them is empty. PostgreSQL keeps no such row (the order would not have
    been promised), and where it stands in a list is the API's choice. *refuse* raises the error of a column
    that cannot show the value of a record, or lets it be shown as NULL.
    """
    readers = []
    for one in order:
        column = table.column(one.column)
        if column is not None:
            readers.append((one, column.path, CODECS[column.type]))

    def key(record: Record) -> list[Any] | None:
        parts: list[Any] = []
        for one, path, codec in readers:
            raw = dig(record, path)
            try:
                loaded = None if raw is None else codec.load(raw)
            except ValueError as reason:
                refuse(one.column, record, reason)
                return None
            if loaded is None:
                return None
            value = codec.parse(loaded)
            parts.append(_Reversed(value) if one.reverse else value)
        return parts

    return key


def is_exact(order: tuple[Order, ...], table: Table) -> bool:
    """Whether the API orders by it as ``sort_key`` does: of texts it is not known how they compare."""
    columns = [table.column(one.column) for one in order]
    return all(column is not None and column.type not in ("text", "uuid") for column in columns)


def row_key(order: Sequence[SortKey], binding: Binding) -> Callable[[Row], list[Any]]:
    """The same for rows of a scan, by columns of the foreign table. Empty values come last."""
    places = {bound.name: (number, bound.codec) for number, bound in enumerate(binding.columns)}
    readers = [(one.descending, *places[one.column]) for one in order]

    def key(row: Row) -> list[Any]:
        parts: list[Any] = []
        for descending, number, codec in readers:
            value = None if row[number] is None else codec.parse(row[number])
            parts += [value is None, _Reversed(value) if descending else value]
        return parts

    return key


Found = TypeVar("Found")


def in_order(
    run: Iterator[tuple[Any, Found]], order: tuple[Order, ...], table: Table
) -> Iterator[tuple[Any, Found]]:
    """*run*, records with their keys, as long as these come in *order*: PostgreSQL does not sort them again.

    Texts are taken as they come, for which the option push_text_sort asks. Raises ProtocolError where a list
    did not keep to the order that it was asked for.
    """
    if not is_exact(order, table):
        yield from run
        return
    before: Any = None
    for key, found in run:
        if before is not None and key < before:
            names = ", ".join(one.column for one in order)
            raise ProtocolError(
                f"a list of {table.name} is not in the order of {names} that it was asked for",
                detail="PostgreSQL was promised this order and would not sort again.",
                hint="Try again. ORDER BY an expression of it is sorted by PostgreSQL.",
            )
        before = key
        yield key, found
