"""Running a scan plan: calls → records → rows, page by page, in the promised order.

The main thread asks, converts and yields; requests run in threads (api/waiting). A page is asked for when
the one before it has been used up, so a reader that stops early has paid for nothing more. Where the C part
says that all rows will be taken, it is asked for while the one before it is being used (session/list_pages).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Callable

from pipedrive_fdw.custom_fields.reading import NO_LOOKUPS
from pipedrive_fdw.errors import ApiError, ProtocolError
from pipedrive_fdw.plan.paths import Gets, Lists, ScanPlan, Step, Target, meets_twice
from pipedrive_fdw.read.answers import Answers, Batch
from pipedrive_fdw.read.extended_columns import Downloader, Extender, Extension
from pipedrive_fdw.read.field_lookups import FieldLookups
from pipedrive_fdw.read.order import SortedRows, is_exact, sort_key
from pipedrive_fdw.read.steps import Steps, column_of
from pipedrive_fdw.session.list_pages import Prefetch
from pipedrive_fdw.session.request_scope import RequestScope
from pipedrive_fdw.table.records import Record, Row, column_value, dig, joined
from pipedrive_fdw.table.row_maker import RowMaker
from pipedrive_fdw.table.scan_request import Reads
from pipedrive_fdw.table.statement_tables import paths_to
from pipedrive_fdw.values.key_set import KeySet


def scan_rows(
    plan: ScanPlan,
    maker: RowMaker,
    requests: RequestScope,
    extension: Extension,
    look: FieldLookups | None = None,
    shows: Iterable[Target] = (),
    reads: Reads = Reads.SOME,
) -> Iterator[Sequence[Row]]:
    """The rows of *plan*, with what *look* finds. Those that are given together need no further request.
    Closing the generator ends whatever is still under way.

    *shows* are the columns whose values other scans of the statement may look up, and *reads* is how many of
    the rows will be taken.
    """
    prefetch = Prefetch(requests)
    scan = _Scan(plan, requests, prefetch, extension, look=look, shows=shows, maker=maker)
    try:
        if reads is Reads.ALL:
            prefetch.begin()
        batches: Iterator[Sequence[Row]] = (
            maker.rows(records, echo, look or NO_LOOKUPS) for records, echo in scan.batches() if records
        )
        if plan.limit is not None:
            yield from _first(batches, plan.limit)
            return
        if reads is Reads.MORE:
            first = next(filter(None, batches), ())
            yield first[:1]
            prefetch.begin()
            yield first[1:]
        yield from batches
    except (ApiError, ProtocolError):
        requests.distrust()
        raise
    finally:
        prefetch.close()
        requests.close()


def _first(batches: Iterable[Sequence[Row]], limit: int) -> Iterator[Sequence[Row]]:
    """The rows of *batches*, *limit* at the most."""
    for rows in batches:
        yield rows[:limit]
        limit -= len(rows)
        if limit <= 0:
            return


class _Scan:
    """The records of one plan that are rows of its table."""

    def __init__(
        self,
        plan: ScanPlan,
        requests: RequestScope,
        prefetch: Prefetch,
        extension: Extension,
        *,
        look: FieldLookups | None = None,
        shows: Iterable[Target] = (),
        maker: RowMaker | None = None,
        created: KeySet | None = None,
    ) -> None:
        self.plan = plan
        self._maker = maker
        self.look = look
        self.table = plan.table
        self.requests = requests
        self._prefetch = prefetch
        fetched, download = extension.parted(self.table)
        self._extender = Extender(self.table, fetched, requests, prefetch) if fetched.names else None
        self._downloader = None if download is None else Downloader(self.table, download, requests, prefetch)
        self._hidden = [(path.split("."), value) for path, value in self.table.hidden]
        self._where = [(column_of(self.table, name), value) for name, value in plan.where]
        self._present = [column_of(self.table, name) for name in self.table.present]
        # Keys by which other tables of the statement can be looked up
        self._shows = [(target, path) for target in shows for path in paths_to(target, self.table)]
        self._key = column_of(self.table, self.table.key[0]).path if meets_twice(plan) else ()
        self._seen = KeySet()
        # The records that a loop over the rows has created meanwhile, which would be rows of it for ever
        self._created = requests.session.created_from_now_on(self.table.name) if created is None else created
        ranks = plan.order and plan.streamed and is_exact(plan.order, self.table)
        # What cannot be compared is refused when it is put in order
        rank = sort_key(plan.order, self.table, lambda *_: None) if ranks else None
        self._steps = Steps(Answers(requests, self.table, prefetch, rank), self._walk)

    def batches(self) -> Iterator[Batch]:
        """Records with the echo of their call, those that are no rows left out, in the promised order."""
        if not self.plan.order:
            runs = [self._rows_of(step) for step in self.plan.steps]
            by_id = all(isinstance(step, Lists) and step.both_ends for step in self.plan.steps)
            yield from _in_turn(runs) if by_id else itertools.chain.from_iterable(runs)
            return
        ordered = SortedRows(self.plan, self._rows_of, self._from_the_other_end, self._refuse)
        for record, echo in ordered.rows(self.requests.sizes):
            yield [record], echo

    @cached_property
    def _bare(self) -> _Scan:
        """The same scan without order, and without what rows show beyond their records."""
        plan = self.plan._replace(order=())
        return _Scan(plan, self.requests, self._prefetch, Extension(), created=self._created)

    def _from_the_other_end(self, step: Lists, empty: Callable[[Record], bool]) -> Iterator[Batch]:
        """The rows of *step*, of which those that are *empty* are complete."""
        for records, echo in self._bare._rows_of(step):
            parts = self._complete([r for r in records if empty(r)], echo)
            complete = itertools.chain.from_iterable(part for part, _ in parts)
            yield [next(complete) if empty(r) else r for r in records], echo

    def _walk(self, plan: ScanPlan) -> Iterator[Batch]:
        return _Scan(plan, self.requests, self._prefetch, Extension()).batches()

    def _refuse(self, column: str, record: Record, reason: Exception) -> None:
        if self._maker is None:
            raise reason
        self._maker.refuse(column, record, {}, reason)

    def _rows_of(self, step: Step) -> Iterator[Batch]:
        has_all = isinstance(step, Gets)
        for records, echo in self._steps.batches(step):
            kept = [r for r in records if self._is_row(r, echo)]
            if not kept:  # another list may be read on meanwhile
                yield kept, echo
                continue
            for target, path in self._shows:
                self.requests.session.key_batches.read(target, (dig(record, path) for record in kept))
            yield from self._complete(kept, echo, has_all)
        if self._extender is not None and not has_all:
            self._extender.end()
        if self._downloader is not None:
            self._downloader.end()

    def _complete(
        self, kept: list[Record], echo: Mapping[str, Any], has_all: bool = False
    ) -> Iterator[Batch]:
        """*kept* with what they show beyond their records."""
        for part in self._extended(kept, echo, has_all):
            if self.look is not None:
                self.look.prepare(part, keep=bool(self.plan.order))
            yield part, echo

    def _extended(self, kept: list[Record], echo: Mapping[str, Any], has_all: bool) -> Iterator[list[Record]]:
        """*kept* with what further requests fill, one by one where there are such; *has_all*: records come
        from the operation that has all but files."""
        extenders = [e for e in (None if has_all else self._extender, self._downloader) if e is not None]
        parts: Iterator[list[Record]] = iter((kept,))
        for extender in extenders:
            parts = _one_by_one(extender, parts, echo)
        return parts

    def _is_row(self, record: Record, echo: Mapping[str, Any]) -> bool:
        if self._key and not self._seen.add(dig(record, self._key)):
            return False
        if self._created and self._key_text(record, echo) in self._created:
            return False
        for path, value in self._hidden:
            if dig(record, path) == value:
                return False
        for column, value in self._where:
            if column_value(column, record, echo) != value:
                return False
        return all(column_value(column, record, echo) not in (None, "") for column in self._present)

    def _key_text(self, record: Record, echo: Mapping[str, Any]) -> str | None:
        """The key of a row as ``Session.created`` gets it; None where a record has several rows."""
        if self.table.nested:
            return None
        return joined(*(column_value(column_of(self.table, name), record, echo) for name in self.table.key))


def _in_turn(runs: Sequence[Iterator[Batch]]) -> Iterator[Batch]:
    """A batch of each run in turn, until all have ended."""
    turns = deque(runs)
    while turns:
        batch = next(turns[0], None)
        if batch is None:
            turns.popleft()
            continue
        yield batch
        turns.rotate(-1)


def _one_by_one(
    extender: Extender | Downloader, parts: Iterable[list[Record]], echo: Mapping[str, Any]
) -> Iterator[list[Record]]:
    for part in parts:
        yield from ([record] for record in extender.extend(part, echo))
