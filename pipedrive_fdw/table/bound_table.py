"""One foreign table of a backend: its options, its columns, and what they mean for planning.

Nothing here belongs to one scan or one statement; all of it is known when the foreign table is opened.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Callable

from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.common import ATTRS, CUSTOM_FIELDS
from pipedrive_fdw.options import Options, account_identity, base_url
from pipedrive_fdw.plan.calls import Settings
from pipedrive_fdw.plan.predicates import Predicates, normalise
from pipedrive_fdw.postgres.settings import setting
from pipedrive_fdw.session.counts import Counts
from pipedrive_fdw.table.binding import BoundColumn, ColumnDefinition, bind, has_values, table_named
from pipedrive_fdw.table.records import Row
from pipedrive_fdw.table.row_maker import RowMaker
from pipedrive_fdw.table.scan_request import ScanRequest, SortKey
from pipedrive_fdw.table.sorting import Sorting
from pipedrive_fdw.values.codec import CODECS, bare_type

# Types of PostgreSQL that compare in another way than the codec that serves them, and codecs of types that
# round where they are declared with a precision.
_OTHER_COMPARISON = ("character", "bpchar", "real", "float4")
_ROUNDING = ("numeric", "timestamptz")


def _compares_alike(bound: BoundColumn, definition: ColumnDefinition) -> bool:
    """True if the values of the column compare as those that Pipedrive has."""
    rounds = bound.codec.name in _ROUNDING and "(" in definition.type_name
    kind = bare_type(definition.base_type_name)
    return bound.codec.name == bound.column.type and kind not in _OTHER_COMPARISON and not rounds


class BoundTable:
    """A foreign table bound to the catalogue's table that it shows.

    options     those of server, user mapping and table, merged
    catalogue   every table of the API's version, by name
    table       the catalogue's table that is shown
    binding     its columns as PostgreSQL knows them
    names       foreign column → the catalogue's column
    comparable  the catalogue's columns that can be sent or sorted by, with their codecs
    never_null  the catalogue's columns in which the API leaves no NULL
    sorting     the orders in which the API gives the rows
    account     the address of the account's API
    identity    tells the tables of accounts apart
    counts      rows of the account's tables when they were last read whole
    maker       makes the row of a write's answer, with NULL for a value that cannot be shown
    key_columns  the foreign columns that identify a row: those of the key, or else row_id, which joins them
    identifying  those that a scan must fill for ``row_identity``
    """

    def __init__(self, options: Options, columns: Mapping[str, ColumnDefinition]) -> None:
        """Raises OptionError where *options* or *columns* name nothing that the catalogue has."""
        self.options = options
        self.catalogue = tables_of(options.api_version)
        self.table = table_named(options.table, self.catalogue)
        self.binding = bind(self.table, columns)
        self.maker = RowMaker(self.binding).forgiving(self.binding.names)
        self.names = {b.name: b.column.name for b in self.binding.columns}
        # A column whose declared type compares otherwise than the catalogue's is checked by PostgreSQL alone.
        # Conditions know it by a name that no column has, since another one may show the same field.
        alike = {b.name for b in self.binding.columns if _compares_alike(b, columns[b.name])}
        self.comparable = {b.column.name: b.codec for b in self.binding.columns if b.name in alike}
        self._compared_as = {
            name: shown if name in alike else f"{shown}::{columns[name].type_name}"
            for name, shown in self.names.items()
        }
        self.never_null = frozenset(c.name for c in self.table.columns if c.not_null)
        self.sorting = Sorting(self.table, self.comparable, self.never_null, options.push_text_sort)
        types = {c.name: c.type for c in self.table.columns}
        several = len(self.table.key) > 1
        self._joined_key = {name: CODECS[types[name]] for name in self.table.key if several}
        self.counts = Counts(options)
        self.account = base_url(options)
        self.identity = (*account_identity(options), self.table.name)
        places = {b.column.name: n for n, b in enumerate(self.binding.columns) if b.custom is None}
        self._jsonb = {
            name: place
            for name, place in places.items()
            if bare_type(columns[self.binding.columns[place].name].base_type_name) == "jsonb"
        }
        whole = all(key in places for key in self.table.key)
        key = self.table.key if whole else ("row_id",)
        self._key_places = [places[name] for name in key if name in places]
        self.key_columns = frozenset(self.binding.columns[place].name for place in self._key_places)
        # Of an element all that a write of another element leaves alone, since several may have the same key
        self._of_element = [
            place
            for place, b in enumerate(self.binding.columns)
            if self.table.nested and b.codec.name != "jsonb" and not b.column.single
        ]
        of_element = {self.binding.columns[place].name for place in self._of_element}
        self.identifying = self.key_columns | of_element

    def fields_within(self, filled: frozenset[str]) -> tuple[int, int] | None:
        """The places of the custom fields and of the record that has them as a member, where both are
        *filled* columns of type jsonb."""
        is_member = self.table.custom_fields and not self.binding.flat
        if not is_member or not self._jsonb.keys() >= {CUSTOM_FIELDS.name, ATTRS.name}:
            return None
        places = (self._jsonb[CUSTOM_FIELDS.name], self._jsonb[ATTRS.name])
        return places if all(self.binding.columns[place].name in filled for place in places) else None

    def row_id(self, row: Row) -> str:
        """The values of the key columns of *row*, joined by colons."""
        return ":".join(str(row[place]) for place in self._key_places)

    def row_identity(self, row: Row) -> Hashable:
        """What tells *row* from others: its id, or of an element of a record its columns."""
        if not self.table.nested:
            return self.row_id(row)
        known = [(self.binding.columns[place].codec, row[place]) for place in self._of_element]
        return tuple(None if value is None else codec.parse(value) for codec, value in known)

    def written_identity(self, row: Row) -> Hashable:
        """What tells what a write of *row* changes from others: its identity, or that of a record that
        several rows show."""
        if not self.table.shared:
            return self.row_identity(row)
        return self.row_id(row).rpartition(":")[2]

    def predicates(self, request: ScanRequest) -> Predicates:
        """The conditions of *request* on the catalogue's columns, with typed values."""
        conditions = [
            c._replace(column=self._compared_as.get(c.column, c.column)) for c in request.conditions
        ]
        zone = setting("TimeZone") or "UTC"
        return normalise(
            conditions, codecs=self.comparable, never_null=self.never_null, zone=zone, key=self._joined_key
        )

    def compared(self, request: ScanRequest) -> frozenset[str]:
        """The catalogue's columns that joins and conditions of *request* compare with values."""
        return frozenset(self.names.get(name, name) for name in request.compared)

    def sort_keys(self, keys: Iterable[SortKey]) -> list[SortKey]:
        """*keys* by the catalogue's names, those of columns that it can sort by."""
        return [key._replace(column=self._compared_as[key.column]) for key in keys]

    def row_filter(self, request: ScanRequest) -> Callable[[Row], bool]:
        """A function that is true for rows with the values that *request* asks the API for."""
        return has_values(self.binding, self.predicates(request).equal)

    def filled(self, request: ScanRequest) -> frozenset[str]:
        """The foreign columns that get values in the rows of *request*.

        A row to be changed has all columns but extended ones, which cost a request each. For a row trigger it
        is whole.
        """
        if request.whole:
            return frozenset(self.names)
        if not request.target:
            return request.columns
        return request.columns | {b.name for b in self.binding.columns if not b.column.extended}

    def shown(self, request: ScanRequest) -> frozenset[str]:
        """The same as ``filled``, by the catalogue's names."""
        return frozenset(self.names.get(c, c) for c in self.filled(request))

    def settings(self) -> Settings:
        """The settings of a plan whose records come with every part."""
        options = self.options
        return Settings(
            self.catalogue,
            page_size=options.page_size,
            rows=options.rows,
            sizes=self.counts.known(),
            archived=options.archived,
            labels=self.binding.labelled,
            trust_counts=options.trust_counts,
        )

    def settings_for(self, request: ScanRequest) -> Settings:
        """The settings of a plan whose records come with the parts that the columns of *request* need."""
        named = self.shown(request)
        if ATTRS.name in named:
            return self.settings()
        keys, labels = self.binding.needed(named)
        custom = None if "custom_fields" in named else keys
        return replace(self.settings(), labels=labels, named=named, custom=custom)
