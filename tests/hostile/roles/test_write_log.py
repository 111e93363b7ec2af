"""The audit of writes: who has sent what, by whose mapping, and what became of it, in the server's log."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.hostile.roles.conftest import TOKEN, Ground, one
from tests.hostile.roles.traps import ATTACKER
from tests.simulator import Simulator

SUBJECT = "a-subject-that-no-log-may-hold"
TOKENS = {
    "postgres": TOKEN,
    "ada": "token-of-ada",
    ATTACKER: "token-of-the-attacker",
    "PUBLIC": "of-everybody",
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    running = Simulator(token=TOKEN, deals=40)
    running.start()
    running.configure({"users_tokens": {token: 1 + n for n, token in enumerate(TOKENS.values())}})
    yield running
    running.stop()


class Audited(Ground):
    """A ground whose account notes writes."""

    def entries(self) -> list[dict[str, str]]:
        """What the log has got since the last call. Whatever it is, it is one line without a value."""
        size = self.server.log.stat().st_size
        text, self._read = self.server.log_since(self._read), size
        lines = text.splitlines()
        noted = [number for number, line in enumerate(lines) if "pipedrive write: {" in line]
        for number in noted:
            assert SUBJECT not in lines[number]
            assert not any(token in lines[number] for token in TOKENS.values())
            following = lines[number + 1 : number + 2]
            assert not any(word in line for line in following for word in ("STATEMENT:", "CONTEXT:"))
        return [json.loads(lines[number].partition("pipedrive write: ")[2]) for number in noted]

    _read = 0


@pytest.fixture
def house(ground: Ground) -> Audited:
    """The schema *crm*, whose tables all may write, each by their own mapping, and a view of ada's."""
    ground.__class__ = Audited
    assert isinstance(ground, Audited)
    ground.admin.execute(
        "CREATE EXTENSION pipedrive_fdw; CREATE ROLE ada; CREATE ROLE guest; "
        "CREATE SERVER pipedrive FOREIGN DATA WRAPPER pipedrive_fdw "
        f"OPTIONS (base_url '{ground.simulator.url}', log_writes 'true'); "
        f"GRANT USAGE ON FOREIGN SERVER pipedrive TO ada, guest, {ATTACKER}"
    )
    for role, token in TOKENS.items():
        ground.admin.execute(
            f"CREATE USER MAPPING FOR {role} SERVER pipedrive OPTIONS (api_token '{token}')"  # type: ignore[arg-type]
        )
    ground.admin.execute(
        "CREATE SCHEMA crm; CREATE SCHEMA views AUTHORIZATION ada; IMPORT FOREIGN SCHEMA pipedrive "
        "LIMIT TO (activities, stages, deals, deal_products, goals, person_emails) "
        "FROM SERVER pipedrive INTO crm; "
        f"GRANT USAGE ON SCHEMA crm, views, pipedrive TO ada, guest, {ATTACKER}; "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA crm TO ada, guest, {ATTACKER}; "
        f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pipedrive TO ada, guest, {ATTACKER}; "
        "SET ROLE ada; CREATE VIEW views.activities AS SELECT * FROM crm.activities; "
        "CREATE FUNCTION views.copy(deal bigint) RETURNS jsonb LANGUAGE sql SECURITY DEFINER "
        "AS $$ SELECT pipedrive.duplicate_deal(deal) $$; "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON views.activities TO {ATTACKER}; RESET ROLE"
    )
    ground.simulator.reset()
    ground._read = ground.server.log.stat().st_size
    return ground


def entry(request: str, outcome: str = "done", who: str = ATTACKER, **more: str) -> dict[str, str]:
    """What is expected of a write of *who* with the own mapping."""
    caller = {"server": "pipedrive", "session_user": who, "current_user": who, "mapping": who}
    return {**caller, "request": request, "outcome": outcome, **more}


def newest(house: Ground, collection: str) -> str:
    return str(max(record["id"] for record in house.simulator.records(collection)))


def test_each_verb_and_what_a_rollback_does_not_take_back(house: Audited) -> None:
    attacker = house.attacker()
    with pytest.raises(psycopg.errors.DivisionByZero), attacker.transaction():
        attacker.execute(f"INSERT INTO crm.activities (subject) VALUES ('{SUBJECT}')")
        key = newest(house, "activities")
        attacker.execute(f"UPDATE crm.activities SET done = true, note = '{SUBJECT}' WHERE id = {key}")
        attacker.execute(f"DELETE FROM crm.activities WHERE subject = '{SUBJECT}' AND id = {key}")
        attacker.execute("SELECT 1 / 0")
    assert house.entries() == [
        entry("POST /v2/activities", table="activities", id=key),
        entry(f"PATCH /v2/activities/{key}", table="activities", id=key),
        entry(f"DELETE /v2/activities/{key}", table="activities", id=key),
    ]


