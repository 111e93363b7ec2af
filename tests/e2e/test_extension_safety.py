"""The extension under other roles, in an update, in a dump; what its functions must not let through."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pipedrive_fdw.catalog import TABLES
from tests.e2e.extension import TOKEN, Extended
from tests.simulator import Simulator
from tools.engine import Server, overlay


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
        "'pipedrive_internal'::regnamespace) AND prokind <> 'a' "  # an aggregate is made of functions
        "AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false) ORDER BY proname"
    )
    in_c = ["ask", "handler", "validator"]  # where no name is looked up
    assert [name for (name,) in loose] == sorted([*in_c, "sync"])


def test_what_commits_has_no_search_path_and_names_everything(database: Extended) -> None:
    """PostgreSQL lets a procedure commit only if it sets nothing: so no operator, and full names."""
    source = database.value("SELECT prosrc FROM pg_proc WHERE proname = 'sync'")
    other = re.sub(r":=|DIAGNOSTICS[^;]*|NOTICE '%'", "", source)
    assert re.findall(r"[-+*/<>~!@#%^&|?]|(?<!:)=(?!>)|::", other) == []
    called = set(re.findall(r"([\w.]+)\(", source))
    assert {name.partition(".")[0] for name in called} == {"pg_catalog", "pipedrive_internal"}


def test_a_backslash_is_one_in_every_session(database: Extended) -> None:
    """Under standard_conforming_strings = off it is one only in E'' or where the function sets it on."""
    functions = database.rows(
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace IN ('pipedrive'::regnamespace, "
        "'pipedrive_internal'::regnamespace) "
        "AND NOT coalesce('standard_conforming_strings=on' = ANY (proconfig), false) ORDER BY proname"
    )
    assert [name for name, source in functions if "\\" in re.sub(r"E'[^']*'", "", source)] == []


def test_triggers_fire_whatever_the_role_of_replication_is(database: Extended) -> None:
    others = database.rows(
        "SELECT tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE tgenabled <> 'A' "
        "AND c.relnamespace = 'pipedrive_internal'::regnamespace AND NOT tgisinternal "
        "UNION ALL SELECT evtname FROM pg_event_trigger WHERE evtenabled <> 'A' AND evtname LIKE 'pipedrive%'"
    )
    assert others == []


@pytest.mark.parametrize(
    "setting", ["lc_messages = 'C'", "session_replication_role = replica", "check_function_bodies = off"]
)
def test_copy_is_refused_whatever_is_set(database: Extended, setting: str) -> None:
    with database.connect() as connection:
        connection.execute(f"SET {setting}")  # type: ignore[call-overload]
        connection.execute("CREATE FOREIGN TABLE public.replayed (name text) SERVER pipedrive "
                           "OPTIONS (table 'persons')")  # fmt: skip
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="COPY into replayed is not possible"):
            connection.execute("COPY public.replayed (name) FROM PROGRAM 'echo Anna'")
        connection.execute("DROP FOREIGN TABLE public.replayed")


def test_what_is_checked_and_completed_is_so_while_replication_is_played(database: Extended) -> None:
    with database.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "CREATE SERVER replayed FOREIGN DATA WRAPPER pipedrive_fdw "
            f"OPTIONS (base_url '{database.simulator.url}')"  # type: ignore[arg-type]
        )
        connection.execute(
            f"CREATE USER MAPPING FOR CURRENT_USER SERVER replayed OPTIONS (api_token $${TOKEN}$$)"  # type: ignore[arg-type]
        )
        with pytest.raises(psycopg.errors.FdwInvalidOptionName, match='has no column "nonsense"'):
            connection.execute(
                "CREATE FOREIGN TABLE public.replayed (nonsense text) SERVER replayed "
                "OPTIONS (table 'stages')"
            )
        connection.execute(
            "CREATE FOREIGN TABLE public.replayed (name text) SERVER replayed OPTIONS (table 'stages')"
        )
        shown = connection.execute("SELECT count(*) FROM public.replayed").fetchall()
        connection.execute("DROP SERVER replayed CASCADE")
    assert shown == [(len(database.simulator.records("stages")),)]


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


def test_a_role_writes_rows_and_not_by_copy(analyst: Extended) -> None:
    analyst.run("GRANT INSERT, SELECT ON pipedrive.persons TO an_analyst; SET ROLE an_analyst")
    assert analyst.rows("INSERT INTO pipedrive.persons (name) VALUES ('Ada') RETURNING name") == [("Ada",)]
    assert analyst.value("SELECT current_user") == "an_analyst"
    copying = analyst.connection.cursor().copy("COPY pipedrive.persons (name) FROM STDIN")
    with (
        pytest.raises(psycopg.errors.FeatureNotSupported, match="COPY into persons is not possible"),
        copying as copy,
    ):
        copy.write("Berta\n")


def test_a_role_connects_an_account_of_its_own(analyst: Extended) -> None:
    analyst.run("GRANT EXECUTE ON FUNCTION pipedrive.connect TO an_analyst")
    call = (
        f"SELECT pipedrive.connect(base_url => '{analyst.simulator.url}', api_token => $${TOKEN}$$, "
        "server => 'own', schema => 'an_analyst')"
    )
    analyst.run("SET ROLE an_analyst")
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege, match="permission denied for foreign-data wrapper pipedrive_fdw"
    ):
        analyst.run(call)
    analyst.run(
        "RESET ROLE; GRANT USAGE ON FOREIGN DATA WRAPPER pipedrive_fdw TO an_analyst; SET ROLE an_analyst"
    )
    assert analyst.value(call) == f"{len(TABLES)} tables in schema an_analyst"
    assert analyst.value("SELECT count(*) FROM an_analyst.stages") > 0


def test_connect_takes_options_as_arguments_or_as_jsonb(database: Extended) -> None:
    with pytest.raises(psycopg.Error, match="connect needs the credential of a Pipedrive user"):
        database.run("SELECT pipedrive.connect('acme', server => 'Two', schema => 'Two')")
    made = database.value(
        f"""SELECT pipedrive.connect(server => 'Two "quoted"', schema => 'It''s two',
        server_options => '{{"base_url": "{database.simulator.url}", "page_size": 50, "parallel": null}}',
        mapping_options => jsonb_build_object('api_token', $${TOKEN}$$))"""
    )
    assert made == f'{len(TABLES)} tables in schema "It\'s two"'
    assert database.value('SELECT count(*) FROM "It\'s two".stages') > 0
    options = database.value("SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'Two \"quoted\"'")
    assert sorted(options) == [
        f"base_url={database.simulator.url}",
        "page_size=50",
        "wrapper=pipedrive_fdw.PipedriveFdw",
    ]
    database.run('DROP SERVER "Two ""quoted""" CASCADE; DROP SCHEMA "It\'s two"')


