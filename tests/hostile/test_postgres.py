"""Hostile answers, secrets and state, seen through PostgreSQL: what a client, the log and the backend get."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from pipedrive_fdw.api.transport import MAX_BODY, Response
from tests.hostile.account import shown_problems
from tests.hostile.answers import NASTY, TOKEN, spoilt
from tests.hostile.raw import response, serving
from tests.live import LiveAccount, literal
from tests.simulator import Simulator
from tools.engine import Server

COUNT = int(os.environ.get("HOSTILE_STATEMENTS", "150"))
SEED = os.environ.get("HOSTILE_SEED", "1")
MEBIBYTE = 2**20
TABLES = (
    "persons",
    "deals",
    "notes",
    "deal_followers",
    "stages",
    "filters",
    "roles",
    "person_emails",
    "api_usage",
)
READS = (
    "SELECT * FROM persons",
    "SELECT to_jsonb(d) FROM deals d",
    "SELECT * FROM persons WHERE id IN (1, 2, 3)",
    "SELECT * FROM deal_followers",
    "SELECT id, conditions FROM filters",
    "SELECT d.title, s.name FROM deals d JOIN stages s ON s.id = d.stage_id",
    "SELECT count(*) FROM notes",
    "SELECT * FROM roles ORDER BY id",
)
WRITES = (
    "INSERT INTO persons (name) VALUES ('Ada') RETURNING *",
    "INSERT INTO notes (content, deal_id) VALUES ('a note', 1) RETURNING id",
    "UPDATE persons SET name = name || '!' WHERE id = 2 RETURNING *",
    "DELETE FROM notes WHERE id = (SELECT min(id) FROM notes)",
    "INSERT INTO person_emails (person_id, value) VALUES (1, 'ada@example.org')",
)


class Proxy:
    """A raw HTTP server before a simulator, which spoils answers while it is armed."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.chance: random.Random | None = None
        self.times = 0
        self.seen: list[tuple[str, int]] = []
        self.fixed: bytes | None = None

    def __call__(self, head: bytes, body: bytes) -> bytes:
        line, *fields = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        parts = urlsplit(target)
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in fields)}
        given = self.simulator.answer(method, parts.path, parts.query, headers, body)
        answer = Response(given.status, dict(given.headers), given.body)
        if self.fixed is not None:
            self.seen.append((method, 0))
            return self.fixed
        if self.chance is not None and self.times > 0:
            self.times -= 1
            answer, _ = spoilt(answer, self.chance)
            self.seen.append((method, answer.status))
            return self._bytes(answer, self.chance)
        self.seen.append((method, answer.status))
        return self._bytes(answer, None)

    def _bytes(self, answer: Response, chance: random.Random | None) -> bytes:
        """*answer* as it goes over the wire: some of it in pieces, packed, cut off, or with odd lines."""
        lines, body = [f"{name}: {value}" for name, value in answer.headers.items()], answer.body
        how = 9 if chance is None else chance.randrange(12)
        if how == 0:
            body = gzip.compress(body)
            lines.append("Content-Encoding: gzip")
        elif how == 1:
            lines.append("Content-Encoding: gzip")
        elif how == 2:
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chance and chance.random() < 0.7 else body
        elif how == 3:
            lines.append(f"Content-Length: {len(body) + 10}")
        elif how == 4 and chance:
            return response(body, f"{answer.status} OK")[: chance.randrange(200)]
        text = (
            "\n".join(lines).encode("utf-8", "replace").decode("latin-1")
        )  # as bytes that are in no charset
        return response(body,
        f"{answer.status} {'OK' if how != 5 else NASTY.encode('utf-8').decode('latin-1')}",
                        *text.split("\n"))  # fmt: skip


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    made = Simulator(token=TOKEN, deals=4, burst=10**9, budget=10**12)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def proxy(simulator: Simulator) -> Proxy:
    return Proxy(simulator)


@pytest.fixture(scope="module")
def loud(proxy: Proxy) -> Iterator[tuple[Server, LiveAccount]]:
    """A server whose log says everything, and an account behind the proxy."""
    with (
        serving(proxy) as address,
        Server(settings={"log_min_messages": "debug1", "max_prepared_transactions": "0"}) as server,
    ):
        more = {"base_url": address, "read_timeout": 5, "connect_timeout": 5}
        with LiveAccount(
            server, proxy.simulator, mapping={"api_token": TOKEN}, tables=TABLES, options=more
        ) as account:
            yield server, account


