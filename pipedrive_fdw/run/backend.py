"""The PostgreSQL backend that this code runs in, read through its own symbols; main thread only.

Multicorn gives no access to settings or to the statement, so they are read from the server's exported
functions and variables. Outside a backend (tests, the command line) each has a harmless answer.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from pipedrive_fdw.errors import OptionError

_outside = itertools.count()


class _Context(ctypes.Structure):
    """An ErrorContextCallback of the server (utils/elog.h), the same from 13 on."""


_Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Context._fields_ = [
    ("previous", ctypes.c_void_p),
    ("callback", _Callback),
    ("argument", ctypes.c_void_p),
]


@cache
def _function(name: str, result: Any, *arguments: Any) -> Any:
    try:
        function = getattr(ctypes.CDLL(None), name)
    except AttributeError:
        return None
    function.restype = result
    function.argtypes = list(arguments)
    return function


def statement_mark() -> Any:
    """A value that changes with each statement of the client and with each write of the backend's own."""
    started = _function("GetCurrentStatementStartTimestamp", ctypes.c_int64)
    if started is None:
        return next(_outside)
    return os.getpid(), started()


def command_mark() -> int:
    """A number that tells the commands of one statement apart, where a function runs several.

    PostgreSQL counts on when a command that writes has ended.
    """
    current = _function("GetCurrentCommandId", ctypes.c_uint32, ctypes.c_bool)
    return 0 if current is None else int(current(False))


def nest_level() -> int:
    """How deep in savepoints the transaction is, 1 without one."""
    level = _function("GetCurrentTransactionNestLevel", ctypes.c_int)
    return 1 if level is None else int(level())


def setting(name: str) -> str | None:
    """A setting of the session, ``pipedrive.*`` ones included; None where it is not set."""
    read = _function("GetConfigOption", ctypes.c_char_p, ctypes.c_char_p, ctypes.c_bool, ctypes.c_bool)
    if read is None:
        return None
    value: bytes | None = read(name.encode(), True, False)
    return None if value is None else value.decode()


# GucContext, GucSource, GucAction (utils/guc.h) and a level of messages below an error, the same from 13 on
_USER_SETS, _IN_SESSION, _LOCALLY, _NO_ERROR = 6, 13, 1, 14


def set_local(name: str, value: str) -> None:
    """SET LOCAL: after the transaction the setting is again what it was."""
    kinds = (
        ctypes.c_char_p,
        ctypes.c_char_p,
        *(ctypes.c_int,) * 3,
        ctypes.c_bool,
        ctypes.c_int,
        ctypes.c_bool,
    )
    change = _function("set_config_option", ctypes.c_int, *kinds)
    if change is not None:
        change(name.encode(), value.encode(), _USER_SETS, _IN_SESSION, _LOCALLY, True, _NO_ERROR, False)


def check_encoding() -> None:
    """Raises OptionError in a database that is not UTF8.

    Multicorn converts each text to the database's encoding. At a letter that this has not, Multicorn 2 fails
    somewhere in the middle, and 1.4 crashes the server.
    """
    encoding = setting("server_encoding")
    if encoding not in (None, "UTF8"):
        raise OptionError(
            f"the encoding of this database is {encoding}, and must be UTF8",
            hint="CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0",  # no letter that it has not
        )


def state_folder() -> Path | None:
    """The folder for what backends share, in the data directory, readable by the server's user alone.

    Its name begins with pgsql_tmp, which keeps it out of base backups. None outside a backend.
    """
    try:
        data = ctypes.c_char_p.in_dll(ctypes.CDLL(None), "DataDir").value
    except ValueError:
        return None
    if not data:
        return None
    folder = Path(os.fsdecode(data)) / "pgsql_tmp_pipedrive_fdw"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def statement_text() -> str:
    """The statement as the client sent it, empty outside a backend."""
    try:
        value = ctypes.c_char_p.in_dll(ctypes.CDLL(None), "debug_query_string").value
    except ValueError:
        return ""
    return (value or b"").decode("utf-8", "replace")


def explains() -> bool:
    """Whether the statement is, or may hold, an EXPLAIN."""
    return "explain" in statement_text().lower()


_BARE_COUNT = re.compile(
    r"\s*(explain\s*(\([\w\s,]*\)|analyze|verbose|\s)*)?select\s+count\s*\(\s*\*\s*\)(\s+(as\s+)?[a-z_]+)?"
    r"\s+from\s+(\w+\.|\"\w+\"\.)*\"?(?P<table>\w+)\"?(\s+(as\s+)?[a-z_]+)?\s*;?\s*",
    re.IGNORECASE,
)


