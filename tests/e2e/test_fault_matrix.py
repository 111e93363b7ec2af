"""Whatever goes wrong, at whichever request: all rows or a clear error, at a known number of requests.

The cells stand in tests/e2e/faults.py. The columns of a fault run at the same time, each against a simulator
of its own, since most of the time is spent waiting.
"""

from __future__ import annotations

import itertools
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.faults import (
    ALWAYS,
    CASES,
    CHILD,
    COLUMNS,
    EXPIRED,
    EXTENDED,
    IMPORT,
    LONG,
    NO_REFRESH,
    SQLSTATES,
    VOID,
    WRONG_NAME,
    Case,
    Column,
)
from tests.live import LiveAccount
from tests.simulator.control import insert
from tests.simulator.oauth import CLIENT, REFRESH_TOKEN
from tools.engine import Server

TABLES = ("persons", "deals", "deal_followers", "filters")
OAUTH = {"client_id": CLIENT[0], "client_secret": CLIENT[1], "refresh_token": REFRESH_TOKEN}
NO_GRANT = {"success": False, "error": "Invalid grant: refresh_token is invalid"}
CELLS = [(fault, column.name) for fault in CASES for column in COLUMNS]


@dataclass
class Seen:
    """What came of a case: how often the spoilt request arrived, whether the rows are *right*."""

    error: str = ""
    sqlstate: str = ""
    requests: int = 0
    right: bool = False
    written: bool = False
    next_query: bool = False


@dataclass
class Lane:
    """One column: its simulator, with an account that signs in by token and one by OAuth."""

    column: Column
    account: LiveAccount
    oauth: LiveAccount
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    plain: int = 0

    def run(self, fault: str, case: Case) -> Seen:
        account = self.oauth if fault in (EXPIRED, NO_REFRESH) else self.account
        simulator = account.simulator
        words = self._words(account)
        sql = case.column.sql.format(**words)
        match, before = (text.format(**words) for text in (case.column.match, case.column.before))
        self._prepare(account, words)
        account.run(f"ALTER SERVER {account.name} OPTIONS (SET read_timeout '{_read_timeout(case)}')")
        simulator.reset()
        if case.rule.get("action") == "refuse" and not before:
            simulator.refuse(case.rule["ms"] / 1000)
        else:
            rule = {"match": match, "method": case.column.method, "skip": case.column.skip, **case.rule}
            if case.rule.get("action") == "refuse":
                rule.update(match=before, method="GET", skip=0, times=1)
            refusal = {"match": "^/oauth/token$", "action": "status", "status": 400, "body": NO_GRANT}
            simulator.faults([rule] * bool(case.rule) + [refusal] * (fault == NO_REFRESH))
        seen = Seen()
        rows: list[Any] = []
        try:
            rows = self._result(account, sql)
        except psycopg.Error as error:
            seen.error, seen.sqlstate = str(error), error.sqlstate or ""
            assert "" not in (error.diag.message_detail, error.diag.message_hint), error
        asked = [r for r in simulator.requests() if re.search(match, r["path"])]
        seen.requests = sum(r["method"] == case.column.method for r in asked)
        simulator.faults([])
        simulator.listen()
        if fault == NO_REFRESH:
            _forget_refusals(account.server)
        seen.written = self._is_written(account, words)
        seen.right = seen.written if case.column.writes else rows == self._expected(account)
        seen.next_query = account.rows("SELECT id FROM persons WHERE id = 1") == [(1,)]
        return seen

    def _words(self, account: LiveAccount) -> dict[str, Any]:
        number = next(self.names)
        name = f"{self.column.name} {number}"
        record: dict[str, Any] = {"id": 0}
        if self.column.writes:
            with account.simulator.account.lock:
                record = insert(account.simulator.account, "persons", {"name": f"before {name}"})
        deals = [r["id"] for r in account.simulator.records("deals") if not r["is_archived"]]
        filters = [r["id"] for r in account.simulator.records("filters")]
        words = {"name": name, "id": record["id"], "server": account.name}
        return {**words, "deal": min(deals), "filter": min(filters)}

    def _prepare(self, account: LiveAccount, words: dict[str, Any]) -> None:
        account.connect()  # a session without anything remembered
        if self.column is IMPORT:
            account.run(f"DROP SCHEMA IF EXISTS scratch_{account.name} CASCADE")
            account.run(f"CREATE SCHEMA scratch_{account.name}")
        account.rows("SELECT id FROM persons WHERE id = 1")  # the connection is made, the token fetched

    def _result(self, account: LiveAccount, sql: str) -> list[Any]:
        if self.column is IMPORT:
            account.run(sql.replace("scratch", f"scratch_{account.name}"))
            return account.rows(_columns_of(f"scratch_{account.name}"))
        if self.column.writes:
            account.run(sql)
            return []
        return sorted(account.rows(sql), key=lambda row: row[:2] if self.column is not EXTENDED else row[0])

    def _expected(self, account: LiveAccount) -> list[Any]:
        records = account.simulator.records
        if self.column is IMPORT:
            return account.rows(_columns_of(account.name))
        if self.column is CHILD:
            return sorted((r["deal_id"], r["user_id"]) for r in records("deal_followers"))
        if self.column is EXTENDED:
            return sorted(((r["id"], r["conditions"]) for r in records("filters")), key=lambda row: row[0])
        return sorted((r["id"], r["name"]) for r in records("persons"))

    def _is_written(self, account: LiveAccount, words: dict[str, Any]) -> bool:
        """Whether the write was done, and nothing else was: once or not at all."""
        persons = [r for r in account.simulator.records("persons")]
        same = [r for r in persons if r["name"] == words["name"]]
        there = [r for r in persons if r["id"] == words["id"]]
        assert len(same) <= 1 and len(there) <= 1
        return not there if self.column.method == "DELETE" else len(same) == 1


