"""What the backend's transaction has written, and under write_mode 'commit' what it will write.

The C part tells of each step of the transaction once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipedrive_fdw.errors import PipedriveError, sentences
from pipedrive_fdw.masking import shown
from pipedrive_fdw.postgres.channel import depth, statement
from pipedrive_fdw.values.numbertext import whole_number
from pipedrive_fdw.write.pending import PendingWrites

_SHOWN = 200


@dataclass
class WrittenRow:
    """One row that a request has written: its table, what was done, its key as text."""

    table: str
    verb: str
    key: str
    level: int
    statement: object


@dataclass
class Transaction:
    """Rows that are written, for good, and *waiting* writes that COMMIT will send."""

    written: list[WrittenRow] = field(default_factory=list)
    waiting: PendingWrites = field(default_factory=PendingWrites)

    def wrote(self, table: str, verb: str, key: str) -> None:
        """A request has written a row, whatever becomes of the transaction."""
        self.written.append(WrittenRow(table, verb, shown(key), depth(), statement()))

    def is_waiting(self, table: tuple[str, ...], row_id: str) -> bool:
        """Whether a change of this row of *table* waits."""
        return row_id in self.waiting.changes(table)

    def statement_report(self) -> str:
        """What the present statement has written so far, '' for nothing."""
        mark = statement()
        return _report(w for w in self.written if w.statement == mark)

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Adds what the statement has written before, for good, to the detail of an error."""
        try:
            yield
        except PipedriveError as error:
            error.detail = sentences(error.detail, self.statement_report(), error.unsent)
            raise

    def send(self, pending: PendingWrites) -> None:
        """Sends the writes of a statement. Raises as PendingWrites.send() does."""
        pending.send(self.wrote)

    def pre_commit(self) -> None:
        """Sends what waits, in order. Raises the first error, which says what was sent before it."""
        try:
            self.waiting.send(self.wrote)
        except PipedriveError as error:
            error.detail = sentences(
                error.detail, _report(self.written) or "Nothing was written before", error.unsent
            )
            raise

    def ended(self) -> None:
        """COMMIT is done."""
        self.written.clear()
        self.waiting.writes.clear()

    def rolled_back(self) -> str:
        """ROLLBACK: what waits is forgotten. What stays written all the same, '' for nothing."""
        report = _report(self.written)
        self.ended()
        return report

    def savepoint_released(self, level: int) -> None:
        for written in self.written:
            written.level = min(written.level, level - 1)
        for write in self.waiting.writes:
            write.level = min(write.level, level - 1)

    def savepoint_rolled_back(self, level: int) -> str:
        """Like ``rolled_back`` for what came after the savepoint."""
        report = _report(w for w in self.written if w.level >= level)
        self.written = [w for w in self.written if w.level < level]
        self.waiting.writes = [w for w in self.waiting.writes if w.level < level]
        return report


def _report(written: Iterable[WrittenRow]) -> str:
    """'59 rows are written in Pipedrive for good: deals INSERT 1-58, 60'; every row is named."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in written:
        groups.setdefault((one.table, one.verb), []).append(one.key)
    count = sum(map(len, groups.values()))
    if not count:
        return ""
    shown = [f"{table} {verb} {', '.join(_runs(keys))}" for (table, verb), keys in groups.items()]
    rows = "1 row is written" if count == 1 else f"{count} rows are written"
    return f"{rows} in Pipedrive for good: {'; '.join(shown)}."


def _runs(keys: list[str]) -> list[str]:
    """*keys* with numbers that follow each other as runs: 1, 2, 3, 7 → 1-3, 7."""
    runs: list[tuple[str, str]] = []
    for key in keys:
        last = runs[-1][1] if runs else ""
        number, before = whole_number(key), whole_number(last)
        if number is not None and before is not None and number == before + 1:
            runs[-1] = (runs[-1][0], key)
        else:
            runs.append((key, key))
    return [
        first if first == last else f"{first}, {last}" if int(last) == int(first) + 1 else f"{first}-{last}"
        for first, last in runs
    ]


TRANSACTION = Transaction()
