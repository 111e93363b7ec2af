-- What every script of the extension begins with, the one that installs it and those that update it.
\echo Use "CREATE EXTENSION pipedrive_fdw CASCADE" or "ALTER EXTENSION pipedrive_fdw UPDATE" to load this file. \quit

-- A superuser runs this script. PostgreSQL puts the schemas of this extension and of Multicorn on the search_path,
-- and if anybody else can write to one of them (often to public), their operators and functions would run with a
-- superuser's rights.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $begin$
BEGIN
    IF getdatabaseencoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'pipedrive option: the encoding of this database is %, and must be UTF8', getdatabaseencoding()
              USING HINT = 'Use a database made by CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0.',
                    ERRCODE = 'feature_not_supported';
    END IF;
END
$begin$;

-- For the same reason nobody else may own these schemas, or anything in them, or be able to create in them.
DO $begin$
DECLARE
    stranger record;
BEGIN
    SELECT trouble.* INTO stranger
      FROM (SELECT n.nspname, n.nspowner AS role, 'owns the schema' AS what, 1 AS rank
              FROM pg_namespace n
            UNION ALL
            SELECT n.nspname, a.grantee, 'can create in the schema', 2
              FROM pg_namespace n, aclexplode(n.nspacl) a
             WHERE a.privilege_type = 'CREATE'
            UNION ALL
            SELECT n.nspname, o.refobjid, 'owns ' || pg_describe_object(d.classid, d.objid, 0), 3
              FROM pg_namespace n
              JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
              JOIN pg_shdepend o ON o.classid = d.classid AND o.objid = d.objid AND o.deptype = 'o'
              JOIN pg_database b ON b.oid = o.dbid AND b.datname = current_database()) trouble
     WHERE trouble.nspname IN ('pipedrive', 'pipedrive_internal')
       AND trouble.role NOT IN (SELECT r.oid FROM pg_roles r WHERE r.rolsuper)
     ORDER BY trouble.rank, trouble.nspname, trouble.what
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'pipedrive access: the schema % is not safe for the extension', stranger.nspname
              USING DETAIL = format('%s %s. What others put there would run with the rights of a superuser.',
                                    CASE stranger.role WHEN 0 THEN 'PUBLIC'
                                                       ELSE quote_ident(pg_get_userbyid(stranger.role)) END,
                                    stranger.what),
                    HINT = CASE stranger.rank
                               WHEN 2 THEN format('REVOKE CREATE ON SCHEMA %I FROM that role, look at what the '
                                                  'schema holds, and try again.', stranger.nspname)
                               ELSE format('Look at what the schema holds. Then give it to a superuser, or move it '
                                           'away: ALTER SCHEMA %I RENAME TO ...', stranger.nspname) END,
                    ERRCODE = 'insufficient_privilege';
    END IF;
END
$begin$;
