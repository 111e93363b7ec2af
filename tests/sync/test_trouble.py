"""What can go wrong with a copy is said in words, and loses nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.extension import TOKEN
from tests.simulator import Simulator
from tests.sync.copied import Copied, tool
from tools.engine import Server


@pytest.fixture
def copied(server: Server) -> Iterator[Copied]:
    with Copied(server, deals=20) as made:
        yield made


def fails(copied: Copied, sql: str) -> psycopg.errors.Diagnostic:
    with pytest.raises(psycopg.Error) as caught:
        copied.run(sql)
    return caught.value.diag


@contextlib.contextmanager
def copyist(copied: Copied) -> Iterator[None]:
    """The role copyist, which may keep copies."""
    copied.run(
        "DROP ROLE IF EXISTS copyist; CREATE ROLE copyist;"
        f"CREATE USER MAPPING FOR copyist SERVER pipedrive OPTIONS (api_token $${TOKEN}$$);"
        "GRANT EXECUTE ON ALL ROUTINES IN SCHEMA pipedrive TO copyist;"
        "GRANT USAGE ON SCHEMA pipedrive TO copyist; GRANT USAGE ON FOREIGN SERVER pipedrive TO copyist;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA pipedrive TO copyist;"
        f"GRANT CREATE, TEMPORARY ON DATABASE {copied.database.database} TO copyist"
    )
    try:
        yield
    finally:
        copied.run("RESET ROLE; DROP OWNED BY copyist CASCADE; DROP ROLE copyist")


def test_a_table_in_the_way_is_left_alone_and_nothing_is_made(copied: Copied) -> None:
    copied.run("CREATE SCHEMA crm; CREATE TABLE crm.deals (id int); INSERT INTO crm.deals VALUES (1)")
    told = fails(copied, "SELECT pipedrive.mirror('pipedrive', target => 'crm')")
    assert (told.sqlstate, told.message_primary) == (
        "42P07",
        "pipedrive copy: crm.deals exists already and is not a copy of pipedrive.deals",
    )
    assert copied.rows("SELECT * FROM crm.deals") == [(1,)]
    assert copied.tables() == []
    copied.run(
        "SELECT pipedrive.mirror('pipedrive', 'crm', except_tables => '{deals}', tables => '{stages,deals}')"
    )
    copied.sync()
    assert copied.rows("SELECT * FROM crm.deals") == [(1,)]
    assert copied.tables() == ["stages"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("'nowhere', 'crm'", 'schema "nowhere" has no table of Pipedrive'),
        ("'pipedrive', 'crm', tables => '{dealz}'", 'schema "pipedrive" has no table "dealz" of Pipedrive'),
        (
            "'pipedrive', 'crm', except_tables => '{dealz}'",
            'schema "pipedrive" has no table "dealz" of Pipedrive',
        ),
        ("'pipedrive', 'crm', tables => '{api_usage}'", "api_usage cannot be copied"),
        ("'pipedrive', 'crm', tables => '{deal_changes}'", "deal_changes cannot be copied"),
        ("'pipedrive', 'crm', tables => '{deal_products}'", "a copy of deal_products needs a copy of deals"),
        (
            "'pipedrive', 'pipedrive', tables => '{deals}'",
            "pipedrive.deals exists already and is not a copy of pipedrive.deals",
        ),
    ],
)
def test_what_cannot_be_copied_is_refused(copied: Copied, arguments: str, words: str) -> None:
    told = fails(copied, f"SELECT pipedrive.mirror({arguments})")
    assert told.message_primary == f"pipedrive copy: {words}"
    assert told.message_hint
    assert copied.value("SELECT to_regnamespace('crm')") is None


def test_mirror_again_adds_what_is_missing(copied: Copied) -> None:
    copied.mirror(["deals"])
    copied.sync()
    assert copied.mirror(["deals", "deal_products", "stages"]) == "2 new tables in schema crm"
    copied.sync()
    assert copied.different() == {}


def test_a_table_without_a_key_is_replaced_when_it_differs(copied: Copied) -> None:
    copied.mirror(["user_settings"])
    copied.sync()
    assert copied.different() == {}
    before = copied.value("SELECT xmin::text FROM crm.user_settings")
    copied.sync("crm.user_settings")
    assert copied.value("SELECT xmin::text FROM crm.user_settings") == before
    copied.run("UPDATE crm.user_settings SET marketplace_team = NOT coalesce(marketplace_team, false)")
    copied.sync("crm.user_settings")
    assert copied.different() == {}


def test_a_failing_table_is_named_and_the_others_go_on(copied: Copied) -> None:
    copied.mirror(["stages", "deals", "persons"])
    copied.simulator.faults([{"match": "/persons", "action": "status", "status": 402}])
    told = fails(copied, "CALL pipedrive.sync()")
    assert told.message_primary == "pipedrive copy: 1 of the tables could not be updated"
    assert (told.message_detail or "").startswith("crm.persons: pipedrive access:")
    assert copied.value("SELECT error FROM pipedrive.sync_status WHERE \"table\" = 'crm.persons'::regclass")
    copied.simulator.faults([])
    assert set(copied.different()) == {"persons"}
    copied.sync()
    assert copied.different() == {}
    assert copied.value("SELECT count(error) FROM pipedrive.sync_status") == 0


def followed(copied: Copied) -> tuple[int, int]:
    """Two deals that have followers."""
    first, second = sorted({record["deal_id"] for record in copied.simulator.records("deal_followers")})[:2]
    return first, second


def touch(copied: Copied, *deals: int, minute: int = 0) -> None:
    time = {"update_time": f"2026-09-01T12:{minute:02}:00Z"}
    copied.simulator.change([{"method": "PATCH", "path": f"deals/{deal}", "body": time} for deal in deals])


def followers(copied: Copied, deal: int) -> int:
    return int(copied.value(f"SELECT count(*) FROM crm.deal_followers WHERE deal_id = {deal}"))


def asked(copied: Copied) -> int:
    """How often followers were asked for since the simulator was reset."""
    return sum("/followers" in request["path"] for request in copied.simulator.requests())


@pytest.mark.parametrize("status", [403, 404])
def test_the_rows_of_a_parent_that_does_not_answer_stay(copied: Copied, status: int) -> None:
    copied.mirror(["deals", "deal_followers"])
    copied.sync()
    refused, other = followed(copied)
    number = followers(copied, refused)
    copied.simulator.change(
        [
            {"method": "POST", "path": "deal_followers", "body": {"deal_id": deal, "user_id": 4_711}}
            for deal in (refused, other)
        ]
    )
    touch(copied, refused, other)
    rule = {"match": f"/deals/{refused}/followers", "action": "status", "status": status}
    copied.simulator.faults([rule])
    copied.sync()
    assert followers(copied, refused) == number
    assert copied.value(f"SELECT count(*) FROM crm.deal_followers WHERE deal_id = {other} AND user_id = 4711")
    assert copied.value("SELECT sum(pending_parents) FROM pipedrive.sync_status") == 1
    copied.simulator.faults([])
    copied.sync()
    assert copied.different() == {}
    assert copied.value("SELECT sum(pending_parents) FROM pipedrive.sync_status") == 0


@pytest.mark.parametrize("status", [403, 404])
def test_that_a_parent_has_nothing_is_believed_when_two_runs_are_told_so(copied: Copied, status: int) -> None:
    copied.mirror(["deals", "deal_followers"])
    copied.sync()
    refused, other = followed(copied)
    number = followers(copied, refused)
    touch(copied, refused, other)
    copied.simulator.reset()
    copied.simulator.faults([{"match": f"/deals/{refused}/followers", "action": "status", "status": status}])
    seen = []
    for minute in range(3):
        touch(copied, other, minute=minute)  # another answers, so that it is not the account that is refused
        copied.sync()
        seen.append((asked(copied), followers(copied, refused)))
    assert seen == [(2, number), (4, 0), (5, 0)]
    assert copied.different() == {}


@pytest.mark.parametrize(
    ("parents", "children", "parent_column", "path"),
    [("deals", "deal_followers", "deal_id", "followers"), ("notes", "note_comments", "note_id", "comments")],
)
def test_a_parent_that_is_refused_alone_does_not_stop_the_table(
    copied: Copied, parents: str, children: str, parent_column: str, path: str
) -> None:
    copied.mirror([parents, children])
    copied.sync()
    first = f"SELECT min({parent_column}) FROM crm.{children}"
    refused = copied.value(first)
    number = f"SELECT count(*) FROM crm.{children} WHERE {parent_column} = {refused}"
    before, all_before = copied.value(number), copied.value(f"SELECT count(*) FROM crm.{children}")
    rule = {"match": f"/{parents}/{refused}/{path}", "action": "status", "status": 403}
    copied.simulator.faults([rule])
    time = {"deals": "2026-09-01T12:00:00Z", "notes": "2026-09-01 12:00:00"}[parents]
    copied.simulator.change(
        [{"method": "PATCH", "path": f"{parents}/{refused}", "body": {"update_time": time}}]
    )
    seen = []
    for _ in range(3):
        copied.sync()
        pending = copied.value("SELECT sum(pending_parents) FROM pipedrive.sync_status")
        seen.append((copied.value(number), pending))
    assert seen == [(before, 1), (0, 0), (0, 0)]
    assert copied.value(f"SELECT count(*) FROM crm.{children}") == all_before - before
    assert copied.value("SELECT count(error) FROM pipedrive.sync_status") == 0


def test_parents_that_are_refused_are_asked_once_beside_three_others(copied: Copied) -> None:
    copied.mirror(["deals", "deal_followers"])
    copied.sync()
    first, second = followed(copied)
    refused = sorted({first, second, *range(1, 10)})
    rest = copied.value(f"SELECT count(*) FROM crm.deal_followers WHERE deal_id <> ALL ('{set(refused)}')")
    before = followers(copied, first), followers(copied, second)
    assert rest > 0
    touch(copied, *refused)
    gone = {"match": f"/deals/{second}/followers", "action": "status", "status": 404}
    refusal = f"/deals/({'|'.join(map(str, refused))})/followers"
    copied.simulator.reset()
    copied.simulator.faults([gone, {"match": refusal, "action": "status", "status": 403}])
    # Enough for these and three others, and not for asking these again
    copied.run(f"SET pipedrive.max_tokens_per_query = {10 * (len(refused) + 3)}")
    seen = []
    for _ in range(2):
        copied.sync()
        seen.append((asked(copied), followers(copied, first), followers(copied, second)))
    assert seen == [(len(refused) + 3, *before), (len(refused) + 8, 0, 0)]
    assert copied.value("SELECT count(*) FROM crm.deal_followers") == rest
    assert copied.value("SELECT sum(pending_parents) FROM pipedrive.sync_status") == 0


def test_what_the_others_say_of_their_rows_is_stored(copied: Copied) -> None:
    copied.mirror(["deals", "deal_followers"])
    copied.sync()
    refused, _ = followed(copied)
    parents = copied.value("SELECT count(DISTINCT deal_id) FROM crm.deal_followers")
    number = followers(copied, refused)
    table = copied.simulator.account["deal_followers"]
    others = [record[table.key] for record in table if record["deal_id"] != refused]
    copied.simulator.change([{"method": "DELETE", "path": f"deal_followers/{key}"} for key in others])
    touch(copied, refused)
    rule = {"match": f"/deals/{refused}/followers", "action": "status", "status": 403}
    copied.simulator.faults([rule])
    copied.sync()
    assert copied.value("SELECT count(DISTINCT deal_id) FROM crm.deal_followers") == parents - 3 > 0
    assert followers(copied, refused) == number


@pytest.mark.parametrize("status", [403, 404])
def test_refusals_are_not_believed_when_the_others_are_not_there_either(copied: Copied, status: int) -> None:
    copied.mirror(["deals", "deal_followers"])
    copied.sync()
    refused, _ = followed(copied)
    before = copied.rows("SELECT * FROM crm.deal_followers ORDER BY row_id")
    touch(copied, refused)
    rule = {"match": f"/deals/{refused}/followers", "action": "status", "status": 403}
    copied.simulator.faults([rule, {"match": "/followers", "action": "status", "status": status}])
    for _ in range(2):
        told = fails(copied, "CALL pipedrive.sync()")
        assert "deal_followers cannot be read (status 403)" in (told.message_detail or "")
    assert copied.rows("SELECT * FROM crm.deal_followers ORDER BY row_id") == before
    copied.simulator.faults([])
    copied.sync()
    assert copied.different() == {}


def test_a_right_that_is_missing_in_postgresql_is_no_refusal_of_pipedrive(copied: Copied) -> None:
    copied.run("DROP ROLE IF EXISTS copyist; CREATE ROLE copyist")
    copied.mirror(["deals", "deal_followers"])
    copied.sync()
    refused, _ = followed(copied)
    number = followers(copied, refused)
    try:
        copied.run(
            "GRANT USAGE ON FOREIGN SERVER pipedrive TO copyist; GRANT USAGE ON SCHEMA pipedrive TO copyist;"
            "GRANT EXECUTE ON ALL ROUTINES IN SCHEMA pipedrive TO copyist;"
            "GRANT SELECT ON pipedrive.deals TO copyist;"
            f"CREATE USER MAPPING FOR copyist SERVER pipedrive OPTIONS (api_token $${TOKEN}$$);"
            "ALTER TABLE crm.deals OWNER TO copyist; ALTER TABLE crm.deal_followers OWNER TO copyist;"
            "ALTER SCHEMA crm OWNER TO copyist; SET ROLE copyist"
        )
        touch(copied, refused)
        copied.simulator.reset()
        told = fails(copied, "CALL pipedrive.sync()")
        assert told.message_detail == (
            "crm.deal_followers: permission denied for foreign table deal_followers"
        )
        assert (asked(copied), followers(copied, refused)) == (0, number)
        assert copied.value("SELECT sum(pending_parents) FROM pipedrive.sync_status") == 1
        copied.run("RESET ROLE; GRANT SELECT ON pipedrive.deal_followers TO copyist; SET ROLE copyist")
        copied.sync()
        copied.run("RESET ROLE")
        assert copied.different() == {}
    finally:
        copied.run("RESET ROLE; DROP OWNED BY copyist CASCADE; DROP ROLE copyist")


def test_a_step_of_a_first_load_that_is_refused_altogether_is_passed_over(copied: Copied) -> None:
    copied.mirror(["deals", "deal_followers"])
    copied.sync("crm.deals")
    refused, _ = followed(copied)
    copied.run(
        "UPDATE pipedrive_internal.copies SET compared = now() WHERE copy = 'crm.deal_followers'::regclass;"
        f"DELETE FROM pipedrive_internal.pending WHERE key <> '{refused}'"
    )
    copied.simulator.faults([{"match": f"/deals/{refused}/followers", "action": "status", "status": 403}])
    copied.sync()
    assert copied.value("SELECT sum(pending_parents) FROM pipedrive.sync_status") == 0
    copied.sync(more=", reconcile => true")
    assert copied.different() == {}


def test_the_only_parent_that_is_refused_is_an_error(copied: Copied) -> None:
    copied.mirror(["deals", "deal_followers"])
    copied.sync()
    refused, _ = followed(copied)
    number = followers(copied, refused)
    copied.run(f"DELETE FROM crm.deals WHERE id <> {refused}")
    touch(copied, refused)
    copied.simulator.faults([{"match": "/followers", "action": "status", "status": 403}])
    for _ in range(2):
        told = fails(copied, "CALL pipedrive.sync()")
        assert "deal_followers cannot be read (status 403)" in (told.message_detail or "")
    assert followers(copied, refused) == number


def test_a_refusal_of_all_is_an_error_and_loses_nothing(copied: Copied) -> None:
    copied.mirror(["deals", "deal_followers"])
    copied.sync()
    refused, other = followed(copied)
    touch(copied, refused, other)
    copied.simulator.faults([{"match": "/followers", "action": "status", "status": 403}])
    for _ in range(2):
        told = fails(copied, "CALL pipedrive.sync()")
        assert "deal_followers cannot be read (status 403)" in (told.message_detail or "")
    assert followers(copied, refused) > 0
    copied.simulator.faults([])
    copied.sync()
    assert copied.different() == {}


def test_the_end_of_the_days_budget_ends_the_run(copied: Copied) -> None:
    copied.mirror(["pipelines", "stages", "deals", "persons", "products"])
    copied.simulator.configure({"budget": 10})
    told = fails(copied, "CALL pipedrive.sync()")
    assert told.sqlstate == "53400"
    assert sum(r["status"] == 429 for r in copied.simulator.requests()) == 1
    assert copied.value("SELECT count(*) FROM crm.stages") > 0
    copied.simulator.configure({"budget": 1_000_000})
    copied.simulator.reset()
    copied.connect_anew()
    copied.sync()
    assert copied.different() == {}


def test_a_run_keeps_to_its_tokens_and_the_next_one_goes_on(copied: Copied) -> None:
    copied.mirror(["pipelines", "stages", "deals", "deal_followers"])
    assert copied.sync(more=", max_tokens_per_run => 60") <= 60
    assert copied.value("SELECT count(*) FROM crm.stages") > 0
    assert copied.value("SELECT count(*) FROM crm.deal_followers") == 0
    copied.sync()
    assert copied.different() == {}


@pytest.mark.parametrize("tokens", [10, 40])
def test_a_first_load_that_a_run_had_no_tokens_for_still_reads_one_list(copied: Copied, tokens: int) -> None:
    """10: the load costs more than a run may spend; 40: more than the stages have left of it."""
    copied.mirror(["stages", "deals"])
    assert copied.sync(more=f", max_tokens_per_run => {tokens}") == 5
    at_once = len(copied.simulator.requests())
    assert copied.sync("crm.deals") == 40
    lists = [r["path"] for r in copied.simulator.requests()[at_once:]]
    assert sorted(lists) == ["/api/v2/dealFields", "/api/v2/deals", "/api/v2/deals/archived"]
    assert copied.different() == {}


def test_two_runs_at_once_do_not_meet(copied: Copied) -> None:
    copied.mirror(["stages", "deals"])
    with psycopg.connect(copied.database.dsn) as other:
        other.execute("SELECT FROM pipedrive_internal.turns WHERE copy = 'crm.deals'::regclass FOR UPDATE")
        told: list[str] = []
        copied.database.connection.add_notice_handler(lambda d: told.append(d.message_primary or ""))
        copied.sync()
        assert told == ["pipedrive copy: crm.deals is skipped, because another session is updating it"]
    assert copied.value("SELECT count(*) FROM crm.deals") == 0
    copied.sync()
    assert copied.different() == {}


def test_a_copy_that_a_run_works_on_can_be_dropped(copied: Copied) -> None:
    """The run wants a lock on the copy when it has read: to wait for the run would be a deadlock."""
    copied.mirror(["stages", "deals"])
    copied.run("SET lock_timeout = '2s'")
    with psycopg.connect(copied.database.dsn) as other:
        other.execute("SELECT FROM pipedrive_internal.turns WHERE copy = 'crm.deals'::regclass FOR UPDATE")
        copied.run("DROP TABLE crm.deals")
    copied.sync()
    assert copied.tables() == ["stages"]
    copied.mirror(["deals"])
    copied.sync()
    assert copied.different() == {}


def test_a_copy_that_is_dropped_while_it_fails_does_not_stop_the_others(copied: Copied) -> None:
    """DROP TABLE goes on when the step has failed, before the failure is noted."""
    lists = {"match": "/api/v2/deals$", "times": 1}
    copied.simulator.faults(
        [{**lists, "action": "delay", "ms": 1000}, {**lists, "action": "status", "status": 400}]
    )
    with copyist(copied), copied.database.connect() as other, ThreadPoolExecutor(1) as pool:
        copied.run("SET ROLE copyist")
        copied.mirror(["deals", "persons"])
        run = pool.submit(copied.sync)
        reading = "SELECT 1 FROM pg_locks WHERE relation = 'crm.deals'::regclass AND pid <> pg_backend_pid()"
        while not other.execute(reading).fetchone():
            assert not run.done(), run.result()
            time.sleep(0.05)
        other.execute("DROP TABLE crm.deals")
        run.result()
        assert copied.tables() == ["persons"]
        assert copied.different() == {}
        copied.run("RESET ROLE")
        assert copied.value("SELECT count(*) FROM pipedrive_internal.sync_log WHERE state IS NOT NULL") == 0


def test_a_copy_that_is_dropped_while_a_run_is_priced_is_left_out(copied: Copied) -> None:
    copied.mirror(["users", "deals"])
    copied.sync()
    with copied.database.connect() as other, ThreadPoolExecutor(1) as pool:
        other.autocommit = False
        other.execute("LOCK crm.users; DROP TABLE crm.deals")
        plan = pool.submit(copied.rows, 'SELECT "table"::text FROM pipedrive.sync_plan()')
        waiting = "SELECT 1 FROM pg_locks WHERE relation = 'crm.users'::regclass AND NOT granted"
        while not other.execute(waiting).fetchone():  # the plan looks whether it has rows
            assert not plan.done(), plan.result()
            time.sleep(0.05)
        other.commit()
        assert plan.result() == [("crm.users",)]


def test_a_run_does_not_wait_for_a_command_that_works_on_a_copy(copied: Copied) -> None:
    """As VACUUM and CREATE INDEX CONCURRENTLY do, the latter of which waits for the run in turn."""
    copied.mirror(["deals"])
    copied.run("SET lock_timeout = '2s'")
    with psycopg.connect(copied.database.dsn) as other:
        other.execute("LOCK TABLE crm.deals IN SHARE UPDATE EXCLUSIVE MODE")
        told: list[str] = []
        copied.database.connection.add_notice_handler(lambda d: told.append(d.message_primary or ""))
        copied.sync()
        assert told == []
    assert copied.different() == {}
    assert copied.value("SELECT count(error) FROM pipedrive.sync_status") == 0


def test_columns_may_have_any_names(copied: Copied) -> None:
    copied.mirror(["deals", "deal_followers", "persons", "person_emails"], ", history => true")
    copied.sync()
    for table, column, name in (
        ("deals", "id", "child"),
        ("deals", "title", "a, %s'{}"),
        ("deal_followers", "deal_id", "key"),
        ("person_emails", "value", "place, number"),
    ):
        copied.run(
            f"ALTER FOREIGN TABLE pipedrive.{table} ALTER {column} OPTIONS (ADD column '{column}');"
            f'ALTER FOREIGN TABLE pipedrive.{table} RENAME {column} TO "{name}"'
        )
    deal, _ = followed(copied)
    touch(copied, deal)
    later = {"update_time": "2026-09-01T12:00:00Z", "emails": [{"value": "new@example.com"}]}
    copied.simulator.change([{"method": "PATCH", "path": "persons/3", "body": later}])
    copied.simulator.change([{"method": "DELETE", "path": "deals/7"}])
    copied.sync()
    copied.sync(more=", reconcile => true")
    assert copied.different() == {}
    assert copied.value("SELECT count(*) FROM crm.deals WHERE child = 7") == 0
    for table in copied.tables():
        same = (
            f"SELECT count(*) FROM crm_history.{table} WHERE valid_to IS NULL",
            f"SELECT count(*) FROM crm.{table}",
        )
        assert copied.value(same[0]) == copied.value(same[1]), table


def test_a_run_says_what_it_has_done_with_each_table(copied: Copied) -> None:
    copied.mirror(["stages", "deals"])
    told: list[str] = []
    copied.database.connection.add_notice_handler(lambda d: told.append(d.message_primary or ""))
    copied.run("SET client_min_messages = notice")
    copied.sync()
    stages, deals = (copied.value(f"SELECT count(*) FROM crm.{name}") for name in ("stages", "deals"))
    assert told == [
        f"crm.stages: {stages} rows read, {stages} written, 0 deleted, 5 tokens",
        f"crm.deals: {deals} rows read, {deals} written, 0 deleted, 40 tokens",
    ]


@pytest.mark.parametrize("how", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_run_that_is_ended_is_taken_up_by_the_next_one(copied: Copied, how: str) -> None:
    copied.mirror(["stages", "deals", "deal_products"])
    copied.simulator.faults([{"match": "/deals/products", "action": "delay", "ms": 20_000}])
    pid = copied.value("SELECT pg_backend_pid()")
    code = (
        "import psycopg, sys, time\n"
        "with psycopg.connect(sys.argv[1], autocommit=True) as c:\n"
        "    while not c.execute('SELECT count(*) FROM crm.deals').fetchone()[0]: time.sleep(0.05)\n"
        f"    c.execute('SELECT {how}({pid})')\n"
    )
    ending = subprocess.Popen([sys.executable, "-c", code, copied.database.dsn])  # noqa: S603
    with pytest.raises(psycopg.Error):
        copied.sync()
    ending.wait()
    copied.simulator.faults([])
    copied.connect_anew()
    copied.simulator.reset()
    copied.sync()
    # What was committed is not read again: of the deals only what has changed
    asked = [(r["path"], "updated_since" in r["query"]) for r in copied.simulator.requests()]
    assert [since for path, since in asked if path == "/api/v2/deals"] == [True]
    assert copied.different() == {}


def test_it_is_not_called_within_a_transaction(copied: Copied) -> None:
    copied.mirror(["stages"])
    copied.run("BEGIN")
    told = fails(copied, "CALL pipedrive.sync()")
    copied.run("ROLLBACK")
    assert told.sqlstate == "2D000"
    assert copied.value("SELECT count(*) FROM crm.stages") == 0


def test_a_parent_whose_copy_was_dropped_is_named(copied: Copied) -> None:
    copied.mirror(["deals", "deal_products"])
    copied.sync()
    copied.run("DROP TABLE crm.deals")
    told = fails(copied, "CALL pipedrive.sync(reconcile => true)")
    assert (
        told.message_detail
        == "crm.deal_products: pipedrive copy: crm.deal_products needs a copy of deals in the same schema, "
        "of the same owner"
    )
    copied.mirror(["deals"])
    copied.sync(more=", reconcile => true")
    assert copied.different() == {}


@pytest.mark.parametrize(
    ("table", "column"),
    [("deals", "update_time"), ("deal_followers", "user_id"), ("person_emails", "person_id")],
)
def test_a_column_that_a_run_needs_is_named_when_it_was_dropped(
    copied: Copied, table: str, column: str
) -> None:
    copied.mirror(["deals", "deal_followers", "persons", "person_emails"])
    copied.sync()
    kept = copied.rows(f"SELECT * FROM crm.{table} ORDER BY 1, 2")
    copied.run(f"ALTER TABLE crm.{table} RENAME {column} TO mine")
    told = fails(copied, "CALL pipedrive.sync(reconcile => true)")
    assert (told.message_detail or "").split("\n")[0] == (
        f"crm.{table}: pipedrive copy: crm.{table} cannot be updated without its column {column}"
    )
    assert copied.rows(f"SELECT * FROM crm.{table} ORDER BY 1, 2") == kept
    copied.run(f"ALTER TABLE crm.{table} RENAME mine TO {column}")
    copied.sync(more=", reconcile => true")
    assert copied.different() == {}


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("deals", "id"),
        ("deals", "update_time"),
        ("deal_followers", "deal_id"),
        ("person_emails", "person_id"),
    ],
)
def test_a_table_without_a_column_that_a_run_needs_is_not_copied(
    copied: Copied, table: str, column: str
) -> None:
    copied.run(f"ALTER FOREIGN TABLE pipedrive.{table} DROP COLUMN {column}")
    told = fails(copied, "SELECT pipedrive.mirror('pipedrive', target => 'crm')")
    assert (told.message_primary, told.message_detail) == (
        f"pipedrive copy: {table} cannot be copied without its column {column}",
        f"pipedrive.{table} does not have this column.",
    )
    assert copied.value("SELECT to_regnamespace('crm')") is None


def test_the_key_of_the_parents_is_named_when_it_was_dropped(copied: Copied) -> None:
    copied.mirror(["deals", "deal_followers"])
    copied.sync()
    copied.run("ALTER TABLE crm.deals RENAME id TO mine")
    told = fails(copied, "CALL pipedrive.sync('crm.deal_followers', reconcile => true)")
    assert told.message_detail == (
        "crm.deal_followers: pipedrive copy: crm.deal_followers cannot be updated "
        "without the column id of crm.deals"
    )


def test_a_run_that_cannot_write_asks_for_nothing(copied: Copied) -> None:
    """As on a standby, from cron, again and again."""
    copied.mirror(["stages"])
    copied.sync()
    copied.simulator.reset()
    copied.run("SET default_transaction_read_only = on")
    told = fails(copied, "CALL pipedrive.sync()")
    copied.run("SET default_transaction_read_only = off")
    assert told.message_primary == "pipedrive copy: a run cannot write, because the transaction is read-only"
    assert (told.sqlstate, told.message_hint) == ("25006", "SET default_transaction_read_only = off;")
    assert copied.simulator.requests() == []


def test_what_was_dropped_is_forgotten(copied: Copied) -> None:
    """A dump would have its number, which is another table's where it is restored."""
    copied.mirror(["deals", "deal_followers"])
    copied.sync()
    touch(copied, followed(copied)[0])
    copied.sync("crm.deals")
    copied.run("INSERT INTO pipedrive_internal.restored VALUES ('crm.deal_followers', '1', '2')")
    known = ("copies", "pending", "sync_log", "restored")
    rows = "SELECT count(*) FROM pipedrive_internal.{} WHERE copy = {}"
    dropped = copied.value("SELECT 'crm.deal_followers'::regclass::oid")
    assert [copied.value(rows.format(name, dropped)) > 0 for name in known] == [True] * 4
    copied.run("DROP TABLE crm.deal_followers")
    assert [copied.value(rows.format(name, dropped)) for name in known] == [0] * 4
    assert copied.tables() == ["deals"]
    copied.run("DROP EXTENSION pipedrive_fdw CASCADE")
    assert copied.value("SELECT count(*) FROM crm.deals") > 0


