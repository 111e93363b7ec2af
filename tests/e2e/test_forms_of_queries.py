"""Ways to ask: under every kind of plan the foreign tables answer as plain copies of them do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.live import LiveAccount
from tools.engine import Server

TABLES = ("deals", "persons", "organizations", "deal_products", "notes", "activities", "stages")

# <t> stands for the table t.
QUERIES = (
    "SELECT id FROM <activities> WHERE due_date < current_date",
    "SELECT id, current_date - due_date AS late FROM <activities> "
    "WHERE due_date < current_date ORDER BY late, id",
    "SELECT current_date - due_date, count(*) FROM <activities> "
    "WHERE current_date - due_date > 5 GROUP BY 1 ORDER BY 1",
    "SELECT a.id, b.id FROM <activities> a JOIN <activities> b "
    "ON b.due_date = current_date - 40 + (a.id - a.id)::int WHERE a.due_date = current_date - 40",
    "SELECT id FROM <activities> WHERE current_date > due_date AND due_date IN ('2026-09-01', '2026-09-02')",
    "SELECT id FROM <deals> WHERE expected_close_date BETWEEN current_date - 400 AND current_date",
    "SELECT d.id, a.id FROM <deals> d LEFT JOIN <activities> a "
    "ON a.deal_id = d.id AND a.due_date = current_date WHERE d.update_time <= current_date",
    "SELECT id FROM <deals> WHERE id IN (SELECT deal_id FROM <activities> WHERE due_date >= current_date)",
    "SELECT d.id, p.name FROM <deals> d LEFT JOIN <persons> p ON p.id = d.person_id",
    "SELECT d.id, p.name FROM <deals> d LEFT JOIN <persons> p ON p.id = d.person_id AND p.org_id = d.org_id "
    "WHERE d.stage_id IN (1, 2)",
    "SELECT p.id, d.id FROM <persons> p FULL JOIN <deals> d ON d.person_id = p.id AND d.status = 'won'",
    "SELECT a.id, b.id FROM <deals> a JOIN <deals> b ON a.id = b.id + 1",
    "SELECT a.id, b.id FROM <deals> a JOIN <deals> b USING (id)",
    "SELECT a.id FROM <deals> a JOIN <deals> b ON a.update_time = b.update_time "
    "WHERE a.update_time > '2020-01-01' AND b.update_time IS NOT NULL",
    "SELECT d.id, x.n FROM <deals> d, LATERAL "
    "(SELECT count(*) AS n FROM <deal_products> p WHERE p.deal_id = d.id AND p.is_enabled) x WHERE d.id < 30",
    "SELECT p.id, (SELECT max(d.value) FROM <deals> d WHERE d.person_id = p.id) FROM <persons> p "
    "WHERE p.id < 40",
    "SELECT o.id FROM <organizations> o WHERE EXISTS (SELECT 1 FROM <persons> p WHERE p.org_id = o.id)",
    "SELECT o.id FROM <organizations> o WHERE NOT EXISTS (SELECT 1 FROM <deals> d WHERE d.org_id = o.id)",
    "SELECT id FROM <persons> WHERE org_id IN (SELECT id FROM <organizations> WHERE owner_id = 2)",
    "SELECT id FROM <persons> WHERE org_id NOT IN (SELECT id FROM <organizations> WHERE owner_id = 2)",
    "SELECT id FROM <deals> WHERE stage_id = (SELECT min(id) FROM <stages> WHERE pipeline_id = 1)",
    "SELECT id FROM <deals> WHERE id = ANY (ARRAY(SELECT person_id FROM <deals> WHERE status = 'won'))",
    "SELECT id FROM <deals> WHERE id IN (1, 2, NULL) OR id IS NULL",
    "SELECT id FROM <deals> WHERE owner_id NOT IN (1, NULL)",
    "SELECT id FROM <deals> WHERE (owner_id, stage_id) IN ((1, 1), (2, 3))",
    "WITH won AS MATERIALIZED (SELECT * FROM <deals> WHERE status = 'won') "
    "SELECT a.id, b.id FROM won a JOIN won b ON a.owner_id = b.owner_id AND a.id < b.id",
    "WITH RECURSIVE up AS (SELECT id, 1 AS n FROM <deals> WHERE id = 1 UNION ALL "
    "SELECT d.id, n + 1 FROM up JOIN <deals> d ON d.id = up.id + 1 WHERE n < 12) SELECT * FROM up",
    "SELECT id FROM <deals> WHERE is_archived UNION SELECT id FROM <deals> WHERE status = 'won' "
    "EXCEPT SELECT id FROM <deals> WHERE owner_id = 2",
    "SELECT owner_id, status, count(*), sum(value) FROM <deals> GROUP BY GROUPING SETS ((1), (2), ())",
    "SELECT DISTINCT ON (owner_id) owner_id, id FROM <deals> ORDER BY owner_id, id DESC",
    "SELECT id, row_number() OVER (PARTITION BY owner_id ORDER BY update_time, id), "
    "lag(id) OVER (ORDER BY id) FROM <deals>",
    "SELECT d.* FROM (SELECT id, value FROM <deals> ORDER BY id DESC LIMIT 20 OFFSET 5) d ORDER BY value, id",
    "SELECT s.id, d.id FROM <stages> s LEFT JOIN LATERAL "
    "(SELECT id FROM <deals> WHERE stage_id = s.id ORDER BY id LIMIT 2) d ON true",
    "SELECT d.id, p.id, n.id FROM <deals> d LEFT JOIN <deal_products> p ON p.deal_id = d.id "
    "LEFT JOIN <notes> n ON n.deal_id = d.id AND n.pinned_to_deal_flag WHERE d.owner_id = 3",
    "SELECT a.id FROM <activities> a JOIN <deals> d ON d.id = a.deal_id "
    "JOIN <persons> p ON p.id = d.person_id WHERE a.done AND p.owner_id = d.owner_id",
    "SELECT d.id, p.id FROM <deals> d LEFT JOIN <persons> p ON p.id = d.person_id "
    "AND p.add_time < d.add_time WHERE d.stage_id = 1",
    "SELECT d.id, p.id FROM <deals> d LEFT JOIN <persons> p ON p.id = d.person_id "
    "AND d.add_time <= p.add_time WHERE d.stage_id = 1",
    "SELECT d.id, p.id FROM <deals> d JOIN <persons> p ON p.id = d.person_id AND p.id <> d.owner_id + 60 "
    "WHERE d.stage_id = 1",
    "SELECT d.id, p.id FROM <deals> d JOIN <persons> p ON p.id = d.person_id "
    "AND p.owner_id = d.owner_id % 4 + 1 WHERE d.stage_id < 4",
    "SELECT d.id, n.id FROM <deals> d LEFT JOIN <notes> n ON n.deal_id = d.id AND n.user_id = d.owner_id "
    "AND n.add_time > d.add_time WHERE d.id IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)",
    "SELECT count(*) FILTER (WHERE is_archived), count(*) FROM <deals> HAVING count(*) > 1",
    "SELECT order_nr FROM <stages> ORDER BY order_nr FETCH FIRST 2 ROWS WITH TIES",
    "SELECT due_date FROM <activities> ORDER BY due_date DESC FETCH FIRST 2 ROWS WITH TIES",
    "SELECT id, update_time FROM <deals> WHERE update_time <> ALL ('{}') ORDER BY update_time, id",
    "SELECT id, update_time FROM <deals> WHERE update_time <> ALL (ARRAY(SELECT now() WHERE false)) "
    "ORDER BY update_time, id",
    "SELECT id, update_time FROM <deals> WHERE num_nulls(update_time) = 1 ORDER BY update_time, id",
    "SELECT id, update_time FROM <deals> WHERE concat(update_time) IN ('', 'x') ORDER BY update_time, id",
)

SETTINGS = {
    "as it plans": {},
    "nested loops": {"enable_hashjoin": "off", "enable_mergejoin": "off"},
    "merge joins": {"enable_hashjoin": "off", "enable_nestloop": "off"},
    "parallel": {
        "force_parallel_mode": "on",
        "parallel_setup_cost": "0",
        "parallel_tuple_cost": "0",
        "min_parallel_table_scan_size": "0",
    },
    "little memory": {"work_mem": "'64kB'", "enable_material": "off", "enable_sort": "off"},
}


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9, "page_size": 40}
    with LiveAccount(
        server, seed=4, deals=150, tables=TABLES, options=options, burst=100_000, budget=10**9
    ) as live:
        for table in TABLES:
            live.run(f"CREATE TABLE copy_of_{table} AS SELECT * FROM {table}")
        live.run("ANALYZE")
        yield live


def named(sql: str, prefix: str) -> str:
    """*sql* with the tables' names in place; the comparison signs stay."""
    for table in TABLES:
        sql = sql.replace(f"<{table}>", prefix + table)
    return sql


