"""The requests of one scan or write."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Callable, NamedTuple, TypeVar

from pipedrive_fdw.api.cache import pack, unpack
from pipedrive_fdw.api.client import Answer, Spent
from pipedrive_fdw.api.waiting import Exchange, Pending, Ready, Task, Workers
from pipedrive_fdw.catalog.model import Download, Listing, Operation
from pipedrive_fdw.errors import ApiError, Cancelled, PipedriveError, ProtocolError
from pipedrive_fdw.monitoring.progress import PROGRESS
from pipedrive_fdw.monitoring.usage_log import USAGE_LOG
from pipedrive_fdw.plan.paths import Call
from pipedrive_fdw.session.cached_lists import Cached, Key
from pipedrive_fdw.session.sent_request import Attempts, Noted, SentRequest
from pipedrive_fdw.session.session import Guards, Session
from pipedrive_fdw.values.jsontext import parse_json

Params = tuple[tuple[str, str], ...]
# What a statement that ends waits for its threads, which have nothing to wait for any more.
_ENDING_SECONDS = 0.25
# Requests side by side, whatever the window; bytes of unused answers at which no further ones are begun.
_LEAST_AT_ONCE, _ENOUGH_HELD = 8, 16 * 2**20
T = TypeVar("T")


class Body(NamedTuple):
    """What a read has answered; *envelope* is None where it was remembered and has not been parsed yet.

    *packed* is its packed form where that is known, *epoch* that of the statement's memory when it was asked
    for, None where it came from there.
    """

    body: bytes
    envelope: Any = None
    packed: bytes = b""
    epoch: int | None = None


def _repeated(call: Call) -> Call:
    """*call* with one parameter for each value of the comma list, where its operation may want it so."""
    name = call.op.repeats if isinstance(call.op, Listing) else ""
    if not name:
        return call
    params = tuple((k, one) for k, text in call.params for one in (text.split(",") if k == name else (text,)))
    return replace(call, params=params)


def _shown(call: Call) -> str:
    """*call* as the view progress shows it. An address elsewhere is left out: it may open a file to all."""
    elsewhere = isinstance(call.op, Download) and call.op.address
    return "a file" if elsewhere else f"/v{call.op.version}{call.path}"


def _tick(exchange: Exchange, spent: Spent, reads: str, waits_for: str = "") -> None:
    """Ends what takes too long, and has the view progress show what the scan *reads* and *waits_for*."""
    exchange.expire()
    paused = time.monotonic() < exchange.paused_until
    waits_for = "the burst limit" if paused else waits_for
    PROGRESS.show(reads, waits_for, spent.requests, spent.tokens, spent.waited)


class RequestScope:
    """The requests of one scan: guarded, counted, remembered within the statement, ended together.

    A read is looked for in the statement's memory, in the cache of all sessions, and then asked for. Every
    method is for the main thread; the requests run in threads of their own. Reads may be answered by what is
    not older than *cache_ttl* seconds, or *stale* seconds more while another session asks. *noted* says what
    is noted of them.
    """

    def __init__(
        self,
        session: Session,
        guards: Guards,
        cache_ttl: float = 0,
        stale: float = 0,
        noted: Noted = Noted(),  # noqa: B008 - frozen
    ) -> None:
        self.session = session
        self.guards = guards
        self.noted = noted
        self.exchange = Exchange()
        self.spent = Spent()
        # Lists that were read whole, with the number of their records (plan/sizes.py)
        self.sizes: dict[str, int] = {}
        self._cached = Cached(session.cache, cache_ttl, stale)
        self._workers = Workers()
        self._window = 0  # of requests, as far as it is known

    def most_at_once(self) -> int:
        """How many requests side by side use up the burst window.

        As many as it lets leave at once. When some wait for their turn, it is used up: a quarter of it keeps
        it so where an answer takes half a second, and more would have other sessions wait behind them.
        """
        if self.exchange.held > _ENOUGH_HELD:
            return 1
        self._window = self._window or self.session.client.limits.window_limit() or 0
        window = self._window // 4 if time.monotonic() < self.spent.until else self._window
        return min(self.session.parallel, max(window, _LEAST_AT_ONCE))

    def close(self) -> None:
        """Ends whatever is under way, and lets its threads end: outside Python they would stand still."""
        self.exchange.abort()
        self._workers.end(_ENDING_SECONDS)
        self._cached.close()
        self.session.spent.include(self.spent)
        PROGRESS.ended(self.spent.requests, self.spent.tokens, self.spent.waited)
        if self.noted.usage is not None:
            USAGE_LOG.add(self.noted.usage, self.spent.requests, self.spent.tokens)

    def _begin(self, work: Callable[[], T], reads: str, waits_for: str = "an answer") -> Task[T]:
        return self._workers.begin(work, partial(_tick, self.exchange, self.spent, reads, waits_for))

    def send(
        self,
        op: Operation,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
        params: Params = (),
        *,
        file: bool = False,
    ) -> SentRequest:
        """One request that may write, begun in a thread of its own; what was read before is forgotten.

        *file*: the answer is a file, and no envelope.
        """
        session = self.session
        session.plan_tokens(op.tokens, self.guards)
        if op.method != "GET":
            session.forget()
        attempts = Attempts(self.spent)
        task = self._begin(
            lambda: session.client.call(
                op.method,
                op.version,
                path,
                params,
                tokens=op.tokens,
                exchange=self.exchange,
                spent=attempts,
                body=body,
                content_type=content_type,
                file=file,
            ),
            f"/v{op.version}{path}",
        )
        return SentRequest(op, path, task, attempts, session, self.noted)

    def start(self, call: Call, afresh: bool = False) -> Pending[Body | ApiError | None]:
        """One read, begun: its answer, or the error of its status. *afresh*: the API is asked in any case.

        None when another session has asked for it meanwhile: then it is to be begun again.
        """
        known = None if afresh else self._known(call.key)
        if known is not None:
            self.exchange.hold(len(known.body))
            return Ready(known)
        if self._cached.keeps and not self._cached.begin(call.key) and not afresh:
            return self._begin(
                lambda: self._cached.wait(call.key, self.exchange), _shown(call), "another session"
            )
        known = self._known(call.key) if self._cached.keeps and not afresh else None
        if known is not None:  # it had come before the flight was ours
            self._cached.end(call.key)
            self.exchange.hold(len(known.body))
            return Ready(known)
        memory = self.session.memory
        self.session.plan_tokens(call.op.tokens, self.guards)
        asked = _repeated(call) if call.op.path in self.session.repeating else call
        packs, epoch = memory.is_short or self._cached.keeps, memory.epoch
        return self._begin(lambda: self._fetch(asked, packs, epoch), _shown(call))

    def _known(self, key: Key) -> Body | None:
        """The answer of a read that need not be asked for."""
        memory = self.session.memory
        if key in self.session.under_way:
            self._await(key, self.session.under_way[key])
        body = memory.get(key)
        if body is not None:
            self.spent.remembered += 1
            return Body(body)
        packed = self._cached.get(key)
        body = None if packed is None else unpack(packed)
        if packed is None or body is None:
            return None
        self.spent.cached += 1
        return Body(body, packed=packed, epoch=memory.epoch)

    def _await(self, key: Key, begun: Pending[Body | ApiError | None]) -> None:
        """Puts into memory what another scan has asked for and not used yet."""
        try:
            found = begun.wait(self.session.interrupts)
        except Cancelled:
            raise
        except PipedriveError:  # which that scan meets
            return
        if isinstance(found, Body) and found.epoch is not None:
            self.session.memory.put(key, found.body, found.packed, found.epoch)

    def _fetch(self, call: Call, packs: bool, epoch: int) -> Body | ApiError:
        """In a thread, where packing holds nobody up."""
        try:
            answer = self._answer_of(call)
        except ApiError as error:
            return error.detached()
        self.exchange.hold(len(answer.body))
        return Body(answer.body, answer.payload, pack(answer.body) if packs else b"", epoch)

    def _answer_of(self, call: Call) -> Answer:
        client, op = self.session.client, call.op
        file = isinstance(op, Download)
        if isinstance(op, Download) and op.address:
            return client.download(call.path, exchange=self.exchange, spent=self.spent)
        return client.call(
            op.method,
            op.version,
            call.path,
            call.params,
            tokens=op.tokens,
            exchange=self.exchange,
            spent=self.spent,
            file=file,
        )

    def finish(self, call: Call, result: Body | ApiError | None) -> Any:
        """The envelope of a read that has ended, or its error as a value; of a download the bytes. Raises
        Cancelled, also where each answer was there before anybody waited for it."""
        self.session.interrupts.check()
        _tick(self.exchange, self.spent, _shown(call))
        result = self._asked(call) if result is None else result
        if isinstance(result, ApiError) and result.status == 400 and _repeated(call) != call:
            result = self._otherwise(call)
        if isinstance(result, ApiError):
            self._cached.end(call.key)
            return result
        self.exchange.release(len(result.body))
        envelope = result.body if isinstance(call.op, Download) else result.envelope
        if envelope is None:
            try:
                envelope = parse_json(result.body)
            except ValueError:  # it was read before it was kept
                raise ProtocolError(
                    "an answer in the cache of all sessions is damaged", hint="Try again."
                ) from None
        if result.epoch is not None:
            self.session.memory.put(call.key, result.body, result.packed, result.epoch)
        self.session.memory.answered.add((call.op.version, call.op.path))
        self._cached.put(call.op, call.key, result.packed, envelope)
        return envelope

    def _asked(self, call: Call) -> Body | ApiError:
        """One read, whichever session asks."""
        while True:
            result = self.start(call).wait(self.session.interrupts)
            if result is not None:
                return result

    def _otherwise(self, call: Call) -> Body | ApiError:
        """The read again, with a parameter for each value; from now on so, where that is understood."""
        self.session.repeating.add(call.op.path)
        result = self._asked(call)
        if isinstance(result, ApiError):
            self.session.repeating.discard(call.op.path)
        return result

    def distrust(self) -> None:
        """The answers of this scan do not fit together: none of them is to be met again."""
        self._cached.distrust()

    def ask(self, call: Call, afresh: bool = False) -> Mapping[str, Any]:
        """The envelope of one read; *afresh*: from the API. Raises the error of its status."""
        return self.answer(call, self.start(call, afresh))

    def answer(self, call: Call, begun: Pending[Body | ApiError | None]) -> Mapping[str, Any]:
        """The envelope of a read that was *begun*. Raises the error of its status."""
        answer = self.finish(call, begun.wait(self.session.interrupts))
        if isinstance(answer, ApiError):
            raise answer
        envelope: Mapping[str, Any] = answer
        return envelope


class LoopRequests(RequestScope):
    """The requests of all look-ups of one nested loop, some of which are begun before their turn.

    The end of a look-up ends none of them: that of the loop does.
    """

    def __init__(self, *given: Any) -> None:
        """As a RequestScope."""
        super().__init__(*given)
        self._ahead: dict[Key, Pending[Body | ApiError | None]] = {}

    def begin(self, call: Call) -> None:
        """Begins a read that a look-up will ask for, unless it is under way or there already. Raises
        BudgetError."""
        session, key = self.session, call.key
        if key not in self._ahead and key not in session.under_way and key not in session.memory:
            # Other scans of the statement pay for it no second time
            self._ahead[key] = session.under_way[key] = super().start(call)

    def start(self, call: Call, afresh: bool = False) -> Pending[Body | ApiError | None]:
        begun = None if afresh else self._taken(call.key)
        return super().start(call, afresh) if begun is None else begun

    def _taken(self, key: Key) -> Pending[Body | ApiError | None] | None:
        """The read if it is under way, to be used once."""
        begun = self._ahead.pop(key, None)
        if begun is not None and self.session.under_way.get(key) is begun:
            del self.session.under_way[key]
        return begun

    def close(self) -> None:
        """Nothing: the next look-up goes on."""

    def end(self) -> None:
        """Ends whatever is under way, when the loop has ended."""
        for key in list(self._ahead):
            self._taken(key)
        super().close()
