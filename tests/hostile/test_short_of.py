"""A machine that is short of memory or of open files: a clear error, never the end of the server."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pipedrive_fdw.errors import PipedriveError, ResourceError, fault_of
from tests.live import LiveAccount
from tools.engine import Server

# Does something with so many more bytes of memory than Python has taken already
PROGRAM = """
import resource
from pathlib import Path
from pipedrive_fdw.table.row_batches import RowBatches
from pipedrive_fdw.table.scan_request import Reads
from pipedrive_fdw.values.jsontext import parse_json, parse_row, to_json
parse_json(b'{}')
content = "\\\\x" + "ab" * 10_000_000
row = '{"content":"%s"}' % ("a" * 10_000_000)
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MORE,) * 2)
try:
    print(len(WHAT))
except MemoryError:
    print("no memory")
"""


def done(what: str, mebibytes: int) -> tuple[int, str]:
    """The exit code and the output of the program that does *what* with so much memory."""
    program = PROGRAM.replace("MORE", str(mebibytes * 2**20)).replace("WHAT", what)
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root)  # noqa: S603
    return ran.returncode, ran.stdout


@pytest.mark.parametrize("mebibytes", [1, 8, 12, 16, 24, 1_000])
def test_a_document_for_which_there_is_no_memory_ends_no_process(mebibytes: int) -> None:
    """orjson does not look whether it gets memory for an object."""
    shown = done("""parse_json(b"[" + b",".join([b'{"":""}'] * 100_000) + b"]")""", mebibytes)
    assert shown == (0, "100000\n" if mebibytes == 1_000 else "no memory\n")


@pytest.mark.parametrize("mebibytes", [1, 20, 30, 40, 60, 75, 80, 90, 100, 120, 1_000])
def test_a_file_for_which_there_is_no_memory_ends_no_process(mebibytes: int) -> None:
    what = "RowBatches(iter([[[content]]]), [0], 1, reads=Reads.ALL, files=[0]).next()"
    code, shown = done(what, mebibytes)
    assert code == 0
    assert shown == "20000012\n" or (mebibytes < 1_000 and shown == "no memory\n")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "pipedrive resources: out of memory"),
        (OSError(24, "Too many open files", "x.py"), "pipedrive resources: the operating system refuses"),
        (RuntimeError("x"), "pipedrive error: internal fault: RuntimeError"),
    ],
)
def test_what_the_machine_lacks_is_no_fault_of_the_package(error: Exception, message: str) -> None:
    shown = fault_of(error)
    assert shown.message.startswith(message)
    assert isinstance(shown, ResourceError) == isinstance(error, (MemoryError, OSError))
    assert "Too many open files." in shown.detail or not isinstance(error, OSError)


@pytest.mark.parametrize("mebibytes", [1, 15, 40, 80, 120, 160, 1_000])
def test_a_row_for_which_there_is_no_memory_ends_no_process_when_it_is_written(mebibytes: int) -> None:
    shown = done("to_json(parse_row(row))", mebibytes)
    assert shown == (0, "10000014\n" if mebibytes == 1_000 else "no memory\n")


# ---- open files


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=20, tables=["deals", "persons", "stages"]) as live:
        yield live


def _limit_files(pid: int, most: str) -> None:
    """Lets the backend *pid* open no file with a number of *most* or more, as its own user of the system."""
    owner = Path(f"/proc/{pid}").stat()
    who = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.getuid() == 0 else {}
    subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={most}:"], check=True, **who)  # type: ignore[call-overload] # noqa: S603, S607


@pytest.mark.parametrize("more", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM deals",
        "UPDATE persons SET name = name || 'x' WHERE id IN (1, 2)",
        "INSERT INTO persons (name) VALUES ('short of files') RETURNING id",
    ],
)
def test_without_open_files_a_statement_is_whole_or_a_clear_error(
    account: LiveAccount, sql: str, more: int
) -> None:
    account.simulator.refill()
    with account.session() as session:
        session.execute("SELECT id FROM stages WHERE id = 1")
        pid = session.info.backend_pid
        taken = {int(file.name) for file in Path(f"/proc/{pid}/fd").iterdir()}
        free = [number for number in range(len(taken) + 10) if number not in taken]
        most = str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        account.simulator.reset()
        _limit_files(pid, str(free[more]))
        error = None
        try:
            session.execute(sql.encode())
        except psycopg.Error as caught:
            error = caught
        _limit_files(pid, most)
        writes = [r for r in account.requests() if r["method"] != "GET"]
        if error is not None:
            assert error.sqlstate in ("53000", "58030", "08006", "08007"), error
            assert not writes or re.search("written in Pipedrive|outcome unknown", str(error)), error
            assert writes or error.sqlstate != "08007", error
        session.execute(sql.encode())


def test_a_fault_hides_no_row_that_was_written() -> None:
    from tests.unit.test_transaction import transaction

    made = transaction(("deals", "UPDATE", "7", 1))
    with pytest.raises(PipedriveError, match="out of memory") as caught, made.reported():
        raise MemoryError
    assert caught.value.detail == "1 row is written in Pipedrive for good: deals UPDATE 7."
