"""The rows that a transaction has written, and those that it will write at COMMIT (write_mode 'commit').

The C part calls the methods at each COMMIT, ROLLBACK and savepoint.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipedrive_fdw.errors import PipedriveError, PreparedError, fault_of, sentences
from pipedrive_fdw.masking import shown
from pipedrive_fdw.postgres import channel
from pipedrive_fdw.postgres.channel import depth
from pipedrive_fdw.postgres.statement_scope import StatementScope
from pipedrive_fdw.values.numbertext import whole_number
from pipedrive_fdw.write.commands import Command
from pipedrive_fdw.write.pending import PendingWrites

_SHOWN = 200


@dataclass
class WrittenRow:
    """A row that a request has written: its table, the verb, its key as text, the depth of savepoints, and
    the server."""

    table: str
    verb: str
    key: str
    level: int
    statement: object
    server: str = ""


@dataclass
class Transaction:
    """The rows that are *written*, which no ROLLBACK undoes, the writes *waiting* for COMMIT, and the
    commands that are *running*, of which one may have called the next."""

    written: list[WrittenRow] = field(default_factory=list)
    waiting: PendingWrites = field(default_factory=PendingWrites)
    running: list[Command] = field(default_factory=list)
    _statement: StatementScope[object] = field(default_factory=lambda: StatementScope(object))

    def wrote(
        self, table: str, verb: str, key: str, level: int | None = None, server: str | None = None
    ) -> None:
        """Notes a row that a request has written, at the depth *level* of savepoints and on the *server*,
        else at those of now."""
        self.written.append(
            WrittenRow(
                table=table,
                verb=verb,
                key=shown(key),
                level=depth() if level is None else level,
                statement=self._statement.current(),
                server=shown(channel.server() if server is None else server),
            )
        )

    def is_waiting(self, table: tuple[str, ...], row: Hashable) -> bool:
        """True if a change of the *row* of *table*, by its identity, waits for COMMIT."""
        return row in self.waiting.changes(table)

    def statement_report(self) -> str:
        """The sentence that names the rows that the present statement has written, '' for none."""
        statement = self._statement.current()
        return _report(w for w in self.written if w.statement is statement)

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Adds the rows that the statement has already written to the detail of an error."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a fault too must not hide what was written before
            fault = fault_of(error)
            fault.detail = sentences(fault.detail, self.statement_report(), fault.unsent)
            raise fault from None

    def send(self, pending: PendingWrites) -> None:
        """Sends the writes of a statement. Raises as PendingWrites.send() does."""
        pending.send(self.wrote)

    def begin(self, command: Command) -> None:
        """From now on *command* may have something to send. Raises as send() does."""
        self.send_before(command.number)
        command.waiting = len(self.waiting.writes)
        self.running.append(command)

    def end(self, command: Command) -> None:
        """Sends what *command* has still to send. EXPLAIN ANALYZE ends it twice. Raises as send() does."""
        command.send(self.send)
        self.running = [other for other in self.running if other is not command]

    def send_before(self, number: int) -> None:
        """Sends what the commands before the one of this *number* have still to send: a trigger or a volatile
        function that they call sees the rows that they have written so far, and writes after them. Raises as
        send() does."""
        with self.reported():
            for command in self.running:
                if command.number < number:
                    command.send(self.send)

    def check_prepared(self) -> None:
        """Raises PreparedError where writes wait for the COMMIT of a transaction that is prepared."""
        if self.waiting.writes:
            raise PreparedError(
                "a transaction whose writes wait for COMMIT cannot be prepared",
                detail="The wrapper is not told of COMMIT PREPARED. Nothing was sent.",
                hint="COMMIT it, or set write_mode to 'immediate'.",
            )

    def pre_commit(self) -> None:
        """Sends the waiting writes. Raises the first error, which names the rows written before it."""
        try:
            self.waiting.send(self.wrote)
        except PipedriveError as error:
            error.detail = sentences(
                error.detail, _report(self.written) or "Nothing was written before", error.unsent
            )
            raise

    def ended(self) -> None:
        """Forgets everything after COMMIT."""
        self.written.clear()
        self.waiting.writes.clear()
        self.running.clear()

    def rolled_back(self) -> str:
        """Forgets everything after ROLLBACK; the sentence that names the rows that stay written, or ''."""
        report = _report(self.written)
        self.ended()
        return report

    def savepoint_released(self, level: int) -> None:
        """Moves the rows and writes after the savepoint of this *level* to the level around it."""
        for written in self.written:
            written.level = min(written.level, level - 1)
        for write in self.waiting.writes:
            write.level = min(write.level, level - 1)

    def savepoint_rolled_back(self, level: int) -> str:
        """The same for the rows and writes after the savepoint of this *level*."""
        report = _report(w for w in self.written if w.level >= level)
        self.written = [w for w in self.written if w.level < level]
        self.waiting.writes = [w for w in self.waiting.writes if w.level < level]
        self.running = [command for command in self.running if command.level < level]
        return report


def _report(written: Iterable[WrittenRow]) -> str:
    """'59 rows are written in Pipedrive for good: deals INSERT 1-58, 60'; every row is named, and its server
    where there are several."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one in written:
        groups.setdefault((one.server, one.table, one.verb), []).append(one.key)
    count = sum(map(len, groups.values()))
    if not count:
        return ""
    several = len({server for server, _, _ in groups}) > 1
    shown = [
        f"{f'on {server} ' if several else ''}{table} {verb} {', '.join(_runs(keys))}"
        for (server, table, verb), keys in groups.items()
    ]
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
