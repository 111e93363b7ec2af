"""Running the steps of a plan: the records of lists, look-ups, batches, and children of walked parents."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Callable

from pipedrive_fdw.catalog.model import Column, Get, Table
from pipedrive_fdw.errors import CatalogError, ProtocolError
from pipedrive_fdw.plan.calls import fill, held_values, list_name
from pipedrive_fdw.plan.paths import Batches, Call, Children, Gets, KeyBatch, Lists, ScanPlan, Step
from pipedrive_fdw.plan.stops import Watch
from pipedrive_fdw.read.answers import Answers, Batch
from pipedrive_fdw.read.both_ends import ListBehind, ListById
from pipedrive_fdw.read.order import Census
from pipedrive_fdw.table.records import Record, column_value, dig
from pipedrive_fdw.values.codec import CODECS


def column_of(table: Table, name: str) -> Column:
    """A column that the catalogue's validation has seen."""
    found = table.column(name)
    if found is None:
        raise CatalogError(f"{table.name} has no column {name}")
    return found


class Steps:
    """Of one scan; *walk* gives the records of a plan by which parents are walked."""

    def __init__(self, answers: Answers, walk: Callable[[ScanPlan], Iterator[Batch]]) -> None:
        self._answers = answers
        self._walk = walk
        self._requests = answers.requests
        self._table = answers.table
        self._before: ListById | None = None  # the list by id that was begun last

    def batches(self, step: Step) -> Iterator[Batch]:
        """The records of *step*, as they come."""
        if isinstance(step, (Lists, Gets)) and step.batch is not None:
            records = self._with_others(step.batch)
            if records is not None:
                yield records, {**step.calls[0].echo, **step.batch.call.echo}
                return
        if isinstance(step, Lists):
            if step.of_parents:
                yield from self._answers.of_parents(step.listing, step.calls)
                return
            for call in step.calls:
                yield from self._list(step, call)
        elif isinstance(step, Gets):
            yield from self._answers.gets(step.get, step.calls)
        elif isinstance(step, Batches):
            yield from self._batch(step)
        elif isinstance(step.listing, Get):
            yield from self._answers.gets(step.listing, self._child_calls(step))
        else:
            yield from self._answers.of_parents(step.listing, self._child_calls(step), walked=True)

    def _list_by_id(self, step: Lists, call: Call) -> ListById:
        """The list of *call*, read behind the one that was begun before it."""
        answers, listing, before = self._answers, step.listing, self._before
        self._before = (
            ListById(answers, listing, call)
            if before is None
            else ListBehind(answers, listing, call, step.pages, before)
        )
        return self._before

    def _list(self, step: Lists, call: Call) -> Iterator[Batch]:
        """The pages of *call* as far as rows can be among them."""
        stop = step.stop
        watch = None if stop is None else Watch(stop, column_of(self._table, stop.order.column))
        count, census = 0, Census(self._table, step.listing, step.counted)
        if step.both_ends:
            batches = self._list_by_id(step, call).batches()
        else:
            batches = self._answers.pages(step.listing, call, to_end=stop is None and not step.opposite)
        for records, echo in batches:
            yield records, echo
            count += len(records)
            if watch is not None and watch.is_past(records):
                return
            if step.whole:
                census.add(records)
        if step.whole:
            self._requests.sizes.update({list_name(step.listing): count, **census.found})

    def _with_others(self, batch: KeyBatch) -> list[Record] | None:
        """The records of one key, asked for with other keys that the statement has read; None when it is to
        be looked up by itself."""
        key_batches = self._requests.session.key_batches
        found = key_batches.found(batch)
        if found is not None:
            self._requests.spent.remembered += 1
            return found
        keys = key_batches.keys(batch)
        if len(keys) == 1:
            return None
        groups: dict[str, list[Record]] = {str(key): [] for key in keys} if batch.whole else {}
        call = replace(batch.call, params=batch.params(keys))
        for records, _ in self._answers.pages(batch.listing, call):
            for record in records:
                groups.setdefault(str(dig(record, batch.key)), []).append(record)
        key_batches.keep(batch, groups)
        return groups.get(str(batch.value))

    # ---- batches of keys

    def _batch(self, step: Batches) -> Iterator[Batch]:
        missing = {str(key): key for key in step.keys}
        for call in step.calls:
            for records, echo in self._answers.pages(step.listing, call):
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
            calls = [Call(get, fill(get.path, {slot: k}), params, {slot: k}) for k in keys]
            yield from self._answers.gets(get, calls)
            return
        for listing in step.others:
            for chunk in chunks:
                ids = ",".join(str(key) for key in chunk)
                params = tuple(
                    (name, ids if name == step.param else value)
                    for name, value in step.calls[0].params
                    if name != "include_option_labels" or listing.labels
                )
                call = Call(listing, listing.path, params, held_values(self._table, listing))
                yield from self._answers.pages(listing, call)

    # ---- children of walked parents

    def _child_calls(self, step: Children) -> Iterator[Call]:
        ids = self._parent_ids(step)
        while True:
            chunk = list(itertools.islice(ids, step.chunk))
            if not chunk:
                return
            for call in step.calls:
                # A single one is not in the record; records of a batch name theirs
                echo = call.echo if step.chunk > 1 else {**call.echo, step.column: chunk[0]}
                if step.param:
                    params = ((step.param, ",".join(str(i) for i in chunk)), *call.params)
                    yield replace(call, params=params, echo=echo)
                else:
                    yield replace(call, path=fill(call.path, {step.column: chunk[0]}), echo=echo)

    def _parent_ids(self, step: Children) -> Iterator[Any]:
        seen: set[Any] = set()
        for records, echo in self._walk(step.walk):
            for record in records:
                if step.count is not None and column_value(step.count, record, echo) == 0:
                    continue
                for column in step.keys:
                    if not column.not_null and column_value(column, record, {}) is None:
                        continue  # a parent that is gone
                    key = self._parent_id(step, column, record)
                    if key not in seen and (step.limits is None or step.limits.holds(key)):
                        seen.add(key)
                        yield key

    def _parent_id(self, step: Children, column: Column, record: Record) -> Any:
        key, codec = column_value(column, record, {}), CODECS[column.type]
        try:
            loaded = codec.load(key) if isinstance(key, (int, str)) else None
        except ValueError:
            loaded = None
        if loaded is None:
            raise ProtocolError(
                f"a record of {step.walk.table.name} has no key",
                detail=f"So its {self._table.name} cannot be requested.",
                hint="Try again.",
            )
        return codec.parse(loaded)
