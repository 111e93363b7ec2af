"""The direction of imports: a package knows those before it and nothing after it."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "pipedrive_fdw"

# layer → layers that it may import
ALLOWED = {
    "masking": set(),
    "numbertext": set(),
    "addresses": set(),
    "errors": {"masking"},
    "numerics": {"errors"},
    "times": {"errors"},
    "jsonbounds": set(),
    "jsontext": {"jsonbounds", "numerics"},
    "codec": {"errors", "jsontext", "numerics", "times"},
    "options": {"errors", "masking", "addresses"},
    "postgres": {"errors"},
    "shapes": {"errors"},
    "catalog": {"errors", "codec", "shapes"},
    "custom": {"errors", "numbertext", "codec", "shapes"},
    "plan": {"errors", "masking", "addresses", "codec", "times", "catalog", "custom"},
    "api": {
        "errors", "masking", "numbertext", "addresses", "codec", "jsontext", "catalog.model", "__init__",
    },
    "run": {
        "errors", "masking", "numbertext", "addresses", "codec", "times", "jsontext", "shapes", "options",
        "catalog",
        "custom", "plan", "api", "postgres",
    },
    "schema": {"errors", "codec", "options", "catalog", "custom", "plan", "api", "run"},
    "fdw": {"errors", "options", "plan", "postgres", "run", "schema"},
    "cli": {
        "errors", "masking", "addresses", "options", "catalog", "run", "schema", "api", "__init__",
    },
    "__main__": {"cli"},
    "__init__": {"fdw"},
}  # fmt: skip


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(source: str) -> set[str]:
    """Names of the package's modules that *source* imports, as 'layer' or 'layer.module'."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pipedrive_fdw"):
            rest = node.module.split(".")[1:]
            found.add(".".join(rest) if rest else "__init__")
        elif isinstance(node, ast.Import):
            found |= {n.name.partition(".")[2] for n in node.names if n.name.startswith("pipedrive_fdw.")}
    return found


def wrong_edges(layer: str, source: str) -> set[str]:
    wrong = set()
    for name in _imports(source):
        target = name.split(".")[0]
        if target != layer and target not in ALLOWED[layer] and name not in ALLOWED[layer]:
            wrong.add(f"{layer} -> {name}")
    return wrong


def test_every_import_follows_the_layers() -> None:
    wrong = set()
    for path in PACKAGE.rglob("*.py"):
        wrong |= wrong_edges(_layer(path), path.read_text())
    assert wrong == set()


def test_a_wrong_edge_is_seen() -> None:
    assert wrong_edges("plan", "from pipedrive_fdw.api.client import Client") == {"plan -> api.client"}
    assert wrong_edges("api", "from pipedrive_fdw.catalog.deals import DEALS") == {"api -> catalog.deals"}


def test_only_the_glue_imports_multicorn() -> None:
    users = {
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "multicorn")
        or (isinstance(node, ast.Import) and any(n.name.split(".")[0] == "multicorn" for n in node.names))
    }
    assert users == {"fdw.py"}


# The encoder of multipart bodies, which does no input or output.
_PURE = {"urllib3.filepost"}


def _foreign(path: Path) -> set[str]:
    """The first names of the modules that *path* imports from elsewhere, but for pure ones."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
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
