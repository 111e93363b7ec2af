"""Mends what Multicorn does while a statement is planned, in the hook that PostgreSQL has for each relation.

Multicorn, in all its versions, makes wrong paths for look-ups (run/lookups.py makes them instead), misreads
operands of conditions (run/operands.py), and does not know what an order is wanted for (run/textorder.py).

The hook is ours only from the moment when Multicorn asks for the keys of one of our tables until PostgreSQL
calls it, which is next. So an extension that holds it (TimescaleDB, pg_hint_plan) goes on with all other
relations. To call its function from here would not do: an error in it would jump over Python's frames. On a
server of an unknown version nothing is planned: without this, answers could be wrong.

Struct offsets are those of PostgreSQL 13 to 18 on 64 bits (nodes/pathnodes.h).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from pipedrive_fdw.errors import PlanError
from pipedrive_fdw.run.backend import set_local, setting, statement_mark
from pipedrive_fdw.run.lookups import Keys, LookupPaths
from pipedrive_fdw.run.operands import Operands, elements
from pipedrive_fdw.run.textorder import TextOrder

_VERSIONS = range(130000, 190000)
_PATHS = 40
_FOREIGN = b":relkind f "
_Hook = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p)


class _Tools:
    """What the hook works with, made for one version of the server. Raises AttributeError where it lacks
    something."""

    def __init__(self, library: ctypes.CDLL, version: int) -> None:
        self.text = library.nodeToString
        self.text.restype = ctypes.c_char_p
        self.text.argtypes = [ctypes.c_void_p]
        self.slot = ctypes.c_void_p.in_dll(library, "set_rel_pathlist_hook")
        self.operands = Operands(library, version)
        self.lookups = LookupPaths(library, version, self.operands)
        self.text_order = TextOrder(library, version)


class Planner:
    """One for each backend; main thread only."""

    def __init__(self) -> None:
        self._tools: _Tools | None = None
        self._hook = _Hook(self._paths_made)
        self._own = ctypes.cast(self._hook, ctypes.c_void_p).value or 0
        self._other: int | None = None
        self._keys: Keys = ()
        self._statement: Any = None
        self._fault: Exception | None = None

    def expect(self, keys: Sequence[tuple[tuple[str, ...], int]]) -> None:
        """Called when the look-up *keys* of one of our tables are asked for (columns, rows that one value
        gives); right after it the hook is called, once.

        Raises PlanError where nothing can be mended, and so no answer be trusted.
        """
        if self._tools is None and not self._load():
            return
        assert self._tools is not None  # noqa: S101 - loaded
        self._keys, self._fault, self._statement = keys, None, statement_mark()
        if setting("jit") == "on":  # Multicorn's scans would be compiled anew for each key that is looked up
            set_local("jit", "off")
        if self._tools.slot.value != self._own:
            self._other, self._tools.slot.value = self._tools.slot.value, self._own

    def expect_text_order(self) -> bool:
        """Called when a relation is about to be promised in the order of texts: False when it must not be."""
        if self._tools is None:
            return False
        self._tools.text_order.promised = True
        return True

    def check(self) -> None:
        """Called when a scan begins. Raises PlanError when the last plan could not be mended."""
        fault, self._fault = self._fault, None
        if fault is not None:
            raise PlanError(
                "the plan of this statement could not be looked at",
                f"{type(fault).__name__}: {fault}. Its answer could be wrong.",
                "Please report it, with the statement.",
            )

    def _load(self) -> bool:
        """False outside a backend, where nothing is planned."""
        version = setting("server_version_num")
        if version is None:
            return False
        try:
            if int(version) not in _VERSIONS or ctypes.sizeof(ctypes.c_void_p) != 8:
                raise AttributeError
            self._tools = _Tools(ctypes.CDLL(None), int(version) // 10000)
        except (AttributeError, ValueError):
            raise PlanError(
                f"the planner of this server, version {version}, is not known to pipedrive_fdw",
                "Multicorn misreads conditions, which is mended there, and unmended answers could be wrong.",
                "Use PostgreSQL 14 to 18 on a 64-bit system, or a newer pipedrive_fdw.",
            ) from None
        return True

    def _paths_made(self, root: int, relation: int, number: int, entry: int) -> None:
        """The hook: Multicorn has made the paths of one relation."""
        tools = self._tools
        assert tools is not None  # noqa: S101 - the hook is set by expect
        tools.slot.value = self._other
        try:
            described = tools.text(entry)
            # An error between expect() and here leaves us the next relation that is planned, whatever it is
            if _FOREIGN not in described or self._statement != statement_mark():
                return
            tools.operands.mend_scan(relation, number)
            head = ctypes.c_void_p.from_address(relation + _PATHS)
            tools.text_order.settle(root, elements(head.value))
            tools.lookups.add(root, relation, number, described, self._keys)
        except Exception as fault:  # noqa: BLE001 - ctypes would print it and go on
            self._fault = fault


PLANNER = Planner()
