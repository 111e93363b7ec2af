from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine import Server
from tests.live import LiveAccount

BOUNDLESS = {"burst": 100_000, "budget": 10**9}


@pytest.fixture(scope="session")
def account(server: Server) -> Iterator[LiveAccount]:
    """A company of 300 deals, without limits, with every feature."""
    with LiveAccount(server, seed=1, deals=300, options={"max_tokens_per_query": 10**9}, **BOUNDLESS) as live:
        live.simulator.configure({"subscriptions": True})
        yield live
