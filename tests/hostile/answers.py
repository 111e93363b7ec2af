"""Answers that go wrong, made of right ones: by somebody who knows what an answer is made of.

A spoiler takes an answer of the simulator and changes its status, its headers, a place in its JSON, or its
bytes. All of it is random, and the same for the same seed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any, Callable

from pipedrive_fdw.api.transport import Response

# What the account signs in with; whoever answers knows it, and repeats it.
TOKEN = "t0p-s3cret-of-the-fuzz-0123456789"
NASTY = "\x1b[31m\r\nERROR:  forged\x00\x07\x9b2J\u2028\u202e"
STATUSES = (100, 101, 199, 201, 202, 204, 206, 299, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404,
405, 409,
            410, 415, 418, 422, 423, 429, 451, 499, 500, 501, 502, 503, 504, 520, 522, 529, 599, 600,
            999)  # fmt: skip
HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after", "content-type",
           "x-daily-ratelimit-token-remaining", "x-daily-ratelimit-token-limit", "content-length", "location",
           "content-encoding", "transfer-encoding", "set-cookie", "date", "x-other")  # fmt: skip
HEADER_VALUES = ("nan", "inf", "-inf", "²", "9" * 30, "-1", "", "0", "1", "5", "1e999", "0x10",
"x" * 5_000, NASTY,
                 TOKEN, "text/html", "daily", "gzip, gzip", "Tue, 01 Jan 2030 00:00:00 GMT")  # fmt: skip
TEXTS = ("", " ", "x", NASTY, TOKEN, f"no such token {TOKEN}.", "\ud800", "²", "0000-00-00", "20222-05-01",
"2024-02-30",
         "9" * 30, "NaN", "Infinity", "true", "null", "[]", "{}", "..", "../../users", "%2e%2e", "a/b",
         "a\x00b",
         "'; DROP TABLE x; --", "\\", "x" * 100_000, "😀" * 2_000, "Scope and URL mismatch",
         "Unknown method .",
         "Deal not found", "2026-01-01T00:00:00Z", "12:61", "1,2,x")  # fmt: skip
NUMBERS = (
    0,
    1,
    -1,
    2**31,
    2**53 + 1,
    2**63 - 1,
    2**63,
    2**64,
    -(2**63) - 1,
    10**30,
    1.5,
    -0.0,
    1e300,
    1e-300,
    0.1,
)
NAMES = ("id", "data", "success", "error", "error_info", "additional_data", "next_cursor", "pagination",
"items", "value",
         "custom_fields", "start", "limit", "next_start", "more_items_in_collection", "code", "message",
         "errors",
         NASTY, TOKEN, "", "x" * 5_000)  # fmt: skip


def odd_value(chance: random.Random) -> Any:
    """A value that hardly anybody expects in its place."""
    kind = chance.randrange(9)
    if kind < 3:
        return chance.choice(TEXTS)
    if kind < 5:
        return chance.choice(NUMBERS)
    if kind == 5:
        return chance.choice((None, True, False))
    if kind == 6:
        return [odd_value(chance) for _ in range(chance.randrange(2))]
    if kind == 7:
        return {chance.choice(NAMES): odd_value(chance) for _ in range(chance.randrange(2))}
    deep: Any = 1
    for _ in range(chance.choice((3, 90, 300, 600))):
        deep = [deep] if chance.random() < 0.5 else {"a": deep}
    return deep


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in *value*."""
    found = [path]
    items: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))[:20]
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def changed(value: Any, path: Sequence[Any], change: Callable[[Any, Any], None]) -> Any:
    """*value* after *change* (holder, key) at *path*."""
    holder: Any = {"": value}
    at, key = holder, ""
    for part in path:
        at, key = at[key], part
    change(at, key)
    return holder.get("")


def spoilt_json(value: Any, chance: random.Random) -> Any:
    """*value* with one change somewhere, more often near its root, where envelopes and pages are."""
    everything = places(value)
    shallow = [path for path in everything if len(path) <= 2]
    path = chance.choice(shallow if chance.random() < 0.5 else everything)

    def change(holder: Any, key: Any) -> None:
        how = chance.randrange(8)
        if how == 0 and key != "":
            del holder[key]
        elif how == 1:
            holder[key] = [holder[key]]
        elif how == 2:
            holder[key] = {chance.choice(NAMES): holder[key]}
        elif how == 3 and isinstance(holder, list):
            holder.insert(0, holder[key])
        elif how == 4 and isinstance(holder, dict) and key != "":
            holder[chance.choice(NAMES)] = holder.pop(key)
        elif how == 5 and isinstance(holder[key], dict):
            holder[key][chance.choice(NAMES)] = odd_value(chance)
        else:
            holder[key] = odd_value(chance)

    return changed(value, path, change)


