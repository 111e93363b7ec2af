"""What the backend's transaction has written, and under write_mode 'commit' what it will write.

Multicorn tells each foreign table of the transaction's steps, all of them of the same one; the first that
tells of a step does the work. Requests that wait for COMMIT keep the order of the statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipedrive_fdw.errors import PipedriveError
from pipedrive_fdw.errors import sentences as sentences  # for those who take it from here
from pipedrive_fdw.masking import shown
from pipedrive_fdw.run.backend import nest_level, statement_mark

_SHOWN = 200


@dataclass
class Written:
    """One row that a request has written: its table, what was done, its key as text."""

    table: str
    verb: str
    key: str
    level: int
    statement: object


@dataclass
class _Waiting:
    """A request that waits for COMMIT; *many* where several such can be sent as one."""

    send: Callable[[], str]
    table: str
    verb: str
    level: int
    many: Many | None
    place: Place | None


@dataclass(frozen=True)
class Place:
    """The row of *owner* that a waiting request changes to *values*, column by column, or deletes (None)."""

    owner: object
    row_id: str
    values: Mapping[str, Any] | None


@dataclass
class Many:
    """Several waiting requests as one: those that follow each other with the same *path* and *send*.

    *item* is what this one adds, *send* gives the keys of all; *least* is from when on it is worth it, *most*
    how many one request takes.
    """

    path: str
    item: Any
    send: Callable[[str, list[Any]], list[str]]
    least: int
    most: int


@dataclass
class Transaction:
    written: list[Written] = field(default_factory=list)
    waiting: list[_Waiting] = field(default_factory=list)

    def wrote(self, table: str, verb: str, key: str) -> None:
        """A request has written a row, whatever becomes of the transaction."""
        self.written.append(Written(table, verb, shown(key), nest_level(), statement_mark()))

    def wait(
        self,
        table: str,
        verb: str,
        send: Callable[[], str],
        many: Many | None = None,
        place: Place | None = None,
    ) -> None:
        """*send* shall run at COMMIT; it gives the key of what it wrote."""
        self.waiting.append(_Waiting(send, table, verb, nest_level(), many, place))

    def waiting_rows(self, owner: object) -> dict[str, dict[str, Any] | None]:
        """What waits for rows of *owner*, by row id: the columns as they will be, None for a deletion."""
        rows: dict[str, dict[str, Any] | None] = {}
        for place in (waiting.place for waiting in self.waiting):
            if place is not None and place.owner is owner:
                before = rows.get(place.row_id) or {}
                rows[place.row_id] = None if place.values is None else {**before, **place.values}
        return rows

    def is_waiting(self, table: str, row_id: str) -> bool:
        """Whether a change of this row of *table* waits."""
        places = (waiting.place for waiting in self.waiting if waiting.table == table)
        return any(place is not None and place.row_id == row_id for place in places)

    def statement_report(self) -> str:
        """What the present statement has written so far, '' for nothing."""
        mark = statement_mark()
        return _report([w for w in self.written if w.statement == mark])

    def pre_commit(self) -> None:
        """Sends what waits, in order. Raises the first error, which says what was sent before it."""
        waiting, self.waiting = self.waiting, []
        sent = 0
        for group in _groups(waiting):
            first = group[0]
            try:
                if len(group) > 1 and first.many is not None:
                    items = [one.many.item for one in group if one.many is not None]
                    keys = first.many.send(first.many.path, items)
                else:
                    keys = [first.send()]
            except PipedriveError as error:
                left = len(waiting) - sent - len(group)
                error.detail = sentences(
                    error.detail,
                    _report(self.written) or "Nothing was written before",
                    f"{left} more were not sent" if left else "",
                )
                raise
            sent += len(group)
            for key in keys:
                self.wrote(first.table, first.verb, key)

    def ended(self) -> None:
        """COMMIT is done."""
        self.written.clear()
        self.waiting.clear()

    def rolled_back(self) -> str:
        """ROLLBACK: what waits is forgotten. What stays written all the same, '' for nothing."""
        report = _report(self.written)
        self.ended()
        return report

    def savepoint_released(self, level: int) -> None:
        for written in self.written:
            written.level = min(written.level, level - 1)
        for waiting in self.waiting:
            waiting.level = min(waiting.level, level - 1)

    def savepoint_rolled_back(self, level: int) -> str:
        """Like ``rolled_back`` for what came after the savepoint."""
        report = _report([w for w in self.written if w.level >= level])
        self.written = [w for w in self.written if w.level < level]
        self.waiting = [w for w in self.waiting if w.level < level]
        return report


def _groups(waiting: list[_Waiting]) -> Iterator[list[_Waiting]]:
    """*waiting* in its order, cut into what is sent as one request."""
    place = 0
    while place < len(waiting):
        many = waiting[place].many
        end = place + 1
        if many is not None:
            while end < len(waiting) and end - place < many.most and _together(many, waiting[end].many):
                end += 1
            if end - place < many.least:
                end = place + 1
        yield waiting[place:end]
        place = end


def _together(one: Many, other: Many | None) -> bool:
    return other is not None and (one.path, one.send) == (other.path, other.send)


def _report(written: list[Written]) -> str:
    """'59 rows are written in Pipedrive for good: deals INSERT 1, 2, …'"""
    if not written:
        return ""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in written:
        groups.setdefault((one.table, one.verb), []).append(one.key)
    shown = []
    for (table, verb), keys in groups.items():
        more = f", … {len(keys)} in all" if len(keys) > _SHOWN else ""
        shown.append(f"{table} {verb} {', '.join(keys[:_SHOWN])}{more}")
    rows = "1 row is written" if len(written) == 1 else f"{len(written)} rows are written"
    return f"{rows} in Pipedrive for good: {'; '.join(shown)}."


TRANSACTION = Transaction()