def test_a_copy_whose_foreign_table_was_dropped_is_named_and_goes_on_with_the_new_one(
    copied: Copied,
) -> None:
    copied.mirror(["deals", "stages"])
    copied.sync()
    copied.run("DROP FOREIGN TABLE pipedrive.deals")
    copied.simulator.change([{"method": "PATCH", "path": "stages/1", "body": {"name": "Renamed"}}])
    for table in ("NULL", "'crm.deals'"):
        told = fails(copied, f"CALL pipedrive.sync({table})")
        assert told.message_detail == "crm.deals: pipedrive copy: the foreign table of crm.deals was dropped"
        assert "pipedrive.sync_status says what to do" in str(told.message_hint)
    assert copied.value("SELECT name FROM crm.stages WHERE id = 1") == "Renamed"
    assert copied.rows("SELECT error, columns_gone FROM pipedrive.sync_status ORDER BY 1") == [
        (
            "pipedrive copy: the foreign table of crm.deals was dropped. Import it again, and call "
            "pipedrive.mirror as before. Or stop copying: DROP TABLE crm.deals;",
            None,
        ),
        (None, None),
    ]
    copied.run("IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deals) FROM SERVER pipedrive INTO pipedrive")
    copied.simulator.change(
        [
            {"method": "PATCH", "path": "deals/5", "body": {"title": "silent"}},
            {"method": "DELETE", "path": "deals/7"},
        ]
    )
    assert copied.mirror(["deals"]) == "0 new tables in schema crm"
    copied.sync()
    assert copied.rows("SELECT id, title FROM crm.deals WHERE id IN (5, 7)") == [(5, "silent")]
    assert copied.different() == {}


