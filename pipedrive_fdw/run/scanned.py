"""Rows as a statement's scans gave them, for the UPDATE or DELETE that follows.

An UPDATE passes every column of the row as it shall be, and only the row as it was scanned tells which of
them it sets. Several scans of one table can run at once (the two sides of a join, a sub-select), and nothing
tells which is that of the UPDATE: it names the columns but those that it sets to constants. So each of them
gives whole rows.
"""

from __future__ import annotations

import pickle
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from pipedrive_fdw.run.backend import statement_mark
from pipedrive_fdw.run.rows import Row

_MOST = 10_000
_CHUNK = 500
Waiting = Mapping[str, "Mapping[str, Any] | None"]


class ScannedRows:
    """The rows of one foreign table by row id, those of the present statement, the latest 10,000.

    *names* are the foreign table's columns in their order.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._statement: Any = None
        self._rows: OrderedDict[str, tuple[Row, bool]] = OrderedDict()
        self._done: set[str] = set()

    def _in_statement(self) -> None:
        mark = statement_mark()
        if mark != self._statement:
            self._statement = mark
            self._rows.clear()
            self._done.clear()

    def kept(
        self, rows: Iterator[Row], identity: str, whole: bool, ahead: bool, waiting: Waiting
    ) -> Iterator[Row]:
        """*rows* of one scan, each kept under its *identity*; *whole*: no column was left out.

        *ahead*: all are read before the first is given, since a change may move rows from or to the pages
        that are still to be read.
        *waiting*: what earlier statements of the transaction will change at COMMIT, by row id, None for a
        row that will be deleted; the rows are given as they will be then.
        """
        self._in_statement()
        position = self._names.index(identity)
        for row in _read_ahead(rows) if ahead else rows:
            key = str(row[position])
            change = waiting.get(key, _NOTHING)
            if change is None:
                continue
            if change:
                row = [change.get(name, value) for name, value in zip(self._names, row)]
            self._keep(key, row, whole)
            yield row

    def _keep(self, key: str, row: Row, whole: bool) -> None:
        if not whole and key in self._rows and self._rows[key][1]:
            return
        self._rows[key] = (row, whole)
        self._done.discard(key)
        if len(self._rows) > _MOST:
            self._rows.popitem(last=False)

    def get(self, row_id: Any) -> tuple[Row | None, bool]:
        """The row as it was scanned, None when it is not kept; whether no column of it was left out."""
        self._in_statement()
        return self._rows.get(str(row_id), (None, False))

    def written(self, row_id: Any) -> None:
        """The row is changed or deleted: what was scanned no longer holds."""
        self._rows.pop(str(row_id), None)
        self._done.add(str(row_id))

    def is_written(self, row_id: Any) -> bool:
        """Whether the row was written since it was last scanned: a join may give a row several times.

        As in PostgreSQL one of them counts, and which one is not to be relied on.
        """
        self._in_statement()
        return str(row_id) in self._done


_NOTHING: Mapping[str, Any] = {}


def _read_ahead(rows: Iterator[Row]) -> Iterator[Row]:
    """*rows*, all of them read before the first is given; they wait compressed."""
    chunks = []
    while chunk := list(islice(rows, _CHUNK)):
        chunks.append(zlib.compress(pickle.dumps(chunk), 1))
    chunks.reverse()
    while chunks:
        yield from pickle.loads(zlib.decompress(chunks.pop()))  # noqa: S301 - packed here
