"""What the simulator knows of the API, taken from the OpenAPI files: operations, parameters, bodies, costs.

``python -m tests.contract.digest > tests/simulator/operations.json`` makes it anew; test_digest.py fails
when it is stale. Facts only (names, types, enums, numbers), one operation a line.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from tests.contract.openapi import bodies, document, flat, parameters, resolve, response_schema

_METHODS = ("get", "post", "put", "patch", "delete")
_DEPTH = 8
_LISTED = re.compile(r"comma[- ]separated|array of integers|multiple selection", re.IGNORECASE)
_AT_MOST = re.compile(
    r"(?:maximum value of|upper limit is|up to|maximum of|maximum) (\d+)(?! days)\b", re.IGNORECASE
)
_SORTS = re.compile(r"Supported fields: (.*)", re.DOTALL)


def _type(root: Any, node: Any, depth: int = _DEPTH) -> dict[str, Any]:
    """A schema as {type, enum, null, items, props, required, open}; open: it takes other properties, too."""
    schema = flat(root, node)
    out: dict[str, Any] = {"type": schema.get("type", "any")}
    if out["type"] == "any" and schema["properties"]:
        out["type"] = "object"
    if schema.get("enum"):
        out["enum"] = [e for e in schema["enum"] if e is not None]
    if schema.get("nullable"):
        out["null"] = True
    if out["type"] == "array" and depth and "items" in schema:
        out["items"] = _type(root, schema["items"], depth - 1)
    if out["type"] == "object" and depth and schema["properties"]:
        out["props"] = {n: _type(root, s, depth - 1) for n, s in schema["properties"].items()}
        if schema.get("required"):
            out["required"] = sorted(set(schema["required"]))
        if schema.get("additionalProperties") is True and depth < _DEPTH:  # at the root: custom fields
            out["open"] = True
    return out


def _parameter(root: Any, parameter: Mapping[str, Any]) -> dict[str, Any]:
    """A query parameter; what only its description says (lists, maxima, sort fields) is read from there."""
    schema = resolve(root, parameter.get("schema", {}))
    text = parameter.get("description") or schema.get("description") or ""
    out: dict[str, Any] = {"type": schema.get("type", "string")}
    for name in ("enum", "maximum", "minimum", "format", "default"):
        if name in schema:
            out[name] = schema[name]
    if parameter.get("required"):
        out["required"] = True
    most = _AT_MOST.search(text)
    if parameter["name"] == "sort":
        named = _SORTS.search(text)
        if named and "enum" not in out:
            out["enum"] = re.findall(r"`(\w+)`", named[1])
    elif out["type"] == "array" or _LISTED.search(text) or "specified statuses" in text:
        out["list"] = int(most[1]) if most else 0  # 0: no maximum is known
        out["enum"] = sorted({p for e in out.get("enum", ()) for p in str(e).split(",")})
        out["of"] = resolve(root, schema.get("items", {})).get("type", "string")
        if not out["enum"]:
            del out["enum"]
    elif parameter["name"] == "limit" and most and "maximum" not in out:
        out["maximum"] = int(most[1])
    return out


def _envelope(source: str, method: str, path: str) -> str:
    """How the answer pages: cursor, nested (pagination; next where it names next_start), flat (start beside
    limit), or none."""
    root = document(source)
    schema = response_schema(source, method, path)
    if schema is None:
        return "none"
    extra = flat(root, flat(root, schema)["properties"].get("additional_data", {}))["properties"]
    if "next_cursor" in extra:
        return "cursor"
    if "pagination" in extra:
        return "next" if "next_start" in flat(root, extra["pagination"])["properties"] else "nested"
    return "flat" if "start" in extra else "none"


def _cost(source: str, method: str, path: str, declared: int | None) -> int:
    """The files' own; the Subscriptions file has none, so the class of the operation."""
    if declared is not None or source != "subscriptions":
        return int(declared or 0)
    if method == "get":
        return 2 if path.endswith("}") else 20
    return 6 if method == "delete" else 10


def operations() -> Iterator[dict[str, Any]]:
    """Every operation; of the older files only those that the newest have not."""
    known: set[tuple[int, str, str]] = set()
    for source, version in (("v1", 1), ("v2", 2), ("core_v1", 1), ("subscriptions", 1)):
        for path, item in document(source)["paths"].items():
            for method in _METHODS:
                if method in item and (version, method, path) not in known and "/oauth" not in path:
                    known.add((version, method, path))
                    yield _operation(source, version, method, path)


def _operation(source: str, version: int, method: str, path: str) -> dict[str, Any]:
    root = document(source)
    declared = root["paths"][path][method]
    listed = parameters(source, method, path)
    in_path = {p["name"]: resolve(root, p.get("schema", {})) for p in listed if p["in"] == "path"}
    out: dict[str, Any] = {
        "version": version,
        "method": method.upper(),
        "path": path,
        "id": declared.get("operationId", ""),
        "tokens": _cost(source, method, path, declared.get("x-token-cost")),
        "query": {p["name"]: _parameter(root, p) for p in listed if p["in"] == "query"},
    }
    odd = {n: s.get("format", "string") for n, s in in_path.items() if s.get("type") != "integer"}
    if odd:
        out["keys"] = odd
    if "/search" in path or "/itemSearch" in path:
        out["search"] = True
    if source not in ("v1", "v2"):
        out["switch"] = source
    done = [str(code) for code in declared["responses"] if str(code).startswith("2")]
    if done and done[0] != "200":
        out["status"] = int(done[0])
    if method == "get" and _envelope(source, method, path) != "none":
        out["envelope"] = _envelope(source, method, path)
    kinds = bodies(source, method, path)
    if kinds:
        out["content"] = list(kinds)
        out["body"] = _type(root, next(iter(kinds.values())))
    return out


def text() -> str:
    lines = [json.dumps(o, ensure_ascii=False, separators=(",", ":"), default=str) for o in operations()]
    return "[\n" + ",\n".join(lines) + "\n]\n"


if __name__ == "__main__":
    sys.stdout.write(text())
