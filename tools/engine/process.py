"""Running commands: quietly, with a bounded wait, and with an error that a person can act on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Callable

# What a child may inherit: nothing that could change how PostgreSQL, Python or a loader behaves.
_INHERITED = (
    "PATH", "LANG", "TERM", "COLUMNS", "NO_COLOR", "PAGER", "LESS",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip


class EngineError(Exception):
    """Something that the person at the terminal can put right; the text says how."""


@dataclass(frozen=True)
class Account:
    """Whom a server runs as when we are root, since PostgreSQL refuses root."""

    uid: int
    gid: int

    @property
    def arguments(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def say(text: str) -> None:
    """One line of progress, on stderr, so that stdout stays for results."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment without anything that could surprise a server or a Python."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    kept.setdefault("PATH", os.defpath)
    return {**kept, "LC_ALL": "C.UTF-8", **(extra or {})}


def need(program: str, package: str) -> str:
    """The path of *program*, or an error that says what to install."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")
    if found is None:
        raise EngineError(f"{program} was not found: please install it (apt-get install {package}).")
    return found


def run(
    command: Sequence[str | Path],
    what: str,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | str = "/",
    account: Account | None = None,
    timeout: float = 600,
    watch: Callable[[], None] | None = None,
    stdin: IO[str] | None = None,
) -> str:
    """The output of *command*; *what* names the step in the error. *watch* is called while it runs.

    It reads *stdin*, or nothing.
    """
    given = [str(part) for part in command]
    process = subprocess.Popen(  # noqa: S603 - our own commands only
        given,
        env=dict(os.environ if env is None else env),
        cwd=cwd,
        stdin=stdin or subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        umask=0o022,
        **(account.arguments if account else {}),
    )
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                output, _ = process.communicate(timeout=0.25)
                break
            except subprocess.TimeoutExpired:
                if watch:
                    watch()
                if time.monotonic() > deadline:
                    raise EngineError(f"{what} did not end within {timeout:.0f} seconds.") from None
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if process.returncode:
        raise EngineError(f"{what} failed (exit code {process.returncode}):\n{tail(output or '')}")
    return output or ""


def tail(text: str, lines: int = 15) -> str:
    """The last *lines* of *text*, indented."""
    return "\n".join("    " + line for line in text.strip().splitlines()[-lines:])
