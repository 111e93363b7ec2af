"""Answers that the backends of a server share for a while, in files: the option cache_ttl.

An entry is the answer of one request, or the answers of several that belong together. It is found by a digest
of the credential and the request, so nobody meets the answers of another's credential. Whoever writes to the
company, with whatever credential, empties the cache of the company: the entries are removed, and a mark is
changed that every entry bears, so that an answer which was under way during the write does not come back.

Whoever asks for what an entry will hold has its flight, a locked file; others wait until it has ended. The
kernel ends the flight of a process that dies. One that makes no progress is not waited for.

Entries are made aside and moved into place: a reader meets a whole one or none. Nothing here can fail a
query: what cannot be read or kept is asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from pipedrive_fdw.api.state import (
    MOST_BYTES,
    is_at,
    is_moment,
    open_state,
    parsed,
    peeked,
    try_lock,
    unusable,
)
from pipedrive_fdw.api.transport import MAX_BODY

# What one company's cache holds at most. It is looked after now and then, so it may pass that by a little.
_MOST_BYTES = 256 * 2**20
MOST_ENTRIES = 20_000
LARGEST_ENTRY = 32 * 2**20
_SWEPT_AFTER_SECONDS = 60.0
_SWEPT_AFTER_SHARE = 32
_MARK = 16
_FAST = 1
_numbers = itertools.count()

# Without progress for so long a flight is that of a session that was stopped, or whose client reads slowly.
_STALLED_SECONDS = 5.0
# The flights of this process, which cannot wait for itself.
_own_flights: set[Path] = set()

# One answer of an entry: what tells it from the others, and its body, packed.
Page = tuple[Any, bytes]


def pack(body: bytes) -> bytes:
    return zlib.compress(body, _FAST)


def unpack(packed: bytes) -> bytes | None:
    """The body that was packed; None for bytes of another form, or a body larger than an answer can be."""
    try:
        unpacking = zlib.decompressobj()
        body = unpacking.decompress(packed, MAX_BODY + 1)
    except zlib.error:
        return None
    return body if unpacking.eof and len(body) <= MAX_BODY else None


class Flight:
    """The right to ask for what the entry of *path* will hold."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        _own_flights.add(path)

    def progress(self) -> None:
        """A part of the entry has come."""
        with contextlib.suppress(OSError):
            os.utime(self._descriptor)

    def end(self) -> None:
        """The entry is there, or will not be."""
        if self._path in _own_flights:
            _own_flights.discard(self._path)
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._descriptor)


class Began(NamedTuple):
    """The moment before a request: the wall clock, and the mark of the last write."""

    time: float
    mark: str | None


