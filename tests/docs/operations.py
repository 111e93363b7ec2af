"""``python -m tests.docs.operations`` prints pipedrive_fdw/catalog/operations.json, from the OpenAPI files.

A test fails when that table is stale.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pipedrive_fdw.catalog.operations import known_as
from tests.contract.openapi import document

_METHODS = ("get", "post", "put", "patch", "delete")
# Later files win: the newest description of an operation is the one that holds.
_FILES = (("core_v1", 1), ("v1", 1), ("v2", 2))


def from_openapi() -> str:
    """The table as text, one operation a line."""
    found: dict[str, dict[str, Any]] = {}
    for name, version in _FILES:
        for path, item in document(name)["paths"].items():
            for method in _METHODS:
                if method in item:
                    security = item[method].get("security", ())
                    scopes = {s for one in security for s in one.get("oauth2", ())}
                    found[known_as(version, method, path)] = {
                        "tokens": item[method]["x-token-cost"],
                        "scopes": sorted(scopes),
                        **({"removed": True} if name == "core_v1" else {}),
                    }
    lines = (f"{json.dumps(key)}: {json.dumps(found[key])}" for key in sorted(found))
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    sys.stdout.write(from_openapi())
