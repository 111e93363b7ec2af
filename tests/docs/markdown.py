"""Pages of the documentation as data: fenced blocks, parts between markers, links and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.engine.places import ROOT

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARKED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, its language, its text, and the ``text`` block right after it."""

    page: str
    line: int
    language: str
    text: str
    shown: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page a reader is meant to read."""
    others = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docker/README.md")
    return [*(ROOT / name for name in others), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of *page*, in order."""
    text = page.read_text(encoding="utf-8")
    found = list(_FENCE.finditer(text))
    for number, match in enumerate(found):
        shown = ""
        if number + 1 < len(found):
            after = found[number + 1]
            if after[1] == "text" and not text[match.end() : after.start()].strip():
                shown = after[2]
        line = text.count("\n", 0, match.start()) + 1
        yield Block(str(page.relative_to(ROOT)), line, match[1], match[2].strip(), shown)


def with_parts(text: str, parts: Mapping[str, str]) -> str:
    """*text* with each part between ``<!-- generated: name -->`` and ``<!-- end -->`` written anew."""
    return _MARKED.sub(lambda match: f"{match[1]}{parts[match[2]].strip()}\n{match[3]}", text)


def links(text: str) -> list[str]:
    """The targets of the links outside of fenced blocks."""
    return _LINK.findall(_FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """The anchors that headings make."""
    heads = _HEADING.findall(_FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
