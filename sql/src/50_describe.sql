-- COMMENTs for people and for tools.

CREATE FUNCTION pipedrive_internal.comment_on_tables(relations oid[])
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    described oid;
    command text;
    number bigint := 0;
BEGIN
    FOR described IN
        SELECT DISTINCT t.server FROM pipedrive_internal.foreign_tables t WHERE t.relation = ANY (relations)
    LOOP
        FOR command IN EXECUTE $query$
            WITH words AS MATERIALIZED (
                SELECT * FROM jsonb_to_recordset(pipedrive_internal.ask($1, '{"catalogue": true}'))
                           AS w (table_name text, column_name text, comment text)
            ), tables AS MATERIALIZED (
                SELECT t.relation, t.source FROM pipedrive_internal.foreign_tables t
                 WHERE t.server = $1 AND t.relation = ANY ($2)
            ), columns AS MATERIALIZED (
                SELECT t.source AS table_source, c.*
                  FROM tables t JOIN pipedrive_internal.columns c ON c.relation = t.relation
            )
            SELECT format('COMMENT ON FOREIGN TABLE %s IS %L', t.relation::regclass, w.comment)
              FROM words w
              JOIN tables t ON t.source = w.table_name AND w.column_name IS NULL
            UNION ALL
            SELECT format('COMMENT ON COLUMN %s.%I IS %L', c.relation::regclass, c.name, w.comment)
              FROM words w
              JOIN columns c ON c.table_source = w.table_name AND c.source = w.column_name AND c.field IS NULL
            UNION ALL
            SELECT format('COMMENT ON COLUMN %s.%I IS %L', c.relation::regclass, c.name,
                          format('Custom field of type %s%s, key %s.', c.kind,
                                 CASE WHEN c.part <> '' THEN ', its ' || c.part END, c.field))
              FROM columns c
             WHERE c.field IS NOT NULL
            $query$
        USING described, relations
        LOOP
            EXECUTE command;
            number := number + 1;
        END LOOP;
    END LOOP;
    RETURN number;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.comment_on_tables(oid[]) IS
    'Writes the COMMENTs of foreign tables and of their columns; how many.';

CREATE FUNCTION pipedrive.describe(schema name DEFAULT 'pipedrive')
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    number bigint := pipedrive_internal.comment_on_tables(ARRAY(
        SELECT t.relation FROM pipedrive_internal.foreign_tables t
         WHERE t.schema = to_regnamespace(quote_ident(describe.schema))));
BEGIN
    IF number = 0 THEN
        RAISE EXCEPTION 'pipedrive option: schema "%" has no table of Pipedrive', schema
              USING HINT = 'Name a schema with imported tables. IMPORT FOREIGN SCHEMA pipedrive FROM SERVER ... '
                           'INTO ... imports them.', ERRCODE = 'undefined_table';
    END IF;
    RETURN number;
END
$function$;
COMMENT ON FUNCTION pipedrive.describe(name) IS
    'Writes the COMMENTs of every table and column of a schema: meaning, endpoint, price, operators that are pushed, '
    'scope. An import has written them already, unless it was told comments ''false''.';

CREATE FUNCTION pipedrive_internal.comment_imported()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.comment_on_tables(ARRAY(
        SELECT t.relation
          FROM pg_event_trigger_ddl_commands() d
          JOIN pipedrive_internal.foreign_tables t ON t.relation = d.objid
         WHERE d.classid = 'pg_class'::regclass
           AND NOT EXISTS (SELECT FROM pg_options_to_table(t.options) o
                            WHERE o.option_name = 'comments' AND NOT o.option_value::boolean)));
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.comment_imported() IS
    'Writes the COMMENTs of tables that IMPORT FOREIGN SCHEMA has made.';

CREATE EVENT TRIGGER pipedrive_comments ON ddl_command_end
    WHEN TAG IN ('IMPORT FOREIGN SCHEMA')
    EXECUTE FUNCTION pipedrive_internal.comment_imported();
ALTER EVENT TRIGGER pipedrive_comments ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER pipedrive_comments IS 'Gives imported tables of Pipedrive their COMMENTs.';
