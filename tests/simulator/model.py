"""What a collection is: its paths, who is seen, how it is filtered, ordered, paged and written.

A family's module (families/) holds declarations of this kind; listing.py and verbs.py do the work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from tests.simulator.account import Account
    from tests.simulator.routes import Call

Record = dict[str, Any]
Test = Callable[[Record], bool]
Filter = Callable[[str], Test]  # a parameter's value → the test of a record
Settle = Callable[["Call", Record, Mapping[str, Any], bool], None]  # call, record, body, is it new
View = Callable[
    ["Account", Record, int], Record
]  # account, stored record, calling user → as the API shows it


def number(name: str) -> Filter:
    """The field is this integer."""

    def made(value: str) -> Test:
        wanted = int(value)
        return lambda record: record.get(name) == wanted and record[name] is not True

    return made


def text(name: str) -> Filter:
    return lambda value: lambda record: record.get(name) == value


def flag(name: str) -> Filter:
    def made(value: str) -> Test:
        wanted = value in ("true", "1")
        return lambda record: bool(record.get(name)) is wanted

    return made


def among(name: str) -> Filter:
    """The field is in the comma list."""

    def made(value: str) -> Test:
        wanted = set(value.split(","))
        return lambda record: str(record.get(name)) in wanted

    return made


def holds(name: str) -> Filter:
    """The field is a list with this integer in it."""

    def made(value: str) -> Test:
        wanted = int(value)
        return lambda record: wanted in (record.get(name) or ())

    return made


def since(name: str) -> Filter:
    """At or after; records without a time are in no window."""

    def made(value: str) -> Test:
        # Times differ in form (T or a blank, fractions of a second): compared to the second, inclusive
        bound = value[:19].replace("T", " ")
        return lambda record: record[name] is not None and record[name][:19].replace("T", " ") >= bound

    return made


def until(name: str) -> Filter:
    """Strictly before; records without a time are in no window."""
    return lambda value: lambda record: record[name] is not None and record[name][:19] < value[:19]


def numbers(*names: str) -> dict[str, Filter]:
    return {name: number(name) for name in names}


WINDOW = {"updated_since": since("update_time"), "updated_until": until("update_time")}
IDS = {"ids": among("id")}


def not_deleted(record: Record) -> bool:
    return not record.get("is_deleted")


def active(record: Record) -> bool:
    return bool(record.get("active_flag"))


def always(record: Record) -> bool:
    return True


def never(record: Record) -> bool:
    return False


def as_stored(account: Account, record: Record, user: int) -> Record:
    """The record without what is only the simulator's."""
    return {n: v for n, v in record.items() if n[0] != "_"}


@dataclass(frozen=True)
class Collection:
    """The records of *table* under *path*.

    verbs     of L(ist) G(et) C(reate) U(pdate) D(elete), as far as the API has the operation
    one       the path of one record, when it is not ``<path>/{id}``
    visible   which records the list shows; *found*: which a look-up finds
    filters   parameter → test; *parent*: the record's field that the path's {id} names, and its table
    view      record → answer; *fixed*: the view is the record's alone, so its bytes may be kept
    order     the sort of a list that is not asked for one (field, descending)
    entity    whose custom fields it carries; *flat*: at the root, in v1's form
    empty     what an empty page has for data; *bare_end*: the last page has no additional_data
    blank     a new record; *clock*: v2, v1 or ms, the form of its times; *references*: field → table
    soft      the field that a DELETE sets, and to what; None removes the record
    wrap      the answer's data holds the record or the list under this name
    """

    table: str
    path: str
    version: int = 2
    verbs: str = "LGCUD"
    one: str = ""
    key: str = "id"
    visible: Test = not_deleted
    found: Test = always
    filters: Mapping[str, Filter] = field(default_factory=dict)
    parent: str = ""
    parent_table: str = ""
    view: View = as_stored
    fixed: bool = True
    order: tuple[tuple[str, bool], ...] = ()
    entity: str = ""
    flat: bool = False
    empty: Any = ()
    bare_end: bool = False
    blank: Mapping[str, Any] = field(default_factory=dict)
    clock: str = "v2"
    references: Mapping[str, str] = field(default_factory=dict)
    settle: Settle | None = None
    soft: tuple[str, Any] | None = ("is_deleted", True)
    deleted: Any = None  # the data of a DELETE's answer, when it is not {"id": …}
    wrap: str = ""
    limit: int = 500

    @property
    def one_path(self) -> str:
        return self.one or f"{self.path}/{{id}}"
