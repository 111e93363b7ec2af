-- Custom fields that come and go.
--
-- The table is imported once more, into the session's temporary schema, and compared by the keys of the
-- fields: a column keeps its name when its field is renamed or has another type, and a name that is taken gets a
-- number. No column is dropped: views may show it, and it cannot be had back.

CREATE FUNCTION pipedrive_internal.compare_fields(
    "table" regclass, run boolean, OUT changes text[], OUT gone text[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    known record;
    change record;
    target text;
    fresh regclass;
    defined text[];
    taken name[];
    line text;
BEGIN
    changes := '{}';
    gone := '{}';
    SELECT t.source, t.server, t.server_name, format('%I.%I', n.nspname, t.name) AS name,
           (SELECT string_agg(format(', %I %L', option_name, option_value), '') FROM pg_options_to_table(t.options)
             WHERE option_name IN ('custom_fields', 'custom_field_names', 'custom_field_options')) AS options,
           t.has_custom_fields
      INTO known
      FROM pipedrive_internal.foreign_tables t
      JOIN pg_namespace n ON n.oid = t.schema
     WHERE t.relation = "table";
    IF known.source IS NULL THEN
        RAISE EXCEPTION 'pipedrive option: % is not a foreign table of Pipedrive', "table"
              USING HINT = 'Name a table that IMPORT FOREIGN SCHEMA pipedrive made.',
                    ERRCODE = 'wrong_object_type';
    END IF;
    IF NOT known.has_custom_fields THEN
        RETURN;
    END IF;
    target := format('pg_temp.%I', known.source);
    IF to_regclass(target) IS NOT NULL THEN
        RAISE EXCEPTION 'pipedrive option: a temporary table % already exists', known.source
              USING HINT = 'This name is needed for a moment. Drop the table, or use another session.',
                    ERRCODE = 'duplicate_table';
    END IF;

    -- A list of fields that cannot be read must not look like fields that are gone.
    EXECUTE format('IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (%I) FROM SERVER %I INTO pg_temp '
                   'OPTIONS (require_fields ''true'', attrs ''false'', comments ''false''%s)',
                   known.source, known.server_name, known.options);
    fresh := to_regclass(target);
    -- A field of activities or notes has no column in an import while none of their records shows it.
    defined := ARRAY(SELECT jsonb_array_elements_text(
                   pipedrive_internal.ask(known.server, jsonb_build_object('fields', known.source))));

    FOR change IN
        SELECT o.name, o.field, o.field || ':' || o.part AS identity, o.type AS old_type, n.type, n.kind,
               EXISTS (SELECT FROM pg_depend d
                        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = o.relation
                          AND d.refobjsubid = o.position AND d.deptype = 'n'
                          AND d.classid <> 'pg_constraint'::regclass) AS is_used
          FROM pipedrive_internal.columns o
          LEFT JOIN pipedrive_internal.columns n ON n.relation = fresh AND n.field = o.field AND n.part = o.part
         WHERE o.relation = "table" AND o.field IS NOT NULL AND o.kind IS DISTINCT FROM n.kind
         ORDER BY o.position
    LOOP
        CONTINUE WHEN change.kind IS NULL AND change.field = ANY (defined);
        IF change.kind IS NULL THEN
            gone := gone || change.identity;
            RAISE NOTICE '%', format('column %I of %s now reads NULL, because its field was deleted in Pipedrive',
                                     change.name, known.name)
                  USING HINT = format('If nothing uses it any more: ALTER FOREIGN TABLE %s DROP COLUMN %I;',
                                      known.name, change.name);
            CONTINUE;
        END IF;
        line := format('ALTER FOREIGN TABLE %s %sALTER COLUMN %I OPTIONS (SET type %L);', known.name,
                       CASE WHEN change.type <> change.old_type AND NOT change.is_used
                            THEN format('ALTER COLUMN %I TYPE %s, ', change.name, change.type) END,
                       change.name, change.kind);
        IF change.type <> change.old_type AND change.is_used THEN
            RAISE NOTICE 'column % of % stays %, because a view or another object uses it', quote_ident(change.name),
                         known.name, change.old_type
                  USING DETAIL = 'Values of Pipedrive are converted to this type.',
                        HINT = format('For the type of the field, drop what uses the column, and then: ALTER FOREIGN TABLE '
                                      '%s ALTER COLUMN %I TYPE %s;', known.name, change.name, change.type);
        END IF;
        changes := changes || line;
    END LOOP;

    SELECT array_agg(c.name) INTO taken FROM pipedrive_internal.columns c WHERE c.relation = "table";
    FOR change IN
        SELECT n.name, n.type, n.options
          FROM pipedrive_internal.columns n
         WHERE n.relation = fresh AND n.field IS NOT NULL
           AND NOT EXISTS (SELECT FROM pipedrive_internal.columns o
                            WHERE o.relation = "table" AND o.field = n.field AND o.part = n.part)
         ORDER BY n.position
    LOOP
        change.name := pipedrive_internal.free_name(change.name, taken);
        taken := taken || change.name;
        line := format('ALTER FOREIGN TABLE %s ADD COLUMN %I %s OPTIONS (%s);',
                       known.name, change.name, change.type, change.options);
        changes := changes || line;
    END LOOP;
    EXECUTE format('DROP FOREIGN TABLE %s', target);
    IF run THEN
        FOREACH line IN ARRAY changes LOOP
            EXECUTE line;
        END LOOP;
    END IF;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.compare_fields(regclass, boolean) IS
    'The statements that give a foreign table the custom fields that Pipedrive has now, run if *run* is true, and the '
    'key and part of each custom field that it has no more; nothing of a table without custom fields.';

CREATE FUNCTION pipedrive.refresh_columns("table" regclass, run boolean DEFAULT false)
RETURNS SETOF text
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT unnest(c.changes) FROM pipedrive_internal.compare_fields("table", run) c;
$function$;
COMMENT ON FUNCTION pipedrive.refresh_columns(regclass, boolean) IS
    'The ALTER FOREIGN TABLE statements that give a table the custom fields that Pipedrive has now; runs them '
    'when the second argument is true.';
