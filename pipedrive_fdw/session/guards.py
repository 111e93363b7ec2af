"""Where a statement stops: the tokens that it may spend."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Guards:
    """Where a statement stops: *most* tokens of its own, *reserve* tokens left to the day.

    *advice* is the hint of the error: what to add to the WHERE; *expected* are the tokens that the plan of a
    scan expects, 0 where nothing is planned.
    """

    most: int
    reserve: int
    advice: str = ""
    expected: int = 0

    def lifted(self) -> Guards:
        """Guards that stop nothing: for requests whose price has been allowed."""
        return Guards(sys.maxsize, 0)
