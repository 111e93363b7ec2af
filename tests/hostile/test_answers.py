"""Thousands of answers that go wrong: all rows, a clear error, or "outcome unknown".

Each is a right answer of the simulator with something spoilt in it (answers.py). Whatever it is, nothing ends
in anything but an error of ours, which shows no secret and no control character; what is only harmlessly odd
changes no row; and a write is done, refused, not begun,
or known to be unknown. HOSTILE_ANSWERS says how many.
"""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from pipedrive_fdw.api.transport import MAX_BODY
from pipedrive_fdw.errors import PipedriveError
from pipedrive_fdw.extension.import_schema import account_fields, import_schema
from pipedrive_fdw.plan.conditions import Condition
from tests.hostile.account import (
    LEFT_OUT,
    HostileAccount,
    as_row_to_json,
    shown_problems,
    timed,
    unread,
    write_problems,
)

COUNT = int(os.environ.get("HOSTILE_ANSWERS", "1500"))
SEED = os.environ.get("HOSTILE_SEED", "1")
_BATCHES = 20
MEBIBYTE = 2**20

# Table → what an INSERT gives; the first text among it is what an UPDATE changes.
INSERTS: dict[str, dict[str, Any]] = {
    "persons": {"name": "Ada"},
    "organizations": {"name": "Acme"},
    "deals": {"title": "A deal", "value": 5.0, "currency": "EUR"},
    "notes": {"content": "A note", "deal_id": 1},
    "products": {"name": "A product"},
    "pipelines": {"name": "A pipeline"},
    "stages": {"name": "A stage", "pipeline_id": 1},
    "activities": {"subject": "A call", "type": "call"},
    "leads": {"title": "A lead", "person_id": 1},
    "lead_labels": {"name": "Hot", "color": "red"},
    "person_fields": {"field_name": "A field", "field_type": "varchar"},
    "deal_followers": {"deal_id": 1, "user_id": 2},
    "deal_products": {"deal_id": 1, "product_id": 1, "item_price": 5.0, "quantity": 1.0},
    "person_emails": {"person_id": 1, "value": "ada@example.org", "label": "work"},
    "roles": {"name": "A role"},
    "files": {"file_name": "a.txt", "content": "\\x74657874"},
}
REQUESTS = (
    {"method": "GET", "path": "/v2/itemSearch", "query": {"term": "deal"}, "pages": True},
    {"method": "GET", "path": "/v2/deals/1", "query": None, "body": None, "pages": False},
    {"method": "POST", "path": "/v1/deals/1/duplicate"},
    {"method": "PUT", "path": "/v1/deals/1/merge", "body": {"merge_with_id": 2}},
    {"method": "POST", "path": "/v2/deals", "body": {"title": "x"}},
    {"method": "DELETE", "path": "/v2/persons/1"},
    {"method": "POST", "path": "/v1/roles/1/assignments", "body": {"user_id": 2}},
)


@pytest.fixture(scope="module")
def account() -> Iterator[HostileAccount]:
    made = HostileAccount()
    yield made
    made.simulator.stop()


