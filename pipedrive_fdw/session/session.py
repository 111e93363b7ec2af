"""What a backend keeps for one account and credential: the client, the statement's memory, counters."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple
from weakref import WeakSet

from cachetools import LRUCache, TTLCache

from pipedrive_fdw.api.cache import SharedCache
from pipedrive_fdw.api.client import Client, Spent
from pipedrive_fdw.api.state import RecordLocks
from pipedrive_fdw.api.waiting import Exchange, Interrupts, Pending
from pipedrive_fdw.errors import BudgetError
from pipedrive_fdw.postgres.statement_scope import StatementScope
from pipedrive_fdw.session.field_definitions import FieldDefinitions
from pipedrive_fdw.session.key_batches import KeyBatches
from pipedrive_fdw.session.statement_memory import StatementMemory
from pipedrive_fdw.values.key_set import KeySet

_EXTENDED_RECORDS = 10_000
# Queries whose rows a client takes in turns, and whose tokens are counted each by itself.
_QUERIES = 1_000


def sleep_unless_stopped(seconds: float, exchange: Exchange) -> None:
    """Sleeps in a worker thread, until its *exchange* is stopped."""
    end = time.monotonic() + seconds
    exchange.paused_until = end
    while not exchange.stopped:
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.05))


class Guards(NamedTuple):
    """The limits of a statement, and what its error says.

    most      tokens that the statement may spend
    reserve   tokens of the day's budget that must be left
    advice    the hint: which condition to add to the WHERE
    expected  tokens that the plan of the scan expects, 0 for a write
    """

    most: int
    reserve: int
    advice: str = ""
    expected: int = 0

    def lifted(self) -> Guards:
        """Guards without limits, for requests whose price has been allowed before."""
        return Guards(sys.maxsize, 0)


class Session:
    """Everything that the scans and writes of one account share in this backend."""

    def __init__(
        self,
        client: Client,
        interrupts: Interrupts,
        memory: StatementMemory,
        cache: SharedCache,
        fields: FieldDefinitions,
        statement: Callable[[], Any],
        parallel: int = 32,
        of_account: WeakSet[Session] | None = None,
        record_locks: RecordLocks = RecordLocks(),  # noqa: B008 - without effect
    ) -> None:
        """*of_account* has the other sessions of the account in this backend, those of other credentials."""
        # What one of them writes, the others may have read
        self._of_account: WeakSet[Session] = WeakSet() if of_account is None else of_account
        self._of_account.add(self)
        self.client = client
        self.interrupts = interrupts
        self.memory = memory
        self.key_batches = KeyBatches(statement)
        self.cache = cache
        self.record_locks = record_locks
        self.spent = Spent()
        self.parallel = parallel
        # Reads by their keys that a scan has begun and not used yet (session/list_pages.py)
        self.under_way: dict[Any, Pending[Any]] = {}
        # Parents that refused to show their rows, or were not there: values of the column, by table
        self.passed_over = StatementScope[dict[str, set[str]]](lambda: defaultdict(set), statement)
        # Paths that want a parameter for each of several values (Listing.repeats)
        self.repeating: set[str] = set()
        # What was created since, for each scan that is under way, by table
        self._created: defaultdict[str, WeakSet[KeySet]] = defaultdict(WeakSet)
        self._extended: dict[int, TTLCache[str, Mapping[str, Any]]] = {}
        self.fields = fields
        self._statement = statement
        # The tokens of the requests that a statement has begun
        self._planned: LRUCache[Any, int] = LRUCache(_QUERIES)

    def extended(self, seconds: int) -> TTLCache[str, Mapping[str, Any]]:
        """Records that were fetched one by one, by path, remembered for *seconds*."""
        if seconds not in self._extended:
            self._extended[seconds] = TTLCache(_EXTENDED_RECORDS, seconds)
        return self._extended[seconds]

    def forget(self) -> None:
        """Drops what was read, with this and other credentials, before a write and after it."""
        for session in self._of_account:
            session.memory.clear()
            session.key_batches.forget()
            session._extended.clear()
        self.cache.empty()

    def created_from_now_on(self, table: str) -> KeySet:
        """The texts of the keys of the records of *table* that this backend creates from now on."""
        created = KeySet()
        self._created[table].add(created)
        return created

    def created(self, table: str, key: str) -> None:
        """Notes a record that was created, for the scans that began before. *key* is the text of its key, as
        ``joined`` gives it."""
        for session in self._of_account:
            for created in session._created[table]:
                created.add(key)

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

    def plan_tokens(self, tokens: int, guards: Guards) -> None:
        """Adds *tokens* to those of the statement. Raises BudgetError where *guards* do not allow them."""
        self.check_tokens(tokens, guards)
        statement = self._statement()
        self._planned[statement] = self._planned.get(statement, 0) + tokens

    def check_tokens(self, tokens: int, guards: Guards) -> None:
        """Raises BudgetError where *guards* do not allow the statement *tokens* more."""
        planned = self._planned.get(self._statement(), 0)
        if planned + tokens > guards.most:
            enough = max(guards.most * 4, planned + max(tokens, guards.expected))
            raise BudgetError(
                f"the statement would spend more than {guards.most} API tokens",
                detail=f"It has spent {planned}, and what comes next costs {tokens}.",
                hint=f"{guards.advice}To allow more: SET pipedrive.max_tokens_per_query = {enough}. If the "
                "server or the table has the option max_tokens_per_query, a session cannot exceed it.",
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
            detail=f"What comes next costs {tokens}. The budget is {told}.",
            hint="Wait for the reset, or SET pipedrive.reserve_tokens = 0. If the server or the table has "
            "the option reserve_tokens, a session cannot go below it.",
        )
