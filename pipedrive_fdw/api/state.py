"""Small files that the backends of a server share: bounded, locked by the kernel, whole or as good as empty.

Nothing in such a file is trusted: whoever reads one checks what it says, and takes an odd one for none.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import orjson

from pipedrive_fdw.api.waiting import SLICE_SECONDS, Interrupts
from pipedrive_fdw.errors import Cancelled, StateError, sentences

# The largest file that is looked at, and the largest count that one can hold.
MOST_BYTES = 1 << 20
MOST_COUNT = 10**12
_SOON = 1e-3
# A lock that is held for longer than this is that of a process that was stopped.
_PATIENCE = 0.5
# A byte of a file has a number of eight bytes, with a sign.
_PLACE_BYTES = 7
# One thread of this process at a time tries to lock a file. The others are woken, and need not try again.
_TURNS: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)


class Waiter(Protocol):
    """Who waits for the shared state: given up when ``aborted``."""

    aborted: bool


def is_count(value: Any, most: int = MOST_COUNT) -> bool:
    """True for a whole number from 0 to *most*."""
    return type(value) is int and 0 <= value <= most


def is_moment(value: Any, latest: float) -> bool:
    """True for a number of seconds from 0 to *latest*."""
    return type(value) in (int, float) and 0 <= value <= latest


def peeked(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of the file at *path*, without its lock; empty where it is unreadable or larger than
    *most*."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            return content(descriptor, most)
        finally:
            os.close(descriptor)
    except OSError:
        return b""


def content(descriptor: int, most: int = MOST_BYTES) -> bytes:
    """The content of the file, empty where it is larger than *most*."""
    found = os.pread(descriptor, most + 1, 0)
    return found if len(found) <= most else b""


def parsed(text: bytes) -> dict[str, Any] | None:
    """The object that *text* is in JSON, None where it is none."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def unusable(path: Path, error: OSError) -> StateError:
    return StateError(
        "the files that sessions share cannot be used",
        detail=sentences(f"{path.name}: {error.strerror}"),
        hint="They are in the folder pgsql_tmp_pipedrive_fdw in the data directory. The server's operating "
        "system user must own it, and the disk must have room. The folder can be deleted.",
    )


def open_state(path: Path) -> int:
    """A descriptor of a file that backends share. The file and its folder are made when they are not there,
    for the owner alone."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:  # the first file, or an administrator has deleted the folder
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return os.open(path, flags, 0o600)


def token_file(folder: Path, key: str) -> Path:
    """The file that backends share for the access token of the credential *key*."""
    return folder / f"oauth-{key[:32]}"


def removed(path: Path) -> bool:
    """Removes the file at *path*; False where there is none. Raises StateError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unusable(path, error) from None
    return True


@contextlib.contextmanager
def locked(path: Path, waiter: Waiter) -> Iterator[int]:
    """A descriptor of the file at *path*, which no other thread or process locks meanwhile."""
    with _TURNS[path]:
        descriptor = _lock(path, waiter)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _lock(path: Path, waiter: Waiter) -> int:
    """A descriptor of *path*, locked. The lock is tried for, never waited in.

    Its holder needs it for microseconds, but may be stopped in between, also by PostgreSQL: a backend that
    sends rows to a slow client lets no thread of Python run. Then the file is replaced by a copy, and what
    the old holder writes goes to a file without a name. While the file changes, it is only that hundreds
    want the lock.
    """
    end, pause, changed = 0.0, _SOON, -1
    while True:
        descriptor = open_state(path)
        if try_lock(descriptor) and is_at(descriptor, path):
            return descriptor
        before, changed = changed, os.fstat(descriptor).st_mtime_ns
        os.close(descriptor)
        if waiter.aborted:
            raise Cancelled("the statement has ended", arrived=False)
        if changed != before:
            end = time.monotonic() + _PATIENCE
        if time.monotonic() > end:
            return _replaced(path)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def try_lock(descriptor: int) -> bool:
    """Locks the file, unless another has; False then."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """True if *descriptor* is still that of the file at *path*."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _replaced(path: Path) -> int:
    """A descriptor of a locked copy of *path* that has taken its place."""
    copy = path.parent / f"{path.name}.{os.getpid()}-{threading.get_ident()}"
    descriptor = open_state(copy)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody else knows of it
        os.pwrite(descriptor, peeked(path), 0)
        copy.replace(path)
    except OSError:
        os.close(descriptor)
        copy.unlink(missing_ok=True)
        raise
    return descriptor


class RecordLocks:
    """Locks of the records of the account at *address*, which are written from what was read of them.

    An element of an array is written by sending the whole array: if two sessions read it before either has
    sent its own, one element is lost. The locks are the kernel's, of bytes of one empty file in *folder*.
    Without a folder (outside a server) they are of no effect. A backend holds one at a time.
    """

    def __init__(self, folder: Path | None = None, address: str = "") -> None:
        self._file = folder / "records" if folder else None
        self._address = address

    @contextlib.contextmanager
    def held(self, record: str, interrupts: Interrupts) -> Iterator[None]:
        """No other backend holds the lock of *record* meanwhile. Raises Cancelled, and StateError."""
        if self._file is None:
            yield
            return
        digest = hashlib.sha256(f"{self._address}\n{record}".encode()).digest()
        place = int.from_bytes(digest[:_PLACE_BYTES], "big")
        try:
            descriptor = open_state(self._file)
        except OSError as error:
            raise unusable(self._file, error) from None
        try:
            while not _try_byte(descriptor, place):
                interrupts.check()
                time.sleep(SLICE_SECONDS)
            yield
        finally:
            os.close(descriptor)


def _try_byte(descriptor: int, place: int) -> bool:
    """Locks the byte at *place*, unless another process has; False then."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError):
        return False
    return True
