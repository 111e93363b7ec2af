"""Whole rows, sorts and groups by them, and lateral references: the answers are those of plain copies."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.copies import Copies
from tests.live import LiveAccount
from tools.engine import Server

TABLES = ("stages", "pipelines", "deals", "persons", "filters")


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[Copies]:
    options = {"max_tokens_per_query": 10**9}
    with (
        LiveAccount(server, deals=60, tables=TABLES, burst=100_000, budget=10**9, options=options) as live,
        Copies(live, TABLES[:-1]) as copies,
    ):
        copies.run_for_both("CREATE VIEW seen AS SELECT * FROM stages")
        yield copies


@pytest.fixture
def copies(shared: Copies) -> Copies:
    """The session looks at the foreign tables, and has no settings of another test."""
    shared.begin_anew()
    return shared


@pytest.fixture
def account(copies: Copies) -> LiveAccount:
    return copies.account


def same(copies: Copies, sql: str, ordered: bool = False) -> None:
    """*sql* gives the same rows on the foreign tables and on the copies."""
    wanted, found = (list(map(repr, rows)) for rows in (copies.rows(sql), copies.account.rows(sql)))
    assert wanted
    if ordered:
        assert found == wanted
    else:
        assert Counter(found) == Counter(wanted)


# ---- every whole row is whole

WHOLE = [
    "SELECT to_jsonb(s), s.id FROM stages s",
    "SELECT to_jsonb(s) -> 'attrs', s.id FROM stages s WHERE s.id < 4",
    "SELECT s, s.id FROM stages s WHERE s.name IS NOT NULL",
    "SELECT s.id FROM stages s WHERE s IN (SELECT t FROM stages t)",
    "SELECT s.id FROM stages s WHERE EXISTS (SELECT FROM stages t WHERE t = s)",
    "SELECT s.id FROM stages s WHERE (s).attrs ->> 'id' = '3'",
    "SELECT s.id, t.name FROM stages s JOIN stages t ON s = t",
    "SELECT s.id, s IS NULL, s IS NOT NULL FROM stages s",
    "SELECT count(s) FROM stages s",
    "SELECT count(DISTINCT s) FROM stages s",
    "SELECT s.pipeline_id, jsonb_agg(to_jsonb(s) ORDER BY s.id) FROM stages s GROUP BY 1",
    "SELECT d.id, to_jsonb(p) -> 'attrs' FROM deals d LEFT JOIN persons p ON p.id = d.person_id",
    "SELECT p.id, (SELECT to_jsonb(d) -> 'attrs' FROM deals d WHERE d.person_id = p.id ORDER BY d.id LIMIT "
    "1) FROM persons p",
    "SELECT row_to_json(x) FROM (SELECT s AS whole, s.id FROM stages s) x",
    "SELECT ARRAY(SELECT s FROM stages s ORDER BY id)::text",
    "SELECT (s).* FROM (SELECT s FROM stages s) x",
    "SELECT v, v.id FROM seen v",
    "SELECT to_jsonb(v) FROM seen v WHERE v.id = 2",
    "SELECT f.id FROM stages s, LATERAL (SELECT (s).id, s AS again) f WHERE f.again IS NOT NULL",
    "WITH w AS MATERIALIZED (SELECT s, s.id FROM stages s) SELECT (w.s).attrs, id FROM w",
    "SELECT s FROM stages s WHERE s::text LIKE '%Qualified%'",
    "SELECT to_jsonb(p) FROM persons p WHERE to_jsonb(p) ->> 'name' LIKE '%a%'",
]


def test_system_columns_show_nothing_of_the_memory(account: LiveAccount) -> None:
    sql = "SELECT DISTINCT tableoid::regclass::text, ctid, xmin, xmax, cmin, cmax FROM stages"
    assert account.rows(sql) == [("stages", "(4294967295,0)", "0", "0", "0", "0")]


@pytest.mark.parametrize("sql", WHOLE)
def test_every_whole_row_is_whole(copies: Copies, sql: str) -> None:
    same(copies, sql)


WRITTEN = [
    "UPDATE kept SET whole = to_jsonb(s) FROM stages s WHERE s.id = kept.id",
    "UPDATE kept SET (name, whole) = (SELECT s.name, to_jsonb(s)) FROM stages s WHERE s.id = kept.id",
    "INSERT INTO kept SELECT s.id, s.name, to_jsonb(s) FROM stages s ON CONFLICT (id) DO UPDATE SET whole = "
    "EXCLUDED.whole",
]
MERGED = [
    "MERGE INTO kept USING stages s ON s.id = kept.id WHEN MATCHED THEN UPDATE SET whole = to_jsonb(s) "
    "WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.name, to_jsonb(s))",
    "MERGE INTO kept USING stages s ON s.id = kept.id WHEN MATCHED AND (s).attrs ->> 'id' = '2' THEN DELETE",
    "MERGE INTO kept USING seen v ON v.id = kept.id WHEN MATCHED THEN UPDATE SET (name, whole) = "
    "(SELECT v.name, to_jsonb(v))",
]


@pytest.mark.parametrize("sql", [*WRITTEN, *MERGED])
def test_every_whole_row_that_a_local_table_takes_is_whole(copies: Copies, sql: str) -> None:
    connection = copies.account.connection
    assert connection is not None
    if sql in MERGED and connection.info.server_version < 150000:
        pytest.skip("MERGE came with PostgreSQL 15")
    taken = []
    for foreign in (False, True):
        copies.look_at_copies(not foreign)
        copies.account.run("CREATE TEMP TABLE kept (id bigint PRIMARY KEY, name text, whole jsonb)")
        copies.account.run(f"INSERT INTO kept VALUES (1), (2), (3); {sql}")
        taken.append(copies.account.rows("SELECT * FROM kept ORDER BY id"))
        copies.account.run("DROP TABLE kept")
    assert taken[0] == taken[1]


def blocked_by(session: psycopg.Connection[Any]) -> None:
    """Return when another session waits for a lock of *session*."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    while session.execute(waiting).fetchall() == [(0,)]:
        time.sleep(0.01)


