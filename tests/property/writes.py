"""Random writes: one statement over foreign tables and local ones, whose outcome SQL defines.

So a row that several rows match is given no value of theirs, and two writes in one statement have two
targets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.property.chance import Chance
from tests.property.queries import quoted
from tests.property.write_targets import (
    IDS,
    LOCAL,
    REFERENCES,
    SETTINGS,
    SYSTEM,
    TARGETS,
    TYPES,
    WORDS,
    Source,
    Statement,
    Target,
)


class Writer:
    """Draws the parts of one write of *target*, which is called *alias*."""

    def __init__(
        self, chance: Chance, target: Target, alias: str, arguments: list[tuple[str, str]] | None
    ) -> None:
        self.chance, self.target, self.alias, self.arguments = chance, target, alias, arguments

    def own(self, name: str) -> str:
        return f"{self.alias}.{name}"

    @property
    def key(self) -> str:
        return self.own(self.target.key)

    def literal(self, kind: str) -> str:
        values: Sequence[Any] = {
            "text": WORDS,
            "number": ("0", "7", "12.5", "-3", "1000000"),
            "day": ("2026-02-28", "1999-12-31", "2031-07-01"),
            "flag": ("true", "false"),
            **{name: tuple(map(str, ids)) for name, ids in IDS.items()},
        }[kind]
        value, sql_type = self.chance.pick(values), TYPES.get(kind, "bigint")
        if self.arguments is not None and self.chance.odds(2):
            self.arguments.append((sql_type, value))
            return f"${len(self.arguments)}"
        return f"{quoted(value)}::{sql_type}"

    # ---- values

    def value(self, name: str, source: Source | None) -> str:
        """What the column *name* is set to."""
        kind = self.target.columns[name]
        if name in self.target.nullable and self.chance.odds(5):
            return f"NULL::{TYPES.get(kind, 'bigint')}"
        joined = [n for n, k in source.columns.items() if k == kind] if source and source.one else []
        if joined and self.chance.odds(2):
            return f"coalesce({self.chance.pick(joined)}, {self.literal(kind)})"
        return self.chance.pick(self._values(kind))(self.own(name))

    def _values(self, kind: str) -> Sequence[Callable[[str], str]]:
        """Expressions of the kind over one of the target's columns."""
        lookup = {"text": "max(l.word)", "number": "max(l.amount)", "day": "max(l.day)"}.get(
            kind, "max(l.who)"
        )
        forms: list[Callable[[str], str]] = [lambda own: self.literal(kind)]
        forms.append(lambda own: f"CASE WHEN {self.key} % 2 = 0 THEN {self.literal(kind)} ELSE {own} END")
        if kind in ("text", "number", "day", "user"):
            found = f"(SELECT {lookup} FROM lookup l WHERE l.ref = {self.key})"
            forms.append(lambda own: f"coalesce({found}, {self.literal(kind)})")
        if kind == "text":
            forms.append(lambda own: f"coalesce({own}, '') || {self.literal(kind)}")
            forms.append(lambda own: f"upper(coalesce({own}, 'none'))")
        if kind == "number":
            forms.append(lambda own: f"coalesce({own}, 0) + 1")
        if kind == "day":
            forms.append(lambda own: f"{own} - 1")  # some are the last day that Pipedrive has
        if kind == "flag":
            forms.append(lambda own: f"NOT {own}")
        return forms

    # ---- conditions

    def conditions(self) -> str:
        """A few rows."""
        first = self.chance.pick(
            (
                f"{self.key} % {self.chance.pick((5, 7, 11))} = {self.chance.pick((0, 1, 3))}",
                f"{self.key} IN ({', '.join(map(str, self.chance.some(range(1, 45), 1, 6)))})",
                f"{self.key} = {self.chance.pick((2, 9, 12, 33))}",
                f"{self.key} BETWEEN {self.chance.pick((3, 10))} AND {self.chance.pick((8, 16))}",
                f"{self.key} IN (SELECT m.ref FROM many m WHERE m.amount > {self.chance.pick((1, 3, 6))})",
                f"{self.key} = ANY (ARRAY(SELECT l.ref FROM lookup l WHERE l.amount < 4))",
                f"EXISTS (SELECT FROM many m WHERE m.ref = {self.key})",
                f"(SELECT count(*) FROM many m WHERE m.ref = {self.key}) > 1",
                f"NOT EXISTS (SELECT FROM lookup l WHERE l.ref > {self.key}) AND {self.key} < 40",
            )
        )
        parts = [first]
        for _ in range(self.chance.number(0, 2)):
            name = self.chance.pick([n for n, k in self.target.columns.items() if k != "row"])
            parts.append(self.chance.pick(self._tests(name, self.target.columns[name])))
        return " AND ".join(parts)

    def _tests(self, name: str, kind: str) -> list[str]:
        own = self.own(name)
        tests = [f"{own} IS NOT NULL", f"{own} IS DISTINCT FROM NULL", f"coalesce({own}::text, '') <> 'x'"]
        if kind == "text":
            tests += [f"{own} NOT LIKE '%zz%'", f"length(coalesce({own}, '')) < 40", f"{own} ~ '.'"]
        if kind in IDS:
            tests += [f"{own} IN ({', '.join(map(str, IDS[kind]))}, 999) OR {own} IS NULL", f"{own} > 1"]
        if kind in REFERENCES:
            tests.append(f"{own} IN (SELECT r.id FROM {REFERENCES[kind]} r WHERE r.owner_id < 4)")
            tests.append(f"EXISTS (SELECT FROM {REFERENCES[kind]} r WHERE r.id = {own})")
        return [f"({test})" for test in tests]

    # ---- what is joined

    def source(self) -> Source | None:
        """What stands in FROM or USING."""
        sources = [None, *self._local(), *self._foreign()]
        return self.chance.pick(sources)

    def _local(self) -> list[Source]:
        lookup = {f"l.{n}": k for n, k in LOCAL.items()}
        many = {f"m.{n}": k for n, k in LOCAL.items()}
        grouped = "SELECT ref, max(word) AS word, sum(amount) AS amount FROM many GROUP BY ref"
        found = {"s.ref": "key", "s.word": "text", "s.amount": "number"}
        values = "(VALUES (3, 'three'), (9, 'nine'), (14, 'x')) v (ref, word)"
        return [
            Source("lookup l", f"l.ref = {self.key}", lookup, True),
            Source("many m", f"m.ref = {self.key}", many, False),
            Source("many m JOIN lookup l USING (ref)", f"m.ref = {self.key}", many, False),
            Source("many m LEFT JOIN lookup l ON l.ref = m.ref", f"m.ref = {self.key}", many, False),
            Source(f"({grouped}) s", f"s.ref = {self.key}", found, True),
            Source("c1 s", f"s.ref = {self.key}", found, True, (f"c1 AS ({grouped})",)),
            Source("c2 s", f"s.ref = {self.key}", found, True, (f"c2 AS MATERIALIZED ({grouped})",)),
            Source(values, f"v.ref = {self.key}", {"v.ref": "key", "v.word": "text"}, True),
            Source("lookup l, many m", f"l.ref = {self.key} AND m.ref = l.ref + 1", lookup, False),
        ]

    def _foreign(self) -> list[Source]:
        out = []
        table, key = self.target.reads, self.key
        other = (
            {"b.id": "key", "b.owner_id": "user"}
            if table != "deal_products" and table != "notes"
            else {"b.id": "key"}
        )
        if table != "deal_products":
            out.append(Source(f"{table} b", f"b.id = {key} + 1", other, True))
            out.append(Source(f"{table} b LEFT JOIN many m ON m.ref = b.id", f"b.id = {key}", other, False))
        for name, kind in self.target.columns.items():
            if kind in REFERENCES:
                found = {"r.id": kind, "r.owner_id": "user"}
                referred = REFERENCES[kind]
                out.append(Source(f"{referred} r", f"r.id = {self.own(name)}", found, True))
                out.append(
                    Source(
                        f"{referred} r CROSS JOIN LATERAL (SELECT max(l.word) AS word FROM lookup l WHERE "
                        "l.ref <= r.id) x",
                        f"r.id = {self.own(name)}",
                        {**found, "x.word": "text"},
                        True,
                    )
                )
                out.append(
                    Source(
                        f"(SELECT * FROM {referred} ORDER BY id LIMIT 9) r",
                        f"r.id = {self.own(name)}",
                        found,
                        True,
                    )
                )
        if table == "deals":
            out.append(Source("activities c", f"c.deal_id = {key}", {"c.id": "key"}, False))
            out.append(Source("deal_products c", f"c.deal_id = {key}", {"c.id": "key"}, False))
        return out

    # ---- RETURNING

    def returning(self, source: Source | None) -> str:
        """A list of anything, names that mean something to a wrapper among them."""
        a, key = self.alias, self.key
        names = list(self.target.columns)
        shapes = [
            key,
            f"{a}.*",
            f"{a}",
            f"to_jsonb({a})",
            f"{key} + 1000",
            "1 AS id",
            "'x' AS row_id",
            f"{key} AS wholerow",
            "NULL AS ctid_",
            f"(SELECT count(*) FROM many m2 WHERE m2.ref = {key}) AS id",
            f"CASE WHEN {key} > 10 THEN 'more' END AS {self.chance.pick(names)}",
            f"{self.own(self.chance.pick(names))} AS {self.chance.pick(names)}",
            f"coalesce({self.own(self.chance.pick(names))}::text, 'none')",
            f"row_to_json({a}) ->> '{self.chance.pick(names)}'",
        ]
        if self.target.name != "renamed":
            shapes.append(f"{a}.tableoid::regclass::text")
        if source is not None and source.one:
            column = self.chance.pick(list(source.columns))
            shapes += [column, f"{column} AS {self.target.key}", f"{column.split('.')[0]}"]
        return ", ".join(self.chance.some(shapes, 1, 4))

    # ---- statements

    def write(self) -> tuple[str, str, tuple[str, ...]]:
        """A write without RETURNING, what it returns, and CTEs that it needs."""
        verb = self.chance.pick(self.target.verbs)
        if verb == "INSERT":
            return self._insert()
        source = self.source()
        where = " AND ".join(filter(None, (source.condition if source else "", self.conditions())))
        ctes = source.ctes if source else ()
        name = f"{self.target.name} {'AS ' if self.chance.odds(2) else ''}{self.alias}"
        returned = self.returning(source)
        if verb == "DELETE":
            using = f" USING {source.sql}" if source else ""
            return f"DELETE FROM {name}{using} WHERE {where}", returned, ctes
        chosen = self.chance.some(self.target.settable, 1, 3)
        sets = [f"{column} = {self.value(column, source)}" for column in chosen]
        if len(chosen) > 1 and self.chance.odds(4):
            values = ", ".join(self.value(column, source) for column in chosen)
            sets = [f"({', '.join(chosen)}) = (SELECT {values})"]
        tail = f" FROM {source.sql}" if source else ""
        return f"UPDATE {name} SET {', '.join(sets)}{tail} WHERE {where}", returned, ctes

    def _insert(self) -> tuple[str, str, tuple[str, ...]]:
        columns = self.target.settable
        kinds = [self.target.columns[c] for c in columns]
        self.alias = self.target.name
        head = f"INSERT INTO {self.target.name} ({', '.join(columns)})"
        returned = self.returning(None)
        rows = self.chance.number(1, 3)
        if self.chance.odds(2):
            lists = (f"({', '.join(map(self.literal, kinds))})" for _ in range(rows))
            return f"{head} VALUES {', '.join(lists)}", returned, ()
        texts = [c for c, k in zip(columns, kinds) if k == "text"]
        values = [f"o.{c} || '!'" if c == texts[0] else self.literal(k) for c, k in zip(columns, kinds)]
        which = self.chance.pick((f"o.id IN (2, 4, 6) AND o.{texts[0]} IS NOT NULL", "o.id < 4", "o.id = 9"))
        return (
            f"{head} SELECT {', '.join(values)} FROM {self.target.reads} o WHERE {which} ORDER BY o.id",
            returned,
            (),
        )


