-- Guards: what this extension must refuse since Multicorn does not. Nothing else in the extension depends on this file.
--
-- Multicorn crashes the server at COPY into a foreign table, at rows routed into one that is a partition, at a
-- table without columns, and at the whole row of a table with a dropped column, which from PostgreSQL 14 on every
-- UPDATE reads: it leaves the place of that column as it found it in memory. So each foreign table of this wrapper
-- gets a trigger that refuses COPY, and keeps it; none can become a partition; all have columns, and keep them.

CREATE FUNCTION pipedrive_internal.refuse_copy()
RETURNS trigger
LANGUAGE plpgsql
-- The context is translated, and only a superuser may choose its language.
SECURITY DEFINER
SET lc_messages = 'C'
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    context text;
BEGIN
    -- The server's own line of context tells a COPY wherever it stands, in a function too.
    GET DIAGNOSTICS context = PG_CONTEXT;
    IF strpos(chr(10) || context, chr(10) || 'COPY ' || TG_TABLE_NAME || ', line ') > 0 THEN
        RAISE EXCEPTION 'pipedrive write: COPY into % is not possible', TG_TABLE_NAME
              USING HINT = 'COPY into a temporary table, then INSERT INTO ' || TG_TABLE_NAME || ' SELECT from it.',
                    ERRCODE = 'feature_not_supported';
    END IF;
    RETURN NEW;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.refuse_copy() IS 'Refuses COPY into foreign tables.';

CREATE FUNCTION pipedrive_internal.guard(relation oid)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    guard name;
    enabled "char";
BEGIN
    SELECT tgname, tgenabled INTO guard, enabled FROM pg_trigger
     WHERE tgrelid = relation AND tgfoid = 'pipedrive_internal.refuse_copy'::regproc;
    IF enabled = 'A' THEN
        RETURN;
    ELSIF guard IS NULL THEN
        -- A restored dump brings the triggers of its tables: a name of its own for each keeps them apart.
        guard := 'pipedrive_guard_' || left(md5(random()::text || clock_timestamp()), 8);
        EXECUTE format('CREATE TRIGGER %I BEFORE INSERT ON %s '
                       'FOR EACH ROW EXECUTE FUNCTION pipedrive_internal.refuse_copy()', guard, relation::regclass);
        EXECUTE format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION pipedrive_fdw', guard, relation::regclass);
    END IF;
    EXECUTE format('ALTER FOREIGN TABLE %s ENABLE ALWAYS TRIGGER %I', relation::regclass, guard);
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.guard(oid) IS 'Gives a foreign table its guard, or awakes it.';

CREATE FUNCTION pipedrive_internal.on_ddl()
RETURNS event_trigger
LANGUAGE plpgsql
-- Whoever makes a table need not have rights on the guard.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT DISTINCT t.relation, c.relispartition, t.name,
               EXISTS (SELECT FROM pipedrive_internal.columns a WHERE a.relation = t.relation) AS has_columns
          FROM pg_event_trigger_ddl_commands() d
          JOIN pipedrive_internal.foreign_tables t ON t.relation = d.objid
          JOIN pg_class c ON c.oid = t.relation
         WHERE d.classid = 'pg_class'::regclass
        UNION
        SELECT t.relation, true, t.name, true
          FROM pg_event_trigger_ddl_commands() d
          JOIN pg_inherits i ON i.inhparent = d.objid
          JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
          JOIN pipedrive_internal.foreign_tables t ON t.relation = c.oid
         WHERE d.classid = 'pg_class'::regclass
    LOOP
        IF made.relispartition THEN
            RAISE EXCEPTION 'pipedrive write: % cannot be a partition', made.name
                  USING DETAIL = 'A row that PostgreSQL routes into a foreign table of Multicorn crashes the server.',
                        HINT = 'Use a view with UNION ALL.',
                        ERRCODE = 'feature_not_supported';
        ELSIF NOT made.has_columns THEN
            RAISE EXCEPTION 'pipedrive option: % must have a column', made.name
                  USING DETAIL = 'A query of a foreign table of Multicorn without columns crashes the server.',
                        HINT = 'IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (...) makes a table with all its columns.',
                        ERRCODE = 'feature_not_supported';
        END IF;
        PERFORM pipedrive_internal.guard(made.relation);
    END LOOP;
    IF tg_tag = 'CREATE TRIGGER' THEN
        -- A dump brings a guard that the table has already: the newer one stays.
        FOR made IN
            SELECT older.tgname, older.tgrelid
              FROM pg_event_trigger_ddl_commands() d
              JOIN pg_trigger newer ON newer.oid = d.objid
                                   AND newer.tgfoid = 'pipedrive_internal.refuse_copy'::regproc
              JOIN pg_trigger older ON older.tgrelid = newer.tgrelid AND older.tgfoid = newer.tgfoid
                                   AND older.oid <> newer.oid
             WHERE d.classid = 'pg_trigger'::regclass
        LOOP
            EXECUTE format('DROP TRIGGER %I ON %s', made.tgname, made.tgrelid::regclass);
        END LOOP;
        -- One that replaces the guard leaves the table without.
        PERFORM pipedrive_internal.guard(t.relation)
           FROM pg_event_trigger_ddl_commands() d
           JOIN pg_trigger r ON r.oid = d.objid AND r.tgfoid <> 'pipedrive_internal.refuse_copy'::regproc
           JOIN pipedrive_internal.foreign_tables t ON t.relation = r.tgrelid
          WHERE d.classid = 'pg_trigger'::regclass;
    END IF;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.on_ddl() IS 'Guards each new foreign table.';

