"""Pages of a list: cursor (v2), start and limit (v1, three envelopes), or everything in one answer.

What is not a list where a list belongs, and a cursor or offset that does not move, are errors, never the
end of the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Callable

import orjson

from pipedrive_fdw.catalog.model import CURSOR, NONE, OFFSET, Listing
from pipedrive_fdw.errors import ProtocolError

Params = tuple[tuple[str, str], ...]
Page = list[Any]
# Page maxima of the API are multiples of it: 50 of call logs, 100 of files, 500.
_ROUND = 50


def records_of(payload: Mapping[str, Any], listing: Listing, where: str) -> Page:
    """The records of one answer. Raises ProtocolError for anything but what the operation documents."""
    data = payload.get("data")
    if data is None and "data" in payload and listing.null_is_empty:
        return []
    for part in listing.rows.split(".") if listing.rows not in ("", "*") else ():
        data = data.get(part) if isinstance(data, dict) else None
    if listing.rows == "*" and isinstance(data, dict):
        return [data]
    if not isinstance(data, list):
        kind = "null" if data is None else type(data).__name__
        raise ProtocolError(
            f"{where} gave {kind} where a list belongs",
            detail="A list without rows would be an empty one; this answer says nothing.",
            hint="Try again.",
        )
    return data


def record_of(payload: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The record of a look-up's answer; one operation (GET /permissionSets/{id}) answers without envelope
    by its schema, and with a list of the one record by its example.

    Raises ProtocolError for anything but one record: a record that is not there is a 404.
    """
    record = payload.get("data") if "data" in payload or "success" in payload else payload
    if isinstance(record, list) and len(record) == 1:
        (record,) = record
    if not isinstance(record, dict):
        kind = "null" if record is None else type(record).__name__
        raise ProtocolError(
            f"{where} gave {kind} where a record belongs",
            detail="A record that is not there would be a 404; this answer says nothing.",
            hint="Try again.",
        )
    return record


def next_params(
    payload: Mapping[str, Any], listing: Listing, params: Params, count: int, where: str
) -> Params | None:
    """Parameters of the page after this one, None after the last."""
    more = payload.get("additional_data")
    more = more if isinstance(more, dict) else {}
    if listing.paging == NONE:
        return None
    if listing.paging == CURSOR:
        cursor = more.get("next_cursor")
        if not cursor:
            return None
        if ("cursor", str(cursor)) in params:
            raise _repeated(where, "its cursor")
        return (*(p for p in params if p[0] != "cursor"), ("cursor", str(cursor)))
    return _following(more.get("pagination", more), params, count, where)


def _following(said: Any, params: Params, count: int, where: str) -> Params | None:
    """The next offset: what the answer says, else what it gave.

    An answer that says nothing of pages (as that of mailThreads) may still be cut, at the limit that
    was asked for or at one of the API's own, which is a round number.
    """
    pagination = said if isinstance(said, dict) else {}
    asked = dict(params)
    start = int(asked.get("start", "0"))
    following = pagination.get("next_start")
    cut = count > 0 and (count >= int(asked.get("limit", count)) or count % _ROUND == 0)
    if not pagination.get("more_items_in_collection", following is not None or cut):
        return None
    if following is None:
        following = start + (count or int(pagination.get("limit") or 0))
    if int(following) <= start:
        raise _repeated(where, "its page")
    return (*(p for p in params if p[0] != "start"), ("start", str(following)))


def _repeated(where: str, what: str) -> ProtocolError:
    return ProtocolError(
        f"{where} repeats {what}",
        detail="Following it would read the same records for ever; the rest of the list is not known.",
        hint="Try again.",
    )


def pages(
    ask: Callable[[Params], Mapping[str, Any]], listing: Listing, params: Params, where: str
) -> Iterator[Page]:
    """Page after page, each asked for when the one before it has been used.

    Of a list by offset, what stood on the page before as well is left out: offsets shift when records are
    added, and a page that is shorter than its limit does not say where the next one begins.
    """
    asked: set[str] = set()
    before: frozenset[bytes] = frozenset()
    current: Params | None = params
    told = True  # that there are more: else the page asked for may well be beyond the end
    while current is not None:
        payload = ask(current)
        page = records_of(payload, listing if told else replace(listing, null_is_empty=True), where)
        told = bool(payload.get("additional_data"))
        following = next_params(payload, listing, current, len(page), where)
        if following is not None:
            mark = dict(following).get("cursor") or dict(following).get("start", "")
            if mark in asked:
                raise _repeated(where, "a page")
            asked.add(mark)
        if listing.paging == OFFSET and (before or following is not None):
            marks = [orjson.dumps(record) for record in page]
            fresh = [record for record, mark_ in zip(page, marks) if mark_ not in before]
            if page and not fresh:
                if told:
                    raise _repeated(where, "its page")
                return  # a list that knows no pages
            page, before = fresh, frozenset(marks)
        yield page
        current = following
