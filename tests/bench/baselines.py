"""What the wrapper is held against: the pages alone, Multicorn alone, the burst window alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import requests

from tests.live import TOKEN, LiveAccount
from tools.engine import Server

DEALS = ("/api/v2/deals", "/api/v2/deals/archived")
_SAMPLE = 500


class RemoteSimulator:
    """A simulator in a process of its own, which does not take its time from the tests' process."""

    def __init__(self, **settings: Any) -> None:
        given = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        command = [sys.executable, "-m", "tests.simulator", f"--token={TOKEN}", *given]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this checkout's
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1]

    def __enter__(self) -> RemoteSimulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def reset(self) -> None:
        requests.post(f"{self.url}/_sim/reset", timeout=60)

    def requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(f"{self.url}/_sim/requests", timeout=60).json()
        return found

    def configure(self, settings: Mapping[str, Any]) -> None:
        requests.post(f"{self.url}/_sim/settings", json=dict(settings), timeout=60)


def bare_loop(url: str, paths: Sequence[str], **params: str) -> int:
    """Reads every page of the lists at *paths* by requests and orjson, and gives the number of records."""
    session = requests.Session()
    session.headers["x-api-token"] = TOKEN
    count = 0
    for path in paths:
        cursor = ""
        while True:
            asked = {"limit": "500", **params, **({"cursor": cursor} if cursor else {})}
            payload = orjson.loads(session.get(url + path, params=asked, timeout=60).content)
            count += len(payload["data"])
            cursor = (payload.get("additional_data") or {}).get("next_cursor")
            if not cursor:
                break
    return count


def make_constant_rows(server: Server, account: LiveAccount, tables: Mapping[str, str], rows: int) -> None:
    """Foreign tables of Multicorn alone: name → query, whose first rows they give again and again. Those that
    were made before are dropped."""
    folder = server.folder / "python"
    shutil.copy(Path(__file__).with_name("constant_rows.py"), folder)
    account.run("DROP SERVER IF EXISTS alone CASCADE")
    account.run(
        "CREATE SERVER alone FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'constant_rows.ConstantRows')"
    )
    for name, query in tables.items():
        account.run(f"CREATE TEMP TABLE shape AS {query} LIMIT {_SAMPLE}")
        columns = account.rows(
            "SELECT quote_ident(attname), format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = 'shape'::regclass AND attnum > 0"
        )
        numbers = [kind == "bigint" for _, kind in columns]
        texts = ", ".join(f"{column}::text" for column, _ in columns)
        sample = [
            [int(cell) if is_number and cell is not None else cell for is_number, cell in zip(numbers, row)]
            for row in account.rows(f"SELECT {texts} FROM shape")
        ]
        file = folder / f"{name}.json"
        file.write_text(json.dumps(sample))
        declared = ", ".join(f"{column} {kind}" for column, kind in columns)
        account.run(
            f"CREATE FOREIGN TABLE {name} ({declared}) SERVER alone OPTIONS (file '{file}', rows '{rows}')"
        )
        account.run("DROP TABLE shape")


def window_seconds(requests_sent: int, burst: int, latency: float) -> float:
    """What a window of *burst* requests in two seconds takes at the least for so many requests."""
    return 2.0 * ((requests_sent - 1) // burst) + latency
