"""The decision to send a failed request again, and after how many seconds. Pure.

Facts: burst 429 carries ``x-ratelimit-reset`` in seconds and no ``Retry-After``; a daily 429 says "daily",
or reports no tokens left, or a long ``Retry-After``. Any answer may carry ``x-ratelimit-…``: it tells of a
burst where the window is used up. Repeating a refused request in a loop earns a Cloudflare 403 in HTML, which
is never repeated. A write is repeated only when it was surely not done: it did not arrive, or was refused by
the burst limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from pipedrive_fdw.values.numbertext import seconds, whole_number

MAX_RETRIES = 3
MAX_BURST_WAITS = 5
_RETRIED_STATUS = frozenset((500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 527, 529))
# The longest that a query waits before one more attempt.
_LONGEST_WAIT = 10.0


class Failure(NamedTuple):
    """A failed request: an HTTP *status*, or 0 for a broken connection; *arrived* False when the request
    surely did not reach the server (refused, unknown host, no connection), *lasting* True when it would fail
    again (a wrong certificate)."""

    method: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    arrived: bool = True
    lasting: bool = False


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait; None where it does not tell, or not plainly. A date counts from
    the answer's own, since the clock of this machine may be wrong."""
    asked = headers.get("retry-after", "")
    try:
        wait = parsedate_to_datetime(asked) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, LookupError, OverflowError):  # as Python's versions refuse what is no date
        return seconds(asked) or whole_number(asked)
    return max(wait.total_seconds(), 0.0)


def is_daily(headers: Mapping[str, str], body: bytes) -> bool | None:
    """True if a 429 is that of the day's tokens; None where nothing tells, which counts as true."""
    if b"daily" in body.lower():
        return True
    if _is_used_up(headers, "x-daily-ratelimit-token-remaining"):
        return True
    wait = retry_after(headers)
    if wait is not None and wait > _LONGEST_WAIT:
        return True
    if "x-ratelimit-remaining" in headers:
        return False if _is_used_up(headers, "x-ratelimit-remaining") else None
    return False if "x-ratelimit-reset" in headers or wait is not None else None


def _is_used_up(headers: Mapping[str, str], name: str) -> bool:
    """True if the header *name* says that nothing is left, or less."""
    left = headers.get(name, "").strip()
    return left == "0" or left.startswith("-")


def next_wait(failure: Failure, attempt: int) -> float | None:
    """Seconds to wait before attempt *attempt* + 1 (the first attempt is 1); None to give up."""
    if failure.status == 429:
        if is_daily(failure.headers, failure.body) is not False or attempt > MAX_BURST_WAITS:
            return None
        wait = seconds(failure.headers.get("x-ratelimit-reset")) or retry_after(failure.headers)
        return min(wait or 2.0, _LONGEST_WAIT) + 0.05
    if attempt > MAX_RETRIES or failure.lasting:
        return None
    if failure.method != "GET" and (failure.status or failure.arrived):
        return None
    if failure.status and failure.status not in _RETRIED_STATUS:
        return None
    asked = retry_after(failure.headers) or 0.0
    return None if asked > _LONGEST_WAIT else max(asked, 0.25 * float(2 ** (attempt - 1)))
