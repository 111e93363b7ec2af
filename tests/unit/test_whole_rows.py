"""Which statements sort by a whole row of a foreign table, as their text tells."""

from __future__ import annotations

import pytest

from pipedrive_fdw.run.backend import sorts_whole_rows


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM pipedrive.users u ORDER BY u LIMIT 1",
        "SELECT id FROM users AS u ORDER BY id, u DESC",
        'select "id" from "users" "U" order by u nulls last',
        "SELECT id FROM users ORDER BY users",
        "SELECT id FROM users u ORDER BY u.*",
        "SELECT count(*) FROM users u GROUP BY u",
        "SELECT count(*) FROM users u GROUP BY (u), id HAVING true",
        "SELECT DISTINCT u FROM users u",
        "SELECT DISTINCT ON (u) id FROM users u",
        "SELECT count(DISTINCT u) FROM users u",
        "SELECT array_agg(u.id ORDER BY u) FROM users u",
        "SELECT rank() OVER (PARTITION BY u) FROM users u",
        "EXPLAIN SELECT id FROM /* who */ users u, stages s ORDER BY u -- all",
        "SELECT id FROM stages s, users u, deals d ORDER BY u",
    ],
)
def test_a_whole_row_is_found(text: str) -> None:
    assert sorts_whole_rows(text, "users")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT row_to_json(u) FROM users u ORDER BY u.id",
        "SELECT DISTINCT u.* FROM users u ORDER BY u.id",
        "SELECT DISTINCT * FROM users u",
        "SELECT u FROM users u WHERE u.id IS DISTINCT FROM 3",
        "SELECT owner_id, count(*) AS users FROM users GROUP BY owner_id ORDER BY users",
        "SELECT owner_id, count(*) users, 1 FROM users GROUP BY owner_id ORDER BY users DESC",
        "SELECT name u FROM users ORDER BY u",
        "SELECT s FROM stages s, users u ORDER BY s",
        "SELECT id FROM users u WHERE name = 'x ORDER BY u'",
        "SELECT id FROM users -- ORDER BY users",
    ],
)
def test_another_sort_is_none(text: str) -> None:
    assert not sorts_whole_rows(text, "users")
