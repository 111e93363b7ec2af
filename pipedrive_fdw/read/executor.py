"""Running a scan plan: calls → records → rows, page by page, in the promised order.

The main thread asks, converts and yields; requests run in threads (api/waiting). A page is asked for when
the one before it has been used up, so a reader that stops early has paid for nothing more.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import Any

from pipedrive_fdw.api.key_set import KeySet
from pipedrive_fdw.api.paging import pages, record_of
from pipedrive_fdw.api.waiting import Pending, ordered_map
from pipedrive_fdw.catalog.model import NONE, Column, Get, Listing, Operation, Table
from pipedrive_fdw.custom_fields.reading import NO_LOOKUPS
from pipedrive_fdw.errors import (
    AccessError,
    ApiError,
    CatalogError,
    NotFoundError,
    PipedriveError,
    ProtocolError,
)
from pipedrive_fdw.plan.calls import fill, held_values, list_name
from pipedrive_fdw.plan.paths import (
    Ahead,
    Batches,
    Call,
    Children,
    Gets,
    Lists,
    ScanPlan,
    Step,
    Target,
    meets_twice,
)
from pipedrive_fdw.plan.stops import Watch
from pipedrive_fdw.read.extended_columns import Extender, Extension
from pipedrive_fdw.read.field_lookups import FieldLookups
from pipedrive_fdw.read.order import in_order, is_exact, sort_key
from pipedrive_fdw.session.refusals import explained, is_final, is_gone, means_absence
from pipedrive_fdw.session.work import Params, Work
from pipedrive_fdw.table.records import Record, Row, column_value, dig
from pipedrive_fdw.table.row_maker import RowMaker
from pipedrive_fdw.table.statement_tables import paths_to

Batch = tuple[list[Record], Mapping[str, Any]]
Pair = tuple[Record, Mapping[str, Any]]


def scan_rows(
    plan: ScanPlan,
    maker: RowMaker,
    work: Work,
    extension: Extension,
    look: FieldLookups | None = None,
    shows: Iterable[Target] = (),
) -> Iterator[Row]:
    """The rows of *plan*, with what *look* finds. Closing the generator ends whatever is still under way.

    *shows* are the columns whose values other scans of the statement may look up.
    """
    scan = _Scan(plan, work, extension, look, shows, maker)
    try:
        rows = itertools.chain.from_iterable(
            maker.rows(records, echo, look or NO_LOOKUPS) for records, echo in scan.batches()
        )
        if plan.limit is None and not plan.offset:
            yield from rows
        else:
            end = None if plan.limit is None else plan.offset + plan.limit
            yield from itertools.islice(rows, plan.offset, end)
    except (ApiError, ProtocolError):
        work.distrust()
        raise
    finally:
        work.close()


class _Scan:
    def __init__(
        self,
        plan: ScanPlan,
        work: Work,
        extension: Extension,
        look: FieldLookups | None = None,
        shows: Iterable[Target] = (),
        maker: RowMaker | None = None,
    ) -> None:
        self.plan = plan
        self._maker = maker
        self.look = look
        self.table = plan.table
        self.work = work
        self._extender = Extender(self.table, extension, work) if extension.names else None
        self._hidden = [(path.split("."), value) for path, value in self.table.hidden]
        self._where = [(_column(self.table, name), value) for name, value in plan.where]
        self._present = [_column(self.table, name) for name in self.table.present]
        # Keys by which other tables of the statement can be looked up
        self._shows = [(target, path) for target in shows for path in paths_to(target, self.table)]
        self._key = _column(self.table, self.table.key[0]).path if meets_twice(plan) else ()
        self._seen = KeySet()
        ranks = plan.order and plan.streamed and is_exact(plan.order, self.table)
        # What cannot be compared is refused when it is put in order
        self._rank = sort_key(plan.order, self.table, lambda *_: None) if ranks else None

    def batches(self) -> Iterator[Batch]:
        """Records with the echo of their call, those that are no rows left out, in the promised order."""
        if not self.plan.order:
            for step in self.plan.steps:
                yield from self._rows_of(step)
            return
        key = sort_key(self.plan.order, self.table, self._refuse)

        def keyed(step: Step) -> Iterator[tuple[Any, Pair]]:
            found = ((key(pair[0]), pair) for pair in _singles(self._rows_of(step)))
            return (one for one in found if one[0] is not None)

        runs: list[Iterator[tuple[Any, Pair]]] = []
        for step in self.plan.steps:
            if self.plan.streamed and isinstance(step, Lists):
                runs += [keyed(replace(step, calls=(call,))) for call in step.calls]
            else:
                runs.append(keyed(step))
        merged: Iterable[tuple[Any, Pair]]
        if not self.plan.streamed:
            merged = sorted(itertools.chain.from_iterable(runs), key=itemgetter(0))
        else:
            runs = [in_order(run, self.plan.order, self.table) for run in runs]
            merged = runs[0] if len(runs) == 1 else heapq.merge(*runs, key=itemgetter(0))
        for _, (record, echo) in merged:
            yield [record], echo

    def _refuse(self, column: str, record: Record, reason: Exception) -> None:
        if self._maker is None:
            raise reason
        self._maker.refuse(column, record, {}, reason)

    def _rows_of(self, step: Step) -> Iterator[Batch]:
        extender = None if isinstance(step, Gets) else self._extender  # a get has them already
        for records, echo in self._step(step):
            kept = [r for r in records if self._is_row(r, echo)]
            for target, path in self._shows:
                self.work.session.key_batches.read(target, (dig(record, path) for record in kept))
            for part in (kept,) if extender is None else ([r] for r in extender.extend(kept, echo)):
                if self.look is not None:
                    self.look.prepare(part, keep=bool(self.plan.order))
                yield part, echo
        if extender is not None:
            extender.end()

    def _is_row(self, record: Record, echo: Mapping[str, Any]) -> bool:
        if self._key and not self._seen.add(dig(record, self._key)):
            return False
        for path, value in self._hidden:
            if dig(record, path) == value:
                return False
        for column, value in self._where:
            if column_value(column, record, echo) != value:
                return False
        return all(column_value(column, record, echo) is not None for column in self._present)

    # ---- steps

    def _step(self, step: Step) -> Iterator[Batch]:
        if isinstance(step, (Lists, Gets)) and step.ahead is not None:
            records = self._with_others(step.ahead)
            if records is not None:
                yield records, {**step.calls[0].echo, **step.ahead.call.echo}
                return
        if isinstance(step, Lists):
            if step.of_parents:
                yield from self._of_parents(step.listing, step.calls)
                return
            for call in step.calls:
                yield from self._list(step, call)
        elif isinstance(step, Gets):
            yield from self._gets(step.get, step.calls)
        elif isinstance(step, Batches):
            yield from self._batch(step)
        else:
            yield from self._children(step)

    def _list(self, step: Lists, call: Call) -> Iterator[Batch]:
        """The pages of *call* as far as rows can be among them."""
        stop = step.stop
        watch = None if stop is None else Watch(stop, _column(self.table, stop.order.column))
        count = 0
        for records, echo in self._pages(step.listing, call):
            yield records, echo
            count += len(records)
            if watch is not None and watch.is_past(records):
                return
        if step.whole:
            self.work.sizes[list_name(step.listing)] = count

    def _with_others(self, ahead: Ahead) -> list[Record] | None:
        """The records of one key, asked for with other keys that the statement has read; None when it is to
        be looked up by itself."""
        company = self.work.session.key_batches
        found = company.found(ahead)
        if found is not None:
            self.work.spent.remembered += 1
            return found
        keys = company.keys(ahead)
        if len(keys) == 1:
            return None
        groups: dict[str, list[Record]] = {str(key): [] for key in keys} if ahead.whole else {}
        call = replace(ahead.call, params=ahead.params(keys))
        for records, _ in self._pages(ahead.listing, call):
            for record in records:
                groups.setdefault(str(dig(record, ahead.key)), []).append(record)
        company.keep(ahead, groups)
        return groups.get(str(ahead.value))

    def _pages(self, listing: Listing, call: Call, first: list[Any] | None = None) -> Iterator[Batch]:
        """All pages of *call*; *first* holds the answer of the first page when it is there already."""

        def ask(params: Params) -> Mapping[str, Any]:
            if first:
                answer: Mapping[str, Any] = first.pop()
                return answer
            return self.work.ask(listing, call.path, params)

        again = partial(self.work.ask, listing, call.path, afresh=True)
        where = f"GET /api/v{listing.version}{call.path}"
        try:
            for page in pages(ask, listing, call.params, where, again, self._rank):
                yield page, call.echo
        except PipedriveError as error:
            raise explained(error, self.table) from None

    def _parallel(self, op: Operation, calls: Iterable[Call]) -> Iterator[tuple[Call, Any]]:
        """(call, envelope or the ApiError of its status) in the order of *calls*."""

        def start(call: Call) -> Pending[Any]:
            return self.work.start(op, call.path, call.params)

        session = self.work.session
        for call, result in ordered_map(start, calls, session.parallel, session.interrupts):
            yield call, self.work.finish(op, call.path, call.params, result)

    def _gets(self, get: Get, calls: Iterable[Call]) -> Iterator[Batch]:
        """The records of *calls*. One that is refused is passed over, as lists leave out what the token's
        user may not see, unless the whole table is refused; so is one that is not there, unless it may be the
        operation that is not."""
        refused: ApiError | None = None
        for call, answer in self._parallel(get, calls):
            if isinstance(answer, NotFoundError) and means_absence(answer, self.table):
                continue
            if isinstance(answer, (NotFoundError, AccessError)) and not self._is_whole(answer):
                refused = refused or answer
                continue
            if isinstance(answer, PipedriveError):
                raise explained(answer, self.table)
            yield [record_of(answer, f"GET /api/v{get.version}{call.path}")], call.echo
        if refused is not None and not self._answers(get, isinstance(refused, NotFoundError)):
            raise explained(refused, self.table)

    def _answers(self, get: Get, otherwise: bool) -> bool:
        """Whether the table can be read: it has answered in this statement, or its list does now; *otherwise*
        where it has no list that can be asked."""
        known = self.work.session.memory.answered
        if any((op.version, op.path) in known for op in (get, *self.table.listings)):
            return True
        for listing in self.table.listings:
            if not listing.placeholders and not any(f.required for f in listing.filters):
                limit = () if listing.paging == NONE else (("limit", "1"),)
                call = Call(listing, listing.path, (*listing.params.items(), *limit))
                next(self._pages(listing, call))  # raises when it is refused too
                return True
        return otherwise

    def _batch(self, step: Batches) -> Iterator[Batch]:
        missing = {str(key): key for key in step.keys}
        for call in step.calls:
            for records, echo in self._pages(step.listing, call):
                for record in records:
                    missing.pop(str(dig(record, step.key)), None)
                yield records, echo
        if missing and step.others:
            yield from self._missing(step, list(missing.values()))

    def _missing(self, step: Batches, keys: list[Any]) -> Iterator[Batch]:
        """The rows of *keys* among the other listings, by gets or by batches, whichever costs less."""
        get = step.get
        chunks = [keys[i : i + step.most] for i in range(0, len(keys), step.most)]
        batched = sum(listing.tokens for listing in step.others) * len(chunks)
        if get is not None and len(keys) * get.tokens <= batched:
            takes = {
                "include_fields": get.include,
                "custom_fields": get.custom,
                "include_option_labels": get.labels,
            }
            kept = [name for name, taken in takes.items() if taken]
            params = (*get.params.items(), *(p for p in step.calls[0].params if p[0] in kept))
            (slot,) = get.placeholders
            yield from self._gets(
                get, [Call(get, fill(get.path, {slot: k}), params, {slot: k}) for k in keys]
            )
            return
        for listing in step.others:
            for chunk in chunks:
                ids = ",".join(str(key) for key in chunk)
                params = tuple(
                    (name, ids if name == step.param else value)
                    for name, value in step.calls[0].params
                    if name != "include_option_labels" or listing.labels
                )
                call = Call(listing, listing.path, params, held_values(self.table, listing))
                yield from self._pages(listing, call)

    # ---- children of walked parents

    def _children(self, step: Children) -> Iterator[Batch]:
        yield from self._of_parents(step.listing, self._child_calls(step), walked=True)

    def _of_parents(self, listing: Listing, calls: Iterable[Call], walked: bool = False) -> Iterator[Batch]:
        """The rows of parents. One that is gone or refuses is passed over when another answers.

        When none answers: a parent that the query named may be gone, but of those that were just listed
        (*walked*) not all can be, and a refusal by every one is that of the account.
        """
        missing: ApiError | None = None
        refused: ApiError | None = None
        answered = False
        # A batch leaves out the parents that it does not find, so its refusal is not about one of them
        batched = any(f.required and f.shape == "in" for f in listing.filters)
        for call, answer in self._parallel(listing, calls):
            passed = isinstance(answer, ApiError) and not (batched or self._is_whole(answer))
            if isinstance(answer, NotFoundError) and passed:
                missing = missing or answer
            elif isinstance(answer, AccessError) and passed:
                refused = refused or answer
            elif isinstance(answer, PipedriveError):
                raise explained(answer, self.table)
            else:
                answered = True
                yield from self._pages(listing, call, [answer])
        if walked:
            refused = refused or missing
        if refused is not None and not answered:
            raise explained(refused, self.table)

    def _is_whole(self, error: ApiError) -> bool:
        """Whether a refusal is that of the table, whichever record it was asked about."""
        return is_final(error) or is_gone(error) or (self.table.removed and error.status == 410)

    def _child_calls(self, step: Children) -> Iterator[Call]:
        ids = self._parent_ids(step)
        while True:
            chunk = list(itertools.islice(ids, step.chunk))
            if not chunk:
                return
            if step.param:
                params = ((step.param, ",".join(str(i) for i in chunk)), *step.params)
                # A single one is not in the record; records of a batch name theirs
                echo = step.echo if step.chunk > 1 else {**step.echo, step.column: chunk[0]}
                yield Call(step.listing, step.listing.path, params, echo)
            else:
                path = fill(step.listing.path, {step.column: chunk[0]})
                yield Call(step.listing, path, step.params, {**step.echo, step.column: chunk[0]})

    def _parent_ids(self, step: Children) -> Iterator[Any]:
        seen: set[Any] = set()
        for records, _ in _Scan(step.walk, self.work, Extension()).batches():
            for record in records:
                key = dig(record, step.parent_key)
                if not isinstance(key, (int, str)):
                    raise ProtocolError(
                        f"a record of {step.walk.table.name} has no key",
                        detail=f"So its {self.table.name} cannot be asked for.",
                        hint="Try again.",
                    )
                if key not in seen:
                    seen.add(key)
                    yield key


def _column(table: Table, name: str) -> Column:
    """A column that the catalogue's validation has seen."""
    found = table.column(name)
    if found is None:
        raise CatalogError(f"{table.name} has no column {name}")
    return found


def _singles(batches: Iterable[Batch]) -> Iterator[Pair]:
    for records, echo in batches:
        for record in records:
            yield record, echo
