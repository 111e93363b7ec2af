"""The table that CONTRIBUTING.md declares is one that the catalogue takes."""

from __future__ import annotations

from typing import Any

from pipedrive_fdw.catalog import TABLES, deals
from pipedrive_fdw.catalog.validation import validate
from pipedrive_fdw.values.codec import CODECS
from tests.docs.markdown import blocks
from tools.engine.places import ROOT


def test_the_declaration_of_the_walk_through_is_sound() -> None:
    (text,) = (b.text for b in blocks(ROOT / "CONTRIBUTING.md") if b.text.startswith("DEAL_COLORS = Table("))
    family: dict[str, Any] = {**vars(deals)}
    exec(text, family)  # noqa: S102 - our own page
    table = family["DEAL_COLORS"]
    assert validate({**TABLES, table.name: table}, frozenset(CODECS)) == []
    assert [c.name for c in table.columns] == ["id", "name", "owner_id", "add_time"]
