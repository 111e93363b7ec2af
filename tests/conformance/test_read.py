"""Every table: SELECT * is the simulator's records, row by row and value by value."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.catalog.v1 import CHANGED
from tests.conformance.expected import UNKEPT, records, selected, shown
from tests.live import LiveAccount, literal

# Tables that need their parent in the query, with the column that names it.
GUARDED = {t.name: t.parent.column for t in TABLES.values() if t.parent is not None and t.parent.guarded}


def types(account: LiveAccount, table: str) -> dict[str, str]:
    return dict(
        account.rows(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
            f"WHERE attrelid = '{account.name}.{table}'::regclass AND attnum > 0 AND NOT attisdropped"
        )
    )


def comparable(value: Any) -> Any:
    """Something that can be counted: jsonb is a dict."""
    if isinstance(value, dict):
        return ("object", frozenset((k, comparable(v)) for k, v in value.items()))
    if isinstance(value, list):
        return ("array", tuple(comparable(v) for v in value))
    return (type(value).__name__ if isinstance(value, bool) else "", value)


SHORT = {"timestamp with time zone": "timestamptz", "time without time zone": "time"}


def check(account: LiveAccount, table: str, unknown: frozenset[str] = frozenset()) -> None:
    """Compares the table with the records, without the columns that are *unknown* to the API's version."""
    found = types(account, table)
    wanted = records(account.simulator, table)
    kept = {name for record in wanted for name in record}
    columns = {
        n: SHORT.get(t, t)
        for n, t in found.items()
        if n not in UNKEPT | unknown and (n in kept or not wanted)
    }
    conditions = [selected(table)] if selected(table) else []
    if table in GUARDED:
        ids = {literal(str(r[GUARDED[table]])) for r in wanted}
        conditions.append(f"{GUARDED[table]} IN ({', '.join(sorted(ids))})")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    names = ", ".join(f'"{name}"' for name in columns)
    got = account.rows(f"SELECT {names} FROM {table} {where}")
    expect = [tuple(shown(kind, record.get(name)) for name, kind in columns.items()) for record in wanted]
    for number, name in enumerate(columns):
        one = Counter(comparable(row[number]) for row in got)
        other = Counter(comparable(row[number]) for row in expect)
        assert one == other, f"column {name}"
    assert Counter(map(comparable, map(list, got))) == Counter(map(comparable, map(list, expect)))


# What version 1 shows in another form (jsonb as it came, as custom_fields everywhere), and what its schemas
# leave out, so that the simulator does too, although their examples have it.
_FIELDS = ("deal", "person", "organization", "product", "activity")
OLD_DIFFERS = {
    "products": {"description", "category", "add_time", "update_time", "prices"},
    "deal_products": {
        "update_time",
        "billing_frequency",
        "billing_frequency_cycles",
        "billing_start_date",
    },
    "activities": {"participants", "attendees"},
    **{f"{what}_field_options": {"color"} for what in _FIELDS},
    **{f"{what}_fields": {"field_type", "options", "subfields"} for what in _FIELDS},
}

ALL = sorted(name for name, table in TABLES.items() if not table.local)


@pytest.mark.parametrize("table", ALL)
def test_every_value_of_every_row(account: LiveAccount, table: str) -> None:
    check(account, table)


@pytest.mark.parametrize("table", sorted(CHANGED))
def test_every_value_of_every_row_by_version_1(old_account: LiveAccount, table: str) -> None:
    unknown = {c.name for c in CHANGED[table].columns if c.source == "-"}
    for column in unknown:
        assert old_account.value(f'SELECT count("{column}") FROM {table}') == 0
    check(old_account, table, frozenset(unknown | {"custom_fields"} | OLD_DIFFERS.get(table, set())))


def check_keys(account: LiveAccount, table: str, declared: Table) -> None:
    """A row that is looked up by its key is the row of the whole table, and there is no other.

    But for what is filled only where it is named, or where nothing is.
    """
    unsure = ["attrs", *(c.name for c in declared.columns if c.extended)]
    sql = f"SELECT to_jsonb(t) - '{{{','.join(unsure)}}}'::text[] FROM {table} t"
    account.run("SET pipedrive.suppress_extended_requests = on")
    try:
        check_look_ups(account, sql, declared)
    finally:
        account.run("RESET pipedrive.suppress_extended_requests")


def check_look_ups(account: LiveAccount, sql: str, declared: Table) -> None:
    """Each row of *sql* that is looked up by its key is the row of the whole table."""
    whole = [row[0] for row in account.rows(sql)]
    chosen = [whole[0], whole[len(whole) // 2], whole[-1]] if whole else []
    for row in chosen:
        if any(row[name] is None for name in declared.key):
            continue
        where = " AND ".join(
            f"\"{name}\" = '{str(row[name]).replace(chr(39), chr(39) * 2)}'" for name in declared.key
        )
        same = [one for one in whole if all(one[name] == row[name] for name in declared.key)]
        got = [r[0] for r in account.rows(f"{sql} WHERE {where}")]
        assert sorted(map(repr, got)) == sorted(map(repr, same))


KEYED = [name for name in ALL if TABLES[name].key and name not in GUARDED]


@pytest.mark.parametrize("table", KEYED)
def test_a_look_up_finds_the_row_of_the_list(account: LiveAccount, table: str) -> None:
    check_keys(account, table, TABLES[table])


@pytest.mark.parametrize("table", sorted(CHANGED))
def test_a_look_up_by_version_1_finds_the_row_of_the_list(old_account: LiveAccount, table: str) -> None:
    check_keys(old_account, table, CHANGED[table])
