"""Field definitions: v2 by field code with options of their own, v1 by numeric id.

v2 has neither times nor numbers of fields; v1's rows of subfields have no id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.simulator.account import Account
from tests.simulator.custom import ENTITIES
from tests.simulator.listing import list_page
from tests.simulator.model import Collection, Record, always
from tests.simulator.refusal import Refusal, invalid, missing
from tests.simulator.routes import Call, Reply, done, serves
from tests.simulator.verbs import declare

_OPTIONED = ("enum", "set")
_VISIBLE = {"add_visible_flag": True, "details_visible_flag": True}
_HIDDEN: Record = {"show": False, "order": None}
# What only the fields of persons and organizations have.
_DIALOGS: dict[str, Record] = {
    "person": {"show_in_add_deal_dialog": _HIDDEN},
    "organization": {
        "org_detail_visible_flag": True,
        "person_detail_visible_flag": False,
        "deal_detail_visible_flag": False,
        "show_in_add_deal_dialog": _HIDDEN,
        "show_in_add_person_dialog": _HIDDEN,
    },
}
_BLANK: Record = {
    "field_name": None,
    "field_code": None,
    "description": None,
    "field_type": None,
    "options": None,
    "subfields": None,
    "is_custom_field": True,
    "is_optional_response_field": False,
    "ui_visibility": _VISIBLE,
    "important_fields": {"enabled": False, "stage_ids": []},
    "required_fields": {"enabled": False, "stage_ids": [], "statuses": {}},
    "_id": None,
    "_order": 99,
    "_add_time": "2026-09-01T12:00:00Z",
    "_update_time": None,
    "_deleted_options": [],
}
_MOST = 10_000


def _view(entity: str) -> Any:
    """What the entity's own schema has: the namespaces differ."""

    def view(account: Account, field: Record, user: int) -> Record:
        out = {n: v for n, v in field.items() if n[0] != "_"}
        if entity != "deal":
            own = {**_VISIBLE, **_DIALOGS.get(entity, {})}
            out["ui_visibility"] = {n: out["ui_visibility"].get(n, v) for n, v in own.items()}
            out["required_fields"] = {"enabled": out["required_fields"]["enabled"]}
            out.pop("description")
        if entity in ("product", "activity"):
            for name in ("important_fields", "required_fields"):
                out.pop(name)
        return out

    return view


def _collection(entity: str) -> Collection:
    return Collection(
        f"{entity}_fields",
        f"/{entity}Fields",
        one=f"/{entity}Fields/{{field_code}}",
        key="field_code",
        verbs="LG",
        visible=always,
        view=_view(entity),
        order=(("_order", False),),
    )


FIELDS = {entity: _collection(entity) for entity in (*ENTITIES, "activity")}
declare(*FIELDS.values())


def _entity(call: Call) -> str:
    return call.op.path.split("/")[1][: -len("Fields")]


def _field(call: Call) -> Record:
    """The custom field that a write names. Raises Refusal 404, or 400 for a built-in one."""
    entity = _entity(call)
    if call.op.version == 2:
        found = call.account[f"{entity}_fields"].get(call.values["field_code"])
    else:
        found = next((f for f in call.account[f"{entity}_fields"] if f["_id"] == call.key()), None)
    if found is None:
        raise missing("field", next(iter(call.values.values())))
    if not found["is_custom_field"] and call.op.method != "GET":
        raise Refusal(403, "This field cannot be changed", "forbidden")
    return found


def _written(call: Call, field: Record) -> None:
    field["_update_time"] = call.account.now("v2", field["_update_time"])
    call.account[f"{_entity(call)}_fields"].put(field)


def _add(call: Call, name: str, kind: str, options: Any, more: Record) -> Record:
    from tests.simulator.company.fields import field_key

    if not name:
        raise invalid("a field needs a name")
    table = call.account[f"{_entity(call)}_fields"]
    number = max(f["_id"] for f in table) + 1
    field = json.loads(json.dumps(_BLANK))
    field.update(
        field_name=name, field_code=field_key(_entity(call), f"{name}/{number}"), field_type=kind, **more
    )
    field.update(_id=number, _order=number)
    if kind in _OPTIONED:
        if not options:
            raise invalid("options are required for this type")
        field["options"] = _made([str(o["label"]) for o in options], number)
    elif options:
        raise invalid("this type takes no options")
    table.put(field)
    _spread(call, field["field_code"], True)
    return dict(field)


def _made(labels: list[str], number: int) -> list[Record]:
    return [
        {"id": number * 100 + n, "label": label, "color": None, "update_time": None, "add_time": None}
        for n, label in enumerate(labels, start=1)
    ]


