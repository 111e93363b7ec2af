"""The extension under other roles, in an update, in a dump; what its functions must not let through."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.e2e.extension import TOKEN, Extended
from tests.engine import Server, overlay
from tests.simulator import Simulator


@pytest.fixture
def analyst(database: Extended) -> Iterator[Extended]:
    """The database; a role *an_analyst* that may use the server, and nothing else."""
    database.run("CREATE ROLE an_analyst; GRANT USAGE ON SCHEMA pipedrive TO an_analyst")
    database.run("GRANT USAGE ON FOREIGN SERVER pipedrive TO an_analyst")
    database.run(f"CREATE USER MAPPING FOR an_analyst SERVER pipedrive OPTIONS (api_token $${TOKEN}$$)")
    database.run("CREATE SCHEMA an_analyst AUTHORIZATION an_analyst")
    yield database
    database.run("RESET ROLE; DROP USER MAPPING IF EXISTS FOR an_analyst SERVER pipedrive")
    database.run("DROP SERVER IF EXISTS own CASCADE; DROP OWNED BY an_analyst CASCADE; DROP ROLE an_analyst")


def test_every_function_has_a_search_path_of_its_own(database: Extended) -> None:
    loose = database.rows(
        "SELECT proname FROM pg_proc WHERE pronamespace IN ('pipedrive'::regnamespace, "
        "'pipedrive_internal'::regnamespace) "
        "AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)"
    )
    assert loose == []


def test_the_guard_reads_its_context_in_english(database: Extended) -> None:
    """PostgreSQL translates "COPY deals, line 1": seen with German messages, the server crashed."""
    found = database.rows("SELECT prosecdef, proconfig FROM pg_proc WHERE proname = 'refuse_copy'")
    assert found == [(True, ["lc_messages=C", "search_path=pg_catalog, pg_temp"])]


@pytest.mark.usefixtures("copy_is_caught")
def test_a_table_without_options_is_guarded_too(database: Extended) -> None:
    database.run("CREATE FOREIGN TABLE public.bare (name text) SERVER pipedrive")
    with pytest.raises(psycopg.Error, match="COPY into bare is not possible"):
        database.run("COPY public.bare (name) FROM PROGRAM 'echo Anna'")
    database.run("DROP FOREIGN TABLE public.bare")


@pytest.mark.usefixtures("copy_is_caught")
def test_the_guards_hold_while_replication_is_played(database: Extended) -> None:
    database.run("SET session_replication_role = replica")
    try:
        database.run("CREATE FOREIGN TABLE public.replayed (name text) SERVER pipedrive")
        with pytest.raises(psycopg.Error, match="COPY into replayed is not possible"):
            database.run("COPY public.replayed (name) FROM PROGRAM 'echo Anna'")
    finally:
        database.run("RESET session_replication_role; DROP FOREIGN TABLE IF EXISTS public.replayed")


def test_a_role_refreshes_and_describes_its_own_tables(analyst: Extended) -> None:
    analyst.run("GRANT EXECUTE ON FUNCTION pipedrive.refresh_columns, pipedrive.describe TO an_analyst")
    analyst.run("SET ROLE an_analyst")
    analyst.run(
        "IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deals, stages) FROM SERVER pipedrive INTO an_analyst"
    )
    lost = analyst.value(
        "SELECT name FROM pipedrive_internal.columns "
        "WHERE relation = 'an_analyst.deals'::regclass AND field IS NOT NULL LIMIT 1"
    )
    analyst.run(f"ALTER FOREIGN TABLE an_analyst.deals ALTER COLUMN {lost} OPTIONS (SET field 'gone')")
    (line,) = analyst.rows("SELECT * FROM pipedrive.refresh_columns('an_analyst.deals', true)")
    assert line[0].startswith(f"ALTER FOREIGN TABLE an_analyst.deals ADD COLUMN {lost}_2 ")
    assert analyst.value("SELECT pipedrive.describe('an_analyst')") > 80


@pytest.mark.usefixtures("copy_is_caught")
def test_a_role_writes_rows_and_not_by_copy(analyst: Extended) -> None:
    """The guard runs with other rights than the role's, for the language of messages alone."""
    analyst.run("GRANT INSERT, SELECT ON pipedrive.persons TO an_analyst; SET ROLE an_analyst")
    assert analyst.rows("INSERT INTO pipedrive.persons (name) VALUES ('Ada') RETURNING name") == [("Ada",)]
    assert analyst.value("SELECT current_user") == "an_analyst"
    copying = analyst.connection.cursor().copy("COPY pipedrive.persons (name) FROM STDIN")
    with pytest.raises(psycopg.Error, match="COPY into persons is not possible"), copying as copy:
        copy.write("Berta\n")


