"""SQL blocks that cannot run yet, each with the feature that it waits for. In the end: none.

A block that is listed here must fail; one that works is reported, so that its entry goes.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.docs.markdown import Block


@dataclass(frozen=True)
class Pending:
    """A block of *page* that contains *words* waits for *feature*; meanwhile *instead* is run.

    A *harmful* one would crash the server, so it is not tried before the extension is there.
    """

    feature: str
    page: str
    words: str
    instead: str = ""
    harmful: bool = False

    def covers(self, block: Block) -> bool:
        return block.page == self.page and self.words in block.text


_EXTENSION, _WRITES, _PROCEDURES, _OPTIONS = "the extension", "writing", "procedures", "options"
_PAGE = "docs/procedures.md"

PENDING: tuple[Pending, ...] = (
    Pending(
        _EXTENSION,
        "README.md",
        "CREATE EXTENSION pipedrive_fdw CASCADE;",
        "CREATE SCHEMA IF NOT EXISTS pipedrive",
    ),
    Pending(_EXTENSION, "README.md", "pipedrive.connect("),
    Pending(_WRITES, "README.md", "INSERT INTO pipedrive.persons"),
    Pending(_PROCEDURES, "README.md", "pipedrive.add_role_assignments"),
    Pending(_EXTENSION, "docs/tables.md", "pipedrive.foreign_keys"),
    Pending(
        _OPTIONS,
        "docs/operations.md",
        "ADD updatable 'false'",
        "ALTER SERVER pipedrive OPTIONS (DROP updatable)",
    ),
    Pending(_WRITES, "docs/operations.md", "write_mode 'commit'"),
    Pending(_EXTENSION, "docs/operations.md", "COPY pipedrive.persons (name)", harmful=True),
    Pending(_PROCEDURES, _PAGE, "pipedrive.add_role_assignments"),
    Pending(_PROCEDURES, _PAGE, "pipedrive.delete_role_assignments"),
    Pending(_PROCEDURES, _PAGE, "pipedrive.add_deal_installments"),
    Pending(_PROCEDURES, _PAGE, "pipedrive.duplicate_deal"),
    Pending(_PROCEDURES, _PAGE, "pipedrive.merge_organizations"),
    Pending(_PROCEDURES, _PAGE, "jsonb_array_elements(pipedrive.search("),
    Pending(_PROCEDURES, _PAGE, "pipedrive.request("),
    Pending(_PROCEDURES, _PAGE, "GRANT EXECUTE"),
)


def pending(block: Block) -> Pending | None:
    """The entry of *block*, if there is one."""
    return next((entry for entry in PENDING if entry.covers(block)), None)
