"""Faults that tests ask for: rules that match a request and spoil its answer."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

ACTIONS = (
    "status",
    "drop",
    "cut",
    "reset",
    "truncate",
    "malformed",
    "delay",
    "trickle",
    "null_data",
    "repeat_cursor",
    "refuse",
    "change",
)
AGAIN = "again"


@dataclass
class Fault:
    """One rule: requests whose path matches, the first *skip* of them spared, *times* of them spoilt.

    status         answers with *status*, *headers*, *body* ("cloudflare" is its HTML page)
    drop           ends the connection instead of an answer
    cut            ends it in the middle of the body, reset likewise by a reset, after *part* of the body
    truncate       half a body that says it is whole; malformed: a whole one that is no JSON
    delay          *ms* before the request is handled; trickle: *ms* between the bytes of the answer
    null_data      data is null; repeat_cursor: the same page for ever
    refuse         the answer is the last one: connections are refused for *ms*
    change         before the request is handled, records are added, changed (archived, moved in a list) or
                   deleted: *body* is a list of {method, path, body}, each as a request to /_sim/records
                   ("DELETE", "notes/7"). With *skip* and *times* it comes between any two pages of a list

    With *after_handling* status, drop and delay come when the request has been done.
    """

    match: str
    action: str
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = ""
    ms: int = 0
    part: float = 0.0
    skip: int = 0
    times: int = 1_000_000_000
    method: str = ""
    after_handling: bool = False

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError(f"action must be one of {', '.join(ACTIONS)}")
        re.compile(self.match)


class Faults:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Fault] = []

    def replace(self, rules: Iterable[Mapping[str, Any]]) -> None:
        """Raises ValueError or TypeError for a rule that is none."""
        made = [Fault(**rule) for rule in rules]
        with self._lock:
            self._rules = made

    def hits(self, method: str, path: str) -> list[Fault]:
        """The rules that spoil this request; counts it."""
        hit = []
        with self._lock:
            for rule in self._rules:
                if not re.search(rule.match, path) or (rule.method and rule.method != method):
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                elif rule.times > 0:
                    rule.times -= 1
                    hit.append(rule)
        return hit


def spoilt(fault: Fault) -> Any:
    """The answer of a rule's own status; body "cloudflare" is its HTML page."""
    from tests.simulator.meter import CLOUDFLARE
    from tests.simulator.service import Answer

    headers = {name.lower(): str(value) for name, value in fault.headers.items()}
    kind = headers.pop("content-type", "application/json")
    body = fault.body
    if body == "cloudflare":
        return Answer(fault.status, CLOUDFLARE, 0, headers, "text/html; charset=UTF-8")
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    if fault.status == 204:
        return Answer(fault.status, b"", 0, headers, kind)
    if not body:
        body = json.dumps({"success": False, "error": f"fault {fault.status}", "errorCode": fault.status})
    return Answer(fault.status, str(body).encode(), 0, headers, kind)


def repeating(payload: Any, path: str) -> Any:
    """The same page for ever: the cursor (or offset) that the request had."""
    query = dict(parse_qsl(urlsplit(path).query))
    if (
        "/v1/" in path
        and "cursor" not in query
        and "next_cursor" not in (payload.get("additional_data") or ())
    ):
        start = int(query.get("start", 0))
        extra = {"start": start, "limit": 1, "more_items_in_collection": True, "next_start": start}
        return {**payload, "additional_data": {"pagination": extra, **extra}}
    return {**payload, "additional_data": {"next_cursor": query.get("cursor", AGAIN)}}
