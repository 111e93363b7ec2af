"""What the SQL of reporting tools, dbt and drivers costs, in their own words: a second part of costs.py.

*local_persons* is a copy of persons. Its latest update_time is 2026-09-01 08:54:37 UTC.
"""

from __future__ import annotations

from tests.e2e.costs import Cost

ALL_PERSONS, ALL_DEALS = ("/v2/persons x2",), ("/v2/deals x3", "/v2/deals/archived")
JUNE = "/v2/persons?updated_since=2026-06-01T00:00:00Z&updated_until=2026-07-01T00:00:00Z"
IN_2026 = "updated_since=2026-01-01T00:00:00Z&updated_until=2027-01-01T00:00:01Z"
LATEST = "/v2/persons?sort_by=update_time&sort_direction=desc"

SUPERSET = (
    Cost(
        "SELECT DATE_TRUNC('month', update_time) AS update_time, COUNT(*) AS count FROM persons WHERE "
        "update_time >= TO_TIMESTAMP('2026-06-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') AND "
        "update_time < TO_TIMESTAMP('2026-07-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') "
        "GROUP BY DATE_TRUNC('month', update_time) ORDER BY count DESC LIMIT 10000",
        10,
        (JUNE,),
    ),
    Cost(
        "SELECT owner_id AS owner_id, COUNT(*) AS count FROM (SELECT * FROM persons) AS virtual_table "
        "WHERE owner_id IN (2) GROUP BY owner_id ORDER BY count DESC LIMIT 1000",
        10,
        ("/v2/persons?owner_id=2",),
    ),
    Cost(
        "SELECT status AS status FROM deals WHERE status IN ('won', 'lost') GROUP BY status LIMIT 1000",
        30,
        ("/v2/deals/archived?status=won,lost", "/v2/deals?status=won,lost"),
    ),
    Cost("SELECT * FROM persons LIMIT 100 OFFSET 0", 10, ("/v2/persons?limit=100",)),
)

METABASE = (
    Cost(
        'SELECT COUNT(*) AS "count" FROM "persons" WHERE ("persons"."update_time" >= timestamp with time '
        'zone \'2026-06-01 00:00:00.000Z\') AND ("persons"."update_time" < timestamp with time zone '
        "'2026-07-01 00:00:00.000Z')",
        10,
        (JUNE,),
    ),
    Cost(  # a filter of several values
        'SELECT COUNT(*) AS "count" FROM "deals" WHERE ("deals"."status" = \'won\') OR '
        '("deals"."status" = \'lost\')',
        30,
        ("/v2/deals/archived?status=won,lost", "/v2/deals?status=won,lost"),
    ),
    Cost(
        'SELECT * FROM "persons" WHERE (LOWER("persons"."name") LIKE \'%anna%\') AND '
        '("persons"."owner_id" = 2) LIMIT 2000',
        10,
        ("/v2/persons?owner_id=2",),
    ),
)

LOOKER = (
    Cost(
        'SELECT (DATE(persons."update_time" )) AS "persons.update_date", COUNT(*) AS "persons.count" FROM '
        "persons WHERE ((( persons.\"update_time\" ) >= (TIMESTAMP '2026-06-01') AND "
        "( persons.\"update_time\" ) < (TIMESTAMP '2026-07-01'))) GROUP BY 1 ORDER BY 1 DESC "
        "FETCH NEXT 500 ROWS ONLY",
        10,
        (JUNE,),
    ),
    Cost(
        "SELECT COUNT(*) FROM persons WHERE ((DATE_TRUNC('month', DATE_TRUNC('month', "
        "persons.update_time )) = (TIMESTAMP '2026-06-01')))",
        10,
        ("/v2/persons?updated_since=2026-06-01T00:00:00Z&updated_until=2026-08-02T00:00:01Z",),
    ),
)

TABLEAU = (
    Cost(
        'SELECT CAST(TRUNC(EXTRACT(YEAR FROM "persons"."update_time")) AS INTEGER) AS "yr:update_time:ok", '
        'SUM(1) AS "cnt" FROM "persons" "persons" WHERE '
        '(CAST(TRUNC(EXTRACT(YEAR FROM "persons"."update_time")) AS INTEGER) = 2026) GROUP BY 1',
        10,
        (f"/v2/persons?{IN_2026}",),
    ),
    Cost(
        'SELECT COUNT(1) FROM "persons" WHERE (("persons"."update_time" >= (TIMESTAMP \'2026-06-01 '
        '00:00:00.000\')) AND ("persons"."update_time" < (TIMESTAMP \'2026-07-01 00:00:00.000\')))',
        10,
        (JUNE,),
    ),
    Cost(
        'SELECT COUNT(1) FROM "persons" WHERE (DATE_TRUNC( \'MONTH\', CAST("persons"."update_time" AS '
        "TIMESTAMP WITHOUT TIME ZONE) ) = (TIMESTAMP '2026-06-01 00:00:00.000'))",
        10,
        ("/v2/persons?updated_since=2026-06-01T00:00:00Z&updated_until=2026-07-02T00:00:01Z",),
    ),
    Cost(
        'SELECT SUM("deals"."value") FROM "deals" WHERE (("deals"."status" IN (\'lost\', \'won\')) AND '
        '(CAST(TRUNC(EXTRACT(YEAR FROM "deals"."update_time")) AS INTEGER) = 2026)) HAVING (COUNT(1) > 0)',
        30,
        (f"/v2/deals/archived?status=lost,won&{IN_2026}", f"/v2/deals?status=lost,won&{IN_2026}"),
    ),
)

