"""Addresses that look like others, and paths and keys that lead elsewhere."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from pipedrive_fdw.api.client import ApiToken, Client, Signed, Spent
from pipedrive_fdw.api.limits import Limits
from pipedrive_fdw.api.transport import Request, Response
from pipedrive_fdw.api.waiting import Exchange
from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.cli import main
from pipedrive_fdw.cli.terminal import Terminal
from pipedrive_fdw.errors import OptionError, PipedriveError, PlanError, ProtocolError, WriteError
from pipedrive_fdw.extension.requests import answered
from pipedrive_fdw.options import base_url, oauth_url, read_options
from pipedrive_fdw.plan.calls import fill
from pipedrive_fdw.session.account_sessions import credential

GOOD = {
    "https://proxy.example": "https://proxy.example",
    "https://proxy.example/": "https://proxy.example",
    "HTTPS://Proxy.Example/Path/": "https://proxy.example/Path",
    "https://proxy.example:8443/a/b-c_d.e~f": "https://proxy.example:8443/a/b-c_d.e~f",
    "https://proxy.example:443": "https://proxy.example",
    "http://localhost:80": "http://localhost",
    "http://localhost:8000": "http://localhost:8000",
    "http://LOCALHOST": "http://localhost",
    "http://127.0.0.1:1": "http://127.0.0.1:1",
    "http://127.8.9.10/x": "http://127.8.9.10/x",
    "http://[::1]:8080/": "http://[::1]:8080",
    "http://[0:0:0:0:0:0:0:1]": "http://[::1]",
    "https://10.0.0.5:1234": "https://10.0.0.5:1234",
    "https://[2001:DB8::1]": "https://[2001:db8::1]",
    "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
    "https://my_proxy:8000": "https://my_proxy:8000",
    "https://a-1.b-2.example": "https://a-1.b-2.example",
}
NOT_LOOPBACK = [
    "http://127.0.0.1.evil.example", "http://127.evil.example", "http://127.0.0.1.",
    "http://localhost.evil.example",
    "http://localhost.", "http://evil.localhost.example", "http://[::1].evil.example", "http://[::2]",
    "http://[::ffff:127.0.0.1]", "http://[::ffff:7f00:1]", "http://[::1%25lo]", "http://[::1%lo]",
    "http://127.1", "http://127.0.1", "http://0177.0.0.1", "http://0x7f.0.0.1", "http://2130706433",
    "http://0x7f000001",
    "http://127.0.0.01", "http://127.0.0.256", "http://127.0.0.1.1", "http://0.0.0.0", "http://128.0.0.1",
    "http://①27.0.0.1",
    "http://127。0。0。1", "http://ｌocalhost", "http://loca\u200blhost", "http://10.0.0.1",
    "http://proxy.example",
]  # fmt: skip
NO_ADDRESS = [
    "", " ", "proxy.example", "//proxy.example", "ftp://proxy.example", "file:///etc/passwd",
    "https:/proxy.example",
    "https:///x", "https://", "https://:443", "https://proxy.example:", "https://proxy.example:0",
    "https://proxy.example:65536", "https://proxy.example:-1", "https://proxy.example:²",
    "https://proxy.example:80:80",
    "https://ada@proxy.example", "https://ada:t0p-secret@proxy.example", "https://127.0.0.1@proxy.example",
    "https://@proxy.example", "https://proxy.example@", "https://proxy.example\\@evil.example",
    "https://evil.example\\.proxy.example", "https://proxy.example?x=1", "https://proxy.example/?",
    "https://proxy.example#x", "https://proxy.example/#", "https://proxy .example", " https://proxy.example",
    "https://proxy.example\n", "https://proxy.example/\r\nx: y", "https://proxy.exam\tple",
    "https://proxy.example/\x00",
    "https://proxy.example/a b", "https://.proxy.example", "https://proxy..example", "https://proxy.example.",
    "https://-proxy.example", "https://proxy-.example", "https://" + "a" * 64 + ".example",
    "https://" + "a." * 130 + "example", "https://bücher.example", "https://прокси.example",
    "https://proxy.example/ü",
    "https://proxy.example/../x", "https://proxy.example/a/..", "https://proxy.example/.",
    "https://proxy.example/%2e%2e/x",
    "https://proxy.example/%2E./x", "https://proxy.example/a%2fb", "https://proxy.example/a%5cb",
    "https://proxy.example/a%00",
    "https://proxy.example/a%0d%0a", "https://proxy.example/%252e%252e", "https://proxy.example//x",
    "https://proxy.example/a\\b",
    "https://proxy.example/%zz", "https://proxy.example/%", "https://[::1", "https://::1",
    "https://[::1]x", "https://[v1.x]",
    "https://[]", "https://[1.2.3.4]", "https://1.2.3", "https://1.2.3.4.5", "https://0x1.2.3.4",
    "https://1.2.3.999",
]  # fmt: skip
# What names a part of the API already is no beginning of its paths.
OF_THE_API = ["https://acme.pipedrive.com/api/v2", "https://acme.pipedrive.com/api",
"https://api.pipedrive.com/v1/",
              "https://proxy.example/pipedrive/API/v1"]  # fmt: skip
OPTIONS = {"base_url": base_url, "oauth_url": oauth_url}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(("address", "used"), GOOD.items())
def test_an_address_is_used_in_one_form(option: str, address: str, used: str) -> None:
    assert OPTIONS[option](read_options({option: address})) == used


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("address", [*NOT_LOOPBACK, *NO_ADDRESS], ids=ascii)
def test_an_address_that_is_none_or_would_go_out_in_the_clear_is_refused(option: str, address: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_options({option: address})
    assert caught.value.hint
    assert "t0p-secret" not in str(caught.value)


@pytest.mark.parametrize("address", OF_THE_API)
def test_a_path_that_belongs_to_the_api_is_refused(address: str) -> None:
    with pytest.raises(OptionError, match="base_url") as caught:
        read_options({"base_url": address})
    assert "is added to it" in caught.value.hint


class TokenAnswers:
    """A token endpoint that names *api_domain*; it keeps what was asked."""

    def __init__(self, api_domain: Any) -> None:
        self.api_domain = api_domain
        self.urls: list[str] = []

    def send(self, request: Request, exchange: Exchange) -> Response:
        self.urls.append(request.url)
        body = b'{"access_token": "an-access-token", "api_domain": %s}'
        return Response(200, {}, body % json.dumps(self.api_domain).encode())


def api_address(api_domain: Any, **server: str) -> str:
    """Where requests go when the token endpoint names *api_domain*."""
    given = {
        "client_id": "the-client-id",
        "client_secret": "the-client-secret",
        "refresh_token": "the-refresh-token",
    }
    options = read_options({**given, **server})
    return credential(options, "k" * 64, TokenAnswers(api_domain)).sign(Exchange()).base_url


@pytest.mark.parametrize("address", [*NOT_LOOPBACK, *(a for a in NO_ADDRESS if a), *OF_THE_API], ids=ascii)
def test_an_api_domain_that_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ProtocolError, match="names an address of the API that cannot be used"):
        api_address(address)


def test_an_api_domain_on_this_machine_is_only_for_an_endpoint_on_it() -> None:
    """Pipedrive's own endpoint may not send requests to what listens here."""
    with pytest.raises(ProtocolError, match="names an address of the API that cannot be used"):
        api_address("http://127.0.0.1:9200")
    with pytest.raises(ProtocolError, match="names an address of the API that cannot be used"):
        api_address("http://localhost", oauth_url="https://oauth.proxy.example")
    assert api_address("http://127.0.0.1:9200", oauth_url="http://127.0.0.1:5") == "http://127.0.0.1:9200"
    assert api_address("https://acme.pipedrive.com") == "https://acme.pipedrive.com"


