"""The contract with the C part (src/pipedrive_fdw.c): questions in, answers and errors out.

Before the C part calls Python it lays down a question as JSON. Python fetches it, and answers with a text,
with rows, or with an error's words. None of the functions called here can raise in the server. Outside a
server (tests, the command line) there is no question, and every statement is a new one.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

import orjson

from pipedrive_fdw.errors import AuthError, Cancelled, CredentialError, PipedriveError, sentences
from pipedrive_fdw.masking import shown
from pipedrive_fdw.postgres.settings import SYMBOLS, statement_start

_outside = itertools.count()
_answered: list[bytes] = []  # the words of the last answer, which the C part does not copy
_transactions = 0  # that have ended
_symbols: dict[str, Any] = {}  # those that have been found


def _symbol(name: str, find: Callable[[ctypes.PyDLL, str], Any]) -> Any:
    """What *find* makes of the C part's symbol *name*, None as long as the C part is not there."""
    if name not in _symbols:
        try:
            _symbols[name] = find(SYMBOLS, f"pipedrive_fdw_{name}")
        except (AttributeError, ValueError):
            return None
    return _symbols[name]


def _function(name: str, result: Any, *arguments: Any) -> Any:
    """The C part's function *name*, None where there is none."""

    def find(library: ctypes.PyDLL, symbol: str) -> Any:
        function = getattr(library, symbol)
        function.restype, function.argtypes = result, list(arguments)
        return function

    return _symbol(name, find)


@dataclass(frozen=True)
class Question:
    """A question of the C part.

    call     the kind of question
    members  what it is about, by name
    options  those that stand on the foreign table itself, empty where it is about none
    """

    call: str
    members: Mapping[str, Any]
    options: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        return self.members[name]


def question() -> Question | None:
    """The question that waits for an answer; None outside a server, and on a server without the C part."""
    pointer = _symbol("question", ctypes.c_char_p.in_dll)
    if pointer is None or not pointer.value:
        return None
    # Names that all databases share (roles) may be of another encoding
    members = orjson.loads(pointer.value.decode("utf-8", "replace"))
    return Question(members["call"], members, members["options"])


def answer(text: str | bytes) -> None:
    """Answers the question by *text*; bytes are UTF-8, and nobody else's: the C part writes over them."""
    _answer("", text, "", "", False)


def fail(error: PipedriveError) -> None:
    """Answers the question by an error, which the C part raises when Python has returned. One about a
    credential says whose it is."""
    detail = sentences(error.detail, shown(_whose_credential(error)))
    _answer(error.sqlstate, error.message, detail, error.hint, isinstance(error, Cancelled))


def _whose_credential(error: PipedriveError) -> str:
    """Whose credential the *error* refuses or misses, and for which server; empty for another error."""
    refused = isinstance(error, AuthError)
    asked = question() if refused or isinstance(error, CredentialError) else None
    caller = asked and asked.members.get("caller")
    if not caller:
        return ""
    server = caller["server"]
    whose = (
        f"It is that of the user mapping for {caller['mapping']} on server {server}"
        if refused
        else f"User {caller['user']} needs one for server {server}"
    )
    owner = "" if caller["user"] == caller["current_user"] else "A view reads as its owner"
    return sentences(whose, owner)


def _answer(sqlstate: str, text: str | bytes, detail: str, hint: str, cancelled: bool) -> None:
    give = _function("answer", None, *(ctypes.c_char_p,) * 4, ctypes.c_int)
    if give is not None:
        _answered[:] = map(_words, (sqlstate, text, detail, hint))
        give(*_answered, cancelled)


def _words(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace").replace(b"\0", b"")


def depth() -> int:
    """The depth of savepoints in the transaction, 1 without one."""
    asked = question()
    return 1 if asked is None else int(asked["depth"])


def server() -> str:
    """The name of the server that the question is about, '' for none."""
    asked = question()
    return str(asked.members.get("caller", {}).get("server", "")) if asked else ""


def statement() -> Any:
    """A value that changes with each statement of the client, and within one at each COMMIT."""
    started = statement_start()
    return next(_outside) if started is None else (os.getpid(), started, _transactions)


def query() -> Any:
    """The same for the query that runs, with all that its functions ask.

    If the client takes its rows in pieces, the query is several statements.
    """
    began = _function("query_began", ctypes.c_int64)
    return statement() if began is None else (os.getpid(), began(), _transactions)


def transaction_ended() -> None:
    """A COMMIT or ROLLBACK has been made: statement() changes, also within a procedure."""
    global _transactions
    _transactions += 1


def log(text: str) -> None:
    """Writes a line to the server's log, and to nobody else. *text* is UTF-8 without NUL."""
    write = _function("log", None, ctypes.c_char_p)
    if write is not None:
        write(text.encode())


def interrupted() -> bool:
    """True if PostgreSQL wants the statement to end, or the client is gone."""
    flag = _function("interrupted", ctypes.c_int)
    return flag is not None and bool(flag())
