"""The catalogue for api_version 'v1': the same tables and columns, the core read and written by API v1.

Pipedrive has not supported these operations since August 2026; they may still answer. What v1 has no
field for reads NULL (source "-"). Tables that are not here are those of the catalogue: v1 has them alike,
or never had them.
"""

from __future__ import annotations

from dataclasses import replace

from pipedrive_fdw.catalog.activities import ACTIVITIES
from pipedrive_fdw.catalog.common import BY_FILTER, add, change, remove
from pipedrive_fdw.catalog.contacts import ORGANIZATIONS, PERSONS
from pipedrive_fdw.catalog.deal_items import DEAL_PRODUCTS
from pipedrive_fdw.catalog.deals import DEALS, DELETED_DEALS, PIPELINES, STAGES
from pipedrive_fdw.catalog.links import DEAL_PERSONS, ORGANIZATION_PERSONS
from pipedrive_fdw.catalog.model import NONE, Filter, Table
from pipedrive_fdw.catalog.nested import PRICE, contact, in_activities, product_prices
from pipedrive_fdw.catalog.products import PRODUCTS
from pipedrive_fdw.catalog.v1_common import absent, dropped, old_column, old_list, old_table, sortable
from pipedrive_fdw.catalog.v1_fields import V1_FIELDS
from pipedrive_fdw.catalog.v1_followers import V1_FOLLOWERS
from pipedrive_fdw.catalog.v1_projects import V1_OF_PROJECTS
from pipedrive_fdw.values.shapes import BOOLEAN, INTEGER, NUMBER, SCALAR, TEXT, list_of, object_of

_DEAL_DROPPED = dropped(
    "active acv_currency arr_currency mrr_currency creator_user_id formatted_value formatted_weighted_value "
    "last_activity_date next_activity_date next_activity_duration next_activity_note next_activity_subject "
    "next_activity_time next_activity_type org_hidden org_name owner_name person_hidden person_name "
    "rotten_time stage_order_nr weighted_value weighted_value_currency"
)
_CONTACT = "company_id first_char label last_activity_date next_activity_date next_activity_time owner_name"
_PERSON_DROPPED = dropped(f"{_CONTACT} org_name")
_BY_OWNER = Filter("owner_id", "user_id", share=0.1)

_DEAL_LIST = replace(
    old_list(
        "/deals",
        filters=(
            BY_FILTER,
            _BY_OWNER,
            Filter("stage_id", share=0.1),
            Filter("status", values=("open", "won", "lost"), share=0.4),
        ),
    ),
    holds={"is_archived": False},
    share=0.9,
)
_DEAL_SOURCES = {
    "owner_id": "id:user_id",
    "person_id": "id:person_id",
    "org_id": "id:org_id",
    "is_deleted": "deleted",
    "label_ids": "list:label",
    "smart_bcc_email": "cc_email",
    **absent("source_lead_id"),
}

V1_DEALS = replace(
    old_table(
        DEALS,
        "/deals",
        _DEAL_SOURCES,
        "",
        (
            _DEAL_LIST,
            replace(
                _DEAL_LIST,
                path="/deals/archived",
                tokens=40,
                holds={"is_archived": True},
                share=0.1,
                filters=(
                    *_DEAL_LIST.filters,
                    Filter("person_id", share=0.001),
                    Filter("org_id", share=0.002),
                    Filter("pipeline_id", share=0.3),
                ),
            ),
        ),
    ),
    hidden=(("deleted", True), ("status", "deleted")),
    left_out=_DEAL_DROPPED,
)
V1_DEALS = sortable(
    V1_DEALS,
    columns=tuple(c._replace(update=False) if c.name == "archive_time" else c for c in V1_DEALS.columns),
)

V1_DELETED_DEALS = replace(
    DELETED_DEALS,
    columns=tuple(
        old_column(c, {**_DEAL_SOURCES, "custom_fields": "#"}.get(c.name, ""), True)
        for c in DELETED_DEALS.columns
    ),
    listings=tuple(
        replace(
            listing,
            params={"status": "deleted"},
            filters=tuple(f for f in listing.filters if f.column not in ("filter_id", "status")),
        )
        for listing in V1_DEALS.listings
    ),
    hidden=(("deleted", False),),
    left_out=_DEAL_DROPPED,
)

