"""The shapes of jsonb columns held against the OpenAPI files: every difference in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipedrive_fdw.catalog.functions import Argument
from pipedrive_fdw.catalog.model import Column, Table
from pipedrive_fdw.values.shapes import LIST, MAP, OBJECT, Shape
from tests.contract.found import Found, element, find, record_schema
from tests.contract.openapi import bodies, flat

_KINDS = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "array": LIST,
    "object": OBJECT,
    "": "scalar",
}

# (file, property) → why its parts are declared though the schema has none
UNDESCRIBED = {("v1", "options"): "its description has a label in the example"}


def structure_faults(table: Table, where: str, found: Found, column: Column, schema: Any) -> list[str]:
    """Every difference between the shape of *column* and *schema*, the property that it is sent as."""
    if column.type != "jsonb":
        return []
    if column.shape is None:
        return [f"{where}: {column.name} has no shape"]
    if (found.source, column.name) in UNDESCRIBED:
        return []
    return [
        f"{where}: {f}"
        for f in _faults(found.root, column.name, column.shape, schema, _answer(table, column))
    ]


def argument_faults(argument: Argument) -> list[str]:
    """Every difference between *argument* and the operation that sends it."""
    found = find(argument)
    where = f"{argument.method} {argument.path}"
    if found is None:
        return [f"there is no {where} in version {argument.version}"]
    body = next(iter(bodies(found.source, found.method, found.path).values()))
    schema = {"type": "array", "items": body} if argument.each else body["properties"][argument.name]
    return [f"{where}: {f}" for f in _faults(found.root, argument.name, argument.shape, schema, None)]


def _answer(table: Table, column: Column) -> tuple[Mapping[str, Any], Any] | None:
    """The document and the schema of what a record shows in *column*, None where the files do not say."""
    for op in (table.get, *table.listings):
        found = None if op is None or column.source == "-" else find(op)
        record = None if found is None else record_schema(found, getattr(op, "rows", "*"))
        schema = None if found is None or record is None else element(found, record, column.path)
        if found is not None and schema is not None:
            return found.root, schema
    return None


def _part(answer: tuple[Mapping[str, Any], Any] | None, name: str) -> tuple[Mapping[str, Any], Any] | None:
    """The *answer* of a part; '' is the element of a list."""
    if answer is None:
        return None
    root, schema = answer
    schema = flat(root, schema)
    found = schema["properties"].get(name) if name else schema.get("items")
    return None if found is None else (root, found)


def _faults(
    root: Mapping[str, Any], at: str, shape: Shape, node: Any, answer: Any, top: bool = True
) -> list[str]:
    schema = flat(root, node)
    kind = _KINDS[schema.get("type", OBJECT if schema["properties"] else "")]
    if kind == OBJECT and isinstance(schema.get("additionalProperties"), dict):
        kind = MAP
    if kind == "text" and _is_date(schema):
        kind = "date"
    if shape.kind != kind:
        return [f"{at} is {kind}, not {shape.kind}"]
    faults = []
    if not top and shape.nullable != bool(schema.get("nullable")):
        faults.append(f"{at} {'cannot' if shape.nullable else 'can'} be null")
    if kind == OBJECT:
        faults += _object_faults(root, at, shape, schema, answer)
    elif kind in (LIST, MAP):
        inner = schema["items"] if kind == LIST else schema["additionalProperties"]
        assert shape.items is not None
        faults += _faults(root, f"{at}[]", shape.items, inner, _part(answer, ""), False)
    return faults


def _is_date(schema: Any) -> bool:
    """True if a text is a date, by its format or in words."""
    return schema.get("format") == "date" or "YYYY-MM-DD" in schema.get("description", "")


def _object_faults(root: Mapping[str, Any], at: str, shape: Shape, schema: Any, answer: Any) -> list[str]:
    taken: Mapping[str, Any] = schema["properties"]
    seen = {} if answer is None else flat(*answer)["properties"]
    faults = [f"{at} takes {name}" for name in taken if name not in shape.parts]
    for name, part in shape.parts.items():
        if name in taken:
            faults += _faults(root, f"{at}.{name}", part, taken[name], _part(answer, name), False)
        elif not (shape.open and name in seen):
            faults.append(f"{at} takes no {name}")
    if set(shape.required) != set(schema.get("required", ())):
        faults.append(f"{at} needs {', '.join(schema.get('required', ())) or 'nothing'}")
    if shape.open != (schema.get("additionalProperties") is True):
        faults.append(f"{at} takes {'no ' if shape.open else ''}further keys")
    faults += [f"{at} shows {name}" for name in seen if name not in {*shape.parts, *shape.shown}]
    faults += [f"{at} does not show {name}" for name in shape.shown if seen and name not in seen]
    return faults
