"""Pages of a list: cursor (v2), start and limit (v1, three envelopes), or everything in one answer.

What is not a list where a list belongs, and a cursor or offset that does not move, are errors, never the
end of the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Callable

from pipedrive_fdw.catalog.model import CURSOR, NONE, Listing
from pipedrive_fdw.errors import ProtocolError

Params = tuple[tuple[str, str], ...]
Page = list[Any]


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
    """The record of a look-up's answer; one operation (GET /permissionSets/{id}) answers without envelope.

    Raises ProtocolError for anything but one record: a record that is not there is a 404.
    """
    record = payload.get("data") if "data" in payload or "success" in payload else payload
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
    pagination = more.get("pagination")
    pagination = pagination if isinstance(pagination, dict) else more
    if not pagination.get("more_items_in_collection"):
        return None
    start = int(dict(params).get("start", "0"))
    following = pagination.get("next_start")
    if following is None:
        following = start + int(pagination.get("limit") or count)
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
    """Page after page, each asked for when the one before it has been used."""
    asked: set[str] = set()
    current: Params | None = params
    while current is not None:
        payload = ask(current)
        page = records_of(payload, listing, where)
        following = next_params(payload, listing, current, len(page), where)
        if following is not None:
            mark = dict(following).get("cursor") or dict(following).get("start", "")
            if mark in asked:
                raise _repeated(where, "a page")
            asked.add(mark)
        yield page
        current = following
