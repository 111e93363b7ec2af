"""The C part (src/): built by PGXS, PostgreSQL's makefiles for extensions, against a server's own headers.

What the tests' servers load is kept in the cache. Where the machine has no C compiler, one from PyPI
(ziglang) is fetched into the cache for them; ``make install`` asks for a compiler of the machine.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.engine.engines import Engine, Folders
from tools.engine.libraries import CHECKED, LOCKS, pip_command, pip_environment
from tools.engine.places import ROOT, base, built_aside, locked
from tools.engine.process import EngineError, need, run, say

NAME = "pipedrive_fdw.so"
SOURCES = ROOT / "src"
_COMPILER_LOCK = LOCKS / "compiler.txt"
_HEADERS = """\
The C part of the extension is compiled against the server's headers, and {folder} has no postgres.h.
Debian, Ubuntu: apt-get install postgresql-server-dev-{major}
Red Hat and its kin, with PGDG's repository: dnf install --enablerepo=crb postgresql{major}-devel"""
_COMPILER = """\
The C part of the extension needs a C compiler, and {name} compiles no program here.
Debian, Ubuntu: apt-get install gcc libc6-dev
Red Hat and its kin: dnf install gcc redhat-rpm-config
Another compiler can be named in the variable CC."""


@dataclass(frozen=True)
class Compiler:
    """How to call a C compiler, and what it needs in its environment."""

    command: Sequence[str]
    environment: Mapping[str, str]


def build(engine: Engine) -> Path:
    """The library for *engine*, compiled when it is missing."""
    sources = b"".join(file.read_bytes() for file in sorted(SOURCES.iterdir()))
    made_for = f"{engine.version} {engine.folders}"
    key = hashlib.sha256(sources + made_for.encode()).hexdigest()[:12]
    target = base() / "clibrary" / f"{engine.label}-{key}"
    if target.is_dir():
        return target / NAME
    with locked(base() / "clibrary.lock", "compiles the C part"):
        if not target.is_dir():
            target.parent.mkdir(exist_ok=True)
            with built_aside(target) as aside, tempfile.TemporaryDirectory(dir=base()) as work:
                compiler = machines_compiler(engine.folders) or _compiler_from_pypi()
                shutil.copyfile(compile_library(engine.folders, compiler, Path(work)), aside / NAME)
    return target / NAME


def compile_library(folders: Folders, compiler: Compiler, work: Path, flags: str = "") -> Path:
    """The library for the server of *folders*, compiled in the folder *work*, which it fills.

    *flags* are added to those that PGXS gives the compiler.
    """
    check_headers(folders)
    for file in SOURCES.iterdir():
        shutil.copyfile(file, work / file.name)
    given = {
        "PG_CONFIG": folders.pg_config,
        # pg_config of an engine that is unpacked elsewhere names the places for which it was built
        "PGXS": folders.pkglibdir / "pgxs/src/makefiles/pgxs.mk",
        "includedir_server": folders.includedir,
        "CC": shlex.join(compiler.command),
        "COPT": flags,
    }
    # An outer make hands its own variables and flags on
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command = [need("make", "make"), "-C", work, *(f"{name}={value}" for name, value in given.items())]
    run(command, "compiling src/pipedrive_fdw.c", env={**kept, **compiler.environment})
    return work / NAME


def check_headers(folders: Folders) -> None:
    """Raise when the server's headers are missing."""
    if not (folders.includedir / "postgres.h").exists():
        shown = run([folders.pg_config, "--version"], f"{folders.pg_config} --version")
        major = shown.split()[1].split(".")[0]
        raise EngineError(_HEADERS.format(folder=folders.includedir, major=major))


def need_compiler(folders: Folders) -> Compiler:
    """The machine's C compiler. Raises EngineError where there is none."""
    found = machines_compiler(folders)
    if found is None:
        raise EngineError(_COMPILER.format(name=shlex.join(_named(folders))))
    return found


def machines_compiler(folders: Folders) -> Compiler | None:
    """The compiler that CC names, else the one that built the server; None where it cannot compile."""
    command = _named(folders)
    trial = [*command, "-fsyntax-only", "-x", "c", "-"]  # without the headers of libc it is no use
    try:
        done = subprocess.run(trial, input=b"#include <stdio.h>\n", capture_output=True)  # noqa: S603
    except OSError:
        return None
    return Compiler(command, {}) if done.returncode == 0 else None


def _named(folders: Folders) -> list[str]:
    named = os.environ.get("CC") or run([folders.pg_config, "--cc"], f"{folders.pg_config} --cc")
    return shlex.split(named)


def _compiler_from_pypi() -> Compiler:
    key = hashlib.sha256(_COMPILER_LOCK.read_bytes()).hexdigest()[:10]
    target = base() / f"ziglang-{key}"
    if not target.is_dir():
        with locked(base() / "ziglang.lock", "fetches a C compiler"):
            if not target.is_dir():
                say("this machine has no C compiler: fetching one from PyPI (ziglang, about 80 MB)")
                with built_aside(target) as aside:
                    fetch_compiler(aside)
    environment = {"PYTHONPATH": str(target), "ZIG_GLOBAL_CACHE_DIR": str(base() / "zig-cache")}
    # Compiling the compiler's run-time library, which ours does not use, would take longer than all else.
    return Compiler([sys.executable, "-m", "ziglang", "cc", "-rtlib=none"], environment)


def fetch_compiler(target: Path) -> None:
    """Put the package ziglang into *target*.

    Raises EngineError when it cannot be had, or is not what its digest says.
    """
    pip = [*pip_command(), "install", "--quiet", "--no-compile", *CHECKED]
    wanted = ["--only-binary=:all:", "--target", target, "--requirement", _COMPILER_LOCK]
    run([*pip, *wanted], "pip install ziglang", env=pip_environment())
