"""State of one statement: where it begins and ends."""

from __future__ import annotations

from pipedrive_fdw.postgres.statement_scope import StatementScope


def scope_of(*marks: int) -> StatementScope[list[str]]:
    given = iter(marks)
    return StatementScope(list, lambda: next(given))


def test_state_lasts_as_long_as_the_statement() -> None:
    scope = scope_of(1, 1, 2)
    scope.current().append("a")
    assert scope.current() == ["a"]
    assert scope.current() == []


def test_the_latest_state_is_given_whatever_statement_runs() -> None:
    scope = scope_of(1, 2)
    scope.current().append("a")
    assert scope.latest() == ["a"]
    scope.current().append("b")
    assert scope.latest() == ["b"]


def test_dropped_state_begins_anew_within_the_statement() -> None:
    scope = scope_of(1, 1)
    scope.current().append("a")
    scope.drop()
    assert scope.latest() == []
    scope.current().append("b")
    assert scope.latest() == ["b"]
