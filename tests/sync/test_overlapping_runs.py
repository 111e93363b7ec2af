"""What one run notes for the children is not taken for done by another one that had read them before."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.sync.copied import Copied
from tools.engine import Server

NOW = "2026-09-01T12:00:00Z"


@pytest.fixture
def copied(server: Server) -> Iterator[Copied]:
    with Copied(server, deals=20) as made:
        yield made


@contextmanager
def a_run_that_has_read(copied: Copied, table: str) -> Iterator[None]:
    """A run of another session has read *table* meanwhile, and writes it in the end."""
    with copied.database.connect() as lock, copied.database.connect() as other, ThreadPoolExecutor(1) as pool:
        lock.autocommit = False
        lock.execute(f"LOCK TABLE crm.{table} IN SHARE MODE")
        run: Future[object] = pool.submit(other.execute, f"CALL pipedrive.sync('crm.{table}')")
        waiting = f"SELECT 1 FROM pg_locks WHERE relation = 'crm.{table}'::regclass AND NOT granted"
        while not lock.execute(waiting).fetchone():
            assert not run.done(), run.result()
            time.sleep(0.01)
        yield
        lock.commit()
        run.result()


@pytest.mark.parametrize("loaded", [True, False])
@pytest.mark.parametrize(
    ("parents", "number", "table", "key", "text"),
    [
        ("deals", 1, "deal_products", "deal_id", "comments"),  # read by requests for each parent
        ("persons", 1, "person_emails", "person_id", "value"),  # read as one list
    ],
)
def test_a_parent_that_changes_while_its_rows_are_read_is_read_again(
    copied: Copied, parents: str, number: int, table: str, key: str, text: str, loaded: bool
) -> None:
    copied.mirror([parents, table])
    copied.sync(f"crm.{parents}")
    parent = {"method": "PATCH", "path": f"{parents}/{number}"}
    if loaded:
        copied.sync()
        copied.simulator.change([{**parent, "body": {"label_ids": [], "update_time": NOW}}])
        copied.sync(f"crm.{parents}")
    with a_run_that_has_read(copied, table):
        emails = [{"value": "later", "primary": True, "label": "work"}]
        body = {"label_ids": None, "update_time": NOW, **({"emails": emails} if parents == "persons" else {})}
        copied.simulator.change([{**parent, "body": body}])
        for product in copied.simulator.records("deal_products"):
            path = f"deal_products/{product['id']}"
            copied.simulator.change([{"method": "PATCH", "path": path, "body": {"comments": "later"}}])
        copied.sync(f"crm.{parents}")
    copied.sync()
    assert set(copied.rows(f"SELECT {text} FROM crm.{table} WHERE {key} = {number}")) == {("later",)}
    assert copied.value("SELECT sum(pending_parents) FROM pipedrive.sync_status") == 0


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_the_isolation_level_of_the_database_is_not_that_of_a_run(copied: Copied, level: str) -> None:
    """What one run tells another would be an error, because each had begun before the other ended."""
    copied.mirror(["deals", "deal_products", "persons"])
    copied.sync()
    copied.run(f"ALTER DATABASE {copied.database.database} SET default_transaction_isolation = '{level}'")
    copied.connect_anew()
    product = copied.simulator.records("deal_products")[0]
    deal = {"method": "PATCH", "path": f"deals/{product['deal_id']}"}
    copied.simulator.change([{**deal, "body": {"title": "Once", "update_time": NOW}}])
    copied.sync("crm.deals")
    with a_run_that_has_read(copied, "deal_products"):
        copied.simulator.change(
            [
                {**deal, "body": {"title": "Twice", "update_time": NOW}},
                {"method": "PATCH", "path": f"deal_products/{product['id']}", "body": {"comments": "later"}},
            ]
        )
        told: list[str] = []
        copied.database.connection.add_notice_handler(lambda d: told.append(d.message_primary or ""))
        copied.sync()
        assert told == [
            "pipedrive copy: crm.deal_products is skipped, because another session is updating it"
        ]
    copied.sync()
    assert copied.different() == {}
    assert copied.value("SELECT sum(pending_parents) FROM pipedrive.sync_status") == 0


def test_a_parent_that_is_stored_while_all_are_noted_is_read(copied: Copied) -> None:
    copied.mirror(["deals", "deal_products"])
    copied.sync("crm.deals")
    (deal, *_), (product, *_) = (
        copy.deepcopy(copied.simulator.records(name)) for name in ("deals", "deal_products")
    )
    deal.update(id=500, update_time=NOW)
    product.update(id=500, deal_id=500)
    copied.simulator.change(
        [
            {"method": "POST", "path": "deals", "body": deal},
            {"method": "POST", "path": "deal_products", "body": product},
        ]
    )
    with a_run_that_has_read(copied, "deals"):
        copied.sync("crm.deal_products")
    copied.sync()
    assert copied.rows("SELECT id FROM crm.deal_products WHERE deal_id = 500") == [(500,)]
    assert copied.different() == {}


@pytest.mark.parametrize(
    "call",
    ["replace_copy('crm.deal_products', 'crm.new')", "mirror('pipedrive', 'crm', history => true)"],
)
def test_what_changes_a_copy_waits_for_the_run_that_works_on_it(copied: Copied, call: str) -> None:
    """Each wanted what the other had locked."""
    copied.mirror(["deals", "deal_products"])
    copied.sync("crm.deals")
    copied.run("CREATE TABLE crm.new (LIKE crm.deal_products, PRIMARY KEY (deal_id, id))")
    call = call.replace("history", "tables => '{deals,deal_products}', history")
    with copied.database.connect() as other, ThreadPoolExecutor(1) as pool:
        with a_run_that_has_read(copied, "deal_products"):
            done: Future[object] = pool.submit(other.execute, f"SELECT pipedrive.{call}")
            waiting = f"SELECT 1 FROM pg_locks WHERE pid = {other.info.backend_pid} AND NOT granted"
            while not copied.rows(waiting):
                assert not done.done(), done.result()
                time.sleep(0.01)
        done.result()
    copied.sync()
    table = "new" if "replace" in call else "deal_products"
    assert copied.value(f"SELECT count(*) FROM crm.{table}") == len(copied.simulator.records("deal_products"))
    if "history" in call:
        number = "SELECT count(*) FROM {}deal_products"
        assert copied.value(number.format("crm_history.")) == copied.value(number.format("crm."))
