"""Writes of many rows side by side (parallel_writes): what arrives, at what time, and what is told of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.e2e.test_writes import sent
from tests.live import LiveAccount, most_at_once, threads_of, without_timeout
from tools.engine import Server

TABLES = (
    "deals",
    "persons",
    "activities",
    "notes",
    "stages",
    "person_emails",
    "deal_followers",
    "deal_products",
    "api_usage",
)
MOST = 4
ROWS = 24
SLOW = {"match": "/(deals|persons|activities|notes|stages)", "action": "delay", "ms": 60}
LONG = 60_000


@pytest.fixture(scope="module")
def live(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9, "parallel_writes": MOST}
    with LiveAccount(server, deals=150, tables=TABLES, options=options, budget=10**9) as made:
        yield made


@pytest.fixture
def account(live: LiveAccount) -> Iterator[LiveAccount]:
    live.begin_anew()
    yield live
    live.simulator.faults([])


@pytest.fixture
def waiting(account: LiveAccount) -> Iterator[LiveAccount]:
    """The account under write_mode 'commit'."""
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD write_mode 'commit')")
    yield account
    account.begin_anew()
    account.run(f"ALTER SERVER {account.name} OPTIONS (DROP write_mode)")


def keys_of(account: LiveAccount, count: int = ROWS) -> list[int]:
    """The ids of some deals that can be changed, in the order in which they are listed."""
    deals = account.simulator.records("deals")
    return sorted(d["id"] for d in deals if not d["is_archived"] and not d["is_deleted"])[:count]


def among(keys: Sequence[int]) -> str:
    return f"id IN ({', '.join(map(str, keys))})"


def titles(account: LiveAccount) -> dict[int, str]:
    return {d["id"]: d["title"] for d in account.simulator.records("deals")}


def writes(account: LiveAccount) -> list[dict[str, Any]]:
    return [request for request in account.requests() if request["method"] != "GET"]


# ---- what arrives, and when


def test_rows_are_updated_inserted_and_deleted_side_by_side(account: LiveAccount) -> None:
    keys, before = keys_of(account), titles(account)
    account.simulator.faults([SLOW])
    account.run(f"UPDATE deals SET title = 'deal ' || id, value = id WHERE {among(keys)}")
    changes = {int(path.rsplit("/", 1)[1]): body for _, path, body in sent(account)}
    assert changes == {key: {"title": f"deal {key}", "value": key} for key in keys}
    assert len(sent(account)) == ROWS
    assert titles(account) == {**before, **{key: f"deal {key}" for key in keys}}
    assert most_at_once(writes(account)) == MOST
    account.simulator.reset()
    account.simulator.faults([SLOW])
    account.run(f"INSERT INTO persons (name) SELECT 'new ' || i FROM generate_series(1, {ROWS}) i")
    assert Counter(body["name"] for _, _, body in sent(account)) == Counter(
        f"new {i}" for i in range(1, ROWS + 1)
    )
    assert sum(str(p["name"]).startswith("new ") for p in account.simulator.records("persons")) == ROWS
    assert most_at_once(writes(account)) == MOST
    account.simulator.reset()
    account.simulator.faults([SLOW])
    account.run("DELETE FROM persons WHERE name LIKE 'new %'")
    assert [method for method, _, _ in sent(account)] == ["DELETE"] * ROWS
    assert most_at_once(writes(account)) == MOST
    account.simulator.reset()
    assert account.value("SELECT count(*) FROM persons WHERE name LIKE 'new %'") == 0


def test_it_is_off_by_default_and_a_session_can_ask_for_less_and_no_more(account: LiveAccount) -> None:
    sql = f"UPDATE deals SET title = title || '!' WHERE {among(keys_of(account, 8))}"

    def seen(setting: str) -> int:
        account.simulator.reset()
        account.simulator.faults([SLOW])
        account.run(setting)
        account.run(sql)
        return most_at_once(writes(account))

    assert seen("SET pipedrive.parallel_writes = 2") == 2
    assert seen("SET pipedrive.parallel_writes = 8") == MOST
    account.run(f"ALTER SERVER {account.name} OPTIONS (DROP parallel_writes)")
    try:
        assert seen("RESET pipedrive.parallel_writes") == 1
        assert [path for _, path, _ in sent(account)] == [f"/api/v2/deals/{k}" for k in keys_of(account, 8)]
        assert seen("SET pipedrive.parallel_writes = 3") == 3
        account.run("ALTER FOREIGN TABLE deals OPTIONS (ADD parallel_writes '2')")
        assert seen("SET pipedrive.parallel_writes = 3") == 2
    finally:
        account.run(f"ALTER SERVER {account.name} OPTIONS (ADD parallel_writes '{MOST}')")
        account.run("ALTER FOREIGN TABLE deals OPTIONS (DROP parallel_writes)")
    with pytest.raises(psycopg.Error, match="parallel_writes"):
        account.run(f"ALTER SERVER {account.name} OPTIONS (SET parallel_writes '0')")


def test_the_burst_window_is_kept(server: Server) -> None:
    options = {"parallel_writes": 32}
    with LiveAccount(server, deals=60, tables=["deals", "users"], options=options, burst=20) as account:
        account.rows("SELECT id FROM users")  # from which the window is known
        keys = keys_of(account, 45)
        account.run(f"UPDATE deals SET title = 'deal ' || id WHERE {among(keys)}")
        assert {request["status"] for request in account.requests()} == {200}
        assert len(writes(account)) == 45
        assert all(titles(account)[key] == f"deal {key}" for key in keys)
        assert account.value("SELECT count(*) FROM users") > 0


def test_a_row_that_a_join_gives_twice_is_written_once(account: LiveAccount) -> None:
    keys = keys_of(account, 6)
    account.run(
        f"UPDATE deals SET title = 'joined' FROM unnest(ARRAY{keys} || ARRAY{keys}) AS other(key) "
        "WHERE deals.id = other.key"
    )
    assert Counter(path for _, path, _ in sent(account)) == Counter(f"/api/v2/deals/{key}" for key in keys)


def test_two_writes_of_a_record_keep_their_order(waiting: LiveAccount) -> None:
    keys = keys_of(waiting, 6)
    waiting.simulator.faults([SLOW])
    waiting.run("BEGIN")
    for title in ("'one'", "title || ' two'", "title || ' three'"):
        waiting.run(f"UPDATE deals SET title = {title} WHERE {among(keys)}")
    waiting.run("INSERT INTO deals (title) VALUES ('made after them'), ('and so is this')")
    waiting.run(f"UPDATE deals SET value = 5 WHERE {among(keys)}")
    waiting.run("COMMIT")
    found = writes(waiting)
    for key in keys:
        own = sorted(
            (r for r in found if r["path"] == f"/api/v2/deals/{key}"), key=lambda request: request["started"]
        )
        bodies = [request["body"] for request in own]
        assert [b if isinstance(b, dict) else json.loads(b) for b in bodies] == [
            {"title": "one"},
            {"title": "one two"},
            {"title": "one two three"},
            {"value": 5},
        ]
        assert most_at_once(own) == 1
    assert most_at_once(found) == MOST
    made = [request for request in found if request["method"] == "POST"]
    changed = [request for request in found if request["method"] == "PATCH"]
    assert sum(request["ended"] <= made[0]["started"] for request in changed) == 18
    assert sum(request["started"] >= made[-1]["ended"] for request in changed) == 6


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE stages SET name = name || '!'",
        "INSERT INTO person_emails (person_id, value) SELECT i, 'a@b.example' FROM generate_series(1, 5) i",
        "UPDATE person_emails SET label = 'other' WHERE person_id < 6",
        "INSERT INTO deal_followers (deal_id, user_id) SELECT d, u FROM unnest({deals}) d, "
        "generate_series(1, 4) u WHERE NOT EXISTS (SELECT FROM deal_followers f WHERE f.deal_id = d "
        "AND f.user_id = u AND f.deal_id = ANY ({deals}))",
        "UPDATE deal_products SET quantity = quantity + 1 WHERE deal_id = ANY ({deals})",
    ],
)
def test_rows_that_depend_on_each_other_go_one_by_one(account: LiveAccount, sql: str) -> None:
    account.simulator.faults([SLOW])
    account.run(sql.format(deals=f"ARRAY{keys_of(account, 8)}"))
    assert len(writes(account)) > 2
    assert most_at_once(writes(account)) == 1


def test_whoever_waits_for_the_answers_gets_them_one_by_one(account: LiveAccount) -> None:
    keys = keys_of(account, 6)
    account.simulator.faults([SLOW])
    rows = account.rows(f"UPDATE deals SET title = 'told' WHERE {among(keys)} RETURNING id, title")
    assert sorted(rows) == [(key, "told") for key in keys]
    assert most_at_once(writes(account)) == 1
    account.simulator.reset()
    account.simulator.faults([SLOW])
    account.run(
        f"CREATE FUNCTION {account.name}.look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    )
    account.run("CREATE TRIGGER looks AFTER INSERT ON persons FOR EACH ROW EXECUTE FUNCTION look()")
    try:
        account.run("INSERT INTO persons (name) SELECT 'new ' || i FROM generate_series(1, 5) i")
    finally:
        account.run("DROP TRIGGER looks ON persons; DROP FUNCTION look()")
    assert (len(writes(account)), most_at_once(writes(account))) == (5, 1)


def test_a_check_option_refuses_all_before_the_first(account: LiveAccount) -> None:
    account.run("CREATE VIEW cheap AS SELECT * FROM deals WHERE value < 1000 WITH CHECK OPTION")
    try:
        with pytest.raises(psycopg.errors.WithCheckOptionViolation):
            account.run("INSERT INTO cheap (title, value) SELECT 'd', i * 300 FROM generate_series(1, 6) i")
    finally:
        account.run("DROP VIEW cheap")
    assert sent(account) == []


# ---- what is told when one fails


def told(error: psycopg.Error) -> tuple[set[int], int]:
    """The deals that the detail of *error* says are written, and how many it says were not sent."""
    detail = str(error.diag.message_detail)
    found = re.search(
        r"(\d+) rows? (?:is|are) written in Pipedrive for good: deals UPDATE ([\d, -]+)\.", detail
    )
    written: set[int] = set()
    if found:
        for run in found[2].split(", "):
            first, _, last = run.partition("-")
            written |= set(range(int(first), int(last or first) + 1))
        assert len(written) == int(found[1])
    unsent = re.search(r"(\d+) more were not sent\.", detail)
    return written, int(unsent[1]) if unsent else 0


FAULTS = {
    "400": ({"action": "status", "status": 400}, "the API refuses the request", False),
    "403": ({"action": "status", "status": 403}, "pipedrive access", False),
    "a day's limit": (
        {"action": "status", "status": 429, "headers": {"retry-after": "3939"}},
        "pipedrive daily limit",
        False,
    ),
    "500": ({"action": "status", "status": 500}, "outcome unknown", False),
    "500 when it was done": (
        {"action": "status", "status": 500, "after_handling": True},
        "outcome unknown",
        True,
    ),
    "no answer": ({"action": "drop"}, "outcome unknown", False),
    "no answer when it was done": ({"action": "drop", "after_handling": True}, "outcome unknown", True),
    "a cut answer": ({"action": "cut"}, "outcome unknown", True),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_failure_midway_is_told_as_exactly_as_ever(account: LiveAccount, name: str) -> None:
    rule, words, done = FAULTS[name]
    keys, before = keys_of(account), titles(account)
    failed = keys[9]
    others = {**SLOW, "match": f"/deals/(?!{failed}$)", "method": "PATCH"}
    account.simulator.faults([{"match": f"/deals/{failed}$", "method": "PATCH", **rule}, others])
    with pytest.raises(psycopg.Error, match=words) as caught:
        account.run(f"UPDATE deals SET title = 'changed ' || id WHERE {among(keys)}")
    written, unsent = told(caught.value)
    changed = {key for key, title in titles(account).items() if title != before[key]}
    assert changed == written | ({failed} if done else set())
    arrived = {int(path.rsplit("/", 1)[1]) for _, path, _ in sent(account)}
    assert arrived == written | {failed}
    assert arrived <= set(keys[: 10 + 2 * MOST])
    assert len(set(keys[:9]) - arrived) < MOST  # what was begun and had not left yet
    assert len(arrived) + unsent == ROWS
    assert f"/deals/{failed}" in str(caught.value.diag.message_detail)
    assert most_at_once(writes(account)) == MOST
    account.simulator.faults([])
    account.run(f"UPDATE deals SET title = 'again' WHERE id = {failed}")
    assert titles(account)[failed] == "again"


def test_what_the_burst_limit_refuses_is_sent_again(account: LiveAccount) -> None:
    keys = keys_of(account)
    headers = {"x-ratelimit-limit": "100000", "x-ratelimit-reset": "1"}
    rule = {"match": "/deals/", "method": "PATCH", "action": "status", "status": 429, "headers": headers}
    account.simulator.faults([{**rule, "skip": 5, "times": 3}, SLOW])
    account.run(f"UPDATE deals SET title = 'changed ' || id WHERE {among(keys)}")
    assert Counter(r["status"] for r in writes(account)) == {200: ROWS, 429: 3}
    assert {key: titles(account)[key] for key in keys} == {key: f"changed {key}" for key in keys}


def test_a_commit_that_fails_midway_tells_of_all_statements(waiting: LiveAccount) -> None:
    keys = keys_of(waiting)
    waiting.run("BEGIN")
    waiting.run(f"UPDATE deals SET title = 'changed' WHERE {among(keys)}")
    waiting.run("INSERT INTO persons (name) SELECT 'new ' || i FROM generate_series(1, 5) i")
    waiting.simulator.faults(
        [{"match": f"/deals/{keys[9]}$", "method": "PATCH", "action": "status", "status": 400}, SLOW]
    )
    with pytest.raises(psycopg.Error, match="the API refuses the request") as caught:
        waiting.run("COMMIT")
    written, unsent = told(caught.value)
    assert len(written) + 1 + unsent == ROWS + 5
    assert {key for key in keys if titles(waiting)[key] == "changed"} == written
    assert [path for method, path, _ in sent(waiting) if method == "POST"] == []


def test_a_guard_refuses_before_the_first_and_usage_counts_every_request(account: LiveAccount) -> None:
    keys = keys_of(account)
    sql = f"UPDATE deals SET title = 'changed' WHERE {among(keys)}"
    account.run("SET pipedrive.max_tokens_per_query = 100")
    with pytest.raises(psycopg.Error, match="would spend more than 100 API tokens"):
        account.run(sql)
    assert sent(account) == []
    account.run("RESET pipedrive.max_tokens_per_query")
    account.simulator.reset()
    usage = "SELECT session_requests, session_tokens FROM api_usage"
    before = account.rows(usage)[0]
    account.run(sql)
    after = account.rows(usage)[0]
    assert (after[0] - before[0], after[1] - before[1]) == (len(account.requests()), account.tokens())


def test_each_request_is_noted_with_its_outcome(account: LiveAccount) -> None:
    keys = keys_of(account, 8)
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD log_writes 'true')")
    try:
        size = account.server.log.stat().st_size
        account.simulator.faults([{"match": f"/deals/{keys[7]}$", "method": "PATCH", "action": "drop"}, SLOW])
        with pytest.raises(psycopg.Error, match="outcome unknown"):
            account.run(f"UPDATE deals SET title = 'changed' WHERE {among(keys)}")
        lines = account.server.log_since(size).splitlines()
    finally:
        account.run(f"ALTER SERVER {account.name} OPTIONS (DROP log_writes)")
    noted = [json.loads(line.partition("pipedrive write: ")[2]) for line in lines if "write: {" in line]
    assert sorted((line["request"], line["outcome"]) for line in noted) == sorted(
        (f"PATCH /v2/deals/{key}", "unknown" if key == keys[7] else "done") for key in keys
    )


# ---- how it ends before its time


@contextlib.contextmanager
def once_under_way(account: LiveAccount, keys: Sequence[int], then: Callable[[], Any]) -> Iterator[None]:
    """*then* is called when the writes of the deals *keys* have arrived, which are not answered."""
    match = f"/deals/({'|'.join(map(str, keys))})$"
    rule = {"match": match, "method": "PATCH", "action": "delay", "ms": LONG, "after_handling": True}
    account.simulator.faults([rule])
    paths = {f"/api/v2/deals/{key}" for key in keys}

    def wait() -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end and not paths <= {r["path"] for r in writes(account)}:
            time.sleep(0.01)
        then()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize("way", ["cancel", "statement_timeout"])
def test_a_cancel_tells_which_were_under_way(account: LiveAccount, way: str) -> None:
    keys = keys_of(account)
    connection = account.connection
    assert connection is not None
    moments: list[float] = []

    def cancel() -> None:
        moments.append(time.monotonic())
        connection.cancel()

    if way == "statement_timeout":
        account.run("SET statement_timeout = '2s'")
    with once_under_way(account, keys[6:10], cancel if way == "cancel" else lambda: None):
        with pytest.raises(psycopg.errors.QueryCanceled) as caught:
            account.run(f"UPDATE deals SET title = 'changed' WHERE {among(keys)}")
        moments.append(time.monotonic())
    if way == "cancel":
        assert moments[1] - moments[0] < 1.5  # half a second, on a machine that has other work
    written, unsent = told(caught.value)
    assert written == set(keys[:6])
    assert unsent == ROWS - 10
    detail = str(caught.value.diag.message_detail)
    named = {int(key) for key in re.findall(r"PATCH /deals/(\d+) ", detail)}
    assert named == set(keys[6:10])
    assert {key for key, title in titles(account).items() if title == "changed"} == written | named
    assert len(writes(account)) == 10
    without_timeout(connection)
    account.simulator.faults([])
    assert threads_of(connection.info.backend_pid) == 1
    account.run(f"UPDATE deals SET title = 'again' WHERE {among(keys[8:10])}")
    assert [titles(account)[key] for key in keys[8:10]] == ["again", "again"]


@pytest.mark.parametrize("most", [1, MOST])
def test_a_cancel_is_seen_although_each_answer_comes_soon(account: LiveAccount, most: int) -> None:
    keys = keys_of(account, 100)
    connection = account.connection
    assert connection is not None
    account.run(f"SET pipedrive.parallel_writes = {most}")
    account.simulator.faults([{**SLOW, "ms": 30}])

    def cancel() -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end and len(writes(account)) < 5:
            time.sleep(0.005)
        connection.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(psycopg.errors.QueryCanceled) as caught:
        account.run(f"UPDATE deals SET title = 'changed' WHERE {among(keys)}")
    thread.join()
    written, unsent = told(caught.value)
    lost = re.findall(r"PATCH /deals/(\d+) ", str(caught.value.diag.message_detail))
    assert len(written) + len(lost) + unsent == len(keys)
    assert unsent > 0
    changed = {key for key, title in titles(account).items() if title == "changed"}
    assert written <= changed <= written | set(map(int, lost))


def test_nothing_more_is_sent_when_the_session_is_terminated(account: LiveAccount) -> None:
    keys = keys_of(account)
    with account.session() as other:
        pid = account.value("SELECT pg_backend_pid()")
        with (
            once_under_way(account, keys[6:10], lambda: other.execute(f"SELECT pg_terminate_backend({pid})")),
            pytest.raises(psycopg.OperationalError),
        ):
            account.run(f"UPDATE deals SET title = 'changed' WHERE {among(keys)}")
    assert {r["path"] for r in writes(account)} == {f"/api/v2/deals/{key}" for key in keys[:10]}
    account.begin_anew()
    account.run(f"UPDATE deals SET title = 'again' WHERE {among(keys)}")
    assert len(writes(account)) == ROWS


def test_a_killed_backend_sends_nothing_more_and_the_next_one_goes_on() -> None:
    options = {"parallel_writes": MOST}
    with Server() as own, LiveAccount(own, deals=60, tables=["deals"], options=options) as account:
        keys, other = keys_of(account), account.session()
        account.run("CHECKPOINT")  # so that the tables outlive the crash
        pid = account.value("SELECT pg_backend_pid()")
        with (
            once_under_way(account, keys[6:10], lambda: os.kill(pid, signal.SIGKILL)),
            pytest.raises(psycopg.OperationalError),
        ):
            account.run(f"UPDATE deals SET title = 'changed' WHERE {among(keys)}")
        assert {r["path"] for r in writes(account)} == {f"/api/v2/deals/{key}" for key in keys[:10]}
        account.simulator.reset()
        # PostgreSQL ends all sessions, and starts again
        _try_until(lambda: other.execute("SELECT 1"), fails=True)
        _try_until(account.connect, fails=False)
        account.run(f"UPDATE deals SET title = 'again' WHERE {among(keys)}")
        assert len(writes(account)) == ROWS


def _try_until(work: Callable[[], Any], fails: bool) -> None:
    """Does *work* until it *fails* for want of a server, or does not any more."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            work()
        except psycopg.OperationalError:
            if fails:
                return
        else:
            if not fails:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start again")


def test_several_sessions_write_side_by_side(account: LiveAccount) -> None:
    keys = keys_of(account)
    account.simulator.faults([SLOW])

    def write(own: Sequence[int]) -> None:
        with account.session() as session:
            session.execute(f"UPDATE deals SET title = 'deal ' || id WHERE {among(own)}".encode())

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, (keys[0::3], keys[1::3], keys[2::3])))
    assert {key: titles(account)[key] for key in keys} == {key: f"deal {key}" for key in keys}
    assert len(writes(account)) == ROWS
