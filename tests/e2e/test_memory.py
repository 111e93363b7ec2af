"""A session that fails, writes and scans again and again does not grow, and neither does one that reads many
rows in one scan."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount
from tests.other_api import OtherApi
from tools.engine import Server

TIMES = 500
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[LiveAccount]:
    tables = ("deals", "persons", "stages", "activities")
    with LiveAccount(
        server, deals=200, tables=tables, burst=10**6, budget=10**9, options={"max_tokens_per_query": 10**9}
    ) as live:
        yield live


@pytest.fixture
def account(shared: LiveAccount) -> LiveAccount:
    """A session of its own, which has never failed."""
    shared.simulator.refill()
    shared.connect().prepare_threshold = None
    return shared


def resident(account: LiveAccount) -> int:
    """Bytes of the session's own memory: what it shares with others is not counted."""
    assert account.connection is not None
    fields = Path(f"/proc/{account.connection.info.backend_pid}/smaps_rollup").read_text().split("\n")
    private = (line.split() for line in fields if line.startswith("Private_Dirty:"))
    return sum(int(size) for _, size, _ in private) * 1024


def growth(account: LiveAccount, sql: str, times: int, warm: int) -> int:
    """By how many bytes the session grows while it runs *sql*, {n} a number, again and again."""
    before = 0
    for n in range(warm + times):
        if n == warm:
            before = resident(account)
        with contextlib.suppress(psycopg.Error):
            account.run(sql.format(n=n))
        if n % 100 == 99:
            account.simulator.reset()
    return resident(account) - before


FAILING = {
    "in the middle of a scan": "SELECT 1 / (id - 30) FROM persons",
    "at the first row": "SELECT count(*) FROM deals WHERE attrs ->> 'title' ~ 'a['",
    "in a join": "SELECT d.title::bigint FROM persons p JOIN deals d ON d.person_id = p.id",
    "in a block": "DO $$ BEGIN BEGIN PERFORM 1 / (id - 300) FROM deals; EXCEPTION WHEN OTHERS THEN NULL; "
    "END; "
    "RAISE EXCEPTION 'x'; END $$",
    "before a request": "UPDATE stages SET id = {n} WHERE id = 1",
    "while it is planned": "SELECT id FROM deals WHERE ctid = '(0,1)'; DELETE FROM stages WHERE ctid = "
    "'(0,1)'",
    "in the API": "INSERT INTO deals (title, owner_id) VALUES ('x', 999999)",
    "with savepoints": "BEGIN; SAVEPOINT a; SELECT 1 / (id - 8) FROM stages",
}


@pytest.mark.parametrize("how", FAILING)
def test_statements_that_fail_leave_memory_where_it_was(account: LiveAccount, how: str) -> None:
    sql = FAILING[how]
    if sql.startswith("BEGIN"):
        sql = f"ROLLBACK; {sql}"
    assert growth(account, sql, TIMES if how == "in the middle of a scan" else 100, 20) < 5 * MEBIBYTE


WRITES = {
    "many at once": "UPDATE deals SET title = 'grown {n}-' || id WHERE id <= 100 AND NOT is_archived",
    "with RETURNING": "UPDATE deals SET title = 'shown {n}-' || id WHERE id <= 100 AND NOT is_archived "
    "RETURNING *",
    "INSERT and DELETE": "INSERT INTO activities (subject) SELECT 'made {n}-' || i FROM "
    "generate_series(1, 50) i; "
    "DELETE FROM activities WHERE subject LIKE 'made {n}-%' RETURNING *",
}


@pytest.mark.parametrize("how", WRITES)
def test_rows_that_are_written_leave_memory_where_it_was(account: LiveAccount, how: str) -> None:
    """A thousand rows, after some that fill what is kept anyway."""
    assert growth(account, WRITES[how], times=10, warm=5) < 5 * MEBIBYTE


def test_scans_that_are_left_early_leave_memory_where_it_was(account: LiveAccount) -> None:
    left = "SELECT s.id, (SELECT d.id FROM deals d WHERE d.stage_id = s.id LIMIT 1) FROM stages s LIMIT 2"
    assert growth(account, left, 60, 20) < 5 * MEBIBYTE
    cursor = "BEGIN; DECLARE rows CURSOR FOR SELECT * FROM deals; FETCH 3 FROM rows; COMMIT"
    assert growth(account, cursor, 100, 20) < 5 * MEBIBYTE


@pytest.mark.parametrize(
    "block",
    [
        "BEGIN NULL; EXCEPTION WHEN OTHERS THEN NULL; END",
        "BEGIN PERFORM 1 / 0; EXCEPTION WHEN OTHERS THEN NULL; END",
    ],
    ids=["released", "rolled back"],
)
def test_savepoints_of_a_transaction_leave_memory_where_it_was(account: LiveAccount, block: str) -> None:
    """A loop that catches errors sets one for each row, and some drivers for each statement."""
    account.run("BEGIN")
    account.rows("SELECT count(*) FROM stages")
    blocks = f"DO $$ BEGIN FOR i IN 1..{{n}} LOOP {block}; END LOOP; END $$"
    account.run(blocks.format(n=50))
    before = resident(account)
    account.run(blocks.format(n=5_000))
    assert resident(account) - before < 5 * MEBIBYTE
    account.run("COMMIT")


PAGES, LIMIT = 40, 500


