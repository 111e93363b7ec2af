"""The field definitions that this session, or another one with the same credential, has read.

They change seldom, and every session that shows labels needs them. So sessions share them, apart from the
cache of answers, because a write to a record does not change them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pipedrive_fdw.api.cache import Began, SharedCache, pack, unpack
from pipedrive_fdw.custom_fields.field import Field, read_fields
from pipedrive_fdw.values.jsontext import parse_json, to_json

# The longest that fields_cache_ttl can be.
_KEPT_SECONDS = 86_400


class FieldDefinitions:
    """The definitions of one account and credential; *cache* is shared by sessions."""

    def __init__(self, cache: SharedCache) -> None:
        self._cache = cache
        # By place: when it was read, the fields, and for whom
        self._known: dict[str, tuple[float, tuple[Field, ...], object]] = {}

    def begin(self) -> Began:
        """Marks the time before a request for definitions, for ``put``."""
        return self._cache.begin()

    def get(self, place: str, seconds: float, reader: object) -> tuple[Field, ...] | None:
        """The fields of *place* as *reader* itself has read them, or anybody at most *seconds* ago."""
        known = self._known.get(place)
        if known is not None and (known[2] is reader or 0 <= time.time() - known[0] < seconds):
            return known[1]
        pages = self._cache.get(place, seconds)
        if not pages:
            return None
        read_at, packed = pages[0]
        try:
            fields = read_fields(parse_json(unpack(packed) or b""))
            self._known[place] = (float(read_at), fields, None)
        except (TypeError, ValueError):  # an odd file
            return None
        return fields

    def put(self, place: str, records: Sequence[Any], began: Began, reader: object) -> tuple[Field, ...]:
        """Remembers the *records* that *reader* has asked for since *began*; their fields."""
        fields = read_fields(records)
        self._known[place] = (began.time, fields, reader)
        self._cache.put(place, [(began.time, pack(to_json(records).encode()))], began, _KEPT_SECONDS)
        return fields

    def forget(self) -> None:
        """Drops all definitions after a write to one, here and in other sessions. Raises StateError where the
        shared cache cannot be emptied."""
        self._known.clear()
        self._cache.empty()
