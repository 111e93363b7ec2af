"""Sessions of this backend, one for each account and credential, kept as long as the backend lives."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from pathlib import Path
from typing import Any
from weakref import WeakSet

from pipedrive_fdw.api.cache import SharedCache
from pipedrive_fdw.api.client import ApiToken, Client, Credential, Signed
from pipedrive_fdw.api.limits import Limits, company_key
from pipedrive_fdw.api.state import RecordLocks, removed, token_file
from pipedrive_fdw.api.transport import RequestsTransport, Transport
from pipedrive_fdw.api.waiting import Interrupts
from pipedrive_fdw.errors import ProtocolError, sentences
from pipedrive_fdw.options import (
    OAUTH,
    Options,
    base_url,
    check_server,
    oauth_url,
    read_api_domain,
    uses_oauth,
)
from pipedrive_fdw.postgres.channel import interrupted, query
from pipedrive_fdw.postgres.settings import state_folder
from pipedrive_fdw.session.counts import Counts
from pipedrive_fdw.session.field_definitions import FieldDefinitions
from pipedrive_fdw.session.secrets_file import with_secrets
from pipedrive_fdw.session.session import Session, sleep_unless_stopped
from pipedrive_fdw.session.statement_memory import StatementMemory

_MEBIBYTE = 1024 * 1024
_sessions: dict[Any, Session] = {}
# By the address of the account
_of_account: defaultdict[str, WeakSet[Session]] = defaultdict(WeakSet)


def session_for(options: Options) -> Session:
    """The session of the account and credential that *options* name.

    Raises OptionError when either is missing, or the secrets_file cannot be used.
    """
    options = with_secrets(options)
    check_server(options)
    key = _key(options)
    session = _sessions.get(key)
    if session is None:
        transport = RequestsTransport(options.connect_timeout, options.read_timeout)
        session = new_session(options, new_client(options, transport, state_folder()))
        for other in _sessions.values():  # a changed option leaves a session behind that nobody uses again
            other.memory.expire()
        _sessions[key] = session
    return session


def use_session(options: Options, session: Session) -> None:
    """Makes *session* the one of the account and credential of *options*, for a use without a network."""
    _sessions[_key(options)] = session


def _key(options: Options) -> Any:
    timeouts = (options.connect_timeout, options.read_timeout)
    return (
        os.getpid(), credential_key(options), timeouts, options.statement_memory, options.parallel
    )  # fmt: skip


def new_session(options: Options, client: Client) -> Session:
    """A new session of the account of *options*; *client* sends its requests."""
    # A write empties the cache of everybody at this address, of other companies too where it serves all
    name, address = credential_key(options), address_key(options)
    return Session(
        client=client,
        interrupts=Interrupts(interrupted),
        memory=StatementMemory(options.statement_memory * _MEBIBYTE, query, state_folder()),
        cache=SharedCache(state_folder(), name, address),
        fields=FieldDefinitions(SharedCache(state_folder(), name, _fields_of(address))),
        statement=query,
        parallel=options.parallel,
        of_account=_of_account[address],
        record_locks=RecordLocks(state_folder(), address),
    )


def forget(options: Options) -> int:
    """Removes the files with data of the account that *options* name; returns their number.

    These are the shared rows and field definitions of all credentials of the company, and the sizes of tables
    and the access token of this credential. The files of the rate limit stay, since other sessions use them.
    Raises as ``session_for`` does, and StateError.
    """
    signed = with_secrets(options)
    check_server(signed)
    name, address, folder = credential_key(signed), address_key(signed), state_folder()
    caches = (SharedCache(folder, name, key) for key in (address, _fields_of(address)))
    number = sum(cache.empty() for cache in caches) + Counts(options).forget()
    for key in [key for key in _sessions if key[1] == name]:
        del _sessions[key]
    return number + int(folder is not None and removed(token_file(folder, name)))


def address_key(options: Options) -> str:
    """A name for the address of the account, for files that backends share."""
    return hashlib.sha256(base_url(options).encode()).hexdigest()


def _fields_of(address: str) -> str:
    """The part of the shared cache that holds field definitions."""
    return f"fields-{address}"


def new_client(options: Options, transport: Transport, folder: Path | None) -> Client:
    """A client of the account of *options*; what backends share lies in *folder*."""
    name = credential_key(options)
    limits = Limits(folder, name, company_key(base_url(options), name))
    return Client(
        credential(options, name, transport, folder),
        transport=transport,
        limits=limits,
        sleep=sleep_unless_stopped,
    )


def credential_key(options: Options) -> str:
    """A name for the credential, for files that backends share; it does not change with access tokens."""
    parts = [base_url(options)]
    if uses_oauth(options):
        parts += [oauth_url(options), *(getattr(options, name) for name in OAUTH)]
    else:
        parts.append(options.api_token)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def credential(options: Options, key: str, transport: Transport, folder: Path | None = None) -> Credential:
    """The credential of *options*, whose secrets_file has been read; an access token is kept in *folder*."""
    if not uses_oauth(options):
        return ApiToken(Signed({"x-api-token": options.api_token}, base_url(options)), key)
    from pipedrive_fdw.api.oauth import AccessTokens, TokenEndpoint  # most accounts do not use it

    endpoint = TokenEndpoint(
        oauth_url(options),
        client_id=options.client_id,
        client_secret=options.client_secret,
        transport=transport,
        sleep=sleep_unless_stopped,
    )
    return AccessTokens(
        folder=folder,
        key=key,
        endpoint=endpoint,
        refresh_token=options.refresh_token,
        home=lambda domain: _home(options, domain),
    )


def _home(options: Options, api_domain: str) -> str:
    """The address for the requests of an OAuth account; *api_domain* came with its access token."""
    if options.base_url or not api_domain:
        return base_url(options)
    try:
        return read_api_domain(options, api_domain)
    except ValueError as error:
        raise ProtocolError(
            "the token endpoint names an address of the API that cannot be used",
            detail=sentences(f"api_domain {api_domain!r}: {error}"),
            hint="Check the server's oauth_url, or name the address yourself: base_url.",
        ) from None