def page_of(number: int) -> list[dict[str, Any]]:
    """Persons with names of 3,000 characters that compress badly: 1.5 MB of JSON a page."""
    chance = random.Random(number)
    first = number * LIMIT + 1
    return [
        {"id": key, "name": base64.b64encode(chance.getrandbits(18_000).to_bytes(2_250, "big")).decode()}
        for key in range(first, first + LIMIT)
    ]


def persons(query: dict[str, str]) -> dict[str, Any]:
    """The list of persons by id, in either direction; its cursor is the number of a page."""
    down = query.get("sort_direction") == "desc"
    number = int(query.get("cursor", PAGES - 1 if down else 0))
    following = number - 1 if down else number + 1
    cursor = str(following) if 0 <= following < PAGES else None
    page = page_of(number)
    return {"success": True, "data": page[::-1] if down else page, "additional_data": {"next_cursor": cursor}}


@pytest.fixture
def many(server: Server) -> Iterator[LiveAccount]:
    options = {"custom_fields": "false", "max_tokens_per_query": 10**9}
    with (
        OtherApi({"/v2/persons": persons}) as api,
        LiveAccount(server, api, options=options, tables=["persons"]) as live,  # type: ignore[arg-type]
    ):
        yield live


def most_resident(account: LiveAccount, sql: str, expected: list[Any]) -> int:
    """By how many bytes the session grows at most while it runs *sql*, which gives the *expected* rows."""
    assert account.connection is not None
    process = Path(f"/proc/{account.connection.info.backend_pid}")

    def kilobytes(name: str) -> int:
        lines = (process / "status").read_text().split("\n")
        return next(int(line.split()[1]) for line in lines if line.startswith(name))

    (process / "clear_refs").write_text("5")  # the most begins anew
    before = kilobytes("VmRSS")
    assert account.rows(sql) == expected
    return (kilobytes("VmHWM") - before) * 1024


def test_a_scan_takes_no_more_memory_for_many_pages_than_for_a_few(many: LiveAccount) -> None:
    """The answers come back from the file unchanged, and each page is requested once, except where both ends
    meet."""
    names = (row["name"] for number in range(PAGES) for row in page_of(number))
    found = sum(int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:8], 16) for name in names)
    sql = "SELECT sum(('x' || left(md5(name), 8))::bit(32)::bigint) FROM persons"
    many.connect()
    many.rows("SELECT id FROM persons LIMIT 1")
    assert most_resident(many, sql, [(found,)]) < 32 * MEBIBYTE
    many.simulator.reset()
    assert most_resident(many, f"{sql} UNION ALL {sql}", [(found,), (found,)]) < 32 * MEBIBYTE
    assert PAGES <= len(many.requests()) <= PAGES + 2


LARGE, LARGE_ROWS = 2 * MEBIBYTE, 80


def large_persons(query: dict[str, str]) -> dict[str, Any]:
    """Persons, each of which has a page and a long name; the cursor is the id."""
    key = int(query.get("cursor", 1))
    page = [{"id": key, "name": f"{key:02}".ljust(LARGE, "x")}]
    return {
        "success": True,
        "data": page,
        "additional_data": {"next_cursor": str(key + 1) if key < LARGE_ROWS else None},
    }


def test_large_rows_are_not_in_memory_together(server: Server) -> None:
    with (
        OtherApi({"/v2/persons": large_persons}) as api,
        LiveAccount(server, api, options={"custom_fields": "false"}, tables=["persons"]) as live,  # type: ignore[arg-type]
    ):
        live.rows("SELECT id FROM persons LIMIT 1")
        sql = "SELECT count(DISTINCT left(name, 2)), sum(length(name)) FROM persons"
        assert most_resident(live, sql, [(LARGE_ROWS, LARGE_ROWS * LARGE)]) < 64 * MEBIBYTE


def test_a_text_that_json_escapes_takes_no_memory_for_each_character(server: Server) -> None:
    made, count = "\x01\x1f", 2_500_000
    answer = {"success": True, "data": [{"id": 1, "name": made * count}], "additional_data": None}
    with (
        OtherApi({"/v2/persons": lambda _: answer}) as api,
        LiveAccount(server, api, options={"custom_fields": "false"}, tables=["persons"]) as live,  # type: ignore[arg-type]
    ):
        live.rows("SELECT count(*) FROM persons")
        sql = f"SELECT name = repeat(E'\\x01\\x1f', {count}) FROM persons"
        assert most_resident(live, sql, [(True,)]) < 144 * MEBIBYTE


def answers_on_disk(account: LiveAccount) -> int:
    """Bytes of the session's files without a name, in which answers are kept."""
    assert account.connection is not None
    size = 0
    for link in Path(f"/proc/{account.connection.info.backend_pid}/fd").iterdir():
        if "pgsql_tmp_pipedrive_fdw/" in str(link.readlink()) and str(link.readlink()).endswith("(deleted)"):
            size += link.stat().st_size
    return size


def test_a_changed_option_leaves_no_answers_behind(many: LiveAccount) -> None:
    few = "SELECT count(*) FROM (SELECT FROM persons LIMIT 2500) few"
    assert many.value(few) == 2500
    assert answers_on_disk(many) > 4 * MEBIBYTE
    many.run(f"ALTER SERVER {many.name} OPTIONS (ADD statement_memory '2')")
    assert many.value(few) == 2500
    assert answers_on_disk(many) == 0
