"""CREATE EXTENSION pipedrive_fdw: functions over the API, connect, describe, foreign_keys, COPY, roles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from pipedrive_fdw.catalog import TABLES
from tests.e2e.extension import TOKEN, Extended
from tests.simulator import Simulator
from tools.engine import Server


def test_connect_makes_every_table(extended: Extended) -> None:
    assert extended.value(
        "SELECT count(*) FROM pipedrive.foreign_tables() WHERE table_schema = 'pipedrive'"
    ) == len(TABLES)
    assert extended.value("SELECT count(*) FROM pipedrive.stages") == len(
        extended.simulator.records("stages")
    )


@pytest.mark.parametrize("arguments", ["role_id => 2, user_id => 3", "2, 3", "user_id => 3, role_id => 2"])
def test_roles_are_given_and_taken_by_name_and_by_position(extended: Extended, arguments: str) -> None:
    given = extended.value(f"SELECT pipedrive.add_role_assignments({arguments})")
    taken = extended.value(f"SELECT pipedrive.delete_role_assignments({arguments})")
    assert extended.sent() == [
        ("POST", "/api/v1/roles/2/assignments", {"user_id": 3}),
        ("DELETE", "/api/v1/roles/2/assignments", {"user_id": 3}),
    ]
    assert (given["user_id"], given["role_id"]) == (3, 2)
    assert isinstance(taken, dict)


PAYMENTS = """'[{"amount": 10, "description": "first", "due_at": "2027-01-31"}]'"""
PAYMENT = {"amount": 10, "description": "first", "due_at": "2027-01-31"}


@pytest.mark.parametrize(
    ("call", "verb", "path", "body"),
    [
        (
            f"add_installment_subscription({{deal}}, 'EUR', {PAYMENTS})",
            "POST",
            "/installment",
            {"currency": "EUR", "payments": [PAYMENT]},
        ),
        (
            f"add_installment_subscription({{deal}}, 'EUR', {PAYMENTS}, true)",
            "POST",
            "/installment",
            {"currency": "EUR", "payments": [PAYMENT], "update_deal_value": True},
        ),
        (
            f"add_installment_subscription(deal_id => {{deal}}, currency => 'EUR', payments => {PAYMENTS})",
            "POST",
            "/installment",
            {"currency": "EUR", "payments": [PAYMENT]},
        ),
        (
            f"add_installment_subscription(update_deal_value => false, payments => {PAYMENTS}, "
            "deal_id => {deal}, currency => 'EUR')",
            "POST",
            "/installment",
            {"currency": "EUR", "payments": [PAYMENT], "update_deal_value": False},
        ),
        (
            f"update_installment_subscription({{installment}}, {PAYMENTS})",
            "PUT",
            "/installment/{installment}",
            {"id": "{installment}", "payments": [PAYMENT]},
        ),
        (
            f"update_installment_subscription({{installment}}, {PAYMENTS}, true)",
            "PUT",
            "/installment/{installment}",
            {"id": "{installment}", "payments": [PAYMENT], "update_deal_value": True},
        ),
        (
            f"update_installment_subscription(subscription_id => {{installment}}, payments => {PAYMENTS})",
            "PUT",
            "/installment/{installment}",
            {"id": "{installment}", "payments": [PAYMENT]},
        ),
        (
            f"update_installment_subscription(update_deal_value => false, payments => {PAYMENTS}, "
            "subscription_id => {installment})",
            "PUT",
            "/installment/{installment}",
            {"id": "{installment}", "payments": [PAYMENT], "update_deal_value": False},
        ),
        (
            "cancel_recurring_subscription({recurring})",
            "PUT",
            "/recurring/{recurring}/cancel",
            {"id": "{recurring}"},
        ),
        (
            "cancel_recurring_subscription({recurring}, '2027-03-01')",
            "PUT",
            "/recurring/{recurring}/cancel",
            {"id": "{recurring}", "end_date": "2027-03-01"},
        ),
        (
            "cancel_recurring_subscription(subscription_id => {recurring})",
            "PUT",
            "/recurring/{recurring}/cancel",
            {"id": "{recurring}"},
        ),
        (
            "cancel_recurring_subscription(end_date => '2027-03-01', subscription_id => {recurring})",
            "PUT",
            "/recurring/{recurring}/cancel",
            {"id": "{recurring}", "end_date": "2027-03-01"},
        ),
    ],
)
def test_subscriptions_with_and_without_optional_arguments(
    extended: Extended, call: str, verb: str, path: str, body: dict[str, Any]
) -> None:
    extended.simulator.configure({"subscriptions": True})
    deals = [
        extended.value("INSERT INTO pipedrive.deals (title) VALUES ('to subscribe') RETURNING id")
        for _ in range(3)
    ]
    installment, recurring = (
        extended.value(
            f"""SELECT pipedrive.request('POST', '/v1/subscriptions/{kind}', body => '{{"deal_id": {deal},
                "currency": "EUR", {more}}}') ->> 'id'"""
        )
        for kind, deal, more in (
            ("installment", deals[0], '"payments": []'),
            (
                "recurring",
                deals[1],
                '"cadence_type": "monthly", "cycle_amount": 5, "start_date": "2027-01-01", "infinite": true',
            ),
        )
    )
    keys = {"deal": deals[2], "installment": installment, "recurring": recurring}
    extended.simulator.reset()
    extended.value(f"SELECT pipedrive.{_filled(call, keys)}")
    own = {"deal_id": deals[2]} if verb == "POST" else {"id": int(_filled(body["id"], keys))}
    body = {**body, **own}
    assert extended.sent() == [(verb, f"/api/v1/subscriptions{_filled(path, keys)}", body)]


