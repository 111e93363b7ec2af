"""The rows that the scans of a writing command see: as they were when the command began."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from itertools import chain
from typing import Any, Callable

from pipedrive_fdw.errors import WriteError, sentences
from pipedrive_fdw.read.order import row_key
from pipedrive_fdw.table.binding import BoundColumn
from pipedrive_fdw.table.bound_table import BoundTable
from pipedrive_fdw.table.records import Row
from pipedrive_fdw.table.scan_request import ScanRequest
from pipedrive_fdw.values.codec import CODECS, dumped
from pipedrive_fdw.write.commands import Commands
from pipedrive_fdw.write.row_images import Waiting, read_ahead, seen_by
from pipedrive_fdw.write.transaction import TRANSACTION

Changes = Mapping[Hashable, "Mapping[Any, Any] | None"]


class Snapshots:
    """Gives the scans of the *commands* that write one foreign table."""

    def __init__(self, bound: BoundTable, commands: Commands) -> None:
        self._bound = bound
        self._commands = commands
        self._names = tuple(b.name for b in bound.binding.columns)
        columns = bound.binding.columns
        self._frozen = [
            (place, CODECS[column.column.type], value)
            for name, value in bound.table.frozen
            for place, column in enumerate(columns)
            if column.custom is None and column.column.name == name
        ]

    def scan(
        self, command: int, request: ScanRequest, rows: Callable[[ScanRequest], Iterator[Row]]
    ) -> Iterator[Row]:
        """The rows of *request* as *command* sees them. *rows* gives the API's rows of a request.

        All rows are read before the first is given.
        """
        writing = self._commands.writing(command)
        waiting: Changes = {}
        if request.target:
            # What the command itself, or what it calls, has changed since it began it does not see
            waiting = TRANSACTION.waiting.changes(self._bound.identity, min(one.waiting for one in writing))
        images = list(chain.from_iterable(one.images for one in writing))

        def seen(request: ScanRequest) -> Iterator[Row]:
            shown = seen_by(
                images,
                rows(request),
                identity=self._bound.row_identity,
                written_identity=self._bound.written_identity,
                names=self._names,
                waiting=self._as_rows(waiting),
                admits=self._bound.row_filter(request),
            )
            return read_ahead(shown, self._is_frozen if request.target else None)

        if not waiting and not images:
            return seen(request)
        request = self._beyond(request, waiting)
        # Rows are added as they were, so that order and limit are applied here
        found = seen(request._replace(order=(), limit=None))
        return (
            iter(sorted(found, key=row_key(request.order, self._bound.binding))) if request.order else found
        )

    def _beyond(self, request: ScanRequest, waiting: Changes) -> ScanRequest:
        """*request* without conditions on columns that the changes *waiting* set: Pipedrive would leave out
        rows that will satisfy them."""
        keys = {key for change in waiting.values() if change for key in change}
        changed = {b.name for b in self._bound.binding.columns if b.key in keys}
        kept = tuple(c for c in request.conditions if c.column not in changed)
        return request._replace(conditions=kept)

    def _as_rows(self, changes: Changes) -> Waiting:
        """*changes* with the values as a scan of this foreign table gives them."""
        columns = self._bound.binding.columns

        def shown(change: Mapping[Any, Any]) -> dict[str, Any]:
            return {b.name: self._shown(b, change[b.key]) for b in columns if b.key in change}

        return {row: None if change is None else shown(change) for row, change in changes.items()}

    def _shown(self, bound: BoundColumn, value: Any) -> Any:
        """*value* of a waiting change as a scan gives it. Raises WriteError where the column, which may be
        declared otherwise than the one that was written, cannot show it."""
        kind = bound.column.type if bound.custom is None else bound.custom.field_type
        try:
            return None if value is None else bound.codec.load(dumped(kind, value))
        except ValueError as reason:
            raise WriteError(
                f"column {bound.name} of {self._bound.table.name} cannot be read before COMMIT",
                detail=sentences(str(reason), "A change through another foreign table waits for COMMIT"),
                hint="COMMIT first, or make both changes through one foreign table.",
            ) from None

    def _is_frozen(self, row: Row) -> bool:
        """True if Pipedrive does not let the row change. Such rows come first, before anything is sent."""
        try:
            return any(
                row[n] is not None and codec.parse(row[n]) == value for n, codec, value in self._frozen
            )
        except ValueError:
            return False  # the write says what is wrong with the value
