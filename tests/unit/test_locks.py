"""The libraries that are installed into a server are fixed, with the digests of their files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tools.engine import libraries
from tools.engine.install import _TOOLS
from tools.engine.libraries import LOCKS
from tools.engine.process import EngineError

PYTHONS = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]


def pinned(file: Path) -> dict[str, Version]:
    entries = libraries.locked(file)
    return {name: Version(re.split(r"[=;\s\\]+", entry)[1]) for name, entry in entries.items()}


@pytest.mark.parametrize("python", PYTHONS)
def test_each_python_has_what_setup_py_asks_for(python: str) -> None:
    versions = pinned(libraries.lock_file(python))
    for text in libraries.requirements():
        wanted = Requirement(text)
        assert wanted.specifier.contains(versions[libraries.canonical(wanted.name)]), text
    assert set(versions) >= {"certifi", "idna", "charset-normalizer"}, "what these need themselves"


@pytest.mark.parametrize("file", [*sorted(libraries.LOCKS.glob("*.txt"))], ids=lambda file: file.stem)
def test_each_is_one_version_with_digests(file: Path) -> None:
    for name, entry in libraries.locked(file).items():
        assert re.match(rf"{name}==[0-9][\w.]*( ;[^\\]*)? \\\n", entry, re.IGNORECASE), entry[:80]
        digests = re.findall(r"--hash=sha256:([0-9a-f]{64})\b", entry)
        assert digests and len(digests) == entry.count("--hash"), name
    assert "://" not in file.read_text(), "no index is named"


def test_what_builds_and_installs_the_package_is_fixed_too() -> None:
    assert set(libraries.locked(_TOOLS)) == {"pip", "setuptools"}


def test_a_compiler_that_is_not_what_its_digest_says_is_refused(tmp_path: Path) -> None:
    """An index gives another wheel under the name and version that are wanted."""
    (version,) = pinned(LOCKS / "compiler.txt").values()
    with zipfile.ZipFile(tmp_path / f"ziglang-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("ziglang/__main__.py", "raise SystemExit('not the compiler')")
        wheel.writestr(f"ziglang-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        about = f"Metadata-Version: 2.1\nName: ziglang\nVersion: {version}\n"
        wheel.writestr(f"ziglang-{version}.dist-info/METADATA", about)
        wheel.writestr(f"ziglang-{version}.dist-info/RECORD", "")
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    fetch = f"from tools.engine.clibrary import *; fetch_compiler(Path({str(tmp_path / 'compiler')!r}))"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", fetch],
        cwd=libraries.ROOT,
        env={**os.environ, **index},
        capture_output=True,
        text=True,
    )
    assert "do not match the hashes" in done.stderr.lower()
    assert not (tmp_path / "compiler").exists()


@pytest.mark.parametrize(
    ("python", "file"),
    [("3.9", "python3.9"), ("3.10", "python3.10"), ("3.11", "python3.10"), ("4.0", "python3.10")],
)
def test_the_newest_that_is_not_for_a_newer_python_is_taken(python: str, file: str) -> None:
    assert libraries.lock_file(python).stem == file


def test_an_old_python_is_refused() -> None:
    with pytest.raises(EngineError, match=r"Python 3.8 is too old: 3.9, 3.10 or newer"):
        libraries.lock_file("3.8")


def test_faults_of_libraries_that_are_known_are_below_the_bounds() -> None:
    """Versions whose faults an answer of the API could reach (memory, hangs, netrc) are not taken."""
    oldest = {"requests": "2.32.3", "urllib3": "2.6.2", "orjson": "3.9.14"}
    for text in libraries.requirements():
        wanted = Requirement(text)
        assert wanted.name not in oldest or not wanted.specifier.contains(oldest[wanted.name])


def test_security_md_gives_the_reason_for_each_vulnerability_that_the_audit_passes_over() -> None:
    makefile = (libraries.ROOT / "Makefile").read_text(encoding="utf-8")
    passed = re.search(r"OUT_OF_REACH := ((?:.*\\\n)*.*)", makefile)
    assert passed
    names = re.findall(r"(?:CVE|GHSA)-[\w-]+", passed[1])
    listed = (libraries.ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert names and [name for name in names if name not in listed] == []