@pytest.mark.parametrize("method", ["hashjoin", "mergejoin", "nestloop"])
def test_a_row_that_another_session_has_changed_is_joined_again(copies: Copies, method: str) -> None:
    """PostgreSQL checks it by the row that is carried along, which has what the statement names of it."""
    account = copies.account
    taken = []
    with account.session() as other:
        for foreign in (False, True):
            copies.look_at_copies(not foreign)
            account.run(
                "DROP TABLE IF EXISTS public.kept; CREATE TABLE public.kept AS "
                "SELECT id, id + 1 AS next, NULL::jsonb AS whole FROM generate_series(1, 6) id"
            )
            for name in {"hashjoin", "mergejoin", "nestloop"} - {method}:
                account.run(f"SET enable_{name} = off")
            other.execute("BEGIN; UPDATE public.kept SET next = next + id % 2")
            with ThreadPoolExecutor(1) as pool:
                found = pool.submit(
                    account.rows,
                    "UPDATE kept SET whole = to_jsonb(s) FROM stages s WHERE s.id = kept.next AND "
                    "s.name IS NOT NULL RETURNING kept.id, s.order_nr, whole",
                )
                blocked_by(other)
                other.execute("COMMIT")
            taken.append(sorted(map(repr, found.result())))
    account.run("DROP TABLE public.kept")
    assert len(taken[0]) == 3
    assert taken[0] == taken[1]


@pytest.mark.parametrize(
    "sql", ["UPDATE shown SET name = 'x' WHERE id < 4", "DELETE FROM shown WHERE id < 4"]
)
def test_every_whole_row_that_a_trigger_of_a_view_gets_is_whole(copies: Copies, sql: str) -> None:
    copies.account.run(
        "CREATE TEMP TABLE given (row jsonb); "
        "CREATE OR REPLACE FUNCTION pg_temp.keep() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO given VALUES (to_jsonb(OLD)); RETURN OLD; END $$"
    )
    taken = []
    for foreign in (False, True):
        copies.look_at_copies(not foreign)
        copies.account.run(
            "CREATE TEMP VIEW shown AS SELECT id, name, to_jsonb(s) AS whole FROM stages s; "
            "CREATE TRIGGER keep INSTEAD OF UPDATE OR DELETE ON shown FOR EACH ROW "
            "EXECUTE FUNCTION pg_temp.keep()"
        )
        copies.account.run(sql)
        taken.append(copies.account.rows("SELECT row FROM given ORDER BY row -> 'id'"))
        copies.account.run("DROP VIEW shown; TRUNCATE given")
    copies.account.run("DROP TABLE given")
    assert len(taken[0]) == 3
    assert taken[0] == taken[1]