def _filled(text: str, keys: dict[str, Any]) -> str:
    for name, value in keys.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def test_subscriptions_by_name_and_by_position(extended: Extended) -> None:
    extended.simulator.configure({"subscriptions": True})
    payments = """'[{"amount": 10, "description": "first", "due_at": "2027-01-31"}]'"""
    made = extended.value(
        "SELECT pipedrive.add_installment_subscription(deal_id => 1, currency => 'EUR', "
        f"payments => {payments}, update_deal_value => true)"
    )
    by_position = extended.value(f"SELECT pipedrive.add_installment_subscription(2, 'EUR', {payments})")
    changed = extended.value(
        f"SELECT pipedrive.update_installment_subscription({made['id']}, {payments}, false)"
    )
    extended.value(f"SELECT pipedrive.update_installment_subscription({by_position['id']}, {payments})")
    assert changed["id"] == made["id"]
    recurring = extended.value(
        """SELECT pipedrive.request('POST', '/v1/subscriptions/recurring', body => '{"deal_id": 3,
           "currency": "EUR", "cadence_type": "monthly", "cycle_amount": 5, "start_date": "2027-01-01",
           "infinite": true}')"""
    )
    extended.simulator.reset()
    ended = extended.value(
        f"SELECT pipedrive.cancel_recurring_subscription({recurring['id']}, end_date => '2027-03-01')"
    )
    path = f"/api/v1/subscriptions/recurring/{recurring['id']}/cancel"
    assert extended.sent() == [("PUT", path, {"id": recurring["id"], "end_date": "2027-03-01"})]
    assert (ended["id"], ended["end_date"]) == (recurring["id"], "2027-03-01")


@pytest.mark.parametrize(
    "call",
    [
        "add_installment_subscription(1, 'EUR', '[]')",
        "update_installment_subscription(1, '[]')",
        "cancel_recurring_subscription(1)",
    ],
)
def test_subscriptions_where_the_api_is_gone(extended: Extended, call: str) -> None:
    extended.simulator.configure({"subscriptions": False})
    with pytest.raises(psycopg.Error, match="Pipedrive removed the Subscriptions API in 2025"):
        extended.run(f"SELECT pipedrive.{call}")


def test_installments_are_added_one_by_one(extended: Extended) -> None:
    deal = extended.value("INSERT INTO pipedrive.deals (title, value) VALUES ('in parts', 20) RETURNING id")
    extended.run(
        "INSERT INTO pipedrive.deal_products (deal_id, product_id, item_price, quantity) "
        f"SELECT {deal}, min(id), 20, 1 FROM pipedrive.products WHERE billing_frequency = 'one-time'"
    )
    made = extended.value(
        f"""SELECT pipedrive.add_deal_installments({deal}, '[
            {{"description": "one", "amount": 5, "billing_date": "2027-01-31"}},
            {{"description": "two", "amount": 6.5, "billing_date": "2027-02-28"}}]')"""
    )
    assert [(i["description"], i["amount"], i["billing_date"]) for i in made] == [
        ("one", 5, "2027-01-31"),
        ("two", 6.5, "2027-02-28"),
    ]


