"""Pages of a list: cursor (v2), start and limit (v1, three envelopes), or everything in one answer.

What is not a list where a list belongs, and a cursor or offset that does not move, are errors, never the
end of the list. How a list by offset is read while it changes stands in api/offset.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Callable

from pipedrive_fdw.api.offset import Rank, Reader
from pipedrive_fdw.catalog.model import NONE, OFFSET, Listing
from pipedrive_fdw.errors import ProtocolError

Params = tuple[tuple[str, str], ...]
Page = list[Any]
Ask = Callable[[Params], Mapping[str, Any]]
Expect = Callable[[Params], None]
# Page maxima of the API are multiples of it: 50 of call logs, 100 of files, 500.
_ROUND = 50
# The same page in the place of the next, so many times on end, is an error. New records at the front of the
# list can push it there, but not again and again.
_SAME_PAGES = 5


def records_of(payload: Mapping[str, Any], listing: Listing, where: str, *, null_is_empty: bool) -> Page:
    """The records of one answer. Raises ProtocolError for anything but what the operation documents, and for
    null unless *null_is_empty*."""
    data = payload.get("data")
    if data is None and "data" in payload and null_is_empty and not _promises_more(payload):
        return []
    for part in listing.rows.split(".") if listing.rows not in ("", "*") else ():
        data = data.get(part) if isinstance(data, dict) else None
    if listing.rows == "*" and isinstance(data, dict):
        return [data]
    if not isinstance(data, list):
        kind = "null" if data is None else type(data).__name__
        raise ProtocolError(
            f"{where} returned {kind} instead of a list",
            detail="It is not known whether there are records: an empty list would be [].",
            hint="Try again.",
        )
    return [{listing.scalar: value} for value in data] if listing.scalar else data


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
            f"{where} returned {kind} instead of a record",
            detail="It is not known whether the record exists: if it did not, the status would be 404.",
            hint="Try again.",
        )
    return record


def _cursor(payload: Mapping[str, Any]) -> Any:
    more = payload.get("additional_data")
    return more.get("next_cursor") if isinstance(more, dict) else None


def _said(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the answer says about offsets, in whichever envelope."""
    more = payload.get("additional_data")
    more = more if isinstance(more, dict) else {}
    pagination = more.get("pagination", more)
    return pagination if isinstance(pagination, dict) else {}


def _tells_of_pages(payload: Mapping[str, Any]) -> bool:
    said = _said(payload)
    return "more_items_in_collection" in said or said.get("next_start") is not None


def _promises_more(payload: Mapping[str, Any]) -> bool:
    said = _said(payload)
    following = said.get("next_start") is not None
    return bool(said.get("more_items_in_collection", following) or _cursor(payload))


def _is_cut(payload: Mapping[str, Any], count: int) -> bool:
    """True if an answer promises more and is full. In the API's own examples, one that is not full promises
    more, too, and nothing follows."""
    return _promises_more(payload) and count >= int(_said(payload).get("limit") or 0)


def next_params(
    payload: Mapping[str, Any], listing: Listing, params: Params, count: int, where: str
) -> Params | None:
    """Parameters of the page after this one, None after the last."""
    if listing.paging == OFFSET:
        return _following(_said(payload), listing, params, count, where)
    cursor = _cursor(payload)
    if cursor and listing.paging == NONE or not cursor and _is_cut(payload, count):
        raise ProtocolError(
            f"{where} returned a part of its list, and no way to the rest",
            detail="The answer says that there are more records. The operation has no parameter for them.",
            hint="Nothing of the answer was used. If it stays so, report it: the operation has got pages.",
        )
    if not cursor:
        return None
    if ("cursor", str(cursor)) in params:
        raise _repeated(where, "its cursor")
    return (*(p for p in params if p[0] != "cursor"), ("cursor", str(cursor)))


