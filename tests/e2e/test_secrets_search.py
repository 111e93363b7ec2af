"""Secrets are looked for wherever something is written or shown: log at DEBUG5, EXPLAIN, errors, files."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.live import LiveAccount
from tests.simulator import Simulator
from tests.simulator.oauth import CLIENT, REFRESH_TOKEN
from tools.engine import Server

TOKEN = "0123456789abcdef-t0p-secret-0123456789"
SECRETS = (TOKEN, REFRESH_TOKEN, CLIENT[1], "v1u:")
OAUTH = {"client_id": CLIENT[0], "client_secret": CLIENT[1], "refresh_token": REFRESH_TOKEN}
TABLES = ("persons", "notes", "deals", "deal_followers", "filters", "api_usage")
LOUD = (
    "SET log_min_messages = debug5; SET log_statement = 'all'; SET log_min_duration_statement = 0; "
    "SET debug_print_parse = on; SET debug_print_rewritten = on; SET debug_print_plan = on"
)


@pytest.fixture(scope="module")
def shown() -> Iterator[dict[str, str]]:
    """Everything that could hold a secret, by what it is, after all kinds of statements have run."""
    simulator = Simulator(token=TOKEN, deals=20).start()
    with Server(settings={"log_min_messages": "debug5", "log_error_verbosity": "verbose"}) as server:
        found: dict[str, str] = {}
        for name, mapping in (("token", {"api_token": TOKEN}), ("oauth", OAUTH)):
            options = {"cache_ttl": 600}
            with LiveAccount(server, simulator, mapping=mapping, tables=TABLES, options=options) as account:
                begin = server.log.stat().st_size
                account.run(LOUD)
                own = TOKEN if name == "token" else REFRESH_TOKEN
                found[f"{name}: results and errors"] = everything(account, own)
                found[f"{name}: catalogues"] = catalogues(account)
                found[f"{name}: log"] = server.log_since(begin)
                found.update(state(server))  # it goes with the server
        yield found
    simulator.stop()


def state(server: Server) -> dict[str, str]:
    """The files that sessions share."""
    folder, found = server.data / "pgsql_tmp_pipedrive_fdw", {}
    for file in (f for f in folder.rglob("*") if f.is_file()):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        found[f"state {file.relative_to(folder)}"] = file.read_bytes().decode("utf-8", "replace")
    for path in (folder, *(f for f in folder.rglob("*") if f.is_dir())):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    return found


def everything(account: LiveAccount, own: str) -> str:
    """Runs statements of all kinds, with and without faults; what a client gets to see of them.

    The server's answers repeat the secret that is the account's *own*.
    """
    echo = {"success": False, "error": f"no such token {own}, api_token={own}", "error_info": own}
    statements = [
        "SELECT * FROM persons",
        "EXPLAIN (VERBOSE) SELECT * FROM deal_followers",
        "EXPLAIN (ANALYZE, VERBOSE) SELECT id, conditions FROM filters",
        "INSERT INTO notes (content, deal_id) VALUES ('a note', 1) RETURNING *",
        "UPDATE persons SET name = 'another' WHERE id = 1 RETURNING *",
        "SELECT * FROM api_usage",
        f"IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (stages) FROM SERVER {account.name} INTO {account.name}",
    ]
    rules: list[dict[str, Any]] = [
        {},
        *(
            {"match": "/api/", "action": "status", "status": s, "body": echo}
            for s in (400, 401, 403, 429, 503)
        ),
        {"match": "/api/", "action": "status", "status": 200, "body": f"no JSON, {own}"},
        {"match": "/api/", "action": "status", "status": 403, "body": f"<html>{own}</html>"},
        {
            "match": "/api/",
            "action": "status",
            "status": 302,
            "headers": {"location": f"/x?api_token={own}"},
        },
        {"match": "/api/", "action": "drop"},
        {"match": "/api/", "action": "malformed"},
    ]
    seen = []
    for rule in rules:
        account.simulator.faults([rule] if rule else [])
        account.run("SET pipedrive.cache_ttl = 0" if rule else "RESET pipedrive.cache_ttl")
        again = rule and (rule["action"] != "status" or rule["status"] in (200, 503))  # reads wait then
        for sql in statements[:1] + statements[3:5] if again else statements:
            try:
                seen.append(str(account.rows(sql)) if not sql.startswith("IMPORT") else str(account.run(sql)))
            except psycopg.Error as error:
                diag = error.diag
                parts = (diag.message_primary, diag.message_detail, diag.message_hint, diag.context)
                seen.append(" ".join(part or "" for part in parts))
    account.simulator.faults([])
    return "\n".join(seen)


def catalogues(account: LiveAccount) -> str:
    """What every user may read of the catalogues."""
    queries = (
        "SELECT srvoptions FROM pg_foreign_server",
        "SELECT ftoptions FROM pg_foreign_table",
        "SELECT attfdwoptions FROM pg_attribute WHERE attfdwoptions IS NOT NULL",
        "SELECT name, setting FROM pg_settings WHERE name LIKE 'pipedrive%'",
        "SELECT query FROM pg_stat_activity",
    )
    return "\n".join(str(account.rows(sql)) for sql in queries)


def test_the_search_has_something_to_search(shown: dict[str, str]) -> None:
    """Errors of all kinds were seen, the log is at its loudest, and the state is there."""
    words = set(re.findall(r"pipedrive ([a-z ]+):", shown["token: results and errors"]))
    assert words >= {"api", "auth", "access", "daily limit", "protocol", "connection", "outcome unknown"}
    assert "***" in shown["token: results and errors"]
    assert "DEBUG:  00000: StartTransaction" in shown["token: log"]
    kinds = {Path(name.partition(" ")[2]).name.partition("-")[0] for name in shown if name[:5] == "state"}
    assert kinds >= {"window", "day", "counts", "written", "oauth"}


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_nowhere_but_in_the_file_of_the_access_token(shown: dict[str, str], secret: str) -> None:
    places = {
        name: text[max(text.index(secret) - 200, 0) : text.index(secret)]
        for name, text in shown.items()
        if secret in text
    }
    allowed = ["state oauth-"] if secret in (REFRESH_TOKEN, "v1u:") else []
    assert {n: t for n, t in places.items() if not any(n.startswith(a) for a in allowed)} == {}


def test_the_mapping_can_be_made_without_the_token_in_the_log() -> None:
    """As the page on security says, on a server that logs every statement."""
    page = (Path(__file__).parents[2] / "docs/security.md").read_text()
    block = next(b for b in re.findall(r"```sql\n(.*?)```", page, re.S) if "SET LOCAL log_statement" in b)
    settings = {"log_statement": "all", "log_min_duration_statement": "0", "log_min_messages": "debug5"}
    with Server(settings=settings) as server, psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE SERVER pipedrive FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (company_domain 'x')"
        )
        for sql in block.replace("'...'", f"'{TOKEN}'").strip().split(";\n"):
            connection.execute(sql.rstrip(";"))  # type: ignore[call-overload]
        log = server.log.read_text(errors="replace")
        assert "SET LOCAL log_statement" in log
        assert TOKEN not in log