def _columns_of(schema: str) -> str:
    return (
        "SELECT attname, format_type(atttypid, atttypmod), attfdwoptions FROM pg_attribute WHERE attnum > 0 "
        f"AND attrelid = '{schema}.persons'::regclass ORDER BY attnum"
    )


def _read_timeout(case: Case) -> str:
    return "0.3" if case.rule.get("action") == "delay" else "30"


def _forget_refusals(server: Server) -> None:
    for file in (server.data / "pgsql_tmp_pipedrive_fdw").glob("oauth-*"):
        file.unlink(missing_ok=True)


class Matrix:
    """Runs the cases of a fault, all columns at the same time, once."""

    def __init__(self, lanes: list[Lane]) -> None:
        self.lanes = lanes
        self._seen: dict[str, dict[str, list[tuple[Case, Seen]]]] = {}

    def seen(self, fault: str, column: str) -> list[tuple[Case, Seen]]:
        if fault not in self._seen:
            with ThreadPoolExecutor(len(self.lanes)) as pool:
                done = pool.map(lambda lane: (lane.column.name, self._column(fault, lane)), self.lanes)
                self._seen[fault] = dict(done)
        return self._seen[fault][column]

    @staticmethod
    def _column(fault: str, lane: Lane) -> list[tuple[Case, Seen]]:
        return [(case, lane.run(fault, case)) for case in CASES[fault] if case.column is lane.column]

    def plain(self, column: str) -> int:
        return next(lane.plain for lane in self.lanes if lane.column.name == column)


@pytest.fixture(scope="module")
def matrix(server: Server) -> Iterator[Matrix]:
    options = {"page_size": 20, "read_timeout": 30, "max_tokens_per_query": 10**9}
    accounts: list[LiveAccount] = []
    lanes = []
    try:
        for column in COLUMNS:
            account = LiveAccount(server, deals=25, tables=TABLES, options=options)
            accounts.append(account.__enter__())
            oauth = LiveAccount(server, account.simulator, mapping=OAUTH, tables=TABLES, options=options)
            accounts.append(oauth.__enter__())
            lanes.append(Lane(column, account, oauth))
        for lane in lanes:
            seen = lane.run("", Case(lane.column, ALWAYS))
            assert (seen.error, seen.right, seen.next_query) == ("", True, True)
            lane.plain = seen.requests
        yield Matrix(lanes)
    finally:
        for account in reversed(accounts):
            with psycopg.connect(server.dsn, autocommit=True) as connection:
                connection.execute(f"DROP SCHEMA IF EXISTS scratch_{account.name} CASCADE")
            account.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("fault", "column"), [c for c in CELLS if c not in VOID and c[0] != WRONG_NAME], ids=lambda part: part
)
def test_a_fault_ends_in_all_rows_or_a_clear_error(matrix: Matrix, fault: str, column: str) -> None:
    cases = matrix.seen(fault, column)
    assert cases
    for case, seen in cases:
        assert re.search(case.error, seen.error) and bool(case.error) == bool(seen.error), (case, seen)
        assert seen.sqlstate == (SQLSTATES[seen.error.split(":")[0]] if case.error else ""), (case, seen)
        expected = case.requests + (case.column.skip if case.error else matrix.plain(column))
        assert seen.requests == expected, (case, seen)
        assert seen.written == (case.column.writes and (case.written or not case.error)), (case, seen)
        assert seen.right or bool(case.error), (case, seen)
        assert seen.next_query, (case, seen)


