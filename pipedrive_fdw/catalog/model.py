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
from typing import Any, NamedTuple

from pipedrive_fdw.values.shapes import LIST, Shape

PLACEHOLDER = re.compile(r"\{(\w+)\}")

# How a list is paged.
NONE, CURSOR, OFFSET = "none", "cursor", "offset"


# What stands before the colon of a source: how the value there becomes that of the column.
#   not     the opposite of a boolean
#   has     whether there is a value
#   id      the id of an object ({"value": 7, …} or {"id": 7, …}), a bare id as it is
#   parts   an address: the text there and the flat fields beside it (address_country, …) as one object
#   list    a list written as text (1,2), as its only element, or as null when it is empty
#   number  a whole number, or one written as text; nothing for any other value
#   text    a text; nothing for any other value (false where there is none)
READERS = ("not", "has", "id", "parts", "list", "number", "text")


def read_source(source: str) -> tuple[str, tuple[str, ...]]:
    """A source → its reader ('' for none) and its path."""
    reader, colon, path = source.partition(":")
    if not colon:
        reader, path = "", source
    return reader, tuple(path.lstrip("/").split("."))


class Column(NamedTuple):
    """One column.

    name        the API's field name
    type        the SQL type, one that codec.CODECS knows
    doc         one sentence for COMMENT and the documentation
    source      dotted path in the record, when it is not the name; in a nested table the path in the
                nested element, or in the outer record when it begins with a slash; "*" is the whole
                record, "#" the custom field keys at its root, "@" the table's key columns joined by
                colons (row_id), "-" nothing: no record has it, it reads NULL. A reader may stand before
                it (READERS): ``has:archive_time``
    single      in a nested table: one element of a record alone can be true
    held        on a row of a listing the value is what the listing holds; ``source`` is for the get
    echo        the value is that of the request (a parent's id, filter_id), not of the record
    include     the list returns it only when ``include_fields`` asks for it
    extended    only the get operation or the download returns it: one more request a row, made when it is
                named
    not_null    the API never leaves it empty (ids)
    references  "table.column" that it points to
    same_as     the column that has the same value in every row
    insert      it can be given in an INSERT; ``required``: it must be
    update      it can be given in an UPDATE
    body        dotted path in the request body, when it is not the name; of a multipart body a bytea is
                the content, and "file.name" the name it is sent under
    sent        how it is written where that is not as its type says: ``flag`` 0 or 1, ``number`` of a
                text, ``text`` of a number, ``utc`` a time as 2026-01-31 23:59:59, ``list`` an array of the
                one value, ``single`` the one element of an array
    shape       of a jsonb that can be given: what the API takes
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
    same_as: str = ""
    insert: bool = False
    update: bool = False
    required: bool = False
    body: str = ""
    held: bool = False
    single: bool = False
    sent: str = ""
    shape: Shape | None = None

    @property
    def path(self) -> tuple[str, ...]:
        return read_source(self.source or self.name)[1]

    @property
    def reader(self) -> str:
        return read_source(self.source)[0]

    @property
    def outer(self) -> bool:
        """True if the record or the request has it, and not the element of a nested table."""
        return self.echo or self.source.startswith("/")

    @property
    def is_list(self) -> bool:
        """True if its values are lists: an array, or a jsonb with the shape of a list."""
        return self.type.endswith("[]") or (self.shape is not None and self.shape.kind == LIST)


@dataclass(frozen=True)
class Operation:
    """One operation of the API: ``version`` 1 or 2, path, tokens a call.

    The path is that of the OpenAPI file, but its placeholders are named after the columns of the table
    that fill them.
    """

    path: str
    tokens: int
    version: int = 2
    method: str = "GET"

    @property
    def placeholders(self) -> tuple[str, ...]:
        return tuple(PLACEHOLDER.findall(self.path))


class Filter(NamedTuple):
    """A query parameter that keeps the rows whose *column* has a value.

    shape   ``eq``    one value, column = value
            ``in``    a comma list of up to ``most`` values, column IN (values)
            ``since`` column >= value (whole seconds, inclusive)
            ``until`` column < value (whole seconds, exclusive)
            ``flag``  boolean sent as 0 or 1
    values  when not empty: only these can be sent, others are decided here
    required  the operation answers only when it is given: a parent, or what a query must name
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
    scalar    the list has bare values: each is a record with the value under this name
    filters   what it can be asked for; a placeholder of the path is asked for through the column of
              the same name
    sorts     columns by which it can be ordered
    holds     column → value that every row of this list has (is_archived, folder)
    params    what is always sent
    repeats   the parameter of several values that the OpenAPI file has repeated, once for each, and others
              write as a comma list: what is refused in this form is asked for in that
    null_is_empty  ``data: null`` is this operation's way to say that there is no row
    key       dotted path of what tells the records of the list apart; '' when that is the whole record, or in
              a list by cursor nothing
    share     the part of the table's rows that it has, a guess for a table of several lists
    labels    it can be asked for option labels (include_option_labels)
    include   it takes include_fields; ``custom``: it takes custom_fields
    """

    paging: str = CURSOR
    page_max: int = 500
    rows: str = ""
    scalar: str = ""
    filters: tuple[Filter, ...] = ()
    sorts: tuple[str, ...] = ()
    holds: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    repeats: str = ""
    null_is_empty: bool = False
    key: str = "id"
    share: float = 1.0
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
    """An operation that answers with one record by its key, the last placeholder of the path.

    params  what is always sent
    labels, include, custom  as those of a Listing
    lookup  False where the record that it finds may be no row of the table (a message of another folder):
            it then only fills extended columns and says what a record is before it is changed
    parents the columns of the record that name the parents whose rows show it, where ``lookup`` is False
    missing_is_empty  a 404 says that the record has nothing in its extended columns
    """

    key: str = "id"
    include: bool = False
    custom: bool = False
    params: Mapping[str, str] = field(default_factory=dict)
    lookup: bool = True
    parents: tuple[str, ...] = ()
    labels: bool = False
    missing_is_empty: bool = False


@dataclass(frozen=True)
class Download(Operation):
    """An operation that answers with the bytes of a file, which an extended column shows.

    column   the column, a bytea
    address  dotted path in the record to the address of the file, which costs no tokens and takes no
             credential; '' where the operation answers with the file, or leads to its address
    """

    column: str = "content"
    address: str = ""


@dataclass(frozen=True)
class Write(Operation):
    """An operation that creates, changes or deletes one record.

    The placeholders of the path are filled from the row's columns of the same names. The body takes the
    columns that may be set (Column.insert, Column.update) under Column.body.

    encoding  'json', 'form' (URL-encoded), 'multipart', or '' for no body
    fields    columns that are always sent (the user of a role assignment, a required field of a PUT, a
              placeholder that the body repeats), from the row or else from a fresh get; an error when there
              is no value
    takes     the columns that this operation takes, when not all that may be set
    otherwise the operation for a row of which this one does not take every column given, or misses one
              of ``fields``
    array     the row is an element of the array of this name: the array is read afresh, changed and sent
              whole; the element is the one whose key columns have the row's values
    named_by  the property by which the operation names the record, where no column shows it: the record is
              read afresh, and this fills the last placeholder of the path
    batch     the body is a list of such objects and ``data`` a list of records; one of each is used
    answer    dotted path of the record under ``data``
    bulk      the operation that does the same for many rows of one path, where these go out together
    """

    method: str = "POST"
    encoding: str = "json"
    fields: tuple[str, ...] = ()
    answer: str = ""
    takes: tuple[str, ...] = ()
    otherwise: Write | None = None
    array: str = ""
    named_by: str = ""
    batch: bool = False
    bulk: Bulk | None = None

    @property
    def reads(self) -> bool:
        """True if the record is read before it is written."""
        return bool(self.array or self.named_by)


@dataclass(frozen=True)
class Bulk(Operation):
    """An operation that takes up to ``most`` bodies in the array ``data`` and answers with as many records,
    in their order. All are written, or none.

    ids     the parameter of the keys, a comma list, where it takes no bodies but deletes records
    answer  dotted path of the keys of the deleted ones under ``data``
    """

    method: str = "POST"
    most: int = 100
    ids: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Parent:
    """Rows of the table hang on rows of *table*; *column* of the child names the parent's *key*.

    guarded  the parents are not walked: a query must name them (one costly list for each)
    count    the parent's column that says how many rows hang on it
    """

    table: str
    column: str
    key: str = "id"
    guarded: bool = False
    count: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    columns   in the order of the foreign table; ``attrs jsonb`` (the whole record) is appended
    key       the columns that identify a row; when there are two, ``row_id`` text carries both
    listings  together they hold every row, and no row twice
    get       the look-up by key
    download  the file that a record stands for
    hidden    (path, value): a record with this value is not a row (a deleted one found by its id)
    present   columns that a record must have to be a row (persons of an organization)
    nested    dotted path of the array in the record whose elements are the rows
    asks      properties that come through include_fields alone, besides those of its columns
    insert, update, delete  how it is written, None where Pipedrive cannot
    function  the extension's function that changes its rows, where no statement can
    instead   column → the operation that sets it to true, apart from ``update`` (archive a project)
    frozen    (column, value): rows with this value cannot be changed, unless the same UPDATE gives the
              column another value; nor deleted, where no UPDATE can set the column
    shared    the column that names the record where several rows show the same one: it is written once
              for each value
    independent  writes of different records depend neither on each other nor on their order, so several may
              be under way at once (the option parallel_writes)
    removed   Pipedrive has taken the operations away, or does so account by account: an answer of 404 to
              all of them is not an absence of rows but an error
    local     its one row is known here and costs no request; it has no listing
    custom_fields  whose custom fields its records have: 'deal', 'lead' (which shares them), 'person', …
    needs     what an account or token must have, for the error of 402, 403, 404, 410 and 415
    rows      a modest guess of the number of rows, for planning without any knowledge
    left_out  property of the response schema → why it is no column
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    listings: tuple[Listing, ...]
    get: Get | None = None
    download: Download | None = None
    key: tuple[str, ...] = ("id",)
    parent: Parent | None = None
    hidden: tuple[tuple[str, Any], ...] = ()
    nested: str = ""
    asks: tuple[str, ...] = ()
    insert: Write | None = None
    update: Write | None = None
    delete: Write | None = None
    function: str = ""
    custom_fields: str = ""
    needs: str = ""
    rows: int = 2_000
    left_out: Mapping[str, str] = field(default_factory=dict)
    present: tuple[str, ...] = ()
    instead: Mapping[str, Write] = field(default_factory=dict)
    frozen: tuple[tuple[str, Any], ...] = ()
    shared: str = ""
    independent: bool = False
    removed: bool = False
    local: bool = False

    def column(self, name: str) -> Column | None:
        for one in self.columns:
            if one.name == name:
                return one
        return None

    @property
    def selecting(self) -> tuple[str, ...]:
        """The columns, besides that of the parent, by which a query must say what it wants."""
        of_parent = () if self.parent is None else (self.parent.column,)
        needed = (f.column for li in self.listings for f in li.filters if f.required)
        return tuple(name for name in dict.fromkeys(needed) if name not in of_parent)

    @property
    def only_selecting(self) -> frozenset[str]:
        """The columns that select rows and that no record shows: a row has what the query named."""
        of_parent = "" if self.parent is None else self.parent.column
        return frozenset(c.name for c in self.columns if c.echo and c.name != of_parent)

    @property
    def guarded(self) -> bool:
        """True if it cannot be read whole: a query must name the parent, or what it wants."""
        return bool(self.selecting) or (self.parent is not None and self.parent.guarded)

    def with_changes(self, **changes: Any) -> Table:
        return replace(self, **changes)
