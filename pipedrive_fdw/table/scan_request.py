"""What PostgreSQL wants of one scan, as the C part tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipedrive_fdw.plan.conditions import Condition, RuntimeValue, read_conditions


@dataclass(frozen=True)
class SortKey:
    """A column that the query sorts by."""

    column: str
    descending: bool
    nulls_first: bool = False


@dataclass(frozen=True)
class ScanRequest:
    """One scan; columns are those of the foreign table.

    columns     those that the query names
    whole       the query uses whole rows
    target      the rows are to be updated or deleted
    all         all rows will be read: nothing above the scan stops early
    conditions  those that can be understood; PostgreSQL checks them all
    order       the order that the rows must come in, or while planning the one that is wanted
    limit       rows that are wanted at most, None for all; more are given when asked for
    """

    columns: frozenset[str] = frozenset()
    whole: bool = False
    target: bool = False
    all: bool = True
    conditions: tuple[Condition, ...] = ()
    order: tuple[SortKey, ...] = ()
    limit: int | None = None

    @property
    def only_counts(self) -> bool:
        """Whether no value is used, as by ``count(*)``."""
        return not (self.columns or self.whole or self.target)

    def unconditional(self) -> ScanRequest:
        """The same for all rows of the table."""
        return replace(self, conditions=(), limit=None)


def read_request(plan: Mapping[str, Any], parameters: Sequence[Any] | None) -> ScanRequest:
    """The request in the JSON of a *plan*, or in a question about one; *parameters* as in
    read_conditions()."""
    order = tuple(SortKey(k["column"], k["descending"], k["nulls_first"]) for k in plan["order"])
    return ScanRequest(
        frozenset(plan["columns"]),
        plan["whole"],
        plan["target"],
        plan["all"],
        tuple(read_conditions(plan["conditions"], parameters)),
        order[: plan.get("ordered", len(order))],
        int(plan.get("limit", 0)) or None,
    )


def explained_parameters(expressions: Sequence[str]) -> list[RuntimeValue]:
    """The *expressions* of a plan in the place of the values that they will have."""
    return [RuntimeValue(text) for text in expressions]
