"""What a transaction has written and what it will write: reports, savepoints, COMMIT."""

from __future__ import annotations

from typing import Any

import pytest

from pipedrive_fdw.api.waiting import Interrupts
from pipedrive_fdw.errors import BudgetError, Cancelled, WriteError
from pipedrive_fdw.postgres.statement_scope import StatementScope
from pipedrive_fdw.session.session import Guards
from pipedrive_fdw.write.pending import BulkPart, PendingWrite, RowChange
from pipedrive_fdw.write.transaction import Transaction, WrittenRow


class Account:
    """A session that allows *most* tokens, and the log of what was sent."""

    def __init__(self, most: int = 1_000) -> None:
        self.most = most
        self.sent: list[Any] = []
        self.interrupts = Interrupts(lambda: len(self.sent) == self.cancelled_after)
        self.cancelled_after = -1

    def check_tokens(self, tokens: int, guards: Guards) -> None:
        if tokens > self.most:
            raise BudgetError(f"{tokens} are too many")

    def send_all(self, path: str, items: list[Any]) -> list[str]:
        self.sent.append(items)
        return [str(item) for item in items]

    def write(self, key: str, level: int = 1, fails: bool = False, **more: Any) -> PendingWrite:
        def send() -> str:
            if fails:
                raise WriteError(f"{key} is refused")
            self.sent.append(key)
            return key

        session: Any = self
        return PendingWrite("deals", "INSERT", session, Guards(0, 0), send, 10, level, **more)


def transaction(*rows: tuple[str, str, str, int]) -> Transaction:
    """A transaction within one statement that has written *rows*: table, verb, key, depth of savepoints."""
    made = Transaction(_statement=StatementScope(object, lambda: 1))
    mark = made._statement.current()
    made.written = [WrittenRow(*row, mark) for row in rows]
    return made


def test_a_report_names_every_row_in_runs() -> None:
    keys = [("deals", "INSERT", str(n), 1) for n in (1, 2, 3, 7, 9, 10)]
    made = transaction(*keys, ("persons", "DELETE", "4", 1))
    assert made.statement_report() == (
        "7 rows are written in Pipedrive for good: deals INSERT 1-3, 7, 9, 10; persons DELETE 4."
    )
    assert transaction().statement_report() == ""
    assert transaction(("deals", "UPDATE", "1", 1)).statement_report() == (
        "1 row is written in Pipedrive for good: deals UPDATE 1."
    )


def test_an_error_tells_what_its_statement_has_written() -> None:
    made = transaction(("deals", "INSERT", "1", 1))
    with pytest.raises(WriteError) as caught, made.reported():
        raise WriteError("the second is refused", detail="No title.")
    assert caught.value.detail == "No title. 1 row is written in Pipedrive for good: deals INSERT 1."


def test_a_rollback_to_a_savepoint_forgets_what_came_after_it() -> None:
    made, here = transaction(("deals", "INSERT", "1", 1), ("deals", "INSERT", "2", 2)), Account()
    made.waiting.add(here.write("3", level=1))
    made.waiting.add(here.write("4", level=2))
    assert made.savepoint_rolled_back(2) == "1 row is written in Pipedrive for good: deals INSERT 2."
    assert [row.key for row in made.written] == ["1"]
    made.pre_commit()
    assert here.sent == ["3"]


def test_a_released_savepoint_belongs_to_the_one_around_it() -> None:
    made = transaction(("deals", "INSERT", "1", 3))
    made.savepoint_released(3)
    assert made.savepoint_rolled_back(3) == ""
    assert made.savepoint_rolled_back(2) == "1 row is written in Pipedrive for good: deals INSERT 1."


def test_commit_sends_in_order_and_says_where_it_stopped() -> None:
    made, here = transaction(), Account()
    for write in (here.write("1"), here.write("2", fails=True), here.write("3"), here.write("4")):
        made.waiting.add(write)
    with pytest.raises(WriteError, match="2 is refused") as caught:
        made.pre_commit()
    assert here.sent == ["1"]
    assert caught.value.detail == (
        "1 row is written in Pipedrive for good: deals INSERT 1. 2 more were not sent."
    )


def test_a_cancel_is_seen_between_two_requests_that_are_answered_at_once() -> None:
    made, here = transaction(), Account()
    here.cancelled_after = 2
    for key in "12345":
        made.waiting.add(here.write(key))
    with pytest.raises(Cancelled) as caught:
        made.pre_commit()
    assert here.sent == ["1", "2"]
    assert caught.value.detail.endswith(
        "2 rows are written in Pipedrive for good: deals INSERT 1, 2. 3 more were not sent."
    )


def test_a_guard_refuses_all_writes_before_the_first() -> None:
    made, here = transaction(), Account(most=29)
    for key in "123":
        made.waiting.add(here.write(key))
    with pytest.raises(BudgetError, match="30 are too many"):
        made.pre_commit()
    assert here.sent == []


def test_a_rollback_sends_nothing() -> None:
    made, here = transaction(("deals", "UPDATE", "1", 1)), Account()
    made.waiting.add(here.write("2"))
    assert made.rolled_back() == "1 row is written in Pipedrive for good: deals UPDATE 1."
    made.pre_commit()
    assert (here.sent, made.written) == ([], [])


@pytest.mark.parametrize(
    ("count", "sent"),
    [(2, [0, 1]), (3, [[0, 1, 2]]), (7, [[0, 1, 2, 3], [4, 5, 6]]), (5, [[0, 1, 2, 3], 4])],
    ids=["too few", "one request", "two requests", "a rest"],
)
def test_writes_of_one_path_go_out_together_where_that_costs_less(count: int, sent: list[Any]) -> None:
    made, here = transaction(), Account()
    for number in range(count):
        part = BulkPart("/deals/1/products/bulk", number, here.send_all, least=3, most=4, tokens=25)
        made.waiting.add(here.write(str(number), bulk=part))
    made.pre_commit()
    assert here.sent == [one if isinstance(one, list) else str(one) for one in sent]


def test_changes_of_a_row_that_wait_add_up() -> None:
    made, here, table = transaction(), Account(), ("here", "deals")
    changes = [
        RowChange(table, "1", {"title": "a", "value": 1}, "1"),
        RowChange(table, "1", {"title": "b"}, "1"),
        RowChange(table, "2", {"title": "c"}, "2"),
        RowChange(table, "2", None, None),
        RowChange(("there", "deals"), "1", {"title": "d"}, "1"),
    ]
    for change in changes:
        made.waiting.add(here.write("x", change=change))
    assert made.waiting.changes(table) == {"1": {"title": "b", "value": 1}, "2": None}
    assert made.is_waiting(table, "2")
    assert not made.is_waiting(table, "3")
    assert made.waiting.changes(table, 1) == {"1": {"title": "a", "value": 1}}


def test_a_row_whose_key_changes_is_the_same_row() -> None:
    made, here, table = transaction(), Account(), ("here", "person_emails")
    for change in (
        RowChange(table, "1:a", {"value": "b"}, "1:b"),
        RowChange(table, "1:b", {"value": "c", "label": "x"}, "1:c"),
        RowChange(table, "1:d", {"value": "b"}, "1:b"),
    ):
        made.waiting.add(here.write("x", change=change))
    assert made.waiting.changes(table) == {"1:a": {"value": "c", "label": "x"}, "1:d": {"value": "b"}}
    made.waiting.add(here.write("x", change=RowChange(table, "1:c", None, None)))
    assert made.waiting.changes(table) == {"1:a": None, "1:d": {"value": "b"}}
