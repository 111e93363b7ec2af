-- Who spends what: the lines that sessions write under the option log_usage.

-- It reads files of the server, which its owner may. Whom it shows what is decided in it.
CREATE FUNCTION pipedrive_internal.usage_lines(
    OUT noted_at timestamptz, OUT server text, OUT role text, OUT session_role text, OUT application text,
    OUT query_id bigint, OUT table_name text, OUT requests bigint, OUT tokens bigint)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    WITH lines AS MATERIALIZED (
        SELECT line::jsonb AS line
          FROM unnest(ARRAY['usage', 'usage-older']) file (name),
               regexp_split_to_table(
                   pg_read_file('pgsql_tmp_pipedrive_fdw/' || file.name, 0, 1 << 24, true), '\n') line
         WHERE line LIKE '{%}'
    ), noted AS (
        SELECT l.* FROM lines, jsonb_to_record(line) AS l (
            "time" double precision, database text, server text, role text, session_role text, application text,
            query_id bigint, "table" text, requests bigint, tokens bigint)
    )
    SELECT to_timestamp(n."time"), n.server, n.role, n.session_role, n.application, n.query_id, n."table", n.requests,
           n.tokens
      FROM noted n
      JOIN pipedrive_internal.calling_role() AS c (role)
        ON pg_has_role(c.role, 'pg_read_all_stats', 'USAGE')
           OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname IN (n.role, n.session_role)
                                              AND pg_has_role(c.role, r.oid, 'USAGE'))
     WHERE n.database = current_database();
$function$;
COMMENT ON FUNCTION pipedrive_internal.usage_lines() IS
    'What the roles of the caller have spent; of all roles for members of pg_read_all_stats.';

CREATE VIEW pipedrive.usage_log AS SELECT * FROM pipedrive_internal.usage_lines();
COMMENT ON VIEW pipedrive.usage_log IS
    'What statements have spent on tables of servers with the option log_usage, the latest some thousand.';
