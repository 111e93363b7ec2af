"""A plan as a value: the calls that will be made, what they cost, how their rows are put together.

Pure. The executor runs these objects and EXPLAIN prints them; there is no other description of a scan.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Union
from urllib.parse import quote

from pipedrive_fdw.catalog.model import Column, Get, Listing, Operation, Table
from pipedrive_fdw.plan.conditions import RuntimeValue
from pipedrive_fdw.plan.predicates import Range

_SHOWN = 60


# (table, column) of values that are keys elsewhere.
Target = tuple[str, str]


@dataclass(frozen=True)
class Call:
    """One operation with its values filled in; a listing's call stands for all of its pages.

    path    filled, without the /api/v1 or /api/v2 before it
    params  query parameters in the order in which they are sent
    echo    column → value that the rows of this call carry because the request asked for it
    """

    op: Operation
    path: str
    params: tuple[tuple[str, str], ...] = ()
    echo: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[int, str, tuple[tuple[str, str], ...]]:
        """What identifies the request: version, path, parameters."""
        return self.op.version, self.path, self.params

    @property
    def where(self) -> str:
        """The request without its parameters, for errors."""
        return f"{self.op.method} /api/v{self.op.version}{self.path}"

    def text(self, full: bool = True) -> str:
        """The request as EXPLAIN shows it; long values are cut unless *full*."""
        parts = []
        for name, value in self.params:
            shown = value if isinstance(value, RuntimeValue) else quote(value, safe=",:.*-_")
            if not full and len(shown) > _SHOWN and "," in value:
                items = value.split(",")
                shown = quote(items[0], safe=":.*-_") + f",…({len(items)})"
            parts.append(f"{name}={shown}")
        query = "?" + "&".join(parts) if parts else ""
        return f"{self.op.method} /api/v{self.op.version}{self.path}{query}"


class Order(NamedTuple):
    """A column by which the rows come, *reverse* for descending.

    nulls   'first' or 'last', where rows without a value come; '' where no row that is kept is without one
    """

    column: str
    reverse: bool = False
    nulls: str = ""


class Stop(NamedTuple):
    """A list comes in *order* and is left where its column has passed *bound*."""

    order: Order
    bound: Any

    @property
    def most(self) -> float:
        """How many records there can be before it: ids are whole numbers from 1 on."""
        counts = self.order.column == "id" and not self.order.reverse and isinstance(self.bound, int)
        return max(self.bound, 1) if counts else math.inf


class KeyBatch(NamedTuple):
    """How the look-up of one key takes others along, which the statement will look up next.

    call    of *listing*, without its parameter *param*, which takes up to *most* keys at one price
    value   the key
    key     where it stands in the records of the list
    target  (table, column) whose values such keys are
    after   look-ups that are made one by one first: as many as cost what the list costs
    whole   a key without records has none; otherwise it is looked up by itself
    """

    listing: Listing
    call: Call
    param: str
    value: Any
    key: tuple[str, ...]
    target: Target
    most: int
    after: int = 0
    whole: bool = False

    @property
    def mark(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What is the same for all keys."""
        return self.call.path, self.call.params

    def params(self, keys: Sequence[Any]) -> tuple[tuple[str, str], ...]:
        """The parameters that ask for *keys*."""
        return (self.param, ",".join(map(str, keys))), *self.call.params


class Lists(NamedTuple):
    """Calls of one listing, one after the other; *pages* is how many are expected in all.

    of_parents  each call names parents, and may find that they are gone or refuse
    batch       how a look-up takes others along
    stop        where each call is left before its end
    whole       no filter is sent: what ends by itself has given the whole list
    opposite    each call in the opposite order: rows without a value, which are to come first, stand at
                either end
    counted     the columns that say how many rows of other tables hang on a record
    settled     so it is known; otherwise a list with such rows at neither end is read whole
    both_ends   it comes by id, and may be read from both ends at once where all rows are taken
    """

    listing: Listing
    calls: tuple[Call, ...]
    pages: int = 1
    of_parents: bool = False
    batch: KeyBatch | None = None
    stop: Stop | None = None
    whole: bool = False
    opposite: tuple[Call, ...] = ()
    settled: bool = False
    counted: tuple[str, ...] = ()
    both_ends: bool = False

    @property
    def tokens(self) -> int:
        return self.pages * self.listing.tokens

    @property
    def requests(self) -> int:
        return self.pages


class Gets(NamedTuple):
    """Look-ups, one call for each key, in the order of the keys."""

    get: Get
    calls: tuple[Call, ...]
    batch: KeyBatch | None = None

    @property
    def tokens(self) -> int:
        return len(self.calls) * self.get.tokens

    @property
    def requests(self) -> int:
        return len(self.calls)


class Batches(NamedTuple):
    """Look-ups in batches of *most* keys in the parameter *param*; *key* is their path in a record.

    Keys that a batch does not answer are looked for in *others* listings, or by single gets, whichever
    is cheaper for as many as are missing.
    """

    listing: Listing
    calls: tuple[Call, ...]
    keys: tuple[Any, ...]
    key: tuple[str, ...]
    param: str
    most: int
    get: Get | None = None
    others: tuple[Listing, ...] = ()

    @property
    def tokens(self) -> int:
        return len(self.calls) * self.listing.tokens

    @property
    def requests(self) -> int:
        return len(self.calls)


