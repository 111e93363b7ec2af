"""No error shows a secret, in whatever form a library or the API puts it into a text."""

from __future__ import annotations

import base64
import html
import io
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipedrive_fdw.api.client import ApiToken, Client, Signed, Spent
from pipedrive_fdw.api.limits import Limits
from pipedrive_fdw.api.oauth import TokenEndpoint
from pipedrive_fdw.api.transport import Request, RequestsTransport, Response
from pipedrive_fdw.api.waiting import Exchange
from pipedrive_fdw.cli import main
from pipedrive_fdw.cli.terminal import Terminal
from pipedrive_fdw.errors import OptionError, PipedriveError
from pipedrive_fdw.options import read_options
from pipedrive_fdw.session.secrets_file import read_secrets
from tests.hostile.raw import response, serving

# Every visible character that a token may have, those among them that are written otherwise somewhere.
TOKEN = "t0p'secret\"with\\back%slash&<amp>=+/~{}0123456789"
READABLE = "t0p-s3cret-0123456789abcdef"


def forms(secret: str) -> dict[str, str]:
    raw = secret.encode()
    return {
        "plain": secret,
        "repr": repr(secret),
        "repr of bytes": repr(raw),
        "JSON": json.dumps(secret),
        "URL": urllib.parse.quote(secret, safe=""),
        "URL, lower case": _lower_escapes(urllib.parse.quote(secret, safe="")),
        "URL path": urllib.parse.quote(secret),
        "form": urllib.parse.urlencode({"x": secret}),
        "HTML": html.escape(secret),
        "base64": base64.b64encode(raw).decode(),
        "base64, one before": base64.b64encode(b"x" + raw).decode(),
        "base64, two before": base64.b64encode(b"xy" + raw + b"z").decode(),
        "base64 of URLs": base64.urlsafe_b64encode(b"id:" + raw + b"\xff\xfe").decode(),
        "hex": raw.hex(),
    }


def _lower_escapes(text: str) -> str:
    return "".join(c.lower() if text[max(n - 2, 0) : n + 1].find("%") >= 0 else c for n, c in enumerate(text))


def shows(text: str, secret: str) -> list[str]:
    """The forms of *secret* of which *text* has more than half."""
    found = []
    for name, form in forms(secret).items():
        half = len(form) // 2
        if any(form[n : n + half] in text for n in range(len(form) - half)):
            found.append(name)
    return found


def test_the_search_finds_every_form_and_its_halves() -> None:
    for name, form in forms(TOKEN).items():
        assert name in shows(f"no such token {form}.", TOKEN)
        assert name in shows(form[: len(form) // 2 + 2], TOKEN)
    assert shows("a quiet text", TOKEN) == []


@pytest.mark.parametrize("secret", [TOKEN, READABLE])
@pytest.mark.parametrize("form", forms(TOKEN))
def test_every_form_of_a_secret_is_masked_wherever_it_stands(secret: str, form: str) -> None:
    read_options({"company_domain": "acme", "api_token": secret})
    text = f"the header {forms(secret)[form]} is wrong"
    error = PipedriveError(text, text, text)
    error.detail = f"more: {text}"
    for shown in (error.message, error.detail, error.hint, str(error), repr(error), repr(error.args)):
        assert shows(shown, secret) == []


def test_a_secret_that_begins_another_one_leaves_nothing_of_it() -> None:
    for secret in ("abcdefgh", "abcdefgh-and-more", "xabcdefgh-and"):
        read_options({"company_domain": "acme", "api_token": secret})
    assert "and" not in PipedriveError("token abcdefgh-and-more").message.partition("token")[2]


class Says:
    """A transport that answers with *status* and *body*."""

    def __init__(self, status: int, body: bytes, **headers: str) -> None:
        self.response = Response(status, headers, body)

    def send(self, request: Request, exchange: Exchange) -> Response:
        return self.response


def client(transport: Any, token: str, address: str = "http://127.0.0.1:1") -> Client:
    credential = ApiToken(Signed({"x-api-token": token}, address), "k" * 64)
    return Client(credential, transport, Limits(None, "k" * 64, "c" * 64), lambda seconds, exchange: None)


def error_of(
    transport: Any, token: str, method: str = "GET", address: str = "http://127.0.0.1:1"
) -> PipedriveError:
    with pytest.raises(PipedriveError) as caught:
        client(transport, token, address).call(
            method, 2, "/deals", tokens=1, exchange=Exchange(), spent=Spent(), body=b"{}"
        )
    return caught.value


@pytest.mark.parametrize("before", range(0, 620, 7))
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 200])
def test_a_text_is_masked_before_it_is_cut(status: int, before: int) -> None:
    read_options({"company_domain": "acme", "api_token": READABLE})
    words = "x" * before + READABLE
    for body in (json.dumps({"success": False, "error": words}).encode(), words.encode()):
        error = error_of(Says(status, body), READABLE)
        assert READABLE[:8] not in str(error)


# ---- tokens as they are given

