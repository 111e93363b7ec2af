"""Requests beyond the steps of a plan: for extended columns, and for the records behind custom fields.

The scan and EXPLAIN use the same decision.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from pipedrive_fdw.custom_fields.kinds import LINKS
from pipedrive_fdw.options import Options
from pipedrive_fdw.plan.calls import list_name
from pipedrive_fdw.plan.paths import Call, Gets, RowRequests, ScanPlan
from pipedrive_fdw.plan.predicates import Predicates
from pipedrive_fdw.read.related_records import BATCH, USERS, related_call
from pipedrive_fdw.table.binding import Binding

_NAMES = {"org": "organizations", "people": "persons"}


def sent_part(plan: ScanPlan, predicates: Predicates) -> Predicates:
    """The *predicates* that *plan* sends; PostgreSQL checks the others on the rows."""
    sent = {column for column, _, text in predicates.texts if text in plan.pushed}
    equal = {column: values for column, values in predicates.equal.items() if column in sent}
    ranges = {column: found for column, found in predicates.ranges.items() if column in sent}
    return replace(predicates, equal=equal, ranges=ranges)


def related_fields(binding: Binding, named: Collection[str], options: Options) -> list[tuple[str, str]]:
    """(key, type) of the custom fields whose records are fetched for the columns *named*."""
    wanted = options.expand_related and not options.suppress_extended_requests and not binding.flat
    return [
        (column.field, column.kind)
        for column in binding.custom
        if wanted and column.kind in LINKS and not column.part and column.name in named
    ]


def row_requests(
    plan: ScanPlan, fields: Collection[tuple[str, str]], rows: int, sizes: Mapping[str, int]
) -> Iterator[RowRequests]:
    """The requests beyond the steps of *plan*, for an estimate of *rows* rows.

    *fields* are the custom fields, (key, type), whose records are fetched; *sizes* as in Settings.
    """
    if not plan.steps:
        return
    one_by_one = all(isinstance(step, Gets) for step in plan.steps)
    get, download = plan.table.get, plan.table.download
    fetched = [name for name in plan.extended if download is None or name != download.column]
    if fetched and get is not None and not one_by_one:  # a get has them already
        request = Call(get, get.path, tuple(get.params.items())).text()
        yield RowRequests(
            f"For each row, unless remembered: {request}", f"{get.tokens} a row", rows * get.tokens
        )
    if download is not None and len(fetched) < len(plan.extended):
        text = f"the file at {download.address}" if download.address else Call(download, download.path).text()
        yield RowRequests(f"For each row: {text}", f"{download.tokens} a file", rows * download.tokens)
    for kind in LINKS:
        named = rows * sum(kind == found for _, found in fields)
        if named:
            yield _related(kind, named, plan.requests, sizes)


def _related(kind: str, named: int, pages: int, sizes: Mapping[str, int]) -> RowRequests:
    """The requests for records of *kind* that rows name *named* times on *pages* pages; each page has
    batches of its own."""
    if kind == "user":
        return RowRequests(
            f"For users in custom fields, unless remembered: {Call(USERS, USERS.path).text()}",
            f"{USERS.tokens} for all users",
            USERS.tokens,
        )
    listing, call = related_call(kind, "…")
    text = call.text().replace("%E2%80%A6", "…")
    most = max(sizes.get(list_name(listing), named), 1)
    batches = max(math.ceil(min(named, most) / BATCH), min(named, pages))
    return RowRequests(
        f"For {_NAMES[kind]} in custom fields, unless remembered: {text}",
        f"{listing.tokens} a batch of {_NAMES[kind]}",
        listing.tokens * batches,
    )
