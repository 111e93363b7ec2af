"""Columns that cost a request a row: fetched when named, remembered, switched off."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.live import LiveAccount
from tools.engine import Server

TABLES = ["filters", "permission_sets", "mail_threads_inbox", "mail_messages_inbox"]


@pytest.fixture
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, seed=1, deals=30, tables=TABLES, burst=10_000, budget=10**9) as live:
        yield live


def test_nothing_extended_is_fetched_unless_named(account: LiveAccount) -> None:
    assert len(account.asked("SELECT id, name FROM filters")) == 1
    assert len(account.asked("SELECT count(*) FROM filters")) == 1


def test_a_named_one_costs_a_request_a_row_once(account: LiveAccount) -> None:
    filters = {r["id"]: r["conditions"] for r in account.simulator.records("filters")}
    first = account.asked("SELECT id, conditions FROM filters")
    assert len(first) == 1 + len(filters)
    assert dict(account.rows("SELECT id, conditions FROM filters")) == filters
    again = account.asked("SELECT id, conditions FROM filters")
    assert [r["path"] for r in again] == ["/api/v1/filters"]


def test_they_are_forgotten_after_their_time(account: LiveAccount) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD extended_cache_ttl '1')")
    account.connect()
    account.rows("SELECT id, conditions FROM filters")
    time.sleep(1.2)
    assert len(account.asked("SELECT id, conditions FROM filters")) > 1


@pytest.mark.parametrize("where", ["SERVER {0}", "FOREIGN TABLE filters"])
def test_switched_off_they_are_null(account: LiveAccount, where: str) -> None:
    account.run(f"ALTER {where.format(account.name)} OPTIONS (ADD suppress_extended_requests 'true')")
    account.connect()
    assert len(account.asked("SELECT id, conditions FROM filters")) == 1
    assert account.value("SELECT count(conditions) FROM filters") == 0


def test_the_session_can_switch_them_off(account: LiveAccount) -> None:
    account.run("SET pipedrive.suppress_extended_requests = 'on'")
    assert len(account.asked("SELECT id, conditions FROM filters")) == 1
    account.run("RESET pipedrive.suppress_extended_requests")
    assert len(account.asked("SELECT id, conditions FROM filters")) > 1


def test_a_write_computes_from_them(account: LiveAccount) -> None:
    account.run(
        "UPDATE filters SET (name) = (SELECT 'Joined by ' || (filters.conditions ->> 'glue')) WHERE id = 1"
    )
    assert {r["id"]: r["name"] for r in account.simulator.records("filters")}[1] == "Joined by and"


def test_a_trigger_gets_them(account: LiveAccount) -> None:
    """Its OLD and NEW are whole rows."""
    filters = {r["id"]: r["conditions"] for r in account.simulator.records("filters")}
    account.run(
        "CREATE TEMP TABLE log (fired text, old jsonb, new jsonb); "
        "CREATE FUNCTION pg_temp.log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO log VALUES (TG_WHEN || ' ' || TG_OP, to_jsonb(OLD), to_jsonb(NEW)); "
        "RETURN coalesce(NEW, OLD); END $$"
    )
    for when in ("BEFORE", "AFTER"):
        account.run(
            f"CREATE TRIGGER {when} {when} UPDATE OR DELETE ON filters FOR EACH ROW EXECUTE FUNCTION "
            "pg_temp.log()"
        )
    account.run("UPDATE filters SET name = 'Logged' WHERE id = 1")
    account.run("DELETE FROM filters WHERE name = (SELECT name FROM filters WHERE id = 2)")
    logged = "SELECT fired, old -> 'conditions', new -> 'conditions' FROM log ORDER BY fired"
    assert account.rows(logged) == [
        ("AFTER DELETE", filters[2], None),
        ("AFTER UPDATE", filters[1], filters[1]),
        ("BEFORE DELETE", filters[2], None),
        ("BEFORE UPDATE", filters[1], filters[1]),
    ]


def test_bodies_and_contents(account: LiveAccount) -> None:
    sets = {str(r["id"]): r["contents"] for r in account.simulator.records("permission_sets")}
    assert dict(account.rows("SELECT id::text, contents FROM permission_sets")) == sets
    bodies = {r["id"]: r["body"] for r in account.simulator.records("mail_messages")}
    shown = dict(account.rows("SELECT id, body FROM mail_messages_inbox"))
    assert shown and shown == {key: bodies[key] for key in shown}
