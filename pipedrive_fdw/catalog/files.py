"""Files and call logs (API v1)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import ADD_TIME, ID, UPDATE_TIME, add, change, ref, remove
from pipedrive_fdw.catalog.model import OFFSET, Column, Get, Listing, Table

_LINKS = (
    ref("deal_id", "deals", "The deal.", insert=True),
    ref("person_id", "persons", "The person.", insert=True),
    ref("org_id", "organizations", "The organization.", insert=True),
)

_LINKED = (
    *_LINKS,
    ref("product_id", "products", "The product.", insert=True),
    ref("activity_id", "activities", "The activity.", insert=True),
    ref("lead_id", "leads", "The lead.", "uuid", insert=True),
    ref("project_id", "projects", "The project.", insert=True),
)

FILES = Table(
    name="files",
    doc="Files, uploaded or linked. An INSERT gives content, or item_type, item_id, remote_id and "
    "remote_location.",
    columns=(
        ID,
        ref("user_id", "users", "The user who added it."),
        *_LINKED,
        ADD_TIME,
        UPDATE_TIME,
        Column("file_name", "text", "Name under which it is kept.", insert=True, body="file.name"),
        Column("file_type", "text", "Kind of file."),
        Column("file_size", "bigint", "Size in bytes."),
        Column("active_flag", "boolean", "Always true here."),
        Column("inline_flag", "boolean", "Whether it is shown inside a mail."),
        Column("remote_location", "text", "Where a linked file is: googledrive.", insert=True),
        Column("remote_id", "text", "Id of a linked file there.", insert=True),
        Column("cid", "text", "Id inside a mail."),
        Column("s3_bucket", "text", "Place of storage."),
        Column("mail_message_id", "bigint", "The mail message."),
        Column("mail_template_id", "bigint", "The mail template."),
        Column("deal_name", "text", "Title of the deal."),
        Column("person_name", "text", "Name of the person."),
        Column("org_name", "text", "Name of the organization."),
        Column("product_name", "text", "Name of the product."),
        Column("lead_name", "text", "Title of the lead."),
        Column("project_name", "text", "Title of the project."),
        Column("url", "text", "Address of the content."),
        Column("name", "text", "Name shown.", update=True),
        Column("description", "text", "Description.", update=True),
        Column(
            "item_type",
            "text",
            "For a link: deal, organization or person; only written.",
            insert=True,
            source="-",
        ),
        Column("item_id", "bigint", "For a link: id of that record; only written.", insert=True, source="-"),
        Column("content", "bytea", "What is uploaded; only written.", insert=True, source="-", body="file"),
    ),
    listings=(
        Listing(
            "/files",
            tokens=20,
            version=1,
            paging=OFFSET,
            page_max=100,
            sorts=("id", "update_time"),
            null_is_empty=True,
        ),
    ),
    get=Get("/files/{id}", tokens=2, version=1),
    hidden=(("active_flag", False),),
    insert=add(
        "/files/remoteLink",
        1,
        encoding="form",
        fields=("item_type", "item_id", "remote_id", "remote_location"),
        takes=("item_type", "item_id", "remote_id", "remote_location"),
        otherwise=add(
            "/files",
            1,
            encoding="multipart",
            fields=("content",),
            takes=("content", "file_name", *(c.name for c in _LINKED)),
        ),
    ),
    update=change("/files/{id}", 1, encoding="form"),
    delete=remove("/files/{id}", 1),
)

CALL_LOGS = Table(
    name="call_logs",
    doc="Call logs that are assigned to the token's user.",
    columns=(
        Column("id", "text", "Identifier.", not_null=True),
        ref("user_id", "users", "The user who called.", insert=True),
        ref("activity_id", "activities", "The activity.", insert=True),
        Column("subject", "text", "Subject.", insert=True),
        Column("duration", "bigint", "Seconds.", insert=True, sent="text"),
        Column(
            "outcome",
            "text",
            "connected, no_answer, left_message, left_voicemail, wrong_number or busy.",
            insert=True,
            required=True,
        ),
        Column("from_phone_number", "text", "Number that called.", insert=True),
        Column("to_phone_number", "text", "Number that was called.", insert=True, required=True),
        Column("start_time", "timestamptz", "Begin.", insert=True, required=True, sent="utc"),
        Column("end_time", "timestamptz", "End.", insert=True, required=True, sent="utc"),
        *_LINKS,
        ref("lead_id", "leads", "The lead.", "uuid", insert=True),
        Column("note", "text", "Note (HTML).", insert=True),
        Column("has_recording", "boolean", "Whether there is a recording."),
        Column("company_id", "bigint", "Id of the account."),
    ),
    listings=(Listing("/callLogs", tokens=20, version=1, paging=OFFSET, page_max=50, null_is_empty=True),),
    # Its list is that of one user; whether the get keeps to that is not documented.
    get=Get("/callLogs/{id}", tokens=2, version=1, lookup=False),
    insert=add("/callLogs", 1),
    delete=remove("/callLogs/{id}", 1),
    needs="an OAuth token needs the scope phone-integration",
    rows=1_000,
)

TABLES = (FILES, CALL_LOGS)
