"""Teams of users, as they were before Pipedrive's groups (API v1)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import ADD_TIME, ID, ROW_ID, add, change, parent, ref, writable
from pipedrive_fdw.catalog.model import NONE, Column, Get, Listing, Parent, Table, Write

_NEEDS = (
    "the account must have teams, which Pipedrive has replaced (OAuth scope users:read, to change them admin)"
)

LEGACY_TEAMS = Table(
    name="legacy_teams",
    doc="Teams of users. A team is deleted by UPDATE … SET deleted_flag = true.",
    columns=(
        ID,
        *writable(
            Column("name", "text", "Name.", required=True),
            Column("description", "text", "Description."),
            ref("manager_id", "users", "The user who leads it.", required=True),
            Column("users", "bigint[]", "Ids of its users.", references="users.id"),
        ),
        Column("active_flag", "boolean", "Whether it is active.", update=True, sent="flag"),
        Column("deleted_flag", "boolean", "Whether it is deleted.", update=True, sent="flag"),
        ADD_TIME,
        ref("created_by_user_id", "users", "The user who created it."),
    ),
    listings=(Listing("/legacyTeams", tokens=20, version=1, paging=NONE, null_is_empty=True),),
    get=Get("/legacyTeams/{id}", tokens=2, version=1),
    insert=add("/legacyTeams", 1),
    update=change("/legacyTeams/{id}", 1),
    needs=_NEEDS,
    removed=True,
    rows=10,
)

_USERS = "/legacyTeams/{team_id}/users"
LEGACY_TEAM_USERS = Table(
    name="legacy_team_users",
    doc="Which user is in which team. To read all teams, legacy_teams.users is cheaper.",
    columns=(
        parent("team_id", "legacy_teams", "The team.", insert=True, required=True),
        ref(
            "user_id",
            "users",
            "The user.",
            not_null=True,
            insert=True,
            required=True,
            body="users",
            sent="list",
        ),
        ROW_ID,
    ),
    listings=(Listing(_USERS, tokens=20, version=1, paging=NONE, scalar="user_id", null_is_empty=True),),
    key=("team_id", "user_id"),
    parent=Parent("legacy_teams", "team_id"),
    insert=add(_USERS, 1),
    delete=Write(_USERS, tokens=10, version=1, method="DELETE", fields=("user_id",)),
    needs=_NEEDS,
    removed=True,
    rows=50,
)

TABLES = (LEGACY_TEAMS, LEGACY_TEAM_USERS)
