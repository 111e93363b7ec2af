"""JSON as the API writes it and as PostgreSQL's jsonb reads and writes it."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import orjson


def clean(text: str) -> str:
    """*text* without NUL and lone surrogates, which PostgreSQL's text cannot hold."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    return text


def _clean_json(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_clean_json(v) for v in value]
    if isinstance(value, dict):
        return {clean(k): _clean_json(v) for k, v in value.items()}
    return value


def parse_json(body: bytes) -> Any:
    """JSON *body* → Python. Lone surrogates, which orjson refuses, become U+FFFD.

    Raises ValueError for anything that is not one JSON document.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        value = json.loads(body.decode("utf-8", "strict"))
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def to_json(value: Any) -> str:
    """*value* as JSON text that PostgreSQL's jsonb reads (no NUL)."""
    text = orjson.dumps(value).decode()
    if "\\u0000" in text:
        text = orjson.dumps(_clean_json(value)).decode()
    return text


def parse_exact(text: str) -> Any:
    """The JSON document *text*, none of whose numbers changes when it is sent as JSON.

    Raises ValueError for one that would lose digits, since a JSON number of the API is a double.
    """
    return json.loads(text, parse_float=_exact_float, parse_int=_exact_int)


def _exact_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or Decimal(repr(number)) != Decimal(text):
        raise ValueError(f"the number {text} has more digits than JSON of the API keeps")
    return number


def _exact_int(text: str) -> int | float:
    return int(text) if abs(int(text)) < 2**63 else _exact_float(text)


def parse_row(text: str) -> dict[str, Any]:
    """A row as PostgreSQL's row_to_json() writes it, with its numbers exact: int or Decimal."""
    row: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return row


def exact(value: Any) -> Any:
    """A JSON value of parse_row() as one that can be sent. Raises ValueError as parse_exact() does."""
    if isinstance(value, Decimal):
        return _exact_float(str(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return _exact_int(str(value))
    if isinstance(value, list):
        return [exact(v) for v in value]
    if isinstance(value, dict):
        return {k: exact(v) for k, v in value.items()}
    return value
