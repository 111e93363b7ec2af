"""Pieces that many declarations share: id and time columns, the filters that the v2 lists have in common."""

from __future__ import annotations

from typing import Any

from pipedrive_fdw.catalog.model import Column, Filter, Write
from pipedrive_fdw.values.shapes import BOOLEAN, TEXT, list_of, object_of

ADDRESS = object_of(
    value=TEXT,
    country=TEXT,
    admin_area_level_1=TEXT,
    admin_area_level_2=TEXT,
    locality=TEXT,
    sublocality=TEXT,
    route=TEXT,
    street_number=TEXT,
    subpremise=TEXT,
    postal_code=TEXT,
)
CONTACTS = list_of(object_of(value=TEXT, primary=BOOLEAN, label=TEXT))

ID = Column("id", "bigint", "Identifier.", not_null=True)
ADD_TIME = Column("add_time", "timestamptz", "When the record was created.")
UPDATE_TIME = Column("update_time", "timestamptz", "When the record was last changed.")
VISIBLE_TO = Column("visible_to", "bigint", "Visibility group id: 1, 3, 5 or 7.", insert=True, update=True)
LABEL_IDS = Column("label_ids", "bigint[]", "Ids of the labels.", insert=True, update=True)
CUSTOM_FIELDS = Column("custom_fields", "jsonb", "Custom field values by field key, as the API gave them.")
ROW_ID = Column(
    "row_id", "text", "Identity: the parent's id and the id, joined by a colon.", source="@", not_null=True
)
ATTRS = Column("attrs", "jsonb", "The whole record as the API gave it.", source="*")
FILTER_ID = Column(
    "filter_id",
    "bigint",
    "Selects by a saved filter: WHERE filter_id = n.",
    echo=True,
    references="filters.id",
)

BY_IDS = Filter("id", "ids", shape="in", most=100)
BY_FILTER = Filter("filter_id", alone=True, share=0.1)
SINCE = Filter("update_time", "updated_since", shape="since", share=0.1)
UNTIL = Filter("update_time", "updated_until", shape="until", share=0.9)
BY_TIMES = ("id", "update_time", "add_time")


def ref(name: str, table: str, doc: str, kind: str = "bigint", **more: object) -> Column:
    """A column that holds the id of a row of *table*."""
    return Column(name, kind, doc, references=f"{table}.id", **more)  # type: ignore[arg-type]


def count(name: str, doc: str) -> Column:
    """A number that the list returns only through include_fields."""
    return Column(name, "bigint", doc, include=True)


def writable(*columns: Column) -> tuple[Column, ...]:
    """*columns*, each settable by INSERT and by UPDATE."""
    return tuple(c._replace(insert=True, update=True) for c in columns)


def parent(name: str, table: str, doc: str, kind: str = "bigint", key: str = "id", **more: Any) -> Column:
    """The column that says on which row of *table* this one hangs; the request knows it, not the record."""
    return Column(name, kind, doc, echo=True, not_null=True, references=f"{table}.{key}", **more)


def add(path: str, version: int = 2, **more: Any) -> Write:
    """The operation that creates a record, at the usual price of its version."""
    return Write(path, 5 if version == 2 else 10, version, "POST", **more)


def change(path: str, version: int = 2, **more: Any) -> Write:
    """The operation that changes a record: PATCH in version 2, PUT in version 1."""
    return Write(path, 5, 2, "PATCH", **more) if version == 2 else Write(path, 10, 1, "PUT", **more)


def remove(path: str, version: int = 2, encoding: str = "", **more: Any) -> Write:
    """The operation that deletes a record."""
    return Write(path, 3 if version == 2 else 6, version, "DELETE", encoding, **more)
