"""The burst window and the day's tokens, shared through files."""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import shutil
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from pipedrive_fdw.api import state
from pipedrive_fdw.api.limits import LEAST_BUDGET, REPORT_SECONDS, WINDOW_SECONDS, Day, Limits, Window
from pipedrive_fdw.api.state import try_lock
from pipedrive_fdw.errors import Cancelled, StateError

NOON = 20_000 * 86_400 + 43_200.0


def most_in_a_window(moments: list[float]) -> int:
    return max(sum(1 for other in moments if m <= other < m + 2.0) for m in moments)


def test_a_window_lets_its_limit_through_at_once_and_then_spaces() -> None:
    window = Window()
    moments = [window.take(100.0, most=3) for _ in range(5)]
    later = 100.0 + WINDOW_SECONDS
    assert moments == pytest.approx([100.0, 100.0, 100.0, later, later], abs=1e-4)
    assert sorted(set(moments)) == moments


def test_no_two_seconds_hold_more_than_the_limit() -> None:
    window = Window()
    now, moments = 50.0, []
    for step in range(500):
        now += 0.01 if step % 7 else 0.6
        moments.append(window.take(now, most=20))
    assert most_in_a_window(moments) == 20
    assert moments == sorted(moments)


@pytest.mark.parametrize(
    ("reported", "known"), [("4", 4), ("1000000000", 10**6), ("0", 1), ("9" * 30, 1), ("x", 1)]
)
def test_a_limit_that_was_reported_too_low_is_left_at_the_next_report(reported: str, known: int) -> None:
    limits = Limits(None, "c" * 64, "d" * 64)
    limits.learn({"x-ratelimit-limit": "1"})
    limits.learn({"x-ratelimit-limit": reported})
    assert limits.window_limit() == known


@pytest.mark.parametrize("latest", [0.0, 0.3, 5.0])
def test_those_who_wake_up_late_leave_no_two_seconds_with_more_than_the_limit(latest: float) -> None:
    """300 requests at once, each of which wakes up to *latest* seconds after its moment."""
    chance = random.Random(1)
    window, sent = Window(), []
    awake: list[tuple[float, float | None]] = [(n * 1e-4, None) for n in range(300)]
    while awake:
        now, held = heapq.heappop(awake)
        moment = window.take(now, 10) if held is None else window.confirm(now, 10, held)
        if moment - now < 1e-3:
            sent.append(now)
        else:
            heapq.heappush(awake, (moment + chance.random() * latest, moment))
    assert len(sent) == 300
    assert most_in_a_window(sent) == 10
    assert sent[-1] < 30 * (WINDOW_SECONDS + latest)  # and no place is lost


def test_a_moment_that_is_given_back_is_the_next_one_s() -> None:
    window = Window()
    first = [window.take(100.0, most=2) for _ in range(6)]
    for moment in first[2:]:
        window.give_back(moment)
    assert window.take(100.0, most=2) == pytest.approx(100.0 + WINDOW_SECONDS)


def test_a_request_that_left_late_counts_from_then() -> None:
    window = Window()
    moment = window.take(100.0, most=1)
    window.left_late(moment, 100.5)
    assert window.take(100.6, most=1) == 100.5 + WINDOW_SECONDS


def test_an_answer_changes_the_window_only_where_it_tells_something_new(tmp_path: Path) -> None:
    limits = Limits(tmp_path, "c" * 64, "d" * 64)
    limits.learn({"x-ratelimit-limit": "4"})
    (path,) = tmp_path.glob("window-*")

    def late(headers: dict[str, str], seconds: float) -> float:
        """By how much later than its moment a request counts as sent."""
        turn = limits.take()
        before = orjson.loads(path.read_bytes())["sent"]
        limits.learn(headers, turn, turn.moment + seconds)
        moved = set(orjson.loads(path.read_bytes())["sent"]) - set(before)
        return round(moved.pop() - turn.moment, 3) if moved else 0.0

    assert (late({"x-ratelimit-limit": "4"}, 0.005), limits.window_limit()) == (0.0, 4)
    assert (late({"x-ratelimit-limit": "4"}, 0.05), limits.window_limit()) == (0.05, 4)
    assert (late({"x-ratelimit-limit": "5"}, 0.0), limits.window_limit()) == (0.0, 5)
    path.unlink()
    assert (late({"x-ratelimit-limit": "5"}, 0.0), limits.window_limit()) == (0.0, 5)


