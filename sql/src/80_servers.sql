-- What a user need not type, and what would make every later query fail.

CREATE FUNCTION pipedrive_internal.complete_server()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT s.srvname AS name, w.fdwname AS of, o.option_value AS wrapper,
               w.fdwhandler = 'pipedrive_internal.handler()'::regprocedure AS is_ours
          FROM pg_event_trigger_ddl_commands() d
          JOIN pg_foreign_server s ON s.oid = d.objid
          JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
          LEFT JOIN LATERAL pg_options_to_table(s.srvoptions) o ON o.option_name = 'wrapper'
         WHERE d.classid = 'pg_foreign_server'::regclass
    LOOP
        IF made.is_ours AND made.wrapper IS NULL THEN
            EXECUTE format('ALTER SERVER %I OPTIONS (ADD wrapper %L)', made.name, 'pipedrive_fdw.PipedriveFdw');
        ELSIF NOT made.is_ours AND starts_with(made.wrapper, 'pipedrive_fdw') THEN
            RAISE EXCEPTION 'pipedrive option: the server % was created with FOREIGN DATA WRAPPER %', made.name, made.of
                  USING HINT = format('Use CREATE SERVER %I FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (...), without '
                                      'the option wrapper.', made.name),
                        ERRCODE = 'fdw_invalid_option_name';
        END IF;
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.complete_server() IS
    'Tells Multicorn which Python class serves a server, and refuses a server that leads to that class another way.';

CREATE EVENT TRIGGER pipedrive_servers ON ddl_command_end
    WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER')
    EXECUTE FUNCTION pipedrive_internal.complete_server();
ALTER EVENT TRIGGER pipedrive_servers ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER pipedrive_servers IS 'Gives each server of Pipedrive the option that Multicorn needs.';

CREATE FUNCTION pipedrive_internal.check_tables()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    made regclass;
BEGIN
    -- A dump gives columns their options one by one, and has checks of this kind wait, as PostgreSQL's own do.
    IF NOT current_setting('check_function_bodies')::boolean THEN
        RETURN;
    END IF;
    FOR made IN
        -- What is done to a table is done to those that inherit from it.
        WITH RECURSIVE touched (relation) AS (
            SELECT d.objid FROM pg_event_trigger_ddl_commands() d WHERE d.classid = 'pg_class'::regclass
            UNION
            SELECT i.inhrelid FROM touched t JOIN pg_inherits i ON i.inhparent = t.relation
        )
        SELECT t.relation
          FROM touched
          JOIN pipedrive_internal.foreign_tables t ON t.relation = touched.relation
         -- Who may make a table and not read it hears of it from the first query.
         WHERE has_table_privilege(t.relation, 'SELECT') AND has_schema_privilege(t.schema, 'USAGE')
    LOOP
        -- Planning a query looks at the options and columns of the table; nothing is read.
        EXECUTE format('SELECT FROM ONLY %s LIMIT 0', made);
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.check_tables() IS
    'Refuses a foreign table whose options or columns make every query fail.';

CREATE EVENT TRIGGER pipedrive_tables ON ddl_command_end
    WHEN TAG IN ('CREATE FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA', 'ALTER FOREIGN TABLE', 'ALTER TABLE')
    EXECUTE FUNCTION pipedrive_internal.check_tables();
ALTER EVENT TRIGGER pipedrive_tables ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER pipedrive_tables IS 'Looks at the columns of foreign tables of Pipedrive when they change.';

CREATE FUNCTION pipedrive_internal.watch_drops()
RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- A session that has not used a foreign table yet has not loaded the library, whose hook does the rest. LOAD is
    -- a superuser's.
    IF EXISTS (SELECT FROM pipedrive_internal.servers) THEN
        LOAD 'MODULE_PATHNAME';
    END IF;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'pipedrive state: the files of dropped user mappings could not be removed'
          USING DETAIL = sqlerrm;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.watch_drops() IS
    'Has the files removed that the server keeps of the account of a user mapping, when the mapping is dropped.';

CREATE EVENT TRIGGER pipedrive_drops ON ddl_command_start
    WHEN TAG IN ('DROP USER MAPPING', 'DROP SERVER', 'DROP OWNED', 'DROP EXTENSION')
    EXECUTE FUNCTION pipedrive_internal.watch_drops();
ALTER EVENT TRIGGER pipedrive_drops ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER pipedrive_drops IS 'Removes what files keep of user mappings that are dropped.';