POWER_BI = (
    Cost(
        'select "_"."id", "_"."name" from (select * from "persons" "_" where "_"."update_time" >= timestamp '
        '\'2026-06-01 00:00:00\' and "_"."update_time" < timestamp \'2026-07-01 00:00:00\') "_" '
        "limit 1000001",
        10,
        (JUNE,),
    ),
    Cost(  # a slicer of several values
        'select "_"."owner_id", count(*) from "persons" "_" where "_"."owner_id" = 2 or "_"."owner_id" = 3 '
        'or "_"."owner_id" is null and false group by "_"."owner_id"',
        20,
        ("/v2/persons?owner_id=2", "/v2/persons?owner_id=3"),
    ),
    Cost(  # dates of an incremental refresh
        "select count(*) from persons where update_time >= cast('2026-06-01 00:00:00' as timestamp) and "
        "update_time < cast('2026-07-01 00:00:00' as timestamp)",
        10,
        (JUNE,),
    ),
)

GRAFANA = (
    Cost(  # $__timeFilter and $__timeGroup
        'SELECT floor(extract(epoch from update_time)/3600)*3600 AS "time", count(*) FROM persons WHERE '
        "update_time BETWEEN '2026-06-01T00:00:00Z' AND '2026-07-01T00:00:00Z' GROUP BY 1 ORDER BY 1",
        10,
        ("/v2/persons?updated_since=2026-06-01T00:00:00Z&updated_until=2026-07-01T00:00:01Z",),
    ),
    Cost(  # $__unixEpochFilter
        "SELECT count(*) FROM persons WHERE extract(epoch from update_time) >= 1780272000 AND "
        "extract(epoch from update_time) <= 1782864000",
        10,
        ("/v2/persons?updated_since=2026-05-31T23:59:59Z&updated_until=2026-07-01T00:00:02Z",),
    ),
)

SNAPSHOT = (
    "WITH src AS (SELECT *, md5(coalesce(cast(id as varchar), '')) AS dbt_scd_id FROM persons), snap AS "
    "(SELECT * FROM local_persons), insertions AS (SELECT 'insert' AS dbt_change_type, src.* FROM src "
    "LEFT JOIN snap ON snap.id = src.id WHERE snap.id IS NULL OR snap.update_time < src.update_time), "
    "updates AS (SELECT 'update' AS dbt_change_type, src.* FROM src JOIN snap ON snap.id = src.id "
    "WHERE snap.update_time < src.update_time), deletes AS (SELECT snap.id FROM snap LEFT JOIN src "
    "ON snap.id = src.id WHERE src.id IS NULL) SELECT dbt_change_type, id FROM insertions UNION ALL "
    "SELECT dbt_change_type, id FROM updates UNION ALL SELECT 'delete', id FROM deletes"
)
DBT = (
    Cost(
        "WITH source AS (SELECT * FROM persons) SELECT * FROM source WHERE update_time > "
        "(SELECT max(update_time) FROM local_persons)",
        10,
        ("/v2/persons?updated_since=2026-09-01T08:54:37Z",),
    ),
    Cost(
        "SELECT * FROM persons WHERE update_time >= "
        "(SELECT coalesce(max(update_time), '1900-01-01') - interval '3 days' FROM local_persons)",
        10,
        ("/v2/persons?updated_since=2026-08-29T08:54:37Z",),
    ),
    Cost(SNAPSHOT, 20, ALL_PERSONS),
    Cost(  # unique
        "SELECT count(*) FROM (SELECT id AS unique_field, count(*) AS n_records FROM persons "
        "WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1) dbt_internal_test",
        20,
        ("/v2/persons?sort_by=id&sort_direction=asc x2",),
    ),
    Cost("SELECT count(*) FROM (SELECT id FROM persons WHERE id IS NULL) dbt_internal_test", 0),  # not_null
    Cost(  # accepted_values
        "SELECT count(*) FROM (WITH all_values AS (SELECT status AS value_field, count(*) AS n_records FROM "
        "deals GROUP BY status) SELECT * FROM all_values WHERE value_field NOT IN ('open', 'won', 'lost')) "
        "dbt_internal_test",
        50,
        ALL_DEALS,
    ),
    Cost(  # relationships
        "SELECT count(*) FROM (WITH child AS (SELECT person_id AS from_field FROM deals WHERE person_id IS "
        "NOT NULL), parent AS (SELECT id AS to_field FROM persons) SELECT from_field FROM child LEFT JOIN "
        "parent ON child.from_field = parent.to_field WHERE parent.to_field IS NULL) dbt_internal_test",
        70,
        (*ALL_DEALS, *ALL_PERSONS),
    ),
    Cost(  # source freshness
        "SELECT max(update_time) AS max_loaded_at, now() at time zone 'UTC' AS snapshotted_at FROM persons",
        10,
        (LATEST,),
    ),
)

