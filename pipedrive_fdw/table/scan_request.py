"""The request of one scan, read from the JSON that the C part gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from pipedrive_fdw.plan.conditions import Condition, RuntimeValue, are_simple, read_conditions


class Reads(Enum):
    """How many rows of a scan will be taken, by the numbers of the C part."""

    SOME = 0  # perhaps not all
    MORE = 1  # all, once a second one is taken
    ALL = 2


class SortKey(NamedTuple):
    """A column that the query sorts by."""

    column: str
    descending: bool
    nulls_first: bool = False


class ScanRequest(NamedTuple):
    """What PostgreSQL wants of one scan; columns have their names in PostgreSQL.

    columns     those that the query names
    compared    those that joins and conditions compare with values, in any form
    whole       the query uses whole rows
    target      the rows are to be updated or deleted
    all         all rows will be read: nothing above the scan stops early, as far as the planner sees
    conditions  those of the query that have a known form; PostgreSQL rechecks all of them
    order       the order in which the rows must come; while the query is planned, the order it would like
    unsorted    the key by which PostgreSQL sorts what comes in that order, None where it needs not
    limit       the number of rows that the query reads at most, None for all
    wanted      the same where it holds only if PostgreSQL keeps each row that has the values of conditions
    reads       the part of the rows that the executor will take
    """

    columns: frozenset[str] = frozenset()
    compared: frozenset[str] = frozenset()
    whole: bool = False
    target: bool = False
    all: bool = True
    conditions: tuple[Condition, ...] = ()
    order: tuple[SortKey, ...] = ()
    unsorted: SortKey | None = None
    limit: int | None = None
    wanted: int | None = None
    reads: Reads = Reads.SOME

    @property
    def only_counts(self) -> bool:
        """True if the query uses no value, as ``count(*)`` does."""
        return not (self.columns or self.whole or self.target)

    def unconditional(self) -> ScanRequest:
        """The same request for all rows of the table."""
        return self._replace(conditions=(), limit=None, wanted=None)


def read_request(plan: Mapping[str, Any], parameters: Sequence[Any] | None) -> ScanRequest:
    """The request in the JSON of a *plan* or of a question about one.

    *parameters* are the run-time values, as in read_conditions().
    """
    order = tuple(SortKey(k["column"], k["descending"], k["nulls_first"]) for k in plan["order"])
    ordered = plan.get("ordered", len(order))
    conditions = plan["conditions"]
    most = int(plan.get("most", 0)) or None
    return ScanRequest(
        columns=frozenset(plan["columns"]),
        compared=frozenset(plan["compared"]),
        whole=plan["whole"],
        target=plan["target"],
        all=plan["all"],
        conditions=tuple(read_conditions(conditions, parameters)),
        order=order[:ordered],
        unsorted=next(iter(order[ordered:]), None) if plan.get("sorts") else None,
        limit=int(plan.get("limit", 0)) or (None if conditions else most),
        wanted=most if are_simple(conditions) else None,
    )


def explained_parameters(expressions: Sequence[str]) -> list[RuntimeValue]:
    """The *expressions* of a plan as parameters whose values are not known yet."""
    return [RuntimeValue(text) for text in expressions]
