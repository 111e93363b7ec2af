"""The main job: an account imported, read whole, looked up, and clear errors when that cannot be."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount
from tests.simulator import Simulator
from tools.engine import Server

BOUNDLESS = {"burst": 100_000, "budget": 10**9}
FIRST = (
    "deals",
    "persons",
    "organizations",
    "activities",
    "products",
    "pipelines",
    "stages",
    "users",
    "currencies",
    "activity_types",
    "notes",
    "leads",
)


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, seed=3, deals=700, **BOUNDLESS) as live:
        yield live


def error_of(account: LiveAccount, sql: str) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        account.rows(sql)
    return caught.value


@pytest.mark.parametrize("deals", [0, 1, 499, 500, 501, 20_000])
def test_count_is_that_of_all_deals_not_deleted(server: Server, deals: int) -> None:
    with LiveAccount(server, seed=5, deals=deals, tables=["deals"], **BOUNDLESS) as live:
        wanted = [r for r in live.simulator.records("deals") if not r["is_deleted"]]
        assert len(wanted) == deals
        assert live.value("SELECT count(*) FROM deals") == deals
        archived = sum(1 for r in wanted if r["is_archived"])
        assert live.value("SELECT count(*) FROM deals WHERE is_archived") == archived
        assert deals < 400 or archived > 0
        ids = [row[0] for row in live.rows("SELECT id FROM deals")]
        assert len(set(ids)) == deals


@pytest.mark.parametrize("table", FIRST)
def test_every_row_is_found_by_its_key(account: LiveAccount, table: str) -> None:
    key = "code" if table == "currencies" else "id"
    first, *_, last = account.rows(f"SELECT {key}, row_to_json(t) FROM {table} t ORDER BY 1")
    for value, row in (first, last):
        assert account.rows(f"SELECT row_to_json(t) FROM {table} t WHERE {key} = '{value}'") == [(row,)]


def test_a_row_by_its_id_is_one_request(account: LiveAccount) -> None:
    (request,) = account.asked("SELECT * FROM persons WHERE id = 7")
    assert (request["method"], request["path"], request["tokens"]) == ("GET", "/api/v2/persons/7", 1)


def test_an_id_that_is_not_there_gives_no_row(account: LiveAccount) -> None:
    assert account.rows("SELECT * FROM deals WHERE id = 99999999") == []


def test_a_deleted_deal_is_no_row(account: LiveAccount) -> None:
    deleted = account.simulator.records("deleted_deals")[0]["id"]
    assert account.rows(f"SELECT * FROM deals WHERE id = {deleted}") == []
    assert account.value(f"SELECT id FROM deleted_deals WHERE id = {deleted}") == deleted


def test_pages_are_asked_for_one_by_one(account: LiveAccount) -> None:
    requests = account.asked("SELECT id FROM deals LIMIT 1")
    assert [r["path"] for r in requests] == ["/api/v2/deals"]


def test_limit_to_and_except(account: LiveAccount) -> None:
    account.run("CREATE SCHEMA a_few; CREATE SCHEMA the_most")
    account.run(
        f"IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deals, users) FROM SERVER {account.name} INTO a_few"
    )
    account.run(f"IMPORT FOREIGN SCHEMA pipedrive EXCEPT (deals) FROM SERVER {account.name} INTO the_most")
    tables = "SELECT foreign_table_name FROM information_schema.foreign_tables WHERE foreign_table_schema = "
    assert {r[0] for r in account.rows(tables + "'a_few'")} == {"deals", "users"}
    every = {r[0] for r in account.rows(tables + f"'{account.name}'")}
    assert {r[0] for r in account.rows(tables + "'the_most'")} == every - {"deals"}
    account.run("DROP SCHEMA a_few CASCADE; DROP SCHEMA the_most CASCADE")


def test_unknown_names_are_told_with_the_known_ones(account: LiveAccount) -> None:
    error = error_of(account, f"IMPORT FOREIGN SCHEMA acme FROM SERVER {account.name} INTO public")
    assert 'there is no schema "acme"' in str(error)
    error = error_of(
        account, f"IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deel) FROM SERVER {account.name} INTO public"
    )
    assert "deel" in str(error) and "deals" in (error.diag.message_hint or "")


def test_a_wrong_token_is_one_line_that_says_so(server: Server, account: LiveAccount) -> None:
    with LiveAccount(
        server, account.simulator, mapping={"api_token": "not-the-token"}, tables=["stages"]
    ) as wrong:
        error = error_of(wrong, "SELECT * FROM stages")
        assert error.diag.message_primary == "pipedrive auth: the API token is not accepted"
        assert "ALTER USER MAPPING" in (error.diag.message_hint or "")
        assert "not-the-token" not in str(error)


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"action": "status", "status": 404, "body": '{"success": false, "error": "Not found"}'}, "access"),
        ({"action": "status", "status": 404, "body": "<html>no such page</html>"}, "protocol"),
        ({"action": "status", "status": 200, "body": "<html>welcome</html>"}, "protocol"),
        ({"action": "cut"}, "connection"),
        ({"action": "malformed"}, "protocol"),
        ({"action": "null_data"}, "protocol"),
        ({"action": "repeat_cursor", "skip": 1}, "protocol"),
        ({"action": "status", "status": 500, "body": "{}"}, "api"),
    ],
)
def test_a_spoilt_answer_is_an_error_and_never_fewer_rows(
    account: LiveAccount, fault: dict[str, Any], word: str
) -> None:
    whole = account.value("SELECT count(*) FROM deals")
    account.run("SET pipedrive.max_tokens_per_query = 100000")
    account.simulator.faults([{"match": r"/deals$", "times": 1000, **fault}])
    error = error_of(account, "SELECT title FROM deals")
    account.simulator.faults([])
    assert (error.diag.message_primary or "").startswith(f"pipedrive {word}: ")
    assert error.diag.message_detail
    assert error.diag.message_hint
    assert account.value("SELECT count(*) FROM deals") == whole


def test_a_simulator_that_stops_in_the_middle_of_a_scan_is_an_error(server: Server) -> None:
    simulator = Simulator(
        seed=5, deals=5000, token="a-token-of-the-tests", latency_ms=300, **BOUNDLESS
    ).start()
    options = {"read_timeout": 5}
    with LiveAccount(server, simulator, tables=["deals"], options=options) as live:
        threading.Timer(1.2, simulator.stop).start()
        started = time.monotonic()
        error = error_of(live, "SELECT * FROM deals")
        assert time.monotonic() - started < 30
        assert (error.diag.message_primary or "").startswith("pipedrive connection: ")
        assert live.value("SELECT 1") == 1


def test_a_wrong_address_is_an_error(server: Server, account: LiveAccount) -> None:
    wrong = {"base_url": "http://127.0.0.1:1", "connect_timeout": 1}
    with LiveAccount(server, account.simulator, options=wrong, tables=["stages"]) as live:
        error = error_of(live, "SELECT * FROM stages")
        assert (error.diag.message_primary or "").startswith("pipedrive connection: ")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM {0} d JOIN {1} u ON u.id = d.owner_id LEFT JOIN {2} p ON p.org_id = d.org_id "
        "WHERE d.status = 'open'",
        "SELECT count(*) FROM {0} d JOIN {1} u ON u.id = d.owner_id LEFT JOIN {2} p ON p.id = d.person_id "
        "AND p.owner_id = d.owner_id",
        "SELECT count(*) FROM {1} u JOIN {0} d ON u.id = d.owner_id "
        "WHERE NOT EXISTS (SELECT FROM {2} p WHERE p.id = d.person_id AND p.owner_id = u.id)",
        "SELECT count(*) FROM {0} d, {1} u LEFT JOIN {2} p ON p.owner_id = u.id WHERE u.id = d.owner_id",
        "SELECT count(*) FROM {2} p LEFT JOIN ({0} d JOIN {1} u ON u.id = d.owner_id) ON d.person_id = p.id",
        "SELECT count(*) FROM {1} u JOIN {0} d ON d.owner_id = u.id LEFT JOIN hobbies h ON h.deal_id = d.id",
        "SELECT count(*) FROM {1} u JOIN {0} d ON d.owner_id = u.id "
        "WHERE NOT EXISTS (SELECT FROM hobbies h WHERE h.deal_id = d.id)",
    ],
)
def test_outer_joins_of_three_tables_are_answered_as_of_plain_ones(account: LiveAccount, query: str) -> None:
    """Multicorn's own look-up paths for these joins give wrong rows (run/lookups.py)."""
    account.run("CREATE TABLE IF NOT EXISTS hobbies AS SELECT n AS deal_id FROM generate_series(1, 40) n")
    for name in ("deals", "users", "persons"):
        account.run(f"CREATE TEMP TABLE IF NOT EXISTS copy_of_{name} AS SELECT * FROM {name}")
    wanted = account.value(query.format("copy_of_deals", "copy_of_users", "copy_of_persons"))
    assert account.value(query.format("deals", "users", "persons")) == wanted
    session = account.session()
    assert session.execute(query.format("deals", "users", "persons")).fetchall() == [(wanted,)]  # type: ignore[call-overload]
    session.close()
