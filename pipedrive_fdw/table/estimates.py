"""Estimates for PostgreSQL's planner: rows, their cost, and which sort order a scan can give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipedrive_fdw.plan.conditions import Condition
from pipedrive_fdw.table.bound_table import BoundTable
from pipedrive_fdw.table.scan_request import ScanRequest
from pipedrive_fdw.table.sizes import Sizes
from pipedrive_fdw.table.statement_tables import STATEMENT_TABLES

_WIDTHS = {"jsonb": 120, "text": 40, "uuid": 36, "text[]": 60, "bigint[]": 24}
# What a request costs at least, in the planner's unit.
STARTUP_COST = 20


class Estimate(NamedTuple):
    """The *rows* expected, the bytes of a row, what all rows cost, and how many leading sort keys of the
    query the API sorts by."""

    rows: int
    width: int
    cost: float
    ordered: int = 0


class Estimates:
    """The estimates of one foreign table; *sizes* are those of its account."""

    def __init__(self, bound: BoundTable, sizes: Sizes) -> None:
        self._bound = bound
        self._sizes = sizes

    def of_scan(self, request: ScanRequest) -> Estimate:
        """The estimate of a scan by the conditions of *request* alone."""
        predicates = self._bound.predicates(request)
        self.note(request)
        bound, settings = self._bound, self._bound.settings()
        rows = self._sizes.expected(predicates, settings, bound.compared(request))
        keys, few = bound.sort_keys(request.order), not request.all
        ordered = bound.sorting.claimed(keys, predicates, settings, request.limit, few)
        width = self._width(request)
        tokens = self._sizes.walk_tokens(predicates, settings)
        return Estimate(rows, width, max(STARTUP_COST, rows * width, tokens), ordered)

    def of_look_up(self, request: ScanRequest, joins: Sequence[Condition]) -> Estimate | None:
        """The same for a look-up by the values that the join conditions *joins* give; None where they give
        no key."""
        bound = self._bound
        if bound.table.local:
            return None
        given = frozenset(bound.predicates(request._replace(conditions=tuple(joins))).equal)
        # What the query itself names goes along with each look-up.
        equal = bound.predicates(request).equal.keys()
        named = given.union(equal) if bound.table.selecting else given
        if bound.compared(request) & bound.table.only_selecting - given - equal:
            return None  # it would have no value to be compared with that of another relation
        shown = frozenset(b.column.name for b in bound.binding.columns)
        keys = self._sizes.look_ups(shown, bound.settings())
        found = [rows for columns, rows in keys if named.issuperset(columns) and given.intersection(columns)]
        if not found:
            return None
        rows, width = min(found), self._width(request)
        return Estimate(max(round(rows), 1), width, max(STARTUP_COST, rows * width))

    def note(self, request: ScanRequest) -> None:
        """Makes *request* known to the statement's other scans, which then send the same requests where they
        can."""
        bound = self._bound
        if not bound.table.local:
            STATEMENT_TABLES.note(bound.account, bound.table, bound.settings_for(request))

    def begin(self, request: ScanRequest) -> None:
        """The same when the scan of *request* begins, with the number of rows that it uses."""
        bound, most = self._bound, request.limit or request.wanted
        self.note(request)
        if not bound.table.local:
            STATEMENT_TABLES.begin(bound.account, bound.table, bound.settings_for(request), most)

    def _width(self, request: ScanRequest) -> int:
        filled = self._bound.filled(request)
        columns = self._bound.binding.columns
        return sum(_WIDTHS.get(b.codec.name, 8) for b in columns if b.name in filled) or 8