def test_every_cell_is_a_case_or_void() -> None:
    cases = {(fault, case.column.name) for fault, of_it in CASES.items() for case in of_it}
    assert cases | set(VOID) == set(CELLS)
    assert not cases & set(VOID)
    assert all(VOID.values())


def test_the_page_of_errors_states_the_figures() -> None:
    cases = sum(len(of_it) for of_it in CASES.values())
    shown = f"{len(CASES)} faults × {len(COLUMNS)} requests: {len(CELLS) - len(VOID)} cells in {cases} cases"
    assert shown in (Path(__file__).parents[2] / "docs" / "errors.md").read_text()


# ---- a certificate for another name


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """(address, what arrived) of a server whose certificate is for another name."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    program = shutil.which("openssl") or "openssl"
    subprocess.run(  # noqa: S603
        [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out",
         str(certificate), "-days", "2", "-subj", "/CN=other.example",
         "-addext", "subjectAltName=DNS:other.example"],
        check=True, capture_output=True,
    )  # fmt: skip
    arrived: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 - the library's name
            arrived.append(self.path)

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        listener.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
        yield f"https://127.0.0.1:{listener.server_address[1]}", arrived
        listener.shutdown()


def test_a_wrong_tls_name_ends_every_statement_before_a_request(
    server: Server, impostor: tuple[str, list[str]]
) -> None:
    address, arrived = impostor
    with LiveAccount(server, deals=5, tables=["persons"]) as account:
        account.run(f"ALTER SERVER {account.name} OPTIONS (SET base_url '{address}')")
        account.run("CREATE SCHEMA scratch")
        words = {"name": "x", "id": 1, "server": account.name}
        for case in CASES[WRONG_NAME]:
            with pytest.raises(psycopg.Error, match=case.error):
                account.run(case.column.sql.format(**words))
        account.run("DROP SCHEMA scratch")
        assert arrived == []
        assert account.requests() == []


# ---- beyond the matrix


def test_an_answer_that_comes_byte_by_byte_ends(server: Server) -> None:
    options = {"read_timeout": 0.2, "connect_timeout": 0.1}
    with LiveAccount(server, deals=5, tables=["persons"], options=options) as account:
        rule = {"match": "/persons", "action": "trickle", "ms": 50, "times": 1}
        account.simulator.faults([rule])
        assert len(account.rows("SELECT id FROM persons")) == len(account.simulator.records("persons"))
        assert len(account.requests()) == 2
        account.simulator.faults([rule])
        with pytest.raises(psycopg.Error, match="outcome unknown.*did not answer in time"):
            account.run("INSERT INTO persons (name) VALUES ('byte by byte')")
        assert [r["name"] for r in account.simulator.records("persons")].count("byte by byte") == 1


def test_a_daily_limit_in_the_middle_of_a_fan_out_ends_it(server: Server) -> None:
    with LiveAccount(server, deals=40, tables=["deal_followers", "deals"]) as account:
        account.simulator.faults([{"match": "/followers", "action": "status", "status": 429,
                                   "headers": {"retry-after": str(LONG)}, "skip": 20}])  # fmt: skip
        with pytest.raises(psycopg.Error, match="daily limit"):
            account.rows("SELECT * FROM deal_followers")
        spoilt = [r for r in account.requests() if r["status"] == 429]
        assert 1 <= len(spoilt) <= 32  # as many as were under way
