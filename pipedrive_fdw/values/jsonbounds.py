"""Bounds of a JSON document: reading it takes bounded memory, and its value can be written again."""

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
        self._in_texts = len(self._brackets) > 2 * MOST_CONTAINERS
        if self._in_texts:
            self._brackets = b""
        # Two bytes hold a value at the most
        if self._in_texts or (len(body) > 2 * MOST_VALUES and body.count(b",") > MOST_VALUES):
            _check_size(body)

    def check(self, value: Any) -> None:
        """Raises ValueError when *value*, which was read, has more levels than can be written."""
        if self._may_be_deep() and _levels(value) > MOST_LEVELS:
            raise ValueError(f"lists and objects are nested more than {MOST_LEVELS} levels deep")

    def _may_be_deep(self) -> bool:
        """False when there are surely no more than MOST_LEVELS levels."""
        brackets = self._brackets
        for _ in range(MOST_LEVELS // 2):  # a pass takes two levels at the most
            before = len(brackets)
            brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
            if len(brackets) in (0, before):
                break
        return bool(brackets) or self._in_texts


def _check_size(body: bytes) -> None:
    """Raises ValueError when *body* has more values than a page can have, texts left aside."""
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    structure = plain.translate(None, _NOT_STRUCTURE)
    if structure.count(b'"') <= 4 * MOST_VALUES:  # two around a value, two around its name
        texts = [found[0] for found in _TEXT.finditer(structure) if found.end() - found.start() > 2]

        def outside(mark: bytes) -> int:
            return structure.count(mark) - sum(text.count(mark) for text in texts)

        if outside(b"[") + outside(b"{") <= MOST_CONTAINERS and outside(b",") <= MOST_VALUES:
            return
    raise ValueError(f"it has more than {MOST_CONTAINERS} lists and objects, or {MOST_VALUES} values")


def _levels(value: Any) -> int:
    """The depth of lists and objects in *value*."""
    level, count = [value], 0
    while level:
        level = [part for part in level if part.__class__ is dict or part.__class__ is list]
        count += bool(level)
        level = [part for one in level for part in (one.values() if one.__class__ is dict else one)]
    return count
