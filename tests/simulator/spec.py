"""The operations as the OpenAPI files declare them (operations.json), and which one a path means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.simulator.refusal import Refusal


@dataclass(frozen=True)
class Operation:
    """One operation. *keys* are the path's placeholders that are no integers; *envelope* how the answer
    pages (cursor, nested, next, flat, none); *switch* names the setting without which it is gone."""

    version: int
    method: str
    path: str
    id: str
    tokens: int
    query: Mapping[str, Mapping[str, Any]]
    body: Mapping[str, Any] | None
    content: tuple[str, ...]
    keys: Mapping[str, str]
    envelope: str
    search: bool
    switch: str
    status: int

    def enum(self, parameter: str) -> tuple[str, ...]:
        return tuple(str(e) for e in self.query.get(parameter, {}).get("enum", ()))


@cache
def operations() -> Mapping[tuple[int, str, str], Operation]:
    """Every operation by version, method and path template."""
    with (Path(__file__).parent / "operations.json").open(encoding="utf-8") as stream:
        listed = json.load(stream)
    made = (
        Operation(
            o["version"],
            o["method"],
            o["path"],
            o["id"],
            o["tokens"],
            o["query"],
            o.get("body"),
            tuple(o.get("content", ())),
            o.get("keys", {}),
            o.get("envelope", "none"),
            o.get("search", False),
            o.get("switch", ""),
            o.get("status", 200),
        )
        for o in listed
    )
    return {(o.version, o.method, o.path): o for o in made}


_Routes = dict[tuple[int, int], list[tuple["re.Pattern[str]", Operation]]]


@cache
def _routes() -> _Routes:
    """By version and depth; literal paths before placeholders: /deals/archived is no /deals/{id}."""
    routes: _Routes = {}
    for op in sorted(operations().values(), key=lambda o: o.path.count("{")):
        names = re.sub(r"\{([\w-]+)\}", lambda m: f"(?P<{m[1].replace('-', '_')}>[^/]+)", op.path)
        routes.setdefault((op.version, op.path.count("/")), []).append((re.compile(names + "$"), op))
    return routes


def find(version: int, method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """The operation and the values of its path's placeholders. Raises Refusal 404, 405 or 400."""
    other = False
    best: tuple[Operation, dict[str, str]] | None = None
    for pattern, op in _routes().get((version, path.count("/")), ()):
        match = pattern.match(path)
        if not match:
            continue
        if op.method == method:
            best = op, match.groupdict()
            break
        other = True
    if best is None:
        raise Refusal(405, "Method not allowed") if other else Refusal(404, "Unknown method .")
    for name, value in best[1].items():
        kind = best[0].keys.get(name, "integer")
        if kind == "integer" and not re.fullmatch(r"\d{1,18}", value):
            raise Refusal(400 if version == 2 else 404, f"Path parameter {name} must be an integer")
        if kind == "uuid" and not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value):
            raise Refusal(400, f"Path parameter {name} must be a UUID")
    return best
