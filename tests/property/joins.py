"""Random joins of two to four relations, foreign and local, whose answer plain copies give too.

Columns have kinds: those of one kind can be compared. Nothing that is drawn can fail when it is evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.property.chance import Chance
from tests.property.queries import quoted

RELATIONS: Mapping[str, Mapping[str, str]] = {
    "deals": {
        "id": "deal",
        "person_id": "person",
        "org_id": "org",
        "owner_id": "user",
        "stage_id": "stage",
        "title": "text",
        "value": "number",
        "add_time": "time",
        "expected_close_date": "day",
        "status": "text",
    },
    "persons": {"id": "person", "org_id": "org", "owner_id": "user", "name": "text", "add_time": "time"},
    "organizations": {"id": "org", "owner_id": "user", "name": "text", "update_time": "time"},
    "activities": {
        "id": "activity",
        "deal_id": "deal",
        "person_id": "person",
        "org_id": "org",
        "owner_id": "user",
        "subject": "text",
        "due_date": "day",
        "done": "flag",
    },
    "notes": {"id": "note", "deal_id": "deal", "person_id": "person", "user_id": "user", "add_time": "time"},
    "stages": {"id": "stage", "name": "text", "order_nr": "number"},
    "users": {"id": "user", "name": "text", "created": "time"},
    "deal_products": {"id": "item", "deal_id": "deal", "product_id": "product", "quantity": "number"},
    "products": {"id": "product", "owner_id": "user", "name": "text"},
    "keys": {
        "deal": "deal",
        "person": "person",
        "org": "org",
        "who": "user",
        "stage": "stage",
        "word": "text",
        "day": "day",
    },
    "pairs": {"deal": "deal", "person": "person", "product": "product", "some": "list"},
}
FOREIGN = tuple(RELATIONS)[:-2]
LOCAL = """
    CREATE TABLE keys AS SELECT nullif(i * 5 % 37, 0)::bigint AS deal,
        nullif(i * 3 % 29, 1)::bigint AS person, (i % 7)::bigint AS org,
        (1 + i % 5)::bigint AS who, (i % 9)::bigint AS stage,
        CASE WHEN i % 4 > 0 THEN chr(65 + i) END AS word, date '2026-01-01' + i * 9 AS day
      FROM generate_series(1, 14) i;
    CREATE TABLE pairs AS SELECT (i * 2)::bigint AS deal, (i + 3)::bigint AS person,
        (i % 50)::bigint AS product, CASE WHEN i % 5 > 0 THEN ARRAY[i, i + 4, NULL]::bigint[] END AS some
      FROM generate_series(1, 60) i