class Case:
    """One run of a read, a write or a function on spoilt answers."""

    def __init__(self, account: HostileAccount, number: int) -> None:
        self.account = account
        self.chance = random.Random(f"{SEED}:{number}")
        self.problems: list[str] = []
        self.said = ""

    def run(self) -> None:
        chance = self.chance
        kinds = (self._read,) * 6 + (self._insert, self._update, self._delete, self._request, self._import)
        chance.choice(kinds)()

    def _end(self, what: Callable[[], Any], writes: bool) -> Any:
        """The result of *what* on spoilt answers, None after an error; keeps what is wrong with it."""
        account, error = self.account, None
        account.anew()
        account.transport.arm(self.chance)
        began = time.monotonic()
        result = None
        try:
            result = what()
        except PipedriveError as raised:
            error = raised
            self.said = str(raised)
            self.problems += shown_problems(error.message + error.detail + error.hint + repr(error))
        except BaseException as raised:  # noqa: BLE001 - that is what is looked for
            self.problems.append(f"{type(raised).__name__}: {raised!r:.300}")
        self.problems += timed(began)
        if writes:
            self.problems += write_problems(error, account.transport.sent)
        account.transport.times = 0
        return result

    def _read(self) -> None:
        account, chance = self.account, self.chance
        name = chance.choice(sorted(account.tables))
        table = account.tables[name].bound.table
        conditions: tuple[Condition, ...] = ()
        keys = [key for key in table.key if (column := table.column(key)) and column.type == "bigint"]
        if keys and chance.random() < 0.4:
            key, value = chance.choice(keys), chance.choice((1, 2, 3, 10**9))
            conditions = (Condition(key, "=", str(value), "bigint"),)
        limit = chance.choice((None, None, 2))
        account.transport.times = 0
        account.anew()
        expected = account.rows(name, conditions, limit)
        found = self._end(lambda: account.rows(name, conditions, limit), writes=False)
        harmless = {sent.how for sent in account.transport.sent} <= {"", "headers", "headers+headers", "cut"}
        if found is not None and harmless and found != expected:
            self.problems.append(f"{len(found)} rows of {name} instead of {len(expected)}, or others")

    def _row(self) -> tuple[str, dict[str, Any]]:
        """The table and the values of a row that is there, and can be written."""
        account = self.account
        account.transport.times = 0
        account.anew()
        name = self.chance.choice(sorted(INSERTS))
        table = account.tables[name]
        rows = account.rows(name)
        if not rows:  # all of them were deleted by cases before
            account.simulator.refill()
            account.anew()
            rows = account.rows(name)
        return name, as_row_to_json(table.bound.binding, self.chance.choice(rows))

    def _write(self, verb: str, name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        """*verb* in a statement that waits for each row as it is answered, or sends all of them at its
        end."""
        deferred = self.chance.random() < 0.5
        answer = self._end(lambda: self.account.write(verb, name, old, new, deferred), writes=True)
        self.problems += unread(self.account.tables[name].bound.binding, answer or "")

    def _insert(self) -> None:
        name = self.chance.choice(sorted(INSERTS))
        table = self.account.tables[name]
        values = {**dict.fromkeys(bound.name for bound in table.bound.binding.columns), **INSERTS[name]}
        self._write("INSERT", name, {}, values)

    def _update(self) -> None:
        name, row = self._row()
        column = next((n for n, value in INSERTS[name].items() if isinstance(value, str)), None)
        if column is not None:
            self._write("UPDATE", name, row, {**row, column: f"{row[column]} changed"})

    def _delete(self) -> None:
        name, row = self._row()
        self._write("DELETE", name, row, {})

    def _request(self) -> None:
        request = self.chance.choice(REQUESTS)
        answer = self._end(lambda: self.account.ask(request), writes=True)
        if answer and ("\\u0000" in answer or answer == "null"):
            self.problems.append(f"a function is answered {answer[:100]}")

    def _import(self) -> None:
        options = self.account.options
        made = self._end(
            lambda: import_schema("pipedrive", "except", LEFT_OUT, options, {}, account_fields(options)),
            writes=False,
        )
        for table in made or ():
            for column in table.columns:
                texts = (column.name, column.type, *column.options.values())
                self.problems += [f"column {texts!r}" for text in texts if "'" in text or "\\" in text]


@pytest.fixture(scope="module")
def memory() -> Iterator[None]:
    """Bounded for all of them together: what comes is at most a page and 64 MiB more."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    assert grown <= MAX_BODY // MEBIBYTE + 64


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("batch", range(_BATCHES))
def test_no_answer_ends_in_anything_but_rows_or_a_clear_error(
    account: HostileAccount, memory: None, batch: int
) -> None:
    wrong: dict[int, list[str]] = {}
    account.simulator.refill()
    share = range(batch, COUNT, _BATCHES)
    for place, number in enumerate(share):
        if place % 100 == 99:
            account.simulator.refill()
        case = Case(account, number)
        case.run()
        if case.problems:
            sent = [f"{s.method} {s.path} {s.status} {s.how}" for s in account.transport.sent]
            wrong[number] = [*case.problems, *sent[:5], case.said[:300]]
    assert wrong == {}, (
        f"HOSTILE_SEED={SEED}: {len(wrong)} of {len(share)}, such as {dict(list(wrong.items())[:3])}"
    )


def test_the_fuzz_spoils_what_it_should(account: HostileAccount) -> None:
    """Errors of many kinds come of it, and rows too: it is no test of one thing."""
    kinds: dict[str, int] = {}
    for number in range(1_000):
        case = Case(account, 10**6 + number)
        case.run()
        word = case.said.partition(":")[0] or "done"
        kinds[word] = kinds.get(word, 0) + 1
    assert kinds["done"] > 200
    assert {
        "pipedrive protocol",
        "pipedrive outcome unknown",
        "pipedrive api",
        "pipedrive access",
    } <= kinds.keys()
