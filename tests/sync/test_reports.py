"""The reports of the cookbook on a copy: the name of the schema is all that changes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from pipedrive_fdw.catalog import TABLES
from tests.docs.test_cookbook import REPORTS
from tests.sync.copied import Copied
from tools.engine import Server

_TABLE = re.compile(rf"\bpipedrive\.({'|'.join(TABLES)})\b(?! *\()")


def on_the_copy(report: str) -> str:
    return _TABLE.sub(r"crm.\1", report)


def tables_of_reports() -> list[str]:
    return sorted({name for report in REPORTS for name in _TABLE.findall(report.text)})


@pytest.fixture(scope="module")
def copied(server: Server) -> Iterator[Copied]:
    with Copied(server, deals=300) as made:
        made.mirror(tables_of_reports())
        made.sync()
        made.run("SET timezone = 'UTC'")
        yield made


@pytest.mark.parametrize("number", range(1, 21))
def test_a_report_on_the_copy_has_the_same_rows(copied: Copied, number: int) -> None:
    report = REPORTS[number - 1].text
    assert "pipedrive." not in on_the_copy(report)
    copied.run("BEGIN")  # now() stands still
    try:
        foreign, own = copied.rows(report), copied.rows(on_the_copy(report))
    finally:
        copied.run("ROLLBACK")
    assert own
    assert own == foreign
