"""The command line against the simulator: what it gives, what it says, and how it ends."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shlex
import socket
import stat
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.cli import main
from pipedrive_fdw.cli.authorize import code_of
from pipedrive_fdw.cli.check import kinds
from pipedrive_fdw.cli.demo import examples
from pipedrive_fdw.cli.terminal import Terminal
from pipedrive_fdw.errors import AuthError
from pipedrive_fdw.session.secrets_file import read_secrets
from tests.simulator import Simulator
from tests.simulator.oauth import CLIENT, REFRESH_TOKEN, SCOPE

TOKEN = "t0p-secret-token"  # noqa: S105 - the simulator's
OAUTH = {
    "PIPEDRIVE_CLIENT_ID": CLIENT[0],
    "PIPEDRIVE_CLIENT_SECRET": CLIENT[1],
    "PIPEDRIVE_REFRESH_TOKEN": REFRESH_TOKEN,
}


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    simulator = Simulator(token=TOKEN, deals=3, burst=40, budget=30_000).start()
    yield simulator
    simulator.stop()


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    running.configure({"gated": {}})
    running.reset()
    return running


class Session:
    """One run of a command: its exit code, what it gave and what it said."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] = {}, typed: str = "") -> None:  # noqa: B006
        self.out, self.err = io.StringIO(), io.StringIO()
        terminal = Terminal(self.out, self.err, io.StringIO(typed), environment)
        self.code = main(arguments, terminal)

    @property
    def given(self) -> str:
        return self.out.getvalue()

    @property
    def said(self) -> str:
        return self.err.getvalue()


def test_no_command_lists_the_commands() -> None:
    session = Session()
    assert (session.code, session.given) == (2, "")
    assert "usage: python -m pipedrive_fdw [-h] [--version] COMMAND ...\n" in session.said
    assert re.findall(r"^    (\w+)  ", session.said, re.MULTILINE) == ["check", "authorize", "tables", "demo"]


@pytest.mark.parametrize(
    ("arguments", "missing", "ways"),
    [
        (("check",), "company_domain", "Give --company-domain, set PIPEDRIVE_COMPANY_DOMAIN, or"),
        (("check", "--company-domain", "acme"), "api_token", "Set PIPEDRIVE_API_TOKEN, or"),
        (("authorize",), "client_id", "Give --client-id, set PIPEDRIVE_CLIENT_ID, or"),
    ],
)
def test_what_is_missing_is_named_with_the_ways_to_give_it(
    arguments: tuple[str, ...], missing: str, ways: str
) -> None:
    session = Session(*arguments)
    assert session.code == 1
    assert session.said.splitlines() == [
        f"error: pipedrive option: {missing} is needed",
        f"  {ways} run this in a terminal.",
    ]


def test_check_tells_user_plan_budget_and_tables(simulator: Simulator) -> None:
    session = Session("check", "--base-url", simulator.url, environment={"PIPEDRIVE_API_TOKEN": TOKEN})
    me = simulator.records("users")[0]
    assert (session.code, f"{me['name']} <{me['email']}>" in session.given) == (0, True)
    assert "burst limit   40 requests in 2 seconds, as of the plan Growth" in session.given
    assert re.search(r"day's tokens  29,998 of 30,000 left", session.given)
    announced = re.search(r"one page each: (\d+) API tokens", session.said)
    assert announced is not None
    assert sum(r["tokens"] for r in simulator.requests()) == int(announced[1]) + 2
    assert {r["method"] for r in simulator.requests()} == {"GET"}
    assert session.given.count("\nyes  ") == len(kinds())
    assert TOKEN not in session.given + session.said


def test_check_names_what_the_account_lacks(simulator: Simulator) -> None:
    simulator.configure({"gated": {"^/projects": 402, "^/roles": {"status": 403, "error": "Forbidden"}}})
    session = Session("check", "--base-url", simulator.url, environment={"PIPEDRIVE_API_TOKEN": TOKEN})
    assert session.code == 0
    refused = re.findall(r"^no   (\w+).*\n +(.+)$", session.given, re.MULTILINE)
    assert [name for name, _ in refused] == ["projects", "activity_fields"]
    assert "Projects add-on" in refused[0][1]
    assert "administrator" in refused[1][1]


def test_check_without_tables_costs_two_tokens(simulator: Simulator) -> None:
    session = Session(
        "check", "--base-url", simulator.url, "--no-tables", environment={"PIPEDRIVE_API_TOKEN": TOKEN}
    )
    assert (session.code, [r["tokens"] for r in simulator.requests()]) == (0, [2])


