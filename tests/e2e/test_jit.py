"""Queries on foreign tables are not compiled, and nothing else loses it."""

from __future__ import annotations

import pytest

from tests.live import LiveAccount
from tools.engine import Server

LOCAL = "SELECT sum(n) FROM generate_series(1, 1000) n"


def compiles(account: LiveAccount, sql: str) -> bool:
    return any(line.startswith("JIT:") for line in account.plan(sql, "ANALYZE, TIMING OFF"))


def test_a_statement_is_not_compiled_and_the_next_transaction_may_be(server: Server) -> None:
    with LiveAccount(server, deals=5, tables=["users"]) as account:
        if not account.value("SELECT pg_jit_available()"):
            pytest.skip("the server has no JIT")
        account.run("SET jit = on; SET jit_above_cost = 0")
        assert compiles(account, LOCAL)
        assert not compiles(account, "SELECT sum(id) FROM users")
        assert account.value("SHOW jit") == "on"
        assert compiles(account, LOCAL)
        account.run("BEGIN")
        account.rows("SELECT id FROM users")
        assert account.value("SHOW jit") == "off"
        account.run("ROLLBACK")
        assert account.value("SHOW jit") == "on"
