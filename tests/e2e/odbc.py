"""As much of ODBC as a positioned update needs, by the driver manager's functions: pyodbc has none of it."""

from __future__ import annotations

import ctypes
import ctypes.util
from types import TracebackType
from typing import Any

import pytest

_HANDLE_ENV, _HANDLE_DBC, _HANDLE_STMT = 1, 2, 3
_ATTR_ODBC_VERSION, _OV_ODBC3 = 200, 3
_ATTR_CURSOR_TYPE, _CURSOR_KEYSET_DRIVEN = 6, 1
_ATTR_CONCURRENCY, _CONCUR_ROWVER = 7, 3
_C_CHAR, _C_SBIGINT, _FETCH_NEXT, _NTS = 1, -25, 1, -3
UPDATE, DELETE = 2, 3


def skip_without_driver() -> None:
    """Skips the test unless PostgreSQL's driver is installed. pyodbc cannot be imported without a manager."""
    if ctypes.util.find_library("odbc") is not None:
        pyodbc = pytest.importorskip("pyodbc", reason="pyodbc is installed on Linux alone")
        if "PostgreSQL Unicode" in pyodbc.drivers():
            return
    pytest.skip("psqlODBC is not installed (Debian: odbc-postgresql, unixodbc)")


class OdbcError(Exception):
    """SQLSTATE and message of the driver."""


class PositionedCursor:
    """An updatable cursor over rows of a number and a text; ``fetch`` moves it, ``write`` changes its row."""

    def __init__(self, connection: str, query: str) -> None:
        """*connection* is a connection string. Raises OdbcError."""
        self._odbc = ctypes.CDLL(ctypes.util.find_library("odbc") or "libodbc.so.2")
        self._handles: list[tuple[int, ctypes.c_void_p]] = []
        env = self._handle(_HANDLE_ENV, None)
        self._call("SQLSetEnvAttr", _HANDLE_ENV, env, _ATTR_ODBC_VERSION, ctypes.c_void_p(_OV_ODBC3), 0)
        link = self._handle(_HANDLE_DBC, env)
        text = connection.encode()
        self._call("SQLDriverConnect", _HANDLE_DBC, link, None, text, _NTS, None, 0, None, 0)
        self._link = link
        self._cursor = cursor = self._handle(_HANDLE_STMT, link)
        for attribute, value in (
            (_ATTR_CURSOR_TYPE, _CURSOR_KEYSET_DRIVEN),
            (_ATTR_CONCURRENCY, _CONCUR_ROWVER),
        ):
            self._call("SQLSetStmtAttr", _HANDLE_STMT, cursor, attribute, ctypes.c_void_p(value), 0)
        self._call("SQLExecDirect", _HANDLE_STMT, cursor, query.encode(), _NTS)
        self._number, self._text = ctypes.c_longlong(), ctypes.create_string_buffer(200)
        self._lengths = (ctypes.c_ssize_t * 2)()
        for place, (kind, buffer) in enumerate(((_C_SBIGINT, self._number), (_C_CHAR, self._text))):
            length = ctypes.byref(self._lengths, place * ctypes.sizeof(ctypes.c_ssize_t))
            size = ctypes.c_ssize_t(ctypes.sizeof(buffer))
            self._call(
                "SQLBindCol", _HANDLE_STMT, cursor, place + 1, kind, ctypes.byref(buffer), size, length
            )

    def __enter__(self) -> PositionedCursor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for kind_of_handle, handle in reversed(self._handles):
            if kind_of_handle == _HANDLE_DBC:
                self._odbc.SQLDisconnect(handle)
            self._odbc.SQLFreeHandle(kind_of_handle, handle)

    def fetch(self) -> tuple[int, str]:
        """The next row, on which the cursor stands then."""
        self._call("SQLFetchScroll", _HANDLE_STMT, self._cursor, _FETCH_NEXT, ctypes.c_ssize_t(0))
        return self._number.value, self._text.value.decode()

    def write(self, operation: int, text: str = "") -> None:
        """UPDATE, with a new text, or DELETE of the row on which the cursor stands. Raises OdbcError."""
        self._text.value = text.encode()
        self._lengths[1] = len(text.encode())
        self._lengths[0] = -6  # SQL_COLUMN_IGNORE
        self._call("SQLSetPos", _HANDLE_STMT, self._cursor, ctypes.c_ulong(1), operation, 0)

    def _handle(self, kind: int, parent: ctypes.c_void_p | None) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        if self._odbc.SQLAllocHandle(kind, parent, ctypes.byref(handle)) not in (0, 1):
            raise OdbcError("no handle")
        self._handles.append((kind, handle))
        return handle

    def _call(self, function: str, kind: int, handle: ctypes.c_void_p, *arguments: Any) -> None:
        if getattr(self._odbc, function)(handle, *arguments) not in (0, 1):
            state, text = ctypes.create_string_buffer(6), ctypes.create_string_buffer(2000)
            native, length = ctypes.c_int(), ctypes.c_short()
            self._odbc.SQLGetDiagRec(
                kind, handle, 1, state, ctypes.byref(native), text, len(text), ctypes.byref(length)
            )
            raise OdbcError(f"{state.value.decode()} {text.value.decode(errors='replace')}")
