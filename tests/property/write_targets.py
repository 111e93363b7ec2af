"""What random writes write: the targets, what is joined with them, and a statement as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WORDS = (
    "plain",
    "O'Brien",
    "üñí €",
    'say "so"',
    "back\\slash",
    "two\nlines",
    " padded ",
    "100%",
    "NULL",
    "{}",
)


@dataclass(frozen=True)
class Target:
    """A foreign table, or a view of one, that can be written.

    columns   name in SQL → kind: key, text, user, deal, person, org, number, day, flag
    settable  names of the columns that an UPDATE may set, nullable of those that may become NULL
    verbs     what may be done to its rows
    reads     the foreign table that is read and written
    """

    name: str
    columns: Mapping[str, str]
    settable: tuple[str, ...]
    nullable: tuple[str, ...]
    verbs: tuple[str, ...]
    reads: str

    @property
    def key(self) -> str:
        return next(name for name, kind in self.columns.items() if kind == "key")


@dataclass(frozen=True)
class Source:
    """Something to be joined with a target: *one* row at most for each of the target's."""

    sql: str
    condition: str
    columns: Mapping[str, str]
    one: bool
    ctes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statement:
    """*sql* that writes *tables*. With *refused* the foreign tables must refuse it before any request."""

    sql: str
    tables: frozenset[str]
    refused: bool = False
    arguments: tuple[tuple[str, str], ...] = ()
    settings: tuple[str, ...] = ()
    waits: bool = field(default=False, compare=False)


TARGETS = (
    Target(
        "activities",
        {
            "id": "key",
            "subject": "text",
            "note": "text",
            "owner_id": "user",
            "deal_id": "deal",
            "due_date": "day",
            "done": "flag",
        },
        ("subject", "note", "owner_id", "deal_id", "due_date", "done"),
        ("note", "due_date", "deal_id"),
        ("INSERT", "UPDATE", "DELETE"),
        "activities",
    ),
    Target(
        "deals",
        {
            "id": "key",
            "title": "text",
            "value": "number",
            "owner_id": "user",
            "person_id": "person",
            "closes": "day",
        },
        ("title", "value", "owner_id", "person_id", "closes"),
        ("person_id", "closes"),
        ("INSERT", "UPDATE"),
        "deals",
    ),
    Target(
        "persons",
        {"id": "key", "name": "text", "owner_id": "user", "org_id": "org"},
        ("name", "owner_id", "org_id"),
        ("org_id",),
        ("INSERT", "UPDATE"),
        "persons",
    ),
    Target(
        "notes",
        {"id": "key", "content": "text", "deal_id": "deal"},
        ("content", "deal_id"),
        (),
        ("INSERT", "UPDATE", "DELETE"),
        "notes",
    ),
    Target(
        "deal_products",
        {"row_id": "row", "id": "key", "deal_id": "deal", "comments": "text", "tax": "number"},
        ("comments", "tax"),
        (),
        ("UPDATE", "DELETE"),
        "deal_products",
    ),
    Target(
        "renamed",  # a view of activities
        {"number": "key", "id": "user", "owner_id": "text", "subject": "text", "row_id": "day"},
        ("owner_id", "subject", "row_id", "id"),
        ("subject", "row_id"),
        ("UPDATE", "DELETE"),
        "activities",
    ),
)
TYPES = {"text": "text", "number": "numeric", "day": "date", "flag": "boolean"}  # else bigint
IDS = {"user": (1, 2, 3, 4), "deal": (1, 5, 9, 11), "person": (1, 2, 7, 12), "org": (1, 2, 3)}
REFERENCES = {"deal": "deals", "person": "persons"}
LOCAL = {"ref": "key", "word": "text", "amount": "number", "day": "day", "who": "user"}
SETTINGS = (
    "SET enable_nestloop = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET enable_material = off",
    "SET enable_hashagg = off",
    "SET plan_cache_mode = force_generic_plan",
    "SET from_collapse_limit = 1",
)
SYSTEM = (
    "{a}.ctid = '(4294967295,0)'",
    "{a}.ctid IN (SELECT o.ctid FROM {table} o WHERE o.id = 3)",
    "{a}.ctid = (SELECT o.ctid FROM {table} o ORDER BY o.id LIMIT 1)",
    "{a}.xmin::text = '0'",
    "EXISTS (SELECT FROM {table} o WHERE o.ctid = {a}.ctid AND o.id = 5)",
    "({a}.id < 0 OR {a}.ctid = '(0,1)')",
)
