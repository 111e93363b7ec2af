"""User mappings that are dropped: what the server's files keep of their accounts goes when that is committed.

A ROLLBACK brings a mapping back, and with OAuth the file may hold the only refresh token that is still good.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipedrive_fdw.errors import PipedriveError, PreparedError
from pipedrive_fdw.options import MAPPING, SERVER, Options, read_options
from pipedrive_fdw.postgres.channel import depth
from pipedrive_fdw.session.account_sessions import forget


@dataclass
class _DroppedMapping:
    """The options of a mapping and its server; how deep in savepoints it was dropped."""

    options: Options
    level: int


@dataclass
class DroppedMappings:
    """Those of the backend's transaction. What is called when a mapping is dropped, or at the end of the
    transaction, raises nothing."""

    dropped: list[_DroppedMapping] = field(default_factory=list)

    def add(self, server: Mapping[str, str], mapping: Mapping[str, str]) -> None:
        """A mapping with these options, to a server with these, is dropped."""
        try:
            options = read_options({**server, **mapping}, (SERVER, MAPPING))
        except PipedriveError:
            return  # no session was ever made of them
        self.dropped.append(_DroppedMapping(options, depth()))

    def check_prepared(self) -> None:
        """Raises PreparedError where a mapping is dropped in a transaction that is prepared."""
        if self.dropped:
            raise PreparedError(
                "a transaction that drops a user mapping cannot be prepared",
                detail="What the server's files keep of the account is removed at COMMIT, and the wrapper is "
                "not told of COMMIT PREPARED.",
                hint="Drop the user mapping in another transaction.",
            )

    def committed(self) -> None:
        """Removes the files."""
        dropped, self.dropped = self.dropped, []
        for mapping in dropped:
            try:
                forget(mapping.options)
            except PipedriveError:
                pass  # its secrets_file has gone before it, or the files cannot be removed
            except Exception:  # noqa: BLE001 - PostgreSQL would panic: the transaction is committed
                traceback.print_exc()

    def rolled_back(self) -> None:
        self.dropped.clear()

    def savepoint_released(self, level: int) -> None:
        for mapping in self.dropped:
            mapping.level = min(mapping.level, level - 1)

    def savepoint_rolled_back(self, level: int) -> None:
        self.dropped = [mapping for mapping in self.dropped if mapping.level < level]


DROPPED = DroppedMappings()
