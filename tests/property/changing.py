"""Every list by offset of the catalogue, as it looks behind the API: which records stand in it, and how
they are added, deleted, archived and moved while it is read.
"""

from __future__ import annotations

import copy
import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.model import OFFSET, Table
from tests.simulator import Simulator

Record = dict[str, Any]
Change = dict[str, Any]
NEW_KEYS = range(10_001, 10_100)


@dataclass(frozen=True)
class OffsetList:
    """The list behind *table*, and the collection of the simulator whose records are its rows.

    version     the catalogue that reads it by offset
    collection  where its records are stored, and the field whose value is that of the column *key*
    parent      (column, stored field, value) where the rows of one parent are read
    stored      what a record must have to stand in the list
    absent      what a record gets that leaves it (archived, deleted softly)
    places      field → values: changed, it moves a record to another place of the list
    order       the ORDER BY that is sent, whose field *places* names
    copies      the fields that tell copies of a record apart, besides its key
    needs       the collection that must have a record of each key, which the rows then show
    """

    table: str
    collection: str
    version: str = "v2"
    key: str = "id"
    stored_key: str = ""
    parent: tuple[str, str, Any] | None = None
    stored: Mapping[str, Any] = field(default_factory=dict)
    absent: tuple[Mapping[str, Any], ...] = ()
    places: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    order: str = ""
    copies: tuple[str, ...] = ()
    needs: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.version, self.table, self.order) if part)

    @property
    def sql(self) -> str:
        where = [f"{self.parent[0]} = {self.parent[2]!r}"] if self.parent else []
        where += [f"{self.order.split()[0]} IS NOT NULL"] if self.order else []
        text = f"SELECT {self.key}::text AS its_key, to_jsonb(t) FROM {self.table} t"
        text += " WHERE " + " AND ".join(where) if where else ""
        return text + (f" ORDER BY {self.order}" if self.order else "")

    @property
    def paths(self) -> tuple[str, ...]:
        """Regular expressions of its paths."""
        listings = tables_of(self.version)[self.table].listings
        parent = str(self.parent[2]) if self.parent else ""
        names = [p for listing in listings for p in listing.placeholders]
        paths = [listing.path for listing in listings]
        return tuple(
            f"^/api/v1{path.replace('{' + names[0] + '}', parent) if names else path}$" for path in paths
        )


_TIMES = tuple(f"2025-0{month}-11 10:00:00" for month in range(1, 10))
_MS = tuple(f"2025-0{month}-11T10:00:00.000Z" for month in range(1, 10))
_Z = tuple(f"2025-0{month}-11T10:00:00Z" for month in range(1, 10))
_ARCHIVED = ({"is_archived": True},)
_DELETED = ({"is_deleted": True},)
_INACTIVE = ({"active_flag": False},)
_SET = "684ac00d-a31c-424b-93f1-f881a4aa1933"
_ACCESS = [{"app": "sales", "admin": True, "permission_set_id": _SET}]
_CONTACTS = [{"value": value, "primary": value == "a", "label": "work"} for value in "ab"]
_PRICES = [
    {"price": 1, "currency": currency, "cost": 1, "direct_cost": None, "notes": ""}
    for currency in ("EUR", "USD")
]
_ATTENDEES = [
    {
        "email": f"{name}@x.example",
        "name": name,
        "status": "noreply",
        "is_organizer": False,
        "person_id": None,
        "user_id": None,
    }
    for name in "ab"
]


def _threads(folder: str) -> OffsetList:
    other = "inbox" if folder != "inbox" else "archive"
    return OffsetList(
        f"mail_threads_{folder}",
        "mail_threads",
        stored={"folders": [folder], "user_id": 1, "deleted_flag": 0},
        absent=({"folders": [other]}, {"deleted_flag": 1}),
        places={"last_message_timestamp": _MS},
    )


def _messages(table: str, column: str) -> OffsetList:
    return OffsetList(table, "mail_messages", parent=(column, f"_{column}", 2))


def _files(table: str, column: str) -> OffsetList:
    return OffsetList(table, "files", parent=(column, column, 2), absent=_INACTIVE)


def _field_lists() -> Iterator[OffsetList]:
    """Fields by version 1, and their options, which stand in them."""
    options = [{"id": number, "label": label} for number, label in ((7, "a"), (8, "b"))]
    for what in ("deal", "organization", "person", "product"):
        for table, stored in (("fields", {}), ("field_options", {"field_type": "set", "options": options})):
            yield OffsetList(
                f"{what}_{table}",
                f"{what}_fields",
                "v1",
                key="field_code",
                stored=stored,
                places={"_order": tuple(range(-30, 90))},
                copies=("_id",),
            )


