"""From a request to an answer: credentials, switches, metering, checks, the handler; and the request log.

Knows no sockets (server.py) and no objects (families/).
"""

from __future__ import annotations

import pickle
import re
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

from tests.simulator import families  # noqa: F401 - registers the handlers
from tests.simulator.account import Account
from tests.simulator.checks import check_query, read_body
from tests.simulator.company.world import World
from tests.simulator.control import change_records
from tests.simulator.faults import Faults
from tests.simulator.meter import Meter
from tests.simulator.oauth import OAuth
from tests.simulator.refusal import Refusal
from tests.simulator.routes import HANDLERS, Call, Elsewhere
from tests.simulator.server import Server
from tests.simulator.snapshot import snapshot
from tests.simulator.spec import Operation, find

JSON = "application/json; charset=utf-8"
_PREFIXES = (("/api/v1/", 1), ("/v1/", 1), ("/api/v2/", 2))


@dataclass
class Answer:
    status: int
    body: bytes
    tokens: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON


class Simulator:
    """A running API. ``url`` is its address; the other methods are what /_sim offers over HTTP."""

    def __init__(
        self,
        seed: int = 1,
        deals: int = 300,
        latency_ms: int = 0,
        burst: int = 100_000,
        budget: int = 1_000_000,
        token: str = "demo-token",  # noqa: S107 - a made-up account
        host: str = "127.0.0.1",
        port: int = 0,
        extra_fields: int = 0,
    ) -> None:
        self.settings: dict[str, Any] = {
            "v1_core": False,
            "subscriptions": False,
            "gated": {},
            "contact_sync": True,
            "nulls": "low",
            "users_tokens": {token: 1},
            "latency_ms": latency_ms,
            "burst": burst,
            "budget": budget,
            "reports_budget": True,
        }
        self.meter = Meter(burst, budget)
        self.rules = Faults()
        self.oauth = OAuth()
        self._company = (seed, deals, extra_fields)
        self.account = Account(World(*self._company))
        self._beginning: bytes | None = None  # its tables, once they are asked for again
        self.log: list[dict[str, Any]] = []
        self._server = Server((host, port), self)
        self.address = (host, int(self._server.server_address[1]))
        self.url = self.account.address = f"http://{host}:{self.address[1]}"
        self._thread: threading.Thread | None = None
        self._listens = threading.Lock()
        self._stopped = False

    # ---- for tests

    def start(self) -> Simulator:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends the server and every connection to it."""
        with self._listens:
            self._stopped = True
            self._close(None)

    def _close(self, but: socket.socket | None) -> None:
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._server.drop_connections(but)

    def refuse(self, seconds: float, but: socket.socket | None = None) -> None:
        """Ends every connection *but* one, and refuses new ones for a while."""
        with self._listens:
            self._close(but)
        again = threading.Timer(seconds, self.listen)
        again.daemon = True
        again.start()

    def listen(self) -> None:
        """Takes connections again after ``refuse``."""
        with self._listens:
            if self._thread is None and not self._stopped:
                self._server = Server(self.address, self)
                self.start()

    def requests(self) -> list[dict[str, Any]]:
        return list(self.log)

    def reset(self) -> None:
        """Clears log, counters and faults; the records stay as they are."""
        self.log.clear()
        self.meter.reset()
        self.rules.replace(())

    def refill(self) -> None:
        """The company as it was in the beginning."""
        if self._beginning is None:
            self._beginning = pickle.dumps(Account(World(*self._company)).tables)
        self.account.begin(pickle.loads(self._beginning))  # noqa: S301 - packed here

    def faults(self, rules: list[dict[str, Any]]) -> None:
        self.rules.replace(rules)

    def records(self, collection: str) -> list[dict[str, Any]]:
        return snapshot(self.account, collection)

    def change(self, requests: Iterable[Mapping[str, Any]]) -> None:
        """Requests to /_sim/records ({method, path, body}), between two requests to the API."""
        with self.account.lock:
            for one in requests:
                change_records(self, one["method"], one["path"], one.get("body"))

    def configure(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Changes settings. Raises ValueError for one that does not exist."""
        unknown = set(given) - set(self.settings) - {"oauth_expires_in", "oauth_rotates"}
        if unknown:
            raise ValueError(f"no setting {', '.join(sorted(unknown))}; there are {', '.join(self.settings)}")
        for name, value in given.items():
            if name.startswith("oauth_"):
                setattr(self.oauth, name[len("oauth_") :], value)
            else:
                self.settings[name] = value
        self.meter.burst, self.meter.budget = self.settings["burst"], self.settings["budget"]
        self.meter.reports = self.settings["reports_budget"]
        for name in self.account.settings.keys() & self.settings.keys():
            if self.account.settings[name] != self.settings[name]:
                self.account.settings[name] = self.settings[name]
        return self.settings

    # ---- requests

    def record(self, entry: dict[str, Any], answer: Answer, started: float) -> None:
        entry.update(status=answer.status, tokens=answer.tokens, started=started, ended=time.time())
        self.log.append(entry)

    def answer(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        tokens = 0
        metered: dict[str, str] = {}
        try:
            if path == "/oauth/authorize":
                return Answer(302, b"", 0, {"location": self.oauth.authorize(method, query)})
            if path == "/oauth/token":
                return Answer(200, orjson.dumps(self.oauth.token(method, headers, body, self.url)))
            if path.startswith("/public/"):
                return self._public(path, headers)
            if path.startswith("/storage/"):
                return self._stored(path, query, headers)
            version, rest = _version(path)
            op, values = find(version, method, rest)
            self._switched(op)
            credential, user = self._credential(headers)
            verdict = self.meter.admit(credential, op.tokens, op.search)
            if verdict.status != 200:
                return Answer(verdict.status, verdict.body, 0, verdict.headers, verdict.content_type)
            tokens, metered = op.tokens, verdict.headers
            self._gated(method, rest)
            given = check_query(op, parse_qsl(query, keep_blank_values=True))
            data = read_body(op, headers.get("content-type") or "", body)
            handler = HANDLERS.get((op.version, op.method, op.path))
            if handler is None:
                raise Refusal(501, f"the simulator does not serve {op.method} {op.path} (v{op.version})")
            with self.account.lock:
                reply = handler(Call(self.account, op, values, given, data, user))
                if isinstance(reply, Elsewhere):
                    return Answer(302, b"", tokens, {**metered, "location": reply.location})
                status, reply = reply if isinstance(reply, tuple) else (200, reply)
                payload = reply if isinstance(reply, bytes) else orjson.dumps(reply)
            return Answer(status, payload, tokens, metered)
        except Refusal as refusal:
            return Answer(refusal.status, orjson.dumps(refusal.envelope()), tokens, metered)

    def _stored(self, path: str, query: str, headers: Mapping[str, str]) -> Answer:
        """A file in the storage, by the signature of its address; credentials beside it are refused."""
        if headers.get("x-api-token") or headers.get("authorization") or query != "signature=made-up":
            return Answer(403, b"<Error>AccessDenied</Error>", 0, {}, "application/xml")
        found = self.account.get("files", int(path.rsplit("/", 1)[-1]))
        return Answer(200, str(found["_content"]).encode("latin-1"), 0, {}, "application/octet-stream")

    def _public(self, path: str, headers: Mapping[str, str]) -> Answer:
        """A picture at the address that everybody may read; credentials do not belong there."""
        found = re.fullmatch(r"/public/(persons|products)/(\d+)(?:_(\d+))?\.(?:jpg|png)", path)
        if found is None or headers.get("x-api-token") or headers.get("authorization"):
            return Answer(403, b"<Error>AccessDenied</Error>", 0, {}, "application/xml")
        table, key, size = found.groups()
        if table == "products":
            content = self.account.get("product_images", int(key))["_content"]
        else:
            person = self.account.get("persons", int(key))
            content = person.get("_picture", f"picture of person {key}") if size == "512" else "small"
        return Answer(200, str(content).encode("latin-1"), 0, {}, "image/png")

    def _credential(self, headers: Mapping[str, str]) -> tuple[str, int]:
        """(credential, user id) of an API token in its header or an access token as Bearer, never mixed."""
        token = headers.get("x-api-token")
        if token is not None:
            user = self.settings["users_tokens"].get(token)
            if user is not None:
                return token, int(user)
        scheme, _, bearer = (headers.get("authorization") or "").partition(" ")
        if scheme.lower() == "bearer" and self.oauth.user_of(bearer) is not None:
            return "oauth", self.oauth.user_of(bearer) or 1
        raise Refusal(401, "unauthorized access")

    def _switched(self, op: Operation) -> None:
        if op.switch == "core_v1" and not self.settings["v1_core"]:
            raise Refusal(404, "Unknown method .")
        if op.switch == "subscriptions" and not self.settings["subscriptions"]:
            raise Refusal(410, "This API has been removed")

    def _gated(self, method: str, path: str) -> None:
        """The features that the plan lacks: path pattern → status, or {status, error, code}."""
        for pattern, what in self.settings["gated"].items():
            if re.search(pattern, path):
                given = what if isinstance(what, dict) else {"status": what}
                error = {402: "Payment required", 403: "Your plan does not include this feature"}
                status = int(given["status"])
                raise Refusal(
                    status, given.get("error") or error.get(status, "Not available"), given.get("code", "")
                )


def _version(path: str) -> tuple[int, str]:
    for prefix, version in _PREFIXES:
        if path.startswith(prefix):
            return version, path[len(prefix) - 1 :]
    raise Refusal(404, "Unknown path")
