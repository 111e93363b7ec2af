"""Projects, tasks, boards, phases and templates under api_version 'v1'.

A project of v1 has one person and one organization. v1 has boards and phases to read alone: they are written
by version 2.
"""

from __future__ import annotations

from dataclasses import replace

from pipedrive_fdw.catalog.common import BY_FILTER
from pipedrive_fdw.catalog.model import CURSOR, NONE, Filter, Get, Write
from pipedrive_fdw.catalog.projects import BOARDS, PHASES, PROJECT_TEMPLATES, PROJECTS, TASKS
from pipedrive_fdw.catalog.v1_common import absent, old_list, old_table

_PROJECTS = old_table(
    PROJECTS,
    "/projects",
    {"person_ids": "list:person_id", "org_ids": "list:org_id", "label_ids": "labels"},
    "",
    (
        replace(
            old_list(
                "/projects",
                paging=CURSOR,
                filters=(
                    BY_FILTER,
                    Filter("status", values=("open", "completed", "canceled"), share=0.4),
                    Filter("phase_id", share=0.1),
                ),
            ),
            params={"include_archived": "true"},
        ),
    ),
).with_changes(instead={"is_archived": Write("/projects/{id}/archive", 10, 1, encoding="")})
V1_PROJECTS = _PROJECTS.with_changes(
    columns=tuple(
        c._replace(sent="single" if c.name in ("person_ids", "org_ids") else c.sent, held=False)
        for c in _PROJECTS.columns
    )
)

V1_TASKS = old_table(
    TASKS,
    "/tasks",
    {"is_done": "done", **absent("is_milestone start_date priority")},
    "is_milestone start_date priority",
    (
        old_list(
            "/tasks",
            paging=CURSOR,
            filters=(
                Filter("is_done", "done", shape="flag", share=0.5),
                Filter("project_id", share=0.01),
                Filter("parent_task_id", share=0.01),
            ),
        ),
    ),
).with_changes(left_out={"assignee_id": "the first of assignee_ids"})

V1_BOARDS = BOARDS.with_changes(
    listings=(old_list("/projects/boards", paging=NONE),),
    get=Get("/projects/boards/{id}", tokens=2, version=1),
)
V1_PHASES = PHASES.with_changes(
    listings=(old_list("/projects/phases", paging=NONE, filters=PHASES.listings[0].filters),),
    get=Get("/projects/phases/{id}", tokens=2, version=1),
)
V1_PROJECT_TEMPLATES = PROJECT_TEMPLATES.with_changes(
    listings=(old_list("/projectTemplates", paging=CURSOR),),
    get=Get("/projectTemplates/{id}", tokens=2, version=1),
)

V1_OF_PROJECTS = (V1_PROJECTS, V1_TASKS, V1_BOARDS, V1_PHASES, V1_PROJECT_TEMPLATES)
