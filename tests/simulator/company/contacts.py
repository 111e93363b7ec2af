"""Persons and organizations."""

from __future__ import annotations

from tests.simulator.company.words import DAYS, FIRMS, FIRST, LAST, TRADES
from tests.simulator.company.world import Record, World, address

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


def _counts(number: int) -> Record:
    counts: Record = {name: (number + n) % 5 for n, name in enumerate(_COUNTS)}
    counts["next_activity_id"] = None if number % 3 else number
    counts["last_activity_id"] = None if number % 4 else number
    return counts


def organizations(world: World) -> list[Record]:
    rng = world.rng("organizations")
    out: list[Record] = []
    for i in range(1, world.organizations + 1):
        added, updated = world.times(rng, i)
        some = rng.random()
        out.append(
            {
                "id": i,
                "name": world.text(i, f"{rng.choice(FIRMS)} {rng.choice(TRADES)} {i}"),
                "owner_id": 7 if i % 19 == 0 else int(some * 8) + 1,
                "add_time": added,
                "update_time": updated,
                "is_deleted": i % 47 == 11,
                "visible_to": (1, 3, 3, 3, 5, 7)[i % 6],
                "address": address(rng) if i % 3 else None,
                "label_ids": [] if i % 4 else [21, 22],
                "website": f"https://firm{i}.example" if some < 0.5 else None,
                "linkedin": f"https://linkedin.example/company/{i}" if some < 0.2 else None,
                "industry": int(some * 9) + 1 if some < 0.4 else None,
                "annual_revenue": int(some * 9e9) if some > 0.6 else (0 if i % 5 == 0 else None),
                "employee_count": int(some * 500) if some > 0.5 else None,
                "custom_fields": world.custom("organization", i),
                **_counts(i),
                "people_count": i % 7,
                "smart_bcc_email": f"acme+org{i}@pipedrivemail.example",
            }
        )
    return out


def persons(world: World) -> list[Record]:
    rng = world.rng("persons")
    out: list[Record] = []
    for i in range(1, world.persons + 1):
        added, updated = world.times(rng, i + 3)
        first, last = rng.choice(FIRST), rng.choice(LAST)
        some = rng.random()
        out.append(
            {
                "id": i,
                "name": world.text(i + 2, f"{first} {last}"),
                "first_name": first,
                "last_name": None if i % 41 == 1 else last,
                "owner_id": 7 if i % 23 == 0 else int(some * 8) + 1,
                "org_id": int(some * world.organizations / 0.7) + 1 if some < 0.7 else None,
                "add_time": added,
                "update_time": updated,
                "emails": [
                    {"value": f"p{i}.{n}@mail.example", "primary": n == 0, "label": ("work", "home")[n]}
                    for n in range(i % 3)
                ],
                "phones": [{"value": f"+372 {i:06d}", "primary": True, "label": "mobile"}] if i % 2 else [],
                "is_deleted": i % 43 == 12,
                "visible_to": (3, 3, 1, 7, 5)[i % 5],
                "label_ids": [] if i % 5 else [11],
                "picture_id": i if i % 9 == 0 else None,
                "postal_address": address(rng) if i % 8 == 0 else None,
                "notes": "Met at the fair" if some < 0.1 else None,
                "im": [{"value": f"skype{i}", "primary": True, "label": "skype"}] if i % 10 == 0 else [],
                "birthday": DAYS[i % 5] if i % 12 == 0 else None,
                "job_title": world.text(i + 9, "Head of Purchasing") if some < 0.3 else None,
                "custom_fields": world.custom("person", i),
                **_counts(i),
                "participant_open_deals_count": i % 3,
                "participant_closed_deals_count": i % 2,
                "last_incoming_mail_time": updated if some < 0.3 else None,
                "last_outgoing_mail_time": updated if some < 0.2 else None,
                "marketing_status": "subscribed" if i % 2 else "no_consent",
                "doi_status": i % 4,
                "smart_bcc_email": f"acme+person{i}@pipedrivemail.example",
            }
        )
    return out


MAKERS = {"organizations": organizations, "persons": persons}
