"""Leads (API v1)."""

from __future__ import annotations

from dataclasses import replace

from pipedrive_fdw.catalog.common import (
    ADD_TIME,
    BY_FILTER,
    FILTER_ID,
    UPDATE_TIME,
    add,
    ref,
    remove,
    writable,
)
from pipedrive_fdw.catalog.model import NONE, OFFSET, Column, Filter, Get, Listing, Table, Write
from pipedrive_fdw.values.shapes import NUMBER, TEXT, object_of

_LEAD_LIST = Listing(
    "/leads",
    tokens=20,
    version=1,
    paging=OFFSET,
    filters=(
        BY_FILTER,
        Filter("owner_id", share=0.1),
        Filter("person_id", share=0.001),
        Filter("organization_id", share=0.002),
        Filter("update_time", "updated_since", shape="since", share=0.1),
    ),
    sorts=(
        "id",
        "title",
        "owner_id",
        "creator_id",
        "was_seen",
        "next_activity_id",
        "add_time",
        "update_time",
        "expected_close_date",
    ),
    holds={"is_archived": False},
    share=0.9,
    null_is_empty=True,
)

LEADS = Table(
    name="leads",
    doc="Leads, archived or not. Custom fields are those of deals.",
    columns=(
        Column("id", "uuid", "Identifier.", not_null=True),
        *writable(
            Column("title", "text", "Title.", required=True),
            ref("owner_id", "users", "The user who owns the lead."),
        ),
        ref("creator_id", "users", "The user who created it."),
        *writable(
            Column("label_ids", "uuid[]", "Ids of the labels.", references="lead_labels.id"),
            ref("person_id", "persons", "The person."),
            ref("organization_id", "organizations", "The organization."),
        ),
        Column("source_name", "text", "Name of the source.", references="lead_sources.name"),
        Column("origin", "text", "How the lead was created."),
        Column("origin_id", "text", "Identifier at the origin.", insert=True),
        Column("channel", "bigint", "Marketing channel id.", insert=True, update=True),
        Column("channel_id", "text", "Identifier at the marketing channel.", insert=True, update=True),
        ref("source_deal_id", "deals", "The deal it was converted from."),
        Column("is_archived", "boolean", "Whether the lead is archived.", update=True, held=True),
        Column("was_seen", "boolean", "Whether somebody looked at it.", insert=True, update=True),
        Column(
            "value",
            "jsonb",
            "Potential value.",
            insert=True,
            update=True,
            shape=object_of(amount=NUMBER, currency=TEXT).requiring("amount currency"),
        ),
        Column("expected_close_date", "date", "When it is expected to close.", insert=True, update=True),
        ref("next_activity_id", "activities", "The next activity."),
        ADD_TIME,
        UPDATE_TIME,
        Column(
            "visible_to",
            "bigint",
            "Visibility group id: 1, 3, 5 or 7.",
            insert=True,
            update=True,
            sent="text",
        ),
        Column("cc_email", "text", "Address that files mails under the lead."),
        FILTER_ID,
        Column(
            "custom_fields", "jsonb", "Custom field values by field key, as the API gave them.", source="#"
        ),
    ),
    listings=(
        _LEAD_LIST,
        replace(
            _LEAD_LIST,
            path="/leads/archived",
            tokens=40,
            holds={"is_archived": True},
            share=0.1,
            filters=tuple(f for f in _LEAD_LIST.filters if f.name != "updated_since"),
        ),
    ),
    get=Get("/leads/{id}", tokens=2, version=1),
    insert=add("/leads", 1),
    update=Write("/leads/{id}", 10, 1, "PATCH"),
    delete=remove("/leads/{id}", 1),
    independent=True,
    frozen=(("is_archived", True),),
    custom_fields="lead",
    rows=5_000,
)

LEAD_LABELS = Table(
    name="lead_labels",
    doc="Labels of leads.",
    columns=(
        Column("id", "uuid", "Identifier.", not_null=True),
        *writable(
            Column("name", "text", "Name.", required=True),
            Column("color", "text", "Colour: blue, green, red or another.", required=True),
        ),
        ADD_TIME,
        UPDATE_TIME,
    ),
    listings=(Listing("/leadLabels", tokens=10, version=1, paging=NONE, null_is_empty=True),),
    insert=add("/leadLabels", 1),
    update=Write("/leadLabels/{id}", 10, 1, "PATCH"),
    delete=remove("/leadLabels/{id}", 1),
    rows=10,
)

LEAD_SOURCES = Table(
    name="lead_sources",
    doc="Sources of leads, a fixed list.",
    columns=(Column("name", "text", "Name.", not_null=True),),
    listings=(Listing("/leadSources", tokens=2, version=1, paging=NONE),),
    key=("name",),
    rows=20,
)

TABLES = (LEADS, LEAD_LABELS, LEAD_SOURCES)
