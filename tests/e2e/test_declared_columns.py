"""Foreign tables that were declared by hand: columns with other names and types than the catalogue's, some
fields in several columns. Conditions and sorts of each column answer as those of a plain copy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from tests.copies import Copies
from tests.live import LiveAccount
from tools.engine import Server

# Table → its columns: name, type, the field that it shows
DECLARED = {
    "deals": """
        as_text text id, key bigint id, as_number numeric id, as_real real id, as_short integer id,
        changed_day date update_time, changed timestamptz update_time, changed_text text update_time,
        changed_second timestamptz(0) update_time, added timestamptz(0) add_time, added_day date add_time,
        owner bigint owner_id, owner_text varchar(3) owner_id, state varchar status, padded char(9) status,
        archived boolean is_archived, archived_text text is_archived, archived_number integer is_archived,
        worth numeric(20,0) value, worth_exactly numeric value, closes_at timestamptz expected_close_date
    """,
    "leads": """
        key uuid id, as_text text id, changed timestamptz(0) update_time,
        changed_exactly timestamptz update_time, owner integer owner_id, owner_text text owner_id,
        seen boolean was_seen, seen_text text was_seen
    """,
    "deal_products": """
        key text row_id, deal_text text deal_id, deal bigint deal_id, item_text text id, item integer id,
        amount numeric(6,0) quantity, place_text text order_nr, place bigint order_nr
    """,
    "deal_followers": "key varchar row_id, deal_text text deal_id, deal bigint deal_id, who real user_id",
}
OPERATORS = ("<", "<=", "=", ">")
ZONES = ("UTC", "Asia/Tokyo", "America/New_York")


@pytest.fixture(scope="module", params=["v2", "v1"])
def copies(server: Server, request: pytest.FixtureRequest) -> Iterator[Copies]:
    options = {
        "max_tokens_per_query": 10**9,
        "page_size": 20,
        "cache_ttl": 3600,
        "api_version": request.param,
    }
    with LiveAccount(
        server, seed=5, deals=60, tables=["stages"], burst=100_000, budget=10**9, options=options
    ) as live:
        live.simulator.configure({"v1_core": True})
        for table in ("deals", "leads"):
            live.simulator.change(
                {
                    "method": "PATCH",
                    "path": f"{table}/{record['id']}",
                    "body": {
                        "update_time": f"2026-01-{number % 4 + 1:02d}T{number * 5 % 24:02d}:00:01"
                        + (f".{number * 350 % 1000:03d}Z" if table == "leads" else "Z"),
                        "value": 5.6 if table == "deals" else {"amount": 1, "currency": "EUR"},
                    },
                }
                for number, record in enumerate(live.simulator.records(table))
            )
        for table, declared in DECLARED.items():
            columns = (
                "{} {} OPTIONS (column '{}')".format(*part.rsplit(maxsplit=2))
                for part in declared.replace(",0)", ";0)").split(",")
            )
            live.run(
                f"CREATE FOREIGN TABLE {table} ({', '.join(columns).replace(';', ',')}) SERVER {live.name} "
                f"OPTIONS (table '{table}')"
            )
        with Copies(live, list(DECLARED)) as made:
            yield made


def columns_of(copies: Copies, table: str) -> list[tuple[str, str]]:
    """Name and type of each column."""
    rows = copies.account.rows(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        f"WHERE attrelid = '{copies.schema}.{table}'::regclass AND attnum > 0"
    )
    return [(name, kind) for name, kind in rows]


@pytest.mark.parametrize("table", DECLARED)
def test_conditions_keep_what_they_keep_in_a_copy(copies: Copies, table: str) -> None:
    copies.begin_anew()
    for name, kind in columns_of(copies, table):
        values = copies.rows(
            f"SELECT DISTINCT {name}::text FROM {table} WHERE {name} IS NOT NULL ORDER BY 1 LIMIT 3"
        )
        zones = ZONES if kind == "date" or "time" in kind else ZONES[:1]
        for zone, operator, (value,) in product(zones, OPERATORS, values):
            copies.account.run(f"SET TimeZone = '{zone}'")
            sql = f"SELECT key FROM {table} WHERE {name} {operator} '{value}'::{kind} ORDER BY key::text"
            assert copies.account.rows(sql) == copies.rows(sql), (sql, zone)


@pytest.mark.parametrize("table", DECLARED)
def test_an_order_is_that_of_the_column(copies: Copies, table: str) -> None:
    copies.begin_anew()
    for (name, _), way, limit in product(columns_of(copies, table), ("", "DESC"), ("", "LIMIT 7")):
        sql = f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL ORDER BY {name} {way} {limit}"
        assert copies.account.rows(sql) == copies.rows(sql), sql


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ("deals", "worth = 6 AND worth_exactly = 5.6"),
        ("deals", "as_text > '5' AND key < 20"),
        ("deals", "changed_second = '2026-01-01 00:00:01+00' AND changed < '2026-02-01'"),
        ("leads", "changed = '2026-01-02 05:00:01+00' AND changed_exactly = '2026-01-02 05:00:01.35+00'"),
        ("deal_products", "deal_text = '1' AND deal IN (1, 2) AND amount > 0"),
    ],
)
def test_two_columns_of_one_field_do_not_contradict_each_other(
    copies: Copies, table: str, where: str
) -> None:
    copies.begin_anew()
    sql = f"SELECT key FROM {table} WHERE {where} ORDER BY key::text"
    assert copies.account.rows(sql) == copies.rows(sql)


def test_explain_names_the_type_that_pipedrive_does_not_compare(copies: Copies) -> None:
    copies.begin_anew()
    sql = "SELECT key FROM deals WHERE as_text = '5' ORDER BY changed_day LIMIT 3"
    plan = "\n".join(copies.account.plan(sql))
    assert "Rechecked here: id::text = '5'" in plan
    assert "Sorted here: Pipedrive does not sort deals by update_time::date" in plan
