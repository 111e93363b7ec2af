"""A role without a right on any table: whatever it sends is refused, sends no request and hurts nobody else.

PostgreSQL plans a statement before it looks at rights, so such a role reaches all that looks at plans.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from tests.hostile.roles.conftest import Ground, one
from tests.hostile.roles.traps import ATTACKER, snare

STAGES = "pipedrive.stages"
STATEMENTS = (
    f"SELECT * FROM {STAGES}",
    f"SELECT FROM {STAGES}",
    f"SELECT count(*) FROM {STAGES} WHERE id = 1",
    f"EXPLAIN SELECT * FROM {STAGES}",
    f"EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) SELECT * FROM {STAGES}",
    f"SELECT s FROM {STAGES} s ORDER BY 1",
    f"SELECT s FROM (SELECT s FROM {STAGES} s ORDER BY s LIMIT 3) t GROUP BY s",
    f'SELECT "pipedrive" FROM {STAGES} "pipedrive" ORDER BY "pipedrive"',
    f'SELECT "a""; DROP" FROM {STAGES} "a""; DROP" ORDER BY 1',
    f"SELECT ctid, tableoid, xmin FROM {STAGES} ORDER BY ctid",
    f"SELECT * FROM {STAGES} s WHERE s IS DISTINCT FROM NULL AND CASE WHEN id > 1 THEN true END",
    f"SELECT * FROM {STAGES} a JOIN {STAGES} b USING (id) LEFT JOIN LATERAL "
    "(SELECT coalesce(a.name, c.title) FROM pipedrive.deals c WHERE c.stage_id = a.id OFFSET 0) d ON true",
    f"SELECT * FROM {STAGES} WHERE id = ANY (ARRAY(SELECT g FROM generate_series(1, 9) g))",
    f"SELECT * FROM {STAGES} WHERE add_time > 'infinity'::timestamptz",
    f"SELECT * FROM {STAGES} WHERE name ~ '(' AND id = 1 / 0",
    f"SELECT * FROM {STAGES} FOR UPDATE",
    f"SELECT * FROM {STAGES} TABLESAMPLE system (1)",
    f"INSERT INTO {STAGES} (name, pipeline_id) VALUES ('x', 1) RETURNING 100 AS id",
    f"INSERT INTO {STAGES} SELECT * FROM {STAGES}",
    f"INSERT INTO {STAGES} (name) VALUES ('x') ON CONFLICT DO NOTHING",
    f"UPDATE {STAGES} SET name = 'x' WHERE ctid = '(0,1)' RETURNING *",
    f"UPDATE {STAGES} s SET name = d.title FROM pipedrive.deals d WHERE d.id = s.id",
    f"DELETE FROM {STAGES} USING (SELECT 7 AS id) t WHERE stages.id = t.id RETURNING t.id",
    f"DELETE FROM {STAGES} WHERE true RETURNING 100 AS id, ''::text AS wholerow",
    f"WITH gone AS (DELETE FROM {STAGES} RETURNING *) SELECT * FROM gone",
    f"COPY {STAGES} TO STDOUT",
    f"COPY {STAGES} FROM STDIN",
    f"COPY (SELECT * FROM {STAGES}) TO STDOUT",
    f"DECLARE c CURSOR WITH HOLD FOR SELECT * FROM {STAGES}",
    f"PREPARE p AS SELECT * FROM {STAGES} WHERE id = ANY ($1); EXPLAIN (ANALYZE) EXECUTE p('{{1,2}}')",
    f"CREATE TEMPORARY TABLE t AS SELECT * FROM {STAGES}",
    f"CREATE TEMPORARY VIEW v AS SELECT * FROM {STAGES}; SELECT * FROM v ORDER BY v",
    f"CREATE FUNCTION pg_temp.f() RETURNS SETOF {STAGES} LANGUAGE sql AS 'SELECT * FROM {STAGES}'; "
    "SELECT f FROM pg_temp.f() f ORDER BY 1",
    f"TRUNCATE {STAGES}",
    f"LOCK {STAGES}",
    f"ALTER FOREIGN TABLE {STAGES} OPTIONS (ADD rows '1')",
    f"CREATE TEMPORARY TABLE child () INHERITS ({STAGES})",
    "IMPORT FOREIGN SCHEMA pipedrive FROM SERVER pipedrive INTO pg_temp",
    "CREATE FOREIGN TABLE pg_temp.mine (id bigint) SERVER pipedrive OPTIONS (table 'stages')",
    "CREATE USER MAPPING FOR CURRENT_USER SERVER pipedrive OPTIONS (api_token 'mine')",
    "SELECT pipedrive.forget('pipedrive')",
    "SELECT pipedrive_internal.send('pipedrive', 'GET', '/v2/stages')",
    "SELECT pipedrive_internal.ask(oid, '{}') FROM pg_foreign_server",
)
# PostgreSQL itself lets everybody do these: no row is read.
HARMLESS = ("CREATE TEMPORARY VIEW", "EXPLAIN SELECT * FROM", "ANALYZE")
SECONDS = 15


@pytest.fixture(params=["with USAGE on the schema", "without it"])
def stranger(installed: Ground, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[Any]]:
    """A session of a role that nobody has given anything; the administrator's is looked at afterwards."""
    installed.admin.execute("REVOKE USAGE ON SCHEMA pipedrive FROM PUBLIC")
    if request.param.startswith("with "):
        installed.admin.execute(f"GRANT USAGE ON SCHEMA pipedrive TO {ATTACKER}")
    installed.admin.execute("CREATE USER MAPPING FOR PUBLIC SERVER pipedrive OPTIONS (api_token 'x')")
    pid = installed.admin.info.backend_pid
    yield installed.attacker()
    assert installed.simulator.requests() == []
    assert one(installed.admin, "SELECT pg_backend_pid()") == pid  # no process has died


