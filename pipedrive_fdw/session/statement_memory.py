"""The answers that a statement has got, so that no request is paid for twice."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Callable

from pipedrive_fdw.postgres.statement_scope import StatementScope


class _Answers:
    """Packed bodies by key, the oldest first, and the operations that answered, by version and path."""

    def __init__(self) -> None:
        self.bodies: OrderedDict[Any, bytes] = OrderedDict()
        self.operations: set[tuple[int, str]] = set()
        self.size = 0


class StatementMemory:
    """Answers of the current statement, packed, up to *capacity* bytes; the oldest go first.

    *statement* gives a mark that changes with every statement; a write empties the memory.
    """

    def __init__(self, capacity: int, statement: Callable[[], Any]) -> None:
        self._capacity = capacity
        self._scope = StatementScope(_Answers, statement)

    def clear(self) -> None:
        self._scope.drop()

    @property
    def answered(self) -> set[tuple[int, str]]:
        """The operations that gave an answer in the statement, by version and path."""
        return self._scope.latest().operations

    def get(self, key: Any) -> bytes | None:
        return self._scope.current().bodies.get(key)

    def put(self, key: Any, packed: bytes) -> None:
        answers = self._scope.current()
        answers.size -= len(answers.bodies.pop(key, b""))
        if len(packed) > self._capacity:
            return
        answers.bodies[key] = packed
        answers.size += len(packed)
        while answers.size > self._capacity:
            _, dropped = answers.bodies.popitem(last=False)
            answers.size -= len(dropped)
