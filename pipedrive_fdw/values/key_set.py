"""Keys of records that were met, in little memory."""

from __future__ import annotations

from typing import Any

_CHUNK = 4096


class KeySet:
    """One bit for each integer, since ids are dense, and a hash for each other key."""

    def __init__(self) -> None:
        self._bits: dict[int, int] = {}
        self._others: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._bits or self._others)

    def __contains__(self, key: Any) -> bool:
        if not isinstance(key, int):
            return _mark(key) in self._others
        chunk, bit = divmod(key, _CHUNK)
        return bool(self._bits.get(chunk, 0) >> bit & 1)

    def add(self, key: Any) -> bool:
        """Adds *key*; True when it is new. A missing key (None) is always new."""
        if key is None:
            return True
        if key in self:
            return False
        if isinstance(key, int):
            chunk, bit = divmod(key, _CHUNK)
            self._bits[chunk] = self._bits.get(chunk, 0) | 1 << bit
        else:
            self._others.add(_mark(key))
        return True


def _mark(key: Any) -> int:
    """A hashable value for *key*, also where an answer has a list or an object in its place."""
    return hash(key if isinstance(key, (str, bytes)) else repr(key))
