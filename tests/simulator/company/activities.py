"""Activities, notes and their comments."""

from __future__ import annotations

import datetime as dt

from tests.simulator.company.words import WORK
from tests.simulator.company.world import NOW, Record, World, address, v1_time


def activity_types(world: World) -> list[Record]:
    named = (
        ("Call", "call"),
        ("Meeting", "meeting"),
        ("Task", "task"),
        ("Deadline", "deadline"),
        ("Email", "email"),
        ("Lunch", "lunch"),
        ("Böse 🎉 Type", "bulb"),
    )
    return [
        {
            "id": i,
            "name": name,
            "icon_key": icon,
            "color": None if i % 2 else "FFFFFF",
            "order_nr": i,
            "key_string": name.lower().replace(" ", "_"),
            "active_flag": i != 6,
            "is_custom_flag": i > 6,
            "add_time": "2021-01-05 08:00:00",
            "update_time": None if i == 3 else "2023-03-01 09:30:00",
        }
        for i, (name, icon) in enumerate(named, start=1)
    ]


def activities(world: World) -> list[Record]:
    rng = world.rng("activities")
    leads = [lead["id"] for lead in world.made["leads"]]
    days = [(NOW + dt.timedelta(days=n)).strftime("%Y-%m-%d") for n in range(-200, 100)]
    out: list[Record] = []
    for i in range(1, world.activities + 1):
        added, updated = world.times(rng, i + 23)
        some, other = rng.random(), rng.random()
        person = int(some * world.persons / 0.6) + 1 if some < 0.6 else None
        done = i % 2 == 0
        people = [{"person_id": person, "primary": True}] if person else []
        if person and i % 7 == 0:
            people.append({"person_id": person % world.persons + 1, "primary": False})
        guest = {
            "email": f"guest{i}@mail.example",
            "name": world.text(i + 4, "A guest"),
            "status": "accepted",
            "is_organizer": False,
            "person_id": person,
            "user_id": None if person else 1,
        }
        out.append(
            {
                "id": i,
                "subject": world.text(i, f"{WORK[int(other * 10)].title()} call {i}"),
                "type": ("call", "meeting", "task", "email", "gone_type")[int(other * 4.1)],
                "owner_id": int(some * 8) + 1,
                "creator_user_id": int(other * 8) + 1,
                "is_deleted": i % 59 == 14,
                "add_time": added,
                "update_time": updated,
                "deal_id": int(other * world.deals / 0.6) + 1 if other < 0.6 and world.deals else None,
                "lead_id": leads[i % len(leads)] if i % 15 == 8 else None,
                "person_id": person,
                "org_id": int(other * world.organizations / 0.4) + 1 if other < 0.4 else None,
                "project_id": i % world.projects + 1 if i % 21 == 2 else None,
                "due_date": None if i % 17 == 0 else days[int(some * 300)],
                "due_time": "" if i % 4 == 0 else f"{i % 24:02d}:30" + (":00" if i % 8 == 1 else ""),
                "duration": "" if i % 5 == 0 else ("01:00", "00:15", "100:30")[i % 3],
                "busy": i % 3 == 0,
                "done": done,
                "marked_as_done_time": updated if done else None,
                "location": address(rng) if i % 9 == 0 else None,
                "participants": people,
                "attendees": [guest, {**guest, "is_organizer": True}][: 1 + i % 2] if i % 6 == 0 else None,
                "conference_meeting_client": "zoom" if i % 33 == 0 else None,
                "conference_meeting_url": f"https://meet.example/{i}" if i % 33 == 0 else None,
                "conference_meeting_id": str(i) if i % 33 == 0 else None,
                "public_description": world.text(i + 12, "Agenda") if i % 3 == 0 else None,
                "priority": i % 4 if i % 3 == 1 else None,
                "note": world.text(i + 2, "<p>Bring the slides</p>") if i % 2 else None,
            }
        )
    return out


def notes(world: World) -> list[Record]:
    rng = world.rng("notes")
    leads = [lead["id"] for lead in world.made["leads"]]
    out: list[Record] = []
    for i in range(1, world.notes + 1):
        added, updated = world.times(rng, i + 31)
        kind = ("deal", "person", "org", "lead", "project")[i % 5]
        if kind == "deal" and not world.deals:
            kind = "person"
        out.append(
            {
                "id": i,
                "active_flag": i % 41 != 6,
                "add_time": v1_time(added),
                "content": "y" * 60_000 if i == 3 else world.text(i, f"<b>Note</b> {i} &amp; more<br>"),
                "lead_id": leads[i % len(leads)] if kind == "lead" else None,
                "deal_id": rng.randrange(1, world.deals + 1) if kind == "deal" else None,
                "last_update_user_id": 1 if i % 2 else None,
                "org_id": rng.randrange(1, world.organizations + 1) if kind == "org" or i % 10 == 5 else None,
                "person_id": rng.randrange(1, world.persons + 1) if kind == "person" else None,
                "project_id": i % world.projects + 1 if kind == "project" else None,
                "task_id": None,
                "pinned_to_deal_flag": kind == "deal" and i % 3 == 1,
                "pinned_to_organization_flag": kind == "org" and i % 3 == 1,
                "pinned_to_person_flag": kind == "person" and i % 3 == 1,
                "pinned_to_project_flag": False,
                "pinned_to_task_flag": False,
                "_pinned_to_lead_flag": kind == "lead" and i % 3 == 1,
                "update_time": v1_time(updated),
                "user_id": rng.randrange(1, 9),
            }
        )
    return out


def note_comments(world: World) -> list[Record]:
    rng = world.rng("note_comments")
    return [
        {
            "uuid": world.uuid(rng),
            "active_flag": True,
            "add_time": f"2026-05-0{n + 1} 10:00:00",
            "update_time": f"2026-05-0{n + 1} 11:00:00",
            "content": world.text(i + n, f"Comment {n + 1} on note {i}"),
            "object_id": str(i),
            "object_type": "note",
            "user_id": rng.randrange(1, 9),
            "updater_id": 1,
            "company_id": 99,
            "_note_id": i,
        }
        for i in range(1, world.notes + 1)
        if i % 8 == 1
        for n in range(1 + i % 3)
    ]


MAKERS = {
    "activity_types": activity_types,
    "activities": activities,
    "notes": notes,
    "note_comments": note_comments,
}
