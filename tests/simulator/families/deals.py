"""Deals, live and archived, pipelines and stages; merge, duplicate, convert."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping
from typing import Any

from tests.simulator.model import IDS, WINDOW, Collection, Record, among, numbers
from tests.simulator.refusal import invalid, missing
from tests.simulator.routes import Call, Reply, done, serves
from tests.simulator.verbs import declare, refuse_archived

_STATES = ("open", "won", "lost")
_FILTERS = {
    **numbers("owner_id", "person_id", "org_id", "pipeline_id", "stage_id"),
    **IDS,
    **WINDOW,
    "status": among("status"),
}
_COUNTS = [
    "products_count",
    "files_count",
    "notes_count",
    "followers_count",
    "email_messages_count",
    "activities_count",
    "done_activities_count",
    "undone_activities_count",
    "participants_count",
]
_BLANK: Record = {
    "id": None,
    "title": None,
    "creator_user_id": None,
    "owner_id": None,
    "person_id": None,
    "org_id": None,
    "pipeline_id": None,
    "stage_id": None,
    "value": 0,
    "currency": None,
    "add_time": None,
    "update_time": None,
    "stage_change_time": None,
    "is_deleted": False,
    "is_archived": False,
    "status": "open",
    "probability": None,
    "lost_reason": None,
    "visible_to": 3,
    "close_time": None,
    "won_time": None,
    "lost_time": None,
    "local_won_date": None,
    "local_lost_date": None,
    "local_close_date": None,
    "expected_close_date": None,
    "label_ids": [],
    "origin": "API",
    "origin_id": None,
    "channel": None,
    "channel_id": None,
    "archive_time": None,
    "arr": None,
    "mrr": None,
    "acv": None,
    "custom_fields": None,
    "next_activity_id": None,
    "last_activity_id": None,
    "first_won_time": None,
    **dict.fromkeys(_COUNTS, 0),
    "last_incoming_mail_time": None,
    "last_outgoing_mail_time": None,
    "smart_bcc_email": None,
    "source_lead_id": None,
}
_REFERENCES = {
    "owner_id": "users",
    "person_id": "persons",
    "org_id": "organizations",
    "pipeline_id": "pipelines",
    "stage_id": "stages",
}


def settle_deal(call: Call, deal: Record, body: Mapping[str, Any], new: bool) -> None:
    """What the API sets by itself beside what was written, and what it refuses."""
    account = call.account
    now = account.now("v2", deal["update_time"])
    if not new and account["deals"].rows[deal["id"]]["is_archived"] and body.get("is_archived") is not False:
        refuse_archived(call, deal["id"])
    if new:
        deal["owner_id"] = deal["owner_id"] or call.user
        deal["creator_user_id"] = call.user
        deal["currency"] = deal["currency"] or "EUR"
        deal["smart_bcc_email"] = f"acme+deal{deal['id']}@pipedrivemail.example"
        if body.get("add_time"):
            deal["add_time"] = body["add_time"]
    _settle_stage(call, deal, body, now)
    _settle_status(deal, body, now)
    if "is_archived" in body:
        deal["archive_time"] = (body.get("archive_time") or now) if body["is_archived"] else None
    if body.get("is_deleted"):
        deal["status"] = "deleted"
    codes = {c["code"] for c in account["currencies"]}
    if deal["currency"] not in codes:
        raise invalid(f"currency {deal['currency']} does not exist")


def _settle_stage(call: Call, deal: Record, body: Mapping[str, Any], now: str) -> None:
    stages = call.account["stages"]
    if body.get("stage_id") is not None:
        deal["pipeline_id"] = stages.rows[body["stage_id"]]["pipeline_id"]
        if body.get("pipeline_id") not in (None, deal["pipeline_id"]):
            raise invalid("stage_id is not of this pipeline")
    elif deal["stage_id"] is None or body.get("pipeline_id") is not None:
        pipeline = deal["pipeline_id"] or 1
        of_it = [s for s in stages if s["pipeline_id"] == pipeline and not s["is_deleted"]]
        if not of_it:
            raise invalid(f"pipeline {pipeline} has no stages")
        deal["pipeline_id"], deal["stage_id"] = pipeline, of_it[0]["id"]
    if "stage_id" in body or "pipeline_id" in body:
        deal["stage_change_time"] = now


def _settle_status(deal: Record, body: Mapping[str, Any], now: str) -> None:
    if "status" in body and body["status"] not in _STATES:
        raise invalid(f"status must be one of {', '.join(_STATES)}")
    status = deal["status"]
    if body.get("lost_reason") is not None and status != "lost":
        raise invalid("lost_reason can only be set when the status is lost")
    for state in ("won", "lost"):
        if body.get(f"{state}_time") is not None and status != state:
            raise invalid(f"{state}_time can only be set when the status is {state}")
    if body.get("close_time") is not None and status == "open":
        raise invalid("close_time can only be set when the deal is closed")
    if "status" not in body:
        return
    for state in ("won", "lost"):
        time = (deal[f"{state}_time"] or body.get("close_time") or now) if status == state else None
        deal[f"{state}_time"], deal[f"local_{state}_date"] = time, time[:10] if time else None
    deal["close_time"] = (deal["won_time"] or deal["lost_time"]) if status != "open" else None
    deal["local_close_date"] = deal["close_time"][:10] if deal["close_time"] else None
    deal["first_won_time"] = deal["first_won_time"] or deal["won_time"]
    if status != "lost":
        deal["lost_reason"] = None


DEALS = Collection(
    "deals",
    "/deals",
    visible=lambda deal: not deal["is_archived"],
    filters=_FILTERS,
    entity="deal",
    bare_end=True,
    blank=_BLANK,
    references=_REFERENCES,
    settle=settle_deal,
    verbs="LGCU",
)
_NAMED: Record = {
    "id": None,
    "name": None,
    "order_nr": 9,
    "is_deleted": False,
    "add_time": None,
    "update_time": None,
}
PIPELINES = Collection("pipelines", "/pipelines", blank={**_NAMED, "is_deal_probability_enabled": False})
STAGES = Collection(
    "stages",
    "/stages",
    filters=numbers("pipeline_id"),
    references={"pipeline_id": "pipelines"},
    blank={
        **_NAMED,
        "deal_probability": 100,
        "pipeline_id": None,
        "is_deal_rot_enabled": False,
        "days_to_rotten": None,
    },
)
ARCHIVED = Collection(
    "deals",
    "/deals/archived",
    one="/deals/{id}",
    verbs="L",
    visible=lambda deal: bool(deal["is_archived"]),
    filters=_FILTERS,
    entity="deal",
)
declare(DEALS, ARCHIVED, PIPELINES, STAGES)


@serves(2, "DELETE /deals/{id}")
def delete_deal(call: Call) -> Reply:
    deal = call.account.get("deals", call.key())
    if deal["is_deleted"]:
        raise missing("deals", deal["id"])
    deal["is_deleted"], deal["status"] = True, "deleted"
    if deal["id"] % 2:  # deleting does not always move update_time
        deal["update_time"] = call.account.now("v2", deal["update_time"])
    call.account["deals"].put(deal)
    return done({"id": deal["id"]})


@serves(1, "PUT /deals/{id}/merge", "PUT /persons/{id}/merge", "PUT /organizations/{id}/merge")
def merge(call: Call) -> Reply:
    """The path's record is merged away into the body's, which lives on."""
    name = call.op.path.split("/")[1]
    table = call.account[name]
    loser = call.account.get(name, call.key())
    winner = call.account.get(name, int(call.body["merge_with_id"]))
    if loser is winner:
        raise invalid("cannot merge a record with itself")
    for field, value in loser.items():
        if winner.get(field) is None:
            winner[field] = value
    winner["update_time"] = call.account.now("v2", winner["update_time"])
    loser["is_deleted"] = True
    if name == "deals":
        loser["status"] = "deleted"
    table.put(winner)
    table.put(loser)
    from tests.simulator.families.v1_core import as_v1

    return done({**as_v1(call.account, name, winner), "merge_what_id": loser["id"]})


@serves(1, "POST /deals/{id}/duplicate")
def duplicate(call: Call) -> Reply:
    table = call.account["deals"]
    made = copy.deepcopy(call.account.get("deals", call.key()))
    now = call.account.now()
    made.update(id=table.new_key(), add_time=now, update_time=now, is_archived=False, archive_time=None)
    table.put(made)
    from tests.simulator.families.v1_core import as_v1

    return done(as_v1(call.account, "deals", made))


@serves(2, "POST /deals/{id}/convert/lead")
def convert_deal(call: Call) -> Reply:
    deal = call.account.get("deals", call.key())
    if deal["is_deleted"]:
        raise missing("deals", deal["id"])
    from tests.simulator.families.leads import new_lead

    lead = new_lead(call, deal["title"], deal["person_id"], deal["org_id"], deal)
    deal["is_deleted"], deal["status"] = True, "deleted"
    call.account["deals"].put(deal)
    return call.op.status, done(_job(call, "lead_id", lead["id"], deal["id"]))


@serves(2, "POST /leads/{id}/convert/deal")
def convert_lead(call: Call) -> Reply:
    lead = call.account.get("leads", call.values["id"])
    from tests.simulator.verbs import create

    value = lead["value"] or {"amount": 0, "currency": "EUR"}
    body = {
        "title": lead["title"],
        "person_id": lead["person_id"],
        "org_id": lead["organization_id"],
        "value": value["amount"],
        "currency": value["currency"],
        **call.body,
    }
    deal = create(call, DEALS, body)
    deal["source_lead_id"] = lead["id"]
    call.account["leads"].remove(lead)
    return call.op.status, done(_job(call, "deal_id", deal["id"], lead["id"]))


def _job(call: Call, name: str, made: Any, source: Any) -> Record:
    """A conversion; it is seen running once, then completed."""
    key = str(uuid.uuid4())
    call.account.jobs[key] = {"conversion_id": key, "_of": source, "_result": {name: made}, "_asked": 0}
    return {"conversion_id": key}


@serves(2, "GET /deals/{id}/convert/status/{conversion_id}", "GET /leads/{id}/convert/status/{conversion_id}")
def conversion(call: Call) -> Reply:
    job = call.account.jobs.get(call.values["conversion_id"])
    if job is None or str(job["_of"]) != call.values["id"]:
        raise missing("conversion", call.values["conversion_id"])
    job["_asked"] += 1
    if job["_asked"] == 1:
        return done({"conversion_id": job["conversion_id"], "status": "running"})
    return done({"conversion_id": job["conversion_id"], "status": "completed", **job["_result"]})
