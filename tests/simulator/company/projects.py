"""Boards, phases, projects, their templates and tasks."""

from __future__ import annotations

from tests.simulator.company.words import WORK
from tests.simulator.company.world import Record, World


def boards(world: World) -> list[Record]:
    return [
        {
            "id": i,
            "name": name,
            "order_nr": i,
            "add_time": "2024-01-01T00:00:00Z",
            "update_time": None if i == 2 else "2025-01-01T00:00:00Z",
        }
        for i, name in enumerate(("Delivery", "Ideen 💡"), start=1)
    ]


def phases(world: World) -> list[Record]:
    return [
        {
            "id": (b - 1) * 3 + n,
            "name": name,
            "board_id": b,
            "order_nr": n,
            "add_time": "2024-01-01T00:00:00Z",
            "update_time": "2025-01-01T00:00:00Z",
        }
        for b in (1, 2)
        for n, name in enumerate(("Planned", "Running", "Done"), start=1)
    ]


def projects(world: World) -> list[Record]:
    rng = world.rng("projects")
    out: list[Record] = []
    for i in range(1, world.projects + 1):
        added, updated, closed = world.moment(rng)
        status = ("open", "open", "completed", "canceled")[i % 4]
        out.append(
            {
                "id": i,
                "title": world.text(i, f"Project {rng.choice(WORK)} {i}"),
                "description": None if i % 3 else world.text(i + 3, "What is to be done"),
                "status": "deleted" if i % 43 == 5 else status,
                "board_id": 1 + i % 2,
                "phase_id": (i % 2) * 3 + 1 + i % 3,
                "owner_id": rng.randrange(1, 9),
                "start_date": None if i % 5 == 0 else added[:10],
                "end_date": closed[:10] if i % 4 == 1 else None,
                "deal_ids": [rng.randrange(1, world.deals + 1)] if world.deals and i % 2 else [],
                "person_ids": [rng.randrange(1, world.persons + 1)] if i % 3 == 0 else [],
                "org_ids": [rng.randrange(1, world.organizations + 1)] if i % 3 == 1 else [],
                "label_ids": [31] if i % 6 == 0 else [],
                "health_status": i % 3 + 1 if i % 5 == 2 else None,
                "add_time": added,
                "update_time": updated,
                "status_change_time": closed if status != "open" else None,
                "archive_time": updated if i % 11 == 3 else None,
                "custom_fields": world.custom("project", i),
            }
        )
    return out


def tasks(world: World) -> list[Record]:
    rng = world.rng("tasks")
    out: list[Record] = []
    for i in range(1, world.projects * 2 + 1):
        added, updated, closed = world.moment(rng)
        done = i % 3 == 0
        out.append(
            {
                "id": i,
                "title": world.text(i, f"Task {rng.choice(WORK)} {i}"),
                "creator_id": rng.randrange(1, 9),
                "description": world.text(i + 5, "Details") if i % 2 else None,
                "project_id": (i + 1) // 2,
                "is_done": done,
                "is_milestone": i % 10 == 0,
                "due_date": closed[:10] if i % 4 else None,
                "start_date": None,
                "parent_task_id": i - 1 if i % 2 == 0 and i % 5 == 0 else None,
                "assignee_ids": [rng.randrange(1, 9)] if i % 2 else [],
                "priority": i % 4 if i % 5 else None,
                "add_time": added,
                "update_time": updated,
                "marked_as_done_time": updated if done else None,
            }
        )
    return out


def project_templates(world: World) -> list[Record]:
    return [
        {
            "id": i,
            "title": f"Template {i}",
            "description": None if i == 2 else "How it is always done",
            "projects_board_id": i,
            "owner_id": 1,
            "add_time": "2024-01-01T00:00:00Z",
            "update_time": "2025-01-01T00:00:00Z",
        }
        for i in (1, 2)
    ]


def project_changes(world: World) -> list[Record]:
    return [
        {
            "id": i,
            "_project_id": i,
            "change_source": "app" if i % 2 else None,
            "change_source_user_agent": None,
            "time": "2026-08-01T10:00:00Z",
            "new_values": {"title": f"New {i}"},
            "old_values": {"title": None},
            "actor_user_id": 1,
        }
        for i in range(1, world.projects + 1, 2)
    ]


def project_groups(world: World) -> list[Record]:
    return [
        {"id": p * 10 + n, "_project_id": p, "name": world.text(p + n, f"Group {n}"), "order_nr": n}
        for p in range(1, world.projects + 1, 2)
        for n in (1, 2)
    ]


def project_places(world: World) -> list[Record]:
    """Where every third task stands in its project's plan."""
    return [
        {
            "id": f"task:{t['id']}",
            "phase_id": 1 + t["id"] % 6,
            "group_id": t["project_id"] * 10 + 1 if t["project_id"] % 2 else None,
        }
        for t in world.made["tasks"][::3]
    ]


MAKERS = {
    "boards": boards,
    "phases": phases,
    "projects": projects,
    "tasks": tasks,
    "project_templates": project_templates,
    "project_changes": project_changes,
    "project_groups": project_groups,
    "project_places": project_places,
}
