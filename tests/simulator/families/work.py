"""Activities and their types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulator.families.contacts import whole_address
from tests.simulator.model import IDS, WINDOW, Collection, Record, always, flag, numbers, text
from tests.simulator.refusal import invalid, missing
from tests.simulator.routes import Call
from tests.simulator.verbs import declare


def _settle_activity(call: Call, activity: Record, body: Mapping[str, Any], new: bool) -> None:
    account = call.account
    if new:
        activity["owner_id"] = activity["owner_id"] or call.user
        activity["creator_user_id"] = call.user
    elif activity["is_deleted"]:
        raise missing("activities", activity["id"])
    if "person_id" in body:  # read-only: the person is the primary participant
        raise invalid("person_id cannot be written; use participants")
    types = {t["key_string"] for t in account["activity_types"] if t["active_flag"]}
    if "type" in body and activity["type"] not in types:
        raise invalid(f"activity type {activity['type']} does not exist")
    if "participants" in body:
        people = [
            {"person_id": p.get("person_id"), "primary": bool(p.get("primary"))}
            for p in body["participants"] or ()
        ]
        if any(account["persons"].get(p["person_id"]) is None for p in people):
            raise invalid("a participant does not exist")
        if sum(p["primary"] for p in people) > 1:
            raise invalid("there can be one primary participant")
        if people and not any(p["primary"] for p in people):
            people[0]["primary"] = True
        activity["participants"] = people
        activity["person_id"] = next((p["person_id"] for p in people if p["primary"]), None)
    if "done" in body:
        activity["marked_as_done_time"] = account.now("v2", activity["update_time"]) if body["done"] else None
    if "location" in body:
        activity["location"] = whole_address(body["location"])


ACTIVITIES = Collection(
    "activities",
    "/activities",
    filters={
        **numbers("owner_id", "deal_id", "person_id", "org_id"),
        "lead_id": text("lead_id"),
        "done": flag("done"),
        **IDS,
        **WINDOW,
    },
    bare_end=True,
    settle=_settle_activity,
    references={
        "owner_id": "users",
        "deal_id": "deals",
        "org_id": "organizations",
        "lead_id": "leads",
        "project_id": "projects",
    },
    blank={
        "id": None,
        "subject": "Call",
        "type": "call",
        "owner_id": None,
        "creator_user_id": None,
        "is_deleted": False,
        "add_time": None,
        "update_time": None,
        "deal_id": None,
        "lead_id": None,
        "person_id": None,
        "org_id": None,
        "project_id": None,
        "due_date": None,
        "due_time": None,
        "duration": None,
        "busy": False,
        "done": False,
        "marked_as_done_time": None,
        "location": None,
        "participants": [],
        "attendees": None,
        "conference_meeting_client": None,
        "conference_meeting_url": None,
        "conference_meeting_id": None,
        "public_description": None,
        "priority": None,
        "note": None,
    },
)


def _settle_type(call: Call, record: Record, body: Mapping[str, Any], new: bool) -> None:
    if new:
        record["key_string"] = str(record["name"]).lower().replace(" ", "_")


declare(
    ACTIVITIES,
    Collection(
        "activity_types",
        "/activityTypes",
        1,
        verbs="LCUD",
        visible=always,
        soft=("active_flag", False),
        clock="v1",
        settle=_settle_type,
        blank={
            "id": None,
            "name": None,
            "icon_key": "task",
            "color": None,
            "order_nr": 9,
            "key_string": None,
            "active_flag": True,
            "is_custom_flag": True,
            "add_time": None,
            "update_time": None,
        },
    ),
)
