"""A plan as lines of EXPLAIN, and what a scan really used as lines of EXPLAIN ANALYZE. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipedrive_fdw.catalog.model import Get, Operation, Table, Write
from pipedrive_fdw.plan.paths import Batches, Children, Gets, Lists, ScanPlan, Step

_SHOWN_CALLS = 5


def explain_plan(plan: ScanPlan, verbose: bool = False, unsorted: str = "") -> Iterator[str]:
    """What *plan* will ask for, what is pushed, what is rechecked, and what it costs; *unsorted* says why
    PostgreSQL sorts."""
    if not plan.steps:
        yield "No request: the conditions exclude every row"
        return
    for step in plan.steps:
        yield from _step(step, verbose)
    for more in plan.row_requests:
        yield more.text
    if plan.order:
        keys = ", ".join(o.column + (" DESC" if o.reverse else "") for o in plan.order)
        yield f"Sorted {'by Pipedrive' if plan.streamed else 'here'}: {keys}"
        yield from _null_rows(plan)
    if unsorted:
        yield f"Sorted here: {unsorted}"
    if plan.pushed:
        yield "Pushed: " + " AND ".join(plan.pushed)
    if plan.rechecked:
        yield "Rechecked here: " + " AND ".join(plan.rechecked)
    yield _tokens(plan)


def _step(step: Step, verbose: bool) -> Iterator[str]:
    if isinstance(step, (Lists, Gets, Batches)):
        stop = step.stop if isinstance(step, Lists) else None
        # Calls with values that are known only when the scan runs look all alike
        calls = (*step.calls, *step.opposite) if isinstance(step, Lists) else step.calls
        lines = list(dict.fromkeys(call.text(verbose) for call in calls))
        shown = lines if verbose else lines[:_SHOWN_CALLS]
        yield from shown
        if len(lines) > len(shown):
            yield f"… and {len(lines) - len(shown)} more like it"
        if isinstance(step, Batches) and step.others:
            yield "Ids that were not found are looked for among the archived"
        if isinstance(step, Lists) and step.both_ends:
            yield "Read from both ends at once where all rows are taken"
        if stop is not None:
            beyond = "<" if stop.order.reverse else ">"
            yield f"Left at the page where {stop.order.column} {beyond} {stop.bound}"
        return
    for inner in step.walk.steps:
        for line in _step(inner, verbose):
            yield f"For each of: {line}"
    query = f"?{step.param}=…" if step.param else ""
    yield f"GET /api/v{step.listing.version}{step.listing.path}{query}" + (
        f", {step.chunk} parents at a time" if step.chunk > 1 else ""
    )
    if step.count is not None:
        yield f"Only those whose {step.count.name} is not 0"
    if step.saving:
        yield f"The option {step.saving}"


def _null_rows(plan: ScanPlan) -> Iterator[str]:
    """Where rows without a value of the column that is sorted by are looked for."""
    lists = [step for step in plan.steps if isinstance(step, Lists) and step.opposite]
    if lists and plan.streamed:
        column = plan.order[0].column
        yield f"Rows without {column} are looked for at both ends" + (
            "" if all(step.settled for step in lists) else "; a list that has none there is read whole"
        )


def _tokens(plan: ScanPlan) -> str:
    prices: list[str] = []
    for step in plan.steps:
        prices += _prices(step)
    prices += (more.price for more in plan.row_requests)
    return "Tokens: " + ", ".join(dict.fromkeys(prices)) + f", about {plan.tokens}"


def explain_write(table: Table, verb: str, checked: Get | None) -> Iterator[str]:
    """What a write of *table* sends for each row, and what that costs; *checked* looks up the parent of a row
    before."""
    op = {"INSERT": table.insert, "UPDATE": table.update, "DELETE": table.delete}[verb]
    prices: list[str] = []
    if table.parent is not None and checked is not None:
        yield f"For each {table.parent.column}: {_request(checked)}"
        prices.append(f"{checked.tokens} a {table.parent.column}")
    read = table.get or table.listings[0]
    if op is not None:
        extended = any(column.extended for column in table.columns if column.name in op.fields)
        if op.reads or extended:
            yield f"For each row{'' if op.reads else ', unless remembered'}: {_request(read)}"
        yield from _row_writes(op)
        prices.append(f"{op.tokens + (read.tokens if op.reads or extended else 0)} a row")
        if op.bulk is not None:
            prices.append(f"{op.bulk.tokens} for up to {op.bulk.most} rows together")
    for column, instead in table.instead.items() if verb == "UPDATE" else ():
        yield f"For each row that sets {column}: {_request(instead)}"
        prices.append(f"{instead.tokens} a row that sets {column}")
    yield "Tokens: " + ", ".join(prices)


def _row_writes(op: Write) -> Iterator[str]:
    """The requests of which each row sends one by *op*, or that several rows send together."""
    while op.otherwise is not None:
        yield f"For each row with {', '.join(op.takes)}: {_request(op)}"
        op = op.otherwise
        if op.otherwise is None:
            yield f"For each other row: {_request(op)}"
            return
    yield f"For each row: {_request(op)}"
    if op.bulk is not None:
        yield f"Or for up to {op.bulk.most} rows together, where that costs less: {_request(op.bulk)}"


def _request(op: Operation) -> str:
    return f"{op.method} /api/v{op.version}{_named_path(op)}"


def _named_path(op: Operation) -> str:
    """The path of *op* with the property in it by which the operation names the record."""
    if not isinstance(op, Write) or not op.named_by:
        return op.path
    return op.path.replace("{" + op.placeholders[-1] + "}", "{" + op.named_by + "}")


def _prices(step: Step) -> Iterator[str]:
    if isinstance(step, Gets):
        yield f"{step.get.tokens} a record"
        return
    if isinstance(step, Children):
        for inner in step.walk.steps:
            yield from _prices(inner)
        one = "record" if isinstance(step.listing, Get) else "parent"
        yield f"{step.listing.tokens} a {'batch' if step.chunk > 1 else one}"
        return
    what = "a batch" if isinstance(step, Batches) else "a page"
    held = step.listing.holds.get("is_archived")
    yield f"{step.listing.tokens} {what}" + (" archived" if held else "")


def explain_actual(spent: Any, rows: int) -> Iterator[str]:
    """What a scan that ran has used: *spent* counts requests, tokens, answers it had already, waits."""
    remembered = f", {spent.remembered} answers remembered" if spent.remembered else ""
    cached = f", {spent.cached} answers from the cache" if spent.cached else ""
    waited = f", {spent.waited:.1f} s waited for the limit" if spent.waited else ""
    yield f"Actual: {spent.requests} requests, {spent.tokens} tokens, {rows} rows{remembered}{cached}{waited}"