DJANGO = (
    Cost(  # latest()
        'SELECT "persons"."id" FROM "persons" WHERE "persons"."update_time" IS NOT NULL '
        'ORDER BY "persons"."update_time" DESC LIMIT 1',
        10,
        (LATEST,),
    ),
    Cost(  # there are some without update_time, which come first
        'SELECT "persons"."id" FROM "persons" ORDER BY "persons"."update_time" DESC LIMIT 1',
        10,
        ("/v2/persons?sort_by=update_time&sort_direction=asc",),
    ),
    Cost(  # first()
        'SELECT "persons"."id" FROM "persons" ORDER BY "persons"."id" ASC LIMIT 1',
        10,
        ("/v2/persons?sort_by=id&sort_direction=asc&limit=1",),
    ),
    Cost(  # get()
        'SELECT "persons"."id" FROM "persons" WHERE "persons"."id" = 3 LIMIT 21', 1, ("/v2/persons/3",)
    ),
    Cost(  # Q(id=1) | Q(id=2)
        'SELECT "persons"."id" FROM "persons" WHERE ("persons"."id" = 1 OR "persons"."id" = 2)',
        2,
        ("/v2/persons/1", "/v2/persons/2"),
    ),
    Cost(  # exists()
        'SELECT 1 AS "a" FROM "persons" WHERE "persons"."owner_id" = 2 LIMIT 1',
        10,
        ("/v2/persons?owner_id=2&limit=100",),
    ),
    Cost(  # update_time__year
        'SELECT COUNT(*) AS "__count" FROM "persons" WHERE "persons"."update_time" BETWEEN '
        "'2026-01-01 00:00:00+00:00'::timestamptz AND '2026-12-31 23:59:59.999999+00:00'::timestamptz",
        10,
        ("/v2/persons?updated_since=2026-01-01T00:00:00Z&updated_until=2027-01-01T00:00:00Z",),
    ),
    Cost(  # update_time__date
        'SELECT "persons"."id" FROM "persons" WHERE ("persons"."update_time" AT TIME ZONE \'UTC\')'
        "::date = '2026-06-01'::date",
        10,
        ("/v2/persons?updated_since=2026-06-01T00:00:00Z&updated_until=2026-06-02T00:00:01Z",),
    ),
    Cost(  # a page of the administration
        'SELECT "persons"."id" FROM "persons" ORDER BY "persons"."id" ASC LIMIT 100 OFFSET 200',
        10,
        ("/v2/persons?sort_by=id&sort_direction=asc&limit=300",),
    ),
    Cost(  # select_related()
        "SELECT p.*, o.* FROM persons p LEFT OUTER JOIN organizations o ON (p.org_id = o.id) "
        "WHERE p.id = 3 LIMIT 21",
        2,
        ("/v2/persons/3", "/v2/organizations/19"),
    ),
)

ODBC = (
    Cost(  # a set of keys, as MS Access reads it
        'SELECT "id","name" FROM "persons" WHERE "id" = 1 OR "id" = 2 OR "id" = 3 OR "id" = 4 OR "id" = 5 '
        'OR "id" = 6 OR "id" = 7 OR "id" = 8 OR "id" = 9 OR "id" = 10',
        10,
        tuple(f"/v2/persons/{number}" for number in range(1, 11)),
    ),
    Cost(  # the row as it was, for an optimistic lock
        'SELECT "id" FROM "persons" WHERE ("id" = 3 AND "name" = \'x\') OR ("id" = 4 AND "name" = \'y\')',
        2,
        ("/v2/persons/3", "/v2/persons/4"),
    ),
    Cost('SELECT "id" FROM "persons" WHERE ("id" = 3.)', 1, ("/v2/persons/3",)),
)

COSTS_OF_TOOLS = (
    *SUPERSET, *METABASE, *LOOKER, *TABLEAU, *POWER_BI, *GRAFANA, *DBT, *DJANGO, *ODBC
)  # fmt: skip