def test_whose_mapping_a_query_reads_with(analyst: Extended) -> None:
    """That of the owner of a view or a SECURITY DEFINER function, else that of who asks."""
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
        assert analyst.value("SELECT count(*) FROM public.named") == number
        analyst.run("RESET ROLE; GRANT SELECT ON pipedrive.stages TO an_analyst; SET ROLE an_analyst")
        for sql in ("SELECT * FROM pipedrive.stages", "SELECT * FROM public.named, pipedrive.stages"):
            with pytest.raises(psycopg.Error, match="no API token is known for this user"):
                analyst.run(sql)
        analyst.run(
            f"RESET ROLE; CREATE USER MAPPING FOR PUBLIC SERVER pipedrive OPTIONS (api_token $${TOKEN}$$); "
            "ALTER VIEW public.named OWNER TO an_analyst; SET ROLE an_analyst"
        )
        assert analyst.value("SELECT count(*) FROM pipedrive.stages") == number
        assert analyst.value("SELECT count(*) FROM public.named") == number
        analyst.run("RESET ROLE; DROP USER MAPPING FOR PUBLIC SERVER pipedrive")
        with pytest.raises(psycopg.Error, match="no API token is known for this user"):
            analyst.run("SELECT * FROM public.named")
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
    assert said.message_hint == (
        "ask the owner Nothing was created. Correct this and call pipedrive.connect again."
    )
    assert "a-secret" not in f"{said.message_primary}{said.message_detail}{said.message_hint}{said.context}"
    assert database.rows("SELECT 1 FROM pg_foreign_server WHERE srvname = 'refused'") == []


