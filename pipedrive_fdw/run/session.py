"""What a backend keeps for one account and credential: the client, the statement's memory, its figures."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, TypeVar

from cachetools import TTLCache

from pipedrive_fdw.api.cache import SharedCache, pack, unpack
from pipedrive_fdw.api.client import Answer, Client, Spent
from pipedrive_fdw.api.transport import Exchange
from pipedrive_fdw.api.waiting import Interrupts, Pending, Ready, Task
from pipedrive_fdw.catalog.model import Listing, Operation
from pipedrive_fdw.errors import ApiError, BudgetError, Cancelled, ProtocolError, StateError
from pipedrive_fdw.jsontext import parse_json
from pipedrive_fdw.run.cached import Cached, Key
from pipedrive_fdw.run.definitions import Definitions
from pipedrive_fdw.run.together import Company

Params = tuple[tuple[str, str], ...]
_EXTENDED_RECORDS = 10_000
# What a statement that ends waits for its threads, which have nothing to wait for any more.
_ENDING_SECONDS = 0.25
T = TypeVar("T")


class StatementMemory:
    """Answers of the current statement, packed, up to *capacity* bytes; the oldest go first.

    *statement* gives a mark that changes with every statement; a write empties the memory. ``answered`` are
    the operations that gave an answer in it, by version and path.
    """

    def __init__(self, capacity: int, statement: Callable[[], Any]) -> None:
        self._capacity = capacity
        self._statement = statement
        self._mark: Any = None
        self._size = 0
        self._bodies: OrderedDict[Any, bytes] = OrderedDict()
        self.answered: set[tuple[int, str]] = set()

    def _current(self) -> None:
        mark = self._statement()
        if mark != self._mark:
            self.clear()
            self._mark = mark

    def clear(self) -> None:
        self._bodies.clear()
        self.answered.clear()
        self._size = 0

    def get(self, key: Any) -> bytes | None:
        self._current()
        return self._bodies.get(key)

    def put(self, key: Any, packed: bytes) -> None:
        self._current()
        self._size -= len(self._bodies.pop(key, b""))
        if len(packed) > self._capacity:
            return
        self._bodies[key] = packed
        self._size += len(packed)
        while self._size > self._capacity:
            _, dropped = self._bodies.popitem(last=False)
            self._size -= len(dropped)


def _repeated(op: Operation, params: Params) -> Params:
    """*params* with one parameter for each value of the comma list, where *op* may want it so."""
    name = op.repeats if isinstance(op, Listing) else ""
    if not name:
        return params
    return tuple((key, one) for key, text in params for one in (text.split(",") if key == name else (text,)))


def sleep_unless_aborted(seconds: float, exchange: Exchange) -> None:
    """A wait in a worker thread that ends when its exchange is given up."""
    end = time.monotonic() + seconds
    while not exchange.aborted:
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.05))


@dataclass(frozen=True)
class Guards:
    """Where a statement stops: *most* tokens of its own, *reserve* tokens left to the day.

    *advice* is the hint of the error: what to add to the WHERE; *expected* are the tokens that the plan of a
    scan expects, 0 where nothing is planned.
    """

    most: int
    reserve: int
    advice: str = ""
    expected: int = 0

    def lifted(self) -> Guards:
        """Guards that stop nothing: for requests whose price has been allowed."""
        return Guards(sys.maxsize, 0)


class Session:
    """Everything that scans and writes of one account share in this backend."""

    def __init__(
        self,
        client: Client,
        interrupts: Interrupts,
        memory: StatementMemory,
        cache: SharedCache,
        fields: Definitions,
        statement: Callable[[], Any],
        parallel: int = 8,
    ) -> None:
        self.client = client
        self.interrupts = interrupts
        self.memory = memory
        self.company = Company(statement)
        self.cache = cache
        self.spent = Spent()
        self.parallel = parallel
        # Paths that want a parameter for each of several values (Listing.repeats)
        self.repeating: set[str] = set()
        self._extended: dict[int, TTLCache[str, Mapping[str, Any]]] = {}
        self.fields = fields
        self._statement = statement
        self._mark: Any = None
        self._planned = 0

    def extended(self, seconds: int) -> TTLCache[str, Mapping[str, Any]]:
        """Records that were fetched one by one, by path, remembered for *seconds*."""
        if seconds not in self._extended:
            self._extended[seconds] = TTLCache(_EXTENDED_RECORDS, seconds)
        return self._extended[seconds]

    def forget(self) -> None:
        """Before a write and after it: what was read may no longer hold, here and in other sessions."""
        self.memory.clear()
        self.company.forget()
        self._extended.clear()
        self.cache.empty()

    def usage(self) -> Mapping[str, Any]:
        """The record of the table api_usage."""
        day = self.client.limits.day()
        return {
            "tokens_left": day.left,
            "tokens_a_day": day.limit,
            "reported_at": dt.datetime.fromtimestamp(day.seen, dt.timezone.utc).isoformat()
            if day.seen
            else None,
            "burst_limit": self.client.limits.window_limit(),
            "session_requests": self.spent.requests,
            "session_tokens": self.spent.tokens,
            "session_remembered": self.spent.remembered,
            "session_cached": self.spent.cached,
            "session_waited": round(self.spent.waited, 3),
        }

    def work(self, guards: Guards, cache_ttl: float = 0) -> Work:
        """The requests of one scan or write; reads may be answered by what is not older than *cache_ttl*."""
        return Work(self, guards, cache_ttl)

    def plan_tokens(self, tokens: int, guards: Guards) -> None:
        """Counts *tokens* into the statement's; raises BudgetError when a guard stops it."""
        self.check_tokens(tokens, guards)
        self._planned += tokens

    def check_tokens(self, tokens: int, guards: Guards) -> None:
        """Raises BudgetError when a guard does not let the statement spend *tokens* more."""
        mark = self._statement()
        if mark != self._mark:
            self._mark, self._planned = mark, 0
        if self._planned + tokens > guards.most:
            enough = max(guards.most * 4, self._planned + max(tokens, guards.expected))
            raise BudgetError(
                f"the statement would spend more than {guards.most} API tokens",
                detail=f"It has spent {self._planned}; the next request costs {tokens}.",
                hint=f"{guards.advice}To allow more: SET pipedrive.max_tokens_per_query = {enough}, "
                "or the option max_tokens_per_query of server or table.",
            )
        if guards.reserve:
            self._check_reserve(tokens, guards.reserve)

    def _check_reserve(self, tokens: int, reserve: int) -> None:
        day, now = self.client.limits.day(), time.time()
        left = day.remaining(now)
        if left - tokens >= reserve:
            return
        told = "as Pipedrive reported" if day.is_reported(now) else "as far as is known here"
        raise BudgetError(
            f"only {left} API tokens of the day are left, and {reserve} are reserved",
            detail=f"The next request costs {tokens}. The budget is {told}.",
            hint="Wait for the reset, or SET pipedrive.reserve_tokens = 0 for this session.",
        )


