"""``make install PG_CONFIG=...``: package and extension into an installed server that has Multicorn."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.engine.engines import VARIABLE, embedded_python, server_folders
from tests.engine.places import ROOT, usual_umask
from tests.engine.process import EngineError, run, say

_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


def install() -> None:
    """Copy the extension's files, and let pip install the package for the Python that Multicorn embeds."""
    named = os.environ.get(VARIABLE)
    if not named:
        raise EngineError(f"Name the server: make install {VARIABLE}=/path/to/pg_config")
    folders = server_folders(Path(named))
    version = embedded_python(folders.pkglibdir / "multicorn.so")
    # The system's own: one of a virtual environment or of pyenv is not what the server embeds.
    python = shutil.which(f"python{version}", path=_SYSTEM_PATH)
    if python is None:
        raise EngineError(
            f"Multicorn embeds Python {version}, and there is no python{version} in {_SYSTEM_PATH}."
        )
    extension = folders.sharedir / "extension"
    with usual_umask():
        try:
            for file in [*ROOT.glob("*.control"), *(ROOT / "sql").glob("*--*.sql")]:
                shutil.copyfile(file, extension / file.name)
                say(f"copied {file.name} to {extension}")
        except PermissionError as error:
            raise EngineError(
                f"{error}\nInstalling into a server needs its owner's rights: try it as root."
            ) from None
        say(f"installing the package for {python}")
        run(_pip(python, version), "pip install", cwd=ROOT)
    say("done: sessions that begin from now on see it")


def _pip(python: str, version: str) -> list[str]:
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    marked = [
        Path(f"/usr/lib/python{version}/EXTERNALLY-MANAGED"),
        Path(f"/usr/lib64/python{version}/EXTERNALLY-MANAGED"),
    ]
    # Asked for by name, and what it adds stands beside the distribution's packages and replaces none.
    allowed = ["--break-system-packages"] if any(file.exists() for file in marked) else []
    return [*command, *allowed, str(ROOT)]