def test_a_role_connects_an_account_of_its_own(analyst: Extended) -> None:
    analyst.run("GRANT EXECUTE ON FUNCTION pipedrive.connect TO an_analyst")
    call = (
        f"SELECT pipedrive.connect(base_url => '{analyst.simulator.url}', api_token => $${TOKEN}$$, "
        "server => 'own', schema => 'an_analyst')"
    )
    analyst.run("SET ROLE an_analyst")
    with pytest.raises(psycopg.Error, match="permission denied for foreign-data wrapper multicorn"):
        analyst.run(call)
    analyst.run(
        "RESET ROLE; GRANT USAGE ON FOREIGN DATA WRAPPER multicorn TO an_analyst; SET ROLE an_analyst"
    )
    assert analyst.value(call) == "77 tables in schema an_analyst"
    assert analyst.value("SELECT count(*) FROM an_analyst.stages") > 0


def test_connect_takes_options_as_arguments_or_as_jsonb(database: Extended) -> None:
    with pytest.raises(psycopg.Error, match="connect needs the credential of a Pipedrive user"):
        database.run("SELECT pipedrive.connect('acme', server => 'Two', schema => 'Two')")
    made = database.value(
        f"""SELECT pipedrive.connect(server => 'Two "quoted"', schema => 'It''s two',
        server_options => '{{"base_url": "{database.simulator.url}", "page_size": 50, "parallel": null}}',
        mapping_options => jsonb_build_object('api_token', $${TOKEN}$$))"""
    )
    assert made == '77 tables in schema "It\'s two"'
    assert database.value('SELECT count(*) FROM "It\'s two".stages') > 0
    options = database.value("SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'Two \"quoted\"'")
    assert sorted(options) == [
        f"base_url={database.simulator.url}",
        "page_size=50",
        "wrapper=pipedrive_fdw.PipedriveFdw",
    ]
    database.run('DROP SERVER "Two ""quoted""" CASCADE; DROP SCHEMA "It\'s two"')


def test_whose_mapping_a_query_reads_with(analyst: Extended) -> None:
    """Multicorn asks for the current user's, in a view too; docs/operations.md says what follows."""
    analyst.run("DROP USER MAPPING FOR an_analyst SERVER pipedrive")
    analyst.run(
        "CREATE VIEW public.named AS SELECT name FROM pipedrive.stages; "
        "GRANT SELECT ON public.named TO an_analyst; "
        "CREATE FUNCTION public.number() RETURNS bigint LANGUAGE sql SECURITY DEFINER "
        "AS 'SELECT count(*) FROM pipedrive.stages'"
    )
    number = analyst.value("SELECT count(*) FROM public.named")
    try:
        analyst.run("SET ROLE an_analyst")
        assert analyst.value("SELECT public.number()") == number
        with pytest.raises(psycopg.Error, match="permission denied for foreign table stages"):
            analyst.run("SELECT * FROM pipedrive.stages")
        with pytest.raises(psycopg.Error, match="no API token is known for this user"):
            analyst.run("SELECT * FROM public.named")
        analyst.run(
            f"RESET ROLE; CREATE USER MAPPING FOR PUBLIC SERVER pipedrive OPTIONS (api_token $${TOKEN}$$); "
            "SET ROLE an_analyst"
        )
        assert analyst.value("SELECT count(*) FROM public.named") == number
    finally:
        analyst.run("RESET ROLE; DROP USER MAPPING IF EXISTS FOR PUBLIC SERVER pipedrive")
        analyst.run("DROP VIEW public.named; DROP FUNCTION public.number")