@pytest.mark.parametrize(
    ("installments", "words"),
    [
        ('{"description": "x", "amuont": 5, "billing_date": "2027-02-01"}', 'has no key "amuont"'),
        ('{"description": "x", "amount": "5", "billing_date": "2027-02-01"}', "must be a number"),
        ('{"description": "x", "amount": 5}', 'lacks the key "billing_date"'),
        ('{"description": "x", "amount": 5, "billing_date": "1.2.2027"}', "must be a date like 2026-01-31"),
        ("5", "must be an object"),
    ],
)
def test_no_installment_is_added_where_one_cannot_be(
    extended: Extended, installments: str, words: str
) -> None:
    good = '{"description": "one", "amount": 5, "billing_date": "2027-01-31"}'
    with pytest.raises(psycopg.Error, match=words) as caught:
        extended.run(f"SELECT pipedrive.add_deal_installments(1, '[{good}, {installments}]')")
    assert "installments[1]" in str(caught.value.diag.message_detail)
    assert extended.sent() == []


def test_what_was_not_sent_of_several_installments_is_told(extended: Extended) -> None:
    each = '{"description": "x", "amount": 5, "billing_date": "2027-01-31"}'
    deal = extended.value("SELECT min(deal_id) FROM pipedrive.deal_installments")
    extended.simulator.reset()
    extended.simulator.faults(
        [{"match": "/installments$", "method": "POST", "action": "status", "status": 400, "skip": 1}]
    )
    with pytest.raises(psycopg.Error, match="refuses the request") as caught:
        extended.run(f"SELECT pipedrive.add_deal_installments({deal}, '[{each}, {each}, {each}, {each}]')")
    detail = str(caught.value.diag.message_detail)
    assert f"1 row is written in Pipedrive for good: POST /v2/deals/{deal}/installments " in detail
    assert detail.endswith(". 2 more were not sent.")
    assert len(extended.sent()) == 2


@pytest.mark.parametrize(
    "call", ["add_installment_subscription(1, 'EUR', {})", "update_installment_subscription(1, {})"]
)
def test_payments_are_checked_before_they_are_sent(extended: Extended, call: str) -> None:
    payments = """'[{"amount": 10, "description": "first", "due": "2027-01-31"}]'"""
    with pytest.raises(psycopg.Error) as caught:
        extended.run(f"SELECT pipedrive.{call.format(payments)}")
    assert 'has no key "due"' in str(caught.value)
    assert caught.value.diag.message_hint == (
        'Did you mean "due_at"? Valid keys: amount, description, due_at.'
    )
    assert extended.sent() == []


def test_conversions_are_waited_for(extended: Extended) -> None:
    lead = extended.value("SELECT id FROM pipedrive.leads WHERE NOT is_archived LIMIT 1")
    answer = extended.value(f"SELECT pipedrive.convert_lead('{lead}')")
    assert answer["status"] == "completed"
    assert extended.value(f"SELECT count(*) FROM pipedrive.deals WHERE id = {answer['deal_id']}") == 1
    back = extended.value(f"SELECT pipedrive.convert_deal({answer['deal_id']})")
    assert back["status"] == "completed"
    assert extended.value(f"SELECT count(*) FROM pipedrive.leads WHERE id = '{back['lead_id']}'") == 1


@pytest.mark.parametrize("data", [None, {}, [], {"conversion_id": None}])
def test_a_conversion_that_has_no_id_was_sent(extended: Extended, data: Any) -> None:
    lead = extended.value("SELECT id FROM pipedrive.leads WHERE NOT is_archived LIMIT 1")
    body = {"success": True, "data": data}
    extended.simulator.faults([{"match": "/convert/", "action": "status", "status": 200, "body": body}])
    for call in (f"convert_lead('{lead}')", "convert_deal(1)"):
        with pytest.raises(psycopg.Error, match="does not tell how far the conversion is") as caught:
            extended.run(f"SELECT pipedrive.{call}")
        assert caught.value.sqlstate == "08P01"
        assert "Look whether the record was converted" in (caught.value.diag.message_hint or "")
    extended.simulator.faults([])


@pytest.mark.parametrize("data", [None, {}, [], {"status": None}])
def test_a_conversion_of_which_nothing_is_told_is_not_waited_for_for_ever(
    extended: Extended, data: Any
) -> None:
    lead = extended.value("SELECT id FROM pipedrive.leads WHERE NOT is_archived LIMIT 1")
    body = {"success": True, "data": data}
    extended.simulator.faults([{"match": "/status/", "action": "status", "status": 200, "body": body}])
    extended.run("SET statement_timeout = '20s'")
    with pytest.raises(psycopg.Error, match="does not tell how far the conversion is") as caught:
        extended.run(f"SELECT pipedrive.convert_lead('{lead}')")
    assert caught.value.sqlstate == "08P01"