def test_the_record_that_is_really_written(house: Audited) -> None:
    """Rows of a nested table are an array of their parent's; the answer about a goal is wrapped once more."""
    attacker = house.attacker()
    attacker.execute("INSERT INTO crm.person_emails (person_id, value) VALUES (1, 'x@example.com')")
    attacker.execute("UPDATE crm.goals SET title = 'more' WHERE id = (SELECT min(id) FROM crm.goals)")
    persons, goals = house.entries()
    assert persons == entry("PATCH /v2/persons/1", table="person_emails", id="1")
    assert goals == entry(f"PUT /v1/goals/{goals['id']}", table="goals", id=goals["id"])


def test_functions_and_requests(house: Audited) -> None:
    attacker = house.attacker()
    attacker.execute("SELECT pipedrive.request('GET', '/v2/stages'), pipedrive.search('a word')")
    assert house.entries() == []
    attacker.execute("SELECT pipedrive.merge_deals(1, 2)")
    attacker.execute(
        f"SELECT pipedrive.request('POST', '/v2/activities', body => '{{\"subject\": \"{SUBJECT}\"}}')"
    )
    assert house.entries() == [
        entry("PUT /v1/deals/1/merge", id="2"),
        entry("POST /v2/activities", id=newest(house, "activities")),
    ]


def test_whose_rights_and_whose_mapping(house: Audited) -> None:
    view = f"INSERT INTO views.activities (subject) VALUES ('{SUBJECT}')"
    house.attacker().execute(view)  # type: ignore[arg-type]
    house.attacker().execute("SELECT views.copy(3)")
    house.connect("guest").execute("DELETE FROM crm.activities WHERE id = 1")
    session = house.connect()
    session.execute("SET ROLE ada")
    session.execute("DELETE FROM crm.activities WHERE id = 2")
    of = [(e["session_user"], e["current_user"], e["mapping"]) for e in house.entries()]
    assert of == [
        (ATTACKER, ATTACKER, "ada"),
        (ATTACKER, "ada", "ada"),
        ("guest", "guest", "PUBLIC"),
        ("postgres", "ada", "ada"),
    ]


@pytest.mark.parametrize("mode", ["immediate", "commit"])
def test_what_goes_out_later_is_noted_of_who_wrote_it(house: Audited, mode: str) -> None:
    """Several rows as one request too, and none of them together with those of another role."""
    house.admin.execute(f"ALTER SERVER pipedrive OPTIONS (ADD write_mode '{mode}')")  # type: ignore[arg-type]
    deal = min(d["id"] for d in house.simulator.records("deals") if not d["is_archived"])
    insert = (
        "INSERT INTO crm.deal_products (deal_id, product_id, item_price, quantity) "
        f"SELECT {deal}, 1, 1, n FROM generate_series(1, 20) n"
    )
    session = house.connect()
    with session.transaction():
        for role in ("guest", ATTACKER):
            session.execute(f"SET LOCAL ROLE {role}")  # type: ignore[arg-type]
            session.execute(insert)  # type: ignore[arg-type]
            session.execute(f"INSERT INTO crm.activities (subject) VALUES ('{SUBJECT}')")  # type: ignore[arg-type]
        session.execute("RESET ROLE")
        before = house.entries()
    assert bool(before) == (mode == "immediate")
    noted = before + house.entries()
    assert [(e["request"], e["current_user"], e["mapping"], len(e["id"].split(", "))) for e in noted] == [
        (f"POST /v2/deals/{deal}/products/bulk", "guest", "PUBLIC", 20),
        ("POST /v2/activities", "guest", "PUBLIC", 1),
        (f"POST /v2/deals/{deal}/products/bulk", ATTACKER, ATTACKER, 20),
        ("POST /v2/activities", ATTACKER, ATTACKER, 1),
    ]


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ({"action": "status", "status": 400}, "refused"),
        ({"action": "status", "status": 403}, "refused"),
        ({"action": "status", "status": 500}, "unknown"),
        ({"action": "drop"}, "unknown"),
    ],
    ids=str,
)
def test_what_became_of_it(house: Audited, rule: dict[str, Any], outcome: str) -> None:
    house.simulator.faults([{"match": "/activities", "method": "POST", **rule}])
    attacker = house.attacker()
    insert = f"INSERT INTO crm.activities (subject) VALUES ('{SUBJECT}')"
    with pytest.raises(psycopg.Error):
        attacker.execute(insert)  # type: ignore[arg-type]
    assert house.entries() == [entry("POST /v2/activities", outcome, table="activities")]


def test_what_did_not_leave(house: Audited) -> None:
    """Refused before the request: no entry. No connection: one that says so."""
    attacker = house.attacker()
    attacker.execute("SET pipedrive.max_tokens_per_query = 1")
    with pytest.raises(psycopg.Error, match="budget"):
        attacker.execute("INSERT INTO crm.activities (subject) VALUES ('x')")
    assert house.entries() == []
    attacker.execute("RESET pipedrive.max_tokens_per_query")
    house.admin.execute("ALTER SERVER pipedrive OPTIONS (SET base_url 'http://127.0.0.1:9')")
    with pytest.raises(psycopg.Error, match="connection"):
        attacker.execute("INSERT INTO crm.activities (subject) VALUES ('x')")
    assert house.entries() == [entry("POST /v2/activities", "not sent", table="activities")]


