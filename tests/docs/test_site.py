"""The site builds without warnings and without network, and none of its links is dead."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tools.engine.places import ROOT

# What a reader clicks on; everything else is loaded by the page itself.
_LINKS = {"a": "href"}
_LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "object": "data"}


class Page(HTMLParser):
    """The links, the loaded files and the anchors of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if given.get(_LINKS.get(tag, "")):
            self.links.append(given[_LINKS[tag]])
        if given.get(_LOADED.get(tag, "")):
            self.loaded.append(given[_LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. No name of a host resolves while it is built."""
    folder = tmp_path_factory.mktemp("site")
    offline = (
        "import socket, sys\n"
        "def refused(*args, **more): raise OSError('no network here')\n"
        "socket.getaddrinfo = socket.socket.connect = refused\n"
        "from mkdocs.__main__ import cli\n"
        "sys.argv[0] = 'mkdocs'\n"
        "cli()"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", offline, "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_link_leads_somewhere(site: Path) -> None:
    pages = {file: Page(file) for file in site.rglob("*.html")}
    dead = []
    for file, page in pages.items():
        for link in (*page.links, *page.loaded):
            parts = urlsplit(link)
            if parts.scheme:
                continue
            # The page of errors may be shown at any address, so its links begin at the root.
            start = site if link.startswith("/") else file.parent
            target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else file
            found = target / "index.html" if target.is_dir() else target
            if not found.exists() or (found in pages and unquote(parts.fragment) not in pages[found].anchors):
                dead.append(f"{file.relative_to(site)}: {link}")
    assert dead == []
    assert len(pages) > 50


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    loaded = {link for file in site.rglob("*.html") for link in Page(file).loaded if urlsplit(link).netloc}
    assert loaded == set()


def test_the_site_has_every_page_of_the_docs(site: Path) -> None:
    pages = {file.relative_to(ROOT / "docs").with_suffix("") for file in (ROOT / "docs").rglob("*.md")}
    built = {file.relative_to(site).with_suffix("") for file in site.rglob("*.html")}
    assert {Path(str(page).replace("README", "index")) for page in pages} <= built
