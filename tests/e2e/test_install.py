"""``make install``: into a Python and folders like a server's, again, and away again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipedrive_fdw import __version__
from tools.engine import Server
from tools.engine.clibrary import NAME, check_headers, compile_library, machines_compiler, need_compiler
from tools.engine.engines import Folders, interpreter, server_folders
from tools.engine.install import Target, put_into, take_from
from tools.engine.libraries import fetch, lock_file, locked
from tools.engine.places import ROOT
from tools.engine.process import EngineError

_FILES = ["pipedrive_fdw--1.0.sql", "pipedrive_fdw.control"]


@pytest.fixture
def target(tmp_path: Path, server: Server) -> Target:
    """A Python without our libraries, but with a cachetools that is none of pip's."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "python"], check=True)  # noqa: S603
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    distribution = (
        tmp_path / "python/distribution"
    )  # a folder of its own, searched later, as Debian's and EL's
    (tmp_path / f"python/lib/python{version}/site-packages/later.pth").write_text(f"{distribution}\n")
    information = distribution / "cachetools-1.0.egg-info"
    information.mkdir(parents=True)
    (information / "PKG-INFO").write_text("Name: cachetools\nVersion: 1.0\n")
    (information / "top_level.txt").write_text("distributions_own\n")
    (distribution / "distributions_own.py").touch()
    folders = replace(server.engine.folders, sharedir=tmp_path / "share", pkglibdir=tmp_path / "lib")
    (folders.sharedir / "extension").mkdir(parents=True)
    folders.pkglibdir.mkdir()
    (folders.pkglibdir / "pgxs").symlink_to(server.engine.pkglibdir / "pgxs")
    return Target(folders, tmp_path / "python/bin/python")


@pytest.fixture
def made_here() -> Iterator[None]:
    """The test leaves nothing in the checkout."""
    command = ["git", "status", "--porcelain", "--ignored", "--untracked-files=all"]
    ignored = ("__pycache__", ".pytest_cache", ".hypothesis", ".venv")

    def found() -> list[str]:
        shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()  # noqa: S603
        return [line for line in shown if not any(name in line for name in ignored)]

    before = found()
    yield
    assert found() == before


def _imported(target: Target) -> str:
    command = [str(target.python), "-c", "import pipedrive_fdw as p, requests, orjson; print(p.__version__)"]
    return subprocess.run(command, capture_output=True, text=True, cwd="/").stdout.strip()  # noqa: S603


@pytest.mark.slow
@pytest.mark.usefixtures("made_here", "compiler")
def test_install_twice_and_away_again(target: Target) -> None:
    for _ in range(2):
        put_into(target)
        assert sorted(file.name for file in target.extension.iterdir()) == _FILES
        assert sorted(file.name for file in target.library.parent.iterdir()) == ["pgxs", NAME]
        assert b"pipedrive_fdw_handler" in target.library.read_bytes()
        assert target.library.stat().st_mode & 0o777 == 0o755
        assert _imported(target) == __version__
    own = target.python.parents[1] / "distribution/distributions_own.py"
    assert own.exists(), "pip has removed what is not its own"
    take_from(target)
    assert list(target.extension.iterdir()) == []
    assert [file.name for file in target.library.parent.iterdir()] == ["pgxs"]
    assert _imported(target) == ""
    take_from(target)


@pytest.fixture
def compiler(server: Server) -> None:
    """The machine's own C compiler."""
    if machines_compiler(server.engine.folders) is None:
        pytest.skip("this machine has no C compiler")


@pytest.mark.usefixtures("compiler")
def test_the_c_part_compiles_without_a_warning(server: Server, tmp_path: Path) -> None:
    """Under the flags with which the server was built, and these."""
    folders = server.engine.folders
    flags = "-Wextra -Wno-unused-parameter -Werror"
    assert compile_library(folders, need_compiler(folders), tmp_path, flags).exists()


