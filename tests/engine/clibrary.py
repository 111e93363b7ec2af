"""The C part (src/), compiled for an engine and kept in the cache: an installed server's own headers, or
Debian 11's.

Where the machine has no C compiler, one from PyPI (ziglang) is fetched into the cache.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.engine.engines import Engine
from tests.engine.libraries import pip_environment
from tests.engine.places import ROOT, base, built_aside, locked
from tests.engine.process import EngineError, run, say

NAME = "pipedrive_fdw.so"
SOURCES = ROOT / "src"
_WARNINGS = ("-Wall", "-Wextra", "-Wno-unused-parameter", "-Wmissing-prototypes", "-Werror")
_FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-fno-strict-aliasing", "-fwrapv", "-shared", "-D_GNU_SOURCE")
_ZIG = "ziglang>=0.13,<0.16"


def build(engine: Engine) -> Path:
    """The library for *engine*, compiled when it is missing."""
    source = SOURCES / "pipedrive_fdw.c"
    key = hashlib.sha256(source.read_bytes() + engine.version.encode()).hexdigest()[:12]
    target = base() / "clibrary" / f"{engine.label}-{key}"
    if target.is_dir():
        return target / NAME
    with locked(base() / "clibrary.lock", "compiles the C part"):
        if not target.is_dir():
            target.parent.mkdir(exist_ok=True)
            with built_aside(target) as aside:
                _compile(engine, source, aside / NAME)
    return target / NAME


def _compile(engine: Engine, source: Path, target: Path) -> None:
    if not (engine.includedir / "postgres.h").exists():
        raise EngineError(
            f"The C part needs the server's headers, and {engine.includedir} has no postgres.h.\n"
            f"Please install them: apt-get install postgresql-server-dev-{engine.major}, or "
            f"postgresql{engine.major}-devel of PGDG."
        )
    command = [*compiler(), *_FLAGS, *_WARNINGS, f"-I{engine.includedir}", source, "-o", target]
    run(command, "compiling src/pipedrive_fdw.c")


def compiler() -> Sequence[str]:
    """The machine's C compiler, or one from PyPI."""
    named = os.environ.get("CC", "cc")
    if shutil.which(named):
        return [named]
    target = base() / "zig"
    if not target.is_dir():
        with locked(base() / "zig.lock", "fetches a C compiler"):
            if not target.is_dir():
                say("this machine has no C compiler: fetching one from PyPI (ziglang, about 80 MB)")
                with built_aside(target) as aside:
                    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
                    run([*pip, "--target", aside, _ZIG], "pip install ziglang", env=pip_environment())
    return ["env", f"PYTHONPATH={target}", sys.executable, "-m", "ziglang", "cc"]