def test_moments_of_an_earlier_boot_are_forgotten(tmp_path: Path) -> None:
    limits = Limits(tmp_path, "c" * 64, "d" * 64)
    limits.take()
    (path,) = tmp_path.glob("window-*")
    old = Window(limit=1, blocked=9e6, sent=[9e6], waiting=[9e6], boot="another")
    path.write_bytes(orjson.dumps(vars(old)))
    assert limits.take().wait == 0.0


def test_two_limiters_of_one_credential_share_the_window(tmp_path: Path) -> None:
    one, other = (Limits(tmp_path, "c" * 64, "d" * 64) for _ in range(2))
    one.learn({"x-ratelimit-limit": "4"})
    assert other.window_limit() == 4
    waits = [limits.take().wait for _ in range(3) for limits in (one, other)]
    assert waits[:4] == [0.0, 0.0, 0.0, 0.0]
    assert min(waits[4:]) > 1.9
    assert Limits(tmp_path, "e" * 64, "d" * 64).take().wait == 0.0


def test_who_waits_learns_of_a_refusal_before_sending(tmp_path: Path) -> None:
    limits = Limits(tmp_path, "c" * 64, "d" * 64)
    limits.learn({"x-ratelimit-limit": "1"})
    limits.take()
    turn = limits.take()
    limits.block(60.0)
    assert limits.confirm(turn).wait > 59.0


def test_searches_have_a_window_of_their_own(tmp_path: Path) -> None:
    limits = Limits(tmp_path, "c" * 64, "d" * 64)
    assert [limits.take(search=True).wait for _ in range(10)] == [0.0] * 10
    assert limits.take(search=True).wait > 1.9
    assert limits.take().wait == 0.0
    limits.block(60.0, search=True)
    assert limits.take().wait == 0.0
    assert limits.take(search=True).wait > 59.0


def test_the_day_is_the_company_s(tmp_path: Path) -> None:
    Limits(tmp_path, "c" * 64, "d" * 64).learn(
        {"x-daily-ratelimit-token-remaining": "29000", "x-daily-ratelimit-token-limit": "30000"}
    )
    seen = Limits(tmp_path, "e" * 64, "d" * 64).day()
    assert (seen.left, seen.limit) == (29000, 30000)


def test_what_is_spent_after_a_report_is_taken_off_it() -> None:
    day = Day()
    day.report(5_000, 60_000, NOON)
    day.spend(700, NOON + 5)
    assert day.remaining(NOON + 10) == 4_300
    day.report(3_000, 60_000, NOON + 20)
    assert day.remaining(NOON + 30) == 3_000


def test_without_a_report_the_smallest_budget_is_assumed_and_what_was_spent_here_taken_off() -> None:
    day = Day()
    assert day.remaining(NOON) == LEAST_BUDGET
    day.spend(29_000, NOON)
    day.spend(900, NOON + 60)
    assert day.remaining(NOON + 120) == 100
    assert day.remaining(NOON + 43_200) == LEAST_BUDGET


def test_an_old_report_does_not_stop_queries_for_ever() -> None:
    day = Day()
    day.report(10, 60_000, NOON)
    assert day.remaining(NOON + REPORT_SECONDS - 1) == 10
    assert day.remaining(NOON + REPORT_SECONDS + 1) == 60_000


def test_a_half_written_state_counts_as_a_used_window(tmp_path: Path) -> None:
    limits = Limits(tmp_path, "c" * 64, "d" * 64)
    limits.take()
    (path,) = tmp_path.glob("window-*")
    path.write_bytes(path.read_bytes()[:-5])
    assert limits.take().wait > 1.5


def test_a_state_of_another_version_is_understood(tmp_path: Path) -> None:
    limits = Limits(tmp_path, "c" * 64, "d" * 64)
    limits.learn({"x-daily-ratelimit-token-remaining": "7"})
    (path,) = tmp_path.glob("day-*")
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "invented_later": 1}))
    assert limits.day().left == 7
    limits.learn({}, tokens=2)
    assert limits.day().remaining(time.time()) == 5


def test_state_files_are_the_owner_s_alone(tmp_path: Path) -> None:
    Limits(tmp_path, "c" * 64, "d" * 64).take()
    assert [stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()] == [0o600]


