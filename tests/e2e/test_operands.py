"""What a column is compared with: whatever stands there, the rows are those of a plain copy of the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

TABLES = ("deals", "activities", "leads", "stages", "users")
OPERATORS = ("<", "<=", "=", ">=", ">", "<>")

# Functions of the types that there are, each STABLE, so that it stands in the plan: name → type, value
FUNCTIONS = {
    "day": ("date", "{time}"),
    "stamp": ("timestamp", "{time}"),
    "moment": ("timestamptz", "{time}"),
    "days": ("date[]", "{{ {time} }}"),
    "moments": ("timestamptz[]", '{{"{time}"}}'),
    "clock": ("time", "{clock}"),
    "span": ("interval", "1 hour"),
    "big": ("bigint", "7"),
    "whole": ("int", "7"),
    "small": ("smallint", "7"),
    "exact": ("numeric", "7"),
    "inexact": ("float8", "7"),
    "single": ("real", "7"),
    "bigs": ("bigint[]", "{{1,7,9}}"),
    "wholes": ("int[]", "{{1,7,9}}"),
    "exacts": ("numeric[]", "{{1.4,7,8.6}}"),
    "word": ("text", "{title}"),
    "brief": ("varchar", "{title}"),
    "label": ("name", "{title}"),
    "padded": ("char(9)", "{title}"),
    "words": ("text[]", '{{"{title}"}}'),
    "digits": ("text", "7"),
    "yes": ("boolean", "true"),
    "key": ("uuid", "{lead}"),
    "keys": ("uuid[]", "{{ {lead} }}"),
    "pair": ("a_pair", '("{time}",7)'),
    "of_domain": ("a_day", "{time}"),
}

TIMES = """
now()::date | date(now()) | to_date('2026-01-15', 'YYYY-MM-DD') | day() | stamp() | moment()
of_domain() | now() | now() - interval '100 days' | current_timestamp | current_date
current_date - 100 | localtimestamp | localtimestamp(0) | date_trunc('month', current_date)
date_trunc('day', localtimestamp) | stamp()::date | stamp() AT TIME ZONE 'Asia/Tokyo'
moment() AT TIME ZONE 'Asia/Tokyo' | day()::text::timestamptz | day()::text::date | to_timestamp(0)
make_date(2026, 1, 2) | (days())[1] | (moments())[1] | (pair()).day
CASE WHEN yes() THEN day() ELSE '2020-01-01' END | coalesce(day(), '2020-01-01')
coalesce(stamp(), now()) | greatest(day(), '2020-01-01'::date) | least(moment(), now())
nullif(day(), '2020-01-01') | day()::a_day | (SELECT day())
(SELECT max(add_time)::date FROM copy_of_deals) | day() + small() | day() - whole()
""".replace("\n", " | ").split(" | ")
NUMBERS = """
big() | whole() | small() | digits()::bigint | (bigs())[2] | (wholes())[2] | (pair()).big
length(word()) | exact()::bigint | inexact()::int | coalesce(big(), 1)
CASE WHEN yes() THEN big() ELSE 1 END | nullif(big(), 1) | greatest(big(), 3) | least(whole(), 30)
big() + 1 | current_setting('app.id')::bigint | (SELECT big()) | -whole() | exact() | inexact()
single() | exact() * 1.5 | array_length(bigs(), 1) | pg_backend_pid() | ((bigs())[1:2])[2]
(json_build_object('a', big())->>'a')::bigint | cardinality(words()) | (SELECT min(id) FROM lt)
""".replace("\n", " | ").split(" | ")
WORDS = """
word() | brief() | label() | padded() | current_database() | current_schema() | current_user
session_user | current_role | user | pg_backend_pid()::text | (words())[1] | lower(word())
coalesce(word(), '') | brief()::text | CASE WHEN yes() THEN word() END | nullif(word(), '')
greatest(word(), 'a') | word() || '' | left(word(), 99) | brief()::varchar(3) | word()::char(2)
(SELECT word()) | big()::text | format('%s', word()) | label()::text | concat(word(), brief())
current_setting('app.title') | inet_client_addr()::text | (row_to_json(pair())->>'big')
""".replace("\n", " | ").split(" | ")

COMPARED = {
    "deals": (
        ("update_time", TIMES),
        ("expected_close_date", TIMES),
        ("id", NUMBERS),
        ("stage_id", NUMBERS),
        ("value", NUMBERS),
        ("title", WORDS),
        ("is_archived", ["yes()", "coalesce(yes(), false)", "NOT yes()", "big() > 3", "(SELECT yes())"]),
    ),
    "activities": (
        ("due_date", TIMES),
        ("add_time", TIMES),
        (
            "due_time",
            ["clock()", "localtime", "localtime(0)", "now()::time", "clock()::text::time", "span()::time"],
        ),
        ("duration", ["clock()", "span()", "span() * 2"]),
    ),
    "leads": (
        ("id", ["key()", "key()::text::uuid", "(keys())[1]", "coalesce(key(), key())", "(SELECT key())"]),
    ),
}
COLUMNS = [(table, column) for table, columns in COMPARED.items() for column, _ in columns]

# <t> stands for the table t, and lt is a plain table with the same number as text, JSON, array, numeric.
QUERIES = (
    "SELECT count(*) FROM <deals> "
    "WHERE update_time BETWEEN (now() - interval '300 days')::date AND now()::date",
    "SELECT count(*) FROM <deals> WHERE update_time NOT BETWEEN day() AND now()::date",
    "SELECT id FROM <deals> WHERE id = ANY (bigs())",
    "SELECT id FROM <deals> WHERE id = ANY (wholes())",
    "SELECT id FROM <deals> WHERE id = ANY (exacts()::bigint[])",
    "SELECT id FROM <deals> WHERE id = ANY (wholes()::bigint[])",
    "SELECT id FROM <deals> WHERE id = ANY (ARRAY(SELECT id::int FROM lt)::bigint[])",
    "SELECT id FROM <deals> WHERE id = ANY (ARRAY(SELECT num + 0.4 FROM lt)::bigint[])",
    "SELECT id FROM <deals> WHERE id = ANY (ARRAY(SELECT txt || ' ' FROM lt)::bigint[])",
    "SELECT id FROM <deals> WHERE title = ANY (ARRAY(SELECT vc FROM lt)::varchar[])",
    "SELECT id FROM <deals> WHERE title = ANY (ARRAY(SELECT vc FROM lt)::varchar(5)[])",
    "SELECT id FROM <deals> WHERE id = ANY (string_to_array('1,2', ',')::bigint[])",
    "SELECT id FROM <deals> WHERE id <> ALL (bigs())",
    "SELECT id FROM <deals> WHERE id > ANY (bigs())",
    "SELECT id FROM <deals> WHERE id = ANY (ARRAY[big(), whole()])",
    "SELECT id FROM <deals> WHERE id = ANY (CASE WHEN yes() THEN bigs() END)",
    "SELECT id FROM <deals> WHERE id = ANY (bigs() || 3::bigint)",
    "SELECT id FROM <deals> WHERE id = ANY (ARRAY(SELECT id FROM lt))",
    "SELECT id FROM <deals> WHERE id IN (big(), 3)",
    "SELECT id FROM <deals> WHERE id NOT IN (big(), whole() + 1)",
    "SELECT id FROM <deals> WHERE title IN (word(), brief())",
    "SELECT id FROM <deals> WHERE title = ANY (words())",
    "SELECT id FROM <deals> WHERE title = ANY (words()::varchar(3)[])",
    "SELECT id FROM <deals> WHERE title = ANY (ARRAY[label(), current_user]::text[])",
    "SELECT id FROM <deals> WHERE update_time = ANY (moments())",
    "SELECT id FROM <deals> WHERE update_time > ANY (days()::timestamptz[])",
    "SELECT id FROM <activities> WHERE due_date = ANY (days())",
    "SELECT id FROM <activities> WHERE due_date IN (day(), current_date, now()::date)",
    "SELECT id FROM <leads> WHERE id = ANY (keys())",
    "SELECT id FROM <deals> WHERE big() = ANY (label_ids)",
    "SELECT id FROM <deals> WHERE label_ids = bigs()",
    "SELECT id FROM <deals> WHERE label_ids::int[] = wholes()",
    "SELECT id FROM <deals> WHERE title::varchar(4) = left(word(), 4)",
    "SELECT id FROM <deals> WHERE title::char(40) = padded()",
    "SELECT id FROM <deals> WHERE status COLLATE any_case = 'OPEN'",
    "SELECT id FROM <deals> WHERE status COLLATE any_case IN ('OPEN', 'Won')",
    "SELECT id FROM <deals> WHERE status OPERATOR(mine.=) 'OPEN'",
    "SELECT id FROM <deals> WHERE (update_time, id) > (day(), big())",
    "SELECT id FROM <deals> WHERE id = 3 OR id = 4 OR id = big()",
    "SELECT id FROM <deals> WHERE id IN (3, NULL) OR id = 4.0 OR id IN (whole(), 9)",
    "SELECT id FROM <deals> WHERE id = 3 OR id IS NULL",
    "SELECT id FROM <deals> WHERE id = 3 OR id = ANY (NULL::bigint[])",
    "SELECT id FROM <deals> WHERE id = ANY (NULL::bigint[]) OR id = ANY (nullif('{3}', '{3}')::bigint[])",
    "SELECT id FROM <deals> WHERE -id > -5 AND +stage_id = 2",
    "SELECT id FROM <deals> WHERE id = 3 OR stage_id = 4",
    "SELECT id FROM <deals> WHERE (stage_id = 3 AND status = 'won') OR (stage_id = 4 AND status = 'open')",
    "SELECT id FROM <deals> WHERE stage_id = 3 AND status = 'won' OR stage_id > 3 AND status = 'open'",
    "SELECT id FROM <deals> WHERE NOT (stage_id = 3 OR stage_id = 4)",
    "SELECT id FROM <deals> WHERE (status = 'won' OR status = word()) AND (stage_id = 1 OR stage_id = 2)",
    "SELECT id FROM <deals> WHERE is_archived OR status = 'won'",
    "SELECT id FROM <deals> WHERE (is_archived AND status = 'won') OR (NOT is_archived AND status = 'lost')",
    "SELECT id FROM <deals> WHERE (id, stage_id) IN ((1, 2), (2, 1), (3, 3))",
    "SELECT d.id FROM lt JOIN <deals> d ON d.id = lt.id OR d.id = lt.id + 1",
    "SELECT lt.id, x.id FROM lt, LATERAL (SELECT id FROM <deals> WHERE id = lt.id OR id = 3 OFFSET 0) x",
    *(
        f"SELECT id FROM <deals> WHERE {year} {operator} extract(year FROM moment())::int"
        for year in (
            "CAST(TRUNC(EXTRACT(YEAR FROM update_time)) AS INTEGER)",
            "date_part('Year', update_time)",
        )
        for operator in OPERATORS
    ),
    *(
        f"SELECT id FROM <deals> WHERE {epoch} {operator} {value}"
        for epoch in ("extract(epoch FROM update_time)", "floor(extract(epoch FROM update_time))::bigint")
        for value in ("(SELECT extract(epoch FROM moment()))", "1780272000", "1780272000.5")
        for operator in OPERATORS
    ),
    "SELECT id FROM <deals> WHERE extract(epoch FROM expected_close_date) >= 1780272000",
    "SELECT id FROM <deals> WHERE extract(epoch FROM update_time AT TIME ZONE 'Asia/Tokyo') >= 1780272000",
    "SELECT id FROM <deals> WHERE DATE_TRUNC('MONTH', CAST(update_time AS timestamp)) = "
    "date_trunc('month', stamp())",
    "SELECT id FROM <deals> WHERE id IS DISTINCT FROM big()",
    "SELECT id FROM <deals> WHERE is_archived = (id > big())",
    "SELECT d.id FROM lt JOIN <deals> d ON d.id = lt.txt::bigint",
    "SELECT d.id FROM lt JOIN <deals> d ON lt.txt::bigint = d.id AND d.value > lt.num",
    "SELECT d.id FROM lt JOIN <deals> d ON d.id = (lt.j->>'id')::bigint",
    "SELECT d.id FROM lt JOIN <deals> d ON d.id = lt.arr[1]",
    "SELECT d.id FROM lt JOIN <deals> d ON d.id = lt.num::bigint",
    "SELECT d.id FROM lt JOIN <deals> d ON d.id = lt.num",
    "SELECT d.id FROM lt JOIN <deals> d ON d.id = ANY (lt.arr)",
    "SELECT d.id FROM lt JOIN <deals> d ON d.id IN (lt.id, lt.txt::bigint)",
    "SELECT d.id FROM lt JOIN <deals> d ON d.id = coalesce(lt.txt::bigint, 0)",
    "SELECT d.id FROM lt JOIN <deals> d ON d.id = CASE WHEN lt.id > 20 THEN lt.id ELSE 3 END",
    "SELECT d.id FROM lt JOIN <deals> d ON d.title = lt.vc",
    "SELECT d.id FROM lt JOIN <deals> d ON d.update_time > lt.at::date AND d.id = lt.id",
    "SELECT d.id FROM lt JOIN <deals> d ON d.update_time > lt.at AND d.id = lt.txt::int",
    "SELECT d.id FROM lt JOIN <deals> d ON d.update_time > lt.at::text::timestamp + span() AND d.id = lt.id",
    "SELECT lt.id, d.title FROM lt LEFT JOIN <deals> d ON d.id = lt.txt::bigint",
    "SELECT lt.id, d.id, s.id FROM lt JOIN <deals> d ON d.id = lt.txt::bigint "
    "LEFT JOIN <stages> s ON s.id = (d.stage_id::text)::bigint",
    "SELECT d.id FROM <deals> d FULL JOIN lt ON d.id = lt.txt::bigint",
    "SELECT id FROM <deals> WHERE id IN (SELECT txt::bigint FROM lt)",
    "SELECT id FROM <deals> WHERE id NOT IN (SELECT txt::bigint FROM lt)",
    "SELECT id FROM <deals> d WHERE EXISTS (SELECT 1 FROM lt WHERE lt.txt::bigint = d.id)",
    "SELECT id FROM <deals> d WHERE NOT EXISTS (SELECT 1 FROM lt WHERE lt.txt::bigint = d.id)",
    "SELECT lt.id, (SELECT d.title FROM <deals> d WHERE d.id = lt.txt::bigint) FROM lt",
    "SELECT lt.id, (SELECT count(*) FROM <deals> d WHERE d.id > lt.arr[1]) FROM lt",
    "SELECT lt.id, x.n FROM lt, LATERAL (SELECT count(*) AS n FROM <deals> d WHERE d.title <= lt.vc || '') x",
    "SELECT lt.id FROM lt WHERE lt.id = (SELECT s.id FROM <stages> s WHERE s.id = length(lt.txt))",
    "SELECT d.id FROM (VALUES ('3'), ('4')) v (x) JOIN <deals> d ON d.id = v.x::bigint",
    "SELECT d.id FROM unnest(string_to_array('3,4', ',')) x JOIN <deals> d ON d.id = x::bigint",
    "SELECT d.id FROM generate_series(1, 3) x JOIN <deals> d ON d.id = x",
    "SELECT a.id FROM <deals> d JOIN <activities> a ON a.deal_id = d.id::text::bigint WHERE d.id < 9",
    "SELECT a.id FROM <activities> a JOIN <deals> d ON a.due_date < d.update_time::date WHERE d.id < 4",
    "SELECT d.id FROM lt LEFT JOIN (SELECT coalesce(id, 0) AS x FROM lt) y ON y.x = lt.id "
    "JOIN <deals> d ON d.id = y.x",
    "SELECT d.id FROM lt LEFT JOIN <leads> l ON l.id = lt.lead::uuid JOIN <deals> d ON d.id = lt.id",
    "SELECT l.id FROM lt JOIN <leads> l ON l.id = lt.lead",
    "SELECT id FROM <deals> WHERE value > (SELECT avg(value) FROM copy_of_deals)",
    "SELECT id FROM <deals> WHERE id = (SELECT count(*) FROM lt WHERE lt.id < <deals>.stage_id)",
    "SELECT id FROM <deals> UNION ALL SELECT id FROM <activities> WHERE due_date < now()",
    "WITH c AS MATERIALIZED (SELECT day() AS x) SELECT d.id FROM <deals> d, c WHERE d.update_time < c.x",
)


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9, "cache_ttl": 3600}
    with LiveAccount(
        server, seed=4, deals=60, tables=TABLES, options=options, burst=100_000, budget=10**9
    ) as live:
        for table in TABLES:
            live.run(f"CREATE TABLE copy_of_{table} AS SELECT * FROM {table}")
        prepare(live)
        live.run("ANALYZE")
        yield live
        live.run("DROP SCHEMA mine CASCADE")


def prepare(live: LiveAccount) -> None:
    live.run("SET app.id = '7'; SET TIMEZONE = 'America/Caracas'")
    live.run("CREATE DOMAIN a_day AS date CHECK (VALUE > '2000-01-01')")
    live.run("CREATE TYPE a_pair AS (day date, big bigint)")
    live.run("CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    live.run("CREATE SCHEMA mine")
    live.run("CREATE FUNCTION mine.alike (text, text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql "
             "AS 'BEGIN RETURN lower($1) = lower($2); END'")  # fmt: skip
    live.run("CREATE OPERATOR mine.= (FUNCTION = mine.alike, LEFTARG = text, RIGHTARG = text)")
    values = {
        "time": live.value(
            "SELECT (percentile_disc(0.5) WITHIN GROUP (ORDER BY update_time))::timestamp(0) "
            "FROM copy_of_deals"
        ),
        "clock": live.value("SELECT coalesce(max(due_time), '12:00') FROM copy_of_activities"),
        "title": live.value("SELECT title FROM copy_of_deals WHERE id = 7"),
        "lead": live.value("SELECT id FROM copy_of_leads ORDER BY id LIMIT 1"),
    }
    live.run(f"SET app.title = '{values['title']}'")
    for name, (of_type, value) in FUNCTIONS.items():
        live.run(
            f"CREATE FUNCTION {name} () RETURNS {of_type} STABLE LANGUAGE plpgsql "
            f"AS $$ BEGIN RETURN $t${value.format(**values)}$t$::{of_type}; END $$"
        )
    live.run(
        "CREATE TABLE lt AS SELECT id, id::text AS txt, jsonb_build_object('id', id) AS j, "
        "ARRAY[id, 1] AS arr, id::numeric AS num, title::varchar AS vc, update_time::timestamp AS at, "
        f"'{values['lead']}'::uuid AS lead FROM copy_of_deals WHERE id % 7 = 0"
    )


def both(account: LiveAccount, sql: str) -> tuple[Counter[str], Counter[str]]:
    """What the foreign tables answer, after they have explained it, and what the copies do."""
    theirs, ours = sql, sql
    for table in TABLES:
        theirs, ours = theirs.replace(f"<{table}>", table), ours.replace(f"<{table}>", f"copy_of_{table}")
    account.plan(theirs)
    return Counter(map(repr, account.rows(theirs))), Counter(map(repr, account.rows(ours)))


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_column_is_compared_with_anything(account: LiveAccount, table: str, column: str) -> None:
    operands = [operand.strip() for operand in dict(COMPARED[table])[column]]
    wrong, compared = [], 0
    for operand in filter(None, operands):
        for operator in OPERATORS:
            try:
                account.rows(f"SELECT 1 FROM copy_of_{table} WHERE {column} {operator} ({operand}) LIMIT 1")
            except psycopg.errors.UndefinedFunction:
                continue  # the types do not compare
            compared += 1
            for condition in (f"{column} {operator} ({operand})", f"({operand}) {operator} {column}"):
                got, wanted = both(account, f"SELECT id FROM <{table}> WHERE {condition}")
                if got != wanted:
                    wrong.append((condition, len(got), len(wanted)))
    assert wrong == []
    assert compared >= 6


@pytest.mark.parametrize("loops", [False, True], ids=["as it plans", "nested loops"])
@pytest.mark.parametrize("sql", QUERIES, ids=lambda sql: sql[:90])
def test_rows_are_those_of_plain_tables(account: LiveAccount, sql: str, loops: bool) -> None:
    account.run(f"SET enable_hashjoin = {not loops}; SET enable_mergejoin = {not loops}")
    try:
        got, wanted = both(account, sql)
    finally:
        account.run("RESET enable_hashjoin; RESET enable_mergejoin")
    assert got == wanted


def test_a_time_without_zone_means_the_session_s(account: LiveAccount) -> None:
    for zone in ("Asia/Tokyo", "America/Caracas", "UTC", "Pacific/Kiritimati"):
        with account.session() as session:
            session.execute(f"SET TimeZone = '{zone}'")
            for operator in OPERATORS:
                sql = f"SELECT count(*) FROM {{}} WHERE update_time {operator} stamp()"
                got, wanted = (
                    session.execute(sql.format(table)).fetchone()  # type: ignore[call-overload]
                    for table in ("deals", "copy_of_deals")
                )
                assert got == wanted


# Further from UTC than a zone with a name is, also by an hour of summer
FAR_ZONES = ("<+99>-99", "<-99>99", "A/B-99", "ABC90ABD-90", "ABC10ABD-10,J60,J300")
NEAR_A_TIME = (
    "{0} >= timestamp '{1}'",
    "{0} <= timestamp '{1}'",
    "{0}::date = timestamp '{1}' AT TIME ZONE '{2}' AT TIME ZONE '{2}'",
    "{0} AT TIME ZONE '{2}' >= '{1}'",
    "{0} AT TIME ZONE '{2}' <= '{1}'",
    "{0} AT TIME ZONE interval '-99:30' <= '{1}'",
    "{0} + interval '3 days' >= timestamptz '{1}' + interval '3 days'",
    "{0} - interval '3 days' >= timestamptz '{1}' - interval '3 days'",
    "date_trunc('month', {0}) = date_trunc('month', timestamptz '{1}')",
    # A time with a zone and one without
    "date_trunc('hour', {0}) >= date_trunc('hour', timestamp '{1}')",
    "date_trunc('hour', {0}) <= timestamp '{1}'",
    "date_trunc('day', {0}, '{2}') IN (date '{1}', date '{1}' + 1)",
    "{0} AT TIME ZONE '{2}' >= timestamptz '{1}'",
    "date_trunc('minute', {0} AT TIME ZONE '{2}') <= timestamptz '{1}'",
    "{0}::timestamp BETWEEN timestamptz '{1}' AND timestamptz '{1}' + interval '1 day'",
    "{0}::date <= timestamptz '{1}'",
)


@pytest.mark.parametrize("zone", [*FAR_ZONES, "Pacific/Kiritimati", "America/Caracas"])
def test_a_zone_may_be_far_from_utc(account: LiveAccount, zone: str) -> None:
    with account.session() as session:
        session.execute(f"SET TimeZone = '{zone}'")  # type: ignore[arg-type]
        moments = session.execute(
            "SELECT DISTINCT update_time::timestamp::text FROM copy_of_deals "
            "WHERE update_time IS NOT NULL ORDER BY 1"
        ).fetchall()
        for (moment,) in moments[:: len(moments) // 12]:
            for condition in NEAR_A_TIME:
                where = condition.format("update_time", moment, zone)
                got, wanted = (
                    session.execute(f"SELECT id FROM {table} WHERE {where} ORDER BY id").fetchall()  # type: ignore[arg-type]  # noqa: S608
                    for table in ("deals", "copy_of_deals")
                )
                assert got == wanted, where


@pytest.mark.parametrize("zone", FAR_ZONES)
def test_a_day_may_begin_far_from_utc(account: LiveAccount, zone: str) -> None:
    with account.session() as session:
        session.execute(f"SET TimeZone = '{zone}'")  # type: ignore[arg-type]
        days = session.execute(
            "SELECT DISTINCT due_date::text, (due_date::timestamptz AT TIME ZONE 'UTC')::text "
            "FROM copy_of_activities WHERE due_date IS NOT NULL ORDER BY 1 LIMIT 4"
        ).fetchall()
        for (day, begin), operator, hours in product(days, ("<", "<=", ">=", ">"), (-1, 0, 1)):
            time = f"timestamptz '{begin}+00' + interval '{hours} hours'"
            where = f"due_date = '{day}' AND due_date {operator} {time}"
            got, wanted = (
                session.execute(f"SELECT id FROM {table} WHERE {where} ORDER BY id").fetchall()  # type: ignore[arg-type]  # noqa: S608
                for table in ("activities", "copy_of_activities")
            )
            assert got == wanted, where


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
def test_parameters_are_cast(account: LiveAccount, mode: str) -> None:
    account.run(f"SET plan_cache_mode = {mode}")
    for prefix, name in (("", "theirs"), ("copy_of_", "ours")):
        account.run(
            f"PREPARE {name} (text, date, text[]) AS SELECT id FROM {prefix}deals WHERE id >= $1::bigint "
            "AND update_time > $2 AND id = ANY ($3::bigint[]) "
            "AND stage_id IN (1, 2, 3, $1::bigint) ORDER BY id"
        )
    try:
        for values in (
            "'2', '2020-01-01', '{1,2,7,9,12}'",
            "'3', day(), '{7,9,12,14}'",
            "NULL, day(), '{7}'",
        ):
            assert account.rows(f"EXECUTE theirs ({values})") == account.rows(f"EXECUTE ours ({values})")
    finally:
        account.run("DEALLOCATE ALL; RESET plan_cache_mode")


def test_a_change_is_joined_by_a_cast_key(account: LiveAccount) -> None:
    account.run("UPDATE deals d SET title = 'joined' FROM lt WHERE d.id = lt.txt::bigint AND lt.id < 20")
    changed = account.rows("SELECT id FROM deals WHERE title = 'joined' ORDER BY id")
    assert changed == account.rows("SELECT id FROM lt WHERE id < 20 ORDER BY id")
    account.run("UPDATE deals d SET title = c.title FROM copy_of_deals c WHERE c.id::text::bigint = d.id "
                "AND d.title = 'joined'")  # fmt: skip
    assert account.rows("SELECT id, title FROM deals ORDER BY 1") == account.rows(
        "SELECT id, title FROM copy_of_deals ORDER BY 1"
    )


def test_a_cast_key_is_looked_up(account: LiveAccount) -> None:
    account.run("SET enable_hashjoin = off; SET enable_mergejoin = off")
    with LiveAccount(
        account.server, account.simulator, tables=["deals"], options={"max_tokens_per_query": 10**9}
    ) as uncached:
        asked = uncached.asked(
            "SELECT d.title FROM (VALUES ('3'), ('x4')) v (x) JOIN deals d ON d.id = ltrim(v.x, 'x')::bigint"
        )
    account.run("RESET enable_hashjoin; RESET enable_mergejoin")
    assert [request["path"] for request in asked if "Fields" not in request["path"]] == [
        "/api/v2/deals/3",
        "/api/v2/deals/4",
    ]


def test_a_plan_shows_the_expressions_of_the_query(account: LiveAccount) -> None:
    sql = "SELECT add_time < now()::date, count(*) FROM deals WHERE update_time < now()::date GROUP BY 1"
    shown = [line.strip() for line in account.plan(sql)]
    assert "Group Key: ((add_time < (now())::date))" in shown
    assert "Filter: (update_time < (now())::date)" in shown
    assert "Multicorn: Pushed: update_time < (now())::date" in shown


def test_an_explained_key_that_has_no_value_yet_is_no_crash(account: LiveAccount) -> None:
    for key in ("(SELECT key())", "ANY (ARRAY(SELECT lead FROM lt))"):
        assert account.plan(f"SELECT title FROM leads WHERE id = {key}")[0].startswith(
            "Foreign Scan on leads"
        )


def test_an_expression_of_any_depth_is_a_condition(account: LiveAccount) -> None:
    """What is nested deeper than Python is told is left to PostgreSQL."""
    for depth in (10, 100, 1500):
        plus = " + 1" * depth
        for values in (f"SELECT id{plus} FROM <users>", f"SELECT {depth + 3}"):
            sql = f"SELECT id, name FROM <users> WHERE id{plus} IN ({values}) AND id{plus} < {depth + 5}"
            wanted = account.rows(sql.replace("<users>", "copy_of_users"))
            assert wanted
            assert Counter(account.rows(sql.replace("<users>", "users"))) == Counter(wanted)
    known = "id = 1"
    for n in range(150):
        known = f"NOT ({known} AND name <> 'nobody {n}')"
    assert account.rows(f"SELECT id FROM users WHERE {known}") == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM <users> u ORDER BY u LIMIT 1",
        "SELECT id FROM <users> u ORDER BY u DESC OFFSET 2",
        "SELECT count(*) FROM <stages> s GROUP BY s ORDER BY s",
        "SELECT DISTINCT s FROM <stages> s ORDER BY s",
        "SELECT DISTINCT ON (s.pipeline_id) s FROM <stages> s ORDER BY s.pipeline_id, s",
        "SELECT id, rank() OVER (ORDER BY s) FROM <stages> AS s ORDER BY 1",
        "SELECT array_agg(s.id ORDER BY s DESC) FROM <stages> s",
        "SELECT id FROM (SELECT s, id FROM <stages> s OFFSET 0) x ORDER BY s",
        "SELECT s FROM <stages> s UNION SELECT s FROM <stages> s ORDER BY 1",
        "SELECT s.id FROM <stages> s JOIN <stages> t ON s = t ORDER BY s, t",
        "SELECT s.id FROM <stages> s WHERE s >= (SELECT t FROM <stages> t WHERE t.id = 3) ORDER BY s",
    ],
)
def test_whole_rows_are_sorted_grouped_and_compared(account: LiveAccount, sql: str) -> None:
    """Multicorn looked for the name of a column that is none: a crash."""
    theirs, ours = sql, sql
    for table in TABLES:
        theirs, ours = theirs.replace(f"<{table}>", table), ours.replace(f"<{table}>", f"copy_of_{table}")
    account.plan(theirs)
    assert account.rows(theirs) == account.rows(ours) != []


HIDING = "; ".join(f"CREATE DOMAIN pg_temp.{name} AS pg_catalog.{name}" for name in ("text", "date", "jsonb"))


@pytest.mark.parametrize("hiding", ["", HIDING], ids=["shown", "hidden"])
@pytest.mark.parametrize("quotes", ["off", "on"])
def test_types_are_known_whatever_the_session_calls_them(
    account: LiveAccount, hiding: str, quotes: str
) -> None:
    """PostgreSQL's name of the type text is then "text", with quotes, or pg_catalog.text."""
    sql = (
        "SELECT id FROM deals WHERE status = 'open' AND update_time > day() AND title >= word() "
        "AND id = ANY (bigs())"
    )
    pushed = [line for line in account.plan(sql) if "Multicorn" in line]
    rows = account.rows(sql)
    with account.session() as session:
        session.execute(f"SET quote_all_identifiers = {quotes}; {hiding}")  # type: ignore[arg-type]
        plan = session.execute(f"EXPLAIN (COSTS OFF) {sql}").fetchall()  # type: ignore[arg-type]
        assert [line.replace('"', "") for (line,) in plan if "Multicorn" in line] == pushed
        assert sorted(session.execute(sql).fetchall()) == sorted(rows)  # type: ignore[arg-type]
