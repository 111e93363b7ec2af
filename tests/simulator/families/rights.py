"""Who may see and do what: permitted users, permissions, settings of roles. v1, of projects v2."""

from __future__ import annotations

import json

from tests.simulator.model import Record
from tests.simulator.refusal import invalid
from tests.simulator.routes import Call, Reply, done, serves

_PERMISSIONS = (
    "can_add_custom_fields", "can_add_products", "can_add_prospects_as_leads", "can_bulk_edit_items",
    "can_change_visibility_of_items", "can_convert_deals_to_leads", "can_create_own_workflow",
    "can_delete_activities", "can_delete_custom_fields", "can_delete_deals", "can_edit_custom_fields",
    "can_edit_deals_closed_date", "can_edit_products", "can_edit_shared_filters",
    "can_export_data_from_lists", "can_follow_other_users", "can_merge_deals", "can_merge_organizations",
    "can_merge_people", "can_modify_labels", "can_see_company_wide_statistics",
    "can_see_deals_list_summary", "can_see_hidden_items_names", "can_see_other_users",
    "can_see_other_users_statistics", "can_see_security_dashboard", "can_share_filters",
    "can_share_insights", "can_use_api", "can_use_email_tracking", "can_use_import",
)  # fmt: skip


def _permitted(call: Call) -> Reply:
    """The active users; of every fifth record the owners of the account alone."""
    table = call.op.path.split("/")[1]
    found = call.account.get(table, call.key())
    few = isinstance(found["id"], int) and found["id"] % 5 == 0
    return done([u["id"] for u in call.account["users"] if u["active_flag"] and (not few or u["id"] < 3)])


serves(
    1,
    *(f"GET /{t}/{{id}}/permittedUsers" for t in ("deals", "leads", "persons", "organizations", "products")),
)(_permitted)
serves(2, "GET /projects/{id}/permittedUsers")(_permitted)


@serves(1, "GET /users/{id}/permissions")
def permissions(call: Call) -> Reply:
    user = call.account.get("users", call.key())["id"]
    return done({name: (n + user) % 3 != 0 for n, name in enumerate(_PERMISSIONS)})


# ---- what a role sets


def _kept(call: Call, role: int) -> Record:
    """What is kept of a role; a new one begins like the default role."""
    table = call.account["role_settings"]
    return table.get(role) or {**call.account.get("role_settings", 1), "id": role, "_hidden": []}


def _settings(call: Call, role: int) -> Record:
    """The default role alone has access levels."""
    found = _kept(call, role)
    return {n: v for n, v in found.items() if n not in ("id", "_hidden") and (v is not None or role == 1)}


@serves(1, "GET /roles/{id}/settings")
def role_settings(call: Call) -> Reply:
    return done(_settings(call, call.account.get("roles", call.key())["id"]))


@serves(1, "GET /users/{id}/roleSettings")
def user_role_settings(call: Call) -> Reply:
    return done(_settings(call, call.account.get("users", call.key())["role_id"]))


@serves(1, "POST /roles/{id}/settings")
def set_role_setting(call: Call) -> Reply:
    found = _kept(call, call.account.get("roles", call.key())["id"])
    found[call.body["setting_key"]] = call.body["value"]
    call.account["role_settings"].put(found)
    return done({"id": found["id"], call.body["setting_key"]: call.body["value"]})


@serves(1, "GET /roles/{id}/pipelines")
def role_pipelines(call: Call) -> Reply:
    visible = call.query.get("visible", "true") in ("true", "1")
    hidden = _kept(call, call.account.get("roles", call.key())["id"])["_hidden"]
    there = [p["id"] for p in call.account["pipelines"] if not p["is_deleted"]]
    return done({"pipeline_ids": [p for p in there if (p not in hidden) is visible], "visible": visible})


@serves(1, "PUT /roles/{id}/pipelines")
def set_role_pipelines(call: Call) -> Reply:
    """Two lists, each written as the text of a JSON array."""
    found = _kept(call, call.account.get("roles", call.key())["id"])
    given = call.body["visible_pipeline_ids"]
    if set(given) != {"add", "remove"} or not all(isinstance(v, str) for v in given.values()):
        raise invalid("visible_pipeline_ids must have add and remove, each the text of a list")
    show, hide = json.loads(given["add"]), json.loads(given["remove"])
    if any(call.account["pipelines"].get(key) is None for key in (*show, *hide)):
        raise invalid("a pipeline does not exist")
    found["_hidden"] = sorted({*found["_hidden"], *hide} - {*show})
    call.account["role_settings"].put(found)
    there = [p["id"] for p in call.account["pipelines"] if not p["is_deleted"]]
    return done({"pipeline_ids": [p for p in there if p not in found["_hidden"]], "visible": True})
