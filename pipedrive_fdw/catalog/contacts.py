"""Persons and organizations (API v2)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import (
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
    count,
    ref,
    writable,
)
from pipedrive_fdw.catalog.model import Column, Filter, Get, Listing, Table

_COUNTS = (
    ref("next_activity_id", "activities", "The next activity.", include=True),
    ref("last_activity_id", "activities", "The last activity.", include=True),
    count("open_deals_count", "Number of open deals."),
    count("related_open_deals_count", "Number of open deals linked through others."),
    count("closed_deals_count", "Number of closed deals."),
    count("related_closed_deals_count", "Number of closed deals linked through others."),
    count("email_messages_count", "Number of e-mail messages."),
    count("activities_count", "Number of activities."),
    count("done_activities_count", "Number of activities that are done."),
    count("undone_activities_count", "Number of activities that are not done."),
    count("files_count", "Number of files."),
    count("notes_count", "Number of notes."),
    count("followers_count", "Number of followers."),
    count("won_deals_count", "Number of won deals."),
    count("related_won_deals_count", "Number of won deals linked through others."),
    count("lost_deals_count", "Number of lost deals."),
    count("related_lost_deals_count", "Number of lost deals linked through others."),
    Column("smart_bcc_email", "text", "Address that files mails under the record.", include=True),
)

PERSONS = Table(
    name="persons",
    doc="Persons, the people of your contacts.",
    columns=(
        ID,
        Column("name", "text", "Full name.", insert=True, update=True, required=True),
        Column("first_name", "text", "First name."),
        Column("last_name", "text", "Last name."),
        *writable(
            ref("owner_id", "users", "The user who owns the person."),
            ref("org_id", "organizations", "The organization."),
        ),
        Column("add_time", "timestamptz", "When the record was created.", insert=True),
        UPDATE_TIME,
        *writable(
            Column("emails", "jsonb", "E-mail addresses: [{value, primary, label}]."),
            Column("phones", "jsonb", "Phone numbers: [{value, primary, label}]."),
        ),
        Column("is_deleted", "boolean", "Always false here."),
        VISIBLE_TO,
        LABEL_IDS,
        Column("picture_id", "bigint", "Id of the picture."),
        *writable(
            Column("postal_address", "jsonb", "Postal address in parts (contact sync)."),
            Column("notes", "text", "Notes (contact sync)."),
            Column("im", "jsonb", "Instant messaging addresses: [{value, primary, label}] (contact sync)."),
            Column("birthday", "date", "Birthday (contact sync)."),
            Column("job_title", "text", "Job title (contact sync)."),
        ),
        *_COUNTS[:6],
        count("participant_open_deals_count", "Number of open deals the person takes part in."),
        count("participant_closed_deals_count", "Number of closed deals the person takes part in."),
        *_COUNTS[6:-1],
        Column("last_incoming_mail_time", "timestamptz", "When the last mail came in.", include=True),
        Column("last_outgoing_mail_time", "timestamptz", "When the last mail went out.", include=True),
        Column("marketing_status", "text", "Marketing consent.", include=True, insert=True, update=True),
        Column("doi_status", "bigint", "Double opt-in status.", include=True),
        _COUNTS[-1],
        FILTER_ID,
        CUSTOM_FIELDS,
    ),
    listings=(
        Listing(
            "/persons",
            tokens=10,
            filters=(
                BY_FILTER,
                BY_IDS,
                Filter("owner_id", share=0.1),
                Filter("org_id", share=0.002),
                SINCE,
                UNTIL,
            ),
            sorts=BY_TIMES,
            labels=True,
            include=True,
            custom=True,
        ),
    ),
    get=Get("/persons/{id}", tokens=1, include=True, custom=True),
    hidden=(("is_deleted", True),),
    custom_fields="person",
)

ORGANIZATIONS = Table(
    name="organizations",
    doc="Organizations, the companies of your contacts.",
    columns=(
        ID,
        *writable(
            Column("name", "text", "Name.", required=True),
            ref("owner_id", "users", "The user who owns the organization."),
        ),
        Column("add_time", "timestamptz", "When the record was created.", insert=True),
        UPDATE_TIME,
        Column("is_deleted", "boolean", "Always false here."),
        VISIBLE_TO,
        Column("address", "jsonb", "Address as typed and in parts.", insert=True, update=True),
        LABEL_IDS,
        *writable(
            Column("website", "text", "Website."),
            Column("linkedin", "text", "LinkedIn page."),
            Column("industry", "bigint", "Option id of the industry."),
            Column("annual_revenue", "bigint", "Annual revenue."),
            Column("employee_count", "bigint", "Number of employees."),
        ),
        *_COUNTS[:7],
        count("people_count", "Number of persons."),
        *_COUNTS[7:],
        FILTER_ID,
        CUSTOM_FIELDS,
    ),
    listings=(
        Listing(
            "/organizations",
            tokens=10,
            filters=(BY_FILTER, BY_IDS, Filter("owner_id", share=0.1), SINCE, UNTIL),
            sorts=BY_TIMES,
            labels=True,
            include=True,
            custom=True,
        ),
    ),
    get=Get("/organizations/{id}", tokens=1, include=True, custom=True),
    hidden=(("is_deleted", True),),
    custom_fields="organization",
)

TABLES = (PERSONS, ORGANIZATIONS)
