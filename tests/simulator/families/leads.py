"""Leads, live and archived, their labels and sources. v1, with times to the millisecond."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulator.account import Account
from tests.simulator.custom import definitions, flattened
from tests.simulator.model import Collection, Record, always, numbers, since
from tests.simulator.refusal import invalid
from tests.simulator.routes import Call
from tests.simulator.verbs import create, declare


def _view(account: Account, lead: Record, user: int) -> Record:
    """Custom fields at the root in v1's form; unset ones are absent."""
    out = {n: v for n, v in lead.items() if n[0] != "_"}
    out.update(flattened(account, lead.get("_custom"), definitions(account, "deal")))
    return out


def _settle(call: Call, lead: Record, body: Mapping[str, Any], new: bool) -> None:
    if new:
        lead["owner_id"] = lead["owner_id"] or call.user
        lead["creator_id"] = call.user
        lead["cc_email"] = f"acme+lead+{lead['id']}@pipedrivemail.example"
    if not lead["title"]:
        raise invalid("A lead must have a title")
    if lead["person_id"] is None and lead["organization_id"] is None:
        raise invalid("A lead must be linked to a person or an organization")
    lead["label_ids"] = lead["label_ids"] or []
    if any(call.account["lead_labels"].get(i) is None for i in lead["label_ids"]):
        raise invalid("a label does not exist")


_FILTERS = numbers("owner_id", "person_id", "organization_id")
_OLDEST_FIRST = (("add_time", False),)
LEADS = Collection(
    "leads",
    "/leads",
    1,
    visible=lambda lead: not lead["is_archived"],
    filters={**_FILTERS, "updated_since": since("update_time")},
    view=_view,
    order=_OLDEST_FIRST,
    entity="deal",
    flat=True,
    fixed=False,
    soft=None,
    clock="ms",
    settle=_settle,
    references={"owner_id": "users", "person_id": "persons", "organization_id": "organizations"},
    blank={
        "id": None,
        "title": None,
        "owner_id": None,
        "creator_id": None,
        "label_ids": [],
        "person_id": None,
        "organization_id": None,
        "source_name": "API",
        "origin": "API",
        "origin_id": None,
        "channel": None,
        "channel_id": None,
        "source_deal_id": None,
        "is_archived": False,
        "was_seen": False,
        "value": None,
        "expected_close_date": None,
        "next_activity_id": None,
        "add_time": None,
        "update_time": None,
        "visible_to": "3",
        "cc_email": None,
        "_custom": {},
    },
)
declare(
    LEADS,
    Collection(
        "leads",
        "/leads/archived",
        1,
        verbs="L",
        one="/leads/{id}",
        visible=lambda lead: bool(lead["is_archived"]),
        filters=_FILTERS,
        view=_view,
        fixed=False,
        order=_OLDEST_FIRST,
    ),
    Collection(
        "lead_labels",
        "/leadLabels",
        1,
        verbs="LCUD",
        visible=always,
        soft=None,
        clock="ms",
        order=_OLDEST_FIRST,
        blank={"id": None, "name": None, "color": None, "add_time": None, "update_time": None},
    ),
    Collection("lead_sources", "/leadSources", 1, verbs="L", key="name", visible=always),
)


def new_lead(call: Call, title: str, person: Any, organization: Any, deal: Record) -> Record:
    """The lead that a deal becomes."""
    body = {"title": title or "Lead", "person_id": person, "organization_id": organization}
    if person is None and organization is None:
        raise invalid("A lead must be linked to a person or an organization")
    lead = create(call, LEADS, body)
    lead["source_deal_id"] = deal["id"]
    lead["value"] = {"amount": deal["value"] or 0, "currency": deal["currency"]}
    lead["_custom"] = {n: v for n, v in (deal["custom_fields"] or {}).items() if v is not None}
    call.account["leads"].put(lead)
    return lead
