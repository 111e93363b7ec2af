"""A new flat table costs one declaration: here one is added to a copy of the package, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.conformance.expected import records, shown
from tests.live import LiveAccount
from tools.engine import Server
from tools.engine.places import ROOT

DECLARATION = """

TABLES = (
    *TABLES,
    Table(
        name="templates",
        doc="Templates of projects.",
        columns=(
            ID,
            Column("title", "text", "Title."),
            Column("description", "text", "Description."),
            ref("projects_board_id", "boards", "The board of its projects."),
            ref("owner_id", "users", "The user who owns it."),
            ADD_TIME,
            UPDATE_TIME,
        ),
        listings=(Listing("/projectTemplates", tokens=10),),
        get=Get("/projectTemplates/{id}", tokens=1),
        needs=_NEEDS,
        rows=20,
    ),
)
"""


def test_a_new_flat_table_is_one_declaration(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    package = tmp_path / "pipedrive_fdw"
    shutil.copytree(ROOT / "pipedrive_fdw", package, ignore=shutil.ignore_patterns("__pycache__"))
    with (package / "catalog" / "projects.py").open("a", encoding="utf-8") as file:
        file.write(DECLARATION)
    with Server(package=package) as server, LiveAccount(server, seed=1, deals=40) as live:
        wanted = records(live.simulator, "project_templates")
        assert wanted
        kinds = {"id": "bigint", "title": "text", "description": "text", "projects_board_id": "bigint"}
        kinds |= {"owner_id": "bigint", "add_time": "timestamptz", "update_time": "timestamptz"}
        names = ", ".join(kinds)
        expect = [tuple(shown(kind, r.get(name)) for name, kind in kinds.items()) for r in wanted]
        assert sorted(live.rows(f"SELECT {names} FROM templates")) == sorted(expect)
        key = wanted[0]["id"]
        assert live.asked(f"SELECT * FROM templates WHERE id = {key}")[0]["path"].endswith(f"/{key}")
        assert live.value("SELECT count(*) FROM templates WHERE title IS NULL") == 0
