"""Conditions as the C part describes them → column, operator and operand. Pure.

A condition is a tree of JSON (json_expression() in src/pipedrive_fdw.c):

    {"column": name}                         a column of the scanned table
    {"type": name, "value": text}            an operand that is known; null is SQL's NULL
    {"type": name, "parameter": number}      an operand that is known when the scan runs
    {"operator": name, "arguments": [...]}   also tests, like "IS NULL", and "NOT", "AND", "OR"
    {"function": name, "arguments": [...]}
    null                                     anything else

A tree of another form than column, operator, operand is left out: PostgreSQL checks every row itself, so that
leaving one out only makes the request wider. Of an OR remain the columns that equal something on each of its
sides: a = 1 OR a = 2 is a IN (1, 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pipedrive_fdw.values.array_literals import parse_array_literal
from pipedrive_fdw.values.codec import bare_type

Tree = Any

# The operators that compare, with the operator that says the same from right to left.
_SWAPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ONE_WAY = frozenset(("~~", "~~*", "!~~", "!~~*", "~", "~*", "!~", "!~*"))
_SHIFTS = frozenset(("+", "-"))
_ROUNDING = frozenset(("trunc", "round"))  # to a number of digits
_ARRAYS = frozenset(("= ANY", "<> ALL"))
_TESTS = frozenset(("IS NULL", "IS NOT NULL", "IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE"))
# How many elements an array is guessed to have that is known only when the scan runs, as PostgreSQL guesses.
_UNKNOWN_ELEMENTS = 10


class RuntimeValue(str):
    """A value that is known only when the scan runs; its text is the expression that gives it."""


class Condition(NamedTuple):
    """``column operator value``.

    operator  =, <>, <, <=, >, >=, ~~ and the like; = ANY and <> ALL; a test such as IS NULL
    value     the operand as PostgreSQL prints it, None for NULL; for an array a list of such values
    type      PostgreSQL's name of the operand's type, of an array's elements; '' for a test
    through   calls around the column, the inner first: (('timezone', 'UTC'), ('+', '1 day'), ('date',))
    """

    column: str
    operator: str
    value: Any = None
    type: str = ""
    through: tuple[tuple[str, ...], ...] = ()


def read_conditions(trees: Iterable[Tree], parameters: Sequence[Any] | None) -> list[Condition]:
    """The conditions that *trees* describe; *parameters* are the values of operands by number.

    A value is PostgreSQL's text, None for NULL, or a RuntimeValue. None for *parameters* stands for values of
    which nothing is known.
    """
    return [condition for tree in trees for condition in _implied_by(tree, parameters)]


def are_simple(trees: Iterable[Tree]) -> bool:
    """True if read_conditions() tells all that *trees* say."""
    return all(_read(tree, None) is not None for tree in trees)


def read_join_conditions(trees: Iterable[Tree]) -> list[Condition]:
    """Those of *trees* by whose values of another table rows can be looked up. An OR is none: each of its
    sides would cost a look-up for each row of the other table."""
    found = (_read(tree, None) for tree in trees)
    return [condition for condition in found if condition is not None]


def _implied_by(tree: Tree, parameters: Sequence[Any] | None) -> list[Condition]:
    """What holds where *tree* does."""
    joint = tree.get("operator") if isinstance(tree, dict) else None
    if joint == "AND":
        return read_conditions(tree["arguments"], parameters)
    if joint == "OR":
        return _common([_implied_by(side, parameters) for side in tree["arguments"]])
    condition = _read(tree, parameters)
    return [] if condition is None else [condition]


def _common(sides: Sequence[Sequence[Condition]]) -> list[Condition]:
    """What holds where all conditions of one of *sides* do: that a column has one of several values."""
    values: dict[tuple[str, str], list[Any]] = {}
    for number, side in enumerate(sides):
        equal = {(c.column, c.type): c for c in side if c.operator in ("=", "= ANY") and not c.through}
        values = {
            of: [*values.get(of, ()), *((c.value or ()) if c.operator == "= ANY" else [c.value])]
            for of, c in equal.items()
            if number == 0 or of in values
        }
    return [Condition(column, "= ANY", found, kind) for (column, kind), found in values.items()]


def _read(tree: Tree, parameters: Sequence[Any] | None) -> Condition | None:
    if not isinstance(tree, dict):
        return None
    if "column" in tree:
        return Condition(tree["column"], "IS TRUE")
    operator, arguments = tree.get("operator", ""), tree.get("arguments", [])
    if operator == "NOT" and isinstance(arguments[0], dict) and "column" in arguments[0]:
        return Condition(arguments[0]["column"], "IS FALSE")
    if operator in _TESTS:
        inner = arguments[0]
        return Condition(inner["column"], operator) if isinstance(inner, dict) and "column" in inner else None
    if len(arguments) != 2:
        return None
    left, right = arguments
    column = _column(left)
    if column is None and operator in _SWAPPED:
        operator, left, right = _SWAPPED[operator], right, left
        column = _column(left)
    if column is None or not isinstance(right, dict) or "type" not in right:
        return None
    if operator in _ARRAYS:
        return Condition(column[0], operator, *_array(right, parameters), column[1])
    if operator in _SWAPPED or operator in _ONE_WAY:
        return Condition(column[0], operator, _value(right, parameters), bare_type(right["type"]), column[1])
    return None


def _column(tree: Tree) -> tuple[str, tuple[tuple[str, ...], ...]] | None:
    """The column in *tree*, and the calls around it."""
    through: list[tuple[str, ...]] = []
    while isinstance(tree, dict) and "column" not in tree:
        name = tree.get("function", "")
        kind = "integer" if name in _ROUNDING else "text"
        if not name and tree.get("operator") in _SHIFTS:
            name, kind = tree["operator"], "interval"
        given = [a["value"] for a in tree.get("arguments", ()) if _is_known(a, kind)]
        others = [a for a in tree.get("arguments", ()) if not _is_known(a, kind)]
        if not name or len(others) != 1 or (name in _SHIFTS and not given):
            return None
        if name == "-" and others[0] is not tree["arguments"][0]:
            return None
        through.insert(0, (name, *given))
        tree = others[0]
    return (tree["column"], tuple(through)) if isinstance(tree, dict) else None


def _is_known(tree: Tree, kind: str) -> bool:
    """True if *tree* is a value of the type *kind*."""
    return (
        isinstance(tree, dict) and bare_type(tree.get("type", "")) == kind and tree.get("value") is not None
    )


def _value(tree: Mapping[str, Any], parameters: Sequence[Any] | None) -> Any:
    if "parameter" not in tree:
        return tree["value"]
    return RuntimeValue("?") if parameters is None else parameters[tree["parameter"]]


def _array(tree: Mapping[str, Any], parameters: Sequence[Any] | None) -> tuple[Any, str]:
    """The elements of an array, None for a NULL array, and the name of their type."""
    value, kind = _value(tree, parameters), bare_type(tree["type"]).removesuffix("[]")
    if isinstance(value, RuntimeValue):
        return [value] * _UNKNOWN_ELEMENTS, kind
    return None if value is None else parse_array_literal(value), kind


# ---- words


def shown(condition: Condition) -> str:
    """The condition as SQL."""
    column = condition.column
    for name, *arguments in condition.through:
        given = [_quoted(argument) for argument in arguments]
        column = (
            f"{column} {name} {given[0]}" if name in ("+", "-") else f"{name}({', '.join([*given, column])})"
        )
    operator = {"= ANY": "IN", "<> ALL": "NOT IN"}.get(condition.operator, condition.operator)
    if not condition.type:
        return f"{column} {operator}"
    if isinstance(condition.value, list) and not isinstance(next(iter(condition.value), None), RuntimeValue):
        values = [_literal(v, condition.type) for v in condition.value[:_SHOWN_VALUES]]
        if len(condition.value) > _SHOWN_VALUES:
            values.append(f"… {len(condition.value)} values")
        return f"{column} {operator} ({', '.join(values)})"
    value = condition.value[0] if isinstance(condition.value, list) else condition.value
    return f"{column} {operator} {_literal(value, condition.type)}"


_SHOWN_VALUES = 5
_BARE = ("bigint", "integer", "smallint", "numeric", "double precision", "real")


def _literal(value: Any, kind: str) -> str:
    """*value* of the type *kind* as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, RuntimeValue):
        return str(value)
    if kind == "boolean":
        return "true" if value in ("t", "true") else "false"
    return value if kind in _BARE else _quoted(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