def test_a_run_without_a_copy_says_so(copied: Copied) -> None:
    told: list[str] = []
    copied.run("SET client_min_messages = notice")
    copied.database.connection.add_notice_handler(lambda d: told.append(d.message_primary or ""))
    copied.sync()
    assert told == ["pipedrive copy: postgres keeps no copy"]
    assert copied.mirror(["stages"]) == "1 new table in schema crm"
    copied.run("SELECT pipedrive.set_sync('crm.stages', every => '1 day')")
    copied.sync()
    told.clear()
    copied.sync()
    assert told == []


def test_a_dropped_copy_is_no_trouble(copied: Copied) -> None:
    copied.mirror(["stages", "pipelines"])
    copied.run("DROP TABLE crm.stages")
    copied.sync()
    assert copied.tables() == ["pipelines"]
    assert fails(copied, "CALL pipedrive.sync('pipedrive.deals')").sqlstate == "42809"


def test_the_clock_of_the_server_may_go_backwards(copied: Copied) -> None:
    copied.mirror(["deals", "stages"])
    copied.sync()
    copied.run(
        "UPDATE pipedrive_internal.copies SET synced = synced + interval '1 year', "
        "compared = compared + interval '1 year', changed = changed + interval '1 year', every = '1 day'"
    )
    copied.simulator.change([{"method": "DELETE", "path": "deals/3"}])
    copied.sync()
    assert copied.different() == {}


