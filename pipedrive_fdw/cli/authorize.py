"""``authorize``: a person's consent in the browser becomes a user mapping."""

from __future__ import annotations

import argparse
import errno
import http.server
import os
import secrets
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

from pipedrive_fdw.addresses import is_loopback, read_address
from pipedrive_fdw.api.oauth import Grant, TokenEndpoint
from pipedrive_fdw.api.transport import RequestsTransport
from pipedrive_fdw.api.waiting import Exchange
from pipedrive_fdw.cli.terminal import VARIABLE, Terminal
from pipedrive_fdw.errors import AuthError, ConnectError, OptionError, sentences
from pipedrive_fdw.masking import read_secret, visible
from pipedrive_fdw.options import OAUTH, OAUTH_ADDRESS
from pipedrive_fdw.session.session import sleep_unless_stopped

SUMMARY = "walk through OAuth 2.0 consent; prints the CREATE USER MAPPING"
DESCRIPTION = """\
Walks you through the consent of OAuth 2.0. You need an app of your own in Pipedrive's Developer Hub
(a private app will do); its callback URL is what --redirect-uri says, its scopes are what the tables
may read and write.

The command shows an address to open in a browser. After the consent Pipedrive sends the browser to
the callback URL. Where that is this machine, the command waits there for it; anywhere else (or with
--paste) copy the last address that the browser shows and paste it here."""
EPILOG = f"""\
The app's secret is not taken as an argument, since every user of this machine can read those: set
{VARIABLE}CLIENT_SECRET, or type it when asked. What is printed on stdout holds secrets too; with
--secrets-file they go into a file instead, and the statement names the file."""
_REDIRECT = "http://localhost:8400/callback"
_TIMEOUTS = (10.0, 60.0)
_DAY = 86_400.0
_PAGE = (
    "<!doctype html><meta charset=utf-8><title>pipedrive_fdw</title><p>{}. You can close this window "
    "and go back to the terminal."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--client-id", metavar="ID", help=f"the app's client id ({VARIABLE}CLIENT_ID, or asked)"
    )
    parser.add_argument(
        "--redirect-uri", metavar="URL", default=_REDIRECT, help=f"the app's callback URL ({_REDIRECT})"
    )
    parser.add_argument("--paste", action="store_true", help="do not wait for the browser; paste its address")
    parser.add_argument(
        "--server", metavar="NAME", default="pipedrive", help="the foreign server's name (pipedrive)"
    )
    parser.add_argument("--secrets-file", metavar="FILE", help="write the secrets into this new file")
    parser.add_argument("--oauth-url", metavar="URL", default="", help=f"instead of {OAUTH_ADDRESS}")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=300.0,
        help="how long to wait for the browser (300)",
    )


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < (seconds := float(text)) <= _DAY:
            return seconds
    raise argparse.ArgumentTypeError(f"it must be a number of seconds, at most {_DAY:.0f}")


def run(given: argparse.Namespace, terminal: Terminal) -> int:
    redirect = _callback(given.redirect_uri)
    address = _address(given.oauth_url or terminal.variable("oauth_url"))
    _check_new(given.secrets_file)
    client_id = _secret(
        "client_id",
        given.client_id or terminal.variable("client_id") or terminal.ask("client_id", "Client id"),
    )
    client_secret = _secret(
        "client_secret",
        terminal.variable("client_secret") or terminal.ask("client_secret", "Client secret", hidden=True),
    )
    state = secrets.token_urlsafe(24)
    asked = {"client_id": client_id, "redirect_uri": given.redirect_uri, "state": state}
    terminal.say(
        "Open this address in a browser and allow the app:\n\n"
        f"  {address}/oauth/authorize?{urlencode(asked)}\n"
    )
    if given.paste or redirect.scheme != "http" or not is_loopback(redirect.hostname or ""):
        terminal.say("Then copy the last address that the browser shows, paste it here, and press Enter:")
        code = code_of(terminal.line(), state)
    else:
        code = _listen(redirect, state, given.timeout, terminal)
    endpoint = TokenEndpoint(
        address, client_id, client_secret, RequestsTransport(*_TIMEOUTS), sleep_unless_stopped
    )
    grant = endpoint.redeem(code, given.redirect_uri, Exchange())
    if not grant.refresh_token:
        raise AuthError(
            "the consent returned no refresh token", hint="Look at the app's settings in the Developer Hub."
        )
    _hand_over(given, terminal, grant, (client_id, client_secret, grant.refresh_token))
    return 0


