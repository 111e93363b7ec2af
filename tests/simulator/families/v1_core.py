"""The v1 core (deals, persons, …), removed and out of support, served under its switch.

The same records in v1's form: other names, objects for links, flags for states, flat custom fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tests.simulator.account import Account
from tests.simulator.checks import FIELD_KEY
from tests.simulator.custom import (
    ADDRESS_PARTS,
    definitions,
    flattened,
    from_flat,
    linked,
    unset,
    without_nulls,
)
from tests.simulator.families.contacts import ORGANIZATIONS, PERSONS
from tests.simulator.families.deal_children import PRODUCTS as DEAL_PRODUCTS
from tests.simulator.families.deals import DEALS, PIPELINES, STAGES
from tests.simulator.families.products import PRODUCTS
from tests.simulator.families.work import ACTIVITIES
from tests.simulator.filters import test_of
from tests.simulator.listing import sort_value
from tests.simulator.model import Collection, Record
from tests.simulator.refusal import invalid, missing
from tests.simulator.routes import HANDLERS, Call, Reply, done, serves
from tests.simulator.spec import operations
from tests.simulator.verbs import change, coerced, create, delete

_TIMES = [
    "add_time",
    "archive_time",
    "update_time",
    "stage_change_time",
    "close_time",
    "won_time",
    "lost_time",
    "first_won_time",
    "last_incoming_mail_time",
    "last_outgoing_mail_time",
    "marked_as_done_time",
]
# v2 name → v1 name; "!" negates
_RENAMED: Mapping[str, Mapping[str, str]] = {
    "deals": {"owner_id": "user_id", "is_deleted": "deleted", "smart_bcc_email": "cc_email"},
    "persons": {
        "emails": "email",
        "phones": "phone",
        "is_deleted": "!active_flag",
        "smart_bcc_email": "cc_email",
    },
    "organizations": {"is_deleted": "!active_flag", "smart_bcc_email": "cc_email"},
    "activities": {
        "owner_id": "user_id",
        "busy": "busy_flag",
        "creator_user_id": "created_by_user_id",
        "is_deleted": "!active_flag",
    },
    "products": {"is_deleted": "!active_flag", "is_linkable": "selectable"},
    "pipelines": {"is_deleted": "!active", "is_deal_probability_enabled": "deal_probability"},
    "stages": {
        "is_deleted": "!active_flag",
        "is_deal_rot_enabled": "rotten_flag",
        "days_to_rotten": "rotten_days",
    },
    "deal_products": {"is_enabled": "enabled_flag"},
}
_DROPPED: Mapping[str, tuple[str, ...]] = {
    "deals": ("label_ids", "local_won_date", "local_lost_date", "local_close_date", "source_lead_id"),
    "persons": ("postal_address", "notes", "im", "birthday", "job_title", "doi_status"),
    "organizations": ("website", "linkedin", "industry", "annual_revenue", "employee_count"),
    "activities": ("priority",),
    "products": ("description", "category", "add_time", "update_time"),
    "deal_products": ("billing_frequency", "billing_frequency_cycles", "billing_start_date", "update_time"),
}  # fmt: skip
_OBJECTS = {
    "deals": {"creator_user_id": "user", "user_id": "user", "person_id": "people", "org_id": "org"},
    "persons": {"owner_id": "user", "org_id": "org"},
    "organizations": {"owner_id": "user"},
    "products": {"owner_id": "user"},
}
_ENTITY = {"deals": "deal", "persons": "person", "organizations": "organization", "products": "product"}


def as_v1(account: Account, table: str, record: Record, bare: bool = False) -> Record:
    """A v2 record as v1 shows it; *bare* leaves out the custom fields."""
    renamed, dropped = _RENAMED.get(table, {}), _DROPPED.get(table, ())
    out: Record = {}
    for name, value in record.items():
        if name in dropped or name[0] == "_" or name == "custom_fields":
            continue
        other = renamed.get(name, name)
        if other[0] == "!":
            other, value = other[1:], not value
        if name in _TIMES and isinstance(value, str):
            value = value[:19].replace("T", " ")
        out[other] = value
    for name, kind in _OBJECTS.get(table, {}).items():
        out[name] = linked(account, kind, out[name]) if out[name] is not None else None
    for name in ("user_id", "creator_user_id"):
        if table == "deals" and out[name]:
            out[name]["has_pic"] = bool(out[name]["has_pic"])
    if out.get("visible_to") is not None:
        out["visible_to"] = str(out["visible_to"])
    if isinstance(out.get("prices"), list):
        out["prices"] = [_renamed(price, {"direct_cost": "overhead_cost"}) for price in out["prices"]]
    more = _MORE.get(table)
    if more is not None:
        out.update(more(account, record))
    if table in _ENTITY and not bare:
        known = definitions(account, _ENTITY[table])
        out.update(unset(known))
        out.update(unset(known), **flattened(account, record.get("custom_fields"), known))
    return out


def _name(account: Account, table: str, key: Any, label: str = "name") -> Any:
    found = account[table].get(key) if key is not None else None
    return found[label] if found else None


def _deal(account: Account, deal: Record) -> Record:
    amount = deal["value"] or 0
    stage = account["stages"].get(deal["stage_id"]) or {}
    return {
        "label": ",".join(map(str, deal["label_ids"])) or None,
        "active": deal["status"] == "open",
        "owner_name": _name(account, "users", deal["owner_id"]),
        "person_name": _name(account, "persons", deal["person_id"]),
        "org_name": _name(account, "organizations", deal["org_id"]),
        "formatted_value": f"{amount:,.2f} {deal['currency']}",
        "weighted_value": amount,
        "formatted_weighted_value": f"{amount:,.2f} {deal['currency']}",
        "weighted_value_currency": deal["currency"],
        "stage_order_nr": stage.get("order_nr"),
        "rotten_time": None,
        "org_hidden": False,
        "person_hidden": False,
        "next_activity_date": None,
        "last_activity_date": None,
    }


def _person(account: Account, person: Record) -> Record:
    picture = person["picture_id"]
    return {
        "company_id": 99,
        "first_char": (person["name"] or " ")[0].lower(),
        "label": person["label_ids"][0] if person["label_ids"] else None,
        "org_name": _name(account, "organizations", person["org_id"]),
        "owner_name": _name(account, "users", person["owner_id"]),
        "picture_id": {"id": picture, "item_type": "person", "item_id": person["id"]} if picture else None,
    }


def _organization(account: Account, organization: Record) -> Record:
    address = organization["address"] or {}
    return {
        "company_id": 99,
        "first_char": (organization["name"] or " ")[0].lower(),
        "label": organization["label_ids"][0] if organization["label_ids"] else None,
        "owner_name": _name(account, "users", organization["owner_id"]),
        "address": address.get("value"),
        "address_formatted_address": address.get("value"),
        **{f"address_{part}": address.get(part) for part in ADDRESS_PARTS},
    }


def _attendee(attendee: Record) -> Record:
    return {
        **{n: v for n, v in attendee.items() if n != "email"},
        "email_address": attendee["email"],
        "is_organizer": int(attendee["is_organizer"]),
    }


def _activity(account: Account, activity: Record) -> Record:
    place = activity["location"] or {}
    people = [{"person_id": p["person_id"], "primary_flag": p["primary"]} for p in activity["participants"]]
    return {
        "company_id": 99,
        "participants": people,
        "attendees": [_attendee(a) for a in activity["attendees"] or ()],
        "assigned_to_user_id": activity["owner_id"],
        "location": place.get("value"),
        "location_formatted_address": place.get("value"),
        **{f"location_{part}": place.get(part) for part in ADDRESS_PARTS},
        "owner_name": _name(account, "users", activity["owner_id"]),
        "person_name": _name(account, "persons", activity["person_id"]),
        "org_name": _name(account, "organizations", activity["org_id"]),
        "deal_title": _name(account, "deals", activity["deal_id"], "title"),
    }


_MORE: Mapping[str, Any] = {
    "deals": _deal,
    "persons": _person,
    "organizations": _organization,
    "activities": _activity,
    "pipelines": lambda account, p: {"url_title": "pipeline", "selected": p["id"] == 1},
    "deal_products": lambda account, p: {
        "active_flag": True,
        "last_edit": (p["update_time"] or p["add_time"])[:19].replace("T", " "),
        "sum_formatted": f"{p['sum']:,.2f}",
        "quantity_formatted": str(p["quantity"]),
    },
}


# ---- lists


def _v2_name(table: str, name: str) -> str:
    return next((new for new, old in _RENAMED[table].items() if old.strip("!") == name), name)


def _live(record: Record) -> bool:
    return not record.get("is_deleted") and not record.get("is_archived")


def _chosen(call: Call, table: str) -> list[Record]:
    query = call.query
    rows = [r for r in call.account[table] if _live(r)]
    status = query.get("status", "all_not_deleted")
    if status == "deleted":
        rows = [r for r in call.account[table] if r["is_deleted"] and not r.get("is_archived")]
    elif status != "all_not_deleted":
        rows = [r for r in rows if r["status"] == status]
    if "filter_id" in query:
        test = test_of(call.account, int(query["filter_id"]))
        return [r for r in rows if test(r)]
    if table == "activities" and query.get("user_id") is None:
        rows = [
            r for r in rows if r["owner_id"] == call.user
        ]  # the caller's own, unless everyone's (0) are asked
    for name, field in (("user_id", "owner_id"), ("stage_id", "stage_id"), ("pipeline_id", "pipeline_id")):
        if query.get(name, "0") != "0":
            rows = [r for r in rows if str(r[field]) == query[name]]
    if "type" in query:
        rows = [r for r in rows if r["type"] in query["type"].split(",")]
    if "done" in query:
        rows = [r for r in rows if r["done"] is (query["done"] in ("1", "true"))]
    if "first_char" in query:
        rows = [r for r in rows if (r["name"] or "").casefold().startswith(query["first_char"].casefold())]
    if "ids" in query:
        rows = [r for r in rows if str(r["id"]) in query["ids"].split(",")]
    return rows


def _listed(call: Call, table: str, rows: list[Record]) -> bytes:
    for part in reversed(call.query.get("sort", "id ASC").split(",")):
        words = part.split()
        if rows and words[0] not in as_v1(call.account, table, rows[0]):
            raise invalid(f"{words[0]} is no field to sort by")
        name = _v2_name(table, words[0]) if table in _RENAMED else words[0]
        rows = sorted(rows, key=lambda r: sort_value(r.get(name)), reverse=words[-1].upper() == "DESC")  # noqa: B023
    limit = min(int(call.query.get("limit", 100)), 500)
    start = int(call.query.get("start", 0)) if "start" in call.op.query else 0
    page = rows[start : start + limit] if "limit" in call.op.query else rows
    out: Record = {"success": True, "data": [as_v1(call.account, table, r) for r in page] or None}
    found: Record = {
        "start": start,
        "limit": limit,
        "more_items_in_collection": start + len(page) < len(rows),
    }
    if call.op.envelope != "none":
        if found["more_items_in_collection"] and call.op.envelope == "next":
            found["next_start"] = start + limit
        out["additional_data"] = found if call.op.envelope == "flat" else {"pagination": found}
    return orjson.dumps(out)


# ---- writes


_ATTENDEE: Record = {
    "name": None,
    "status": "noreply",
    "is_organizer": False,
    "person_id": None,
    "user_id": None,
}


def _renamed(record: Record, names: Mapping[str, str]) -> Record:
    return {names.get(name, name): value for name, value in record.items()}


def _label_ids(value: Any) -> list[int]:
    """Of an array (deals) or a single id (persons, organizations)."""
    several = value if isinstance(value, list) else str(value).split(",") if value else []
    return [int(one) for one in several]


def _body(call: Call, table: str) -> Record:
    """The v1 body under v2's names."""
    given = coerced(call, call.body)
    custom = {n: given.pop(n) for n in [n for n in given if FIELD_KEY.fullmatch(n)]}
    out: Record = {}
    renamed = {old: new for new, old in _RENAMED[table].items()}
    for name, value in given.items():
        if f"!{name}" in renamed:
            out[renamed[f"!{name}"]] = not value
        elif name == "label":
            out["label_ids"] = _label_ids(value)
        elif name == "visible_to":
            out["visible_to"] = None if value is None else int(value)
        elif name == "value" and isinstance(value, str):
            out["value"] = float(value)
        elif name in _TIMES and isinstance(value, str):
            out[name] = value.replace(" ", "T") + "Z"
        elif name in ("email", "phone") and not isinstance(value, list):
            out[f"{name}s"] = [{"value": str(value), "primary": True, "label": "work"}]
        elif name == "participants":
            people = value or ()
            out[name] = [
                {"person_id": p["person_id"], "primary": bool(p.get("primary_flag"))} for p in people
            ]
        elif name == "attendees":
            people = [_renamed(person, {"email_address": "email"}) for person in value or ()]
            out[name] = [{**_ATTENDEE, **person} for person in people]
        elif name == "prices":
            out[name] = [_renamed(price, {"overhead_cost": "direct_cost"}) for price in value or ()]
        elif name == "location" and isinstance(value, str):
            out[name] = {"value": value}
        else:
            out[renamed.get(name, name)] = value
    if custom:
        given = from_flat(call.account, _ENTITY[table], custom)
        out["custom_fields"] = {code: without_nulls(value) for code, value in given.items()}
    return out


