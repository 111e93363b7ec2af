-- How a function sends a request: it inserts a row into a foreign table that stands for requests, and RETURNING
-- gives the answer. Everything here runs with the rights and the user mapping of whoever calls it. It lets nobody do
-- what they could not do without it: whoever has USAGE on the server can make such a table.

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
                                  'lets this role use it.', current_user);
    ELSIF cardinality(servers) > 1 THEN
        RAISE EXCEPTION 'pipedrive option: there are several servers of Pipedrive: %', array_to_string(names, ', ')
              USING HINT = format('Say which by the last argument: server => %L', names[1]);
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
    'The wanted name, or with a number that makes it differ from those that are taken; at most 63 bytes.';

-- It is found by what it is. A name may be cut, and a table of that name may be somebody else's, with a trigger that
-- would run with the caller's rights, or of another server.
CREATE FUNCTION pipedrive_internal.session_table(server oid, source text)
RETURNS regclass
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    made regclass;
BEGIN
    FOR attempt IN 1..2 LOOP
        SELECT t.relation INTO made FROM pipedrive_internal.foreign_tables t
         WHERE t.server = session_table.server AND t.source = session_table.source
           AND t.schema = pg_my_temp_schema() AND pg_get_userbyid(t.owner) = current_user;
        IF made IS NOT NULL THEN
            RETURN made;
        END IF;
        EXECUTE format('CREATE FOREIGN TABLE pg_temp.%I (%s) SERVER %I OPTIONS (table %L)',
                       pipedrive_internal.free_name('pipedrive_' || source, ARRAY(
                           SELECT c.relname FROM pg_class c WHERE c.relnamespace = pg_my_temp_schema())),
                       CASE source
                           WHEN 'request' THEN 'method text, path text, query jsonb, body jsonb, pages boolean, '
                                               'tokens bigint, answer jsonb'
                           WHEN 'catalogue' THEN 'table_name text, column_name text, comment text'
                       END,
                       (SELECT s.name FROM pipedrive_internal.servers s WHERE s.server = session_table.server),
                       source);
    END LOOP;
    RAISE EXCEPTION 'pipedrive option: the server was renamed a moment ago' USING HINT = 'Try again.';
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.session_table(oid, text) IS
    'The caller''s own foreign table of this session for requests, or for the words of the catalogue.';

CREATE FUNCTION pipedrive_internal.send(
    server name,
    method text,
    path text,
    query jsonb DEFAULT NULL,
    body jsonb DEFAULT NULL,
    tokens bigint DEFAULT NULL,
    pages boolean DEFAULT false
)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    requests regclass := pipedrive_internal.session_table(pipedrive_internal.server_named(server), 'request');
    answer jsonb;
BEGIN
    EXECUTE format('INSERT INTO %s (method, path, query, body, tokens, pages) VALUES ($1, $2, $3, $4, $5, $6) '
                   'RETURNING answer', requests)
       INTO answer USING method, path, query, body, tokens, pages;
    RETURN answer;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.send(name, text, text, jsonb, jsonb, bigint, boolean) IS
    'Sends a request and returns its data; with pages, the items of all pages. tokens is its price, where the method '
    'does not tell it.';

CREATE FUNCTION pipedrive_internal.require(procedure text, arguments text, missing integer)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF missing > 0 THEN
        RAISE EXCEPTION 'pipedrive write: % needs %', procedure, arguments USING ERRCODE = 'null_value_not_allowed';
    END IF;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.require(text, text, integer) IS
    'Refuses a call in which arguments that must be given are missing: so many are NULL.';

CREATE FUNCTION pipedrive_internal.await_conversion(server name, path text)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer jsonb;
    pause double precision := 0.1;
BEGIN
    LOOP
        answer := pipedrive_internal.send(server, 'GET', path, tokens => 1);
        IF answer ->> 'status' = 'completed' THEN
            RETURN answer;
        ELSIF answer ->> 'status' IN ('failed', 'rejected') THEN
            RAISE EXCEPTION 'pipedrive write: the conversion %', answer ->> 'status' USING DETAIL = answer::text;
        END IF;
        PERFORM pg_sleep(pause);
        pause := least(pause * 2, 5);
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.await_conversion(name, text) IS
    'Waits for the conversion of a lead or a deal, and returns its last state.';
