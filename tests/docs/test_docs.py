"""The documentation holds: generated parts are fresh, links lead somewhere, SQL does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipedrive_fdw.catalog.scopes import FILE
from tests.contract.openapi import folder
from tests.docs.generate import FOLDER, generated_files
from tests.docs.markdown import anchors, blocks, links, pages
from tests.docs.runner import faults, open_page
from tests.docs.scopes import from_openapi
from tests.engine import Server
from tests.engine.places import ROOT
from tests.simulator import Simulator


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
        pytest.skip("the OpenAPI files are not here (PIPEDRIVE_OPENAPI_DIR)")
    assert FILE.read_text(encoding="utf-8") == from_openapi(), "python -m tests.docs.scopes prints them anew"


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


@pytest.mark.parametrize("page", WITH_SQL, ids=_name)
def test_every_sql_block_runs(server: Server, simulator: Simulator, page: Path) -> None:
    opened = open_page(server, simulator, _name(page), connected=_name(page) != "README.md")
    found = list(faults(opened, page))
    assert not found, "\n\n".join(found)