class SharedCache:
    """The cache of one credential; of no effect without a *folder* (outside a server)."""

    def __init__(
        self, folder: Path | None, credential: str, company: str, most_bytes: int = _MOST_BYTES
    ) -> None:
        self._folder = folder / f"cache-{company[:32]}" if folder else None
        self._mark = folder / f"written-{company[:32]}" if folder else None
        self._credential = credential
        self._most_bytes = most_bytes
        self._swept = 0.0
        self._put = 0
        if self._folder is not None:
            self._sweep(self._folder)  # those of sessions long ago, though this one may keep none

    def begin(self) -> Began:
        """To be called before a request whose answer is to be kept."""
        return Began(time.time(), self._written())

    def get(self, key: Any, seconds: float) -> Sequence[Page] | None:
        """The entry of *key* where it is not older than *seconds*."""
        if self._folder is None:
            return None
        head, _, rest = peeked(self._path(self._folder, key), LARGEST_ENTRY + MOST_BYTES).partition(b"\n")
        known, now, written = parsed(head) or {}, time.time(), self._written()
        if written is None or known.get("mark") != written or not is_moment(known.get("began"), now):
            return None
        if now - known["began"] >= seconds:
            return None
        pages, start = [], 0
        try:
            for name, length, check in known["pages"]:
                packed = rest[start : start + length]
                if len(packed) != length or zlib.crc32(packed) != check:
                    return None
                pages.append((name, packed))
                start += length
        except (ValueError, KeyError, TypeError):
            return None
        return pages or None

    def put(self, key: Any, pages: Sequence[Page], began: Began, seconds: float) -> None:
        """Keeps *pages*, asked for since *began*, for *seconds*, unless there was a write in between."""
        size = sum(len(packed) for _, packed in pages)
        if self._folder is None or size > LARGEST_ENTRY:
            return
        if began.mark is None or began.mark != self._written():
            return
        names = [(name, len(packed), zlib.crc32(packed)) for name, packed in pages]
        head = orjson.dumps({"began": began.time, "mark": began.mark, "pages": names})
        with contextlib.suppress(OSError):  # a full disk must not fail a query that has its answer
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._write(self._path(self._folder, key), [head, b"\n", *(p for _, p in pages)], seconds)
            self._put += size
            self._sweep_now_and_then(self._folder)

    def flight(self, key: Any) -> Flight | None:
        """The flight of *key*, None where another session has it or there are none."""
        if self._folder is None:
            return None
        path = self._flight_path(self._folder, key)
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = open_state(path)
            if try_lock(descriptor) and is_at(descriptor, path):
                os.utime(descriptor)
                return Flight(path, descriptor)
            os.close(descriptor)
        return None

    def is_in_flight(self, key: Any) -> bool:
        """True if another session asks for *key* and makes progress."""
        if self._folder is None:
            return False
        path = self._flight_path(self._folder, key)
        if path in _own_flights:
            return False
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            # A lock that can be had is that of nobody
            # Progress in the future was made before the clock was put back
            stalled = abs(time.time() - os.fstat(descriptor).st_mtime) > _STALLED_SECONDS
            return not stalled and not try_lock(descriptor)
        finally:
            os.close(descriptor)

    def drop(self, key: Any) -> None:
        """Removes the entry of *key*."""
        if self._folder is not None:
            with contextlib.suppress(OSError):
                self._path(self._folder, key).unlink()

    def empty(self) -> int:
        """To be called before a write and after it; the number of entries that were removed.

        Raises StateError when the mark cannot be changed.
        """
        if self._folder is None or self._mark is None:
            return 0
        removed = 0
        for entry in _entries(self._folder):  # first, since they may have filled the disk
            with contextlib.suppress(OSError):
                Path(entry.path).unlink()
                removed += 1
        try:
            descriptor = open_state(self._mark)
            try:
                os.pwrite(descriptor, os.urandom(_MARK).hex().encode(), 0)
                os.ftruncate(descriptor, 2 * _MARK)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise unusable(self._mark, error) from None
        return removed

    # ---- files

    def _written(self) -> str | None:
        """The mark of the last write, '' when there was none. None where that cannot be told, as while it is
        being written: then nothing is kept and nothing found."""
        if self._mark is None:
            return ""
        try:
            self._mark.stat()
        except FileNotFoundError:
            return ""
        except OSError:
            return None
        mark = peeked(self._mark, 2 * _MARK).decode("ascii", "replace")
        return mark if len(mark) == 2 * _MARK else None

    def _path(self, folder: Path, key: Any) -> Path:
        text = self._credential.encode() + b"\n" + orjson.dumps(key)
        return folder / hashlib.sha256(text).hexdigest()

    def _flight_path(self, folder: Path, key: Any) -> Path:
        return folder / f".flight-{self._path(folder, key).name}"

    def _write(self, path: Path, parts: Sequence[bytes], seconds: float) -> None:
        aside = path.parent / f".{os.getpid()}-{next(_numbers)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(aside, flags, 0o600), "wb") as file:
            file.writelines(parts)
        # The time of change says until when it is of use
        until = time.time() + seconds
        os.utime(aside, (until, until))
        aside.replace(path)

    def _sweep_now_and_then(self, folder: Path) -> None:
        if (
            self._put > self._most_bytes // _SWEPT_AFTER_SHARE
            or time.monotonic() - self._swept > _SWEPT_AFTER_SECONDS
        ):
            self._sweep(folder)

    def _sweep(self, folder: Path) -> None:
        """Removes what is too old, what killed backends left, and the oldest where it is too much."""
        self._swept, self._put = time.monotonic(), 0
        now = time.time()
        kept: list[tuple[float, int, str]] = []
        for entry in _entries(folder):
            with contextlib.suppress(OSError):
                found = entry.stat()
                aside = entry.name.startswith(".")
                if found.st_mtime < (now - _SWEPT_AFTER_SECONDS if aside else now):
                    Path(entry.path).unlink()
                else:
                    kept.append((found.st_ctime, found.st_size, entry.path))
        size, count = sum(one[1] for one in kept), len(kept)
        for _, less, path in sorted(kept):
            if size <= self._most_bytes and count <= MOST_ENTRIES:
                break
            with contextlib.suppress(OSError):
                Path(path).unlink()
            size, count = size - less, count - 1


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        yield from found