def test_no_error_of_connect_holds_the_token(database: Extended) -> None:
    database.run(
        "CREATE FUNCTION public.no_mapping() RETURNS event_trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no mappings here' USING HINT = 'ask the owner'; END $$; "
        "CREATE EVENT TRIGGER no_mapping ON ddl_command_start WHEN TAG IN ('CREATE USER MAPPING') "
        "EXECUTE FUNCTION public.no_mapping()"
    )
    try:
        with pytest.raises(psycopg.Error, match="no mappings here") as caught:
            database.run("SELECT pipedrive.connect('acme', 'a-secret', 'refused', 'refused')")
    finally:
        database.run("DROP EVENT TRIGGER no_mapping; DROP FUNCTION public.no_mapping")
    said = caught.value.diag
    assert said.message_hint == "ask the owner"
    assert "a-secret" not in f"{said.message_primary}{said.message_detail}{said.message_hint}{said.context}"
    assert database.rows("SELECT 1 FROM pg_foreign_server WHERE srvname = 'refused'") == []


def test_a_table_put_in_the_way_runs_nothing_for_the_caller(analyst: Extended) -> None:
    """A function of another owner sends a request; its caller has made tables like the one for requests."""
    analyst.run(
        "CREATE FUNCTION public.stages() RETURNS jsonb LANGUAGE sql SECURITY DEFINER "
        "SET search_path = pg_catalog "
        "AS $$ SELECT pipedrive.request('GET', '/v2/stages', server => 'pipedrive') $$"
    )
    columns = "(method text, path text, query jsonb, body jsonb, pages boolean, tokens bigint, answer jsonb)"
    try:
        with analyst.connect() as other:
            other.execute("SET ROLE an_analyst")
            other.execute(
                f"CREATE TEMP TABLE pipedrive_request {columns}; "
                f"CREATE FOREIGN TABLE pg_temp.pipedrive_request_2 {columns} "
                "SERVER pipedrive OPTIONS (table 'request'); "
                "CREATE FUNCTION pg_temp.look() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'run by %', current_user; END $$; "
                "CREATE TRIGGER look BEFORE INSERT ON pg_temp.pipedrive_request_2 "
                "FOR EACH ROW EXECUTE FUNCTION pg_temp.look()"
            )
            stages = other.execute("SELECT jsonb_array_length(public.stages())").fetchall()
            made = other.execute(
                "SELECT relname, pg_get_userbyid(relowner) = session_user FROM pg_class "
                "WHERE relnamespace = pg_my_temp_schema() AND relname LIKE 'pipedrive%' ORDER BY 1"
            ).fetchall()
        assert stages == [(len(analyst.simulator.records("stages")),)]
        assert made == [
            ("pipedrive_request", False),
            ("pipedrive_request_2", False),
            ("pipedrive_request_3", True),
        ]
    finally:
        analyst.run("DROP FUNCTION public.stages")


