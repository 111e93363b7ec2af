"""A server that is made on Multicorn's own foreign data wrapper is refused: nothing keeps its faults away."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.e2e.extension import TOKEN, Extended


@pytest.fixture
def old(extended: Extended) -> Iterator[Extended]:
    extended.run(
        "CREATE SERVER old FOREIGN DATA WRAPPER multicorn "
        f"OPTIONS (wrapper 'pipedrive_fdw.PipedriveFdw', base_url '{extended.simulator.url}'); "
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER old OPTIONS (api_token $${TOKEN}$$); "
        "CREATE FOREIGN TABLE old_notes (id bigint, content text) SERVER old OPTIONS (\"table\" 'notes')"
    )
    yield extended
    extended.run("DROP SERVER old CASCADE")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM old_notes",
        "EXPLAIN SELECT * FROM old_notes",
        "INSERT INTO old_notes (content) VALUES ('lost')",
        "UPDATE old_notes SET content = 'lost' WHERE id = 1",
        "DELETE FROM old_notes WHERE id = 1",
        "IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (stages) FROM SERVER old INTO public",
    ],
    ids=lambda statement: statement.split()[0],
)
def test_it_says_how_to_make_it_anew(old: Extended, statement: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        old.run(statement)
    assert "the server is made on multicorn directly" in str(caught.value)
    assert "CREATE SERVER … FOREIGN DATA WRAPPER pipedrive_fdw" in str(caught.value)
    assert old.sent() == []
