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
RETURNS TABLE (name name, part text, target regclass)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    WITH own AS (
        SELECT t.server, t.schema, t.source FROM pipedrive_internal.foreign_tables t WHERE t.relation = copied.source
    ), targets AS (
        SELECT c.copy, t.relation, t.source, key.source_name AS key_column, key.identity AS key_identity
          FROM own
          JOIN pipedrive_internal.foreign_tables t ON t.server = own.server AND t.schema = own.schema
          JOIN pipedrive_internal.copies c ON c.source = t.relation
          JOIN pg_class k ON k.oid = c.copy
               AND k.relowner = (SELECT o.relowner FROM pg_class o WHERE o.oid = copied.copy)
          JOIN pipedrive_internal.copied_columns(c) key ON c.key = ARRAY[key.name]
         WHERE c.copy = copied.copy OR EXISTS (SELECT FROM pipedrive_internal.restored r WHERE r.copy = c.copy)
    ), plain AS (
        SELECT s.name, s.identity, targets.copy AS target
          FROM pipedrive_internal.foreign_keys f
          JOIN targets ON targets.relation = f.referenced AND targets.key_column = f.referenced_column
          JOIN pipedrive_internal.copied_columns(copied) s ON s.source_name = f.column_name
         WHERE f.relation = copied.source
    )
    SELECT p.name, NULL, p.target FROM plain p
    UNION ALL
    -- The object that a custom field has beside the id, which names it as well
    SELECT s.name, a.part, p.target
      FROM plain p
      JOIN pipedrive_internal.copied_columns(copied) s ON p.identity = s.identity || 'id' AND s.type = 'jsonb'::regtype,
           unnest('{value,id}'::text[]) AS a (part)
    UNION ALL
    -- Lists, whose elements have a table of their own
    SELECT s.name, known.source_column, targets.copy
      FROM own
      JOIN pipedrive_internal.declared_copies(ARRAY[own.server]) d ON d.parent = own.source AND d.key = '{}'
      JOIN pipedrive_internal.known_references known ON known.source_table = d.table_name
      JOIN targets ON targets.source = known.target_table AND targets.key_identity = known.target_column
      JOIN pipedrive_internal.copied_columns(copied) s ON s.type = 'jsonb'::regtype AND s.identity NOT LIKE '%:%';
$function$;
COMMENT ON FUNCTION pipedrive_internal.restored_references(pipedrive_internal.copies) IS
    'The columns of a copy, or the part of their objects, that hold keys of records which were made anew or may be in '
    'the same restore, and the copy of these records.';

