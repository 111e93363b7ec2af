"""Numbers of rows: of a table, of a scan with conditions, of a look-up by a key.

PostgreSQL compares paths by their costs and knows no tokens. So a look-up counts as the rows that a scan
gives for the same tokens, also where that is less than one. Then the path that is cheapest for PostgreSQL
is cheapest for the account.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.errors import PlanError
from pipedrive_fdw.plan.calls import Settings, list_size
from pipedrive_fdw.plan.paths import Gets, KeyBatch, Lists, ScanPlan
from pipedrive_fdw.plan.predicates import SHARE, Predicates
from pipedrive_fdw.plan.scan import plan_scan
from pipedrive_fdw.table.statement_tables import STATEMENT_TABLES

_NO_COLUMNS: frozenset[str] = frozenset(("",))
# A value of each type by which a join can look rows up, to price the look-up.
_SAMPLES: Mapping[str, Any] = {
    "bigint": 1,
    "text": "x",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "date": dt.date(2026, 1, 1),
    "timestamptz": dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc),
}
# As how many rows at least, and as how many times its rows, a scan counts that will be refused, so that a
# join gives what the query must name.
_REFUSED, _REFUSED_TIMES = 1_000_000, 1_000
# The part of the rows that a condition of which nothing is known is guessed to keep.
_UNKNOWN_SHARE = 0.1


def rows_name(table: Table, archived: str) -> str:
    """The name under which the number of rows of *table* is kept, by the option *archived*."""
    return table.name if archived == "include" else f"{table.name} {archived}"


def keys_of(table: Table) -> list[tuple[str, ...]]:
    """The sets of columns by which a request can look rows up, the best first."""
    get = table.get
    found: list[tuple[str, ...]] = [get.placeholders] if get is not None and get.lookup else []
    for listing in table.listings:
        if table.selecting:
            guarded = table.parent is not None and table.parent.guarded
            needed = (*(listing.placeholders if guarded else ()), *table.selecting)
            others = (*listing.placeholders, *(f.column for f in listing.filters))
            found += [needed, *((*needed, name) for name in others if name not in needed)]
            continue
        found += [(name,) for name in listing.placeholders]
        for filt in listing.filters:
            known = filt.shape in ("eq", "in") and not filt.alone and not filt.values
            if known or filt.column in table.only_selecting:
                found.append((filt.column,))
    return list(dict.fromkeys(found))


def key_batches_of(plan: ScanPlan) -> list[KeyBatch]:
    """The batches that the look-ups of *plan* can be part of."""
    steps = (step.batch for step in plan.steps if isinstance(step, (Gets, Lists)))
    return [batch for batch in steps if batch is not None]


class Sizes:
    """The sizes of one table of an account, as far as they are known without a request."""

    def __init__(self, table: Table, account: str) -> None:
        self.table = table
        self._account = account

    def rows(self, settings: Settings) -> int:
        """The rows of the table: the option rows, else the count of an earlier scan, else a guess."""
        if settings.rows is not None:
            return settings.rows
        return settings.sizes.get(rows_name(self.table, settings.archived), self.table.rows)

    def expected(
        self, predicates: Predicates, settings: Settings, compared: frozenset[str] = frozenset()
    ) -> int:
        """The rows that *predicates* are guessed to keep, in a query that compares the columns *compared*."""
        return max(int(self._kept(predicates, settings, compared)), 1)

    def _kept(
        self, predicates: Predicates, settings: Settings, compared: frozenset[str] = frozenset()
    ) -> float:
        """The same, also less than one."""
        if predicates.impossible:
            return 0
        parent = self.table.parent
        needed = self.table.only_selecting.intersection(compared).union(self.table.selecting)
        if parent is not None and parent.guarded:
            needed = needed.union((parent.column,))
        rows = float(self.rows(settings))
        if not predicates.equal.keys() >= needed:
            return max(_REFUSED, rows * _REFUSED_TIMES)
        if self.table.key and set(self.table.key) <= set(predicates.equal):
            return min(rows, math.prod(len(predicates.equal[key]) for key in self.table.key))
        for column, values in predicates.equal.items():
            rows *= min(1.0, self._share(column, settings) * len(values))
        for _ in predicates.ranges:
            rows *= SHARE
        return rows

    def walk_tokens(self, predicates: Predicates, settings: Settings) -> int:
        """The tokens that rows of *predicates* cost where they are read for all their parents, else 0."""
        parent = self.table.parent
        if parent is None or parent.column in predicates.equal:
            return 0
        with contextlib.suppress(PlanError):  # of a scan that will be refused
            return plan_scan(self.table, predicates, _NO_COLUMNS, settings=settings).tokens
        return 0

    def _share(self, column: str, settings: Settings) -> float:
        """An estimate of the part of the rows that have one value of *column*."""
        parent = self.table.parent
        if parent is not None and parent.column == column:
            walked = settings.tables[parent.table]
            return 1 / max(
                sum(list_size(walked, li, replace(settings, rows=None)) for li in walked.listings), 1
            )
        shares = [f.share for li in self.table.listings for f in li.filters if f.column == column]
        return min(shares) if shares else _UNKNOWN_SHARE

    def look_ups(self, shown: frozenset[str], settings: Settings) -> list[tuple[tuple[str, ...], float]]:
        """The sets of columns *shown* by which a join can look rows up, each with its estimate of rows, which
        may be less than one."""
        parent, selected = self.table.parent, {n: _SAMPLES[self._type(n)] for n in self.table.selecting}
        look_ups_alone = bool(selected) if parent is None else parent.guarded
        whole = math.inf if look_ups_alone else max(self._plan(selected, settings).tokens, 1)
        row_price = 1.0 if look_ups_alone else self.rows(settings) / whole
        found: list[tuple[tuple[str, ...], float]] = []
        for columns in keys_of(self.table):
            samples = {name: _SAMPLES.get(self._type(name)) for name in columns}
            if not shown.issuperset(columns) or None in samples.values():
                continue
            plan = self._plan(samples, settings)
            if not all(any(text.startswith(f"{name} ") for text in plan.pushed) for name in columns):
                continue
            price = self._price(plan)
            if 2 * price >= whole and not self.table.only_selecting.intersection(columns):
                continue
            one = Predicates(equal={name: (value,) for name, value in samples.items()})
            found.append((columns, max(self._kept(one, settings), price * row_price)))
        return found

    def _price(self, plan: ScanPlan) -> float:
        """The tokens of one look-up of a join, or its part of a batch."""
        for batch in key_batches_of(plan):
            STATEMENT_TABLES.offer(self._account, batch.target)
            if STATEMENT_TABLES.supplies(self._account, batch.target, self.table):
                # Some are made one by one first, and not every batch is full: twice the best is counted on
                return plan.tokens / 2 if batch.after else 2 * plan.tokens / batch.most
        return plan.tokens

    def _type(self, name: str) -> str:
        column = self.table.column(name)
        return column.type if column else ""

    def _plan(self, samples: Mapping[str, Any], settings: Settings) -> ScanPlan:
        equal = {name: (value,) for name, value in samples.items()}
        texts = tuple((name, "=", f"{name} = …") for name in equal)
        return plan_scan(self.table, Predicates(equal=equal, texts=texts), _NO_COLUMNS, settings=settings)
