"""cache_ttl: repeated scans of all sessions are answered by one cache, one for each credential."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.live import TOKEN, LiveAccount
from tools.engine import Server

TABLES = ("deals", "persons", "notes", "deal_followers", "filters", "api_usage", "leads")


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"cache_ttl": 600, "page_size": 20, "max_tokens_per_query": 10**9}
    with LiveAccount(server, seed=1, deals=60, tables=TABLES, options=options) as live:
        live.simulator.configure({"users_tokens": {TOKEN: 1, "another-token": 2}})
        yield live


@pytest.fixture(autouse=True)
def _empty(account: LiveAccount) -> None:
    account.connect()
    for folder in folders(account.server):
        for file in folder.iterdir():
            file.unlink()
    account.simulator.reset()


def folders(server: Server) -> list[Path]:
    return list((server.data / "pgsql_tmp_pipedrive_fdw").glob("cache-*"))


def files(server: Server) -> list[Path]:
    return [file for folder in folders(server) for file in folder.iterdir()]


def asked_by(account: LiveAccount, session: psycopg.Connection[Any], sql: str) -> tuple[list[Any], int]:
    """The rows of *sql* in *session*, and how many requests they took."""
    account.simulator.reset()
    rows = session.execute(sql).fetchall()  # type: ignore[call-overload]
    return rows, len(account.simulator.requests())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM persons ORDER BY id",
        "SELECT * FROM persons WHERE id IN (1, 2, 3)",
        "SELECT * FROM notes ORDER BY id",
        "SELECT * FROM deal_followers ORDER BY deal_id, user_id",
        "SELECT id, conditions FROM filters ORDER BY id",
        "SELECT id, title FROM deals ORDER BY update_time DESC, id LIMIT 3",
    ],
)
def test_the_second_scan_asks_for_nothing_in_whichever_session(account: LiveAccount, sql: str) -> None:
    with account.session() as one, account.session() as other:
        rows, requests = asked_by(account, one, sql)
        assert rows and requests > 0
        assert asked_by(account, other, sql) == (rows, 0)


def test_off_is_the_default(server: Server) -> None:
    with LiveAccount(server, seed=1, deals=10, tables=["persons"]) as live:
        for _ in range(2):
            assert len(live.asked("SELECT id FROM persons")) == 1
        live.run("SET pipedrive.cache_ttl = 60")
        assert len(live.asked("SELECT id FROM persons")) == 1
        assert live.asked("SELECT id FROM persons") == []
        live.run("SET pipedrive.cache_ttl = 0")
        assert len(live.asked("SELECT id FROM persons")) == 1


def test_an_answer_that_is_too_old_is_asked_for_again(account: LiveAccount) -> None:
    account.rows("SELECT id FROM persons WHERE id = 1")
    time.sleep(1.1)
    account.run("SET pipedrive.cache_ttl = 1")
    assert len(account.asked("SELECT id FROM persons WHERE id = 1")) == 1
    assert account.asked("SELECT id FROM persons WHERE id = 1") == []


@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO notes (content, deal_id) VALUES ('new', 1)",
        "UPDATE persons SET name = name || '.' WHERE id = 1",
        "DELETE FROM notes WHERE id = (SELECT max(id) FROM notes)",
        "DO $$ BEGIN CREATE TEMPORARY TABLE keep (); DROP TABLE keep; "
        "UPDATE deals SET title = title || '!' WHERE id = 1; END $$",
    ],
)
def test_a_write_of_any_session_empties_it(account: LiveAccount, write: str) -> None:
    sql = "SELECT id, name FROM persons ORDER BY id"
    account.rows(sql)
    assert account.asked(sql) == []
    with account.session() as other:
        other.execute("SET pipedrive.cache_ttl = 0")
        other.execute(write)  # type: ignore[call-overload]
    assert files(account.server) == []
    assert len(account.asked(sql)) > 0


def test_a_write_that_fails_empties_it_too(account: LiveAccount) -> None:
    account.rows("SELECT id FROM persons")
    account.simulator.faults([{"match": "/persons", "method": "PATCH", "action": "drop"}])
    with pytest.raises(psycopg.Error, match="outcome unknown"):
        account.run("UPDATE persons SET name = 'x' WHERE id = 2")
    assert files(account.server) == []


def test_what_is_changed_is_read_afresh(account: LiveAccount) -> None:
    account.rows("SELECT * FROM persons WHERE id = 3")
    name = account.value("SELECT name FROM persons WHERE id = 3")
    with account.simulator.account.lock:
        record = next(r for r in account.simulator.records("persons") if r["id"] == 3)
    assert record["name"] == name
    changed = account.asked("UPDATE persons SET name = name || ' II' WHERE id = 3 RETURNING name")
    assert [r["method"] for r in changed] == ["GET", "PATCH"]


def test_each_credential_has_its_own_and_sees_the_writes_of_the_others(account: LiveAccount) -> None:
    sql = "SELECT id, name FROM persons ORDER BY id"
    account.run("DROP ROLE IF EXISTS cache_reader")
    account.run("CREATE ROLE cache_reader")
    try:
        account.run(
            f"CREATE USER MAPPING FOR cache_reader SERVER {account.name} OPTIONS (api_token 'another-token')"
        )
        account.run(f"GRANT USAGE ON SCHEMA {account.name} TO cache_reader")
        account.run(f"GRANT ALL ON ALL TABLES IN SCHEMA {account.name} TO cache_reader")
        mine = account.rows(sql)
        account.run("SET ROLE cache_reader")
        assert len(account.asked(sql)) > 0
        assert account.asked(sql) == []
        account.run("RESET ROLE")
        assert account.asked(sql) == []
        account.run("SET ROLE cache_reader")
        account.run("UPDATE persons SET name = 'by another' WHERE id = 5")
        account.run("RESET ROLE")
        assert account.rows(sql) == [(i, "by another" if i == 5 else name) for i, name in mine]
    finally:
        account.run("RESET ROLE")
        account.run(f"DROP USER MAPPING FOR cache_reader SERVER {account.name}")
        account.run("DROP OWNED BY cache_reader")
        account.run("DROP ROLE cache_reader")


def test_the_pages_of_two_moments_are_not_mixed_where_they_go_by_offset(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (SET page_size '3')")
    account.connect()
    try:
        everything = account.rows("SELECT id FROM notes")
        assert len(everything) > 6
        assert [len(files(account.server)), account.asked("SELECT id FROM notes")] == [1, []]
        files(account.server)[0].unlink()
        account.rows("SELECT id FROM notes LIMIT 4")
        assert files(account.server) == []  # a walk that was not finished is not kept
        assert account.rows("SELECT id FROM notes") == everything
    finally:
        account.run(f"ALTER SERVER {account.name} OPTIONS (SET page_size '20')")


def test_answers_that_are_wrong_are_not_kept(account: LiveAccount) -> None:
    account.simulator.faults([{"match": "/persons", "action": "null_data", "times": 1}])
    with pytest.raises(psycopg.Error, match="instead of a list"):
        account.rows("SELECT id FROM persons")
    account.simulator.faults([{"match": "/persons", "action": "repeat_cursor", "skip": 1}])
    with pytest.raises(psycopg.Error, match="repeats its cursor"):
        account.rows("SELECT id FROM persons")
    assert files(account.server) == []
    account.simulator.faults([])
    assert account.value("SELECT count(*) FROM persons") == len(account.rows("SELECT id FROM persons"))


def test_the_figures_tell_of_it(account: LiveAccount) -> None:
    account.rows("SELECT id FROM persons WHERE id = 1")
    shown = account.plan("SELECT id FROM persons WHERE id = 1", "ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF")
    assert any("0 requests, 0 tokens, 1 rows, 1 answers from the cache" in line for line in shown)
    assert account.value("SELECT session_cached FROM api_usage") == 1


def test_its_files_are_the_server_s_alone_and_hold_no_secret(account: LiveAccount) -> None:
    account.rows("SELECT * FROM persons")
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders(account.server)} == {0o700}
    found = files(account.server)
    assert found and {stat.S_IMODE(file.stat().st_mode) for file in found} == {0o600}
    assert not any(TOKEN.encode() in file.read_bytes() for file in found)


def test_broken_and_left_over_files_do_no_harm(account: LiveAccount) -> None:
    sql = "SELECT id, name FROM persons WHERE id = 1"
    rows = account.rows(sql)
    (file,) = files(account.server)
    file.write_bytes(file.read_bytes()[:-7])
    assert account.rows(sql) == rows
    (file,) = files(account.server)
    file.write_bytes(b"\0" * 100)
    assert account.rows(sql) == rows
    left = file.parent / ".123-7"
    left.write_bytes(b"of a backend that was killed")
    owner = file.parent.stat()
    os.chown(left, owner.st_uid, owner.st_gid)
    os.utime(left, (1.0, 1.0))
    os.utime(file, (1.0, 1.0))
    account.connect()
    account.run("SET pipedrive.cache_ttl = 0")
    account.rows(sql)
    assert files(account.server) == []
