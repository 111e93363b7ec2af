"""The planner: predicates and a table's declaration → the cheapest plan that gives every row needed.

Pure. All legal ways are costed (tokens, then requests); a filter is sent only when it surely keeps every
row that the predicates keep. A single value is always sent when the listing takes it, since it can only
make the answer smaller; a list of values for a single-valued filter becomes one call for each value where
that costs fewer tokens than reading on.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pipedrive_fdw.catalog.model import CURSOR, NONE, OFFSET, Column, Filter, Listing, Parent, Table
from pipedrive_fdw.errors import PlanError
from pipedrive_fdw.plan.calls import (
    Settings,
    counted_columns,
    fill,
    filter_text,
    held_values,
    is_known,
    list_size,
    nulls_settled,
    parents_name,
    place,
    record_params,
    sort_params,
)
from pipedrive_fdw.plan.conditions import RuntimeValue
from pipedrive_fdw.plan.lookups import LookupPaths, key_batch, parents_of_records
from pipedrive_fdw.plan.paths import (
    Call,
    Candidate,
    Children,
    KeyBatch,
    Lists,
    Order,
    ScanPlan,
    Step,
    Stop,
    Walk,
)
from pipedrive_fdw.plan.predicates import SHARE, Predicates, Range
from pipedrive_fdw.plan.sendable import (
    can_be_key,
    check_selected,
    combined,
    heeds,
    is_reference,
    keeps_all_rows,
    parent_slot,
    placeholder_filters,
    possible_keys,
    selects,
    shows_all,
    slices,
    time_bound,
    with_listed_ids,
    with_same_columns,
)
from pipedrive_fdw.plan.stops import stop_of

# Pages that the lists of a table must have together, and each of them alone, to be read from both ends.
_MANY_PAGES, _FEW_PAGES = 10, 3
# The smallest page of a filtered list. Should Pipedrive not filter as it says, there are not too many.
_LEAST_PAGE = 100
# How many single-valued calls one IN may become.
MAX_SPLIT = 100


def plan_scan(
    table: Table,
    predicates: Predicates,
    columns: frozenset[str],
    order: Sequence[Order] = (),
    limit: int | None = None,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    wanted: int | None = None,
) -> ScanPlan:
    """The plan for *table*: *columns* are those named (empty when only whole rows are wanted), *order* what
    PostgreSQL was promised, *limit* what it leaves to the scan. No more rows than *wanted* are used if
    PostgreSQL keeps each that has the values of *predicates*."""
    where: list[tuple[str, Any]] = []
    if settings.archived != "include" and table.column("is_archived"):
        archived = settings.archived == "only"
        where.append(("is_archived", archived))
        if not predicates.allows("is_archived", archived):
            predicates = Predicates(impossible=True, texts=predicates.texts)
    predicates = with_listed_ids(table, with_same_columns(table, predicates))
    predicates = possible_keys(table, predicates)
    if predicates.impossible:
        return ScanPlan(table, (), tuple(order), pushed=tuple(t for _, _, t in predicates.texts))
    builder = _Builder(table, predicates, tuple(order), limit, settings, dict(where), wanted)
    best = builder.best()
    extended = tuple(c.name for c in table.columns if c.extended and (not columns or c.name in columns))
    used = best.used | {c.name for c in table.columns if c.same_as in best.used}
    sent = {
        text: name in used and heeds(table, predicates, name, how) for name, how, text in predicates.texts
    }
    return ScanPlan(
        table,
        best.steps,
        tuple(order),
        best.ordered,
        tuple(where),
        tuple(text for text in sent if sent[text]),
        tuple(text for text in sent if not sent[text]),
        extended,
        limit,
    )


def _price(candidate: Candidate) -> tuple[int, int]:
    return candidate.tokens, candidate.requests


class _Builder:
    """Enumerates the candidates of one plan."""

    def __init__(
        self,
        table: Table,
        predicates: Predicates,
        order: tuple[Order, ...],
        limit: int | None,
        settings: Settings,
        where: Mapping[str, Any],
        wanted: int | None,
    ) -> None:
        self.table, self.predicates, self.settings = table, predicates, settings
        self.order, self.limit, self.wanted, self.where = order, limit, wanted, where
        self.listings = tuple(
            listing
            for listing in table.listings
            if all(predicates.allows(c, v) and where.get(c, v) == v for c, v in listing.holds.items())
        )

    def best(self) -> Candidate:
        """The cheapest way. Where the table's size is known, none that may cost more than its list.

        Raises PlanError if the table can be read only for parents or values that the query does not name.
        """
        lookups = LookupPaths(
            self.table, self.predicates, self.settings, self.listings, self._call
        ).candidates()
        if lookups and self.table.guarded:
            return min(lookups, key=_price)
        lists = self.lists()
        if is_known(self.table, self.settings):
            lookups = [c for c in lookups if c.tokens + c.risk <= lists.tokens]
        return min((*lookups, lists), key=_price)

    # ---- by list

    def lists(self) -> Candidate:
        steps: list[Step] = []
        used: set[str] = set()
        ordered = True
        for listing in self.listings:
            step, columns, in_order = self._list(listing)
            steps.append(step)
            used |= columns
            ordered = ordered and in_order
        for listing in self.table.listings:
            used |= {c for c in listing.holds if c in self.predicates.equal}
        return Candidate(tuple(steps), frozenset(used), ordered)

    def _list(self, listing: Listing) -> tuple[Step, set[str], bool]:
        fixed, splits, used = self._sendable(listing)
        check_selected(self.table, listing, self.predicates, {f.column for f in (*fixed, *splits)})
        parent = self.table.parent
        needs_parent = parent is not None and parent_slot(listing, parent.column) is not None
        forced = [f for f in splits if f.required or f.alone or selects(self.table, f)]
        if parent is not None and needs_parent and parent.column not in self.predicates.equal:
            children, of_parents = self._children(listing, fixed, forced)
            return children, used | of_parents | {f.column for f in forced}, False
        records = list_size(self.table, listing, self.settings)
        stop = stop_of(self.table, listing, self.predicates.ranges, self.order, records)
        best: tuple[int, int, list[Filter]] | None = None
        optional = [f for f in splits if f not in forced]
        for size in range(len(optional) + 1):
            for chosen in itertools.combinations(optional, size):
                parts = [*forced, *chosen]
                calls = math.prod(len(slices(f, self.predicates)) for f in parts)
                pages = max(calls, self._pages(listing, [*fixed, *parts], stop, bool(chosen)))
                if chosen and (
                    calls > MAX_SPLIT or 2 * calls > self._pages(listing, [*fixed, *forced], stop, False)
                ):
                    continue  # each call costs a page at least, and the values may be the frequent ones
                if best is None or (pages * listing.tokens, pages) < best[:2]:
                    best = (pages * listing.tokens, pages, parts)
        assert best is not None  # noqa: S101 - the empty combination is always there
        parts = best[2]
        used |= {f.column for f in parts}
        combos = combined(parts, self.predicates)
        order = (stop.order,) if stop is not None and not self.order else self.order
        whole = not fixed and not parts
        both_ends = whole and not order and best[1] >= _FEW_PAGES and self._is_long(listing)
        if both_ends:
            order = (Order("id"),)
        calls_made = tuple(self._call(listing, {**fixed, **combo}, order=order) for combo in combos)
        in_order = not self.order or sort_params(self.table, listing, self.order) is not None
        opposite: tuple[Call, ...] = ()
        if self.order and self.order[0].nulls == "first" and in_order:
            turned = (self.order[0]._replace(reverse=not self.order[0].reverse),)
            opposite = tuple(self._call(listing, {**fixed, **combo}, order=turned) for combo in combos)
        batch = self._parent_batch(listing, fixed) if needs_parent and not self.order else None
        counted = counted_columns(self.table, self.settings) if whole else ()
        pages = best[1] + len(opposite)
        settled = bool(opposite) and nulls_settled(self.table, listing, self.order[0].column, self.settings)
        step = Lists(
            listing,
            calls_made,
            pages,
            of_parents=needs_parent,
            batch=batch,
            stop=stop,
            whole=whole,
            opposite=opposite,
            settled=settled,
            counted=counted,
            both_ends=both_ends,
        )
        return step, used, in_order

    def _parent_batch(self, listing: Listing, fixed: Mapping[Filter, Any]) -> KeyBatch | None:
        """How the children of one parent take those of others along, which costs nothing more."""
        slots = [f for f, value in fixed.items() if f.required and f.shape == "in" and len(value) == 1]
        parent = self.table.parent
        if len(fixed) != 1 or not slots or parent is None:
            return None
        (value,) = fixed[slots[0]]
        own = (parent.table, parent.key)
        return key_batch(self.table, self._call(listing, {}), slots[0], value, own, 0, whole=True)

    def _sendable(self, listing: Listing) -> tuple[dict[Filter, Any], list[Filter], set[str]]:
        """Filters with one value to send, filters whose IN could be split, columns used."""
        fixed: dict[Filter, Any] = {}
        splits: list[Filter] = []
        for filt in (*placeholder_filters(listing), *listing.filters):
            value = time_bound(filt, self.predicates)
            if value is not None:
                fixed[filt] = value
                continue
            values = self.predicates.equal.get(filt.column)
            if values is None or filt.shape in ("since", "until"):
                continue
            if filt.values and not all(v in filt.values or isinstance(v, RuntimeValue) for v in values):
                continue
            if is_reference(self.table, filt.column) and not all(map(can_be_key, values)):
                continue  # such a number is refused, and may stand for "none"
            if filt.column in self.table.key and not filt.required and filt.shape == "in":
                continue  # the batch look-up weighs it
            if len(values) == 1 or (filt.shape == "in" and len(values) <= filt.most):
                fixed[filt] = values if filt.shape == "in" else values[0]
            else:
                splits.append(filt)
        if any(f.alone for f in (*fixed, *splits)):
            fixed = {f: v for f, v in fixed.items() if f.alone or f.required}
            splits = [f for f in splits if f.alone or f.required]
        return fixed, splits, {f.column for f in fixed}

    def _pages(self, listing: Listing, filters: Sequence[Filter], stop: Stop | None, split: bool) -> int:
        if listing.paging == NONE:
            return 1
        rows = float(list_size(self.table, listing, self.settings))
        for filt in filters:
            wanted = len(self.predicates.equal.get(filt.column, (1,)))
            rows *= min(1.0, filt.share * wanted)
        if stop is not None:
            rows = min(rows * SHARE, stop.most)
        # The list without what it is split by ends early under a LIMIT, too, but nobody knows when
        rows = min(rows, (self.limit if split else self._most(listing, filters)) or rows)
        first = min(self.settings.page_size, listing.page_max)
        # A page by offset begins with the last record of the one before, for which the largest has no room
        full = listing.paging == OFFSET and 1 < first == listing.page_max
        return max(1, 1 + math.ceil((rows - first) / (first - 1 if full else first)))

    def _is_long(self, listing: Listing) -> bool:
        """True for a list by id of a table that is known to be so long that one more page matters little."""
        by_id = listing.paging == CURSOR and "id" in listing.sorts and self.table.key == ("id",)
        pages = sum(self._pages(one, (), None, False) for one in self.listings)
        return by_id and pages >= _MANY_PAGES and is_known(self.table, self.settings)

    # ---- children of parents that are walked

    def _children(
        self, listing: Listing, fixed: Mapping[Filter, Any], splits: Sequence[Filter]
    ) -> tuple[Children, set[str]]:
        """How the children of parents are asked for that the query does not name, and the columns whose
        conditions say of which."""
        parent = self.table.parent
        assert parent is not None  # noqa: S101 - asked by the caller
        slot = parent_slot(listing, parent.column)
        assert slot is not None  # noqa: S101 - asked by the caller
        found = parents_of_records(self.table, self.predicates, self.settings)
        if found is None and parent.guarded:
            raise PlanError(
                f"{self.table.name} can only be read for given {parent.table}",
                detail=f"Reading it for all {parent.table} would cost {listing.tokens} tokens for each.",
                hint=f"Add WHERE {parent.column} = … or IN (…), or join {parent.table} by it.",
            )
        combos = combined(splits, self.predicates)
        calls = tuple(self._call(listing, {**fixed, **combo}, walked=slot) for combo in combos)
        limits = self.predicates.ranges.get(parent.column)
        walked = found or walk_of(parent, limits, self.settings)
        chunk = slot.most if slot.shape == "in" else 1
        children = Children(
            listing,
            walked.plan,
            parent.column,
            walked.keys,
            calls,
            "" if slot.column in listing.placeholders else slot.name,
            chunk,
            math.ceil(walked.parents / chunk) * len(calls),
            limits,
            walked.count,
            walked.saving(listing.tokens * len(calls), chunk),
        )
        columns = {parent.column} if limits is not None else set()
        return children, columns | (set(self.table.get.placeholders) if found and self.table.get else set())

    # ---- calls

    def _call(
        self,
        listing: Listing,
        values: Mapping[Filter, Any],
        walked: Filter | None = None,
        order: Sequence[Order] | None = None,
    ) -> Call:
        params: list[tuple[str, str]] = []
        echo = held_values(self.table, listing)
        path_values: dict[str, Any] = {}
        for filt, value in values.items():
            if filt.column in listing.placeholders:
                path_values[filt.column] = value
                echo[filt.column] = value
                continue
            params.append((filt.name, filter_text(self.table, filt, value)))
            if filt.shape == "eq":
                echo[filt.column] = value.isoformat() if isinstance(value, dt.date) else value
            elif filt.shape == "in" and len(value) == 1:
                echo[filt.column] = value[0]
        params += listing.params.items()
        params += sort_params(self.table, listing, self.order if order is None else order) or ()
        if listing.paging != NONE:
            params.append(("limit", str(self._page(listing, () if walked else values))))
        params += record_params(self.table, listing, self.settings)
        path = listing.path if walked is not None else fill(listing.path, path_values)
        return Call(listing, path, tuple(params), echo)

    def _page(self, listing: Listing, filters: Collection[Filter]) -> int:
        full, most = min(self.settings.page_size, listing.page_max), self._most(listing, filters)
        known = place(listing) not in self.settings.uneven and not (self.order and self.order[0].nulls)
        if most is None or not known or not shows_all(self.table, listing, filters, self.where):
            return full  # how many records it takes is not known, or other scans may ask for the same
        return max(min(full, most), min(full, _LEAST_PAGE) if filters else 1)

    def _most(self, listing: Listing, filters: Collection[Filter]) -> int | None:
        """How many rows of a list are used at the most, None for all."""
        keeps_all = self.wanted is not None and keeps_all_rows(listing, filters, self.predicates)
        return self.wanted if keeps_all else self.limit


# ---- parents that are walked


def walk_of(parent: Parent, limits: Range | None, settings: Settings) -> Walk:
    """How the parents within *limits* are walked."""
    walked = settings.tables[parent.table]
    count = walked.column(parent.count) if parent.count else None
    trusted = count if settings.trust_counts else None
    named = (parent.key,) if trusted is None else (parent.key, trusted.name)
    # Where the statement reads the parents too, the walk sends the same requests; else it wants ids only
    walked_with = Settings(
        settings.tables,
        settings.page_size,
        sizes=settings.sizes,
        named=frozenset(named),
        shared=settings.shared,
    )
    ranges = {} if limits is None else {parent.key: limits}
    plan = plan_scan(walked, Predicates(ranges=ranges), frozenset(named), settings=walked_with)
    parents = sum(list_size(walked, li, walked_with) for li in walked.listings)
    seen = [settings.sizes.get(parents_name(li, parent.count)) for li in walked.listings] if count else []
    with_any = None if not seen or None in seen else sum(n for n in seen if n is not None)
    if trusted is not None:
        parents = math.ceil(parents * SHARE) if with_any is None else with_any
    if limits is not None:
        parents = limits.expected(parents)
    key = walked.column(parent.key) or Column(parent.key, "bigint")
    untrusted = count.name if count is not None and trusted is None else ""
    return Walk(plan, (key,), parents, trusted, untrusted, with_any)
