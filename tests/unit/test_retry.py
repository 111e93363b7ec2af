"""What is sent again, and when: the decision as a table."""

from __future__ import annotations

import pytest

from pipedrive_fdw.api.retry import Failure, is_daily, next_wait

MIDDAY = "Mon, 30 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("failure", "attempt", "expected"),
    [
        (Failure("GET", 500, {}), 1, 0.25),
        (Failure("GET", 503, {}), 2, 0.5),
        (Failure("GET", 524, {}), 3, 1.0),
        (Failure("GET", 502, {}), 4, None),
        (Failure("GET", 0, {}), 1, 0.25),
        (Failure("GET", 0, {}), 4, None),
        (Failure("GET", 400, {}), 1, None),
        (Failure("GET", 401, {}), 1, None),
        (Failure("GET", 403, {}, b"<html>"), 1, None),
        (Failure("GET", 503, {"retry-after": "7"}), 1, 7.0),
        (Failure("GET", 503, {"retry-after": "120"}), 1, None),
        (Failure("GET", 503, {"retry-after": "Mon, 30 Nov 2026 12:00:07 GMT", "date": MIDDAY}), 1, 7.0),
        (Failure("GET", 503, {"retry-after": "Mon, 30 Nov 2026 12:02:00 GMT", "date": MIDDAY}), 1, None),
        (Failure("GET", 503, {"retry-after": "Mon, 30 Nov 2026 11:00:00 GMT", "date": MIDDAY}), 1, 0.25),
        (Failure("GET", 503, {"retry-after": "Mon, 30 Nov 2026 12:02:00 GMT"}), 1, 0.25),
        (Failure("GET", 0, {}, arrived=False, lasting=True), 1, None),
        (Failure("PATCH", 0, {}), 1, None),
        (Failure("DELETE", 502, {}), 1, None),
        (Failure("POST", 500, {}), 1, None),
        (Failure("POST", 0, {}, arrived=True), 1, None),
        (Failure("POST", 0, {}, arrived=False), 1, 0.25),
        (Failure("GET", 429, {"x-ratelimit-reset": "2", "x-ratelimit-remaining": "0"}), 1, 2.05),
        (Failure("POST", 429, {"x-ratelimit-reset": "1"}), 1, 1.05),
        (Failure("GET", 429, {"x-ratelimit-reset": "2"}), 6, None),
        (Failure("GET", 429, {"retry-after": "3939"}), 1, None),
        (Failure("GET", 429, {}), 1, None),
    ],
)
def test_the_wait_before_the_next_attempt(failure: Failure, attempt: int, expected: float | None) -> None:
    assert next_wait(failure, attempt) == expected


@pytest.mark.parametrize(
    ("headers", "body", "daily"),
    [
        ({"retry-after": "3939"}, b"", True),
        ({"retry-after": "Tue, 01 Dec 2026 00:00:00 GMT", "date": MIDDAY}, b"", True),
        ({"retry-after": "Mon, 30 Nov 2026 12:00:02 GMT", "date": MIDDAY}, b"", False),
        ({"x-ratelimit-reset": "2"}, b'{"error":"daily request budget exceeded"}', True),
        ({"x-daily-ratelimit-token-remaining": "0", "x-ratelimit-reset": "2"}, b"", True),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}, b"", False),
        ({"x-daily-ratelimit-token-remaining": "-4", "x-ratelimit-remaining": "0"}, b"", True),
        ({"x-ratelimit-remaining": "-1", "x-ratelimit-reset": "2"}, b"", False),
        ({"x-ratelimit-remaining": "19", "x-ratelimit-reset": "2"}, b"", None),
        ({"x-ratelimit-remaining": "19", "retry-after": "3939"}, b"", True),
        ({"retry-after": "2"}, b"", False),
        ({"retry-after": "0"}, b"", False),
        ({"retry-after": "9" * 20}, b"", None),
        ({"retry-after": "Tue, 01 Dec 2026 00:00:00 GMT"}, b"", None),
        ({"retry-after": "soon", "x-ratelimit-remaining": "0"}, b"", False),
        ({}, b"", None),
    ],
)
def test_the_two_limits_are_told_apart(headers: dict[str, str], body: bytes, daily: bool) -> None:
    assert is_daily(headers, body) is daily
