"""The account behind the API's back: every record of a collection with every field, and changes to them.

A collection has the name of its table, or the API's own (``activityTypes``); a few more names stand for a
part of a table.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, Callable

from tests.simulator.account import Account, Table
from tests.simulator.model import Collection, Record
from tests.simulator.refusal import missing
from tests.simulator.routes import COLLECTIONS

_SHOWN_PARENT = {
    "note_comments": ("note_id", "_note_id"),
    "deal_participants": ("deal_id", "_deal_id"),
    "deal_changes": ("deal_id", "_deal_id"),
    "person_changes": ("person_id", "_person_id"),
    "organization_changes": ("org_id", "_org_id"),
    "project_changes": ("project_id", "_project_id"),
    "project_groups": ("project_id", "_project_id"),
}


def _folder(name: str) -> Callable[[Record], bool]:
    return lambda thread: name in thread["folders"]


_PARTS: Mapping[str, tuple[str, Callable[[Record], bool]]] = {
    "deleted_deals": ("deals", lambda r: bool(r["is_deleted"])),
    "deals": ("deals", lambda r: not r["is_deleted"]),
    **{f"mail_threads_{n}": ("mail_threads", _folder(n)) for n in ("inbox", "drafts", "sent", "archive")},
    "deal_mail_messages": ("mail_messages", lambda r: r["_deal_id"] is not None),
    "person_mail_messages": ("mail_messages", lambda r: r["_person_id"] is not None),
    "organization_mail_messages": ("mail_messages", lambda r: r["_org_id"] is not None),
    "lead_fields": ("deal_fields", lambda r: True),
}
_MAIL_PARENT = {
    "deal_mail_messages": ("deal_id", "_deal_id"),
    "person_mail_messages": ("person_id", "_person_id"),
    "organization_mail_messages": ("org_id", "_org_id"),
}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()


def _declared(table: str, name: str) -> list[Collection]:
    found = [c for c in COLLECTIONS if c.table == table]
    if name == "lead_fields":
        return [c for c in found if c.path == "/leadFields"]
    newest = max((c.version for c in found), default=0)
    return [c for c in found if c.version == newest and c.path != "/leadFields"]


def snapshot(account: Account, name: str) -> list[Record]:
    """Raises Refusal 404 for a name that is no collection."""
    name = _snake(name)
    table, wanted = _PARTS.get(name, (name, lambda r: True))
    if table not in account.tables:
        raise missing("collection", name)
    with account.lock:
        declared = _declared(table, name)
        rows = [r for r in account[table] if wanted(r) and _seen(declared, table, r)]
        return [copy.deepcopy(_shown(account, declared, name, r)) for r in rows]


def _seen(declared: list[Collection], table: str, record: Record) -> bool:
    if record.get("status") == "deleted" and table == "projects":
        return False
    return table == "deals" or not declared or any(c.visible(record) for c in declared)


def _shown(account: Account, declared: list[Collection], name: str, record: Record) -> Record:
    if declared:
        out = declared[0].view(account, record, 1)
    else:
        out = {n: v for n, v in record.items() if n[0] != "_"}
    for parent in {c.parent for c in declared if c.parent and c.parent[0] != "_"}:
        out = {**out, parent: record[parent]}
    if name == "filters":
        out = {**out, "conditions": record["conditions"]}
    if name == "permission_sets":
        out = {**out, "contents": record["_contents"]}
    if name == "product_images":
        out = {**out, "public_url": account.public(f"products/{record['product_id']}.png")}
    if name in ("files", "product_images"):
        out = {**out, "content": record["_content"]}
    if name in ("mail_messages", *_MAIL_PARENT):
        out = {**out, "body": record["_body"], "draft_flag": record["_draft_flag"]}
    shown, stored = _SHOWN_PARENT.get(name) or _MAIL_PARENT.get(name) or ("", "")
    if shown:
        out[shown] = record[stored]
    return out


def insert(account: Account, name: str, given: Mapping[str, Any]) -> Record:
    """A record as it is; what it leaves out is taken from the declaration's blank one."""
    table = account[_table(account, name)]
    blank: Mapping[str, Any] = next((c.blank for c in _declared(_table(account, name), name) if c.blank), {})
    record: Record = {**copy.deepcopy(dict(blank)), **given}
    if record.get(table.key) is None:
        record[table.key] = table.new_key()
    table.put(record)
    return record


def patch(account: Account, name: str, key: str, given: Mapping[str, Any]) -> Record:
    table, record = _found(account, name, key)
    record.update(given)
    table.put(record)
    return record


def remove(account: Account, name: str, key: str) -> Record:
    """The record is gone, as if the API had never had it."""
    table, record = _found(account, name, key)
    table.remove(record)
    return record


def _found(account: Account, name: str, key: str) -> tuple[Table, Record]:
    table = account[_table(account, name)]
    record = table.find(key)
    if record is None:
        raise missing(name, key)
    return table, record


def _table(account: Account, name: str) -> str:
    name = _snake(name)
    table = _PARTS.get(name, (name, None))[0]
    if table not in account.tables:
        raise missing("collection", name)
    return table
