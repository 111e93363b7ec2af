"""Records that a scan meets twice are one row, and entries that say the same are as many as there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[LiveAccount]:
    options = {"max_tokens_per_query": 10**9, "page_size": 5}
    tables = ["deals", "persons", "organizations", "person_emails", "deal_changes", "deal_fields"]
    with LiveAccount(
        server, deals=40, tables=tables, options=options, burst=100_000, budget=10**9
    ) as account:
        yield account


@pytest.fixture
def account(shared: LiveAccount) -> Iterator[LiveAccount]:
    shared.begin_anew()
    yield shared
    shared.simulator.faults([])


def keys(account: LiveAccount, sql: str) -> list[Any]:
    return [key for (key,) in account.rows(sql)]


@pytest.mark.parametrize("tail", ["", " LIMIT 1000"])
@pytest.mark.parametrize("table", ["persons", "organizations", "deals"])
def test_a_record_that_moves_to_the_end_of_a_sorted_list(account: LiveAccount, table: str, tail: str) -> None:
    sql = (
        f"SELECT id FROM {table} WHERE update_time > '2000-01-01' AND owner_id > 0 ORDER BY update_time{tail}"
    )
    before = keys(account, sql)
    change = {
        "method": "PATCH",
        "path": f"{table}/{before[1]}",
        "body": {"update_time": "2027-01-01T00:00:00Z"},
    }
    account.simulator.faults(
        [{"match": f"^/api/v2/{table}$", "action": "change", "skip": 1, "times": 1, "body": [change]}]
    )
    assert sorted(keys(account, sql)) == sorted(before)


def answers(path: str, record: Any) -> dict[str, Any]:
    body = json.dumps({"success": True, "data": record})
    return {"match": path, "action": "status", "status": 200, "body": body}


def test_look_ups_that_find_one_record(account: LiveAccount) -> None:
    """As those of merged records might, and of keys in which case does not count."""
    account.simulator.faults([answers("^/api/v2/persons/[234]$", {"id": 3, "name": "x"})])
    assert account.rows("SELECT id, name FROM persons WHERE id IN (2, 3, 4)") == [(3, "x")]
    assert account.rows("SELECT id, name FROM persons WHERE id IN (2, 4)") == []
    mails = [{"value": "a@x.example"}, {"value": "b@x.example"}]
    account.simulator.faults([answers("^/api/v2/persons/[234]$", {"id": 3, "emails": mails})])
    assert account.value("SELECT count(*) FROM person_emails WHERE person_id IN (2, 3, 4)") == 2
    field = {"field_code": "title", "field_name": "Title", "field_type": "varchar"}
    account.simulator.faults([answers("^/api/v2/dealFields/", field)])
    assert keys(account, "SELECT field_code FROM deal_fields WHERE field_code IN ('title', 'TITLE')") == [
        "title"
    ]


@pytest.mark.parametrize("form", ["{}", "{}.0", "{}e0", "{}0E-1", '"{}"'])
def test_ids_of_a_batch_however_they_are_written(account: LiveAccount, form: str) -> None:
    def deal(number: int) -> str:
        return f'{{"id": {form.format(number)}, "title": "n{number}", "status": "open"}}'

    def whole(records: list[str]) -> str:
        return f'{{"success": true, "data": [{", ".join(records)}], "additional_data": null}}'

    numbers = range(1, 13)
    bodies = {
        "^/api/v2/deals$": whole([deal(number) for number in numbers]),
        "^/api/v2/deals/archived$": whole([]),
        **{f"^/api/v2/deals/{n}$": f'{{"success": true, "data": {deal(n)}}}' for n in numbers},
    }
    account.simulator.faults(
        [{"match": path, "action": "status", "status": 200, "body": body} for path, body in bodies.items()]
    )
    found = account.rows(f"SELECT id, title FROM deals WHERE id IN ({', '.join(map(str, numbers))})")
    assert sorted(found) == [(number, f"n{number}") for number in numbers]


def test_changes_that_say_the_same_are_all_rows(account: LiveAccount) -> None:
    changes = account.simulator.account["deal_changes"]
    with account.simulator.account.lock:
        change = next(iter(changes))
        for number in range(12):
            changes.put({**change, "id": 90_000 + number, "_deal_id": 7})
        wanted = len(changes.where("_deal_id", 7))
    assert account.value("SELECT count(*) FROM deal_changes WHERE deal_id = 7") == wanted


def listed(path: str, records: list[Any]) -> dict[str, Any]:
    body = json.dumps({"success": True, "data": records, "additional_data": {"next_cursor": None}})
    return {"match": path, "action": "status", "status": 200, "body": body}


@pytest.mark.parametrize("order", ["id", "id DESC", "id LIMIT 2"])
def test_a_record_without_its_id_is_not_left_out_of_an_order(account: LiveAccount, order: str) -> None:
    records = [{"id": 1, "name": "a"}, {"id": None, "name": "b"}, {"id": 3, "name": "c"}]
    records = records[::-1] if "DESC" in order else records
    account.simulator.faults([listed("^/api/v2/persons$", records)])
    with pytest.raises(psycopg.Error, match="a record of persons has no id"):
        account.rows(f"SELECT name FROM persons ORDER BY {order}")


@pytest.mark.parametrize("odd", [{"value": 3}, [3]])
def test_a_key_that_is_none_is_an_error_where_it_is_used(account: LiveAccount, odd: Any) -> None:
    account.simulator.faults(
        [listed("^/api/v2/persons$", [{"id": 1, "org_id": odd}, {"id": 2, "org_id": 4}])]
    )
    joined = "SELECT p.id, o.id FROM persons p JOIN organizations o ON o.id = p."
    assert account.rows(f"{joined}id ORDER BY 1") == [(1, 1), (2, 2)]
    with pytest.raises(psycopg.Error, match="column org_id of persons cannot show a value"):
        account.rows(f"{joined}org_id")
