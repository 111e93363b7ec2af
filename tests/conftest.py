"""What tests with a real PostgreSQL share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tools.engine import Server
from tools.engine.server import CRASHES

# It allows write_mode 'commit' and logical replication; others look at each statement, as in production.
_SETTINGS = {
    "max_prepared_transactions": "0",
    "wal_level": "logical",
    "shared_preload_libraries": "auto_explain,pg_stat_statements",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_level": "debug1",  # plans are explained, and not written: they would be gigabytes
}


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One cluster for all of them."""
    with Server(settings=_SETTINGS) as running:
        yield running


def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker process of pytest-xdist saw die."""
    CRASHES.extend(getattr(node, "workeroutput", {}).get("crashes", []))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run in which a server process died has failed, whatever its tests say."""
    output = getattr(session.config, "workeroutput", None)  # of a worker process
    if output is not None:
        output["crashes"] = CRASHES
    elif CRASHES:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if CRASHES:
        terminalreporter.section("server processes died", red=True)
        for line in CRASHES:
            terminalreporter.write_line(line)
