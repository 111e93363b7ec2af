"""The plan of a change: from rows to the request that writes them, or the error that says why none can."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.errors import WriteError
from pipedrive_fdw.plan.row_changes import (
    Change,
    check_possible,
    deletion,
    difference,
    encoded,
    insertion,
    updates,
)
from pipedrive_fdw.values.codec import UNREADABLE

DEAL = {"id": 7, "title": "Old", "value": Decimal("1.50"), "is_archived": False}


def sent(change: Change) -> tuple[str, str, Any]:
    return change.op.method, change.path, dict(change.body)


def test_an_insert_sends_what_is_not_null_and_custom_fields() -> None:
    row = {"title": "New", "value": Decimal("2.5"), "person_id": None}
    change = insertion(TABLES["deals"], row, {"custom_fields": {"k": 1}})
    assert sent(change) == (
        "POST",
        "/deals",
        {"title": "New", "value": 2.5, "custom_fields": {"k": 1}},
    )


@pytest.mark.parametrize(
    ("table", "row", "words"),
    [
        ("deals", {"value": Decimal(1)}, "column title of deals must be given"),
        (
            "deals",
            {"title": "x", "update_time": "2026-01-01"},
            "update_time of deals cannot be set by INSERT",
        ),
        ("mail_threads_inbox", {"subject": "x"}, "mail_threads_inbox takes no INSERT"),
        ("permission_sets", {}, "permission_sets takes no INSERT"),
    ],
    ids=["required", "not settable", "update only", "read only"],
)
def test_an_insert_that_cannot_be_sent_is_refused(table: str, row: dict[str, Any], words: str) -> None:
    with pytest.raises(WriteError, match=words):
        insertion(TABLES[table], row, {})


@pytest.mark.parametrize(
    ("table", "given", "rest"),
    [("persons", {"org_id": 1}, "it."), ("deal_products", {"deal_id": 7}, "them.")],
)
def test_what_is_missing_in_an_insert_is_counted(table: str, given: dict[str, Any], rest: str) -> None:
    with pytest.raises(WriteError) as caught:
        insertion(TABLES[table], given, {})
    assert caught.value.detail == f"Pipedrive does not create the record without {rest}"


def test_an_update_sends_the_columns_that_differ_by_type() -> None:
    new = {**DEAL, "title": "New", "value": Decimal("1.5")}
    changed = difference(TABLES["deals"], DEAL, new)
    assert changed == {"title": "New"}
    (change,) = updates(TABLES["deals"], DEAL, changed, {})
    assert sent(change) == ("PATCH", "/deals/7", {"title": "New"})
    assert change.key == {"id": 7}


def test_an_update_that_changes_nothing_sends_nothing() -> None:
    assert difference(TABLES["deals"], DEAL, dict(DEAL)) == {}
    assert updates(TABLES["deals"], DEAL, {}, {}) == []


def test_a_changed_custom_field_alone_is_sent() -> None:
    (change,) = updates(TABLES["deals"], DEAL, {}, {"custom_fields": {"k": None}})
    assert sent(change) == ("PATCH", "/deals/7", {"custom_fields": {"k": None}})


def test_a_column_set_to_null_is_sent_as_null() -> None:
    changed = difference(TABLES["deals"], DEAL, {**DEAL, "value": None})
    (change,) = updates(TABLES["deals"], DEAL, changed, {})
    assert sent(change)[2] == {"value": None}


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ({"update_time": "2026-01-01"}, "update_time of deals cannot be changed"),
        ({"id": 8}, "column id of deals cannot be changed"),
        ({"title": None}, "title of deals cannot be NULL"),
    ],
    ids=["not settable", "key", "required"],
)
def test_an_update_that_cannot_be_sent_is_refused(new: dict[str, Any], words: str) -> None:
    with pytest.raises(WriteError, match=words):
        difference(TABLES["deals"], DEAL, {**DEAL, **new})


def test_an_archived_deal_changes_only_with_the_archive_flag() -> None:
    archived = {**DEAL, "is_archived": True}
    with pytest.raises(WriteError, match="is_archived = true cannot be changed") as caught:
        difference(TABLES["deals"], archived, {**archived, "title": "New"})
    assert "set is_archived to false in the same UPDATE" in caught.value.hint
    new = {**archived, "title": "New", "is_archived": False}
    changed = difference(TABLES["deals"], archived, new)
    (change,) = updates(TABLES["deals"], archived, changed, {})
    assert sent(change)[2] == {"title": "New", "is_archived": False}


def test_a_column_with_an_operation_of_its_own_is_a_second_request() -> None:
    project = {"id": 3, "title": "Old", "is_archived": False, "board_id": 1, "phase_id": 1}
    changed = {"title": "New", "is_archived": True}
    first, second = updates(TABLES["projects"], project, changed, {})
    assert sent(first) == ("PATCH", "/projects/3", {"title": "New"})
    assert sent(second) == ("POST", "/projects/3/archive", {})


def test_a_delete_names_the_record() -> None:
    assert sent(deletion(TABLES["deals"], DEAL)) == ("DELETE", "/deals/7", {})
    product = {"id": 5, "deal_id": 7}
    assert deletion(TABLES["deal_products"], product).path == "/deals/7/products/5"
    with pytest.raises(WriteError, match="users takes no DELETE"):
        check_possible(TABLES["users"], "DELETE")


@pytest.mark.parametrize("verb", ["INSERT", "UPDATE", "DELETE"])
@pytest.mark.parametrize(
    ("table", "function"),
    [
        ("role_settings", "set_role_setting"),
        ("role_pipelines", "set_role_pipelines"),
        ("project_plan_items", "set_project_plan_item"),
    ],
)
def test_a_table_that_a_function_changes_names_the_function(table: str, function: str, verb: str) -> None:
    with pytest.raises(WriteError) as caught:
        check_possible(TABLES[table], verb)
    assert (caught.value.detail, caught.value.hint) == ("", f"Call pipedrive.{function}() instead.")


def test_a_value_that_the_api_wants_again_and_nobody_can_read_is_an_error() -> None:
    with pytest.raises(WriteError, match="column title of deals must be given too"):
        updates(TABLES["deals"], DEAL, {"title": UNREADABLE}, {})


def test_bodies_are_encoded_as_their_operation_says() -> None:
    deal = insertion(TABLES["deals"], {"title": "Ä"}, {})
    assert encoded(deal) == ('{"title":"Ä"}'.encode(), "application/json")
    assert encoded(deletion(TABLES["deals"], DEAL)) == (None, "")
    label = insertion(TABLES["deal_field_options"], {"field_code": "k", "label": "Red"}, {})
    assert encoded(label)[0] == b'[{"label":"Red"}]'
