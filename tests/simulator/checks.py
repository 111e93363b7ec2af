"""Whether a request keeps to its operation: query parameters and bodies, refused as the API refuses them.

Knows no record. Stricter than the API where the API is lenient in ways nobody should rest on: a parameter
or property that the OpenAPI files do not name is refused on v1 too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Callable
from urllib.parse import parse_qsl

from tests.simulator.refusal import Refusal, invalid
from tests.simulator.spec import Operation, operations

_TIME = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ")
_DAY = re.compile(r"\d{4}-[01]\d-[0-3]\d")
_SHAPES = {"integer": r"-?\d{1,18}", "number": r"-?\d+(\.\d+)?"}
FIELD_KEY = re.compile(r"[0-9a-f]{40}(_\w+)?")


def check_query(op: Operation, query: list[tuple[str, str]]) -> dict[str, str]:
    """The parameters by name. Raises Refusal 400 for what the operation does not take."""
    given: dict[str, str] = {}
    for name, value in query:
        declared = op.query.get(name)
        if declared is None:
            raise invalid(f"Query parameter {name} is not allowed on {op.method} {op.path}")
        if name in given:
            raise invalid(f"Query parameter {name} is given twice")
        _check_parameter(op, name, declared, value)
        given[name] = value
    for name, declared in op.query.items():
        if declared.get("required") and name not in given:
            raise invalid(f"Query parameter {name} is required")
    return given


def _check_parameter(op: Operation, name: str, declared: Mapping[str, Any], value: str) -> None:
    kind = declared["type"]
    if "list" in declared:
        _check_list(name, declared, value)
        return
    if name in ("updated_since", "updated_until") and not _TIME.fullmatch(value):
        raise invalid(f"Parameter {name} must be in the format YYYY-MM-DDTHH:MM:SSZ")
    if declared.get("format") == "date" and not _DAY.fullmatch(value):
        raise invalid(f"Parameter {name} must be a date")
    if name == "parent_task_id" and value == "null":
        return
    shape = _SHAPES.get(kind)
    if shape and not re.fullmatch(shape, value):
        raise invalid(f"Parameter {name} must be of type {kind}, not {value!r}")
    if kind == "boolean" and value not in ("true", "false", *(("0", "1") if op.version == 1 else ())):
        raise invalid(f"Parameter {name} must be true or false, not {value!r}")
    if name == "sort" and op.version == 1:
        _check_sort(value, op.enum(name))
        return
    allowed = op.enum(name)
    if allowed and value not in allowed:
        raise invalid(f"Parameter {name} must be one of {', '.join(allowed)}, not {value!r}")
    if name == "limit":
        _check_limit(op, declared, value)
    if name == "start" and int(value) < 0:
        raise invalid("Parameter start must not be negative")


def _check_list(name: str, declared: Mapping[str, Any], value: str) -> None:
    items = value.split(",")
    if declared["list"] and len(items) > declared["list"]:
        raise invalid(f"Parameter {name} takes at most {declared['list']} values")
    numbers = declared.get("of") == "integer" or name in ("ids", "deal_ids")
    if numbers and not all(re.fullmatch(r"\d{1,18}", i) for i in items):
        raise invalid(f"Parameter {name} must be a comma list of integers")
    allowed = [str(e) for e in declared.get("enum", ())]
    if allowed and any(i not in allowed for i in items):
        raise invalid(f"Parameter {name} must be of {', '.join(allowed)}, not {value!r}")
    if not all(items):
        raise invalid(f"Parameter {name} must not hold empty values")


def _check_limit(op: Operation, declared: Mapping[str, Any], value: str) -> None:
    if int(value) < 1:
        raise invalid("Parameter limit must be at least 1")
    most = int(declared.get("maximum", 500))
    if op.version == 2 and int(value) > most:
        raise invalid(f"Parameter limit must be at most {most}")


def _check_sort(value: str, allowed: tuple[str, ...]) -> None:
    for part in value.split(","):
        words = part.split()
        if len(words) not in (1, 2) or (len(words) == 2 and words[1].upper() not in ("ASC", "DESC")):
            raise invalid(f"Parameter sort must be 'field ASC, field DESC', not {value!r}")
        if allowed and words[0] not in allowed:
            raise invalid(f"Sorting by {words[0]} is not supported")


# ---- bodies


def read_body(op: Operation, content_type: str, body: bytes) -> Any:
    """The body as an object (or the list that an option endpoint takes), files as bytes.

    Raises Refusal for a wrong encoding, property, type or a missing one."""
    if op.body is None:
        if body.strip():
            raise invalid(f"{op.method} {op.path} takes no body")
        return {}
    kind = content_type.partition(";")[0].strip().lower()
    if body and kind not in op.content:
        raise Refusal(415, f"{op.method} {op.path} takes {' or '.join(op.content)}, not {kind or 'nothing'}")
    if kind == "multipart/form-data":
        given: Any = _multipart(content_type, body)
    elif kind == "application/x-www-form-urlencoded":
        given = dict(parse_qsl(body.decode(), keep_blank_values=True))
    else:
        try:
            given = json.loads(body) if body else ([] if op.body["type"] == "array" else {})
        except ValueError:
            raise invalid("The body is not JSON") from None
    strict = op.version == 2 and kind == "application/json"
    if op.body["type"] == "array":
        if not isinstance(given, list):
            raise invalid("The body must be a list")
        _check_value("body", op.body, given, strict)
        return given
    if not isinstance(given, dict):
        raise invalid("The body must be an object")
    _check_object("", op.body, given, strict)
    _check_nulls(op, given)
    return given


def _check_nulls(op: Operation, given: Mapping[str, Any]) -> None:
    """What a create requires, a change cannot clear; a boolean is never null, nor is a list."""
    collection = op.path.rpartition("/{")[0] or op.path
    create = operations().get((op.version, "POST", collection))
    required = (create.body or {}).get("required", ()) if create else ()
    props = (op.body or {}).get("props", {})
    for name, value in given.items():
        fixed = name in required or props.get(name, {}).get("type") in ("boolean", "array")
        if value is None and fixed and not props.get(name, {}).get("null"):
            raise invalid(f"Property {name} cannot be null")


_TYPES: Mapping[str, Any] = {
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
    "any": lambda v: True,
}
_LENIENT: Mapping[str, Callable[[Any], Any]] = {
    "integer": lambda v: isinstance(v, str) and re.fullmatch(r"-?\d+", v),
    "number": lambda v: isinstance(v, str) and re.fullmatch(r"-?\d+(\.\d+)?", v),
    "boolean": lambda v: v in (0, 1, "0", "1", "true", "false"),
    "string": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
}


def _check_object(where: str, schema: Mapping[str, Any], given: Mapping[str, Any], strict: bool) -> None:
    props = schema.get("props", {})
    for name, value in given.items():
        declared = props.get(name)
        if declared is None:
            if (not props and where) or schema.get("open"):
                continue
            if not strict and not where and FIELD_KEY.fullmatch(name):  # custom fields of v1
                continue
            raise invalid(f"Property {where}{name} is not allowed")
        _check_value(f"{where}{name}", declared, value, strict)
    for name in schema.get("required", ()):
        if given.get(name) is None:
            raise invalid(f"Property {where}{name} is required")


def _check_value(where: str, schema: Mapping[str, Any], value: Any, strict: bool) -> None:
    if value is None:
        # Of a whole field null is what clears it, though the files say so of few
        if re.search(r"[.\[]", where) and not schema.get("null"):
            raise invalid(f"Property {where} cannot be null")
        return
    kind = schema["type"]
    if isinstance(value, bytes) and kind == "string":
        return
    if not _TYPES.get(kind, _TYPES["any"])(value):
        lenient = _LENIENT.get(kind)
        if strict or lenient is None or not lenient(value):
            raise invalid(f"Property {where} must be of type {kind}")
    enum = schema.get("enum")
    if enum and value not in enum and (strict or str(value) not in map(str, enum)):
        raise invalid(f"Property {where} must be one of {enum}")
    if kind == "object" and isinstance(value, dict):
        _check_object(where + ".", schema, value, strict)
    if kind == "array" and isinstance(value, list) and "items" in schema:
        for item in value:
            _check_value(where + "[]", schema["items"], item, strict)


def _multipart(content_type: str, body: bytes) -> Form:
    """The parts by name as RFC 7578 has them; a part with a file name is bytes.

    Raises Refusal for anything else: what one server reads so and another otherwise must not be sent.
    """
    boundary = re.fullmatch(
        r"multipart/form-data; *boundary=(\"?)([0-9A-Za-z'()+_,./:=?-]{1,70})\1", content_type
    )
    if not boundary:
        raise invalid("multipart without a boundary")
    mark = b"--" + boundary[2].encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if pieces[0] or pieces.pop() not in (b"--", b"--\r\n") or len(pieces) < 2:
        raise invalid("multipart that does not begin or end with its boundary")
    given: dict[str, Any] = {}
    names: dict[str, str] = {}
    for piece in pieces[1:]:
        head, blank, content = piece.partition(b"\r\n\r\n")
        if not blank or not head.startswith(b"\r\n"):
            raise invalid("a part without a head")
        name, filename = _disposition(head[2:])
        if name in given:
            raise invalid(f"two parts are called {name}")
        given[name] = _text(content) if filename is None else content
        if filename is not None:
            names[name] = filename
    return Form(given, names)


# A quoted text. A backslash, or %22 for a quote, means one thing to mail programs and another to browsers.
_QUOTED = r'"((?:[^"\\\x00-\x1f\x7f])*)"'
_DISPOSITION = re.compile(rf"form-data; name={_QUOTED}(?:; filename={_QUOTED})?")


def _disposition(head: bytes) -> tuple[str, str | None]:
    """The names of a part and of its file. Raises Refusal where the head is not exactly of the form."""
    found: tuple[str, str | None] | None = None
    for line in _text(head).split("\r\n"):
        field, colon, value = line.partition(": ")
        if not colon or not re.fullmatch(r"[A-Za-z-]+", field) or re.search(r"[\r\n]", value):
            raise invalid(f"a part has the line {line!r}")
        if field.lower() == "content-disposition":
            named = _DISPOSITION.fullmatch(value)
            if named is None or found is not None:
                raise invalid(f"a part is named {value!r}")
            found = named[1], named[2]
    if found is None or found[1] == "":
        raise invalid("a part without a name")
    return found


def _text(part: bytes) -> str:
    try:
        return part.decode()
    except UnicodeDecodeError:
        raise invalid("a part that is no UTF-8") from None


class Form(dict[str, Any]):
    """A multipart form, which remembers the names of its files."""

    def __init__(self, given: Mapping[str, Any], filenames: Mapping[str, str]) -> None:
        super().__init__(given)
        self.filenames = filenames