def _spread(call: Call, code: str, there: bool) -> None:
    """Every record of the entity gets the field, or loses it."""
    entity = _entity(call)
    table = call.account[{"person": "persons"}.get(entity, f"{entity}s")]
    for record in table:
        custom = record.get("custom_fields")
        if custom is not None:
            kept = {n: v for n, v in custom.items() if n != code}
            record["custom_fields"] = {**kept, code: None} if there else kept
    table.encoded.clear()
    table.orders.clear()
    if entity == "deal":
        for lead in call.account["leads"]:
            lead["_custom"] = {n: v for n, v in lead["_custom"].items() if n != code}


def _v2(verb: str, tail: str = "") -> list[str]:
    return [f"{verb} /{entity}Fields{tail}" for entity in ENTITIES]


@serves(2, *_v2("POST"))
def create(call: Call) -> Reply:
    body = call.body
    more = {
        n: {**_BLANK[n], **body[n]}
        for n in ("ui_visibility", "important_fields", "required_fields")
        if body.get(n)
    }
    if "description" in body:
        more["description"] = body["description"]
    field = _add(call, body["field_name"], body["field_type"], body.get("options"), more)
    return call.op.status, done(FIELDS[_entity(call)].view(call.account, field, call.user))


@serves(2, *_v2("PATCH", "/{field_code}"))
def change(call: Call) -> Reply:
    field = _field(call)
    for name, value in call.body.items():
        if isinstance(value, dict):
            value = {**field[name], **value}
        elif value is None and isinstance(_BLANK.get(name), dict):
            value = _BLANK[name]
        field[name] = value
    _written(call, field)
    return done(FIELDS[_entity(call)].view(call.account, field, call.user))


@serves(2, *_v2("DELETE", "/{field_code}"))
def remove(call: Call) -> Reply:
    field = _field(call)
    call.account[f"{_entity(call)}_fields"].remove(field)
    _spread(call, field["field_code"], False)
    return done(FIELDS[_entity(call)].view(call.account, field, call.user))


@serves(2, *_v2("POST", "/{field_code}/options"), *_v2("PATCH", "/{field_code}/options"))
def write_options(call: Call) -> Reply:
    field = _field(call)
    if field["field_type"] not in _OPTIONED:
        raise invalid("this field has no options")
    if not call.body:
        raise invalid("the list of options is empty")
    options = field["options"]
    known = {o["id"]: o for o in options}
    if call.op.method == "POST":
        if len(options) + len(call.body) > _MOST:
            raise invalid("too many options")
        taken = [
            *known,
            *(o["id"] for o in field["_deleted_options"] if o["id"] < 900_000),
            field["_id"] * 100,
        ]
        first = max(taken) + 1
        changed = _made([o["label"] for o in call.body], 0)
        for n, option in enumerate(changed):
            option["id"] = first + n
        options.extend(changed)
    else:
        if any(o["id"] not in known for o in call.body):
            raise invalid("an option does not exist")
        changed = [known[o["id"]] for o in call.body]
        for option, given in zip(changed, call.body):
            option["label"] = given["label"]
    _written(call, field)
    return done(changed)


@serves(2, *_v2("DELETE", "/{field_code}/options"))
def remove_options(call: Call) -> Reply:
    field = _field(call)
    wanted = {o["id"] for o in call.body}
    gone = [o for o in field["options"] or () if o["id"] in wanted]
    if not wanted or len(gone) != len(wanted):
        raise invalid("an option does not exist")
    field["options"] = [o for o in field["options"] if o["id"] not in wanted]
    field["_deleted_options"] += gone
    _written(call, field)
    return done(gone)


# ---- v1


def v1_view(entity: str) -> Any:
    def view(account: Account, field: Record, user: int) -> Record:
        return as_v1(field, entity)

    return view


_V1_TYPES = {
    "visible_to", "address", "date", "daterange", "double", "enum", "monetary", "org", "people", "phone",
    "set", "text", "time", "timerange", "user", "varchar", "varchar_auto",
}  # fmt: skip


def _keyed_parts(field: Record) -> list[tuple[str, Record]]:
    """The parts of a field by the keys that records have for them."""
    return [(f"{field['field_code']}_{part['field_code']}", part) for part in field["subfields"] or ()]


def _with_parts(fields: Iterable[Record]) -> list[Record]:
    """The fields, and the parts of each, which are fields of their own in the lists of v1."""
    out = []
    for field in fields:
        out.append(field)
        for key, part in _keyed_parts(field):
            own = {n: v for n, v in part.items() if n != "field_code"}
            out.append({**field, **own, "field_code": key, "subfields": None, "_id": None, "_is_part": True})
    return out


