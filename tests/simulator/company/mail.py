"""The mailbox, files and call logs."""

from __future__ import annotations

import hashlib
from collections import Counter

from tests.simulator.company.world import Record, World, v1_time

FOLDERS = ("inbox", "drafts", "sent", "archive")


def _party(world: World, number: int) -> Record:
    person = number % world.persons + 1
    return {
        "id": number,
        "email_address": f"p{person}.0@mail.example",
        "name": world.text(number, f"Correspondent {number}"),
        "linked_person_id": person if number % 3 else None,
        "linked_person_name": f"Person {person}" if number % 3 else None,
        "mail_message_party_id": number + 1000,
    }


def thread_party(party: Record) -> Record:
    """A party as threads show it."""
    return {**party, "latest_sent": False, "message_time": 1_788_000_000_000, "linked_organization_id": None}


def mail_threads(world: World) -> list[Record]:
    rng = world.rng("mail_threads")
    out: list[Record] = []
    for i in range(1, 45):
        added, updated, closed = world.moment(rng)
        folder = FOLDERS[(0, 0, 0, 1, 2, 3)[i % 6]]
        out.append(
            {
                "id": i,
                "account_id": "acc-1",
                "user_id": 1 if i % 9 else 2,
                "subject": world.text(i, f"Re: offer {i}"),
                "snippet": world.text(i + 8, "Thank you for the offer"),
                "read_flag": i % 2,
                "mail_tracking_status": None,
                "has_attachments_flag": int(i % 4 == 0),
                "has_inline_attachments_flag": 0,
                "has_real_attachments_flag": int(i % 4 == 0),
                "deleted_flag": 0,
                "synced_flag": 1,
                "smart_bcc_flag": 0,
                "mail_link_tracking_enabled_flag": 0,
                "parties": {
                    "to": [thread_party(_party(world, i))],
                    "from": [thread_party(_party(world, i + 50))],
                },
                "drafts_parties": [],
                # the same thread can stand in two folders
                "folders": [folder, "sent"] if folder == "inbox" and i % 5 == 0 else [folder],
                "version": 3,
                "snippet_draft": None,
                "snippet_sent": None,
                "message_count": messages_of(i),
                "has_draft_flag": int(folder == "drafts"),
                "has_sent_flag": int(folder == "sent"),
                "archived_flag": int(folder == "archive"),
                "shared_flag": i % 3 == 0 and 1 or 0,
                "external_deleted_flag": 0,
                "first_message_to_me_flag": 0,
                "last_message_timestamp": f"{updated[:-1]}.000Z",
                "first_message_timestamp": f"{added[:-1]}.000Z",
                "last_message_sent_timestamp": None if i % 2 else f"{closed[:-1]}.000Z",
                "last_message_received_timestamp": f"{updated[:-1]}.000Z",
                "add_time": f"{added[:-1]}.000Z",
                "update_time": f"{updated[:-1]}.000Z",
                "deal_id": i % world.deals + 1 if world.deals and i % 2 else None,
                "deal_status": "open" if world.deals and i % 2 else None,
                "lead_id": None,
                "all_messages_sent_flag": 0,
            }
        )
    return out


def messages_of(thread: int) -> int:
    return 1 + thread % 3


def mail_messages(world: World) -> list[Record]:
    out: list[Record] = []
    for thread in world.made["mail_threads"]:
        for n in range(messages_of(thread["id"])):
            number = len(out) + 1
            parties = _party(world, number), _party(world, number + 7)
            time = thread["add_time"]
            out.append(
                {
                    "id": number,
                    "from": [parties[0]],
                    "to": [parties[1]],
                    "cc": [_party(world, number + 9)] if number % 4 == 0 else [],
                    "bcc": [],
                    "body_url": f"https://mail.example/body/{number}",
                    "_body": world.text(number, f"<html><body>Message {number}</body></html>"),
                    "account_id": "acc-1",
                    "user_id": thread["user_id"],
                    "mail_thread_id": thread["id"],
                    "subject": thread["subject"],
                    "snippet": world.text(number + 3, "Hello there"),
                    "mail_tracking_status": None if number % 2 else "opened",
                    "mail_link_tracking_enabled_flag": 0,
                    "read_flag": 1,
                    "draft": None,
                    "_draft_flag": 0,
                    "synced_flag": 1,
                    "deleted_flag": 0,
                    "has_body_flag": 1,
                    "sent_flag": n % 2,
                    "sent_from_pipedrive_flag": 0,
                    "smart_bcc_flag": 0,
                    "message_time": time,
                    "add_time": time,
                    "update_time": time,
                    "has_attachments_flag": 0,
                    "has_inline_attachments_flag": 0,
                    "has_real_attachments_flag": 0,
                    "_deal_id": thread["deal_id"],
                    "_person_id": parties[0]["linked_person_id"],
                    "_org_id": number % world.organizations + 1 if number % 3 == 0 else None,
                }
            )
    counts = Counter(message["_deal_id"] for message in out)
    for deal in world.made["deals"]:
        deal["email_messages_count"] = counts[deal["id"]]
    return out