CREATE EVENT TRIGGER pipedrive_guard ON ddl_command_end
    WHEN TAG IN ('CREATE FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA', 'CREATE TABLE', 'ALTER TABLE',
                 'ALTER FOREIGN TABLE', 'CREATE TRIGGER')
    EXECUTE FUNCTION pipedrive_internal.on_ddl();
ALTER EVENT TRIGGER pipedrive_guard ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER pipedrive_guard IS
    'Gives each foreign table of Pipedrive a trigger that refuses COPY; lets none become a partition, or be '
    'without columns.';

CREATE FUNCTION pipedrive_internal.on_drop()
RETURNS event_trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    dropped record;
BEGIN
    -- Of a table that is dropped itself nothing is left to be found.
    FOR dropped IN
        SELECT t.relation::regclass AS name, d.address_names[3] AS column_name
          FROM pg_event_trigger_dropped_objects() d
          JOIN pipedrive_internal.foreign_tables t ON t.relation = d.objid
         WHERE d.classid = 'pg_class'::regclass AND d.objsubid > 0
    LOOP
        RAISE EXCEPTION 'pipedrive option: column % of % cannot be dropped', dropped.column_name, dropped.name
              USING DETAIL = 'A whole row of a foreign table of Multicorn that has a dropped column crashes the '
                             'server, and an UPDATE reads whole rows.',
                    HINT = 'Make the table anew without it: DROP FOREIGN TABLE, then CREATE FOREIGN TABLE or '
                           'IMPORT FOREIGN SCHEMA. Or leave it: the column of a field that is gone reads NULL.',
                    ERRCODE = 'feature_not_supported';
    END LOOP;
    PERFORM pipedrive_internal.guard(t.relation)
       FROM pg_event_trigger_dropped_objects() d
       JOIN pipedrive_internal.foreign_tables t
            -- PostgreSQL 13 does not tell the table of a dropped trigger by its number.
            ON t.relation = to_regclass(format('%I.%I', d.address_names[1], d.address_names[2]))
      WHERE d.classid = 'pg_trigger'::regclass;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.on_drop() IS 'Keeps the columns and the guards of foreign tables.';

CREATE EVENT TRIGGER pipedrive_keep ON sql_drop EXECUTE FUNCTION pipedrive_internal.on_drop();
ALTER EVENT TRIGGER pipedrive_keep ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER pipedrive_keep IS
    'Refuses to drop a column of a foreign table of Pipedrive, and makes its guard anew when that is dropped.';

-- Options, looked at when they are given: at run time Multicorn has merged those of server, mapping and table.
--
-- Everybody can read the options of servers and tables, so no secret may stand there. The owner of a table must
-- not send its readers' tokens elsewhere by an option of the server. And the file that a mapping names is read as
-- the server's operating system user, so naming one takes the rights of pg_read_server_files.
--
-- Names and places are looked at here. Values are read by the wrapper's own code: a foreign table of the server, made
-- with the same options and planned, fails as a query would.

