"""What queries cost: for each the exact requests that leave, and their tokens.

The least that the API allows, for an account of 1,200 deals whose sizes nobody knows yet. Requests are
written without ``include_fields``, ``include_option_labels``, ``custom_fields``, ``cursor`` and
``limit=500``; `` x3`` stands for three pages. The definitions of custom fields are known from the import.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    sql: str
    tokens: int
    requests: tuple[str, ...] = ()


def pages(path: str, first: int, last: int, most: int = 100) -> tuple[str, ...]:
    """Batches of the ids from *first* to *last* in *path*, whose ``%s`` they take."""
    numbers = [str(n) for n in range(first, last + 1)]
    return tuple(path % ",".join(numbers[i : i + most]) for i in range(0, len(numbers), most))


COSTS = (
    Cost("SELECT * FROM persons WHERE id = 7", 1, ("/v2/persons/7",)),
    Cost(
        "SELECT * FROM persons WHERE id IN (1,2,3,4,5,6,7,8,9,10)",
        10,
        (
            "/v2/persons/1",
            "/v2/persons/10",
            "/v2/persons/2",
            "/v2/persons/3",
            "/v2/persons/4",
            "/v2/persons/5",
            "/v2/persons/6",
            "/v2/persons/7",
            "/v2/persons/8",
            "/v2/persons/9",
        ),
    ),
    Cost(
        "SELECT * FROM persons WHERE id IN (1,2,3,4,5,6,7,8,9,10,11)",
        10,
        ("/v2/persons?ids=1,2,3,4,5,6,7,8,9,10,11",),
    ),
    Cost(
        "SELECT * FROM persons WHERE id = ANY (ARRAY(SELECT generate_series(1,250))::bigint[])",
        30,
        pages("/v2/persons?ids=%s", 1, 250),
    ),
    Cost("SELECT * FROM persons WHERE id IN (7, 7, 7)", 1, ("/v2/persons/7",)),
    Cost("SELECT * FROM persons WHERE id = 7 AND id = 8", 0, ()),
    Cost("SELECT * FROM persons WHERE id = NULL", 0, ()),
    Cost("SELECT * FROM persons WHERE id IS NULL", 0, ()),
    Cost("SELECT * FROM persons WHERE id IN (7, 8, 9) AND id > 8", 1, ("/v2/persons/9",)),
    Cost(
        "SELECT * FROM persons ORDER BY id DESC LIMIT 5",
        10,
        ("/v2/persons?sort_by=id&sort_direction=desc&limit=5",),
    ),
    Cost(
        "SELECT * FROM persons ORDER BY id LIMIT 5",
        10,
        ("/v2/persons?sort_by=id&sort_direction=asc&limit=5",),
    ),
    Cost(  # there are more persons without update_time, which come first
        "SELECT * FROM persons ORDER BY update_time DESC LIMIT 5",
        10,
        ("/v2/persons?sort_by=update_time&sort_direction=asc",),
    ),
    Cost(
        "SELECT * FROM persons ORDER BY update_time DESC LIMIT 100",
        20,
        (
            "/v2/persons?sort_by=update_time&sort_direction=asc",
            "/v2/persons?sort_by=update_time&sort_direction=desc",
        ),
    ),
    Cost(
        "SELECT * FROM persons ORDER BY update_time DESC NULLS LAST LIMIT 5",
        10,
        ("/v2/persons?sort_by=update_time&sort_direction=desc",),
    ),
    Cost(
        "SELECT * FROM persons ORDER BY update_time LIMIT 5",
        10,
        ("/v2/persons?sort_by=update_time&sort_direction=asc",),
    ),
    Cost(
        "SELECT * FROM persons WHERE owner_id = 2 ORDER BY update_time DESC LIMIT 5",
        10,
        ("/v2/persons?owner_id=2",),
    ),
    Cost(
        "SELECT max(update_time) FROM persons",
        10,
        ("/v2/persons?sort_by=update_time&sort_direction=desc",),
    ),
    Cost(  # Django's latest()
        "SELECT id FROM activities ORDER BY update_time DESC NULLS LAST LIMIT 1",
        10,
        ("/v2/activities?sort_by=update_time&sort_direction=desc",),
    ),
    Cost(
        "SELECT * FROM persons WHERE update_time IS NOT NULL ORDER BY update_time DESC LIMIT 5",
        10,
        ("/v2/persons?sort_by=update_time&sort_direction=desc",),
    ),
    Cost(
        "SELECT * FROM persons WHERE update_time > '2020-01-01' ORDER BY update_time DESC LIMIT 5",
        10,
        ("/v2/persons?updated_since=2020-01-01T00:00:00Z&sort_by=update_time&sort_direction=desc",),
    ),
    Cost(  # two lists in order would be asked for a page each
        "SELECT * FROM activities WHERE done IN (false, true) ORDER BY add_time LIMIT 1",
        10,
        ("/v2/activities?sort_by=add_time&sort_direction=asc",),
    ),
    Cost("SELECT * FROM persons LIMIT 1", 10, ("/v2/persons?limit=1",)),
    Cost("SELECT * FROM person_phones LIMIT 10", 10, ("/v2/persons",)),  # few persons have any
    Cost("SELECT * FROM organization_persons LIMIT 10", 10, ("/v2/persons",)),  # nor an organization
    Cost(  # one page that both read
        "SELECT (SELECT count(*) FROM persons WHERE org_id = 5), "
        "(SELECT name FROM persons WHERE org_id = 5 LIMIT 1)",
        10,
        ("/v2/persons?org_id=5",),
    ),
    Cost(
        "(SELECT id FROM deals WHERE owner_id = 3 AND NOT is_archived LIMIT 2) UNION ALL "
        "(SELECT id FROM deals WHERE owner_id = 3 AND NOT is_archived LIMIT 110)",
        10,
        ("/v2/deals?owner_id=3",),
    ),
    Cost("SELECT * FROM persons WHERE org_id = 5", 10, ("/v2/persons?org_id=5",)),
    Cost(
        "SELECT * FROM persons WHERE org_id IN (5, 6)", 20, ("/v2/persons?org_id=5", "/v2/persons?org_id=6")
    ),
    Cost("SELECT * FROM persons WHERE owner_id = 2", 10, ("/v2/persons?owner_id=2",)),
    Cost(
        "SELECT * FROM persons WHERE owner_id IN (2, 3)",
        20,
        ("/v2/persons?owner_id=2", "/v2/persons?owner_id=3"),
    ),
    Cost("SELECT * FROM persons WHERE name = 'Anna'", 20, ("/v2/persons x2",)),
    Cost("SELECT * FROM persons WHERE name LIKE 'A%' AND owner_id = 2", 10, ("/v2/persons?owner_id=2",)),
    Cost("SELECT * FROM persons WHERE filter_id = 1", 10, ("/v2/persons?filter_id=1",)),
    Cost("SELECT * FROM persons WHERE filter_id = 1 AND owner_id = 2", 10, ("/v2/persons?filter_id=1",)),
    Cost("SELECT count(*) FROM persons", 20, ("/v2/persons x2",)),
    Cost("SELECT count(*) FROM persons WHERE owner_id = 2", 10, ("/v2/persons?owner_id=2",)),
    Cost(
        "SELECT * FROM persons WHERE update_time >= '2025-06-01 00:00:00+00' AND update_time < '2025-07-01 00:00:00+00'",  # noqa: E501
        10,
        ("/v2/persons?updated_since=2025-06-01T00:00:00Z&updated_until=2025-07-01T00:00:00Z",),
    ),
    Cost(
        "SELECT * FROM persons WHERE update_time >= '2025-06-01 00:00:00.5+00'",
        20,
        ("/v2/persons?updated_since=2025-06-01T00:00:00Z x2",),
    ),
    Cost(
        "SELECT * FROM persons WHERE update_time < '2025-06-01 00:00:00.5+00'",
        10,
        ("/v2/persons?updated_until=2025-06-01T00:00:01Z",),
    ),
    Cost(
        "SELECT * FROM persons WHERE update_time >= '2025-06-01+00' AND update_time < '2025-05-01+00'", 0, ()
    ),
    Cost(
        "SELECT * FROM persons WHERE owner_id = 2 OR owner_id = 3",
        20,
        ("/v2/persons?owner_id=2", "/v2/persons?owner_id=3"),
    ),
    Cost("SELECT * FROM persons WHERE owner_id = 2 OR name = 'x'", 20, ("/v2/persons x2",)),
    Cost("SELECT * FROM deals WHERE id = 1", 1, ("/v2/deals/1",)),
    Cost("SELECT * FROM deals WHERE id = 1 AND id = 2", 0, ()),
    Cost(
        "SELECT * FROM deals WHERE id IN (1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20)",
        11,
        ("/v2/deals/13", "/v2/deals?ids=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20"),
    ),
    Cost("SELECT * FROM deals", 50, ("/v2/deals x3", "/v2/deals/archived")),
    Cost("SELECT count(*) FROM deals", 50, ("/v2/deals x3", "/v2/deals/archived")),
    Cost(
        "SELECT * FROM deals WHERE status = 'won'",
        30,
        ("/v2/deals/archived?status=won", "/v2/deals?status=won"),
    ),
    Cost(
        "SELECT * FROM deals WHERE status IN ('won', 'lost')",
        30,
        ("/v2/deals/archived?status=won,lost", "/v2/deals?status=won,lost"),
    ),
    Cost("SELECT * FROM deals WHERE status = 'archived'", 50, ("/v2/deals x3", "/v2/deals/archived")),
    Cost(
        "SELECT * FROM deals WHERE status = 'won' AND stage_id IN (1, 2)",
        30,
        ("/v2/deals/archived?status=won", "/v2/deals?status=won"),
    ),
    Cost(
        "SELECT * FROM deals WHERE stage_id = 1 AND owner_id = 2",
        30,
        ("/v2/deals/archived?owner_id=2&stage_id=1", "/v2/deals?owner_id=2&stage_id=1"),
    ),
    Cost(
        "SELECT * FROM deals WHERE stage_id IN (1, 2)",
        40,
        ("/v2/deals/archived", "/v2/deals?stage_id=1", "/v2/deals?stage_id=2"),
    ),
    Cost("SELECT * FROM deals WHERE id = 5 AND status = 'open'", 1, ("/v2/deals/5",)),
    Cost(
        "SELECT * FROM deals WHERE id IN (5, 6, 7) AND owner_id = 3",
        3,
        ("/v2/deals/5", "/v2/deals/6", "/v2/deals/7"),
    ),
    Cost("SELECT * FROM deals WHERE owner_id = 3 LIMIT 5", 10, ("/v2/deals?owner_id=3&limit=100",)),
    Cost("SELECT * FROM deals WHERE NOT is_archived LIMIT 5", 10, ("/v2/deals?limit=5",)),
    Cost(
        "SELECT * FROM deals WHERE owner_id = 3 AND status IN ('open', 'won') AND NOT is_archived LIMIT 5",
        10,
        ("/v2/deals?owner_id=3&status=open,won&limit=100",),
    ),
    Cost("SELECT * FROM deals WHERE owner_id = 3 LIMIT 105", 10, ("/v2/deals?owner_id=3&limit=105",)),
    Cost(
        "SELECT * FROM deals WHERE owner_id = 3 AND (status = 'open' OR status = 'won' AND value > 0) "
        "LIMIT 5",
        10,
        ("/v2/deals?owner_id=3&status=open,won",),
    ),
    # PostgreSQL may drop rows of these
    Cost("SELECT * FROM deals WHERE owner_id = 3 AND value > 0 LIMIT 5", 10, ("/v2/deals?owner_id=3",)),
    Cost(
        "SELECT * FROM deals WHERE update_time IS NOT NULL ORDER BY update_time DESC LIMIT 10",
        30,
        (
            "/v2/deals/archived?sort_by=update_time&sort_direction=desc",
            "/v2/deals?sort_by=update_time&sort_direction=desc",
        ),
    ),
    Cost(
        "SELECT count(*) FROM deals WHERE status = 'won'",
        30,
        ("/v2/deals/archived?status=won", "/v2/deals?status=won"),
    ),
    Cost("SELECT * FROM deals LIMIT 0", 0, ()),
    Cost(
        "SELECT * FROM deleted_deals WHERE id = 5",
        30,
        ("/v2/deals/archived?ids=5&status=deleted", "/v2/deals?ids=5&status=deleted"),
    ),
    Cost(
        "SELECT * FROM persons WHERE filter_id IN (1, 2) AND owner_id = 2",
        20,
        ("/v2/persons?filter_id=1", "/v2/persons?filter_id=2"),
    ),
    Cost("SELECT id, conditions FROM filters LIMIT 1", 22, ("/v1/filters", "/v1/filters/1")),
    Cost("SELECT * FROM deals WHERE stage_id <> 1", 50, ("/v2/deals x3", "/v2/deals/archived")),
    Cost(
        "SELECT * FROM deals WHERE pipeline_id = 1 ORDER BY id LIMIT 3",
        30,
        (
            "/v2/deals/archived?pipeline_id=1&sort_by=id&sort_direction=asc&limit=100",
            "/v2/deals?pipeline_id=1&sort_by=id&sort_direction=asc&limit=100",
        ),
    ),
    Cost(
        "SELECT * FROM deals WHERE person_id = 3",
        30,
        ("/v2/deals/archived?person_id=3", "/v2/deals?person_id=3"),
    ),
    Cost(
        "SELECT * FROM deals WHERE NOT is_archived",
        30,
        ("/v2/deals x3",),
    ),
    Cost(
        "SELECT * FROM deals WHERE is_archived",
        20,
        ("/v2/deals/archived",),
    ),
    Cost(
        "SELECT * FROM deals ORDER BY id DESC LIMIT 5",
        30,
        (
            "/v2/deals/archived?sort_by=id&sort_direction=desc&limit=5",
            "/v2/deals?sort_by=id&sort_direction=desc&limit=5",
        ),
    ),
    Cost("SELECT * FROM deals ORDER BY value DESC LIMIT 5", 50, ("/v2/deals x3", "/v2/deals/archived")),
    Cost(
        "SELECT * FROM deals WHERE filter_id = 1",
        40,
        ("/v2/deals/archived?filter_id=1", "/v2/deals?filter_id=1 x2"),
    ),
    Cost("SELECT * FROM deal_products WHERE deal_id = 5", 10, ("/v2/deals/products?deal_ids=5",)),
    Cost(
        "SELECT * FROM deal_products WHERE deal_id IN (5, 6, 7)", 10, ("/v2/deals/products?deal_ids=5,6,7",)
    ),
    Cost("SELECT * FROM deal_followers WHERE deal_id = 5", 10, ("/v2/deals/5/followers",)),
    Cost(
        "SELECT * FROM deal_followers WHERE deal_id IN (5, 6, 7)",
        30,
        ("/v2/deals/5/followers", "/v2/deals/6/followers", "/v2/deals/7/followers"),
    ),
    Cost("SELECT * FROM organization_persons", 20, ("/v2/persons x2",)),
    Cost("SELECT * FROM organization_persons LIMIT 10", 10, ("/v2/persons",)),  # few may be of one
    Cost("SELECT * FROM organization_persons WHERE owner_id = 3 LIMIT 10", 10, ("/v2/persons?owner_id=3",)),
    Cost("SELECT * FROM organization_persons WHERE org_id = 5", 10, ("/v2/persons?org_id=5",)),
    Cost(
        "SELECT * FROM organization_persons WHERE org_id = 5 LIMIT 10",
        10,
        ("/v2/persons?org_id=5&limit=100",),
    ),
    Cost("SELECT * FROM deal_persons WHERE deal_id = 5", 10, ("/v2/persons?deal_id=5",)),
    Cost("SELECT * FROM notes WHERE id IN (1, 2, 3)", 6, ("/v1/notes/1", "/v1/notes/2", "/v1/notes/3")),
    Cost(
        "SELECT * FROM notes WHERE id IN (1,2,3,4,5,6,7,8,9,10,11,12)",
        24,
        (
            "/v1/notes/1",
            "/v1/notes/10",
            "/v1/notes/11",
            "/v1/notes/12",
            "/v1/notes/2",
            "/v1/notes/3",
            "/v1/notes/4",
            "/v1/notes/5",
            "/v1/notes/6",
            "/v1/notes/7",
            "/v1/notes/8",
            "/v1/notes/9",
        ),
    ),
    Cost("SELECT * FROM notes WHERE deal_id = 5", 20, ("/v1/notes?deal_id=5&sort=id ASC",)),
    Cost("SELECT * FROM notes ORDER BY id DESC LIMIT 3", 20, ("/v1/notes?sort=id DESC&limit=3",)),
    Cost(
        "SELECT * FROM activities WHERE done AND owner_id = 2",
        10,
        ("/v2/activities?owner_id=2&done=true",),
    ),
    Cost("SELECT * FROM activities WHERE deal_id = 5", 10, ("/v2/activities?deal_id=5",)),
    Cost(
        "SELECT * FROM activities WHERE due_date > '2020-01-01' ORDER BY due_date LIMIT 3",
        10,
        ("/v2/activities?sort_by=due_date&sort_direction=asc",),
    ),
    Cost("SELECT * FROM stages WHERE pipeline_id = 1", 5, ("/v2/stages?pipeline_id=1",)),
    Cost("SELECT * FROM stages WHERE pipeline_id IN (1, 2)", 5, ("/v2/stages",)),
    Cost("SELECT * FROM stages ORDER BY id", 5, ("/v2/stages?sort_by=id&sort_direction=asc",)),
    Cost("SELECT * FROM users WHERE id = 1", 2, ("/v1/users/1",)),
    Cost("SELECT * FROM users WHERE id IN (1,2,3)", 6, ("/v1/users/1", "/v1/users/2", "/v1/users/3")),
    Cost("SELECT * FROM leads", 60, ("/v1/leads/archived?sort=id ASC", "/v1/leads?sort=id ASC")),
    Cost(
        "SELECT * FROM leads WHERE NOT is_archived",
        20,
        ("/v1/leads?sort=id ASC",),
    ),
    Cost("SELECT * FROM projects", 20, ("/v2/projects", "/v2/projects/archived")),
    Cost("SELECT * FROM products WHERE owner_id = 1", 10, ("/v2/products?owner_id=1",)),
    Cost(
        "SELECT * FROM goals",
        80,
        (
            "/v1/goals/find?is_active=false&expected_outcome.tracking_metric=quantity",
            "/v1/goals/find?is_active=false&expected_outcome.tracking_metric=sum",
            "/v1/goals/find?is_active=true&expected_outcome.tracking_metric=quantity",
            "/v1/goals/find?is_active=true&expected_outcome.tracking_metric=sum",
        ),
    ),
    Cost("SELECT id, name FROM filters", 20, ("/v1/filters",)),
    Cost("SELECT id, conditions FROM filters WHERE id = 1", 2, ("/v1/filters/1",)),
    Cost("SELECT count(*) FROM filters", 20, ("/v1/filters",)),
    Cost("SELECT * FROM mail_threads_inbox", 20, ("/v1/mailbox/mailThreads?folder=inbox",)),
    Cost(
        "SELECT * FROM mail_messages_inbox WHERE mail_thread_id = 1",
        24,
        (
            "/v1/mailbox/mailMessages/1?include_body=1",
            "/v1/mailbox/mailMessages/2?include_body=1",
            "/v1/mailbox/mailThreads/1/mailMessages",
        ),
    ),
    Cost("SELECT * FROM note_comments WHERE note_id = 3", 20, ("/v1/notes/3/comments",)),
    Cost("SELECT * FROM person_emails WHERE person_id = 7", 1, ("/v2/persons/7",)),
    Cost("SELECT * FROM product_prices", 10, ("/v2/products",)),
    Cost("SELECT * FROM deal_field_options", 10, ("/v2/dealFields",)),
    Cost("SELECT * FROM deal_changes WHERE deal_id = 5", 20, ("/v1/deals/5/changelog",)),
    Cost(
        "SELECT p.* FROM local_ids l JOIN persons p ON p.id = l.id",
        30,
        tuple(f"/v2/persons/{n}" for n in range(1, 31)),
    ),
    Cost("SELECT a.id FROM persons a JOIN persons b ON a.id = b.id", 20, ("/v2/persons x2",)),
    Cost("SELECT id FROM persons UNION ALL SELECT id FROM persons", 20, ("/v2/persons x2",)),
    Cost(
        "SELECT d.title, o.name FROM deals d JOIN organizations o ON o.id = d.org_id",
        60,
        ("/v2/deals x3", "/v2/deals/archived", "/v2/organizations"),
    ),
    Cost(
        "SELECT p.name, (SELECT o.name FROM organizations o WHERE o.id = p.org_id) FROM persons p WHERE p.id IN (1,2,3)",  # noqa: E501
        5,
        ("/v2/organizations/120", "/v2/organizations/19", "/v2/persons/1", "/v2/persons/2", "/v2/persons/3"),
    ),
    Cost("SELECT e.value FROM persons p JOIN person_emails e ON e.person_id = p.id", 20, ("/v2/persons x2",)),
    Cost(
        "SELECT * FROM deals WHERE id < 20",
        30,
        ("/v2/deals?sort_by=id&sort_direction=asc", "/v2/deals/archived?sort_by=id&sort_direction=asc"),
    ),
    Cost(
        "SELECT count(*) FROM activities WHERE add_time >= '2026-10-01'",
        10,
        ("/v2/activities?sort_by=add_time&sort_direction=desc",),
    ),
    Cost(
        "SELECT * FROM deals WHERE add_time >= '2026-06-01' AND status = 'open'",
        30,
        (
            "/v2/deals?status=open&sort_by=add_time&sort_direction=desc",
            "/v2/deals/archived?status=open&sort_by=add_time&sort_direction=desc",
        ),
    ),
    Cost(
        "SELECT * FROM persons WHERE id BETWEEN 500 AND 520",
        10,
        pages("/v2/persons?ids=%s", 500, 520),
    ),
    Cost(
        "SELECT * FROM persons WHERE id BETWEEN 300 AND 480",
        10,
        ("/v2/persons?sort_by=id&sort_direction=asc",),
    ),
    Cost("SELECT * FROM deals WHERE id BETWEEN 1 AND 3", 3, tuple(f"/v2/deals/{n}" for n in (1, 2, 3))),
    Cost("SELECT * FROM notes WHERE id < 20", 20, ("/v1/notes?sort=id ASC",)),
    Cost("SELECT * FROM api_usage", 0, ()),
    Cost(
        "SELECT * FROM deal_followers WHERE deal_id BETWEEN 1 AND 3",
        30,
        tuple(f"/v2/deals/{n}/followers" for n in (1, 2, 3)),
    ),
    Cost(
        "SELECT * FROM deal_products WHERE deal_id > 4 AND deal_id < 8",
        10,
        ("/v2/deals/products?deal_ids=5,6,7",),
    ),
    Cost(
        "SELECT * FROM deal_changes WHERE deal_id BETWEEN 5 AND 6",
        40,
        ("/v1/deals/5/changelog", "/v1/deals/6/changelog"),
    ),
    Cost("SELECT * FROM note_comments WHERE object_id = 3", 20, ("/v1/notes/3/comments",)),
    Cost("SELECT * FROM note_comments WHERE row_id = '3:x'", 0, ()),
    Cost(
        "SELECT * FROM note_comments WHERE object_id IN (3, 4)",
        40,
        ("/v1/notes/3/comments", "/v1/notes/4/comments"),
    ),
    Cost("SELECT * FROM deal_products WHERE row_id = '5:1'", 10, ("/v2/deals/products?deal_ids=5",)),
    Cost("SELECT * FROM persons WHERE id = 3.0", 1, ("/v2/persons/3",)),  # JDBC's BigDecimal
    Cost("SELECT * FROM persons WHERE id = (SELECT 3.0)", 1, ("/v2/persons/3",)),
    Cost("SELECT * FROM persons WHERE id = 3.5", 0, ()),
    Cost("SELECT * FROM persons WHERE id IN (3.0, 4, 4.5)", 2, ("/v2/persons/3", "/v2/persons/4")),
    Cost(
        "SELECT * FROM persons WHERE id = ANY (ARRAY(SELECT 3.0 UNION SELECT 4))",
        2,
        ("/v2/persons/3", "/v2/persons/4"),
    ),
    Cost(  # Looker, Power BI
        "SELECT * FROM persons WHERE date(update_time) >= '2026-06-01'",
        10,
        ("/v2/persons?updated_since=2026-06-01T00:00:00Z",),
    ),
    Cost(
        "SELECT * FROM persons WHERE date(update_time) IN ('2026-06-01', '2026-06-03')",
        10,
        ("/v2/persons?updated_since=2026-06-01T00:00:00Z&updated_until=2026-06-04T00:00:01Z",),
    ),
    Cost(  # Tableau
        "SELECT * FROM persons WHERE CAST(date_trunc('month', update_time) AS date) = '2026-06-01'",
        10,
        ("/v2/persons?updated_since=2026-06-01T00:00:00Z&updated_until=2026-07-03T00:00:01Z",),
    ),
    Cost(
        "SELECT * FROM persons WHERE extract(year FROM update_time) IN (2024, 2026)",
        20,
        ("/v2/persons?updated_since=2024-01-01T00:00:00Z&updated_until=2027-01-01T00:00:01Z x2",),
    ),
    Cost(  # Metabase, whose weeks begin on Sunday
        "SELECT * FROM persons WHERE date_trunc('week', update_time + interval '1 day') - interval '1 day' "
        ">= '2026-06-01'",
        10,
        ("/v2/persons?updated_since=2026-06-01T00:00:00Z",),
    ),
    Cost(
        "SELECT * FROM persons WHERE update_time - interval '8 hours' >= '2026-06-01'",
        10,
        ("/v2/persons?updated_since=2026-06-01T08:00:00Z",),
    ),
    Cost(  # dbt, incremental
        "SELECT * FROM persons WHERE update_time > "
        "(SELECT '2026-06-01'::timestamptz + max(id) * interval '0' FROM local_ids)",
        10,
        ("/v2/persons?updated_since=2026-06-01T00:00:00Z",),
    ),
)
