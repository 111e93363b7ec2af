"""State that belongs to one statement of the client: the one place where it begins and ends."""

from __future__ import annotations

from typing import Any, Callable, Generic, TypeVar

from pipedrive_fdw.postgres.channel import statement

T = TypeVar("T")


class StatementScope(Generic[T]):
    """State that is made when a statement first uses it, and dropped when the next statement does.

    *make* makes it. *mark* gives a value that changes with every statement.
    """

    def __init__(self, make: Callable[[], T], mark: Callable[[], Any] = statement) -> None:
        self._make = make
        self._mark = mark
        self._seen: Any = None
        self._state = make()

    def current(self) -> T:
        """The state of the statement that runs."""
        mark = self._mark()
        if mark != self._seen:
            self._seen, self._state = mark, self._make()
        return self._state

    def latest(self) -> T:
        """The state of the statement that used it last. A client that prepares statements plans and runs them
        by several messages, each of which has a mark of its own."""
        return self._state

    def drop(self) -> None:
        """Begins the state anew."""
        self._state = self._make()