_PERSON_SOURCES = {
    "owner_id": "id:owner_id",
    "org_id": "id:org_id",
    "emails": "email",
    "phones": "phone",
    "is_deleted": "not:active_flag",
    "picture_id": "id:picture_id",
    "smart_bcc_email": "cc_email",
    **absent("postal_address notes im birthday job_title doi_status"),
}

V1_PERSONS = sortable(
    old_table(
        PERSONS,
        "/persons",
        _PERSON_SOURCES,
        "postal_address notes im birthday job_title",
        (old_list("/persons", filters=(BY_FILTER, _BY_OWNER)),),
    ),
    hidden=(("active_flag", False),),
    left_out=_PERSON_DROPPED,
)

V1_ORGANIZATIONS = sortable(
    old_table(
        ORGANIZATIONS,
        "/organizations",
        {
            "owner_id": "id:owner_id",
            "is_deleted": "not:active_flag",
            "address": "parts:address",
            "smart_bcc_email": "cc_email",
            **absent("website linkedin industry annual_revenue employee_count"),
        },
        "address website linkedin industry annual_revenue employee_count",
        (old_list("/organizations", filters=(BY_FILTER, _BY_OWNER)),),
    ),
    hidden=(("active_flag", False),),
    left_out=dropped(f"{_CONTACT} country_code picture_id"),
)

V1_ACTIVITIES = replace(
    old_table(
        ACTIVITIES,
        "/activities",
        {
            "owner_id": "user_id",
            "creator_user_id": "created_by_user_id",
            "is_deleted": "not:active_flag",
            "busy": "busy_flag",
            "location": "parts:location",
            **absent("priority outcome"),
        },
        "location priority outcome",
        (
            replace(
                old_list(
                    "/activities",
                    filters=(BY_FILTER, Filter("type", share=0.2), Filter("done", shape="flag", share=0.5)),
                ),
                params={"user_id": "0"},  # without it only the token's own
            ),
        ),
    ),
    hidden=(("active_flag", False),),
    left_out=dropped(
        "assigned_to_user_id calendar_sync_include_context company_id deal_dropbox_bcc deal_title file "
        "gcal_event_id google_calendar_etag google_calendar_id last_notification_time "
        "last_notification_user_id notification_language_id org_name owner_name person_dropbox_bcc "
        "person_name rec_master_activity_id rec_rule rec_rule_extension reference_id reference_type series "
        "source_timezone update_user_id"
    ),
)
_PARTICIPANTS = list_of(object_of(person_id=INTEGER, primary_flag=BOOLEAN).requiring("person_id"))
_ATTENDEES = list_of(
    object_of(
        email_address=TEXT,
        name=TEXT,
        status=TEXT,
        is_organizer=SCALAR,  # 0 in answers
        person_id=INTEGER,
        user_id=INTEGER,
    )
)
V1_ACTIVITIES = V1_ACTIVITIES.with_changes(
    columns=tuple(
        c._replace(sent="flag")
        if c.name == "done"
        else c._replace(shape={"participants": _PARTICIPANTS, "attendees": _ATTENDEES}.get(c.name, c.shape))
        for c in V1_ACTIVITIES.columns
    )
)

V1_PRODUCTS = replace(
    old_table(
        PRODUCTS,
        "/products",
        {"is_deleted": "not:active_flag", "is_linkable": "selectable", "owner_id": "id:owner_id"},
        "category",
        (old_list("/products", filters=(BY_FILTER, _BY_OWNER)),),
    ),
    hidden=(("active_flag", False),),
)

_PRICE = object_of(currency=TEXT, price=NUMBER, cost=NUMBER, overhead_cost=NUMBER, notes=TEXT)
_PRICES = list_of(_PRICE.requiring("currency").showing("product_id"))
V1_PRODUCTS = V1_PRODUCTS.with_changes(
    columns=tuple(c._replace(shape=_PRICES) if c.name == "prices" else c for c in V1_PRODUCTS.columns)
)

