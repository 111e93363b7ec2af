"""A foreign table at work: what the planner asks, rows, lines of EXPLAIN.

One object serves all scans of a table in a backend, several at once; what belongs to one scan stays in its
generator.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, Callable

from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.catalog.model import OFFSET
from pipedrive_fdw.errors import PipedriveError, PlanError, sentences
from pipedrive_fdw.options import Options, account_identity, base_url, with_session
from pipedrive_fdw.plan.calls import Settings, is_known
from pipedrive_fdw.plan.conditions import Condition, RuntimeValue
from pipedrive_fdw.plan.explain import explain_actual, explain_plan
from pipedrive_fdw.plan.paths import Order, ScanPlan
from pipedrive_fdw.plan.predicates import Predicates, normalise
from pipedrive_fdw.plan.scan import plan_scan
from pipedrive_fdw.postgres.settings import setting
from pipedrive_fdw.postgres.write_log import write_log
from pipedrive_fdw.read.executor import scan_rows
from pipedrive_fdw.read.extended_columns import Extension
from pipedrive_fdw.read.extra_requests import further, related_fields, sent_part
from pipedrive_fdw.read.field_lookups import FieldLookups, labels_note, lookups_for_rows
from pipedrive_fdw.read.ledger import LEDGER, Use
from pipedrive_fdw.read.order import row_key
from pipedrive_fdw.session.account_sessions import session_for
from pipedrive_fdw.session.counts import Counts
from pipedrive_fdw.session.guards import Guards
from pipedrive_fdw.session.work import Work
from pipedrive_fdw.table.binding import ColumnDefinition, bind, has_values, table_named
from pipedrive_fdw.table.records import Row
from pipedrive_fdw.table.row_maker import RowMaker
from pipedrive_fdw.table.scan_request import ScanRequest
from pipedrive_fdw.table.sizes import Sizes, aheads_of, rows_name
from pipedrive_fdw.table.statement_tables import STATEMENT_TABLES
from pipedrive_fdw.values.codec import CODECS, bare_type
from pipedrive_fdw.write.transaction import TRANSACTION
from pipedrive_fdw.write.writer import Writer

_WIDTHS = {"jsonb": 120, "text": 40, "uuid": 36, "text[]": 60, "bigint[]": 24}
# How many remembered pages a look-up may be answered from: reading them again takes time.
_FEW_PAGES = 4
# Types that Pipedrive orders as PostgreSQL does.
_EXACT = frozenset(("bigint", "numeric", "timestamptz", "date"))
# Types of PostgreSQL that compare in another way than the codec that serves them.
_OTHER_COMPARISON = ("citext", "character", "bpchar", "real", "float4")
# Sets of columns for which the functions that make rows are kept.
_ROW_MAKERS = 16


class ForeignTable:
    """One foreign table in this backend."""

    def __init__(self, options: Options, columns: Mapping[str, ColumnDefinition]) -> None:
        self.options = options
        self._catalogue = tables_of(options["api_version"])
        self.table = table_named(options["table"], self._catalogue)
        self.binding = bind(self.table, columns)
        # What a write answers or reads again is shown as far as it can be
        self.maker = RowMaker(self.binding).forgiving(self.binding.names)
        self._names = {b.name: b.column.name for b in self.binding.columns}
        # Only a column whose declared type compares as the catalogue's does can be pushed or sorted by.
        self._comparable = {
            b.column.name: b.codec
            for b in self.binding.columns
            if b.codec.name == b.column.type
            and bare_type(columns[b.name].base_type_name) not in _OTHER_COMPARISON
        }
        self._never_null = frozenset(c.name for c in self.table.columns if c.not_null)
        types = {c.name: c.type for c in self.table.columns}
        several = len(self.table.key) > 1
        self._joined_key = {name: CODECS[types[name]] for name in self.table.key if several}
        self._counts = Counts(options)
        self._account = base_url(options)
        self.identity = (*account_identity(options), self.table.name)
        self._sizes = Sizes(self.table, self._account)
        self._maker_of = lru_cache(_ROW_MAKERS)(self._make_maker)

    # ---- planning

    def predicates(self, request: ScanRequest) -> Predicates:
        conditions = [replace(c, column=self._names.get(c.column, c.column)) for c in request.conditions]
        zone = setting("TimeZone") or "UTC"
        return normalise(conditions, self._comparable, self._never_null, zone, self._joined_key)

    def plan(self, request: ScanRequest) -> ScanPlan:
        order = tuple(Order(self._names[key.column], key.descending) for key in request.order)
        predicates = self.predicates(request)
        settings = replace(self._settings_for(request), shared=STATEMENT_TABLES.shared(self._account))
        shown = self._shown(request) if not request.only_counts else frozenset(("",))
        plan = plan_scan(self.table, predicates, shown, order, request.limit, settings=settings)
        return self._completed(plan, request, predicates)

    def _completed(self, plan: ScanPlan, request: ScanRequest, predicates: Predicates) -> ScanPlan:
        """*plan* with what the rows show beyond their records, as far as the query needs it."""
        if not plan.extended and not self.options["expand_related"]:
            return plan
        options = with_session(self.options, setting)
        suppressed = options["suppress_extended_requests"] and not request.target
        extended = () if suppressed else plan.extended
        fields = related_fields(self.binding, self._filled(request), options)
        plan = replace(plan, extended=extended)
        if not extended and not fields:
            return plan
        rows = self._sizes.expected(sent_part(plan, predicates), self._settings())
        if plan.limit is not None:
            rows = min(rows, plan.limit)
        return replace(plan, further=tuple(further(plan, fields, rows, self._counts.known())))

    def _filled(self, request: ScanRequest) -> frozenset[str]:
        """The foreign table's columns that rows of *request* are to have values in.

        A row that is to be changed has all but extended ones, which cost a request each.
        """
        if request.whole:
            return frozenset(self._names)
        if not request.target:
            return request.columns
        return request.columns | {b.name for b in self.binding.columns if not b.column.extended}

    def _shown(self, request: ScanRequest) -> frozenset[str]:
        """The same as the catalogue calls them."""
        return frozenset(self._names.get(c, c) for c in self._filled(request))

    def _settings_for(self, request: ScanRequest) -> Settings:
        """What the columns of *request* need of the records, and no more."""
        named = self._shown(request)
        if ATTRS.name in named:
            return self._settings()
        keys, labels = self.binding.needed(named)
        custom = None if "custom_fields" in named else keys
        return replace(self._settings(), labels=labels, named=named, custom=custom)

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

    def size(self, request: ScanRequest) -> tuple[int, int, int]:
        """(rows expected, bytes of a row, how many keys of the order wanted can be given)."""
        predicates = self.predicates(request)
        self.note(request)
        rows = self._sizes.expected(predicates, self._settings())
        return rows, self._width(request), self._sortable(request, predicates)

    def _width(self, request: ScanRequest) -> int:
        filled = self._filled(request)
        return sum(_WIDTHS.get(b.codec.name, 8) for b in self.binding.columns if b.name in filled) or 8

    def note(self, request: ScanRequest) -> None:
        """*request* belongs to the statement, whose scans send the same requests where they can."""
        if not self.table.local:
            STATEMENT_TABLES.note(self._account, self.table, self._settings_for(request))

    def look_up_size(self, request: ScanRequest, joins: Sequence[Condition]) -> tuple[int, int, int] | None:
        """size() of a look-up by the values that *joins* give; None where they name no key."""
        if self.table.local:
            return None
        given = frozenset(self.predicates(replace(request, conditions=tuple(joins))).equal)
        shown = frozenset(b.column.name for b in self.binding.columns)
        keys = self._sizes.look_ups(shown, self._settings())
        rows = [rows for columns, rows in keys if given.issuperset(columns)]
        return (min(rows), self._width(request), 0) if rows else None

    def _sortable(self, request: ScanRequest, predicates: Predicates) -> int:
        """How many keys of the order of *request*, from the first on, the API gives exactly."""
        parent = self.table.parent
        if self.table.nested or (parent is not None and parent.column not in predicates.equal):
            return 0  # all rows would have to be gathered here
        claimed = 0
        for key in request.order:
            name = self._names[key.column]
            if name not in self._comparable or name not in self._never_null | predicates.not_null:
                break
            listings = self.table.listings
            if not listings or any(name not in listing.sorts for listing in listings):
                break
            if claimed and any(listing.paging != OFFSET for listing in listings):
                break  # version 2 takes one key
            kind = self._comparable[name].name
            if kind not in _EXACT and not (kind == "text" and self._by_their_collation):
                break
            claimed += 1
        return claimed

    @property
    def _by_their_collation(self) -> bool:
        """Whether the user lets Pipedrive sort text, and one list gives all of it."""
        return len(self.table.listings) == 1 and bool(self.options["push_text_sort"])

    # ---- running

    def scan(self, request: ScanRequest, number: int, command: int) -> Iterator[Row]:
        """The rows of one scan of *command*, counted under its *number*; closing the generator ends its
        requests."""
        use = LEDGER.of(number)
        if self.table.local:
            use.rows += 1
            return self.maker.rows([session_for(self.options).usage()], {})
        writer = self.writer
        if not writer.takes_part(command):
            return self._scan(request, use, None)
        if not writer.sees_other_rows(command, request.target):
            return writer.seen_by(command, self._scan(request, use, command), request)
        # Rows are added as they were, so that order and limit are a matter of this place
        whole = replace(request, order=(), limit=None)
        rows = writer.seen_by(command, self._scan(whole, use, command), whole)
        return iter(sorted(rows, key=row_key(request.order, self.binding))) if request.order else rows

    def _scan(self, request: ScanRequest, use: Use, command: int | None) -> Generator[Row, None, None]:
        """The rows of a scan, *command* if that writes the table."""
        plan = self.plan(request)
        if not plan.steps:
            return
        options = with_session(self.options, setting)
        # What is to be changed is read afresh
        fresh = request.target
        work = self._work(options, self._advice(request), plan.tokens, 0 if fresh else options["cache_ttl"])
        if plan.pushed and not plan.extended and not fresh:
            plan = self._cheaper_whole(plan, request, work)
        whole = not request.conditions and request.limit is None
        count = 0
        use.begin(work.spent)
        try:
            extension = Extension(plan.extended, 0 if fresh else options["extended_cache_ttl"])
            look = None if request.only_counts else self._lookups(request, work, options)
            shows = STATEMENT_TABLES.offered(self._account)
            maker = self._rows_maker(request, command, options)
            for row in scan_rows(plan, maker, work, extension, look, shows):
                count += 1
                use.rows += 1
                yield row
            if whole:
                work.sizes[rows_name(self.table, options["archived"])] = count
        except PipedriveError as error:
            error.detail = sentences(error.detail, TRANSACTION.statement_report())
            raise
        finally:
            self._counts.put(work.sizes)
            if plan.pushed:
                work.session.key_batches.looked_up(self.table.name, work.spent.tokens)

    def _rows_maker(self, request: ScanRequest, command: int | None, options: Options) -> RowMaker:
        """The maker of a scan's rows; *command* as in _scan()."""
        filled = self._filled(request)
        named = self.binding.names if request.whole else request.columns
        note = None
        if command is not None:
            filled |= self.writer.key_columns
            note = self.writer.hidden_of(command, named) if request.target else None
        forgiven = self.binding.names if options["odd_values"] == "null" else self.binding.names - named
        return self._maker_of(filled).forgiving(forgiven, note)

    def _cheaper_whole(self, plan: ScanPlan, request: ScanRequest, work: Work) -> ScanPlan:
        """*plan*, or once the statement's look-ups in this table have cost as much as all of it, that of the
        whole table: it is read once, remembered, and every further look-up is free."""
        spent = work.session.key_batches.looked_up(self.table.name)
        named = {self._names.get(c.column) for c in request.conditions}
        selects = any(column.echo and column.name in named for column in self.table.columns)
        if (
            not spent
            or self.table.parent is not None
            or selects
            or not is_known(self.table, self._settings())
        ):
            return plan
        whole = self.plan(request.unconditional())
        return whole if whole.requests <= _FEW_PAGES and spent >= whole.tokens else plan

    def admits(self, request: ScanRequest) -> Callable[[Row], bool]:
        """Whether a row has the values that *request* wants, as far as they are sent."""
        return has_values(self.binding, self.predicates(request).equal)

    def _work(self, options: Options, advice: str = "", expected: int = 0, cache_ttl: float = 0) -> Work:
        guards = Guards(options["max_tokens_per_query"], options["reserve_tokens"], advice, expected)
        return Work(session_for(options), guards, cache_ttl)

    # ---- what writing needs

    @cached_property
    def writer(self) -> Writer:
        return Writer(self)

    def begin_work(self) -> Work:
        work = self._work(with_session(self.options, setting))
        work.write_log = write_log(self.table.name) if self.options["log_writes"] else None
        return work

    def find(self, keys: Mapping[str, Any]) -> Row | None:
        """The row with these canonical values of its key columns, read afresh; None when it is gone."""
        equal = {name: (value,) for name, value in keys.items()}
        plan = plan_scan(self.table, Predicates(equal=equal), frozenset(), settings=self._settings())
        wanted = has_values(self.binding, equal)
        extension = Extension(plan.extended, 0)
        work = self.begin_work()
        for row in scan_rows(plan, self.maker, work, extension, self.lookups(work)):
            if wanted(row):
                return row
        return None

    # ---- what a scan shows

    def _make_maker(self, filled: frozenset[str]) -> RowMaker:
        return RowMaker(self.binding, filled)

    def lookups(self, work: Work) -> FieldLookups:
        """Labels of options, for values to be written and for the rows that a write returns."""
        return FieldLookups(work, self.table.custom_fields, self.options)

    def _lookups(self, request: ScanRequest, work: Work, options: Options) -> FieldLookups | None:
        return lookups_for_rows(self.binding, self._filled(request), work, options)

    def _advice(self, request: ScanRequest) -> str:
        """What to add to the WHERE: the columns by which less would be asked for."""
        used = {self._names.get(c.column) for c in request.conditions}
        names = {f.column for li in self.table.listings for f in li.filters if not f.alone}
        names.update(*(li.placeholders for li in self.table.listings))
        if self.table.get is not None and self.table.get.lookup:
            names.update(self.table.get.placeholders)
        shown = [b.name for b in self.binding.columns if b.column.name in names - used]
        return f"Add a condition on {', '.join(shown)} to the WHERE. " if shown else ""

    def explain(self, request: ScanRequest, number: int, verbose: bool) -> Iterator[str]:
        """Lines of EXPLAIN, and under ANALYZE, where it is called after the scan, what the scan used.

        A plan that a scan would refuse is no error: auto_explain shows plans of statements that read nothing.
        """
        if self.table.local:
            yield "No request: known here"
            return
        try:
            plan = self.plan(request)
        except PlanError as error:
            yield f"Refused: {sentences(error.message, error.detail, error.hint)}"
            return
        yield from explain_plan(plan, verbose)
        yield from labels_note(plan, self.binding, self._filled(request), self.options)
        if self._takes_along(plan):
            yield "With it go the next keys that the statement has read, where they cost less together"
        use = LEDGER.find(number)
        if use is not None:
            yield from explain_actual(use.spent, use.rows)

    def _takes_along(self, plan: ScanPlan) -> bool:
        """Whether a look-up of *plan* by a value of another table takes further ones along."""
        late = (ahead for ahead in aheads_of(plan) if isinstance(ahead.value, RuntimeValue))
        return any(STATEMENT_TABLES.supplies(self._account, ahead.target, self.table) for ahead in late)
