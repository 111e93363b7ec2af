"""Sessions of this backend, one for each account and credential, kept as long as the backend lives."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from pipedrive_fdw.api.client import Client, Credential
from pipedrive_fdw.api.limits import Limits
from pipedrive_fdw.api.transport import RequestsTransport
from pipedrive_fdw.api.waiting import Interrupts
from pipedrive_fdw.options import Options, base_url, check_server
from pipedrive_fdw.run.backend import state_folder, statement_mark
from pipedrive_fdw.run.session import Session, StatementMemory, sleep_unless_aborted

_MEBIBYTE = 1024 * 1024
_sessions: dict[Any, Session] = {}


def session_for(options: Options) -> Session:
    """The session of the account and credential that *options* name.

    Raises OptionError when either is missing.
    """
    check_server(options)
    token = options["api_token"]
    address = base_url(options)
    secret = hashlib.sha256(f"{address}\n{token}".encode()).hexdigest()
    timeouts = (options["connect_timeout"], options["read_timeout"])
    capacity = options["statement_memory"] * _MEBIBYTE
    key = (os.getpid(), secret, timeouts, capacity, options["parallel"])
    session = _sessions.get(key)
    if session is None:
        credential = Credential({"x-api-token": token}, secret)
        company = hashlib.sha256(address.encode()).hexdigest()
        limits = Limits(state_folder(), secret, company)
        client = Client(address, credential, RequestsTransport(*timeouts), limits, sleep_unless_aborted)
        session = Session(
            client,
            Interrupts(),
            StatementMemory(capacity, statement_mark),
            statement_mark,
            options["parallel"],
        )
        _sessions[key] = session
    return session
