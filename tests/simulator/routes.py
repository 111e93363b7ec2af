"""Which function answers which operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from tests.simulator.account import Account
from tests.simulator.model import Collection, Record
from tests.simulator.spec import Operation, operations


@dataclass(frozen=True)
class Call:
    """A request that keeps to its operation."""

    account: Account
    op: Operation
    values: Mapping[str, str]  # of the path's placeholders
    query: Mapping[str, str]
    body: Any
    user: int  # whose token it is

    def key(self, name: str = "id") -> Any:
        value = self.values[name]
        return int(value) if value.isdigit() and name not in self.op.keys else value

    def flag(self, name: str) -> bool:
        return self.query.get(name) in ("true", "1")


Reply = Any  # bytes (the whole answer), an envelope, (status, envelope), or Elsewhere


@dataclass(frozen=True)
class Elsewhere:
    """The answer that a file is at the path *location*, which takes no credentials."""

    location: str


Handler = Callable[[Call], Reply]
HANDLERS: dict[tuple[int, str, str], Handler] = {}
COLLECTIONS: list[Collection] = []
CHANGES = ("PATCH", "PUT")


def serves(version: int, *operations_: str) -> Callable[[Handler], Handler]:
    """Registers a function for operations written as ``GET /deals``."""

    def register(handler: Handler) -> Handler:
        for text in operations_:
            method, path = text.split()
            key = (version, method, path)
            if key not in operations():
                raise ValueError(f"the OpenAPI files have no {text} in v{version}")
            HANDLERS[key] = handler
        return handler

    return register


def done(data: Any, **more: Any) -> Record:
    return {"success": True, "data": data, **more}
