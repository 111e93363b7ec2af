"""Random joins: foreign tables answer as plain copies do, however the planner is made to join them.

``JOIN_EXAMPLES`` says how many (200; a full run has 5,000), ``PROPERTY_SEED`` makes the run another one, and
``PROPERTY_STATEMENT`` runs one of it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.copies import Copies
from tests.live import LiveAccount
from tests.property.chance import run
from tests.property.joins import FOREIGN, LOCAL, Join, draw_join
from tests.property.queries import quoted
from tools.engine import Server

EXAMPLES = int(os.environ.get("JOIN_EXAMPLES", "200"))


@pytest.fixture(scope="module")
def copies(server: Server) -> Iterator[Copies]:
    options = {"max_tokens_per_query": 10**9}
    with (
        LiveAccount(
            server, seed=3, deals=45, tables=FOREIGN, burst=100_000, budget=10**9, options=options
        ) as live,
        Copies(live, FOREIGN) as copies,
    ):
        copies.run_for_both(LOCAL)
        live.run("ANALYZE")
        yield copies


def answer(copies: Copies, join: Join) -> Any:
    """The rows, or the SQLSTATE of the error."""
    account = copies.account
    try:
        if not join.arguments:
            return Counter(map(repr, account.rows(join.sql)))
        account.run(f"PREPARE asked ({', '.join(kind for kind, _ in join.arguments)}) AS {join.sql}")
        try:
            values = ", ".join(quoted(value) for _, value in join.arguments)
            return Counter(map(repr, account.rows(f"EXECUTE asked ({values})")))
        finally:
            account.run("DEALLOCATE asked")
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.SyntaxErrorOrAccessRuleViolation) as error:
        return error.sqlstate


def check(copies: Copies, join: Join) -> None:
    copies.begin_anew()
    for setting in join.settings:
        if "memoize" not in setting or copies.account.server.engine.major >= 14:
            copies.account.run(setting)
    copies.look_at_copies(True)
    wanted = answer(copies, join)
    copies.look_at_copies(False)
    found = answer(copies, join)
    assert found == wanted


@pytest.mark.timeout(3600)
def test_random_joins_answer_as_plain_copies_do(copies: Copies) -> None:
    run(EXAMPLES, draw_join, lambda join: check(copies, join))