def _stub(folder: Path, compiler: str) -> Folders:
    """The folders of a PostgreSQL 17 without headers, that was built by *compiler*."""
    program = folder / "pg_config"
    program.write_text(f"#!/bin/sh\ntest $1 = --version && echo 'PostgreSQL 17.2' || echo {compiler}\n")
    program.chmod(0o755)
    return Folders(program, folder, folder, folder, folder)


def test_missing_headers_are_an_error_that_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="has no postgres.h") as caught:
        check_headers(_stub(tmp_path, "cc"))
    assert "apt-get install postgresql-server-dev-17" in str(caught.value)
    assert "dnf install --enablerepo=crb postgresql17-devel" in str(caught.value)


@pytest.mark.parametrize("compiler", ["/nonexistent/gcc", shutil.which("false") or "false"])
def test_a_missing_compiler_is_an_error_that_says_how_to_get_it(tmp_path: Path, compiler: str) -> None:
    """One that is there and lacks the C library's headers is of no use either."""
    if os.environ.get("CC"):
        pytest.skip("CC names a compiler")
    with pytest.raises(EngineError, match=f"{compiler} compiles no program here") as caught:
        need_compiler(_stub(tmp_path, compiler))
    assert "apt-get install gcc libc6-dev" in str(caught.value)
    assert "dnf install gcc redhat-rpm-config" in str(caught.value)


@pytest.mark.slow
def test_the_source_archive_holds_what_git_holds(tmp_path: Path) -> None:
    """So that make install works from it. Only what is of use to git alone is left out."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()  # noqa: S607
    if not listed:
        pytest.skip("this is no clone")
    copy = tmp_path / "checkout"
    for name in listed:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    command = [sys.executable, "-m", "build", "--sdist", "--outdir", tmp_path, copy]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert set(listed) - packed == {".dockerignore", ".gitignore"}


@pytest.mark.slow
def test_a_library_that_is_not_what_its_digest_says_is_not_installed(tmp_path: Path) -> None:
    lock = lock_file("3.10")
    entries = locked(lock)
    changed = re.sub(r"sha256:\w+", f"sha256:{'0' * 64}", entries["idna"])
    forged = tmp_path / "forged.txt"
    forged.write_text("\n".join(({**entries, "idna": changed}).values()))
    (tmp_path / "there").mkdir()
    with pytest.raises(EngineError, match="DO NOT MATCH THE HASHES"):
        fetch(forged, "3.11", tmp_path / "there")
    assert not [*(tmp_path / "there").glob("idna*")]


@pytest.mark.slow
def test_a_library_without_a_digest_is_not_installed(tmp_path: Path) -> None:
    unchecked = tmp_path / "unchecked.txt"
    unchecked.write_text("idna==3.10\n")
    (tmp_path / "there").mkdir()
    with pytest.raises(EngineError, match="require-hashes mode"):
        fetch(unchecked, "3.11", tmp_path / "there")


def test_the_python_is_the_one_beside_its_library(tmp_path: Path) -> None:
    library = tmp_path / "opt/lib/x86_64-linux-gnu/libpython3.12.so.1.0"
    library.parent.mkdir(parents=True)
    library.touch()
    with pytest.raises(EngineError, match="no python3.12 lies beside it"):
        interpreter("3.12", library)
    program = tmp_path / "opt/bin/python3.12"
    program.parent.mkdir()
    program.touch(0o755)
    assert interpreter("3.12", library) == program


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "is no program"),
        ("exit 1", "must name a server's pg_config"),
        ("echo /nonexistent", "has no Multicorn .*docs/install.md says"),
    ],
    ids=["nothing there", "another program", "no Multicorn"],
)
def test_a_wrong_pg_config_is_named(tmp_path: Path, script: str | None, words: str) -> None:
    program = tmp_path / "pg_config"
    if script:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    with pytest.raises(EngineError, match=f"(?s){program}.*{words}|{words}.*{program}"):
        server_folders(program)
