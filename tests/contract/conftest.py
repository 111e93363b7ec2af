"""One simulator for the contract tests, with every switch on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.openapi import NO_FILES, folder
from tests.simulator import Simulator


@pytest.fixture(scope="session")
def everything() -> Iterator[Simulator]:
    if folder() is None:
        pytest.skip(NO_FILES)
    simulator = Simulator(deals=240).start()
    simulator.configure({"v1_core": True, "subscriptions": True})
    yield simulator
    simulator.stop()