def test_check_by_oauth(simulator: Simulator) -> None:
    session = Session("check", "--base-url", simulator.url, "--no-tables", environment=OAUTH)
    assert (session.code, "signed in by  OAuth 2.0" in session.given) == (0, True)
    assert [r["path"] for r in simulator.requests()] == ["/oauth/token", "/api/v1/users/me"]


def test_check_by_a_file_leaves_the_environment_s_secrets_alone(simulator: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.touch(0o600)
    file.write_text(f"api_token = {TOKEN}\n")
    session = Session(
        "check", "--no-tables", "--secrets-file", str(file),
        environment={**OAUTH, "PIPEDRIVE_BASE_URL": simulator.url},
    )  # fmt: skip
    assert (session.code, "signed in by  API token" in session.given) == (0, True)
    file.write_text("api_token = wrong\n")
    session = Session("check", "--secrets-file", str(file), "--base-url", simulator.url)
    assert (session.code, session.said.endswith("or in the secrets_file.\n")) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (
            ["--base-url", "URL"],
            {"PIPEDRIVE_API_TOKEN": "wr0ng-token"},
            "pipedrive auth: the API token is not",
        ),
        (
            ["--base-url", "URL"],
            {**OAUTH, "PIPEDRIVE_REFRESH_TOKEN": "wr0ng"},
            "the refresh token is not accepted",
        ),
        (["--base-url", "http://127.0.0.1:1"], {"PIPEDRIVE_API_TOKEN": "wr0ng-token"}, "refuses connections"),
        (["--base-url", "ftp://elsewhere"], {"PIPEDRIVE_API_TOKEN": "wr0ng-token"}, "pipedrive option: "),
        (["--base-url", "URL"], {}, "Set PIPEDRIVE_API_TOKEN"),
        ([], {"PIPEDRIVE_API_TOKEN": "wr0ng-token"}, "set PIPEDRIVE_COMPANY_DOMAIN"),
        (["--base-url", "URL", "--secrets-file", "/nowhere"], {}, "secrets_file /nowhere cannot be opened"),
        (
            ["--base-url", "URL"],
            {"PIPEDRIVE_API_TOKEN": "wr0ng-token", **OAUTH},
            "an api_token and OAuth secrets",
        ),
    ],
)
def test_check_says_in_plain_words_what_does_not_work(
    simulator: Simulator, arguments: list[str], environment: dict[str, str], words: str
) -> None:
    session = Session(
        "check", *(simulator.url if a == "URL" else a for a in arguments), environment=environment
    )
    assert (session.code, session.given) == (1, "")
    assert words in session.said
    assert "Traceback" not in session.said
    assert "wr0ng" not in session.said


