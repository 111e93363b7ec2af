-- Bringing records back from the history of a copy, through the foreign table.

CREATE TABLE pipedrive_internal.restored (
    copy regclass,
    old_key text,
    new_key text NOT NULL,
    PRIMARY KEY (copy, old_key)
);
COMMENT ON TABLE pipedrive_internal.restored IS
    'Keys of records that were made anew, for the references of others that are brought back later.';
ALTER TABLE pipedrive_internal.restored ENABLE ROW LEVEL SECURITY;
CREATE POLICY keeper ON pipedrive_internal.restored USING (pipedrive_internal.keeps(copy))
    WITH CHECK (pipedrive_internal.can_be_copy(copy));
SELECT pg_extension_config_dump('pipedrive_internal.restored', '');

CREATE FUNCTION pipedrive_internal.restored_references(copied pipedrive_internal.copies)
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT coalesce(jsonb_object_agg(m.name, m.keys), '{}')
      FROM (SELECT s.name, jsonb_object_agg(r.old_key, CASE WHEN s.type IN ('integer', 'bigint')
                                            THEN to_jsonb(r.new_key::bigint) ELSE to_jsonb(r.new_key) END) AS keys
              FROM pipedrive.foreign_tables() t
              JOIN pipedrive.foreign_keys() f ON f.table_schema = t.table_schema AND f.table_name = t.table_name
              JOIN pipedrive_internal.copied_columns(copied) s ON s.source_name = f.column_name
              JOIN pipedrive.foreign_tables() target
                   ON target.table_schema = f.referenced_schema AND target.table_name = f.referenced_table
              JOIN pipedrive_internal.copies c ON c.source = target.relation
              JOIN pg_class k ON k.oid = c.copy
                   AND k.relowner = (SELECT o.relowner FROM pg_class o WHERE o.oid = copied.copy)
              JOIN pipedrive_internal.restored r ON r.copy = c.copy
             WHERE t.relation = copied.source
             GROUP BY s.name) m;
$function$;
COMMENT ON FUNCTION pipedrive_internal.restored_references(pipedrive_internal.copies) IS
    'By column of a copy that refers to other records: the old keys of those that were made anew, to their new keys.';

CREATE FUNCTION pipedrive_internal.restore_row(copied pipedrive_internal.copies, id text, given jsonb, is_gone boolean)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    columns text;
    key_column name;
    new_id text;
BEGIN
    SELECT string_agg(quote_ident(k.name), ', ') INTO columns FROM jsonb_object_keys(given) AS k (name);
    SELECT s.source_name INTO key_column FROM pipedrive_internal.copied_columns(copied) s WHERE s.name = copied.key[1];
    IF is_gone THEN
        EXECUTE format('INSERT INTO %1$s (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, $1) '
                       'RETURNING %3$I::text', copied.source, columns, key_column) INTO new_id USING given;
        UPDATE pipedrive_internal.restored r SET new_key = new_id WHERE r.copy = copied.copy AND r.new_key = id;
        INSERT INTO pipedrive_internal.restored (copy, old_key, new_key) VALUES (copied.copy, id, new_id)
        ON CONFLICT (copy, old_key) DO UPDATE SET new_key = EXCLUDED.new_key;
    ELSE
        EXECUTE format('UPDATE %1$s SET (%2$s) = (SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, $1)) '
                       'WHERE %3$I = %4$L', copied.source, columns, key_column, id) USING given;
    END IF;
    RETURN new_id;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.restore_row(pipedrive_internal.copies, text, jsonb, boolean) IS
    'Makes a record anew, or gives it these values; the new key of one that was made.';

CREATE FUNCTION pipedrive.restore(
    "table" regclass, as_of timestamptz, ids text[] DEFAULT NULL, dry_run boolean DEFAULT true)
