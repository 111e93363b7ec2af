-- Who spends what: the lines that sessions write under the option log_usage.

CREATE FUNCTION pipedrive_internal.lines_of(file text) RETURNS SETOF jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
-- Without it a backslash in the strings below would be something else.
SET standard_conforming_strings = on
AS $function$
    -- Lines are ASCII. Where a crash of the machine has left other bytes, and a text could not be made of them, the
    -- encoding writes these with one backslash, and a backslash of JSON with two.
    -- A pipe has no bytes, and who reads it waits for them.
    WITH lines AS MATERIALIZED (
        SELECT line
          FROM (SELECT 'pgsql_tmp_pipedrive_fdw/' || file) p (path),
               regexp_split_to_table(
                   CASE WHEN (pg_stat_file(path, true)).size > 0
                        THEN encode(pg_read_binary_file(path, 0, 1 << 24, true), 'escape') END, '\n') line
         WHERE line LIKE '{%}' AND line !~ '(^|[^\\])(\\\\)*\\([^\\]|$)'
    )
    SELECT CAST(replace(line, '\\', '\') AS jsonb) FROM lines;
$function$;
COMMENT ON FUNCTION pipedrive_internal.lines_of(text) IS
    'The lines of a file that sessions write, but for those that a crash has spoiled.';

-- It reads files of the server, which its owner may. Nobody else may execute it but by the aggregate.
CREATE FUNCTION pipedrive_internal.usage_of(role name) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    WITH lines (line) AS MATERIALIZED (
        SELECT pipedrive_internal.lines_of(file) FROM unnest(ARRAY['usage', 'usage-older']) file
    )
    SELECT jsonb_agg(l.line)
      FROM lines l
     WHERE l.line ->> 'database' = (SELECT d.oid::text FROM pg_database d WHERE d.datname = current_database())
       AND (pg_has_role(usage_of.role, 'pg_read_all_stats', 'USAGE')
            OR EXISTS (SELECT FROM pg_roles r
                        WHERE r.oid::text IN (l.line ->> 'role_oid', l.line ->> 'session_role_oid')
                          AND pg_has_role(usage_of.role, r.oid, 'USAGE')));
$function$;
COMMENT ON FUNCTION pipedrive_internal.usage_of(name) IS
    'The lines of what the roles of a role have spent; of all roles for members of pg_read_all_stats.';

CREATE AGGREGATE pipedrive_internal.usage_of_caller(*) (
    SFUNC = pipedrive_internal.calling_role, STYPE = name, FINALFUNC = pipedrive_internal.usage_of);
COMMENT ON AGGREGATE pipedrive_internal.usage_of_caller(*) IS 'usage_of() for whoever calls this.';

CREATE FUNCTION pipedrive_internal.usage_lines(
    OUT noted_at timestamptz, OUT server text, OUT role text, OUT session_role text, OUT application text,
    OUT query_id bigint, OUT table_name text, OUT requests bigint, OUT tokens bigint)
RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT to_timestamp(n."time"), n.server, n.role, n.session_role, n.application, n.query_id, n."table", n.requests,
           n.tokens
      FROM jsonb_to_recordset((SELECT pipedrive_internal.usage_of_caller(*))) AS n (
               "time" double precision, server text, role text, session_role text, application text, query_id bigint,
               "table" text, requests bigint, tokens bigint);
$function$;
COMMENT ON FUNCTION pipedrive_internal.usage_lines() IS
    'What the roles of the caller have spent; of all roles for members of pg_read_all_stats.';

CREATE VIEW pipedrive.usage_log AS SELECT * FROM pipedrive_internal.usage_lines();
COMMENT ON VIEW pipedrive.usage_log IS
    'What statements have spent on tables of servers with the option log_usage, the latest some thousand.';
