"""Writes that are sent side by side (parallel_writes): how many, in which order, and what an error says."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipedrive_fdw.api.limits import Window
from pipedrive_fdw.api.transport import Request, Response
from pipedrive_fdw.api.waiting import Exchange, Interrupts
from pipedrive_fdw.catalog import TABLES, tables_of
from pipedrive_fdw.catalog.validation import validate
from pipedrive_fdw.errors import (
    ApiError,
    Cancelled,
    ConnectError,
    OptionError,
    OutcomeUnknownError,
    PipedriveError,
)
from pipedrive_fdw.foreign_table import ForeignTable
from pipedrive_fdw.options import read_options
from pipedrive_fdw.session.account_sessions import new_client, new_session, use_session
from pipedrive_fdw.session.secrets_file import with_secrets
from pipedrive_fdw.values.codec import CODECS
from pipedrive_fdw.write.transaction import TRANSACTION
from tests.unit.answers import definitions
from tools.engine.places import ROOT

LONG, SHORT = 20.0, 0.3
LOST = "lost"


class Api:
    """A transport that notes which titles records got, which requests were under way at once, and how many.

    *outcomes* give the outcome of the write of a title: a status, or LOST after it was done. *hold* is called
    in the thread of a request, with its title, before it is answered.
    """

    def __init__(
        self, outcomes: Mapping[str, Any] = {}, hold: Callable[[str], None] = lambda title: None
    ) -> None:
        self.outcomes = outcomes
        self.hold = hold
        self.changed = threading.Condition()
        self.began: list[str] = []
        self.done: list[tuple[str, str]] = []
        self.under_way: list[str] = []
        self.most = 0
        self.together: set[str] = set()
        self.exchange = Exchange()

    def send(self, request: Request, exchange: Exchange) -> Response:
        self.exchange = exchange
        record, title = request.url.rsplit("/", 1)[1], orjson.loads(request.body or b"{}").get("title", "")
        with self.changed:
            self.together |= {record} & set(self.under_way)
            self.under_way.append(record)
            self.began.append(title)
            self.most = max(self.most, len(self.under_way))
            self.changed.notify_all()
        self.hold(title)
        with self.changed:
            self.under_way.remove(record)
            outcome = self.outcomes.get(title, 200)
            if outcome in (200, LOST):
                self.done.append((record, title))
            self.changed.notify_all()
        if outcome == LOST:
            raise ConnectError("the API broke off the connection", f"PATCH …/{record}")
        data = {"id": int(record), "title": title} if record.isdigit() else {"id": len(self.done) + 100}
        headers = {"content-type": "application/json", "x-ratelimit-limit": "1000000"}
        return Response(outcome, headers, orjson.dumps({"success": outcome == 200, "data": data}))

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, LONG)

    def stay(self, count: int) -> None:
        """Waits until *count* requests have come, and whether one more comes than that."""
        self.wait_for(lambda: len(self.began) >= count)
        with self.changed:
            assert not self.changed.wait_for(lambda: len(self.began) > count, SHORT)


class Deals:
    """The foreign table deals of an account of its own, whose writes go to *api*."""

    numbers = iter(range(10**6))

    def __init__(self, api: Api, folder: Path | None = None, **options: str) -> None:
        """*folder* holds the state of the burst window."""
        given = {"base_url": f"http://127.0.0.1:{9000 + next(self.numbers) % 50000}", "table": "deals"}
        secret = {} if "secrets_file" in options else {"api_token": "a-token"}
        read = read_options({**given, **secret, **options})
        signed = with_secrets(read)
        self.session = new_session(signed, new_client(signed, api, folder))
        self.session.client.limits.learn({"x-ratelimit-limit": "1000000"})
        use_session(signed, self.session)
        self.table = ForeignTable(read, definitions(("id", "bigint"), ("title", "text")))
        self.commands = 0

    def update(self, *rows: tuple[int, str], verb: str = "UPDATE") -> None:
        """One statement that gives records titles, or with INSERT makes new ones."""
        self.commands += 1
        number = self.commands
        self.table.writer.begin(number, number, ("title",), True)
        for record, title in rows:
            key = record if verb == "UPDATE" else None
            old, new = {"id": key, "title": "old"}, {"id": key, "title": title}
            self.table.writer.write(verb, number, json.dumps(old), json.dumps(new))
        self.table.writer.flush(number)

    def commit(self, *rows: tuple[int, str], verb: str = "UPDATE") -> None:
        """A transaction of one such statement, under write_mode 'commit'."""
        self.update(*rows, verb=verb)
        TRANSACTION.pre_commit()


@pytest.fixture(autouse=True)
def transaction() -> Iterator[None]:
    TRANSACTION.ended()
    yield
    TRANSACTION.ended()


def rows(count: int) -> list[tuple[int, str]]:
    return [(number, str(number)) for number in range(1, count + 1)]


@contextmanager
def failing(kind: type[PipedriveError]) -> Iterator[list[str]]:
    """What the detail of the error says, sentence by sentence."""
    told: list[str] = []
    with pytest.raises(kind) as caught:
        yield told
    told += caught.value.detail.rstrip(".").split(". ")


@pytest.mark.parametrize("verb", ["UPDATE", "INSERT"])
def test_as_many_are_under_way_as_the_option_says(verb: str) -> None:
    three = threading.Barrier(3)
    api = Api(hold=lambda title: bool(three.wait(LONG)) and None)
    Deals(api, parallel_writes="3").update(*rows(9), verb=verb)
    assert (api.most, sorted(api.began)) == (3, [title for _, title in rows(9)])


def test_without_the_option_one_is_sent_after_the_other() -> None:
    api = Api()
    Deals(api).update(*rows(9))
    assert (api.most, api.done) == (1, [(str(number), title) for number, title in rows(9)])


def test_no_more_are_under_way_than_the_option_parallel_says() -> None:
    api = Api(hold=lambda title: api.stay(1) if title == "1" else None)
    Deals(api, parallel_writes="8", parallel="1").update(*rows(9))
    assert api.most == 1


def test_a_second_write_of_a_record_waits_for_the_first() -> None:
    api = Api(hold=lambda title: api.stay(3) if title == "one" else None)
    deals = Deals(api, parallel_writes="8", write_mode="commit")
    deals.update((1, "one"), (2, "other"))
    deals.update((3, "third"), (1, "two"), (4, "fourth"))
    deals.update((1, "three"))
    TRANSACTION.pre_commit()
    assert [title for record, title in api.done if record == "1"] == ["one", "two", "three"]
    assert api.together == set()
    assert sorted(api.began[:3]) == ["one", "other", "third"]


def test_writes_of_another_kind_wait_for_all_before_them() -> None:
    api = Api(hold=lambda title: api.stay(2) if title == "1" else None)
    deals = Deals(api, parallel_writes="8", write_mode="commit")
    deals.update(*rows(2))
    deals.update((0, "new"), (0, "new"), verb="INSERT")
    TRANSACTION.pre_commit()
    assert sorted(api.began[:2]) == ["1", "2"]
    assert api.began[2:] == ["new", "new"]
    assert {title for _, title in api.done[:2]} == {"1", "2"}


def test_after_a_refusal_nothing_more_is_sent_and_those_under_way_are_waited_for() -> None:
    def hold(title: str) -> None:
        api.wait_for(lambda: len(api.began) == 3)
        if title != "2":  # until the refusal is known
            assert _until(lambda: api.exchange.stopped)

    api = Api({"2": 400}, hold)
    deals = Deals(api, parallel_writes="3", write_mode="commit")
    with failing(ApiError) as told:
        deals.commit(*rows(9))
    assert sorted(api.began) == ["1", "2", "3"]
    assert told[-2:] == [
        "2 rows are written in Pipedrive for good: deals UPDATE 1, 3",
        "6 more were not sent",
    ]


def test_what_nobody_knows_comes_first_and_every_failure_is_told() -> None:
    api = Api({"1": 400, "3": LOST, "4": LOST}, lambda title: api.wait_for(lambda: len(api.began) == 4))
    with failing(OutcomeUnknownError) as told:
        Deals(api, parallel_writes="4", write_mode="commit").commit(*rows(6))
    assert [part for part in told if part.startswith("There was also")] == [
        "There was also: pipedrive api: the API refuses the request (status 400)",
        "There was also: pipedrive outcome unknown: a record may or may not have been changed: the API "
        "broke off the connection",
    ]
    assert [part for part in told if part.startswith("PATCH …")] == ["PATCH …/3", "PATCH …/4"]
    assert told[-2:] == ["1 row is written in Pipedrive for good: deals UPDATE 2", "2 more were not sent"]


def test_new_records_are_told_in_the_order_of_their_ids() -> None:
    api = Api({"4": 400}, lambda title: api.wait_for(lambda: title != "1" or len(api.done) == 2))
    with failing(ApiError) as told:
        Deals(api, parallel_writes="4", write_mode="commit").commit(*rows(4), verb="INSERT")
    assert "3 rows are written in Pipedrive for good: deals INSERT 101-103" in told


def test_a_cancel_tells_what_had_been_sent() -> None:
    ended = threading.Event()
    api = Api(hold=lambda title: None if title == "1" else bool(ended.wait(LONG)) and None)
    deals = Deals(api, parallel_writes="3", write_mode="commit")
    deals.session.interrupts = Interrupts(lambda: len(api.began) == 4)
    began = time.monotonic()
    with failing(Cancelled) as told:
        deals.commit(*rows(9))
    took = time.monotonic() - began
    ended.set()
    assert told == [
        *(f"PATCH /deals/{n} was already sent, so Pipedrive may have done it" for n in (2, 3, 4)),
        "1 row is written in Pipedrive for good: deals UPDATE 1",
        "5 more were not sent",
    ]
    assert took < 1.5


def test_a_cancel_takes_the_answers_that_are_about_to_come() -> None:
    api = Api(hold=lambda title: time.sleep(0.05))
    deals = Deals(api, parallel_writes="3", write_mode="commit")
    deals.session.interrupts = Interrupts(lambda: len(api.began) >= 3)
    with failing(Cancelled) as told:
        deals.commit(*rows(9))
    assert told[-2:] == ["3 rows are written in Pipedrive for good: deals UPDATE 1-3", "6 more were not sent"]


def test_what_waits_for_the_window_is_not_sent_after_an_error(tmp_path: Path) -> None:
    refused = dict.fromkeys(("1", "2", "3"), 400)  # whichever takes the one place in the window
    api = Api(refused, lambda title: bool(_until(lambda: _waiting(deals) > 0)) and None)
    deals = Deals(api, tmp_path, parallel_writes="3", write_mode="commit")
    deals.session.client.limits.learn({"x-ratelimit-limit": "1"})
    with failing(ApiError) as told:
        deals.commit(*rows(9))
    assert len(api.began) == 1
    assert told[-1] == "8 more were not sent"
    assert _waiting(deals) == 0  # the place is given back


@pytest.mark.parametrize("most", [1, 3])
def test_a_fault_of_one_write_hides_no_other_and_leaves_open_what_it_did(most: int) -> None:
    def hold(title: str) -> None:
        if most == 3:
            api.wait_for(lambda: len(api.began) == 3)
        if title == "2":
            raise MemoryError
        if most == 3:  # until the fault is known
            assert _until(lambda: api.exchange.stopped)

    api = Api(hold=hold)
    with failing(OutcomeUnknownError) as told:
        Deals(api, parallel_writes=str(most), write_mode="commit").commit(*rows(9))
    assert told[0] == "PATCH /deals/2"
    assert told[-2:] == [
        "1 row is written in Pipedrive for good: deals UPDATE 1"
        if most == 1
        else "2 rows are written in Pipedrive for good: deals UPDATE 1, 3",
        f"{9 - max(most, 2)} more were not sent",
    ]
    assert sorted(api.began) == ["1", "2", "3"][: max(most, 2)]
    assert TRANSACTION.rolled_back() == f"{told[-2]}."


@pytest.mark.parametrize("most", ["1", "3"])
def test_where_no_thread_can_be_started_what_was_written_is_told(most: str) -> None:
    """A thread whose stack is larger than the memory that a process can have."""
    api = Api(hold=lambda title: threading.stack_size(2**48) and None if title == "first" else None)
    deals = Deals(api, parallel_writes=most, write_mode="commit")
    deals.update((1, "first"))
    deals.update(*((0, title) for _, title in rows(8)), verb="INSERT")  # when the first is done
    try:
        with failing(ConnectError) as told:
            TRANSACTION.pre_commit()
    finally:
        threading.stack_size(0)
    count = len(api.done)
    assert api.began[0] == "first"
    assert len(api.began) == count < 9
    assert told[-2].startswith(f"{count} row{'s are' if count > 1 else ' is'} written")
    assert told[-1] == f"{9 - 1 - count} more were not sent"


def test_where_none_can_be_begun_the_others_are_told_as_not_sent(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("api_token = a-token\n")
    secrets.chmod(0o600)
    api = Api()
    deals = Deals(api, parallel_writes="3", write_mode="commit", secrets_file=str(secrets))
    deals.update(*rows(9))
    secrets.unlink()
    with failing(OptionError) as told:
        TRANSACTION.pre_commit()
    assert api.began == []
    assert told[-1] == "8 more were not sent"


def _waiting(deals: Deals) -> int:
    return len(deals.session.client.limits._peek("window", Window).waiting)


def _until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + LONG
    while time.monotonic() < end and not condition():
        time.sleep(0.001)
    return condition()


def test_a_guard_refuses_all_before_the_first() -> None:
    api = Api()
    with pytest.raises(PipedriveError, match="would spend more than 40 API tokens"):
        Deals(api, parallel_writes="8", max_tokens_per_query="40").update(*rows(9))
    assert api.began == []


# ---- compared with one after the other


def outcome(writes: Sequence[tuple[int, str]], failed: Mapping[str, Any], most: int) -> tuple[Api, str]:
    """The API, and the detail of the error, after *writes* that are sent at COMMIT."""
    TRANSACTION.ended()
    api = Api(failed)
    deals = Deals(api, parallel_writes=str(most), write_mode="commit", max_tokens_per_query=str(10**9))
    for write in writes:  # each a statement
        deals.update(write)
    try:
        TRANSACTION.pre_commit()
    except PipedriveError as error:
        return api, error.detail
    return api, ""


def test_random_writes_end_as_they_do_one_after_the_other() -> None:
    for seed in range(40):
        rng = random.Random(seed)
        writes = [(rng.randint(1, 12), f"{place}") for place in range(rng.randint(2, 30))]
        kinds = (400, LOST) if seed % 2 else ()
        failed = {title: rng.choice(kinds) for _, title in writes if kinds and rng.random() < 0.1}
        serial, _ = outcome(writes, failed, 1)
        parallel, detail = outcome(writes, failed, rng.randint(2, 9))
        assert parallel.together == set()
        if not failed:
            assert dict(parallel.done) == dict(serial.done)
        assert set(serial.done) <= set(parallel.done)
        for record in {record for record, _ in writes}:
            wanted = [title for key, title in writes if key == record]
            began = [title for title in parallel.began if title in wanted]
            assert began == wanted[: len(began)]
        _check_report(writes, failed, parallel, detail)


def _check_report(
    writes: Sequence[tuple[int, str]], failed: Mapping[str, Any], api: Api, detail: str
) -> None:
    """*detail* says how many were written and how many not sent, and names each whose outcome is unknown."""
    known = [title for _, title in api.done if failed.get(title) != LOST]
    written = f"{len(known)} row{'s are' if len(known) != 1 else ' is'} written" if known else ""
    left = len(writes) - len(api.began)
    assert written in detail if failed else detail == ""
    if failed:
        assert (f"{left} more were not sent" in detail) == bool(left)
        lost = [record for record, title in api.done if failed.get(title) == LOST]
        assert all(f"PATCH …/{record}" in detail for record in lost)


# ---- the tables


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("stages", "its records have an order"),
        ("deal_products", "its rows belong to other records"),
        ("person_emails", "its rows belong to other records"),
        ("deal_field_options", "its rows belong to other records"),
        ("organization_relationships", "its rows belong to other records"),
        ("roles", "it refers to itself"),
        ("tasks", "it refers to itself"),
        ("projects", "a row takes several requests"),
        ("filters", "several rows share a request"),
    ],
)
def test_a_table_whose_rows_depend_on_each_other_is_not_declared_independent(table: str, why: str) -> None:
    changed = {**TABLES, table: TABLES[table].with_changes(independent=True)}
    assert f"{table}: is not independent, {why}" in validate(changed, frozenset(CODECS))


def test_the_documentation_names_the_tables() -> None:
    for version in ("v1", "v2"):
        names = sorted(name for name, table in tables_of(version).items() if table.independent)
        assert f"It applies to {', '.join(names[:-1])} and {names[-1]}." in " ".join(
            (ROOT / "docs" / "write.md").read_text().split()
        )
