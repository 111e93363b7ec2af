"""Rows as they were before a command changed them, for its own scans: a command does not see its own changes.

A scan that feeds a write is read to its end before the first row is given, since a change may move rows from
or to the pages that are still to be read.
"""

from __future__ import annotations

import pickle
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Callable

from pipedrive_fdw.postgres.channel import statement
from pipedrive_fdw.table.records import Row

_MOST = 10_000
_CHUNK = 500
Waiting = Mapping[str, "Mapping[str, Any] | None"]
_UNCHANGED: Mapping[str, Any] = {}


class RowImages:
    """Of one foreign table, for the commands of the present statement; the latest 10,000 of each."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """*names* are the foreign table's columns in their order."""
        self._names = names
        self._statement: Any = None
        self._before: dict[int, OrderedDict[str, Row | None]] = {}

    def _of(self, command: int) -> OrderedDict[str, Row | None]:
        mark = statement()
        if mark != self._statement:
            self._statement, self._before = mark, {}
        return self._before.setdefault(command, OrderedDict())

    def exist(self, command: int) -> bool:
        """Whether *command* has changed a row."""
        return bool(self._of(command))

    def changed(self, command: int, row_id: str, before: Row | None) -> None:
        """*command* has changed or deleted the row, which was *before* when it was scanned; None for one that
        the command has made."""
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
        """*rows* of a scan as *command* is to see them; *key* gives the row id of one.

        *waiting*: what earlier commands of the transaction will change at COMMIT, by row id, None for a row
        that will be deleted; the rows are given as they will be then. *admits*: whether a row may belong to
        the scan; None where no row can be added to it.
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
    """*rows*, all of them read before the first is given, and those that are to come first; they wait
    compressed."""
    chunks, first = [], []
    while chunk := list(islice(rows, _CHUNK)):
        if is_first is not None:
            first += [row for row in chunk if is_first(row)]
            chunk = [row for row in chunk if not is_first(row)]
        chunks.append(zlib.compress(pickle.dumps(chunk), 1))
    yield from first
    chunks.reverse()
    while chunks:
        yield from pickle.loads(zlib.decompress(chunks.pop()))  # noqa: S301 - packed here