@pytest.mark.parametrize("how", SETTINGS)
@pytest.mark.parametrize("sql", QUERIES, ids=lambda sql: sql[:70])
def test_rows_are_those_of_plain_tables(account: LiveAccount, sql: str, how: str) -> None:
    names = {"force_parallel_mode": "debug_parallel_query"} if account.server.engine.major >= 16 else {}
    settings = {names.get(name, name): value for name, value in SETTINGS[how].items()}
    for name, value in settings.items():
        account.run(f"SET {name} = {value}")
    try:
        got = account.rows(named(sql, ""))
        wanted = account.rows(named(sql, "copy_of_"))
    finally:
        for name in settings:
            account.run(f"RESET {name}")
    assert Counter(map(repr, got)) == Counter(map(repr, wanted))


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
def test_a_prepared_statement_asks_for_its_values(account: LiveAccount, mode: str) -> None:
    account.run(f"SET plan_cache_mode = {mode}")
    for prefix, name in (("", "theirs"), ("copy_of_", "ours")):
        account.run(
            f"PREPARE {name} (bigint, text, timestamptz, bigint[]) AS SELECT id FROM {prefix}deals "
            "WHERE owner_id = $1 AND status = $2 AND update_time >= $3 AND stage_id = ANY ($4) ORDER BY id"
        )
    try:
        for values in (
            "2, 'won', '2020-01-01', '{1,2,3}'",
            "3, 'open', '2025-01-01', '{4}'",
            "NULL, 'won', '2020-01-01', '{1}'",
            "2, 'won', NULL, '{1}'",
            "2, 'won', '2020-01-01', NULL",
            "2, 'won', '2020-01-01', '{}'",
            "2, 'lost', '2020-01-01', '{1,2,3,4,5,6}'",
        ):
            assert account.rows(f"EXECUTE theirs ({values})") == account.rows(f"EXECUTE ours ({values})")
    finally:
        account.run("DEALLOCATE ALL; RESET plan_cache_mode")


