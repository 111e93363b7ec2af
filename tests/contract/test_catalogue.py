"""Every declaration is that of the OpenAPI files, and a declaration that is not is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Callable

import pytest

from pipedrive_fdw.catalog import FAMILIES, TABLES, tables_of
from pipedrive_fdw.catalog.functions import ARGUMENTS, Argument
from pipedrive_fdw.catalog.model import Bulk, Column, Filter, Listing, Operation, Table
from pipedrive_fdw.catalog.operations import price
from pipedrive_fdw.catalog.v1 import CHANGED
from pipedrive_fdw.catalog.validation import validate
from pipedrive_fdw.values.codec import CODECS
from pipedrive_fdw.values.shapes import (
    BOOLEAN,
    NUMBER,
    SCALAR,
    TEXT,
    list_of,
    nullable,
    object_of,
    open_object_of,
)
from tests.contract.catalogue import EXTRA, operation_faults, table_faults
from tests.contract.found import find, operations
from tests.contract.openapi import needs_files
from tests.contract.structure import argument_faults


def test_the_catalogue_is_sound() -> None:
    assert validate(TABLES, frozenset(CODECS)) == []


def test_no_table_is_declared_twice() -> None:
    assert sum(len(family.TABLES) for family in FAMILIES) == len(TABLES)


@needs_files
@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_the_declaration_is_that_of_the_files(table: Table) -> None:
    assert table_faults(table) == []


def test_the_catalogue_of_version_1_is_sound_and_shows_the_same_columns() -> None:
    assert validate({**TABLES, **CHANGED}, frozenset(CODECS)) == []
    for name, table in CHANGED.items():
        shown = [(c.name, c.type, c.references) for c in TABLES[name].columns]
        assert [(c.name, c.type, c.references) for c in table.columns] == shown, name


@needs_files
@pytest.mark.parametrize("table", CHANGED.values(), ids=lambda table: table.name)
def test_the_declaration_of_version_1_is_that_of_the_files(table: Table) -> None:
    assert table_faults(table, core_v1=True) == []


def _known_to_version_1(tables: Mapping[str, Table]) -> set[str]:
    """The operations of version 2 in *tables* that version 1 has at the same path."""
    found = set()
    for table in tables.values():
        for op in operations(table):
            method = "PUT" if op.method == "PATCH" else op.method
            if op.version == 2 and find(Operation(op.path, 0, 1, method)) is not None:
                found.add(f"{table.name}: {op.method} {op.path}")
    return found


@needs_files
def test_api_version_1_uses_version_1_for_all_that_it_ever_had() -> None:
    assert _known_to_version_1(tables_of("v1")) == set()
    assert "deals: GET /deals" in _known_to_version_1(TABLES)


@needs_files
@pytest.mark.parametrize("argument", ARGUMENTS, ids=lambda argument: argument.path)
def test_the_argument_of_a_function_is_that_of_the_files(argument: Argument) -> None:
    assert argument_faults(argument) == []
    kind = argument.shape.kind
    wrong = replace(argument, shape=SCALAR)
    where = f"{argument.method} {argument.path}"
    assert argument_faults(wrong) == [f"{where}: {argument.name} is {kind}, not scalar"]


@needs_files
@pytest.mark.parametrize("op", ARGUMENTS, ids=lambda op: f"{op.method} {op.path}")
def test_the_price_of_a_function_is_that_of_the_files(op: Argument) -> None:
    assert operation_faults(op) == []
    assert price(op.version, op.method, op.path) == op.tokens


@needs_files
def test_an_operation_of_another_price_is_seen() -> None:
    fault = "POST /deals/{id}/installments costs 5 tokens, not 19"
    assert operation_faults(replace(ARGUMENTS[-1], tokens=19)) == [fault]


@needs_files
def test_the_old_core_is_not_used_unless_asked_for() -> None:
    assert "deals: GET /deals is no longer supported in version 1" in table_faults(CHANGED["deals"])


@needs_files
@pytest.mark.parametrize(("name", "column"), sorted(EXTRA))
def test_what_is_declared_beyond_the_files_is_needed(name: str, column: str) -> None:
    table = TABLES[name]
    assert table.column(column) is not None
    bare = replace(table, name="bare")
    assert any(f.endswith(f" {column}") for f in table_faults(bare)), "the files have it: drop it from EXTRA"


# ---- declarations that are wrong


def _listing(table: Table, change: Callable[[Listing], Listing]) -> Table:
    first, *rest = table.listings
    return replace(table, listings=(change(first), *rest))


def _column(table: Table, name: str, **changes: Any) -> Table:
    return replace(
        table, columns=tuple(c._replace(**changes) if c.name == name else c for c in table.columns)
    )


def _without(table: Table, name: str) -> Table:
    return replace(table, columns=tuple(c for c in table.columns if c.name != name))


def _filter(old: str, **changes: Any) -> Callable[[Listing], Listing]:
    return lambda li: replace(
        li, filters=tuple(f._replace(**changes) if f.name == old else f for f in li.filters)
    )


EMAIL = {"value": TEXT, "primary": BOOLEAN, "label": TEXT}
DEALS, LEADS, FILES, GOALS = (TABLES[name] for name in ("deals", "leads", "files", "goals"))


def _write(table: Table, verb: str, **changes: Any) -> Table:
    return replace(table, **{verb: replace(getattr(table, verb), **changes)})


WRONG: dict[str, tuple[Table, str]] = {
    "path": (
        _listing(DEALS, lambda li: replace(li, path="/dealz")),
        "deals: there is no GET /dealz in version 2",
    ),
    "version": (
        _listing(LEADS, lambda li: replace(li, version=2)),
        "leads: there is no GET /leads in version 2",
    ),
    "method": (
        _write(DEALS, "update", method="PUT"),
        "deals: there is no PUT /deals/{id} in version 2",
    ),
    "tokens of a list": (
        _listing(DEALS, lambda li: replace(li, tokens=20)),
        "deals: GET /deals costs 10 tokens, not 20",
    ),
    "tokens of a get": (
        replace(LEADS, get=replace(LEADS.get, tokens=1)) if LEADS.get else LEADS,
        "leads: GET /leads/{id} costs 2 tokens, not 1",
    ),
    "tokens of a write": (
        _write(DEALS, "delete", tokens=6),
        "deals: DELETE /deals/{id} costs 3 tokens, not 6",
    ),
    "parameter": (
        _listing(DEALS, _filter("owner_id", param="user_id")),
        "deals: GET /deals has no parameter user_id",
    ),
    "fixed parameter": (
        _listing(GOALS, lambda li: replace(li, params={"active": "true"})),
        "goals: GET /goals/find has no parameter active",
    ),
    "enum": (
        _listing(DEALS, _filter("status", values=("open", "frozen"))),
        "deals: GET /deals: status cannot be frozen",
    ),
    "enum that is not named": (
        _listing(DEALS, _filter("status", values=())),
        "deals: GET /deals: status takes only some values, which the filter does not name",
    ),
    "enum of a fixed parameter": (
        _listing(TABLES["mail_threads_sent"], lambda li: replace(li, params={"folder": "spam"})),
        "mail_threads_sent: GET /mailbox/mailThreads: folder cannot be spam",
    ),
    "required parameter": (
        _listing(TABLES["phases"], lambda li: replace(li, filters=(Filter("board_id"),))),
        "phases: GET /phases needs the parameter board_id",
    ),
    "too many values": (
        _listing(DEALS, _filter("ids", most=500)),
        "deals: GET /deals: ids takes 100 values, not 500",
    ),
    "page maximum": (
        _listing(FILES, lambda li: replace(li, page_max=500)),
        "files: GET /files gives 100 rows a page, not 500",
    ),
    "paging": (
        _listing(FILES, lambda li: replace(li, paging="cursor")),
        "files: GET /files is not paged as cursor",
    ),
    "sort key": (
        _listing(FILES, lambda li: replace(li, sorts=("file_name",))),
        "files: GET /files does not sort by file_name",
    ),
    "include": (
        _column(DEALS, "stage_id", include=True),
        "deals: GET /deals: include_fields cannot be stage_id",
    ),
    "property that is not covered": (
        _without(DEALS, "stage_change_time"),
        "deals: GET /deals: property stage_change_time is neither a column nor left out",
    ),
    "property that is not there": (
        replace(DEALS, columns=(*DEALS.columns, Column("mood", "text"))),
        "deals: GET /deals has no property mood",
    ),
    "property left out in vain": (
        replace(DEALS, left_out={"mood": "a feeling"}),
        "deals: GET /deals: mood is left out but not there",
    ),
    "property that only the list has": (
        replace(TABLES["roles"], get=replace(TABLES["roles"].get, lookup=True))
        if TABLES["roles"].get
        else TABLES["roles"],
        "roles: GET /roles/{id} has no property level",
    ),
    "property of a nested element": (
        _without(TABLES["person_emails"], "label"),
        "person_emails: GET /persons: property label is neither a column nor left out",
    ),
    "type": (
        _column(DEALS, "stage_id", type="uuid"),
        "deals: GET /deals: stage_id is integer, not uuid",
    ),
    "records elsewhere": (
        _listing(GOALS, lambda li: replace(li, rows="targets")),
        "goals: GET /goals/find has no records at data.targets",
    ),
    "body": (
        _column(DEALS, "origin", insert=True),
        "deals: POST /deals takes no origin",
    ),
    "required in the body": (
        _column(DEALS, "title", required=False),
        "deals: POST /deals needs title",
    ),
    "required in a change": (
        _write(TABLES["filters"], "update", fields=()),
        "filters: PUT /filters/{id} needs conditions",
    ),
    "required in a deletion": (
        _write(TABLES["role_assignments"], "delete", fields=()),
        "role_assignments: DELETE /roles/{role_id}/assignments needs user_id",
    ),
    "encoding": (
        _write(FILES, "update", encoding="json"),
        "files: PUT /files/{id} takes form, not json",
    ),
    "list in the body": (
        _write(TABLES["deal_field_options"], "insert", batch=False),
        "deal_field_options: POST /dealFields/{field_code}/options takes a list",
    ),
    "array in the body": (
        _write(TABLES["person_emails"], "update", array="mails"),
        "person_emails: PATCH /persons/{person_id} takes no mails",
    ),
    "form of a value": (
        _column(TABLES["tasks"], "is_done", sent=""),
        "tasks: POST /tasks wants is_done as flag, not as boolean",
    ),
    "repeated in the body": (
        _write(TABLES["subscriptions"], "update", fields=("effective_date",)),
        "subscriptions: PUT /subscriptions/recurring/{id} needs id",
    ),
    "shape": (
        _column(TABLES["persons"], "emails", shape=None),
        "persons: POST /persons: emails has no shape",
    ),
    "key that is not taken": (
        _column(TABLES["persons"], "emails", shape=list_of(object_of(**EMAIL, mood=TEXT))),
        "persons: POST /persons: emails[] takes no mood",
    ),
    "key that is left out": (
        _column(TABLES["persons"], "emails", shape=list_of(object_of(value=TEXT, label=TEXT))),
        "persons: POST /persons: emails[] takes primary",
    ),
    "kind of a part": (
        _column(TABLES["persons"], "emails", shape=list_of(object_of(**{**EMAIL, "primary": TEXT}))),
        "persons: POST /persons: emails[].primary is boolean, not text",
    ),
    "kind of the whole": (
        _column(TABLES["persons"], "emails", shape=object_of(**EMAIL)),
        "persons: POST /persons: emails is list, not object",
    ),
    "null in a part": (
        _column(TABLES["persons"], "emails", shape=list_of(object_of(**{**EMAIL, "label": nullable(TEXT)}))),
        "persons: POST /persons: emails[].label cannot be null",
    ),
    "required key": (
        _column(LEADS, "value", shape=object_of(amount=NUMBER, currency=TEXT)),
        "leads: POST /leads: value needs amount, currency",
    ),
    "further keys": (
        _column(TABLES["persons"], "emails", shape=list_of(open_object_of(**EMAIL))),
        "persons: POST /persons: emails[] takes no further keys",
    ),
    "key that only answers have": (
        _column(TABLES["deal_fields"], "options", shape=list_of(object_of(label=TEXT).requiring("label"))),
        "deal_fields: POST /dealFields: options[] shows color",
    ),
    "keys of a bulk deletion": (
        _write(TABLES["filters"], "delete", bulk=Bulk("/filters", 10, 1, "DELETE", ids="ids", answer="ids")),
        "filters: DELETE /filters does not answer with data.ids",
    ),
    "address of a download": (
        replace(TABLES["product_images"], download=replace(TABLES["product_images"].download, address="at")),
        "product_images: GET /products/{product_id}/images shows no address at at",
    ),
    "name of the record": (
        replace(
            TABLES["deal_followers"],
            delete=replace(CHANGED["deal_followers"].delete, named_by="number"),
            listings=CHANGED["deal_followers"].listings,
        ),
        "deal_followers: DELETE /deals/{deal_id}/followers/{user_id}: GET /deals/{deal_id}/followers does "
        "not show number",
    ),
    "single element": (
        replace(
            TABLES["projects"],
            columns=tuple(c._replace(sent="") for c in CHANGED["projects"].columns),
            insert=CHANGED["projects"].insert,
        ),
        "projects: POST /projects wants org_ids as single, not as bigint[]",
    ),
    "answer": (
        _write(GOALS, "insert", answer="target"),
        "goals: POST /goals does not answer with data.target",
    ),
}


@needs_files
@pytest.mark.parametrize(("table", "fault"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_declaration_is_seen(table: Table, fault: str) -> None:
    assert fault in table_faults(table)