def _following(
    said: Mapping[str, Any], listing: Listing, params: Params, count: int, where: str
) -> Params | None:
    """The page that begins with the last record of this one, by which the reader sees that nothing moved.

    Its place follows from what came, not from what was asked for: a page may be shorter than its limit. It
    is asked for with one record more than the first page, where the operation gives as many.
    An answer that says nothing of pages (as that of mailThreads) may still be cut, at the limit that
    was asked for or at one of the API's own, which is a round number.
    """
    asked = dict(params)
    start = int(asked.get("start", "0"))
    told = said.get("next_start")
    cut = count > 0 and (count >= int(asked.get("limit", count)) or count % _ROUND == 0)
    if not said.get("more_items_in_collection", told is not None or cut):
        return None
    if told is not None and int(told) <= start:
        raise _repeated(where, "its page")
    if not count:
        raise ProtocolError(
            f"{where} returned no records and says that there are more",
            detail="The answer does not say where the next page begins.",
            hint="Try again.",
        )
    more = 0 if "start" in asked else 1
    asked["limit"] = str(min(int(asked.get("limit", count)) + more, listing.page_max))
    asked["start"] = str(start + count - 1)
    return tuple(asked.items())


def _repeated(where: str, what: str) -> ProtocolError:
    return ProtocolError(
        f"{where} repeats {what}",
        detail="Reading on would return the same records again and again, and never the rest of the list.",
        hint="Try again.",
    )


def pages(
    ask: Ask,
    listing: Listing,
    params: Params,
    where: str,
    again: Ask | None = None,
    rank: Rank | None = None,
    expect: Expect | None = None,
) -> Iterator[Page]:
    """Page after page, each asked for when the one before it has been used. *expect* is told of it before.
    If a page begins with the last record of the page before, as it was, that is left out, unless the list has
    nothing that tells records apart.

    A list by offset that changes meanwhile may need a request that was sent before: it goes to *again*,
    which must not answer from memory. *rank* is given where PostgreSQL was promised an order.
    """
    if listing.paging == OFFSET:
        yield from _by_offset(ask, again, listing, params, where, rank, expect)
        return
    asked: set[Params] = set()
    last: Any = None
    current: Params | None = params
    null = listing.null_is_empty
    while current is not None:
        payload = ask(current)
        page = records_of(payload, listing, where, null_is_empty=null)
        null = False  # a page to come was promised
        current = next_params(payload, listing, current, len(page), where)
        if current in asked:
            raise _repeated(where, "a page")
        if current is not None:
            asked.add(current)
            if expect is not None:
                expect(current)
        repeats = bool(listing.key) and last is not None and page[:1] == [last]
        fresh = page[1:] if repeats else page
        last = page[-1] if page else last
        yield fresh


def _by_offset(
    ask: Ask,
    again: Ask | None,
    listing: Listing,
    params: Params,
    where: str,
    rank: Rank | None,
    expect: Expect | None,
) -> Iterator[Page]:
    """The new records of each page. Where a page does not hold on to what was read, because records before it
    have gone, the reader steps back, twice as far each time, until one does."""
    reader = Reader(listing.key, dict(params).get("sort", ""), rank)
    asked: set[Params] = set()
    back = same = 0
    current: Params | None = params
    while current is not None:
        query = dict(current)
        start, limit = int(query.get("start", "0")), int(query.get("limit", _ROUND))
        payload = _answer(ask if current not in asked else again, current, where)
        # Beyond the end, where records have gone, null is an empty page; a whole list does not vanish
        null = start > 0 if asked else listing.null_is_empty
        asked.add(current)
        page = records_of(payload, listing, where, null_is_empty=null)
        if not reader.joins(page, start):
            back = 2 * back or max(1, limit // 2)
            current = tuple({**query, "start": str(max(0, start - back))}.items())
            continue
        back = 0
        following = next_params(payload, listing, current, len(page), where)
        same = same + 1 if following is not None and reader.repeats else 0
        if same and len(page) != limit and not _tells_of_pages(payload):
            return  # a list that knows no pages
        if same == _SAME_PAGES:
            raise _repeated(where, "its page")
        if following is not None and following not in asked and expect is not None:
            expect(following)
        yield reader.take(page)
        current = following


def _answer(ask: Ask | None, params: Params, where: str) -> Mapping[str, Any]:
    if ask is None:
        raise ProtocolError(
            f"{where} changes too much while it is read",
            detail="Records that were read are no longer in it, so it is not known where to read on.",
            hint="Try again.",
        )
    return ask(params)
