"""Deals, pipelines and stages (API v2)."""

from __future__ import annotations

from dataclasses import replace

from pipedrive_fdw.catalog.common import (
    ADD_TIME,
    BY_FILTER,
    BY_IDS,
    BY_TIMES,
    CUSTOM_FIELDS,
    FILTER_ID,
    ID,
    LABEL_IDS,
    SINCE,
    UNTIL,
    UPDATE_TIME,
    VISIBLE_TO,
    add,
    change,
    count,
    ref,
    remove,
    writable,
)
from pipedrive_fdw.catalog.model import Column, Filter, Get, Listing, Table

_DEAL_LIST = Listing(
    "/deals",
    tokens=10,
    filters=(
        BY_FILTER,
        BY_IDS,
        Filter("owner_id", share=0.1),
        Filter("person_id", share=0.001),
        Filter("org_id", share=0.002),
        Filter("pipeline_id", share=0.3),
        Filter("stage_id", share=0.1),
        Filter("status", shape="in", most=3, values=("open", "won", "lost"), share=0.4),
        SINCE,
        UNTIL,
    ),
    sorts=BY_TIMES,
    holds={"is_archived": False},
    share=0.9,
    labels=True,
    include=True,
    custom=True,
)

DEALS = Table(
    name="deals",
    doc="Deals, archived or not; deleted ones are in deleted_deals.",
    columns=(
        ID,
        *writable(
            Column("title", "text", "Title.", required=True),
            ref("owner_id", "users", "The user who owns the deal."),
            ref("person_id", "persons", "The person it is linked to."),
            ref("org_id", "organizations", "The organization it is linked to."),
            ref("pipeline_id", "pipelines", "Its pipeline."),
            ref("stage_id", "stages", "Its stage."),
            Column("value", "numeric", "Value in the deal's currency."),
            Column("currency", "text", "Currency code (ISO 4217 or a custom one)."),
        ),
        ADD_TIME,
        UPDATE_TIME,
        Column("stage_change_time", "timestamptz", "When the stage last changed."),
        Column("is_deleted", "boolean", "Always false here."),
        *writable(
            Column("is_archived", "boolean", "Whether the deal is archived.", held=True),
            Column("status", "text", "open, won or lost."),
            Column("probability", "numeric", "Probability of success in percent."),
            Column("lost_reason", "text", "Why it was lost."),
            VISIBLE_TO,
            Column("close_time", "timestamptz", "When it was closed."),
            Column("won_time", "timestamptz", "When it was won."),
            Column("lost_time", "timestamptz", "When it was lost."),
            Column("expected_close_date", "date", "When it is expected to close."),
            LABEL_IDS,
        ),
        Column("archive_time", "timestamptz", "When it was archived.", insert=True, update=True, sent="utc"),
        Column("origin", "text", "How the deal was created."),
        Column("origin_id", "text", "Identifier at the origin."),
        Column("channel", "bigint", "Marketing channel id."),
        Column("channel_id", "text", "Identifier at the marketing channel."),
        ref("source_lead_id", "leads", "The lead it was converted from.", "uuid", include=True),
        Column("arr", "numeric", "Annual recurring revenue of its products."),
        Column("mrr", "numeric", "Monthly recurring revenue of its products."),
        Column("acv", "numeric", "Annual contract value of its products."),
        ref("next_activity_id", "activities", "The next activity.", include=True),
        ref("last_activity_id", "activities", "The last activity.", include=True),
        Column("first_won_time", "timestamptz", "When it was won for the first time.", include=True),
        count("products_count", "Number of products."),
        count("files_count", "Number of files."),
        count("notes_count", "Number of notes."),
        count("followers_count", "Number of followers."),
        count("email_messages_count", "Number of e-mail messages."),
        count("activities_count", "Number of activities."),
        count("done_activities_count", "Number of activities that are done."),
        count("undone_activities_count", "Number of activities that are not done."),
        count("participants_count", "Number of participants."),
        Column("last_incoming_mail_time", "timestamptz", "When the last mail came in.", include=True),
        Column("last_outgoing_mail_time", "timestamptz", "When the last mail went out.", include=True),
        Column("smart_bcc_email", "text", "Address that files mails under the deal.", include=True),
        FILTER_ID,
        CUSTOM_FIELDS,
    ),
    listings=(
        _DEAL_LIST,
        replace(
            _DEAL_LIST,
            path="/deals/archived",
            tokens=20,
            holds={"is_archived": True},
            share=0.1,
            labels=False,
        ),
    ),
    get=Get("/deals/{id}", tokens=1, include=True, custom=True, labels=True),
    hidden=(("is_deleted", True), ("status", "deleted")),
    insert=add("/deals"),
    update=change("/deals/{id}"),
    delete=remove("/deals/{id}"),
    independent=True,
    frozen=(("is_archived", True),),
    custom_fields="deal",
)

DELETED_DEALS = Table(
    name="deleted_deals",
    doc="Deals that were deleted in the last 30 days: the columns of deals.",
    columns=tuple(
        c._replace(insert=False, update=False, required=False)
        for c in DEALS.columns
        if c.name not in ("filter_id", "status")
    )
    + (Column("status", "text", "open, won or lost as it was, or deleted."),),
    listings=tuple(
        replace(
            listing,
            params={"status": "deleted"},
            filters=tuple(f for f in listing.filters if f.column not in ("filter_id", "status")),
        )
        for listing in DEALS.listings
    ),
    # No get: whether one finds a deleted deal, and for how long, is not documented.
    hidden=(("is_deleted", False),),
    custom_fields="deal",
    rows=100,
)

PIPELINES = Table(
    name="pipelines",
    doc="Sales pipelines.",
    columns=(
        ID,
        Column("name", "text", "Name.", insert=True, update=True, required=True),
        Column("order_nr", "bigint", "Position."),
        Column("is_deleted", "boolean", "Always false here."),
        Column(
            "is_deal_probability_enabled",
            "boolean",
            "Whether deals have a probability.",
            insert=True,
            update=True,
        ),
        ADD_TIME,
        UPDATE_TIME,
    ),
    listings=(Listing("/pipelines", tokens=5, sorts=BY_TIMES),),
    get=Get("/pipelines/{id}", tokens=1),
    hidden=(("is_deleted", True),),
    insert=add("/pipelines"),
    update=change("/pipelines/{id}"),
    delete=remove("/pipelines/{id}"),
    rows=5,
)

STAGES = Table(
    name="stages",
    doc="Stages of the pipelines.",
    columns=(
        ID,
        Column("order_nr", "bigint", "Position in the pipeline."),
        Column("name", "text", "Name.", insert=True, update=True, required=True),
        Column("is_deleted", "boolean", "Always false here."),
        Column("deal_probability", "bigint", "Probability of success in percent.", insert=True, update=True),
        ref("pipeline_id", "pipelines", "Its pipeline.", insert=True, update=True, required=True),
        Column("is_deal_rot_enabled", "boolean", "Whether deals here can rot.", insert=True, update=True),
        Column("days_to_rotten", "bigint", "Days until a deal rots.", insert=True, update=True),
        ADD_TIME,
        UPDATE_TIME,
    ),
    listings=(
        Listing(
            "/stages", tokens=5, filters=(Filter("pipeline_id", share=0.3),), sorts=(*BY_TIMES, "order_nr")
        ),
    ),
    get=Get("/stages/{id}", tokens=1),
    hidden=(("is_deleted", True),),
    insert=add("/stages"),
    update=change("/stages/{id}"),
    delete=remove("/stages/{id}"),
    rows=20,
)

TABLES = (DEALS, DELETED_DEALS, PIPELINES, STAGES)
