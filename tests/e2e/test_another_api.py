"""Forms of answers that the documentation allows and the simulator does not take: the rows are the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount
from tests.other_api import Answer, OtherApi, by_cursor, whole
from tools.engine import Server

Record = dict[str, Any]


@contextlib.contextmanager
def account_of(server: Server, answers: Mapping[str, Answer], **options: Any) -> Iterator[LiveAccount]:
    """An account whose API is *answers*; without custom fields, which nobody defines there."""
    tables = options.pop("tables", ())
    options = {"custom_fields": "false", "max_tokens_per_query": 10**9, **options}
    with OtherApi(answers) as api, LiveAccount(server, api, options=options, tables=tables) as live:  # type: ignore[arg-type]
        yield live


def records(first: int, last: int, **more: Any) -> list[Record]:
    return [{"id": n, **more} for n in range(first, last + 1)]


def ids(account: LiveAccount, sql: str) -> list[Any]:
    return [row[0] for row in account.rows(sql)]


# ---- pages


def test_a_cursor_is_followed_from_short_and_empty_pages(server: Server) -> None:
    answers = {"/v2/persons": by_cursor(records(1, 3), [], records(4, 4), [])}
    with account_of(server, answers, tables=["persons"]) as account:
        assert ids(account, "SELECT id FROM persons") == [1, 2, 3, 4]


@pytest.mark.parametrize("end", [{}, {"additional_data": None}, {"additional_data": {"next_cursor": None}}])
def test_a_list_ends_where_no_cursor_is_named(server: Server, end: Record) -> None:
    with account_of(server, {"/v2/persons": whole(records(1, 3), **end)}, tables=["persons"]) as account:
        assert ids(account, "SELECT id FROM persons") == [1, 2, 3]


def test_a_record_that_the_next_page_repeats_is_one_row(server: Server) -> None:
    phones = [{"value": "1"}, {"value": "2"}]
    answers = {
        "/v2/persons": by_cursor(
            records(1, 3, phones=phones), records(3, 5, phones=phones), records(5, 5, phones=phones)
        ),
        "/v2/persons/1/followers": by_cursor([{"user_id": 1}, {"user_id": 2}], [{"user_id": 2}]),
    }
    tables = ["persons", "person_phones", "person_followers"]
    with account_of(server, answers, tables=tables) as account:
        assert ids(account, "SELECT id FROM persons") == [1, 2, 3, 4, 5]
        assert ids(account, "SELECT id FROM persons ORDER BY id") == [1, 2, 3, 4, 5]
        assert account.value("SELECT count(*) FROM person_phones") == 10
        assert ids(account, "SELECT user_id FROM person_followers WHERE person_id = 1") == [1, 2]


def offset_pages(rows: Sequence[Record], most: int, envelope: str) -> Answer:
    """*rows* by start and limit, *most* at a time whatever was asked for; *envelope* says how it is told."""

    def answer(query: dict[str, str]) -> Mapping[str, Any]:
        start, limit = int(query.get("start", "0")), int(query["limit"])
        page = list(rows[start : start + min(limit, most)])
        more = start + len(page) < len(rows)
        said: Record = {"start": start, "limit": limit, "more_items_in_collection": more}
        if envelope == "next" and more:
            said["next_start"] = start + len(page)
        if envelope in ("nested", "next"):
            return {"success": True, "data": page, "additional_data": {"pagination": said}}
        if envelope == "flat":
            return {"success": True, "data": page, "additional_data": said}
        return {"success": True, "data": page}

    return answer


@pytest.fixture(scope="module")
def notes(server: Server) -> Iterator[LiveAccount]:
    with account_of(server, {}, tables=["notes"]) as account:
        yield account


@pytest.mark.parametrize("envelope", ["nested", "next", "flat", "none"])
@pytest.mark.parametrize("most", [100, 500])
@pytest.mark.parametrize("count", [99, 100, 250, 500, 501])
def test_offsets_follow_what_came_and_not_what_was_asked_for(
    notes: LiveAccount, envelope: str, most: int, count: int
) -> None:
    api: Any = notes.simulator
    api.answers = {"/v1/notes": offset_pages(records(1, count), most, envelope)}
    assert ids(notes, "SELECT id FROM notes") == list(range(1, count + 1))


def test_a_list_that_knows_no_pages_is_read_once(server: Server) -> None:
    answers = {"/v1/mailbox/mailThreads": whole(records(1, 150))}
    with account_of(server, answers, tables=["mail_threads_inbox"]) as account:
        assert ids(account, "SELECT id FROM mail_threads_inbox") == list(range(1, 151))
        assert ids(account, "SELECT id FROM mail_threads_inbox LIMIT 200") == list(range(1, 151))


def test_a_list_that_says_more_and_repeats_itself_is_an_error(server: Server) -> None:
    more = {"pagination": {"start": 0, "limit": 500, "more_items_in_collection": True}}
    answers = {"/v1/notes": whole(records(1, 3), additional_data=more)}
    with account_of(server, answers, tables=["notes"]) as account, pytest.raises(psycopg.Error) as error:
        account.rows("SELECT id FROM notes")
    assert "repeats its page" in str(error.value)


@pytest.mark.parametrize(
    ("table", "path", "rows"),
    [
        ("deal_flow", "/v1/deals/7/flow", [{"object": "note", "data": {"id": n, "x": 1}} for n in range(7)]),
        ("notes", "/v1/notes", records(1, 7, deal_id=7, content="x")),
        (
            "deal_mail_messages",
            "/v1/deals/7/mailMessages",
            [{"object": "m", "data": {"id": n}} for n in range(7)],
        ),
    ],
)
def test_keys_in_another_order_make_no_other_record(
    server: Server, table: str, path: str, rows: list[Record]
) -> None:
    page_of = offset_pages(rows, 3, "nested")

    def answer(query: dict[str, str]) -> Mapping[str, Any]:
        turned = len(api.requests()) % 2 == 0
        page = page_of(query)
        return {**page, "data": [_turned(row) if turned else row for row in page["data"]]}

    with account_of(server, {path: answer}, tables=[table]) as account:
        api: Any = account.simulator
        assert account.value(f"SELECT count(*) FROM {table} WHERE deal_id = 7") == len(rows)  # noqa: S608


def _turned(value: Any) -> Any:
    """*value* with the keys of its objects the other way round."""
    return {k: _turned(v) for k, v in reversed(value.items())} if isinstance(value, dict) else value


@pytest.mark.parametrize(
    ("more", "whole_list"),
    [
        ({"next_cursor": "x"}, False),
        ({"more_items_in_collection": True}, False),
        ({"pagination": {"start": 0, "limit": 3, "more_items_in_collection": True}}, False),
        ({"pagination": {"start": 0, "limit": 100, "more_items_in_collection": True}}, True),
        ({"pagination": {"start": 0, "limit": 3, "more_items_in_collection": False, "next_start": 3}}, True),
        ({"next_cursor": None}, True),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("table", "path"),
    [("boards", "/v2/boards"), ("organization_relationships", "/v1/organizationRelationships")],
)
def test_a_part_of_a_list_without_pages_is_an_error(
    server: Server, table: str, path: str, more: Record, whole_list: bool
) -> None:
    answers = {
        path: whole(records(1, 3, rel_owner_org_id=7, rel_linked_org_id=8), additional_data=more),
        "/v2/organizations": whole(records(7, 7)),
    }
    with account_of(server, answers, tables=[table]) as account:
        if whole_list:
            assert ids(account, f"SELECT id FROM {table}") == [1, 2, 3]  # noqa: S608 - a test's
            return
        with pytest.raises(psycopg.Error, match=f"GET /api{path} returned a part of its list") as error:
            account.rows(f"SELECT id FROM {table}")  # noqa: S608 - a test's
        assert error.value.sqlstate == "08P01"


def test_a_record_added_while_the_list_is_read_moves_no_row_into_it_twice(server: Server) -> None:
    rows = records(1, 4)

    def answer(query: dict[str, str]) -> Mapping[str, Any]:
        start = int(query.get("start", "0"))
        shown = rows if start == 0 else [{"id": 9}, *rows]
        more = start + 2 < len(shown)
        said = {"start": start, "limit": 2, "more_items_in_collection": more}
        return {"success": True, "data": shown[start : start + 2], "additional_data": said}

    with account_of(server, {"/v1/notes": answer}, tables=["notes"], page_size=2) as account:
        assert ids(account, "SELECT id FROM notes") == [1, 2, 3, 4]


# ---- the two lists of deals


def deals(living: Sequence[Record], archived: Sequence[Record]) -> dict[str, Answer]:
    return {"/v2/deals": whole(living), "/v2/deals/archived": whole(archived)}


def by_id(rows: Sequence[Record]) -> Answer:
    """*rows*, which are sorted by id, in either direction."""
    return lambda query: {
        "success": True,
        "data": rows[:: -1 if query.get("sort_direction") == "desc" else 1],
    }


def test_a_deal_that_is_archived_meanwhile_is_one_row(server: Server) -> None:
    answers = {
        "/v2/deals": by_id(records(1, 3)),
        "/v2/deals/archived": by_id([*records(2, 2), *records(7, 7)]),
    }
    with account_of(server, answers, tables=["deals"]) as account:
        assert ids(account, "SELECT id FROM deals") == [1, 2, 3, 7]
        assert ids(account, "SELECT id FROM deals ORDER BY id DESC") == [7, 3, 2, 1]


def test_a_deal_that_moves_meanwhile_is_one_row(server: Server) -> None:
    def of_stage(query: dict[str, str]) -> Mapping[str, Any]:
        return {"success": True, "data": [{"id": 1, "stage_id": int(query["stage_id"])}]}

    answers = {"/v2/deals": of_stage, "/v2/deals/archived": whole([])}
    with account_of(server, answers, tables=["deals"]) as account:
        account.run("ALTER FOREIGN TABLE deals OPTIONS (ADD rows '100000')")
        account.connect()
        assert ids(account, "SELECT id FROM deals WHERE stage_id IN (1, 2)") == [1]


def test_archived_is_what_stands_in_the_list_of_the_archived(server: Server) -> None:
    answers = deals(records(1, 1), records(2, 2))
    with account_of(server, answers, tables=["deals"]) as account:
        assert account.rows("SELECT id, is_archived FROM deals") == [(1, False), (2, True)]
        assert ids(account, "SELECT id FROM deals WHERE is_archived") == [2]
        account.run("ALTER FOREIGN TABLE deals OPTIONS (ADD archived 'only')")
        account.connect()
        assert ids(account, "SELECT id FROM deals") == [2]


@pytest.mark.parametrize("nulls", ["first", "last"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_merged_lists_are_in_order_wherever_the_api_puts_empty_times(
    server: Server, nulls: str, direction: str
) -> None:
    times = {n: f"2025-01-0{n}T00:00:00Z" for n in range(1, 7)}

    def ordered(*numbers: int) -> list[Record]:
        some = sorted(numbers, reverse=direction == "desc")
        full = [{"id": n, "update_time": times[n]} for n in some]
        empty = [{"id": 10 + numbers[0], "update_time": None}]
        return empty + full if nulls == "first" else full + empty

    answers = deals(ordered(1, 4, 6), ordered(2, 3, 5))
    with account_of(server, answers, tables=["deals"]) as account:
        sql = f"SELECT id FROM deals WHERE update_time IS NOT NULL ORDER BY update_time {direction}"
        wanted = sorted(times, reverse=direction == "desc")
        assert ids(account, sql) == wanted
        assert ids(account, sql + " LIMIT 4") == wanted[:4]


# ---- look-ups


def some_of(rows: Sequence[Record], key: Any = int) -> Answer:
    """A list that answers ids=, in another order and each record once."""

    def answer(query: dict[str, str]) -> Mapping[str, Any]:
        asked = {int(n) for n in query["ids"].split(",")} if "ids" in query else None
        found = [r for r in reversed(rows) if asked is None or int(r["id"]) in asked]
        return {"success": True, "data": [{**r, "id": key(r["id"])} for r in found]}

    return answer


@pytest.mark.parametrize("key", [int, str], ids=["numbers", "texts"])
def test_a_batch_gives_each_row_once_in_any_order(server: Server, key: Any) -> None:
    answers = {
        "/v2/deals": some_of(records(1, 30), key),
        "/v2/deals/archived": some_of(records(31, 60), key),
    }
    for number in range(31, 61):
        answers[f"/v2/deals/{number}"] = lambda query, n=number: {"success": True, "data": {"id": n}}
    with account_of(server, answers, tables=["deals"]) as account:
        for last in (40, 60, 70):
            wanted = ", ".join(str(n) for n in [*range(20, last + 1), 20, 21])
            got = ids(account, f"SELECT id FROM deals WHERE id IN ({wanted})")
            assert sorted(got) == list(range(20, min(last, 60) + 1))


GONE: tuple[Any, ...] = (
    {"success": True, "data": {"id": 5, "is_deleted": True}},
    {"success": True, "data": {"id": 5, "status": "deleted"}},
    (404, {"success": False, "error": "Deal not found"}),
)


@pytest.mark.parametrize("answer", GONE, ids=str)
def test_a_deleted_deal_is_no_row_of_deals_and_one_of_deleted_deals(server: Server, answer: Any) -> None:
    gone = whole([{"id": 5, "status": "deleted", "is_deleted": True}])
    answers: dict[str, Answer] = {"/v2/deals/5": lambda query: answer, "/v2/deals": gone}
    with account_of(server, answers, tables=["deals", "deleted_deals"]) as account:
        assert ids(account, "SELECT id FROM deals WHERE id = 5") == []
        assert ids(account, "SELECT id FROM deleted_deals WHERE id = 5") == [5]


def test_a_record_that_may_not_be_seen_is_no_row_of_a_table_that_may(server: Server) -> None:
    def refused(query: dict[str, str]) -> tuple[int, Record]:
        return 403, {"success": False, "error": "You do not have permission to see this"}

    answers: dict[str, Answer] = {
        "/v2/persons": whole(records(1, 2)),
        "/v2/persons/1": lambda query: {"success": True, "data": {"id": 1}},
        "/v2/persons/3": refused,
    }
    with account_of(server, answers, tables=["persons"]) as account:
        account.simulator.reset()
        assert ids(account, "SELECT id FROM persons WHERE id IN (3, 1)") == [1]
        assert sorted(r["path"] for r in account.requests()) == ["/api/v2/persons/1", "/api/v2/persons/3"]
        account.simulator.reset()
        assert ids(account, "SELECT id FROM persons WHERE id = 3") == []
        assert [r["path"] for r in account.requests()] == ["/api/v2/persons/3", "/api/v2/persons"]
        answers["/v2/persons"] = refused
        with pytest.raises(psycopg.Error, match="persons cannot be read"):
            account.rows("SELECT id FROM persons WHERE id = 3")


# ---- values


def test_values_may_come_in_any_form_that_says_the_same(server: Server) -> None:
    note = {
        "id": "123",
        "active_flag": 1,
        "content": "x",
        "deal_id": "7",
        "user_id": 4.0,
        "add_time": "2025-01-02 03:04:05",
        "update_time": "0000-00-00 00:00:00",
        "pinned_to_deal_flag": "1",
        "pinned_to_person_flag": 0,
        "pinned_to_lead_flag": "0",
        "something_new": {"a": [1]},
    }
    activity = {"id": 5, "due_time": "10:30", "duration": "01:15", "due_date": "2025-02-03", "done": True}
    late = {"id": 6, "due_time": "10:30:15", "duration": "", "due_date": "", "add_time": None}
    deal = {"id": 9, "value": "12.50", "probability": "40", "label_ids": ["1", 2], "custom_fields": None}
    lead = {
        "id": "adf21080-0e10-11eb-879b-05d71fb426ec",
        "add_time": "2025-01-02T03:04:05.678+00:00",
        "update_time": "2025-01-02T03:04:05.678Z",
        "visible_to": "3",
        "value": None,
    }
    answers = {
        "/v1/notes": whole([note]),
        "/v2/activities": whole([activity, late]),
        **deals([deal], []),
        "/v1/leads": whole([lead]),
        "/v1/leads/archived": lambda query: {"success": True, "data": None},
    }
    with account_of(server, answers, tables=["notes", "activities", "deals", "leads"]) as account:
        account.run("SET TimeZone = 'UTC'")
        assert account.rows(
            "SELECT id, active_flag, deal_id, user_id, add_time::text, update_time, pinned_to_deal_flag, "
            "pinned_to_person_flag, pinned_to_lead_flag, attrs -> 'something_new' FROM notes"
        ) == [(123, True, 7, 4, "2025-01-02 03:04:05+00", None, True, False, False, {"a": [1]})]
        assert account.rows(
            "SELECT id, due_time::text, duration::text, due_date::text, done FROM activities"
        ) == [(5, "10:30:00", "01:15:00", "2025-02-03", True), (6, "10:30:15", None, None, None)]
        assert account.rows("SELECT id, value::text, probability::text, label_ids FROM deals") == [
            (9, "12.50", "40", [1, 2])
        ]
        assert account.rows(
            "SELECT add_time::text, update_time::text, visible_to, is_archived FROM leads"
        ) == [("2025-01-02 03:04:05.678+00", "2025-01-02 03:04:05.678+00", 3, False)]


def test_a_person_whose_organization_is_empty_belongs_to_none(server: Server) -> None:
    people = [{"id": 1, "org_id": ""}, {"id": 2, "org_id": None}, {"id": 3, "org_id": 4}]
    with account_of(server, {"/v2/persons": whole(people)}, tables=["organization_persons"]) as account:
        assert account.rows("SELECT id, org_id FROM organization_persons") == [(3, 4)]


def test_a_price_of_a_variation_is_written_whatever_the_form_of_its_ids(server: Server) -> None:
    written: list[Any] = []

    def patched(body: Any) -> Mapping[str, Any]:
        written.append(body)
        return {"success": True, "data": {"id": "7", "product_id": "1", **body}}

    answers: dict[str, Answer] = {
        "/v2/products/1/variations": whole([{"id": "6"}, {"id": "7", "prices": []}]),
        "PATCH /v2/products/1/variations/7": patched,
    }
    with account_of(server, answers, tables=["product_variation_prices"]) as account:
        account.run(
            "INSERT INTO product_variation_prices (product_id, product_variation_id, currency, price) "
            "VALUES (1, 7, 'EUR', 3)"
        )
        assert written == [{"prices": [{"currency": "EUR", "price": 3}]}]


def test_ids_may_be_written_with_a_fraction(server: Server) -> None:
    """To JSON 7.0 is the whole number 7."""
    product = {"id": 5.0, "deal_id": 1.0, "product_id": 3.0, "quantity": 2.0}
    answers: dict[str, Answer] = {
        **deals([{"id": 1.0, "label_ids": [2.0, 3.0], "value": 12.5}, {"id": 2.0}], []),
        "/v2/deals/1": lambda query: {"success": True, "data": {"id": 1.0}},
        "/v2/deals/products": whole([product]),
        "/v1/deals/1/permittedUsers": whole([4.0, 5.0]),
        "/v1/deals/2/permittedUsers": whole([]),
    }
    tables = ["deals", "deal_products", "deal_permitted_users"]
    with account_of(server, answers, tables=tables) as account:
        assert account.rows("SELECT id, label_ids, value FROM deals") == [(1, [2, 3], 12.5), (2, None, None)]
        for condition in ("true", "row_id = '1:5'", "deal_id = 1", "deal_id IN (SELECT id FROM deals)"):
            sql = f"SELECT deal_id, id, product_id, row_id FROM deal_products WHERE {condition}"
            assert account.rows(sql) == [(1, 5, 3, "1:5")], condition
        assert ids(account, "SELECT row_id FROM deal_permitted_users ORDER BY user_id") == ["1:4", "1:5"]


@pytest.mark.parametrize("value", [2, "2", "confirmed", "a1b2"])
def test_what_is_described_as_text_or_not_at_all_may_be_any_text(server: Server, value: Any) -> None:
    answers = {
        "/v2/persons": whole([{"id": 1, "doi_status": value}]),
        "/v1/files": whole([{"id": 1, "mail_template_id": value, "mail_message_id": ""}]),
    }
    with account_of(server, answers, tables=["persons", "files"]) as account:
        assert account.rows("SELECT doi_status FROM persons") == [(str(value),)]
        assert account.rows("SELECT mail_template_id, mail_message_id FROM files") == [(str(value), None)]


def test_fields_that_are_not_there_are_null(server: Server) -> None:
    with account_of(server, deals([{"id": 1}], []), tables=["deals"]) as account:
        (row,) = account.objects("deals")
        assert {name for name, value in row.items() if value is not None} == {"id", "is_archived", "attrs"}


def test_three_hundred_custom_fields_and_long_pages(server: Server) -> None:
    fields = {f"{n:040x}": "ÄÖ🙂" * 40 for n in range(300)}
    rows = [{"id": n, "title": "名前" * 50, "custom_fields": fields} for n in range(1, 101)]
    with account_of(server, deals(rows, []), tables=["deals"]) as account:
        sql = "SELECT count(*), min(length(title)), sum(length(custom_fields::text)) FROM deals"
        count, length, size = account.rows(sql)[0]
        assert (count, length) == (100, 100)
        assert size > 3_000_000
