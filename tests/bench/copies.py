"""A copy of an account: its first load beside the plain scan, and the reports of the cookbook on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from tests.bench.clock import Taken, cpu_of, median
from tests.docs.test_cookbook import BOOK
from tests.live import LiveAccount
from tests.sync.test_reports import on_the_copy, tables_of_reports

# What a report on 100,000 deals may take
AIM = Taken(0.1, 0.1)
_REPORT = re.compile(r"^### (\d+\. .*?)$.*?^```sql$(.*?)^```$", re.MULTILINE | re.DOTALL)
Add = Callable[[str, str, Taken, str, Taken], None]


@contextmanager
def copy_of(live: LiveAccount) -> Iterator[None]:
    """The schema ``crm`` of the tables that the reports use, not loaded yet."""
    names = ",".join(tables_of_reports())
    live.run(f"SELECT pipedrive.mirror('{live.name}', target => 'crm', tables => '{{{names}}}')")
    try:
        yield
    finally:
        live.run("DROP SCHEMA crm CASCADE")


def fetch(live: LiveAccount, sql: str) -> None:
    """Fetches the rows as a client that does nothing with them."""
    assert live.connection is not None
    with live.connection.cursor().copy(f"COPY ({sql.strip().rstrip(';')}) TO STDOUT".encode()) as rows:
        for _ in rows:
            pass


def measure(live: LiveAccount, deals: int, times: int, add: Add) -> None:
    """Adds the line of a first load of the *deals*, and one of each report: the median of some runs."""
    cpu = partial(cpu_of, live.value("SELECT pg_backend_pid()"))
    with copy_of(live):
        base = median(partial(fetch, live, "SELECT * FROM deals"), cpu)
        load = "CALL pipedrive.sync('crm.deals')"
        taken = median(partial(live.run, load), cpu)
        add(f"copy: first load of {deals} deals", load, taken, "SELECT * FROM deals, sent to a client", base)
        live.run("CALL pipedrive.sync()")
        # So that the processor's time is that of one process
        live.run("SET timezone = 'UTC'; SET max_parallel_workers_per_gather = 0")
        for name, report in _REPORT.findall(BOOK.read_text(encoding="utf-8")):
            sql = on_the_copy(report)
            live.run(sql)
            taken = median(partial(live.run, sql), cpu, times)
            add(f"copy: report {name}", sql.strip(), taken, "what is aimed at", AIM)
