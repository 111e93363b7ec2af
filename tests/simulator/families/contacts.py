"""Persons and organizations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulator.checks import Form
from tests.simulator.custom import ADDRESS_PARTS
from tests.simulator.model import IDS, WINDOW, Collection, Record, numbers
from tests.simulator.refusal import Refusal, invalid, missing
from tests.simulator.routes import Call, Reply, done, serves
from tests.simulator.verbs import declare

_COUNTS = [
    "open_deals_count",
    "related_open_deals_count",
    "closed_deals_count",
    "related_closed_deals_count",
    "email_messages_count",
    "activities_count",
    "done_activities_count",
    "undone_activities_count",
    "files_count",
    "notes_count",
    "followers_count",
    "won_deals_count",
    "related_won_deals_count",
    "lost_deals_count",
    "related_lost_deals_count",
]
_CONTACT_SYNC = ("postal_address", "notes", "im", "birthday", "job_title")


def whole_address(value: Any) -> Any:
    """An address as it is stored: what was left out becomes null."""
    if not value:
        return None
    if not isinstance(value.get("value"), str):
        raise invalid("an address needs its value")
    return {"value": value["value"], **{n: value.get(n) for n in ADDRESS_PARTS}}


def _settle_contact(call: Call, record: Record, body: Mapping[str, Any], new: bool) -> None:
    if new:
        record["owner_id"] = record["owner_id"] or call.user
        if body.get("add_time"):
            record["add_time"] = body["add_time"]
    elif record["is_deleted"]:
        raise missing("record", record["id"])
    record["label_ids"] = record["label_ids"] or []


def settle_person(call: Call, person: Record, body: Mapping[str, Any], new: bool) -> None:
    if not call.account.settings["contact_sync"] and any(n in body for n in _CONTACT_SYNC):
        raise Refusal(403, "Contact sync is not enabled", "contact_sync_disabled")
    _settle_contact(call, person, body, new)
    if not person["name"]:
        raise invalid("name is required")
    if "name" in body:
        first, _, last = person["name"].partition(" ")
        person["first_name"], person["last_name"] = first, last or None
    for name in ("emails", "phones", "im"):
        person[name] = [_contact(name, v) for v in person[name] or ()]
        if person[name] and not any(v["primary"] for v in person[name]):
            person[name][0]["primary"] = True
    person["postal_address"] = whole_address(person["postal_address"])


def _contact(name: str, given: Mapping[str, Any]) -> Record:
    if not given.get("value"):
        raise invalid(f"{name} needs a value")
    return {
        "value": given["value"],
        "primary": bool(given.get("primary")),
        "label": given.get("label") or "work",
    }


def _settle_organization(call: Call, record: Record, body: Mapping[str, Any], new: bool) -> None:
    _settle_contact(call, record, body, new)
    record["address"] = whole_address(record["address"])


_BLANK: Record = {
    "id": None,
    "name": None,
    "owner_id": None,
    "add_time": None,
    "update_time": None,
    "is_deleted": False,
    "visible_to": 3,
    "label_ids": [],
    "custom_fields": None,
    "next_activity_id": None,
    "last_activity_id": None,
    **dict.fromkeys(_COUNTS, 0),
    "smart_bcc_email": None,
}
PERSONS = Collection(
    "persons",
    "/persons",
    filters={**numbers("owner_id", "org_id"), **IDS, **WINDOW},
    entity="person",
    references={"owner_id": "users", "org_id": "organizations"},
    settle=settle_person,
    blank={
        **_BLANK,
        "first_name": None,
        "last_name": None,
        "org_id": None,
        "emails": [],
        "phones": [],
        "picture_id": None,
        "postal_address": None,
        "notes": None,
        "im": [],
        "birthday": None,
        "job_title": None,
        "participant_open_deals_count": 0,
        "participant_closed_deals_count": 0,
        "last_incoming_mail_time": None,
        "last_outgoing_mail_time": None,
        "marketing_status": "no_consent",
        "doi_status": 1,
    },
)
ORGANIZATIONS = Collection(
    "organizations",
    "/organizations",
    filters={**numbers("owner_id"), **IDS, **WINDOW},
    entity="organization",
    references={"owner_id": "users"},
    settle=_settle_organization,
    blank={
        **_BLANK,
        "address": None,
        "website": None,
        "linkedin": None,
        "industry": None,
        "annual_revenue": None,
        "employee_count": None,
        "people_count": 0,
    },
)
declare(PERSONS, ORGANIZATIONS)


def _pictures(call: Call, person: Record) -> Record:
    return {size: call.account.public(f"persons/{person['id']}_{size}.jpg") for size in ("128", "512")}


@serves(2, "GET /persons/{id}/picture")
def picture(call: Call) -> Reply:
    person = call.account.get("persons", call.key())
    if person["picture_id"] is None:
        raise missing("picture of person", person["id"])
    return done(
        {
            "id": person["picture_id"],
            "item_type": "person",
            "item_id": person["id"],
            "added_by_user_id": 1,
            "active_flag": True,
            "file_size": 1234,
            "pictures": _pictures(call, person),
        }
    )


@serves(1, "POST /persons/{id}/picture")
def add_picture(call: Call) -> Reply:
    """Replaces the one that was there; the answer is keyed by its id."""
    person = call.account.get("persons", call.key())
    form = call.body
    if not isinstance(form, Form) or not form.get("file"):
        raise invalid("file must be an image")
    person["picture_id"] = 1_000_000 + person["id"]
    person["_picture"] = form["file"].decode("latin-1")
    call.account["persons"].put(person)
    now = call.account.now("v1")
    made = {
        "id": person["picture_id"],
        "item_type": "person",
        "item_id": person["id"],
        "active_flag": True,
        "add_time": now,
        "update_time": now,
        "added_by_user_id": call.user,
        "pictures": _pictures(call, person),
    }
    return call.op.status, done({str(person["picture_id"]): made})


@serves(1, "DELETE /persons/{id}/picture")
def remove_picture(call: Call) -> Reply:
    person = call.account.get("persons", call.key())
    if person["picture_id"] is None:
        raise missing("picture of person", person["id"])
    person["picture_id"] = None
    call.account["persons"].put(person)
    return done({"id": person["id"]})
