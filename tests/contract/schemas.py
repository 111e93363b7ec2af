"""OpenAPI 3.0 response schemas as JSON Schema, as strict as the API's own truth allows.

Every field may be null (the files understate it), but a property that the files do not name is a fault,
unless it is a custom field's key or the object is declared open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema

from tests.contract.found import V1_FILES
from tests.contract.openapi import bodies, document, flat, operation, response_schema

CUSTOM_KEY = r"^[0-9a-f]{40}(_\w+)?$"
_KEPT = ("minimum", "maximum", "minLength", "maxLength", "pattern")
# Objects that are keyed by ids or codes; the files show one key as an example.
_KEYED = ("ORGANIZATION_ID", "USER_ID", "PERSON_ID", "DEAL_ID", "PICTURE_ID")


def converted(root: Mapping[str, Any], node: Any) -> dict[str, Any]:
    """One schema, references resolved."""
    schema = flat(root, node)
    out: dict[str, Any] = {n: schema[n] for n in _KEPT if n in schema}
    kind = schema.get("type") or ("object" if schema["properties"] else None)
    if kind:
        out["type"] = [kind, "null"]
    if "enum" in schema:
        out["enum"] = [*schema["enum"], None]
    if kind == "array" and "items" in schema:
        out["items"] = converted(root, schema["items"])
    if schema["properties"]:
        out.update(_object(root, schema))
    return out


def _object(root: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema["properties"]
    if any(name in properties for name in _KEYED):
        return {"additionalProperties": converted(root, next(iter(properties.values())))}
    out: dict[str, Any] = {
        "properties": {n: converted(root, s) for n, s in properties.items()},
        "patternProperties": {CUSTOM_KEY: {}},
    }
    if not schema.get("additionalProperties"):
        out["additionalProperties"] = False
    return out


@cache
def validator(source: str, path: str) -> jsonschema.Draft202012Validator | None:
    """The check of a GET's answer; None where the files give no schema."""
    schema = response_schema(source, "get", path)
    if schema is None:
        return None
    return jsonschema.Draft202012Validator(converted(document(source), schema))


def faults(source: str, path: str, answer: Any) -> list[str]:
    """What in the answer is not as the files say: place and message, indexes left out, each once."""
    check = validator(source, path)
    if check is None:
        return []
    found: set[str] = set()
    for error in check.iter_errors(answer):
        place = ".".join("[]" if isinstance(p, int) else str(p) for p in error.absolute_path)
        if error.validator == "additionalProperties":
            known = error.schema.get("properties", {})
            names = sorted(n for n in error.instance if n not in known and len(n) < 40)
            found.update(f"{place}.{name}: not in the files" for name in names)
        elif error.validator in ("type", "enum"):
            found.add(f"{place}: {type(error.instance).__name__} is not {error.validator_value}")
        else:
            found.add(f"{place}: {error.message[:120]}")
    return sorted(found)


def body_faults(version: int, method: str, path: str, body: Any) -> list[str]:
    """What in the body of a request is not as the files say; *path* as it was sent.

    Bodies that are no JSON hold text: their names are compared, and the values of an enum.
    """
    for source in ("v2",) if version == 2 else V1_FILES:
        for template in document(source)["paths"]:
            shape = re.sub(r"\{[^}]+\}", "[^/]+", template)
            if re.fullmatch(shape, path) and operation(source, method, template) is not None:
                return _body_faults(source, method, template, body)
    return [f"{method} {path} is not in the files"]


def _body_faults(source: str, method: str, template: str, body: Any) -> list[str]:
    found = bodies(source, method, template)
    if not found:
        return [] if not body else [f"{method} {template} takes no body"]
    root = document(source)
    kind, schema = next(iter(found.items()))
    if kind == "application/json":
        check = jsonschema.Draft202012Validator(converted(root, schema))
        faults = [
            f"{'.'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in check.iter_errors(body)
        ]
        needed = flat(root, schema).get("required", ())
        return faults + [f"{name}: is required" for name in needed if name not in (body or {})]
    properties = flat(root, schema)["properties"]
    faults = [f"{name}: not in the files" for name in body if name not in properties]
    for name, value in body.items():
        enum = flat(root, properties[name]).get("enum") if name in properties else None
        if enum and str(value) not in map(str, enum):
            faults.append(f"{name}: {value} is none of {enum}")
    return faults
