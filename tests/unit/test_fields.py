"""Field definitions: every page, remembered, and what an import makes of a refusal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from pipedrive_fdw.api.cache import Began, SharedCache
from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.custom_fields.field import Field
from pipedrive_fdw.errors import AccessError, AuthError, NotFoundError, OptionError, ProtocolError
from pipedrive_fdw.extension.import_schema import imported_table
from pipedrive_fdw.options import IMPORT, SERVER, read_options
from pipedrive_fdw.plan.paths import Call
from pipedrive_fdw.read.field_lookups import FieldLookups, definition_lists, definitions, imported_fields
from pipedrive_fdw.session.field_definitions import FieldDefinitions

OPTIONS = read_options({}, (SERVER,))


def field(number: int, v1: bool = False) -> dict[str, Any]:
    names = ("key", "name", "edit_flag") if v1 else ("field_code", "field_name", "is_custom_field")
    values = (f"{number:040x}", f"Field {number}", True)
    return {**dict(zip(names, values)), "field_type": "enum", "options": [{"id": number, "label": "x"}]}


class RequestScope:
    """Answers by path, or what is to be raised; keeps what was asked."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.session = SimpleNamespace(fields=FieldDefinitions(SharedCache(None, "", "")))

    def ask(self, call: Call) -> Any:
        given, place = dict(call.params), f"v{call.op.version}{call.path}"
        self.asked.append((place, given))
        answer = self.answers[place]
        if isinstance(answer, Exception):
            raise answer
        return answer(given) if callable(answer) else answer


def cursor_pages(given: dict[str, str]) -> dict[str, Any]:
    page = int(given.get("cursor", "0"))
    more = str(page + 1) if page < 2 else None
    return {"data": [field(page * 2), field(page * 2 + 1)], "additional_data": {"next_cursor": more}}


def offset_pages(given: dict[str, str]) -> dict[str, Any]:
    start = int(given.get("start", "0"))
    more = {"more_items_in_collection": start < 2, "next_start": start + 2}
    return {"data": [field(start, True), field(start + 1, True)], "additional_data": {"pagination": more}}


def test_every_page_of_definitions_is_read() -> None:
    work: Any = RequestScope({"v2/dealFields": cursor_pages})
    assert [f.name for f in definitions(work, "deal", "v2", 300)] == [f"Field {n}" for n in range(6)]
    assert len(work.asked) == 3
    work = RequestScope({"v1/dealFields": offset_pages})
    assert [f.name for f in definitions(work, "lead", "v1", 300)] == [f"Field {n}" for n in range(4)]


@pytest.mark.parametrize("most", [100, 500])
def test_every_page_is_read_where_answers_do_not_say_that_there_are_more(most: int) -> None:
    """The OpenAPI file gives the v1 list of product fields no paging; v1 lists were seen to stop at 100."""
    listed = [field(n, True) for n in range(1100)]

    def answer(given: dict[str, str]) -> dict[str, Any]:
        start = int(given.get("start", "0"))
        return {"data": listed[start : start + most] or None}

    work: Any = RequestScope({"v1/productFields": answer})
    assert len(definitions(work, "product", "v1", 300)) == 1100


def test_null_in_place_of_a_first_page_is_an_error() -> None:
    work: Any = RequestScope({"v1/productFields": {"data": None}})
    with pytest.raises(ProtocolError):
        definitions(work, "product", "v1", 300)


def test_a_list_that_heeds_no_start_is_read_once() -> None:
    listed = [field(n, True) for n in range(200)]
    work: Any = RequestScope({"v1/productFields": {"data": listed, "additional_data": None}})
    assert len(definitions(work, "product", "v1", 300)) == 200
    assert len(work.asked) == 2


def test_definitions_are_remembered_for_leads_and_deals_together() -> None:
    work: Any = RequestScope({"v2/dealFields": {"data": [field(1)]}})
    for entity in ("deal", "lead", "deal"):
        definitions(work, entity, "v2", 300)
    assert len(work.asked) == 1
    definitions(work, "deal", "v2", 0)  # what it has read itself
    assert len(work.asked) == 1
    another: Any = RequestScope({"v2/dealFields": {"data": [field(1)]}})
    another.session = work.session
    definitions(another, "deal", "v2", 300)
    assert len(another.asked) == 0
    definitions(another, "deal", "v2", 0)
    assert len(another.asked) == 1


