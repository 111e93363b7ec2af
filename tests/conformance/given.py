"""Values for the columns of an INSERT or UPDATE: from the declarations, where those do not say from here."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from pipedrive_fdw.catalog.model import Column, Table, Write
from tests.contract.found import find
from tests.contract.openapi import bodies, document, flat
from tests.live import LiveAccount, literal

Choices = tuple[str, ...]

_BY_TYPE: Mapping[str, Choices] = {
    "text": ("'A text with ''quotes'', ümlauts and 🚀'", "'another'"),
    "bigint": ("3", "4"),
    "numeric": ("12.5", "7.25"),
    "boolean": ("true", "false"),
    "date": ("'2027-02-03'", "'2027-03-04'"),
    "time": ("'10:30'", "'11:45'"),
    "timestamptz": ("'2026-05-06 07:08:09+00'", "'2026-06-07 08:09:10+00'"),
    "interval": ("'90 minutes'", "'2 hours'"),
    "bigint[]": ("'{1}'", "'{2}'"),
    "bytea": (r"'\x00ff10'", r"'\x01'"),
}
_ADDRESS = (
    """'{"value": "Rue de la Loi 16, Bruxelles", "country": "Belgium", "locality": "Bruxelles"}'""",
    """'{"value": "Karl-Marx-Allee 1, Berlin", "country": "Germany"}'""",
)
_PRICES = (
    """'[{"currency": "EUR", "price": 10.5, "cost": 4, "notes": "n"}]'""",
    """'[{"currency": "USD", "price": 11}]'""",
)
_CONDITIONS = """'{{"glue": "and", "conditions": [{{"glue": "and", "conditions": [{{"object": "person",
    "field_id": "{field}", "operator": "=", "value": "{value}", "extra_value": null}}]}},
    {{"glue": "or", "conditions": []}}]}}'"""

_SWITCHED = ("""'{"enabled": true}'""", """'{"enabled": false}'""")
_PAYMENTS = """'[{"amount": 5, "description": "more", "due_at": "2027-05-01"}]'"""
_PROJECT = "(SELECT min(id) FROM projects WHERE NOT is_archived)"
_TASK = f"(SELECT min(id) FROM tasks WHERE project_id = {_PROJECT} AND parent_task_id IS NULL)"
_VARIATION = "(SELECT min(id) FROM product_variations WHERE product_id = 1)"
_IN_PARTS = "(SELECT min(id) FROM deals WHERE title = 'In parts')"
# Rows that some tables need, made before.
PREPARED = (
    "INSERT INTO deals (title, value) VALUES ('In parts', 100)",
    "INSERT INTO deal_products (deal_id, product_id, item_price, quantity, billing_frequency) "
    f"VALUES ({_IN_PARTS}, 1, 100, 1, 'one-time')",
    "UPDATE products SET prices = '[]' WHERE id IN (1, 2)",
    "INSERT INTO product_variations (product_id, name) VALUES (1, 'First'), (1, 'Second')",
    *(
        f"INSERT INTO {what}_fields (field_name, field_type, options) "
        """VALUES ('Chosen', 'enum', '[{"label": "One"}]')"""
        for what in ("deal", "person", "organization", "product", "project")
    ),
)
# No two rows may have the same: (table, column) → a query of one that none has; {n} is a new number.
UNIQUE = {
    ("users", "email"): "SELECT 'user{n}@example.org'",
    ("subscriptions", "deal_id"): "SELECT min(id) FROM deals d WHERE NOT is_archived "
    "AND NOT EXISTS (SELECT FROM subscriptions s WHERE s.deal_id = d.id)",
}
_numbers = itertools.count(1)