def _register(collection: Collection) -> None:
    table = collection.table

    def found(call: Call) -> Record:
        return call.account.get(table, call.key())

    def deleted(call: Call) -> Reply:
        record = found(call)
        if record["is_deleted"]:
            raise missing(table, record["id"])
        delete(call, collection, record)
        if table == "deals":
            record["status"] = "deleted"
        return done({"id": record["id"]})

    handlers = {
        ("GET", f"/{table}"): lambda call: _listed(call, table, _chosen(call, table)),
        ("GET", f"/{table}/{{id}}"): lambda call: done(as_v1(call.account, table, found(call))),
        ("POST", f"/{table}"): lambda call: (
            call.op.status,
            done(as_v1(call.account, table, create(call, collection, _body(call, table)))),
        ),
        ("PUT", f"/{table}/{{id}}"): lambda call: done(
            as_v1(call.account, table, change(call, collection, found(call), _body(call, table)))
        ),
        ("DELETE", f"/{table}/{{id}}"): deleted,
    }
    for (method, path), handler in handlers.items():
        if (1, method, path) in operations():
            HANDLERS[1, method, path] = handler


for _core in (DEALS, PERSONS, ORGANIZATIONS, ACTIVITIES, PRODUCTS, PIPELINES, STAGES):
    _register(_core)


