"""Field definitions, built in and custom, of every entity; and the values of custom fields.

In v2's form; what only v1 shows (numeric id, order, times) stands under names that begin with "_".
"""

from __future__ import annotations

import hashlib
import random
from typing import Any, Callable

from tests.simulator.company.words import AMOUNTS, DAYS, NASTY, TRADES
from tests.simulator.company.world import Record, World, address

TYPES = [
    "varchar",
    "varchar_auto",
    "text",
    "double",
    "monetary",
    "date",
    "daterange",
    "time",
    "timerange",
    "set",
    "enum",
    "user",
    "org",
    "people",
    "phone",
    "address",
]
# (code, type) of the built-in fields, by entity; names are the codes in title case.
_BUILT_IN = {
    "deal": (
        "id:int title:varchar owner_id:user creator_user_id:user person_id:people org_id:org "
        "pipeline_id:pipeline stage_id:stage value:monetary currency:varchar_options add_time:date "
        "update_time:date stage_change_time:date status:status probability:double "
        "lost_reason:varchar_options visible_to:visible_to close_time:date won_time:date "
        "lost_time:date expected_close_date:date label_ids:set origin:varchar origin_id:varchar "
        "channel:enum channel_id:varchar source_lead_id:lead is_archived:boolean is_deleted:boolean "
        "archive_time:date arr:double mrr:double acv:double"
    ),
    "person": (
        "id:int name:varchar first_name:varchar last_name:varchar owner_id:user org_id:org "
        "emails:varchar phones:phone add_time:date update_time:date visible_to:visible_to "
        "label_ids:set picture_id:picture postal_address:address notes:text im:varchar birthday:date "
        "job_title:varchar"
    ),
    "organization": (
        "id:int name:varchar owner_id:user add_time:date update_time:date visible_to:visible_to "
        "address:address label_ids:set website:varchar linkedin:varchar industry:enum "
        "annual_revenue:double employee_count:int"
    ),
    "product": (
        "id:int name:varchar code:varchar unit:varchar tax:double is_linkable:boolean "
        "visible_to:visible_to owner_id:user add_time:date update_time:date description:text "
        "category:enum billing_frequency:billing_frequency billing_frequency_cycles:int "
        "prices:price_list"
    ),
    "project": (
        "id:int title:varchar description:text status:status board_id:projects_board "
        "phase_id:projects_phase owner_id:user start_date:date end_date:date deal_ids:deals "
        "label_ids:set health_status:enum add_time:date update_time:date"
    ),
    "activity": (
        "id:int subject:varchar type:enum owner_id:user creator_user_id:user deal_id:deal "
        "lead_id:lead person_id:people org_id:org project_id:project due_date:date due_time:time "
        "duration:time busy:boolean done:boolean marked_as_done_time:date location:address "
        "public_description:text priority:enum note:text add_time:date update_time:date"
    ),
}
_NOTE = "id:int content:text user_id:user deal_id:deal person_id:people org_id:org lead_id:lead add_time:date"
_OPTIONS = ("Alpha", "Béta, with comma", 'Quote " here', "Delta 🔺", "NULL", "")
_LABELS = (("Hot", "red"), ("Warm", "yellow"), ("Cold", "blue"))


def field_key(entity: str, name: str) -> str:
    return hashlib.sha1(f"{entity}.{name}".encode(), usedforsecurity=False).hexdigest()


def _field(number: int, name: str, code: str, kind: str, custom: bool) -> Record:
    parts = {
        "monetary": ("currency",),
        "daterange": ("until",),
        "time": ("timezone_name",),
        "timerange": ("until", "timezone_name"),
        "address": ("locality", "country", "postal_code"),
    }.get(kind, ())
    return {
        "field_name": name,
        "field_code": code,
        "description": f"What {name} is for" if custom and number % 2 else None,
        "field_type": kind,
        "options": None,
        "subfields": [
            {"field_code": p, "field_name": p.replace("_", " ").title(), "field_type": "varchar"}
            for p in parts
        ]
        or None,
        "is_custom_field": custom,
        "is_optional_response_field": False,
        "ui_visibility": {
            "add_visible_flag": True,
            "details_visible_flag": number % 5 != 0,
            "projects_detail_visible_flag": False,
            "show_in_pipelines": {"show_in_all": True, "pipeline_ids": []},
        },
        "important_fields": {"enabled": number % 7 == 0, "stage_ids": [1, 2] if number % 14 == 0 else []},
        "required_fields": {"enabled": False, "stage_ids": [], "statuses": {}},
        "_id": 4_000 + number,
        "_order": number,
        "_add_time": "2021-01-05T08:00:00Z",
        "_update_time": None if number % 3 else "2024-02-03T04:05:06Z",
        "_deleted_options": [{"id": 900_000 + number, "label": "Gone"}] if kind in ("enum", "set") else [],
    }


def _option(key: Any, label: str, color: str | None = None) -> Record:
    return {"id": key, "label": label, "color": color, "update_time": None, "add_time": None}


