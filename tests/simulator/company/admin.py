"""Users, roles, permission sets, currencies, filters, goals, webhooks."""

from __future__ import annotations

import hashlib

from tests.simulator.company.words import FIRST, LAST
from tests.simulator.company.world import Record, World

USERS = 8


def currencies(world: World) -> list[Record]:
    named = (
        ("EUR", "Euro", 2, "€"),
        ("USD", "US Dollar", 2, "$"),
        ("JPY", "Japanese Yen", 0, "¥"),
        ("GBP", "Pound Sterling", 2, "£"),
        ("SEK", "Swedish Krona", 2, "kr"),
        ("BHD", "Bahraini Dinar", 3, ".د.ب"),
        ("CHF", "Swiss Franc", 2, "CHF"),
        ("BRL", "Brazilian Real", 2, "R$"),
    )
    return [
        {
            "id": i,
            "code": code,
            "name": name,
            "decimal_points": points,
            "symbol": symbol,
            "active_flag": i != 8,
            "is_custom_flag": False,
        }
        for i, (code, name, points, symbol) in enumerate(named, start=1)
    ]


def users(world: World) -> list[Record]:
    rng = world.rng("users")
    sets = [s["id"] for s in world.made["permission_sets"]]
    out: list[Record] = []
    for i in range(1, USERS + 1):
        first, last = rng.choice(FIRST), rng.choice(LAST)
        access = [{"app": "sales", "admin": i == 1, "permission_set_id": sets[0 if i == 1 else 1]}]
        if i % 2:  # half of the users have no entry for the settings, as on a live account
            access.append({"app": "account_settings", "admin": i == 1, "permission_set_id": sets[2]})
        out.append(
            {
                "id": i,
                "name": f"{first} {last}",
                "default_currency": "EUR",
                "locale": "et_EE",
                "lang": 1,
                "email": f"user{i}@acme.example",
                "phone": None if i % 3 else f"+372 600 000{i}",
                "activated": i != 8,
                "last_login": "0000-00-00 00:00:00" if i == 8 else f"2026-08-{i:02d} 07:00:00",
                "created": f"2021-01-0{i} 08:00:00",
                "modified": None if i == 2 else f"2026-07-0{i} 10:00:00",
                "has_created_company": i == 1,
                "access": access,
                "active_flag": i != 7,
                "timezone_name": "Europe/Tallinn",
                "timezone_offset": "+03:00",
                "role_id": role_of(i),
                "icon_url": None if i % 2 else f"https://img.example/{i}.png",
                "is_deleted": False,
            }
        )
    return out


def role_of(user: int) -> int:
    return 1 if user == 1 else 2 + user % 3


def roles(world: World) -> list[Record]:
    names = ((None, "(Default)"), (1, "Sales"), (2, "Junior sales"), (2, "Partners 🤝"), (1, "Gone"))
    return [
        {"parent_role_id": parent, "name": name, "id": i, "active_flag": i != 5, "_level": 1 + bool(parent)}
        for i, (parent, name) in enumerate(names, start=1)
    ]


def role_assignments(world: World) -> list[Record]:
    return [{"id": i, "user_id": i, "role_id": role_of(i)} for i in range(1, USERS + 1)]


def permission_sets(world: World) -> list[Record]:
    rng = world.rng("permission_sets")
    named = (
        ("Deals admin", "sales", "admin"),
        ("Deals regular user", "sales", "regular"),
        ("Account settings admin", "account_settings", "admin"),
        ("Global regular user", "global", "regular"),
        ("Custom", "projects", "custom"),
    )
    return [
        {
            "id": world.uuid(rng),
            "name": name,
            "description": None if kind == "custom" else f"{name} of the company",
            "app": app,
            "type": kind,
            "_contents": ["can_add_products", "can_use_import"] if kind == "admin" else [],
        }
        for name, app, kind in named
    ]