RETURNS TABLE (id text, action text, new_id text, given jsonb, left_out text[], problem text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    history regclass := pipedrive_internal.history_of("table");
    copied pipedrive_internal.copies;
    declared record;
    version record;
    key_column name;
    renewed jsonb;
    new_keys jsonb;
    detail text;
BEGIN
    SELECT * INTO copied FROM pipedrive_internal.copies c WHERE c.copy = "table";
    SELECT d.* INTO declared
      FROM pipedrive_internal.known_copies k, pipedrive_internal.declared_copies(ARRAY[k.server], k.table_name) d
     WHERE k.copy = "table";
    IF cardinality(copied.key) <> 1 OR declared.inserted = '{}' THEN
        RAISE EXCEPTION 'pipedrive copy: rows of % cannot be restored', "table"
              USING DETAIL = 'Pipedrive cannot create them, or they are identified by their parent.',
                    ERRCODE = 'feature_not_supported';
    END IF;
    SELECT s.source_name INTO key_column FROM pipedrive_internal.copied_columns(copied) s WHERE s.name = copied.key[1];
    PERFORM pipedrive_internal.sync_read(
        copied, CASE WHEN ids IS NULL THEN '' ELSE format('WHERE %I = ANY (%L)', key_column, ids || ARRAY(
                    SELECT r.new_key FROM pipedrive_internal.restored r
                     WHERE r.copy = "table" AND r.old_key = ANY (ids))) END);
    new_keys := pipedrive_internal.restored_references(copied);
    -- One that was made anew before is there under its new key.
    FOR version IN EXECUTE format(
        'SELECT h.%1$I::text AS id, to_jsonb(h) - ''{valid_from,valid_to,seen_by}''::text[] AS old, '
        'coalesce(to_jsonb(f), to_jsonb(n)) AS present, CASE WHEN f.%1$I IS NULL THEN n.%1$I::text END AS new_id '
        'FROM %2$s h '
        'LEFT JOIN pg_temp.pipedrive_fresh f ON f.%1$I = h.%1$I '
        'LEFT JOIN pipedrive_internal.restored r ON r.copy = $3 AND r.old_key = h.%1$I::text '
        'LEFT JOIN pg_temp.pipedrive_fresh n ON n.%1$I::text = r.new_key '
        'WHERE h.valid_from <= $1 AND (h.valid_to IS NULL OR h.valid_to > $1) '
        'AND ($2 IS NULL OR h.%1$I::text = ANY ($2)) ORDER BY h.%1$I', copied.key[1], history)
        USING restore.as_of, ids, "table"
    LOOP
        CONTINUE WHEN version.old = version.present;
        SELECT version.old || coalesce(jsonb_object_agg(m.key, m.value -> (version.old ->> m.key)), '{}') INTO renewed
          FROM jsonb_each(new_keys) m
         WHERE m.value ? (version.old ->> m.key);
        SELECT coalesce(jsonb_object_agg(s.source_name, renewed -> s.name::text)
                        FILTER (WHERE s.can_be_given), '{}'),
               array_agg(s.name::text) FILTER (WHERE NOT s.can_be_given)
          INTO given, left_out
          FROM (SELECT c.source_name, c.name,
                       c.identity LIKE '%:%' OR c.identity = ANY (
                           CASE WHEN version.present IS NULL THEN declared.inserted ELSE declared.updated END)
                       AS can_be_given
                  FROM pipedrive_internal.copied_columns(copied) c
                 WHERE c.name <> copied.key[1] AND c.identity NOT IN ('update_time', 'row_id', 'custom_fields')
                   AND (NOT copied.columns_added ? c.identity
                        OR restore.as_of >= (copied.columns_added ->> c.identity)::timestamptz)
                   AND coalesce(version.present -> c.name::text, 'null')
                       NOT IN (version.old -> c.name::text, renewed -> c.name::text)
                UNION ALL
                SELECT NULL, v.value::name, false
                  FROM jsonb_each_text(copied.columns) v
                 WHERE v.key NOT IN (SELECT c.identity FROM pipedrive_internal.copied_columns(copied) c)
                   AND jsonb_typeof(version.old -> v.value) <> 'null'
                UNION ALL
                -- Values of fields that have no column
                SELECT DISTINCT NULL, c.name, false
                  FROM pipedrive_internal.copied_columns(copied) c,
                       jsonb_object_keys(coalesce(nullif(version.old -> c.name::text, 'null'), '{}')
                                         || coalesce(nullif(version.present -> c.name::text, 'null'), '{}')) AS f (key)
                 WHERE c.identity = 'custom_fields'
                   AND coalesce(version.old #> ARRAY[c.name, f.key], 'null')
                       <> coalesce(version.present #> ARRAY[c.name, f.key], 'null')
                   AND NOT EXISTS (SELECT FROM pipedrive_internal.copied_columns(copied) k
                                    WHERE f.key LIKE split_part(k.identity, ':', 1) || '%')) s;
        CONTINUE WHEN version.present IS NOT NULL AND given = '{}';
        id := version.id;
        action := CASE WHEN version.present IS NULL THEN 'insert' ELSE 'update' END;
        new_id := version.new_id;
        problem := NULL;
        IF NOT dry_run THEN
            BEGIN
                new_id := coalesce(pipedrive_internal.restore_row(copied, coalesce(new_id, id), given,
                                                                  version.present IS NULL), new_id);
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
                problem := SQLERRM || coalesce(' ' || nullif(detail, ''), '');
            END;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pipedrive.restore(regclass, timestamptz, text[], boolean) IS
    'Brings the records of a copy back to what they were at a moment: makes anew those that are gone, and gives the '
    'others their old values. The values and the columns that Pipedrive does not take are listed; nothing is written '
    'unless dry_run is false.';
