"""Waiting for work in other threads so that PostgreSQL can end the wait at any moment.

PostgreSQL's signals must land on the main thread, and its functions may be called from there alone; a
socket wait on the main thread would ignore a cancel until it ends. So every request runs in a thread of
its own with all signals blocked, and the main thread waits in short slices and looks at PostgreSQL's
flags in between. A thread lives for one request: nothing stays behind when a statement ends.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, Generic, TypeVar, Union

from pipedrive_fdw.errors import Cancelled, ConnectError

T = TypeVar("T")
R = TypeVar("R")

SLICE_SECONDS = 0.05
# Those that have a name. PostgreSQL uses no other, and to be told of a mask of all takes long.
_SIGNALS = frozenset(signal.Signals)


def _never() -> bool:
    return False


class Interrupts:
    """PostgreSQL's wish to end the statement, which *pending* tells; without it there is never one."""

    def __init__(self, pending: Callable[[], bool] = _never) -> None:
        self._pending = pending

    def check(self) -> None:
        """Raises Cancelled when the statement is to end."""
        if self._pending():
            raise Cancelled(
                "canceling statement due to user request or timeout", "It was waiting for Pipedrive."
            )


# Told when any task has ended.
_ENDED = threading.Condition()


class Task(Generic[T]):
    """One function running in a thread. *tick* is called on the waiting thread now and then, to end what
    takes too long. Raises ConnectError when the thread cannot be started."""

    def __init__(self, work: Callable[[], T], tick: Callable[[], None] = lambda: None) -> None:
        self._work = work
        self.tick = tick
        self._done = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self.thread = threading.Thread(target=self._run, name="pipedrive", daemon=True)
            self.thread.start()
        except RuntimeError as error:
            raise ConnectError(
                "the operating system refuses to start a thread for a request",
                detail=str(error),
                hint="Raise the limit of PostgreSQL's service (TasksMax, ulimit -u), or lower parallel and "
                "parallel_writes.",
                arrived=False,
            ) from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            self._error = error
        finally:
            self._done.set()
            with _ENDED:
                _ENDED.notify_all()

    @property
    def is_done(self) -> bool:
        """True if waiting for it takes no time."""
        return self._done.is_set()

    def wait(self, interrupts: Interrupts) -> T:
        """The result; raises what the function raised, or Cancelled."""
        while not self._done.wait(SLICE_SECONDS):
            interrupts.check()
            self.tick()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]


def wait_for_any(tasks: Sequence[Task[Any]], interrupts: Interrupts) -> None:
    """Waits until one of *tasks*, which share an exchange, has ended; for a slice at the most. Raises
    Cancelled."""
    with _ENDED:
        _ENDED.wait_for(lambda: any(task.is_done for task in tasks), SLICE_SECONDS)
    interrupts.check()
    tasks[0].tick()


class Ready(Generic[T]):
    """A result that is there already, in the shape of a Task."""

    is_done = True

    def __init__(self, result: T) -> None:
        self._result = result

    def wait(self, interrupts: Interrupts) -> T:
        interrupts.check()
        return self._result


Pending = Union[Task[R], Ready[R]]


def ordered_map(
    start: Callable[[T], Pending[R]], items: Iterable[T], width: Callable[[int], int], interrupts: Interrupts
) -> Iterator[tuple[T, R]]:
    """(item, result of start(item)) in the order of *items*; *start* and *items* run on the calling thread.

    When so many results have been used, *width* of them may be under way at the same time, one at least.
    """
    running: deque[tuple[T, Pending[R]]] = deque()
    source = iter(items)
    used, more = 0, True
    while True:
        while more and len(running) < max(width(used), 1):
            try:
                item = next(source)
            except StopIteration:
                more = False
                break
            running.append((item, start(item)))
        if not running:
            return
        item, pending = running.popleft()
        yield item, pending.wait(interrupts)
        used += 1
