-- The tables of a copy: ordinary ones, with the names, types and comments of the foreign tables.

CREATE FUNCTION pipedrive.mirror(
    schema name,
    target name,
    tables name[] DEFAULT NULL,
    except_tables name[] DEFAULT '{}',
    history boolean DEFAULT false,
    more_columns name[] DEFAULT '{}'
)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted record;
    made bigint := 0;
    missing text;
BEGIN
    PERFORM pipedrive_internal.require('mirror', 'schema, target', num_nulls(schema, target));
    CREATE TEMP TABLE pipedrive_wanted ON COMMIT DROP AS
    SELECT t.relation AS source, t.name, t.source AS table_name, t.server, d.how, d.place, d.parent, d.parent_column,
           d.because, d.key, d.not_null, d.left_out, d.every, d.compared,
           CASE WHEN tables IS NULL THEN d.how <> 'never' AND NOT d.named ELSE t.name = ANY (tables) END
           AND t.name <> ALL (coalesce(except_tables, '{}')) AS chosen,
           -- Its owner may have renamed it.
           coalesce(to_regclass(format('%I.%I', target, t.name)),
                    (SELECT c.copy FROM pipedrive_internal.copies c JOIN pg_class k ON k.oid = c.copy
                      WHERE c.source = t.relation AND k.relnamespace = to_regnamespace(quote_ident(target))
                      LIMIT 1)) AS there
      FROM pipedrive_internal.foreign_tables t
      JOIN pipedrive_internal.declared_copies(ARRAY(
               SELECT o.server FROM pipedrive_internal.foreign_tables o
                WHERE o.schema = to_regnamespace(quote_ident(mirror.schema)))) d
           ON d.server = t.server AND d.table_name = t.source
     WHERE t.schema = to_regnamespace(quote_ident(mirror.schema));
    PERFORM pipedrive_internal.check_wanted(schema, target, tables, except_tables, more_columns);
    IF to_regnamespace(quote_ident(target)) IS NULL THEN
        EXECUTE format('CREATE SCHEMA %I', target);
    END IF;
    IF history AND to_regnamespace(quote_ident(target || '_history')) IS NULL THEN
        EXECUTE format('CREATE SCHEMA %I', target || '_history');
    END IF;
    FOR wanted IN SELECT * FROM pg_temp.pipedrive_wanted w WHERE w.chosen ORDER BY w.place, w.name LOOP
        IF wanted.there IS NULL THEN
            wanted.there := pipedrive_internal.make_copy(
                wanted.source, target, wanted.name, wanted.key, wanted.not_null,
                ARRAY(SELECT l FROM unnest(wanted.left_out) l WHERE l <> ALL (coalesce(more_columns, '{}'))),
                wanted.every, wanted.compared);
            made := made + 1;
        ELSE
            -- Its foreign table was dropped and imported again, perhaps from another account: it is read whole.
            UPDATE pipedrive_internal.copies c
               SET source = wanted.source, fields_gone = '{}', attempted = NULL, compared = NULL, watermark = NULL
             WHERE c.copy = wanted.there AND c.source IS NULL;
        END IF;
        IF history THEN
            PERFORM pipedrive_internal.make_history(wanted.there);
        END IF;
    END LOOP;
    DROP TABLE pg_temp.pipedrive_wanted;
    RETURN format('%s new %s in schema %I', made, CASE made WHEN 1 THEN 'table' ELSE 'tables' END, target);
END
$function$;
COMMENT ON FUNCTION pipedrive.mirror(name, name, name[], name[], boolean, name[]) IS
    'Makes a schema of ordinary tables that pipedrive.sync keeps equal to the foreign tables of a schema; with '
    'history, every version of a row is kept. Tables that are copies already stay as they are. A copy whose foreign '
    'table was dropped follows the new foreign table of the same name.';

