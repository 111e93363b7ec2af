-- Rights. The owner of the extension may execute everything, others what they are granted. Default privileges of the
-- owner may have given others more than that: all is taken away first.
DO $rights$
DECLARE
    given record;
BEGIN
    FOR given IN
        WITH members AS (
            SELECT d.classid, d.objid
              FROM pg_depend d
              JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pipedrive_fdw'
             WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
        ), granted (object, owner, acl) AS (
            SELECT format('ROUTINE %s', p.oid::regprocedure), p.proowner,
                   coalesce(p.proacl, acldefault('f', p.proowner))
              FROM pg_proc p JOIN members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
            UNION ALL
            SELECT format('TABLE %s', c.oid::regclass), c.relowner, c.relacl
              FROM pg_class c JOIN members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
            UNION ALL
            SELECT format('SCHEMA %I', n.nspname), n.nspowner, n.nspacl
              FROM pg_namespace n JOIN members m ON m.classid = 'pg_namespace'::regclass AND m.objid = n.oid
        )
        SELECT DISTINCT g.object, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
               AS role
          FROM granted g, aclexplode(g.acl) a
         WHERE a.grantee <> g.owner
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', given.object, given.role);
    END LOOP;
END
$rights$;

GRANT EXECUTE ON FUNCTION pipedrive.foreign_tables(), pipedrive.foreign_keys() TO PUBLIC;
GRANT SELECT ON pipedrive.sync_status, pipedrive.usage_log, pipedrive.progress TO PUBLIC;

-- What the functions of the schema pipedrive use as their caller. It gives nobody a right that they have not.
GRANT USAGE ON SCHEMA pipedrive_internal TO PUBLIC;
GRANT SELECT ON
    pipedrive_internal.servers,
    pipedrive_internal.foreign_tables,
    pipedrive_internal.columns,
    pipedrive_internal.known_references,
    pipedrive_internal.foreign_keys,
    pipedrive_internal.known_labels,
    pipedrive_internal.source_columns,
    pipedrive_internal.known_copies
    TO PUBLIC;
-- Policies keep everybody to the copies that are theirs. Who may write to the columns of a table cannot lock it, and who
-- may write to the table can.
DO $rights$
DECLARE
    known record;
BEGIN
    FOR known IN
        SELECT a.attrelid::regclass AS name, string_agg(quote_ident(a.attname), ', ') AS columns
          FROM pg_attribute a
         WHERE a.attrelid IN ('pipedrive_internal.copies'::regclass, 'pipedrive_internal.turns'::regclass,
                              'pipedrive_internal.pending'::regclass, 'pipedrive_internal.sync_log'::regclass,
                              'pipedrive_internal.restored'::regclass)
           AND a.attnum > 0 AND NOT a.attisdropped
         GROUP BY a.attrelid
    LOOP
        EXECUTE format('GRANT SELECT, INSERT (%2$s), UPDATE (%2$s) ON %1$s TO PUBLIC', known.name, known.columns);
    END LOOP;