def test_extended_columns_are_in_a_whole_row(account: LiveAccount) -> None:
    for sql in (
        "SELECT to_jsonb(f) -> 'conditions', f.id FROM filters f WHERE id < 3 ORDER BY id",
        "SELECT (x.f).conditions, (x.f).name FROM (SELECT f FROM filters f ORDER BY f.id LIMIT 2) x",
    ):
        conditions = [value for value, _ in account.rows(sql)]
        records = {r["id"]: r["conditions"] for r in account.simulator.records("filters")}
        assert conditions == [records[1], records[2]]
    assert [r["path"] for r in account.asked("SELECT f.id, f.name FROM filters f")] == ["/api/v1/filters"]


def test_a_view_of_a_table_s_name_is_a_view(account: LiveAccount) -> None:
    """Its count is not that of the table."""
    account.run("CREATE SCHEMA other; CREATE VIEW other.stages AS SELECT * FROM stages WHERE id < 4")
    try:
        assert account.value("SELECT count(*) FROM other.stages") == 3
        assert account.value("SELECT count(*) FROM other.stages stages WHERE stages IS NOT NULL") == (
            account.value("SELECT count(*) FROM stages stages WHERE id < 4 AND stages IS NOT NULL")
        )
        account.run(f"SET search_path = other, {account.name}, public")
        assert account.value("SELECT count(*) FROM stages") == 3
        assert (
            account.value("SELECT to_jsonb(stages) -> 'attrs' ->> 'id' FROM stages ORDER BY id LIMIT 1")
            == "1"
        )
    finally:
        account.run(f"SET search_path = {account.name}, public; DROP SCHEMA other CASCADE")


# ---- sorts and groups

SORTED = [
    "SELECT s FROM stages s ORDER BY 1",
    "SELECT s AS id FROM stages s ORDER BY id",
    "SELECT s AS id FROM stages s ORDER BY id DESC LIMIT 4",
    "SELECT id FROM stages s ORDER BY s",
    "SELECT id FROM stages ORDER BY stages",
    "SELECT x.s FROM (SELECT s FROM stages s) x ORDER BY 1",
    "SELECT x.s FROM (SELECT s FROM stages s ORDER BY s DESC OFFSET 1) x ORDER BY x",
    "SELECT x.s FROM (SELECT s, id FROM stages s) x ORDER BY (x.s).id DESC",
    "WITH w AS (SELECT s FROM stages s) SELECT s FROM w ORDER BY s",
    "WITH w AS MATERIALIZED (SELECT s, id FROM stages s) SELECT s FROM w ORDER BY 1 LIMIT 3",
    "SELECT v FROM seen v ORDER BY v",
    "SELECT v.id FROM seen v ORDER BY v DESC LIMIT 2",
    "SELECT renamed FROM stages AS renamed (a, b, c) ORDER BY renamed",
    "SELECT s, row_number() OVER (ORDER BY s) FROM stages s ORDER BY 2",
    "SELECT array_agg(s.id ORDER BY s DESC) FROM stages s",
    "SELECT DISTINCT s FROM stages s ORDER BY s",
    "SELECT DISTINCT ON (s) s, id FROM stages s ORDER BY s, id",
    "SELECT s, count(*) FROM stages s GROUP BY s ORDER BY s",
    "SELECT s FROM stages s UNION SELECT s FROM stages s ORDER BY 1",
    "SELECT s FROM stages s EXCEPT SELECT s FROM stages s WHERE id > 3 ORDER BY 1",
    "SELECT s, p FROM stages s JOIN pipelines p ON p.id = s.pipeline_id ORDER BY p DESC, s",
    "SELECT p, (SELECT s FROM stages s WHERE s.pipeline_id = p.id ORDER BY s LIMIT 1) FROM pipelines p "
    "ORDER BY p",
    "SELECT s FROM stages s ORDER BY ROW(s), s",
    "SELECT s FROM stages s ORDER BY to_jsonb(s), s DESC",
    "SELECT s.* FROM stages s ORDER BY s.attrs, s",
    "SELECT s FROM stages s ORDER BY tableoid, s",
]


@pytest.mark.parametrize("sql", SORTED)
@pytest.mark.parametrize("merge", ["on", "off"])
def test_rows_are_sorted_and_grouped_by_whole_rows(copies: Copies, sql: str, merge: str) -> None:
    copies.account.run(f"SET enable_hashagg = {merge}; SET enable_hashjoin = {merge}")
    same(copies, sql, ordered=True)


