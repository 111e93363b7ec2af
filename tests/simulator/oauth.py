"""OAuth 2.0: the consent, the token endpoint, and the tokens that it has given out.

One app and one user, who consents at once. The refresh token stays the same when it is used, as the API's
does, unless ``rotates`` is set; then each use gives another and ends the one used.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.simulator.refusal import Refusal

CLIENT = ("demo-client", "demo-secret")
REFRESH_TOKEN = "demo-refresh-token"  # noqa: S105 - a made-up account
CODE_SECONDS = 300
SCOPE = "base deals:full contacts:full activities:full products:full leads:full admin"


class OAuth:
    def __init__(self) -> None:
        self.expires_in: float = 3599
        self.rotates = False
        self._lock = threading.Lock()
        self._given: dict[str, float] = {}
        self._refreshing = {REFRESH_TOKEN}
        self._codes: dict[str, tuple[str, float]] = {}

    def authorize(self, method: str, query: str) -> str:
        """Where GET /oauth/authorize sends the browser after the consent. Raises Refusal 400."""
        given = dict(parse_qsl(query))
        if method != "GET":
            raise Refusal(405, "Method not allowed")
        if given.get("client_id") != CLIENT[0]:
            raise Refusal(400, "Invalid client: client is invalid")
        if set(given) - {"client_id", "redirect_uri", "state"}:
            raise Refusal(400, "Invalid request: unknown parameter")
        uri = given.get("redirect_uri", "")
        if urlsplit(uri).scheme not in ("http", "https") or not urlsplit(uri).netloc:
            raise Refusal(400, "Invalid request: redirect_uri is not a valid URI")
        code = secrets.token_hex(20)
        with self._lock:
            self._codes[code] = (uri, time.monotonic() + CODE_SECONDS)
        back = {"code": code, **({"state": given["state"]} if "state" in given else {})}
        return f"{uri}{'&' if urlsplit(uri).query else '?'}{urlencode(back)}"

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
        if kind is None:
            raise Refusal(400, "Missing parameter: grant_type")
        with self._lock:
            if kind == "refresh_token":
                refresh = self._refresh(form.get("refresh_token", ""))
            elif kind == "authorization_code":
                refresh = self._redeem(form.get("code", ""), form.get("redirect_uri", ""))
            else:
                raise Refusal(400, "Unsupported grant type: grant_type is invalid")
            access = f"v1u:{secrets.token_urlsafe(600)}"
            self._given[access] = time.monotonic() + self.expires_in
        return {
            "access_token": access,
            "token_type": "Bearer",
            "refresh_token": refresh,
            "scope": SCOPE,
            "expires_in": int(self.expires_in),
            "api_domain": url,
        }

    def _refresh(self, token: str) -> str:
        if token not in self._refreshing:
            raise Refusal(400, "Invalid grant: refresh_token is invalid")
        if not self.rotates:
            return token
        self._refreshing.discard(token)
        return self._another()

    def _redeem(self, code: str, redirect_uri: str) -> str:
        uri, ends = self._codes.pop(code, ("", 0.0))
        if not uri:
            raise Refusal(400, "Invalid grant: authorization_code is invalid")
        if time.monotonic() > ends:
            raise Refusal(400, "Invalid grant: authorization_code has expired")
        if uri != redirect_uri:
            raise Refusal(400, "Invalid request: redirect_uri is invalid")
        return self._another()

    def _another(self) -> str:
        token = f"demo-refresh-{secrets.token_hex(16)}"
        self._refreshing.add(token)
        return token

    def user_of(self, access: str) -> int | None:
        with self._lock:
            ends = self._given.get(access)
        return 1 if ends is not None and time.monotonic() < ends else None

    # ---- for tests

    def tokens(self) -> list[str]:
        """The access tokens that are given out."""
        with self._lock:
            return list(self._given)

    def end_access_tokens(self) -> None:
        """Every access token ends now, before its time."""
        with self._lock:
            self._given.clear()

    def uninstall(self) -> None:
        """Every token ends, as when a user removes the app."""
        with self._lock:
            self._given.clear()
            self._refreshing.clear()

    def allow(self, refresh_token: str) -> None:
        with self._lock:
            self._refreshing.add(refresh_token)


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(text).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, secret
