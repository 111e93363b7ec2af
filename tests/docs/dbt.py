"""The generated part of ``examples/dbt``: sources with tests, and a staging model for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.catalog.model import Column, Table
from tools.engine.places import ROOT

FOLDER = ROOT / "examples" / "dbt" / "models" / "staging"
# What most reports need. A line more here is a source more there.
SOURCES = (
    "users",
    "pipelines",
    "stages",
    "organizations",
    "persons",
    "products",
    "deals",
    "deal_products",
    "activities",
)
_WRITTEN = "Written by make docs from the catalogue of tables."


def dbt_files() -> dict[Path, str]:
    """The files with their text."""
    files = {FOLDER / "sources.yml": sources()}
    for name in SOURCES:
        files[FOLDER / f"stg_{name}.sql"] = staging_model(TABLES[name])
    return files


def sources() -> str:
    """The declaration of the sources: comments of tables and columns, and tests of keys and references."""
    declared = {
        "version": 2,
        "sources": [
            {
                "name": "pipedrive",
                "schema": "{{ var('pipedrive_schema') }}",
                "tables": [_source(TABLES[name]) for name in SOURCES],
            }
        ],
    }
    return f"# {_WRITTEN}\n" + yaml.safe_dump(declared, sort_keys=False, allow_unicode=True, width=110)


def staging_model(table: Table) -> str:
    """A view of the columns that a list gives without being asked for more."""
    columns = ",\n".join(f"    {column.name}" for column in _columns(table))
    return (
        f"-- {_WRITTEN} Add your custom fields in a model of your own.\n"
        f"select\n{columns}\nfrom {{{{ source('pipedrive', '{table.name}') }}}}\n"
    )


def _columns(table: Table) -> Iterator[Column]:
    for column in table.columns:
        technical = column.name in ("custom_fields", "filter_id")
        if not (column.include or column.extended or technical):
            yield column


def _source(table: Table) -> dict[str, object]:
    return {
        "name": table.name,
        "description": table.doc,
        "columns": [_column(table, column) for column in _columns(table)],
    }


def _column(table: Table, column: Column) -> dict[str, object]:
    tests: list[object] = []
    if table.key == (column.name,):
        tests.append("unique")
    if column.not_null:
        tests.append("not_null")
    target, _, key = column.references.partition(".")
    if target in SOURCES:
        tests.append(
            {
                "relationships": {
                    # Deleted records, and those that the token's user may not see, are still referred to.
                    "config": {"severity": "warn"},
                    "arguments": {"to": f"source('pipedrive', '{target}')", "field": key},
                }
            }
        )
    return {
        "name": column.name,
        "description": column.doc,
        **({"data_tests": tests} if tests else {}),
    }
