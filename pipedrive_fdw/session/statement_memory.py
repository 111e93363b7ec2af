"""Answers that a statement has had, so that no request is paid for twice."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Callable


class StatementMemory:
    """Answers of the current statement, packed, up to *capacity* bytes; the oldest go first.

    *statement* gives a mark that changes with every statement; a write empties the memory. ``answered`` are
    the operations that gave an answer in it, by version and path.
    """

    def __init__(self, capacity: int, statement: Callable[[], Any]) -> None:
        self._capacity = capacity
        self._statement = statement
        self._mark: Any = None
        self._size = 0
        self._bodies: OrderedDict[Any, bytes] = OrderedDict()
        self.answered: set[tuple[int, str]] = set()

    def _current(self) -> None:
        mark = self._statement()
        if mark != self._mark:
            self.clear()
            self._mark = mark

    def clear(self) -> None:
        self._bodies.clear()
        self.answered.clear()
        self._size = 0

    def get(self, key: Any) -> bytes | None:
        self._current()
        return self._bodies.get(key)

    def put(self, key: Any, packed: bytes) -> None:
        self._current()
        self._size -= len(self._bodies.pop(key, b""))
        if len(packed) > self._capacity:
            return
        self._bodies[key] = packed
        self._size += len(packed)
        while self._size > self._capacity:
            _, dropped = self._bodies.popitem(last=False)
            self._size -= len(dropped)
