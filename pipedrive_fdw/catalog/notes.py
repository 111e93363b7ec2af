"""Notes (API v1)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import ADD_TIME, ID, UPDATE_TIME, ref, writable
from pipedrive_fdw.catalog.model import OFFSET, Column, Filter, Get, Listing, Table

_PINS = tuple(
    Column(
        f"pinned_to_{what}_flag", "boolean", f"Whether it is pinned to the {what}.", insert=True, update=True
    )
    for what in ("lead", "deal", "organization", "person", "project", "task")
)

NOTES = Table(
    name="notes",
    doc="Notes on leads, deals, persons, organizations, projects and tasks.",
    columns=(
        ID,
        Column("active_flag", "boolean", "Always true here."),
        ADD_TIME,
        Column("content", "text", "Text (HTML).", insert=True, update=True, required=True),
        *writable(
            ref("lead_id", "leads", "The lead.", "uuid"),
            ref("deal_id", "deals", "The deal."),
            ref("person_id", "persons", "The person."),
            ref("org_id", "organizations", "The organization."),
            ref("project_id", "projects", "The project."),
            ref("task_id", "tasks", "The task."),
            ref("user_id", "users", "The user who wrote it."),
        ),
        ref("last_update_user_id", "users", "The user who last changed it."),
        UPDATE_TIME,
        *_PINS,
        Column("deal", "jsonb", "The deal's title."),
        Column("organization", "jsonb", "The organization's name."),
        Column("person", "jsonb", "The person's name."),
        Column("project", "jsonb", "The project's title."),
        Column("task", "jsonb", "The task's title."),
        Column("user", "jsonb", "The user: name, e-mail, picture."),
    ),
    listings=(
        Listing(
            "/notes",
            tokens=20,
            version=1,
            paging=OFFSET,
            filters=(
                Filter("user_id", share=0.1),
                *(
                    Filter(f"{what}_id", share=0.001)
                    for what in ("lead", "deal", "person", "org", "project", "task")
                ),
                Filter("update_time", "updated_since", shape="since", share=0.1),
                *(Filter(pin.name, shape="flag", share=0.1) for pin in _PINS),
            ),
            sorts=("id", "user_id", "deal_id", "person_id", "org_id", "content", "add_time", "update_time"),
            null_is_empty=True,
        ),
    ),
    get=Get("/notes/{id}", tokens=2, version=1),
    hidden=(("active_flag", False),),
)

TABLES = (NOTES,)
