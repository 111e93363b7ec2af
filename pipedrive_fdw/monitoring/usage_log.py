"""The log of use: who has spent how many tokens on what, in files that all sessions append to.

A line is what one statement has spent on one table. It is written when the statement's transaction ends or
its session runs another statement, so that the many look-ups of a join are one line. The log is two files:
one that is full takes the place of the older one. The view pipedrive.usage_log reads them.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipedrive_fdw.postgres.channel import question, statement
from pipedrive_fdw.postgres.settings import setting, state_folder

# The files, and the size at which the first is full.
FILE, OLDER_FILE = "usage", "usage-older"
MOST_BYTES = 1 << 20
# Who spends: the members of a line but for time, requests and tokens, in their order.
Spender = tuple[tuple[str, Any], ...]


def spender(table: str = "") -> Spender | None:
    """Whoever makes the scan, writes the row or calls the function that the question is about; None for
    another question. *table* of Pipedrive, '' for a function."""
    asked = question()
    caller: Mapping[str, Any] = asked.members.get("caller", {}) if asked else {}
    if not caller:
        return None
    who = {
        "database": caller["database"],
        "server": caller["server"],
        "role": caller["current_user"],
        "session_role": caller["session_user"],
        "role_oid": caller["role_oid"],
        "session_role_oid": caller["session_role_oid"],
        "application": setting("application_name"),
        "query_id": caller["query_id"],
        "table": table,
    }
    return tuple((name, value) for name, value in who.items() if value)


class UsageLog:
    """What the statement of this backend has spent so far. Nothing here can fail a query.

    *folder* is that which backends share, *mark* gives a value that changes with every statement.
    """

    def __init__(
        self,
        folder: Callable[[], Path | None] = state_folder,
        mark: Callable[[], Any] = statement,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._folder, self._mark, self._most_bytes = folder, mark, most_bytes
        self._statement: Any = None
        self._ended = False
        self._used: dict[Spender, tuple[int, int]] = {}

    def add(self, who: Spender, requests: int, tokens: int) -> None:
        """*who* has sent *requests* that cost *tokens*."""
        mark = self._mark()
        if mark != self._statement:
            self._write()
            self._statement, self._ended = mark, False
        if requests:
            before = self._used.get(who, (0, 0))
            self._used[who] = (before[0] + requests, before[1] + tokens)
        if self._ended:  # a scan that an error has left behind
            self._write()

    def transaction_ended(self) -> None:
        """Writes what was spent."""
        self._write()
        self._ended = True

    def _write(self) -> None:
        used, self._used = self._used, {}
        folder = self._folder() if used else None
        if folder is None:
            return
        now = time.time()
        # In ASCII, and begun by a newline: a line that a full disk has cut spoils no other
        text = "".join(
            "\n" + json.dumps({"time": now, **dict(who), "requests": requests, "tokens": tokens})
            for who, (requests, tokens) in used.items()
        )
        with contextlib.suppress(OSError):
            self._append(folder, text.encode())

    def _append(self, folder: Path, text: bytes) -> None:
        path = folder / FILE
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o600)
        try:
            os.write(descriptor, text)
            file = os.fstat(descriptor)
            if file.st_size > self._most_bytes and os.path.samestat(file, path.stat()):
                path.replace(folder / OLDER_FILE)
        finally:
            os.close(descriptor)


USAGE_LOG = UsageLog()
