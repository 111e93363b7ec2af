"""Texts that people get to see: without secrets, and without characters that a terminal obeys.

What the API, a proxy or a library says goes into errors, and errors go to clients, logs and terminals. So a
secret is masked in each form in which such a text may hold it, before anything of the text is cut off, and
control characters are written out (``\\x1b``).
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

MASK = "***"
# A shorter text would be masked where it only happens to stand.
_SHORTEST = 6
# Of the forms of a secret none is more times as long as it (&quot; of a quote).
_LONGEST_FORM = 6
_MOST_CHARACTERS = 8192

# The forms of all known secrets, the longest first: one may begin another.
_forms: list[str] = []
_known: set[str] = set()

_NAMED = re.compile(r"(?i)\b(api_token|access_token|refresh_token|client_secret)=[^&\s'\"]+")
_USER_OF_ADDRESS = re.compile(r"(://)[^/\s'\"@]+@")
# C0 and C1, the ends of lines and paragraphs, what turns the direction of writing, halves of characters.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def read_secret(text: str) -> str:
    """A secret as it was given, without what surrounds it (the line end of a mounted file).

    From now on it is masked in every text. Raises ValueError, which does not show it, for what is none:
    tokens, ids and secrets are made of the visible characters of ASCII (RFC 6749, appendix A).
    """
    secret = text.strip().strip("\ufeff").strip()
    if not secret:
        raise ValueError("it must not be empty")
    if len(secret) > _MOST_CHARACTERS:
        raise ValueError(f"it is longer than {_MOST_CHARACTERS} characters")
    remember_secret(secret)
    if not re.fullmatch(r"[!-~]+", secret):
        raise ValueError(
            "it contains a character that no secret has, such as a space, a line break or a typographic "
            "quote; copy it again"
        )
    return secret


def remember_secret(value: str) -> None:
    """From now on *value* is masked in every text that is shown."""
    if len(value) < _SHORTEST or value in _known:
        return
    _known.add(value)
    _forms.extend({form for form in _written(value) if len(form) >= _SHORTEST}.difference(_forms))
    _forms.sort(key=len, reverse=True)


def _written(secret: str) -> Iterator[str]:
    """The forms in which a text may hold *secret*."""
    raw = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield repr(secret)[1:-1]
    yield repr(secret + "'")[1:-2]  # which quote repr chooses depends on what stands around it
    yield repr(raw)[2:-1]
    yield repr(raw + b"'")[2:-2]
    yield json.dumps(secret)[1:-1]
    yield html.escape(secret)
    yield raw.hex()
    for escaped in (quote(raw, safe=""), quote(raw), quote_plus(raw), quote_plus(raw, safe="/:")):
        yield escaped
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), escaped)
    for before in range(3):  # bytes in front of it move its bits within the characters
        begin, end = -(-8 * before // 6), (8 * (before + len(raw))) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + raw).decode()[begin:end]


def masked(text: str) -> str:
    """*text* without known secrets, without tokens by their names, and without the password of an address."""
    for form in _forms:
        if form in text:
            text = text.replace(form, MASK)
    text = _USER_OF_ADDRESS.sub(rf"\1{MASK}@", text)
    return _NAMED.sub(rf"\1={MASK}", text)


def visible(text: str) -> str:
    """*text* with its control characters written out, so that no terminal obeys them and no log is forged."""
    return _CONTROLS.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def shown(text: str) -> str:
    """*text* as people may see it."""
    return visible(masked(text))


def beginning(text: str | bytes, most: int) -> str:
    """The first *most* characters of *text* as people may see them; what follows is not looked at."""
    # A secret may begin before the cut and end behind it
    start = text[: most + _LONGEST_FORM * _MOST_CHARACTERS]
    if isinstance(start, bytes):
        start = start.decode("utf-8", "replace")
    found = shown(start)
    return found if len(found) <= most else f"{found[:most]}…"
