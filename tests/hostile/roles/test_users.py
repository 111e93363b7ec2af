"""With whose user mapping each request leaves: views, functions, cursors, and roles that change in between.

Pipedrive shows call logs and mail to their own user only, and notes down who has made an activity: both tell
whose token it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.hostile.roles.conftest import TOKEN, Ground, one
from tests.hostile.roles.traps import ATTACKER
from tests.live import without_timeout
from tests.simulator import Simulator
from tools.engine import Server

# Role → token and user of Pipedrive. The attacker has a mapping of its own, and none of the others' rights.
USERS = {"postgres": (TOKEN, 1), "ada": ("token-of-ada", 2), ATTACKER: ("token-of-the-attacker", 3)}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    running = Simulator(token=TOKEN, deals=60, seed=1)
    running.start()
    running.configure({"users_tokens": dict(USERS.values())})
    for name in ("call_logs", "mail_threads"):  # which are all of two users
        for record in running.records(name)[::3]:
            running.account[name].put({**running.account[name].get(record["id"]), "user_id": 3})
    yield running
    running.stop()


@pytest.fixture
def house(ground: Ground, server: Server) -> Ground:
    """The account in the schema *crm*, with tables that all may read and write, each by their own mapping."""
    ground.admin.execute(
        "CREATE EXTENSION pipedrive_fdw; CREATE ROLE ada; CREATE SERVER pipedrive FOREIGN DATA WRAPPER "
        f"pipedrive_fdw OPTIONS (base_url '{ground.simulator.url}')"  # type: ignore[arg-type]
    )
    for role, (token, _) in USERS.items():
        ground.admin.execute(
            f"CREATE USER MAPPING FOR {role} SERVER pipedrive OPTIONS (api_token '{token}')"  # type: ignore[arg-type]
        )
    ground.admin.execute(
        "CREATE SCHEMA crm; CREATE SCHEMA views; "
        "IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (call_logs, activities, stages, mail_threads_inbox) "
        "FROM SERVER pipedrive INTO crm; "
        f"GRANT USAGE ON SCHEMA crm, views TO ada, {ATTACKER}; GRANT ALL ON ALL TABLES IN SCHEMA crm TO ada; "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA crm TO {ATTACKER}; "
        "GRANT CREATE ON SCHEMA views TO ada; "
        "SET ROLE ada; CREATE VIEW views.logs AS SELECT * FROM crm.call_logs; "
        "CREATE VIEW views.activities AS SELECT * FROM crm.activities; "
        "CREATE VIEW views.threads AS SELECT * FROM crm.mail_threads_inbox; "
        "CREATE VIEW views.barred WITH (security_barrier) AS SELECT * FROM crm.call_logs WHERE id <> ''; "
        "CREATE FUNCTION views.logs_of_ada() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS "
        "$$ BEGIN RETURN QUERY SELECT id::text FROM crm.call_logs; END $$; "
        "CREATE FUNCTION views.note(subject text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS "
        "$$ INSERT INTO crm.activities (subject) VALUES (subject) RETURNING creator_user_id $$; "
        f"GRANT ALL ON ALL TABLES IN SCHEMA views TO {ATTACKER}, postgres; RESET ROLE"
    )
    ground.simulator.reset()
    return ground


def logs_of(ground: Ground, role: str) -> list[str]:
    """The call logs that *role* may see."""
    user = USERS[role][1]
    return sorted(str(r["id"]) for r in ground.simulator.records("call_logs") if r["user_id"] == user)


def seen(session: psycopg.Connection[Any], sql: str) -> list[str]:
    return sorted(str(row[0]) for row in session.execute(sql).fetchall())  # type: ignore[arg-type]


def maker(session: psycopg.Connection[Any], table: str) -> int:
    """The user whose token an INSERT into *table* has used."""
    return int(one(session, f"INSERT INTO {table} (subject) VALUES ('who') RETURNING creator_user_id"))


def test_there_is_something_to_tell_them_apart_by(house: Ground) -> None:
    logs = [logs_of(house, role) for role in USERS]
    assert all(logs)
    assert len({tuple(log) for log in logs}) == len(USERS)


# ---- views and functions


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan", "force_custom_plan"])
def test_a_view_reads_as_its_owner_and_a_table_as_who_asks(house: Ground, mode: str) -> None:
    attacker = house.attacker()
    attacker.execute(f"SET plan_cache_mode = {mode}")  # type: ignore[arg-type]
    attacker.execute(
        "PREPARE theirs AS SELECT id FROM views.logs; PREPARE mine AS SELECT id FROM crm.call_logs"
    )
    for _ in range(3):
        for sql in ("SELECT id FROM views.logs", "SELECT id FROM views.barred", "EXECUTE theirs"):
            assert seen(attacker, sql) == logs_of(house, "ada")
        for sql in ("SELECT id FROM crm.call_logs", "EXECUTE mine"):
            assert seen(attacker, sql) == logs_of(house, ATTACKER)
        assert seen(attacker, "SELECT views.logs_of_ada()") == logs_of(house, "ada")


def test_both_in_one_statement_are_kept_apart(house: Ground) -> None:
    attacker = house.attacker()
    for join in ("hash", "merge", "nested"):
        with attacker.transaction():
            for other in {"hash", "merge", "nested"} - {join}:
                name = {"hash": "hashjoin", "merge": "mergejoin", "nested": "nestloop"}[other]
                attacker.execute(f"SET LOCAL enable_{name} = off")  # type: ignore[arg-type]
            rows = attacker.execute(
                "SELECT 'view', id FROM views.logs UNION ALL SELECT 'table', id FROM crm.call_logs UNION ALL "
                "SELECT 'function', id FROM views.logs_of_ada() id UNION ALL SELECT 'join', t.id "
                "FROM crm.call_logs t LEFT JOIN views.logs v ON v.id = t.id WHERE v.id IS NULL UNION ALL "
                "SELECT 'semi', t.id FROM crm.call_logs t WHERE EXISTS (SELECT FROM views.logs v "
                "WHERE v.id <> t.id) ORDER BY 1, 2"
            ).fetchall()
        of = {name: sorted(key for who, key in rows if who == name) for name, _ in rows}
        mine, theirs = logs_of(house, ATTACKER), logs_of(house, "ada")
        assert of == {"view": theirs, "function": theirs, "table": mine, "join": mine, "semi": mine}


def test_a_view_of_a_view_reads_as_the_owner_of_the_inner_one(house: Ground) -> None:
    house.admin.execute(
        "CREATE VIEW public.outer_logs AS SELECT v.id, s.n FROM views.logs v, "
        "(SELECT count(*) AS n FROM crm.call_logs) s"
    )
    house.admin.execute(f"GRANT SELECT ON public.outer_logs TO {ATTACKER}")
    rows = house.attacker().execute("SELECT id, n FROM public.outer_logs").fetchall()
    assert sorted(str(key) for key, _ in rows) == logs_of(house, "ada")
    assert {number for _, number in rows} == {len(logs_of(house, "postgres"))}


def test_a_view_with_the_rights_of_its_invoker_reads_as_who_asks(house: Ground) -> None:
    if house.admin.info.server_version < 150000:
        pytest.skip("security_invoker came with PostgreSQL 15")
    house.admin.execute("ALTER VIEW views.logs SET (security_invoker)")
    for role in USERS:
        assert seen(house.connect(role), "SELECT id FROM views.logs") == logs_of(house, role)


def test_writes_through_a_view_are_its_owner_s(house: Ground) -> None:
    attacker = house.attacker()
    assert maker(attacker, "views.activities") == USERS["ada"][1]
    assert maker(attacker, "crm.activities") == USERS[ATTACKER][1]
    assert one(attacker, "SELECT views.note('who')") == USERS["ada"][1]
    assert maker(attacker, "views.activities") == USERS["ada"][1]


def test_a_write_reaches_what_the_owner_of_the_view_may_write(house: Ground) -> None:
    """A thread is its user's own. It is read as one and would be written as another, were they mixed up."""
    threads = {r["id"]: r["user_id"] for r in house.simulator.records("mail_threads")}
    attacker = house.attacker()
    changed = attacker.execute(
        "UPDATE views.threads v SET read_flag = NOT v.read_flag FROM crm.stages s WHERE s.id = 1 "
        "RETURNING v.id"
    ).fetchall()
    assert changed
    assert {threads[key] for (key,) in changed} == {USERS["ada"][1]}
    both = attacker.execute(
        "UPDATE views.threads v SET read_flag = NOT v.read_flag "
        "WHERE v.id NOT IN (SELECT id FROM crm.mail_threads_inbox) RETURNING v.id"
    ).fetchall()
    assert sorted(both) == sorted(changed)
    mine = attacker.execute(
        "UPDATE crm.mail_threads_inbox t SET read_flag = NOT t.read_flag FROM (SELECT count(*) AS n "
        "FROM views.threads) v WHERE v.n = %s RETURNING t.id",
        (len(changed),),
    ).fetchall()
    assert {threads[key] for (key,) in mine} == {USERS[ATTACKER][1]}


