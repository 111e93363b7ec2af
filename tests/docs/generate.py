"""The generated parts of the documentation: what the catalogue and the options say, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

from pipedrive_fdw import errors
from pipedrive_fdw.catalog import FAMILIES, TABLES
from pipedrive_fdw.catalog.common import ATTRS
from pipedrive_fdw.catalog.describe import priced, prices, pushed_operators, sort_keys
from pipedrive_fdw.catalog.model import Column, Table, Write
from pipedrive_fdw.catalog.operations import scopes
from pipedrive_fdw.custom_fields.kinds import CHOICES, CREATABLE
from pipedrive_fdw.options import OPTIONS, SESSION, Option
from pipedrive_fdw.values.shapes import form
from tests.docs.coverage import coverage_page
from tests.docs.dashboards import dashboard_files
from tests.docs.dbt import dbt_files
from tests.docs.markdown import pages, with_parts
from tools.engine.places import ROOT

FOLDER = ROOT / "docs" / "tables"
SQL = ROOT / "sql"
SITE = ROOT / "mkdocs.yml"
_SITE_PART = re.compile(r"(( *)# generated: families\n).*?( *# end\n)", re.DOTALL)
_SQL_PART = re.compile(r"(-- generated: (\w+)\n).*?( *-- end\n)", re.DOTALL)
# Types of custom fields whose values are ids of other tables' rows.
LINKED_KINDS = {
    "userid": "users",
    "orgid": "organizations",
    "peopleid": "persons",
    "stage": "stages",
    "pipeline": "pipelines",
    "deal": "deals",
    "activity": "activities",
    "product": "products",
    "project": "projects",
    "board": "boards",
    "phase": "phases",
    "projects_board": "boards",
    "projects_phase": "phases",
}
_YES, _NO = "✓", "–"
# A line of the tree of errors: the class and what it means.
_LEAF = re.compile(r"[├└]── (\w+) +(.+)")


def generated_files() -> dict[Path, str]:
    """Every file with generated content, with the text that it should have."""
    parts = {"tables": tables_part(), "pushdown": pushdown_part(), "options": options_part()}
    parts["families"] = families_part()
    parts["kinds"] = kinds_part()
    parts["decisions"] = decisions_part()
    parts["errors"] = errors_part()
    files = {FOLDER / file_name(family): family_page(family) for family in FAMILIES}
    for page in pages():
        if page.exists() and page not in files and "<!-- generated:" in page.read_text(encoding="utf-8"):
            files[page] = with_parts(page.read_text(encoding="utf-8"), parts)
    lists = {"references": references_part(), "options": option_places_part()}
    for part in sorted((SQL / "src").glob("*.sql")):
        text = part.read_text(encoding="utf-8")
        if _SQL_PART.search(text):
            files[part] = _SQL_PART.sub(lambda m: m[1] + lists[m[2]] + m[3], text)
    files[SQL / "tables.sql"] = tables_script()
    menu = SITE.read_text(encoding="utf-8")
    files[SITE] = _SITE_PART.sub(lambda m: m[1] + families_menu(m[2]) + m[3], menu)
    files[ROOT / "docs" / "api-coverage.md"] = coverage_page()
    files.update(dbt_files())
    files.update(dashboard_files())
    return files


def file_name(family: ModuleType) -> str:
    """The page of a *family* of tables."""
    return family.__name__.rsplit(".", 1)[-1] + ".md"


# -- parts of pages


def tables_part() -> str:
    """Tables and verbs."""
    head = ("table", "SELECT", "INSERT", "UPDATE", "DELETE", "what a row is")
    rows = []
    for family in FAMILIES:
        for table in family.TABLES:
            verbs = (_YES if write else _NO for write in (table.insert, table.update, table.delete))
            rows.append((_linked(family, table), _YES, *verbs, _first_sentence(table.doc)))
    return f"{len(TABLES)} tables.\n\n" + _grid(head, rows, ":-:", range(1, 5))


def pushdown_part() -> str:
    """What Pipedrive filters and sorts, and what reading costs."""
    head = ("table", "conditions that Pipedrive answers", "sorts by", "tokens")
    rows = []
    for family in FAMILIES:
        for table in family.TABLES:
            pushed = [_condition(name, operators) for name, operators in pushed_operators(table).items()]
            order = [_code(name) for name in sort_keys(table)]
            rows.append((_linked(family, table), ", ".join(pushed), ", ".join(order), prices(table)))
    return _grid(head, rows)


def options_part() -> str:
    """Every option."""
    head = ("option", "belongs to", "values", "default", "meaning")
    rows = []
    for option in OPTIONS:
        where = [
            w + (" and session" if option.name in SESSION and w == "table" else "") for w in option.where
        ]
        rows.append(
            (_code(option.name), ", ".join(where), _values(option), _default(option.default), option.doc)
        )
    return _grid(head, rows)


def _values(option: Option) -> str:
    """What it takes, as the error for anything else says it; empty where that is a text of some kind."""
    try:
        option.read("?")
    except ValueError as error:
        number = re.fullmatch(r"use a (?:whole )?number from (.*)", str(error))
        listed = (
            re.findall(r"'(\w+)'", str(error)) if str(error).startswith(("use one of", "use 'true'")) else ()
        )
        return number[1] if number else ", ".join(_code(value) for value in listed)
    return ""


def errors_part() -> str:
    """The words that begin messages, with their SQLSTATE and the meaning from the tree in errors.py."""
    meanings = dict(_LEAF.findall(errors.__doc__ or ""))
    classes = [c for c in vars(errors).values() if isinstance(c, type) and c.__name__ in meanings]
    rows = [
        (_code(c.word), _code(c.sqlstate), meanings[c.__name__][:1].upper() + meanings[c.__name__][1:])
        for c in classes
    ]
    return _grid(("word", "SQLSTATE", "meaning"), rows)


def kinds_part() -> str:
    """The columns of each type of custom field; types with the same columns share a line."""
    kinds: dict[str, list[str]] = {}
    for kind, parts in CREATABLE.items():
        shown = ", ".join(f"`x{part.suffix} {part.type}`" for part in parts)
        kinds.setdefault(shown + (" (labels of options)" if kind in CHOICES else ""), []).append(kind)
    rows = [(", ".join(map(_code, names)), shown) for shown, names in kinds.items()]
    return _grid(("type of the field", "columns of a field x"), rows)


def families_part() -> str:
    """Links to the pages of the families."""
    lines = []
    for family in FAMILIES:
        names = ", ".join(_code(table.name) for table in family.TABLES)
        lines.append(f"- [{_title(family)}](tables/{file_name(family)}): {names}")
    return "\n".join(lines)


def families_menu(indent: str) -> str:
    """The pages of the families as lines of the site's menu."""
    return "".join(f"{indent}- {_title(family)}: tables/{file_name(family)}\n" for family in FAMILIES)


