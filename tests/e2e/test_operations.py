"""Functions for searches and for operations that are no rows: what they send, and what comes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, seed=2, deals=1500, burst=100_000) as live:
        yield live


def call(account: LiveAccount, function: str) -> Any:
    """The answer of a function, with the requests noted afresh."""
    account.simulator.reset()
    arguments = function[:-1] + ("" if function.endswith("()") else ", ")
    return account.value(f"SELECT pipedrive.{arguments}server => '{account.name}')")


def items(found: Any) -> list[Any]:
    return [one["item"]["id"] for one in found["items"]]


@pytest.mark.parametrize(
    ("function", "table", "column", "term"),
    [
        ("search_persons", "persons", "name", "an"),
        ("search_organizations", "organizations", "name", "Co"),
        ("search_products", "products", "name", "or"),
        ("search_leads", "leads", "title", "er"),
        ("search_projects", "projects", "title", "Pro"),
    ],
)
def test_a_search_finds_what_the_table_has(
    account: LiveAccount, function: str, table: str, column: str, term: str
) -> None:
    fields = f"fields => '{column}'"
    found = call(account, f"{function}('{term}', {fields})")
    (request,) = account.requests()
    assert request["path"] == f"/api/v2/{table}/search"
    assert request["query"] == {"term": term, "fields": column, "limit": "500"}
    expected = account.rows(f"SELECT id::text FROM {table} WHERE {column} ILIKE '%{term}%'")
    assert sorted(map(str, items(found))) == sorted(key for (key,) in expected) != []


def test_a_search_is_narrowed_and_reads_all_its_pages(account: LiveAccount) -> None:
    whole = call(account, "search_deals('er', fields => 'title')")
    pages = account.requests()
    assert len(pages) == 2 and "cursor" in pages[1]["query"]
    living = account.rows("SELECT id, status FROM deals WHERE title ILIKE '%er%'")
    assert sorted(items(whole)) == sorted(key for key, _ in living)
    won = call(account, "search_deals('er', fields => 'title', status => 'won')")
    assert sorted(items(won)) == sorted(key for key, status in living if status == "won")
    exact = call(account, "search_deals(term => (SELECT title FROM deals WHERE id = 7), exact_match => true)")
    assert 7 in items(exact)


def test_the_search_of_a_field_minds_the_case(account: LiveAccount) -> None:
    title = account.value("SELECT title FROM deals WHERE id = 7")
    found = call(account, "search_field((SELECT title FROM deals WHERE id = 7), 'deal', 'title')")
    assert {one["item"]["title"] for one in found["items"]} == {title}
    upper = "(SELECT upper(title) || '!' FROM deals WHERE id = 7)"
    other = call(account, f"search_field({upper}, 'deal', 'title')")
    assert other["items"] == []


def test_users_are_found_by_name_and_by_address(account: LiveAccount) -> None:
    name, email = account.rows("SELECT name, email FROM users WHERE id = 3")[0]
    assert 3 in [user["id"] for user in call(account, "search_users((SELECT name FROM users WHERE id = 3))")]
    (found,) = call(account, f"search_users('{email}', by_email => true)")
    assert (found["id"], found["name"]) == (3, name)


def test_a_role_is_set_and_its_row_shows_it(account: LiveAccount) -> None:
    call(account, "set_role_setting(2, 'lead_default_visibility', 7)")
    assert account.value("SELECT lead_default_visibility FROM role_settings WHERE role_id = 2") == 7
    with pytest.raises(psycopg.Error, match="status 400"):
        call(account, "set_role_setting(2, 'lead_default_visibility', 2)")


def test_pipelines_are_shown_and_hidden(account: LiveAccount) -> None:
    call(account, "set_role_pipelines(role_id => 3, hide => '{1,2}')")
    (request,) = account.requests()
    body = request["body"]["visible_pipeline_ids"]
    assert {name: json.loads(value) for name, value in body.items()} == {"add": [], "remove": [1, 2]}
    hidden = "SELECT pipeline_id FROM role_pipelines WHERE role_id = 3 AND NOT is_visible ORDER BY 1"
    assert account.rows(hidden) == [(1,), (2,)]
    call(account, "set_role_pipelines(role_id => 3, show => '{2}')")
    assert account.rows(hidden) == [(1,)]


@pytest.mark.parametrize("ids", ["show => NULL", "show => '{1,NULL}'", "hide => '{NULL}', show => '{}'"])
def test_a_pipeline_that_is_null_is_refused(account: LiveAccount, ids: str) -> None:
    words = "set_role_pipelines needs role_id, and show and hide without NULL"
    with pytest.raises(psycopg.Error, match=words):
        call(account, f"set_role_pipelines(3, {ids})")
    assert account.requests() == []


@pytest.mark.parametrize("kind", ["task", "activity"])
def test_an_item_of_a_plan_is_moved(account: LiveAccount, kind: str) -> None:
    project, item = account.rows(
        f"SELECT project_id, item_id FROM project_plan_items WHERE item_type = '{kind}' LIMIT 1"
    )[0]
    call(account, f"set_project_plan_item({project}, '{kind}', {item}, phase_id => 2)")
    where = f"WHERE project_id = {project} AND item_type = '{kind}' AND item_id = {item}"
    assert account.value(f"SELECT phase_id FROM project_plan_items {where}") == 2
    with pytest.raises(psycopg.Error, match="item_type must be task or activity, and is note"):
        call(account, f"set_project_plan_item({project}, 'note', {item}, phase_id => 2)")


def test_products_of_a_deal_go_at_once(account: LiveAccount) -> None:
    deal = account.value(
        "SELECT deal_id FROM deal_products p JOIN deals d ON d.id = p.deal_id WHERE NOT d.is_archived "
        "GROUP BY 1 HAVING count(*) > 1 LIMIT 1"
    )
    ids = [key for (key,) in account.rows(f"SELECT id FROM deal_products WHERE deal_id = {deal} ORDER BY id")]
    call(account, f"delete_deal_products({deal}, '{{{ids[0]},{ids[1]}}}')")
    assert [(r["method"], r["tokens"]) for r in account.requests()] == [("DELETE", 15)]
    assert [k for (k,) in account.rows(f"SELECT id FROM deal_products WHERE deal_id = {deal}")] == ids[2:]
    with pytest.raises(psycopg.Error, match="delete_deal_products needs deal_id, ids"):
        call(account, f"delete_deal_products({deal}, NULL)")
    assert account.requests() == []


@pytest.mark.parametrize("ids", ["'{}'", "ARRAY(SELECT id FROM deal_products WHERE id = -1)", "'{1,NULL}'"])
def test_a_list_of_no_products_does_not_mean_all(account: LiveAccount, ids: str) -> None:
    deal = account.value(
        "SELECT min(deal_id) FROM deal_products p JOIN deals d ON d.id = p.deal_id WHERE NOT d.is_archived"
    )
    products = f"SELECT id FROM deal_products WHERE deal_id = {deal} ORDER BY id"
    before = account.rows(products)
    assert before
    account.simulator.reset()
    with pytest.raises(psycopg.Error, match="the parameter ids is a list"):
        call(account, f"delete_deal_products({deal}, {ids})")
    with pytest.raises(psycopg.Error, match="the parameter ids is a list"):
        call(
            account,
            f"request('DELETE', '/v2/deals/{deal}/products', jsonb_build_object('ids', {ids}::bigint[]))",
        )
    assert [r for r in account.requests() if r["method"] != "GET"] == []
    assert account.rows(products) == before


@pytest.mark.parametrize(
    "ids", ["(SELECT string_agg(id::text, ',') FROM deal_products WHERE id = -1)", "''", "'[\"\"]'::jsonb"]
)
def test_a_deletion_of_nothing_is_not_one_of_all(account: LiveAccount, ids: str) -> None:
    deal = account.value(
        "SELECT min(deal_id) FROM deal_products p JOIN deals d ON d.id = p.deal_id WHERE NOT d.is_archived"
    )
    products = f"SELECT id FROM deal_products WHERE deal_id = {deal} ORDER BY id"
    before = account.rows(products)
    with pytest.raises(psycopg.Error, match="the parameter ids is") as caught:
        call(account, f"request('DELETE', '/v2/deals/{deal}/products', jsonb_build_object('ids', {ids}))")
    assert "ids" in (caught.value.diag.message_hint or "")
    assert [r for r in account.requests() if r["method"] != "GET"] == []
    assert account.rows(products) == before != []


def test_filters_go_at_once_and_say_what_they_can_be_made_of(account: LiveAccount) -> None:
    call(account, "delete_filters('{5,7}')")
    assert account.rows("SELECT id FROM filters WHERE id IN (5, 7)") == []
    assert "operators" in call(account, "filter_helpers()")


def test_a_rollback_names_all_that_a_function_has_deleted(account: LiveAccount) -> None:
    products = "SELECT id FROM deal_products WHERE deal_id = 3"
    account.run(
        "INSERT INTO deal_products (deal_id, product_id, item_price, quantity) "
        "SELECT 3, 1, 5, 1 FROM generate_series(1, 2) i"
    )
    keys = [key for (key,) in account.rows(f"{products} ORDER BY id")]
    notices: list[str] = []
    account.connection.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
    account.run("BEGIN")
    call(account, "delete_filters('{2,3,6}')")
    call(account, f"delete_deal_products(3, '{{{','.join(map(str, keys))}}}')")
    account.run("ROLLBACK")
    assert account.rows(products) == []
    (told,) = notices
    assert f"{3 + len(keys)} rows are written in Pipedrive for good: DELETE /v1/filters 2, 3, 6; " in told
    assert re.fullmatch(r".*; DELETE /v2/deals/3/products [-, 0-9]+\.", told)
    assert all(str(key) in told for key in (keys[0], keys[-1]))


def test_teams_are_written_and_their_users_too(account: LiveAccount) -> None:
    account.run("INSERT INTO legacy_teams (name, manager_id, users) VALUES ('New', 1, '{1,2}')")
    team = account.value("SELECT max(id) FROM legacy_teams")
    account.run(f"INSERT INTO legacy_team_users (team_id, user_id) VALUES ({team}, 3)")
    assert account.requests()[-1]["body"] == {"users": [3]}
    account.run(f"DELETE FROM legacy_team_users WHERE team_id = {team} AND user_id = 1")
    assert account.value(f"SELECT users FROM legacy_teams WHERE id = {team}") == [2, 3]
    account.run(f"UPDATE legacy_teams SET deleted_flag = true WHERE id = {team}")
    assert account.value(f"SELECT deleted_flag FROM legacy_teams WHERE id = {team}") is True


CONTENT = bytes(range(256)) * 4


def kept(account: LiveAccount, table: str, field: str, key: Any) -> bytes:
    """What the simulator keeps of an upload."""
    record = account.simulator.account[table].get(key)
    assert record is not None
    return str(record[field]).encode("latin-1")


def test_a_picture_is_uploaded_byte_for_byte_and_taken_away(account: LiveAccount) -> None:
    account.run(
        "INSERT INTO person_pictures (person_id, content, crop_x, crop_width) "
        f"VALUES (4, '\\x{CONTENT.hex()}', 1, 9)"
    )
    assert kept(account, "persons", "_picture", 4) == CONTENT
    assert account.value("SELECT pictures ->> '128' FROM person_pictures WHERE person_id = 4") is not None
    assert account.rows("SELECT content FROM person_pictures WHERE person_id = 4") == [(CONTENT,)]
    account.run("DELETE FROM person_pictures WHERE person_id = 4")
    assert account.rows("SELECT id FROM person_pictures WHERE person_id = 4") == []


def test_an_image_is_uploaded_replaced_and_taken_away(account: LiveAccount) -> None:
    account.run(f"INSERT INTO product_images (product_id, content) VALUES (3, '\\x{CONTENT.hex()}')")
    assert kept(account, "product_images", "_content", 3) == CONTENT
    assert account.rows("SELECT content FROM product_images WHERE product_id = 3") == [(CONTENT,)]
    account.run("UPDATE product_images SET content = 'other'::bytea WHERE product_id = 3")
    assert account.rows("SELECT content FROM product_images WHERE product_id = 3") == [(b"other",)]
    assert kept(account, "product_images", "_content", 3) == b"other"
    account.run("DELETE FROM product_images WHERE product_id = 3")
    assert account.rows("SELECT id FROM product_images WHERE product_id = 3") == []


def test_a_recording_reaches_its_call(account: LiveAccount) -> None:
    key = account.value("SELECT id FROM call_logs WHERE NOT has_recording LIMIT 1")
    call(account, f"add_call_recording('{key}', '\\x{CONTENT.hex()}', 'call ü.mp3')")
    assert kept(account, "call_logs", "_recording", key) == CONTENT
    assert account.value(f"SELECT has_recording FROM call_logs WHERE id = '{key}'") is True
    account.simulator.reset()
    with pytest.raises(psycopg.Error, match="the file file cannot be sent"):
        call(account, f"add_call_recording('{key}', 'x', 'a\"b.mp3')")
    assert account.requests() == []


def test_a_remote_file_is_made_by_a_form(account: LiveAccount) -> None:
    made = call(account, "add_remote_file('gdoc', 'Ünï & co', 'deal', 7)")
    assert (made["name"], made["deal_id"], made["remote_location"]) == ("Ünï & co", 7, "googledrive")


def test_a_request_sends_forms_and_files(account: LiveAccount) -> None:
    body = "jsonb_build_object('deal_id', 7, 'file', jsonb_build_object('file_name', 'a.bin', 'content', {}))"
    encoded = f"encode('\\x{CONTENT.hex()}'::bytea, 'base64')"
    sent = f"request('POST', '/v1/files', body => {body.format(encoded)}, encoding => 'multipart')"
    key = call(account, sent)["id"]
    assert kept(account, "files", "_content", key) == CONTENT
    changed = f"request('PUT', '/v1/files/{key}', body => '{{\"name\": \"b & c\"}}', encoding => 'form')"
    assert call(account, changed)["name"] == "b & c"


def test_a_request_sends_lists_and_gives_any_answer(account: LiveAccount) -> None:
    code = account.value(
        "SELECT field_code FROM deal_fields WHERE field_type = 'enum' AND is_custom_field LIMIT 1"
    )
    path = f"/v2/dealFields/{code}/options"
    (made,) = call(account, f"""request('POST', '{path}', body => '[{{"label": "Ünï"}}]')""")
    assert (made["label"], account.requests()[0]["body"]) == ("Ünï", [{"label": "Ünï"}])
    body = f"""body => '[{{"id": {made["id"]}}}]'"""
    assert json.loads(bytes(call(account, f"request_bytes('DELETE', '{path}', {body})")))["success"] is True
    assert account.requests()[0]["body"] == [{"id": made["id"]}]
    whole = json.loads(bytes(call(account, "request_bytes('GET', '/v2/stages', '{\"pipeline_id\": 1}')")))
    assert whole["data"] == call(account, "request('GET', '/v2/stages', '{\"pipeline_id\": 1}')")
    assert "operators" in call(account, "request('GET', '/v1/filters/helpers')")  # no envelope


@pytest.mark.parametrize("function", ["request", "request_bytes"])
def test_a_function_does_not_write_in_a_read_only_transaction(account: LiveAccount, function: str) -> None:
    account.run("BEGIN READ ONLY")
    try:
        assert call(account, "request('GET', '/v2/stages/1')")["id"] == 1
        account.simulator.reset()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as caught:
            call(account, f"""{function}('PATCH', '/v2/stages/1', body => '{{"name": "New"}}')""")
    finally:
        account.run("ROLLBACK")
    assert caught.value.diag.message_primary == (
        "pipedrive write: PATCH /stages/1 is not possible in a read-only transaction"
    )
    assert caught.value.diag.message_hint == "Use a transaction that is READ WRITE, on the primary server."
    assert account.requests() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("body => '{}', encoding => 'xml'", "is not an encoding of a body"),
        ("body => '[1]', encoding => 'form'", "a body that is sent as form must be a jsonb object"),
        (
            """body => '{"file": {"file_name": "a", "content": "!"}}', encoding => 'multipart'""",
            "the file file cannot be sent",
        ),
    ],
)
def test_a_body_that_cannot_be_sent_is_refused(account: LiveAccount, arguments: str, message: str) -> None:
    with pytest.raises(psycopg.Error, match=message):
        call(account, f"request('POST', '/v1/files', {arguments})")
    assert account.requests() == []


def test_five_megabytes_are_written_and_read_back(account: LiveAccount) -> None:
    """From the storage, to which no credential goes: it refuses a request with one."""
    made = account.rows(
        "INSERT INTO files (deal_id, file_name, content) SELECT 7, 'big.bin', "
        "decode(string_agg(md5(n::text), ''), 'hex') FROM generate_series(1, 327680) n RETURNING id"
    )
    key = made[0][0]
    assert len(kept(account, "files", "_content", key)) == 5 * 1024 * 1024
    account.simulator.reset()
    same = (
        f"SELECT md5(pipedrive.file_content({key}, server => '{account.name}')) = "
        "md5(decode(string_agg(md5(n::text), ''), 'hex')) FROM generate_series(1, 327680) n"
    )
    assert account.value(same) is True
    assert [r["tokens"] for r in account.requests()] in ([20], [20, 0])


@pytest.mark.parametrize("key", [5, 6])
def test_a_file_is_read_from_here_and_from_elsewhere(account: LiveAccount, key: int) -> None:
    wanted = kept(account, "files", "_content", key)
    assert bytes(call(account, f"file_content({key})")) == wanted != b""
    assert [r["status"] for r in account.requests()] == ([200] if key == 5 else [302, 200])
    assert bytes(call(account, f"request_bytes('GET', '/v1/files/{key}/download')")) == wanted


@pytest.mark.parametrize(
    "location", ["http://elsewhere.example/7", "file:///etc/passwd", "https://a@b.example/7", ""]
)
def test_a_file_is_not_asked_for_at_an_unsafe_address(account: LiveAccount, location: str) -> None:
    fault = {
        "match": "/files/6/download",
        "action": "status",
        "status": 302,
        "headers": {"location": location},
    }
    account.simulator.reset()
    account.simulator.faults([fault])
    try:
        with pytest.raises(
            psycopg.Error,
            match="gives for a file cannot be used|status 302|does not",
        ):
            account.value(f"SELECT pipedrive.file_content(6, server => '{account.name}')")
        assert len(account.requests()) <= 2
    finally:
        account.simulator.faults([])


def test_a_file_that_there_is_not_is_an_error(account: LiveAccount) -> None:
    with pytest.raises(psycopg.Error, match="404"):
        call(account, "file_content(999999)")


@pytest.mark.parametrize(
    ("body", "times"),
    [
        (b"a file, and no JSON", 1),
        (b"\x00\xff\x89PNG", 1),
        (b"<html>a page</html>", 1),
        (b"[1, 2]", 1),
        (b'{"success": true, "da', 4),
        (b"null", 4),
    ],
)
def test_a_whole_answer_that_is_no_json_is_asked_for_once(
    account: LiveAccount, body: bytes, times: int
) -> None:
    """What begins as JSON, or is empty, may have been cut on its way."""
    account.simulator.reset()
    account.simulator.account["files"].get(5)["_content"] = body.decode("latin-1")
    with pytest.raises(psycopg.Error, match="pipedrive protocol: "):
        call(account, "request('GET', '/v1/files/5/download')")
    assert [(r["status"], r["tokens"]) for r in account.requests()] == [(200, 20)] * times
    assert bytes(call(account, "request_bytes('GET', '/v1/files/5/download')")) == body