def test_whatever_it_sends_is_refused(stranger: psycopg.Connection[Any]) -> None:
    for sql in STATEMENTS:
        try:
            with suppress(psycopg.errors.InsufficientPrivilege):
                with stranger.cursor().copy(sql) if sql.startswith("COPY") else stranger.transaction():  # type: ignore[arg-type]
                    if not sql.startswith("COPY"):
                        stranger.execute(sql)  # type: ignore[arg-type]
                pytest.fail(f"not refused: {sql}")
        except psycopg.Error as error:
            # What is no statement for a foreign table at all, or cannot be planned
            assert error.sqlstate in ("42809", "42P17", "22012", "2201B", "0A000", "HV00L", "42704"), (
                sql,
                error,
            )


def long(piece: str, between: str, bytes_: int = 180_000) -> str:
    """*piece* so often, with its number in place of #, that there are so many *bytes_*."""
    times = bytes_ // (len(piece) + len(between) + 3)
    return between.join(piece.replace("#", str(number)) for number in range(times))


LONG = {
    "a comment": f"SELECT id FROM {STAGES} /* {long('pipedrive.stages s order by s', ', ')} */",
    "a literal": f"SELECT id FROM {STAGES} WHERE name = '{long('order by s', ' ')}'",
    "spaces": f"SELECT id FROM {STAGES}{' ' * 180_000}WHERE id = 1",
    "quotes": f"SELECT id FROM {STAGES} WHERE name = '{long(chr(39) * 2, ' ')}'",
    "a list of keys": f"SELECT id FROM {STAGES} WHERE id IN ({long('#', ',')})",
    "a list of texts": f"SELECT id FROM {STAGES} WHERE name IN ({long(chr(39) + 'n#' + chr(39), ',')})",
    "alternatives": f"SELECT id FROM {STAGES} WHERE {long('id = #', ' OR ')}",
    "conditions": f"SELECT id FROM {STAGES} WHERE {long('id <> #', ' AND ')}",
    "columns": f"SELECT id FROM (SELECT {long('id AS c#', ', ', 12_000)}, id FROM {STAGES}) t",
    "keys of an order": f"SELECT id FROM {STAGES} ORDER BY {long('id + #', ', ', 15_000)}",
    "values": f"INSERT INTO {STAGES} (name, pipeline_id) VALUES {long(f'({chr(39)}n{chr(39)}, #)', ', ')}",
    "cases": f"SELECT CASE {long('WHEN id = # THEN 1', ' ')} END FROM {STAGES}",
}