@pytest.mark.parametrize("table", ["deals", "persons", "organizations"])
def test_merges(extended: Extended, table: str) -> None:
    one, other = (
        row[0] for row in extended.rows(f"SELECT id FROM pipedrive.{table} ORDER BY id DESC LIMIT 2")
    )
    merged = extended.value(f"SELECT pipedrive.merge_{table}(id => {one}, merge_with_id => {other})")
    assert merged["id"] == other
    assert extended.sent()[-1] == ("PUT", f"/api/v1/{table}/{one}/merge", {"merge_with_id": other})


def test_duplicates(extended: Extended) -> None:
    assert extended.value("SELECT pipedrive.duplicate_deal(1)")["id"] != 1
    assert extended.value("SELECT pipedrive.duplicate_product(1)")["id"] != 1
    assert extended.sent() == [
        ("POST", "/api/v1/deals/1/duplicate", None),
        ("POST", "/api/v2/products/1/duplicate", None),
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(pipedrive.duplicate_deal(id)) FROM pipedrive.deals",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT id FROM pipedrive.deals LOOP "
        "PERFORM pipedrive.request('POST', format('/v1/deals/%s/duplicate', r.id)); END LOOP; END $$",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT FROM pipedrive.deals LOOP "
        """PERFORM pipedrive.request('POST', '/v2/deals', body => '{"title": "Made in a loop"}'); """
        "END LOOP; END $$",
    ],
    ids=["a query", "a loop", "any request"],
)
def test_what_a_loop_over_records_makes_by_a_function_is_not_met_by_it(extended: Extended, sql: str) -> None:
    before = extended.value("SELECT count(*) FROM pipedrive.deals")
    extended.run("ALTER FOREIGN TABLE pipedrive.deals OPTIONS (ADD page_size '10')")
    try:
        extended.simulator.reset()
        extended.run(sql)
    finally:
        extended.run("ALTER FOREIGN TABLE pipedrive.deals OPTIONS (DROP page_size)")
    assert len([method for method, _, _ in extended.sent() if method == "POST"]) == before
    assert extended.value("SELECT count(*) FROM pipedrive.deals") == 2 * before


def test_search_and_any_request(extended: Extended) -> None:
    extended.run("INSERT INTO pipedrive.deals (title) VALUES ('Lighthouse renewal')")
    found = extended.value("SELECT pipedrive.search('lighthouse', 'deal')")
    assert "Lighthouse renewal" in [item["item"]["title"] for item in found["items"]]
    extended.simulator.reset()
    stages = extended.value(
        """SELECT pipedrive.request('get', '/v2/stages',
                                    query => '{"pipeline_id": 1, "sort_by": "order_nr", "cursor": null}')"""
    )
    assert {stage["pipeline_id"] for stage in stages} == {1}
    assert extended.simulator.requests()[0]["query"] == {"pipeline_id": "1", "sort_by": "order_nr"}


def test_a_search_reads_every_page(extended: Extended) -> None:
    deals = extended.simulator.account["deals"]
    like = deals.get(1)
    for number in range(90_000, 90_250):
        deals.put({**like, "id": number, "title": f"Haystack {number}"})
    titles = extended.rows(
        "SELECT found #>> '{item,title}' FROM jsonb_array_elements("
        "pipedrive.search('haystack', 'deal') -> 'items') AS found"
    )
    assert sorted(title for (title,) in titles) == [f"Haystack {n}" for n in range(90_000, 90_250)]
    asked = extended.simulator.requests()
    assert [(r["query"]["limit"], "cursor" in r["query"]) for r in asked] == [
        ("100", False),
        ("100", True),
        ("100", True),
    ]
    first = extended.value("SELECT pipedrive.request('GET', '/v2/itemSearch', '{\"term\": \"haystack\"}')")
    assert len(first["items"]) == 100
    extended.run("SET pipedrive.max_tokens_per_query = 59")
    try:
        with pytest.raises(psycopg.Error, match="would spend more than 59 API tokens"):
            extended.run("SELECT pipedrive.search('haystack', 'deal')")
    finally:
        extended.run("RESET pipedrive.max_tokens_per_query")
    assert set(first) == set(extended.value("SELECT pipedrive.search('nothing like it')"))


def test_functions_make_no_table(extended: Extended) -> None:
    before = extended.value("SELECT count(*) FROM pg_class")
    extended.run("SELECT pipedrive.search('anything'), pipedrive.describe()")
    assert extended.value("SELECT count(*) FROM pg_class") == before


