"""How each operation of the API is reached from SQL (docs/api-coverage.md), by catalogue and functions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from pipedrive_fdw.catalog import FAMILIES, TABLES, tables_of
from pipedrive_fdw.catalog.left_out import COMMANDS, LEFT_OUT
from pipedrive_fdw.catalog.model import Operation
from pipedrive_fdw.catalog.operations import documented, known_as, tokens
from tests.contract.found import operations
from tools.engine.places import ROOT

_FUNCTION = re.compile(r"^CREATE FUNCTION pipedrive\.(\w+)\((.*?)^COMMENT ON", re.MULTILINE | re.DOTALL)
_SENT = re.compile(r"send\(server, '([A-Z]+)',\s*(?:format\()?'/v([12])(/[^']*)'")
_AWAITED = re.compile(r"await_conversion\(\s*server, format\('/v([12])(/[^']*)'")


def function_operations() -> Iterator[tuple[str, Operation]]:
    """The functions of the extension with the operations that they send; not ``request``, which sends any."""
    for part in sorted((ROOT / "sql" / "src").glob("*.sql")):
        for name, body in _FUNCTION.findall(part.read_text(encoding="utf-8")):
            sent = [(method, version, path) for method, version, path in _SENT.findall(body)]
            sent += [("GET", version, path) for version, path in _AWAITED.findall(body)]
            for method, version, path in sent:
                yield name, Operation(path.replace("%s", "{}"), 0, int(version), method)


@cache
def ways() -> Mapping[str, list[str]]:
    """The documented operations by their names, and how each is reached: tables, functions, commands."""
    found: dict[str, list[str]] = {name: [] for name in documented()}

    def add(name: str, way: str) -> None:
        if name in found and way not in found[name]:
            found[name].append(way)

    pages = {t.name: f"tables/{f.__name__.rsplit('.', 1)[-1]}.md" for f in FAMILIES for t in f.TABLES}
    for version in ("v2", "v1"):
        for table in tables_of(version).values():
            old = "" if version == "v2" or table is TABLES[table.name] else ", under `api_version 'v1'`"
            for op in operations(table):
                name = known_as(op.version, op.method, op.path)
                if not (old and found.get(name)):
                    add(name, f"[`{table.name}`]({pages[table.name]}#{table.name}){old}")
    for function, op in function_operations():
        add(known_as(op.version, op.method, op.path), f"[`{function}()`](procedures.md)")
    for name, command in COMMANDS.items():
        add(name, f"`python -m pipedrive_fdw {command}`")
    return found


def faults() -> list[str]:
    """Each operation that nothing reaches, and each that is said to be left out and is not."""
    known = ways()
    wrong = [f"{name} is reached by nothing" for name, by in known.items() if not by and name not in LEFT_OUT]
    wrong += [f"{name} is left out, and reached by {known[name][0]}" for name in LEFT_OUT if known.get(name)]
    return wrong + [f"{name} is no operation of the API" for name in LEFT_OUT if name not in known]


def coverage_page() -> str:
    """The whole page."""
    by = ways()
    reached = {name: way for name, way in sorted(by.items(), key=lambda one: _place(one[0])) if way}
    left = sorted(LEFT_OUT, key=_place)
    return "\n".join(
        (
            "<!-- Written by make docs from pipedrive_fdw/catalog and sql/src. Change those, not this. -->",
            "",
            "# The whole API",
            "",
            f"Pipedrive documents {len(by)} operations. {len(reached)} of them are reached by a table, a",
            f"function or a command. {len(left)} are left out, with the reason. A test holds this page",
            "against Pipedrive's OpenAPI files. The function [`request()`](procedures.md) sends any",
            "operation, also one that is left out.",
            "",
            "## Reached",
            "",
            "| operation | tokens | reached by |",
            "| --- | --- | --- |",
            *(f"| {_shown(name)} | {tokens(name)} | {', '.join(way)} |" for name, way in reached.items()),
            "",
            "## Left out",
            "",
            "| operation | tokens | why |",
            "| --- | --- | --- |",
            *(f"| {_shown(name)} | {tokens(name)} | {LEFT_OUT[name]} |" for name in left),
            "",
        )
    )


def _place(name: str) -> tuple[str, str, str]:
    version, method, path = name.split(" ", 2)
    return path, method, version


def _shown(name: str) -> str:
    version, method, path = name.split(" ", 2)
    return f"`{method} /{version}{path}`"
