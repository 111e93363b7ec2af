-- The schema of the helpers. It belongs to the extension, and nobody else may create in it: what runs with more
-- rights than its caller can trust the names in it. The schema "pipedrive" holds what people call; an administrator
-- may import tables into it, and no function looks there for anything.
CREATE SCHEMA pipedrive_internal;
COMMENT ON SCHEMA pipedrive_internal IS 'Helpers of the extension pipedrive_fdw, not to be called directly.';

CREATE FUNCTION pipedrive_internal.handler() RETURNS fdw_handler
    LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'pipedrive_fdw_handler';
COMMENT ON FUNCTION pipedrive_internal.handler() IS 'What PostgreSQL calls for the foreign tables of this wrapper.';
CREATE FUNCTION pipedrive_internal.validator(text[], oid) RETURNS void
    LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'pipedrive_fdw_validator';
COMMENT ON FUNCTION pipedrive_internal.validator(text[], oid) IS 'Checks options when they are given.';
CREATE FOREIGN DATA WRAPPER pipedrive_fdw
    HANDLER pipedrive_internal.handler VALIDATOR pipedrive_internal.validator;
COMMENT ON FOREIGN DATA WRAPPER pipedrive_fdw IS 'A Pipedrive account as tables.';

-- The only place that knows which servers are served by this wrapper.
CREATE VIEW pipedrive_internal.servers AS
SELECT s.oid AS server, s.srvname AS name, s.srvowner AS owner, s.srvoptions AS options
  FROM pg_foreign_server s
  JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
 WHERE w.fdwhandler = 'pipedrive_internal.handler()'::regprocedure;
COMMENT ON VIEW pipedrive_internal.servers IS 'The servers of this wrapper.';

CREATE VIEW pipedrive_internal.foreign_tables AS
SELECT t.ftrelid AS relation, c.relnamespace AS schema, c.relname AS name, c.relowner AS owner,
       s.server, s.name AS server_name, t.ftoptions AS options,
       (SELECT o.option_value FROM pg_options_to_table(t.ftoptions) o WHERE o.option_name = 'table') AS source,
       coalesce((SELECT o.option_value::boolean
                   FROM pg_options_to_table(coalesce(t.ftoptions, '{}') || coalesce(s.options, '{}'))
                        WITH ORDINALITY AS o (option_name, option_value, place)
                  WHERE o.option_name = 'custom_fields' ORDER BY o.place LIMIT 1), true) AS has_custom_fields
  FROM pg_foreign_table t
  JOIN pipedrive_internal.servers s ON s.server = t.ftserver
  JOIN pg_class c ON c.oid = t.ftrelid;
COMMENT ON VIEW pipedrive_internal.foreign_tables IS
    'The foreign tables of this wrapper. has_custom_fields is the option custom_fields of the table, or of its server.';

CREATE VIEW pipedrive_internal.columns AS
SELECT a.attrelid AS relation, a.attnum AS position, a.attname AS name,
       format_type(a.atttypid, a.atttypmod) AS type, o.texts AS options,
       coalesce(o.source, a.attname) AS source, o.field, o.kind, o.part
  FROM pg_attribute a
  JOIN pg_foreign_table t ON t.ftrelid = a.attrelid,
       LATERAL (SELECT string_agg(format('%I %L', option_name, option_value), ', ' ORDER BY option_name) AS texts,
                       max(option_value) FILTER (WHERE option_name = 'column') AS source,
                       max(option_value) FILTER (WHERE option_name = 'field') AS field,
                       max(option_value) FILTER (WHERE option_name = 'type') AS kind,
                       coalesce(max(option_value) FILTER (WHERE option_name = 'part'), '') AS part
                  FROM pg_options_to_table(a.attfdwoptions)) o
 WHERE a.attnum > 0 AND NOT a.attisdropped;
COMMENT ON VIEW pipedrive_internal.columns IS
    'The columns of foreign tables: their names in Pipedrive, or the key, type and part of a custom field.';

-- A function that runs as its owner cannot tell who calls it. Neither session_user nor SET ROLE says so: ANALYZE, for
-- one, calls functions of a table's owner in the session of another role. An aggregate can tell. PostgreSQL calls the
-- first of its functions as the caller, and asks only whether the aggregate's owner may execute the last one. So a role
-- that may execute the aggregate, but not the last function, cannot pass for another one.
CREATE FUNCTION pipedrive_internal.calling_role(name) RETURNS name
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT current_user;
$function$;
COMMENT ON FUNCTION pipedrive_internal.calling_role(name) IS
    'The first function of the aggregates whose last one runs as its owner: the role that calls.';

-- A function, as a view would stand among the tables that people browse.
CREATE FUNCTION pipedrive.foreign_tables(
    OUT relation oid, OUT table_schema name, OUT table_name name, OUT source text, OUT server name)
RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT t.relation, n.nspname, t.name, t.source, t.server_name
      FROM pipedrive_internal.foreign_tables t
      JOIN pg_namespace n ON n.oid = t.schema;
$function$;
COMMENT ON FUNCTION pipedrive.foreign_tables() IS
    'Every foreign table of this wrapper: which of Pipedrive''s tables it shows, and of which server.';
