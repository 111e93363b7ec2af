-- Bringing copies up to date.
--
-- A run takes the copies that are due one after the other, and each in steps of a transaction. What a step has read,
-- how far the copy has come by it, and what hangs on the rows that it changed are committed together, so that a run
-- that ends anywhere is taken up by the next one.

CREATE FUNCTION pipedrive_internal.is_due(last timestamptz, every interval)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    -- A run that begins some seconds earlier than the one before is not to be a whole interval late, and a clock
    -- that was put back must not stop everything.
    SELECT last IS NULL OR last > clock_timestamp() OR clock_timestamp() - last >= every * 0.95;
$function$;
COMMENT ON FUNCTION pipedrive_internal.is_due(timestamptz, interval) IS
    'True when so much time has passed since then; NULL without an interval.';

CREATE FUNCTION pipedrive_internal.sync_compares(
    copied pipedrive_internal.copies, how text, run timestamptz, reconcile boolean)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT copied.compared IS NULL
           OR copied.compared IS DISTINCT FROM run
           AND (how = 'whole'
                OR coalesce(reconcile, pipedrive_internal.is_due(copied.compared, copied.compare_every), false));
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_compares(pipedrive_internal.copies, text, timestamptz, boolean) IS
    'True if a run is still to read the whole table of a copy.';

CREATE FUNCTION pipedrive_internal.sync_definitions(
    copied pipedrive_internal.copies, definitions bigint, how text, run timestamptz, reconcile boolean)
RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT CASE WHEN pipedrive_internal.sync_compares(copied, how, run, reconcile)
                     AND copied.fields_compared IS DISTINCT FROM run
                     AND (SELECT t.has_custom_fields FROM pipedrive_internal.foreign_tables t
                           WHERE t.relation = copied.source)
                THEN definitions ELSE 0 END;
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_definitions(
    pipedrive_internal.copies, bigint, text, timestamptz, boolean) IS
    'The tokens that the next step of a run spends to compare the custom fields; 0 if it does not.';

