"""What hangs on deals, persons, organizations and products."""

from __future__ import annotations

from typing import Callable

from tests.simulator.company.sales import followers_of, participants_of, products_of
from tests.simulator.company.world import Record, World, v1_time


def deal_products(world: World) -> list[Record]:
    rng = world.rng("deal_products")
    out: list[Record] = []
    for deal in world.made["deals"]:
        for n in range(products_of(deal["id"])):
            i = len(out) + 1
            product = world.made["products"][rng.randrange(60)]
            price, quantity = rng.randrange(100, 90_000) / 100, (1, 2, 0.5, 10)[i % 4]
            monthly = i % 6 == 0
            out.append(
                {
                    "id": i,
                    "sum": round(price * quantity, 2),
                    "tax": 20 if i % 2 else 0,
                    "deal_id": deal["id"],
                    # after the purge of a deleted product its fields stay null
                    "name": None if i % 44 == 5 else product["name"],
                    "product_id": None if i % 44 == 5 else product["id"],
                    "product_variation_id": i if i % 9 == 0 else None,
                    "order_nr": n + 1 if i % 5 else None,
                    "add_time": deal["add_time"],
                    "update_time": deal["update_time"],
                    "comments": world.text(i + 5, "As agreed") if i % 3 else "",
                    "currency": deal["currency"],
                    "discount": (0, 10, 2.5)[i % 3],
                    "discount_type": "percentage" if i % 2 else "amount",
                    "quantity": quantity,
                    "item_price": price,
                    "tax_method": ("inclusive", "exclusive", "none")[i % 3],
                    "is_enabled": i % 8 != 0,
                    "billing_frequency": "monthly" if monthly else "one-time",
                    "billing_frequency_cycles": 12 if monthly else None,
                    "billing_start_date": "2026-10-01" if monthly else None,
                }
            )
    return out


def deal_installments(world: World) -> list[Record]:
    out: list[Record] = []
    for deal in world.made["deals"]:
        for n in range(2 if deal["id"] % 15 == 1 else 0):
            i = len(out) + 1
            out.append(
                {
                    "id": i,
                    "amount": 100.25 * (n + 1),
                    "billing_date": f"2026-1{n}-15",
                    "description": world.text(i + 5, f"Part {n + 1}"),
                    "deal_id": deal["id"],
                }
            )
    return out


def deal_discounts(world: World) -> list[Record]:
    rng = world.rng("deal_discounts")
    return [
        {
            "id": world.uuid(rng),
            "type": "percentage" if deal["id"] % 2 else "amount",
            "amount": 5.5,
            "description": world.text(deal["id"], "Loyalty"),
            "deal_id": deal["id"],
            "created_at": deal["add_time"],
            "created_by": 1,
            "updated_at": deal["add_time"],
            "updated_by": 1,
        }
        for deal in world.made["deals"]
        if deal["id"] % 20 == 1
    ]


def deal_participants(world: World) -> list[Record]:
    out: list[Record] = []
    for deal in world.made["deals"]:
        for n in range(participants_of(deal["id"])):
            out.append(
                {
                    "id": len(out) + 1,
                    "_deal_id": deal["id"],
                    "_person_id": (deal["id"] * 3 + n) % world.persons + 1,
                    "add_time": v1_time(deal["add_time"]),
                    "active_flag": True,
                    "_added_by": 1,
                }
            )
    return out


def product_variations(world: World) -> list[Record]:
    return [
        {
            "id": (p["id"] - 1) * 2 + n,
            "name": world.text(p["id"] + n, f"{('Small', 'Large')[n - 1]} {p['id']}"),
            "product_id": p["id"],
            "prices": [
                {
                    "product_variation_id": (p["id"] - 1) * 2 + n,
                    "price": 10.5 * n,
                    "currency": "EUR",
                    "cost": 1,
                    "direct_cost": None,
                    "notes": "",
                }
            ],
        }
        for p in world.made["products"]
        if p["id"] % 4 == 0
        for n in (1, 2)
    ]


def _followers(table: str, parent: str, count: Callable[[int], int]) -> Callable[[World], list[Record]]:
    def make(world: World) -> list[Record]:
        out: list[Record] = []
        for record in world.made[table]:
            for n in range(count(record["id"])):
                out.append(
                    {
                        "id": len(out) + 1,
                        "user_id": (record["id"] + n) % 8 + 1,
                        parent: record["id"],
                        "add_time": record["add_time"],
                    }
                )
        return out

    return make


