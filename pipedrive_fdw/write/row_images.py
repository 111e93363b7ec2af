"""Rows as they were before a command changed them: the command's own scans do not see its changes.

A scan that gives rows to a write is read to its end before the first row is given. A change could otherwise
move rows from or to the pages that are still to be read.
"""

from __future__ import annotations

import pickle  # nosec B403
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Callable

from pipedrive_fdw.postgres.statement_scope import StatementScope
from pipedrive_fdw.table.records import Row

_MOST = 10_000
_CHUNK = 500
Waiting = Mapping[str, "Mapping[str, Any] | None"]
_UNCHANGED: Mapping[str, Any] = {}


class RowImages:
    """The images of one foreign table's rows for each command of the statement: the latest 10,000."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """*names* are the foreign table's columns in their order."""
        self._names = names
        # By command
        self._before: StatementScope[dict[int, OrderedDict[str, Row | None]]] = StatementScope(dict)

    def _of(self, command: int) -> OrderedDict[str, Row | None]:
        return self._before.current().setdefault(command, OrderedDict())

    def has_any(self, command: int) -> bool:
        """True if *command* has changed a row."""
        return bool(self._of(command))

    def changed(self, command: int, row_id: str, before: Row | None) -> None:
        """Keeps the image *before* of a row that *command* has changed; None for a row it has inserted."""
        images = self._of(command)
        images.setdefault(row_id, before)
        if len(images) > _MOST:
            images.popitem(last=False)

    def seen_by(
        self,
        command: int,
        rows: Iterator[Row],
        key: Callable[[Row], str],
        waiting: Waiting,
        admits: Callable[[Row], bool],
    ) -> Iterator[Row]:
        """The *rows* of a scan as *command* sees them.

        key      gives the row id of a row
        waiting  row id → the values that COMMIT will change, None for a row that it will delete; rows are
                 given as they will be then
        admits   true for an image that the scan's conditions may keep; such images are added to the rows
        """
        images = self._of(command)
        missing = {row_id: row for row_id, row in images.items() if row is not None}
        for row in rows:
            if not images and not waiting:
                yield row
                continue
            row_id = key(row)
            missing.pop(row_id, None)
            change = waiting.get(row_id, _UNCHANGED)
            if row_id in images:
                before = images[row_id]
                if before is not None:
                    yield before
            elif change:
                yield [change.get(name, value) for name, value in zip(self._names, row)]
            elif change is not None:
                yield row
        yield from filter(admits, missing.values())


def read_ahead(rows: Iterator[Row], is_first: Callable[[Row], bool] | None) -> Iterator[Row]:
    """*rows*, all read before the first is given; those for which *is_first* is true come first. The others
    are kept compressed until then."""
    chunks, first = [], []
    while chunk := list(islice(rows, _CHUNK)):
        if is_first is not None:
            first += [row for row in chunk if is_first(row)]
            chunk = [row for row in chunk if not is_first(row)]
        chunks.append(zlib.compress(pickle.dumps(chunk), 1))
    yield from first
    chunks.reverse()
    while chunks:
        yield from pickle.loads(zlib.decompress(chunks.pop()))  # noqa: S301 - packed here # nosec B301
