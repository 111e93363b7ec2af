"""Pipelines, stages, products, deals and leads."""

from __future__ import annotations

from tests.simulator.company.words import AMOUNTS, CURRENCIES, DAYS, FIRMS, GOODS, LOST, WORK
from tests.simulator.company.world import Record, World

STAGES = ("Qualified", "Contact Made", "Demo Scheduled", "Proposal Made", "Negotiations Started")


def pipelines(world: World) -> list[Record]:
    return [
        {
            "id": i,
            "name": name,
            "order_nr": i,
            "is_deleted": i == 4,
            "is_deal_probability_enabled": i != 2,
            "add_time": "2021-01-05T08:00:00Z",
            "update_time": None if i == 2 else "2024-05-06T07:08:09Z",
        }
        for i, name in enumerate(("Sales", "Partners", "Renewals 🔁", "Old"), start=1)
    ]


def stages(world: World) -> list[Record]:
    return [
        {
            "id": (p - 1) * 5 + n,
            "order_nr": n,
            "name": name,
            "is_deleted": p == 4,
            "deal_probability": n * 20 if n > 1 else 0,
            "pipeline_id": p,
            "is_deal_rot_enabled": n == 3,
            "days_to_rotten": 14 if n == 3 else None,
            "add_time": "2021-01-05T08:00:00Z",
            "update_time": None if n == 2 else f"2024-05-0{n}T07:08:09Z",
        }
        for p in range(1, 5)
        for n, name in enumerate(STAGES, start=1)
    ]


def products(world: World) -> list[Record]:
    rng = world.rng("products")
    out: list[Record] = []
    for i in range(1, world.products + 1):
        added, updated = world.times(rng, i + 19)
        monthly = i % 5 == 0
        out.append(
            {
                "id": i,
                "name": world.text(i, f"{rng.choice(GOODS)} {i}"),
                "code": None if i % 6 == 0 else f"SKU-{i:04d}",
                "unit": "" if i % 7 == 0 else "piece",
                "tax": 20 if i % 2 else 0,
                "is_deleted": i % 31 == 4,
                "is_linkable": i % 11 != 0,
                "visible_to": 3,
                "owner_id": rng.randrange(1, 9),
                "add_time": added,
                "update_time": updated,
                "description": world.text(i + 11, "A fine thing") if i % 2 else None,
                "category": None if i % 3 else str(i % 5 + 1),
                "custom_fields": world.custom("product", i),
                "billing_frequency": "monthly" if monthly else "one-time",
                "billing_frequency_cycles": 12 if monthly else None,
                "prices": [
                    {
                        "product_id": i,
                        "price": round(i * 9.99, 2) if currency == "EUR" else i * 10,
                        "currency": currency,
                        "cost": 0 if i % 4 == 0 else 1.5,
                        "direct_cost": None,
                        "notes": "",
                    }
                    for currency in ("EUR", "USD", "JPY")[: i % 4]
                ],
            }
        )
    return out


