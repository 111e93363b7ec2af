"""Rows that come without a plan of their own (COPY, partitions, replication), and tables of odd shapes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import psycopg
import pytest

from tests.copies import Copies
from tests.e2e.test_writes import sent
from tests.live import TOKEN, LiveAccount
from tools.engine import Server

TABLES = ("stages", "activities", "deals", "leads", "deal_products")


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(
        server, deals=40, tables=TABLES, burst=100_000, budget=10**9, options={"max_tokens_per_query": 10**9}
    ) as live:
        yield live


@pytest.fixture
def account(shared: LiveAccount) -> Iterator[LiveAccount]:
    shared.begin_anew()
    pid = shared.value("SELECT pg_backend_pid()")
    yield shared
    assert shared.value("SELECT pg_backend_pid()") == pid


def refused(account: LiveAccount, sql: str, words: str) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported) as caught:
        account.run(sql)
    diag = caught.value.diag
    assert str(diag.message_primary).startswith(words)
    assert diag.message_hint
    assert account.requests() == []


# ---- COPY


@pytest.mark.parametrize(
    "sql",
    [
        "COPY stages (name) FROM PROGRAM 'echo Anna'",
        "COPY stages FROM PROGRAM 'true'",
        "COPY stages (name) FROM PROGRAM 'echo Anna' (FORMAT csv)",
        "COPY stages (name) FROM '/dev/null'",
    ],
)
@pytest.mark.parametrize("trigger", [False, True])
def test_copy_into_a_table_is_refused(account: LiveAccount, sql: str, trigger: bool) -> None:
    if trigger:
        account.run(
            "CREATE FUNCTION pg_temp.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; "
            "CREATE TRIGGER kept BEFORE INSERT ON stages FOR EACH ROW EXECUTE FUNCTION pg_temp.keep()"
        )
    try:
        refused(account, sql, "pipedrive write: COPY into stages is not possible")
    finally:
        account.run("DROP TRIGGER IF EXISTS kept ON stages")


@pytest.mark.parametrize("how", ["", "(FORMAT csv)", "(FORMAT binary)"])
def test_copy_from_a_client_is_refused(account: LiveAccount, how: str) -> None:
    connection = account.connection
    assert connection is not None
    begins = b"PGCOPY\n\xff\r\n\0" + bytes(8) if "binary" in how else b"Anna\n"
    refusal = pytest.raises(psycopg.errors.FeatureNotSupported, match="COPY into stages is not possible")
    with refusal, connection.cursor().copy(f"COPY stages (name) FROM STDIN {how}") as copy:  # type: ignore[arg-type]
        copy.write(begins)
    assert account.requests() == []


def test_copy_to_a_client_gives_the_rows(account: LiveAccount) -> None:
    connection = account.connection
    assert connection is not None
    for sql in ("COPY (SELECT id, name FROM stages) TO STDOUT", "COPY (TABLE stages) TO STDOUT"):
        with connection.cursor().copy(sql) as copy:  # type: ignore[arg-type]
            assert len(list(copy.rows())) == len(account.simulator.records("stages"))


# ---- partitions and parents


@pytest.fixture
def partitioned(account: LiveAccount) -> Iterator[LiveAccount]:
    """A partitioned table *every*: stages of the pipelines 1 and 2 in Pipedrive, those of 99 here."""
    account.run(
        "CREATE TABLE every (id bigint, name text, pipeline_id bigint) PARTITION BY LIST (pipeline_id); "
        "CREATE FOREIGN TABLE far PARTITION OF every FOR VALUES IN (1, 2, 3, 4, 5) "
        f"SERVER {account.name} OPTIONS (table 'stages'); "
        "CREATE TABLE near PARTITION OF every FOR VALUES IN (99); INSERT INTO near VALUES (900, 'Near', 99)"
    )
    account.simulator.reset()
    yield account
    account.run("DROP TABLE every CASCADE")


ROUTED = [
    "INSERT INTO every (name, pipeline_id) VALUES ('Routed', 1)",
    "INSERT INTO every (name, pipeline_id) VALUES ('Near', 99), ('Routed', 2)",
    "INSERT INTO every SELECT 5, 'Routed', 1 FROM generate_series(1, 3)",
    "COPY every FROM PROGRAM 'printf \"1\\tRouted\\t1\\n\"'",
    "WITH w AS (INSERT INTO every (name, pipeline_id) VALUES ('Routed', 1) RETURNING *) SELECT * FROM w",
    "UPDATE near SET pipeline_id = 1",
]


@pytest.mark.parametrize("sql", ROUTED[:-1])
def test_no_row_is_routed_into_a_partition(partitioned: LiveAccount, sql: str) -> None:
    refused(partitioned, sql, "pipedrive write: ")
    assert partitioned.rows("SELECT name FROM near") == [("Near",)]


def test_no_row_is_moved_into_a_partition(partitioned: LiveAccount) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        partitioned.run("UPDATE every SET pipeline_id = 1 WHERE id = 900")
    assert sent(partitioned) == []
    assert partitioned.rows("SELECT name FROM near") == [("Near",)]


def test_no_row_is_moved_out_of_a_partition(partitioned: LiveAccount) -> None:
    """Pipedrive would change it, and a query of the partition to which it then belongs would miss it."""
    for sql in (
        "UPDATE every SET pipeline_id = 99 WHERE id = 1",
        "UPDATE every SET pipeline_id = 99, name = 'Moved' WHERE id IN (2, 900)",
        "UPDATE far SET pipeline_id = 99 WHERE id = 1 RETURNING id",
    ):
        with pytest.raises(psycopg.errors.CheckViolation, match="violates partition constraint"):
            partitioned.run(sql)
    assert sent(partitioned) == []


def test_a_row_that_is_elsewhere_in_pipedrive_can_be_changed(partitioned: LiveAccount) -> None:
    (stage,) = (s for s in partitioned.simulator.account["stages"] if s["id"] == 2)
    stage["pipeline_id"] = 77
    partitioned.run("UPDATE every SET name = 'Elsewhere' WHERE id = 2")
    assert sent(partitioned) == [("PATCH", "/api/v2/stages/2", {"name": "Elsewhere"})]


def test_the_first_rows_of_all_partitions_are_the_first_of_each(partitioned: LiveAccount) -> None:
    ids = sorted(s["id"] for s in partitioned.simulator.records("stages"))
    for order, wanted in (("id", ids[:2]), ("id DESC", [900, ids[-1]])):
        partitioned.simulator.reset()
        assert partitioned.rows(f"SELECT id FROM every ORDER BY {order} LIMIT 2") == [(i,) for i in wanted]
        ((asked,),) = [{(q["query"]["sort_by"], q["query"]["limit"]) for q in partitioned.requests()}]
        assert asked == ("id", "2")


def test_rows_of_a_partition_are_read_and_written_through_the_parent(partitioned: LiveAccount) -> None:
    stages = partitioned.simulator.records("stages")
    assert partitioned.value("SELECT count(*) FROM every") == len(stages) + 1
    partitioned.simulator.reset()
    assert partitioned.rows("SELECT name FROM every WHERE pipeline_id = 99") == [("Near",)]
    assert partitioned.requests() == []  # the other partition is pruned
    rows = partitioned.rows(
        "UPDATE every SET name = 'Through' WHERE id IN (2, 900) RETURNING id, name, tableoid::regclass::text"
    )
    assert sorted(rows) == [(2, "Through", "far"), (900, "Through", "near")]
    assert partitioned.rows("DELETE FROM every WHERE id = 3 RETURNING id AS name, name AS id") == [
        (3, next(s["name"] for s in stages if s["id"] == 3))
    ]
    assert sent(partitioned) == [
        ("PATCH", "/api/v2/stages/2", {"name": "Through"}),
        ("DELETE", "/api/v2/stages/3", None),
    ]
    partitioned.simulator.reset()
    partitioned.run("INSERT INTO far (name, pipeline_id) VALUES ('Direct', 1)")
    assert sent(partitioned) == [("POST", "/api/v2/stages", {"name": "Direct", "pipeline_id": 1})]


def test_a_policy_of_the_parent_holds_for_rows_of_a_partition(partitioned: LiveAccount) -> None:
    name = partitioned.name
    partitioned.run(
        f"CREATE ROLE limited; GRANT USAGE ON SCHEMA {name} TO limited; "
        "GRANT SELECT, UPDATE ON every TO limited; "
        f"CREATE USER MAPPING FOR limited SERVER {name} OPTIONS (api_token '{TOKEN}'); "
        "CREATE POLICY short ON every USING (id IN (2, 900)) WITH CHECK (length(name) < 9); "
        "ALTER TABLE every ENABLE ROW LEVEL SECURITY; SET ROLE limited"
    )
    try:
        for row in (2, 900):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security policy"):
                partitioned.run(f"UPDATE every SET name = 'Much too long' WHERE id = {row}")
        partitioned.run("UPDATE every SET name = 'Short'")
        assert sent(partitioned) == [("PATCH", "/api/v2/stages/2", {"name": "Short"})]
    finally:
        partitioned.run("RESET ROLE; DROP OWNED BY limited CASCADE; DROP ROLE limited")


@pytest.fixture
def inherited(account: LiveAccount) -> Iterator[LiveAccount]:
    """A table *parent*, whose columns stand elsewhere than those of its foreign child."""
    account.run(
        "CREATE TABLE parent (name text, id bigint, local text); INSERT INTO parent VALUES ('Here', 900, "
        "'x'); "
        "CREATE FOREIGN TABLE child (id bigint, pipeline_id bigint, name text, local text OPTIONS "
        "(column 'attrs')) "
        f"SERVER {account.name} OPTIONS (table 'stages')"
    )
    account.run(
        "ALTER FOREIGN TABLE child ALTER local TYPE jsonb; ALTER TABLE parent ALTER local TYPE jsonb "
        "USING NULL"
    )
    account.run("ALTER FOREIGN TABLE child INHERIT parent")
    account.simulator.reset()
    yield account
    account.run("DROP TABLE parent CASCADE")


def test_a_trigger_of_the_parent_sees_what_was_written_through_it(inherited: LiveAccount) -> None:
    inherited.run(
        "CREATE TABLE seen (name text); "
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO seen SELECT name FROM parent WHERE id = 2; RETURN NULL; END $$; "
        "CREATE TRIGGER seen AFTER UPDATE ON parent FOR EACH STATEMENT EXECUTE FUNCTION see()"
    )
    try:
        inherited.run("UPDATE parent SET name = 'Seen' WHERE id IN (2, 900)")
        assert inherited.rows("SELECT name FROM seen") == [("Seen",)]
    finally:
        inherited.run("DROP TABLE seen; DROP FUNCTION see() CASCADE")


def test_rows_of_a_child_are_written_through_the_parent(inherited: LiveAccount) -> None:
    assert inherited.rows("SELECT id, name FROM parent WHERE id IN (2, 900) ORDER BY id DESC")[0] == (
        900,
        "Here",
    )
    inherited.simulator.reset()
    rows = inherited.rows("UPDATE parent SET name = 'Through' WHERE id IN (2, 900) RETURNING id, name")
    assert sorted(rows) == [(2, "Through"), (900, "Through")]
    assert [r for (r,) in inherited.rows("DELETE FROM parent WHERE id = 3 RETURNING id")] == [3]
    assert sent(inherited) == [
        ("PATCH", "/api/v2/stages/2", {"name": "Through"}),
        ("DELETE", "/api/v2/stages/3", None),
    ]
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot be found by ctid"):
        inherited.run("DELETE FROM parent WHERE ctid = '(4294967295,0)'")


# ---- dropped columns, no columns


@pytest.fixture
def unguarded(account: LiveAccount) -> LiveAccount:
    """The account when no event trigger looks at what is altered, as while a dump is restored."""
    account.run("SET check_function_bodies = off")
    return account


@pytest.fixture
def dropped(account: LiveAccount) -> Iterator[LiveAccount]:
    """A foreign table *lost* that has lost its first column, one between and the last."""
    account.run(
        "CREATE FOREIGN TABLE lost (order_nr bigint, id bigint, is_deleted boolean, name text, add_time "
        "timestamptz) "
        f"SERVER {account.name} OPTIONS (table 'stages')"
    )
    account.run("ALTER FOREIGN TABLE lost DROP order_nr, DROP is_deleted, DROP add_time")
    account.simulator.reset()
    yield account
    account.run("DROP FOREIGN TABLE lost")


def test_a_table_that_lost_columns(dropped: LiveAccount) -> None:
    names = {s["id"]: s["name"] for s in dropped.simulator.records("stages")}
    assert dropped.rows("SELECT * FROM lost ORDER BY id LIMIT 2") == [(1, names[1]), (2, names[2])]
    assert dropped.rows("SELECT lost, to_jsonb(lost) FROM lost WHERE id = 2") == [
        (f'(2,"{names[2]}")', {"id": 2, "name": names[2]})
    ]
    assert dropped.rows("SELECT a FROM lost a JOIN lost b ON a = b WHERE a.id = 1 ORDER BY a")
    dropped.run(
        "CREATE TEMP TABLE log (entry jsonb); CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE "
        "plpgsql AS "
        "$$ BEGIN INSERT INTO log VALUES (to_jsonb(OLD)), (to_jsonb(NEW)); RETURN NULL; END $$; "
        "CREATE TRIGGER t AFTER UPDATE ON lost FOR EACH ROW EXECUTE FUNCTION pg_temp.note()"
    )
    whole = '(2,"Kept on")'
    assert dropped.rows("UPDATE lost SET name = 'Kept on' WHERE id = 2 RETURNING lost, name") == [
        (whole, "Kept on")
    ]
    assert dropped.rows("SELECT entry ->> 'name' FROM log") == [(names[2],), ("Kept on",)]
    assert dropped.rows("DELETE FROM lost WHERE id = 3 RETURNING lost.*") == [(3, names[3])]
    assert sent(dropped) == [
        ("PATCH", "/api/v2/stages/2", {"name": "Kept on"}),
        ("DELETE", "/api/v2/stages/3", None),
    ]


EMPTY = (
    "SELECT count(*) FROM {}",
    "SELECT FROM {}",
    "EXPLAIN SELECT FROM {}",
    "SELECT t FROM {} t ORDER BY t",
    "DELETE FROM {}",
    "INSERT INTO {} DEFAULT VALUES",
)


def test_a_table_without_columns_is_refused(unguarded: LiveAccount) -> None:
    account = unguarded
    account.run(f"CREATE FOREIGN TABLE bare () SERVER {account.name} OPTIONS (table 'stages')")
    account.run(f"CREATE FOREIGN TABLE emptied (id bigint) SERVER {account.name} OPTIONS (table 'stages')")
    account.run("ALTER FOREIGN TABLE emptied DROP id; SELECT count(*) FROM stages")
    account.simulator.reset()
    try:
        for table, sql in product(("bare", "emptied"), EMPTY):
            with pytest.raises(psycopg.Error, match=f"pipedrive option: {table} must have a column"):
                account.run(sql.format(table))
        assert account.requests() == []
    finally:
        account.run("DROP FOREIGN TABLE bare, emptied")


def test_tables_that_cannot_be_used_are_listed(unguarded: LiveAccount) -> None:
    account = unguarded
    account.run("BEGIN; ALTER FOREIGN TABLE stages ADD COLUMN nonsense text")
    account.run(f"CREATE FOREIGN TABLE bare () SERVER {account.name} OPTIONS (table 'stages')")
    account.run("ALTER FOREIGN TABLE leads OPTIONS (SET \"table\" 'nothing')")
    listed = account.rows(
        "SELECT table_name, is_insertable_into FROM information_schema.tables WHERE table_schema = "
        f"'{account.name}'"
    )
    account.run("ROLLBACK")
    kept = ("activities", "deals", "deal_products")
    assert dict(listed) == {**dict.fromkeys(("stages", "bare", "leads"), "NO"), **dict.fromkeys(kept, "YES")}
    assert account.requests() == []


# ---- values that no list of the API has

ODD = [
    "due_date IN ('infinity', '2026-06-07')",
    "due_date IN ('-infinity', '10000-01-01', '2026-06-07')",
    "due_date = ANY ('{infinity,-infinity,5874897-12-31,4713-01-01 BC}')",
    "due_date NOT IN ('infinity', '12026-01-01')",
    "due_date BETWEEN '-infinity' AND 'infinity'",
    "due_date < '10000-01-01'",
    "due_date > '0001-01-01 BC'",
    "add_time IN ('infinity', '294276-12-31 23:59:59+00', '2024-01-01')",
    "add_time > '-infinity' AND add_time < '294000-01-01'",
    "add_time::date = 'infinity'",
    "date_trunc('year', add_time) < '20000-01-01'",
    "due_date::timestamptz <= 'infinity'",
    "id IN (9223372036854775807, -9223372036854775808, 3)",
    "id = ANY ('{3,NULL,9223372036854775807}')",
    "id < 'Infinity'::float8",
    "id IN ('NaN'::float8, 3)",
    "duration IN ('1 day', '10000 years', '-3 days')",
    "due_time IN ('24:00', '00:00')",
    "subject IN (E'\\\\', '', 'a,b', '{}', '\"')",
]


@pytest.mark.parametrize("condition", ODD)
def test_values_beyond_every_list(shared: LiveAccount, condition: str) -> None:
    shared.begin_anew()
    with Copies(shared, ("activities",)) as copies:
        sql = f"SELECT id FROM activities WHERE {condition} ORDER BY id"
        assert shared.rows(sql) == copies.rows(sql)
        shared.run(f"PREPARE odd AS {sql}")
        shared.run("SET plan_cache_mode = force_generic_plan")
        assert shared.rows("EXECUTE odd") == copies.rows(sql)


ARRAYS: list[tuple[str, str, str, Any]] = [
    ("bigint[]", "id", "activities", "'{3,NULL,5}'"),
    ("bigint[]", "id", "activities", "'[2:4]={3,NULL,5}'"),
    ("bigint[]", "id", "activities", "'[-1:0][5:6]={{3,4},{5,6}}'"),
    ("text[]", "subject", "activities", "'[0:0]={\"[1:1]={}\"}'"),
    ("date[]", "due_date", "activities", "'{infinity,10000-01-01,NULL}'"),
    ("timestamptz[]", "add_time", "deals", "'{infinity,\"294276-01-01 00:00+00\"}'"),
    ("numeric[]", "value", "deals", "'{NaN,1e30,1.5}'"),
    ("numeric", "value", "deals", "'NaN'"),
    ("numeric", "id", "deals", "3.0"),
    ("text[]", "title", "deals", '\'{"a,b","","\\\\"}\''),
    ("uuid", "id", "leads", "'00000000-0000-0000-0000-000000000000'"),
    ("uuid[]", "id", "leads", "'{00000000-0000-0000-0000-000000000000,NULL}'"),
    ("boolean", "is_archived", "deals", "true"),
    ("bigint[]", "deal_id", "deal_products", "'{}'"),
    ("bigint[]", "deal_id", "deal_products", "NULL"),
    ("int[]", "id", "deals", "'{1,2}'"),
    ("varchar", "title", "deals", "'x'"),
]


@pytest.mark.parametrize(("kind", "column", "table", "value"), ARRAYS)
def test_generic_plans_are_explained_and_run(
    account: LiveAccount, kind: str, column: str, table: str, value: str
) -> None:
    operator = "= ANY ($1)" if kind.endswith("[]") else "= $1"
    account.run(f"PREPARE asked ({kind}) AS SELECT id FROM {table} WHERE {column} {operator}")
    for mode in ("force_generic_plan", "force_custom_plan"):
        account.run(f"SET plan_cache_mode = {mode}")
        for how in ("", "(VERBOSE)", "(FORMAT JSON)", "(ANALYZE)", "(ANALYZE, VERBOSE, FORMAT XML)"):
            assert account.rows(f"EXPLAIN {how} EXECUTE asked ({value})")
        generic = operator.replace("$1", f"{value}::{kind}")
        assert account.rows(f"EXECUTE asked ({value})") == account.rows(
            f"SELECT id FROM {table} WHERE {column} {generic}"
        )
