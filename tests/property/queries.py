"""Random queries of one or two tables, as SQL in which ``<name>`` stands for a table.

Values are taken from the rows themselves and from beside them, so that conditions hit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
DATE_STYLES = ("ISO, MDY", "SQL, DMY", "German", "Postgres, MDY")
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Chatham")


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    values: tuple[str, ...]  # as SQL would cast them from text


@dataclass(frozen=True)
class Shape:
    """A table: its columns, and the key that breaks ties."""

    name: str
    columns: tuple[Column, ...]
    key: str = "id"

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)


@dataclass(frozen=True)
class Query:
    """*sql* with ``<table>`` in place of names; *arguments* when it is to be prepared. *whole* is the same
    without its LIMIT and OFFSET, '' where it has none."""

    sql: str
    tables: tuple[str, ...]
    ordered: bool
    whole: str
    arguments: tuple[tuple[str, str], ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


class Conditions:
    """Conditions of one table's rows; with *arguments*, values become parameters of a prepared statement."""

    def __init__(self, draw: Any, shape: Shape, alias: str, arguments: list[tuple[str, str]] | None) -> None:
        self.draw, self.shape, self.alias, self.arguments = draw, shape, alias, arguments

    def where(self) -> str:
        columns = [
            self.draw(st.sampled_from(self.shape.columns)) for _ in range(self.draw(st.integers(0, 3)))
        ]
        if not columns:
            return ""
        if len(columns) > 1 and self.draw(st.integers(0, 3)) == 0:
            if self.draw(st.booleans()):
                columns = columns[:1] * len(columns)
            return " WHERE " + " OR ".join(map(self.one, columns))
        return " WHERE " + " AND ".join(map(self.one, columns))

    def value(self, column: Column) -> str:
        kind = self.draw(st.integers(0, 20))
        if kind == 0:
            return f"NULL::{column.type}"
        if kind == 1 and column.type in ("bigint", "numeric"):
            return self.draw(st.sampled_from(("-1", "0", "99999999999", "1.5")))
        text = self.draw(st.sampled_from(column.values)) if column.values else "0"
        if self.arguments is not None and self.draw(st.booleans()):
            self.arguments.append((column.type, text))
            return f"${len(self.arguments)}"
        if column.type in ("bigint", "numeric") and self.draw(st.booleans()):
            return text
        if column.type == "timestamptz" and self.draw(st.integers(0, 3)) == 0:
            other = self.draw(st.sampled_from(("timestamp", "date")))
            return f"{quoted(text)}::timestamptz::{other}"
        return f"{quoted(text)}::{column.type}"

    def one(self, column: Column) -> str:
        name = f'{self.alias}."{column.name}"'
        kind = self.draw(st.integers(0, 9))
        if kind == 0:
            return f"{name} IS {self.draw(st.sampled_from(('NULL', 'NOT NULL')))}"
        if column.type == "boolean" and kind < 8:
            form = self.draw(
                st.sampled_from(("{}", "NOT {}", "{} IS TRUE", "{} IS NOT TRUE", "{} = true", "{} <> true"))
            )
            return form.format(name)
        if kind == 1 and column.type == "text":
            beginning = self.draw(st.sampled_from(column.values))[:2] if column.values else ""
            operator = self.draw(st.sampled_from(("LIKE", "NOT LIKE", "ILIKE")))
            return f"{name} {operator} {quoted(beginning.replace('%', '').replace(chr(92), '') + '%')}"
        if kind in (2, 3, 4):
            many = [self.value(column) for _ in range(self.draw(st.integers(1, 13)))]
            operator = "NOT IN" if kind == 4 else "IN"
            return f"{name} {operator} ({', '.join(many)})"
        if kind == 5:
            return f"{name} BETWEEN {self.value(column)} AND {self.value(column)}"
        return f"{name} {self.draw(st.sampled_from(COMPARISONS))} {self.value(column)}"


def _beside(draw: Any, left: Shape, right: Shape) -> str:
    """Now and then a second condition of a join, either side first."""
    pairs = [(a, b) for a in left.columns for b in right.columns if a.type == b.type]
    if not pairs or draw(st.integers(0, 1)):
        return ""
    one, other = draw(st.sampled_from(pairs))
    sides = [f'a."{one.name}"', f'b."{other.name}"']
    if draw(st.booleans()):
        sides.reverse()
    return f" AND {sides[0]} {draw(st.sampled_from(COMPARISONS))} {sides[1]}"


@st.composite
def queries(draw: Any, shapes: Sequence[Shape], joins: Sequence[tuple[str, str, str, str]]) -> Query:
    """A query; *joins* are (table, column, table, column) that fit together."""
    settings = {
        "DateStyle": draw(st.sampled_from(DATE_STYLES)),
        "TimeZone": draw(st.sampled_from(ZONES)),
    }
    arguments: list[tuple[str, str]] | None = [] if draw(st.integers(0, 3)) == 0 else None
    by_name = {shape.name: shape for shape in shapes}
    if draw(st.integers(0, 4)) == 0:
        left, left_column, right, right_column = draw(st.sampled_from(joins))
        kind = draw(st.sampled_from(("JOIN", "LEFT JOIN")))
        where = Conditions(draw, by_name[left], "a", arguments).where()
        on = f'a."{left_column}" = b."{right_column}"{_beside(draw, by_name[left], by_name[right])}'
        sql = (
            f'SELECT a."{by_name[left].key}", b."{by_name[right].key}" FROM <{left}> a {kind} <{right}> b '
            f"ON {on}{where}"
        )
        return Query(sql, (left, right), False, "", tuple(arguments or ()), settings)
    shape = draw(st.sampled_from(shapes))
    where = Conditions(draw, shape, "t", arguments).where()
    order, tail = "", ""
    if draw(st.booleans()):
        terms = []
        for column in draw(st.lists(st.sampled_from(shape.columns), max_size=2, unique=True)):
            direction = draw(st.sampled_from(("", " ASC", " DESC")))
            nulls = draw(st.sampled_from(("", " NULLS FIRST", " NULLS LAST")))
            terms.append(f't."{column.name}"{direction}{nulls}')
        terms.append(f't."{shape.key}"' + draw(st.sampled_from(("", " DESC"))))
        order = " ORDER BY " + ", ".join(terms)
    if draw(st.integers(0, 2)) == 0:
        tail = f" LIMIT {draw(st.integers(0, 60))}"
        if draw(st.booleans()):
            tail += f" OFFSET {draw(st.integers(0, 40))}"
    what = draw(
        st.sampled_from(("to_jsonb(t)", f't."{shape.key}"', "count(*)" if not (order or tail) else "t.*"))
    )
    whole = f"SELECT {what} FROM <{shape.name}> t{where}{order}"
    without = whole if tail else ""
    return Query(whole + tail, (shape.name,), bool(order), without, tuple(arguments or ()), settings)
