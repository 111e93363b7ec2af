"""The simulator serves the provider's own client, the npm package ``pipedrive``, as a real consumer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.simulator import Simulator

VERSION = "33.7.0"
SCRIPT = Path(__file__).with_name("official_client.mjs")
NODE, NPM = shutil.which("node"), shutil.which("npm")

pytestmark = [
    pytest.mark.npm,
    pytest.mark.skipif(NODE is None or NPM is None, reason="node and npm are not installed"),
]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client in it; in PIPEDRIVE_FDW_CACHE it stays for the next run."""
    cache = os.environ.get("PIPEDRIVE_FDW_CACHE")
    folder = Path(cache) / f"npm-pipedrive-{VERSION}" if cache else tmp_path_factory.mktemp("npm")
    if not (folder / "node_modules" / "pipedrive" / "package.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
        command = [str(NPM), "install", "--no-audit", "--no-fund", f"pipedrive@{VERSION}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)  # noqa: S603
        if done.returncode:
            pytest.skip(f"npm could not install the client: {done.stderr.strip()[-200:]}")
    return folder


@pytest.fixture(scope="module")
def seen(package: Path) -> tuple[dict[str, Any], Simulator]:
    """What the client saw, and the simulator that it saw (stopped: its records can be read still)."""
    simulator = Simulator(deals=120).start()
    before = len(simulator.records("persons")), len(simulator.records("activities"))
    try:
        command = [str(NODE), str(SCRIPT), simulator.url, "demo-token", str(package)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)  # noqa: S603
        assert done.returncode == 0, done.stderr
        out: dict[str, Any] = json.loads(done.stdout)
    finally:
        simulator.stop()
    out["before"] = before
    return out, simulator


def test_the_client_reads_every_page(seen: tuple[dict[str, Any], Simulator]) -> None:
    out, simulator = seen
    stored = simulator.records("deals")
    assert out["deals"] == [d["id"] for d in stored if not d["is_archived"]]
    assert out["archived"] == [d["id"] for d in stored if d["is_archived"]]
    assert (out["persons"], out["activities"]) == out["before"]
    assert out["products"] == len(simulator.records("products"))
    assert (out["me"], out["extra"]) == ("acme", 2)


def test_the_client_creates_changes_and_deletes(seen: tuple[dict[str, Any], Simulator]) -> None:
    out, _ = seen
    assert out["made"] == ["By the client", 10.5, "open"]
    assert out["won"] == ["won", True]
    assert (out["deleted"], out["gone"]) == (True, True)
    assert out["option"] == [True, 40]
    assert (out["note"], out["changed"]) == (["<b>hi</b>", True], "bye")
    assert (out["lead"], out["assigned"], out["unassigned"], out["thread"]) == (True, True, True, 1)


def test_the_client_is_refused_as_the_api_refuses(seen: tuple[dict[str, Any], Simulator]) -> None:
    out, _ = seen
    assert (out["missing"], out["wrong"], out["unauthorized"]) == (404, 400, 401)


def test_every_request_of_the_client_was_one_that_the_files_know(
    seen: tuple[dict[str, Any], Simulator],
) -> None:
    _, simulator = seen
    refused = [(r["method"], r["path"], r["status"]) for r in simulator.requests() if r["status"] >= 400]
    assert refused == [
        ("GET", "/api/v2/deals/999999", 404),
        ("POST", "/api/v2/deals", 400),
        ("GET", "/api/v2/deals", 401),
    ]
