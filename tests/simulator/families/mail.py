"""The caller's mailbox, files, and call logs. All v1; changes are form-encoded, flags are 0 and 1."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.simulator.account import Account
from tests.simulator.checks import Form
from tests.simulator.company.mail import thread_party
from tests.simulator.listing import list_page
from tests.simulator.model import Collection, Record, active
from tests.simulator.refusal import Refusal, invalid, missing
from tests.simulator.routes import Call, Elsewhere, Reply, done, serves
from tests.simulator.verbs import coerced, create, declare

_ENTITIES = {"deals": "_deal_id", "persons": "_person_id", "organizations": "_org_id"}


def _own(call: Call, record: Record | None, what: str) -> Record:
    if record is None or record["user_id"] != call.user or record["deleted_flag"]:
        raise missing(what, call.values["id"])
    return record


THREADS = Collection(
    "mail_threads",
    "/mailbox/mailThreads",
    1,
    verbs="",
    visible=lambda t: not t["deleted_flag"],
    order=(("last_message_timestamp", True),),
)


@serves(1, "GET /mailbox/mailThreads")
def threads(call: Call) -> Reply:
    folder = call.query["folder"]
    rows = [t for t in call.account["mail_threads"] if folder in t["folders"]]
    return list_page(call, THREADS, [t for t in rows if t["user_id"] == call.user and not t["deleted_flag"]])


@serves(1, "GET /mailbox/mailThreads/{id}")
def thread(call: Call) -> Reply:
    return done(_own(call, call.account["mail_threads"].get(call.key()), "mail thread"))


@serves(1, "PUT /mailbox/mailThreads/{id}")
def change_thread(call: Call) -> Reply:
    found = _own(call, call.account["mail_threads"].get(call.key()), "mail thread")
    given = coerced(call, {n: v if v != "" else None for n, v in call.body.items()})
    for name, table in (("deal_id", "deals"), ("lead_id", "leads")):
        if given.get(name) is not None and call.account[table].get(given[name]) is None:
            raise invalid(f"{name} {given[name]} does not exist")
    if given.get("deal_id") and given.get("lead_id"):
        raise invalid("a thread is linked to a deal or to a lead")
    found.update(given)
    if "archived_flag" in given:
        found["folders"] = ["archive"] if given["archived_flag"] else ["inbox"]
    found["update_time"] = call.account.now("ms", found["update_time"])
    call.account["mail_threads"].put(found)
    return done(found)


@serves(1, "DELETE /mailbox/mailThreads/{id}")
def delete_thread(call: Call) -> Reply:
    found = _own(call, call.account["mail_threads"].get(call.key()), "mail thread")
    found["deleted_flag"] = 1
    call.account["mail_threads"].put(found)
    return done({"id": found["id"]})


# ---- messages: each place shows them a little differently


def _in_thread(account: Account, row: Record, user: int) -> Record:
    out = {n: v for n, v in row.items() if n[0] != "_"}
    for side in ("from", "to", "cc", "bcc"):
        out[side] = [thread_party(p) for p in row[side]]
    return out


MESSAGES = Collection("mail_messages", "/mailbox/mailThreads/{id}/mailMessages", 1, verbs="", view=_in_thread)
declare(THREADS, MESSAGES)


@serves(1, "GET /mailbox/mailThreads/{id}/mailMessages")
def messages(call: Call) -> Reply:
    found = _own(call, call.account["mail_threads"].get(call.key()), "mail thread")
    return list_page(call, MESSAGES, call.account["mail_messages"].where("mail_thread_id", found["id"]))


@serves(1, "GET /mailbox/mailMessages/{id}")
def message(call: Call) -> Reply:
    found = _own(call, call.account["mail_messages"].get(call.key()), "mail message")
    out = {n: v for n, v in found.items() if n[0] != "_"}
    out["draft_flag"] = found["_draft_flag"]
    if call.flag("include_body"):
        out["body"] = found["_body"]
    return done(out, statusCode=200, statusText="OK", service="mailigen")


def _wrapped(row: Record, body: bool) -> Record:
    out = {n: v for n, v in row.items() if n[0] != "_"}
    out.update(
        draft_flag=row["_draft_flag"],
        nylas_id=None,
        s3_bucket=None,
        s3_bucket_path=None,
        external_deleted_flag=False,
        mua_message_id=f"<{row['id']}@mail.example>",
        template_id=None,
        timestamp=row["message_time"][:19].replace("T", " "),
        item_type="mailMessage",
        company_id=99,
    )
    if body:
        out["body"] = row["_body"]
    return {"object": "mailMessage", "timestamp": out["timestamp"], "data": out}


@serves(1, *(f"GET /{table}/{{id}}/mailMessages" for table in _ENTITIES))
def messages_of(call: Call) -> Reply:
    table = call.op.path.split("/")[1]
    call.account.get(table, call.key())
    rows = call.account["mail_messages"].where(_ENTITIES[table], call.key())
    body = call.flag("include_body")
    view = Collection(
        "mail_messages",
        call.op.path,
        1,
        view=lambda account, row, user: _wrapped(row, body),
        fixed=False,
        empty=None,
    )
    return list_page(call, view, rows)


# ---- files

_NAMES = (
    ("deal_name", "deals", "deal_id", "title"),
    ("person_name", "persons", "person_id", "name"),
    ("org_name", "organizations", "org_id", "name"),
    ("product_name", "products", "product_id", "name"),
    ("lead_name", "leads", "lead_id", "title"),
    ("project_name", "projects", "project_id", "title"),
)
_BLANK: Record = {
    "id": None,
    "user_id": None,
    "deal_id": None,
    "person_id": None,
    "org_id": None,
    "product_id": None,
    "activity_id": None,
    "lead_id": None,
    "project_id": None,
    "add_time": None,
    "update_time": None,
    "file_name": None,
    "file_size": 0,
    "active_flag": True,
    "inline_flag": False,
    "remote_location": "s3",
    "remote_id": None,
    "cid": None,
    "s3_bucket": None,
    "mail_message_id": None,
    "mail_template_id": None,
    "name": None,
    "description": None,
    "_content": "",
}


def _file(account: Account, row: Record, user: int) -> Record:
    out = {n: v for n, v in row.items() if n[0] != "_"}
    for name, table, link, label in _NAMES:
        found = account[table].get(row[link]) if row[link] is not None else None
        out[name] = found[label] if found else None
    out["url"] = f"https://app.pipedrive.example/api/v1/files/{row['id']}/download"
    return out


def _settle_file(call: Call, row: Record, body: Mapping[str, Any], new: bool) -> None:
    if not new and not row["active_flag"]:
        raise missing("files", row["id"])


FILES = Collection(
    "files",
    "/files",
    1,
    verbs="LGUD",
    visible=active,
    view=_file,
    fixed=False,
    empty=None,
    limit=100,
    clock="v1",
    soft=("active_flag", False),
    settle=_settle_file,
    references={
        "deal_id": "deals",
        "person_id": "persons",
        "org_id": "organizations",
        "product_id": "products",
        "activity_id": "activities",
        "lead_id": "leads",
        "project_id": "projects",
    },
    blank=_BLANK,
)
_UPLOADS = Collection(
    "files", "/files", 1, verbs="", view=_file, clock="v1", references=FILES.references, blank=_BLANK
)
declare(FILES)


@serves(1, "POST /files")
def upload(call: Call) -> Reply:
    form = call.body
    if not isinstance(form, Form) or "file" not in form.filenames:
        raise invalid("file must be a file")
    links = {n: v for n, v in form.items() if n != "file"}
    made = create(call, _UPLOADS, links)
    made.update(
        user_id=call.user,
        name=form.filenames["file"],
        file_name=f"{made['id']:08x}-{form.filenames['file']}",
        file_size=len(form["file"]),
        remote_id=f"company/99/files/{made['id']:08x}",
        _content=form["file"].decode("latin-1"),
    )
    call.account["files"].put(made)
    return call.op.status, done(_file(call.account, made, call.user))


@serves(1, "POST /files/remote", "POST /files/remoteLink")
def remote(call: Call) -> Reply:
    given = call.body
    link = {"deal": "deal_id", "organization": "org_id", "person": "person_id"}[given["item_type"]]
    made = create(call, _UPLOADS, {link: int(given["item_id"])})
    name = given.get("title") or f"remote {given.get('remote_id')}"
    key = given.get("remote_id") or f"drive-{made['id']}"
    made.update(user_id=call.user, name=name, file_name=name, remote_location="googledrive", remote_id=key)
    call.account["files"].put(made)
    return call.op.status, done(_file(call.account, made, call.user))


@serves(1, "GET /files/{id}/download")
def download(call: Call) -> Reply:
    """Those that are stored elsewhere are asked for there; a few are small enough to come at once."""
    found = call.account.get("files", call.key())
    if found["id"] % 5 == 0:
        return str(found["_content"]).encode("latin-1")
    return Elsewhere(f"/storage/{found['id']}?signature=made-up")


_PRODUCTS_FILE = [
    "id",
    "product_id",
    "add_time",
    "update_time",
    "file_name",
    "file_size",
    "active_flag",
    "inline_flag",
    "remote_location",
    "remote_id",
    "s3_bucket",
    "product_name",
    "url",
    "name",
    "description",
]


def _file_of_parent(account: Account, row: Record, user: int) -> Record:
    return {n: v for n, v in _file(account, row, user).items() if not n.startswith("project_")}


def _file_of_product(account: Account, row: Record, user: int) -> Record:
    return {n: v for n, v in _file(account, row, user).items() if n in _PRODUCTS_FILE}


_OF_PARENT = replace(FILES, view=_file_of_parent)
_OF_PRODUCT = replace(FILES, view=_file_of_product)


@serves(1, *(f"GET /{t}/{{id}}/files" for t in (*_ENTITIES, "products")))
def files_of(call: Call) -> Reply:
    table = call.op.path.split("/")[1]
    call.account.get(table, call.key())
    link = {"deals": "deal_id", "persons": "person_id", "organizations": "org_id", "products": "product_id"}[
        table
    ]
    rows = [r for r in call.account["files"].where(link, call.key()) if r["active_flag"]]
    return list_page(call, _OF_PRODUCT if table == "products" else _OF_PARENT, rows)


# ---- call logs


def _settle_call(call: Call, row: Record, body: Mapping[str, Any], new: bool) -> None:
    row["user_id"] = row["user_id"] or call.user
    row["id"] = hashlib.sha256(str(row["id"]).encode()).hexdigest()[:32]
    if row["deal_id"] is not None and row["lead_id"] is not None:
        raise invalid("a call log is linked to a deal or to a lead")


CALLS = Collection(
    "call_logs",
    "/callLogs",
    1,
    verbs="CD",
    limit=50,
    empty=None,
    soft=None,
    deleted={},
    settle=_settle_call,
    references={
        "person_id": "persons",
        "org_id": "organizations",
        "deal_id": "deals",
        "activity_id": "activities",
    },
    blank={
        "user_id": None,
        "activity_id": None,
        "subject": None,
        "duration": None,
        "outcome": None,
        "from_phone_number": None,
        "to_phone_number": None,
        "start_time": None,
        "end_time": None,
        "person_id": None,
        "org_id": None,
        "deal_id": None,
        "lead_id": None,
        "note": None,
        "id": None,
        "has_recording": False,
        "company_id": 99,
    },
)
declare(CALLS)


@serves(1, "GET /callLogs")
def call_logs(call: Call) -> Reply:
    """Those assigned to the caller."""
    return list_page(call, CALLS, call.account["call_logs"].where("user_id", call.user))


@serves(1, "GET /callLogs/{id}")
def call_log(call: Call) -> Reply:
    found = call.account.get("call_logs", call.values["id"])
    if found["user_id"] != call.user:
        raise Refusal(403, "This call log belongs to another user")
    return done(found)


@serves(1, "POST /callLogs/{id}/recordings")
def record_call(call: Call) -> Reply:
    found = call.account.get("call_logs", call.values["id"])
    if not isinstance(call.body, Form) or not call.body.get("file"):
        raise invalid("file must be an audio file")
    found["has_recording"] = True
    found["_recording"] = call.body["file"].decode("latin-1")
    call.account["call_logs"].put(found)
    return call.op.status, {"success": True}
