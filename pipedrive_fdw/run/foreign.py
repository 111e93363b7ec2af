"""A foreign table at work: Multicorn's quals and columns in, rows, sizes, sort keys and EXPLAIN lines out.

Knows the shapes that Multicorn passes but imports nothing of it, so that it runs in tests without
PostgreSQL. One object serves all scans of a table in a backend, several at once; what belongs to one scan
stays in its generator.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pipedrive_fdw.api.client import Spent
from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.codec import Codec, codec_for
from pipedrive_fdw.errors import OptionError
from pipedrive_fdw.options import Options, with_session
from pipedrive_fdw.plan.explain import explain_actual, explain_plan
from pipedrive_fdw.plan.paths import Order, ScanPlan
from pipedrive_fdw.plan.predicates import Predicates, Qual, normalise
from pipedrive_fdw.plan.scan import Settings, plan_scan
from pipedrive_fdw.run.account import session_for
from pipedrive_fdw.run.backend import counts_only, setting, statement_text
from pipedrive_fdw.run.rows import Binding, BoundColumn, Row, RowMaker
from pipedrive_fdw.run.scan import Extension, scan_rows
from pipedrive_fdw.run.session import Guards

_WIDTHS = {"jsonb": 120, "text": 40, "uuid": 36, "text[]": 60, "bigint[]": 24}
_REMEMBERED_SCANS = 32


class ColumnDefinition(Protocol):
    column_name: str
    type_name: str
    base_type_name: str
    options: Mapping[str, str]


class SortKey(Protocol):
    attname: str
    is_reversed: bool
    nulls_first: bool
    collate: str | None


def table_named(name: str) -> Table:
    """Raises OptionError for a table that the catalogue has not."""
    if not name:
        raise OptionError(
            "the foreign table names no table of Pipedrive",
            hint="Add OPTIONS (table 'deals'), or use IMPORT FOREIGN SCHEMA.",
        )
    try:
        return TABLES[name]
    except KeyError:
        raise OptionError(
            f'Pipedrive has no table "{name}"', hint=f"The tables are: {', '.join(sorted(TABLES))}."
        ) from None


def bind(table: Table, columns: Mapping[str, ColumnDefinition]) -> Binding:
    """The declarations behind the columns of the foreign table, in their order.

    Raises OptionError for a column or a type that cannot be served.
    """
    bound = []
    for name, definition in columns.items():
        source = definition.options.get("column", name) if definition.options else name
        column = ATTRS if source == ATTRS.name else table.column(source)
        if column is None:
            known = ", ".join(c.name for c in table.columns)
            raise OptionError(
                f'table {table.name} has no column "{source}"', hint=f"Its columns are: {known}."
            )
        bound.append(BoundColumn(name, _codec(table, definition), column))
    return Binding(table, tuple(bound))


def _codec(table: Table, definition: ColumnDefinition) -> Codec:
    try:
        return codec_for(definition.base_type_name or definition.type_name)
    except ValueError as error:
        raise OptionError(f"column {definition.column_name} of {table.name}: {error}") from None


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

    def _signature(self) -> Any:
        return (
            [(q.field_name, q.operator, repr(q.value)) for q in self.quals],
            self.columns,
            [(k.attname, k.is_reversed) for k in self.sortkeys],
            self.limit,
            self.offset,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Asked) and self._signature() == other._signature()

    __hash__ = None  # type: ignore[assignment]


@dataclass(eq=False)
class _Done:
    """A scan that has ended: what was asked, what it used, the rows it gave."""

    asked: Asked
    spent: Spent
    rows: int


class ForeignTable:
    """One foreign table in this backend."""

    def __init__(self, options: Options, columns: Mapping[str, ColumnDefinition]) -> None:
        self.options = options
        self.table = table_named(options["table"])
        self.binding = bind(self.table, columns)
        self._maker = RowMaker(self.binding)
        self._names = {b.name: b.column.name for b in self.binding.columns}
        # Only a column whose declared type compares as the catalogue's does can be pushed or sorted by.
        self._comparable = {
            b.column.name: b.codec
            for b in self.binding.columns
            if columns[b.name].base_type_name not in ("citext", "character", "bpchar", "real", "float4")
        }
        self._never_null = frozenset(c.name for c in self.table.columns if c.not_null)
        self._done: deque[_Done] = deque(maxlen=_REMEMBERED_SCANS)

    # ---- planning

    def predicates(self, quals: Sequence[Qual]) -> Predicates:
        renamed = [_Renamed(self._names.get(q.field_name, q.field_name), q.operator, q.value) for q in quals]
        return normalise(renamed, self._comparable, self._never_null)

    def plan(self, asked: Asked) -> ScanPlan:
        order = tuple(Order(self._names[k.attname], k.is_reversed, k.nulls_first) for k in asked.sortkeys)
        named = frozenset(self._names.get(c, c) for c in asked.columns)
        return plan_scan(
            self.table,
            self.predicates(asked.quals),
            named,
            order,
            asked.limit,
            asked.offset,
            self._settings(),
        )

    def _settings(self) -> Settings:
        return Settings(TABLES, self.options["page_size"], self.options["rows"], self.options["archived"])

    def size(self, quals: Sequence[Qual], columns: Iterable[str]) -> tuple[int, int]:
        """(rows expected, bytes of a row) for PostgreSQL's planner."""
        predicates = self.predicates(quals)
        width = (
            sum(_WIDTHS.get(b.codec.name, 8) for b in self.binding.columns if b.name in set(columns)) or 100
        )
        if predicates.impossible:
            return 1, width
        total = self.options["rows"]
        rows = float(self.table.rows if total is None else total)
        if set(self.table.key) <= set(predicates.equal):
            for key in self.table.key:
                rows = min(rows, len(predicates.equal[key]))
            return max(int(rows), 1), width
        for column, values in predicates.equal.items():
            shares = [f.share for li in self.table.listings for f in li.filters if f.column == column]
            rows *= min(1.0, (min(shares) if shares else 0.1) * len(values))
        for _ in predicates.ranges:
            rows *= 0.33
        return max(int(rows), 1), width

    def path_keys(self) -> list[tuple[tuple[str, ...], int]]:
        """Columns by which a join can look rows up, with the rows that one value gives."""
        shown = {b.column.name: b.name for b in self.binding.columns}
        total = self.options["rows"]
        rows = self.table.rows if total is None else total
        keys: list[tuple[tuple[str, ...], int]] = []
        get = self.table.get
        if get is not None and all(p in shown for p in get.placeholders):
            keys.append((tuple(shown[p] for p in get.placeholders), 1))
        for listing in self.table.listings:
            for filt in listing.filters:
                if filt.shape in ("eq", "in") and filt.column in shown and not filt.alone:
                    expected = 1 if (filt.column,) == self.table.key else max(int(rows * filt.share), 1)
                    entry = ((shown[filt.column],), expected)
                    if not filt.values and entry[0] not in [k for k, _ in keys]:
                        keys.append(entry)
            for name in listing.placeholders:
                if name in shown and (shown[name],) not in [k for k, _ in keys]:
                    keys.append(((shown[name],), max(int(rows * 0.001), 1)))
        return keys

    def sortable(self, sortkeys: Sequence[SortKey]) -> list[SortKey]:
        """The prefix of *sortkeys* whose order the API gives exactly."""
        claimed: list[SortKey] = []
        for key in sortkeys:
            name = self._names.get(key.attname, "")
            if claimed or name not in self._never_null or name not in self._comparable:
                break
            if self.table.nested or any(name not in li.sorts for li in self.table.listings):
                break
            column = self.table.column(name)
            if column is None or column.type not in ("bigint", "timestamptz", "date"):
                break
            claimed.append(key)
        return claimed

    def limitable(self, limit: int | None) -> bool:
        """Whether a LIMIT without any WHERE can be left to the scan (Multicorn2 asks only then)."""
        return limit is None or limit >= 0

    # ---- running

    def scan(self, asked: Asked) -> Generator[Row, None, None]:
        """The rows of one scan; closing the generator ends its requests."""
        plan = self.plan(asked)
        if not plan.steps:
            self._done.append(_Done(asked, Spent(), 0))
            return
        options = with_session(self.options, setting)
        session = session_for(options)
        work = session.work(
            Guards(options["max_tokens_per_query"], options["reserve_tokens"], self._advice(asked))
        )
        names = () if options["suppress_extended_requests"] or self._only_counted(asked) else plan.extended
        count = 0
        try:
            extension = Extension(names, options["extended_cache_ttl"])
            for row in scan_rows(plan, self._maker, work, extension):
                count += 1
                yield row
        finally:
            self._done.append(_Done(asked, work.spent, count))

    @staticmethod
    def _only_counted(asked: Asked) -> bool:
        """Whether no column and no whole row is used: a bare count(*), which needs no extended field."""
        return not asked.columns and counts_only(statement_text())

    def _advice(self, asked: Asked) -> str:
        used = {self._names.get(q.field_name) for q in asked.quals}
        filters = [f for li in self.table.listings for f in li.filters if not f.alone]
        names = dict.fromkeys(f.column for f in filters if f.column not in used)
        shown = [b.name for b in self.binding.columns if b.column.name in names]
        return f"Add a condition on {', '.join(shown)} to the WHERE. " if shown else ""

    def explain(self, asked: Asked, verbose: bool) -> Iterator[str]:
        """Lines of EXPLAIN, and under ANALYZE, where it is called after the scan, what the scan used."""
        yield from explain_plan(self.plan(asked), verbose)
        for done in self._done:
            if done.asked == asked:
                self._done.remove(done)
                yield from explain_actual(done.spent, done.rows)
                return


class _Renamed:
    """A qual under the catalogue's column name."""

    def __init__(self, field_name: str, operator: Any, value: Any) -> None:
        self.field_name, self.operator, self.value = field_name, operator, value
