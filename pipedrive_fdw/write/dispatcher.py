"""When a write is sent: at once, at the end of its statement, or at COMMIT."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import closing
from typing import Any, Callable

from pipedrive_fdw.errors import WriteError
from pipedrive_fdw.options import with_session
from pipedrive_fdw.plan.row_changes import Change
from pipedrive_fdw.postgres.channel import depth, server
from pipedrive_fdw.postgres.settings import setting
from pipedrive_fdw.read.table_reader import TableReader
from pipedrive_fdw.session.request_scope import RequestScope
from pipedrive_fdw.table.bound_table import BoundTable
from pipedrive_fdw.write.commands import Command
from pipedrive_fdw.write.parents import Parents
from pipedrive_fdw.write.pending import MOST_PENDING, ParallelPart, PendingWrite, SentWrite
from pipedrive_fdw.write.returning import key_of, returned_row
from pipedrive_fdw.write.sender import RowWrite, Sender
from pipedrive_fdw.write.transaction import TRANSACTION
from pipedrive_fdw.write.writable import waits_for_commit


class Dispatcher:
    """Sends the writes of one foreign table, or keeps them until they are to be sent."""

    def __init__(self, bound: BoundTable, reader: TableReader, parents: Parents) -> None:
        self._bound = bound
        self._reader = reader
        self.waits = waits_for_commit(bound.options)
        self._sender = Sender(bound.table, parents, self._allowed_requests)

    def perform(
        self, command: Command, write: RowWrite, base: Mapping[str, Any], requests: RequestScope
    ) -> Mapping[str, Any]:
        """Sends or keeps *write*. The row after it by the foreign table's columns, {} after a DELETE.

        Columns that the API's answer does not show are those of *base*, as are all where nothing is sent yet.
        """
        row = write.row_change
        if not self.waits and row is not None and TRANSACTION.is_waiting(row.table, row.row):
            raise WriteError(
                f"a change of this row of {self._bound.table.name} waits for COMMIT",
                detail="It was made through another foreign table. Nothing was sent for this row.",
                hint="Give both the same write_mode, or COMMIT first.",
            )
        self._check_arrays(write)
        if self.waits or command.deferred:
            pending = TRANSACTION.waiting if self.waits else command.pending
            pending.add(self._pending(command, write, requests))
            if len(command.pending.writes) >= MOST_PENDING:
                command.send(TRANSACTION.send)
            return base
        record = self._sender.send(write, requests)
        table = self._bound.table
        key = self._written_key(command, write, record, requests)
        if not write.again:
            TRANSACTION.wrote(table.name, write.verb, key)
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

    def _check_arrays(self, write: RowWrite) -> None:
        """Raises WriteError where *write* sets an array whole of which elements wait for COMMIT, or writes an
        element of an array that waits whole: one would undo the other, or not find the element any more."""
        whole, element = self._whole_arrays(write.change), self._array(write.change)
        for other in TRANSACTION.waiting.writes if whole or element else ():
            undoes = other.array is not None and other.array in whole
            is_next = self.waits and write.old is None  # COMMIT adds a new element to the array that waits
            if undoes or (element in other.whole_arrays and not is_next):
                what, alone = (
                    ("Changes of single elements wait", "elements")
                    if undoes
                    else ("The array waits as a whole", "the array")
                )
                raise WriteError(
                    f"this row of {self._bound.table.name} cannot be changed before COMMIT",
                    detail=f"{what} for it, through {other.table}. Nothing was sent for this row.",
                    hint=f"COMMIT first, or change {alone} alone.",
                )

    def _array(self, change: Change) -> Hashable | None:
        """Tells the array of which *change* writes an element, None where it writes none."""
        return (self._bound.identity[:-1], change.path, change.op.array) if change.op.array else None

    def _whole_arrays(self, change: Change) -> frozenset[Hashable]:
        """Tells the arrays that *change* sets whole."""
        lists = (name for name, value in change.body.items() if isinstance(value, list))
        return frozenset((self._bound.identity[:-1], change.path, name) for name in lists)

    def _written_key(
        self, command: Command, write: RowWrite, record: Mapping[str, Any], requests: RequestScope
    ) -> str:
        """The key of the row that was written as *record*. The *command*, and scans that are under way, learn
        of a new one."""
        table = self._bound.table
        key = key_of(table, write.change, record)
        if write.verb == "INSERT":
            requests.session.created(table.name, key)
            if not table.nested:
                command.images.created(key)
        return key

    def _pending(self, command: Command, write: RowWrite, requests: RequestScope) -> PendingWrite:
        table = self._bound.table

        def allowed_requests() -> RequestScope:
            allowed = self._allowed_requests()
            allowed.noted = requests.noted  # at COMMIT nobody asks as who wrote the row
            return allowed

        def begin(allowed: RequestScope) -> SentWrite:
            request = self._sender.begin(write, allowed)
            return SentWrite(
                request,
                lambda: self._written_key(command, write, self._sender.record(write, request), allowed),
            )

        def send() -> str:
            with closing(allowed_requests()) as allowed:
                return begin(allowed).key()

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
            again=write.again,
            server=server(),
            array=self._array(write.change),
            whole_arrays=self._whole_arrays(write.change),
            parallel=self._parallel(write, requests, allowed_requests, begin),
        )

    def _parallel(
        self,
        write: RowWrite,
        requests: RequestScope,
        allowed_requests: Callable[[], RequestScope],
        begin: Callable[[RequestScope], SentWrite],
    ) -> ParallelPart | None:
        """The part of *write* in several that are sent side by side, None where they may not be."""
        bound, row = self._bound, write.row_change
        most = with_session(bound.options, setting).parallel_writes if bound.table.independent else 1
        if most == 1:
            return None
        return ParallelPart(
            run=(requests.session, bound.identity, write.verb, requests.noted),
            most=most,
            record=None if row is None else row.row,
            open=allowed_requests,
            begin=begin,
        )

    def _allowed_requests(self) -> RequestScope:
        """The RequestScope of a request whose price a guard has allowed before."""
        requests = self._reader.begin_requests()
        requests.guards = requests.guards.lifted()
        return requests
