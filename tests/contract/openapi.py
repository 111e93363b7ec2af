"""The official OpenAPI files, loaded once, and the few questions that the contract tests ask of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.contract.described import described

FILES = {
    "v1": "openapi-v1.yaml",
    "v2": "openapi-v2.yaml",
    "core_v1": "openapi-v1-before-removal.yaml",
    "subscriptions": "openapi-v1-subscriptions.yaml",
}


def folder() -> Path | None:
    """Where the files are: PIPEDRIVE_OPENAPI_DIR, or shared/pipedrive-api beside the checkout."""
    named = os.environ.get("PIPEDRIVE_OPENAPI_DIR")
    path = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "pipedrive-api"
    return path if (path / FILES["v2"]).is_file() else None


NO_FILES = (
    "Pipedrive's OpenAPI files are not here: put them into ../shared/pipedrive-api, or name their folder in "
    "PIPEDRIVE_OPENAPI_DIR"
)
needs_files = pytest.mark.skipif(folder() is None, reason=NO_FILES)


@cache
def document(name: str) -> Mapping[str, Any]:
    import yaml

    path = folder()
    assert path is not None
    with (path / FILES[name]).open(encoding="utf-8") as stream:
        loaded: Mapping[str, Any] = yaml.load(stream, Loader=yaml.CSafeLoader)  # noqa: S506 - a safe loader
    return loaded


def resolve(root: Mapping[str, Any], node: Any) -> Any:
    """*node* without references at its top."""
    while isinstance(node, dict) and "$ref" in node:
        target: Any = root
        for part in node["$ref"][2:].split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def flat(root: Mapping[str, Any], node: Any) -> dict[str, Any]:
    """A schema with allOf merged and oneOf/anyOf united, references at its top resolved."""
    node = resolve(root, node)
    out: dict[str, Any] = {k: v for k, v in node.items() if k not in ("allOf", "oneOf", "anyOf")}
    out["properties"] = dict(out.get("properties", {}))
    for part in [*node.get("allOf", ()), *node.get("oneOf", ()), *node.get("anyOf", ())]:
        one = flat(root, part)
        for name, schema in one["properties"].items():
            out["properties"].setdefault(name, schema)
        for name, value in one.items():
            if name == "required":
                if part in node.get("allOf", ()):
                    out["required"] = [*out.get("required", []), *value]
            elif name != "properties":
                out.setdefault(name, value)
    return out


def operation(name: str, method: str, path: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = document(name)["paths"].get(path, {}).get(method.lower())
    return found


def parameters(name: str, method: str, path: str) -> list[Mapping[str, Any]]:
    root = document(name)
    item = root["paths"][path]
    listed = [*item.get("parameters", ()), *item[method.lower()].get("parameters", ())]
    return [resolve(root, p) for p in listed]


def raw_bodies(name: str, method: str, path: str) -> dict[str, Any]:
    """The schemas of the request body by content type as the file has them."""
    root = document(name)
    body = root["paths"][path][method.lower()].get("requestBody")
    content = resolve(root, body).get("content", {}) if body is not None else {}
    return {kind: media.get("schema", {}) for kind, media in content.items()}


@cache
def bodies(name: str, method: str, path: str) -> dict[str, Any]:
    """The schemas of the request body by content type, complete; nothing where there is no body.

    Keys that only a description names are properties too, and so is what repeats a parameter of the path,
    which some bodies require without listing it.
    """
    root = document(name)
    listed = parameters(name, method, path)
    in_path = {p["name"]: p.get("schema", {}) for p in listed if p["in"] == "path"}
    out = {}
    for kind, schema in raw_bodies(name, method, path).items():
        whole = flat(root, schema)
        for repeated in set(whole.get("required", ())) & set(in_path):
            whole["properties"].setdefault(repeated, in_path[repeated])
        for prop in whole["properties"]:
            words = described(name, path, prop)
            if words is not None:
                whole["properties"][prop] = words
        out[kind] = whole
    return out


def response_schema(name: str, method: str, path: str) -> Any:
    """The schema of the 200 or 201 answer, unresolved; None where there is none."""
    root = document(name)
    for status, answer in root["paths"][path][method.lower()]["responses"].items():
        if str(status) in ("200", "201"):
            for media in resolve(root, answer).get("content", {}).values():
                return media.get("schema")
    return None
