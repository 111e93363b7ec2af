"""EXPLAIN says what a scan will ask for, EXPLAIN ANALYZE what it asked for, as the API's log has it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.live import LiveAccount
from tools.engine import Server

TABLES = (
    "deals",
    "persons",
    "organizations",
    "users",
    "stages",
    "filters",
    "permission_sets",
    "mail_threads_inbox",
    "mail_messages_inbox",
)
QUIET = "ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF"


@pytest.fixture
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, seed=1, deals=60, tables=TABLES, burst=100_000, budget=10**9) as live:
        yield live


def actual(plan: list[str]) -> list[tuple[int, int, int]]:
    """(requests, tokens, rows) of each scan in *plan*."""
    found = (re.search(r"Actual: (\d+) requests, (\d+) tokens, (\d+) rows", line) for line in plan)
    return [(int(f[1]), int(f[2]), int(f[3])) for f in found if f]


def analyzed(account: LiveAccount, sql: str) -> list[str]:
    """The plan of *sql* after it ran, whose figures together are those of the log."""
    account.simulator.reset()
    plan = account.plan(sql, QUIET)
    scans = actual(plan)
    assert sum(s[0] for s in scans) == len(account.requests())
    assert sum(s[1] for s in scans) == account.tokens()
    return plan


def about(plan: list[str]) -> int:
    (found,) = (re.search(r"Tokens: .*, about (\d+)$", line) for line in plan if "Tokens:" in line)
    assert found is not None
    return int(found[1])


# ---- requests beyond the lists


@pytest.mark.parametrize(
    ("table", "request_", "price"),
    [
        ("filters", "GET /api/v1/filters/{id}", "2 a row"),
        ("permission_sets", "GET /api/v1/permissionSets/{id}", "2 a row"),
        ("mail_messages_inbox", "GET /api/v1/mailbox/mailMessages/{id}?include_body=1", "2 a row"),
    ],
)
def test_extended_columns_stand_in_the_plan_and_its_tokens(
    account: LiveAccount, table: str, request_: str, price: str
) -> None:
    account.rows(f"SELECT id FROM {table}")  # now its size is known
    plan = analyzed(account, f"SELECT * FROM {table}")
    assert any(line.endswith(f"For each row, unless remembered: {request_}") for line in plan)
    assert any("Tokens: " in line and price in line for line in plan)
    ((_, tokens, rows),) = actual(plan)
    assert rows > 0
    assert about(plan) == tokens


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM filters",
        "SELECT count(*) FROM filters",
        "SELECT id, conditions FROM filters WHERE id = 1",  # the look-up has it
    ],
)
def test_what_is_not_asked_for_does_not(account: LiveAccount, sql: str) -> None:
    account.rows("SELECT id FROM filters")
    plan = analyzed(account, sql)
    assert not [line for line in plan if "For each row" in line]
    ((_, tokens, _),) = actual(plan)
    assert about(plan) == tokens


def test_what_a_session_switches_off_does_not(account: LiveAccount) -> None:
    account.run("SET pipedrive.suppress_extended_requests = 'on'")
    plan = analyzed(account, "SELECT * FROM filters")
    assert not [line for line in plan if "For each row" in line]
    assert about(plan) == 20


def test_a_condition_that_is_not_sent_saves_no_extended_request(account: LiveAccount) -> None:
    account.rows("SELECT id FROM filters")
    plan = analyzed(account, "SELECT conditions FROM filters WHERE name = 'no such name'")
    ((_, tokens, rows),) = actual(plan)
    assert rows > 0
    assert about(plan) == tokens


def test_related_objects_stand_in_the_plan_and_its_tokens(account: LiveAccount) -> None:
    for table in ("deals", "persons", "organizations"):
        account.rows(f"SELECT id FROM {table}")
    plain = about(account.plan("SELECT * FROM deals"))
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD expand_related 'true')")
    account.connect()
    plan = analyzed(account, "SELECT * FROM deals")
    shown = [line.split("Multicorn: ")[1] for line in plan if " in custom fields" in line]
    assert shown == [
        "For users in custom fields, unless remembered: GET /api/v1/users",
        "For organizations in custom fields, unless remembered: GET /api/v2/organizations"
        "?ids=…&limit=100&include_fields=people_count,smart_bcc_email",
        "For persons in custom fields, unless remembered: GET /api/v2/persons?ids=…&limit=100",
    ]
    assert any("20 for all users, 10 a batch of organizations, 10 a batch of persons" in x for x in plan)
    ((_, tokens, _),) = actual(plan)
    assert plain < tokens <= about(plan) == plain + 60
    assert not [line for line in account.plan("SELECT id FROM deals") if " in custom fields" in line]


# ---- scans that are left early, and those that run many times


def test_a_scan_that_a_limit_leaves_shows_what_it_used(account: LiveAccount) -> None:
    plan = analyzed(account, "SELECT * FROM persons WHERE name LIKE '%' LIMIT 2")
    assert actual(plan) == [(1, 10, 2)]


def test_so_does_one_that_a_semi_join_leaves(account: LiveAccount) -> None:
    account.run("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off")
    plan = analyzed(account, "SELECT 1 WHERE EXISTS (SELECT FROM persons p WHERE p.name > '')")
    assert actual(plan) == [(1, 10, 1)]


def test_a_scan_without_a_request_shows_that(account: LiveAccount) -> None:
    assert actual(analyzed(account, "SELECT * FROM persons WHERE id IS NULL")) in ([(0, 0, 0)], [])


def test_a_scan_that_never_ran_shows_nothing(account: LiveAccount) -> None:
    one, two = (f"SELECT * FROM users WHERE id = {number}" for number in (1, 2))
    plan = analyzed(account, f"{one} UNION ALL {two} LIMIT 1")
    assert actual(plan) == [(1, 2, 1)]


def test_the_inner_side_of_a_join_shows_all_its_loops(account: LiveAccount) -> None:
    account.run("CREATE TEMP TABLE wanted AS SELECT generate_series(1, 9)::bigint AS id; ANALYZE wanted")
    plan = analyzed(account, "SELECT p.name FROM wanted w JOIN persons p ON p.id = w.id")
    assert any("loops=9" in line for line in plan)
    assert actual(plan) == [(9, 9, 9)]


def test_two_inner_sides_over_one_table_show_their_own(account: LiveAccount) -> None:
    account.run("CREATE TEMP TABLE pairs AS SELECT x AS a, x + 5 AS b FROM generate_series(1::bigint, 5) x")
    account.run(
        "ANALYZE pairs; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off"
    )
    plan = analyzed(
        account,
        "SELECT 1 FROM pairs x JOIN persons p ON p.id = x.a JOIN persons q ON q.id = x.b",
    )
    assert actual(plan) == [(5, 5, 5), (5, 5, 5)]


def test_a_subquery_for_each_row_shows_all_its_loops(account: LiveAccount) -> None:
    account.run("CREATE TEMP TABLE owners AS SELECT generate_series(1, 3)::bigint AS id; ANALYZE owners")
    plan = analyzed(account, "SELECT (SELECT count(*) FROM persons p WHERE p.owner_id = o.id) FROM owners o")
    ((requests, tokens, _),) = actual(plan)
    assert (requests, tokens) == (3, 30)


def test_an_inner_side_by_text_shows_all_its_loops(account: LiveAccount) -> None:
    account.run("CREATE TEMP TABLE names AS SELECT name FROM persons WHERE id < 4; ANALYZE names")
    plan = analyzed(account, "SELECT (SELECT count(*) FROM stages s WHERE s.name = n.name) FROM names n")
    ((requests, tokens, rows),) = actual(plan)
    assert (requests, tokens) == (1, 5)
    assert rows == 3 * account.value("SELECT count(*) FROM stages")


# ---- values that are not known yet


@pytest.mark.parametrize("how", ["COSTS OFF", QUIET])
def test_a_join_by_uuid_is_explained_with_its_look_ups(account: LiveAccount, how: str) -> None:
    """Multicorn crashes the server where EXPLAIN meets a uuid that is not known yet."""
    account.import_tables(("leads",))
    account.run("CREATE TEMP TABLE picked AS SELECT id FROM leads LIMIT 2; ANALYZE picked")
    sql = "SELECT l.title FROM picked JOIN leads l ON l.id = picked.id"
    plan = account.plan(sql, how)
    assert any(line.endswith("Multicorn: GET /api/v1/leads/$0") for line in plan)
    assert actual(plan) == ([(2, 4, 2)] if how == QUIET else [])
    assert [r["tokens"] for r in account.asked(sql)] == [2, 2]
