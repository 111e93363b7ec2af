-- The extension's script: functions over the API, help for whoever installs and describes, and the guards.
\echo Use "CREATE EXTENSION pipedrive_fdw CASCADE" to load this file. \quit

CREATE FUNCTION pipedrive._handler() RETURNS fdw_handler LANGUAGE C STRICT
    AS 'MODULE_PATHNAME', 'pipedrive_fdw_handler';
CREATE FUNCTION pipedrive._validator(text[], oid) RETURNS void LANGUAGE C STRICT
    AS 'MODULE_PATHNAME', 'pipedrive_fdw_validator';
CREATE FUNCTION pipedrive._send(server name, request jsonb) RETURNS jsonb LANGUAGE C STRICT
    AS 'MODULE_PATHNAME', 'pipedrive_fdw_send';
CREATE FOREIGN DATA WRAPPER pipedrive_fdw HANDLER pipedrive._handler VALIDATOR pipedrive._validator;

-- Functions over the API
--
-- Each is a line of the table below. Its code is the same for all: it finds the server, makes a foreign table
-- for requests in the session's temporary schema, and inserts one row for each body. It calls no other function
-- of the extension, so that a grant of one gives no other, and it acts as whoever calls it: with the caller's
-- user mapping, and the caller needs USAGE on the server.
--
--   name, arguments   as CREATE FUNCTION takes them; the argument "server" is appended
--   required          arguments that must not be NULL
--   method, path      of the request; path, parameters and bodies are SQL over the arguments
--   bodies            a query: one request for each row
--   elements          the argument whose elements these are: it must be an array, and so the answer is one
--   follow            path under which the state of a conversion is asked for, until it has ended
--   pages             whether all pages of the answer are read, and their items put together
--   tokens            the price of one request, NULL where the method tells it
DO $script$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM (VALUES
        ('add_role_assignments', 'role_id bigint, user_id bigint', 'role_id, user_id', '''POST''',
         $$'/v1/roles/' || role_id || '/assignments'$$, 'NULL::jsonb',
         $$SELECT jsonb_build_object('user_id', user_id)$$, '', '', false, 10,
         'Gives a user a role.'),
        ('delete_role_assignments', 'role_id bigint, user_id bigint', 'role_id, user_id', '''DELETE''',
         $$'/v1/roles/' || role_id || '/assignments'$$, 'NULL::jsonb',
         $$SELECT jsonb_build_object('user_id', user_id)$$, '', '', false, 6,
         'Takes a role from a user, who falls back to the default role.'),
        ('add_installment_subscription',
         'deal_id bigint, currency text, payments jsonb, update_deal_value boolean DEFAULT NULL',
         'deal_id, currency, payments', '''POST''',
         $$'/v1/subscriptions/installment'$$, 'NULL::jsonb',
         $$SELECT jsonb_strip_nulls(jsonb_build_object('deal_id', deal_id, 'currency', currency,
                  'payments', payments, 'update_deal_value', update_deal_value))$$, '', '', false, 10,
         'Gives a deal a payment plan, [{amount, description, due_at}]. Pipedrive removed this API in 2025; '
         'see add_deal_installments.'),
        ('update_installment_subscription',
         'subscription_id bigint, payments jsonb, update_deal_value boolean DEFAULT NULL',
         'subscription_id, payments', '''PUT''',
         $$'/v1/subscriptions/installment/' || subscription_id$$, 'NULL::jsonb',
         $$SELECT jsonb_strip_nulls(jsonb_build_object('id', subscription_id, 'payments', payments,
                  'update_deal_value', update_deal_value))$$, '', '', false, 10,
         'Changes the payments of a payment plan. Pipedrive removed this API in 2025.'),
        ('cancel_recurring_subscription', 'subscription_id bigint, end_date date DEFAULT NULL',
         'subscription_id', '''PUT''',
         $$'/v1/subscriptions/recurring/' || subscription_id || '/cancel'$$, 'NULL::jsonb',
         $$SELECT jsonb_strip_nulls(jsonb_build_object('id', subscription_id, 'end_date', end_date))$$, '', '', false, 10,
         'Ends a recurring subscription, today or at end_date. Pipedrive removed this API in 2025.'),
        ('add_deal_installments', 'deal_id bigint, installments jsonb', 'deal_id, installments', '''POST''',
         $$'/v2/deals/' || deal_id || '/installments'$$, 'NULL::jsonb',
         $$SELECT jsonb_build_object('installments', installments)$$, '', '', false, 5,
         'Adds installments to a deal, [{description, amount, billing_date}]: one request each.'),
        ('convert_lead', 'lead_id uuid, stage_id bigint DEFAULT NULL, pipeline_id bigint DEFAULT NULL',
         'lead_id', '''POST''', $$'/v2/leads/' || lead_id || '/convert/deal'$$, 'NULL::jsonb',
         $$SELECT jsonb_strip_nulls(jsonb_build_object('stage_id', stage_id, 'pipeline_id', pipeline_id))$$,
         '', $$'/v2/leads/' || lead_id || '/convert/status/'$$, false, 40,
         'Makes a lead a deal and waits for it; the answer names the deal.'),
        ('convert_deal', 'deal_id bigint', 'deal_id', '''POST''',
         $$'/v2/deals/' || deal_id || '/convert/lead'$$, 'NULL::jsonb', 'SELECT NULL::jsonb', '',
         $$'/v2/deals/' || deal_id || '/convert/status/'$$, false, 40,
         'Makes a deal a lead and waits for it; the answer names the lead.'),
        ('merge_deals', 'id bigint, merge_with_id bigint', 'id, merge_with_id', '''PUT''',
         $$'/v1/deals/' || id || '/merge'$$, 'NULL::jsonb',
         $$SELECT jsonb_build_object('merge_with_id', merge_with_id)$$, '', '', false, 40,
         'Merges the first deal into the second, which stays.'),
        ('merge_persons', 'id bigint, merge_with_id bigint', 'id, merge_with_id', '''PUT''',
         $$'/v1/persons/' || id || '/merge'$$, 'NULL::jsonb',
         $$SELECT jsonb_build_object('merge_with_id', merge_with_id)$$, '', '', false, 40,
         'Merges the first person into the second, who stays.'),
        ('merge_organizations', 'id bigint, merge_with_id bigint', 'id, merge_with_id', '''PUT''',
         $$'/v1/organizations/' || id || '/merge'$$, 'NULL::jsonb',
         $$SELECT jsonb_build_object('merge_with_id', merge_with_id)$$, '', '', false, 40,
         'Merges the first organization into the second, which stays.'),
        ('duplicate_deal', 'id bigint', 'id', '''POST''', $$'/v1/deals/' || id || '/duplicate'$$,
         'NULL::jsonb', 'SELECT NULL::jsonb', '', '', false, 10, 'Makes a copy of a deal.'),
        ('duplicate_product', 'id bigint', 'id', '''POST''', $$'/v2/products/' || id || '/duplicate'$$,
         'NULL::jsonb', 'SELECT NULL::jsonb', '', '', false, 5, 'Makes a copy of a product.'),
        ('search', 'term text, item_types text DEFAULT NULL', 'term', '''GET''', $$'/v2/itemSearch'$$,
         $$jsonb_build_object('term', term, 'item_types', item_types)$$, 'SELECT NULL::jsonb', '', '', true, 20,
         'Searches all objects for a term; item_types is a comma list such as deal,person. 20 tokens for each '
         'hundred hits.'),
        ('request', 'method text, path text, query jsonb DEFAULT NULL, body jsonb DEFAULT NULL',
         'method, path', 'method', 'path', 'query', 'SELECT body', '', '', false, NULL::bigint,
         'Sends any request to the API: a path that begins with /v1/ or /v2/, parameters and body as jsonb.')
    ) AS function (name, arguments, required, method, path, query, bodies, elements, follow, pages, tokens, meaning)
    LOOP
        EXECUTE format($define$
CREATE FUNCTION pipedrive.%1$I(%2$s, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_variable
DECLARE
    servers name[];
    door text;
    sent jsonb;
    answer jsonb;
    answers jsonb := '[]';
    pause double precision := 0.1;
BEGIN
    IF num_nulls(%3$s) > 0 THEN
        RAISE EXCEPTION 'pipedrive write: %1$s needs %3$s' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    %11$s
    SELECT array_agg(s.srvname ORDER BY s.srvname) INTO servers
      FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
     WHERE w.fdwname = 'pipedrive_fdw'
       AND s.srvname = coalesce(server, s.srvname)
       AND has_server_privilege(s.oid, 'USAGE');
    IF servers IS NULL THEN
        RAISE EXCEPTION 'pipedrive option: there is no server %%', coalesce('"' || server || '"', 'of Pipedrive')
              USING HINT = 'SELECT pipedrive.connect(...) makes one; GRANT USAGE ON FOREIGN SERVER ... TO '
                           || current_user || ' lets this role use it.';
    ELSIF cardinality(servers) > 1 THEN
        RAISE EXCEPTION 'pipedrive option: there are several servers of Pipedrive: %%',
              array_to_string(servers, ', ')
              USING HINT = format('Say which: %1$s(..., server => %%L)', servers[1]);
    END IF;
    FOR sent IN %4$s LOOP
        answer := pipedrive._send(servers[1], jsonb_build_object('method', %5$s, 'path', %6$s, 'query', %7$s,
                                                                'body', sent, 'pages', %12$L::boolean));
        answers := answers || jsonb_build_array(answer);
    END LOOP;
    %10$s
    RETURN %9$s;
END
$function$
$define$,
            one.name, one.arguments, one.required, one.bodies, one.method, one.path, one.query, one.tokens,
            CASE WHEN one.elements <> '' THEN 'answers' ELSE 'answer' END,
            CASE WHEN one.follow = '' THEN '' ELSE format($follow$
    door := %1$s || (answer ->> 'conversion_id');
    LOOP
        answer := pipedrive._send(servers[1], jsonb_build_object('method', 'GET', 'path', door));
        EXIT WHEN answer ->> 'status' = 'completed';
        IF answer ->> 'status' IN ('failed', 'rejected') THEN
            RAISE EXCEPTION 'pipedrive write: the conversion %%', answer ->> 'status'
                  USING DETAIL = answer::text;
        END IF;
        PERFORM pg_sleep(pause);
        pause := least(pause * 2, 5);
    END LOOP;$follow$, one.follow) END,
            CASE WHEN one.elements = '' THEN '' ELSE format($elements$
    IF jsonb_typeof(%1$s) <> 'array' THEN
        RAISE EXCEPTION 'pipedrive write: %1$s must be a jsonb array'
              USING HINT = 'Like ''[{...}, {...}]''.',
                    ERRCODE = 'invalid_parameter_value';
    END IF;$elements$, one.elements) END,
            one.pages);
        EXECUTE (SELECT format('COMMENT ON FUNCTION %s IS %L', p.oid::regprocedure, one.meaning)
                   FROM pg_proc p
                  WHERE p.proname = one.name AND p.pronamespace = 'pipedrive'::regnamespace);
    END LOOP;
END
$script$;

-- Connecting an account

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
              USING HINT = 'api_token => ..., or secrets_file => ..., or mapping_options => with client_id, '
                           'client_secret and refresh_token.',
                    ERRCODE = 'null_value_not_allowed';
    END IF;
    BEGIN
        EXECUTE format('CREATE SERVER %I FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (%s)', server, for_server);
        EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER %I OPTIONS (%s)', server, for_mapping);
    EXCEPTION WHEN OTHERS THEN
        -- An error shows the statement that failed, which holds secrets: it is raised anew, without.
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, words = MESSAGE_TEXT,
                                more = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
        RAISE EXCEPTION USING
            ERRCODE = state, MESSAGE = words,
            DETAIL = coalesce(nullif(more, ''), format('The server %I and its user mapping were to be made.', server)),
            HINT = coalesce(nullif(advice, ''), 'Nothing was made; pipedrive.connect can be called again.');
    END;
    IF to_regnamespace(quote_ident(schema)) IS NULL THEN
        EXECUTE format('CREATE SCHEMA %I', schema);
    END IF;
    EXECUTE format('IMPORT FOREIGN SCHEMA pipedrive FROM SERVER %I INTO %I', server, schema);
    SELECT count(*) INTO tables
      FROM pg_foreign_table t
      JOIN pg_foreign_server s ON s.oid = t.ftserver
      JOIN pg_class c ON c.oid = t.ftrelid
     WHERE s.srvname = connect.server AND c.relnamespace = to_regnamespace(quote_ident(schema));
    RETURN format('%s tables in schema %I', tables, schema);
END
$function$;
COMMENT ON FUNCTION pipedrive.connect(text, text, name, name, text, text, jsonb, jsonb) IS
    'Makes a server, a user mapping for the current user and a schema with all tables of an account.';

-- COMMENTs and references, for people and for tools

CREATE VIEW pipedrive._foreign_tables AS
SELECT t.ftrelid AS relation,
       n.nspname AS table_schema,
       c.relname AS table_name,
       tables.option_value AS source,
       s.srvname AS server
  FROM pg_catalog.pg_foreign_table t
  JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver
  JOIN pg_catalog.pg_class c ON c.oid = t.ftrelid
  JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'pipedrive_fdw'
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
       LATERAL (SELECT max(option_value) AS option_value FROM pg_catalog.pg_options_to_table(t.ftoptions)
                 WHERE option_name = 'table') tables;
COMMENT ON VIEW pipedrive._foreign_tables IS
    'Every foreign table of this wrapper, those that functions of the extension make too. Part of the extension.';

CREATE VIEW pipedrive.foreign_tables AS
SELECT * FROM pipedrive._foreign_tables
 WHERE coalesce(source, '') NOT IN ('request', 'catalogue');
COMMENT ON VIEW pipedrive.foreign_tables IS
    'Every foreign table of this wrapper: which of Pipedrive''s tables it shows, and of which server.';
GRANT SELECT ON pipedrive.foreign_tables TO PUBLIC;

CREATE FUNCTION pipedrive.describe(schema name DEFAULT 'pipedrive')
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    door text;
    one record;
    number bigint := 0;
BEGIN
    SELECT min(t.server) INTO door FROM pipedrive.foreign_tables t WHERE t.table_schema = describe.schema;
    IF door IS NULL THEN
        RAISE EXCEPTION 'pipedrive option: schema "%" has no table of Pipedrive', schema
              USING HINT = 'IMPORT FOREIGN SCHEMA pipedrive FROM SERVER ... INTO ...';
    END IF;
    FOR one IN EXECUTE format($query$
        SELECT CASE WHEN words.column_name IS NULL
                    THEN format('COMMENT ON FOREIGN TABLE %%s IS %%L', t.relation::regclass, words.comment)
                    ELSE format('COMMENT ON COLUMN %%s.%%I IS %%L', t.relation::regclass, a.attname, words.comment)
                END AS command
          FROM jsonb_to_recordset(pipedrive._send(%1$L, '{"catalogue": true}'))
               AS words (table_name text, column_name text, comment text)
          JOIN pipedrive.foreign_tables t ON t.source = words.table_name AND t.table_schema = %2$L
          LEFT JOIN (SELECT a.attrelid, a.attname,
                            coalesce((SELECT option_value FROM pg_options_to_table(a.attfdwoptions)
                                       WHERE option_name = 'column'), a.attname) AS source
                       FROM pg_attribute a
                      WHERE a.attnum > 0 AND NOT a.attisdropped
                        AND NOT EXISTS (SELECT FROM pg_options_to_table(a.attfdwoptions)
                                         WHERE option_name = 'field')) a
                 ON a.attrelid = t.relation AND a.source = words.column_name
         WHERE words.column_name IS NULL OR a.attname IS NOT NULL
        UNION ALL
        SELECT format('COMMENT ON COLUMN %%s.%%I IS %%L', t.relation::regclass, a.attname,
                      format('Custom field of type %%s%%s, key %%s.', o.kind, ', its ' || o.part, o.field))
          FROM pipedrive.foreign_tables t
          JOIN pg_attribute a ON a.attrelid = t.relation AND a.attnum > 0 AND NOT a.attisdropped,
               LATERAL (SELECT max(option_value) FILTER (WHERE option_name = 'field') AS field,
                               max(option_value) FILTER (WHERE option_name = 'type') AS kind,
                               max(option_value) FILTER (WHERE option_name = 'part') AS part
                          FROM pg_options_to_table(a.attfdwoptions)) o
         WHERE t.table_schema = %2$L AND o.field IS NOT NULL
        $query$, door, schema)
    LOOP
        EXECUTE one.command;
        number := number + 1;
    END LOOP;
    RETURN number;
END
$function$;
COMMENT ON FUNCTION pipedrive.describe(name) IS
    'COMMENTs every table and column of a schema: meaning, endpoint, price, operators that are pushed, scope.';

CREATE VIEW pipedrive.foreign_keys AS
WITH columns AS (
    SELECT t.server, t.table_schema, t.table_name, t.source AS source_table, a.attname AS column_name,
           -- A custom field is known by its type and part, any other column by its name in Pipedrive.
           coalesce(max(o.option_value) FILTER (WHERE o.option_name = 'column'),
                    max(o.option_value) FILTER (WHERE o.option_name = 'type')
                    || coalesce(max(o.option_value) FILTER (WHERE o.option_name = 'part'), ''),
                    a.attname) AS source_column,
           coalesce(bool_or(o.option_name = 'field'), false) AS custom
      FROM pipedrive.foreign_tables t
      JOIN pg_catalog.pg_attribute a ON a.attrelid = t.relation AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN LATERAL pg_catalog.pg_options_to_table(a.attfdwoptions) o ON true
     GROUP BY t.server, t.table_schema, t.table_name, t.source, a.attname
)
SELECT c.table_schema, c.table_name, c.column_name,
       target.table_schema AS referenced_schema,
       target.table_name AS referenced_table,
       target.column_name AS referenced_column
  FROM columns c
  JOIN (VALUES
        -- generated: references
        ('deals', 'owner_id', 'users', 'id'),
        ('deals', 'person_id', 'persons', 'id'),
        ('deals', 'org_id', 'organizations', 'id'),
        ('deals', 'pipeline_id', 'pipelines', 'id'),
        ('deals', 'stage_id', 'stages', 'id'),
        ('deals', 'source_lead_id', 'leads', 'id'),
        ('deals', 'next_activity_id', 'activities', 'id'),
        ('deals', 'last_activity_id', 'activities', 'id'),
        ('deals', 'filter_id', 'filters', 'id'),
        ('deleted_deals', 'owner_id', 'users', 'id'),
        ('deleted_deals', 'person_id', 'persons', 'id'),
        ('deleted_deals', 'org_id', 'organizations', 'id'),
        ('deleted_deals', 'pipeline_id', 'pipelines', 'id'),
        ('deleted_deals', 'stage_id', 'stages', 'id'),
        ('deleted_deals', 'source_lead_id', 'leads', 'id'),
        ('deleted_deals', 'next_activity_id', 'activities', 'id'),
        ('deleted_deals', 'last_activity_id', 'activities', 'id'),
        ('stages', 'pipeline_id', 'pipelines', 'id'),
        ('deal_products', 'deal_id', 'deals', 'id'),
        ('deal_products', 'product_id', 'products', 'id'),
        ('deal_products', 'product_variation_id', 'product_variations', 'id'),
        ('deal_installments', 'deal_id', 'deals', 'id'),
        ('deal_discounts', 'deal_id', 'deals', 'id'),
        ('deal_discounts', 'created_by', 'users', 'id'),
        ('deal_discounts', 'updated_by', 'users', 'id'),
        ('persons', 'owner_id', 'users', 'id'),
        ('persons', 'org_id', 'organizations', 'id'),
        ('persons', 'next_activity_id', 'activities', 'id'),
        ('persons', 'last_activity_id', 'activities', 'id'),
        ('persons', 'filter_id', 'filters', 'id'),
        ('organizations', 'owner_id', 'users', 'id'),
        ('organizations', 'next_activity_id', 'activities', 'id'),
        ('organizations', 'last_activity_id', 'activities', 'id'),
        ('organizations', 'filter_id', 'filters', 'id'),
        ('deal_followers', 'deal_id', 'deals', 'id'),
        ('deal_followers', 'user_id', 'users', 'id'),
        ('person_followers', 'person_id', 'persons', 'id'),
        ('person_followers', 'user_id', 'users', 'id'),
        ('organization_followers', 'org_id', 'organizations', 'id'),
        ('organization_followers', 'user_id', 'users', 'id'),
        ('product_followers', 'product_id', 'products', 'id'),
        ('product_followers', 'user_id', 'users', 'id'),
        ('deal_participants', 'deal_id', 'deals', 'id'),
        ('deal_participants', 'person_id', 'persons', 'id'),
        ('deal_participants', 'added_by_user_id', 'users', 'id'),
        ('deal_persons', 'deal_id', 'deals', 'id'),
        ('deal_persons', 'owner_id', 'users', 'id'),
        ('deal_persons', 'org_id', 'organizations', 'id'),
        ('deal_persons', 'next_activity_id', 'activities', 'id'),
        ('deal_persons', 'last_activity_id', 'activities', 'id'),
        ('organization_persons', 'owner_id', 'users', 'id'),
        ('organization_persons', 'org_id', 'organizations', 'id'),
        ('organization_persons', 'next_activity_id', 'activities', 'id'),
        ('organization_persons', 'last_activity_id', 'activities', 'id'),
        ('organization_relationships', 'org_id', 'organizations', 'id'),
        ('organization_relationships', 'rel_owner_org_id', 'organizations', 'id'),
        ('organization_relationships', 'rel_linked_org_id', 'organizations', 'id'),
        ('organization_relationships', 'calculated_related_org_id', 'organizations', 'id'),
        ('activities', 'type', 'activity_types', 'key_string'),
        ('activities', 'owner_id', 'users', 'id'),
        ('activities', 'creator_user_id', 'users', 'id'),
        ('activities', 'deal_id', 'deals', 'id'),
        ('activities', 'lead_id', 'leads', 'id'),
        ('activities', 'person_id', 'persons', 'id'),
        ('activities', 'org_id', 'organizations', 'id'),
        ('activities', 'project_id', 'projects', 'id'),
        ('activities', 'filter_id', 'filters', 'id'),
        ('products', 'owner_id', 'users', 'id'),
        ('products', 'filter_id', 'filters', 'id'),
        ('product_variations', 'product_id', 'products', 'id'),
        ('leads', 'owner_id', 'users', 'id'),
        ('leads', 'creator_id', 'users', 'id'),
        ('leads', 'label_ids', 'lead_labels', 'id'),
        ('leads', 'person_id', 'persons', 'id'),
        ('leads', 'organization_id', 'organizations', 'id'),
        ('leads', 'source_name', 'lead_sources', 'name'),
        ('leads', 'source_deal_id', 'deals', 'id'),
        ('leads', 'next_activity_id', 'activities', 'id'),
        ('leads', 'filter_id', 'filters', 'id'),
        ('notes', 'lead_id', 'leads', 'id'),
        ('notes', 'deal_id', 'deals', 'id'),
        ('notes', 'person_id', 'persons', 'id'),
        ('notes', 'org_id', 'organizations', 'id'),
        ('notes', 'project_id', 'projects', 'id'),
        ('notes', 'task_id', 'tasks', 'id'),
        ('notes', 'user_id', 'users', 'id'),
        ('notes', 'last_update_user_id', 'users', 'id'),
        ('note_comments', 'note_id', 'notes', 'id'),
        ('note_comments', 'user_id', 'users', 'id'),
        ('note_comments', 'updater_id', 'users', 'id'),
        ('files', 'user_id', 'users', 'id'),
        ('files', 'deal_id', 'deals', 'id'),
        ('files', 'person_id', 'persons', 'id'),
        ('files', 'org_id', 'organizations', 'id'),
        ('files', 'product_id', 'products', 'id'),
        ('files', 'activity_id', 'activities', 'id'),
        ('files', 'lead_id', 'leads', 'id'),
        ('files', 'project_id', 'projects', 'id'),
        ('call_logs', 'user_id', 'users', 'id'),
        ('call_logs', 'activity_id', 'activities', 'id'),
        ('call_logs', 'deal_id', 'deals', 'id'),
        ('call_logs', 'person_id', 'persons', 'id'),
        ('call_logs', 'org_id', 'organizations', 'id'),
        ('call_logs', 'lead_id', 'leads', 'id'),
        ('mail_threads_inbox', 'user_id', 'users', 'id'),
        ('mail_threads_inbox', 'deal_id', 'deals', 'id'),
        ('mail_threads_inbox', 'lead_id', 'leads', 'id'),
        ('mail_threads_drafts', 'user_id', 'users', 'id'),
        ('mail_threads_drafts', 'deal_id', 'deals', 'id'),
        ('mail_threads_drafts', 'lead_id', 'leads', 'id'),
        ('mail_threads_sent', 'user_id', 'users', 'id'),
        ('mail_threads_sent', 'deal_id', 'deals', 'id'),
        ('mail_threads_sent', 'lead_id', 'leads', 'id'),
        ('mail_threads_archive', 'user_id', 'users', 'id'),
        ('mail_threads_archive', 'deal_id', 'deals', 'id'),
        ('mail_threads_archive', 'lead_id', 'leads', 'id'),
        ('mail_messages_inbox', 'user_id', 'users', 'id'),
        ('mail_messages_inbox', 'mail_thread_id', 'mail_threads_inbox', 'id'),
        ('mail_messages_drafts', 'user_id', 'users', 'id'),
        ('mail_messages_drafts', 'mail_thread_id', 'mail_threads_drafts', 'id'),
        ('mail_messages_sent', 'user_id', 'users', 'id'),
        ('mail_messages_sent', 'mail_thread_id', 'mail_threads_sent', 'id'),
        ('mail_messages_archive', 'user_id', 'users', 'id'),
        ('mail_messages_archive', 'mail_thread_id', 'mail_threads_archive', 'id'),
        ('deal_mail_messages', 'deal_id', 'deals', 'id'),
        ('deal_mail_messages', 'user_id', 'users', 'id'),
        ('organization_mail_messages', 'org_id', 'organizations', 'id'),
        ('organization_mail_messages', 'user_id', 'users', 'id'),
        ('person_mail_messages', 'person_id', 'persons', 'id'),
        ('person_mail_messages', 'user_id', 'users', 'id'),
        ('projects', 'board_id', 'boards', 'id'),
        ('projects', 'phase_id', 'phases', 'id'),
        ('projects', 'owner_id', 'users', 'id'),
        ('projects', 'deal_ids', 'deals', 'id'),
        ('projects', 'person_ids', 'persons', 'id'),
        ('projects', 'org_ids', 'organizations', 'id'),
        ('projects', 'filter_id', 'filters', 'id'),
        ('tasks', 'creator_id', 'users', 'id'),
        ('tasks', 'project_id', 'projects', 'id'),
        ('tasks', 'parent_task_id', 'tasks', 'id'),
        ('tasks', 'assignee_ids', 'users', 'id'),
        ('phases', 'board_id', 'boards', 'id'),
        ('lead_fields', 'last_updated_by_user_id', 'users', 'id'),
        ('lead_fields', 'created_by_user_id', 'users', 'id'),
        ('person_emails', 'person_id', 'persons', 'id'),
        ('person_phones', 'person_id', 'persons', 'id'),
        ('product_prices', 'product_id', 'products', 'id'),
        ('product_variation_prices', 'product_variation_id', 'product_variations', 'id'),
        ('product_variation_prices', 'product_id', 'products', 'id'),
        ('activity_participants', 'activity_id', 'activities', 'id'),
        ('activity_participants', 'person_id', 'persons', 'id'),
        ('activity_attendees', 'activity_id', 'activities', 'id'),
        ('activity_attendees', 'person_id', 'persons', 'id'),
        ('activity_attendees', 'user_id', 'users', 'id'),
        ('deal_field_options', 'field_code', 'deal_fields', 'field_code'),
        ('person_field_options', 'field_code', 'person_fields', 'field_code'),
        ('organization_field_options', 'field_code', 'organization_fields', 'field_code'),
        ('product_field_options', 'field_code', 'product_fields', 'field_code'),
        ('users', 'role_id', 'roles', 'id'),
        ('roles', 'parent_role_id', 'roles', 'id'),
        ('role_assignments', 'role_id', 'roles', 'id'),
        ('role_assignments', 'user_id', 'users', 'id'),
        ('role_assignments', 'parent_role_id', 'roles', 'id'),
        ('permission_set_assignments', 'permission_set_id', 'permission_sets', 'id'),
        ('permission_set_assignments', 'user_id', 'users', 'id'),
        ('filters', 'user_id', 'users', 'id'),
        ('goals', 'owner_id', 'users', 'id'),
        ('webhooks', 'owner_id', 'users', 'id'),
        ('webhooks', 'user_id', 'users', 'id'),
        ('webhooks', 'admin_id', 'users', 'id'),
        ('deal_changes', 'deal_id', 'deals', 'id'),
        ('deal_changes', 'actor_user_id', 'users', 'id'),
        ('person_changes', 'person_id', 'persons', 'id'),
        ('person_changes', 'actor_user_id', 'users', 'id'),
        ('organization_changes', 'org_id', 'organizations', 'id'),
        ('organization_changes', 'actor_user_id', 'users', 'id'),
        ('subscriptions', 'user_id', 'users', 'id'),
        ('subscriptions', 'deal_id', 'deals', 'id'),
        ('subscription_payments', 'subscription_id', 'subscriptions', 'id'),
        ('subscription_payments', 'deal_id', 'deals', 'id'),
        (NULL, 'userid', 'users', 'id'),
        (NULL, 'orgid', 'organizations', 'id'),
        (NULL, 'peopleid', 'persons', 'id'),
        (NULL, 'stage', 'stages', 'id'),
        (NULL, 'pipeline', 'pipelines', 'id'),
        (NULL, 'deal', 'deals', 'id'),
        (NULL, 'activity', 'activities', 'id'),
        (NULL, 'product', 'products', 'id'),
        (NULL, 'project', 'projects', 'id'),
        (NULL, 'board', 'boards', 'id'),
        (NULL, 'phase', 'phases', 'id'),
        (NULL, 'projects_board', 'boards', 'id'),
        (NULL, 'projects_phase', 'phases', 'id')
        -- end
       ) AS known (source_table, source_column, target_table, target_column)
       ON known.source_column = c.source_column
      AND CASE WHEN c.custom THEN known.source_table IS NULL ELSE known.source_table = c.source_table END
  JOIN columns target
       ON target.server = c.server AND target.table_schema = c.table_schema AND NOT target.custom
      AND target.source_table = known.target_table AND target.source_column = known.target_column;
COMMENT ON VIEW pipedrive.foreign_keys IS
    'What refers to what among the foreign tables of this wrapper, custom fields included; foreign tables '
    'cannot have foreign keys of their own.';
GRANT SELECT ON pipedrive.foreign_keys TO PUBLIC;

-- Custom fields that come and go

CREATE VIEW pipedrive._custom_columns AS
SELECT a.attrelid AS relation, a.attnum AS place, a.attname AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, o.texts AS options,
       o.field, o.part, o.kind
  FROM pg_catalog.pg_attribute a,
       LATERAL (SELECT pg_catalog.string_agg(pg_catalog.format('%I %L', option_name, option_value), ', '
                                             ORDER BY option_name) AS texts,
                       max(option_value) FILTER (WHERE option_name = 'field') AS field,
                       max(option_value) FILTER (WHERE option_name = 'type') AS kind,
                       coalesce(max(option_value) FILTER (WHERE option_name = 'part'), '') AS part
                  FROM pg_catalog.pg_options_to_table(a.attfdwoptions)) o
 WHERE a.attfdwoptions IS NOT NULL AND NOT a.attisdropped AND o.field IS NOT NULL;
COMMENT ON VIEW pipedrive._custom_columns IS 'Part of pipedrive.refresh_columns.';
GRANT SELECT ON pipedrive._custom_columns TO PUBLIC;

-- The table is imported once more, into the session's temporary schema, and compared by the keys of the
-- fields: a column keeps its name when its field is renamed or has another type, and a name that is taken gets a
-- number. No column is dropped, see the guards below.
CREATE FUNCTION pipedrive.refresh_columns("table" regclass, run boolean DEFAULT false)
RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    server name;
    source text;
    given text;
    target text;
    fresh regclass;
    taken text[];
    added text;
    number integer;
    line text;
    found record;
BEGIN
    SELECT s.srvname,
           (SELECT option_value FROM pg_options_to_table(f.ftoptions) WHERE option_name = 'table'),
           (SELECT string_agg(format(', %I %L', option_name, option_value), '')
              FROM pg_options_to_table(f.ftoptions)
             WHERE option_name IN ('custom_fields', 'custom_field_names', 'custom_field_options')),
           format('%I.%I', n.nspname, c.relname)
      INTO server, source, given, target
      FROM pg_foreign_table f
      JOIN pg_foreign_server s ON s.oid = f.ftserver
      JOIN pg_class c ON c.oid = f.ftrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE f.ftrelid = "table";
    IF source IS NULL THEN
        RAISE EXCEPTION 'pipedrive option: % is no foreign table of Pipedrive', "table"
              USING HINT = 'Name a table that IMPORT FOREIGN SCHEMA pipedrive made.';
    END IF;
    IF to_regclass(format('pg_temp.%I', source)) IS NOT NULL THEN
        RAISE EXCEPTION 'pipedrive option: the temporary table % is in the way', source
              USING HINT = 'Drop it, or use another session.';
    END IF;

    -- A list of fields that cannot be read must not look like fields that are gone.
    EXECUTE format('IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (%I) FROM SERVER %I INTO pg_temp '
                   'OPTIONS (require_fields ''true''%s)', source, server, given);
    fresh := to_regclass(format('pg_temp.%I', source));

    FOR found IN
        SELECT old.name, old.type AS old_type, old.kind AS old_kind, new.type, new.kind
          FROM pipedrive._custom_columns old
          LEFT JOIN pipedrive._custom_columns new
                 ON new.relation = fresh AND new.field = old.field AND new.part = old.part
         WHERE old.relation = "table" AND old.kind IS DISTINCT FROM new.kind
         ORDER BY old.place
    LOOP
        IF found.kind IS NULL THEN
            RAISE NOTICE '%', format('column %I of %s reads NULL: its field is gone', found.name, target)
                  USING HINT = 'It stays, since a table with a dropped column would crash the server.';
            CONTINUE;
        END IF;
        line := format('ALTER FOREIGN TABLE %s %sALTER COLUMN %I OPTIONS (SET type %L);', target,
                       CASE WHEN found.type <> found.old_type
                            THEN format('ALTER COLUMN %I TYPE %s, ', found.name, found.type) ELSE '' END,
                       found.name, found.kind);
        IF run THEN
            EXECUTE line;
        END IF;
        RETURN NEXT line;
    END LOOP;

    SELECT array_agg(attname::text) INTO taken FROM pg_attribute
     WHERE attrelid = "table" AND NOT attisdropped;
    FOR found IN
        SELECT new.* FROM pipedrive._custom_columns new
         WHERE new.relation = fresh
           AND NOT EXISTS (SELECT FROM pipedrive._custom_columns old
                            WHERE old.relation = "table" AND old.field = new.field AND old.part = new.part)
         ORDER BY new.place
    LOOP
        added := found.name;
        number := 1;
        WHILE added = ANY (taken) LOOP
            number := number + 1;
            added := found.name;
            WHILE octet_length(added || '_' || number) > 63 LOOP
                added := left(added, -1);
            END LOOP;
            added := added || '_' || number;
        END LOOP;
        taken := taken || added;
        line := format('ALTER FOREIGN TABLE %s ADD COLUMN %I %s OPTIONS (%s);',
                       target, added, found.type, found.options);
        IF run THEN
            EXECUTE line;
        END IF;
        RETURN NEXT line;
    END LOOP;
    EXECUTE format('DROP FOREIGN TABLE pg_temp.%I', source);
END
$function$;
COMMENT ON FUNCTION pipedrive.refresh_columns(regclass, boolean) IS
    'The ALTER FOREIGN TABLE statements that give a table the custom fields that Pipedrive has now; runs them '
    'when the second argument is true.';

-- What Multicorn needs to be told

CREATE FUNCTION pipedrive._add_wrapper()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT s.srvname
          FROM pg_event_trigger_ddl_commands() d
          JOIN pg_foreign_server s ON d.classid = 'pg_foreign_server'::regclass AND s.oid = d.objid
          JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'pipedrive_fdw'
         WHERE NOT EXISTS (SELECT FROM pg_options_to_table(s.srvoptions) WHERE option_name = 'wrapper')
    LOOP
        EXECUTE format('ALTER SERVER %I OPTIONS (ADD wrapper %L)', one.srvname, 'pipedrive_fdw.PipedriveFdw');
    END LOOP;
END
$function$;
CREATE EVENT TRIGGER pipedrive_wrapper ON ddl_command_end WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER')
    EXECUTE FUNCTION pipedrive._add_wrapper();

-- Rights: the owner of the extension may execute everything, others what they are granted.
DO $script$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT p.oid::regprocedure AS name FROM pg_proc p
                WHERE p.pronamespace = 'pipedrive'::regnamespace
                  AND EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                               WHERE d.objid = p.oid AND d.deptype = 'e' AND e.extname = 'pipedrive_fdw')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', one.name);
    END LOOP;
END
$script$;
