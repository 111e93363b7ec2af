"""What each operation of the API costs, and which OAuth scopes it asks for (operations.json, which tests/docs
takes from the OpenAPI files; what stands only in those of the old core is marked as removed)."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipedrive_fdw.catalog.model import PLACEHOLDER, Operation

FILE = Path(__file__).with_name("operations.json")
# Tokens by method where the files say nothing: a list is assumed where it may be one.
_USUAL = {"GET": 10, "POST": 5, "PUT": 5, "PATCH": 5, "DELETE": 3}
METHODS = tuple(_USUAL)


def scopes(operation: Operation) -> list[str]:
    """The scopes of which one is enough for *operation*; none where the files say nothing."""
    known = _table().get(known_as(operation.version, operation.method, operation.path))
    return [] if known is None else list(known["scopes"])


def price(version: int, method: str, path: str) -> int:
    """Tokens of a request to *path*, which has its keys in it."""
    parts = path.split("/")
    fitting = [
        tokens
        for known, tokens in _prices().get((version, method, len(parts)), ())
        if all(mine == part or mine.startswith("{") for mine, part in zip(known, parts))
    ]
    return fitting[0] if fitting else _USUAL[method] * (2 if version == 1 else 1)


def documented() -> list[str]:
    """The operations that Pipedrive documents today, by their names in operations.json."""
    return [name for name, known in _table().items() if not known.get("removed")]


def tokens(name: str) -> int:
    """The price of the operation of this name."""
    return int(_table()[name]["tokens"])


def known_as(version: int, method: str, path: str) -> str:
    """The name of an operation in operations.json: without the names of its placeholders."""
    return f"v{version} {method.upper()} {PLACEHOLDER.sub('{}', path)}"


@functools.cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    loaded: Mapping[str, Mapping[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded


@functools.cache
def _prices() -> Mapping[tuple[int, str, int], list[tuple[list[str], int]]]:
    """By version, method and number of parts: the parts of each path and its tokens, those with the fewest
    placeholders first."""
    found: dict[tuple[int, str, int], list[tuple[list[str], int]]] = {}
    for name, known in _table().items():
        version, method, path = name.split(" ", 2)
        parts = path.split("/")
        found.setdefault((int(version[1:]), method, len(parts)), []).append((parts, int(known["tokens"])))
    for paths in found.values():
        paths.sort(key=lambda one: sum(part.startswith("{") for part in one[0]))
    return found