@dataclass(frozen=True)
class Children:
    """One listing for the parents that *walk* yields, *chunk* of them in a call; *column* names the parent.
    Or look-ups of the records that those of *walk* name.

    calls   what is asked for each parent
    keys    columns of the walked records that hold a parent's id, which goes into the path's placeholder or
            into the parameter *param*
    limits  those that the query can keep
    count   the column of the walked records that says how many rows hang on a parent: none is asked for
            where it is 0
    saving  what it would be worth to trust such a column, as EXPLAIN shows it
    """

    listing: Listing | Get
    walk: ScanPlan
    column: str
    keys: tuple[Column, ...]
    calls: tuple[Call, ...]
    param: str = ""
    chunk: int = 1
    calls_expected: int = 1
    limits: Range | None = None
    count: Column | None = None
    saving: str = ""

    @property
    def tokens(self) -> int:
        return self.walk.tokens + self.calls_expected * self.listing.tokens

    @property
    def requests(self) -> int:
        return self.walk.requests + self.calls_expected


@dataclass(frozen=True)
class Walk:
    """Parents that are read for their children: *parents* are expected, whose ids stand in columns *keys*.

    count      the column that says how many children one has, where it is trusted
    untrusted  the same where it is not
    with_any   how many parents had children when that was last seen, None where it never was
    """

    plan: ScanPlan
    keys: tuple[Column, ...]
    parents: int
    count: Column | None = None
    untrusted: str = ""
    with_any: int | None = None

    def saving(self, tokens: int, chunk: int) -> str:
        """What it would be worth to trust the count; *tokens* are the price of a call for *chunk* parents."""
        if not self.untrusted:
            return ""
        saying = f"trust_counts 'true' asks only those whose {self.untrusted} is not 0"
        if self.with_any is None:
            return saying
        spared = math.ceil(self.parents / chunk) - math.ceil(self.with_any / chunk)
        return f"{saying}: {max(spared, 0) * tokens} tokens less" if spared > 0 else ""


Step = Union[Lists, Gets, Batches, Children]


class RowRequests(NamedTuple):
    """Requests for what the rows show beyond their records, which are made unless it is remembered.

    text, price  as EXPLAIN shows them
    tokens       expected for all rows of the scan
    """

    text: str
    price: str
    tokens: int


class Candidate(NamedTuple):
    """One legal way to answer.

    used     the columns whose conditions it sends
    ordered  whether it keeps the promised order
    risk     tokens that it may need at the worst beyond those expected
    """

    steps: tuple[Step, ...]
    used: frozenset[str]
    ordered: bool
    risk: int = 0

    @property
    def tokens(self) -> int:
        return sum(step.tokens for step in self.steps)

    @property
    def requests(self) -> int:
        return sum(step.requests for step in self.steps)


class ScanPlan(NamedTuple):
    """How one scan is answered.

    steps     together they give every row that the quals can keep; no row twice
    order     the order that was promised to PostgreSQL
    streamed  every step already gives that order: they are merged page by page; otherwise all rows
              are gathered and sorted here
    where     (column, value) that a record must have, besides what PostgreSQL rechecks
    pushed, rechecked  the quals as text
    extended  columns that cost a request for each row
    limit     the number of rows to give, where PostgreSQL leaves that to the scan
    row_requests  requests for what the rows show beyond their records, such as extended columns
    """

    table: Table
    steps: tuple[Step, ...]
    order: tuple[Order, ...] = ()
    streamed: bool = True
    where: tuple[tuple[str, Any], ...] = ()
    pushed: tuple[str, ...] = ()
    rechecked: tuple[str, ...] = ()
    extended: tuple[str, ...] = ()
    limit: int | None = None
    row_requests: tuple[RowRequests, ...] = ()

    @property
    def tokens(self) -> int:
        """Expected tokens of the whole scan."""
        return sum(step.tokens for step in self.steps) + sum(more.tokens for more in self.row_requests)

    @property
    def requests(self) -> int:
        """Expected requests of the steps."""
        return sum(step.requests for step in self.steps)


def meets_twice(plan: ScanPlan) -> bool:
    """True if a record can be met again: one that is archived or moved to another stage while the lists are
    read stands in two of them, one that is changed moves within a list by anything but ids, and an answer may
    show another record than it was asked for. Under several saved filters it is a row of each."""
    table = plan.table
    # The rows of a nested table stand in records that its first key column names
    key = table.column(table.key[0]) if len(table.key) == 1 or (table.nested and table.key) else None
    if key is None or key.echo:
        return False
    calls = [call for step in plan.steps if not isinstance(step, Children) for call in step.calls]
    again = len(calls) != 1 or isinstance(plan.steps[0], Batches) or any(o.column != "id" for o in plan.order)
    selects = {column.name for column in table.columns if column.echo}
    return again and not any(selects & call.echo.keys() for call in calls)
