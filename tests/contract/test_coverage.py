"""Every operation of the OpenAPI files is used by a table, a function or a command, or has a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipedrive_fdw.catalog.left_out import COMMANDS, LEFT_OUT
from pipedrive_fdw.catalog.model import Operation
from pipedrive_fdw.catalog.operations import METHODS, documented, known_as, price
from tests.contract.catalogue import operation_faults
from tests.contract.openapi import document, needs_files
from tests.docs.coverage import faults, function_operations, ways
from tools.engine.places import ROOT

FUNCTIONS = list(function_operations())


def priced(op: Operation) -> Operation:
    """*op* with the tokens that a function counts for it."""
    return replace(op, tokens=price(op.version, op.method, op.path.replace("{}", "7")))


def test_every_operation_is_reached_or_left_out_with_a_reason() -> None:
    assert faults() == []


@needs_files
def test_the_documented_operations_are_those_of_the_files() -> None:
    listed = {
        known_as(version, method, path)
        for version in (1, 2)
        for path, item in document(f"v{version}")["paths"].items()
        for method in METHODS
        if method.lower() in item
    }
    assert set(documented()) == set(ways()) == listed
    assert len(listed) == 371


def test_at_most_forty_operations_are_left_out_each_with_a_reason() -> None:
    assert len(LEFT_OUT) <= 40
    assert all(len(reason) > 20 for reason in LEFT_OUT.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_sends_what_it_is_said_to_send(name: str) -> None:
    path = name.split()[-1]
    sources = (ROOT / "pipedrive_fdw").rglob("*.py")
    assert any(path in source.read_text(encoding="utf-8") for source in sources if source.stem != "left_out")


@needs_files
@pytest.mark.parametrize("op", [op for _, op in FUNCTIONS], ids=[f"{f} {o.method}" for f, o in FUNCTIONS])
def test_a_function_sends_what_the_files_have_at_their_price(op: Operation) -> None:
    assert operation_faults(priced(op)) == []


@needs_files
def test_an_operation_of_another_price_or_path_is_seen() -> None:
    search = Operation("/itemSearch", 19)
    assert operation_faults(search) == ["GET /itemSearch costs 20 tokens, not 19"]
    assert operation_faults(Operation("/itemSeek", 20)) == ["there is no GET /itemSeek in version 2"]
