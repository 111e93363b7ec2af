"""Random statements with a condition that fails when it is evaluated, in every place where one can stand."""

from __future__ import annotations

from dataclasses import dataclass

from tests.property.chance import Chance

# What the conditions call. Each function is STABLE, so that the planner may evaluate it.
FUNCTIONS = """
    CREATE TABLE ta AS SELECT i AS id, (i * 3 % 50)::bigint AS deal_id, 'word ' || i AS word
      FROM generate_series(1, 40) i;
    CREATE TABLE log (entry text);
    CREATE FUNCTION raises() RETURNS text STABLE LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'raised here' USING ERRCODE = 'ZZ001'; END $$;
    CREATE FUNCTION raises_later(n bigint) RETURNS bigint STABLE LANGUAGE plpgsql AS
      $$ BEGIN IF n > 20 THEN RAISE EXCEPTION 'raised late' USING ERRCODE = 'ZZ002'; END IF; RETURN n; END $$;
    CREATE FUNCTION swallows() RETURNS bigint STABLE LANGUAGE plpgsql AS
      $$ BEGIN PERFORM 1 / 0; RETURN 1; EXCEPTION WHEN division_by_zero THEN RETURN 3; END $$;
    CREATE FUNCTION me() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT min(id) FROM users';
    CREATE FUNCTION me_in_plpgsql() RETURNS bigint STABLE LANGUAGE plpgsql AS
      $$ DECLARE found bigint; BEGIN SELECT min(u.id) INTO found FROM users u JOIN ta ON ta.id = u.id;
      RETURN found; END $$;
    CREATE FUNCTION me_raises() RETURNS bigint STABLE LANGUAGE plpgsql AS
      $$ BEGIN PERFORM count(*) FROM users; RAISE EXCEPTION 'after a scan' USING ERRCODE = 'ZZ003'; END $$;
    CREATE FUNCTION me_swallows() RETURNS bigint STABLE LANGUAGE plpgsql AS
      $$ BEGIN PERFORM count(*) FROM users WHERE name ~ 'a['; RETURN 1;
      EXCEPTION WHEN invalid_regular_expression THEN RETURN (SELECT max(id) FROM users); END $$;
    CREATE FUNCTION me_half() RETURNS bigint STABLE LANGUAGE plpgsql AS
      $$ DECLARE one record; BEGIN FOR one IN SELECT id FROM persons ORDER BY id LOOP
      IF one.id > 3 THEN RAISE EXCEPTION 'in a loop' USING ERRCODE = 'ZZ004'; END IF; END LOOP; END $$;
    CREATE FUNCTION deep(n int) RETURNS bigint STABLE LANGUAGE plpgsql AS
      $$ BEGIN RETURN deep(n + 1); END $$;
    CREATE FUNCTION deep_scan(n int) RETURNS bigint STABLE LANGUAGE plpgsql AS
      $$ BEGIN IF n > 40 THEN RETURN deep(1); END IF;
      RETURN (SELECT count(*) FROM stages s WHERE s.id = deep_scan(n + 1)); END $$;
    CREATE FUNCTION estimate(query text) RETURNS bigint LANGUAGE plpgsql AS
      $$ DECLARE line record; BEGIN FOR line IN EXECUTE 'EXPLAIN ' || query LOOP RETURN 1; END LOOP; END $$
"""
# On a deal x
CONDITIONS = (
    "x.title ~ 'a['",
    "x.title !~* ('(' || 'x')",
    "x.title SIMILAR TO '%['",
    "regexp_match(x.title, '*') IS NULL",
    "x.add_time > ('2025-02-30'::text)::date",
    "x.add_time::date = ('tomorrowish'::text)::date",
    "x.id = ('abc'::text)::bigint",
    "x.owner_id = ANY (('{1,x}'::text)::bigint[])",
    "x.title::date IS NOT NULL",
    "x.value > ('1e'::text)::numeric",
    "x.is_archived = ('maybe'::text)::boolean",
    "x.attrs ->> 'title' = ('{'::text)::jsonb ->> 'x'",
    "x.attrs @? ('$.['::text)::jsonpath",
    "x.add_time < now() + ('300000 years'::text)::interval",
    "x.add_time > to_timestamp('99', 'YYYY-MM-DD HH24:MI:XX')",
    "extract(wrong FROM x.add_time) = 2",
    "x.add_time AT TIME ZONE ('Mars/Olympus'::text) > '2020-01-01'",
    "date_trunc('fortnight'::text, x.add_time) > '2020-01-01'",
    "x.title = current_setting('app.missing')",
    "x.owner_id = current_setting('work_mem')::bigint",
    "x.id / 0 = 1",
    "1 / (x.id - x.id) = 1",
    "x.id = 1 / (SELECT 0)",
    "x.value > sqrt((-1)::numeric)",
    "x.id = (SELECT id FROM stages)",
    "x.id = (SELECT deal_id FROM ta)",
    "x.title = raises()",
    "x.owner_id = raises_later(x.id)",
    "x.id = raises_later(30)",
    "x.owner_id = swallows()",
    "x.owner_id = me()",
    "x.owner_id = me_in_plpgsql()",
    "x.owner_id = me_raises()",
    "x.owner_id = me_swallows()",
    "x.owner_id = me_half()",
    "x.person_id IN (SELECT id FROM persons WHERE owner_id = me_raises())",
    "x.id = deep(1)",
    "x.id = deep_scan(1)",
    "x.title = repeat('xx', 2000000000)",
    "estimate('SELECT * FROM deals d JOIN ta ON ta.deal_id = d.id WHERE d.title ~ ''a[''') = x.id",
    "estimate('SELECT * FROM deals d JOIN ta ON ta.deal_id = d.id') = 1",
    "x.owner_id IN (1, 2)",
)
FORMS = (
    "SELECT x.id, x.title FROM deals x WHERE {c}",
    "SELECT count(*) FROM deals x WHERE {c}",
    "SELECT x.title FROM ta JOIN deals x ON x.id = ta.deal_id WHERE {c}",
    "SELECT x.title FROM ta LEFT JOIN deals x ON x.id = ta.deal_id AND {c}",
    "SELECT x.title FROM persons p JOIN deals x ON x.person_id = p.id WHERE {c} AND p.id < 9",
    "SELECT p.id FROM persons p JOIN deals x ON x.person_id = p.id JOIN ta ON ta.deal_id = x.id WHERE {c}",
    "SELECT ta.id FROM ta WHERE EXISTS (SELECT FROM deals x WHERE x.id = ta.deal_id AND {c})",
    "SELECT ta.id FROM ta WHERE NOT EXISTS (SELECT FROM deals x WHERE x.id = ta.deal_id AND {c})",
    "SELECT ta.id FROM ta WHERE ta.deal_id IN (SELECT x.id FROM deals x WHERE {c})",
    "SELECT p.id FROM persons p WHERE p.id NOT IN (SELECT x.person_id FROM deals x WHERE {c})",
    "SELECT ta.id, (SELECT max(x.title) FROM deals x WHERE x.id = ta.deal_id AND {c}) FROM ta",
    "SELECT s.title FROM ta, LATERAL (SELECT x.title FROM deals x WHERE x.id = ta.deal_id AND {c} LIMIT 1) s",
    "SELECT s.n FROM ta LEFT JOIN LATERAL (SELECT count(*) AS n FROM deals x WHERE x.id = ta.deal_id AND "
    "{c}) s ON true",
    "SELECT x.id, {c} AS judged FROM deals x",
    "SELECT x.id FROM deals x ORDER BY {c}, x.id",
    "SELECT x.owner_id, count(*) FROM deals x GROUP BY 1, {c}",
    "SELECT count(*) FILTER (WHERE {c}) FROM deals x",
    "SELECT x.id FROM deals x WHERE CASE WHEN x.id > 5 THEN {c} ELSE false END",
    "SELECT x.id FROM deals x WHERE x.id = 3 OR {c}",
    "SELECT x.id FROM deals x WHERE NOT ({c}) LIMIT 3",
    "SELECT id FROM deals x WHERE {c} UNION ALL SELECT id FROM persons",
    "WITH w AS MATERIALIZED (SELECT * FROM deals x WHERE {c}) SELECT w.id FROM w JOIN ta ON ta.deal_id = "
    "w.id",
    "WITH RECURSIVE w (id) AS (SELECT 1::bigint UNION ALL SELECT x.id + 1 FROM w JOIN deals x ON x.id = "
    "w.id WHERE {c}) "
    "SELECT count(*) FROM w",
    "UPDATE deals x SET title = 'failing' WHERE {c} AND x.id < 4",
    "UPDATE deals x SET title = 'failing' FROM ta WHERE ta.deal_id = x.id AND {c} AND x.id < 4",
    "UPDATE deals x SET title = CASE WHEN {c} THEN 'a' ELSE 'b' END WHERE x.id = 3",
    "UPDATE deals x SET title = 'failing' WHERE x.id = 2 RETURNING {c}",
    "UPDATE ta SET word = x.title FROM deals x WHERE x.id = ta.deal_id AND {c}",
    "DELETE FROM activities a USING deals x WHERE x.id = a.deal_id AND {c} AND a.id < 3",
    "DELETE FROM activities a WHERE a.id < 3 AND EXISTS (SELECT FROM deals x WHERE x.id = a.deal_id AND {c})",
    "INSERT INTO activities (subject) SELECT x.title FROM deals x WHERE {c} AND x.id < 3",
    "INSERT INTO log SELECT x.title FROM deals x JOIN ta ON ta.deal_id = x.id WHERE {c}",
    "EXPLAIN SELECT x.title FROM ta JOIN deals x ON x.id = ta.deal_id WHERE {c}",
    "EXPLAIN ANALYZE SELECT x.title FROM ta JOIN deals x ON x.id = ta.deal_id WHERE {c}",
    "EXPLAIN (VERBOSE, FORMAT JSON) UPDATE deals x SET title = 'x' FROM ta WHERE ta.deal_id = x.id AND {c}",
    "CREATE TEMP TABLE made AS SELECT x.id FROM deals x WHERE {c}",
)
# Around a statement, which stands in {s}
AROUND = (
    "{s}",
    "{s}",
    "{s}",
    "BEGIN; SAVEPOINT a; {s}",
    "DO $do$ BEGIN EXECUTE $s${s}$s$; END $do$",
    "DO $do$ BEGIN BEGIN EXECUTE $s${s}$s$; EXCEPTION WHEN OTHERS THEN NULL; END; PERFORM count(*) FROM "
    "stages; END $do$",
    "DO $do$ BEGIN FOR i IN 1..3 LOOP BEGIN EXECUTE $s${s}$s$; EXCEPTION WHEN OTHERS THEN NULL; END; END "
    "LOOP; END $do$",
    "BEGIN; DECLARE c CURSOR FOR SELECT id FROM persons; FETCH 2 FROM c; {s}; FETCH ALL FROM c",
)
SETTINGS = (
    "SET enable_hashjoin = off; SET enable_mergejoin = off",
    "SET enable_nestloop = off",
    "SET enable_material = off",
    "SET plan_cache_mode = force_generic_plan",
    "SET plan_cache_mode = force_custom_plan",
    "SET constraint_exclusion = on",
    "SET jit = on; SET jit_above_cost = 0",
    "SET max_stack_depth = '200kB'",
)


@dataclass(frozen=True)
class Failing:
    """*sql*; with *prepared* as a prepared statement of no parameters; what may strike it.

    timeout  of the statement in milliseconds, 0 for none
    cancel   after so many milliseconds, 0 for never
    latency  of each answer of the API in milliseconds
    """

    sql: str
    prepared: bool
    settings: tuple[str, ...]
    timeout: int
    cancel: int
    latency: int


def draw_failing(chance: Chance) -> Failing:
    condition = chance.pick(CONDITIONS)
    if chance.odds(6):
        condition = f"{chance.pick(CONDITIONS)} {chance.pick(('AND', 'OR'))} {condition}"
    sql = chance.pick(FORMS).format(c=f"({condition})")
    strikes = chance.odds(4)
    prepared = not strikes and not sql.startswith(("EXPLAIN", "CREATE")) and chance.odds(5)
    if not prepared:
        sql = chance.pick(AROUND).replace("{s}", sql)
    return Failing(
        sql,
        prepared,
        tuple(chance.some(SETTINGS, 0, 3)),
        chance.number(1, 80) if strikes and chance.odds(2) else 0,
        chance.number(1, 60) if strikes and chance.odds(2) else 0,
        chance.pick((0, 2, 10)) if strikes else 0,
    )
