"""What a run takes: seconds of the wall, and of the processor, which others on the machine disturb less."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Taken:
    """*seconds* of the wall, *cpu* seconds of one process among them."""

    seconds: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Taken) -> Taken:
        return Taken(self.seconds + other.seconds, self.cpu + other.cpu)


def cpu_of(pid: int) -> float:
    """Seconds that process *pid* has used, 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def median(work: Callable[[], Any], cpu: Callable[[], float] = lambda: 0.0, times: int = 1) -> Taken:
    """The median of some runs of *work*, in a process whose *cpu* seconds are counted."""
    runs = []
    for _ in range(times):
        before, started = cpu(), time.perf_counter()
        work()
        runs.append(Taken(time.perf_counter() - started, cpu() - before))
    return middle(runs)


def middle(runs: Sequence[Taken]) -> Taken:
    """The medians of *runs*."""
    return Taken(*(statistics.median(figures) for figures in zip(*map(astuple, runs))))
