-- What long statements are reading: the files that their backends write once a second.

-- It reads files of the server, which its owner may. Whom it shows what is decided in it.
CREATE FUNCTION pipedrive_internal.progress_lines(
    OUT pid integer, OUT role name, OUT application text, OUT reads text, OUT waits_for text, OUT requests bigint,
    OUT tokens bigint, OUT waited numeric, OUT since timestamptz, OUT as_of timestamptz)
RETURNS SETOF record
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT a.pid, a.usename, a.application_name, l.reads, l.waits_for, l.requests, l.tokens, l.waited,
           to_timestamp(l.since), to_timestamp(l.shown)
      FROM pg_ls_dir('pgsql_tmp_pipedrive_fdw', true, false) file (name)
      JOIN pg_stat_activity a ON file.name = 'progress-' || a.pid
      JOIN pipedrive_internal.calling_role() AS c (role)
        ON pg_has_role(c.role, 'pg_read_all_stats', 'USAGE') OR pg_has_role(c.role, a.usesysid, 'USAGE'),
           jsonb_to_record(pg_read_file('pgsql_tmp_pipedrive_fdw/' || file.name, 0, 1 << 16, true)::jsonb) AS l (
               since double precision, shown double precision, reads text, waits_for text, requests bigint,
               tokens bigint, waited numeric)
     WHERE a.datname = current_database()
       AND a.state = 'active'
       AND a.query_start <= to_timestamp(l.shown);
$function$;
COMMENT ON FUNCTION pipedrive_internal.progress_lines() IS
    'What the backends of the caller''s roles are reading; of all roles for members of pg_read_all_stats.';

CREATE VIEW pipedrive.progress AS SELECT * FROM pipedrive_internal.progress_lines();
COMMENT ON VIEW pipedrive.progress IS
    'What each statement that takes longer than a second is reading of Pipedrive, what it has used, and what it waits '
    'for.';
