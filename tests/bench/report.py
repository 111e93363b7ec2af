"""The figures of a run: a table on the screen, Markdown and JSON for the documentation."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.plot import plot

DOCS = Path(__file__).resolve().parents[2] / "docs"
_TITLES = ("what", "seconds", "baseline", "CPU", "baseline", "ratio", "of CPU", "requests", "rows/s")
_ROW = "{:<58} {:>8} {:>8} {:>8} {:>8} {:>6} {:>6} {:>8} {:>9}"
BEGIN, END = "<!-- figures: {} -->", "<!-- end of figures: {} -->"


@dataclass(frozen=True)
class Line:
    """One measurement: *seconds* it took, *cpu* of them on a processor; *base* and *base_cpu* are those of
    its *baseline*. *requests* are those of one run."""

    what: str
    sql: str
    seconds: float
    cpu: float
    baseline: str
    base: float
    base_cpu: float
    requests: int
    rows_per_second: int = 0

    def cells(self) -> tuple[str, ...]:
        rate = f"{self.rows_per_second:,}" if self.rows_per_second else ""
        ratios = (_ratio(self.seconds, self.base), _ratio(self.cpu, self.base_cpu))
        numbers = (self.seconds, self.base, self.cpu, self.base_cpu)
        return self.what, *(f"{number:.3f}" for number in numbers), *ratios, str(self.requests), rate

    def text(self) -> str:
        return _ROW.format(*self.cells())

    def markdown(self) -> str:
        return f"| {' | '.join((*self.cells(), self.baseline))} |"


@dataclass(frozen=True)
class Point:
    """What a *line* of a *plot* takes at *x*."""

    plot: str
    line: str
    x: float
    seconds: float


# By name: title, what is across
PLOTS = {
    "rows": ("Reading deals: time by rows", "rows"),
    "latency": ("Reading deals: time by latency", "milliseconds of latency a request"),
}


class Report:
    """Of one run on *engine*, *deals* deals, the median of so many *times*."""

    def __init__(self, engine: str, version: str, deals: int, times: int) -> None:
        self.engine = engine
        cpu = _cpu()
        when = dt.datetime.now(dt.timezone.utc).date().isoformat()
        self.machine = (
            f"{version}; {os.cpu_count()} × {cpu}, {platform.system()} {platform.machine()}; {when}"
        )
        self.run = f"{deals} deals, median of {times}"

    def head(self) -> str:
        return f"{self.machine}; {self.run}\n\n{_ROW.format(*_TITLES)}"

    def write(self, measured: Sequence[Line], points: Sequence[Point], whole: bool) -> None:
        """Puts the figures of this engine into docs/benchmarks.md and docs/benchmarks.json, and the plots of
        *points* into docs/images. Unless all was measured, the *whole*, the other lines and points stay."""
        file = DOCS / "benchmarks.json"
        kept = json.loads(file.read_text()) if file.exists() else {}
        others = [] if whole else [Line(**line) for line in kept.get(self.engine, {}).get("lines", [])]
        found = {line.what: line for line in measured}
        lines = [found.pop(line.what, line) for line in others] + list(found.values())
        drawn = points or [Point(**point) for point in kept.get(self.engine, {}).get("points", [])]
        table = [
            *self._plots(drawn),
            f"{self.machine}; {self.run}.",
            "",
            f"| {' | '.join((*_TITLES, 'the baseline'))} |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
            *(line.markdown() for line in lines),
        ]
        page = DOCS / "benchmarks.md"
        text = page.read_text()
        begin, end = BEGIN.format(self.engine), END.format(self.engine)
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        page.write_text(f"{before}{begin}\n\n" + "\n".join(table) + f"\n\n{end}{after}")
        kept[self.engine] = {
            "machine": self.machine,
            "run": self.run,
            "lines": [asdict(line) for line in lines],
            "points": [asdict(point) for point in drawn],
        }
        file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")

    def _plots(self, points: Sequence[Point]) -> list[str]:
        """Draws the plots; the Markdown that shows them."""
        shown = []
        for name, (title, across) in PLOTS.items():
            series: dict[str, list[tuple[float, float]]] = {}
            for point in points:
                if point.plot == name:
                    series.setdefault(point.line, []).append((point.x, point.seconds))
            if series:
                file = f"images/benchmarks-{name}-{self.engine}.svg"
                (DOCS / file).write_text(plot(title, across, "seconds", series))
                shown += [f"![{title}, beside the baselines]({file})", ""]
        return shown


def _ratio(taken: float, base: float) -> str:
    return f"{taken / base:.2f}" if base else ""


def _cpu() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in info if line.startswith("model name")), "?")
