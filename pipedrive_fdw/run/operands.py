"""Keeps Multicorn from misreading what a condition compares a column with.

When a scan begins, Multicorn, in all its versions, goes through the plan's conditions. Of ``column operator
operand`` it evaluates the operand, whatever that is, takes the four bytes where a Param has its type for
the type of the value (0 for that of the column), and prints the value by it. Const, Param, Var and OpExpr
have their type there. A call of a function has 0, so that a date was printed as the time that it is
compared with; a cast or a CASE has half a pointer, a type modifier, the type of an element. The outcome was
a wrong answer, an error about a type, or a crash.

So before PostgreSQL makes the plan, each condition that Multicorn would look at is judged:

- An operand whose type stands elsewhere is put into ``NULLIF(operand, NULL)``: the same value, by a node
  that has its type where Multicorn reads it. So it is sent, look-ups by a computed key among them.
- What Multicorn cannot print rightly by any type, or must not compare, is hidden: the column is put into
  such a NULLIF, Multicorn passes over the condition, and PostgreSQL checks it on each row, as it does with
  all of them.

Under EXPLAIN more is hidden. Multicorn2 prints values that it has not got, and crashes where they are
pointers; 1.4 evaluates operands whose parameters have no value yet.

Nobody else sees the change: the condition is copied, and the copy stands where only the scan's plan comes
from. What the query shows, sorts or joins by keeps its own expression, which PostgreSQL must find the same
elsewhere.

Struct offsets are those of PostgreSQL 13 to 18 on 64 bits (nodes/pathnodes.h, nodes/primnodes.h); kinds of
nodes are told apart by the server's own text form of them, because their numbers change.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any

from pipedrive_fdw.run.backend import explains

# In a RelOptInfo, by the major version of the server
_BASE_RESTRICTIONS = {13: 272, 14: 280, 15: 280, 16: 288, 17: 296, 18: 296}
_CLAUSE, _PARAM_CLAUSES = 8, 24
_VARNO, _ATTRIBUTE = 4, 8
_OPERATOR, _OPERATOR_FUNCTION, _OPERANDS = 4, 8, 32
# Of PlaceHolderVar, RelabelType and ArrayCoerceExpr
_WITHIN = 8
# Of Param, Var, OpExpr and NullIfExpr; of FuncExpr, which has there whether it returns a set or is variadic
_TYPE, _FUNCTION_TYPE = 12, 8
_LIST_LENGTH, _LIST_ELEMENTS = 4, 16

# OpExpr, DistinctExpr and NullIfExpr are one struct, with numbers one after the other
_NULLIF_AFTER_OPEXPR = 2
# int4 = int4: NULLIF needs an operator, and calls it only for two values that are not NULL
_EQUALS, _EQUALS_FUNCTION = 96, 65
# boolean, bigint, smallint, integer, real, double precision, date, time, timestamptz
_PLAIN = frozenset((16, 20, 21, 23, 700, 701, 1082, 1083, 1184))
_INTEGER, _TIMESTAMP, _TEXT, _VARCHAR = 23, 1114, 25, 1043
# What Multicorn prints rightly, and for EXPLAIN without a value. A timestamp would lose its fraction; of any
# other type (numeric, uuid, name, arrays) Multicorn2 follows a null pointer under EXPLAIN.
_PRINTED = _PLAIN | {_TEXT, _VARCHAR}
# Keys of look-ups, worth more than that: uuid, and arrays of bigint, integer, text, varchar, uuid
_BIGINTS = 1016
_KEYS = frozenset((2950, _BIGINTS, 1007, 1009, 1015, 2951))
# Arrays of integer, text and varchar, which are the same numbers as bigint[]; Multicorn passes over the cast
_WHOLE_NUMBERS = frozenset((1007, 1009, 1015))
# Operators and collations from here on are the user's own: what they find equal, Pipedrive need not
_FIRST_OWN = 16384

_WRAPPINGS = ("PLACEHOLDERVAR", "RELABELTYPE", "ARRAYCOERCEEXPR")
_TYPED = ("PARAM", "VAR", "OPEXPR", "NULLIFEXPR")
_INPUT_TYPE = re.compile(rb":(?:vartype|paramtype) (\d+) ")
_SUBPLANS = (b"{SUBPLAN ", b"{ALTERNATIVESUBPLAN ")


def pointer(address: int) -> int:
    """The pointer at *address*, 0 for none."""
    return ctypes.c_void_p.from_address(address).value or 0


def _number(address: int) -> int:
    return ctypes.c_uint.from_address(address).value


def _short(address: int) -> int:
    return ctypes.c_short.from_address(address).value


def elements(address: int | None) -> Any:
    """The pointers in a List of the server, as an array that can be written to."""
    if not address:
        return ()
    length = ctypes.c_int.from_address(address + _LIST_LENGTH).value
    return (ctypes.c_void_p * length).from_address(pointer(address + _LIST_ELEMENTS))


class Operands:
    """Mends the conditions of a scan that is being planned. Raises AttributeError where the server lacks what
    it takes."""

    def __init__(self, library: Any, version: int) -> None:
        """*version* is the major version of the server, 13 to 18."""
        self.restrictions = _BASE_RESTRICTIONS[version]
        self._operands = {"OPEXPR": _OPERANDS, "SCALARARRAYOPEXPR": 24 if version < 15 else 32}
        self._kinds: dict[int, str] = {}
        # For EXPLAIN Multicorn 1.4 (up to PostgreSQL 13) evaluates operands of which no value is there yet
        self._runs_for_explain = version < 14
        self._explains = self._explains_by_running = False
        node, number = ctypes.c_void_p, ctypes.c_uint
        self.text = function(library, "nodeToString", ctypes.c_char_p, node)
        self._copy = function(library, "copyObjectImpl", node, node)
        self._type = function(library, "exprType", number, node)
        self._collation = function(library, "exprCollation", number, node)
        self._compared_by = function(library, "exprInputCollation", number, node)
        self._null = function(library, "makeNullConst", node, number, ctypes.c_int, number)
        self._comparison = function(
            library, "make_opclause", node, number, number, ctypes.c_bool, node, node, number, number
        )
        if self._kind(self._nullif(self._null(_INTEGER, -1, 0))) != "NULLIFEXPR":
            raise AttributeError("NULLIFEXPR")

    def mend_scan(self, relation: int, number: int) -> None:
        """Mends the conditions on *relation* alone (a RelOptInfo), which has *number* in the range table."""
        self._explains = explains()
        self._explains_by_running = self._explains and self._runs_for_explain
        for restriction in elements(pointer(relation + self.restrictions)):
            clause = ctypes.c_void_p.from_address(restriction + _CLAUSE)
            clause.value, _ = self._shown(clause.value or 0, number)

    def mend_join(self, parameters: int, number: int) -> None:
        """Mends the conditions of a ParamPathInfo, as copies: other relations and joins share them."""
        conditions = elements(pointer(parameters + _PARAM_CLAUSES))
        for place, restriction in enumerate(conditions):
            clause = pointer(restriction + _CLAUSE)
            shown, _ = self._shown(clause, number)
            if shown != clause:
                copy: int = self._copy(restriction)
                ctypes.c_void_p.from_address(copy + _CLAUSE).value = shown
                conditions[place] = copy

    def is_hidden(self, restriction: int, number: int) -> bool:
        """Whether the condition of a RestrictInfo must be hidden: it is then no key to look up by."""
        return self._shown(pointer(restriction + _CLAUSE), number)[1]

    def compared(self, restriction: int, number: int, attribute: int) -> int:
        """The operator by which the condition of a RestrictInfo compares the column *attribute* of the
        relation *number* with what others give, 0 where it is no such condition."""
        clause = pointer(restriction + _CLAUSE)
        place = self._operands.get(self._kind(clause), 0)
        operands = list(elements(pointer(clause + place))) if place else []
        columns = [self.is_column(operand, number, attribute) for operand in operands]
        if len(operands) != 2 or columns[0] == columns[1]:
            return 0
        given = operands[columns.index(False)]
        return 0 if b":varno %d " % number in self.text(given) else _number(clause + _OPERATOR)

    def is_column(self, node: int, number: int, attribute: int) -> bool:
        """Whether *node* is the column *attribute* of the relation *number*."""
        bare = self._bare(node)
        return self._is_own(bare, number) and _short(bare + _ATTRIBUTE) == attribute

    def _shown(self, clause: int, number: int) -> tuple[int, bool]:
        """What may stand in the plan for *clause*, itself or a mended copy, and whether it is hidden."""
        place = self._operands.get(self._kind(clause), 0)
        operands = list(elements(pointer(clause + place))) if place else []
        own = [self._is_own(operand, number) for operand in operands]
        if len(operands) != 2 or own[0] == own[1]:
            return clause, False
        at = own.index(False)
        column, operand = operands[1 - at], operands[at]
        if self._kind(operand) != "CONST" and b":varno %d " % number in self.text(operand):
            return clause, False  # Multicorn leaves it alone, too
        hidden = self._must_hide(clause, column, operand)
        if not hidden and self._is_read(operand, self._type(self._bare(column))):
            return clause, False
        copy: int = self._copy(clause)
        copied = elements(pointer(copy + place))
        at = 1 - at if hidden else at
        copied[at] = self._nullif(copied[at])
        return copy, hidden

    def _kind(self, node: int) -> str:
        """The name of a kind of node. Its number changes with the server's version."""
        tag = _number(node)
        if tag not in self._kinds:
            self._kinds[tag] = self.text(node).split(b" ", 1)[0].strip(b"{").decode()
        return self._kinds[tag]

    def _bare(self, node: int) -> int:
        """What is left of *node* without what the planner or Multicorn takes off."""
        while self._kind(node) in _WRAPPINGS:
            node = pointer(node + _WITHIN)
        return node

    def _is_own(self, node: int, number: int) -> bool:
        bare = self._bare(node)
        return self._kind(bare) == "VAR" and _number(bare + _VARNO) == number

    def _must_hide(self, clause: int, column: int, operand: int) -> bool:
        """Whether Multicorn must not see *clause*, because of how it compares or of what."""
        if _number(clause + _OPERATOR) >= _FIRST_OWN or self._compared_by(clause) >= _FIRST_OWN:
            return True
        if self._kind(column) in _WRAPPINGS[1:] and self._type(column) != _TEXT:
            return True  # Multicorn takes it for the column itself
        taken = self._taken(operand)
        kind, of_type = self._kind(taken), self._type(taken)
        if kind == "CONST":
            return False
        worth = of_type == _TIMESTAMP or (of_type in _KEYS and not self._explains)
        if of_type not in _PRINTED and not (worth and kind in _TYPED):
            return True
        text = self.text(taken)
        if any(subplan in text for subplan in _SUBPLANS):
            return True  # it would be run once more
        return (
            self._explains_by_running
            and kind not in ("VAR", "PARAM")
            and not _PLAIN.issuperset(map(int, _INPUT_TYPE.findall(text)))
        )

    def _taken(self, operand: int) -> int:
        """What Multicorn takes in place of *operand*, where that means the same, else *operand*."""
        kind = self._kind(operand)
        if kind in _WRAPPINGS[1:]:
            within = pointer(operand + _WITHIN)
            same = _PRINTED | _KEYS if kind == "RELABELTYPE" else _WHOLE_NUMBERS
            if self._type(within) in same and (kind == "RELABELTYPE" or self._type(operand) == _BIGINTS):
                return within
        return operand

    def _is_read(self, operand: int, column_type: int) -> bool:
        """Whether Multicorn finds the type of *operand* by itself."""
        taken = self._taken(operand)
        if self._kind(taken) == "FUNCEXPR":
            return _number(taken + _TYPE) == 0 and _number(taken + _FUNCTION_TYPE) == column_type
        return self._kind(taken) in ("CONST", *_TYPED)

    def _nullif(self, node: int) -> int:
        """``NULLIF(node, NULL)``, of the same type and value."""
        kind, collation = self._type(node), self._collation(node)
        nothing = self._null(kind, -1, collation)
        made: int = self._comparison(_EQUALS, kind, False, node, nothing, collation, 0)
        ctypes.c_uint.from_address(made).value += _NULLIF_AFTER_OPEXPR
        ctypes.c_uint.from_address(made + _OPERATOR_FUNCTION).value = _EQUALS_FUNCTION
        return made


def function(library: Any, name: str, result: Any, *arguments: Any) -> Any:
    """The C function *name* of the server. Raises AttributeError where there is none."""
    found = getattr(library, name)
    found.restype = result
    found.argtypes = arguments
    return found
