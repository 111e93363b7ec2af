-- What long statements are reading: the files that their backends write once a second.

-- It reads files of the server, which its owner may. Nobody else may execute it but by the aggregate.
CREATE FUNCTION pipedrive_internal.progress_of(role name) RETURNS jsonb
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT jsonb_agg(line || jsonb_build_object('pid', a.pid, 'role', a.usename, 'application', a.application_name))
      FROM pg_ls_dir('pgsql_tmp_pipedrive_fdw', true, false) file (name)
      JOIN pg_stat_activity a ON file.name = 'progress-' || a.pid,
           pipedrive_internal.lines_of(file.name) line
     WHERE (pg_has_role(progress_of.role, 'pg_read_all_stats', 'USAGE')
            OR pg_has_role(progress_of.role, a.usesysid, 'USAGE'))
       AND a.datname = current_database()
       AND a.state = 'active'
       AND a.query_start <= to_timestamp((line ->> 'shown')::double precision);
$function$;
COMMENT ON FUNCTION pipedrive_internal.progress_of(name) IS
    'What the backends of a role''s roles are reading; of all roles for members of pg_read_all_stats.';

CREATE AGGREGATE pipedrive_internal.progress_of_caller(*) (
    SFUNC = pipedrive_internal.calling_role, STYPE = name, FINALFUNC = pipedrive_internal.progress_of);
COMMENT ON AGGREGATE pipedrive_internal.progress_of_caller(*) IS 'progress_of() for whoever calls this.';

CREATE FUNCTION pipedrive_internal.progress_lines(
    OUT pid integer, OUT role name, OUT application text, OUT reads text, OUT waits_for text, OUT requests bigint,
    OUT tokens bigint, OUT waited numeric, OUT since timestamptz, OUT as_of timestamptz)
RETURNS SETOF record
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT l.pid, l.role, l.application, l.reads, l.waits_for, l.requests, l.tokens, l.waited,
           to_timestamp(l.since), to_timestamp(l.shown)
      FROM jsonb_to_recordset((SELECT pipedrive_internal.progress_of_caller(*))) AS l (
               pid integer, role name, application text, reads text, waits_for text, requests bigint, tokens bigint,
               waited numeric, since double precision, shown double precision);
$function$;
COMMENT ON FUNCTION pipedrive_internal.progress_lines() IS
    'What the backends of the caller''s roles are reading; of all roles for members of pg_read_all_stats.';

CREATE VIEW pipedrive.progress AS SELECT * FROM pipedrive_internal.progress_lines();
COMMENT ON VIEW pipedrive.progress IS
    'What each statement that takes longer than a second is reading of Pipedrive, what it has used, and what it waits '
    'for.';