class Consent:
    """The person at the browser: runs `authorize` and opens the address that it shows."""

    def __init__(self, simulator: Simulator, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.callback = f"http://localhost:{free.getsockname()[1]}/back"
        self._arguments = [
            "authorize", "--oauth-url", simulator.url, "--redirect-uri", self.callback, *arguments,
        ]  # fmt: skip
        self._shown = threading.Event()
        self.address = ""
        self.out, self.err = io.StringIO(), _Watched(self._see)
        self.code = -1
        self._thread = threading.Thread(target=self._run)

    def _see(self, text: str) -> None:
        found = re.search(r"^  (http\S+)$", text, re.MULTILINE)
        if found:
            self.address = found[1]
        if "Waiting for the browser" in text:
            self._shown.set()

    def _run(self) -> None:
        terminal = Terminal(self.out, self.err, io.StringIO(), OAUTH)
        self.code = main(self._arguments, terminal)

    def start(self) -> Consent:
        self._thread.start()
        assert self._shown.wait(10)
        return self

    def visit(self, address: str) -> int:
        with suppress(urllib.error.HTTPError), urllib.request.urlopen(address, timeout=10) as answer:
            return int(answer.status)
        return 0

    def end(self) -> Consent:
        self._thread.join(10)
        return self


class _Watched(io.StringIO):
    def __init__(self, see: object) -> None:
        super().__init__()
        self._see = see

    def write(self, text: str) -> int:
        done = super().write(text)
        self._see(text)  # type: ignore[operator]
        return done


def test_authorize_waits_for_the_browser_and_prints_the_mapping(simulator: Simulator) -> None:
    consent = Consent(simulator, "--server", 'my "server"').start()
    # What does not know the state is not the answer, whoever sends it
    assert consent.visit(f"{consent.callback}?code=stolen&state=guessed") == 0
    assert consent.visit(consent.address) == 200
    consent.end()
    assert consent.code == 0
    found = re.fullmatch(
        r'CREATE USER MAPPING FOR CURRENT_USER SERVER "my ""server"""\n'
        rf"    OPTIONS \(client_id '{CLIENT[0]}', client_secret '{CLIENT[1]}', refresh_token '([^']+)'\);\n",
        consent.out.getvalue(),
    )
    assert found is not None
    assert f"Allowed: {SCOPE}" in consent.err.getvalue()
    assert f"The account: {simulator.url}" in consent.err.getvalue()
    assert [value for value in (found[1], CLIENT[1]) if value in consent.err.getvalue()] == []
    environment = {**OAUTH, "PIPEDRIVE_REFRESH_TOKEN": found[1]}
    assert Session("check", "--base-url", simulator.url, "--no-tables", environment=environment).code == 0


def test_authorize_writes_a_file_that_nobody_else_reads(simulator: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "it's secret"
    consent = Consent(simulator, "--secrets-file", str(file)).start()
    consent.visit(consent.address)
    consent.end()
    assert consent.code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(read_secrets(str(file))) == {"client_id", "client_secret", "refresh_token"}
    assert consent.out.getvalue().endswith(
        f"OPTIONS (secrets_file '{str(file).replace(chr(39), chr(39) * 2)}');\n"
    )
    again = Session("authorize", "--secrets-file", str(file), environment=OAUTH)
    assert (again.code, "is there already" in again.said) == (1, True)


def test_authorize_takes_a_pasted_address(simulator: Simulator) -> None:
    state: list[str] = []

    class Pasting(io.StringIO):
        def readline(self, *args: object) -> str:  # type: ignore[override]
            shown = re.search(r"^  (http\S+)$", err.getvalue(), re.MULTILINE)
            assert shown is not None
            opener = urllib.request.build_opener(_NoRedirect)
            with suppress(urllib.error.HTTPError):
                opener.open(shown[1], timeout=10)
            state.append(_NoRedirect.location)
            return _NoRedirect.location + "\n"

    out, err = io.StringIO(), io.StringIO()
    arguments = ["authorize", "--oauth-url", simulator.url, "--redirect-uri", "https://app.example/cb?x=1"]
    assert main(arguments, Terminal(out, err, Pasting(), OAUTH)) == 0
    assert state[0].startswith("https://app.example/cb?x=1&code=")
    assert out.getvalue().startswith("CREATE USER MAPPING")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    location = ""

    def redirect_request(
        self, req: object, fp: object, code: int, msg: str, headers: object, newurl: str
    ) -> None:  # type: ignore[override]
        _NoRedirect.location = newurl


def test_authorize_gives_up_in_time(simulator: Simulator) -> None:
    consent = Consent(simulator, "--timeout", "0.3").start().end()
    assert (consent.code, consent.out.getvalue()) == (1, "")
    assert "no answer came to localhost:" in consent.err.getvalue()
    assert "--paste" in consent.err.getvalue()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://localhost/?code=c&state=other", "its state differs"),
        ("http://localhost/?code=c", "its state differs"),
        ("nonsense", "its state differs"),
        ("http://localhost/?error=user_denied&state=s", r"was not given \(user_denied\)"),
        ("http://localhost/?state=s", r"was not given \(no code came\)"),
    ],
)
def test_an_answer_without_a_code_or_of_another_consent_is_refused(address: str, words: str) -> None:
    with pytest.raises(AuthError, match=words):
        code_of(address, "s")


def test_a_code_that_is_refused_is_a_plain_error(simulator: Simulator) -> None:
    consent = Consent(simulator).start()
    state = re.search(r"state=([\w-]+)", consent.address)
    assert state is not None
    assert consent.visit(f"{consent.callback}?code=wrong&state={state[1]}") == 200
    consent.end()
    assert (consent.code, consent.out.getvalue()) == (1, "")
    assert "the authorization code is not accepted" in consent.err.getvalue()


def test_tables_lists_the_catalogue() -> None:
    session = Session("tables")
    listed = re.findall(r"^(\w+) +S[I-][U-][D-]  ", session.given, re.MULTILINE)
    assert (session.code, listed) == (0, list(TABLES))
    deals = json.loads(Session("tables", "--json", "deals").given)
    assert [
        (t["table"], t["verbs"], t["scopes"], t["columns"][0]["name"], t["columns"][-1]["name"])
        for t in deals
    ] == [("deals", ["SELECT", "INSERT", "UPDATE", "DELETE"], ["deals:full", "deals:read"], "id", "attrs")]
    unknown = Session("tables", "dealz")
    assert (unknown.code, "Pipedrive has no table dealz" in unknown.said) == (1, True)


