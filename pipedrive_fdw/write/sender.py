"""Sends the requests that write rows of one foreign table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

import orjson

from pipedrive_fdw.api.paging import pages
from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.model import NONE, Table, Write
from pipedrive_fdw.errors import OutcomeUnknownError, PipedriveError, WriteError
from pipedrive_fdw.options import Options
from pipedrive_fdw.plan import arrays
from pipedrive_fdw.plan.calls import Settings, fill, get_call
from pipedrive_fdw.plan.row_changes import Change, encoded
from pipedrive_fdw.postgres.write_log import WriteLog
from pipedrive_fdw.session.work import Work
from pipedrive_fdw.table.records import dig
from pipedrive_fdw.write.parents import Parents
from pipedrive_fdw.write.pending import Bulk
from pipedrive_fdw.write.returning import key_of

Values = Mapping[str, Any]


class Sender:
    """*account* tells accounts apart; *begin* gives the requests of one write whose price has been
    allowed."""

    def __init__(
        self, table: Table, options: Options, account: tuple[str, ...], begin: Callable[[], Work]
    ) -> None:
        self.table = table
        self.parents = Parents(table, tables_of(options["api_version"]), account)
        self._begin = begin

    def price(self, change: Change) -> int:
        """Tokens of *change*, with what is read for it."""
        table = self.table
        read = (table.get or table.listings[0]).tokens if change.op.array else 0
        return change.op.tokens + read

    def send(self, verb: str, change: Change, row: Values, old: Values | None, work: Work) -> Values:
        """The record that the API answers; {} where it answers none.

        *row* is the row as written, *old* as it was, both by the catalogue's columns.
        """
        try:
            if change.op.array:
                change = self._with_array(verb, change, row, old, work)
            body, content_type = encoded(change)
            answer = work.send(change.op, change.path, body, content_type)
        except PipedriveError as error:
            raise self.parents.explained(error, verb, row) from None
        path = change.op.answer
        data = dig(answer.payload.get("data"), path.split(".")) if path else answer.data
        if change.op.batch and isinstance(data, list) and data:
            data = data[0]
        record = data if isinstance(data, dict) else {}
        if verb == "INSERT" and not record and "?" in key_of(self.table, change, record):
            raise OutcomeUnknownError(
                "the answer does not show the record that was created",
                hint="Look for the record in Pipedrive (newest first) before sending it again.",
            )
        return record

    def bulk(self, change: Change, write_log: WriteLog | None) -> Bulk | None:
        """How *change* goes out together with others of its kind and of whoever *write_log* names."""
        op, bulk = change.op, change.op.bulk
        if bulk is None:
            return None
        least = math.ceil(bulk.tokens / op.tokens)
        path = fill(bulk.path, {name: change.key[name] for name in bulk.placeholders})
        return Bulk(path, change, _BulkSend(self, write_log), least, bulk.most, bulk.tokens)

    def send_bulk(self, path: str, changes: Sequence[Change], write_log: WriteLog | None) -> list[str]:
        """One request for all *changes*; the keys of their records."""
        bulk = changes[0].op.bulk
        assert bulk is not None  # noqa: S101 - bulk() asked
        work = self._begin()
        work.write_log = write_log
        try:
            body = orjson.dumps({"data": [change.body for change in changes]})
            records = work.send(bulk, path, body).data
        except PipedriveError as error:
            raise self.parents.explained(error, "INSERT", changes[0].key) from None
        finally:
            work.close()
        found = [r if isinstance(r, dict) else {} for r in records] if isinstance(records, list) else []
        found += [{}] * (len(changes) - len(found))
        return [key_of(self.table, change, record) for change, record in zip(changes, found)]

    def _with_array(self, verb: str, change: Change, row: Values, old: Values | None, work: Work) -> Change:
        """*change* with the whole array in its body: read afresh, one element added, changed or left out."""
        table = self.table
        record = self._record(change.op, row, work)
        path = table.nested.split(".")
        if path[0] not in record and path[0] in table.asks:  # what comes unasked is left out when it is empty
            raise WriteError(f"{table.name} cannot be written", detail=f"The record came without {path[0]}.")
        elements = dig(record, path) or []
        if old is None:
            array = arrays.added(table, elements, row)
        elif verb == "UPDATE":
            array = arrays.changed(table, elements, old, row)
        else:
            array = arrays.removed(table, elements, old)
        return Change(change.op, change.path, {change.op.array: array}, key=change.key)

    def _record(self, op: Write, row: Values, work: Work) -> Mapping[str, Any]:
        """The record that *op* changes, read afresh: by its get, or else out of its list.

        Raises WriteError when it is gone.
        """
        table = self.table
        if table.get is not None:
            # With the parts that are given only when they are asked for: the array may be one of them
            call = get_call(table, table.get, {n: row[n] for n in table.get.placeholders}, Settings())
            data = work.ask(table.get, call.path, call.params).get("data")
            return data if isinstance(data, dict) else {}
        listing, key = table.listings[0], table.column(op.placeholders[-1])
        path = fill(listing.path, {name: row[name] for name in listing.placeholders})
        limit = () if listing.paging == NONE else (("limit", str(listing.page_max)),)
        params = (*listing.params.items(), *limit)
        ask = partial(work.ask, listing, path)
        again = partial(ask, afresh=True)
        for page in pages(ask, listing, params, f"GET {path}", again=again):
            for record in page:
                if key is not None and isinstance(record, dict) and dig(record, key.path) == row[key.name]:
                    return record
        raise WriteError(f"the record of this row of {table.name} is not there any more")


@dataclass(frozen=True)
class _BulkSend:
    """Bulk.send: equal for writes that may go out together."""

    sender: Sender
    write_log: WriteLog | None

    def __call__(self, path: str, changes: Sequence[Change]) -> list[str]:
        return self.sender.send_bulk(path, changes, self.write_log)
