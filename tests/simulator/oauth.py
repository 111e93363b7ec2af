"""OAuth 2.0: the token endpoint and the access tokens that it has given out.

One app and one user; the refresh token stays the same when it is used, as the API's does.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from tests.simulator.refusal import Refusal

CLIENT = ("demo-client", "demo-secret")
REFRESH_TOKEN = "demo-refresh-token"  # noqa: S105 - a made-up account
CODE = "demo-code"
SCOPE = "base deals:full contacts:full activities:full products:full leads:full admin"


class OAuth:
    def __init__(self) -> None:
        self.expires_in: float = 3599
        self._lock = threading.Lock()
        self._given: dict[str, float] = {}

    def token(self, method: str, headers: Mapping[str, str], body: bytes, url: str) -> dict[str, Any]:
        """The answer of POST /oauth/token. Raises Refusal 400 or 401 as the API does."""
        if method != "POST":
            raise Refusal(405, "Method not allowed")
        if (headers.get("content-type") or "").partition(";")[0] != "application/x-www-form-urlencoded":
            raise Refusal(400, "Invalid request: content must be application/x-www-form-urlencoded")
        if _basic(headers.get("authorization") or "") != CLIENT:
            raise Refusal(401, "Invalid client")
        form = dict(parse_qsl(body.decode()))
        kind = form.get("grant_type")
        right = {"refresh_token": ("refresh_token", REFRESH_TOKEN), "authorization_code": ("code", CODE)}
        if kind not in right or form.get(right[kind][0]) != right[kind][1]:
            raise Refusal(400, "Invalid grant")
        access = f"v1u:{secrets.token_urlsafe(200)}"
        with self._lock:
            self._given[access] = time.monotonic() + self.expires_in
        return {
            "access_token": access,
            "token_type": "Bearer",
            "refresh_token": REFRESH_TOKEN,
            "scope": SCOPE,
            "expires_in": int(self.expires_in),
            "api_domain": url,
        }

    def user_of(self, access: str) -> int | None:
        with self._lock:
            ends = self._given.get(access)
        return 1 if ends is not None and time.monotonic() < ends else None


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(text).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, secret