@pytest.fixture(autouse=True)
def calm(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "proxy" in request.fixturenames:
        proxy = request.getfixturevalue("proxy")
        proxy.times, proxy.fixed = 0, None


def texts_of(error: psycopg.Error) -> list[str]:
    diag = error.diag
    return [
        part or "" for part in (diag.message_primary, diag.message_detail, diag.message_hint, diag.context)
    ]


def peak(account: LiveAccount) -> int:
    """The most memory that the account's backend ever had, in MiB."""
    pid = account.value("SELECT pg_backend_pid()")
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(line) // 1024


@pytest.mark.timeout(3600)
def test_statements_on_spoilt_answers_end_in_rows_or_a_clear_error(
    loud: tuple[Server, LiveAccount], proxy: Proxy, simulator: Simulator
) -> None:
    server, account = loud
    begin = server.log.stat().st_size
    for sql in READS:
        account.rows(sql)
    before = peak(account)
    wrong: dict[int, Any] = {}
    for number in range(COUNT):
        if number % 25 == 0:
            simulator.refill()
        chance = random.Random(f"{SEED}:{number}")
        writes = chance.random() < 0.4
        sql = chance.choice(WRITES if writes else READS)
        proxy.chance, proxy.times, proxy.seen = chance, chance.choice((1, 1, 50)), []
        problems: list[str] = []
        try:
            cursor = account.connection.execute(sql)  # type: ignore[union-attr, call-overload]
            if cursor.description:
                cursor.fetchall()
        except psycopg.Error as error:
            if error.sqlstate is None:
                problems.append(f"the connection: {error}")
                account.connect()
            texts = texts_of(error)
            for text in texts:
                problems += shown_problems(text)
            if not texts[0].startswith("pipedrive ") and not _is_of_a_value(texts[0]):
                problems.append(f"an error that is not ours: {texts[:2]}")
            if "internal fault" in texts[0]:
                problems.append(f"a fault of the package: {texts[0]}")
            problems += _after_write(texts, [one for one in proxy.seen if one[0] != "GET"])
        proxy.times = 0
        if problems:
            wrong[number] = (sql, problems, proxy.seen[:4])
    assert wrong == {}, f"HOSTILE_SEED={SEED}"
    assert peak(account) - before <= MAX_BODY // MEBIBYTE + 64
    log = server.log_since(begin)
    problems = [line for line in log.splitlines() if [*shown_problems(line.replace("\t", ""))]]
    assert problems[:5] == []
    assert not re.search(r"terminated by signal|PANIC", log)


def _is_of_a_value(message: str) -> bool:
    """An error of PostgreSQL's own about a value that its type cannot hold."""
    return bool(
        re.match(r"invalid input syntax|date/time field|value .* is out of range|.* out of range", message)
    )


def _after_write(texts: list[str], writes: list[tuple[str, int]]) -> Iterator[str]:
    if not writes or 400 <= writes[-1][1] < 500:
        return
    told = "outcome unknown" in texts[0] or "in Pipedrive for good" in texts[1]
    if not told:
        yield f"after {writes[-1]}: {texts[:2]}"


def bomb(name: str) -> bytes:
    zeros = bytes(300 * MEBIBYTE)
    if name == "deep":
        return response(b'{"data":' + b"[" * 10**6 + b"]" * 10**6 + b"}")
    if name == "many objects":
        zeros = b'{"data":[' + b'{"a":1},' * 3_000_000 + b"{}]}"
    packed = gzip.compress(zeros, 1)
    if name == "gzip twice":
        return response(gzip.compress(packed), "200 OK", "Content-Encoding: gzip, gzip")
    if name == "redirect":
        return response(packed, "302 Found", "Location: /x", "Content-Encoding: gzip")
    return response(packed, "200 OK", "Content-Encoding: gzip")


@pytest.mark.parametrize("name", ["gzip", "gzip twice", "redirect", "deep", "many objects"])
def test_a_bomb_leaves_a_backend_within_its_bounds(
    loud: tuple[Server, LiveAccount], proxy: Proxy, name: str
) -> None:
    _, account = loud
    account.connect()
    account.rows("SELECT * FROM persons")
    before = peak(account)
    proxy.fixed = bomb(name)
    for sql in ("SELECT * FROM persons", "INSERT INTO persons (name) VALUES ('x')"):
        with pytest.raises(psycopg.Error) as caught:
            account.run(sql)
        assert ("outcome unknown" in str(caught.value)) == sql.startswith("INSERT")
    proxy.fixed = None
    assert account.value("SELECT count(*) FROM persons") > 0
    assert peak(account) - before <= MAX_BODY // MEBIBYTE + 64


def give(account: LiveAccount, token: str) -> None:
    mapping = f"USER MAPPING FOR CURRENT_USER SERVER {account.name}"
    account.run(f"ALTER {mapping} OPTIONS (SET api_token {literal(token)})")


@pytest.mark.parametrize("ends", ["\n", "\r\n", " ", "\t", "\ufeff"], ids=ascii)
def test_a_token_with_a_line_break_behind_it_signs_in_and_is_nowhere_shown(
    loud: tuple[Server, LiveAccount], ends: str
) -> None:
    server, account = loud
    begin = server.log.stat().st_size
    account.connect()
    account.run("SET log_statement = 'none'; SET log_min_error_statement = 'panic'")
    give(account, f"{TOKEN}{ends}")
    account.connect()
    assert account.rows("SELECT id FROM persons WHERE id = 1") == [(1,)]
    assert TOKEN not in server.log_since(begin).replace("***", "")
    give(account, TOKEN)


@pytest.mark.parametrize("within", ["\n", "…", "é", " ", "\x1b[31m"], ids=ascii)
def test_an_odd_token_is_refused_without_showing_it(loud: tuple[Server, LiveAccount], within: str) -> None:
    server, account = loud
    odd = f"{TOKEN[:16]}{within}{TOKEN[16:]}"
    begin = server.log.stat().st_size
    account.connect()
    account.run("SET log_min_error_statement = 'panic'")
    try:
        with pytest.raises(psycopg.Error) as caught:  # where it is given, or at the latest where it is used
            give(account, odd)
            account.connect()
            account.rows("SELECT id FROM persons")
        texts = texts_of(caught.value)
        assert 'option "api_token" cannot be ***' in texts[0]
        assert "copy it again" in texts[2]
        shown = " ".join((*texts, server.log_since(begin)))
        assert TOKEN[:16] not in shown and TOKEN[16:] not in shown
    finally:
        account.connect()
        give(account, TOKEN)


@pytest.mark.parametrize("address", ["http://127.0.0.1.evil.example", "http://localhost.evil.example",
"http://[::2]",
                                     "https://ada:t0p-secret@proxy.example",
                                     "https://proxy.example/%2e%2e"])  # fmt: skip
def test_an_address_that_only_looks_like_this_machine_s_is_refused(
    loud: tuple[Server, LiveAccount], address: str
) -> None:
    _, account = loud
    with pytest.raises(psycopg.Error) as caught:
        try:
            account.run(
                f"CREATE SERVER evil FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (base_url {literal(address)})"
            )
            account.run(f"CREATE USER MAPPING FOR CURRENT_USER SERVER evil OPTIONS (api_token '{TOKEN}')")
            account.run("CREATE FOREIGN TABLE evil_persons (id bigint) SERVER evil OPTIONS (table 'persons')")
            account.rows("SELECT * FROM evil_persons")
        finally:
            account.run("DROP SERVER IF EXISTS evil CASCADE")
    assert "base_url" in texts_of(caught.value)[0]
    assert "t0p-secret" not in " ".join(texts_of(caught.value))


@pytest.mark.parametrize("key", ["..", "%2e%2e", "a/b", "a%2Fb", "../users/1"])
def test_a_key_that_would_lead_elsewhere_is_refused_before_a_request(
    server: Server, simulator: Simulator, key: str
) -> None:
    with LiveAccount(
        server, Simulator(token=TOKEN, deals=2).start(), mapping={"api_token": TOKEN}, tables=["deal_fields"]
    ) as account:
        try:
            rows = account.rows(f"SELECT * FROM deal_fields WHERE field_code = '{key}'")
            assert (key, rows) == ("..", [])  # the plan knows that no record has it
        except psycopg.Error as error:
            assert "cannot be part of the address of a request" in str(error)
        finally:
            assert account.requests() == []
            account.simulator.stop()


def ask(account: LiveAccount, **request: Any) -> Any:
    """What the extension's functions get from the account."""
    server = f"(SELECT oid FROM pg_foreign_server WHERE srvname = '{account.name}')"
    return account.value(f"SELECT pipedrive_internal.ask({server}, {literal(json.dumps(request))})")


def test_three_requests_of_a_price_spend_nobody_s_day(server: Server) -> None:
    """They overflowed the day's file, and every role got TypeError until midnight."""
    with LiveAccount(server, deals=4, tables=["persons"]) as account:
        for _ in range(3):
            ask(account, method="POST", path="/v2/persons", body={"name": "x"}, tokens=2**63 - 1)
        assert account.rows("SELECT id FROM persons WHERE id = 1") == [(1,)]
        account.run("SET pipedrive.reserve_tokens = 5")
        assert account.rows("SELECT id FROM persons WHERE id = 2") == [(2,)]


def test_an_odd_state_fails_no_statement(server: Server) -> None:
    with LiveAccount(server, deals=4, tables=["persons"]) as account:
        account.rows("SELECT id FROM persons WHERE id = 1")
        folder = server.data / "pgsql_tmp_pipedrive_fdw"
        for content in (
            b'{"today": 1e300, "waiting": ["x"], "sent": 5}',
            b"\x00" * 100,
            b"[]",
            b'{"deals": -5}',
        ):
            for file in folder.iterdir():
                if file.is_file():
                    file.write_bytes(content)
            account.connect()
            assert account.rows("SELECT id FROM persons WHERE id = 1") == [(1,)]
            account.run("UPDATE persons SET name = 'changed' WHERE id = 1")


def test_the_folder_of_the_state_may_be_deleted_while_sessions_run(server: Server) -> None:
    with LiveAccount(server, deals=4, tables=["persons"]) as account:
        account.rows("SELECT id FROM persons WHERE id = 1")
        shutil.rmtree(server.data / "pgsql_tmp_pipedrive_fdw")
        assert account.rows("SELECT id FROM persons WHERE id = 2") == [(2,)]
        shutil.rmtree(server.data / "pgsql_tmp_pipedrive_fdw")
        account.run("UPDATE persons SET name = 'changed' WHERE id = 1")


def _a_file(folder: Path) -> None:
    folder.touch()


def _a_folder_of_another(folder: Path) -> None:
    folder.mkdir(0o500)


@pytest.mark.parametrize("made", [_a_file, _a_folder_of_another])
def test_a_folder_of_the_state_that_cannot_be_used_is_a_clear_error(
    server: Server, made: Callable[[Path], None]
) -> None:
    folder = server.data / "pgsql_tmp_pipedrive_fdw"
    with LiveAccount(server, deals=4, tables=["persons"]) as account:

        def in_a_new_session(sql: str) -> None:
            with account.session() as session:
                session.execute(sql)  # type: ignore[call-overload]

        account.rows("SELECT id FROM persons WHERE id = 1")
        shutil.rmtree(folder)
        made(folder)
        try:
            for sql in (
                "SELECT id FROM persons WHERE id = 2",
                "UPDATE persons SET name = 'changed' WHERE id = 1",
                f"SELECT pipedrive.forget('{account.name}')",
            ):
                for run in (account.run, in_a_new_session):
                    with pytest.raises(psycopg.errors.IoError, match="sessions share cannot be used"):
                        run(sql)
        finally:
            folder.rmdir() if folder.is_dir() else folder.unlink()
        assert account.rows("SELECT id FROM persons WHERE id = 2") == [(2,)]


def test_a_copy_whose_answer_has_nul_is_made_and_told(server: Server) -> None:
    with LiveAccount(server, deals=4, tables=["deals"]) as account:
        copy = {"success": True, "data": {"id": 77, "title": "a\x00b\x1b[31m"}}
        account.simulator.faults([{"match": "/duplicate", "action": "status", "status": 200, "body": copy,
                                   "after_handling": True, "times": 1}])  # fmt: skip
        answer = ask(account, method="POST", path="/v1/deals/1/duplicate")
        assert answer == {"id": 77, "title": "ab\x1b[31m"}
        assert json.dumps(copy) and len(account.simulator.records("deals")) == 5


DEEP = "(repeat('[', {0}) || repeat(']', {0}))::json"
UNSENDABLE = {
    "levels": DEEP.format(201),
    "very many levels": DEEP.format(3_000),
    "levels of objects": "(repeat('{\"a\":', 300) || '1' || repeat('}', 300))::json",
    "exponent": "'[{\"value\": 1e99999999999999999999}]'::json",
    "negative exponent": "'[{\"value\": 1e-99999999999999999999}]'::json",
    "digits": "('[{\"value\": 0.' || repeat('3', 40) || '}]')::json",
    "half a surrogate pair": '\'[{"value": "\\ud83d"}]\'::json',
}


@pytest.mark.parametrize("value", UNSENDABLE.values(), ids=UNSENDABLE)
def test_what_no_request_can_hold_is_not_sent_and_what_was_is_told(server: Server, value: str) -> None:
    with LiveAccount(server, deals=4, tables=["persons"]) as account:
        account.run("ALTER FOREIGN TABLE persons ALTER emails TYPE json")
        rows = f"(VALUES (1, NULL), (2, {value})) AS given (n, emails)"
        before = len(account.simulator.records("persons"))
        for sql in (
            f"INSERT INTO persons (name, emails) SELECT n::text, emails FROM {rows} RETURNING id",
            f"UPDATE persons SET name = n || '!', emails = coalesce(given.emails, persons.emails) "
            f"FROM {rows} WHERE id = n RETURNING id",
        ):
            with pytest.raises(psycopg.Error) as caught:
                account.rows(sql)
            texts = texts_of(caught.value)
            assert caught.value.sqlstate == "22000"
            assert re.match("pipedrive write: (column emails|a row) of persons cannot be sent", texts[0])
            assert "1 row is written in Pipedrive for good" in texts[1]
        with pytest.raises(psycopg.Error):  # all of them are worked out before the first is sent
            account.run(f"INSERT INTO persons (name, emails) SELECT n::text, emails FROM {rows}")
        assert len(account.simulator.records("persons")) == before + 1


ODD_LISTS = [7, 0, "", "a", True, False, {}, {"value": "x"}, [7], ["a"], [None], [[]], [{"value": "a"}, 7]]
NO_RECORDS = [7, "a", [], [7], [{}, {}], None, True]


@pytest.mark.parametrize(
    "data", [*({"id": 1, "emails": odd} for odd in ODD_LISTS), *NO_RECORDS], ids=lambda data: json.dumps(data)
)
def test_no_list_is_written_over_that_could_not_be_read(server: Server, data: Any) -> None:
    """An element is added to its record by sending the whole list, so that an odd answer would empty it."""
    with LiveAccount(server, deals=2, tables=["person_emails"]) as account:
        before = account.objects("person_emails", "WHERE person_id = 1")
        account.simulator.reset()
        account.simulator.faults([{"match": "/persons/1", "action": "status", "status": 200, "times": 1,
                                   "body": {"success": True, "data": data}}])  # fmt: skip
        with pytest.raises(psycopg.Error) as caught:
            account.run("INSERT INTO person_emails (person_id, value) VALUES (1, 'ada@example.org')")
        assert caught.value.sqlstate == "08P01"
        assert [r["path"] for r in account.requests() if r["method"] != "GET"] == []
        account.simulator.faults([])
        assert account.objects("person_emails", "WHERE person_id = 1") == before


@pytest.mark.parametrize(
    "key", ["", "x", "1.5", None, [1], {}, 1.5, 2**63, "9" * 30], ids=lambda key: json.dumps(key)
)
def test_children_of_a_parent_without_a_key_are_a_clear_error(server: Server, key: Any) -> None:
    with LiveAccount(server, deals=2, tables=["deal_followers"]) as account:
        account.simulator.faults([{"match": "/api/v2/deals", "action": "status", "status": 200, "times": 1,
                                   "body": {"success": True, "data": [{"id": key}]}}])  # fmt: skip
        with pytest.raises(psycopg.Error, match="a record of deals has no key"):
            account.rows("SELECT * FROM deal_followers")
