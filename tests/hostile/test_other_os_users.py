"""What `make up`, `make demo` and the tests start lets no other user of the machine in."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tools.engine import Server
from tools.engine.places import base
from tools.engine.server import password_file


def knock(server: Server, **given: Any) -> psycopg.Connection[Any]:
    """Connect as the superuser, without the file of the password."""
    return psycopg.connect(
        host="127.0.0.1",
        port=server.port,
        user="postgres",
        dbname="postgres",
        passfile="/nonexistent",
        **given,
    )


@pytest.mark.parametrize("given", [{}, {"password": "postgres"}, {"password": ""}], ids=str)
def test_nobody_gets_in_without_the_password(server: Server, given: dict[str, str]) -> None:
    """Everybody on the machine was trusted, and so ran programs as the user that the server runs as."""
    with pytest.raises(psycopg.OperationalError, match="no password supplied|authentication failed"):
        knock(server, **given)


def test_the_password_is_a_secret(server: Server) -> None:
    file = password_file(server.folder)
    password = file.read_text().strip().rsplit(":", 1)[1]
    assert len(password) > 30
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_uid == os.getuid()
    assert password not in server.dsn  # psql is given it, and everybody can see what commands are given
    with knock(server, password=password) as connection:
        rules = connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
        kept = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'").fetchall()
        ways = connection.execute("SHOW unix_socket_directories").fetchall()
    assert (rules, ways) == ([("scram-sha-256",)], [("",)])
    assert kept[0][0].startswith("SCRAM-SHA-256$")


def test_another_user_of_the_machine_cannot_read_it(server: Server) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    nobody = pwd.getpwnam("nobody")
    done = subprocess.run(  # noqa: S603
        [server.psql_path, "-X", "-w", "-c", "SELECT 1", server.dsn],
        env={**os.environ, **server.env},
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "no password supplied" in done.stderr


@pytest.fixture
def kept() -> Iterator[Path]:
    """A folder for a cluster that stays."""
    folder = base() / f"kept-by-a-test-{os.getpid()}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_cluster_that_let_everybody_in_is_closed_when_it_starts(kept: Path) -> None:
    """As those are that an older checkout has made; what is in them stays."""
    server = Server(kept)
    try:
        server.start()
        server.psql().query("CREATE TABLE stays ()")
        server.stop()
        (server.data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\n")
        password_file(kept).unlink()
        server.start()
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            knock(server)
        assert server.psql().query("SELECT count(*) FROM stays") == "0"
    finally:
        server.stop()
