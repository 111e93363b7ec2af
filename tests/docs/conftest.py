"""A company for each test; the cluster is that of all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulator import Simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    running = Simulator(deals=300).start()
    yield running
    running.stop()
