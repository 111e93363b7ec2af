"""What a table must show, worked out from the simulator's records and not by the wrapper.

Records have the API's property names; a column is expected to be the property of its name, in the type of
the contract. Where a table shows records in another way (a child of living parents only, an array's
elements), that is written out here.
"""

from __future__ import annotations

import datetime as dt
import json
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from tests.simulator import Simulator

Record = Mapping[str, Any]
FOLDERS = ("inbox", "drafts", "sent", "archive")
# Columns that no record of the simulator's store holds under their name; what they show is tested by name.
UNKEPT = {"attrs", "row_id", "filter_id"}


def text(value: Any) -> Any:
    return value.replace("\0", "") if isinstance(value, str) else str(value)


def moment(value: Any) -> dt.datetime | None:
    if not value or str(value).startswith("0000"):
        return None
    parsed = dt.datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return parsed.replace(tzinfo=parsed.tzinfo or dt.timezone.utc)


def day(value: Any) -> dt.date | None:
    return None if not value or str(value).startswith("0000") else dt.date.fromisoformat(str(value)[:10])


def clock(value: Any) -> dt.time | None:
    return dt.time.fromisoformat(str(value)) if value else None


def jsonb(value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return {text(k): jsonb(v) for k, v in value.items()}
    if isinstance(value, list):
        return [jsonb(v) for v in value]
    return value


def whole(value: Any) -> int | None:
    if isinstance(value, Mapping):  # v1 shows the record that an id stands for
        return whole(value.get("value", value.get("id", value.get("data"))))
    return None if value == "" else int(value)


def duration(value: Any) -> dt.timedelta | None:
    if not value:
        return None
    hours, minutes = str(value).split(":")[:2]
    return dt.timedelta(hours=int(hours), minutes=int(minutes))


def money(value: Any) -> Decimal | None:
    return None if value == "" else Decimal(str(value))


def truth(value: Any) -> bool | None:
    return (
        {"1": True, "true": True, "0": False, "false": False, "": None}[value]
        if isinstance(value, str)
        else bool(value)
    )


CONVERT: Mapping[str, Callable[[Any], Any]] = {
    "text": text,
    "bigint": whole,
    "numeric": money,
    "boolean": truth,
    "timestamptz": moment,
    "date": day,
    "time": clock,
    "interval": duration,
    "uuid": lambda v: uuid.UUID(v) if v else None,
    "jsonb": jsonb,
    "bytea": lambda v: v.encode("latin-1"),
    "uuid[]": lambda v: [uuid.UUID(x) for x in v],
    "text[]": lambda v: [text(x) for x in v],
    "bigint[]": lambda v: [int(x) for x in v],
}


def shown(kind: str, value: Any) -> Any:
    """A JSON value as a column of the SQL type *kind* shows it."""
    return None if value is None else CONVERT[kind](value)


def records(simulator: Simulator, table: str) -> list[Record]:
    """The rows that *table* must have."""
    made = SPECIAL.get(table)
    found = made(simulator) if made is not None else simulator.records(table)
    parent = PARENTS.get(table)
    if parent is not None:
        living = {r["id"] for r in records(simulator, parent[0])}
        found = [r for r in found if r[parent[1]] in living]
    return list(found)


_COMMON = ("follower_changes", "flow", "files", "permitted_users")
PARENTS = {
    **{
        f"deal_{what}": ("deals", "deal_id")
        for what in (
            "products",
            "installments",
            "discounts",
            "followers",
            "participants",
            "mail_messages",
            "changes",
            "participant_changes",
            *_COMMON,
        )
    },
    **{f"person_{w}": ("persons", "person_id") for w in ("followers", "mail_messages", "changes", *_COMMON)},
    **{
        f"organization_{w}": ("organizations", "org_id")
        for w in ("followers", "mail_messages", "changes", *_COMMON)
    },
    **{
        f"product_{w}": ("products", "product_id")
        for w in ("followers", "follower_changes", "files", "permitted_users")
    },
    "lead_permitted_users": ("leads", "lead_id"),
    **{
        f"project_{w}": ("projects", "project_id")
        for w in ("changes", "groups", "plan_items", "permitted_users")
    },
    "product_variations": ("products", "product_id"),
    "product_images": ("products", "product_id"),
    "note_comments": ("notes", "note_id"),
    "subscriptions": ("deals", "deal_id"),
}


def _elements(table: str, array: str, **outer: str) -> Callable[[Simulator], Iterable[Record]]:
    """The elements of an array in every record of *table*; *outer* names columns taken from the record."""

    def made(simulator: Simulator) -> Iterable[Record]:
        for record in records(simulator, table):
            for element in record[array] or ():
                yield {**element, **{name: record[source] for name, source in outer.items()}}

    return made


def _options(what: str) -> Callable[[Simulator], Iterable[Record]]:
    elements = _elements(
        f"{what}_fields",
        "options",
        field_code="field_code",
        field_name="field_name",
        is_custom_field="is_custom_field",
    )

    def made(simulator: Simulator) -> Iterable[Record]:
        for option in elements(simulator):
            key = option["id"]
            yield {**option, "id": key if isinstance(key, int) else None, "text_id": str(key)}

    return made


def _calls(simulator: Simulator) -> Iterable[Record]:
    return [r for r in simulator.records("call_logs") if r["user_id"] == 1]


def _threads(folder: str) -> Callable[[Simulator], Iterable[Record]]:
    return lambda simulator: [r for r in simulator.records(f"mail_threads_{folder}") if r["user_id"] == 1]


def _thread_messages(folder: str) -> Callable[[Simulator], Iterable[Record]]:
    def made(simulator: Simulator) -> Iterable[Record]:
        threads = {r["id"] for r in records(simulator, f"mail_threads_{folder}")}
        return [r for r in simulator.records("mail_messages") if r["mail_thread_id"] in threads]

    return made


def _deal_persons(simulator: Simulator) -> Iterable[Record]:
    """The deal's own person and its participants, each once."""
    persons = {r["id"]: r for r in simulator.records("persons")}
    taking_part = {(r["deal_id"], whole(r["person_id"])) for r in simulator.records("deal_participants")}
    deals = simulator.records("deals")
    pairs = {(d["id"], d["person_id"]) for d in deals} | {
        p for p in taking_part if p[0] in {d["id"] for d in deals}
    }
    return [{**persons[person], "deal_id": deal} for deal, person in pairs if person in persons]


def _organization_persons(simulator: Simulator) -> Iterable[Record]:
    return [r for r in simulator.records("persons") if r["org_id"] is not None]


def _relationships(simulator: Simulator) -> Iterable[Record]:
    living = {r["id"] for r in simulator.records("organizations")}
    for record in simulator.records("organization_relationships"):
        owner, linked = whole(record["rel_owner_org_id"]), whole(record["rel_linked_org_id"])
        kinds = ("parent", "daughter") if record["type"] == "parent" else ("related", "related")
        for org, other, kind in ((owner, linked, kinds[1]), (linked, owner, kinds[0])):
            if org in living:
                yield {
                    **record,
                    "org_id": org,
                    "calculated_type": kind,
                    "calculated_related_org_id": other,
                }


_PARTY = ("id", "email_address", "name", "linked_person_id", "linked_person_name", "mail_message_party_id")


def _linked_messages(what: str) -> Callable[[Simulator], Iterable[Record]]:
    """Lists of messages name fewer things of each party than a message alone."""

    def made(simulator: Simulator) -> Iterable[Record]:
        for record in simulator.records(f"{what}_mail_messages"):
            parties = {
                side: [{n: party[n] for n in _PARTY} for party in record[side]]
                for side in ("from", "to", "cc", "bcc")
            }
            yield {**record, **parties}

    return made


def _set_assignments(simulator: Simulator) -> Iterable[Record]:
    for user in simulator.records("users"):
        for access in user["access"]:
            if access["permission_set_id"]:
                yield {
                    "user_id": user["id"],
                    "permission_set_id": access["permission_set_id"],
                    "name": user["name"],
                }


def asked(simulator: Simulator, path: str) -> Any:
    """The data that the API itself answers."""
    token = next(iter(simulator.settings["users_tokens"]))
    request = urllib.request.Request(f"{simulator.url}/api/{path}", headers={"x-api-token": token})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["data"]


def _settings(simulator: Simulator) -> Iterable[Record]:
    return [asked(simulator, "v1/userSettings")]


def _connections(simulator: Simulator) -> Iterable[Record]:
    return [asked(simulator, "v1/userConnections")]


def _addons(simulator: Simulator) -> Iterable[Record]:
    return _list(asked(simulator, "v1/billing/subscriptions/addons"))


def _each(table: str, column: str, tail: str, scalar: str = "", version: int = 1) -> Callable[..., Any]:
    """What the API answers for each row of *table* under *tail*; *column* names the row."""

    def made(simulator: Simulator) -> Iterable[Record]:
        for parent in records(simulator, table):
            for record in _list(asked(simulator, f"v{version}/{table}/{parent['id']}/{tail}")):
                yield {**({scalar: record} if scalar else record), column: parent["id"]}

    return made


def _list(data: Any) -> list[Any]:
    return data if isinstance(data, list) else [] if data is None else [data]


def _of_followers(entity: str, column: str) -> Callable[[Simulator], Iterable[Record]]:
    def made(simulator: Simulator) -> Iterable[Record]:
        for record in simulator.records(f"{entity}_followers"):
            yield {
                column: record[column],
                "action": "added",
                "actor_user_id": 1,
                "follower_user_id": record["user_id"],
                "time": record["add_time"],
            }

    return made


def _participant_changes(simulator: Simulator) -> Iterable[Record]:
    for record in simulator.records("deal_participants"):
        yield {
            "deal_id": record["deal_id"],
            "action": "added",
            "actor_user_id": 1,
            "person_id": whole(record["person_id"]),
            "time": record["add_time"],
        }


def _user_followers(simulator: Simulator) -> Iterable[Record]:
    return [{"user_id": 2, "follower_user_id": 1, "add_time": "2024-01-01T00:00:00Z"}]


def _role_pipelines(simulator: Simulator) -> Iterable[Record]:
    for role in records(simulator, "roles"):
        for visible in ("true", "false"):
            found = asked(simulator, f"v1/roles/{role['id']}/pipelines?visible={visible}")
            for pipeline in found["pipeline_ids"]:
                yield {"role_id": role["id"], "pipeline_id": pipeline, "is_visible": visible == "true"}


def _files_of(column: str) -> Callable[[Simulator], Iterable[Record]]:
    return lambda simulator: [r for r in simulator.records("files") if r[column] is not None]


def _pictures(simulator: Simulator) -> Iterable[Record]:
    for person in simulator.records("persons"):
        if person["picture_id"]:
            yield {**asked(simulator, f"v2/persons/{person['id']}/picture"), "person_id": person["id"]}


def _team_users(simulator: Simulator) -> Iterable[Record]:
    for team in simulator.records("legacy_teams"):
        yield from ({"team_id": team["id"], "user_id": user} for user in team["users"])


# Tables whose rows are computed for what the query names: column → value.
_YEAR = {"start_date": "2026-01-01", "end_date": "2026-12-31"}
SELECTED: Mapping[str, Mapping[str, Any]] = {
    "deal_timeline": {"start_date": "2026-01-01", "interval": "month", "amount": 6, "field_key": "add_time"},
    "pipeline_conversion": _YEAR,
    "pipeline_movement": _YEAR,
    "goal_results": {"period_start": "2026-01-01", "period_end": "2026-06-30"},
    "recents": {"since_timestamp": "2026-08-15 00:00:00"},
}


def selected(table: str) -> str:
    """The conditions that *table* needs, '' for most."""
    return " AND ".join(f'"{name}" = {_literal(v)}' for name, v in SELECTED.get(table, {}).items())


def _literal(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"'{value}Z'" if ":" in value else f"'{value}'"


def _figures(table: str, path: str) -> Callable[[Simulator], Iterable[Record]]:
    """What the API computes for SELECTED; a part of it that is an object is shown part by part."""
    chosen = SELECTED.get(table, {})
    query = "&".join(f"{name.replace('period_', 'period.')}={quote(str(v))}" for name, v in chosen.items())

    def made(simulator: Simulator) -> Iterable[Record]:
        for record in _list(asked(simulator, f"v1/{path}{'&' if '?' in path else '?'}{query}")):
            parts = {f"{n}_{p}": v for n, o in record.items() if isinstance(o, dict) for p, v in o.items()}
            yield {**record, **parts, **chosen}

    return made


def _figures_of_each(
    table: str, parents: str, column: str, tail: str, nested: str = ""
) -> Callable[[Simulator], Iterable[Record]]:
    def made(simulator: Simulator) -> Iterable[Record]:
        for parent in records(simulator, parents):
            for record in _figures(table, f"{parents}/{parent['id']}/{tail}")(simulator):
                for element in record[nested] if nested else [record]:
                    yield {**record, **element, column: parent["id"]}

    return made


def _payments(simulator: Simulator) -> Iterable[Record]:
    living = {r["id"] for r in records(simulator, "subscriptions")}
    return [r for r in simulator.records("subscription_payments") if r["subscription_id"] in living]


_OWNERS = {
    "deal": ("deals", "deal_id"),
    "person": ("persons", "person_id"),
    "organization": ("organizations", "org_id"),
    "product": ("products", "product_id"),
    "lead": ("leads", "lead_id"),
    "project": ("projects", "project_id"),
}
_FLOWING = ("deal", "person", "organization")
_FOLLOWED = (*_FLOWING, "product")
SPECIAL: Mapping[str, Callable[[Simulator], Iterable[Record]]] = {
    "person_emails": _elements("persons", "emails", person_id="id"),
    "person_phones": _elements("persons", "phones", person_id="id"),
    "product_prices": _elements("products", "prices", product_id="id"),
    "product_variation_prices": _elements(
        "product_variations", "prices", product_variation_id="id", product_id="product_id"
    ),
    "activity_participants": _elements("activities", "participants", activity_id="id"),
    "activity_attendees": _elements("activities", "attendees", activity_id="id"),
    **{
        f"{w}_field_options": _options(w)
        for w in ("deal", "person", "organization", "product", "project", "activity")
    },
    **{f"mail_threads_{folder}": _threads(folder) for folder in FOLDERS},
    **{f"mail_messages_{folder}": _thread_messages(folder) for folder in FOLDERS},
    **{f"{what}_mail_messages": _linked_messages(what) for what in ("deal", "person", "organization")},
    "deal_persons": _deal_persons,
    "permission_set_assignments": _set_assignments,
    "user_settings": _settings,
    "user_connections": _connections,
    "billing_addons": _addons,
    **{f"{e}_follower_changes": _of_followers(e, c) for e, (_, c) in _OWNERS.items() if e in _FOLLOWED},
    **{
        f"{e}_flow": _each(t, c, "flow?limit=500&all_changes=1")
        for e, (t, c) in _OWNERS.items()
        if e in _FLOWING
    },
    **{
        f"{e}_permitted_users": _each(t, c, "permittedUsers", "user_id", 2 if e == "project" else 1)
        for e, (t, c) in _OWNERS.items()
    },
    **{f"{e}_files": _files_of(c) for e, (_, c) in _OWNERS.items() if e in _FOLLOWED},
    "deal_participant_changes": _participant_changes,
    "person_pictures": _pictures,
    "user_followers": _user_followers,
    "deal_summary": _figures("deal_summary", "deals/summary"),
    "deal_timeline": _figures("deal_timeline", "deals/timeline"),
    "pipeline_conversion": _figures_of_each(
        "pipeline_conversion", "pipelines", "pipeline_id", "conversion_statistics", "stage_conversions"
    ),
    "pipeline_movement": _figures_of_each(
        "pipeline_movement", "pipelines", "pipeline_id", "movement_statistics"
    ),
    "goal_results": _figures_of_each("goal_results", "goals", "goal_id", "results"),
    "recents": _figures("recents", "recents?limit=500"),
    "user_permissions": _each("users", "user_id", "permissions"),
    "user_role_settings": _each("users", "user_id", "roleSettings"),
    "role_settings": _each("roles", "role_id", "settings"),
    "role_pipelines": _role_pipelines,
    "legacy_team_users": _team_users,
    "project_plan_items": _each("projects", "project_id", "plan"),
    "call_logs": _calls,
    "organization_persons": _organization_persons,
    "organization_relationships": _relationships,
    "subscription_payments": _payments,
}
