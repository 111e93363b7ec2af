"""pipedrive.forget: nothing that was read with a credential is left in the server's files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.e2e.extension import Extended
from tests.simulator import Simulator
from tests.simulator.oauth import CLIENT, REFRESH_TOKEN
from tools.engine import Server

ONE, OTHER = "a-token-to-forget", "a-token-to-keep"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """One for each test: another address, and so other files."""
    running = Simulator(token=ONE, deals=10)
    running.start()
    running.configure({"users_tokens": {ONE: 1, OTHER: 2}})
    yield running
    running.stop()


@pytest.fixture
def account(server: Server, simulator: Simulator) -> Iterator[Extended]:
    """A server whose rows are cached, read by two roles with tokens of their own."""
    made = Extended(server, simulator, connected=False)
    made.run(
        "CREATE SERVER pipedrive FOREIGN DATA WRAPPER pipedrive_fdw "
        f"OPTIONS (base_url '{simulator.url}', cache_ttl '600'); "
        "CREATE ROLE other_reader; GRANT USAGE ON FOREIGN SERVER pipedrive TO other_reader; "
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER pipedrive OPTIONS (api_token '{ONE}'); "
        f"CREATE USER MAPPING FOR other_reader SERVER pipedrive OPTIONS (api_token '{OTHER}'); "
        "GRANT USAGE ON SCHEMA pipedrive TO other_reader; "
        "IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (stages, deals) FROM SERVER pipedrive INTO pipedrive; "
        "GRANT SELECT ON ALL TABLES IN SCHEMA pipedrive TO other_reader"
    )
    simulator.reset()
    yield made
    made.run("RESET ROLE; DROP SERVER pipedrive CASCADE; DROP OWNED BY other_reader; DROP ROLE other_reader")
    made.close()


def files(server: Server) -> set[Path]:
    """What the sessions of the server keep, but for the limits of requests."""
    folder = server.data / "pgsql_tmp_pipedrive_fdw"
    found = {file for file in folder.rglob("*") if file.is_file()}
    return {file for file in found if not file.name.startswith(("window-", "search-", "day-", "written-"))}


def read(database: Extended) -> int:
    """Read two tables; how many requests that took."""
    database.simulator.reset()
    database.run("SELECT * FROM pipedrive.stages; SELECT * FROM pipedrive.deals")
    return len(database.simulator.requests())


def test_what_was_read_is_gone(server: Server, account: Extended) -> None:
    before = files(server)
    assert read(account) > 0
    assert read(account) == 0
    kept = files(server) - before
    assert len(kept) > 2  # answers, field definitions, and the sizes of tables
    account.simulator.reset()
    assert account.value("SELECT pipedrive.forget('pipedrive')") >= len(kept)
    assert account.simulator.requests() == []
    assert files(server) & kept == set()
    assert read(account) > 0


def test_another_session_meets_no_row_of_before(account: Extended) -> None:
    read(account)
    with account.connect() as other:
        other.execute("SELECT * FROM pipedrive.stages")
        account.run("SELECT pipedrive.forget()")
        account.simulator.reset()
        other.execute("SELECT * FROM pipedrive.stages")
    assert [r["path"] for r in account.simulator.requests()] == ["/api/v2/stages"]


def test_sizes_of_another_credential_stay(server: Server, account: Extended) -> None:
    before = files(server)
    account.run("SET ROLE other_reader")
    read(account)
    account.run("RESET ROLE")
    read(account)
    sizes = {file for file in files(server) - before if file.name.startswith("counts-")}
    assert len(sizes) == 2
    account.run("SELECT pipedrive.forget('pipedrive')")
    assert len(files(server) & sizes) == 1


def test_the_limits_of_requests_stay(server: Server, account: Extended) -> None:
    """Other sessions count with them."""
    read(account)
    folder = server.data / "pgsql_tmp_pipedrive_fdw"
    before = {file.name: file.read_bytes() for file in folder.glob("day-*")}
    account.run("SELECT pipedrive.forget('pipedrive')")
    assert {file.name: file.read_bytes() for file in folder.glob("day-*")} == before


def test_an_access_token_is_gone(server: Server, account: Extended) -> None:
    account.run(
        "ALTER USER MAPPING FOR CURRENT_USER SERVER pipedrive OPTIONS (DROP api_token, "
        f"ADD client_id '{CLIENT[0]}', ADD client_secret '{CLIENT[1]}', ADD refresh_token '{REFRESH_TOKEN}')"
    )
    before = files(server)
    read(account)
    (token,) = (file for file in files(server) - before if file.name.startswith("oauth-"))
    account.run("SELECT pipedrive.forget('pipedrive')")
    assert not token.exists()
    read(account)
    assert account.simulator.requests()[0]["path"] == "/oauth/token"


def test_nobody_else_may_call_it_until_granted(account: Extended) -> None:
    account.run("SET ROLE other_reader")
    with pytest.raises(psycopg.Error, match="permission denied for function forget"):
        account.run("SELECT pipedrive.forget('pipedrive')")
    account.run(
        "RESET ROLE; GRANT EXECUTE ON FUNCTION pipedrive.forget TO other_reader; SET ROLE other_reader"
    )
    assert account.value("SELECT pipedrive.forget('pipedrive')") >= 0


def test_without_a_mapping_it_says_so(account: Extended) -> None:
    account.run("DROP USER MAPPING FOR CURRENT_USER SERVER pipedrive")
    with pytest.raises(psycopg.Error, match="no API token is known for this user") as caught:
        account.run("SELECT pipedrive.forget('pipedrive')")
    assert "CREATE USER MAPPING FOR CURRENT_USER" in str(caught.value.diag.message_hint)
