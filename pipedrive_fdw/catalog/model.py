"""The words in which a table is declared. Data only: no requests, no planning, no PostgreSQL.

A table says what its rows are (columns), how they can be read (listings, a get), which of them the
listings are known to hold, where its rows hang (parent), and how they are written. Everything else in
the package works from these declarations, so a new table is a new declaration and nothing more.

Sources: paths, parameters, enums, page maxima and token costs are those of the OpenAPI files
(``x-token-cost``); the contract tests hold each declaration against them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

PLACEHOLDER = re.compile(r"\{(\w+)\}")

# How a list is paged.
NONE, CURSOR, OFFSET = "none", "cursor", "offset"


@dataclass(frozen=True)
class Column:
    """One column.

    name        the API's field name
    type        the SQL type, one that codec.CODECS knows
    doc         one sentence for COMMENT and the documentation
    source      dotted path in the record, when it is not the name; in a nested table the path in the
                nested element, or in the outer record when it begins with a slash; "*" is the whole
                record, "#" the custom field keys at its root, "@" the table's key columns joined by
                colons (row_id)
    echo        the value is that of the request (a parent's id, filter_id), not of the record
    include     the list returns it only when ``include_fields`` asks for it
    extended    only the get operation returns it: one more request a row, made when it is named
    not_null    the API never leaves it empty (ids)
    references  "table.column" that it points to
    insert      it can be given in an INSERT; ``required``: it must be
    update      it can be given in an UPDATE
    body        dotted path in the request body, when it is not the name
    v1          dotted path in the old v1 record when api_version is 'v1', with an optional reader
                before a colon: ``not:active_flag``, ``id:user_id``
    """

    name: str
    type: str
    doc: str = ""
    source: str = ""
    echo: bool = False
    include: bool = False
    extended: bool = False
    not_null: bool = False
    references: str = ""
    insert: bool = False
    update: bool = False
    required: bool = False
    body: str = ""
    v1: str = ""

    @property
    def path(self) -> tuple[str, ...]:
        return tuple((self.source or self.name).lstrip("/").split("."))

    @property
    def outer(self) -> bool:
        return self.source.startswith("/")


@dataclass(frozen=True)
class Operation:
    """One operation of the API: ``version`` 1 or 2, path as in the OpenAPI file, tokens a call."""

    path: str
    tokens: int
    version: int = 2
    method: str = "GET"

    @property
    def placeholders(self) -> tuple[str, ...]:
        return tuple(PLACEHOLDER.findall(self.path))


@dataclass(frozen=True)
class Filter:
    """A query parameter that keeps the rows whose *column* has a value.

    shape   ``eq``    one value, column = value
            ``in``    a comma list of up to ``most`` values, column IN (values)
            ``since`` column >= value (whole seconds, inclusive)
            ``until`` column < value (whole seconds, exclusive)
            ``flag``  boolean sent as 0 or 1
    values  when not empty: only these can be sent, others are decided here
    required  the operation answers only when it is given
    alone   the API ignores its other filters when this one is given
    share   the part of the rows that one value keeps, a guess for choosing between paths
    """

    column: str
    param: str = ""
    shape: str = "eq"
    most: int = 1
    values: tuple[str, ...] = ()
    required: bool = False
    alone: bool = False
    share: float = 0.1

    @property
    def name(self) -> str:
        return self.param or self.column


@dataclass(frozen=True)
class Listing(Operation):
    """An operation that answers with many records.

    paging    NONE, CURSOR (v2) or OFFSET (v1 start and limit); ``page_max`` rows a page at most
    rows      dotted path of the records under ``data``, when data is not itself the list; '*' when
              data is one object, which is the only row
    filters   what it can be asked for; a placeholder of the path is asked for through the column of
              the same name
    sorts     columns by which it can be ordered
    holds     column → value that every row of this list has (is_archived, folder)
    params    what is always sent
    null_is_empty  ``data: null`` is this operation's way to say that there is no row
    labels    it can be asked for option labels (include_option_labels)
    include   it takes include_fields; ``custom``: it takes custom_fields
    """

    paging: str = CURSOR
    page_max: int = 500
    rows: str = ""
    filters: tuple[Filter, ...] = ()
    sorts: tuple[str, ...] = ()
    holds: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    null_is_empty: bool = False
    labels: bool = False
    include: bool = False
    custom: bool = False

    def filter_of(self, column: str, *shapes: str) -> Filter | None:
        """The filter on *column* of one of *shapes* (any when none is named)."""
        for one in self.filters:
            if one.column == column and (not shapes or one.shape in shapes):
                return one
        return None


@dataclass(frozen=True)
class Get(Operation):
    """An operation that answers with one record by its key, the last placeholder of the path."""

    key: str = "id"
    include: bool = False
    custom: bool = False


@dataclass(frozen=True)
class Write(Operation):
    """An operation that creates, changes or deletes one record.

    The placeholders of the path are filled from the row's columns of the same names. The body takes the
    columns that may be set (Column.insert, Column.update) under Column.body.

    encoding  'json', 'form' (URL-encoded), 'multipart', or '' for no body
    fields    columns that are always sent (the user of a role assignment, a required field of a PUT)
    answer    dotted path of the record under ``data``
    """

    method: str = "POST"
    encoding: str = "json"
    fields: tuple[str, ...] = ()
    answer: str = ""


@dataclass(frozen=True)
class Parent:
    """Rows of the table hang on rows of *table*; *column* of the child names the parent's *key*."""

    table: str
    column: str
    key: str = "id"


@dataclass(frozen=True)
class Table:
    """A table.

    columns   in the order of the foreign table; ``attrs jsonb`` (the whole record) is appended
    key       the columns that identify a row; when there are two, ``row_id`` text carries both
    listings  together they hold every row, and no row twice
    get       the look-up by key
    hidden    (path, value): a record with this value is not a row (a deleted one found by its id)
    nested    dotted path of the array in the record whose elements are the rows
    insert, update, delete  how it is written, None where Pipedrive cannot
    custom_fields  the field-definition path ('deal', 'person', …) of its custom fields
    needs     what an account or token must have, for the error of 402, 403, 404, 410 and 415
    rows      a modest guess of the number of rows, for planning without any knowledge
    left_out  property of the response schema → why it is no column
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    listings: tuple[Listing, ...]
    get: Get | None = None
    key: tuple[str, ...] = ("id",)
    parent: Parent | None = None
    hidden: tuple[tuple[str, Any], ...] = ()
    nested: str = ""
    insert: Write | None = None
    update: Write | None = None
    delete: Write | None = None
    custom_fields: str = ""
    needs: str = ""
    rows: int = 10_000
    left_out: Mapping[str, str] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        for one in self.columns:
            if one.name == name:
                return one
        return None

    def with_changes(self, **changes: Any) -> Table:
        return replace(self, **changes)


def validate(tables: Mapping[str, Table], types: frozenset[str]) -> list[str]:
    """All faults of a catalogue at once, each beginning with the table's name; empty when it is sound."""
    faults: list[str] = []
    for name, table in tables.items():
        names = [c.name for c in table.columns]
        known = set(names)
        if name != table.name:
            faults.append(f"{name}: is declared as {table.name}")
        faults += [f"{name}: column {n} is declared twice" for n in sorted(known) if names.count(n) > 1]
        faults += [
            f"{name}.{c.name}: type {c.type} has no codec" for c in table.columns if c.type not in types
        ]
        faults += [f"{name}: key column {k} is no column" for k in table.key if k not in known]
        if not table.listings:
            faults.append(f"{name}: has no listing")
        for listing in table.listings:
            where = f"{name} {listing.path}"
            asked = [f.column for f in listing.filters] + list(listing.placeholders)
            missing = [c for c in (*asked, *listing.sorts, *listing.holds) if c not in known]
            faults += [f"{where}: {c} is no column" for c in missing]
            if any(f.shape not in ("eq", "in", "since", "until", "flag") for f in listing.filters):
                faults.append(f"{where}: a filter has an unknown shape")
        if table.parent and table.parent.table not in tables:
            faults.append(f"{name}: parent table {table.parent.table} is not declared")
        for column in table.columns:
            target = column.references.partition(".")[0]
            if target and target not in tables:
                faults.append(f"{name}.{column.name}: references {target}, which is not declared")
            if (column.extended or (column.include and not any(x.include for x in table.listings))) and (
                table.get is None
            ):
                faults.append(f"{name}.{column.name}: needs a get operation")
    return faults