V1_PIPELINES = replace(
    old_table(
        PIPELINES,
        "/pipelines",
        {"is_deleted": "not:active", "is_deal_probability_enabled": "deal_probability"},
        "",
        (old_list("/pipelines", tokens=10, paging=NONE),),
    ),
    hidden=(("active", False),),
    left_out=dropped("selected url_title"),
)
V1_PIPELINES = V1_PIPELINES.with_changes(
    columns=tuple(
        c._replace(sent="flag") if c.name == "is_deal_probability_enabled" else c
        for c in V1_PIPELINES.columns
    )
)

V1_STAGES = replace(
    old_table(
        STAGES,
        "/stages",
        {
            "is_deleted": "not:active_flag",
            "is_deal_rot_enabled": "rotten_flag",
            "days_to_rotten": "rotten_days",
        },
        "",
        (old_list("/stages", tokens=10, filters=(Filter("pipeline_id", share=0.3),)),),
    ),
    hidden=(("active_flag", False),),
    left_out=dropped("pipeline_deal_probability pipeline_name"),
)

V1_DEAL_PRODUCTS = replace(
    DEAL_PRODUCTS,
    columns=tuple(
        old_column(c, {"is_enabled": "enabled_flag", "update_time": "last_edit"}.get(c.name, ""), False)
        for c in DEAL_PRODUCTS.columns
    ),
    listings=(old_list("/deals/{deal_id}/products"),),
    hidden=(("active_flag", False),),
    left_out=dropped("active_flag product quantity_formatted sum_formatted"),
    insert=add("/deals/{deal_id}/products", 1),
    update=change("/deals/{deal_id}/products/{id}", 1),
    delete=remove("/deals/{deal_id}/products/{id}", 1),
)

_PERSONS_READ = {
    c.name: c._replace(insert=False, update=False, required=False, sent="", body="")
    for c in V1_PERSONS.columns
}

V1_DEAL_PERSONS = replace(
    DEAL_PERSONS,
    columns=tuple(_PERSONS_READ.get(c.name, c) for c in DEAL_PERSONS.columns),
    listings=(old_list("/deals/{deal_id}/persons"),),
    hidden=V1_PERSONS.hidden,
    left_out=_PERSON_DROPPED,
)

V1_ORGANIZATION_PERSONS = replace(
    ORGANIZATION_PERSONS,
    columns=tuple(_PERSONS_READ.get(c.name, c) for c in ORGANIZATION_PERSONS.columns),
    listings=(replace(V1_PERSONS.listings[0], filters=(_BY_OWNER,)),),
    get=V1_PERSONS.get,
    hidden=V1_PERSONS.hidden,
    left_out=_PERSON_DROPPED,
)

_CHANGED = (
    V1_DEALS,
    V1_DELETED_DEALS,
    V1_PERSONS,
    V1_ORGANIZATIONS,
    V1_ACTIVITIES,
    V1_PRODUCTS,
    V1_PIPELINES,
    V1_STAGES,
    V1_DEAL_PRODUCTS,
    V1_DEAL_PERSONS,
    V1_ORGANIZATION_PERSONS,
    contact(V1_PERSONS, "email", "person_emails", "E-mail address", "E-mail addresses", version=1),
    contact(V1_PERSONS, "phone", "person_phones", "Phone number", "Phone numbers", version=1),
    product_prices(
        V1_PRODUCTS,
        tuple(
            c._replace(source="overhead_cost", body="overhead_cost") if c.name == "direct_cost" else c
            for c in PRICE
        ),
        version=1,
    ),
    *in_activities(V1_ACTIVITIES, {"primary": "primary_flag", "email": "email_address"}, version=1),
    *V1_FIELDS,
    *V1_FOLLOWERS,
    *V1_OF_PROJECTS,
)
CHANGED: dict[str, Table] = {table.name: table for table in _CHANGED}
