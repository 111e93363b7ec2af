"""What a document of JSON may be made of, so that reading it takes bounded memory and what was read can be
written again."""

from __future__ import annotations

import re
from typing import Any

# Lists and objects, values of any kind, lists within lists. All of it takes some 64 MiB of memory beyond its
# texts. The largest page, 500 records of a thousand custom fields, is below.
MOST_CONTAINERS = 250_000
MOST_VALUES = 1_000_000
MOST_LEVELS = 200
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{},"'))
_TEXT = re.compile(rb'"[^"]*"')


class Bounds:
    """The bounds of one document, looked at before it is read and once more when it has been."""

    def __init__(self, body: bytes) -> None:
        """Raises ValueError when *body* has more values than a page can have."""
        self._brackets = body.translate(None, _NOT_BRACKETS)
        many = len(self._brackets) > 2 * MOST_CONTAINERS
        # Two bytes hold a value at the most
        if many or (len(body) > 2 * MOST_VALUES and body.count(b",") > MOST_VALUES):
            _check_size(body)

    def check(self, value: Any) -> None:
        """Raises ValueError when *value*, which was read, has more levels than can be written."""
        if self._may_be_deep() and _levels(value) > MOST_LEVELS:
            raise ValueError(f"lists and objects stand within each other at more than {MOST_LEVELS} levels")

    def _may_be_deep(self) -> bool:
        """False when there are surely no more than MOST_LEVELS levels."""
        brackets = self._brackets
        if len(brackets) > 2 * MOST_CONTAINERS:
            return True  # those in texts
        for _ in range(MOST_LEVELS):
            before = len(brackets)
            brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
            if len(brackets) in (0, before):
                break
        return bool(brackets)


def _check_size(body: bytes) -> None:
    """Raises ValueError when *body* has more values than a page can have, texts left aside."""
    structure = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_STRUCTURE)
    if structure.count(b'"') <= 4 * MOST_VALUES:  # two around a value, two around its name
        structure = _TEXT.sub(b"", structure)
        containers = structure.count(b"[") + structure.count(b"{")
        if containers <= MOST_CONTAINERS and structure.count(b",") <= MOST_VALUES:
            return
    raise ValueError(f"it has more than {MOST_CONTAINERS} lists and objects, or {MOST_VALUES} values")


def _levels(value: Any) -> int:
    """How many lists and objects stand within each other in *value*."""
    level, count = [value], 0
    while level:
        level = [part for part in level if part.__class__ is dict or part.__class__ is list]
        count += bool(level)
        level = [part for one in level for part in (one.values() if one.__class__ is dict else one)]
    return count
