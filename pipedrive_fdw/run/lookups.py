"""Makes the paths by which a join looks rows up by key, as postgres_fdw has them, in Multicorn's place.

Multicorn makes such paths of the keys that a wrapper offers. It does not look where a join's condition
belongs, so that one of an outer join could decide which rows of its own side are there; it names only the
conditions on the keys, while PostgreSQL takes it that such a scan checks all that the outer side's values
allow; and from PostgreSQL 16 on it fails at some outer joins ("unrecognized node type"). So it is offered no
keys (docs/decisions/look-ups-made-here.md).

A path is made for each set of relations that gives values for all columns of a key: by PostgreSQL's own list
of what equals the column, and by join conditions that may be checked at the scan. PostgreSQL itself then
lists the conditions that the path checks.

Struct offsets are those of PostgreSQL 13 to 18 on 64 bits (nodes/pathnodes.h).
"""

from __future__ import annotations

import ctypes
import itertools
import re
from collections.abc import Iterator, Sequence

from pipedrive_fdw.run.operands import Operands, elements, function, pointer

# (columns of the foreign table, rows that one value gives)
Keys = Sequence[tuple[tuple[str, ...], int]]
# Of a RelOptInfo; the join conditions come after those of its own, and their cost
_TARGET, _PATHS, _LATERAL, _JOINS_BEHIND = 32, 40, 104, 32
_WIDTH, _PARAMETERS, _MEMBER = 40, 24, 8
# The cost that Multicorn gives the beginning of every scan
_STARTUP = 20.0
_TABLE = re.compile(rb":relid (\d+) ")
_RELATIONS = re.compile(rb":clause_relids \(b([ \d]*)\)")
_EVERY_OF_ARRAY = b":useOr false"
# The selectivity function of operators that mean "equal"
_EQUALITY = 101
_Matches = ctypes.CFUNCTYPE(
    ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)


class LookupPaths:
    """Adds the paths of a relation. Raises AttributeError where the server lacks what it takes."""

    def __init__(self, library: ctypes.CDLL, version: int, operands: Operands) -> None:
        """*version* is the major version of the server, 13 to 18."""
        self._operands = operands
        self._joins = operands.restrictions + _JOINS_BEHIND
        # What newer versions want besides: disabled_nodes, fdw_restrictinfo
        self._disabled = (0,) if version >= 18 else ()
        self._restricted = (None,) if version >= 17 else ()
        node, number, real = ctypes.c_void_p, ctypes.c_int, ctypes.c_double
        self._attribute = function(library, "get_attnum", ctypes.c_short, ctypes.c_uint, ctypes.c_char_p)
        self._selectivity = function(library, "get_oprrest", ctypes.c_uint, ctypes.c_uint)
        self._movable = function(library, "join_clause_is_movable_to", ctypes.c_bool, node, node)
        self._equals = function(
            library, "generate_implied_equalities_for_column", node, node, node, _Matches, node, node
        )
        self._append = function(library, "lappend", node, node, node)
        self._with = function(library, "bms_add_member", node, node, number)
        costs = (real, *(number for _ in self._disabled), real, real)
        rest = (node, node, node, *(node for _ in self._restricted), node)
        self._path = function(library, "create_foreignscan_path", node, node, node, node, *costs, *rest)

    def add(self, root: int, relation: int, number: int, table: bytes, keys: Keys) -> None:
        """Adds the paths of *relation* (a RelOptInfo), which has *number* in the range table and is described
        by *table*, the text form of its entry there."""
        found = _TABLE.search(table)
        if found is None:
            raise ValueError("an entry of the range table without a table")
        wanted: dict[frozenset[int], int] = {}
        for columns, rows in keys:
            attributes = [self._attribute(int(found[1]), name.encode()) for name in columns]
            givers = [self._givers(root, relation, number, attribute) for attribute in attributes]
            for each in itertools.product(*givers):
                outer = frozenset().union(*each)
                wanted[outer] = min(rows, wanted.get(outer, rows))
        head = ctypes.c_void_p.from_address(relation + _PATHS)
        width = ctypes.c_int.from_address(pointer(relation + _TARGET) + _WIDTH).value
        for outer, rows in wanted.items():
            path = self._made(root, relation, rows, width, outer)
            self._operands.mend_join(pointer(path + _PARAMETERS), number)
            head.value = self._append(head.value, path)

    def _made(self, root: int, relation: int, rows: int, width: int, outer: frozenset[int]) -> int:
        """A path that gives *rows* rows for each of *outer*'s."""
        required: int | None = None
        for number in sorted(outer):
            required = self._with(required, number)
        costs = (float(rows), *self._disabled, _STARTUP, float(rows * width))
        rest = (None, required, None, *self._restricted, None)
        path: int = self._path(root, relation, None, *costs, *rest)
        return path

    def _givers(self, root: int, relation: int, number: int, attribute: int) -> set[frozenset[int]]:
        """The sets of relations that give a value for the column *attribute*."""

        def matches(_root: int, _relation: int, _class: int, member: int, _argument: int) -> bool:
            return self._operands.is_column(pointer(member + _MEMBER), number, attribute)

        lateral = pointer(relation + _LATERAL) or None
        equal = self._equals(root, relation, _Matches(matches), None, lateral)
        joined = self._joined(relation, number, attribute)
        conditions = (
            each for each in (*elements(equal), *joined) if not self._operands.is_hidden(each, number)
        )
        return {outer for each in conditions if (outer := self._outer(each) - {number})}

    def _joined(self, relation: int, number: int, attribute: int) -> Iterator[int]:
        """The join conditions ``column = value of others`` that may be checked at the scan."""
        for condition in elements(pointer(relation + self._joins)):
            operator = self._operands.compared(condition, number, attribute)
            if not operator or self._selectivity(operator) != _EQUALITY:
                continue
            if _EVERY_OF_ARRAY not in self._operands.text(condition) and self._movable(condition, relation):
                yield condition

    def _outer(self, condition: int) -> frozenset[int]:
        """The relations whose rows *condition* needs."""
        found = _RELATIONS.search(self._operands.text(condition))
        return frozenset(map(int, found[1].split() if found else ()))
