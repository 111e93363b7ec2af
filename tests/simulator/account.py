"""The account's records, tables by name, behind one lock, with its own clock.

Knows nothing of HTTP. A table keeps what listing.py derives from it (orders, serialized records) until it
is written to.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from tests.simulator.company.world import NOW, World
from tests.simulator.model import Record
from tests.simulator.refusal import missing


class Table:
    """Records by key in the order of their making."""

    def __init__(self, rows: Iterable[Record] = (), key: str = "id") -> None:
        self.key = key
        self.rows: dict[Any, Record] = {row[key]: row for row in rows}
        self.last = max((k for k in self.rows if isinstance(k, int)), default=0)
        self.numbered = not self.rows or isinstance(next(iter(self.rows)), int)
        self.orders: dict[Any, list[Record]] = {}
        self.indexes: dict[str, dict[Any, list[Record]]] = {}
        self.encoded: dict[Any, dict[Any, bytes]] = {}

    def __iter__(self) -> Any:
        return iter(self.rows.values())

    def get(self, key: Any) -> Record | None:
        return self.rows.get(key)

    def find(self, key: str) -> Record | None:
        """By the text of a path."""
        return self.rows.get(int(key)) if key.isdigit() and self.numbered else self.rows.get(key)

    def new_key(self) -> Any:
        return self.last + 1 if self.numbered else str(uuid.uuid4())

    def put(self, record: Record) -> None:
        """Adds the record, or notes that it has changed."""
        key = record[self.key]
        if isinstance(key, int):
            self.last = max(self.last, key)
        self.rows[key] = record
        self._changed(key)

    def remove(self, record: Record) -> None:
        self.rows.pop(record[self.key], None)
        self._changed(record[self.key])

    def _changed(self, key: Any) -> None:
        self.orders.clear()
        self.indexes.clear()
        for cache in self.encoded.values():
            cache.pop(key, None)

    def where(self, name: str, value: Any) -> list[Record]:
        """The records whose field has the value."""
        if name not in self.indexes:
            index: dict[Any, list[Record]] = {}
            for row in self.rows.values():
                index.setdefault(row.get(name), []).append(row)
            self.indexes[name] = index
        return self.indexes[name].get(value, [])


class Account:
    """Every table of the made-up company."""

    def __init__(self, world: World) -> None:
        self.lock = threading.RLock()
        self.settings: dict[str, Any] = {"contact_sync": True, "nulls": "low"}
        self.address = ""  # of the server that shows it
        self.begin({name: Table(rows, key) for name, (key, rows) in world.collections().items()})

    def begin(self, tables: dict[str, Table]) -> None:
        """The account has these records, and its clock begins."""
        with self.lock:
            self.tables = tables
            self.jobs: dict[str, Record] = {}  # conversions
            self._began = time.time()

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]

    def get(self, table: str, key: Any) -> Record:
        """Raises Refusal 404."""
        record = self.tables[table].get(key)
        if record is None:
            raise missing(table, key)
        return record

    def public(self, name: str) -> str:
        """The address of a picture, which everybody may read."""
        return f"{self.address}/public/{name}"

    # ---- time: starts at the company's now and goes on

    def moment(self) -> dt.datetime:
        return NOW + dt.timedelta(seconds=int(time.time() - self._began))

    def now(self, form: str = "v2", after: str | None = None) -> str:
        """The time in a form of the API (v2, v1, ms), later than *after*."""
        moment = self.moment()
        if after:
            last = dt.datetime.fromisoformat(after[:19].replace("T", " "))
            moment = max(moment, last + dt.timedelta(seconds=1))
        if form == "v1":
            return moment.strftime("%Y-%m-%d %H:%M:%S")
        return moment.strftime("%Y-%m-%dT%H:%M:%S") + (".000Z" if form == "ms" else "Z")

    def user(self, key: Any) -> Mapping[str, Any]:
        return self.tables["users"].get(key) or {}
