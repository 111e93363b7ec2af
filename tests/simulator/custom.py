"""Custom field values: what may be written, and v1's flat form of them.

v2 nests them in ``custom_fields``; v1, and leads to this day, spread each over keys of the record's root.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.simulator.account import Account
from tests.simulator.model import Record
from tests.simulator.refusal import invalid

ENTITIES = ("deal", "person", "organization", "product", "project")
ADDRESS_PARTS = (
    "country",
    "admin_area_level_1",
    "admin_area_level_2",
    "locality",
    "sublocality",
    "route",
    "street_number",
    "subpremise",
    "postal_code",
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"\d\d:\d\d(:\d\d)?")
_LINKS = {"user": "users", "org": "organizations", "people": "persons"}
_V1_ADDRESS = (*ADDRESS_PARTS, "formatted_address")


def definitions(account: Account, entity: str) -> dict[str, Record]:
    """The custom fields of an entity by their keys."""
    fields = account[f"{entity}_fields"]
    return {f["field_code"]: f for f in fields if f["is_custom_field"]}


def merged(account: Account, entity: str, current: Any, given: Any) -> Record:
    """*current* with the values of a request. An empty object clears every field, as the API was seen to."""
    known = definitions(account, entity)
    if given is None or given == {}:
        return dict.fromkeys(known)
    out = {**dict.fromkeys(known), **(current or {})}
    for key, value in given.items():
        if key not in known:
            raise invalid(f"Custom field {key} does not exist")
        out[key] = value if value is None else _checked(account, known[key], value)
    return out


def _checked(account: Account, field: Mapping[str, Any], value: Any) -> Any:
    """The value as it is stored. Raises Refusal 400 that names the field."""
    kind, code = field["field_type"], field["field_code"]
    wrong = invalid(f"Custom field {code} of type {kind} does not take {str(value)[:80]!r}")
    if kind in ("varchar", "varchar_auto", "text", "phone"):
        limit = 65_535 if kind == "text" else 255
        if not isinstance(value, str) or len(value) > limit:
            raise wrong
    elif kind == "double":
        _number(value, wrong)
    elif kind in ("enum", "set"):
        ids = value if kind == "set" else [value]
        known = {o["id"] for o in field["options"] or ()}
        if not isinstance(ids, list) or not ids or not all(_whole(i) and i in known for i in ids):
            raise wrong
    elif kind in _LINKS:
        if not _whole(value) or account[_LINKS[kind]].get(value) is None:
            raise wrong
    elif kind == "date":
        _matches(value, _DAY, wrong)
    else:
        return _parts(kind, value, wrong)
    return value


def _parts(kind: str, value: Any, wrong: Exception) -> Record:
    allowed: dict[str, tuple[str, ...]] = {
        "monetary": ("value", "currency"),
        "daterange": ("value", "until"),
        "time": ("value", "timezone_id", "timezone_name"),
        "timerange": ("value", "until", "timezone_id", "timezone_name"),
        "address": ("value", *_V1_ADDRESS),
    }
    names = allowed.get(kind)
    if names is None or not isinstance(value, dict) or not set(value) <= set(names) or "value" not in value:
        raise wrong
    if any(part is None for part in value.values()):  # a part is left out, and is null then
        raise wrong
    if kind == "address":
        if not isinstance(value["value"], str):
            raise wrong
        return {"value": value["value"], **{n: value.get(n) for n in ADDRESS_PARTS}}
    if kind == "monetary":
        _number(value["value"], wrong)
        if not isinstance(value.get("currency"), str):
            raise wrong
        return {"value": value["value"], "currency": value["currency"]}
    shape = _DAY if kind == "daterange" else _CLOCK
    _matches(value["value"], shape, wrong)
    if kind != "time":
        _matches(value.get("until"), shape, wrong)
    out = {n: value[n] for n in ("value", "until") if n in value}
    if kind != "daterange":
        out["timezone_name"] = value.get("timezone_name") or "Europe/Tallinn"
        out = {n: v + ":00" if n != "timezone_name" and len(v) == 5 else v for n, v in out.items()}
    return out


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any, wrong: Exception) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong


def _matches(value: Any, shape: re.Pattern[str], wrong: Exception) -> None:
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise wrong


# ---- labels


def _labels(account: Account, entity: str, code: str) -> dict[Any, str]:
    field = account[f"{entity}_fields"].get(code)
    return {o["id"]: o["label"] for o in (field or {}).get("options") or ()}


def labelled(account: Account, entity: str, custom: Record) -> Record:
    """Options as {id, label}; an option that is gone has a null label."""
    out = dict(custom)
    for code, field in definitions(account, entity).items():
        value = out.get(code)
        if field["field_type"] not in ("enum", "set") or value is None:
            continue
        known = _labels(account, entity, code)
        if isinstance(value, list):
            out[code] = [{"id": v, "label": known.get(v)} for v in value]
        else:
            out[code] = {"id": value, "label": known.get(value)}
    return out


def labels_of(account: Account, entity: str, ids: Any) -> list[Record]:
    known = _labels(account, entity, "label_ids")
    return [{"id": i, "label": known.get(i)} for i in ids or ()]


# ---- v1's flat form


# The keys beside that of a field, by its type.
_BESIDE = {
    "monetary": ("currency",),
    "daterange": ("until",),
    "time": ("timezone_id",),
    "timerange": ("until", "timezone_id"),
    "address": _V1_ADDRESS,
}


def unset(fields: Mapping[str, Record]) -> Record:
    """The v1 keys of fields without a value; leads leave them out."""
    beside = {code: _BESIDE.get(field["field_type"], ()) for code, field in fields.items()}
    return {name: None for code, parts in beside.items() for name in (code, *(f"{code}_{p}" for p in parts))}


def flattened(account: Account, custom: Mapping[str, Any] | None, fields: Mapping[str, Record]) -> Record:
    """The v1 keys of v2 values; unset fields are absent."""
    out: Record = {}
    for code, value in (custom or {}).items():
        field = fields.get(code)
        if field is None or value is None:
            continue
        out.update(_flat(account, code, field["field_type"], value))
    return out


def _flat(account: Account, code: str, kind: str, value: Any) -> Record:
    if kind == "enum":
        return {code: str(value)}
    if kind == "set":
        return {code: ",".join(map(str, value))}
    if kind == "monetary":
        return {code: value["value"], f"{code}_currency": value["currency"]}
    if kind == "address":
        parts = {f"{code}_{n}": value.get(n) for n in ADDRESS_PARTS}
        return {code: value["value"], **parts, f"{code}_formatted_address": value["value"]}
    if kind in ("daterange", "time", "timerange"):
        out = {code: value["value"]}
        if "until" in value:
            out[f"{code}_until"] = value["until"]
        if kind != "daterange":
            out[f"{code}_timezone_id"] = 77
        return out
    if kind in _LINKS:
        return {code: linked(account, kind, value)}
    return {code: value}


def linked(account: Account, kind: str, key: Any) -> Any:
    """The object that v1 gives for a user, an organization or a person; None for one that is gone."""
    record = account[_LINKS[kind]].get(key)
    if record is None:
        return None
    if kind == "user":
        return {
            "id": key,
            "name": record["name"],
            "email": record["email"],
            "has_pic": 0,
            "pic_hash": None,
            "active_flag": record["active_flag"],
            "value": key,
        }
    if kind == "org":
        address = record["address"]
        return {
            "name": record["name"],
            "people_count": record["people_count"],
            "owner_id": record["owner_id"],
            "address": address["value"] if address else None,
            "active_flag": not record["is_deleted"],
            "cc_email": record["smart_bcc_email"],
            "value": key,
        }
    return {
        "active_flag": not record["is_deleted"],
        "name": record["name"],
        "email": record["emails"],
        "phone": record["phones"],
        "owner_id": record["owner_id"],
        "value": key,
    }


def from_flat(account: Account, entity: str, body: Mapping[str, Any]) -> Record:
    """The v2 values of the hash keys in a v1 body. Raises Refusal for a key that does not exist."""
    known = definitions(account, entity)
    out: Record = {}
    for name, value in body.items():
        code, _, part = name[:40], name[40:41], name[41:]
        if not re.fullmatch(r"[0-9a-f]{40}(_\w+)?", name):
            continue
        if code not in known:
            raise invalid(f"Custom field {code} does not exist")
        kind = known[code]["field_type"]
        if part:
            if isinstance(out.get(code), dict):
                out[code][{"timezone_id": "timezone_name"}.get(part, part)] = (
                    "Europe/Tallinn" if part == "timezone_id" else value
                )
            continue
        out[code] = _unflat(kind, code, value, body)
    return {c: v if v is None else _checked(account, known[c], without_nulls(v)) for c, v in out.items()}


def without_nulls(value: Any) -> Any:
    """Parts are keys of their own in version 1, and null clears one."""
    return {n: v for n, v in value.items() if v is not None} if isinstance(value, dict) else value


def _unflat(kind: str, code: str, value: Any, body: Mapping[str, Any]) -> Any:
    if value is None or value == "":
        return None
    if kind == "enum":
        return int(value)
    if kind == "set":
        return [int(v) for v in (value if isinstance(value, list) else str(value).split(","))]
    if kind == "double":
        return float(value) if isinstance(value, str) else value
    if kind == "monetary":
        if isinstance(value, dict):
            return value
        return {"value": float(value), "currency": body.get(f"{code}_currency", "EUR")}
    if kind in ("daterange", "timerange"):
        return {"value": value, "until": body.get(f"{code}_until")}
    if kind in ("address", "time"):
        return value if isinstance(value, dict) else {"value": value}
    if kind in _LINKS:
        return int(value["value"] if isinstance(value, dict) else value)
    return value