@pytest.mark.parametrize(
    ("call", "words", "sqlstate"),
    [
        ("request('GET', 'https://elsewhere.example/v2/deals')", "is not a path of the API", "22000"),
        ("request('GET', '/v2/deals/../users')", "is not a path of the API", "22000"),
        ("request('GET', '/v2/deals?limit=1')", "is not a path of the API", "22000"),
        ("request('GET', '/deals')", "DETAIL: +It does not begin with /v1/", "22000"),
        ("request('TRACE', '/v2/deals')", "'TRACE' is not a method", "22000"),
        ("request('GET', '/v2/deals', '[1]')", "query must be a jsonb object", "22000"),
        ("request('GET', '/v2/deals', '{\"limit\": 1e999}')", "query cannot be sent", "22000"),
        ("request('POST', '/v2/deals', body => '[1.00000000000000000001]')", "body cannot be sent", "22000"),
        ("add_deal_installments(1, '{}')", "installments must be a list, and is {}", "22000"),
        ("add_deal_installments(1, 'null')", "installments must be a list, and is null", "22000"),
        ("add_installment_subscription(1, 'EUR', 'null')", "payments must be a list, and is null", "22000"),
        ("update_installment_subscription(1, 'null')", "payments must be a list, and is null", "22000"),
        ("cancel_recurring_subscription(1, 'infinity')", "end_date must be a date", "22000"),
        ("add_role_assignments(2, NULL)", "add_role_assignments needs role_id, user_id", "22004"),
        ("duplicate_deal(1, server => 'nowhere')", 'there is no server "nowhere"', "42704"),
        ("duplicate_deal(123456789)", "404", "HV000"),
        ("refresh_columns('pg_class')", "pg_class is not a foreign table of Pipedrive", "42809"),
        ("describe('public')", 'schema "public" has no table of Pipedrive', "42P01"),
    ],
)
def test_errors_of_functions(extended: Extended, call: str, words: str, sqlstate: str) -> None:
    with pytest.raises(psycopg.Error, match=words) as caught:
        extended.run(f"SELECT pipedrive.{call}")
    assert caught.value.sqlstate == sqlstate


def test_a_rollback_names_what_functions_have_sent(extended: Extended) -> None:
    notices: list[str] = []
    with extended.connect() as connection:
        connection.autocommit = False
        connection.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        row = connection.execute("SELECT pipedrive.duplicate_deal(1)").fetchone()
        assert row is not None
        connection.rollback()
    assert len(notices) == 1
    assert f"POST /v1/deals/1/duplicate {row[0]['id']}" in notices[0]


def test_several_servers_need_a_name(extended: Extended) -> None:
    url = extended.simulator.url
    extended.run(
        f"SELECT pipedrive.connect(base_url => '{url}', api_token => $${TOKEN}$$, "
        "server => 'other', schema => 'Other one')"
    )
    try:
        with pytest.raises(psycopg.Error, match="several servers of Pipedrive: other, pipedrive"):
            extended.run("SELECT pipedrive.search('anything')")
        assert extended.value("SELECT pipedrive.search('anything', server => 'other')") is not None
        assert extended.value('SELECT count(*) FROM "Other one".stages') > 0
        assert extended.value("SELECT pipedrive.describe('Other one')") > 1000
    finally:
        extended.run('DROP SERVER other CASCADE; DROP SCHEMA "Other one"')


def test_connect_without_an_address_says_what_is_missing(extended: Extended) -> None:
    with pytest.raises(psycopg.errors.FdwInvalidOptionName, match="the server names no Pipedrive account"):
        extended.run("SELECT pipedrive.connect(api_token => 'x', server => 'other', schema => 'other')")
    assert extended.value("SELECT count(*) FROM pg_foreign_server WHERE srvname = 'other'") == 0


@pytest.mark.parametrize(
    ("token", "schema", "words"),
    [("wrong", "other", "the API token is not accepted"), (TOKEN, "pipedrive", '"deals" already exists')],
)
def test_connect_that_fails_at_the_import_says_that_it_created_nothing(
    extended: Extended, token: str, schema: str, words: str
) -> None:
    """No ALTER USER MAPPING, which the hint of a wrong token names, could help."""
    with pytest.raises(psycopg.Error, match=words) as caught:
        extended.run(
            f"SELECT pipedrive.connect(base_url => '{extended.simulator.url}', api_token => $${token}$$, "
            f"server => 'other', schema => '{schema}')"
        )
    diag = caught.value.diag
    assert (diag.message_hint or "").endswith(
        "Nothing was created. Correct this and call pipedrive.connect again."
    )
    assert token not in f"{diag.message_detail}{diag.message_hint}{diag.context}"
    assert extended.value("SELECT count(*) FROM pg_foreign_server WHERE srvname = 'other'") == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("server => NULL", "connect needs server, schema"),
        ("schema => NULL", "connect needs server, schema"),
        ("server_options => '[]'", "server_options must be a jsonb object"),
        ("server_options => 'null'", "server_options must be a jsonb object"),
        ("mapping_options => '\"x\"'", "mapping_options must be a jsonb object"),
    ],
)
def test_connect_names_the_argument_that_it_cannot_use(extended: Extended, given: str, words: str) -> None:
    others = "".join(f", {name} => 'other'" for name in ("server", "schema") if name not in given.split()[0])
    with pytest.raises(psycopg.Error, match=words):
        extended.run(f"SELECT pipedrive.connect(company_domain => 'acme', api_token => 'x', {given}{others})")


