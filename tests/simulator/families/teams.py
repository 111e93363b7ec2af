"""Teams of users. All v1, and deprecated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulator.model import Collection, Record, always
from tests.simulator.refusal import invalid
from tests.simulator.routes import Call, Reply, done, serves
from tests.simulator.verbs import declare


def _settle(call: Call, team: Record, body: Mapping[str, Any], new: bool) -> None:
    team["users"] = list(dict.fromkeys(team["users"] or []))
    for user in (team["manager_id"], *team["users"]):
        if call.account["users"].get(user) is None:
            raise invalid(f"user {user} does not exist")
    if new:
        team["created_by_user_id"] = call.user


TEAMS = Collection(
    "legacy_teams",
    "/legacyTeams",
    1,
    verbs="GCU",
    visible=always,
    clock="v1",
    settle=_settle,
    blank={
        "id": None,
        "name": None,
        "description": None,
        "manager_id": None,
        "users": None,
        "active_flag": 1,
        "deleted_flag": 0,
        "add_time": None,
        "created_by_user_id": None,
    },
)
declare(TEAMS)


def _shown(call: Call, teams: list[Record]) -> Reply:
    """Ordered as asked; without users where these are skipped."""
    teams = sorted(teams, key=lambda team: str(team[call.query.get("order_by", "id")]).rjust(20))
    skipped = ("users",) if call.query.get("skip_users") == "1" else ()
    return done([{n: v for n, v in team.items() if n not in skipped} for team in teams])


@serves(1, "GET /legacyTeams")
def teams(call: Call) -> Reply:
    return _shown(call, list(call.account["legacy_teams"]))


@serves(1, "GET /legacyTeams/user/{id}")
def teams_of(call: Call) -> Reply:
    user = call.account.get("users", call.key())["id"]
    return _shown(call, [team for team in call.account["legacy_teams"] if user in team["users"]])


@serves(1, "GET /legacyTeams/{id}/users")
def team_users(call: Call) -> Reply:
    return done(call.account.get("legacy_teams", call.key())["users"])


@serves(1, "POST /legacyTeams/{id}/users", "DELETE /legacyTeams/{id}/users")
def change_team_users(call: Call) -> Reply:
    team = call.account.get("legacy_teams", call.key())
    given = call.body["users"]
    if any(call.account["users"].get(user) is None for user in given):
        raise invalid("a user does not exist")
    kept = [user for user in team["users"] if user not in given]
    team["users"] = kept + (given if call.op.method == "POST" else [])
    call.account["legacy_teams"].put(team)
    return done(team["users"])
