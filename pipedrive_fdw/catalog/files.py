"""Files, images and call logs (API v1; images v2)."""

from __future__ import annotations

from pipedrive_fdw.catalog.common import ADD_TIME, ID, ROW_ID, UPDATE_TIME, add, change, parent, ref, remove
from pipedrive_fdw.catalog.model import NONE, OFFSET, Column, Download, Get, Listing, Parent, Table, Write

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

_DOWNLOAD = Download("/files/{id}/download", tokens=20, version=1)
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
        Column("mail_template_id", "text", "The mail template."),
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
        Column(
            "content",
            "bytea",
            "The bytes of the file: a download for each row that shows them, NULL of a linked one.",
            insert=True,
            extended=True,
            body="file",
        ),
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
    download=_DOWNLOAD,
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


def _files_of(what: str, column: str, table: str, names: str = "") -> Table:
    """The table of the files attached to rows of *table*; *names* are its columns of files, '' for most."""
    chosen = names.split()
    shown = tuple(
        c._replace(insert=False, update=False)
        for c in FILES.columns
        if c.name != column
        and c.source != "-"
        and (c.name in chosen if chosen else not c.name.startswith(("project_", "file_type")))
    )
    return Table(
        name=f"{what}_files",
        doc=f"Files attached to {what}s: columns of files.",
        columns=(parent(column, table, f"The {what}."), *shown, ROW_ID),
        listings=(
            Listing(
                f"/{table}/{{{column}}}/files",
                tokens=20,
                version=1,
                paging=OFFSET,
                page_max=100,
                null_is_empty=True,
            ),
        ),
        key=(column, "id"),
        download=_DOWNLOAD,
        parent=Parent(table, column),
        hidden=FILES.hidden,
        rows=2_000,
    )


def _only_written(column: Column) -> Column:
    return column._replace(insert=True, source="-", doc=f"{column.doc}; only written.")


_PRODUCT_IMAGE = "/products/{product_id}/images"
PRODUCT_IMAGES = Table(
    name="product_images",
    doc="Images of products, one each.",
    columns=(
        parent("product_id", "products", "The product.", insert=True, required=True),
        ID,
        Column("company_id", "text", "Id of the account."),
        Column("public_url", "text", "Address of the image."),
        ADD_TIME,
        Column("mime_type", "text", "Type of the image, like image/png."),
        Column("name", "text", "Name of the file."),
        Column(
            "content",
            "bytea",
            "The image, read from public_url.",
            insert=True,
            update=True,
            required=True,
            extended=True,
            body="data",
        ),
    ),
    listings=(Listing(_PRODUCT_IMAGE, tokens=10, paging=NONE, rows="*", null_is_empty=True),),
    download=Download("", tokens=0, address="public_url"),
    key=("product_id",),
    parent=Parent("products", "product_id"),
    present=("id",),
    insert=Write(_PRODUCT_IMAGE, 20, encoding="multipart"),
    update=Write(_PRODUCT_IMAGE, 20, method="PUT", encoding="multipart", fields=("content",)),
    delete=Write(_PRODUCT_IMAGE, 6, method="DELETE", encoding=""),
    rows=500,
)

PERSON_PICTURES = Table(
    name="person_pictures",
    doc="Pictures of persons, one each; an INSERT replaces the one that was there.",
    columns=(
        parent("person_id", "persons", "The person.", insert=True, required=True),
        ID,
        Column("item_type", "text", "Always person."),
        Column("item_id", "bigint", "Id of the person."),
        ref("added_by_user_id", "users", "The user who added it."),
        Column("active_flag", "boolean", "Whether it is active."),
        Column("file_size", "bigint", "Size in bytes."),
        Column("pictures", "jsonb", "Addresses by size: {128: …, 512: …}."),
        Column(
            "content",
            "bytea",
            "The picture, 512 pixels wide, read from its address in pictures.",
            insert=True,
            required=True,
            extended=True,
            body="file",
        ),
        *(
            _only_written(Column(f"crop_{part}", "bigint", f"Pixels: {meaning}"))
            for part, meaning in (
                ("x", "where the part that is kept begins, from the left"),
                ("y", "the same from the top"),
                ("width", "width of that part"),
                ("height", "height of that part"),
            )
        ),
    ),
    listings=(Listing("/persons/{person_id}/picture", tokens=1, paging=NONE, rows="*", null_is_empty=True),),
    download=Download("", tokens=0, address="pictures.512"),
    key=("person_id",),
    parent=Parent("persons", "person_id"),
    present=("id",),
    insert=add("/persons/{person_id}/picture", 1, encoding="multipart"),
    delete=remove("/persons/{person_id}/picture", 1),
    rows=500,
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

TABLES = (
    FILES,
    _files_of("deal", "deal_id", "deals"),
    _files_of("person", "person_id", "persons"),
    _files_of("organization", "org_id", "organizations"),
    _files_of(
        "product",
        "product_id",
        "products",
        "id add_time update_time file_name file_size active_flag inline_flag remote_location remote_id "
        "s3_bucket product_name url name description content",
    ),
    PRODUCT_IMAGES,
    PERSON_PICTURES,
    CALL_LOGS,
)
