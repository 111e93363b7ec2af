"""One cluster for all pages, and a company for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine import Server
from tests.simulator import Simulator


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    running = Simulator(deals=300).start()
    yield running
    running.stop()
