-- What a user need not type, and what would make every later query fail.

CREATE FUNCTION pipedrive_internal.complete_server()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    bare name;
BEGIN
    FOR bare IN
        SELECT s.name
          FROM pg_event_trigger_ddl_commands() d
          JOIN pipedrive_internal.servers s ON s.server = d.objid
         WHERE d.classid = 'pg_foreign_server'::regclass
           AND NOT EXISTS (SELECT FROM pg_options_to_table(s.options) WHERE option_name = 'wrapper')
    LOOP
        EXECUTE format('ALTER SERVER %I OPTIONS (ADD wrapper %L)', bare, 'pipedrive_fdw.PipedriveFdw');
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.complete_server() IS
    'Tells Multicorn which Python class serves a server.';

CREATE EVENT TRIGGER pipedrive_servers ON ddl_command_end
    WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER')
    EXECUTE FUNCTION pipedrive_internal.complete_server();
COMMENT ON EVENT TRIGGER pipedrive_servers IS 'Gives each server of Pipedrive the option that Multicorn needs.';

CREATE FUNCTION pipedrive_internal.check_tables()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    made regclass;
BEGIN
    FOR made IN
        SELECT DISTINCT t.relation
          FROM pg_event_trigger_ddl_commands() d
          JOIN pipedrive_internal.foreign_tables t ON t.relation = d.objid
         WHERE d.classid = 'pg_class'::regclass
    LOOP
        -- Planning a query looks at the options and columns of the table; nothing is read.
        EXECUTE format('SELECT FROM %s LIMIT 0', made);
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.check_tables() IS
    'Refuses a foreign table whose options or columns make every query fail.';

CREATE EVENT TRIGGER pipedrive_tables ON ddl_command_end
    WHEN TAG IN ('CREATE FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA', 'ALTER FOREIGN TABLE', 'ALTER TABLE')
    EXECUTE FUNCTION pipedrive_internal.check_tables();
COMMENT ON EVENT TRIGGER pipedrive_tables IS 'Looks at the columns of foreign tables of Pipedrive when they change.';