def draw_statement(chance: Chance) -> Statement:
    target = chance.pick(TARGETS)
    arguments: list[tuple[str, str]] | None = [] if chance.odds(5) else None
    writer = Writer(chance, target, "a", arguments)
    settings = tuple(chance.some(SETTINGS, 0, 3))
    if target.name != "renamed" and chance.odds(12):
        return _refused(writer, settings)
    sql, returned, ctes = writer.write()
    tables = {target.reads}
    returns = not chance.odds(3)
    form = chance.pick(("plain", "plain", "plain", "CTE", "two"))
    if form == "two":
        second = Writer(chance, chance.pick([t for t in TARGETS if t.reads != target.reads]), "z", arguments)
        sql2, returned2, ctes2 = second.write()
        tables.add(second.target.reads)
        ctes = tuple(dict.fromkeys((*ctes, *ctes2, f"w AS ({sql} RETURNING {returned})")))
        sql = f"{sql2} RETURNING {returned2}" if returns else sql2
    elif form == "CTE":
        ctes = (*ctes, f"w AS ({sql} RETURNING {returned})")
        counted = f"SELECT w.*, n.* FROM w CROSS JOIN (SELECT count(*), max(id) FROM {target.reads}) n"
        sql = chance.pick(("SELECT * FROM w", counted))
    elif returns:
        sql = f"{sql} RETURNING {returned}"
    if ctes:
        sql = f"WITH {', '.join(ctes)} {sql}"
    waits = form == "plain" and "INSERT" not in sql and chance.odds(4)
    if "INSERT" not in sql and chance.odds(2):  # whose new ids would be in another order
        settings = (*settings, "SET pipedrive.parallel_writes = 6")
    return Statement(sql, frozenset(tables), False, tuple(arguments or ()), settings, waits)


def _refused(writer: Writer, settings: tuple[str, ...]) -> Statement:
    """A write that finds its rows by a system column."""
    table = writer.target.name
    condition = writer.chance.pick(SYSTEM).format(a="a", table=table)
    writer.arguments = None
    verb = writer.chance.pick([v for v in writer.target.verbs if v != "INSERT"])
    sql = f"DELETE FROM {table} a"
    if verb == "UPDATE":
        column = writer.chance.pick(writer.target.settable)
        sql = f"UPDATE {table} a SET {column} = {writer.value(column, None)}"
    return Statement(f"{sql} WHERE {condition}", frozenset((table,)), True, (), settings)
