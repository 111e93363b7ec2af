"""Lists: filters, order, pages and envelopes, as each version has them.

v2 and a few of v1 page by an opaque cursor (a keyset marker bound to its filters and sort), v1 by start and
limit in one of three envelopes. NULLs stand where the setting ``nulls`` says. Ties come in the order of ids,
but under ``sort`` in the one of every second page turned round: no order of theirs is promised.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import orjson

from tests.simulator.account import Account
from tests.simulator.custom import labelled, labels_of
from tests.simulator.filters import test_of
from tests.simulator.model import Collection, Record
from tests.simulator.refusal import Refusal, missing
from tests.simulator.routes import Call
from tests.simulator.spec import operations

PAGING = ("limit", "start", "cursor")
SHOWING = ("include_fields", "custom_fields", "include_option_labels", "include_labels", "include_body")
ORDERING = ("sort", "sort_by", "sort_direction")
_KEPT = 128  # orders that a table remembers
Sorts = tuple[tuple[str, bool], ...]


def list_page(call: Call, collection: Collection, rows: Sequence[Record] | None = None) -> bytes:
    """The answer to a list operation; *rows* when the caller has chosen them itself."""
    sorts = _sorts(call, collection)
    rows = _matching(call, collection, sorts) if rows is None else _sorted(list(rows), sorts, _nulls(call))
    if "cursor" in call.op.query:
        page, extra = _by_cursor(call, collection, rows, sorts)
    elif "limit" in call.op.query:
        page, extra = _by_start(call, collection, rows)
    else:
        page, extra = rows, _unpaged(call)
    return _envelope(collection, encoded(call, collection, page), extra)


def _envelope(collection: Collection, records: list[bytes], extra: Any) -> bytes:
    if not records and collection.empty is None:
        data = b"null"
    else:
        data = b"[" + b",".join(records) + b"]"
        if collection.wrap:
            data = b'{"%s":%s}' % (collection.wrap.encode(), data)
    tail = b"" if extra is ... else b',"additional_data":' + orjson.dumps(extra)
    return b'{"success":true,"data":' + data + tail + b"}"


# ---- which records, in which order


def _matching(call: Call, collection: Collection, sorts: Sorts) -> list[Record]:
    table = call.account[collection.table]
    chosen = {n: v for n, v in call.query.items() if n not in PAGING + SHOWING + ORDERING}
    parent: Any = None
    if collection.parent:
        parent = call.key()
        found = call.account[collection.parent_table].get(parent)
        if found is None:
            raise missing(collection.parent_table, parent)
    place = (collection.path, collection.version, parent, sorts, _nulls(call))
    mark = (*place, tuple(sorted(chosen.items())), call.user)
    if mark in table.orders:
        return table.orders[mark]
    if parent is not None:
        rows = [r for r in table.where(collection.parent, parent) if collection.visible(r)]
    else:
        rows = [r for r in table if collection.visible(r)]
    if collection.table in ("deals", "projects"):
        rows = _of_status(rows, chosen.get("status", ""))
    if collection.table == "persons" and "deal_id" in chosen and "filter_id" not in chosen:
        of_deal = persons_of_deal(call.account, int(chosen["deal_id"]))
        rows = [r for r in rows if r["id"] in of_deal]
    if "filter_id" in chosen:  # makes the API ignore the other filters, silently
        test = test_of(call.account, int(chosen["filter_id"]))
        rows = [r for r in rows if test(r)]
    else:
        for name, value in chosen.items():
            if name in collection.filters:
                test = collection.filters[name](value)
                rows = [r for r in rows if test(r)]
    rows = _sorted(rows, sorts, _nulls(call))
    if len(table.orders) >= _KEPT:
        table.orders.clear()
    table.orders[mark] = rows
    return rows


def persons_of_deal(account: Account, deal_id: int) -> set[int]:
    """The deal's own person and its participants."""
    deal = account["deals"].get(deal_id)
    if deal is None:
        return set()
    participants = account["deal_participants"].where("_deal_id", deal_id)
    return {deal["person_id"], *(p["_person_id"] for p in participants)}