@pytest.mark.parametrize("end", ["pg_cancel_backend", "pg_terminate_backend"])
def test_one_that_is_broken_off(house: Audited, end: str) -> None:
    """Nobody knows whether it was done. The line is written while the cancel waits."""
    slow = {"match": "/activities", "method": "POST", "action": "delay", "ms": 30_000, "after_handling": True}
    house.simulator.faults([slow])
    attacker = house.attacker()
    told: list[Any] = []
    attacker.add_notice_handler(told.append)
    attacker.execute("SET client_min_messages = log")
    pid = attacker.info.backend_pid

    def stop() -> None:
        with house.connect() as other:
            while not any(r["subject"] == SUBJECT for r in house.simulator.records("activities")):
                pass
            one(other, f"SELECT {end}({pid})")

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(psycopg.Error):
        attacker.execute(f"INSERT INTO crm.activities (subject) VALUES ('{SUBJECT}')")
    stopper.join()
    assert told == []
    while not (noted := house.entries()):
        pass
    assert noted == [entry("POST /v2/activities", "unknown", table="activities")]


def test_nobody_but_the_owner_of_the_server_switches_it_off(house: Audited) -> None:
    attacker = house.attacker()
    for sql, error in (
        ("ALTER SERVER pipedrive OPTIONS (SET log_writes 'false')", "must be owner"),
        (
            "ALTER USER MAPPING FOR CURRENT_USER SERVER pipedrive OPTIONS (ADD log_writes 'false')",
            "log_writes",
        ),
        (
            f"CREATE FOREIGN TABLE {ATTACKER}.a (id bigint) SERVER pipedrive "
            "OPTIONS (table 'activities', log_writes 'false')",
            "log_writes",
        ),
        ("SET log_min_messages = panic", "permission denied"),
    ):
        with pytest.raises(psycopg.Error, match=error):
            attacker.execute(sql)  # type: ignore[arg-type]
    attacker.execute(
        f"CREATE FOREIGN TABLE {ATTACKER}.mine (id bigint, subject text) SERVER pipedrive "
        "OPTIONS (table 'activities')"
    )
    attacker.execute(f"DELETE FROM {ATTACKER}.mine WHERE id = 1")
    assert house.entries() == [entry("DELETE /v2/activities/1", table="activities", id="1")]


def test_off_is_the_default_and_reads_are_no_entries(house: Audited) -> None:
    attacker = house.attacker()
    attacker.execute("SELECT * FROM crm.activities")
    attacker.execute("EXPLAIN UPDATE crm.activities SET done = true")
    house.admin.execute("ALTER SERVER pipedrive OPTIONS (DROP log_writes)")
    attacker.execute("DELETE FROM crm.activities WHERE id = 1")
    attacker.execute("SELECT pipedrive.merge_deals(1, 2)")
    assert house.entries() == []


def test_what_a_role_writes_to_the_log_is_told_apart(house: Audited) -> None:
    attacker = house.attacker()
    words = 'pipedrive write: {"mapping": "ada"}'
    attacker.execute(f"DO $$ BEGIN RAISE LOG '{words}'; END $$")  # type: ignore[arg-type]
    attacker.execute(f"DO $$ BEGIN RAISE LOG E'x\\nLOG:  {words}'; END $$")  # type: ignore[arg-type]
    lines = house.server.log_since(house._read).splitlines()
    alike = [number for number, line in enumerate(lines) if words in line and "STATEMENT:" not in line]
    assert len(alike) == 2
    assert lines[alike[1]].startswith("\t")
    assert all("CONTEXT:" in lines[number + 1] for number in alike)


def test_a_name_forges_no_line(house: Audited) -> None:
    name = 'eve"\nLOG:  pipedrive write: {"mapping": "ada"}\x1b[2J'
    quoted = psycopg.sql.Identifier(name)
    for sql in (
        "CREATE ROLE {}",
        "GRANT USAGE ON SCHEMA crm TO {}",
        "GRANT ALL ON crm.activities TO {}",
    ):
        house.admin.execute(psycopg.sql.SQL(sql).format(quoted))
    session = house.connect()
    session.execute(psycopg.sql.SQL("SET SESSION AUTHORIZATION {}").format(quoted))
    house.entries()
    session.execute("DELETE FROM crm.activities WHERE id = 1")
    (noted,) = house.entries()
    assert noted["mapping"] == "PUBLIC"
    assert noted["current_user"] == name.replace("\n", "\\x0a").replace("\x1b", "\\x1b")
    session.execute("RESET SESSION AUTHORIZATION")
    house.admin.execute(psycopg.sql.SQL("DROP OWNED BY {}").format(quoted))
    house.admin.execute(psycopg.sql.SQL("DROP ROLE {}").format(quoted))
