"""Mends the paths for look-ups that Multicorn makes wrongly, before PostgreSQL's planner compares them.

For ``(a JOIN b) LEFT JOIN c ON c.x = a.id`` (and NOT EXISTS) Multicorn, in all its versions, takes the outer
join's condition for a look-up key of ``a``: a path that asks ``a`` for the value of a row of ``c`` which is
not there yet. When that path is the cheapest, the answer is wrong or the query fails. So after Multicorn has
made the paths of one of our tables, those whose conditions cannot be evaluated at its scan are taken out
again, in the hook that PostgreSQL has for changing the paths of a relation.

And a path names only the conditions on its keys, while PostgreSQL takes it that the scan checks every
condition that the outer side's values allow: of ``ON p.id = d.person_id AND p.org_id = d.org_id`` the second
was checked nowhere. So the paths that stay are given all of them, as PostgreSQL itself lists them.

In the same hook the conditions are mended that Multicorn misreads (run/operands.py), and the order of texts
is taken back where it would be misused (run/textorder.py).

The hook is ours only from the moment when Multicorn asks for the keys of one of our tables until PostgreSQL
calls it, which is next. So an extension that holds it (TimescaleDB, pg_hint_plan) goes on with all other
relations. To call its function from here would not do: an error in it would jump over Python's frames. On a
server of an unknown version nothing is planned: without this, answers could be wrong.

Struct offsets are those of PostgreSQL 13 to 18 on 64 bits (nodes/pathnodes.h); conditions are read from the
server's own text form of nodes.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any

from pipedrive_fdw.errors import PlanError
from pipedrive_fdw.run.backend import setting
from pipedrive_fdw.run.operands import Operands, elements
from pipedrive_fdw.run.textorder import TextOrder

_VERSIONS = range(130000, 190000)
_REL_PATHLIST, _PATH_PARAM_INFO, _PARAM_REQUIRED_OUTER = 40, 24, 8
_CLAUSE_RELIDS = re.compile(rb":clause_relids \(b([ \d]*)\)")
_OUTER_RELIDS = re.compile(rb":outer_relids \(b([ \d]*)\)")
_FOREIGN = b":relkind f "
_REQUIRED_OUTER = re.compile(rb":ppi_req_outer \(b([ \d]*)\)")
_Hook = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p)


def evaluable(parameters: bytes, relation: int) -> bool:
    """Whether the conditions of a parameterised path can be evaluated at the scan of *relation*.

    *parameters* is the text form of its ParamPathInfo, *relation* its number in the range table. A condition
    must use nothing but the relation and those that the path requires, and must not belong to an outer join
    that the relation is on the kept side of.
    """
    required = _REQUIRED_OUTER.search(parameters)
    clauses = _CLAUSE_RELIDS.findall(parameters)
    if required is None or not clauses:
        return False
    known = {relation, *map(int, required[1].split())}
    if any(relation in map(int, found.split()) for found in _OUTER_RELIDS.findall(parameters)):
        return False
    return all(known.issuperset(map(int, found.split())) for found in clauses)


class PathGuard:
    """Mends the scans of our tables while a statement is planned. One for each backend; main thread only."""

    def __init__(self) -> None:
        self._library: Any = None
        self._operands: Operands | None = None
        self._text_order: TextOrder | None = None
        self._hook = _Hook(self._paths_made)
        self._own = ctypes.cast(self._hook, ctypes.c_void_p).value or 0
        self._other: int | None = None

    def expect(self) -> None:
        """Called when the keys of one of our tables are asked for; right after it the hook is called, once.

        Raises PlanError where nothing can be mended, and so no answer be trusted.
        """
        if self._library is None and not self._load():
            return
        slot = self._slot()
        if slot.value != self._own:
            self._other, slot.value = slot.value, self._own

    def expect_text_order(self) -> bool:
        """Called after ``expect`` when the relation is about to be promised in the order of texts: False when
        it must not be."""
        if self._text_order is None:
            return False
        self._text_order.promised = True
        return True

    def _load(self) -> bool:
        """False outside a backend, where nothing is planned."""
        version = setting("server_version_num")
        if version is None:
            return False
        library = ctypes.CDLL(None)
        try:
            if int(version) not in _VERSIONS or ctypes.sizeof(ctypes.c_void_p) != 8:
                raise AttributeError
            self._operands = Operands(library, int(version) // 10000)
            self._text_order = TextOrder(library, int(version))
            library.list_delete_ptr.restype = ctypes.c_void_p
            library.list_delete_ptr.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
            library.get_baserel_parampathinfo.restype = ctypes.c_void_p
            library.get_baserel_parampathinfo.argtypes = [ctypes.c_void_p] * 3
        except AttributeError:
            raise PlanError(
                f"the planner of this server, version {version}, is not known to pipedrive_fdw",
                "Multicorn misreads conditions, which is mended there, and unmended answers could be wrong.",
                "Use PostgreSQL 14 to 18 on a 64-bit system, or a newer pipedrive_fdw.",
            ) from None
        self._library = library
        return True

    def _slot(self) -> ctypes.c_void_p:
        return ctypes.c_void_p.in_dll(self._library, "set_rel_pathlist_hook")

    def _paths_made(self, root: int, relation: int, number: int, entry: int) -> None:
        """The hook: the paths of one relation have been made."""
        self._slot().value = self._other
        # An error between expect() and here leaves us the next relation that is planned, whatever it is
        if self._operands is None or _FOREIGN not in self._library.nodeToString(entry):
            return
        self._operands.mend_scan(relation, number)
        head = ctypes.c_void_p.from_address(relation + _REL_PATHLIST)
        if self._text_order is not None:
            self._text_order.settle(root, elements(head.value))
        for path in list(elements(head.value)):
            parameters = ctypes.c_void_p.from_address(path + _PATH_PARAM_INFO)
            if not parameters.value:
                continue
            usable = evaluable(self._library.nodeToString(parameters.value), number)
            if not usable or self._operands.hides(parameters.value, number):
                head.value = self._library.list_delete_ptr(head.value, path)
                continue
            outer = ctypes.c_void_p.from_address(parameters.value + _PARAM_REQUIRED_OUTER).value
            parameters.value = self._library.get_baserel_parampathinfo(root, relation, outer)
            self._operands.mend_join(parameters.value or 0, number)


GUARD = PathGuard()
