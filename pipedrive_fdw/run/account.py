"""Sessions of this backend, one for each account and credential, kept as long as the backend lives."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from pipedrive_fdw.api.cache import SharedCache
from pipedrive_fdw.api.client import ApiToken, Client, Credential, Signed
from pipedrive_fdw.api.limits import Limits
from pipedrive_fdw.api.oauth import AccessTokens, TokenEndpoint
from pipedrive_fdw.api.transport import RequestsTransport, Transport
from pipedrive_fdw.api.waiting import Interrupts
from pipedrive_fdw.errors import ProtocolError
from pipedrive_fdw.options import (
    OAUTH,
    Options,
    base_url,
    check_server,
    oauth_url,
    read_url,
    uses_oauth,
)
from pipedrive_fdw.postgres.channel import interrupted, statement
from pipedrive_fdw.postgres.settings import state_folder
from pipedrive_fdw.run.definitions import Definitions
from pipedrive_fdw.run.secrets import with_secrets
from pipedrive_fdw.run.session import Session, StatementMemory, sleep_unless_aborted

_MEBIBYTE = 1024 * 1024
_sessions: dict[Any, Session] = {}


def session_for(options: Options) -> Session:
    """The session of the account and credential that *options* name.

    Raises OptionError when either is missing, or the secrets_file cannot be used.
    """
    options = with_secrets(options)
    check_server(options)
    name = credential_key(options)
    timeouts = (options["connect_timeout"], options["read_timeout"])
    capacity = options["statement_memory"] * _MEBIBYTE
    key = (os.getpid(), name, timeouts, capacity, options["parallel"])
    session = _sessions.get(key)
    if session is None:
        transport = RequestsTransport(*timeouts)
        company = hashlib.sha256(base_url(options).encode()).hexdigest()
        limits = Limits(state_folder(), name, company)
        client = Client(credential(options, name, transport), transport, limits, sleep_unless_aborted)
        session = Session(
            client,
            Interrupts(interrupted),
            StatementMemory(capacity, statement),
            SharedCache(state_folder(), name, company),
            Definitions(SharedCache(state_folder(), name, f"fields-{company}")),
            statement,
            options["parallel"],
        )
        _sessions[key] = session
    return session


def credential_key(options: Options) -> str:
    """What tells credentials apart; it stays the same while access tokens come and go."""
    parts = [base_url(options)]
    if uses_oauth(options):
        parts += [oauth_url(options), *(options[name] for name in OAUTH)]
    else:
        parts.append(options["api_token"])
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def credential(options: Options, key: str, transport: Transport) -> Credential:
    """The credential that *options* hold, secrets_file and all read."""
    if not uses_oauth(options):
        return ApiToken(Signed({"x-api-token": options["api_token"]}, base_url(options)), key)
    endpoint = TokenEndpoint(
        oauth_url(options), options["client_id"], options["client_secret"], transport, sleep_unless_aborted
    )
    return AccessTokens(
        state_folder(), key, endpoint, options["refresh_token"], lambda domain: _home(options, domain)
    )


def _home(options: Options, api_domain: str) -> str:
    """Where the requests of an OAuth account go: *api_domain* came with its access token."""
    if options["base_url"] or not api_domain:
        return base_url(options)
    try:
        return read_url(api_domain)
    except ValueError as error:
        raise ProtocolError(
            "the token endpoint names an address of the API that cannot be used",
            detail=f"api_domain {api_domain!r}: {error}",
            hint="Check the server's oauth_url, or name the address yourself: base_url.",
        ) from None
