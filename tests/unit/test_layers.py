"""The direction of imports: a package knows those before it and nothing after it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "pipedrive_fdw"

# Each may import those that stand before it.
LAYERS = (
    "masking",
    "addresses",
    "errors",
    "values",
    "catalog",
    "option_values",
    "options",
    "postgres",
    "monitoring",
    "api",
    "custom_fields",
    "plan",
    "session",
    "table",
    "read",
    "write",
    "extension",
    "foreign_table",
    "fdw",
)
ALLOWED = {layer: set(LAYERS[:number]) for number, layer in enumerate(LAYERS)}
# No account, no server, no table: what is asked, and how it is read, stays apart.
ALLOWED["catalog"] = {"errors", "values"}
ALLOWED["postgres"] = {"masking", "errors"}
ALLOWED["monitoring"] = {"masking", "postgres"}
ALLOWED["api"] = {"masking", "addresses", "errors", "values", "catalog.model", "__init__"}
ALLOWED["custom_fields"] = {"errors", "values"}
ALLOWED["plan"] = {"masking", "addresses", "errors", "values", "catalog", "custom_fields"}
ALLOWED["cli"] = {*LAYERS[: LAYERS.index("table") + 1], "extension", "__init__"}
ALLOWED["__main__"] = {"cli"}
ALLOWED["__init__"] = {"fdw"}
# The limits of a module, of a class, and of a package but the catalogue.
MOST_LINES, MOST_CLASS_LINES, MOST_MODULES = 400, 250, 12


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@lru_cache(None)
def _nodes(source: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(source)))


def _imports(source: str, package: str) -> set[str]:
    """What a module of *package* ('' for the root) imports of the product: 'api.client', or 'api'."""
    found = set()
    for node in _nodes(source):
        if isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".") if node.module else []
            if node.level == 1 and package:
                parts = [package, *parts]
            elif node.level == 0:
                if parts[0] != "pipedrive_fdw":
                    continue
                parts = parts[1:]
            # What is imported may be a module itself
            modules = {".".join([*parts, n.name]) for n in node.names if _is_module([*parts, n.name])}
            found |= modules or {".".join(parts) or "__init__"}
        elif isinstance(node, ast.Import):
            found |= {n.name.partition(".")[2] for n in node.names if n.name.startswith("pipedrive_fdw.")}
    return found


def _is_module(parts: list[str]) -> bool:
    place = PACKAGE.joinpath(*parts)
    return place.is_dir() or place.with_suffix(".py").exists()


def wrong_edges(layer: str, source: str, package: str = "") -> set[str]:
    wrong = set()
    for name in _imports(source, package):
        target = name.split(".")[0]
        if target != layer and target not in ALLOWED[layer] and name not in ALLOWED[layer]:
            wrong.add(f"{layer} -> {name}")
    return wrong


def test_every_import_follows_the_layers() -> None:
    wrong = set()
    for path in PACKAGE.rglob("*.py"):
        package = "" if path.parent == PACKAGE else path.parent.name
        wrong |= wrong_edges(_layer(path), path.read_text(), package)
    assert wrong == set()


def test_every_layer_is_named() -> None:
    found = {_layer(path) for path in PACKAGE.rglob("*.py")}
    assert found == set(ALLOWED)


def test_modules_and_classes_can_be_read_in_one_sitting() -> None:
    large = []
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text()
        if len(source.splitlines()) > MOST_LINES:
            large.append(path.name)
        for node in _nodes(source):
            if isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno >= MOST_CLASS_LINES:
                large.append(f"{path.name}: {node.name}")
    assert large == []


def test_no_two_modules_have_one_name_and_no_package_is_crowded() -> None:
    modules = [path for path in PACKAGE.rglob("*.py") if not path.name.startswith("__")]
    names = Counter(path.name for path in modules)
    assert [name for name, count in names.items() if count > 1] == []
    packages = Counter(path.parent.name for path in modules if path.parent.name != "catalog")
    assert {name: count for name, count in packages.items() if count > MOST_MODULES} == {}


def test_no_two_classes_have_one_name() -> None:
    nodes = [node for path in PACKAGE.rglob("*.py") for node in ast.parse(path.read_text()).body]
    names = Counter(n.name for n in nodes if isinstance(n, ast.ClassDef) and not n.name.startswith("_"))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize(
    "source",
    [
        "import pipedrive_fdw.api.client",
        "from pipedrive_fdw import api",
        "from pipedrive_fdw.api import client as c",
        "from ..api import client",
        "from ..api.client import Client",
        "from .. import api",
        "def later():\n    from pipedrive_fdw.api.client import Client",
    ],
)
def test_an_import_of_any_form_is_seen(source: str) -> None:
    assert wrong_edges("plan", source, "plan")


def test_a_wrong_edge_is_seen() -> None:
    assert wrong_edges("plan", "from pipedrive_fdw.api.client import Client") == {"plan -> api.client"}
    assert wrong_edges("api", "from pipedrive_fdw.catalog.deals import DEALS") == {"api -> catalog.deals"}


def test_only_the_glue_imports_multicorn() -> None:
    users = {
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in _nodes(path.read_text())
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "multicorn")
        or (isinstance(node, ast.Import) and any(n.name.split(".")[0] == "multicorn" for n in node.names))
    }
    assert users == {"fdw.py"}


# The encoder of multipart bodies, which does no input or output.
_PURE = {"urllib3.filepost"}


def _foreign(path: Path) -> set[str]:
    """The first names of the modules that *path* imports from elsewhere, but for pure ones."""
    nodes = _nodes(path.read_text())
    names = {n.name for node in nodes if isinstance(node, ast.Import) for n in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names - _PURE}


def test_only_transport_imports_requests() -> None:
    users = {path.name for path in PACKAGE.rglob("*.py") if _foreign(path) & {"requests", "urllib3"}}
    assert users == {"transport.py"}


def test_planning_does_no_input_or_output() -> None:
    forbidden = {"socket", "requests", "urllib3", "threading", "os", "pathlib", "time", "random"}
    for path in (PACKAGE / "plan").glob("*.py"):
        assert not _foreign(path) & forbidden, path


def test_the_lists_of_the_page_on_architecture_name_modules_that_exist() -> None:
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    lists = page[page.index("### A record") : page.index("## The path of a write")]
    named = re.findall(r"^\d\. `([\w/]+\.py)`", lists, re.MULTILINE)
    assert len(named) == 15
    assert [name for name in named if not (PACKAGE / name).exists()] == []


def test_a_session_that_only_reads_loads_nothing_that_it_does_not_need() -> None:
    """Every new session waits for what is loaded."""
    loaded = "import sys, pipedrive_fdw.foreign_table; print(*sys.modules)"
    command = [sys.executable, "-c", loaded]
    modules = subprocess.check_output(command, text=True)  # noqa: S603 - our own words
    unneeded = {
        "pipedrive_fdw.api.oauth",
        "pipedrive_fdw.catalog.v1",
        "pipedrive_fdw.custom_fields.writing",
        "pipedrive_fdw.extension.requests",
        "pipedrive_fdw.plan.row_changes",
        "pipedrive_fdw.write.writer",
    }
    assert not unneeded & set(modules.split())