CREATE VIEW pipedrive_internal.options (name, places) AS VALUES
    ('wrapper', ARRAY['server']),
    -- generated: options
    ('company_domain', '{server}'),
    ('base_url', '{server}'),
    ('oauth_url', '{server}'),
    ('api_version', '{server}'),
    ('page_size', '{server,table}'),
    ('connect_timeout', '{server}'),
    ('read_timeout', '{server}'),
    ('api_token', '{user mapping}'),
    ('client_id', '{user mapping}'),
    ('client_secret', '{user mapping}'),
    ('refresh_token', '{user mapping}'),
    ('secrets_file', '{user mapping}'),
    ('table', '{table}'),
    ('archived', '{server,table}'),
    ('suppress_extended_requests', '{server,table}'),
    ('odd_values', '{server,table}'),
    ('extended_cache_ttl', '{server,table}'),
    ('custom_fields', '{server,table,import}'),
    ('custom_field_names', '{server,table,import}'),
    ('custom_field_options', '{server,table,import}'),
    ('require_fields', '{import}'),
    ('fields_cache_ttl', '{server,table}'),
    ('narrow', '{server,table}'),
    ('expand_related', '{server,table}'),
    ('statement_memory', '{server}'),
    ('cache_ttl', '{server,table}'),
    ('max_tokens_per_query', '{server,table}'),
    ('reserve_tokens', '{server,table}'),
    ('parallel', '{server}'),
    ('push_text_sort', '{server,table}'),
    ('write_mode', '{server,table}'),
    ('updatable', '{server,table}'),
    ('rows', '{table}')
    -- end
;
COMMENT ON VIEW pipedrive_internal.options IS 'Which options there are, and on what they stand.';

CREATE FUNCTION pipedrive_internal.on_options_begin()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- Who gives them; the next trigger runs with other rights.
    PERFORM set_config('pipedrive.caller', current_user, true);
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.on_options_begin() IS 'Notes who gives options.';