def deals(world: World) -> list[Record]:
    rng = world.rng("deals")
    total, dead = world.deals, world.dead_deals
    gone = {(k + 1) * total // (dead + 1) for k in range(dead)}
    out: list[Record] = []
    for i in range(1, total + 1):
        added, updated, closed = world.moment(rng)
        some, other, third = rng.random(), rng.random(), rng.random()
        deleted, archived = i in gone, i % 3 == 1 if i in gone else i % 20 == 13
        state = ("open", "won", "open", "lost", "open")[i % 5]
        stage = int(third * 15) + 1
        amount: float | None = int(some * 8_000_000) / 100
        if i % 13 == 6:
            amount = AMOUNTS[(i // 13) % len(AMOUNTS)]
        elif i % 11 == 4:
            amount = None
        out.append(
            {
                "id": i,
                "title": world.text(i, f"{FIRMS[int(some * 16)]} {WORK[int(other * 10)]} {i}"),
                "creator_user_id": int(other * 8) + 1,
                "owner_id": 7 if i % 29 == 0 else int(some * 6) + 1,
                "person_id": int(other * world.persons / 0.8) + 1 if other < 0.8 else None,
                "org_id": int(third * world.organizations / 0.7) + 1 if third < 0.7 else None,
                "pipeline_id": (stage - 1) // 5 + 1,
                "stage_id": stage,
                "value": amount,
                "currency": CURRENCIES[int(other * 11)],
                "add_time": added,
                "update_time": None if i % 61 == 7 else updated,
                "stage_change_time": closed if some < 0.6 else None,
                "is_deleted": deleted,
                "is_archived": archived,
                "status": "deleted" if deleted else state,
                "probability": int(third * 101) if some < 0.5 else (0 if i % 7 == 0 else None),
                "lost_reason": LOST[i % 6] if state == "lost" else None,
                "visible_to": (3, 3, 1, 5, 7)[i % 5],
                "close_time": closed if state != "open" else None,
                "won_time": closed if state == "won" else None,
                "lost_time": closed if state == "lost" else None,
                "local_won_date": closed[:10] if state == "won" else None,
                "local_lost_date": closed[:10] if state == "lost" else None,
                "local_close_date": closed[:10] if state != "open" else None,
                "expected_close_date": DAYS[i % 5] if i % 31 == 3 else (closed[:10] if other < 0.6 else None),
                "label_ids": [] if i % 3 else [1, 2][: 1 + i % 2],
                "origin": "ManuallyCreated",
                "origin_id": None,
                "channel": 3 if i % 17 == 0 else None,
                "channel_id": "spring-fair" if i % 17 == 0 else None,
                "archive_time": updated if archived else None,
                "arr": None,
                "mrr": 0 if i % 9 == 0 else None,
                "acv": None if i % 4 else 1200.5,
                "custom_fields": world.custom("deal", i),
                "next_activity_id": i if i % 6 == 0 else None,
                "last_activity_id": i if i % 7 == 0 else None,
                "first_won_time": closed if state == "won" else None,
                "products_count": products_of(i),
                "files_count": i % 3,
                "notes_count": i % 4,
                "followers_count": followers_of(i),
                "email_messages_count": i % 2,
                "activities_count": 2 if i % 6 == 0 else 0,
                "done_activities_count": 1 if i % 6 == 0 else 0,
                "undone_activities_count": 1 if i % 6 == 0 else 0,
                "participants_count": participants_of(i),
                "last_incoming_mail_time": updated if i % 8 == 0 else None,
                "last_outgoing_mail_time": None,
                "smart_bcc_email": f"acme+deal{i}@pipedrivemail.example",
                "source_lead_id": None,
            }
        )
    return out


def products_of(deal: int) -> int:
    """How many products hang on a deal."""
    return 1 + deal % 3 if deal % 5 == 1 else 0


def followers_of(deal: int) -> int:
    return 1 + deal % 2 if deal % 6 == 2 else 0


def participants_of(deal: int) -> int:
    return 1 + deal % 2 if deal % 7 == 3 else 0


def lead_labels(world: World) -> list[Record]:
    rng = world.rng("lead_labels")
    names = (("Hot", "red"), ("Warm", "yellow"), ("Cold", "blue"), ("", "dark-gray"), ("Ünïcode 🏷", "green"))
    return [
        {
            "id": world.uuid(rng),
            "name": name,
            "color": color,
            "add_time": f"2021-01-0{n}T08:00:00.123Z",
            "update_time": f"2022-02-0{n}T09:00:00.456Z",
        }
        for n, (name, color) in enumerate(names, start=1)
    ]


def lead_sources(world: World) -> list[Record]:
    names = (
        "Manually created",
        "Deal",
        "Web forms",
        "Prospector",
        "Leadbooster",
        "Live chat",
        "API",
        "Import",
    )
    return [{"name": name} for name in names]


def leads(world: World) -> list[Record]:
    rng = world.rng("leads")
    labels = [label["id"] for label in world.made["lead_labels"]]
    out: list[Record] = []
    for i in range(1, world.leads + 1):
        added, updated, closed = world.moment(rng)
        out.append(
            {
                "id": world.uuid(rng),
                "title": world.text(i, f"{rng.choice(FIRMS)} inquiry {i}"),
                "owner_id": rng.randrange(1, 9),
                "creator_id": rng.randrange(1, 9),
                "label_ids": [] if i % 3 else labels[i % 4 : i % 4 + 2],
                "person_id": rng.randrange(1, world.persons + 1) if i % 2 else None,
                "organization_id": None if i % 2 else rng.randrange(1, world.organizations + 1),
                "source_name": ("Manually created", "API", "Import")[i % 3],
                "origin": "ManuallyCreated",
                "origin_id": None,
                "channel": None,
                "channel_id": None,
                "source_deal_id": None,
                "is_archived": i % 9 == 4,
                "was_seen": i % 2 == 0,
                "value": {"amount": AMOUNTS[i % 10] if i % 8 == 1 else i * 10.5, "currency": "EUR"}
                if i % 3
                else None,
                "expected_close_date": None if i % 4 else closed[:10],
                "next_activity_id": None,
                "add_time": f"{added[:-1]}.{i % 1000:03d}Z",
                "update_time": f"{updated[:-1]}.456Z",
                "visible_to": ("1", "3", "5", "7")[i % 4],
                "cc_email": f"acme+lead{i}@pipedrivemail.example",
                "_custom": world.custom("deal", i) or {},
            }
        )
    return out


MAKERS = {
    "pipelines": pipelines,
    "stages": stages,
    "products": products,
    "deals": deals,
    "lead_labels": lead_labels,
    "lead_sources": lead_sources,
    "leads": leads,
}