def filters(world: World) -> list[Record]:
    def ids(entity: str) -> dict[str, int]:
        return {f["field_code"]: f["_id"] for f in world.made[f"{entity}_fields"]}

    deal, person, org, product, activity, project = (
        ids(e) for e in ("deal", "person", "organization", "product", "activity", "project")
    )
    named = (
        ("All open deals", "deals", "deal", deal["status"], "=", "open"),
        ("My people", "people", "person", person["owner_id"], "=", "1"),
        ("Named organizations", "org", "organization", org["name"], "IS NOT NULL", None),
        ("Call activities", "activity", "activity", activity["type"], "=", "call"),
        ("Taxed products", "products", "product", product["tax"], ">", "0"),
        ("Hot leads 🔥", "leads", "lead", deal["title"], "LIKE '$%'", "A"),
        ("Running projects", "projects", "project", project["status"], "=", "open"),
        ("Big deals", "deals", "deal", deal["value"], ">", "10000"),
    )
    return [
        {
            "id": i,
            "name": name,
            "filter_code": None,
            "is_editable": True,
            "active_flag": True,
            "type": kind,
            "temporary_flag": None,
            "user_id": 1,
            "add_time": "2024-01-02 03:04:05",
            "update_time": None if i % 2 else "2025-01-02 03:04:05",
            "visible_to": ("1", "3", "5", "7")[i % 4],
            "last_used_time": None if i % 3 else "2026-08-01 00:00:00",
            "custom_view_id": None if i % 4 else i,
            "conditions": {
                "glue": "and",
                "conditions": [
                    {
                        "glue": "and",
                        "conditions": [
                            {
                                "object": thing,
                                "field_id": str(field),
                                "operator": operator,
                                "value": value,
                                "extra_value": None,
                                "json_value_flag": False,
                            }
                        ],
                    },
                    {"glue": "or", "conditions": []},
                ],
            },
        }
        for i, (name, kind, thing, field, operator, value) in enumerate(named, start=1)
    ]


def goals(world: World) -> list[Record]:
    kinds = ("deals_won", "deals_started", "activities_completed", "revenue_forecast")
    return [
        {
            "id": hashlib.sha256(f"{world.seed}/goal/{i}".encode()).hexdigest()[:24],
            "owner_id": 1 if i % 3 else 2,
            "title": None if i == 4 else f"Goal {i} 🎯",
            "type": {
                "name": kinds[i % 4],
                "params": {"pipeline_id": [1 + i % 3], "activity_type_id": [1, 2] if i % 4 == 2 else None},
            },
            "assignee": {"id": 1 + i % 5, "type": ("person", "team", "company")[i % 3]},
            "interval": ("weekly", "monthly", "quarterly", "yearly")[i % 4],
            "duration": {"start": "2026-01-01", "end": None if i % 2 else "2026-12-31"},
            "expected_outcome": {
                "target": i * 1000,
                "tracking_metric": "quantity" if i % 2 else "sum",
                **({} if i % 2 else {"currency_id": 1}),
            },
            "is_active": i % 4 != 0,
            "report_ids": [f"{i:024x}"],
        }
        for i in range(1, 11)
    ]


def webhooks(world: World) -> list[Record]:
    return [
        {
            "id": i,
            "company_id": 99,
            "owner_id": 1,
            "user_id": 1,
            "event_action": ("*", "create", "change", "delete")[i % 4],
            "event_object": ("*", "deal", "person", "note")[i % 4],
            "subscription_url": f"https://hooks.example/{i}?a=b&c=“d”",
            "version": "2.0" if i % 2 else "1.0",
            "is_active": 1 if i != 3 else 0,
            "add_time": "2026-03-04T05:06:07.000Z",
            "remove_time": None,
            "type": "general",
            "http_auth_user": None,
            "http_auth_password": None,
            "remove_reason": None,
            "last_delivery_time": None if i % 2 else "2026-08-31T00:00:00.000Z",
            "last_http_status": None if i % 2 else 200,
            "admin_id": 1,
            "name": f"Hook {i}",
        }
        for i in range(1, 5)
    ]


def role_settings(world: World) -> list[Record]:
    """By role; the default role alone has access levels."""
    kinds = ("deal", "lead", "org", "person", "product")
    return [
        {
            "id": r["id"],
            **{f"{kind}_default_visibility": (1, 3, 5, 7)[(r["id"] + n) % 4] for n, kind in enumerate(kinds)},
            **{f"{kind}_access_level": 7 if r["id"] == 1 else None for kind in kinds if kind != "lead"},
            "_hidden": [2] if r["id"] % 2 == 0 else [],
        }
        for r in world.made["roles"]
    ]


def legacy_teams(world: World) -> list[Record]:
    return [
        {
            "id": i,
            "name": f"Team {i} 🏆",
            "description": None if i == 2 else f"Who sells region {i}",
            "manager_id": i,
            "users": [] if i == 3 else [i, i + 1],
            "active_flag": 0 if i == 2 else 1,
            "deleted_flag": 1 if i == 3 else 0,
            "add_time": f"2023-0{i}-02 03:04:05",
            "created_by_user_id": 1,
        }
        for i in range(1, 4)
    ]


MAKERS = {
    "currencies": currencies,
    "permission_sets": permission_sets,
    "users": users,
    "roles": roles,
    "role_assignments": role_assignments,
    "filters": filters,
    "goals": goals,
    "webhooks": webhooks,
    "role_settings": role_settings,
    "legacy_teams": legacy_teams,
}
