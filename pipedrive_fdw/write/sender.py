"""The requests that write rows of one foreign table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Callable

import orjson

from pipedrive_fdw.catalog.model import NONE, Table, Write
from pipedrive_fdw.errors import (
    ApiError,
    OutcomeUnknownError,
    PipedriveError,
    ProtocolError,
    WriteError,
    sentences,
)
from pipedrive_fdw.plan import arrays
from pipedrive_fdw.plan.calls import Settings, fill, get_call
from pipedrive_fdw.plan.paths import Call
from pipedrive_fdw.plan.row_changes import Change, encoded
from pipedrive_fdw.session.list_pages import list_pages
from pipedrive_fdw.session.request_scope import RequestScope
from pipedrive_fdw.session.sent_request import Noted, SentRequest
from pipedrive_fdw.table.records import dig, found_record
from pipedrive_fdw.write.parents import Parents
from pipedrive_fdw.write.pending import BulkPart, RowChange
from pipedrive_fdw.write.returning import key_of, names_record, other_key

Values = Mapping[str, Any]


@dataclass(frozen=True)
class RowWrite:
    """One request that writes a row.

    verb        INSERT, UPDATE or DELETE
    change      what is sent
    row         the row as it will be, of a DELETE as it was, by the catalogue's columns
    old         the row as it was, None for a new one, by the catalogue's columns
    row_change  what changes in the row, for later commands that read it before it is sent; None for a new one
    again       another request has changed the row just before, for the same row of the statement
    """

    verb: str
    change: Change
    row: Values
    old: Values | None = None
    row_change: RowChange | None = None
    again: bool = False


class Sender:
    """Sends row writes. *parents* explain errors; *begin* gives the scope of a request that is allowed."""

    def __init__(self, table: Table, parents: Parents, begin: Callable[[], RequestScope]) -> None:
        self.table = table
        self._parents = parents
        self._begin = begin

    def price(self, change: Change) -> int:
        """The tokens of *change*, the read before it included."""
        table = self.table
        read = (table.get or table.listings[0]).tokens if change.op.reads else 0
        return change.op.tokens + read

    def send(self, write: RowWrite, requests: RequestScope) -> Values:
        """Sends *write*. The record that the API answers, {} where it answers none.

        Raises the error of the refusal, and OutcomeUnknownError where the answer shows another record, or of
        an INSERT none.
        """
        return self.record(write, self.begin(write, requests))

    def begin(self, write: RowWrite, requests: RequestScope) -> SentRequest:
        """Begins the request of *write*. Raises the error of a read before it.

        An array is locked from this read until the request has ended.
        """
        change, session = write.change, requests.session
        try:
            with ExitStack() as held:
                if change.op.array:
                    array = f"{change.path} {change.op.array}"
                    held.enter_context(session.record_locks.held(array, session.interrupts))
                    session.memory.clear()  # what the statement has read of it was not locked
                    change = self._with_array(write, requests)
                if change.op.named_by:
                    change = self._with_name(write, requests)
                request = requests.send(change.op, change.path, *encoded(change))
                request.release = held.pop_all().close
                return request
        except PipedriveError as error:
            raise self._parents.explained(error, write.verb, write.row) from None

    def record(self, write: RowWrite, request: SentRequest) -> Values:
        """The record that the API answers to the *request* of *write*. Raises as ``send`` does."""
        change = write.change
        try:
            answer = request.answer()
        except PipedriveError as error:
            raise self._parents.explained(error, write.verb, write.row) from None
        path = change.op.answer
        data = dig(answer.payload.get("data"), path.split(".")) if path else answer.data
        if change.op.batch and isinstance(data, list) and data:
            data = data[0]
        record = data if isinstance(data, dict) else {}
        if write.verb == "INSERT" and not names_record(self.table, change, record):
            raise OutcomeUnknownError(
                "the answer does not show the record that was created",
                detail=f"{change.op.method} {change.path} was answered without its key.",
                hint="Look for the record in Pipedrive (newest first) before sending it again.",
            )
        if other := other_key(self.table, change, record):
            raise OutcomeUnknownError(
                "the answer shows another record",
                detail=f"{change.op.method} {change.path} was answered with {other}.",
                hint="Look at both records in Pipedrive before sending it again.",
            )
        return record

    def bulk(self, change: Change, noted: Noted) -> BulkPart | None:
        """The part of *change* in a request for several rows, None where the API has none.

        Rows of different callers, as *noted* tells them, do not share a request.
        """
        op, bulk = change.op, change.op.bulk
        if bulk is None:
            return None
        least = math.ceil(bulk.tokens / op.tokens)
        path = fill(bulk.path, {name: change.key[name] for name in bulk.placeholders})
        return BulkPart(
            path=path,
            item=change,
            send=_BulkSend(self, noted),
            least=least,
            most=bulk.most,
            tokens=bulk.tokens,
        )

    def send_bulk(self, path: str, changes: Sequence[Change], noted: Noted) -> list[str]:
        """One request for all *changes*; the keys of their records."""
        bulk = changes[0].op.bulk
        assert bulk is not None  # noqa: S101 - bulk() asked
        ids = [str(change.key[change.op.placeholders[-1]]) for change in changes] if bulk.ids else []
        body = None if ids else orjson.dumps({"data": [change.body for change in changes]})
        wanted = f"To be deleted were: {', '.join(ids)}" if ids else f"To be created were {len(changes)} rows"
        requests = self._begin()
        requests.noted = noted
        try:
            params = ((bulk.ids, ",".join(ids)),) if ids else ()
            data = requests.send(bulk, path, body, params=params).answer().data
        except PipedriveError as error:
            error.detail = sentences(error.detail, wanted)
            raise self._parents.explained(error, "DELETE" if ids else "INSERT", changes[0].key) from None
        finally:
            requests.close()
        if ids:
            keys = [key_of(self.table, change, {}) for change in changes]
            self._check_deleted(dict(zip(ids, keys)), dig(data, bulk.answer.split(".")), f"{wanted}.")
            return keys
        found = [r if isinstance(r, dict) else {} for r in data] if isinstance(data, list) else []
        found += [{}] * (len(changes) - len(found))
        if not all(names_record(self.table, change, record) for change, record in zip(changes, found)):
            raise OutcomeUnknownError(
                "the answer does not show the records that were created",
                detail=f"POST {path} was to create {len(changes)}.",
                hint="Look for them in Pipedrive (newest first) before sending them again.",
            )
        return [key_of(self.table, change, record) for change, record in zip(changes, found)]

    def _check_deleted(self, keys: Mapping[str, str], found: Any, wanted: str) -> None:
        """Raises ApiError where *found*, the ids that the answer tells, lacks some of those of *keys*."""
        if not isinstance(found, list):
            raise OutcomeUnknownError(
                f"the answer does not show which rows of {self.table.name} were deleted",
                detail=wanted,
                hint="Look at them in Pipedrive before sending it again.",
            )
        gone = set(map(str, found))
        left = [one for one in keys if one not in gone]
        if left:
            error = ApiError(
                f"rows of {self.table.name} were not deleted: {', '.join(left)}",
                detail=wanted,
                hint="Check whether they still exist.",
            )
            error.written = tuple(key for one, key in keys.items() if one in gone)
            raise error

    def _with_array(self, write: RowWrite, requests: RequestScope) -> Change:
        """The change with the whole array, read afresh, where one element is added, changed or left out."""
        table, change, row, old = self.table, write.change, write.row, write.old
        record = self._record(change.op, row, requests)
        path = table.nested.split(".")
        if path[0] not in record and path[0] in table.asks:  # what comes unasked is left out when it is empty
            raise WriteError(f"{table.name} cannot be written", detail=f"The record came without {path[0]}.")
        found = dig(record, path)
        elements = [] if found is None else found
        if not isinstance(elements, list) or not all(isinstance(one, dict) for one in elements):
            raise ProtocolError(
                f"the record came with {'.'.join(path)} in an unknown form",
                detail=f"So {table.name} cannot be written: the whole list would be sent. Nothing was sent.",
                hint="Try again.",
            )
        if old is None:
            array = arrays.added(table, elements, row)
        elif write.verb == "UPDATE":
            array = arrays.changed(table, elements, old, row)
        else:
            array = arrays.removed(table, elements, old)
        return Change(change.op, change.path, {change.op.array: array}, key=change.key)

    def _with_name(self, write: RowWrite, requests: RequestScope) -> Change:
        """The change at the path that names the record, which is read for it."""
        change, op = write.change, write.change.op
        name = self._record(op, write.row, requests).get(op.named_by)
        if not isinstance(name, (int, str)):
            raise WriteError(
                f"this row of {self.table.name} cannot be changed",
                detail=f"Pipedrive identifies it by {op.named_by}, which its answer does not contain.",
            )
        return replace(change, path=fill(op.path, {**write.row, op.placeholders[-1]: name}))

    def _record(self, op: Write, row: Values, requests: RequestScope) -> Mapping[str, Any]:
        """The record that *op* changes, read now: by its get, or else from its list.

        Raises WriteError where it does not exist any more.
        """
        table = self.table
        if table.get is not None:
            # With the parts that are given only when they are asked for: the array may be one of them
            call = get_call(table, table.get, {n: row[n] for n in table.get.placeholders}, Settings())
            wanted = row[table.get.placeholders[-1]]
            return found_record(requests.ask(call), table, table.get, call.where, wanted)
        listing, key = table.listings[0], table.column(op.placeholders[-1])
        path = fill(listing.path, {name: row[name] for name in listing.placeholders})
        wanted = None if key is None else str(row[key.name])
        limit = () if listing.paging == NONE else (("limit", str(listing.page_max)),)
        params = (*listing.params.items(), *limit)
        for page in list_pages(requests, listing, Call(listing, path, params)):
            for record in page:
                if key is not None and isinstance(record, dict) and str(dig(record, key.path)) == wanted:
                    return record
        raise WriteError(f"the record of this row of {table.name} no longer exists")


@dataclass(frozen=True)
class _BulkSend:
    """BulkPart.send: equal for writes that may go out together."""

    sender: Sender
    noted: Noted

    def __call__(self, path: str, changes: Sequence[Change]) -> list[str]:
        return self.sender.send_bulk(path, changes, self.noted)