def test_a_table_put_in_the_way_runs_nothing_for_the_caller(analyst: Extended) -> None:
    """A function of another owner sends a request; its caller has made what a name in it could mean."""
    analyst.run(
        "CREATE FUNCTION public.stages() RETURNS jsonb LANGUAGE sql SECURITY DEFINER "
        "SET search_path = pg_catalog "
        "AS $$ SELECT pipedrive.request('GET', '/v2/stages', server => 'pipedrive') $$"
    )
    try:
        with analyst.connect() as other:
            other.execute("SET ROLE an_analyst")
            other.execute(
                "CREATE FUNCTION pg_temp.look() RETURNS boolean LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'run by %', current_user; END $$; "
                "CREATE TEMP VIEW servers AS SELECT pg_temp.look() AS server; "
                "CREATE TEMP VIEW pg_foreign_server AS SELECT pg_temp.look() AS oid; "
                "CREATE DOMAIN pg_temp.jsonb AS jsonb CHECK (pg_temp.look())"
            )
            before = other.execute("SELECT count(*) FROM pg_catalog.pg_class").fetchall()
            stages = other.execute("SELECT jsonb_array_length(public.stages())").fetchall()
            assert other.execute("SELECT count(*) FROM pg_catalog.pg_class").fetchall() == before
        assert stages == [(len(analyst.simulator.records("stages")),)]
    finally:
        analyst.run("DROP FUNCTION public.stages")


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
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="COPY into persons is not possible"):
            database.run("COPY pipedrive.persons (name) FROM PROGRAM 'echo Anna'")
        database.run("DROP EXTENSION pipedrive_fdw CASCADE")
    finally:
        script.unlink()
        database.close()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_refused(server: Server, encoding: str) -> None:
    """Multicorn 1.4 crashed the server at an import into SQL_ASCII."""
    name = f"not_utf8_{encoding.lower()}"
    template = server.psql("template1")
    template.query(f"DROP DATABASE IF EXISTS {name}")
    template.query(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    with (
        psycopg.connect(server.dsn_of(name), autocommit=True) as connection,
        pytest.raises(psycopg.errors.FeatureNotSupported) as caught,
    ):
        connection.execute("CREATE EXTENSION pipedrive_fdw CASCADE")
    assert caught.value.diag.message_primary == (
        f"pipedrive option: the encoding of this database is {encoding}, and must be UTF8"
    )
    assert caught.value.diag.message_hint == (
        "Use a database made by CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0."
    )
    template.query(f"DROP DATABASE {name}")


def test_another_schema_is_refused_for_the_extension(server: Server, simulator: Simulator) -> None:
    database = Extended(server, simulator, connected=False)
    database.run("DROP EXTENSION pipedrive_fdw")
    with pytest.raises(psycopg.Error, match='must be installed in schema "pipedrive"'):
        database.run("CREATE EXTENSION pipedrive_fdw SCHEMA public")
    database.close()


def test_grants_comments_and_tables_survive_a_dump(server: Server, analyst: Extended, tmp_path: Path) -> None:
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
            "AND has_function_privilege('an_analyst', oid, 'EXECUTE') ORDER BY 1"
        ).fetchall()
        assert allowed == [("duplicate_deal",), ("foreign_keys",), ("foreign_tables",)]
        said = restored.execute("SELECT obj_description('pipedrive.stages'::regclass)").fetchall()
        assert said == analyst.rows("SELECT obj_description('pipedrive.stages'::regclass)")
        for sql in (
            "SELECT srvoptions FROM pg_foreign_server",
            "SELECT attrelid::regclass::text, attname, attfdwoptions FROM pg_attribute "
            "JOIN pg_foreign_table ON ftrelid = attrelid ORDER BY 1, attnum",
            "SELECT to_jsonb(d) FROM pipedrive.deals d ORDER BY id",
        ):
            assert restored.execute(sql).fetchall() == analyst.rows(sql)  # type: ignore[call-overload]
        restored.execute("DROP EXTENSION pipedrive_fdw CASCADE; DROP OWNED BY an_analyst CASCADE")
    server.psql("template1").query(f"DROP DATABASE {name}")


def test_a_dump_is_restored_over_its_own_database(
    server: Server, simulator: Simulator, tmp_path: Path
) -> None:
    database, file = Extended(server, simulator), tmp_path / "dump.sql"
    _tool(server, "pg_dump", "--clean", "--if-exists", f"--file={file}", database.dsn)
    _tool(server, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(file), database.dsn)
    assert database.value("SELECT count(*) FROM pipedrive.foreign_tables()") == len(TABLES)
    assert database.value("SELECT count(*) FROM pipedrive.stages") == len(simulator.records("stages"))
    assert database.value("SELECT count(*) FROM pipedrive.deals WHERE custom_fields IS NOT NULL") > 0
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
