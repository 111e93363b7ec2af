"""Which OAuth scopes each operation asks for, taken from the OpenAPI files.

``python -m tests.docs.scopes > tests/docs/scopes.json`` makes the table anew; a test fails when it is stale.
An operation is known by its version, method and path, with the names of the placeholders left out.
"""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path

from pipedrive_fdw.catalog.model import PLACEHOLDER, Operation
from tests.contract.openapi import document

FILE = Path(__file__).with_name("scopes.json")
_METHODS = ("get", "post", "put", "patch", "delete")
# Later files win: the newest description of an operation is the one that holds.
_FILES = (("core_v1", 1), ("v1", 1), ("v2", 2))


def from_openapi() -> str:
    """The table as text, one operation a line."""
    found: dict[str, list[str]] = {}
    for name, version in _FILES:
        for path, item in document(name)["paths"].items():
            for method in _METHODS:
                if method in item:
                    security = item[method].get("security", ())
                    scopes = {s for one in security for s in one.get("oauth2", ())}
                    found[_known_as(version, method, path)] = sorted(scopes)
    lines = (f"{json.dumps(key)}: {json.dumps(found[key])}" for key in sorted(found))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def scopes(operation: Operation) -> list[str]:
    """The scopes of which one is enough for *operation*; none where the files say nothing."""
    return _table().get(_known_as(operation.version, operation.method, operation.path), [])


@functools.cache
def _table() -> dict[str, list[str]]:
    loaded: dict[str, list[str]] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded


def _known_as(version: int, method: str, path: str) -> str:
    return f"v{version} {method.upper()} {PLACEHOLDER.sub('{}', path)}"


if __name__ == "__main__":
    sys.stdout.write(from_openapi())
