"""``make install PG_CONFIG=...``: package, C part and extension into an installed server with Multicorn."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.engine.clibrary import NAME as LIBRARY
from tools.engine.clibrary import check_headers, compile_library, need_compiler
from tools.engine.engines import VARIABLE, Folders, embedded_python, interpreter, server_folders
from tools.engine.extension import write_extension
from tools.engine.libraries import (
    CHECKED,
    LOCKS,
    canonical,
    lock_file,
    locked,
    pip_environment,
    requirements,
)
from tools.engine.places import ROOT, usual_umask
from tools.engine.process import EngineError, run, say

_NAME, _PACKAGE = "pipedrive-fdw", "pipedrive_fdw"
_SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE")
_FOLDERS = (_PACKAGE, "sql/examples")
_TOOLS = LOCKS / "build.txt"
_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"
_WHERE = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
_BY_PIP = (
    "from importlib.metadata import distributions\n"
    "by = lambda d: (d.read_text('INSTALLER') or '').strip()\n"
    "print(*(d.metadata['Name'] for d in distributions() if by(d) == 'pip'))"
)
_SHOW = f"import {_PACKAGE} as p; print(p.__version__, 'in', p.__path__[0])"


@dataclass(frozen=True)
class Target:
    """Where it goes: the folders of a server, and the Python that its Multicorn embeds."""

    server: Folders
    python: Path

    @property
    def extension(self) -> Path:
        """Of the extensions' control files and scripts."""
        return self.server.sharedir / "extension"

    @property
    def library(self) -> Path:
        """The C part."""
        return self.server.pkglibdir / LIBRARY

    @classmethod
    def of_environment(cls, verb: str) -> Target:
        """What ``PG_CONFIG`` names, where the caller may write to it."""
        named = os.environ.get(VARIABLE)
        if not named:
            raise EngineError(f"Name the server: make {verb} {VARIABLE}=/path/to/pg_config")
        folders = server_folders(Path(named))
        python = interpreter(*embedded_python(folders.pkglibdir / "multicorn.so"))
        target = cls(folders, python)
        packages = Path(run([python, "-I", "-c", _WHERE], f"{python}").strip())
        for folder in (target.extension, target.library.parent, packages):
            if not _writable(folder):
                raise EngineError(
                    f"{folder} is not yours to write: try it as root, sudo make {verb} {VARIABLE}=…"
                )
        return target

    def pip(self, *arguments: str) -> str:
        """Run pip for that Python, which needs none of its own."""
        # That Python may be marked as externally managed: it is asked for by name, and replaces nothing.
        environment = {**pip_environment(), "PIP_BREAK_SYSTEM_PACKAGES": "1"}
        environment.pop("PYTHONPATH", None)
        command = [sys.executable, "-m", "pip", "--python", str(self.python), *arguments]
        return run(command, f"pip {arguments[0]}", env=environment)


def install() -> None:
    """Into the server that ``PG_CONFIG`` names."""
    put_into(Target.of_environment("install"))


def uninstall() -> None:
    """Out of it again."""
    take_from(Target.of_environment("uninstall"))


def put_into(target: Target) -> None:
    """Compile the C part, let pip install the package for the Python that Multicorn embeds, copy the rest."""
    check_headers(target.server)
    compiler = need_compiler(target.server)
    _renew_tools()
    with usual_umask(), tempfile.TemporaryDirectory(prefix=f"{_NAME}.") as work:
        say(f"compiling the C part for {target.server.bindir}")
        library = compile_library(target.server, compiler, Path(work))
        say(f"installing the package for {target.python}")
        _install_libraries(target)
        with _sources() as folder:
            wheel = _wheel(folder)
            target.pip("install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", str(wheel))
        _replace(library, target.library)
        say(f"wrote {LIBRARY} to {target.library.parent}")
        for name in write_extension(target.extension):
            say(f"wrote {name} to {target.extension}")
    found = run([target.python, "-I", "-c", _SHOW], f"importing the package with {target.python}")
    say(f"done: {_NAME} {found.strip()}; sessions that begin from now on see it")


def take_from(target: Target) -> None:
    """Take all of it away again but the Python libraries, since others may use them."""
    _renew_tools()
    target.pip("uninstall", "--quiet", "--yes", _NAME)
    for file in [*target.extension.glob(f"{_PACKAGE}.control"), *target.extension.glob(f"{_PACKAGE}--*.sql")]:
        file.unlink()
    target.library.unlink(missing_ok=True)
    where = f"{target.extension} and {target.library.parent}"
    say(f"removed {_NAME}, and its files in {where}; left: {', '.join(requirements())}")


def _install_libraries(target: Target) -> None:
    """What is missing or too old, as requirements/ has it. The distribution's own stays where it is: ours is
    found before it."""
    lock = lock_file(run([target.python, "-I", "-c", _VERSION], f"{target.python}").strip())
    entries = locked(lock)
    try:
        wanted = _wanted(target)
        pips_own = {canonical(name) for name in run([target.python, "-I", "-c", _BY_PIP], "pip").split()}
        for ours, how in ((True, "--upgrade"), (False, "--ignore-installed")):
            chosen = [entries[name] for name in wanted if (name in pips_own) is ours]
            if chosen:
                with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
                    file.write("\n".join(chosen))
                    file.flush()
                    target.pip("install", "--quiet", *CHECKED, how, "--requirement", file.name)
    except EngineError as error:
        raise EngineError(
            f"{error}\nWithout a network, where there is one: pip download --require-hashes --dest wheels "
            f"--requirement requirements/{lock.name} --requirement requirements/{_TOOLS.name}; then here: "
            "PIP_NO_INDEX=1 PIP_FIND_LINKS=wheels make install …"
        ) from None


def _wanted(target: Target) -> list[str]:
    """The libraries that pip would install."""
    with tempfile.TemporaryDirectory(prefix=f"{_NAME}.") as name:
        report = Path(name) / "report.json"
        target.pip("install", "--quiet", "--dry-run", "--report", str(report), *requirements())
        items = json.loads(report.read_text(encoding="utf-8"))["install"]
    return [canonical(item["metadata"]["name"]) for item in items]


def _renew_tools() -> None:
    """Have a pip in our own environment that can install for another Python, and what builds the package."""
    run([sys.executable, "-m", "pip", "install", "--quiet", *CHECKED, "--requirement", str(_TOOLS)],
        "installing pip and setuptools", env=pip_environment())  # fmt: skip


def _wheel(sources: Path) -> Path:
    """The package, built by the tools of our own environment: nothing is fetched for it."""
    built = sources / "built"
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation",
         "--wheel-dir", str(built), str(sources)], "building the package", env=pip_environment())  # fmt: skip
    (wheel,) = built.glob("*.whl")
    return wheel


@contextmanager
def _sources() -> Iterator[Path]:
    """A copy of what the package is built from: a build leaves files, and takes old ones for its own."""
    with tempfile.TemporaryDirectory(prefix=f"{_NAME}.") as name:
        folder = Path(name)
        for source in _SOURCES:
            shutil.copyfile(ROOT / source, folder / source)
        for source in _FOLDERS:
            shutil.copytree(ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
        yield folder


def _replace(file: Path, target: Path) -> None:
    """Put a copy of *file* in the place of *target* at once: sessions have the old one in memory."""
    aside = target.with_suffix(".new")
    shutil.copyfile(file, aside)
    aside.chmod(0o755)
    aside.replace(target)


def _writable(folder: Path) -> bool:
    existing: Sequence[Path] = [path for path in (folder, *folder.parents) if path.exists()]
    return os.access(existing[0], os.W_OK)