def test_connect_takes_options_that_are_null_for_none(extended: Extended) -> None:
    try:
        extended.run(
            f"SELECT pipedrive.connect(base_url => '{extended.simulator.url}', api_token => $${TOKEN}$$, "
            "server => 'other', schema => 'other', server_options => NULL, mapping_options => NULL)"
        )
        assert extended.value("SELECT count(*) FROM other.stages") > 0
    finally:
        extended.run("DROP SERVER IF EXISTS other CASCADE; DROP SCHEMA IF EXISTS other")


def test_nobody_else_may_call_a_function_until_granted(extended: Extended) -> None:
    extended.run("DROP ROLE IF EXISTS caller; CREATE ROLE caller; GRANT USAGE ON SCHEMA pipedrive TO caller")
    open_to_all = extended.rows(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'pipedrive'::regnamespace "
        "AND has_function_privilege('caller', oid, 'EXECUTE') ORDER BY 1"
    )
    assert open_to_all == [("foreign_keys",), ("foreign_tables",)]  # they tell what the catalogue tells
    try:
        extended.run("SET ROLE caller")
        with pytest.raises(psycopg.Error, match="permission denied for function duplicate_deal"):
            extended.run("SELECT pipedrive.duplicate_deal(1)")
        extended.run(
            "RESET ROLE; GRANT EXECUTE ON FUNCTION pipedrive.duplicate_deal TO caller; SET ROLE caller"
        )
        with pytest.raises(psycopg.Error, match="there is no server of Pipedrive"):
            extended.run("SELECT pipedrive.duplicate_deal(1)")
        extended.run(
            "RESET ROLE; GRANT USAGE ON FOREIGN SERVER pipedrive TO caller; CREATE "
            f"USER MAPPING FOR caller SERVER pipedrive OPTIONS (api_token $${TOKEN}$$); SET ROLE caller"
        )
        assert extended.value("SELECT pipedrive.duplicate_deal(1)")["id"] > 1
        with pytest.raises(psycopg.Error, match="permission denied for function duplicate_product"):
            extended.run("SELECT pipedrive.duplicate_product(1)")
    finally:
        extended.run(
            "RESET ROLE; DROP OWNED BY caller; DROP USER MAPPING IF EXISTS FOR caller SERVER pipedrive"
        )
        extended.run("DROP ROLE caller")


def test_functions_and_views_have_comments(extended: Extended) -> None:
    silent = extended.rows(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'pipedrive'::regnamespace "
        "AND obj_description(oid, 'pg_proc') IS NULL UNION ALL SELECT relname FROM pg_class "
        "WHERE relnamespace = 'pipedrive'::regnamespace AND relkind = 'v' "
        "AND obj_description(oid, 'pg_class') IS NULL"
    )
    assert silent == []


def test_describe_comments_every_table_and_column(extended: Extended) -> None:
    number = extended.value("SELECT pipedrive.describe()")
    assert extended.sent() == []
    silent = extended.value(
        "SELECT count(*) FROM pipedrive.foreign_tables() t JOIN pg_attribute a ON a.attrelid = t.relation "
        "WHERE a.attnum > 0 AND t.table_schema = 'pipedrive' "
        "AND col_description(a.attrelid, a.attnum) IS NULL"
    )
    assert (silent, number > 1000) == (0, True)
    assert extended.value("SELECT obj_description('pipedrive.stages'::regclass)") == (
        "Stages of the pipelines. Read by `GET /v2/stages`, 5 tokens a page of 500. Scope admin "
        "or deals:full or deals:read."
    )
    said = extended.value(
        "SELECT col_description(attrelid, attnum) FROM pg_attribute "
        "WHERE attrelid = 'pipedrive.deals'::regclass AND attname = 'status'"
    )
    assert said.startswith("open, won or lost. ")  # values as they are compared


