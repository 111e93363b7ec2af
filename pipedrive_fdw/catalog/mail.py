"""Mail: the threads of each folder, their messages, and the messages linked to records (API v1)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import ADD_TIME, ID, ROW_ID, UPDATE_TIME, change, parent, ref, remove
from pipedrive_fdw.catalog.model import NONE, OFFSET, Column, Get, Listing, Parent, Table

_NEEDS = "the token needs the OAuth scope mail:read or mail:full, and shows only the mailbox of its own user"
FOLDERS = ("inbox", "drafts", "sent", "archive")


def _flag(name: str, doc: str, settable: bool = False) -> Column:
    return Column(name, "boolean", doc, update=settable, sent="flag" if settable else "")


_COMMON = (
    Column("account_id", "text", "Id of the mail account."),
    ref("user_id", "users", "The user whose mail it is."),
    Column("subject", "text", "Subject."),
    Column("snippet", "text", "Beginning of the text."),
    Column("mail_tracking_status", "text", "opened or not opened."),
    _flag("mail_link_tracking_enabled_flag", "Whether clicks are tracked."),
    _flag("synced_flag", "Whether it was synchronized."),
    _flag("deleted_flag", "Whether it is deleted."),
    _flag("smart_bcc_flag", "Whether it came by the smart BCC address."),
    _flag("has_attachments_flag", "Whether it has attachments."),
    _flag("has_inline_attachments_flag", "Whether it has attachments inside the text."),
    _flag("has_real_attachments_flag", "Whether it has attachments outside the text."),
)

_THREAD = (
    ID,
    *_COMMON,
    _flag("read_flag", "Whether it was read.", True),
    Column("parties", "jsonb", "Who takes part: {to, from}."),
    Column("drafts_parties", "jsonb", "To whom its drafts go."),
    Column("folders", "text[]", "Folders in which it is."),
    Column("version", "bigint", "Number of the version."),
    Column("snippet_draft", "text", "Beginning of the last draft."),
    Column("snippet_sent", "text", "Beginning of the last message sent."),
    Column("message_count", "bigint", "Number of messages."),
    _flag("has_draft_flag", "Whether it has a draft."),
    _flag("has_sent_flag", "Whether it has a message that was sent."),
    _flag("archived_flag", "Whether it is archived.", True),
    _flag("shared_flag", "Whether others can see it.", True),
    _flag("external_deleted_flag", "Whether it was deleted outside Pipedrive."),
    _flag("first_message_to_me_flag", "Whether its first message came to the user."),
    Column("last_message_timestamp", "timestamptz", "Time of the last message."),
    Column("first_message_timestamp", "timestamptz", "Time of the first message."),
    Column("last_message_sent_timestamp", "timestamptz", "Time of the last message sent."),
    Column("last_message_received_timestamp", "timestamptz", "Time of the last message received."),
    ADD_TIME,
    UPDATE_TIME,
    ref("deal_id", "deals", "The deal.", update=True),
    Column("deal_status", "text", "Status of the deal."),
    ref("lead_id", "leads", "The lead.", "uuid", update=True),
    _flag("all_messages_sent_flag", "Whether every message was sent."),
)

_MESSAGE = (
    ID,
    Column("from", "jsonb", "Senders: [{email_address, name, linked_person_id, …}]."),
    Column("to", "jsonb", "Recipients, in the same form."),
    Column("cc", "jsonb", "Recipients of copies."),
    Column("bcc", "jsonb", "Recipients of blind copies."),
    Column("body_url", "text", "Address of the text."),
    *_COMMON,
    _flag("read_flag", "Whether it was read."),
    Column("draft", "text", "The draft."),
    _flag("has_body_flag", "Whether it has a text."),
    _flag("sent_flag", "Whether it was sent."),
    _flag("sent_from_pipedrive_flag", "Whether it was sent from Pipedrive."),
    Column("message_time", "timestamptz", "Time of the message."),
    ADD_TIME,
    UPDATE_TIME,
)


def _threads(folder: str) -> Table:
    return Table(
        name=f"mail_threads_{folder}",
        doc=f"Mail threads of the folder {folder}.",
        columns=_THREAD,
        listings=(
            Listing(
                "/mailbox/mailThreads",
                tokens=20,
                version=1,
                paging=OFFSET,
                params={"folder": folder},
                null_is_empty=True,
            ),
        ),
        get=Get("/mailbox/mailThreads/{id}", tokens=20, version=1, lookup=False),
        update=change("/mailbox/mailThreads/{id}", 1, encoding="form"),
        delete=remove("/mailbox/mailThreads/{id}", 1),
        needs=_NEEDS,
        rows=1_000,
    )


def _thread_messages(folder: str) -> Table:
    thread = f"mail_threads_{folder}"
    return Table(
        name=f"mail_messages_{folder}",
        doc=f"Mail messages of the threads in the folder {folder}.",
        columns=(
            *_MESSAGE,
            parent("mail_thread_id", thread, "Its thread."),
            Column("body", "text", "Text (HTML); one more request a row.", extended=True),
            ROW_ID,
        ),
        listings=(
            Listing(
                "/mailbox/mailThreads/{mail_thread_id}/mailMessages",
                tokens=20,
                version=1,
                paging=NONE,
                null_is_empty=True,
            ),
        ),
        get=Get(
            "/mailbox/mailMessages/{id}", tokens=2, version=1, params={"include_body": "1"}, lookup=False
        ),
        key=("mail_thread_id", "id"),
        parent=Parent(thread, "mail_thread_id"),
        needs=_NEEDS,
        rows=2_000,
    )


def _linked_messages(what: str, column: str, table: str) -> Table:
    """Messages linked to rows of *table*; each stands under ``data`` of an entry of the list."""
    inner = (
        *_MESSAGE,
        Column("mail_thread_id", "bigint", "Its thread."),
        Column("body", "text", "Text (HTML)."),
        _flag("draft_flag", "Whether it is a draft."),
        _flag("external_deleted_flag", "Whether it was deleted outside Pipedrive."),
        Column("mua_message_id", "text", "Id that the mail program gave."),
        Column("template_id", "bigint", "Id of its template."),
        Column("item_type", "text", "Always mailMessage."),
        Column("company_id", "bigint", "Id of the account."),
        Column("nylas_id", "text", "Id at the mail provider."),
        Column("s3_bucket", "text", "Place of storage."),
        Column("s3_bucket_path", "text", "Path in the place of storage."),
    )
    return Table(
        name=f"{what}_mail_messages",
        doc=f"Mail messages linked to {what}s.",
        columns=(
            parent(column, table, f"The {what}."),
            *(c._replace(source=f"data.{c.name}") for c in inner),
            Column("timestamp", "timestamptz", "When it was linked or changed."),
            ROW_ID,
        ),
        listings=(
            Listing(
                f"/{table}/{{{column}}}/mailMessages",
                tokens=20,
                version=1,
                paging=OFFSET,
                params={"include_body": "1"},
                null_is_empty=True,
                key="data.id",
            ),
        ),
        key=(column, "id"),
        parent=Parent(table, column, count="email_messages_count"),
        needs="the token needs the OAuth scope mail:read or mail:full",
        left_out={
            "object": "the kind of entry, always mailMessage",
            "data.timestamp": "that of the entry is a column",
        },
    )


TABLES = (
    *(_threads(folder) for folder in FOLDERS),
    *(_thread_messages(folder) for folder in FOLDERS),
    _linked_messages("deal", "deal_id", "deals"),
    _linked_messages("organization", "org_id", "organizations"),
    _linked_messages("person", "person_id", "persons"),
)