def test_a_merge_join_by_whole_rows(copies: Copies) -> None:
    copies.account.run("SET enable_hashjoin = off; SET enable_nestloop = off")
    same(copies, "SELECT s.id, t.id AS other FROM stages s FULL JOIN stages t ON s = t")
    same(copies, "SELECT s.id FROM stages s WHERE s IN (SELECT t FROM stages t WHERE t.id > 2)")


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("WITH stages AS (SELECT 1 AS a) SELECT s FROM stages s ORDER BY 1", [(("1",),)]),
        ("SELECT stages FROM (VALUES (2), (1)) stages (n) ORDER BY stages", [(("1",),), (("2",),)]),
        ("SELECT s FROM local.stages s ORDER BY s DESC", [("(2)",), ("(1)",)]),
    ],
)
def test_a_local_table_of_a_foreign_one_s_name_can_be_sorted_by_its_rows(
    account: LiveAccount, sql: str, rows: list[tuple[object]]
) -> None:
    account.run("CREATE SCHEMA local; CREATE TABLE local.stages AS SELECT generate_series(1, 2) AS id")
    try:
        assert account.rows(sql) == rows
    finally:
        account.run("DROP SCHEMA local CASCADE")


# ---- lateral references

LATERAL = [
    "SELECT p.id, s.c FROM persons p LEFT JOIN LATERAL (SELECT coalesce(p.id, d.id) AS c, d.person_id FROM "
    "deals d) s "
    "ON s.person_id = p.id",
    "SELECT p.id, s.c FROM persons p LEFT JOIN LATERAL (SELECT coalesce(d.id, p.id) AS c, d.person_id FROM "
    "deals d) s "
    "ON s.person_id = p.id",
    "SELECT p.id, s.* FROM persons p, LATERAL (SELECT d.id, p.name || d.title FROM deals d WHERE "
    "d.person_id = p.id) s",
    "SELECT p.id, s.* FROM persons p LEFT JOIN LATERAL (SELECT d.id, CASE WHEN p.id > 9 THEN d.id ELSE "
    "p.id END AS x "
    "FROM deals d OFFSET 0) s ON s.id = p.id",
    "SELECT p.id, s.n FROM persons p, LATERAL (SELECT count(*) AS n FROM deals d WHERE d.person_id = p.id) s",
    "SELECT p.id, s.id AS deal FROM persons p LEFT JOIN LATERAL (SELECT d.id FROM deals d WHERE "
    "d.person_id = p.id "
    "ORDER BY d.id DESC LIMIT 1) s ON true",
    "SELECT p.id, s.d, s.q FROM persons p LEFT JOIN LATERAL (SELECT d.id AS d, o.id AS q, p.id + d.id AS "
    "both "
    "FROM deals d JOIN stages o ON o.id = d.stage_id AND o.id <> p.id) s ON s.both = 2 * p.id",
    "SELECT p.id, s.x FROM persons p LEFT JOIN LATERAL (SELECT p.id AS x FROM deals d WHERE d.id = p.id) s "
    "ON true",
    "SELECT p.id, s.x, t.y FROM persons p LEFT JOIN LATERAL (SELECT coalesce(p.id, d.id) AS x FROM deals d "
    "WHERE d.id = p.id) s ON true LEFT JOIN LATERAL (SELECT coalesce(s.x, g.id) AS y FROM stages g) t ON "
    "t.y = s.x",
    "SELECT p.id, s.v FROM persons p LEFT JOIN LATERAL (VALUES (p.id), (p.owner_id)) s (v) "
    "ON s.v IN (SELECT d.owner_id FROM deals d)",
    "SELECT p.id, (SELECT max(s.c) FROM (SELECT coalesce(p.id, d.id) AS c, d.person_id FROM deals d) s "
    "WHERE s.person_id = p.id) FROM persons p",
]
LOOPS = {
    "as planned": "SET enable_hashjoin = on",
    "nested loops": "SET enable_hashjoin = off; SET enable_mergejoin = off",
    "no nested loops": "SET enable_nestloop = off",
    "nothing kept": "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off",
}


@pytest.mark.parametrize("sql", LATERAL)
@pytest.mark.parametrize("how", LOOPS)
def test_an_outer_column_is_that_of_the_outer_row(copies: Copies, sql: str, how: str) -> None:
    copies.account.run(LOOPS[how])
    same(copies, sql)
