"""One request that may write, from its first attempt to its answer, and what is logged about it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple

from pipedrive_fdw.api.client import Answer, Spent
from pipedrive_fdw.api.statuses import unknown
from pipedrive_fdw.api.transport import Request
from pipedrive_fdw.api.waiting import Task
from pipedrive_fdw.catalog.model import Operation
from pipedrive_fdw.errors import (
    ApiError,
    Cancelled,
    ConnectError,
    OutcomeUnknownError,
    PipedriveError,
    StateError,
    fault_of,
    sentences,
)
from pipedrive_fdw.monitoring.usage_log import Spender, spender
from pipedrive_fdw.monitoring.write_log import DONE, NOT_SENT, REFUSED, UNKNOWN, WriteLog, write_log
from pipedrive_fdw.options import Options
from pipedrive_fdw.session.session import Session


class Noted(NamedTuple):
    """What is logged about requests: who writes, and who spends tokens; None for what is not logged."""

    writes: WriteLog | None = None
    usage: Spender | None = None


def noted(options: Options, table: str = "") -> Noted:
    """What *options* have logged about requests for *table* by the caller of the present question."""
    return Noted(
        write_log(table) if options.log_writes else None, spender(table) if options.log_usage else None
    )


class Attempts(Spent):
    """The attempts of one request, which are also counted in the *whole* of its scan or write."""

    def __init__(self, whole: Spent) -> None:
        super().__init__()
        self._whole = whole

    def add(self, tokens: int) -> None:
        super().add(tokens)
        self._whole.add(tokens)

    def wait(self, seconds: float) -> None:
        self._whole.wait(seconds)


@dataclass
class SentRequest:
    """A request that may write and that runs as *task*. What was read before is forgotten when it ends.

    Only the main thread calls its methods: either ``answer`` or ``give_up``, once.
    """

    op: Operation
    path: str
    task: Task[Answer]
    attempts: Spent
    session: Session
    noted: Noted
    # Called when it ends
    release: Callable[[], None] = lambda: None

    def answer(self) -> Answer:
        """Waits for the answer. Raises the error of its status, and Cancelled."""
        outcome, data = UNKNOWN, None
        try:
            answer = self.task.wait(self.session.interrupts)
            outcome, data = DONE, answer.data
            return answer
        except PipedriveError as error:
            self._explain(error)
            outcome = _outcome(error)
            raise
        except Exception as error:  # noqa: BLE001 - it says nothing of what Pipedrive has done
            raise self._unknown(fault_of(error)) from None
        finally:
            self._end(outcome, data)

    def give_up(self) -> Cancelled:
        """Stops waiting for the answer. The error that says whether the request was sent."""
        error = Cancelled("the statement has ended", arrived=self.attempts.requests > 0)
        self._explain(error)
        self._end(_outcome(error), None)
        return error

    def _explain(self, error: PipedriveError) -> None:
        sent = self.op.method != "GET" and self.attempts.requests > 0
        if isinstance(error, Cancelled) and error.arrived and sent:
            error.detail = f"{self.op.method} {self.path} was already sent, so Pipedrive may have done it."

    def _unknown(self, fault: PipedriveError) -> PipedriveError:
        """The error when a *fault* of this package has kept it from reading the answer."""
        if self.attempts.requests == 0:
            return fault
        fault.detail = sentences(f"{self.op.method} {self.path}", fault.detail)
        return unknown(Request(self.op.method, self.path), fault)

    def _end(self, outcome: str, data: Any) -> None:
        """Logs the write, and forgets what was read while it ran."""
        self.release()
        if self.op.method == "GET":
            return
        if self.noted.writes is not None and self.attempts.requests > 0:
            self.noted.writes.note(f"{self.op.method} /v{self.op.version}{self.path}", outcome, data)
        with contextlib.suppress(StateError):  # it was possible a moment ago, and the write is done
            self.session.forget()
            if "Fields" in self.path:
                self.session.fields.forget()


def _outcome(error: PipedriveError) -> str:
    """The outcome of a write that ended in *error*."""
    if isinstance(error, ApiError):
        return REFUSED
    if isinstance(error, Cancelled):
        return UNKNOWN if error.arrived else NOT_SENT
    lost = isinstance(error, OutcomeUnknownError) or not isinstance(error, ConnectError)
    return UNKNOWN if lost else NOT_SENT