CREATE FUNCTION pipedrive_internal.check_wanted(
    schema name, target name, tables name[], except_tables name[], more_columns name[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    trouble record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_temp.pipedrive_wanted) THEN
        RAISE EXCEPTION 'pipedrive copy: schema "%" has no table of Pipedrive', schema
              USING HINT = 'Name a schema with imported tables. IMPORT FOREIGN SCHEMA pipedrive FROM SERVER ... '
                           'INTO ... imports them.', ERRCODE = 'undefined_table';
    END IF;
    SELECT n.name INTO trouble FROM unnest(tables || except_tables) AS n (name)
     WHERE NOT EXISTS (SELECT FROM pg_temp.pipedrive_wanted w WHERE w.name = n.name);
    IF FOUND THEN
        RAISE EXCEPTION 'pipedrive copy: schema "%" has no table "%" of Pipedrive', schema, trouble.name
              USING HINT = 'SELECT * FROM pipedrive.foreign_tables() lists them.',
                    ERRCODE = 'undefined_table';
    END IF;
    SELECT n.name INTO trouble FROM unnest(more_columns) AS n (name)
     WHERE NOT EXISTS (SELECT FROM pg_temp.pipedrive_wanted w WHERE w.chosen AND n.name = ANY (w.left_out));
    IF FOUND THEN
        RAISE EXCEPTION 'pipedrive copy: more_columns names "%", which none of these tables leaves out', trouble.name
              USING HINT = 'It takes names of columns that are not copied otherwise, such as attrs and filter_id.',
                    ERRCODE = 'undefined_column';
    END IF;
    SELECT w.name, w.because INTO trouble FROM pg_temp.pipedrive_wanted w WHERE w.chosen AND w.how = 'never';
    IF FOUND THEN
        RAISE EXCEPTION 'pipedrive copy: % cannot be copied', trouble.name
              USING DETAIL = format('The reason: %s.', trouble.because),
                    HINT = format('Leave it out: except_tables => ''{%s}''.', trouble.name),
                    ERRCODE = 'feature_not_supported';
    END IF;
    SELECT w.name, w.parent INTO trouble FROM pg_temp.pipedrive_wanted w
     WHERE w.chosen AND w.parent IS NOT NULL
       AND NOT EXISTS (SELECT FROM pg_temp.pipedrive_wanted p
                        WHERE p.chosen AND p.table_name = w.parent AND p.server = w.server)
       AND NOT EXISTS (SELECT FROM pipedrive_internal.known_copies k
                        WHERE k.schema = to_regnamespace(quote_ident(target)) AND k.table_name = w.parent
                          AND k.server = w.server);
    IF FOUND THEN
        RAISE EXCEPTION 'pipedrive copy: a copy of % needs a copy of %', trouble.name, trouble.parent
              USING DETAIL = format('A run reads the rows of %s that belong to changed rows of %s.',
                                    trouble.name, trouble.parent),
                    HINT = format('Name %s as well, or leave %s out.', trouble.parent, trouble.name),
                    ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT w.name, n.column_name INTO trouble
      FROM pg_temp.pipedrive_wanted w,
           unnest(w.key || w.parent_column || CASE w.how WHEN 'changes' THEN 'update_time' END::name) AS n (column_name)
     WHERE w.chosen AND w.there IS NULL AND n.column_name IS NOT NULL
       AND NOT EXISTS (SELECT FROM pipedrive_internal.source_columns s
                        WHERE s.relation = w.source AND s.identity = n.column_name);
    IF FOUND THEN
        RAISE EXCEPTION 'pipedrive copy: % cannot be copied without its column %', trouble.name, trouble.column_name
              USING DETAIL = format('%I.%I does not have this column.', schema, trouble.name),
                    HINT = format('Add it again with ALTER FOREIGN TABLE, or leave the table out: '
                                  'except_tables => ''{%s}''.', trouble.name),
                    ERRCODE = 'undefined_column';
    END IF;
    SELECT w.name INTO trouble FROM pg_temp.pipedrive_wanted w
     WHERE w.chosen AND w.there IS NOT NULL
       AND NOT EXISTS (SELECT FROM pipedrive_internal.copies c
                        WHERE c.copy = w.there AND coalesce(c.source, w.source) = w.source);
    IF FOUND THEN
        RAISE EXCEPTION 'pipedrive copy: %.% exists already and is not a copy of %.%', quote_ident(target),
                        quote_ident(trouble.name), quote_ident(schema), quote_ident(trouble.name)
              USING DETAIL = 'Nothing was created.',
                    HINT = format('Name another schema as the target, or leave the table out: '
                                  'except_tables => ''{%s}''.', trouble.name),
                    ERRCODE = 'duplicate_table';
    END IF;
    SELECT w.name, w.there, pg_get_userbyid(k.relowner) AS keeper INTO trouble
      FROM pg_temp.pipedrive_wanted w
      JOIN pg_class k ON k.oid = w.there
     WHERE w.chosen AND NOT pipedrive_internal.is_own(w.there);
    IF FOUND THEN
        RAISE EXCEPTION 'pipedrive copy: % belongs to %', trouble.there, quote_ident(trouble.keeper)
              USING DETAIL = 'Nothing was created. A table of another role could misuse the rights of whoever mirrors.',
                    HINT = format('SET ROLE %I; then call mirror again. Or leave the table out: '
                                  'except_tables => ''{%s}''.', trouble.keeper, trouble.name),
                    ERRCODE = 'insufficient_privilege';
    END IF;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.check_wanted(name, name, name[], name[], name[]) IS
    'Refuses what mirror cannot do, before it makes anything.';

CREATE FUNCTION pipedrive_internal.make_copy(
    source regclass, target name, name name, key name[], not_null name[], left_out name[], every interval,
    compare_every interval)
RETURNS regclass
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    made regclass;
    column_list text;
    columns jsonb;
    known record;
    comment text;
BEGIN
    SELECT string_agg(format('%I %s%s', s.name, s.type,
                             CASE WHEN s.field IS NULL AND s.identity = ANY (not_null) THEN ' NOT NULL' END),
                      ', ' ORDER BY s.position),
           jsonb_object_agg(s.identity, s.name)
      INTO column_list, columns
      FROM (SELECT o.position, o.type, o.field, o.identity,
                   pipedrive_internal.free_name(o.name, '{valid_from,valid_to,seen_by}'::name[]
                                                        || array_remove(array_agg(o.name) OVER (), o.name)) AS name
              FROM pipedrive_internal.source_columns o
             WHERE o.relation = source AND o.identity <> ALL (left_out)) s;
    SELECT coalesce(array_agg((columns ->> k.column_name)::name ORDER BY k.place), '{}') INTO key
      FROM unnest(key) WITH ORDINALITY AS k (column_name, place);
    EXECUTE format('CREATE TABLE %I.%I (%s%s)', target, name, column_list,
                   (SELECT ', PRIMARY KEY (' || string_agg(quote_ident(k), ', ') || ')' FROM unnest(key) k));
    made := format('%I.%I', target, name)::regclass;
    IF key = '{}' THEN
        -- Else its rows could not be deleted while it is published
        EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', made);
    END IF;
    INSERT INTO pipedrive_internal.copies (copy, source, columns, key, left_out, every, compare_every)
    VALUES (made, source, columns, make_copy.key, left_out, every, compare_every);
    INSERT INTO pipedrive_internal.turns (copy) VALUES (made) ON CONFLICT DO NOTHING;

    FOR known IN
        SELECT a.attname
          FROM pg_attribute a
         WHERE a.attrelid = made AND a.attnum > 0 AND a.attndims = 0 AND a.atttypid <> 'jsonb'::regtype
           AND a.attname IS DISTINCT FROM key[1]
           AND (columns ->> 'update_time' = a.attname OR columns ->> 'add_time' = a.attname
                OR a.attname IN (SELECT k.column_name FROM pipedrive_internal.foreign_keys k
                                  WHERE k.relation = make_copy.source))
         ORDER BY a.attnum
    LOOP
        EXECUTE format('CREATE INDEX ON %s (%I)', made, known.attname);
    END LOOP;

    comment := obj_description(source, 'pg_class');
    IF comment IS NOT NULL THEN
        EXECUTE format('COMMENT ON TABLE %s IS %L', made, comment);
    END IF;
    FOR known IN
        SELECT columns ->> s.identity AS name, col_description(source, s.position) AS words
          FROM pipedrive_internal.source_columns s
         WHERE s.relation = source AND columns ? s.identity AND col_description(source, s.position) IS NOT NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', made, known.name, known.words);
    END LOOP;
    RETURN made;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.make_copy(regclass, name, name, name[], name[], name[], interval, interval) IS
    'Makes the table of a copy with its key, its indexes and its comments, and returns it.';

CREATE FUNCTION pipedrive_internal.rename_copied(copied pipedrive_internal.copies, identity text, new_name name)
RETURNS pipedrive_internal.copies
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    old_name name := copied.columns ->> identity;
BEGIN
    EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', copied.copy, old_name, new_name);
    IF EXISTS (SELECT FROM pg_attribute a
                WHERE a.attrelid = copied.history AND a.attname = old_name AND NOT a.attisdropped) THEN
        EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', copied.history, old_name, new_name);
    END IF;
    UPDATE pipedrive_internal.copies c
       SET columns = c.columns || jsonb_build_object(identity, new_name), key = array_replace(c.key, old_name, new_name)
     WHERE c.copy = copied.copy
    RETURNING * INTO copied;
    RETURN copied;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.rename_copied(pipedrive_internal.copies, text, name) IS
    'Renames a column of a copy and of its history.';

CREATE FUNCTION pipedrive_internal.follow_columns("copy" regclass)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    copied pipedrive_internal.copies;
    change record;
    present name[];
    taken name[];
    in_the_way record;
    added boolean := false;
BEGIN
    SELECT * INTO copied FROM pipedrive_internal.copies c WHERE c.copy = follow_columns.copy;
    FOR change IN
        SELECT s.identity, s.name, s.type
          FROM pipedrive_internal.source_columns s
         WHERE s.relation = copied.source AND s.identity <> ALL (copied.left_out)
           AND copied.columns ->> s.identity IS DISTINCT FROM s.name
         ORDER BY s.position
    LOOP
        SELECT array_agg(a.attname) INTO present FROM pg_attribute a
         WHERE a.attrelid = copied.copy AND NOT a.attisdropped;
        -- The history keeps columns that the copy has lost, and a column that the owner dropped keeps its name.
        taken := present || '{valid_from,valid_to,seen_by}'::name[]
            || ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = copied.history AND NOT a.attisdropped)
            || ARRAY(SELECT (copied.columns ->> s.identity)::name FROM pipedrive_internal.source_columns s
                      WHERE s.relation = copied.source AND s.identity <> change.identity);
        IF NOT copied.columns ? change.identity THEN
            change.name := pipedrive_internal.free_name(change.name, taken);
            EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', copied.copy, change.name, change.type);
            IF copied.history IS NOT NULL THEN
                EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', copied.history, change.name, change.type);
            END IF;
            added := true;
            UPDATE pipedrive_internal.copies c
               SET columns = (SELECT coalesce(jsonb_object_agg(k.key, k.value), '{}')
                              || jsonb_build_object(change.identity, change.name)
                                FROM jsonb_each_text(c.columns) k WHERE k.value <> change.name),
                   columns_added = jsonb_build_object(change.identity, NULL) || c.columns_added
             WHERE c.copy = copied.copy
            RETURNING * INTO copied;
        ELSIF (copied.columns ->> change.identity)::name = ANY (present) THEN
            -- It may be the name of a column that waits for another one, as when two exchange their names.
            SELECT s.identity, pipedrive_internal.free_name(s.name, taken) AS name INTO in_the_way
              FROM pipedrive_internal.source_columns s
             WHERE s.relation = copied.source AND s.name <> change.name
               AND copied.columns ->> s.identity = change.name AND change.name = ANY (present);
            IF FOUND THEN
                copied := pipedrive_internal.rename_copied(copied, in_the_way.identity, in_the_way.name);
            ELSIF change.name = ANY (taken) THEN
                CONTINUE;
            END IF;
            copied := pipedrive_internal.rename_copied(copied, change.identity, change.name);
        END IF;
    END LOOP;
    RETURN added;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.follow_columns(regclass) IS
    'Gives a copy the columns that its foreign table has got, and renames those that were renamed there. Columns that '
    'are gone stay with their last values. True when columns were added.';

