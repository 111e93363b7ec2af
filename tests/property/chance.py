"""Seeded chance for statements whose outcome others must match, and the loop that runs them.

Statement *n* of a seed is always the same, so that a failure can be looked at alone.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
import pytest

SEED = os.environ.get("PROPERTY_SEED", "1")
ONLY = os.environ.get("PROPERTY_STATEMENT")  # the number of the one that is to be run
_MOST_FAILURES = 5
T = TypeVar("T")


class Chance:
    """What a generator of statements draws from."""

    def __init__(self, seed: object) -> None:
        self._rng = random.Random(str(seed))

    def pick(self, values: Sequence[T]) -> T:
        return self._rng.choice(values)

    def odds(self, one_in: int) -> bool:
        """True once in *one_in* times."""
        return self._rng.randrange(one_in) == 0

    def number(self, least: int, most: int) -> int:
        return self._rng.randint(least, most)

    def some(self, values: Sequence[T], least: int, most: int) -> list[T]:
        """From *least* to *most* of *values*, each at most once."""
        return self._rng.sample(list(values), min(len(values), self.number(least, most)))


def run(count: int, draw: Callable[[Chance], T], check: Callable[[T], Any]) -> None:
    """*check* of *count* statements; fails with those that fail, five at most."""
    failures: list[str] = []
    for number in [int(ONLY)] if ONLY else range(count):
        statement = draw(Chance(f"{SEED}:{number}"))
        try:
            check(statement)
        except (AssertionError, psycopg.Error, pytest.fail.Exception) as error:
            failures.append(f"PROPERTY_SEED={SEED} PROPERTY_STATEMENT={number}: {statement}\n{error}")
            if len(failures) == _MOST_FAILURES:
                break
    assert not failures, "\n\n".join(failures)
