"""Subscriptions and their payments, as v1 had them until 2025; served under their switch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulator.model import Record
from tests.simulator.refusal import Refusal, invalid, missing
from tests.simulator.routes import Call, Reply, done, serves


def _deal(call: Call, key: Any) -> Record:
    deal = call.account["deals"].get(int(key))
    if deal is None or deal["is_deleted"]:
        raise missing("deals", key)
    return deal


@serves(1, "GET /subscriptions/{id}")
def get(call: Call) -> Reply:
    return done(call.account.get("subscriptions", call.key()))


@serves(1, "GET /subscriptions/find/{dealId}")
def find(call: Call) -> Reply:
    rows = call.account["subscriptions"].where("deal_id", call.key("dealId"))
    if not rows:
        raise missing("subscription of deal", call.values["dealId"])
    return done(rows[0])


@serves(1, "GET /subscriptions/{id}/payments")
def payments(call: Call) -> Reply:
    found = call.account.get("subscriptions", call.key())
    return done(call.account["subscription_payments"].where("subscription_id", found["id"]))


def _add_payments(call: Call, subscription: Record, given: Any) -> None:
    table = call.account["subscription_payments"]
    for row in list(table.where("subscription_id", subscription["id"])):
        table.remove(row)
    for one in given or ():
        now = call.account.now("v1")
        table.put(
            {
                "id": table.new_key(),
                "subscription_id": subscription["id"],
                "deal_id": subscription["deal_id"],
                "is_active": True,
                "amount": one["amount"],
                "currency": subscription["currency"],
                "change_amount": 0,
                "due_at": one["due_at"],
                "revenue_movement_type": "new",
                "payment_type": "installment"
                if subscription["cadence_type"] == "installment"
                else "additional",
                "description": one["description"],
                "add_time": now,
                "update_time": now,
            }
        )
    subscription["lifetime_value"] = sum(float(p["amount"]) for p in given or ())


def _settle_deal(call: Call, subscription: Record, body: Mapping[str, Any]) -> None:
    if body.get("update_deal_value"):
        deal = _deal(call, subscription["deal_id"])
        deal["value"] = subscription["lifetime_value"]
        deal["update_time"] = call.account.now("v2", deal["update_time"])
        call.account["deals"].put(deal)


@serves(1, "POST /subscriptions/recurring", "POST /subscriptions/installment")
def create(call: Call) -> Reply:
    body = call.body
    deal = _deal(call, body["deal_id"])
    table = call.account["subscriptions"]
    if table.where("deal_id", deal["id"]):
        raise Refusal(400, "This deal has a subscription already")
    recurring = call.op.path.endswith("recurring")
    if recurring and bool(body.get("infinite")) == ("cycles_count" in body):
        raise invalid("either infinite or cycles_count")
    now = call.account.now("v1")
    made: Record = {
        "id": table.new_key(),
        "user_id": call.user,
        "deal_id": deal["id"],
        "description": body.get("description"),
        "is_active": True,
        "cycles_count": body.get("cycles_count", 0),
        "cycle_amount": body.get("cycle_amount", 0),
        "infinite": bool(body.get("infinite")),
        "currency": body["currency"],
        "cadence_type": body.get("cadence_type", "installment"),
        "start_date": body.get("start_date"),
        "end_date": None,
        "lifetime_value": body.get("cycle_amount", 0) * body.get("cycles_count", 1),
        "final_status": None,
        "add_time": now,
        "update_time": now,
    }
    if not recurring or body.get("payments"):
        _add_payments(call, made, body.get("payments"))
    table.put(made)
    _settle_deal(call, made, body)
    return call.op.status, done(made)


def _named(call: Call) -> Record:
    """The subscription that the path names, and the body again."""
    if call.body["id"] != call.key():
        raise invalid("id of the body is not that of the path")
    return call.account.get("subscriptions", call.key())


def _changed(call: Call, subscription: Record) -> Reply:
    subscription["update_time"] = call.account.now("v1", subscription["update_time"])
    call.account["subscriptions"].put(subscription)
    _settle_deal(call, subscription, call.body)
    return done(subscription)


@serves(1, "PUT /subscriptions/recurring/{id}")
def change_recurring(call: Call) -> Reply:
    found = _named(call)
    if found["cadence_type"] == "installment":
        raise Refusal(400, "This is an installment subscription")
    for name in ("description", "cycle_amount"):
        if name in call.body:
            found[name] = call.body[name]
    if "payments" in call.body:
        _add_payments(call, found, call.body["payments"])
    return _changed(call, found)


@serves(1, "PUT /subscriptions/installment/{id}")
def change_installment(call: Call) -> Reply:
    found = _named(call)
    if found["cadence_type"] != "installment":
        raise Refusal(400, "This is a recurring subscription")
    _add_payments(call, found, call.body["payments"])
    return _changed(call, found)


@serves(1, "PUT /subscriptions/recurring/{id}/cancel")
def cancel(call: Call) -> Reply:
    found = _named(call)
    found.update(is_active=False, final_status="canceled", end_date=call.body.get("end_date", "2026-09-01"))
    return _changed(call, found)


@serves(1, "DELETE /subscriptions/{id}")
def delete(call: Call) -> Reply:
    found = call.account.get("subscriptions", call.key())
    _add_payments(call, found, [])
    call.account["subscriptions"].remove(found)
    return done(found)