"""
# Values of a kind, as text
VALUES: Mapping[str, tuple[str, ...]] = {
    "text": ("Harbor pilot 3", "open", "won", "", "Z", "Qualified"),
    "number": ("0", "1", "2", "1000.5", "50000"),
    "time": ("2024-05-01 07:08:09+00", "2026-01-01 00:00:00+00", "2023-01-15 12:00:00+05"),
    "day": ("2026-02-10", "2025-12-31", "2026-09-01"),
    "flag": ("true", "false"),
}
TYPES = {"text": "text", "number": "numeric", "time": "timestamptz", "day": "date", "flag": "boolean"}
COMPARISONS = ("=", "=", "=", "<>", "<", ">=")
LOOPS = ("enable_nestloop", "enable_hashjoin", "enable_mergejoin", "enable_material", "enable_memoize")
OTHERS = (
    "SET join_collapse_limit = 1",
    "SET from_collapse_limit = 1",
    "SET enable_sort = off",
    "SET work_mem = '64kB'",
)


@dataclass(frozen=True)
class Join:
    sql: str
    relations: frozenset[str]
    arguments: tuple[tuple[str, str], ...] = ()
    settings: tuple[str, ...] = ()


class Joiner:
    """Draws one query; *aliases* names its relations so far."""

    def __init__(self, chance: Chance) -> None:
        self.chance = chance
        self.aliases: dict[str, str] = {}
        self.arguments: list[tuple[str, str]] | None = [] if chance.odds(4) else None
        self._inner = 0

    def columns(self, kind: str = "", but: str = "") -> list[tuple[str, str]]:
        """Columns of the relations so far with their kinds: those of *kind*, not of the alias *but*."""
        return [
            (f"{alias}.{name}", of)
            for alias, relation in self.aliases.items()
            if alias != but
            for name, of in RELATIONS[relation].items()
            if kind in ("", of)
        ]

    def value(self, kind: str) -> str:
        text = str(self.chance.number(0, 45)) if kind not in VALUES else self.chance.pick(VALUES[kind])
        sql_type = TYPES.get(kind, "bigint")
        if self.arguments is not None and self.chance.odds(2):
            self.arguments.append((sql_type, text))
            return f"${len(self.arguments)}"
        return f"{quoted(text)}::{sql_type}"

    # ---- conditions

    def clothed(self, column: str, kind: str) -> str:
        """The column as it is, or in something that keeps its value."""
        if not self.chance.odds(4):
            return column
        forms = [
            f"coalesce({column}, NULL)",
            f"CASE WHEN {column} IS NOT NULL THEN {column} END",
            f"(SELECT {column})",
        ]
        if kind == "text":
            forms += [f"{column} || ''", f"lower({column})", f"{column}::varchar"]
        elif kind == "number" or kind not in TYPES:
            forms += [f"{column} + 0", f"{column}::numeric", f"greatest({column}, -1)", f"abs({column})"]
        elif kind in ("day", "time"):
            forms += [f"{column}::timestamptz", f"date_trunc('day', {column})", f"{column}::date"]
        return self.chance.pick(forms)

    def match(self, alias: str) -> str | None:
        """A condition that joins *alias* with the relations before it."""
        own = [(f"{alias}.{name}", kind) for name, kind in RELATIONS[self.aliases[alias]].items()]
        keys = [
            (mine, other, kind)
            for mine, kind in own
            if kind not in TYPES and kind != "list"
            for other, _ in self.columns(kind, alias)
        ]
        lists = [
            (m, o)
            for m, k in own
            for o, kind in self.columns("list", alias)
            if k in ("deal", "person", "org")
        ]
        if lists and self.chance.odds(2):
            mine, other = self.chance.pick(lists)
            return f"{mine} = ANY ({other})"
        if not keys:
            return None
        mine, other, kind = self.chance.pick(keys)
        form = self.chance.number(0, 11)
        if form == 0:
            return f"{mine}::text = {other}::text"
        if form == 1:
            return f"{mine} IN ({other}, {self.value(kind)})"
        if form == 2:
            return f"{mine} = ANY (ARRAY[{other}, {other} + 1])"
        if form == 3:
            return f"({mine} = {other} OR {mine} = {self.value(kind)})"
        if form == 4:
            return f"{mine} IS NOT DISTINCT FROM {other}"
        sides = [self.clothed(mine, kind), self.clothed(other, kind)]
        if self.chance.odds(2):
            sides.reverse()
        return f"{sides[0]} = {sides[1]}"

    def beside(self, alias: str) -> str:
        """Now and then one more condition of a join."""
        if not self.chance.odds(3):
            return ""
        name, kind = self.chance.pick(list(RELATIONS[self.aliases[alias]].items()))
        others = self.columns(kind, alias)
        if not others or kind == "list" or self.chance.odds(2):
            return f" AND {self.test(f'{alias}.{name}', kind)}"
        other, _ = self.chance.pick(others)
        return f" AND {self.clothed(f'{alias}.{name}', kind)} {self.chance.pick(COMPARISONS)} {other}"

    def test(self, column: str, kind: str) -> str:
        """A condition on one column."""
        form = self.chance.number(0, 7)
        if kind == "list":
            return f"{column} IS {self.chance.pick(('NOT NULL', 'NULL'))}"
        if form == 0:
            return f"{column} IS {self.chance.pick(('NULL', 'NOT NULL'))}"
        if form == 1:
            return f"{column} IN ({', '.join(self.value(kind) for _ in range(self.chance.number(1, 4)))})"
        if form == 2 and kind == "text":
            return f"{column} LIKE {quoted(self.chance.pick('HKoQwA'))} || '%'"
        compared = f"{self.clothed(column, kind)} {self.chance.pick(COMPARISONS)} {self.value(kind)}"
        return f"coalesce({compared}, {self.chance.pick(('true', 'false'))})" if form == 3 else compared

    def sub_select(self) -> str:
        """A semi-join, an anti-join or a comparison with a correlated sub-select."""
        column, kind = self.chance.pick([c for c in self.columns() if c[1] not in TYPES and c[1] != "list"])
        fitting = [(r, n) for r, columns in RELATIONS.items() for n, k in columns.items() if k == kind]
        relation, name = self.chance.pick(fitting)
        self._inner += 1
        alias = f"i{self._inner}"
        other_name, other_kind = self.chance.pick(list(RELATIONS[relation].items()))
        more = f" AND {self.test(f'{alias}.{other_name}', other_kind)}" if self.chance.odds(2) else ""
        inner = f"FROM {relation} {alias} WHERE {alias}.{name} = {column}{more}"
        return self.chance.pick(
            (
                f"EXISTS (SELECT {inner})",
                f"NOT EXISTS (SELECT {inner})",
                f"{column} IN (SELECT {alias}.{name} FROM {relation} {alias} WHERE true{more})",
                f"({column} NOT IN (SELECT {alias}.{name} FROM {relation} {alias} WHERE {alias}.{name} IS "
                f"NOT NULL{more}))",
                f"(SELECT count(*) {inner}) > {self.chance.number(0, 2)}",
                f"{column} = (SELECT max({alias}.{name}) {inner})",
                f"{column} = ANY (ARRAY(SELECT {alias}.{name} FROM {relation} {alias} WHERE true{more}))",
            )
        )

    # ---- relations

    def add(self, kinds: tuple[str, ...]) -> str:
        """One more relation with the words that join it."""
        alias = f"r{len(self.aliases)}"
        if self.aliases and self.chance.odds(5):
            return self._lateral(alias)
        self.aliases[alias] = relation = self.chance.pick(tuple(RELATIONS))
        if len(self.aliases) == 1:
            return f"{relation} {alias}"
        condition = self.match(alias)
        if condition is None:
            del self.aliases[alias]
            return self.add(kinds)
        join = self.chance.pick(kinds)
        if join == "FULL JOIN" and (" = ANY" in condition or " IN (" in condition or " OR " in condition):
            join = "LEFT JOIN"
        more = "" if join == "FULL JOIN" else self.beside(alias)
        return f"{join} {relation} {alias} ON {condition}{more}"

    def _lateral(self, alias: str) -> str:
        """A lateral sub-select, which gives the columns of its relation."""
        outer = [c for c in self.columns() if c[1] not in TYPES and c[1] != "list"]
        column, kind = self.chance.pick(outer)
        relation, name = self.chance.pick(
            [(r, n) for r, columns in RELATIONS.items() for n, k in columns.items() if k == kind]
        )
        self.aliases[alias] = relation
        columns = [f"x.{c}" for c in RELATIONS[relation]]
        tail = self.chance.pick(("", "", " OFFSET 0", f" ORDER BY {', '.join(columns)} LIMIT 2"))
        shown = ", ".join(columns)
        if self.chance.odds(3):  # an outer column inside
            shown = shown.replace(f"x.{name}", f"coalesce({column}, x.{name}) AS {name}", 1)
        where = (
            f"x.{name} = {column}" if not self.chance.odds(4) else f"x.{name} = {column} OR x.{name} IS NULL"
        )
        sub_select = f"LATERAL (SELECT {shown} FROM {relation} x WHERE {where}{tail}) {alias}"
        return self.chance.pick((f"CROSS JOIN {sub_select}", f"LEFT JOIN {sub_select} ON true"))

    # ---- the query

    def shown(self) -> str:
        columns = self.columns()
        parts = [column for column, _ in self.chance.some(columns, 2, 4)]
        if self.chance.odds(3):
            column, kind = self.chance.pick([c for c in columns if c[1] != "list"])
            parts.append(f"CASE WHEN {self.test(column, kind)} THEN 'yes' ELSE 'no' END AS judged")
        if self.chance.odds(4):
            column, kind = self.chance.pick([c for c in columns if c[1] not in TYPES and c[1] != "list"])
            relation, name = self.chance.pick(
                [(r, n) for r, cs in RELATIONS.items() for n, k in cs.items() if k == kind]
            )
            parts.append(f"(SELECT count(*) FROM {relation} c WHERE c.{name} = {column}) AS counted")
        return ", ".join(parts)

    def query(self) -> str:
        kinds = ("JOIN", "JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
        relations = " ".join(self.add(kinds) for _ in range(self.chance.pick((2, 2, 2, 3, 3, 4))))
        tests = []
        for _ in range(self.chance.number(0, 2)):
            tests.append(self.test(*self.chance.pick(self.columns())))
        if self.chance.odds(2):
            tests.append(self.sub_select())
        where = f" WHERE {' AND '.join(tests)}" if tests else ""
        if self.chance.odds(6):
            column = self.chance.pick([c for c, k in self.columns() if k != "list"])
            return f"SELECT {column}, count(*), count(DISTINCT r0) FROM {relations}{where} GROUP BY 1"
        return f"SELECT {self.shown()} FROM {relations}{where}"


def draw_join(chance: Chance) -> Join:
    joiner = Joiner(chance)
    sql = joiner.query()
    settings = [f"SET {name} = off" for name in chance.some(LOOPS, 0, 3)]
    settings += chance.some(OTHERS, 0, 1)
    if joiner.arguments:
        settings.append(f"SET plan_cache_mode = force_{chance.pick(('generic', 'custom'))}_plan")
    return Join(sql, frozenset(joiner.aliases.values()), tuple(joiner.arguments or ()), tuple(settings))
