"""What ``make up`` keeps running for a checkout: a cluster and a simulated Pipedrive company, connected.

Both belong to the checkout alone and are found again by its path, so several checkouts run side by side.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from tools.engine.engines import Engine, find_engine
from tools.engine.extension import extension_files
from tools.engine.places import ROOT, base, locked, state_folder, usual_umask
from tools.engine.process import EngineError, say, tail
from tools.engine.server import Server, dsn_of, free_port, password_file, postmaster, stop_postmaster
from tools.engine.sql import Psql

TOKEN = "demo-token"  # noqa: S105 - worth nothing elsewhere # nosec B105
_NOTHING = "Nothing runs for this checkout: make up"


def up() -> Server:
    """Start what does not run, and import the tables if they are not there; what was made stays."""
    base()
    with locked(state_folder() / "lock", "starts or stops this checkout's cluster"):
        engine = find_engine()
        url = _start_simulator(engine)
        server = Server(state_folder() / f"cluster-{engine.label}", engine=engine)
        if server.running() and not password_file(server.folder).exists():
            server.stop()  # an older checkout has started it, without a password
        if server.running():
            server.sync()
        else:
            say(f"starting {engine.version}")
            server.start()
        _connect(server.psql(), url)
    return server


def down() -> bool:
    """Stop what runs; the data stays for the next ``up``. False when nothing ran."""
    if not state_folder().is_dir():
        return False
    with locked(state_folder() / "lock", "starts or stops this checkout's cluster"):
        stopped = [stop_postmaster(folder) for folder in _data_folders()]
        return any([*stopped, _stop_simulator()])


def clean() -> None:
    """Stop what runs and forget the checkout's data; the engine stays in the cache."""
    down()
    shutil.rmtree(state_folder(), ignore_errors=True)


def reset() -> Server:
    """Start over: nothing that was made in the database or in the made-up company stays."""
    clean()
    return up()


def dsn() -> str:
    """The libpq URL of the running cluster."""
    for folder in _data_folders():
        found = postmaster(folder)
        if found:
            return dsn_of(folder.parent, found[1])
    raise EngineError(_NOTHING)


def simulator_url() -> str:
    """The running simulator's address."""
    url = _simulator().get("url")
    if not url:
        raise EngineError(_NOTHING)
    return str(url)


def psql() -> Psql:
    """psql on the running cluster, which is started when it does not run."""
    engine = find_engine()
    server = Server(state_folder() / f"cluster-{engine.label}", engine=engine)
    return server.psql() if server.running() and _simulator() else up().psql()


def status() -> str:
    """What runs, in a few lines."""
    lines = [f"checkout   {ROOT}", f"state      {state_folder()}"]
    for name, ask in (("server", dsn), ("simulator", simulator_url)):
        try:
            lines.append(f"{name:10} {ask()}")
        except EngineError:
            lines.append(f"{name:10} not running")
    return "\n".join(lines)


def requests_seen() -> list[dict[str, Any]]:
    """The simulator's log of the requests it got."""
    with urllib.request.urlopen(f"{simulator_url()}/_sim/requests", timeout=10) as answer:  # noqa: S310 # nosec B310
        return list(json.load(answer))


def _data_folders() -> list[Path]:
    return sorted(state_folder().glob("cluster-*/data"))


def _connect(psql: Psql, url: str) -> None:
    """Import the tables of the company at *url*; where that was done before, tell the server its address."""
    made_of = state_folder() / "extension.sha256"
    current = hashlib.sha256(repr(extension_files()).encode()).hexdigest()
    if psql.query("SELECT count(*) FROM pg_foreign_server WHERE srvname = 'pipedrive'") == "0":
        say("importing the tables")
        psql.query(_import_sql(url))
        made_of.write_text(current)
        return
    if psql.query(_ADDRESS) not in ("", url):  # '': an account that somebody has connected in its place
        psql.query(f"ALTER SERVER pipedrive OPTIONS (SET base_url '{url}')")
    if not made_of.exists() or made_of.read_text() != current:
        say("The extension has changed since the tables were imported: `make reset` starts over.")


_ADDRESS = (
    "SELECT o.option_value FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o "
    "WHERE s.srvname = 'pipedrive' AND o.option_name = 'base_url'"
)


def _import_sql(url: str) -> str:
    return f"""
        SET client_min_messages = warning;
        BEGIN;
        CREATE EXTENSION IF NOT EXISTS pipedrive_fdw CASCADE;
        CREATE SERVER pipedrive FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (base_url '{url}');
        CREATE USER MAPPING FOR CURRENT_USER SERVER pipedrive OPTIONS (api_token '{TOKEN}');
        IMPORT FOREIGN SCHEMA pipedrive FROM SERVER pipedrive INTO pipedrive;
        COMMIT;
    """  # noqa: S608 - our own address


# -- the simulator


def _record() -> Path:
    return state_folder() / "simulator.json"


def _simulator() -> dict[str, Any]:
    """What is known of the running simulator; empty when it does not run."""
    try:
        known = dict(json.loads(_record().read_text()))
        command = Path(f"/proc/{known['pid']}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, KeyError):
        return {}
    # The process id may have been given to somebody else since.
    port = str(known["url"]).rsplit(":", 1)[-1].encode()
    return known if b"tests.simulator" in command and port in command else {}


def _start_simulator(engine: Engine) -> str:
    known = _simulator()
    if known:
        return str(known["url"])
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    say(f"starting the simulated Pipedrive company at {url}")
    options = ["--port", str(port), "--seed", "1", "--deals", "300", "--token", TOKEN]
    log = state_folder() / "simulator.log"
    with usual_umask(), log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            [*engine.python_command, "-m", "tests.simulator", *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(engine.libraries)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _record().write_text(json.dumps({"pid": process.pid, "url": url}))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{url}/_sim/requests", timeout=2):  # noqa: S310 # nosec B310
            return url
        time.sleep(0.1)
    process.terminate()
    raise EngineError(f"The simulator does not start. Its log says:\n{tail(log.read_text(errors='replace'))}")


def _stop_simulator() -> bool:
    known = _simulator()
    with suppress(FileNotFoundError):
        _record().unlink()
    if not known:
        return False
    pid = int(known["pid"])
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if not _alive(pid):
                return True
            time.sleep(0.05)
    return True


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
