"""The keys that the OpenAPI files have in words only are those of their words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.described import DESCRIBED, Schema
from tests.contract.openapi import document, flat, needs_files, raw_bodies

pytestmark = needs_files


def keys(schema: Schema) -> set[str]:
    """The names of all properties, at every depth."""
    inner = schema.get("items", {})
    found = keys(inner) if inner else set()
    for name, part in schema.get("properties", {}).items():
        found |= {name} | keys(part)
    return found


def documented(source: str, paths: str, name: str) -> Iterator[tuple[str, Any]]:
    """(where, schema of the property) of every body that *paths* means."""
    for path, item in document(source)["paths"].items():
        for method in ("post", "put", "patch"):
            if re.fullmatch(paths, path) and method in item:
                for schema in raw_bodies(source, method, path).values():
                    properties = flat(document(source), schema)["properties"]
                    if name in properties:
                        yield f"{method} {path}", flat(document(source), properties[name])


@pytest.mark.parametrize("entry", DESCRIBED, ids=lambda entry: f"{entry[0]} {entry[1]} {entry[2]}")
def test_the_keys_are_those_of_the_words(entry: tuple[str, str, str, Schema]) -> None:
    source, paths, name, schema = entry
    found = list(documented(source, paths, name))
    assert found, "no body has it"
    elsewhere = json.dumps(
        [item["get"]["responses"] for path, item in document(source)["paths"].items() if "get" in item],
        default=str,
    )
    for where, declared in found:
        assert declared["type"] == schema["type"], where
        whole = flat(document(source), declared.get("items", declared))
        assert not whole["properties"], f"{where}: the file has a schema, use that"
        words = declared["description"]
        # A snippet of JSON, or `currency` (string), …
        named = set(re.findall(r'[{,]\s*"?(\w+)"?\s*:', words)) | set(
            re.findall(r"`?(\w+)`? \((?:string|number)", words)
        )
        assert named <= keys(schema), where
        for key in keys(schema) - named:
            assert re.search(rf"\b{key}\b", words) or f'"{key}"' in elsewhere, f"{where}: nobody names {key}"
