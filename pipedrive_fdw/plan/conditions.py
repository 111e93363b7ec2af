"""Conditions as the C part describes them → column, operator and operand. Pure.

A condition is a tree of JSON (json_expression() in src/pipedrive_fdw.c):

    {"column": name}                         a column of the scanned table
    {"type": name, "value": text}            an operand that is known; null is SQL's NULL
    {"type": name, "parameter": number}      an operand that is known when the scan runs
    {"operator": name, "arguments": [...]}   also tests, like "IS NULL" and "NOT"
    {"function": name, "arguments": [...]}
    null                                     anything else

A tree of another form than column, operator, operand is left out: PostgreSQL checks every row itself, so that
leaving one out only makes the request wider.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipedrive_fdw.values.codec import bare_type, parse_array_literal

Tree = Any

# The operators that compare, with the operator that says the same from right to left.
_SWAPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ONE_WAY = frozenset(("~~", "~~*", "!~~", "!~~*", "~", "~*", "!~", "!~*"))
_ARRAYS = frozenset(("= ANY", "<> ALL"))
_TESTS = frozenset(("IS NULL", "IS NOT NULL", "IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE"))
# How many elements an array is guessed to have that is known only when the scan runs, as PostgreSQL guesses.
_UNKNOWN_ELEMENTS = 10


class RuntimeValue(str):
    """A value that is known only when the scan runs; its text is the expression that gives it."""


@dataclass(frozen=True)
class Condition:
    """``column operator value``.

    operator  =, <>, <, <=, >, >=, ~~ and the like; = ANY and <> ALL; a test such as IS NULL
    value     the operand as PostgreSQL prints it, None for NULL; for an array a list of such values
    type      PostgreSQL's name of the operand's type, of an array's elements; '' for a test
    through   calls around the column, the inner first: (('timezone', 'UTC'), ('date',))
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
    found = (_read(tree, parameters) for tree in trees)
    return [condition for condition in found if condition is not None]


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
        return None if column[1] else Condition(column[0], operator, *_array(right, parameters))
    if operator in _SWAPPED or operator in _ONE_WAY:
        return Condition(column[0], operator, _value(right, parameters), bare_type(right["type"]), column[1])
    return None


def _column(tree: Tree) -> tuple[str, tuple[tuple[str, ...], ...]] | None:
    """The column in *tree*, and the calls around it."""
    through: list[tuple[str, ...]] = []
    while isinstance(tree, dict) and "function" in tree:
        texts = [a["value"] for a in tree["arguments"] if _is_text(a)]
        others = [a for a in tree["arguments"] if not _is_text(a)]
        if len(others) != 1:
            return None
        through.insert(0, (tree["function"], *texts))
        tree = others[0]
    if not isinstance(tree, dict) or "column" not in tree:
        return None
    return tree["column"], tuple(through)


def _is_text(tree: Tree) -> bool:
    return (
        isinstance(tree, dict) and bare_type(tree.get("type", "")) == "text" and tree.get("value") is not None
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
