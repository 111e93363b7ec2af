"""A column that refers to another can be joined with it: both have one type, or it is an array of that."""

from __future__ import annotations

import pytest

from pipedrive_fdw.catalog import TABLES, tables_of
from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.custom_fields.kinds import CREATABLE, OTHERS
from tests.docs.generate import LINKED_KINDS


def unjoinable(tables: dict[str, Table]) -> list[str]:
    """Every reference whose types PostgreSQL does not compare."""
    found = []
    for table in tables.values():
        for column in table.columns:
            target, _, key = column.references.partition(".")
            referred = tables[target].column(key) if target else None
            if referred is not None and column.type not in (referred.type, f"{referred.type}[]"):
                found.append(f"{table.name}.{column.name} {column.type}, {target}.{key} {referred.type}")
    return found


@pytest.mark.parametrize("version", ["v2", "v1"])
def test_every_reference_can_be_joined(version: str) -> None:
    assert unjoinable(tables_of(version)) == []


def test_a_reference_that_cannot_be_joined_is_seen() -> None:
    leads = TABLES["leads"]
    columns = tuple(c._replace(type="text[]") if c.name == "label_ids" else c for c in leads.columns)
    wrong = {**TABLES, "leads": leads.with_changes(columns=columns)}
    assert unjoinable(wrong) == ["leads.label_ids text[], lead_labels.id uuid"]


def test_every_custom_field_that_links_can_be_joined() -> None:
    parts = {kind + part.name: part.type for kind, found in {**CREATABLE, **OTHERS}.items() for part in found}
    for kind, table in LINKED_KINDS.items():
        referred = TABLES[table].column("id")
        assert referred is not None
        assert parts[kind] == referred.type, kind
