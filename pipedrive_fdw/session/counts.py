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

import orjson

from pipedrive_fdw.api.state import is_count, parsed, peeked, removed
from pipedrive_fdw.options import MAPPING, OPTIONS, Options, base_url
from pipedrive_fdw.postgres.settings import state_folder
from pipedrive_fdw.postgres.statement_scope import StatementScope

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
        self._read_at: tuple[int, int] | None = None
        self._last: dict[str, int] = {}
        # The file is looked at once in a statement
        self._known = StatementScope(self._read)

    def known(self) -> Mapping[str, int]:
        """All counts, by the name of the table or list."""
        return self._known.current()

    def put(self, found: Mapping[str, int]) -> None:
        """Keeps the counts *found* by a scan that read to the end."""
        if self._file is None or not found:
            return
        known = self._known.current()
        if found.items() <= known.items():
            return
        known.update(found)
        with contextlib.suppress(OSError):  # a full disk must not fail a query that has all its rows
            descriptor, name = tempfile.mkstemp(prefix="counts.", dir=self._file.parent)
            path = Path(name)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(orjson.dumps(known))
                path.replace(self._file)
            except OSError:
                path.unlink()
                raise

    def forget(self) -> int:
        """Removes the file; returns the number of removed files. Raises StateError."""
        number = int(self._file is not None and removed(self._file))
        self._known.drop()
        return number

    def _read(self) -> dict[str, int]:
        """The counts in the file; those that were read last where it cannot be read or is as it was."""
        if self._file is None:
            return {}
        try:
            found = self._file.stat()
        except FileNotFoundError:
            self._last, self._read_at = {}, None
            return self._last
        except OSError:
            return self._last
        mark = (found.st_mtime_ns, found.st_ino)
        if mark != self._read_at:
            known = parsed(peeked(self._file)) or {}
            if len(known) <= _MOST_NAMES:
                self._last = {name: count for name, count in known.items() if is_count(count)}
                self._read_at = mark
        return self._last