@pytest.mark.parametrize(
    "redirect",
    [
        "http://127.0.0.1.evil.example:8400/x",
        "http://localhost:x/",
        "http://[::1/",
        "http://localhost:99999/",
    ],
)
def test_authorize_waits_on_this_machine_only(redirect: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    environment = {"PIPEDRIVE_CLIENT_ID": "the-client-id", "PIPEDRIVE_CLIENT_SECRET": "the-client-secret"}
    terminal = Terminal(out, err, io.StringIO("http://x/?error=access_denied\n"), environment)
    assert main(["authorize", "--redirect-uri", redirect], terminal) == 1
    assert "Waiting for the browser" not in err.getvalue()


# ---- paths

LEADS_ELSEWHERE = [
    ".", "..", "%2e", "%2e%2e", "%2E%2e", ".%2e", "%252e%252e", "%25252e%25252e", "a/b", "../deals/1",
    "a%2fb", "a%2Fb",
    "a%252fb", "a\\b", "a%5cb", "a\nb", "a\rb", "a\0b", "\x1b[0m", "a%0ab", "a%00b", "a\x7fb", "a\x85b",
    "a\u2028b", "", "/",
]  # fmt: skip
HARMLESS = [
    "1",
    "42",
    "a.b",
    "...",
    "a..b",
    "-1",
    "a b",
    "a%b",
    "100%",
    "é",
    "a?b",
    "a#b",
    "a;b",
    "a&b=c",
    "😀",
    "x" * 500,
]


@pytest.mark.parametrize("key", LEADS_ELSEWHERE, ids=ascii)
@pytest.mark.parametrize("path", ["/deals/{id}", "/deals/{id}/products", "/x/{other}/{id}"])
def test_a_key_that_would_lead_elsewhere_stands_in_no_path(path: str, key: str) -> None:
    with pytest.raises(PlanError, match="cannot be part of the address of a request"):
        fill(path, {"other": 1, "id": key})


@pytest.mark.parametrize("key", HARMLESS, ids=ascii)
def test_other_keys_stand_in_it_as_they_are(key: str) -> None:
    from urllib.parse import unquote

    from requests import Request as Asked

    url = Asked("GET", "http://localhost/api/v2" + fill("/deals/{id}/x", {"id": key})).prepare().url
    assert url is not None
    assert unquote(url.removeprefix("http://localhost/api/v2/deals/").removesuffix("/x")) == key


def test_every_path_of_the_catalogue_is_filled_by_one_function() -> None:
    """A key that leads elsewhere is refused for every operation of every table."""
    operations = [
        op for table in TABLES.values()
        for op in (*table.listings, table.get, table.insert, table.update, table.delete) if op is not None
    ]  # fmt: skip
    filled = [op for op in operations if op.placeholders]
    assert len(filled) > 50
    for op in filled:
        with pytest.raises(PlanError):
            fill(op.path, dict.fromkeys(op.placeholders, ".."))


@pytest.mark.parametrize(
    "path",
    [
        *(f"/v1/{part}/x" for part in LEADS_ELSEWHERE if part != "a/b"),
        *(f"/v2/deals/{part}" for part in LEADS_ELSEWHERE if part != "a/b"),
        "/v1//deals", "/v1/deals/", "/v1", "/v3/deals", "v1/deals", "/v1/deals?x=1", "/v1/deals#x",
        "/v1/deals/é",
        "//evil.example/v1/deals", "https://evil.example/v1/deals", "/v1/deals@evil.example",
        "/v1/deals/%zz", "/v1/deals/%",
        "/v1/deals\n", "/api/v1/../v2/deals", "/v1/deals/٣", "/v1/deals:80", "/v1/" + "x" * 10_000,
    ],
    ids=ascii,
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_a_path_that_leads_elsewhere_is_refused_before_a_request(path: str, method: str) -> None:
    server, mapping = {"base_url": "http://127.0.0.1:1"}, {"api_token": "a-token"}
    with pytest.raises(WriteError, match="is not a path of the API"):
        answered(server, mapping, json.dumps({"method": method, "path": path}))


def test_a_client_sends_no_path_that_another_program_would_read_otherwise() -> None:
    """Whoever made the path: what leaves is what was meant."""
    seen: list[str] = []

    class Keeps:
        def send(self, request: Request, exchange: Exchange) -> Response:
            seen.append(request.url)
            return Response(200, {}, b'{"success": true, "data": []}')

    client = Client(ApiToken(Signed({"x-api-token": "a-token"}, "https://acme.pipedrive.com"), "k"), Keeps(),
                    Limits(None, "k", "c"), lambda seconds, exchange: None)  # fmt: skip
    for path in ("/deals/../users", "/deals/%2e%2e", "/deals/a%2fb", "/deals/\n"):
        with pytest.raises(PipedriveError):
            client.call("GET", 2, path, tokens=1, exchange=Exchange(), spent=Spent())
    assert seen == []
