"""The limiter without its waits: it learns from every answer, and lets every request leave at once."""

from __future__ import annotations

import time
from typing import Any

from pipedrive_fdw.api.limits import Limits, Turn


class Unlimited(Limits):
    def take(self, search: bool = False, waiter: Any = None) -> Turn:
        super().take(search)
        return Turn(search, time.monotonic(), 0.0, 0)

    def confirm(self, turn: Turn, waiter: Any = None) -> Turn:
        return turn
