"""The meaning of a refused read: the record does not exist, the token's user may not see it, or the whole
table cannot be read."""

from __future__ import annotations

import re

from pipedrive_fdw.catalog import is_old
from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.errors import (
    AccessError,
    ApiError,
    NotFoundError,
    PipedriveError,
    ProtocolError,
    sentences,
)

# How a 404 tells an operation that is not there from a record that is not.
_NO_OPERATION = re.compile(
    r"\b(unknown|no such|removed|invalid) (method|path|endpoint|url|api|route)", re.IGNORECASE
)
# "Deal not found", "User with specified ID does not exist": every 404 of the OpenAPI files names a thing.
_NO_RECORD = re.compile(r"\w.*\b(not found|not exist)", re.IGNORECASE)


# What is wanting where a table that every account has is refused with such a status.
_MEANT = {
    402: "the company's account must be paid for",
    410: "Pipedrive no longer offers it",
    415: "the feature must be enabled in the account",
}


def is_final(error: ApiError) -> bool:
    """True if the API refuses the account, not one record."""
    return error.status in (402, 415) or _lacks_scope(error)


def _lacks_scope(error: ApiError) -> bool:
    return "scope and url mismatch" in error.detail.lower()


def is_gone(error: ApiError) -> bool:
    """True if Pipedrive says that it has no such operation."""
    return error.status == 404 and bool(_NO_OPERATION.search(_said(error)))


def names_record(error: NotFoundError) -> bool:
    """True if a 404 says that the record, and not the operation, does not exist."""
    return bool(_NO_RECORD.search(_said(error)))


def means_absence(error: NotFoundError, table: Table) -> bool:
    """True if a 404 of a look-up means that the record does not exist, and not that the operation does not:
    it says so, or it is Pipedrive's own answer about a table that every account has."""
    everywhere = not (table.needs or is_old(table))
    return names_record(error) or (everywhere and error.enveloped and not is_gone(error))


def explained(error: PipedriveError, table: Table) -> PipedriveError:
    """*error* with a hint that names what the account or token needs for *table*."""
    if isinstance(error, (AccessError, NotFoundError)):
        error.message = f"pipedrive access: {table.name} cannot be read (status {error.status})"
        error.sqlstate = AccessError.sqlstate
        others = "" if error.status == 402 and not table.needs else "Other tables are not affected"
        error.hint = sentences(f"{table.name}: {_wanted(error, table)}", others)
    elif isinstance(error, ProtocolError) and table.removed:
        error.hint = sentences(error.hint, f"{table.name}: {table.needs}")
    return error


def explained_write(error: PipedriveError, table: Table, verb: str, way_out: str) -> PipedriveError:
    """*error* of a write to *table* with a hint; *way_out* is the one for a parent that cannot be changed."""
    if isinstance(error, NotFoundError) and names_record(error) and not table.removed:
        inserts = verb == "INSERT"
        what = "What the row refers to does not exist" if inserts else "The record no longer exists"
        error.hint = f"{what}: it was deleted or merged, or the token's user may not see it."
    elif isinstance(error, (AccessError, NotFoundError)):
        archived = (
            f"If the record that it belongs to is archived: {way_out}"
            if way_out and error.status == 403
            else ""
        )
        error.hint = sentences(f"{table.name}: {_wanted(error, table, 'change')}", archived)
    return error


def _wanted(error: ApiError, table: Table, right: str = "see") -> str:
    if "feature_capping" in error.detail:
        return "a limit of the account's plan is reached"
    if table.needs:
        return table.needs
    if _lacks_scope(error):
        return "the app must have the OAuth scope for it, and be authorized again"
    if error.status in _MEANT:
        return _MEANT[error.status]
    if is_gone(error) and is_old(table):
        return "Pipedrive no longer offers version 1 of it; set the server's option api_version to 'v2'"
    if isinstance(error, NotFoundError) and names_record(error):
        return "what the query names, such as a filter_id, does not exist or the token's user may not see it"
    if isinstance(error, NotFoundError):
        return "check company_domain and base_url, and what the account's plan includes"
    return f"the token's user must be allowed to {right} it"


def _said(error: ApiError) -> str:
    """Pipedrive's own words in *error*."""
    return error.detail.partition(": ")[2]
