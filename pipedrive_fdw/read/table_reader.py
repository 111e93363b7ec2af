"""Reads the rows of one foreign table: the scans of a query, and one row by its key."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from functools import lru_cache
from typing import Any

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
from pipedrive_fdw.session.guards import Guards
from pipedrive_fdw.session.request_scope import RequestScope, noted
from pipedrive_fdw.table.binding import has_values
from pipedrive_fdw.table.bound_table import BoundTable
from pipedrive_fdw.table.records import Row
from pipedrive_fdw.table.row_maker import Note, RowMaker
from pipedrive_fdw.table.scan_request import ScanRequest
from pipedrive_fdw.table.sizes import rows_name
from pipedrive_fdw.table.statement_tables import STATEMENT_TABLES

# Sets of columns for which the functions that make rows are kept.
_ROW_MAKERS = 16


class TableReader:
    """Serves several scans at once: what belongs to one scan stays in its generator."""

    def __init__(self, bound: BoundTable, planner: ScanPlanner) -> None:
        self._bound = bound
        self._planner = planner
        self._maker_of = lru_cache(_ROW_MAKERS)(self._make_maker)

    def usage(self, use: Use) -> list[Row]:
        """The one row of a table that is known here, without a request."""
        use.rows += 1
        bound = self._bound
        return list(bound.maker.rows([session_for(bound.options).usage()], {}))

    def scan(
        self,
        request: ScanRequest,
        use: Use,
        more_columns: frozenset[str] = frozenset(),
        note: Note | None = None,
    ) -> Generator[Row, None, None]:
        """The rows of *request*, counted in *use*; closing the generator ends its requests.

        *more_columns* get values too. *note* is told of the columns in which a row shows NULL although
        Pipedrive has a value.
        """
        bound = self._bound
        plan = self._planner.plan(request)
        if not plan.steps:
            return
        options = with_session(bound.options, setting)
        plan, requests = self._begun(plan, request, options)
        maker = self._rows_maker(request, more_columns, note, options)
        count = 0
        use.begin(requests.spent)
        try:
            for row in self._rows(plan, request, maker, requests=requests, options=options):
                count += 1
                use.rows += 1
                yield row
            if not request.conditions and request.limit is None:
                requests.sizes[rows_name(bound.table, options.archived)] = count
        finally:
            bound.counts.put(requests.sizes)
            if plan.pushed:
                requests.session.key_batches.looked_up(bound.table.name, requests.spent.tokens)

    def _begun(self, plan: ScanPlan, request: ScanRequest, options: Options) -> tuple[ScanPlan, RequestScope]:
        """The plan that runs, and its requests. Rows to be changed are read afresh, by the plan as it is."""
        ages = (0, 0) if request.target else (options.cache_ttl, options.cache_stale)
        requests = self._requests(options, self._planner.advice(request, plan), plan.tokens, ages)
        if plan.pushed and not plan.extended and not request.target:
            plan = self._planner.plan_of_all_rows(plan, request, requests.session.key_batches)
        return plan, requests

    def _rows(
        self, plan: ScanPlan, request: ScanRequest, maker: RowMaker, requests: RequestScope, options: Options
    ) -> Iterator[Row]:
        """The rows of *plan*, with what they show beyond their records."""
        bound = self._bound
        extension = Extension(plan.extended, 0 if request.target else options.extended_cache_ttl)
        look = None
        if not request.only_counts:
            look = lookups_for_rows(bound.binding, bound.filled(request), requests=requests, options=options)
        shows = STATEMENT_TABLES.offered(bound.account)
        return scan_rows(
            plan, maker, requests, extension=extension, look=look, shows=shows, reads=request.reads
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
        for row in scan_rows(plan, bound.maker, requests, extension=extension, look=self.lookups(requests)):
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
        guards = Guards(
            most=options.max_tokens_per_query,
            reserve=options.reserve_tokens,
            advice=advice,
            expected=expected,
        )
        return RequestScope(session_for(options), guards, *ages, noted(options, self._bound.table.name))