def _of_status(rows: list[Record], status: str) -> list[Record]:
    """Deleted ones stand in the list only when the status asks for them."""
    if "deleted" in status.split(","):
        return rows
    return [r for r in rows if r["status"] != "deleted" and not r.get("is_deleted")]


def _nulls(call: Call) -> str:
    return str(call.account.settings["nulls"])


def _sorts(call: Call, collection: Collection) -> Sorts:
    """(field, descending) of the request, the key last so that the order is total."""
    query = call.query
    if "sort" in query:
        parts = [p.split() for p in query["sort"].split(",")]
        asked = [(p[0], len(p) > 1 and p[1].upper() == "DESC") for p in parts]
    elif "sort_by" in query or "sort_direction" in query:
        asked = [(query.get("sort_by", "id"), query.get("sort_direction") == "desc")]
    else:
        asked = list(collection.order)
    key = collection.key
    if all(name != key for name, _ in asked):
        # Of rows that are equal in a sort, each page by offset may have another order
        start, limit = int(query.get("start", "0")), int(query.get("limit", "100"))
        turned = "sort" in query and start // max(limit, 1) % 2 == 1
        asked.append((key, (asked[0][1] if asked else False) != turned))
    return tuple(asked)


# Where NULLs stand: before the lowest value as in MySQL, after the highest as in PostgreSQL, first or last in
# both directions, or as no database has them in the middle of the times.
NULLS = ("low", "high", "first", "last", "middle")
_MIDDLE = "2025-07-01t"


def sort_value(value: Any, nulls: str = "low", reverse: bool = False) -> tuple[int, Any]:
    """What *value* compares by; texts without regard to case, as the API's database has them."""
    if value is None:
        if nulls == "middle":
            return 1, _MIDDLE
        return (2 if nulls == "high" or nulls == ("first" if reverse else "last") else 0), 0
    if isinstance(value, str):
        return 1, value.casefold()
    if isinstance(value, (dict, list)):
        return 1, str(value)
    return 1, value


def _sorted(rows: list[Record], sorts: Sorts, nulls: str) -> list[Record]:
    for name, reverse in reversed(sorts):
        rows.sort(key=lambda r: sort_value(r.get(name), nulls, reverse), reverse=reverse)  # noqa: B023
    return rows


# ---- pages


