"""Projects, their tasks, plans, templates, boards and phases (API v2; plans v1)."""

from __future__ import annotations

from dataclasses import replace

from pipedrive_fdw.catalog.common import (
    ADD_TIME,
    BY_FILTER,
    CUSTOM_FIELDS,
    FILTER_ID,
    ID,
    LABEL_IDS,
    ROW_ID,
    UPDATE_TIME,
    add,
    change,
    parent,
    ref,
    remove,
    writable,
)
from pipedrive_fdw.catalog.model import NONE, Column, Filter, Get, Listing, Parent, Table, Write

_NEEDS = "the account needs the Projects add-on, the token the OAuth scope projects:read or projects:full"

_PROJECT_LIST = Listing(
    "/projects",
    tokens=10,
    filters=(
        BY_FILTER,
        Filter("status", values=("open", "completed", "canceled"), share=0.4),
        Filter("phase_id", share=0.1),
    ),
    holds={"is_archived": False},
    share=0.9,
)

PROJECTS = Table(
    name="projects",
    doc="Projects, archived or not.",
    columns=(
        ID,
        *writable(
            Column("title", "text", "Title.", required=True),
            Column("description", "text", "Description."),
            Column("status", "text", "open, completed or canceled."),
            ref("board_id", "boards", "Its board."),
            ref("phase_id", "phases", "Its phase."),
            ref("owner_id", "users", "The user who owns the project."),
            Column("start_date", "date", "First day."),
            Column("end_date", "date", "Last day."),
            Column("deal_ids", "bigint[]", "Ids of the deals.", references="deals.id"),
            Column("person_ids", "bigint[]", "Ids of the persons.", references="persons.id"),
            Column("org_ids", "bigint[]", "Ids of the organizations.", references="organizations.id"),
            LABEL_IDS,
            Column("health_status", "bigint", "Option id of the health."),
        ),
        Column("template_id", "bigint", "Template of a new project; only written.", insert=True, source="-"),
        ADD_TIME,
        UPDATE_TIME,
        Column("status_change_time", "timestamptz", "When the status last changed."),
        Column("archive_time", "timestamptz", "When it was archived."),
        Column(
            "is_archived",
            "boolean",
            "Whether the project is archived; can be set to true.",
            source="has:archive_time",
            held=True,
            update=True,
        ),
        FILTER_ID,
        CUSTOM_FIELDS,
    ),
    listings=(
        _PROJECT_LIST,
        replace(_PROJECT_LIST, path="/projects/archived", holds={"is_archived": True}, share=0.1),
    ),
    get=Get("/projects/{id}", tokens=1),
    hidden=(("status", "deleted"),),
    insert=add("/projects"),
    update=change("/projects/{id}"),
    delete=remove("/projects/{id}"),
    instead={"is_archived": Write("/projects/{id}/archive", tokens=3, encoding="")},
    custom_fields="project",
    needs=_NEEDS,
    rows=500,
)

TASKS = Table(
    name="tasks",
    doc="Tasks of projects.",
    columns=(
        ID,
        Column("title", "text", "Title.", insert=True, update=True, required=True),
        ref("creator_id", "users", "The user who created it."),
        *writable(
            Column("description", "text", "Description."),
            ref("project_id", "projects", "Its project.", required=True),
            Column("is_done", "boolean", "Whether it is done.", body="done", sent="flag"),
            Column("is_milestone", "boolean", "Whether it is a milestone.", body="milestone", sent="flag"),
            Column("due_date", "date", "Due date."),
            Column("start_date", "date", "First day."),
            ref("parent_task_id", "tasks", "The task that it is a part of."),
            Column("assignee_ids", "bigint[]", "Ids of the users who do it.", references="users.id"),
            Column("priority", "bigint", "Priority."),
        ),
        ADD_TIME,
        UPDATE_TIME,
        Column("marked_as_done_time", "timestamptz", "When it was marked as done."),
    ),
    listings=(
        Listing(
            "/tasks",
            tokens=10,
            filters=(
                Filter("is_done", share=0.5),
                Filter("is_milestone", share=0.5),
                Filter("project_id", share=0.01),
                Filter("parent_task_id", share=0.01),
            ),
        ),
    ),
    get=Get("/tasks/{id}", tokens=1),
    insert=add("/tasks"),
    update=change("/tasks/{id}"),
    delete=remove("/tasks/{id}"),
    needs=_NEEDS,
    rows=5_000,
)