def decisions_part() -> str:
    """Links to the decisions, by their titles."""
    found = []
    for page in (ROOT / "docs" / "decisions").glob("*.md"):
        if page.name != "README.md":
            title = page.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
            found.append(f"- [{title}]({page.name})")
    return "\n".join(sorted(found))


# -- SQL


def references_part() -> str:
    """What refers to what, as lines of VALUES: table and column, or the type and part of a custom field."""
    found = [
        (f"'{table.name}'", column.name, *column.references.split("."))
        for table in TABLES.values()
        for column in table.columns
        if column.references
    ]
    found += [("NULL", kind, table, "id") for kind, table in LINKED_KINDS.items()]
    return (
        ",\n".join(f"    ({table}, '{column}', '{target}', '{key}')" for table, column, target, key in found)
        + "\n"
    )


def option_places_part() -> str:
    """Where each option may stand, as lines of VALUES."""
    lines = (f"    ('{option.name}', '{{{','.join(option.where)}}}')" for option in OPTIONS)
    return ",\n".join(lines) + "\n"


def tables_script() -> str:
    """CREATE FOREIGN TABLE for every table, for those who do not import."""
    lines = [
        "-- Written by make docs from the catalogue, for those who do not import. Custom fields stand in",
        "-- custom_fields and attrs. Needs the server pipedrive; makes the tables in the schema pipedrive.",
        "",
        "CREATE SCHEMA IF NOT EXISTS pipedrive;",
    ]
    for table in TABLES.values():
        columns = ",\n".join(
            f'    "{c.name}" {c.type}{" NOT NULL" * c.not_null}' for c in (*table.columns, ATTRS)
        )
        lines.append(
            f"\nCREATE FOREIGN TABLE pipedrive.{table.name} (\n{columns}\n) "
            f"SERVER pipedrive OPTIONS (table '{table.name}');"
        )
    return "\n".join(lines) + "\n"