def _flow(table: str, column: str) -> OffsetList:
    """Its notes, among whatever else happened to the record."""
    return OffsetList(
        table, "notes", key="(data ->> 'id')", stored_key="id", parent=(column, column, 2), absent=_INACTIVE
    )


LISTS = (
    OffsetList("deal_participants", "deal_participants", parent=("deal_id", "_deal_id", 3)),
    OffsetList("leads", "leads", absent=_ARCHIVED, places={"update_time": _MS}),
    OffsetList("leads", "leads", absent=_ARCHIVED, places={"update_time": _MS}, order="update_time DESC"),
    OffsetList("leads", "leads", absent=_ARCHIVED, places={"owner_id": (1, 2, 3)}, order="owner_id"),
    OffsetList("notes", "notes", absent=_INACTIVE, places={"update_time": _TIMES}),
    OffsetList("notes", "notes", absent=_INACTIVE, places={"add_time": _TIMES}, order="add_time"),
    OffsetList("notes", "notes", absent=_INACTIVE, places={"user_id": (1, 2, 3)}, order="user_id DESC"),
    OffsetList("notes", "notes", absent=_INACTIVE, order="id DESC"),
    OffsetList(
        "note_comments",
        "note_comments",
        key="uuid",
        parent=("note_id", "_note_id", 1),
        absent=_INACTIVE,
        places={"add_time": _TIMES},
    ),
    OffsetList("files", "files", absent=_INACTIVE),
    OffsetList("files", "files", absent=_INACTIVE, places={"file_size": (1, 2, 3)}, order="file_size"),
    _files("deal_files", "deal_id"),
    _files("person_files", "person_id"),
    _files("organization_files", "org_id"),
    _files("product_files", "product_id"),
    _flow("deal_flow", "deal_id"),
    _flow("person_flow", "person_id"),
    _flow("organization_flow", "org_id"),
    OffsetList(
        "recents",
        "notes",
        parent=("since_timestamp", "", "2000-01-01 00:00:00+00"),
        stored={"update_time": "2099-01-01 00:00:00"},
    ),
    OffsetList("call_logs", "call_logs", stored={"user_id": 1}, absent=({"user_id": 2},)),
    *(_threads(folder) for folder in ("inbox", "drafts", "sent", "archive")),
    _messages("deal_mail_messages", "deal_id"),
    _messages("organization_mail_messages", "org_id"),
    _messages("person_mail_messages", "person_id"),
    OffsetList(
        "lead_fields",
        "deal_fields",
        key="key",
        stored_key="field_code",
        places={"_order": tuple(range(-30, 90))},
        copies=("_id",),
    ),
    OffsetList("roles", "roles", stored={"parent_role_id": 1}, absent=_INACTIVE),
    OffsetList(
        "role_assignments",
        "role_assignments",
        key="user_id",
        parent=("role_id", "role_id", 2),
        absent=({"role_id": 3},),
        copies=("user_id",),
    ),
    OffsetList(
        "permission_set_assignments",
        "users",
        key="user_id",
        parent=("permission_set_id", "", _SET),
        stored={"access": _ACCESS},
        absent=({"access": []},),
    ),
    # the core as version 1 has it
    OffsetList("deals", "deals", "v1", absent=(*_ARCHIVED, *_DELETED), places={"title": ("a", "b", "c")}),
    OffsetList("deals", "deals", "v1", absent=_ARCHIVED, places={"value": (1, 2, 3)}, order="value DESC"),
    OffsetList(
        "deleted_deals",
        "deals",
        "v1",
        stored={"is_deleted": True, "status": "deleted", "is_archived": False},
        absent=({"is_deleted": False, "status": "open"}, {"is_archived": True}),
    ),
    OffsetList("stages", "stages", "v1", absent=_DELETED),
    OffsetList("deal_products", "deal_products", "v1", parent=("deal_id", "deal_id", 1)),
    OffsetList("persons", "persons", "v1", absent=_DELETED, places={"name": ("A", "b", "C")}),
    OffsetList("persons", "persons", "v1", absent=_DELETED, places={"add_time": _Z}, order="add_time"),
    OffsetList("organization_persons", "persons", "v1", stored={"org_id": 5}, absent=_DELETED),
    OffsetList("organizations", "organizations", "v1", absent=_DELETED),
    OffsetList(
        "deal_persons",
        "deal_participants",
        "v1",
        stored_key="_person_id",
        parent=("deal_id", "_deal_id", 3),
        copies=("_person_id",),
        needs="persons",
    ),
    OffsetList("activities", "activities", "v1", stored={"owner_id": 1}, absent=_DELETED),
    OffsetList("products", "products", "v1", absent=_DELETED),
    OffsetList(
        "person_emails", "persons", "v1", key="person_id", stored={"emails": _CONTACTS}, absent=_DELETED
    ),
    OffsetList(
        "person_phones", "persons", "v1", key="person_id", stored={"phones": _CONTACTS}, absent=_DELETED
    ),
    OffsetList(
        "product_prices", "products", "v1", key="product_id", stored={"prices": _PRICES}, absent=_DELETED
    ),
    OffsetList(
        "activity_participants",
        "activities",
        "v1",
        key="activity_id",
        stored={"participants": [{"person_id": 1, "primary": True}, {"person_id": 2, "primary": False}]},
        absent=_DELETED,
    ),
    OffsetList(
        "activity_attendees",
        "activities",
        "v1",
        key="activity_id",
        stored={"attendees": _ATTENDEES},
        absent=_DELETED,
    ),
    *_field_lists(),
    OffsetList(
        "product_followers",
        "product_followers",
        "v1",
        key="user_id",
        parent=("product_id", "product_id", 2),
        copies=("user_id",),
    ),
)