def test_a_clock_that_was_put_back_while_a_run_read_moves_no_watermark(copied: Copied) -> None:
    watermark = "SELECT pipedrive_internal.sync_watermark('2026-09-01 12:00Z', now() {} interval '1 hour')"
    assert copied.value(watermark.format("-")) < dt.datetime(2026, 9, 1, 11, tzinfo=dt.timezone.utc)
    assert copied.value(watermark.format("+")) is None


def test_a_record_of_the_future_hides_no_change(copied: Copied) -> None:
    copied.mirror(["deals"])
    future = {"method": "PATCH", "path": "deals/2", "body": {"update_time": "2040-01-01T00:00:00Z"}}
    copied.simulator.change([future])
    copied.sync()  # the whole list
    copied.sync()  # changes
    moved = {
        "title": "changed",
        "update_time": copied.value('SELECT to_char(now(), \'YYYY-MM-DD"T"HH24:MI:SS"Z"\')'),
    }
    copied.simulator.change([{"method": "PATCH", "path": "deals/5", "body": moved}])
    copied.sync()
    assert copied.value("SELECT title FROM crm.deals WHERE id = 5") == "changed"


def test_the_time_zone_of_a_session_changes_nothing(copied: Copied) -> None:
    copied.mirror(["deals", "notes", "leads"])
    copied.run("SET timezone = 'Pacific/Auckland'")
    copied.sync()
    copied.run("SET timezone = 'America/Los_Angeles'")
    copied.simulator.change(
        [
            {
                "method": "PATCH",
                "path": "notes/5",
                "body": {"content": "x", "update_time": "2026-09-01 12:00:00"},
            }
        ]
    )
    copied.sync()
    assert copied.different() == {}


