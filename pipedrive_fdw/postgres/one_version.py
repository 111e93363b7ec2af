"""A backend uses one version of the package to its end.

What a reading query does not need is imported when it is first used, and ``make install`` may have put
another version in its place by then. Halves of two versions would fit together by chance only.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from pipedrive_fdw.errors import ReplacedError

_PACKAGE = Path(__file__).parents[1]


class _OneVersion(MetaPathFinder):
    """Finds no module, and refuses those of a package that has changed since this was made."""

    def __init__(self) -> None:
        self._loaded = _present()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.startswith(f"{_PACKAGE.name}.") and _present() != self._loaded:
            raise ReplacedError(
                "the Python package has been replaced since this session began to use it",
                "The session has the old version, without the part of it that this statement needs.",
                "Open a new connection. Behind a pooler, let it reconnect.",
            )
        return None


def _present() -> tuple[int, int] | None:
    """What tells the package that is installed from another one; None where there is none."""
    try:
        file = (_PACKAGE / "__init__.py").stat()
    except OSError:
        return None
    return file.st_ino, file.st_mtime_ns


def refuse_other_versions() -> None:
    """From now on this process loads nothing more of another version."""
    sys.meta_path.insert(0, _OneVersion())
