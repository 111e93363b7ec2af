"""Where a declaration's operations stand in the OpenAPI files, and what their records look like."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipedrive_fdw.catalog.model import Operation, Table
from tests.contract.openapi import document, flat, operation, parameters, resolve, response_schema

# Where operations of version 1 stand; those of the core only for declarations that say so.
V1_FILES = ("v1", "subscriptions", "core_v1")


@dataclass(frozen=True)
class Found:
    """An operation as the files have it: file, path there, parameters of the query."""

    source: str
    method: str
    path: str
    query: Mapping[str, Mapping[str, Any]]

    @property
    def root(self) -> Mapping[str, Any]:
        return document(self.source)

    def enum(self, parameter: str) -> list[str]:
        """The values that *parameter* may have, [] where any may be sent."""
        schema = flat(self.root, self.query[parameter].get("schema", {}))
        listed = schema.get("enum") or flat(self.root, schema.get("items", {})).get("enum") or ()
        return [str(v) for value in listed for v in str(value).split(",")]


def operations(table: Table) -> list[Operation]:
    """Every operation that *table* names."""
    found: list[Operation] = [*table.listings, *table.instead.values()]
    if table.get is not None:
        found.append(table.get)
    if table.download is not None and not table.download.address:
        found.append(table.download)
    for write in (table.insert, table.update, table.delete):
        while write is not None:
            found.append(write)
            if write.bulk is not None:
                found.append(write.bulk)
            write = write.otherwise
    return found


def _blank(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def find(op: Operation) -> Found | None:
    """*op* in the files; placeholders count by their place, not by their name."""
    for source in ("v2",) if op.version == 2 else V1_FILES:
        for path in document(source)["paths"]:
            if _blank(path) == _blank(op.path) and operation(source, op.method, path) is not None:
                listed = parameters(source, op.method, path)
                query = {p["name"]: p for p in listed if p["in"] == "query"}
                return Found(source, op.method, path, query)
    return None


def record_schema(found: Found, rows: str, scalar: str = "") -> Any:
    """The schema of one record of the answer, None where there is none at *rows*; of bare values, that of a
    record with the value under *scalar*."""
    whole = response_schema(found.source, found.method, found.path)
    if whole is None:
        return None
    schema = flat(found.root, whole)
    data = schema["properties"].get("data")
    current = schema if data is None else flat(found.root, data)
    for part in rows.split(".") if rows not in ("", "*") else ():
        if part not in current["properties"]:
            return None
        current = flat(found.root, current["properties"][part])
    if rows != "*":
        if "items" not in current:
            return None
        if scalar:
            return {"properties": {scalar: current["items"]}}
        current = flat(found.root, current["items"])
    if set(current["properties"]) == {"success", "data", "related_objects"}:
        # The old list of products repeats the envelope around each record; its example does not.
        current = flat(found.root, current["properties"]["data"])
    return current


def element(found: Found, record: Any, path: Sequence[str]) -> Any:
    """The schema at *path* of *record*, None where the files do not describe it."""
    current = record
    for part in path:
        if part not in current["properties"]:
            return None
        node = resolve(found.root, current["properties"][part])
        current = flat(found.root, node)
        either = [flat(found.root, one).get("type", "") for one in node.get("oneOf", node.get("anyOf", ()))]
        current["kinds"] = either or [current.get("type", "")]
    return current
