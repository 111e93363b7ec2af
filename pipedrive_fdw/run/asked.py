"""What PostgreSQL asks of a scan, and what the scans of a statement used, for EXPLAIN ANALYZE."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Protocol

from pipedrive_fdw.api.client import Spent
from pipedrive_fdw.plan.predicates import Qual
from pipedrive_fdw.run.backend import explains, statement_mark

_ZERO = re.compile(r"^(0|\?|f|)$|\b(1999|2000)\b")


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

    def resembles(self, other: Asked, free: Callable[[Qual], bool]) -> bool:
        """Whether *other* asks the same, but for the values of the quals that are *free*."""

        def shape(asked: Asked) -> Any:
            return (
                [(q.field_name, q.operator, some or repr(q.value)) for q, some in zip(asked.quals, opened)],
                asked.columns,
                [(k.attname, k.is_reversed) for k in asked.sortkeys],
                asked.limit,
                asked.offset,
            )

        opened = [free(qual) for qual in self.quals]
        return len(self.quals) == len(other.quals) and bool(shape(self) == shape(other))


def is_placeholder(qual: Qual) -> bool:
    """Whether EXPLAIN may have passed it in the place of a value that is known when the query runs: the zero
    of its type, which for times is the year 2000, in some time zones the last of 1999."""
    return _ZERO.search(str(qual.value)) is not None


def is_fixed(_: Qual) -> bool:
    """No value is free."""
    return False


def is_free(_: Qual) -> bool:
    """Every value is free."""
    return True


class Loop:
    """One scan: what was asked, and what it has used and given up to now; it is counted while it runs."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.spent = Spent()
        self.rows = 0
        self._held: Callable[[], object] = lambda: None

    def follow(self, rows: object) -> None:
        """PostgreSQL is given *rows*, and keeps them as long as it may read of them."""
        self._held = weakref.ref(rows)

    @property
    def is_over(self) -> bool:
        """Whether PostgreSQL has dropped the rows."""
        return self._held() is None


class Node:
    """A node of the statement's plan: its last loop, and what the loops before used."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self._before = Spent()
        self._rows_before = 0

    def again(self, loop: Loop) -> None:
        """One more loop begins."""
        self._before, self._rows_before = self.total()
        self.loop = loop

    def total(self) -> tuple[Spent, int]:
        """What all loops have used, and the rows they gave."""
        spent = Spent()
        spent.include(self._before)
        spent.include(self.loop.spent)
        return spent, self._rows_before + self.loop.rows


@dataclass
class Ledger:
    """What the scans of one foreign table use in the present statement, for EXPLAIN ANALYZE.

    PostgreSQL does not tell a scan which node of its plan it belongs to. But a node drops the rows of one
    loop before it begins the next, and holds those of its last one to the statement's end.
    """

    nodes: list[Node] = field(default_factory=list)
    statement: Any = None

    def begin(self, loop: Loop) -> None:
        """A scan begins. What it uses is kept where EXPLAIN ANALYZE will ask for it."""
        if not explains():
            return
        if self.statement != statement_mark():
            self.nodes, self.statement = [], statement_mark()
        for node in self.nodes:
            if node.loop.is_over and node.loop.asked.resembles(loop.asked, is_free):
                node.again(loop)
                return
        self.nodes.append(Node(loop))

    def take(self, asked: Asked) -> tuple[Spent, int] | None:
        """What the node has used that *asked* announces: by the values of its last loop (Multicorn 1.4, and
        wherever they are constants), or with placeholders for them (Multicorn2). None when it never ran.

        Each node is taken once, since the two sides of a self-join may ask for the same.
        """
        if self.statement != statement_mark():
            return None
        for free in (is_fixed, is_placeholder):
            for node in self.nodes:
                if asked.resembles(node.loop.asked, free):
                    self.nodes.remove(node)
                    return node.total()
        return None
