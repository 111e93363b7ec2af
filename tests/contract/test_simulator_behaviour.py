"""What the simulator does beyond the shape of its answers: checks, pages, filters, writes, limits, faults."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.client import Answer, ask
from tests.simulator import Simulator

Ask = Callable[..., Answer]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    simulator = Simulator(deals=120).start()
    yield simulator
    simulator.stop()


@pytest.fixture
def api(sim: Simulator) -> Ask:
    return lambda method, path, body=None, **more: ask(sim.url, method, path, body, **more)


def walk(api: Ask, path: str, **query: Any) -> list[Any]:
    """The ids of all pages of a v2 list."""
    out: list[Any] = []
    while True:
        answer = api("GET", path, **query)
        assert answer.status == 200, answer.json
        out += answer.ids
        cursor = (answer.json.get("additional_data") or {}).get("next_cursor")
        if cursor is None:
            return out
        query["cursor"] = cursor


# ---- requests


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/api/v2/deals", {"nonsense": "1"}, 400),
        ("/api/v2/pipelines", {"updated_since": "2026-01-01T00:00:00Z"}, 400),
        ("/api/v2/deals", {"updated_since": "2026-01-01T00:00:00.5Z"}, 400),
        ("/api/v2/deals", {"updated_since": "2026-01-01 00:00:00"}, 400),
        ("/api/v2/deals", {"limit": "501"}, 400),
        ("/api/v2/deals", {"limit": "0"}, 400),
        ("/api/v2/deals", {"owner_id": "x"}, 400),
        ("/api/v2/deals", {"sort_by": "title"}, 400),
        ("/api/v2/deals", {"ids": ",".join(map(str, range(1, 102)))}, 400),
        ("/api/v2/deals", {"custom_fields": ",".join("a" * 40 for _ in range(16))}, 400),
        ("/api/v2/deals", {"cursor": "garbage"}, 400),
        ("/api/v2/deals", {"status": "open,gone"}, 400),
        ("/api/v2/activities", {"done": "1"}, 400),
        ("/api/v2/deals/products", {}, 400),
        ("/api/v2/nothing", {}, 404),
        ("/api/v2/deals/999999", {}, 404),
        ("/v1/deals", {}, 404),
        ("/v1/subscriptions/1", {}, 410),
        ("/v1/mailbox/mailThreads", {"folder": "attic"}, 400),
        ("/v1/organizationRelationships", {}, 400),
        ("/v1/notes", {"sort": "secret ASC"}, 400),
        ("/v1/files", {"limit": "1000"}, 200),
    ],
)
def test_a_request_is_held_against_its_operation(api: Ask, path: str, query: Any, status: int) -> None:
    assert api("GET", path, **query).status == status


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"title": "x", "nonsense": 1}, "nonsense is not allowed"),
        ({"value": 1}, "title is required"),
        ({"title": "x", "owner_id": "1"}, "owner_id must be of type integer"),
        ({"title": "x", "is_archived": 0}, "is_archived must be of type boolean"),
        ({"title": "x", "person_id": 999_999}, "person_id 999999 does not exist"),
        ({"title": "x", "lost_reason": "no"}, "lost_reason can only be set"),
        ({"title": "x", "custom_fields": {"f" * 40: 1}}, "does not exist"),
    ],
)
def test_a_body_is_held_against_its_operation(api: Ask, body: Any, words: str) -> None:
    answer = api("POST", "/api/v2/deals", body)
    assert answer.status == 400
    assert words in answer.json["error"]


def test_the_token_is_taken_from_its_header_only(api: Ask) -> None:
    assert api("GET", "/v1/users/me", headers={"x-api-token": "wrong"}).json["error"] == "unauthorized access"
    bearer = {"x-api-token": "", "authorization": "Bearer demo-token"}
    assert api("GET", "/v1/users/me", headers=bearer).status == 401
    assert api("GET", "/api/v1/users/me").data["is_you"] is True


# ---- lists


def test_the_pages_of_a_list_hold_every_record_once(api: Ask, sim: Simulator) -> None:
    live = [d["id"] for d in sim.records("deals") if not d["is_archived"]]
    for query in ({}, {"sort_by": "update_time"}, {"sort_by": "add_time", "sort_direction": "desc"}):
        assert sorted(walk(api, "/api/v2/deals", limit=7, **query)) == sorted(live)
    archived = [d["id"] for d in sim.records("deals") if d["is_archived"]]
    assert walk(api, "/api/v2/deals/archived", limit=2) == archived == [13, 33, 53, 73, 93, 113]
    assert len(live) + len(archived) == 120


def test_records_without_a_time_come_first_ascending_and_in_no_window(api: Ask) -> None:
    assert walk(api, "/api/v2/deals", sort_by="update_time")[:2] == [7, 68]
    assert walk(api, "/api/v2/deals", sort_by="update_time", sort_direction="desc")[-2:] == [68, 7]
    assert not {7, 68} & set(walk(api, "/api/v2/deals", updated_since="1970-01-01T00:00:00Z"))
    assert not {7, 68} & set(walk(api, "/api/v2/deals", updated_until="2100-01-01T00:00:00Z"))


def test_a_window_takes_its_first_second_and_not_its_last(api: Ask) -> None:
    moment = api("GET", "/api/v2/deals/1").data["update_time"]
    assert 1 in walk(api, "/api/v2/deals", updated_since=moment)
    assert 1 not in walk(api, "/api/v2/deals", updated_until=moment)


def test_a_cursor_belongs_to_its_request(api: Ask) -> None:
    cursor = api("GET", "/api/v2/deals", limit=5).json["additional_data"]["next_cursor"]
    assert api("GET", "/api/v2/deals", limit=9, cursor=cursor).status == 200
    assert api("GET", "/api/v2/deals", cursor=cursor, sort_by="add_time").status == 400
    assert api("GET", "/api/v2/deals", cursor=cursor, owner_id=1).status == 400
    assert api("GET", "/api/v2/persons", cursor=cursor).status == 400


def test_the_end_of_a_list_is_a_null_cursor_or_nothing_at_all(api: Ask) -> None:
    assert "additional_data" not in api("GET", "/api/v2/deals", limit=500).json
    assert api("GET", "/api/v2/persons", limit=500).json["additional_data"] == {"next_cursor": None}


def test_deleted_deals_are_shown_by_their_status_alone(api: Ask, sim: Simulator) -> None:
    gone = {d["id"]: d["is_archived"] for d in sim.records("deleted_deals")}
    assert walk(api, "/api/v2/deals", status="deleted") == [key for key, old in gone.items() if not old]
    assert walk(api, "/api/v2/deals/archived", status="deleted") == [key for key, old in gone.items() if old]
    assert sorted(gone.values()) == [False, True]
    assert not set(gone) & set(walk(api, "/api/v2/deals", ids=",".join(map(str, [*gone, 1]))))
    assert api("GET", f"/api/v2/deals/{min(gone)}").data["is_deleted"] is True


def test_a_saved_filter_makes_the_other_filters_ignored(api: Ask, sim: Simulator) -> None:
    deals = [d for d in sim.records("deals") if not d["is_archived"]]
    open_deals = [d["id"] for d in deals if d["status"] == "open"]
    assert walk(api, "/api/v2/deals", filter_id=1) == open_deals
    assert walk(api, "/api/v2/deals", filter_id=1, owner_id=999, status="won", ids="1") == open_deals
    assert api("GET", "/api/v2/deals", filter_id=999).status == 404


def test_extra_fields_come_only_when_named(api: Ask, sim: Simulator) -> None:
    plain = api("GET", "/api/v2/deals/1").data
    assert "products_count" not in plain
    full = api("GET", "/api/v2/deals/1", include_fields="products_count,source_lead_id").data
    assert set(full) - set(plain) == {"products_count", "source_lead_id"}
    assert "attendees" not in api("GET", "/api/v2/activities/6").data
    assert len(api("GET", "/api/v2/activities/6", include_fields="attendees").data["attendees"]) == 1
    key = next(f["field_code"] for f in sim.records("deal_fields") if f["is_custom_field"])
    assert list(api("GET", "/api/v2/deals/1", custom_fields=key).data["custom_fields"]) == [key]


def test_option_labels_come_as_objects(api: Ask, sim: Simulator) -> None:
    fields = sim.records("deal_fields")
    enum = next(f for f in fields if f["is_custom_field"] and f["field_type"] == "enum")
    code, option = enum["field_code"], enum["options"][1]
    assert api("PATCH", "/api/v2/deals/1", {"custom_fields": {code: option["id"]}}).status == 200
    shown = api("GET", "/api/v2/deals/1", include_option_labels="true").data["custom_fields"][code]
    assert shown == {"id": option["id"], "label": option["label"]}
    assert api("PATCH", "/api/v2/deals/1", {"custom_fields": {code: 1}}).status == 400


def test_v1_pages_by_start_in_its_envelopes(api: Ask, sim: Simulator) -> None:
    notes = api("GET", "/v1/notes", limit=3, start=3)
    assert notes.json["additional_data"]["pagination"] == {
        "start": 3,
        "limit": 3,
        "more_items_in_collection": True,
    }
    assert len(notes.data) == 3
    leads = api("GET", "/v1/leads", limit=500).json
    assert leads["additional_data"] == {"start": 0, "limit": 500, "more_items_in_collection": False}
    assert [lead["add_time"] for lead in leads["data"]] == sorted(lead["add_time"] for lead in leads["data"])
    assert api("GET", "/v1/files", limit=1000).json["additional_data"]["pagination"]["limit"] == 100
    assert len(api("GET", "/v1/callLogs", limit=500).data) == 50
    assert api("GET", "/v1/notes", deal_id=99_999).data is None
    assert len(api("GET", "/v1/users").data) == 8


# ---- writes


def test_a_deal_is_created_changed_archived_and_deleted(api: Ask, sim: Simulator) -> None:
    made = api("POST", "/api/v2/deals", {"title": "New", "value": 12.5, "stage_id": 7})
    assert made.status in (200, 201)
    deal = made.data
    assert (deal["pipeline_id"], deal["status"], deal["owner_id"], deal["currency"]) == (2, "open", 1, "EUR")
    won = api("PATCH", f"/api/v2/deals/{deal['id']}", {"status": "won"}).data
    assert won["update_time"] > deal["update_time"]
    assert won["won_time"] == won["close_time"] is not None
    assert api("PATCH", f"/api/v2/deals/{deal['id']}", {"is_archived": True}).data["archive_time"] is not None
    assert api("PATCH", f"/api/v2/deals/{deal['id']}", {"title": "no"}).status == 403
    assert deal["id"] in walk(api, "/api/v2/deals/archived")
    assert (
        api("PATCH", f"/api/v2/deals/{deal['id']}", {"is_archived": False, "title": "y"}).data["title"] == "y"
    )
    assert api("DELETE", f"/api/v2/deals/{deal['id']}").data == {"id": deal["id"]}
    assert deal["id"] not in walk(api, "/api/v2/deals")
    assert deal["id"] in walk(api, "/api/v2/deals", status="deleted")


def test_every_creatable_custom_field_is_written_and_read_back(api: Ask, sim: Simulator) -> None:
    fields = {f["field_type"]: f for f in reversed(sim.records("deal_fields")) if f["is_custom_field"]}
    options = [o["id"] for o in fields["set"]["options"]]
    values: dict[str, Any] = {
        "varchar": "Ü",
        "text": "long",
        "double": -1.5,
        "monetary": {"value": 0, "currency": "JPY"},
        "date": "2024-02-29",
        "daterange": {"value": "2024-01-01", "until": "2024-12-31"},
        "time": {"value": "10:00:00", "timezone_name": "Europe/Tallinn"},
        "timerange": {"value": "10:00:00", "until": "11:00:00", "timezone_name": "Europe/Riga"},
        "set": options[:2],
        "enum": fields["enum"]["options"][0]["id"],
        "user": 2,
        "org": 1,
        "people": 1,
        "phone": "+372",
        "varchar_auto": "auto",
    }
    body = {fields[kind]["field_code"]: value for kind, value in values.items()}
    shown = api("PATCH", "/api/v2/deals/1", {"custom_fields": body}).data["custom_fields"]
    assert {n: shown[n] for n in body} == body
    code = fields["address"]["field_code"]
    shown = api("PATCH", "/api/v2/deals/1", {"custom_fields": {code: {"value": "A 1"}}}).data["custom_fields"]
    assert shown[code]["value"] == "A 1"
    assert shown[code]["country"] is None
    assert api("PATCH", "/api/v2/deals/1", {"custom_fields": {fields["set"]["field_code"]: []}}).status == 400


def test_a_lead_carries_the_deals_fields_flat(api: Ask, sim: Simulator) -> None:
    fields = {f["field_type"]: f["field_code"] for f in sim.records("deal_fields") if f["is_custom_field"]}
    money = fields["monetary"]
    made = api("POST", "/v1/leads", {"title": "L", "person_id": 1, money: 5, f"{money}_currency": "USD"}).data
    assert (made[money], made[f"{money}_currency"]) == (5, "USD")
    assert fields["date"] not in made
    changed = api("PATCH", f"/v1/leads/{made['id']}", {money: None, "is_archived": True}).data
    assert money not in changed
    archived = api("GET", "/v1/leads/archived", limit=500).data
    assert made["id"] in [lead["id"] for lead in archived]
    assert api("POST", "/v1/leads", {"title": "nobody"}).status == 400
    assert api("DELETE", f"/v1/leads/{made['id']}").data == {"id": made["id"]}
    assert api("GET", f"/v1/leads/{made['id']}").status == 404


def test_the_person_of_an_activity_is_its_primary_participant(api: Ask) -> None:
    made = api(
        "POST", "/api/v2/activities", {"subject": "S", "participants": [{"person_id": 3, "primary": True}]}
    )
    assert made.data["person_id"] == 3
    assert api("POST", "/api/v2/activities", {"subject": "S", "person_id": 3}).status == 400


def test_a_user_falls_back_to_the_default_role(api: Ask) -> None:
    assert api("POST", "/v1/roles/3/assignments", {"user_id": 5}).data == {"user_id": 5, "role_id": 3}
    assert [a["role_id"] for a in api("GET", "/v1/users/5/roleAssignments").data] == [3]
    assert api("DELETE", "/v1/roles/3/assignments", {"user_id": 5}).status == 200
    assert [a["role_id"] for a in api("GET", "/v1/users/5/roleAssignments").data] == [1]
    assert api("DELETE", "/v1/roles/3/assignments", {"user_id": 5}).status == 404


def test_goals_are_ones_own_and_active_unless_asked(api: Ask, sim: Simulator) -> None:
    everyone = sim.records("goals")
    own = [g["id"] for g in everyone if g["owner_id"] == 1 and g["is_active"]]
    assert [g["id"] for g in api("GET", "/v1/goals/find").data["goals"]] == own
    found = []
    for active in ("true", "false"):
        for metric in ("quantity", "sum"):
            query = {"is_active": active, "expected_outcome.tracking_metric": metric}
            found += [g["id"] for g in api("GET", "/v1/goals/find", **query).data["goals"]]
    assert sorted(found) == sorted(g["id"] for g in everyone)


def test_forms_are_taken_where_the_files_say_so_and_there_only(api: Ask) -> None:
    path = "/v1/mailbox/mailThreads/2"
    assert api("PUT", path, {"read_flag": 1}).status == 415
    assert api("PUT", path, form={"read_flag": 1}).data["read_flag"] == 1
    assert api("PUT", "/v1/notes/1", form={"content": "x"}).status == 415


def test_a_file_is_uploaded_and_downloaded(api: Ask, sim: Simulator) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n'
    part += b'--b\r\nContent-Disposition: form-data; name="deal_id"\r\n\r\n1\r\n--b--\r\n'
    made = api("POST", "/v1/files", part, headers={"content-type": "multipart/form-data; boundary=b"})
    assert made.status in (200, 201)
    assert (made.data["name"], made.data["deal_id"], made.data["file_size"]) == ("a.txt", 1, 5)
    sent_on = api("GET", f"/v1/files/{made.data['id']}/download")
    assert (sent_on.status, sent_on.body) == (302, b"")
    path, _, query = sent_on.headers["location"].partition("?")
    assert path.startswith("/storage/")
    assert sim.answer("GET", path, query, {}, b"").body == b"hello"
    assert sim.answer("GET", path, query, {"x-api-token": "the token of an account"}, b"").status == 403


def test_children_of_many_deals_come_in_one_list(api: Ask, sim: Simulator) -> None:
    rows = [r["id"] for r in sim.records("deal_products") if r["deal_id"] in (1, 11, 16)]
    assert walk(api, "/api/v2/deals/products", deal_ids="16,1,11", limit=2) == sorted(rows)
    made = api(
        "POST", "/api/v2/deals/2/products/bulk", {"data": [{"product_id": 1, "item_price": 2, "quantity": 3}]}
    )
    assert made.data[0]["sum"] == 6
    assert (
        api("POST", "/api/v2/deals/13/products", {"product_id": 1, "item_price": 2, "quantity": 3}).status
        == 403
    )


def test_fields_are_made_changed_and_removed(api: Ask) -> None:
    made = api(
        "POST", "/api/v2/dealFields", {"field_name": "X", "field_type": "enum", "options": [{"label": "a"}]}
    )
    code = made.data["field_code"]
    assert len(code) == 40
    assert code in api("GET", "/api/v2/deals/1").data["custom_fields"]
    added = api("POST", f"/api/v2/dealFields/{code}/options", [{"label": "b"}]).data
    assert [o["label"] for o in added] == ["b"]
    assert api("DELETE", f"/api/v2/dealFields/{code}/options", [{"id": added[0]["id"]}]).status == 200
    assert api("PATCH", "/api/v2/dealFields/title", {"field_name": "no"}).status == 403
    assert api("DELETE", f"/api/v2/dealFields/{code}").status == 200
    assert code not in api("GET", "/api/v2/deals/1").data["custom_fields"]


def test_a_merge_leaves_the_winner(api: Ask) -> None:
    assert api("PUT", "/v1/persons/2/merge", {"merge_with_id": 3}).data["id"] == 3
    assert api("GET", "/api/v2/persons/2").data["is_deleted"] is True


def test_a_lead_becomes_a_deal(api: Ask, sim: Simulator) -> None:
    lead = sim.records("leads")[0]["id"]
    job = api("POST", f"/api/v2/leads/{lead}/convert/deal", {}).data["conversion_id"]
    path = f"/api/v2/leads/{lead}/convert/status/{job}"
    assert api("GET", path).data["status"] == "running"
    done = api("GET", path).data
    assert done["status"] == "completed"
    assert (
        api("GET", f"/api/v2/deals/{done['deal_id']}", include_fields="source_lead_id").data["source_lead_id"]
        == lead
    )


# ---- limits, faults, sign-in


def test_tokens_are_counted_and_run_out_for_the_day(api: Ask, sim: Simulator) -> None:
    sim.configure({"budget": 25})
    first = api("GET", "/api/v2/deals", limit=1)
    assert first.headers["x-daily-ratelimit-token-remaining"] == "15"
    assert api("GET", "/v1/users/me").headers["x-daily-ratelimit-token-remaining"] == "13"
    assert api("GET", "/v1/users").status == 429
    refused = api("GET", "/v1/users")
    assert refused.json["error"] == "daily request budget exceeded"
    assert refused.headers["retry-after"] == "3939"
    assert [r["tokens"] for r in sim.requests()] == [10, 2, 0, 0]


def test_the_window_refuses_what_is_too_much(api: Ask, sim: Simulator) -> None:
    sim.configure({"burst": 5})
    answers = [api("GET", "/v1/users/me") for _ in range(7)]
    assert [a.status for a in answers] == [200] * 5 + [429] * 2
    assert answers[4].headers["x-ratelimit-remaining"] == "0"
    assert "retry-after" not in answers[5].headers
    late = [api("GET", "/v1/users/me") for _ in range(60)][-1]
    assert (late.status, late.headers["content-type"]) == (403, "text/html; charset=UTF-8")


def test_searches_have_a_window_of_their_own(api: Ask) -> None:
    answers = [api("GET", "/api/v2/deals/search", term="audit").status for _ in range(11)]
    assert answers == [200] * 10 + [429]
    assert api("GET", "/v1/users/me").status == 200


def test_faults_spoil_as_asked(api: Ask, sim: Simulator) -> None:
    sim.faults([{"match": "/users/me", "action": "status", "status": 503, "skip": 1, "times": 1}])
    assert [api("GET", "/v1/users/me").status for _ in range(3)] == [200, 503, 200]
    sim.faults([{"match": "/users$", "action": "malformed"}])
    with pytest.raises(ValueError, match=r"Expecting|Extra"):
        _ = api("GET", "/v1/users").json
    sim.faults([{"match": "/users$", "action": "cut"}])
    with pytest.raises(http.client.IncompleteRead):
        api("GET", "/v1/users")
    sim.faults([{"match": "/users$", "action": "null_data"}])
    assert api("GET", "/v1/users").data is None
    sim.faults([{"match": "/deals$", "method": "POST", "action": "drop", "after_handling": True}])
    with pytest.raises(http.client.RemoteDisconnected):
        api("POST", "/api/v2/deals", {"title": "lost answer"})
    assert sim.records("deals")[-1]["title"] == "lost answer"
    sim.faults([{"match": "/deals$", "action": "repeat_cursor"}])
    cursor = api("GET", "/api/v2/deals", limit=2).json["additional_data"]["next_cursor"]
    assert cursor is not None


def test_records_change_between_two_pages(api: Ask, sim: Simulator) -> None:
    notes = [n["id"] for n in sim.records("notes")]
    changes = [
        {"method": "DELETE", "path": f"notes/{notes[1]}"},
        {"method": "PATCH", "path": f"notes/{notes[0]}", "body": {"active_flag": False}},
        {"method": "POST", "path": "notes", "body": {"content": "new", "id": 5000}},
    ]
    sim.faults([{"match": "/notes$", "action": "change", "body": changes, "skip": 1, "times": 1}])
    pages = [api("GET", "/v1/notes", limit=3, start=start, sort="id ASC").ids for start in (0, 0, 0)]
    assert pages == [notes[:3], notes[2:5], notes[2:5]]
    assert [n["id"] for n in sim.records("notes")] == [*notes[2:], 5000]


def test_an_access_token_is_had_and_ends(api: Ask, sim: Simulator) -> None:
    basic = {"authorization": "Basic ZGVtby1jbGllbnQ6ZGVtby1zZWNyZXQ="}
    form = {"grant_type": "refresh_token", "refresh_token": "demo-refresh-token"}
    answer = api("POST", "/oauth/token", form=form, headers=basic).json
    assert (answer["api_domain"], answer["expires_in"]) == (sim.url, 3599)
    bearer = {"authorization": f"Bearer {answer['access_token']}", "x-api-token": ""}
    assert api("GET", "/v1/users/me", headers=bearer).status == 200
    assert api("POST", "/oauth/token", form={**form, "refresh_token": "old"}, headers=basic).status == 400
    sim.configure({"oauth_expires_in": 0})
    short = api("POST", "/oauth/token", form=form, headers=basic).json["access_token"]
    ended = {"authorization": f"Bearer {short}", "x-api-token": ""}
    assert api("GET", "/v1/users/me", headers=ended).status == 401


def test_a_plan_can_lack_features(api: Ask, sim: Simulator) -> None:
    sim.configure({"gated": {"/deals/installments": 402}})
    assert api("GET", "/api/v2/deals/installments", deal_ids="1").status == 402
    assert api("GET", "/api/v2/deals/products", deal_ids="1").status == 200


def test_thirty_two_requests_at_once(api: Ask) -> None:
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda n: api("GET", "/api/v2/deals", limit=50).status, range(128)))
    assert answers == [200] * 128


@pytest.mark.parametrize("deals", [0, 1, 499, 500, 501])
def test_a_company_has_as_many_deals_as_asked(deals: int) -> None:
    simulator = Simulator(deals=deals).start()
    try:
        rows = simulator.records("deals")
        assert (len(rows), len(simulator.records("deleted_deals"))) == (deals, deals // 50)
        found = walk(lambda *a, **q: ask(simulator.url, *a, **q), "/api/v2/deals", limit=500)
        assert found == [d["id"] for d in rows if not d["is_archived"]]
    finally:
        simulator.stop()


def test_the_same_seed_is_the_same_company() -> None:
    one, two, other = (Simulator(seed=seed, deals=20) for seed in (5, 5, 6))
    try:
        assert one.records("deals") == two.records("deals")
        assert one.records("deals") != other.records("deals")
    finally:
        for simulator in (one, two, other):
            simulator.stop()


def test_tests_change_the_account_behind_the_api(api: Ask, sim: Simulator) -> None:
    made = api("POST", "/_sim/records/persons", {"name": "Behind", "id": 5000}).json
    assert api("GET", "/api/v2/persons/5000").data["name"] == made["name"] == "Behind"
    api("PATCH", "/_sim/records/persons/5000", {"name": "Changed"})
    assert api("GET", "/api/v2/persons/5000").data["name"] == "Changed"
    assert api("DELETE", "/_sim/records/persons/5000").json["name"] == "Changed"
    assert api("GET", "/api/v2/persons/5000").status == 404
    assert api("DELETE", "/_sim/records/persons/5000").status == 404
    assert [r["path"] for r in api("GET", "/_sim/requests").json] == ["/api/v2/persons/5000"] * 3
    assert api("POST", "/_sim/reset").json == {"ok": True}
    assert sim.requests() == []
