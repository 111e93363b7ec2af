"""LIMIT and OFFSET over every form of sub-query: as many rows as SQL says, all of the whole answer.

Each form has each condition, and ``LIMIT_EXAMPLES`` of all orders and limits (1; a full run has 42), which
are drawn by ``PROPERTY_SEED``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest

from tests.copies import Copies
from tests.live import LiveAccount
from tests.property.chance import SEED, Chance
from tools.engine import Server

EXAMPLES = int(os.environ.get("LIMIT_EXAMPLES", "1"))
TABLES = ("deals", "persons", "organizations", "stages", "notes")
# Of a thing t
CONDITIONS = (
    "true",
    "t.owner_id > 0",
    "t.owner_id = 3",
    "t.id IN (3, 5, 8, 13, 21, 999)",
    "t.id % 3 = 0",
    "t.name LIKE 'H%'",
    "lower(t.name) > 'm'",
    "t.owner_id = 2 AND length(t.name) > 12",
    "EXISTS (SELECT FROM stages WHERE stages.id = t.id)",
    "t.id < 0",
)
# Everything gives the columns id, owner_id and name; <things> are all deals, <c> is a condition on t
THINGS = "(SELECT id, owner_id, title AS name FROM deals)"
FORMS = {
    "a table": "SELECT id, owner_id, name FROM persons t WHERE <c>",
    "a sub-select": "SELECT * FROM <things> t WHERE <c>",
    "a condition inside": "SELECT * FROM (SELECT * FROM <things> t WHERE <c>) s",
    "a view": "SELECT * FROM seen t WHERE <c>",
    "a view with a condition": "SELECT * FROM few t WHERE <c>",
    "a view of a view": "SELECT * FROM fewer t WHERE <c>",
    "a security barrier": "SELECT * FROM behind t WHERE <c>",
    "a CTE": "WITH w AS <things> SELECT * FROM w t WHERE <c>",
    "a condition in a CTE": "WITH w AS (SELECT * FROM <things> t WHERE <c>) SELECT * FROM w",
    "a materialized CTE": "WITH w AS MATERIALIZED <things> SELECT * FROM w t WHERE <c>",
    "an inlined function": "SELECT * FROM everything() t WHERE <c>",
    "a function with an argument": "SELECT * FROM owned(2) t WHERE <c>",
    "UNION ALL": "SELECT * FROM (<things> UNION ALL SELECT id, owner_id, name FROM persons) t WHERE <c>",
    "UNION": "SELECT * FROM (<things> UNION SELECT id, owner_id, name FROM organizations) t WHERE <c>",
    "EXCEPT": "SELECT * FROM (<things> EXCEPT SELECT * FROM seen WHERE id < 9) t WHERE <c>",
    "INTERSECT": "SELECT * FROM (<things> INTERSECT SELECT * FROM seen WHERE id > 9) t WHERE <c>",
    "a join": "SELECT t.id, t.owner_id, t.name FROM persons t JOIN organizations o ON o.id = t.org_id "
    "WHERE <c>",
    "a left join": "SELECT t.id, t.owner_id, t.name FROM persons t LEFT JOIN organizations o ON o.id = "
    "t.org_id "
    "WHERE <c>",
    "a semi-join": "SELECT id, owner_id, name FROM persons t WHERE org_id IN (SELECT id FROM organizations) "
    "AND <c>",
    "an anti-join": "SELECT id, owner_id, name FROM persons t WHERE NOT EXISTS (SELECT FROM organizations o "
    "WHERE o.id = t.org_id) AND <c>",
    "lateral": "SELECT t.* FROM stages s, LATERAL (SELECT id, owner_id, title AS name FROM deals d "
    "WHERE d.stage_id = s.id OFFSET 0) t WHERE <c>",
    "lateral with a limit": "SELECT t.* FROM stages s, LATERAL (SELECT id, owner_id, title AS name FROM "
    "deals d "
    "WHERE d.stage_id = s.id ORDER BY d.id DESC LIMIT 2) t WHERE <c>",
    "a limit inside": "SELECT * FROM (SELECT * FROM seen ORDER BY id LIMIT 12 OFFSET 2) t WHERE <c>",
    "groups": "SELECT min(id) AS id, owner_id, max(name) AS name FROM <things> t WHERE <c> GROUP BY owner_id",
    "DISTINCT": "SELECT DISTINCT id, owner_id, name FROM <things> t WHERE <c>",
    "DISTINCT ON": "SELECT DISTINCT ON (owner_id) min(id) OVER (PARTITION BY owner_id) AS id, owner_id, "
    "'x' AS name "
    "FROM <things> t WHERE <c>",
    "a window": "SELECT id, owner_id, name || count(*) OVER (PARTITION BY owner_id) AS name FROM <things> "
    "t WHERE <c>",
    "a view joined": "SELECT t.* FROM few t JOIN seen other USING (id) WHERE <c>",
    "a list by offset": "SELECT * FROM (SELECT id, user_id AS owner_id, content AS name FROM notes) t "
    "WHERE <c>",
}
# What the rows are sorted by, and whether it is total
ORDERS = (
    ("", False),
    ("ORDER BY id, name, owner_id", True),
    ("ORDER BY id DESC, name, owner_id", True),
    ("ORDER BY name, id, owner_id", True),
    ("ORDER BY owner_id", False),
    ("ORDER BY id + 0, name, owner_id", True),
)
LIMITS = ("LIMIT 5", "LIMIT 1", "LIMIT 7 OFFSET 3", "OFFSET 4", "LIMIT 0", "LIMIT 1000", "LIMIT 3 OFFSET 500")


@pytest.fixture(scope="module")
def copies(server: Server) -> Iterator[Copies]:
    options = {"max_tokens_per_query": 10**9, "page_size": 10}
    with (
        LiveAccount(server, deals=60, tables=TABLES, burst=100_000, budget=10**9, options=options) as live,
        Copies(live, TABLES) as copies,
    ):
        copies.run_for_both(
            f"CREATE VIEW seen AS SELECT * FROM {THINGS} t; CREATE VIEW few AS SELECT * FROM seen WHERE "
            "name LIKE '%e%'; "
            "CREATE VIEW fewer AS SELECT * FROM few WHERE owner_id > 1; "
            "CREATE VIEW behind WITH (security_barrier) AS SELECT * FROM seen WHERE id > 2; "
            "CREATE FUNCTION everything() RETURNS TABLE (id bigint, owner_id bigint, name text) LANGUAGE "
            "sql STABLE "
            f"AS 'SELECT * FROM {THINGS} t'; "
            "CREATE FUNCTION owned(who bigint) RETURNS SETOF seen LANGUAGE sql STABLE "
            "AS 'SELECT * FROM seen WHERE owner_id = who'"
        )
        yield copies


def cases() -> Iterator[tuple[str, str, tuple[str, bool], str]]:
    """Form, condition, order and limit."""
    chance = Chance(SEED)
    every = list(product(ORDERS, LIMITS))
    for form, condition in product(FORMS, CONDITIONS):
        # Half of the few have no order, and a limit that a part of the rows passes
        few = [(ORDERS[0], chance.pick(LIMITS[:3])) if chance.odds(2) else chance.pick(every)]
        for order, limit in few if EXAMPLES == 1 else chance.some(every, EXAMPLES, EXAMPLES):
            yield form, condition, order, limit


def test_limits_over_every_form_of_sub_query(copies: Copies) -> None:
    copies.begin_anew()
    for form, condition, (order, total), limit in cases():
        asked = FORMS[form].replace("<things>", THINGS).replace("<c>", condition)
        whole = f"SELECT * FROM ({asked}) q {order}" if order else asked
        sql = f"{whole} {limit}"
        found, wanted = copies.account.rows(sql), copies.rows(sql)
        assert len(found) == len(wanted), sql
        assert not Counter(found) - Counter(copies.rows(whole)), sql
        if total:
            assert found == wanted, sql
