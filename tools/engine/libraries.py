"""The package's run-time dependencies in a folder of their own, for the Python that a server embeds.

The bounds stand in ``setup.py``. What is installed within them stands in ``requirements/``, with the digests
of its files: ``python3.9.txt`` for Python 3.9, ``python3.10.txt`` for those from 3.10 on (``make lock``).
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.engine.places import ROOT, base, built_aside
from tools.engine.places import locked as alone
from tools.engine.process import EngineError, run, say

LOCKS = ROOT / "requirements"
# Of pip: nothing but what is listed, and only with a digest that is listed.
CHECKED = ("--no-deps", "--require-hashes")
# Where Debian and Ubuntu keep what their python3-venv puts into environments
_WHEELS = Path("/usr/share/python-wheels")


def requirements(setup: Path = ROOT / "setup.py") -> list[str]:
    """``install_requires`` as it stands in ``setup.py``, which is read and not run."""
    for node in ast.walk(ast.parse(setup.read_text())):
        if isinstance(node, ast.keyword) and node.arg == "install_requires":
            return [str(item) for item in ast.literal_eval(node.value)]
    raise EngineError(f"{setup} has no install_requires.")


def lock_file(version: str) -> Path:
    """The file that fixes the libraries for Python *version*: the newest that is not for a newer one."""
    wanted = tuple(map(int, version.split(".")))
    files = {tuple(map(int, file.stem[6:].split("."))): file for file in LOCKS.glob("python*.txt")}
    fitting = [since for since in files if since <= wanted]
    if not fitting:
        raise EngineError(f"Python {version} is too old: {', '.join(map(_dotted, sorted(files)))} or newer.")
    return files[max(fitting)]


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def locked(file: Path) -> dict[str, str]:
    """The requirements in *file*, with their digests, by the name in small letters with hyphens."""
    text = re.sub(r"(?m)^#.*\n", "", file.read_text(encoding="utf-8"))
    entries = re.findall(r"(?m)^\S.*(?:\n[ \t]+.*)*", text)
    return {canonical(entry.partition("==")[0]): entry for entry in entries}


def canonical(name: str) -> str:
    """The name of a package in the form in which such names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def prepare(version: str) -> Path:
    """The folder with the dependencies for Python *version* (``3.9``); made when missing."""
    wanted = lock_file(version)
    key = hashlib.sha256(wanted.read_bytes() + platform.machine().encode()).hexdigest()[:10]
    target = base() / f"python{version}-{key}"
    if target.is_dir():
        return target
    with alone(base() / f"python{version}.lock", "fetches the Python libraries"):
        if not target.is_dir():
            say(f"fetching {', '.join(locked(wanted))} for Python {version}")
            with built_aside(target) as aside:
                fetch(wanted, version, aside)
    return target


def pip_environment() -> dict[str, str]:
    """The caller's environment for a pip that asks nothing, and takes no habit of the user's for granted."""
    settings = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_USER": "0",
    }
    return {**os.environ, **settings}


def fetch(wanted: Path, version: str, target: Path) -> None:
    """Put what the file *wanted* lists into *target*.

    Raises EngineError when it cannot be had, or is not what its digest says.
    """
    pip = pip_command()
    environment = pip_environment()
    wheels = target / "wheels"
    wheels.mkdir()
    only = ["--quiet", "--python-version", version, "--only-binary=:all:"]
    # Older pips heed a wheel's own Requires-Python under --python-version in "download" but not in "install".
    try:
        run(
            [*pip, "download", *only, *CHECKED, "--dest", str(wheels), "--requirement", str(wanted)],
            "pip download",
            env=environment,
            cwd=wheels,
        )
    except EngineError as error:
        raise EngineError(
            f"{error}\nThe Python libraries could not be fetched: is there a network?"
        ) from None
    # Byte code would be that of the Python which runs pip; the server's own makes its own.
    exact = ["--no-compile", "--no-deps", "--no-index", "--ignore-requires-python", "--target", str(target)]
    chosen = sorted(map(str, wheels.glob("*.whl")))
    run([*pip, "install", *only, *exact, *chosen], "pip install", env=environment, cwd=wheels)
    shutil.rmtree(wheels)


@functools.cache
def pip_command() -> list[str]:
    """How to run the host's pip. Where only python3-venv is installed, that is the one which it puts into
    environments."""
    wheels = sorted(_WHEELS.glob("pip-*.whl"))
    modules = [
        [python, "-m", "pip"] for python in (sys.executable, str(ROOT / ".venv/bin/python"), "python3")
    ]
    for command in [*modules, *([sys.executable, str(wheel / "pip")] for wheel in wheels)]:
        try:
            done = subprocess.run([*command, "--version"], capture_output=True, timeout=60)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return command
    raise EngineError("pip was not found: please install it (apt-get install python3-venv or python3-pip).")
