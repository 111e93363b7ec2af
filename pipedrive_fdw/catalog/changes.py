"""The history of one record: its changelogs, and the flow of what happened around it (API v1 and v2)."""

from __future__ import annotations

from dataclasses import replace

from pipedrive_fdw.catalog.common import parent, ref
from pipedrive_fdw.catalog.model import OFFSET, Column, Listing, Parent, Table

_RECENTS = "an OAuth token needs the scope recents:read"
_ACTOR = ref("actor_user_id", "users", "The user who changed it.")
_TIME = Column("time", "timestamptz", "When.")
_SOURCE = (
    Column("change_source", "text", "From where: app, api or another."),
    Column("change_source_user_agent", "text", "Program that was used."),
)


def _history(
    name: str, doc: str, parent_column: Column, columns: tuple[Column, ...], listing: Listing, needs: str = ""
) -> Table:
    """A table of the history of one record, which a query must name by *parent_column*."""
    table = parent_column.references.split(".")[0]
    return Table(
        name=name,
        doc=f"{doc}; a query must name the {table[:-1]}.",
        columns=(parent_column, *columns),
        # Entries have no ids of their own. Two of a changelog that say the same are two.
        listings=(replace(listing, key=""),),
        key=(),
        parent=Parent(table, parent_column.name, guarded=True),
        needs=needs,
        rows=100_000,
    )


def _changes(what: str, column: str, table: str) -> Table:
    return _history(
        f"{what}_changes",
        f"What was changed in {what}s, field by field",
        parent(column, table, f"The {what}."),
        (
            Column("field_key", "text", "Key of the field."),
            Column("old_value", "text", "Value before."),
            Column("new_value", "text", "Value after."),
            _ACTOR,
            _TIME,
            *_SOURCE,
            Column("is_bulk_update_flag", "boolean", "Whether many records were changed at once."),
        ),
        Listing(f"/{table}/{{{column}}}/changelog", tokens=20, version=1),
        _RECENTS,
    )


def _follower_changes(what: str, column: str, table: str) -> Table:
    return _history(
        f"{what}_follower_changes",
        f"Who started or stopped following {what}s",
        parent(column, table, f"The {what}."),
        (
            Column("action", "text", "What was done."),
            _ACTOR,
            ref("follower_user_id", "users", "The user who follows or followed."),
            _TIME,
        ),
        Listing(f"/{table}/{{{column}}}/followers/changelog", tokens=10),
    )


def _flow(what: str, column: str, table: str) -> Table:
    return _history(
        f"{what}_flow",
        f"What happened around {what}s: changes, notes, activities, files, mail",
        parent(column, table, f"The {what}."),
        (
            Column("object", "text", f"Kind of entry: {what}Change, note, activity or another."),
            Column("timestamp", "timestamptz", "When."),
            Column("data", "jsonb", "The change, or the note, activity, … itself."),
        ),
        # Its entries are notes, activities and changes, whose ids stand side by side.
        Listing(
            f"/{table}/{{{column}}}/flow",
            tokens=40,
            version=1,
            paging=OFFSET,
            params={"all_changes": "1"},
            null_is_empty=True,
        ),
        _RECENTS,
    )


_DEAL, _PERSON = ("deal", "deal_id", "deals"), ("person", "person_id", "persons")
_ORGANIZATION, _PRODUCT = ("organization", "org_id", "organizations"), ("product", "product_id", "products")

DEAL_PARTICIPANT_CHANGES = _history(
    "deal_participant_changes",
    "Which persons joined or left deals",
    parent("deal_id", "deals", "The deal."),
    (
        Column("action", "text", "What was done."),
        _ACTOR,
        ref("person_id", "persons", "The person."),
        _TIME,
    ),
    Listing("/deals/{deal_id}/participantsChangelog", tokens=10, version=1),
)

PROJECT_CHANGES = _history(
    "project_changes",
    "What was changed in projects",
    parent("project_id", "projects", "The project."),
    (
        Column("old_values", "jsonb", "Values before, by field key."),
        Column("new_values", "jsonb", "Values after, by field key."),
        _ACTOR,
        _TIME,
        *_SOURCE,
    ),
    Listing("/projects/{project_id}/changelog", tokens=10),
    "the account needs the Projects add-on, the token the OAuth scope projects:read or projects:full",
)

TABLES = (
    _changes(*_DEAL),
    _changes(*_PERSON),
    _changes(*_ORGANIZATION),
    PROJECT_CHANGES,
    _follower_changes(*_DEAL),
    _follower_changes(*_PERSON),
    _follower_changes(*_ORGANIZATION),
    _follower_changes(*_PRODUCT),
    DEAL_PARTICIPANT_CHANGES,
    _flow(*_DEAL),
    _flow(*_PERSON),
    _flow(*_ORGANIZATION),
)
