"""Random changes to an account while its copy is kept: before, between and during the runs."""

from __future__ import annotations

import copy
import random
import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from tests.simulator import Simulator

Change = dict[str, Any]
Record = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A collection whose records change.

    text     the field that every change sets to a word of its own
    clock    the form of its times; '' when it has no update_time
    gone     what a record gets that is deleted softly
    archive  records can be archived and brought back
    moves    field → the collection of one of whose records it names
    """

    name: str
    text: str
    clock: str = "v2"
    gone: tuple[tuple[str, Any], ...] = (("is_deleted", True),)
    archive: bool = False
    moves: tuple[tuple[str, str], ...] = ()


_INACTIVE = (("active_flag", False),)
KINDS = (
    Kind("deals", "title", archive=True, moves=(("stage_id", "stages"), ("person_id", "persons"))),
    Kind("persons", "name", moves=(("org_id", "organizations"),)),
    Kind("organizations", "name"),
    Kind("activities", "subject"),
    Kind("products", "name"),
    Kind("stages", "name"),
    Kind("notes", "content", "v1", _INACTIVE),
    Kind("leads", "title", "ms", (), archive=True),
    Kind("files", "name", "v1", _INACTIVE),
    Kind("deal_products", "comments", gone=(), moves=(("deal_id", "deals"),)),
    Kind("note_comments", "content", "v1", _INACTIVE, moves=(("_note_id", "notes"),)),
    Kind("deal_followers", "", "", (), moves=(("deal_id", "deals"),)),
)
BY_NAME = {kind.name: kind for kind in KINDS}
# Whose custom fields come, are renamed and go, by the collection of the fields
WITH_FIELDS = {
    "deal_fields": "deals",
    "person_fields": "persons",
    "organization_fields": "organizations",
    "product_fields": "products",
}
# What the keys of fields that a story adds begin with
ADDED = "5707"
# What is copied: these, and what hangs on them
TABLES = (
    *BY_NAME,
    "users",
    "deleted_deals",
    "person_emails",
    "product_prices",
    "activity_participants",
    "organization_persons",
)
FAILURES = (
    {"action": "status", "status": 500, "times": 1},
    {"action": "status", "status": 400, "times": 2},
    {"action": "status", "status": 429, "times": 1, "headers": {"x-ratelimit-reset": "0"}},
    {
        "action": "status",
        "status": 429,
        "times": 1,
        "body": {"success": False, "error": "daily request budget exceeded"},
    },
    {"action": "malformed", "times": 2},
    {"action": "cut", "times": 1},
    # Version 1 says by it that there is no row
    {"match": "/api/v2/", "action": "null_data", "times": 1},
)


class Story:
    """Changes of *simulator*'s records, all from *seed*.

    ``quiet`` are the records (collection, key) of which a change can show in no run but one that compares the
    whole table; ``versions`` the texts that a record has had.
    """

    def __init__(self, simulator: Simulator, seed: int) -> None:
        self.simulator = simulator
        self.rng = random.Random(seed)  # noqa: S311 - a test's
        self.quiet: set[tuple[str, str]] = set()
        self.versions: dict[tuple[str, str], set[Any]] = defaultdict(set)
        self._words = 0
        self._doomed: set[tuple[str, str]] = set()
        for kind in KINDS:
            for record in simulator.account[kind.name]:
                self._note(kind, self._key(kind, record), record.get(kind.text))

    def wait(self) -> None:
        """Time passes in Pipedrive."""
        self.simulator.account._began -= self.rng.choice((0, 1, 20, 100, 4_000))

    def changes(self, number: int) -> list[Change]:
        """Some changes, each as the simulator takes it."""
        found: list[Change] = []
        for _ in range(number):
            if self.rng.random() < 0.06:
                found += self._field_change(self.rng.choice(tuple(WITH_FIELDS)))
            else:
                found += self._change(self.rng.choice(KINDS))
        return found

    def rules(self) -> list[dict[str, Any]]:
        """What the simulator does during a run: changes between any two requests, and failures."""
        found: list[dict[str, Any]] = [
            {
                "match": "/api/",
                "action": "change",
                "body": self.changes(self.rng.choice((1, 1, 3))),
                "skip": self.rng.randrange(60),
                "times": 1,
            }
            for _ in range(self.rng.choice((0, 2, 6)))
        ]
        for _ in range(self.rng.choice((0, 0, 1, 2))):
            failure = self.rng.choice(FAILURES)
            found.append({"match": "/api/", "skip": self.rng.randrange(60), **failure})
        return found

    def _rows(self, kind: Kind) -> list[Record]:
        """The records that no change of the story removes, be it one that waits for its turn."""
        rows = self.simulator.account[kind.name]
        return [record for record in rows if (kind.name, self._key(kind, record)) not in self._doomed]

    def _key(self, kind: Kind, record: Record) -> str:
        return str(record[self.simulator.account[kind.name].key])

    def _note(self, kind: Kind, key: str, text: Any) -> None:
        if kind.text:
            self.versions[kind.name, key].add(text)

    def _word(self) -> str:
        self._words += 1
        return f"word {self._words}"

    def _change(self, kind: Kind) -> list[Change]:
        rows = self._rows(kind)
        if not rows or self.rng.random() < 0.2:
            return self._added(kind, rows)
        record = self.rng.choice(rows)
        key = self._key(kind, record)
        path = f"{kind.name}/{key}"
        chance = self.rng.random()
        if chance < 0.15:
            self.quiet.add((kind.name, key))
            self._doomed.add((kind.name, key))
            return [{"method": "DELETE", "path": path}, *self._merged(kind, record)]
        if chance < 0.3 and kind.gone:
            self.quiet.add((kind.name, key))
            return [{"method": "PATCH", "path": path, "body": {**dict(kind.gone), **self._time(kind, key)}}]
        body = {**self._text(kind, key), **self._time(kind, key)}
        if kind.archive and chance < 0.45:
            body["is_archived"] = not record["is_archived"]
        for field, target in kind.moves if chance > 0.7 else ():
            others = [r["id"] for r in self.simulator.account[target]]
            body[field] = self.rng.choice(others) if others else record[field]
            self._touched(kind, record)
        return [{"method": "PATCH", "path": path, "body": body}]

    def _added(self, kind: Kind, rows: list[Record]) -> list[Change]:
        if not rows:
            return []
        table = self.simulator.account[kind.name]
        record = copy.deepcopy(self.rng.choice(rows))
        # Changes that wait for their turn have taken keys, too
        key: Any = table.new_key() + self.rng.randrange(1, 100_000) if table.numbered else str(uuid.uuid4())
        record[table.key] = key
        if kind.name == "deal_followers":
            record["user_id"] = 1_000 + key
        record.update(self._text(kind, str(key)))
        record.update(self._time(kind, str(key)))
        for name, value in kind.gone:
            record[name] = not value
        self._touched(kind, record)
        return [{"method": "POST", "path": kind.name, "body": record}]

    def _field_change(self, name: str) -> list[Change]:
        """A custom field is added and gets a value, or one of those that were added is renamed or deleted."""
        kind, fields = BY_NAME[WITH_FIELDS[name]], self.simulator.account[name]
        added = [
            field["field_code"]
            for field in fields
            if field["field_code"].startswith(ADDED) and (name, field["field_code"]) not in self._doomed
        ]
        chance = self.rng.random()
        if chance < 0.4 or not added:
            field = copy.deepcopy(
                next(f for f in fields if f["is_custom_field"] and f["field_type"] == "varchar")
            )
            field["field_code"] = ADDED + self.rng.randbytes(18).hex()
            # Fields may share a name
            field["field_name"] = f"Added {self.rng.randrange(3)}"
            values = [self._valued(kind, r, field["field_code"]) for r in self._some(kind)]
            return [{"method": "POST", "path": name, "body": field}, *values]
        code = self.rng.choice(added)
        path = f"{name}/{code}"
        if chance < 0.5:
            return [{"method": "PATCH", "path": path, "body": {"field_name": self._word()}}]
        if chance < 0.7:
            return [self._valued(kind, record, code) for record in self._some(kind)]
        # Its values go with it, and no record's time tells
        self._doomed.add((name, code))
        holders = [r for r in self._rows(kind) if code in (r["custom_fields"] or ())]
        without = [
            {"custom_fields": {key: v for key, v in r["custom_fields"].items() if key != code}}
            for r in holders
        ]
        paths = [f"{kind.name}/{self._key(kind, r)}" for r in holders]
        return [
            {"method": "DELETE", "path": path},
            *({"method": "PATCH", "path": p, "body": body} for p, body in zip(paths, without)),
        ]

    def _some(self, kind: Kind) -> list[Record]:
        rows = self._rows(kind)
        return self.rng.sample(rows, min(3, len(rows)))

    def _valued(self, kind: Kind, record: Record, code: str) -> Change:
        key = self._key(kind, record)
        values = {**(record["custom_fields"] or {}), code: self._word()}
        body = {"custom_fields": values, **self._time(kind, key)}
        return {"method": "PATCH", "path": f"{kind.name}/{key}", "body": body}

    def _merged(self, kind: Kind, loser: Record) -> list[Change]:
        """Where a person is deleted, its deals go to another one, as in a merge."""
        if kind.name != "persons":
            return []
        winner = self.rng.choice([r["id"] for r in self.simulator.account["persons"]])
        deals = [r for r in self._rows(BY_NAME["deals"]) if r["person_id"] == loser["id"]]
        return [
            {
                "method": "PATCH",
                "path": f"deals/{deal['id']}",
                "body": {"person_id": winner, **self._time(BY_NAME["deals"], str(deal["id"]))},
            }
            for deal in deals
        ]

    def _text(self, kind: Kind, key: str) -> Record:
        if not kind.text:
            return {}
        word = self._word()
        self._note(kind, key, word)
        return {kind.text: word}

    def _time(self, kind: Kind, key: str) -> Record:
        """Now, or as it sometimes is: no new time, or none at all."""
        chance = self.rng.random()
        if not kind.clock:
            return {}
        if chance < 0.15:
            self.quiet.add((kind.name, key))
            return {"update_time": None} if chance < 0.05 else {}
        return {"update_time": self.simulator.account.now(kind.clock)}

    def _touched(self, kind: Kind, record: Record) -> None:
        """Children come and go without their parents' knowledge: only the whole comparison finds them."""
        self.quiet.add((kind.name, self._key(kind, record)))
