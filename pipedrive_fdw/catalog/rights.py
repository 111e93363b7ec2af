"""Who may see and do what: permitted users, permissions, and what roles set (API v1, of projects v2)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import ROW_ID, parent, ref
from pipedrive_fdw.catalog.model import NONE, Column, Listing, Parent, Table

_ADMIN = "the token's user must be an administrator (OAuth scope admin)"


def _permitted(what: str, column: str, table: str, kind: str = "bigint", version: int = 1) -> Table:
    """The table of the users who may see rows of *table*; *column* names the seen one."""
    return Table(
        name=f"{what}_permitted_users",
        doc=f"Users who may see {what}s.",
        columns=(
            parent(column, table, f"The {what}.", kind),
            ref("user_id", "users", "The user.", not_null=True),
            ROW_ID,
        ),
        listings=(
            Listing(
                f"/{table}/{{{column}}}/permittedUsers",
                tokens=10 if version == 1 else 5,
                version=version,
                paging=NONE,
                scalar="user_id",
                null_is_empty=True,
            ),
        ),
        key=(column, "user_id"),
        parent=Parent(table, column),
        rows=10_000,
    )


_PERMISSIONS = {
    "can_add_custom_fields": "add custom fields",
    "can_add_products": "add products",
    "can_add_prospects_as_leads": "add prospects as leads",
    "can_bulk_edit_items": "change many records at once",
    "can_change_visibility_of_items": "change who sees a record",
    "can_convert_deals_to_leads": "convert deals to leads",
    "can_create_own_workflow": "create automations",
    "can_delete_activities": "delete activities",
    "can_delete_custom_fields": "delete custom fields",
    "can_delete_deals": "delete deals",
    "can_edit_custom_fields": "change custom fields",
    "can_edit_deals_closed_date": "change when deals were closed",
    "can_edit_products": "change products",
    "can_edit_shared_filters": "change shared filters",
    "can_export_data_from_lists": "export lists",
    "can_follow_other_users": "follow other users",
    "can_merge_deals": "merge deals",
    "can_merge_organizations": "merge organizations",
    "can_merge_people": "merge persons",
    "can_modify_labels": "change labels",
    "can_see_company_wide_statistics": "see statistics of the whole company",
    "can_see_deals_list_summary": "see the sums of the list of deals",
    "can_see_hidden_items_names": "see the names of hidden records",
    "can_see_other_users": "see other users",
    "can_see_other_users_statistics": "see the statistics of other users",
    "can_see_security_dashboard": "see the security dashboard",
    "can_share_filters": "share filters",
    "can_share_insights": "share reports",
    "can_use_api": "use the API",
    "can_use_email_tracking": "track mail",
    "can_use_import": "import data",
}
_KINDS = {
    "deal": "deals",
    "lead": "leads",
    "org": "organizations",
    "person": "persons",
    "product": "products",
}
_SETTINGS = (
    *(
        Column(f"{kind}_default_visibility", "bigint", f"Who sees new {many}: visibility group 1, 3, 5 or 7.")
        for kind, many in _KINDS.items()
    ),
    *(
        Column(f"{kind}_access_level", "bigint", f"Access to {many}; only the default role has it.")
        for kind, many in _KINDS.items()
        if kind != "lead"
    ),
)


def _of_one(
    name: str, doc: str, owner: Column, columns: tuple[Column, ...], tail: str, tokens: int, needs: str = ""
) -> Table:
    """A table of one row for each user or role, which *owner* names."""
    table = owner.references.split(".")[0]
    return Table(
        name=name,
        doc=doc,
        columns=(owner, *columns),
        listings=(
            Listing(f"/{table}/{{{owner.name}}}/{tail}", tokens=tokens, version=1, paging=NONE, rows="*"),
        ),
        key=(owner.name,),
        parent=Parent(table, owner.name),
        needs=needs,
        rows=20,
    )


USER_PERMISSIONS = _of_one(
    "user_permissions",
    "What each user may do.",
    parent("user_id", "users", "The user."),
    tuple(Column(name, "boolean", f"Whether the user may {what}.") for name, what in _PERMISSIONS.items()),
    "permissions",
    10,
)
USER_ROLE_SETTINGS = _of_one(
    "user_role_settings",
    "The settings of each user's role.",
    parent("user_id", "users", "The user."),
    _SETTINGS,
    "roleSettings",
    10,
)
ROLE_SETTINGS = _of_one(
    "role_settings",
    "The settings of each role; set_role_setting() changes one.",
    parent("role_id", "roles", "The role."),
    _SETTINGS,
    "settings",
    20,
    _ADMIN,
).with_changes(function="set_role_setting")

ROLE_PIPELINES = Table(
    name="role_pipelines",
    doc="Which role sees which pipeline; set_role_pipelines() changes it.",
    function="set_role_pipelines",
    columns=(
        parent("role_id", "roles", "The role."),
        ref("pipeline_id", "pipelines", "The pipeline.", not_null=True),
        Column("is_visible", "boolean", "Whether the role sees it.", held=True),
        ROW_ID,
    ),
    listings=tuple(
        Listing(
            "/roles/{role_id}/pipelines",
            tokens=20,
            version=1,
            paging=NONE,
            rows="pipeline_ids",
            scalar="pipeline_id",
            params={"visible": "true" if visible else "false"},
            holds={"is_visible": visible},
            null_is_empty=True,
        )
        for visible in (True, False)
    ),
    key=("role_id", "pipeline_id"),
    parent=Parent("roles", "role_id"),
    needs=_ADMIN,
    rows=50,
)

TABLES = (
    _permitted("deal", "deal_id", "deals"),
    _permitted("lead", "lead_id", "leads", "uuid"),
    _permitted("person", "person_id", "persons"),
    _permitted("organization", "org_id", "organizations"),
    _permitted("product", "product_id", "products"),
    _permitted("project", "project_id", "projects", version=2),
    USER_PERMISSIONS,
    USER_ROLE_SETTINGS,
    ROLE_SETTINGS,
    ROLE_PIPELINES,
)