def test_explain_asks_for_nothing_as_anybody(house: Ground) -> None:
    attacker = house.attacker()
    for sql in ("SELECT * FROM views.logs", "UPDATE views.threads SET read_flag = true"):
        attacker.execute(f"EXPLAIN {sql}")  # type: ignore[arg-type]
    assert house.simulator.requests() == []
    plan = attacker.execute("EXPLAIN ANALYZE SELECT * FROM views.logs v, crm.call_logs t").fetchall()
    assert sum("Actual: 1 requests" in line for (line,) in plan) == 2


# ---- roles that change in between


def test_a_cursor_reads_as_who_has_opened_it(house: Ground) -> None:
    """The rights were looked at when it was opened; whoever fetches gets what its opener may see."""
    session = house.connect()
    with session.transaction():
        session.execute("SET ROLE ada")
        session.execute(
            "DECLARE unread CURSOR FOR SELECT id FROM crm.call_logs ORDER BY id; "
            "DECLARE begun CURSOR FOR SELECT id FROM crm.call_logs ORDER BY id"
        )
        found = [session.execute("FETCH 1 FROM begun").fetchall()]
        session.execute(f"SET ROLE {ATTACKER}")
        assert seen(session, "SELECT id FROM crm.call_logs") == logs_of(house, ATTACKER)
        found.append(session.execute("FETCH 2 FROM begun").fetchall())
        assert seen(session, "FETCH ALL FROM unread") == logs_of(house, "ada")
        session.execute("RESET ROLE")
        assert seen(session, "SELECT id FROM crm.call_logs") == logs_of(house, "postgres")
        found.append(session.execute("FETCH ALL FROM begun").fetchall())
        assert one(session, "SELECT current_user") == "postgres"
    assert sorted(str(key) for rows in found for (key,) in rows) == logs_of(house, "ada")


