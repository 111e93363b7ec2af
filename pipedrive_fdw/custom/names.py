"""Labels of fields → column names: snake_case, letters of any script, what PostgreSQL has room for."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

# NAMEDATALEN - 1: PostgreSQL would cut a longer name by itself, and two could then be the same.
MOST_BYTES = 63
# Columns that every table of PostgreSQL has already.
SYSTEM = frozenset(("tableoid", "cmax", "xmax", "cmin", "xmin", "ctid"))
_NAMELESS = "field"
# They join or part letters, or mark where a word may be cut: names without them look the same.
_INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")


def snake_case(label: str) -> str:
    """*label* in lower case, its runs of anything but letters, their marks and digits as one underscore."""
    kept = ""
    for char in unicodedata.normalize("NFC", label).lower():
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


def free_names(base: str, suffixes: Sequence[str], taken: Collection[str]) -> list[str]:
    """A name for each of *suffixes* that is not *taken*: base and suffix, the base followed by _2, _3, …
    where one of them is."""
    number = 1
    while True:
        mark = "" if number == 1 else f"_{number}"
        names = [cut(base, MOST_BYTES - len(mark + suffix)) + mark + suffix for suffix in suffixes]
        if len(set(names)) == len(names) and not any(name in taken or name in SYSTEM for name in names):
            return names
        number += 1
