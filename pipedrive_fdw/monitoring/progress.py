"""What this backend is reading, for the view pipedrive.progress: a small file that is written once a second.

A statement that takes less than a second writes nothing. The file stays when the statement ends; the view
leaves out what was not written by the statement that its backend runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipedrive_fdw.postgres.channel import statement
from pipedrive_fdw.postgres.settings import state_folder
from pipedrive_fdw.postgres.statement_scope import StatementScope

SECONDS = 1.0
_PREFIX = "progress-"


@dataclass
class _Reading:
    """Since when a statement reads (seconds of the epoch), when that was shown last, and the requests, tokens
    and seconds of waiting of its scans that have ended."""

    since: float = field(default_factory=time.time)
    shown: float = field(default_factory=time.monotonic)
    requests: int = 0
    tokens: int = 0
    waited: float = 0.0


class Progress:
    """The progress of the statement that runs. Nothing here can fail a query.

    *folder* is that which backends share, *mark* gives a value that changes with every statement.
    """

    def __init__(
        self, folder: Callable[[], Path | None] = state_folder, mark: Callable[[], Any] = statement
    ) -> None:
        self._folder = folder
        self._reading = StatementScope(_Reading, mark)
        self._swept = False

    def show(self, reads: str, waits_for: str, requests: int, tokens: int, waited: float) -> None:
        """A scan *reads* a path and *waits_for* something; it has used so much. May be called at any rate."""
        reading = self._reading.current()
        now = time.monotonic()
        if now - reading.shown < SECONDS:
            return
        reading.shown = now
        folder = self._folder()
        if folder is None:
            return
        line = {
            "since": reading.since,
            "shown": time.time(),
            "reads": reads,
            "waits_for": waits_for,
            "requests": reading.requests + requests,
            "tokens": reading.tokens + tokens,
            "waited": round(reading.waited + waited, 1),
        }
        with contextlib.suppress(OSError):
            self._write(folder, json.dumps(line).encode())

    def ended(self, requests: int, tokens: int, waited: float) -> None:
        """A scan has ended that has used so much."""
        reading = self._reading.current()
        reading.requests += requests
        reading.tokens += tokens
        reading.waited += waited

    def _write(self, folder: Path, text: bytes) -> None:
        """Whole, or not at all: it is read without a lock."""
        if not self._swept:
            self._swept = True
            _sweep(folder)
        path = folder / f"{_PREFIX}{os.getpid()}"
        new = path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(new, flags, 0o600)
        try:
            os.write(descriptor, text)
        finally:
            os.close(descriptor)
        new.replace(path)


def _sweep(folder: Path) -> None:
    """Removes the files of backends that have ended."""
    for path in folder.glob(f"{_PREFIX}*"):
        if not Path(f"/proc/{path.stem.removeprefix(_PREFIX)}").exists():
            path.unlink(missing_ok=True)


PROGRESS = Progress()
