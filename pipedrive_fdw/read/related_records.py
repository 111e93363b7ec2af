"""The users, organizations and persons behind custom fields, under the option expand_related.

Users are read from their one list, the others in batches of 100 ids. Each has the form that API v1 gives
inside a record. They are cached for a while; a record that does not exist has no parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from cachetools import LRUCache

from pipedrive_fdw.api.waiting import Pending, ordered_map
from pipedrive_fdw.catalog.model import NONE, Listing
from pipedrive_fdw.errors import ApiError
from pipedrive_fdw.plan.paths import Call
from pipedrive_fdw.session.list_pages import list_pages
from pipedrive_fdw.session.request_scope import RequestScope

Record = Mapping[str, Any]
BATCH = 100
_MOST = 10_000
USERS = Listing("/users", tokens=20, version=1, paging=NONE)
_LISTS = {
    "org": (Listing("/organizations", tokens=10), "people_count,smart_bcc_email"),
    "people": (Listing("/persons", tokens=10), ""),
}


def related_call(kind: str, ids: str) -> tuple[Listing, Call]:
    """The operation that lists the organizations or persons of *ids*, and its call."""
    listing, include = _LISTS[kind]
    asked = (("ids", ids), ("limit", str(BATCH)))
    params = (*asked, ("include_fields", include)) if include else asked
    return listing, Call(listing, listing.path, params)


def _user(record: Record) -> Record:
    return {
        "id": record["id"],
        "name": record.get("name"),
        "email": record.get("email"),
        "has_pic": int(bool(record.get("icon_url"))),
        "pic_hash": None,  # the list of users does not tell
        "active_flag": record.get("active_flag"),
        "value": record["id"],
    }


def _organization(record: Record) -> Record:
    address = record.get("address")
    return {
        "name": record.get("name"),
        "people_count": record.get("people_count"),
        "owner_id": record.get("owner_id"),
        "address": address.get("value") if isinstance(address, dict) else address,
        "active_flag": not record.get("is_deleted"),
        "cc_email": record.get("smart_bcc_email"),
        "value": record["id"],
    }


def _person(record: Record) -> Record:
    return {
        "active_flag": not record.get("is_deleted"),
        "name": record.get("name"),
        "email": record.get("emails"),
        "phone": record.get("phones"),
        "owner_id": record.get("owner_id"),
        "value": record["id"],
    }


_SHAPES = {"user": _user, "org": _organization, "people": _person}


class Related:
    """Fetches them for one scan; *fields* are the custom fields (key, type) whose records are shown."""

    def __init__(self, requests: RequestScope, fields: Iterable[tuple[str, str]], seconds: int) -> None:
        self._requests = requests
        self._fields = tuple(fields)
        # For the scan at least: its pages show the same records
        self._known: MutableMapping[str, Record] = (
            requests.session.extended(seconds) if seconds else LRUCache(_MOST)
        )
        self._page: dict[tuple[str, Any], Record] = {}

    def get(self, kind: str, key: Any) -> Record | None:
        return self._page.get((kind, key)) or None

    def prepare(self, records: Sequence[Record], keep: bool) -> None:
        """Fetches the related records that are not cached; *keep*: those of earlier pages stay."""
        wanted: dict[str, dict[Any, None]] = {}
        for record in records:
            custom = record.get("custom_fields")
            if not isinstance(custom, dict):
                continue
            for field, kind in self._fields:
                value = custom.get(field)
                if isinstance(value, int):  # anything else is no id, and is shown as it is
                    wanted.setdefault(kind, {})[value] = None
        if not keep:
            self._page.clear()
        for kind, keys in wanted.items():
            self._take(kind, keys)
            missing = [key for key in keys if (kind, key) not in self._page]
            if missing:
                self._remember(
                    kind, missing, self._users() if kind == "user" else self._batches(kind, missing)
                )

    def _take(self, kind: str, keys: Iterable[Any]) -> None:
        for key in keys:
            found = self._known.get(f"{kind}/{key}")
            if found is not None:
                self._page[kind, key] = found
                self._requests.spent.remembered += 1

    def _remember(self, kind: str, missing: Sequence[Any], records: Iterable[Any]) -> None:
        for record in records:
            if isinstance(record, dict) and record.get("id") is not None:
                shape = _SHAPES[kind](record)
                self._known[f"{kind}/{record['id']}"] = self._page[kind, record["id"]] = shape
        for key in missing:  # what is gone is not looked for again
            if (kind, key) not in self._page:
                self._known[f"{kind}/{key}"] = self._page[kind, key] = {}

    def _users(self) -> list[Any]:
        return [user for page in list_pages(self._requests, USERS, Call(USERS, USERS.path)) for user in page]

    def _batches(self, kind: str, keys: Sequence[Any]) -> list[Any]:
        chunks = [keys[i : i + BATCH] for i in range(0, len(keys), BATCH)]

        calls = [related_call(kind, ",".join(map(str, chunk))) for chunk in chunks]

        def start(related: tuple[Listing, Call]) -> Pending[Any]:
            return self._requests.start(related[1])

        found: list[Any] = []

        def width(used: int) -> int:
            return self._requests.most_at_once()  # the page is shown when all have come

        interrupts = self._requests.session.interrupts
        for (listing, call), result in ordered_map(start, calls, width, interrupts):
            answer = self._requests.finish(call, result)
            if isinstance(answer, ApiError):
                raise answer
            for page in list_pages(self._requests, listing, call, first=answer):
                found += page
        return found
