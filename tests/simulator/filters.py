"""Saved filters at work: the conditions of a filter as a test of records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from tests.simulator.account import Account
from tests.simulator.model import Record, Test, always
from tests.simulator.refusal import missing

_ENTITIES = {
    "deals": "deal",
    "leads": "deal",
    "org": "organization",
    "people": "person",
    "products": "product",
    "activity": "activity",
    "projects": "project",
}
_V1_NAMES = {"user_id": "owner_id", "label": "label_ids"}


def test_of(account: Account, key: int) -> Test:
    """Raises Refusal 404 for a filter that is not there."""
    saved = account["filters"].get(key)
    if saved is None or not saved["active_flag"]:
        raise missing("Filter", key)
    return _group(account, _ENTITIES[saved["type"]], saved["conditions"])


def _group(account: Account, entity: str, node: Mapping[str, Any]) -> Test:
    if "conditions" not in node:
        return _condition(account, entity, node)
    tests = [_group(account, entity, n) for n in node["conditions"] or ()]
    if not tests:
        return always
    if node.get("glue") == "or":
        return lambda record: any(t(record) for t in tests)
    return lambda record: all(t(record) for t in tests)


def _condition(account: Account, entity: str, node: Mapping[str, Any]) -> Test:
    field = next((f for f in account[f"{entity}_fields"] if str(f["_id"]) == str(node["field_id"])), None)
    if field is None:
        return always
    code = _V1_NAMES.get(field["field_code"], field["field_code"])
    compare = _OPERATORS.get(str(node.get("operator")), lambda mine, wanted: True)
    wanted = node.get("value")

    def test(record: Record) -> bool:
        mine = record.get(code)
        if mine is None and field["is_custom_field"]:
            mine = (record.get("custom_fields") or record).get(code)
        return bool(compare(mine, wanted))

    return test


def _like(mine: Any, wanted: Any) -> bool:
    pattern = str(wanted).casefold()
    text = str(mine).casefold()
    if pattern.startswith("%"):
        return pattern.strip("%") in text
    return text.startswith(pattern.rstrip("%"))


def _same(mine: Any, wanted: Any) -> bool:
    return mine is not None and str(mine) == str(wanted)


def _less(mine: Any, wanted: Any) -> bool:
    if isinstance(mine, (int, float)):
        return mine < float(wanted)
    return mine is not None and str(mine) < str(wanted)


def _more(mine: Any, wanted: Any) -> bool:
    return mine is not None and not _same(mine, wanted) and not _less(mine, wanted)


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": _same,
    "!=": lambda mine, wanted: not _same(mine, wanted),
    "<": _less,
    ">": _more,
    "<=": lambda mine, wanted: _less(mine, wanted) or _same(mine, wanted),
    ">=": lambda mine, wanted: _more(mine, wanted) or _same(mine, wanted),
    "IS NULL": lambda mine, wanted: mine is None,
    "IS NOT NULL": lambda mine, wanted: mine is not None,
    "LIKE '$%'": _like,
    "LIKE '%$%'": lambda mine, wanted: _like(mine, f"%{wanted}"),
}
