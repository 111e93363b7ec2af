"""When a write is sent: at once, at the end of its statement, or at COMMIT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipedrive_fdw.postgres.channel import depth
from pipedrive_fdw.read.table_reader import TableReader
from pipedrive_fdw.session.request_scope import RequestScope
from pipedrive_fdw.table.bound_table import BoundTable
from pipedrive_fdw.write.commands import Command
from pipedrive_fdw.write.parents import Parents
from pipedrive_fdw.write.pending import MOST_PENDING, PendingWrite
from pipedrive_fdw.write.returning import key_of, returned_row
from pipedrive_fdw.write.sender import RowWrite, Sender
from pipedrive_fdw.write.transaction import TRANSACTION
from pipedrive_fdw.write.writable import waits_for_commit


class Dispatcher:
    """Sends the writes of one foreign table, or keeps them until they are to be sent."""

    def __init__(self, bound: BoundTable, reader: TableReader, parents: Parents) -> None:
        self._bound = bound
        self._reader = reader
        self._waits = waits_for_commit(bound.options)
        self._sender = Sender(bound.table, parents, self._allowed_requests)

    def perform(
        self, command: Command, write: RowWrite, base: Mapping[str, Any], requests: RequestScope
    ) -> Mapping[str, Any]:
        """Sends or keeps *write*. The row after it by the foreign table's columns, {} after a DELETE.

        Columns that the API's answer does not show are those of *base*, as are all where nothing is sent yet.
        """
        if self._waits or command.deferred:
            pending = TRANSACTION.waiting if self._waits else command.pending
            pending.add(self._pending(write, requests))
            if len(command.pending.writes) >= MOST_PENDING:
                TRANSACTION.send(command.pending)
            return base
        record = self._sender.send(write, requests)
        table = self._bound.table
        TRANSACTION.wrote(table.name, write.verb, key_of(table, write.change, record))
        if write.verb == "DELETE":
            return {}
        expanded = self._bound.options.expand_related
        labels = self._reader.lookups(requests)
        return returned_row(
            maker=self._bound.maker,
            change=write.change,
            record=record,
            base=base,
            row=write.row,
            labels=labels,
            expanded=expanded,
        )

    def _pending(self, write: RowWrite, requests: RequestScope) -> PendingWrite:
        table = self._bound.table

        def send() -> str:
            allowed = self._allowed_requests()
            allowed.noted = requests.noted  # at COMMIT nobody asks as who wrote the row
            try:
                return key_of(table, write.change, self._sender.send(write, allowed))
            finally:
                allowed.close()

        return PendingWrite(
            table=table.name,
            verb=write.verb,
            session=requests.session,
            guards=requests.guards,
            send=send,
            tokens=self._sender.price(write.change),
            level=depth(),
            bulk=self._sender.bulk(write.change, requests.noted),
            change=write.row_change,
        )

    def _allowed_requests(self) -> RequestScope:
        """The RequestScope of a request whose price a guard has allowed before."""
        requests = self._reader.begin_requests()
        requests.guards = requests.guards.lifted()
        return requests
