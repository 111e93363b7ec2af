"""The rows that the scans of a writing command see: as they were when the command began."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Callable

from pipedrive_fdw.read.order import row_key
from pipedrive_fdw.table.bound_table import BoundTable
from pipedrive_fdw.table.records import Row
from pipedrive_fdw.table.scan_request import ScanRequest
from pipedrive_fdw.write.row_images import RowImages, read_ahead
from pipedrive_fdw.write.transaction import TRANSACTION


class Snapshots:
    """Gives the scans of commands that write one foreign table; *images* hold the rows that these changed."""

    def __init__(self, bound: BoundTable, images: RowImages) -> None:
        self._bound = bound
        self._images = images
        columns = bound.binding.columns
        self._frozen = [
            (place, value)
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
        waiting = TRANSACTION.waiting.changes(self._bound.identity) if request.target else {}
        if not waiting and not self._images.has_any(command):
            return self._seen(command, rows(request), request)
        request = self._beyond(request, waiting)
        # Rows are added as they were, so that order and limit are applied here
        whole = request._replace(order=(), limit=None)
        seen = self._seen(command, rows(whole), whole)
        return iter(sorted(seen, key=row_key(request.order, self._bound.binding))) if request.order else seen

    def _beyond(self, request: ScanRequest, waiting: Mapping[str, Mapping[Any, Any] | None]) -> ScanRequest:
        """*request* without conditions on columns that the changes *waiting* set: Pipedrive would leave out
        rows that will satisfy them."""
        keys = {key for change in waiting.values() if change for key in change}
        changed = {b.name for b in self._bound.binding.columns if b.key in keys}
        kept = tuple(c for c in request.conditions if c.column not in changed)
        return request._replace(conditions=kept)

    def _seen(self, command: int, rows: Iterator[Row], request: ScanRequest) -> Iterator[Row]:
        changes = TRANSACTION.waiting.changes(self._bound.identity) if request.target else {}
        admits = self._bound.row_filter(request)
        seen = self._images.seen_by(
            command, rows, key=self._bound.row_id, waiting=self._as_rows(changes), admits=admits
        )
        return read_ahead(seen, self._is_frozen if request.target else None)

    def _as_rows(self, changes: Mapping[str, Mapping[Any, Any] | None]) -> dict[str, dict[str, Any] | None]:
        """*changes* by row id, with the values as a scan of this foreign table gives them."""
        columns = {b.key: b for b in self._bound.binding.columns}

        def loaded(change: Mapping[Any, Any]) -> dict[str, Any]:
            bound = [(columns[key], value) for key, value in change.items() if key in columns]
            return {b.name: None if v is None else b.codec.load(b.codec.dump(v)) for b, v in bound}

        return {row_id: None if change is None else loaded(change) for row_id, change in changes.items()}

    def _is_frozen(self, row: Row) -> bool:
        """True if Pipedrive does not let the row change. Such rows come first, before anything is sent."""
        return any(row[place] is value for place, value in self._frozen)