class Work:
    """The requests of one scan: guarded, counted, remembered within the statement, ended together.

    A read is looked for in the statement's memory, in the cache of all sessions, and then asked for. Every
    method is for the main thread; the requests run in threads of their own.
    """

    def __init__(self, session: Session, guards: Guards, cache_ttl: float = 0) -> None:
        self.session = session
        self.guards = guards
        self.exchange = Exchange()
        self.spent = Spent()
        # Lists that were read whole, with the number of their records (plan/sizes.py)
        self.sizes: dict[str, int] = {}
        self._cached = Cached(session.cache, cache_ttl)
        self._tasks: list[Task[Any]] = []

    def close(self) -> None:
        """Ends whatever is under way, and lets its threads end: outside Python they would stand still."""
        self.exchange.abort()
        end = time.monotonic() + _ENDING_SECONDS
        for task in self._tasks:
            task.thread.join(max(end - time.monotonic(), 0))
        self._tasks.clear()
        self.session.spent.include(self.spent)

    def _begin(self, work: Callable[[], T]) -> Task[T]:
        self._tasks = [task for task in self._tasks if task.thread.is_alive()]
        task = Task(work, self.exchange.expire)
        self._tasks.append(task)
        return task

    def send(
        self,
        op: Operation,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
        params: Params = (),
    ) -> Answer:
        """One request that may write, in a thread of its own; what was read before is forgotten."""
        session = self.session
        session.plan_tokens(op.tokens, self.guards)
        before = self.spent.requests
        if op.method != "GET":
            session.forget()
        task = self._begin(
            lambda: session.client.call(
                op.method,
                op.version,
                path,
                params,
                tokens=op.tokens,
                exchange=self.exchange,
                spent=self.spent,
                body=body,
                content_type=content_type,
            )
        )
        try:
            return task.wait(session.interrupts)
        except Cancelled as error:
            if op.method != "GET" and self.spent.requests > before:
                error.detail = f"{op.method} {path} had been sent: it may have been done in Pipedrive."
            raise
        finally:
            if op.method != "GET":
                with contextlib.suppress(StateError):  # it was possible a moment ago, and the write is done
                    session.forget()
                    if "Fields" in path:
                        session.fields.forget()

    def start(
        self, op: Operation, path: str, params: Params, afresh: bool = False
    ) -> Pending[bytes | ApiError]:
        """One read, begun: its body, or the error of its status. *afresh*: the API is asked in any case."""
        key = (op.version, path, params)
        known = None if afresh else self._known(key)
        if known is not None:
            return Ready(self._held(known))
        self.session.plan_tokens(op.tokens, self.guards)
        self._cached.begin(key)
        asked = _repeated(op, params) if op.path in self.session.repeating else params
        return self._begin(lambda: self._fetch(op, path, asked))

    def _known(self, key: Key) -> bytes | None:
        """The body of a read that need not be asked for."""
        packed = self.session.memory.get(key)
        if packed is not None:
            self.spent.remembered += 1
            return unpack(packed)
        packed = self._cached.get(key)
        body = None if packed is None else unpack(packed)
        self.spent.cached += body is not None
        return body

    def _fetch(self, op: Operation, path: str, params: Params) -> bytes | ApiError:
        try:
            answer = self.session.client.call(
                op.method,
                op.version,
                path,
                params,
                tokens=op.tokens,
                exchange=self.exchange,
                spent=self.spent,
            )
        except ApiError as error:
            return error.detached()
        return self._held(answer.body)

    def _held(self, body: bytes) -> bytes:
        """*body*, which is in memory until ``finish``."""
        self.exchange.hold(len(body))
        return body

    def finish(self, op: Operation, path: str, params: Params, result: bytes | ApiError) -> Any:
        """The envelope of a read that has ended, or its error as a value."""
        if isinstance(result, ApiError) and result.status == 400 and _repeated(op, params) != params:
            result = self._otherwise(op, path, params)
        if isinstance(result, ApiError):
            return result
        self.exchange.release(len(result))
        key = (op.version, path, params)
        try:
            packed, envelope = pack(result), parse_json(result)
        except ValueError:  # it was read before it was kept
            raise ProtocolError("an answer in the cache of all sessions is odd", hint="Try again.") from None
        self.session.memory.put(key, packed)
        self.session.memory.answered.add((op.version, op.path))
        self._cached.put(op, key, packed, envelope)
        return envelope

    def _otherwise(self, op: Operation, path: str, params: Params) -> bytes | ApiError:
        """The read again, with a parameter for each value; from now on so, where that is understood."""
        self.session.repeating.add(op.path)
        result = self.start(op, path, params).wait(self.session.interrupts)
        if isinstance(result, ApiError):
            self.session.repeating.discard(op.path)
        return result

    def distrust(self) -> None:
        """The answers of this scan do not fit together: none of them is to be met again."""
        self._cached.distrust()

    def ask(self, op: Operation, path: str, params: Params, afresh: bool = False) -> Mapping[str, Any]:
        """The envelope of one read; *afresh*: from the API. Raises the error of its status."""
        begun = self.start(op, path, params, afresh)
        answer = self.finish(op, path, params, begun.wait(self.session.interrupts))
        if isinstance(answer, ApiError):
            raise answer
        envelope: Mapping[str, Any] = answer
        return envelope