CREATE FUNCTION pipedrive_internal.sync_action(
    copied pipedrive_internal.copies, how text, walked boolean, run timestamptz, reconcile boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    WITH state AS (
        SELECT pipedrive_internal.sync_compares(copied, how, run, reconcile) AS wants_all,
               EXISTS (SELECT FROM pipedrive_internal.pending p
                        WHERE p.copy = copied.copy AND p.tried IS DISTINCT FROM run) AS is_pending
    )
    SELECT CASE how
        WHEN 'whole' THEN CASE WHEN state.wants_all THEN 'whole' END
        WHEN 'changes' THEN CASE
            WHEN copied.compared IS NULL AND copied.attempted IS NULL THEN 'begin'
            -- The first load is one list. If that has failed before, it is read in parts.
            WHEN copied.changed IS DISTINCT FROM run
                 AND (copied.watermark IS NOT NULL OR copied.compared IS NOT NULL OR copied.attempted <> run)
                 THEN 'changes'
            WHEN state.wants_all THEN 'whole' END
        WHEN 'parents' THEN CASE
            WHEN state.wants_all AND walked THEN 'list'
            WHEN state.wants_all THEN 'whole'
            WHEN state.is_pending THEN 'parents' END
        END
      FROM state;
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_action(pipedrive_internal.copies, text, boolean, timestamptz, boolean) IS
    'The next step of a copy in a run: begin (a first load), changes, whole, list (all parents as pending), parents '
    '(those that are pending); NULL when it is up to date.';

CREATE FUNCTION pipedrive_internal.has_rows("copy" regclass)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    found boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', "copy") INTO found;
    RETURN found;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.has_rows(regclass) IS 'True of a copy that is not empty.';

-- All of it is read again: in a crash where the copy is UNLOGGED, and in a dump without its data, its rows are lost,
-- and what is known of it is not.
CREATE FUNCTION pipedrive_internal.sync_known("copy" regclass)
RETURNS pipedrive_internal.copies
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    copied pipedrive_internal.copies;
BEGIN
    SELECT * INTO copied FROM pipedrive_internal.copies c WHERE c.copy = sync_known.copy;
    IF NOT copied.filled OR NOT pipedrive_internal.is_own("copy") THEN
        RETURN copied;  -- a table of another role could be a view by now
    ELSIF NOT pipedrive_internal.has_rows("copy") THEN
        copied.filled := false;
        copied.attempted := NULL;
        copied.compared := NULL;
        copied.watermark := NULL;
        copied.synced := NULL;
    END IF;
    RETURN copied;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_known(regclass) IS
    'What is known of a copy; of one that has lost all its rows, as of one that was never loaded.';

CREATE FUNCTION pipedrive_internal.sync_order("table" regclass, reconcile boolean)
RETURNS regclass[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    found regclass[];
    keeper name;
BEGIN
    -- Before a request, which would be for nothing.
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'pipedrive copy: a run cannot write, because the transaction is read-only'
              USING HINT = CASE WHEN pg_is_in_recovery() THEN 'Call sync on the primary server.'
                                ELSE 'SET default_transaction_read_only = off;' END,
                    ERRCODE = 'read_only_sql_transaction';
    END IF;
    -- A superuser is a member of every role: what others keep is theirs to bring up to date.
    SELECT array_agg(k.copy ORDER BY d.place, k.name), max(pg_get_userbyid(k.owner)) INTO found, keeper
      FROM pipedrive_internal.known_copies k
      JOIN pipedrive_internal.copies c ON c.copy = k.copy
      -- Where nothing is declared, the step says why.
      LEFT JOIN pipedrive_internal.declared_copies(ARRAY(
               SELECT o.server FROM pipedrive_internal.known_copies o
                WHERE has_server_privilege(o.server, 'USAGE'))) d
           ON d.server = k.server AND d.table_name = k.table_name
     WHERE CASE WHEN "table" IS NULL
                THEN pg_get_userbyid(k.owner) = current_user
                     AND (reconcile OR d.table_name IS NULL OR c.every IS NULL
                          OR pipedrive_internal.is_due((pipedrive_internal.sync_known(c.copy)).synced, c.every))
                ELSE k.copy = "table" END;
    -- Those that cannot be brought up to date, so that the run names them
    found := found || (
        SELECT array_agg(c.copy ORDER BY c.copy)
          FROM pipedrive_internal.copies c
          JOIN pg_class k ON k.oid = c.copy
         WHERE c.source IS NULL AND pg_get_userbyid(k.relowner) = current_user AND c.copy = coalesce("table", c.copy));
    IF "table" IS NOT NULL AND found IS NULL THEN
        RAISE EXCEPTION 'pipedrive copy: % is not a copy that % keeps', "table", quote_ident(current_user)
              USING HINT = 'SELECT * FROM pipedrive.sync_status shows the copies that this role keeps.',
                    ERRCODE = 'wrong_object_type';
    ELSIF keeper <> current_user THEN
        RAISE EXCEPTION 'pipedrive copy: % belongs to %', "table", quote_ident(keeper)
              USING DETAIL = 'A run has the rights of its role, and triggers on a table of another role could misuse '
                             'them.',
                    HINT = format('SET ROLE %I; then call sync again.', keeper),
                    ERRCODE = 'insufficient_privilege';
    ELSIF found IS NULL AND NOT EXISTS (SELECT FROM pipedrive_internal.copies c JOIN pg_class k ON k.oid = c.copy
                                         WHERE pg_get_userbyid(k.relowner) = current_user) THEN
        RAISE NOTICE 'pipedrive copy: % keeps no copy', quote_ident(current_user)
              USING HINT = 'SELECT pipedrive.mirror(...) makes one. A run reads the copies of the role that calls it.';
    END IF;
    RETURN coalesce(found, '{}');
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_order(regclass, boolean) IS
    'The copies that are due, all where reconcile is true, in the order of a run: small tables first, and parents before '
    'what hangs on them.';

CREATE FUNCTION pipedrive_internal.sync_usage("copy" regclass)
RETURNS jsonb
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT pipedrive_internal.ask(k.server, '{"usage": true}')
      FROM pipedrive_internal.known_copies k WHERE k.copy = sync_usage.copy;
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_usage(regclass) IS 'What the session has spent on the account of a copy.';

CREATE FUNCTION pipedrive_internal.sync_log_step(
    "copy" regclass, run timestamptz, step text, counts bigint[], before jsonb, state text, error text)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $function$
    INSERT INTO pipedrive_internal.sync_log (copy, run, step, read, written, deleted, requests, tokens, state, error)
    SELECT "copy", run, step, counts[1], counts[2], counts[3],
           coalesce((after.used ->> 'session_requests')::bigint - (before ->> 'session_requests')::bigint, 0),
           coalesce((after.used ->> 'session_tokens')::bigint - (before ->> 'session_tokens')::bigint, 0),
           state, error
      -- Where it could not be asked before, it cannot be asked now.
      FROM (SELECT CASE WHEN before IS NOT NULL THEN pipedrive_internal.sync_usage("copy") END) AS after (used)
     -- Who drops a copy waits for its step, and goes on when the step has failed.
     WHERE EXISTS (SELECT FROM pipedrive_internal.copies c WHERE c.copy = sync_log_step.copy);
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_log_step(regclass, timestamptz, text, bigint[], jsonb, text, text) IS
    'Notes what a step did, unless its copy was dropped: rows that were read, written and deleted, and what it cost since '
    'then.';

CREATE FUNCTION pipedrive_internal.sync_read(copied pipedrive_internal.copies, condition text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- The owner may have made a time a timestamp, a date or a text: it must not depend on the session that runs.
SET datestyle = 'ISO'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
AS $function$
DECLARE
    kept record;
    others text;
    number bigint;
BEGIN
    IF to_regclass('pg_temp.pipedrive_fresh') IS NOT NULL THEN
        DROP TABLE pg_temp.pipedrive_fresh;
    END IF;
    -- The owner may have given a column another type: values are cast to it without its length, which would cut what
    -- is too long, and stored with it, which is an error then. The watermark needs the time as it is.
    SELECT string_agg(format('%s.%I AS %I', o.side, CASE o.side WHEN 'f' THEN s.source_name ELSE s.name END, s.name), ', ')
           AS columns,
           string_agg(format(CASE o.side WHEN 'f' THEN '%I' ELSE '%I::%s' END, s.source_name, format_type(s.type, -1)), ', ')
           AS values
      INTO kept
      FROM pipedrive_internal.copied_columns(copied) s,
           LATERAL (SELECT CASE s.identity WHEN 'update_time' THEN 'f' ELSE 'c' END) AS o (side);
    EXECUTE format('CREATE TEMP TABLE pipedrive_fresh ON COMMIT DROP AS SELECT %s FROM %s c, %s f WITH NO DATA',
                   kept.columns, copied.copy, copied.source);
    BEGIN
        EXECUTE format('INSERT INTO pg_temp.pipedrive_fresh SELECT %s FROM %s %s', kept.values, copied.source, condition);
        GET DIAGNOSTICS number = ROW_COUNT;
    EXCEPTION WHEN data_exception OR cannot_coerce THEN
        -- A value or a type that does not fit: PostgreSQL does not name its column.
        SELECT string_agg(format('%I is %s, and %s in %s', s.name, format_type(a.atttypid, a.atttypmod), c.type,
                                 copied.source), '; ')
          INTO others
          FROM pipedrive_internal.copied_columns(copied) s
          JOIN pipedrive_internal.source_columns c ON c.relation = copied.source AND c.identity = s.identity
          JOIN pg_attribute a ON a.attrelid = copied.copy AND a.attname = s.name
         WHERE format_type(a.atttypid, a.atttypmod) <> c.type;
        IF others IS NULL OR SQLERRM LIKE 'pipedrive %' THEN
            RAISE;
        END IF;
        RAISE EXCEPTION '% (%)', SQLERRM, others
              USING HINT = 'Give the column of the copy, and of its history, a type that holds the values.',
                    ERRCODE = SQLSTATE;
    END;
    PERFORM pipedrive_internal.note_reading();
    IF number > 1000 AND copied.key <> '{}' THEN
        EXECUTE format('ANALYZE pg_temp.pipedrive_fresh (%s)',
                       (SELECT string_agg(quote_ident(k), ', ') FROM unnest(copied.key) k));
    END IF;
    RETURN number;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_read(pipedrive_internal.copies, text) IS
    'Reads rows of the foreign table into the temporary table pipedrive_fresh; their number.';

CREATE FUNCTION pipedrive_internal.sync_beside("copy" regclass, tables text[])
RETURNS regclass[]
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT coalesce(array_agg(other.copy ORDER BY other.copy), '{}')
      FROM pipedrive_internal.known_copies mine
      JOIN pipedrive_internal.known_copies other
           ON other.table_name = ANY (tables) AND other.server = mine.server AND other.schema = mine.schema
          AND other.owner = mine.owner
     WHERE mine.copy = sync_beside.copy;
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_beside(regclass, text[]) IS
    'The copies of these tables beside a copy: those of its parent, or those whose rows are read again when one of its '
    'rows changes.';

CREATE FUNCTION pipedrive_internal.sync_store(copied pipedrive_internal.copies, children regclass[], within text)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kept record;
    written bigint;
    deleted bigint := 0;
BEGIN
    SELECT string_agg(quote_ident(s.name), ', ') AS columns,
           string_agg(format('%1$I = EXCLUDED.%1$I', s.name), ', ') AS sets,
           string_agg(format('c.%I', s.name), ', ') AS old,
           string_agg(format('EXCLUDED.%I', s.name), ', ') AS new,
           (SELECT string_agg(quote_ident(k), ', ') FROM unnest(copied.key) k) AS key,
           (SELECT string_agg(format('f.%1$I = c.%1$I', k), ' AND ') FROM unnest(copied.key) k) AS same,
           max(format(', %I DESC NULLS LAST', s.name)) FILTER (WHERE s.identity = 'update_time') AS newest
      INTO kept
      FROM pipedrive_internal.copied_columns(copied) s;
    -- A list that changes while it is read can show a record twice. The newest one counts. Only keys are sorted,
    -- because sorting whole rows takes long.
    EXECUTE format(
        'DELETE FROM pg_temp.pipedrive_fresh WHERE ctid = ANY (ARRAY(SELECT place FROM (SELECT ctid, '
        'row_number() OVER (PARTITION BY %1$s ORDER BY %1$s%2$s) FROM pg_temp.pipedrive_fresh) AS f (place, number) '
        'WHERE number > 1))', kept.key, kept.newest);
    -- Before others are written: a value that the owner keeps unique may have gone from one record to another.
    IF within IS NOT NULL THEN
        EXECUTE format(
            'WITH gone AS (DELETE FROM %1$s c WHERE (%2$s) '
            'AND NOT EXISTS (SELECT FROM pg_temp.pipedrive_fresh f WHERE %3$s) RETURNING c.%4$I), '
            'told AS (INSERT INTO pipedrive_internal.pending (copy, key) '
            'SELECT a.child, g.%4$I FROM gone g, unnest($1) AS a (child) '
            'ON CONFLICT (copy, key) DO UPDATE SET told = EXCLUDED.told) '
            'SELECT count(*) FROM gone',
            copied.copy, within, kept.same, copied.key[1])
            INTO deleted USING children;
    END IF;
    -- Byte by byte: the owner's types and collations may call equal what is not the same, such as a and A.
    EXECUTE format(
        'WITH stored AS (INSERT INTO %3$s AS c (%2$s) SELECT %2$s FROM pg_temp.pipedrive_fresh '
        'ON CONFLICT (%1$s) DO UPDATE SET %4$s WHERE ROW(%5$s)::record *<> ROW(%6$s)::record RETURNING c.%7$I), '
        'told AS (INSERT INTO pipedrive_internal.pending (copy, key) '
        'SELECT a.child, s.%7$I FROM stored s, unnest($1) AS a (child) '
        'ON CONFLICT (copy, key) DO UPDATE SET told = EXCLUDED.told) '
        'SELECT count(*) FROM stored',
        kept.key, kept.columns, copied.copy, kept.sets, kept.old, kept.new, copied.key[1])
        INTO written USING children;
    RETURN ARRAY[written, deleted];
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_store(pipedrive_internal.copies, regclass[], text) IS
    'Writes the rows of pipedrive_fresh into a copy that has a key, deletes those that are missing there, as far as '
    'the condition reaches (NULL: none), and notes for the children which keys changed; numbers of both.';

CREATE FUNCTION pipedrive_internal.sync_replace(copied pipedrive_internal.copies, parent name, within text)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    columns text;
    texts text;
    place text := coalesce(quote_ident(parent), '''''') || '::text';
    touched text[];
    written bigint;
    deleted bigint;
BEGIN
    -- Texts also as they are: the owner's types and collations may call equal what is not the same, such as a and A.
    SELECT string_agg(quote_ident(s.name), ', '),
           string_agg(format(', %I::text COLLATE "C"', s.name), '')
               FILTER (WHERE t.typcategory = 'S' AND t.oid <> 'bpchar'::regtype)
      INTO columns, texts
      FROM pipedrive_internal.copied_columns(copied) s
      JOIN pg_type t ON t.oid = s.type;
    EXECUTE format(
        'WITH fresh AS (SELECT %1$s AS parents_key, %2$s%5$s FROM pg_temp.pipedrive_fresh), '
        'kept AS (SELECT %1$s AS parents_key, %2$s%5$s FROM %3$s c WHERE %4$s) '
        'SELECT array_agg(DISTINCT d.parents_key) FROM ('
        '(SELECT * FROM fresh EXCEPT ALL SELECT * FROM kept) UNION ALL '
        '(SELECT * FROM kept EXCEPT ALL SELECT * FROM fresh)) d', place, columns, copied.copy, within, texts)
        INTO touched;
    EXECUTE format('DELETE FROM %s WHERE %s = ANY ($1)', copied.copy, place) USING touched;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    EXECUTE format('INSERT INTO %1$s (%2$s) SELECT %2$s FROM pg_temp.pipedrive_fresh WHERE %3$s = ANY ($1)',
                   copied.copy, columns, place) USING touched;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN ARRAY[written, deleted];
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_replace(pipedrive_internal.copies, name, text) IS
    'Replaces all rows of those parents of which a row differs, in a copy that has no key; numbers of new and old '
    'rows.';

CREATE FUNCTION pipedrive_internal.sync_newest(copied pipedrive_internal.copies)
RETURNS timestamptz
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    newest timestamptz;
BEGIN
    EXECUTE format('SELECT max(%1$I) FROM pg_temp.pipedrive_fresh WHERE %1$I <= clock_timestamp()',
                   copied.columns ->> 'update_time') INTO newest;
    RETURN newest;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_newest(pipedrive_internal.copies) IS
    'The latest update_time of what was read, but for times to come; NULL when there is none.';

CREATE FUNCTION pipedrive_internal.sync_watermark(newest timestamptz, began timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    -- A record that changed after it was read changed later than Pipedrive's time when reading began. That is
    -- not known here, but the newest record seen is no more than the duration of reading away from it. Where
    -- none was seen, the watermark stays: this server's clock may be ahead of Pipedrive's. It may also have been put
    -- back meanwhile, and then nobody knows the duration.
    SELECT CASE WHEN clock_timestamp() >= began THEN newest - (clock_timestamp() - began) END;
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_watermark(timestamptz, timestamptz) IS
    'Up to which update_time all changes are known to a reading that began then and has ended now; NULL if that is not '
    'known.';

CREATE FUNCTION pipedrive_internal.sync_changes(
    copied pipedrive_internal.copies, children regclass[], run timestamptz, newest_first boolean)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- Other styles write the name of a time zone, which can stand for another one when it is read, and some zones are too far
-- from UTC to be read.
SET datestyle = 'ISO'
SET timezone = 'UTC'
AS $function$
DECLARE
    began timestamptz := clock_timestamp();
    since timestamptz := coalesce(
        copied.watermark - CASE WHEN copied.unfinished THEN interval '0' ELSE interval '30 seconds' END, 'epoch');
    changed_at name;
    part bigint := 5000;
    number bigint;
    newest timestamptz;
    more boolean;
BEGIN
    SELECT s.source_name INTO changed_at
      FROM pipedrive_internal.source_columns c
      JOIN pipedrive_internal.copied_columns(copied) s ON s.identity = c.identity
     WHERE c.relation = copied.source AND c.identity = 'update_time';
    LOOP
        number := pipedrive_internal.sync_read(copied, format(
            'WHERE %1$I >= %2$L ORDER BY %1$I %3$s', changed_at, since,
            CASE WHEN newest_first THEN 'DESC' ELSE format('LIMIT %s', part) END));
        newest := pipedrive_internal.sync_newest(copied);
        more := number = part AND NOT newest_first;
        -- As many rows as that can have one time, or lie between the beginning and the watermark: then a larger part leads
        -- beyond it.
        EXIT WHEN NOT more OR newest > greatest(since, copied.watermark) AND newest < began;
        part := part * 2;
    END LOOP;
    IF NOT more THEN
        newest := pipedrive_internal.sync_watermark(newest, began);
    END IF;
    UPDATE pipedrive_internal.copies c
       SET watermark = greatest(c.watermark, newest), unfinished = more,
           changed = CASE WHEN more THEN c.changed ELSE run END
     WHERE c.copy = copied.copy;
    RETURN number || pipedrive_internal.sync_store(copied, children, NULL);
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_changes(pipedrive_internal.copies, regclass[], timestamptz, boolean) IS
    'Reads what has changed since the watermark, in the order of its change, and moves the watermark with it.';

CREATE FUNCTION pipedrive_internal.sync_done(seen pipedrive_internal.pending[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $function$
    -- Another session may have changed a parent after these were seen, or be about to: then its rows are read once more.
    UPDATE pipedrive_internal.pending p SET done = true
     WHERE (p.copy, p.key) IN (SELECT o.copy, o.key
                                 FROM pipedrive_internal.pending o
                                 JOIN unnest(seen) s ON o.copy = s.copy AND o.key = s.key AND o.told = s.told
                                  FOR UPDATE OF o SKIP LOCKED);
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_done(pipedrive_internal.pending[]) IS
    'Removes keys of parents that were seen before their rows were read, unless they were told again since.';

CREATE FUNCTION pipedrive_internal.sync_keys(parents regclass[], parent_key name)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT string_agg(format('SELECT %I AS key FROM %s', c.columns ->> parent_key, c.copy), ' UNION ALL ')
      FROM pipedrive_internal.copies c
     WHERE c.copy = ANY (parents);
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_keys(regclass[], name) IS
    'A query of the keys in these copies of a parent; NULL without one. There are several where several foreign tables '
    'show the same table of Pipedrive, or parts of it.';

CREATE FUNCTION pipedrive_internal.sync_orphans(children regclass[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    child record;
BEGIN
    FOR child IN
        SELECT c.copy, s.name,
               pipedrive_internal.sync_keys(pipedrive_internal.sync_beside(k.copy, ARRAY[d.parent]), d.parent_key)
               AS parents
          FROM pipedrive_internal.known_copies k
          JOIN pipedrive_internal.copies c ON c.copy = k.copy,
               pipedrive_internal.declared_copies(ARRAY[k.server], k.table_name) d,
               pipedrive_internal.copied_columns(c) s
         WHERE k.copy = ANY (sync_orphans.children) AND s.identity = d.parent_column
    LOOP
        EXECUTE format('INSERT INTO pipedrive_internal.pending (copy, key) SELECT %1$L::regclass, c.key '
                       'FROM (SELECT DISTINCT %2$I::text FROM %1$s WHERE %2$I IS NOT NULL) AS c (key) '
                       'WHERE NOT EXISTS (SELECT FROM (%3$s) p WHERE p.key::text = c.key) ON CONFLICT DO NOTHING',
                       child.copy, child.name, child.parents);
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_orphans(regclass[]) IS
    'Notes for the children the keys of parents that their rows name and that the copy does not have: a copy that was '
    'emptied, or made again, does not know that they are gone.';

CREATE FUNCTION pipedrive_internal.sync_whole(
    copied pipedrive_internal.copies, children regclass[], run timestamptz, parent name)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    began timestamptz := clock_timestamp();
    seen pipedrive_internal.pending[] := ARRAY(SELECT p FROM pipedrive_internal.pending p WHERE p.copy = copied.copy);
    number bigint;
    newest timestamptz;
    counts bigint[];
BEGIN
    number := pipedrive_internal.sync_read(copied, '');
    IF EXISTS (SELECT FROM pipedrive_internal.copied_columns(copied) s
                WHERE s.identity = 'update_time' AND s.type IN ('timestamp'::regtype, 'timestamptz'::regtype)) THEN
        newest := pipedrive_internal.sync_watermark(pipedrive_internal.sync_newest(copied), began);
    END IF;
    UPDATE pipedrive_internal.copies c
       SET watermark = greatest(c.watermark, newest), unfinished = false, changed = run, compared = run,
           columns_added = (SELECT coalesce(jsonb_object_agg(a.column_name, coalesce(nullif(a.since, 'null'),
                                                                         to_jsonb(pipedrive_internal.moment()))), '{}')
                              FROM jsonb_each(c.columns_added) a (column_name, since))
     WHERE c.copy = copied.copy;
    counts := CASE WHEN copied.key = '{}' THEN pipedrive_internal.sync_replace(copied, parent, 'true')
                   ELSE pipedrive_internal.sync_store(copied, children, 'true') END;
    PERFORM pipedrive_internal.sync_orphans(children);
    PERFORM pipedrive_internal.sync_done(seen);
    RETURN number || counts;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_whole(pipedrive_internal.copies, regclass[], timestamptz, name) IS
    'Reads the whole table and makes the copy equal to it.';

CREATE FUNCTION pipedrive_internal.sync_passed_over("copy" regclass)
RETURNS text[]
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT ARRAY(SELECT jsonb_array_elements_text(
               pipedrive_internal.ask(k.server, jsonb_build_object('passed_over', k.table_name))))
      FROM pipedrive_internal.known_copies k WHERE k.copy = sync_passed_over.copy;
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_passed_over(regclass) IS
    'The parents whose rows, or the records of a table without one, that could not be read since it was called last: '
    'Pipedrive refused them, or told that there is no such parent.';

CREATE FUNCTION pipedrive_internal.sync_witnesses(
    "copy" regclass, hanging name, keys text, parents text[])
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    found text[];
BEGIN
    -- At random, so that the next run asks others
    EXECUTE format(
        'SELECT ARRAY(SELECT p.key FROM (SELECT DISTINCT key::text FROM (%1$s) a) p '
        'LEFT JOIN (SELECT DISTINCT %2$I::text AS key FROM %3$s) has_rows ON has_rows.key = p.key '
        'WHERE p.key <> ALL ($1) AND NOT EXISTS (SELECT FROM pipedrive_internal.pending refused '
        'WHERE refused.copy = $2 AND refused.key = p.key AND refused.tried IS NOT NULL) '
        'ORDER BY has_rows.key IS NULL, random() LIMIT 3)',
        keys, hanging, "copy") INTO found USING parents, "copy";
    RETURN found;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_witnesses(regclass, name, text, text[]) IS
    'A few parents other than these, which tell whether a copy can be read at all: first those that have rows in it.';

CREATE FUNCTION pipedrive_internal.sync_parents(
    copied pipedrive_internal.copies, children regclass[], run timestamptz, keys text, parent_column name,
    step integer)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    seen pipedrive_internal.pending[] := ARRAY(
        SELECT p FROM pipedrive_internal.pending p
         WHERE p.copy = copied.copy AND p.tried IS DISTINCT FROM run ORDER BY p.key LIMIT step);
    parents text[] := ARRAY(SELECT s.key FROM unnest(seen) s);
    living text[];
    doubtful text[];
    hanging name := copied.columns ->> parent_column;
    within text;
    asked name;
    witnesses text[];
    silent text[];
    number bigint;
    counts bigint[];
BEGIN
    EXECUTE format('SELECT coalesce(array_agg(DISTINCT key::text), ''{}'') FROM (%s) p WHERE key = ANY (%L)', keys,
                   parents) INTO living;
    SELECT s.name INTO asked FROM pipedrive_internal.source_columns s
     WHERE s.relation = copied.source AND s.identity = parent_column;
    BEGIN
        number := pipedrive_internal.sync_read(copied, CASE WHEN living = '{}' THEN 'WHERE false'
                                                       ELSE format('WHERE %I = ANY (%L)', asked, living) END);
        silent := pipedrive_internal.sync_passed_over(copied.copy);
    EXCEPTION WHEN insufficient_privilege THEN
        silent := pipedrive_internal.sync_passed_over(copied.copy);
        -- When each of these parents refuses, others tell whether the whole table is refused.
        witnesses := CASE WHEN living <@ silent THEN pipedrive_internal.sync_witnesses(
                              copied.copy, hanging, keys, parents) ELSE '{}' END;
        IF witnesses = '{}' THEN
            RAISE;
        END IF;
        number := pipedrive_internal.sync_read(copied, format('WHERE %I = ANY (%L)', asked, witnesses));
        silent := silent || pipedrive_internal.sync_passed_over(copied.copy);
        IF witnesses <@ silent THEN
            RAISE;
        END IF;
        parents := parents || witnesses;
    END;
    -- That a parent has nothing any more is believed when two runs are told so.
    EXECUTE format('SELECT coalesce(array_agg(DISTINCT %1$I::text), ''{}'') FROM %2$s WHERE %1$I = ANY (%3$L)', hanging,
                   copied.copy, ARRAY(SELECT unnest(silent)
                                         EXCEPT SELECT s.key FROM unnest(seen) s WHERE s.tried IS NOT NULL))
       INTO doubtful;
    within := format('c.%I = ANY (%L)', hanging, ARRAY(SELECT unnest(parents) EXCEPT SELECT unnest(doubtful)));
    counts := CASE WHEN copied.key = '{}' THEN pipedrive_internal.sync_replace(copied, hanging, within)
                   ELSE pipedrive_internal.sync_store(copied, children, within) END;
    PERFORM pipedrive_internal.sync_done(ARRAY(SELECT s FROM unnest(seen) s WHERE s.key <> ALL (doubtful)));
    UPDATE pipedrive_internal.pending p SET tried = run WHERE p.copy = copied.copy AND p.key = ANY (doubtful);
    RETURN number || counts;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_parents(
    pipedrive_internal.copies, regclass[], timestamptz, text, name, integer) IS
    'Reads the rows of some pending parents and makes the copy equal to them; rows of parents that are gone go, too. '
    'Those of a parent that exists but is refused stay until the next run has tried it once more. If all of these are '
    'refused, and a few others as well, it is an error.';

CREATE FUNCTION pipedrive_internal.sync_analyze("copy" regclass, run timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = 'error'
AS $function$
DECLARE
    changed bigint;
    known real;
BEGIN
    SELECT sum(l.written + l.deleted) INTO changed
      FROM pipedrive_internal.sync_log l WHERE l.copy = sync_analyze.copy AND l.run = sync_analyze.run;
    SELECT sum(greatest(k.reltuples, 0)) INTO known
      FROM pg_class k
     WHERE k.relkind <> 'p' AND (k.oid = "copy" OR k.oid IN (SELECT p.relid FROM pg_partition_tree("copy") p));
    -- Autovacuum does the same, but a while later, and not for partitioned tables. To wait for a lock would be a
    -- deadlock with CREATE INDEX CONCURRENTLY, which waits for the snapshot of this run.
    IF changed > 0 AND (known = 0 OR changed > 50 + known / 10) THEN
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', "copy");
    END IF;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_analyze(regclass, timestamptz) IS
    'Gathers the planner''s statistics of a copy when a run has loaded it, or changed more than a tenth of it, unless '
    'another command holds a lock on it that excludes this.';

CREATE FUNCTION pipedrive_internal.sync_is_over("copy" regclass, run timestamptz)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    WITH steps AS (
        SELECT l.state, l.error, row_number() OVER (ORDER BY l.ended DESC) AS number
          FROM pipedrive_internal.known_copies mine
          JOIN pipedrive_internal.known_copies k ON k.server = mine.server AND k.owner = mine.owner
          JOIN pipedrive_internal.sync_log l ON l.copy = k.copy
         WHERE mine.copy = sync_is_over.copy AND l.run = sync_is_over.run
    )
    SELECT coalesce(bool_or(s.state = '28000' OR s.error LIKE 'pipedrive daily limit:%'), false)
           OR count(*) FILTER (WHERE s.number <= 2 AND s.state = '08006') = 2
      FROM steps s;
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_is_over(regclass, timestamptz) IS
    'True if a copy of the same account has failed in this run in a way in which every other one would fail.';

CREATE FUNCTION pipedrive_internal.sync_step(
    "copy" regclass, run timestamptz, reconcile boolean, most bigint, before jsonb)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    copied pipedrive_internal.copies;
    source record;
    declared record;
    parent record;
    parents regclass[];
    keys text;
    children regclass[];
    counts bigint[] := '{0,0,0}';
    added boolean;
    dropped boolean;
    action text;
    left_over bigint;
    price bigint;
    number bigint;
    missing text;
    definitions bigint;
    fields record;
    foreign_history regclass;
    heir regclass;
BEGIN
    PERFORM FROM pipedrive_internal.turns t WHERE t.copy = sync_step.copy FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND EXISTS (SELECT FROM pipedrive_internal.turns t WHERE t.copy = sync_step.copy) THEN
        RAISE WARNING 'pipedrive copy: % is skipped, because another session is updating it', "copy";
        RETURN false;
    END IF;
    SELECT k.server, k.table_name, k.schema, k.owner INTO source
      FROM pipedrive_internal.known_copies k WHERE k.copy = sync_step.copy;
    IF NOT FOUND THEN
        IF EXISTS (SELECT FROM pipedrive_internal.copies c WHERE c.copy = sync_step.copy AND c.source IS NULL) THEN
            RAISE EXCEPTION 'pipedrive copy: the foreign table of % was dropped', "copy"
                  USING HINT = format('Import it again, and call pipedrive.mirror as before. Or stop copying: '
                                      'DROP TABLE %s;', "copy"),
                        ERRCODE = 'undefined_table';
        END IF;
        RETURN false;  -- it was dropped
    END IF;
    IF pipedrive_internal.sync_is_over("copy", run) THEN
        RETURN false;
    END IF;
    SELECT * INTO declared FROM pipedrive_internal.declared_copies(ARRAY[source.server], source.table_name);
    IF NOT FOUND OR source.table_name IS NULL THEN
        RAISE EXCEPTION 'pipedrive copy: % shows no table of Pipedrive that this version knows',
                        (SELECT c.source FROM pipedrive_internal.copies c WHERE c.copy = sync_step.copy)
              USING HINT = format('Set its option "table" right. Or stop copying: DROP TABLE %s;', "copy"),
                    ERRCODE = 'undefined_table';
    END IF;
    SELECT c.history INTO foreign_history
      FROM pipedrive_internal.copies c
     WHERE c.copy = sync_step.copy AND c.history IS NOT NULL AND NOT pipedrive_internal.keeps(c.history);
    IF FOUND THEN
        RAISE EXCEPTION 'pipedrive copy: the history of % does not belong to %', "copy", quote_ident(current_user)
              USING HINT = format('ALTER TABLE %s OWNER TO %I;', foreign_history, current_user),
                    ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pipedrive_internal.require_all_rows(c.copy, c.history)
       FROM pipedrive_internal.copies c WHERE c.copy = sync_step.copy;
    SELECT min(i.inhrelid) INTO heir
      FROM pg_inherits i JOIN pg_class k ON k.oid = i.inhparent
     WHERE i.inhparent = "copy" AND k.relkind = 'r';
    IF heir IS NOT NULL THEN
        RAISE EXCEPTION 'pipedrive copy: % inherits from %', heir, "copy"
              USING DETAIL = 'Its rows are also rows of the copy, and a run would delete those that Pipedrive lacks.',
                    HINT = format('ALTER TABLE %s NO INHERIT %s;', heir, "copy"),
                    ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF declared.parent IS NOT NULL THEN
        parents := pipedrive_internal.sync_beside("copy", ARRAY[declared.parent]);
        keys := pipedrive_internal.sync_keys(parents, declared.parent_key);
        IF keys IS NULL THEN
            RAISE EXCEPTION 'pipedrive copy: % needs a copy of % in the same schema, of the same owner', "copy",
                            declared.parent
                  USING HINT = format('SELECT pipedrive.mirror(...) creates it again. Or stop copying: DROP TABLE %s;',
                                      "copy"),
                        ERRCODE = 'undefined_table';
        END IF;
        FOR parent IN
            SELECT c.copy, c.columns ->> declared.parent_key AS key
              FROM pipedrive_internal.copies c
             WHERE c.copy = ANY (parents)
        LOOP
            IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = parent.copy AND a.attname = parent.key
                              AND NOT a.attisdropped) THEN
                RAISE EXCEPTION 'pipedrive copy: % cannot be updated without the column % of %', "copy",
                                quote_ident(parent.key), parent.copy
                      USING HINT = 'Add the column again, or give it its former name.', ERRCODE = 'undefined_column';
            END IF;
            PERFORM pipedrive_internal.require_all_rows(parent.copy);
        END LOOP;
    END IF;
    UPDATE pipedrive_internal.copies c SET from_dump = false WHERE c.copy = sync_step.copy AND c.from_dump;
    copied := pipedrive_internal.sync_known(sync_step.copy);
    UPDATE pipedrive_internal.copies c
       SET filled = false, attempted = NULL, compared = NULL, watermark = NULL, synced = NULL
     WHERE c.copy = copied.copy AND c.filled AND NOT copied.filled;
    IF FOUND AND copied.history IS NOT NULL THEN
        -- Nothing may have told the triggers. What is read now begins new versions.
        PERFORM pipedrive_internal.end_versions(copied.history);
    END IF;
    action := pipedrive_internal.sync_action(copied, declared.how, declared.walked, run, reconcile);
    IF action IS NULL THEN
        UPDATE pipedrive_internal.copies c SET synced = clock_timestamp(), error = NULL WHERE c.copy = copied.copy;
        PERFORM pipedrive_internal.sync_analyze(copied.copy, run);
        RETURN false;
    ELSIF action = 'begin' THEN
        UPDATE pipedrive_internal.copies c SET attempted = run WHERE c.copy = copied.copy;
        RETURN true;
    END IF;
    definitions := pipedrive_internal.sync_definitions(copied, declared.definitions, declared.how, run, reconcile);
    IF most IS NOT NULL THEN
        SELECT most - coalesce(sum(l.tokens), 0) INTO left_over
          FROM pipedrive_internal.sync_log l WHERE l.run = sync_step.run AND pipedrive_internal.is_own(l.copy);
        SELECT count(*) INTO number
          FROM (SELECT FROM pipedrive_internal.pending p WHERE p.copy = copied.copy LIMIT declared.step) p;
        SELECT p.tokens INTO price
          FROM pipedrive_internal.sync_price(copied, declared.lists, action, number, definitions) p;
        IF price > left_over THEN
            -- A first load that is not begun has not failed.
            UPDATE pipedrive_internal.copies c SET attempted = nullif(c.attempted, run) WHERE c.copy = sync_step.copy;
        END IF;
        IF price > most THEN
            UPDATE pipedrive_internal.copies c
               SET error = format('Its next step costs %s tokens, and max_tokens_per_run is %s.', price, most)
             WHERE c.copy = sync_step.copy;
            RAISE WARNING 'pipedrive copy: % is skipped, because its next step costs % tokens, and max_tokens_per_run '
                          'is %', "copy", price, most;
            RETURN false;
        ELSIF price > left_over THEN
            RAISE NOTICE 'pipedrive copy: the run ends before %, because its next step costs % tokens and % are left',
                         "copy", price, left_over;
            RETURN NULL;
        END IF;
    END IF;
    -- What others, or this session, read some time ago may be older than what was read before.
    PERFORM set_config('pipedrive.cache_ttl', '0', true), set_config('pipedrive.extended_cache_ttl', '0', true),
            set_config('client_min_messages', 'warning', true);
    IF definitions > 0 THEN
        fields := pipedrive_internal.compare_fields(copied.source, pipedrive_internal.keeps(copied.source));
        UPDATE pipedrive_internal.copies c SET fields_gone = fields.gone, fields_compared = run
         WHERE c.copy = copied.copy;
    END IF;
    added := pipedrive_internal.follow_columns(copied.copy);
    dropped := pipedrive_internal.drop_columns_gone(copied.copy);
    IF added AND NOT declared.walked THEN
        UPDATE pipedrive_internal.copies c SET compared = NULL WHERE c.copy = copied.copy;
    END IF;
    IF added OR dropped THEN
        -- A step of its own, because nobody can read a table whose columns a transaction has changed.
        PERFORM pipedrive_internal.sync_log_step(copied.copy, run, 'columns', counts, before, NULL, NULL);
        RETURN true;
    END IF;
    SELECT * INTO copied FROM pipedrive_internal.copies c WHERE c.copy = sync_step.copy;
    SELECT min(n.name::text) INTO missing
      FROM unnest(copied.key || ARRAY[copied.columns ->> declared.parent_column, CASE declared.how
                      WHEN 'changes' THEN copied.columns ->> 'update_time' END]::name[]) AS n (name)
     WHERE n.name NOT IN (SELECT s.name FROM pipedrive_internal.copied_columns(copied) s);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'pipedrive copy: % cannot be updated without its column %', copied.copy, quote_ident(missing)
              USING DETAIL = format('%s or %s does not have this column.', copied.copy, copied.source),
                    HINT = 'Add the column again, or give it its former name.', ERRCODE = 'undefined_column';
    END IF;
    children := pipedrive_internal.sync_beside(copied.copy, declared.children);
    IF action = 'changes' THEN
        counts := pipedrive_internal.sync_changes(copied, children, run, declared.newest_first);
    ELSIF action = 'whole' THEN
        counts := pipedrive_internal.sync_whole(copied, children, run, copied.columns ->> declared.parent_column);
        IF copied.history IS NOT NULL AND copied.key <> '{}' THEN
            PERFORM pipedrive_internal.compare_versions(copied);
        END IF;
    ELSIF action = 'list' THEN
        EXECUTE format('INSERT INTO pipedrive_internal.pending (copy, key) '
                       'SELECT %1$L::regclass, key::text FROM (%2$s) p UNION SELECT %1$L::regclass, %3$I::text FROM %1$s '
                       'ON CONFLICT DO NOTHING',
                       copied.copy, keys, copied.columns ->> declared.parent_column);
        UPDATE pipedrive_internal.copies c SET compared = run WHERE c.copy = copied.copy;
    ELSE
        counts := pipedrive_internal.sync_parents(copied, children, run, keys, declared.parent_column,
                                                  declared.step);
    END IF;
    UPDATE pipedrive_internal.copies c
       SET filled = pipedrive_internal.has_rows(c.copy)
     WHERE c.copy = copied.copy;
    -- A constraint that the owner has deferred: if it failed at COMMIT, it would end the run.
    SET CONSTRAINTS ALL IMMEDIATE;
    PERFORM pipedrive_internal.sync_log_step(copied.copy, run, action, counts, before, NULL, NULL);
    RETURN true;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_step(regclass, timestamptz, boolean, bigint, jsonb) IS
    'The next step of a copy in a run. True when it was taken, false when nothing is left to do, NULL when the run has '
    'no tokens left for it.';

CREATE FUNCTION pipedrive_internal.sync_failed(
    "copy" regclass, run timestamptz, before jsonb, state text, message text, detail text, hint text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE pipedrive_internal.copies c
       SET error = concat_ws('. ', message, nullif(rtrim(detail, '.'), ''), nullif(hint, '')),
           -- Meanwhile nobody tells it of a parent that it is not beside: it is compared when it is there again.
           compared = CASE WHEN state <> '42P01' THEN c.compared END
     WHERE c.copy = sync_failed.copy
       -- Else the policy forbids it
       AND (c.history IS NULL OR pipedrive_internal.keeps(c.history));
    PERFORM pipedrive_internal.sync_log_step("copy", run, 'failed', '{0,0,0}', before, state, message);
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_failed(regclass, timestamptz, jsonb, text, text, text, text) IS
    'Notes that a step failed, and why.';

CREATE FUNCTION pipedrive_internal.sync_result("copy" regclass, run timestamptz)
RETURNS text
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT format('%s: %s rows read, %s written, %s deleted, %s tokens', sync_result.copy, sum(l.read), sum(l.written),
                  sum(l.deleted), sum(l.tokens))
      FROM pipedrive_internal.sync_log l
     WHERE l.copy = sync_result.copy AND l.run = sync_result.run
    HAVING sum(l.requests) > 0;
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_result(regclass, timestamptz) IS
    'What a run has done with a copy, in words; NULL where it asked Pipedrive nothing.';

CREATE FUNCTION pipedrive_internal.sync_ended(run timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    failures record;
BEGIN
    SELECT count(*) AS number, min(l.state) AS state,
           string_agg(format('%s: %s', l.copy, l.error), E'\n' ORDER BY l.ended) AS texts
      INTO failures
      FROM pipedrive_internal.sync_log l
     WHERE l.run = sync_ended.run AND l.state IS NOT NULL AND pipedrive_internal.is_own(l.copy);
    IF failures.number > 0 THEN
        RAISE EXCEPTION 'pipedrive copy: % of the tables could not be updated', failures.number
              USING DETAIL = failures.texts,
                    HINT = 'pipedrive.sync_status says what to do about each. Everything that was read is committed, and '
                           'the next run tries these tables again.',
                    ERRCODE = failures.state;
    END IF;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_ended(timestamptz) IS 'An error when a table of the run failed.';

-- It commits, so that it cannot have a search_path of its own. It uses functions of these two schemas by their full
-- names, and no operator. Others take their turns meanwhile: a snapshot older than theirs, which the level of the database
-- or the role may ask for, would make each step that meets them fail.
CREATE PROCEDURE pipedrive.sync(
    "table" pg_catalog.regclass DEFAULT NULL,
    reconcile pg_catalog.bool DEFAULT NULL,
    max_tokens_per_run pg_catalog.int8 DEFAULT NULL
)
LANGUAGE plpgsql
AS $procedure$
DECLARE
    run pg_catalog.timestamptz := pg_catalog.clock_timestamp();
    copies pg_catalog.regclass[];
    copied pg_catalog.regclass;
    more pg_catalog.bool;
    before pg_catalog.jsonb;
    state pg_catalog.text;
    message pg_catalog.text;
    detail pg_catalog.text;
    hint pg_catalog.text;
    result pg_catalog.text;
BEGIN
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    copies := pipedrive_internal.sync_order("table", reconcile);
    COMMIT AND CHAIN;
    FOREACH copied IN ARRAY copies LOOP
        LOOP
            before := NULL;
            BEGIN
                before := pipedrive_internal.sync_usage(copied);
                more := pipedrive_internal.sync_step(copied, run, reconcile, max_tokens_per_run, before);
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                                        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
                PERFORM pipedrive_internal.sync_failed(copied, run, before, state, message, detail, hint);
                more := false;
            END;
            COMMIT AND CHAIN;
            EXIT WHEN more IS NOT TRUE;
        END LOOP;
        result := pipedrive_internal.sync_result(copied, run);
        IF result IS NOT NULL THEN
            RAISE NOTICE '%', result;
        END IF;
        EXIT WHEN more IS NULL;
    END LOOP;
    PERFORM pipedrive_internal.sync_ended(run);
END
$procedure$;
COMMENT ON PROCEDURE pipedrive.sync(regclass, boolean, bigint) IS
    'Brings the copies that are due up to date, or one. With reconcile true all are compared with the whole table now, '
    'due or not, with false none is. It commits after each step, so that it cannot be called within a transaction.';

-- ---- prices

CREATE FUNCTION pipedrive_internal.expected_rows(source regclass)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    plan json;
BEGIN
    EXECUTE format('EXPLAIN (FORMAT JSON) SELECT * FROM %s', source) INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.expected_rows(regclass) IS
    'How many rows the planner expects of a foreign table.';

CREATE FUNCTION pipedrive_internal.sync_price(
    copied pipedrive_internal.copies, lists jsonb, action text, parents bigint, definitions bigint)
RETURNS TABLE (requests bigint, tokens bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    list record;
    rows bigint;
    expected bigint;
    condition text;
    pages bigint;
BEGIN
    requests := (definitions > 0)::integer;
    tokens := definitions;
    IF copied.compared IS NULL AND action = 'whole' THEN
        expected := pipedrive_internal.expected_rows(copied.source);
    END IF;
    FOR list IN
        SELECT l.*, count(*) OVER () AS number
          FROM jsonb_to_recordset(lists) AS l (tokens bigint, page bigint, holds jsonb, changes boolean, keys bigint)
         WHERE (l.holds ->> 'is_archived' = CASE pipedrive_internal.archived_of(copied.source)
                                            WHEN 'exclude' THEN 'true' WHEN 'only' THEN 'false' END) IS NOT TRUE
    LOOP
        IF action IN ('begin', 'list') THEN
            pages := 0;
        ELSIF action = 'parents' THEN
            pages := ceil(parents / list.keys::numeric);
        ELSIF action = 'changes' AND list.changes THEN
            pages := 1;
        ELSIF expected IS NOT NULL THEN
            pages := ceil(expected::numeric / list.number / list.page);
        ELSE
            SELECT string_agg(format('%I = %L', s.name, h.value), ' AND ') INTO condition
              FROM jsonb_each_text(list.holds) h
              JOIN pipedrive_internal.copied_columns(copied) s ON s.identity = h.key;
            EXECUTE format('SELECT count(*) FROM %s WHERE %s', copied.copy, coalesce(condition, 'true')) INTO rows;
            pages := greatest(ceil(rows / list.page::numeric), 1);
        END IF;
        requests := requests + pages;
        tokens := tokens + pages * list.tokens;
    END LOOP;
    RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.sync_price(pipedrive_internal.copies, jsonb, text, bigint, bigint) IS
    'What a step will ask and cost, as far as the copy tells, with the number of parents to be read and the tokens '
    'that the definitions of custom fields cost (0: not read).';

CREATE FUNCTION pipedrive.sync_plan(reconcile boolean DEFAULT NULL)
RETURNS TABLE ("table" regclass, step text, requests bigint, tokens bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    known record;
    run timestamptz := clock_timestamp();
    copied pipedrive_internal.copies;
    parent pipedrive_internal.copies;
    parents bigint;
    rows bigint;
BEGIN
    FOR known IN
        SELECT k.copy, d.how, d.walked, d.lists, d.definitions, d.parent
          FROM pipedrive_internal.known_copies k
          JOIN pipedrive_internal.copies c ON c.copy = k.copy
          JOIN pipedrive_internal.declared_copies(ARRAY(
               SELECT o.server FROM pipedrive_internal.known_copies o
                WHERE has_server_privilege(o.server, 'USAGE'))) d
           ON d.server = k.server AND d.table_name = k.table_name
         WHERE pg_get_userbyid(k.owner) = current_user
           AND (reconcile OR c.every IS NULL
                OR pipedrive_internal.is_due((pipedrive_internal.sync_known(c.copy)).synced, c.every))
         ORDER BY d.place, k.name
    LOOP
        copied := pipedrive_internal.sync_known(known.copy);
        CONTINUE WHEN copied.copy IS NULL;  -- it was dropped a moment ago
        LOOP
            step := pipedrive_internal.sync_action(copied, known.how, known.walked, run, reconcile);
            EXIT WHEN step IS NULL;
            IF step = 'list' THEN
                parents := 0;
                FOR parent IN
                    SELECT p.*
                      FROM unnest(pipedrive_internal.sync_beside(known.copy, ARRAY[known.parent])) AS b (copy),
                           pipedrive_internal.sync_known(b.copy) p
                LOOP
                    IF parent.compared IS NULL THEN
                        rows := pipedrive_internal.expected_rows(parent.source);
                    ELSE
                        EXECUTE format('SELECT count(*) FROM %s', parent.copy) INTO rows;
                    END IF;
                    parents := parents + rows;
                END LOOP;
            ELSE
                SELECT count(*) INTO parents FROM pipedrive_internal.pending p WHERE p.copy = known.copy;
            END IF;
            SELECT p.requests, p.tokens INTO requests, tokens
              FROM pipedrive_internal.sync_price(
                       copied, known.lists, CASE step WHEN 'list' THEN 'parents' ELSE step END, parents,
                       pipedrive_internal.sync_definitions(copied, known.definitions, known.how, run, reconcile)) p;
            "table" := known.copy;
            IF step <> 'begin' THEN
                RETURN NEXT;
                copied.fields_compared := run;
            END IF;
            -- What it leaves behind, as if it had been taken
            copied.attempted := coalesce(copied.attempted, run);
            copied.changed := CASE WHEN step IN ('changes', 'whole') THEN run ELSE copied.changed END;
            copied.compared := CASE WHEN step IN ('whole', 'list') THEN run ELSE copied.compared END;
            EXIT WHEN step IN ('parents', 'list');
        END LOOP;
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pipedrive.sync_plan(boolean) IS
    'What the next run of pipedrive.sync will ask and cost, without a request. Rows that belong to rows which turn out '
    'to have changed come on top.';

CREATE VIEW pipedrive.sync_status WITH (security_barrier) AS
SELECT c.copy AS "table", c.synced AS last_success, clock_timestamp() - c.synced AS age, c.watermark, c.error,
       last.run AS last_run, last.read AS rows_read, last.written, last.deleted, last.requests, last.tokens,
       (SELECT count(*) FROM pipedrive_internal.pending p WHERE p.copy = c.copy) AS pending_parents,
       c.every, c.compare_every AS reconcile, c.compared AS last_reconciled,
       (SELECT array_agg(v.value::name) FROM jsonb_each_text(c.columns) v
         WHERE c.source IS NOT NULL
           AND (v.key = ANY (c.fields_gone)
                OR v.key <> ALL (ARRAY(SELECT s.identity FROM pipedrive_internal.source_columns s
                                        WHERE s.relation = c.source)))
           AND EXISTS (SELECT FROM pg_attribute a
                        WHERE a.attrelid = c.copy AND a.attname = v.value AND NOT a.attisdropped)) AS columns_gone
  FROM pipedrive_internal.copies c
  JOIN pg_class k ON k.oid = c.copy
  LEFT JOIN LATERAL (
       SELECT l.run, sum(l.read) AS read, sum(l.written) AS written, sum(l.deleted) AS deleted,
              sum(l.requests) AS requests, sum(l.tokens) AS tokens
         FROM pipedrive_internal.sync_log l
        WHERE l.copy = c.copy GROUP BY l.run ORDER BY l.run DESC LIMIT 1) last ON true
 WHERE pipedrive_internal.keeps(c.copy);
COMMENT ON VIEW pipedrive.sync_status IS
    'The copies that the caller keeps: how old each may be, and what its last run read, changed and spent.';
