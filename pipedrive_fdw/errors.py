"""Every error that a user can see.

    PipedriveError            message, detail, hint; ``word`` stands first in the message
    ├── OptionError           a server, mapping, table or column option is wrong
    │   ├── SettingError      the session has a setting that does not exist
    │   ├── RightError        the role may not give this option
    │   └── CredentialError   no usable credential is known
    ├── CatalogError          a declaration of this package is wrong (a programming error)
    ├── PlanError             the statement cannot be answered as asked
    │   └── BudgetError       a guard (max_tokens_per_query, reserve_tokens) stops the statement
    ├── DataError             a value cannot be converted between Pipedrive and PostgreSQL
    ├── WriteError            a write that is refused before any request
    │   ├── IdentityError     the statement does not select the rows by their key
    │   └── ReadOnlyError     a function would write in a read-only transaction
    ├── ApiError              the API answered with an error; ``status`` is set
    │   ├── AuthError         401: the credential is not accepted
    │   ├── AccessError       402, 403, 410, 415: plan, add-on, scope or right is missing, or the API is gone
    │   ├── NotFoundError     404 with Pipedrive's own JSON
    │   ├── BurstLimitError   429: too many requests in two seconds, even after waiting
    │   └── DailyLimitError   429: the day's tokens are used up
    ├── ProtocolError         the answer is not what is documented: HTML, cut, malformed, null, repeated
    ├── ConnectError          no answer: refused, reset, timed out, TLS, unknown host
    │   └── OutcomeUnknownError  a write whose answer was lost
    ├── StateError            the files that backends share cannot be used
    │   ├── PreparedError     PREPARE TRANSACTION after DROP USER MAPPING or with writes that wait for COMMIT
    │   └── ReplacedError     the package has been replaced since the session began to use it
    ├── ResourceError         the machine lacks what the statement needs: memory, open files, room on the disk
    └── Cancelled             PostgreSQL wants this statement to end; never shown, PostgreSQL reports its own

Each class has an SQLSTATE that programs can act on, and a stable word that stands first in the message:
``pipedrive option: …``, ``pipedrive auth: …``.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterable
from typing import TypeVar

from pipedrive_fdw.masking import beginning, shown

_LONGEST_VALUE = 100
_ENDS = (".", "!", "?", "…")


def quoted(value: object) -> str:
    """A value of Pipedrive or of a user for a message: its repr, cut where it is long."""
    return beginning(repr(value), _LONGEST_VALUE)


def sentences(*parts: str) -> str:
    """*parts* that are not empty as one text, each with one full stop at its end, whoever wrote it."""
    kept = [part.strip() for part in parts if part.strip()]
    return " ".join(part if part.endswith(_ENDS) else f"{part}." for part in kept)


def closest(wrong: str, known: Iterable[str], most: int = 1) -> list[str]:
    """The names of *known* that may be meant by *wrong*, the likeliest first."""
    import difflib  # only errors need it

    by_lower = {name.lower(): name for name in known}
    return [by_lower[name] for name in difflib.get_close_matches(wrong.lower(), by_lower, n=most)]


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """A question for a hint, empty where nothing *known* is like *wrong*."""
    return "".join(f'Did you mean "{name}"?' for name in closest(wrong, known))


E = TypeVar("E", bound="PipedriveError")


class PipedriveError(Exception):
    """Base of all; *message* is one line, *detail* says what happened, *hint* the way out.

    Whatever is put into the three is shown without secrets and without control characters (masking.py).
    """

    word = "error"

    # What PostgreSQL reports; the classes are those of its own errors
    sqlstate = "HV000"
    # Of an error in the middle of several writes: how many were left, and the keys of the rows that its own
    # request wrote
    unsent = ""
    written: tuple[str, ...] = ()

    def __init__(self, message: str, detail: str = "", hint: str = "") -> None:
        self.message = f"pipedrive {self.word}: {message}"
        self.detail = detail
        self.hint = hint
        super().__init__(self.message)

    def detached(self: E) -> E:
        """The error as a value that is kept: what raised it, bodies of answers among it, is let go."""
        self.__context__ = self.__cause__ = None
        return self.with_traceback(None)

    @property
    def message(self) -> str:
        return self._message

    @message.setter
    def message(self, text: str) -> None:
        self._message = shown(text)

    @property
    def detail(self) -> str:
        return self._detail

    @detail.setter
    def detail(self, text: str) -> None:
        self._detail = shown(text)

    @property
    def hint(self) -> str:
        return self._hint

    @hint.setter
    def hint(self, text: str) -> None:
        self._hint = shown(text)

    def __str__(self) -> str:
        parts = [self.message]
        if self.detail:
            parts.append(f"DETAIL: {self.detail}")
        if self.hint:
            parts.append(f"HINT: {self.hint}")
        return "\n".join(parts)


class OptionError(PipedriveError):
    word = "option"
    sqlstate = "HV00D"


class SettingError(OptionError):
    sqlstate = "42704"


class RightError(OptionError):
    sqlstate = "42501"


class CredentialError(OptionError):
    sqlstate = "28000"


class CatalogError(PipedriveError):
    word = "catalogue"
    sqlstate = "XX000"


class PlanError(PipedriveError):
    word = "query"
    sqlstate = "HV00L"


class BudgetError(PlanError):
    word = "budget"
    sqlstate = "53400"


class DataError(PipedriveError):
    word = "data"
    sqlstate = "22000"


class WriteError(PipedriveError):
    word = "write"
    sqlstate = "22000"


class IdentityError(WriteError):
    """The statement finds the rows that it changes by what is the same for all rows."""

    sqlstate = "0A000"


class ReadOnlyError(WriteError):
    """A function would write, and PostgreSQL allows no write in this transaction."""

    sqlstate = "25006"


class ApiError(PipedriveError):
    word = "api"

    def __init__(self, message: str, detail: str = "", hint: str = "", status: int = 0) -> None:
        super().__init__(message, detail, hint)
        self.status = status


class AuthError(ApiError):
    word = "auth"
    sqlstate = "28000"


class AccessError(ApiError):
    word = "access"
    sqlstate = "42501"


class NotFoundError(ApiError):
    """*enveloped*: the answer has the form of Pipedrive's refusals, ``success: false``."""

    word = "not found"

    def __init__(
        self, message: str, detail: str = "", hint: str = "", status: int = 0, enveloped: bool = False
    ) -> None:
        super().__init__(message, detail, hint, status)
        self.enveloped = enveloped


