"""Products, their variations and images."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tests.simulator.checks import Form
from tests.simulator.model import IDS, WINDOW, Collection, Record, numbers
from tests.simulator.refusal import invalid, missing
from tests.simulator.routes import Call, Reply, done, serves
from tests.simulator.verbs import declare


def _prices(call: Call, given: Any, owner: str, key: Any) -> list[Record]:
    """Prices as they are stored, one a currency."""
    codes = {c["code"] for c in call.account["currencies"]}
    out = []
    for price in given or ():
        if price.get("currency") not in codes:
            raise invalid("a price needs a currency that exists")
        out.append(
            {
                owner: key,
                "price": price.get("price") or 0,
                "currency": price["currency"],
                "cost": price.get("cost") or 0,
                "direct_cost": price.get("direct_cost"),
                "notes": price.get("notes") or "",
            }
        )
    if len({p["currency"] for p in out}) != len(out):
        raise invalid("one price a currency")
    return out


def settle_product(call: Call, product: Record, body: Mapping[str, Any], new: bool) -> None:
    if new:
        product["owner_id"] = product["owner_id"] or call.user
    elif product["is_deleted"]:
        raise missing("products", product["id"])
    product["prices"] = _prices(call, product["prices"], "product_id", product["id"])
    if body.get("category") is not None:  # a number when written, a text when read
        product["category"] = str(body["category"])
    if product["billing_frequency"] == "one-time" and product["billing_frequency_cycles"] is not None:
        raise invalid("billing_frequency_cycles must be null for one-time products")
    if product["billing_frequency"] == "weekly" and product["billing_frequency_cycles"] is None:
        raise invalid("billing_frequency_cycles is required for weekly products")


def _settle_variation(call: Call, variation: Record, body: Mapping[str, Any], new: bool) -> None:
    variation["prices"] = _prices(call, variation["prices"], "product_variation_id", variation["id"])


PRODUCTS = Collection(
    "products",
    "/products",
    filters={**numbers("owner_id"), **IDS, "updated_since": WINDOW["updated_since"]},
    entity="product",
    references={"owner_id": "users"},
    settle=settle_product,
    blank={
        "id": None,
        "name": None,
        "code": None,
        "unit": None,
        "tax": 0,
        "is_deleted": False,
        "is_linkable": True,
        "visible_to": 3,
        "owner_id": None,
        "add_time": None,
        "update_time": None,
        "description": None,
        "category": None,
        "custom_fields": None,
        "billing_frequency": "one-time",
        "billing_frequency_cycles": None,
        "prices": [],
    },
)
declare(
    PRODUCTS,
    Collection(
        "product_variations",
        "/products/{id}/variations",
        one="/products/{id}/variations/{product_variation_id}",
        verbs="LCUD",
        parent="product_id",
        parent_table="products",
        soft=None,
        settle=_settle_variation,
        blank={"id": None, "name": None, "product_id": None, "prices": []},
    ),
)


@serves(2, "POST /products/{id}/duplicate")
def duplicate(call: Call) -> Reply:
    table = call.account["products"]
    made = copy.deepcopy(call.account.get("products", call.key()))
    now = call.account.now()
    made.update(id=table.new_key(), add_time=now, update_time=now)
    for price in made["prices"]:
        price["product_id"] = made["id"]
    table.put(made)
    return call.op.status, done(made)


# ---- images, one a product


def _image(call: Call) -> Record:
    key = call.account.get("products", call.key())["id"]
    found = call.account["product_images"].get(key)
    if found is None:
        raise missing("image of product", key)
    return found


def _sent(call: Call) -> Form:
    if not isinstance(call.body, Form) or not call.body.get("data"):
        raise invalid("data must be an image")
    return call.body


@serves(2, "GET /products/{id}/images")
def image(call: Call) -> Reply:
    found = _image(call)
    shown = {n: v for n, v in found.items() if n[0] != "_"}
    return done({**shown, "public_url": call.account.public(f"products/{found['product_id']}.png")})


@serves(2, "POST /products/{id}/images", "PUT /products/{id}/images")
def upload_image(call: Call) -> Reply:
    form = _sent(call)
    key = call.account.get("products", call.key())["id"]
    there = call.account["product_images"].get(key)
    if (there is None) is (call.op.method == "PUT"):
        raise missing("image of product", key) if there is None else invalid("the product has an image")
    made = {
        "id": 5_000 + key,
        "product_id": key,
        "company_id": "99",
        "add_time": call.account.now(),
        "mime_type": "image/png",
        "name": form.filenames["data"],
        "_content": form["data"].decode("latin-1"),
    }
    call.account["product_images"].put(made)
    return call.op.status, done({n: made[n] for n in ("id", "product_id", "company_id", "add_time")})


@serves(2, "DELETE /products/{id}/images")
def remove_image(call: Call) -> Reply:
    found = _image(call)
    call.account["product_images"].remove(found)
    return done({"id": found["id"]})
