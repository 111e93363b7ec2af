"""From a scan request to the plan that runs, and to its lines in EXPLAIN."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pipedrive_fdw.errors import PlanError, sentences
from pipedrive_fdw.options import with_session
from pipedrive_fdw.plan.calls import is_known
from pipedrive_fdw.plan.conditions import RuntimeValue
from pipedrive_fdw.plan.explain import explain_actual, explain_plan
from pipedrive_fdw.plan.paths import Call, Children, Gets, Lists, ScanPlan
from pipedrive_fdw.plan.predicates import Predicates
from pipedrive_fdw.plan.scan import plan_scan
from pipedrive_fdw.plan.sendable import check_compared
from pipedrive_fdw.postgres.settings import setting
from pipedrive_fdw.read.extra_requests import related_fields, row_requests, sent_part
from pipedrive_fdw.read.field_lookups import labels_note
from pipedrive_fdw.read.ledger import LEDGER
from pipedrive_fdw.session.key_batches import KeyBatches
from pipedrive_fdw.table.bound_table import BoundTable
from pipedrive_fdw.table.scan_request import ScanRequest
from pipedrive_fdw.table.sizes import Sizes, key_batches_of
from pipedrive_fdw.table.statement_tables import STATEMENT_TABLES

# How many remembered pages a look-up may be answered from: reading them again takes time.
_FEW_PAGES = 4


class ScanPlanner:
    """Plans the scans of one foreign table; *sizes* are those of its account."""

    def __init__(self, bound: BoundTable, sizes: Sizes) -> None:
        self._bound = bound
        self._sizes = sizes

    def plan(self, request: ScanRequest) -> ScanPlan:
        """The plan of *request*. Raises PlanError where the table cannot be read so."""
        bound = self._bound
        predicates = bound.predicates(request)
        check_compared(bound.table, bound.compared(request), predicates)
        order = bound.sorting.orders(bound.sort_keys(request.order), predicates)
        settings = replace(
            bound.settings_for(request),
            shared=STATEMENT_TABLES.shared(bound.account),
            uneven=STATEMENT_TABLES.uneven(bound.account),
        )
        shown = bound.shown(request) if not request.only_counts else frozenset(("",))
        plan = plan_scan(
            bound.table,
            predicates,
            columns=shown,
            order=order,
            limit=request.limit,
            settings=settings,
            wanted=request.wanted,
        )
        return self._completed(plan, request, predicates)

    def _completed(self, plan: ScanPlan, request: ScanRequest, predicates: Predicates) -> ScanPlan:
        """*plan* with the requests for what its rows show beyond their records."""
        bound = self._bound
        if not plan.extended and not bound.options.expand_related:
            return plan
        options = with_session(bound.options, setting)
        suppressed = options.suppress_extended_requests and not request.target
        extended = () if suppressed else plan.extended
        fields = related_fields(bound.binding, bound.filled(request), options)
        plan = plan._replace(extended=extended)
        if not extended and not fields:
            return plan
        rows = self._sizes.expected(sent_part(plan, predicates), bound.settings())
        if plan.limit is not None:
            rows = min(rows, plan.limit)
        return plan._replace(
            row_requests=tuple(row_requests(plan, fields=fields, rows=rows, sizes=bound.counts.known()))
        )

    def plan_of_all_rows(self, plan: ScanPlan, request: ScanRequest, batches: KeyBatches) -> ScanPlan:
        """*plan*, or the plan of the whole table once the statement's look-ups in it have cost as much.

        The whole table is read once and remembered, so that every further look-up is free. *batches* knows
        what look-ups have cost.
        """
        spent = batches.looked_up(self._bound.table.name)
        whole = self._small_table(request) if spent else None
        return whole if whole is not None and spent >= whole.tokens else plan

    def _small_table(self, request: ScanRequest) -> ScanPlan | None:
        """The plan of the whole table, where it has few pages and may be read instead of looking *request*
        up."""
        bound = self._bound
        named = {bound.names.get(c.column) for c in request.conditions}
        selects = any(column.echo and column.name in named for column in bound.table.columns)
        if bound.table.parent is not None or selects or not is_known(bound.table, bound.settings()):
            return None
        whole = self.plan(request.unconditional())
        return whole if whole.requests <= _FEW_PAGES else None

    def first_call(self, plan: ScanPlan, request: ScanRequest) -> Call | None:
        """The request with which a look-up of *request* by *plan* begins. None where that is not known
        beforehand: further keys may go with it, or the whole table may be read instead."""
        if len(plan.steps) != 1 or plan.order or plan.extended or request.target:
            return None
        (step,) = plan.steps
        if not isinstance(step, (Gets, Lists)) or step.batch is not None or len(step.calls) != 1:
            return None
        turned = isinstance(step, Lists) and (step.both_ends or bool(step.opposite))
        return None if turned or self._small_table(request) is not None else step.calls[0]

    def explain(self, request: ScanRequest, number: int, rows: int, verbose: bool) -> Iterator[str]:
        """The lines of EXPLAIN; under ANALYZE, after the scan *number* gave *rows*, also what it used.

        A plan that a scan would refuse is no error: auto_explain shows plans of statements that read nothing.
        """
        bound = self._bound
        if bound.table.local:
            yield "No request: known here"
            return
        try:
            plan = self.plan(request)
        except PlanError as error:
            yield f"Refused: {sentences(error.message, error.detail, error.hint)}"
            return
        yield from explain_plan(plan, verbose, self._unsorted(plan, request))
        yield from labels_note(plan, bound.binding, bound.filled(request), bound.options)
        if self._prefetches(plan):
            yield "The next keys of the statement are looked up with it if that costs less"
        use = LEDGER.find(number)
        if use is not None:
            yield from explain_actual(use.spent, rows)

    def _unsorted(self, plan: ScanPlan, request: ScanRequest) -> str:
        """Why PostgreSQL sorts the rows of *plan*, '' where it does not."""
        if request.unsorted is None:
            return ""
        bound, predicates = self._bound, self._bound.predicates(request)
        (order,) = bound.sorting.orders(bound.sort_keys([request.unsorted]), predicates)
        refusal = bound.sorting.refusal(order, plan.order, predicates, bound.settings())
        return refusal or f"{order.column} may be NULL"

    def _prefetches(self, plan: ScanPlan) -> bool:
        """True if a look-up of *plan* by a value of another table fetches the next keys along with it."""
        late = (batch for batch in key_batches_of(plan) if isinstance(batch.value, RuntimeValue))
        bound = self._bound
        return any(STATEMENT_TABLES.supplies(bound.account, batch.target, bound.table) for batch in late)

    def advice(self, request: ScanRequest, plan: ScanPlan) -> str:
        """The hint of a guard's error: the columns by which the API would be asked for less, and the option,
        '' for none."""
        bound = self._bound
        table = bound.table
        used = {bound.names.get(c.column) for c in request.conditions}
        names = {f.column for li in table.listings for f in li.filters if not f.alone}
        names.update(*(li.placeholders for li in table.listings))
        if table.get is not None and table.get.lookup:
            names.update(table.get.placeholders)
        shown = [b.name for b in bound.binding.columns if b.column.name in names - used]
        savings = [f"The option {s.saving}. " for s in plan.steps if isinstance(s, Children) and s.saving]
        condition = [f"Add a condition on {', '.join(shown)} to the WHERE. "] if shown else []
        return "".join((*condition, *savings))
