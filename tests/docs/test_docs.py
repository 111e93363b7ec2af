"""The documentation holds: generated parts are fresh, links lead somewhere, SQL does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.catalog.operations import FILE
from tests.contract.openapi import NO_FILES, folder
from tests.docs.generate import FOLDER, generated_files
from tests.docs.markdown import anchors, blocks, links, pages
from tests.docs.operations import from_openapi
from tests.docs.runner import CONNECTS, faults, open_page
from tests.simulator import Simulator
from tools.engine import Server
from tools.engine.places import ROOT


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT))


WITH_SQL = [page for page in pages() if any(block.language == "sql" for block in blocks(page))]


@pytest.mark.parametrize("file", generated_files(), ids=_name)
def test_generated_parts_are_fresh(file: Path) -> None:
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    assert text == generated_files()[file], "make docs writes it anew"


def test_no_page_of_a_family_is_left_behind() -> None:
    assert set(FOLDER.glob("*.md")) <= set(generated_files())


def test_scopes_are_those_of_the_openapi_files() -> None:
    if folder() is None:
        pytest.skip(NO_FILES)
    assert FILE.read_text(encoding="utf-8") == from_openapi(), (
        "python -m tests.docs.operations prints them anew"
    )


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for link in links(page.read_text(encoding="utf-8")):
        if link.startswith(("https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            dead.append(link)
    assert dead == []


def test_the_script_of_tables_makes_what_an_import_makes(server: Server, simulator: Simulator) -> None:
    """But for custom fields, which the script cannot know."""
    with open_page(server, simulator, "tables_script", connected=True) as page:
        page.psql.query(
            "CREATE SCHEMA imported; IMPORT FOREIGN SCHEMA pipedrive FROM SERVER pipedrive INTO imported "
            "OPTIONS (custom_fields 'false'); DROP FOREIGN TABLE "
            + ", ".join(f"pipedrive.{name}" for name in TABLES)
        )
        page.psql.query((ROOT / "sql" / "tables.sql").read_text(encoding="utf-8"))
        columns = (
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, "
            "a.attfdwoptions, array_remove(f.ftoptions, 'custom_fields=false') "
            "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
            "JOIN pg_foreign_table f ON f.ftrelid = c.oid WHERE a.attnum > 0 AND NOT a.attisdropped "
            "AND c.relnamespace = '{}'::regnamespace ORDER BY c.relname, a.attnum"
        )
        made = page.psql.query(columns.format("pipedrive"))
        assert made == page.psql.query(columns.format("imported"))
        assert page.psql.query("SELECT count(*) FROM pipedrive.stages") == str(
            len(simulator.records("stages"))
        )


def test_the_page_of_procedures_names_every_function(server: Server, simulator: Simulator) -> None:
    with open_page(server, simulator, "procedures_page", connected=True) as page:
        there = page.psql.query(
            "SELECT proname || '(' || array_to_string(array_remove(proargnames[:pronargs], 'server'), ', ') "
            "|| ')' FROM pg_proc WHERE pronamespace = 'pipedrive'::regnamespace AND proname !~ '^_|^connect$'"
        )
    text = (ROOT / "docs" / "procedures.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(\w+\(.*?\))` \|", text, re.MULTILINE))
    assert {name for name in named if not name.startswith("connect(")} == set(there.splitlines())


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_no_block_escapes_the_tests(page: Path) -> None:
    """A fence that is indented or of another language would be neither run nor compared."""
    fences = re.findall(r"^[ >]*(?:```|~~~).*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(fences) <= {"```sql", "```sh", "```text", "```"}
    assert len(fences) == 2 * len(list(blocks(page)))


@pytest.mark.parametrize("page", WITH_SQL, ids=_name)
def test_every_sql_block_runs(server: Server, simulator: Simulator, page: Path) -> None:
    connects = CONNECTS in page.read_text(encoding="utf-8")
    with open_page(server, simulator, _name(page), connected=not connects) as opened:
        found = list(faults(opened, page))
    assert not found, "\n\n".join(found)
