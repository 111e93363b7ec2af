-- Searches: of one kind of records, of one field, of users. Each reads all its pages, as search() does, and returns
-- {items: [{result_score, item}]}.

CREATE FUNCTION pipedrive.search_deals(
    term text, fields text DEFAULT NULL, exact_match boolean DEFAULT NULL, person_id bigint DEFAULT NULL,
    organization_id bigint DEFAULT NULL, status text DEFAULT NULL, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('search_deals', 'term', num_nulls(term));
    RETURN pipedrive_internal.send(server, 'GET', '/v2/deals/search',
                                   query => jsonb_build_object(
                                        'term', term, 'fields', fields, 'exact_match', exact_match,
                                        'person_id', person_id, 'organization_id', organization_id,
                                        'status', status),
                                   want => 'pages');
END
$function$;
COMMENT ON FUNCTION pipedrive.search_deals(text, text, boolean, bigint, bigint, text, name) IS
    'Searches deals; fields is a comma list of title, notes, custom_fields. 20 tokens for each 500 hits.';

CREATE FUNCTION pipedrive.search_persons(
    term text, fields text DEFAULT NULL, exact_match boolean DEFAULT NULL, organization_id bigint DEFAULT NULL,
    server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('search_persons', 'term', num_nulls(term));
    RETURN pipedrive_internal.send(server, 'GET', '/v2/persons/search',
                                   query => jsonb_build_object(
                                        'term', term, 'fields', fields, 'exact_match', exact_match,
                                        'organization_id', organization_id),
                                   want => 'pages');
END
$function$;
COMMENT ON FUNCTION pipedrive.search_persons(text, text, boolean, bigint, name) IS
    'Searches persons; fields is a comma list of name, email, phone, notes, custom_fields. '
    '20 tokens for each 500 hits.';

CREATE FUNCTION pipedrive.search_organizations(
    term text, fields text DEFAULT NULL, exact_match boolean DEFAULT NULL, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('search_organizations', 'term', num_nulls(term));
    RETURN pipedrive_internal.send(server, 'GET', '/v2/organizations/search',
                                   query => jsonb_build_object(
                                        'term', term, 'fields', fields, 'exact_match', exact_match),
                                   want => 'pages');
END
$function$;
COMMENT ON FUNCTION pipedrive.search_organizations(text, text, boolean, name) IS
    'Searches organizations; fields is a comma list of name, address, notes, custom_fields. '
    '20 tokens for each 500 hits.';

CREATE FUNCTION pipedrive.search_products(
    term text, fields text DEFAULT NULL, exact_match boolean DEFAULT NULL, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('search_products', 'term', num_nulls(term));
    RETURN pipedrive_internal.send(server, 'GET', '/v2/products/search',
                                   query => jsonb_build_object(
                                        'term', term, 'fields', fields, 'exact_match', exact_match),
                                   want => 'pages');
END
$function$;
COMMENT ON FUNCTION pipedrive.search_products(text, text, boolean, name) IS
    'Searches products; fields is a comma list of name, code, custom_fields. 20 tokens for each 500 hits.';

CREATE FUNCTION pipedrive.search_leads(
    term text, fields text DEFAULT NULL, exact_match boolean DEFAULT NULL, person_id bigint DEFAULT NULL,
    organization_id bigint DEFAULT NULL, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('search_leads', 'term', num_nulls(term));
    RETURN pipedrive_internal.send(server, 'GET', '/v2/leads/search',
                                   query => jsonb_build_object(
                                        'term', term, 'fields', fields, 'exact_match', exact_match,
                                        'person_id', person_id, 'organization_id', organization_id),
                                   want => 'pages');
END
$function$;
COMMENT ON FUNCTION pipedrive.search_leads(text, text, boolean, bigint, bigint, name) IS
    'Searches leads; fields is a comma list of title, notes, custom_fields. 20 tokens for each 500 hits.';

CREATE FUNCTION pipedrive.search_projects(
    term text, fields text DEFAULT NULL, exact_match boolean DEFAULT NULL, person_id bigint DEFAULT NULL,
    organization_id bigint DEFAULT NULL, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('search_projects', 'term', num_nulls(term));
    RETURN pipedrive_internal.send(server, 'GET', '/v2/projects/search',
                                   query => jsonb_build_object(
                                        'term', term, 'fields', fields, 'exact_match', exact_match,
                                        'person_id', person_id, 'organization_id', organization_id),
                                   want => 'pages');
END
$function$;
COMMENT ON FUNCTION pipedrive.search_projects(text, text, boolean, bigint, bigint, name) IS
    'Searches projects; fields is a comma list of title, description, notes, custom_fields. '
    '20 tokens for each 500 hits.';

CREATE FUNCTION pipedrive.search_field(
    term text, entity_type text, field text, match text DEFAULT NULL, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('search_field', 'term, entity_type, field', num_nulls(term, entity_type, field));
    RETURN pipedrive_internal.send(server, 'GET', '/v2/itemSearch/field',
                                   query => jsonb_build_object(
                                        'term', term, 'entity_type', entity_type, 'field', field,
                                        'match', match),
                                   want => 'pages');
END
$function$;
COMMENT ON FUNCTION pipedrive.search_field(text, text, text, text, name) IS
    'Searches the values of one field, by case: match is exact (the default), beginning or middle. 20 tokens for each'
    ' 500 hits.';

CREATE FUNCTION pipedrive.search_users(term text, by_email boolean DEFAULT false, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('search_users', 'term, by_email', num_nulls(term, by_email));
    RETURN pipedrive_internal.send(server, 'GET', '/v1/users/find',
                                   query => jsonb_build_object('term', term, 'search_by_email', by_email::integer));
END
$function$;
COMMENT ON FUNCTION pipedrive.search_users(text, boolean, name) IS
    'Searches users by their names, or by their e-mail addresses. 40 tokens.';
