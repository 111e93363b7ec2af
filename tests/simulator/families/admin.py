"""Currencies, filters, goals and webhooks. All v1."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from tests.simulator.account import Account
from tests.simulator.model import Collection, Record, Test, active, always, text
from tests.simulator.refusal import Refusal, invalid, missing
from tests.simulator.routes import Call, Reply, done, serves
from tests.simulator.verbs import declare


def _term(value: str) -> Test:
    return lambda row: value.casefold() in f"{row['name']} {row['code']}".casefold()


def _without_conditions(account: Account, row: Record, user: int) -> Record:
    return {n: v for n, v in row.items() if n != "conditions"}


FILTERS = Collection(
    "filters",
    "/filters",
    1,
    verbs="L",
    visible=active,
    view=_without_conditions,
    filters={"type": text("type")},
)
declare(
    FILTERS,
    Collection("currencies", "/currencies", 1, verbs="L", visible=always, filters={"term": _term}),
    Collection("webhooks", "/webhooks", 1, verbs="LD", visible=always, soft=None),
)


def _checked_conditions(given: Any) -> Any:
    """{glue: and, conditions: [{glue: and, …}, {glue: or, …}]} of at most 16 conditions."""
    groups = given.get("conditions") if isinstance(given, dict) else None
    if (
        not isinstance(groups, list)
        or given.get("glue") != "and"
        or [g.get("glue") for g in groups] != ["and", "or"]
    ):
        raise invalid("conditions must be an 'and' of an 'and' group and an 'or' group")
    single = [c for g in groups for c in g.get("conditions") or ()]
    if len(single) > 16:
        raise invalid("a filter has at most 16 conditions")
    return {
        **given,
        "conditions": [
            {**g, "conditions": [{**c, "json_value_flag": False} for c in g.get("conditions") or ()]}
            for g in groups
        ],
    }


def _filter(call: Call) -> Record:
    found = call.account.get("filters", call.key())
    if not found["active_flag"]:
        raise missing("filters", found["id"])
    return found


@serves(1, "GET /filters/{id}")
def get_filter(call: Call) -> Reply:
    found = _filter(call)
    groups = [
        {**g, "conditions": [_condition(call, c) for c in g["conditions"] or ()]}
        for g in found["conditions"]["conditions"]
    ]
    return done({**found, "conditions": {**found["conditions"], "conditions": groups}})


def _condition(call: Call, node: Record) -> Record:
    out = dict(node)
    if call.flag("include_field_code"):
        entity = {"organization": "organization", "lead": "deal"}.get(node["object"], node["object"])
        fields = call.account.tables.get(f"{entity}_fields") or ()
        out["field_code"] = next(
            (f["field_code"] for f in fields if str(f["_id"]) == str(node["field_id"])), None
        )
    return out


@serves(1, "POST /filters")
def create_filter(call: Call) -> Reply:
    table = call.account["filters"]
    key = table.new_key()
    table.put(
        {
            "id": key,
            "name": call.body["name"],
            "filter_code": None,
            "is_editable": True,
            "active_flag": True,
            "type": call.body["type"],
            "temporary_flag": None,
            "user_id": call.user,
            "add_time": call.account.now("v1"),
            "update_time": None,
            "visible_to": "1",
            "last_used_time": None,
            "custom_view_id": None,
            "conditions": _checked_conditions(call.body["conditions"]),
        }
    )
    return call.op.status, done({"id": key})


@serves(1, "PUT /filters/{id}")
def change_filter(call: Call) -> Reply:
    found = _filter(call)
    found["conditions"] = _checked_conditions(call.body["conditions"])
    found["name"] = call.body.get("name", found["name"])
    found["update_time"] = call.account.now("v1", found["update_time"])
    call.account["filters"].put(found)
    return done({"id": found["id"]})


@serves(1, "DELETE /filters/{id}")
def delete_filter(call: Call) -> Reply:
    found = _filter(call)
    found["active_flag"] = False
    call.account["filters"].put(found)
    return done({"id": found["id"]})


@serves(1, "DELETE /filters")
def delete_filters(call: Call) -> Reply:
    found = [call.account.get("filters", int(key)) for key in call.query["ids"].split(",")]
    for one in found:
        one["active_flag"] = False
        call.account["filters"].put(one)
    return done({"id": [one["id"] for one in found]})


@serves(1, "GET /filters/helpers")
def filter_helpers(call: Call) -> Reply:
    """Its answer has no envelope."""
    return {
        "operators": {"date": [{"=": "is"}], "varchar": [{"=": "is"}, {"IS NOT NULL": "is not empty"}]},
        "deprecated_operators": {},
        "relative_dates": {"today": "today"},
        "address_field_components": {"postal_code": "postal code"},
    }


# ---- what the company and the caller have


@serves(1, "GET /billing/subscriptions/addons")
def addons(call: Call) -> Reply:
    return done([{"code": code} for code in ("leadbooster_v2", "projects", "smart_docs_v2")])


@serves(1, "GET /userConnections")
def connections(call: Call) -> Reply:
    return done({"google": "made-up-4711" if call.user == 1 else False})


# ---- goals


@serves(1, "GET /goals/find")
def find_goals(call: Call) -> Reply:
    """Without criteria the caller's own; is_active is true unless asked otherwise."""
    query = dict(call.query)
    wanted = query.pop("is_active", "true") == "true"
    rows = [g for g in call.account["goals"] if g["is_active"] is wanted]
    if not [n for n in query if not n.startswith("period.")]:
        rows = [g for g in rows if g["owner_id"] == call.user]
    if ("period.start" in query) != ("period.end" in query):
        raise invalid("period.start and period.end go together")
    for name, value in query.items():
        if not name.startswith("period."):
            rows = [g for g in rows if _goal_has(g, name, value)]
    return done({"goals": rows})


