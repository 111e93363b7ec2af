"""Followers under api_version 'v1', which names a following by a number of its own."""

from __future__ import annotations

from dataclasses import replace

from pipedrive_fdw.catalog.common import add, remove
from pipedrive_fdw.catalog.links import (
    DEAL_FOLLOWERS,
    ORGANIZATION_FOLLOWERS,
    PERSON_FOLLOWERS,
    PRODUCT_FOLLOWERS,
    USER_FOLLOWERS,
)
from pipedrive_fdw.catalog.model import NONE, OFFSET, Table
from pipedrive_fdw.catalog.v1_common import dropped, old_list

_WRONG = "the description of version 1 shows the follower of a deal here"


def _old_followers(table: Table, paging: str = NONE, wrong: str = "") -> Table:
    """*table* by v1; *wrong* names what its description has without a reason."""
    path = table.listings[0].path
    return replace(
        table,
        listings=(replace(old_list(path, paging=paging), key="user_id", null_is_empty=True),),
        insert=add(path, 1),
        delete=remove(f"{path}/{{user_id}}", 1, named_by="id"),
        left_out={**dropped("id"), **dict.fromkeys(wrong.split(), _WRONG)},
    )


V1_FOLLOWERS = (
    _old_followers(DEAL_FOLLOWERS),
    _old_followers(PERSON_FOLLOWERS, wrong="deal_id"),
    _old_followers(ORGANIZATION_FOLLOWERS),
    _old_followers(PRODUCT_FOLLOWERS, OFFSET),
    USER_FOLLOWERS.with_changes(
        columns=tuple(c._replace(source="-") if c.name == "add_time" else c for c in USER_FOLLOWERS.columns),
        listings=(
            replace(
                old_list(USER_FOLLOWERS.listings[0].path, paging=NONE),
                scalar="user_id",
                key="",
                null_is_empty=True,
            ),
        ),
    ),
)
