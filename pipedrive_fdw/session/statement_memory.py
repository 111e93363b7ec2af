"""The answers that a statement has got, so that no request is paid for twice."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from typing import Any, Callable

from pipedrive_fdw.api.cache import unpack
from pipedrive_fdw.postgres.statement_scope import StatementScope

# The part of the memory that holds answers as they came. Packing takes time, and most statements are small.
_PLAIN_PART = 8


class _Answers:
    """The answers since the memory was emptied.

    epoch       differs from that of every other emptying
    bodies      by key: whether it is packed, and the bytes; those used last stand last
    operations  those that answered, by version and path
    size        bytes of all bodies
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.bodies: OrderedDict[Any, tuple[bool, bytes]] = OrderedDict()
        self.operations: set[tuple[int, str]] = set()
        self.size = 0


class StatementMemory:
    """Answers of the current statement, up to *capacity* bytes; those not used for the longest time go first.

    They are kept as they came until memory ``is_short``, and packed from then on. *statement* gives a mark
    that changes with every statement; a write empties the memory, and what was asked for before it is not
    kept.
    """

    def __init__(self, capacity: int, statement: Callable[[], Any]) -> None:
        self._capacity = capacity
        epochs = itertools.count()
        self._scope = StatementScope(lambda: _Answers(next(epochs)), statement)

    def clear(self) -> None:
        self._scope.drop()

    @property
    def answered(self) -> set[tuple[int, str]]:
        """The operations that gave an answer in the statement, by version and path."""
        return self._scope.latest().operations

    @property
    def epoch(self) -> int:
        """A number that changes whenever the memory is emptied."""
        return self._scope.latest().epoch

    @property
    def is_short(self) -> bool:
        """True when further answers are to be packed."""
        return self._scope.latest().size > self._capacity // _PLAIN_PART

    def __contains__(self, key: Any) -> bool:
        return key in self._scope.current().bodies

    def get(self, key: Any) -> bytes | None:
        bodies = self._scope.current().bodies
        found = bodies.get(key)
        if found is None:
            return None
        bodies.move_to_end(key)
        is_packed, kept = found
        return unpack(kept) if is_packed else kept

    def put(self, key: Any, body: bytes, packed: bytes, epoch: int) -> None:
        """Keeps *body*, asked for in *epoch*; in its *packed* form, if there is one, when memory is short."""
        answers = self._scope.current()
        if epoch != answers.epoch:
            return
        answers.size -= len(answers.bodies.pop(key, (False, b""))[1])
        kept = (True, packed) if packed and self.is_short else (False, body)
        if len(kept[1]) > self._capacity:
            return
        answers.bodies[key] = kept
        answers.size += len(kept[1])
        while answers.size > self._capacity:
            _, (_, dropped) = answers.bodies.popitem(last=False)
            answers.size -= len(dropped)
