-- Functions over the API, for what is not a row. Each acts as whoever calls it, with the caller's user mapping, and the
-- caller needs USAGE on the server. A GRANT of EXECUTE opens a function to a role, and is no boundary between one
-- function and another: see docs/security.md for how to let a role do one thing only.

CREATE FUNCTION pipedrive.add_role_assignments(role_id bigint, user_id bigint, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('add_role_assignments', 'role_id, user_id', num_nulls(role_id, user_id));
    RETURN pipedrive_internal.send(server, 'POST', format('/v1/roles/%s/assignments', role_id),
                                   body => jsonb_build_object('user_id', user_id));
END
$function$;
COMMENT ON FUNCTION pipedrive.add_role_assignments(bigint, bigint, name) IS
    'Gives a user a role.';

CREATE FUNCTION pipedrive.delete_role_assignments(role_id bigint, user_id bigint, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('delete_role_assignments', 'role_id, user_id', num_nulls(role_id, user_id));
    RETURN pipedrive_internal.send(server, 'DELETE', format('/v1/roles/%s/assignments', role_id),
                                   body => jsonb_build_object('user_id', user_id));
END
$function$;
COMMENT ON FUNCTION pipedrive.delete_role_assignments(bigint, bigint, name) IS
    'Takes a role from a user, who falls back to the default role.';

CREATE FUNCTION pipedrive.add_installment_subscription(
    deal_id bigint, currency text, payments jsonb, update_deal_value boolean DEFAULT NULL, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('add_installment_subscription', 'deal_id, currency, payments',
                                       num_nulls(deal_id, currency, payments));
    RETURN pipedrive_internal.send(server, 'POST', '/v1/subscriptions/installment',
                                   body => jsonb_build_object(
                                               'deal_id', deal_id, 'currency', currency, 'payments', payments)
                                           || jsonb_strip_nulls(jsonb_build_object(
                                               'update_deal_value', update_deal_value)));
END
$function$;
COMMENT ON FUNCTION pipedrive.add_installment_subscription(bigint, text, jsonb, boolean, name) IS
    'Gives a deal a payment plan, [{amount, description, due_at}]. Pipedrive removed this API in 2025; see '
    'add_deal_installments.';

CREATE FUNCTION pipedrive.update_installment_subscription(
    subscription_id bigint, payments jsonb, update_deal_value boolean DEFAULT NULL, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('update_installment_subscription', 'subscription_id, payments',
                                       num_nulls(subscription_id, payments));
    RETURN pipedrive_internal.send(server, 'PUT', format('/v1/subscriptions/installment/%s', subscription_id),
                                   body => jsonb_build_object('id', subscription_id, 'payments', payments)
                                           || jsonb_strip_nulls(jsonb_build_object(
                                               'update_deal_value', update_deal_value)));
END
$function$;
COMMENT ON FUNCTION pipedrive.update_installment_subscription(bigint, jsonb, boolean, name) IS
    'Changes the payments of a payment plan. Pipedrive removed this API in 2025.';

CREATE FUNCTION pipedrive.cancel_recurring_subscription(
    subscription_id bigint, end_date date DEFAULT NULL, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('cancel_recurring_subscription', 'subscription_id',
                                       num_nulls(subscription_id));
    RETURN pipedrive_internal.send(server, 'PUT', format('/v1/subscriptions/recurring/%s/cancel', subscription_id),
                                   body => jsonb_strip_nulls(jsonb_build_object(
                                       'id', subscription_id, 'end_date', end_date)));
END
$function$;
COMMENT ON FUNCTION pipedrive.cancel_recurring_subscription(bigint, date, name) IS
    'Ends a recurring subscription, today or at end_date. Pipedrive removed this API in 2025.';

CREATE FUNCTION pipedrive.add_deal_installments(deal_id bigint, installments jsonb, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('add_deal_installments', 'deal_id, installments',
                                       num_nulls(deal_id, installments));
    RETURN pipedrive_internal.send(server, 'POST', format('/v2/deals/%s/installments', deal_id),
                                   body => jsonb_build_object('installments', installments));
END
$function$;
COMMENT ON FUNCTION pipedrive.add_deal_installments(bigint, jsonb, name) IS
    'Adds installments to a deal, [{description, amount, billing_date}]: one request each.';

CREATE FUNCTION pipedrive.convert_lead(
    lead_id uuid, stage_id bigint DEFAULT NULL, pipeline_id bigint DEFAULT NULL, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    begun jsonb;
BEGIN
    PERFORM pipedrive_internal.require('convert_lead', 'lead_id', num_nulls(lead_id));
    begun := pipedrive_internal.send(server, 'POST', format('/v2/leads/%s/convert/deal', lead_id),
                                     body => jsonb_strip_nulls(jsonb_build_object(
                                         'stage_id', stage_id, 'pipeline_id', pipeline_id)));
    RETURN pipedrive_internal.await_conversion(
        server, format('/v2/leads/%s/convert/status/%s', lead_id, begun ->> 'conversion_id'), begun);
END
$function$;
COMMENT ON FUNCTION pipedrive.convert_lead(uuid, bigint, bigint, name) IS
    'Converts a lead to a deal, and waits until that is done; the answer names the deal.';

CREATE FUNCTION pipedrive.convert_deal(deal_id bigint, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    begun jsonb;
BEGIN
    PERFORM pipedrive_internal.require('convert_deal', 'deal_id', num_nulls(deal_id));
    begun := pipedrive_internal.send(server, 'POST', format('/v2/deals/%s/convert/lead', deal_id));
    RETURN pipedrive_internal.await_conversion(
        server, format('/v2/deals/%s/convert/status/%s', deal_id, begun ->> 'conversion_id'), begun);
END
$function$;
COMMENT ON FUNCTION pipedrive.convert_deal(bigint, name) IS
    'Converts a deal to a lead, and waits until that is done; the answer names the lead.';

CREATE FUNCTION pipedrive.merge_deals(id bigint, merge_with_id bigint, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('merge_deals', 'id, merge_with_id', num_nulls(id, merge_with_id));
    RETURN pipedrive_internal.send(server, 'PUT', format('/v1/deals/%s/merge', id),
                                   body => jsonb_build_object('merge_with_id', merge_with_id));
END
$function$;
COMMENT ON FUNCTION pipedrive.merge_deals(bigint, bigint, name) IS
    'Merges the first deal into the second, which stays.';

CREATE FUNCTION pipedrive.merge_persons(id bigint, merge_with_id bigint, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('merge_persons', 'id, merge_with_id', num_nulls(id, merge_with_id));
    RETURN pipedrive_internal.send(server, 'PUT', format('/v1/persons/%s/merge', id),
                                   body => jsonb_build_object('merge_with_id', merge_with_id));
END
$function$;
COMMENT ON FUNCTION pipedrive.merge_persons(bigint, bigint, name) IS
    'Merges the first person into the second, who stays.';

CREATE FUNCTION pipedrive.merge_organizations(id bigint, merge_with_id bigint, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('merge_organizations', 'id, merge_with_id', num_nulls(id, merge_with_id));
    RETURN pipedrive_internal.send(server, 'PUT', format('/v1/organizations/%s/merge', id),
                                   body => jsonb_build_object('merge_with_id', merge_with_id));
END
$function$;
COMMENT ON FUNCTION pipedrive.merge_organizations(bigint, bigint, name) IS
    'Merges the first organization into the second, which stays.';

CREATE FUNCTION pipedrive.duplicate_deal(id bigint, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('duplicate_deal', 'id', num_nulls(id));
    RETURN pipedrive_internal.send(server, 'POST', format('/v1/deals/%s/duplicate', id));
END
$function$;
COMMENT ON FUNCTION pipedrive.duplicate_deal(bigint, name) IS
    'Makes a copy of a deal.';

CREATE FUNCTION pipedrive.duplicate_product(id bigint, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('duplicate_product', 'id', num_nulls(id));
    RETURN pipedrive_internal.send(server, 'POST', format('/v2/products/%s/duplicate', id));
END
$function$;
COMMENT ON FUNCTION pipedrive.duplicate_product(bigint, name) IS
    'Makes a copy of a product.';

CREATE FUNCTION pipedrive.search(term text, item_types text DEFAULT NULL, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('search', 'term', num_nulls(term));
    RETURN pipedrive_internal.send(server, 'GET', '/v2/itemSearch',
                                   query => jsonb_build_object('term', term, 'item_types', item_types),
                                   want => 'pages');
END
$function$;
COMMENT ON FUNCTION pipedrive.search(text, text, name) IS
    'Searches all objects for a term; item_types is a comma list such as deal,person. 20 tokens for each hundred '
    'hits.';

CREATE FUNCTION pipedrive.request(
    method text, path text, query jsonb DEFAULT NULL, body jsonb DEFAULT NULL, server name DEFAULT NULL,
    encoding text DEFAULT 'json')
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('request', 'method, path, encoding', num_nulls(method, path, encoding));
    RETURN pipedrive_internal.send(server, method, path, query, body, encoding => encoding);
END
$function$;
COMMENT ON FUNCTION pipedrive.request(text, text, jsonb, jsonb, name, text) IS
    'Sends any request to the API: a path that begins with /v1/ or /v2/, parameters and body as jsonb, the body as '
    'json, form or multipart.';

CREATE FUNCTION pipedrive.request_bytes(
    method text, path text, query jsonb DEFAULT NULL, body jsonb DEFAULT NULL, server name DEFAULT NULL,
    encoding text DEFAULT 'json')
RETURNS bytea
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('request_bytes', 'method, path, encoding', num_nulls(method, path, encoding));
    RETURN decode(pipedrive_internal.send(server, method, path, query, body, 'file', encoding) #>> '{}', 'base64');
END
$function$;
COMMENT ON FUNCTION pipedrive.request_bytes(text, text, jsonb, jsonb, name, text) IS
    'Like request(), and returns the answer as it is: the content of a file, wherever it is stored.';

CREATE FUNCTION pipedrive.file_content(id bigint, server name DEFAULT NULL)
RETURNS bytea
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('file_content', 'id', num_nulls(id));
    RETURN decode(pipedrive_internal.send(server, 'GET', format('/v1/files/%s/download', id), want => 'file') #>> '{}',
                  'base64');
END
$function$;
COMMENT ON FUNCTION pipedrive.file_content(bigint, name) IS
    'The content of a file, by its id in files. 20 tokens.';
