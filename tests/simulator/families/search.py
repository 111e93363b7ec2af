"""Search: of one entity, of all items, of one field. Unlike the API's index it is always fresh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.simulator.account import Account
from tests.simulator.listing import list_page
from tests.simulator.model import Collection, Record
from tests.simulator.refusal import invalid
from tests.simulator.routes import Call, Reply, serves

_ENTITIES = {
    "deal": ("deals", "title"),
    "person": ("persons", "name"),
    "organization": ("organizations", "name"),
    "product": ("products", "name"),
    "lead": ("leads", "title"),
    "project": ("projects", "title"),
    "file": ("files", "name"),
}
_SEARCHABLE = ("address", "varchar", "text", "varchar_auto", "double", "monetary", "phone")


def _custom_texts(account: Account, entity: str, record: Record) -> list[str]:
    entity = "deal" if entity == "lead" else entity
    values = record.get("custom_fields") or record.get("_custom") or {}
    fields = account.tables.get(f"{entity}_fields")
    out = []
    for code, value in values.items():
        field = fields.get(code) if fields else None
        if field is None or value is None or field["field_type"] not in _SEARCHABLE:
            continue
        out.append(str(value["value"] if isinstance(value, dict) else value))
    return out


def _texts(account: Account, entity: str, record: Record, fields: Iterable[str]) -> list[str]:
    out: list[str] = []
    for name in fields:
        if name == "custom_fields":
            out.extend(_custom_texts(account, entity, record))
        elif name in ("email", "phone"):
            out.extend(v["value"] for v in record.get(f"{name}s") or ())
        elif name == "address":
            out.append((record.get("address") or {}).get("value") or "")
        elif name == "notes":
            link = {"organization": "org_id"}.get(entity, f"{entity}_id")
            notes = account["notes"].where(link, record["id"]) if entity in _ENTITIES else []
            out.extend(n["content"] for n in notes)
        else:
            out.append(str(record.get(name) or ""))
    return out


def _found(call: Call, entity: str, fields: Iterable[str]) -> list[Record]:
    term, exact = call.query["term"], call.flag("exact_match")
    if len(term) < (1 if exact else 2):
        raise invalid("term must have at least 2 characters, 1 with exact_match")
    wanted = term.casefold()
    table = _ENTITIES[entity][0]
    out = []
    for record in call.account[table]:
        if (
            record.get("is_deleted")
            or record.get("status") == "deleted"
            or record.get("active_flag") is False
        ):
            continue
        texts = (t.casefold() for t in _texts(call.account, entity, record, fields))
        if any(t == wanted if exact else wanted in t for t in texts):
            out.append(record)
    return out


def _narrowed(call: Call, rows: list[Record]) -> list[Record]:
    for parameter, names in (
        ("person_id", ("person_id",)),
        ("organization_id", ("org_id", "organization_id")),
    ):
        if parameter in call.query:
            key = int(call.query[parameter])
            rows = [r for r in rows if any(r.get(n) == key for n in names)]
    if "status" in call.query:
        rows = [r for r in rows if r["status"] == call.query["status"]]
    return rows


def _default(entity: str) -> tuple[str, ...]:
    more = {"person": ("email", "phone"), "product": ("code",), "organization": ("address",)}.get(entity, ())
    return (_ENTITIES[entity][1], "custom_fields", *more)


def _fields(call: Call, entity: str) -> tuple[str, ...]:
    return tuple(call.query["fields"].split(",")) if "fields" in call.query else _default(entity)


# ---- what is shown of what was found


def _name_of(account: Account, table: str, key: Any, label: str = "name") -> Any:
    found = account[table].get(key) if key is not None else None
    return {"id": key, label: found[label]} if found else None


def _item(account: Account, entity: str, record: Record) -> Record:
    label = _ENTITIES[entity][1]
    out: Record = {"id": record["id"], "type": entity, label: record[label]}
    if entity != "file":
        out["owner"] = {"id": record["owner_id"]}
        out["custom_fields"] = _custom_texts(account, entity, record)
    if entity not in ("project", "file"):
        out["visible_to"] = int(record["visible_to"])
    if entity not in ("product", "file"):
        out["notes"] = []
    if entity in ("deal", "lead"):
        out["person"] = _name_of(account, "persons", record["person_id"])
        out["organization"] = _name_of(
            account, "organizations", record.get("org_id") or record.get("organization_id")
        )
        out["is_archived"] = record["is_archived"]
    if entity == "deal":
        stage = _name_of(account, "stages", record["stage_id"])
        out.update(value=record["value"], currency=record["currency"], status=record["status"], stage=stage)
    elif entity == "lead":
        value = record["value"] or {"amount": None, "currency": None}
        out.update(value=value["amount"], currency=value["currency"], phones=[], emails=[])
    elif entity == "person":
        out["phones"] = [p["value"] for p in record["phones"]]
        out["emails"] = [e["value"] for e in record["emails"]]
        out["organization"] = _name_of(account, "organizations", record["org_id"])
    elif entity == "organization":
        out["address"] = (record["address"] or {}).get("value")
    elif entity == "product":
        out["code"] = record["code"]
    elif entity == "project":
        out.update(
            status=record["status"],
            board_id=record["board_id"],
            phase=_name_of(account, "phases", record["phase_id"]),
            person=None,
            organization=None,
            deal=None,
            deal_count=len(record["deal_ids"]),
            description=record["description"],
            end_date=record["end_date"],
        )
    return out


def _page(call: Call, hits: list[tuple[str, Record]], wrap: str = "items") -> Reply:
    """Hits stand in the order found; their key is their number."""
    rows = [{"id": n, "_of": (entity, record)} for n, (entity, record) in enumerate(hits)]

    def view(account: Account, row: Record, user: int) -> Record:
        return {"result_score": round(1 / (1 + row["id"]), 5), "item": _item(account, *row["_of"])}

    return list_page(
        call, Collection("deals", call.op.path, call.op.version, view=view, fixed=False, wrap=wrap), rows
    )


_PLURALS: Mapping[str, str] = {table: entity for entity, (table, _) in _ENTITIES.items()}


@serves(
    2, *(f"GET /{t}/search" for t in ("deals", "persons", "organizations", "products", "leads", "projects"))
)
def search(call: Call) -> Reply:
    entity = _PLURALS[call.op.path.split("/")[1]]
    rows = _narrowed(call, _found(call, entity, _fields(call, entity)))
    return _page(call, [(entity, r) for r in rows])


@serves(1, "GET /leads/search")
def search_v1(call: Call) -> Reply:
    return search(call)


@serves(2, "GET /itemSearch")
def item_search(call: Call) -> Reply:
    known = [e for e in _ENTITIES if e != "file"]
    wanted = call.query.get("item_types", ",".join(known)).split(",")
    hits = [(e, r) for e in known if e in wanted for r in _found(call, e, _fields(call, e))]
    return _page(call, hits)


@serves(2, "GET /itemSearch/field")
def field_search(call: Call) -> Reply:
    """Of one field, case and all; the answer is a bare list of values."""
    entity, field, match = call.query["entity_type"], call.query["field"], call.query.get("match", "exact")
    if entity not in _ENTITIES:
        raise invalid(f"entity_type {entity} cannot be searched")
    term = call.query["term"]
    rows = []
    for record in call.account[_ENTITIES[entity][0]]:
        value = record.get(field)
        if value is None:
            value = (record.get("custom_fields") or {}).get(field)
        text = str(value["value"] if isinstance(value, dict) else value)
        tests = {"exact": text == term, "beginning": text.startswith(term), "middle": term in text}
        if value is not None and not record.get("is_deleted") and tests.get(match):
            rows.append({"id": record["id"], field: value})
    view = Collection("deals", call.op.path, fixed=False, view=_value)
    return list_page(call, view, rows)


def _value(account: Account, row: Record, user: int) -> Record:
    return {"result_score": 1, "item": row}