def _changes(table: str, parent: str) -> Callable[[World], list[Record]]:
    def make(world: World) -> list[Record]:
        out: list[Record] = []
        for record in world.made[table]:
            for n in range(3 if record["id"] % 4 == 1 else 0):
                out.append(
                    {
                        "id": len(out) + 1,
                        parent: record["id"],
                        "field_key": ("title", "value", "label")[n] if parent == "_deal_id" else "name",
                        "old_value": None if n == 0 else f"old {n}",
                        "new_value": None if n == 2 else f"new {n}",
                        "actor_user_id": 1,
                        "time": f"2026-08-0{n + 1} 10:00:00",
                        "change_source": "app" if n else None,
                        "change_source_user_agent": None,
                        "is_bulk_update_flag": n == 1,
                    }
                )
        return out

    return make


def organization_relationships(world: World) -> list[Record]:
    most = world.organizations
    return [
        {
            "id": i,
            "type": "parent" if i % 2 else "related",
            "_owner": i % most + 1,
            "_linked": (i * 2) % most + 1 if (i * 2) % most != i % most else (i * 2 + 1) % most + 1,
            "add_time": "2025-05-05 05:05:05",
            "update_time": "2025-06-06 06:06:06",
            "active_flag": True,
        }
        for i in range(1, most // 5 + 4)
    ]


def subscriptions(world: World) -> list[Record]:
    return [
        {
            "id": i,
            "user_id": 1,
            "deal_id": i * 5,
            "description": None if i % 3 == 0 else f"Plan {i}",
            "is_active": i % 4 != 0,
            "cycles_count": 12 if i % 2 else 0,
            "cycle_amount": 100 * i,
            "infinite": False,
            "currency": "EUR",
            "cadence_type": "monthly" if i % 2 else "installment",
            "start_date": "2026-01-01",
            "end_date": "2026-12-31",
            "lifetime_value": 1200.5 * i,
            "final_status": None,
            "add_time": "2025-12-01 10:00:00",
            "update_time": "2025-12-02 10:00:00",
        }
        for i in range(1, min(world.deals // 5, 12) + 1)
    ]


def subscription_payments(world: World) -> list[Record]:
    return [
        {
            "id": s["id"] * 10 + n,
            "subscription_id": s["id"],
            "deal_id": s["deal_id"],
            "is_active": True,
            "amount": 100.0 * (n + 1),
            "currency": "EUR",
            "change_amount": 0,
            "due_at": f"2026-0{n + 1}-01",
            "revenue_movement_type": None if n else "new",
            "payment_type": "recurring",
            "description": f"Payment {n + 1}",
            "add_time": "2025-12-01 10:00:00",
            "update_time": "2025-12-02 10:00:00",
        }
        for s in world.made["subscriptions"]
        for n in range(3)
    ]


def product_images(world: World) -> list[Record]:
    return [
        {
            "id": 500 + p["id"],
            "product_id": p["id"],
            "company_id": "99",
            "add_time": "2026-02-03T04:05:06Z",
            "mime_type": "image/png",
            "name": f"Image {p['id']}.png",
            "_content": f"image of product {p['id']}",
        }
        for p in world.made["products"][3::4]
    ]


MAKERS: dict[str, Callable[[World], list[Record]]] = {
    "deal_products": deal_products,
    "deal_installments": deal_installments,
    "deal_discounts": deal_discounts,
    "deal_participants": deal_participants,
    "product_variations": product_variations,
    "deal_followers": _followers("deals", "deal_id", followers_of),
    "person_followers": _followers("persons", "person_id", lambda i: 1 if i % 9 == 4 else 0),
    "organization_followers": _followers("organizations", "org_id", lambda i: 2 if i % 8 == 3 else 0),
    "product_followers": _followers("products", "product_id", lambda i: 1 if i % 7 == 2 else 0),
    "product_images": product_images,
    "deal_changes": _changes("deals", "_deal_id"),
    "person_changes": _changes("persons", "_person_id"),
    "organization_changes": _changes("organizations", "_org_id"),
    "organization_relationships": organization_relationships,
    "subscriptions": subscriptions,
    "subscription_payments": subscription_payments,
}
