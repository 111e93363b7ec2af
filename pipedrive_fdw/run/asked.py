"""What PostgreSQL asks of a scan, and what the scans of a statement used, for EXPLAIN ANALYZE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipedrive_fdw.api.client import Spent
from pipedrive_fdw.plan.predicates import Qual
from pipedrive_fdw.run.backend import statement_mark, statement_text


class SortKey(Protocol):
    attname: str
    is_reversed: bool
    nulls_first: bool
    collate: str | None


class Asked:
    """What PostgreSQL wants of one scan, as Multicorn passes it. Equal when it wants the same."""

    def __init__(
        self,
        quals: Sequence[Qual],
        columns: Iterable[str],
        sortkeys: Sequence[SortKey] = (),
        limit: int | None = None,
        offset: int | None = None,
    ) -> None:
        self.quals = tuple(quals)
        self.columns = frozenset(columns)
        self.sortkeys = tuple(sortkeys)
        self.limit = limit if limit is not None and limit >= 0 else None
        self.offset = max(offset or 0, 0)

    def late_keys(self, keys: frozenset[str]) -> frozenset[str]:
        """Which of *keys* EXPLAIN has no value for yet: it says 0, which no key is."""
        found = (q.field_name for q in self.quals if q.operator == "=" and str(q.value) in ("0", ""))
        return keys.intersection(found)

    def announces(self, other: Asked, late: frozenset[str]) -> bool:
        """Whether *other* is this scan at work, the values of *late* columns filled in."""

        def shape(asked: Asked) -> Any:
            return (
                [(q.field_name, q.operator, q.field_name in late or repr(q.value)) for q in asked.quals],
                asked.columns,
                [(k.attname, k.is_reversed) for k in asked.sortkeys],
                asked.limit,
                asked.offset,
            )

        return bool(shape(self) == shape(other))


@dataclass(eq=False)
class Done:
    """A scan that has ended: what was asked, what it used, the rows it gave."""

    asked: Asked
    spent: Spent
    rows: int


@dataclass
class Ledger:
    """What the scans of one foreign table used in the present statement."""

    done: list[Done] = field(default_factory=list)
    statement: Any = None

    def note(self, asked: Asked, spent: Spent, rows: int) -> None:
        """Keeps what a scan used, where EXPLAIN ANALYZE will ask for it at the end of the statement."""
        if "explain" not in statement_text().lower():
            return
        if self.statement != statement_mark():
            self.done, self.statement = [], statement_mark()
        self.done.append(Done(asked, spent, rows))

    def take(self, asked: Asked, late: frozenset[str]) -> Done | None:
        """What the scans used that *asked* announces: all rescans of a join's inner side, whose keys are
        known *late*, else one, since the two sides of a self-join may ask for the same."""
        if self.statement != statement_mark():
            return None
        same = [done for done in self.done if asked.announces(done.asked, late)]
        used = same if late else same[:1]
        if not used:
            return None
        total = Done(asked, Spent(), 0)
        for done in used:
            self.done.remove(done)
            total.spent.include(done.spent)
            total.rows += done.rows
        return total
