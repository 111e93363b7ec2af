"""Which OAuth scopes each operation asks for (scopes.json, which tests/docs takes from the OpenAPI files)."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from pipedrive_fdw.catalog.model import PLACEHOLDER, Operation

FILE = Path(__file__).with_name("scopes.json")


def scopes(operation: Operation) -> list[str]:
    """The scopes of which one is enough for *operation*; none where the files say nothing."""
    return _table().get(known_as(operation.version, operation.method, operation.path), [])


def known_as(version: int, method: str, path: str) -> str:
    """The name of an operation in scopes.json: without the names of its placeholders."""
    return f"v{version} {method.upper()} {PLACEHOLDER.sub('{}', path)}"


@functools.cache
def _table() -> dict[str, list[str]]:
    loaded: dict[str, list[str]] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded
