"""Every command of the pages: run where that is harmless and quick, otherwise known to exist.

The commands of ``make`` run in a copy of the checkout, so that what ``make up`` keeps here is left alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import blocks, pages
from tests.docs.runner import open_page
from tests.simulator import Simulator
from tools.engine import Server
from tools.engine.places import ROOT

# What takes long, or needs a server of one's own, is looked at by `make --dry-run`.
_RUN = ("demo", "up", "dsn", "simulator-url", "psql", "status", "down")
_MADE = """
    CREATE VIEW my_view AS SELECT id FROM pipedrive.stages;
    COMMENT ON FOREIGN TABLE pipedrive.stages IS 'my note';
    ALTER FOREIGN TABLE pipedrive.stages OPTIONS (ADD rows '15');
"""
_STILL_THERE = """
    SELECT to_regclass('my_view'), obj_description('pipedrive.stages'::regclass), ftoptions
    FROM pg_foreign_table WHERE ftrelid = 'pipedrive.stages'::regclass;
    SELECT count(*) > 0 AS reads FROM pipedrive.stages;
"""
_LEFT_OUT = (".git", ".venv", "build", "dist", "node_modules", "__pycache__", ".*_cache", ".hypothesis")


def commands() -> list[str]:
    """Every line of every ``sh`` block, in the order of the pages; continued lines as one."""
    found: list[str] = []
    for page in pages():
        for block in blocks(page):
            if block.language == "sh":
                found += block.text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in found if line.strip() and not line.startswith("#")]


def _of(pattern: str) -> list[str]:
    return list(dict.fromkeys(line for line in commands() if re.search(pattern, line)))


MAKE, OWN = r"^(PG_CONFIG=\S+ )?make ", r"^python -m pipedrive_fdw"
DUMP, DOCKER = r"^pg_(dump|restore)", r"^(POSTGRES_PASSWORD=\S+ )?docker(-compose)? "
# A program that pip installs is called where the commands before have put it.
DBT = r"^(PG\w+=\S+ )*~/dbt/bin/dbt "
SUPERSET = (
    r"^(python3 -m venv ~/(dbt|superset)$|~/(dbt|superset)/bin/pip |export PATH=~/superset/bin:|superset )"
)
ZIP = r"^python3 -m zipfile "


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    copy = tmp_path_factory.mktemp("checkout") / "pipedrive_fdw"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    yield copy
    _make(copy, "clean")


def _make(folder: Path, *arguments: str, typed: str = "SELECT 1;\n") -> subprocess.CompletedProcess[str]:
    # Without what a surrounding make has set.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "PG"))}
    return subprocess.run(  # noqa: S603
        ["make", "--no-print-directory", *arguments],  # noqa: S607
        cwd=folder,
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_every_command_has_a_test() -> None:
    known = [line for pattern in (MAKE, OWN, DUMP, DOCKER, DBT, SUPERSET, ZIP) for line in _of(pattern)]
    assert [line for line in commands() if line not in known] == []


@pytest.mark.parametrize("line", _of(MAKE))
def test_make_targets_exist(line: str) -> None:
    words = re.sub(r"^PG_CONFIG=\S+ ", "", line).split()[1:]
    done = _make(ROOT, "--dry-run", *words)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_demo_and_its_kin_run(checkout: Path) -> None:
    shown = {}
    for target in _RUN:
        done = _make(checkout, target)
        assert done.returncode == 0, f"make {target}\n{done.stdout}\n{done.stderr}"
        shown[target] = done.stdout
    live, copied = shown["demo"].split("── How to go on")[0].split("── The same from a copy")
    assert "██████" in live, "it ends with a chart"
    assert re.findall(".*██.*", copied) == re.findall(".*██.*", live)
    (paid,) = re.findall(r"From Pipedrive: (\d+) requests, \d+ API tokens", copied)
    assert int(paid) > 0
    assert "From the copy:  0 requests, 0 API tokens" in copied
    assert shown["dsn"].startswith("postgresql://")
    assert shown["dsn"].count("\n") == 1
    assert shown["simulator-url"].startswith("http://127.0.0.1:")
    assert "(1 row)" in shown["psql"]
    assert _make(checkout, "dsn").returncode != 0, "make down has stopped it"


@pytest.mark.slow
def test_what_was_made_stays_until_reset(checkout: Path) -> None:
    """Also where the made-up company has another address than before."""
    _make(checkout, "psql", typed=_MADE)
    for again in ("up", "down", "up"):
        assert _make(checkout, again).returncode == 0
        shown = _make(checkout, "psql", typed=_STILL_THERE).stdout
        assert "my_view" in shown
        assert "my note" in shown
        assert "rows=15" in shown
        assert re.search(r"reads *\n-+\n t", shown), shown
    done = _make(checkout, "reset")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("postgresql://")
    shown = _make(checkout, "psql", typed=_STILL_THERE).stdout
    assert "my_view" not in shown
    assert "Stages of the pipelines." in shown
    assert re.search(r"reads *\n-+\n t", shown), shown


@pytest.mark.parametrize("line", _of(OWN))
def test_own_commands_have_help(line: str) -> None:
    words = line.split()[3:]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pipedrive_fdw", *words[:1], "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert words[0] in done.stdout


def test_dump_commands_run_and_hold_no_token(server: Server, simulator: Simulator, tmp_path: Path) -> None:
    with open_page(server, simulator, "dump", connected=True) as page:
        path = f"{server.engine.bindir}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(  # noqa: S603
            ["bash", "-e", "-o", "pipefail", "-c", "\n".join(_of(DUMP))],  # noqa: S607
            cwd=tmp_path,
            env={**os.environ, **server.env, "PATH": path, "DSN": page.psql.dsn},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "schema.sql").read_text(encoding="utf-8")
    assert "CREATE FOREIGN TABLE pipedrive.deals" in text
    assert "api_token" not in text


@pytest.mark.parametrize("line", _of(DOCKER))
def test_docker_commands_name_files_that_are_there(line: str) -> None:
    """What they do is run by tests/docker."""
    for file in re.findall(r"--file (\S+)", line):
        assert (ROOT / file).is_file()


@pytest.mark.parametrize("line", _of(DBT))
def test_dbt_commands_name_folders_that_are_there(line: str) -> None:
    """What they do is run by `make examples`."""
    for folder in re.findall(r"--\w+-dir (\S+)", line):
        assert (ROOT / folder / "dbt_project.yml").is_file()


@pytest.mark.parametrize("line", _of(SUPERSET))
def test_superset_commands_are_those_of_its_test(line: str) -> None:
    """`make examples` runs the same commands, except for the names of the user."""
    for file in re.findall(r"--requirement (\S+)", line):
        assert (ROOT / file).is_file()
    if line.startswith("superset "):
        words = ", ".join(
            f'"{word}"' for word in re.findall(r"^superset (\w+(?: [a-z][\w-]*)?)", line)[0].split()
        )
        assert words in (ROOT / "examples" / "test_superset.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", _of(ZIP))
def test_the_archive_has_one_folder_with_what_superset_reads(line: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "superset", tmp_path / "examples" / "superset")
    subprocess.run([sys.executable, *line.split()[1:]], cwd=tmp_path, check=True, timeout=60)  # noqa: S603
    with zipfile.ZipFile(tmp_path / "pipedrive.zip") as packed:
        names = packed.namelist()
    assert {name.split("/")[0] for name in names} == {"superset"}
    assert "superset/metadata.yaml" in names
    assert "superset/databases/pipedrive.yaml" in names
