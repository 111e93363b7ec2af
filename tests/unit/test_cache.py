"""The cache that backends share: whole entries or none, of one credential, bounded, emptied by writes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipedrive_fdw.api.cache import SharedCache, pack, unpack
from pipedrive_fdw.errors import StateError

COMPANY = "d" * 64
KEY = (2, "/deals", (("limit", "5"),))


def cache_of(folder: Path, credential: str = "c" * 64, most_bytes: int = 10**6) -> SharedCache:
    return SharedCache(folder, credential, COMPANY, most_bytes)


def keep(cache: SharedCache, key: object, *bodies: bytes) -> None:
    cache.put(key, [([["n", str(n)]], pack(body)) for n, body in enumerate(bodies)], cache.begin(), 60)


def bodies(cache: SharedCache, key: object, seconds: float = 60) -> list[bytes] | None:
    pages = cache.get(key, seconds)
    return None if pages is None else [unpack(packed) for _, packed in pages]


def test_what_one_backend_keeps_another_finds(tmp_path: Path) -> None:
    keep(cache_of(tmp_path), KEY, b"one", b"two")
    assert bodies(cache_of(tmp_path), KEY) == [b"one", b"two"]
    assert bodies(cache_of(tmp_path), (1, *KEY[1:])) is None


def test_another_credential_finds_nothing(tmp_path: Path) -> None:
    keep(cache_of(tmp_path), KEY, b"one")
    assert bodies(cache_of(tmp_path, "e" * 64), KEY) is None


def test_each_reader_decides_what_is_too_old(tmp_path: Path) -> None:
    keep(cache_of(tmp_path), KEY, b"one")
    assert bodies(cache_of(tmp_path), KEY, seconds=0) is None


def test_a_write_with_any_credential_empties_it(tmp_path: Path) -> None:
    keep(cache_of(tmp_path), KEY, b"one")
    cache_of(tmp_path, "e" * 64).empty()
    assert bodies(cache_of(tmp_path), KEY) is None
    assert list((tmp_path / f"cache-{COMPANY[:32]}").iterdir()) == []


def test_entries_make_room_before_the_mark_of_a_write_is_changed(tmp_path: Path) -> None:
    """When they had filled the disk, no write was possible for as long as they lasted."""
    cache = cache_of(tmp_path)
    keep(cache, KEY, b"one")
    (tmp_path / f"written-{COMPANY[:32]}").mkdir()  # nobody can change it, as on a full disk
    with pytest.raises(StateError):
        cache.empty()
    assert list((tmp_path / f"cache-{COMPANY[:32]}").iterdir()) == []


def test_an_answer_that_was_under_way_during_a_write_is_not_kept(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    began = cache.begin()
    cache_of(tmp_path).empty()
    cache.put(KEY, [([], pack(b"from before"))], began, 60)
    assert bodies(cache, KEY) is None


def test_an_entry_that_was_moved_into_place_just_after_a_write_is_not_met(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    keep(cache, KEY, b"from before")
    (file,) = (tmp_path / f"cache-{COMPANY[:32]}").iterdir()
    whole = file.read_bytes()
    cache.empty()
    file.write_bytes(whole)
    assert bodies(cache, KEY) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda b: b[:-1],
        lambda b: b[: len(b) // 2],
        lambda b: b"",
        lambda b: b[:-1] + b"\0",
        lambda b: b"{}\n",
    ],
    ids=["shorter", "half", "empty", "changed", "another form"],
)
def test_what_is_not_whole_is_not_met(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    cache = cache_of(tmp_path)
    keep(cache, KEY, b"one" * 1000)
    (file,) = (tmp_path / f"cache-{COMPANY[:32]}").iterdir()
    file.write_bytes(spoil(file.read_bytes()))
    assert bodies(cache, KEY) is None


def test_it_stays_within_its_bounds_and_lets_the_oldest_go(tmp_path: Path) -> None:
    cache = cache_of(tmp_path, most_bytes=200_000)
    for number in range(60):
        keep(cache, number, os.urandom(10_000))
    size = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    assert size < 220_000
    assert bodies(cache, 0) is None
    assert bodies(cache, 59) is not None


def test_a_folder_that_cannot_be_written_fails_a_write_but_no_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = cache_of(tmp_path / "file")
    keep(cache, KEY, b"one")
    assert bodies(cache, KEY) is None
    with pytest.raises(StateError):
        cache.empty()


def _put_for_ever(folder: Path) -> None:
    cache = cache_of(folder)
    while True:
        keep(cache, KEY, os.urandom(50_000) * 4)


def test_a_killed_writer_leaves_nothing_that_is_met(tmp_path: Path) -> None:
    writer = multiprocessing.get_context("fork").Process(target=_put_for_ever, args=(tmp_path,))
    writer.start()
    cache = cache_of(tmp_path)
    found = 0
    while found < 50:
        pages = bodies(cache, KEY)
        if pages is not None:
            assert [len(page) for page in pages] == [200_000]
            found += 1
    writer.kill()
    writer.join()
    left = bodies(cache, KEY)
    assert left is not None and [len(page) for page in left] == [200_000]