def test_foreign_keys_follow_the_tables_that_there_are(extended: Extended) -> None:
    found = extended.rows(
        "SELECT column_name, referenced_table, referenced_column FROM pipedrive.foreign_keys() "
        "WHERE table_schema = 'pipedrive' AND table_name = 'stages'"
    )
    assert found == [("pipeline_id", "pipelines", "id")]
    custom = extended.rows(
        "SELECT DISTINCT referenced_table FROM pipedrive.foreign_keys() k JOIN pipedrive.foreign_tables() t "
        "USING (table_schema, table_name) JOIN pg_attribute a ON a.attrelid = t.relation "
        "AND a.attname = k.column_name AND array_to_string(a.attfdwoptions, ',') LIKE '%field=%' ORDER BY 1"
    )
    assert custom == [("organizations",), ("persons",), ("users",)]


# ---- rows that arrive without a plan


COPY_HINT = "COPY into a temporary table, then INSERT INTO persons SELECT from it."


def test_copy_is_refused_and_the_server_goes_on(extended: Extended) -> None:
    pid = extended.value("SELECT pg_backend_pid()")
    cursor = extended.connection.cursor()
    with (
        pytest.raises(
            psycopg.errors.FeatureNotSupported, match="COPY into persons is not possible"
        ) as caught,
        cursor.copy("COPY pipedrive.persons (name) FROM STDIN") as copy,
    ):
        copy.write("Anna\nBerta\n")
    assert caught.value.diag.message_hint == COPY_HINT
    assert extended.value("SELECT pg_backend_pid()") == pid
    assert extended.sent() == []
    assert extended.rows("INSERT INTO pipedrive.persons (name) VALUES ('Anna') RETURNING name") == [("Anna",)]


@pytest.mark.parametrize("trigger", ["no", "BEFORE", "AFTER"])
@pytest.mark.parametrize(
    "copy",
    [
        "COPY {} (name) FROM PROGRAM 'echo Anna'",
        "COPY {} FROM PROGRAM 'true'",
        "COPY {} (name) FROM PROGRAM 'echo Anna' WHERE name > 'B'",
        "DO $$ BEGIN EXECUTE 'COPY {} (name) FROM PROGRAM ''echo Anna'''; END $$",
    ],
)
def test_copy_is_refused_in_every_form(extended: Extended, copy: str, trigger: str) -> None:
    """Without a row, too, and with triggers of the table's own."""
    extended.run(
        "CREATE SCHEMA few; CREATE FOREIGN TABLE few.persons (id bigint, name text) "
        "SERVER pipedrive OPTIONS (table 'persons')"
    )
    try:
        if trigger != "no":
            extended.run(
                "CREATE FUNCTION few.pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; "
                f"CREATE TRIGGER t {trigger} INSERT ON few.persons FOR EACH ROW EXECUTE FUNCTION few.pass()"
            )
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="COPY into persons is not") as caught:
            extended.run(copy.format("few.persons"))
        assert caught.value.diag.message_hint == COPY_HINT
    finally:
        extended.run("DROP SCHEMA few CASCADE")
    assert extended.sent() == []


def test_rows_are_copied_through_a_temporary_table(extended: Extended) -> None:
    """As the hint says."""
    extended.run("CREATE TEMP TABLE copied AS SELECT name FROM pipedrive.persons LIMIT 0")
    with extended.connection.cursor().copy("COPY copied FROM STDIN") as copy:
        copy.write("Carla\nDora\n")
    made = extended.rows(
        "INSERT INTO pipedrive.persons (name) SELECT name FROM copied ORDER BY name RETURNING name"
    )
    extended.run("DROP TABLE copied")
    assert made == [("Carla",), ("Dora",)]


@pytest.fixture
def parted(extended: Extended) -> Iterator[Extended]:
    """The database with a partitioned table *apart.parted*: one partition is foreign, the rest is local."""
    extended.run(
        "CREATE SCHEMA apart; CREATE TABLE apart.parted (id bigint, name text) PARTITION BY RANGE (id); "
        "CREATE FOREIGN TABLE apart.persons PARTITION OF apart.parted FOR VALUES FROM (1) TO (1000) "
        "SERVER pipedrive OPTIONS (table 'persons'); "
        "CREATE TABLE apart.rest PARTITION OF apart.parted FOR VALUES FROM (1000) TO (2000); "
        "INSERT INTO apart.parted VALUES (1000, 'Zoe')"
    )
    extended.simulator.reset()
    yield extended
    extended.run("DROP SCHEMA apart CASCADE")


