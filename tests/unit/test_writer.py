"""Writes of one table: from rows as PostgreSQL gives them to requests, and the row of RETURNING."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pipedrive_fdw.errors import AccessError, WriteError
from pipedrive_fdw.foreign_table import ForeignTable
from pipedrive_fdw.write.writable import check_writable, writable_verbs
from tests.unit.answers import Answer, Answers, Refusal, account, definitions

COLUMNS = (("id", "bigint"), ("name", "text"), ("pipeline_id", "bigint"))
OLD = {"id": 3, "name": "Old", "pipeline_id": 1}


def changed(params: Mapping[str, str], body: Any) -> Any:
    return {**OLD, **body}


def refused(params: Mapping[str, str], body: Any) -> Any:
    raise Refusal(403)


ANSWERS: Mapping[str, Answer] = {
    "POST /api/v2/stages": lambda params, body: {"id": 9, **body},
    "PATCH /api/v2/stages/3": changed,
    "DELETE /api/v2/stages/3": lambda params, body: {"id": 3},
}


def table_of(answers: Mapping[str, Answer] = ANSWERS, **options: str) -> tuple[ForeignTable, Answers]:
    read, transport = account(answers, table="stages", **options)
    return ForeignTable(read, definitions(*COLUMNS)), transport


def write(table: ForeignTable, verb: str, old: Any = None, new: Any = None, deferred: bool = False) -> Any:
    """The row of RETURNING after one write of a command of its own."""
    table.writer.begin(1, 1, ("name",), deferred)
    return json.loads(table.writer.write(verb, 1, json.dumps(old or {}), json.dumps(new or {})))


def test_an_insert_returns_the_row_as_the_api_made_it() -> None:
    table, transport = table_of()
    new = {"id": None, "name": "New", "pipeline_id": 1}
    assert write(table, "INSERT", new=new) == {"id": 9, "name": "New", "pipeline_id": 1}
    assert transport.sent == [("POST", "/api/v2/stages", {"name": "New", "pipeline_id": 1})]


def test_an_update_sends_the_changed_column_alone() -> None:
    table, transport = table_of()
    assert write(table, "UPDATE", OLD, {**OLD, "name": "New"}) == {**OLD, "name": "New"}
    assert transport.sent == [("PATCH", "/api/v2/stages/3", {"name": "New"})]


def test_an_update_that_changes_nothing_sends_nothing() -> None:
    table, transport = table_of()
    assert write(table, "UPDATE", OLD, dict(OLD)) == OLD
    assert transport.sent == []


def test_a_delete_names_the_record() -> None:
    table, transport = table_of()
    assert write(table, "DELETE", OLD) == {}
    assert transport.sent == [("DELETE", "/api/v2/stages/3", None)]


def test_a_row_that_a_join_gives_twice_is_written_once() -> None:
    table, transport = table_of()
    table.writer.begin(1, 1, ("name",), False)
    old, new, other = (json.dumps({**OLD, "name": name}) for name in (OLD["name"], "New", "Other"))
    assert table.writer.write("UPDATE", 1, old, new) != ""
    assert table.writer.write("UPDATE", 1, old, other) == ""
    assert len(transport.sent) == 1


def test_writes_whose_rows_nobody_uses_wait_for_the_end_of_the_statement() -> None:
    table, transport = table_of()
    assert write(table, "UPDATE", OLD, {**OLD, "name": "New"}, deferred=True) == {**OLD, "name": "New"}
    assert transport.sent == []
    table.writer.flush(1)
    assert transport.sent == [("PATCH", "/api/v2/stages/3", {"name": "New"})]
    table.writer.flush(1)
    assert len(transport.sent) == 1


def test_a_value_that_cannot_be_sent_is_an_error_before_any_request() -> None:
    table, transport = table_of()
    with pytest.raises(WriteError, match="column id of stages cannot be changed"):
        write(table, "UPDATE", OLD, {**OLD, "id": 4})
    with pytest.raises(WriteError, match="name of stages cannot be NULL"):
        write(table, "UPDATE", OLD, {**OLD, "name": None})
    assert transport.sent == []


def test_a_refusal_is_an_error() -> None:
    table, _ = table_of({"PATCH /api/v2/stages/3": refused})
    with pytest.raises(AccessError, match="403"):
        write(table, "UPDATE", OLD, {**OLD, "name": "New"})


def test_a_table_that_is_not_updatable_has_no_verbs() -> None:
    table, _ = table_of()
    assert writable_verbs(table.bound) == ["INSERT", "UPDATE", "DELETE"]
    table, _ = table_of(updatable="false")
    assert writable_verbs(table.bound) == []
    with pytest.raises(WriteError, match="writes to stages are forbidden here") as caught:
        check_writable(table.bound, "UPDATE")
    assert "ALTER FOREIGN TABLE … or ALTER SERVER …" in caught.value.hint
