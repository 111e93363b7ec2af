"""A server whose Python package is away or half replaced: each use is an error, and nothing more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

MESSAGE = "the Python package pipedrive_fdw cannot be loaded"
USES = {
    "a query": "SELECT count(*) FROM stages",
    "a plan": "EXPLAIN SELECT FROM stages",
    "an import": "IMPORT FOREIGN SCHEMA pipedrive FROM SERVER {server} INTO {server}",
    "an option": "ALTER SERVER {server} OPTIONS (ADD page_size '7')",
    "a write": "DELETE FROM stages WHERE id = 1",
    "a listing": "SELECT count(*) FROM information_schema.tables WHERE is_insertable_into = 'YES'",
}

# What a step of the transaction becomes
FAILING = """
def _fail(asked):
    raise RuntimeError("of a test")
"""


class Broken(LiveAccount):
    """An account on a server whose package is broken."""

    def break_package(self, how: str) -> None:
        self._module = self.server.folder / "python" / "pipedrive_fdw" / "fdw.py"
        self._text = self._module.read_text(encoding="utf-8")
        if how.startswith("fails"):
            self._module.write_text(f"{self._text}\n{FAILING}_SERVICES[{how[6:]!r}] = _fail\n")
        elif how == "is missing":
            self._module.unlink()
        else:
            self._module.write_text("1 / 0" if how == "raises" else self._text[: len(self._text) // 2] + "(")

    def repair(self) -> None:
        self._module.write_text(self._text, encoding="utf-8")


@pytest.fixture(params=["raises", "is half written", "is missing"])
def account(server: Server, request: pytest.FixtureRequest) -> Iterator[Broken]:
    with Broken(server, deals=3, tables=["stages"]) as live:
        live.break_package(request.param)
        try:
            yield live
        finally:
            live.repair()


@pytest.mark.parametrize("use", USES)
def test_a_use_is_an_error_that_ends_neither_session_nor_server(account: Broken, use: str) -> None:
    sql = USES[use].format(server=account.name)
    with account.session() as session:
        started = session.execute("SELECT pg_postmaster_start_time(), pg_backend_pid()").fetchall()
        for statements in (
            (sql,),
            ("BEGIN", sql, "ROLLBACK"),
            ("BEGIN", "SAVEPOINT s", sql, "ROLLBACK TO s", "COMMIT"),
        ):
            for statement in statements:
                if statement == sql:
                    with pytest.raises(psycopg.Error, match=MESSAGE) as caught:
                        session.execute(statement)  # type: ignore[arg-type]
                    assert caught.value.diag.message_hint
                else:
                    session.execute(statement)  # type: ignore[arg-type]
        assert session.execute("SELECT pg_postmaster_start_time(), pg_backend_pid()").fetchall() == started


def test_the_session_goes_on_when_the_package_is_there_again(account: Broken) -> None:
    """And knows by then which settings there are."""
    with account.session() as session:
        session.execute("SET pipedrive.write_mod = 'commit'")
        with pytest.raises(psycopg.errors.FdwError, match=MESSAGE):
            session.execute("SELECT count(*) FROM stages")
        account.repair()
        with pytest.raises(psycopg.errors.UndefinedObject, match=r"pipedrive\.write_mod"):
            session.execute("SELECT count(*) FROM stages")
        session.execute("RESET pipedrive.write_mod")
        assert session.execute("SELECT count(*) FROM stages WHERE id = 1").fetchall() == [(1,)]


@contextmanager
def replaced_package(server: Server) -> Iterator[None]:
    """Meanwhile the package is another one, as after `make install`."""
    file = server.folder / "python" / "pipedrive_fdw" / "__init__.py"
    aside = file.with_suffix(".old")
    file.rename(aside)
    shutil.copyfile(aside, file)
    try:
        yield
    finally:
        aside.replace(file)


@pytest.mark.parametrize("use", ["a write", "an import"])
def test_a_session_mixes_no_two_versions(server: Server, use: str) -> None:
    """What it has not loaded before the package was replaced is an error, and what it has goes on."""
    with LiveAccount(server, deals=3, tables=["stages"]) as live, live.session() as session:
        count, sql = "SELECT count(*) FROM stages", USES[use].format(server=live.name)
        before = session.execute(count).fetchall()
        live.simulator.reset()
        with replaced_package(server):
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as caught:
                session.execute(sql)  # type: ignore[arg-type]
            assert caught.value.diag.message_hint == (
                "Open a new connection. Behind a pooler, let it reconnect."
            )
            assert live.simulator.requests() == []
            assert session.execute(count).fetchall() == before
            with live.session() as another:
                assert another.execute("DELETE FROM stages WHERE id = 1").rowcount == 1


@pytest.mark.parametrize("first", [True, False], ids=["by the session's first command", "later"])
def test_a_server_can_be_dropped(account: Broken, first: bool) -> None:
    """What the files keep of the account stays, and a warning says so."""
    with account.session() as session:
        if not first:
            with pytest.raises(psycopg.errors.FdwError, match=MESSAGE):
                session.execute("SELECT count(*) FROM stages")
        told: list[str | None] = []
        session.add_notice_handler(lambda notice: told.append(notice.message_primary))
        session.execute("SET client_min_messages = warning")
        session.execute("BEGIN")
        session.execute(f"DROP SERVER {account.name} CASCADE")  # type: ignore[arg-type]
        session.execute("ROLLBACK")
        assert told == ["pipedrive state: the files of dropped user mappings could not be removed"]


@pytest.mark.parametrize("account", ["fails rollback", "fails rollback to", "fails commit"], indirect=True)
def test_what_fails_when_a_transaction_ends_is_a_warning(
    account: Broken, request: pytest.FixtureRequest
) -> None:
    """An error there would end the server."""
    steps = {
        "rollback": ("BEGIN", "SELECT count(*) FROM stages", "ROLLBACK"),
        "rollback to": ("BEGIN", "SAVEPOINT s", "SELECT count(*) FROM stages", "ROLLBACK TO s", "COMMIT"),
        "commit": ("BEGIN", "SELECT count(*) FROM stages", "COMMIT"),
    }
    with account.session() as session:
        told: list[str | None] = []
        session.add_notice_handler(lambda notice: told.append(notice.message_primary))
        pid = session.info.backend_pid
        for statement in steps[request.node.callspec.params["account"][6:]]:
            session.execute(statement)
        assert session.execute("SELECT pg_backend_pid()").fetchall() == [(pid,)]
        assert told == ["pipedrive error: internal fault: RuntimeError"]