BOARDS = Table(
    name="boards",
    doc="Boards of projects.",
    columns=(
        ID,
        *writable(
            Column("name", "text", "Name.", required=True),
            Column("order_nr", "bigint", "Position."),
        ),
        ADD_TIME,
        UPDATE_TIME,
    ),
    listings=(Listing("/boards", tokens=10, paging=NONE),),
    get=Get("/boards/{id}", tokens=10),
    insert=add("/boards"),
    update=change("/boards/{id}"),
    delete=remove("/boards/{id}"),
    needs=_NEEDS,
    rows=5,
)

PHASES = Table(
    name="phases",
    doc="Phases of the boards.",
    columns=(
        ID,
        *writable(
            Column("name", "text", "Name.", required=True),
            ref("board_id", "boards", "Its board.", not_null=True, required=True),
            Column("order_nr", "bigint", "Position on the board."),
        ),
        ADD_TIME,
        UPDATE_TIME,
    ),
    listings=(
        Listing("/phases", tokens=10, paging=NONE, filters=(Filter("board_id", required=True, share=0.2),)),
    ),
    get=Get("/phases/{id}", tokens=10),
    parent=Parent("boards", "board_id"),
    insert=add("/phases"),
    update=change("/phases/{id}"),
    delete=remove("/phases/{id}"),
    needs=_NEEDS,
    rows=20,
)

PROJECT_TEMPLATES = Table(
    name="project_templates",
    doc="Templates of projects.",
    columns=(
        ID,
        Column("title", "text", "Title."),
        Column("description", "text", "Description."),
        ref("projects_board_id", "boards", "The board of its projects."),
        ref("owner_id", "users", "The user who owns it."),
        ADD_TIME,
        UPDATE_TIME,
    ),
    listings=(Listing("/projectTemplates", tokens=10),),
    get=Get("/projectTemplates/{id}", tokens=1),
    needs=_NEEDS,
    rows=20,
)

_PROJECT = parent("project_id", "projects", "The project.")
PROJECT_GROUPS = Table(
    name="project_groups",
    doc="Groups in the plans of projects.",
    columns=(
        _PROJECT,
        ID,
        Column("name", "text", "Name."),
        Column("order_nr", "bigint", "Position."),
        ROW_ID,
    ),
    listings=(
        Listing("/projects/{project_id}/groups", tokens=20, version=1, paging=NONE, null_is_empty=True),
    ),
    key=("project_id", "id"),
    parent=Parent("projects", "project_id"),
    needs=_NEEDS,
    rows=500,
)

PROJECT_PLAN_ITEMS = Table(
    name="project_plan_items",
    doc="Tasks and activities in the plans of projects; set_project_plan_item() moves one.",
    function="set_project_plan_item",
    columns=(
        _PROJECT,
        Column("item_type", "text", "task or activity.", not_null=True),
        Column("item_id", "bigint", "Id of the task or the activity.", not_null=True),
        ref("phase_id", "phases", "Its phase."),
        Column("group_id", "bigint", "Its group.", references="project_groups.id"),
        ROW_ID,
    ),
    listings=(Listing("/projects/{project_id}/plan", tokens=20, version=1, paging=NONE, null_is_empty=True),),
    key=("project_id", "item_type", "item_id"),
    parent=Parent("projects", "project_id"),
    needs=_NEEDS,
    rows=2_000,
)

TABLES = (PROJECTS, TASKS, BOARDS, PHASES, PROJECT_TEMPLATES, PROJECT_GROUPS, PROJECT_PLAN_ITEMS)
