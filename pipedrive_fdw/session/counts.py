"""The numbers of rows of tables and lists when they were last read whole, for the planner's estimates.

They are kept in a small file for each credential, since credentials see different rows, in the folder that
backends share. Where the file is lost or broken, the planner gets a default.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from pipedrive_fdw.api.state import is_count, parsed, peeked, removed
from pipedrive_fdw.options import MAPPING, OPTIONS, Options, base_url
from pipedrive_fdw.postgres.channel import statement
from pipedrive_fdw.postgres.settings import state_folder

# More tables and lists than the API has.
_MOST_NAMES = 1_000
_SIGNS_IN = tuple(option.name for option in OPTIONS if option.where == (MAPPING,))


class Counts:
    """The counts of one account and credential: rows by table, records by list (plan/sizes.py)."""

    def __init__(self, options: Options, folder: Path | None = None) -> None:
        """*folder* is that which backends share. Outside a server, without one, nothing is remembered."""
        who = "\n".join([base_url(options), *(str(getattr(options, name)) for name in _SIGNS_IN)])
        folder = folder or state_folder()
        name = f"counts-{hashlib.sha256(who.encode()).hexdigest()[:32]}"
        self._file: Path | None = folder / name if folder else None
        self._known: dict[str, int] = {}
        self._read_at: tuple[int, int] | None = None
        self._looked_in: Any = None

    def known(self) -> Mapping[str, int]:
        """All counts, by the name of the table or list."""
        self._read()
        return self._known

    def put(self, found: Mapping[str, int]) -> None:
        """Keeps the counts *found* by a scan that read to the end."""
        if self._file is None or not found:
            return
        known = {**self.known(), **found}
        if self._known == known:
            return
        self._known = known
        with contextlib.suppress(OSError):  # a full disk must not fail a query that has all its rows
            descriptor, name = tempfile.mkstemp(prefix="counts.", dir=self._file.parent)
            path = Path(name)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(orjson.dumps(self._known))
                path.replace(self._file)
            except OSError:
                path.unlink()
                raise

    def forget(self) -> int:
        """Removes the file; returns the number of removed files. Raises StateError."""
        self._known, self._read_at = {}, None
        return int(self._file is not None and removed(self._file))

    def _read(self) -> None:
        """Looks at the file once in a statement."""
        present = statement()
        if self._file is None or self._looked_in == present:
            return
        self._looked_in = present
        try:
            found = self._file.stat()
            mark = (found.st_mtime_ns, found.st_ino)
            if mark == self._read_at:
                return
        except FileNotFoundError:
            self._known, self._read_at = {}, None
            return
        except OSError:
            return
        known = parsed(peeked(self._file)) or {}
        if len(known) <= _MOST_NAMES:
            self._known = {name: count for name, count in known.items() if is_count(count)}
            self._read_at = mark
