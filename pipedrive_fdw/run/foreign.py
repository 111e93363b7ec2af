"""A foreign table at work: Multicorn's quals and columns in, rows, sizes, sort keys and EXPLAIN lines out.

Knows the shapes that Multicorn passes but imports nothing of it, so that it runs in tests without
PostgreSQL. One object serves all scans of a table in a backend, several at once; what belongs to one scan
stays in its generator.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Callable

from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.catalog.model import OFFSET
from pipedrive_fdw.errors import PipedriveError, PlanError
from pipedrive_fdw.options import Options, base_url, with_session
from pipedrive_fdw.plan.calls import Settings
from pipedrive_fdw.plan.explain import explain_actual, explain_plan
from pipedrive_fdw.plan.paths import Order, ScanPlan
from pipedrive_fdw.plan.predicates import Predicates, Qual, normalise
from pipedrive_fdw.plan.scan import plan_scan
from pipedrive_fdw.plan.sizes import is_known
from pipedrive_fdw.run.account import session_for
from pipedrive_fdw.run.asked import Asked, Ledger, Loop, SortKey
from pipedrive_fdw.run.backend import (
    counts_only,
    setting,
    sorts_whole_rows,
    statement_mark,
    statement_text,
)
from pipedrive_fdw.run.bind import ColumnDefinition, bind, table_named
from pipedrive_fdw.run.counts import Counts
from pipedrive_fdw.run.extended import Extension
from pipedrive_fdw.run.fields import FieldLookups, labels_note, lookups_for_rows
from pipedrive_fdw.run.further import further, related_fields, sent_part
from pipedrive_fdw.run.modify import Writer
from pipedrive_fdw.run.planner import PLANNER
from pipedrive_fdw.run.procedures import CATALOGUE, REQUEST, CatalogueTable, RequestTable
from pipedrive_fdw.run.rows import Row, RowMaker, has_values
from pipedrive_fdw.run.scan import scan_rows
from pipedrive_fdw.run.session import Guards, Work
from pipedrive_fdw.run.sizes import Sizes, aheads_of, keys_of, rows_name
from pipedrive_fdw.run.together import PLANNED
from pipedrive_fdw.run.transaction import TRANSACTION, sentences

_WIDTHS = {"jsonb": 120, "text": 40, "uuid": 36, "text[]": 60, "bigint[]": 24}
# How many remembered pages a look-up may be answered from: reading them again takes time.
_FEW_PAGES = 4
# Types that Pipedrive orders as PostgreSQL does.
_EXACT = frozenset(("bigint", "numeric", "timestamptz", "date"))
# How Multicorn says that a sort names no collation.
_NO_COLLATION = (None, "", "default")


class ForeignTable:
    """One foreign table in this backend."""

    def __init__(self, options: Options, columns: Mapping[str, ColumnDefinition]) -> None:
        self.options = options
        self._catalogue = tables_of(options["api_version"])
        self.table = table_named(options["table"], self._catalogue)
        self.binding = bind(self.table, columns)
        self._every = RowMaker(self.binding)
        # What a write answers or reads again is shown as far as it can be
        self.maker = self._every.forgiving(self.binding.names)
        self._names = {b.name: b.column.name for b in self.binding.columns}
        # Only a column whose declared type compares as the catalogue's does can be pushed or sorted by.
        self._comparable = {
            b.column.name: b.codec
            for b in self.binding.columns
            if b.codec.name == b.column.type
            and columns[b.name].base_type_name not in ("citext", "character", "bpchar", "real", "float4")
        }
        self._never_null = frozenset(c.name for c in self.table.columns if c.not_null)
        self._ledger = Ledger()
        self._counts = Counts(options)
        self._account = base_url(options)
        self._sizes = Sizes(self.table, self._account)
        self._sure: _Sure | None = None

    # ---- planning

    def predicates(self, quals: Sequence[Qual]) -> Predicates:
        renamed = [_Renamed(self._names.get(q.field_name, q.field_name), q.operator, q.value) for q in quals]
        return normalise(renamed, self._comparable, self._never_null)

    def plan(self, asked: Asked, explained: bool = False) -> ScanPlan:
        order = tuple(Order(self._names[k.attname], k.is_reversed) for k in asked.sortkeys)
        predicates = self.predicates(asked.quals)
        settings = replace(self._settings_for(asked.columns), shared=PLANNED.shared(self._account))
        plan = plan_scan(
            self.table,
            predicates,
            self._named(asked.columns),
            order,
            asked.limit,
            asked.offset,
            replace(settings, explained=explained),
        )
        return self._completed(plan, asked, predicates)

    def _completed(self, plan: ScanPlan, asked: Asked, predicates: Predicates) -> ScanPlan:
        """*plan* with what the rows show beyond their records, as far as the query needs it."""
        if not plan.extended and not self.options["expand_related"]:
            return plan
        options = with_session(self.options, setting)
        counted = self._only_counted(asked)
        suppressed = options["suppress_extended_requests"] and not self.writer.follows
        extended = () if suppressed or counted else plan.extended
        fields = [] if counted else related_fields(self.binding, asked.columns, options)
        plan = replace(plan, extended=extended)
        if not extended and not fields:
            return plan
        rows = self._sizes.expected(sent_part(plan, predicates), self._settings())
        if plan.limit is not None:
            rows = min(rows, plan.limit + plan.offset)
        return replace(plan, further=tuple(further(plan, fields, rows, self._counts.known())))

    def _named(self, columns: Iterable[str]) -> frozenset[str]:
        """The foreign table's *columns* as the catalogue calls them."""
        return frozenset(self._names.get(c, c) for c in columns)

    def _settings_for(self, columns: Iterable[str]) -> Settings:
        named = self._named(columns)
        narrow = self.options["narrow"] and named and not self.writer.follows
        return self._narrowed(named) if narrow else self._settings()

    def _settings(self) -> Settings:
        options = self.options
        return Settings(
            self._catalogue,
            options["page_size"],
            options["rows"],
            self._counts.known(),
            options["archived"],
            labels=self.binding.labelled,
        )

    def _narrowed(self, named: frozenset[str]) -> Settings:
        """The settings under the option narrow: what *named* columns need, and no more."""
        if ATTRS.name in named:
            return self._settings()
        keys, labels = self.binding.needed(named)
        custom = None if "custom_fields" in named else keys
        return replace(self._settings(), labels=labels, named=named, custom=custom)

    def size(self, quals: Sequence[Qual], columns: Iterable[str]) -> tuple[int, int]:
        """(rows expected, bytes of a row) for PostgreSQL's planner."""
        predicates = self.predicates(quals)
        self._note(predicates)
        PLANNED.note(self._account, self.table, self._settings_for(columns))
        width = (
            sum(_WIDTHS.get(b.codec.name, 8) for b in self.binding.columns if b.name in set(columns)) or 100
        )
        return self._sizes.expected(predicates, self._settings()), width

    def _note(self, predicates: Predicates) -> None:
        """Keeps what is sure of every scan of this table that the statement plans, for ``sortable``."""
        mark = statement_mark()
        not_null, equal = predicates.not_null, frozenset(predicates.equal)
        if self._sure is not None and self._sure.mark == mark:
            not_null, equal = not_null & self._sure.not_null, equal & self._sure.equal
        self._sure = _Sure(mark, not_null, equal)

    def path_keys(self) -> list[tuple[tuple[str, ...], int]]:
        """Columns by which a join can look rows up, with the rows that one value gives.

        Raises PlanError for a sort by whole rows: Multicorn, which goes on to look at it, would crash.
        """
        if sorts_whole_rows(statement_text(), self.table.name):
            raise PlanError(
                f"whole rows of {self.table.name} cannot be sorted, grouped or made distinct",
                hint="Name the columns: ORDER BY t.id, GROUP BY t.id, SELECT DISTINCT t.*",
            )
        if self.table.local:
            return []
        shown = {b.column.name: b.name for b in self.binding.columns}
        return [
            (tuple(shown[name] for name in columns), rows)
            for columns, rows in self._sizes.look_ups(frozenset(shown), self._settings())
        ]

    def sortable(self, sortkeys: Sequence[SortKey]) -> list[SortKey]:
        """The prefix of *sortkeys* whose order the API gives exactly."""
        sure = self._sure
        if sure is None or sure.mark != statement_mark():
            sure = _Sure(None, frozenset(), frozenset())
        parent = self.table.parent
        if self.table.nested or (parent is not None and parent.column not in sure.equal):
            return []  # all rows would have to be gathered here
        claimed: list[SortKey] = []
        for key in sortkeys:
            name = self._names.get(key.attname, "")
            if name not in self._comparable or not (name in self._never_null or name in sure.not_null):
                break
            listings = self.table.listings
            if not listings or any(name not in listing.sorts for listing in listings):
                break
            if claimed and any(listing.paging != OFFSET for listing in listings):
                break  # version 2 takes one key
            declared = self.table.column(name)
            kind = declared.type if declared is not None else ""
            if kind not in _EXACT and not (kind == "text" and self._by_their_collation):
                break
            if kind == "text" and not (key.collate in _NO_COLLATION and PLANNER.expect_text_order()):
                break
            claimed.append(key)
        return claimed

    @property
    def _by_their_collation(self) -> bool:
        """Whether the user lets Pipedrive sort text, and one list gives all of it."""
        return len(self.table.listings) == 1 and bool(self.options["push_text_sort"])

    def limitable(self, limit: int | None) -> bool:
        """Whether a LIMIT without any WHERE can be left to the scan (Multicorn2 asks only then)."""
        return limit is None or limit >= 0

    # ---- running

    def scan(self, loop: Loop) -> Generator[Row, None, None]:
        """The rows of one scan, counted in *loop*; closing the generator ends its requests."""
        asked = loop.asked
        self._ledger.begin(loop)
        if self.table.local:
            yield from self.maker.rows([session_for(self.options).usage()], {})
            return
        plan = self.plan(asked)
        if not plan.steps:
            return
        options = with_session(self.options, setting)
        # What is to be changed is read afresh
        follows = self.writer.follows
        work = self._work(options, self._advice(asked), plan.tokens, 0 if follows else options["cache_ttl"])
        if plan.pushed and not plan.extended and not follows:
            plan = self._cheaper_whole(plan, asked, work)
        loop.spent = work.spent
        whole = not asked.quals and asked.limit is None and not asked.offset
        try:
            # What a change sends back must be as it is now
            extension = Extension(plan.extended, 0 if follows else options["extended_cache_ttl"])
            look = self._lookups(asked, work, options)
            shows = PLANNED.offered(self._account)
            rows = scan_rows(plan, self._maker_for(asked), work, extension, look, shows)
            if follows:
                rows = self.writer.kept(rows, asked.columns, self._admits(asked))
            for row in rows:
                loop.rows += 1
                yield row
            if whole:
                work.sizes[rows_name(self.table, options["archived"])] = loop.rows
        except PipedriveError as error:
            error.detail = sentences(error.detail, TRANSACTION.statement_report())
            raise
        finally:
            self._counts.put(work.sizes)
            if plan.pushed:
                work.session.company.looked_up(self.table.name, work.spent.tokens)

    def _cheaper_whole(self, plan: ScanPlan, asked: Asked, work: Work) -> ScanPlan:
        """*plan*, or once the statement's look-ups in this table have cost as much as all of it, that of the
        whole table: it is read once, remembered, and every further look-up is free."""
        spent = work.session.company.looked_up(self.table.name)
        named = {self._names.get(qual.field_name) for qual in asked.quals}
        selects = any(column.echo and column.name in named for column in self.table.columns)
        if (
            not spent
            or self.table.parent is not None
            or selects
            or not is_known(self.table, self._settings())
        ):
            return plan
        whole = self.plan(Asked((), asked.columns, asked.sortkeys))
        return whole if whole.requests <= _FEW_PAGES and spent >= whole.tokens else plan

    def _admits(self, asked: Asked) -> Callable[[Row], bool] | None:
        """Whether a row has the values that *asked* wants; None where its rows have an order or a limit."""
        if asked.sortkeys or asked.limit is not None:
            return None
        return has_values(self.binding, self.predicates(asked.quals).equal)

    def _work(self, options: Options, advice: str = "", expected: int = 0, cache_ttl: float = 0) -> Work:
        guards = Guards(options["max_tokens_per_query"], options["reserve_tokens"], advice, expected)
        return session_for(options).work(guards, cache_ttl)

    # ---- what writing needs

    @cached_property
    def writer(self) -> Writer:
        return Writer(self)

    def begin_work(self) -> Work:
        return self._work(with_session(self.options, setting))

    def find(self, keys: Mapping[str, Any]) -> Row | None:
        """The row with these canonical values of its key columns, read afresh; None when it is gone."""
        equal = {name: (value,) for name, value in keys.items()}
        plan = plan_scan(self.table, Predicates(equal=equal), frozenset(), settings=self._settings())
        wanted = has_values(self.binding, equal)
        extension = Extension(plan.extended, 0)
        work = self.begin_work()
        maker = self.maker.for_writes(self.binding.names)
        for row in scan_rows(plan, maker, work, extension, self.lookups(work)):
            if wanted(row):
                return row
        return None

    # ---- what a scan shows

    def _maker_for(self, asked: Asked) -> RowMaker:
        """attrs repeats the whole record: it is filled when it is named, when nothing is, for an UPDATE."""
        if self.writer.follows:
            self.binding.hidden.scan(asked.columns)
            return self._every.for_writes(self._unneeded(asked))
        unused = not self._attrs & asked.columns if asked.columns else self._only_counted(asked)
        return (self._lean_maker if unused else self._every).forgiving(self._unneeded(asked))

    @cached_property
    def _attrs(self) -> frozenset[str]:
        return frozenset(b.name for b in self.binding.columns if b.column is ATTRS)

    @cached_property
    def _lean_maker(self) -> RowMaker:
        return RowMaker(self.binding, self.binding.names - self._attrs)

    @cached_property
    def _fixed(self) -> frozenset[str]:
        """The columns that no UPDATE can set."""
        bound = (b for b in self.binding.columns if b.custom is None and not b.column.update)
        return frozenset(b.name for b in bound if b.column.name not in self.table.instead)

    def _unneeded(self, asked: Asked) -> frozenset[str]:
        """The columns whose odd values are no error: the query does not use them, or odd_values is 'null'."""
        every, used = self.binding.names, asked.columns
        if self.options["odd_values"] == "null":
            return every
        if not used and not self._only_counted(asked):
            return frozenset()  # whole rows
        if self.writer.follows and used >= self._fixed:  # an UPDATE names all that it carries over
            used = frozenset(qual.field_name for qual in asked.quals)
        return every - used

    def lookups(self, work: Work) -> FieldLookups:
        """Labels of options, for values to be written and for the rows that a write returns."""
        return FieldLookups(work, self.table.custom_fields, self.options)

    def _lookups(self, asked: Asked, work: Work, options: Options) -> FieldLookups | None:
        if self._only_counted(asked):
            return None
        return lookups_for_rows(self.binding, asked.columns, work, options)

    def _only_counted(self, asked: Asked) -> bool:
        """Whether no column and no whole row is used: a bare count(*), which needs no extended field."""
        return not asked.columns and counts_only(statement_text(), self.table.name)

    def _advice(self, asked: Asked) -> str:
        """What to add to the WHERE: the columns by which less would be asked for."""
        used = {self._names.get(q.field_name) for q in asked.quals}
        names = {f.column for li in self.table.listings for f in li.filters if not f.alone}
        names.update(*(li.placeholders for li in self.table.listings))
        if self.table.get is not None and self.table.get.lookup:
            names.update(self.table.get.placeholders)
        shown = [b.name for b in self.binding.columns if b.column.name in names - used]
        return f"Add a condition on {', '.join(shown)} to the WHERE. " if shown else ""

    def explain(self, asked: Asked, verbose: bool) -> Iterator[str]:
        """Lines of EXPLAIN, and under ANALYZE, where it is called after the scan, what the scan used."""
        if self.table.local:
            yield "No request: known here"
            return
        plan = self.plan(asked, explained=True)
        yield from explain_plan(plan, verbose)
        if not self._only_counted(asked):
            yield from labels_note(plan, self.binding, asked.columns, self.options)
        late = asked.late_keys(self._keys_named)
        if late:
            yield "0 stands for a value that is known when the query runs"
            if any(PLANNED.supplies(self._account, ahead.target, self.table) for ahead in aheads_of(plan)):
                yield "With it go the next keys that the statement has read, where they cost less together"
        used = self._ledger.take(asked)
        if used is not None:
            yield from explain_actual(*used)

    @cached_property
    def _keys_named(self) -> frozenset[str]:
        """Names of the foreign table's columns by which a join can look rows up."""
        keys = {name for columns in keys_of(self.table) for name in columns}
        return frozenset(b.name for b in self.binding.columns if b.column.name in keys)


def open_table(options: Options, columns: Mapping[str, ColumnDefinition]) -> Any:
    """What serves the foreign table of *options*: one of Pipedrive's tables, or one of the extension's."""
    if options["table"] == REQUEST:
        return RequestTable(options)
    if options["table"] == CATALOGUE:
        return CatalogueTable(options)
    return ForeignTable(options, columns)


@dataclass(frozen=True)
class _Sure:
    """What holds in every scan of a table that the statement of *mark* plans: columns that are not empty,
    columns that have one of some values."""

    mark: Any
    not_null: frozenset[str]
    equal: frozenset[str]


class _Renamed:
    """A qual under the catalogue's column name."""

    def __init__(self, field_name: str, operator: Any, value: Any) -> None:
        self.field_name, self.operator, self.value = field_name, operator, value
