"""Reading a list by offset that changes meanwhile: records before the next page come, go and move.

Each page is asked for so that it begins with the last record of the one before. This is why it is sound:
records that nobody touches keep their order. Those that were not read yet stand after each record that was
read and has not moved, so a page with such a record in it leaves none of them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Optional

from pipedrive_fdw.values.jsontext import comparable
from pipedrive_fdw.values.key_set import KeySet

# What a record compares by in the order that PostgreSQL was promised; None for one that does not say.
Rank = Callable[[Any], Optional[Any]]


class Reader:
    """The records read of one list: ``joins`` and then ``take``, page by page.

    *key* is the dotted path of what tells records apart, *sort* the parameter by which the list is ordered,
    empty where it has an order of its own. A record that moves gets another mark: the mark is made of the key
    and the fields of *sort*, or without *sort* of the whole record.
    """

    def __init__(self, key: str, sort: str = "", rank: Rank | None = None) -> None:
        self._path = key.split(".")
        self._fields = [part.split()[0] for part in sort.split(",") if part.strip()]
        self._rank = rank
        self._keys = KeySet()
        self._marks = self._keys if self._fields == [key] else KeySet()
        self._before: list[Any] = []  # the marks of the page before
        self._page: list[Any] = []  # and of this one
        self._given: tuple[Any, Any] | None = None  # the last record that was given, and its mark

    def _key(self, record: Any) -> Any:
        found = record
        for part in self._path:
            found = found.get(part) if isinstance(found, dict) else None
        return found if isinstance(found, (int, float, str)) else comparable(record)

    def _mark(self, record: Any) -> Any:
        if self._marks is self._keys:
            return self._key(record)
        if self._fields and isinstance(record, dict):
            return comparable([self._key(record), *(record.get(name) for name in self._fields)])
        return comparable(record)

    def joins(self, page: Sequence[Any], start: int) -> bool:
        """True if *page*, which begins at *start*, leaves out no record that was not read yet."""
        self._page = [self._mark(record) for record in page]
        joins = any(mark in self._marks for mark in self._page)
        if joins or start > 0:
            return joins
        if any(self._key(record) in self._keys for record in page):
            # No record is as it was: each answer words them anew (links that expire), so the keys must do
            self._marks = self._keys
            self._page = [self._key(record) for record in page]
        return True

    @property
    def repeats(self) -> bool:
        """True if the page is the same as the one before."""
        return self._page == self._before

    def take(self, page: Sequence[Any]) -> list[Any]:
        """The records of *page* that are new, in the order of the list.

        Of a sorted list, records that were added or moved to a place before the last one given are left out:
        they would come out of order.
        """
        given = self._given if self._fields else None
        first = self._page.index(given[1]) + 1 if given and given[1] in self._page else 0
        bound = self._rank(given[0]) if given and not first and self._rank is not None else None
        fresh = []
        for number, (record, mark) in enumerate(zip(page, self._page)):
            new = self._keys.add(self._key(record))
            self._marks.add(mark)
            if new and number >= first and not self._is_before(record, bound):
                fresh.append(record)
                self._given = record, mark
        self._before = self._page
        return fresh

    def _is_before(self, record: Any, bound: Any) -> bool:
        rank = None if bound is None or self._rank is None else self._rank(record)
        return rank is not None and bool(rank < bound)
