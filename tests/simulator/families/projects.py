"""Projects, live and archived, tasks, boards, phases, templates (v2), and plans (v1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulator.account import Account
from tests.simulator.model import Collection, Filter, Record, Test, always, among, flag, holds, numbers
from tests.simulator.refusal import invalid, missing
from tests.simulator.routes import Call, Reply, done, serves
from tests.simulator.verbs import declare

_STATES = ("open", "completed", "canceled", "deleted")


def _settle_project(call: Call, project: Record, body: Mapping[str, Any], new: bool) -> None:
    account = call.account
    if new:
        project["owner_id"] = project["owner_id"] or call.user
    elif project["status"] == "deleted":
        raise missing("projects", project["id"])
    if project["status"] not in _STATES[:3]:
        raise invalid(f"status must be one of {', '.join(_STATES[:3])}")
    for name, table in (("deal_ids", "deals"), ("person_ids", "persons"), ("org_ids", "organizations")):
        project[name] = project[name] or []
        if any(account[table].get(k) is None for k in project[name]):
            raise invalid(f"{name} names what does not exist")
    project["label_ids"] = project["label_ids"] or []
    if "status" in body and not new:
        project["status_change_time"] = account.now("v2", project["update_time"])
    if project["board_id"] is None:
        project["board_id"] = 1
    of_board = [p["id"] for p in account["phases"] if p["board_id"] == project["board_id"]]
    if body.get("phase_id") is not None and project["phase_id"] not in of_board:
        raise invalid("phase_id is not of this board")
    if project["phase_id"] not in of_board:
        project["phase_id"] = of_board[0] if of_board else None


def _settle_task(call: Call, task: Record, body: Mapping[str, Any], new: bool) -> None:
    """done and milestone are written as 0 and 1, and read as is_done and is_milestone."""
    for written, read in (("done", "is_done"), ("milestone", "is_milestone")):
        if body.get(written) is not None:
            task[read] = bool(body[written])
    if "done" in body:
        task["marked_as_done_time"] = call.account.now("v2", task["update_time"]) if task["is_done"] else None
    if new:
        task["creator_id"] = call.user
    if body.get("assignee_id") is not None:
        task["assignee_ids"] = [body["assignee_id"]]
    task["assignee_ids"] = task["assignee_ids"] or []
    if any(call.account["users"].get(u) is None for u in task["assignee_ids"]):
        raise invalid("an assignee does not exist")
    parent = call.account["tasks"].get(task["parent_task_id"])
    if parent is not None and parent["project_id"] != task["project_id"]:
        raise invalid("the parent task is of another project")


def _parent_task(value: str) -> Test:
    wanted = None if value == "null" else int(value)
    return lambda task: task["parent_task_id"] == wanted


def _kept(archived: bool) -> Test:
    return lambda p: (p["archive_time"] is not None) is archived


_FILTERS: dict[str, Filter] = {
    "status": among("status"),
    **numbers("phase_id"),
    "deal_id": holds("deal_ids"),
    "person_id": holds("person_ids"),
    "org_id": holds("org_ids"),
}
_NAMED: Record = {"id": None, "name": None, "order_nr": 1, "add_time": None, "update_time": None}
PROJECTS = Collection(
    "projects",
    "/projects",
    visible=_kept(False),
    filters=_FILTERS,
    entity="project",
    references={
        "owner_id": "users",
        "board_id": "boards",
        "phase_id": "phases",
        "template_id": "project_templates",
    },
    soft=("status", "deleted"),
    settle=_settle_project,
    blank={
        "id": None,
        "title": None,
        "description": None,
        "status": "open",
        "board_id": None,
        "phase_id": None,
        "owner_id": None,
        "start_date": None,
        "end_date": None,
        "deal_ids": [],
        "person_ids": [],
        "org_ids": [],
        "label_ids": [],
        "health_status": None,
        "add_time": None,
        "update_time": None,
        "status_change_time": None,
        "archive_time": None,
        "custom_fields": None,
    },
)
TASKS = Collection(
    "tasks",
    "/tasks",
    bare_end=True,
    filters={
        "is_done": flag("is_done"),
        "is_milestone": flag("is_milestone"),
        "assignee_id": holds("assignee_ids"),
        **numbers("project_id"),
        "parent_task_id": _parent_task,
    },
    references={"project_id": "projects", "parent_task_id": "tasks"},
    soft=None,
    settle=_settle_task,
    blank={
        "id": None,
        "title": None,
        "creator_id": None,
        "description": None,
        "project_id": None,
        "is_done": False,
        "is_milestone": False,
        "due_date": None,
        "start_date": None,
        "parent_task_id": None,
        "assignee_ids": [],
        "priority": None,
        "add_time": None,
        "update_time": None,
        "marked_as_done_time": None,
    },
)
declare(
    PROJECTS,
    Collection(
        "projects",
        "/projects/archived",
        verbs="L",
        one="/projects/{id}",
        visible=_kept(True),
        filters=_FILTERS,
        entity="project",
    ),
    TASKS,
    Collection("boards", "/boards", visible=always, soft=None, order=(("order_nr", False),), blank=_NAMED),
    Collection(
        "phases",
        "/phases",
        visible=always,
        filters=numbers("board_id"),
        references={"board_id": "boards"},
        soft=None,
        order=(("order_nr", False),),
        blank={**_NAMED, "board_id": None},
    ),
    Collection("project_templates", "/projectTemplates", visible=always, verbs="LG"),
    Collection(
        "project_changes",
        "/projects/{id}/changelog",
        verbs="L",
        parent="_project_id",
        parent_table="projects",
        visible=always,
        view=lambda account, row, user: {n: v for n, v in row.items() if n not in ("id", "_project_id")},
    ),
)


def archive_project(call: Call) -> Record:
    project = call.account.get("projects", call.key())
    project["archive_time"] = project["update_time"] = call.account.now("v2", project["update_time"])
    call.account["projects"].put(project)
    return project


@serves(2, "POST /projects/{id}/archive")
def archive(call: Call) -> Reply:
    return done(archive_project(call))


# ---- plans: what stands in which phase and group


def _project(call: Call) -> Record:
    found = call.account.get("projects", call.key())
    if found["status"] == "deleted":
        raise missing("projects", found["id"])
    return found


@serves(1, "GET /projects/{id}/groups")
def groups(call: Call) -> Reply:
    found = call.account["project_groups"].where("_project_id", _project(call)["id"])
    return done([{n: v for n, v in g.items() if n[0] != "_"} for g in found], additional_data=None)


def _item(account: Account, kind: str, record: Record) -> Record:
    placed = account["project_places"].get(f"{kind}:{record['id']}") or {}
    return {
        "item_id": record["id"],
        "item_type": kind,
        "phase_id": placed.get("phase_id"),
        "group_id": placed.get("group_id"),
    }


@serves(1, "GET /projects/{id}/plan")
def plan(call: Call) -> Reply:
    key = _project(call)["id"]
    of_project = (
        ("task", call.account["tasks"].where("project_id", key)),
        ("activity", call.account["activities"].where("project_id", key)),
    )
    items = [
        _item(call.account, kind, r) for kind, rows in of_project for r in rows if not r.get("is_deleted")
    ]
    return done(items, additional_data=None)


@serves(1, "PUT /projects/{id}/plan/activities/{activityId}", "PUT /projects/{id}/plan/tasks/{taskId}")
def place(call: Call) -> Reply:
    name, table, kind = (
        ("taskId", "tasks", "task") if "taskId" in call.values else ("activityId", "activities", "activity")
    )
    record = call.account.get(table, call.key(name))
    if record["project_id"] != _project(call)["id"]:
        raise missing(table, record["id"])
    mark = f"{kind}:{record['id']}"
    placed = call.account["project_places"].get(mark) or {"id": mark, "phase_id": None, "group_id": None}
    placed.update(call.body)
    call.account["project_places"].put(placed)
    return done(_item(call.account, kind, record), additional_data=None)
