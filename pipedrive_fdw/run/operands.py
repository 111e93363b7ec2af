"""Lets conditions compare a column with a bare ``current_date``.

When a scan begins, Multicorn, in all its versions, takes the operand of a condition for a parameter and reads
its type where a parameter has it. A ``current_date`` has its type modifier there, which is -1, and the query
ends with "lookup failed for type 4294967295". A date has no type modifier, and nothing looks at the one of an
operand, so the type is written there while the statement is planned.

Struct offsets are those of PostgreSQL 13 to 18 on 64 bits (nodes/pathnodes.h, nodes/primnodes.h).
"""

from __future__ import annotations

import ctypes
from typing import Any

_PARSE = 8
_OPERANDS = 32
_TYPE, _TYPE_MODIFIER = 8, 12
_LIST_LENGTH, _LIST_ELEMENTS = 4, 16
_CURRENT_DATE = b"{SQLVALUEFUNCTION :op 0 "
_Walker = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p)


def elements(address: int | None) -> list[int]:
    """The pointers in a List of the server."""
    if not address:
        return []
    length = ctypes.c_int.from_address(address + _LIST_LENGTH).value
    found = ctypes.c_void_p.from_address(address + _LIST_ELEMENTS).value
    return list((ctypes.c_void_p * length).from_address(found)) if found else []


class Operands:
    """Mends the operands of a query that is being planned. Raises AttributeError where the server lacks what
    it takes."""

    def __init__(self, library: Any) -> None:
        self._text = library.nodeToString
        self._walk = _function(library, "expression_tree_walker")
        self._walk_query = _function(library, "query_tree_walker")
        self._walker = _Walker(self._visit)

    def mend(self, root: int) -> None:
        """*root* is the PlannerInfo of the query."""
        query = ctypes.c_void_p.from_address(root + _PARSE).value
        if query and _CURRENT_DATE in self._text(query):
            self._walk_query(query, self._walker, None, 0)

    def _visit(self, node: int | None, within: int | None) -> bool:
        """Goes from the query to FROM and WHERE, and there to the conditions, but into none of them: what a
        query shows or sorts by must stay the same wherever it stands."""
        if not node:
            return False
        text: bytes = self._text(node)
        if text.startswith(b"{OPEXPR ") and within:
            self._mend(node)
        elif text.startswith((b"{FROMEXPR ", b"{JOINEXPR ", b"(") if within else b"{FROMEXPR "):
            self._walk(node, self._walker, node)
        return False

    def _mend(self, condition: int) -> None:
        for operand in elements(ctypes.c_void_p.from_address(condition + _OPERANDS).value):
            if self._text(operand).startswith(_CURRENT_DATE):
                kind = ctypes.c_uint.from_address(operand + _TYPE).value
                ctypes.c_int.from_address(operand + _TYPE_MODIFIER).value = kind


def _function(library: Any, name: str) -> Any:
    """A function that PostgreSQL 16 and later export under another name."""
    try:
        function = getattr(library, f"{name}_impl")
    except AttributeError:
        function = getattr(library, name)
    function.restype = ctypes.c_bool
    function.argtypes = [
        ctypes.c_void_p,
        _Walker,
        ctypes.c_void_p,
        *([ctypes.c_int] if "query" in name else []),
    ]
    return function
