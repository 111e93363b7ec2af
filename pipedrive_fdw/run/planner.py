"""Mends the paths for look-ups that Multicorn makes wrongly, before PostgreSQL's planner compares them.

For ``(a JOIN b) LEFT JOIN c ON c.x = a.id`` (and NOT EXISTS) Multicorn, in all its versions, takes the outer
join's condition for a look-up key of ``a``: a path that asks ``a`` for the value of a row of ``c`` which is
not there yet. When that path is the cheapest, the answer is wrong or the query fails. So after Multicorn has
made the paths of one of our tables, those whose conditions cannot be evaluated at its scan are taken out
again, in the hook that PostgreSQL has for changing the paths of a relation.

And a path names only the conditions on its keys, while PostgreSQL takes it that the scan checks every
condition that the outer side's values allow: of ``ON p.id = d.person_id AND p.org_id = d.org_id`` the second
was checked nowhere. So the paths that stay are given all of them, as PostgreSQL itself lists them.

Without the hook (another extension holds it, an unknown version of the server) no look-up keys are offered,
which costs requests, never rows.

Struct offsets are those of PostgreSQL 13 to 18 on 64 bits (nodes/pathnodes.h); conditions are read from the
server's own text form of nodes.

The same hook mends operands that Multicorn misreads (run/operands.py), and takes the order of texts back
where it would be misused (run/textorder.py).
"""

from __future__ import annotations

import ctypes
import re
from typing import Any

from pipedrive_fdw.run.backend import setting
from pipedrive_fdw.run.operands import Operands, elements
from pipedrive_fdw.run.textorder import TextOrder

_VERSIONS = range(130000, 190000)
_REL_PATHLIST, _PATH_PARAM_INFO, _PARAM_REQUIRED_OUTER = 40, 24, 8
_CLAUSE_RELIDS = re.compile(rb":clause_relids \(b([ \d]*)\)")
_OUTER_RELIDS = re.compile(rb":outer_relids \(b([ \d]*)\)")
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
    """Takes the unusable paths out and completes the others, once it is installed. One for each backend; main
    thread only."""

    def __init__(self) -> None:
        self._library: Any = None
        self._hook: Any = None
        self._operands: Operands | None = None
        self._text_order: TextOrder | None = None
        self._expected = False

    def expect(self) -> bool:
        """Called when keys are about to be offered for a relation: False when they must not be."""
        if self._hook is None and not self._install():
            return False
        self._expected = True
        return True

    def expect_text_order(self) -> bool:
        """Called when a relation is about to be promised in the order of texts: False when it must not be."""
        if not self.expect() or self._text_order is None:
            return False
        self._text_order.promised = True
        return True

    def _install(self) -> bool:
        version = setting("server_version_num")
        if version is None or int(version) not in _VERSIONS or ctypes.sizeof(ctypes.c_void_p) != 8:
            return False
        library = ctypes.CDLL(None)
        try:
            slot = ctypes.c_void_p.in_dll(library, "set_rel_pathlist_hook")
            library.nodeToString.restype = ctypes.c_char_p
            library.nodeToString.argtypes = [ctypes.c_void_p]
            library.list_delete_ptr.restype = ctypes.c_void_p
            library.list_delete_ptr.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
            library.get_baserel_parampathinfo.restype = ctypes.c_void_p
            library.get_baserel_parampathinfo.argtypes = [ctypes.c_void_p] * 3
            self._operands = Operands(library)
            self._text_order = TextOrder(library, int(version))
        except (ValueError, AttributeError):
            return False
        if slot.value:
            # An error of the other extension's hook would jump over our frames.
            return False
        self._library = library
        self._hook = _Hook(self._paths_made)
        slot.value = ctypes.cast(self._hook, ctypes.c_void_p).value
        return True

    def _paths_made(self, root: int, relation: int, number: int, _entry: int) -> None:
        """The hook: the paths of one relation have been made; ours come right after ``expect``."""
        if not self._expected:
            return
        self._expected = False
        if self._operands is not None:
            self._operands.mend(root)
        head = ctypes.c_void_p.from_address(relation + _REL_PATHLIST)
        if self._text_order is not None:
            self._text_order.settle(root, elements(head.value))
        for path in elements(head.value):
            parameters = ctypes.c_void_p.from_address(path + _PATH_PARAM_INFO)
            if not parameters.value:
                continue
            if not evaluable(self._library.nodeToString(parameters.value), number):
                head.value = self._library.list_delete_ptr(head.value, path)
                continue
            outer = ctypes.c_void_p.from_address(parameters.value + _PARAM_REQUIRED_OUTER).value
            parameters.value = self._library.get_baserel_parampathinfo(root, relation, outer)


GUARD = PathGuard()
