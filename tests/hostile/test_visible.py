"""Control characters and escape sequences of the API are made visible wherever a person or a log gets them.

The values of columns stay as they are, but for NUL."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.cli import main
from pipedrive_fdw.cli.terminal import Terminal
from pipedrive_fdw.errors import PipedriveError, WriteError
from pipedrive_fdw.extension.requests import answered
from pipedrive_fdw.options import read_options
from pipedrive_fdw.table.binding import bind
from pipedrive_fdw.table.row_maker import RowMaker
from pipedrive_fdw.values.jsontext import parse_json, to_json
from pipedrive_fdw.write.transaction import TRANSACTION
from tests.hostile.raw import response, serving

CLEAR_SCREEN = "\x1b[2J\x1b[H"
TITLE = "\x1b]0;owned\x07"
NASTY = f"Acme\n\r\x00{CLEAR_SCREEN}{TITLE}\x9b31m\x08\x7f\u202egnp.exe\u2028ERROR:  forged\u2066"
FORBIDDEN = {
    *map(chr, range(32)),
    *map(chr, range(127, 160)),
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\ufeff",
}


def obeyed(text: str) -> list[str]:
    """The characters of *text* that a terminal or a log would obey."""
    return sorted(FORBIDDEN.intersection(text))


def test_errors_show_control_characters_written_out() -> None:
    error = PipedriveError(NASTY, NASTY, NASTY)
    error.detail = f"more: {NASTY}"
    for text in (error.message, error.detail, error.hint, repr(error)):
        assert obeyed(text) == []
    assert (
        "Acme\\x0a\\x0d\\x00\\x1b[2J\\x1b[H\\x1b]0;owned\\x07\\x9b31m\\x08\\x7f\\u202egnp.exe\\u2028"
        in error.detail
    )


@pytest.mark.parametrize(
    "text", ["Zoë Müller", "山田", "Ада", "😀", "👩‍👩‍👦", "ﷺ", "a\u0301", "שלום", "‏‏" * 0 + "100 €"]
)
def test_letters_of_every_script_are_shown_as_they_are(text: str) -> None:
    assert PipedriveError(text).message == f"pipedrive error: {text}"


def test_errors_can_be_sent_to_a_database_in_utf8() -> None:
    PipedriveError("half \ud83d of a character", "\udc80", "\udfff").message.encode()


def test_reports_of_what_was_written_show_them_written_out() -> None:
    TRANSACTION.wrote("deals", "INSERT", NASTY)
    try:
        assert obeyed(TRANSACTION.rolled_back()) == []
    finally:
        TRANSACTION.ended()


@pytest.mark.parametrize(
    "odd", ["²", "٣", "9" * 5_000, "", "-1", "1.5", NASTY], ids=lambda odd: ascii(odd)[:20]
)
def test_keys_that_are_no_numbers_follow_no_other(odd: str) -> None:
    for key in (odd, "7", "8", "9", odd, odd):
        TRANSACTION.wrote("deals", "INSERT", key)
    report = TRANSACTION.rolled_back()
    assert report.startswith("6 rows are written in Pipedrive for good: deals INSERT ")
    assert ", 7-9, " in report
    assert obeyed(report) == []


class Column:
    """A column of a foreign table as PostgreSQL defines it."""

    def __init__(self, type_name: str) -> None:
        self.type_name = self.base_type_name = type_name
        self.options: dict[str, str] = {}


def test_values_stay_as_they_are_but_for_nul() -> None:
    columns: dict[str, Any] = {"id": Column("bigint"), "name": Column("text"), "emails": Column("jsonb")}
    maker = RowMaker(bind(TABLES["persons"], columns))
    record = parse_json(json.dumps({"id": 1, "name": NASTY, "emails": [{"value": NASTY}]}).encode())
    (row,) = maker.rows([record], {})
    assert row[:2] == [1, NASTY.replace("\x00", "")]
    shown = to_json(row)
    assert json.loads(shown)[2] == [{"value": NASTY.replace("\x00", "")}]
    assert "\\u0000" not in shown


def test_to_json_leaves_nul_out_wherever_it_stands() -> None:
    value = {"a\x00b": ["\x00", {"c": "d\x00"}], "e": "\\u0000 as text"}
    assert json.loads(to_json(value)) == {"ab": ["", {"c": "d"}], "e": "\\u0000 as text"}


# ---- the command line


def run(answer: bytes, *arguments: str, encoding: str = "utf-8") -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command whose requests are all answered by *answer*."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, newline="") for _ in range(2))
    with serving(lambda head, body: answer) as address:
        environment = {"PIPEDRIVE_API_TOKEN": "a-token-of-the-tests", "PIPEDRIVE_BASE_URL": address}
        code = main(arguments, Terminal(out, err, io.StringIO(), environment))
    for stream in (out, err):
        stream.flush()
        stream.seek(0)
    return code, out.read(), err.read()


WHO = {
    "id": NASTY,
    "name": NASTY,
    "email": NASTY,
    "company_name": NASTY,
    "company_domain": NASTY,
    "is_admin": 1,
}


def test_check_shows_what_the_account_says_written_out() -> None:
    answer = response(json.dumps({"success": True, "data": WHO}).encode())
    code, out, err = run(answer, "check", "--no-tables")
    assert code == 0
    assert obeyed(out.replace("\n", "")) == []
    assert len(out.splitlines()) == 5
    assert "Acme\\x0a" in out


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "401 Unauthorized", "402 No", "403 No", "404 No", "418 No"]
)
def test_check_shows_what_a_refusal_says_written_out(status: str) -> None:
    code, out, err = run(response(json.dumps({"error": NASTY}).encode(), status), "check", "--no-tables")
    assert code == 1
    assert obeyed((out + err).replace("\n", "")) == []
    assert len(err.splitlines()) <= 3


@pytest.mark.parametrize("body", [NASTY.encode(), f"<{NASTY}>".encode(), json.dumps(NASTY).encode()])
def test_check_shows_what_is_no_answer_written_out(body: bytes) -> None:
    code, out, err = run(response(body), "check", "--no-tables")
    assert code == 1
    assert obeyed((out + err).replace("\n", "")) == []


def test_a_terminal_that_has_not_the_letters_shows_them_written_out() -> None:
    answer = response(json.dumps({"success": True, "data": {**WHO, "name": "Zoë 山"}}).encode())
    code, out, _ = run(answer, "check", "--no-tables", encoding="ascii")
    assert (code, "Zo\\xeb \\u5c71" in out) == (0, True)


@pytest.mark.parametrize("error", [NASTY, "no\nsuch\x1b[31m"])
def test_authorize_shows_what_the_consent_says_written_out(error: str) -> None:
    from urllib.parse import quote

    pasted = io.StringIO(f"http://localhost/?error={quote(error)}&state=wrong\n")
    out, err = io.StringIO(), io.StringIO()
    environment = {"PIPEDRIVE_CLIENT_ID": "the-client-id", "PIPEDRIVE_CLIENT_SECRET": "the-client-secret"}
    assert main(["authorize", "--paste"], Terminal(out, err, pasted, environment)) == 1
    assert obeyed((out.getvalue() + err.getvalue()).replace("\n", "")) == []


# ---- functions


MAPPING = {"api_token": "a-token-of-the-tests"}


def called(body: bytes, method: str, path: str) -> str:
    """The answer that a function of the extension gets."""
    with serving(lambda head, given: response(body)) as address:
        try:
            return answered({"base_url": address}, MAPPING, json.dumps({"method": method, "path": path}))
        finally:
            TRANSACTION.ended()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_pages_make_no_read_of_a_write(method: str) -> None:
    """It would be answered from what was read before, sent without its body, and reported nowhere."""
    sent: list[tuple[bytes, bytes]] = []

    def answer(head: bytes, body: bytes) -> bytes:
        sent.append((head.partition(b" ")[0], body))
        return response(b'{"success": true, "data": {"id": 7, "items": [1]}}')

    request = {"method": method, "path": "/v2/deals", "body": {"title": "x"}, "pages": True}
    with serving(answer) as address:
        for _ in range(2):
            assert json.loads(answered({"base_url": address}, MAPPING, json.dumps(request)))["id"] == 7
    assert sent == [(method.encode(), b'{"title":"x"}')] * 2
    report = TRANSACTION.rolled_back()
    assert report == f"2 rows are written in Pipedrive for good: {method} /v2/deals 7, 7."


@pytest.mark.parametrize(
    "request_",
    [{"method": "x" * 100_000}, {"method": ["x" * 100_000]}, {"method": "GET", "path": "/" + "x" * 100_000}],
    ids=["text", "list", "path"],
)
def test_an_error_shows_no_more_than_the_beginning_of_a_request(request_: dict[str, Any]) -> None:
    with pytest.raises(WriteError) as caught:
        answered({"base_url": "http://127.0.0.1:1"}, MAPPING, json.dumps(request_))
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_function_s_answer_with_nul_in_it_is_not_lost(method: str) -> None:
    """PostgreSQL's jsonb refuses \\u0000: the copy would be made, and its answer lost."""
    copy = {"id": 7, "title": "a\x00b", "\x00key": NASTY}
    answer = called(json.dumps({"success": True, "data": copy}).encode(), method, "/v1/deals/5/duplicate")
    assert json.loads(answer) == {"id": 7, "title": "ab", "key": NASTY.replace("\x00", "")}
    assert "\\u0000" not in answer


@pytest.mark.parametrize(
    "data", [{"id": [1]}, {"id": {"x": 1}}, {"id": "\x1b[31m"}, [1], "text", 5, True, None, {}]
)
def test_whatever_a_function_is_answered_it_is_given_back(data: Any) -> None:
    answer = called(json.dumps({"success": True, "data": data}).encode(), "POST", "/v1/deals/5/duplicate")
    assert (json.loads(answer) if answer else None) == data


@pytest.mark.parametrize("tokens", [2**62, 2**63, -5, "many", None])
def test_a_caller_s_number_is_no_price(tokens: Any) -> None:
    from pipedrive_fdw.session.account_sessions import session_for

    with serving(lambda head, given: response(b'{"success": true, "data": {"id": 1}}')) as address:
        request = {"method": "PUT", "path": "/v1/deals/5/merge", "tokens": tokens}
        answered({"base_url": address}, MAPPING, json.dumps(request))
        TRANSACTION.ended()
        assert session_for(read_options({"base_url": address, **MAPPING})).spent.tokens == 40
