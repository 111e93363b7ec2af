"""The tests' own door, /_sim: log, faults, settings, records. Neither metered nor logged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.simulator.refusal import Refusal
from tests.simulator.snapshot import insert, patch, remove

if TYPE_CHECKING:
    from tests.simulator.service import Simulator


def control(simulator: Simulator, method: str, path: str, body: bytes) -> tuple[int, Any]:
    """(status, JSON value)."""
    what, _, rest = path[len("/_sim/") :].partition("/")
    try:
        given = json.loads(body) if body else None
        return 200, _done(simulator, method, what, rest, given)
    except Refusal as refusal:
        return refusal.status, refusal.envelope()
    except (ValueError, TypeError, KeyError) as error:
        return 400, {"error": f"{type(error).__name__}: {error}"}


def _done(simulator: Simulator, method: str, what: str, rest: str, given: Any) -> Any:
    if (method, what) == ("GET", "requests"):
        return simulator.requests()
    if (method, what) == ("POST", "reset"):
        simulator.reset()
        return {"ok": True}
    if (method, what) == ("POST", "refill"):
        simulator.refill()
        return {"ok": True}
    if (method, what) == ("POST", "faults"):
        simulator.faults(given or [])
        return {"ok": True}
    if what == "settings":
        return simulator.configure(given if isinstance(given, Mapping) else {})
    if what == "records":
        return change_records(simulator, method, rest, given)
    raise Refusal(404, f"no control {method} {what}")


def change_records(simulator: Simulator, method: str, rest: str, given: Any) -> Any:
    """GET notes, POST notes, PATCH notes/7 or DELETE notes/7, behind the API's back."""
    name, _, key = rest.partition("/")
    if method == "GET":
        return simulator.records(name)
    with simulator.account.lock:
        if method == "POST":
            return insert(simulator.account, name, given)
        if method == "PATCH":
            return patch(simulator.account, name, key, given)
        if method == "DELETE":
            return remove(simulator.account, name, key)
    raise Refusal(405, f"no {method} of records")
