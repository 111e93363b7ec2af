"""Where options and secrets may stand: what is refused, the secrets_file, and what pg_catalog shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipedrive_fdw.catalog import TABLES
from tests.simulator import Simulator
from tests.simulator.oauth import CLIENT, REFRESH_TOKEN
from tools.engine import Server

TOKEN = "a-token-of-the-secrets'-tests"  # noqa: S105 - the simulator's
WRAPPER = "FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS ("
DATABASE = "secrets"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    running = Simulator(token=TOKEN, deals=5).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def session(server: Server, simulator: Simulator) -> Iterator[psycopg.Connection[Any]]:
    """A database with the extension, a server without mapping, and a role that may use it."""
    template = server.psql("template1")
    template.query(f"DROP DATABASE IF EXISTS {DATABASE}")
    template.query(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(server.dsn_of(DATABASE), autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning; CREATE EXTENSION pipedrive_fdw CASCADE")
        connection.execute(f"CREATE SERVER account {WRAPPER} base_url '{simulator.url}')")  # type: ignore[call-overload]
        connection.execute(
            "DROP ROLE IF EXISTS guest; CREATE ROLE guest; GRANT USAGE ON FOREIGN SERVER account TO guest"
        )
        connection.execute(
            "CREATE FOREIGN TABLE stages (id bigint, name text) SERVER account OPTIONS (table 'stages');"
            "GRANT SELECT ON stages TO guest"
        )
        yield connection
        connection.execute("DROP OWNED BY guest CASCADE; DROP ROLE guest")


@pytest.fixture(autouse=True)
def clean(session: psycopg.Connection[Any], simulator: Simulator) -> Iterator[None]:
    yield
    session.execute("RESET ROLE")
    for role in ("CURRENT_USER", "guest"):
        session.execute(f"DROP USER MAPPING IF EXISTS FOR {role} SERVER account")  # type: ignore[call-overload]
    simulator.reset()


@pytest.fixture
def secrets_file(server: Server, tmp_path: Path) -> Path:
    """A file of the server's own user, in the clear for nobody else."""
    folder = server.data / "test-secrets"
    folder.mkdir(exist_ok=True)
    file = folder / tmp_path.name
    file.touch(0o600)
    owner = server.data.stat()
    for path in (folder, file):
        os.chown(path, owner.st_uid, owner.st_gid)
    return file


def refused(session: psycopg.Connection[Any], sql: str) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        session.execute(sql)  # type: ignore[call-overload]
    assert (
        "t0p-secret"
        not in f"{caught.value} {caught.value.diag.message_detail} {caught.value.diag.message_hint}"
    )
    return caught.value


def run(session: psycopg.Connection[Any], sql: str) -> list[Any]:
    cursor = session.execute(sql)  # type: ignore[call-overload]
    return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize(
    "secret", ["api_token", "client_secret", "refresh_token", "client_id", "secrets_file"]
)
@pytest.mark.parametrize(
    "command",
    [
        f"CREATE SERVER another {WRAPPER} company_domain 'acme', {{}} '/t0p-secret')",
        "ALTER SERVER account OPTIONS (ADD {} '/t0p-secret')",
        "CREATE FOREIGN TABLE t (id bigint) SERVER account OPTIONS (table 'deals', {} '/t0p-secret')",
        "ALTER FOREIGN TABLE stages OPTIONS (ADD {} '/t0p-secret')",
        "ALTER FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (ADD {} '/t0p-secret')",
        "IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deals) FROM SERVER account INTO public "
        "OPTIONS ({} '/t0p-secret')",
    ],
    ids=lambda command: command[:12],
)
def test_a_secret_outside_of_the_user_mapping_is_refused(
    session: psycopg.Connection[Any], command: str, secret: str
) -> None:
    run(session, "CREATE USER MAPPING FOR CURRENT_USER SERVER account OPTIONS (api_token 'abcdef')")
    error = refused(session, command.format(secret))
    assert error.diag.message_primary == f"pipedrive option: {secret} belongs in the user mapping"
    assert "CREATE USER MAPPING" in str(error.diag.message_hint)
    assert error.sqlstate == "HV00D"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "ALTER FOREIGN TABLE stages OPTIONS (ADD base_url 'https://elsewhere.example')",
            "base_url is no option of a table",
        ),
        (
            "CREATE USER MAPPING FOR CURRENT_USER SERVER account OPTIONS (base_url "
            "'https://elsewhere.example')",
            "base_url is no option of a user mapping",
        ),
        ("ALTER SERVER account OPTIONS (ADD rows '5')", "rows is no option of a server"),
        (
            "ALTER FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (ADD updatable 'false')",
            "updatable is no option of a foreign data wrapper",
        ),
    ],
)
def test_an_option_where_it_does_not_belong_is_refused(
    session: psycopg.Connection[Any], command: str, message: str
) -> None:
    error = refused(session, command)
    assert error.diag.message_primary == f"pipedrive option: {message}"
    assert str(error.diag.message_hint).startswith("It is an option of: ")


def test_other_wrappers_are_left_alone(session: psycopg.Connection[Any]) -> None:
    run(
        session,
        "CREATE SERVER other FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'multicorn.ForeignDataWrapper', "
        "api_token 'of something else')",
    )
    run(session, "DROP SERVER other")


