"""The changelog of a deal, a person or an organization (API v1)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import parent, ref
from pipedrive_fdw.catalog.model import Column, Listing, Parent, Table


def _changes(what: str, column: str, table: str) -> Table:
    return Table(
        name=f"{what}_changes",
        doc=f"What was changed in {what}s, field by field; a query must name the {what}.",
        columns=(
            parent(column, table, f"The {what}."),
            Column("field_key", "text", "Key of the field."),
            Column("old_value", "text", "Value before."),
            Column("new_value", "text", "Value after."),
            ref("actor_user_id", "users", "The user who changed it."),
            Column("time", "timestamptz", "When."),
            Column(
                "change_source",
                "text",
                "From where: app, api or another.",
            ),
            Column("change_source_user_agent", "text", "Program that was used."),
            Column("is_bulk_update_flag", "boolean", "Whether many records were changed at once."),
        ),
        listings=(Listing(f"/{table}/{{{column}}}/changelog", tokens=20, version=1),),
        key=(),
        parent=Parent(table, column, guarded=True),
        needs="an OAuth token needs the scope recents:read",
        rows=100_000,
    )


TABLES = (
    _changes("deal", "deal_id", "deals"),
    _changes("person", "person_id", "persons"),
    _changes("organization", "org_id", "organizations"),
)
