"""Signing in by OAuth 2.0: one access token for all backends, renewed once; clear words when refused."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount
from tests.simulator import Simulator
from tests.simulator.oauth import CLIENT, REFRESH_TOKEN
from tools.engine import Server

MAPPING = {"client_id": CLIENT[0], "client_secret": CLIENT[1], "refresh_token": REFRESH_TOKEN}
TOKEN_PATH = "/oauth/token"  # noqa: S105


@pytest.fixture
def account(server: Server) -> Iterator[LiveAccount]:
    """A new simulator has another port, so each test begins without a token."""
    with LiveAccount(server, deals=20, mapping=MAPPING, tables=["stages", "notes"]) as live:
        yield live


def refreshes(account: LiveAccount) -> list[dict[str, Any]]:
    return [r for r in account.requests() if r["path"] == TOKEN_PATH]


def error_of(account: LiveAccount, sql: str) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        account.rows(sql)
    return caught.value


def at_once(sessions: Sequence[psycopg.Connection[Any]], sql: str) -> list[Any]:
    """What *sql* gives in all *sessions* at the same time: rows, or the error."""

    def ask(session: psycopg.Connection[Any]) -> Any:
        try:
            return session.execute(sql).fetchall()  # type: ignore[call-overload]
        except psycopg.Error as error:
            return error

    with ThreadPoolExecutor(len(sessions)) as pool:
        return list(pool.map(ask, sessions))


def state_files(server: Server, pattern: str) -> list[Path]:
    return sorted((server.data / "pgsql_tmp_pipedrive_fdw").glob(pattern))


def test_an_import_and_queries_of_several_backends_need_one_access_token(
    server: Server, account: LiveAccount
) -> None:
    account.connect()
    wanted = len(account.simulator.records("stages"))
    assert account.value("SELECT count(*) FROM stages") == wanted
    assert [r["path"] for r in account.requests()] == ["/api/v2/stages"]
    account.run("INSERT INTO notes (content, deal_id) VALUES ('by OAuth', 1)")
    assert account.requests()[-1]["status"] == 200


def test_a_token_that_has_ended_is_renewed_once_by_four_backends_at_once(account: LiveAccount) -> None:
    account.simulator.oauth.expires_in = 2
    account.simulator.oauth.end_access_tokens()
    account.value("SELECT count(*) FROM stages")
    sessions = [account.session() for _ in range(4)]
    assert len({len(rows) for rows in at_once(sessions, "SELECT id FROM stages")}) == 1
    time.sleep(2)
    account.simulator.oauth.expires_in = 3599
    account.simulator.reset()
    account.simulator.faults([{"match": TOKEN_PATH, "action": "delay", "ms": 300}])
    answers = at_once(sessions, "SELECT id FROM stages")
    assert len({len(rows) for rows in answers}) == 1
    assert sorted(r["path"] for r in account.requests()) == ["/api/v2/stages"] * 4 + [TOKEN_PATH]
    assert {r["status"] for r in account.requests()} == {200}
    for session in sessions:
        session.close()


def test_a_401_renews_once_and_repeats_the_request_once(account: LiveAccount) -> None:
    account.value("SELECT count(*) FROM stages")
    account.simulator.oauth.end_access_tokens()
    account.simulator.reset()
    assert account.value("SELECT count(*) FROM stages") > 0
    assert [(r["path"], r["status"]) for r in account.requests()] == [
        ("/api/v2/stages", 401),
        (TOKEN_PATH, 200),
        ("/api/v2/stages", 200),
    ]


def test_a_write_that_got_a_401_is_written_once(account: LiveAccount) -> None:
    account.simulator.oauth.end_access_tokens()
    before = len(account.simulator.records("notes"))
    account.simulator.reset()
    account.run("INSERT INTO notes (content, deal_id) VALUES ('once', 1)")
    assert [(r["path"], r["status"]) for r in account.requests()] == [
        ("/api/v1/notes", 401),
        (TOKEN_PATH, 200),
        ("/api/v1/notes", 200),
    ]
    assert len(account.simulator.records("notes")) == before + 1


def test_an_account_that_takes_no_token_is_asked_twice_and_no_more(account: LiveAccount) -> None:
    account.simulator.faults([{"match": "/stages", "action": "status", "status": 401}])
    error = error_of(account, "SELECT * FROM stages")
    assert error.diag.message_primary == (
        "pipedrive auth: neither the access token nor a new one is accepted"
    )
    assert "authorize" in str(error.diag.message_hint)
    assert [r["path"] for r in account.requests()] == ["/api/v2/stages", TOKEN_PATH, "/api/v2/stages"]


def test_a_refused_refresh_says_how_to_get_a_new_token_and_is_not_repeated(account: LiveAccount) -> None:
    account.simulator.oauth.uninstall()
    sessions = [account.session() for _ in range(4)]
    account.simulator.faults([{"match": TOKEN_PATH, "action": "delay", "ms": 300}])
    errors = [*at_once(sessions, "SELECT * FROM stages"), error_of(account, "SELECT * FROM stages")]
    for error in errors:
        assert error.diag.message_primary == "pipedrive auth: the refresh token is not accepted"
        assert error.diag.message_detail == (
            "POST /oauth/token gave status 400: Invalid grant: refresh_token is invalid. "
            f"It is that of the user mapping for postgres on server {account.name}."
        )
        assert "`python -m pipedrive_fdw authorize`" in error.diag.message_hint
    assert len(refreshes(account)) == 1
    for session in sessions:
        session.close()


def test_a_wrong_client_secret_is_named(server: Server, account: LiveAccount) -> None:
    account.run(f"ALTER USER MAPPING FOR CURRENT_USER SERVER {account.name} OPTIONS (SET client_secret 'x')")
    error = error_of(account, "SELECT * FROM stages")
    assert error.diag.message_primary == ("pipedrive auth: the client_id or client_secret is not accepted")


def test_a_rotated_refresh_token_is_kept_and_used(account: LiveAccount) -> None:
    account.simulator.oauth.rotates = True
    for _ in range(3):
        account.simulator.oauth.end_access_tokens()
        account.connect()
        assert account.value("SELECT count(*) FROM stages") > 0
    sent = [dict(pair.split("=") for pair in r["body"].split("&")) for r in refreshes(account)]
    tokens = [form["refresh_token"] for form in sent]
    assert (tokens[0], len(set(tokens)), {r["status"] for r in refreshes(account)}) == (
        REFRESH_TOKEN,
        3,
        {200},
    )


def test_the_mapping_s_refresh_token_is_the_fallback(account: LiveAccount) -> None:
    account.simulator.oauth.rotates = True
    account.simulator.oauth.end_access_tokens()
    assert account.value("SELECT count(*) FROM stages") > 0
    account.simulator.oauth.uninstall()
    account.simulator.oauth.allow(REFRESH_TOKEN)
    account.simulator.reset()
    assert account.value("SELECT count(*) FROM stages") > 0
    assert [r["status"] for r in refreshes(account)] == [400, 200]


def test_requests_go_to_the_api_domain_that_comes_with_the_token(
    server: Server, account: LiveAccount
) -> None:
    name = account.name
    account.run(f"ALTER SERVER {name} OPTIONS (DROP base_url, ADD oauth_url '{account.simulator.url}')")
    assert account.value("SELECT count(*) FROM stages") > 0
    assert [r["path"] for r in account.requests()] == [TOKEN_PATH, "/api/v2/stages"]


def test_base_url_goes_before_the_api_domain(server: Server, account: LiveAccount) -> None:
    other = Simulator(token="unused").start()
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD oauth_url '{other.url}')")
    error = error_of(account, "SELECT * FROM stages")
    other.stop()
    assert str(error.diag.message_primary).startswith("pipedrive auth: ")
    assert [r["path"] for r in other.requests()] == [TOKEN_PATH] * 2
    assert [(r["path"], r["status"]) for r in account.requests()] == [("/api/v2/stages", 401)] * 2


@pytest.mark.parametrize(
    ("rule", "word", "asked"),
    [
        ({"action": "drop"}, "connection", 4),
        ({"action": "delay", "ms": 1500}, "connection", 4),
        ({"action": "status", "status": 503}, "api", 4),
        ({"action": "status", "status": 200, "body": "<html>"}, "protocol", 1),
        ({"action": "status", "status": 404}, "protocol", 1),
        ({"action": "status", "status": 403}, "auth", 1),
        ({"action": "status", "status": 302, "headers": {"location": "/elsewhere"}}, "protocol", 1),
    ],
    ids=lambda value: str(value.get("status", value["action"])) if isinstance(value, dict) else None,
)
def test_a_token_endpoint_with_a_fault_is_a_clear_error(
    account: LiveAccount, rule: dict[str, Any], word: str, asked: int
) -> None:
    account.run(f"ALTER SERVER {account.name} OPTIONS (ADD read_timeout '0.5')")
    account.simulator.oauth.end_access_tokens()
    account.simulator.faults([{"match": TOKEN_PATH, **rule}])
    error = error_of(account, "SELECT * FROM stages")
    assert error.diag.message_primary.startswith(f"pipedrive {word}: ")
    assert error.diag.message_detail
    assert error.diag.message_hint
    deadline = time.monotonic() + 5
    while len(refreshes(account)) < asked and time.monotonic() < deadline:
        time.sleep(0.05)  # an answer that nobody waited for is logged late
    assert len(refreshes(account)) == asked
    account.simulator.faults([])
    if word != "auth":
        assert account.value("SELECT count(*) FROM stages") > 0


def test_cancelling_ends_the_refresh_and_the_wait_for_another_s(account: LiveAccount) -> None:
    account.simulator.oauth.end_access_tokens()
    account.simulator.faults([{"match": TOKEN_PATH, "action": "delay", "ms": 4000, "times": 2}])
    sessions = [account.session() for _ in range(2)]
    for session in sessions:
        session.execute("SET statement_timeout = '700ms'")
    started = time.monotonic()
    for error in at_once(sessions, "SELECT * FROM stages"):
        assert "canceling statement" in str(error)
    assert time.monotonic() - started < 1.7
    account.simulator.faults([])
    # No thread of the two backends runs while they wait for us: the lock must have been taken from them
    account.run("SET statement_timeout = '5s'")
    assert account.value("SELECT count(*) FROM stages") > 0
    for session in sessions:
        session.close()


def test_the_token_lies_in_a_file_that_only_the_server_s_user_can_read(
    server: Server, account: LiveAccount
) -> None:
    before = {path.name for path in state_files(server, "oauth-*")}
    account.run(f"ALTER USER MAPPING FOR CURRENT_USER SERVER {account.name} OPTIONS (SET client_secret 'x')")
    error_of(account, "SELECT * FROM stages")
    (path,) = [p for p in state_files(server, "oauth-*") if p.name not in before]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert json.loads(path.read_bytes())["access_token"] == ""


def test_nothing_secret_is_shown(account: LiveAccount) -> None:
    account.simulator.faults(
        [
            {
                "match": "/stages",
                "action": "status",
                "status": 400,
                "body": {"success": False, "error": f"echo {REFRESH_TOKEN} {CLIENT[1]}"},
            }
        ]
    )
    error = error_of(account, "SELECT * FROM stages")
    shown = "\n".join([str(error), str(error.diag.message_detail), *account.plan("SELECT * FROM stages")])
    assert "echo *** ***" in shown
    assert not [value for value in MAPPING.values() if value in shown]


def test_the_server_s_log_holds_no_token_at_its_most_talkative(server: Server, account: LiveAccount) -> None:
    begin = server.log.stat().st_size
    oauth = account.simulator.oauth
    given = oauth.tokens()
    with account.session() as session:
        session.execute("SET log_min_messages = debug5; SET log_statement = 'all'; SET debug_print_plan = on")
        oauth.end_access_tokens()
        session.execute("EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM stages")
        session.execute("INSERT INTO notes (content, deal_id) VALUES ('logged', 1)")
        given += oauth.tokens()
        oauth.uninstall()
        with pytest.raises(psycopg.Error, match="pipedrive auth"):
            session.execute("SELECT * FROM stages")
    with server.log.open("rb") as log:
        log.seek(begin)
        text = log.read().decode("utf-8", "replace")
    assert ("DEBUG:" in text, "pipedrive auth: the refresh token" in text) == (True, True)
    assert len(given) == 2
    assert [secret for secret in (*given, REFRESH_TOKEN, CLIENT[1]) if secret in text] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("DROP refresh_token", "OAuth needs refresh_token besides client_id and client_secret"),
        (
            "DROP client_id, DROP client_secret",
            "OAuth needs client_id and client_secret besides refresh_token",
        ),
        ("ADD api_token 'abcdef'", "the user mapping has an api_token and OAuth secrets"),
        ("ADD secrets_file '/nowhere'", "the user mapping has a secrets_file and client_id"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    account: LiveAccount, changes: str, message: str
) -> None:
    account.run(f"ALTER USER MAPPING FOR CURRENT_USER SERVER {account.name} OPTIONS ({changes})")
    error = error_of(account, "SELECT * FROM stages")
    assert str(error.diag.message_primary).startswith(f"pipedrive option: {message}")
    assert error.diag.message_hint
    assert account.requests() == []