END
$rights$;
GRANT EXECUTE ON FUNCTION
    pipedrive_internal.server_named(name),
    pipedrive_internal.ask(oid, jsonb),
    pipedrive_internal.send(name, text, text, jsonb, jsonb, text, text),
    pipedrive_internal.file_part(bytea, text),
    pipedrive_internal.require(text, text, integer),
    pipedrive_internal.await_conversion(name, text, jsonb),
    pipedrive_internal.free_name(name, name[]),
    pipedrive_internal.compare_fields(regclass, boolean),
    pipedrive_internal.comment_on_tables(oid[]),
    pipedrive_internal.columns_of_schema(oid),
    pipedrive_internal.report_columns(oid),
    pipedrive_internal.report_view(oid, name, name[], text[], text[]),
    pipedrive_internal.calling_role(name),
    pipedrive_internal.usage_of_caller(),
    pipedrive_internal.usage_lines(),
    pipedrive_internal.progress_of_caller(),
    pipedrive_internal.progress_lines(),
    pipedrive_internal.keeps(oid),
    pipedrive_internal.is_own(oid),
    pipedrive_internal.can_be_copy(oid),
    pipedrive_internal.require_all_rows(regclass[]),
    pipedrive_internal.note_reading(),
    pipedrive_internal.moment(),
    pipedrive_internal.declared_copies(oid[], text),
    pipedrive_internal.archived_of(regclass),
    pipedrive_internal.copied_columns(pipedrive_internal.copies),
    pipedrive_internal.check_wanted(name, name, name[], name[], name[]),
    pipedrive_internal.make_copy(regclass, name, name, name[], name[], name[], interval, interval),
    pipedrive_internal.rename_copied(pipedrive_internal.copies, text, name),
    pipedrive_internal.follow_columns(regclass),
    pipedrive_internal.drop_columns_gone(regclass),
    pipedrive_internal.is_due(timestamptz, interval),
    pipedrive_internal.sync_compares(pipedrive_internal.copies, text, timestamptz, boolean),
    pipedrive_internal.sync_definitions(
        pipedrive_internal.copies, bigint, text, timestamptz, boolean),
    pipedrive_internal.sync_action(pipedrive_internal.copies, text, boolean, timestamptz, boolean),
    pipedrive_internal.has_rows(regclass),
    pipedrive_internal.sync_known(regclass),
    pipedrive_internal.sync_order(regclass, boolean),
    pipedrive_internal.sync_usage(regclass),
    pipedrive_internal.sync_log_step(regclass, timestamptz, text, bigint[], jsonb, text, text),
    pipedrive_internal.sync_read(pipedrive_internal.copies, text),
    pipedrive_internal.sync_beside(regclass, text[]),
    pipedrive_internal.sync_store(pipedrive_internal.copies, regclass[], text),
    pipedrive_internal.sync_replace(pipedrive_internal.copies, name, text),
    pipedrive_internal.sync_newest(pipedrive_internal.copies),
    pipedrive_internal.sync_done(pipedrive_internal.pending[]),
    pipedrive_internal.sync_watermark(timestamptz, timestamptz),
    pipedrive_internal.sync_changes(pipedrive_internal.copies, regclass[], timestamptz, boolean),
    pipedrive_internal.sync_keys(regclass[], name),
    pipedrive_internal.sync_orphans(regclass[]),
    pipedrive_internal.sync_whole(pipedrive_internal.copies, regclass[], timestamptz, name),
    pipedrive_internal.sync_parents(pipedrive_internal.copies, regclass[], timestamptz, text, name, integer),
    pipedrive_internal.sync_passed_over(regclass),
    pipedrive_internal.sync_witnesses(regclass, name, text, text[]),
    pipedrive_internal.sync_analyze(regclass, timestamptz),
    pipedrive_internal.sync_is_over(regclass, timestamptz),
    pipedrive_internal.sync_step(regclass, timestamptz, boolean, bigint, jsonb),
    pipedrive_internal.sync_failed(regclass, timestamptz, jsonb, text, text, text, text),
    pipedrive_internal.sync_ended(timestamptz),
    pipedrive_internal.sync_result(regclass, timestamptz),
    pipedrive_internal.sync_price(pipedrive_internal.copies, jsonb, text, bigint, bigint),
    pipedrive_internal.history_columns(regclass, regclass),
    pipedrive_internal.next_moment(regclass),
    pipedrive_internal.end_versions(regclass),
    pipedrive_internal.keep_versions(),
    pipedrive_internal.compare_versions(pipedrive_internal.copies),
    pipedrive_internal.make_history(regclass),
    pipedrive_internal.begin_history(regclass, regclass),
    pipedrive_internal.end_history(regclass, regclass),
    pipedrive_internal.history_of(regclass, timestamptz),
    pipedrive_internal.restored_references(pipedrive_internal.copies),
    pipedrive_internal.renewed_value(jsonb, text, regclass),
    pipedrive_internal.renewed(jsonb, jsonb),
    pipedrive_internal.restore_row(pipedrive_internal.copies, text, jsonb, boolean)
    TO PUBLIC;
