"""The answers that a statement has got, so that no request is paid for twice."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any, Callable, NamedTuple

from pipedrive_fdw.api.cache import unpack
from pipedrive_fdw.postgres.statement_scope import StatementScope

# The part of the capacity that holds answers as they came: one in so many. Packing takes time, and most
# statements are small.
_PLAIN_PART = 2
# Bytes of answers in memory. The others are in a file.
_IN_MEMORY = 2 * 2**20
# The block size of most file systems, in bytes: a smaller part of a file takes as much of the disk.
_BLOCK = 4096


class _File:
    """A file without a name in *folder*, in blocks; it is created when it is first written to.

    Nobody else can open it, and it is freed with this object. Every method may raise OSError.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._free: list[int] = []
        self._blocks = 0  # of the file, free ones among them

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, data: bytes) -> tuple[int, ...]:
        """Writes *data*; the numbers of its blocks."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - ends with this
        places = range(0, len(data), _BLOCK)
        while len(self._free) < len(places):
            self._free.append(self._blocks)
            self._blocks += 1
        blocks = tuple(self._free[-1 - number] for number in range(len(places)))
        for block, place in zip(blocks, places):
            part = data[place : place + _BLOCK]
            if os.pwrite(self._file.fileno(), part, block * _BLOCK) < len(part):
                raise OSError("the disk is full")
        del self._free[len(self._free) - len(blocks) :]
        return blocks

    def read(self, blocks: tuple[int, ...]) -> bytes:
        assert self._file is not None  # noqa: S101 - the blocks are of what was written
        return b"".join(os.pread(self._file.fileno(), _BLOCK, block * _BLOCK) for block in blocks)

    def free(self, blocks: tuple[int, ...]) -> None:
        """*blocks* may be used again."""
        self._free += blocks


class _Answer(NamedTuple):
    """An answer of *length* bytes, *packed* or as it came: *data*, or *blocks* of the file."""

    length: int
    data: bytes
    blocks: tuple[int, ...]
    packed: bool

    @property
    def size(self) -> int:
        return len(self.blocks) * _BLOCK or self.length


class _Answers:
    """The answers since the memory was emptied.

    epoch       differs from that of every other emptying
    kept        the answers by key, in the order of their last use
    operations  those that answered, by version and path
    size        bytes of all answers; one in the file counts with the unused end of its last block
    in_memory   bytes of the answers that are not in the file
    """

    def __init__(self, epoch: int, folder: Path | None) -> None:
        self.epoch = epoch
        self.kept: OrderedDict[Any, _Answer] = OrderedDict()
        self.operations: set[tuple[int, str]] = set()
        self.size = self.in_memory = 0
        self._file = _File(folder)

    def fits(self, data: bytes) -> bool:
        """True if *data* fit into memory; otherwise they go into the file."""
        return self.in_memory + len(data) <= _IN_MEMORY

    def room_for(self, data: bytes) -> int:
        """The size that an answer of *data* would have."""
        return len(data) if self.fits(data) else -(-len(data) // _BLOCK) * _BLOCK

    def add(self, key: Any, data: bytes, packed: bool) -> None:
        """Keeps *data*. If the file cannot be written, the answer is not kept, and the query goes on."""
        blocks: tuple[int, ...] = ()
        if not self.fits(data):
            try:
                blocks = self._file.write(data)
            except OSError:
                return
        answer = _Answer(len(data), b"" if blocks else data, blocks, packed)
        self.kept[key] = answer
        self.size += answer.size
        self.in_memory += len(answer.data)

    def drop(self, key: Any) -> None:
        answer = self.kept.pop(key, None)
        if answer is not None:
            self.size -= answer.size
            self.in_memory -= len(answer.data)
            self._file.free(answer.blocks)

    def read(self, answer: _Answer) -> bytes | None:
        """The body of *answer* as it came, None if the file cannot be read."""
        try:
            data = self._file.read(answer.blocks)[: answer.length] if answer.blocks else answer.data
        except OSError:
            return None
        return unpack(data) if answer.packed else data


class StatementMemory:
    """Answers of the current statement, up to *capacity* bytes; those not used for the longest time go first.

    The first ones stay in memory, the others are in a file without a name in *folder* (by default in the
    system's folder for temporary files). They are packed once the capacity ``is_short``. *statement* gives a
    mark that changes with every statement; a write empties the memory, and what was asked for before it is
    not kept.
    """

    def __init__(self, capacity: int, statement: Callable[[], Any], folder: Path | None = None) -> None:
        self._capacity = capacity
        epochs = itertools.count()
        self._scope = StatementScope(lambda: _Answers(next(epochs), folder), statement)

    def clear(self) -> None:
        self._scope.drop()

    def expire(self) -> None:
        """Drops the answers of a statement that has ended."""
        self._scope.current()

    @property
    def answered(self) -> set[tuple[int, str]]:
        """The operations that gave an answer in the statement, by version and path."""
        return self._scope.latest().operations

    @property
    def epoch(self) -> int:
        """A number that changes whenever the memory is emptied."""
        return self._scope.latest().epoch

    @property
    def is_short(self) -> bool:
        """True when further answers are to be packed."""
        return self._scope.latest().size > self._capacity // _PLAIN_PART

    def __contains__(self, key: Any) -> bool:
        return key in self._scope.current().kept

    def get(self, key: Any) -> bytes | None:
        answers = self._scope.current()
        answer = answers.kept.get(key)
        if answer is None:
            return None
        answers.kept.move_to_end(key)
        return answers.read(answer)

    def put(self, key: Any, body: bytes, packed: bytes, epoch: int) -> None:
        """Keeps *body*, asked for in *epoch*; in its *packed* form, if there is one, when memory is short."""
        answers = self._scope.current()
        if epoch != answers.epoch:
            return
        answers.drop(key)
        packs = bool(packed) and self.is_short
        data = packed if packs else body
        if answers.room_for(data) > self._capacity:
            return
        while answers.size + answers.room_for(data) > self._capacity:
            answers.drop(next(iter(answers.kept)))
        answers.add(key, data, packs)
