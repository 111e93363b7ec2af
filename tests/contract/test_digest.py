"""The simulator's knowledge of the API is that of the OpenAPI files."""

from __future__ import annotations

from pathlib import Path

from tests.contract.digest import text
from tests.contract.openapi import needs_files

OPERATIONS = Path(__file__).resolve().parents[1] / "simulator" / "operations.json"


@needs_files
def test_the_digest_is_that_of_the_openapi_files() -> None:
    assert OPERATIONS.read_text(encoding="utf-8") == text(), (
        "stale: python -m tests.contract.digest > tests/simulator/operations.json"
    )
