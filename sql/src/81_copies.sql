-- What is known of copies: which tables they are, how far each has come, and what each run did.
--
-- Whoever owns the table of a copy keeps it, and sees and changes what is known of it. A role that could write more
-- than that here could have a superuser's run touch tables, and triggers, of its choice.

CREATE FUNCTION pipedrive_internal.keeps(copy oid)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT coalesce((SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = copy), false);
$function$;
COMMENT ON FUNCTION pipedrive_internal.keeps(oid) IS
    'True of a table that belongs to the caller or to a role that the caller is a member of.';

-- A superuser keeps every table, and sees what anybody has entered here. What is done with a superuser's rights is
-- done for tables of the superuser's own.
CREATE FUNCTION pipedrive_internal.is_own(copy oid)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT EXISTS (SELECT FROM pg_class c WHERE c.oid = copy AND pg_get_userbyid(c.relowner) = current_user);
$function$;
COMMENT ON FUNCTION pipedrive_internal.is_own(oid) IS 'True of a table that belongs to the caller.';

-- Nothing else can be a copy. A view runs functions of its owner as whoever reads it. A temporary table is in no dump, so
-- a dump that names it could not be restored.
CREATE FUNCTION pipedrive_internal.can_be_copy(copy oid)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT pipedrive_internal.keeps(copy)
           AND EXISTS (SELECT FROM pg_class c
                        WHERE c.oid = copy AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't');
$function$;
COMMENT ON FUNCTION pipedrive_internal.can_be_copy(oid) IS
    'True of an ordinary or partitioned table that the caller keeps, unless it is temporary.';