@pytest.mark.parametrize("what", LONG)
def test_a_long_statement_takes_no_core(installed: Ground, what: str) -> None:
    """180 KB took 45 seconds, deaf to timeouts. The time here is that of PostgreSQL, and some."""
    installed.admin.execute(f"GRANT USAGE ON SCHEMA pipedrive TO {ATTACKER}")
    stranger = installed.attacker()
    stranger.execute(f"SET statement_timeout = '{SECONDS}s'")
    began = time.monotonic()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        stranger.execute(LONG[what])  # type: ignore[arg-type]
    assert time.monotonic() - began < SECONDS
    assert installed.simulator.requests() == []


@pytest.mark.parametrize("what", LONG)
def test_nor_that_of_a_role_that_may_read(installed: Ground, what: str) -> None:
    """And where it takes long, a timeout ends it."""
    began = time.monotonic()
    installed.admin.execute(f"SET statement_timeout = '{SECONDS}s'")
    if what != "values":
        installed.admin.execute(LONG[what])  # type: ignore[arg-type]
    installed.admin.execute(f"EXPLAIN {LONG[what]}")  # type: ignore[arg-type]
    assert time.monotonic() - began < 2 * SECONDS
    installed.admin.execute("SET statement_timeout = '50ms'")
    began = time.monotonic()
    with suppress(psycopg.errors.QueryCanceled):
        installed.admin.execute(f"EXPLAIN {LONG[what]}")  # type: ignore[arg-type]
    assert time.monotonic() - began < SECONDS / 2


# ---- a table that belongs to the attacker

NAMES = ('stages"; SELECT an_attacker.named(); --', "$$stages$$", "it's", "100%", "%I", "\\", "Ä" * 31)


def test_what_administrators_do_with_a_table_of_the_attackers_runs_nothing_of_it(installed: Ground) -> None:
    """Names, defaults and checks are the attacker's; others call functions and run DDL."""
    body = f"LANGUAGE plpgsql AS $trap$ BEGIN {snare('a table of mine')} RETURN 1; END $trap$"
    installed.admin.execute(f"GRANT USAGE ON FOREIGN SERVER pipedrive TO {ATTACKER}")
    attacker = installed.attacker()
    attacker.execute(f"CREATE FUNCTION {ATTACKER}.named() RETURNS int IMMUTABLE {body}")
    made = psycopg.sql.SQL(
        f"CREATE FOREIGN TABLE {ATTACKER}.{{name}} (id bigint CHECK (id > {ATTACKER}.named()), "
        f"{{name}} text OPTIONS (column 'name') DEFAULT {ATTACKER}.named()) SERVER pipedrive "
        "OPTIONS (table 'stages')"
    )
    for name in NAMES:
        attacker.execute(made.format(name=psycopg.sql.Identifier(name)))
        table = psycopg.sql.SQL("{}.{}").format(*map(psycopg.sql.Identifier, (ATTACKER, name)))
        text = psycopg.sql.Literal(table.as_string(installed.admin))
        for call in (
            psycopg.sql.SQL("SELECT pipedrive.refresh_columns({}, true)").format(text),
            psycopg.sql.SQL("ALTER FOREIGN TABLE {} ADD COLUMN pipeline_id bigint").format(table),
            psycopg.sql.SQL("ALTER FOREIGN TABLE {} OPTIONS (ADD rows '7')").format(table),
            psycopg.sql.SQL("ALTER FOREIGN TABLE {} DROP COLUMN pipeline_id").format(table),
        ):
            installed.admin.execute(call)
    for call in (
        f"SELECT pipedrive.describe('{ATTACKER}')",
        "SELECT * FROM pipedrive.foreign_tables()",
        "SELECT * FROM pipedrive.foreign_keys()",
        "ALTER SERVER pipedrive OPTIONS (ADD page_size '99')",
        "SELECT pipedrive.forget('pipedrive')",
    ):
        installed.admin.execute(call)  # type: ignore[arg-type]
    assert installed.sprung() == []