def files(world: World) -> list[Record]:
    rng = world.rng("files")
    leads = [lead["id"] for lead in world.made["leads"]]
    out: list[Record] = []
    for i in range(1, world.live_deals // 10 + 16):
        added, updated = world.times(rng, i + 5)
        kind = ("deal", "person", "org", "product", "lead", "activity", "project")[i % 7]
        if kind == "deal" and not world.deals:
            kind = "person"
        name = world.text(i, f"Offer {i}.pdf") or "unnamed"
        out.append(
            {
                "id": i,
                "user_id": rng.randrange(1, 9),
                "deal_id": rng.randrange(1, world.deals + 1) if kind == "deal" else None,
                "person_id": rng.randrange(1, world.persons + 1) if kind == "person" else None,
                "org_id": rng.randrange(1, world.organizations + 1) if kind == "org" else None,
                "product_id": rng.randrange(1, 61) if kind == "product" else None,
                "activity_id": rng.randrange(1, world.activities + 1) if kind == "activity" else None,
                "lead_id": rng.choice(leads) if kind == "lead" else None,
                "project_id": rng.randrange(1, world.projects + 1) if kind == "project" else None,
                "add_time": v1_time(added),
                "update_time": v1_time(updated),
                "file_name": f"{i:08x}-offer.pdf",
                "file_size": 0 if i % 6 == 0 else 1000 + i * 37,
                "active_flag": i % 37 != 9,
                "inline_flag": False,
                "remote_location": "googledrive" if i % 12 == 0 else "s3",
                "remote_id": f"drive-{i}" if i % 12 == 0 else f"company/99/files/{i:08x}",
                "cid": None,
                "s3_bucket": None,
                "mail_message_id": None,
                "mail_template_id": None,
                "name": name,
                "description": world.text(i + 1, "Signed") if i % 2 else None,
                "_content": f"content of file {i}",
            }
        )
    return out


def call_logs(world: World) -> list[Record]:
    rng = world.rng("call_logs")
    outcomes = ("connected", "no_answer", "left_message", "left_voicemail", "wrong_number", "busy")
    out: list[Record] = []
    for i in range(1, world.live_deals // 10 + 64):
        added, _, _ = world.moment(rng)
        out.append(
            {
                "user_id": 1 if i % 8 else 2,  # the list shows the caller's alone
                "activity_id": None if i % 2 else rng.randrange(1, world.activities + 1),
                "subject": world.text(i, f"Call {i}"),
                "duration": str(i * 7),
                "outcome": outcomes[i % 6],
                "from_phone_number": "+372 600 0001" if i % 3 else None,
                "to_phone_number": f"+372 555 {i:04d}",
                "start_time": f"{added[:-1]}.000Z",
                "end_time": f"{added[:-1]}.000Z",
                "person_id": rng.randrange(1, world.persons + 1) if i % 2 else None,
                "org_id": None,
                "deal_id": rng.randrange(1, world.deals + 1) if world.deals and i % 4 == 0 else None,
                "lead_id": None,
                "note": world.text(i + 6, "Call again") if i % 3 == 0 else None,
                "id": hashlib.sha256(f"{world.seed}/call/{i}".encode()).hexdigest()[:32],
                "has_recording": i % 10 == 0,
                "company_id": 99,
            }
        )
    return out


MAKERS = {
    "mail_threads": mail_threads,
    "mail_messages": mail_messages,
    "files": files,
    "call_logs": call_logs,
}
