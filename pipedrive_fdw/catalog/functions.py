"""What callers of the extension's functions give as jsonb or date: where it goes, and what the API takes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipedrive_fdw.catalog.model import PLACEHOLDER, Operation
from pipedrive_fdw.catalog.subscriptions import PAYMENTS
from pipedrive_fdw.values.shapes import DATE, NUMBER, TEXT, Shape, list_of, object_of


@dataclass(frozen=True)
class Argument(Operation):
    """An argument of a function that sends this operation.

    name   of the argument, and of the property of the body that it is
    shape  what the API takes
    each   it is no property: it lists bodies, one request each
    """

    name: str = ""
    shape: Shape = list_of(object_of())
    each: bool = False

    def sent_by(self, method: str, version: int, path: str) -> bool:
        """True if a request is one of this operation."""
        parts = PLACEHOLDER.sub("[^/]+", self.path)
        return (method, version) == (self.method, self.version) and re.fullmatch(parts, path) is not None


_INSTALLMENT = object_of(description=TEXT, amount=NUMBER, billing_date=DATE)
ARGUMENTS = (
    Argument("/subscriptions/installment", 10, 1, "POST", "payments", PAYMENTS),
    Argument("/subscriptions/installment/{id}", 10, 1, "PUT", "payments", PAYMENTS),
    Argument("/subscriptions/recurring/{id}/cancel", 10, 1, "PUT", "end_date", DATE),
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
