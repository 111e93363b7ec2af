"""Followers, changelogs, and how organizations relate to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from tests.simulator.account import Account
from tests.simulator.custom import linked
from tests.simulator.listing import list_page
from tests.simulator.model import Collection, Record, View, active, always
from tests.simulator.refusal import Refusal, invalid, missing
from tests.simulator.routes import Call, Handler, Reply, done, serves
from tests.simulator.verbs import declare, delete, look_up, refuse_archived

_PARENTS = {"deal": "deal_id", "person": "person_id", "organization": "org_id", "product": "product_id"}


def _v2_follower(account: Account, row: Record, user: int) -> Record:
    return {"user_id": row["user_id"], "add_time": row["add_time"]}


def _settle(call: Call, row: Record, body: Mapping[str, Any], new: bool) -> None:
    entity = call.op.path.split("/")[1][:-1]
    parent = _PARENTS[entity]
    if entity == "deal":
        refuse_archived(call, row[parent])
    others = call.account[f"{entity}_followers"].where(parent, row[parent])
    if any(f["user_id"] == row["user_id"] for f in others):
        raise Refusal(400, "This user follows already")


def _followers(entity: str, version: int) -> Collection:
    parent = _PARENTS[entity]
    blank: Record = {"id": None, "user_id": None, parent: None, "add_time": None}
    view: View = _v2_follower if version == 2 else lambda account, row, user: dict(row)
    return Collection(
        f"{entity}_followers",
        f"/{entity}s/{{id}}/followers",
        version,
        one=f"/{entity}s/{{id}}/followers/{{follower_id}}",
        verbs="LC",
        parent=parent,
        parent_table=f"{entity}s",
        visible=always,
        view=view,
        soft=None,
        clock="v2" if version == 2 else "v1",
        settle=_settle,
        references={"user_id": "users"},
        blank=blank,
    )


FOLLOWERS = {(e, v): _followers(e, v) for e in _PARENTS for v in (1, 2)}
declare(*FOLLOWERS.values())


def _each(version: int, verb: str, tail: str) -> Callable[[Handler], Handler]:
    return serves(version, *(f"{verb} /{e}s/{{id}}/{tail}" for e in _PARENTS))


@_each(2, "DELETE", "followers/{follower_id}")
def unfollow(call: Call) -> Reply:
    """v2 names the follower by the user's id."""
    entity = call.op.path.split("/")[1][:-1]
    collection = FOLLOWERS[entity, 2]
    if entity == "deal":
        refuse_archived(call, call.key())
    rows = call.account[collection.table].where(collection.parent, call.key())
    row = next((r for r in rows if r["user_id"] == call.key("follower_id")), None)
    if row is None:
        raise missing("follower", call.values["follower_id"])
    delete(call, collection, row)
    return done({"user_id": row["user_id"]})


@_each(1, "DELETE", "followers/{follower_id}")
def unfollow_v1(call: Call) -> Reply:
    """v1 names the follower by the id of the following."""
    collection = FOLLOWERS[call.op.path.split("/")[1][:-1], 1]
    row = look_up(call, collection)
    delete(call, collection, row)
    return done({"id": row["id"]})


@_each(2, "GET", "followers/changelog")
def follower_changes(call: Call) -> Reply:
    entity = call.op.path.split("/")[1][:-1]
    call.account.get(f"{entity}s", call.key())
    rows = [
        {
            "id": f["id"],
            "action": "added",
            "actor_user_id": 1,
            "follower_user_id": f["user_id"],
            "time": f["add_time"],
        }
        for f in call.account[f"{entity}_followers"].where(_PARENTS[entity], call.key())
    ]
    view = Collection(f"{entity}_followers", call.op.path, view=_no_id, fixed=False)
    return list_page(call, view, rows)


def _no_id(account: Account, row: Record, user: int) -> Record:
    return {n: v for n, v in row.items() if n != "id"}


@serves(2, "GET /users/{id}/followers")
def user_followers(call: Call) -> Reply:
    call.account.get("users", call.key())
    rows = [{"id": 1, "user_id": 1, "add_time": "2024-01-01T00:00:00Z"}] if call.key() == 2 else []
    return list_page(call, Collection("users", call.op.path, view=_v2_follower, fixed=False), rows)


@serves(1, "GET /users/{id}/followers")
def user_followers_v1(call: Call) -> Reply:
    call.account.get("users", call.key())
    return done([1] if call.key() == 2 else [])


