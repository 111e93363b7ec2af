"""Projects, tasks, boards, phases and templates as v1 shows and takes them: other names, one person and one
organization, times without a zone, flat custom fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.simulator.account import Account
from tests.simulator.checks import FIELD_KEY
from tests.simulator.custom import definitions, flattened, from_flat, unset
from tests.simulator.families.projects import PROJECTS, TASKS, archive_project
from tests.simulator.filters import test_of
from tests.simulator.listing import list_page
from tests.simulator.model import Collection, Record, always, among, flag, holds, numbers
from tests.simulator.refusal import missing
from tests.simulator.routes import Call, Reply, done, serves
from tests.simulator.verbs import change, create, declare, delete

_ONE = {"person_ids": "person_id", "org_ids": "org_id"}


def _in_v1_form(record: Mapping[str, Any]) -> Record:
    """The record with v1's times."""
    return {
        name: value.replace("T", " ").rstrip("Z") if name.endswith("_time") and value else value
        for name, value in record.items()
        if name[0] != "_"
    }


def _project_view(account: Account, project: Record, user: int) -> Record:
    out = _in_v1_form(project)
    for several, one in _ONE.items():
        out[one] = next(iter(out.pop(several)), None)
    out["labels"] = out.pop("label_ids")
    custom, known = out.pop("custom_fields"), definitions(account, "project")
    return {**out, **unset(known), **flattened(account, custom, known)}


def _task_view(account: Account, task: Record, user: int) -> Record:
    out = _in_v1_form(task)
    for name in ("is_milestone", "start_date", "priority"):
        out.pop(name)
    out["done"] = int(out.pop("is_done"))
    return {**out, "assignee_id": next(iter(out["assignee_ids"]), None)}


V1_PROJECTS = replace(PROJECTS, version=1, verbs="G", visible=always, view=_project_view)


def _plain(path: str, table: str, verbs: str = "LG", **more: Any) -> Collection:
    return Collection(
        table,
        path,
        1,
        verbs=verbs,
        visible=always,
        view=lambda account, record, user: _in_v1_form(record),
        **more,
    )


_NUMBERED = (("order_nr", False),)
declare(
    V1_PROJECTS,
    replace(
        TASKS,
        version=1,
        view=_task_view,
        bare_end=False,
        filters={
            "done": flag("is_done"),
            "assignee_id": holds("assignee_ids"),
            **numbers("project_id"),
            "parent_task_id": TASKS.filters["parent_task_id"],
        },
    ),
    _plain("/projects/boards", "boards", order=_NUMBERED),
    _plain("/projects/phases", "phases", filters=numbers("board_id"), order=_NUMBERED),
    _plain("/projectTemplates", "project_templates"),
)


@serves(1, "GET /projects")
def listed(call: Call) -> Reply:
    query = call.query
    status = query.get("status", "")
    rows = [p for p in call.account["projects"] if p["status"] != "deleted" or "deleted" in status.split(",")]
    if not call.flag("include_archived"):
        rows = [p for p in rows if p["archive_time"] is None]
    tests = [test_of(call.account, int(query["filter_id"]))] if "filter_id" in query else []
    if not tests:
        tests += [among("status")(status)] if status else []
        tests += [numbers("phase_id")["phase_id"](query["phase_id"])] if "phase_id" in query else []
    return list_page(call, V1_PROJECTS, [p for p in rows if all(test(p) for test in tests)])


def _body(call: Call) -> Record:
    """The v1 body under v2's names."""
    custom = {n: v for n, v in call.body.items() if FIELD_KEY.fullmatch(n)}
    out = {n: v for n, v in call.body.items() if n not in custom}
    for several, one in _ONE.items():
        if one in out:
            value = out.pop(one)
            out[several] = [] if value is None else [value]
    if "labels" in out:
        out["label_ids"] = out.pop("labels")
    if custom:
        out["custom_fields"] = from_flat(call.account, "project", custom)
    return out


def _project(call: Call) -> Record:
    project = call.account.get("projects", call.key())
    if project["status"] == "deleted":
        raise missing("projects", project["id"])
    return project


def _shown(call: Call, project: Record) -> Record:
    return done(_project_view(call.account, project, call.user), additional_data=None)


@serves(1, "POST /projects")
def add(call: Call) -> Reply:
    return call.op.status, _shown(call, create(call, V1_PROJECTS, _body(call)))


@serves(1, "PUT /projects/{id}")
def update(call: Call) -> Reply:
    return _shown(call, change(call, V1_PROJECTS, _project(call), _body(call)))


@serves(1, "DELETE /projects/{id}")
def remove(call: Call) -> Reply:
    project = _project(call)
    delete(call, V1_PROJECTS, project)
    return done({"id": project["id"]}, additional_data=None)


@serves(1, "POST /projects/{id}/archive")
def archive(call: Call) -> Reply:
    return _shown(call, archive_project(call))
