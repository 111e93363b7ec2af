"""The examples run in a database of their own, against a simulated company and against a copy of it."""

from tests.conftest import server  # noqa: F401 - the fixture
