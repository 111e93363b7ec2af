"""The extension's files, put together from the parts in ``sql/``; what is put together is not committed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tools.engine.places import ROOT

NAME = "pipedrive_fdw"
_VERSION = re.compile(r"^default_version = '([^']+)'", re.MULTILINE)


def extension_files(checkout: Path = ROOT) -> dict[str, str]:
    """The text of each file for a server's extension folder, by its name; none without a control file.

    The parts in ``sql/src``, in the order of their names, are the script that installs the version of the
    control file. Each file in ``sql/updates``, named like ``1.0--1.1.sql``, leads from one version to the
    next; it gets the same beginning, without which a script is not safe to run.
    """
    control = checkout / f"{NAME}.control"
    if not control.exists():
        return {}
    text = _read([control])
    version = _VERSION.search(text)
    if version is None:
        raise ValueError(f"{control} states no default_version")
    parts = sorted((checkout / "sql" / "src").glob("*.sql"))
    files = {control.name: text, f"{NAME}--{version[1]}.sql": _read(parts)}
    for update in (checkout / "sql" / "updates").glob("*--*.sql"):
        files[f"{NAME}--{update.name}"] = _read([parts[0], update])
    return files


def write_extension(folder: Path, checkout: Path = ROOT) -> list[str]:
    """Write these files into *folder*; their names. One that is a link is replaced, not followed."""
    folder.mkdir(parents=True, exist_ok=True)
    files = extension_files(checkout)
    for name, text in files.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return list(files)


def _read(files: Sequence[Path]) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in files)
