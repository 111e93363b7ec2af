-- How a function sends a request. Everything here runs with the rights and the user mapping of whoever calls it: who
-- has USAGE on the server may send what the mapping's token allows.

CREATE FUNCTION pipedrive_internal.server_named(wanted name)
RETURNS oid
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    servers oid[];
    names name[];
BEGIN
    SELECT array_agg(s.server ORDER BY s.name), array_agg(s.name ORDER BY s.name) INTO servers, names
      FROM pipedrive_internal.servers s
     WHERE s.name = coalesce(wanted, s.name) AND has_server_privilege(s.server, 'USAGE');
    IF servers IS NULL THEN
        RAISE EXCEPTION 'pipedrive option: there is no server %', coalesce('"' || wanted || '"', 'of Pipedrive')
              USING HINT = format('SELECT pipedrive.connect(...) makes one; GRANT USAGE ON FOREIGN SERVER ... TO %I '
                                  'lets this role use it.', current_user),
                    ERRCODE = 'undefined_object';
    ELSIF cardinality(servers) > 1 THEN
        RAISE EXCEPTION 'pipedrive option: there are several servers of Pipedrive: %', array_to_string(names, ', ')
              USING HINT = format('Name one in the argument server: server => %L', names[1]),
                    ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN servers[1];
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.server_named(name) IS
    'The server of that name, or the only one that the caller may use.';

CREATE FUNCTION pipedrive_internal.free_name(wanted name, taken name[])
RETURNS name
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    free text := wanted;
    start text := wanted;
    number integer := 1;
BEGIN
    WHILE free = ANY (taken) LOOP
        number := number + 1;
        WHILE octet_length(start || '_' || number) > 63 LOOP
            start := left(start, -1);
        END LOOP;
        free := start || '_' || number;
    END LOOP;
    RETURN free;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.free_name(name, name[]) IS
    'The wanted name, with a number added if it is taken already; at most 63 bytes.';

CREATE FUNCTION pipedrive_internal.ask(server oid, request jsonb) RETURNS jsonb
    LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'pipedrive_fdw_ask';
COMMENT ON FUNCTION pipedrive_internal.ask(oid, jsonb) IS
    'Sends a request to the account of a server, with the caller''s user mapping; the data of its answer.';

CREATE FUNCTION pipedrive_internal.send(
    server name,
    method text,
    path text,
    query jsonb DEFAULT NULL,
    body jsonb DEFAULT NULL,
    want text DEFAULT 'data',
    encoding text DEFAULT 'json'
)
RETURNS jsonb
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT pipedrive_internal.ask(pipedrive_internal.server_named(server), jsonb_build_object(
               'method', method, 'path', path, 'query', query, 'body', body, 'want', want, 'encoding', encoding));
$function$;
COMMENT ON FUNCTION pipedrive_internal.send(name, text, text, jsonb, jsonb, text, text) IS
    'Sends a request and returns its data; wanting pages, the items of all pages; wanting a file, its bytes in base64.';

CREATE FUNCTION pipedrive_internal.file_part(content bytea, file_name text)
RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT jsonb_build_object('file_name', file_name, 'content', encode(content, 'base64'));
$function$;
COMMENT ON FUNCTION pipedrive_internal.file_part(bytea, text) IS
    'A file in the body of a multipart request.';

CREATE FUNCTION pipedrive_internal.require(procedure text, arguments text, missing integer)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF missing > 0 THEN
        RAISE EXCEPTION 'pipedrive write: % needs %', procedure, arguments
              USING DETAIL = 'A required argument is NULL. Nothing was sent.', ERRCODE = 'null_value_not_allowed';
    END IF;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.require(text, text, integer) IS
    'Refuses a call without its required arguments: missing is how many of them are NULL.';

CREATE FUNCTION pipedrive_internal.await_conversion(server name, path text, begun jsonb)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer jsonb;
    pause double precision := 0.1;
BEGIN
    LOOP
        answer := CASE WHEN begun ->> 'conversion_id' IS NULL THEN begun
                       ELSE pipedrive_internal.send(server, 'GET', path) END;
        IF answer ->> 'status' = 'completed' THEN
            RETURN answer;
        ELSIF answer ->> 'status' IN ('failed', 'rejected') THEN
            RAISE EXCEPTION 'pipedrive write: Pipedrive reports that the conversion %',
                            CASE answer ->> 'status' WHEN 'failed' THEN 'has failed' ELSE 'was rejected' END
                  USING DETAIL = answer::text, ERRCODE = 'fdw_error';
        ELSIF answer ->> 'status' IS NULL OR begun ->> 'conversion_id' IS NULL THEN
            RAISE EXCEPTION 'pipedrive protocol: Pipedrive does not tell how far the conversion is'
                  USING DETAIL = coalesce(answer::text, 'Its answer is NULL.'),
                        HINT = 'Look whether the record was converted before you call this again.',
                        ERRCODE = 'protocol_violation';
        END IF;
        PERFORM pg_sleep(pause);
        pause := least(pause * 2, 5);
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.await_conversion(name, text, jsonb) IS
    'Waits for the conversion of a lead or a deal that has begun, and returns its last state.';
