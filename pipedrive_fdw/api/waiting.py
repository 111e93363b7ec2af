"""Waiting for work in other threads so that PostgreSQL can end the wait at any moment.

PostgreSQL's signals must land on the main thread, and its functions may be called from there alone; a
socket wait on the main thread would ignore a cancel until it ends. So every request runs in a thread with
all signals blocked, and the main thread waits in short slices and looks at PostgreSQL's flags in between.
The threads of a scan end with it, and its exchange shuts their connections down: nothing stays behind when a
statement ends.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, Callable, Generic, TypeVar, Union

from pipedrive_fdw.errors import Cancelled, ConnectError, ProtocolError

T = TypeVar("T")
R = TypeVar("R")

SLICE_SECONDS = 0.05
# Those that have a name. PostgreSQL uses no other, and to be told of a mask of all takes long.
_SIGNALS = frozenset(signal.Signals)
_MEBIBYTE = 2**20
# The most that the unused answers of one scan or write may be together.
_MAX_HELD = 96 * _MEBIBYTE


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


class Exchange:
    """The connections of one scan or write, which are shut down when it is aborted. When it is *stopped*,
    requests under way go on, and no further one is sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: dict[socket.socket, float] = {}
        self._expired: set[socket.socket] = set()
        self._ends: list[Callable[[], None]] = []
        self._held = 0
        self.aborted, self.stopped, self.paused_until = False, False, 0.0  # by the monotonic clock

    def hold(self, size: int) -> None:
        """*size* more bytes of answers are in memory until ``release``. Raises ProtocolError for too many."""
        with self._lock:
            self._held += size
            held = self._held
        if held > _MAX_HELD:
            raise ProtocolError(
                f"the answers to parallel requests are larger than {_MAX_HELD // _MEBIBYTE} MiB",
                hint="Set page_size, or parallel (the number of requests at a time), to a smaller number.",
            )

    @property
    def held(self) -> int:
        """Bytes of answers that have come and were not used yet."""
        return self._held

    def release(self, size: int) -> None:
        """*size* bytes of answers are not needed any more."""
        with self._lock:
            self._held -= size

    def enter(self, sock: socket.socket, until: float) -> None:
        """*sock* is in use, until a moment of the monotonic clock at the longest."""
        with self._lock:
            self._sockets[sock] = until
            aborted = self.aborted
        if aborted:
            _shut(sock)

    def leave(self, sock: socket.socket | None) -> bool:
        """Forgets *sock*; true if it was shut down because its time was over."""
        if sock is None:
            return False
        with self._lock:
            self._sockets.pop(sock, None)
            was_late = sock in self._expired
            self._expired.discard(sock)
            return was_late

    def expire(self) -> None:
        """Shuts down the connections whose time is over; whoever waits for an answer calls it at times."""
        now = time.monotonic()
        with self._lock:
            late = [sock for sock, until in self._sockets.items() if until < now]
            self._expired.update(late)
        for sock in late:
            _shut(sock)

    @contextlib.contextmanager
    def ending(self, end: Callable[[], None]) -> Iterator[None]:
        """*end* is called by whoever gives the exchange up within this block.

        A thread that holds what others wait for cannot give it back itself: when a statement ends,
        PostgreSQL goes on without Python, whose threads then stand still.
        """
        with self._lock:
            self._ends.append(end)
            if self.aborted:
                end()
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)

    def abort(self) -> None:
        """End every exchange that is under way; their threads return at once with an error."""
        with self._lock:
            self.aborted = self.stopped = True
            sockets = list(self._sockets)
            for end in self._ends:
                end()
        for sock in sockets:
            _shut(sock)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


# Told when any task has ended.
_ENDED = threading.Condition()


class Task(Generic[T]):
    """One function that runs in a thread of Workers. *tick* is called on the waiting thread now and then, to
    end what takes too long."""

    def __init__(self, work: Callable[[], T], tick: Callable[[], None]) -> None:
        self._work = work
        self.tick = tick
        self._done = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None

    def run(self, ended: Callable[[], None]) -> None:
        """Runs the function; *ended* is called before anybody learns that it is done."""
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            self._error = error
        finally:
            ended()
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


class Workers:
    """Threads that run tasks, each of which begins at once: as many as tasks were under way together.

    Its methods are for the main thread.
    """

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._clear()

    def _clear(self) -> None:
        self._threads.clear()
        # A member for each thread that has nothing to do; what these are given
        self._idle: deque[None] = deque()
        self._given: SimpleQueue[tuple[Task[Any], threading.Lock] | None] = SimpleQueue()

    def begin(self, work: Callable[[], T], tick: Callable[[], None] = lambda: None) -> Task[T]:
        """A task for *work*. Raises ConnectError when a thread is needed and cannot be started."""
        task = Task(work, tick)
        try:
            self._idle.pop()
        except IndexError:
            self._start(task)
            return task
        # Python may be left next, and no other thread runs until it is entered again: let this one go first
        begun = threading.Lock()
        begun.acquire()
        self._given.put((task, begun))
        begun.acquire()
        return task

    def _start(self, task: Task[Any]) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            thread = threading.Thread(
                target=_work, args=(task, self._given, self._idle), name="pipedrive", daemon=True
            )
            thread.start()
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
        self._threads.append(thread)

    def end(self, seconds: float) -> None:
        """The threads end when they have nothing to do. Waits for it, so many *seconds* at the most."""
        end = time.monotonic() + seconds
        for _ in self._threads:
            self._given.put(None)
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0))
        self._clear()


def _work(
    task: Task[Any], given: SimpleQueue[tuple[Task[Any], threading.Lock] | None], idle: deque[None]
) -> None:
    """A thread of Workers: *task*, then those that it is *given*, until that is None."""
    while True:
        task.run(lambda: idle.append(None))
        following = given.get()
        if following is None:
            return
        task, begun = following
        begun.release()


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

    When so many results have been used that were not there already, *width* of them may be under way at the
    same time, one at least.
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
        used += not isinstance(pending, Ready)
