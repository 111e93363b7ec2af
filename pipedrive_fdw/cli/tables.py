"""``tables``: what there is, without a database or an account."""

from __future__ import annotations

import argparse
from typing import Any

import orjson

from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.catalog.describe import column_comment, prices
from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.catalog.operations import scopes
from pipedrive_fdw.cli.terminal import Terminal
from pipedrive_fdw.table.binding import no_table

SUMMARY = "list the tables: verbs, price in API tokens, scope, meaning"
DESCRIPTION = """\
Lists the tables that an import makes: SELECT, INSERT, UPDATE, DELETE as S I U D, what reading costs
in API tokens, the OAuth scopes of which one is needed, and what a row is. With names, also the
columns. Needs neither a database nor an account."""
EPILOG = "--json gives all of it to other programs."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="TABLE", nargs="*", help="these tables alone, with their columns")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "--api-version",
        choices=("v1", "v2"),
        default="v2",
        help="as the server's option of the same name (default v2)",
    )


def run(given: argparse.Namespace, terminal: Terminal) -> int:
    catalogue = tables_of(given.api_version)
    unknown = [name for name in given.names if name not in catalogue]
    if unknown:
        raise no_table(unknown, catalogue)
    chosen = [catalogue[name] for name in given.names or catalogue]
    if given.json:
        text = orjson.dumps([described(table) for table in chosen], option=orjson.OPT_INDENT_2)
        terminal.give(text.decode())
        return 0
    width = max(len(table.name) for table in chosen)
    for table in chosen:
        terminal.give(f"{table.name:{width}}  {_verbs(table)}  {table.doc}")
        price = prices(table)
        needed = " or ".join(sorted({s for listing in table.listings[:1] for s in scopes(listing)}))
        words = f"tokens: {price}" if price else "costs no request"
        terminal.give(f"{'':{width}}        {words}{f'; scope {needed}' if needed else ''}")
        if given.names:
            for column in (*table.columns, ATTRS):
                terminal.give(f"  {column.name:30} {column.type:14} {column_comment(table, column)}".rstrip())
    return 0


def described(table: Table) -> dict[str, Any]:
    """A table as JSON shows it."""
    return {
        "table": table.name,
        "doc": table.doc,
        "verbs": [
            "SELECT",
            *(verb for verb in ("INSERT", "UPDATE", "DELETE") if getattr(table, verb.lower())),
        ],
        "price": prices(table),
        "scopes": sorted({scope for listing in table.listings for scope in scopes(listing)}),
        "needs": table.needs,
        "columns": [
            {"name": column.name, "type": column.type, "doc": column_comment(table, column)}
            for column in (*table.columns, ATTRS)
        ],
    }


def _verbs(table: Table) -> str:
    writes = (("I", table.insert), ("U", table.update), ("D", table.delete))
    return "S" + "".join(letter if write else "-" for letter, write in writes)