# -- pages of the families


def family_page(family: ModuleType) -> str:
    """The whole page of a *family*."""
    lines = [
        "<!-- Written by make docs from pipedrive_fdw/catalog. Change the catalogue, not this page. -->",
        "",
        f"# {_title(family)}",
        "",
        f"{(family.__doc__ or '').strip().splitlines()[0]} How to read this page: [tables](../tables.md).",
        "",
    ]
    for table in family.TABLES:
        lines += [f"## {table.name}", "", *_table_section(table), ""]
    return "\n".join(lines).rstrip() + "\n"


def _table_section(table: Table) -> Iterator[str]:
    yield table.doc
    yield ""
    yield from (f"- **{name}:** {words}" for name, words in _facts(table) if words)
    yield ""
    head = ("column", "type", "meaning", "pushed", "written")
    pushed = pushed_operators(table)
    rows = [
        (_code(c.name), _code(c.type), _meaning(c), _shown(pushed.get(c.name, ())), _written(table, c))
        for c in table.columns
    ]
    rows.append((_code("attrs"), _code("jsonb"), "The whole record as the API gave it.", "", ""))
    yield _grid(head, rows)


def _facts(table: Table) -> Iterator[tuple[str, str]]:
    yield "Read by", "; ".join(dict.fromkeys(priced(listing) for listing in table.listings))
    yield "Looked up by", priced(table.get) if table.get is not None and table.get.lookup else ""
    for verb in ("insert", "update", "delete"):
        write: Write | None = getattr(table, verb)
        yield verb.upper(), priced(write) if write is not None else ""
    yield "Scope", " or ".join(_code(s) for li in table.listings[:1] for s in scopes(li))
    yield "Key", ", ".join(_code(k) for k in table.key)
    if table.parent is not None:
        walk = "a query must name it" if table.parent.guarded else "all are walked where a query names none"
        yield "Parent", f"{_code(table.parent.column)} names the row of {_code(table.parent.table)}; {walk}"
    yield "To be named", ", ".join(_code(name) for name in table.selecting)
    yield "Sorted by Pipedrive", ", ".join(_code(k) for k in sort_keys(table))
    yield (
        "Frozen",
        " and ".join(f"{_code(c)} = {_value(v)}: such a row cannot be changed" for c, v in table.frozen),
    )
    yield "Custom fields", "become columns at the import" if table.custom_fields else ""
    yield "Needs", table.needs
    if table.removed:
        yield "Removed", "Pipedrive takes these operations away; where they are gone, a query is an error"


def _meaning(column: Column) -> str:
    words = column.doc
    if column.shape is not None:
        words += f" Form: {_code(form(column.shape, not (column.insert or column.update)))}."
    if column.references:
        words += f" → {_code(column.references)}"
    if column.extended:
        words += " *Extended: one more request a row, made when it is named.*"
    return words.strip()


def _written(table: Table, column: Column) -> str:
    verbs = []
    if table.insert and column.insert:
        verbs.append("INSERT (required)" if column.required else "INSERT")
    if table.update and column.update:
        verbs.append("UPDATE")
    return ", ".join(verbs)


# -- words


def _title(family: ModuleType) -> str:
    return family.__name__.rsplit(".", 1)[-1].replace("_", " ").capitalize()


def _linked(family: ModuleType, table: Table) -> str:
    return f"[`{table.name}`](tables/{file_name(family)}#{table.name})"


def _first_sentence(doc: str) -> str:
    return doc.split(". ")[0].rstrip(".")


def _condition(name: str, operators: Sequence[str]) -> str:
    """A column with its operators, which go without saying where they are = and IN."""
    return _code(name) if list(operators) == ["=", "IN"] else f"{_code(name)} ({' '.join(operators)})"


def _shown(operators: Iterable[str]) -> str:
    return " ".join(_code(operator) for operator in operators)


def _code(text: str) -> str:
    return f"`{text}`"


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _default(value: object) -> str:
    if value in ("", None):
        return ""
    return _code(f"{value:g}") if isinstance(value, float) else _code(_value(value))


def _grid(
    head: Sequence[str], rows: Iterable[Sequence[str]], align: str = "", centred: Iterable[int] = ()
) -> str:
    middle = set(centred)
    rule = [align if number in middle else "---" for number in range(len(head))]
    lines = [head, rule, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
