from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live import LiveAccount
from tools.engine import Server

BOUNDLESS = {"burst": 100_000, "budget": 10**9}


@pytest.fixture(scope="session")
def account(server: Server) -> Iterator[LiveAccount]:
    """A company of 300 deals, without limits, with every feature."""
    with LiveAccount(server, seed=1, deals=300, options={"max_tokens_per_query": 10**9}, **BOUNDLESS) as live:
        live.simulator.configure({"subscriptions": True})
        yield live


@pytest.fixture(scope="session")
def old_account(server: Server, account: LiveAccount) -> Iterator[LiveAccount]:
    """The same company read by version 1 wherever that had the operation."""
    account.simulator.configure({"v1_core": True})
    options = {"max_tokens_per_query": 10**9, "api_version": "v1"}
    with LiveAccount(server, account.simulator, options=options) as live:
        yield live