def test_a_cursor_that_a_function_of_another_has_opened_reads_as_that_one(house: Ground) -> None:
    house.admin.execute(
        "SET ROLE ada; CREATE FUNCTION views.opened() RETURNS refcursor LANGUAGE plpgsql SECURITY DEFINER AS "
        "$$ DECLARE c refcursor := 'opened'; BEGIN OPEN c SCROLL FOR SELECT id FROM crm.call_logs; "
        "RETURN c; END $$; RESET ROLE"
    )
    attacker = house.attacker()
    with attacker.transaction():
        attacker.execute("SELECT views.opened()")
        assert seen(attacker, "SELECT id FROM crm.call_logs") == logs_of(house, ATTACKER)
        assert seen(attacker, "FETCH ALL FROM opened") == logs_of(house, "ada")
        attacker.execute("MOVE ABSOLUTE 0 IN opened")
        assert seen(attacker, "FETCH ALL FROM opened") == logs_of(house, "ada")


@pytest.mark.parametrize("roles", [("ada", ATTACKER), (ATTACKER, "ada")], ids=" then ".join)
def test_a_plan_that_is_kept_reads_as_who_runs_it(house: Ground, roles: tuple[str, str]) -> None:
    session = house.connect()
    session.execute("SET plan_cache_mode = force_generic_plan; PREPARE logs AS SELECT id FROM crm.call_logs")
    for role in (*roles, *roles):
        session.execute(f"SET ROLE {role}")  # type: ignore[arg-type]
        assert seen(session, "EXECUTE logs") == logs_of(house, role)
        session.execute("RESET ROLE")


# Each fails after the library has looked something up as another user, or in the middle of the rows.
FAILING = {
    "refused": ("SELECT id FROM views.logs", {"match": "/callLogs", "action": "status", "status": 500}),
    "broken off": ("SELECT id FROM views.logs", {"match": "/callLogs", "action": "drop"}),
    "refused write": (
        "UPDATE views.activities SET subject = 'x' WHERE id = 1",
        {"match": "/activities", "method": "PATCH", "action": "status", "status": 400},
    ),
    "later row": ("SELECT 1 / (row_number() OVER () - 2) FROM views.logs", {}),
    "value": ("SELECT id::int FROM views.logs WHERE user_id::text::date IS NULL", {}),
    "guard": ("SET pipedrive.max_tokens_per_query = 1; SELECT id FROM views.logs", {}),
    "cancel": (
        "SET statement_timeout = '300ms'; SELECT id FROM views.logs",
        {"match": "/callLogs", "action": "delay", "ms": 30_000},
    ),
    "copy": ("COPY crm.stages (name) FROM PROGRAM 'echo x'", {}),
}