@pytest.mark.parametrize(
    "condition",
    [
        "$1 = '' OR owner_id = $1::bigint",
        "$1 <> '' AND owner_id = 2 OR $1 = '' OR owner_id = 100 / length($1)",
        "id IN (2, 3) AND ($1 = '' OR $1::bigint = owner_id)",
    ],
)
def test_one_side_of_an_or_may_be_an_error_where_the_other_is_true(
    account: LiveAccount, condition: str
) -> None:
    account.run("SET plan_cache_mode = force_generic_plan")
    for prefix, name in (("", "theirs"), ("copy_of_", "ours")):
        account.run(f"PREPARE {name} (text) AS SELECT id FROM {prefix}deals WHERE {condition}")
    try:
        for value in ("", "3"):
            theirs, ours = (account.rows(f"EXECUTE {name} ('{value}')") for name in ("theirs", "ours"))
            assert Counter(theirs) == Counter(ours)
    finally:
        account.run("DEALLOCATE ALL; RESET plan_cache_mode")


def test_a_sub_select_beside_what_is_true_is_not_run(account: LiveAccount) -> None:
    account.run("SET plan_cache_mode = force_generic_plan")
    sql = "SELECT id FROM stages WHERE $1 = 0 OR id = (SELECT max(stage_id) FROM deals)"
    account.run(f"PREPARE chosen (bigint) AS {sql}")
    try:
        account.simulator.reset()
        assert len(account.rows("EXECUTE chosen (0)")) == len(account.simulator.records("stages"))
        assert {r["path"] for r in account.requests()} == {"/api/v2/stages"}
        assert len(account.rows("EXECUTE chosen (1)")) == 1
    finally:
        account.run("DEALLOCATE ALL; RESET plan_cache_mode")


