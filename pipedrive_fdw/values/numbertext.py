"""Numbers in the texts of others: headers, stored states, ids. What is not plainly one is none."""

from __future__ import annotations

import re

# More digits than a count of anything here can have; they fit into 64 bits.
_WHOLE = re.compile(r"[0-9]{1,15}")
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")


def whole_number(text: str | None) -> int | None:
    """*text* as a whole number of at most 15 ASCII digits, None where it is none."""
    found = (text or "").strip()
    return int(found) if _WHOLE.fullmatch(found) else None


def seconds(text: str | None) -> float:
    """*text* as seconds, 0 where it is no number."""
    found = (text or "").strip()
    return float(found) if _NUMBER.fullmatch(found) else 0.0
