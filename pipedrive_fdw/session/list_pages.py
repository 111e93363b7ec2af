"""The pages of a list, wherever one is read: by a scan, for field definitions, for a record in a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from pipedrive_fdw.api.offset import Rank
from pipedrive_fdw.api.paging import Page, Params, pages
from pipedrive_fdw.catalog.model import Listing
from pipedrive_fdw.session.work import Work


def list_pages(
    work: Work,
    listing: Listing,
    path: str,
    params: Params,
    first: Mapping[str, Any] | None = None,
    rank: Rank | None = None,
) -> Iterator[Page]:
    """Each page of records; *first* is the envelope of the first page where it is there already, *rank* as in
    ``pages``. Raises the error of a refusal, ProtocolError for an answer that is not what it should be."""
    there = [] if first is None else [first]

    def ask(asked: Params) -> Mapping[str, Any]:
        return there.pop() if there else work.ask(listing, path, asked)

    again = partial(work.ask, listing, path, afresh=True)
    return pages(ask, listing, params, f"GET /api/v{listing.version}{path}", again, rank)
