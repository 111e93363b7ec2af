"""Users, their roles and permissions, the token's own settings, and currencies (API v1)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import ID, ROW_ID, add, change, parent, ref, remove, writable
from pipedrive_fdw.catalog.model import NONE, OFFSET, Column, Filter, Get, Listing, Parent, Table
from pipedrive_fdw.values.shapes import BOOLEAN, TEXT, list_of, object_of

_ADMIN = "the token's user must be an administrator (OAuth scope admin)"
_APPS = ("sales", "projects", "campaigns", "global", "account_settings", "partnership", "nova")

USERS = Table(
    name="users",
    doc="Users of the account, active or not.",
    columns=(
        ID,
        Column("name", "text", "Name."),
        Column("default_currency", "text", "Currency code."),
        Column("locale", "text", "Locale."),
        Column("lang", "bigint", "Language id."),
        Column("email", "text", "E-mail address.", insert=True, required=True),
        Column("phone", "text", "Phone number."),
        Column("activated", "boolean", "Whether the invitation was accepted."),
        Column("last_login", "timestamptz", "When the user last logged in."),
        Column("created", "timestamptz", "When the user was created."),
        Column("modified", "timestamptz", "When the user was last changed."),
        Column("has_created_company", "boolean", "Whether the user created the account."),
        Column(
            "access",
            "jsonb",
            "Access by app.",
            insert=True,
            shape=list_of(object_of(app=TEXT, admin=BOOLEAN, permission_set_id=TEXT).requiring("app")),
        ),
        Column("active_flag", "boolean", "Whether the user is active.", insert=True, update=True),
        Column("timezone_name", "text", "Time zone."),
        Column("timezone_offset", "text", "Offset of the time zone."),
        ref("role_id", "roles", "Role."),
        Column("icon_url", "text", "Address of the picture."),
        Column("is_you", "boolean", "Whether it is the user of the token."),
        Column("is_deleted", "boolean", "Whether the user is deleted."),
    ),
    listings=(Listing("/users", tokens=20, version=1, paging=NONE),),
    get=Get("/users/{id}", tokens=2, version=1),
    insert=add("/users", 1),
    update=change("/users/{id}", 1, fields=("active_flag",)),
    rows=20,
)

ROLES = Table(
    name="roles",
    doc="Roles, a tree of those who see what others own.",
    columns=(
        ID,
        *writable(
            ref("parent_role_id", "roles", "The role above it."),
            Column("name", "text", "Name.", required=True),
        ),
        Column("active_flag", "boolean", "Always true here."),
        Column("assignment_count", "bigint", "Number of users."),
        Column("sub_role_count", "bigint", "Number of roles below it."),
        Column("level", "bigint", "Depth in the tree."),
    ),
    listings=(Listing("/roles", tokens=20, version=1, paging=OFFSET),),
    # The get has no level, so a row found by it would not be the one of the list.
    get=Get("/roles/{id}", tokens=2, version=1, lookup=False),
    hidden=(("active_flag", False),),
    insert=add("/roles", 1),
    update=change("/roles/{id}", 1),
    delete=remove("/roles/{id}", 1),
    needs=_ADMIN,
    rows=10,
)

ROLE_ASSIGNMENTS = Table(
    name="role_assignments",
    doc="Which user has which role.",
    columns=(
        parent("role_id", "roles", "The role.", insert=True, required=True),
        ref("user_id", "users", "The user.", not_null=True, insert=True, required=True),
        ref("parent_role_id", "roles", "The role above."),
        Column("name", "text", "Name of the role."),
        Column("active_flag", "boolean", "Whether the role is active."),
        Column("type", "text", "Type."),
        ROW_ID,
    ),
    listings=(
        Listing(
            "/roles/{role_id}/assignments",
            tokens=10,
            version=1,
            paging=OFFSET,
            null_is_empty=True,
            key="user_id",
        ),
    ),
    key=("role_id", "user_id"),
    parent=Parent("roles", "role_id"),
    insert=add("/roles/{role_id}/assignments", 1),
    delete=remove("/roles/{role_id}/assignments", 1, encoding="json", fields=("user_id",)),
    needs=_ADMIN,
    rows=20,
)

PERMISSION_SETS = Table(
    name="permission_sets",
    doc="Permission sets.",
    columns=(
        Column("id", "uuid", "Identifier.", not_null=True),
        Column("name", "text", "Name."),
        Column("description", "text", "Description."),
        Column("app", "text", "App that it is for."),
        Column("type", "text", "admin, manager, regular or custom."),
        Column("assignment_count", "bigint", "Number of users."),
        Column("contents", "text[]", "The permissions; one more request a row.", extended=True),
    ),
    listings=(
        Listing(
            "/permissionSets",
            tokens=20,
            version=1,
            paging=NONE,
            filters=(Filter("app", values=_APPS, share=0.2),),
        ),
    ),
    # A set that nobody has is in the list, and its get is a 404, by the operation's own description.
    get=Get("/permissionSets/{id}", tokens=2, version=1, lookup=False, missing_is_empty=True),
    needs=_ADMIN,
    rows=10,
)

PERMISSION_SET_ASSIGNMENTS = Table(
    name="permission_set_assignments",
    doc="Which user has which permission set.",
    columns=(
        parent("permission_set_id", "permission_sets", "The permission set.", "uuid"),
        ref("user_id", "users", "The user.", not_null=True),
        Column("name", "text", "Name of the permission set."),
        ROW_ID,
    ),
    listings=(
        Listing(
            "/permissionSets/{permission_set_id}/assignments",
            tokens=20,
            version=1,
            paging=OFFSET,
            null_is_empty=True,
            key="user_id",
        ),
    ),
    key=("permission_set_id", "user_id"),
    parent=Parent("permission_sets", "permission_set_id"),
    needs=_ADMIN,
    rows=40,
)

USER_SETTINGS = Table(
    name="user_settings",
    doc="Settings of the token's user: one row.",
    columns=(
        Column("marketplace_team", "boolean", "Whether the user may publish marketplace apps."),
        Column("list_limit", "bigint", "Rows that a list of the web application shows."),
        Column("beta_app", "boolean", "Whether beta features are on."),
        Column("prevent_salesphone_callto_override", "boolean", "Whether call links are left alone."),
        Column("file_upload_destination", "text", "Where files go."),
        Column("callto_link_syntax", "text", "How call links are written."),
        Column("autofill_deal_expected_close_date", "boolean", "Whether new deals get a close date."),
        Column("person_duplicate_condition", "text", "When two persons count as one."),
    ),
    listings=(Listing("/userSettings", tokens=2, version=1, paging=NONE, rows="*"),),
    key=(),
    rows=1,
)

CURRENCIES = Table(
    name="currencies",
    doc="Currencies, the account's own ones among them.",
    columns=(
        ID,
        Column("code", "text", "Code."),
        Column("name", "text", "Name."),
        Column("decimal_points", "bigint", "Digits after the point."),
        Column("symbol", "text", "Symbol."),
        Column("active_flag", "boolean", "Whether it can be chosen."),
        Column("is_custom_flag", "boolean", "Whether it was made in this account."),
    ),
    listings=(Listing("/currencies", tokens=20, version=1, paging=NONE),),
    rows=150,
)

TABLES = (
    USERS,
    ROLES,
    ROLE_ASSIGNMENTS,
    PERMISSION_SETS,
    PERMISSION_SET_ASSIGNMENTS,
    USER_SETTINGS,
    CURRENCIES,
)
