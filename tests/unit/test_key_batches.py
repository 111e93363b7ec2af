"""What the scans of a statement share: requests, and keys that are looked up together."""

from __future__ import annotations

from typing import Any

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.plan.calls import Parts, Settings, place
from pipedrive_fdw.plan.paths import KeyBatch, Lists
from pipedrive_fdw.plan.predicates import Predicates
from pipedrive_fdw.plan.scan import plan_scan
from pipedrive_fdw.session.key_batches import KeyBatches, Keys
from pipedrive_fdw.table.statement_tables import StatementTables, paths_to

DEALS, PERSONS = ("deals", "id"), ("persons", "id")


def batch(table: str, column: str, value: int) -> KeyBatch:
    predicates = Predicates(equal={column: (value,)}, texts=((column, "=", ""),))
    (step,) = plan_scan(TABLES[table], predicates, frozenset(), settings=Settings(TABLES)).steps
    found: KeyBatch | None = step.batch  # type: ignore[union-attr]
    assert found is not None
    return found


def key_batches() -> KeyBatches:
    return KeyBatches(lambda: 1)


def test_children_of_one_parent_take_all_that_follow_along() -> None:
    known = key_batches()
    known.read(DEALS, range(1, 301))
    assert known.keys(batch("deal_products", "deal_id", 5)) == list(range(5, 105))


def test_a_key_that_no_scan_has_read_is_looked_up_alone() -> None:
    known = key_batches()
    known.read(DEALS, [1, 2, 3])
    assert known.keys(batch("deal_products", "deal_id", 9)) == [9]


def test_what_came_with_another_key_is_not_asked_for_again() -> None:
    known = key_batches()
    known.read(DEALS, [1, 2, 3, 4])
    first = batch("deal_products", "deal_id", 1)
    assert known.found(first) is None
    known.keep(first, {"1": [{"id": 10}], "2": [], "3": [{"id": 11}]})
    assert known.found(batch("deal_products", "deal_id", 2)) == []
    assert known.found(batch("deal_products", "deal_id", 3)) == [{"id": 11}]
    assert known.found(batch("deal_products", "deal_id", 4)) is None
    known.forget()
    assert known.found(batch("deal_products", "deal_id", 3)) is None


def test_single_look_ups_are_left_only_when_they_would_have_cost_a_batch() -> None:
    known = key_batches()
    known.read(PERSONS, range(1, 201))
    for key in range(1, 10):
        assert known.keys(batch("persons", "id", key)) == [key]
    assert known.keys(batch("persons", "id", 10)) == list(range(10, 110))


def test_look_ups_far_from_each_other_stay_single() -> None:
    known = key_batches()
    known.read(PERSONS, range(1, 2001))
    for key in range(1, 2000, 50):
        assert known.keys(batch("persons", "id", key)) == [key]


def test_too_few_keys_for_a_batch_stay_single() -> None:
    known = key_batches()
    known.read(PERSONS, range(1, 16))
    for key in range(1, 16):
        assert known.keys(batch("persons", "id", key)) == [key]


def test_nothing_is_known_in_the_next_statement() -> None:
    marks = iter((1, 1, 2, 2, 2))
    known = KeyBatches(lambda: next(marks))
    known.read(DEALS, [1, 2, 3])
    assert known.keys(batch("deal_products", "deal_id", 1)) == [1, 2, 3]
    assert known.keys(batch("deal_products", "deal_id", 1)) == [1]


def test_keys_come_in_the_order_in_which_they_were_read() -> None:
    keys = Keys()
    keys.add([7, None, 3, 7, 9])
    assert (keys.place(3), list(keys.since(1))) == (1, [3, 9])


def test_tables_that_ask_the_same_operation_ask_for_the_same() -> None:
    planned = StatementTables(lambda: 1)
    settings = Settings(TABLES, labels=True)
    planned.note("here", TABLES["persons"], settings)
    planned.note("here", TABLES["person_emails"], Settings(TABLES))
    planned.note("there", TABLES["activity_attendees"], Settings(TABLES))

    def params(table: str) -> Any:
        shared = Settings(TABLES, shared=planned.shared("here"), labels=table == "persons")
        (step,) = plan_scan(TABLES[table], Predicates(), frozenset(), settings=shared).steps
        assert isinstance(step, Lists)
        return dict(step.calls[0].params)

    assert params("person_emails") == params("persons")
    listing = TABLES["activity_attendees"].listings[0]
    assert planned.shared("there")[place(listing)] == Parts(("attendees",), custom=None)


def test_a_list_of_which_scans_use_more_and_less_is_asked_for_full_pages() -> None:
    planned, sizes = StatementTables(lambda: 1), []
    for table, most in (("persons", 5), ("deals", None), ("persons", 5), ("persons", None)):
        planned.begin("here", TABLES[table], Settings(TABLES), most)
        shared = Settings(TABLES, uneven=planned.uneven("here"))
        persons = plan_scan(TABLES["persons"], Predicates(), frozenset(), limit=5, settings=shared)
        (step,) = persons.steps
        assert isinstance(step, Lists)
        sizes.append(dict(step.calls[0].params)["limit"])
    assert sizes == ["5", "5", "5", "500"]


def test_columns_that_hold_keys_of_another_table_are_found() -> None:
    assert paths_to(PERSONS, TABLES["deals"]) == [("person_id",)]
    assert paths_to(DEALS, TABLES["deals"]) == [("id",)]
    assert paths_to(DEALS, TABLES["projects"]) == []
