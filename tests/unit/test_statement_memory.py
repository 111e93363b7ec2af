"""The answers that a statement remembers: as they came, packed when memory is short, and mostly in a file."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pipedrive_fdw.api.cache import pack
from pipedrive_fdw.session.statement_memory import StatementMemory

BODY = b"x" * 1_000


class Statements:
    number = 1

    def __call__(self) -> int:
        return self.number


def memory(capacity: int, folder: Path | None = None) -> StatementMemory:
    kept = StatementMemory(capacity, Statements(), folder)
    assert kept.get("nothing") is None  # the statement has begun
    return kept


def test_answers_are_given_back_in_either_form() -> None:
    kept = memory(16_000)
    for number in range(60):
        kept.put(number, BODY, pack(BODY), kept.epoch)
    assert kept.is_short
    assert {kept.get(number) for number in range(60)} == {BODY}


def test_answers_are_packed_once_half_of_the_memory_is_used() -> None:
    """The packed ones are some twenty bytes each."""
    kept = memory(8_000)
    short = []
    for number in range(100):
        short.append(kept.is_short)
        kept.put(number, BODY, pack(BODY), kept.epoch)
    assert short.index(True) == 5
    assert sum(kept.get(number) == BODY for number in range(100)) == 100


def test_those_that_were_not_used_for_longest_go_first() -> None:
    kept = memory(3_000)
    for key in ("a", "b", "c"):
        kept.put(key, BODY, b"", kept.epoch)
    assert kept.get("a") == BODY
    kept.put("d", BODY, b"", kept.epoch)
    assert [key for key in "abcd" if kept.get(key)] == ["a", "c", "d"]


def test_a_later_answer_takes_the_place_of_the_one_before() -> None:
    kept = memory(2_000)
    for body in (b"old", b"new" * 300, BODY, BODY):
        kept.put("key", body, b"", kept.epoch)
    kept.put("other", BODY, b"", kept.epoch)
    assert (kept.get("key"), kept.get("other")) == (BODY, BODY)


def test_what_was_asked_for_before_a_write_is_not_kept() -> None:
    kept = memory(10_000)
    asked_in = kept.epoch
    kept.clear()
    kept.put("key", BODY, b"", asked_in)
    assert kept.get("key") is None
    kept.put("key", BODY, b"", kept.epoch)
    assert kept.get("key") == BODY


def test_the_next_statement_remembers_nothing() -> None:
    statements = Statements()
    kept = StatementMemory(10_000, statements)
    kept.get("key")
    epoch = kept.epoch
    kept.put("key", BODY, b"", epoch)
    statements.number = 2
    assert kept.get("key") is None
    kept.put("key", BODY, b"", epoch)
    assert kept.get("key") is None


MEBIBYTE = 2**20


def size_of_file(folder: Path) -> int:
    """Bytes of the file without a name in *folder*, 0 if there is none."""
    size = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that by which the links are read
            if str(link.readlink()).startswith(str(folder)):
                size += link.stat().st_size
    return size


def test_answers_that_memory_has_no_room_for_stand_in_a_file(tmp_path: Path) -> None:
    """Blocks of dropped answers are used again, also for other sizes, and are freed with the statement."""
    kept = memory(16 * MEBIBYTE, tmp_path)
    for number in range(60):
        body = bytes([number]) * (700_000 + 9_999 * (number % 7))
        kept.put(number, body, b"", kept.epoch)
        assert kept.get(number) == body
    there = [number for number in range(60) if kept.get(number) is not None]
    assert there == list(range(there[0], 60)) and len(there) > 20
    for number in there:
        assert kept.get(number) == bytes([number]) * (700_000 + 9_999 * (number % 7))
    assert 13 * MEBIBYTE < size_of_file(tmp_path) <= 17 * MEBIBYTE
    assert list(tmp_path.iterdir()) == []
    kept.clear()
    assert size_of_file(tmp_path) == 0


def test_small_answers_count_with_the_room_that_they_take_in_the_file(tmp_path: Path) -> None:
    kept = memory(8 * MEBIBYTE, tmp_path)
    bodies = [b"%d" % number * 100 for number in range(8_000)]
    for number, body in enumerate(bodies):
        kept.put(number, body, b"", kept.epoch)
    there = [number for number in range(8_000) if number in kept]
    assert there == list(range(there[0], 8_000)) and len(there) > 1_000
    assert all(kept.get(number) == bodies[number] for number in there)
    assert 5 * MEBIBYTE < size_of_file(tmp_path) <= 8 * MEBIBYTE


def test_what_cannot_be_written_is_not_remembered(tmp_path: Path) -> None:
    kept = memory(16 * MEBIBYTE, tmp_path / "nowhere")
    for number in range(9):
        kept.put(number, b"x" * MEBIBYTE, b"", kept.epoch)
    assert [number for number in range(9) if kept.get(number)] == [0, 1]