def offset_tables(version: str) -> dict[str, Table]:
    """The tables of the catalogue that are read by offset."""
    tables = tables_of(version).items()
    return {name: t for name, t in tables if any(li.paging == OFFSET for li in t.listings)}


class Story:
    """What happens to one list: *extend* makes it long enough, *changes* come between its requests.

    ``touched`` are the keys of the records that do not stand in it from beginning to end as they are.
    """

    def __init__(self, simulator: Simulator, what: OffsetList, seed: int) -> None:
        self.simulator = simulator
        self.what = what
        self.rng = random.Random(f"{what} {seed}")  # noqa: S311 - a test's
        self.table = simulator.account[what.collection]
        self.stored_key = what.stored_key or (what.key if self.table.key == what.key else self.table.key)
        self.keys: set[str] = set()
        self.touched: set[str] = set()
        self._new = self.rng.sample(NEW_KEYS, len(NEW_KEYS))

    def extend(self, rows: int = 14) -> None:
        """Copies of a record, with keys between which there is room for others."""
        needed = self.simulator.account[self.what.needs] if self.what.needs else None
        for key in NEW_KEYS if needed is not None else ():
            needed.put({**copy.deepcopy(next(iter(needed))), "id": key})
        for _ in range(rows):
            change = self._added()
            self.simulator.change([change])
            self.keys.add(str(change["body"][self.stored_key]))

    def _added(self) -> Change:
        """A new record like another one, at any place of the list."""
        what = self.what
        record: Record = copy.deepcopy(self.rng.choice(list(self.table)))
        record.update(what.stored)
        if what.parent and what.parent[1]:
            record[what.parent[1]] = what.parent[2]
        key: Any = self._new.pop()
        for name in what.copies:
            record[name] = key
        if isinstance(record[self.table.key], int):
            record[self.table.key] = key
        elif self.table.key == "field_code":
            record[self.table.key] = f"{self.rng.getrandbits(160):040x}"
        else:
            record[self.table.key] = str(uuid.UUID(int=self.rng.getrandbits(128)))
        for name in ("is_deleted", "is_archived"):
            if name in record and name not in what.stored:
                record[name] = False
        if "active_flag" in record:
            record["active_flag"] = True
        for name, values in what.places.items():
            record[name] = self.rng.choice(values)
        return {"method": "POST", "path": what.collection, "body": record}

    def _struck(self) -> Change | None:
        """A record of the list is deleted, leaves it, or moves."""
        left = sorted(self.keys - self.touched)
        if not left:
            return None
        key = self.rng.choice(left)
        self.touched.add(key)
        (record,) = (r for r in self.table if str(r[self.stored_key]) == key)
        path = f"{self.what.collection}/{record[self.table.key]}"
        ways: list[Change] = [{"method": "DELETE", "path": path}]
        ways += [{"method": "PATCH", "path": path, "body": dict(gone)} for gone in self.what.absent]
        for name, values in self.what.places.items():
            ways.append({"method": "PATCH", "path": path, "body": {name: self.rng.choice(values)}})
        return self.rng.choice(ways)

    def changes(self) -> list[dict[str, Any]]:
        """Rules for the simulator: changes before each request of the list but its first."""
        rules = []
        for path in self.what.paths:
            for number in range(1, 14):
                some = [self._added() for _ in range(self.rng.choice((0, 0, 0, 1, 2)))]
                some += [c for _ in range(self.rng.choice((0, 0, 1, 2, 4))) if (c := self._struck())]
                self.rng.shuffle(some)
                rule = {"match": path, "action": "change", "body": some, "skip": number, "times": 1}
                rules.append(rule)
        return rules
