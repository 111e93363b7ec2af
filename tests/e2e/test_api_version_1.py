"""Under api_version 'v1' every request goes to version 1 where that ever had the operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from pipedrive_fdw.catalog.v1 import CHANGED
from tests.e2e.test_gated import STATUSES, error_of, pattern
from tests.live import LiveAccount
from tools.engine import Server

OPTIONS = {"api_version": "v1", "max_tokens_per_query": 10**9}


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=40, options=OPTIONS, burst=100_000, budget=10**9) as live:
        live.simulator.configure({"v1_core": True})
        yield live


def sent(account: LiveAccount, sql: str) -> list[tuple[str, str, Any, int]]:
    """The requests of a statement: method, path, body, tokens."""
    account.simulator.reset()
    account.run(sql)
    return [(r["method"], r["path"], r["body"] or None, r["tokens"]) for r in account.requests()]


def test_a_follower_is_named_by_a_number_that_is_read_first(account: LiveAccount) -> None:
    deal = account.value("SELECT min(id) FROM deals WHERE NOT is_archived")
    path = f"/api/v1/deals/{deal}/followers"
    account.run(f"DELETE FROM deal_followers WHERE deal_id = {deal}")
    account.run(f"INSERT INTO deal_followers (deal_id, user_id) VALUES ({deal}, 5), ({deal}, 6)")
    number = next(
        r["id"]
        for r in account.simulator.account["deal_followers"]
        if (r["deal_id"], r["user_id"]) == (deal, 6)
    )
    requests = sent(account, f"DELETE FROM deal_followers WHERE deal_id = {deal} AND user_id = 6")
    assert requests[-1] == ("DELETE", f"{path}/{number}", None, 6)
    assert [r for r in requests if "followers" in r[1]][:-1] == [("GET", path, None, 20)]
    assert account.rows(f"SELECT user_id FROM deal_followers WHERE deal_id = {deal}") == [(5,)]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("'NaN'", "NaN cannot be sent as JSON"),
        ("1e400", "too large to be sent"),
        ("12345678901234567.89", "more digits than can be sent without loss"),
    ],
)
def test_a_number_that_is_sent_as_text_is_checked_like_any(
    account: LiveAccount, value: str, words: str
) -> None:
    for sql in (
        f"INSERT INTO deals (title, value) VALUES ('x', {value})",
        f"UPDATE deals SET value = {value} WHERE id = (SELECT min(id) FROM deals WHERE NOT is_archived)",
    ):
        account.simulator.reset()
        with pytest.raises(psycopg.Error, match=words):
            account.run(sql)
        assert [r for r in account.requests() if r["method"] != "GET"] == []
    (made,) = sent(account, "INSERT INTO deals (title, value) VALUES ('x', 12.50)")
    assert made[2] == {"title": "x", "value": "12.5"}


@pytest.mark.parametrize("what", ["deal", "person", "organization", "product", "user"])
def test_null_is_an_empty_list_of_followers(account: LiveAccount, what: str) -> None:
    account.simulator.faults([{"match": "/followers$", "action": "null_data"}])
    try:
        assert account.rows(f"SELECT * FROM {what}_followers") == []
    finally:
        account.simulator.faults([])


def test_a_follower_who_is_gone_is_an_error(account: LiveAccount) -> None:
    deal = account.value("SELECT min(id) FROM deals WHERE NOT is_archived")
    with pytest.raises(psycopg.Error, match="no longer exists"):
        account.run(
            f"WITH one AS (DELETE FROM deal_followers WHERE deal_id = {deal} AND user_id = 5 RETURNING 1) "
            f"DELETE FROM deal_followers USING one WHERE deal_id = {deal} AND user_id = 5"
        )


def test_explain_shows_the_read_before_the_write(account: LiveAccount) -> None:
    lines = [line for (line,) in account.rows("EXPLAIN DELETE FROM person_followers WHERE person_id = 1")]
    plan = "\n".join(lines)
    assert "For each row: GET /api/v1/persons/{person_id}/followers" in plan
    assert "For each row: DELETE /api/v1/persons/{person_id}/followers/{id}" in plan
    assert "Tokens: 26 a row" in plan


def test_a_field_is_made_renamed_and_deleted(account: LiveAccount) -> None:
    made = sent(
        account,
        "INSERT INTO deal_fields (field_name, field_type, options) "
        """VALUES ('Colour', 'enum', '[{"label": "Red"}]')""",
    )
    body = {"name": "Colour", "field_type": "enum", "options": [{"label": "Red"}]}
    assert made == [("POST", "/api/v1/dealFields", body, 10)]
    number = max(f["_id"] for f in account.simulator.account["deal_fields"])
    changed = sent(account, "UPDATE deal_fields SET field_name = 'Shade' WHERE field_name = 'Colour'")
    assert changed[-1] == ("PUT", f"/api/v1/dealFields/{number}", {"name": "Shade"}, 10)
    labels = "SELECT label FROM deal_field_options WHERE field_name = 'Shade'"
    assert account.rows(labels) == [("Red",)]
    gone = sent(account, "DELETE FROM deal_fields WHERE field_name = 'Shade'")
    assert gone[-1] == ("DELETE", f"/api/v1/dealFields/{number}", None, 6)
    assert {path for _, path, _, _ in (*changed, *gone)} == {
        "/api/v1/dealFields",
        f"/api/v1/dealFields/{number}",
    }


def test_the_parts_of_a_field_are_no_fields(account: LiveAccount) -> None:
    listed = account.simulator.records("deal_fields")
    assert account.value("SELECT count(*) FROM deal_fields") == len(listed)
    assert account.value("SELECT count(*) FROM deal_fields WHERE subfields IS NOT NULL") > 0


def test_a_project_has_one_person_and_one_organization(account: LiveAccount) -> None:
    requests = sent(
        account,
        "INSERT INTO projects (title, person_ids, org_ids, label_ids) VALUES ('New', '{3}', '{2}', '{31}')",
    )
    body = {"title": "New", "person_id": 3, "org_id": 2, "labels": [31]}
    assert requests == [("POST", "/api/v1/projects", body, 10)]
    key = account.value("SELECT max(id) FROM projects")
    emptied = sent(account, f"UPDATE projects SET person_ids = '{{}}' WHERE id = {key}")
    assert emptied[-1] == ("PUT", f"/api/v1/projects/{key}", {"person_id": None}, 10)
    row = f"SELECT person_ids, org_ids, label_ids FROM projects WHERE id = {key}"
    assert account.rows(row) == [([], [2], [31])]
    account.simulator.reset()
    with pytest.raises(psycopg.Error, match="column org_ids of projects cannot be sent") as caught:
        account.run(f"UPDATE projects SET org_ids = '{{2,3}}' WHERE id = {key}")
    assert "accepts only one element" in str(caught.value.diag.message_detail)
    assert {r["method"] for r in account.requests()} == {"GET"}


def test_archived_projects_are_rows_and_a_project_is_archived(account: LiveAccount) -> None:
    living = account.value("SELECT count(*) FROM projects WHERE NOT is_archived")
    key = account.value("SELECT max(id) FROM projects WHERE NOT is_archived")
    requests = sent(account, f"UPDATE projects SET is_archived = true WHERE id = {key}")
    assert requests[-1] == ("POST", f"/api/v1/projects/{key}/archive", None, 10)
    assert account.value("SELECT count(*) FROM projects WHERE NOT is_archived") == living - 1
    account.run("ALTER FOREIGN TABLE projects OPTIONS (ADD archived 'exclude')")
    try:
        assert account.value("SELECT count(*) FROM projects") == living - 1
    finally:
        account.run("ALTER FOREIGN TABLE projects OPTIONS (DROP archived)")


@pytest.mark.parametrize(
    ("sql", "query"),
    [
        ("SELECT * FROM tasks WHERE is_done", {"done": "1"}),
        ("SELECT * FROM tasks WHERE project_id = 2 AND NOT is_done", {"project_id": "2", "done": "0"}),
        ("SELECT id FROM projects WHERE status IN ('open')", {"status": "open", "include_archived": "true"}),
        ("SELECT * FROM phases WHERE board_id = 2", {"board_id": "2"}),
    ],
)
def test_a_condition_goes_to_version_1(account: LiveAccount, sql: str, query: dict[str, str]) -> None:
    (request,) = account.asked(sql)
    assert request["path"].startswith("/api/v1/") and request["status"] == 200
    assert {n: v for n, v in request["query"].items() if n != "limit"} == query


@pytest.mark.parametrize(
    "table", ["deals", "persons", "organizations", "products", "organization_persons", "leads"]
)
def test_an_owner_is_what_version_1_calls_a_user(account: LiveAccount, table: str) -> None:
    sql = f"SELECT id FROM {table} WHERE owner_id {{}}= 3 ORDER BY id"
    whole = account.rows(sql.format("+ 0 "))
    assert whole and account.rows(sql.format("")) == whole
    name = "owner_id" if table == "leads" else "user_id"
    assert all(r["query"].get(name) == "3" and r["status"] == 200 for r in account.asked(sql.format("")))


def test_fields_that_only_the_examples_show_are_columns(account: LiveAccount) -> None:
    deals = {d["id"]: d["archive_time"] for d in account.simulator.records("deals") if d["is_archived"]}
    assert None not in deals.values()
    shown = account.rows("SELECT id, archive_time AT TIME ZONE 'UTC' FROM deals WHERE is_archived")
    assert {key: f"{at:%Y-%m-%dT%H:%M:%SZ}" for key, at in shown} == deals
    names = ("marketing_status", "participant_open_deals_count", "participant_closed_deals_count")
    persons = account.simulator.records("persons")
    assert account.rows(f"SELECT id, {', '.join(names)} FROM persons ORDER BY id") == [
        (person["id"], *(person[name] for name in names)) for person in persons if not person["is_deleted"]
    ]


@pytest.mark.parametrize("name", sorted(name for name, table in CHANGED.items() if not table.guarded))
def test_each_of_five_refusals_is_an_error_of_that_table(account: LiveAccount, name: str) -> None:
    for status in STATUSES:
        account.simulator.configure({"gated": {pattern(CHANGED[name]): status}})
        try:
            error = error_of(account, f"SELECT * FROM {name}")
        finally:
            account.simulator.configure({"gated": {}})
        assert error.diag.message_primary == f"pipedrive access: {name} cannot be read (status {status})"
        assert str(status) in (error.diag.message_detail or "")
    account.rows(f"SELECT 1 FROM {name} LIMIT 1")
