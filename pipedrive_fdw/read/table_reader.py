"""Reads the rows of one foreign table: the scans of a query, and one row by its key."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar

from pipedrive_fdw.errors import PipedriveError
from pipedrive_fdw.options import Options, with_session
from pipedrive_fdw.plan.paths import ScanPlan
from pipedrive_fdw.plan.predicates import Predicates
from pipedrive_fdw.plan.scan import plan_scan
from pipedrive_fdw.postgres.settings import setting
from pipedrive_fdw.read.executor import scan_rows
from pipedrive_fdw.read.extended_columns import Extension
from pipedrive_fdw.read.field_lookups import FieldLookups, lookups_for_rows
from pipedrive_fdw.read.ledger import Use
from pipedrive_fdw.read.scan_planner import ScanPlanner
from pipedrive_fdw.session.account_sessions import session_for
from pipedrive_fdw.session.request_scope import LoopRequests, RequestScope
from pipedrive_fdw.session.sent_request import noted
from pipedrive_fdw.session.session import Guards
from pipedrive_fdw.table.binding import has_values
from pipedrive_fdw.table.bound_table import BoundTable
from pipedrive_fdw.table.records import Row
from pipedrive_fdw.table.row_maker import Note, RowMaker
from pipedrive_fdw.table.scan_request import ScanRequest
from pipedrive_fdw.table.sizes import rows_name
from pipedrive_fdw.table.statement_tables import STATEMENT_TABLES

# Sets of columns for which the functions that make rows are kept.
_ROW_MAKERS = 16
S = TypeVar("S", bound=RequestScope)


class Loop:
    """The look-ups of a nested loop that will be read to its end, as far ahead as they are known."""

    def __init__(self, requests: LoopRequests) -> None:
        self.requests = requests
        self._coming: deque[tuple[ScanRequest, ScanPlan]] = deque()

    @property
    def width(self) -> int:
        """How many look-ups are wanted to be known ahead of the one whose turn it is."""
        return self.requests.most_at_once() - 1

    @property
    def is_expecting(self) -> bool:
        """True if the look-up whose turn has come is expected."""
        return bool(self._coming)

    def expect(self, request: ScanRequest, plan: ScanPlan) -> None:
        self._coming.append((request, plan))

    def plan(self, request: ScanRequest) -> ScanPlan | None:
        """The plan of a look-up whose turn has come, None where it was not expected."""
        while self._coming:
            expected, plan = self._coming.popleft()
            if expected == request:
                return plan
        return None


# By the number that the C part gives the scan that looks up
LOOPS: dict[int, Loop] = {}


def end_loop(scan: int) -> None:
    """Ends the requests that were made ahead for look-ups of *scan*."""
    loop = LOOPS.pop(scan, None)
    if loop is not None:
        loop.requests.end()


class TableReader:
    """Serves several scans at once: what belongs to one scan stays in its generator."""

    def __init__(self, bound: BoundTable, planner: ScanPlanner) -> None:
        self._bound = bound
        self._planner = planner
        self._maker_of = lru_cache(_ROW_MAKERS)(self._make_maker)

    def usage(self) -> Sequence[Row]:
        """The one row of a table that is known here, without a request."""
        bound = self._bound
        return bound.maker.rows([session_for(bound.options).usage()], {})

    def scan(
        self,
        request: ScanRequest,
        use: Use,
        more_columns: frozenset[str] = frozenset(),
        note: Note | None = None,
        loop: Loop | None = None,
    ) -> Generator[Sequence[Row], None, None]:
        """The rows of *request*, as ``scan_rows`` gives them; closing the generator ends its requests, which
        are counted in *use*.

        *more_columns* get values too. *note* is told of the columns in which a row shows NULL although
        Pipedrive has a value. The *loop* is that whose look-up it is.
        """
        bound = self._bound
        known = None if loop is None else loop.plan(request)
        plan = known or self._planner.plan(request)
        if not plan.steps:
            return
        options = with_session(bound.options, setting)
        requests: RequestScope
        if loop is not None and known is not None:
            requests = loop.requests
        else:
            plan, requests = self._begun(plan, request, options)
        maker = self._rows_maker(request, more_columns, note, options)
        count, before = 0, requests.spent.tokens
        use.begin(requests.spent, shared=known is not None)
        try:
            for rows in self._rows(plan, request, maker, requests=requests, options=options):
                count += len(rows)
                yield rows
            if not request.conditions and request.limit is None:
                requests.sizes[rows_name(bound.table, options.archived)] = count
        finally:
            bound.counts.put(requests.sizes)
            if plan.pushed:
                tokens = requests.spent.tokens - before
                requests.session.key_batches.looked_up(bound.table.name, tokens)

    def loop(self, scan: int, request: ScanRequest, coming: Sequence[ScanRequest]) -> Loop | None:
        """The loop whose look-up in *scan* is *request* now, with those that are *coming* next: what they
        surely ask for is begun. None where that is not known.

        The first look-up is made alone, so that one that is refused is paid for once.
        """
        loop = LOOPS.get(scan)
        if loop is not None:
            with contextlib.suppress(PipedriveError):  # which the look-up meets when its turn has come
                for one in coming if loop.is_expecting else (request, *coming):
                    self._expect(loop, one)
            return loop
        plan = self._planner.plan(request)
        if self._planner.first_call(plan, request) is None:
            return None
        options = with_session(self._bound.options, setting)
        advice = self._planner.advice(request, plan)
        loop = LOOPS[scan] = Loop(
            self._scope_of(LoopRequests, options, advice=advice, expected=plan.tokens, ages=_ages(options))
        )
        loop.expect(request, plan)
        return loop

    def _expect(self, loop: Loop, request: ScanRequest) -> None:
        plan = self._planner.plan(request)
        call = self._planner.first_call(plan, request)
        if call is not None:
            loop.requests.begin(call)
            loop.expect(request, plan)

    def _begun(self, plan: ScanPlan, request: ScanRequest, options: Options) -> tuple[ScanPlan, RequestScope]:
        """The plan that runs, and its requests. Rows to be changed are read afresh, by the plan as it is."""
        ages = (0, 0) if request.target else _ages(options)
        requests = self._requests(options, self._planner.advice(request, plan), plan.tokens, ages)
        if plan.pushed and not plan.extended and not request.target:
            plan = self._planner.plan_of_all_rows(plan, request, requests.session.key_batches)
        return plan, requests

    def _rows(
        self,
        plan: ScanPlan,
        request: ScanRequest,
        maker: RowMaker,
        *,
        requests: RequestScope,
        options: Options,
    ) -> Iterator[Sequence[Row]]:
        """The rows of *plan*, with what they show beyond their records."""
        bound = self._bound
        extension = Extension(plan.extended, 0 if request.target else options.extended_cache_ttl)
        look = None
        if not request.only_counts:
            look = lookups_for_rows(bound.binding, bound.filled(request), requests=requests, options=options)
        shows = STATEMENT_TABLES.offered(bound.account)
        return scan_rows(
            plan,
            maker,
            requests,
            extension=extension,
            look=look,
            shows=shows,
            reads=request.reads,
        )

    def _rows_maker(
        self, request: ScanRequest, more_columns: frozenset[str], note: Note | None, options: Options
    ) -> RowMaker:
        """The maker of a scan's rows."""
        names = self._bound.binding.names
        named = names if request.whole else request.columns
        forgiven = names if options.odd_values == "null" else names - named
        return self._maker_of(self._bound.filled(request) | more_columns).forgiving(forgiven, note)

    def _make_maker(self, filled: frozenset[str]) -> RowMaker:
        return RowMaker(self._bound.binding, filled)

    def find(self, keys: Mapping[str, Any]) -> Row | None:
        """The row with these canonical values of its key columns, read afresh; None when it is gone."""
        bound = self._bound
        equal = {name: (value,) for name, value in keys.items()}
        plan = plan_scan(bound.table, Predicates(equal=equal), frozenset(), settings=bound.settings())
        wanted = has_values(bound.binding, equal)
        extension = Extension(plan.extended, 0)
        requests = self.begin_requests()
        found = scan_rows(plan, bound.maker, requests, extension=extension, look=self.lookups(requests))
        for row in chain.from_iterable(found):
            if wanted(row):
                return row
        return None

    def lookups(self, requests: RequestScope) -> FieldLookups:
        """Labels of options, for values to be written and for the rows that a write returns."""
        return FieldLookups(requests, self._bound.table.custom_fields, self._bound.options)

    def begin_requests(self) -> RequestScope:
        """The requests of one write, under the guards of the session's settings."""
        return self._requests(with_session(self._bound.options, setting))

    def _requests(
        self, options: Options, advice: str = "", expected: int = 0, ages: tuple[float, float] = (0, 0)
    ) -> RequestScope:
        return self._scope_of(RequestScope, options, advice=advice, expected=expected, ages=ages)

    def _scope_of(
        self, kind: type[S], options: Options, *, advice: str, expected: int, ages: tuple[float, float]
    ) -> S:
        guards = Guards(
            most=options.max_tokens_per_query,
            reserve=options.reserve_tokens,
            advice=advice,
            expected=expected,
        )
        return kind(session_for(options), guards, *ages, noted(options, self._bound.table.name))


def _ages(options: Options) -> tuple[float, float]:
    """How old an answer may be that other sessions share, in seconds, and while one of them asks anew."""
    return options.cache_ttl, options.cache_stale
