"""Activities (API v2) and their types (v1)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import (
    ADD_TIME,
    ADDRESS,
    BY_FILTER,
    BY_IDS,
    BY_TIMES,
    FILTER_ID,
    ID,
    SINCE,
    UNTIL,
    UPDATE_TIME,
    add,
    change,
    ref,
    remove,
    writable,
)
from pipedrive_fdw.catalog.model import NONE, Column, Filter, Get, Listing, Table
from pipedrive_fdw.values.shapes import BOOLEAN, INTEGER, TEXT, list_of, object_of

_PARTICIPANTS = list_of(object_of(person_id=INTEGER, primary=BOOLEAN))
_ATTENDEES = list_of(
    object_of(email=TEXT, name=TEXT, status=TEXT, is_organizer=BOOLEAN, person_id=INTEGER, user_id=INTEGER)
)

ACTIVITIES = Table(
    name="activities",
    doc="Activities: calls, meetings, tasks and the like.",
    columns=(
        ID,
        *writable(
            Column("subject", "text", "Subject."),
            Column("type", "text", "Key of the activity type.", references="activity_types.key_string"),
            ref("owner_id", "users", "The user who owns the activity."),
        ),
        ref("creator_user_id", "users", "The user who created it."),
        Column("is_deleted", "boolean", "Always false here."),
        ADD_TIME,
        UPDATE_TIME,
        *writable(
            ref("deal_id", "deals", "The deal."),
            ref("lead_id", "leads", "The lead.", "uuid"),
        ),
        ref("person_id", "persons", "The primary participant; set it through participants."),
        *writable(
            ref("org_id", "organizations", "The organization."),
            ref("project_id", "projects", "The project."),
            Column("due_date", "date", "Due date."),
            Column("due_time", "time", "Due time, UTC."),
            Column("duration", "interval", "Duration."),
            Column("busy", "boolean", "Whether it marks the owner as busy."),
            Column("done", "boolean", "Whether it is done."),
        ),
        Column("marked_as_done_time", "timestamptz", "When it was marked as done."),
        *writable(
            Column("location", "jsonb", "Location.", shape=ADDRESS),
            Column("participants", "jsonb", "Participants.", shape=_PARTICIPANTS),
            Column("attendees", "jsonb", "Attendees.", include=True, shape=_ATTENDEES),
        ),
        Column("conference_meeting_client", "text", "Client of the conference."),
        Column("conference_meeting_url", "text", "Address of the conference."),
        Column("conference_meeting_id", "text", "Id of the conference."),
        *writable(
            Column("public_description", "text", "Description that attendees see."),
            Column("priority", "bigint", "Option id of the priority."),
            Column("note", "text", "Note (HTML)."),
        ),
        Column("outcome", "bigint", "Option id of the outcome.", insert=True, update=True),
        FILTER_ID,
    ),
    listings=(
        Listing(
            "/activities",
            tokens=10,
            filters=(
                BY_FILTER,
                BY_IDS,
                Filter("owner_id", share=0.1),
                Filter("deal_id", share=0.001),
                Filter("lead_id", share=0.001),
                Filter("person_id", share=0.001),
                Filter("org_id", share=0.002),
                Filter("done", share=0.5),
                SINCE,
                UNTIL,
            ),
            sorts=(*BY_TIMES, "due_date"),
            include=True,
        ),
    ),
    get=Get("/activities/{id}", tokens=1, include=True),
    hidden=(("is_deleted", True),),
    insert=add("/activities"),
    update=change("/activities/{id}"),
    delete=remove("/activities/{id}"),
    independent=True,
    custom_fields="activity",
)

ACTIVITY_TYPES = Table(
    name="activity_types",
    doc="Activity types.",
    columns=(
        ID,
        Column("name", "text", "Name.", insert=True, update=True, required=True),
        Column("icon_key", "text", "Key of the icon.", insert=True, update=True, required=True),
        Column("color", "text", "Colour, six hexadecimal digits.", insert=True, update=True),
        Column("order_nr", "bigint", "Position.", update=True),
        Column("key_string", "text", "Key that activities.type names."),
        Column("active_flag", "boolean", "Whether it can be chosen."),
        Column("is_custom_flag", "boolean", "Whether it was made in this account."),
        ADD_TIME,
        UPDATE_TIME,
    ),
    listings=(Listing("/activityTypes", tokens=20, version=1, paging=NONE),),
    insert=add("/activityTypes", 1),
    update=change("/activityTypes/{id}", 1),
    delete=remove("/activityTypes/{id}", 1),
    rows=10,
)

TABLES = (ACTIVITIES, ACTIVITY_TYPES)
