"""Labels of fields → column names: snake_case, letters of any script, what PostgreSQL has room for."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

# NAMEDATALEN - 1: PostgreSQL would cut a longer name by itself, and two could then be the same.
MOST_BYTES = 63
# Columns that every table of PostgreSQL has already.
SYSTEM = frozenset(("tableoid", "cmax", "xmax", "cmin", "xmin", "ctid"))
_NAMELESS = "field"
# What of a label is looked at: a name has far less.
_MOST_CHARACTERS = 1_000
# They join or part letters, or mark where a word may be cut: names without them look the same.
_INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")


def snake_case(label: str) -> str:
    """*label* in lower case, its runs of anything but letters, their marks and digits as one underscore."""
    kept = ""
    for char in unicodedata.normalize("NFC", label[:_MOST_CHARACTERS]).lower():
        kind, before = unicodedata.category(char)[0], unicodedata.category(kept[-1:] or " ")[0]
        if char in _INVISIBLE:
            continue
        # a mark belongs to a letter; what varies an emoji would be a name that nobody sees
        kept += char if kind in "LN" or (kind == "M" and before in "LM") else " "
    return "_".join(kept.split()) or _NAMELESS


def cut(name: str, room: int = MOST_BYTES) -> str:
    """*name* cut to *room* bytes of UTF-8 between two characters."""
    short = name.encode()[:room].decode("utf-8", "ignore")
    return short if short == name else short.rstrip("_")


class FreeNames:
    """Names that are not *taken*, given out one after the other."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {*taken, *SYSTEM}
        # By the names that were asked for, the number of those that were given: smaller numbers stay taken.
        self._given: dict[tuple[str, ...], int] = {}

    def take(self, base: str, suffixes: Sequence[str]) -> list[str]:
        """A name for each of *suffixes*: base and suffix, the base followed by _2, _3, … if one is taken."""
        wanted = tuple(cut(base, MOST_BYTES - len(suffix)) + suffix for suffix in suffixes)
        number = self._given.get(wanted, 0)
        while True:
            number += 1
            mark = "" if number == 1 else f"_{number}"
            names = [cut(base, MOST_BYTES - len(mark + suffix)) + mark + suffix for suffix in suffixes]
            if len(set(names)) == len(names) and self._taken.isdisjoint(names):
                self._taken.update(names)
                self._given[wanted] = number
                return names