def _callback(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        if parts.scheme in ("http", "https") and parts.hostname and not parts.fragment and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise OptionError("--redirect-uri is not an address", hint="Give the callback URL as the app has it.")


def _address(value: str) -> str:
    try:
        return read_address(value) if value else OAUTH_ADDRESS
    except ValueError as error:
        raise OptionError("--oauth-url is not a usable address", hint=sentences(str(error))) from None


def _secret(name: str, value: str) -> str:
    try:
        return read_secret(value)
    except ValueError as error:
        raise OptionError(f"the {name} cannot be used", hint=sentences(f"{name}: {error}")) from None


def code_of(address: str, state: str) -> str:
    """The code in the *address* that the browser was sent to.

    Raises AuthError when the consent was refused, or when it is the answer to another question.
    """
    given = {
        name: values[0] for name, values in parse_qs(address.partition("?")[2].partition("#")[0]).items()
    }
    if not secrets.compare_digest(given.get("state", "").encode(), state.encode()):
        raise AuthError(
            "this address does not belong to the request above (its state differs)",
            hint="Run the command again, and use the address that it shows.",
        )
    if "error" in given or "code" not in given:
        raise AuthError(
            f"the consent was not given ({given.get('error', 'no code came')})", hint="Run the command again."
        )
    return given["code"]


def _listen(redirect: Any, state: str, timeout: float, terminal: Terminal) -> str:
    """The code, from the browser's request to the loopback address *redirect*. Raises as code_of does."""
    answers: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5  # a connection that says nothing

        def do_GET(self) -> None:  # noqa: N802 - the library's name
            status, words = 404, "There is nothing here"
            given = parse_qs(urlsplit(self.path).query)
            # Any page can send a browser here: what does not know the state is not the answer
            if urlsplit(self.path).path == (redirect.path or "/") and given.get("state") == [state]:
                answers.append(self.path)
                status, words = 200, "Pipedrive has answered"
            body = _PAGE.format(words).encode()
            self.send_response(status)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass  # the address holds the code

    with _server(redirect, Handler) as server:
        terminal.say(f"Waiting for the browser at {redirect.netloc} (Ctrl-C to end).")
        end = time.monotonic() + timeout
        while not answers:
            server.timeout = end - time.monotonic()
            if server.timeout <= 0:
                raise ConnectError(
                    f"no answer came to {redirect.netloc}",
                    hint="If the browser runs on another machine, run the command with --paste.",
                )
            server.handle_request()
    return code_of(answers[0], state)


def _server(redirect: Any, handler: Callable[..., Any]) -> http.server.HTTPServer:
    class Server(http.server.HTTPServer):
        address_family = socket.AF_INET6 if redirect.hostname == "::1" else socket.AF_INET

        def server_bind(self) -> None:
            # Without the look-up of the host's full name, which can take long
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(self.server_address)

    host = "127.0.0.1" if redirect.hostname == "localhost" else redirect.hostname
    try:
        return Server((host, redirect.port or 80), handler)
    except OSError as error:
        raise ConnectError(
            f"cannot wait at {redirect.netloc}: {error.strerror}",
            hint="Use --paste, or another port in the app's callback URL and --redirect-uri.",
        ) from None


def _hand_over(given: argparse.Namespace, terminal: Terminal, grant: Grant, three: tuple[str, ...]) -> None:
    values = dict(zip(OAUTH, three))
    terminal.say(f"\nAllowed: {visible(grant.scope) or 'the scopes of the app'}")
    if grant.api_domain:
        terminal.say(f"The account: {visible(grant.api_domain)}")
    if given.secrets_file:
        path = _write(given.secrets_file, values)
        terminal.say(f"Written: {path}. It must belong to the operating system user of the database server.")
        values = {"secrets_file": path}
    else:
        terminal.say(
            "This statement holds secrets; docs/security.md says how to keep it out of the server's log."
        )
    server = '"' + given.server.replace('"', '""') + '"'
    listed = ", ".join(f"{name} {_literal(value)}" for name, value in values.items())
    terminal.give(f"CREATE USER MAPPING FOR CURRENT_USER SERVER {server}\n    OPTIONS ({listed});")


def _literal(value: str) -> str:
    quoted = "'" + value.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in value else quoted


def _check_new(file: str | None) -> None:
    if file and Path(file).exists():
        raise OptionError(f"the file {file} is there already", hint="Remove it, or name another.")
    folder = Path(file or "").absolute().parent
    if file and not os.access(folder, os.W_OK | os.X_OK):
        words = os.strerror(errno.EACCES if folder.is_dir() else errno.ENOENT)
        raise OptionError(
            f"the file {file} cannot be made: {words}", hint="Make its folder, or name another one."
        )


def _write(file: str, values: dict[str, str]) -> str:
    path = Path(file).absolute()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OptionError(
            f"the file {path} cannot be made: {error.strerror}",
            hint="Run the command again: the consent must be given once more.",
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.writelines(f"{name} = {value}\n" for name, value in values.items())
    return str(path)
