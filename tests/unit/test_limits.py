"""The burst window and the day's tokens, shared through files."""

from __future__ import annotations

import stat
from pathlib import Path

from pipedrive_fdw.api.limits import WINDOW_SECONDS, Limits, Window


def most_in_a_window(moments: list[float]) -> int:
    return max(sum(1 for other in moments if m <= other < m + 2.0) for m in moments)


def test_a_window_lets_its_limit_through_at_once_and_then_spaces() -> None:
    window = Window(limit=3)
    assert [window.take(100.0) for _ in range(5)] == [
        100.0,
        100.0,
        100.0,
        100.0 + WINDOW_SECONDS,
        100.0 + WINDOW_SECONDS,
    ]


def test_no_two_seconds_hold_more_than_the_limit() -> None:
    window = Window(limit=20)
    now, moments = 50.0, []
    for step in range(500):
        now += 0.01 if step % 7 else 0.6
        moments.append(window.take(now))
    assert most_in_a_window(moments) == 20
    assert moments == sorted(moments)


def test_moments_of_an_earlier_boot_are_forgotten() -> None:
    assert Window(limit=1, blocked=9e6, moments=[9e6]).take(5.0) == 5.0


def test_two_limiters_of_one_credential_share_the_window(tmp_path: Path) -> None:
    one, other = (Limits(tmp_path, "c" * 64, "d" * 64) for _ in range(2))
    one.learn({"x-ratelimit-limit": "4"})
    waits = [limits.take() for _ in range(3) for limits in (one, other)]
    assert waits[:4] == [0.0, 0.0, 0.0, 0.0]
    assert min(waits[4:]) > 1.9
    assert Limits(tmp_path, "e" * 64, "d" * 64).take() == 0.0


def test_searches_have_a_window_of_their_own(tmp_path: Path) -> None:
    limits = Limits(tmp_path, "c" * 64, "d" * 64)
    assert [limits.take(search=True) for _ in range(10)] == [0.0] * 10
    assert limits.take(search=True) > 1.9
    assert limits.take() == 0.0


def test_the_day_is_the_company_s(tmp_path: Path) -> None:
    Limits(tmp_path, "c" * 64, "d" * 64).learn(
        {"x-daily-ratelimit-token-remaining": "29000", "x-daily-ratelimit-token-limit": "30000"}
    )
    seen = Limits(tmp_path, "e" * 64, "d" * 64).day()
    assert (seen.left, seen.limit) == (29000, 30000)


def test_a_half_written_state_counts_as_a_used_window(tmp_path: Path) -> None:
    limits = Limits(tmp_path, "c" * 64, "d" * 64)
    limits.take()
    (path,) = tmp_path.glob("window-*")
    path.write_bytes(path.read_bytes()[:-5])
    assert limits.take() > 1.5


def test_state_files_are_the_owner_s_alone(tmp_path: Path) -> None:
    Limits(tmp_path, "c" * 64, "d" * 64).take()
    assert [stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()] == [0o600]
