"""Notes and their comments. v1: pin flags go in as 0 and 1 and come back as booleans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulator.account import Account
from tests.simulator.model import Collection, Record, Test, active, flag, numbers, since, text
from tests.simulator.refusal import invalid
from tests.simulator.routes import Call
from tests.simulator.verbs import declare

_LINKS = {
    "lead_id": "leads",
    "deal_id": "deals",
    "person_id": "persons",
    "org_id": "organizations",
    "project_id": "projects",
    "task_id": "tasks",
}
_PINS = ("deal", "organization", "person", "project", "task")


def _view(account: Account, note: Record, user: int) -> Record:
    out = {n: v for n, v in note.items() if n[0] != "_"}
    for name, table, label in (
        ("deal", "deals", "title"),
        ("person", "persons", "name"),
        ("organization", "organizations", "name"),
        ("project", "projects", "title"),
        ("task", "tasks", "title"),
    ):
        key = note["org_id" if name == "organization" else f"{name}_id"]
        linked = account[table].get(key) if key is not None else None
        out[name] = {label: linked[label]} if linked else None
    author = account.user(note["user_id"])
    out["user"] = {
        "email": author.get("email"),
        "icon_url": author.get("icon_url"),
        "is_you": note["user_id"] == user,
        "name": author.get("name"),
    }
    return out


def _settle(call: Call, note: Record, body: Mapping[str, Any], new: bool) -> None:
    if new:
        note["user_id"] = note["user_id"] or call.user
        note["add_time"] = body.get("add_time") or note["add_time"]
    else:
        note["last_update_user_id"] = call.user
    if not note["content"]:
        raise invalid("content is required")
    if all(note[n] is None for n in _LINKS):
        raise invalid("A note must be linked to a lead, deal, person, organization, project or task")
    if "pinned_to_lead_flag" in body:
        note["_pinned_to_lead_flag"] = bool(int(body["pinned_to_lead_flag"] or 0))
    for name in _PINS:
        field = f"pinned_to_{name}_flag"
        note[field] = bool(int(note[field] or 0))


def _from(value: str) -> Test:
    return lambda note: note["add_time"][:10] >= value


def _to(value: str) -> Test:
    return lambda note: note["add_time"][:10] <= value


def _settle_comment(call: Call, comment: Record, body: Mapping[str, Any], new: bool) -> None:
    if new:
        comment["user_id"] = call.user
        comment["object_id"] = str(comment["_note_id"])
    comment["updater_id"] = call.user


declare(
    Collection(
        "notes",
        "/notes",
        1,
        visible=active,
        view=_view,
        fixed=False,
        empty=None,
        clock="v1",
        soft=("active_flag", False),
        deleted=True,
        settle=_settle,
        references={**_LINKS, "user_id": "users"},
        filters={
            **numbers("user_id", "deal_id", "person_id", "org_id", "project_id", "task_id"),
            "lead_id": text("lead_id"),
            "start_date": _from,
            "end_date": _to,
            "updated_since": since("update_time"),
            **{f"pinned_to_{n}_flag": flag(f"pinned_to_{n}_flag") for n in _PINS},
            "pinned_to_lead_flag": flag("_pinned_to_lead_flag"),
        },
        blank={
            "id": None,
            "active_flag": True,
            "add_time": None,
            "content": None,
            "lead_id": None,
            "deal_id": None,
            "last_update_user_id": None,
            "org_id": None,
            "person_id": None,
            "project_id": None,
            "task_id": None,
            **{f"pinned_to_{n}_flag": False for n in _PINS},
            "_pinned_to_lead_flag": False,
            "update_time": None,
            "user_id": None,
        },
    ),
    Collection(
        "note_comments",
        "/notes/{id}/comments",
        1,
        one="/notes/{id}/comments/{commentId}",
        key="uuid",
        visible=active,
        parent="_note_id",
        parent_table="notes",
        clock="v1",
        order=(("add_time", False),),
        soft=None,
        deleted=True,
        settle=_settle_comment,
        blank={
            "uuid": None,
            "active_flag": True,
            "add_time": None,
            "update_time": None,
            "content": None,
            "object_id": None,
            "object_type": "note",
            "user_id": None,
            "updater_id": None,
            "company_id": 99,
            "_note_id": None,
        },
    ),
)
