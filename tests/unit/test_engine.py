"""The parts of tools/engine that decide something without doing it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.engine import libraries, mirror, places, server
from tools.engine.demo import EXAMPLES, Example
from tools.engine.mirror import Source
from tools.engine.process import EngineError


def test_one_line_sources_are_read_without_their_options() -> None:
    text = """
    # deb http://commented.example/debian bookworm main
    deb [arch=amd64 signed-by=/a/key.gpg] http://one.example/debian bookworm main contrib # why not
    deb-src http://one.example/debian bookworm main
    deb http://two.example/debian/ trixie/ main
    """
    assert mirror.parse_lines(text) == [
        Source("http://one.example/debian", "bookworm", ("main", "contrib")),
        Source("http://two.example/debian/", "trixie", ("main",)),
    ]


def test_paragraphs_are_read_with_folded_fields_and_without_the_disabled() -> None:
    text = (
        "Types: deb deb-src\n# a remark\n"
        "URIs: http://one.example/debian\nSuites: bookworm\n bookworm-updates\n"
        "Components: main\nSigned-By:\n -----BEGIN\n .\n -----END\n\n"
        "Enabled: no\nTypes: deb\nURIs: http://two.example/debian\nSuites: trixie\nComponents: main\n"
    )
    assert mirror.parse_paragraphs(text) == [
        Source("http://one.example/debian", "bookworm", ("main",)),
        Source("http://one.example/debian", "bookworm-updates", ("main",)),
    ]


def test_the_answer_of_indextargets_is_read() -> None:
    assert mirror.parse_targets("http://one.example/debian/ bookworm main\nnonsense\n") == [
        Source("http://one.example/debian/", "bookworm", ("main",))
    ]


@pytest.mark.parametrize(
    "source",
    [
        Source("http://one.example/debian-security", "bookworm-security", ("main",)),
        Source("http://one.example/ubuntu", "noble", ("main",)),
        Source("http://one.example/debian", "bookworm-updates", ("main",)),
        Source("http://one.example/node", "nodistro", ("main",)),
        Source("http://one.example/debian", "bookworm", ("contrib",)),
    ],
    ids=lambda source: source.suite + "-" + source.components[0],
)
def test_only_debians_main_archive_is_chosen(source: Source) -> None:
    wanted = Source("http://two.example/debian/", "bookworm", ("main",))
    assert mirror.choose([source, wanted]) == "http://two.example/debian"
    assert mirror.choose([source]) is None


def test_a_named_mirror_overrides_the_hosts() -> None:
    assert (
        mirror.find_mirror({"DEBIAN_MIRROR": "http://named.example/debian/"}) == "http://named.example/debian"
    )


@pytest.mark.parametrize(
    ("environ", "uid", "expected"),
    [
        ({"PIPEDRIVE_FDW_CACHE": "/named"}, 0, "/named"),
        ({"PIPEDRIVE_FDW_CACHE": "/named"}, 1000, "/named"),
        ({"XDG_CACHE_HOME": "/xdg"}, 0, "/var/cache/pipedrive-fdw"),
        ({"XDG_CACHE_HOME": "/xdg"}, 1000, "/xdg/pipedrive-fdw"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/nonexistent"}, 1000, "/var/tmp/pipedrive-fdw-1000"),  # noqa: S108
        ({}, 1000, "/var/tmp/pipedrive-fdw-1000"),  # noqa: S108
    ],
)
def test_the_cache_folder(environ: dict[str, str], uid: int, expected: str) -> None:
    assert places.cache_folder(environ, uid) == Path(expected)


def test_the_cache_folder_of_a_user_is_at_home(tmp_path: Path) -> None:
    assert places.cache_folder({"HOME": str(tmp_path)}, 1000) == tmp_path / ".cache" / "pipedrive-fdw"


def test_each_checkout_has_its_own_state_and_a_link_to_it_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert places.state_folder(tmp_path / "a") == places.state_folder(tmp_path / "link")
    assert places.state_folder(tmp_path / "a") != places.state_folder(tmp_path / "b")


def test_what_is_built_aside_appears_at_once_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with pytest.raises(KeyboardInterrupt), places.built_aside(target) as aside:
        (aside / "half").touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with places.built_aside(target) as aside:
        (aside / "whole").touch()
        assert not target.exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["target", "whole"]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".target.abcdef").mkdir()
    with places.built_aside(tmp_path / "target"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_the_requirements_are_those_of_setup_py(tmp_path: Path) -> None:
    assert [item.split(">")[0] for item in libraries.requirements()] == [
        "requests",
        "urllib3",
        "cachetools",
        "orjson",
    ]
    empty = tmp_path / "setup.py"
    empty.write_text("setup()\n")
    with pytest.raises(EngineError, match="no install_requires"):
        libraries.requirements(empty)


@pytest.mark.parametrize("text", ["", "999999999\n", "1\n/data\n0\n5432\n", "x\n\n\n\n"])
def test_a_stale_postmaster_file_is_no_server(tmp_path: Path, text: str) -> None:
    (tmp_path / "postmaster.pid").write_text(text)
    assert server.postmaster(tmp_path) is None
    assert server.stop_postmaster(tmp_path) is False


def test_every_example_has_a_title_words_and_sql() -> None:
    examples = [Example.read(file) for file in sorted(EXAMPLES.glob("*.sql"))]
    assert len(examples) >= 5
    assert all(example.title and example.words and example.sql.endswith(";") for example in examples)


def test_a_log_tells_of_dead_processes_that_nobody_killed(tmp_path: Path) -> None:
    log = tmp_path / "postgresql.log"
    assert server.crashes_in(log) == []
    died = [
        "LOG:  server process (PID 7) was terminated by signal 11: Segmentation fault",
        "LOG:  background worker (PID 8) was terminated by signal 6: Aborted",
        "PANIC:  ERRORDATA_STACK_SIZE exceeded",
        'TRAP: FailedAssertion("x", File: "y.c", Line: 1)',
    ]
    others = [
        "LOG:  server process (PID 9) was terminated by signal 9: Killed",
        "ERROR:  canceling statement due to user request",
        "LOG:  terminating any other active server processes",
    ]
    log.write_text("\n".join([*others, *died]))
    assert server.crashes_in(log) == died


def test_what_a_locale_cannot_show_does_not_end_a_command(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "tools.engine", "status"],
        env={**os.environ, "PIPEDRIVE_FDW_CACHE": str(tmp_path / "größe"), "PYTHONIOENCODING": "ascii"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{tmp_path}/gr??e/" in done.stdout
