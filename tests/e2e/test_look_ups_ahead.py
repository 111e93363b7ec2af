"""The look-ups of a nested loop that is read to its end are made ahead of it, and cost what they cost one by
one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount, most_at_once, threads_of
from tools.engine import Server

TABLES = ("deals", "deal_followers", "person_followers", "persons", "users", "notes", "leads", "files")
LOOPING = "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off"
FOLLOWERS = re.compile(r"/followers$")
JOINED = "<deals> d JOIN <deal_followers> f ON f.deal_id = d.id"
# Every third deal is passed over by PostgreSQL, which alone knows the condition
OWN = "d.owner_id IN (2, 3) AND NOT d.is_archived AND d.id % 3 > 0"


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9, "page_size": 100}
    with LiveAccount(
        server, seed=7, deals=250, tables=TABLES, options=options, burst=100_000, budget=10**9
    ) as live:
        for table in TABLES:
            live.run(f"CREATE TABLE copy_of_{table} AS SELECT * FROM {table}")
        live.run("CREATE TABLE keys (id bigint, note text)")
        live.run("INSERT INTO keys SELECT n, repeat('x', n) FROM generate_series(1, 40) n")
        live.run("INSERT INTO keys VALUES (NULL, 'none'), (7, 'again'), (8, 'again'); ANALYZE")
        live.simulator.configure({"latency_ms": 60})
        yield live


@pytest.fixture(autouse=True)
def loops(account: LiveAccount) -> Iterator[None]:
    """PostgreSQL joins by nested loops; tests may add hash joins."""
    account.connect()
    account.run(LOOPING)
    account.simulator.reset()
    yield
    account.simulator.reset()


def named(sql: str, prefix: str) -> str:
    for table in TABLES:
        sql = sql.replace(f"<{table}>", prefix + table)
    return sql


def looked_up(account: LiveAccount, path: re.Pattern[str] = FOLLOWERS) -> list[dict[str, Any]]:
    return [r for r in account.requests() if path.search(r["path"])]


def compare(account: LiveAccount, sql: str) -> None:
    """Runs *sql*, whose rows are those of plain tables."""
    wanted = account.rows(named(sql, "copy_of_"))
    account.simulator.reset()
    got = account.rows(named(sql, ""))
    assert Counter(map(repr, got)) == Counter(map(repr, wanted))


LOOPS = {
    "a join": f"SELECT d.id, f.user_id FROM {JOINED} WHERE {OWN}",
    "a left join": f"SELECT d.id, d.title, f.user_id FROM <deals> d LEFT JOIN <deal_followers> f "
    f"ON f.deal_id = d.id AND f.user_id > 2 WHERE {OWN}",
    "IN (SELECT …)": f"SELECT * FROM <deal_followers> "
    f"WHERE deal_id IN (SELECT id FROM <deals> d WHERE {OWN})",
    "a sort above": f"SELECT d.id, d.attrs, f.user_id FROM <deals> d "
    f"JOIN <deal_followers> f ON f.deal_id = d.id WHERE {OWN} ORDER BY d.title, f.user_id LIMIT 3",
    "a sorted outer side": f"SELECT d.id, f.user_id FROM (SELECT * FROM <deals> d WHERE {OWN} "
    "ORDER BY title OFFSET 0) d JOIN <deal_followers> f ON f.deal_id = d.id",
    "an aggregate for each": f"SELECT d.id, f.n FROM <deals> d, LATERAL "
    f"(SELECT count(*) AS n FROM <deal_followers> f WHERE f.deal_id = d.id) f WHERE {OWN}",
    "a table of one's own": "SELECT k.*, f.user_id FROM keys k "
    "LEFT JOIN <deal_followers> f ON f.deal_id = k.id",
    "rows made from it": "SELECT k, f FROM keys k LEFT JOIN <deal_followers> f ON f.deal_id = k.id",
    "EXISTS": f"SELECT d.id FROM <deals> d WHERE {OWN} "
    "AND EXISTS (SELECT FROM <deal_followers> f WHERE f.deal_id = d.id)",
    "a chain": f"SELECT d.id, f.user_id, p.user_id FROM {JOINED} "
    f"LEFT JOIN <person_followers> p ON p.person_id = d.person_id WHERE {OWN}",
    "a union": f"SELECT d.id, f.user_id FROM {JOINED} WHERE {OWN} UNION ALL SELECT id, NULL FROM <users>",
    "computed": "SELECT k.id + 1, f.user_id FROM keys k LEFT JOIN <deal_followers> f ON f.deal_id = k.id + 1",
}


@pytest.mark.parametrize("sql", LOOPS.values(), ids=list(LOOPS))
def test_look_ups_are_made_side_by_side_each_once(account: LiveAccount, sql: str) -> None:
    assert "Nested Loop" in "\n".join(account.plan(named(sql, "")))
    compare(account, sql)
    requests = looked_up(account)
    assert len(requests) > 15 and most_at_once(requests) >= 5
    assert {n for n in Counter(r["path"] for r in requests).values()} == {1}
    if "k.id" not in sql:
        passed = {r[0] for r in account.rows(f"SELECT id FROM copy_of_deals d WHERE NOT ({OWN})")}
        keys = {int(r["path"].split("/")[-2]) for r in requests if "/deals/" in r["path"]}
        assert not keys & passed


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT d.id, f.user_id FROM {JOINED} WHERE {OWN} LIMIT 1",
        f"SELECT EXISTS (SELECT FROM {JOINED} WHERE {OWN})",
        "SELECT k.id, (SELECT max(f.user_id) FROM deal_followers f WHERE f.deal_id = k.id) FROM keys k",
        f"SELECT u.id FROM users u WHERE EXISTS (SELECT FROM {JOINED} WHERE d.id > u.id AND {OWN})",
    ],
)
def test_where_a_loop_may_be_left_look_ups_are_made_one_by_one(account: LiveAccount, sql: str) -> None:
    account.rows(named(sql, ""))
    assert most_at_once(looked_up(account)) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT k.id, f.* FROM keys k, LATERAL (SELECT f.deal_id, f.user_id FROM <deal_followers> f "
        "WHERE f.deal_id = (SELECT k.id + 1) OFFSET 0) f",
        "SELECT d.id, f.n FROM <deals> d, LATERAL (SELECT count(*) AS n FROM <deal_followers> f "
        "WHERE f.deal_id = (SELECT max(id) FROM <deals> e WHERE e.stage_id = d.stage_id AND e.id < 90) "
        "AND f.user_id <> d.owner_id) f",
    ],
)
def test_what_a_sub_select_computes_of_a_row_is_looked_up_for_this_row(
    account: LiveAccount, sql: str
) -> None:
    assert "InitPlan" in "\n".join(account.plan(named(sql, "")))
    compare(account, sql)


def test_a_cursor_that_is_read_in_pieces_looks_up_one_by_one(account: LiveAccount) -> None:
    sql = "SELECT k.id, f.user_id FROM keys k LEFT JOIN deal_followers f ON f.deal_id = k.id"
    wanted = Counter(account.rows(sql))
    account.simulator.reset()
    connection = account.connection
    assert connection is not None
    with connection.transaction():
        connection.execute(f"DECLARE c NO SCROLL CURSOR FOR {sql}")  # type: ignore[call-overload]
        got = connection.execute("FETCH 5 FROM c").fetchall()
        assert most_at_once(looked_up(account)) == 1
        assert len(looked_up(account)) <= 5
        # The rest is taken as a whole
        got += connection.execute("FETCH ALL FROM c").fetchall()
    assert most_at_once(looked_up(account)) >= 5
    assert Counter(got) == wanted


def test_a_loop_that_runs_again_looks_up_again(account: LiveAccount) -> None:
    """The inner side of a loop is itself a loop, which a sort reads to its end, for each row anew."""
    compare(
        account,
        "SELECT u.id, x.* FROM <users> u, LATERAL (SELECT k.id AS key, f.user_id FROM keys k "
        "JOIN <deal_followers> f ON f.deal_id = k.id + u.id WHERE k.id < 12 ORDER BY f.add_time OFFSET 0) x "
        "WHERE u.id < 5",
    )
    assert most_at_once(looked_up(account)) >= 5


def test_a_walk_that_is_left_at_the_same_place_again_asks_for_nothing_more(account: LiveAccount) -> None:
    compare(
        account,
        "SELECT k.id, EXISTS (SELECT FROM <deal_followers> f WHERE f.deal_id % 100 > 20 "
        "AND f.user_id + k.id > 0) FROM keys k WHERE k.id > 0",
    )
    requests = looked_up(account)
    assert len(requests) > 15
    assert set(Counter(r["path"] for r in requests).values()) == {1}


def test_the_outer_side_of_a_hash_join_is_read_ahead_once_the_other_has_rows(account: LiveAccount) -> None:
    sql = "SELECT k.id, k.user_id, u.name FROM (SELECT k.id, f.user_id FROM keys k "
    sql += "LEFT JOIN LATERAL (SELECT * FROM <deal_followers> WHERE deal_id = k.id OFFSET 0) f ON true) k "
    sql += "JOIN (SELECT * FROM <users> OFFSET 0) u ON u.id + 0 = k.user_id + 0"
    account.run("SET enable_hashjoin = on; SET enable_nestloop = on")
    plan = "\n".join(account.plan(named(sql, "")))
    assert re.search(r"Hash Join.*Nested Loop.*followers.*Hash$", plan, re.DOTALL | re.MULTILINE), plan
    compare(account, sql)
    assert most_at_once(looked_up(account)) >= 5
    account.simulator.reset()
    assert account.rows(named(sql, "").replace("users OFFSET", "users WHERE name = 'nobody' OFFSET")) == []
    assert len(looked_up(account)) <= 4


def test_one_that_is_refused_costs_one_request(account: LiveAccount) -> None:
    fault = {"match": "/followers$", "action": "status", "status": 403}
    account.simulator.faults([fault])
    with pytest.raises(psycopg.Error, match="deal_followers"):
        account.rows("SELECT k.id, f.user_id FROM keys k LEFT JOIN deal_followers f ON f.deal_id = k.id")
    assert len(looked_up(account)) == 1


def test_an_error_of_one_is_that_of_the_statement(account: LiveAccount) -> None:
    account.simulator.faults([{"match": "/deals/12/followers$", "action": "status", "status": 422}])
    sql = "SELECT k.id, f.user_id FROM keys k LEFT JOIN deal_followers f ON f.deal_id = k.id"
    with pytest.raises(psycopg.Error, match="422"):
        account.rows(sql)
    account.simulator.reset()
    assert len(account.rows(sql)) > 40


def test_nothing_is_left_of_a_statement_that_fails_elsewhere(account: LiveAccount) -> None:
    sql = "SELECT 1 / (k.id - 4), f.user_id FROM keys k LEFT JOIN deal_followers f ON f.deal_id = k.id"
    pid = account.value("SELECT pg_backend_pid()")
    with pytest.raises(psycopg.errors.DivisionByZero):
        account.rows(sql)
    compare(account, sql.replace("deal_followers", "<deal_followers>") + " WHERE k.id <> 4")
    assert threads_of(pid) == 1


def test_what_the_guard_allows_is_asked_for(account: LiveAccount) -> None:
    tokens = 10 * 20
    account.run(f"SET pipedrive.max_tokens_per_query = {tokens}")
    with pytest.raises(psycopg.Error, match=f"would spend more than {tokens} API tokens"):
        account.rows("SELECT k.id, f.user_id FROM keys k LEFT JOIN deal_followers f ON f.deal_id = k.id")
    assert sum(r["tokens"] for r in account.requests()) == tokens


def test_sessions_share_the_answers(account: LiveAccount) -> None:
    account.run("SET pipedrive.cache_ttl = 60")
    sql = "SELECT k.id, f.user_id FROM keys k LEFT JOIN deal_followers f ON f.deal_id = k.id ORDER BY 1, 2"
    rows = account.rows(sql)
    assert len(looked_up(account)) == 40
    account.simulator.reset()
    account.connect()
    account.run(f"{LOOPING}; SET pipedrive.cache_ttl = 60")
    assert account.rows(sql) == rows
    assert looked_up(account) == []


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_are_under_way_than_the_option_parallel_says(account: LiveAccount, most: int) -> None:
    sql = "SELECT k.id, f.user_id FROM keys k LEFT JOIN deal_followers f ON f.deal_id = k.id"
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD parallel '{most}')")
    try:
        account.connect()
        account.run(LOOPING)
        assert len(account.rows(sql)) > 40
        assert most_at_once(looked_up(account)) == most
    finally:
        account.run(f"ALTER SERVER {account.name} OPTIONS (DROP parallel)")


@pytest.mark.parametrize(
    ("keys", "count"),
    [("keys", 40), ("(SELECT CASE WHEN id % 4 > 0 THEN id END AS id FROM keys)", 30)],
    ids=["each", "some are NULL"],
)
def test_explain_analyze_counts_each_once(account: LiveAccount, keys: str, count: int) -> None:
    sql = f"SELECT k.id, f.user_id FROM {keys} k LEFT JOIN deal_followers f ON f.deal_id = k.id"
    plan = "\n".join(account.plan(sql, "ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF"))
    actual = re.search(r"Foreign Scan on deal_followers.*Actual: (.*) requests, (.*) tokens", plan, re.DOTALL)
    assert actual is not None
    assert actual.groups() == (str(count), str(10 * count))


def test_a_write_reads_nothing_ahead(account: LiveAccount) -> None:
    account.run("CREATE TEMP TABLE changes AS SELECT id, 'changed' AS name FROM persons WHERE id < 12")
    sql = "UPDATE persons p SET name = c.name FROM changes c WHERE p.id = c.id"
    account.simulator.reset()
    account.run(sql)
    assert most_at_once([r for r in account.requests() if r["method"] == "GET"]) == 1


def test_the_keys_of_rows_read_ahead_are_not_kept(account: LiveAccount) -> None:
    """Each has a value of 10 kB, which waits for its turn with a few others."""
    account.run(
        "CREATE TEMP TABLE large AS SELECT n AS id, repeat(md5(n::text), 300) AS note "
        "FROM generate_series(10, 700) n; ANALYZE large"
    )
    sql = "SELECT count(*), count(f.user_id) FROM large l LEFT JOIN deal_followers f "
    sql += "ON f.deal_id = 12 + l.id % 3 AND coalesce(f.attrs ->> 'note', '') <> l.note WHERE l.id < {n}"
    peaks = []
    for n in (100, 700):
        rows = account.rows(sql.format(n=n))
        assert rows == account.rows(sql.format(n=n).replace("deal_followers", "copy_of_deal_followers"))
        assert account.connection is not None
        status = Path(f"/proc/{account.connection.info.backend_pid}/status").read_text()
        peaks.append(int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]))
    assert most_at_once(looked_up(account)) >= 2
    assert peaks[1] - peaks[0] < 10_000
