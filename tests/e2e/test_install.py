"""``make install``: into a Python and an extension folder like a server's, again, and away again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipedrive_fdw import __version__
from tests.engine.engines import server_folders
from tests.engine.install import Target, interpreter, put_into, take_from
from tests.engine.libraries import fetch, lock_file, locked
from tests.engine.places import ROOT
from tests.engine.process import EngineError

_FILES = ["pipedrive_fdw--1.0.sql", "pipedrive_fdw.control"]


@pytest.fixture
def target(tmp_path: Path) -> Target:
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
    (tmp_path / "extension").mkdir()
    return Target(tmp_path / "extension", tmp_path / "python/bin/python")


def _imported(target: Target) -> str:
    command = [str(target.python), "-c", "import pipedrive_fdw as p, requests, orjson; print(p.__version__)"]
    return subprocess.run(command, capture_output=True, text=True, cwd="/").stdout.strip()  # noqa: S603


@pytest.mark.slow
def test_install_twice_and_away_again(target: Target) -> None:
    made = {path: (ROOT / path).exists() for path in ("build", "pipedrive_fdw.egg-info")}
    for _ in range(2):
        put_into(target)
        assert sorted(file.name for file in target.extension.iterdir()) == _FILES
        assert _imported(target) == __version__
    own = target.python.parents[1] / "distribution/distributions_own.py"
    assert own.exists(), "pip has removed what is not its own"
    take_from(target)
    assert list(target.extension.iterdir()) == []
    assert _imported(target) == ""
    take_from(target)
    assert {path: (ROOT / path).exists() for path in made} == made


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
        ("echo /nonexistent", "has no Multicorn .*README.md, Install"),
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
