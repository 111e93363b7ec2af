"""How large the lists of a table are, as far as anybody knows. Pure."""

from __future__ import annotations

import math

from pipedrive_fdw.catalog.model import Listing, Table
from pipedrive_fdw.plan.calls import Settings


def list_name(listing: Listing) -> str:
    """What a list is remembered by: several tables may read the same."""
    params = "&".join(f"{name}={value}" for name, value in listing.params.items())
    return f"v{listing.version}{listing.path}?{params}"


def list_size(table: Table, listing: Listing, settings: Settings) -> int:
    """How many records *listing* gives without any filter: as it was when last read, or a guess."""
    known = settings.sizes.get(list_name(listing))
    if known is not None and settings.rows is None:
        return known
    total = table.rows if settings.rows is None else settings.rows
    return math.ceil(total * listing.share)


def is_known(table: Table, settings: Settings) -> bool:
    """Whether the sizes of its lists are known and not guessed."""
    return settings.rows is not None or all(list_name(li) in settings.sizes for li in table.listings)