def counts_only(text: str, table: str) -> bool:
    """Whether *text* is a bare ``SELECT count(*) FROM`` *table*.

    PostgreSQL names no column for it, as it names none for ``row_to_json(t)``: only the text tells them
    apart. Anything else, a view among them, is taken to need whole rows.
    """
    found = _BARE_COUNT.fullmatch(text)
    return found is not None and found["table"].lower() == table


_WITHOUT_NAMES = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_SORTED = re.compile(
    r"\b((?:order|group|partition) by|distinct(?: on)?)\b(.*?)"
    r"(?=\b(?:from|limit|offset|having|order|group|window|fetch|union|intersect|except|rows|range)\b|;|$)"
)


def sorts_whole_rows(text: str, table: str) -> bool:
    """Whether *text* sorts, groups or makes distinct by a whole row of *table*, as ``ORDER BY t`` does.

    What is no such thing for sure is none: an output column may have the table's name. A view or a function
    that does it is not found.
    """
    text = " ".join(_WITHOUT_NAMES.sub(" ", text).lower().replace('"', "").split())
    names = {table, *re.findall(rf"\b{table} (?:as )?(\w+)", text)}
    before = rf"(?:\bas |\) ?|\w )(?<!select )(?<!distinct )(?<!\b{table} )(?<!\b{table} as )"
    columns = {name for name in names if re.search(rf"{before}{name}(?:,| from\b)", text)}
    for clause, items in _SORTED.findall(text):
        listed = items.partition(")")[0] if clause == "distinct on" else items
        for item in listed.split(","):
            name = re.sub(r"\)* (?:asc|desc|nulls|using)\b.*", "", item.strip(" ()")).strip(" ()")
            if name in names and not ("by" in clause and name in columns):
                return True
            if "by" in clause and name.endswith(".*") and name[:-2] in names:
                return True
    return False


# MAKE_SQLSTATE('5','7','0','1','4'): each character is six bits.
_QUERY_CANCELED = sum((ord(character) - 48) << 6 * place for place, character in enumerate("57014"))


class Words:
    """Has PostgreSQL report an error of Python with words of ours.

    Multicorn 1.4 shows the class of an exception and no HINT, and no version lets it choose the SQLSTATE.
    Its ``log_to_postgres`` is no way out: it leaves Python by a jump, what was on Python's stack is never
    released, and after some hundred errors the backend crashes. So the error is raised as an ordinary
    exception, and the words are put in when PostgreSQL asks for the context of the error that Multicorn
    makes of it.
    """

    def __init__(self) -> None:
        self._words: tuple[str, str, str, bool] | None = None
        self._context = _Context(None, _Callback(self._fill), None)

    def instead(self, message: str, detail: str, hint: str, cancelled: bool) -> None:
        """The error that is raised next, and that Multicorn reports, says this. Main thread only."""
        try:
            stack = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "error_context_stack")
        except ValueError:
            return
        self._words = (message, detail, hint, cancelled)
        own = ctypes.addressof(self._context)
        # PostgreSQL takes it off again where it recovers from the error; twice in the stack it were a circle
        entry = stack.value
        while entry and entry != own:
            entry = _Context.from_address(entry).previous
        if not entry:
            self._context.previous = stack.value
            stack.value = own

    def _fill(self, _argument: Any) -> None:
        if self._words is None:
            return
        message, detail, hint, cancelled = self._words
        self._words = None
        server = ctypes.PyDLL(None)
        server.errmsg_internal(b"%s", message.encode())
        # Multicorn 1.4 has put something into both that must be replaced
        server.errdetail_internal(b"%s", detail.encode() or b" ")
        server.errdetail_log(b"%s", detail.encode() or b" ")
        if hint:
            server.errhint(b"%s", hint.encode())
        if cancelled:
            server.errcode(_QUERY_CANCELED)


WORDS = Words()
_WARNING = 19  # utils/elog.h, the same from 13 on


def warn(message: str) -> None:
    """A WARNING to the client; main thread only.

    Multicorn's ``log_to_postgres`` releases objects that are not its own, and with Python 3.14 the backend
    crashes some calls later.
    """
    server = ctypes.PyDLL(None)
    try:
        held = ctypes.c_uint.in_dll(server, "InterruptHoldoffCount")
    except ValueError:
        return
    server.errstart.restype = ctypes.c_bool
    held.value += 1  # a cancel would be looked for at the end, and jump over Python's frames
    try:
        if server.errstart(_WARNING, None):
            server.errmsg_internal(b"%s", message.encode())
            server.errfinish(b"", 0, b"")
    finally:
        held.value -= 1
