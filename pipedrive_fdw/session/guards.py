"""The limits of the tokens that a statement may spend."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Guards:
    """The limits of a statement, and what its error says.

    most      tokens that the statement may spend
    reserve   tokens of the day's budget that must be left
    advice    the hint: which condition to add to the WHERE
    expected  tokens that the plan of the scan expects, 0 for a write
    """

    most: int
    reserve: int
    advice: str = ""
    expected: int = 0

    def lifted(self) -> Guards:
        """Guards without limits, for requests whose price has been allowed before."""
        return Guards(sys.maxsize, 0)
