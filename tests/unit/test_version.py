"""The package, the extension and the list of changes name one version."""

from __future__ import annotations

import json
import re

from pipedrive_fdw import __version__
from tools.engine.extension import extension_files
from tools.engine.places import ROOT


def _found(pattern: str, file: str) -> str:
    match = re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert match, file
    return match[1]


def test_the_changes_begin_with_this_version() -> None:
    assert _found(r"^## \[([\d.]+)\]", "CHANGELOG.md") == __version__


def test_the_extension_is_of_this_version_and_has_its_script() -> None:
    extension = _found(r"^default_version = '([^']+)'", "pipedrive_fdw.control")
    assert __version__.startswith(f"{extension}.")
    assert f"pipedrive_fdw--{extension}.sql" in extension_files()


def test_pgxn_is_told_this_version_and_files_that_are_there() -> None:
    meta = json.loads((ROOT / "META.json").read_text(encoding="utf-8"))
    (provided,) = meta["provides"].values()
    assert (meta["version"], provided["version"]) == (__version__, __version__)
    assert [name for name in (provided["file"], provided["docfile"]) if not (ROOT / name).exists()] == []
