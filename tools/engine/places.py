"""Where the engine and the clusters are kept, and as whom a server runs. Knows nothing of what is in there.

PostgreSQL refuses to run as root, and the unprivileged account that it then runs as often cannot reach root's
home or a checkout below it. So all that a server reads lives below one cache folder, never in the checkout.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.engine.process import Account, EngineError, say

ROOT = Path(__file__).resolve().parents[2]
NAME = "pipedrive-fdw"
VARIABLE = "PIPEDRIVE_FDW_CACHE"


def cache_folder(environ: Mapping[str, str], uid: int) -> Path:
    """The cache folder that the environment asks for; nothing is created."""
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE]).absolute()
    if uid == 0:
        return Path("/var/cache") / NAME
    xdg = environ.get("XDG_CACHE_HOME", "")
    if xdg.startswith("/"):
        return Path(xdg) / NAME
    home = Path(environ.get("HOME") or "/nonexistent")
    if home.is_dir() and os.access(home, os.W_OK):
        return home / ".cache" / NAME
    return Path("/var/tmp") / f"{NAME}-{uid}"  # noqa: S108 - base() checks the owner # nosec B108


def base() -> Path:
    """The cache folder, existing, ours, and reachable by the account that servers run as."""
    folder = cache_folder(os.environ, os.getuid())
    with usual_umask():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(
                f"The cache folder cannot be made: {error}. Name another in {VARIABLE}."
            ) from None
    if not os.access(folder, os.W_OK | os.X_OK) or folder.stat().st_uid != os.getuid():
        raise EngineError(f"The cache folder {folder} belongs to somebody else. Name another in {VARIABLE}.")
    account = server_account()
    if account and not reaches(account, folder):
        folder.chmod(folder.stat().st_mode | 0o011)
        if not reaches(account, folder):
            name = account_name(account)
            raise EngineError(
                f"PostgreSQL does not run as root, and the account it runs as instead ({name}) cannot reach"
                f" {folder}.\nName a folder that it can reach in {VARIABLE}, e.g. one below /var/cache."
            )
    return folder


def state_folder(checkout: Path = ROOT) -> Path:
    """Where the clusters of a *checkout* are kept: named after its real path, so each has its own."""
    real = str(checkout.resolve())
    digest = hashlib.sha256(real.encode()).hexdigest()[:12]
    return cache_folder(os.environ, os.getuid()) / "state" / digest


def server_account() -> Account | None:
    """The unprivileged account for servers when we are root; None when we may run them ourselves."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return Account(found.pw_uid, found.pw_gid)
    raise EngineError("PostgreSQL does not run as root: there must be an account postgres or nobody.")


def account_name(account: Account) -> str:
    try:
        return pwd.getpwuid(account.uid).pw_name
    except KeyError:
        return str(account.uid)


def reaches(account: Account, folder: Path) -> bool:
    """True if *account* can enter *folder*; asked by entering it."""
    command = ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)]
    done = subprocess.run(command, cwd="/", stderr=subprocess.DEVNULL, **account.arguments)  # noqa: S603
    return done.returncode == 0


@contextlib.contextmanager
def usual_umask() -> Iterator[None]:
    """Files made within are readable by the server's account, whatever the caller's umask."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def locked(file: Path, waiting_for: str) -> Iterator[None]:
    """Alone with *file*, across processes; the kernel lets go of it when we die."""
    with usual_umask():
        file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that {waiting_for} ...")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def built_aside(target: Path) -> Iterator[Path]:
    """A folder beside *target* that becomes it when the block ends well, and vanishes when not.

    The caller holds the lock of the cache; what an earlier killed run left is removed first.
    """
    for left in target.parent.glob(f".{target.name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    with usual_umask():
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        aside.chmod(0o755)
        try:
            yield aside
            aside.rename(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
