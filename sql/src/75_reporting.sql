-- Views for reporting tools, most of which do not list foreign tables.

-- What people call a row of a small list. A list that can be long is left to a join.
CREATE VIEW pipedrive_internal.known_labels (target_table, label) AS VALUES
    ('activity_types', 'name'),
    ('boards', 'name'),
    ('filters', 'name'),
    ('permission_sets', 'name'),
    ('phases', 'name'),
    ('pipelines', 'name'),
    ('roles', 'name'),
    ('stages', 'name'),
    ('users', 'name');
COMMENT ON VIEW pipedrive_internal.known_labels IS 'Tables of few rows, and the column that names a row.';

CREATE FUNCTION pipedrive_internal.columns_of_schema(schema oid)
RETURNS TABLE (relation oid, table_name name, source_table text, "position" smallint, name name, source text,
               custom boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT r.oid, r.relname, coalesce(t.source, r.relname), a.attnum, a.attname,
           CASE WHEN c.field IS NULL THEN coalesce(c.source, a.attname) ELSE c.kind || c.part END, c.field IS NOT NULL
      FROM pg_class r
      JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pipedrive_internal.foreign_tables t ON t.relation = r.oid
      LEFT JOIN pipedrive_internal.columns c ON c.relation = t.relation AND c.position = a.attnum
     WHERE r.relnamespace = columns_of_schema.schema
       AND (t.relation IS NOT NULL OR r.relkind IN ('r', 'p') AND NOT r.relispartition);
$function$;
COMMENT ON FUNCTION pipedrive_internal.columns_of_schema(oid) IS
    'The columns of the foreign tables of this wrapper in a schema, and of the ordinary tables there, such as a copy: '
    'with the names that Pipedrive has for them, or the type and part of a custom field.';

CREATE FUNCTION pipedrive_internal.report_columns(schema oid)
RETURNS TABLE (relation oid, name name, expression text, comment text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    shown record;
    taken name[];
BEGIN
    FOR shown IN
        WITH columns AS MATERIALIZED (
            SELECT * FROM pipedrive_internal.columns_of_schema(schema)
        )
        SELECT c.relation, c.name, c.position, label.list, label.id, label.label,
               regexp_replace(c.name, '_id$', '') AS stem
          FROM columns c
          LEFT JOIN LATERAL (
              SELECT id.relation::regclass AS list, id.name AS id, label.name AS label
                FROM pipedrive_internal.known_references r
                JOIN pipedrive_internal.known_labels l ON l.target_table = r.target_table
                JOIN columns id ON id.source_table = r.target_table AND id.source = r.target_column AND NOT id.custom
                JOIN columns label ON label.relation = id.relation AND label.source = l.label AND NOT label.custom
                JOIN pg_attribute a ON a.attrelid = c.relation AND a.attnum = c.position AND a.attndims = 0
               WHERE r.source_column = c.source
                 AND CASE WHEN c.custom THEN r.source_table IS NULL ELSE r.source_table = c.source_table END
                 -- A type of another role may have casts, which would run as whoever reads the view.
                 AND NOT EXISTS (SELECT FROM pg_attribute o
                                   JOIN pg_type t ON t.oid = o.atttypid
                                  WHERE (o.attrelid, o.attnum) IN (
                                            (c.relation, c.position), (id.relation, id.position),
                                            (label.relation, label.position))
                                    AND t.typnamespace <> 'pg_catalog'::regnamespace)
               ORDER BY id.relation
               LIMIT 1) label ON true
         WHERE (c.custom OR c.source NOT IN ('attrs', 'custom_fields', 'filter_id'))
           -- The content of a file is downloaded where it is shown, and tools show whatever there is.
           AND NOT EXISTS (SELECT FROM pg_attribute a
                            WHERE a.attrelid = c.relation AND a.attnum = c.position AND a.atttypid = 'bytea'::regtype)
         ORDER BY c.relation, c.position
    LOOP
        IF relation IS DISTINCT FROM shown.relation THEN
            relation := shown.relation;
            taken := ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = shown.relation AND a.attnum > 0);
        END IF;
        name := shown.name;
        expression := format('t.%I', shown.name);
        comment := col_description(relation, shown.position);
        RETURN NEXT;
        CONTINUE WHEN shown.list IS NULL;
        name := pipedrive_internal.free_name(
            CASE WHEN shown.stem = ANY (taken) THEN shown.stem || '_name' ELSE shown.stem END, taken);
        taken := taken || name;
        -- The list is read once for a query, and not at all for one that does not use the column.
        expression := format('(SELECT jsonb_object_agg(l.%1$I, l.%2$I) FROM %3$s l WHERE l.%1$I IS NOT NULL) '
                             '->> t.%4$I::text', shown.id, shown.label, shown.list, shown.name);
        comment := format('The %s of %s, from %s.', shown.label, shown.name, shown.list);
        RETURN NEXT;
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.report_columns(oid) IS
    'The columns of the views that show the tables of a schema to reporting tools: those of each table without the '
    'technical ones, and beside an id the name behind it.';

CREATE FUNCTION pipedrive_internal.report_view(
    relation oid, schema name, names name[], expressions text[], comments text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted name := (SELECT c.relname FROM pg_class c WHERE c.oid = relation);
    target text := format('%I.%I', schema, wanted);
    there oid := to_regclass(target);
    query text := (SELECT format('SELECT %s FROM %s t', string_agg(format('%s AS %I', c.expression, c.name), ', '
                                                                   ORDER BY c.place), relation::regclass)
                     FROM unnest(expressions, names) WITH ORDINALITY AS c (expression, name, place));
    readers name[];
    reader name;
    shown record;
BEGIN
    IF there IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
         WHERE r.ev_class = there AND d.refclassid = 'pg_class'::regclass AND d.refobjid = relation)
    THEN
        RAISE EXCEPTION 'pipedrive option: % already exists', target
              USING DETAIL = format('It is not a view of %s.', relation::regclass),
                    HINT = 'Name another schema: target => ''...''. Or drop what is there.',
                    ERRCODE = 'duplicate_table';
    END IF;
    BEGIN
        EXECUTE format('CREATE OR REPLACE VIEW %s AS %s', target, query);
    EXCEPTION WHEN invalid_table_definition THEN
        -- A column was renamed, dropped or put elsewhere: the view is made anew, for those who could read the old one.
        readers := ARRAY(SELECT r.rolname FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
                          WHERE c.oid = there AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner);
        EXECUTE format('DROP VIEW %s', target);
        EXECUTE format('CREATE VIEW %s AS %s', target, query);
        FOREACH reader IN ARRAY readers LOOP
            EXECUTE format('GRANT SELECT ON %s TO %I', target, reader);
        END LOOP;
    END;
    EXECUTE format('COMMENT ON VIEW %s IS %L', target, obj_description(relation, 'pg_class'));
    FOR shown IN SELECT * FROM unnest(names, comments) AS c (name, comment) LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', target, shown.name, shown.comment);
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pipedrive_internal.report_view(oid, name, name[], text[], text[]) IS
    'Makes or renews the view of a schema that shows a table to reporting tools, with these columns.';

CREATE FUNCTION pipedrive.reporting(
    schema name DEFAULT 'pipedrive',
    target name DEFAULT 'bi',
    role name DEFAULT NULL,
    cache_ttl integer DEFAULT 300,
    max_tokens_per_query integer DEFAULT 2000,
    statement_timeout text DEFAULT '2min'
)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    relations oid[] := ARRAY(SELECT DISTINCT c.relation
                               FROM pipedrive_internal.columns_of_schema(to_regnamespace(quote_ident(schema))) c);
    shown record;
    setting record;
BEGIN
    IF cardinality(relations) = 0 THEN
        RAISE EXCEPTION 'pipedrive option: schema "%" has no table of Pipedrive', schema
              USING HINT = 'Name the schema of an import, or that of a copy.', ERRCODE = 'undefined_table';
    ELSIF target IS NULL OR target = schema THEN
        RAISE EXCEPTION 'pipedrive option: the views need a schema of their own'
              USING DETAIL = format('Schema %I contains the tables, and the views have the same names.', schema),
                    HINT = 'Name another schema, for example target => ''bi''. It is created if it does not exist.',
                    ERRCODE = 'invalid_parameter_value';
    ELSIF cache_ttl NOT BETWEEN 0 AND 604800 OR max_tokens_per_query NOT BETWEEN 0 AND 1000000000 THEN
        -- PostgreSQL would take it, and every query of the role would fail.
        RAISE EXCEPTION 'pipedrive option: %', CASE WHEN cache_ttl NOT BETWEEN 0 AND 604800
                        THEN 'cache_ttl cannot be ' || cache_ttl
                        ELSE 'max_tokens_per_query cannot be ' || max_tokens_per_query END
              USING HINT = 'cache_ttl: 0 to 604800 seconds. max_tokens_per_query: 0 to 1000000000 tokens.',
                    ERRCODE = 'invalid_parameter_value';
    ELSIF role IS NOT NULL AND to_regrole(quote_ident(role)) IS NULL THEN
        RAISE EXCEPTION 'pipedrive option: there is no role "%"', role
              USING HINT = format('CREATE ROLE %I LOGIN; then call reporting again.', role),
                    ERRCODE = 'undefined_object';
    END IF;
    IF to_regnamespace(quote_ident(target)) IS NULL THEN
        EXECUTE format('CREATE SCHEMA %I', target);
    END IF;
    FOR shown IN
        SELECT c.relation, array_agg(c.name ORDER BY c.place) AS names,
               array_agg(c.expression ORDER BY c.place) AS expressions,
               array_agg(c.comment ORDER BY c.place) AS comments
          FROM pipedrive_internal.report_columns(to_regnamespace(quote_ident(schema)))
               WITH ORDINALITY AS c (relation, name, expression, comment, place)
         GROUP BY c.relation
    LOOP
        PERFORM pipedrive_internal.report_view(shown.relation, target, shown.names, shown.expressions, shown.comments);
        IF role IS NOT NULL THEN
            EXECUTE format('GRANT SELECT ON %I.%I TO %I', target,
                           (SELECT c.relname FROM pg_class c WHERE c.oid = shown.relation), role);
        END IF;
    END LOOP;
    IF role IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', target, role);
        BEGIN
            FOR setting IN
                SELECT * FROM (VALUES ('pipedrive.cache_ttl', cache_ttl::text),
                                      ('pipedrive.max_tokens_per_query', max_tokens_per_query::text),
                                      ('statement_timeout', statement_timeout)) AS s (name, value)
                 WHERE s.value IS NOT NULL
            LOOP
                EXECUTE format('ALTER ROLE %I IN DATABASE %I SET %s = %L', role, current_database(), setting.name,
                               setting.value);
            END LOOP;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE EXCEPTION 'pipedrive option: the limits of role "%" cannot be set', role
                  USING DETAIL = 'They are settings of the role, and you may not alter it.',
                        HINT = 'Call reporting as a superuser, or as a role with CREATEROLE (from PostgreSQL 16 on, '
                               'with ADMIN on the role too). Or leave role out, and grant the views yourself.',
                        ERRCODE = 'insufficient_privilege';
        END;
    END IF;
    RETURN format('%s %s in schema %I', cardinality(relations),
                  CASE cardinality(relations) WHEN 1 THEN 'view' ELSE 'views' END, target);
END
$function$;
COMMENT ON FUNCTION pipedrive.reporting(name, name, name, integer, integer, text) IS
    'Makes a schema of views for reporting tools, one for each table of an import or of a copy, and gives a role the '
    'right to read them and limits. The views read with the user mapping of their owner.';
