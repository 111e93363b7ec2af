"""Settings, the clock and places of the server, read through its own symbols."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

# All symbols of the process. Its functions return at once, so Python's lock is kept meanwhile: otherwise the
# threads of requests would take it at each call.
SYMBOLS = ctypes.PyDLL(None)


@cache
def _server() -> Any:
    """The server's own symbols, None outside a server."""
    if not hasattr(SYMBOLS, "GetConfigOption"):
        return None
    SYMBOLS.GetConfigOption.restype = ctypes.c_char_p
    SYMBOLS.GetConfigOption.argtypes = [ctypes.c_char_p, ctypes.c_bool, ctypes.c_bool]
    SYMBOLS.GetCurrentStatementStartTimestamp.restype = ctypes.c_int64
    return SYMBOLS


def setting(name: str) -> str | None:
    """A setting of the session, ``pipedrive.*`` ones included; None where it is not set."""
    server = _server()
    # missing_ok, so that nothing can be raised
    value: bytes | None = None if server is None else server.GetConfigOption(name.encode(), True, False)
    # What another database has given a role may be of another encoding
    return None if value is None else value.decode("utf-8", "replace")


def statement_start() -> int | None:
    """When the client's statement has begun, in microseconds; None outside a server."""
    server = _server()
    return None if server is None else int(server.GetCurrentStatementStartTimestamp())


def state_folder() -> Path | None:
    """The folder for what backends share, in the data directory, readable by the server's user alone.

    Its name begins with pgsql_tmp, which keeps it out of base backups. Whoever writes the first file creates
    it (api/state.py). None outside a backend.
    """
    server = _server()
    data = None if server is None else ctypes.c_char_p.in_dll(server, "DataDir").value
    if not data:
        return None
    return Path(os.fsdecode(data)) / "pgsql_tmp_pipedrive_fdw"