CREATE FUNCTION pipedrive_internal.require_all_rows(VARIADIC tables regclass[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    hidden regclass;
BEGIN
    SELECT min(t.oid::oid) INTO hidden FROM unnest(tables) AS t (oid) WHERE row_security_active(t.oid::oid);
    IF hidden IS NOT NULL THEN
        RAISE EXCEPTION 'pipedrive copy: policies hide rows of % from its owner, who keeps the copy', hidden
              USING HINT = format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY;', hidden),
                    ERRCODE = 'insufficient_privilege';
    END IF;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.require_all_rows(regclass[]) IS
    'An error when the caller does not see all rows of these tables: those that are hidden would be taken for gone.';

CREATE TABLE pipedrive_internal.copies (
    copy regclass PRIMARY KEY,
    source regclass,
    columns jsonb NOT NULL CHECK (jsonb_typeof(columns) = 'object'),
    columns_added jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(columns_added) = 'object'),
    key name[] NOT NULL,
    left_out name[] NOT NULL,
    fields_gone text[] NOT NULL DEFAULT '{}',
    drop_columns boolean NOT NULL DEFAULT false,
    history regclass,
    every interval,
    compare_every interval,
    attempted timestamptz,
    changed timestamptz,
    compared timestamptz,
    fields_compared timestamptz,
    watermark timestamptz,
    unfinished boolean NOT NULL DEFAULT false,
    filled boolean NOT NULL DEFAULT false,
    from_dump boolean NOT NULL DEFAULT false,
    synced timestamptz CHECK (isfinite(synced)),
    error text
);
COMMENT ON TABLE pipedrive_internal.copies IS
    'Tables that are copies of foreign tables. attempted, changed, compared and fields_compared are the beginnings of '
    'the runs that last began to load the table, read its changes, read it whole and read its custom fields.';
COMMENT ON COLUMN pipedrive_internal.copies.source IS 'The foreign table; NULL when it was dropped.';
COMMENT ON COLUMN pipedrive_internal.copies.columns IS
    'The columns that are kept: name in Pipedrive, or key and part of a custom field, to the name in the copy.';
COMMENT ON COLUMN pipedrive_internal.copies.columns_added IS
    'Those of them that came later, to the time since when their values are known (null: not yet).';
COMMENT ON COLUMN pipedrive_internal.copies.key IS 'The primary key of the copy; empty where rows are replaced.';
COMMENT ON COLUMN pipedrive_internal.copies.fields_gone IS
    'Key and part of each custom field that Pipedrive no longer had when they were last read.';
COMMENT ON COLUMN pipedrive_internal.copies.drop_columns IS 'A run drops the columns of such fields.';
COMMENT ON COLUMN pipedrive_internal.copies.watermark IS 'All changes up to this update_time have been read.';
COMMENT ON COLUMN pipedrive_internal.copies.unfinished IS 'Changes after the watermark were left for the next step.';
COMMENT ON COLUMN pipedrive_internal.copies.filled IS 'The copy had rows when the last step ended.';
COMMENT ON COLUMN pipedrive_internal.copies.from_dump IS
    'A dump has brought it, and no run has begun since: what is written into the copy has its versions in the dump.';

-- A dump that is restored in two steps loads rows when the triggers of the history are there. All others enter a copy
-- first, and its history later.
CREATE FUNCTION pipedrive_internal.note_dump()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    NEW.from_dump := NEW.history IS NOT NULL;
    RETURN NEW;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.note_dump() IS 'Notes of a copy that its history came with it.';

CREATE TRIGGER note_dump BEFORE INSERT ON pipedrive_internal.copies
    FOR EACH ROW EXECUTE FUNCTION pipedrive_internal.note_dump();
ALTER TABLE pipedrive_internal.copies ENABLE ALWAYS TRIGGER note_dump;

-- Every role could take an advisory lock instead, and DROP TABLE of the copy would wait for a row of the other tables.
CREATE TABLE pipedrive_internal.turns (
    copy regclass PRIMARY KEY
);
COMMENT ON TABLE pipedrive_internal.turns IS
    'A row of each copy, which a run locks while it updates the copy, and a call of restore until its transaction ends, '
    'so that two of them do not meet.';

CREATE TABLE pipedrive_internal.pending (
    copy regclass,
    key text,
    told timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried timestamptz,
    done boolean NOT NULL DEFAULT false,
    PRIMARY KEY (copy, key)
);
COMMENT ON TABLE pipedrive_internal.pending IS
    'Keys of parents whose rows in a copy are to be read again, because the parent has changed.';
COMMENT ON COLUMN pipedrive_internal.pending.told IS 'When the parent was last seen to have changed.';
COMMENT ON COLUMN pipedrive_internal.pending.tried IS
    'The run that was refused the rows of this parent, or told that there is no such parent, for the first time.';
COMMENT ON COLUMN pipedrive_internal.pending.done IS 'Set to true when the rows have been read: then the key goes.';

CREATE TABLE pipedrive_internal.sync_log (
    copy regclass NOT NULL,
    run timestamptz NOT NULL,
    ended timestamptz NOT NULL DEFAULT clock_timestamp(),
    step text NOT NULL,
    read bigint NOT NULL DEFAULT 0,
    written bigint NOT NULL DEFAULT 0,
    deleted bigint NOT NULL DEFAULT 0,
    requests bigint NOT NULL DEFAULT 0,
    tokens bigint NOT NULL DEFAULT 0,
    state text,
    error text
);
CREATE INDEX ON pipedrive_internal.sync_log (copy, run);
CREATE INDEX ON pipedrive_internal.sync_log (run);
-- Else its lines could not be deleted where all tables are published, and no table could be dropped.
ALTER TABLE pipedrive_internal.sync_log REPLICA IDENTITY FULL;
COMMENT ON TABLE pipedrive_internal.sync_log IS 'What each step of a run did; kept for thirty days.';

DO $policies$
DECLARE
    known text;
BEGIN
    FOREACH known IN ARRAY '{copies,turns,pending,sync_log}'::text[] LOOP
        EXECUTE format('ALTER TABLE pipedrive_internal.%I ENABLE ROW LEVEL SECURITY', known);
        EXECUTE format('CREATE POLICY keeper ON pipedrive_internal.%I USING (pipedrive_internal.keeps(copy)) '
                       'WITH CHECK (pipedrive_internal.can_be_copy(copy))', known);
        PERFORM pg_extension_config_dump(format('pipedrive_internal.%I', known)::regclass, '');
    END LOOP;
    ALTER POLICY keeper ON pipedrive_internal.copies WITH CHECK (
        pipedrive_internal.can_be_copy(copy)
        AND (history IS NULL OR pipedrive_internal.can_be_copy(history))
        AND (source IS NULL
             OR EXISTS (SELECT FROM pg_class c WHERE c.oid = source AND c.relkind = 'f' AND c.relpersistence <> 't')));
END
$policies$;

-- Nobody has the right to DELETE from these tables: whoever has it can also lock them, and then no table of the
-- database could be dropped, as that removes what is known of it. Triggers delete instead, with their owner's rights.
CREATE FUNCTION pipedrive_internal.remove_done()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    DELETE FROM pipedrive_internal.pending p USING changed c WHERE c.done AND p.copy = c.copy AND p.key = c.key;
    RETURN NULL;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.remove_done() IS 'Removes the keys of parents whose rows have been read.';

CREATE TRIGGER remove_done AFTER UPDATE ON pipedrive_internal.pending REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION pipedrive_internal.remove_done();
ALTER TABLE pipedrive_internal.pending ENABLE ALWAYS TRIGGER remove_done;

CREATE FUNCTION pipedrive_internal.remove_old()
RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- No index is used for a condition on the time of the clock itself.
    last timestamptz := clock_timestamp() - interval '30 days';
BEGIN
    DELETE FROM pipedrive_internal.sync_log l WHERE l.run < last;
    RETURN NULL;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.remove_old() IS 'Removes what is known of runs of more than thirty days ago.';

CREATE TRIGGER remove_old AFTER INSERT ON pipedrive_internal.sync_log
    FOR EACH STATEMENT EXECUTE FUNCTION pipedrive_internal.remove_old();
ALTER TABLE pipedrive_internal.sync_log ENABLE ALWAYS TRIGGER remove_old;

CREATE FUNCTION pipedrive_internal.forget_dropped()
RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    dropped oid[] := ARRAY(SELECT d.objid FROM pg_event_trigger_dropped_objects() d
                            WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0 AND NOT d.is_temporary);
BEGIN
    IF dropped = '{}' THEN
        RETURN;
    END IF;
    DELETE FROM pipedrive_internal.copies c WHERE c.copy = ANY (dropped);
    DELETE FROM pipedrive_internal.pending p WHERE p.copy = ANY (dropped);
    DELETE FROM pipedrive_internal.sync_log l WHERE l.copy = ANY (dropped);
    DELETE FROM pipedrive_internal.restored r WHERE r.copy = ANY (dropped);
    -- A run holds the row of a copy, and wants a lock on the copy next: to wait for the run would be a deadlock.
    DELETE FROM pipedrive_internal.turns t
     WHERE t.copy IN (SELECT o.copy FROM pipedrive_internal.turns o WHERE o.copy = ANY (dropped) FOR UPDATE SKIP LOCKED);
    UPDATE pipedrive_internal.copies c SET history = NULL WHERE c.history = ANY (dropped);
    UPDATE pipedrive_internal.copies c SET source = NULL WHERE c.source = ANY (dropped);
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.forget_dropped() IS
    'Removes what is known of tables that are dropped. Otherwise it could be taken for that of another table that '
    'gets the same OID, also where a dump is restored.';

CREATE EVENT TRIGGER pipedrive_copies ON sql_drop EXECUTE FUNCTION pipedrive_internal.forget_dropped();
ALTER EVENT TRIGGER pipedrive_copies ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER pipedrive_copies IS 'Removes what is known of copies that are dropped.';

-- A setting of the transaction, as the triggers of the history cannot be told otherwise. Its form is read the same under
-- every style of dates.
CREATE FUNCTION pipedrive_internal.note_reading()
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT set_config('pipedrive_internal.read_at',
                      to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00'), true);
$function$;
COMMENT ON FUNCTION pipedrive_internal.note_reading() IS
    'Notes that this transaction has read from Pipedrive what it will write into copies.';

CREATE FUNCTION pipedrive_internal.moment()
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    -- Whoever may write a copy of another role could set it to a time to come, and all later versions would begin then.
    SELECT least(coalesce(nullif(current_setting('pipedrive_internal.read_at', true), '')::timestamptz, now()),
                 clock_timestamp());
$function$;
COMMENT ON FUNCTION pipedrive_internal.moment() IS
    'When the changes of this transaction were seen: when it had read them, or when it began.';

CREATE FUNCTION pipedrive_internal.declared_copies(servers oid[], wanted text DEFAULT NULL)
RETURNS TABLE (
    server oid, table_name name, how text, place integer, newest_first boolean, parent name, parent_column name,
    parent_key name, children text[], step integer, walked boolean, every interval, compared interval, named boolean,
    because text, definitions bigint, key name[], not_null name[], left_out name[], inserted name[],
    updated name[], lists jsonb
)
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT s.server, d.*
      FROM (SELECT DISTINCT unnest(servers)) AS s (server),
           jsonb_to_recordset(pipedrive_internal.ask(s.server, jsonb_build_object('copies', wanted))) AS d (
               table_name name, how text, place integer, newest_first boolean, parent name, parent_column name,
               parent_key name, children text[], step integer, walked boolean, every interval, compared interval,
               named boolean, because text, definitions bigint, key name[], not_null name[], left_out name[],
               inserted name[], updated name[], lists jsonb);
$function$;
COMMENT ON FUNCTION pipedrive_internal.declared_copies(oid[], text) IS
    'How copies of all of Pipedrive''s tables, or of one, are kept, as the catalogue says; no request is sent.';

CREATE FUNCTION pipedrive_internal.archived_of(source regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT o.option_value
      FROM pipedrive_internal.foreign_tables t
      JOIN pipedrive_internal.servers s ON s.server = t.server,
           pg_options_to_table(coalesce(t.options, '{}') || coalesce(s.options, '{}') || '{archived=include}')
           WITH ORDINALITY AS o (option_name, option_value, place)
     WHERE t.relation = archived_of.source AND o.option_name = 'archived' ORDER BY o.place LIMIT 1;
$function$;
COMMENT ON FUNCTION pipedrive_internal.archived_of(regclass) IS
    'The option archived of a foreign table, or of its server: whether it shows archived records.';

CREATE VIEW pipedrive_internal.source_columns AS
SELECT DISTINCT ON (c.relation, i.identity) c.relation, c.position, c.name, c.type, c.field, c.kind, i.identity
  FROM pipedrive_internal.columns c,
       LATERAL (SELECT CASE WHEN c.field IS NULL THEN c.source ELSE c.field || ':' || c.part END) AS i (identity)
 ORDER BY c.relation, i.identity, c.position;
COMMENT ON VIEW pipedrive_internal.source_columns IS
    'The columns of foreign tables with what stays the same when a column is renamed; of those that show the same, the '
    'first.';

CREATE FUNCTION pipedrive_internal.copied_columns(copied pipedrive_internal.copies)
RETURNS TABLE (source_name name, name name, identity text, type regtype)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT s.name, a.attname, s.identity, a.atttypid
      FROM pipedrive_internal.source_columns s
      JOIN pg_attribute a ON a.attrelid = copied.copy AND a.attname = copied.columns ->> s.identity
                         AND NOT a.attisdropped AND a.attgenerated = ''
     WHERE s.relation = copied.source AND s.identity <> ALL (copied.fields_gone)
     ORDER BY s.position;
$function$;
COMMENT ON FUNCTION pipedrive_internal.copied_columns(pipedrive_internal.copies) IS
    'The columns that both the foreign table and its copy have. A column that the owner dropped stays away, and one '
    'whose custom field was deleted keeps its values.';

CREATE VIEW pipedrive_internal.known_copies WITH (security_barrier) AS
SELECT c.copy, k.relname AS name, k.relnamespace AS schema, k.relowner AS owner,
       format('%I.%I', n.nspname, k.relname) AS title, t.server, t.source AS table_name
  FROM pipedrive_internal.copies c
  JOIN pg_class k ON k.oid = c.copy
  JOIN pg_namespace n ON n.oid = k.relnamespace
  JOIN pipedrive_internal.foreign_tables t ON t.relation = c.source
 WHERE pipedrive_internal.keeps(c.copy);
COMMENT ON VIEW pipedrive_internal.known_copies IS 'The copies that the caller keeps, and what they are copies of.';
