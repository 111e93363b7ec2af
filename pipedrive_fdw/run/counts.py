"""How many rows the tables of an account had when they were last read whole: what the planner goes by.

One small file for each credential, since credentials see different rows, in the folder that backends share.
A lost or broken file costs nothing but a guess.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

import orjson

from pipedrive_fdw.options import OPTIONS, Options, base_url
from pipedrive_fdw.run.backend import state_folder

_SECRETS = tuple(option.name for option in OPTIONS if option.secret)


class Counts:
    """The counts of one account and credential, by table."""

    def __init__(self, options: Options) -> None:
        """Without a state folder (outside a server) nothing is remembered."""
        who = "\n".join([base_url(options), *(str(options[name]) for name in _SECRETS)])
        folder = state_folder()
        name = f"counts-{hashlib.sha256(who.encode()).hexdigest()[:32]}"
        self._file: Path | None = folder / name if folder else None
        self._known: dict[str, int] = {}
        self._read_at: tuple[int, int] | None = None

    def get(self, table: str) -> int | None:
        """Rows of *table* when it was last read whole, None when nobody knows."""
        self._read()
        return self._known.get(table)

    def put(self, table: str, rows: int) -> None:
        """Remembers that *table* has *rows*."""
        self._read()
        if self._file is None or self._known.get(table) == rows:
            return
        self._known[table] = rows
        with contextlib.suppress(OSError):  # a full disk must not fail a query that has all its rows
            descriptor, path = tempfile.mkstemp(prefix="counts.", dir=self._file.parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(orjson.dumps(self._known))
            Path(path).replace(self._file)

    def _read(self) -> None:
        if self._file is None:
            return
        try:
            found = self._file.stat()
            mark = (found.st_mtime_ns, found.st_ino)
            if mark == self._read_at:
                return
            known = orjson.loads(self._file.read_bytes())
        except FileNotFoundError:
            self._known, self._read_at = {}, None
            return
        except (OSError, ValueError):
            return
        if isinstance(known, dict):
            self._known = {str(k): v for k, v in known.items() if isinstance(v, int)}
            self._read_at = mark
