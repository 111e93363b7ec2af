"""How fast it is, as ratios to a baseline of the same run: ``make bench``.

The baseline reads the same pages with requests and orjson and does nothing with them: what no client can be
faster than. Nothing here fails for being slow.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import orjson
import requests

from tests.live import TOKEN, LiveAccount
from tools.engine import Server

_PATHS = ("/api/v2/deals", "/api/v2/deals/archived")
_TABLE = "{:<58} {:>8} {:>9} {:>9} {:>8}"


def pages(url: str) -> int:
    """Reads every deal, page by page, and gives their number."""
    session = requests.Session()
    session.headers["x-api-token"] = TOKEN
    count = 0
    for path in _PATHS:
        params: dict[str, Any] = {"limit": 500}
        while True:
            payload = orjson.loads(session.get(url + path, params=params, timeout=60).content)
            count += len(payload["data"])
            cursor = (payload.get("additional_data") or {}).get("next_cursor")
            if not cursor:
                break
            params = {"limit": 500, "cursor": cursor}
    return count


def seconds(work: Callable[[], Any], times: int) -> float:
    """The best of *times* runs."""
    best = float("inf")
    for _ in range(times):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--deals", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=3, help="runs of each, of which the best counts")
    chosen = parser.parse_args()
    options = {"max_tokens_per_query": 10**9}
    with (
        Server() as server,
        LiveAccount(server, seed=1, deals=chosen.deals, burst=10**6, budget=10**9, options=options) as live,
    ):
        print(f"{server.engine.version}, {chosen.deals} deals; best of {chosen.times}\n")
        print(_TABLE.format("what", "seconds", "baseline", "requests", "tokens"))
        base = seconds(lambda: pages(live.simulator.url), chosen.times)
        print(
            _TABLE.format("baseline: the pages alone, by requests and orjson", f"{base:.2f}", "1.0", "", "")
        )
        for sql in (
            "SELECT count(*) FROM deals",
            "SELECT id, title, value FROM deals",
            "SELECT count(t) FROM (SELECT * FROM deals OFFSET 0) t",
            "SELECT count(*) FROM deals a JOIN deals b ON a.id = b.id",
            "SELECT * FROM deals ORDER BY id DESC LIMIT 10",
            "SELECT * FROM deals WHERE id = 42",
            "SELECT * FROM deal_products WHERE deal_id < 500 AND deal_id IN (1, 2, 3)",
        ):
            taken = seconds(lambda sql=sql: live.rows(sql), chosen.times)  # type: ignore[misc]
            log = live.asked(sql)
            tokens = sum(r["tokens"] for r in log)
            print(_TABLE.format(sql, f"{taken:.2f}", f"{taken / base:.2f}", len(log), tokens))


if __name__ == "__main__":
    main()
