"""What the OpenAPI files say of a request body in words only, as schemas.

Some properties are an untyped object there, and their description names the keys. ``test_described.py``
compares the keys with those words. A key that only answers have stands here when it is written back with the
others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
DATE: Schema = {"type": "string", "format": "date"}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
ANY: Schema = {}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def nullable(schema: Schema) -> Schema:
    return {**schema, "nullable": True}


def with_keys(required: str = "", **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required.split()}


_CONDITION = with_keys(
    "object field_id operator",
    object=TEXT,
    field_id=ANY,
    operator=TEXT,
    value=nullable(ANY),
    extra_value=nullable(ANY),
)
_GROUP = with_keys("glue", glue=TEXT, conditions=array(_CONDITION))
_PAYMENT = with_keys("amount description due_at", amount=NUMBER, description=TEXT, due_at=DATE)

# File, paths as a regular expression, property, schema
DESCRIBED: tuple[tuple[str, str, str, Schema], ...] = (
    (
        "v2",
        r"/products(/\{id\}(/variations(/\{product_variation_id\})?)?)?",
        "prices",
        array(
            with_keys("currency", currency=TEXT, price=NUMBER, cost=NUMBER, direct_cost=NUMBER, notes=TEXT)
        ),
    ),
    (
        "core_v1",
        r"/products(/\{id\})?",
        "prices",
        array(
            with_keys("currency", currency=TEXT, price=NUMBER, cost=NUMBER, overhead_cost=NUMBER, notes=TEXT)
        ),
    ),
    (
        "core_v1",
        r"/activities(/\{id\})?",
        "participants",
        array(with_keys("person_id", person_id=INTEGER, primary_flag=FLAG)),
    ),
    (
        "core_v1",
        r"/activities(/\{id\})?",
        "attendees",
        array(
            with_keys(
                email_address=TEXT,
                name=TEXT,
                status=TEXT,
                is_organizer=ANY,  # 0 in the example of an answer
                person_id=INTEGER,
                user_id=INTEGER,
            )
        ),
    ),
    (
        "v1",
        r"/filters(/\{id\})?",
        "conditions",
        with_keys("glue conditions", glue=TEXT, conditions=array(_GROUP)),
    ),
    (
        "v1",
        r"/goals(/\{id\})?",
        "type",
        with_keys(
            "name",
            name=TEXT,
            params=with_keys(
                pipeline_id=nullable(array(INTEGER)),
                stage_id=nullable(ANY),
                activity_type_id=nullable(array(INTEGER)),
            ),
        ),
    ),
    ("v1", r"/goals(/\{id\})?", "assignee", with_keys("id type", id=ANY, type=TEXT)),
    ("v1", r"/goals(/\{id\})?", "duration", with_keys("start", start=DATE, end=nullable(DATE))),
    (
        "v1",
        r"/goals(/\{id\})?",
        "expected_outcome",
        with_keys("target tracking_metric", target=ANY, tracking_metric=TEXT, currency_id=INTEGER),
    ),
    ("subscriptions", r"/subscriptions/(recurring|installment)(/\{id\})?", "payments", array(_PAYMENT)),
)


def described(source: str, path: str, name: str) -> Schema | None:
    """The schema of the property *name* of a body, where the files have words for it and no more."""
    for file, paths, known, schema in DESCRIBED:
        if (file, known) == (source, name) and re.fullmatch(paths, path):
            return schema
    return None