# (table, column) → two values where type, enum and reference do not make a good one; "*" any table.
CHOICES: Mapping[tuple[str, str], Choices] = {
    ("*", "currency"): ("'EUR'", "'USD'"),
    ("*", "visible_to"): ("3", "5"),
    ("*", "probability"): ("40", "60"),
    ("*", "deal_probability"): ("40", "60"),
    ("*", "description"): ("'First part'", "'Second part'"),
    ("*", "email"): ("'first@example.org'", "'second@example.org'"),
    ("*", "order_nr"): ("2", "3"),
    ("*", "prices"): _PRICES,
    ("*", "options"): ("""'[{"label": "Red"}, {"label": "Blue"}]'""",) * 2,
    ("*", "ui_visibility"): (
        """'{"add_visible_flag": true, "details_visible_flag": false}'""",
        """'{"add_visible_flag": false, "details_visible_flag": true}'""",
    ),
    ("*", "important_fields"): (
        """'{"enabled": true, "stage_ids": [1]}'""",
        """'{"enabled": true, "stage_ids": [2]}'""",
    ),
    ("*", "required_fields"): (
        """'{"enabled": true, "stage_ids": [1]}'""",
        """'{"enabled": true, "stage_ids": [2]}'""",
    ),
    ("person_fields", "required_fields"): _SWITCHED,
    ("organization_fields", "required_fields"): _SWITCHED,
    ("project_fields", "required_fields"): _SWITCHED,
    ("deals", "status"): ("'won'", "'open'"),
    ("deal_installments", "deal_id"): (_IN_PARTS, _IN_PARTS),
    ("product_variation_prices", "product_variation_id"): (_VARIATION, _VARIATION),
    ("files", "item_type"): ("'deal'", "'deal'"),
    ("files", "item_id"): ("1", "2"),
    ("files", "file_name"): ("'one.txt'", "'two.txt'"),
    ("subscriptions", "cycle_amount"): ("12", "13"),
    ("deal_products", "quantity"): ("2", "3"),  # version 1 takes whole numbers alone
    **{
        (f"{what}_field_options", "field_code"): (
            f"(SELECT field_code FROM {what}_fields WHERE field_name = 'Chosen')",
        )
        * 2
        for what in ("deal", "person", "organization", "product", "project")
    },
    ("persons", "emails"): (
        """'[{"value": "a@example.org", "label": "work", "primary": true}]'""",
        """'[{"value": "b@example.org", "label": "home", "primary": true},
             {"value": "c@example.org", "label": "work", "primary": false}]'""",
    ),
    ("persons", "phones"): (
        """'[{"value": "+372 555 1", "label": "work", "primary": true}]'""",
        """'[{"value": "+372 555 2", "label": "mobile", "primary": true}]'""",
    ),
    ("persons", "im"): (
        """'[{"value": "anna", "label": "skype", "primary": true}]'""",
        """'[{"value": "berta", "label": "google", "primary": true}]'""",
    ),
    ("persons", "postal_address"): _ADDRESS,
    ("organizations", "address"): _ADDRESS,
    ("organizations", "website"): ("'https://example.org'", "'https://example.com'"),
    ("activities", "location"): _ADDRESS,
    ("activities", "participants"): (
        """'[{"person_id": 1, "primary": true}]'""",
        """'[{"person_id": 2, "primary": true}, {"person_id": 1, "primary": false}]'""",
    ),
    ("activities", "attendees"): (
        """'[{"email": "a@example.org", "name": "A"}]'""",
        """'[{"email": "b@example.org", "name": "B"}]'""",
    ),
    ("products", "category"): ("'1'", "'2'"),
    ("projects", "status"): ("'open'", "'completed'"),
    ("projects", "template_id"): ("1", "1"),
    ("deal_products", "product_variation_id"): (_VARIATION, _VARIATION),
    ("organization_relationships", "rel_linked_org_id"): ("2", "3"),
    ("role_assignments", "role_id"): ("2", "3"),
    ("legacy_team_users", "team_id"): ("2", "2"),
    ("legacy_team_users", "user_id"): ("7", "8"),
    ("tasks", "parent_task_id"): (_TASK, _TASK),
    ("webhooks", "subscription_url"): ("'https://example.org/hook'", "'https://example.org/other'"),
    ("users", "access"): ("""'[{"app": "sales", "admin": true}]'""",) * 2,
    ("subscriptions", "payments"): (_PAYMENTS, _PAYMENTS),
    ("leads", "value"): (
        """'{"amount": 10, "currency": "EUR"}'""",
        """'{"amount": 20.5, "currency": "USD"}'""",
    ),
    ("filters", "conditions"): (
        _CONDITIONS.format(field="9", value="x"),
        _CONDITIONS.format(field="9", value="y"),
    ),
    ("goals", "type"): (
        """'{"name": "deals_won", "params": {"pipeline_id": [1], "activity_type_id": null}}'""",
        """'{"name": "deals_started", "params": {"pipeline_id": [1], "activity_type_id": null}}'""",
    ),
    ("goals", "assignee"): ("""'{"id": 1, "type": "person"}'""", """'{"id": 1, "type": "company"}'"""),
    ("goals", "duration"): (
        """'{"start": "2027-01-01", "end": "2027-12-31"}'""",
        """'{"start": "2027-01-01", "end": "2027-06-30"}'""",
    ),
    ("goals", "expected_outcome"): (
        """'{"target": 50, "tracking_metric": "quantity"}'""",
        """'{"target": 60, "tracking_metric": "quantity"}'""",
    ),
}


