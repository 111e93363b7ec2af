"""The glue to Multicorn: its calls in, ours out, and every error as PostgreSQL shows it best.

The only module that imports multicorn. Nothing is decided here.
"""

from __future__ import annotations

import encodings.aliases
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable, TypeVar

import multicorn
from multicorn import ColumnDefinition, ForeignDataWrapper, TableDefinition

from pipedrive_fdw.errors import Cancelled, PipedriveError
from pipedrive_fdw.options import IMPORT, MAPPING, SERVER, check_server, read_options
from pipedrive_fdw.run.asked import Asked, Loop
from pipedrive_fdw.run.backend import WORDS, check_encoding, warn
from pipedrive_fdw.run.foreign import ForeignTable, open_table
from pipedrive_fdw.run.planner import PLANNER
from pipedrive_fdw.run.transaction import TRANSACTION
from pipedrive_fdw.schema import account_fields, import_schema

F = TypeVar("F", bound=Callable[..., Any])
# Multicorn 1.4 asks Python for a codec of PostgreSQL's name, and crashes when it shows an error without one.
encodings.aliases.aliases.setdefault("sql_ascii", "ascii")
_CLEAN = hasattr(multicorn, "MulticornException")


class _Shown(Exception):  # noqa: N818 - the name that Multicorn 2 shows is the message, not the class
    """What Multicorn 2 turns into an ERROR with DETAIL and HINT."""

    _is_multicorn_exception = True
    code = 3

    def __init__(self, error: PipedriveError) -> None:
        super().__init__(error.message)
        self.message, self.detail, self.hint = error.message, error.detail, error.hint


def _raise(error: PipedriveError) -> None:
    cancelled = isinstance(error, Cancelled)
    if cancelled or not _CLEAN:
        WORDS.instead(error.message, error.detail, error.hint, cancelled)
    raise _Shown(error) from None


def _warn(report: str) -> None:
    if report:
        warn(f"pipedrive write: ROLLBACK cannot take back what was sent: {report}")


def shown(function: F) -> F:
    """*function* with our errors turned into PostgreSQL's."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except PipedriveError as error:
            caught = error
        return _raise(caught)

    return call  # type: ignore[return-value]


class PipedriveFdw(ForeignDataWrapper):
    """``wrapper 'pipedrive_fdw.PipedriveFdw'``: one object for each foreign table and backend."""

    @shown
    def __init__(self, options: Mapping[str, str], columns: Mapping[str, Any]) -> None:
        super().__init__(options, columns)
        check_encoding()
        self._table: ForeignTable = open_table(read_options(options), columns)

    @shown
    def get_rel_size(self, quals: Sequence[Any], columns: Sequence[str]) -> tuple[int, int]:
        return self._table.size(quals, columns)

    @shown
    def get_path_keys(self) -> list[tuple[tuple[str, ...], int]]:
        """No keys for Multicorn, which would make wrong paths of them: run/planner.py makes the paths."""
        PLANNER.expect(self._table.path_keys())
        return []

    @shown
    def can_sort(self, sortkeys: Sequence[Any]) -> list[Any]:
        return self._table.sortable(sortkeys)

    @shown
    def can_limit(self, limit: int | None, offset: int | None) -> bool:
        return self._table.limitable(limit)

    def execute(
        self,
        quals: Sequence[Any],
        columns: Sequence[str],
        sortkeys: Sequence[Any] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Iterator[Any]:
        loop = Loop(Asked(quals, columns, sortkeys or (), limit, offset))
        rows = self._rows(loop)
        loop.follow(rows)
        return rows

    def _rows(self, loop: Loop) -> Iterator[Any]:
        rows = self._table.scan(loop)
        try:
            PLANNER.check()
            yield from rows
            return
        except PipedriveError as error:
            caught = error
        finally:
            rows.close()
        _raise(caught)

    @shown
    def explain(
        self,
        quals: Sequence[Any],
        columns: Sequence[str],
        sortkeys: Sequence[Any] | None = None,
        verbose: bool = False,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[str]:
        return list(self._table.explain(Asked(quals, columns, sortkeys or (), limit, offset), verbose))

    # ---- writing

    @property
    def rowid_column(self) -> str:
        return self._row_id()

    @shown
    def _row_id(self) -> str:
        return self._table.writer.row_id

    @shown
    def insert(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return self._table.writer.insert(values)

    @shown
    def update(self, rowid: Any, newvalues: Mapping[str, Any]) -> dict[str, Any]:
        return self._table.writer.update(rowid, newvalues)

    @shown
    def delete(self, rowid: Any) -> None:
        self._table.writer.delete(rowid)

    @shown
    def pre_commit(self) -> None:
        TRANSACTION.pre_commit()

    def commit(self) -> None:
        TRANSACTION.ended()

    def rollback(self) -> None:
        _warn(TRANSACTION.rolled_back())

    def sub_commit(self, level: int) -> None:
        TRANSACTION.savepoint_released(level)

    def sub_rollback(self, level: int) -> None:
        _warn(TRANSACTION.savepoint_rolled_back(level))

    @classmethod
    @shown
    def import_schema(
        cls,
        schema: str,
        srv_options: Mapping[str, str],
        options: Mapping[str, str],
        restriction_type: str | None,
        restricts: Sequence[str],
    ) -> list[TableDefinition]:
        check_encoding()
        check_server(read_options(srv_options, (SERVER, MAPPING)))
        read_options(options, (IMPORT,))
        merged = read_options({**srv_options, **options}, (SERVER, MAPPING, IMPORT))
        return [
            TableDefinition(
                table.name,
                columns=[
                    ColumnDefinition(c.name, type_name=c.type, options=dict(c.options)) for c in table.columns
                ],
                options=dict(table.options),
            )
            for table in import_schema(
                schema, restriction_type or "", restricts, merged, options, account_fields(merged)
            )
        ]
