-- Connecting an account, and forgetting what was kept of it.

CREATE FUNCTION pipedrive.connect(
    company_domain text DEFAULT NULL,
    api_token text DEFAULT NULL,
    server name DEFAULT 'pipedrive',
    schema name DEFAULT 'pipedrive',
    base_url text DEFAULT NULL,
    secrets_file text DEFAULT NULL,
    server_options jsonb DEFAULT '{}',
    mapping_options jsonb DEFAULT '{}'
)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    for_server text;
    for_mapping text;
    state text;
    words text;
    more text;
    advice text;
    tables bigint;
BEGIN
    PERFORM pipedrive_internal.require('connect', 'server, schema', num_nulls(server, schema));
    server_options := coalesce(server_options, '{}');
    mapping_options := coalesce(mapping_options, '{}');
    IF jsonb_typeof(server_options) <> 'object' OR jsonb_typeof(mapping_options) <> 'object' THEN
        RAISE EXCEPTION 'pipedrive option: % must be a jsonb object',
                        CASE jsonb_typeof(server_options) WHEN 'object' THEN 'mapping_options'
                                                          ELSE 'server_options' END
              USING HINT = 'Like server_options => ''{"page_size": 100}''.', ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT string_agg(format('%I %L', key, value), ', ' ORDER BY key) INTO for_server
      FROM jsonb_each_text(jsonb_strip_nulls(server_options) || jsonb_strip_nulls(jsonb_build_object(
               'company_domain', company_domain,
               'base_url', base_url)));
    SELECT string_agg(format('%I %L', key, value), ', ' ORDER BY key) INTO for_mapping
      FROM jsonb_each_text(jsonb_strip_nulls(mapping_options) || jsonb_strip_nulls(jsonb_build_object(
               'api_token', api_token,
               'secrets_file', secrets_file)));
    IF for_mapping IS NULL THEN
        RAISE EXCEPTION 'pipedrive option: connect needs the credential of a Pipedrive user'
              USING HINT = 'Give api_token => ..., or secrets_file => ..., or mapping_options => ... with client_id, '
                           'client_secret and refresh_token.',
                    ERRCODE = 'null_value_not_allowed';
    END IF;
    BEGIN
        EXECUTE format('CREATE SERVER %I FOREIGN DATA WRAPPER pipedrive_fdw %s', server,
                       'OPTIONS (' || for_server || ')');
        EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER %I OPTIONS (%s)', server, for_mapping);
        IF to_regnamespace(quote_ident(schema)) IS NULL THEN
            EXECUTE format('CREATE SCHEMA %I', schema);
        END IF;
        EXECUTE format('IMPORT FOREIGN SCHEMA pipedrive FROM SERVER %I INTO %I', server, schema);
    EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
        -- CREATE USER MAPPING takes no parameters, so the secrets are literals in it, and the CONTEXT of an error
        -- shows the statement, also when it is cancelled. The error is raised anew, without that context.
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, words = MESSAGE_TEXT,
                                more = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
        RAISE EXCEPTION USING
            ERRCODE = state, MESSAGE = words,
            DETAIL = coalesce(nullif(more, ''), format(
                'This happened while the server %I, its user mapping and its tables were being created.', server)),
            HINT = concat_ws(' ', nullif(advice, ''),
                             'Nothing was created. Correct this and call pipedrive.connect again.');
    END;
    SELECT count(*) INTO tables
      FROM pipedrive_internal.foreign_tables t
     WHERE t.server_name = connect.server AND t.schema = to_regnamespace(quote_ident(connect.schema));
    RETURN format('%s %s in schema %I', tables, CASE tables WHEN 1 THEN 'table' ELSE 'tables' END, schema);
END
$function$;
COMMENT ON FUNCTION pipedrive.connect(text, text, name, name, text, text, jsonb, jsonb) IS
    'Makes a server, a user mapping for the current user and a schema with all tables of an account.';

CREATE FUNCTION pipedrive.forget(server name DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN pipedrive_internal.ask(pipedrive_internal.server_named(server), '{"forget": true}');
END
$function$;
COMMENT ON FUNCTION pipedrive.forget(name) IS
    'Removes the files that keep what was read with the caller''s user mapping, and its OAuth access token; the number '
    'of files.';
