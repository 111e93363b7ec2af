"""The package, the extension and the list of changes name one version."""

from __future__ import annotations

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
