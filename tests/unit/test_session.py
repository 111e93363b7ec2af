"""What scans and writes of one account share: the guards, the statement's memory, what a write forgets."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from pipedrive_fdw.catalog.model import Listing, Operation
from pipedrive_fdw.errors import AccessError, BudgetError
from pipedrive_fdw.plan.paths import Call
from pipedrive_fdw.session.account_sessions import new_client, new_session
from pipedrive_fdw.session.request_scope import RequestScope
from pipedrive_fdw.session.session import Guards, Session
from pipedrive_fdw.session.statement_memory import StatementMemory
from tests.unit.answers import Answers, Refusal, account

READ = Operation("/deals", tokens=10)
WRITE = Operation("/deals", tokens=5, method="POST")


class Marks:
    """The number of the present statement."""

    def __init__(self) -> None:
        self.number = 1

    def __call__(self) -> int:
        return self.number


def session_of(answer: Any) -> tuple[Session, Answers, Marks]:
    options, _ = account({})
    transport = Answers({"GET /api/v2/deals": answer, "POST /api/v2/deals": lambda params, body: {"id": 7}})
    made = new_session(options, new_client(options, transport, None))
    marks = Marks()
    memory = StatementMemory(1_000_000, marks)
    session = Session(made.client, made.interrupts, memory, made.cache, made.fields, marks)
    return session, transport, marks


def test_a_statement_asks_once_and_the_next_one_asks_again() -> None:
    session, transport, marks = session_of(lambda params, body: [{"id": 1}])
    work = RequestScope(session, Guards(100, 0))
    first = work.ask(Call(READ, "/deals", (("limit", "1"),)))
    assert work.ask(Call(READ, "/deals", (("limit", "1"),))) == first
    assert (work.spent.requests, work.spent.remembered) == (1, 1)
    work.ask(Call(READ, "/deals", (("limit", "2"),)))
    marks.number = 2
    work.ask(Call(READ, "/deals", (("limit", "1"),)))
    assert transport.paths == [f"/api/v2/deals?limit={limit}" for limit in (1, 2, 1)]


def test_a_write_forgets_what_was_read() -> None:
    session, transport, _ = session_of(lambda params, body: [{"id": 1}])
    work = RequestScope(session, Guards(100, 0))
    work.ask(Call(READ, "/deals"))
    assert work.send(WRITE, "/deals", b"{}").answer().data == {"id": 7}
    work.ask(Call(READ, "/deals"))
    assert [method for method, _, _ in transport.sent] == ["GET", "POST", "GET"]


def test_a_guard_counts_the_tokens_of_one_statement() -> None:
    session, transport, marks = session_of(lambda params, body: [{"id": 1}])
    guards = Guards(25, 0, advice="Ask for less. ")
    for limit in ("1", "2"):
        RequestScope(session, guards).ask(Call(READ, "/deals", (("limit", limit),)))
    with pytest.raises(BudgetError) as caught:
        RequestScope(session, guards).ask(Call(READ, "/deals", (("limit", "3"),)))
    assert caught.value.detail == "It has spent 20, and what comes next costs 10."
    assert caught.value.hint.startswith("Ask for less. To allow more: SET pipedrive.max_tokens_per_query")
    assert len(transport.sent) == 2
    RequestScope(session, guards.lifted()).ask(Call(READ, "/deals", (("limit", "3"),)))
    marks.number = 2
    RequestScope(session, guards).ask(Call(READ, "/deals", (("limit", "4"),)))


def test_a_reserve_leaves_tokens_of_the_day() -> None:
    session, transport, _ = session_of(lambda params, body: [{"id": 1}])
    left = session.client.limits.day().remaining(0)
    with pytest.raises(BudgetError, match="are reserved"):
        RequestScope(session, Guards(100, left)).ask(Call(READ, "/deals"))
    assert transport.sent == []
    RequestScope(session, Guards(100, left - 10)).ask(Call(READ, "/deals"))


def test_a_refusal_is_raised_by_ask_and_a_value_of_finish() -> None:
    def refuse(params: Mapping[str, str], body: Any) -> Any:
        raise Refusal(403)

    session, _, _ = session_of(refuse)
    work = RequestScope(session, Guards(100, 0))
    begun = work.start(Call(READ, "/deals"))
    result = work.finish(Call(READ, "/deals"), begun.wait(session.interrupts))
    assert isinstance(result, AccessError)
    with pytest.raises(AccessError):
        work.ask(Call(READ, "/deals"))


def test_values_go_as_a_comma_list_and_one_by_one_after_a_refusal() -> None:
    listing = Listing("/deals", tokens=10, repeats="ids")

    def only_repeated(params: Mapping[str, str], body: Any) -> Any:
        if "," in params.get("ids", ""):
            raise Refusal(400)
        return [{"id": 1}]

    session, transport, _ = session_of(only_repeated)
    work = RequestScope(session, Guards(100, 0))
    params = (("ids", "1,2"),)
    assert work.ask(Call(listing, "/deals", params))["data"] == [{"id": 1}]
    assert transport.paths[-1] == "/api/v2/deals?ids=1&ids=2"
    work.ask(Call(listing, "/deals", (("ids", "3,4"),)))
    assert transport.paths[-1] == "/api/v2/deals?ids=3&ids=4"


@pytest.mark.parametrize(
    ("window", "most", "most_while_some_wait"), [(0, 8, 8), (20, 20, 8), (40, 32, 10), (480, 32, 32)]
)
def test_as_many_requests_side_by_side_as_the_window_lets_leave(
    window: int, most: int, most_while_some_wait: int
) -> None:
    session, _, _ = session_of(lambda params, body: [])
    if window:
        session.client.limits.learn({"x-ratelimit-limit": str(window)})
    requests = RequestScope(session, Guards(100, 0))
    assert requests.most_at_once() == most
    requests.spent.wait(3600.0)
    assert requests.most_at_once() == most_while_some_wait
    requests.spent.until = time.monotonic()
    assert requests.most_at_once() == most


def test_a_request_that_waits_for_its_turn_is_known_to_wait() -> None:
    session, _, _ = session_of(lambda params, body: [])
    requests = RequestScope(session, Guards(1000, 0))
    waits: list[bool] = []
    session.client._sleep = lambda seconds, exchange: waits.append(time.monotonic() < requests.spent.until)
    session.client.limits.learn({"x-ratelimit-limit": "2"})
    session.client.limits.block(0.2)
    requests.ask(Call(READ, "/deals"))
    assert waits and set(waits) == {True}
