"""The documented Pipedrive API on a local port, for tests and for trying the product.

Every request is checked against the official OpenAPI files (their digest, operations.json), so the
simulator is stricter than the wrapper that it serves. Records live in memory and belong to a made-up
company that is the same for the same seed.

spec, checks         the operations, and whether a request keeps to its own
company/             the records of the made-up company
account, model       tables, and what a collection is
families/            the API's objects: declarations and the operations that need words of their own
listing, verbs       lists and pages; create, change, delete
meter, faults        tokens and windows; rules that spoil answers
service, server      from a request to an answer; HTTP
control, oauth       the tests' own door; access tokens
"""

from __future__ import annotations

from tests.simulator.service import Simulator

__all__ = ["Simulator"]
