"""The two engines as one value: where the programs are, and what their server needs in its environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tools.engine import assemble, libraries
from tools.engine.process import EngineError, clean_environment, need, run, say

VARIABLE = "PG_CONFIG"


@dataclass(frozen=True)
class Folders:
    """Where a server keeps its parts, and the program that tells."""

    pg_config: Path
    bindir: Path
    sharedir: Path
    pkglibdir: Path
    includedir: Path  # of the server's headers


@dataclass(frozen=True)
class Engine:
    """A PostgreSQL with Multicorn that scratch clusters can run on."""

    kind: str  # "embedded" or "installed"
    folders: Folders
    root: Path  # what these are below, unpacked or "/"
    python: str  # the version of Python that Multicorn embeds, "3.9"
    python_command: tuple[str, ...]  # runs that Python
    libraries: Path  # our run-time dependencies for that Python
    tools_env: Mapping[str, str] = field(default_factory=dict)  # for psql, pg_dump and the like
    server_env: Mapping[str, str] = field(default_factory=dict)  # for the server, beside tools_env
    pythonpath: tuple[Path, ...] = ()

    @property
    def bindir(self) -> Path:
        """Of the programs."""
        return self.folders.bindir

    @property
    def sharedir(self) -> Path:
        """Of extensions and the like."""
        return self.folders.sharedir

    @property
    def pkglibdir(self) -> Path:
        """Of the libraries that the server loads."""
        return self.folders.pkglibdir

    @cached_property
    def version(self) -> str:
        """``PostgreSQL 13.16, Multicorn 1.4.0, Python 3.9``."""
        command = [str(self.bindir / "postgres"), "--version"]
        shown = run(command, "postgres --version", env=clean_environment(self.tools_env))
        number = re.search(r"\d+(\.\d+)*", shown)
        return f"PostgreSQL {number[0] if number else '?'}, Multicorn {self.multicorn}, Python {self.python}"

    @property
    def major(self) -> int:
        """The major version of the server, 15."""
        return int(self.version.split(" ")[1].split(".")[0])

    @cached_property
    def multicorn(self) -> str:
        """The version of the extension."""
        control = (self.sharedir / "extension/multicorn.control").read_text()
        found = re.search(r"default_version\s*=\s*'([^']+)'", control)
        return found[1] if found else "?"

    @property
    def label(self) -> str:
        """A short name that is safe in a path: clusters of two engines never share a folder."""
        return f"{self.kind}-{self.bindir.parent.name}".replace("/", "-")


def find_engine() -> Engine:
    """The server that ``PG_CONFIG`` names, else the embedded engine, which is put together when missing."""
    named = os.environ.get(VARIABLE)
    return installed(Path(named)) if named else embedded()


def embedded() -> Engine:
    """The embedded engine; the first time it takes some ten seconds and a network."""
    return embedded_at(assemble.assemble(_check))


def embedded_at(prefix: Path) -> Engine:
    """The embedded engine that is unpacked at *prefix*."""
    server = prefix / "usr/lib/postgresql" / assemble.VERSION
    return Engine(
        kind="embedded",
        folders=Folders(
            pg_config=server / "bin/pg_config",
            bindir=server / "bin",
            sharedir=prefix / "usr/share/postgresql" / assemble.VERSION,
            pkglibdir=server / "lib",
            includedir=prefix / "usr/include/postgresql" / assemble.VERSION / "server",
        ),
        root=prefix,
        python=assemble.PYTHON,
        python_command=tuple(assemble.python_command(prefix)),
        libraries=libraries.prepare(assemble.PYTHON),
        tools_env={"LD_LIBRARY_PATH": str(assemble.libraries_folder(prefix))},
        server_env={"PYTHONHOME": str(prefix / "usr")},
        pythonpath=(prefix / "usr/lib/python3/dist-packages",),
    )


def _check(prefix: Path) -> None:
    from tools.engine.verify import verify  # needs Server, which needs this module

    say("checking it with a query through Multicorn")
    verify(embedded_at(prefix))


def server_folders(pg_config: Path) -> Folders:
    """The folders of the server that *pg_config* belongs to, which must have Multicorn."""
    found = shutil.which(str(pg_config))
    if found is None:
        raise EngineError(
            f"{VARIABLE} names {pg_config}, which is no program.\n"
            "It comes with the server's headers: apt-get install postgresql-server-dev-<version>, or\n"
            "dnf install --enablerepo=crb postgresql<version>-devel with PGDG's repository."
        )
    names = ("bindir", "sharedir", "pkglibdir", "includedir-server")
    try:
        shown = [run([found, f"--{name}"], f"{found} --{name}").strip() for name in names]
    except EngineError as error:
        raise EngineError(f"{VARIABLE} must name a server's pg_config: {error}") from None
    folders = Folders(Path(found).absolute(), *map(Path, shown))
    module = folders.pkglibdir / "multicorn.so"
    if not (folders.sharedir / "extension/multicorn.control").exists() or not module.exists():
        raise EngineError(
            f"The server of {pg_config} has no Multicorn (no {module}).\n"
            "docs/install.md says where it comes from."
        )
    return folders


def installed(pg_config: Path) -> Engine:
    """The engine of the server that *pg_config* belongs to."""
    folders = server_folders(pg_config)
    if not (folders.bindir / "initdb").exists():
        raise EngineError(
            f"{folders.bindir} has no initdb: {VARIABLE} must name a server, not only a client."
        )
    version, library = embedded_python(folders.pkglibdir / "multicorn.so")
    return Engine(
        kind="installed",
        folders=folders,
        root=Path("/"),
        python=version,
        python_command=(str(interpreter(version, library)),),
        libraries=libraries.prepare(version),
    )


def embedded_python(module: Path) -> tuple[str, Path]:
    """The version of Python that Multicorn's library *module* is linked with, and where its library lies."""
    command = [need("ldd", "libc-bin"), str(module)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.search(r"libpython(3\.\d+)\S* => (not found|\S+)", shown)
    if found is None:
        raise EngineError(f"{module} is linked with no shared libpython, so its Python is not known.")
    if found[2] == "not found":
        raise EngineError(f"{module} needs the library of Python {found[1]}, which is not to be found here.")
    return found[1], Path(found[2])


def interpreter(version: str, library: Path) -> Path:
    """The program that belongs to *library*, the libpython of *version*: both lie below one prefix."""
    for prefix in library.resolve().parents:
        found = prefix / "bin" / f"python{version}"
        if os.access(found, os.X_OK):
            return found
    raise EngineError(
        f"Multicorn embeds Python {version} ({library}), and no python{version} lies beside it: install it."
    )
