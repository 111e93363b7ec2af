-- Columns of custom fields that were made or deleted in Pipedrive since the import.

CREATE FUNCTION pipedrive._custom_columns("table" regclass)
RETURNS TABLE (place smallint, name name, type text, options text, key text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), o.texts, o.field || '.' || o.part
      FROM pg_attribute a,
           LATERAL (SELECT string_agg(format('%I %L', option_name, option_value), ', '
                                      ORDER BY option_name) AS texts,
                           max(option_value) FILTER (WHERE option_name = 'field') AS field,
                           coalesce(max(option_value) FILTER (WHERE option_name = 'part'), '') AS part
                      FROM pg_options_to_table(a.attfdwoptions)) o
     WHERE a.attrelid = "table" AND NOT a.attisdropped AND o.field IS NOT NULL
$function$;
COMMENT ON FUNCTION pipedrive._custom_columns(regclass) IS 'Part of pipedrive.refresh_columns.';

-- The table is imported once more, into the session's temporary schema, and compared by the keys of the
-- fields: a column keeps its name when its field is renamed, and a name that is taken gets a number.
CREATE FUNCTION pipedrive.refresh_columns("table" regclass, run boolean DEFAULT false)
RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    server name;
    source text;
    given text;
    target text;
    fresh regclass;
    taken text[];
    added text;
    number integer;
    line text;
    found record;
BEGIN
    SELECT s.srvname,
           (SELECT option_value FROM pg_options_to_table(f.ftoptions) WHERE option_name = 'table'),
           (SELECT string_agg(format(', %I %L', option_name, option_value), '')
              FROM pg_options_to_table(f.ftoptions)
             WHERE option_name IN ('custom_fields', 'custom_field_names', 'custom_field_options')),
           format('%I.%I', n.nspname, c.relname)
      INTO server, source, given, target
      FROM pg_foreign_table f
      JOIN pg_foreign_server s ON s.oid = f.ftserver
      JOIN pg_class c ON c.oid = f.ftrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE f.ftrelid = "table";
    IF source IS NULL THEN
        RAISE EXCEPTION 'pipedrive option: % is no foreign table of Pipedrive', "table"
              USING HINT = 'Name a table that IMPORT FOREIGN SCHEMA pipedrive made.';
    END IF;
    IF to_regclass(format('pg_temp.%I', source)) IS NOT NULL THEN
        RAISE EXCEPTION 'pipedrive option: the temporary table % is in the way', source
              USING HINT = 'Drop it, or use another session.';
    END IF;

    -- A list of fields that cannot be read must not look like fields that are gone.
    EXECUTE format('IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (%I) FROM SERVER %I INTO pg_temp '
                   'OPTIONS (require_fields ''true''%s)', source, server, given);
    fresh := to_regclass(format('pg_temp.%I', source));

    FOR found IN
        SELECT c.name FROM pipedrive._custom_columns("table") c
         WHERE c.key NOT IN (SELECT key FROM pipedrive._custom_columns(fresh)) ORDER BY c.place
    LOOP
        line := format('ALTER FOREIGN TABLE %s DROP COLUMN %I;', target, found.name);
        taken := taken || found.name::text;
        IF run THEN
            EXECUTE line;
        END IF;
        RETURN NEXT line;
    END LOOP;

    SELECT array_agg(attname::text) INTO taken FROM pg_attribute
     WHERE attrelid = "table" AND NOT attisdropped AND attname <> ALL (coalesce(taken, '{}'));
    FOR found IN
        SELECT c.* FROM pipedrive._custom_columns(fresh) c
         WHERE c.key NOT IN (SELECT key FROM pipedrive._custom_columns("table")) ORDER BY c.place
    LOOP
        added := found.name;
        number := 1;
        WHILE added = ANY (taken) LOOP
            number := number + 1;
            added := found.name;
            WHILE octet_length(added || '_' || number) > 63 LOOP
                added := left(added, -1);
            END LOOP;
            added := added || '_' || number;
        END LOOP;
        taken := taken || added;
        line := format('ALTER FOREIGN TABLE %s ADD COLUMN %I %s OPTIONS (%s);',
                       target, added, found.type, found.options);
        IF run THEN
            EXECUTE line;
        END IF;
        RETURN NEXT line;
    END LOOP;
    EXECUTE format('DROP FOREIGN TABLE pg_temp.%I', source);
END
$function$;
COMMENT ON FUNCTION pipedrive.refresh_columns(regclass, boolean) IS
    'The ALTER FOREIGN TABLE statements that give a table the custom fields that Pipedrive has now; runs them '
    'when the second argument is true.';
REVOKE EXECUTE ON FUNCTION pipedrive._custom_columns(regclass), pipedrive.refresh_columns(regclass, boolean)
  FROM PUBLIC;
