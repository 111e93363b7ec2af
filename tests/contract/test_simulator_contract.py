"""Every answer of the simulator is what the OpenAPI files say, but for deviations with a reason."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.contract.openapi import needs_files
from tests.contract.schemas import faults
from tests.simulator import Simulator
from tests.simulator.routes import HANDLERS
from tests.simulator.spec import Operation, operations

pytestmark = needs_files

# (operation, fault): reason. Where the API was seen to differ from its files, the simulator does as the API.
DEVIATIONS: tuple[tuple[str, str, str], ...] = (
    (
        r"v2 /deals(/archived|/\{id\})?",
        r"\.(creator_user_id|archive_time|local_(won|lost|close)_date): not in",
        "the migration guide names them as new in v2",
    ),
    ("v2 /dealFields", "field_type: str is not", "pipeline stands among the types that are read"),
    ("v2 /dealFields", r"options.\[\].id: str", "built-in options have text ids"),
    ("v1 /goals/find", "expected_outcome.currency_id", "goals are searched by it"),
    ("v1 /deals/summary", r"values_total\.[A-Z]{3}: not in", "sums are keyed by currency"),
    ("v1 /deals/{id}/participantsChangelog".replace("{", r"\{"), "next_cursor", "it takes a cursor"),
    (r"v1 /deals/\{id\}/permittedUsers", "data: not in", "as for persons and products"),
    (r"v1 /persons/\{id\}/followers", "person_id: not in", "the file has a deal's row for a person's"),
    (r"v1 /deals/\{id\}/products", "quantity: float", "v2 has it as a number"),
    ("v[12] /(deals|leads)/search", "item.value: float", "the value of a deal is a number"),
    ("v2 /products/search", "item.code: str", "the code of a product is a text"),
    ("v1 /deals/timeline", "data: list is not", "one object for each period; the example has the first"),
    (
        r"v1 /pipelines/\{id\}/movement_statistics",
        r"values\.[A-Z]{3}: not in",
        "sums are keyed by currency",
    ),
    ("v1 /recents", r"data\.\[\]\.(data\.|item: str)", "a record of each kind as it is kept here"),
    (r"v1 /deals(/archived|/\{id\})?", "archive_time: not in", "the examples have it"),
    (
        r"v1 (/(deals|organizations)/\{id\})?/(persons|participants)(/\{id\})?",
        r"\.(marketing_status|participant_(open|closed)_deals_count): not in",
        "the examples of persons have them",
    ),
    ("v1 /products", "not in the files", "the file has a whole answer where a product belongs"),
)
GETS = sorted(key for key in HANDLERS if key[1] == "GET")


def get(simulator: Simulator, path: str) -> tuple[int, Any]:
    simulator.reset()  # the burst windows, which this is not about
    request = urllib.request.Request(simulator.url + path, headers={"x-api-token": "demo-token"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def source(op: Operation) -> str:
    return op.switch or f"v{op.version}"


# ---- a concrete request for every operation


def _first(simulator: Simulator, name: str, field: str = "id", **having: Any) -> Any:
    rows = simulator.records(name)
    for row in rows:
        if all(row.get(n) == v for n, v in having.items()):
            return row[field]
    raise LookupError(f"no {name} with {having}")


def _parents(simulator: Simulator) -> dict[str, Any]:
    """The {id} of a path, by its first words: parents that have children."""
    live = {d["id"] for d in simulator.records("deals")}
    of_deals = ("deal_products", "deal_discounts", "deal_followers", "deal_participants", "deal_changes")
    tails = ("products", "discounts", "followers", "participants", "changelog")
    out = {
        f"/deals/{{id}}/{tail}": next(r["deal_id"] for r in simulator.records(table) if r["deal_id"] in live)
        for tail, table in zip(tails, of_deals)
    }
    out["/deals/{id}/participantsChangelog"] = out["/deals/{id}/participants"]
    out["/deals/{id}/mailMessages"] = _first(simulator, "deal_mail_messages", "deal_id")
    out["/persons/{id}/mailMessages"] = _first(simulator, "person_mail_messages", "person_id")
    out["/organizations/{id}/mailMessages"] = _first(simulator, "organization_mail_messages", "org_id")
    out["/persons/{id}/followers"] = _first(simulator, "person_followers", "person_id")
    out["/organizations/{id}/followers"] = _first(simulator, "organization_followers", "org_id")
    out["/products/{id}/followers"] = _first(simulator, "product_followers", "product_id")
    out["/persons/{id}/changelog"] = _first(simulator, "person_changes", "person_id")
    out["/organizations/{id}/changelog"] = _first(simulator, "organization_changes", "org_id")
    out["/products/{id}/variations"] = _first(simulator, "product_variations", "product_id")
    out["/notes/{id}/comments"] = _first(simulator, "note_comments", "note_id")
    out["/persons/{id}/picture"] = next(p["id"] for p in simulator.records("persons") if p["picture_id"])
    out["/products/{id}/images"] = _first(simulator, "product_images", "product_id")
    links = {"deals": "deal_id", "persons": "person_id", "organizations": "org_id", "products": "product_id"}
    for table, link in links.items():
        out[f"/{table}/{{id}}/files"] = next(f[link] for f in simulator.records("files") if f[link])
    return out


_TABLES = {
    "leadLabels": "lead_labels",
    "callLogs": "call_logs",
    "permissionSets": "permission_sets",
    "organizationRelationships": "organization_relationships",
    "projectTemplates": "project_templates",
    "legacyTeams": "legacy_teams",
}
_REQUIRED = {
    "deal_ids": "1,2,3,4,5,6,11,16", "board_id": "1", "folder": "inbox", "org_id": "2", "term": "er",
    "entity_type": "deal", "field": "title", "period.start": "2026-01-01", "period.end": "2026-12-31",
    "start_date": "2026-01-01", "end_date": "2026-12-31", "interval": "month", "amount": "3",
    "field_key": "add_time", "since_timestamp": "2026-08-01%2000:00:00",
}  # fmt: skip


def concrete(simulator: Simulator, op: Operation, parents: dict[str, Any]) -> str:
    """A path of the operation that has an answer, with every extra field asked for."""
    key: Any = 1
    words = op.path.split("/")
    fields = words[1].endswith("Fields")
    if words[1] == "mailbox":
        key = 2
    elif fields and op.version == 1:
        key = 4001
    elif "{id}" in op.path and not fields:
        match = next((p for p in parents if op.path.startswith(p)), None)
        name = _TABLES.get(words[1], words[1])
        key = parents[match] if match else _first(simulator, name)
    values = {"id": key, "field_code": "label_ids", "dealId": 5}
    if "{commentId}" in op.path:
        values["commentId"] = _first(simulator, "note_comments", "uuid", note_id=key)
    if "{conversion_id}" in op.path:
        values["conversion_id"] = "00000000-0000-4000-8000-000000000000"
    if words[1] in ("productFields", "projectFields", "activityFields"):
        values["field_code"] = "id"
    path = re.sub(r"\{(\w+)\}", lambda m: str(values[m[1]]), op.path)
    query = {n: _REQUIRED[n] for n, p in op.query.items() if p.get("required")}
    if "include_fields" in op.query and not op.search:
        query["include_fields"] = ",".join(op.enum("include_fields"))
    if "limit" in op.query:
        query["limit"] = "100"
    prefix = "/api/v2" if op.version == 2 else "/v1"
    return f"{prefix}{path}" + ("?" + "&".join(f"{n}={v}" for n, v in query.items()) if query else "")


@pytest.fixture(scope="session")
def parents(everything: Simulator) -> dict[str, Any]:
    return _parents(everything)


@pytest.mark.parametrize("key", GETS, ids=lambda key: f"v{key[0]} {key[2]}")
def test_the_answer_is_what_the_files_say(
    key: tuple[int, str, str], everything: Simulator, parents: dict[str, Any]
) -> None:
    op = operations()[key]
    if "{conversion_id}" in op.path:
        pytest.skip("there is no conversion before a write: test_extension.py has some")
    if op.path.endswith("/download"):
        pytest.skip("the answer is no JSON: test_a_file_is_uploaded_and_downloaded looks at it")
    status, answer = get(everything, concrete(everything, op, parents))
    assert status == 200, answer
    label = f"v{op.version} {op.path}"
    left = []
    for fault in _faults(op, answer):
        if not any(re.fullmatch(o, label) and re.search(f, fault) for o, f, _ in DEVIATIONS):
            left.append(fault)
    assert left == []


def _faults(op: Operation, answer: Any) -> list[str]:
    """The schemas leave out what include_fields adds; its enum names it."""
    asked = op.enum("include_fields")
    return [
        f for f in faults(source(op), op.path, answer) if not re.search(rf"\.({'|'.join(asked)}): not in", f)
    ]


def test_every_deviation_is_needed(everything: Simulator, parents: dict[str, Any]) -> None:
    seen = []
    for key in GETS:
        op = operations()[key]
        if "{conversion_id}" not in op.path and not op.path.endswith("/download"):
            _, answer = get(everything, concrete(everything, op, parents))
            seen += [(f"v{op.version} {op.path}", fault) for fault in _faults(op, answer)]
    unused = [d for d in DEVIATIONS if not any(re.fullmatch(d[0], s) and re.search(d[1], f) for s, f in seen)]
    assert unused == []
