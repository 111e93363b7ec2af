"""What happened: the flow of a record, and what changed lately in the whole account. v1."""

from __future__ import annotations

import datetime as dt

from tests.simulator.account import Account
from tests.simulator.checks import FIELD_KEY
from tests.simulator.listing import list_page
from tests.simulator.model import Collection, Record
from tests.simulator.routes import Call, Reply, serves

_PARENTS = {"deals": "deal_id", "persons": "person_id", "organizations": "org_id"}


def _entry(account: Account, row: Record, user: int) -> Record:
    return {n: v for n, v in row.items() if n != "id"}


def _changes(account: Account, table: str, key: int, custom: bool) -> list[Record]:
    entity = table[:-1]
    found = account[f"{entity}_changes"].where(f"_{_PARENTS[table]}", key)
    return [
        {
            "object": f"{entity}Change",
            "timestamp": c["time"],
            "data": {
                "id": c["id"],
                "item_id": key,
                "user_id": c["actor_user_id"],
                "field_key": c["field_key"],
                "old_value": c["old_value"],
                "new_value": c["new_value"],
                "is_bulk_update_flag": c["is_bulk_update_flag"],
                "log_time": c["time"],
                "change_source": c["change_source"],
                "change_source_user_agent": c["change_source_user_agent"],
                "additional_data": [],
            },
        }
        for c in found
        if custom or not FIELD_KEY.fullmatch(c["field_key"])
    ]


@serves(1, *(f"GET /{table}/{{id}}/flow" for table in _PARENTS))
def flow(call: Call) -> Reply:
    """Newest first. Entries of different kinds can have one id."""
    table = call.op.path.split("/")[1]
    key = call.account.get(table, call.key())["id"]
    entries = _changes(call.account, table, key, call.query.get("all_changes") == "1")
    for name, kind in (("notes", "note"), ("files", "file")):
        for one in call.account[name].where(_PARENTS[table], key):
            if one["active_flag"]:
                data = {n: v for n, v in one.items() if n[0] != "_"}
                entries.append({"object": kind, "timestamp": one["add_time"], "data": data})
    if "items" in call.query:
        wanted = call.query["items"].split(",")
        entries = [
            e for e in entries if ("change" if e["object"].endswith("Change") else e["object"]) in wanted
        ]
    rows = [{"id": n, **entry} for n, entry in enumerate(entries, start=1)]
    view = Collection(
        f"{table[:-1]}_changes",
        call.op.path,
        1,
        view=_entry,
        fixed=False,
        order=(("timestamp", True),),
        empty=None,
    )
    return list_page(call, view, rows)


_KINDS = {
    "activity": "activities",
    "activityType": "activity_types",
    "deal": "deals",
    "file": "files",
    "filter": "filters",
    "note": "notes",
    "person": "persons",
    "organization": "organizations",
    "pipeline": "pipelines",
    "product": "products",
    "stage": "stages",
    "user": "users",
}


@serves(1, "GET /recents")
def recents(call: Call) -> Reply:
    """After the time, which is at most a month back; records without update_time are never in it."""
    month = call.account.moment() - dt.timedelta(days=31)
    since = max(call.query["since_timestamp"], month.strftime("%Y-%m-%d %H:%M:%S"))
    wanted = call.query["items"].split(",") if "items" in call.query else list(_KINDS)
    rows = []
    for kind in wanted:
        for record in call.account[_KINDS[kind]]:
            time = record.get("update_time") or record.get("modified")
            if time is not None and time[:19].replace("T", " ") > since:
                data = {n: v for n, v in record.items() if n[0] != "_"}
                rows.append({"id": len(rows), "item": kind, "_of": record["id"], "data": data, "_time": time})

    def view(account: Account, row: Record, user: int) -> Record:
        return {"item": row["item"], "id": row["_of"], "data": row["data"]}

    return list_page(call, Collection("deals", call.op.path, 1, view=view, fixed=False, empty=None), rows)