CREATE FUNCTION pipedrive_internal.check_values(server name, options text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    probe text := format('pg_temp.%I', 'pipedrive_options_' || md5(random()::text || clock_timestamp()));
BEGIN
    EXECUTE format('CREATE FOREIGN TABLE %s (comment text) SERVER %I OPTIONS (table ''catalogue''%s)',
                   probe, server, options);
    EXECUTE format('SELECT FROM %s LIMIT 0', probe);
    EXECUTE format('DROP FOREIGN TABLE %s', probe);
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.check_values(name, text) IS
    'Refuses options of servers and tables that cannot be read.';

CREATE FUNCTION pipedrive_internal.on_options()
RETURNS event_trigger
LANGUAGE plpgsql
-- Whoever gives options need not be able to read those of mappings.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    given record;
    mapping text := 'user mapping';
    -- What is asked of the wrapper fires this trigger again.
    caller name := current_setting('pipedrive.caller');
BEGIN
    FOR given IN
        WITH commands AS (SELECT DISTINCT classid, objid FROM pg_event_trigger_ddl_commands()),
        given (place, server, options) AS (
            SELECT 'server', s.server, s.options
              FROM commands d JOIN pipedrive_internal.servers s ON s.server = d.objid
             WHERE d.classid = 'pg_foreign_server'::regclass
            UNION ALL
            SELECT mapping, m.umserver, m.umoptions
              FROM commands d JOIN pg_user_mapping m ON m.oid = d.objid
              JOIN pipedrive_internal.servers s ON s.server = m.umserver
             WHERE d.classid = 'pg_user_mapping'::regclass
            UNION ALL
            SELECT 'table', t.server, t.options
              FROM commands d JOIN pipedrive_internal.foreign_tables t ON t.relation = d.objid
             WHERE d.classid = 'pg_class'::regclass
        )
        SELECT g.place, o.option_name AS name, k.places,
               (SELECT string_agg(v.name, ', ' ORDER BY v.name) FROM pipedrive_internal.options v
                 WHERE g.place = ANY (v.places)) AS valid
          FROM given g, pg_options_to_table(g.options) o
          LEFT JOIN pipedrive_internal.options k ON k.name = o.option_name
    LOOP
        IF given.places IS NULL THEN
            RAISE EXCEPTION 'pipedrive option: there is no option "%" for a %', given.name, given.place
                  USING HINT = format('Valid options: %s.', given.valid),
                        ERRCODE = 'fdw_invalid_option_name';
        ELSIF given.places = ARRAY[mapping] AND given.place <> mapping THEN
            RAISE EXCEPTION 'pipedrive option: % belongs in the user mapping', given.name
                  USING DETAIL = format('Everybody can read the options of a %s.', given.place),
                        HINT = format('CREATE USER MAPPING FOR CURRENT_USER SERVER ... OPTIONS (%s ...).', given.name),
                        ERRCODE = 'fdw_invalid_option_name';
        ELSIF given.place <> ALL (given.places) THEN
            RAISE EXCEPTION 'pipedrive option: % is no option of a %', given.name, given.place
                  USING HINT = 'It stands on: ' || array_to_string(given.places, ', ') || '.',
                        ERRCODE = 'fdw_invalid_option_name';
        ELSIF given.name = 'secrets_file'
              AND NOT pg_has_role(caller, 'pg_read_server_files', 'USAGE') THEN
            RAISE EXCEPTION 'pipedrive option: % may not name a secrets_file', caller
                  USING DETAIL = 'The file is read as the operating system user of the server.',
                        HINT = 'A superuser, or a role with the rights of pg_read_server_files, can make the mapping.',
                        ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
    -- Multicorn merges the options of a table with those of its server, and takes the server's. Those that an
    -- import reads are merged by the import. A table of somebody else's does not keep the owner from changing the
    -- server; the temporary tables of other sessions are nobody's business.
    FOR given IN
        SELECT DISTINCT t.relation::regclass AS relation, t.server_name AS server, o.option_name AS name,
               t.relation = d.objid OR t.owner = s.owner AS refused
          FROM pg_event_trigger_ddl_commands() d
          JOIN pipedrive_internal.foreign_tables t
               ON (d.classid = 'pg_class'::regclass AND d.objid = t.relation)
               OR (d.classid = 'pg_foreign_server'::regclass AND d.objid = t.server)
          JOIN pipedrive_internal.servers s ON s.server = t.server,
               pg_options_to_table(t.options) o
          JOIN pipedrive_internal.options k ON k.name = o.option_name AND 'import' <> ALL (k.places),
               pg_options_to_table(s.options) p
         WHERE p.option_name = o.option_name AND p.option_value <> o.option_value
           AND NOT pg_is_other_temp_schema(t.schema)
    LOOP
        IF given.refused THEN
            RAISE EXCEPTION 'pipedrive option: % stands on the server % and on its table %, with different values',
                            given.name, given.server, given.relation
                  USING DETAIL = 'The server''s would hold for the table.',
                        HINT = format('Give it to tables only, or to the server only: ALTER SERVER %I OPTIONS '
                                      '(DROP %s), or ALTER FOREIGN TABLE %s OPTIONS (DROP %s).',
                                      given.server, given.name, given.relation, given.name),
                        ERRCODE = 'fdw_invalid_attribute_value';
        END IF;
        RAISE WARNING 'pipedrive option: % of the server % also holds for its table %, which says something else',
                      given.name, given.server, given.relation;
    END LOOP;
    FOR given IN
        SELECT DISTINCT s.name AS server, o.texts
          FROM pg_event_trigger_ddl_commands() d
          LEFT JOIN pipedrive_internal.foreign_tables t ON d.classid = 'pg_class'::regclass AND t.relation = d.objid
          JOIN pipedrive_internal.servers s ON s.server = t.server
                                   OR d.classid = 'pg_foreign_server'::regclass AND s.server = d.objid,
               LATERAL (SELECT coalesce(string_agg(format(', %I %L', option_name, option_value), ''
                                                   ORDER BY option_name), '') AS texts
                          FROM pg_options_to_table(t.options) WHERE option_name <> 'table') o
         WHERE t.relation IS NULL OR o.texts <> '' AND t.source IS DISTINCT FROM 'catalogue'
    LOOP
        PERFORM pipedrive_internal.check_values(given.server, given.texts);
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.on_options() IS 'Refuses options where they must not stand.';

-- They fire in the order of their names.
CREATE EVENT TRIGGER pipedrive_options_1 ON ddl_command_end
    WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER', 'CREATE USER MAPPING', 'ALTER USER MAPPING',
                 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA')
    EXECUTE FUNCTION pipedrive_internal.on_options_begin();
COMMENT ON EVENT TRIGGER pipedrive_options_1 IS 'Notes who gives options, for the next.';
CREATE EVENT TRIGGER pipedrive_options_2 ON ddl_command_end
    WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER', 'CREATE USER MAPPING', 'ALTER USER MAPPING',
                 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA')
    EXECUTE FUNCTION pipedrive_internal.on_options();
COMMENT ON EVENT TRIGGER pipedrive_options_2 IS
    'Refuses secrets outside of user mappings, options where they do not belong, and files of others.';

-- Tables that were imported before the extension came. Those of other sessions cannot be altered.
SELECT pipedrive_internal.guard(t.relation)
  FROM pipedrive_internal.foreign_tables t
 WHERE NOT pg_is_other_temp_schema(t.schema);
DO $script$
DECLARE
    broken text;
BEGIN
    FOR broken IN
        SELECT format('%I.%I', n.nspname, t.name)
          FROM pipedrive_internal.foreign_tables t
          JOIN pg_namespace n ON n.oid = t.schema
         WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.relation AND a.attisdropped)
    LOOP
        RAISE WARNING 'pipedrive: % has a dropped column, and its whole rows crash the server', broken
              USING HINT = 'Make the table anew: DROP FOREIGN TABLE, then IMPORT FOREIGN SCHEMA.';
    END LOOP;
END
$script$;