CREATE FUNCTION pipedrive_internal.drop_columns_gone("copy" regclass)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    gone name;
    dropped boolean := false;
BEGIN
    FOR gone IN
        SELECT a.attname
          FROM pipedrive_internal.copies c, jsonb_each_text(c.columns) v, pg_attribute a
         WHERE c.copy = drop_columns_gone.copy AND c.drop_columns AND v.key = ANY (c.fields_gone)
           AND a.attrelid = c.copy AND a.attname = v.value AND NOT a.attisdropped
         ORDER BY a.attnum
    LOOP
        BEGIN
            EXECUTE format('ALTER TABLE %s DROP COLUMN %I', "copy", gone);
            dropped := true;
        EXCEPTION WHEN dependent_objects_still_exist THEN
            NULL;  -- A view shows it, or another column is computed from it. It stays, and sync_status names it.
        END;
    END LOOP;
    RETURN dropped;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.drop_columns_gone(regclass) IS
    'Drops the columns of a copy whose custom fields were deleted, if its owner wants that, but for those on which a '
    'view or another column depends. The history keeps them. True when columns were dropped.';

-- NULL has a meaning of its own for times, so that one that is left out is a time that cannot be.
CREATE FUNCTION pipedrive.set_sync(
    "table" regclass,
    every interval DEFAULT '-1 us',
    reconcile interval DEFAULT '-1 us',
    drop_columns boolean DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    unchanged CONSTANT interval := '-1 us';
    negative text := CASE WHEN every < '0' AND every <> unchanged THEN 'every'
                          WHEN reconcile < '0' AND reconcile <> unchanged THEN 'reconcile' END;
BEGIN
    IF negative IS NOT NULL THEN
        RAISE EXCEPTION 'pipedrive copy: % cannot be negative', negative
              USING HINT = 'Give an interval such as ''1 hour'', or NULL.',
                    ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE pipedrive_internal.copies c
       SET every = CASE WHEN set_sync.every = unchanged THEN c.every ELSE set_sync.every END,
           compare_every = CASE WHEN reconcile = unchanged THEN c.compare_every ELSE reconcile END,
           drop_columns = coalesce(set_sync.drop_columns, c.drop_columns)
     WHERE c.copy = "table" AND pipedrive_internal.keeps("table");
    IF NOT FOUND THEN
        RAISE EXCEPTION 'pipedrive copy: % is not a copy that % keeps', "table", quote_ident(current_user)
              USING HINT = 'SELECT * FROM pipedrive.sync_status shows the copies that this role keeps.',
                    ERRCODE = 'wrong_object_type';
    END IF;
END
$function$;
COMMENT ON FUNCTION pipedrive.set_sync(regclass, interval, interval, boolean) IS
    'How often a copy is brought up to date (NULL: in every run), how often it is compared with the whole table '
    '(NULL: only when a run is told to), and whether columns of custom fields that were deleted are dropped. What is '
    'left out stays as it is.';

CREATE FUNCTION pipedrive.replace_copy("table" regclass, new_table regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    history regclass;
BEGIN
    IF NOT pipedrive_internal.keeps(new_table) THEN
        RAISE EXCEPTION 'pipedrive copy: % does not belong to %', new_table, quote_ident(current_user)
              USING HINT = 'Call this as the owner of both tables.', ERRCODE = 'insufficient_privilege';
    ELSIF NOT pipedrive_internal.can_be_copy(new_table) THEN
        RAISE EXCEPTION 'pipedrive copy: % is no ordinary table', new_table
              USING HINT = 'A copy can be an ordinary or a partitioned table that is not temporary.',
                    ERRCODE = 'wrong_object_type';
    ELSIF new_table <> "table" AND EXISTS (SELECT FROM pipedrive_internal.copies c WHERE c.copy = new_table) THEN
        RAISE EXCEPTION 'pipedrive copy: % is a copy already', new_table
              USING HINT = 'Name a table that is not a copy.', ERRCODE = 'duplicate_object';
    ELSIF EXISTS (SELECT FROM pipedrive_internal.copies c WHERE c.copy = "table" AND c.key <> '{}')
          AND NOT EXISTS (SELECT FROM pg_index i
                            JOIN pipedrive_internal.copies c ON c.copy = "table"
                           WHERE i.indrelid = new_table AND i.indisunique AND i.indimmediate AND i.indisvalid
                             AND i.indpred IS NULL AND i.indexprs IS NULL
                             AND (SELECT array_agg(a.attname ORDER BY a.attname)
                                    FROM pg_attribute a
                                   WHERE a.attrelid = new_table
                                     AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))
                                 = ARRAY(SELECT k FROM unnest(c.key) k ORDER BY k)) THEN
        RAISE EXCEPTION 'pipedrive copy: % does not have the key of %', new_table, "table"
              USING HINT = format('Add it: ALTER TABLE %s ADD PRIMARY KEY (%s);', new_table, (
                        SELECT string_agg(quote_ident(k), ', ')
                          FROM pipedrive_internal.copies c, unnest(c.key) k WHERE c.copy = "table")),
                    ERRCODE = 'invalid_table_definition';
    END IF;
    -- First, since a run that works on the copy wants what is locked next.
    UPDATE pipedrive_internal.turns t SET copy = new_table WHERE t.copy = "table";
    UPDATE pipedrive_internal.copies c
       SET copy = new_table, attempted = NULL, compared = NULL, watermark = NULL
     WHERE c.copy = "table" AND pipedrive_internal.keeps("table")
    RETURNING c.history INTO history;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'pipedrive copy: % is not a copy that % keeps', "table", quote_ident(current_user)
              USING HINT = 'SELECT * FROM pipedrive.sync_status shows the copies that this role keeps.',
                    ERRCODE = 'wrong_object_type';
    END IF;
    UPDATE pipedrive_internal.pending p SET copy = new_table WHERE p.copy = "table";
    UPDATE pipedrive_internal.restored r SET copy = new_table WHERE r.copy = "table";
    IF history IS NOT NULL THEN
        PERFORM pipedrive_internal.end_history("table", history);
        PERFORM pipedrive_internal.begin_history(new_table, history);
    END IF;
END
$function$;
COMMENT ON FUNCTION pipedrive.replace_copy(regclass, regclass) IS
    'Lets another table, partitioned for instance, take the place of a copy. It has the same columns and key, and is '
    'loaded by the next run. Its history goes on.';
