"""Estimates for PostgreSQL's planner: rows, bytes of a row, and which sort order a scan can give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipedrive_fdw.plan.conditions import Condition
from pipedrive_fdw.table.bound_table import BoundTable
from pipedrive_fdw.table.scan_request import ScanRequest
from pipedrive_fdw.table.sizes import Sizes
from pipedrive_fdw.table.statement_tables import STATEMENT_TABLES

_WIDTHS = {"jsonb": 120, "text": 40, "uuid": 36, "text[]": 60, "bigint[]": 24}


class Estimates:
    """The estimates of one foreign table; *sizes* are those of its account."""

    def __init__(self, bound: BoundTable, sizes: Sizes) -> None:
        self._bound = bound
        self._sizes = sizes

    def of_scan(self, request: ScanRequest) -> tuple[int, int, int]:
        """(rows expected, bytes of a row, number of leading sort keys of *request* that the API sorts by)."""
        predicates = self._bound.predicates(request)
        self.note(request)
        bound, settings = self._bound, self._bound.settings()
        rows = self._sizes.expected(predicates, settings, bound.compared(request))
        keys, few = bound.sort_keys(request.order), not request.all
        ordered = bound.sorting.claimed(keys, predicates, settings, request.limit, few)
        return rows, self._width(request), ordered

    def of_look_up(self, request: ScanRequest, joins: Sequence[Condition]) -> tuple[int, int, int] | None:
        """The same for a look-up by the values that the join conditions *joins* give; None where they give
        no key."""
        bound = self._bound
        if bound.table.local:
            return None
        given = frozenset(bound.predicates(replace(request, conditions=tuple(joins))).equal)
        # What the query itself names goes along with each look-up.
        equal = bound.predicates(request).equal.keys()
        named = given.union(equal) if bound.table.selecting else given
        if bound.compared(request) & bound.table.only_selecting - given - equal:
            return None  # it would have no value to be compared with that of another relation
        shown = frozenset(b.column.name for b in bound.binding.columns)
        keys = self._sizes.look_ups(shown, bound.settings())
        rows = [rows for columns, rows in keys if named.issuperset(columns) and given.intersection(columns)]
        return (min(rows), self._width(request), 0) if rows else None

    def note(self, request: ScanRequest) -> None:
        """Makes *request* known to the statement's other scans, which then send the same requests where they
        can."""
        bound = self._bound
        if not bound.table.local:
            STATEMENT_TABLES.note(bound.account, bound.table, bound.settings_for(request))

    def _width(self, request: ScanRequest) -> int:
        filled = self._bound.filled(request)
        columns = self._bound.binding.columns
        return sum(_WIDTHS.get(b.codec.name, 8) for b in columns if b.name in filled) or 8