def _built_in_options(entity: str, code: str) -> list[Record] | None:
    if code == "label_ids":
        first = {"deal": 1, "person": 11, "organization": 21}.get(entity, 31)
        return [_option(first + n, label, color) for n, (label, color) in enumerate(_LABELS)]
    if code == "visible_to":
        names = (
            (1, "Item owner"),
            (3, "All users"),
            (5, "Owner’s visibility group"),
            (7, "… and sub-groups"),
        )
        return [_option(k, label) for k, label in names]
    if code == "status" and entity == "deal":
        return [_option(s, s.title()) for s in ("open", "won", "lost", "deleted")]
    if code in ("channel", "industry", "category", "priority", "health_status"):
        return [_option(n, f"{code.title()} {n}") for n in range(1, 6)]
    return None


def _definitions(entity: str) -> Callable[[World], list[Record]]:
    def make(world: World) -> list[Record]:
        out: list[Record] = []
        for pair in _BUILT_IN[entity].split():
            code, _, kind = pair.partition(":")
            out.append(_field(len(out) + 1, code.replace("_", " ").title(), code, kind, False))
            out[-1]["options"] = _built_in_options(entity, code)
        if entity == "activity":
            return out
        names = [(f"{entity.title()} {kind.replace('_', ' ')}", kind) for kind in TYPES]
        # names are not unique, may be a built-in column's, and hold any letter
        names += [(f"{entity.title()} text", "varchar"), ("Id", "varchar"), ("Größe / 尺寸 📐", "double")]
        names += [(f"Extra {n}", TYPES[n % len(TYPES)]) for n in range(1, world.extra_fields + 1)]
        for n, (name, kind) in enumerate(names):
            out.append(_field(len(out) + 1, name, field_key(entity, f"{name}.{n}"), kind, True))
            if kind in ("enum", "set"):
                first = 100 * (n + 1)
                out[-1]["options"] = [_option(first + i, label) for i, label in enumerate(_OPTIONS, start=1)]
        return out

    return make


def _v1_fields(entity: str) -> Callable[[World], list[Record]]:
    def make(world: World) -> list[Record]:
        pairs = (p.partition(":") for p in _NOTE.split())
        return [
            _field(n, c.replace("_", " ").title(), c, k, False) for n, (c, _, k) in enumerate(pairs, start=1)
        ]

    return make


MAKERS = {f"{entity}_fields": _definitions(entity) for entity in _BUILT_IN}
MAKERS["note_fields"] = _v1_fields("note")


def custom_pool(world: World, entity: str, size: int) -> list[Record]:
    """So many different sets of values; each field set in about three of ten."""
    rng = world.rng(f"custom/{entity}")
    fields = [f for f in world.made[f"{entity}_fields"] if f["is_custom_field"]]
    out = []
    for number in range(size):
        values = {f["field_code"]: None for f in fields}
        for field in fields:
            if rng.random() < 0.3:
                values[field["field_code"]] = _value(world, rng, field, number)
        out.append(values)
    return out


def _value(world: World, rng: random.Random, field: Record, number: int) -> Any:
    kind = field["field_type"]
    day = DAYS[number % 5] if number % 29 == 3 else world.day(rng)
    clock = f"{rng.randrange(24):02d}:{rng.randrange(60):02d}:00"
    options = [o["id"] for o in field["options"] or ()]
    if kind in ("varchar", "varchar_auto"):
        return NASTY[number % len(NASTY)][:255] if number % 23 == 4 else f"{rng.choice(TRADES)} {number}"
    if kind == "text":
        return (
            NASTY[number % len(NASTY)] if number % 19 == 4 else f"Long text about {rng.choice(TRADES)}. " * 4
        )
    if kind == "double":
        return AMOUNTS[number % len(AMOUNTS)] if number % 11 == 2 else rng.randrange(100_000) / 100
    if kind == "monetary":
        currency = rng.choice(("EUR", "USD", "JPY"))
        return {"value": rng.randrange(0, 900_000) / (1 if currency == "JPY" else 100), "currency": currency}
    if kind == "enum":  # an option that is gone stays in the data
        return 900_000 + number if number % 17 == 0 else rng.choice(options)
    if kind == "set":
        return [*sorted(rng.sample(options, 2)), *([900_000 + number] if number % 13 == 0 else ())]
    if kind in ("user", "org", "people"):
        most = {"user": 8, "org": world.organizations, "people": world.persons}[kind]
        return rng.randrange(1, most + 1)
    made: dict[str, Any] = {
        "date": day,
        "daterange": {"value": day, "until": "2027-01-31"},
        "time": {"value": clock, "timezone_name": "Europe/Tallinn"},
        "timerange": {"value": clock, "until": "23:59:00", "timezone_name": "America/Sao_Paulo"},
        "phone": f"+372 555 {rng.randrange(10_000):04d}",
        "address": address(rng),
    }
    return made[kind]
