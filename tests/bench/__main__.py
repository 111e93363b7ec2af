"""How fast it is, each line beside its baseline of the same run: ``make bench``.

The simulator runs in a process of its own. Nothing here fails for being slow.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Collection, Sequence
from functools import partial
from typing import cast

from tests.bench import copies
from tests.bench.baselines import DEALS, RemoteSimulator, bare_loop, make_constant_rows, window_seconds
from tests.bench.clock import Taken, cpu_of, median, middle
from tests.bench.report import Line, Point, Report
from tests.live import LiveAccount
from tests.simulator import Simulator
from tools.engine import Server

_PARTS = ("scans", "latency", "fan_outs", "writes", "sessions", "copies", "plots")
_LATENCY = 100
# Of the plots: parts of the deals, and milliseconds of latency.
_SIZES, _LATENCIES = (0.125, 0.25, 0.5, 1), (0, 50, 100, 200)
_SESSIONS, _PLANS = 9, 100
_PARENTS = 500
_COMPANY = 526  # deals of a company of which so many are neither archived nor deleted
_BURSTS = (20, 40, 120, 480)
_BUFFERS = "512MB"  # the tables of a copy fit into it
_PARALLEL_WRITES = 32
_SMALL = {"fan_outs", "writes"}  # parts that have a company of their own
_FOUR = "id, title, value, add_time"
_WHOLE = "SELECT count(t) FROM (SELECT * FROM {} OFFSET 0) t"
_SOME = "SELECT count(t) FROM (SELECT {} FROM {} OFFSET 0) t"
# What is read: query, and the same of Multicorn alone
_SCANS = (
    ("whole rows", _WHOLE.format("deals"), _WHOLE.format("alone_whole")),
    ("four columns", _SOME.format(_FOUR, "deals"), _SOME.format(_FOUR, "alone_four")),
)


class Bench:
    """One run of all measurements on one server and simulator."""

    def __init__(self, live: LiveAccount, simulator: RemoteSimulator, times: int) -> None:
        self.live = live
        self.simulator = simulator
        self.times = times
        self.lines: list[Line] = []
        self.points: list[Point] = []

    def taken(self, sql: str, times: int = 0) -> Taken:
        """The time that the backend takes for a statement: the median of some runs."""
        pid = self.live.value("SELECT pg_backend_pid()")
        return median(lambda: self.live.run(sql), lambda: cpu_of(pid), times or self.times)

    def warm(self, sql: str, times: int = 0) -> Taken:
        """The same in a new session that has sent a request before."""
        self.live.connect()
        self.live.rows("SELECT count(*) FROM users")
        return self.taken(sql, times)

    def line(self, what: str, sql: str, baseline: str, base: Taken, times: int = 0, rows: int = 0) -> None:
        taken = self.warm(sql, times)
        self.add(what, sql, taken, baseline, base, len(self.live.asked(sql)), rows)

    def add(
        self, what: str, sql: str, taken: Taken, baseline: str, base: Taken, requests: int = 0, rows: int = 0
    ) -> None:
        rate = round(rows / taken.seconds)
        self.lines.append(
            Line(what, sql, taken.seconds, taken.cpu, baseline, base.seconds, base.cpu, requests, rate)
        )
        print(self.lines[-1].text(), flush=True)

    def bare_loop(self, times: int = 0) -> Taken:
        return median(lambda: bare_loop(self.simulator.url, DEALS), time.process_time, times or self.times)

    # ---- what is measured

    def scans(self, deals: int) -> None:
        pages = self.bare_loop()
        for what, sql, alone in (*_SCANS, ("a bare count", "SELECT count(*) FROM deals", "")):
            multicorn = self.taken(alone) if alone else Taken()
            baseline = f"bare loop {pages.seconds:.2f} s + Multicorn alone {multicorn.seconds:.2f} s"
            self.line(f"{deals} deals, {what}", sql, baseline, pages + multicorn, rows=deals)

    def latency(self, deals: int) -> None:
        self.simulator.configure({"latency_ms": _LATENCY})
        base = self.bare_loop(1)
        for what, sql in (
            ("whole rows", _WHOLE.format("deals")),
            ("a bare count", "SELECT count(*) FROM deals"),
        ):
            self.line(f"{deals} deals at {_LATENCY} ms, {what}", sql, "bare loop", base, 1, deals)
        for sql in (
            "SELECT id FROM deals LIMIT 10",
            "SELECT id FROM deals WHERE title <> '' LIMIT 10",
            "SELECT * FROM (SELECT id FROM deals) d LIMIT 10",
        ):
            self.line(f"{sql}, at {_LATENCY} ms", sql, "latency", Taken(_LATENCY / 1000))
        self.simulator.configure({"latency_ms": 0})

    # ---- plots

    def point(self, plot: str, line: str, x: float, taken: Taken) -> None:
        self.points.append(Point(plot, line, x, taken.seconds))
        print(f"{plot} {x:g}: {line} {taken.seconds:.3f}", flush=True)

    def by_rows(self, deals: int) -> None:
        """Scans of all *deals*, each beside the bare loop and Multicorn alone together."""
        pages = self.bare_loop()
        for what, sql, alone in _SCANS:
            self.point("rows", f"baseline of {what}", deals, pages + self.taken(alone))
            self.point("rows", what, deals, self.warm(sql))
        self.point("rows", "bare loop", deals, pages)

    def by_latency(self) -> None:
        for latency in _LATENCIES:
            self.simulator.configure({"latency_ms": latency})
            self.point("latency", "bare loop", latency, self.bare_loop(1))
            for what, sql, _ in (*_SCANS, ("a bare count", "SELECT count(*) FROM deals", "")):
                self.point("latency", what, latency, self.warm(sql, 1))
        self.simulator.configure({"latency_ms": 0})

    def fan_outs(self, bursts: Sequence[int]) -> None:
        parents = "SELECT id FROM deals WHERE is_archived = false"
        ids = self.live.value(f"SELECT array_agg(id)::text FROM ({parents}) d")
        by = {
            "an array": f"SELECT count(*) FROM deal_followers WHERE deal_id = ANY ('{ids}'::bigint[])",
            "IN (SELECT …)": f"SELECT count(*) FROM deal_followers WHERE deal_id IN ({parents})",
            "a join": "SELECT count(*) FROM deals d JOIN deal_followers f ON f.deal_id = d.id "
            "WHERE NOT d.is_archived",
        }
        for burst in bursts:
            for what, sql in by.items():
                self.simulator.configure({"burst": burst, "latency_ms": _LATENCY})
                self.fan_out(f"followers of {_PARENTS} deals, by {what}, {burst} per 2 s", sql, burst)
        self.simulator.configure({"burst": 10**6, "latency_ms": 0})

    def writes(self, bursts: Sequence[int]) -> None:
        sql = "UPDATE deals SET title = title || '!' WHERE is_archived = false"
        for burst in bursts:
            self.simulator.configure({"burst": burst, "latency_ms": _LATENCY})
            setting = f"SET pipedrive.parallel_writes = {_PARALLEL_WRITES}"
            self.fan_out(f"{_PARENTS} updates side by side, {burst} per 2 s", sql, burst, setting)
        self.fan_out(f"{_PARENTS} updates one by one, {bursts[-1]} per 2 s", sql, bursts[-1])
        self.simulator.configure({"burst": 10**6, "latency_ms": 0})

    def fan_out(self, what: str, sql: str, burst: int, setting: str = "") -> None:
        time.sleep(2.2)  # the window of the line before
        self.live.connect()
        if setting:
            self.live.run(setting)
        self.live.rows("SELECT count(*) FROM users")  # from which the window is known
        time.sleep(2.2)
        self.simulator.reset()
        taken = self.taken(sql, 1)
        sent = len(self.simulator.requests())
        base = Taken(window_seconds(sent, burst, _LATENCY / 1000))
        self.add(what, sql, taken, "window alone", base, sent)

    def sessions(self) -> None:
        sql = "SELECT id FROM deals WHERE id = 42"
        self.add("first query of a new session", sql, self.first(sql), "nothing", Taken(), 1)
        self.live.rows(f"EXPLAIN {sql}")
        self.add("planning in a warm session", sql, self.planning(sql), "nothing", Taken())

    def first(self, sql: str) -> Taken:
        """What the first query of a session takes: the median of some sessions."""
        runs = []
        for _ in range(max(self.times, _SESSIONS)):
            with self.live.session() as session:
                ((pid,),) = session.execute("SELECT pg_backend_pid()").fetchall()
                cpu = partial(cpu_of, pid)
                runs.append(median(partial(session.execute, sql), cpu))
        return middle(runs)

    def planning(self, sql: str) -> Taken:
        """What a plan takes as PostgreSQL measures it; of the processor, EXPLAIN with it."""
        pid, plans = self.live.value("SELECT pg_backend_pid()"), []
        before = cpu_of(pid)
        for _ in range(_PLANS):
            ((plan,),) = self.live.rows(f"EXPLAIN (SUMMARY, FORMAT JSON) {sql}")
            plans.append(plan[0]["Planning Time"] / 1000)
        return Taken(statistics.median(plans), (cpu_of(pid) - before) / _PLANS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--deals", type=int, default=20_000)
    parser.add_argument("--fields", type=int, default=20, help="custom fields beside those of every company")
    parser.add_argument("--times", type=int, default=3, help="runs of each, of which the median counts")
    parser.add_argument("--copied", type=int, default=100_000, help="deals of the company that is copied")
    parser.add_argument("--bursts", nargs="*", type=int, default=_BURSTS, help="windows of the fan-outs")
    parser.add_argument("--only", nargs="*", default=_PARTS, choices=_PARTS)
    parser.add_argument(
        "--write",
        action="store_true",
        help="write docs/benchmarks.md and docs/benchmarks.json, and draw docs/images/benchmarks-*.svg",
    )
    chosen = parser.parse_args()
    with Server(settings={"shared_buffers": _BUFFERS}) as server:
        report = Report(server.engine.kind, server.engine.version, chosen.deals, chosen.times)
        print(report.head(), flush=True)
        only, fields = set(chosen.only), chosen.fields
        runs = []
        first, small = only & {"scans", "latency", "sessions"}, only & _SMALL
        if first:
            runs.append(measured(server, chosen, chosen.deals, first, fields))
        if small:
            runs.append(measured(server, chosen, _COMPANY, small, fields))
        if "copies" in only:
            runs.append(measured(server, chosen, chosen.copied, {"copies"}))
        if "plots" in only:
            sizes = [round(chosen.deals * size) for size in _SIZES]
            runs += [measured(server, chosen, size, {"rows"}, fields) for size in sizes]
            runs.append(measured(server, chosen, chosen.deals, {"latencies"}, fields))
        if chosen.write:
            lines = [line for bench in runs for line in bench.lines]
            points = [point for bench in runs for point in bench.points]
            report.write(lines, points, whole=only == set(_PARTS))


def measured(
    server: Server, chosen: argparse.Namespace, deals: int, only: Collection[str], fields: int = 0
) -> Bench:
    """Some measurements on a company of so many *deals* and further custom *fields*."""
    options = {"max_tokens_per_query": 10**9}
    company = {"seed": 1, "deals": deals, "burst": 10**6, "budget": 10**9, "extra_fields": fields}
    with (
        RemoteSimulator(**company) as simulator,
        LiveAccount(server, cast("Simulator", simulator), options=options) as live,
    ):
        bench = Bench(live, simulator, chosen.times)
        if {"scans", "rows"} & set(only):
            tables = {"alone_whole": "SELECT * FROM deals", "alone_four": f"SELECT {_FOUR} FROM deals"}
            make_constant_rows(server, live, tables, live.value("SELECT count(*) FROM deals"))
        if "scans" in only:
            bench.scans(deals)
        if "latency" in only:
            bench.latency(deals)
        if "fan_outs" in only:
            bench.fan_outs(chosen.bursts)
        if "writes" in only:
            bench.writes(chosen.bursts)
        if "sessions" in only:
            bench.sessions()
        if "copies" in only:
            copies.measure(live, deals, chosen.times, bench.add)
        if "rows" in only:
            bench.by_rows(deals)
        if "latencies" in only:
            bench.by_latency()
        return bench


if __name__ == "__main__":
    main()
