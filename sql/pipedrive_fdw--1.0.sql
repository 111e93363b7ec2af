-- The extension's script: functions over the API, help for whoever installs and describes, and the guards.
\echo Use "CREATE EXTENSION pipedrive_fdw CASCADE" to load this file. \quit

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
    send text;
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
      FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o
     WHERE o.option_name = 'wrapper' AND o.option_value = 'pipedrive_fdw.PipedriveFdw'
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
    door := format('pg_temp.%%I', format('pipedrive request by %%s to %%s', current_user, servers[1]));
    -- Only a table of one's own: another's of that name, with a trigger, would run as whoever is calling.
    IF NOT EXISTS (SELECT FROM pg_class
                    WHERE oid = to_regclass(door) AND pg_get_userbyid(relowner) = current_user) THEN
        EXECUTE format('CREATE FOREIGN TABLE %%s (method text, path text, query jsonb, body jsonb, '
                       'pages boolean, tokens bigint, answer jsonb) SERVER %%I OPTIONS (table ''request'')',
                       door, servers[1]);
    END IF;
    send := format('INSERT INTO %%s (method, path, query, body, tokens, pages) VALUES ($1, $2, $3, $4, $5, $6) '
                   'RETURNING answer', door);
    FOR sent IN %4$s LOOP
        EXECUTE send INTO answer USING %5$s, %6$s, %7$s, sent, %8$L::bigint, %12$L::boolean;
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
        EXECUTE send INTO answer USING 'GET', door, NULL::jsonb, NULL::jsonb, 1, false;
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
               'wrapper', 'pipedrive_fdw.PipedriveFdw',
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
        EXECUTE format('CREATE SERVER %I FOREIGN DATA WRAPPER multicorn OPTIONS (%s)', server, for_server);
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
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
       pg_catalog.pg_options_to_table(s.srvoptions) wrappers,
       LATERAL (SELECT max(option_value) AS option_value FROM pg_catalog.pg_options_to_table(t.ftoptions)
                 WHERE option_name = 'table') tables
 WHERE wrappers.option_name = 'wrapper' AND wrappers.option_value = 'pipedrive_fdw.PipedriveFdw';
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
    FOR one IN SELECT DISTINCT t.server FROM pipedrive.foreign_tables t WHERE t.table_schema = describe.schema LOOP
        door := format('pg_temp.%I', format('pipedrive catalogue by %s to %s', current_user, one.server));
        IF to_regclass(door) IS NOT NULL THEN
            EXECUTE format('DROP FOREIGN TABLE %s', door);
        END IF;
        EXECUTE format('CREATE FOREIGN TABLE %s (table_name text, column_name text, comment text) '
                       'SERVER %I OPTIONS (table ''catalogue'')', door, one.server);
    END LOOP;
    IF door IS NULL THEN
        RAISE EXCEPTION 'pipedrive option: schema "%" has no table of Pipedrive', schema
              USING HINT = 'IMPORT FOREIGN SCHEMA pipedrive FROM SERVER ... INTO ...';
    END IF;
    FOR one IN EXECUTE format($query$
        SELECT CASE WHEN words.column_name IS NULL
                    THEN format('COMMENT ON FOREIGN TABLE %%s IS %%L', t.relation::regclass, words.comment)
                    ELSE format('COMMENT ON COLUMN %%s.%%I IS %%L', t.relation::regclass, a.attname, words.comment)
                END AS command
          FROM %1$s AS words
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

-- Guards
--
-- Multicorn crashes the server at COPY into a foreign table, at rows routed into one that is a partition, at a
-- table without columns, and at the whole row of a table with a dropped column, which from PostgreSQL 14 on every
-- UPDATE reads: it leaves the place of that column as it found it in memory. So each foreign table of this wrapper
-- gets a trigger that refuses COPY, and keeps it; none can become a partition; all have columns, and keep them.

CREATE FUNCTION pipedrive._refuse_copy()
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
    IF context ~ ('(^|\n)COPY ' || regexp_replace(TG_TABLE_NAME, '(\W)', '\\\1', 'g') || ', line \d+') THEN
        RAISE EXCEPTION 'pipedrive write: COPY into % is not possible', TG_TABLE_NAME
              USING HINT = 'COPY into a temporary table, then INSERT INTO ' || TG_TABLE_NAME || ' SELECT from it.',
                    ERRCODE = 'feature_not_supported';
    END IF;
    RETURN NEW;
END
$function$;
COMMENT ON FUNCTION pipedrive._refuse_copy() IS 'Refuses COPY into foreign tables. Part of the extension.';

CREATE FUNCTION pipedrive._guard(relation oid)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    guard name;
    enabled "char";
BEGIN
    SELECT tgname, tgenabled INTO guard, enabled FROM pg_trigger
     WHERE tgrelid = relation AND tgfoid = 'pipedrive._refuse_copy'::regproc;
    IF enabled = 'A' THEN
        RETURN;
    ELSIF guard IS NULL THEN
        -- A restored dump brings the triggers of its tables: a name of its own for each keeps them apart.
        guard := 'pipedrive_guard_' || left(md5(random()::text || clock_timestamp()), 8);
        EXECUTE format('CREATE TRIGGER %I BEFORE INSERT ON %s '
                       'FOR EACH ROW EXECUTE FUNCTION pipedrive._refuse_copy()', guard, relation::regclass);
        EXECUTE format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION pipedrive_fdw', guard, relation::regclass);
    END IF;
    EXECUTE format('ALTER FOREIGN TABLE %s ENABLE ALWAYS TRIGGER %I', relation::regclass, guard);
END
$function$;
COMMENT ON FUNCTION pipedrive._guard(oid) IS 'Gives a foreign table its guard, or awakes it. Part of the extension.';

CREATE FUNCTION pipedrive._on_ddl()
RETURNS event_trigger
LANGUAGE plpgsql
-- Whoever makes a table need not have rights on the guard.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT DISTINCT t.relation, c.relispartition, c.relname,
               EXISTS (SELECT FROM pg_attribute a
                        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS has_columns
          FROM pg_event_trigger_ddl_commands() d
          JOIN pipedrive._foreign_tables t ON t.relation = d.objid
          JOIN pg_class c ON c.oid = t.relation
         WHERE d.classid = 'pg_class'::regclass
        UNION
        SELECT t.relation, true, c.relname, true
          FROM pg_event_trigger_ddl_commands() d
          JOIN pg_inherits i ON i.inhparent = d.objid
          JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
          JOIN pipedrive._foreign_tables t ON t.relation = c.oid
         WHERE d.classid = 'pg_class'::regclass
    LOOP
        IF one.relispartition THEN
            RAISE EXCEPTION 'pipedrive write: % cannot be a partition', one.relname
                  USING DETAIL = 'A row that PostgreSQL routes into a foreign table of Multicorn crashes the server.',
                        HINT = 'Use a view with UNION ALL.',
                        ERRCODE = 'feature_not_supported';
        ELSIF NOT one.has_columns THEN
            RAISE EXCEPTION 'pipedrive option: % must have a column', one.relname
                  USING DETAIL = 'A query of a foreign table of Multicorn without columns crashes the server.',
                        HINT = 'IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (...) makes a table with all its columns.',
                        ERRCODE = 'feature_not_supported';
        END IF;
        PERFORM pipedrive._guard(one.relation);
    END LOOP;
    IF tg_tag = 'CREATE TRIGGER' THEN
        -- A dump brings a guard that the table has already: the newer one stays.
        FOR one IN
            SELECT older.tgname, older.tgrelid
              FROM pg_event_trigger_ddl_commands() d
              JOIN pg_trigger newer ON newer.oid = d.objid AND newer.tgfoid = 'pipedrive._refuse_copy'::regproc
              JOIN pg_trigger older ON older.tgrelid = newer.tgrelid AND older.tgfoid = newer.tgfoid
                                   AND older.oid <> newer.oid
             WHERE d.classid = 'pg_trigger'::regclass
        LOOP
            EXECUTE format('DROP TRIGGER %I ON %s', one.tgname, one.tgrelid::regclass);
        END LOOP;
        -- One that replaces the guard leaves the table without.
        PERFORM pipedrive._guard(t.relation)
           FROM pg_event_trigger_ddl_commands() d
           JOIN pg_trigger r ON r.oid = d.objid AND r.tgfoid <> 'pipedrive._refuse_copy'::regproc
           JOIN pipedrive._foreign_tables t ON t.relation = r.tgrelid
          WHERE d.classid = 'pg_trigger'::regclass;
    END IF;
END
$function$;
COMMENT ON FUNCTION pipedrive._on_ddl() IS 'Guards each new foreign table. Part of the extension.';

CREATE EVENT TRIGGER pipedrive_guard ON ddl_command_end
    WHEN TAG IN ('CREATE FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA', 'CREATE TABLE', 'ALTER TABLE',
                 'ALTER FOREIGN TABLE', 'CREATE TRIGGER')
    EXECUTE FUNCTION pipedrive._on_ddl();
ALTER EVENT TRIGGER pipedrive_guard ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER pipedrive_guard IS
    'Gives each foreign table of Pipedrive a trigger that refuses COPY; lets none become a partition, or be '
    'without columns.';

CREATE FUNCTION pipedrive._on_drop()
RETURNS event_trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    one record;
BEGIN
    -- Of a table that is dropped itself nothing is left to be found.
    FOR one IN
        SELECT t.relation::regclass AS name, d.address_names[3] AS column_name
          FROM pg_event_trigger_dropped_objects() d
          JOIN pipedrive._foreign_tables t ON t.relation = d.objid
         WHERE d.classid = 'pg_class'::regclass AND d.objsubid > 0
    LOOP
        RAISE EXCEPTION 'pipedrive option: column % of % cannot be dropped', one.column_name, one.name
              USING DETAIL = 'A whole row of a foreign table of Multicorn that has a dropped column crashes the '
                             'server, and an UPDATE reads whole rows.',
                    HINT = 'Make the table anew without it: DROP FOREIGN TABLE, then CREATE FOREIGN TABLE or '
                           'IMPORT FOREIGN SCHEMA. Or leave it: the column of a field that is gone reads NULL.',
                    ERRCODE = 'feature_not_supported';
    END LOOP;
    IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE classid = 'pg_trigger'::regclass) THEN
        PERFORM pipedrive._guard(t.relation)
           FROM pipedrive._foreign_tables t
          WHERE NOT EXISTS (SELECT FROM pg_trigger g
                             WHERE g.tgrelid = t.relation AND g.tgfoid = 'pipedrive._refuse_copy'::regproc
                               AND g.tgenabled = 'A');
    END IF;
END
$function$;
COMMENT ON FUNCTION pipedrive._on_drop() IS
    'Keeps the columns and the guards of foreign tables. Part of the extension.';

CREATE EVENT TRIGGER pipedrive_keep ON sql_drop EXECUTE FUNCTION pipedrive._on_drop();
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

CREATE VIEW pipedrive._options (name, places) AS VALUES
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
COMMENT ON VIEW pipedrive._options IS 'Which options there are, and on what they stand. Part of the extension.';

CREATE FUNCTION pipedrive._on_options_begin()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- Who gives them; the next trigger runs with other rights.
    PERFORM set_config('pipedrive.caller', current_user, true);
END
$function$;
COMMENT ON FUNCTION pipedrive._on_options_begin() IS 'Notes who gives options. Part of the extension.';

CREATE FUNCTION pipedrive._check_values(server name, options text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    door text := format('pg_temp.%I', 'pipedrive options ' || md5(random()::text || clock_timestamp()));
BEGIN
    EXECUTE format('CREATE FOREIGN TABLE %s (comment text) SERVER %I OPTIONS (table ''catalogue''%s)',
                   door, server, options);
    EXECUTE format('SELECT FROM %s LIMIT 0', door);
    EXECUTE format('DROP FOREIGN TABLE %s', door);
END
$function$;
COMMENT ON FUNCTION pipedrive._check_values(name, text) IS
    'Refuses options of servers and tables that cannot be read. Part of the extension.';

CREATE FUNCTION pipedrive._on_options()
RETURNS event_trigger
LANGUAGE plpgsql
-- Whoever gives options need not be able to read those of mappings.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    one record;
    mine text := 'user mapping';
    -- What is asked of the wrapper fires this trigger again.
    caller name := current_setting('pipedrive.caller');
BEGIN
    FOR one IN
        WITH commands AS (SELECT DISTINCT classid, objid FROM pg_event_trigger_ddl_commands()),
        given (place, server, options) AS (
            SELECT 'server', s.oid, s.srvoptions
              FROM commands d JOIN pg_foreign_server s ON s.oid = d.objid
             WHERE d.classid = 'pg_foreign_server'::regclass
            UNION ALL
            SELECT mine, m.umserver, m.umoptions
              FROM commands d JOIN pg_user_mapping m ON m.oid = d.objid
             WHERE d.classid = 'pg_user_mapping'::regclass
            UNION ALL
            SELECT 'table', t.ftserver, t.ftoptions
              FROM commands d JOIN pg_foreign_table t ON t.ftrelid = d.objid
             WHERE d.classid = 'pg_class'::regclass
        )
        SELECT g.place, o.option_name AS name, k.places,
               (SELECT string_agg(v.name, ', ' ORDER BY v.name) FROM pipedrive._options v
                 WHERE g.place = ANY (v.places)) AS valid
          FROM given g
          JOIN pg_foreign_server s ON s.oid = g.server,
               pg_options_to_table(s.srvoptions) w,
               pg_options_to_table(g.options) o
          LEFT JOIN pipedrive._options k ON k.name = o.option_name
         WHERE w.option_name = 'wrapper' AND w.option_value = 'pipedrive_fdw.PipedriveFdw'
    LOOP
        IF one.places IS NULL THEN
            RAISE EXCEPTION 'pipedrive option: there is no option "%" for a %', one.name, one.place
                  USING HINT = format('Valid options: %s.', one.valid),
                        ERRCODE = 'fdw_invalid_option_name';
        ELSIF one.places = ARRAY[mine] AND one.place <> mine THEN
            RAISE EXCEPTION 'pipedrive option: % belongs in the user mapping', one.name
                  USING DETAIL = format('Everybody can read the options of a %s.', one.place),
                        HINT = format('CREATE USER MAPPING FOR CURRENT_USER SERVER ... OPTIONS (%s ...).', one.name),
                        ERRCODE = 'fdw_invalid_option_name';
        ELSIF one.place <> ALL (one.places) THEN
            RAISE EXCEPTION 'pipedrive option: % is no option of a %', one.name, one.place
                  USING HINT = 'It stands on: ' || array_to_string(one.places, ', ') || '.',
                        ERRCODE = 'fdw_invalid_option_name';
        ELSIF one.name = 'secrets_file'
              AND NOT pg_has_role(caller, 'pg_read_server_files', 'USAGE') THEN
            RAISE EXCEPTION 'pipedrive option: % may not name a secrets_file', caller
                  USING DETAIL = 'The file is read as the operating system user of the server.',
                        HINT = 'A superuser, or a role with the rights of pg_read_server_files, can make the mapping.',
                        ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
    -- Multicorn merges the options of a table with those of its server, and takes the server's. Those that an
    -- import reads are merged by the import.
    FOR one IN
        SELECT t.relation::regclass AS relation, t.server, o.option_name AS name
          FROM pipedrive._foreign_tables t
          JOIN pg_foreign_table f ON f.ftrelid = t.relation
          JOIN pg_foreign_server s ON s.oid = f.ftserver,
               pg_options_to_table(f.ftoptions) o
          JOIN pipedrive._options k ON k.name = o.option_name AND 'import' <> ALL (k.places),
               pg_options_to_table(s.srvoptions) p
         WHERE p.option_name = o.option_name AND p.option_value <> o.option_value
           AND EXISTS (SELECT FROM pg_event_trigger_ddl_commands() d
                        WHERE (d.classid = 'pg_class'::regclass AND d.objid = t.relation)
                           OR (d.classid = 'pg_foreign_server'::regclass AND d.objid = s.oid))
    LOOP
        RAISE EXCEPTION 'pipedrive option: % stands on the server % and on its table %, with different values',
                        one.name, one.server, one.relation
              USING DETAIL = 'The server''s would hold for the table.',
                    HINT = format('Give it to tables only, or to the server only: ALTER SERVER %I OPTIONS (DROP %s), '
                                  'or ALTER FOREIGN TABLE %s OPTIONS (DROP %s).',
                                  one.server, one.name, one.relation, one.name),
                    ERRCODE = 'fdw_invalid_attribute_value';
    END LOOP;
    FOR one IN
        SELECT DISTINCT s.srvname, o.texts
          FROM pg_event_trigger_ddl_commands() d
          LEFT JOIN pipedrive._foreign_tables t ON d.classid = 'pg_class'::regclass AND t.relation = d.objid
          LEFT JOIN pg_foreign_table f ON f.ftrelid = t.relation
          JOIN pg_foreign_server s ON s.oid = f.ftserver
                                   OR d.classid = 'pg_foreign_server'::regclass AND s.oid = d.objid,
               LATERAL (SELECT coalesce(string_agg(format(', %I %L', option_name, option_value), ''
                                                   ORDER BY option_name), '') AS texts
                          FROM pg_options_to_table(f.ftoptions) WHERE option_name <> 'table') o
         WHERE (t.relation IS NULL AND EXISTS (
                    SELECT FROM pg_options_to_table(s.srvoptions)
                     WHERE option_name = 'wrapper' AND option_value = 'pipedrive_fdw.PipedriveFdw'))
            OR (o.texts <> '' AND t.source IS DISTINCT FROM 'catalogue')
    LOOP
        PERFORM pipedrive._check_values(one.srvname, one.texts);
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pipedrive._on_options() IS 'Refuses options where they must not stand. Part of the extension.';

-- They fire in the order of their names.
CREATE EVENT TRIGGER pipedrive_options_1 ON ddl_command_end
    WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER', 'CREATE USER MAPPING', 'ALTER USER MAPPING',
                 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA')
    EXECUTE FUNCTION pipedrive._on_options_begin();
COMMENT ON EVENT TRIGGER pipedrive_options_1 IS 'Notes who gives options, for the next.';
CREATE EVENT TRIGGER pipedrive_options_2 ON ddl_command_end
    WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER', 'CREATE USER MAPPING', 'ALTER USER MAPPING',
                 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA')
    EXECUTE FUNCTION pipedrive._on_options();
COMMENT ON EVENT TRIGGER pipedrive_options_2 IS
    'Refuses secrets outside of user mappings, options where they do not belong, and files of others.';

-- Tables that were imported before the extension came.
SELECT pipedrive._guard(relation) FROM pipedrive._foreign_tables;
DO $script$
DECLARE
    one text;
BEGIN
    FOR one IN SELECT format('%I.%I', t.table_schema, t.table_name) FROM pipedrive._foreign_tables t
                WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.relation AND a.attisdropped)
    LOOP
        RAISE WARNING 'pipedrive: % has a dropped column, and its whole rows crash the server', one
              USING HINT = 'Make the table anew: DROP FOREIGN TABLE, then IMPORT FOREIGN SCHEMA.';
    END LOOP;
END
$script$;

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
