"""Writes that are worked out but not sent yet.

Those of a statement are sent at its end, or under write_mode 'commit' at COMMIT. Every row has been checked
and the price of all is known before the first is sent. So a guard refuses all of them or none.

Under the option parallel_writes those whose order cannot matter are sent side by side. They begin in their
order, and never two of one record at the same time. When one fails nothing more is sent, and the answers to
those under way are waited for: so all that was written is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipedrive_fdw.api.waiting import Interrupts, wait_for_any
from pipedrive_fdw.errors import Cancelled, OutcomeUnknownError, PipedriveError, fault_of, sentences
from pipedrive_fdw.session.request_scope import RequestScope
from pipedrive_fdw.session.sent_request import SentRequest
from pipedrive_fdw.session.session import Guards, Session
from pipedrive_fdw.values.numbertext import whole_number

# How many of a statement are kept before the first ones are sent.
MOST_PENDING = 10_000
# What a cancelled statement waits for answers that are about to come.
_GRACE_SECONDS = 0.15


class RowChange(NamedTuple):
    """What a pending write changes in a row.

    table    BoundTable.identity of its table
    row      BoundTable.written_identity of the row
    values   the new values by BoundColumn.key, None where the row is deleted
    becomes  its identity from then on, None where it is deleted
    """

    table: tuple[str, ...]
    row: Hashable
    values: Mapping[Any, Any] | None
    becomes: Hashable | None


@dataclass
class BulkPart:
    """A write's part in one request for several, which follow each other with the same *path* and *send*.

    item    what this write adds to the request
    send    sends the items of all of them to *path* and gives their keys
    least   from this number of writes on one request costs less than they do one by one
    most    the number of writes that one request takes
    tokens  the price of the request
    """

    path: str
    item: Any
    send: Callable[[str, list[Any]], list[str]]
    least: int
    most: int
    tokens: int


class SentWrite(NamedTuple):
    """A write under way. *key* waits for its answer and gives the key of the record that was written."""

    request: SentRequest
    key: Callable[[], str]


class ParallelPart(NamedTuple):
    """A write's part in several that are sent side by side.

    run     equal for writes that may be
    most    how many of them may be under way at once
    record  the record that it changes, None for a new one
    open    gives the requests of all of them
    begin   begins its own
    """

    run: Any
    most: int
    record: Hashable | None
    open: Callable[[], RequestScope]
    begin: Callable[[RequestScope], SentWrite]

    def goes_with(self, other: ParallelPart | None) -> bool:
        return other is not None and (self.run, self.most) == (other.run, other.most)


@dataclass
class PendingWrite:
    """One row to be written.

    session, guards  of the account that is written
    send     sends it and returns the key of the record that was written
    tokens   its price
    level    the depth of savepoints at which it was worked out
    server   the name of the account's server
    bulk     its part in a request for several writes, None where there is no such request
    parallel its part in several that are sent side by side, None where they go one after the other
    change   the row that it changes, None for a new one
    again    the write before it changes the same row for the same row of the statement
    array    tells the array of which it writes an element, None where it writes none
    whole_arrays  tells the arrays that it sets whole
    """

    table: str
    verb: str
    session: Session
    guards: Guards
    send: Callable[[], str]
    tokens: int
    level: int
    bulk: BulkPart | None = None
    change: RowChange | None = None
    again: bool = False
    parallel: ParallelPart | None = None
    server: str = ""
    array: Hashable | None = None
    whole_arrays: frozenset[Hashable] = frozenset()


@dataclass
class PendingWrites:
    """Pending writes in the order in which they are to be sent."""

    writes: list[PendingWrite] = field(default_factory=list)

    def add(self, write: PendingWrite) -> None:
        self.writes.append(write)

    def changes(
        self, table: tuple[str, ...], first: int | None = None
    ) -> dict[Hashable, dict[Any, Any] | None]:
        """The values that the *first* writes, or all, change in rows of *table*, by the identity that these
        have in Pipedrive; None for a row that is deleted."""
        rows: dict[Hashable, dict[Any, Any] | None] = {}
        now: dict[Hashable, Hashable] = {}  # identity after the changes so far → that in Pipedrive
        for change in (write.change for write in self.writes[:first]):
            if change is not None and change.table == table:
                row = now.pop(change.row, change.row)
                before = rows.get(row) or {}
                rows[row] = None if change.values is None else {**before, **change.values}
                if change.values is not None:
                    now[change.becomes] = row
        return rows

    def send(self, wrote: Callable[[str, str, str, int, str], None]) -> None:
        """Sends all writes and removes them; calls *wrote* with table, verb, key, level and server of
        each row.

        Raises BudgetError before the first request when a guard does not allow the price of all, and
        otherwise the first error of a request, whose ``unsent`` says how many rows were not sent.
        """
        writes, self.writes = self.writes, []
        groups = list(_groups(writes))
        for first, tokens in _prices(groups):
            first.session.check_tokens(tokens, first.guards)
        left = _rows(writes)
        for group in groups:
            left -= _rows(group)
            keys, unsent, error = _sent(group)
            for key in keys[: _rows(group)]:  # none of a row that is written again, which is sent by itself
                wrote(group[0].table, group[0].verb, key, group[0].level, group[0].server)
            if error is not None:
                error.unsent = f"{left + unsent} more were not sent" if left + unsent else ""
                raise error


def _sent(group: Sequence[PendingWrite]) -> tuple[Sequence[str], int, PipedriveError | None]:
    """Sends the writes of *group*: the keys of the records that were written, how many of its writes were not
    sent, and the first error."""
    first = group[0]
    try:
        first.session.interrupts.check()
    except Cancelled as cancelled:
        return (), _rows(group), cancelled
    try:
        if len(group) == 1:
            return [first.send()], 0, None
        if first.bulk is not None:
            return first.bulk.send(first.bulk.path, [one.bulk.item for one in group if one.bulk]), 0, None
        return _send_side_by_side([one.parallel for one in group if one.parallel], first.session.interrupts)
    except Exception as error:  # noqa: BLE001 - a fault too must not hide what was written before
        fault = fault_of(error)
        return fault.written, 0 if first.bulk is not None else len(group) - 1, fault


def _rows(writes: Sequence[PendingWrite]) -> int:
    """The number of rows that *writes* write."""
    return sum(not write.again for write in writes)


def _groups(writes: Sequence[PendingWrite]) -> Iterator[list[PendingWrite]]:
    """The *writes* of each request, and those that are sent side by side, in their order."""
    place = 0
    while place < len(writes):
        first, end = writes[place], place + 1
        bulk, most = first.bulk, len(writes) if first.bulk is None else first.bulk.most
        while end < len(writes) and end - place < most and _together(first, writes[end]):
            end += 1
        if bulk is not None and end - place < bulk.least:
            end = place + 1
        yield list(writes[place:end])
        place = end


def _together(one: PendingWrite, other: PendingWrite) -> bool:
    if one.bulk is not None and other.bulk is not None:
        return (one.bulk.path, one.bulk.send) == (other.bulk.path, other.bulk.send)
    return one.parallel is not None and one.parallel.goes_with(other.parallel)


def _prices(groups: Sequence[Sequence[PendingWrite]]) -> Iterator[tuple[PendingWrite, int]]:
    """The first write of each account, with the tokens that all writes of the account cost."""
    prices: dict[int, tuple[PendingWrite, int]] = {}
    for group in groups:
        one = group[0]
        together = len(group) > 1 and one.bulk is not None
        tokens = one.bulk.tokens if one.bulk and together else sum(write.tokens for write in group)
        first, before = prices.get(id(one.session), (one, 0))
        prices[id(one.session)] = (first, before + tokens)
    yield from prices.values()


def _send_side_by_side(
    parts: Sequence[ParallelPart], interrupts: Interrupts
) -> tuple[list[str], int, PipedriveError | None]:
    """Sends *parts*, which go with each other: the keys of the records that were written, of new ones in the
    order of their ids, else in that of the parts; how many parts were not sent; and the error."""
    with closing(parts[0].open()) as requests:
        run = _Run(parts, requests)
        try:
            run.send(interrupts)
        except Cancelled as cancelled:
            run.end(cancelled)
            error: PipedriveError | None = cancelled
        else:
            error = _first(run.errors)
    keys = [run.keys[place] for place in sorted(run.keys)]
    if parts[0].record is None:
        keys.sort(key=lambda key: whole_number(key) or 0)
    return keys, run.unsent, error


class _Run:
    """Parts that are sent side by side. ``keys`` and ``errors`` are by the place of the part."""

    def __init__(self, parts: Sequence[ParallelPart], requests: RequestScope) -> None:
        self._parts = parts
        self._requests = requests
        self._begun = 0
        self._withdrawn = 0
        self._under_way: dict[int, SentWrite] = {}
        self.keys: dict[int, str] = {}
        self.errors: dict[int, PipedriveError] = {}

    @property
    def unsent(self) -> int:
        return len(self._parts) - self._begun + self._withdrawn

    def send(self, interrupts: Interrupts) -> None:
        """Sends all parts, or those before the first error. Raises Cancelled."""
        while True:
            while self._may_begin():
                self._begin()
            if not self._under_way:
                return
            self._wait(interrupts)

    def _may_begin(self) -> bool:
        """True if the next part may be sent now."""
        if self.errors or self._begun == len(self._parts):
            return False
        part = self._parts[self._begun]
        if part.record is not None and any(part.record == self._parts[n].record for n in self._under_way):
            return False
        return len(self._under_way) < min(part.most, self._requests.most_at_once())

    def _begin(self) -> None:
        place, self._begun = self._begun, self._begun + 1
        try:
            self._under_way[place] = self._parts[place].begin(self._requests)
        except Exception as error:  # noqa: BLE001 - others are under way
            self._fail(place, fault_of(error))

    def _wait(self, interrupts: Interrupts) -> None:
        """Waits for answers, and takes those that have come."""
        wait_for_any([write.request.task for write in self._under_way.values()], interrupts)
        for place in [n for n, write in self._under_way.items() if write.request.task.is_done]:
            write = self._under_way.pop(place)
            try:
                self.keys[place] = write.key()
            except Cancelled:  # by the thread, before the request has left
                self._withdrawn += 1
            except Exception as error:  # noqa: BLE001 - others are under way
                self._fail(place, fault_of(error))

    def _fail(self, place: int, error: PipedriveError) -> None:
        self.errors[place] = error
        self._requests.exchange.stopped = True

    def end(self, cancelled: Cancelled) -> None:
        """Takes the answers that still come, and adds to the detail of *cancelled* what else is known."""
        self._requests.exchange.stopped = True
        end = time.monotonic() + _GRACE_SECONDS
        while self._under_way and time.monotonic() < end:
            self._wait(Interrupts())
        self._requests.exchange.abort()
        given_up = [self._under_way[place].request.give_up() for place in sorted(self._under_way)]
        self._under_way.clear()
        lost = [error.detail for error in given_up if error.arrived]
        self._withdrawn += len(given_up) - len(lost)
        failed = [_words(self.errors[place]) for place in sorted(self.errors)]
        cancelled.detail = sentences(*lost, *failed) or cancelled.detail


def _first(errors: Mapping[int, PipedriveError]) -> PipedriveError | None:
    """The error of the first part that has one, with the words of the others. One that leaves open what was
    done goes before others."""
    if not errors:
        return None
    found = [errors[place] for place in sorted(errors)]
    first = next((error for error in found if isinstance(error, OutcomeUnknownError)), found[0])
    others = [_words(error) for error in found if error is not first]
    first.detail = sentences(first.detail, *others)
    return first


def _words(error: PipedriveError) -> str:
    return sentences(f"There was also: {error.message}", error.detail)