class Waiter:
    def __init__(self, aborted: bool) -> None:
        self.aborted = aborted


def test_a_lock_that_another_holds_is_not_waited_for_by_who_has_given_up(tmp_path: Path) -> None:
    limits = Limits(tmp_path, "c" * 64, "d" * 64)
    limits.take()
    (path,) = tmp_path.glob("window-*")
    holder = os.open(path, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        with pytest.raises(Cancelled):
            limits.take(waiter=Waiter(aborted=True))
        assert limits.window_limit() is None  # looked at without the lock
    finally:
        os.close(holder)
    assert limits.take().wait == 0.0


def test_threads_of_a_process_take_turns_without_trying_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def noted(descriptor: int) -> bool:
        tries.append(try_lock(descriptor))
        return tries[-1]

    monkeypatch.setattr(state, "try_lock", noted)
    limits = Limits(tmp_path, "a", "company")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: limits.learn({}, tokens=2), range(200)))
    assert limits.day().today == 400
    assert tries == [True] * 200


def test_a_lock_is_taken_from_a_holder_that_was_stopped(tmp_path: Path) -> None:
    limits = Limits(tmp_path, "c" * 64, "d" * 64)
    limits.learn({"x-ratelimit-limit": "2"})
    limits.take()
    (path,) = tmp_path.glob("window-*")
    holder = os.open(path, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    assert [limits.take().wait for _ in range(2)] == [0.0, pytest.approx(WINDOW_SECONDS, abs=1.0)]
    os.pwrite(holder, b"{}" + b" " * 500, 0)  # it goes on, too late
    os.close(holder)
    assert limits.window_limit() == 2
    assert limits.take().wait > 1.0
    assert sorted(p.name[:6] for p in tmp_path.iterdir()) == ["day-dd", "window"]


class InACrowd:
    """Waits for one second, while others use the file at *path* all the time."""

    def __init__(self, path: Path) -> None:
        self._path, self._end = path, time.monotonic() + 1.0

    @property
    def aborted(self) -> bool:
        os.utime(self._path)
        return time.monotonic() > self._end


def test_a_lock_is_not_taken_from_a_crowd(tmp_path: Path) -> None:
    """When hundreds of sessions wanted it, each replaced the file, and requests left that nobody counted."""
    limits = Limits(tmp_path, "c" * 64, "d" * 64)
    limits.take()
    (path,) = tmp_path.glob("window-*")
    before = path.stat().st_ino
    holder = os.open(path, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        with pytest.raises(Cancelled):
            limits.take(waiter=InACrowd(path))  # type: ignore[arg-type] # it only looks
    finally:
        os.close(holder)
    assert path.stat().st_ino == before


def test_a_folder_that_cannot_be_used_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="cannot be used"):
        Limits(tmp_path / "file", "c" * 64, "d" * 64).take()


def test_a_folder_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    limits = Limits(folder, "c" * 64, "d" * 64)
    for _ in range(2):
        limits.take()
        assert (folder.stat().st_mode & 0o777, len(list(folder.iterdir()))) == (0o700, 1)
        shutil.rmtree(folder)


SENDER = """
import sys, time
from pathlib import Path
from pipedrive_fdw.api.limits import Limits
folder, count = Path(sys.argv[1]), int(sys.argv[2])
limits = Limits(folder, "c" * 64, "d" * 64)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(count):
    turn = limits.take()
    while turn.wait:
        time.sleep(turn.wait)
        turn = limits.confirm(turn)
    print(time.monotonic(), flush=True)
"""


def test_processes_share_a_window_though_one_is_killed(tmp_path: Path) -> None:
    Limits(tmp_path, "c" * 64, "d" * 64).learn({"x-ratelimit-limit": "30"})
    command = [sys.executable, "-c", SENDER, str(tmp_path), "15"]
    senders = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
        for _ in range(5)
    ]
    for sender in senders:
        assert sender.stdout is not None and sender.stdout.readline() == "ready\n"
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.write("\n")
        sender.stdin.flush()
    assert senders[0].stdout is not None
    first = senders[0].stdout.readline()
    senders[0].kill()
    sent = [first, *senders[0].communicate()[0].splitlines()]
    for sender in senders[1:]:
        lines = sender.communicate(timeout=30)[0].splitlines()
        assert len(lines) == 15
        sent += lines
    assert most_in_a_window([float(line) for line in sent]) <= 30