class BurstLimitError(ApiError):
    word = "burst limit"
    sqlstate = "53400"


class DailyLimitError(ApiError):
    word = "daily limit"
    sqlstate = "53400"


class ProtocolError(PipedriveError):
    word = "protocol"
    sqlstate = "08P01"


class ConnectError(PipedriveError):
    """*arrived* is False when the request surely did not reach the API, *lasting* True when another attempt
    would fail likewise."""

    word = "connection"
    sqlstate = "08006"

    def __init__(
        self, message: str, detail: str = "", hint: str = "", arrived: bool = True, lasting: bool = False
    ) -> None:
        super().__init__(message, detail, hint)
        self.arrived, self.lasting = arrived, lasting


class OutcomeUnknownError(ConnectError):
    word = "outcome unknown"
    sqlstate = "08007"


class StateError(PipedriveError):
    word = "state"
    sqlstate = "58030"


class PreparedError(StateError):
    """The transaction does what ROLLBACK PREPARED could not undo."""

    sqlstate = "0A000"


class ReplacedError(StateError):
    """The session has loaded a part of a version of the package that is not there any more."""

    sqlstate = "55000"


class ResourceError(PipedriveError):
    word = "resources"
    sqlstate = "53000"


class Cancelled(PipedriveError):
    """*arrived* is False when the request that it ends was certainly not sent."""

    word = "cancelled"
    sqlstate = "57014"

    def __init__(self, message: str, detail: str = "", hint: str = "", arrived: bool = True) -> None:
        super().__init__(message, detail, hint)
        self.arrived = arrived


def fault_of(error: Exception) -> PipedriveError:
    """*error* itself, or what users see of a machine that lacks something, or of a fault of this package; its
    trace goes to the server's log."""
    if isinstance(error, PipedriveError):
        return error
    with contextlib.suppress(Exception):  # there may be no memory for it
        traceback.print_exception(type(error), error, error.__traceback__)
    if isinstance(error, MemoryError):
        return ResourceError(
            "out of memory",
            hint="Give the server more memory, or lower page_size, statement_memory and parallel.",
        )
    if isinstance(error, OSError):
        return ResourceError(
            "the operating system refuses what the statement needs", sentences(error.strerror or "")
        )
    return PipedriveError(
        f"internal fault: {type(error).__name__}",
        "This is a fault of pipedrive_fdw. The server's log has the details; please report them.",
    )
