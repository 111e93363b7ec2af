"""Users, roles, permission sets, and the caller's settings. All v1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulator.account import Account
from tests.simulator.listing import list_page
from tests.simulator.model import Collection, Record, active, always, text
from tests.simulator.refusal import Refusal, missing
from tests.simulator.routes import Call, Reply, done, serves
from tests.simulator.verbs import declare

COMPANY = {
    "company_id": 99,
    "company_name": "Acme “Made-up” Ltd.",
    "company_domain": "acme",
    "company_country": "EE",
    "company_industry": "software",
    "language": {"language_code": "en", "country_code": "US"},
}


def _user(account: Account, user: Record, caller: int) -> Record:
    return {**user, "is_you": user["id"] == caller}


def _settle_user(call: Call, user: Record, body: Mapping[str, Any], new: bool) -> None:
    if new:
        if any(u["email"] == user["email"] and u is not user for u in call.account["users"]):
            raise Refusal(400, "The email is in use")
        user["name"] = str(user["email"]).partition("@")[0]
        user["created"] = call.account.now("v1")
        user["access"] = user["access"] or [{"app": "sales", "admin": False, "permission_set_id": None}]
        call.account["role_assignments"].put({"id": user["id"], "user_id": user["id"], "role_id": 1})
    else:
        user["modified"] = call.account.now("v1", user["modified"])


USERS = Collection(
    "users",
    "/users",
    1,
    verbs="LGCU",
    visible=always,
    view=_user,
    fixed=False,
    settle=_settle_user,
    blank={
        "id": None,
        "name": None,
        "default_currency": "EUR",
        "locale": "en_US",
        "lang": 1,
        "email": None,
        "phone": None,
        "activated": False,
        "last_login": None,
        "created": None,
        "modified": None,
        "has_created_company": False,
        "access": None,
        "active_flag": True,
        "timezone_name": "Europe/Tallinn",
        "timezone_offset": "+03:00",
        "role_id": 1,
        "icon_url": None,
        "is_deleted": False,
    },
)


def _role(account: Account, role: Record, user: int) -> Record:
    """The counts are texts, as the API has them."""
    assigned = account["role_assignments"].where("role_id", role["id"])
    below = [r for r in account["roles"] if r["parent_role_id"] == role["id"] and r["active_flag"]]
    return {
        "parent_role_id": role["parent_role_id"],
        "name": role["name"],
        "id": role["id"],
        "active_flag": role["active_flag"],
        "assignment_count": str(len(assigned)),
        "sub_role_count": str(len(below)),
        "level": _level(account, role),
    }


def _level(account: Account, role: Record) -> int:
    level, parent = 1, role["parent_role_id"]
    while parent is not None and level < 10:
        level, parent = level + 1, account.get("roles", parent)["parent_role_id"]
    return level


def _settle_role(call: Call, role: Record, body: Mapping[str, Any], new: bool) -> None:
    if new and role["parent_role_id"] is None:
        role["parent_role_id"] = 1


def assignment(account: Account, row: Record, user: int) -> Record:
    role = account.get("roles", row["role_id"])
    return {
        "parent_role_id": role["parent_role_id"],
        "name": role["name"],
        "user_id": row["user_id"],
        "role_id": row["role_id"],
        "active_flag": role["active_flag"],
        "type": "1",
    }


def _set_view(account: Account, row: Record, user: int) -> Record:
    count = len([u for u in account["users"] if _has(u, row["id"])])
    return {**{n: v for n, v in row.items() if n[0] != "_"}, "assignment_count": count}


def _has(user: Record, key: str) -> bool:
    return any(a["permission_set_id"] == key for a in user["access"])


ASSIGNMENTS = Collection(
    "role_assignments",
    "/roles/{id}/assignments",
    1,
    verbs="L",
    visible=always,
    parent="role_id",
    parent_table="roles",
    view=assignment,
    fixed=False,
    order=(("user_id", False),),
)
SETS = Collection(
    "permission_sets", "/permissionSets", 1, verbs="L", visible=always, view=_set_view, fixed=False,
    filters={"app": text("app")},
)  # fmt: skip
declare(
    USERS,
    SETS,
    ASSIGNMENTS,
    Collection(
        "roles",
        "/roles",
        1,
        visible=active,
        view=_role,
        fixed=False,
        soft=("active_flag", False),
        settle=_settle_role,
        references={"parent_role_id": "roles"},
        verbs="LCU",
        blank={"parent_role_id": None, "name": None, "id": None, "active_flag": True},
    ),
)


@serves(1, "GET /users/me")
def me(call: Call) -> Reply:
    user = call.account.get("users", call.user)
    return done({**_user(call.account, user, call.user), **COMPANY})


@serves(1, "GET /users/find")
def find_users(call: Call) -> Reply:
    term, name = call.query["term"].casefold(), "email" if call.flag("search_by_email") else "name"
    found = [u for u in call.account["users"] if term in str(u[name]).casefold()]
    return done([_user(call.account, u, call.user) for u in found])


@serves(1, "GET /userSettings")
def user_settings(call: Call) -> Reply:
    return done(
        {
            "marketplace_team": False,
            "list_limit": 250,
            "beta_app": False,
            "prevent_salesphone_callto_override": False,
            "file_upload_destination": "s3",
            "callto_link_syntax": "tel:",
            "autofill_deal_expected_close_date": True,
            "person_duplicate_condition": "name_and_email",
        }
    )


# ---- roles


@serves(1, "GET /roles/{id}")
def role(call: Call) -> Reply:
    found = dict(_role(call.account, call.account.get("roles", call.key()), call.user))
    found.pop("level")
    names = ("deal", "lead", "org", "person", "product")
    levels = {f"{n}_access_level": 7 for n in names if n != "lead"}
    return done(
        found, additional_data={"settings": {**{f"{n}_default_visibility": 3 for n in names}, **levels}}
    )


@serves(1, "DELETE /roles/{id}")
def delete_role(call: Call) -> Reply:
    found = call.account.get("roles", call.key())
    if found["id"] == 1 or not found["active_flag"]:
        raise Refusal(400, "This role cannot be deleted")
    found["active_flag"] = False
    call.account["roles"].put(found)
    for row in list(call.account["role_assignments"].where("role_id", found["id"])):
        _assign(call, row["user_id"], 1)
    return done({"id": found["id"]})


def _assign(call: Call, user: int, role_id: int) -> None:
    call.account.get("users", user)["role_id"] = role_id
    call.account["role_assignments"].put({"id": user, "user_id": user, "role_id": role_id})
    call.account["users"].put(call.account.get("users", user))


@serves(1, "POST /roles/{id}/assignments")
def assign(call: Call) -> Reply:
    """A user has one role: the new one takes the place of the old."""
    found, user = call.account.get("roles", call.key()), int(call.body["user_id"])
    if not found["active_flag"]:
        raise missing("roles", found["id"])
    _assign(call, call.account.get("users", user)["id"], found["id"])
    return done({"user_id": user, "role_id": found["id"]})


@serves(1, "DELETE /roles/{id}/assignments")
def unassign(call: Call) -> Reply:
    """The user falls back to the default role."""
    user = int(call.body["user_id"])
    row = call.account["role_assignments"].get(user)
    if row is None or row["role_id"] != call.key():
        raise missing("assignment of user", user)
    _assign(call, user, 1)
    return done({"id": call.key()})


@serves(1, "GET /users/{id}/roleAssignments")
def assignments_of(call: Call) -> Reply:
    call.account.get("users", call.key())
    return list_page(call, ASSIGNMENTS, call.account["role_assignments"].where("user_id", call.key()))


@serves(1, "GET /permissionSets/{id}")
def permission_set(call: Call) -> Reply:
    """Its answer has no envelope."""
    found = call.account.get("permission_sets", call.values["id"])
    return {**_set_view(call.account, found, call.user), "contents": found["_contents"]}


@serves(1, "GET /permissionSets/{id}/assignments")
def set_assignments(call: Call) -> Reply:
    key = call.account.get("permission_sets", call.values["id"])["id"]
    rows = [
        {"id": u["id"], "user_id": u["id"], "permission_set_id": key, "name": u["name"]}
        for u in call.account["users"]
        if _has(u, key)
    ]
    view = Collection(
        "users",
        call.op.path,
        1,
        fixed=False,
        view=lambda account, row, user: {n: v for n, v in row.items() if n != "id"},
    )
    return list_page(call, view, rows)