# The parts of jsonb have other names in version 1.
OLD_CHOICES: Mapping[tuple[str, str], Choices] = {
    ("activities", "participants"): (
        """'[{"person_id": 1, "primary_flag": true}]'""",
        """'[{"person_id": 2, "primary_flag": true}, {"person_id": 1, "primary_flag": false}]'""",
    ),
    ("activities", "attendees"): (
        """'[{"email_address": "a@example.org", "name": "A"}]'""",
        """'[{"email_address": "b@example.org", "name": "B"}]'""",
    ),
}


def values(account: LiveAccount, table: Table, column: Column, write: Write) -> Choices:
    """Two SQL literals that *column* may be given."""
    if (table.name, column.name) in UNIQUE:
        query = UNIQUE[table.name, column.name]
        found = [literal(str(account.value(query.format(n=next(_numbers))))) for _ in range(2)]
        return found[0], found[1]
    old = OLD_CHOICES.get((table.name, column.name))
    if old is not None and write.version == 1:
        return old
    for key in ((table.name, column.name), ("*", column.name)):
        if key in CHOICES:
            return CHOICES[key]
    enum = allowed(write, column)
    if enum:
        return tuple(literal(str(value)) for value in (enum * 2)[:2])
    if column.references:
        return _referred(account, column)
    return _BY_TYPE[column.type]


def allowed(write: Write, column: Column) -> list[Any]:
    """The enum of the column's property in the body of *write*, [] where anything may be sent."""
    found = find(write)
    if found is None:
        return []
    for schema in bodies(found.source, found.method, found.path).values():
        node = flat(document(found.source), schema)
        if node.get("type") == "array":
            node = flat(document(found.source), node["items"])
        for part in (column.body or column.name).split("."):
            node = flat(document(found.source), node.get("properties", {}).get(part, {}))
        return [value for value in node.get("enum", ()) if value is not None]
    return []


def _referred(account: LiveAccount, column: Column) -> Choices:
    target, key = column.references.split(".")
    rows = account.rows(
        f"SELECT {key}::text FROM {target} WHERE {_LIVING.get(target, 'true')} ORDER BY {key}"
    )
    found = [literal(row[0]) for row in (rows * 2)[:2]]
    if column.type.endswith("[]"):
        return tuple(f"ARRAY[{one}]::{column.type}" for one in found)
    return tuple(found)


# Rows that others may refer to.
_LIVING = {
    "deals": "NOT is_archived",
    "leads": "NOT is_archived",
    "users": "active_flag",
    "projects": "NOT is_archived",
}
