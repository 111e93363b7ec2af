"""A foreign table of this backend, put together: what it is, its planner, its reader, its writer.

One object serves all scans of a table in a backend, several at once. Multicorn keeps one for each table, and
wants another when the table is used with the user mapping of another role. What a statement knows of its
writes must outlive that, so an object that is in use is found again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from pipedrive_fdw.options import Options
from pipedrive_fdw.postgres.statement_scope import StatementScope
from pipedrive_fdw.read.ledger import LEDGER
from pipedrive_fdw.read.scan_planner import ScanPlanner
from pipedrive_fdw.read.table_reader import Loop, TableReader
from pipedrive_fdw.table.binding import ColumnDefinition
from pipedrive_fdw.table.bound_table import BoundTable
from pipedrive_fdw.table.estimates import Estimates
from pipedrive_fdw.table.records import Row
from pipedrive_fdw.table.row_batches import RowBatches
from pipedrive_fdw.table.scan_request import Reads, ScanRequest
from pipedrive_fdw.table.sizes import Sizes
from pipedrive_fdw.write.commands import Commands
from pipedrive_fdw.write.snapshots import Snapshots

if TYPE_CHECKING:
    from pipedrive_fdw.write.writer import Writer


class ForeignTable:
    """Composes the parts; none of them knows another that stands after it."""

    def __init__(self, options: Options, columns: Mapping[str, ColumnDefinition]) -> None:
        """Raises OptionError where *options* or *columns* name nothing that the catalogue has."""
        self.bound = BoundTable(options, columns)
        sizes = Sizes(self.bound.table, self.bound.account)
        self.estimates = Estimates(self.bound, sizes)
        self.planner = ScanPlanner(self.bound, sizes)
        self._reader = TableReader(self.bound, self.planner)
        self._commands = Commands(self.bound)
        self._snapshots = Snapshots(self.bound, self._commands)

    def begin_write(self, number: int, command: int, columns: Collection[str], deferred: bool) -> None:
        """The write *number* begins; the other arguments are those of Writer.begin()."""
        self.writer.begin(number, command, columns, deferred)
        _written.current()[number] = self

    @cached_property
    def writer(self) -> Writer:
        """Writes rows. It is loaded when the first row is written, because most sessions only read."""
        from pipedrive_fdw.write.writer import Writer

        return Writer(self.bound, self._reader, self._commands)

    def loop(
        self, request: ScanRequest, number: int, command: int, coming: Sequence[ScanRequest]
    ) -> Loop | None:
        """The loop that looks up *request* now and those that are *coming* next by the scan *number* of the
        *command*. None where they are not asked for ahead."""
        if self.bound.table.local or self._commands.writing(command):
            return None
        return self._reader.loop(number, request, coming)

    def scan(self, request: ScanRequest, number: int, command: int, loop: Loop | None = None) -> RowBatches:
        """The rows of one scan of the *command*, whose requests are counted under the scan's *number*;
        closing it ends them, but for those of the *loop*."""
        filled = self.bound.filled(request)
        use = LEDGER.of(number)
        fresh = not self._commands.writing(command)
        found: Iterator[Sequence[Row]]
        if self.bound.table.local:
            found = iter((self._reader.usage(),))
        elif fresh:
            found = self._reader.scan(request, use, loop=loop)
        else:
            filled |= self.bound.identifying
            note = self._commands.note_of(command, request) if request.target else None
            # What a command writes is read page by page, as its rows are written
            request = request._replace(reads=Reads.SOME)

            def rows(wanted: ScanRequest) -> Iterator[Row]:
                columns = self.bound.identifying
                return chain.from_iterable(self._reader.scan(wanted, use, columns, note, loop))

            seen = self._snapshots.scan(command, request, rows)
            if request.target and self.bound.table.nested:
                seen = self._commands.counted(command, seen)
            found = ([row] for row in seen)
        columns = self.bound.binding.columns
        return RowBatches(
            found,
            [place for place, column in enumerate(columns) if column.name in filled],
            len(columns),
            reads=request.reads,
            keys_ahead=0 if loop is None else loop.width,
            files=[place for place, column in enumerate(columns) if column.codec.name == "bytea"],
            fields=self.bound.fields_within(filled) if fresh else None,
        )


# Those in use, by what they are made of.
_in_use: WeakValueDictionary[Any, ForeignTable] = WeakValueDictionary()
# Those that the statement writes, by the number of the write.
_written: StatementScope[dict[int, ForeignTable]] = StatementScope(dict)


def foreign_table(options: Options, columns: Mapping[str, ColumnDefinition]) -> ForeignTable:
    """The foreign table of *options* and *columns*, a new one if none is in use.

    Raises as ForeignTable() does.
    """
    definitions = (
        (name, c.type_name, c.base_type_name, *sorted((c.options or {}).items()))
        for name, c in columns.items()
    )
    made_of = (options, *definitions)
    table = _in_use.get(made_of)
    if table is None:
        table = _in_use[made_of] = ForeignTable(options, columns)
    return table


def writer_of(number: int) -> Writer:
    """What carries out the write *number* since it began, whatever has been made of the table since."""
    return _written.latest()[number].writer