def _goal_has(goal: Any, name: str, value: str) -> bool:
    for part in name.split("."):
        goal = goal.get(part) if isinstance(goal, dict) else None
    if isinstance(goal, list):
        return int(value) in goal
    if isinstance(goal, str) and name == "title":
        return value.casefold() in goal.casefold()
    return goal is not None and str(goal) == value


def _checked_goal(body: Mapping[str, Any]) -> None:
    kinds = ("deals_won", "deals_progressed", "activities_completed", "activities_added", "deals_started",
             "revenue_forecast")  # fmt: skip
    if "type" in body and (body["type"] or {}).get("name") not in kinds:
        raise invalid(f"type.name must be one of {', '.join(kinds)}")
    if "assignee" in body and set(body["assignee"] or ()) != {"id", "type"}:
        raise invalid("assignee needs id and type")
    if "duration" in body and "start" not in (body["duration"] or ()):
        raise invalid("duration needs start")
    outcome = body.get("expected_outcome")
    if outcome is not None and not {"target", "tracking_metric"} <= set(outcome):
        raise invalid("expected_outcome needs target and tracking_metric")


@serves(1, "POST /goals")
def create_goal(call: Call) -> Reply:
    _checked_goal(call.body)
    goal = {
        "id": secrets.token_hex(12),
        "owner_id": call.user,
        "title": call.body.get("title"),
        **{n: call.body[n] for n in ("type", "assignee", "interval", "duration", "expected_outcome")},
        "is_active": True,
        "report_ids": [secrets.token_hex(12)],
    }
    call.account["goals"].put(goal)
    return call.op.status, done({"goal": goal})


@serves(1, "PUT /goals/{id}")
def change_goal(call: Call) -> Reply:
    _checked_goal(call.body)
    goal = call.account.get("goals", call.values["id"])
    goal.update(call.body)
    call.account["goals"].put(goal)
    return done({"goal": goal})


@serves(1, "DELETE /goals/{id}")
def delete_goal(call: Call) -> Reply:
    call.account["goals"].remove(call.account.get("goals", call.values["id"]))
    return done(True)


@serves(1, "POST /webhooks")
def create_webhook(call: Call) -> Reply:
    table = call.account["webhooks"]
    if len(table.rows) >= 40:
        raise Refusal(422, "There are too many webhooks")
    if not str(call.body["subscription_url"]).startswith("https://"):
        raise invalid("subscription_url must be https")
    body = {
        "version": "2.0",
        "http_auth_user": None,
        "http_auth_password": None,
        "user_id": call.user,
        **call.body,
    }
    made = {**_BLANK_HOOK, **body, "id": table.new_key(), "add_time": call.account.now("ms")}
    table.put(made)
    return call.op.status, done(made)


_BLANK_HOOK: Record = {
    "company_id": 99,
    "owner_id": 1,
    "is_active": 1,
    "remove_time": None,
    "type": "general",
    "remove_reason": None,
    "last_delivery_time": None,
    "last_http_status": None,
    "admin_id": 1,
}