# ---- roles


def test_a_role_keeps_copies_of_its_own_and_no_others(copied: Copied) -> None:
    copied.run("DROP ROLE IF EXISTS copyist; CREATE ROLE copyist")
    copied.mirror(["stages"])
    told = {}
    try:
        copied.run(
            "GRANT USAGE ON FOREIGN SERVER pipedrive TO copyist;"
            "GRANT USAGE ON SCHEMA pipedrive, crm TO copyist;"
            "GRANT SELECT ON ALL TABLES IN SCHEMA pipedrive TO copyist;"
            f"GRANT CREATE ON DATABASE {copied.database.database} TO copyist;"
            f"CREATE USER MAPPING FOR copyist SERVER pipedrive OPTIONS (api_token $${TOKEN}$$)"
        )
        copied.run("SET ROLE copyist")
        told["not granted"] = fails(copied, "SELECT pipedrive.mirror('pipedrive', target => 'hers')").sqlstate
        copied.run(
            "RESET ROLE; GRANT EXECUTE ON ALL ROUTINES IN SCHEMA pipedrive TO copyist; SET ROLE copyist"
        )
        copied.run(
            "SELECT pipedrive.mirror('pipedrive', target => 'hers', tables => '{deals,pipelines}', "
            "history => true)"
        )
        copied.run("CALL pipedrive.sync()")
        seen = copied.rows('SELECT "table"::text FROM pipedrive.sync_status ORDER BY 1')
        assert seen == [("hers.deals",), ("hers.pipelines",)]
        deals = copied.value("SELECT count(*) FROM hers.deals")
        assert copied.value("SELECT count(*) FROM hers_history.deals") == deals > 0
        told["another's"] = fails(copied, "CALL pipedrive.sync('crm.stages')").sqlstate
        changed = copied.rows("UPDATE pipedrive_internal.copies SET error = 'mine' RETURNING copy::text")
        assert sorted(changed) == [("hers.deals",), ("hers.pipelines",)]
        told["a row for another's table"] = fails(
            copied,
            "INSERT INTO pipedrive_internal.copies (copy, source, columns, key, left_out) "
            "VALUES ('crm.stages', 'pipedrive.stages', '{}', '{}', '{}')",
        ).sqlstate
        copied.run("RESET ROLE")
        assert copied.tables() == ["stages"]
        assert told == {"not granted": "42501", "another's": "42809", "a row for another's table": "42501"}
    finally:
        copied.run("RESET ROLE; DROP OWNED BY copyist CASCADE; DROP ROLE copyist")