def as_v1(field: Record, entity: str) -> Record:
    custom = field["is_custom_field"]
    options = [{"id": o["id"], "label": o["label"]} for o in field["options"] or ()]
    kind = field["field_type"] if field["field_type"] in _V1_TYPES else "varchar"
    out: Record = {
        "id": field["_id"],
        "key": field["field_code"],
        "name": field["field_name"],
        "order_nr": field["_order"],
        "field_type": kind,
        "add_time": field["_add_time"][:19].replace("T", " "),
        "update_time": field["_update_time"] and field["_update_time"][:19].replace("T", " "),
        "last_updated_by_user_id": None,
        "created_by_user_id": 1 if custom else None,
        "active_flag": True,
        "edit_flag": custom,
        "index_visible_flag": True,
        "details_visible_flag": True,
        "add_visible_flag": field["ui_visibility"]["add_visible_flag"],
        "important_flag": field["important_fields"]["enabled"],
        "bulk_edit_allowed": True,
        "searchable_flag": False,
        "filtering_allowed": True,
        "sortable_flag": True,
        "mandatory_flag": field["_order"] == 2,
    }
    if options:
        out["options"] = options
    if field["subfields"]:
        out["subfields"] = [{"key": key, "name": part["field_name"]} for key, part in _keyed_parts(field)]
    if field.get("_is_part"):
        out.update(id=None, is_subfield=True)
    if entity == "product":
        out["field_type"] = "varchar" if kind == "visible_to" else kind
        for name in ("index_visible_flag", "details_visible_flag", "subfields"):
            out.pop(name, None)
    elif entity == "note":
        names = [
            "id",
            "key",
            "name",
            "field_type",
            "active_flag",
            "edit_flag",
            "bulk_edit_allowed",
            "mandatory_flag",
            "options",
        ]
        return {n: v for n, v in out.items() if n in names}
    elif field["_deleted_options"]:
        out["options_deleted"] = [{"id": o["id"], "label": o["label"]} for o in field["_deleted_options"]]
    return out


def _v1_collection(path: str, table: str, verbs: str = "L") -> Collection:
    entity = path[1 : -len("Fields")]
    return Collection(
        table,
        path,
        1,
        verbs=verbs,
        key="field_code",
        visible=always,
        view=v1_view(entity),
        order=(("_order", False),),
    )


V1 = {
    entity: _v1_collection(f"/{entity}Fields", f"{entity}_fields")
    for entity in ("deal", "person", "organization", "product", "activity", "note")
}
V1["lead"] = _v1_collection("/leadFields", "deal_fields")
declare(*V1.values())
_KEYED = ("deal", "person", "organization", "product")


def _v1(verb: str, tail: str = "") -> list[str]:
    return [f"{verb} /{entity}Fields{tail}" for entity in _KEYED]


@serves(1, *_v1("GET"))
def v1_list(call: Call) -> Reply:
    collection = V1[_entity(call)]
    fields = call.account[collection.table]
    # The schema of products' fields alone has no parts
    return list_page(call, collection, list(fields) if _entity(call) == "product" else _with_parts(fields))


@serves(1, *_v1("GET", "/{id}"))
def v1_get(call: Call) -> Reply:
    return done(as_v1(_field(call), _entity(call)))


@serves(1, *_v1("POST"))
def v1_create(call: Call) -> Reply:
    body = call.body
    options = [{"label": o["label"]} for o in body.get("options") or ()]
    return call.op.status, done(
        as_v1(_add(call, body["name"], body["field_type"], options, {}), _entity(call))
    )


@serves(1, *_v1("PUT", "/{id}"))
def v1_change(call: Call) -> Reply:
    field = _field(call)
    field["field_name"] = call.body.get("name", field["field_name"])
    if "options" in call.body:
        kept = {o["id"] for o in call.body["options"] if "id" in o}
        field["_deleted_options"] += [o for o in field["options"] if o["id"] not in kept]
        first = max([o["id"] for o in field["options"]], default=field["_id"] * 100) + 1
        field["options"] = [
            {
                "id": o.get("id", first + n),
                "label": o["label"],
                "color": None,
                "update_time": None,
                "add_time": None,
            }
            for n, o in enumerate(call.body["options"])
        ]
    _written(call, field)
    return done(as_v1(field, _entity(call)))


@serves(1, *_v1("DELETE", "/{id}"))
def v1_remove(call: Call) -> Reply:
    field = _field(call)
    call.account[f"{_entity(call)}_fields"].remove(field)
    _spread(call, field["field_code"], False)
    return done({"id": field["_id"]})


@serves(1, *_v1("DELETE"))
def v1_remove_many(call: Call) -> Reply:
    table = call.account[f"{_entity(call)}_fields"]
    wanted = [int(key) for key in call.query["ids"].split(",")]
    found = [f for f in table if f["_id"] in wanted]
    if len(found) != len(wanted) or not all(f["is_custom_field"] for f in found):
        raise Refusal(400, "A field does not exist, or is no custom field")
    for field in found:
        table.remove(field)
        _spread(call, field["field_code"], False)
    return done({"id": wanted})
