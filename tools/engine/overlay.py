"""A cluster's own view of an engine: the same server, with room for extension files of its own.

PostgreSQL finds its share and library folders relative to where its program lies. So a copy of the program in
a folder shaped like the engine's, with links to all the rest, is a server whose extensions are its own:
nothing is written into an installed server or the shared cache, and checkouts cannot disturb each other.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.engine.engines import Engine

_PROGRAMS = ("initdb", "pg_ctl", "postgres")


def make_overlay(engine: Engine, folder: Path) -> Path:
    """Make *folder* such a view of *engine*, replacing an older one; the answer is its bin folder."""
    shutil.rmtree(folder, ignore_errors=True)
    bindir, sharedir, pkglibdir = (
        folder / part.relative_to(engine.root) for part in (engine.bindir, engine.sharedir, engine.pkglibdir)
    )
    bindir.mkdir(parents=True)
    for program in _PROGRAMS:
        shutil.copy2((engine.bindir / program).resolve(), bindir / program)
    _link_all(engine.sharedir, sharedir, but="extension")
    _link_all(engine.sharedir / "extension", sharedir / "extension")
    # In some packagings the library folder is that of the programs or holds it.
    _link_all(engine.pkglibdir, pkglibdir, but=bindir.name if bindir.parent == pkglibdir else "")
    return bindir


def extension_folder(engine: Engine, folder: Path) -> Path:
    """Where an overlay at *folder* keeps its extensions' files."""
    return folder / engine.sharedir.relative_to(engine.root) / "extension"


def library_folder(engine: Engine, folder: Path) -> Path:
    """Where an overlay at *folder* keeps its libraries."""
    return folder / engine.pkglibdir.relative_to(engine.root)


def _link_all(source: Path, target: Path, but: str = "") -> None:
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        link = target / entry.name
        if entry.name != but and not link.exists():
            link.symlink_to(entry.resolve())