@pytest.mark.parametrize("how", FAILING)
@pytest.mark.parametrize("within", ["statement", "savepoint", "block"])
def test_after_an_error_everybody_is_who_they_were(house: Ground, how: str, within: str) -> None:
    sql, rule = FAILING[how]
    session = house.connect()
    session.execute(f"SET ROLE {ATTACKER}")
    if sql.startswith("COPY"):
        session.execute("RESET ROLE")  # a program takes a superuser
    role = one(session, "SELECT current_user")
    seen(session, "SELECT id FROM crm.call_logs")
    house.simulator.faults([rule] if rule else [])
    for part in sql.split("; ")[:-1]:
        session.execute(part)  # type: ignore[arg-type]
    failing = sql.split("; ")[-1]
    if within == "block":
        session.execute(
            f"DO $do$ BEGIN PERFORM id FROM crm.stages WHERE id = 1; BEGIN EXECUTE $s${failing}$s$; "  # type: ignore[arg-type]
            "RAISE 'no error'; EXCEPTION WHEN OTHERS OR query_canceled THEN "
            "IF sqlerrm = 'no error' THEN RAISE; END IF; END; "
            f"IF current_user <> '{role}' THEN RAISE 'now %', current_user; END IF; END $do$"
        )
    elif within == "savepoint":
        with session.transaction():
            with pytest.raises(psycopg.Error), session.transaction():
                session.execute(failing)  # type: ignore[arg-type]
            assert one(session, "SELECT current_user") == role
    else:
        with pytest.raises(psycopg.Error):
            session.execute(failing)  # type: ignore[arg-type]
    house.simulator.faults([])
    without_timeout(session)
    session.execute("RESET pipedrive.max_tokens_per_query")
    assert one(session, "SELECT current_user") == role
    assert seen(session, "SELECT id FROM crm.call_logs") == logs_of(house, role)
    assert seen(session, "SELECT id FROM views.logs") == logs_of(house, "ada")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        house.attacker().execute("SELECT * FROM pg_authid")
    session.execute("SET ROLE ada")
    assert seen(session, "SELECT id FROM crm.call_logs") == logs_of(house, "ada")


def test_what_waits_for_commit_is_sent_as_who_wrote_it(house: Ground) -> None:
    """Whoever has changed the role in the meantime, and whoever commits."""
    house.admin.execute("ALTER SERVER pipedrive OPTIONS (ADD write_mode 'commit')")
    session = house.connect()
    with session.transaction():
        for role in (ATTACKER, "ada"):
            session.execute(f"SET LOCAL ROLE {role}")  # type: ignore[arg-type]
            session.execute(f"INSERT INTO crm.activities (subject) VALUES ('late {role}')")  # type: ignore[arg-type]
        session.execute(f"SET LOCAL ROLE {ATTACKER}")
        session.execute("INSERT INTO views.activities (subject) VALUES ('late view')")
        session.execute("RESET ROLE")
    made = {r["subject"]: r["creator_user_id"] for r in house.simulator.records("activities")}
    assert made["late ada"] == made["late view"] == USERS["ada"][1]
    assert made[f"late {ATTACKER}"] == USERS[ATTACKER][1]


def test_a_deferred_trigger_sends_as_who_it_runs_as(house: Ground) -> None:
    house.admin.execute(
        "SET ROLE ada; CREATE FUNCTION views.written() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
        "$$ BEGIN INSERT INTO crm.activities (subject) VALUES ('by trigger'); RETURN NULL; END $$; "
        "RESET ROLE; CREATE TABLE public.todo (id int); CREATE CONSTRAINT TRIGGER t "
        "AFTER INSERT ON public.todo DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
        "EXECUTE FUNCTION views.written()"
    )
    house.admin.execute(f"GRANT INSERT ON public.todo TO {ATTACKER}")
    attacker = house.attacker()
    with attacker.transaction():
        attacker.execute("INSERT INTO public.todo VALUES (1)")
        assert maker(attacker, "crm.activities") == USERS[ATTACKER][1]
    made = {r["subject"]: r["creator_user_id"] for r in house.simulator.records("activities")}
    assert made["by trigger"] == USERS["ada"][1]


def test_a_mapping_that_goes_is_not_used_any_more(house: Ground) -> None:
    attacker = house.attacker()
    assert seen(attacker, "SELECT id FROM views.logs") == logs_of(house, "ada")
    house.admin.execute("DROP USER MAPPING FOR ada SERVER pipedrive")
    for _ in range(2):
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="no API token is known"):
            attacker.execute("SELECT id FROM views.logs")
        assert seen(attacker, "SELECT id FROM crm.call_logs") == logs_of(house, ATTACKER)
    house.admin.execute(
        f"CREATE USER MAPPING FOR ada SERVER pipedrive OPTIONS (api_token '{USERS[ATTACKER][0]}')"
    )
    assert seen(attacker, "SELECT id FROM views.logs") == logs_of(house, ATTACKER)
