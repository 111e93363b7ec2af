"""What hangs on deals: products, installments, discounts, participants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulator.account import Account
from tests.simulator.custom import linked
from tests.simulator.families.users import USERS
from tests.simulator.listing import list_page
from tests.simulator.model import Collection, Record, always
from tests.simulator.refusal import invalid
from tests.simulator.routes import Call, Reply, done, serves
from tests.simulator.verbs import create, declare, delete, refuse_archived

_MOST = 100


def _settle_product(call: Call, row: Record, body: Mapping[str, Any], new: bool) -> None:
    refuse_archived(call, row["deal_id"])
    deal = call.account.get("deals", row["deal_id"])
    product = call.account["products"].get(row["product_id"])
    if new:
        row["currency"] = deal["currency"]
        row["order_nr"] = len(call.account["deal_products"].where("deal_id", row["deal_id"])) + 1
    if product is not None:
        row["name"] = product["name"]
    if row["billing_frequency"] == "one-time" and row["billing_frequency_cycles"] is not None:
        raise invalid("billing_frequency_cycles must be null for one-time products")
    if row["billing_frequency"] == "weekly" and row["billing_frequency_cycles"] is None:
        raise invalid("billing_frequency_cycles is required for weekly products")
    variation = row["product_variation_id"]
    if body.get("product_variation_id") is not None:
        found = call.account["product_variations"].get(variation)
        if found is None or found["product_id"] != row["product_id"]:
            raise invalid("product_variation_id is not of this product")
    discount = row["discount"] or 0
    total = row["item_price"] * row["quantity"]
    row["sum"] = round(
        total - (total * discount / 100 if row["discount_type"] == "percentage" else discount), 2
    )


def _settle_installment(call: Call, row: Record, body: Mapping[str, Any], new: bool) -> None:
    refuse_archived(call, row["deal_id"])
    if not row["amount"] or row["amount"] <= 0:
        raise invalid("amount must be greater than 0")
    products = call.account["deal_products"].where("deal_id", row["deal_id"])
    if new and not any(p["billing_frequency"] == "one-time" for p in products):
        raise invalid("the deal needs a one-time product")
    if new and any(p["billing_frequency"] != "one-time" for p in products):
        raise invalid("the deal has recurring products")


def _settle_discount(call: Call, row: Record, body: Mapping[str, Any], new: bool) -> None:
    refuse_archived(call, row["deal_id"])
    now = call.account.now("v2", row["updated_at"])
    if new:
        row["created_at"], row["created_by"] = now, call.user
    row["updated_at"], row["updated_by"] = now, call.user


PRODUCTS = Collection(
    "deal_products",
    "/deals/{id}/products",
    one="/deals/{id}/products/{product_attachment_id}",
    verbs="LCUD",
    parent="deal_id",
    parent_table="deals",
    visible=always,
    soft=None,
    settle=_settle_product,
    references={"product_id": "products"},
    blank={
        "id": None,
        "sum": 0,
        "tax": 0,
        "deal_id": None,
        "name": None,
        "product_id": None,
        "product_variation_id": None,
        "order_nr": None,
        "add_time": None,
        "update_time": None,
        "comments": "",
        "currency": None,
        "discount": 0,
        "discount_type": "percentage",
        "quantity": 1,
        "item_price": 0,
        "tax_method": "inclusive",
        "is_enabled": True,
        "billing_frequency": "one-time",
        "billing_frequency_cycles": None,
        "billing_start_date": None,
    },
)
INSTALLMENTS = Collection(
    "deal_installments",
    "/deals/{id}/installments",
    one="/deals/{id}/installments/{installment_id}",
    verbs="CUD",
    parent="deal_id",
    parent_table="deals",
    visible=always,
    bare_end=True,
    soft=None,
    settle=_settle_installment,
    blank={"id": None, "amount": 0, "billing_date": None, "description": None, "deal_id": None},
)
declare(
    PRODUCTS,
    INSTALLMENTS,
    Collection(
        "deal_discounts",
        "/deals/{id}/discounts",
        one="/deals/{id}/discounts/{discount_id}",
        verbs="LCUD",
        parent="deal_id",
        parent_table="deals",
        visible=always,
        soft=None,
        settle=_settle_discount,
        blank={
            "id": None,
            "type": "percentage",
            "amount": 0,
            "description": None,
            "deal_id": None,
            "created_at": None,
            "created_by": None,
            "updated_at": None,
            "updated_by": None,
        },
    ),
)


def _of_deals(call: Call, collection: Collection) -> Reply:
    table = call.account[collection.table]
    rows: list[Record] = []
    for key in dict.fromkeys(call.query["deal_ids"].split(",")):
        rows.extend(table.where("deal_id", int(key)))
    return list_page(call, collection, rows)


@serves(2, "GET /deals/products")
def products_of_deals(call: Call) -> Reply:
    return _of_deals(call, PRODUCTS)


@serves(2, "GET /deals/installments")
def installments_of_deals(call: Call) -> Reply:
    return _of_deals(call, INSTALLMENTS)


@serves(2, "POST /deals/{id}/products/bulk")
def add_products(call: Call) -> Reply:
    """All or none."""
    given = call.body["data"]
    if not 0 < len(given) <= _MOST:
        raise invalid(f"data must hold 1 to {_MOST} products")
    for one in given:
        if call.account["products"].get(one["product_id"]) is None:
            raise invalid(f"product_id {one['product_id']} does not exist")
    made = [create(call, PRODUCTS, one) for one in given]
    return call.op.status, done(made)


@serves(2, "DELETE /deals/{id}/products")
def remove_products(call: Call) -> Reply:
    deal = call.account.get("deals", call.key())
    refuse_archived(call, deal["id"])
    rows = call.account["deal_products"].where("deal_id", deal["id"])
    if "ids" in call.query:
        wanted = set(map(int, call.query["ids"].split(",")))
        rows = [r for r in rows if r["id"] in wanted]
    gone = rows[:_MOST]
    for row in gone:
        delete(call, PRODUCTS, row)
    more = len(rows) > len(gone)
    return done({"ids": [r["id"] for r in gone]}, additional_data={"more_items_in_collection": more})


# ---- participants


def _person(account: Account, key: int) -> Record:
    """A person as v1 shows it within a participant."""
    from tests.simulator.families.v1_core import as_v1

    person = account["persons"].get(key)
    return as_v1(account, "persons", person, bare=True) if person else {}


def _participant(account: Account, row: Record, user: int) -> Record:
    deal = account.get("deals", row["_deal_id"])
    adder = account.get("users", row["_added_by"])
    person = linked(account, "people", row["_person_id"])
    return {
        "id": row["id"],
        "person_id": {**person, "company_id": 99} if person else None,
        "add_time": row["add_time"],
        "active_flag": row["active_flag"],
        "related_item_data": {"deal_id": row["_deal_id"], "title": deal["title"]},
        "person": _person(account, row["_person_id"]),
        "added_by_user_id": {"success": True, "data": USERS.view(account, adder, user)},
        "related_item_type": "deal",
        "related_item_id": row["_deal_id"],
    }


def _settle_participant(call: Call, row: Record, body: Mapping[str, Any], new: bool) -> None:
    refuse_archived(call, row["_deal_id"])
    row["_person_id"], row["_added_by"] = int(body["person_id"]), call.user
    of_deal = call.account["deal_participants"].where("_deal_id", row["_deal_id"])
    if any(p["_person_id"] == row["_person_id"] for p in of_deal):
        raise invalid("this person is a participant already")


declare(
    Collection(
        "deal_participants",
        "/deals/{id}/participants",
        1,
        one="/deals/{id}/participants/{deal_participant_id}",
        verbs="LCD",
        parent="_deal_id",
        parent_table="deals",
        visible=always,
        view=_participant,
        fixed=False,
        empty=None,
        soft=None,
        clock="v1",
        settle=_settle_participant,
        references={"person_id": "persons"},
        blank={
            "id": None,
            "_deal_id": None,
            "_person_id": None,
            "add_time": None,
            "active_flag": True,
            "_added_by": 1,
        },
    )
)


@serves(1, "GET /deals/{id}/participantsChangelog")
def participants_changelog(call: Call) -> Reply:
    rows = call.account["deal_participants"].where("_deal_id", call.account.get("deals", call.key())["id"])
    changes = [
        {
            "id": r["id"],
            "actor_user_id": 1,
            "person_id": r["_person_id"],
            "action": "added",
            "time": r["add_time"],
        }
        for r in rows
    ]
    return list_page(
        call, Collection("deal_participants", call.op.path, 1, view=_no_id, fixed=False), changes
    )


def _no_id(account: Account, row: Record, user: int) -> Record:
    return {n: v for n, v in row.items() if n != "id"}