def test_every_table_that_is_read_belongs_to_at_most_one_kind() -> None:
    names = [name for kind in kinds() for name in kind.tables]
    assert len(names) == len(set(names))
    left = set(TABLES) - set(names)
    assert left == {
        "api_usage", "subscriptions", "subscription_payments", "deal_changes", "person_changes",
        "organization_changes", "deal_flow", "person_flow", "organization_flow", "recents",
    }  # fmt: skip
    assert "users" in [kind.probe.name for kind in kinds()]  # and no table that may be switched off


def test_the_tour_has_its_queries_and_changes_nothing() -> None:
    assert [file.name[:2] for file in examples()] == ["01", "02", "03", "04", "05", "06", "08", "09"]


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["nonsense"], ["check", "--api-token", "x"],
        *(["authorize", "--timeout", time] for time in ("nan", "inf", "0", "soon")),
    ],
)  # fmt: skip
def test_a_wrong_command_line_ends_with_two(arguments: list[str]) -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pipedrive_fdw", *arguments], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, "usage: " in done.stderr) == (2, "", True)
    assert not re.search(r"\b_\w", done.stderr), "a name of the program's own"


def test_the_end_of_the_input_is_no_answer() -> None:
    """Ctrl-D, where the token is asked for: a terminal of its own, as getpass wants one."""
    child, terminal = pty.fork()
    if not child:
        words = [sys.executable, "-m", "pipedrive_fdw", "check", "--company-domain", "acme"]
        os.execv(sys.executable, words)  # noqa: S606
    shown = b""
    with suppress(OSError):  # what Linux says at the end
        while not shown.endswith(b"(not shown): "):
            shown += os.read(terminal, 1000)
        os.write(terminal, b"\x04")
        while more := os.read(terminal, 1000):
            shown += more
    assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 1
    assert shown.decode().split("(not shown): ")[1].split("\r\n") == [
        "error: pipedrive option: api_token is needed",
        "  Set PIPEDRIVE_API_TOKEN, or type it when asked.",
        "",
    ]


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    done = subprocess.run(  # noqa: S602 - a pipe is what is tested
        f"{sys.executable} -m pipedrive_fdw tables --json | head -1",
        shell=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("[\n", "")


def test_a_stream_that_is_closed_is_no_fault(simulator: Simulator) -> None:
    """Each command goes on as it would with an empty file there."""
    check = f"{sys.executable} -m pipedrive_fdw check --no-tables --base-url {simulator.url}"
    environment = {**os.environ, "PIPEDRIVE_API_TOKEN": TOKEN}
    ended = {}
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(  # noqa: S602 - how a shell closes a stream is what is tested
            f"{check} {closed}", shell=True, env=environment, capture_output=True, text=True, timeout=60
        )
        ended[closed] = (done.returncode, "burst limit   40 requests" in done.stdout, done.stderr)
    assert ended == {
        "<&-": (0, True, ""), ">&-": (0, False, ""), "2>&-": (0, True, ""), "<&- >&- 2>&-": (0, False, ""),
    }  # fmt: skip
    done = subprocess.run(  # noqa: S602
        f"{sys.executable} -m pipedrive_fdw check <&-", shell=True, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        "error: pipedrive option: company_domain is needed",
    )


_INTERRUPTED = """
import runpy, sys
class Interrupted:
    def find_spec(self, name, path, target=None):
        if name == "{module}":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
sys.argv = ["pipedrive_fdw", "tables"]
runpy.run_module("pipedrive_fdw", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["pipedrive_fdw.cli", "pipedrive_fdw.cli.tables", "orjson"])
def test_an_interrupt_ends_it_also_while_it_loads(module: str) -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _INTERRUPTED.format(module=module)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\ninterrupted\n")


def test_an_interrupt_ends_it_also_where_nobody_is_told() -> None:
    program = shlex.quote(_INTERRUPTED.format(module="pipedrive_fdw.cli"))
    done = subprocess.run(f"{sys.executable} -c {program} 2>&-", shell=True, timeout=60)  # noqa: S602
    assert done.returncode == 130


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a Linux device that is always full")
def test_a_disk_that_is_full_is_a_plain_error() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "pipedrive_fdw", "tables"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


def test_the_place_of_the_secrets_is_looked_at_before_the_consent(tmp_path: Path) -> None:
    file = tmp_path / "none" / "secrets"
    session = Session("authorize", "--client-id", "x", "--secrets-file", str(file))
    assert session.code == 1
    assert f"the file {file} cannot be made: No such file or directory" in session.said
    assert "Open this address" not in session.said


def test_an_empty_dsn_is_none_of_the_made_up_company(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    session = Session("demo", "--dsn", "")
    assert (session.code, "there is no psql" in session.said) == (1, True)
