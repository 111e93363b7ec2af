"""Field definitions: what records have, built in or custom, and the options of their choices."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import ADD_TIME, ID, UPDATE_TIME, add, change, ref, remove
from pipedrive_fdw.catalog.model import NONE, OFFSET, Column, Get, Listing, Table
from pipedrive_fdw.values.shapes import (
    BOOLEAN,
    INTEGER,
    TEXT,
    Shape,
    list_of,
    map_of,
    nullable,
    object_of,
    open_object_of,
)

_WRITABLE_CUSTOM = "only custom fields can be changed"

_OPTIONS = list_of(object_of(label=TEXT).requiring("label").showing("id color update_time add_time"))
_DIALOG = object_of(show=BOOLEAN, order=nullable(INTEGER))
# What ui_visibility has besides its two flags; the last three of organizations are in answers alone.
_VISIBILITY: dict[str, dict[str, Shape]] = {
    "deal": {
        "projects_detail_visible_flag": BOOLEAN,
        "show_in_pipelines": object_of(show_in_all=BOOLEAN, pipeline_ids=list_of(INTEGER)),
    },
    "person": {"show_in_add_deal_dialog": _DIALOG},
    "organization": {
        "show_in_add_deal_dialog": _DIALOG,
        "show_in_add_person_dialog": _DIALOG,
        "org_detail_visible_flag": BOOLEAN,
        "person_detail_visible_flag": BOOLEAN,
        "deal_detail_visible_flag": BOOLEAN,
    },
}


def _config(what: str, name: str) -> Shape:
    """The shape of the column *name* that configures *what*'s fields; each takes further keys, too."""
    if name == "ui_visibility":
        flags = {"add_visible_flag": BOOLEAN, "details_visible_flag": BOOLEAN}
        return open_object_of(**flags, **_VISIBILITY.get(what, {}))
    stages = {"stage_ids": list_of(INTEGER)}
    if name == "important_fields":
        return open_object_of(enabled=BOOLEAN, **stages)
    of_deals = {**stages, "statuses": map_of(list_of(TEXT))} if what == "deal" else {}
    return open_object_of(enabled=BOOLEAN, **of_deals)


def _fields(what: str, path: str, extras: str = "", described: bool = False, editable: bool = True) -> Table:
    """The table of *what*'s field definitions (API v2); *extras*: what include_fields can ask for."""
    asked = tuple(extras.split())
    config = {
        "ui_visibility": "Where the web application shows it.",
        "important_fields": "Where it is marked as important.",
        "required_fields": "Where the web application demands it.",
    }
    # The list of project fields returns these unasked.
    shown = asked or (tuple(config) if what == "project" else ())
    one = f"{path}/{{field_code}}"
    doc = "Field definitions of " + ("activities" if what == "activity" else f"{what}s")
    return Table(
        name=f"{what}_fields",
        doc=f"{doc}; {_WRITABLE_CUSTOM}." if editable else f"{doc}.",
        columns=(
            Column("field_code", "text", "Key; of a custom field, 40 hexadecimal digits.", not_null=True),
            Column("field_name", "text", "Name.", insert=editable, update=editable, required=editable),
            *(
                (Column("description", "text", "Description.", insert=True, update=True),)
                if described
                else ()
            ),
            Column("field_type", "text", "Type.", insert=editable, required=editable),
            Column("options", "jsonb", "Options of a choice.", insert=editable, shape=_OPTIONS),
            Column("subfields", "jsonb", "Parts: [{field_code, field_name, field_type}]."),
            Column("is_custom_field", "boolean", "Whether it was made in this account."),
            Column(
                "is_optional_response_field", "boolean", "Whether records have it only when it is asked for."
            ),
            *(
                Column(
                    name,
                    "jsonb",
                    config[name],
                    include=bool(asked),
                    insert=editable,
                    update=editable,
                    shape=_config(what, name),
                )
                for name in shown
            ),
        ),
        listings=(Listing(path, tokens=10, include=bool(asked)),),
        get=Get(one, tokens=1, include=bool(asked)),
        key=("field_code",),
        insert=add(path) if editable else None,
        update=change(one) if editable else None,
        delete=remove(one) if editable else None,
        frozen=(("is_custom_field", False),) if editable else (),
        rows=100,
    )


_ALL = "ui_visibility important_fields required_fields"
DEAL_FIELDS = _fields("deal", "/dealFields", _ALL, described=True)
PERSON_FIELDS = _fields("person", "/personFields", _ALL)
ORGANIZATION_FIELDS = _fields("organization", "/organizationFields", _ALL)
PRODUCT_FIELDS = _fields("product", "/productFields", "ui_visibility")
ACTIVITY_FIELDS = _fields("activity", "/activityFields", "ui_visibility", editable=False)
PROJECT_FIELDS = _fields("project", "/projectFields")

_V1_FIELD = (
    Column("key", "text", "Key that records use.", not_null=True),
    Column("name", "text", "Name."),
)
_V1_FLAGS = (
    Column("active_flag", "boolean", "Whether it is active."),
    Column("edit_flag", "boolean", "Whether it was made in this account."),
)

NOTE_FIELDS = Table(
    name="note_fields",
    doc="Field definitions of notes.",
    columns=(
        ID,
        *_V1_FIELD,
        Column("field_type", "text", "Type."),
        *_V1_FLAGS,
        Column("bulk_edit_allowed", "boolean", "Whether it can be changed in many notes at once."),
        Column("mandatory_flag", "boolean", "Whether it is mandatory."),
        Column("options", "jsonb", "Options: [{id, label}]."),
    ),
    listings=(Listing("/noteFields", tokens=20, version=1, paging=NONE),),
    key=("key",),
    rows=10,
)

LEAD_FIELDS = Table(
    name="lead_fields",
    doc="Field definitions of leads; the custom ones are those of deals.",
    columns=(
        Column("id", "bigint", "Identifier; NULL of a part of a field."),
        *_V1_FIELD,
        Column("order_nr", "bigint", "Position."),
        Column("field_type", "text", "Type."),
        ADD_TIME,
        UPDATE_TIME,
        ref("last_updated_by_user_id", "users", "The user who last changed it."),
        ref("created_by_user_id", "users", "The user who created it."),
        *_V1_FLAGS,
        Column("index_visible_flag", "boolean", "Whether lists show it."),
        Column("details_visible_flag", "boolean", "Whether details show it."),
        Column("add_visible_flag", "boolean", "Whether the form for a new lead shows it."),
        Column("important_flag", "boolean", "Whether it is marked as important."),
        Column("bulk_edit_allowed", "boolean", "Whether it can be changed in many leads at once."),
        Column("searchable_flag", "boolean", "Whether it can be searched."),
        Column("filtering_allowed", "boolean", "Whether a filter can use it."),
        Column("sortable_flag", "boolean", "Whether lists sort by it."),
        Column("mandatory_flag", "boolean", "Whether it is mandatory."),
        Column("options", "jsonb", "Options: [{id, label}]."),
        Column("options_deleted", "jsonb", "Options that were deleted."),
        Column("is_subfield", "boolean", "Whether it is a part of another field."),
        Column("subfields", "jsonb", "Its parts."),
    ),
    listings=(Listing("/leadFields", tokens=20, version=1, paging=OFFSET, key="key"),),
    key=("key",),
    rows=100,
)

TABLES = (
    DEAL_FIELDS,
    PERSON_FIELDS,
    ORGANIZATION_FIELDS,
    PRODUCT_FIELDS,
    ACTIVITY_FIELDS,
    PROJECT_FIELDS,
    NOTE_FIELDS,
    LEAD_FIELDS,
)