# ---- what hangs on them


def _linked_rows(call: Call, table: str, link: str) -> bytes:
    call.account.get(call.op.path.split("/")[1], call.key())
    return _listed(call, table, [r for r in call.account[table].where(link, call.key()) if _live(r)])


@serves(1, "GET /organizations/{id}/persons")
def organization_persons(call: Call) -> Reply:
    return _linked_rows(call, "persons", "org_id")


@serves(1, "GET /deals/{id}/persons")
def deal_persons(call: Call) -> Reply:
    deal = call.account.get("deals", call.key())
    keys = {p["_person_id"] for p in call.account["deal_participants"].where("_deal_id", deal["id"])}
    return _listed(
        call, "persons", [p for p in call.account["persons"] if p["id"] in keys | {deal["person_id"]}]
    )


@serves(1, "GET /deals/{id}/products")
def deal_products(call: Call) -> Reply:
    return _linked_rows(call, "deal_products", "deal_id")


@serves(1, "POST /deals/{id}/products")
def add_deal_product(call: Call) -> Reply:
    made = create(call, DEAL_PRODUCTS, _body(call, "deal_products"))
    return call.op.status, done(as_v1(call.account, "deal_products", made))


def _deal_product(call: Call) -> Record:
    row = call.account["deal_products"].get(call.key("product_attachment_id"))
    if row is None or row["deal_id"] != call.key():
        raise missing("deal_products", call.values["product_attachment_id"])
    return row


@serves(1, "PUT /deals/{id}/products/{product_attachment_id}")
def change_deal_product(call: Call) -> Reply:
    row = change(call, DEAL_PRODUCTS, _deal_product(call), _body(call, "deal_products"))
    return done(as_v1(call.account, "deal_products", row))


@serves(1, "DELETE /deals/{id}/products/{product_attachment_id}")
def remove_deal_product(call: Call) -> Reply:
    row = _deal_product(call)
    delete(call, DEAL_PRODUCTS, row)
    return done({"id": row["id"], "product_attachment_id": row["id"]})


@serves(1, "GET /deals/archived")
def archived(call: Call) -> Reply:
    gone = call.query.get("status") == "deleted"
    rows = [d for d in call.account["deals"] if d["is_archived"] and d["is_deleted"] is gone]
    return _listed(call, "deals", rows)
