-- Versions of rows: what a copy was at any moment since its history began.

CREATE FUNCTION pipedrive_internal.history_columns("copy" regclass, history regclass DEFAULT NULL)
RETURNS name[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT array_agg(a.attname ORDER BY a.attnum)
      FROM pg_attribute a
     WHERE a.attrelid = "copy" AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> 'v'
       AND a.attname <> ALL ('{valid_from,valid_to,seen_by}')
       AND (history IS NULL
            OR EXISTS (SELECT FROM pg_attribute h
                        WHERE h.attrelid = history AND h.attname = a.attname AND NOT h.attisdropped));
$function$;
COMMENT ON FUNCTION pipedrive_internal.history_columns(regclass, regclass) IS
    'The columns of a copy that its history has as well; without one, those that it would have. The owner may have added '
    'columns to the copy with the names of the history''s own. A trigger does not see the value of a virtual column.';

CREATE FUNCTION pipedrive_internal.next_moment(history regclass)
RETURNS timestamptz
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    moment timestamptz;
BEGIN
    -- Another transaction may have begun later and changed the same rows first, and the clock may have been put back.
    EXECUTE format('SELECT greatest(pipedrive_internal.moment(), max(greatest(valid_from, valid_to))) FROM %s', history)
       INTO moment;
    RETURN moment;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.next_moment(regclass) IS
    'When the versions end and begin that this transaction changes: not before any that the history has.';

CREATE FUNCTION pipedrive_internal.end_versions(history regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    EXECUTE format('UPDATE %s SET valid_to = $1 WHERE valid_to IS NULL', history)
      USING pipedrive_internal.next_moment(history);
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.end_versions(regclass) IS 'Ends all versions that are still valid.';

CREATE FUNCTION pipedrive_internal.keep_versions()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    history regclass;
    key name[];
    columns text;
    same text;
    moment timestamptz;
BEGIN
    -- A subscription begins with a COPY, which fires triggers of statements: the versions come as rows of the history.
    IF EXISTS (SELECT FROM pg_stat_subscription s WHERE s.pid = pg_backend_pid()) THEN
        RETURN NULL;
    END IF;
    SELECT c.history, c.key INTO history, key
      FROM pipedrive_internal.copies c WHERE c.copy = TG_RELID AND NOT c.from_dump;
    IF NOT FOUND AND NOT pipedrive_internal.keeps(TG_RELID) THEN
        RAISE EXCEPTION 'pipedrive copy: the history of %.% cannot be written by %', quote_ident(TG_TABLE_SCHEMA),
                        quote_ident(TG_TABLE_NAME), quote_ident(current_user)
              USING DETAIL = 'Only the owner of a copy with a history can change it.',
                    ERRCODE = 'insufficient_privilege';
    ELSIF history IS NULL THEN
        RETURN NULL;  -- it was dropped, or comes with a dump
    END IF;
    SELECT string_agg(quote_ident(k), ', '),
           format('ROW(%s) IS NOT DISTINCT FROM ROW(%s)', string_agg(format('h.%I', k), ', '),
                  string_agg(format('o.%I', k), ', '))
      INTO columns, same
      FROM unnest(pipedrive_internal.history_columns(TG_RELID, history)) k;
    moment := pipedrive_internal.next_moment(history);
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pipedrive_internal.end_versions(history);
    -- What is inserted can have a version, where its row went unseen: with a partition that was detached or emptied
    ELSIF TG_OP <> 'INSERT' OR key <> '{}' THEN
        IF key <> '{}' THEN
            SELECT string_agg(format('h.%1$I = o.%1$I', k), ' AND ') INTO same FROM unnest(key) k;
        ELSE
            -- By these alone PostgreSQL can find rows without comparing each with each.
            SELECT concat_ws(' AND ', same, string_agg(format('h.%1$I = o.%1$I', a.attname), ' AND ')) INTO same
              FROM pg_attribute a
             WHERE a.attrelid = TG_RELID AND a.attnotnull
               -- One that is NOT VALID lets the rows that were there be NULL
               AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = TG_RELID AND c.contype = 'n'
                                                             AND NOT c.convalidated AND c.conkey = ARRAY[a.attnum])
               AND a.attname = ANY (pipedrive_internal.history_columns(TG_RELID, history));
        END IF;
        EXECUTE format('UPDATE %s h SET valid_to = $1 FROM %s o WHERE h.valid_to IS NULL AND %s', history,
                       CASE TG_OP WHEN 'INSERT' THEN 'new_rows' ELSE 'old_rows' END, same)
            USING moment;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        EXECUTE format('INSERT INTO %1$s (%2$s, valid_from) SELECT %2$s, $1 FROM new_rows', history, columns)
            USING moment;
    END IF;
    RETURN NULL;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.keep_versions() IS
    'Ends the versions of rows that a statement changed or deleted in a copy, and begins those that it made.';

CREATE FUNCTION pipedrive_internal.compare_versions(copied pipedrive_internal.copies)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    same text := (SELECT string_agg(format('h.%1$I = c.%1$I', k), ' AND ') FROM unnest(copied.key) k);
    columns text := (SELECT string_agg(quote_ident(k), ', ')
                       FROM unnest(pipedrive_internal.history_columns(copied.copy, copied.history)) k);
    moment timestamptz := pipedrive_internal.next_moment(copied.history);
BEGIN
    EXECUTE format('UPDATE %s h SET valid_to = $1 WHERE h.valid_to IS NULL AND NOT EXISTS (SELECT FROM %s c WHERE %s)',
                   copied.history, copied.copy, same) USING moment;
    EXECUTE format('INSERT INTO %1$s (%2$s, valid_from) SELECT %2$s, $1 FROM %3$s c '
                   'WHERE NOT EXISTS (SELECT FROM %1$s h WHERE h.valid_to IS NULL AND %4$s)',
                   copied.history, columns, copied.copy, same) USING moment;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.compare_versions(pipedrive_internal.copies) IS
    'Ends the versions of rows that a copy has no more, and begins those of rows that have none: no trigger sees what '
    'goes and comes with a partition.';

CREATE FUNCTION pipedrive_internal.begin_history("copy" regclass, history regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    columns text;
BEGIN
    PERFORM pipedrive_internal.require_all_rows("copy");
    -- There are triggers where a history was dropped, or where a dump has brought the copy and not what is known of it.
    PERFORM pipedrive_internal.end_history("copy", NULL);
    EXECUTE format('CREATE TRIGGER history_of_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows '
                   'FOR EACH STATEMENT EXECUTE FUNCTION pipedrive_internal.keep_versions()', "copy");
    EXECUTE format('CREATE TRIGGER history_of_update AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows '
                   'NEW TABLE AS new_rows FOR EACH STATEMENT '
                   'EXECUTE FUNCTION pipedrive_internal.keep_versions()', "copy");
    EXECUTE format('CREATE TRIGGER history_of_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows '
                   'FOR EACH STATEMENT EXECUTE FUNCTION pipedrive_internal.keep_versions()', "copy");
    EXECUTE format('CREATE TRIGGER history_of_truncate AFTER TRUNCATE ON %s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION pipedrive_internal.keep_versions()', "copy");
    -- Also where session_replication_role is replica: else the copy would change, and its history would not
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER history_of_insert, ENABLE ALWAYS TRIGGER history_of_update, '
                   'ENABLE ALWAYS TRIGGER history_of_delete, ENABLE ALWAYS TRIGGER history_of_truncate', "copy");
    -- What the copy holds already. From here on nobody else changes it without a trigger.
    SELECT string_agg(quote_ident(k), ', ') INTO columns
      FROM unnest(pipedrive_internal.history_columns("copy", history)) k;
    EXECUTE format('INSERT INTO %1$s (%2$s, valid_from) SELECT %2$s, $1 FROM %3$s', history, columns, "copy")
      USING pipedrive_internal.next_moment(history);
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.begin_history(regclass, regclass) IS
    'Keeps the versions of the rows of a copy from now on.';

CREATE FUNCTION pipedrive_internal.end_history("copy" regclass, history regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    "trigger" name;
BEGIN
    FOR "trigger" IN
        SELECT t.tgname FROM pg_trigger t
         WHERE t.tgrelid = "copy" AND t.tgfoid = 'pipedrive_internal.keep_versions()'::regprocedure
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', "trigger", "copy");
    END LOOP;
    IF history IS NOT NULL THEN
        PERFORM pipedrive_internal.end_versions(history);
    END IF;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.end_history(regclass, regclass) IS
    'Keeps no further versions of the rows of a table, and ends those that are still valid; NULL for a history that '
    'was dropped.';

CREATE FUNCTION pipedrive_internal.make_history("copy" regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    copied pipedrive_internal.copies;
    place record;
    made regclass;
BEGIN
    -- A run that works on the copy wants what is locked here: it is waited for before anything is.
    PERFORM FROM pipedrive_internal.turns t WHERE t.copy = make_history.copy FOR UPDATE;
    SELECT * INTO copied FROM pipedrive_internal.copies c WHERE c.copy = make_history.copy;
    IF copied.history IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT n.nspname || '_history' AS schema, k.relname AS name INTO place
      FROM pg_class k JOIN pg_namespace n ON n.oid = k.relnamespace WHERE k.oid = "copy";
    IF to_regclass(format('%I.%I', place.schema, place.name)) IS NOT NULL THEN
        RAISE EXCEPTION 'pipedrive copy: %.% exists already and is not the history of %', quote_ident(place.schema),
                        quote_ident(place.name), "copy"
              USING DETAIL = 'Nothing was created.',
                    HINT = format('Give it another name: ALTER TABLE %I.%I RENAME TO ...', place.schema, place.name),
                    ERRCODE = 'duplicate_table';
    END IF;
    -- Without NOT NULL: the copy may lose a column that its history keeps.
    EXECUTE format('CREATE TABLE %I.%I AS SELECT %s FROM %s WITH NO DATA', place.schema, place.name,
                   (SELECT string_agg(quote_ident(k), ', ')
                      FROM unnest(pipedrive_internal.history_columns("copy")) k), "copy");
    EXECUTE format('ALTER TABLE %I.%I ADD valid_from timestamptz NOT NULL, ADD valid_to timestamptz, '
                   'ADD seen_by text NOT NULL DEFAULT ''sync''', place.schema, place.name);
    made := format('%I.%I', place.schema, place.name)::regclass;
    EXECUTE format('COMMENT ON TABLE %s IS %L', made, format(
        'Every version of a row of %s, from valid_from until before valid_to (NULL: still).', "copy"));
    IF copied.key <> '{}' THEN
        EXECUTE format('CREATE INDEX ON %s (%s)', made,
                       (SELECT string_agg(quote_ident(k), ', ') FROM unnest(copied.key) k));
    END IF;
    EXECUTE format('CREATE INDEX ON %s (greatest(valid_from, valid_to))', made);
    -- Else no version could be ended where all tables are published
    EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', made);
    UPDATE pipedrive_internal.copies c SET history = made WHERE c.copy = make_history.copy;
    PERFORM pipedrive_internal.begin_history("copy", made);
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.make_history(regclass) IS
    'Makes the table of versions of a copy, beside it in the schema with the suffix _history.';

CREATE FUNCTION pipedrive_internal.history_of("copy" regclass, moment timestamptz)
RETURNS regclass
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    history regclass;
    known boolean;
    began timestamptz;
BEGIN
    SELECT c.history INTO history FROM pipedrive_internal.copies c WHERE c.copy = history_of.copy;
    IF NOT pipedrive_internal.keeps("copy") THEN
        RAISE EXCEPTION 'pipedrive copy: % does not belong to %', "copy", quote_ident(current_user)
              USING HINT = 'Call this as its owner, or read the table of versions in the schema with the suffix '
                           '_history.',
                    ERRCODE = 'insufficient_privilege';
    ELSIF history IS NULL THEN
        RAISE EXCEPTION 'pipedrive copy: % has no history', "copy"
              USING HINT = 'SELECT pipedrive.mirror(..., history => true) starts one.',
                    ERRCODE = 'wrong_object_type';
    END IF;
    PERFORM pipedrive_internal.require_all_rows(history);
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE valid_from <= $1)', history) INTO known USING moment;
    IF NOT known THEN
        EXECUTE format('SELECT min(valid_from) FROM %s', history) INTO began;
        IF began > moment THEN
            RAISE EXCEPTION 'pipedrive copy: the history of % begins at %', "copy", began
                  USING DETAIL = format('It does not tell what there was at %s.', moment),
                        ERRCODE = 'invalid_parameter_value';
        END IF;
    END IF;
    RETURN history;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.history_of(regclass, timestamptz) IS
    'The table of versions of a copy, which knows this moment.';

CREATE FUNCTION pipedrive.as_of("table" regclass, moment timestamptz)
RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('as_of', 'table, moment', num_nulls("table", moment));
    RETURN QUERY EXECUTE format(
        'SELECT to_jsonb(h) - ''{valid_from,valid_to,seen_by}''::text[] FROM %s h '
        'WHERE h.valid_from <= $1 AND (h.valid_to IS NULL OR h.valid_to > $1)', pipedrive_internal.history_of("table", moment))
        USING moment;
END
$function$;
COMMENT ON FUNCTION pipedrive.as_of(regclass, timestamptz) IS
    'The rows that a copy had at a moment, as objects: SELECT r.* FROM pipedrive.as_of(''crm.deals'', moment) o, '
    'jsonb_populate_record(NULL::crm.deals, o) r.';

CREATE FUNCTION pipedrive.schedule(every interval DEFAULT '5 minutes')
RETURNS SETOF text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
-- Without it a backslash in the strings below would be something else.
SET standard_conforming_strings = on
AS $function$
DECLARE
    minutes numeric := extract(epoch FROM every)::numeric / 60;
    times text;
    plain text := '^[A-Za-z0-9_.-]+$';
    database text := current_database();
    command text := 'psql -X -q -p ' || current_setting('port') || ' -d %s -U %s -c %s';
    -- Somebody may have given the schema another name.
    call text := (SELECT format('CALL %s.sync()', e.extnamespace::regnamespace)
                    FROM pg_extension e WHERE e.extname = 'pipedrive_fdw');
    for_cron text[];
    for_systemd text[];
BEGIN
    times := CASE WHEN minutes BETWEEN 1 AND 59 AND minutes % 1 = 0 AND 60 % minutes = 0
                  THEN format('%s * * * *', CASE minutes WHEN 1 THEN '*' ELSE '*/' || round(minutes) END)
                  WHEN minutes % 60 = 0 AND minutes / 60 BETWEEN 1 AND 23 AND 24 % (minutes / 60) = 0
                  THEN format('0 %s * * *', CASE minutes WHEN 60 THEN '*' ELSE '*/' || round(minutes / 60) END)
                  WHEN minutes = 1440 THEN '0 3 * * *' END;
    IF times IS NULL THEN
        RAISE EXCEPTION 'pipedrive copy: cron has no schedule for an interval of %', every
              USING HINT = 'Use minutes that divide an hour, hours that divide a day, or one day.',
                    ERRCODE = 'invalid_parameter_value';
    END IF;
    IF database !~ plain THEN
        -- psql takes a name with "=" for a connection string, which this is.
        database := format('dbname=''%s''', regexp_replace(database, '([\\''])', '\\\1', 'g'));
    END IF;
    -- The shell of cron takes a word in single quotes as it is, but cron itself takes % for the end of the line.
    -- systemd reads backslashes within quotes, and % and $ everywhere.
    SELECT array_agg(CASE WHEN w.word ~ plain THEN w.word
                     ELSE format('''%s''', replace(replace(w.word, '''', '''\'''''), '%', '\%')) END ORDER BY w.place),
           array_agg(CASE WHEN w.word ~ plain THEN w.word
                     ELSE format('''%s''', regexp_replace(regexp_replace(w.word, '([\\''])', '\\\1', 'g'),
                                                          '([%$])', '\1\1', 'g')) END ORDER BY w.place)
      INTO for_cron, for_systemd
      FROM unnest(ARRAY[database, current_user, call]) WITH ORDINALITY AS w (word, place);
    RETURN NEXT '-- With pg_cron:';
    RETURN NEXT format('SELECT cron.schedule(%L, %L, %L);', 'pipedrive ' || current_database(), times, call);
    RETURN NEXT '# Or a line of crontab:';
    RETURN NEXT format('%s %s', times, format(command, VARIADIC for_cron));
    RETURN NEXT '# Or a timer of systemd, pipedrive-sync.timer:';
    RETURN NEXT '[Timer]';
    RETURN NEXT format('OnUnitActiveSec=%smin', round(minutes));
    RETURN NEXT format('OnBootSec=%smin', round(minutes));
    RETURN NEXT '[Install]';
    RETURN NEXT 'WantedBy=timers.target';
    RETURN NEXT '# and pipedrive-sync.service:';
    RETURN NEXT '[Service]';
    RETURN NEXT 'Type=oneshot';
    RETURN NEXT format('ExecStart=%s', format(command, VARIADIC for_systemd));
END
$function$;
COMMENT ON FUNCTION pipedrive.schedule(interval) IS
    'Lines that let pg_cron, cron or systemd call pipedrive.sync again and again.';
