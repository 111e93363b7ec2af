"""Every query of costs.py and costs_of_tools.py sends exactly its requests, and EXPLAIN announces them."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest

from tests.e2e.costs import COSTS, Cost
from tests.e2e.costs_of_tools import COSTS_OF_TOOLS
from tests.live import LiveAccount
from tools.engine import Server


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9, "fields_cache_ttl": 86_400}
    with LiveAccount(server, seed=1, deals=1200, burst=100_000, budget=10**9, options=options) as live:
        live.run("CREATE TABLE local_ids AS SELECT generate_series(1, 30)::bigint AS id; ANALYZE local_ids")
        live.run("CREATE TABLE local_persons AS SELECT * FROM persons; ANALYZE local_persons")
        yield live
        live.run("DROP TABLE local_ids, local_persons")


@pytest.fixture(autouse=True)
def unknown_sizes(account: LiveAccount) -> None:
    unknown_sizes_again(account)


def unknown_sizes_again(account: LiveAccount) -> None:
    """What earlier scans saw is forgotten."""
    for file in (account.server.data / "pgsql_tmp_pipedrive_fdw").glob("counts-*"):
        file.unlink()


def brief(path: str, query: dict[str, str]) -> str:
    """A request as costs.py writes it."""
    left_out = ("include_fields", "include_option_labels", "custom_fields", "cursor", "start")
    parts = [f"{k}={v}" for k, v in query.items() if k not in left_out and (k, v) != ("limit", "500")]
    return path[len("/api") :] + ("?" + "&".join(parts) if parts else "")


def spelt_out(requests: tuple[str, ...]) -> Counter[str]:
    """Requests of costs.py, each as often as it leaves."""
    counted: Counter[str] = Counter()
    for request in requests:
        path, _, times = request.partition(" x")
        counted[path] += int(times or 1)
    return counted


def sent(account: LiveAccount, sql: str) -> list[dict[str, Any]]:
    return account.asked(sql)


def announced(account: LiveAccount, sql: str) -> set[str]:
    """The requests that EXPLAIN prints."""
    found: set[str] = set()
    plan = account.plan(sql, "COSTS OFF, VERBOSE")
    if "  One-Time Filter: false" in plan:  # PostgreSQL itself sees that no row can pass
        return found
    for line in plan:
        match = re.search(r"Multicorn: GET (/api/[^ ?]+)(?:\?(\S+))?$", line)
        if match:
            pairs = (part.split("=", 1) for part in (match[2] or "").split("&") if part)
            found.add(brief(match[1], {k: unquote(v) for k, v in pairs}))
    return found


# EXPLAIN shows values that are known only when the query runs as expressions
AT_RUN_TIME = (" JOIN ", "(SELECT ", "TO_TIMESTAMP(")
ALL_COSTS = (*COSTS, *COSTS_OF_TOOLS)


@pytest.mark.parametrize("cost", ALL_COSTS, ids=lambda cost: cost.sql[:80])
def test_a_query_sends_what_it_must_and_no_more(account: LiveAccount, cost: Cost) -> None:
    log = sent(account, cost.sql)
    assert Counter(brief(r["path"], r["query"]) for r in log) == spelt_out(cost.requests)
    assert sum(r["tokens"] for r in log) == cost.tokens


@pytest.mark.parametrize(
    "cost",
    [c for c in ALL_COSTS if not any(word in c.sql for word in AT_RUN_TIME)],
    ids=lambda cost: cost.sql[:80],
)
def test_explain_announces_what_is_sent(account: LiveAccount, cost: Cost) -> None:
    plan = announced(account, cost.sql)
    log = {brief(r["path"], r["query"]) for r in sent(account, cost.sql)}
    extra = log - plan
    if " LIMIT " not in cost.sql:  # which ends a scan before all that it announces is sent
        assert plan - log == set()
    # what a look-up did not find, and extended columns, are asked for one by one, deleted deals in a batch
    lone = re.compile(r"/v\d/(deals|filters|mailbox/mailMessages)/\d+(\?include_body=1)?")
    assert all(lone.fullmatch(r) or r.startswith("/v2/deals/archived?ids=") for r in extra)


PERSON_3 = (1, ["/v2/persons/3"])
JUNE_ON = (10, ["/v2/persons?updated_since=2026-06-01T00:00:00Z"])
PARAMETERS: dict[str, tuple[str, list[Any], tuple[int, list[str]]]] = {
    "JDBC's BigDecimal": ("id = %s", [Decimal("3")], PERSON_3),
    "one with a scale": ("id = %s", [Decimal("3.00")], PERSON_3),
    "one that is not whole": ("id = %s", [Decimal("3.5")], (0, [])),
    "a double": ("id = %s", [3.0], PERSON_3),
    "a number as text": ("id = %s", ["3"], PERSON_3),
    "several": (
        "id IN (%s, %s)", [Decimal(3), Decimal(4)], (2, ["/v2/persons/3", "/v2/persons/4"])
    ),
    "an array": ("id = ANY (%s)", [[Decimal(3), Decimal("4.5")]], PERSON_3),
    "one after the other": ("id = %s OR id = %s", [3, 4], (2, ["/v2/persons/3", "/v2/persons/4"])),
    "of a filter": ("owner_id = %s", [Decimal(2)], (10, ["/v2/persons?owner_id=2"])),
    "a date": ("update_time >= %s", [dt.date(2026, 6, 1)], JUNE_ON),
    "a timestamp": ("update_time >= %s", [dt.datetime(2026, 6, 1)], JUNE_ON),
    "one with a zone": ("update_time >= %s", [dt.datetime(2026, 6, 1, tzinfo=dt.timezone.utc)], JUNE_ON),
}  # fmt: skip


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_parameters_of_drivers_cost_what_literals_do(account: LiveAccount, parameters: str) -> None:
    where, values, wanted = PARAMETERS[parameters]
    assert account.connection is not None
    for prepare in (False, *[True] * 6):  # the last by a generic plan
        account.simulator.reset()
        account.connection.execute(f"SELECT * FROM persons WHERE {where}", values, prepare=prepare).fetchall()  # type: ignore[arg-type]
        log = account.requests()
        assert (sum(r["tokens"] for r in log), sorted(brief(r["path"], r["query"]) for r in log)) == wanted


@pytest.mark.parametrize(
    "where",
    [
        "CAST(update_time AS date) BETWEEN CAST((NOW() + INTERVAL '-30 day') AS date) "
        "AND CAST((NOW() + INTERVAL '-1 day') AS date)",
        "update_time >= DATE_TRUNC('month', NOW() + INTERVAL '-1 month') "
        "AND update_time < DATE_TRUNC('month', NOW())",
        "(( update_time ) >= ((SELECT (DATE_TRUNC('day', CURRENT_TIMESTAMP AT TIME ZONE 'UTC') + "
        "(-29 || ' day')::INTERVAL))) AND ( update_time ) < ((SELECT ((DATE_TRUNC('day', "
        "CURRENT_TIMESTAMP AT TIME ZONE 'UTC') + (-29 || ' day')::INTERVAL) + (30 || ' day')::INTERVAL))))",
        "update_time::date >= current_date - 7 AND update_time::date < current_date + 1",
    ],
    ids=["Metabase, the last 30 days", "Metabase, last month", "Looker, the last 30 days", "a week"],
)
def test_relative_dates_of_tools_are_pushed(account: LiveAccount, where: str) -> None:
    log = account.asked(f"SELECT count(*) FROM persons WHERE {where}")
    assert [(r["path"], {"updated_since", "updated_until"} <= set(r["query"])) for r in log] == [
        ("/api/v2/persons", True)
    ]


def test_a_time_of_now_is_floored_to_the_second(account: LiveAccount) -> None:
    before = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=1, seconds=2)
    log = sent(account, "SELECT * FROM deals WHERE update_time >= now() - interval '1 day'")
    assert [r["path"] for r in log] == ["/api/v2/deals", "/api/v2/deals/archived"]
    for request in log:
        since = dt.datetime.fromisoformat(request["query"]["updated_since"].replace("Z", "+00:00"))
        assert since.microsecond == 0 and before < since < before + dt.timedelta(seconds=30)


def test_products_of_all_deals_are_asked_for_in_batches(account: LiveAccount) -> None:
    log = sent(account, "SELECT * FROM deal_products")
    walk = [r for r in log if r["path"] != "/api/v2/deals/products"]
    batches = [r["query"]["deal_ids"].split(",") for r in log if r["path"] == "/api/v2/deals/products"]
    assert Counter(r["path"] for r in walk) == {"/api/v2/deals": 3, "/api/v2/deals/archived": 1}
    assert sorted(map(len, batches)) == [100] * 12
    assert len({i for batch in batches for i in batch}) == 1200


PRODUCTS_OF = (
    "SELECT d.id, p.id, p.name FROM {deals} d JOIN {deal_products} p ON p.deal_id = d.id WHERE {where}"
)
PERSONS_OF = "SELECT d.id, p.id, p.name FROM {deals} d JOIN {persons} p ON p.id = d.person_id WHERE {where}"


@pytest.mark.parametrize(
    ("query", "where", "lists", "singles", "batches"),
    [
        (PRODUCTS_OF, "d.stage_id = 3", "/deals/products", 0, 2),
        (PRODUCTS_OF, "d.stage_id = 3 AND d.title LIKE '%a%'", "/deals/products", 0, 2),
        (PERSONS_OF, "d.stage_id = 3 AND d.owner_id = 2", "/persons", 13, 0),
        (PERSONS_OF, "d.stage_id = 3 AND d.status = 'open'", "/persons", 10, 1),
    ],
    ids=["children", "children of some that are read", "few keys one by one", "many keys together"],
)
def test_a_join_looks_up_in_batches_what_its_other_side_has_read(
    account: LiveAccount, query: str, where: str, lists: str, singles: int, batches: int
) -> None:
    for name in ("deals", "deal_products", "persons"):
        account.run(f"CREATE TEMP TABLE IF NOT EXISTS copy_of_{name} AS SELECT * FROM {name}")
    unknown_sizes_again(account)
    tables = ("deals", "deal_products", "persons")
    account.simulator.reset()
    got = account.rows(query.format(**dict(zip(tables, tables)), where=where))
    log = [r for r in account.requests() if "/deals" not in r["path"] or r["path"].endswith("/products")]
    copies = {name: f"copy_of_{name}" for name in tables}
    assert Counter(got) == Counter(account.rows(query.format(**copies, where=where)))
    asked = Counter("batch" if r["path"] == f"/api/v2{lists}" else "single" for r in log)
    assert (asked["single"], asked["batch"]) == (singles, batches)


def test_children_that_come_one_parent_at_a_time_are_asked_for_those_of_the_join(
    account: LiveAccount,
) -> None:
    sql = "SELECT f.* FROM deal_followers f JOIN deals d ON d.id = f.deal_id "
    sql += "WHERE d.stage_id = 3 AND d.owner_id = 2"
    deals = account.value("SELECT count(*) FROM deals WHERE stage_id = 3 AND owner_id = 2")
    unknown_sizes_again(account)
    asked = Counter(re.sub(r"/\d+/", "/…/", r["path"]) for r in account.asked(sql))
    assert 10 < deals == asked.pop("/api/v2/deals/…/followers")
    assert asked == {"/api/v2/deals": 1, "/api/v2/deals/archived": 1}


def test_a_walk_of_parents_that_are_read_too_is_the_same_requests(account: LiveAccount) -> None:
    log = account.asked("SELECT d.title, p.name FROM deals d JOIN deal_products p ON p.deal_id = d.id")
    assert Counter(r["path"] for r in log) == {
        "/api/v2/deals": 3,
        "/api/v2/deals/archived": 1,
        "/api/v2/deals/products": 12,
    }


@pytest.mark.parametrize(
    "where", ["deal_id <= 15", "deal_id BETWEEN -3 AND 15", "row_id <> '' AND deal_id < 16"]
)
def test_a_range_of_parents_walks_no_others(account: LiveAccount, where: str) -> None:
    sql = f"SELECT * FROM deal_followers WHERE {where}"
    log = account.asked(sql)
    children = {r["path"] for r in log if r["path"].endswith("/followers")}
    assert children == {f"/api/v2/deals/{n}/followers" for n in range(1, 16)}
    walk = {brief(r["path"], r["query"]).partition("?")[0] for r in log if r["path"] not in children}
    assert len(log) == 15 + 2 and walk <= {"/v2/deals", "/v2/deals/archived", "/v2/deals/13"}
    assert any("For each of: GET /api/v2/deals?" in line for line in account.plan(sql))


def test_a_range_of_parents_gives_the_rows_of_the_range(account: LiveAccount) -> None:
    account.run("CREATE TEMP TABLE copy_of_products AS SELECT row_id, deal_id FROM deal_products")
    for where in ("deal_id < 40", "deal_id > 1100", "deal_id BETWEEN 200 AND 450", "deal_id BETWEEN 5 AND 9"):
        got = account.rows(f"SELECT row_id FROM deal_products WHERE {where} ORDER BY 1")
        assert got == account.rows(f"SELECT row_id FROM copy_of_products WHERE {where} ORDER BY 1")


def test_a_relationship_by_its_id_is_that_of_its_organizations(account: LiveAccount) -> None:
    for where in ("id = 3", "id IN (3, 5)"):
        log = account.asked(f"SELECT * FROM organization_relationships WHERE {where}")
        gets = [r for r in log if r["path"] != "/api/v1/organizationRelationships"]
        assert 0 < len(gets) < len(log) <= 3 * len(gets)
    rows = account.rows(
        "SELECT org_id, rel_owner_org_id, rel_linked_org_id FROM organization_relationships WHERE id = 3"
    )
    assert sorted(row[0] for row in rows) == sorted(rows[0][1:])


def test_a_walk_by_itself_wants_no_further_fields(account: LiveAccount) -> None:
    log = account.asked("SELECT * FROM deal_products")
    assert all("include_fields" not in r["query"] for r in log)


def test_a_known_size_makes_the_list_cheaper_than_many_look_ups(account: LiveAccount) -> None:
    account.rows("SELECT count(*) FROM persons")
    ids = ", ".join(map(str, range(1, 251)))
    log = sent(account, f"SELECT * FROM persons WHERE id IN ({ids})")
    assert [(r["path"], r["tokens"]) for r in log] == [("/api/v2/persons", 10)] * 2


def test_the_option_rows_speaks_over_what_was_seen(account: LiveAccount) -> None:
    account.rows("SELECT count(*) FROM persons")
    account.run("ALTER FOREIGN TABLE persons OPTIONS (ADD rows '100000')")
    account.connect()
    ids = ", ".join(map(str, range(1, 251)))
    log = sent(account, f"SELECT * FROM persons WHERE id IN ({ids})")
    account.run("ALTER FOREIGN TABLE persons OPTIONS (DROP rows)")
    assert len(log) == 3


def test_a_list_is_counted_where_its_conditions_are_checked_here(account: LiveAccount) -> None:
    account.rows("SELECT * FROM persons WHERE name LIKE 'A%'")
    assert len(sent(account, "SELECT * FROM persons WHERE owner_id IN (1, 2, 3)")) == 2


def test_children_of_many_parents_are_read_in_batches(account: LiveAccount) -> None:
    """Once it is known how many parents there are, 810 tokens by look-ups are dearer than all."""
    account.rows("SELECT count(*) FROM deals")
    sql = "SELECT p.id FROM deal_products p JOIN deals d ON d.id = p.deal_id WHERE d.stage_id = 7"
    assert sum(r["tokens"] for r in sent(account, sql)) <= 50 + 120 + 30
    assert len(sent(account, sql + " AND d.id IN (5, 75)")) == 3


def test_products_of_all_deals_are_not_gathered_for_an_order(account: LiveAccount) -> None:
    assert account.plan("SELECT * FROM deal_products ORDER BY id")[0] == "Sort"
    assert account.plan("SELECT * FROM deal_products WHERE deal_id = 5 ORDER BY id")[0].startswith("Foreign")


def test_after_a_look_up_as_dear_as_the_table_the_table_is_read(account: LiveAccount) -> None:
    account.rows("SELECT count(*) FROM notes")
    sql = "SELECT p.id, (SELECT count(*) FROM notes n WHERE n.person_id = p.id) FROM persons p WHERE p.id < 9"
    notes = [r for r in sent(account, sql) if r["path"] == "/api/v1/notes"]
    assert ["person_id" in r["query"] for r in notes] == [True, False]


def test_look_ups_never_cost_much_more_than_the_whole_table(account: LiveAccount) -> None:
    account.rows("SELECT count(*) FROM deals")
    sql = "SELECT p.id, (SELECT max(d.value) FROM deals d WHERE d.person_id = p.id) FROM persons p "
    sql += "WHERE p.id < 30"
    log = sent(account, sql)
    whole, one = 50, 30
    deals = [r["tokens"] for r in log if r["path"].startswith("/api/v2/deals")]
    assert sum(deals) <= whole + one + whole
    got = dict(account.rows(sql))
    account.run("CREATE TEMP TABLE values_of AS SELECT person_id, max(value) FROM deals GROUP BY 1")
    assert got == {**dict.fromkeys(got), **{k: v for k, v in account.rows("TABLE values_of") if k in got}}


def test_a_select_after_an_update_is_lazy_again(account: LiveAccount) -> None:
    account.run("ALTER FOREIGN TABLE notes OPTIONS (ADD page_size '50')")
    account.connect()
    account.run("PREPARE change (bigint, text) AS UPDATE notes SET content = $2 WHERE id = $1")
    old = account.value("SELECT content FROM notes WHERE id = 1")
    for text in ("one", "two", old):
        log = sent_by(account, f"EXECUTE change (1, '{text}')")
        assert [r["method"] for r in log] == ["GET", "PUT"]
    assert len(sent(account, "SELECT id FROM notes LIMIT 3")) == 1
    account.run("DEALLOCATE change; ALTER FOREIGN TABLE notes OPTIONS (DROP page_size)")
    account.connect()


def sent_by(account: LiveAccount, sql: str) -> list[dict[str, Any]]:
    account.simulator.reset()
    account.run(sql)
    return account.requests()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT d.id, p.name FROM deals d LEFT JOIN LATERAL "
        "(SELECT name FROM persons WHERE id = d.person_id LIMIT 1) p ON true",
        "SELECT d.id, p.id FROM deals d LEFT JOIN deal_products p ON p.deal_id = d.id",
    ],
)
def test_a_query_that_is_read_in_pieces_costs_no_more(account: LiveAccount, sql: str) -> None:
    """As drivers with a fetch size read it, and postgres_fdw."""
    account.rows(sql)  # now the sizes are known
    once = sent(account, sql)
    account.simulator.reset()
    assert account.connection is not None
    with account.connection.transaction():
        account.run(f"SET LOCAL cursor_tuple_fraction = 1; DECLARE pieces CURSOR FOR {sql}")
        while account.rows("FETCH 100 FROM pieces"):
            pass
    assert sum(r["tokens"] for r in account.requests()) <= sum(r["tokens"] for r in once)