def test_the_rights_that_the_page_names_are_enough(copied: Copied) -> None:
    copied.run("DROP ROLE IF EXISTS copyist; CREATE ROLE copyist")
    database = copied.database.database
    tables = "{deals,deal_followers,persons,person_emails,projects,stages}"
    try:
        copied.run(
            f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;"
            f"CREATE USER MAPPING FOR copyist SERVER pipedrive OPTIONS (api_token $${TOKEN}$$);"
            "GRANT EXECUTE ON FUNCTION pipedrive.mirror TO copyist;"
            "GRANT EXECUTE ON PROCEDURE pipedrive.sync TO copyist;"
            "GRANT USAGE ON SCHEMA pipedrive TO copyist; GRANT USAGE ON FOREIGN SERVER pipedrive TO copyist;"
            "GRANT SELECT ON ALL TABLES IN SCHEMA pipedrive TO copyist;"
            f"GRANT CREATE, TEMPORARY ON DATABASE {database} TO copyist; SET ROLE copyist"
        )
        copied.mirror([], f", tables => '{tables}', history => true")
        copied.sync()
        copied.sync(more=", reconcile => true")
        assert copied.value("SELECT count(error) FROM pipedrive.sync_status") == 0
        assert len(copied.tables()) == 6
        assert copied.different() == {}
        copied.run("DROP TABLE crm.deal_followers")
        assert len(copied.tables()) == 5
    finally:
        copied.run("RESET ROLE; DROP OWNED BY copyist CASCADE; DROP ROLE copyist")