WITH_ENDS = ["{}\n", "{}\r\n", " {} ", "\t{}", "\ufeff{}", "{}\u00a0", "\u2028{}"]
WITHIN = [
    "\n",
    "\r\n",
    "\0",
    "\x1b[31m",
    " ",
    "\t",
    "é",
    "…",
    "“",
    "\u200b",
    "\u202e",
    "😀",
    "\x7f",
    "\x85",
    "\udc80",
]
SECRETS = ["api_token", "client_id", "client_secret", "refresh_token"]


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("form", WITH_ENDS, ids=ascii)
def test_what_surrounds_a_secret_is_trimmed(name: str, form: str) -> None:
    assert getattr(read_options({name: form.format(READABLE)}), name) == READABLE


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("within", WITHIN, ids=ascii)
def test_characters_that_no_token_has_are_refused_without_showing_it(name: str, within: str) -> None:
    value = READABLE[:12] + within + READABLE[12:]
    with pytest.raises(OptionError) as caught:
        read_options({name: value})
    error = caught.value
    assert error.message == f'pipedrive option: option "{name}" cannot be ***'
    assert READABLE[:8] not in f"{error} {error!r}"
    assert READABLE[12:20] not in f"{error} {error!r}"


def test_a_token_that_cannot_be_one_is_refused_for_its_length() -> None:
    with pytest.raises(OptionError):
        read_options({"api_token": "x" * 100_000})
    with pytest.raises(OptionError):
        read_options({"api_token": " \n"})


@pytest.fixture
def secrets_file(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "secrets"
    file.touch(0o600)
    yield file


@pytest.mark.parametrize("within", [c for c in WITHIN if c not in ("\n", "\r\n", "\udc80")], ids=ascii)
def test_characters_that_no_token_has_are_refused_in_a_file_too(secrets_file: Path, within: str) -> None:
    secrets_file.write_bytes(f"# mounted\napi_token = {READABLE[:12]}{within}{READABLE[12:]}\n".encode())
    with pytest.raises(OptionError) as caught:
        read_secrets(str(secrets_file))
    assert READABLE[:8] not in f"{caught.value}" and READABLE[12:20] not in f"{caught.value}"
    assert "line 2" in caught.value.message
    assert caught.value.hint


def test_a_mounted_secret_with_line_ends_of_windows_is_read(secrets_file: Path) -> None:
    secrets_file.write_bytes(f"api_token = {READABLE}\r\n\r\n".encode())
    assert read_secrets(str(secrets_file)) == {"api_token": READABLE}


@pytest.mark.parametrize("token", ["{}\n", "{}\r\nX-Other: 1", "{}…", "{}\ud800", " {}"], ids=ascii)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_transport_that_is_given_an_odd_header_shows_nothing_of_it(token: str, method: str) -> None:
    """Whatever checked the options: a library's text is not trusted."""
    value = token.format(READABLE)
    read_options({"company_domain": "acme", "api_token": READABLE})
    with serving(lambda head, body: response(b'{"success": true, "data": []}')) as address:
        transport = RequestsTransport(5, 5)
        try:
            error = error_of(transport, value, method, address)
        finally:
            transport.close()
    assert shows(str(error), READABLE) == []


# ---- the token endpoint


@pytest.mark.parametrize(
    "given",
    [
        {"access_token": READABLE + "\n"},
        {"access_token": READABLE + "\r\nx: y"},
        {"access_token": READABLE + "…"},
        {"access_token": ""},
        {"access_token": READABLE * 10_000},
        {"access_token": READABLE, "refresh_token": READABLE + "\0"},
        {"access_token": [READABLE]},
        {"access_token": READABLE, "expires_in": "soon"},
    ],
    ids=lambda given: ascii(given)[:60],
)
def test_odd_tokens_of_the_endpoint_are_refused_or_trimmed_and_never_shown(given: dict[str, Any]) -> None:
    endpoint = TokenEndpoint(
        "http://127.0.0.1:1", "the-client-id", "the-client-secret", Says(200, json.dumps(given).encode()),
        lambda seconds, exchange: None,
    )  # fmt: skip
    try:
        grant = endpoint.refresh("the-refresh-token", Exchange())
    except PipedriveError as error:
        assert READABLE[:8] not in str(error)
    else:
        assert (grant.access_token, grant.refresh_token) == (READABLE, "")


# ---- the command line


def run_check(token: str, address: str) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    environment = {"PIPEDRIVE_API_TOKEN": token, "PIPEDRIVE_BASE_URL": address}
    code = main(["check", "--no-tables"], Terminal(out, err, io.StringIO(), environment))
    return code, out.getvalue() + err.getvalue()


def test_check_takes_a_token_with_a_line_break_behind_it() -> None:
    seen: list[bytes] = []

    def answer(head: bytes, body: bytes) -> bytes:
        seen.append(head)
        return response(b'{"success": true, "data": {"id": 1, "name": "Ada"}}')

    with serving(answer) as address:
        code, shown = run_check(READABLE + "\n", address)
    assert (code, "Ada" in shown, READABLE in shown) == (0, True, False)
    assert f"x-api-token: {READABLE}\r\n".encode() in seen[0] + b"\r\n"


@pytest.mark.parametrize("within", ["\n", "…", "é", "\x1b"], ids=ascii)
def test_check_refuses_an_odd_token_and_shows_nothing_of_it(within: str) -> None:
    code, shown = run_check(READABLE[:12] + within + READABLE[12:], "http://127.0.0.1:1")
    assert code == 1
    assert READABLE[:8] not in shown and READABLE[12:20] not in shown
    assert 'option "api_token" cannot be ***' in shown


def test_an_address_with_a_password_is_refused_without_it() -> None:
    with pytest.raises(OptionError) as caught:
        read_options({"base_url": "https://ada:t0p-secret@proxy.example/x"})
    assert "t0p-secret" not in str(caught.value)
