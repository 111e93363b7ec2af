"""A bare HTTP client for the simulator's own tests."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def ids(self) -> list[Any]:
        return [row["id"] for row in self.data]


def ask(
    url: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, Any] | None = None,
    **query: Any,
) -> Answer:
    """One request with the demo token, on a connection of its own."""
    parts = urlsplit(url)
    sent = {"x-api-token": "demo-token", **(headers or {})}
    payload = None
    if form is not None:
        payload, kind = urlencode(form).encode(), "application/x-www-form-urlencoded"
        sent.setdefault("content-type", kind)
    elif body is not None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent.setdefault("content-type", "application/json")
    if query:
        path += ("&" if "?" in path else "?") + urlencode(query)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request(method, path, payload, sent)
        got = connection.getresponse()
        return Answer(got.status, {n.lower(): v for n, v in got.getheaders()}, got.read())
    finally:
        connection.close()
