"""``python -m pipedrive_fdw demo --dsn``: the tour on tables that are there."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.engine import Server
from tests.simulator import Simulator

TOKEN = "a-token-of-the-tour"  # noqa: S105 - the simulator's


def test_the_tour_runs_on_a_database_with_the_tables(server: Server) -> None:
    simulator = Simulator(token=TOKEN, deals=30).start()
    template = server.psql("template1")
    template.query("DROP DATABASE IF EXISTS tour")
    template.query("CREATE DATABASE tour")
    psql = server.psql("tour")
    psql.query(
        "SET client_min_messages = warning; CREATE EXTENSION pipedrive_fdw CASCADE; "
        f"SELECT pipedrive.connect(base_url => '{simulator.url}', api_token => '{TOKEN}')"
    )
    command = [sys.executable, "-m", "pipedrive_fdw", "demo", "--dsn"]
    path = f"{psql.binary.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **server.env, "PATH": path}

    def demo(dsn: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            [*command, dsn], env=environment, capture_output=True, text=True, timeout=60
        )

    done = demo(psql.dsn)
    simulator.stop()
    assert (done.returncode, done.stderr) == (0, "")
    assert "── 7/7" in done.stdout
    assert {request["method"] for request in simulator.requests()} == {"GET"}
    assert done.stdout.count("Multicorn: Tokens:") > 3
    failed = demo(server.dsn_of("postgres"))
    assert failed.returncode == 1
    assert "The tour ends here" in failed.stderr
