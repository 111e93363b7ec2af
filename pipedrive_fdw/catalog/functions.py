"""The operations that the extension's functions send: prices, and what the API takes of a caller's jsonb."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipedrive_fdw.catalog.model import PLACEHOLDER, Operation
from pipedrive_fdw.catalog.subscriptions import PAYMENTS
from pipedrive_fdw.shapes import NUMBER, TEXT, Shape, list_of, object_of


@dataclass(frozen=True)
class Argument(Operation):
    """A jsonb argument of a function that sends this operation.

    name   of the argument, and of the property of the body that it is
    shape  what the API takes
    each   it is no property: it lists bodies, one request each
    """

    name: str = ""
    shape: Shape = list_of(object_of())
    each: bool = False


def price(method: str, version: int, path: str) -> int:
    """The tokens of a request."""
    for op in PRICED:
        if sends(op, method, version, path):
            return op.tokens
    return _PRICES[method] * (3 - version)


def sends(op: Operation, method: str, version: int, path: str) -> bool:
    """Whether a request is one of the operation *op*."""
    parts = PLACEHOLDER.sub("[^/]+", op.path)
    return (method, version) == (op.method, op.version) and re.fullmatch(parts, path) is not None


# Tokens by method in version 2, half of those in version 1. A list is assumed where it may be one.
_PRICES = {"GET": 10, "POST": 5, "PUT": 5, "PATCH": 5, "DELETE": 3}
METHODS = tuple(_PRICES)
# Operations that cost something else.
PRICED = (
    Operation("/itemSearch", 20),
    Operation("/itemSearch/field", 20),
    Operation("/deals/search", 20),
    Operation("/leads/search", 20),
    Operation("/organizations/search", 20),
    Operation("/persons/search", 20),
    Operation("/products/search", 20),
    Operation("/projects/search", 20),
    Operation("/deals/{id}/merge", 40, 1, "PUT"),
    Operation("/organizations/{id}/merge", 40, 1, "PUT"),
    Operation("/persons/{id}/merge", 40, 1, "PUT"),
    Operation("/deals/{id}/convert/lead", 40, 2, "POST"),
    Operation("/leads/{id}/convert/deal", 40, 2, "POST"),
    Operation("/deals/{id}/convert/status/{conversion_id}", 1),
    Operation("/leads/{id}/convert/status/{conversion_id}", 1),
)
_INSTALLMENT = object_of(description=TEXT, amount=NUMBER, billing_date=TEXT)
ARGUMENTS = (
    Argument("/subscriptions/installment", 10, 1, "POST", "payments", PAYMENTS),
    Argument("/subscriptions/installment/{id}", 10, 1, "PUT", "payments", PAYMENTS),
    Argument(
        "/deals/{id}/installments",
        5,
        2,
        "POST",
        "installments",
        list_of(_INSTALLMENT.requiring("description amount billing_date")),
        each=True,
    ),
)
