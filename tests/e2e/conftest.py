"""A database with the extension, for the tests of what CREATE EXTENSION brings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.extension import TOKEN, Extended
from tests.simulator import Simulator
from tools.engine import Server


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    running = Simulator(token=TOKEN, deals=40)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def database(server: Server, simulator: Simulator) -> Iterator[Extended]:
    made = Extended(server, simulator)
    yield made
    made.close()


@pytest.fixture
def extended(database: Extended) -> Extended:
    """The database, as a test begins: no fault, and nothing asked of the simulator yet."""
    database.simulator.faults([])
    database.simulator.reset()
    return database