ROUTED = ("no row can be routed into the partition persons", "INSERT INTO persons itself.")
COPIED = ("COPY into persons is not possible", COPY_HINT)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("INSERT INTO apart.parted VALUES (7, 'Anna')", ROUTED),
        ("INSERT INTO apart.parted SELECT id - 999, name FROM apart.rest", ROUTED),
        ("UPDATE apart.parted SET id = 7 WHERE id = 1000", ROUTED),
        ("COPY apart.parted FROM PROGRAM 'printf \"7\\tAnna\\n\"'", COPIED),
        ("COPY apart.persons FROM PROGRAM 'printf \"7\\tAnna\\n\"'", COPIED),
    ],
)
def test_no_row_is_routed_into_a_partition(parted: Extended, sql: str, said: tuple[str, str]) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported) as caught:
        parted.run(sql)
    assert caught.value.diag.message_primary == f"pipedrive write: {said[0]}"
    assert caught.value.diag.message_hint == said[1]
    assert [method for method, _, _ in parted.sent() if method != "GET"] == []


def test_other_partitions_and_the_rows_that_there_are_can_be_written(parted: Extended) -> None:
    parted.run("INSERT INTO apart.parted VALUES (1001, 'Yves')")
    parted.run("COPY apart.parted FROM PROGRAM 'printf \"1002\\tXaver\\n\"'")
    parted.run("UPDATE apart.parted SET name = 'Wanda' WHERE id IN (2, 1001)")
    changed = "SELECT tableoid::regclass::text, id FROM apart.parted WHERE name = 'Wanda' ORDER BY id"
    assert parted.rows(changed) == [("apart.persons", 2), ("apart.rest", 1001)]
    assert [(method, path) for method, path, _ in parted.sent() if method != "GET"] == [
        ("PATCH", "/api/v2/persons/2")
    ]
    number = len(parted.simulator.records("persons"))
    assert parted.value("SELECT count(*) FROM apart.parted") == number + 3


def test_a_foreign_table_is_attached_and_detached(parted: Extended) -> None:
    parted.run("ALTER TABLE apart.parted DETACH PARTITION apart.persons")
    parted.run("INSERT INTO apart.persons (name) VALUES ('Anna')")
    parted.run("ALTER TABLE apart.parted ATTACH PARTITION apart.persons FOR VALUES FROM (1) TO (1000)")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=ROUTED[0]):
        parted.run("INSERT INTO apart.parted VALUES (7, 'Anna')")


# ---- roles, and the extension that goes


def test_a_role_without_rights_on_the_extension_can_make_tables(extended: Extended) -> None:
    extended.run(
        "DROP ROLE IF EXISTS maker; CREATE ROLE maker; GRANT USAGE ON FOREIGN SERVER pipedrive TO maker; "
        "CREATE SCHEMA maker AUTHORIZATION maker; SET ROLE maker"
    )
    try:
        extended.run(
            "CREATE FOREIGN TABLE maker.p (id bigint, name text) SERVER pipedrive OPTIONS (table 'persons')"
        )
    finally:
        extended.run("RESET ROLE")
    try:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="COPY into p is not possible"):
            extended.run("COPY maker.p (name) FROM PROGRAM 'echo Anna'")
        shown = extended.simulator.records("persons")[0]
        assert extended.rows("SELECT id, name FROM maker.p WHERE id = 1") == [(shown["id"], shown["name"])]
    finally:
        extended.run("DROP SCHEMA maker CASCADE; DROP OWNED BY maker; DROP ROLE maker")


def test_the_extension_goes_and_comes_again(server: Server, simulator: Simulator) -> None:
    """Within one session, too, where its library stays in memory."""
    database = Extended(server, simulator)
    database.run("CREATE VIEW public.stages AS SELECT * FROM pipedrive.stages; CREATE TABLE pipedrive.own ()")
    with pytest.raises(
        psycopg.errors.DependentObjectsStillExist, match="cannot drop extension pipedrive_fdw"
    ):
        database.run("DROP EXTENSION pipedrive_fdw")
    assert database.value("SELECT count(*) FROM pipedrive.stages") > 0
    database.run("DROP EXTENSION pipedrive_fdw CASCADE")
    left = (
        "SELECT to_regclass('pipedrive.stages'), to_regclass('public.stages'), "
        "to_regclass('pipedrive.own')::text, to_regnamespace('pipedrive_internal'), "
        "(SELECT count(*) FROM pg_foreign_server), (SELECT count(*) FROM pg_event_trigger)"
    )
    assert database.rows(left) == [(None, None, "pipedrive.own", None, 0, 0)]
    database.run("CREATE EXTENSION pipedrive_fdw")
    database.run(f"SELECT pipedrive.connect(base_url => '{simulator.url}', api_token => $${TOKEN}$$)")
    assert database.value("SELECT count(*) FROM pipedrive.stages") == len(simulator.records("stages"))
    database.run("SET pipedrive.max_tokens_per_query = 4")
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
        database.run("SELECT * FROM pipedrive.stages")
    database.close()
