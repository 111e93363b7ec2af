"""The commands of the present statement that write one foreign table, and what each has done so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import Any, Callable

from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.errors import PipedriveError, WriteError
from pipedrive_fdw.postgres.channel import depth
from pipedrive_fdw.postgres.statement_scope import StatementScope
from pipedrive_fdw.table.bound_table import BoundTable
from pipedrive_fdw.table.records import Row
from pipedrive_fdw.table.row_maker import Note
from pipedrive_fdw.table.scan_request import ScanRequest
from pipedrive_fdw.values.codec import same
from pipedrive_fdw.write.pending import PendingWrites
from pipedrive_fdw.write.row_images import RowImages


class Command:
    """One write of a statement.

    number    the command's number in the transaction, as PostgreSQL counts
    columns   the foreign columns that an UPDATE sets
    deferred  the statement does not use the rows that the API answers, so that all requests are worked out
              before the first is sent
    pending   what has still to be sent
    waiting   how many writes waited for COMMIT when it began
    images    the rows that it has written
    level     the depth of savepoints at which it runs
    named     columns that the statement reads in the rows that it writes
    written   identities of the rows that were written, and how often each was
    given     identities of elements of records, and how often a scan has given each to the write
    shared    records that several rows show → the values that were written of each
    hidden    row id → columns in which the scan showed NULL although Pipedrive has a value
    failed    the first error of its requests, with the detail that it had
    """

    def __init__(self, number: int, columns: Collection[str], deferred: bool) -> None:
        self.number = number
        self.columns = frozenset(columns)
        self.deferred = deferred
        self.pending = PendingWrites()
        self.waiting = 0
        self.images = RowImages()
        self.level = depth()
        self.named: frozenset[str] = frozenset()
        self.written: Counter[Hashable] = Counter()
        self.given: Counter[Hashable] = Counter()
        self.shared: dict[str, dict[str, Any]] = {}
        self.hidden: dict[str, frozenset[str]] = {}
        self.failed: tuple[PipedriveError, str] | None = None

    def send(self, send: Callable[[PendingWrites], None]) -> None:
        """Sends by *send* what is pending. Raises as that does."""
        self.check()
        try:
            send(self.pending)
        except PipedriveError as error:
            self.failed = error.detached(), error.detail
            raise
        self.images.sent()

    def check(self) -> None:
        """Raises again the error of a request of this command. It has met the function or trigger for which
        the rows before were sent, and an exception handler there may have caught it."""
        if self.failed is not None:
            error, detail = self.failed
            error.detail = detail
            raise error

    def kept(self, table: Table, row_id: str, values: Mapping[str, Any]) -> frozenset[str]:
        """The hidden columns of a row that keep their value in Pipedrive when the row becomes *values*.

        Raises WriteError where NULL may mean either that or an assignment of NULL.
        """
        hidden = self.hidden.get(row_id, frozenset())
        empty = {name for name in hidden if values.get(name) is None}
        unclear = empty & self.columns & self.named
        if unclear:
            raise WriteError(
                f"column {min(unclear)} of {table.name} cannot be set to NULL in one step",
                detail="Pipedrive has a value there that the query sees as NULL. So nobody can tell "
                "whether the statement sets NULL or changes nothing. Nothing was sent for this row.",
                hint="Set a valid value first, and NULL after that.",
            )
        return frozenset(empty - self.columns)

    def left_to_write(
        self, table: Table, old: Mapping[str, Any], changed: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The values of *changed* that the command has not yet written through another row of the record that
        the row *old* shows. They then count as written.

        Raises WriteError where another row has given the record another value.
        """
        if not table.shared:
            return changed
        written = self.shared.setdefault(str(old.get(table.shared)), {})
        different = [n for n, value in changed.items() if not same(written.get(n, value), value)]
        if different:
            raise WriteError(
                f"rows of {table.name} show the same record",
                detail=f"They give different values to {', '.join(different)}, and only one can be sent. "
                "Nothing was sent for this row.",
                hint="Change one of them.",
            )
        left = {name: value for name, value in changed.items() if name not in written}
        written.update(left)
        return left


class Commands:
    """The writes of the present statement by the number that the C part gives them."""

    def __init__(self, bound: BoundTable) -> None:
        self._bound = bound
        self._scope: StatementScope[dict[int, Command]] = StatementScope(dict)

    def begin(self, write: int, command: Command) -> None:
        """Adds *command*, the write of the number *write*."""
        self._scope.current()[write] = command

    def __getitem__(self, write: int) -> Command:
        return self._scope.latest()[write]

    def writing(self, number: int) -> list[Command]:
        """The writes of the present statement's command *number*."""
        return [command for command in self._scope.current().values() if command.number == number]

    def counted(self, number: int, rows: Iterator[Row]) -> Iterator[Row]:
        """The *rows* of a scan for the writes of the command *number*, which learn how often each comes."""
        commands = self.writing(number)
        count: Counter[Hashable] = Counter()
        for row in rows:
            identity = self._bound.row_identity(row)
            count[identity] += 1
            for command in commands:
                command.given[identity] = max(command.given[identity], count[identity])
            yield row

    def note_of(self, number: int, request: ScanRequest) -> Note:
        """A function that keeps the hidden columns of a row for the writes of the command *number*.

        *request* is the scan that gives these writes their rows.
        """
        commands = self.writing(number)
        for command in commands:
            command.named |= self._bound.binding.names if request.whole else request.columns

        def note(row: Row, columns: Collection[str]) -> None:
            for command in commands:
                command.hidden[self._bound.row_id(row)] = frozenset(columns)

        return note
