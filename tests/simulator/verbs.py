"""What every collection can do: list, look up, create, change, delete, from its declaration alone."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from tests.simulator.custom import from_flat, merged
from tests.simulator.listing import list_page, shown
from tests.simulator.model import Collection, Record
from tests.simulator.refusal import Refusal, invalid, missing
from tests.simulator.routes import CHANGES, COLLECTIONS, HANDLERS, Call, Reply, done
from tests.simulator.spec import operations


def declare(*collections: Collection) -> None:
    """Registers the operations that the collections have, as far as the OpenAPI files know them."""
    for collection in collections:
        COLLECTIONS.append(collection)
        for key, handler in _handlers(collection).items():
            if key in operations():
                HANDLERS[key] = handler
            elif key[1] not in CHANGES:
                raise ValueError(f"the OpenAPI files have no {key[1]} {key[2]} in v{key[0]}")


def _handlers(collection: Collection) -> dict[tuple[int, str, str], Any]:
    version, path, one = collection.version, collection.path, collection.one_path
    made: dict[tuple[int, str, str], Any] = {}
    for verb in collection.verbs:
        if verb == "L":
            made[version, "GET", path] = lambda call: list_page(call, collection)
        elif verb == "G":
            made[version, "GET", one] = lambda call: _answer(call, collection, look_up(call, collection))
        elif verb == "C":
            made[version, "POST", path] = lambda call: _created(call, collection)
        elif verb == "D":
            made[version, "DELETE", one] = lambda call: _deleted(call, collection)
        else:
            for method in CHANGES:
                made[version, method, one] = lambda call: _changed(call, collection)
    return made


def _answer(call: Call, collection: Collection, record: Record) -> Record:
    out: Any = shown(call, collection, record)
    return done({collection.wrap.rstrip("s"): out} if collection.wrap else out)


def _created(call: Call, collection: Collection) -> Reply:
    return call.op.status, _answer(call, collection, create(call, collection, call.body))


def _changed(call: Call, collection: Collection) -> Reply:
    record = look_up(call, collection)
    return _answer(call, collection, change(call, collection, record, call.body))


def _deleted(call: Call, collection: Collection) -> Reply:
    record = look_up(call, collection)
    delete(call, collection, record)
    given = collection.deleted
    return done({collection.key: record[collection.key]} if given is None else given)


def look_up(call: Call, collection: Collection) -> Record:
    """The record that the path names, a child's only under its own parent. Raises Refusal 404."""
    name = re.findall(r"\{([\w-]+)\}", collection.one_path)[-1]
    key = call.values[name]
    record = call.account[collection.table].find(key)
    if record is None or not collection.found(record):
        raise missing(collection.table, key)
    if collection.parent and record[collection.parent] != call.key():
        raise missing(collection.table, key)
    return record


def parent_of(call: Call, collection: Collection) -> Any:
    """The path's parent, which must be there."""
    key = call.key()
    call.account.get(collection.parent_table, key)
    return key


def create(call: Call, collection: Collection, body: Mapping[str, Any]) -> Record:
    account, table = call.account, call.account[collection.table]
    record: Record = copy.deepcopy(dict(collection.blank))
    record[collection.key] = table.new_key()
    if collection.parent:
        record[collection.parent] = parent_of(call, collection)
    now = account.now(collection.clock)
    for name in ("add_time", "update_time"):
        if name in record:
            record[name] = now
    if collection.entity and not collection.flat:
        record["custom_fields"] = merged(account, collection.entity, None, None)
    _write(call, collection, record, body, True)
    table.put(record)
    return record


def change(call: Call, collection: Collection, record: Record, body: Mapping[str, Any]) -> Record:
    changed = copy.copy(record)  # a refusal half way leaves the record as it was
    _write(call, collection, changed, body, False)
    if "update_time" in changed:
        changed["update_time"] = call.account.now(collection.clock, record["update_time"])
    record.clear()
    record.update(changed)
    call.account[collection.table].put(record)
    return record


def delete(call: Call, collection: Collection, record: Record) -> None:
    table = call.account[collection.table]
    if collection.soft is None:
        table.remove(record)
        return
    name, value = collection.soft
    if record.get(name) == value:
        raise missing(collection.table, record[collection.key])
    record[name] = value
    if record.get("update_time"):
        record["update_time"] = call.account.now(collection.clock, record["update_time"])
    table.put(record)


def _write(call: Call, collection: Collection, record: Record, body: Mapping[str, Any], new: bool) -> None:
    given = coerced(call, body)
    for name, table in collection.references.items():
        value = given.get(name)
        if value is not None and call.account[table].find(str(value)) is None:
            raise invalid(f"{name} {value} does not exist")
    if collection.flat:
        custom = from_flat(call.account, collection.entity, given)
        record["_custom"] = {**record.get("_custom", {}), **custom}
    elif "custom_fields" in given and collection.entity:
        custom = given.pop("custom_fields")
        record["custom_fields"] = merged(call.account, collection.entity, record["custom_fields"], custom)
    for name, value in given.items():
        if name in record:
            record[name] = value
    if collection.settle is not None:
        collection.settle(call, record, given, new)


def coerced(call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
    """v1 and forms take "1" for 1 and 1 for true; the record holds the declared type."""
    given = dict(body)
    if call.op.version == 2 or call.op.body is None:
        return given
    for name, schema in call.op.body.get("props", {}).items():
        value, kind = given.get(name), schema["type"]
        if isinstance(value, str) and kind in ("integer", "number"):
            given[name] = float(value) if "." in value else int(value)
        elif kind == "boolean" and value is not None:
            given[name] = value in (True, 1, "1", "true")
    return given


def refuse_archived(call: Call, deal_id: Any) -> None:
    """Archived deals, and what hangs on them, cannot be changed."""
    deal = call.account["deals"].get(deal_id)
    if deal is not None and deal["is_archived"]:
        raise Refusal(403, "Archived deals cannot be changed")
