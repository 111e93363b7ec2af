"""Which Debian mirror the host uses, so that none has to be written down here. No network, no change.

Both forms of apt's sources are read: one line per source, and the paragraphs of ``.sources`` files.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.engine.process import EngineError

VARIABLE = "DEBIAN_MIRROR"
_SUITES = frozenset(
    ("bullseye", "bookworm", "trixie", "forky", "duke", "sid", "stable", "oldstable", "testing", "unstable")
)
_LINE = re.compile(r"^\s*deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$")


@dataclass(frozen=True)
class Source:
    """One place that apt takes binary packages from."""

    uri: str
    suite: str
    components: tuple[str, ...]

    @property
    def is_debian(self) -> bool:
        """True if this is Debian's main archive, not its security updates nor anybody else's."""
        return self.suite in _SUITES and "main" in self.components and "security" not in self.uri


def parse_lines(text: str) -> list[Source]:
    """The sources of a ``sources.list``."""
    found = (_LINE.match(line.split("#", 1)[0]) for line in text.splitlines())
    return [Source(m["uri"], m["suite"].rstrip("/"), tuple(m["components"].split())) for m in found if m]


def parse_paragraphs(text: str) -> list[Source]:
    """The sources of a ``.sources`` file."""
    sources = []
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for paragraph in re.split(r"\n\s*\n", lines):
        fields = _fields(paragraph)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes") in ("no", "false"):
            continue
        components = tuple(fields.get("components", "").split())
        for uri in fields.get("uris", "").split():
            sources += [Source(uri, suite, components) for suite in fields.get("suites", "").split()]
    return sources


def _fields(paragraph: str) -> dict[str, str]:
    unfolded = re.sub(r"\n[ \t]+", " ", paragraph.strip())
    pairs = (line.split(":", 1) for line in unfolded.splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


def parse_targets(text: str) -> list[Source]:
    """The sources in the answer to ``apt-get indextargets`` in our format."""
    rows = (line.split() for line in text.splitlines())
    return [Source(row[0], row[1], (row[2],)) for row in rows if len(row) == 3]


def choose(sources: Iterable[Source]) -> str | None:
    """The first address of Debian's main archive."""
    return next((source.uri.rstrip("/") for source in sources if source.is_debian), None)


def find_mirror(environ: Mapping[str, str], etc: Path = Path("/etc/apt")) -> str:
    """The mirror to use: ``DEBIAN_MIRROR``, else the host's own."""
    if environ.get(VARIABLE):
        return environ[VARIABLE].rstrip("/")
    found = choose(_targets()) or choose(_files(etc))
    if found is None:
        raise EngineError(
            "The engine is put together from Debian 11's packages, and apt here uses no Debian mirror.\n"
            f"Name one in {VARIABLE}: {VARIABLE}=http://<mirror>/debian make demo"
        )
    return found


def _targets() -> list[Source]:
    command = [
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return []
    return parse_targets(done.stdout)


def _files(etc: Path) -> list[Source]:
    sources: list[Source] = []
    for file in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if file.suffix in (".list", ".sources") and file.is_file():
            parse = parse_lines if file.suffix == ".list" else parse_paragraphs
            sources += parse(file.read_text(errors="replace"))
    return sources
