"""Tokens of the day and the two-second windows, as the API meters them; knows no record."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field

WINDOW_SECONDS = 2.0
SEARCHES = 10
_FORGIVEN = 50
_RETRY_AFTER = "3939"

DAILY_BODY = json.dumps(
    {
        "success": False,
        "error": "daily request budget exceeded",
        "errorCode": 429,
        "error_info": "Please check developers.pipedrive.com for more information about rate limiting.",
    }
).encode()
BURST_BODY = json.dumps({"success": False, "error": "rate limit exceeded", "errorCode": 429}).encode()
CLOUDFLARE = b"<!DOCTYPE html><html><head><title>Access denied</title></head><body>Error 1015</body></html>"
_JSON, _HTML = "application/json; charset=utf-8", "text/html; charset=UTF-8"


@dataclass
class Verdict:
    """Whether a request is served; otherwise the answer that refuses it."""

    status: int = 200
    body: bytes = b""
    content_type: str = _JSON
    headers: dict[str, str] = field(default_factory=dict)


class Meter:
    """Counts requests for every credential apart, the day's tokens together."""

    def __init__(self, burst: int, budget: int) -> None:
        self.burst = burst
        self.budget = budget
        self.reports = True
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self.spent = 0
            self._windows: dict[tuple[str, bool], deque[float]] = {}
            self._refused: dict[str, deque[float]] = {}

    def admit(self, credential: str, tokens: int, search: bool) -> Verdict:
        with self._lock:
            now = time.monotonic()
            window = _recent(self._windows.setdefault((credential, search), deque()), now)
            limit = min(SEARCHES, self.burst) if search else self.burst
            reset = window[0] + WINDOW_SECONDS - now if window else WINDOW_SECONDS
            headers: dict[str, str] = {
                "x-ratelimit-limit": str(limit),
                "x-ratelimit-remaining": str(max(limit - len(window) - 1, 0)),
                "x-ratelimit-reset": str(max(1, int(reset + 0.999))),
                "x-daily-ratelimit-token-limit": str(self.budget),
                "x-daily-ratelimit-token-remaining": str(max(self.budget - self.spent, 0)),
            }
            if len(window) >= limit:
                if self._too_often(credential, now):
                    return Verdict(403, CLOUDFLARE, _HTML)
                return Verdict(429, BURST_BODY, headers=headers)
            if self.spent + tokens > self.budget:
                if self._too_often(credential, now):
                    return Verdict(403, CLOUDFLARE, _HTML)
                headers["x-daily-ratelimit-token-remaining"] = "0"
                return Verdict(429, DAILY_BODY, headers={**headers, "retry-after": _RETRY_AFTER})
            window.append(now)
            self.spent += tokens
            headers["x-daily-ratelimit-token-remaining"] = str(self.budget - self.spent)
            if not self.reports:
                headers = {name: value for name, value in headers.items() if "daily" not in name}
            return Verdict(headers=headers)

    def _too_often(self, credential: str, now: float) -> bool:
        """Whether the credential goes on and on against its limit."""
        refused = _recent(self._refused.setdefault(credential, deque()), now)
        refused.append(now)
        return len(refused) > _FORGIVEN


def _recent(times: deque[float], now: float) -> deque[float]:
    while times and times[0] <= now - WINDOW_SECONDS:
        times.popleft()
    return times
