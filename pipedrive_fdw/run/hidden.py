"""Cells that a statement which writes was shown as NULL although Pipedrive has a value there.

It may be a value that PostgreSQL cannot hold (30 February), or one that Multicorn cannot hand back (a date of
the year 20222). An UPDATE hands back whole rows. So a NULL in such a cell either comes from the scan, and the
value must be left alone, or the statement sets it. The scan of an UPDATE names the columns that it carries
over, and does not name those that it sets to a constant: that tells the two apart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from pipedrive_fdw.run.backend import command_mark, statement_mark

_MOST = 10_000


class HiddenCells:
    """Those of one foreign table and the present command: of the latest 10,000 rows that have any."""

    def __init__(self) -> None:
        self._command: Any = None
        self._cells: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._carried: set[str] = set()

    def scan(self, columns: Iterable[str]) -> None:
        """A scan of the command begins, which names *columns*."""
        self._in_command()
        self._carried.update(columns)

    def add(self, row_id: Any, columns: Iterable[str]) -> None:
        """The row shows NULL in *columns*."""
        self._in_command()
        self._cells[str(row_id)] = frozenset(columns)
        if len(self._cells) > _MOST:
            self._cells.popitem(last=False)

    def of(self, row_id: Any) -> frozenset[str]:
        """The columns of the row that show NULL and have a value."""
        self._in_command()
        return self._cells.get(str(row_id), frozenset())

    def is_carried(self, column: str) -> bool:
        """Whether a NULL of a hidden cell of *column* may be that of the scan."""
        self._in_command()
        return column in self._carried

    def _in_command(self) -> None:
        mark = (statement_mark(), command_mark())
        if mark != self._command:
            self._command = mark
            self._cells.clear()
            self._carried.clear()
