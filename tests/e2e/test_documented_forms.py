"""What the OpenAPI files say of single operations, and the simulator does not always do: no row is lost, and
what is refused says why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import pytest

from tests.e2e.test_another_api import Record, account_of, ids, records
from tests.live import LiveAccount
from tests.other_api import Answer, Query, by_cursor, whole
from tools.engine import Server

SETS = [f"{n:08d}-0000-4000-8000-000000000000" for n in range(4)]
MISSING = (404, {"success": False, "error": "Not Found"})
FORBIDDEN = (403, {"success": False, "error": "You do not have permission to see this"})


def one(record: Record) -> Answer:
    return lambda query: {"success": True, "data": record}


def refused(*answer: Any) -> Answer:
    return lambda query: (answer[0], answer[1])


def asked(account: LiveAccount) -> list[str]:
    return [request["path"].removeprefix("/api") for request in account.requests()]


# ---- permission sets: a set that nobody has is listed, and is a 404 of its own operations


def permission_sets(assigned: Sequence[int], shape: Any) -> dict[str, Answer]:
    answers: dict[str, Answer] = {"/v1/permissionSets": whole([{"id": key, "name": key[7]} for key in SETS])}
    for number, key in enumerate(SETS):
        path = f"/v1/permissionSets/{key}"
        found = {"id": key, "contents": ["can_add"]}
        answers[path] = (lambda query, f=found: shape(f)) if number in assigned else refused(*MISSING)
        users = whole([{"user_id": number, "permission_set_id": key}])
        answers[f"{path}/assignments"] = users if number in assigned else refused(*MISSING)
    return answers


@pytest.mark.parametrize(
    "shape",
    [dict, lambda found: {"success": True, "data": [found]}, lambda found: {"success": True, "data": found}],
    ids=["bare", "a list of one", "an envelope"],
)
def test_a_permission_set_that_nobody_has_is_a_row(server: Server, shape: Any) -> None:
    with account_of(server, permission_sets([1, 3], shape), tables=["permission_sets"]) as account:
        rows = [("0", None), ("1", ["can_add"]), ("2", None), ("3", ["can_add"])]
        assert account.rows("SELECT name, contents FROM permission_sets") == rows
        by_id = f"SELECT name, contents FROM permission_sets WHERE id = '{SETS[2]}'"
        assert account.rows(by_id) == [("2", None)]


def test_permission_sets_without_assignments_have_none(server: Server) -> None:
    tables = ["permission_sets", "permission_set_assignments"]
    with account_of(server, permission_sets([1], dict), tables=tables) as account:
        assert ids(account, "SELECT user_id FROM permission_set_assignments") == [1]


# ---- filters and elements


def test_who_takes_part_is_not_only_the_first_of_an_activity(server: Server) -> None:
    """person_id= of the list of activities is "whose primary participant"."""
    people = [{"person_id": 4, "primary": True}, {"person_id": 5, "primary": False}]
    attendees = [{"email": "a@x.example", "person_id": 5}]
    activity = {"id": 1, "person_id": 4, "participants": people, "attendees": attendees}

    def activities(query: Query) -> Mapping[str, Any]:
        return {"success": True, "data": [] if query.get("person_id", "4") != "4" else [activity]}

    tables = ["activities", "activity_participants", "activity_attendees"]
    with account_of(server, {"/v2/activities": activities}, tables=tables) as account:
        for table in tables[1:]:
            assert ids(account, f"SELECT activity_id FROM {table} WHERE person_id = 5") == [1]
            join = f"SELECT p.n FROM (VALUES (5), (6)) p (n) JOIN {table} t ON t.person_id = p.n"
            assert ids(account, join) == [5]
        assert ids(account, "SELECT id FROM activities WHERE person_id = 5") == []


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_an_element_may_be_told_apart_by_anything(server: Server, value: str) -> None:
    person = {"id": 1, "emails": [{"value": value, "primary": True}, {"value": "x", "primary": False}]}
    with account_of(server, {"/v2/persons": whole([person])}, tables=["person_emails"]) as account:
        assert ids(account, f"SELECT person_id FROM person_emails WHERE value = '{value}'") == [1]


def test_an_array_that_a_record_leaves_out_is_empty(server: Server) -> None:
    written: list[Any] = []

    def patched(body: Any) -> Mapping[str, Any]:
        written.append(body)
        return {"success": True, "data": {"id": 1, **body}}

    answers: dict[str, Answer] = {"/v2/persons/1": one({"id": 1}), "PATCH /v2/persons/1": patched}
    with account_of(server, answers, tables=["person_emails"]) as account:
        account.run("INSERT INTO person_emails (person_id, value) VALUES (1, 'a@x.example')")
        assert written == [{"emails": [{"value": "a@x.example"}]}]


# ---- order


def ties(rows: Sequence[Record], most: int) -> Answer:
    """*rows* by start, where what the order does not tell apart stands anyhow, differently on each page."""

    def answer(query: Query) -> Mapping[str, Any]:
        start, keys = int(query.get("start", "0")), [part.split() for part in query["sort"].split(", ")]
        shown = sorted(rows, key=lambda row: hash((start, row["id"])))
        for name, direction in reversed(keys):
            shown.sort(key=lambda row, n=name: row[n], reverse=direction == "DESC")
        page = shown[start : start + most]
        said = {"start": start, "limit": most, "more_items_in_collection": start + most < len(rows)}
        return {"success": True, "data": page, "additional_data": {"pagination": said}}

    return answer


def test_offsets_lead_through_a_list_in_which_many_rows_are_equal(server: Server) -> None:
    notes = [{"id": n, "user_id": n % 3, "add_time": f"2025-01-0{n % 4 + 1} 00:00:00"} for n in range(1, 41)]
    with account_of(server, {"/v1/notes": ties(notes, 7)}, tables=["notes"]) as account:
        for sql in (
            "SELECT id, user_id FROM notes WHERE user_id IS NOT NULL ORDER BY user_id",
            "SELECT id, user_id FROM notes WHERE user_id IS NOT NULL ORDER BY user_id DESC",
            "SELECT id, user_id FROM notes WHERE add_time < '2030-01-01'",
        ):
            rows = account.rows(sql)
            assert sorted(row[0] for row in rows) == list(range(1, 41))


def test_a_list_that_does_not_keep_to_its_order_is_an_error(server: Server) -> None:
    answers = {"/v2/persons": whole([{"id": n} for n in (1, 3, 2)])}
    with account_of(server, answers, tables=["persons"]) as account:
        with pytest.raises(psycopg.Error, match="not in the order of id"):
            account.rows("SELECT id FROM persons ORDER BY id")
        assert ids(account, "SELECT id FROM persons ORDER BY id + 0") == [1, 2, 3]


# ---- deleted and archived


def test_a_deal_that_was_archived_and_then_deleted_is_a_deleted_deal(server: Server) -> None:
    def gone(key: int, **more: Any) -> Answer:
        row = {"id": key, "status": "deleted", "is_deleted": True, **more}
        return lambda query: {"success": True, "data": [row] if query.get("status") == "deleted" else []}

    answers = {"/v2/deals": gone(1), "/v2/deals/archived": gone(2, is_archived=True)}
    with account_of(server, answers, tables=["deals", "deleted_deals"]) as account:
        assert account.rows("SELECT id, is_archived FROM deleted_deals") == [(1, False), (2, True)]
        assert ids(account, "SELECT id FROM deals") == []


# ---- what is not there


@pytest.mark.parametrize("where", ["id = 5", "id IN (5, 6)"])
def test_an_operation_that_is_not_there_is_no_absence_of_rows(server: Server, where: str) -> None:
    unknown = refused(404, {"success": False, "error": "Unknown method ."})
    answers = dict.fromkeys(("/v2/persons", "/v2/persons/5", "/v2/persons/6"), unknown)
    with account_of(server, answers, tables=["persons"]) as account:
        with pytest.raises(psycopg.Error, match="persons cannot be read"):
            account.rows(f"SELECT id FROM persons WHERE {where}")
        with pytest.raises(psycopg.Error, match="persons cannot be read"):
            account.run(f"UPDATE persons SET name = 'x' WHERE {where}")


def test_a_404_that_tells_nothing_is_asked_about_once(server: Server) -> None:
    answers: dict[str, Answer] = {
        "/v2/persons": whole(records(1, 1)),
        "/v2/persons/1": one({"id": 1}),
        "/v2/persons/5": refused(404, {"message": "Not Found"}),
    }
    with account_of(server, answers, tables=["persons"]) as account:
        account.simulator.reset()
        assert ids(account, "SELECT id FROM persons WHERE id = 5") == []
        assert asked(account) == ["/v2/persons/5", "/v2/persons"]
        account.simulator.reset()
        assert ids(account, "SELECT id FROM persons WHERE id IN (1, 5)") == [1]
        assert sorted(asked(account)) == ["/v2/persons/1", "/v2/persons/5"]
        answers["/v2/persons"] = answers["/v2/persons/5"]
        with pytest.raises(psycopg.Error, match="persons cannot be read"):
            account.rows("SELECT id FROM persons WHERE id = 5")


@pytest.mark.parametrize("error", ["Not found", "Person not found", ""])
def test_a_404_of_pipedrive_is_believed_where_every_account_has_the_table(server: Server, error: str) -> None:
    answer = refused(404, {"success": False, "error": error})
    answers = {"/v2/persons/5": answer, "/v2/projects/5": answer}
    with account_of(server, answers, tables=["persons", "projects"]) as account:
        account.simulator.reset()
        assert ids(account, "SELECT id FROM persons WHERE id = 5") == []
        assert asked(account) == ["/v2/persons/5"]
        if "Person" not in error:
            with pytest.raises(psycopg.Error, match="projects cannot be read"):
                account.rows("SELECT id FROM projects WHERE id = 5")


@pytest.mark.parametrize(
    ("error", "version", "sql", "hint"),
    [
        ("Unknown method .", "v1", "WHERE id = 5", "api_version to 'v2'"),
        ("Unknown method .", "v2", "WHERE id = 5", "base_url"),
        ("Filter not found", "v2", "WHERE filter_id = 5", "filter_id"),
    ],
)
def test_a_404_hints_at_what_may_be_wrong(
    server: Server, error: str, version: str, sql: str, hint: str
) -> None:
    missing = refused(404, {"success": False, "error": error})
    answers = dict.fromkeys(("/v1/persons/5", "/v2/persons/5", "/v2/persons"), missing)
    with account_of(server, answers, tables=["persons"], api_version=version) as account:
        with pytest.raises(psycopg.Error) as caught:
            account.rows(f"SELECT id FROM persons {sql}")
        assert hint in str(caught.value.diag.message_hint)


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (402, {"error": "Company account is not open"}, "persons: the company's account must be paid for."),
        (410, {"error": "Gone"}, "persons: Pipedrive no longer offers it. Other tables are not affected."),
        (
            415,
            {"error": "Not enabled"},
            "persons: the feature must be enabled in the account. Other tables are not affected.",
        ),
        (
            403,
            {"error": "Scope and URL mismatch"},
            "persons: the app must have the OAuth scope for it, and be authorized again. Other tables are "
            "not affected.",
        ),
        (
            403,
            {"error": "Forbidden"},
            "persons: the token's user must be allowed to see it. Other tables are not affected.",
        ),
    ],
)
def test_the_hint_of_a_refusal_says_what_is_wanting(
    server: Server, status: int, body: Record, hint: str
) -> None:
    answers = {"/v2/persons": refused(status, {"success": False, **body})}
    with account_of(server, answers, tables=["persons"]) as account:
        with pytest.raises(psycopg.Error) as caught:
            account.rows("SELECT id FROM persons")
        assert caught.value.diag.message_hint == hint


def test_a_limit_of_the_plan_is_named_where_a_record_is_refused(server: Server) -> None:
    capped = {"success": False, "error": "Too many", "code": "feature_capping_deals_limit"}
    with account_of(server, {"POST /v2/deals": refused(403, capped)}, tables=["deals"]) as account:
        with pytest.raises(psycopg.Error) as caught:
            account.run("INSERT INTO deals (title) VALUES ('x')")
        assert str(caught.value.diag.message_hint) == "deals: a limit of the account's plan is reached."


def test_children_of_the_only_parent_that_cannot_be_read_are_an_error(server: Server) -> None:
    answers = {"/v2/products": whole(records(1, 1)), "/v2/products/1/variations": refused(*MISSING)}
    tables = ["products", "product_variations"]
    error = pytest.raises(psycopg.Error, match="product_variations cannot be read")
    with account_of(server, answers, tables=tables) as account, error:
        account.rows("SELECT id FROM product_variations")


def test_an_api_that_is_gone_is_not_asked_about_every_deal(server: Server) -> None:
    answers: dict[str, Answer] = {
        f"/v1/subscriptions/find/{n}": refused(410, {"success": False, "error": "Gone"}) for n in range(99)
    }
    answers |= {"/v2/deals": whole(records(1, 60)), "/v2/deals/archived": whole([])}
    with account_of(server, answers, tables=["deals", "subscriptions"]) as account:
        account.simulator.reset()
        with pytest.raises(psycopg.Error, match="subscriptions cannot be read"):
            account.rows("SELECT id FROM subscriptions")
        assert len(asked(account)) < 20


def test_a_filter_that_may_not_be_seen_has_no_conditions_to_show(server: Server) -> None:
    answers: dict[str, Answer] = {
        "/v1/filters": whole([{"id": n, "type": "deals"} for n in (1, 2)]),
        "/v1/filters/1": one({"id": 1, "type": "deals", "conditions": {"glue": "and"}}),
        "/v1/filters/2": refused(*FORBIDDEN),
    }
    with account_of(server, answers, tables=["filters"], extended_cache_ttl=0) as account:
        assert account.rows("SELECT id, conditions FROM filters") == [(1, {"glue": "and"}), (2, None)]
        answers["/v1/filters/1"] = refused(*FORBIDDEN)
        with pytest.raises(psycopg.Error, match="filters cannot be read"):
            account.rows("SELECT id, conditions FROM filters")


# ---- forms of requests and answers


def test_several_deals_are_named_in_either_form(server: Server) -> None:
    """For installments the OpenAPI file has no ``explode: false``: one parameter for each deal."""

    def installments(query: Query) -> Any:
        keys = [text for name, text in query.pairs if name == "deal_ids"]
        if not all(key.isdigit() for key in keys):
            return 400, {"success": False, "error": "deal_ids must be integers"}
        return {"success": True, "data": [{"id": int(key), "deal_id": int(key)} for key in keys]}

    answers: dict[str, Answer] = {
        "/v2/deals": whole(records(1, 250)),
        "/v2/deals/archived": whole([]),
        "/v2/deals/installments": installments,
    }
    with account_of(server, answers, tables=["deals", "deal_installments"]) as account:
        assert sorted(ids(account, "SELECT deal_id FROM deal_installments")) == list(range(1, 251))
        account.simulator.reset()
        assert ids(account, "SELECT id FROM deal_installments WHERE deal_id IN (7, 8)") == [7, 8]
        assert len(asked(account)) == 1


def test_objects_behind_custom_fields_are_read_to_the_last_page(server: Server) -> None:
    key = "a" * 40
    deals = [{"id": n, "custom_fields": {key: n}} for n in (1, 2, 3)]
    answers: dict[str, Answer] = {
        "/v2/deals": whole(deals),
        "/v2/deals/archived": whole([]),
        "/v2/persons": by_cursor(
            [{"id": 1, "name": "A"}], [], [{"id": 2, "name": "B"}, {"id": 3, "name": "C"}]
        ),
    }
    with account_of(server, answers, tables=["stages"], expand_related="true") as account:
        account.run(
            f"CREATE FOREIGN TABLE deals (id bigint, who jsonb OPTIONS (field '{key}', type 'people')) "
            f"SERVER {account.name} OPTIONS (table 'deals')"
        )
        assert ids(account, "SELECT who ->> 'name' FROM deals ORDER BY id") == ["A", "B", "C"]


def test_times_may_lack_an_offset_and_uuids_be_empty(server: Server) -> None:
    project = {"id": 1, "add_time": "2024-05-01T10:00:00", "update_time": "2024-05-01T10:00:00.5"}
    lead = "ADF21080-0E10-11EB-879B-05D71FB426EC"
    notes = [{"id": 1, "lead_id": ""}, {"id": 2, "lead_id": lead}]
    answers = {
        "/v2/projects": whole([project]),
        "/v2/projects/archived": whole([]),
        "/v1/notes": whole(notes),
    }
    with account_of(server, answers, tables=["projects", "notes"]) as account:
        account.run("SET TimeZone = 'UTC'")
        assert account.rows("SELECT add_time::text, update_time::text FROM projects") == [
            ("2024-05-01 10:00:00+00", "2024-05-01 10:00:00.5+00")
        ]
        assert account.rows("SELECT id, lead_id::text FROM notes") == [(1, None), (2, lead.lower())]


def test_a_custom_field_is_known_by_what_its_definition_says(server: Server) -> None:
    """The OpenAPI file's example of a key is ``40characterhashforcustomfieldidentifier``."""
    key = "40characterhashforcustomfieldidentifier"
    field = {"field_code": key, "field_name": "Size", "field_type": "varchar", "is_custom_field": True}
    answers: dict[str, Answer] = {
        "/v2/dealFields": whole(
            [{"field_code": "title", "field_name": "Title", "is_custom_field": False}, field]
        ),
        "/v2/deals": whole([{"id": 1, "custom_fields": {key: "XL"}}]),
        "/v2/deals/archived": whole([]),
    }
    with account_of(server, answers, tables=["deals"], custom_fields="true") as account:
        assert account.rows("SELECT id, size FROM deals") == [(1, "XL")]


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_write_that_was_accepted_is_done(server: Server, status: int) -> None:
    answers: dict[str, Answer] = {
        "POST /v2/persons": lambda body: (status, {"success": True, "data": {"id": 7, **body}})
    }
    with account_of(server, answers, tables=["persons"]) as account:
        assert ids(account, "INSERT INTO persons (name) VALUES ('Ada') RETURNING id") == [7]


def test_a_refusal_says_all_that_pipedrive_says(server: Server) -> None:
    errors = {"subscription_url": ["invalid or non-reachable URL"]}
    answers: dict[str, Answer] = {
        "POST /v1/webhooks": refused(400, {"status": "error", "success": False, "errors": errors}),
        "POST /v2/persons": refused(
            400, {"success": False, "error": "Bad field", "code": "ERR_FIELD", "field_code": "name"}
        ),
    }
    with account_of(server, answers, tables=["webhooks", "persons"]) as account:
        with pytest.raises(psycopg.Error) as error:
            account.run(
                "INSERT INTO webhooks (name, subscription_url, event_action, event_object) "
                "VALUES ('n', 'x', '*', 'deal')"
            )
        assert json.dumps(errors, separators=(",", ":")) in str(error.value.diag.message_detail)
        with pytest.raises(psycopg.Error) as error:
            account.run("INSERT INTO persons (name) VALUES ('Ada')")
        assert "Bad field. code ERR_FIELD. field_code name" in str(error.value.diag.message_detail)
