"""Notes and the comments on them (API v1)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import (
    ADD_TIME,
    ID,
    ROW_ID,
    UPDATE_TIME,
    add,
    change,
    parent,
    ref,
    remove,
    writable,
)
from pipedrive_fdw.catalog.model import OFFSET, Column, Filter, Get, Listing, Parent, Table

_PINS = tuple(
    Column(
        f"pinned_to_{what}_flag",
        "boolean",
        f"Whether it is pinned to the {what}.",
        insert=True,
        update=True,
        sent="flag",
    )
    for what in ("lead", "deal", "organization", "person", "project", "task")
)

NOTES = Table(
    name="notes",
    doc="Notes on leads, deals, persons, organizations, projects and tasks.",
    columns=(
        ID,
        Column("active_flag", "boolean", "Always true here."),
        ADD_TIME._replace(insert=True, update=True, sent="utc"),
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
    insert=add("/notes", 1),
    update=change("/notes/{id}", 1),
    delete=remove("/notes/{id}", 1),
    independent=True,
    custom_fields="note",
)

NOTE_COMMENTS = Table(
    name="note_comments",
    doc="Comments on notes.",
    columns=(
        parent("note_id", "notes", "The note.", insert=True, required=True),
        Column("uuid", "uuid", "Identifier.", not_null=True),
        Column("active_flag", "boolean", "Always true here."),
        ADD_TIME,
        UPDATE_TIME,
        Column("content", "text", "Text (HTML).", insert=True, update=True, required=True),
        Column("object_id", "bigint", "Id of the note.", same_as="note_id"),
        Column("object_type", "text", "Always note."),
        ref("user_id", "users", "The user who wrote it."),
        ref("updater_id", "users", "The user who last changed it."),
        Column("company_id", "bigint", "Id of the account."),
        ROW_ID,
    ),
    listings=(
        Listing(
            "/notes/{note_id}/comments",
            tokens=20,
            version=1,
            paging=OFFSET,
            null_is_empty=True,
            key="uuid",
        ),
    ),
    get=Get("/notes/{note_id}/comments/{uuid}", tokens=2, version=1, key="uuid"),
    key=("note_id", "uuid"),
    parent=Parent("notes", "note_id"),
    hidden=(("active_flag", False),),
    insert=add("/notes/{note_id}/comments", 1),
    update=change("/notes/{note_id}/comments/{uuid}", 1, fields=("content",)),
    delete=remove("/notes/{note_id}/comments/{uuid}", 1),
    rows=1_000,
)

TABLES = (NOTES, NOTE_COMMENTS)