def test_definitions_of_a_time_to_come_are_read_again() -> None:
    """The clock has been put back since."""
    fields = FieldDefinitions(SharedCache(None, "", ""))
    fields.put("deals", [field(1)], Began(time.time() + 3600, ""), 1)
    assert fields.get("deals", 300, 1)
    assert fields.get("deals", 300, 2) is None


def test_definitions_are_asked_for_by_the_first_option_without_label() -> None:
    work: Any = RequestScope({"v2/productFields": {"data": [field(1)]}})
    look = FieldLookups(work, "product", OPTIONS)
    assert work.asked == []
    assert look.label(f"{1:040x}", 1) == "x"
    assert look.label(f"{1:040x}", 2) is None
    assert look.label("unknown", 1) is None
    assert [o.label for o in look.options(f"{1:040x}", ["x"])] == ["x"]
    assert look.options("unknown", ()) == ()
    assert len(work.asked) == 1


@pytest.mark.parametrize(
    ("entity", "api_version", "lists"),
    [
        ("lead", "v2", ["v2/dealFields"]),
        ("deal", "v1", ["v1/dealFields"]),
        ("project", "v1", ["v2/projectFields"]),
        ("activity", "v2", ["v2/activityFields", "v1/activityFields"]),
        ("note", "v2", ["v1/noteFields"]),
    ],
)
def test_definitions_come_from_the_version_that_has_them(
    entity: str, api_version: str, lists: list[str]
) -> None:
    assert [f"v{li.version}{li.path}" for li in definition_lists(entity, api_version)] == lists


@pytest.mark.parametrize(
    "error", [AccessError("no", status=402), AccessError("no", status=403), NotFoundError("no", status=404)]
)
def test_a_refusal_means_no_columns_where_the_records_are_refused_too(error: Any) -> None:
    refused = {"v2/projectFields": error, "v2/projects": error}
    work: Any = RequestScope({**refused, "v1/users/me": []})
    assert imported_fields(work, TABLES["projects"], "v2", required=False) == ()
    for answers, required in (
        ({**refused, "v1/users/me": []}, True),
        ({**refused, "v2/projects": []}, False),
        ({**refused, "v1/users/me": error}, False),
    ):
        with pytest.raises((AccessError, NotFoundError)) as caught:
            imported_fields(RequestScope(answers), TABLES["projects"], "v2", required=required)  # type: ignore[arg-type]
        assert caught.value.status == error.status


def test_any_other_failure_is_raised() -> None:
    work: Any = RequestScope({"v2/dealFields": AuthError("no", status=401)})
    with pytest.raises(AuthError):
        imported_fields(work, TABLES["deals"], "v2", required=False)


@pytest.mark.parametrize(
    ("table", "path", "records"),
    [
        ("activities", "v2/activities", [{"id": 1, "custom_fields": {f"{2:040x}": None}}]),
        ("notes", "v1/notes", [{"id": 1}, {"id": 2, f"{2:040x}": "a"}]),
    ],
)
def test_fields_of_activities_and_notes_count_when_records_have_them(
    table: str, path: str, records: list[dict[str, Any]]
) -> None:
    listed = {"data": [field(1), field(2)]}
    answers = {"v2/activityFields": listed, "v1/noteFields": listed, path: {"data": records}}
    work: Any = RequestScope(answers)
    assert [f.name for f in imported_fields(work, TABLES[table], "v2", required=False)] == ["Field 2"]


def test_records_are_not_asked_for_when_no_field_is_custom() -> None:
    work: Any = RequestScope(
        {"v1/noteFields": {"data": [{"key": "content", "name": "Content", "edit_flag": False}]}}
    )
    assert imported_fields(work, TABLES["notes"], "v2", required=False) == ()
    assert len(work.asked) == 1


def test_more_fields_than_a_table_can_have_are_an_error_with_a_way_out() -> None:
    options = read_options({}, (SERVER, IMPORT))
    fields = [Field(f"{n:040x}", f"F {n}", "varchar") for n in range(1600)]
    with pytest.raises(OptionError) as caught:
        imported_table(TABLES["products"], options, {}, fields)
    assert "custom_fields 'false'" in caught.value.hint
    made = imported_table(TABLES["products"], options, {"custom_field_names": "label"}, fields[:300])
    assert made.options == {"table": "products", "custom_field_names": "label"}
    assert made.columns[-1].name == "attrs"
