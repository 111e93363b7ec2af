-- Functions for operations that are neither rows nor searches: settings of roles, plans of projects, many deletions at
-- once, what filters can be made of, links to a provider of video calls,
-- files elsewhere, recordings of calls.

CREATE FUNCTION pipedrive.set_role_setting(
    role_id bigint, setting_key text, value integer, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('set_role_setting', 'role_id, setting_key, value',
                                       num_nulls(role_id, setting_key, value));
    RETURN pipedrive_internal.send(server, 'POST', format('/v1/roles/%s/settings', role_id),
                                   body => jsonb_build_object('setting_key', setting_key, 'value', value));
END
$function$;
COMMENT ON FUNCTION pipedrive.set_role_setting(bigint, text, integer, name) IS
    'Sets who sees new records of a role''s users: setting_key is a column of role_settings like'
    ' deal_default_visibility, value 1, 3, 5 or 7.';

CREATE FUNCTION pipedrive.set_role_pipelines(
    role_id bigint, show bigint[] DEFAULT '{}', hide bigint[] DEFAULT '{}', server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('set_role_pipelines', 'role_id, and show and hide without NULL',
                                       num_nulls(role_id, show, hide)
                                       + coalesce(num_nulls(VARIADIC show || hide), 0));
    RETURN pipedrive_internal.send(server, 'PUT', format('/v1/roles/%s/pipelines', role_id),
                                   body => jsonb_build_object('visible_pipeline_ids', jsonb_build_object(
                                           'add', to_jsonb(show)::text, 'remove', to_jsonb(hide)::text)));
END
$function$;
COMMENT ON FUNCTION pipedrive.set_role_pipelines(bigint, bigint[], bigint[], name) IS
    'Shows pipelines to a role and hides others from it.';

CREATE FUNCTION pipedrive.set_project_plan_item(
    project_id bigint, item_type text, item_id bigint, phase_id bigint DEFAULT NULL, group_id bigint DEFAULT NULL,
    server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    place jsonb := jsonb_strip_nulls(jsonb_build_object('phase_id', phase_id, 'group_id', group_id));
BEGIN
    PERFORM pipedrive_internal.require('set_project_plan_item', 'project_id, item_type, item_id',
                                       num_nulls(project_id, item_type, item_id));
    IF item_type = 'task' THEN
        RETURN pipedrive_internal.send(server, 'PUT', format('/v1/projects/%s/plan/tasks/%s', project_id, item_id),
                                       body => place);
    ELSIF item_type = 'activity' THEN
        RETURN pipedrive_internal.send(server, 'PUT', format('/v1/projects/%s/plan/activities/%s', project_id, item_id),
                                       body => place);
    END IF;
    RAISE EXCEPTION 'pipedrive write: item_type must be task or activity, and is %', item_type
          USING ERRCODE = 'invalid_parameter_value';
END
$function$;
COMMENT ON FUNCTION pipedrive.set_project_plan_item(bigint, text, bigint, bigint, bigint, name) IS
    'Puts a task or an activity of a project into a phase or a group; NULL leaves it where it is.';

CREATE FUNCTION pipedrive.delete_deal_products(deal_id bigint, ids bigint[], server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('delete_deal_products', 'deal_id, ids', num_nulls(deal_id, ids));
    RETURN pipedrive_internal.send(server, 'DELETE', format('/v2/deals/%s/products', deal_id),
                                   query => jsonb_build_object('ids', to_jsonb(ids)));
END
$function$;
COMMENT ON FUNCTION pipedrive.delete_deal_products(bigint, bigint[], name) IS
    'Deletes up to 100 products of a deal at once, by their ids in deal_products. 15 tokens.';

CREATE FUNCTION pipedrive.delete_filters(ids bigint[], server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('delete_filters', 'ids', num_nulls(ids));
    RETURN pipedrive_internal.send(server, 'DELETE', '/v1/filters',
                                   query => jsonb_build_object('ids', to_jsonb(ids)));
END
$function$;
COMMENT ON FUNCTION pipedrive.delete_filters(bigint[], name) IS
    'Deletes filters at once. 10 tokens.';

CREATE FUNCTION pipedrive.filter_helpers(server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT pipedrive_internal.send(server, 'GET', '/v1/filters/helpers');
$function$;
COMMENT ON FUNCTION pipedrive.filter_helpers(name) IS
    'What conditions of filters can be made of: operators by type of field, relative dates. 20 tokens.';

CREATE FUNCTION pipedrive.add_user_provider_link(
    user_provider_id text, user_id bigint, company_id bigint, marketplace_client_id text, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('add_user_provider_link',
                                       'user_provider_id, user_id, company_id, marketplace_client_id',
                                       num_nulls(user_provider_id, user_id, company_id, marketplace_client_id));
    RETURN pipedrive_internal.send(server, 'POST', '/v1/meetings/userProviderLinks',
                                   body => jsonb_build_object(
                                        'user_provider_id', user_provider_id, 'user_id', user_id,
                                        'company_id', company_id,
                                        'marketplace_client_id', marketplace_client_id));
END
$function$;
COMMENT ON FUNCTION pipedrive.add_user_provider_link(text, bigint, bigint, text, name) IS
    'Links a user to an installed app for video calls, whose token sends it.';

CREATE FUNCTION pipedrive.delete_user_provider_link(user_provider_id uuid, server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('delete_user_provider_link', 'user_provider_id', num_nulls(user_provider_id));
    RETURN pipedrive_internal.send(server, 'DELETE', format('/v1/meetings/userProviderLinks/%s', user_provider_id));
END
$function$;
COMMENT ON FUNCTION pipedrive.delete_user_provider_link(uuid, name) IS
    'Ends the link of a user to an app for video calls.';

CREATE FUNCTION pipedrive.add_remote_file(
    file_type text, title text, item_type text, item_id bigint, remote_location text DEFAULT 'googledrive',
    server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('add_remote_file', 'file_type, title, item_type, item_id, remote_location',
                                       num_nulls(file_type, title, item_type, item_id, remote_location));
    RETURN pipedrive_internal.send(server, 'POST', '/v1/files/remote',
                                   body => jsonb_build_object(
                                        'file_type', file_type, 'title', title, 'item_type', item_type,
                                        'item_id', item_id, 'remote_location', remote_location),
                                   encoding => 'form');
END
$function$;
COMMENT ON FUNCTION pipedrive.add_remote_file(text, text, text, bigint, text, name) IS
    'Creates an empty file at Google Drive (gdoc, gslides, gsheet, gform or gdraw) and links it to a deal, an '
    'organization or a person.';

CREATE FUNCTION pipedrive.add_call_recording(
    call_log_id text, content bytea, file_name text DEFAULT 'recording.mp3', server name DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pipedrive_internal.require('add_call_recording', 'call_log_id, content, file_name',
                                       num_nulls(call_log_id, content, file_name));
    RETURN pipedrive_internal.send(server, 'POST', format('/v1/callLogs/%s/recordings', call_log_id),
                                   body => jsonb_build_object(
                                        'file', pipedrive_internal.file_part(content, file_name)),
                                   encoding => 'multipart');
END
$function$;
COMMENT ON FUNCTION pipedrive.add_call_recording(text, bytea, text, name) IS
    'Attaches the recording of a call, an audio file, to its call log.';
