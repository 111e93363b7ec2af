"""What tests with a real PostgreSQL share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One cluster for all of them; it allows write_mode 'commit'."""
    with Server(settings={"max_prepared_transactions": "0"}) as running:
        yield running
