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
        )
    },
    **{f"person_{w}": ("persons", "person_id") for w in ("followers", "mail_messages", "changes")},
    "organization_followers": ("organizations", "org_id"),
    "organization_mail_messages": ("organizations", "org_id"),
    "organization_changes": ("organizations", "org_id"),
    "product_followers": ("products", "product_id"),
    "product_variations": ("products", "product_id"),
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


def _settings(simulator: Simulator) -> Iterable[Record]:
    token = next(iter(simulator.settings["users_tokens"]))
    request = urllib.request.Request(f"{simulator.url}/api/v1/userSettings", headers={"x-api-token": token})
    with urllib.request.urlopen(request) as answer:
        return [json.load(answer)["data"]]


def _payments(simulator: Simulator) -> Iterable[Record]:
    living = {r["id"] for r in records(simulator, "subscriptions")}
    return [r for r in simulator.records("subscription_payments") if r["subscription_id"] in living]


SPECIAL: Mapping[str, Callable[[Simulator], Iterable[Record]]] = {
    "person_emails": _elements("persons", "emails", person_id="id"),
    "person_phones": _elements("persons", "phones", person_id="id"),
    "product_prices": _elements("products", "prices", product_id="id"),
    "product_variation_prices": _elements(
        "product_variations", "prices", product_variation_id="id", product_id="product_id"
    ),
    "activity_participants": _elements("activities", "participants", activity_id="id"),
    "activity_attendees": _elements("activities", "attendees", activity_id="id"),
    **{f"{w}_field_options": _options(w) for w in ("deal", "person", "organization", "product")},
    **{f"mail_threads_{folder}": _threads(folder) for folder in FOLDERS},
    **{f"mail_messages_{folder}": _thread_messages(folder) for folder in FOLDERS},
    **{f"{what}_mail_messages": _linked_messages(what) for what in ("deal", "person", "organization")},
    "deal_persons": _deal_persons,
    "permission_set_assignments": _set_assignments,
    "user_settings": _settings,
    "call_logs": _calls,
    "organization_persons": _organization_persons,
    "organization_relationships": _relationships,
    "subscription_payments": _payments,
}
