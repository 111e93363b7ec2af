"""The requests of one scan or write."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any, Callable, TypeVar

from pipedrive_fdw.api.cache import pack, unpack
from pipedrive_fdw.api.client import Answer, Spent
from pipedrive_fdw.api.transport import Exchange
from pipedrive_fdw.api.waiting import Pending, Ready, Task
from pipedrive_fdw.catalog.model import Listing, Operation
from pipedrive_fdw.errors import ApiError, Cancelled, ProtocolError, StateError
from pipedrive_fdw.session.cached_lists import Cached, Key
from pipedrive_fdw.session.guards import Guards
from pipedrive_fdw.session.session import Session
from pipedrive_fdw.values.jsontext import parse_json

Params = tuple[tuple[str, str], ...]
# What a statement that ends waits for its threads, which have nothing to wait for any more.
_ENDING_SECONDS = 0.25
T = TypeVar("T")


def _repeated(op: Operation, params: Params) -> Params:
    """*params* with one parameter for each value of the comma list, where *op* may want it so."""
    name = op.repeats if isinstance(op, Listing) else ""
    if not name:
        return params
    return tuple((key, one) for key, text in params for one in (text.split(",") if key == name else (text,)))


class Work:
    """The requests of one scan: guarded, counted, remembered within the statement, ended together.

    A read is looked for in the statement's memory, in the cache of all sessions, and then asked for. Every
    method is for the main thread; the requests run in threads of their own. Reads may be answered by what is
    not older than *cache_ttl* seconds.
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
