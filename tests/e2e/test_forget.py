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
    made.run("RESET ROLE; DROP SERVER IF EXISTS pipedrive CASCADE; DROP OWNED BY other_reader")
    made.run("DROP ROLE other_reader")
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


# ---- a mapping that is dropped

DROPS = (
    "DROP USER MAPPING FOR CURRENT_USER SERVER pipedrive",
    "DROP SERVER pipedrive CASCADE",
    "DROP EXTENSION pipedrive_fdw CASCADE",
    "DROP EXTENSION multicorn CASCADE",
    "DROP OWNED BY other_reader",
    "DO $$ BEGIN DROP USER MAPPING FOR CURRENT_USER SERVER pipedrive; END $$",
)


def kept_of(server: Server, account: Extended, role: str) -> set[Path]:
    """The files of what *role* has read, its access token among them."""
    account.run(
        f"ALTER USER MAPPING FOR {role} SERVER pipedrive OPTIONS (DROP api_token, "
        f"ADD client_id '{CLIENT[0]}', ADD client_secret '{CLIENT[1]}', ADD refresh_token '{REFRESH_TOKEN}')"
    )
    before = files(server)
    account.run(f"SET ROLE {role}" if role != "CURRENT_USER" else "RESET ROLE")
    read(account)
    account.run("RESET ROLE")
    kept = files(server) - before
    assert {file.name.partition("-")[0] for file in kept} >= {"oauth", "counts"}
    assert any(file.parent.name.startswith("cache-") for file in kept)
    return kept


@pytest.mark.parametrize("sql", DROPS)
@pytest.mark.parametrize("fresh", [True, False], ids=["a session that has read nothing", "the session"])
def test_with_the_mapping_everything_goes(server: Server, account: Extended, sql: str, fresh: bool) -> None:
    kept = kept_of(server, account, "other_reader" if "OWNED" in sql else "CURRENT_USER")
    if fresh:
        with account.connect() as other:
            other.execute(sql)  # type: ignore[arg-type]
    else:
        account.run(sql)
    assert files(server) & kept == set()


@pytest.mark.parametrize(
    "way",
    [
        "BEGIN; {}; ROLLBACK",
        "BEGIN; SAVEPOINT s; {}; ROLLBACK TO s; COMMIT",
        "BEGIN; SAVEPOINT s; SAVEPOINT t; {}; RELEASE t; ROLLBACK TO s; COMMIT",
        "DO $$ BEGIN BEGIN {}; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END; END $$",
    ],
)
def test_a_drop_that_is_rolled_back_removes_nothing(server: Server, account: Extended, way: str) -> None:
    kept = kept_of(server, account, "CURRENT_USER")
    for sql in way.format(DROPS[0]).split("; ") if way.startswith("BEGIN") else [way.format(DROPS[0])]:
        account.run(sql)
    assert files(server) & kept == kept
    account.run(f"BEGIN; SAVEPOINT s; {DROPS[0]}; RELEASE s; COMMIT")
    assert files(server) & kept == set()


def test_mappings_of_other_wrappers_are_none_of_its_business(server: Server, account: Extended) -> None:
    kept = kept_of(server, account, "CURRENT_USER")
    account.run(
        "CREATE FOREIGN DATA WRAPPER bare; CREATE SERVER bare FOREIGN DATA WRAPPER bare; "
        "CREATE USER MAPPING FOR CURRENT_USER SERVER bare OPTIONS (api_token 'x')"
    )
    account.run("DROP USER MAPPING FOR CURRENT_USER SERVER bare; DROP FOREIGN DATA WRAPPER bare CASCADE")
    assert files(server) & kept == kept


@pytest.mark.parametrize(
    "options",
    ["OPTIONS (secrets_file '/nowhere/at/all')", "OPTIONS (client_id 'half')", ""],
    ids=["a file that is not there", "half of OAuth", "nothing"],
)
def test_a_mapping_that_cannot_be_used_can_be_dropped(account: Extended, options: str) -> None:
    account.run("DROP USER MAPPING FOR other_reader SERVER pipedrive")
    account.run(f"CREATE USER MAPPING FOR other_reader SERVER pipedrive {options}")
    account.run("DROP USER MAPPING FOR other_reader SERVER pipedrive")
    assert account.value("SELECT count(*) FROM pg_user_mappings WHERE usename = 'other_reader'") == 0
    assert account.value("SELECT count(*) FROM pipedrive.stages") > 0


def test_without_the_library_a_mapping_can_be_dropped(server: Server, account: Extended) -> None:
    """As after an update of the server that has forgotten it."""
    kept = kept_of(server, account, "CURRENT_USER")
    account.run("UPDATE pg_proc SET prosrc = replace(prosrc, '$libdir/pipedrive_fdw', '$libdir/gone') "
                "WHERE proname = 'watch_drops'")  # fmt: skip
    with account.connect() as other:
        told: list[str] = []
        other.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
        other.execute(DROPS[0])  # type: ignore[arg-type]
    assert told == ["pipedrive state: the files of dropped user mappings could not be removed"]
    assert files(server) & kept == kept
    account.run("DROP EXTENSION pipedrive_fdw CASCADE")


def test_whoever_may_drop_a_mapping_can(server: Server, account: Extended) -> None:
    """A role with USAGE on the server drops its own, and nobody has granted it anything else."""
    kept = kept_of(server, account, "other_reader")
    with account.connect() as other:
        other.execute("SET SESSION AUTHORIZATION other_reader")
        other.execute("DROP USER MAPPING FOR other_reader SERVER pipedrive")
    assert files(server) & kept == set()


# ---- who may


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
    assert caught.value.diag.message_detail == "User postgres needs one for server pipedrive."
    hint = str(caught.value.diag.message_hint)
    assert hint.startswith(
        "CREATE USER MAPPING FOR … SERVER … OPTIONS (api_token '…'), or ALTER USER MAPPING … if there is one."
    )