# ---- changelogs


def _change(account: Account, row: Record, user: int) -> Record:
    return {n: v for n, v in row.items() if n != "id" and n[0] != "_"}


declare(
    *(
        Collection(
            f"{entity}_changes",
            f"/{entity}s/{{id}}/changelog",
            1,
            verbs="L",
            parent=f"_{_PARENTS[entity]}",
            parent_table=f"{entity}s",
            visible=always,
            view=_change,
            order=(("time", True),),
        )
        for entity in ("deal", "person", "organization")
    )
)


# ---- organizations to each other


def _seen_from(account: Account, row: Record, organization: int | None) -> Record:
    """The relationship as one of its organizations sees it."""
    other = row["_linked"] if organization == row["_owner"] else row["_owner"]
    kind = row["type"]
    if kind == "parent":
        kind = "daughter" if organization == row["_owner"] else "parent"
    return {
        "id": row["id"],
        "type": row["type"],
        "rel_owner_org_id": _organization(account, row["_owner"]),
        "rel_linked_org_id": _organization(account, row["_linked"]),
        "add_time": row["add_time"],
        "update_time": row["update_time"],
        "active_flag": "true" if row["active_flag"] else "false",
        "calculated_type": kind,
        "calculated_related_org_id": other,
    }


def _organization(account: Account, key: int) -> Any:
    found = linked(account, "org", key)
    return {n: v for n, v in found.items() if n != "active_flag"} if found else None


def _view(account: Account, row: Record, user: int) -> Record:
    return _seen_from(account, row, row["_owner"])


RELATIONS = Collection(
    "organization_relationships", "/organizationRelationships", 1, verbs="", visible=active, view=_view,
    empty=None, fixed=False,
)  # fmt: skip
declare(RELATIONS)


@serves(1, "GET /organizationRelationships")
def relationships(call: Call) -> Reply:
    """Of one organization, whichever side it is on."""
    key = int(call.query["org_id"])
    call.account.get("organizations", key)
    table = call.account["organization_relationships"]
    rows = [r for r in table if key in (r["_owner"], r["_linked"]) and r["active_flag"]]
    shown = []
    for row in rows:
        one = _seen_from(call.account, row, key)
        one["related_organization_name"] = (
            call.account["organizations"].get(one["calculated_related_org_id"]) or {"name": None}
        )["name"]
        shown.append(one)
    extra = {"start": 0, "limit": 100, "more_items_in_collection": False}
    return done(shown or None, additional_data=extra, related_objects={"organization": {}})


@serves(1, "GET /organizationRelationships/{id}")
def relationship(call: Call) -> Reply:
    row = _relation(call)
    seen_from = int(call.query["org_id"]) if "org_id" in call.query else row["_owner"]
    return done(_seen_from(call.account, row, seen_from), related_objects={"organization": {}})


def _relation(call: Call) -> Record:
    row = call.account.get("organization_relationships", call.key())
    if not row["active_flag"]:
        raise missing("organization relationship", row["id"])
    return row


def _written(call: Call, row: Record) -> Reply:
    for side in ("owner", "linked"):
        value = call.body.get(f"rel_{side}_org_id")
        if value is not None:
            if call.account["organizations"].get(int(value)) is None:
                raise invalid(f"rel_{side}_org_id {value} does not exist")
            row[f"_{side}"] = int(value)
    if row["_owner"] == row["_linked"]:
        raise invalid("an organization cannot be related to itself")
    row["type"] = call.body.get("type", row["type"])
    row["update_time"] = call.account.now("v1", row["update_time"])
    call.account["organization_relationships"].put(row)
    return done(_seen_from(call.account, row, int(call.body.get("org_id") or row["_owner"])))


@serves(1, "POST /organizationRelationships")
def relate(call: Call) -> Reply:
    table = call.account["organization_relationships"]
    now = call.account.now("v1")
    blank = {"id": table.new_key(), "type": "", "_owner": None, "_linked": None, "add_time": now}
    return call.op.status, _written(call, {**blank, "update_time": now, "active_flag": True})


@serves(1, "PUT /organizationRelationships/{id}")
def change_relation(call: Call) -> Reply:
    return _written(call, _relation(call))


@serves(1, "DELETE /organizationRelationships/{id}")
def unrelate(call: Call) -> Reply:
    row = _relation(call)
    call.account["organization_relationships"].remove(row)
    return done({"id": row["id"]})