@pytest.mark.parametrize("table", ["crm.deals", "crm.deal_products", "crm_history.deals"])
def test_policies_that_hide_rows_from_the_owner_stop_a_run(copied: Copied, table: str) -> None:
    """What was hidden counted as gone: products of hidden deals were deleted, and versions never ended."""
    with copyist(copied):
        copied.run("SET ROLE copyist")
        copied.mirror(["stages"])
        copied.mirror(["deals", "deal_products"], ", history => true")
        copied.sync()
        copied.run(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; CREATE POLICY even ON {table} USING (id % 2 = 0)"
        )
        copied.sync()
        copied.run(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        told = fails(copied, "CALL pipedrive.sync(reconcile => true)")
        assert told.sqlstate == "42501"
        assert f"policies hide rows of {table} from its owner" in str(told.message_detail)
        copied.run("RESET ROLE")
        assert copied.different() == {}
        copied.run(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY; SET ROLE copyist")
        copied.sync(more=", reconcile => true")
        assert copied.value("SELECT count(error) FROM pipedrive.sync_status") == 0
        copied.run("ALTER TABLE crm.stages ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        told = fails(copied, "SELECT pipedrive.mirror('pipedrive', target => 'crm', history => true)")
        assert "policies hide rows of crm.stages" in str(told.message_primary)


def test_a_history_of_another_role_fails_its_table_alone(copied: Copied) -> None:
    """The run ended at it, with an error of a table that nobody knows."""
    with copyist(copied):
        copied.mirror(["stages", "pipelines"], ", history => true")
        copied.run(
            "ALTER SCHEMA crm OWNER TO copyist; ALTER TABLE crm.stages OWNER TO copyist;"
            "ALTER TABLE crm.pipelines OWNER TO copyist; ALTER TABLE crm_history.pipelines OWNER TO copyist;"
            "GRANT USAGE ON SCHEMA crm_history TO copyist; SET ROLE copyist"
        )
        told = fails(copied, "CALL pipedrive.sync()")
        assert told.message_detail == (
            "crm.stages: pipedrive copy: the history of crm.stages does not belong to copyist"
        )
        assert copied.value("SELECT count(last_success) FROM pipedrive.sync_status") == 1
        copied.run("RESET ROLE; ALTER TABLE crm_history.stages OWNER TO copyist; SET ROLE copyist")
        copied.sync()
        copied.run("RESET ROLE")
        assert copied.different() == {}


def test_every_role_may_use_what_a_run_uses(copied: Copied) -> None:
    refused = copied.rows(
        "SELECT p.oid::regprocedure::text FROM pg_proc p "
        "WHERE p.pronamespace = 'pipedrive_internal'::regnamespace AND p.proname LIKE 'sync%' "
        "AND NOT has_function_privilege('public', p.oid, 'EXECUTE')"
    )
    assert refused == []


def test_a_superuser_does_not_run_what_belongs_to_others(copied: Copied) -> None:
    copied.run("DROP ROLE IF EXISTS trap; CREATE ROLE trap")
    try:
        copied.mirror(["stages"])
        copied.run("ALTER TABLE crm.stages OWNER TO trap; ALTER SCHEMA crm OWNER TO trap")
        copied.sync()
        assert copied.simulator.requests() == []
        told = fails(copied, "CALL pipedrive.sync('crm.stages')")
        assert (told.sqlstate, told.message_primary) == (
            "42501",
            "pipedrive copy: crm.stages belongs to trap",
        )
    finally:
        copied.run("DROP OWNED BY trap CASCADE; DROP ROLE trap")


def test_names_on_the_search_path_are_not_taken_for_those_of_the_run(copied: Copied) -> None:
    copied.mirror(["stages"])
    copied.run(
        "CREATE SCHEMA trap; CREATE FUNCTION trap.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS "
        "$$BEGIN RAISE 'trapped'; END$$;"
        "CREATE FUNCTION trap.trapped(boolean, boolean) RETURNS boolean LANGUAGE plpgsql AS "
        "$$BEGIN RAISE 'trapped'; END$$;"
        "CREATE OPERATOR trap.= (LEFTARG = boolean, RIGHTARG = boolean, FUNCTION = trap.trapped);"
        "CREATE TABLE trap.pg_class (oid oid);"
        "SET search_path = trap, pg_catalog"
    )
    copied.sync()
    copied.run("RESET search_path")
    assert copied.different() == {}


@pytest.mark.parametrize("parts", [[()], [("--schema-only",), ("--data-only",)]])
def test_a_dump_with_a_copy_is_restored_and_goes_on(
    server: Server, copied: Copied, tmp_path: Path, parts: list[tuple[str, ...]]
) -> None:
    """Where the data follow the schema, triggers of the history see copies that nobody knows yet."""
    copied.mirror(["deals", "stages", "deal_products"], ", history => true")
    copied.sync()
    versions = copied.rows("SELECT h::text FROM crm_history.deals h ORDER BY 1")
    file = tmp_path / "dump.sql"
    new = f"{copied.database.database}_again"
    server.psql("template1").query(f"CREATE DATABASE {new} TEMPLATE template0")
    for part in parts:
        tool(server, "pg_dump", *part, f"--file={file}", copied.database.dsn)
        tool(server, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(file), server.dsn_of(new))
    copied.database.connection.close()
    copied.database.dsn = server.dsn_of(new)
    copied.connect_anew()
    assert copied.rows("SELECT h::text FROM crm_history.deals h ORDER BY 1") == versions
    copied.simulator.reset()
    copied.sync()
    assert [r["path"] for r in copied.simulator.requests()].count("/api/v2/deals") == 1
    assert copied.different() == {}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({}, "no API token is known for this user"),
        ({"status": 429, "headers": {"x-daily-requests-left": "0"}}, "daily limit"),
        ({"status": 401}, "the API token is not accepted"),
    ],
)
def test_what_fails_for_one_account_does_not_stop_another(
    copied: Copied, fault: dict[str, Any], words: str
) -> None:
    other = Simulator(token=TOKEN, deals=5)
    other.start()
    try:
        copied.run(
            f"SELECT pipedrive.connect(base_url => '{other.url}', api_token => $${TOKEN}$$, "
            "server => 'other', schema => 'others')"
        )
        copied.mirror(["stages", "users"])
        copied.run("SELECT pipedrive.mirror('others', target => 'copy', tables => '{pipelines,stages}')")
        other.reset()
        if fault:
            other.faults([{"match": "/api/", "action": "status", "times": 99, **fault}])
        else:
            copied.run("DROP USER MAPPING FOR CURRENT_USER SERVER other")
        told = fails(copied, "CALL pipedrive.sync()")
        assert words in str(told.message_detail)
        assert len(other.requests()) == (1 if fault else 0)
        assert copied.different() == {}
        errors = dict(copied.rows('SELECT "table"::text, error FROM pipedrive.sync_status'))
        assert words in errors["copy.pipelines"]
        assert errors["crm.stages"] is errors["crm.users"] is None
        other.reset()
        if not fault:
            copied.run(f"CREATE USER MAPPING FOR CURRENT_USER SERVER other OPTIONS (api_token $${TOKEN}$$)")
        copied.connect_anew()
        copied.sync()
        assert copied.value("SELECT count(*) FROM pipedrive.sync_status WHERE error IS NOT NULL") == 0
    finally:
        other.stop()


def test_a_server_that_a_role_may_no_longer_use_does_not_stop_another(copied: Copied) -> None:
    """The run ended before its first table."""
    with copyist(copied):
        copied.run(
            f"SELECT pipedrive.connect(base_url => '{copied.simulator.url}', api_token => $${TOKEN}$$, "
            "server => 'other', schema => 'others');"
            f"CREATE USER MAPPING FOR copyist SERVER other OPTIONS (api_token $${TOKEN}$$);"
            "GRANT USAGE ON FOREIGN SERVER other TO copyist; GRANT USAGE ON SCHEMA others TO copyist;"
            "GRANT SELECT ON ALL TABLES IN SCHEMA others TO copyist; SET ROLE copyist"
        )
        copied.mirror(["stages", "users"])
        copied.run("SELECT pipedrive.mirror('others', target => 'copy', tables => '{pipelines}')")
        copied.sync()
        copied.run("RESET ROLE; REVOKE USAGE ON FOREIGN SERVER other FROM copyist; SET ROLE copyist")
        copied.simulator.change([{"method": "PATCH", "path": "stages/1", "body": {"name": "Renamed"}}])
        planned = copied.rows('SELECT "table"::text FROM pipedrive.sync_plan() ORDER BY 1')
        assert planned == [("crm.stages",), ("crm.users",)]
        told = fails(copied, "CALL pipedrive.sync()")
        assert told.message_detail == "copy.pipelines: permission denied for foreign server other"
        assert copied.value("SELECT name FROM crm.stages WHERE id = 1") == "Renamed"
        assert copied.rows('SELECT "table"::text FROM pipedrive.sync_status WHERE error IS NOT NULL') == [
            ("copy.pipelines",)
        ]
        copied.run("RESET ROLE; GRANT USAGE ON FOREIGN SERVER other TO copyist; SET ROLE copyist")
        copied.sync()
        assert copied.value("SELECT count(error) FROM pipedrive.sync_status") == 0


def test_a_copy_of_an_unknown_table_is_not_taken_for_up_to_date(copied: Copied) -> None:
    copied.mirror(["stages", "pipelines"])
    copied.sync()
    # A dump sets options without a check, and a later version may not know a table any more
    option = "ALTER FOREIGN TABLE pipedrive.stages OPTIONS (SET \"table\" '{}')"
    copied.run(f"SET check_function_bodies = off; {option.format('steps')}; RESET check_function_bodies")
    told = fails(copied, "CALL pipedrive.sync()")
    assert told.message_detail == (
        "crm.stages: pipedrive copy: pipedrive.stages shows no table of Pipedrive that this version knows"
    )
    assert copied.value("SELECT count(error) FROM pipedrive.sync_status") == 1
    copied.run(option.format("stages"))
    copied.sync()
    assert copied.different() == {}
