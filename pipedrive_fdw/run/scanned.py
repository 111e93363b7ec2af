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
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Callable

from pipedrive_fdw.run.backend import command_mark, statement_mark
from pipedrive_fdw.run.rows import Row

_MOST = 10_000
_CHUNK = 500
Waiting = Mapping[str, "Mapping[str, Any] | None"]


@dataclass(frozen=True)
class Scan:
    """What is to be known of one scan: *whole*, no column was left out of its rows.

    *ahead*: all rows are read before the first is given, since a change may move rows from or to the pages
    that are still to be read.
    *waiting*: what earlier statements of the transaction will change at COMMIT, by row id, None for a row
    that will be deleted; the rows are given as they will be then.
    *admits*: whether a row may belong to the scan; None where no row can be added to it.
    """

    whole: bool = True
    ahead: bool = False
    waiting: Waiting = field(default_factory=dict)
    admits: Callable[[Row], bool] | None = None


class ScannedRows:
    """The rows of one foreign table by row id, those of the present statement, the latest 10,000.

    *names* are the foreign table's columns in their order; *unique*: no two rows have the same row id.
    """

    def __init__(self, names: Iterable[str], unique: bool = True) -> None:
        self._names = tuple(names)
        self._unique = unique
        self._statement: Any = None
        self._command: Any = None
        self._rows: OrderedDict[str, tuple[Row, bool]] = OrderedDict()
        self._done: set[str] = set()
        self._before: OrderedDict[str, Row] = OrderedDict()

    def _in_statement(self) -> None:
        mark = statement_mark()
        if mark != self._statement:
            self._statement = mark
            self._rows.clear()
        command = (mark, command_mark())
        if command != self._command:
            self._command = command
            self._done.clear()
            self._before.clear()

    def kept(self, rows: Iterator[Row], identity: str, scan: Scan) -> Iterator[Row]:
        """*rows* of one *scan*, each kept under its *identity*, and those that the command has written as
        they were before: a command does not see its own changes, however it is carried out."""
        self._in_statement()
        position, written = self._names.index(identity), dict(self._before)
        for row in _read_ahead(rows) if scan.ahead else rows:
            key = str(row[position])
            written.pop(key, None)
            shown = self._shown(key, row, scan)
            if shown is not None:
                self._keep(key, shown, scan.whole)
                yield shown
        if scan.admits is not None:
            yield from filter(scan.admits, written.values())

    def _shown(self, key: str, row: Row, scan: Scan) -> Row | None:
        if key in self._before:
            return self._before[key]
        change = scan.waiting.get(key, _NOTHING)
        if not change:
            return None if change is None else row
        return [change.get(name, value) for name, value in zip(self._names, row)]

    def _keep(self, key: str, row: Row, whole: bool) -> None:
        if not whole and key in self._rows and self._rows[key][1]:
            return
        self._rows[key] = (row, whole)
        if not self._unique:
            self._done.discard(key)
        _shorten(self._rows)

    def get(self, row_id: Any) -> tuple[Row | None, bool]:
        """The row as it was scanned, None when it is not kept; whether no column of it was left out."""
        self._in_statement()
        return self._rows.get(str(row_id), (None, False))

    def written(self, row_id: Any) -> None:
        """The row is changed or deleted: what was scanned no longer holds."""
        self._in_statement()
        key = str(row_id)
        row, _ = self._rows.pop(key, (None, False))
        self._done.add(key)
        if row is not None and self._unique:
            self._before[key] = row
            _shorten(self._before)

    def is_written(self, row_id: Any) -> bool:
        """Whether the command has written the row: a join may give it several times.

        As in PostgreSQL one of them counts, and which one is not to be relied on.
        """
        self._in_statement()
        return str(row_id) in self._done


def _shorten(rows: OrderedDict[str, Any]) -> None:
    if len(rows) > _MOST:
        rows.popitem(last=False)


_NOTHING: Mapping[str, Any] = {}


def _read_ahead(rows: Iterator[Row]) -> Iterator[Row]:
    """*rows*, all of them read before the first is given; they wait compressed."""
    chunks = []
    while chunk := list(islice(rows, _CHUNK)):
        chunks.append(zlib.compress(pickle.dumps(chunk), 1))
    chunks.reverse()
    while chunks:
        yield from pickle.loads(zlib.decompress(chunks.pop()))  # noqa: S301 - packed here