CREATE FUNCTION pipedrive_internal.renewed_value(value jsonb, part text, target regclass)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF jsonb_typeof(value) = 'array' THEN
        RETURN (SELECT coalesce(jsonb_agg(pipedrive_internal.renewed_value(e.element, part, target) ORDER BY e.place),
                                '[]')
                  FROM jsonb_array_elements(value) WITH ORDINALITY AS e (element, place));
    ELSIF part IS NULL THEN
        RETURN coalesce((SELECT CASE jsonb_typeof(value) WHEN 'number' THEN to_jsonb(r.new_key::numeric)
                                ELSE to_jsonb(r.new_key) END
                           FROM pipedrive_internal.restored r
                          WHERE r.copy = target AND r.old_key = value #>> '{}'), value);
    ELSIF jsonb_typeof(value) = 'object' AND value ? part THEN
        RETURN value || jsonb_build_object(part, pipedrive_internal.renewed_value(value -> part, NULL, target));
    END IF;
    RETURN value;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.renewed_value(jsonb, text, regclass) IS
    'A key, or a list or an object with it, with the new key of a record that was made anew.';

CREATE FUNCTION pipedrive_internal.renewed(record jsonb, "references" jsonb)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reference record;
BEGIN
    FOR reference IN SELECT r.* FROM jsonb_to_recordset("references") AS r (name name, part text, target regclass) LOOP
        record := record || jsonb_build_object(reference.name, pipedrive_internal.renewed_value(
            record -> reference.name::text, reference.part, reference.target));
    END LOOP;
    RETURN record;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.renewed(jsonb, jsonb) IS
    'A record with the new keys of those that it refers to.';

CREATE FUNCTION pipedrive_internal.restore_row(copied pipedrive_internal.copies, id text, given jsonb, is_gone boolean)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    columns text;
    key_column name;
    gone text[];
    is_there boolean;
    new_id text;
BEGIN
    SELECT string_agg(quote_ident(k.name), ', ') INTO columns FROM jsonb_object_keys(given) AS k (name);
    SELECT s.source_name INTO key_column FROM pipedrive_internal.copied_columns(copied) s WHERE s.name = copied.key[1];
    IF is_gone THEN
        IF pipedrive_internal.archived_of(copied.source) <> 'include'
           AND EXISTS (SELECT FROM pipedrive_internal.source_columns c
                        WHERE c.relation = copied.source AND c.identity = 'is_archived') THEN
            RAISE EXCEPTION 'pipedrive copy: nobody knows whether the record is gone or archived'
                  USING DETAIL = format('%s shows only some records, by its option archived or that of its server. Set '
                                        'it to ''include'', and call restore again.', copied.source),
                        ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        -- A record that goes from one list to another while they are read, as when it leaves the archive, is in neither.
        gone := id || ARRAY(SELECT r.new_key FROM pipedrive_internal.restored r
                             WHERE r.copy = copied.copy AND r.old_key = id);
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I = ANY (%L))', copied.source, key_column, gone)
           INTO is_there;
        IF is_there THEN
            RAISE EXCEPTION 'pipedrive copy: the record is not gone'
                  USING DETAIL = 'It was missing from the list, and is found by its id. Call restore again.',
                        ERRCODE = 'object_not_in_prerequisite_state';
        ELSIF gone && pipedrive_internal.sync_passed_over(copied.copy) THEN
            RAISE EXCEPTION 'pipedrive copy: nobody knows whether the record is gone or hidden'
                  USING DETAIL = 'Pipedrive refuses to show it: the user of the credential may not be allowed to see it.',
                        ERRCODE = 'insufficient_privilege';
        END IF;
        EXECUTE format('INSERT INTO %1$s (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, $1) '
                       'RETURNING %3$I::text', copied.source, columns, key_column) INTO new_id USING given;
        IF new_id IS NULL THEN
            RAISE EXCEPTION 'pipedrive copy: a record cannot be created again under write_mode ''commit'''
                  USING DETAIL = 'Its new id would be known only after COMMIT. Set write_mode to ''immediate'', and call '
                                 'restore again.',
                        ERRCODE = 'feature_not_supported';
        END IF;
        UPDATE pipedrive_internal.restored r SET new_key = new_id WHERE r.copy = copied.copy AND r.new_key = ANY (gone);
        INSERT INTO pipedrive_internal.restored (copy, old_key, new_key) SELECT copied.copy, g, new_id FROM unnest(gone) g
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
-- What others, or this session, have read may be older than what is restored.
SET pipedrive.cache_ttl = '0'
SET pipedrive.extended_cache_ttl = '0'
-- A run has written times as these say.
SET datestyle = 'ISO'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
AS $function$
DECLARE
    history regclass;
    copied pipedrive_internal.copies;
    declared record;
    version record;
    key_column name;
    renewed jsonb;
    known_references jsonb;
    state text;
    detail text;
    hint text;
    ended text;
BEGIN
    PERFORM pipedrive_internal.require('restore', 'table, as_of', num_nulls("table", as_of));
    history := pipedrive_internal.history_of("table", restore.as_of);
    IF NOT pipedrive_internal.is_own("table") THEN
        RAISE EXCEPTION 'pipedrive copy: % belongs to another role', "table"
              USING DETAIL = 'Records that this role''s credential does not show would be taken for gone.',
                    HINT = (SELECT format('SET ROLE %I; then call restore again.', pg_get_userbyid(c.relowner))
                              FROM pg_class c WHERE c.oid = "table"),
                    ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT dry_run THEN
        -- Two calls at once would both create what is gone. An UPDATE, so that one that cannot see what the other has
        -- created, by its isolation level, fails.
        UPDATE pipedrive_internal.turns t SET copy = t.copy WHERE t.copy = "table";
    END IF;
    SELECT * INTO copied FROM pipedrive_internal.copies c WHERE c.copy = "table";
    IF copied.source IS NULL THEN
        RAISE EXCEPTION 'pipedrive copy: the foreign table of % was dropped', "table"
              USING HINT = 'Import it again, and call pipedrive.mirror as before.', ERRCODE = 'undefined_table';
    END IF;
    SELECT d.* INTO declared
      FROM pipedrive_internal.known_copies k, pipedrive_internal.declared_copies(ARRAY[k.server], k.table_name) d
     WHERE k.copy = "table";
    IF cardinality(copied.key) <> 1 OR declared.inserted = '{}' THEN
        RAISE EXCEPTION 'pipedrive copy: rows of % cannot be restored', "table"
              USING DETAIL = 'Pipedrive cannot create them, or they are identified by their parent.',
                    ERRCODE = 'feature_not_supported';
    END IF;
    SELECT s.source_name INTO key_column FROM pipedrive_internal.copied_columns(copied) s WHERE s.name = copied.key[1];
    IF NOT FOUND THEN
        RAISE EXCEPTION 'pipedrive copy: % cannot be restored without its column %', "table", quote_ident(copied.key[1])
              USING DETAIL = format('%s or %s does not have this column.', "table", copied.source),
                    HINT = 'Add the column again, or give it its former name.', ERRCODE = 'undefined_column';
    END IF;
    IF ids IS NOT NULL THEN
        -- As the key is written: others write a uuid in capitals, or a number with zeros before it.
        EXECUTE format('SELECT ARRAY(SELECT k::%s::text FROM unnest($1) k)', (
                    SELECT s.type FROM pipedrive_internal.copied_columns(copied) s WHERE s.name = copied.key[1]))
           INTO ids USING ids;
    END IF;
    PERFORM pipedrive_internal.sync_read(
        copied, CASE WHEN ids IS NULL THEN '' ELSE format('WHERE %I = ANY (%L)', key_column, ids || ARRAY(
                    SELECT r.new_key FROM pipedrive_internal.restored r
                     WHERE r.copy = "table" AND r.old_key = ANY (ids))) END);
    SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]') INTO known_references
      FROM pipedrive_internal.restored_references(copied) r;
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
        renewed := pipedrive_internal.renewed(version.old, known_references);
        CONTINUE WHEN renewed = version.present;
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
                   AND jsonb_strip_nulls(coalesce(version.present -> c.name::text, 'null'))
                       <> jsonb_strip_nulls(renewed -> c.name::text)
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
        problem := ended;
        IF NOT dry_run AND ended IS NULL THEN
            BEGIN
                new_id := coalesce(pipedrive_internal.restore_row(copied, coalesce(new_id, id), given,
                                                                  version.present IS NULL), new_id);
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL,
                                        hint = PG_EXCEPTION_HINT;
                problem := concat_ws('. ', SQLERRM, nullif(rtrim(detail, '.'), ''), nullif(hint, ''));
                -- What would fail for every record is not tried for every record.
                ended := CASE WHEN state = '28000' OR SQLERRM LIKE 'pipedrive daily limit:%' THEN problem END;
            END;
        END IF;
        RETURN NEXT;
    END LOOP;
    RETURN QUERY EXECUTE format(
        'SELECT DISTINCT i.id, NULL, NULL, NULL::jsonb, NULL::text[], '
        '''pipedrive copy: the history has no version of this record at that moment'' '
        'FROM unnest($1) AS i (id) '
        'WHERE i.id IS NOT NULL AND NOT EXISTS (SELECT FROM %2$s h WHERE h.%1$I::text = i.id '
        'AND h.valid_from <= $2 AND (h.valid_to IS NULL OR h.valid_to > $2))', copied.key[1], history)
        USING ids, restore.as_of;
END
$function$;
COMMENT ON FUNCTION pipedrive.restore(regclass, timestamptz, text[], boolean) IS
    'Brings the records of a copy back to what they were at a moment: makes anew those that are gone, and gives the '
    'others their old values. The values and the columns that Pipedrive does not take are listed; nothing is written '
    'unless dry_run is false.';