def paged(value: Any, chance: random.Random) -> Any:
    """*value* whose word about the next page is odd."""
    if not isinstance(value, dict):
        return value
    odd = chance.choice((odd_value(chance), True, "again", -5, 0, 1.5, "²", 10**30))
    pagination = {"start": 0, "limit": 1, "more_items_in_collection": True, "next_start": odd}
    more = chance.choice(
        ({"next_cursor": odd}, {"pagination": pagination}, pagination, {"pagination": odd}, odd,
         {"pagination": {"more_items_in_collection": odd}})
    )  # fmt: skip
    return {**value, "additional_data": more}


def refusing(value: Any, chance: random.Random) -> Any:
    """An envelope that refuses, or says so beside its data."""
    said = {
        name: odd_value(chance)
        for name in ("error", "error_info", "message", "errors")
        if chance.random() < 0.5
    }
    base = value if isinstance(value, dict) and chance.random() < 0.5 else {}
    return {
        **base,
        "success": chance.choice((False, None, 0, "false", True)),
        "code": odd_value(chance),
        **said,
    }


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()  # NaN too, as some programs write it


def spoilt_bytes(body: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(body) + 1)
    how = chance.randrange(1, 9)
    if how == 1:
        return (
            body[:at] + bytes(chance.randrange(256) for _ in range(chance.randrange(1, 5))) + body[at + 1 :]
        )
    if how == 2:
        return body + body
    if how == 3:
        return chance.choice((b"\xef\xbb\xbf", b" \r\n", b"\x00", b")]}',\n")) + body
    if how == 4:
        return f"<html>{NASTY}{TOKEN}</html>".encode("utf-8", "replace")
    if how == 5:
        return chance.choice(
            (b"", b" ", b"null", b"[]", b"{}", b"5", b'"x"', b"NaN", b"true", b"\xff\xfe{\x00}\x00")
        )
    if how == 6:
        return (f"{'x' * chance.randrange(200)}{TOKEN}" * 3).encode()
    if how == 7:
        opening, closing = chance.choice(((b"[", b"]"), (b'{"data":', b"}")))
        levels = chance.choice((200, 1_000, 10_000))
        return opening * levels + b"1" + closing * levels
    digits = chance.choice(
        (
            b"123456789012345678901234567890",
            b"1e400",
            b"-1E-400",
            b"0." + b"3" * 40,
            b"NaN",
            b"1e999999999",
            b"-1e99999999999999999999",
            b"1E-99999999999999999999",
            b"9" * 5_000,
        )
    )
    return body.replace(b":1,", b":" + digits + b",", 1).replace(b"null", digits, 1)


def spoilt(answer: Response, chance: random.Random) -> tuple[Response, str]:
    """A bad answer in place of a right one, and a word for how it is bad."""
    words = []
    for _ in range(1 if chance.random() < 0.7 else chance.randrange(2, 4)):
        how = chance.choice(
            ("status", "headers", "json", "json", "json", "json", "pages", "refusal", "bytes", "bytes")
        )
        words.append(how)
        if how == "status":
            answer = answer._replace(status=chance.choice(STATUSES))
        elif how == "headers":
            odd = {
                chance.choice(HEADERS): chance.choice(HEADER_VALUES) for _ in range(chance.randrange(1, 4))
            }
            answer = answer._replace(headers={**answer.headers, **odd})
        elif how == "bytes" and chance.random() < 0.2:
            words[-1] = "cut"
            answer = answer._replace(body=answer.body[: chance.randrange(len(answer.body) + 1)])
        elif how == "bytes":
            answer = answer._replace(body=spoilt_bytes(answer.body, chance))
        else:
            make = {"json": spoilt_json, "pages": paged, "refusal": refusing}[how]
            try:
                answer = answer._replace(body=as_json(make(json.loads(answer.body), chance)))
            except (ValueError, RecursionError):
                continue  # spoilt before
    return answer, "+".join(words)