def test_a_file_signs_in(session: psycopg.Connection[Any], simulator: Simulator, secrets_file: Path) -> None:
    secrets_file.write_text(f"# reporting\napi_token = {TOKEN}\n")
    run(
        session,
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER account OPTIONS (secrets_file '{secrets_file}')",
    )
    wanted = len(simulator.records("stages"))
    assert run(session, "SELECT count(*) FROM stages") == [(wanted,)]
    three = dict(zip(("client_id", "client_secret", "refresh_token"), (*CLIENT, REFRESH_TOKEN)))
    secrets_file.write_text("\n".join(f"{name} = {value}" for name, value in three.items()))
    assert run(session, "SELECT count(*) FROM stages") == [(wanted,)]
    assert [r["path"] for r in simulator.requests()] == ["/api/v2/stages", "/oauth/token", "/api/v2/stages"]


def test_a_file_that_others_can_read_is_refused_and_not_shown(
    session: psycopg.Connection[Any], simulator: Simulator, secrets_file: Path
) -> None:
    secrets_file.write_text("api_token = t0p-secret\n")
    secrets_file.chmod(0o640)
    run(
        session,
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER account OPTIONS (secrets_file '{secrets_file}')",
    )
    error = refused(session, "SELECT * FROM stages")
    assert error.diag.message_primary == (
        f"pipedrive option: the secrets_file {secrets_file} is open to other users (mode 0640)"
    )
    assert simulator.requests() == []


@pytest.mark.parametrize("way", ["file", "OAuth"])
def test_connect_takes_files_and_oauth(
    session: psycopg.Connection[Any], simulator: Simulator, secrets_file: Path, way: str
) -> None:
    secrets_file.write_text(f"api_token = {TOKEN}\n")
    given = {
        "file": f"secrets_file => '{secrets_file}'",
        "OAuth": f"""mapping_options => '{{"client_id": "{CLIENT[0]}", "client_secret": "{CLIENT[1]}",
                     "refresh_token": "{REFRESH_TOKEN}"}}'""",
    }[way]
    connect = f"base_url => '{simulator.url}', server => 'connected', schema => 'connected', {given}"
    try:
        assert run(session, f"SELECT pipedrive.connect({connect})") == [
            (f"{len(TABLES)} tables in schema connected",)
        ]
        assert run(session, "SELECT count(*) FROM connected.stages") == [(len(simulator.records("stages")),)]
    finally:
        run(session, "DROP SERVER IF EXISTS connected CASCADE; DROP SCHEMA IF EXISTS connected CASCADE")


def test_connect_refuses_a_secret_of_the_server_without_showing_it(session: psycopg.Connection[Any]) -> None:
    error = refused(
        session,
        """SELECT pipedrive.connect('acme', 't0p-secret', 'wrong', 'wrong',
                                    server_options => '{"client_secret": "t0p-secret"}')""",
    )
    assert error.diag.message_primary == "pipedrive option: client_secret belongs in the user mapping"
    assert "t0p-secret" not in str(error.diag.context)


def test_naming_a_file_takes_the_right_to_read_the_server_s_files(
    session: psycopg.Connection[Any], simulator: Simulator, secrets_file: Path
) -> None:
    secrets_file.write_text(f"api_token = {TOKEN}\n")
    mapping = f"USER MAPPING FOR guest SERVER account OPTIONS (secrets_file '{secrets_file}')"
    run(session, "SET ROLE guest")
    error = refused(session, f"CREATE {mapping}")
    assert error.diag.message_primary == "pipedrive option: guest may not name a secrets_file"
    assert error.sqlstate == "42501"
    run(session, "CREATE USER MAPPING FOR guest SERVER account OPTIONS (api_token 'abcdef')")
    error = refused(
        session, f"ALTER USER MAPPING FOR guest SERVER account OPTIONS (ADD secrets_file '{secrets_file}')"
    )
    assert error.diag.sqlstate == "42501"
    run(session, "DROP USER MAPPING FOR guest SERVER account")
    run(session, f"RESET ROLE; CREATE {mapping}; SET ROLE guest")
    assert run(session, "SELECT count(*) FROM stages") == [(len(simulator.records("stages")),)]
    run(
        session, "RESET ROLE; DROP USER MAPPING FOR guest SERVER account; GRANT pg_read_server_files TO guest"
    )
    run(session, f"SET ROLE guest; CREATE {mapping}")
    run(session, "RESET ROLE; REVOKE pg_read_server_files FROM guest")


def test_it_takes_the_right_of_who_acts_in_a_function_of_somebody_else(
    session: psycopg.Connection[Any], secrets_file: Path
) -> None:
    """A superuser who calls a guest's function gives it no right to name a file."""
    run(
        session,
        "CREATE SCHEMA own AUTHORIZATION guest; SET ROLE guest; CREATE FUNCTION own.trap() RETURNS void "
        "LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN CREATE USER MAPPING FOR guest SERVER account "
        f"OPTIONS (secrets_file '{secrets_file}'); END $$; RESET ROLE",
    )
    error = refused(session, "SELECT own.trap()")
    assert error.diag.message_primary == "pipedrive option: guest may not name a secrets_file"


def test_others_see_no_secret_in_the_catalogue(session: psycopg.Connection[Any]) -> None:
    run(session, "CREATE USER MAPPING FOR CURRENT_USER SERVER account OPTIONS (api_token 't0p-secret')")
    run(session, "SET ROLE guest")
    seen = run(session, "SELECT umoptions FROM pg_user_mappings WHERE srvname = 'account'")
    assert seen == [(None,)]
    assert "t0p-secret" not in str(run(session, "SELECT srvoptions FROM pg_foreign_server"))