@pytest.mark.parametrize("tail", ["LIMIT n", "LIMIT n + 1", "OFFSET n LIMIT 5"])
@pytest.mark.parametrize("order", ["id", "id DESC", "update_time DESC NULLS LAST, id"])
def test_a_limit_that_a_function_gives_is_the_one_of_each_run(
    account: LiveAccount, order: str, tail: str
) -> None:
    """When PostgreSQL plans, it knows the value of that moment only."""
    tail = tail.replace("n", "current_setting('of_test.rows')::bigint", 1)
    for prefix, name in (("", "theirs"), ("copy_of_", "ours")):
        account.run(f"PREPARE {name} AS SELECT id FROM {prefix}deals ORDER BY {order} {tail}")
    try:
        for rows in (3, 60, 120, 2):
            account.run(f"SET of_test.rows = {rows}")
            assert account.rows("EXECUTE theirs") == account.rows("EXECUTE ours")
    finally:
        account.run("DEALLOCATE ALL; RESET of_test.rows")


def test_cursors_go_on_where_they_stopped(account: LiveAccount) -> None:
    wanted = account.rows("SELECT id FROM copy_of_deals ORDER BY id")
    for kind in ("NO SCROLL CURSOR", "SCROLL CURSOR", "CURSOR WITH HOLD"):
        account.run("BEGIN")
        account.run(f"DECLARE c {kind} FOR SELECT id FROM deals ORDER BY id")
        first = account.rows("FETCH 30 FROM c")
        between = account.value("SELECT count(*) FROM deals")
        if kind == "SCROLL CURSOR":
            assert account.rows("FETCH BACKWARD 5 FROM c") == first[-2:-7:-1]
            assert account.rows("FETCH 5 FROM c") == first[-5:]
        if kind == "CURSOR WITH HOLD":
            account.run("COMMIT")
        assert first + account.rows("FETCH ALL FROM c") == wanted
        assert between == len(wanted)
        account.run("CLOSE c" if kind == "CURSOR WITH HOLD" else "COMMIT")


def test_two_cursors_over_one_table_do_not_mix(account: LiveAccount) -> None:
    account.run("BEGIN")
    account.run("DECLARE up CURSOR FOR SELECT id FROM persons ORDER BY id")
    account.run("DECLARE down CURSOR FOR SELECT id FROM persons ORDER BY id DESC")
    up, down = [], []
    while True:
        a, b = account.rows("FETCH 17 FROM up"), account.rows("FETCH 23 FROM down")
        up, down = up + a, down + b
        if not a and not b:
            break
    account.run("COMMIT")
    assert up == down[::-1] == account.rows("SELECT id FROM copy_of_persons ORDER BY id")


def test_a_function_with_several_queries(account: LiveAccount) -> None:
    account.run(
        "CREATE FUNCTION totals() RETURNS TABLE (stage bigint, deals bigint, first text) "
        f"LANGUAGE plpgsql AS $$ BEGIN SET LOCAL search_path = {account.name}, public; "
        "FOR stage IN SELECT s.id FROM stages s ORDER BY s.id LOOP "
        "SELECT count(*) INTO deals FROM deals d WHERE d.stage_id = stage; "
        "SELECT d.title INTO first FROM deals d WHERE d.stage_id = stage ORDER BY d.id LIMIT 1; "
        "RETURN NEXT; END LOOP; END $$"
    )
    assert account.rows("SELECT * FROM totals()") == account.rows(
        "SELECT s.id, (SELECT count(*) FROM copy_of_deals d WHERE d.stage_id = s.id), "
        "(SELECT title FROM copy_of_deals d WHERE d.stage_id = s.id ORDER BY d.id LIMIT 1) "
        "FROM copy_of_stages s ORDER BY 1"
    )


def test_a_date_of_today_keeps_its_type(account: LiveAccount) -> None:
    account.run(
        "CREATE TEMP TABLE days AS SELECT current_date AS day FROM activities WHERE due_date < current_date"
    )
    assert (
        account.value("SELECT atttypmod FROM pg_attribute WHERE attrelid = 'days'::regclass AND attnum = 1")
        == -1
    )
