"""Pages are asked for ahead where all rows will be taken, and nowhere else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

# Takes a while for each row, in which the request for the next page leaves
BUSY = "(SELECT count(*) FROM generate_series(1, 2000 + {}.id * 0))"
LISTS = ("deals", "notes")  # by cursor, by offset


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9}
    tables = ["deals", "notes", "persons", "stages", "deal_products"]
    with LiveAccount(server, seed=1, deals=1200, options=options, tables=tables) as live:
        notes = live.simulator.account["notes"]
        blank = next(iter(notes))
        for key in range(10_001, 11_201):
            notes.put({**blank, "id": key, "active_flag": True})
        yield live


def second_page_began(account: LiveAccount, path: str) -> dt.datetime:
    requests = [r for r in account.requests() if r["path"] == path]
    return dt.datetime.fromtimestamp(requests[1]["started"], dt.timezone.utc)


def path_of(table: str) -> str:
    return "/api/v2/deals" if table == "deals" else "/api/v1/notes"


@pytest.mark.parametrize("table", LISTS)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT clock_timestamp(), {busy} FROM {table} t",
        "SELECT clock_timestamp(), {busy} FROM {table} t WHERE length(id::text) > 0",
        "SELECT clock_timestamp(), {busy} FROM (SELECT id FROM {table} OFFSET 0) t",
        "SELECT clock_timestamp(), {busy} FROM {table} t UNION ALL SELECT clock_timestamp(), 0 FROM stages",
    ],
)
def test_the_next_page_is_asked_for_while_one_is_used(account: LiveAccount, table: str, sql: str) -> None:
    account.connect()
    account.simulator.reset()
    rows = account.rows(sql.format(table=table, busy=BUSY.format("t")))
    assert second_page_began(account, path_of(table)) < rows[450][0]


@pytest.mark.parametrize("table", LISTS)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM {table} LIMIT 10",
        "SELECT id FROM {table} WHERE id > 0 LIMIT 10",
        "SELECT id FROM (SELECT id FROM {table} OFFSET 0) t LIMIT 10",
        "WITH t AS MATERIALIZED (SELECT id FROM {table}) SELECT id FROM t LIMIT 10",
        "SELECT EXISTS (SELECT FROM {table})",
        "SELECT t.id FROM {table} t, generate_series(1, 2) LIMIT 10",
        "SELECT n FROM generate_series(1, 3) n WHERE EXISTS (SELECT FROM {table} t WHERE t.id + n > 0)",
    ],
)
def test_a_query_that_wants_a_few_rows_asks_for_one_page(account: LiveAccount, table: str, sql: str) -> None:
    account.connect()
    requests = [r["path"] for r in account.asked(sql.format(table=table)) if "stages" not in r["path"]]
    assert requests == [path_of(table)]


@pytest.mark.parametrize("operation", ["INTERSECT", "EXCEPT"])
def test_a_set_operation_reads_no_page_beyond_its_shorter_side(account: LiveAccount, operation: str) -> None:
    account.connect()
    account.run("SET enable_hashagg = off")
    sql = f"SELECT id FROM stages {operation} SELECT id FROM notes"
    requests = [r["path"] for r in account.asked(sql) if "stages" not in r["path"]]
    # Before PostgreSQL 18 both sides are sorted together
    every = len(account.asked("SELECT id FROM notes")) if "Append" in "\n".join(account.plan(sql)) else 1
    assert requests == [path_of("notes")] * every


@pytest.mark.parametrize("table", LISTS)
def test_a_cursor_that_is_read_in_pieces_asks_page_by_page(account: LiveAccount, table: str) -> None:
    connection = account.connect()
    account.simulator.reset()
    with connection.transaction():
        connection.execute(f"DECLARE c NO SCROLL CURSOR FOR SELECT id FROM {table}")
        for pages, count in ((1, 10), (1, 300), (2, 300)):
            assert len(connection.execute(f"FETCH {count} FROM c").fetchall()) == count
            assert len(account.requests()) == pages


@pytest.mark.parametrize("table", LISTS)
def test_a_loop_of_plpgsql_that_may_be_left_asks_page_by_page(account: LiveAccount, table: str) -> None:
    account.connect()
    account.simulator.reset()
    account.run(f"DO $$ DECLARE n bigint; BEGIN FOR n IN SELECT id FROM {table} LOOP EXIT; END LOOP; END $$")
    assert len(account.requests()) == 1


def test_a_join_whose_other_side_is_empty_costs_one_page(account: LiveAccount) -> None:
    account.connect()
    account.run("SET enable_nestloop = off; SET enable_mergejoin = off")
    account.run("CREATE TEMP TABLE nothing (id bigint); ANALYZE nothing")
    sql = "SELECT d.id FROM deals d JOIN nothing n ON n.id = d.id"
    assert "Hash Join" in "\n".join(account.plan(sql))
    assert len(account.asked(sql)) <= 1


def test_two_scans_of_one_list_pay_for_it_once(account: LiveAccount) -> None:
    """The inner one begins where the outer one has asked for its second page already."""
    account.connect()
    of_one = "(SELECT count(b.id) FROM deals b WHERE b.id + a.id > 0)"
    sql = f"SELECT max(CASE WHEN a.id IN (3, 4) THEN {of_one} END), count(*) FROM deals a"
    account.simulator.reset()
    assert account.rows(sql) == [(len(account.rows("SELECT id FROM deals")),) * 2]
    both = len(account.asked(sql))
    assert both == len(account.asked("SELECT id FROM deals"))


def test_an_error_of_a_page_that_was_asked_for_ahead_is_an_error(account: LiveAccount) -> None:
    account.connect()
    account.simulator.reset()
    account.simulator.faults([{"match": "^/api/v2/deals$", "action": "status", "status": 403, "skip": 1}])
    with pytest.raises(psycopg.Error, match="deals cannot be read"):
        account.rows("SELECT id FROM deals")
    account.simulator.reset()
    assert len(account.rows("SELECT id FROM deals WHERE NOT is_archived")) > 1_000


def test_a_change_between_pages_takes_no_other_record_along(account: LiveAccount) -> None:
    account.connect()
    account.simulator.reset()
    before = {row[0] for row in account.rows("SELECT id FROM deals")}
    gone = sorted(before)[100:110] + sorted(before)[600:610]
    body = [{"method": "DELETE", "path": f"deals/{key}"} for key in gone]
    for skip in (1, 2, 3):
        account.simulator.refill()
        account.simulator.reset()
        account.simulator.faults(
            [{"match": "^/api/v2/deals", "action": "change", "skip": skip, "times": 1, "body": body}]
        )
        rows = [row[0] for row in account.rows("SELECT id FROM deals")]
        assert len(rows) == len(set(rows))
        assert before - set(gone) <= set(rows) <= before
    account.simulator.refill()


# ---- from both ends


@pytest.fixture
def long(account: LiveAccount) -> Iterator[LiveAccount]:
    """Deals in pages of 50, whose number is known: some 22 pages of deals, few of archived ones."""
    account.simulator.reset()
    account.simulator.refill()
    account.connect()
    account.run("ALTER FOREIGN TABLE deals OPTIONS (ADD page_size '50')")
    account.connect()
    account.rows("SELECT count(*) FROM deals")
    yield account
    account.run("ALTER FOREIGN TABLE deals OPTIONS (DROP page_size)")
    account.connect()


def directions(account: LiveAccount) -> list[str]:
    return [r["query"].get("sort_direction", "") for r in account.requests() if r["path"] == "/api/v2/deals"]


def test_a_long_list_is_read_from_both_ends(long: LiveAccount) -> None:
    expected = sorted(row["id"] for row in long.simulator.records("deals") if not row["is_deleted"])
    long.simulator.reset()
    assert sorted(row[0] for row in long.rows("SELECT id FROM deals")) == expected
    up, down = (directions(long).count(way) for way in ("asc", "desc"))
    pages = -(-sum(not row["is_archived"] for row in long.simulator.records("deals")) // 50)
    assert abs(up - down) <= 2 and up + down <= pages + 1


def test_explain_tells_of_both_ends(long: LiveAccount) -> None:
    plan = "\n".join(long.plan("SELECT id FROM deals"))
    assert "GET /api/v2/deals?sort_by=id&sort_direction=asc&limit=50" in plan
    assert "Read from both ends at once where all rows are taken" in plan


def test_who_may_stop_reads_a_long_list_from_one_end(long: LiveAccount) -> None:
    assert len(long.asked("SELECT id FROM (SELECT id FROM deals OFFSET 0) d LIMIT 60")) == 2
    assert directions(long) == ["asc", "asc"]


@pytest.mark.parametrize("skip", [0, 1, 2, 3, 9, 17, 20, 21])
def test_both_ends_miss_nothing_while_deals_change(long: LiveAccount, skip: int) -> None:
    """Deleted, archived and changed ones, and one that is added, all between the same two requests."""
    there = {row["id"] for row in long.simulator.records("deals") if not row["is_deleted"]}
    live = sorted(row["id"] for row in long.simulator.records("deals") if not row["is_archived"])
    gone, archived, changed = live[5::97], live[7::97], live[9::97]
    blank = long.simulator.account["deals"].rows[live[0]]
    added = max(live) + 10_000
    body = [
        *({"method": "DELETE", "path": f"deals/{key}"} for key in gone),
        *({"method": "PATCH", "path": f"deals/{key}", "body": {"is_archived": True}} for key in archived),
        *({"method": "PATCH", "path": f"deals/{key}", "body": {"title": "changed"}} for key in changed),
        {"method": "POST", "path": "deals", "body": {**blank, "id": added}},
    ]
    long.simulator.faults(
        [{"match": "^/api/v2/deals", "action": "change", "skip": skip, "times": 1, "body": body}]
    )
    rows = [row[0] for row in long.rows("SELECT id FROM deals")]
    assert len(rows) == len(set(rows))
    assert there - set(gone) <= set(rows) <= there | {added}


# ---- two lists of a table, side by side


@pytest.fixture
def halves(long: LiveAccount) -> LiveAccount:
    """Every other deal is archived: some 12 pages of deals, and as many of archived ones."""
    live = sorted(row["id"] for row in long.simulator.records("deals") if not row["is_archived"])
    long.simulator.change(
        {"method": "PATCH", "path": f"deals/{key}", "body": {"is_archived": True}} for key in live[::2]
    )
    long.rows("SELECT count(*) FROM deals")
    return long


def test_two_long_lists_are_read_side_by_side(halves: LiveAccount) -> None:
    expected = sorted(row["id"] for row in halves.simulator.records("deals") if not row["is_deleted"])
    halves.simulator.configure({"latency_ms": 60})
    halves.simulator.reset()
    try:
        assert sorted(row[0] for row in halves.rows("SELECT id FROM deals")) == expected
    finally:
        halves.simulator.configure({"latency_ms": 0})
    live = [r for r in halves.requests() if r["path"] == "/api/v2/deals"]
    archived = [r for r in halves.requests() if r["path"] == "/api/v2/deals/archived"]
    beside = [r for r in archived if r["started"] < max(one["started"] for one in live)]
    assert len(beside) >= len(archived) // 3
    pages = sum(
        -(-sum(row["is_archived"] is one for row in halves.simulator.records("deals")) // 50)
        for one in (True, False)
    )
    assert len(live) + len(archived) <= pages + 2


def test_who_may_stop_reads_two_long_lists_one_after_the_other(halves: LiveAccount) -> None:
    sql = "SELECT id FROM (SELECT id FROM deals OFFSET 0) d LIMIT 60"
    assert [r["path"] for r in halves.asked(sql)] == ["/api/v2/deals"] * 2


@pytest.mark.parametrize("skip", [1, 3, 7, 16])
def test_what_is_archived_while_both_lists_are_read_is_met(halves: LiveAccount, skip: int) -> None:
    """They are archived together between two requests: some from every part of the list, and a run of 50."""
    rows = halves.simulator.records("deals")
    there = {row["id"] for row in rows if not row["is_deleted"]}
    live = sorted(row["id"] for row in rows if not row["is_archived"] and not row["is_deleted"])
    moved = {*live[3::11], *live[200:250]}
    body = [{"method": "PATCH", "path": f"deals/{key}", "body": {"is_archived": True}} for key in moved]
    halves.simulator.faults(
        [{"match": "^/api/v2/deals", "action": "change", "skip": skip, "times": 1, "body": body}]
    )
    found = [row[0] for row in halves.rows("SELECT id FROM deals")]
    assert len(found) == len(set(found))
    assert set(found) == there
