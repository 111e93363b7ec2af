"""The ways to answer a query that names keys: single look-ups and batches. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Callable

from pipedrive_fdw.catalog.model import Filter, Get, Listing, Table
from pipedrive_fdw.plan.calls import Settings, get_call, record_params
from pipedrive_fdw.plan.paths import Batches, Call, Candidate, Children, Gets, KeyBatch, ScanPlan, Step, Walk
from pipedrive_fdw.plan.predicates import Predicates


def key_batch(
    table: Table, call: Call, filt: Filter, value: Any, own: tuple[str, str], after: int, whole: bool = False
) -> KeyBatch:
    """How the look-up of *value* takes others along in *call*, which does not name it yet; *own* is the
    column whose values such keys are, where the filter's column refers to no other."""
    listing = call.op
    assert isinstance(listing, Listing)  # noqa: S101 - what a filter is of
    column = table.column(filt.column)
    target, _, key = column.references.partition(".") if column is not None else ("", "", "")
    path = column.path if column is not None else (filt.column,)
    return KeyBatch(
        listing, call, filt.name, value, path, (target, key) if key else own, filt.most, after, whole
    )


class LookupPaths:
    """Enumerates them for one query. *listings* are those that can hold rows of it, *call* fills one in."""

    def __init__(
        self,
        table: Table,
        predicates: Predicates,
        settings: Settings,
        listings: Sequence[Listing],
        call: Callable[[Listing, Mapping[Filter, Any]], Call],
    ) -> None:
        self.table = table
        self.predicates = predicates
        self.settings = settings
        self.listings = listings
        self._call = call

    def candidates(self) -> list[Candidate]:
        """Every way to look the keys up, none where the query does not name them."""
        alone = next((f for li in self.listings for f in li.filters if f.alone), None)
        if alone is not None and alone.column in self.predicates.equal:
            return []  # a row found by its key says nothing about the saved filter
        found = []
        get = self._lookup_get()
        if get is not None and self._key_values(get) is not None:
            found.append(self._gets(get))
        batch = self._batch_listing()
        if batch is not None:
            found.append(self._batches(*batch))
        return found

    def _lookup_get(self) -> Get | None:
        get = self.table.get
        return get if get is not None and get.lookup else None

    def _key_values(self, get: Get) -> list[dict[str, Any]] | None:
        """Every combination of the values of the path's placeholders, None when one is not known."""
        lists = []
        for name in get.placeholders:
            values = self.predicates.equal.get(name)
            if values is None:
                return None
            lists.append([(name, v) for v in values])
        return [dict(combination) for combination in itertools.product(*lists)]

    def _gets(self, get: Get) -> Candidate:
        keys = self._key_values(get) or []
        calls = tuple(get_call(self.table, get, key, self.settings) for key in keys)
        return Candidate(
            (Gets(get, calls, self._key_batch_of(get, keys)),), frozenset(get.placeholders), False
        )

    def _key_batch_of(self, get: Get, keys: Sequence[Mapping[str, Any]]) -> KeyBatch | None:
        """How the look-up of one key takes others along; None where no list takes several."""
        batch = self._batch_listing() if len(keys) == 1 else None
        if batch is None or get.placeholders != (batch[1].column,):
            return None
        listing, filt, (value, *_) = batch
        own = (self.table.name, filt.column)
        return key_batch(self.table, self._call(listing, {}), filt, value, own, listing.tokens // get.tokens)

    def _batch_listing(self) -> tuple[Listing, Filter, tuple[Any, ...]] | None:
        for listing in self.listings:
            for column in self.table.key:
                found = listing.filter_of(column, "in")
                values = self.predicates.equal.get(column)
                if found is not None and values is not None and not found.required:
                    return listing, found, values
        return None

    def _batches(self, listing: Listing, filt: Filter, values: tuple[Any, ...]) -> Candidate:
        get = self._lookup_get()
        others = tuple(li for li in self.listings if li is not listing and li.filter_of(filt.column, "in"))
        whole = len(values) - len(values) % filt.most
        rest = values[whole:]
        single = ()
        if (
            get is not None
            and get.placeholders == (filt.column,)
            and len(rest) * get.tokens <= listing.tokens
        ):
            single, values = rest, values[:whole]
        calls = tuple(
            self._call(listing, {filt: values[i : i + filt.most]}) for i in range(0, len(values), filt.most)
        )
        steps: list[Step] = []
        if calls:
            path = self._key_path(filt.column)
            steps.append(Batches(listing, calls, values, path, filt.name, filt.most, get, others))
        if single and get is not None:
            keys = [{filt.column: value} for value in single]
            steps.append(Gets(get, tuple(get_call(self.table, get, key, self.settings) for key in keys)))
        again = sum(li.tokens for li in others) * len(calls)
        risk = min(again, len(values) * get.tokens) if get is not None else again
        return Candidate(tuple(steps), frozenset((filt.column,)), False, risk)

    def _key_path(self, column: str) -> tuple[str, ...]:
        declared = self.table.column(column)
        return declared.path if declared else (column,)


def parents_of_records(table: Table, predicates: Predicates, settings: Settings) -> Walk | None:
    """The parents that records name which are looked up by their own ids, None where no ids are given.

    They are looked up in turn, since one that is deleted has no rows.
    """
    get = table.get
    if get is None or not get.parents or any(name not in predicates.equal for name in get.placeholders):
        return None
    (name,) = get.placeholders
    ids = predicates.equal[name]
    calls = tuple(get_call(table, get, {name: value}, settings) for value in ids)
    columns = tuple(c for c in table.columns if c.name in get.parents)
    count = len(ids) * len(columns)
    assert table.parent is not None  # noqa: S101 - the catalogue's validation has seen it
    parents = settings.tables[table.parent.table]
    own, key = parents.get, parents.column(table.parent.key)
    assert own is not None and key is not None  # noqa: S101 - likewise
    params = tuple(record_params(parents, own, replace(settings, named=frozenset((key.name,)), custom=())))
    records = ScanPlan(table, (Gets(get, calls),))
    calls = (Call(own, own.path, params),)
    named = Children(own, records, own.placeholders[0], columns, calls, calls_expected=count)
    return Walk(ScanPlan(parents, (named,)), (key,), count)
