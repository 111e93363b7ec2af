"""Users and currencies (API v1)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import ID, ref
from pipedrive_fdw.catalog.model import NONE, Column, Get, Listing, Table

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
        Column("access", "jsonb", "Access by app: [{app, admin, permission_set_id}].", insert=True),
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
    rows=20,
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

TABLES = (USERS, CURRENCIES)
