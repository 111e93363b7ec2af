"""SQL blocks that cannot run yet, each with the feature that it waits for. In the end: none.

A block that is listed here must fail; one that works is reported, so that its entry goes.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.docs.markdown import Block


@dataclass(frozen=True)
class Pending:
    """A block of *page* that contains *words* waits for *feature*; meanwhile *instead* is run."""

    feature: str
    page: str
    words: str
    instead: str = ""

    def covers(self, block: Block) -> bool:
        return block.page == self.page and self.words in block.text


PENDING: tuple[Pending, ...] = (
    Pending(
        "the extension's script",
        "README.md",
        "CREATE EXTENSION pipedrive_fdw CASCADE;",
        "CREATE SCHEMA IF NOT EXISTS pipedrive",
    ),
)


def pending(block: Block) -> Pending | None:
    """The entry of *block*, if there is one."""
    return next((entry for entry in PENDING if entry.covers(block)), None)
