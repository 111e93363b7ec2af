"""Whether a scan can meet a record again."""

from __future__ import annotations

from pipedrive_fdw.plan.paths import Lists, ScanPlan


def meets_twice(plan: ScanPlan) -> bool:
    """Whether a record can be met again: one that is archived or moved to another stage while the lists are
    read stands in two of them. Under several saved filters it is a row of each."""
    table = plan.table
    if len(table.key) != 1 or table.nested:
        return False
    calls = [call for step in plan.steps if isinstance(step, Lists) for call in step.calls]
    selects = {column.name for column in table.columns if column.echo}
    return len(calls) > 1 and not any(selects & call.echo.keys() for call in calls)