@pytest.mark.usefixtures("copy_is_caught")
def test_an_update_leads_to_the_next_version(server: Server, simulator: Simulator) -> None:
    folder = overlay.extension_folder(server.engine, server.folder / "engine")
    script = folder / "pipedrive_fdw--1.0--1.999.sql"
    script.write_text(
        "CREATE FUNCTION pipedrive.of_the_next_version() RETURNS int LANGUAGE sql AS 'SELECT 1';\n"
        "REVOKE EXECUTE ON FUNCTION pipedrive.of_the_next_version FROM PUBLIC;\n"
    )
    script.chmod(0o644)
    database = Extended(server, simulator)
    try:
        database.run("ALTER EXTENSION pipedrive_fdw UPDATE TO '1.999'")
        assert database.value("SELECT pipedrive.of_the_next_version()") == 1
        assert (
            database.value("SELECT extversion FROM pg_extension WHERE extname = 'pipedrive_fdw'") == "1.999"
        )
        assert database.value("SELECT count(*) FROM pipedrive.stages") > 0
        with pytest.raises(psycopg.Error, match="COPY into persons is not possible"):
            database.run("COPY pipedrive.persons (name) FROM PROGRAM 'echo Anna'")
        database.run("DROP EXTENSION pipedrive_fdw")
    finally:
        script.unlink()
        database.close()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_refused(
    server: Server, simulator: Simulator, encoding: str
) -> None:
    """Multicorn 1.4 crashed the server at an import into SQL_ASCII."""
    name = f"not_utf8_{encoding.lower()}"
    template = server.psql("template1")
    template.query(f"DROP DATABASE IF EXISTS {name}")
    template.query(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    with psycopg.connect(server.dsn_of(name), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pipedrive_fdw CASCADE")
        call = f"SELECT pipedrive.connect(base_url => '{simulator.url}', api_token => $${TOKEN}$$)"
        with pytest.raises(psycopg.Error, match=f"encoding of this database is {encoding}, and must be UTF8"):
            connection.execute(call.encode())
    template.query(f"DROP DATABASE {name}")


def test_another_schema_is_refused_for_the_extension(server: Server, simulator: Simulator) -> None:
    database = Extended(server, simulator, connected=False)
    database.run("DROP EXTENSION pipedrive_fdw")
    with pytest.raises(psycopg.Error, match='must be installed in schema "pipedrive"'):
        database.run("CREATE EXTENSION pipedrive_fdw SCHEMA public")
    database.close()


def test_grants_comments_and_guards_survive_a_dump(server: Server, analyst: Extended, tmp_path: Path) -> None:
    analyst.run(
        "GRANT EXECUTE ON FUNCTION pipedrive.duplicate_deal TO an_analyst; SELECT pipedrive.describe()"
    )
    file, name = tmp_path / "dump", f"{analyst.database}_restored"
    _tool(server, "pg_dump", "--format=custom", f"--file={file}", analyst.dsn)
    server.psql("template1").query(f"DROP DATABASE IF EXISTS {name}")
    server.psql("template1").query(f"CREATE DATABASE {name} TEMPLATE template0")
    _tool(server, "pg_restore", "--exit-on-error", f"--dbname={server.dsn_of(name)}", str(file))
    with psycopg.connect(server.dsn_of(name), autocommit=True) as restored:
        restored.execute("SET client_min_messages = warning")
        allowed = restored.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'pipedrive'::regnamespace "
            "AND has_function_privilege('an_analyst', oid, 'EXECUTE')"
        ).fetchall()
        assert allowed == [("duplicate_deal",)]
        said = restored.execute("SELECT obj_description('pipedrive.stages'::regclass)").fetchall()
        assert said == analyst.rows("SELECT obj_description('pipedrive.stages'::regclass)")
        restored.execute("DROP EXTENSION pipedrive_fdw")
        guards = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pipedrive_guard%'"
        assert restored.execute(guards).fetchall() == [(0,)]
        restored.execute("DROP OWNED BY an_analyst CASCADE")
    server.psql("template1").query(f"DROP DATABASE {name}")


def test_a_dump_is_restored_over_its_own_database(
    server: Server, simulator: Simulator, tmp_path: Path
) -> None:
    """--clean drops the guards one by one before their tables."""
    database, file = Extended(server, simulator), tmp_path / "dump.sql"
    _tool(server, "pg_dump", "--clean", "--if-exists", f"--file={file}", database.dsn)
    _tool(server, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(file), database.dsn)
    guards = "SELECT count(*), min(tgenabled) FROM pg_trigger WHERE tgname LIKE 'pipedrive_guard%'"
    assert database.rows(guards) == [(77, "A")]
    assert database.value("SELECT count(*) FROM pipedrive.stages") > 0
    database.close()


def _tool(server: Server, name: str, *arguments: str) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    command = [str(server.engine.bindir / name), *arguments]
    done = subprocess.run(command, env={**kept, **server.env}, capture_output=True, text=True, timeout=120)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")


def test_a_base_backup_leaves_the_state_out(server: Server, database: Extended, tmp_path: Path) -> None:
    assert database.value("SELECT count(*) FROM pipedrive.stages") > 0
    assert (server.data / "pgsql_tmp_pipedrive_fdw").is_dir()
    backup = tmp_path / "backup"
    _tool(server, "pg_basebackup", f"--pgdata={backup}", f"--dbname={database.dsn}", "--checkpoint=fast")
    assert (backup / "PG_VERSION").is_file()
    assert list(backup.rglob("*pipedrive*")) == []