def _by_start(call: Call, collection: Collection, rows: Sequence[Record]) -> tuple[Sequence[Record], Any]:
    limit = min(int(call.query.get("limit", 100)), collection.limit)
    start = int(call.query.get("start", 0))
    more = start + limit < len(rows)
    found: Record = {"start": start, "limit": limit, "more_items_in_collection": more}
    if call.op.envelope == "next" and more and (start // limit) % 2 == 0:
        found["next_start"] = start + limit  # the files name it, the API leaves it out at times
    page = rows[start : start + limit]
    if call.op.envelope in ("nested", "next"):
        return page, {"pagination": found}
    return page, found if call.op.envelope == "flat" else ...


def _unpaged(call: Call) -> Any:
    found = {"start": 0, "limit": 100, "more_items_in_collection": False}
    if call.op.version == 1 and call.op.envelope in ("nested", "next"):
        return {"pagination": found}
    if call.op.version == 1 and call.op.envelope == "flat":
        return found
    return None if call.op.path in ("/boards", "/phases") else ...


def _by_cursor(
    call: Call, collection: Collection, rows: Sequence[Record], sorts: Sorts
) -> tuple[Sequence[Record], Any]:
    default = 500 if call.op.version == 1 and collection.table in ("tasks", "project_templates") else 100
    limit = min(int(call.query.get("limit", default)), 500)
    bound = _bound(call)
    begin = (
        _position(rows, sorts, _nulls(call), _marker(call.query["cursor"], bound))
        if "cursor" in call.query
        else 0
    )
    page = rows[begin : begin + limit]
    if begin + limit >= len(rows):
        return page, ... if collection.bare_end else {"next_cursor": None}
    values = [page[-1].get(name) for name, _ in sorts]
    marker = {"field": sorts[0][0], "fieldValue": values, "sortDirection": sorts[0][1], "of": bound}
    return page, {"next_cursor": base64.urlsafe_b64encode(orjson.dumps(marker)).decode()}


def _bound(call: Call) -> str:
    """What a cursor belongs to: the path and everything of the query but the page."""
    same = sorted((n, v) for n, v in call.query.items() if n not in PAGING + SHOWING)
    text = repr((call.op.path, sorted(call.values.items()), same))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _marker(cursor: str, bound: str) -> list[Any]:
    try:
        marker = orjson.loads(base64.urlsafe_b64decode(cursor))
        values, of = marker["fieldValue"], marker["of"]
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise Refusal(400, "Invalid cursor") from None
    if of != bound or not isinstance(values, list):
        raise Refusal(400, "The cursor belongs to another request")
    return values


def _position(rows: Sequence[Record], sorts: Sorts, nulls: str, after: list[Any]) -> int:
    """The index of the first row after the marker, by halving."""
    marks = [sort_value(value, nulls, reverse) for value, (_, reverse) in zip(after, sorts)]

    def is_after(row: Mapping[str, Any]) -> bool:
        for (name, reverse), mark in zip(sorts, marks):
            mine = sort_value(row.get(name), nulls, reverse)
            if mine != mark:
                return (mine > mark) != reverse
        return False

    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) // 2
        if is_after(rows[middle]):
            high = middle
        else:
            low = middle + 1
    return low


# ---- records as the request wants them


def encoded(call: Call, collection: Collection, page: Sequence[Record]) -> list[bytes]:
    """The records' bytes, remembered by view until a record is written."""
    show = {n: v for n, v in call.query.items() if n in SHOWING}
    if not collection.fixed or "include_option_labels" in show or "include_labels" in show:
        return [orjson.dumps(shown(call, collection, r)) for r in page]
    table = call.account[collection.table]
    sync = bool(call.account.settings["contact_sync"])
    mark = (collection.path, collection.version, tuple(sorted(show.items())), sync)
    if mark not in table.encoded:
        if len(table.encoded) > 12:
            table.encoded.clear()
        table.encoded[mark] = {}
    known = table.encoded[mark]
    out = []
    for record in page:
        key = record[table.key]
        found = known.get(key)
        if found is None:
            found = known[key] = orjson.dumps(shown(call, collection, record))
        out.append(found)
    return out


_CONTACT = ("postal_address", "notes", "im", "birthday", "job_title")


@cache
def optional_fields(version: int, paths: tuple[str, ...]) -> frozenset[str]:
    """The fields that come only through include_fields: what the enums of the operations name."""
    named = (operations().get((version, "GET", path)) for path in paths)
    return frozenset(name for op in named if op is not None for name in op.enum("include_fields"))


def shown(call: Call, collection: Collection, record: Record) -> Record:
    """The record with the fields that the request asks for."""
    out = collection.view(call.account, record, call.user)
    query = call.query
    optional = optional_fields(collection.version, (collection.path, collection.one_path))
    asked = query.get("include_fields", "").split(",")
    for name in optional:
        if name not in asked:
            out.pop(name, None)
    if collection.table == "persons" and not call.account.settings["contact_sync"]:
        for name in _CONTACT:
            out.pop(name, None)
    custom = out.get("custom_fields")
    wanted = query.get("custom_fields")
    if wanted and isinstance(custom, dict):
        out["custom_fields"] = custom = {n: custom[n] for n in wanted.split(",") if n in custom}
    if call.flag("include_option_labels") and isinstance(custom, dict):
        out["custom_fields"] = labelled(call.account, collection.entity, custom)
    if call.flag("include_labels"):
        out["labels"] = labels_of(call.account, collection.entity, out.get("label_ids"))
    return out
