"""A PostgreSQL cluster with Multicorn and the package under test, on a free port of 127.0.0.1.

A server without a folder is temporary: ``stop()`` removes it. One with a folder stays and can be started
again. Its superuser can run programs as its operating system user, so nobody else on the machine must get
in: the password is random, and stands in a file (0600) that the DSN names.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

from tools.engine import clibrary, overlay
from tools.engine.engines import Engine, find_engine
from tools.engine.extension import write_extension
from tools.engine.places import ROOT, base, locked, server_account, usual_umask
from tools.engine.process import Account, EngineError, clean_environment, run, tail
from tools.engine.sql import Psql

DATABASE = "pipedrive"
USER = "postgres"
_AUTHENTICATION = """
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
"""
# A process that was not killed from outside (signal 9) has died, or the server gave up.
_CRASH = re.compile(r"terminated by signal (?!9:)|PANIC:|TRAP:")
# Lines of the logs of temporary clusters that tell of such a death, when the cluster is stopped.
CRASHES: list[str] = []
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",  # a method # nosec B105 # pragma: allowlist secret
    "max_connections": "60",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "logging_collector": "off",
}


class Server:
    """One cluster. ``with Server() as server: server.psql().query("select 1")``"""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        engine: Engine | None = None,
        package: Path = ROOT / "pipedrive_fdw",
        extension: Path = ROOT,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """*package* is the Python package to serve, *extension* where its control file and sql/ may be.

        *settings* are added to postgresql.conf, and hold from the next start() on.
        """
        self.engine = engine or find_engine()
        self.package, self.extension = package, extension
        self.settings = dict(settings or {})
        self.port = 0
        self._temporary = folder is None
        with usual_umask():
            if folder is None:
                with locked(base() / "clusters.lock", "makes a cluster"):
                    remove_abandoned(base())
                    self.folder = Path(tempfile.mkdtemp(prefix="cluster.", dir=base()))
                    self.folder.chmod(0o755)
                    self._in_use = _hold(self.folder)
            else:
                self.folder = folder
                self.folder.mkdir(parents=True, exist_ok=True)
        self._account = self._find_account()

    # -- what a client needs

    @property
    def dsn(self) -> str:
        """A libpq URL of the default database."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """A libpq URL of *database*."""
        return dsn_of(self.folder, self.port or self._known_port(), database)

    @property
    def psql_path(self) -> Path:
        """The psql that belongs to the server."""
        return self.engine.bindir / "psql"

    @property
    def env(self) -> dict[str, str]:
        """What psql and its kin need in their environment, beside the caller's own."""
        return dict(self.engine.tools_env)

    def psql(self, database: str = DATABASE) -> Psql:
        """A way to run SQL."""
        return Psql(self.psql_path, self.dsn_of(database), self.env)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "log" / "postgresql.log"

    def log_since(self, begin: int) -> str:
        """What the server's log got after its first *begin* bytes; it can be large."""
        with self.log.open("rb") as file:
            file.seek(begin)
            return file.read().decode("utf-8", "replace")

    # -- its life

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, making it first where it does not exist. A running one is left alone."""
        if self.running():
            return
        self._prepare()
        for attempt in range(3):
            self._configure(self._free_port(attempt == 0))
            if not password_file(self.folder).exists():
                self._set_password()
            try:
                self._pg_ctl("start")
                break
            except EngineError as error:
                log = self.log.read_text(errors="replace") if self.log.exists() else ""
                if attempt == 2 or "Address already in use" not in log:
                    raise EngineError(f"{error}\nThe server's log says:\n{tail(log)}") from None
        self._create_database()

    def stop(self) -> None:
        """Stop it, and remove it when it is temporary."""
        stop_postmaster(self.data)
        if self._temporary:
            CRASHES.extend(crashes_in(self.log))
            shutil.rmtree(self.folder, ignore_errors=True)
            self._in_use.close()

    def restart(self) -> None:
        """Stop it without removing it, and start it on the same port with the present package."""
        stop_postmaster(self.data)
        self.start()

    def running(self) -> bool:
        """True if its postmaster is alive."""
        return postmaster(self.data) is not None

    def sync(self) -> None:
        """Copy the package and the extension's files again; sessions that begin later see them."""
        with usual_umask():
            self._copy_package()
            target = overlay.extension_folder(self.engine, self.folder / "engine")
            if target.is_dir() and write_extension(target, self.extension):
                library = overlay.library_folder(self.engine, self.folder / "engine") / clibrary.NAME
                library.unlink(missing_ok=True)
                shutil.copyfile(clibrary.build(self.engine), library)

    # -- inside

    def _find_account(self) -> Account | None:
        account = server_account()
        if account and self.data.exists():  # made by an earlier run, perhaps as another account
            found = self.data.stat()
            return Account(found.st_uid, found.st_gid)
        return account

    def _prepare(self) -> None:
        with usual_umask():
            self._bindir = overlay.make_overlay(self.engine, self.folder / "engine")
            for folder in (self.log.parent, self.folder / "bytecode"):
                folder.mkdir(exist_ok=True)
                if self._account:
                    os.chown(folder, self._account.uid, self._account.gid)
        self.sync()
        if not (self.data / "PG_VERSION").exists():
            password_file(self.folder).unlink(missing_ok=True)
            self._initdb()
        (self.data / "pg_hba.conf").write_text(_AUTHENTICATION)

    def _copy_package(self) -> None:
        target, aside = self.folder / "python", self.folder / "python.new"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        if self.package.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(self.package, aside / self.package.name, ignore=ignored)
        _make_readable(aside)
        shutil.rmtree(target, ignore_errors=True)
        aside.rename(target)

    def _initdb(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # of a run that was killed
        self.data.mkdir(mode=0o700)
        if self._account:
            os.chown(self.data, self._account.uid, self._account.gid)
        options: list[str] = [
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-T",
            "english",
            "-N",
        ]
        try:
            self._run((self._bindir / "initdb", "-D", self.data, *options), "initdb")
        except EngineError:
            shutil.rmtree(self.data, ignore_errors=True)
            raise
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("include 'scratch.conf'\n")

    def _set_password(self) -> None:
        """Give the superuser a random password, which only we can read; the server does not run."""
        password = secrets.token_hex(24)
        with tempfile.TemporaryFile("w+") as commands:
            commands.write(f"ALTER ROLE {USER} PASSWORD '{password}'\n")
            commands.seek(0)
            single = (self._bindir / "postgres", "--single", "-D", self.data, "template1")
            self._run(single, "postgres --single", commands)
        file = password_file(self.folder)
        aside = file.with_suffix(".new")
        aside.unlink(missing_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            output.write(f"127.0.0.1:*:*:{USER}:{password}\n")
        aside.rename(file)

    def _configure(self, port: int) -> None:
        settings = {**_SETTINGS, "port": str(port), **self.settings}
        quoted = {name: value.replace("'", "''") for name, value in settings.items()}
        (self.data / "scratch.conf").write_text("".join(f"{k} = '{v}'\n" for k, v in quoted.items()))
        (self.data / "scratch.conf").chmod(0o644)
        self.port = port

    def _create_database(self) -> None:
        psql = self.psql("template1")
        psql.query("SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS multicorn")
        if DATABASE not in psql.query("SELECT datname FROM pg_database").split():
            psql.query(f"CREATE DATABASE {DATABASE}")
        if self.package.name == "pipedrive_fdw":
            self.psql().query(
                "SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS pipedrive_fdw CASCADE"
            )

    def _pg_ctl(self, action: str) -> None:
        options = ["-s", "-w", "-t", "60", "-D", str(self.data), "-l", str(self.log)]
        self._run([self._bindir / "pg_ctl", action, *options], f"pg_ctl {action}")

    def _run(self, command: Sequence[Path | str], what: str, stdin: IO[str] | None = None) -> None:
        environment, account = self._server_environment(), self._account
        run(command, what, env=environment, cwd=self.folder, account=account, timeout=120, stdin=stdin)

    def _server_environment(self) -> dict[str, str]:
        path = [self.folder / "python", self.engine.libraries, *self.engine.pythonpath]
        own = {
            "HOME": str(self.folder / "log"),
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            # The libraries' folder is read-only to the server: each session would compile them again.
            "PYTHONPYCACHEPREFIX": str(self.folder / "bytecode"),
        }
        return clean_environment({**self.engine.tools_env, **self.engine.server_env, **own})

    def _known_port(self) -> int:
        found = postmaster(self.data)
        return found[1] if found else 0

    def _free_port(self, try_known: bool) -> int:
        configured = self.data / "scratch.conf"
        known = 0
        if try_known and configured.exists():
            lines = (line.split(" = ") for line in configured.read_text().splitlines())
            known = next((int(line[1].strip("'")) for line in lines if line[0] == "port"), 0)
        return known if known and _is_free(known) else free_port()


def password_file(folder: Path) -> Path:
    """The file with the superuser's password of the cluster in *folder*, as libpq reads it."""
    return folder / "pgpass"


def dsn_of(folder: Path, port: int, database: str = DATABASE) -> str:
    """A libpq URL of *database* in the cluster in *folder*, which listens on *port*. It holds no password."""
    file = quote(str(password_file(folder)), safe="/")
    return f"postgresql://{USER}@127.0.0.1:{port}/{database}?passfile={file}"


def postmaster(data: Path) -> tuple[int, int] | None:
    """The process id and the port of the server of *data*; None when it does not run."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid, port = int(lines[0]), int(lines[3])
        # A process id may have been given to somebody else since; a postmaster stands in its data directory.
        return (pid, port) if Path(f"/proc/{pid}/cwd").samefile(data) else None
    except (OSError, ValueError, IndexError):
        return None


def stop_postmaster(data: Path, timeout: float = 20) -> bool:
    """Stop the server of *data*, gently, then at once; False when it did not run."""
    found = postmaster(data)
    if found is None:
        return False
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, none of both
        with suppress(ProcessLookupError):
            os.kill(found[0], number)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if postmaster(data) is None:
                return True
            time.sleep(0.05)
    raise EngineError(f"The server with the process id {found[0]} does not end.")


def crashes_in(log: Path) -> list[str]:
    """The lines of a server's log that tell of the death of a process."""
    if not log.exists():
        return []
    with log.open(errors="replace") as lines:
        return [line.rstrip() for line in lines if _CRASH.search(line)]


def remove_abandoned(folder: Path) -> None:
    """Stop and remove the temporary clusters below *folder* whose process was killed."""
    for cluster in folder.glob("cluster.*"):
        try:
            held = _hold(cluster)
        except OSError:  # in use, or just removed by its owner
            continue
        with held:
            stop_postmaster(cluster / "data")
            shutil.rmtree(cluster, ignore_errors=True)


def _hold(cluster: Path) -> IO[str]:
    """A lock that tells others that *cluster* is in use; the kernel lets go of it when we die."""
    handle = (cluster / "in-use").open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise
    return handle


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _make_readable(folder: Path) -> None:
    """A checkout made under a strict umask has files that nobody else may read; copies must not be so."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
